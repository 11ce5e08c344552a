//! Servers as other programs make them: `Server::builder` and what it gives, over real sockets.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use wireworks::net::addr::ListenAddr;
use wireworks::net::limits::ConnectionLimits;
use wireworks::net::shards::Threading;
use wireworks::server::http::Server;
use wireworks::server::http::middleware::Stack;
use wireworks::server::http::middleware::access_log::{Format, Target};
use wireworks::server::http::middleware::request_id::RequestIds;
use wireworks::server::http::request::Request;
use wireworks::server::http::settings::Settings;
use wireworks::server::process::{Address, Handle, Running};

use crate::support::certificate::certificate;
use crate::support::response::Response;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn hello(_: Request) -> &'static str {
    "hello"
}

fn server() -> Server {
    Server::new(hello).listen("127.0.0.1:0").threads(1)
}

fn ask(mut wire: Wire, request: &str) -> Response {
    wire.send(request);
    wire.read_response()
}

/// The addresses of a server of this name that have ports.
fn ports(running: &Running, name: &str) -> Vec<SocketAddr> {
    let addresses = running.addresses().iter().filter(|address| address.server == name);
    addresses
        .filter_map(|address| match address.address {
            ListenAddr::Tcp(address) => Some(address),
            _ => None,
        })
        .collect()
}

#[test]
fn it_listens_at_several_addresses_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    for threading in [Threading::PerCore, Threading::Shared] {
        let running = server()
            .listen(any)
            .listen(ListenAddr::Unix(path.clone()))
            .metrics("127.0.0.1:0")
            .threads(2)
            .threading(threading)
            .start()
            .unwrap();
        let tcp = ports(&running, "http");
        assert_eq!((tcp.len(), running.addresses().len()), (2, 4));
        assert_eq!(running.tcp(), Some(tcp[0]));
        for address in &tcp {
            assert_eq!(ask(Wire::connect(*address), GET).text(), "hello");
        }
        assert_eq!(ask(Wire::connect_unix(&path), GET).text(), "hello");
        let metrics = ports(&running, "metrics")[0];
        let text = ask(Wire::connect(metrics), "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(text.text().contains("wireworks_http_requests_total{"), "{}", text.text());
        assert_eq!(running.stop().unwrap().aborted, 0);
        assert!(TcpStream::connect(tcp[0]).is_err() && !path.exists());
    }
}

#[test]
fn a_handle_stops_it_from_anywhere() {
    let handle = Handle::new();
    let inside = handle.clone();
    let stopping = move |_: Request| {
        let handle = inside.clone();
        async move {
            handle.stop();
            "stopping"
        }
    };
    let server = Server::new(stopping).listen("127.0.0.1:0").handle(handle.clone());
    let running = server.start().unwrap();
    let response = ask(Wire::connect(running.tcp().unwrap()), GET);
    assert_eq!(response.text(), "stopping");
    assert!(handle.is_stopping());
    assert_eq!(running.wait().unwrap().aborted, 0);
}

#[test]
fn who_has_connected_when_it_is_ready_is_served_even_if_it_stops_at_once() {
    for threading in [Threading::PerCore, Threading::Shared] {
        let handle = Handle::new();
        let (tell, told) = channel();
        let stop = handle.clone();
        let running = server()
            .threading(threading)
            .handle(handle)
            .on_ready(move |addresses: &[Address]| {
                let ListenAddr::Tcp(address) = addresses[0].address else { panic!("{addresses:?}") };
                let mut wire = Wire::connect(address);
                wire.send(GET);
                stop.stop();
                tell.send(wire).unwrap();
            })
            .start()
            .unwrap();
        let mut wire = told.recv().unwrap();
        assert_eq!(wire.read_response().text(), "hello", "{threading:?}");
        assert_eq!(running.wait().unwrap().aborted, 0);
    }
}

#[test]
fn a_server_that_has_ended_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    for threading in [Threading::PerCore, Threading::Shared] {
        let held = Arc::new(());
        let left = Arc::downgrade(&held);
        let handler = move |_: Request| {
            let _held = Arc::clone(&held);
            async { "hello" }
        };
        let log = folder.path().join("access.log");
        let running = Server::new(handler)
            .listen("127.0.0.1:0")
            .metrics("127.0.0.1:0")
            .access_log(Format::Json, Target::File(log))
            .threading(threading)
            .start()
            .unwrap();
        let address = running.tcp().unwrap();
        assert_eq!(ask(Wire::connect(address), GET).text(), "hello");
        assert_eq!(ask(Wire::connect(address), "GET\r\n\r\n").status, 400);
        let metrics = ports(&running, "metrics")[0];
        let text = ask(Wire::connect(metrics), "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(text.text().contains("wireworks_connections_accepted_total 2\n"));
        running.stop().unwrap();
        assert_eq!(left.strong_count(), 0, "{threading:?}");
    }
}

#[test]
fn what_does_not_end_in_time_is_cut_and_counted() {
    let forever = |mut request: Request| async move { request.bytes().await.map(|_| ()) };
    let start = |timeout| {
        let server = Server::new(forever).listen("127.0.0.1:0").threads(1);
        let running = server.drain_timeout(timeout).start().unwrap();
        let mut wire = Wire::connect(running.tcp().unwrap());
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
        wire.wait_until_read();
        (running, wire)
    };
    let (running, _wire) = start(Duration::from_millis(100));
    assert_eq!(running.stop().unwrap().aborted, 1);
    let (running, _wire) = start(Duration::from_secs(3600));
    running.handle().stop_now();
    assert_eq!(running.wait().unwrap().aborted, 1);
}

#[test]
fn certificates_are_made_up_or_come_from_files_and_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    certificate(&cert, &key, "first");
    let curl = |running: &Running, args: &[&str]| {
        let url = format!("https://localhost:{}/", running.tcp().unwrap().port());
        Tool::new("curl").args(["-sS"]).args(args).args([url.as_str()]).run()
    };
    let made_up = server().tls_self_signed().start().unwrap();
    assert_eq!(curl(&made_up, &["-k"]).success().text(), "hello");
    let running = server().tls(&cert, &key).start().unwrap();
    let trusted = folder.path().join("trusted.pem");
    fs::copy(&cert, &trusted).unwrap();
    let trusting = ["--cacert", trusted.to_str().unwrap()];
    assert_eq!(curl(&running, &trusting).success().text(), "hello");
    certificate(&cert, &key, "second");
    running.reload();
    assert!(!curl(&running, &trusting).status.success(), "the first one is gone");
    assert_eq!(curl(&running, &["-k"]).success().text(), "hello");
}

