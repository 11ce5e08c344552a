//! The only accept loop of the suite, and the gate that every connection passes.
//!
//! Accept, count, read the PROXY header if the peer is a trusted proxy, shake hands if there is TLS, hand over. Each step
//! has a limit or a deadline. What the header looks like is not known here: a server that wants one brings its parser.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rustix::io::Errno;
use tokio::net::TcpStream;

use super::addr::{PeerAddr, Prefixes};
use super::drain::{Drain, Guard};
use super::io::Io;
use super::limits::{Admission, ConnectionLimits, Permit, Refused};
use super::listen::{Listener, Stream};
use super::preamble;
use super::tls::Tls;

/// What a gate checks.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// How many connections there may be.
    pub limits: ConnectionLimits,
    /// TLS, on every TCP listener behind this gate.
    pub tls: Option<Tls>,
    /// How long a TLS handshake may take.
    pub tls_handshake_timeout: Duration,
    /// The header by which trusted proxies name their clients.
    pub preamble: Option<PreambleSettings>,
    /// What a refused connection is told, when it is not encrypted, before it is closed.
    pub refusal: Bytes,
    /// Who is told of refused connections.
    pub on_refusal: Option<OnRefused>,
    /// The gate whose place this one takes: its statistics go on, and, if the limits are the same, its connections count.
    pub before: Option<Arc<Gate>>,
}

/// Told of each connection over a limit, by the accept loop: it must not wait. Clones are the same.
#[derive(Clone)]
pub struct OnRefused(Arc<dyn Fn(&RefusedConnection) + Send + Sync>);

/// A connection over a limit.
#[derive(Clone, Copy, Debug)]
pub struct RefusedConnection {
    /// Whose it was.
    pub peer: PeerAddr,
    /// Which limit.
    pub refused: Refused,
    /// Whether it was told why before it was closed: not where it would have to be encrypted.
    pub told: bool,
}

impl OnRefused {
    /// Calls `f`.
    pub fn new(f: impl Fn(&RefusedConnection) + Send + Sync + 'static) -> Self {
        Self(Arc::new(f))
    }
}

impl fmt::Debug for OnRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRefused")
    }
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            limits: ConnectionLimits::default(),
            tls: None,
            tls_handshake_timeout: Duration::from_secs(10),
            preamble: None,
            refusal: Bytes::new(),
            on_refusal: None,
            before: None,
        }
    }
}

/// The header that a proxy sends in front of everything else.
#[derive(Clone, Debug)]
pub struct PreambleSettings {
    /// Whose word counts. From them the header is required; from others it is not read, and so breaks the protocol.
    pub trusted: Prefixes,
    /// How long the header may take.
    pub timeout: Duration,
    /// Its parser.
    pub parse: ParsePreamble,
}

/// Looks at the first bytes of a connection, all that have come so far.
pub type ParsePreamble = fn(&[u8]) -> Result<Preamble, BoxError>;

/// What is wrong with a header, in the words of its parser.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What a prefix of a connection's bytes holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preamble {
    /// The beginning of a header: all of it belongs to the header.
    Incomplete,
    /// A whole header.
    Complete {
        /// Its length in bytes.
        consumed: usize,
        /// Whom it names, if anybody.
        client: Option<PeerAddr>,
        /// The address that this client has connected to, if it says so.
        server: Option<SocketAddr>,
    },
}

/// The gate of a server, shared by its shards.
#[derive(Debug)]
pub struct Gate {
    settings: GateSettings,
    admission: Admission,
    stats: Arc<GateStats>,
}

/// What happened at a gate. Counters, since the start.
#[derive(Debug, Default)]
pub struct GateStats {
    /// Connections accepted, refused ones included.
    pub accepted: AtomicU64,
    /// Refused: too many in all.
    pub refused_total: AtomicU64,
    /// Refused: too many of one address.
    pub refused_address: AtomicU64,
    /// TLS handshakes that failed or took too long.
    pub tls_failed: AtomicU64,
    /// PROXY headers that were malformed or took too long.
    pub preamble_failed: AtomicU64,
    /// Times that accept failed for lack of descriptors or memory.
    pub exhausted: AtomicU64,
}

