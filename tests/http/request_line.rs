//! Points 1 to 17: the request line and what stands around it (RFC 9112 sections 2 and 3).

use http::Method;
use wireworks::server::http::request::Request;
use wireworks::server::http::router::Router;

use super::server::{Setup, TestServer, echo, echo_server};
use super::ways::{accepted, answered, refused};

/// A server with two routes.
fn routed() -> TestServer {
    let hello = |_: Request| async { "hello" };
    let router = Router::new().get("/", hello).get("/following", echo).route(Method::POST, "/form", hello);
    Setup::new(router).start()
}

#[test]
fn p01_a_head_is_octets_not_text() {
    let server = echo_server();
    // Octets that are no UTF-8, and a character whose encoding ends with the octet of a line feed in UTF-16.
    accepted(
        &server,
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \xFF\xC0\x8A\r\n\r\n",
        r"GET / host=a x=\xff\xc0\x8a body=",
    );
    accepted(
        &server,
        "GET / HTTP/1.1\r\nHost: a\r\nX: \u{010A}\u{560D}\r\n\r\n",
        r"GET / host=a x=\xc4\x8a\xe5\x98\x8d body=",
    );
}

#[test]
fn p02_a_bare_cr_is_refused_wherever_it_stands() {
    let server = echo_server();
    for request in [
        "G\rET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET\r / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\ra HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP\r/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\rHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHo\rst: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n",
    ] {
        refused(&server, request, 400);
    }
}

#[test]
fn p03_a_bare_lf_is_refused_wherever_it_stands() {
    let server = echo_server();
    for request in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        refused(&server, request, 400);
    }
}

#[test]
fn p04_one_empty_line_before_the_request_is_skipped() {
    let server = echo_server();
    accepted(&server, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / host=a body=");
    refused(&server, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    // Some clients end a body with a line end that its length does not count.
    accepted(
        &server,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab\r\n",
        "POST / host=a body=ab",
    );
}

#[test]
fn p05_white_space_before_the_first_field_is_refused() {
    let server = echo_server();
    for space in [" ", "\t", " X: y\r\n ", " \r\n"] {
        refused(&server, format!("GET / HTTP/1.1\r\n{space}Host: a\r\n\r\n"), 400);
    }
}

#[test]
fn p06_what_is_not_http_is_refused() {
    let server = echo_server();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03"[..],
        b"\0\0\0\x2F\xFFSMB",
        b"\x80\x2E\x01\x03\x01",
        b"{\"method\":\"get\"}\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    ] {
        refused(&server, bytes, 400);
    }
}

#[test]
fn p07_a_malformed_request_line_is_refused_and_not_mended() {
    let server = echo_server();
    for line in [
        "GET",
        "GET /",
        "GET /HTTP/1.1",
        "GET / HTTP",
        "GET / HTTP/1.1 x",
        "GET / x HTTP/1.1",
        "/ HTTP/1.1",
        "GET\u{0b}/ HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET: / HTTP/1.1",
        "HTTP/1.1 200 OK",
    ] {
        refused(&server, format!("{line}\r\nHost: a\r\n\r\n"), 400);
    }
}

#[test]
fn p08_one_space_separates_and_none_trails() {
    let server = echo_server();
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.1\t",
        " GET / HTTP/1.1",
    ] {
        refused(&server, format!("{line}\r\nHost: a\r\n\r\n"), 400);
    }
}

