//! What is told of a session: `session-get` (section 4.1.2), `session-stats` (section 4.2) and `group-get` (section
//! 4.8.2).

use serde::Serialize;
use serde_json::{Map, Value};

use super::{RPC_VERSION, RPC_VERSION_MINIMUM, RPC_VERSION_SEMVER, Settings};

/// A session.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Session {
    /// What can be set.
    #[serde(flatten)]
    pub settings: Settings,
    /// Ranges of addresses in the blocklist.
    pub blocklist_size: u64,
    /// Where the daemon keeps its state.
    pub config_dir: String,
    /// Bytes that are free in the download folder.
    pub download_dir_free_space: u64,
    /// The value that requests have to have in [`SESSION_ID_HEADER`](super::SESSION_ID_HEADER).
    pub session_id: String,
    /// What we are, as `4.0.6 (wireworks)`: clients read a version of Transmission from its beginning, and Sonarr
    /// wants 2.40 at least.
    pub version: String,
}

/// How clients write numbers of bytes: in thousands, but memory in 1024s (as Transmission does).
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Units {
    memory_bytes: u32,
    memory_units: [&'static str; 4],
    size_bytes: u32,
    size_units: [&'static str; 4],
    speed_bytes: u32,
    speed_units: [&'static str; 4],
}

const UNITS: Units = Units {
    memory_bytes: 1024,
    memory_units: ["KiB", "MiB", "GiB", "TiB"],
    size_bytes: 1000,
    size_units: ["kB", "MB", "GB", "TB"],
    speed_bytes: 1000,
    speed_units: ["kB/s", "MB/s", "GB/s", "TB/s"],
};

/// All fields of a session.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Everything<'a> {
    #[serde(flatten)]
    session: &'a Session,
    rpc_version: u32,
    rpc_version_minimum: u32,
    rpc_version_semver: &'static str,
    units: Units,
}

impl Session {
    /// The fields that are asked for: all if none are, and of those only the ones that there are.
    #[must_use]
    pub fn fields(&self, names: &[String]) -> Map<String, Value> {
        let everything = Everything {
            session: self,
            rpc_version: RPC_VERSION,
            rpc_version_minimum: RPC_VERSION_MINIMUM,
            rpc_version_semver: RPC_VERSION_SEMVER,
            units: UNITS,
        };
        let Ok(Value::Object(mut fields)) = serde_json::to_value(everything) else {
            return Map::new();
        };
        if names.is_empty() {
            return fields;
        }
        names.iter().filter_map(|name| fields.remove_entry(name)).collect()
    }
}

/// What a session has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Torrents that are not stopped.
    pub active_torrent_count: u64,
    /// Bytes a second that come.
    pub download_speed: u64,
    /// Torrents that are stopped.
    pub paused_torrent_count: u64,
    /// All torrents.
    pub torrent_count: u64,
    /// Bytes a second that go.
    pub upload_speed: u64,
    /// Since the first start.
    #[serde(rename = "cumulative-stats")]
    pub cumulative: Transfer,
    /// Since the last start.
    #[serde(rename = "current-stats")]
    pub current: Transfer,
}

/// What was done in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// Bytes that came.
    pub downloaded_bytes: u64,
    /// Files of torrents that were added.
    pub files_added: u64,
    /// The time, in seconds.
    pub seconds_active: u64,
    /// How often the daemon was started.
    pub session_count: u64,
    /// Bytes that went.
    pub uploaded_bytes: u64,
}

/// A bandwidth group: torrents that share limits, in kB/s.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Group {
    /// Whether the limits of the session hold for it, too.
    #[serde(rename = "honorsSessionLimits")]
    pub honors_session_limits: bool,
    /// What it is called.
    pub name: String,
    /// The limit of downloading.
    pub speed_limit_down: u32,
    /// Whether that holds.
    pub speed_limit_down_enabled: bool,
    /// The limit of uploading.
    pub speed_limit_up: u32,
    /// Whether that holds.
    pub speed_limit_up_enabled: bool,
}
