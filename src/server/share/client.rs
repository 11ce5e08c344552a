//! A client: torrents that are shared, and the door at which their peers come in.

mod handle;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::task::TaskTracker;

use super::check::{CheckError, check};
use super::common::{Banned, Common};
use super::datagrams::{Datagrams, DhtKind};
use super::discover::{dht, local, trackers};
use super::filter::IpFilter;
use super::resume::Resume;
use super::settings::{Settings, Transport};
use super::storage::{Storage, StorageError};
use super::swarm::{self, Carrier, Swarm};
use crate::net::addr::{ListenAddr, PeerAddr};
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::net::limits::ConnectionLimits;
use crate::net::listen::{ListenError, bind};
use crate::net::random;
use crate::net::serve::{Arrival, Gate, GateSettings, serve};
use crate::proto::bittorrent::contacts::Source;
use crate::proto::bittorrent::hash::{InfoHash, Sha1};
use crate::proto::bittorrent::magnet::Magnet;
use crate::proto::bittorrent::metainfo::{Info, Metainfo};
use crate::proto::bittorrent::mse::torrent_mark;
use crate::proto::bittorrent::webseed::Kind;
use crate::proto::bittorrent::wire::PeerId;

/// Connections from one address at most: several clients behind one router.
const PER_ADDRESS: usize = 20;

/// Web seeds of a torrent that are asked: the first so many.
const WEB_SEEDS: usize = 16;

/// Why a client cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system has no random bytes.
    #[error("{0}")]
    Random(#[source] std::io::Error),
    /// Nobody can connect to it.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// It has no socket for datagrams.
    #[error("cannot open a socket for UDP: {0}")]
    Datagrams(#[source] std::io::Error),
}

/// Why a torrent cannot be shared.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// It is there already.
    #[error("the torrent {0} is shared already")]
    Known(Sha1),
    /// Its folder cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What is there cannot be looked at.
    #[error("cannot look at what is there: {0}")]
    Check(#[from] CheckError),
}

/// The addresses at which others on the networks of this machine reach a port of it.
#[must_use]
pub(super) fn local_addresses(port: u16) -> Vec<SocketAddr> {
    local::addresses().into_iter().map(|ip| SocketAddr::new(ip.into(), port)).collect()
}

/// A client. Clones are the same. It is made within the runtime that its torrents run on.
#[derive(Clone, Debug)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    common: Arc<Common>,
    /// By the names of their swarms; a hybrid torrent has two.
    swarms: Mutex<HashMap<Sha1, Arc<Swarm>>>,
    /// The names of swarms by what an encrypted connection names them by.
    marks: Mutex<HashMap<Sha1, Sha1>>,
    drain: Drain,
    /// The tasks of torrents.
    tasks: TaskTracker,
}

/// A torrent of a client. Clones are the same.
#[derive(Clone, Debug)]
pub struct Handle {
    swarm: Arc<Swarm>,
    shared: Arc<Shared>,
}

