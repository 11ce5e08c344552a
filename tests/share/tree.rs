//! A folder to share, its torrents, and whether another is the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::network::share;

/// The length of the pieces of all torrents here.
pub(super) const PIECE: usize = 32 << 10;

/// Files of odd sizes, of none, of one piece and of several, with names that are not plain.
const FILES: [(&str, usize); 7] = [
    ("0 empty", 0),
    ("a/b/piece.bin", PIECE),
    ("a/b/two.bin", 2 * PIECE),
    ("a/large.bin", 2_500_001),
    ("gr\u{fc}\u{df}e aus.txt", 40_003),
    ("one", 1),
    ("z.bin", 700_000),
];

/// What clients a torrent is for.
pub(super) const KINDS: [&str; 3] = ["v1", "v2", "hybrid"];

/// A torrent file.
#[derive(Clone, Debug)]
pub(super) struct Torrent {
    /// Its path.
    pub(super) file: String,
    /// What `share show --json` says of it.
    pub(super) shown: Value,
}

impl Torrent {
    /// The one in a file.
    #[track_caller]
    pub(super) fn read(file: &Path) -> Self {
        let file = file.display().to_string();
        let shown = serde_json::from_slice(&share(&["show", "--json", &file]).stdout).unwrap();
        Self { file, shown }
    }

    /// Makes one of the folder `tree` in `dir` by our command.
    #[track_caller]
    pub(super) fn make(dir: &Path, kind: &str, more: &[&str]) -> Self {
        Self::named(dir, kind, kind, more)
    }

    /// Likewise, in a file of that name.
    #[track_caller]
    pub(super) fn named(dir: &Path, name: &str, kind: &str, more: &[&str]) -> Self {
        let (tree, file) = (dir.join("tree"), dir.join(format!("{name}.torrent")));
        let (tree, path) = (tree.display().to_string(), file.display().to_string());
        let kind = format!("--{kind}");
        share(
            &[&["create", "-q", &tree, &kind, "--piece-length", &PIECE.to_string(), "-o", &path], more]
                .concat(),
        );
        Self::read(&file)
    }

    /// Its link.
    pub(super) fn magnet(&self) -> &str {
        self.shown["magnet"].as_str().unwrap()
    }

    /// The file or the link.
    pub(super) fn source(&self, by_link: bool) -> &str {
        if by_link { self.magnet() } else { &self.file }
    }
}

/// Writes the folder `tree` into `dir`.
pub(super) fn plant(dir: &Path) {
    let mut bytes = fastrand::Rng::with_seed(1);
    for (path, length) in FILES {
        let path = dir.join("tree").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let content: Vec<u8> = std::iter::repeat_with(|| bytes.u8(..)).take(length).collect();
        fs::write(path, content).unwrap();
    }
}

/// Writes the folder, and makes torrents of it of [all kinds](KINDS).
#[track_caller]
pub(super) fn plant_kinds(dir: &Path) -> [Torrent; 3] {
    plant(dir);
    KINDS.map(|kind| Torrent::make(dir, kind, &[]))
}

/// The bytes of all files.
pub(super) fn size() -> usize {
    FILES.iter().map(|(_, length)| length).sum()
}

/// The folder `tree` in `out` must have the files of that in `dir` and no others, but for padding, which some clients keep.
#[track_caller]
pub(super) fn assert_same(dir: &Path, out: &Path, what: &str) {
    let (theirs, ours) = (files(&out.join("tree")), files(&dir.join("tree")));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&theirs), names(&ours), "{what}");
    for (name, content) in &ours {
        assert!(theirs[name] == *content, "{what}: {name} is another file");
    }
}

/// Whether all is there, and right.
pub(super) fn is_same(dir: &Path, out: &Path) -> bool {
    files(&out.join("tree")) == files(&dir.join("tree"))
}

/// The files below a folder, by their paths in it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if name == ".pad" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}
