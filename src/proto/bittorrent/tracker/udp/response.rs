//! What a tracker sends (BEP 15).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::packet::{
    ANNOUNCE_ACTION, CONNECT_ACTION, ERROR_ACTION, MAX_PACKET, PacketError, Reader, SCRAPE_ACTION,
};
use crate::proto::bittorrent::addresses;
use crate::proto::bittorrent::tracker::{Counts, MAX_PEERS, MAX_SCRAPE, Peer, Reply};

/// What a tracker sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To a connect.
    Connect {
        /// That of the request.
        transaction: u32,
        /// What requests have to begin with from now on.
        connection: u64,
    },
    /// To an announce. Of the reply there are the interval, the peers and how many there are.
    Announce {
        /// That of the request.
        transaction: u32,
        /// The answer.
        reply: Reply,
    },
    /// To a scrape: in the order of the request.
    Scrape {
        /// That of the request.
        transaction: u32,
        /// The answers.
        counts: Vec<Counts>,
    },
    /// To anything.
    Error {
        /// That of the request.
        transaction: u32,
        /// Why.
        message: Vec<u8>,
    },
}

impl Response {
    /// Reads a packet. The peers are those of the family by which it came: the packet does not tell.
    ///
    /// # Errors
    /// It is none that a tracker sends.
    pub fn read(bytes: &[u8], from: IpAddr) -> Result<Self, PacketError> {
        let mut reader = Reader::new(bytes);
        let action = reader.u32()?;
        let transaction = reader.u32()?;
        match action {
            CONNECT_ACTION => Ok(Self::Connect { transaction, connection: reader.u64()? }),
            ANNOUNCE_ACTION => {
                let (interval, incomplete, complete) = (reader.u32()?, reader.u32()?, reader.u32()?);
                let peers = match from.to_canonical() {
                    IpAddr::V4(_) => addresses::read_v4(reader.rest),
                    IpAddr::V6(_) => addresses::read_v6(reader.rest),
                };
                let peers = peers.into_iter().take(MAX_PEERS).map(|addr| Peer { addr, id: None }).collect();
                let interval = (interval > 0).then(|| Duration::from_secs(interval.into()));
                let (complete, incomplete) = (Some(complete), Some(incomplete));
                let reply = Reply { interval, peers, complete, incomplete, ..Reply::default() };
                Ok(Self::Announce { transaction, reply })
            }
            SCRAPE_ACTION => {
                let (all, _) = reader.rest.as_chunks::<12>();
                let counts = |bytes: &[u8; 12]| {
                    let (numbers, _) = bytes.as_chunks::<4>();
                    let [complete, downloaded, incomplete] =
                        [0, 1, 2].map(|at| numbers.get(at).copied().map_or(0, u32::from_be_bytes));
                    Counts { complete, downloaded, incomplete, downloaders: None }
                };
                let counts = all.iter().take(MAX_SCRAPE).map(counts).collect();
                Ok(Self::Scrape { transaction, counts })
            }
            ERROR_ACTION => Ok(Self::Error { transaction, message: reader.rest.to_vec() }),
            other => Err(PacketError::Action(other)),
        }
    }

    /// The packet. Peers are those of the receiver's family, as many as fit [`MAX_PACKET`].
    #[must_use]
    pub fn to_bytes(&self, to: IpAddr) -> Vec<u8> {
        let head = |action: u32, transaction: u32| [action.to_be_bytes(), transaction.to_be_bytes()].concat();
        let mut out;
        match self {
            Self::Connect { transaction, connection } => {
                out = head(CONNECT_ACTION, *transaction);
                out.extend_from_slice(&connection.to_be_bytes());
            }
            Self::Announce { transaction, reply } => {
                out = head(ANNOUNCE_ACTION, *transaction);
                let interval = reply.interval.unwrap_or_default().as_secs();
                let counts = [reply.incomplete, reply.complete].map(Option::unwrap_or_default);
                for number in [u32::try_from(interval).unwrap_or(u32::MAX), counts[0], counts[1]] {
                    out.extend_from_slice(&number.to_be_bytes());
                }
                let v4 = to.to_canonical().is_ipv4();
                let room = (MAX_PACKET - out.len()) / if v4 { 6 } else { 18 };
                let peers = reply.peers.iter().map(|peer| peer.addr);
                let peers: Vec<SocketAddr> = peers.filter(|addr| addr.is_ipv4() == v4).take(room).collect();
                out.extend(if v4 { addresses::write_v4(peers) } else { addresses::write_v6(peers) });
            }
            Self::Scrape { transaction, counts } => {
                out = head(SCRAPE_ACTION, *transaction);
                for counts in counts.iter().take(MAX_SCRAPE) {
                    for number in [counts.complete, counts.downloaded, counts.incomplete] {
                        out.extend_from_slice(&number.to_be_bytes());
                    }
                }
            }
            Self::Error { transaction, message } => {
                out = head(ERROR_ACTION, *transaction);
                out.extend_from_slice(message);
            }
        }
        out
    }
}
