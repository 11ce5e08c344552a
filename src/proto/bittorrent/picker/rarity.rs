//! Pieces that are wanted and not begun, in the order in which they are: by priority, then the rarest first, and by chance among those that are alike.
//!
//! The order is one array, cut into buckets. A piece that becomes less or more rare changes places with one at the edge of its bucket, so that what peers tell of their
//! pieces costs the same however many there are. Legout et al., "Rarest first and choke algorithms are enough" (2006), is why nothing cleverer is needed.

use crate::proto::bittorrent::random::Random;

/// Peers that have a piece, beyond which it does not matter how many.
const COMMON: u16 = 31;

/// The highest priority.
pub const MAX_PRIORITY: u8 = 7;

/// The priority of what nobody has said anything about.
pub const PRIORITY: u8 = 4;

const BUCKETS: usize = MAX_PRIORITY as usize * (COMMON as usize + 1);

/// A piece that is not in the order.
const NOWHERE: u32 = u32::MAX;

/// The order of pieces.
#[derive(Debug)]
pub(super) struct Rarity {
    order: Vec<u32>,
    /// Where each piece is in the order.
    places: Vec<u32>,
    /// Where each bucket begins, and behind them where the last one ends.
    starts: Vec<u32>,
    priorities: Vec<u8>,
    /// Peers that have each piece, but those that have all.
    available: Vec<u16>,
}

