//! What the server saw of a request, and what it can say of one: head, fields, cookies, statuses.

use std::fmt::Write;
use std::future::{Ready, ready};

use http::header::{ALLOW, LOCATION, RETRY_AFTER, UPGRADE, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::bodies::NO_SNIFF;
use crate::proto::http::list::FieldLines;
use crate::proto::http::negotiate::choose_type;
use crate::proto::http::reply::may_have_body;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// Text whose bytes are not known to be UTF-8.
const RAW_TEXT: HeaderValue = HeaderValue::from_static("text/plain");

/// The head as it arrived, byte by byte.
pub(super) fn head(request: Request) -> Ready<Response> {
    let bytes = request.head().bytes().clone();
    ready(Response::of(RAW_TEXT, bytes).with(X_CONTENT_TYPE_OPTIONS, NO_SNIFF))
}

#[derive(Serialize)]
struct Field<'a> {
    name: &'a str,
    value: String,
}

/// The fields in order, as lines or as JSON.
pub(super) fn fields(request: Request) -> Ready<Response> {
    let head = request.head();
    let fields =
        head.fields().map(|(name, value)| Field { name, value: String::from_utf8_lossy(value).into_owned() });
    let json = "application/json";
    let accept: Vec<_> = head.lines("accept").collect();
    let response = if choose_type(accept, &["text/plain", json]) == Some(json) {
        Response::json(&fields.collect::<Vec<_>>())
    } else {
        Response::text(fields.fold(String::new(), |mut text, field| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}: {}", field.name, field.value);
            text
        }))
    };
    ready(response.with(VARY, HeaderValue::from_static("accept")).with(X_CONTENT_TYPE_OPTIONS, NO_SNIFF))
}

/// A line `name=value` for each cookie.
pub(super) fn cookies(request: Request) -> Ready<Response> {
    let text = request.cookies().fold(String::new(), |mut text, (name, value)| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}={value}");
        text
    });
    ready(Response::text(text).with(X_CONTENT_TYPE_OPTIONS, NO_SNIFF))
}

/// A reply with the status asked for, and the field that goes with it.
pub(super) fn status(request: Request) -> Ready<Result<Response, Problem>> {
    ready(request.param("code").and_then(of_status))
}

fn of_status(code: u16) -> Result<Response, Problem> {
    let status = StatusCode::from_u16(code)
        .ok()
        .filter(|status| (100..600).contains(&status.as_u16()))
        .ok_or_else(|| Problem::bad_request(format!("{code} is no status: they go from 100 to 599")))?;
    if status.is_informational() {
        return Err(Problem::bad_request(format!("{code} is not a final status")));
    }
    let mut response = if may_have_body(status) && status != StatusCode::RESET_CONTENT {
        let reason = status.canonical_reason().unwrap_or("unassigned");
        Response::text(format!("{code} {reason}\n")).status(status)
    } else {
        Response::empty(status)
    };
    if let Some((name, value)) = companion(status) {
        response = response.with(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// The field that a reply of a status has to have, or should.
fn companion(status: StatusCode) -> Option<(HeaderName, &'static str)> {
    match status.as_u16() {
        201 | 301 | 302 | 303 | 307 | 308 => Some((LOCATION, "/")),
        401 => Some((WWW_AUTHENTICATE, "Basic realm=\"demo\"")),
        405 => Some((ALLOW, "GET, HEAD, OPTIONS")),
        426 => Some((UPGRADE, "HTTP/2.0")),
        429 | 503 => Some((RETRY_AFTER, "1")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::router;
    use crate::server::http::handler::Handler;
    use crate::server::http::testing::{field, get, read, request};

    #[tokio::test]
    async fn the_head_comes_back_as_it_was() {
        for method in ["GET", "POST", "OPTIONS", "BREW"] {
            let fields = [("X-Odd", "  two  spaces  "), ("x-odd", "again")];
            let request = request(&format!("{method} /echo?a=%20"), &fields, "body");
            let sent = request.head().bytes().clone();
            let (status, text) = read(router().handle(request).await).await;
            assert_eq!((status, text.as_bytes()), (200, &sent[..]), "{method}");
        }
    }

    #[tokio::test]
    async fn fields_as_lines_or_as_json() {
        let lines = "Host: example.org\nAccept: ACCEPT\nx-a: 1\nX-A: 2\n";
        for (accept, is_json) in [
            ("*/*", false),
            ("text/html, */*;q=0.8", false),
            ("application/json", true),
            ("text/plain;q=0.5, application/json", true),
            ("application/json;q=0.5, text/plain", false),
            ("image/png", false),
        ] {
            let fields = [("Accept", accept), ("x-a", "1"), ("X-A", "2")];
            let response = router().handle(request("GET /headers", &fields, "")).await;
            assert_eq!(field(&response, "vary"), "accept");
            let (_, text) = read(response).await;
            if is_json {
                let list: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(list[3], serde_json::json!({"name": "X-A", "value": "2"}));
            } else {
                assert_eq!(text, lines.replace("ACCEPT", accept));
            }
        }
    }

    #[tokio::test]
    async fn cookies_are_listed() {
        let fields = [("Cookie", "a=1; b=2"), ("Cookie", "a=3")];
        let response = router().handle(request("GET /cookie", &fields, "")).await;
        assert_eq!(read(response).await, (200, "a=1\nb=2\na=3\n".to_owned()));
        assert_eq!(read(get(&router(), "/cookie").await).await.1, "");
    }

    #[tokio::test]
    async fn every_final_status_and_no_other() {
        let router = router();
        for code in 200..600 {
            let response = get(&router, &format!("/status/{code}")).await;
            assert_eq!(response.code(), code);
            let bare = matches!(code, 204 | 205 | 304);
            assert_eq!(response.body().is_empty(), bare, "{code}");
        }
        for code in ["0", "99", "100", "101", "199", "600", "999", "65536", "abc", "-200"] {
            let response = get(&router, &format!("/status/{code}")).await;
            assert_eq!(response.code(), 400, "{code}");
        }
    }

    #[tokio::test]
    async fn a_status_brings_its_field() {
        for (code, name, value) in [
            (302, "location", "/"),
            (308, "location", "/"),
            (304, "location", ""),
            (401, "www-authenticate", "Basic realm=\"demo\""),
            (405, "allow", "GET, HEAD, OPTIONS"),
            (426, "upgrade", "HTTP/2.0"),
            (429, "retry-after", "1"),
            (503, "retry-after", "1"),
        ] {
            let response = get(&router(), &format!("/status/{code}")).await;
            assert_eq!(field(&response, name), value, "{code}");
        }
    }
}
