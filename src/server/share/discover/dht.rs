//! The node of the DHT: how it finds others, and what it announces.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::net::client::Connector;
use crate::proto::bittorrent::dht::Announce;
use crate::proto::bittorrent::hash::Sha1;
use crate::server::share::datagrams::Datagrams;

/// Nodes to begin with, which others keep for everybody.
pub(in crate::server::share) const ROUTERS: [&str; 3] =
    ["dht.libtorrent.org:25401", "router.bittorrent.com:6881", "dht.transmissionbt.com:6881"];

/// How long a name may take to be looked up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether a node that a person has named is on this host or a private network: then a DHT of one's own is meant.
pub(in crate::server::share) fn is_local(node: &str) -> bool {
    let Ok(addr) = node.parse::<SocketAddr>() else { return false };
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
    }
}

/// Looks nodes up, and begins with them.
pub(in crate::server::share) async fn bootstrap(datagrams: Arc<Datagrams>, nodes: Vec<String>) {
    for node in nodes {
        let Some((host, port)) =
            node.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)))
        else {
            tracing::warn!(%node, "no node of the DHT: write HOST:PORT");
            continue;
        };
        match Connector::new().deadline(PATIENCE).resolve(host, port).await {
            Ok(found) => {
                let found: Vec<SocketAddr> =
                    found.into_iter().filter(|addr| datagrams.reaches(*addr)).collect();
                datagrams.with_dht(|dht, now| dht.bootstrap(now, found));
            }
            Err(error) => tracing::debug!(%node, %error, "a node of the DHT is not found"),
        }
    }
}

/// Announces a torrent by one of its names until it is [left](leave).
pub(in crate::server::share) fn announce(datagrams: &Datagrams, name: Sha1, port: u16, seed: bool) {
    let announce = Announce { port, implied_port: false, seed };
    datagrams.with_dht(|dht, now| dht.announce(now, name, announce));
}

/// Announces it no more.
pub(in crate::server::share) fn leave(datagrams: &Datagrams, name: Sha1) {
    datagrams.with_dht(|dht, _| dht.stop(name));
}
