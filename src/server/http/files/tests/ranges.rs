use super::*;

/// One file that is kept in memory, one that is kept open.
fn site() -> Site {
    let options = FilesOptions {
        cache: CacheLimits { file: 1000, ..CacheLimits::default() },
        ..FilesOptions::default()
    };
    let digits = "0123456789";
    Site::new(options, &[("small.txt", &digits.repeat(100)), ("large.txt", &digits.repeat(500))])
}

#[tokio::test]
async fn one_range_is_a_part_of_the_file() {
    let site = site();
    for (path, length) in [("/small.txt", 1000), ("/large.txt", 5000)] {
        for (range, first, last) in [
            ("bytes=0-0", 0, 0),
            ("BYTES=3-6", 3, 6),
            ("bytes=990-", 990, length - 1),
            ("bytes=-5", length - 5, length - 1),
            ("bytes=-99999999999999999999999", 0, length - 1),
            ("bytes=7-99999999999999999999999", 7, length - 1),
            ("bytes=0-9,5-14", 0, 14),
        ] {
            let answer = site.ask(&format!("GET {path}\nRange: {range}")).await;
            let expected: String = (first..=last).map(|at| (at % 10).to_string()).collect();
            assert_eq!((answer.status, answer.text()), (206, &*expected), "{path} {range}");
            assert_eq!(answer.field("content-range"), format!("bytes {first}-{last}/{length}"));
            assert_eq!(answer.field("content-type"), "text/plain; charset=utf-8");
            assert!(!answer.field("etag").is_empty() && !answer.field("last-modified").is_empty());
        }
    }
}

#[tokio::test]
async fn what_is_no_range_is_the_whole() {
    let site = site();
    for fields in [
        "Range: lines=1-2",
        "Range: bytes=2-1",
        "Range: bytes=a-b",
        "Range: bytes",
        "Range: bytes=0-0\nRange: bytes=1-1",
    ] {
        let answer = site.ask(&format!("GET /small.txt\n{fields}")).await;
        assert_eq!((answer.status, answer.body.len()), (200, 1000), "{fields}");
    }
    let many = (0..200).map(|at| (at * 1000).to_string() + "-").collect::<Vec<_>>().join(",");
    assert_eq!(site.status(&format!("GET /large.txt\nRange: bytes={many}")).await, 200);
    let head = site.ask("HEAD /small.txt\nRange: bytes=0-0").await;
    assert_eq!((head.status, head.length_of_get), (200, Some(1000)), "ranges are for GET");
}

#[tokio::test]
async fn what_lies_outside_is_416() {
    let site = site();
    for range in ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=2000-,3000-"] {
        let answer = site.ask(&format!("GET /small.txt\nRange: {range}")).await;
        assert_eq!((answer.status, &*answer.field("content-range")), (416, "bytes */1000"), "{range}");
    }
}

#[tokio::test]
async fn many_ranges_are_parts_with_heads_of_their_own() {
    let site = site();
    for (path, length) in [("/small.txt", 1000), ("/large.txt", 5000)] {
        let answer = site.ask(&format!("GET {path}\nRange: bytes=700-704,0-2,-1,9999-")).await;
        assert_eq!(answer.status, 206);
        assert_eq!(answer.field("content-range"), "", "each part has its own");
        let content_type = answer.field("content-type");
        let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
        assert!(boundary.len() >= 16);
        let part = |first: u64, last: u64, text: &str| {
            format!(
                "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 Content-Range: bytes {first}-{last}/{length}\r\n\r\n{text}\r\n"
            )
        };
        let last = length - 1;
        let expected = part(700, 704, "01234")
            + &part(0, 2, "012")
            + &part(last, last, "9")
            + &format!("--{boundary}--\r\n");
        assert_eq!(answer.text(), expected);
        let again = site.ask(&format!("GET {path}\nRange: bytes=700-704,0-2")).await;
        assert_ne!(again.field("content-type"), content_type, "nobody can foresee a boundary");
    }
}

#[tokio::test]
async fn if_range_lets_go_of_a_range_of_another_state() {
    let site = site();
    let tag = site.ask("GET /small.txt").await.field("etag");
    for (condition, expected) in [
        (tag.clone(), 206),
        (format!("W/{tag}"), 200),
        ("\"x\"".into(), 200),
        (MODIFIED.into(), 206),
        ("Sun, 06 Nov 1994 08:49:38 GMT".into(), 200),
        ("nonsense".into(), 200),
    ] {
        let answer = site.ask(&format!("GET /small.txt\nRange: bytes=1-2\nIf-Range: {condition}")).await;
        assert_eq!(answer.status, expected, "{condition}");
        let beyond = site.ask(&format!("GET /small.txt\nRange: bytes=5000-\nIf-Range: {condition}")).await;
        assert_eq!(beyond.status, if expected == 206 { 416 } else { 200 });
    }
}
