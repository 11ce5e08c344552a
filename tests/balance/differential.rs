//! Requests that can be read in two ways: what the backend hears is one request that means what the balancer understood, or nothing.
//!
//! The backend keeps every byte, and a parser that shares no code with the balancer says what they are. Behind each request stands another,
//! so a length that the two ends see differently is seen as a request too many, or as half of one.

use super::Balancer;
use super::raw::{Backend, Request, whole};
use crate::support::response::{Progress, parse};

const AFTER: &str = "GET /after HTTP/1.1\r\nHost: after\r\n\r\n";

fn get(fields: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}")
}

fn line(line: &str) -> String {
    format!("{line}\r\nHost: a\r\n\r\n")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked", body)
}

/// What a balancer did with `bytes` and the request behind them: the statuses of its answers, and what arrived at its backend.
struct Seen {
    statuses: Vec<u16>,
    bytes: Vec<u8>,
}

struct Pair {
    backend: Backend,
    balancer: Balancer,
}

impl Pair {
    fn new() -> Self {
        let backend = Backend::start(|_, peer| peer.serve("ok"));
        let balancer = Balancer::over(&[backend.addr], |_| {});
        Self { backend, balancer }
    }

    fn send(self, bytes: &[u8]) -> Seen {
        let mut wire = self.balancer.connect();
        // The end of it may come before all is sent, when the first bytes are refused.
        let _refused = wire.try_send(bytes);
        wire.half_close();
        let (answers, _) = wire.read_to_close();
        drop(self.balancer);
        let mut rest = &answers[..];
        let mut statuses = Vec::new();
        while let Ok(Progress::Whole(response, used)) = parse(rest, "GET", true) {
            statuses.push(response.status);
            rest = &rest[used..];
        }
        let heard = self.backend.bytes();
        assert!(heard.len() <= 1 || heard[1..].iter().all(Vec::is_empty), "one connection: {heard:?}");
        Seen { statuses, bytes: heard.into_iter().next().unwrap_or_default() }
    }
}

