//! A torrent, as far as `torrent-get` tells of it in numbers and texts.
//!
//! A daemon builds a [`Torrent`] for each row of an answer, and that is cheap: it copies no text. [`Torrent::new`] has
//! an honest value for everything that a daemon has no number of: nothing known, nothing limited, nothing done.
//!
//! Times are seconds since 1970, rates bytes a second, limits of rates kB/s of 1000 bytes.

use super::{Priority, SeedMode};
use crate::proto::bittorrent::hash::Sha1;

/// The numbers and texts of a torrent.
#[derive(Clone, Debug)]
pub struct Torrent<'a> {
    /// Its number, above 0, which holds until the daemon ends.
    pub id: u32,
    /// Its info hash: that of version 1, or the first 20 bytes of that of version 2.
    pub hash: Sha1,
    /// What it is called.
    pub name: &'a str,
    /// What its author says of it.
    pub comment: &'a str,
    /// The program that made it.
    pub creator: &'a str,
    /// The folder that its files are in.
    pub download_dir: &'a str,
    /// Where its metainfo file is.
    pub torrent_file: &'a str,
    /// What most of its bytes are, as `video/mp4`. Transmission tells it by the names of files.
    pub mime_type: &'a str,
    /// The name of its bandwidth group.
    pub group: &'a str,
    /// What it is marked with.
    pub labels: &'a [String],
    /// Where its files are on the web (BEP 17, 19).
    pub web_seeds: &'a [String],
    /// Whether peers come from its trackers only (BEP 27).
    pub is_private: bool,
    /// What it does.
    pub status: Status,
    /// What is wrong.
    pub error: Option<TorrentError<'a>>,
    /// How much of its metadata is there: 1 is all.
    pub metadata: f64,
    /// How much of its files is verified, while they are: 1 is all.
    pub verified: f64,
    /// How long it still takes to download, or to seed until a ratio is reached.
    pub eta: Eta,
    /// How long it is still seeded, if nobody downloads.
    pub eta_idle: Eta,
    /// Whether it has stopped because its limit of seeding was reached.
    pub is_finished: bool,
    /// Whether it runs, and there has been no traffic for the minutes that the session says.
    pub is_stalled: bool,
    /// Its place in the queue, from 0.
    pub queue_position: u32,
    /// Pieces.
    pub piece_count: u32,
    /// Bytes of a piece.
    pub piece_size: u32,
    /// Files.
    pub file_count: u32,
    /// When its trackers may be asked for more peers by hand. `None` if they may not.
    pub manual_announce: Option<u64>,
    /// Bytes of it.
    pub sizes: Sizes,
    /// Bytes that came and went.
    pub traffic: Traffic,
    /// When what happened.
    pub dates: Dates,
    /// What it may.
    pub limits: Limits,
    /// With whom it is shared.
    pub swarm: Swarm,
}

impl<'a> Torrent<'a> {
    /// A torrent that is stopped, and of which nothing else is known.
    #[must_use]
    pub fn new(id: u32, hash: Sha1, name: &'a str) -> Self {
        Self {
            id,
            hash,
            name,
            comment: "",
            creator: "",
            download_dir: "",
            torrent_file: "",
            mime_type: "application/octet-stream",
            group: "",
            labels: &[],
            web_seeds: &[],
            is_private: false,
            status: Status::Stopped,
            error: None,
            metadata: 0.0,
            verified: 0.0,
            eta: Eta::NotApplicable,
            eta_idle: Eta::NotApplicable,
            is_finished: false,
            is_stalled: false,
            queue_position: 0,
            piece_count: 0,
            piece_size: 0,
            file_count: 0,
            manual_announce: None,
            sizes: Sizes::default(),
            traffic: Traffic::default(),
            dates: Dates::default(),
            limits: Limits::default(),
            swarm: Swarm::default(),
        }
    }
}

/// What a torrent does (`tr_torrent_activity`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// 0: nothing.
    #[default]
    Stopped,
    /// 1: it waits for its files to be verified.
    VerifyWait,
    /// 2: its files are verified.
    Verify,
    /// 3: it waits to download.
    DownloadWait,
    /// 4: it downloads.
    Download,
    /// 5: it waits to be seeded.
    SeedWait,
    /// 6: it is seeded.
    Seed,
}

