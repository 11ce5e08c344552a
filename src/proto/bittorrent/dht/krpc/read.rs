//! Reading: bencode, then the keys that a message of its kind has to have, then those that it may have.
//!
//! A query that lacks something is told apart from what is no message at all: it has a transaction id, and so it
//! can be answered with what was wrong (BEP 5, "errors").

use std::net::SocketAddr;

use super::{
    Answer, Body, DATAGRAM, Filters, Message, Method, Query, Reject, Samples, TOKEN, TRANSACTION, Want,
};
use crate::proto::bittorrent::bencode::{Document, Limits, Value};
use crate::proto::bittorrent::dht::bloom::Bloom;
use crate::proto::bittorrent::dht::contact::{Contact, Family, read_address};
use crate::proto::bittorrent::hash::Sha1;

/// What a message may have: a datagram has no room for much.
const LIMITS: Limits = Limits { bytes: DATAGRAM, depth: 8, values: 512 };

/// A datagram that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Why.
    pub reject: Reject,
    /// The transaction id, if it is a query: it can be answered with an error.
    pub query: Option<Vec<u8>>,
}

impl From<Reject> for Unread {
    fn from(reject: Reject) -> Self {
        Self { reject, query: None }
    }
}

impl Message {
    /// Reads a datagram.
    ///
    /// # Errors
    /// It is no message.
    pub fn read(datagram: &[u8]) -> Result<Self, Unread> {
        let document = Document::read(datagram, LIMITS).map_err(Reject::from)?;
        let root = document.root();
        let transaction = required(root, "t", |value| within(value, TRANSACTION))?;
        let body = match required(root, "y", Value::bytes)? {
            b"q" => Body::Query(
                Query::read(root).map_err(|reject| Unread { reject, query: Some(transaction.clone()) })?,
            ),
            b"r" => Body::Answer(Box::new(Answer::read(required(root, "r", dictionary)?)?)),
            b"e" => error(required(root, "e", Some)?)?,
            _ => return Err(Reject::Malformed("y").into()),
        };
        Ok(Self {
            transaction,
            version: root.get("v").and_then(Value::bytes).and_then(|bytes| bytes.try_into().ok()),
            ip: optional(root, "ip", |value| read_address(value.bytes()?))?,
            body,
        })
    }
}

impl Query {
    fn read(root: Value<'_>) -> Result<Self, Reject> {
        let method = required(root, "q", Value::bytes)?;
        let arguments = required(root, "a", dictionary)?;
        Ok(Self {
            id: required(arguments, "id", hash)?,
            read_only: flag(root, "ro"),
            want: optional(arguments, "want", want)?,
            token: optional(arguments, "token", |value| within(value, TOKEN))?.unwrap_or_default(),
            method: Method::read(method, arguments)?,
        })
    }
}

impl Method {
    fn read(name: &[u8], arguments: Value<'_>) -> Result<Self, Reject> {
        Ok(match name {
            b"ping" => Self::Ping,
            b"find_node" => Self::FindNode { target: required(arguments, "target", hash)? },
            b"get_peers" => Self::GetPeers {
                info_hash: required(arguments, "info_hash", hash)?,
                scrape: flag(arguments, "scrape"),
                noseed: flag(arguments, "noseed"),
            },
            b"announce_peer" => {
                let implied_port = flag(arguments, "implied_port");
                let port = |value: Value<'_>| {
                    value.size()?.try_into().ok().filter(|port| *port != 0 || implied_port)
                };
                let port = match implied_port {
                    true => optional(arguments, "port", port)?.unwrap_or_default(),
                    false => required(arguments, "port", port)?,
                };
                let info_hash = required(arguments, "info_hash", hash)?;
                Self::AnnouncePeer { info_hash, port, implied_port, seed: flag(arguments, "seed") }
            }
            b"sample_infohashes" => Self::SampleInfohashes { target: required(arguments, "target", hash)? },
            _ => return Err(Reject::Method),
        })
    }
}

impl Answer {
    fn read(values: Value<'_>) -> Result<Self, Reject> {
        let bloom = |key| optional(values, key, |value| Bloom::read(value.bytes()?));
        let scrape = match (bloom("BFsd")?, bloom("BFpe")?) {
            (None, None) => None,
            (seeds, peers) => {
                Some(Filters { seeds: seeds.unwrap_or_default(), peers: peers.unwrap_or_default() })
            }
        };
        let samples = match optional(values, "samples", |value| hashes(value.bytes()?))? {
            None => None,
            Some(hashes) => Some(Samples {
                interval: required(values, "interval", |value| value.size()?.try_into().ok())?,
                num: required(values, "num", Value::size)?,
                hashes,
            }),
        };
        Ok(Self {
            id: required(values, "id", hash)?,
            nodes: optional(values, "nodes", |value| Contact::read(value.bytes()?, Family::V4))?,
            nodes6: optional(values, "nodes6", |value| Contact::read(value.bytes()?, Family::V6))?,
            token: optional(values, "token", |value| within(value, TOKEN))?.unwrap_or_default(),
            values: optional(values, "values", peers)?.unwrap_or_default(),
            scrape,
            samples,
        })
    }
}

fn error(value: Value<'_>) -> Result<Body, Reject> {
    let mut items = value.items().ok_or(Reject::Malformed("e"))?;
    let code = items.next().and_then(Value::integer).ok_or(Reject::Malformed("e"))?;
    let text = items.next().and_then(Value::bytes).unwrap_or_default();
    Ok(Body::Error { code, text: String::from_utf8_lossy(text).into_owned() })
}

/// What a key has to have.
fn required<'a, T>(
    values: Value<'a>,
    key: &'static str,
    read: impl FnOnce(Value<'a>) -> Option<T>,
) -> Result<T, Reject> {
    optional(values, key, read)?.ok_or(Reject::Missing(key))
}

/// What a key has, if it is there.
fn optional<'a, T>(
    values: Value<'a>,
    key: &'static str,
    read: impl FnOnce(Value<'a>) -> Option<T>,
) -> Result<Option<T>, Reject> {
    values.get(key).map(|value| read(value).ok_or(Reject::Malformed(key))).transpose()
}

/// Whether a key is there and is not 0: flags are 1, and some send other numbers.
fn flag(values: Value<'_>, key: &str) -> bool {
    values.get(key).and_then(Value::integer).is_some_and(|number| number != 0)
}

fn dictionary(value: Value<'_>) -> Option<Value<'_>> {
    value.entries().is_some().then_some(value)
}

fn hash(value: Value<'_>) -> Option<Sha1> {
    Some(Sha1(value.bytes()?.try_into().ok()?))
}

fn hashes(bytes: &[u8]) -> Option<Vec<Sha1>> {
    let (hashes, rest) = bytes.as_chunks::<20>();
    rest.is_empty().then(|| hashes.iter().map(|hash| Sha1(*hash)).collect())
}

fn within(value: Value<'_>, limit: usize) -> Option<Vec<u8>> {
    value.bytes().filter(|bytes| bytes.len() <= limit).map(<[u8]>::to_vec)
}

fn peers(value: Value<'_>) -> Option<Vec<SocketAddr>> {
    value.items()?.map(|peer| read_address(peer.bytes()?)).collect()
}

/// Families that are not known are passed over.
fn want(value: Value<'_>) -> Option<Want> {
    let mut want = Want::default();
    for family in value.items()? {
        match family.bytes()? {
            b"n4" => want.v4 = true,
            b"n6" => want.v6 = true,
            _ => {}
        }
    }
    Some(want)
}
