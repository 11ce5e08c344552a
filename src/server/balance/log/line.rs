//! The line of an exchange in the access log.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::{End, Format, Journey, Log};
use crate::net::addr::PeerAddr;
use crate::proto::http::head::Head;
use crate::server::http::body::Sent;
use crate::server::http::middleware::access_log::{Record, text, version};
use crate::server::http::middleware::refusal::RefusalReason;
use crate::server::http::middleware::request_id::RequestId;
use crate::server::lines::Timestamp;
use crate::server::peer::Peer;

/// A line of JSON. A field that does not apply is left out; times are in milliseconds.
#[derive(Debug, Default, Serialize)]
pub(super) struct Line<'a> {
    time: Timestamp,
    listener: &'a str,
    client: Client,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Tls<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Bytes of bodies, or of a connection: from the client, and to it.
    bytes_in: u64,
    bytes_out: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'a str>,
    attempts: u32,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    retries: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    reused: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte: Option<f64>,
    total: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    end: Option<End>,
}

#[derive(Debug, Serialize)]
struct Tls<'a> {
    version: Option<&'static str>,
    sni: Option<&'a str>,
}

/// Milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

impl<'a> Line<'a> {
    /// The line of an exchange, or of a connection without a head.
    pub(super) fn of(
        log: &'a Log,
        head: Option<&'a Head>,
        peer: &'a Peer,
        journey: &'a Journey,
        elapsed: Duration,
        end: End,
    ) -> Vec<u8> {
        let head = journey.shown.as_ref().or(head);
        let sent = journey.sent.unwrap_or(Sent { took: elapsed, ..Sent::default() });
        let (bytes_in, bytes_out) = journey.moved.unwrap_or((sent.received, sent.bytes));
        let total = if journey.moved.is_some() { elapsed } else { sent.took };
        if log.format == Format::Combined {
            let sent = Sent { bytes: bytes_out, took: total, ..sent };
            let status = journey.status.unwrap_or_default();
            let record = Record {
                at: SystemTime::now(),
                peer: &peer.addr,
                head,
                id: journey.id.as_ref().map(RequestId::as_str),
                status,
                sent,
            };
            return log.format.line(&record);
        }
        let field = |name: &str| head.and_then(|head| head.field(name));
        let session = peer.tls_session();
        let line = Self {
            time: Timestamp::of(SystemTime::now()),
            listener: &log.listener,
            client: Client(journey.client.or_else(|| peer.addr.ip())),
            user: journey.user.as_deref(),
            tls: session.map(|session| Tls { version: session.version(), sni: session.server_name() }),
            method: head.map(|head| head.method().as_str()),
            host: head.map(|head| text(head.authority().as_bytes())),
            path: head.map(|head| text(head.path().as_bytes())),
            query: head.and_then(Head::query).map(|query| text(query.as_bytes())),
            version: head.map(|head| version(head.version())),
            user_agent: field("user-agent").map(text),
            referer: field("referer").map(text),
            status: journey.status,
            bytes_in,
            bytes_out,
            route: journey.route,
            upstream: journey.upstream.as_deref(),
            backend: journey.backend.as_deref(),
            attempts: journey.attempts,
            retries: &journey.retries,
            reused: journey.reused,
            queue: journey.queue.map(millis),
            connect: journey.connect.map(millis),
            first_byte: journey.first_byte.map(millis),
            total: millis(total),
            cache: journey.cache.as_deref(),
            refused: journey.refused.map(RefusalReason::name),
            trace: match journey.trace {
                Some(trace) => Some(trace.id().to_string().into()),
                None => head.and_then(trace).map(Cow::Borrowed),
            },
            request_id: journey.id.as_ref().map(RequestId::as_str),
            end: Some(end),
        };
        line.written()
    }

    /// The line of a request that could not be parsed, or of a connection that was not served.
    pub(super) fn refused(log: &'a Log, peer: &PeerAddr, status: u16, end: End) -> Vec<u8> {
        if log.format == Format::Combined {
            let sent = Sent { complete: true, ..Sent::default() };
            let record = Record { at: SystemTime::now(), peer, head: None, id: None, status, sent };
            return log.format.line(&record);
        }
        let line = Self {
            time: Timestamp::of(SystemTime::now()),
            listener: &log.listener,
            client: Client(peer.ip()),
            status: Some(status),
            end: Some(end),
            ..Self::default()
        };
        line.written()
    }

    fn written(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(512);
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(&mut line, self);
        line.push(b'\n');
        line
    }
}

/// The address of a client without its port; `None` for a Unix socket.
#[derive(Debug, Default)]
struct Client(Option<IpAddr>);

impl Serialize for Client {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(ip) => ip.serialize(serializer),
            None => serializer.serialize_str("unix:"),
        }
    }
}

/// The trace id in the client's `traceparent` (W3C Trace Context, section 3.2.2.3).
fn trace(head: &Head) -> Option<&str> {
    let value = std::str::from_utf8(head.field("traceparent")?).ok()?;
    let id = value.split('-').nth(1)?;
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (id.len() == 32 && id.bytes().all(hex) && id.bytes().any(|byte| byte != b'0')).then_some(id)
}