#[test]
fn what_is_refused_never_arrives() {
    let five = "5\r\nhello\r\n0\r\n\r\n";
    let rows: Vec<String> = vec![
        // Framing.
        post("Content-Length: 5\r\nTransfer-Encoding: chunked", five),
        post("Transfer-Encoding: chunked\r\nContent-Length: 5", five),
        post("Transfer-Encoding: chunked\r\nContent-Length: 0", five),
        post("Transfer-Encoding: chunked, chunked", five),
        post("Transfer-Encoding: chunked, identity", five),
        post("Transfer-Encoding: identity", five),
        post("Transfer-Encoding: xchunked", five),
        post("Transfer-Encoding: \x0bchunked", five),
        post("Transfer-Encoding: chunked;q=1", five),
        post("Transfer-Encoding: \"chunked\"", five),
        post("Transfer-Encoding : chunked", five),
        post("Transfer-Encoding\t: chunked", five),
        post("Transfer-Encoding:\r\n chunked", five),
        post("X: y\r\n Transfer-Encoding: chunked", five),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", five),
        post("Transfer-Encoding: gzip, chunked", five),
        post("Transfer-Encoding:", five),
        post("Transfer-Encoding: , chunked ,", five),
        "POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".into(),
        post("Content-Length: +5", "hello"),
        post("Content-Length: -0", "hello"),
        post("Content-Length: 5, 6", "hello"),
        post("Content-Length: 5\r\nContent-Length: 6", "hello"),
        post("Content-Length: 0x5", "hello"),
        post("Content-Length: 18446744073709551616", "hello"),
        post("Content-Length: 18446744073709551621", "hello"),
        post("Content-Length:", "hello"),
        post("Content-Length: 5 5", "hello"),
        post("Content-Length: 5e0", "hello"),
        post("Content-Length: 5;", "hello"),
        post("Content-Length : 5", "hello"),
        // Lines.
        get("A: b\rC: d"),
        get("A: b\nC: d"),
        get("A: b\nContent-Length: 5"),
        get("A: \0"),
        get("A: b\x7f"),
        get("A\0: b"),
        get(": b"),
        get("A B: c"),
        get("no colon"),
        get(" A: b"),
        get("A: b\r\n\tc"),
        "GET /a HTTP/1.1\nHost: a\n\n".into(),
        "GET /a HTTP/1.1\r\nHost: a\r\n\n".into(),
        "\0GET /a HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        // The request line.
        line("GET  /a HTTP/1.1"),
        line("GET /a  HTTP/1.1"),
        line("GET\t/a\tHTTP/1.1"),
        line(" GET /a HTTP/1.1"),
        line("GET /a HTTP/1.1 "),
        line("GET /a b HTTP/1.1"),
        line("GET /a"),
        line("GET /a http/1.1"),
        line("GET /a HTTP/1.10"),
        line("GET /a HTTP/2.0"),
        line("GET /a#b HTTP/1.1"),
        line("GET a HTTP/1.1"),
        line("GET \\a HTTP/1.1"),
        line("GET * HTTP/1.1"),
        line("G@T /a HTTP/1.1"),
        line("G\0T /a HTTP/1.1"),
        line("PRI * HTTP/2.0"),
        line("GET ftp://a/b HTTP/1.1"),
        line("GET http://u@a/b HTTP/1.1"),
        line("GET http:///a HTTP/1.1"),
        "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".into(),
        // Hosts.
        "GET /a HTTP/1.1\r\n\r\n".into(),
        get("Host: a"),
        get("Host: b"),
        "GET /a HTTP/1.1\r\nHost: a b\r\n\r\n".into(),
        "GET /a HTTP/1.1\r\nHost: a@b\r\n\r\n".into(),
        "GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n".into(),
        "GET /a HTTP/1.1\r\nHost: a#b\r\n\r\n".into(),
        "GET /a HTTP/1.1\r\nHost: a, b\r\n\r\n".into(),
        "GET /a HTTP/1.1\r\nHost: a:65536\r\n\r\n".into(),
        "GET /a HTTP/1.1\r\nHost: a:b\r\n\r\n".into(),
        // What is too much, or unknown.
        get("Expect: 200-ok"),
        get(&format!("A: {}", "b".repeat(1 << 20))),
        get(&"A: b\r\n".repeat(2000)),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1 << 20)),
    ];
    for row in rows {
        let seen = Pair::new().send(format!("{row}{AFTER}").as_bytes());
        let name: String = row.escape_debug().take(200).collect();
        assert_eq!(seen.statuses.len(), 1, "{name}: {:?}", seen.statuses);
        assert!(matches!(seen.statuses[0], 400..=431 | 501 | 505), "{name}: {:?}", seen.statuses);
        assert_eq!(seen.bytes.escape_ascii().to_string(), "", "{name}");
    }
}

