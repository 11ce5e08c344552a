//! What the metrics of `wireworks ws serve` say after conversations of ours.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{serve, talk};
use crate::support::command::{metric, stop};

/// Waits until the server has counted so many: a client may be gone before the server has seen its end.
#[track_caller]
fn wait_for(metrics: SocketAddr, name: &str, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while metric(metrics, name) != count {
        assert!(Instant::now() < deadline, "{name} is {}, not {count}", metric(metrics, name));
    }
}

#[test]
fn sockets_messages_and_ends_are_counted() {
    let (mut server, url) = serve(&["--metrics", "127.0.0.1:0"]);
    let metrics = server.address("metrics");
    talk(&[&format!("{url}/echo")], b"one\nthree\n").success();
    talk(&["--max-message", "10B", "--send", "longer than that", &format!("{url}/echo")], b"");
    wait_for(metrics, "wireworks_ws_sockets_ended_total{code=\"1000\",reason=\"closed\"}", 1);
    wait_for(metrics, "wireworks_ws_sockets_ended_total{code=\"1009\",reason=\"closed\"}", 1);
    for direction in ["received", "sent"] {
        let of =
            |name: &str| metric(metrics, &format!("wireworks_ws_{name}_total{{direction=\"{direction}\"}}"));
        assert_eq!((of("messages"), of("message_bytes")), (3, 24), "{direction}");
    }
    wait_for(metrics, "wireworks_ws_sockets", 0);
    stop(server);
}
