//! Files and peers of a torrent, and how they are written.

use std::net::SocketAddr;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::Priority;

/// A file of a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File<'a> {
    /// Where it is below the download folder: names with slashes between them, beginning with that of the torrent.
    pub path: &'a str,
    /// Bytes of it.
    pub length: u64,
    /// Those of them that are here.
    pub have: u64,
    /// Whether it is downloaded.
    pub wanted: bool,
    /// How much it matters.
    pub priority: Priority,
}

/// A file as `files` has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileEntry<'a> {
    bytes_completed: u64,
    length: u64,
    name: &'a str,
}

/// A file as `fileStats` has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileState {
    bytes_completed: u64,
    priority: Priority,
    wanted: bool,
}

impl<'a> File<'a> {
    pub(super) fn entry(&self) -> FileEntry<'a> {
        FileEntry { bytes_completed: self.have, length: self.length, name: self.path }
    }

    pub(super) fn state(&self) -> FileState {
        FileState { bytes_completed: self.have, priority: self.priority, wanted: self.wanted }
    }
}

/// How a peer was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerSource {
    /// By a tracker, or by hand.
    #[default]
    Tracker,
    /// It found us.
    Incoming,
    /// By the DHT.
    Dht,
    /// By other peers (BEP 11).
    Pex,
    /// On the same network.
    Lpd,
    /// By the state of the last run.
    Cache,
}

/// A peer that is connected. The client is we.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peer<'a> {
    /// Where it is.
    pub address: SocketAddr,
    /// Its program; empty while that is not known.
    pub client: &'a str,
    /// How it was found.
    pub source: PeerSource,
    /// How much it has: 1 is all.
    pub progress: f64,
    /// Bytes a second that come from it.
    pub rate_to_client: u64,
    /// Bytes a second that go to it.
    pub rate_to_peer: u64,
    /// Whether it chokes us.
    pub client_is_choked: bool,
    /// Whether we are interested in it.
    pub client_is_interested: bool,
    /// Whether we choke it.
    pub peer_is_choked: bool,
    /// Whether it is interested in us.
    pub peer_is_interested: bool,
    /// Whether it is unchoked to find out what it gives (BEP 3, "optimistic unchoking").
    pub is_optimistic: bool,
    /// Whether it is spoken to in cipher.
    pub is_encrypted: bool,
    /// Whether it is spoken to by uTP.
    pub is_utp: bool,
}

impl Peer<'_> {
    fn is_sending(&self) -> bool {
        self.client_is_interested && !self.client_is_choked
    }

    fn is_getting(&self) -> bool {
        self.peer_is_interested && !self.peer_is_choked
    }

    /// What Transmission shows of a peer in letters, in its order.
    fn flags(&self) -> String {
        let letters = [
            ('T', self.is_utp),
            ('O', self.is_optimistic),
            ('D', self.is_sending()),
            ('d', self.client_is_interested && self.client_is_choked),
            ('U', self.is_getting()),
            ('u', self.peer_is_interested && self.peer_is_choked),
            ('K', !self.client_is_choked && !self.client_is_interested),
            ('?', !self.peer_is_choked && !self.peer_is_interested),
            ('E', self.is_encrypted),
            ('H', self.source == PeerSource::Dht),
            ('X', self.source == PeerSource::Pex),
            ('I', self.source == PeerSource::Incoming),
        ];
        letters.into_iter().filter_map(|(letter, holds)| holds.then_some(letter)).collect()
    }
}

impl Serialize for Peer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Peer", 16)?;
        fields.serialize_field("address", &self.address.ip())?;
        fields.serialize_field("clientIsChoked", &self.client_is_choked)?;
        fields.serialize_field("clientIsInterested", &self.client_is_interested)?;
        fields.serialize_field("clientName", self.client)?;
        fields.serialize_field("flagStr", &self.flags())?;
        fields.serialize_field("isDownloadingFrom", &self.is_sending())?;
        fields.serialize_field("isEncrypted", &self.is_encrypted)?;
        fields.serialize_field("isIncoming", &(self.source == PeerSource::Incoming))?;
        fields.serialize_field("isUTP", &self.is_utp)?;
        fields.serialize_field("isUploadingTo", &self.is_getting())?;
        fields.serialize_field("peerIsChoked", &self.peer_is_choked)?;
        fields.serialize_field("peerIsInterested", &self.peer_is_interested)?;
        fields.serialize_field("port", &self.address.port())?;
        fields.serialize_field("progress", &self.progress)?;
        fields.serialize_field("rateToClient", &self.rate_to_client)?;
        fields.serialize_field("rateToPeer", &self.rate_to_peer)?;
        fields.end()
    }
}
