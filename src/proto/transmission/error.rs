//! What is wrong with a request, in the words that Transmission has for it.
//!
//! Front ends show the text of `result` to people, and some compare it, so the words are Transmission's where it has
//! any. Where it passes over an argument of a wrong type, and so does less than it was asked for, or more (an `ids`
//! that it cannot read means all torrents to version 3.00), we refuse the request.

use serde_json::Number;

use super::Answer;

/// Why a request is refused before anything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not JSON, not an object, or names no method.
    #[error("no method name")]
    NoMethod,
    /// Its method is none of ours.
    #[error("method name not recognized")]
    UnknownMethod,
    /// An argument is of another type, or out of its range.
    #[error("invalid argument: {0}")]
    Argument(&'static str),
    /// `torrent-get` without `fields`.
    #[error("no fields specified")]
    NoFields,
    /// `torrent-add` without a torrent.
    #[error("no filename or metainfo specified")]
    NoTorrent,
    /// What should be a torrent is no base64.
    #[error("unrecognized info")]
    Unrecognized,
    /// A path that does not begin at the root; the argument that it is of.
    #[error("{} is not absolute", path_of(.0))]
    NotAbsolute(&'static str),
    /// `torrent-set-location` without `location`.
    #[error("no location")]
    NoLocation,
    /// `free-space` without `path`.
    #[error("directory path argument is missing")]
    NoPath,
    /// A label of blanks.
    #[error("labels cannot be empty")]
    EmptyLabel,
    /// A label that is two.
    #[error("labels cannot contain comma (,) character")]
    CommaInLabel,
    /// `torrent-rename-path` of none or of several.
    #[error("torrent-rename-path requires 1 torrent")]
    NotOneTorrent,
    /// A new name that is none: of no letters, of a folder and a file, or one of the two that folders have for
    /// themselves.
    #[error("Invalid argument")]
    Name,
    /// `group-set` without `name`.
    #[error("No group name given")]
    NoGroup,
}

fn path_of(argument: &str) -> &'static str {
    match argument {
        "download-dir" => "download directory path",
        "incomplete-dir" => "incomplete torrents directory path",
        "location" => "new location path",
        _ => "directory path",
    }
}

/// A request that is refused, and what its client calls it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{refusal}")]
pub struct RequestError {
    /// Its tag, if that could be read.
    pub tag: Option<Number>,
    /// Why.
    pub refusal: Refusal,
}

impl RequestError {
    /// The body of the answer.
    #[must_use]
    pub fn answer(&self) -> Vec<u8> {
        Answer::to(self.tag.clone()).failed(&Failure::Other(self.refusal.to_string()))
    }
}

/// Why a request that could be read was not, or not wholly, carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A file that the torrent does not have.
    #[error("file index out of range")]
    FileIndex,
    /// Bytes that are no metainfo, or are refused.
    #[error("invalid or corrupt torrent file")]
    Corrupt,
    /// Neither a link, nor a file.
    #[error("unrecognized info")]
    Unrecognized,
    /// Trackers that cannot be added or removed, or would change nothing.
    #[error("error setting announce list")]
    Trackers,
    /// A list of trackers that cannot be read.
    #[error("Invalid tracker list")]
    TrackerList,
    /// A path to rename that is not there, or a name that is taken.
    #[error("Invalid argument")]
    Rename,
    /// In other words: those of the system, or of a server that did not answer us.
    #[error("{0}")]
    Other(String),
}
