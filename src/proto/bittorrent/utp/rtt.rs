//! How long a packet and its acknowledgement take, and how long to wait for one (BEP 29, "timeouts").

use std::time::Duration;

/// Before anything is known.
const INITIAL: Duration = Duration::from_secs(1);

/// At least.
const LEAST: Duration = Duration::from_millis(500);

/// At most, however often it was doubled: RFC 6298, section 2.5.
const MOST: Duration = Duration::from_secs(60);

/// Round trips of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip {
    /// The average and its deviation, when one was measured.
    smoothed: Option<(Duration, Duration)>,
    least: Option<Duration>,
}

impl RoundTrip {
    /// One more was measured, of a packet that was sent once.
    pub(super) fn add(&mut self, sample: Duration) {
        self.least = Some(self.least.map_or(sample, |least| least.min(sample)));
        let Some((mean, deviation)) = &mut self.smoothed else {
            self.smoothed = Some((sample, sample / 2));
            return;
        };
        let off = mean.abs_diff(sample);
        *deviation = *deviation - *deviation / 4 + off / 4;
        *mean = *mean - *mean / 8 + sample / 8;
    }

    /// The average.
    pub(super) fn mean(&self) -> Option<Duration> {
        self.smoothed.map(|(mean, _)| mean)
    }

    /// The shortest one.
    pub(super) fn least(&self) -> Duration {
        self.least.unwrap_or_default()
    }

    /// How long to wait, having waited in vain so many times.
    pub(super) fn timeout(&self, in_vain: u32) -> Duration {
        let once = self.smoothed.map_or(INITIAL, |(mean, deviation)| LEAST.max(mean + deviation * 4));
        once.saturating_mul(1 << in_vain.min(16)).min(MOST)
    }
}
