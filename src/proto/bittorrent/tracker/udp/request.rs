//! What a client sends: BEP 15, and the options of BEP 41 behind an announce.

use std::net::{IpAddr, Ipv4Addr};

use super::packet::{ANNOUNCE_ACTION, CONNECT_ACTION, MAX_PACKET, PacketError, Reader, SCRAPE_ACTION};
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::tracker::{Announce, Event, MAX_SCRAPE};

/// What a request for a connection id begins with ("protocol_id, magic constant").
const PROTOCOL: u64 = 0x417_2710_1980;

/// Bytes of an announce without options.
const ANNOUNCE: usize = 98;

// The options of BEP 41.
const END_OF_OPTIONS: u8 = 0;
const NOP: u8 = 1;
const URL_DATA: u8 = 2;

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// "Am I where I say?"
    Connect {
        /// Given back with the answer.
        transaction: u32,
    },
    /// "Who else shares this?"
    Announce {
        /// What the tracker has answered to a connect.
        connection: u64,
        /// Given back with the answer.
        transaction: u32,
        /// What is announced, as far as a packet has room for it.
        announce: Announce,
        /// Path and query of the tracker's URL (BEP 41); empty if there is none.
        url: Vec<u8>,
    },
    /// "How many share these?"
    Scrape {
        /// What the tracker has answered to a connect.
        connection: u64,
        /// Given back with the answer.
        transaction: u32,
        /// The torrents, at most [`MAX_SCRAPE`].
        hashes: Vec<Sha1>,
    },
}

impl Request {
    /// Reads a packet.
    ///
    /// # Errors
    /// It is none that a client sends.
    pub fn read(bytes: &[u8]) -> Result<Self, PacketError> {
        let mut reader = Reader::new(bytes);
        let connection = reader.u64()?;
        let action = reader.u32()?;
        let transaction = reader.u32()?;
        match action {
            CONNECT_ACTION if connection == PROTOCOL => Ok(Self::Connect { transaction }),
            CONNECT_ACTION => Err(PacketError::Protocol),
            ANNOUNCE_ACTION => {
                let announce = announce(&mut reader)?;
                Ok(Self::Announce { connection, transaction, announce, url: url(reader.rest) })
            }
            SCRAPE_ACTION => {
                let (hashes, _) = reader.rest.as_chunks::<20>();
                let hashes = hashes.iter().take(MAX_SCRAPE).copied().map(Sha1).collect();
                Ok(Self::Scrape { connection, transaction, hashes })
            }
            other => Err(PacketError::Action(other)),
        }
    }

    /// The packet.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Connect { transaction } => head(PROTOCOL, CONNECT_ACTION, *transaction),
            Self::Announce { connection, transaction, announce, url } => {
                let mut out = head(*connection, ANNOUNCE_ACTION, *transaction);
                write_announce(announce, &mut out);
                write_url(url, &mut out);
                out
            }
            Self::Scrape { connection, transaction, hashes } => {
                let mut out = head(*connection, SCRAPE_ACTION, *transaction);
                hashes.iter().take(MAX_SCRAPE).for_each(|hash| out.extend_from_slice(&hash.0));
                out
            }
        }
    }
}

fn head(connection: u64, action: u32, transaction: u32) -> Vec<u8> {
    [&connection.to_be_bytes()[..], &action.to_be_bytes(), &transaction.to_be_bytes()].concat()
}

/// Bytes 16 to 98 of an announce.
fn announce(reader: &mut Reader<'_>) -> Result<Announce, PacketError> {
    let info_hash = Sha1(reader.array()?);
    let peer_id = reader.array()?;
    let (downloaded, left, uploaded) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let event = match reader.u32()? {
        1 => Some(Event::Completed),
        2 => Some(Event::Started),
        3 => Some(Event::Stopped),
        _ => None,
    };
    let ip = Ipv4Addr::from(reader.u32()?);
    let key = reader.u32()?;
    // Anything below 0 is "as many as you think": -1 is what is written.
    let numwant = u32::try_from(reader.u32()?.cast_signed()).ok();
    let port = reader.u16()?;
    let ip = (!ip.is_unspecified()).then_some(IpAddr::V4(ip));
    Ok(Announce {
        uploaded,
        downloaded,
        event,
        numwant,
        key,
        ip,
        ..Announce::of(info_hash, peer_id, port, left)
    })
}

fn write_announce(announce: &Announce, out: &mut Vec<u8>) {
    out.extend_from_slice(&announce.info_hash.0);
    out.extend_from_slice(&announce.peer_id);
    for number in [announce.downloaded, announce.left, announce.uploaded] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    let event = match announce.event {
        None | Some(Event::Paused) => 0,
        Some(Event::Completed) => 1,
        Some(Event::Started) => 2,
        Some(Event::Stopped) => 3,
    };
    let ip = match announce.ip {
        Some(IpAddr::V4(ip)) => u32::from(ip),
        // There is no room for another one: 0 is "where this comes from".
        Some(IpAddr::V6(_)) | None => 0,
    };
    let numwant = announce.numwant.map_or(-1, |wanted| i32::try_from(wanted).unwrap_or(i32::MAX));
    for number in [event, ip, announce.key, numwant.cast_unsigned()] {
        out.extend_from_slice(&u32::to_be_bytes(number));
    }
    out.extend_from_slice(&announce.port.to_be_bytes());
}

/// The URL in the options of an announce, in one piece. Options that are cut off or not known are no error.
fn url(mut options: &[u8]) -> Vec<u8> {
    let mut url = Vec::new();
    while let Some((kind, rest)) = options.split_first() {
        if *kind == NOP {
            options = rest;
            continue;
        }
        // All others have a length.
        let Some((length, rest)) = rest.split_first().filter(|_| *kind != END_OF_OPTIONS) else { break };
        let Some((data, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
        if *kind == URL_DATA {
            url.extend_from_slice(data);
        }
        options = rest;
    }
    url
}

/// Options hold 255 bytes each; what does not fit the packet is left out as a whole, as half a key is none.
fn write_url(url: &[u8], out: &mut Vec<u8>) {
    let heads = 2 * url.len().div_ceil(255);
    if url.is_empty() || ANNOUNCE + heads + url.len() > MAX_PACKET {
        return;
    }
    for part in url.chunks(255) {
        // A part has 255 bytes at most.
        out.extend_from_slice(&[URL_DATA, part.len() as u8]);
        out.extend_from_slice(part);
    }
}
