//! Processes that end: a backend that is killed, and a balancer that is told to stop.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use rustix::process::Signal;

use super::load::{GET, Load, WebSocket};
use crate::support::PATIENCE;
use crate::support::command::{server, wireworks};
use crate::support::process::Process;
use crate::support::wire::Wire;

/// The built command over these backends, and its address.
fn balancer(args: &[&str], to: &[String]) -> (Process, std::net::SocketAddr) {
    let mut all = vec!["balance", "--listen", "127.0.0.1:0"];
    all.extend(args);
    to.iter().for_each(|to| all.extend(["--to", to]));
    let mut balancer = wireworks(&all);
    let addr = balancer.address("balance");
    (balancer, addr)
}

#[test]
fn of_three_backends_one_can_be_killed_under_load() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "well").unwrap();
    let root = folder.path().to_str().unwrap();
    let mut backends: Vec<_> = (0..3).map(|_| server(&[root])).collect();
    let to: Vec<_> = backends.iter_mut().map(|backend| backend.address("http").to_string()).collect();
    let (mut balancer, addr) = balancer(&[], &to);
    let load = Load::start(addr, 8);
    load.more(200);
    backends.remove(1).signal(Signal::KILL);
    load.more(500);
    // Requests that fail eject it, or its checks find it down: whichever comes first.
    balancer.wait_for_stderr(&format!("backend={}", to[1]));
    load.more(200);
    load.end();
    balancer.signal(Signal::TERM);
    balancer.wait().success();
}

#[test]
fn without_retries_requests_fail_only_until_the_dead_backend_is_known() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "well").unwrap();
    let root = folder.path().to_str().unwrap();
    let mut backends: Vec<_> = (0..3).map(|_| server(&[root])).collect();
    let to: Vec<_> = backends.iter_mut().map(|backend| backend.address("http").to_string()).collect();
    let file = folder.path().join("lb.toml");
    // Nothing but the requests tells that it is dead, and it is not tried again.
    let text = format!(
        "[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n[upstream.web]\nbackends = {to:?}\nretries = 0\noutlier = {{ time = \"1h\", max-time = \"1h\" }}\n"
    );
    std::fs::write(&file, text).unwrap();
    let mut balancer = wireworks(&["balance", "--config", file.to_str().unwrap()]);
    let addr = balancer.address("balance");
    let [stop, known] = [(), ()].map(|()| AtomicBool::new(false));
    let [well, failed] = [(), ()].map(|()| AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let known = known.load(Ordering::SeqCst);
                    let mut wire = Wire::connect(addr);
                    wire.send(GET);
                    match wire.read_response().status {
                        200 => well.fetch_add(1, Ordering::SeqCst),
                        status => {
                            assert!(!known && status == 502, "{status}, known: {known}");
                            failed.fetch_add(1, Ordering::SeqCst)
                        }
                    };
                }
            });
        }
        let more = |more: usize| {
            let (goal, deadline) = (well.load(Ordering::SeqCst) + more, Instant::now() + PATIENCE);
            while well.load(Ordering::SeqCst) < goal && Instant::now() < deadline {
                std::thread::yield_now();
            }
        };
        more(100);
        backends.remove(1).signal(Signal::KILL);
        balancer.wait_for_stderr(&format!("backend={}", to[1]));
        known.store(true, Ordering::SeqCst);
        more(500);
        stop.store(true, Ordering::SeqCst);
    });
    let (well, failed) = (well.into_inner(), failed.into_inner());
    assert!(well >= 600 && failed >= 3, "{well} are well, and {failed} failed before it was known");
    balancer.signal(Signal::TERM);
    balancer.wait().success();
}

/// A page of a backend that answers when it is told to.
fn slow() -> (super::raw::Backend, std::sync::mpsc::Sender<()>, std::sync::mpsc::Receiver<()>) {
    let (go, told) = std::sync::mpsc::channel::<()>();
    let (here, came) = std::sync::mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let backend = super::raw::Backend::start(move |_, peer| {
        peer.request()?;
        here.send(()).unwrap();
        told.lock().unwrap().recv_timeout(PATIENCE).map_err(std::io::Error::other)?;
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")?;
        peer.hold()
    });
    (backend, go, came)
}

#[test]
fn a_stop_can_be_delayed_while_the_health_check_fails() {
    let backend = super::raw::Backend::start(|_, peer| peer.serve("well"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lb.toml");
    // Longer than the test: the second signal ends the delay.
    let text = format!(
        "[process]\nstop-delay = \"1h\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n[upstream.web]\nbackends = [\"{}\"]\n",
        backend.addr
    );
    std::fs::write(&file, text).unwrap();
    let mut balancer = wireworks(&["balance", "--config", file.to_str().unwrap()]);
    let (addr, admin) = (balancer.address("balance"), balancer.address("admin"));
    let get = |addr, path: &str| {
        let mut wire = Wire::connect(addr);
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        wire.read_response()
    };
    assert_eq!(get(admin, "/healthz").status, 200);
    balancer.signal(Signal::TERM);
    balancer.wait_for_stderr("stopping after a delay");
    assert_eq!(get(admin, "/healthz").status, 503);
    assert_eq!(get(addr, "/").text(), "well");
    balancer.signal(Signal::TERM);
    balancer.wait().success();
}

#[test]
fn a_balancer_that_stops_finishes_what_it_has() {
    // A request.
    let (backend, go, came) = slow();
    let (http, addr) = balancer(&[], &[backend.addr.to_string()]);
    let mut wire = Wire::connect(addr);
    wire.send(GET);
    came.recv_timeout(PATIENCE).unwrap();
    // A connection of TCP.
    let (far, go_far, came_far) = slow();
    let (tcp, tcp_addr) = balancer(&["--l4"], &[far.addr.to_string()]);
    let mut joined = Wire::connect(tcp_addr);
    joined.send(GET);
    came_far.recv_timeout(PATIENCE).unwrap();
    // A WebSocket.
    let mut sockets = wireworks(&["ws", "serve", "--listen", "127.0.0.1:0"]);
    let (ws, ws_addr) = balancer(&[], &[sockets.address("ws").to_string()]);
    let mut socket = WebSocket::connect(ws_addr);

    for (balancer, addr) in [(&http, addr), (&tcp, tcp_addr), (&ws, ws_addr)] {
        balancer.signal(Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(addr).is_ok() {
            assert!(Instant::now() < deadline, "it still accepts");
            std::thread::yield_now();
        }
    }
    for (go, wire) in [(go, &mut wire), (go_far, &mut joined)] {
        go.send(()).unwrap();
        let response = wire.read_response();
        assert_eq!((response.status, response.text()), (200, "late"));
    }
    socket.echo();
    socket.goodbye();
    drop((wire, joined));
    for balancer in [http, tcp, ws] {
        let ended = balancer.wait().success();
        assert!(!ended.stderr.contains("abort"), "{}", ended.stderr);
    }
}