#[test]
fn settings_limits_and_the_stack_are_as_they_were_given() {
    let settings = Settings { server_name: Some("mine".parse().unwrap()), ..Settings::default() };
    let running = server()
        .settings(settings)
        .connections(ConnectionLimits { total: 1, per_address: 0 })
        .stack(Stack { request_id: Some(RequestIds), ..Stack::default() })
        .start()
        .unwrap();
    let address = running.tcp().unwrap();
    let mut first = Wire::connect(address);
    first.send(GET);
    let response = first.read_response();
    assert_eq!(response.header("server"), Some("mine"));
    assert!(response.header("x-request-id").is_some());
    assert_eq!(Wire::connect(address).read_response().status, 503);
}

#[test]
fn every_request_is_in_the_access_log_the_refused_ones_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = server().access_log(Format::Combined, Target::File(path.clone()));
    let running = log.start().unwrap();
    let address = running.tcp().unwrap();
    assert_eq!(ask(Wire::connect(address), GET).status, 200);
    assert_eq!(ask(Wire::connect(address), "nonsense\r\n\r\n").status, 400);
    running.stop().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let statuses: Vec<_> = text.lines().filter_map(|line| line.split('"').nth(2)).collect();
    assert_eq!(statuses, [" 200 5 ", " 400 0 "], "{text}");
}

#[test]
fn connections_over_a_limit_are_counted_and_logged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let limited = |limits| {
        let running = server()
            .connections(limits)
            .access_log(Format::Combined, Target::File(path.clone()))
            .metrics("127.0.0.1:0");
        fs::write(&path, "").unwrap();
        running
    };
    let one_in_all = ConnectionLimits { total: 1, per_address: 0 };
    let one_of_each = ConnectionLimits { total: 0, per_address: 1 };
    let lines = || {
        let text = fs::read_to_string(&path).unwrap();
        let refused = text.lines().filter(|line| line.ends_with("\"-\" 503 0 \"-\" \"-\""));
        (refused.count(), text)
    };
    for (limits, reason) in
        [(one_in_all, "too_many_connections"), (one_of_each, "too_many_connections_of_address")]
    {
        let running = limited(limits).start().unwrap();
        let mut held = Wire::connect(running.tcp().unwrap());
        held.send(GET);
        held.read_response();
        for _ in 0..2 {
            assert_eq!(Wire::connect(running.tcp().unwrap()).read_response().status, 503);
        }
        assert_eq!(refusals(&running, reason), 2);
        drop(held);
        running.stop().unwrap();
        let (refused, text) = lines();
        assert_eq!(refused, 2, "{text}");
        assert!(text.lines().all(|line| line.starts_with("127.0.0.1 - - [")), "{text}");
    }
    // Over TLS there is no reply, and so no line.
    let running = limited(one_in_all).tls_self_signed().start().unwrap();
    let _held = TcpStream::connect(running.tcp().unwrap()).unwrap();
    let (said, _) = Wire::connect(running.tcp().unwrap()).read_to_close();
    assert!(said.is_empty());
    assert_eq!(refusals(&running, "too_many_connections"), 1);
    running.stop().unwrap();
    assert_eq!(lines().0, 0);
}

/// What the metrics say of a reason.
fn refusals(running: &Running, reason: &str) -> u64 {
    let metrics = ports(running, "metrics")[0];
    let reply = ask(Wire::connect(metrics), "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    let name = format!("wireworks_http_refusals_total{{reason=\"{reason}\"}} ");
    let mut lines = reply.text().lines();
    lines.find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or_default()
}

#[test]
fn a_panic_is_answered_for_unless_the_program_wants_otherwise() {
    async fn panics(_: Request) -> &'static str {
        panic!("on purpose")
    }
    let running = Server::new(panics).listen("127.0.0.1:0").threads(1).start().unwrap();
    assert_eq!(ask(Wire::connect(running.tcp().unwrap()), GET).status, 500);
}

#[test]
fn it_serves_within_a_program_that_is_asynchronous() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let running = server().start().unwrap();
        assert_eq!(ask(Wire::connect(running.tcp().unwrap()), GET).text(), "hello");
    });
}
