//! Gets what playlists name: from files, or by HTTP.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use tokio::time::timeout;

use super::super::location::{BadLocation, Location};
use crate::net::client::Connector;
use crate::proto::hls::playlist::media::ByteRange;
use crate::server::http::client::fetch::{self, Ask, Retry};

/// What was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) bytes: Bytes,
    /// `Content-Type`, of a server.
    pub(super) content_type: Option<String>,
    /// Where it was: redirects may have led elsewhere.
    pub(super) place: Location,
}

/// Why there is nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Location(#[from] BadLocation),
    #[error(transparent)]
    File(#[from] std::io::Error),
    #[error("it is no file")]
    Folder,
    #[error(transparent)]
    Web(#[from] Box<fetch::FetchError>),
    #[error("no answer within {} s", .0.as_secs_f64())]
    Late(Duration),
    #[error("bytes {} to {} are not there", .0.offset, .0.end())]
    Range(ByteRange),
    #[error("it has more than {0} bytes")]
    Long(u64),
}

impl FetchError {
    /// What the server answered.
    pub(super) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Web(error) => error.status(),
            _ => None,
        }
    }
}

/// Gets things. What does not come at once is a fault of the server, and not asked for again.
#[derive(Clone, Debug)]
pub(super) struct Fetcher {
    web: fetch::Fetcher,
    /// For one request, connection and all.
    patience: Duration,
}

impl Fetcher {
    /// It belongs to the runtime that it is made in.
    pub(super) fn new(patience: Duration) -> Self {
        let web = fetch::Fetcher::new(Connector::new().deadline(patience), Retry::never());
        Self { web, patience }
    }

    /// What is there, or a part of it; at most `limit` bytes.
    pub(super) async fn get(
        &self,
        place: &Location,
        range: Option<ByteRange>,
        limit: u64,
    ) -> Result<Fetched, FetchError> {
        self.get_within(place, range, limit, self.patience).await
    }

    /// The same with another patience: for answers that the server may delay.
    pub(super) async fn get_within(
        &self,
        place: &Location,
        range: Option<ByteRange>,
        limit: u64,
        patience: Duration,
    ) -> Result<Fetched, FetchError> {
        if let Some(range) = range.filter(|range| range.length > limit) {
            return Err(FetchError::Long(range.length));
        }
        match place {
            Location::File(path) => {
                let bytes = file(path, range, limit)?;
                Ok(Fetched { bytes, content_type: None, place: place.clone() })
            }
            Location::Web { .. } => timeout(patience, self.web(place, range, limit, patience))
                .await
                .unwrap_or(Err(FetchError::Late(patience))),
        }
    }

    async fn web(
        &self,
        place: &Location,
        range: Option<ByteRange>,
        limit: u64,
        patience: Duration,
    ) -> Result<Fetched, FetchError> {
        let uri: Uri = place.to_string().parse().map_err(|_| BadLocation::Characters(place.to_string()))?;
        let ask =
            Ask { range: range.map(|range| range.offset..range.end()), ..Ask::of(uri).within(patience) };
        let (bytes, fetched) = self.web.whole(&ask, limit).await.map_err(|error| match (error, range) {
            (fetch::FetchError::Range, Some(range)) => FetchError::Range(range),
            (error, _) => FetchError::Web(Box::new(error)),
        })?;
        let place = Location::parse(&fetched.uri.to_string())?;
        Ok(Fetched { bytes, content_type: fetched.content_type().map(str::to_owned), place })
    }
}

fn file(path: &std::path::Path, range: Option<ByteRange>, limit: u64) -> Result<Bytes, FetchError> {
    // Asked before it is opened: opening a pipe waits for whoever writes to it.
    let length = std::fs::metadata(path)?;
    if !length.is_file() {
        return Err(FetchError::Folder);
    }
    let mut file = std::fs::File::open(path)?;
    let wanted = match range {
        Some(range) if range.end() > length.len() => return Err(FetchError::Range(range)),
        Some(range) => {
            file.seek(SeekFrom::Start(range.offset))?;
            range.length
        }
        None => length.len(),
    };
    if wanted > limit {
        return Err(FetchError::Long(limit));
    }
    let mut bytes = Vec::new();
    file.take(wanted).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != wanted {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    Ok(bytes.into())
}
