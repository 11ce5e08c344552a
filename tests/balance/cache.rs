//! The response cache between clients and backends that count what they are asked.

mod concurrent;
mod hostile;

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Balancer;
use super::raw::{Backend, Request};
use crate::support::response::Response;

/// A backend that answers each request with what `answer` makes of it and of the number of requests before it.
fn origin(answer: impl Fn(&Request, usize) -> String + Send + Sync + 'static) -> Backend {
    let count = AtomicUsize::new(0);
    Backend::start(move |_, peer| {
        loop {
            let request = peer.request()?;
            peer.say(answer(&request, count.fetch_add(1, Ordering::SeqCst)))?;
        }
    })
}

/// A response with these field lines.
fn said(status: u16, lines: &str, body: &str) -> String {
    let length = if status == 304 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("HTTP/1.1 {status} X\r\n{lines}{length}\r\n{body}")
}

/// A balancer whose only route has a cache with these settings.
#[track_caller]
fn balancer(backend: &Backend, settings: &str) -> Balancer {
    let text = format!(
        "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\n[[listener.route]]\npath = \"/*\"\nto = \"web\"\ncache = \"main\"\n\
         [upstream.web]\nbackends = [{:?}]\n[cache.main]\n{settings}\n",
        backend.addr.to_string()
    );
    Balancer::parse(&text, |_| {})
}

/// The answer to a request (`METHOD TARGET`) with these field lines, on a connection of its own.
#[track_caller]
fn ask(balancer: &Balancer, line: &str, lines: &str) -> Response {
    let mut wire = balancer.connect();
    wire.send(format!("{line} HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n"));
    wire.read_response_to(line.split(' ').next().unwrap_or_default())
}

/// What the cache says of an answer.
fn status(response: &Response) -> &str {
    response.header("cache-status").unwrap_or("none")
}

const FRESH: &str = "Cache-Control: max-age=60\r\n";
/// Stale when it comes.
const STALE: &str = "Cache-Control: max-age=60\r\nAge: 60\r\n";

