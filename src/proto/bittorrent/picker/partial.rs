//! A piece that has begun to come: who was asked for each of its blocks, and who sent it.

use super::PeerKey;

/// Peers that are asked for the same block at most, when there is nothing else to ask for.
pub(super) const TWICE: usize = 2;

/// A block of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// Nobody was asked.
    Free,
    /// These were.
    Asked([Option<PeerKey>; TWICE]),
    /// It came from this one.
    Come(PeerKey),
}

/// A piece.
#[derive(Clone, Debug)]
pub(super) struct Partial {
    slots: Vec<Slot>,
    /// Slots of each kind.
    free: u32,
    come: u32,
    /// Who fetches it alone: a peer that is fast enough to have it soon, or the one that has to send all of a piece that was wrong.
    pub(super) owner: Option<PeerKey>,
    /// Whether all of it has to come from one peer.
    pub(super) alone: bool,
    /// The only one that was asked so far; nobody, if there were others.
    first: Option<PeerKey>,
}

/// What becomes of a block that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// It was asked for and is new. The other one that was asked need not send it.
    Wanted(Option<PeerKey>),
    /// It has come already.
    Again,
    /// Nobody had asked this peer for it.
    Unasked,
}

impl Partial {
    pub(super) fn new(blocks: u32) -> Self {
        let slots = vec![Slot::Free; blocks as usize];
        Self { slots, free: blocks, come: 0, owner: None, alone: false, first: None }
    }

    /// Forgets what has come: all of it has to come again, from one peer.
    pub(super) fn begin_again(&mut self) {
        *self = Self { alone: true, ..Self::new(self.slots.len() as u32) };
    }

    /// Whether it is this peer's to fetch before anything else: its own, one that nobody else was asked for, or one that has to come from one peer, and has none yet.
    pub(super) fn is_for(&self, peer: PeerKey) -> bool {
        self.owner.map_or(self.alone || self.first == Some(peer), |owner| owner == peer)
    }

    pub(super) fn free(&self) -> u32 {
        self.free
    }

    /// Whether all of it is there.
    pub(super) fn is_whole(&self) -> bool {
        self.come as usize == self.slots.len()
    }

    /// Whether nobody was asked for any of it, and nothing has come.
    pub(super) fn is_untouched(&self) -> bool {
        self.free as usize == self.slots.len()
    }

    /// Asks a peer for a block that is free, the first one; its number.
    pub(super) fn ask(&mut self, peer: PeerKey) -> Option<u32> {
        let is_first = self.is_untouched();
        let (slot, number) = self.slots.iter_mut().zip(0..).find(|(slot, _)| **slot == Slot::Free)?;
        self.first = if is_first { Some(peer) } else { self.first.filter(|first| *first == peer) };
        *slot = Slot::Asked([Some(peer), None]);
        self.free -= 1;
        Some(number)
    }

    /// Asks a peer for a block that others were asked for and have not sent; its number. Those behind `from` are looked at.
    pub(super) fn ask_again(&mut self, peer: PeerKey, from: u32) -> Option<u32> {
        let behind = self.slots.iter_mut().zip(0..).skip(from as usize);
        for (slot, number) in behind {
            if let Slot::Asked(peers) = slot
                && !peers.contains(&Some(peer))
                && let Some(place) = peers.iter_mut().find(|asked| asked.is_none())
            {
                *place = Some(peer);
                return Some(number);
            }
        }
        None
    }

    /// A block has come.
    pub(super) fn came(&mut self, block: u32, peer: PeerKey) -> Came {
        let Some(slot) = self.slots.get_mut(block as usize) else { return Came::Unasked };
        match *slot {
            Slot::Asked(peers) if peers.contains(&Some(peer)) => {
                *slot = Slot::Come(peer);
                self.come += 1;
                Came::Wanted(peers.into_iter().flatten().find(|other| *other != peer))
            }
            Slot::Come(_) => Came::Again,
            Slot::Free | Slot::Asked(_) => Came::Unasked,
        }
    }

    /// A peer will not send a block; whether it was asked for it.
    pub(super) fn lost(&mut self, block: u32, peer: PeerKey) -> bool {
        let Some(slot @ Slot::Asked(_)) = self.slots.get_mut(block as usize) else { return false };
        let Slot::Asked(peers) = slot else { return false };
        let Some(place) = peers.iter_mut().find(|asked| **asked == Some(peer)) else { return false };
        *place = None;
        if peers.iter().all(Option::is_none) {
            *slot = Slot::Free;
            self.free += 1;
        }
        true
    }

    /// Who sent each block.
    pub(super) fn senders(&self) -> Vec<Option<PeerKey>> {
        let sender = |slot: &Slot| match slot {
            Slot::Come(peer) => Some(*peer),
            _ => None,
        };
        self.slots.iter().map(sender).collect()
    }

    /// Takes a block for one that is there, from before.
    pub(super) fn is_there(&mut self, block: u32, from: PeerKey) {
        if let Some(slot @ Slot::Free) = self.slots.get_mut(block as usize) {
            *slot = Slot::Come(from);
            self.free -= 1;
            self.come += 1;
        }
    }
}
