//! What an HTTP tracker answers (BEP 3, 7, 21, 23, 24, 31, 48).
//!
//! Trackers are old and many. What is there is taken, in either form of peers; what is missing or nonsense is as if it
//! was not there, a number that is too large the largest. Only bytes that are no bencoded dictionary are no answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::error::{Retry, TrackerError, text};
use crate::proto::bittorrent::addresses;
use crate::proto::bittorrent::bencode::{Document, Limits, Value};
use crate::proto::bittorrent::hash::Sha1;

/// Bytes of an answer's body at most, inflated: as in libtorrent (`tracker_maximum_response_length`).
pub const MAX_REPLY: usize = 1 << 20;

/// Peers of an answer that are taken, the first ones. Who wants more asks again; libtorrent keeps 3000 a torrent.
pub const MAX_PEERS: usize = 2000;

/// Bytes of a `tracker id` at most; a longer one is not given back.
const MAX_TRACKER_ID: usize = 256;

/// Of an answer: [`MAX_REPLY`] bytes, few levels, and values enough for [`MAX_PEERS`] in long form, and then some.
const LIMITS: Limits = Limits { bytes: MAX_REPLY, depth: 8, values: 65_536 };

/// A peer that a tracker tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it is. Whether it may be dialled is another question: see [`allowed`](super::allowed).
    pub addr: SocketAddr,
    /// Who it is, if the tracker says so.
    pub id: Option<[u8; 20]>,
}

/// What a tracker answers to an announce.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// When to come back.
    pub interval: Option<Duration>,
    /// When to come back at the earliest.
    pub min_interval: Option<Duration>,
    /// Peers, at most [`MAX_PEERS`].
    pub peers: Vec<Peer>,
    /// Seeds.
    pub complete: Option<u32>,
    /// Peers that are no seeds.
    pub incomplete: Option<u32>,
    /// How often the torrent was got.
    pub downloaded: Option<u32>,
    /// What is to be given back with the next announce, as it is.
    pub tracker_id: Option<Vec<u8>>,
    /// Where the tracker has seen us (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// What people should read.
    pub warning: Option<String>,
}

/// How many share a torrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Seeds.
    pub complete: u32,
    /// How often it was got.
    pub downloaded: u32,
    /// Peers that are no seeds.
    pub incomplete: u32,
    /// Those of them that still want something, if the tracker says so (BEP 21).
    pub downloaders: Option<u32>,
}

/// What a tracker answers to a scrape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrapeReply {
    /// The torrents that were asked for, as far as the tracker knows them.
    pub files: Vec<(Sha1, Counts)>,
    /// When to scrape again at the earliest.
    pub min_interval: Option<Duration>,
}

impl Reply {
    /// Reads a body: that of any HTTP status, since a reason for a refusal may come with each. The body is not inflated
    /// here; whoever does so stops at [`MAX_REPLY`].
    ///
    /// # Errors
    /// It is no answer, or the tracker refuses.
    pub fn read(body: &[u8]) -> Result<Self, TrackerError> {
        let document = read(body)?;
        let root = document.root();
        let mut peers = Vec::new();
        if let Some(all) = root.get("peers") {
            match all.bytes() {
                Some(compact) => peers.extend(compact_peers::<6>(compact, addresses::read_v4)),
                None => peers.extend(all.items().into_iter().flatten().filter_map(peer).take(MAX_PEERS)),
            }
        }
        if let Some(compact) = root.get("peers6").and_then(Value::bytes) {
            peers.extend(compact_peers::<18>(compact, addresses::read_v6));
            peers.truncate(MAX_PEERS);
        }
        let tracker_id = root.get("tracker id").and_then(Value::bytes);
        Ok(Self {
            interval: seconds(root.get("interval")),
            min_interval: seconds(root.get("min interval")),
            peers,
            complete: number(root.get("complete")),
            incomplete: number(root.get("incomplete")),
            downloaded: number(root.get("downloaded")),
            tracker_id: tracker_id.filter(|id| id.len() <= MAX_TRACKER_ID).map(<[u8]>::to_vec),
            external_ip: root.get("external ip").and_then(Value::bytes).and_then(ip),
            warning: root.get("warning message").and_then(Value::bytes).map(text),
        })
    }
}

