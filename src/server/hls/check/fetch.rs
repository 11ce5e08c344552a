//! Gets what playlists name: from files, or by HTTP over a connection for each request.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, LOCATION, RANGE, USER_AGENT};
use http::{HeaderValue, Method, StatusCode};
use tokio::time::timeout;

use super::super::location::{BadLocation, Location};
use crate::net::client::{ConnectError, Connector};
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::proto::hls::playlist::media::ByteRange;
use crate::proto::http::client::{ClientCodec, Finish, RequestError, RequestWriter};
use crate::proto::http::limits::Limits;
use crate::server::http::body::{Body, BodyError};
use crate::server::http::client::exchange::{ExchangeError, Timeouts, exchange};

/// Bytes of a segment at most: 10 s of 200 Mb/s.
pub const MAX_SEGMENT: u64 = 256 << 20;

/// Redirects that are followed, one after the other. curl follows 50, browsers 20.
const REDIRECTS: usize = 5;

/// What was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) bytes: Bytes,
    /// `Content-Type`, of a server.
    pub(super) content_type: Option<String>,
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
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("no answer within {} s", .0.as_secs_f64())]
    Late(Duration),
    #[error("the server answers {0}")]
    Status(StatusCode),
    #[error("{REDIRECTS} redirects lead nowhere")]
    Redirects,
    #[error("bytes {} to {} are not there", .0.offset, .0.end())]
    Range(ByteRange),
    #[error("it has more than {0} bytes")]
    Long(u64),
}

impl FetchError {
    /// What the server answered.
    pub(super) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status(status) => Some(*status),
            _ => None,
        }
    }
}

/// Gets things.
#[derive(Clone, Debug)]
pub(super) struct Fetcher {
    connector: Connector,
    /// For one request, connection and all.
    patience: Duration,
}

impl Fetcher {
    pub(super) fn new(patience: Duration) -> Self {
        Self { connector: Connector::new().deadline(patience), patience }
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
            Location::File(path) => file(path, range, limit),
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
        let mut place = place.clone();
        for _ in 0..=REDIRECTS {
            match self.ask(&place, range, limit, patience).await? {
                Answer::There(fetched) => return Ok(fetched),
                Answer::Elsewhere(reference) => place = place.join(&reference)?,
            }
        }
        Err(FetchError::Redirects)
    }

    async fn ask(
        &self,
        place: &Location,
        range: Option<ByteRange>,
        limit: u64,
        patience: Duration,
    ) -> Result<Answer, FetchError> {
        let Location::Web { tls, authority, target } = place else {
            return Err(BadLocation::Scheme(place.to_string()).into());
        };
        let bad = || BadLocation::Scheme(place.to_string());
        let parsed: http::uri::Authority = authority.parse().map_err(|_| bad())?;
        let port = parsed.port_u16().unwrap_or(if *tls { 443 } else { 80 });
        let mut writer = RequestWriter::new(&Method::GET, target, authority)?;
        writer
            .field(&USER_AGENT, &HeaderValue::from_static(concat!("wireworks/", env!("CARGO_PKG_VERSION"))));
        writer.field(&ACCEPT_ENCODING, &HeaderValue::from_static("identity"));
        if let Some(range) = range {
            let value = format!("bytes={}-{}", range.offset, range.end().saturating_sub(1));
            if let Ok(value) = HeaderValue::try_from(value) {
                writer.field(&RANGE, &value);
            }
        }
        let request = writer.finish(Finish { length: None, upgrade: None, close: true });
        let io = self.connector.connect(parsed.host(), port, tls.then_some(&[&b"http/1.1"[..]][..])).await?;
        let limits = Limits { body: u64::MAX, ..Limits::default() };
        let conn = Conn::new(io, ClientCodec::new(limits), Clock::new().timer());
        let timeouts = Timeouts { response: patience, idle: patience };
        let answer =
            exchange(Box::new(conn), request, Body::empty(), timeouts).await.map_err(|(error, _)| error)?;
        let status = answer.head.status();
        if status.is_redirection()
            && let Some(reference) = answer.head.field_str(LOCATION.as_str())
        {
            return Ok(Answer::Elsewhere(reference.to_owned()));
        }
        match (status, range) {
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(range)) => return Err(FetchError::Range(range)),
            (StatusCode::OK | StatusCode::PARTIAL_CONTENT, _) => {}
            _ => return Err(FetchError::Status(status)),
        }
        let content_type = answer.head.field_str(CONTENT_TYPE.as_str()).map(str::to_owned);
        let bytes = answer.body.into_body(answer.length).collect(limit).await?;
        let bytes = match range {
            // A server may not know ranges, and sends all.
            Some(range) if status == StatusCode::OK => part(&bytes, range)?,
            Some(range) if bytes.len() as u64 != range.length => return Err(FetchError::Range(range)),
            _ => bytes,
        };
        Ok(Answer::There(Fetched { bytes, content_type }))
    }
}

enum Answer {
    There(Fetched),
    Elsewhere(String),
}

fn part(bytes: &Bytes, range: ByteRange) -> Result<Bytes, FetchError> {
    let (from, to) = (usize::try_from(range.offset), usize::try_from(range.end()));
    match (from, to) {
        (Ok(from), Ok(to)) if from <= to && to <= bytes.len() => Ok(bytes.slice(from..to)),
        _ => Err(FetchError::Range(range)),
    }
}

fn file(path: &std::path::Path, range: Option<ByteRange>, limit: u64) -> Result<Fetched, FetchError> {
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
    Ok(Fetched { bytes: bytes.into(), content_type: None })
}