impl Rarity {
    /// All of so many pieces, which nobody has.
    pub(super) fn new(pieces: u32, random: &mut Random) -> Self {
        let mut order: Vec<u32> = (0..pieces).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last as u32 + 1) as usize);
        }
        let mut places = vec![0; order.len()];
        for (place, piece) in (0..).zip(&order) {
            places[*piece as usize] = place;
        }
        let mut rarity = Self {
            order,
            places,
            starts: vec![0; BUCKETS + 1],
            priorities: vec![PRIORITY; pieces as usize],
            available: vec![0; pieces as usize],
        };
        let own = rarity.bucket(0);
        rarity.starts[own + 1..].fill(pieces);
        rarity
    }

    /// The pieces, in order.
    pub(super) fn pieces(&self) -> &[u32] {
        &self.order
    }

    pub(super) fn priority(&self, piece: u32) -> u8 {
        self.priorities.get(piece as usize).copied().unwrap_or_default()
    }

    pub(super) fn available(&self, piece: u32) -> u16 {
        self.available.get(piece as usize).copied().unwrap_or_default()
    }

    /// What comes first is lower.
    pub(super) fn rank(&self, piece: u32) -> usize {
        self.bucket(piece as usize)
    }

    fn bucket(&self, piece: usize) -> usize {
        let class = MAX_PRIORITY.saturating_sub(self.priorities.get(piece).copied().unwrap_or(PRIORITY));
        let rare = self.available.get(piece).copied().unwrap_or_default().min(COMMON);
        usize::from(class) * (usize::from(COMMON) + 1) + usize::from(rare)
    }

    fn is_in(&self, piece: u32) -> bool {
        self.places.get(piece as usize).is_some_and(|place| *place != NOWHERE)
    }

    /// One peer more has a piece.
    pub(super) fn gained(&mut self, piece: u32) {
        let Some(available) = self.available.get(piece as usize).copied().filter(|count| *count < u16::MAX)
        else {
            return;
        };
        if available < COMMON && self.is_in(piece) {
            let bucket = self.bucket(piece as usize);
            let last = self.starts[bucket + 1] - 1;
            self.swap(self.places[piece as usize], last);
            self.starts[bucket + 1] = last;
        }
        self.available[piece as usize] = available + 1;
    }

    /// One peer less has a piece.
    pub(super) fn lost(&mut self, piece: u32) {
        let Some(available) = self.available.get(piece as usize).copied().filter(|count| *count > 0) else {
            return;
        };
        if available <= COMMON && self.is_in(piece) {
            let bucket = self.bucket(piece as usize);
            let first = self.starts[bucket];
            self.swap(self.places[piece as usize], first);
            self.starts[bucket] = first + 1;
        }
        self.available[piece as usize] = available - 1;
    }

    /// Gives a piece another priority, at most [`MAX_PRIORITY`]. One of 0 is not wanted, and not in the order.
    pub(super) fn set_priority(&mut self, piece: u32, priority: u8) {
        if piece as usize >= self.priorities.len() {
            return;
        }
        let was_in = self.take(piece);
        self.priorities[piece as usize] = priority.min(MAX_PRIORITY);
        if was_in {
            self.put(piece);
        }
    }

    /// Takes a piece out of the order; whether it was in it.
    pub(super) fn take(&mut self, piece: u32) -> bool {
        if !self.is_in(piece) {
            return false;
        }
        let mut place = self.places[piece as usize];
        for bucket in self.bucket(piece as usize)..BUCKETS {
            let last = self.starts[bucket + 1] - 1;
            self.swap(place, last);
            place = last;
            self.starts[bucket + 1] = last;
        }
        self.order.pop();
        self.places[piece as usize] = NOWHERE;
        true
    }

    /// Puts a piece into the order, unless it is there or not wanted.
    pub(super) fn put(&mut self, piece: u32) {
        if piece as usize >= self.places.len() || self.is_in(piece) || self.priority(piece) == 0 {
            return;
        }
        let mut place = self.order.len() as u32;
        self.order.push(piece);
        self.places[piece as usize] = place;
        self.starts[BUCKETS] += 1;
        for bucket in (self.bucket(piece as usize) + 1..BUCKETS).rev() {
            let first = self.starts[bucket];
            self.swap(place, first);
            place = first;
            self.starts[bucket] = first + 1;
        }
    }

    fn swap(&mut self, one: u32, other: u32) {
        let (a, b) = (self.order[one as usize], self.order[other as usize]);
        self.order.swap(one as usize, other as usize);
        (self.places[a as usize], self.places[b as usize]) = (other, one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rarity: &Rarity) {
        let ranks: Vec<usize> = rarity.order.iter().map(|piece| rarity.rank(*piece)).collect();
        assert!(ranks.is_sorted(), "{ranks:?}");
        for (bucket, start) in rarity.starts[..BUCKETS].iter().enumerate() {
            let end = rarity.starts[bucket + 1];
            assert!(ranks[*start as usize..end as usize].iter().all(|rank| *rank == bucket));
        }
        assert_eq!(rarity.starts[BUCKETS] as usize, rarity.order.len());
        for (place, piece) in rarity.order.iter().enumerate() {
            assert_eq!(rarity.places[*piece as usize] as usize, place);
        }
    }

    #[test]
    fn the_order_holds_whatever_happens() {
        let mut random = Random::new(7);
        let mut rarity = Rarity::new(50, &mut random);
        check(&rarity);
        for step in 0..20_000 {
            let (piece, before) = (random.below(52), rarity.order.len());
            match random.below(9) {
                0..=2 => rarity.gained(piece),
                3..=4 => rarity.lost(piece),
                5 => rarity.set_priority(piece, random.below(9) as u8),
                6 => assert_eq!(rarity.take(piece), rarity.order.len() < before),
                _ => rarity.put(piece),
            }
            if step % 10 == 0 {
                check(&rarity);
            }
        }
        // Availability beyond what matters is counted all the same.
        for _ in 0..100 {
            rarity.gained(3);
        }
        let before = rarity.available(3);
        (0..100).for_each(|_| rarity.lost(3));
        assert_eq!(rarity.available(3), before - 100);
        check(&rarity);
    }

    #[test]
    fn what_is_rare_and_what_is_wanted_most_comes_first() {
        let mut rarity = Rarity::new(4, &mut Random::new(1));
        for piece in [0, 0, 1, 2, 2, 2] {
            rarity.gained(piece);
        }
        assert_eq!(rarity.pieces(), [3, 1, 0, 2]);
        rarity.set_priority(2, 5);
        rarity.set_priority(3, 1);
        assert_eq!(rarity.pieces(), [2, 1, 0, 3]);
        rarity.set_priority(2, 0);
        assert_eq!(rarity.pieces(), [1, 0, 3]);
        assert!(!rarity.take(2) && rarity.take(0));
        rarity.set_priority(0, 7);
        assert_eq!(rarity.pieces(), [1, 3], "what was taken out stays out");
        rarity.put(0);
        rarity.put(2);
        assert_eq!(rarity.pieces(), [0, 1, 3], "what is not wanted is not put");
    }

    #[test]
    fn seeds_of_chance_give_other_orders() {
        let order = |seed| Rarity::new(100, &mut Random::new(seed)).pieces().to_vec();
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
