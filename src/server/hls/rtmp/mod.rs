//! The RTMP door: encoders publish to it, and viewers get HLS.
//!
//! A [`Door`] serves connections. Each is one task: `connection` has the conversation, by the languages of
//! [`proto::rtmp`](crate::proto::rtmp); `assembly` makes a feed of the FLV tags, with one `lane` a track on the
//! timeline of `times`; the feed goes to the streams of the server. What a stream cannot take yet is not read from the socket,
//! so that an encoder that is too fast is slowed down by TCP.

mod asked;
mod assembly;
mod connection;
mod counters;
mod lane;
mod options;
mod serve;
mod times;

use std::sync::Arc;
use std::time::Duration;

pub use self::assembly::MediaError;
pub use self::counters::Counters;
pub use self::options::{RtmpConfig, RtmpOptions};
use super::access::StreamKeys;
use super::live::Streams;

/// What is decided about the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From the connection to the beginning of the stream. Default: 10 s.
    pub handshake: Duration,
    /// A publisher from which no media come for so long is gone: its network has failed without a word. Default: 20 s; nginx-rtmp drops
    /// idle streams when told so, MediaMTX after 10 s.
    pub idle: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { handshake: Duration::from_secs(10), idle: Duration::from_secs(20) }
    }
}

/// The door. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    streams: Streams,
    keys: StreamKeys,
    settings: Settings,
    counters: Arc<Counters>,
}

impl Door {
    /// A door to these streams, for those who have a key.
    #[must_use]
    pub fn new(streams: Streams, keys: StreamKeys, settings: Settings) -> Self {
        Self(Arc::new(Inner { streams, keys, settings, counters: Arc::default() }))
    }

    /// What happens here.
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        &self.0.counters
    }
}
