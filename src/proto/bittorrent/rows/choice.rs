//! Who is asked for which part, and for how long.

use std::time::Instant;

use super::{ASKED, ASKERS, PATIENCE, Peer, REST, Rows, Todo};
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::wire::HashRange;

impl Rows {
    /// A peer has answered: the part that it was asked for, of which it owes nothing any more. `None` if it was not asked.
    pub(super) fn answered(&mut self, now: Instant, key: PeerKey, range: HashRange) -> Option<u32> {
        let peer = self.peers.get_mut(&key)?;
        let meant = |part: &u32| self.parts.range(*part) == Some(range);
        if let Some(at) = peer.asked.iter().position(meant) {
            let part = peer.asked.swap_remove(at);
            peer.since = now;
            self.release(part);
            return Some(part);
        }
        let at = peer.late.iter().position(meant)?;
        Some(peer.late.swap_remove(at))
    }

    /// One peer less is asked for a part: if it was the only one, nobody is.
    pub(super) fn release(&mut self, part: u32) {
        let Some(askers) = self.flight.get_mut(&part) else { return };
        *askers = askers.saturating_sub(1);
        if *askers == 0 {
            self.flight.remove(&part);
            self.open.set(part);
            self.first = self.first.min(part);
        }
    }

    /// There may be parts for those for whom there was none.
    pub(super) fn stir(&mut self) {
        self.peers.values_mut().for_each(|peer| peer.dry = false);
    }

    /// Peers that owe an answer for too long rest; those that have rested go on.
    pub(super) fn rest(&mut self, now: Instant) {
        let mut late = Vec::new();
        let mut go_on = false;
        for peer in self.peers.values_mut() {
            if peer.rests.take_if(|until| *until <= now).is_some() {
                go_on = true;
                peer.muted = false;
                for part in peer.refused.drain(..) {
                    peer.parts.set(part);
                }
            }
            if !peer.asked.is_empty() && peer.since + PATIENCE <= now {
                peer.late = std::mem::take(&mut peer.asked);
                peer.rests = Some(now + REST);
                peer.muted = true;
                late.extend(peer.late.iter().copied());
            }
        }
        if go_on || !late.is_empty() {
            late.into_iter().for_each(|part| self.release(part));
            self.stir();
        }
    }

    /// The next request: to who has the fewest.
    pub(super) fn ask(&mut self, now: Instant) -> Option<Todo> {
        let free = self.peers.iter().filter(|(_, peer)| !peer.muted && peer.asked.len() < ASKED);
        let mut free: Vec<(usize, PeerKey)> = free.map(|(key, peer)| (peer.asked.len(), *key)).collect();
        free.sort_unstable();
        for (_, key) in free {
            let Some(part) = self.choose(key) else { continue };
            let (Some(range), Some(peer)) = (self.parts.range(part), self.peers.get_mut(&key)) else {
                continue;
            };
            self.open.clear(part);
            *self.flight.entry(part).or_default() += 1;
            if peer.asked.is_empty() {
                peer.since = now;
            }
            peer.asked.push(part);
            return Some(Todo::Ask(key, range));
        }
        None
    }

    /// What to ask a peer for: a part that nobody is asked for; or else one that too few are.
    fn choose(&mut self, key: PeerKey) -> Option<u32> {
        let peer = self.peers.get(&key)?;
        if !peer.dry
            && let Some(part) = self.choose_open(key)
        {
            return Some(part);
        }
        let peer = self.peers.get_mut(&key)?;
        peer.dry = true;
        let may = |peer: &Peer, part: u32| peer.parts.has(part) && !peer.asked.contains(&part);
        let flight = self.flight.iter().filter(|(_, askers)| **askers < ASKERS);
        flight.map(|(part, _)| *part).find(|part| may(peer, *part))
    }

    /// The first of those that nobody is asked for.
    fn choose_open(&mut self, key: PeerKey) -> Option<u32> {
        let begin = self.first / 8;
        let open = self.open.as_bytes().get(begin as usize..).unwrap_or_default();
        let Some(skipped) = open.iter().position(|byte| *byte != 0) else {
            self.first = self.open.pieces();
            return None;
        };
        // Within the bitfield, whose bits are counted by 32 bits.
        let begin = begin + skipped as u32;
        self.first = self.first.max(begin * 8);
        let parts = self.peers.get(&key)?.parts.as_bytes();
        let both = open.iter().skip(skipped).zip(parts.iter().skip(begin as usize)).zip(begin..);
        let mut both = both.map(|((open, has), at)| (open & has, at));
        both.find(|(byte, _)| *byte != 0).map(|(byte, at)| at * 8 + byte.leading_zeros())
    }
}
