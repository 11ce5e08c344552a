//! The files of a torrent, laid one behind the other: where each begins in the space that is cut into pieces.

use std::ops::Range;

use super::MetainfoError;
use super::names::RawPaths;
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::hash::Sha256;

/// Bytes of all files together at most: 4 EiB, so that sums of two need no check.
pub const MAX_TOTAL: u64 = 1 << 62;

/// Files at most. Torrents of whole archives have a few hundred thousand.
pub const MAX_FILES: usize = 1_000_000;

/// Bytes of a piece at most: as libtorrent has it, 512 MiB but a block.
pub const MAX_PIECE: u32 = (512 << 20) - BLOCK;

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its place below the folder of all torrents, level by level: safe names, the first of which is that of the torrent.
    pub path: Vec<String>,
    /// Bytes.
    pub length: u64,
    /// Where it begins among the bytes of all pieces.
    pub offset: u64,
    /// What it is.
    pub kind: FileKind,
    /// Whether it may be executed (BEP 47, `x`).
    pub executable: bool,
    /// The root of its tree, if the torrent is of version 2 and the file has a byte.
    pub root: Option<Sha256>,
}

/// What a file is (BEP 47).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// One with content.
    Regular,
    /// Zeros that fill a piece up, so that the next file begins with a piece. They are written nowhere.
    Padding,
    /// A symbolic link to this path, below the folder of the torrent.
    Link(Vec<String>),
}

impl File {
    /// Where it is among the bytes of all pieces.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.length
    }

    /// Whether it only fills a piece up.
    #[must_use]
    pub fn is_padding(&self) -> bool {
        self.kind == FileKind::Padding
    }

    /// Its place, with slashes.
    #[must_use]
    pub fn display_path(&self) -> String {
        self.path.join("/")
    }
}

/// How the bytes of a torrent are cut into pieces, and to which files they belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    files: Vec<File>,
    /// Where the padding began that each file is, or is the end of; for other files, where they end.
    ends: Vec<u64>,
    piece_length: u32,
    total: u64,
    pieces: u32,
    /// Whether each file begins with a piece, and the last piece of each ends with it (BEP 52). The others of a piece are not there, and not asked for.
    aligned: bool,
    /// What files were called that are called otherwise here.
    raw: RawPaths,
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The number of the file.
    pub file: usize,
    /// Bytes of the file.
    pub range: Range<u64>,
}

impl Layout {
    /// Files one behind the other, or each at the next piece if they are `aligned`.
    ///
    /// # Errors
    /// Lengths that are impossible.
    pub fn new(mut files: Vec<File>, piece_length: u32, aligned: bool) -> Result<Self, MetainfoError> {
        if piece_length == 0 || piece_length > MAX_PIECE {
            return Err(MetainfoError::PieceLength(piece_length.into()));
        }
        let (mut end, mut content) = (0u64, 0);
        let mut ends = Vec::with_capacity(files.len());
        for file in &mut files {
            if aligned && file.length > 0 {
                end = end.next_multiple_of(piece_length.into());
            }
            file.offset = end;
            end = end
                .checked_add(file.length)
                .filter(|end| *end <= MAX_TOTAL)
                .ok_or(MetainfoError::Large(MAX_TOTAL))?;
            // What has no bytes needs no piece, wherever it stands.
            if !file.is_padding() && file.length > 0 {
                content = end;
            }
            ends.push(content);
        }
        if end == 0 {
            return Err(MetainfoError::Empty);
        }
        let pieces = end.div_ceil(piece_length.into());
        let pieces = u32::try_from(pieces).ok().filter(|pieces| *pieces <= super::MAX_PIECES);
        let pieces = pieces.ok_or(MetainfoError::PieceLength(piece_length.into()))?;
        Ok(Self { files, ends, piece_length, total: end, pieces, aligned, raw: RawPaths::new() })
    }

    /// The same, of files that were called otherwise.
    pub(super) fn with_raw(self, raw: RawPaths) -> Self {
        Self { raw, ..self }
    }

    /// The files alone.
    pub(super) fn into_files(self) -> Vec<File> {
        self.files
    }

    /// What a file was called, level by level below the folder of the torrent, if that is not its path.
    pub(super) fn raw(&self, file: usize) -> Option<&[Box<[u8]>]> {
        self.raw.get(&file).map(|levels| &**levels)
    }

    /// The files, in their order.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Bytes of a piece, but the last one.
    #[must_use]
    pub fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// How many pieces there are.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Bytes from the first piece to the end of the last one, what fills pieces up among them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes of the files that are more than padding.
    #[must_use]
    pub fn content(&self) -> u64 {
        self.files.iter().filter(|file| !file.is_padding()).map(|file| file.length).sum()
    }

    /// Where a piece begins.
    #[must_use]
    pub fn piece_offset(&self, piece: u32) -> u64 {
        u64::from(piece) * u64::from(self.piece_length)
    }

    /// Bytes of a piece that may be asked for. Where files are aligned, clients by libtorrent 2.0 ask for what is behind the end of one, too, and expect zeros.
    #[must_use]
    pub fn piece_room(&self, piece: u32) -> u32 {
        if self.aligned && piece < self.pieces { self.piece_length } else { self.piece_size(piece) }
    }

