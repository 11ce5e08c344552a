//! A raw client: it sends any bytes, in any pieces, and understands the answers by a parser of its own.
//!
//! It blocks, so that it stands apart from the runtime under test; a server in the same process runs on threads of its
//! own. Each call has a deadline, after which the test fails and shows what had arrived.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::response::{Progress, Response, parse};
use super::socket::{End, Socket};

/// A connection of a client under a test's control.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
    patience: Duration,
    /// What arrived and was not taken yet.
    buffer: Vec<u8>,
    end: Option<End>,
}

impl Wire {
    /// Connects over TCP.
    #[track_caller]
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        Self::over(
            Socket::connect(addr, PATIENCE)
                .unwrap_or_else(|error| panic!("cannot connect to {addr}: {error}")),
        )
    }

    /// Connects to a Unix socket.
    #[track_caller]
    pub(crate) fn connect_unix(path: &Path) -> Self {
        let socket = Socket::connect_unix(path);
        Self::over(socket.unwrap_or_else(|error| panic!("cannot connect to {}: {error}", path.display())))
    }

    /// The other end: a connection that was accepted.
    pub(crate) fn accepted(stream: TcpStream) -> Self {
        Self::over(Socket::Tcp(stream))
    }

    fn over(socket: Socket) -> Self {
        Self { socket, patience: PATIENCE, buffer: Vec::new(), end: None }
    }

    /// Sets how long each call may take.
    pub(crate) fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// Sends all of `bytes`.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap_or_else(|error| panic!("cannot send: {error}; {}", self.heard()));
    }

    /// Sends, when the peer may close meanwhile.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        let deadline = self.deadline();
        self.socket.send(bytes.as_ref(), deadline)
    }

    /// Sends `bytes` in two pieces, the second one after the peer has read the first.
    #[track_caller]
    pub(crate) fn send_split(&mut self, bytes: impl AsRef<[u8]>, at: usize) {
        let (first, second) = bytes.as_ref().split_at(at);
        self.send(first);
        self.wait_until_read();
        self.send(second);
    }

    /// Waits until the peer has read all that was sent.
    #[track_caller]
    pub(crate) fn wait_until_read(&self) {
        let read = self.socket.wait_until_read(self.deadline());
        read.unwrap_or_else(|error| panic!("the peer does not read: {error}; {}", self.heard()));
    }

    /// Whether the peer has ended its side by now, and everything before was taken.
    #[track_caller]
    pub(crate) fn has_ended(&self) -> bool {
        self.socket.has_ended().unwrap_or_else(|error| panic!("cannot look: {error}; {}", self.heard()))
    }

    /// Says that nothing more will be sent. To a peer that has reset the connection already, nothing is to be said: what is read next shows it.
    #[track_caller]
    pub(crate) fn half_close(&self) {
        match self.socket.half_close() {
            Err(error) if error.kind() != std::io::ErrorKind::NotConnected => {
                panic!("cannot half-close: {error}; {}", self.heard())
            }
            _ => {}
        }
    }

    /// The next response, to a request other than HEAD and CONNECT. An interim one (100, 103) comes by itself.
    #[track_caller]
    pub(crate) fn read_response(&mut self) -> Response {
        self.read_response_to("GET")
    }

    /// The next response, to a request of method `method`.
    #[track_caller]
    pub(crate) fn read_response_to(&mut self, method: &str) -> Response {
        let deadline = self.deadline();
        loop {
            match parse(&self.buffer, method, self.end.is_some()) {
                Ok(Progress::Whole(response, used)) => {
                    self.buffer.drain(..used);
                    return *response;
                }
                Ok(Progress::Partial) if self.end.is_none() => self.fill(deadline),
                Ok(Progress::Partial) => panic!("the connection ended inside a response; {}", self.heard()),
                Err(error) => panic!("{error}; {}", self.heard()),
            }
        }
    }

    /// The next `count` bytes.
    #[track_caller]
    pub(crate) fn read_exact(&mut self, count: usize) -> Vec<u8> {
        let deadline = self.deadline();
        while self.buffer.len() < count {
            assert!(self.end.is_none(), "the connection ended before {count} bytes; {}", self.heard());
            self.fill(deadline);
        }
        self.buffer.drain(..count).collect()
    }

    /// All bytes up to and with the first `end`.
    #[track_caller]
    pub(crate) fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        let deadline = self.deadline();
        loop {
            let found = self.buffer.windows(end.len()).position(|window| window == end);
            match found {
                Some(at) => return self.buffer.drain(..at + end.len()).collect(),
                None => assert!(self.end.is_none(), "it never came; {}", self.heard()),
            }
            self.fill(deadline);
        }
    }

    /// All bytes until the peer closes, which it must do without a reset.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let (bytes, end) = self.read_to_close();
        assert_eq!(end, End::Eof, "after {:?}", String::from_utf8_lossy(&bytes));
        bytes
    }

    /// All bytes until the connection ends, and how it ended.
    #[track_caller]
    pub(crate) fn read_to_close(&mut self) -> (Vec<u8>, End) {
        let deadline = self.deadline();
        loop {
            match self.end {
                Some(end) => return (std::mem::take(&mut self.buffer), end),
                None => self.fill(deadline),
            }
        }
    }

    /// The peer closes, without a further byte and without a reset.
    #[track_caller]
    pub(crate) fn expect_close(&mut self) {
        let rest = self.read_to_end();
        assert!(rest.is_empty(), "bytes before the close: {:?}", String::from_utf8_lossy(&rest));
    }

    /// Ends the connection at once, by a reset, so that the system keeps nothing of it. For tests that make thousands.
    pub(crate) fn reset(self) {
        self.socket.reset();
    }

    #[track_caller]
    fn fill(&mut self, deadline: Instant) {
        match self.socket.read(&mut self.buffer, deadline) {
            Ok(end) => self.end = end,
            Err(error) => panic!("waited {:?} for the peer: {error}; {}", self.patience, self.heard()),
        }
    }

    /// For a failed test: what had arrived.
    fn heard(&self) -> String {
        let start = &self.buffer[..self.buffer.len().min(2000)];
        format!("heard {} bytes: {:?}", self.buffer.len(), String::from_utf8_lossy(start))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    /// A peer on a thread of its own, that does `act` with the one connection it accepts.
    fn peer<T: Send + 'static>(act: impl FnOnce(TcpStream) -> T + Send + 'static) -> (Wire, JoinHandle<T>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let peer = thread::spawn(move || act(listener.accept().unwrap().0));
        (Wire::connect(addr), peer)
    }

    #[test]
    fn responses_are_read_one_by_one() {
        let (mut wire, peer) = peer(|mut stream| {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
            stream.write_all(format!("{head}{head}hi{head}").as_bytes()).unwrap();
            stream.write_all(b"yoraw").unwrap();
        });
        assert_eq!(wire.read_response_to("HEAD").body, b"");
        assert_eq!(wire.read_response().text(), "hi");
        assert_eq!(wire.read_response().text(), "yo");
        assert_eq!(wire.read_exact(3), b"raw");
        wire.expect_close();
        peer.join().unwrap();
    }

    #[test]
    fn a_split_arrives_in_two_reads() {
        for at in 1..6 {
            let (mut wire, peer) = peer(|mut stream| {
                let mut chunk = [0; 64];
                let first = stream.read(&mut chunk).unwrap();
                let second = stream.read(&mut chunk).unwrap();
                (first, second)
            });
            wire.send_split("sixsix", at);
            assert_eq!(peer.join().unwrap(), (at, 6 - at));
        }
    }

    #[test]
    fn the_end_is_told_from_a_reset() {
        let (mut wire, ends) = peer(|mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            stream.write_all(&all).unwrap();
        });
        wire.send("until the end");
        wire.half_close();
        assert_eq!(wire.read_to_close(), (b"until the end".to_vec(), End::Eof));
        ends.join().unwrap();

        let (mut wire, resets) = peer(|mut stream| {
            // A socket closed over unread bytes answers with a reset.
            stream.read_exact(&mut [0; 1]).unwrap();
        });
        wire.send("more than one byte");
        assert_eq!(wire.read_to_close(), (Vec::new(), End::Reset));
        resets.join().unwrap();
    }

    #[test]
    fn a_unix_socket_will_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let mut wire = Wire::connect_unix(&path);
        let (mut stream, _) = listener.accept().unwrap();
        wire.send("ping");
        stream.read_exact(&mut [0; 4]).unwrap();
        stream.write_all(b"pong").unwrap();
        assert_eq!(wire.read_exact(4), b"pong");
    }

    #[test]
    #[should_panic(expected = "for the peer")]
    fn a_silent_peer_fails_the_test() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Wire::connect(listener.local_addr().unwrap()).within(Duration::from_millis(20)).read_response();
    }

    #[test]
    #[should_panic(expected = "the peer does not read")]
    fn a_peer_that_does_not_read_fails_the_test() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Wire::connect(listener.local_addr().unwrap()).within(Duration::from_millis(20)).send_split("ab", 1);
    }
}
