//! What a socket puts up with.

use std::time::Duration;

use crate::net::conn::HIGH_WATER;
use crate::net::pace::MinRate;
use crate::net::workers::Blocking;
use crate::proto::ws::keeper::Patience;
use crate::proto::ws::limits::Limits;

/// Bytes that may wait for a peer, unless [`Settings::max_unsent`] says otherwise.
pub const MAX_UNSENT: usize = 4 << 20;

// A producer that asks for room stays below.
const _: () = assert!(HIGH_WATER < MAX_UNSENT);

/// The settings of a socket, at either end.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the peer may send.
    pub limits: Limits,
    /// How long it may take.
    pub patience: Patience,
    /// Bytes that may wait for the peer to take them. [`feed`](super::Socket::feed) gives a peer up that is further behind.
    pub max_unsent: usize,
    /// How fast the peer has to take what is sent.
    pub min_write_rate: MinRate,
    /// The longest time in which the peer may take nothing at all.
    pub stall_timeout: Duration,
    /// Threads that compress what [`send`](super::Socket::send) finds too large to do between two other connections; without
    /// them it is done all the same.
    pub workers: Option<Blocking>,
    /// What is too large, in bytes.
    pub offload: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            patience: Patience::default(),
            max_unsent: MAX_UNSENT,
            min_write_rate: MinRate { rate: 500, grace: Duration::from_secs(10) },
            stall_timeout: Duration::from_secs(30),
            workers: None,
            offload: 64 << 10, // a millisecond at level 3
        }
    }
}
