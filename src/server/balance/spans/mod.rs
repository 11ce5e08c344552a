//! Spans of exchanges, sent to a collector of traces by OTLP/HTTP.
//!
//! Exchanges of sampled traces hand their spans to a bounded queue that nobody waits for: when it is full they are dropped, and counted. A
//! part of the process takes them from there in batches, and sends each batch again a few times if the collector does not take it. It is one of
//! the last parts to go, so that what a balancer does while it stops is exported too.

mod record;
mod send;

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, sleep, timeout, timeout_at};

pub(super) use self::record::{Attempt, Outcome, Recording};
use self::send::send;
use crate::net::client::Connector;
use crate::net::client::pool::Limits;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::resilience::backoff::{Backoff, Growth, Jitter, Policy};
use crate::proto::otlp::{self, Span};
use crate::server::http::client::Client;
use crate::server::process::{Part, Serving};

/// Exchanges whose spans wait to be sent, at most: 2 MiB or so.
pub const QUEUE: usize = 2048;

/// Exchanges of a batch at most.
pub const BATCH: usize = 256;

/// How long a batch waits for more, unless it is full. OpenTelemetry's own processors wait 5 s.
pub const DELAY: Duration = Duration::from_secs(2);

/// How long a collector may take to accept a batch.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How often a batch is sent at most.
const ATTEMPTS: u32 = 4;

/// The waits before a batch is sent again: about 1, 2 and 4 s.
const BACKOFF: Policy = Policy {
    growth: Growth::Exponential { first: Duration::from_secs(1), jitter: Jitter::Equal },
    cap: Duration::from_secs(4),
};

/// What a process gets to hand over its last spans.
const LAST: Duration = Duration::from_millis(400);

/// Where spans go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether within TLS; the certificate is verified by the authorities that the system trusts.
    pub tls: bool,
    /// The path.
    pub path: String,
    /// The name under which this balancer is known there.
    pub service: String,
}

/// The near end of the queue, and what is counted.
pub struct Exporter {
    queue: Sender<Vec<Span>>,
    /// Until the part takes it.
    spans: Mutex<Option<Receiver<Vec<Span>>>>,
    collector: ArcSwapOption<Collector>,
    client: Client,
    exported: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    /// The last batch failed: one report is enough for a row of failures.
    failing: AtomicBool,
}

impl Default for Exporter {
    fn default() -> Self {
        let (queue, spans) = mpsc::channel(QUEUE);
        Self {
            queue,
            spans: Mutex::new(Some(spans)),
            collector: ArcSwapOption::empty(),
            client: Client::new(Connector::new(), Limits::DEFAULT),
            exported: AtomicU64::default(),
            dropped: AtomicU64::default(),
            failed: AtomicU64::default(),
            failing: AtomicBool::default(),
        }
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("collector", &self.collector.load()).finish_non_exhaustive()
    }
}

impl Exporter {
    /// Sends spans there from now on; nowhere without a collector.
    pub fn configure(&self, collector: Option<Collector>) {
        self.collector.store(collector.map(Arc::new));
    }

