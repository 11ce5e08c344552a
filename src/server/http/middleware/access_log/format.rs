//! From a record to a line.
//!
//! Whatever a client sends, a record is one line and its parts stay apart: in the combined format control characters,
//! quotes, backslashes and bytes beyond ASCII are written as `\xHH`, as nginx does; JSON escapes them its own way.

use std::borrow::Cow;
use std::io::Write;
use std::time::SystemTime;

use http::Version;
use serde::Serialize;

use super::super::auth::basic_user;
use crate::net::addr::PeerAddr;
use crate::proto::http::date;
use crate::proto::http::head::Head;
use crate::server::http::body::Sent;
use crate::server::lines::Timestamp;

/// Bytes of a target or a field that a line shows at most, so that the queue of lines has a bound in bytes too. Longer
/// text ends with `...`. Apache cuts nothing, rsyslog cuts lines at 8 KiB.
pub const MAX_TEXT: usize = 2048;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// NCSA combined: `address - user [time] "request" status bytes "referer" "user agent"`. Times are in UTC; the user
    /// is the one that Basic credentials name, good or not.
    #[default]
    Combined,
    /// An object a line, with what the combined format has, and: `seconds`, `complete` (whether all of the reply was
    /// sent), `host`, `request_id`.
    Json,
}

/// What there is to tell.
#[derive(Debug)]
pub(in crate::server) struct Record<'a> {
    pub(in crate::server) at: SystemTime,
    pub(in crate::server) peer: &'a PeerAddr,
    /// `None` when no head could be read.
    pub(in crate::server) head: Option<&'a Head>,
    pub(in crate::server) id: Option<&'a str>,
    pub(in crate::server) status: u16,
    pub(in crate::server) sent: Sent,
}

impl Format {
    /// The line, with its end.
    pub(in crate::server) fn line(self, record: &Record<'_>) -> Vec<u8> {
        let mut line = Vec::with_capacity(256);
        // Writing to memory cannot fail.
        let _ = match self {
            Self::Combined => combined(record, &mut line),
            Self::Json => serde_json::to_writer(&mut line, &Json::of(record)).map_err(Into::into),
        };
        line.push(b'\n');
        line
    }
}

impl<'a> Record<'a> {
    fn peer(&self) -> String {
        let ip = self.peer.ip();
        ip.map_or_else(|| "unix:".to_owned(), |ip| ip.to_string())
    }

    fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.head.and_then(|head| head.field(name))
    }

    fn user(&self) -> Option<String> {
        self.head.and_then(basic_user)
    }
}

fn combined(record: &Record<'_>, line: &mut Vec<u8>) -> std::io::Result<()> {
    write!(line, "{} - ", record.peer())?;
    match record.user() {
        // A space would shift the columns, and quotes are not expected here.
        Some(user) => escape_with(user.as_bytes(), line, |byte| byte == b' '),
        None => line.push(b'-'),
    }
    write!(line, " [{}] \"", clf_time(record.at))?;
    match record.head {
        Some(head) => {
            escape(head.method().as_str().as_bytes(), line);
            line.push(b' ');
            escape(head.target().as_bytes(), line);
            write!(line, " {}", version(head.version()))?;
        }
        None => line.push(b'-'),
    }
    write!(line, "\" {} {}", record.status, record.sent.bytes)?;
    for name in ["referer", "user-agent"] {
        line.extend_from_slice(b" \"");
        escape(record.field(name).unwrap_or(b"-"), line);
        line.push(b'"');
    }
    Ok(())
}

fn escape(text: &[u8], line: &mut Vec<u8>) {
    escape_with(text, line, |_| false);
}

/// Writes `text` without any byte that could end a line or a quote, or that is `special`.
fn escape_with(text: &[u8], line: &mut Vec<u8>, special: impl Fn(u8) -> bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in &text[..text.len().min(MAX_TEXT)] {
        match byte {
            b'"' | b'\\' | ..=0x1F | 0x7F.. => {}
            _ if special(byte) => {}
            _ => {
                line.push(byte);
                continue;
            }
        }
        let digit = |nibble: u8| DIGITS[usize::from(nibble & 0x0F)];
        line.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte)]);
    }
    if text.len() > MAX_TEXT {
        line.extend_from_slice(b"...");
    }
}

