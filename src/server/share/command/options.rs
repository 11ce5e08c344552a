//! Options that all commands have in common that talk to peers.

use std::net::SocketAddr;

use crate::net::addr::ListenAddr;
use crate::proto::bittorrent::mse::Policy;
use crate::server::share::settings::{Settings, Transport};
use crate::server::share::storage::Allocation;
use crate::server::units::ByteSize;

/// How peers are talked to.
#[derive(clap::Args, Clone, Debug)]
pub struct PeerOptions {
    /// Take connections at this address; those that are made come from it, too, if it is a certain one
    #[arg(long, value_name = "ADDR", default_value = ":6881")]
    pub listen: ListenAddr,

    /// Connect to this peer; may be repeated
    #[arg(long, value_name = "IP:PORT")]
    pub peer: Vec<SocketAddr>,

    /// Send so many bytes a second at most
    #[arg(long, value_name = "SIZE")]
    pub up: Option<ByteSize>,

    /// Receive so many bytes a second at most
    #[arg(long, value_name = "SIZE")]
    pub down: Option<ByteSize>,

    /// Which connections are encrypted: none, those of peers who ask for it, all where the peer can, or all
    #[arg(long, value_name = "WHEN", value_parser = policy, default_value = "allow")]
    pub encryption: Policy,

    /// Find no peers by the DHT, and be no node of it
    #[arg(long, conflicts_with = "dht_node")]
    pub no_dht: bool,

    /// Enter the DHT by this node in place of the public ones; may be repeated. A private address makes it a DHT of private addresses
    #[arg(long, value_name = "HOST:PORT")]
    pub dht_node: Vec<String>,

    /// What connections are made over
    #[arg(long, value_enum, default_value_t)]
    pub transport: Transport,

    /// Connections at most
    #[arg(long, value_name = "N", default_value_t = Settings::default().connections)]
    pub connections: usize,

    /// Bytes that wait in memory until they are written
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize(Settings::default().cache as u64))]
    pub cache: ByteSize,

    /// How files get their room
    #[arg(long, value_enum, default_value_t)]
    pub allocate: Allocation,
}

impl PeerOptions {
    /// The settings of a client.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            listen: self.listen.clone(),
            connections: self.connections,
            up: self.up.map(|rate| rate.0),
            down: self.down.map(|rate| rate.0),
            cache: usize::try_from(self.cache.0).unwrap_or(usize::MAX / 4),
            allocation: self.allocate,
            encryption: self.encryption,
            transport: self.transport,
            dht: match (self.no_dht, self.dht_node.is_empty()) {
                (true, _) => None,
                (false, true) => Settings::default().dht,
                (false, false) => Some(self.dht_node.clone()),
            },
            ..Settings::default()
        }
    }
}

pub(super) fn policy(text: &str) -> Result<Policy, String> {
    Ok(match text {
        "refuse" => Policy::Refuse,
        "allow" => Policy::Allow,
        "prefer" => Policy::Prefer,
        "require" => Policy::Require,
        _ => return Err("one of refuse, allow, prefer, require".to_owned()),
    })
}
