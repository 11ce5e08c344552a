//! Fetching from servers that are scripts, over sockets.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::super::exchange::ExchangeError;
use super::*;
use crate::net::resilience::backoff::{Growth, Jitter};
use crate::server::http::body::BodyError;

/// What a server heard: the heads of requests, connection by connection.
type Heard = Vec<Vec<String>>;

/// A request; nothing when the client has gone.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// A server that gives the requests of each connection these answers, one each, and closes it then.
async fn server(connections: Vec<Vec<String>>) -> (String, JoinHandle<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let mut heard = Heard::new();
        for answers in connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heads = Vec::new();
            for answer in answers {
                heads.push(head(&mut stream).await);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            heard.push(heads);
        }
        heard
    });
    (base, serving)
}

/// An answer with a body of its length.
fn said(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn ok(body: &str) -> String {
    said("200 OK", "", body)
}

/// A part of a resource, as `Content-Range` tells it.
fn part(told: &str, body: &str) -> String {
    said("206 Partial Content", &format!("Content-Range: bytes {told}\r\n"), body)
}

fn fetcher(attempts: u32) -> Fetcher {
    let growth = Growth::Fixed { wait: Duration::ZERO, jitter: Jitter::None };
    let backoff = Policy { growth, cap: Duration::ZERO };
    Fetcher::new(Connector::new(), Retry { attempts, backoff })
}

fn at(base: &str, path: &str) -> Ask {
    Ask::of(format!("{base}{path}").parse().unwrap())
}

#[tokio::test]
async fn one_connection_serves_all_as_long_as_the_server_keeps_it() {
    let (base, serving) = server(vec![vec![ok("one"), ok("two"), ok("three")]]).await;
    let fetcher = fetcher(1);
    for (n, (path, body)) in [("a?x=1", "one"), ("b", "two"), ("", "three")].into_iter().enumerate() {
        let (bytes, fetched) = fetcher.whole(&at(&base, path), 5).await.unwrap();
        assert_eq!((bytes, fetched.reused, fetched.part), (Bytes::from(body), n > 0, Part::Whole));
        assert!(fetched.asked <= fetched.answered);
    }
    assert_eq!(fetcher.connections().opened, 1);
    let heads = serving.await.unwrap().remove(0);
    assert!(heads[0].starts_with("GET /a?x=1 HTTP/1.1\r\nhost: 127.0.0.1:"), "{}", heads[0]);
    for field in ["\r\nuser-agent: wireworks/", "\r\naccept-encoding: identity\r\n"] {
        assert!(heads.iter().all(|head| head.contains(field)), "{heads:?}");
    }
    assert!(heads.iter().all(|head| !head.contains("transfer-encoding")), "there is no body: {heads:?}");
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_replaced() {
    // Closed while nobody used it; closed when it was used again.
    for first in [vec![ok("one")], vec![ok("one"), String::new()]] {
        let (base, serving) = server(vec![first, vec![ok("two")]]).await;
        let fetcher = fetcher(1);
        for body in ["one", "two"] {
            assert_eq!(fetcher.whole(&at(&base, ""), 9).await.unwrap().0, body);
        }
        assert_eq!(fetcher.connections().opened, 2);
        serving.await.unwrap();
    }
    // A new one that is closed tells that the server does not answer.
    let (base, _serving) = server(vec![vec![String::new()]]).await;
    let error = fetcher(1).whole(&at(&base, ""), 9).await.unwrap_err();
    assert!(
        matches!(error, FetchError::Send(SendError::Exchange(ExchangeError::Closed))) && error.is_passing(),
        "{error}"
    );
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_they_lead_somewhere() {
    let to = |status: &str, place: &str| said(status, &format!("Location: {place}\r\n"), "");
    let (other, _other) = server(vec![vec![ok("there")]]).await;
    let (base, serving) = server(vec![vec![
        to("301 Moved", "/a/b#c"),
        to("302 Found", "../d?e"),
        to("303 See Other", "?f"),
        to("302 Found", "/\u{e9} f?\"g"),
        to("307 Temporary Redirect", "./g/./h"),
        to("308 Permanent Redirect", &other),
    ]])
    .await;
    let (bytes, fetched) = fetcher(1).whole(&at(&base, ""), 9).await.unwrap();
    assert_eq!((bytes, fetched.uri.to_string()), (Bytes::from("there"), other));
    let heads = serving.await.unwrap().remove(0);
    let lines: Vec<&str> = heads.iter().map(|head| head.split(' ').nth(1).unwrap()).collect();
    assert_eq!(lines, ["/", "/a/b", "/d?e", "/d?f", "/%C3%A9%20f?%22g", "/g/h"]);
    // Nowhere: for ever, to other protocols, to what is no address, and without a place.
    let round = vec![to("302 Found", "/"); 3];
    let (base, _serving) = server(vec![round]).await;
    let error = fetcher(1).redirects(2).whole(&at(&base, ""), 9).await.unwrap_err();
    assert!(matches!(error, FetchError::Redirects(2)), "{error}");
    for place in ["ftp://a/b", "data:,a", "http://"] {
        let (base, _serving) = server(vec![vec![to("302 Found", place)]]).await;
        let error = fetcher(1).whole(&at(&base, ""), 9).await.unwrap_err();
        assert!(matches!(&error, FetchError::Lead(lead) if lead == place), "{place}: {error}");
    }
    let (base, _serving) = server(vec![vec![said("302 Found", "", "")]]).await;
    let error = fetcher(1).whole(&at(&base, ""), 9).await.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::FOUND));
}

#[tokio::test]
async fn what_is_lost_on_the_way_is_asked_for_again() {
    let torn = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegi".to_owned();
    let torn_chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbegi\r\n".to_owned();
    let busy = said("503 Service Unavailable", "Connection: close\r\n", "");
    for lost in [torn, torn_chunks, busy, String::new(), "HTTP/1.1 200".to_owned()] {
        let (base, serving) = server(vec![vec![lost.clone()], vec![lost.clone()], vec![ok("whole")]]).await;
        assert_eq!(fetcher(3).whole(&at(&base, ""), 9).await.unwrap().0, "whole", "{lost:?}");
        assert_eq!(serving.await.unwrap().len(), 3);
        let (base, _serving) = server(vec![vec![lost.clone()], vec![lost.clone()]]).await;
        let error = fetcher(2).whole(&at(&base, ""), 9).await.unwrap_err();
        assert!(error.is_passing(), "{lost:?}: {error}");
    }
    // Nobody listens.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = fetcher(2).whole(&at(&format!("http://{gone}/"), ""), 9).await.unwrap_err();
    assert!(matches!(error, FetchError::Send(SendError::Connect(_))) && error.is_passing(), "{error}");
}

#[tokio::test]
async fn what_will_not_come_is_asked_for_once() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n";
    for (answer, why) in [
        (said("404 Not Found", "", "no"), "404 Not Found"),
        (said("204 No Content", "", ""), "204 No Content"),
        (said("304 Not Modified", "", ""), "304 Not Modified"),
        (said("416 Range Not Satisfiable", "", ""), "416 Range Not Satisfiable"),
        (said("501 Not Implemented", "", ""), "501 Not Implemented"),
        (part("0-1/2", "ab"), "other bytes"),
        (ok("longer"), "longer than 5 bytes"),
        (format!("{chunked}abc\r\n3\r\ndef\r\n0\r\n\r\n"), "longer than 5 bytes"),
        (format!("{chunked}abcdef\r\n0\r\n\r\n"), ""),
        ("SSH-2.0-x\r\n".to_owned(), ""),
    ] {
        let (base, serving) = server(vec![vec![answer.clone()]]).await;
        let error = fetcher(3).whole(&at(&base, ""), 5).await.unwrap_err();
        let text = crate::server::one_line(&error);
        assert!(!error.is_passing() && text.contains(why), "{answer:?}: {text}");
        assert_eq!(serving.await.unwrap().len(), 1);
    }
    for uri in ["ftp://a/", "/a", "http://a:0/", "a"] {
        let error = fetcher(3).whole(&Ask::of(uri.parse().unwrap()), 5).await.unwrap_err();
        assert!(!error.is_passing(), "{uri}: {error}");
    }
}

