//! Counters of a backend: requests, failures, connections, bytes and latencies.
//!
//! Each thread counts in a shard of its own, on cache lines that no other thread writes, by plain loads and stores: an event costs about a
//! nanosecond, and threads never wait for each other. A reader sums the shards, and may miss events of that very
//! moment.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use thread_local::ThreadLocal;

use crate::server::metrics::LATENCY_BUCKETS;

/// A counted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Event {
    /// A response with 101.
    Informational,
    /// A response with 2xx.
    Successful,
    /// A response with 3xx.
    Redirection,
    /// A response with 4xx.
    ClientError,
    /// A response with 5xx.
    ServerError,
    /// Connecting failed, or the handshake did.
    ConnectFailed,
    /// Connecting took too long.
    ConnectTimeout,
    /// The connection was lost before a response.
    Reset,
    /// No response in time.
    Timeout,
    /// An invalid response.
    Invalid,
    /// An incomplete response.
    Cut,
    /// A request went on to another backend, as this one could not be reached.
    RetriedConnect,
    /// The same, as it could not be reached in time.
    RetriedConnectTimeout,
    /// The same, as the connection was lost before a response.
    RetriedReset,
    /// The same, as no response came in time.
    RetriedTimeout,
    /// The same, as no connection to it was free.
    RetriedBusy,
    /// A connection was opened for a request.
    Opened,
    /// A connection was reused.
    Reused,
    /// Bytes sent to it; with TLS, plaintext.
    Sent,
    /// Bytes received from it.
    Received,
    /// Ejected for faults in a row.
    EjectedFaults,
    /// Ejected for failures in a row.
    EjectedFailures,
    /// Ejected for the rate of its failures.
    EjectedRate,
    /// Ejected for its latency.
    EjectedLag,
    /// A check passed.
    CheckPassed,
    /// A check failed.
    CheckFailed,
    /// A TCP connection or tunnel has ended.
    Session,
    /// The duration of these in milliseconds.
    SessionMillis,
}

/// How many events there are.
const EVENTS: usize = Event::SessionMillis as usize + 1;

impl Event {
    /// The class of a response.
    #[must_use]
    pub const fn of_status(status: http::StatusCode) -> Self {
        match status.as_u16() {
            ..200 => Self::Informational,
            200..300 => Self::Successful,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }

    /// An ejection.
    #[must_use]
    pub const fn of_ejection(reason: crate::proto::balance::outlier::Reason) -> Self {
        use crate::proto::balance::outlier::Reason;
        match reason {
            Reason::Faults => Self::EjectedFaults,
            Reason::Failures => Self::EjectedFailures,
            Reason::Rate => Self::EjectedRate,
            Reason::Lag => Self::EjectedLag,
        }
    }
}

/// Upper ends of the latency buckets in microseconds: those of [`LATENCY_BUCKETS`].
const BOUNDS: [u64; LATENCY_BUCKETS.len()] = {
    let mut bounds = [0; LATENCY_BUCKETS.len()];
    let mut place = 0;
    while place < bounds.len() {
        // Exact: the buckets are whole microseconds.
        bounds[place] = (LATENCY_BUCKETS[place] * 1e6 + 0.5) as u64;
        place += 1;
    }
    bounds
};

/// The buckets, and what is above them all.
const BUCKETS: usize = BOUNDS.len() + 1;

/// The counters of a backend.
#[derive(Default)]
pub struct Counters {
    shards: ThreadLocal<Shard>,
    peak: AtomicUsize,
}

/// What one thread has counted; aligned so that no two threads share a cache line, or a pair of lines that the processor fetches together.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    events: [Count; EVENTS],
    latencies: [Count; BUCKETS],
    latency_micros: Count,
}

/// A number that one thread writes and any thread may read.
#[derive(Default)]
struct Count(AtomicU64);

impl Count {
    fn add(&self, number: u64) {
        // Not `fetch_add`, which locks the bus: nobody else writes.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(number), Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// Counts an event.
    pub fn count(&self, event: Event) {
        self.add(event, 1);
    }

    /// Counts several events, or bytes.
    pub fn add(&self, event: Event, number: u64) {
        self.shards.get_or_default().events[event as usize].add(number);
    }

    /// Records the time until the first byte of a response.
    pub fn answered_after(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let shard = self.shards.get_or_default();
        shard.latencies[BOUNDS.partition_point(|bound| *bound < micros)].add(1);
        shard.latency_micros.add(micros);
    }

    /// Records the number of requests in progress.
    pub fn under_way(&self, calls: usize) {
        if calls > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(calls, Ordering::Relaxed);
        }
    }

    /// The counts of all threads so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { peak: self.peak.load(Ordering::Relaxed), ..Totals::default() };
        for shard in &self.shards {
            for (total, count) in totals.events.iter_mut().zip(&shard.events) {
                *total = total.wrapping_add(count.value());
            }
            for (total, count) in totals.latency.buckets.iter_mut().zip(&shard.latencies) {
                *total += count.value();
            }
            totals.latency.micros = totals.latency.micros.wrapping_add(shard.latency_micros.value());
        }
        totals
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.totals().fmt(f)
    }
}

