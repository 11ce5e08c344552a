//! A torrent and its peers: what is said to each of them, what it is asked for and given, and whom to be rid of.
//!
//! The whole of a swarm's decisions in one value, without I/O. It hears of what happened: a peer came ([`Torrent::join`]), said something ([`Torrent::heard`]) or left, a
//! piece was checked, time went by. For each peer there is then something to do ([`Torrent::next`]): say a message, or send a block, when its connection has room. Who has
//! something to do is told once, by [`Torrent::woken`].

mod asking;
mod checked;
mod heard;
mod peer;
mod reveal;
mod serving;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::checked::Suspects;
pub use self::checked::{Checked, Fate};
pub use self::heard::{Heard, Violation};
use self::peer::Peer;
use self::reveal::Reveal;
pub use self::serving::Todo;
use super::choker::{Candidate, Choker, SLOTS, Verdict};
use super::metainfo::Info;
use super::picker::{PeerKey, Picker};
use super::wire::{Bitfield, Message, fast};

/// Between two looks at peers that have nothing to do.
const TICK: Duration = Duration::from_secs(1);

/// How a torrent is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Peers that are unchoked at a time, at least two.
    pub slots: usize,
    /// Requests that a peer may let wait; what is beyond is refused.
    pub requests: usize,
    /// Whether a seed that is the only one shows its pieces one by one (BEP 16).
    pub super_seeding: bool,
}

impl Default for Settings {
    /// [`SLOTS`], 2000 requests, as libtorrent allows, and pieces one by one.
    fn default() -> Self {
        Self { slots: SLOTS, requests: 2000, super_seeding: true }
    }
}

/// Somebody who comes.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer {
    /// Its address.
    pub addr: SocketAddr,
    /// Whether it knows the fast extension (BEP 6), as we do.
    pub fast: bool,
    /// Whether it leaves after ten seconds without a word.
    pub impatient: bool,
    /// Whether it was told already that nothing is here, as the metadata was not known yet.
    pub greeted: bool,
    /// Whether it had better be asked for pieces that follow each other.
    pub runs: bool,
}

/// How it goes with a peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeerView {
    /// Its address.
    pub addr: SocketAddr,
    /// Pieces that it has.
    pub has: u32,
    /// Bytes that it has sent, and sends a second.
    pub down: (u64, f64),
    /// Bytes that it was sent, and is sent a second.
    pub up: (u64, f64),
    /// Whether it wants something of us.
    pub wants: bool,
    /// Whether we answer its requests.
    pub unchoked: bool,
    /// Whether we want something of it.
    pub interested: bool,
    /// Whether it answers our requests.
    pub gives: bool,
    /// Whether it was asked, and sends nothing.
    pub snubs: bool,
    /// When it came.
    pub since: Instant,
}

/// What is told to whoever has the torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A piece is there.
    Piece(u32),
    /// All that is wanted is there.
    Finished,
    /// A peer has sent bytes that are wrong, in this piece. Its address is to be refused.
    Banned {
        /// Its address.
        ip: IpAddr,
        /// The piece.
        piece: u32,
    },
    /// A connection is to be ended.
    Leave(PeerKey, Reason),
}

/// Why a connection is ended by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It has sent wrong bytes.
    #[error("it sends bytes that are wrong")]
    Liar,
    /// Neither has anything for the other.
    #[error("both have all that they want")]
    Useless,
    /// It has said nothing for long.
    #[error("it is silent")]
    Silent,
}

/// A torrent that is shared.
#[derive(Debug)]
pub struct Torrent {
    info: Arc<Info>,
    settings: Settings,
    picker: Picker,
    choker: Choker,
    peers: BTreeMap<PeerKey, Peer>,
    last_key: u32,
    /// How many requests of peers there were.
    requests: u64,
    /// The piece of which the last block was sent, and to whom.
    under_way: Option<(PeerKey, u32)>,
    /// Pieces that came, in their order: each peer is told of all behind those that it knows of.
    come: Vec<u32>,
    suspects: Suspects,
    reveal: Reveal,
    woken: BTreeSet<PeerKey>,
    events: VecDeque<Event>,
    finished: bool,
    tick: Instant,
}

