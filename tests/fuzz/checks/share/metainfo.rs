//! Metainfo: files that are where they are said to be, names that are safe, and a torrent that is written as it was read, or read as it was made.

use std::collections::BTreeSet;

use bytes::Bytes;
use wireworks::proto::bittorrent::BLOCK;
use wireworks::proto::bittorrent::bencode::{Document, Limits, Tree};
use wireworks::proto::bittorrent::hash::{Sha1, Sha256};
use wireworks::proto::bittorrent::merkle;
use wireworks::proto::bittorrent::metainfo::create::{Draft, DraftFile, Version};
use wireworks::proto::bittorrent::metainfo::names::{MAX_DEPTH, MAX_NAME, safe};
use wireworks::proto::bittorrent::metainfo::{
    FileKind, Info, Layers, Layout, MAX_PIECES, MAX_TOTAL, Metainfo, Span, piece_height,
};

use super::super::{Choices, Dice};

/// Says whether `wire` is the metainfo of a torrent that may be taken. Bytes that are none are the decisions by which one is made: whether it
/// has a byte.
pub(crate) fn check(wire: &[u8]) -> bool {
    name(wire);
    if wire.first() != Some(&b'd') {
        return made(&mut Choices(wire));
    }
    let bytes = Bytes::copy_from_slice(wire);
    let Ok(metainfo) = Metainfo::read(&bytes) else { return false };
    torrent(&metainfo);
    for at in [super::place(wire), wire.len() - 1] {
        assert!(Metainfo::read(&bytes.slice(..at)).is_err(), "cut at {at}");
    }
    true
}

/// A safe name is as it should be, and is safe.
fn name(said: &[u8]) {
    let Some(name) = safe(said) else { return assert!(matches!(said, b"" | b".")) };
    is_safe(&name);
    assert!(name.len() <= MAX_NAME, "{name:?} has {} bytes", name.len());
    assert_eq!(safe(name.as_bytes()), Some(name));
}

/// What no system may take for anything but a name.
fn is_safe(name: &str) {
    assert!(!name.is_empty() && name != "." && name != "..", "{name:?}");
    assert!(!name.contains(['/', '\\', ':', '\0', '*', '?', '"', '<', '>', '|']), "{name:?}");
    assert!(!name.chars().any(char::is_control) && !name.ends_with(['.', ' ']), "{name:?}");
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    assert!(!["con", "nul", "prn", "aux", "com1", "lpt9"].contains(&&*stem), "{name:?}");
}

fn torrent(metainfo: &Metainfo) {
    let info = &metainfo.info;
    assert_eq!(Info::read(info.bytes().clone()).as_ref(), Ok(info));
    assert!(info.hash().is_of(info.bytes()) && info.hash().is_named(info.hash().id()));
    layout(info.layout());
    names(info);
    hashes(metainfo);
    let written = Bytes::from(metainfo.to_bytes());
    assert!(Document::read(&written, Limits::default()).unwrap().root().is_canonical());
    assert_eq!(Metainfo::read(&written).as_ref(), Ok(metainfo));
    let bare = Bytes::from(Metainfo::of(info.clone()).to_bytes());
    if info.hash().v2().is_none() {
        assert_eq!(Metainfo::read(&bare).unwrap().info, *info);
    }
}

/// Files do not share a byte, and each byte of a piece is of one of them.
fn layout(layout: &Layout) {
    let length = u64::from(layout.piece_length());
    assert!((1..=MAX_PIECES).contains(&layout.pieces()) && layout.total() <= MAX_TOTAL);
    assert_eq!(u64::from(layout.pieces()), layout.total().div_ceil(length));
    let mut end = 0;
    for (number, file) in layout.files().iter().enumerate() {
        assert!(file.offset >= end && file.range().end <= layout.total());
        let gap = file.offset - end;
        assert!(gap == 0 || gap < length && file.offset.is_multiple_of(length), "{gap} bytes of nothing");
        end = file.range().end;
        let pieces = layout.pieces_of(number);
        assert_eq!(pieces.is_empty(), file.length == 0);
        if file.length > 0 {
            assert_eq!(layout.file_at(file.offset), number);
            assert_eq!(layout.file_at(end - 1), number);
            assert!(layout.piece_offset(pieces.start) <= file.offset);
            assert!(layout.piece_offset(pieces.end - 1) < end && end <= layout.piece_offset(pieces.end));
        }
    }
    assert_eq!(end, layout.total());
    let all: u64 = layout.files().iter().map(|file| file.length).sum();
    let sizes: u64 = (0..layout.pieces()).map(|piece| u64::from(layout.piece_size(piece))).sum();
    let contents: u64 = (0..layout.pieces()).map(|piece| u64::from(layout.piece_content(piece))).sum();
    assert_eq!(sizes, all);
    assert!((layout.content()..=all).contains(&contents), "{contents} bytes to fetch");
    for piece in [0, layout.pieces() / 2, layout.pieces() - 1] {
        self::piece(layout, piece);
    }
    let behind = layout.pieces();
    assert_eq!((layout.piece_size(behind), layout.spans(behind, 0, u32::MAX).count()), (0, 0));
}

