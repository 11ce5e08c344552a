//! What all torrents of a client have in common: who it is, what it may use, and whom it does not talk to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::datagrams::Datagrams;
use super::discover::local::Local;
use super::filter::IpFilter;
use super::memory::Memory;
use super::settings::Settings;
use super::storage::Handles;
use super::swarm::Disk;
use super::throttle::Throttle;
use crate::net::clock::Clock;
use crate::net::workers::{Blocking, BlockingConfig};
use crate::proto::bittorrent::wire::PeerId;

/// Addresses that are refused, of which the last so many are remembered.
const MOST_BANNED: usize = 10_000;

/// Why and when an address was banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banned {
    /// What it has done.
    pub why: String,
    /// When that was.
    pub when: SystemTime,
}

/// What all torrents share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) settings: Settings,
    pub(super) id: PeerId,
    pub(super) clock: Clock,
    pub(super) lane: Blocking,
    pub(super) disk: Arc<Disk>,
    pub(super) handles: Handles,
    pub(super) memory: Memory,
    pub(super) up: Throttle,
    pub(super) down: Throttle,
    /// The port at which it takes connections.
    port: u16,
    pub(super) datagrams: Arc<Datagrams>,
    pub(super) local: Local,
    /// Connections that stand, or are being made.
    pub(super) connections: AtomicUsize,
    banned: Mutex<HashMap<IpAddr, Banned>>,
    filter: ArcSwap<IpFilter>,
}

impl Common {
    pub(super) fn new(settings: Settings, id: PeerId, port: u16, datagrams: Datagrams) -> Self {
        let lane = Blocking::new(BlockingConfig::default());
        Self {
            id,
            local: Local::open(port, settings.from()),
            datagrams: Arc::new(datagrams),
            port,
            clock: Clock::new(),
            disk: Arc::new(Disk::new(lane.clone())),
            lane,
            handles: Handles::new(settings.open_files),
            memory: Memory::new(settings.cache),
            up: Throttle::new(settings.up),
            down: Throttle::new(settings.down),
            connections: AtomicUsize::new(0),
            banned: Mutex::default(),
            filter: ArcSwap::default(),
            settings,
        }
    }

    /// Nobody talks to this address any more.
    pub(super) fn ban(&self, ip: IpAddr, why: String) {
        tracing::warn!(%ip, %why, "banned");
        let mut banned = self.banned.lock().unwrap_or_else(PoisonError::into_inner);
        if banned.len() < MOST_BANNED {
            banned.insert(ip, Banned { why, when: SystemTime::now() });
        }
    }

    /// Whether this address is one that nobody talks to.
    pub(super) fn is_banned(&self, ip: IpAddr) -> bool {
        !self.filter.load().allows(ip)
            || self.banned.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&ip)
    }

    /// Only addresses that this lets pass are talked to.
    pub(super) fn set_filter(&self, filter: IpFilter) {
        self.filter.store(Arc::new(filter));
    }

    /// All addresses are talked to again.
    pub(super) fn forgive(&self) {
        self.banned.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The addresses that nobody talks to, and why.
    pub(super) fn banned(&self) -> Vec<(IpAddr, Banned)> {
        let banned = self.banned.lock().unwrap_or_else(PoisonError::into_inner);
        banned.iter().map(|(ip, banned)| (*ip, banned.clone())).collect()
    }

    /// The port at which it takes connections.
    pub(super) fn port(&self) -> Option<u16> {
        Some(self.port).filter(|port| *port != 0)
    }

    /// Counts a connection, if there may be one more.
    pub(super) fn connection(self: &Arc<Self>) -> Option<Counted> {
        let most = self.settings.connections;
        let counted = self
            .connections
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < most).then_some(now + 1));
        counted.is_ok().then(|| Counted(Arc::clone(self)))
    }
}

/// A connection that counts, until this is dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<Common>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
