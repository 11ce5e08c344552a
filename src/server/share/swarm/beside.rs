//! What the peers of a torrent say to each other beside pieces: its metadata (BEP 9), the hashes of its pieces (BEP 52), who else is there (BEP 11), and whom to bring together
//! (BEP 55).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Notify;

use super::link::{Carrier, Leave, Link, Mail};
use crate::proto::bittorrent::fetch::{Fetch, FetchError, Serving, Todo};
use crate::proto::bittorrent::gossip::{Gossip, TooOften};
use crate::proto::bittorrent::hash::InfoHash;
use crate::proto::bittorrent::holepunch::{self, Holepunching};
use crate::proto::bittorrent::metainfo::{Layers, Layout};
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::rows::{self, Rows, RowsError};
use crate::proto::bittorrent::wire::holepunch::Holepunch;
use crate::proto::bittorrent::wire::metadata::Metadata;
use crate::proto::bittorrent::wire::pex::{Exchange, Flags};
use crate::proto::bittorrent::wire::{Bitfield, HashRange};

/// What is kept for all peers of a torrent, under a lock that nobody waits under.
#[derive(Debug)]
pub(super) struct Beside {
    state: Mutex<State>,
    /// There may be something to do before the time comes.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    last: u32,
    links: HashMap<PeerKey, (SocketAddr, Arc<Link>)>,
    metadata: Stage,
    gossip: Gossip,
    holepunching: Holepunching,
}

/// How it is with the metadata.
#[derive(Debug)]
enum Stage {
    Fetching(Box<Fetch>),
    /// They are known, but not yet all hashes of pieces.
    Hashes {
        layout: Arc<Layout>,
        rows: Box<Rows>,
        layers: Layers,
    },
    Known(Serving),
    /// They are for nobody: the torrent is private.
    Private,
}

/// What has come of it.
#[derive(Debug)]
pub(super) enum News {
    /// The metadata, which have the hash.
    Metadata(Bytes),
    /// The hashes of all pieces; or the number of a file that has none, as its metainfo is wrong.
    Hashes(Result<Layers, usize>),
    /// Who lives here has lied.
    Liar(SocketAddr),
}

