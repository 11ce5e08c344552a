//! The rows that are missing, cut into parts: each is what one request asks for.

use std::collections::{BTreeMap, HashMap};

use super::MAX_LENGTH;
use crate::proto::bittorrent::hash::Sha256;
use crate::proto::bittorrent::merkle;
use crate::proto::bittorrent::metainfo::{Layers, Layout, piece_height};
use crate::proto::bittorrent::wire::{Bitfield, HashRange};

/// The piece layer of a file.
#[derive(Debug)]
struct Row {
    root: Sha256,
    /// The number of the file.
    file: u32,
    /// Its first piece among those of the torrent.
    first: u32,
    /// How many it has: at least two.
    pieces: u32,
    /// The number of its first part.
    part: u32,
    /// Parts that have not come.
    missing: u32,
    /// The nodes, as far as they have come; empty until the first of them have.
    nodes: Vec<Sha256>,
}

/// All parts, by their numbers.
#[derive(Debug)]
pub(super) struct Parts {
    /// In the order of their files, and so of their pieces and parts.
    rows: Vec<Row>,
    /// Files that have the root of another one, by the number of that one.
    twins: BTreeMap<u32, Vec<u32>>,
    count: u32,
    /// Levels from the leaves up to the pieces.
    layer: u32,
}

/// A row of which all parts have come.
#[derive(Debug)]
pub(super) struct Whole {
    /// The file that it was asked for.
    pub(super) file: usize,
    pub(super) nodes: Vec<Sha256>,
}

impl Parts {
    /// Those of all files that need a row, and have none yet.
    pub(super) fn new(layout: &Layout, layers: &Layers) -> Self {
        let mut parts = Self {
            rows: Vec::new(),
            twins: BTreeMap::new(),
            count: 0,
            layer: piece_height(layout.piece_length()),
        };
        let mut by_root: HashMap<Sha256, u32> = HashMap::new();
        for (file, number) in layout.files().iter().zip(0..) {
            let long = file.length > u64::from(layout.piece_length());
            let Some(root) = file.root.filter(|root| long && layers.get(*root).is_none()) else { continue };
            if let Some(first) = by_root.get(&root) {
                parts.twins.entry(*first).or_default().push(number);
                continue;
            }
            by_root.insert(root, number);
            let pieces = layout.pieces_of(number as usize);
            let (first, pieces) = (pieces.start, pieces.end.saturating_sub(pieces.start));
            let missing = pieces.div_ceil(MAX_LENGTH);
            let (part, nodes) = (parts.count, Vec::new());
            parts.rows.push(Row { root, file: number, first, pieces, part, missing, nodes });
            parts.count += missing;
        }
        parts
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// That of a piece.
    pub(super) fn of_piece(&self, piece: u32) -> Option<u32> {
        let behind = self.rows.partition_point(|row| row.first <= piece);
        let row = self.rows.get(behind.checked_sub(1)?)?;
        let at = piece.checked_sub(row.first).filter(|at| *at < row.pieces)?;
        Some(row.part + at / MAX_LENGTH)
    }

    /// Those of which somebody has a piece.
    pub(super) fn of_pieces(&self, has: &Bitfield) -> Bitfield {
        if has.is_all() {
            return Bitfield::all(self.count);
        }
        let mut parts = Bitfield::none(self.count);
        has.iter().filter_map(|piece| self.of_piece(piece)).for_each(|part| {
            parts.set(part);
        });
        parts
    }

    /// What is asked for to get one: as many nodes as it has, made a power of two, and all uncles up to the root.
    pub(super) fn range(&self, part: u32) -> Option<HashRange> {
        let row = self.rows.get(self.row(part)?)?;
        let index = part.checked_sub(row.part)?.checked_mul(MAX_LENGTH)?;
        let left = row.pieces.checked_sub(index).filter(|left| *left > 0)?;
        let length = left.clamp(2, MAX_LENGTH).next_power_of_two();
        // The root is not asked for: it is known, and no uncle of anything.
        let proofs = merkle::height(row.pieces as usize).saturating_sub(1);
        Some(HashRange { root: row.root, layer: self.layer, index, length, proofs })
    }

    /// One has come, and is right: the nodes that were asked for by its range. The row, if it was the last one of it.
    pub(super) fn put(&mut self, part: u32, nodes: &[Sha256]) -> Option<Whole> {
        let number = self.row(part)?;
        let row = self.rows.get_mut(number)?;
        let pieces = row.pieces as usize;
        let index = (part.checked_sub(row.part)? as usize).checked_mul(MAX_LENGTH as usize)?;
        if row.nodes.is_empty() {
            row.nodes = vec![Sha256([0; 32]); pieces];
        }
        let place = row.nodes.get_mut(index..)?;
        place.iter_mut().zip(nodes).for_each(|(place, node)| *place = *node);
        row.missing = row.missing.saturating_sub(1);
        (row.missing == 0).then(|| Whole { file: row.file as usize, nodes: std::mem::take(&mut row.nodes) })
    }

    /// All files that have the row of this one.
    pub(super) fn files(&self, file: usize) -> impl Iterator<Item = usize> {
        let twins = u32::try_from(file).ok().and_then(|file| self.twins.get(&file));
        std::iter::once(file).chain(twins.into_iter().flatten().map(|twin| *twin as usize))
    }

    /// The number of the row of a part.
    fn row(&self, part: u32) -> Option<usize> {
        self.rows.partition_point(|row| row.part <= part).checked_sub(1)
    }
}
