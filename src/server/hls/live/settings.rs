//! What is decided about all live streams of a server.

use std::path::PathBuf;
use std::time::Duration;

use crate::proto::hls::live::settings;

/// What is decided about all streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Segments, parts and playlists.
    pub media: settings::Settings,
    /// How long a stream waits for a publisher that has left, before it ends.
    pub reconnect: Duration,
    /// How long a stream that has ended can be watched.
    pub linger: Duration,
    /// Where streams are recorded; `None` for nowhere.
    pub record: Option<PathBuf>,
    /// How much there may be.
    pub limits: Limits,
}

/// How much there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Streams, those that have just ended among them.
    pub streams: usize,
    /// Renditions of a stream, each with one publisher at most.
    pub renditions: usize,
    /// Bytes of memory for the segments of all streams together. Where it is not enough, windows become shorter.
    pub bytes: u64,
    /// How long a publisher may say nothing before it is taken to have left.
    pub silence: Duration,
    /// How far a publisher may be ahead of the clock: a faster one is made to wait.
    pub ahead: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            media: settings::Settings::default(),
            reconnect: Duration::from_secs(30),
            linger: Duration::from_secs(60),
            record: None,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        // Silence: nginx-rtmp 60 s, MediaMTX 10 s. Half a GiB is a minute and a half of ten renditions of 5 Mb/s each.
        Self {
            streams: 100,
            renditions: 10,
            bytes: 512 << 20,
            silence: Duration::from_secs(30),
            ahead: Duration::from_secs(2),
        }
    }
}
