//! The RPC of Transmission, by which front ends and `transmission-remote` steer a daemon: JSON in, typed requests out;
//! typed answers in, JSON out. The specification is Transmission's `docs/rpc-spec.md`, in version 17 (Transmission
//! 4.0).
//!
//! A body of HTTP is read by [`Request::read`]; what cannot be read is a [`RequestError`], which knows its answer. A
//! server does what the [`Method`] says, and answers by [`Answer`]. `torrent-get` is written from a [`View`] of each
//! torrent, of which only that is computed that the request has fields for: [`Fields::needs`] tells what has to be
//! gathered before.
//!
//! HTTP belongs to the server: requests are POSTs to [`PATH`]. One without the header [`SESSION_ID_HEADER`], or with
//! another value of it than the server's, is answered with status 409 and that header, and not carried out; the client
//! sends it again with the value (section 2.3.1: no page of another site can read that header). Every other answer has
//! status 200, failures as well.

mod add;
mod answer;
mod arguments;
mod change;
mod details;
mod error;
mod fields;
mod ids;
mod request;
mod row;
mod session;
mod settings;
mod torrent;
mod tracker;
mod values;
mod view;

#[cfg(test)]
mod tests;

pub use add::{Add, AddOptions, Source};
pub use answer::{Answer, Space};
pub use change::{GroupChange, TorrentChange};
pub use details::{File, Peer, PeerSource};
pub use error::{Failure, Refusal, RequestError};
pub use fields::{Detail, Field, Fields};
pub use ids::{Id, Ids};
pub use request::{Format, Get, Method, Request};
pub use session::{Group, Session, Stats, Transfer};
pub use settings::{Settings, SettingsChange};
pub use torrent::{
    Dates, Eta, Limits, PeersFrom, Seeding, Sizes, SpeedLimit, Status, Swarm, Torrent, TorrentError, Traffic,
};
pub use tracker::{Asked, Outcome, Tracker, TrackerState};
pub use values::{
    AbsolutePath, Days, Encryption, FileIndexes, Labels, MinuteOfDay, Priority, SeedMode, TrackerTiers,
};
pub use view::View;

/// The version of the RPC that is spoken.
pub const RPC_VERSION: u32 = 17;

/// The oldest one that its clients may have been written for.
pub const RPC_VERSION_MINIMUM: u32 = 14;

/// [`RPC_VERSION`] as a semantic version.
pub const RPC_VERSION_SEMVER: &str = "5.3.0";

/// The header that proves that a client may read our answers. See the documentation of this module.
pub const SESSION_ID_HEADER: &str = "X-Transmission-Session-Id";

/// Where clients look for the RPC.
pub const PATH: &str = "/transmission/rpc";

/// For how many seconds a torrent that was active, or one that was removed, counts as recent
/// ([`Ids::RecentlyActive`]).
pub const RECENT_SECONDS: u64 = 60;
