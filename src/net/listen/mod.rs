//! Listening sockets: TCP on both families, Unix sockets, and descriptors handed over by the service manager.
//!
//! [`bind_std`] makes a [`Bound`] socket, which needs no runtime; [`Bound::into_async`] registers it with the runtime of
//! the thread that will accept. [`bind_shards`] makes one socket a shard for the same address: TCP sockets of their own in
//! one SO_REUSEPORT group, so that the kernel spreads the connections; Unix sockets and handed-over descriptors are
//! cloned, and the shards take turns. A port that somebody else uses is an error, never silently shared.

mod error;
mod handover;
pub mod succession;
mod unix;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use socket2::{Domain, SockFilter, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

pub use self::error::ListenError;
pub use self::handover::HandoverError;
use self::unix::SocketFile;
use crate::net::addr::{ListenAddr, PeerAddr};

/// Connections that the kernel holds until they are accepted. It cuts this to `net.core.somaxconn` (4096 since Linux
/// 5.4); nginx asks for 511, Go for the system's maximum.
pub const BACKLOG: i32 = 4096;

/// A listening socket that belongs to no runtime yet.
#[derive(Debug)]
pub struct Bound {
    socket: Socket,
    address: ListenAddr,
    file: Option<Arc<SocketFile>>,
    keeper: Arc<Keeper>,
}

/// Who goes on with a socket when we are gone. All handles to the socket have the same.
#[derive(Debug, Default)]
struct Keeper {
    /// The service manager, from whom we have it.
    manager: bool,
    /// Our successor, once we have handed it over.
    successor: AtomicBool,
}

impl Keeper {
    fn manager() -> Self {
        Self { manager: true, successor: AtomicBool::new(false) }
    }

    fn is_there(&self) -> bool {
        self.manager || self.successor.load(Ordering::Relaxed)
    }
}

impl Bound {
    /// Where it listens, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> &ListenAddr {
        &self.address
    }

    /// Registers the socket with the current tokio runtime.
    ///
    /// # Errors
    /// The system refused the registration, for lack of descriptors or memory.
    pub fn into_async(self) -> io::Result<Listener> {
        let unix = self.socket.local_addr()?.domain() == Domain::UNIX;
        if self.keeper.manager && !unix {
            self.socket.set_tcp_nodelay(true)?;
        }
        let descriptor = OwnedFd::from(self.socket);
        let socket = if unix {
            Accepting::Unix(UnixListener::from_std(descriptor.into())?)
        } else {
            Accepting::Tcp(TcpListener::from_std(descriptor.into())?)
        };
        Ok(Listener { socket, address: self.address, _file: self.file, keeper: self.keeper })
    }

    /// Leaves the socket to a successor: our shutdown turns nobody away from it, and leaves its file where it is.
    pub fn hand_over(&self) {
        self.keeper.successor.store(true, Ordering::Relaxed);
        if let Some(file) = &self.file {
            file.keep();
        }
    }

    /// A second handle to the same socket and its queue.
    ///
    /// # Errors
    /// The system is out of descriptors.
    pub fn share(&self) -> io::Result<Self> {
        Ok(Self {
            socket: self.socket.try_clone()?,
            address: self.address.clone(),
            file: self.file.clone(),
            keeper: Arc::clone(&self.keeper),
        })
    }
}

/// A listening socket that accepts on the runtime it was made on.
///
/// Dropping the last listener of a Unix socket removes its file.
#[derive(Debug)]
pub struct Listener {
    socket: Accepting,
    address: ListenAddr,
    _file: Option<Arc<SocketFile>>,
    keeper: Arc<Keeper>,
}