impl ScrapeReply {
    /// Reads a body, and takes the torrents that were asked for.
    ///
    /// # Errors
    /// It is no answer, or the tracker refuses.
    pub fn read(body: &[u8], asked: &[Sha1]) -> Result<Self, TrackerError> {
        let document = read(body)?;
        let root = document.root();
        let files = root.get("files").and_then(Value::entries).into_iter().flatten();
        let known = |(key, file): (&[u8], Value<'_>)| {
            let hash = Sha1(key.try_into().ok()?);
            asked.contains(&hash).then(|| (hash, counts(file)))
        };
        Ok(Self {
            files: files.filter_map(known).collect(),
            min_interval: seconds(root.get("flags").and_then(|flags| flags.get("min_request_interval"))),
        })
    }
}

fn counts(file: Value<'_>) -> Counts {
    Counts {
        complete: number(file.get("complete")).unwrap_or_default(),
        downloaded: number(file.get("downloaded")).unwrap_or_default(),
        incomplete: number(file.get("incomplete")).unwrap_or_default(),
        downloaders: number(file.get("downloaders")),
    }
}

/// A dictionary that is no refusal. What follows it, as the line end that some trackers send, is not looked at.
fn read(body: &[u8]) -> Result<Document<'_>, TrackerError> {
    let (document, _) = Document::prefix(body, LIMITS)?;
    let root = document.root();
    if root.entries().is_none() {
        return Err(TrackerError::NotDictionary);
    }
    let Some(reason) = root.get("failure reason") else { return Ok(document) };
    let retry = root.get("retry in").and_then(retry);
    Err(TrackerError::Refused { reason: text(reason.bytes().unwrap_or_default()), retry })
}

/// Minutes, or "never" (BEP 31).
fn retry(value: Value<'_>) -> Option<Retry> {
    match value.bytes() {
        Some(b"never") => Some(Retry::Never),
        // Some trackers write the number as a string.
        Some(digits) => std::str::from_utf8(digits).ok()?.parse().ok().map(minutes),
        None => value.integer().and_then(|number| u32::try_from(number).ok()).map(minutes),
    }
}

fn minutes(number: u32) -> Retry {
    Retry::After(Duration::from_secs(60 * u64::from(number)))
}

fn seconds(value: Option<Value<'_>>) -> Option<Duration> {
    number(value).filter(|number| *number > 0).map(|number| Duration::from_secs(number.into()))
}

fn number(value: Option<Value<'_>>) -> Option<u32> {
    let number = value?.integer()?;
    u64::try_from(number).ok().map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

/// The first peers of those in compact form, `SIZE` bytes each.
fn compact_peers<const SIZE: usize>(
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Vec<SocketAddr>,
) -> impl Iterator<Item = Peer> {
    let taken = &bytes[..bytes.len().min(SIZE * MAX_PEERS)];
    read(taken).into_iter().map(|addr| Peer { addr, id: None })
}

/// A peer in long form (BEP 3). Names are no addresses here: whoever looked them up would be led by the tracker.
fn peer(value: Value<'_>) -> Option<Peer> {
    let ip = value.get("ip")?.text()?.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok()?;
    let port = u16::try_from(value.get("port")?.integer()?).ok()?;
    let id = value.get("peer id").and_then(Value::bytes).and_then(|id| id.try_into().ok());
    Some(Peer { addr: SocketAddr::new(ip, port), id })
}

/// An address of 4 or 16 bytes (BEP 24).
fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|octets| IpAddr::from(octets).to_canonical()),
        _ => None,
    }
}
