//! Links: to whom a file is shown, and how.

use super::{Files, HOUR, now, png};

#[test]
fn a_link_shows_a_file_as_browsers_like_it() {
    let files = Files::new();
    let media = files.keep(b"some words of text");
    let link = files.link(&media);
    let whole = files.get(&link, "");
    assert_eq!((whole.status, whole.text()), (200, "some words of text"));
    let tag = format!("\"{}\"", media.digest);
    for (name, value) in [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", "18"),
        ("cache-control", "private, max-age=31536000, immutable"),
        ("etag", &tag),
        ("accept-ranges", "bytes"),
        ("content-disposition", &format!("inline; filename=\"{}.txt\"", &media.digest[..12])),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(whole.header(name), Some(value), "{name}");
    }
    let part = files.get(&link, "Range: bytes=5-9\r\n");
    assert_eq!(
        (part.status, part.text(), part.header("content-range")),
        (206, "words", Some("bytes 5-9/18"))
    );
    assert_eq!(files.get(&link, &format!("If-None-Match: {tag}\r\n")).status, 304);
    assert_eq!(files.get(&link, "Range: bytes=18-\r\n").status, 416);
    let head = files.send(&format!("HEAD {link}"), "", b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("18")));
    assert_eq!(files.get(&format!("{link}&thumb=1"), "").status, 404, "there is no picture");
}

#[test]
fn nobody_else_sees_anything() {
    let files = Files::new();
    let (media, other) = (files.keep(b"secret"), files.keep(b"another secret"));
    let link = files.link(&media);
    let (path, query) = link.split_once('?').unwrap();
    let (end, signature) = query.split_once('&').unwrap();
    let expired = files.media.link(&media.digest.parse().unwrap(), HOUR, now() - 2 * 3_600_000);
    let strangers = Files::new().link(&media);
    for (target, words) in [
        (path.to_owned(), "only shown by a link"),
        (format!("{path}?{end}"), "only shown by a link"),
        (format!("{path}?{signature}"), "only shown by a link"),
        (format!("{path}?e=x&{signature}"), "only shown by a link"),
        (format!("{path}?{end}0&{signature}"), "is not one of ours"),
        (format!("{path}?{end}&s=AAAAAAAAAAAAAAAAAAAAAA"), "is not one of ours"),
        (format!("{path}?{end}&s="), "is not one of ours"),
        (format!("/media/{}?{query}", other.digest), "is not one of ours"),
        (strangers, "is not one of ours"),
        (expired, "has expired"),
    ] {
        let response = files.get(&target, "");
        assert!(response.status == 403 && response.text().contains(words), "{target}: {}", response.text());
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert_ne!(response.header("cache-control"), Some("private, max-age=31536000, immutable"));
    }
    let missing = super::sha256(b"never uploaded");
    let target = files.media.link(&missing.parse().unwrap(), HOUR, now());
    assert_eq!(files.get(&target, "").status, 404);
}

#[test]
fn what_is_no_digest_leads_nowhere() {
    let files = Files::new();
    let media = files.keep(b"x");
    let link = files.link(&media);
    let (_, query) = link.split_once('?').unwrap();
    let upper = media.digest.to_uppercase();
    for path in [
        "/media/",
        "/media/..",
        "/media/%2e%2e%2fkeys",
        "/media/..%2fkeys",
        "/media/keys",
        "/media/incoming",
        &format!("/media/{upper}"),
        &format!("/media/{}.json", media.digest),
        &format!("/media/{}%00", media.digest),
        &format!("/media/{}/", media.digest),
        &format!("/media/files%2f{}", media.digest),
        &format!("/media//{}", media.digest),
        "/media/%ff%fe",
        "/keys",
    ] {
        let response = files.get(&format!("{path}?{query}"), "");
        assert!(matches!(response.status, 400 | 404), "{path}: {}", response.status);
        assert!(!response.text().contains("wireworks chat"), "{path}");
    }
    for digest in ["", "..", "../keys", &upper, &media.digest[1..]] {
        assert!(files.describe(digest).is_none(), "{digest}");
    }
}

#[test]
fn links_outlive_a_restart_and_one_rotation_of_the_keys() {
    let files = Files::new();
    let media = files.keep(&png(10, 10));
    let link = files.link(&media);
    let files = files.restart(|_| {});
    assert_eq!(files.get(&link, "").status, 200);
    assert!(files.describe(&media.digest).is_some());
    let permit = files.permit();
    files.media.rotate_keys().unwrap();
    assert_eq!(files.get(&link, "").status, 200);
    let fields = format!("Authorization: Bearer {permit}\r\n");
    assert_eq!(files.send("PUT /media", &fields, b"still").status, 201);
    let next = files.link(&media);
    assert_ne!(next, link);
    files.media.rotate_keys().unwrap();
    assert_eq!((files.get(&link, "").status, files.get(&next, "").status), (403, 200));
    let files = files.restart(|_| {});
    assert_eq!((files.get(&link, "").status, files.get(&next, "").status), (403, 200));
}

#[test]
fn links_that_are_asked_for_together_are_the_same() {
    let files = Files::new();
    let media = files.keep(b"x");
    let digest = media.digest.parse().unwrap();
    let at = 1_800_000_000_000;
    assert_eq!(files.media.link(&digest, HOUR, at), files.media.link(&digest, HOUR, at - 800_000));
    assert_ne!(files.media.link(&digest, HOUR, at), files.media.link(&digest, HOUR, at + 1_000_000));
}