#[tokio::test]
async fn ranges() {
    enum Due {
        Bytes(&'static str),
        None,
        Other,
        Changed,
        Short,
    }
    let same = HeaderValue::from_static("\"a\"");
    for (validator, answer, due) in [
        (false, part("2-5/9", "cdef"), Due::Bytes("cdef")),
        (false, part("2-5/*", "cdef"), Due::Bytes("cdef")),
        (true, part("2-5/9", "cdef"), Due::Bytes("cdef")),
        // A server without ranges.
        (false, ok("abcdefghi"), Due::Bytes("cdef")),
        (true, ok("abcdefghi"), Due::Changed),
        (false, ok("abcde"), Due::None),
        (false, part("2-4/5", "cde"), Due::None),
        (false, said("416 Range Not Satisfiable", "Content-Range: bytes */2\r\n", ""), Due::None),
        (false, part("1-4/9", "bcde"), Due::Other),
        (false, part("2-6/9", "cdefg"), Due::Other),
        (false, part("2-5/9", "cdefg"), Due::Other),
        (false, said("206 Partial Content", "", "cdef"), Due::Other),
        (false, part("2-5/9", "cde"), Due::Short),
    ] {
        let (base, serving) = server(vec![vec![answer.clone()]]).await;
        let ask = at(&base, "").range(2..6).same(validator.then(|| same.clone()));
        let outcome = fetcher(1).whole(&ask, 20).await;
        match (&outcome, due) {
            (Ok((bytes, _)), Due::Bytes(expected)) => assert_eq!(bytes, expected, "{answer}"),
            (Err(FetchError::Range), Due::None)
            | (Err(FetchError::Other), Due::Other)
            | (Err(FetchError::Changed), Due::Changed)
            | (Err(FetchError::Short), Due::Short) => {}
            _ => panic!("{answer}: {outcome:?}"),
        }
        let head = serving.await.unwrap().remove(0).remove(0);
        assert!(head.contains("\r\nrange: bytes=2-5\r\n"), "{head}");
        assert_eq!(head.contains("\r\nif-range: \"a\"\r\n"), validator, "{head}");
    }
    // Nothing is asked for where nothing is wanted.
    let none = Ask::of("http://127.0.0.1:1/".parse().unwrap()).range(2..2);
    assert!(matches!(fetcher(1).get(&none).await, Err(FetchError::Range)));
    // What is before the bytes that are wanted counts, too.
    let (base, _serving) = server(vec![vec![ok("abcdefghi")]]).await;
    let error = fetcher(1).whole(&at(&base, "").range(2..6), 8).await.unwrap_err();
    assert!(matches!(error, FetchError::Body(BodyError::TooLarge(8))), "{error}");
}

#[tokio::test]
async fn a_body_comes_piece_by_piece_and_can_be_abandoned() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let (go_on, wait) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        let front =
            "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Type: video/mp2t\r\nContent-Length: 9\r\n\r\none";
        stream.write_all(front.as_bytes()).await.unwrap();
        wait.await.unwrap();
        stream.write_all(b"two").await.unwrap();
        // Nothing more is heard but that the client has gone.
        stream.read(&mut [0]).await.map_or(0, |bytes| bytes)
    });
    let fetcher = fetcher(1);
    let mut fetched = fetcher.get(&at(&base, "")).await.unwrap();
    assert_eq!((fetched.length(), fetched.content_type()), (Some(9), Some("video/mp2t")));
    assert_eq!(fetched.validator(), Some(HeaderValue::from_static("\"a\"")));
    let first = fetched.piece().await.unwrap().unwrap();
    go_on.send(()).unwrap();
    let second = fetched.piece().await.unwrap().unwrap();
    assert_eq!((&first.bytes[..], &second.bytes[..]), (&b"one"[..], &b"two"[..]));
    assert!(fetched.answered <= first.at && first.at <= second.at);
    drop(fetched);
    assert_eq!(serving.await.unwrap(), 0);
    assert_eq!(fetcher.connections().open, 0);
}

