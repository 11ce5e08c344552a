//! Points 90 to 96: ranges (RFC 9110 section 14), through `Files` over sockets.

use http::HeaderValue;
use wireworks::server::http::files::FilesOptions;

use super::files::{MODIFIED, Site};
use super::server::TestServer;

/// A site with a file of 1000 bytes, and one of a megabyte.
fn site() -> (Site, TestServer) {
    let options = FilesOptions {
        cache_control: Some(HeaderValue::from_static("max-age=60")),
        ..FilesOptions::default()
    };
    let large: Vec<u8> = (0..1_000_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    let site = Site::new(options, &[("a.txt", &large[..1000]), ("large.txt", &large)]);
    let server = site.serve();
    (site, server)
}

#[test]
fn p90_ranges_are_of_get_alone() {
    let (_site, server) = site();
    let head = server.ask("HEAD /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9\r\n\r\n");
    assert_eq!((head.status, head.header("content-length")), (200, Some("1000")));
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
    let post = server.ask("POST /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9\r\n\r\n");
    assert_eq!(post.status, 405);
}

#[test]
fn p91_and_92_and_93_one_range_is_answered_by_its_bytes() {
    let (_site, server) = site();
    for (range, status, position, length) in [
        ("bytes=0-9", 206, Some("bytes 0-9/1000"), 10),
        ("BYTES=0-9", 206, Some("bytes 0-9/1000"), 10),
        ("bytes=990-", 206, Some("bytes 990-999/1000"), 10),
        ("bytes=-5", 206, Some("bytes 995-999/1000"), 5),
        ("bytes=-2000", 206, Some("bytes 0-999/1000"), 1000),
        ("bytes=990-5000", 206, Some("bytes 990-999/1000"), 10),
        ("bytes=0-18446744073709551615", 206, Some("bytes 0-999/1000"), 1000),
        ("bytes=0-99999999999999999999999999", 206, Some("bytes 0-999/1000"), 1000),
        ("lines=0-9", 200, None, 1000),
        ("bytes 0-9", 200, None, 1000),
        ("bytes=9-0", 200, None, 1000),
        ("bytes=x-9", 200, None, 1000),
    ] {
        let response = server.get("/a.txt", &format!("Range: {range}\r\n"));
        assert_eq!(response.status, status, "{range}");
        assert_eq!((response.header("content-range"), response.body.len()), (position, length), "{range}");
    }
    for range in ["bytes=1000-", "bytes=-0", "bytes=2000-3000", "bytes=99999999999999999999999999-"] {
        let response = server.get("/a.txt", &format!("Range: {range}\r\n"));
        assert_eq!(
            (response.status, response.header("content-range")),
            (416, Some("bytes */1000")),
            "{range}"
        );
    }
}

#[test]
fn p94_many_ranges_are_parts_with_heads_of_their_own() {
    let (_site, server) = site();
    let whole = server.get("/large.txt", "").body;
    // The second is long enough to leave by sendfile.
    let response = server.get("/large.txt", "Range: bytes=999990-, 200-199999, 10-19\r\n");
    assert_eq!((response.status, response.header("content-range")), (206, None));
    let boundary = response
        .header("content-type")
        .and_then(|value| value.strip_prefix("multipart/byteranges; boundary="))
        .expect("multipart/byteranges")
        .trim_matches('"');
    let text = response.text();
    let parts: Vec<&str> = text.split(&format!("--{boundary}")).collect();
    assert_eq!((parts.len(), parts[4].trim()), (5, "--"), "three parts, and what is before and behind them");
    for (part, range) in parts[1..4].iter().zip([999_990..1_000_000, 200..200_000, 10..20]) {
        let (head, body) = part.split_once("\r\n\r\n").unwrap();
        let position = format!("bytes {}-{}/1000000", range.start, range.end - 1);
        assert!(head.to_ascii_lowercase().contains(&format!("content-range: {position}")), "{head}");
        assert_eq!(body.strip_suffix("\r\n").unwrap().as_bytes(), &whole[range]);
    }
    // What overlaps becomes one, and too many are none.
    let one = server.get("/a.txt", "Range: bytes=0-9, 5-20\r\n");
    assert_eq!((one.status, one.header("content-range")), (206, Some("bytes 0-20/1000")));
    let many = (0..200).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(",");
    assert_eq!(server.get("/a.txt", &format!("Range: bytes={many}\r\n")).status, 200);
}

#[test]
fn p95_if_range_lets_go_of_a_range_of_another_state() {
    let (_site, server) = site();
    let tag = server.get("/a.txt", "").header("etag").unwrap().to_owned();
    for (condition, status) in [
        (tag.clone(), 206),
        (format!("W/{tag}"), 200),
        ("\"x\"".to_owned(), 200),
        (MODIFIED.to_owned(), 206),
        ("Sun, 06 Nov 1994 08:49:38 GMT".to_owned(), 200),
        ("yesterday".to_owned(), 200),
    ] {
        let response = server.get("/a.txt", &format!("Range: bytes=0-9\r\nIf-Range: {condition}\r\n"));
        assert_eq!(response.status, status, "{condition}");
    }
    assert_eq!(server.get("/a.txt", "If-Range: \"x\"\r\n").status, 200);
}

#[test]
fn p96_a_part_has_the_fields_of_the_whole() {
    let (_site, server) = site();
    let whole = server.get("/a.txt", "");
    for range in ["0-9", "0-9,500-509"] {
        let part = server.get("/a.txt", &format!("Range: bytes={range}\r\n"));
        assert_eq!(part.status, 206);
        for name in ["etag", "cache-control", "last-modified", "vary"] {
            assert_eq!(part.headers_named(name), whole.headers_named(name), "{range}: {name}");
        }
        assert!(part.header("date").is_some());
    }
}