/// A connection that passed the gate. It counts as one until it is dropped.
#[derive(Debug)]
pub struct Arrival {
    /// The stream.
    pub io: Io,
    /// Who is at the other end.
    pub peer: PeerAddr,
    /// The address that the client has connected to, where a trusted proxy tells it; otherwise it is that of the socket.
    pub server: Option<SocketAddr>,
    /// The number of the connection at this gate.
    pub number: u64,
    /// What makes it count.
    pub place: Place,
}

#[cfg(test)]
impl Arrival {
    /// A connection within the process, that nobody had to let in.
    pub(crate) fn in_memory(stream: tokio::io::DuplexStream) -> Self {
        let place = Place {
            _permit: Admission::new(ConnectionLimits::DEFAULT).admit(&PeerAddr::Unix).unwrap(),
            _guard: Drain::new().guard(),
        };
        Self { io: Io::Memory(stream), peer: PeerAddr::Unix, server: None, number: 1, place }
    }
}

/// A connection's place among those that are counted and waited for.
#[derive(Debug)]
pub struct Place {
    _permit: Permit,
    _guard: Guard,
}

impl Gate {
    /// A gate.
    #[must_use]
    pub fn new(mut settings: GateSettings) -> Self {
        let before = settings.before.take();
        let same = before.as_ref().filter(|gate| gate.settings.limits == settings.limits);
        let admission = same.map_or_else(|| Admission::new(settings.limits), |gate| gate.admission.clone());
        let stats = before.as_ref().map(|gate| Arc::clone(&gate.stats)).unwrap_or_default();
        Self { settings, admission, stats }
    }

    /// A gate for listeners beside those of this one: connections count as one with its own, as far as its limits go and in its statistics, and the same proxies are trusted. TLS is its own,
    /// and who is refused is told nothing, since another protocol is spoken there.
    #[must_use]
    pub fn beside(&self, tls: Option<Tls>) -> Self {
        let of_its_own = GateSettings { tls, ..GateSettings::default() };
        let settings = GateSettings {
            limits: self.settings.limits,
            tls_handshake_timeout: self.settings.tls_handshake_timeout,
            preamble: self.settings.preamble.clone(),
            ..of_its_own
        };
        Self { settings, admission: self.admission.clone(), stats: Arc::clone(&self.stats) }
    }

    /// What happened here: to be kept by whoever shows it, in place of the gate.
    #[must_use]
    pub fn stats(&self) -> &Arc<GateStats> {
        &self.stats
    }

