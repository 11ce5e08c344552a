//! Which blocks a peer is asked for: pieces that have begun first, then the rarest, and at the end what others are slow to send.
//!
//! The picker knows which pieces are wanted and how many peers have each, but not when anything is asked for: the pipeline of each peer decides how much. Its rules:
//!
//! * What playback waits for comes before everything ([`Picker::set_urgent`]).
//! * A piece that has begun is finished before another one begins, so that there is soon something to give. A peer that is fast has pieces to itself, which its blocks
//!   then fill in order; slow ones share.
//! * When every block was asked for, blocks are asked for a second time of peers that have nothing else to do, and the later copy is cancelled (the *endgame*).
//! * A piece whose bytes were wrong comes from one peer alone the next time, so that it is known who lies.

mod partial;
mod rarity;

use std::collections::BTreeMap;

use self::partial::{Came, Partial};
use self::rarity::Rarity;
pub use self::rarity::{MAX_PRIORITY, PRIORITY};
use super::BLOCK;
use super::metainfo::Layout;
use super::random::Random;
use super::wire::{Bitfield, Block};

/// The number of a peer among those of a torrent, which no other has ever had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub u32);

/// How pieces are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The rarest first.
    #[default]
    Rarest,
    /// From the first to the last.
    Sequential,
}

/// What a peer may be asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Who it is.
    pub peer: PeerKey,
    /// The pieces that it has.
    pub has: &'a Bitfield,
    /// Of those, the only ones that it gives: it chokes us, but for these (BEP 6).
    pub only: Option<&'a [u32]>,
    /// How many blocks.
    pub blocks: u32,
    /// Whether it is fast enough to fetch pieces alone.
    pub whole: bool,
    /// Whether pieces that follow each other are better than rare ones: a web seed is asked for them at once.
    pub run: bool,
}

/// What becomes of a block that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is new.
    Taken {
        /// Another peer that was asked for it as well, and need not send it.
        cancel: Option<PeerKey>,
        /// Whether its piece is whole now.
        whole: bool,
    },
    /// It is there already, or its piece is.
    Again,
    /// It was not asked for.
    Unasked,
}

/// Which blocks are asked for.
#[derive(Debug)]
pub struct Picker {
    rarity: Rarity,
    /// Pieces that are there and right.
    have: Bitfield,
    /// Pieces that have begun to come, and those that are looked at, whether they are right.
    partial: BTreeMap<u32, Partial>,
    /// Blocks in those that nobody was asked for.
    free: u32,
    /// Peers that have all pieces.
    seeds: u32,
    /// Pieces that somebody waits for, the first of them most.
    urgent: Vec<u32>,
    strategy: Strategy,
    /// The pieces behind those that were begun last, for those who are asked for pieces that follow each other.
    runs: BTreeMap<PeerKey, u32>,
    /// No piece before this one is missing.
    cursor: u32,
    /// Pieces that are wanted and not there.
    missing: u32,
}

impl Picker {
    /// One for a torrent of which these pieces are there. `seed` decides what chance decides.
    #[must_use]
    pub fn new(have: Bitfield, seed: u64) -> Self {
        let pieces = have.pieces();
        let mut rarity = Rarity::new(pieces, &mut Random::new(seed));
        for piece in have.iter() {
            rarity.take(piece);
        }
        let missing = pieces - have.count();
        Self {
            rarity,
            have,
            partial: BTreeMap::new(),
            free: 0,
            seeds: 0,
            urgent: Vec::new(),
            strategy: Strategy::default(),
            runs: BTreeMap::new(),
            cursor: 0,
            missing,
        }
    }

    /// The pieces that are there.
    #[must_use]
    pub fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Pieces that are wanted and not there.
    #[must_use]
    pub fn missing(&self) -> u32 {
        self.missing
    }

    /// Whether a piece is wanted and not there.
    #[must_use]
    pub fn wants(&self, piece: u32) -> bool {
        !self.have.has(piece) && self.rarity.priority(piece) > 0
    }

    /// How many peers have all pieces.
    #[must_use]
    pub fn seeds(&self) -> u32 {
        self.seeds
    }

    /// How many peers have a piece.
    #[must_use]
    pub fn available(&self, piece: u32) -> u32 {
        self.seeds + u32::from(self.rarity.available(piece))
    }