/// What a piece is made of: all of it, in order, however it is asked for.
fn piece(layout: &Layout, piece: u32) {
    let (size, content) = (layout.piece_size(piece), layout.piece_content(piece));
    assert!((1..=layout.piece_length()).contains(&size) && content <= size);
    let spans: Vec<Span> = layout.spans(piece, 0, size).collect();
    let mut at = layout.piece_offset(piece);
    for Span { file, range } in &spans {
        let of = &layout.files()[*file];
        assert!(range.start < range.end && range.end <= of.length);
        assert_eq!(of.offset + range.start, at);
        at += range.end - range.start;
    }
    assert_eq!(at - layout.piece_offset(piece), u64::from(size));
    assert!(layout.spans(piece, 0, u32::MAX).eq(spans), "what is behind the piece is left out");
    // Behind the content there is padding only, and in front of its end none.
    let is_padding = |span: Span| layout.files()[span.file].is_padding();
    assert!(layout.spans(piece, content, size - content).all(is_padding));
    if content > 0 {
        assert!(!layout.spans(piece, content - 1, 1).any(is_padding));
    }
    let mut dice = Dice::of(&size.to_be_bytes());
    let (first, second) = (dice.next() as u32 % size, dice.next() as u32 % size);
    let (begin, end) = (first.min(second), first.max(second));
    let bytes = |begin: u32, length: u32| -> u64 {
        layout.spans(piece, begin, length).map(|span| span.range.end - span.range.start).sum()
    };
    assert_eq!(bytes(begin, end - begin), u64::from(end - begin));
    assert_eq!(bytes(end, u32::MAX), u64::from(size - end));
}

/// No file is where another is, or a folder of another; and each is called as it was called, as far as that is safe.
fn names(info: &Info) {
    let mut places = BTreeSet::new();
    let mut folders = BTreeSet::new();
    for (number, file) in info.layout().files().iter().enumerate() {
        assert_eq!(file.path.first().map(String::as_str), Some(info.name()));
        assert!(file.path.len() <= MAX_DEPTH + 1);
        file.path.iter().for_each(|level| is_safe(level));
        if let FileKind::Link(target) = &file.kind {
            target.iter().for_each(|level| is_safe(level));
        }
        if file.is_padding() {
            continue;
        }
        let lower: Vec<String> = file.path.iter().map(|level| level.to_lowercase()).collect();
        folders.extend((1..lower.len()).map(|depth| lower[..depth].to_vec()));
        assert!(places.insert(lower), "two files are {}", file.display_path());
        let raw = info.raw_path(number);
        assert_eq!(raw.len(), file.path.len());
        for (level, raw) in file.path.iter().zip(raw) {
            assert!(!matches!(raw, b"" | b"." | b".."));
            let plain = safe(raw).unwrap();
            assert!(plain == *level || is_numbered(level, &plain), "{level:?} was {plain:?}");
        }
    }
    assert!(places.is_disjoint(&folders), "a file is a folder");
    assert_eq!(info.raw_path(info.layout().files().len()), Vec::<&[u8]>::new());
}