/// It is clear where these end, so the connection may go on: with the request behind them, and nothing of theirs.
#[test]
fn what_is_clear_and_not_wanted_never_arrives() {
    let rows: Vec<String> = vec![
        line("GET /../a HTTP/1.1"),
        line("GET /a/%2e%2e/%2E./b HTTP/1.1"),
        line("GET /a%00 HTTP/1.1"),
        line("GET /a%0d%0aX:%20y HTTP/1.1"),
        line("GET /a%5c..%5cb HTTP/1.1"),
        line("GET /a\\b HTTP/1.1"),
        line("GET /a% HTTP/1.1"),
        line("GET /a%4 HTTP/1.1"),
        line("GET /a%zz HTTP/1.1"),
        // RFC 9112 section 3.2.2 has the target's host win; whoever stands in front may have decided by the other.
        line("GET http://b/a HTTP/1.1"),
        line("GET http://a:80/a HTTP/1.1"),
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n".into(),
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\nhello".into(),
    ];
    for row in rows {
        let seen = Pair::new().send(format!("{row}{AFTER}").as_bytes());
        let name: String = row.escape_debug().take(200).collect();
        assert!(matches!(seen.statuses[0], 400 | 501), "{name}: {:?}", seen.statuses);
        let arrived = whole(&seen.bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(arrived.len(), seen.statuses.len() - 1, "{name}: {arrived:?}");
        assert!(
            arrived.iter().all(|request| request.target == "/after" && request.body.is_empty()),
            "{name}: {arrived:?}"
        );
    }
}

#[test]
fn a_body_that_goes_wrong_is_never_a_whole_request() {
    let rows = [
        chunked("x\r\nhello\r\n0\r\n\r\n"),
        chunked("0x5\r\nhello\r\n0\r\n\r\n"),
        chunked("-5\r\nhello\r\n0\r\n\r\n"),
        chunked("+5\r\nhello\r\n0\r\n\r\n"),
        chunked(" 5\r\nhello\r\n0\r\n\r\n"),
        chunked("5\nhello\r\n0\r\n\r\n"),
        chunked("5\rhello\r\n0\r\n\r\n"),
        chunked("5;a\nhello\r\n0\r\n\r\n"),
        chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"),
        chunked("5\r\nhello0\r\n\r\n"),
        chunked("5\r\nhello\n0\r\n\r\n"),
        chunked("5\r\nhelloX\r\n0\r\n\r\n"),
        chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"),
        chunked("fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        chunked(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(1 << 20))),
        chunked("5\r\nhello\r\n0\r\nno colon\r\n\r\n"),
        chunked("5\r\nhello\r\n0\r\na: b\r\n c\r\n\r\n"),
        chunked("5\r\nhello\r\n0\r\na: b\n\r\n"),
        chunked("5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n"),
        chunked("5\r\nhello\r\n0\r\nHost: evil\r\n\r\n"),
        chunked("5\r\nhello\r\n\r\n"),
        chunked("5\r\nhello\r\n0\r\n"),
        chunked("5\r\nhel"),
        post("Content-Length: 50", "hello"),
    ];
    for row in rows {
        let seen = Pair::new().send(row.as_bytes());
        let name: String = row.escape_debug().take(200).collect();
        assert!(
            seen.statuses.iter().all(|status| (400..500).contains(status)),
            "{name}: {:?}",
            seen.statuses
        );
        let arrived = whole(&seen.bytes);
        let nothing = arrived.as_ref().is_ok_and(Vec::is_empty);
        let half = arrived.as_ref().is_err_and(|error| error == "half a body" || error == "half a head");
        assert!(nothing || half, "{name}: {arrived:?}");
    }
}

/// A request of the corpus, what the backend must understand (method, target, host, body), and the status that the client gets.
type Row = (String, (&'static str, &'static str, &'static str, &'static str));

#[test]
fn what_is_accepted_arrives_as_one_request_that_means_the_same() {
    let five = "5\r\nhello\r\n0\r\n\r\n";
    let plain = ("GET", "/a", "a", "");
    let hello = ("POST", "/a", "a", "hello");
    let path = |text: &str| line(&format!("GET {text} HTTP/1.1"));
    let rows: Vec<Row> = vec![
        (get("A: b"), plain),
        (format!("\r\n{}", get("A: b")), plain),
        (get("A:"), plain),
        (get("A: \t b \t "), plain),
        (get("hOST2: b"), plain),
        (get("Content-Length: 0"), plain),
        (get("Connection: close, X-Hop\r\nX-Hop: 1").replace("close, ", ""), plain),
        (get("Connection: host, x-forwarded-for, content-length, transfer-encoding"), plain),
        (get("Connection: keep-alive\r\nKeep-Alive: timeout=5"), plain),
        (get("TE: trailers, chunked\r\nConnection: TE"), plain),
        (get("X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6"), plain),
        (get("X_Forwarded_For: 6.6.6.6\r\nx_forwarded_host: evil"), plain),
        (get("X-Real-IP: 6.6.6.6\r\nx_real_ip: 6.6.6.6"), plain),
        (
            get("X-Forwarded-Port: 6.6.6.6\r\nX-Forwarded-Prefix: /6.6.6.6\r\nX_Forwarded_Server: 6.6.6.6"),
            plain,
        ),
        (get("Content_Length: 5\r\nTransfer_Encoding: chunked"), plain),
        (get("Proxy-Authorization: Basic eDp5\r\nProxy-Connection: keep-alive"), plain),
        (get("Trailer: a"), plain),
        (post("Content-Length: 5", "hello"), hello),
        (post("Content-Length: 005", "hello"), hello),
        (post("content-length:5", "hello"), hello),
        (post("Transfer-Encoding: chunked", five), hello),
        (post("TRANSFER-ENCODING: Chunked", five), hello),
        (chunked("5;name=value\r\nhello\r\n0;x\r\n\r\n"), hello),
        (chunked("00005\r\nhello\r\n000\r\n\r\n"), hello),
        (chunked("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), hello),
        (chunked("5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n"), hello),
        (chunked("0\r\n\r\n"), ("POST", "/a", "a", "")),
        (post("Content-Length: 0", ""), ("POST", "/a", "a", "")),
        (post("A: b", ""), ("POST", "/a", "a", "")),
        (post(&format!("Content-Length: {}", AFTER.len()), AFTER), ("POST", "/a", "a", AFTER)),
        (post("Expect: 100-continue\r\nContent-Length: 5", "hello"), hello),
        (post("Content-Length: 5", "hello").replace("POST", "GET"), ("GET", "/a", "a", "hello")),
        (post("Content-Length: 5", "hello").replace("POST", "DELETE"), ("DELETE", "/a", "a", "hello")),
        (line("PURGE /a HTTP/1.1"), ("PURGE", "/a", "a", "")),
        (line("get /a HTTP/1.1"), ("get", "/a", "a", "")),
        (line("OPTIONS * HTTP/1.1"), ("OPTIONS", "*", "a", "")),
        (line("GET http://a/b?c HTTP/1.1"), ("GET", "/b?c", "a", "")),
        (line("GET HTTP://A/b HTTP/1.1"), ("GET", "/b", "A", "")),
        (line("GET http://a HTTP/1.1"), ("GET", "/", "a", "")),
        (line("GET http://a?b HTTP/1.1"), ("GET", "/?b", "a", "")),
        (path("/a/../b/./c"), ("GET", "/b/c", "a", "")),
        (path("/a/%2e%2e/b"), ("GET", "/b", "a", "")),
        (path("/%61%2Db%7e"), ("GET", "/a-b~", "a", "")),
        (path("/a%2fb%3f%23"), ("GET", "/a%2Fb%3F%23", "a", "")),
        (path("//evil/a"), ("GET", "//evil/a", "a", "")),
        (path("/a;b=c/d"), ("GET", "/a;b=c/d", "a", "")),
        (path("/a?b=../c&d=%0d%0a"), ("GET", "/a?b=../c&d=%0d%0a", "a", "")),
        (path("/a?http://b/"), ("GET", "/a?http://b/", "a", "")),
        (path("/a??"), ("GET", "/a??", "a", "")),
        (path("/a?"), ("GET", "/a?", "a", "")),
        ("GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n".into(), ("GET", "/a", "[::1]:80", "")),
        ("GET /a HTTP/1.1\r\nHost: a:80\r\n\r\n".into(), ("GET", "/a", "a:80", "")),
    ];
    for (row, (method, target, host, body)) in rows {
        let name: String = row.escape_debug().take(200).collect();
        let seen = Pair::new().send(format!("{row}{AFTER}").as_bytes());
        let arrived = whole(&seen.bytes)
            .unwrap_or_else(|error| panic!("{name}: {error}: {}", seen.bytes.escape_ascii()));
        let final_ones = seen.statuses.iter().filter(|status| **status >= 200).count();
        assert_eq!((arrived.len(), final_ones), (2, 2), "{name}: {:?} {arrived:?}", seen.statuses);
        let first = &arrived[0];
        let understood = (
            &*first.method,
            &*first.target,
            &*first.all("host").concat(),
            std::str::from_utf8(&first.body).unwrap(),
        );
        assert_eq!(understood, (method, target, host, body), "{name}");
        assert_eq!(arrived[1].target, "/after", "{name}");
        is_clean(first, &name);
    }
}

/// Nothing of the client's connection goes on, and its word of itself does not.
#[track_caller]
fn is_clean(request: &Request, name: &str) {
    for (field, _) in &request.fields {
        let stays =
            ["connection", "keep-alive", "te", "expect", "proxy-authorization", "proxy-connection", "x-hop"];
        assert!(!stays.contains(&&**field) && !field.contains('_'), "{name}: {field}");
    }
    assert_eq!(request.all("x-forwarded-for"), ["127.0.0.1"], "{name}");
    assert_eq!(request.all("x-forwarded-proto"), ["http"], "{name}");
    let text = format!("{request:?}");
    assert!(!text.contains("6.6.6.6") && !text.contains("evil\""), "{name}: {text}");
}
