//! KRPC: what nodes say to each other, a bencoded dictionary in a datagram each (BEP 5, "KRPC protocol").
//!
//! A query names a method and its arguments, an answer has what is wanted, an error has a number and a text; the
//! transaction id of a query comes back with what follows from it. Reading is strict: what has another type or
//! another length than the proposals say is refused whole ([`Reject`]), so that nothing is believed of a node that
//! says nonsense. Keys that nobody here knows are passed over.

mod fit;
mod read;
mod reject;
mod write;

use std::net::SocketAddr;

pub(super) use self::fit::fit;
pub use self::read::Unread;
pub use self::reject::Reject;
use super::bloom::Bloom;
use super::contact::Contact;
use crate::proto::bittorrent::hash::Sha1;

/// Bytes of a datagram that is read at most. What is longer is no message: no path carries it in one piece.
pub const DATAGRAM: usize = 2048;

/// Bytes of a transaction id at most. BEP 5 has "typically two"; libtorrent sends two, others four.
pub const TRANSACTION: usize = 16;

/// Bytes of a token at most, of those that other nodes give. libtorrent has four, the first implementations twenty.
pub const TOKEN: usize = 64;

/// What we are called, in every message (BEP 5, key `v`).
pub const VERSION: [u8; 4] = *b"WW\x00\x01";

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The transaction id: of a query, what its answer has to have.
    pub transaction: Vec<u8>,
    /// The program that has sent it.
    pub version: Option<[u8; 4]>,
    /// Where it is sent to, as its sender sees it: tells a node its own address (BEP 42).
    pub ip: Option<SocketAddr>,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// It asks.
    Query(Query),
    /// It answers.
    Answer(Box<Answer>),
    /// It answers that it will not.
    Error {
        /// What kind: 201 to 204 (BEP 5, "errors").
        code: i64,
        /// Why, for people.
        text: String,
    },
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The node that asks.
    pub id: Sha1,
    /// It answers nothing itself, and is not to be kept (BEP 43).
    pub read_only: bool,
    /// The families of which nodes are wanted; without it, that of the datagram (BEP 32).
    pub want: Option<Want>,
    /// A token from an answer. `announce_peer` needs it; with other methods it proves the address.
    pub token: Vec<u8>,
    /// What is asked.
    pub method: Method,
}

/// Families of which nodes are wanted (BEP 32).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// `n4`
    pub v4: bool,
    /// `n6`
    pub v6: bool,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Whether the node is there.
    Ping,
    /// Which nodes it knows that are close to an id.
    FindNode {
        /// The id.
        target: Sha1,
    },
    /// Which peers it knows for a torrent, and which nodes are close to that.
    GetPeers {
        /// The torrent.
        info_hash: Sha1,
        /// Peers are to be counted, too (BEP 33).
        scrape: bool,
        /// Peers that have everything are of no use to who asks (BEP 33).
        noseed: bool,
    },
    /// Remember me as a peer of a torrent.
    AnnouncePeer {
        /// The torrent.
        info_hash: Sha1,
        /// The port of the peer.
        port: u16,
        /// It is that of the datagram instead.
        implied_port: bool,
        /// The peer has everything (BEP 33).
        seed: bool,
    },
    /// Which torrents it has peers for (BEP 51).
    SampleInfohashes {
        /// Nodes close to this id are wanted, too.
        target: Sha1,
    },
}

/// An answer. Which parts it has is a matter of the method, and of the room that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The node that answers.
    pub id: Sha1,
    /// Nodes of IPv4.
    pub nodes: Option<Vec<Contact>>,
    /// Nodes of IPv6 (BEP 32).
    pub nodes6: Option<Vec<Contact>>,
    /// A token; empty if there is none.
    pub token: Vec<u8>,
    /// Peers.
    pub values: Vec<SocketAddr>,
    /// How many peers there are (BEP 33).
    pub scrape: Option<Filters>,
    /// Torrents (BEP 51).
    pub samples: Option<Samples>,
}

impl Answer {
    /// One that has nothing but an id.
    #[must_use]
    pub fn new(id: Sha1) -> Self {
        Self {
            id,
            nodes: None,
            nodes6: None,
            token: Vec::new(),
            values: Vec::new(),
            scrape: None,
            samples: None,
        }
    }
}

/// Peers of a torrent, counted (BEP 33).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// `BFsd`: those that have everything.
    pub seeds: Bloom,
    /// `BFpe`: the others.
    pub peers: Bloom,
}

/// Some of the torrents that a node has peers for (BEP 51).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Samples {
    /// When it is worth asking again, in seconds: 0 to 21,600.
    pub interval: u32,
    /// How many torrents there are in all.
    pub num: u64,
    /// Their info hashes.
    pub hashes: Vec<Sha1>,
}

#[cfg(test)]
mod tests;