#[derive(Debug)]
enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// An accepted connection.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl Listener {
    /// Waits for a connection. Dropping the future loses none.
    ///
    /// # Errors
    /// What the system said: out of descriptors (wait and go on), the connection is gone already (go on), or the listener
    /// was shut down (give it up).
    pub async fn accept(&self) -> io::Result<(Stream, PeerAddr)> {
        match &self.socket {
            Accepting::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                Ok((Stream::Tcp(stream), peer.into()))
            }
            Accepting::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok((Stream::Unix(stream), PeerAddr::Unix))
            }
        }
    }

    /// Lets nobody begin to connect any more. Who has begun comes into the queue still, and who is in it stays.
    ///
    /// Closing a listener resets whoever connects between the last look at its queue and the close, though it may have asked
    /// already. So the kernel is told to drop what begins a connection (SYN without ACK, RFC 9293 section 3.1) on its way to
    /// this socket: such a client tries again after a second, and meets our successor or nobody. A socket that the service
    /// manager handed to us, or that we have handed to our successor, is left as it is: it goes on without us.
    pub fn turn_away(&self) {
        // Byte 13 of a TCP header holds the flags; a packet may pass with none, or with all of its bytes.
        const NEWCOMERS: [SockFilter; 5] = [
            SockFilter::new(0x30, 0, 0, 13),          // load the flags
            SockFilter::new(0x54, 0, 0, 0x12),        // keep SYN and ACK
            SockFilter::new(0x15, 0, 1, 0x02),        // only SYN?
            SockFilter::new(0x06, 0, 0, 0),           // drop
            SockFilter::new(0x06, 0, 0, 0xFFFF_FFFF), // pass
        ];
        if let Accepting::Tcp(socket) = &self.socket
            && !self.keeper.is_there()
            && let Err(error) = SockRef::from(socket).attach_filter(&NEWCOMERS)
        {
            tracing::debug!(%error, "newcomers are not turned away before the listener is closed");
        }
    }

    /// Takes a connection that stands in the queue already, without waiting; `None` when there is none.
    ///
    /// It asks the system, whatever the runtime knows of the socket: the last look before it is closed, which resets
    /// whoever is left in the queue.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_queued(&self) -> io::Result<Option<(Stream, PeerAddr)>> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let queue = match &self.socket {
            Accepting::Tcp(socket) => socket.as_fd(),
            Accepting::Unix(socket) => socket.as_fd(),
        };
        let connection = match accept_with(queue, flags) {
            Ok(connection) => connection,
            Err(Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Some(match &self.socket {
            Accepting::Tcp(_) => {
                let stream = TcpStream::from_std(connection.into())?;
                let peer = stream.peer_addr()?;
                (Stream::Tcp(stream), peer.into())
            }
            Accepting::Unix(_) => (Stream::Unix(UnixStream::from_std(connection.into())?), PeerAddr::Unix),
        }))
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> &ListenAddr {
        &self.address
    }

    /// Does to the socket what somebody else who has it may do.
    #[cfg(test)]
    pub(crate) fn shut_down(&self) -> io::Result<()> {
        let socket = match &self.socket {
            Accepting::Tcp(socket) => SockRef::from(socket),
            Accepting::Unix(socket) => SockRef::from(socket),
        };
        socket.shutdown(std::net::Shutdown::Both)
    }
}

/// Binds `address` on the current tokio runtime. As [`bind_std`].
///
/// # Errors
/// As [`bind_std`].
pub fn bind(address: &ListenAddr, reuse_port: bool) -> Result<Listener, ListenError> {
    let failed = |error| ListenError::System { address: address.clone(), error };
    bind_std(address, reuse_port)?.into_async().map_err(failed)
}

/// Binds `address` and listens.
///
/// With `reuse_port` a TCP port is shared with every socket of the same user that asks for the same, in this process or
/// another. A Unix socket replaces a stale file of its name, on which nobody answers.
///
/// # Errors
/// One line that names the address and what is wrong with it.
pub fn bind_std(address: &ListenAddr, reuse_port: bool) -> Result<Bound, ListenError> {
    bind_with(address, if reuse_port { Sharing::Open } else { Sharing::None })
}

