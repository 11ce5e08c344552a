//! Metainfo of every kind, made and read again, and what nobody should take.

use super::create::{Draft, DraftFile, Version, piece_length};
use super::*;

/// A file of bytes that tell where they are.
fn content(length: u64, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at / 7) as u8 ^ seed).collect()
}

struct Made {
    draft: Draft,
    contents: Vec<Vec<u8>>,
    metainfo: Metainfo,
}

/// A torrent of files, hashed as simply as can be.
fn made(files: &[(&str, u64)], length: u32, version: Version) -> Made {
    let files = files.iter().map(|(path, length)| DraftFile {
        path: path.split('/').filter(|level| !level.is_empty()).map(str::to_owned).collect(),
        length: *length,
        executable: false,
    });
    let draft = Draft::new("t", files.collect(), length, version).unwrap();
    let files = draft.layout().files();
    let contents: Vec<Vec<u8>> = files
        .iter()
        .enumerate()
        .map(|(number, file)| {
            if file.is_padding() { vec![0; file.length as usize] } else { content(file.length, number as u8) }
        })
        .collect();
    let all = contents.concat();
    let pieces: Vec<Sha1> = all.chunks(length as usize).map(Sha1::of).collect();
    let mut layers = Vec::new();
    let mut roots = Vec::new();
    for (file, bytes) in files.iter().zip(&contents) {
        let blocks: Vec<_> = bytes.chunks(BLOCK as usize).map(Sha256::of).collect();
        let root = (!bytes.is_empty() && !file.is_padding()).then(|| merkle::root(&blocks, 0));
        if bytes.len() > length as usize && !file.is_padding() {
            let per_piece = (length / BLOCK) as usize;
            let row: Vec<_> = blocks
                .chunks(per_piece)
                .map(|piece| merkle::root_of(piece, 0, piece_height(length)))
                .collect();
            layers.push(row);
        }
        roots.push(root);
    }
    let info = Info::read(draft.info(&pieces, &roots).into()).unwrap();
    let mut metainfo = Metainfo::of(info);
    if version.is_v2() {
        let files = metainfo.info.layout().files().to_vec();
        let long = files.iter().filter(|file| file.length > u64::from(length) && !file.is_padding());
        for (file, row) in long.zip(layers) {
            assert!(metainfo.layers.insert(metainfo.info.layout(), file, row));
        }
    }
    Made { draft, contents, metainfo }
}

const FILES: &[(&str, u64)] = &[("b/c", 100_000), ("a", 40_000), ("b/a", 0), ("d", 16_384), ("b.txt", 1)];

#[test]
fn torrents_of_each_version_are_made_and_read() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let Made { draft, contents, mut metainfo } = made(FILES, 32 << 10, version);
        metainfo.trackers =
            vec![vec!["http://a/announce".into(), "udp://b:1".into()], vec!["http://c/".into()]];
        metainfo.web_seeds = vec!["http://w/".into()];
        metainfo.nodes = vec![("router".into(), 6881)];
        metainfo.comment = Some("hello".into());
        metainfo.created = Some(1);
        let bytes = Bytes::from(metainfo.to_bytes());
        let read = Metainfo::read(&bytes).unwrap();
        assert_eq!(read, metainfo, "{version:?}");
        assert_eq!(read.to_bytes(), bytes, "{version:?}");
        let info = &read.info;
        assert_eq!(
            (info.hash().v1().is_some(), info.hash().v2().is_some()),
            (version.is_v1(), version.is_v2())
        );
        assert_eq!(info.layout().pieces(), draft.layout().pieces());
        let regular = info.layout().files().iter().filter(|file| !file.is_padding());
        let paths: Vec<_> = regular.map(File::display_path).collect();
        assert_eq!(paths, ["t/a", "t/b/a", "t/b/c", "t/b.txt", "t/d"], "{version:?}");
        // Every piece is what it has to be.
        for piece in 0..info.layout().pieces() {
            let spans = info.layout().spans(piece, 0, u32::MAX);
            let bytes =
                spans.map(|span| &contents[span.file][span.range.start as usize..span.range.end as usize]);
            let bytes: Vec<u8> = bytes.flatten().copied().collect();
            let expected = info.expected(piece, &read.layers);
            assert_eq!(expected.v1, version.is_v1().then(|| Sha1::of(&bytes)), "{version:?} {piece}");
            let Some((node, height)) = expected.v2 else {
                assert!(!version.is_v2());
                continue;
            };
            let content = &bytes[..info.layout().piece_content(piece) as usize];
            let blocks: Vec<_> = content.chunks(BLOCK as usize).map(Sha256::of).collect();
            assert_eq!(node, merkle::root_of(&blocks, 0, height), "{version:?} {piece}");
        }
        let none = Expected { v1: None, v2: None };
        assert_eq!(info.expected(info.layout().pieces(), &read.layers), none);
    }
}

