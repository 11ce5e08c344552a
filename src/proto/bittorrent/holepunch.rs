//! Who brings whom together, where routers let nobody in (BEP 55).
//!
//! Two peers behind such routers reach each other by uTP if both call at the same time: each router then takes the other's packets for answers. A peer that both are
//! connected with, the *relay*, gives the sign: whoever has failed to call the other asks it for a rendezvous, and it tells both to connect. Here are both parts: whom to
//! ask about an address, and what to do about what others ask.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::addresses::{is_local, is_possible};
use super::contacts;
use super::picker::PeerKey;
use super::wire::holepunch::{Failure, Holepunch, Kind};

/// Between two questions about the same address.
const AGAIN: Duration = Duration::from_secs(60);

/// What a peer may ask for, or may tell us to do, within [`PERIOD`]. Beyond that it is not heard: it could have others
/// call whom it likes.
const MOST: u32 = 20;

/// See [`MOST`].
const PERIOD: Duration = Duration::from_secs(60);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Say this to a peer.
    Say(PeerKey, Holepunch),
    /// Call this address by uTP, now.
    Call(SocketAddr),
}

/// A peer that there is a connection with.
#[derive(Debug)]
struct Peer {
    /// The other end of its connection.
    addr: SocketAddr,
    /// Where it takes connections, if that is known.
    listens: Option<SocketAddr>,
    /// Whether the connection is one of uTP: then its other end is where it is called, too.
    utp: bool,
    /// Whether it knows this extension.
    knows: bool,
    /// What it has asked for or told, since when.
    heard: (u32, Instant),
}

/// Who of a torrent's peers can be brought together.
#[derive(Debug, Default)]
pub struct Holepunching {
    peers: BTreeMap<PeerKey, Peer>,
    /// Who has told of an address, and when it was asked about it.
    told: HashMap<SocketAddr, (PeerKey, Option<Instant>)>,
}

impl Holepunching {
    /// There is a connection with a peer.
    pub fn join(&mut self, now: Instant, key: PeerKey, addr: SocketAddr, utp: bool) {
        self.peers.insert(key, Peer { addr, listens: None, utp, knows: false, heard: (0, now) });
    }

    /// What it tells of itself: whether it knows this extension, and where it takes connections.
    pub fn introduced(&mut self, key: PeerKey, knows: bool, listens: Option<SocketAddr>) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.knows = knows;
            peer.listens = listens;
        }
    }

    /// It has left.
    pub fn leave(&mut self, key: PeerKey) {
        self.peers.remove(&key);
        self.told.retain(|_, (teller, _)| *teller != key);
    }

    /// A peer has told of another one that knows this extension. As many are kept as addresses are.
    pub fn told(&mut self, key: PeerKey, addr: SocketAddr) {
        let knows = self.peers.get(&key).is_some_and(|peer| peer.knows);
        if knows && (self.told.len() < contacts::MOST || self.told.contains_key(&addr)) {
            self.told.entry(addr).or_insert((key, None)).0 = key;
        }
    }

    /// An address could not be called: who is to be asked for a rendezvous, if anybody knows it.
    pub fn failed(&mut self, now: Instant, addr: SocketAddr) -> Option<(PeerKey, Holepunch)> {
        let (key, asked) = self.told.get_mut(&addr)?;
        if asked.is_some_and(|asked| now < asked + AGAIN) {
            return None;
        }
        *asked = Some(now);
        Some((*key, Holepunch { kind: Kind::Rendezvous, peer: addr }))
    }

    /// A peer has said this: what is to be done, in this order.
    pub fn heard(&mut self, now: Instant, key: PeerKey, said: Holepunch) -> Vec<Todo> {
        let Some(peer) = self.peers.get_mut(&key) else { return Vec::new() };
        if !peer.may_speak(now) {
            return Vec::new();
        }
        match said.kind {
            Kind::Rendezvous => self.rendezvous(key, said.peer),
            // It tells of addresses within its own network only to those who are there, too.
            Kind::Connect
                if is_possible(said.peer) && (!is_local(said.peer.ip()) || is_local(peer.addr.ip())) =>
            {
                vec![Todo::Call(said.peer)]
            }
            Kind::Connect => Vec::new(),
            // It could not bring us together: others may, when they tell of the address.
            Kind::Failed(_) => {
                self.told.remove(&said.peer);
                Vec::new()
            }
        }
    }

    /// A peer wants to reach another one, which it knows by this address.
    fn rendezvous(&self, key: PeerKey, addr: SocketAddr) -> Vec<Todo> {
        let fail = |failure| vec![Todo::Say(key, Holepunch { kind: Kind::Failed(failure), peer: addr })];
        let Some(asker) = self.peers.get(&key) else { return Vec::new() };
        if !is_possible(addr) {
            return fail(Failure::NoSuchPeer);
        }
        if asker.is_at(addr) {
            return fail(Failure::NoSelf);
        }
        let Some((other, target)) = self.peers.iter().find(|(_, peer)| peer.is_at(addr)) else {
            return fail(Failure::NotConnected);
        };
        if !target.knows {
            return fail(Failure::NoSupport);
        }
        let connect = |peer| Holepunch { kind: Kind::Connect, peer };
        // The asker hears of the address that it has asked about: that is how it knows what is meant.
        vec![Todo::Say(*other, connect(asker.reached_at())), Todo::Say(key, connect(addr))]
    }
}

impl Peer {
    fn is_at(&self, addr: SocketAddr) -> bool {
        self.addr == addr || self.listens == Some(addr)
    }

    /// Where others are to call it. A router may give its uTP another port than it knows of.
    fn reached_at(&self) -> SocketAddr {
        if self.utp { self.addr } else { self.listens.unwrap_or(self.addr) }
    }

    /// Whether it may ask or tell something now.
    fn may_speak(&mut self, now: Instant) -> bool {
        let (count, since) = &mut self.heard;
        if now >= *since + PERIOD {
            (*count, *since) = (0, now);
        }
        *count = count.saturating_add(1);
        *count <= MOST
    }
}

#[cfg(test)]
mod tests;
