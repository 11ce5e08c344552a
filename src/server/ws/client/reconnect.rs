//! One socket after the other: for who wants to stay connected.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Connect, OpenError};
use crate::net::resilience::backoff::{Backoff, Policy};
use crate::proto::http::client::ResponseHead;
use crate::server::ws::Socket;

/// How long a connection has to last until it counts as a success, unless [`Reconnect::steady`] says otherwise. One that ends
/// sooner counts like one that failed: a server that accepts everybody and keeps nobody is not run at.
pub const STEADY: Duration = Duration::from_secs(30);

/// Opens a socket whenever it is asked for the next one, and waits longer from failure to failure.
///
/// ```no_run
/// use wireworks::net::resilience::backoff::Policy;
/// use wireworks::server::ws::client::{Connect, Reconnect};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut reconnect = Reconnect::new(Connect::to("ws://127.0.0.1:8081/clock")?, Policy::default());
/// loop {
///     let (mut socket, _) = reconnect.next().await?;
///     while let Ok(Some(message)) = socket.recv().await {
///         println!("{message:?}");
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Reconnect {
    connect: Connect,
    backoff: Backoff,
    most: Option<u32>,
    steady: Duration,
    /// When the last socket was opened; `None` before the first, and while the next is sought.
    opened: Option<Instant>,
    /// Attempts in a row that have failed, or led to a connection that did not last.
    failures: u32,
    /// Before this time no attempt is made.
    due: Option<Instant>,
}

/// No wait is longer: a sum of time and wait has to be a time.
const LONGEST: Duration = Duration::from_secs(86_400 * 365);

impl Reconnect {
    /// Sockets of `connect`, with waits of `policy`, for ever.
    #[must_use]
    pub fn new(connect: Connect, policy: Policy) -> Self {
        Self {
            connect,
            backoff: Backoff::new(policy, fastrand::u64(..)),
            most: None,
            steady: STEADY,
            opened: None,
            failures: 0,
            due: None,
        }
    }

    /// Gives up when so many attempts in a row have failed, at least one.
    #[must_use]
    pub fn at_most(mut self, attempts: u32) -> Self {
        self.most = Some(attempts.max(1));
        self
    }

    /// Sets how long a connection has to last until it counts as a success, in place of [`STEADY`].
    #[must_use]
    pub fn steady(mut self, steady: Duration) -> Self {
        self.steady = steady;
        self
    }

    /// The next socket: at once for the first time, and then after a wait, as the socket before has ended. Attempts that fail are
    /// repeated, each after a longer wait, and logged.
    ///
    /// Cancel-safe: when the future is dropped, the next call waits on where this one was, and begins the attempt anew.
    ///
    /// # Errors
    /// The first failure that no repetition will mend ([`OpenError::is_retryable`]), or the last of as many as are allowed.
    pub async fn next(&mut self) -> Result<(Socket, ResponseHead), OpenError> {
        if let Some(opened) = self.opened.take() {
            if opened.elapsed() >= self.steady {
                self.backoff.reset();
                self.failures = 0;
            } else if self.was_last() {
                let url = self.connect.url().to_string();
                return Err(OpenError::Unsteady { url, times: self.failures });
            }
            self.wait();
        }
        loop {
            if let Some(due) = self.due {
                sleep_until(due).await;
                self.due = None;
            }
            match self.connect.connect().await {
                Ok(open) => {
                    self.opened = Some(Instant::now());
                    return Ok(open);
                }
                Err(error) if !error.is_retryable() => return Err(error),
                Err(error) => {
                    if self.was_last() {
                        return Err(error);
                    }
                    let wait = self.wait();
                    tracing::warn!(%error, ?wait, "no connection, will try again");
                }
            }
        }
    }

    /// Puts the next attempt off.
    fn wait(&mut self) -> Duration {
        let wait = self.backoff.wait().min(LONGEST);
        self.due = Some(Instant::now() + wait);
        wait
    }

