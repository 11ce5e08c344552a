//! Metainfo: what a `.torrent` file says (BEP 3, 12, 17, 19, 27, 47), in version 1, in version 2 (BEP 52), and in both.
//!
//! What is read is checked once: lengths add up, there are as many hashes as pieces, every name is safe, the layers of version 2 belong to their files, and the two halves
//! of a hybrid torrent describe the same files.

pub mod create;
mod error;
mod files;
pub mod names;
mod v1;
mod v2;

use std::sync::Arc;

use bytes::Bytes;

pub use self::error::MetainfoError;
pub use self::files::{File, FileKind, Layout, MAX_FILES, MAX_PIECE, MAX_TOTAL, Span};
use self::names::RawPaths;
pub use self::v2::{Layers, piece_height};
use super::BLOCK;
use super::bencode::{Document, Limits, Tree, Value};
use super::hash::{InfoHash, Sha1, Sha256};
use super::merkle;

/// Pieces at most, so that what peers have fits into half a megabyte.
pub const MAX_PIECES: u32 = 1 << 22;

/// Bytes of an `info` dictionary at most, when it comes from peers (BEP 9). libtorrent takes 30 MB.
pub const MAX_INFO: usize = 32 << 20;

/// Addresses of one kind, such as trackers, of which the first so many are used.
const MAX_ADDRESSES: usize = 256;

/// Bytes of an address at most.
const MAX_ADDRESS: usize = 2048;

fn missing(what: &'static str) -> MetainfoError {
    MetainfoError::Missing { what }
}

/// The `info` dictionary: what the info hash stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// As it was received.
    bytes: Bytes,
    hash: InfoHash,
    name: String,
    /// What it was before it was made safe, if that is different.
    raw_name: Option<Box<[u8]>>,
    layout: Arc<Layout>,
    /// The hashes of pieces of version 1, one behind the other.
    pieces: Option<Bytes>,
    private: bool,
}

/// What the bytes of a piece have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Their hash, with all padding (version 1).
    pub v1: Option<Sha1>,
    /// The root above their blocks, without padding (version 2), and the levels between.
    pub v2: Option<(Sha256, u32)>,
}

impl Info {
    /// Reads one.
    ///
    /// # Errors
    /// It is none, or nobody should take it.
    pub fn read(bytes: Bytes) -> Result<Self, MetainfoError> {
        let document = Document::read(&bytes, Limits::default())?;
        let info = document.root();
        if info.entries().is_none() {
            return Err(missing("info"));
        }
        if !info.is_canonical() {
            return Err(MetainfoError::Order);
        }
        let version = info.get("meta version").and_then(Value::integer).unwrap_or(1);
        let pieces = info.get("pieces").and_then(Value::bytes);
        let (is_v1, is_v2) = match version {
            1 => (true, false),
            2 => (pieces.is_some(), true),
            other => return Err(MetainfoError::Version(other)),
        };
        let hash = InfoHash::of(&bytes, is_v1, is_v2).ok_or(missing("info.pieces"))?;
        let (name, raw_name) = name(info).unwrap_or_else(|| (hash.id().to_string(), None));
        let piece_length = piece_length(info, is_v2)?;
        let layout = match (is_v1, is_v2) {
            (true, false) => layout(v1::files(info, &name)?, piece_length, false)?,
            (false, _) => layout(v2::files(info, &name)?, piece_length, true)?,
            (true, true) => hybrid(info, &name, piece_length)?,
        };
        let pieces = match pieces.filter(|_| is_v1) {
            Some(pieces) => {
                if pieces.len() as u64 != u64::from(layout.pieces()) * 20 {
                    return Err(MetainfoError::Pieces {
                        found: pieces.len() / 20,
                        expected: layout.pieces().into(),
                    });
                }
                Some(bytes.slice_ref(pieces))
            }
            None if is_v1 => return Err(missing("info.pieces")),
            None => None,
        };
        let private = info.get("private").and_then(Value::integer) == Some(1);
        drop(document);
        Ok(Self { hash, name, raw_name, layout: Arc::new(layout), pieces, private, bytes })
    }

    /// As it was received.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What names the torrent.
    #[must_use]
    pub fn hash(&self) -> InfoHash {
        self.hash
    }

