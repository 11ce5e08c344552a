//! Making metainfo: which files a torrent has, how they are cut, and the `info` dictionary that says so.
//!
//! A [`Draft`] has its files in the order of version 2, whatever it is for, so that the same folder gives the same torrent on every machine. Whoever has the files hashes
//! them along its [`layout`](Draft::layout), and gets the dictionary for the hashes.

use super::files::{File, FileKind, Layout};
use super::{MetainfoError, names};
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::bencode::Tree;
use crate::proto::bittorrent::hash::{Sha1, Sha256};

/// Pieces that a torrent should have about, if nobody says how long they are: enough for peers to have different ones, and few enough for a small file.
const PIECES: u64 = 1500;

/// The longest piece that is chosen.
const LONGEST: u64 = 16 << 20;

/// Which versions a torrent is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// BEP 3, for every client.
    V1,
    /// BEP 52: hashes of single blocks and files.
    V2,
    /// Both, for every client, with the hashes of version 2 for those that know them.
    #[default]
    Hybrid,
}

impl Version {
    /// Whether clients of version 1 can have it.
    #[must_use]
    pub fn is_v1(self) -> bool {
        self != Self::V2
    }

    /// Whether it has the trees of version 2.
    #[must_use]
    pub fn is_v2(self) -> bool {
        self != Self::V1
    }
}

/// A file that is to be in a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftFile {
    /// Its path below the folder, level by level. Without any it is the only file, and has the name of the torrent.
    pub path: Vec<String>,
    /// Bytes.
    pub length: u64,
    /// Whether it may be executed.
    pub executable: bool,
}

/// A torrent that is to be made.
#[derive(Clone, Debug)]
pub struct Draft {
    name: String,
    version: Version,
    private: bool,
    source: Option<String>,
    layout: Layout,
}

/// How long pieces should be of so many bytes.
#[must_use]
pub fn piece_length(total: u64) -> u32 {
    // Both bounds are powers of two within 32 bits.
    (total / PIECES).max(1).next_power_of_two().clamp(BLOCK.into(), LONGEST) as u32
}

impl Draft {
    /// A torrent of these files, in pieces of a length that is a power of two of at least a block.
    ///
    /// # Errors
    /// There is no byte, or the lengths are impossible. Names that others could not have are refused as well: nobody would find the files again.
    pub fn new(
        name: &str,
        mut files: Vec<DraftFile>,
        length: u32,
        version: Version,
    ) -> Result<Self, MetainfoError> {
        if !length.is_power_of_two() || length < BLOCK {
            return Err(MetainfoError::PieceLength(length.into()));
        }
        let is_safe = |level: &str| names::safe(level.as_bytes()).as_deref() == Some(level);
        let unsafe_name = |name: &str| MetainfoError::Name(name.to_owned());
        if !is_safe(name) {
            return Err(unsafe_name(name));
        }
        if let Some(bad) = files.iter().flat_map(|file| &file.path).find(|level| !is_safe(level)) {
            return Err(unsafe_name(bad));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut laid = Vec::new();
        let mut end = 0u64;
        for DraftFile { path, length: size, executable } in files {
            let gap = end.next_multiple_of(length.into()) - end;
            if version == Version::Hybrid && gap > 0 && size > 0 {
                let path = [name, ".pad", &gap.to_string()].map(str::to_owned).to_vec();
                laid.push(File {
                    path,
                    length: gap,
                    offset: 0,
                    kind: FileKind::Padding,
                    executable: false,
                    root: None,
                });
                end += gap;
            }
            end = end.saturating_add(size).min(super::MAX_TOTAL);
            let path = std::iter::once(name.to_owned()).chain(path).collect();
            laid.push(File {
                path,
                length: size,
                offset: 0,
                kind: FileKind::Regular,
                executable,
                root: None,
            });
        }
        let layout = Layout::new(laid, length, version == Version::V2)?;
        Ok(Self { name: name.to_owned(), version, private: false, source: None, layout })
    }

    /// The same, for peers of its trackers only (BEP 27).
    #[must_use]
    pub fn private(self, private: bool) -> Self {
        Self { private, ..self }
    }

    /// The same, with a mark that makes its info hash another one, as private trackers ask for.
    #[must_use]
    pub fn source(self, source: Option<String>) -> Self {
        Self { source, ..self }
    }

    /// The files and pieces that are to be hashed.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The versions that it is of.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The `info` dictionary, for the hashes of all pieces (of version 1), and the roots of all files of the layout that have a byte (of version 2).
    #[must_use]
    pub fn info(&self, pieces: &[Sha1], roots: &[Option<Sha256>]) -> Vec<u8> {
        let mut info = Tree::dictionary([("name", self.name.as_str())])
            .with("piece length", self.layout.piece_length())
            .with_some("private", self.private.then_some(1i64))
            .with_some("source", self.source.clone());
        let single = matches!(self.layout.files(), [file] if file.path.len() == 1);
        if self.version.is_v1() {
            let hashes: Vec<u8> = pieces.iter().flat_map(|hash| hash.0).collect();
            info = info.with("pieces", hashes);
            info = match self.layout.files() {
                [file] if single => info.with("length", file.length).with_some("attr", attributes(file)),
                files => info.with("files", Tree::list(files.iter().map(entry))),
            };
        }
        if self.version.is_v2() {
            let files = self.layout.files().iter().zip(roots).filter(|(file, _)| !file.is_padding());
            let mut tree = Tree::Dictionary(Default::default());
            for (file, root) in files {
                let path = if single { &file.path[..] } else { &file.path[1..] };
                grow(&mut tree, path, leaf(file, *root));
            }
            info = info.with("meta version", 2i64).with("file tree", tree);
        }
        info.to_bytes()
    }
}

fn attributes(file: &File) -> Option<&'static str> {
    match (file.is_padding(), file.executable) {
        (true, _) => Some("p"),
        (_, true) => Some("x"),
        _ => None,
    }
}

/// A file in the list of version 1.
fn entry(file: &File) -> Tree {
    Tree::dictionary([("length", file.length)])
        .with("path", Tree::list(file.path[1..].iter().cloned()))
        .with_some("attr", attributes(file))
}

/// A file in the tree of version 2.
fn leaf(file: &File, root: Option<Sha256>) -> Tree {
    let leaf = Tree::dictionary([("length", file.length)])
        .with_some("pieces root", root.map(|root| root.0.to_vec()))
        .with_some("attr", attributes(file));
    Tree::dictionary([("", leaf)])
}

/// Puts a leaf into a tree, with the folders above it.
fn grow(tree: &mut Tree, path: &[String], leaf: Tree) {
    let (Tree::Dictionary(entries), [level, rest @ ..]) = (tree, path) else { return };
    let key = level.clone().into_bytes();
    if rest.is_empty() {
        entries.insert(key, leaf);
    } else {
        grow(entries.entry(key).or_insert_with(|| Tree::Dictionary(Default::default())), rest, leaf);
    }
}
