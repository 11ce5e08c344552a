//! A network that is as slow as a test says: a relay in front of a server, whose answers all share one line.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes that are relayed at a time: small, so that connections take turns.
const PIECE: usize = 2048;

/// A line to a server. It is there until the test program ends.
#[derive(Debug)]
pub(crate) struct Line {
    /// Where the server seems to be.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Bits a second, of all connections together.
    rate: AtomicU64,
    /// When the line has carried all that was given to it.
    free: Mutex<Instant>,
}

impl Line {
    /// A line to `server` that carries so many bits a second.
    pub(crate) fn to(server: SocketAddr, rate: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { rate: AtomicU64::new(rate), free: Mutex::new(Instant::now()) });
        let lines = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A server that has gone is seen by the client, whose connection ends.
                let Ok(server) = TcpStream::connect(server) else { continue };
                let asked = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || relay(asked.0, asked.1, |_| {}));
                let shared = Arc::clone(&lines);
                thread::spawn(move || relay(server, client, |bytes| shared.carry(bytes)));
            }
        });
        Self { address, shared }
    }

    /// From now on the line carries so many bits a second.
    pub(crate) fn carries(&self, rate: u64) {
        self.shared.rate.store(rate, Ordering::Relaxed);
    }
}

impl Shared {
    /// Returns when so many bytes have gone over the line, behind what is on it already.
    fn carry(&self, bytes: usize) {
        let takes = Duration::from_secs_f64(bytes as f64 * 8.0 / self.rate.load(Ordering::Relaxed) as f64);
        let through = {
            let mut free = self.free.lock().unwrap();
            *free = (*free).max(Instant::now()) + takes;
            *free
        };
        thread::sleep(through.saturating_duration_since(Instant::now()));
    }
}

/// Relays what one side says until it, or the other one, is through.
fn relay(mut from: TcpStream, mut to: TcpStream, carry: impl Fn(usize)) {
    let mut piece = [0; PIECE];
    while let Ok(count) = from.read(&mut piece)
        && count > 0
    {
        carry(count);
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    // Either may have gone already.
    drop(to.shutdown(Shutdown::Write));
    drop(from.shutdown(Shutdown::Read));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives_and_takes_its_time() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Line::to(server.local_addr().unwrap(), 800_000);
        let serving = thread::spawn(move || {
            for _ in 0..2 {
                let (mut client, _) = server.accept().unwrap();
                let mut asked = Vec::new();
                client.read_to_end(&mut asked).unwrap();
                client.write_all(&asked.repeat(1000)).unwrap();
            }
        });
        // A tenth of a second at least, and then a hundredth of that.
        for least in [100, 0] {
            let began = Instant::now();
            let mut client = TcpStream::connect(line.address).unwrap();
            client.write_all(b"0123456789").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, b"0123456789".repeat(1000));
            assert!(began.elapsed() >= Duration::from_millis(least), "{:?}", began.elapsed());
            line.carries(80_000_000);
        }
        serving.join().unwrap();
    }
}
