use super::*;
use crate::proto::bittorrent::metainfo::create::{Draft, DraftFile, Version};

/// A hybrid torrent of files of 10, 0, 40,000 and 5 bytes, in pieces of 16 KiB.
fn layout(version: Version) -> Arc<Layout> {
    let file =
        |name: &str, length| DraftFile { path: vec![name.to_owned()], length, executable: name == "d" };
    let files = vec![file("a", 10), file("b", 0), file("c", 40_000), file("d", 5)];
    let draft = Draft::new("t", files, 16 << 10, version).unwrap();
    Arc::new(draft.layout().clone())
}

fn open(dir: &Path, version: Version, allocation: Allocation) -> Storage {
    Storage::open(dir, layout(version), &Handles::new(2), allocation).unwrap()
}

#[test]
fn pieces_are_written_and_read() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let dir = tempfile::tempdir().unwrap();
        let storage = open(dir.path(), version, Allocation::Sparse);
        let layout = Arc::clone(storage.layout());
        let content = |piece: u32| -> Vec<u8> {
            (0..layout.piece_content(piece)).map(|byte| (byte / 7 + piece + 1) as u8).collect()
        };
        for piece in (0..layout.pieces()).rev() {
            let bytes = Bytes::from(content(piece));
            // In blocks of all lengths.
            let cut = bytes.len() / 3;
            storage.write(piece, 0, &[bytes.slice(..cut), Bytes::new(), bytes.slice(cut..cut + 1)]).unwrap();
            storage.write(piece, cut as u32 + 1, &[bytes.slice(cut + 1..)]).unwrap();
        }
        for piece in 0..layout.pieces() {
            let mut read = vec![9; layout.piece_size(piece) as usize];
            storage.read(piece, 0, &mut read).unwrap();
            let (content, padding) = (content(piece), vec![0; read.len() - content(piece).len()]);
            assert_eq!(read, [content, padding].concat(), "{version:?}, piece {piece}");
        }
        storage.make_empty(|_| true).unwrap();
        let sizes = ["a", "b", "c", "d"]
            .map(|name| std::fs::metadata(dir.path().join("t").join(name)).unwrap().len());
        assert_eq!(sizes, [10, 0, 40_000, 5]);
        assert!(!dir.path().join("t/.pad").exists());
        storage.sync().unwrap();
        let sizes: Vec<_> = storage.stamps().into_iter().flatten().map(|stamp| stamp.size).collect();
        assert_eq!(sizes, [10, 40_000, 5]);
    }
}

#[test]
fn what_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), Version::V2, Allocation::Sparse);
    let error = storage.read(0, 0, &mut [0; 10]).unwrap_err();
    assert_eq!(error.path, dir.path().join("t/a"));
    assert_eq!(error.error.kind(), io::ErrorKind::NotFound);
    storage.write(0, 0, &[Bytes::from_static(b"12345")]).unwrap();
    let error = storage.read(0, 0, &mut [0; 10]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}: it is shorter than it should be", dir.path().join("t/a").display())
    );
    assert!(
        Storage::open(&dir.path().join("x"), layout(Version::V1), &Handles::new(1), Allocation::Sparse)
            .is_err()
    );
}

#[test]
fn room_is_taken_beforehand() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let dir = tempfile::tempdir().unwrap();
    for (name, allocation) in [("sparse", Allocation::Sparse), ("full", Allocation::Full)] {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let storage = open(&folder, Version::V2, allocation);
        storage.write(3, 0, &[Bytes::from_static(b"x")]).unwrap();
        let found = std::fs::metadata(folder.join("t/c")).unwrap();
        let expected = if allocation == Allocation::Full { 40_000 } else { 32_769 };
        assert_eq!(found.len(), expected);
        let room = found.blocks() * 512;
        assert_eq!(room >= 40_000, allocation == Allocation::Full, "{room}");
        storage.write(4, 0, &[Bytes::from_static(b"12345")]).unwrap();
        let mode = std::fs::metadata(folder.join("t/d")).unwrap().permissions().mode();
        assert_ne!(mode & 0o100, 0, "it may be executed");
    }
}

#[test]
fn links_lead_from_their_folder() {
    let path = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    for (link, target, expected) in [
        ("t/a", "t/b", "b"),
        ("t/x/a", "t/b", "../b"),
        ("t/a", "t/x/b", "x/b"),
        ("t/x/y/a", "t/x/z/b", "../z/b"),
    ] {
        assert_eq!(relative(&path(link), &path(target)), Path::new(expected));
    }
}
