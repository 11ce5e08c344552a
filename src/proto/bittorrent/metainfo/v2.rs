//! Files as version 2 has them: a tree of folders, and a Merkle tree for each file (BEP 52).

use std::collections::HashMap;

use super::files::{File, FileKind, Layout, MAX_FILES};
use super::names::{self, MAX_DEPTH, Paths, RawPaths, safe};
use super::{MetainfoError, missing, v1};
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::bencode::Value;
use crate::proto::bittorrent::hash::Sha256;
use crate::proto::bittorrent::merkle;

/// Those of an `info` dictionary, in the order of the tree, and what they were called. Their offsets are not set yet.
pub(super) fn files(info: Value<'_>, name: &str) -> Result<(Vec<File>, RawPaths), MetainfoError> {
    let tree = info.get("file tree").ok_or(missing("info.file tree"))?;
    let mut walk = Walk { name, paths: Paths::default(), files: Vec::new() };
    // A tree of one file that is called as the torrent is no folder.
    let mut entries = tree.entries().ok_or(missing("info.file tree"))?;
    if let (Some((only, value)), None) = (entries.next(), entries.next())
        && safe(only).as_deref() == Some(name)
        && let Some(leaf) = value.get("")
    {
        let file = walk.file(leaf, vec![name.to_owned()])?;
        return Ok((vec![file], RawPaths::new()));
    }
    walk.folder(tree, &[name.to_owned()], &[])?;
    Ok((walk.files, walk.paths.into_raw()))
}

struct Walk<'a> {
    name: &'a str,
    paths: Paths,
    files: Vec<File>,
}

impl Walk<'_> {
    /// What is in a folder, which was called `raw` below that of the torrent. It is not deeper than [`MAX_DEPTH`].
    fn folder(&mut self, tree: Value<'_>, path: &[String], raw: &[&[u8]]) -> Result<(), MetainfoError> {
        if path.len() > MAX_DEPTH {
            return Err(MetainfoError::Depth(MAX_DEPTH));
        }
        for (name, value) in tree.entries().ok_or(missing("info.file tree"))? {
            if self.files.len() == MAX_FILES {
                return Err(MetainfoError::Files(MAX_FILES));
            }
            let path = [path, &[safe(name).unwrap_or_else(|| "_".to_owned())]].concat();
            let raw = [raw, &[names::raw(name).unwrap_or(b"_")]].concat();
            match value.get("") {
                Some(leaf) => {
                    let path = self.paths.place(self.files.len(), path, &raw, false)?;
                    let file = self.file(leaf, path)?;
                    self.files.push(file);
                }
                None => self.folder(value, &path, &raw)?,
            }
        }
        Ok(())
    }

    fn file(&self, leaf: Value<'_>, path: Vec<String>) -> Result<File, MetainfoError> {
        let kind = v1::link(leaf, self.name)?.map_or(FileKind::Regular, FileKind::Link);
        let length = leaf.get("length").and_then(Value::size);
        let length = match kind {
            FileKind::Link(_) => length.unwrap_or_default(),
            _ => length.ok_or(missing("info.file tree.length"))?,
        };
        let root = match leaf.get("pieces root").and_then(Value::bytes) {
            _ if length == 0 => None,
            Some(bytes) => Some(Sha256(bytes.try_into().map_err(|_| missing("info.file tree.pieces root"))?)),
            None => return Err(missing("info.file tree.pieces root")),
        };
        Ok(File { path, length, offset: 0, kind, executable: v1::has(leaf, b'x'), root })
    }
}

/// The rows of the trees in which each node is a piece, by the root of the file. Files of one piece need none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers(HashMap<Sha256, Vec<Sha256>>);

impl Layers {
    /// Those that `piece layers` has for the files of a torrent, compared with their roots. What belongs to no file is left out.
    ///
    /// # Errors
    /// One that is there is wrong.
    pub(super) fn read(layers: Value<'_>, layout: &Layout) -> Result<Self, MetainfoError> {
        let mut read = Self::default();
        // In one pass, as both may be many.
        let found: HashMap<&[u8], &[u8]> = layers
            .entries()
            .into_iter()
            .flatten()
            .filter_map(|(root, row)| Some((root, row.bytes()?)))
            .collect();
        for file in layout.files() {
            let Some(root) = file.root.filter(|_| file.length > u64::from(layout.piece_length())) else {
                continue;
            };
            let Some(bytes) = found.get(&root.0[..]) else { continue };
            let wrong = || MetainfoError::Layer(file.display_path());
            let (rows, rest) = bytes.as_chunks::<32>();
            if !rest.is_empty() || !read.insert(layout, file, rows.iter().map(|node| Sha256(*node)).collect())
            {
                return Err(wrong());
            }
        }
        Ok(read)
    }

    /// Takes the row of a file; whether it belongs to it.
    pub fn insert(&mut self, layout: &Layout, file: &File, row: Vec<Sha256>) -> bool {
        let pieces = file.length.div_ceil(layout.piece_length().into());
        let fits = row.len() as u64 == pieces
            && file.root == Some(merkle::root(&row, piece_height(layout.piece_length())));
        if let Some(root) = file.root.filter(|_| fits) {
            self.0.insert(root, row);
        }
        fits
    }

    /// The row of a file.
    #[must_use]
    pub fn get(&self, root: Sha256) -> Option<&[Sha256]> {
        self.0.get(&root).map(Vec::as_slice)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Sha256, &[Sha256])> {
        self.0.iter().map(|(root, row)| (*root, row.as_slice()))
    }

    /// Whether files that need a row all have theirs.
    #[must_use]
    pub fn is_complete(&self, layout: &Layout) -> bool {
        let long = layout.files().iter().filter(|file| file.length > u64::from(layout.piece_length()));
        long.filter_map(|file| file.root).all(|root| self.0.contains_key(&root))
    }
}

/// Levels of a tree below the node of a piece.
#[must_use]
pub fn piece_height(piece_length: u32) -> u32 {
    merkle::height((piece_length / BLOCK) as usize)
}
