//! What is asked for, and where.

use super::super::run::Wanted;
use super::super::url::Source;
use super::*;
use crate::proto::bittorrent::tracker::{Scheme, UrlError};

fn target(info: &Arc<Info>, kind: Kind, url: &str, wanted: &Wanted) -> Option<String> {
    Source::new(kind, url).unwrap().ask(info, wanted).map(|ask| ask.target)
}

fn file(info: &Arc<Info>, url: &str, file: usize) -> String {
    target(info, Kind::Files, url, &Wanted::File { file, range: 0..1 }).unwrap()
}

#[test]
fn a_single_file_is_at_the_url_or_in_the_folder() {
    let (info, _) = single(1, 1);
    for (url, expected) in [
        ("http://w/file.iso", "/file.iso"),
        ("http://w/a%20b.iso", "/a%20b.iso"),
        ("http://w/a b.iso", "/a%20b.iso"),
        ("http://w/ä", "/%C3%A4"),
        ("http://w/get?name=x&y", "/get?name=x&y"),
        ("http://w/file.iso#part", "/file.iso"),
        ("http://w/dir/", "/dir/a%20b.bin"),
        ("http://w/", "/a%20b.bin"),
        ("http://w", "/a%20b.bin"),
        ("https://w:8443//x/", "//x/a%20b.bin"),
    ] {
        assert_eq!(file(&info, url, 0), expected, "{url}");
    }
}

#[test]
fn several_files_are_in_a_folder() {
    // Also if it is only one, in a folder of its own.
    let (one, _) = folder(b"t", &[("t", 7, "")], BLOCK);
    let names = &[
        ("a b/c%d", 1, ""),
        ("#/?", 1, ""),
        ("Übung/日本.txt", 1, ""),
        ("a+b&c=d;e,f:g@h$i'j", 1, ""),
        ("-_!.~*()", 1, ""),
        ("a\\b\"<>|", 1, ""),
        (".././x", 1, ""),
        ("CON", 1, ""),
        ("con", 1, ""),
    ];
    let (many, _) = folder("näme:".as_bytes(), names, BLOCK);
    for url in ["http://w/x", "http://w/x/"] {
        assert_eq!(file(&one, url, 0), "/x/t/t");
        let found: Vec<_> = (0..names.len()).map(|number| file(&many, url, number)).collect();
        let expected = [
            "a%20b/c%25d",
            "%23/%3F",
            "%C3%9Cbung/%E6%97%A5%E6%9C%AC.txt",
            "a%2Bb%26c%3Dd%3Be%2Cf%3Ag%40h%24i%27j",
            "-_!.~*()",
            "a%5Cb%22%3C%3E%7C",
            // Nothing leads upwards.
            "._/x",
            // As they were called, not as they are called here.
            "CON",
            "con",
        ];
        let expected = expected.map(|path| format!("/x/n%C3%A4me%3A/{path}"));
        assert_eq!(found, expected, "{url}");
    }
    // A name with a slash in it is one level, and bytes may be anything.
    let listed = [Tree::dictionary([("length", 1i64)]).with("path", Tree::list([vec![b'a', b'/', 0, 0xff]]))];
    let info = Tree::dictionary([("name", "t")])
        .with("piece length", BLOCK)
        .with("pieces", vec![7; 20])
        .with("files", Tree::list(listed));
    let info = Arc::new(Info::read(info.to_bytes().into()).unwrap());
    assert_eq!(file(&info, "http://w/", 0), "/t/a%2F%00%FF");
}

#[test]
fn the_halves_of_a_torrent_have_the_same_urls() {
    // The tree of version 2 has names as keys.
    let leaf = Tree::dictionary([("length", 1i64)]).with("pieces root", vec![7; 32]);
    let leaf = Tree::dictionary([("", leaf)]);
    let tree = Tree::dictionary([("a?", leaf.clone()), ("b", Tree::dictionary([("c d", leaf)]))]);
    let info = Tree::dictionary([("name", "t*")])
        .with("piece length", BLOCK)
        .with("meta version", 2i64)
        .with("file tree", tree);
    let info = Arc::new(Info::read(info.to_bytes().into()).unwrap());
    assert_eq!(file(&info, "http://w/", 0), "/t*/a%3F");
    assert_eq!(file(&info, "http://w/", 1), "/t*/b/c%20d");
}