    /// Connections that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.admission.connections()
    }

    /// What counts them.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// TLS, if there is any.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.settings.tls.as_ref()
    }

    /// The parser of the header that `peer` has to send, if it has to.
    fn preamble(&self, peer: &PeerAddr) -> Option<&PreambleSettings> {
        let preamble = self.settings.preamble.as_ref()?;
        preamble.trusted.contains(peer.ip()?).then_some(preamble)
    }

    /// Counts the connection in; what happens to it next may take time.
    fn admit(&self, stream: Stream, peer: PeerAddr) -> Option<Entrant> {
        let number = self.stats.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        let behind_proxy = self.preamble(&peer).is_some();
        let admitted =
            if behind_proxy { self.admission.admit_unknown() } else { self.admission.admit(&peer) };
        match admitted {
            Ok(permit) => Some(Entrant { stream, peer, server: None, number, permit }),
            Err(refused) => {
                self.refuse(&stream, peer, refused);
                None
            }
        }
    }

    fn refuse(&self, stream: &Stream, peer: PeerAddr, refused: Refused) {
        let counter = match refused {
            Refused::Total => &self.stats.refused_total,
            Refused::Address => &self.stats.refused_address,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(%refused, "connection refused");
        let told = self.settings.tls.is_none() || matches!(stream, Stream::Unix(_));
        // Before the client can know.
        if let Some(OnRefused(tell)) = &self.settings.on_refusal {
            tell(&RefusedConnection { peer, refused, told });
        }
        if told {
            say_at_once(stream, &self.settings.refusal);
        }
    }

    /// PROXY header and TLS handshake.
    async fn establish(&self, mut entrant: Entrant) -> Option<(Io, Entered)> {
        if let (Stream::Tcp(tcp), Some(settings)) = (&entrant.stream, self.preamble(&entrant.peer)) {
            let read = tokio::time::timeout(settings.timeout, preamble::read(tcp, settings.parse)).await;
            match read.map_err(|_| preamble::PreambleError::TooSlow).flatten() {
                Ok((client, server)) => {
                    entrant.peer = client.unwrap_or(entrant.peer);
                    entrant.server = server;
                }
                Err(error) => {
                    self.stats.preamble_failed.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(proxy = %entrant.peer, %error, "no PROXY header");
                    return None;
                }
            }
            if let Err(refused) = entrant.permit.attribute(&entrant.peer) {
                self.refuse(&entrant.stream, entrant.peer, refused);
                return None;
            }
        }
        let Entrant { peer, server, number, permit, .. } = entrant;
        let entered = Entered { peer, server, number, permit };
        match (entrant.stream, &self.settings.tls) {
            (Stream::Tcp(tcp), Some(tls)) => self.shake_hands(tcp, tls, entered).await,
            (stream, _) => Some((stream.into(), entered)),
        }
    }

    async fn shake_hands(&self, tcp: TcpStream, tls: &Tls, entered: Entered) -> Option<(Io, Entered)> {
        let handshake = tls.acceptor().accept(tcp);
        let result = tokio::time::timeout(self.settings.tls_handshake_timeout, handshake).await;
        match result.map_err(|_| io::Error::from(io::ErrorKind::TimedOut)).flatten() {
            Ok(stream) if Tls::is_challenge(stream.get_ref().1.alpn_protocol()) => None,
            Ok(stream) => Some((Io::Tls(Box::new(stream.into())), entered)),
            Err(error) => {
                self.stats.tls_failed.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(peer = %entered.peer, %error, "TLS handshake failed");
                None
            }
        }
    }

    /// Whether a connection is ready as it is.
    fn is_plain(&self, entrant: &Entrant) -> bool {
        let tls = self.settings.tls.is_some() && matches!(entrant.stream, Stream::Tcp(_));
        !tls && self.preamble(&entrant.peer).is_none()
    }
}

/// A connection that was counted.
struct Entrant {
    stream: Stream,
    peer: PeerAddr,
    server: Option<SocketAddr>,
    number: u64,
    permit: Permit,
}

/// What is left of an [`Entrant`] without its stream.
struct Entered {
    peer: PeerAddr,
    server: Option<SocketAddr>,
    number: u64,
    permit: Permit,
}

impl From<Stream> for Io {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Tcp(stream) => Self::Tcp(stream),
            Stream::Unix(stream) => Self::Unix(stream),
        }
    }
}

/// Accepts until the shutdown begins, and spawns `handle` for each connection.
///
/// Out of descriptors it waits, longer each time, and goes on. A listener that cannot accept any more, since somebody has
/// shut it down, is closed.
pub async fn serve<H, Fut>(listener: Listener, gate: Arc<Gate>, drain: Drain, handle: H)
where
    H: Fn(Arrival) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    // The shutdown waits until the queue is taken.
    let _guard = drain.accepting();
    let stopping = drain.stopping();
    tokio::pin!(stopping);
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stopping => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = FIRST_PAUSE;
                if let Some(entrant) = gate.admit(stream, peer) {
                    spawn(entrant, &gate, &drain, &handle);
                }
            }
            Err(error) => match Failure::of(&error) {
                Failure::Connection => tracing::debug!(%error, "accept failed"),
                Failure::Listener => {
                    tracing::error!(%error, listener = %listener.local_addr(), "the listener is of no use any more: it is closed");
                    break;
                }
                failure => {
                    if failure == Failure::Exhaustion {
                        gate.stats.exhausted.fetch_add(1, Ordering::Relaxed);
                    }
                    tracing::warn!(%error, pause_ms = pause.as_millis(), listener = %listener.local_addr(), "cannot accept");
                    tokio::select! {
                        () = &mut stopping => break,
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                    }
                }
            },
        }
    }
    // Whoever stands in the queue has connected, and may have asked: closing the listener would reset them.
    listener.turn_away();
    tokio::time::sleep(LAST_HANDSHAKES).await;
    loop {
        match listener.accept_queued() {
            Ok(Some((stream, peer))) => {
                if let Some(entrant) = gate.admit(stream, peer) {
                    spawn(entrant, &gate, &drain, &handle);
                }
            }
            // Each of these has taken a connection off the queue, which nobody joins any more.
            Err(error) if Failure::of(&error) == Failure::Connection => {}
            Ok(None) | Err(_) => break,
        }
    }
}

