//! What is kept of a torrent from one start of the daemon to the next, beside its metainfo and what is there of it.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::proto::bittorrent::metainfo::Layout;
use crate::proto::bittorrent::picker::{MAX_PRIORITY, PRIORITY};

/// How much a file is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilePriority {
    /// Not at all.
    Skip,
    /// After all others.
    Low,
    /// As most.
    #[default]
    Normal,
    /// Before all others.
    High,
}

impl FilePriority {
    /// The priority of its pieces.
    #[must_use]
    pub fn of_pieces(self) -> u8 {
        match self {
            Self::Skip => 0,
            Self::Low => 1,
            Self::Normal => PRIORITY,
            Self::High => MAX_PRIORITY,
        }
    }
}

/// What a torrent may use. `None` is as the settings of the daemon have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TorrentLimits {
    /// Bytes a second that are sent.
    pub up: Option<u64>,
    /// Bytes a second that are received.
    pub down: Option<u64>,
    /// How many times its own size it is sent before it pauses; for ever if it is 0.
    pub ratio: Option<f64>,
    /// After how many minutes in which nobody takes anything it pauses, when it is complete; never if it is 0.
    pub idle: Option<u64>,
}

/// What is kept of a torrent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The link that it came from, as long as nothing more is known of it.
    pub magnet: Option<String>,
    /// The folder that its files are below.
    pub folder: PathBuf,
    /// Whether it rests.
    pub paused: bool,
    /// Whether pieces are fetched in their order.
    pub sequential: bool,
    /// What it may use.
    pub limits: TorrentLimits,
    /// Its place in the queue, from 0.
    pub position: usize,
    /// When it came, in seconds since 1970.
    pub added: u64,
    /// When all that is wanted was there.
    pub completed: Option<u64>,
    /// Bytes that have come from peers, before it began to be shared last.
    pub downloaded: u64,
    /// Likewise, bytes that were sent.
    pub uploaded: u64,
    /// Likewise, bytes that were wrong.
    pub wasted: u64,
    /// How much each file is wanted; all as most, where there are none.
    pub priorities: Vec<FilePriority>,
    /// Words by which people and programs find it again.
    pub labels: Vec<String>,
}

impl Record {
    /// How much a file is wanted.
    #[must_use]
    pub fn priority(&self, file: usize) -> FilePriority {
        self.priorities.get(file).copied().unwrap_or_default()
    }

    /// Bytes of files that are wanted.
    #[must_use]
    pub fn wanted(&self, layout: &Layout) -> u64 {
        let files = layout.files().iter().enumerate().filter(|(_, file)| !file.is_padding());
        files
            .filter(|(number, _)| self.priority(*number) != FilePriority::Skip)
            .map(|(_, file)| file.length)
            .sum()
    }
}

/// Seconds since 1970.
#[must_use]
pub(super) fn now() -> u64 {
    seconds(SystemTime::now())
}

/// A time in seconds since 1970.
#[must_use]
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_what_is_new_has_its_default() {
        let record = Record {
            magnet: Some("magnet:?xt=urn:btih:aa".to_owned()),
            folder: "/srv/share".into(),
            limits: TorrentLimits { ratio: Some(1.5), ..TorrentLimits::default() },
            priorities: vec![FilePriority::Skip, FilePriority::High],
            labels: vec!["films".to_owned()],
            ..Record::default()
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        assert_eq!(serde_json::from_str::<Record>("{}").unwrap(), Record::default());
        assert_eq!(record.priority(1), FilePriority::High);
        assert_eq!(record.priority(2), FilePriority::Normal);
    }
}