/// Whether it is the name with a number in it.
fn is_numbered(level: &str, name: &str) -> bool {
    let at = name.rfind('.').filter(|at| *at > 0).unwrap_or(name.len());
    let number = level.strip_prefix(&name[..at]).and_then(|rest| rest.strip_suffix(&name[at..]));
    number.and_then(|number| number.strip_prefix('.')).is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Of each piece something is known, and a row of another file is not taken.
fn hashes(metainfo: &Metainfo) {
    let (info, layers) = (&metainfo.info, &metainfo.layers);
    let (is_v1, is_v2) = (info.hash().v1().is_some(), info.hash().v2().is_some());
    for piece in 0..info.layout().pieces().min(64) {
        let expected = info.expected(piece, layers);
        assert_eq!((expected.v1.is_some(), expected.is_known()), (is_v1, true), "piece {piece}");
        assert!(!is_v1 || !is_v2 || expected.v1.is_some());
        assert!(is_v2 || expected.v2.is_none());
    }
    assert!(!info.expected(info.layout().pieces(), layers).is_known());
    assert!(!is_v2 || layers.is_complete(info.layout()));
    for (root, row) in layers.iter() {
        assert_eq!(merkle::root(row, piece_height(info.layout().piece_length())), root);
        assert_eq!(layers.get(root), Some(row));
        let file = info.layout().files().iter().find(|file| file.root == Some(root)).unwrap();
        let mut other = Layers::default();
        assert!(!other.insert(info.layout(), file, [row, &[root]].concat()));
        assert!(other.insert(info.layout(), file, row.to_vec()));
    }
}

/// A torrent that is made is read as it was made.
fn made(choices: &mut Choices<'_>) -> bool {
    let version = choices.pick(&[Version::V1, Version::V2, Version::Hybrid]);
    let length = BLOCK << choices.below(4);
    let is_single = choices.flag();
    let count = if is_single { 1 } else { 1 + choices.below(5) };
    let names = ["a", "b.txt", "ä", "c", "B"];
    let file = |number: usize, choices: &mut Choices<'_>| DraftFile {
        path: match is_single {
            true => Vec::new(),
            // Folders are in upper case, so that no file is one.
            false => {
                let name = format!("{number}{}", choices.pick(&names));
                let folder = |depth: usize| format!("F{depth}{}", choices.below(2));
                [(0..number % 3).map(folder).collect(), vec![name]].concat()
            }
        },
        length: u64::from(choices.byte()) * u64::from(choices.byte()) * 7,
        executable: choices.flag(),
    };
    let files: Vec<DraftFile> = (0..count).map(|number| file(number, choices)).collect();
    let Ok(draft) = Draft::new("t", files.clone(), length, version) else {
        assert!(files.iter().all(|file| file.length == 0));
        return false;
    };
    let draft = draft.private(choices.flag()).source(choices.flag().then(|| "s".to_owned()));
    let pieces: Vec<Sha1> = (0..draft.layout().pieces()).map(|piece| Sha1([piece as u8; 20])).collect();
    let row = |number: usize, file: u64| -> Vec<Sha256> {
        (0..file.div_ceil(length.into())).map(|piece| Sha256([number as u8 ^ piece as u8; 32])).collect()
    };
    let mut rows = Vec::new();
    let roots = draft.layout().files().iter().enumerate().map(|(number, file)| {
        let row = row(number, file.length);
        let root =
            (!file.is_padding() && file.length > 0).then(|| merkle::root(&row, piece_height(length)))?;
        if row.len() > 1 {
            rows.push((root.0, row.iter().flat_map(|node| node.0).collect::<Vec<u8>>()));
        }
        Some(root)
    });
    let roots: Vec<Option<Sha256>> = roots.collect();
    let info = Tree::Raw(draft.info(&pieces, &roots));
    let layers = version.is_v2().then(|| Tree::dictionary(rows));
    let bytes = Tree::dictionary([("info", info)]).with_some("piece layers", layers).to_bytes();
    let read = Metainfo::read(&bytes.into()).unwrap();
    torrent(&read);
    assert_eq!(
        (read.info.hash().v1().is_some(), read.info.hash().v2().is_some()),
        (version.is_v1(), version.is_v2())
    );
    assert_eq!(
        (read.info.layout().pieces(), read.info.layout().total()),
        (draft.layout().pieces(), draft.layout().total())
    );
    for (made, read) in draft.layout().files().iter().zip(read.info.layout().files()) {
        assert_eq!((&made.path, made.range(), &made.kind), (&read.path, read.range(), &read.kind));
        assert_eq!(made.executable && !made.is_padding(), read.executable);
    }
    true
}
