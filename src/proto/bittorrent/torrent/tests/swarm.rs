//! Whole swarms in virtual time: nodes with links of limited rates, everybody connected with everybody.
//!
//! A link sends one block after the other, to whoever has waited longest. Words take no room on it. What is measured is how long
//! the last one takes, as a multiple of the bound that no protocol can beat: `max(F/u_s, N F/(u_s + sum u_i))` (Kumar and Ross, 2006).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::*;
use super::info;
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::random::Random;

/// A swarm.
#[derive(Clone, Debug)]
struct Swarm {
    leechers: u32,
    pieces: u32,
    /// Blocks of a piece.
    blocks: u32,
    /// Bytes a second of every link.
    up: f64,
    latency: Duration,
    seed: u64,
    super_seeding: bool,
    /// Leechers that send wrong bytes.
    liars: u32,
    /// Leechers that send nothing.
    free_riders: u32,
    /// The seed leaves when it has sent so often the torrent.
    seed_leaves: Option<f64>,
    /// Every so often somebody who has everything, or a part, leaves, and somebody new comes, so many times.
    churn: u32,
}

impl Default for Swarm {
    fn default() -> Self {
        Self {
            leechers: 20,
            pieces: 128,
            blocks: 16,
            up: 1e6,
            latency: Duration::from_millis(10),
            seed: 1,
            super_seeding: true,
            liars: 0,
            free_riders: 0,
            seed_leaves: None,
            churn: 0,
        }
    }
}

/// How it went.
#[derive(Debug)]
struct Outcome {
    /// How long each leecher took that was there from the beginning, in multiples of the bound.
    times: Vec<f64>,
    /// What the seed sent, in multiples of the torrent.
    seed_sent: f64,
    /// The nodes that were banned by somebody, and the most blocks of one liar that anybody took.
    banned: Vec<usize>,
}

impl Outcome {
    fn last(&self) -> f64 {
        self.times.iter().copied().fold(0.0, f64::max)
    }
}

enum Happening {
    /// A word arrives at a node, from another.
    Word(usize, usize, Message),
    /// A link is free.
    Free(usize),
    /// A node looks at the clock.
    Look(usize),
    /// Somebody leaves, and somebody comes.
    Churn,
}

struct Node {
    torrent: Torrent,
    /// The others by their keys, and the keys of the others.
    names: BTreeMap<PeerKey, usize>,
    keys: BTreeMap<usize, PeerKey>,
    busy: bool,
    sends: bool,
    lies: bool,
    sent: u64,
    done: Option<Instant>,
    looks_at: Option<Instant>,
}

struct World {
    swarm: Swarm,
    now: Instant,
    begun: Instant,
    nodes: Vec<Option<Node>>,
    queue: BinaryHeap<Reverse<(Instant, usize)>>,
    happenings: BTreeMap<usize, Happening>,
    number: usize,
    /// When the last word of a node arrives at another.
    arrivals: BTreeMap<(usize, usize), Instant>,
    banned: Vec<usize>,
    random: Random,
    /// Which blocks of each piece each node has from a liar.
    tainted: BTreeMap<(usize, u32), Vec<u32>>,
    /// How long it took of those who have left.
    seed_sent: u64,
}

impl World {
    fn of(swarm: Swarm) -> Self {
        let begun = Instant::now();
        let mut world = Self {
            now: begun,
            begun,
            nodes: Vec::new(),
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            number: 0,
            arrivals: BTreeMap::new(),
            banned: Vec::new(),
            random: Random::new(swarm.seed),
            tainted: BTreeMap::new(),
            seed_sent: 0,
            swarm,
        };
        for number in 0..=world.swarm.leechers {
            world.add(number == 0);
        }
        for _ in 0..world.swarm.churn {
            let at = Duration::from_secs_f64(world.bound() * f64::from(world.random.below(1000)) / 1000.0);
            world.later(at, Happening::Churn);
        }
        world
    }