#[test]
fn what_is_stored_answers_the_next() {
    let backend = origin(|request, _| {
        let lines = format!("{FRESH}Content-Type: text/plain\r\nX-Target: {}\r\nAge: 7\r\n", request.target);
        said(200, &lines, "hello")
    });
    let balancer = balancer(&backend, "");
    let first = ask(&balancer, "GET /a", "");
    assert_eq!((first.text(), status(&first)), ("hello", "wireworks; fwd=uri-miss; stored"));
    let second = ask(&balancer, "GET /a", "");
    assert_eq!((second.status, second.text()), (200, "hello"));
    assert!(status(&second).starts_with("wireworks; hit; ttl=5"), "{}", status(&second));
    for (name, value) in
        [("content-type", "text/plain"), ("x-target", "/a"), ("content-length", "5"), ("age", "7")]
    {
        assert_eq!(second.headers_named(name), [value], "{name}");
    }
    // HEAD is answered by what GET has stored, and in any form of the URI.
    let head = ask(&balancer, "HEAD /b/%2e%2e/%61", "");
    assert_eq!((head.header("content-length"), &head.body[..]), (Some("5"), &b""[..]));
    assert_eq!(backend.requests().len(), 1);
    for target in ["GET /a?", "GET /a?b", "GET /A"] {
        assert!(status(&ask(&balancer, target, "")).contains("uri-miss"), "{target}");
    }
    assert!(status(&ask(&balancer, "HEAD /new", "")).contains("uri-miss"));
    assert!(status(&ask(&balancer, "GET /new", "")).contains("uri-miss"), "HEAD stores nothing");
    // A body without a length is stored as well, and has one the next time.
    let backend = origin(|_, _| {
        format!(
            "HTTP/1.1 200 OK\r\n{FRESH}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
        )
    });
    let balancer = self::balancer(&backend, "");
    assert_eq!(ask(&balancer, "GET /", "").text(), "abcde");
    let second = ask(&balancer, "GET /", "");
    assert_eq!((second.text(), second.header("content-length")), ("abcde", Some("5")));
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn what_may_not_be_stored_is_asked_for_each_time() {
    let rows = [
        (200, "Cache-Control: max-age=60\r\n", "", 1),
        (200, "Cache-Control: s-maxage=60\r\n", "", 1),
        (200, "Expires: Fri, 01 Jan 2038 00:00:00 GMT\r\n", "", 1),
        (200, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "", 1),
        (404, FRESH, "", 1),
        (301, FRESH, "", 1),
        (200, FRESH, "Cookie: a=b\r\n", 1),
        (200, "", "", 2),
        (500, "", "", 2),
        (200, "Cache-Control: max-age=0\r\n", "", 2),
        (200, "Cache-Control: no-store, max-age=60\r\n", "", 2),
        (200, "Cache-Control: private, max-age=60\r\n", "", 2),
        (200, "Cache-Control: no-cache, max-age=60\r\n", "", 2),
        (200, "Cache-Control: max-age=60, max-age=61\r\n", "", 2),
        (200, "Cache-Control: max-age=60\r\nSet-Cookie: a=b\r\n", "", 2),
        (200, "Cache-Control: max-age=60\r\nVary: *\r\n", "", 2),
        (200, "Expires: 0\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "", 2),
        (200, STALE, "", 2),
        (200, FRESH, "Cache-Control: no-store\r\n", 2),
        (200, FRESH, "Authorization: Basic x\r\n", 2),
        (200, "Cache-Control: public, max-age=60\r\n", "Authorization: Basic x\r\n", 1),
    ];
    for (code, lines, asked, requests) in rows {
        let backend = origin(move |_, _| said(code, lines, "body"));
        let balancer = balancer(&backend, "");
        for _ in 0..2 {
            let response = ask(&balancer, "GET /", asked);
            assert_eq!((response.status, response.text()), (code, "body"), "{lines} {asked}");
        }
        assert_eq!(backend.requests().len(), requests, "{code} {lines} {asked}");
    }
    // What an operator says of responses that do not say it themselves.
    let backend = origin(|_, _| said(200, "", "body"));
    let balancer = balancer(&backend, "default-ttl = \"1m\"");
    for _ in 0..2 {
        ask(&balancer, "GET /", "");
    }
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn fields_that_a_response_withholds_go_to_the_first_client_alone() {
    let lines = "Cache-Control: max-age=60, private=\"Set-Cookie, X-User\"\r\nSet-Cookie: a=b\r\nX-User: me\r\nX-All: us\r\n";
    let backend = origin(move |_, _| said(200, lines, ""));
    let balancer = balancer(&backend, "");
    ask(&balancer, "GET /", "");
    let second = ask(&balancer, "GET /", "");
    assert!(status(&second).contains("hit"));
    assert_eq!(
        (second.header("set-cookie"), second.header("x-user"), second.header("x-all")),
        (None, None, Some("us"))
    );
}

#[test]
fn conditions_and_ranges_of_clients_are_answered_from_what_is_stored() {
    const VALIDATORS: &str = "ETag: \"v1\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let backend = origin(|_, _| said(200, &format!("{FRESH}{VALIDATORS}"), "0123456789"));
    let balancer = balancer(&backend, "");
    // The first request has a condition already: the backend does not hear it, and what it answers is stored.
    let first = ask(
        &balancer,
        "GET /",
        "If-None-Match: \"v1\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
    );
    assert_eq!((first.status, first.header("etag")), (304, Some("\"v1\"")));
    let heard = &backend.requests()[0];
    assert!(heard.all("if-none-match").is_empty() && heard.all("if-modified-since").is_empty());
    let rows = [
        ("If-None-Match: \"v1\"\r\n", 304, "", None),
        ("If-None-Match: W/\"v1\", \"v0\"\r\n", 304, "", None),
        ("If-None-Match: \"v0\"\r\n", 200, "0123456789", None),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304, "", None),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200, "0123456789", None),
        ("If-Match: \"v1\"\r\n", 200, "0123456789", None),
        ("If-Match: \"v0\"\r\n", 412, "", None),
        ("Range: bytes=2-4\r\n", 206, "234", Some("bytes 2-4/10")),
        ("Range: bytes=-1\r\n", 206, "9", Some("bytes 9-9/10")),
        ("Range: bytes=7-\r\nIf-Range: \"v1\"\r\n", 206, "789", Some("bytes 7-9/10")),
        ("Range: bytes=7-\r\nIf-Range: \"v0\"\r\n", 200, "0123456789", None),
        ("Range: bytes=10-\r\n", 416, "", Some("bytes */10")),
        ("Range: lines=1-2\r\n", 200, "0123456789", None),
    ];
    for (lines, code, body, range) in rows {
        let response = ask(&balancer, "GET /", lines);
        assert_eq!((response.status, response.header("content-range")), (code, range), "{lines}");
        if !matches!(code, 412 | 416) {
            assert_eq!(response.text(), body, "{lines}");
        }
        assert!(status(&response).contains("; hit; "), "{lines}");
    }
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn a_range_of_what_is_not_stored_goes_on_as_it_is() {
    let backend = origin(|request, _| match request.all("range")[..] {
        ["bytes=0-1"] => said(206, &format!("{FRESH}Content-Range: bytes 0-1/4\r\n"), "ab"),
        _ => said(200, FRESH, "abcd"),
    });
    let balancer = balancer(&backend, "");
    for _ in 0..2 {
        let part = ask(&balancer, "GET /", "Range: bytes=0-1\r\n");
        assert_eq!((part.status, part.text()), (206, "ab"));
    }
    assert_eq!(backend.requests().len(), 2);
    assert_eq!(ask(&balancer, "GET /", "").text(), "abcd");
    assert_eq!(ask(&balancer, "GET /", "Range: bytes=0-1\r\n").text(), "ab");
    assert_eq!(backend.requests().len(), 3);
}

#[test]
fn what_is_stale_is_confirmed_by_its_validators() {
    let backend = origin(|_, number| match number {
        0 => said(200, &format!("{STALE}ETag: \"v1\"\r\nX-A: old\r\nX-B: kept\r\n"), "body"),
        _ => said(304, &format!("{FRESH}ETag: \"v1\"\r\nX-A: new\r\n"), ""),
    });
    let balancer = balancer(&backend, "");
    ask(&balancer, "GET /", "");
    // The client's own condition is judged here.
    let second = ask(&balancer, "GET /", "If-None-Match: \"other\"\r\nRange: bytes=1-2\r\n");
    assert_eq!((second.status, second.text()), (206, "od"));
    assert_eq!(status(&second), "wireworks; fwd=stale; fwd-status=304; stored");
    assert_eq!((second.header("x-a"), second.header("x-b")), (Some("new"), Some("kept")));
    let heard = &backend.requests()[1];
    assert_eq!((heard.all("if-none-match"), heard.all("range").len()), (vec!["\"v1\""], 0));
    let third = ask(&balancer, "GET /", "");
    assert_eq!((third.text(), third.header("x-a")), ("body", Some("new")));
    assert!(status(&third).contains("hit"));
    assert_eq!(backend.requests().len(), 2);
}

#[test]
fn a_304_about_something_else_is_no_answer() {
    let backend = origin(|request, number| match number {
        0 => said(200, &format!("{STALE}ETag: \"v1\"\r\n"), "one"),
        _ if request.all("if-none-match").is_empty() => said(200, FRESH, "two"),
        _ => said(304, "ETag: \"v2\"\r\n", ""),
    });
    let balancer = balancer(&backend, "");
    ask(&balancer, "GET /", "");
    let second = ask(&balancer, "GET /", "");
    assert_eq!((second.status, second.text(), backend.requests().len()), (200, "two", 3));
}

#[test]
fn responses_vary() {
    let backend = origin(|request, number| {
        let language = request.all("accept-language").join(",");
        said(
            200,
            &format!("{FRESH}Vary: Accept-Language, Accept-Encoding\r\n"),
            &format!("{language} {number}"),
        )
    });
    let balancer = balancer(&backend, "");
    let rows = [
        ("Accept-Language: de\r\n", "de 0", "uri-miss"),
        ("Accept-Language: en\r\n", "en 1", "vary-miss"),
        ("Accept-Language: DE\r\n", "de 0", "hit"),
        ("Accept-Language: de\r\nAccept-Encoding: gzip, br\r\n", "de 2", "vary-miss"),
        ("Accept-Language: de\r\nAccept-Encoding: br,gzip\r\n", "de 2", "hit"),
        ("", " 3", "vary-miss"),
        ("Accept-Language: en\r\n", "en 1", "hit"),
    ];
    for (lines, body, expected) in rows {
        let response = ask(&balancer, "GET /", lines);
        assert_eq!(response.text(), body, "{lines}");
        assert!(status(&response).contains(expected), "{lines}: {}", status(&response));
    }
}

#[test]
fn clients_may_ask_for_less_and_for_more() {
    let rows = [
        ("", FRESH, "", 200, 1),
        ("", FRESH, "no-cache", 200, 2),
        ("", FRESH, "max-age=0", 200, 2),
        ("", FRESH, "min-fresh=100", 200, 2),
        ("", "Cache-Control: max-age=60, immutable\r\n", "max-age=0", 200, 1),
        ("", FRESH, "only-if-cached", 200, 1),
        ("", FRESH, "only-if-cached, no-cache", 504, 1),
        ("", "Cache-Control: max-age=60\r\nAge: 70\r\nETag: \"a\"\r\n", "max-stale", 200, 1),
        ("", "Cache-Control: max-age=60\r\nAge: 70\r\nETag: \"a\"\r\n", "max-stale=5", 200, 2),
        ("ignore-client-cache-control = true", FRESH, "no-cache, max-age=0, min-fresh=100", 200, 1),
    ];
    for (settings, lines, asked, code, requests) in rows {
        let backend = origin(move |_, _| said(200, lines, "body"));
        let balancer = balancer(&backend, settings);
        ask(&balancer, "GET /", "");
        let second = ask(&balancer, "GET /", &format!("Cache-Control: {asked}\r\n"));
        assert_eq!((second.status, backend.requests().len()), (code, requests), "{settings} {lines} {asked}");
    }
    let backend = origin(|_, _| said(200, FRESH, "body"));
    let balancer = balancer(&backend, "");
    assert_eq!(ask(&balancer, "GET /", "Cache-Control: only-if-cached\r\n").status, 504);
    assert_eq!(backend.requests().len(), 0);
}

#[test]
fn changes_end_what_is_stored() {
    // Where a change goes, what it is answered, and which of /a, /b and /c?d are asked for anew.
    let rows = [
        ("POST /a", 200, "", [true, false, false]),
        ("PUT /a", 201, "Location: /b\r\n", [true, true, false]),
        ("DELETE /a", 204, "Content-Location: http://a.test/c?d\r\n", [true, false, true]),
        ("PATCH /a", 303, "Location: c?d\r\n", [true, false, true]),
        ("POST /a", 200, "Location: http://other.test/b\r\n", [true, false, false]),
        ("POST /a", 500, "Location: /b\r\n", [false; 3]),
        ("OPTIONS /a", 200, "", [false; 3]),
    ];
    for (line, code, lines, anew) in rows {
        let backend = origin(move |request, _| match &*request.method {
            "GET" => said(200, FRESH, "body"),
            _ => said(code, lines, "").replace(if code == 204 { "Content-Length: 0\r\n" } else { "\0" }, ""),
        });
        let balancer = balancer(&backend, "");
        const TARGETS: [&str; 3] = ["GET /a", "GET /b", "GET /c?d"];
        TARGETS.iter().for_each(|target| drop(ask(&balancer, target, "")));
        assert_eq!(ask(&balancer, line, "Content-Length: 0\r\n").status, code);
        let missed = TARGETS.map(|target| !status(&ask(&balancer, target, "")).contains("hit"));
        assert_eq!(missed, anew, "{line} {code} {lines}");
    }
}

#[test]
fn what_is_too_long_passes_and_is_not_stored() {
    let long = "x".repeat(200_000);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\n{FRESH}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    for response in [said(200, FRESH, &long), chunked] {
        let backend = origin(move |_, _| response.clone());
        let balancer = balancer(&backend, "memory = \"2MiB\"\nmax-object = \"100KiB\"");
        for _ in 0..2 {
            assert_eq!(ask(&balancer, "GET /", "").text(), long);
        }
        assert_eq!(backend.requests().len(), 2);
    }
}

#[test]
fn what_breaks_off_is_not_stored() {
    let backend = Backend::start(|number, peer| match number {
        0 => peer.answer(format!("HTTP/1.1 200 OK\r\n{FRESH}Content-Length: 9\r\n\r\nab")),
        _ => peer.serve("ok"),
    });
    let balancer = balancer(&backend, "");
    let mut wire = balancer.connect();
    wire.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let (all, _) = wire.read_to_close();
    assert!(String::from_utf8_lossy(&all).ends_with("\r\n\r\nab"), "cut, and not ended");
    assert_eq!(ask(&balancer, "GET /", "").text(), "ok");
}

#[test]
fn keys_by_an_operator() {
    let backend = origin(|request, number| {
        let tenant = request.all("x-tenant").join("");
        said(200, FRESH, &format!("{} {tenant} {number}", request.target))
    });
    let balancer = balancer(&backend, "key = { query = [\"id\"], headers = [\"X-Tenant\"] }");
    let rows = [
        ("GET /a?id=1&utm=x", "", "/a?id=1&utm=x  0"),
        ("GET /a?utm=y&id=1", "", "/a?id=1&utm=x  0"),
        ("GET /a?id=2", "", "/a?id=2  1"),
        ("GET /a?id=2", "X-Tenant: t\r\n", "/a?id=2 t 2"),
        ("GET /a?id=2", "X-Tenant: t\r\n", "/a?id=2 t 2"),
    ];
    for (line, lines, body) in rows {
        assert_eq!(ask(&balancer, line, lines).text(), body, "{line} {lines}");
    }
}
