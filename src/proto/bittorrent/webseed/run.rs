//! A run: blocks that are asked for together, and the bytes that they are made of.
//!
//! Blocks lie one behind the other, the parts of files that have their bytes as well, but their borders are elsewhere:
//! a block may lie in many files, and some of its bytes may be padding (BEP 47), which is zeros and asked of nobody.
//! So bytes go in at one end, as they come, and blocks come out at the other.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::url::Kind;
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::metainfo::{File, Layout};
use crate::proto::bittorrent::wire::{Block, Message};

/// Ranges that a script is asked for at once, so that the target is not too long.
const MAX_RANGES: usize = 64;

static ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];

/// Where bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nowhere: they are zeros.
    Padding,
    /// In a file, from there on.
    File(usize, u64),
    /// In a piece, from there on.
    Piece(u32, u64),
}

#[derive(Clone, Copy, Debug)]
struct Part {
    place: Place,
    length: u64,
}

/// What is to be asked for at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Bytes of a file.
    File {
        /// Its number.
        file: usize,
        /// The bytes.
        range: Range<u64>,
    },
    /// Bytes of a piece.
    Piece {
        /// The piece.
        piece: u32,
        /// The bytes, in their order.
        ranges: Vec<Range<u64>>,
    },
}

impl Wanted {
    /// Bytes.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::File { range, .. } => range.end - range.start,
            Self::Piece { ranges, .. } => ranges.iter().map(|range| range.end - range.start).sum(),
        }
    }
}

#[derive(Debug)]
struct Slot {
    block: Block,
    /// Whether nobody has cancelled it.
    wanted: bool,
}

/// Blocks, and what they are made of.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Those that are not whole yet.
    slots: VecDeque<Slot>,
    /// What is still to come.
    parts: VecDeque<Part>,
    /// What has come of the first block.
    begun: BytesMut,
    /// Bytes of all blocks.
    length: u64,
}

impl Run {
    /// Whether a block goes on where the last part ends, and there are not too many bytes then.
    pub(super) fn takes(&self, layout: &Layout, kind: Kind, block: Block, limit: u64) -> bool {
        let Some(last) = self.parts.back() else { return true };
        let offset = layout.piece_offset(block.piece) + u64::from(block.begin);
        let goes_on = match last.place {
            // What comes behind padding is another file.
            Place::Padding => kind == Kind::Pieces,
            Place::File(file, _) => layout.file_at(offset) == file,
            Place::Piece(piece, _) => piece == block.piece,
        };
        let same_piece = self.slots.back().is_none_or(|last| last.block.piece == block.piece);
        let fits = self.length + u64::from(block.length) <= limit;
        goes_on && fits && (kind == Kind::Files || same_piece && self.parts.len() < MAX_RANGES)
    }

    /// One more block.
    pub(super) fn push(&mut self, layout: &Layout, kind: Kind, block: Block) {
        let mut begin = u64::from(block.begin);
        for span in layout.spans(block.piece, block.begin, block.length) {
            let is_padding = layout.files().get(span.file).is_none_or(File::is_padding);
            let place = match kind {
                _ if is_padding => Place::Padding,
                Kind::Files => Place::File(span.file, span.range.start),
                Kind::Pieces => Place::Piece(block.piece, begin),
            };
            let length = span.range.end - span.range.start;
            begin += length;
            match self.parts.back_mut() {
                Some(last) if last.continues(place) => last.length += length,
                _ => self.parts.push_back(Part { place, length }),
            }
        }
        self.length += u64::from(block.length);
        self.slots.push_back(Slot { block, wanted: true });
    }

    /// A block is wanted; whether it will come from here.
    pub(super) fn want(&mut self, block: Block) -> bool {
        let slot = self.slots.iter_mut().find(|slot| slot.block == block);
        slot.map(|slot| slot.wanted = true).is_some()
    }

    /// A block is not wanted any more.
    pub(super) fn cancel(&mut self, block: Block) {
        let slot = self.slots.iter_mut().find(|slot| slot.block == block);
        slot.into_iter().for_each(|slot| slot.wanted = false);
    }

    /// Whether any block that is to come is wanted.
    pub(super) fn is_wanted(&self) -> bool {
        self.slots.iter().any(|slot| slot.wanted)
    }

    /// The blocks that were wanted and have not come.
    pub(super) fn into_wanted(self) -> impl Iterator<Item = Block> {
        self.slots.into_iter().filter(|slot| slot.wanted).map(|slot| slot.block)
    }

    /// What is to be asked for next: a part of a file, or what there is of the piece. `None` if all has come. Blocks
    /// that have become whole go to `out`.
    pub(super) fn wanted(&mut self, out: &mut impl FnMut(Message)) -> Option<Wanted> {
        self.pad(out);
        let first = *self.parts.front()?;
        match first.place {
            Place::Padding => None,
            Place::File(file, start) => Some(Wanted::File { file, range: start..start + first.length }),
            Place::Piece(piece, _) => {
                let ranges = self.parts.iter().filter_map(|part| match part.place {
                    Place::Piece(_, begin) => Some(begin..begin + part.length),
                    Place::Padding | Place::File(..) => None,
                });
                Some(Wanted::Piece { piece, ranges: ranges.collect() })
            }
        }
    }

    /// Takes bytes that were asked for. Blocks that have become whole go to `out`.
    pub(super) fn take(&mut self, mut bytes: Bytes, out: &mut impl FnMut(Message)) {
        while !bytes.is_empty() {
            self.pad(out);
            let Some(part) = self.parts.front_mut() else { return };
            // Not longer than the bytes.
            let length = part.length.min(bytes.len() as u64);
            part.length -= length;
            match &mut part.place {
                Place::Padding => {}
                Place::File(_, start) | Place::Piece(_, start) => *start += length,
            }
            if part.length == 0 {
                self.parts.pop_front();
            }
            self.fill(bytes.split_to(length as usize), out);
        }
        self.pad(out);
    }

    /// Adds zeros as long as they come next.
    fn pad(&mut self, out: &mut impl FnMut(Message)) {
        while let Some(part) = self.parts.front_mut().filter(|part| part.place == Place::Padding) {
            let length = part.length.min(ZEROS.len() as u64);
            part.length -= length;
            if part.length == 0 {
                self.parts.pop_front();
            }
            self.fill(Bytes::from_static(&ZEROS).slice(..length as usize), out);
        }
    }

    /// Adds bytes to the blocks.
    fn fill(&mut self, mut bytes: Bytes, out: &mut impl FnMut(Message)) {
        while !bytes.is_empty() {
            let Some(Slot { block, wanted }) = self.slots.front() else { return };
            let missing = (block.length as usize).saturating_sub(self.begun.len());
            if bytes.len() < missing {
                self.begun.reserve(missing);
                self.begun.extend_from_slice(&bytes);
                return;
            }
            let rest = bytes.split_to(missing);
            let data = if self.begun.is_empty() {
                rest
            } else {
                self.begun.extend_from_slice(&rest);
                self.begun.split().freeze()
            };
            if *wanted {
                out(Message::Piece { piece: block.piece, begin: block.begin, data });
            }
            self.slots.pop_front();
        }
    }
}

impl Part {
    /// Whether bytes at a place are those behind this part.
    fn continues(&self, place: Place) -> bool {
        match (self.place, place) {
            (Place::Padding, Place::Padding) => true,
            (Place::File(file, start), Place::File(other, next)) => {
                file == other && start + self.length == next
            }
            (Place::Piece(piece, start), Place::Piece(other, next)) => {
                piece == other && start + self.length == next
            }
            _ => false,
        }
    }
}
