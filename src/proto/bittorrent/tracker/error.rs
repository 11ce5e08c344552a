//! Why a tracker was of no use.

use std::time::Duration;

use super::allowed::NotAllowed;
use crate::proto::bittorrent::bencode::Fault;

/// Characters that are kept of a text of a tracker's.
const MAX_TEXT: usize = 256;

/// When to come back, as the tracker says (BEP 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not before that has gone by.
    After(Duration),
    /// Not at all: there is no tracker.
    Never,
}

/// Why an announce or a scrape has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrackerError {
    /// The answer is no bencode, or too much.
    #[error("the tracker's answer is no bencode: {0}")]
    Bencode(#[from] Fault),
    /// The answer is bencode of something else.
    #[error("the tracker's answer is no dictionary")]
    NotDictionary,
    /// The tracker says no.
    #[error("the tracker refuses: {reason}")]
    Refused {
        /// Why, in its own words: at most 256 characters, none of which controls a terminal.
        reason: String,
        /// When to come back, if it says so.
        retry: Option<Retry>,
    },
    /// An HTTP status other than 200, without a reason that could be read.
    #[error("the tracker answers with status {0}")]
    Status(u16),
    /// No answer in time.
    #[error("the tracker does not answer")]
    Silent,
    /// No connection, or no address for its name.
    #[error("the tracker cannot be reached: {0}")]
    Unreachable(String),
    /// It is not asked, because of where it is.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
}

impl TrackerError {
    /// When to come back, if the tracker has said so.
    #[must_use]
    pub fn retry(&self) -> Option<Retry> {
        match self {
            Self::Refused { retry, .. } => *retry,
            _ => None,
        }
    }
}

/// A text of a tracker's, fit to be shown: short, and without characters that control a terminal.
pub(super) fn text(bytes: &[u8]) -> String {
    // Four bytes a character at most; what was cut off is not looked at.
    let head = &bytes[..bytes.len().min(4 * MAX_TEXT)];
    let text = String::from_utf8_lossy(head);
    let plain = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.take(MAX_TEXT).collect::<String>().trim().to_owned()
}