    /// Spans by what became of them: taken by the collector, dropped as too many waited, and given up as the collector did not take them.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        let Self { exported, dropped, failed, .. } = self;
        [("exported", exported), ("dropped", dropped), ("failed", failed)]
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    /// Hands the spans of an exchange over, or counts them as dropped.
    fn export(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        if self.queue.try_send(spans).is_err() {
            self.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Sends a batch, again if it has to be; `until` is the end of all time.
    async fn send(&self, batch: Vec<Vec<Span>>, until: Option<Instant>) {
        let spans = batch.into_iter().flatten().collect::<Vec<_>>();
        let count = spans.len() as u64;
        let Some(collector) = self.collector.load_full() else { return };
        let service = collector.service.clone();
        // Thousands of attributes take a millisecond, which belongs to clients.
        let body = tokio::task::spawn_blocking(move || {
            Bytes::from(otlp::request(&service, env!("CARGO_PKG_VERSION"), &spans))
        });
        let Ok(body) = body.await else { return };
        let mut backoff = Backoff::new(BACKOFF, fastrand::u64(..));
        for attempt in 1..=ATTEMPTS {
            let by = Instant::now() + TIMEOUT;
            let by = until.map_or(by, |until| until.min(by));
            let sent = timeout_at(by, send(&self.client, &collector, Bytes::clone(&body))).await;
            let error = match sent.unwrap_or(Err(send::Untaken::Slow)) {
                Ok(()) => {
                    self.exported.fetch_add(count, Ordering::Relaxed);
                    self.failing.store(false, Ordering::Relaxed);
                    return;
                }
                Err(error) => error,
            };
            let last = until.is_some() || attempt == ATTEMPTS || !error.is_temporary();
            if !self.failing.swap(true, Ordering::Relaxed) {
                tracing::warn!(collector = collector.host, port = collector.port, %error, "spans are not taken");
            }
            if last {
                break;
            }
            sleep(backoff.wait()).await;
        }
        self.failed.fetch_add(count, Ordering::Relaxed);
    }
}

/// The far end of the queue.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) exporter: Arc<Exporter>,
    /// Of the last parts.
    pub(super) drain: Drain,
}

impl Sending {
    async fn run(&self, mut spans: Receiver<Vec<Span>>) {
        let mut batch = Vec::new();
        let until = loop {
            tokio::select! {
                () = self.drain.stopping() => break Instant::now() + LAST,
                () = gather(&mut spans, &mut batch) => {}
            }
            let count: usize = batch.iter().map(Vec::len).sum();
            let mut sending = pin!(self.exporter.send(std::mem::take(&mut batch), None));
            tokio::select! {
                () = self.drain.stopping() => {
                    let until = Instant::now() + LAST;
                    if timeout_at(until, sending).await.is_err() {
                        self.exporter.failed.fetch_add(count as u64, Ordering::Relaxed);
                    }
                    break until;
                }
                () = &mut sending => {}
            }
        };
        while let Ok(more) = spans.try_recv() {
            batch.push(more);
        }
        if !batch.is_empty() {
            self.exporter.send(batch, Some(until)).await;
        }
    }
}

/// Waits for a batch: the first exchange, and those that come soon after it. What was gathered stays in `batch` when this is dropped.
async fn gather(spans: &mut Receiver<Vec<Span>>, batch: &mut Vec<Vec<Span>>) {
    if batch.is_empty() && spans.recv_many(batch, BATCH).await == 0 {
        return std::future::pending().await;
    }
    let more =
        async { while batch.len() < BATCH && spans.recv_many(batch, BATCH - batch.len()).await > 0 {} };
    // All that has come by then is the batch.
    let _ = timeout(DELAY, more).await;
}

impl Part for Sending {
    fn serve(self: Arc<Self>, _: usize, _: Clock) -> Serving {
        let accepting = self.drain.accepting();
        let spans = self.exporter.spans.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move {
            // The first shard to come sends for all.
            if let Some(spans) = spans {
                self.run(spans).await;
            }
            drop(accepting);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU64, NonZeroU128};

    use super::*;
    use crate::proto::otlp::Kind;

    fn spans(count: usize) -> Vec<Span> {
        let span = Span {
            trace: NonZeroU128::MIN,
            id: NonZeroU64::MIN,
            parent: None,
            kind: Kind::Server,
            name: "GET".into(),
            begun: 1,
            ended: 2,
            attributes: Vec::new(),
            failed: false,
        };
        vec![span; count]
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let exporter = Exporter::default();
        for _ in 0..QUEUE + 3 {
            exporter.export(spans(2));
        }
        assert_eq!(exporter.counts(), [("exported", 0), ("dropped", 6), ("failed", 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_sent_when_it_is_full_or_has_waited() {
        let (queue, mut receiver) = mpsc::channel(QUEUE);
        let mut batch = Vec::new();
        for _ in 0..BATCH + 1 {
            queue.try_send(spans(1)).unwrap();
        }
        let begun = Instant::now();
        gather(&mut receiver, &mut batch).await;
        assert_eq!((batch.len(), begun.elapsed()), (BATCH, Duration::ZERO));
        batch.clear();
        gather(&mut receiver, &mut batch).await;
        assert_eq!((batch.len(), begun.elapsed()), (1, DELAY));
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_collector_takes_is_given_up_and_counted() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let exporter = Exporter::default();
        let collector = Collector {
            host: "127.0.0.1".into(),
            port,
            tls: false,
            path: otlp::PATH.into(),
            service: "lb".into(),
        };
        exporter.configure(Some(collector));
        exporter.send(vec![spans(3)], None).await;
        assert_eq!(exporter.counts(), [("exported", 0), ("dropped", 0), ("failed", 3)]);
    }
}
