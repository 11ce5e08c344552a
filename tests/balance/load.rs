//! Clients that go on and on while something happens to a balancer: none of them may lose a request, or a message.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::support::PATIENCE;
use crate::support::wire::Wire;

/// A request for the page `/`.
pub(super) const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// Clients that ask for `/` over kept connections and want `well` each time.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many clients of a balancer.
    pub(super) fn start(addr: SocketAddr, clients: usize) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = || {
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            thread::spawn(move || {
                let mut wire = Wire::connect(addr);
                while !stop.load(Ordering::SeqCst) {
                    wire.send(GET);
                    let response = wire.read_response();
                    assert_eq!((response.status, response.text()), (200, "well"));
                    count.fetch_add(1, Ordering::SeqCst);
                    if response.header("connection") == Some("close") {
                        wire = Wire::connect(addr);
                    }
                }
            })
        };
        let clients = (0..clients).map(|_| client()).collect();
        Self { stop, count, clients }
    }

    /// Waits for so many further responses.
    #[track_caller]
    pub(super) fn more(&self, more: usize) {
        let (goal, deadline) = (self.count.load(Ordering::SeqCst) + more, Instant::now() + PATIENCE);
        while self.count.load(Ordering::SeqCst) < goal && !self.clients.iter().any(JoinHandle::is_finished) {
            assert!(Instant::now() < deadline, "no more requests");
            thread::yield_now();
        }
    }

    /// Ends it. None of its requests has failed.
    #[track_caller]
    pub(super) fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.join().expect("no request fails");
        }
    }
}

/// A WebSocket to an echo behind a balancer.
pub(super) struct WebSocket(Wire);

impl WebSocket {
    #[track_caller]
    pub(super) fn connect(addr: SocketAddr) -> Self {
        let mut wire = Wire::connect(addr);
        wire.send(concat!(
            "GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ));
        let head = wire.read_until(b"\r\n\r\n");
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
        Self(wire)
    }

    /// Sends a message, and gets it back.
    #[track_caller]
    pub(super) fn echo(&mut self) {
        // "hi", masked with zeros.
        self.0.send(b"\x81\x82\0\0\0\0hi");
        assert_eq!(self.0.read_exact(4), b"\x81\x02hi");
    }

    /// Says goodbye, which both sides do.
    #[track_caller]
    pub(super) fn goodbye(mut self) {
        self.0.send(b"\x88\x82\0\0\0\0\x03\xe8");
        assert_eq!(self.0.read_exact(4), b"\x88\x02\x03\xe8");
    }
}