impl Beside {
    /// For a torrent of which only the hash is known.
    pub(super) fn new(hash: InfoHash) -> Self {
        let state = State {
            last: 0,
            links: HashMap::new(),
            metadata: Stage::Fetching(Box::new(Fetch::new(hash))),
            gossip: Gossip::new([]),
            holepunching: Holepunching::default(),
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// The metadata are known, and given to others unless the torrent is private.
    pub(super) fn know(&self, info: Bytes, private: bool) {
        self.lock().metadata = if private { Stage::Private } else { Stage::Known(Serving::new(info)) };
    }

    /// The metadata are known, and the hashes of pieces are to be asked for.
    pub(super) fn want_hashes(&self, layout: Arc<Layout>) {
        let (rows, layers) =
            (Box::new(Rows::new(Arc::clone(&layout), &Layers::default())), Layers::default());
        let mut state = self.lock();
        state.metadata = Stage::Hashes { layout, rows, layers };
        // Each is to say what its peer has.
        state.links.values().for_each(|(_, link)| link.wake());
        self.changed.notify_one();
    }

    /// The files, while the hashes of their pieces are asked for.
    pub(super) fn wants_hashes(&self) -> Option<Arc<Layout>> {
        match &self.lock().metadata {
            Stage::Hashes { layout, .. } => Some(Arc::clone(layout)),
            Stage::Fetching(_) | Stage::Known(_) | Stage::Private => None,
        }
    }

    /// A peer has these pieces, and so can be asked for their hashes.
    pub(super) fn has_pieces(&self, key: PeerKey, has: &Bitfield) {
        if let Stage::Hashes { rows, .. } = &mut self.lock().metadata {
            rows.join(Instant::now(), key, has);
            self.changed.notify_one();
        }
    }

    /// A peer has one piece more.
    pub(super) fn has_piece(&self, key: PeerKey, piece: u32) {
        if let Stage::Hashes { rows, .. } = &mut self.lock().metadata {
            rows.has(key, piece);
            self.changed.notify_one();
        }
    }

    /// A peer has sent hashes of pieces.
    pub(super) fn hashes(&self, key: PeerKey, range: HashRange, hashes: &[u8]) -> Result<(), RowsError> {
        let Stage::Hashes { rows, layers, .. } = &mut self.lock().metadata else { return Ok(()) };
        self.changed.notify_one();
        rows.heard(Instant::now(), key, range, hashes, layers)
    }

    /// A peer does not give hashes of pieces.
    pub(super) fn refused(&self, key: PeerKey, range: HashRange) {
        if let Stage::Hashes { rows, .. } = &mut self.lock().metadata {
            rows.refused(Instant::now(), key, range);
            self.changed.notify_one();
        }
    }

    /// There is a connection.
    pub(super) fn join(&self, addr: SocketAddr, link: &Arc<Link>) -> PeerKey {
        let mut state = self.lock();
        state.last += 1;
        let key = PeerKey(state.last);
        state.links.insert(key, (addr, Arc::clone(link)));
        state.holepunching.join(Instant::now(), key, addr, link.way.carrier == Carrier::Utp);
        key
    }

    /// It has ended. `listens` is where its peer takes connections.
    pub(super) fn leave(&self, key: PeerKey, listens: Option<SocketAddr>) {
        let mut state = self.lock();
        state.links.remove(&key);
        state.gossip.leave(key);
        state.holepunching.leave(key);
        if let Some(listens) = listens {
            state.gossip.left(listens);
        }
        match &mut state.metadata {
            Stage::Fetching(fetch) => fetch.leave(key),
            Stage::Hashes { rows, .. } => rows.leave(key),
            Stage::Known(serving) => serving.leave(key),
            Stage::Private => {}
        }
        self.changed.notify_one();
    }

    /// Bytes of the metadata, if they are known and not private.
    pub(super) fn metadata_size(&self) -> Option<u32> {
        match &self.lock().metadata {
            Stage::Known(serving) => Some(serving.size()),
            Stage::Fetching(_) | Stage::Hashes { .. } | Stage::Private => None,
        }
    }

    /// A peer has the metadata, of so many bytes.
    pub(super) fn has_metadata(&self, key: PeerKey, size: u32) {
        if let Stage::Fetching(fetch) = &mut self.lock().metadata {
            fetch.join(Instant::now(), key, size);
            self.changed.notify_one();
        }
    }

    /// A peer has said something of the metadata; what it is answered.
    pub(super) fn metadata(&self, key: PeerKey, said: Metadata) -> Result<Option<Metadata>, FetchError> {
        match (&mut self.lock().metadata, said) {
            (Stage::Known(serving), Metadata::Request { piece }) => {
                Ok(Some(serving.answer(Instant::now(), key, piece)))
            }
            (_, Metadata::Request { piece }) => Ok(Some(Metadata::Reject { piece })),
            (Stage::Fetching(fetch), said) => {
                self.changed.notify_one();
                fetch.heard(Instant::now(), key, said).map(|()| None)
            }
            (Stage::Hashes { .. } | Stage::Known(_) | Stage::Private, _) => Ok(None),
        }
    }

    /// A peer wants to hear who else is there.
    pub(super) fn listens(&self, key: PeerKey, addr: SocketAddr) {
        self.lock().gossip.join(Instant::now(), key, addr);
        self.changed.notify_one();
    }

    /// A peer takes connections here: others are told.
    pub(super) fn came(&self, addr: SocketAddr, flags: Flags) {
        self.lock().gossip.came(addr, flags);
        self.changed.notify_one();
    }

    /// A peer tells whether it knows of holepunching, and where it takes connections.
    pub(super) fn knows_holepunching(&self, key: PeerKey, knows: bool, listens: Option<SocketAddr>) {
        self.lock().holepunching.introduced(key, knows, listens);
    }

    /// An address cannot be called: whoever has told of it is asked for help.
    pub(super) fn cannot_call(&self, addr: SocketAddr) {
        let mut state = self.lock();
        if let Some((key, said)) = state.holepunching.failed(Instant::now(), addr) {
            tracing::debug!(%addr, "a rendezvous is asked for");
            state.post(key, Mail::Holepunch(said));
        }
    }

    /// A peer asks for help of this kind, or tells whom to call: this address, at once and by uTP.
    pub(super) fn holepunch(&self, key: PeerKey, said: Holepunch) -> Option<SocketAddr> {
        tracing::debug!(?said, "holepunching");
        let mut state = self.lock();
        let mut call = None;
        for todo in state.holepunching.heard(Instant::now(), key, said) {
            match todo {
                holepunch::Todo::Say(key, said) => state.post(key, Mail::Holepunch(said)),
                holepunch::Todo::Call(addr) => call = Some(addr),
            }
        }
        call
    }

    /// A peer tells who else is there: addresses that may be called.
    pub(super) fn told(&self, key: PeerKey, said: &Exchange) -> Result<Vec<SocketAddr>, TooOften> {
        let mut state = self.lock();
        let peers = state.gossip.heard(Instant::now(), key, said)?;
        for (addr, _) in peers.iter().filter(|(_, flags)| flags.has(Flags::HOLEPUNCH)) {
            state.holepunching.told(key, *addr);
        }
        Ok(peers.into_iter().map(|(addr, _)| addr).collect())
    }

    /// Does what is due, and waits for the next thing that others have to know of.
    pub(super) async fn next(&self) -> News {
        loop {
            let deadline = match self.pump() {
                Ok(deadline) => deadline,
                Err(news) => return news,
            };
            let due = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Has said what is due. When it is to be asked again, unless there is news.
    fn pump(&self) -> Result<Option<Instant>, News> {
        let now = Instant::now();
        let mut state = self.lock();
        let State { links, metadata, gossip, .. } = &mut *state;
        while let Some((key, exchange)) = gossip.poll(now) {
            if let Some((_, link)) = links.get(&key) {
                link.post(Mail::Exchange(exchange));
            }
        }
        // Who comes within a moment is told of together.
        let mut deadline = gossip.deadline().map(|at| at.max(now + TICK));
        if let Stage::Fetching(fetch) = metadata {
            while let Some(todo) = fetch.poll(now) {
                match todo {
                    Todo::Ask(key, request) => {
                        if let Some((_, link)) = links.get(&key) {
                            link.post(Mail::Metadata(request));
                        }
                    }
                    Todo::Ban(key) => {
                        if let Some((addr, link)) = links.get(&key) {
                            link.leave(Leave::Metadata);
                            return Err(News::Liar(*addr));
                        }
                    }
                    Todo::Done(bytes) => return Err(News::Metadata(bytes)),
                }
            }
            deadline = deadline.into_iter().chain(fetch.deadline()).min();
        }
        if let Stage::Hashes { rows, layers, .. } = metadata {
            while let Some(todo) = rows.poll(now) {
                match todo {
                    rows::Todo::Ask(key, range) => {
                        if let Some((_, link)) = links.get(&key) {
                            link.post(Mail::Hashes(range));
                        }
                    }
                    rows::Todo::Known(_) => {}
                    rows::Todo::Never(file) => return Err(News::Hashes(Err(file))),
                    rows::Todo::Done => return Err(News::Hashes(Ok(std::mem::take(layers)))),
                }
            }
            deadline = deadline.into_iter().chain(rows.deadline()).min();
        }
        Ok(deadline)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Has something said to a peer.
    fn post(&self, key: PeerKey, mail: Mail) {
        if let Some((_, link)) = self.links.get(&key) {
            link.post(mail);
        }
    }
}

/// Between two looks at who is to be told of others.
const TICK: std::time::Duration = std::time::Duration::from_secs(1);