/// What a handshake of TCP that has begun may take to end before the listener is closed: a round trip, on most ways.
const LAST_HANDSHAKES: Duration = Duration::from_millis(50);

/// Pauses between attempts to accept when the process is out of descriptors.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What an error of accept is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// One connection, which is gone: the next one may be well.
    Connection,
    /// The process or the system has no room now.
    Exhaustion,
    /// The listener: it will not accept again.
    Listener,
    /// Something else, which may pass: a rule of the system that forbids it, for one.
    Other,
}

impl Failure {
    /// By accept(2), which names the errors of the network that a connection may bring with it. EOPNOTSUPP is among those
    /// and means a socket without connections too: as [`Failure::Other`], neither does harm.
    fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(
                Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::NOTCONN
                | Errno::INTR
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::TIMEDOUT
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::NONET
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH,
            ) => Self::Connection,
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Self::Exhaustion,
            // What is not of the system is the runtime's: it is shutting down.
            Some(Errno::INVAL | Errno::BADF | Errno::NOTSOCK) | None => Self::Listener,
            Some(_) => Self::Other,
        }
    }
}

fn spawn<H, Fut>(entrant: Entrant, gate: &Arc<Gate>, drain: &Drain, handle: &H)
where
    H: Fn(Arrival) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let guard = drain.guard();
    if gate.is_plain(&entrant) {
        let place = Place { _permit: entrant.permit, _guard: guard };
        let io = entrant.stream.into();
        tokio::spawn(handle(Arrival { io, peer: entrant.peer, server: None, number: entrant.number, place }));
        return;
    }
    let (gate, drain, handle) = (Arc::clone(gate), drain.clone(), handle.clone());
    tokio::spawn(async move {
        // Boxed, so that the connection's task does not keep room for a handshake.
        let established = tokio::select! {
            established = Box::pin(gate.establish(entrant)) => established,
            () = drain.sending_home() => None,
        };
        if let Some((io, entered)) = established {
            let Entered { peer, server, number, permit } = entered;
            let place = Place { _permit: permit, _guard: guard };
            let arrival = Arrival { io, peer, server, number, place };
            Box::pin(handle(arrival)).await;
        }
    });
}

/// Writes without waiting: a client that is refused is not waited for.
fn say_at_once(stream: &Stream, bytes: &[u8]) {
    match stream {
        Stream::Tcp(tcp) => {
            let _ = tcp.try_write(bytes);
            // What it has sent already is taken off, or closing would reset the connection under the reply.
            let _ = tcp.try_read(&mut [0; 4096]);
        }
        Stream::Unix(unix) => {
            let _ = unix.try_write(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::net::listen::bind;

    #[test]
    fn a_listener_that_was_shut_down_is_given_up() {
        for stopped in [false, true] {
            let (tell, told) = channel();
            // A thread of its own: a loop that spins would not let a timeout pass.
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(async {
                    let listener = bind(&"127.0.0.1:0".parse().unwrap(), false).unwrap();
                    listener.shut_down().unwrap();
                    let drain = Drain::new();
                    if stopped {
                        drain.stop();
                    }
                    let gate = Arc::new(Gate::new(GateSettings::default()));
                    serve(listener, gate, drain.clone(), |_| async {}).await;
                    assert_eq!(drain.live(), 0);
                });
                tell.send(()).unwrap();
            });
            told.recv_timeout(Duration::from_secs(30)).expect("the loop ends");
        }
    }

    #[test]
    fn errors_of_accept_are_about_one_connection_the_process_or_the_listener() {
        let rows = [
            (Failure::Connection, [Errno::CONNABORTED, Errno::NETUNREACH]),
            (Failure::Exhaustion, [Errno::MFILE, Errno::NOMEM]),
            (Failure::Listener, [Errno::INVAL, Errno::BADF]),
            (Failure::Other, [Errno::PERM, Errno::OPNOTSUPP]),
        ];
        for (expected, errors) in rows {
            for error in errors {
                assert_eq!(Failure::of(&error.into()), expected, "{error}");
            }
        }
        assert_eq!(Failure::of(&io::Error::other("no runtime")), Failure::Listener);
    }
}
