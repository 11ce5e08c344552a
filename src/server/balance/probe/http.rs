//! An HTTP health check: a request, and the expected response.

use http::{HeaderValue, Method};

use super::{CheckError, MAX_ANSWER};
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::net::io::Io;
use crate::proto::balance::route::TextPattern;
use crate::proto::http::client::{ClientCodec, Finish, RequestWriter, WireRequest};
use crate::proto::http::fields::Fields;
use crate::proto::http::limits::Limits;
use crate::proto::http::list::FieldLines;
use crate::server::http::body::Body;
use crate::server::http::client::exchange::{Timeouts, exchange};

/// A check by HTTP.
#[derive(Clone, Debug)]
pub struct HttpProbe {
    /// The request.
    request: WireRequest,
    /// The accepted statuses, as inclusive ranges.
    statuses: Vec<(u16, u16)>,
    /// The expected header fields.
    fields: Vec<(String, TextPattern)>,
    /// The expected text in the body; empty for any body.
    body: Vec<u8>,
}

/// Why a check cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("{target:?} at {host:?} is not a valid request target")]
pub struct BadProbe {
    target: String,
    host: String,
}

/// The `User-Agent` of checks, unless another is configured.
const AGENT: HeaderValue = HeaderValue::from_static("wireworks-check");

impl HttpProbe {
    /// A check that requests a target of a host, with these additional fields, and accepts the statuses 200 to 399.
    ///
    /// # Errors
    /// The target or the host is malformed.
    pub fn new(method: &Method, target: &str, host: &str, fields: &Fields) -> Result<Self, BadProbe> {
        let bad = |_| BadProbe { target: target.into(), host: host.into() };
        let mut writer = RequestWriter::new(method, target, host).map_err(bad)?;
        if !fields.contains(&http::header::USER_AGENT) {
            writer.field(&http::header::USER_AGENT, &AGENT);
        }
        writer.fields(fields);
        let request = writer.finish(Finish { length: Some(0), upgrade: None, close: true });
        Ok(Self { request, statuses: vec![(200, 399)], fields: Vec::new(), body: Vec::new() })
    }

    /// Sets the accepted statuses, as inclusive ranges.
    #[must_use]
    pub fn statuses(self, statuses: Vec<(u16, u16)>) -> Self {
        Self { statuses, ..self }
    }

    /// Sets the expected header fields, by their names in lower case.
    #[must_use]
    pub fn expecting(self, fields: Vec<(String, TextPattern)>) -> Self {
        Self { fields, ..self }
    }

    /// Sets the text that the first [`MAX_ANSWER`] bytes of the body must contain.
    #[must_use]
    pub fn containing(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(super) async fn run(&self, io: Io, clock: &Clock) -> Result<(), CheckError> {
        let conn = Conn::new(io, ClientCodec::new(Limits::default()), clock.timer());
        let asking = exchange(Box::new(conn), self.request.clone(), Body::empty(), Timeouts::default());
        let answer = asking.await.map_err(|(error, _)| CheckError::Exchange(error))?;
        let status = answer.head.status().as_u16();
        if !self.statuses.iter().any(|(least, most)| (*least..=*most).contains(&status)) {
            return Err(CheckError::Status(status));
        }
        if let Some((name, _)) = self.fields.iter().find(|(name, text)| !text.fits(answer.head.lines(name))) {
            return Err(CheckError::Field(name.clone()));
        }
        if self.body.is_empty() {
            return Ok(());
        }
        let mut body = answer.body.into_body(answer.length);
        let mut seen = Vec::new();
        while let Some(Ok(data)) = body.data().await {
            seen.extend_from_slice(&data[..data.len().min(MAX_ANSWER - seen.len())]);
            if memchr::memmem::find(&seen, &self.body).is_some() {
                return Ok(());
            }
            if seen.len() >= MAX_ANSWER {
                break;
            }
        }
        Err(CheckError::Body)
    }
}
