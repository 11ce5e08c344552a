//! Points 70 and 83 to 89: conditional requests (RFC 9110 section 13), through `Files` over sockets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use wireworks::proto::http::date;
use wireworks::server::http::files::FilesOptions;

use super::files::{MODIFIED, Site, age};
use super::server::TestServer;

const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const LATER: &str = "Mon, 07 Nov 1994 08:49:37 GMT";

/// A site with one file, its server, and the file's tag.
fn site() -> (Site, TestServer, String) {
    let options = FilesOptions {
        cache_control: Some(HeaderValue::from_static("max-age=60")),
        ..FilesOptions::default()
    };
    let site = Site::new(options, &[("a.txt", b"content")]);
    let server = site.serve();
    let tag = server.get("/a.txt", "").header("etag").expect("a tag").to_owned();
    (site, server, tag)
}

/// Each request to the file is answered with its status.
#[track_caller]
fn statuses(server: &TestServer, rows: &[(&str, u16)]) {
    for (fields, status) in rows {
        let response = server.get("/a.txt", fields);
        assert_eq!(response.status, *status, "{fields:?}");
        assert_eq!(response.text() == "content", *status == 200, "{fields:?}");
    }
}

#[test]
fn p83_files_have_validators() {
    let (site, server, tag) = site();
    let response = server.get("/a.txt", "");
    assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong tag: {tag}");
    assert_eq!(response.header("last-modified"), Some(MODIFIED));
    // A date that lies ahead is never sent.
    let path = site.folder.path().join("b.txt");
    std::fs::write(&path, "b").unwrap();
    let ahead = SystemTime::now() + Duration::from_secs(1000);
    age(&path, ahead.duration_since(UNIX_EPOCH).unwrap().as_secs());
    let response = server.get("/b.txt", "");
    let read = |name| response.header(name).map(|text| date::parse(text.as_bytes(), ahead).unwrap());
    assert!(read("last-modified") <= read("date"), "{response:?}");
}

#[test]
fn p84_if_match_compares_strongly() {
    let (_site, server, tag) = site();
    statuses(
        &server,
        &[
            (&format!("If-Match: {tag}\r\n"), 200),
            (&format!("If-Match: \"x\", {tag}\r\n"), 200),
            ("If-Match: *\r\n", 200),
            ("If-Match: \"x\"\r\n", 412),
            (&format!("If-Match: W/{tag}\r\n"), 412),
        ],
    );
}

#[test]
fn p85_if_unmodified_since_counts_only_by_itself() {
    let (_site, server, tag) = site();
    statuses(
        &server,
        &[
            (&format!("If-Unmodified-Since: {MODIFIED}\r\n"), 200),
            (&format!("If-Unmodified-Since: {LATER}\r\n"), 200),
            (&format!("If-Unmodified-Since: {EARLIER}\r\n"), 412),
            (&format!("If-Match: {tag}\r\nIf-Unmodified-Since: {EARLIER}\r\n"), 200),
            ("If-Unmodified-Since: yesterday\r\n", 200),
        ],
    );
}

#[test]
fn p86_if_none_match_compares_weakly_in_any_list() {
    let (_site, server, tag) = site();
    statuses(
        &server,
        &[
            (&format!("If-None-Match: {tag}\r\n"), 304),
            (&format!("If-None-Match: W/{tag}\r\n"), 304),
            (&format!("If-None-Match: \"x,y\", {tag}\r\n"), 304),
            (&format!("If-None-Match: \"x\"\r\nIf-None-Match: {tag}\r\n"), 304),
            ("If-None-Match: *\r\n", 304),
            ("If-None-Match: \"x\"\r\n", 200),
            (&format!("If-None-Match: \"x,{}\r\n", &tag[1..]), 200),
        ],
    );
    let head = server.ask(format!("HEAD /a.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tag}\r\n\r\n"));
    assert_eq!(head.status, 304);
}

#[test]
fn p87_if_modified_since_takes_dates_of_all_times() {
    let (_site, server, _) = site();
    statuses(
        &server,
        &[
            (&format!("If-Modified-Since: {MODIFIED}\r\n"), 304),
            ("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", 304),
            ("If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", 304),
            (&format!("If-Modified-Since: {EARLIER}\r\n"), 200),
            ("If-Modified-Since: yesterday\r\n", 200),
            (&format!("If-Modified-Since: {MODIFIED}, {MODIFIED}\r\n"), 200),
            (&format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {MODIFIED}\r\n"), 200),
        ],
    );
}

#[test]
fn p88_preconditions_count_only_where_there_is_something() {
    let (_site, server, tag) = site();
    for fields in ["If-None-Match: *\r\n".to_owned(), format!("If-Modified-Since: {LATER}\r\n")] {
        assert_eq!(server.get("/nowhere", &fields).status, 404);
    }
    let options = server.ask("OPTIONS /a.txt HTTP/1.1\r\nHost: a\r\nIf-Match: \"x\"\r\n\r\n");
    assert_eq!(options.status, 204);
    let post = server.ask(format!("POST /a.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tag}\r\n\r\n"));
    assert_eq!(post.status, 405);
}

#[test]
fn p70_and_89_a_304_has_no_body_and_repeats_what_caches_need() {
    let (_site, server, tag) = site();
    let mut wire = server.connect();
    wire.send(format!(
        "GET /a.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tag}\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n"
    ));
    let response = wire.read_response();
    let full = wire.read_response();
    assert_eq!((response.status, full.status), (304, 200));
    for name in ["etag", "cache-control", "vary"] {
        assert_eq!(response.headers_named(name), full.headers_named(name), "{name}");
    }
    assert!(response.header("date").is_some());
    assert!(response.header("content-type").is_none());
    let length = response.header("content-length");
    assert!(length.is_none() || length == full.header("content-length"), "{length:?}");
}