#[tokio::test]
async fn a_server_that_says_no_more_is_given_up() {
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            head(&mut stream).await;
            stream.write_all(begun.as_bytes()).await.unwrap();
            stream.read(&mut [0]).await.map_or(0, |bytes| bytes)
        });
        let ask = at(&base, "").within(Duration::from_millis(200));
        let error = fetcher(1).whole(&ask, 9).await.unwrap_err();
        assert!(error.is_passing() && crate::server::one_line(&error).contains("too long"), "{error}");
        assert_eq!(serving.await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_name_and_a_password_in_the_address_are_shown_to_its_server_alone() {
    let (other, elsewhere) = server(vec![vec![ok("there")]]).await;
    let leads = |place: &str| said("302 Found", &format!("Location: {place}\r\n"), "");
    let (base, serving) = server(vec![vec![leads("/a"), leads(&other)]]).await;
    let base = base.replace("http://", "http://ann:secret@");
    assert_eq!(fetcher(1).whole(&at(&base, ""), 9).await.unwrap().0, "there");
    let heads = serving.await.unwrap().remove(0);
    assert!(
        heads.iter().all(|head| head.contains("\r\nauthorization: Basic YW5uOnNlY3JldA==\r\n")),
        "{heads:?}"
    );
    assert!(heads.iter().all(|head| !head.contains('@')), "{heads:?}");
    assert!(!elsewhere.await.unwrap()[0][0].contains("authorization"));
}

#[tokio::test]
async fn callers_say_more() {
    let fields = |names: &[(&'static str, &'static str)]| {
        let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        names.iter().map(pair).collect::<Arc<[_]>>()
    };
    let all = fields(&[
        ("user-agent", "mine"),
        ("referer", "http://a/"),
        ("cookie", "a=b"),
        ("authorization", "Bearer c"),
        ("accept-encoding", "gzip"),
        ("range", "bytes=5-"),
        ("content-length", "5"),
        ("host", "evil"),
    ]);
    let leads = |place: &str| said("302 Found", &format!("Location: {place}\r\n"), "");
    let (third, last) = server(vec![vec![ok("there")]]).await;
    let (base, serving) = server(vec![vec![leads("/a"), leads(&third)]]).await;
    // A name in the address gives way to what the caller says.
    let base = base.replace("http://", "http://ann:secret@");
    let ask = at(&base, "").fields(all);
    assert_eq!(fetcher(1).whole(&ask, 9).await.unwrap().0, "there");
    let secret = ["authorization: Bearer c", "cookie: a=b"];
    let plain = ["user-agent: mine", "referer: http://a/", "accept-encoding: identity"];
    for (head, known) in
        serving.await.unwrap()[0].iter().map(|head| (head, true)).chain([(&last.await.unwrap()[0][0], false)])
    {
        let lines: Vec<&str> = head.split("\r\n").collect();
        assert!(plain.iter().all(|line| lines.contains(line)), "{head}");
        assert!(secret.iter().all(|line| lines.contains(line) == known), "{head}");
        for name in ["accept-encoding", "host", "user-agent"] {
            let named = lines.iter().filter(|line| line.starts_with(name)).count();
            assert_eq!(named, 1, "{name}: {head}");
        }
        assert!(
            !head.contains("range:") && !head.contains("content-length:") && !head.contains("evil"),
            "{head}"
        );
        assert_eq!(head.contains("authorization:"), known, "{head}");
    }
}

#[tokio::test]
async fn secrets_do_not_come_back_with_the_one_who_was_led_away() {
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let back = format!("http://{}/back", away.local_addr().unwrap());
    let (base, serving) =
        server(vec![vec![said("302 Found", &format!("Location: {back}\r\n"), ""), ok("home")]]).await;
    let home = base.clone();
    let elsewhere = tokio::spawn(async move {
        let (mut stream, _) = away.accept().await.unwrap();
        let heard = head(&mut stream).await;
        let answer = said("302 Found", &format!("Location: {home}\r\n"), "");
        stream.write_all(answer.as_bytes()).await.unwrap();
        heard
    });
    let cookie = [(COOKIE, HeaderValue::from_static("a=b"))];
    let ask = at(&base, "").fields(Arc::new(cookie));
    assert_eq!(fetcher(1).whole(&ask, 9).await.unwrap().0, "home");
    assert!(!elsewhere.await.unwrap().contains("cookie"));
    let heads = serving.await.unwrap().remove(0);
    assert_eq!(heads.iter().map(|head| head.contains("cookie: a=b")).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn a_server_says_when_to_come_again() {
    let growth = Growth::Fixed { wait: Duration::ZERO, jitter: Jitter::None };
    let fetcher =
        |cap| Fetcher::new(Connector::new(), Retry { attempts: 2, backoff: Policy { growth, cap } });
    // An hour is more than the cap.
    for (told, cap) in [("1", 30_000), ("3600", 1000), ("3600", 0), ("0", 30_000), ("soon", 30_000)] {
        let busy = said("503 Service Unavailable", &format!("Retry-After: {told}\r\n"), "");
        let (base, serving) = server(vec![vec![busy, ok("now")]]).await;
        let begun = Instant::now();
        let cap = Duration::from_millis(cap);
        assert_eq!(fetcher(cap).whole(&at(&base, ""), 9).await.unwrap().0, "now");
        let least = told.parse().map_or(Duration::ZERO, Duration::from_secs).min(cap);
        assert!(begun.elapsed() >= least, "{told}: it was asked again too soon");
        serving.await.unwrap();
    }
    let busy = said("429 Too Many Requests", "Retry-After: 7\r\n", "");
    let (base, _serving) = server(vec![vec![busy]]).await;
    let error = fetcher(Duration::ZERO).get(&at(&base, "")).await.unwrap_err();
    assert_eq!(
        (error.status(), error.retry_after()),
        (Some(StatusCode::TOO_MANY_REQUESTS), Some(Duration::from_secs(7)))
    );
    assert!(error.is_passing());
}