#[test]
fn a_single_file_has_the_name_of_the_torrent() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let Made { metainfo, .. } = made(&[("", 70_000)], 16 << 10, version);
        let files = metainfo.info.layout().files();
        assert_eq!((files.len(), files[0].display_path()), (1, "t".to_owned()), "{version:?}");
        assert_eq!(metainfo.info.layout().pieces(), 5);
    }
    // A folder with one file is one.
    let Made { metainfo, .. } = made(&[("t", 7)], 16 << 10, Version::V1);
    assert_eq!(metainfo.info.layout().files()[0].display_path(), "t/t");
}

#[test]
fn pieces_are_as_long_as_it_takes() {
    for (total, length) in [(0, 16 << 10), (1 << 20, 16 << 10), (1 << 30, 1 << 20), (1 << 40, 16 << 20)] {
        assert_eq!(piece_length(total), length, "{total}");
    }
}

/// An `info` dictionary of version 1 of one file, with changes.
fn info(changes: &[(&str, Option<Tree>)]) -> Result<Info, MetainfoError> {
    let mut entries = std::collections::BTreeMap::from([
        (b"name".to_vec(), Tree::from("t")),
        (b"length".to_vec(), Tree::from(100i64)),
        (b"piece length".to_vec(), Tree::from(64i64)),
        (b"pieces".to_vec(), Tree::from(vec![7; 40])),
    ]);
    for (key, value) in changes {
        match value {
            Some(value) => entries.insert(key.as_bytes().to_vec(), value.clone()),
            None => entries.remove(key.as_bytes()),
        };
    }
    Info::read(Tree::Dictionary(entries).to_bytes().into())
}

fn listed(path: &[&str], length: i64, attributes: &str) -> Tree {
    Tree::dictionary([("length", length)])
        .with("path", Tree::list(path.iter().copied()))
        .with("attr", attributes)
}

#[test]
fn what_is_impossible_is_refused() {
    assert!(info(&[]).is_ok());
    let number = |number: i64| Some(Tree::from(number));
    let many = Tree::list((0..70).map(|_| "d"));
    let deep = Tree::list([Tree::dictionary([("length", number(1).unwrap()), ("path", many)])]);
    for (changes, expected) in [
        (vec![("length", None)], missing("info.length")),
        (vec![("length", number(-1))], missing("info.length")),
        (vec![("length", number(0)), ("pieces", Some("".into()))], MetainfoError::Empty),
        (vec![("length", number(129))], MetainfoError::Pieces { found: 2, expected: 3 }),
        (vec![("length", number(64))], MetainfoError::Pieces { found: 2, expected: 1 }),
        (vec![("length", number(i64::MAX))], MetainfoError::Large(MAX_TOTAL)),
        (vec![("pieces", Some(vec![7; 39].into()))], MetainfoError::Pieces { found: 1, expected: 2 }),
        (vec![("pieces", None)], missing("info.pieces")),
        (vec![("piece length", None)], missing("info.piece length")),
        (vec![("piece length", number(0))], MetainfoError::PieceLength(0)),
        (vec![("piece length", number(-64))], MetainfoError::PieceLength(-64)),
        (vec![("piece length", number(1 << 40))], MetainfoError::PieceLength(1 << 40)),
        (vec![("piece length", number(1)), ("length", number(1 << 30))], MetainfoError::PieceLength(1)),
        (vec![("meta version", number(3))], MetainfoError::Version(3)),
        (vec![("meta version", number(2))], MetainfoError::PieceLength(64)),
        (vec![("files", Some("".into()))], missing("info.files")),
        (vec![("files", Some(Tree::list([number(1).unwrap()])))], missing("info.files.path")),
        (vec![("files", Some(deep))], MetainfoError::Depth(names::MAX_DEPTH)),
    ] {
        assert_eq!(info(&changes).unwrap_err(), expected, "{changes:?}");
    }
    let unsorted = b"d6:pieces20:aaaaaaaaaaaaaaaaaaaa4:name1:t6:lengthi1e12:piece lengthi64ee";
    assert_eq!(Info::read(unsorted[..].into()), Err(MetainfoError::Order));
    assert_eq!(Info::read(b"le"[..].into()), Err(missing("info")));
    assert!(matches!(
        Metainfo::read(&Bytes::from_static(b"de")),
        Err(MetainfoError::Missing { what: "info" })
    ));
    assert!(matches!(Metainfo::read(&Bytes::from_static(b"<html>")), Err(MetainfoError::Bencode(_))));
}

