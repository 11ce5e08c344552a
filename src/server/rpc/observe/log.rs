//! A line for each call, when it is over: what was called, by whom, and what became of it.

use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use super::Ended;
use crate::server::lines::Timestamp;
use crate::server::lines::{Target, Writer};
use crate::server::peer::Peer;
use crate::server::rpc::method::Description;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `address [time] Service.method code time received sent attempt trace`: the time that it took in milliseconds, what was received and sent in
    /// bytes of messages, how often the call was tried before, and the trace it belongs to or `-`. A method that there is not is `-`.
    #[default]
    Text,
    /// An object a line, with the same and the first name of the peer's certificate.
    Json,
}

/// The access log of a server. Clones are the same log.
#[derive(Clone, Debug)]
pub struct CallLog {
    format: Format,
    writer: Arc<Writer>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: Timestamp,
    peer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_name: Option<&'a str>,
    service: Option<&'static str>,
    method: Option<&'static str>,
    code: &'static str,
    seconds: f64,
    received: u64,
    sent: u64,
    attempt: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

impl CallLog {
    /// A log that goes to `target`. A file is made when it is not there, and written at its end.
    ///
    /// # Errors
    /// The file cannot be opened, or the thread that writes cannot be started.
    pub fn open(format: Format, target: Target) -> io::Result<Self> {
        Ok(Self { format, writer: Arc::new(Writer::start(target)?) })
    }

    /// Where its lines go.
    pub(in super::super) fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }

    /// A call is over.
    pub(super) fn ended(&self, peer: &Peer, description: Option<&'static Description>, ended: &Ended) {
        let session = peer.tls_session();
        let line = Line {
            time: Timestamp::of(SystemTime::now()),
            peer: peer.addr.ip().map_or_else(|| "unix:".to_owned(), |ip| ip.to_string()),
            tls_name: session.and_then(|session| session.names().first()).map(String::as_str),
            service: description.map(|description| description.service),
            method: description.map(|description| description.name),
            code: ended.code.name(),
            seconds: ended.took.as_secs_f64(),
            received: ended.call.received.bytes,
            sent: ended.call.sent.bytes,
            attempt: ended.call.attempt,
            trace_id: ended.call.trace.map(hex),
        };
        self.writer.line(&line.write(self.format));
    }
}

impl Line<'_> {
    fn write(&self, format: Format) -> Vec<u8> {
        let mut line = Vec::with_capacity(192);
        // Writing to memory cannot fail.
        let _ = match format {
            Format::Text => self.text(&mut line),
            Format::Json => serde_json::to_writer(&mut line, self).map_err(Into::into),
        };
        line.push(b'\n');
        line
    }

    fn text(&self, line: &mut Vec<u8>) -> io::Result<()> {
        let Self { time, peer, code, received, sent, attempt, .. } = self;
        let millis = self.seconds * 1e3;
        let trace = self.trace_id.as_deref().unwrap_or("-");
        io::Write::write_fmt(line, format_args!("{peer} [{time}] "))?;
        match (self.service, self.method) {
            (Some(service), Some(method)) => io::Write::write_fmt(line, format_args!("{service}.{method}"))?,
            _ => line.push(b'-'),
        }
        io::Write::write_fmt(line, format_args!(" {code} {millis:.3}ms {received} {sent} {attempt} {trace}"))
    }
}

fn hex(bytes: [u8; 16]) -> String {
    bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to memory cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
