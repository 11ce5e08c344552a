//! What can be set of a session (section 4.1): as it is, and what `session-set` changes of it. Both come from one
//! table.
//!
//! A setting of something that a daemon does not have stays at its default. Speeds are in kB/s of 1000 bytes.

use serde::Serialize;

use super::arguments::arguments;
use super::{AbsolutePath, Days, Encryption, MinuteOfDay, TrackerTiers};

macro_rules! settings {
    ($($(#[$doc:meta])* $name:literal => $field:ident: $type:ty $(as $changed:ty)?,)*) => {
        /// The settings of a session.
        #[derive(Clone, Debug, Default, PartialEq, Serialize)]
        pub struct Settings {
            $($(#[$doc])* #[serde(rename = $name)] pub $field: $type,)*
        }

        settings! { @change {} $($(#[$doc])* $name => $field: $type $(as $changed)?,)* }
    };
    // Takes one setting after another: what it is changed by is of another type where that is said.
    (@change {$($done:tt)*} $(#[$doc:meta])* $name:literal => $field:ident: $type:ty as $changed:ty, $($rest:tt)*) => {
        settings! { @change {$($done)* $(#[$doc])* $name => $field: $changed,} $($rest)* }
    };
    (@change {$($done:tt)*} $(#[$doc:meta])* $name:literal => $field:ident: $type:ty, $($rest:tt)*) => {
        settings! { @change {$($done)* $(#[$doc])* $name => $field: $type,} $($rest)* }
    };
    (@change {$($done:tt)*}) => {
        arguments! {
            /// What is changed of the settings of a session.
            pub struct SettingsChange { $($done)* }
        }
    };
}

settings! {
    /// The other limit of downloading.
    "alt-speed-down" => alt_speed_down: u32,
    /// Whether the other limits hold.
    "alt-speed-enabled" => alt_speed_enabled: bool,
    /// When the other limits begin to hold.
    "alt-speed-time-begin" => alt_speed_time_begin: MinuteOfDay,
    /// On which days they do.
    "alt-speed-time-day" => alt_speed_time_day: Days,
    /// Whether they do so by time.
    "alt-speed-time-enabled" => alt_speed_time_enabled: bool,
    /// When they end.
    "alt-speed-time-end" => alt_speed_time_end: MinuteOfDay,
    /// The other limit of uploading.
    "alt-speed-up" => alt_speed_up: u32,
    /// Whether peers on the blocklist are refused.
    "blocklist-enabled" => blocklist_enabled: bool,
    /// Where the blocklist is fetched from.
    "blocklist-url" => blocklist_url: String,
    /// MiB of the disk cache at most.
    "cache-size-mb" => cache_size_mb: u32,
    /// Trackers of all public torrents: one a line, an empty line between tiers.
    "default-trackers" => default_trackers: String as TrackerTiers,
    /// Whether the DHT is used (BEP 5).
    "dht-enabled" => dht_enabled: bool,
    /// Where files are, unless a torrent says otherwise.
    "download-dir" => download_dir: String as AbsolutePath,
    /// Whether torrents wait until others are done.
    "download-queue-enabled" => download_queue_enabled: bool,
    /// Downloads at once.
    "download-queue-size" => download_queue_size: u32,
    /// Whether peers are spoken to in cipher.
    "encryption" => encryption: Encryption,
    /// Minutes without an upload after which seeding ends.
    "idle-seeding-limit" => idle_seeding_limit: u32,
    /// Whether that holds.
    "idle-seeding-limit-enabled" => idle_seeding_limit_enabled: bool,
    /// Where files are until they are complete.
    "incomplete-dir" => incomplete_dir: String as AbsolutePath,
    /// Whether that holds.
    "incomplete-dir-enabled" => incomplete_dir_enabled: bool,
    /// Whether peers on the same network are looked for (BEP 14).
    "lpd-enabled" => lpd_enabled: bool,
    /// Peers in all.
    "peer-limit-global" => peer_limit_global: u32,
    /// Peers of a new torrent.
    "peer-limit-per-torrent" => peer_limit_per_torrent: u32,
    /// The port that peers come to.
    "peer-port" => peer_port: u16,
    /// Whether it is another one at every start.
    "peer-port-random-on-start" => peer_port_random_on_start: bool,
    /// Whether peers tell each other of peers (BEP 11).
    "pex-enabled" => pex_enabled: bool,
    /// Whether a router is asked to forward the port.
    "port-forwarding-enabled" => port_forwarding_enabled: bool,
    /// Whether torrents without traffic do not count in the queues.
    "queue-stalled-enabled" => queue_stalled_enabled: bool,
    /// After how many minutes.
    "queue-stalled-minutes" => queue_stalled_minutes: u32,
    /// Whether the names of incomplete files end with `.part`.
    "rename-partial-files" => rename_partial_files: bool,
    /// Whether a program is run when a torrent was added.
    "script-torrent-added-enabled" => script_torrent_added_enabled: bool,
    /// Which.
    "script-torrent-added-filename" => script_torrent_added_filename: String,
    /// Whether a program is run when a torrent is complete.
    "script-torrent-done-enabled" => script_torrent_done_enabled: bool,
    /// Which.
    "script-torrent-done-filename" => script_torrent_done_filename: String,
    /// Whether a program is run when a torrent is seeded no more.
    "script-torrent-done-seeding-enabled" => script_torrent_done_seeding_enabled: bool,
    /// Which.
    "script-torrent-done-seeding-filename" => script_torrent_done_seeding_filename: String,
    /// Whether seeds wait for others.
    "seed-queue-enabled" => seed_queue_enabled: bool,
    /// Seeds at once.
    "seed-queue-size" => seed_queue_size: u32,
    /// The ratio at which seeding ends.
    "seedRatioLimit" => seed_ratio_limit: f64,
    /// Whether that holds.
    "seedRatioLimited" => seed_ratio_limited: bool,
    /// The limit of downloading.
    "speed-limit-down" => speed_limit_down: u32,
    /// Whether that holds.
    "speed-limit-down-enabled" => speed_limit_down_enabled: bool,
    /// The limit of uploading.
    "speed-limit-up" => speed_limit_up: u32,
    /// Whether that holds.
    "speed-limit-up-enabled" => speed_limit_up_enabled: bool,
    /// Whether a torrent is started when it is added.
    "start-added-torrents" => start_added_torrents: bool,
    /// Whether the metainfo file of an added torrent is removed.
    "trash-original-torrent-files" => trash_original_torrent_files: bool,
    /// Whether uTP is used (BEP 29).
    "utp-enabled" => utp_enabled: bool,
}