    /// Pieces that have begun to come.
    #[must_use]
    pub fn begun(&self) -> usize {
        self.partial.len()
    }

    /// Whether every block that is wanted was asked for.
    #[must_use]
    pub fn is_endgame(&self) -> bool {
        self.missing > 0 && self.free == 0 && self.rarity.pieces().is_empty()
    }

    /// Chooses pieces in another way from now on.
    pub fn set_strategy(&mut self, strategy: Strategy) {
        self.strategy = strategy;
    }

    /// Pieces that somebody waits for, the first of them most. They are asked for before all others, and of several peers.
    pub fn set_urgent(&mut self, pieces: Vec<u32>) {
        self.urgent = pieces;
    }

    /// Gives a piece a priority, at most [`MAX_PRIORITY`]; one of 0 is not wanted. What has begun to come goes on.
    pub fn set_priority(&mut self, piece: u32, priority: u8) {
        let wanted = self.wants(piece);
        self.rarity.set_priority(piece, priority);
        let wants = self.wants(piece);
        match (wanted, wants) {
            (true, false) => self.missing -= 1,
            (false, true) => {
                self.missing += 1;
                self.cursor = self.cursor.min(piece);
            }
            _ => {}
        }
        if wants && !self.partial.contains_key(&piece) {
            self.rarity.put(piece);
        } else {
            self.rarity.take(piece);
        }
    }

    /// The priority of a piece.
    #[must_use]
    pub fn priority(&self, piece: u32) -> u8 {
        self.rarity.priority(piece)
    }

    /// A peer has come that has these pieces.
    pub fn peer_came(&mut self, has: &Bitfield) {
        if has.is_all() {
            self.seeds += 1;
        } else {
            has.iter().for_each(|piece| self.rarity.gained(piece));
        }
    }

    /// A peer has left that had these pieces.
    pub fn peer_left(&mut self, has: &Bitfield) {
        if has.is_all() {
            self.seeds = self.seeds.saturating_sub(1);
        } else {
            has.iter().for_each(|piece| self.rarity.lost(piece));
        }
    }

    /// A peer has got a piece; `has` is what it has with that.
    pub fn peer_got(&mut self, piece: u32, has: &Bitfield) {
        self.rarity.gained(piece);
        if has.is_all() {
            (0..has.pieces()).for_each(|piece| self.rarity.lost(piece));
            self.seeds += 1;
        }
    }

    /// Chooses blocks that a peer is asked for.
    pub fn pick(&mut self, layout: &Layout, wish: &Wish<'_>, blocks: &mut Vec<Block>) {
        let mut pick = Pick { layout, wish, left: wish.blocks, blocks };
        self.pick_urgent(&mut pick);
        self.pick_begun(&mut pick, |partial, wish| partial.is_for(wish.peer));
        if !wish.whole {
            self.pick_begun(&mut pick, |partial, _| partial.owner.is_none() && !partial.alone);
        }
        self.pick_new(&mut pick);
        self.pick_begun(&mut pick, |partial, _| partial.owner.is_none() && !partial.alone);
        // Pieces that others have to themselves, and piece by piece what they are slow to send.
        self.pick_begun(&mut pick, |partial, _| !partial.alone);
        if self.is_endgame() {
            self.pick_again(&mut pick);
        }
    }

    fn pick_urgent(&mut self, pick: &mut Pick<'_, '_>) {
        for at in 0..self.urgent.len() {
            let piece = self.urgent[at];
            if pick.is_done() {
                return;
            }
            if self.wants(piece) && pick.gives(piece) {
                if !self.partial.contains_key(&piece) {
                    self.begin(piece, pick, false);
                }
                self.ask(piece, pick);
                // What is waited for now is asked of several.
                if at == 0 {
                    self.ask_again(piece, pick);
                }
            }
        }
    }

