//! The peer of a connection, as handlers see it: its address, and what its TLS handshake told.

use std::sync::atomic::{AtomicU16, Ordering};

use crate::net::addr::PeerAddr;
use crate::net::serve::Arrival;
use crate::net::tls::TlsSession;

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// Its address; the one that a trusted proxy names, if there is one.
    pub addr: PeerAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// What the TLS handshake told of it. Boxed: few connections have it.
    session: Option<Box<TlsSession>>,
    /// The number of the connection, counted from the start of the process.
    pub connection: u64,
    /// The status by which the connection itself ended its last exchange; 0 as long as it has not.
    verdict: AtomicU16,
}

impl Peer {
    /// Who is at the other end of connection number `connection`.
    #[must_use]
    pub fn new(addr: PeerAddr, tls: bool, connection: u64) -> Self {
        Self { addr, tls, session: None, connection, verdict: AtomicU16::new(0) }
    }

    /// Who has arrived.
    #[must_use]
    pub fn of(arrival: &Arrival) -> Self {
        let peer = Self::new(arrival.peer, arrival.io.is_tls(), arrival.number);
        match arrival.io.tls_session() {
            Some(session) => peer.over_tls(session),
            None => peer,
        }
    }

    /// The same at the other end of TLS, whose handshake told this.
    #[must_use]
    pub fn over_tls(mut self, session: TlsSession) -> Self {
        self.tls = true;
        self.session = Some(Box::new(session));
        self
    }

    /// What the TLS handshake told: the name that the client asked for, the protocol, and the client's certificates. `None`
    /// without TLS.
    #[must_use]
    pub fn tls_session(&self) -> Option<&TlsSession> {
        self.session.as_deref()
    }

    /// Notes that the connection answers with `status` in place of the handler, whose future is about to be dropped.
    pub(super) fn overrule(&self, status: u16) {
        self.verdict.store(status, Ordering::Relaxed);
    }

    /// The status that the client got, for those who find that a handler was dropped before its reply was sent.
    pub(super) fn verdict(&self) -> Option<u16> {
        Some(self.verdict.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }
}
