//! How many of a torrent's trackers are announced to, and how often.

use std::time::Duration;

/// How many trackers are announced to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The first that answers, as in BEP 12.
    First,
    /// One of each tier, as qBittorrent does.
    #[default]
    EachTier,
    /// All.
    All,
}

/// How trackers are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many are announced to.
    pub reach: Reach,
    /// Between two announces at least, whatever a tracker says.
    pub min_interval: Duration,
    /// Between two announces at most, whatever a tracker says.
    pub max_interval: Duration,
    /// Between two announces, if the tracker does not say.
    pub interval: Duration,
    /// How long an announce is waited for before the next tracker is tried as well.
    pub patience: Duration,
    /// How long a tracker that has failed is left alone; then twice as long each time.
    pub first_backoff: Duration,
    /// How long at most.
    pub max_backoff: Duration,
}

impl Default for Settings {
    /// One of each tier; every half hour, but at least every day and at most every minute; 30 s of patience (libtorrent
    /// gives up after 30 s, `tracker_completion_timeout`); 10 s after a failure, up to an hour.
    fn default() -> Self {
        Self {
            reach: Reach::default(),
            min_interval: Duration::from_secs(60),
            max_interval: Duration::from_secs(24 * 3600),
            interval: Duration::from_secs(1800),
            patience: Duration::from_secs(30),
            first_backoff: Duration::from_secs(10),
            max_backoff: Duration::from_secs(3600),
        }
    }
}