    /// Seconds that everybody takes at least.
    fn bound(&self) -> f64 {
        let Swarm { leechers, pieces, blocks, up, free_riders, .. } = self.swarm;
        let size = f64::from(pieces) * f64::from(blocks) * f64::from(BLOCK);
        let senders = f64::from(leechers - free_riders) + 1.0;
        (size / up).max(f64::from(leechers) * size / (senders * up))
    }

    fn later(&mut self, after: Duration, happening: Happening) {
        self.number += 1;
        // Of one moment in their order, as words of a connection come.
        self.queue.push(Reverse((self.now + after, self.number)));
        self.happenings.insert(self.number, happening);
    }

    /// Lets a word arrive after its time on the way, which is never the same; but those of a connection in their order.
    fn word(&mut self, after: Duration, from: usize, to: usize, message: Message) {
        let way = self.swarm.latency.mul_f64(0.5 + f64::from(self.random.below(1000)) / 1000.0);
        let last = self.arrivals.get(&(from, to)).copied().unwrap_or(self.now);
        let at = (self.now + after + way).max(last);
        self.arrivals.insert((from, to), at);
        self.later(at - self.now, Happening::Word(to, from, message));
    }

    fn add(&mut self, is_seed: bool) {
        let swarm = &self.swarm;
        let have = if is_seed { Bitfield::all(swarm.pieces) } else { Bitfield::none(swarm.pieces) };
        let settings = Settings { super_seeding: swarm.super_seeding, ..Settings::default() };
        let number = self.nodes.len();
        let position = number as u32;
        let torrent =
            Torrent::new(info(swarm.pieces, swarm.blocks), have, settings, self.now, self.random.next());
        let node = Node {
            torrent,
            names: BTreeMap::new(),
            keys: BTreeMap::new(),
            busy: false,
            sends: is_seed || position > swarm.free_riders,
            lies: !is_seed && position + swarm.liars > swarm.leechers && position <= swarm.leechers,
            sent: 0,
            done: is_seed.then_some(self.now),
            looks_at: None,
        };
        self.nodes.push(Some(node));
        for other in 0..number {
            self.connect(number, other);
        }
        self.settle(number);
        (0..number).for_each(|other| self.settle(other));
    }

    fn connect(&mut self, one: usize, other: usize) {
        if self.nodes[other].is_none() {
            return;
        }
        for (here, there) in [(one, other), (other, one)] {
            let addr = SocketAddr::from(([10, 0, (there / 250) as u8, (there % 250) as u8], 6881));
            let now = self.now;
            let Some(node) = &mut self.nodes[here] else { return };
            let key = node
                .torrent
                .join(now, Newcomer { addr, fast: true, impatient: false, greeted: false, runs: false });
            node.names.insert(key, there);
            node.keys.insert(there, key);
        }
    }

    fn part(&mut self, one: usize, other: usize) {
        for (here, there) in [(one, other), (other, one)] {
            let Some(node) = &mut self.nodes[here] else { continue };
            if let Some(key) = node.keys.remove(&there) {
                node.names.remove(&key);
                node.torrent.leave(key);
            }
        }
    }

    fn leave(&mut self, number: usize) {
        let others: Vec<usize> = match &self.nodes[number] {
            Some(node) => node.keys.keys().copied().collect(),
            None => return,
        };
        others.into_iter().for_each(|other| self.part(number, other));
        self.nodes[number] = None;
    }