impl Torrent {
    /// A torrent of which these pieces are there. `seed` decides what chance decides.
    #[must_use]
    pub fn new(info: Arc<Info>, have: Bitfield, settings: Settings, now: Instant, seed: u64) -> Self {
        let picker = Picker::new(have, seed);
        Self {
            settings,
            finished: picker.missing() == 0,
            choker: Choker::new(settings.slots, now, seed.rotate_left(32)),
            reveal: Reveal::new(info.layout().pieces()),
            picker,
            peers: BTreeMap::new(),
            last_key: 0,
            requests: 0,
            under_way: None,
            come: Vec::new(),
            suspects: Suspects::default(),
            woken: BTreeSet::new(),
            events: VecDeque::new(),
            tick: now + TICK,
            info,
        }
    }

    /// What it is of.
    #[must_use]
    pub fn info(&self) -> &Arc<Info> {
        &self.info
    }

    /// Which blocks are asked for, and what is there.
    #[must_use]
    pub fn picker(&self) -> &Picker {
        &self.picker
    }

    /// Whether all that is wanted is there.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// How many peers there are.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// A peer has come, and introduced itself.
    pub fn join(&mut self, now: Instant, newcomer: Newcomer) -> PeerKey {
        self.last_key += 1;
        let key = PeerKey(self.last_key);
        let pieces = self.info.layout().pieces();
        let mut peer =
            Peer::new(key, newcomer.addr, pieces, now).introduced(newcomer.fast, newcomer.impatient);
        peer.told = self.come.len();
        peer.runs = newcomer.runs;
        let have = self.picker.have();
        if self.settings.super_seeding && self.is_only_seed() {
            peer.shown = Some(Bitfield::none(pieces));
        }
        match (&peer.shown, have.count(), peer.fast) {
            _ if newcomer.greeted => {
                let pieces = have.iter().filter(|_| peer.shown.is_none());
                pieces.for_each(|piece| peer.words.push_back(Message::Have(piece)));
            }
            (Some(_), ..) | (None, 0, _) if peer.fast => peer.say(Message::HaveNone),
            (Some(_), ..) | (None, 0, _) => {}
            (None, count, true) if count == pieces => peer.say(Message::HaveAll),
            _ => peer.say(Message::Bitfield(have.as_bytes().to_vec().into())),
        }
        if let (true, IpAddr::V4(ip)) = (peer.fast && peer.shown.is_none(), newcomer.addr.ip()) {
            let allowed = fast::allowed(ip, self.info.hash().id(), pieces, fast::ALLOWED);
            peer.allowed = allowed.into_iter().filter(|piece| have.has(*piece)).collect();
            let words: Vec<Message> = peer.allowed.iter().copied().map(Message::AllowedFast).collect();
            words.into_iter().for_each(|word| peer.say(word));
        }
        self.peers.insert(key, peer);
        self.count_slots();
        self.show_more();
        self.wake(key);
        key
    }

