//! One bottleneck: what uTP makes of it alone, beside another uTP, and beside a flow that goes by loss.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::{Event, Handle, Limits, Utp};
use super::net::{Direction, Link, addr};

const SECOND: Duration = Duration::from_secs(1);

/// Bytes of a packet of the rival.
const RIVAL: usize = 1400;

/// What flies.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Flying {
    /// To the receiver, or back.
    Datagram {
        to_receiver: bool,
        from: u8,
        bytes: Vec<u8>,
    },
    Rival(u64),
    RivalAck(u64),
}

/// A sender as TCP once was: slow start, one packet more a round trip, half at a loss (RFC 5681), with selective acknowledgements.
struct Rival {
    window: f64,
    threshold: f64,
    next: u64,
    under_way: BTreeSet<u64>,
    recovery: u64,
    delivered: u64,
}

impl Rival {
    fn acked(&mut self, number: u64) {
        self.delivered += u64::from(self.under_way.remove(&number));
        self.window += if self.window < self.threshold { 1.0 } else { 1.0 / self.window };
        let lost: Vec<u64> = self.under_way.range(..number.saturating_sub(3)).copied().collect();
        for lost in lost {
            self.under_way.remove(&lost);
            if lost >= self.recovery {
                self.window = (self.window / 2.0).max(2.0);
                (self.threshold, self.recovery) = (self.window, self.next);
            }
        }
    }
}

struct Sender {
    utp: Utp,
    handle: Option<Handle>,
    begins: Duration,
    /// Bytes that were taken by the network in order.
    got: u64,
}

/// Senders that share one link to one receiver.
struct Bottleneck {
    begun: Instant,
    now: Instant,
    senders: Vec<Sender>,
    receiver: Utp,
    handles: Vec<(Handle, SocketAddr)>,
    rival: Option<(Duration, Rival)>,
    there: Direction,
    back: Direction,
    flying: BinaryHeap<Reverse<(Instant, u64, Flying)>>,
    order: u64,
    zeros: Bytes,
}

impl Bottleneck {
    /// 10 Mbit/s, 25 ms each way.
    fn new(queue: u64, begins: &[u64], rival: Option<u64>) -> Self {
        let now = Instant::now();
        let link =
            Link { bits_per_second: 10_000_000, delay: Duration::from_millis(25), queue, ..Link::default() };
        let sender = |(number, begins): (u64, &u64)| Sender {
            utp: Utp::new(Limits::default(), now, 1000 + number),
            handle: None,
            begins: SECOND * *begins as u32,
            got: 0,
        };
        let new = Rival {
            window: 10.0,
            threshold: f64::INFINITY,
            next: 0,
            under_way: BTreeSet::new(),
            recovery: 0,
            delivered: 0,
        };
        Self {
            begun: now,
            now,
            senders: (0..).zip(begins).map(sender).collect(),
            receiver: Utp::new(Limits::default(), now, 7),
            handles: Vec::new(),
            rival: rival.map(|begins| (SECOND * begins as u32, new)),
            there: Direction::new(link, now),
            back: Direction::new(Link { bits_per_second: 100_000_000, ..link }, now),
            flying: BinaryHeap::new(),
            order: 0,
            zeros: Bytes::from(vec![0; 1 << 20]),
        }
    }

    fn put(&mut self, at: Option<Instant>, flying: Flying) {
        self.order += 1;
        if let Some(at) = at {
            self.flying.push(Reverse((at, self.order, flying)));
        }
    }

    fn send(&mut self) {
        let elapsed = self.now - self.begun;
        let mut buffer = Vec::new();
        for number in 0..self.senders.len() {
            let Sender { utp, handle, begins, .. } = &mut self.senders[number];
            if elapsed < *begins {
                continue;
            }
            let handle = *handle.get_or_insert_with(|| utp.connect(self.now, addr(99)).unwrap());
            let room = utp.writable(handle);
            utp.write(self.now, handle, &mut self.zeros.slice(..room));
            loop {
                buffer.clear();
                let Some(sent) = self.senders[number].utp.transmit(self.now, &mut buffer, 8) else { break };
                for datagram in buffer.chunks(sent.segment) {
                    let at = self.there.enter(self.now, datagram.len());
                    let flying =
                        Flying::Datagram { to_receiver: true, from: number as u8, bytes: datagram.to_vec() };
                    self.put(at, flying);
                }
            }
        }
        loop {
            buffer.clear();
            let Some(sent) = self.receiver.transmit(self.now, &mut buffer, 8) else { break };
            let SocketAddr::V4(to) = sent.to else { unreachable!() };
            for datagram in buffer.chunks(sent.segment) {
                let at = self.back.enter(self.now, datagram.len());
                let from = to.ip().octets()[3];
                self.put(at, Flying::Datagram { to_receiver: false, from, bytes: datagram.to_vec() });
            }
        }
        let Some((begins, rival)) = &mut self.rival else { return };
        let mut sent = Vec::new();
        while elapsed >= *begins && (rival.under_way.len() as f64) < rival.window {
            rival.under_way.insert(rival.next);
            sent.push((rival.next, self.there.enter(self.now, RIVAL)));
            rival.next += 1;
        }
        sent.into_iter().for_each(|(number, at)| self.put(at, Flying::Rival(number)));
    }

