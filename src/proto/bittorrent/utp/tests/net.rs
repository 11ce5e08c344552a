//! A network in virtual time: hosts, and links that take time, queue, lose, reorder and repeat, by a seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::{Event, Handle, Limits, Transmit, Utp};

/// Bytes of IP and UDP around a datagram.
const AROUND: u64 = 28;

/// Splitmix64.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit.max(1)
    }
}

/// One direction of a link.
#[derive(Clone, Copy)]
pub(super) struct Link {
    pub(super) bits_per_second: u64,
    pub(super) delay: Duration,
    /// Bytes that wait at most.
    pub(super) queue: u64,
    /// Datagrams of a thousand that are lost, that come late, and that come twice.
    pub(super) loss: u64,
    pub(super) late: u64,
    pub(super) twice: u64,
    /// Datagrams that are larger do not pass.
    pub(super) mtu: usize,
}

impl Default for Link {
    /// 100 Mbit/s, 10 ms.
    fn default() -> Self {
        Self {
            bits_per_second: 100_000_000,
            delay: Duration::from_millis(10),
            queue: 1 << 20,
            loss: 0,
            late: 0,
            twice: 0,
            mtu: 1472,
        }
    }
}

/// A direction at work.
pub(super) struct Direction {
    pub(super) link: Link,
    free: Instant,
    pub(super) passed: u64,
    pub(super) dropped: u64,
    /// How long the last one waited.
    pub(super) waited: Duration,
}

impl Direction {
    pub(super) fn new(link: Link, now: Instant) -> Self {
        Self { link, free: now, passed: 0, dropped: 0, waited: Duration::ZERO }
    }

    /// When a datagram arrives that enters now.
    pub(super) fn enter(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let bytes = bytes as u64 + AROUND;
        let per_byte = 8e9 / self.link.bits_per_second as f64;
        let waiting = self.free.saturating_duration_since(now);
        if waiting.as_nanos() as f64 / per_byte + bytes as f64 > self.link.queue as f64 {
            self.dropped += 1;
            return None;
        }
        self.waited = waiting;
        self.passed += bytes;
        self.free = now.max(self.free) + Duration::from_nanos((bytes as f64 * per_byte) as u64);
        Some(self.free + self.link.delay)
    }
}

pub(super) struct Host {
    pub(super) addr: SocketAddr,
    pub(super) utp: Utp,
    pub(super) events: Vec<Event>,
    /// What was read of each connection.
    pub(super) got: BTreeMap<Handle, Vec<u8>>,
    /// What is still to be written.
    pub(super) todo: BTreeMap<Handle, Bytes>,
    /// Whether it reads.
    pub(super) reads: bool,
    /// Whether bytes are kept, or counted only.
    pub(super) keeps: bool,
    pub(super) read: u64,
}

impl Host {
    fn act(&mut self, now: Instant) {
        let handles: Vec<Handle> = self.todo.keys().copied().collect();
        for handle in handles {
            let todo = self.todo.get_mut(&handle).unwrap();
            self.utp.write(now, handle, todo);
            if todo.is_empty() {
                self.todo.remove(&handle);
            }
        }
        while let Some(event) = self.utp.poll_event() {
            if let Event::Readable(handle) = event {
                self.got.entry(handle).or_default();
            }
            self.events.push(event);
        }
        if self.reads {
            for (handle, got) in &mut self.got {
                while let Some(bytes) = self.utp.read(*handle) {
                    self.read += bytes.len() as u64;
                    if self.keeps {
                        got.extend_from_slice(&bytes);
                    }
                }
            }
        }
    }
}

/// A datagram: when it arrives, in which order, at whom and what.
type Flying = (Instant, u64, usize, Vec<u8>);

/// Two hosts and the link between them.
pub(super) struct Net {
    pub(super) now: Instant,
    pub(super) hosts: [Host; 2],
    /// From each of them.
    pub(super) ways: [Direction; 2],
    flying: BinaryHeap<Reverse<Flying>>,
    entered: u64,
    dice: Dice,
    buffer: Vec<u8>,
    /// Bytes that were not handed on because they were probes that are too large.
    pub(super) too_large: u64,
}

pub(super) fn addr(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 6881))
}

