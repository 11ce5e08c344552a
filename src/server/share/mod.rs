//! The peer-to-peer file share: BitTorrent, as peers, trackers and people meet it.
//!
//! A [`Client`] shares torrents. [`storage`] is where their files are. [`tracker`] tells clients of each other.

mod check;
mod client;
pub mod command;
mod common;
pub mod create;
pub mod daemon;
mod datagrams;
mod discover;
pub mod filter;
mod memory;
pub mod resume;
mod settings;
pub mod storage;
mod swarm;
mod throttle;
pub mod tracker;

pub use self::check::{CheckError, check};
pub use self::client::{AddError, Client, Handle, StartError};
pub use self::common::Banned;
pub use self::memory::CACHE;
pub use self::settings::Settings;
pub use self::swarm::{PeerInfo, Progress, ReadError, TrackerView};