    fn arrive(&mut self, flying: Flying) {
        match flying {
            Flying::Datagram { to_receiver: true, from, bytes } => {
                self.receiver.receive(self.now, addr(from), bytes.into()).unwrap();
                while let Some(event) = self.receiver.poll_event() {
                    if let Event::Accepted(handle, from) = event {
                        self.handles.push((handle, from));
                    }
                }
                for (handle, from) in &self.handles {
                    let SocketAddr::V4(from) = from else { unreachable!() };
                    while let Some(bytes) = self.receiver.read(*handle) {
                        self.senders[usize::from(from.ip().octets()[3])].got += bytes.len() as u64;
                    }
                }
            }
            Flying::Datagram { from, bytes, .. } => {
                self.senders[usize::from(from)].utp.receive(self.now, addr(99), bytes.into()).unwrap();
            }
            Flying::Rival(number) => {
                let at = self.back.enter(self.now, 12);
                self.put(at, Flying::RivalAck(number));
            }
            Flying::RivalAck(number) => self.rival.as_mut().unwrap().1.acked(number),
        }
    }

    /// Until so many seconds after the beginning; `look` sees how long the last packet waited.
    fn run(&mut self, seconds: u64, mut look: impl FnMut(Duration)) {
        let end = self.begun + SECOND * seconds as u32;
        loop {
            self.send();
            let arrives = self.flying.peek().map(|Reverse((at, ..))| *at);
            let utps = self.senders.iter().map(|sender| &sender.utp).chain([&self.receiver]);
            let deadlines = utps.filter_map(Utp::next_deadline);
            let begin = self.senders.iter().map(|sender| self.begun + sender.begins);
            let begin = begin.chain(self.rival.iter().map(|(begins, _)| self.begun + *begins));
            let begin = begin.filter(|begin| *begin > self.now);
            let next = arrives.into_iter().chain(deadlines).chain(begin).min().unwrap_or(end);
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            while self.flying.peek().is_some_and(|Reverse((at, ..))| *at <= self.now) {
                if let Some(Reverse((_, _, flying))) = self.flying.pop() {
                    self.arrive(flying);
                }
            }
            let now = self.now;
            self.senders.iter_mut().for_each(|sender| sender.utp.handle_timeout(now));
            self.receiver.handle_timeout(now);
            look(self.there.waited);
        }
    }

    fn got(&self) -> Vec<u64> {
        self.senders.iter().map(|sender| sender.got).collect()
    }
}

/// Bytes of payload that the link carries in a second, of datagrams of 1472 bytes.
const FULL: f64 = 1_250_000.0 * 1452.0 / 1500.0;

#[test]
fn alone_it_fills_the_link_and_not_the_queue() {
    // A queue of two seconds.
    let mut net = Bottleneck::new(2_500_000, &[0], None);
    net.run(3, |_| {});
    let before = net.got()[0];
    let mut waits = Vec::new();
    net.run(30, |waited| waits.push(waited));
    let used = (net.got()[0] - before) as f64 / 27.0 / FULL;
    waits.sort_unstable();
    let (half, most) = (waits[waits.len() / 2], waits[waits.len() * 99 / 100]);
    println!("alone: {used:.3}, waits {half:?}, {most:?}, most {:?}", waits.last());
    assert!(used >= 0.85, "{used}");
    assert!((Duration::from_millis(80)..Duration::from_millis(120)).contains(&half), "{half:?}");
    assert!(most < Duration::from_millis(200), "{most:?}");
}

#[test]
fn it_gives_way_to_who_goes_by_loss() {
    // A queue of 300 ms; the rival comes after ten seconds.
    let mut net = Bottleneck::new(375_000, &[0], Some(10));
    net.run(14, |_| {});
    let delivered = |net: &Bottleneck| net.rival.as_ref().unwrap().1.delivered * RIVAL as u64;
    let (before, theirs) = (net.got()[0], delivered(&net));
    net.run(40, |_| {});
    let (ours, theirs) = ((net.got()[0] - before) as f64, (delivered(&net) - theirs) as f64);
    println!("rival: {:.3} of {:.3}", theirs / (ours + theirs), (ours + theirs) / 26.0 / FULL);
    assert!(theirs / (ours + theirs) >= 0.8, "{ours} {theirs}");
    assert!((ours + theirs) / 26.0 / FULL > 0.85);
}

#[test]
fn two_share_the_link_and_who_is_late_does_not_win() {
    let mut net = Bottleneck::new(2_500_000, &[0, 10], None);
    net.run(20, |_| {});
    let before = net.got();
    net.run(60, |_| {});
    let shares: Vec<f64> = net.got().iter().zip(before).map(|(got, before)| (got - before) as f64).collect();
    let ratio = shares[0] / shares[1];
    println!("two: {ratio:.2}, {:.3}", (shares[0] + shares[1]) / 40.0 / FULL);
    assert!((0.5..2.0).contains(&ratio), "{shares:?}");
    assert!((shares[0] + shares[1]) / 40.0 / FULL > 0.85);
}
