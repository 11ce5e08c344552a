use super::super::url::UrlError::{self, Character, Credentials, Host, Long, Port};
use super::*;

#[test]
fn urls_are_read_and_written() {
    for (text, scheme, host, port, target, written) in [
        ("http://a.example/announce", Scheme::Http, "a.example", 80, "/announce", None),
        (
            "HTTPS://A.Example./x?k=1#f",
            Scheme::Https,
            "a.example",
            443,
            "/x?k=1",
            Some("https://a.example/x?k=1"),
        ),
        (
            " udp://t.example:6969/announce ",
            Scheme::Udp,
            "t.example",
            6969,
            "/announce",
            Some("udp://t.example:6969/announce"),
        ),
        ("udp://t.example:6969", Scheme::Udp, "t.example", 6969, "/", None),
        ("http://t", Scheme::Http, "t", 80, "/", Some("http://t/")),
        ("http://t?x", Scheme::Http, "t", 80, "/?x", Some("http://t/?x")),
        ("http://t:/", Scheme::Http, "t", 80, "/", Some("http://t/")),
        ("https://t:80/", Scheme::Https, "t", 80, "/", None),
        (
            "http://[2001:DB8::1]:81/a",
            Scheme::Http,
            "[2001:db8::1]",
            81,
            "/a",
            Some("http://[2001:db8::1]:81/a"),
        ),
        ("http://[::1]/a", Scheme::Http, "[::1]", 80, "/a", None),
        (
            "http://127.0.0.1:6969/a/é{}",
            Scheme::Http,
            "127.0.0.1",
            6969,
            "/a/%C3%A9%7B%7D",
            Some("http://127.0.0.1:6969/a/%C3%A9%7B%7D"),
        ),
        ("http://t/a%20b?x=%00", Scheme::Http, "t", 80, "/a%20b?x=%00", None),
        ("http://t/@x:y", Scheme::Http, "t", 80, "/@x:y", None),
    ] {
        let url = url(text);
        assert_eq!(
            (url.scheme(), url.host().to_string().as_str(), url.port(), url.target()),
            (scheme, host, port, target),
            "{text}"
        );
        assert_eq!(url.to_string(), written.unwrap_or(text));
        assert_eq!(url.to_string().parse(), Ok(url), "{text}");
    }
    let url = url("http://t:81/a/b?c=d?e");
    assert_eq!((url.path(), url.query(), url.authority()), ("/a/b", Some("c=d?e"), "t:81".into()));
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    let host = |host: &str| Host(host.into());
    for (text, error) in [
        ("", UrlError::Scheme("".into())),
        ("t:80/announce", UrlError::Scheme("t:80/announce".into())),
        ("ftp://t/", UrlError::Scheme("ftp".into())),
        ("wss://t/", UrlError::Scheme("wss".into())),
        ("http:/t/", UrlError::Scheme("http:/t/".into())),
        ("http://", host("")),
        ("http:///announce", host("")),
        ("http://user@t/", Credentials),
        ("http://good:80@127.0.0.1/", Credentials),
        ("http://good\\@127.0.0.1/", Character('\\')),
        ("http://a b/", Character(' ')),
        ("http://t/a\nHost: x", Character('\n')),
        ("http://t/\u{a0}x", Character('\u{a0}')),
        ("http://bücher.example/", host("bücher.example")),
        ("http://t:0/", Port("0".into())),
        ("http://t:+1/", Port("+1".into())),
        ("http://t:65536/", Port("65536".into())),
        ("http://t:80:80/", host("t:80")),
        ("http://[::1/", host("[")),
        ("http://[::1]x/", host("[::1]x")),
        ("http://[1.2.3.4]/", host("[1.2.3.4]")),
        ("http://[fe80::1%25eth0]/", host("[fe80::1%25eth0]")),
        ("http://::1/", host(":")),
        // Addresses of IPv4 in their other spellings.
        ("http://2130706433/", host("2130706433")),
        ("http://0x7f000001/", host("0x7f000001")),
        ("http://127.1/", host("127.1")),
        ("http://0177.0.0.1/", host("0177.0.0.1")),
        ("http://127.0.0.1./", host("127.0.0.1.")),
        ("http://a..b/", host("a..b")),
        ("http://./", host(".")),
        ("http://%6c/", host("%6c")),
    ] {
        match (text.parse::<Url>(), error) {
            // Where exactly an address of IPv6 is broken does not matter.
            (Err(Host(_) | Port(_)), Host(_)) => {}
            (found, error) => assert_eq!(found, Err(error), "{text}"),
        }
    }
    let long = format!("http://t/{}", "a".repeat(MAX_URL));
    assert_eq!(long.parse::<Url>(), Err(Long));
    assert!(long[..MAX_URL].parse::<Url>().is_ok());
    let name = format!("http://{}/", vec!["a".repeat(63); 4].join("."));
    assert!(matches!(name.parse::<Url>(), Err(Host(_))), "names have 253 bytes at most");
}

#[test]
fn redirections() {
    let from = url("https://t:444/a/announce?k=1");
    for (location, to) in [
        ("http://u/x", "http://u/x"),
        ("//u/x", "https://u/x"),
        ("/x?y", "https://t:444/x?y"),
        ("x#f", "https://t:444/a/x"),
        ("?z", "https://t:444/a/announce?z"),
        ("", "https://t:444/a/announce?k=1"),
        ("x?u=http://v/", "https://t:444/a/x?u=http://v/"),
    ] {
        assert_eq!(from.redirected(location).unwrap().to_string(), to, "{location}");
    }
    for location in ["ftp://u/", "javascript:1", "http://a@b/", "/a\\b", "x\r\ny", "//"] {
        assert!(from.redirected(location).is_err(), "{location}");
    }
    assert_eq!(from.redirected(&"a".repeat(MAX_URL + 1)), Err(Long));
}

/// The table of BEP 48.
#[test]
fn where_scrapes_go() {
    for (announce, scrape) in [
        ("/announce", Some("/scrape")),
        ("/x/announce", Some("/x/scrape")),
        ("/announce.php", Some("/scrape.php")),
        ("/a", None),
        ("/announce?x2%0644", Some("/scrape?x2%0644")),
        ("/announce?x=2/4", None),
        ("/x%064announce", None),
        ("/announce/k", None),
        ("/k/announce?a=b", Some("/k/scrape?a=b")),
    ] {
        assert_eq!(url(&format!("http://example.com{announce}")).scrape_target().as_deref(), scrape);
    }
}

#[test]
fn no_text_breaks_the_reader() {
    let whole = "https://[2001:db8::1]:444/a/announce?k=é#x";
    for end in (0..=whole.len()).filter(|end| whole.is_char_boundary(*end)) {
        let _ = whole[..end].parse::<Url>();
        let _ = whole[end..].parse::<Url>();
        let _ = url("http://t/a").redirected(&whole[end..]);
    }
}