impl Client {
    /// Takes connections, and has no torrent yet.
    ///
    /// # Errors
    /// It cannot take connections.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let id = PeerId::ours(random::bytes().map_err(StartError::Random)?);
        let listener = bind(&settings.listen, false)?;
        let limits = ConnectionLimits { total: settings.connections, per_address: PER_ADDRESS };
        let port = match listener.local_addr() {
            ListenAddr::Tcp(addr) => addr.port(),
            ListenAddr::Any(port) => *port,
            ListenAddr::Unix(_) | ListenAddr::Inherited(_) => 0,
        };
        let kind = |nodes: &Vec<String>| DhtKind { local: nodes.iter().any(|node| dht::is_local(node)) };
        let nodes = settings.dht.clone();
        let datagrams = Datagrams::open(&settings.listen, port, nodes.as_ref().map(kind))
            .map_err(StartError::Datagrams)?;
        let common = Common::new(settings, id, port, datagrams);
        let shared = Arc::new(Shared {
            common: Arc::new(common),
            swarms: Mutex::default(),
            marks: Mutex::default(),
            drain: Drain::new(),
            tasks: TaskTracker::new(),
        });
        shared.drain.attach(&shared.common.clock);
        let gate = Arc::new(Gate::new(GateSettings { limits, ..GateSettings::default() }));
        let accepts = Arc::clone(&shared);
        let accept = move |arrival| Arc::clone(&accepts).accept(arrival);
        tokio::spawn(serve(listener, gate, shared.drain.clone(), accept));
        tokio::spawn(Arc::clone(&shared).listen());
        if let Some(nodes) = nodes {
            tokio::spawn(dht::bootstrap(Arc::clone(&shared.common.datagrams), nodes));
        }
        match shared.common.settings.transport {
            Transport::Tcp => shared.common.datagrams.refuse_utp(),
            Transport::Both | Transport::Utp => drop(tokio::spawn(Arc::clone(&shared).accept_utp())),
        }
        Ok(Self(shared))
    }

    /// The port at which it takes connections.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.0.common.port()
    }

    /// Shares a torrent whose files are, or will be, below a folder. What is there is looked at first; `told` hears how many pieces were, and how many of them are right.
    ///
    /// # Errors
    /// It is shared already, or its folder is of no use.
    pub async fn add(
        &self,
        metainfo: Metainfo,
        folder: &Path,
        told: impl FnMut(u32, u32),
    ) -> Result<Handle, AddError> {
        self.share(metainfo, folder, None, told).await
    }

    /// Shares a torrent of which it is known what is there, as [`Handle::resume`] has told. Files that have changed since are looked at.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub async fn resume(
        &self,
        metainfo: Metainfo,
        folder: &Path,
        resume: &Resume,
        told: impl FnMut(u32, u32),
    ) -> Result<Handle, AddError> {
        self.share(metainfo, folder, Some(resume), told).await
    }

    /// What is there of a torrent that is not shared yet, for [`resume`](Self::resume). `told` hears what [`add`](Self::add) tells.
    ///
    /// # Errors
    /// Its folder is of no use.
    pub async fn look(
        &self,
        metainfo: &Metainfo,
        folder: &Path,
        told: impl FnMut(u32, u32),
    ) -> Result<Resume, AddError> {
        let common = &self.0.common;
        let (info, layers) = (Arc::new(metainfo.info.clone()), Arc::new(metainfo.layers.clone()));
        let storage = Arc::new(self.0.open(&info, folder)?);
        // What is written while it is looked at makes a file another one.
        let stamps = storage.stamps();
        let have = check(&info, &layers, &storage, &common.lane, told).await?;
        Ok(Resume { have, stamps })
    }

    async fn share(
        &self,
        metainfo: Metainfo,
        folder: &Path,
        resume: Option<&Resume>,
        told: impl FnMut(u32, u32),
    ) -> Result<Handle, AddError> {
        let swarm = self.0.insert(metainfo.info.hash())?;
        let trackers = metainfo.trackers.clone();
        let web_seeds = web_seeds(&metainfo.web_seeds, &metainfo.http_seeds);
        let private = metainfo.info.is_private();
        let begun = self.0.begin(&swarm, metainfo, folder, resume, told).await;
        begun.inspect_err(|_| self.0.remove(&swarm))?;
        Ok(self.0.run(swarm, &trackers, web_seeds, private))
    }

    /// Asks the peers of a torrent for its metadata. [`Handle::fetched`] tells when they are there, and [`Handle::begin`] goes on with them.
    ///
    /// # Errors
    /// It is shared already.
    pub fn fetch(&self, magnet: &Magnet) -> Result<Handle, AddError> {
        let swarm = self.0.insert(magnet.hash)?;
        // Each tracker of a link is asked.
        let trackers: Vec<Vec<String>> = magnet.trackers.iter().map(|url| vec![url.clone()]).collect();
        let peers = magnet.peers.iter().filter_map(|peer| peer.parse().ok());
        peers.for_each(|peer| swarm.heard_of(peer, Source::Given));
        Ok(self.0.run(swarm, &trackers, web_seeds(&magnet.web_seeds, &[]), false))
    }

    /// How it shares.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.common.settings
    }

    /// Addresses that nobody talks to any more, and why.
    #[must_use]
    pub fn banned(&self) -> Vec<(IpAddr, Banned)> {
        self.0.common.banned()
    }

    /// Talks to all addresses again, whatever they have done.
    pub fn forgive(&self) {
        self.0.common.forgive();
    }

    /// Talks only to addresses that a filter lets pass, and ends connections with others.
    pub fn filter(&self, filter: IpFilter) {
        self.0.common.set_filter(filter);
        let unwanted = |addr: SocketAddr| self.0.common.is_banned(addr.ip());
        self.0.swarms().values().for_each(|swarm| swarm.part_from(unwanted));
    }

    /// Sets how many bytes are sent and received a second at most.
    pub fn limit(&self, up: Option<u64>, down: Option<u64>) {
        self.0.common.up.set(up);
        self.0.common.down.set(down);
    }

    /// Stops all torrents, and takes no connections any more. Trackers are told, and waited for a little.
    pub async fn stop(&self) {
        self.0.drain.stop();
        for swarm in self.0.swarms().values() {
            swarm.stopping.cancel();
        }
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Shared {
    fn swarms(&self) -> MutexGuard<'_, HashMap<Sha1, Arc<Swarm>>> {
        self.swarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<Sha1, Sha1>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, hash: InfoHash) -> Result<Arc<Swarm>, AddError> {
        let mut swarms = self.swarms();
        if hash.swarms().any(|name| swarms.contains_key(&name)) {
            return Err(AddError::Known(hash.id()));
        }
        let swarm = Arc::new(Swarm::new(Arc::clone(&self.common), hash));
        swarms.extend(hash.swarms().map(|name| (name, Arc::clone(&swarm))));
        self.marks().extend(hash.swarms().map(|name| (torrent_mark(name), name)));
        Ok(swarm)
    }

    /// Tells the DHT of a torrent, and asks it for peers.
    fn announce(&self, swarm: &Swarm) {
        let is_seed = swarm.left() == Some(0);
        let port = self.common.port().unwrap_or_default();
        for name in swarm.hash.swarms() {
            dht::announce(&self.common.datagrams, name, port, is_seed);
        }
    }

    /// Begins the tasks of a torrent.
    fn run(
        self: &Arc<Self>,
        swarm: Arc<Swarm>,
        trackers: &[Vec<String>],
        web_seeds: Vec<(Kind, String)>,
        private: bool,
    ) -> Handle {
        self.tasks.spawn(Arc::clone(&swarm).run());
        if !private {
            self.announce(&swarm);
        }
        for (kind, url) in web_seeds {
            self.tasks.spawn(Arc::clone(&swarm).ask_web(kind, url));
        }
        for name in swarm.hash.swarms() {
            if !private {
                self.common.local.add(name);
            }
            self.tasks.spawn(trackers::run(Arc::clone(&swarm), name, trackers::urls(trackers), private));
        }
        Handle { swarm, shared: Arc::clone(self) }
    }

    /// Hears datagrams until the end.
    async fn listen(self: Arc<Self>) {
        let heard_of = |source| {
            let shared = Arc::clone(&self);
            move |name: Sha1, addr: SocketAddr| {
                let swarm = shared.swarms().get(&name).cloned();
                if let Some(swarm) = swarm.filter(|swarm| !swarm.is_private()) {
                    swarm.heard_of(addr, source);
                }
            }
        };
        tokio::select! {
            () = self.common.datagrams.run(heard_of(Source::Dht)) => {}
            () = self.common.local.run(heard_of(Source::Local)) => {}
            () = self.tasks.wait() => {}
        }
    }

    fn open(&self, info: &Info, folder: &Path) -> Result<Storage, AddError> {
        let (layout, common) = (Arc::clone(info.layout()), &self.common);
        Ok(Storage::open(folder, layout, &common.handles, common.settings.allocation)?)
    }

    /// Looks at what is there, and shares it.
    async fn begin(
        &self,
        swarm: &Arc<Swarm>,
        metainfo: Metainfo,
        folder: &Path,
        resume: Option<&Resume>,
        told: impl FnMut(u32, u32),
    ) -> Result<(), AddError> {
        let common = &self.common;
        let (info, layers) = (Arc::new(metainfo.info), Arc::new(metainfo.layers));
        let storage = Arc::new(self.open(&info, folder)?);
        let have = match resume {
            Some(resume) => resume.check(&info, &layers, &storage, &common.lane, told).await?,
            None => check(&info, &layers, &storage, &common.lane, told).await?,
        };
        swarm.begin(info, layers, storage, have);
        Ok(())
    }

    fn remove(&self, swarm: &Arc<Swarm>) {
        swarm.stopping.cancel();
        for name in swarm.hash.swarms() {
            self.common.local.remove(name);
            dht::leave(&self.common.datagrams, name);
        }
        self.swarms().retain(|_, other| !Arc::ptr_eq(other, swarm));
        self.marks().retain(|_, name| !swarm.hash.is_named(*name));
    }

    async fn accept(self: Arc<Self>, arrival: Arrival) {
        let PeerAddr::Ip(addr) = arrival.peer else { return };
        if self.common.settings.transport != Transport::Utp {
            self.greet(arrival.io, addr, Carrier::Tcp).await;
        }
    }

    async fn accept_utp(self: Arc<Self>) {
        let mut accepts = self.common.datagrams.accepts();
        loop {
            let accepted = tokio::select! {
                accepted = self.common.datagrams.accept(&mut accepts) => accepted,
                () = self.drain.stopping() => return,
            };
            let Some((stream, addr)) = accepted else { return };
            let shared = Arc::clone(&self);
            tokio::spawn(async move { shared.greet(Io::other(stream), addr, Carrier::Utp).await });
        }
    }

    /// Hears what a peer wants that has connected, and talks to it.
    async fn greet(&self, io: Io, addr: SocketAddr, carrier: Carrier) {
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        if self.common.is_banned(addr.ip()) {
            return;
        }
        let Some(_counted) = self.common.connection() else { return };
        let marked = |mark| self.marks().get(&mark).copied();
        let find = |name| self.swarms().get(&name).cloned();
        let session = tokio::select! {
            session = swarm::answer(&self.common, io, (addr, carrier), marked, find) => session,
            () = self.drain.stopping() => return,
        };
        match session {
            Ok(session) => {
                let swarm = Arc::clone(session.swarm());
                swarm.talk(session).await;
            }
            Err(error) => tracing::debug!(%addr, %error, "no connection"),
        }
    }
}

/// The web seeds that are asked, of both kinds.
fn web_seeds(files: &[String], pieces: &[String]) -> Vec<(Kind, String)> {
    let of = |kind| move |url: &String| (kind, url.clone());
    files.iter().map(of(Kind::Files)).chain(pieces.iter().map(of(Kind::Pieces))).take(WEB_SEEDS).collect()
}
