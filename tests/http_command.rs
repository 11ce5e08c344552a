//! The command `wireworks http`, as a user or a service manager starts it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;

use crate::support::PATIENCE;
use crate::support::command::{server, stop, wireworks};
use crate::support::process::{Ended, Process};
use crate::support::response::Response;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

fn ask(addr: SocketAddr, path: &str, fields: &str) -> Response {
    let mut wire = Wire::connect(addr);
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
    wire.read_response()
}

fn ended(args: &[&str]) -> Ended {
    wireworks(args).wait()
}

/// The one line on stderr of a command that must fail with this status.
#[track_caller]
fn failure(args: &[&str], status: i32) -> String {
    let ended = ended(args);
    assert_eq!(ended.status.code(), Some(status), "{args:?}: {}", ended.stderr);
    assert!(ended.stdout.is_empty(), "{args:?}: {}", ended.text());
    ended.stderr
}

/// A connection whose request has begun and waits for the rest of its body.
fn half_a_request(addr: SocketAddr) -> Wire {
    let mut wire = Wire::connect(addr);
    wire.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\n\r\nabc");
    wire.wait_until_read();
    wire
}

#[test]
fn help_and_version_are_answers() {
    for args in [&["--help"][..], &["help"], &["http", "--help"], &["http", "-h"], &["--version"]] {
        let text = ended(args).success().text();
        assert!(!text.is_empty(), "{args:?}");
    }
    // Wrapped by the width of the terminal.
    let help = ended(&["http", "--help"]).text();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in ["Examples:", "[default: 127.0.0.1:8080]", "Timeouts", "--print-config"] {
        assert!(help.contains(word), "{word}");
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_64() {
    for args in [
        &["--surely-not"][..],
        &["surely-not"],
        &["http", "--surely-not"],
        &["http", "a", "b"],
        &["http", "--listen"],
        &["http", "--listen", "8080"],
        &["http", "--head-timeout", "30"],
    ] {
        let message = failure(args, 64);
        assert!(message.starts_with("error: "), "{args:?}: {message}");
    }
}

#[test]
fn what_cannot_be_done_is_one_line_and_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let unknown = file("unknown.toml", "threads = 1\nlisen = [\":80\"]\n");
    let range = file("range.toml", "max-fields = 9999\n");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let rows: [(&[&str], &str); 9] = [
        (&["--listen", &taken], &format!("cannot listen on {taken}: the address is in use")),
        (&["--metrics", &taken, "--listen", "127.0.0.1:0"], &format!("cannot listen on {taken}: ")),
        (&["--threads", "0"], "--threads cannot be 0: the least is 1"),
        (&["--config", &unknown], "unknown.toml:2: there is no option `lisen`"),
        (&["--config", &range], "range.toml: --max-fields cannot be 9999"),
        (&["--config", "/nonexistent.toml"], "cannot read /nonexistent.toml: No such file"),
        (&["/nonexistent"], "/nonexistent"),
        (&["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], "cannot read /nonexistent"),
        (&["--spa", "index.html"], "--spa does nothing without DIR"),
    ];
    for (args, expected) in rows {
        let typed_wrongly = ["--threads", "--spa"].contains(&args[0]);
        let message = failure(&[&["http"], args].concat(), if typed_wrongly { 64 } else { 1 });
        assert!(message.starts_with("error: ") && message.contains(expected), "{args:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn each_listener_has_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("web.sock");
    let unix = format!("unix:{}", socket.display());
    let mut server = server(&["--listen", "127.0.0.1:0", "--listen", &unix, "--metrics", "127.0.0.1:0"]);
    let first = server.address("http");
    let second = server.address("http");
    assert_ne!(first, second);
    assert_eq!(server.listening("http"), unix);
    let metrics = server.address("metrics");
    for addr in [first, second] {
        assert_eq!(ask(addr, "/plaintext", "").text(), "Hello, World!");
    }
    let mut wire = Wire::connect_unix(&socket);
    wire.send("GET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(wire.read_response().text(), "Hello, World!");
    let text = ask(metrics, "/metrics", "").text().to_owned();
    assert!(text.contains("/plaintext"), "{text}");
    assert_eq!(ask(metrics, "/healthz", "").text(), "ok\n");
    stop(server);
    assert!(!socket.exists(), "the file of the socket is removed");
}

#[test]
fn a_folder_is_served() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "content").unwrap();
    let mut server = server(&[folder.path().to_str().unwrap(), "--cache-control", "no-store"]);
    let response = ask(server.address("http"), "/a.txt", "");
    assert_eq!(response.text(), "content");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    stop(server);
}

#[test]
fn both_ways_to_use_threads_serve() {
    for threading in ["per-core", "shared"] {
        let mut server = server(&["--threading", threading, "--threads", "3"]);
        let addr = server.address("http");
        for _ in 0..8 {
            assert_eq!(ask(addr, "/plaintext", "").text(), "Hello, World!");
        }
        stop(server);
    }
}

#[test]
fn a_request_that_has_begun_ends_before_the_server_does() {
    let mut server = server(&[]);
    let addr = server.address("http");
    let mut idle = Wire::connect(addr);
    idle.send("GET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n");
    idle.read_response();
    // The demo answers PUT when the body is through.
    let mut begun = Wire::connect(addr);
    begun.send("PUT /name HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\n\r\nabc");
    begun.wait_until_read();
    server.signal(Signal::TERM);
    server.wait_for_stderr("stopping");
    idle.expect_close();
    begun.send("def");
    let response = begun.read_response();
    assert!(response.text().contains('6'), "{}", response.text());
    assert_eq!(response.header("connection"), Some("close"));
    begun.expect_close();
    assert_eq!(server.wait().status.code(), Some(0));
}

#[test]
fn the_deadline_and_a_second_signal_cut_what_is_left() {
    let mut server = server(&["--drain-timeout", "100ms"]);
    let _begun = half_a_request(server.address("http"));
    server.signal(Signal::INT);
    server.wait_for_stderr("aborted=1");
    assert_eq!(server.wait().status.code(), Some(0));

    let mut server = self::server(&["--drain-timeout", "1h"]);
    let _begun = half_a_request(server.address("http"));
    server.signal(Signal::INT);
    server.wait_for_stderr("stopping");
    server.signal(Signal::TERM);
    server.wait_for_stderr("aborted=1");
    assert_eq!(server.wait().status.code(), Some(0));
}

#[test]
fn health_says_that_the_server_is_going() {
    let mut server = server(&["--metrics", "127.0.0.1:0"]);
    let mut begun = half_a_request(server.address("http"));
    let metrics = server.address("metrics");
    assert_eq!(ask(metrics, "/healthz", "").status, 200);
    server.signal(Signal::TERM);
    server.wait_for_stderr("stopping");
    assert_eq!(ask(metrics, "/healthz", "").status, 503);
    begun.send("def");
    begun.read_response();
    assert_eq!(server.wait().status.code(), Some(0));
}

#[test]
fn a_hangup_opens_the_access_log_again() {
    let folder = tempfile::tempdir().unwrap();
    let [log, old] = ["access.log", "access.log.1"].map(|name| folder.path().join(name));
    let mut server = server(&["--access-log", log.to_str().unwrap(), "--access-log-format", "json"]);
    let addr = server.address("http");
    ask(addr, "/plaintext", "");
    fs::rename(&log, &old).unwrap();
    server.signal(Signal::HUP);
    server.wait_for_stderr("reloaded");
    ask(addr, "/json", "");
    stop(server);
    let text = |path: &Path| fs::read_to_string(path).unwrap();
    assert!(text(&log).contains("/json") && text(&log).starts_with('{'), "{}", text(&log));
    assert!(!text(&old).contains("/json"));
}

#[test]
fn users_and_tokens_that_change_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let [users, tokens] = ["users", "tokens"].map(|name| folder.path().join(name));
    fs::write(&users, "ann:one\n").unwrap();
    fs::write(&tokens, "robot:abc\n").unwrap();
    let (basic, bearer) = (users.to_str().unwrap(), tokens.to_str().unwrap());
    let mut server = server(&["--basic-auth", basic, "--bearer-auth", bearer]);
    let addr = server.address("http");
    let status = |field: &str| ask(addr, "/plaintext", &format!("Authorization: {field}\r\n")).status;
    // ann:one and ann:two.
    let [one, two] = ["Basic YW5uOm9uZQ==", "Basic YW5uOnR3bw=="];
    assert_eq!([one, two, "Bearer abc", "Bearer def"].map(status), [200, 401, 200, 401]);
    // On a signal at once.
    fs::write(&users, "ann:two\n").unwrap();
    server.signal(Signal::HUP);
    server.wait_for_stderr("reloaded");
    assert_eq!([one, two, "Bearer abc", "Bearer def"].map(status), [401, 200, 200, 401]);
    // What is bad is not taken, and what is good is, by itself.
    fs::write(&users, "nobody\n").unwrap();
    server.wait_for_stderr("the new file is bad; the old one stays in use");
    assert_eq!(status(two), 200);
    fs::write(&users, "ann:one\n").unwrap();
    let deadline = Instant::now() + PATIENCE;
    while status(one) != 200 {
        assert!(Instant::now() < deadline, "the new users are not let in");
    }
    assert_eq!(status(two), 401);
    stop(server);
}

#[test]
fn the_access_log_goes_to_stdout() {
    let mut server = server(&["--access-log", "-"]);
    ask(server.address("http"), "/plaintext", "User-Agent: tester\r\n");
    let text = stop(server).text();
    assert!(text.contains("\"GET /plaintext HTTP/1.1\" 200 13") && text.contains("\"tester\""), "{text}");
}

#[test]
fn a_trusted_proxy_names_its_client() {
    let mut server = server(&["--access-log", "-", "--proxy-protocol-from", "127.0.0.0/8"]);
    let addr = server.address("http");
    let mut wire = Wire::connect(addr);
    wire.send("PROXY TCP4 192.0.2.7 192.0.2.8 1000 80\r\nGET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(wire.read_response().status, 200);
    // Without the header the proxy breaks the protocol.
    let mut wire = Wire::connect(addr);
    wire.send("GET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n");
    let (bytes, _) = wire.read_to_close();
    assert!(bytes.is_empty());
    assert!(stop(server).text().lines().any(|line| line.starts_with("192.0.2.7 ")));
}

#[test]
fn each_layer_is_there_when_it_is_asked_for() {
    let plain = {
        let mut server = server(&[]);
        let response = ask(server.address("http"), "/plaintext", "Origin: https://a.test\r\n");
        stop(server);
        response
    };
    let rows: [(&[&str], &str, &str); 5] = [
        (&["--security-headers"], "x-content-type-options", "nosniff"),
        (&["--cors", "https://a.test"], "access-control-allow-origin", "https://a.test"),
        (&["--cors", "*"], "access-control-allow-origin", "*"),
        (&["--server-header", "mine"], "server", "mine"),
        (&["--request-id"], "x-request-id", ""),
    ];
    for (args, name, value) in rows {
        assert_eq!(plain.header(name), None, "{name}");
        let mut server = server(args);
        let response = ask(server.address("http"), "/plaintext", "Origin: https://a.test\r\n");
        let found = response.header(name).unwrap_or_else(|| panic!("no {name} with {args:?}"));
        assert!(value.is_empty() || found == value, "{name}: {found}");
        stop(server);
    }
}

#[test]
fn every_reply_is_signed_when_there_is_a_name() {
    let mut server = server(&["--server-header", "mine"]);
    let addr = server.address("http");
    for (request, status) in [
        ("GET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n", 200),
        ("GET /delay/1 HTTP/1.1\r\nHost: test\r\n\r\n", 200),
        ("GET /nowhere/at/all HTTP/1.1\r\nHost: test\r\n\r\n", 404),
        ("GET / HTTP/1.1\r\n\r\n", 400),
    ] {
        let mut wire = Wire::connect(addr);
        wire.send(request);
        let response = wire.read_response();
        assert_eq!((response.status, response.header("server")), (status, Some("mine")), "{request}");
    }
    stop(server);
}

#[test]
fn limits_of_requests_are_kept() {
    let mut server = server(&["--rate-limit", "2/h"]);
    let addr = server.address("http");
    let statuses = [(); 3].map(|()| ask(addr, "/plaintext", "").status);
    assert_eq!(statuses, [200, 200, 429]);
    stop(server);

    let mut server = self::server(&["--handler-timeout", "100ms"]);
    assert_eq!(ask(server.address("http"), "/delay/5000", "").status, 503);
    stop(server);

    let rows = [
        ("--max-body", "4B", "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nabcde", 413),
        ("--max-uri", "256B", &format!("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", "a".repeat(300)), 414),
        ("--max-fields", "8", &format!("GET / HTTP/1.1\r\nHost: test\r\n{}\r\n", "A: b\r\n".repeat(8)), 431),
        (
            "--max-head",
            "1KiB",
            &format!("GET / HTTP/1.1\r\nHost: test\r\nA: {}\r\n\r\n", "b".repeat(1024)),
            431,
        ),
    ];
    for (option, value, request, status) in rows {
        let mut server = self::server(&[option, value]);
        let mut wire = Wire::connect(server.address("http"));
        wire.send(request);
        assert_eq!(wire.read_response().status, status, "{option}");
        // A refused client that stays is waited for.
        drop(wire);
        stop(server);
    }
}

#[test]
fn a_connection_over_the_limit_is_told_so() {
    let mut server = server(&["--max-connections", "1"]);
    let addr = server.address("http");
    let mut first = Wire::connect(addr);
    first.send("GET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n");
    first.read_response();
    let response = Wire::connect(addr).read_response();
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    stop(server);
}

#[test]
fn names_and_passwords_come_from_the_line_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    fs::write(&file, "# ours\nme:secret\n").unwrap();
    for value in ["me:secret", file.to_str().unwrap()] {
        let mut server = server(&["--basic-auth", value]);
        let addr = server.address("http");
        assert_eq!(ask(addr, "/plaintext", "").status, 401);
        let good = "Authorization: Basic bWU6c2VjcmV0\r\n";
        assert_eq!(ask(addr, "/plaintext", good).status, 200);
        stop(server);
    }
}

#[test]
fn tokens_come_from_the_line_or_a_file_and_stand_beside_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    fs::write(&file, "# ours\nrobot:t0ken\n").unwrap();
    for value in ["robot:t0ken", file.to_str().unwrap()] {
        let mut server = server(&["--bearer-auth", value, "--basic-auth", "me:secret"]);
        let addr = server.address("http");
        let refused = ask(addr, "/plaintext", "Authorization: Bearer wrong\r\n");
        let challenges = refused.headers_named("www-authenticate");
        assert_eq!((refused.status, challenges.len()), (401, 2), "{challenges:?}");
        for good in ["Bearer t0ken", "Basic bWU6c2VjcmV0"] {
            assert_eq!(ask(addr, "/plaintext", &format!("Authorization: {good}\r\n")).status, 200);
        }
        stop(server);
    }
}

#[test]
fn secrets_are_hidden_and_what_is_hidden_is_not_taken() {
    let args = ["http", "--bearer-auth", "robot:t0ken", "--print-config"];
    let printed = ended(&args).success().text();
    assert!(printed.contains("bearer-auth = \"***\"") && !printed.contains("t0ken"), "{printed}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.toml");
    fs::write(&file, &printed).unwrap();
    let message = failure(&["http", "--config", file.to_str().unwrap()], 1);
    assert!(message.contains("--bearer-auth: *** stands for a secret"), "{message}");
}

#[test]
fn clients_show_certificates_when_they_must() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let made = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    fs::write(&ca, made.cert.pem()).unwrap();
    let ca = ca.to_str().unwrap();
    for (auth, gets_in) in [(&[][..], false), (&["--tls-client-auth", "optional"], true)] {
        let mut server = server(&[&["--tls-self-signed", "--tls-client-ca", ca], auth].concat());
        let url = format!("https://{}/plaintext", server.address("http"));
        let asked = Tool::new("curl").args(["-sSk", url.as_str()]).run();
        assert_eq!(asked.status.success(), gets_in, "{auth:?}: {}", asked.stderr);
        stop(server);
    }
}

#[test]
fn a_made_up_certificate_serves_tls() {
    let mut server = server(&["--tls-self-signed"]);
    let url = format!("https://{}/plaintext", server.address("http"));
    let text = Tool::new("curl").args(["-sSk", url.as_str()]).run().success().text();
    assert_eq!(text, "Hello, World!");
    stop(server);
}

#[test]
fn what_is_printed_is_a_file_that_says_the_same() {
    let args =
        ["http", "public", "--listen", ":80", "--head-timeout", "5s", "--no-listing", "--print-config"];
    let printed = ended(&args).success().text();
    for line in ["dir = \"public\"", "listen = [\":80\"]", "head-timeout = \"5s\"", "listing = false"] {
        assert!(printed.lines().any(|printed| printed == line), "{line} in\n{printed}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.toml");
    fs::write(&file, &printed).unwrap();
    let again = ["http", "--config", file.to_str().unwrap(), "--print-config"];
    assert_eq!(ended(&again).success().text(), printed);
    let over = [&again[..], &["--head-timeout", "6s"]].concat();
    assert!(ended(&over).success().text().contains("head-timeout = \"6s\"\n"));
}

#[test]
fn sockets_handed_over_are_served() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // The shell becomes the server, so its process id is the one that the sockets are meant for.
    let script = format!("LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" http 3<&{number}");
    let mut command = Command::new("bash");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_wireworks")]);
    let mut server = Process::start(&mut command, Vec::new());
    assert_eq!(server.address("http"), addr);
    assert_eq!(ask(addr, "/plaintext", "").text(), "Hello, World!");
    stop(server);
}

#[test]
fn without_a_command_the_suite_runs() {
    let mut suite = wireworks(&[]);
    let addr = suite.address("http");
    assert!(addr.ip().is_loopback());
    assert_eq!(ask(addr, "/plaintext", "").text(), "Hello, World!");
    let chat = suite.address("chat");
    let live = suite.address("hls");
    let front = suite.address("balance");
    let status = suite.address("admin");
    assert_eq!(ask(front, "/plaintext", "").text(), "Hello, World!", "through the balancer");
    let page = |addr: SocketAddr, host: &str| {
        let mut wire = Wire::connect(addr);
        wire.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let response = wire.read_response();
        assert_eq!(response.status, 200, "{host}: {response:?}");
        response.text().to_owned()
    };
    for (name, server) in [("chat.localhost", chat), ("hls.localhost", live)] {
        assert_eq!(page(front, name), page(server, name), "through the balancer");
    }
    let shown = page(status, "localhost");
    assert!(shown.contains("<title>"), "{shown}");
    let mut socket = wireworks(&["ws", "connect", &format!("ws://{front}/echo"), "--send", "hi"]);
    socket.wait_for_stdout("hi");
    drop(socket);
    let text = stop(suite).text();
    assert!(text.contains(&format!("ffplay http://{live}/live/demo/index.m3u8")), "{text}");
    assert!(text.contains(&format!("curl -i http://{addr}/")), "{text}");
    assert!(text.contains("listening chat 127.0.0.1:"), "{text}");
}