/// Binds `address` once for each of `n` shards (at least one).
///
/// The first TCP socket takes the port for itself and then opens it to the others, so that a second server on the same
/// port fails, as it does without shards. Port 0 is chosen once.
///
/// # Errors
/// As [`bind_std`].
pub fn bind_shards(address: &ListenAddr, n: usize) -> Result<Vec<Bound>, ListenError> {
    let first = bind_with(address, if n > 1 { Sharing::Founder } else { Sharing::None })?;
    let failed = |error| ListenError::System { address: address.clone(), error };
    let mut shards = vec![first];
    while shards.len() < n {
        let shard = match address {
            ListenAddr::Tcp(_) | ListenAddr::Any(_) => bind_with(&shards[0].address, Sharing::Open)?,
            ListenAddr::Unix(_) | ListenAddr::Inherited(_) => shards[0].share().map_err(failed)?,
        };
        shards.push(shard);
    }
    Ok(shards)
}

/// Who may bind the same TCP port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// Nobody.
    None,
    /// Nobody before this socket, and others of the same user after it.
    Founder,
    /// Whoever asks for the same, before and after.
    Open,
}

fn bind_with(address: &ListenAddr, sharing: Sharing) -> Result<Bound, ListenError> {
    let failed = |error| ListenError::System { address: address.clone(), error };
    match address {
        ListenAddr::Tcp(ip) => tcp(*ip, true, sharing).map_err(failed),
        ListenAddr::Any(port) => any(*port, sharing).map_err(failed),
        ListenAddr::Unix(path) => {
            let (socket, file) = unix::bind(address, path)?;
            Ok(Bound { socket, address: address.clone(), file: Some(Arc::new(file)), keeper: Arc::default() })
        }
        ListenAddr::Inherited(which) => {
            let taken = handover::take(which);
            let socket = taken.map_err(|error| ListenError::Handover { address: address.clone(), error })?;
            let address = name_of(&socket).map_err(failed)?;
            Ok(Bound { socket, address, file: None, keeper: Arc::new(Keeper::manager()) })
        }
    }
}

/// All addresses of both families, or all of IPv4 on a machine without IPv6.
fn any(port: u16, sharing: Sharing) -> io::Result<Bound> {
    let bound = match tcp((Ipv6Addr::UNSPECIFIED, port).into(), false, sharing) {
        Err(error) if lacks_ipv6(&error) => tcp((Ipv4Addr::UNSPECIFIED, port).into(), true, sharing),
        other => other,
    }?;
    let port = bound.socket.local_addr()?.as_socket().map_or(port, |address| address.port());
    Ok(Bound { address: ListenAddr::Any(port), ..bound })
}

fn lacks_ipv6(error: &io::Error) -> bool {
    let unsupported = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.raw_os_error() == Some(unsupported) || error.kind() == io::ErrorKind::AddrNotAvailable
}

fn tcp(address: SocketAddr, only_v6: bool, sharing: Sharing) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // A restarted server may bind while connections of its predecessor still linger in TIME-WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::Open)?;
    socket.bind(&address.into())?;
    // The kernel compares the options when the next socket binds and forms the group when this one listens.
    socket.set_reuse_port(sharing != Sharing::None)?;
    // Replies are assembled before they are written: Nagle's algorithm could only delay them. Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let address = name_of(&socket)?;
    Ok(Bound { socket, address, file: None, keeper: Arc::default() })
}