    /// Carries out what a node wants done, and lets it look at the clock when it wants to.
    fn settle(&mut self, number: usize) {
        let now = self.now;
        let Some(node) = &mut self.nodes[number] else { return };
        let mut words = Vec::new();
        for key in node.torrent.woken() {
            let Some(there) = node.names.get(&key).copied() else { continue };
            while let Some(Todo::Say(message)) = node.torrent.next(now, key, false) {
                words.push((there, message));
            }
        }
        let events: Vec<Event> = std::iter::from_fn(|| node.torrent.event()).collect();
        // Never in the same moment again, however soon it wants to.
        let looks = node.torrent.deadline().map(|at| at.max(now + Duration::from_millis(1)));
        let looks = looks.filter(|looks| node.looks_at.is_none_or(|at| at > *looks || at <= now));
        node.looks_at = looks.or(node.looks_at);
        let free = node.sends && !node.busy;
        for (there, message) in words {
            self.word(Duration::ZERO, number, there, message);
        }
        if let Some(looks) = looks {
            self.later(looks - now, Happening::Look(number));
        }
        if free {
            self.send(number);
        }
        for event in events {
            match event {
                Event::Leave(key, _) => {
                    let other = self.nodes[number].as_ref().and_then(|node| node.names.get(&key).copied());
                    if let Some(other) = other {
                        self.part(number, other);
                    }
                }
                Event::Banned { ip: IpAddr::V4(ip), .. } => {
                    let [_, _, high, low] = ip.octets();
                    self.banned.push(usize::from(high) * 250 + usize::from(low));
                }
                Event::Finished => {
                    if let Some(node) = &mut self.nodes[number] {
                        node.done = Some(now);
                    }
                }
                _ => {}
            }
        }
    }

    /// Sends the next block of a node, to the next one who wants any.
    fn send(&mut self, number: usize) {
        let now = self.now;
        let Some(node) = &mut self.nodes[number] else { return };
        let (mut words, mut found) = (Vec::new(), None);
        if let Some(key) = node.torrent.first_in_line(|_| true)
            && let Some(there) = node.names.get(&key).copied()
        {
            while let Some(todo) = node.torrent.next(now, key, true) {
                match todo {
                    Todo::Say(message) => words.push((there, message)),
                    Todo::Send(block) => {
                        node.torrent.sent(now, key, block);
                        node.sent += u64::from(block.length);
                        found = Some((there, block));
                        break;
                    }
                }
            }
        }
        node.busy = found.is_some();
        for (there, message) in words {
            self.word(Duration::ZERO, number, there, message);
        }
        let Some((there, block)) = found else { return };
        let takes = Duration::from_secs_f64(f64::from(block.length) / self.swarm.up);
        let data = Bytes::from_static(&[0; BLOCK as usize]).slice(..block.length as usize);
        let message = Message::Piece { piece: block.piece, begin: block.begin, data };
        self.word(takes, number, there, message);
        self.later(takes, Happening::Free(number));
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Word(here, there, message) => self.hears(here, there, message),
            Happening::Free(number) => {
                let leaves = self.swarm.seed_leaves.filter(|_| number == 0);
                let size = u64::from(self.swarm.pieces) * u64::from(self.swarm.blocks) * u64::from(BLOCK);
                let Some(node) = &mut self.nodes[number] else { return };
                node.busy = false;
                if number == 0 {
                    self.seed_sent = node.sent;
                }
                if leaves.is_some_and(|often| node.sent as f64 >= often * size as f64) {
                    self.leave(number);
                } else {
                    self.send(number);
                }
            }
            Happening::Look(number) => {
                let now = self.now;
                let Some(node) = &mut self.nodes[number] else { return };
                node.torrent.poll(now);
                self.settle(number);
            }
            Happening::Churn => {
                let number = 1 + self.random.below(self.swarm.leechers) as usize;
                self.leave(number);
                self.add(false);
            }
        }
    }

    fn hears(&mut self, here: usize, there: usize, message: Message) {
        let now = self.now;
        let lies = self.nodes[there].as_ref().is_some_and(|node| node.lies);
        let Some(node) = &mut self.nodes[here] else { return };
        let Some(key) = node.keys.get(&there).copied() else { return };
        let heard = node
            .torrent
            .heard(now, key, message)
            .unwrap_or_else(|error| panic!("{here} of {there}: {error}"));
        if let Heard::Block { piece, begin, whole, .. } = heard {
            let tainted = self.tainted.entry((here, piece)).or_default();
            tainted.retain(|other| *other != begin);
            if lies {
                tainted.push(begin);
            }
            if whole {
                let blocks = (0..self.swarm.blocks).map(|number| match tainted.contains(&(number * BLOCK)) {
                    true => Sha1::of(b"lie"),
                    false => Sha1::of(b"truth"),
                });
                let checked = Checked { right: tainted.is_empty(), blocks: blocks.collect() };
                node.torrent.checked(piece, &checked);
                self.tainted.remove(&(here, piece));
            }
        }
        self.settle(here);
    }

    fn run(mut self) -> Outcome {
        let limit = self.begun + Duration::from_secs_f64(self.bound() * 20.0);
        let is_done = |world: &Self| {
            let leechers = world.nodes.iter().flatten();
            leechers.filter(|node| !node.lies).all(|node| node.done.is_some())
        };
        let mut steps = 0u64;
        while !is_done(&self) {
            let Some(Reverse((at, number))) = self.queue.pop() else { break };
            assert!(at < limit, "it takes too long");
            self.now = at;
            if let Some(happening) = self.happenings.remove(&number) {
                self.happens(happening);
            }
            steps += 1;
        }
        assert!(steps > 0);
        let bound = self.bound();
        let originals = self.nodes.iter().skip(1).take(self.swarm.leechers as usize).flatten();
        let times = originals.filter(|node| !node.lies).filter_map(|node| node.done);
        let times = times.map(|done| (done - self.begun).as_secs_f64() / bound).collect();
        let size = f64::from(self.swarm.pieces) * f64::from(self.swarm.blocks) * f64::from(BLOCK);
        self.banned.sort_unstable();
        self.banned.dedup();
        Outcome { times, seed_sent: self.seed_sent as f64 / size, banned: self.banned }
    }
}

