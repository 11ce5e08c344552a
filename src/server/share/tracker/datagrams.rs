//! The door of UDP (BEP 15): a packet comes, and its answer goes where it came from.
//!
//! Nothing waits for a client. When the socket wakes its shard, packets are read until there are none, some at a time so
//! that connections of the same thread have their turn; an answer for which the socket has no room is dropped and counted,
//! as the client asks again. At the shutdown those that have come are answered still.

use std::io;
use std::net::{self, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::net::UdpSocket;

use super::{Tracker, socket};
use crate::net::addr::ListenAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::listen::ListenError;
use crate::server::process::{Address, Part, Process, Serving};

/// The name of this door in the lines `listening NAME ADDR`.
const NAME: &str = "tracker-udp";

/// Bytes of a packet at most: a scrape of 74 torrents has 1,496; of a longer one the rest is not looked at.
const MAX_REQUEST: usize = 2048;

/// Packets in one go.
const BATCH: usize = 256;

/// Between two looks at a socket that fails.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers packets at these addresses.
///
/// # Errors
/// One of them cannot be had.
pub(in crate::server::share) fn listen(
    tracker: &Tracker,
    addresses: &[ListenAddr],
    process: &mut Process,
) -> Result<(), ListenError> {
    let mut shards: Vec<Vec<net::UdpSocket>> = (0..process.threads).map(|_| Vec::new()).collect();
    for address in addresses {
        let (address, sockets) = socket::bind(address, process.threads)?;
        process.addresses.push(Address { server: NAME, address });
        shards.iter_mut().zip(sockets).for_each(|(shard, socket)| shard.push(socket));
    }
    let (tracker, drain) = (tracker.clone(), process.drain.clone());
    process.parts.push(Arc::new(Datagrams { tracker, sockets: Mutex::new(shards), drain }));
    Ok(())
}

/// The sockets of a tracker.
struct Datagrams {
    tracker: Tracker,
    /// Those of each shard, until it takes them.
    sockets: Mutex<Vec<Vec<net::UdpSocket>>>,
    drain: Drain,
}

/// What is left when some packets were answered.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    /// Nothing, for now.
    Dry,
    /// Perhaps more.
    More,
}

impl Datagrams {
    fn take(&self, shard: usize) -> Vec<net::UdpSocket> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.get_mut(shard).map(std::mem::take).unwrap_or_default()
    }

    /// Answers until the shutdown begins, and then those that have come before.
    async fn serve(&self, socket: UdpSocket) -> io::Result<()> {
        let mut buffer = vec![0; MAX_REQUEST];
        loop {
            tokio::select! {
                () = self.drain.stopping() => break,
                ready = socket.readable() => match ready.and_then(|()| self.answer(&socket, &mut buffer)) {
                    Ok(Left::Dry) => {}
                    Ok(Left::More) => tokio::task::yield_now().await,
                    Err(error) => {
                        tracing::warn!(%error, "cannot receive by UDP");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
            }
        }
        // The system is asked, whatever the runtime knows. Whoever floods us is not waited for.
        self.answer(&socket.into_std()?, &mut buffer).map(drop)
    }

    /// Answers what is there, [`BATCH`] packets at most.
    fn answer(&self, socket: &impl Datagram, buffer: &mut [u8]) -> io::Result<Left> {
        for _ in 0..BATCH {
            let (length, from) = match socket.receive(buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Left::Dry),
                // Of an answer of ours that a client has not taken.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error),
            };
            let answer = self.tracker.packet(from, buffer.get(..length).unwrap_or_default());
            if answer.is_some_and(|answer| socket.send(&answer, from).is_err()) {
                self.tracker.unsent();
            }
        }
        Ok(Left::More)
    }
}

/// A socket that does not wait.
trait Datagram {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)>;
    fn send(&self, packet: &[u8], to: SocketAddr) -> io::Result<usize>;
}

impl Datagram for UdpSocket {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.try_recv_from(buffer)
    }

    fn send(&self, packet: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.try_send_to(packet, to)
    }
}

impl Datagram for net::UdpSocket {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.recv_from(buffer)
    }

    fn send(&self, packet: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.send_to(packet, to)
    }
}

impl Part for Datagrams {
    fn serve(self: Arc<Self>, shard: usize, _: Clock) -> Serving {
        Box::pin(async move {
            let _accepting = self.drain.accepting();
            let sockets = self.take(shard).into_iter().map(UdpSocket::from_std);
            let sockets: Vec<UdpSocket> = sockets.collect::<io::Result<_>>()?;
            try_join_all(sockets.into_iter().map(|socket| Self::serve(&self, socket))).await.map(drop)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::tests::tracker;
    use super::*;
    use crate::net::shards::Threading;
    use crate::proto::bittorrent::tracker::server::Limits;
    use crate::proto::bittorrent::tracker::udp::Request;

    /// A door, its only socket, and where it is.
    fn door() -> (Datagrams, UdpSocket, SocketAddr) {
        let mut process = Process::new(Threading::PerCore, 1, Duration::ZERO);
        let tracker = tracker(Limits::default());
        listen(&tracker, &[ListenAddr::Tcp((Ipv4Addr::LOCALHOST, 0).into())], &mut process).unwrap();
        assert_eq!((process.addresses[0].server, process.parts.len()), ("tracker-udp", 1));
        let (at, sockets) = socket::bind(&ListenAddr::Tcp((Ipv4Addr::LOCALHOST, 0).into()), 1).unwrap();
        let ListenAddr::Tcp(at) = at else { panic!("{at}") };
        let socket = sockets.into_iter().next().map(UdpSocket::from_std).unwrap().unwrap();
        let door = Datagrams { tracker, sockets: Mutex::default(), drain: process.drain.clone() };
        (door, socket, at)
    }

    fn connect(transaction: u32) -> Vec<u8> {
        Request::Connect { transaction }.to_bytes()
    }

    #[tokio::test]
    async fn what_has_come_is_answered_in_one_go_and_not_without_end() {
        let (door, socket, at) = door();
        let client = net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for transaction in 0..BATCH as u32 {
            client.send_to(&connect(transaction), at).unwrap();
        }
        client.send_to(b"nothing", at).unwrap();
        socket.readable().await.unwrap();
        let mut buffer = vec![0; MAX_REQUEST];
        assert_eq!(door.answer(&socket, &mut buffer).unwrap(), Left::More);
        assert_eq!(door.answer(&socket, &mut buffer).unwrap(), Left::Dry);
        let numbers = door.tracker.numbers();
        let (connects, ignored) = (numbers.stats.connects, numbers.stats.ignored);
        assert_eq!((numbers.received, connects, ignored, numbers.unsent), (257, 256, 1, 0));
        let mut answer = [0; 100];
        assert_eq!(client.recv_from(&mut answer).unwrap(), (16, at));
        assert_eq!(answer[..8], [0; 8], "a connection id, for transaction 0");
    }

    #[tokio::test]
    async fn who_has_asked_before_the_end_is_answered() {
        let (door, socket, at) = door();
        let client = net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.send_to(&connect(7), at).unwrap();
        door.drain.stop();
        door.serve(socket).await.unwrap();
        let mut answer = [0; 100];
        assert_eq!(client.recv(&mut answer).unwrap(), 16);
        assert_eq!(answer[4..8], [0, 0, 0, 7]);
    }
}
