//! A check by HTTP: a request, and what its response has to be.

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
    /// The statuses that are good, both ends of each range included.
    statuses: Vec<(u16, u16)>,
    /// What fields of the response have to be.
    fields: Vec<(String, TextPattern)>,
    /// What the body has to contain; nothing if it is empty.
    body: Vec<u8>,
}

/// Why a check is none that can be made.
#[derive(Debug, thiserror::Error)]
#[error("{target:?} at {host:?} cannot be asked for")]
pub struct BadProbe {
    target: String,
    host: String,
}

/// By what name checks are known, unless their fields say another.
const AGENT: HeaderValue = HeaderValue::from_static("wireworks-check");

impl HttpProbe {
    /// A check that asks for a target of a host, with these fields more, and is content with a status from 200 to 399.
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

    /// The statuses that are good, both ends of each range included.
    #[must_use]
    pub fn statuses(self, statuses: Vec<(u16, u16)>) -> Self {
        Self { statuses, ..self }
    }

    /// What fields of the response have to be, by their names in lower case.
    #[must_use]
    pub fn expecting(self, fields: Vec<(String, TextPattern)>) -> Self {
        Self { fields, ..self }
    }

    /// What the first [`MAX_ANSWER`] bytes of the body have to contain.
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