/// A line of JSON; its names are those of the fields.
#[derive(Serialize)]
struct Json<'a> {
    time: Timestamp,
    peer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    method: Option<&'a str>,
    target: Option<Cow<'a, str>>,
    version: Option<&'static str>,
    status: u16,
    bytes: u64,
    seconds: f64,
    complete: bool,
    host: Option<Cow<'a, str>>,
    referer: Option<Cow<'a, str>>,
    user_agent: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl<'a> Json<'a> {
    fn of(record: &Record<'a>) -> Self {
        let head = record.head;
        Self {
            time: Timestamp::of(record.at),
            peer: record.peer(),
            user: record.user().map(|user| text(user.as_bytes()).into_owned()),
            method: head.map(|head| head.method().as_str()),
            target: head.map(|head| text(head.target().as_bytes())),
            version: head.map(|head| version(head.version())),
            status: record.status,
            bytes: record.sent.bytes,
            seconds: record.sent.took.as_secs_f64(),
            complete: record.sent.complete,
            host: head.map(|head| text(head.authority().as_bytes())),
            referer: record.field("referer").map(text),
            user_agent: record.field("user-agent").map(text),
            request_id: record.id,
        }
    }
}

/// Text for a line of JSON, cut at [`MAX_TEXT`].
pub(in crate::server) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match bytes.get(..MAX_TEXT) {
        Some(first) if first.len() < bytes.len() => String::from_utf8_lossy(first) + "...",
        _ => String::from_utf8_lossy(bytes),
    }
}

/// The name of a version.
pub(in crate::server) fn version(version: Version) -> &'static str {
    if version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" }
}

/// `06/Nov/1994:08:49:37 +0000`, made of the parts of an HTTP date.
fn clf_time(at: SystemTime) -> String {
    let date = date::format(at);
    let part = |range: std::ops::Range<usize>| String::from_utf8_lossy(&date[range]).into_owned();
    format!("{}/{}/{}:{} +0000", part(5..7), part(8..11), part(12..16), part(17..25))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::test_support::{get, request};
    use super::*;

    fn at() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_250)
    }

    fn line(format: Format, head: Option<&Head>) -> String {
        let peer = PeerAddr::from("[2001:db8::1]:80".parse::<std::net::SocketAddr>().unwrap());
        let record = Record {
            at: at(),
            peer: &peer,
            head,
            id: Some("id"),
            status: 200,
            sent: Sent {
                bytes: 2326,
                received: 0,
                took: Duration::from_millis(12),
                complete: false,
                stalled: false,
            },
        };
        String::from_utf8(format.line(&record)).unwrap()
    }

    #[test]
    fn the_combined_format() {
        let head = get("/a.gif?x=1", &[("Referer", "http://r/"), ("User-Agent", "Mozilla/4.08 (X)")]).head;
        assert_eq!(
            line(Format::Combined, Some(&head)),
            "2001:db8::1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a.gif?x=1 HTTP/1.1\" 200 2326 \
             \"http://r/\" \"Mozilla/4.08 (X)\"\n"
        );
        assert_eq!(
            line(Format::Combined, None),
            "2001:db8::1 - - [06/Nov/1994:08:49:37 +0000] \"-\" 200 2326 \"-\" \"-\"\n"
        );
    }

    #[test]
    fn no_client_can_forge_a_line_or_leave_its_quotes() {
        // base64 of `a b"cé:x`
        let fields =
            [("Authorization", "Basic YSBiImPDqTp4"), ("User-Agent", "x\" 200 1 \"\\\u{1F600}\tend")];
        let head = request("GET", "/%0a", &fields).head;
        let combined = line(Format::Combined, Some(&head));
        assert_eq!(combined.matches('\n').count(), 1);
        assert!(combined.contains(r" - a\x20b\x22c\xC3\xA9 ["), "{combined}");
        assert!(
            combined.ends_with("\"x\\x22 200 1 \\x22\\x5C\\xF0\\x9F\\x98\\x80\\x09end\"\n"),
            "{combined}"
        );
        let json = line(Format::Json, Some(&head));
        assert_eq!(json.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["user"], "a b\"c\u{e9}");
        assert_eq!(value["user_agent"], "x\" 200 1 \"\\\u{1F600}\tend");
    }

    #[test]
    fn the_json_format() {
        let head = get("/p?q", &[]).head;
        let value: serde_json::Value = serde_json::from_str(&line(Format::Json, Some(&head))).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "time": "1994-11-06T08:49:37.250Z", "peer": "2001:db8::1", "method": "GET", "target": "/p?q",
                "version": "HTTP/1.1", "status": 200, "bytes": 2326, "seconds": 0.012, "complete": false,
                "host": "h", "referer": null, "user_agent": null, "request_id": "id",
            })
        );
    }

    #[test]
    fn long_text_is_cut() {
        let agent = "a".repeat(MAX_TEXT + 1);
        let head = get("/", &[("User-Agent", &agent)]).head;
        for format in [Format::Combined, Format::Json] {
            let line = line(format, Some(&head));
            assert!(line.contains(&format!("{}...\"", &agent[1..])), "{format:?}");
            assert!(line.len() < MAX_TEXT + 512);
        }
    }
}
