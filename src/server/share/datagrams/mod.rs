//! The one UDP socket of a client: what comes in is given to whom it is for, and what they have to say is sent.
//!
//! Trackers (BEP 15), uTP (BEP 29) and the DHT (BEP 5) share it, as it is by one port that others know a client. Each is a value without I/O; which of them a datagram is for can be seen by
//! its first bytes. Datagrams go and come by the dozen, in one call of the system.

mod stream;

use std::collections::{BTreeSet, HashMap};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use bytes::BytesMut;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc, oneshot};

pub(in crate::server::share) use self::stream::UtpStream;
use crate::net::addr::ListenAddr;
use crate::net::random;
use crate::proto::bittorrent::dht::contact::Family;
use crate::proto::bittorrent::dht::{self, Dht, Saved};
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::tracker::TrackerError;
use crate::proto::bittorrent::tracker::udp::{self, Answer, Output, Question, Ticket};
use crate::proto::bittorrent::utp::{Event, Handle, Limits, Reason, Refused, Utp};

/// Bytes that a read may bring, of several datagrams of one sender.
const READ: usize = 64 << 10;

/// Datagrams that are sent at once at most.
const SENT: usize = 32;

/// Bytes that the system keeps for us: a burst of a fast network.
const SYSTEM: usize = 4 << 20;

/// Connections that wait to be taken at most.
const BACKLOG: usize = 128;

/// The socket, and what is spoken over it.
#[derive(Debug)]
pub(in crate::server::share) struct Datagrams {
    socket: UdpSocket,
    batches: UdpSocketState,
    /// Whether it reaches addresses of IPv4 as those of IPv6 that stand for them.
    is_v6: bool,
    state: Mutex<State>,
    /// Somebody has something to say.
    changed: Notify,
    accepted: mpsc::Sender<(Handle, SocketAddr)>,
    waiting: Mutex<Option<mpsc::Receiver<(Handle, SocketAddr)>>>,
}

/// What kind of node of the DHT there is.
#[derive(Clone, Copy, Debug)]
pub(in crate::server::share) struct DhtKind {
    /// Whether nodes on this host and on private networks count: for a DHT of one's own.
    pub(in crate::server::share) local: bool,
}

#[derive(Debug)]
struct State {
    trackers: udp::Client,
    asked: HashMap<Ticket, oneshot::Sender<Result<Answer, TrackerError>>>,
    dht: Option<Dht>,
    utp: Utp,
    streams: HashMap<Handle, Stream>,
    /// Whether connections of uTP are taken.
    takes: bool,
}

/// What is known of a connection of uTP beside its bytes.
#[derive(Debug, Default)]
struct Stream {
    connected: bool,
    finished: bool,
    closed: Option<Reason>,
    reads: Option<Waker>,
    writes: Option<Waker>,
}

impl Stream {
    fn wake(&mut self) {
        self.reads.take().into_iter().chain(self.writes.take()).for_each(Waker::wake);
    }
}

