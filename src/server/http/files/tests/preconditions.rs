use super::*;

const TAG: &str = "\"2ebc98a1.0-5\"";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn options() -> FilesOptions {
    FilesOptions { cache_control: Some(HeaderValue::from_static("no-cache")), ..FilesOptions::default() }
}

#[tokio::test]
async fn in_the_order_of_section_13_2_2() {
    let site = Site::new(options(), &[("a.txt", "hello"), ("d/", "")]);
    let rows = [
        ("", 200),
        // If-Match, strong.
        (&*format!("If-Match: {TAG}"), 200),
        ("If-Match: *", 200),
        (&format!("If-Match: \"x\", {TAG}"), 200),
        (&format!("If-Match: W/{TAG}"), 412),
        ("If-Match: \"x\"", 412),
        ("If-Match: nonsense", 412),
        // If-Unmodified-Since, only without an If-Match.
        (&format!("If-Unmodified-Since: {MODIFIED}"), 200),
        (&format!("If-Unmodified-Since: {AFTER}"), 200),
        (&format!("If-Unmodified-Since: {BEFORE}"), 412),
        ("If-Unmodified-Since: yesterday", 200),
        (&format!("If-Match: {TAG}\nIf-Unmodified-Since: {BEFORE}"), 200),
        (&format!("If-Match: \"x\"\nIf-Unmodified-Since: {AFTER}"), 412),
        // If-None-Match, weak.
        (&format!("If-None-Match: {TAG}"), 304),
        (&format!("If-None-Match: W/{TAG}"), 304),
        (&format!("If-None-Match: \"a,b\"\nIf-None-Match: \"c\", {TAG}"), 304),
        ("If-None-Match: *", 304),
        ("If-None-Match: \"x\"", 200),
        ("If-None-Match: nonsense", 200),
        // If-Modified-Since, only without an If-None-Match.
        (&format!("If-Modified-Since: {MODIFIED}"), 304),
        ("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", 304),
        ("If-Modified-Since: Sun Nov  6 08:49:37 1994", 304),
        (&format!("If-Modified-Since: {AFTER}"), 304),
        (&format!("If-Modified-Since: {BEFORE}"), 200),
        ("If-Modified-Since: yesterday", 200),
        (&format!("If-None-Match: \"x\"\nIf-Modified-Since: {MODIFIED}"), 200),
        (&format!("If-None-Match: {TAG}\nIf-Modified-Since: {BEFORE}"), 304),
        // What fails first decides.
        (&format!("If-Match: \"x\"\nIf-None-Match: {TAG}"), 412),
        (&format!("If-Match: {TAG}\nIf-None-Match: {TAG}"), 304),
        (&format!("If-Unmodified-Since: {BEFORE}\nIf-None-Match: {TAG}"), 412),
        // A precondition comes before a range.
        (&format!("If-None-Match: {TAG}\nRange: bytes=0-0"), 304),
        ("If-Match: \"x\"\nRange: bytes=9-", 412),
    ];
    for (fields, expected) in rows {
        for method in ["GET", "HEAD"] {
            let status = site.status(&format!("{method} /a.txt\n{fields}")).await;
            assert_eq!(status, expected, "{method} with {fields}");
        }
    }
    for (path, plain) in [("/none", 404), ("/d", 308)] {
        let status = site.status(&format!("GET {path}\nIf-Match: \"x\"\nIf-None-Match: *")).await;
        assert_eq!(status, plain, "what is no 2xx has no preconditions");
    }
}

#[tokio::test]
async fn a_304_repeats_what_caches_need() {
    let site = Site::new(options(), &[("a.txt", "hello"), ("a.txt.gz", "zip")]);
    let answer = site.ask("GET /a.txt\nIf-None-Match: *").await;
    assert_eq!((answer.status, answer.text()), (304, ""));
    assert_eq!(answer.names(), ["cache-control", "etag", "vary"]);
    let of_gzip = format!("GET /a.txt\nAccept-Encoding: gzip\nIf-None-Match: {TAG}");
    assert_eq!(site.status(&of_gzip).await, 200, "another coding is another state");
}
