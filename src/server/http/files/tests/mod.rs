//! Requests for files, answered without a connection.

mod caching;
mod listing;
mod negotiation;
mod paths;
mod preconditions;
mod ranges;

use std::fs::{File, FileTimes};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::net::addr::PeerAddr;
use crate::net::workers::BlockingConfig;
use crate::proto::http::fields::Fields;
use crate::proto::http::limits::Limits;
use crate::proto::http::parse::parse;
use crate::server::http::body::Body;
use crate::server::peer::Peer;

/// A directory, served.
struct Site {
    dir: TempDir,
    files: Files,
    now: Now,
}

/// A reply, its body gathered.
#[derive(Debug)]
struct Answer {
    status: u16,
    fields: Fields,
    body: Vec<u8>,
    /// What the reply to HEAD says of the body that GET would have.
    length_of_get: Option<u64>,
}

/// When the files of a site were last changed: 784111777 seconds after 1970.
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

impl Site {
    /// A site of files, named from its root with their content; a name that ends with a slash is a directory.
    fn new(options: FilesOptions, files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("root")).unwrap();
        let blocking = Blocking::new(BlockingConfig::default());
        let site = Self {
            files: Files::new(&dir.path().join("root"), options, blocking).unwrap(),
            dir,
            now: Now { instant: Instant::now(), system: SystemTime::now() },
        };
        for (name, content) in files {
            site.put(name, content);
        }
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join("root").join(name)
    }

    /// Makes a file, or a directory, of a known age.
    fn put(&self, name: &str, content: &str) {
        if name.ends_with('/') {
            std::fs::create_dir_all(self.at(name)).unwrap();
        } else {
            std::fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
            std::fs::write(self.at(name), content).unwrap();
            self.age(name, 784_111_777);
        }
    }

    /// Says that a file was last changed so many seconds after 1970.
    fn age(&self, name: &str, seconds: u64) {
        let file = File::options().write(true).open(self.at(name)).unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }

    fn later(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.system += time;
    }

    /// The reply to a request line without its version, and field lines behind it.
    async fn ask(&self, request: &str) -> Answer {
        let (line, fields) = request.split_once('\n').unwrap_or((request, ""));
        let fields: String = fields.lines().map(|field| format!("{field}\r\n")).collect();
        let head = format!("{line} HTTP/1.1\r\nHost: test\r\n{fields}\r\n");
        let head = match parse(Bytes::from(head), &Limits::default()) {
            Ok((head, _)) => head,
            Err(reject) => panic!("{request}: {reject}"),
        };
        let peer = Peer::new(PeerAddr::Unix, false, 1);
        let request = Request::new(head, Body::empty(), Arc::new(peer));
        let mut response = self.files.0.handle(request, self.now).await;
        let length = response.body().len();
        let body = std::mem::take(response.body_mut()).collect(1 << 30).await.unwrap();
        assert_eq!(length, Some(body.len() as u64), "the length is known, and right");
        Answer {
            status: response.status.as_u16(),
            length_of_get: response.extra.and_then(|extra| extra.length),
            fields: response.fields,
            body: body.to_vec(),
        }
    }

    async fn status(&self, request: &str) -> u16 {
        self.ask(request).await.status
    }
}

impl Answer {
    /// All lines of a field, joined.
    fn field(&self, name: &str) -> String {
        let lines: Vec<_> = self
            .fields
            .iter()
            .filter(|(known, _)| known.as_str() == name)
            .map(|(_, value)| value.to_str().unwrap())
            .collect();
        lines.join(", ")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

#[tokio::test]
async fn a_file_comes_with_all_that_is_known_of_it() {
    let options = FilesOptions {
        cache_control: Some(HeaderValue::from_static("max-age=60")),
        disposition: Disposition::Attachment,
        ..FilesOptions::default()
    };
    let site = Site::new(options, &[("page.txt", "hello"), ("empty.bin", "")]);
    let get = site.ask("GET /page.txt").await;
    assert_eq!((get.status, get.text()), (200, "hello"));
    for (name, expected) in [
        ("content-type", "text/plain; charset=utf-8"),
        ("etag", "\"2ebc98a1.0-5\""),
        ("last-modified", MODIFIED),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "max-age=60"),
        ("content-disposition", "attachment; filename=\"page.txt\""),
        ("vary", ""),
        ("content-encoding", ""),
    ] {
        assert_eq!(get.field(name), expected, "{name}");
    }
    let head = site.ask("HEAD /page.txt").await;
    assert_eq!((head.status, head.text(), head.length_of_get), (200, "", Some(5)));
    assert_eq!(head.fields, get.fields);
    let empty = site.ask("GET /empty.bin").await;
    assert_eq!((empty.status, empty.body.len()), (200, 0));
    assert_eq!(empty.field("content-type"), "application/octet-stream");
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    let site = Site::new(FilesOptions::default(), &[("a", "a")]);
    for path in ["/a", "/none", "/%2e%2e"] {
        let options = site.ask(&format!("OPTIONS {path}")).await;
        assert_eq!((options.status, options.field("allow").as_str()), (204, "GET, HEAD, OPTIONS"));
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get"] {
            let refused = site.ask(&format!("{method} {path}")).await;
            assert_eq!((refused.status, refused.field("allow").as_str()), (405, "GET, HEAD, OPTIONS"));
        }
    }
}

#[tokio::test]
async fn a_date_that_lies_ahead_is_never_sent() {
    let site = Site::new(FilesOptions::default(), &[("a", "a")]);
    site.age("a", 4_000_000_000);
    let answer = site.ask("GET /a").await;
    let now = crate::proto::http::date::format(site.now.system);
    assert_eq!(answer.field("last-modified").as_bytes(), now);
    assert_eq!(answer.field("etag"), "\"ee6b2800.0-1\"", "the tag tells states apart all the same");
}

#[test]
fn a_root_that_cannot_be_served_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let none = dir.path().join("none");
    let blocking = Blocking::new(BlockingConfig::default());
    let error = Files::new(&none, FilesOptions::default(), blocking).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot serve files from {}", none.display()));
    assert!(std::error::Error::source(&error).is_some());
}