    /// Counts an attempt that has failed. Whether it was the last one.
    fn was_last(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.most.is_some_and(|most| self.failures >= most)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::net::resilience::backoff::{Growth, Jitter};
    use crate::proto::ws::handshake::accept_key;

    /// What the server does with a connection.
    #[derive(Clone, Copy)]
    enum Act {
        /// Closes it at once.
        Cut,
        /// Answers with this status.
        Status(u16),
        /// Opens a WebSocket and cuts it after so many seconds.
        Open(u64),
    }
    use Act::{Cut, Open, Status};

    async fn act(mut tcp: TcpStream, act: Act) -> Option<()> {
        if matches!(act, Cut) {
            return None;
        }
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "))?;
        let answer = match act {
            Status(status) => format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"),
            _ => format!(
                "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                accept_key(key.as_bytes())
            ),
        };
        tcp.write_all(answer.as_bytes()).await.ok()?;
        if let Open(seconds) = act {
            sleep(Duration::from_secs(seconds)).await;
        }
        None
    }

    /// A server that does one act a connection and then refuses. How many connections it has taken.
    async fn flaky(acts: &'static [Act]) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        tokio::spawn(async move {
            for &next in acts {
                let (tcp, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                act(tcp, next).await;
            }
        });
        (addr, taken)
    }

    /// Waits of 1, 2, 4, 8 and then 10 seconds.
    fn reconnect(addr: SocketAddr) -> Reconnect {
        let growth = Growth::Exponential { first: Duration::from_secs(1), jitter: Jitter::None };
        let policy = Policy { growth, cap: Duration::from_secs(10) };
        Reconnect::new(Connect::to(&format!("ws://{addr}/")).unwrap(), policy).steady(Duration::from_secs(20))
    }

    async fn end(mut socket: Socket) {
        while let Ok(Some(_)) = socket.recv().await {}
    }

    /// Time that passed, in seconds. The clock is paused and runs on by itself; a tick of the connection's own clock may pass on the
    /// way.
    fn seconds(since: Instant) -> u64 {
        since.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_repeated_after_longer_and_longer_waits() {
        let (addr, taken) = flaky(&[Cut, Status(503), Cut, Open(0)]).await;
        let start = Instant::now();
        let (socket, response) = reconnect(addr).next().await.unwrap();
        assert!(socket.is_open() && response.status() == 101);
        assert_eq!((taken.load(Ordering::Relaxed), seconds(start)), (4, 1 + 2 + 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_lasted_begins_anew_and_one_that_did_not_does_not() {
        let (addr, taken) = flaky(&[Cut, Open(25), Cut, Open(1), Open(25)]).await;
        let mut reconnect = reconnect(addr);
        let mut waited = Vec::new();
        for _ in 0..3 {
            let start = Instant::now();
            let (socket, _) = reconnect.next().await.unwrap();
            waited.push(seconds(start));
            end(socket).await;
        }
        // 1 after the failure; 1 after the end and 2 after the failure; 4 after what did not last.
        assert_eq!(waited, [1, 1 + 2, 4]);
        assert_eq!(taken.load(Ordering::Relaxed), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_after_as_many_attempts_as_are_allowed() {
        let (addr, taken) = flaky(&[Cut, Cut, Cut, Open(0)]).await;
        let start = Instant::now();
        let error = reconnect(addr).at_most(3).next().await.unwrap_err();
        assert!(matches!(error, OpenError::Ask { .. }) && error.is_retryable(), "{error}");
        assert_eq!((taken.load(Ordering::Relaxed), seconds(start)), (3, 1 + 2));

        let (addr, taken) = flaky(&[Open(1), Open(1), Open(1)]).await;
        let mut reconnect = reconnect(addr).at_most(2);
        end(reconnect.next().await.unwrap().0).await;
        end(reconnect.next().await.unwrap().0).await;
        let error = reconnect.next().await.unwrap_err();
        assert_eq!(error.to_string(), format!("ws://{addr}/ ends every connection soon, 2 in a row"));
        assert_eq!(taken.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_goes_on_when_its_future_is_dropped() {
        let (addr, taken) = flaky(&[Cut, Cut, Open(0)]).await;
        let mut reconnect = reconnect(addr);
        let start = Instant::now();
        // None of these ends in the moment of an attempt, at 0, 1 and 3 seconds.
        for dropped in 0..20 {
            if let Ok(open) = timeout(Duration::from_millis(370), reconnect.next()).await {
                assert!(open.unwrap().0.is_open());
                assert_eq!((taken.load(Ordering::Relaxed), seconds(start)), (3, 1 + 2));
                assert!(dropped > 5, "{dropped}");
                return;
            }
        }
        panic!("no socket after {:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_repetition_mends_is_not_repeated() {
        let (addr, taken) = flaky(&[Cut, Status(401), Open(0)]).await;
        let error = reconnect(addr).next().await.unwrap_err();
        assert_eq!(error.to_string(), format!("ws://{addr}/ answers 401 Unauthorized"));
        assert_eq!(taken.load(Ordering::Relaxed), 2);
    }
}
