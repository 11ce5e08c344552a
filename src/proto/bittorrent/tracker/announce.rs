//! What a peer tells a tracker, and how it is written in the target of an HTTP request (BEP 3, 7, 21, 23).

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::{MAX_SCRAPE, Url};
use crate::proto::bittorrent::hash::Sha1;

/// What is written as it is: the unreserved characters of RFC 3986.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What has happened to the peer since it announced itself last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has come.
    Started,
    /// It has got the last byte. Who comes with all of them never says so.
    Completed,
    /// It goes.
    Stopped,
    /// It wants nothing more, though it has not all (BEP 21). Packets of BEP 15 have no word for it.
    Paused,
}

impl Event {
    /// As HTTP has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
        }
    }

    /// By its name.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let all = [Self::Started, Self::Completed, Self::Stopped, Self::Paused];
        all.into_iter().find(|event| event.name().as_bytes() == name)
    }
}

/// What a peer tells a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The swarm: of a hybrid torrent each of its two is announced (BEP 52).
    pub info_hash: Sha1,
    /// Who the peer is.
    pub peer_id: [u8; 20],
    /// Where it listens.
    pub port: u16,
    /// Bytes sent to peers since `started`.
    pub uploaded: u64,
    /// Bytes taken from peers since `started`.
    pub downloaded: u64,
    /// Bytes that are missing. While the metadata of a magnet link is not there it is unknown; anything but 0 is to be
    /// said then, as some trackers tell a seed of no seeds.
    pub left: u64,
    /// What has happened.
    pub event: Option<Event>,
    /// How many peers are wanted; the tracker decides if it is `None`.
    pub numwant: Option<u32>,
    /// A number that stays when the address changes.
    pub key: u32,
    /// What the tracker has called us (`tracker id`). HTTP only.
    pub tracker_id: Option<Vec<u8>>,
    /// The address that peers are to be told, if it is not the one this comes from. Few trackers believe it.
    pub ip: Option<IpAddr>,
    /// Where the peer is by IPv4 too, told by IPv6 (BEP 7). HTTP only.
    pub ipv4: Option<Ipv4Addr>,
    /// Where the peer is by IPv6 too, told by IPv4 (BEP 7). HTTP only.
    pub ipv6: Option<Ipv6Addr>,
}

impl Announce {
    /// One that says nothing has happened, and nothing was sent or got.
    #[must_use]
    pub fn of(info_hash: Sha1, peer_id: [u8; 20], port: u16, left: u64) -> Self {
        Self {
            info_hash,
            peer_id,
            port,
            uploaded: 0,
            downloaded: 0,
            left,
            event: None,
            numwant: None,
            key: 0,
            tracker_id: None,
            ip: None,
            ipv4: None,
            ipv6: None,
        }
    }
}

impl Url {
    /// The target of the HTTP request: that of the URL, which may have a query already, and what is announced.
    /// Compact peers are asked for, without their ids.
    #[must_use]
    pub fn announce(&self, announce: &Announce) -> String {
        let mut target = self.target().to_owned();
        let joint = if target.contains('?') { '&' } else { '?' };
        let hash = percent_encode(&announce.info_hash.0, PLAIN);
        let id = percent_encode(&announce.peer_id, PLAIN);
        let Announce { port, uploaded, downloaded, left, key, .. } = announce;
        // A string takes what is written to it.
        let _ = write!(
            target,
            "{joint}info_hash={hash}&peer_id={id}&port={port}&uploaded={uploaded}&downloaded={downloaded}\
             &left={left}&key={key:08X}&compact=1&no_peer_id=1"
        );
        if let Some(event) = announce.event {
            let _ = write!(target, "&event={}", event.name());
        }
        if let Some(wanted) = announce.numwant {
            let _ = write!(target, "&numwant={wanted}");
        }
        if let Some(id) = &announce.tracker_id {
            let _ = write!(target, "&trackerid={}", percent_encode(id, PLAIN));
        }
        let mut address = |name: &str, ip: Option<String>| {
            if let Some(ip) = ip {
                let _ = write!(target, "&{name}={}", percent_encode(ip.as_bytes(), PLAIN));
            }
        };
        address("ip", announce.ip.map(|ip| ip.to_string()));
        address("ipv4", announce.ipv4.map(|ip| ip.to_string()));
        address("ipv6", announce.ipv6.map(|ip| ip.to_string()));
        target
    }

    /// The target of the HTTP request that asks how many share each of these torrents, of which the first
    /// [`MAX_SCRAPE`] are asked for. `None` if this tracker cannot be scraped.
    #[must_use]
    pub fn scrape(&self, hashes: &[Sha1]) -> Option<String> {
        let mut target = self.scrape_target()?;
        for hash in hashes.iter().take(MAX_SCRAPE) {
            let joint = if target.contains('?') { '&' } else { '?' };
            let _ = write!(target, "{joint}info_hash={}", percent_encode(&hash.0, PLAIN));
        }
        Some(target)
    }
}