    /// The name: that of the file, or of the folder of all files. It is a safe one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The files, and how they are cut.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// What a file was called by whoever made the torrent, level by level from the name of the torrent on: bytes of any kind, but no level is empty, `.` or `..`. It is so
    /// that a file is called on the web (BEP 19). Empty if there is no such file.
    #[must_use]
    pub fn raw_path(&self, file: usize) -> Vec<&[u8]> {
        let Some(path) = self.layout.files().get(file).map(|file| &file.path) else { return Vec::new() };
        let name = self.raw_name.as_deref().unwrap_or(self.name.as_bytes());
        match self.layout.raw(file) {
            Some(raw) => std::iter::once(name).chain(raw.iter().map(|level| &**level)).collect(),
            None => std::iter::once(name).chain(path.iter().skip(1).map(String::as_bytes)).collect(),
        }
    }

    /// Whether peers may come from its trackers only (BEP 27).
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// What the bytes of a piece have to be. Of version 2 nothing is known of a piece as long as the layer of its file is not there.
    #[must_use]
    pub fn expected(&self, piece: u32, layers: &Layers) -> Expected {
        let at = piece as usize * 20;
        let v1 = self.pieces.as_ref().and_then(|pieces| pieces.get(at..at + 20)?.try_into().ok()).map(Sha1);
        let v2 =
            self.layout.files().get(self.layout.file_at(self.layout.piece_offset(piece))).and_then(|file| {
                let root = file.root?;
                let first = self.layout.pieces_of(self.layout.file_at(self.layout.piece_offset(piece))).start;
                if file.length <= u64::from(self.layout.piece_length()) {
                    // Not more blocks than in a piece.
                    return Some((root, merkle::height(file.length.div_ceil(BLOCK.into()) as usize)));
                }
                let node = layers.get(root)?.get((piece - first) as usize)?;
                Some((*node, piece_height(self.layout.piece_length())))
            });
        Expected { v1, v2: v2.filter(|_| piece < self.layout.pieces()) }
    }
}

/// The name that everybody sees, made safe, and what it was, if that is different.
fn name(info: Value<'_>) -> Option<(String, Option<Box<[u8]>>)> {
    let names = ["name.utf-8", "name"].into_iter().filter_map(|key| info.get(key)?.bytes());
    names.filter_map(|said| Some((names::safe(said)?, names::raw(said)?))).next().map(|(name, raw)| {
        let is_different = name.as_bytes() != raw;
        (name, is_different.then(|| raw.into()))
    })
}

fn layout(
    (files, raw): (Vec<File>, RawPaths),
    piece_length: u32,
    aligned: bool,
) -> Result<Layout, MetainfoError> {
    Ok(Layout::new(files, piece_length, aligned)?.with_raw(raw))
}

fn piece_length(info: Value<'_>, is_v2: bool) -> Result<u32, MetainfoError> {
    let said = info.get("piece length").and_then(Value::integer).ok_or(missing("info.piece length"))?;
    let fits = |length: &u32| {
        (1..=MAX_PIECE).contains(length) && (!is_v2 || *length >= BLOCK && length.is_power_of_two())
    };
    u32::try_from(said).ok().filter(fits).ok_or(MetainfoError::PieceLength(said))
}

/// The files of both halves, which have to be the same: those of version 1 with the padding that puts them where version 2 has them.
fn hybrid(info: Value<'_>, name: &str, piece_length: u32) -> Result<Layout, MetainfoError> {
    let (first, raw) = v1::files(info, name)?;
    let mut first = Layout::new(first, piece_length, false)?.into_files();
    let (second, _) = v2::files(info, name)?;
    let second = Layout::new(second, piece_length, true)?.into_files();
    let mut files = first.iter_mut().filter(|file| !file.is_padding());
    for twin in second {
        let file = files.next().ok_or_else(|| MetainfoError::Differs(twin.display_path()))?;
        let at_its_place = file.length == 0 || file.offset == twin.offset;
        if file.path != twin.path || file.length != twin.length || !at_its_place {
            return Err(MetainfoError::Differs(twin.display_path()));
        }
        file.root = twin.root;
    }
    if let Some(file) = files.next() {
        return Err(MetainfoError::Differs(file.display_path()));
    }
    layout((first, raw), piece_length, false)
}

/// A `.torrent` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metainfo {
    /// What its info hash stands for.
    pub info: Info,
    /// The hashes of pieces of version 2.
    pub layers: Layers,
    /// Trackers, in tiers: those of the second are asked when none of the first answers (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// Where files are on the web (BEP 19).
    pub web_seeds: Vec<String>,
    /// Where pieces are on the web (BEP 17).
    pub http_seeds: Vec<String>,
    /// Nodes of the DHT to begin with (BEP 5).
    pub nodes: Vec<(String, u16)>,
    /// What its author says.
    pub comment: Option<String>,
    /// The program that made it.
    pub created_by: Option<String>,
    /// When that was, in seconds since 1970.
    pub created: Option<i64>,
}

