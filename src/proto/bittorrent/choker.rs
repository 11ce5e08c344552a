//! To whom blocks are sent: as in BEP 3 ("choking and optimistic unchoking"), to those who send most to us, and to one more by chance; a seed gives everybody a turn.
//!
//! Rounds are ten seconds apart, but for the first ones, after one second, two, and four: who is new need not wait. A slot that is free is given at once. A seed's turns are
//! by bytes, not by rates, which a peer could feign (Adamsky et al., "Stealing bandwidth from BitTorrent seeders", 2014).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::picker::PeerKey;
use super::random::Random;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(10);

/// Until the first round; the next ones each take twice as long.
const FIRST: Duration = Duration::from_secs(1);

/// How long somebody is unchoked by chance, so that it can show what it gives in turn.
const OPTIMISTIC: Duration = Duration::from_secs(30);

/// Who came less than that ago is three times as likely to be unchoked by chance (BEP 3).
const NEW: Duration = Duration::from_secs(60);

/// What a seed gives to a peer before others have their turn, unless it takes less than that in [`TURN`].
const QUOTA: u64 = 16 << 20;

/// The longest turn.
const TURN: Duration = Duration::from_secs(60);

/// Slots by default.
pub const SLOTS: usize = 8;

/// A peer that may be unchoked.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Who it is.
    pub peer: PeerKey,
    /// Whether it wants something of us.
    pub interested: bool,
    /// Bytes a second that it sends to us.
    pub gives: f64,
    /// All bytes that were sent to it.
    pub sent: u64,
    /// Whether it has been asked and has sent nothing for long (BEP 3, "anti-snubbing").
    pub snubs: bool,
    /// When it came.
    pub since: Instant,
}

/// What is told to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its requests are answered from now on.
    Unchoke(PeerKey),
    /// They are not any more.
    Choke(PeerKey),
}

/// Somebody who is unchoked.
#[derive(Clone, Copy, Debug)]
struct Unchoked {
    since: Instant,
    /// What it had got by then.
    sent: u64,
}

/// Who is unchoked.
#[derive(Debug)]
pub struct Choker {
    slots: usize,
    unchoked: BTreeMap<PeerKey, Unchoked>,
    /// Who is unchoked by chance, and until when.
    optimistic: Option<(PeerKey, Instant)>,
    /// When somebody was choked last: who waits longest is next.
    choked: BTreeMap<PeerKey, Instant>,
    next: Instant,
    /// Until the round after that.
    pace: Duration,
    random: Random,
}

impl Choker {
    /// One with so many slots, at least two. `seed` decides what chance decides.
    #[must_use]
    pub fn new(slots: usize, now: Instant, seed: u64) -> Self {
        Self {
            slots: slots.max(2),
            unchoked: BTreeMap::new(),
            optimistic: None,
            choked: BTreeMap::new(),
            next: now + FIRST,
            pace: FIRST,
            random: Random::new(seed),
        }
    }

    /// Has so many slots from now on.
    pub fn set_slots(&mut self, slots: usize) {
        self.slots = slots.max(2);
    }

    /// When the next round is.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Whether a peer is unchoked.
    #[must_use]
    pub fn is_unchoked(&self, peer: PeerKey) -> bool {
        self.unchoked.contains_key(&peer)
    }

    /// A peer has left.
    pub fn left(&mut self, peer: PeerKey) {
        self.unchoked.remove(&peer);
        self.choked.remove(&peer);
        self.optimistic.take_if(|(optimistic, _)| *optimistic == peer);
    }

    /// A peer wants something: it is unchoked if there is a slot for it, without waiting for a round.
    pub fn interested(&mut self, candidate: &Candidate, now: Instant) -> Option<Verdict> {
        let is_free = self.unchoked.len() < self.slots;
        (is_free && candidate.interested && !candidate.snubs && !self.is_unchoked(candidate.peer)).then(
            || {
                self.unchoke(candidate, now);
                Verdict::Unchoke(candidate.peer)
            },
        )
    }

    /// A peer wants nothing any more, and gives its slot back: whether it had one, and who waits for it, by chance.
    pub fn satisfied(&mut self, peer: PeerKey, now: Instant, candidates: &[Candidate]) -> Vec<Verdict> {
        if self.unchoked.remove(&peer).is_none() {
            return Vec::new();
        }
        self.choked.insert(peer, now);
        let waits = |candidate: &&Candidate| {
            candidate.interested && !candidate.snubs && !self.unchoked.contains_key(&candidate.peer)
        };
        let waiting: Vec<&Candidate> = candidates.iter().filter(waits).collect();
        let drawn = self.random.below(waiting.len() as u32) as usize;
        let mut verdicts = vec![Verdict::Choke(peer)];
        if let Some(next) = waiting.get(drawn).filter(|_| self.unchoked.len() < self.slots) {
            self.unchoke(next, now);
            verdicts.push(Verdict::Unchoke(next.peer));
        }
        verdicts
    }

    fn unchoke(&mut self, candidate: &Candidate, now: Instant) {
        self.unchoked.insert(candidate.peer, Unchoked { since: now, sent: candidate.sent });
    }

