//! What `torrent-set` (section 3.2) and `group-set` (section 4.8.1) change.

use super::arguments::arguments;
use super::{AbsolutePath, FileIndexes, Labels, Priority, SeedMode, TrackerTiers};

arguments! {
    /// What is changed at torrents. It is done in the order of the fields: a file that is both unwanted and wanted is
    /// wanted.
    pub struct TorrentChange {
        /// How much they matter.
        "bandwidthPriority" => priority: Priority,
        /// The name of their bandwidth group; none if it is empty.
        "group" => group: String,
        /// What they are marked with, instead of what they were.
        "labels" => labels: Labels,
        /// Files not to download.
        "files-unwanted" => files_unwanted: FileIndexes,
        /// Files to download.
        "files-wanted" => files_wanted: FileIndexes,
        /// Peers at most.
        "peer-limit" => peer_limit: u32,
        /// Files that come first.
        "priority-high" => priority_high: FileIndexes,
        /// Files that come last.
        "priority-low" => priority_low: FileIndexes,
        /// Files between them.
        "priority-normal" => priority_normal: FileIndexes,
        /// The limit of downloading, in kB/s of 1000 bytes.
        "downloadLimit" => download_limit: u32,
        /// Whether that limit holds.
        "downloadLimited" => download_limited: bool,
        /// Whether those of the session hold, too.
        "honorsSessionLimits" => honors_session_limits: bool,
        /// The limit of uploading, in kB/s.
        "uploadLimit" => upload_limit: u32,
        /// Whether that limit holds.
        "uploadLimited" => upload_limited: bool,
        /// Minutes without an upload after which seeding ends.
        "seedIdleLimit" => seed_idle_limit: u32,
        /// Whether that holds.
        "seedIdleMode" => seed_idle_mode: SeedMode,
        /// The ratio at which seeding ends. Some clients send one below 0 for none.
        "seedRatioLimit" => seed_ratio_limit: f64,
        /// Whether that holds.
        "seedRatioMode" => seed_ratio_mode: SeedMode,
        /// Their place in the queue, from 0; behind the last one is the last one.
        "queuePosition" => queue_position: u32,
        /// Announce URLs to add, each in a tier of its own.
        "trackerAdd" => tracker_add: Vec<String>,
        /// Trackers to remove, by their ids.
        "trackerRemove" => tracker_remove: Vec<u32>,
        /// Trackers, by their ids, that get other announce URLs.
        "trackerReplace" => tracker_replace: Vec<(u32, String)>,
        /// All trackers, instead of those that were.
        "trackerList" => tracker_list: TrackerTiers,
        /// Where their files are from now on.
        "location" => location: AbsolutePath,
    }
}

arguments! {
    /// What is changed at a bandwidth group, which is made if it is not there.
    pub struct GroupChange {
        /// Whether the limits of the session hold for it, too.
        "honorsSessionLimits" => honors_session_limits: bool,
        /// The limit of downloading, in kB/s of 1000 bytes.
        "speed-limit-down" => speed_limit_down: u32,
        /// Whether that limit holds.
        "speed-limit-down-enabled" => speed_limit_down_enabled: bool,
        /// The limit of uploading, in kB/s.
        "speed-limit-up" => speed_limit_up: u32,
        /// Whether that limit holds.
        "speed-limit-up-enabled" => speed_limit_up_enabled: bool,
    }
}