/// The counts up to a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    events: [u64; EVENTS],
    /// Times until the first byte of a response.
    pub latency: Latencies,
    /// The highest number of requests in progress.
    pub peak: usize,
}

impl Totals {
    /// The count of an event, in events, bytes or milliseconds.
    #[must_use]
    pub fn of(&self, event: Event) -> u64 {
        self.events[event as usize]
    }

    /// The sum of some of them.
    #[must_use]
    pub fn sum(&self, events: &[Event]) -> u64 {
        events.iter().map(|event| self.of(*event)).sum()
    }

    /// Responses of any class.
    #[must_use]
    pub fn responses(&self) -> u64 {
        self.sum(&[
            Event::Informational,
            Event::Successful,
            Event::Redirection,
            Event::ClientError,
            Event::ServerError,
        ])
    }

    /// Attempts that failed because of the backend.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.sum(&[
            Event::ConnectFailed,
            Event::ConnectTimeout,
            Event::Reset,
            Event::Timeout,
            Event::Invalid,
            Event::Cut,
        ])
    }
}

/// A histogram of latencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// How many fell into each of [`LATENCY_BUCKETS`], and above the last.
    buckets: [u64; BUCKETS],
    micros: u64,
}

impl Latencies {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.micros)
    }

    /// The upper end of each bucket in seconds, infinite for the last, and how many are in it.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        LATENCY_BUCKETS.iter().copied().chain([f64::INFINITY]).zip(self.buckets)
    }

    /// Those since `earlier`, an older snapshot.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (now, then) in since.buckets.iter_mut().zip(earlier.buckets) {
            *now = now.saturating_sub(then);
        }
        since.micros = since.micros.saturating_sub(earlier.micros);
        since
    }

    /// The quantile for a share from 0 to 1, interpolated linearly within a bucket; the lower end of
    /// the last one. `None` when there are none.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = part.clamp(0.0, 1.0) * count as f64;
        let mut below = 0;
        for (place, in_bucket) in self.buckets.iter().enumerate() {
            if *in_bucket > 0 && (below + in_bucket) as f64 >= rank {
                let low = if place == 0 { 0 } else { BOUNDS[place - 1] };
                let high = BOUNDS.get(place).copied().unwrap_or(low);
                let within = (rank - below as f64).max(0.0) / *in_bucket as f64;
                return Some(Duration::from_micros(low) + Duration::from_micros(high - low).mul_f64(within));
            }
            below += in_bucket;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_bounds_are_those_of_the_other_servers() {
        for (micros, seconds) in BOUNDS.iter().zip(LATENCY_BUCKETS) {
            assert_eq!(Duration::from_micros(*micros), Duration::from_secs_f64(seconds));
        }
    }

    #[test]
    fn threads_count_for_themselves_and_are_added_up() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        counters.count(Event::Opened);
                        counters.add(Event::Sent, 3);
                        counters.answered_after(ms(2));
                    }
                });
            }
        });
        let totals = counters.totals();
        assert_eq!((totals.of(Event::Opened), totals.of(Event::Sent)), (4000, 12_000));
        assert_eq!((totals.latency.count(), totals.latency.sum()), (4000, Duration::from_secs(8)));
    }

    #[test]
    fn what_is_a_response_and_what_a_failure() {
        let counters = Counters::default();
        for status in [101, 200, 206, 301, 404, 503, 599] {
            counters.count(Event::of_status(http::StatusCode::from_u16(status).unwrap()));
        }
        for event in [Event::Reset, Event::Cut, Event::RetriedReset, Event::CheckFailed] {
            counters.count(event);
        }
        let totals = counters.totals();
        assert_eq!((totals.responses(), totals.failures()), (7, 2));
        assert_eq!((totals.of(Event::Successful), totals.of(Event::ServerError)), (2, 2));
    }

    #[test]
    fn the_peak_stays() {
        let counters = Counters::default();
        for calls in [1, 5, 2] {
            counters.under_way(calls);
        }
        assert_eq!(counters.totals().peak, 5);
    }

    #[test]
    fn quantiles_lie_within_their_buckets() {
        let counters = Counters::default();
        assert_eq!(counters.totals().latency.quantile(0.5), None);
        // 90 up to 1 ms, 9 up to 10 ms, one above all buckets.
        for (count, latency) in [(90, 1), (9, 8), (1, 60_000)] {
            (0..count).for_each(|_| counters.answered_after(ms(latency)));
        }
        let latency = counters.totals().latency;
        let rows =
            [(0.45, 500..1001), (0.90, 1000..1001), (0.95, 5000..10_001), (1.0, 10_000_000..10_000_001)];
        for (part, expected) in rows {
            let found = latency.quantile(part).unwrap().as_micros();
            assert!(expected.contains(&found), "{part}: {found}");
        }
    }

    #[test]
    fn a_part_of_the_time_is_a_difference() {
        let counters = Counters::default();
        counters.answered_after(ms(1));
        let then = counters.totals().latency;
        counters.answered_after(ms(100));
        let since = counters.totals().latency.since(&then);
        assert_eq!((since.count(), since.sum()), (1, ms(100)));
    }
}