    /// A round, if it is time for one: who is unchoked and who is choked from now on.
    pub fn round(&mut self, now: Instant, seeding: bool, candidates: &[Candidate]) -> Vec<Verdict> {
        if now < self.next {
            return Vec::new();
        }
        self.pace = (self.pace * 2).min(ROUND);
        self.next = now + self.pace;
        let wants: Vec<Candidate> =
            candidates.iter().copied().filter(|candidate| candidate.interested).collect();
        let chosen = if seeding { self.turns(now, wants) } else { self.tit_for_tat(now, wants) };
        let gone: Vec<PeerKey> = self
            .unchoked
            .keys()
            .copied()
            .filter(|peer| chosen.iter().all(|chosen| chosen.peer != *peer))
            .collect();
        let mut verdicts = Vec::new();
        for peer in gone {
            self.unchoked.remove(&peer);
            self.choked.insert(peer, now);
            verdicts.push(Verdict::Choke(peer));
        }
        for candidate in chosen {
            if !self.is_unchoked(candidate.peer) {
                self.unchoke(&candidate, now);
                verdicts.push(Verdict::Unchoke(candidate.peer));
            }
        }
        verdicts
    }

    /// Those who give most, and one by chance.
    fn tit_for_tat(&mut self, now: Instant, mut wants: Vec<Candidate>) -> Vec<Candidate> {
        let optimistic = self.by_chance(now, &wants);
        // Of those who give alike, nobody is always the first.
        wants.sort_by_cached_key(|candidate| {
            (candidate.snubs, std::cmp::Reverse(order(candidate.gives)), self.random.next())
        });
        let mut chosen: Vec<Candidate> = optimistic.into_iter().collect();
        let others =
            wants.into_iter().filter(|candidate| Some(candidate.peer) != optimistic.map(|lucky| lucky.peer));
        let room = self.slots - chosen.len();
        chosen.extend(others.filter(|candidate| !candidate.snubs).take(room));
        chosen
    }

    /// Who is unchoked by chance: the same one until its time is over.
    fn by_chance(&mut self, now: Instant, wants: &[Candidate]) -> Option<Candidate> {
        if let Some((peer, _)) = self.optimistic.filter(|(_, until)| now < *until)
            && let Some(lucky) = wants.iter().find(|candidate| candidate.peer == peer)
        {
            return Some(*lucky);
        }
        let is_choked = |candidate: &&Candidate| !self.is_unchoked(candidate.peer);
        let weight =
            |candidate: &Candidate| if now.saturating_duration_since(candidate.since) < NEW { 3 } else { 1 };
        let choked: Vec<&Candidate> = wants.iter().filter(is_choked).collect();
        let all: u32 = choked.iter().map(|candidate| weight(candidate)).sum();
        let mut drawn = self.random.below(all);
        let lucky = choked.into_iter().find(|candidate| {
            let own = weight(candidate);
            let found = drawn < own;
            drawn = drawn.wrapping_sub(own);
            found
        });
        self.optimistic = lucky.map(|lucky| (lucky.peer, now + OPTIMISTIC));
        lucky.copied()
    }

    /// Those whose turn is not over; then those who have waited longest.
    fn turns(&mut self, now: Instant, mut wants: Vec<Candidate>) -> Vec<Candidate> {
        self.optimistic = None;
        wants.sort_by_cached_key(|candidate| {
            let turn = self.unchoked.get(&candidate.peer).filter(|turn| {
                let got = candidate.sent.saturating_sub(turn.sent);
                got < QUOTA && now.saturating_duration_since(turn.since) < TURN
            });
            let waits = match (self.unchoked.contains_key(&candidate.peer), self.choked.get(&candidate.peer))
            {
                // Whose turn is over comes behind all who wait.
                (true, _) => (1, now),
                (false, Some(since)) => (0, *since),
                (false, None) => (0, candidate.since),
            };
            (turn.is_none(), waits, self.random.next())
        });
        wants.truncate(self.slots);
        wants
    }
}