/// What is wrong with a torrent (`tr_stat_errtype`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TorrentError<'a> {
    /// 1: a tracker warns, in these words.
    TrackerWarning(&'a str),
    /// 2: a tracker refuses, in these words.
    TrackerError(&'a str),
    /// 3: something is wrong here.
    Local(&'a str),
}

/// How long something still takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Eta {
    /// It is not going on: -1.
    #[default]
    NotApplicable,
    /// It is going on, and nobody knows: -2.
    Unknown,
    /// So many seconds.
    Seconds(u64),
}

/// Bytes of a torrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// All.
    pub total: u64,
    /// Those of the pieces of wanted files.
    pub wanted: u64,
    /// Those of them that are missing.
    pub left: u64,
    /// Those that are here, in pieces that were verified.
    pub verified: u64,
    /// Those that are here, in pieces that are not complete.
    pub unverified: u64,
    /// Those that are missing, and that some peer has.
    pub available: u64,
}

/// Bytes that came and went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Traffic {
    /// That came, in all.
    pub downloaded: u64,
    /// That went, in all.
    pub uploaded: u64,
    /// That came, and did not verify.
    pub corrupt: u64,
    /// That come in a second.
    pub download_rate: u64,
    /// That go in a second.
    pub upload_rate: u64,
    /// What went by what came, as this daemon counts for its limits. Infinite if only something went; `None` if
    /// nothing did and nothing came.
    pub ratio: Option<f64>,
    /// Seconds of downloading.
    pub seconds_downloading: u64,
    /// Seconds of seeding.
    pub seconds_seeding: u64,
}

/// When what happened; `None` if it did not, or nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dates {
    /// It was made.
    pub created: Option<u64>,
    /// It was added.
    pub added: Option<u64>,
    /// It was started last.
    pub started: Option<u64>,
    /// Bytes of it came or went last.
    pub active: Option<u64>,
    /// It was complete.
    pub done: Option<u64>,
    /// Its trackers, files or names were changed last.
    pub edited: Option<u64>,
}

/// A limit of a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpeedLimit {
    /// In kB/s.
    pub limit: u32,
    /// Whether it holds.
    pub enabled: bool,
}

/// When seeding ends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seeding<T> {
    /// The limit of this torrent.
    pub limit: T,
    /// Which limit holds.
    pub mode: SeedMode,
}

/// What a torrent may.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// How much it matters.
    pub priority: Priority,
    /// Downloading.
    pub download: SpeedLimit,
    /// Uploading.
    pub upload: SpeedLimit,
    /// Whether the limits of the session hold, too.
    pub honors_session: bool,
    /// Peers at most.
    pub peers: u32,
    /// The ratio at which seeding ends.
    pub ratio: Seeding<f64>,
    /// Minutes without an upload after which seeding ends.
    pub idle: Seeding<u32>,
}

/// With whom a torrent is shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swarm {
    /// Peers that are connected.
    pub connected: u32,
    /// Of these, those that download from us now.
    pub getting_from_us: u32,
    /// Of these, those that we download from now.
    pub sending_to_us: u32,
    /// Web seeds that we download from now.
    pub web_seeds_sending: u32,
    /// How the connected ones were found.
    pub from: PeersFrom,
}

/// How many peers were found in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PeersFrom {
    /// By the state of the last run.
    #[serde(rename = "fromCache")]
    pub cache: u32,
    /// By the DHT.
    #[serde(rename = "fromDht")]
    pub dht: u32,
    /// They found us.
    #[serde(rename = "fromIncoming")]
    pub incoming: u32,
    /// On the same network.
    #[serde(rename = "fromLpd")]
    pub lpd: u32,
    /// By an extension handshake (BEP 10): peers that others told us the ports of.
    #[serde(rename = "fromLtep")]
    pub ltep: u32,
    /// By other peers (BEP 11).
    #[serde(rename = "fromPex")]
    pub pex: u32,
    /// By trackers.
    #[serde(rename = "fromTracker")]
    pub tracker: u32,
}