/// The address that the kernel gives for a socket.
fn name_of(socket: &Socket) -> io::Result<ListenAddr> {
    let name = socket.local_addr()?;
    if let Some(address) = name.as_socket() {
        let dual = address.is_ipv6() && address.ip().is_unspecified() && !socket.only_v6()?;
        return Ok(if dual { ListenAddr::Any(address.port()) } else { ListenAddr::Tcp(address) });
    }
    Ok(ListenAddr::Unix(name.as_pathname().unwrap_or("".as_ref()).into()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::{Read, Write};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn port(address: &ListenAddr) -> u16 {
        match address {
            ListenAddr::Tcp(address) => address.port(),
            ListenAddr::Any(port) => *port,
            other => panic!("{other} has no port"),
        }
    }

    fn loopback() -> ListenAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[tokio::test]
    async fn a_tcp_listener_names_its_real_port_and_its_peers() {
        let listener = bind(&loopback(), false).unwrap();
        assert_ne!(port(listener.local_addr()), 0);
        let address = listener.local_addr().to_string();
        let client = TcpStream::connect(&address).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let Stream::Tcp(stream) = stream else { panic!("{stream:?}") };
        assert!(stream.nodelay().unwrap(), "as the listener has it");
        assert_eq!(peer, client.local_addr().unwrap().into());
    }

    #[tokio::test]
    async fn newcomers_are_turned_away_and_the_queue_stays() {
        let listener = bind(&loopback(), false).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port(listener.local_addr())));
        let mut early = std::net::TcpStream::connect(address).unwrap();
        early.write_all(b"first").unwrap();
        listener.turn_away();
        let late = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let Some((Stream::Tcp(stream), _)) = listener.accept_queued().unwrap() else {
            panic!("the queue is empty");
        };
        assert!(listener.accept_queued().unwrap().is_none());
        drop(listener);
        // The connection itself has no filter to suffer from.
        let (mut reader, mut writer) = stream.into_split();
        let mut heard = [0; 5];
        reader.read_exact(&mut heard).await.unwrap();
        writer.write_all(b"reply").await.unwrap();
        drop((reader, writer));
        let mut reply = String::new();
        early.read_to_string(&mut reply).unwrap();
        assert_eq!((&heard, &*reply), (b"first", "reply"));
    }

    #[tokio::test]
    async fn all_addresses_means_both_families() {
        let listener = bind(&":0".parse().unwrap(), false).unwrap();
        let port = port(listener.local_addr());
        assert_eq!(listener.local_addr(), &ListenAddr::Any(port));
        let _client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert!(peer.ip().unwrap().is_ipv4(), "a mapped peer is an IPv4 peer: {peer}");
        if let Ok(_client) = TcpStream::connect(("::1", port)).await {
            assert!(listener.accept().await.unwrap().1.ip().unwrap().is_ipv6());
        }
    }

    #[test]
    fn a_port_in_use_is_one_clear_line() {
        for n in [1, 3] {
            let shards = bind_shards(&loopback(), n).unwrap();
            let address = shards[0].local_addr();
            for again in [bind_shards(address, 1), bind_shards(address, 3)] {
                let line = again.unwrap_err().to_string();
                assert_eq!(
                    line,
                    format!("cannot listen on {address}: the address is in use by another process")
                );
            }
        }
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        let line = bind_std(&"192.0.2.1:80".parse().unwrap(), false).unwrap_err().to_string();
        assert_eq!(line, "cannot listen on 192.0.2.1:80: this machine has no such address");
    }

    #[test]
    fn shards_share_one_port_and_each_gets_connections() {
        let shards = bind_shards(&loopback(), 3).unwrap();
        let ports: HashSet<u16> = shards.iter().map(|shard| port(shard.local_addr())).collect();
        assert_eq!(ports.len(), 1);
        let address: SocketAddr = shards[0].local_addr().to_string().parse().unwrap();
        let clients: Vec<_> = (0..256).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let counts: Vec<usize> =
            shards.iter().map(|shard| std::iter::from_fn(|| shard.socket.accept().ok()).count()).collect();
        assert_eq!(counts.iter().sum::<usize>(), clients.len(), "no connection is lost: {counts:?}");
        assert!(counts.iter().all(|&count| count > 0), "the kernel spreads by hash: {counts:?}");
    }

    #[test]
    fn a_unix_socket_is_cloned_for_shards_and_its_file_goes_with_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sock");
        let mut shards = bind_shards(&ListenAddr::Unix(path.clone()), 2).unwrap();
        let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        client.write_all(b"x").unwrap();
        let (mut accepted, _) = shards[1].socket.accept().unwrap();
        accepted.set_nonblocking(false).unwrap();
        let mut byte = [0];
        accepted.read_exact(&mut byte).unwrap();
        shards.pop();
        assert!(path.exists(), "one shard still listens");
        shards.pop();
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_unix_peer_has_no_address() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sock");
        let listener = bind(&ListenAddr::Unix(path.clone()), false).unwrap();
        assert_eq!(listener.local_addr(), &ListenAddr::Unix(path.clone()));
        let _client = UnixStream::connect(&path).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        assert!(matches!(stream, Stream::Unix(_)));
        assert_eq!(peer, PeerAddr::Unix);
    }
}
