//! What is said beside pieces on the connection with one peer: who both are, metadata, other peers, whether anything is wanted
//! (BEP 9, 10, 11, 21, 55).

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::Swarm;
use super::link::{Carrier, Link, Mail};
use super::session::Ended;
use super::sharing::Sharing;
use crate::net::conn::{Conn, ConnError};
use crate::net::io::Io;
use crate::proto::bittorrent::contacts::{Ending, Source};
use crate::proto::bittorrent::mse::Sealed;
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::torrent::Newcomer;
use crate::proto::bittorrent::wire::extension::{self, Extension, HANDSHAKE};
use crate::proto::bittorrent::wire::holepunch::Holepunch;
use crate::proto::bittorrent::wire::metadata::Metadata;
use crate::proto::bittorrent::wire::pex::{Exchange, Flags};
use crate::proto::bittorrent::wire::{Bitfield, Codec, Handshake, Message, Said};
use crate::server::share::settings::Transport;

/// What we are called.
const CLIENT: &str = concat!("wireworks ", env!("CARGO_PKG_VERSION"));

/// Requests that we let wait, as [`torrent::Settings`](crate::proto::bittorrent::torrent::Settings) has it by default.
const REQUESTS: u32 = 2000;

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) addr: SocketAddr,
    /// Whether it has connected to us.
    pub(super) incoming: bool,
    pub(super) hello: Handshake,
    pub(super) carrier: Carrier,
}

/// What both have told of themselves.
#[derive(Debug)]
pub(super) struct Extensions {
    pub(super) peer: Peer,
    theirs: extension::Handshake,
    /// Whether it was told that nothing is here, as nothing was known.
    greeted: bool,
    /// Whether it knows where our node of the DHT is, or need not.
    port_told: bool,
    /// Where it takes connections, if that is known.
    listens: Option<SocketAddr>,
    /// What it was told of whether we only upload (BEP 21).
    upload_only: bool,
    /// Its number among those who talk of metadata and of others.
    key: Option<PeerKey>,
}

impl Extensions {
    pub(super) fn new(peer: Peer) -> Self {
        Self {
            peer,
            theirs: extension::Handshake::default(),
            greeted: false,
            port_told: false,
            listens: (!peer.incoming).then_some(peer.addr),
            upload_only: false,
            key: None,
        }
    }

    /// What the torrent has to know of it.
    pub(super) fn newcomer(&self) -> Newcomer {
        Newcomer {
            addr: self.peer.addr,
            fast: self.peer.hello.reserved.fast(),
            impatient: self.peer.hello.peer.is_impatient(),
            greeted: self.greeted,
            runs: false,
        }
    }

    /// What its program is called, if it has said.
    pub(super) fn client(&self) -> Option<&str> {
        self.theirs.client.as_deref()
    }

    /// What the torrent is to know of what it has told: how many requests it lets wait, and whether it wants anything.
    pub(super) fn tell_torrent(&self, sharing: &Sharing, key: PeerKey) {
        sharing.with(Some(key), |state, _| {
            if let Some(requests) = self.theirs.requests {
                state.torrent.takes(key, requests);
            }
            if let Some(only) = self.theirs.upload_only {
                state.torrent.uploads_only(key, only);
            }
        });
    }

    /// The first words behind the handshake: what we can. Whoever knows the fast extension hears at once that nothing is here, if nothing is known (BEP 6).
    pub(super) fn introduce(
        &mut self,
        swarm: &Arc<Swarm>,
        conn: &mut Conn<Io, Sealed<Codec>>,
        link: &Arc<Link>,
    ) -> Result<(), Ended> {
        self.key = Some(swarm.beside.join(self.peer.addr, link));
        let reserved = self.peer.hello.reserved;
        if reserved.extensions() {
            self.upload_only = swarm.is_upload_only();
            let ours = extension::Handshake {
                numbers: numbers(swarm),
                port: swarm.common.port(),
                client: Some(CLIENT.to_owned()),
                metadata_size: swarm.beside.metadata_size(),
                requests: Some(REQUESTS),
                your_ip: Some(self.peer.addr.ip().to_canonical()),
                upload_only: self.upload_only.then_some(true),
            };
            say(conn, Message::Extended { id: HANDSHAKE, payload: ours.to_bytes().into() })?;
        }
        if let Some(listens) = self.listens {
            swarm.beside.came(listens, self.flags());
        }
        if swarm.sharing().is_none() {
            self.greeted = true;
            if reserved.fast() {
                say(conn, Message::HaveNone)?;
            }
        }
        Ok(())
    }

