//! Points 97 to 102: content negotiation and static files, through `Files` over sockets. The logic has unit tests; here
//! it is proved that a connection carries it.

use std::fs::{self, File, FileTimes};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;
use wireworks::net::workers::{Blocking, BlockingConfig};
use wireworks::server::http::files::{Disposition, Files, FilesOptions};
use wireworks::server::http::handler::SharedHandler;
use wireworks::server::http::middleware::Stack;
use wireworks::server::http::middleware::compression::Compression;
use wireworks::server::http::middleware::security::SecurityHeaders;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;

use super::server::{Setup, TestServer};

/// When the files of a site were last changed: 784111777 seconds after 1970.
pub(super) const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A folder with files, and a handler that serves it.
pub(super) struct Site {
    pub(super) folder: TempDir,
    pub(super) files: SharedHandler,
}

impl Site {
    pub(super) fn new(options: FilesOptions, files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            age(&path, 784_111_777);
        }
        let blocking = Blocking::new(BlockingConfig::default());
        let files = Arc::new(Files::new(folder.path(), options, blocking).unwrap());
        Self { folder, files }
    }

    pub(super) fn serve(&self) -> TestServer {
        Setup::shared(Arc::clone(&self.files)).start()
    }
}

/// Says that a file was last changed so many seconds after 1970.
pub(super) fn age(path: &std::path::Path, seconds: u64) {
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// A text that compression pays for.
fn text() -> String {
    "All work and no play makes Jack a dull boy.\n".repeat(100)
}

fn compressing(handler: SharedHandler) -> TestServer {
    let stack = Stack { compression: Some(Compression::default()), ..Stack::default() };
    Setup::shared(stack.around(handler)).start()
}

#[test]
fn p97_ranges_are_of_what_is_sent() {
    let text = text();
    let site = Site::new(
        FilesOptions::default(),
        &[("a.txt", text.as_bytes()), ("b.txt", text.as_bytes()), ("b.txt.gz", b"compressed before")],
    );
    let server = compressing(Arc::clone(&site.files));
    let compressed = server.get("/a.txt", "Accept-Encoding: gzip\r\n");
    assert_eq!(
        (compressed.header("content-encoding"), compressed.header("accept-ranges")),
        (Some("gzip"), None)
    );
    let part = server.get("/a.txt", "Accept-Encoding: gzip\r\nRange: bytes=0-2\r\n");
    assert_eq!((part.status, part.header("content-encoding"), part.text()), (206, None, "All"));
    let before = server.get("/b.txt", "Accept-Encoding: gzip\r\n");
    assert_eq!(
        (before.header("content-encoding"), before.header("accept-ranges")),
        (Some("gzip"), Some("bytes"))
    );
    assert_eq!(before.text(), "compressed before");
    let part = server.get("/b.txt", "Accept-Encoding: gzip\r\nRange: bytes=-6\r\n");
    assert_eq!((part.status, part.header("content-encoding"), part.text()), (206, Some("gzip"), "before"));
}

#[test]
fn p98_variants_vary_and_have_tags_of_their_own() {
    let text = text();
    let site = Site::new(FilesOptions::default(), &[("a.txt", text.as_bytes())]);
    let server = compressing(Arc::clone(&site.files));
    let mut tags = Vec::new();
    for coding in ["identity", "gzip", "br", "zstd"] {
        let fields = format!("Accept-Encoding: {coding}\r\n");
        let response = server.get("/a.txt", &fields);
        let vary = response.headers_named("vary").join(", ").to_ascii_lowercase();
        assert!(vary.contains("accept-encoding"), "{coding}: {vary}");
        let tag = response.header("etag").expect("a tag").to_owned();
        // And it is understood when it comes back.
        let again = server.get("/a.txt", &format!("{fields}If-None-Match: {tag}\r\n"));
        assert_eq!((again.status, again.header("etag")), (304, Some(&tag[..])), "{coding}");
        tags.push(tag);
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "{tags:?}");
}

#[test]
fn p99_qualities_are_obeyed() {
    let text = text();
    let site = Site::new(FilesOptions::default(), &[("a.txt", text.as_bytes())]);
    let server = compressing(Arc::clone(&site.files));
    for (accept, coding) in [
        ("gzip", Some("gzip")),
        ("gzip;q=0.5, br;q=0.8", Some("br")),
        ("gzip;q=0", None),
        ("gzip;q=0, *", Some("zstd")),
        ("*;q=0", None),
        ("identity", None),
        ("identity;q=0.5, gzip", Some("gzip")),
        ("identity;q=0, br", Some("br")),
        ("x-unknown", None),
        ("", None),
    ] {
        let response = server.get("/a.txt", &format!("Accept-Encoding: {accept}\r\n"));
        assert_eq!(response.header("content-encoding"), coding, "{accept:?}");
    }
    assert_eq!(server.get("/a.txt", "").header("content-encoding"), None);
}

#[test]
fn p100_what_must_stay_as_it_is_stays() {
    let text = text();
    let handler = move |request: Request| {
        let text = text.clone();
        async move {
            let typed = |value: &'static str| {
                Response::text(text.clone())
                    .with(http::header::CONTENT_TYPE, http::HeaderValue::from_static(value))
            };
            match request.path() {
                "/sse" => typed("text/event-stream"),
                "/image" => typed("image/png"),
                "/tiny" => Response::text("tiny"),
                "/final" => typed("text/plain")
                    .with(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-transform")),
                "/empty" => Response::empty(http::StatusCode::NO_CONTENT),
                _ => typed("text/plain"),
            }
        }
    };
    let server = compressing(Arc::new(handler));
    assert_eq!(server.get("/", "Accept-Encoding: gzip\r\n").header("content-encoding"), Some("gzip"));
    for path in ["/sse", "/image", "/tiny", "/final", "/empty"] {
        assert_eq!(server.get(path, "Accept-Encoding: gzip\r\n").header("content-encoding"), None, "{path}");
    }
}

#[test]
fn p101_no_path_leads_out_of_the_root() {
    let site = Site::new(
        FilesOptions::default(),
        &[("a.txt", b"a"), ("dir/b c.txt", b"b"), (".hidden", b"h"), ("dir/.git/x", b"x")],
    );
    let outside = site.folder.path().parent().unwrap().join("wireworks-outside.txt");
    fs::write(&outside, "secret").unwrap();
    std::os::unix::fs::symlink(&outside, site.folder.path().join("link")).unwrap();
    let server = site.serve();
    for (path, text) in [
        ("/a.txt", "a"),
        ("/dir/b%20c.txt", "b"),
        ("/dir/../a.txt", "a"),
        ("/./a.txt", "a"),
        ("/%61.txt", "a"),
    ] {
        assert_eq!(server.get(path, "").text(), text, "{path}");
    }
    for path in [
        "/../wireworks-outside.txt",
        "/%2e%2e/wireworks-outside.txt",
        "/.%2E/wireworks-outside.txt",
        "/dir/../../wireworks-outside.txt",
        "/..%2fwireworks-outside.txt",
        "/dir%2fb%20c.txt",
        "/%252e%252e/wireworks-outside.txt",
        "/link",
        "/.hidden",
        "/dir/.git/x",
        "/a.txt%00",
        "/a.txt/",
        "/a.txt/b",
    ] {
        let response = server.get(path, "");
        assert!((400..500).contains(&response.status), "{path}: {}", response.status);
        assert!(!response.text().contains("secret"), "{path}");
    }
    fs::remove_file(outside).unwrap();
}

#[test]
fn p78_a_directory_redirects_to_itself_and_nowhere_else() {
    let site =
        Site::new(FilesOptions::default(), &[("dir/index.html", b"index"), ("example.com/index.html", b"x")]);
    let server = site.serve();
    let response = server.get("/dir?q=1", "");
    assert!(matches!(response.status, 301 | 307 | 308), "{}", response.status);
    assert_eq!(response.header("location"), Some("/dir/?q=1"));
    assert_eq!(server.get("/dir/", "").text(), "index");
    for path in ["//example.com", "///example.com", "/%2fexample.com", "/.//example.com"] {
        let response = server.get(path, "");
        let location = response.header("location").unwrap_or("/");
        assert!(location.starts_with('/') && !location.starts_with("//"), "{path}: {location}");
    }
}

#[test]
fn p102_listings_are_escaped_and_files_can_be_guarded() {
    let options =
        FilesOptions { listing: true, disposition: Disposition::Attachment, ..FilesOptions::default() };
    let site = Site::new(
        options,
        &[("<script>alert(1)</script>.txt".replace('/', "_").as_str(), b"x"), ("a&\"b\".txt", b"y")],
    );
    let stack = Stack { security_headers: Some(SecurityHeaders::default()), ..Stack::default() };
    let server = Setup::shared(stack.around(Arc::clone(&site.files))).start();
    let listing = server.get("/", "Accept: text/html\r\n");
    assert_eq!(listing.status, 200);
    assert!(!listing.text().contains("<script>alert"), "{}", listing.text());
    assert!(listing.text().contains("&lt;script&gt;"), "{}", listing.text());
    let file = server.get("/a&%22b%22.txt", "");
    assert_eq!((file.text(), file.header("x-content-type-options")), ("y", Some("nosniff")));
    let disposition = file.header("content-disposition").expect("Content-Disposition");
    assert!(disposition.starts_with("attachment"), "{disposition}");
}

#[test]
fn a_large_file_arrives_over_every_transport() {
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let site = Site::new(FilesOptions::default(), &[("large", &content), ("64k", &content[..65_537])]);
    let socket = site.folder.path().join("socket");
    let over_tcp = site.serve();
    let over_unix = Setup::shared(Arc::clone(&site.files)).at(&socket).start();
    for server in [&over_tcp, &over_unix] {
        let mut wire = server.connect();
        // Pipelined, so that each begins behind what another left in the outbox.
        for path in ["/large", "/64k", "/large"] {
            wire.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        }
        assert!(wire.read_response().body == content);
        assert!(wire.read_response().body == content[..65_537]);
        assert!(wire.read_response().body == content);
        wire.send("GET /large HTTP/1.1\r\nHost: a\r\nRange: bytes=1000000-2000000\r\n\r\n");
        assert!(wire.read_response().body == content[1_000_000..=2_000_000]);
        wire.send("HEAD /large HTTP/1.1\r\nHost: a\r\n\r\nGET /64k HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(wire.read_response_to("HEAD").header("content-length"), Some("3000000"));
        assert!(wire.read_response().body == content[..65_537]);
    }
}
