//! Where peers are heard of: trackers, and others on the same network.

mod announce;
pub(super) mod dht;
pub(super) mod local;
pub(super) mod screen;
pub(super) mod trackers;
