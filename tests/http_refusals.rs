//! What was refused stands in the metrics, by its reason: one bad client a reason, against the command.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use wireworks::proto::http::reject::Reject;

use crate::support::PATIENCE;
use crate::support::command::{metric, server, stop};
use crate::support::wire::Wire;

/// What a bad client does, the status that it reads, and the reason that is counted.
struct Row {
    sends: String,
    /// It says that nothing follows.
    ends: bool,
    status: u16,
    reason: &'static str,
}

fn row(sends: impl Into<String>, status: u16, reason: &'static str) -> Row {
    Row { sends: sends.into(), ends: false, status, reason }
}

/// How often a reason was counted.
fn refusals(metrics: SocketAddr, reason: &str) -> u64 {
    metric(metrics, &format!("wireworks_http_refusals_total{{reason=\"{reason}\"}}"))
}

#[track_caller]
fn wait_for_refusals(metrics: SocketAddr, reason: &str, count: u64) {
    let deadline = Instant::now() + PATIENCE;
    while refusals(metrics, reason) != count {
        assert!(Instant::now() < deadline, "{reason}: {}", refusals(metrics, reason));
    }
}

/// What is wrong with a message, or too much of it.
fn messages() -> Vec<Row> {
    let head = "PUT /name HTTP/1.1\r\nHost: test\r\n";
    let get = "GET / HTTP/1.1\r\nHost: test\r\n";
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    let long = |length| "x".repeat(length);
    vec![
        row("\x16\x03\x01\x02\0\x01\0\x01", 400, "not_http"),
        row("GET / HTTP/1.1\nHost: test\n\n", 400, "bare_lf"),
        row("GET  / HTTP/1.1\r\nHost: test\r\n\r\n", 400, "request_line"),
        row("GET /a#b HTTP/1.1\r\nHost: test\r\n\r\n", 400, "target"),
        row(format!("{get}X : y\r\n\r\n"), 400, "field_line"),
        row("GET / HTTP/1.1\r\n\r\n", 400, "host"),
        row(format!("{head}Content-Length: +1\r\n\r\nx"), 400, "content_length"),
        row(
            format!("{head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400,
            "transfer_encoding",
        ),
        row(format!("{head}Transfer-Encoding: gzip, chunked\r\n\r\n"), 501, "unknown_coding"),
        row(format!("{chunked}-1\r\n"), 400, "chunk"),
        row(format!("{chunked}1;{}\r\nx\r\n0\r\n\r\n", long(2000)), 400, "chunk_extensions"),
        row(format!("{chunked}0\r\nHost: other\r\n\r\n"), 400, "trailer"),
        row("GET / HTTP/2.0\r\nHost: test\r\n\r\n", 505, "version"),
        row(format!("{} / HTTP/1.1\r\nHost: test\r\n\r\n", "X".repeat(33)), 501, "method_too_long"),
        row(format!("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", long(300)), 414, "target_too_long"),
        row(format!("{get}X: {}\r\n\r\n", long(2000)), 431, "head_too_large"),
        row(format!("{get}{}\r\n", "X: y\r\n".repeat(8)), 431, "too_many_fields"),
        row(format!("{head}Content-Length: 5\r\n\r\n"), 413, "body_too_large"),
        row(format!("{head}Expect: tea\r\nContent-Length: 1\r\n\r\n"), 417, "expectation"),
        Row { ends: true, ..row(format!("{head}Content-Length: 4\r\n\r\nabc"), 400, "incomplete") },
    ]
}

#[test]
fn every_reason_is_counted_by_its_name() {
    // A server for what is counted at once, and others for what takes until a deadline.
    let limits = [
        "--max-uri=256B",
        "--max-head=1KiB",
        "--max-fields=8",
        "--max-body=4B",
        "--max-chunk-extensions=1KiB",
    ];
    let slow_head = vec![row("GET / HTTP/1.1\r\nHost:", 408, "head_timeout")];
    let slow_body =
        vec![row("PUT /name HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nabc", 408, "too_slow")];
    let slow_handler = vec![row("GET /delay/30000 HTTP/1.1\r\nHost: test\r\n\r\n", 503, "handler_timeout")];
    for (args, rows) in [
        (&limits[..], messages()),
        (&["--head-timeout=200ms"], slow_head),
        (&["--stall-timeout=200ms"], slow_body),
        (&["--handler-timeout=200ms"], slow_handler),
    ] {
        let mut server = server(&[args, &["--metrics", "127.0.0.1:0"]].concat());
        let (addr, metrics) = (server.address("http"), server.address("metrics"));
        for Row { sends, ends, status, reason } in rows {
            assert_eq!(refusals(metrics, reason), 0, "{reason}");
            let mut wire = Wire::connect(addr);
            wire.send(&sends);
            if ends {
                wire.half_close();
            }
            let response = wire.read_response();
            assert_eq!(response.status, status, "{reason}: {sends:?}");
            // What is temporary says so (RFC 9110 section 15.6.4).
            assert_eq!(response.header("retry-after").is_some(), status == 503, "{reason}");
            wait_for_refusals(metrics, reason, 1);
        }
        stop(server);
    }
}

#[test]
fn no_reason_is_left_out() {
    let tried: BTreeSet<&str> = messages().iter().map(|row| row.reason).collect();
    let all: BTreeSet<&str> = Reject::ALL.iter().map(|reject| reject.name()).collect();
    assert_eq!(tried, all);
}

#[test]
fn connections_over_a_limit_are_counted_by_it() {
    for (limit, reason) in [
        ("--max-connections=1", "too_many_connections"),
        ("--max-connections-per-address=1", "too_many_connections_of_address"),
    ] {
        let mut server = server(&[limit, "--metrics", "127.0.0.1:0"]);
        let (addr, metrics) = (server.address("http"), server.address("metrics"));
        let mut held = Wire::connect(addr);
        held.send("GET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(held.read_response().status, 200);
        for count in 1..4 {
            assert_eq!(Wire::connect(addr).read_response().status, 503, "{limit}");
            wait_for_refusals(metrics, reason, count);
        }
        stop(server);
    }
}
