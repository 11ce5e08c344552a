//! The command `wireworks http` when something happens to it under load: it is told to stop, or its certificates change.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::PATIENCE;
use crate::support::certificate::certificate;
use crate::support::command::{metric, server, stop};
use crate::support::tool::Tool;
use crate::support::wire::Wire;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Asks again and again on one connection, until the server says that it will close it; says how often.
fn ask_until_closed(addr: SocketAddr) -> u32 {
    let mut wire = Wire::connect(addr);
    for count in 1.. {
        wire.send("GET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n");
        let response = wire.read_response();
        assert_eq!((response.status, response.text()), (200, "Hello, World!"));
        if response.header("connection") == Some("close") {
            wire.expect_close();
            return count;
        }
    }
    unreachable!()
}

/// What wrk says went wrong, or `None` if nothing did.
#[derive(Debug, PartialEq, Eq)]
struct SocketErrors {
    connect: u32,
    read: u32,
    write: u32,
    timeout: u32,
}

/// Reads `Socket errors: connect 0, read 0, write 7, timeout 0`.
fn socket_errors(report: &str) -> Option<SocketErrors> {
    let line = report.lines().find_map(|line| line.trim().strip_prefix("Socket errors: "))?;
    let counts: Vec<u32> =
        line.split(", ").map(|count| count.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    let [connect, read, write, timeout] = counts[..] else {
        panic!("{line}");
    };
    Some(SocketErrors { connect, read, write, timeout })
}

#[test]
fn the_errors_of_wrk_are_read() {
    let report =
        "  9 requests in 1.00s\n  Socket errors: connect 1, read 2, write 3, timeout 4\nRequests/sec: 9\n";
    let errors = SocketErrors { connect: 1, read: 2, write: 3, timeout: 4 };
    assert_eq!(socket_errors(report), Some(errors));
    assert_eq!(socket_errors("  9 requests in 1.00s\n"), None);
}

/// A stop under load. A connection that is busy when the server stops gets its reply, and is told to go.
///
/// wrk connects again at once when it is told to go. Once the listener is gone it is refused, thousands of times: that is
/// what it calls errors of connect or write. An error of read would be a connection that was taken and lost.
#[test]
fn a_stop_under_load_breaks_no_reply() {
    for connections in [16, 32, 64, 32, 16] {
        let errors = stop_under_load(connections);
        if let Some(errors) = errors {
            assert_eq!((errors.read, errors.timeout), (0, 0), "{errors:?}");
        }
    }
}

/// Stops a server that wrk and some clients of ours keep busy, and says what wrk had to complain of.
fn stop_under_load(connections: u64) -> Option<SocketErrors> {
    let mut server = server(&["--threads", "2", "--metrics", "127.0.0.1:0"]);
    let addr = server.address("http");
    let url = format!("http://{addr}/plaintext");
    let wrk = Tool::new("wrk").args(["-t1", &format!("-c{connections}"), "-d2", &url]).start();
    let clients: Vec<_> = (0..4).map(|_| thread::spawn(move || ask_until_closed(addr))).collect();
    // All have come, and some hundred requests more are answered meanwhile: the load runs.
    let metrics = server.address("metrics");
    let deadline = Instant::now() + PATIENCE;
    let requests = "wireworks_http_requests_total{route=\"/plaintext\",method=\"GET\",status=\"200\"}";
    while metric(metrics, "wireworks_connections") < connections + 4 || metric(metrics, requests) < 1000 {
        assert!(Instant::now() < deadline, "no load");
    }
    let since = Instant::now();
    let ended = stop(server);
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert!(!ended.stderr.contains("aborted"), "{}", ended.stderr);
    for client in clients {
        assert!(client.join().unwrap() > 1);
    }
    let report = wrk.wait().success().text();
    assert!(!report.contains("Non-2xx"), "{report}");
    let replies = report.lines().find(|line| line.contains(" requests in ")).unwrap();
    let replies: u32 = replies.split_whitespace().next().unwrap().parse().unwrap();
    assert!(replies > 0, "{report}");
    socket_errors(&report)
}

#[test]
fn a_hangup_brings_a_new_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let [cert, key, old, fifo] = ["cert", "key", "old", "fifo"].map(file);
    certificate(&cert, &key, "old");
    fs::copy(&cert, &old).unwrap();
    let mut server = server(&["--tls-cert", text(&cert), "--tls-key", text(&key)]);
    let addr = server.address("http").to_string();
    let url = format!("https://{addr}/plaintext");
    let trusts = |ca: &Path| {
        let ended = Tool::new("curl").args(["-sS", "--cacert", text(ca), &url]).run();
        ended.status.success() && ended.text() == "Hello, World!"
    };

    // A connection from before, which is spoken to through a pipe.
    Tool::new("mkfifo").args([&fifo]).run().success();
    let script = "exec openssl s_client -quiet -connect \"$0\" < \"$1\" 1>&2";
    let mut client = Tool::new("sh").args(["-c", script, &addr, text(&fifo)]).start();
    // Opened for reading too, or this would wait for the shell.
    let mut pipe = fs::File::options().read(true).write(true).open(&fifo).unwrap();
    pipe.write_all(b"GET /stream/1 HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    client.wait_for_stderr("{\"line\":0}");
    assert!(trusts(&old));

    certificate(&cert, &key, "new");
    server.signal(Signal::HUP);
    server.wait_for_stderr("reloaded");
    assert!(trusts(&cert));
    assert!(!trusts(&old));
    pipe.write_all(b"GET /stream/2 HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    client.wait_for_stderr("{\"line\":1}");
    drop(client);
    stop(server);
}

/// Clients that shake hands again and again, and how often each subject was seen.
#[derive(Default)]
struct Handshakes {
    over: AtomicBool,
    seen: Mutex<BTreeMap<String, usize>>,
}

impl Handshakes {
    /// Shakes hands by curl until it is over. None may fail.
    fn go_on(&self, url: &str) {
        while !self.over.load(Ordering::Relaxed) {
            let args = ["-sSk", "-o", "/dev/null", "-w", "%{http_code} %{certs}", url];
            let said = Tool::new("curl").args(args).run().success().text();
            let subject = said.lines().find_map(|line| line.strip_prefix("200 Subject:"));
            // Versions of openssl write `CN = name` or `CN=name`.
            let subject = subject.unwrap_or_else(|| panic!("{said}")).replace(' ', "");
            *self.seen().entry(subject).or_default() += 1;
        }
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.seen.lock().unwrap()
    }

    /// Waits until so many more have seen this subject.
    #[track_caller]
    fn wait_for(&self, subject: &str, more: usize) {
        let count = || self.seen().get(subject).copied().unwrap_or_default();
        let (deadline, wanted) = (Instant::now() + PATIENCE, count() + more);
        while count() < wanted {
            let seen = self.seen().clone();
            assert!(Instant::now() < deadline, "{subject} in {seen:?}");
            thread::yield_now();
        }
    }
}

/// Ends the handshakes even when the test fails.
struct AtLast<'a>(&'a Handshakes);

impl Drop for AtLast<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

#[test]
fn certificates_change_under_handshakes_of_which_none_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (cert, key) = (file("cert"), file("key"));
    certificate(&cert, &key, "first");
    let mut server = server(&["--tls-cert", text(&cert), "--tls-key", text(&key)]);
    let url = format!("https://{}/plaintext", server.address("http"));
    let handshakes = Handshakes::default();
    thread::scope(|scope| {
        let _end = AtLast(&handshakes);
        for _ in 0..3 {
            scope.spawn(|| handshakes.go_on(&url));
        }
        handshakes.wait_for("CN=first", 5);
        // By a signal.
        certificate(&cert, &key, "second");
        server.signal(Signal::HUP);
        handshakes.wait_for("CN=second", 5);
        // By the files alone, which for a moment do not fit each other.
        certificate(&file("new cert"), &file("new key"), "third");
        fs::rename(file("new cert"), &cert).unwrap();
        fs::rename(file("new key"), &key).unwrap();
        handshakes.wait_for("CN=third", 5);
        // What is bad is not taken, by either way.
        fs::write(&cert, "no certificate").unwrap();
        server.signal(Signal::HUP);
        server.wait_for_stderr("the new certificates are bad; the old ones stay in use");
        handshakes.wait_for("CN=third", 5);
    });
    let seen: Vec<_> = handshakes.seen().keys().cloned().collect();
    assert_eq!(seen, ["CN=first", "CN=second", "CN=third"]);
    stop(server);
}
