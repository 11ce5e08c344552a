//! One line for each request, when its reply has left: what was asked, by whom, and what became of it.
//!
//! The line is made where the reply was sent and handed to a thread of its own, over a bounded queue that nobody waits
//! for: a disk that is slow costs lines, which are counted and reported, never requests.

mod format;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;

pub use self::format::{Format, MAX_TEXT};
pub(in crate::server) use self::format::{Record, text, version};
use super::request_id::RequestId;
use crate::net::addr::PeerAddr;
use crate::proto::http::head::Head;
use crate::server::http::body::Sent;
use crate::server::http::metrics::LEFT;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::lines::Writer;
pub use crate::server::lines::{QUEUE, Target};
use crate::server::peer::Peer;

/// The access log. Clones are the same log.
#[derive(Clone, Debug)]
pub struct AccessLog {
    format: Format,
    writer: Arc<Writer>,
}

impl AccessLog {
    /// A log that goes to `target`. A file is made when it is not there, and written at its end.
    ///
    /// # Errors
    /// The file cannot be opened, or the thread cannot be started.
    pub fn open(format: Format, target: Target) -> io::Result<Self> {
        let writer = Arc::new(Writer::start(target)?);
        Ok(Self { format, writer })
    }

    /// Opens the file anew, after a log rotator has moved the old one away: for SIGHUP. When that fails, lines go on to
    /// the old file, and the failure is reported.
    pub fn reopen(&self) {
        self.writer.reopen();
    }

    /// Waits until all lines so far are written, at most `timeout`; says whether they are. For the end of a program.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> bool {
        self.writer.flush(timeout)
    }

    /// Where its lines go.
    pub(in crate::server) fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }

    /// Lines that were lost because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.writer.dropped()
    }

    /// Logs what was refused before it was a request: there is no head to tell of.
    pub fn refused(&self, peer: &PeerAddr, status: StatusCode, sent: Sent) {
        self.write(&Record {
            at: SystemTime::now(),
            peer,
            head: None,
            id: None,
            status: status.as_u16(),
            sent,
        });
    }

    fn write(&self, record: &Record<'_>) {
        self.writer.line(&self.format.line(record));
    }

    /// Begins the record of a request.
    pub(super) fn before(&self, request: &Request) -> Entry {
        Entry {
            log: self.clone(),
            head: Head::clone(&request.head),
            peer: Arc::clone(&request.peer),
            id: request.extensions.get::<RequestId>().cloned(),
            begun: Instant::now(),
            written: false,
        }
    }
}

/// A request that has no line yet. It gets one when its reply has left or it is given up.
#[derive(Debug)]
pub(super) struct Entry {
    log: AccessLog,
    head: Head,
    peer: Arc<Peer>,
    id: Option<RequestId>,
    begun: Instant,
    written: bool,
}

impl Entry {
    /// Writes the line when `response` has left.
    pub(super) fn after(mut self, response: &mut Response) {
        let status = response.code().as_u16();
        response.on_sent(move |sent| self.write(status, sent));
    }

    fn write(&mut self, status: u16, sent: Sent) {
        self.written = true;
        self.log.write(&Record {
            at: SystemTime::now(),
            peer: &self.peer.addr,
            head: Some(&self.head),
            id: self.id.as_ref().map(RequestId::as_str),
            status,
            sent,
        });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.written {
            let sent = Sent { took: self.begun.elapsed(), ..Sent::default() };
            let status = self.peer.verdict().unwrap_or(LEFT);
            self.write(status, sent);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::request_id::RequestIds;
    use super::super::test_support::{get, run};
    use super::*;
    use crate::server::http::middleware::Stack;

    const LONG: Duration = Duration::from_secs(30);

    async fn fine(_: Request) -> (StatusCode, &'static str) {
        (StatusCode::CREATED, "fine")
    }

    fn leave(mut response: Response) {
        for told in response.extra.take().unwrap().on_sent {
            told(Sent { bytes: 4, took: Duration::from_millis(7), complete: true, ..Sent::default() });
        }
    }

    fn stack(log: &AccessLog) -> Stack {
        Stack { request_id: Some(RequestIds), access_log: Some(log.clone()), ..Stack::default() }
    }

    #[tokio::test]
    async fn a_line_is_written_when_the_reply_has_left_or_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let log = AccessLog::open(Format::Combined, Target::File(path.clone())).unwrap();
        let response = run(stack(&log), fine, get("/a?b", &[("User-Agent", "t")])).await;
        assert!(log.flush(LONG));
        assert_eq!(fs::read_to_string(&path).unwrap(), "", "not before");
        leave(response);
        drop(run(stack(&log), fine, get("/left", &[])).await);
        log.refused(
            &PeerAddr::Unix,
            StatusCode::BAD_REQUEST,
            Sent { bytes: 1, complete: true, ..Sent::default() },
        );
        assert!(log.flush(LONG));
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("192.0.2.1 - - ["), "{text}");
        assert!(lines[0].ends_with(r#"] "GET /a?b HTTP/1.1" 201 4 "-" "t""#), "{text}");
        assert!(lines[1].ends_with(r#"] "GET /left HTTP/1.1" 499 0 "-" "-""#), "{text}");
        assert!(lines[2].starts_with("unix: - - [") && lines[2].ends_with(r#"] "-" 400 1 "-" "-""#));
    }

    #[tokio::test]
    async fn json_has_the_request_id() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.json");
        let log = AccessLog::open(Format::Json, Target::File(path.clone())).unwrap();
        leave(run(stack(&log), fine, get("/", &[("X-Request-Id", "id-1")])).await);
        assert!(log.flush(LONG));
        let line: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(line["request_id"], "id-1");
        assert_eq!(line["status"], 201);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error_at_once() {
        let target = Target::File("/nonexistent/access.log".into());
        assert!(AccessLog::open(Format::Combined, target).is_err());
    }
}
