//! What people and programs see of a torrent: its peers, its trackers, and how many have each piece.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::Instant;

use super::Swarm;
use super::link::{Carrier, Leave};
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::torrent::PeerView;
use crate::proto::bittorrent::tracker::{State, Status};

/// A peer of a torrent.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerInfo {
    /// Its address.
    pub addr: SocketAddr,
    /// What its program is called, if it has said so.
    pub client: Option<String>,
    /// Whether it has connected to us.
    pub incoming: bool,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// What brings the bytes: `tcp`, `utp` or `web`.
    pub transport: &'static str,
    /// How it goes with it; `None` until the metadata are known.
    pub view: Option<PeerView>,
}

/// A tracker of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerView {
    /// Where it is.
    pub url: String,
    /// Its tier, from 0.
    pub tier: usize,
    /// How it is.
    pub state: State,
    /// Why it has failed last.
    pub error: Option<String>,
    /// When it is asked next.
    pub next: Option<Instant>,
    /// Seeds that it knows.
    pub seeds: Option<u32>,
    /// Peers that it knows and that are no seeds.
    pub leechers: Option<u32>,
    /// Peers that it has told last.
    pub peers: usize,
}

impl TrackerView {
    /// As it is now.
    #[must_use]
    pub fn of(status: &Status<'_>) -> Self {
        Self {
            url: status.url.to_string(),
            tier: status.tier,
            state: status.state,
            error: status.error.map(ToString::to_string),
            next: status.next,
            seeds: status.complete,
            leechers: status.incomplete,
            peers: status.peers,
        }
    }
}

impl Swarm {
    /// Its peers.
    pub(in crate::server::share) fn peers(&self) -> Vec<PeerInfo> {
        let Some(sharing) = self.sharing() else {
            return self.met().links().map(|link| info(link, None)).collect();
        };
        sharing.with(None, |state, now| {
            let peers = state.links.iter().map(|(key, link)| info(link, state.torrent.view(now, *key)));
            peers.collect()
        })
    }

    /// Peers that have everything.
    pub(in crate::server::share) fn seeds(&self) -> usize {
        let Some(sharing) = self.sharing() else { return 0 };
        sharing.with(None, |state, _| state.torrent.picker().seeds() as usize)
    }

    /// How many peers have each piece.
    pub(in crate::server::share) fn availability(&self) -> Vec<u32> {
        let Some(sharing) = self.sharing() else { return Vec::new() };
        let pieces = sharing.info.layout().pieces();
        sharing
            .with(None, |state, _| (0..pieces).map(|piece| state.torrent.picker().available(piece)).collect())
    }

    /// Its trackers. One that is asked for both names of a hybrid torrent is one.
    pub(in crate::server::share) fn trackers(&self) -> Vec<TrackerView> {
        let trackers = self.trackers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen: Vec<TrackerView> = Vec::new();
        for view in trackers.values().flatten() {
            if seen.iter().all(|other| other.url != view.url) {
                seen.push(view.clone());
            }
        }
        seen
    }

    /// How it is with the trackers that are asked by one of its names.
    pub(in crate::server::share) fn set_trackers(&self, name: Sha1, views: Vec<TrackerView>) {
        self.trackers.lock().unwrap_or_else(PoisonError::into_inner).insert(name, views);
    }

    /// Ends connections that nobody wants any more.
    pub(in crate::server::share) fn part_from(&self, unwanted: impl Fn(SocketAddr) -> bool) {
        let met = self.met();
        let links = met.links().filter(|link| unwanted(link.way.addr));
        links.for_each(|link| link.leave(Leave::Unwanted));
    }
}

fn info(link: &super::link::Link, view: Option<PeerView>) -> PeerInfo {
    PeerInfo {
        addr: link.way.addr,
        client: link.client.get().cloned(),
        incoming: link.way.incoming,
        encrypted: link.way.encrypted,
        transport: match link.way.carrier {
            Carrier::Tcp => "tcp",
            Carrier::Utp => "utp",
            Carrier::Web => "web",
        },
        view,
    }
}
