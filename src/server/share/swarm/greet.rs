//! The first words of a connection, on either side: who we are, and which torrent is meant.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpSocket;
use tokio::time::{Instant, timeout};

use super::Swarm;
use super::extensions::{Extensions, Peer};
use super::link::Carrier;
use super::session::Session;
use crate::codec;
use crate::net::client::{ConnectError, Connector};
use crate::net::conn::{Conn, ConnError};
use crate::net::io::Io;
use crate::net::random;
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::mse::{Attempt, Initiator, MseError, Responder, Sealed, Step};
use crate::proto::bittorrent::wire::{Codec, Handshake, PeerId, Reject, Reserved, Said};
use crate::server::share::common::Common;
use crate::server::share::settings::Transport;

/// How long a connection may take until it stands, and how long its handshake may. libtorrent waits 15 s and 10 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection by uTP may take: three of its first packets are lost by then. libtorrent waits 3 s.
const UTP_PATIENCE: Duration = Duration::from_secs(6);

/// How long TCP is waited for until uTP is tried beside it.
const HEAD_START: Duration = Duration::from_secs(2);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(in crate::server::share) enum GreetError {
    /// Nobody is there.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke, or no BitTorrent is spoken.
    #[error(transparent)]
    Conn(#[from] ConnError<Reject>),
    /// They could not agree on encryption.
    #[error(transparent)]
    Encryption(#[from] ConnError<MseError>),
    /// The system has no random bytes.
    #[error("{0}")]
    Random(#[source] io::Error),
    /// It left without a word.
    #[error("it left without a word")]
    Silent,
    /// It means another torrent.
    #[error("it means a torrent that is not shared here")]
    Stranger,
    /// It is us.
    #[error("it is this client itself")]
    Ourselves,
}

impl GreetError {
    /// Whether nobody should come here again.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Ourselves | Self::Stranger)
    }
}

/// Connects to a peer, in the ways that are wanted, one after the other.
pub(super) async fn call(
    swarm: &Arc<Swarm>,
    addr: SocketAddr,
    transport: Transport,
) -> Result<Session, GreetError> {
    let common = &swarm.common;
    let mut failed = GreetError::Silent;
    for attempt in common.settings.encryption.attempts() {
        let (io, carrier) = match transport {
            Transport::Tcp => (dial(common, addr).await?, Carrier::Tcp),
            Transport::Utp => (dial_utp(common, addr).await?, Carrier::Utp),
            Transport::Both => dial_both(common, addr).await?,
        };
        match introduce(swarm, addr, io, carrier, *attempt).await {
            Ok(session) => return Ok(session),
            Err(error) if error.is_final() => return Err(error),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

async fn dial(common: &Common, addr: SocketAddr) -> Result<Io, ConnectError> {
    let dial = async {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(from) = common.settings.from().filter(|from| from.is_ipv4() == addr.is_ipv4()) {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        let stream = socket.connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    Connector::new().deadline(PATIENCE).by(&addr.to_string(), dial, None).await
}

async fn dial_utp(common: &Common, addr: SocketAddr) -> Result<Io, ConnectError> {
    let dial = async { common.datagrams.connect(addr).await.map(Io::other) };
    Connector::new().deadline(UTP_PATIENCE).by(&addr.to_string(), dial, None).await
}

/// By TCP; and by uTP, too, where that fails or takes long, as behind a router that lets nobody in. The first one that stands is it.
async fn dial_both(common: &Common, addr: SocketAddr) -> Result<(Io, Carrier), ConnectError> {
    let mut tcp = pin!(dial(common, addr));
    let refused = match timeout(HEAD_START, &mut tcp).await {
        Ok(Ok(io)) => return Ok((io, Carrier::Tcp)),
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    let mut utp = pin!(dial_utp(common, addr));
    let refused = match refused {
        Some(error) => error,
        None => tokio::select! {
            tcp = &mut tcp => match tcp {
                Ok(io) => return Ok((io, Carrier::Tcp)),
                Err(error) => error,
            },
            utp = &mut utp => return match utp {
                Ok(io) => Ok((io, Carrier::Utp)),
                Err(_) => Ok((tcp.await?, Carrier::Tcp)),
            },
        },
    };
    Ok((utp.await.map_err(|_| refused)?, Carrier::Utp))
}

async fn introduce(
    swarm: &Arc<Swarm>,
    addr: SocketAddr,
    io: Io,
    carrier: Carrier,
    attempt: Attempt,
) -> Result<Session, GreetError> {
    let common = &swarm.common;
    let until = Instant::now() + PATIENCE;
    let mut conn = match attempt {
        Attempt::Plain => Conn::new(io, Sealed::plain(Codec::new()), common.clock.timer()),
        Attempt::Encrypted => {
            let seed = random::bytes().map_err(GreetError::Random)?;
            let (initiator, hello) = Initiator::new(common.settings.encryption, swarm.hash.id(), None, seed);
            let mut conn = Conn::new(io, initiator, common.clock.timer());
            conn.set_deadline(until);
            conn.feed(hello).map_err(ConnError::Proto)?;
            agree(conn).await?.0
        }
    };
    conn.set_deadline(until);
    conn.feed(Said::Handshake(ours(common, swarm))).map_err(ConnError::Proto)?;
    let hello = hear(&mut conn).await?;
    if !swarm.hash.is_named(hello.swarm) {
        return Err(GreetError::Stranger);
    }
    let peer = Peer { addr, incoming: false, hello: not_ours(hello, common.id)?, carrier };
    Ok(Session::new(Arc::clone(swarm), conn, Extensions::new(peer)))
}

/// Hears whom a peer wants that has connected. `marked` finds the swarm that an encrypted connection is about, and `find` the torrent of a swarm.
pub(in crate::server::share) async fn answer(
    common: &Arc<Common>,
    io: Io,
    (addr, carrier): (SocketAddr, Carrier),
    marked: impl FnMut(Sha1) -> Option<Sha1>,
    find: impl Fn(Sha1) -> Option<Arc<Swarm>>,
) -> Result<Session, GreetError> {
    let seed = random::bytes().map_err(GreetError::Random)?;
    let responder = Responder::new(common.settings.encryption, marked, seed);
    let mut conn = Conn::new(io, responder, common.clock.timer());
    conn.set_deadline(Instant::now() + PATIENCE);
    let (mut conn, meant) = agree(conn).await?;
    let hello = not_ours(hear(&mut conn).await?, common.id)?;
    let is_meant = meant.is_none_or(|meant| meant == hello.swarm);
    let swarm = find(hello.swarm).filter(|_| is_meant).ok_or(GreetError::Stranger)?;
    let ours = Handshake { swarm: hello.swarm, ..ours(common, &swarm) };
    conn.feed(Said::Handshake(ours)).map_err(ConnError::Proto)?;
    Ok(Session::new(swarm, conn, Extensions::new(Peer { addr, incoming: true, hello, carrier })))
}

/// Agrees on whether to encrypt, and about which torrent, if that was said.
async fn agree<C>(mut conn: Conn<Io, C>) -> Result<(Conn<Io, Sealed<Codec>>, Option<Sha1>), GreetError>
where
    C: codec::Codec<In = Step, Out = Bytes, Error = MseError>,
{
    loop {
        let step = conn.recv().await?.ok_or(GreetError::Silent)?;
        if !step.answer.is_empty() {
            conn.feed(step.answer).map_err(ConnError::Proto)?;
        }
        if let Some(established) = step.done {
            let meant = established.swarm();
            return Ok((conn.switch(Sealed::new(Codec::new(), established)), meant));
        }
    }
}

fn ours(common: &Common, swarm: &Swarm) -> Handshake {
    Handshake {
        reserved: Reserved::ours(
            common.datagrams.has_dht() && !swarm.is_private(),
            swarm.hash.v2().is_some(),
        ),
        swarm: swarm.hash.id(),
        peer: common.id,
    }
}

async fn hear(conn: &mut Conn<Io, Sealed<Codec>>) -> Result<Handshake, GreetError> {
    match conn.recv().await? {
        Some(Said::Handshake(hello)) => Ok(hello),
        _ => Err(GreetError::Silent),
    }
}

fn not_ours(hello: Handshake, own: PeerId) -> Result<Handshake, GreetError> {
    if hello.peer == own { Err(GreetError::Ourselves) } else { Ok(hello) }
}
