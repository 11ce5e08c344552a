//! A network of nodes in virtual time: datagrams take their time, and some are lost.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::proto::bittorrent::random::Random;

/// A network.
pub(super) struct Net {
    pub(super) now: Instant,
    pub(super) nodes: BTreeMap<SocketAddr, Dht>,
    /// By when they arrive, and in which order they were sent.
    datagrams: BTreeMap<(Instant, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    wakes: BTreeSet<(Instant, SocketAddr)>,
    wake_of: BTreeMap<SocketAddr, Instant>,
    pub(super) events: Vec<(SocketAddr, Event)>,
    random: Random,
    /// Of a hundred datagrams, so many are lost.
    pub(super) loss: u32,
    /// How many were sent, and of how many bytes.
    pub(super) sent: (u64, usize),
}

impl Net {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            now: Instant::now(),
            nodes: BTreeMap::new(),
            datagrams: BTreeMap::new(),
            wakes: BTreeSet::new(),
            wake_of: BTreeMap::new(),
            events: Vec::new(),
            random: Random::new(seed),
            loss: 0,
            sent: (0, 0),
        }
    }

    /// A node comes, which knows its own address and that of another one.
    pub(super) fn join(&mut self, number: u32, settings: Settings, router: Option<SocketAddr>) -> SocketAddr {
        let mut dht = Dht::new(settings, Saved::default(), self.now, seed(number));
        let at = address(number);
        dht.learn_external(self.now, at.ip());
        dht.bootstrap(self.now, router);
        self.nodes.insert(at, dht);
        self.settle(at);
        at
    }

    /// Somebody does something with a node.
    pub(super) fn with(&mut self, at: SocketAddr, act: impl FnOnce(&mut Dht, Instant)) {
        let now = self.now;
        act(self.nodes.get_mut(&at).unwrap(), now);
        self.settle(at);
    }

    pub(super) fn leave(&mut self, at: SocketAddr) {
        self.nodes.remove(&at);
        self.events.retain(|(of, _)| *of != at);
    }

    /// Takes what a node has to send and to say.
    fn settle(&mut self, at: SocketAddr) {
        let Some(dht) = self.nodes.get_mut(&at) else { return };
        while let Some(Transmit { to, bytes }) = dht.transmit() {
            self.sent = (self.sent.0 + 1, self.sent.1 + bytes.len());
            assert!(bytes.len() <= 1400);
            if self.random.below(100) < self.loss {
                continue;
            }
            let delay = Duration::from_millis(u64::from(10 + self.random.below(140)));
            self.datagrams.insert((self.now + delay, self.sent.0), (at, to, bytes));
        }
        self.events.extend(std::iter::from_fn(|| dht.event()).map(|event| (at, event)));
        let wake = dht.deadline();
        if let Some(before) = self.wake_of.insert(at, wake) {
            self.wakes.remove(&(before, at));
        }
        self.wakes.insert((wake, at));
    }

    /// Lets so many seconds go by.
    pub(super) fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            let datagram = self.datagrams.first_key_value().map(|(key, _)| key.0);
            let wake = self.wakes.first().map(|wake| wake.0);
            let next = datagram.into_iter().chain(wake).min().filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            if datagram == Some(next) {
                let Some((_, (from, to, bytes))) = self.datagrams.pop_first() else { break };
                if let Some(dht) = self.nodes.get_mut(&to) {
                    dht.receive(self.now, from, &bytes);
                    self.settle(to);
                }
            } else if let Some((_, at)) = self.wakes.pop_first() {
                self.wake_of.remove(&at);
                if let Some(dht) = self.nodes.get_mut(&at) {
                    dht.poll(self.now);
                    self.settle(at);
                }
            }
        }
        self.now = end;
    }

    /// The peers that a node has found for a torrent.
    pub(super) fn found(&self, at: SocketAddr, torrent: Sha1) -> BTreeSet<SocketAddr> {
        let of = |event: &Event| match event {
            Event::Peers { info_hash, peers } if *info_hash == torrent => peers.clone(),
            _ => Vec::new(),
        };
        self.events.iter().filter(|(node, _)| *node == at).flat_map(|(_, event)| of(event)).collect()
    }
}

/// Where a node is: each in a network of its own.
pub(super) fn address(number: u32) -> SocketAddr {
    SocketAddr::from(([40 + (number % 80) as u8, (number / 80) as u8, (number * 7) as u8, 9], 6881))
}

pub(super) fn v4() -> Settings {
    Settings { families: [Family::V4].into(), ..Settings::default() }
}
