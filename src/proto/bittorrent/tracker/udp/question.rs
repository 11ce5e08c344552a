//! What trackers are asked by UDP, and what comes of it.

use std::net::SocketAddr;

use super::Request;
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::tracker::{Announce, Counts, MAX_SCRAPE, Reply, TrackerError};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Who else shares a torrent.
    Announce {
        /// What the tracker is told.
        announce: Announce,
        /// Path and query of the tracker's URL, which it may want to see (BEP 41).
        url: String,
    },
    /// How many share these torrents, at most [`MAX_SCRAPE`].
    Scrape(Vec<Sha1>),
}

/// What a tracker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To an announce.
    Announce(Reply),
    /// To a scrape.
    Scrape(Vec<(Sha1, Counts)>),
}

/// Names a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a packet.
    Send {
        /// Whereto.
        to: SocketAddr,
        /// The packet.
        bytes: Vec<u8>,
    },
    /// A question is over.
    Done {
        /// Which one.
        ticket: Ticket,
        /// The answer, or why there is none.
        answer: Result<Answer, TrackerError>,
    },
}

impl Question {
    /// The packet that asks it.
    pub(super) fn request(&self, connection: u64, transaction: u32) -> Request {
        match self {
            Self::Announce { announce, url } => Request::Announce {
                connection,
                transaction,
                announce: announce.clone(),
                // The path of a URL without one says nothing.
                url: url.bytes().filter(|_| url != "/").collect(),
            },
            Self::Scrape(hashes) => {
                let hashes = hashes.iter().take(MAX_SCRAPE).copied().collect();
                Request::Scrape { connection, transaction, hashes }
            }
        }
    }
}