fn run(swarm: Swarm) -> Outcome {
    World::of(swarm).run()
}

#[test]
fn a_crowd_has_everything_in_little_more_time_than_it_takes_at_least() {
    for (leechers, seed, most) in [(20, 1, 1.1), (20, 2, 1.1), (50, 1, 1.15), (100, 1, 1.2)] {
        let outcome = run(Swarm { leechers, seed, ..Swarm::default() });
        assert_eq!(outcome.times.len(), leechers as usize);
        assert!(outcome.last() <= most, "{leechers} {seed}: {outcome:?}");
        assert!(outcome.seed_sent <= 1.2, "{outcome:?}");
        assert!(outcome.banned.is_empty(), "{outcome:?}");
    }
}

#[test]
fn one_who_has_all_gives_to_one_as_fast_as_the_line_is() {
    let outcome = run(Swarm { leechers: 1, ..Swarm::default() });
    assert!(outcome.last() <= 1.05, "{outcome:?}");
}

#[test]
fn without_pieces_of_its_own_for_everybody_a_seed_sends_more() {
    let outcome = run(Swarm { super_seeding: false, ..Swarm::default() });
    assert!(outcome.last() <= 1.6, "{outcome:?}");
}

#[test]
fn who_lies_is_banned_and_nobody_else() {
    for seed in 1..3 {
        let outcome = run(Swarm { liars: 2, pieces: 64, seed, ..Swarm::default() });
        assert_eq!(outcome.banned, [19, 20], "{seed}");
        assert_eq!(outcome.times.len(), 18);
        assert!(outcome.last() <= 1.6, "{outcome:?}");
    }
}

#[test]
fn who_gives_nothing_costs_the_others_little() {
    for seed in 1..3 {
        let outcome = run(Swarm { free_riders: 2, seed, ..Swarm::default() });
        let (riders, others) = outcome.times.split_at(2);
        let last = others.iter().copied().fold(0.0, f64::max);
        assert!(riders.len() == 2 && last <= 1.25, "{outcome:?}");
    }
}

#[test]
fn a_seed_that_leaves_when_everything_is_out_is_not_missed() {
    for seed in 1..3 {
        let outcome = run(Swarm { seed_leaves: Some(1.05), seed, ..Swarm::default() });
        assert_eq!(outcome.times.len(), 20, "{outcome:?}");
        assert!(outcome.last() <= 1.35, "{outcome:?}");
    }
}

#[test]
fn some_come_and_go() {
    for seed in 1..3 {
        let outcome = run(Swarm { churn: 6, seed, ..Swarm::default() });
        assert!((14..20).contains(&outcome.times.len()), "{outcome:?}");
        assert!(outcome.last() <= 1.5, "{outcome:?}");
    }
}
