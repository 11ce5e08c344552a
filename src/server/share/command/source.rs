//! What a user names a torrent by: a file, a magnet link, or a URL of a file.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use bytes::Bytes;
use http::Uri;

use crate::net::client::Connector;
use crate::proto::bittorrent::magnet::{Magnet, MagnetError};
use crate::proto::bittorrent::metainfo::{Metainfo, MetainfoError};
use crate::server::http::client::fetch::{Ask, FetchError, Fetcher, Retry};

/// Bytes of a torrent file at most. The largest that are shared have some ten.
const MAX_FILE: u64 = 64 << 20;

/// Why there is no torrent.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The link is none.
    #[error(transparent)]
    Magnet(#[from] MagnetError),
    /// The URL gives nothing.
    #[error("cannot fetch {uri}: {error}")]
    Fetch {
        /// Which one.
        uri: Uri,
        /// Why not.
        #[source]
        error: Box<FetchError>,
    },
    /// It is no torrent.
    #[error("{name}: {error}")]
    Metainfo {
        /// What was named.
        name: String,
        /// What is wrong with it.
        #[source]
        error: Box<MetainfoError>,
    },
}

/// What a user has named.
#[derive(Clone, Debug)]
pub enum Source {
    /// A torrent file.
    File(PathBuf),
    /// A magnet link.
    Magnet(Box<Magnet>),
    /// A torrent file on the web.
    Url(Uri),
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let begins =
            |scheme: &str| text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
        if begins("magnet:") {
            return Ok(Self::Magnet(Box::new(text.parse()?)));
        }
        match text.parse::<Uri>() {
            Ok(uri) if begins("http://") || begins("https://") => Ok(Self::Url(uri)),
            _ => Ok(Self::File(text.into())),
        }
    }
}

/// What is known of a torrent at first.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// All of it.
    Metainfo(Box<Metainfo>),
    /// Its hash.
    Magnet(Box<Magnet>),
}

impl Source {
    /// Reads or fetches it.
    ///
    /// # Errors
    /// It is not there, or no torrent.
    pub(super) async fn read(&self) -> Result<Known, SourceError> {
        let (bytes, name) = match self {
            Self::Magnet(magnet) => return Ok(Known::Magnet(magnet.clone())),
            Self::File(path) => (read(path.clone())?, path.display().to_string()),
            Self::Url(uri) => {
                let fetcher = Fetcher::new(Connector::new(), Retry::default());
                let fetched = fetcher.whole(&Ask::of(uri.clone()), MAX_FILE).await;
                let (bytes, _) =
                    fetched.map_err(|error| SourceError::Fetch { uri: uri.clone(), error: error.into() })?;
                (bytes, uri.to_string())
            }
        };
        let metainfo =
            Metainfo::read(&bytes).map_err(|error| SourceError::Metainfo { name, error: error.into() })?;
        Ok(Known::Metainfo(Box::new(metainfo)))
    }
}

/// Reads a torrent file.
///
/// # Errors
/// It cannot be read, or is none.
pub(super) fn metainfo(path: &std::path::Path) -> Result<Metainfo, SourceError> {
    let bytes = read(path.to_owned())?;
    Metainfo::read(&bytes)
        .map_err(|error| SourceError::Metainfo { name: path.display().to_string(), error: error.into() })
}

fn read(path: PathBuf) -> Result<Bytes, SourceError> {
    let read = || {
        let length = fs::metadata(&path)?.len();
        if length > MAX_FILE {
            return Err(io::Error::other(format!(
                "it has {length} bytes, and no torrent file more than {MAX_FILE}"
            )));
        }
        fs::read(&path)
    };
    read().map(Bytes::from).map_err(|error| SourceError::Read { path, error })
}