#[test]
fn names_are_made_safe() {
    let files = Tree::list([
        listed(&["..", "..", "etc", "passwd"], 10, ""),
        listed(&["a/b", "", ".", "c\0"], 10, ""),
        listed(&["same"], 10, "x"),
        listed(&["SAME"], 10, ""),
        listed(&[], 10, ""),
        listed(&["_____padding_file_0_"], 40, ""),
        listed(&["last"], 10, "p"),
    ]);
    let read = info(&[("length", None), ("files", Some(files)), ("name", Some("../up".into()))]).unwrap();
    let paths: Vec<_> = read.layout().files().iter().map(File::display_path).collect();
    let safe = [".._up/._/._/etc/passwd", ".._up/a_b/c_", ".._up/same", ".._up/SAME.1", ".._up/_"];
    assert_eq!(paths[..5], safe);
    let padding: Vec<_> = read.layout().files().iter().map(File::is_padding).collect();
    assert_eq!(padding, [false, false, false, false, false, true, true]);
    assert!(read.layout().files()[2].executable);
    assert_eq!((read.layout().content(), read.layout().piece_content(1)), (50, 0));
    // Without a name it is called by its hash.
    let read = info(&[("name", None)]).unwrap();
    assert_eq!(read.name(), read.hash().id().to_string());
}

#[test]
fn what_files_were_called_is_kept() {
    let raw = |info: &Info| -> Vec<String> {
        let paths = (0..info.layout().files().len()).map(|file| info.raw_path(file));
        paths.map(|path| String::from_utf8_lossy(&path.join(&b'|')).into_owned()).collect()
    };
    let files = Tree::list([
        listed(&["..", "", "a?b", ".", "c/d"], 10, ""),
        listed(&["same"], 10, ""),
        listed(&["SAME"], 10, ""),
        listed(&[], 10, ""),
        listed(&["CON"], 40, "").with("path.utf-8", Tree::list([vec![b'e', 0xff]])),
        listed(&["pad"], 20, "p"),
    ]);
    let read = info(&[("length", None), ("files", Some(files)), ("name", Some("t: x".into()))]).unwrap();
    let expected = ["t: x|._|a?b|c/d", "t: x|same", "t: x|SAME", "t: x|_", "t: x|e\u{fffd}", "t: x|pad"];
    assert_eq!(raw(&read), expected);
    assert_eq!(read.layout().files()[0].display_path(), "t_ x/._/a_b/c_d");
    assert!(read.raw_path(6).is_empty());
    // A single file, and one without a name.
    assert_eq!(raw(&info(&[("name", Some("a:b".into()))]).unwrap()), ["a:b"]);
    let nameless = info(&[("name", Some("..".into()))]).unwrap();
    assert_eq!((nameless.name(), raw(&nameless)), ("._", vec!["._".to_owned()]));
    // The tree of version 2.
    let leaf = Tree::dictionary([("length", 0i64)]);
    let one = Tree::dictionary([("length", 1i64)]).with("pieces root", vec![7; 32]);
    let inner = Tree::dictionary([("..", Tree::dictionary([("", leaf.clone())]))])
        .with("x*", Tree::dictionary([("", one)]))
        .with("y", Tree::dictionary([("", leaf)]));
    let tree = Tree::dictionary([("f:", inner)]);
    let version = ("meta version", Some(Tree::from(2i64)));
    let changes = [("length", None), ("pieces", None), version, ("file tree", Some(tree))];
    let length = ("piece length", Some(Tree::from(i64::from(BLOCK))));
    let read = info(&[&changes[..], &[length]].concat()).unwrap();
    assert_eq!(raw(&read), ["t|f:|._", "t|f:|x*", "t|f:|y"]);
    assert_eq!(read.layout().files()[1].display_path(), "t/f_/x_");
}

