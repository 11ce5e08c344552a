//! The query of an HTTP request to a tracker (BEP 3, 23, 48).
//!
//! An info hash is 20 bytes of any kind, so the query is of bytes, not of characters.

use std::net::{IpAddr, SocketAddr};

use percent_encoding::percent_decode;

use super::Arrival;
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::tracker::{Event, MAX_SCRAPE};

/// Bytes of a query at most: a scrape of [`MAX_SCRAPE`] torrents has 5,254.
pub const MAX_QUERY: usize = 8192;

/// Why a query is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// More than [`MAX_QUERY`].
    #[error("a query of more than {MAX_QUERY} bytes")]
    Long,
    /// No torrent, or none that is one.
    #[error("info_hash is missing, or has not 20 bytes")]
    Hash,
    /// No port, or none that is one.
    #[error("port is missing, or is none")]
    Port,
    /// More torrents than [`MAX_SCRAPE`].
    #[error("a scrape of more than {MAX_SCRAPE} torrents")]
    Many,
}

/// What an announce says, as far as it matters here: who the peer is does not, and neither how much it has sent, which
/// nobody can prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AnnounceQuery {
    pub(super) info_hash: Sha1,
    pub(super) port: u16,
    pub(super) left: Option<u64>,
    pub(super) event: Option<Event>,
    pub(super) numwant: Option<u32>,
    /// What it says of its address.
    pub(super) ip: Option<IpAddr>,
    /// Whether it wants compact peers; who says nothing does (BEP 23).
    pub(super) compact: bool,
}

impl AnnounceQuery {
    pub(super) fn read(query: &[u8]) -> Result<Self, QueryError> {
        let (mut hash, mut port) = (None, None);
        let (mut left, mut event, mut numwant, mut ip, mut compact) = (None, None, None, None, true);
        for (name, value) in parameters(query)? {
            match name {
                b"info_hash" => hash = Some(Sha1(value.try_into().map_err(|_| QueryError::Hash)?)),
                b"port" => port = number(&value),
                b"left" => left = number(&value),
                b"event" => event = Event::named(&value),
                b"numwant" => numwant = number(&value),
                b"ip" => ip = number(&value),
                b"compact" => compact = value != b"0",
                _ => {}
            }
        }
        let info_hash = hash.ok_or(QueryError::Hash)?;
        let port = port.ok_or(QueryError::Port)?;
        Ok(Self { info_hash, port, left, event, numwant, ip, compact })
    }

    /// Of a peer at this address.
    pub(super) fn arrival(&self, ip: IpAddr) -> Arrival {
        Arrival {
            info_hash: self.info_hash,
            addr: SocketAddr::new(ip, self.port),
            left: self.left,
            event: self.event,
            numwant: self.numwant,
        }
    }
}

/// The torrents that a scrape asks for; none if it asks for all.
pub(super) fn hashes(query: &[u8]) -> Result<Vec<Sha1>, QueryError> {
    let mut hashes = Vec::new();
    for (_, value) in parameters(query)?.filter(|(name, _)| *name == b"info_hash") {
        if hashes.len() == MAX_SCRAPE {
            return Err(QueryError::Many);
        }
        hashes.push(Sha1(value.try_into().map_err(|_| QueryError::Hash)?));
    }
    Ok(hashes)
}

/// Names and decoded values. A plus is a blank, as forms have it, since some clients write it so.
fn parameters(query: &[u8]) -> Result<impl Iterator<Item = (&[u8], Vec<u8>)>, QueryError> {
    if query.len() > MAX_QUERY {
        return Err(QueryError::Long);
    }
    Ok(query.split(|byte| *byte == b'&').map(|parameter| {
        let end = parameter.iter().position(|byte| *byte == b'=').unwrap_or(parameter.len());
        let (name, value) = parameter.split_at(end);
        let value = value.strip_prefix(b"=").unwrap_or_default();
        let blank = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
        let value: Vec<u8> = value.iter().map(blank).collect();
        (name, percent_decode(&value).collect())
    }))
}

/// Anything that is written in ASCII.
fn number<N: std::str::FromStr>(value: &[u8]) -> Option<N> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