#[test]
fn p09_an_unknown_method_is_501() {
    let server = routed();
    for method in ["BREW", "PROPFIND", "UPDATEREDIRECTREF", "get"] {
        for path in ["/", "/nowhere"] {
            answered(&server, format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"), 501, |_| {});
        }
    }
    // One that is longer than any there is, whether the rest of its line is here or not.
    for length in [33, 300, 9000, 30_000] {
        let method = "M".repeat(length);
        refused(&server, format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
    }
    refused(&server, "M".repeat(9000), 501);
}

#[test]
fn p10_a_target_of_8000_octets_is_fine_and_one_over_the_limit_is_414() {
    let server = echo_server();
    let target = format!("/{}", "t".repeat(7999));
    accepted(
        &server,
        format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
        &format!("GET {target} host=a body="),
    );
    let long = format!("/{}", "t".repeat(8 * 1024));
    refused(&server, format!("GET {long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414);
    // Before the line is over.
    refused(&server, format!("GET /{}", "t".repeat(20_000)), 414);
}

#[test]
fn p11_origin_form_begins_with_a_slash() {
    let server = echo_server();
    accepted(&server, "GET /a/b?c=d HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a/b?c=d host=a body=");
    accepted(&server, "GET //a HTTP/1.1\r\nHost: a\r\n\r\n", "GET //a host=a body=");
    for target in ["a", "?a", "a/b", "a:80", ".", "%2F"] {
        refused(&server, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    }
}

#[test]
fn p12_the_authority_of_absolute_form_overrides_host() {
    let server = echo_server();
    for (target, authority) in [
        ("http://b/c", "b"),
        ("HTTP://b:80/c", "b:80"),
        ("https://[::1]:443", "[::1]:443"),
        ("http://b?c", "b"),
    ] {
        accepted(
            &server,
            format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
            &format!("GET {target} host={authority} body="),
        );
    }
    for target in ["ftp://b/", "http:///c", "http://u@b/", "http://b:99999/", "http:b", "http://"] {
        refused(&server, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    }
    // Host is required all the same.
    refused(&server, "GET http://b/ HTTP/1.1\r\n\r\n", 400);
}

#[test]
fn p13_authority_form_is_for_connect_which_is_refused() {
    let server = routed();
    answered(&server, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501, |_| {});
    for target in ["a", "a:", "a:x", "a:99999", ":443", "/", "*", "http://a:443/", "u@a:443"] {
        refused(&server, format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    }
    refused(&server, "GET a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400);
}

#[test]
fn p14_an_asterisk_is_for_options() {
    let server = routed();
    answered(&server, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204, |response| {
        assert!(response.header("allow").is_some());
    });
    for method in ["GET", "HEAD", "POST", "OPTION"] {
        refused(&server, format!("{method} * HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    }
    refused(&server, "OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", 400);
}

#[test]
fn p15_no_target_has_a_byte_that_no_uri_has() {
    let server = echo_server();
    let bad: [&[u8]; 12] = [
        b"/#a",
        b"/a?b#c",
        b"/a b",
        b"/\x01",
        b"/\x7F",
        b"/\xC3\xA9",
        b"/?\xFF",
        b"/\\a",
        b"/a<b>",
        b"/%00",
        b"/a%00b",
        b"/?\\",
    ];
    for target in bad {
        let request = [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        refused(&server, request, 400);
    }
}

#[test]
fn p16_the_version_is_http_slash_digit_dot_digit() {
    let server = echo_server();
    for version in ["HTTP/1.1", "HTTP/1.2", "HTTP/1.9"] {
        accepted(&server, format!("GET / {version}\r\nHost: a\r\n\r\n"), "GET / host=a body=");
    }
    for (version, status) in [
        ("HTTP/2.0", 505),
        ("HTTP/3.0", 505),
        ("HTTP/0.9", 505),
        ("http/1.1", 400),
        ("Http/1.1", 400),
        ("HTTP/1", 400),
        ("HTTP/11", 400),
        ("HTTP/1.", 400),
        ("HTTP/1.10", 400),
        ("HTTP/01.1", 400),
        ("HTTP/1,1", 400),
        ("HTTP/ 1.1", 400),
        ("HTTPS/1.1", 400),
        ("XHTTP/1.1", 400),
    ] {
        refused(&server, format!("GET / {version}\r\nHost: a\r\n\r\n"), status);
    }
    refused(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
}

#[test]
fn p17_methods_are_case_sensitive() {
    let server = routed();
    for method in ["get", "Get", "GEt"] {
        answered(&server, format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"), 501, |_| {});
    }
    let server = echo_server();
    accepted(&server, "gEt / HTTP/1.1\r\nHost: a\r\n\r\n", "gEt / host=a body=");
}
