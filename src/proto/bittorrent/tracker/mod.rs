//! Trackers: who else shares a torrent, asked for and told.
//!
//! The client's side: an [`Announce`] becomes the target of an HTTP request ([`Url::announce`]) or a packet
//! ([`udp::Client`]), and what comes back a [`Reply`], or why there is none, a [`TrackerError`]. [`Tiers`] decides
//! which of a torrent's trackers hears of what, and when. The tracker's side is [`server`]. Which addresses a link may
//! lead to, and which peers may be dialled, is decided by [`allowed`].
//!
//! Proposals: BEP 3 (announces by HTTP), 7 (IPv6), 12 (tiers), 15 (UDP), 21 (partial seeds), 23 (compact peers),
//! 24 (our own address), 31 (when to come back), 41 (the URL in packets), 48 (scrapes).

pub mod allowed;
mod announce;
mod error;
mod reply;
pub mod server;
mod tiers;
pub mod udp;
mod url;

pub use self::announce::{Announce, Event};
pub use self::error::{Retry, TrackerError};
pub use self::reply::{Counts, MAX_PEERS, MAX_REPLY, Peer, Reply, ScrapeReply};
pub use self::tiers::{Attempt, Due, MAX_TRACKERS, Reach, Settings, State, Status, Tiers};
pub use self::url::{Host, MAX_URL, Scheme, Url, UrlError};

/// Torrents that one scrape asks for at most: as many as fit a packet of UDP (BEP 15, "up to about 74").
pub const MAX_SCRAPE: usize = 74;

#[cfg(test)]
mod tests;