    /// Bytes of a piece: fewer in the last one, and where files are aligned, in the last one of each. 0 if there is no such piece.
    #[must_use]
    pub fn piece_size(&self, piece: u32) -> u32 {
        if piece >= self.pieces {
            return 0;
        }
        let start = self.piece_offset(piece);
        let full = start + u64::from(self.piece_length);
        let end = match self.aligned {
            false => self.total,
            true => self.files.get(self.file_at(start)).map_or(self.total, |file| file.range().end),
        };
        // Not longer than a piece.
        end.min(full).saturating_sub(start) as u32
    }

    /// Bytes of a piece that have to be fetched: those in front of the padding at its end.
    #[must_use]
    pub fn piece_content(&self, piece: u32) -> u32 {
        let size = self.piece_size(piece);
        let start = self.piece_offset(piece);
        let end = start + u64::from(size);
        let content = self.ends.get(self.file_at(end.saturating_sub(1))).copied().unwrap_or(end);
        // Not longer than the piece.
        content.saturating_sub(start).min(size.into()) as u32
    }

    /// The number of the file that has this byte, or the last one before it.
    #[must_use]
    pub fn file_at(&self, offset: u64) -> usize {
        let behind = self.files.partition_point(|file| file.offset <= offset);
        // Of files that begin there all but the last are empty.
        behind.saturating_sub(1)
    }

    /// The pieces that have bytes of a file.
    #[must_use]
    pub fn pieces_of(&self, file: usize) -> Range<u32> {
        let Some(file) = self.files.get(file).filter(|file| file.length > 0) else { return 0..0 };
        let length = u64::from(self.piece_length);
        // All pieces are below a number of 32 bits.
        (file.offset / length) as u32..file.range().end.div_ceil(length) as u32
    }

    /// The parts of files that a part of a piece is made of. What is behind the piece is left out.
    pub fn spans(&self, piece: u32, begin: u32, length: u32) -> impl Iterator<Item = Span> {
        let end = begin.saturating_add(length).min(self.piece_size(piece));
        let range =
            self.piece_offset(piece) + u64::from(begin.min(end))..self.piece_offset(piece) + u64::from(end);
        let first = self.file_at(range.start);
        let files = self.files.iter().enumerate().skip(first);
        let within = files.take_while(move |(_, file)| file.offset < range.end);
        let range =
            self.piece_offset(piece) + u64::from(begin.min(end))..self.piece_offset(piece) + u64::from(end);
        within.filter_map(move |(number, file)| {
            let (start, end) = (range.start.max(file.offset), range.end.min(file.range().end));
            (start < end).then(|| Span { file: number, range: start - file.offset..end - file.offset })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, length: u64) -> File {
        let path = vec!["t".to_owned(), name.to_owned()];
        File { path, length, offset: 0, kind: FileKind::Regular, executable: false, root: None }
    }

    fn spans(layout: &Layout, piece: u32, begin: u32, length: u32) -> Vec<(usize, Range<u64>)> {
        layout.spans(piece, begin, length).map(|span| (span.file, span.range)).collect()
    }

    #[test]
    fn files_are_one_behind_the_other() {
        let files = vec![file("a", 10), file("b", 0), file("c", 25), file("d", 5)];
        let layout = Layout::new(files, 16, false).unwrap();
        assert_eq!((layout.pieces(), layout.total()), (3, 40));
        assert_eq!([0, 1, 2, 3].map(|piece| layout.piece_size(piece)), [16, 16, 8, 0]);
        assert_eq!(spans(&layout, 0, 0, 16), [(0, 0..10), (2, 0..6)]);
        assert_eq!(spans(&layout, 1, 4, 4), [(2, 10..14)]);
        assert_eq!(spans(&layout, 2, 0, u32::MAX), [(2, 22..25), (3, 0..5)]);
        assert_eq!(spans(&layout, 2, 8, 1), []);
        assert_eq!(spans(&layout, 9, 0, 1), []);
        assert_eq!([0, 1, 2, 3, 4].map(|file| layout.pieces_of(file)), [0..1, 0..0, 0..3, 2..3, 0..0]);
    }

    #[test]
    fn files_begin_with_pieces() {
        let files = vec![file("a", 10), file("b", 0), file("c", 33), file("d", 16)];
        let layout = Layout::new(files, 16, true).unwrap();
        assert_eq!((layout.pieces(), layout.total()), (5, 80));
        assert_eq!([0, 1, 2, 3, 4].map(|piece| layout.piece_size(piece)), [10, 16, 16, 1, 16]);
        assert_eq!(spans(&layout, 0, 0, 16), [(0, 0..10)]);
        assert_eq!(spans(&layout, 3, 0, 16), [(2, 32..33)]);
        assert_eq!([0, 1, 2, 3].map(|file| layout.pieces_of(file)), [0..1, 0..0, 1..4, 4..5]);
    }

    #[test]
    fn lengths_that_are_impossible() {
        let new = |lengths: &[u64], piece| {
            Layout::new(lengths.iter().map(|length| file("a", *length)).collect(), piece, false)
        };
        assert_eq!(new(&[1], 0), Err(MetainfoError::PieceLength(0)));
        assert_eq!(new(&[1], MAX_PIECE + 1), Err(MetainfoError::PieceLength(i64::from(MAX_PIECE) + 1)));
        assert_eq!(new(&[0, 0], 16), Err(MetainfoError::Empty));
        assert_eq!(new(&[MAX_TOTAL, 1], MAX_PIECE), Err(MetainfoError::Large(MAX_TOTAL)));
        assert_eq!(new(&[u64::MAX], 16), Err(MetainfoError::Large(MAX_TOTAL)));
        assert_eq!(new(&[1 << 40], 16), Err(MetainfoError::PieceLength(16)), "too many pieces");
    }
}