impl Datagrams {
    /// Opens the socket at the port at which connections are taken, or at any if that is taken.
    ///
    /// # Errors
    /// There is no socket.
    pub(in crate::server::share) fn open(
        listen: &ListenAddr,
        port: u16,
        dht: Option<DhtKind>,
    ) -> io::Result<Self> {
        let ip = match listen {
            ListenAddr::Tcp(addr) => addr.ip(),
            _ => Ipv6Addr::UNSPECIFIED.into(),
        };
        let bound =
            [(ip, port), (ip, 0), (Ipv4Addr::UNSPECIFIED.into(), port), (Ipv4Addr::UNSPECIFIED.into(), 0)];
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for (ip, port) in bound {
            match bind(ip, port) {
                Ok(socket) => return Self::of(socket, ip.is_ipv6(), dht),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn of(socket: UdpSocket, is_v6: bool, dht: Option<DhtKind>) -> io::Result<Self> {
        let batches = UdpSocketState::new((&socket).into())?;
        // As much as the system lets.
        let _ = batches.set_recv_buffer_size((&socket).into(), SYSTEM);
        let _ = batches.set_send_buffer_size((&socket).into(), SYSTEM);
        let seed = u64::from_be_bytes(random::bytes()?);
        let (accepted, waiting) = mpsc::channel(BACKLOG);
        let seed_of_dht = random::bytes()?;
        let families = if is_v6 { Family::ALL.into() } else { BTreeSet::from([Family::V4]) };
        let dht = dht.map(|DhtKind { local }| {
            let settings = dht::Settings { families, local, ..dht::Settings::default() };
            Dht::new(settings, Saved::default(), Instant::now(), seed_of_dht)
        });
        let state = State {
            dht,
            trackers: udp::Client::new(udp::Limits::default(), seed),
            asked: HashMap::new(),
            utp: Utp::new(Limits::default(), Instant::now(), seed.rotate_left(32)),
            streams: HashMap::new(),
            takes: true,
        };
        let waiting = Mutex::new(Some(waiting));
        Ok(Self {
            socket,
            batches,
            is_v6,
            state: Mutex::new(state),
            changed: Notify::new(),
            accepted,
            waiting,
        })
    }

    /// Whether an address can be reached from the socket.
    pub(super) fn reaches(&self, addr: SocketAddr) -> bool {
        self.is_v6 || addr.is_ipv4()
    }

    /// Whether there is a node of the DHT here.
    pub(super) fn has_dht(&self) -> bool {
        self.lock().dht.is_some()
    }

    /// Tells the DHT something, if there is one.
    pub(super) fn with_dht(&self, tell: impl FnOnce(&mut Dht, Instant)) {
        if let Some(dht) = &mut self.lock().dht {
            tell(dht, Instant::now());
        }
        self.changed.notify_one();
    }

    /// The port of the socket: that of the node of the DHT.
    pub(super) fn port(&self) -> Option<u16> {
        self.socket.local_addr().ok().map(|addr| addr.port())
    }

    /// Connects to a peer by uTP.
    ///
    /// # Errors
    /// It does not answer, or there are too many connections.
    pub(super) async fn connect(self: &Arc<Self>, to: SocketAddr) -> io::Result<UtpStream> {
        let handle = {
            let mut state = self.lock();
            let refused = |error: Refused| io::Error::other(error);
            let handle = state.utp.connect(Instant::now(), to).map_err(refused)?;
            state.streams.insert(handle, Stream::default());
            handle
        };
        self.changed.notify_one();
        let stream = UtpStream::new(Arc::clone(self), handle);
        stream.connected().await?;
        Ok(stream)
    }

    /// The next connection of uTP that a peer has made; `None` if somebody else waits for them.
    pub(super) async fn accept(self: &Arc<Self>, waiting: &mut Accepts) -> Option<(UtpStream, SocketAddr)> {
        let (handle, addr) = waiting.0.as_mut()?.recv().await?;
        Some((UtpStream::new(Arc::clone(self), handle), addr))
    }

    /// What connections are waited for by.
    pub(super) fn accepts(&self) -> Accepts {
        Accepts(self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take())
    }

    /// Asks a tracker.
    ///
    /// # Errors
    /// It does not answer, or will not.
    pub(super) async fn ask(&self, tracker: SocketAddr, question: Question) -> Result<Answer, TrackerError> {
        let (tell, told) = oneshot::channel();
        {
            let mut state = self.lock();
            let asked = state.trackers.ask(Instant::now(), tracker, question);
            let ticket = asked.map_err(|error| TrackerError::Unreachable(error.to_string()))?;
            state.asked.insert(ticket, tell);
        }
        self.changed.notify_one();
        told.await.unwrap_or(Err(TrackerError::Silent))
    }

    /// Sends and receives for as long as it is polled. `heard_of` is told of peers that the DHT knows.
    pub(in crate::server::share) async fn run(&self, heard_of: impl Fn(Sha1, SocketAddr)) {
        let mut buffers: Vec<BytesMut> = (0..BATCH_SIZE).map(|_| BytesMut::zeroed(READ)).collect();
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        loop {
            let deadline = self.pump(&heard_of).await;
            let due = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let received = self.socket.async_io(Interest::READABLE, || {
                let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
                    std::array::from_fn(|_| IoSliceMut::new(&mut []));
                for (slice, buffer) in slices.iter_mut().zip(&mut buffers) {
                    *slice = IoSliceMut::new(buffer);
                }
                self.batches.recv((&self.socket).into(), &mut slices, &mut metas)
            });
            tokio::select! {
                // An error is of a datagram that somebody has not taken.
                received = received => {
                    let count = received.unwrap_or_default();
                    for (meta, buffer) in metas.iter().zip(&mut buffers).take(count) {
                        self.heard(meta, buffer);
                    }
                }
                () = self.changed.notified() => {}
                () = due => {}
            }
        }
    }

    /// Gives the datagrams of a read to whom they are for.
    fn heard(&self, meta: &RecvMeta, buffer: &mut BytesMut) {
        let from = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
        let mut rest = buffer.split_to(meta.len.min(buffer.len())).freeze();
        let now = Instant::now();
        let mut state = self.lock();
        while !rest.is_empty() {
            let datagram = rest.split_to(rest.len().min(meta.stride.max(1)));
            if Utp::is_packet(&datagram) {
                // What is no packet of a connection is no fault of ours.
                let _ = state.utp.receive(now, from, datagram);
            } else if datagram.first() == Some(&b'd') {
                // A dictionary: a message of the DHT.
                if let Some(dht) = &mut state.dht {
                    dht.receive(now, from, &datagram);
                }
            } else {
                state.trackers.heard(now, from, &datagram);
            }
        }
        drop(state);
        // What uTP keeps of the bytes, it keeps of this buffer: another one takes its place, unless it is free again.
        if !buffer.try_reclaim(READ) {
            *buffer = BytesMut::with_capacity(READ);
        }
        buffer.resize(READ, 0);
    }

    /// Sends what there is to send. When there will be more.
    async fn pump(&self, heard_of: &impl Fn(Sha1, SocketAddr)) -> Option<Instant> {
        let mut out = Vec::new();
        loop {
            let now = Instant::now();
            let mut peers = Vec::new();
            let next = {
                let mut state = self.lock();
                state.utp.handle_timeout(now);
                self.tell(&mut state);
                if let Some(dht) = &mut state.dht {
                    dht.poll(now);
                    while let Some(event) = dht.event() {
                        if let dht::Event::Peers { info_hash, peers: found } = event {
                            peers.push((info_hash, found));
                        }
                    }
                }
                if let Some(transmit) = state.dht.as_mut().and_then(Dht::transmit) {
                    out = transmit.bytes;
                    Ok((transmit.to, out.len()))
                } else if let Some(output) = state.trackers.poll(now) {
                    match output {
                        Output::Send { to, bytes } => {
                            out = bytes;
                            Ok((to, out.len()))
                        }
                        Output::Done { ticket, answer } => {
                            if let Some(tell) = state.asked.remove(&ticket) {
                                let _ = tell.send(answer);
                            }
                            continue;
                        }
                    }
                } else {
                    out.clear();
                    match state.utp.transmit(now, &mut out, SENT) {
                        Some(transmit) => Ok((transmit.to, transmit.segment)),
                        None => {
                            let dht = state.dht.as_ref().map(Dht::deadline);
                            let deadlines = [state.trackers.deadline(), state.utp.next_deadline(), dht];
                            Err(deadlines.into_iter().flatten().min())
                        }
                    }
                }
            };
            for (name, found) in peers {
                found.into_iter().for_each(|addr| heard_of(name, addr));
            }
            let (to, segment) = match next {
                Ok(next) => next,
                Err(deadline) => return deadline,
            };
            let transmit = quinn_udp::Transmit {
                destination: self.mapped(to),
                ecn: None,
                contents: &out,
                segment_size: (out.len() > segment).then_some(segment),
                src_ip: None,
            };
            // What is lost is said again.
            let _ = self
                .socket
                .async_io(Interest::WRITABLE, || self.batches.try_send((&self.socket).into(), &transmit))
                .await;
        }
    }

    /// Tells streams what has become of them.
    fn tell(&self, state: &mut State) {
        while let Some(event) = state.utp.poll_event() {
            match event {
                Event::Accepted(handle, addr) => {
                    state.streams.insert(handle, Stream { connected: true, ..Stream::default() });
                    if !state.takes || self.accepted.try_send((handle, addr)).is_err() {
                        state.utp.abort(handle);
                        state.streams.remove(&handle);
                    }
                }
                Event::Connected(handle) => told(state, handle, |stream| stream.connected = true),
                Event::Readable(handle) | Event::Writable(handle) => told(state, handle, |_| {}),
                Event::Finished(handle) => told(state, handle, |stream| stream.finished = true),
                Event::Closed(handle, reason) => told(state, handle, |stream| stream.closed = Some(reason)),
            }
        }
    }

    /// Takes no connections of uTP.
    pub(super) fn refuse_utp(&self) {
        self.lock().takes = false;
    }

    /// An address as the socket has it.
    fn mapped(&self, addr: SocketAddr) -> SocketAddr {
        match addr.ip() {
            IpAddr::V4(ip) if self.is_v6 => SocketAddr::new(ip.to_ipv6_mapped().into(), addr.port()),
            _ => addr,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes what is known of a stream, and wakes whoever waits for it.
fn told(state: &mut State, handle: Handle, change: impl FnOnce(&mut Stream)) {
    if let Some(stream) = state.streams.get_mut(&handle) {
        change(stream);
        stream.wake();
    }
}

/// Connections that peers have made.
#[derive(Debug)]
pub(super) struct Accepts(Option<mpsc::Receiver<(Handle, SocketAddr)>>);

fn bind(ip: IpAddr, port: u16) -> io::Result<UdpSocket> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address((ip, port).into()), Type::DGRAM, Some(Protocol::UDP))?;
    if ip.is_ipv6() && ip.is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(ip, port).into())?;
    UdpSocket::from_std(socket.into())
}
