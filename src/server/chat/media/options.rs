//! What an operator decides about files, as plain data.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;

use super::picture::PictureLimits;
use crate::server::bucket::BucketOptions;

/// Whose pages may show files: the value of `Cross-Origin-Resource-Policy` (Fetch, section 3.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShownOn {
    /// Those of this server.
    #[default]
    SameOrigin,
    /// Those of the same site: the same registered domain, such as `chat.example.org` and `www.example.org`.
    SameSite,
    /// Anybody's.
    CrossOrigin,
}

impl ShownOn {
    pub(super) fn value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::SameOrigin => "same-origin",
            Self::SameSite => "same-site",
            Self::CrossOrigin => "cross-origin",
        })
    }
}

/// Where files are kept.
#[derive(Clone, Debug)]
pub enum Kept {
    /// In the folder itself.
    Here,
    /// In a bucket of an S3-compatible service. The folder has keys and what arrives.
    Bucket(BucketOptions),
}

/// What is taken, kept and shown.
#[derive(Clone, Debug)]
pub struct MediaOptions {
    /// The folder that is this part's own: keys, uploads under way, and the files if they are kept here. It is made if it is not there.
    pub folder: PathBuf,
    /// Where files are kept. Default: here.
    pub kept: Kept,
    /// Bytes of a file. Default: 50 MiB, as Synapse has it.
    pub file: u64,
    /// Bytes that an account may upload a day. Default: 1 GiB.
    pub bytes_a_day: u64,
    /// Files that an account may upload a day. Default: 1000.
    pub files_a_day: u64,
    /// Uploads of an account at the same time. Default: 4.
    pub uploads_an_account: usize,
    /// Uploads at the same time, all accounts together: each has an open file and some 256 KiB of memory. Default: 64.
    pub uploads: usize,
    /// How long a permit may be used to begin an upload. Default: 10 minutes.
    pub permit_lifetime: Duration,
    /// What pictures are decoded.
    pub pictures: PictureLimits,
    /// Pictures that are decoded at the same time: each has the memory that [`PictureLimits::memory`] allows. Default: 2.
    pub pictures_at_once: usize,
    /// Whether the location is removed from JPEGs before they are kept. Default: it is.
    pub remove_location: bool,
    /// Whose pages may show files. Default: those of this server.
    pub shown_on: ShownOn,
    /// How long a file is kept that no message names. Default: a day.
    pub grace: Duration,
}

impl MediaOptions {
    /// The defaults, with files in `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            kept: Kept::Here,
            file: 50 << 20,
            bytes_a_day: 1 << 30,
            files_a_day: 1000,
            uploads_an_account: 4,
            uploads: 64,
            permit_lifetime: Duration::from_secs(600),
            pictures: PictureLimits::default(),
            pictures_at_once: 2,
            remove_location: true,
            shown_on: ShownOn::default(),
            grace: Duration::from_secs(24 * 60 * 60),
        }
    }
}
