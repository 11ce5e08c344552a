//! Points 18 to 29: field lines (RFC 9112 section 5, RFC 9110 section 5) and `Host`.

use wireworks::server::http::multipart::FormLimits;
use wireworks::server::http::problem::Problem;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;

use super::server::{Setup, echo, echo_server};
use super::ways::{accepted, answered, answered_last, refused};

/// A request with these bytes among its fields.
fn with(fields: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET / HTTP/1.1\r\nHost: a\r\n", fields.as_ref(), b"\r\n"].concat()
}

#[test]
fn p18_no_space_stands_before_the_colon() {
    let server = echo_server();
    for fields in
        ["X : a\r\n", "X\t: a\r\n", "Content-Length : 5\r\n", "Transfer-Encoding : chunked\r\n", "X y: a\r\n"]
    {
        refused(&server, with(fields), 400);
    }
    refused(&server, "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400);
}

#[test]
fn p19_a_folded_line_is_refused() {
    let server = echo_server();
    for fields in ["X: a\r\n b\r\n", "X: a\r\n\tb\r\n", "X: a\r\n \r\n", "Content-Length:\r\n 5\r\n"] {
        refused(&server, with(fields), 400);
    }
}

#[test]
fn p20_a_name_is_a_token() {
    let server = echo_server();
    for fields in [
        &b": a\r\n"[..],
        b"X\r\n",
        b"(X): a\r\n",
        b"X@: a\r\n",
        b"X/y: a\r\n",
        b"X[]: a\r\n",
        b"X=: a\r\n",
        b"\"X\": a\r\n",
        b"X\xC3\xA9: a\r\n",
        b"X\0: a\r\n",
        b"X\x7F: a\r\n",
    ] {
        refused(&server, with(fields), 400);
    }
    accepted(&server, with("!#$%&'*+-.^_`|~09aZ: b\r\n"), "GET / host=a body=");
}

#[test]
fn p21_a_value_has_no_control_but_the_tab() {
    let server = echo_server();
    for control in (0..0x20_u8).chain([0x7F]).filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n')) {
        refused(&server, with([b"X: a", &[control][..], b"b\r\n"].concat()), 400);
    }
    accepted(&server, with("X: a\tb\r\n"), r"GET / host=a x=a\tb body=");
}

#[test]
fn p22_other_octets_are_kept_as_they_are() {
    let server = echo_server();
    accepted(&server, with(b"X: \x80\xA0\xE9\xFF\r\n"), r"GET / host=a x=\x80\xa0\xe9\xff body=");
}

#[test]
fn p23_space_and_tab_around_a_value_are_no_part_of_it() {
    let server = echo_server();
    for (fields, x) in [
        (&b"X:a\r\n"[..], "a"),
        (b"X: \t a \t \r\n", "a"),
        (b"X:\r\n", ""),
        (b"X: \t \r\n", ""),
        (b"X: a b \r\n", "a b"),
        (b"X: \x85a\xA0\r\n", r"\x85a\xa0"),
    ] {
        accepted(&server, with(fields), &format!("GET / host=a x={x} body="));
    }
    // Not by VT and FF either.
    refused(&server, with("X: \u{0b}a\r\n"), 400);
    refused(&server, with("X: a\u{0c}\r\n"), 400);
}

#[test]
fn p24_a_head_too_large_is_431() {
    let server = Setup::new(echo)
        .settings(|settings| {
            settings.limits.head = 1024;
            settings.limits.fields = 10;
        })
        .start();
    let head = |bytes: usize| {
        let rest = bytes - with("X: \r\n").len();
        with(format!("X: {}\r\n", "y".repeat(rest)))
    };
    answered(&server, head(1024), 200, |_| {});
    refused(&server, head(1025), 431);
    refused(&server, head(100_000), 431);
    // Before the head is over.
    refused(&server, &head(2000)[..1990], 431);
    answered(&server, with("X: y\r\n".repeat(9)), 200, |_| {});
    refused(&server, with("X: y\r\n".repeat(10)), 431);
    refused(&server, with("X:\r\n".repeat(200)), 431);
}

#[test]
fn p25_nothing_happens_before_the_whole_head_is_here() {
    let server = echo_server();
    let mut wire = server.connect();
    wire.send("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n");
    wire.wait_until_read();
    // The other connection proves that the server had its turn.
    assert_eq!(server.get("/other", "").status, 200);
    assert_eq!(server.requests(), 1, "the half head is no request");
    wire.send("X: z\r\n\r\n");
    assert_eq!(wire.read_response().text(), "GET / host=a x=y x=z body=");
    assert_eq!(server.requests(), 2);
}

#[test]
fn p26_empty_members_of_a_list_are_ignored() {
    let server = echo_server();
    for list in [",, close", "close,,", " , ,\t,close , ,"] {
        answered_last(&server, with(format!("Connection: {list}\r\n")), 200, |_| {});
    }
    // As many as a head has room for cost no more than their bytes.
    answered(&server, with(format!("Connection: {}keep-alive\r\n", ",".repeat(20_000))), 200, |response| {
        assert_eq!(response.header("connection"), None);
    });
}

#[test]
fn p27_a_quoted_pair_stands_for_its_second_octet() {
    async fn fields(mut request: Request) -> Result<Response, Problem> {
        if request.path() == "/following" {
            return Ok(echo(request).await);
        }
        let mut form = request.multipart(FormLimits::default())?;
        let mut names = Vec::new();
        while let Some(part) = form.next_part().await? {
            names.push(part.name().to_owned());
        }
        Ok(Response::text(names.join(" ")))
    }
    let server = Setup::new(fields).start();
    let body = "--a b\r\nContent-Disposition: form-data; name=\"x\\\"y\"\r\n\r\n1\r\n--a b--\r\n";
    let kind = "multipart/form-data; boundary=\"\\a\\ b\"";
    let length = body.len();
    accepted(
        &server,
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
        "x\"y",
    );
}

#[test]
fn p28_an_underscore_is_not_a_dash() {
    let server = echo_server();
    accepted(&server, with("Content_Length: 5\r\nTransfer_Encoding: chunked\r\n"), "GET / host=a body=");
    refused(&server, "GET / HTTP/1.1\r\nHo_st: a\r\n\r\n", 400);
}

#[test]
fn p29_a_request_names_one_host() {
    let server = echo_server();
    for fields in [
        "",
        "Host:\r\n",
        "Host: \t\r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host: a, b\r\n",
        "Host: a,\r\n",
        "Host: user@a\r\n",
        "Host: a/b\r\n",
        "Host: http://a\r\n",
        "Host: a:x\r\n",
        "Host: a:65536\r\n",
        "Host: a:-1\r\n",
        "Host: :80\r\n",
        "Host: a b\r\n",
        "Host: [::1\r\n",
        "Host: [::g]\r\n",
        "Host: a?b\r\n",
        "Host: a#b\r\n",
    ] {
        refused(&server, format!("GET / HTTP/1.1\r\n{fields}\r\n"), 400);
    }
    for host in ["a", "a.b:80", "127.0.0.1:65535", "[::1]", "[::1]:8080", "a:", "xn--bcher-kva.example"] {
        accepted(
            &server,
            format!("GET / HTTP/1.1\r\nhOST: {host}\r\n\r\n"),
            &format!("GET / host={host} body="),
        );
    }
    // HTTP/1.0 may leave it out, and repeat it no more than 1.1.
    answered_last(&server, "GET / HTTP/1.0\r\n\r\n", 200, |response| {
        assert_eq!(response.text(), "GET / host= body=");
    });
    refused(&server, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400);
}