    /// A peer takes so many requests at a time.
    pub fn takes(&mut self, key: PeerKey, requests: u32) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.pipeline.set_taken(requests);
        }
    }

    /// A peer wants nothing more, though it may not have all; or wants more again (BEP 21).
    pub fn uploads_only(&mut self, key: PeerKey, only: bool) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.upload_only = only;
        }
    }

    /// Whether neither a peer nor we want anything of the other.
    #[must_use]
    pub fn is_useless(&self, key: PeerKey) -> bool {
        let wants_nothing = |peer: &Peer| peer.has.is_all() || peer.upload_only;
        self.finished && self.peers.get(&key).is_some_and(wants_nothing)
    }

    /// Whether a peer was asked for blocks that have not come.
    #[must_use]
    pub fn owes(&self, key: PeerKey) -> bool {
        self.peers.get(&key).is_some_and(|peer| !peer.asked.is_empty())
    }

    /// How it goes with a peer, if it is there.
    #[must_use]
    pub fn view(&self, now: Instant, key: PeerKey) -> Option<PeerView> {
        let peer = self.peers.get(&key)?;
        Some(PeerView {
            addr: peer.addr,
            has: peer.has.count(),
            down: (peer.down.total(), peer.down.per_second(now)),
            up: (peer.up.total(), peer.up.per_second(now)),
            wants: peer.wants,
            unchoked: self.choker.is_unchoked(key),
            interested: peer.interested,
            gives: peer.gives,
            snubs: peer.pipeline.is_snubbed(),
            since: peer.since,
        })
    }

    /// A peer has left.
    pub fn leave(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.remove(&key) else { return };
        for asked in &peer.asked {
            self.picker.lost(asked.block, key);
        }
        self.picker.released(key);
        self.picker.peer_left(&peer.has);
        self.choker.left(key);
        self.reveal.left(&peer.awaited);
        self.show_more();
        self.woken.remove(&key);
        self.look_soon();
    }

    /// Peers for whom there may be something to do now; each is told once.
    pub fn woken(&mut self) -> impl Iterator<Item = PeerKey> + use<> {
        std::mem::take(&mut self.woken).into_iter()
    }

    /// What has happened, in its order.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`poll`](Self::poll) has something to do. Without peers, there is nothing.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (!self.peers.is_empty()).then(|| self.tick.min(self.choker.next()))
    }

    /// Time has gone by.
    pub fn poll(&mut self, now: Instant) {
        self.choke(now);
        if now < self.tick {
            return;
        }
        self.tick = now + TICK;
        let finished = self.finished;
        let mut late = Vec::new();
        for peer in self.peers.values_mut() {
            if peer.pipeline.poll(now) {
                late.push(peer.key);
            }
            if peer.keep_alive_at() <= now && peer.words.is_empty() {
                peer.say(Message::KeepAlive);
                self.woken.insert(peer.key);
            }
            let reason = match () {
                () if peer.silent_at() <= now => Reason::Silent,
                () if finished && (peer.has.is_all() || peer.upload_only) => Reason::Useless,
                () => continue,
            };
            self.events.push_back(Event::Leave(peer.key, reason));
        }
        for key in late {
            self.call_off(key);
        }
        self.show_idle();
        let idle: Vec<PeerKey> = self
            .peers
            .values()
            .filter(|peer| peer.interested && peer.asked.is_empty())
            .map(|peer| peer.key)
            .collect();
        idle.into_iter().for_each(|key| self.ask(key, now));
    }

    /// Lets those who have nothing to do be looked at soon: there may be something for them again.
    fn look_soon(&mut self) {
        // The next poll is one.
        self.tick = self.tick.checked_sub(TICK).unwrap_or(self.tick);
    }

    fn choke(&mut self, now: Instant) {
        if now < self.choker.next() {
            return;
        }
        self.count_slots();
        let candidates = self.candidates(now);
        for verdict in self.choker.round(now, self.finished, &candidates) {
            self.carry_out(verdict);
        }
    }

    fn candidates(&self, now: Instant) -> Vec<Candidate> {
        self.peers.values().map(|peer| candidate(peer, now)).collect()
    }

    /// Who is shown pieces of its own has a slot, too: it is from there that they go on.
    fn count_slots(&mut self) {
        let shows = self.peers.values().any(|peer| peer.shown.is_some());
        self.choker.set_slots(if shows {
            self.peers.len().max(self.settings.slots)
        } else {
            self.settings.slots
        });
    }

    fn carry_out(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Unchoke(key) => {
                let Some(peer) = self.peers.get_mut(&key) else { return };
                peer.say(Message::Unchoke);
            }
            Verdict::Choke(key) => {
                let Some(peer) = self.peers.get_mut(&key) else { return };
                peer.say(Message::Choke);
                peer.refuse_all();
            }
        }
        let (Verdict::Unchoke(key) | Verdict::Choke(key)) = verdict;
        self.wake(key);
    }

    /// Whether all that is wanted is there may have changed. Who is told whether we only upload hears of it.
    fn count_missing(&mut self) -> bool {
        let finished = self.picker.missing() == 0;
        let changed = std::mem::replace(&mut self.finished, finished) != finished;
        if changed {
            self.woken.extend(self.peers.keys());
        }
        changed
    }

    fn wake(&mut self, key: PeerKey) {
        self.woken.insert(key);
    }
}

fn candidate(peer: &Peer, now: Instant) -> Candidate {
    Candidate {
        peer: peer.key,
        interested: peer.wants,
        gives: peer.down.per_second(now),
        sent: peer.up.total(),
        snubs: peer.pipeline.is_snubbed(),
        since: peer.since,
    }
}

#[cfg(test)]
mod tests;