    /// Blocks of pieces that have begun, those with the fewest left first.
    fn pick_begun(&mut self, pick: &mut Pick<'_, '_>, is_meant: impl Fn(&Partial, &Wish<'_>) -> bool) {
        if pick.is_done() || self.free == 0 {
            return;
        }
        let begun =
            self.partial.iter().filter(|(_, partial)| partial.free() > 0 && is_meant(partial, pick.wish));
        let begun = begun.filter(|(piece, _)| pick.gives(**piece));
        let mut begun: Vec<_> =
            begun.map(|(piece, partial)| (self.rarity.priority(*piece), partial.free(), *piece)).collect();
        begun.sort_unstable_by_key(|(priority, free, piece)| (std::cmp::Reverse(*priority), *free, *piece));
        for (_, _, piece) in begun {
            if pick.is_done() {
                return;
            }
            self.ask(piece, pick);
        }
    }

    fn pick_new(&mut self, pick: &mut Pick<'_, '_>) {
        while !pick.is_done() {
            let next = match self.strategy {
                Strategy::Rarest if pick.wish.run => self.next_of_run(pick),
                Strategy::Rarest => self.rarest(pick),
                Strategy::Sequential => self.first(pick),
            };
            let Some(piece) = next else { return };
            self.begin(piece, pick, pick.wish.whole);
            if pick.wish.run {
                self.runs.insert(pick.wish.peer, piece + 1);
            }
            self.ask(piece, pick);
        }
    }

    /// The piece behind the last one, or else the first in order; but none before pieces that are wanted more.
    fn next_of_run(&self, pick: &Pick<'_, '_>) -> Option<u32> {
        let rarest = self.rarest(pick)?;
        let behind = self.runs.get(&pick.wish.peer).copied();
        let behind = behind.filter(|piece| self.is_open(*piece) && pick.gives(*piece));
        let goes_on = behind.filter(|piece| self.rarity.priority(*piece) >= self.rarity.priority(rarest));
        goes_on.or(Some(rarest))
    }

    /// The first in order that the peer has. Of a peer with few pieces those are looked at, and not the order.
    fn rarest(&self, pick: &Pick<'_, '_>) -> Option<u32> {
        let order = self.rarity.pieces();
        let few = match pick.wish.only {
            Some(only) => only.len(),
            None => pick.wish.has.count() as usize,
        };
        if few < order.len() / 16 {
            let open = |piece: &u32| self.is_open(*piece) && pick.gives(*piece);
            let by_rank = |piece: &u32| self.rarity.rank(*piece);
            return match pick.wish.only {
                Some(only) => only.iter().copied().filter(open).min_by_key(by_rank),
                None => pick.wish.has.iter().filter(open).min_by_key(by_rank),
            };
        }
        order.iter().copied().find(|piece| pick.gives(*piece))
    }

    fn first(&mut self, pick: &Pick<'_, '_>) -> Option<u32> {
        while self.cursor < self.have.pieces() && !self.wants(self.cursor) {
            self.cursor += 1;
        }
        (self.cursor..self.have.pieces()).find(|piece| self.is_open(*piece) && pick.gives(*piece))
    }

    /// Whether a piece is wanted and has not begun.
    fn is_open(&self, piece: u32) -> bool {
        self.wants(piece) && !self.partial.contains_key(&piece)
    }

    /// What others were asked for and have not sent.
    fn pick_again(&mut self, pick: &mut Pick<'_, '_>) {
        let begun: Vec<u32> = self.partial.keys().copied().collect();
        for piece in begun {
            if pick.is_done() {
                return;
            }
            if pick.gives(piece) {
                self.ask_again(piece, pick);
            }
        }
    }

    fn begin(&mut self, piece: u32, pick: &Pick<'_, '_>, alone: bool) {
        self.rarity.take(piece);
        let mut partial = Partial::new(pick.layout.piece_content(piece).div_ceil(BLOCK).max(1));
        partial.owner = alone.then_some(pick.wish.peer);
        self.free += partial.free();
        self.partial.insert(piece, partial);
    }

    fn ask(&mut self, piece: u32, pick: &mut Pick<'_, '_>) {
        let Some(partial) = self.partial.get_mut(&piece) else { return };
        if partial.alone && partial.owner.is_some_and(|owner| owner != pick.wish.peer) {
            return;
        }
        while !pick.is_done() {
            let Some(number) = partial.ask(pick.wish.peer) else { return };
            if partial.alone {
                partial.owner = Some(pick.wish.peer);
            }
            self.free -= 1;
            pick.take(piece, number);
        }
    }

    fn ask_again(&mut self, piece: u32, pick: &mut Pick<'_, '_>) {
        let Some(partial) = self.partial.get_mut(&piece).filter(|partial| !partial.alone) else { return };
        let mut from = 0;
        while !pick.is_done() {
            let Some(number) = partial.ask_again(pick.wish.peer, from) else { return };
            from = number + 1;
            pick.take(piece, number);
        }
    }

    /// A block has come.
    pub fn came(&mut self, block: Block, peer: PeerKey) -> Arrival {
        let Some(partial) = self.partial.get_mut(&block.piece) else {
            return if self.have.has(block.piece) { Arrival::Again } else { Arrival::Unasked };
        };
        match partial.came(block.begin / BLOCK, peer) {
            Came::Wanted(cancel) => Arrival::Taken { cancel, whole: partial.is_whole() },
            Came::Again => Arrival::Again,
            Came::Unasked => Arrival::Unasked,
        }
    }

    /// A peer will not send a block that it was asked for: it said so, chokes us, or has left.
    pub fn lost(&mut self, block: Block, peer: PeerKey) {
        let Some(partial) = self.partial.get_mut(&block.piece) else { return };
        let before = partial.free();
        partial.lost(block.begin / BLOCK, peer);
        self.free += partial.free() - before;
        if partial.owner == Some(peer) && !partial.alone {
            partial.owner = None;
        }
        if partial.is_untouched() && !partial.alone {
            self.free -= partial.free();
            self.partial.remove(&block.piece);
            if self.wants(block.piece) {
                self.rarity.put(block.piece);
            }
        }
    }

    /// A peer has left, or chokes us. Its requests have to be given back by [`lost`](Self::lost) before.
    pub fn released(&mut self, peer: PeerKey) {
        self.runs.remove(&peer);
        for partial in self.partial.values_mut().filter(|partial| partial.owner == Some(peer)) {
            partial.owner = None;
            // Whoever takes its place has to send all of a piece that was wrong.
            if partial.alone && !partial.is_whole() {
                let before = partial.free();
                partial.begin_again();
                self.free += partial.free() - before;
            }
        }
    }

    /// Who sent each block of a piece that is whole.
    #[must_use]
    pub fn senders(&self, piece: u32) -> Vec<Option<PeerKey>> {
        self.partial.get(&piece).map(Partial::senders).unwrap_or_default()
    }

    /// A piece is right; whether that is new.
    pub fn verified(&mut self, piece: u32) -> bool {
        let wanted = self.wants(piece);
        if let Some(partial) = self.partial.remove(&piece) {
            self.free -= partial.free();
        }
        self.rarity.take(piece);
        self.missing -= u32::from(wanted);
        self.have.set(piece)
    }

    /// A piece that is whole is wrong. It comes again, from one peer alone.
    pub fn failed(&mut self, piece: u32) {
        let Some(partial) = self.partial.get_mut(&piece) else { return };
        self.free -= partial.free();
        partial.begin_again();
        self.free += partial.free();
    }

    /// A piece that was there is not: its file has changed. It is fetched again.
    pub fn vanished(&mut self, piece: u32) {
        if self.have.clear(piece) && self.wants(piece) {
            self.missing += 1;
            self.cursor = self.cursor.min(piece);
            self.rarity.put(piece);
        }
    }

    /// Blocks of a piece that are on the disk from before, as it was not whole: they are not fetched.
    pub fn resume(
        &mut self,
        layout: &Layout,
        piece: u32,
        blocks: impl IntoIterator<Item = u32>,
        from: PeerKey,
    ) {
        if !self.is_open(piece) {
            return;
        }
        self.rarity.take(piece);
        let mut partial = Partial::new(layout.piece_content(piece).div_ceil(BLOCK).max(1));
        blocks.into_iter().for_each(|block| partial.is_there(block, from));
        self.free += partial.free();
        self.partial.insert(piece, partial);
    }
}

/// A choice that is being made.
struct Pick<'a, 'b> {
    layout: &'a Layout,
    wish: &'a Wish<'a>,
    left: u32,
    blocks: &'b mut Vec<Block>,
}

impl Pick<'_, '_> {
    fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Whether the peer gives a piece.
    fn gives(&self, piece: u32) -> bool {
        self.wish.has.has(piece) && self.wish.only.is_none_or(|only| only.contains(&piece))
    }

    fn take(&mut self, piece: u32, number: u32) {
        let begin = number * BLOCK;
        let length = BLOCK.min(self.layout.piece_content(piece).saturating_sub(begin));
        self.blocks.push(Block { piece, begin, length });
        self.left -= 1;
    }
}

#[cfg(test)]
mod tests;
