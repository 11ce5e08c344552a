//! Content that a handler has found by itself: with fields and an entity tag of its own, in a file of any name or on another machine.
//!
//! Where [`Files`](super::Files) takes the media type from a file's name and the entity tag from its state on the disk, the handler says both
//! here. Preconditions and ranges are heeded in the same way.

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, ETAG, LAST_MODIFIED};
use http::{HeaderValue, Method};

use super::Now;
use super::answer::{Sendable, answer, whole};
use super::content::{Content, Fetch};
use crate::net::workers::Blocking;
use crate::proto::http::conditional::Validators;
use crate::proto::http::date;
use crate::proto::http::etag::EntityTag;
use crate::proto::http::fields::Fields;
use crate::proto::http::head::Head;
use crate::server::http::problem::Problem;
use crate::server::http::response::Response;

/// What a request is answered with.
#[derive(Debug)]
pub struct Representation {
    /// The fields of a 200 but `ETag`, `Last-Modified`, `Accept-Ranges` and `Content-Length`.
    pub fields: Fields,
    /// What names this state of the content.
    pub etag: EntityTag,
    /// When the content changed last, if that is known.
    pub last_modified: Option<SystemTime>,
    /// Bytes.
    pub length: u64,
    /// Where they are.
    pub source: Source,
}

/// Where content is.
#[derive(Debug)]
pub enum Source {
    /// In memory.
    Memory(Bytes),
    /// In an open file, which is not written to any more. What of it is not in memory is read by these workers where it has to pass through this process.
    File(Arc<File>, Blocking),
    /// On another machine. A request for several ranges at once is answered with all of it.
    Fetched(Arc<dyn Fetch>),
}

impl Representation {
    /// Answers the request with this head: GET and HEAD with 200, 206, 304, 412 or 416, other methods with 200 and all of it.
    ///
    /// # Errors
    /// 500 when the entity tag can be no field.
    pub fn answer(self, head: &Head) -> Result<Response, Problem> {
        let Self { mut fields, etag, last_modified, length, source } = self;
        let now = Now::read().system;
        // RFC 9110 section 8.8.2.1: a date that lies ahead is replaced.
        let last_modified = last_modified.map(|modified| modified.min(now));
        let tag = HeaderValue::from_bytes(&etag.to_bytes())
            .map_err(|error| Problem::internal(format!("an entity tag: {error}")))?;
        fields.set(ETAG, tag);
        if let Some(modified) = last_modified {
            let value = HeaderValue::from_bytes(&date::format(modified))
                .map_err(|error| Problem::internal(format!("a date: {error}")))?;
            fields.set(LAST_MODIFIED, value);
        }
        fields.set(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let content = match source {
            Source::Memory(bytes) => Content::Memory(bytes),
            Source::File(file, workers) => Content::File(file, Some(workers)),
            Source::Fetched(from) => Content::Fetched(from),
        };
        let validators = Validators { etag: Some(etag), last_modified };
        let sendable = Sendable { length, validators, fields, content };
        Ok(match *head.method() {
            Method::GET | Method::HEAD => answer(head, &sendable, now),
            _ => whole(&sendable),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::ops::Range;

    use http::header::CONTENT_TYPE;

    use super::*;
    use crate::net::workers::BlockingConfig;
    use crate::server::http::body::Body;
    use crate::server::http::testing::{field, read, request};

    const DIGITS: &str = "0123456789";

    #[derive(Debug)]
    struct Text(String);

    impl Fetch for Text {
        fn fetch(&self, range: Range<u64>) -> Body {
            let at = |place| usize::try_from(place).unwrap();
            Body::from(self.0[at(range.start)..at(range.end)].to_owned())
        }
    }

    fn sources(text: &str) -> [Source; 3] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let workers = Blocking::new(BlockingConfig::default());
        let memory = Source::Memory(Bytes::copy_from_slice(text.as_bytes()));
        [Source::File(Arc::new(file), workers), memory, Source::Fetched(Arc::new(Text(text.to_owned())))]
    }

    async fn ask(source: Source, length: u64, line: &str, fields: &[(&str, &str)]) -> (u16, String, String) {
        let mut own = Fields::new();
        own.append(CONTENT_TYPE, HeaderValue::from_static("text/x-digits"));
        let etag = EntityTag::strong("digits").unwrap();
        let representation = Representation { fields: own, etag, last_modified: None, length, source };
        let response = representation.answer(request(line, fields, "").head()).unwrap();
        let said = format!("{} {}", field(&response, "etag"), field(&response, "content-range"));
        let (status, body) = read(response).await;
        (status, said, body)
    }

    #[tokio::test]
    async fn a_file_and_another_machine_answer_alike() {
        for (line, fields, status, said, body) in [
            ("GET /", &[][..], 200, "\"digits\" ", "0123456789"),
            ("HEAD /", &[], 200, "\"digits\" ", ""),
            ("GET /", &[("Range", "bytes=2-4")], 206, "\"digits\" bytes 2-4/10", "234"),
            ("GET /", &[("Range", "bytes=-1")], 206, "\"digits\" bytes 9-9/10", "9"),
            ("GET /", &[("If-None-Match", "\"digits\"")], 304, "\"digits\" ", ""),
            ("GET /", &[("Range", "bytes=2-4"), ("If-Range", "\"other\"")], 200, "\"digits\" ", "0123456789"),
        ] {
            for source in sources(DIGITS) {
                let answer = ask(source, 10, line, fields).await;
                assert_eq!(answer, (status, said.to_owned(), body.to_owned()), "{line} {fields:?}");
            }
        }
        for source in sources(DIGITS) {
            assert_eq!(ask(source, 10, "GET /", &[("Range", "bytes=10-")]).await.0, 416);
        }
    }

    #[tokio::test]
    async fn several_ranges_come_from_files_and_memory_alone() {
        // Far enough from each other that they are not taken for one.
        let text = DIGITS.repeat(100);
        let [file, memory, fetched] = sources(&text);
        let ranges = [("Range", "bytes=0-0,990-999")];
        for source in [file, memory] {
            let (status, _, body) = ask(source, 1000, "GET /", &ranges).await;
            assert!(status == 206 && body.contains("bytes 990-999/1000\r\n\r\n0123456789\r\n"), "{body}");
        }
        assert_eq!(ask(fetched, 1000, "GET /", &ranges).await, (200, "\"digits\" ".to_owned(), text));
    }
}
