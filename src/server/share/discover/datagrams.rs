//! The one UDP socket of a client: what comes in is given to whom it is for, and what they have to say is sent.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::{Notify, oneshot};

use crate::net::addr::ListenAddr;
use crate::proto::bittorrent::tracker::TrackerError;
use crate::proto::bittorrent::tracker::udp::{self, Answer, Output, Question, Ticket};

/// Bytes of a datagram at most.
const MAX_DATAGRAM: usize = 64 << 10;

/// The socket, and what is spoken over it.
#[derive(Debug)]
pub(in crate::server::share) struct Datagrams {
    socket: UdpSocket,
    /// Whether it reaches addresses of IPv4 as those of IPv6 that stand for them.
    is_v6: bool,
    state: Mutex<State>,
    /// Somebody has something to say.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    trackers: udp::Client,
    asked: HashMap<Ticket, oneshot::Sender<Result<Answer, TrackerError>>>,
}

impl Datagrams {
    /// Opens the socket at the port at which connections are taken, or at any if that is taken.
    ///
    /// # Errors
    /// There is no socket.
    pub(in crate::server::share) fn open(listen: &ListenAddr, port: u16) -> io::Result<Self> {
        let ip = match listen {
            ListenAddr::Tcp(addr) => addr.ip(),
            _ => Ipv6Addr::UNSPECIFIED.into(),
        };
        let bound =
            [(ip, port), (ip, 0), (Ipv4Addr::UNSPECIFIED.into(), port), (Ipv4Addr::UNSPECIFIED.into(), 0)];
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for (ip, port) in bound {
            match bind(ip, port) {
                Ok(socket) => {
                    let state = State {
                        trackers: udp::Client::new(udp::Limits::default(), fastrand::u64(..)),
                        asked: HashMap::new(),
                    };
                    let is_v6 = ip.is_ipv6();
                    return Ok(Self { socket, is_v6, state: Mutex::new(state), changed: Notify::new() });
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Whether an address can be reached from the socket.
    pub(super) fn reaches(&self, addr: SocketAddr) -> bool {
        self.is_v6 || addr.is_ipv4()
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

    /// Sends and receives for as long as it is polled.
    pub(in crate::server::share) async fn run(&self) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            let deadline = self.pump().await;
            let due = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                received = self.socket.recv_from(&mut buffer) => {
                    // An error is of a datagram that somebody has not taken.
                    if let Ok((length, from)) = received {
                        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                        let datagram = buffer.get(..length).unwrap_or_default();
                        self.lock().trackers.heard(Instant::now(), from, datagram);
                    }
                }
                () = self.changed.notified() => {}
                () = due => {}
            }
        }
    }

    /// Sends what there is to send. When there will be more.
    async fn pump(&self) -> Option<Instant> {
        loop {
            let output = {
                let mut state = self.lock();
                match state.trackers.poll(Instant::now()) {
                    Some(output) => output,
                    None => return state.trackers.deadline(),
                }
            };
            match output {
                Output::Send { to, bytes } => {
                    // What is lost is said again.
                    let _ = self.socket.send_to(&bytes, self.mapped(to)).await;
                }
                Output::Done { ticket, answer } => {
                    if let Some(tell) = self.lock().asked.remove(&ticket) {
                        let _ = tell.send(answer);
                    }
                }
            }
        }
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