#[test]
fn the_paths_of_all_files_have_a_limit() {
    // A file has the names of all folders above it in its path: few bytes of a tree make many of paths.
    let tree = |files: usize, folder: &str, depth: usize| {
        let leaf = || Tree::dictionary([("", Tree::dictionary([("length", 0i64)]))]);
        let one = Tree::dictionary([("length", 1i64)]).with("pieces root", vec![7; 32]);
        let mut tree = Tree::dictionary((0..files).map(|number| (format!("{number}"), leaf())));
        tree = tree.with("x", Tree::dictionary([("", one)]));
        (0..depth).fold(tree, |tree, _| Tree::dictionary([(folder, tree)]))
    };
    let read = |files, folder: &str, depth| {
        let length = ("piece length", Some(Tree::from(i64::from(BLOCK))));
        let version = ("meta version", Some(Tree::from(2i64)));
        info(&[
            ("length", None),
            ("pieces", None),
            version,
            length,
            ("file tree", Some(tree(files, folder, depth))),
        ])
    };
    let count =
        |files, folder: &str, depth| read(files, folder, depth).map(|info| info.layout().files().len());
    let too_many = Err(MetainfoError::Paths(names::MAX_PATHS));
    let long = "f".repeat(240);
    assert_eq!(count(100, &long, 50), Ok(101));
    assert_eq!(count(6000, &long, 50), too_many);
    // What a folder was called counts, too, if it is kept.
    assert_eq!(count(100, &"f".repeat(100_000), 1), Ok(101));
    assert_eq!(count(1000, &"f".repeat(100_000), 1), too_many);
}

#[test]
fn links_stay_within() {
    let link = listed(&["l"], 0, "l").with("symlink path", Tree::list(["..", "..", "etc"]));
    let files = Tree::list([link, listed(&["a"], 100, "")]);
    let read = info(&[("length", None), ("files", Some(files))]).unwrap();
    let target = ["t", "._", "._", "etc"].map(str::to_owned).to_vec();
    assert_eq!(read.layout().files()[0].kind, FileKind::Link(target));
}

#[test]
fn the_halves_of_a_hybrid_torrent_agree() {
    let Made { metainfo, .. } = made(FILES, 32 << 10, Version::Hybrid);
    let text = metainfo.info.bytes();
    // Another length, name or order in one of the two.
    for (old, new) in
        [("6:lengthi40000e4:path", "6:lengthi40001e4:path"), ("l1:ae", "l1:ze"), ("5:b.txtd0", "5:b.tyxd0")]
    {
        let at = text
            .windows(old.len())
            .position(|window| window == old.as_bytes())
            .unwrap_or_else(|| panic!("{old}"));
        let changed = [&text[..at], new.as_bytes(), &text[at + old.len()..]].concat();
        assert!(matches!(Info::read(changed.into()), Err(MetainfoError::Differs(_))), "{old}");
    }
}

#[test]
fn layers_belong_to_their_files() {
    let Made { metainfo, .. } = made(FILES, 32 << 10, Version::V2);
    let bytes = metainfo.to_bytes();
    let layers = bytes.windows(12).position(|window| window == b"piece layers").unwrap();
    let mut wrong = bytes.clone();
    let last = wrong.len() - 10;
    assert!(last > layers);
    wrong[last] ^= 1;
    assert!(matches!(Metainfo::read(&wrong.into()), Err(MetainfoError::Layer(_))));
    let mut without = Metainfo::of(metainfo.info.clone());
    assert_eq!(Metainfo::read(&without.to_bytes().into()), Err(missing("piece layers")));
    // A file of one piece needs none; one of several has no hashes without.
    let files = metainfo.info.layout().files();
    assert_eq!(without.info.expected(0, &without.layers).v2.is_some(), files[0].length <= 32 << 10);
    without.layers = metainfo.layers.clone();
    assert_eq!(Metainfo::read(&without.to_bytes().into()), Ok(metainfo));
}