impl Net {
    pub(super) fn new(links: [Link; 2], limits: [Limits; 2], seed: u64) -> Self {
        let now = Instant::now();
        let host = |number: u8, limits| Host {
            addr: addr(number),
            utp: Utp::new(limits, now, seed.wrapping_mul(31).wrapping_add(number.into())),
            events: Vec::new(),
            got: BTreeMap::new(),
            todo: BTreeMap::new(),
            reads: true,
            keeps: true,
            read: 0,
        };
        Self {
            now,
            hosts: [host(0, limits[0]), host(1, limits[1])],
            ways: links.map(|link| Direction::new(link, now)),
            flying: BinaryHeap::new(),
            entered: 0,
            dice: Dice(seed),
            buffer: Vec::new(),
            too_large: 0,
        }
    }

    /// The first host connects to the second.
    pub(super) fn connect(&mut self) -> Handle {
        let to = self.hosts[1].addr;
        self.hosts[0].utp.connect(self.now, to).unwrap()
    }

    /// The connection that a host has accepted last.
    pub(super) fn accepted(&self, host: usize) -> Option<Handle> {
        self.hosts[host].events.iter().rev().find_map(|event| match event {
            Event::Accepted(handle, _) => Some(*handle),
            _ => None,
        })
    }

    pub(super) fn has(&self, host: usize, event: Event) -> bool {
        self.hosts[host].events.contains(&event)
    }

    /// Goes on until something holds; whether it did before the time was over.
    pub(super) fn run(&mut self, most: Duration, mut until: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + most;
        loop {
            self.send(0);
            self.send(1);
            if until(self) {
                return true;
            }
            let arrives = self.flying.peek().map(|Reverse((at, ..))| *at);
            let deadlines = self.hosts.iter().filter_map(|host| host.utp.next_deadline());
            let Some(next) = arrives.into_iter().chain(deadlines).min().filter(|next| *next <= end) else {
                self.now = end;
                return false;
            };
            self.now = self.now.max(next);
            while let Some(Reverse((_, _, to, bytes))) = self.next_arrival() {
                let from = self.hosts[1 - to].addr;
                assert_eq!(self.hosts[to].utp.receive(self.now, from, bytes.into()), Ok(()));
            }
            for host in &mut self.hosts {
                host.utp.handle_timeout(self.now);
                host.act(self.now);
            }
        }
    }

    fn next_arrival(&mut self) -> Option<Reverse<Flying>> {
        let due = self.flying.peek().is_some_and(|Reverse((at, ..))| *at <= self.now);
        if due { self.flying.pop() } else { None }
    }

    fn send(&mut self, from: usize) {
        self.hosts[from].act(self.now);
        loop {
            self.buffer.clear();
            let mut buffer = std::mem::take(&mut self.buffer);
            let sent = self.hosts[from].utp.transmit(self.now, &mut buffer, 16);
            let Some(Transmit { to, segment, probe }) = sent else { break };
            assert!(!probe || buffer.len() == segment);
            // What is for others leaves the picture.
            if to == self.hosts[1 - from].addr {
                buffer.chunks(segment).for_each(|datagram| self.put(from, datagram, probe));
            }
            self.buffer = buffer;
        }
    }

    fn put(&mut self, from: usize, datagram: &[u8], probe: bool) {
        let way = &mut self.ways[from];
        if probe && datagram.len() > way.link.mtu {
            self.too_large += 1;
            return;
        }
        let Link { loss, late, twice, delay, .. } = way.link;
        for _ in 0..1 + usize::from(self.dice.below(1000) < twice) {
            if self.dice.below(1000) < loss {
                continue;
            }
            let Some(mut at) = way.enter(self.now, datagram.len()) else { continue };
            if self.dice.below(1000) < late {
                at += delay.mul_f64(self.dice.below(1000) as f64 / 1000.0);
            }
            self.entered += 1;
            self.flying.push(Reverse((at, self.entered, 1 - from, datagram.to_vec())));
        }
    }

    /// A datagram of somebody else.
    pub(super) fn inject(&mut self, to: usize, from: SocketAddr, datagram: &[u8]) {
        let _ = self.hosts[to].utp.receive(self.now, from, Bytes::copy_from_slice(datagram));
    }
}

/// Bytes that differ everywhere.
pub(super) fn pattern(length: usize, seed: u64) -> Bytes {
    let mut dice = Dice(seed);
    let words = (0..length.div_ceil(8)).flat_map(|_| dice.roll().to_le_bytes());
    words.take(length).collect::<Vec<u8>>().into()
}