#[test]
fn scripts_are_told_piece_and_ranges() {
    let (info, _) = single(u64::from(BLOCK) * 6, 4);
    let whole = u64::from(BLOCK) * 4;
    let hash: String =
        percent_encoding::percent_encode(&info.hash().id().0, percent_encoding::NON_ALPHANUMERIC).to_string();
    for (url, piece, ranges, expected) in [
        ("http://w/seed.php", 0, &[(0, whole)][..], "/seed.php?info_hash={}&piece=0"),
        ("http://w/seed.php?k=1", 0, &[(0, 5)], "/seed.php?k=1&info_hash={}&piece=0&ranges=0-4"),
        // The example of BEP 17.
        (
            "http://w/seed.php",
            8,
            &[(49152, 131_072), (180_224, 262_144)],
            "/seed.php?info_hash={}&piece=8&ranges=49152-131071,180224-262143",
        ),
        // The last piece is shorter.
        ("http://w/", 1, &[(0, whole / 2)], "/?info_hash={}&piece=1"),
        ("http://w/", 1, &[(0, whole)], "/?info_hash={}&piece=1&ranges=0-65535"),
    ] {
        let ranges = ranges.iter().map(|(start, end)| *start..*end).collect();
        let found = target(&info, Kind::Pieces, url, &Wanted::Piece { piece, ranges }).unwrap();
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
        assert_eq!(decoded(&found), decoded(&expected.replace("{}", &hash)), "{url}");
    }
}

#[test]
fn what_is_no_web_seed() {
    let new = |url: &str| Source::new(Kind::Files, url).err();
    for url in ["http://w", " https://[::1]:80/x?y ", "HTTP://W/"] {
        assert_eq!(new(url), None, "{url}");
    }
    assert_eq!(new("udp://w:1/"), Some(SourceError::Scheme(Scheme::Udp)));
    assert_eq!(new("ftp://w/"), Some(SourceError::Url(UrlError::Scheme("ftp".to_owned()))));
    assert_eq!(new("http://me:secret@w/"), Some(SourceError::Url(UrlError::Credentials)));
    assert_eq!(new("/x"), Some(SourceError::Url(UrlError::Scheme("/x".to_owned()))));
    assert!(matches!(new("http://a b/"), Some(SourceError::Url(UrlError::Host(_)))));
    assert_eq!(new("http://w/a\r\nb"), Some(SourceError::Url(UrlError::Character('\r'))));
}

#[test]
fn redirections_lead_anywhere_on_the_web() {
    let from: Url = "http://w:81/x?k".parse().unwrap();
    let target = "/dir/a%20b?q=1";
    let read = |location: &str| redirected(&from, target, location).map(|url| url.to_string());
    for (location, expected) in [
        ("http://other/y?z", "http://other/y?z"),
        ("https://w/y", "https://w/y"),
        ("//other/y", "http://other/y"),
        ("/y", "http://w:81/y"),
        ("y", "http://w:81/dir/y"),
        ("y/z?a:b", "http://w:81/dir/y/z?a:b"),
        ("?z", "http://w:81/dir/a%20b?z"),
        ("#z", "http://w:81/dir/a%20b?q=1"),
        (" ", "http://w:81/dir/a%20b?q=1"),
    ] {
        assert_eq!(read(location).as_deref(), Ok(expected), "{location}");
    }
    assert_eq!(read("udp://other/"), Err(SourceError::Scheme(Scheme::Udp)));
    for wrong in
        ["ftp://other/", "javascript:x", "file:///etc/passwd", "http://a@other/", "/a b", "http://127.1/"]
    {
        assert!(matches!(read(wrong), Err(SourceError::Url(_))), "{wrong}");
    }
    // A path that begins with two slashes does not become a host.
    let inside = redirected(&from, "//other/z", "y").map(|url| url.to_string());
    assert_eq!(inside.as_deref(), Ok("http://w:81//other/y"));
}

#[test]
fn a_file_with_a_name_that_no_server_takes_is_missing() {
    let long = "ä".repeat(700);
    let path = format!("{long}/{long}");
    let mut desk =
        Desk::files(folder(b"t", &[("a", u64::from(BLOCK), ""), (&path, u64::from(BLOCK), "")], BLOCK));
    desk.request(&[block(1, 0)]);
    assert_eq!(desk.todo(), [Todo::Rejoin]);
    desk.seed.joined(desk.now);
    assert_eq!(desk.words(), [Message::Bitfield(Bytes::from_static(&[0x80])), Message::Unchoke]);
}