    /// Tells where our node of the DHT is, once what we have was said (BEP 5, BEP 6).
    pub(super) fn port(
        &mut self,
        swarm: &Arc<Swarm>,
        conn: &mut Conn<Io, Sealed<Codec>>,
    ) -> Result<(), Ended> {
        let datagrams = &swarm.common.datagrams;
        let is_due = !std::mem::replace(&mut self.port_told, true) && self.peer.hello.reserved.dht();
        match datagrams.port().filter(|_| is_due && datagrams.has_dht() && !swarm.is_private()) {
            Some(port) => say(conn, Message::Port(port)),
            None => Ok(()),
        }
    }

    /// It has said something of an extension.
    pub(super) fn heard(
        &mut self,
        swarm: &Arc<Swarm>,
        conn: &mut Conn<Io, Sealed<Codec>>,
        id: u8,
        payload: &Bytes,
    ) -> Result<(), Ended> {
        let wrong = |error: &dyn std::fmt::Display| Ended::Extension(error.to_string());
        if id == HANDSHAKE {
            let said = extension::Handshake::read(payload).map_err(|error| wrong(&error))?;
            self.introduced(swarm, said);
            return Ok(());
        }
        let Some(key) = self.key else { return Ok(()) };
        match Extension::of(id) {
            Some(Extension::Metadata) => {
                let Some(said) = Metadata::read(payload).map_err(|error| wrong(&error))? else {
                    return Ok(());
                };
                let answer = swarm.beside.metadata(key, said).map_err(|error| wrong(&error))?;
                answer.map_or(Ok(()), |answer| self.deliver(conn, Mail::Metadata(answer)))
            }
            Some(Extension::Exchange) if !swarm.is_private() => {
                let said = Exchange::read(payload).map_err(|error| wrong(&error))?;
                let peers = swarm.beside.told(key, &said).map_err(|error| wrong(&error))?;
                peers.into_iter().for_each(|addr| swarm.heard_of(addr, Source::Exchange));
                Ok(())
            }
            Some(Extension::Holepunch) => {
                // What makes no sense may be of a later version.
                let call = Holepunch::read(payload).and_then(|said| swarm.beside.holepunch(key, said));
                call.into_iter().for_each(|addr| swarm.call_by_utp(addr));
                Ok(())
            }
            Some(Extension::UploadOnly) => {
                self.theirs.upload_only = payload.first().map(|only| *only != 0);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What it tells of itself. Each handshake changes what it has only.
    fn introduced(&mut self, swarm: &Arc<Swarm>, said: extension::Handshake) {
        for (extension, number) in said.numbers {
            self.theirs.numbers.retain(|(known, _)| *known != extension);
            self.theirs.numbers.push((extension, number));
        }
        self.theirs.client = said.client.or(self.theirs.client.take());
        self.theirs.metadata_size = said.metadata_size.or(self.theirs.metadata_size);
        self.theirs.requests = said.requests.or(self.theirs.requests);
        self.theirs.upload_only = said.upload_only.or(self.theirs.upload_only);
        if let Some(port) = said.port.filter(|_| self.listens.is_none()) {
            let listens = SocketAddr::new(self.peer.addr.ip(), port);
            self.listens = Some(listens);
            swarm.came(listens);
        }
        if let Some(listens) = self.listens {
            swarm.beside.came(listens, self.flags());
        }
        let Some(key) = self.key else { return };
        let knows = |extension| self.knows(extension);
        swarm.beside.knows_holepunching(key, knows(Extension::Holepunch), self.listens);
        if let Some(size) = self.theirs.metadata_size.filter(|_| knows(Extension::Metadata)) {
            swarm.beside.has_metadata(key, size);
        }
        if knows(Extension::Exchange) && !swarm.is_private() {
            swarm.beside.listens(key, self.listens.unwrap_or(self.peer.addr));
        }
    }

    fn knows(&self, extension: Extension) -> bool {
        self.theirs.number(extension).is_some_and(|number| number != 0)
    }

    /// What others are told of it.
    fn flags(&self) -> Flags {
        let flags = [
            (Flags::OUTGOING, !self.peer.incoming),
            (Flags::UTP, self.peer.carrier == Carrier::Utp),
            (Flags::UPLOAD_ONLY, self.theirs.upload_only == Some(true)),
            (Flags::HOLEPUNCH, self.knows(Extension::Holepunch)),
        ];
        Flags(flags.into_iter().filter(|(_, is)| *is).fold(0, |all, (flag, _)| all | flag.0))
    }

    /// Tells whether we only upload, if that has changed and the peer wants to hear of it (BEP 21).
    pub(super) fn tell_upload_only(
        &mut self,
        conn: &mut Conn<Io, Sealed<Codec>>,
        only: bool,
    ) -> Result<(), Ended> {
        match self.theirs.number(Extension::UploadOnly) {
            Some(id) if id != 0 && only != self.upload_only => {
                self.upload_only = only;
                say(conn, Message::Extended { id, payload: vec![u8::from(only)].into() })
            }
            _ => Ok(()),
        }
    }

    /// Says something, if the peer wants to hear of it.
    pub(super) fn deliver(&mut self, conn: &mut Conn<Io, Sealed<Codec>>, mail: Mail) -> Result<(), Ended> {
        let (extension, payload) = match mail {
            Mail::Hashes(range) => return say(conn, Message::HashRequest(range)),
            Mail::Metadata(said) => (Extension::Metadata, said.to_bytes()),
            Mail::Exchange(said) => (Extension::Exchange, said.to_bytes()),
            Mail::Holepunch(said) => (Extension::Holepunch, said.to_bytes()),
        };
        match self.theirs.number(extension) {
            None | Some(0) => Ok(()),
            Some(id) => say(conn, Message::Extended { id, payload: payload.into() }),
        }
    }

    /// What is said of neither pieces nor extensions.
    pub(super) fn other(&mut self, swarm: &Arc<Swarm>, message: Message) -> Result<(), Ended> {
        match message {
            Message::Hashes { range, hashes } => {
                let Some(key) = self.key else { return Ok(()) };
                let heard = swarm.beside.hashes(key, range, &hashes);
                heard.map_err(|error| Ended::Extension(error.to_string()))
            }
            Message::HashReject(range) => {
                self.key.into_iter().for_each(|key| swarm.beside.refused(key, range));
                Ok(())
            }
            Message::Port(port) => {
                let node = SocketAddr::new(self.peer.addr.ip(), port);
                swarm.common.datagrams.with_dht(|dht, now| dht.add_node(now, node));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Hashes of pieces are asked for: the peer has these, or one more.
    pub(super) fn offer(&self, swarm: &Arc<Swarm>, message: &Message, pieces: u32) {
        let Some(key) = self.key else { return };
        match message {
            Message::HaveNone => swarm.beside.has_pieces(key, &Bitfield::none(pieces)),
            Message::HaveAll => swarm.beside.has_pieces(key, &Bitfield::all(pieces)),
            Message::Bitfield(bytes) => {
                let has = Bitfield::read(bytes, pieces);
                has.iter().for_each(|has| swarm.beside.has_pieces(key, has));
            }
            Message::Have(piece) => swarm.beside.has_piece(key, *piece),
            _ => {}
        }
    }

    /// The connection has ended, in this way.
    pub(super) fn goodbye(&self, swarm: &Arc<Swarm>, ending: Ending) {
        if let Some(key) = self.key {
            swarm.beside.leave(key, self.listens);
        }
        if let (true, Some(listens)) = (self.peer.incoming, self.listens) {
            swarm.went(listens, ending);
        }
    }
}

/// What we understand. Peers of private torrents come from trackers only, and metadata from whoever gave the torrent; a hole is
/// punched by uTP.
fn numbers(swarm: &Swarm) -> Vec<(Extension, u8)> {
    let (public, utp) = (!swarm.is_private(), swarm.common.settings.transport != Transport::Tcp);
    let known = [
        (Extension::Metadata, public),
        (Extension::Exchange, public),
        (Extension::Holepunch, public && utp),
        (Extension::UploadOnly, true),
    ];
    known.into_iter().filter(|(_, is)| *is).map(|(extension, _)| (extension, extension as u8)).collect()
}

fn say(conn: &mut Conn<Io, Sealed<Codec>>, message: Message) -> Result<(), Ended> {
    Ok(conn.feed(Said::Message(message)).map_err(ConnError::Proto)?)
}
