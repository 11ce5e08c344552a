//! Pieces that come: their blocks, until all of them are there.
//!
//! Blocks are kept as they were received, and written with their piece, once it is known to be right. If too many bytes wait so, those of the piece that has most go to the disk
//! before it is whole, and are read again when it is: memory is bounded whatever the length of pieces and the number of peers.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use crate::proto::bittorrent::BLOCK;

/// A block of a piece that is not whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Slot {
    /// It has not come.
    #[default]
    Missing,
    /// It is here.
    Held(Bytes),
    /// It is on the disk, with so many bytes.
    Written(u32),
}

/// Blocks that are to be written before their piece is whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spill {
    pub(super) piece: u32,
    /// Runs of blocks: where each begins in the piece, and its bytes.
    pub(super) runs: Vec<(u32, Vec<Bytes>)>,
}

/// The pieces that are not whole.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    pieces: HashMap<u32, Vec<Slot>>,
    /// Those of which bytes are being written.
    spilling: HashSet<u32>,
}

impl Assembly {
    /// A block has come. What was there in its place is forgotten. The bytes that are held more now.
    pub(super) fn add(&mut self, piece: u32, begin: u32, data: Bytes) -> usize {
        let slots = self.pieces.entry(piece).or_default();
        let at = (begin / BLOCK) as usize;
        if slots.len() <= at {
            // Blocks are within their piece, which the torrent has made sure of.
            slots.resize(at + 1, Slot::Missing);
        }
        let length = data.len();
        let before = std::mem::replace(&mut slots[at], Slot::Held(data));
        length.saturating_sub(before.held())
    }

    /// Bytes in memory.
    pub(super) fn held(&self) -> usize {
        self.pieces.values().flatten().map(Slot::held).sum()
    }

    /// Takes the blocks of a piece that is whole; `None` if one is missing.
    pub(super) fn take(&mut self, piece: u32) -> Option<Vec<Slot>> {
        match self.pieces.entry(piece) {
            Entry::Occupied(slots) if !slots.get().contains(&Slot::Missing) => Some(slots.remove()),
            _ => None,
        }
    }

    /// The bytes of the piece that holds most of them, to be written; `None` if none holds any. It is not chosen again until they [are](Self::spilled).
    pub(super) fn spill(&mut self) -> Option<Spill> {
        let held = |slots: &[Slot]| slots.iter().map(Slot::held).sum::<usize>();
        let idle = self.pieces.iter().filter(|(piece, _)| !self.spilling.contains(piece));
        let most = idle.map(|(piece, slots)| (held(slots), *piece, slots));
        let (_, piece, slots) =
            most.max_by_key(|(held, piece, _)| (*held, *piece)).filter(|(held, ..)| *held > 0)?;
        let mut runs: Vec<(u32, Vec<Bytes>)> = Vec::new();
        let mut goes_on = false;
        for (begin, slot) in (0u32..).step_by(BLOCK as usize).zip(slots) {
            let Slot::Held(data) = slot else {
                goes_on = false;
                continue;
            };
            match runs.last_mut().filter(|_| goes_on) {
                Some((_, run)) => run.push(data.clone()),
                None => runs.push((begin, vec![data.clone()])),
            }
            goes_on = true;
        }
        self.spilling.insert(piece);
        Some(Spill { piece, runs })
    }

    /// Bytes are on the disk: they need not be held. Those that other ones have taken the place of meanwhile are not meant. The bytes that are held less now.
    pub(super) fn spilled(&mut self, spill: &Spill) -> usize {
        self.spilling.remove(&spill.piece);
        let Some(slots) = self.pieces.get_mut(&spill.piece) else { return 0 };
        let mut freed = 0;
        for (begin, run) in &spill.runs {
            for (slot, data) in slots.iter_mut().skip((begin / BLOCK) as usize).zip(run) {
                if matches!(slot, Slot::Held(held) if held.as_ptr() == data.as_ptr()) {
                    // No longer than a block.
                    *slot = Slot::Written(data.len() as u32);
                    freed += data.len();
                }
            }
        }
        freed
    }
}

impl Slot {
    /// Bytes in memory.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Held(data) => data.len(),
            Self::Missing | Self::Written(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(byte: u8) -> Bytes {
        vec![byte; BLOCK as usize].into()
    }

    #[test]
    fn a_piece_is_taken_when_it_is_whole() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.add(7, 2 * BLOCK, Bytes::from_static(b"end")), 3);
        assert_eq!(assembly.add(7, 0, block(1)), BLOCK as usize);
        assert_eq!(assembly.take(7), None);
        assert_eq!(assembly.held(), BLOCK as usize + 3);
        assembly.add(7, BLOCK, block(9));
        assert_eq!(assembly.add(7, BLOCK, block(2)), 0, "in place of the other");
        let slots = assembly.take(7).unwrap();
        assert_eq!(
            slots,
            [Slot::Held(block(1)), Slot::Held(block(2)), Slot::Held(Bytes::from_static(b"end"))]
        );
        assert_eq!(assembly.take(7), None);
    }

    #[test]
    fn the_piece_that_holds_most_makes_room() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.spill(), None);
        assembly.add(1, 0, block(1));
        for number in [0, 1, 3] {
            assembly.add(2, number * BLOCK, block(number as u8));
        }
        let runs = vec![(0, vec![block(0), block(1)]), (3 * BLOCK, vec![block(3)])];
        let spill = assembly.spill().unwrap();
        assert_eq!(spill, Spill { piece: 2, runs });
        assert_eq!(assembly.spill().unwrap().piece, 1);
        assert_eq!(assembly.spill(), None, "each once");
        assembly.add(2, BLOCK, block(9));
        assert_eq!(assembly.spilled(&spill), 2 * BLOCK as usize, "one has come again meanwhile");
        assembly.add(2, 2 * BLOCK, block(2));
        let slots = assembly.take(2).unwrap();
        assert_eq!(slots[..2], [Slot::Written(BLOCK), Slot::Held(block(9))]);
        assert_eq!(assembly.spilled(&spill), 0, "it is gone");
    }
}
