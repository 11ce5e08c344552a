//! How a client shares: its limits, and what it talks to.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::discover::dht::ROUTERS;
use super::memory::CACHE;
use super::storage::{Allocation, MOST_OPEN};
use crate::net::addr::ListenAddr;
use crate::proto::bittorrent::mse::Policy;
use crate::proto::bittorrent::torrent;

/// What connections with peers are made over.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP, or uTP where that fails
    #[default]
    Both,
    /// TCP alone
    Tcp,
    /// UTP alone, which gives way to other traffic (BEP 29)
    Utp,
}

/// Settings of a client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it takes connections. If that is one address, connections are made from it, too.
    pub listen: ListenAddr,
    /// Connections at most, of all torrents.
    pub connections: usize,
    /// Connections of one torrent at most.
    pub peers: usize,
    /// Connections that are being made at most, of one torrent.
    pub half_open: usize,
    /// Bytes a second that are sent at most; no limit if it is `None`.
    pub up: Option<u64>,
    /// Bytes a second that are received at most.
    pub down: Option<u64>,
    /// Bytes of blocks that wait in memory until they are written, in all.
    pub cache: usize,
    /// Files that are open at a time.
    pub open_files: usize,
    /// How files get their room.
    pub allocation: Allocation,
    /// How each torrent is shared.
    pub torrent: torrent::Settings,
    /// Which connections are encrypted.
    pub encryption: Policy,
    /// The nodes that the DHT is entered by; without, there is none.
    pub dht: Option<Vec<String>>,
    /// What connections are made over.
    pub transport: Transport,
}

impl Default for Settings {
    /// Any address, at a port of the system's choice; 500 connections, 200 of a torrent (libtorrent has 200, qBittorrent 500 and 100), of which 20 are being made.
    fn default() -> Self {
        Self {
            listen: ListenAddr::Any(0),
            connections: 500,
            peers: 200,
            half_open: 20,
            up: None,
            down: None,
            cache: CACHE,
            open_files: MOST_OPEN,
            allocation: Allocation::default(),
            torrent: torrent::Settings::default(),
            encryption: Policy::default(),
            dht: Some(ROUTERS.map(str::to_owned).to_vec()),
            transport: Transport::default(),
        }
    }
}

impl Settings {
    /// The address that connections are made from, if it is a certain one.
    pub(super) fn from(&self) -> Option<IpAddr> {
        match &self.listen {
            ListenAddr::Tcp(addr) if !addr.ip().is_unspecified() => Some(addr.ip()),
            _ => None,
        }
    }
}