/// A rate as a number that can be ordered.
fn order(rate: f64) -> u64 {
    // Rates are neither negative nor beyond what 64 bits hold.
    rate.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(number: u32, gives: f64, since: Instant) -> Candidate {
        Candidate { peer: PeerKey(number), interested: true, gives, sent: 0, snubs: false, since }
    }

    fn unchoked(choker: &Choker) -> Vec<u32> {
        choker.unchoked.keys().map(|peer| peer.0).collect()
    }

    #[test]
    fn those_who_give_most_and_one_by_chance() {
        let begun = Instant::now();
        let mut choker = Choker::new(4, begun, 1);
        let mut peers: Vec<_> = (1..=10).map(|number| candidate(number, f64::from(number), begun)).collect();
        assert_eq!(choker.round(begun, false, &peers), [], "it is not time yet");
        let mut now = begun + FIRST;
        choker.round(now, false, &peers);
        assert_eq!(unchoked(&choker).len(), 4);
        let mut lucky = std::collections::BTreeSet::new();
        for _ in 0..300 {
            now = choker.next();
            choker.round(now, false, &peers);
            let (optimistic, _) = choker.optimistic.unwrap();
            lucky.insert(optimistic.0);
            let best = (1..=10).rev().filter(|number| *number != optimistic.0).take(3);
            let mut expected: Vec<u32> = best.chain([optimistic.0]).collect();
            expected.sort_unstable();
            assert_eq!(unchoked(&choker), expected);
        }
        assert!(lucky.len() >= 7, "everybody has a chance: {lucky:?}");
        // Who snubs us has no slot but by chance, and who wants nothing has none at all.
        peers[9].snubs = true;
        peers[8].interested = false;
        choker.optimistic = Some((PeerKey(1), now + ROUND * 10));
        choker.round(choker.next(), false, &peers);
        assert_eq!(unchoked(&choker), [1, 6, 7, 8]);
    }

    #[test]
    fn who_is_lucky_stays_for_three_rounds() {
        let begun = Instant::now();
        let mut choker = Choker::new(2, begun, 5);
        let peers: Vec<_> = (1..=30).map(|number| candidate(number, 0.0, begun)).collect();
        let mut changes = Vec::new();
        let mut before = None;
        // The first rounds are shorter.
        (0..4).for_each(|_| drop(choker.round(choker.next(), false, &peers)));
        choker.optimistic = None;
        for round in 0..30 {
            choker.round(choker.next(), false, &peers);
            let now = choker.optimistic.map(|(peer, _)| peer);
            if now != before {
                changes.push(round);
                before = now;
            }
        }
        assert_eq!(changes, (0..30).step_by(3).collect::<Vec<_>>());
    }

    #[test]
    fn who_is_new_has_better_chances() {
        let begun = Instant::now();
        let now = begun + NEW * 2;
        let mut peers: Vec<_> = (1..=10).map(|number| candidate(number, 0.0, begun)).collect();
        peers[0].since = now;
        let drawn = |seed| Choker::new(2, begun, seed).by_chance(now, &peers).unwrap().peer;
        let new = (0..1200).filter(|seed| drawn(*seed) == PeerKey(1)).count();
        assert!((240..360).contains(&new), "three of twelve: {new} of 1200");
    }

    #[test]
    fn a_slot_that_is_free_is_given_at_once() {
        let begun = Instant::now();
        let mut choker = Choker::new(2, begun, 1);
        let give = |choker: &mut Choker, number| choker.interested(&candidate(number, 0.0, begun), begun);
        assert_eq!(give(&mut choker, 1), Some(Verdict::Unchoke(PeerKey(1))));
        assert_eq!(give(&mut choker, 1), None, "once");
        assert!(give(&mut choker, 2).is_some() && give(&mut choker, 3).is_none());
        choker.left(PeerKey(1));
        assert!(give(&mut choker, 3).is_some());
        // Who wants nothing any more makes room for one who waits.
        let waiting = [4, 5].map(|number| candidate(number, 0.0, begun));
        let verdicts = choker.satisfied(PeerKey(2), begun, &waiting);
        assert_eq!(verdicts[0], Verdict::Choke(PeerKey(2)));
        assert!(matches!(verdicts[1], Verdict::Unchoke(PeerKey(4 | 5))), "{verdicts:?}");
        assert_eq!(choker.satisfied(PeerKey(2), begun, &waiting), [], "once");
    }

    #[test]
    fn a_seed_gives_everybody_a_turn() {
        let begun = Instant::now();
        let mut choker = Choker::new(3, begun, 1);
        let mut peers: Vec<_> = (1..=9).map(|number| candidate(number, 0.0, begun)).collect();
        let mut turns = vec![0; 9];
        for _ in 0..60 {
            choker.round(choker.next(), true, &peers);
            let now = unchoked(&choker);
            assert_eq!(now.len(), 3);
            for peer in now {
                turns[peer as usize - 1] += 1;
                // The first one is fast, and has its quota in a round.
                peers[peer as usize - 1].sent += if peer == 1 { QUOTA } else { QUOTA / 100 };
            }
        }
        assert!(
            turns[0] < turns[1..].iter().min().copied().unwrap(),
            "who is fast has short turns: {turns:?}"
        );
        assert!(turns[1..].iter().all(|rounds| (12..=30).contains(rounds)), "{turns:?}");
    }

    #[test]
    fn what_is_told_is_what_changes() {
        let begun = Instant::now();
        let mut choker = Choker::new(2, begun, 3);
        let peers: Vec<_> = (1..=6).map(|number| candidate(number, f64::from(number), begun)).collect();
        let mut told = std::collections::BTreeSet::new();
        for round in 0..100u32 {
            let mut peers = peers.clone();
            peers.rotate_left(round as usize % 6);
            for (peer, number) in peers.iter_mut().zip(0..) {
                peer.gives = f64::from(number);
            }
            for verdict in choker.round(choker.next(), round.is_multiple_of(7), &peers) {
                let fits = match verdict {
                    Verdict::Unchoke(peer) => told.insert(peer),
                    Verdict::Choke(peer) => told.remove(&peer),
                };
                assert!(fits, "{verdict:?} says nothing new");
            }
            assert!(told.iter().copied().eq(choker.unchoked.keys().copied()));
        }
    }
}