impl Metainfo {
    /// Reads a file.
    ///
    /// # Errors
    /// It is none, or nobody should take it.
    pub fn read(bytes: &Bytes) -> Result<Self, MetainfoError> {
        let document = Document::read(bytes, Limits::default())?;
        let root = document.root();
        let info = root.get("info").ok_or(missing("info"))?;
        let info = Info::read(bytes.slice_ref(info.span()))?;
        let layers = match root.get("piece layers") {
            Some(layers) => Layers::read(layers, info.layout())?,
            None => Layers::default(),
        };
        if info.hash().v2().is_some() && !layers.is_complete(info.layout()) {
            return Err(missing("piece layers"));
        }
        let text = |key| root.get(key).and_then(Value::text).map(str::to_owned);
        Ok(Self {
            info,
            layers,
            trackers: trackers(root),
            web_seeds: addresses(root.get("url-list")),
            http_seeds: addresses(root.get("httpseeds")),
            nodes: nodes(root.get("nodes")),
            comment: text("comment"),
            created_by: text("created by"),
            created: root.get("creation date").and_then(Value::integer),
        })
    }

    /// One that has nothing but its `info` dictionary.
    #[must_use]
    pub fn of(info: Info) -> Self {
        Self {
            info,
            layers: Layers::default(),
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            http_seeds: Vec::new(),
            nodes: Vec::new(),
            comment: None,
            created_by: None,
            created: None,
        }
    }

    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let some = |list: &[String]| (!list.is_empty()).then(|| Tree::list(list.iter().cloned()));
        let first = self.trackers.iter().flatten().next().cloned();
        let tiers = self.trackers.iter().map(|tier| Tree::list(tier.iter().cloned()));
        let several = self.trackers.iter().map(Vec::len).sum::<usize>() > 1;
        let nodes =
            self.nodes.iter().map(|(host, port)| Tree::List(vec![host.as_str().into(), (*port).into()]));
        let layers = self.layers.iter().map(|(root, row)| {
            let row: Vec<u8> = row.iter().flat_map(|node| node.0).collect();
            (root.0, row)
        });
        let is_v2 = self.info.hash().v2().is_some();
        Tree::dictionary([("info", Tree::Raw(self.info.bytes().to_vec()))])
            .with_some("announce", first)
            .with_some("announce-list", several.then(|| Tree::list(tiers)))
            .with_some("url-list", some(&self.web_seeds))
            .with_some("httpseeds", some(&self.http_seeds))
            .with_some("nodes", (!self.nodes.is_empty()).then(|| Tree::list(nodes)))
            .with_some("comment", self.comment.clone())
            .with_some("created by", self.created_by.clone())
            .with_some("creation date", self.created)
            .with_some("piece layers", is_v2.then(|| Tree::dictionary(layers)))
            .to_bytes()
    }
}

/// The tiers of `announce-list`; or else the one tracker of `announce`.
fn trackers(root: Value<'_>) -> Vec<Vec<String>> {
    let tiers = root.get("announce-list").and_then(Value::items).into_iter().flatten();
    let mut left = MAX_ADDRESSES;
    let tiers = tiers.map(|tier| {
        let tier: Vec<String> = tier.items().into_iter().flatten().filter_map(address).take(left).collect();
        left -= tier.len();
        tier
    });
    let tiers: Vec<_> = tiers.filter(|tier| !tier.is_empty()).collect();
    if !tiers.is_empty() {
        return tiers;
    }
    root.get("announce").and_then(address).map(|only| vec![vec![only]]).unwrap_or_default()
}

/// A list of addresses, or one alone.
fn addresses(value: Option<Value<'_>>) -> Vec<String> {
    let Some(value) = value else { return Vec::new() };
    match value.items() {
        Some(items) => items.filter_map(address).take(MAX_ADDRESSES).collect(),
        None => address(value).into_iter().collect(),
    }
}

fn address(value: Value<'_>) -> Option<String> {
    let text = value.text()?.trim();
    (!text.is_empty() && text.len() <= MAX_ADDRESS).then(|| text.to_owned())
}

fn nodes(value: Option<Value<'_>>) -> Vec<(String, u16)> {
    let pairs = value.and_then(Value::items).into_iter().flatten();
    let pairs = pairs.filter_map(|pair| {
        let mut items = pair.items()?;
        let (host, port) = (address(items.next()?)?, items.next()?.integer()?);
        Some((host, u16::try_from(port).ok().filter(|port| *port > 0)?))
    });
    pairs.take(MAX_ADDRESSES).collect()
}

#[cfg(test)]
mod tests;
