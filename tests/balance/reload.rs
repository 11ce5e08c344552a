//! A configuration that changes while clients are there: what is new counts from the next request on, and nobody is cut.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Instant;

use rustix::process::Signal;
use wireworks::server::balance::balancer;
use wireworks::server::balance::config::Config;
use wireworks::server::process::Running;

use super::load::{GET, Load, Site, WebSocket};
use super::raw::Backend;
use crate::support::PATIENCE;
use crate::support::command::{server, wireworks};
use crate::support::wire::Wire;

/// A balancer by a file, which tests write anew.
struct ByFile {
    running: Running,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl ByFile {
    #[track_caller]
    fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lb.toml");
        std::fs::write(&path, text).unwrap();
        let config = Config::read(&path).unwrap();
        let running = balancer::start_file(path.clone(), &config).unwrap();
        Self { running, path, _folder: folder }
    }

    /// Writes the file in one step, as careful editors do.
    fn write(&self, text: &str) {
        let beside = self.path.with_extension("new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, &self.path).unwrap();
    }

    fn reload(&self, text: &str) {
        self.write(text);
        self.running.reload();
    }

    fn addr(&self) -> SocketAddr {
        self.running.tcp().unwrap()
    }
}

/// Nothing happens but by [`ByFile::reload`].
const PROCESS: &str = "[process]\nthreads = 2\nwatch = false\n";

fn listener(listen: &str, more: &str) -> String {
    format!("[[listener]]\nlisten = \"{listen}\"\nto = \"web\"\n{more}\n")
}

fn upstream(backend: SocketAddr, more: &str) -> String {
    format!("[upstream.web]\nbackends = [\"{backend}\"]\n{more}\n")
}

/// A backend that answers with `text`.
fn saying(text: &'static str) -> Backend {
    Backend::start(move |_, peer| peer.serve(text))
}

#[track_caller]
fn ask(wire: &mut Wire) -> String {
    wire.send(GET);
    let response = wire.read_response();
    assert_eq!(response.status, 200, "{response:?}");
    response.text().to_owned()
}

fn free_port() -> String {
    super::raw::nobody().to_string()
}

#[test]
fn the_next_request_of_a_connection_goes_where_the_new_file_says() {
    let (one, two) = (saying("one"), saying("two"));
    let text = |backend| PROCESS.to_owned() + &listener("127.0.0.1:0", "") + &upstream(backend, "");
    let balancer = ByFile::start(&text(one.addr));
    let mut wire = Wire::connect(balancer.addr());
    assert_eq!(ask(&mut wire), "one");
    balancer.reload(&text(two.addr));
    assert_eq!(ask(&mut wire), "two", "over the same connection");
    balancer.reload(&text(one.addr));
    assert_eq!(ask(&mut wire), "one");
    assert_eq!(ask(&mut Wire::connect(balancer.addr())), "one");
}

#[test]
fn a_backend_that_stays_keeps_its_connections() {
    let one = saying("one");
    let text = |more| PROCESS.to_owned() + &listener("127.0.0.1:0", "") + &upstream(one.addr, more);
    let balancer = ByFile::start(&text(""));
    let mut wire = Wire::connect(balancer.addr());
    for more in ["", "algorithm = \"least\"", "connect-timeout = \"1s\"", "retries = 1"] {
        balancer.reload(&text(more));
        assert_eq!(ask(&mut wire), "one");
    }
    let connections: Vec<_> = one.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0; 4]);
}

#[test]
fn a_bad_file_is_refused_as_a_whole() {
    let (one, two) = (saying("one"), saying("two"));
    let text = |backend| PROCESS.to_owned() + &listener("127.0.0.1:0", "") + &upstream(backend, "");
    let balancer = ByFile::start(&text(one.addr));
    let mut wire = Wire::connect(balancer.addr());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (new, other) = (text(two.addr), free_port());
    let rows = [
        "not toml".to_owned(),
        new.replace("to = \"web\"", "to = \"wep\""),
        new.clone() + &listener(&taken.local_addr().unwrap().to_string(), ""),
        listener(&other, "")
            + &new
            + "[[listener]]\nlisten = \":0\"\nto = \"web\"\ntls = { certificates = [{ cert = \"/none\", key = \"/none\" }] }\n",
    ];
    for row in rows {
        balancer.reload(&row);
        assert_eq!(ask(&mut wire), "one", "{row}");
        assert!(std::net::TcpStream::connect(&other).is_err(), "a part of it is in use: {row}");
    }
    balancer.reload(&new);
    assert_eq!(ask(&mut wire), "two");
}

#[test]
fn listeners_come_and_go() {
    let one = saying("one");
    let (second, third) = (free_port(), free_port());
    let text = |listeners: &[&str]| {
        let listeners: String = listeners.iter().map(|listen| listener(listen, "")).collect();
        PROCESS.to_owned() + &listeners + &upstream(one.addr, "")
    };
    let balancer = ByFile::start(&text(&["127.0.0.1:0"]));
    balancer.reload(&text(&["127.0.0.1:0", &second]));
    let mut stays = Wire::connect(second.parse().unwrap());
    assert_eq!(ask(&mut stays), "one");
    balancer.reload(&text(&[&third, "127.0.0.1:0"]));
    assert_eq!(ask(&mut Wire::connect(third.parse().unwrap())), "one");
    assert_eq!(ask(&mut Wire::connect(balancer.addr())), "one", "its port is the same");
    assert_eq!(ask(&mut stays), "one", "connections of a listener that is gone go on");
    let deadline = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(&second).is_ok() {
        assert!(Instant::now() < deadline, "it still accepts");
        std::thread::yield_now();
    }
}

#[test]
fn a_listener_changes_at_its_port() {
    let one = saying("one");
    let text = |more| PROCESS.to_owned() + &listener("127.0.0.1:0", more) + &upstream(one.addr, "");
    let balancer = ByFile::start(&text(""));
    let mut before = Wire::connect(balancer.addr());
    assert_eq!(ask(&mut before), "one");
    balancer.reload(&text("proxy-protocol-from = [\"127.0.0.0/8\"]"));
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A connection that the old one has accepted may still be in its hands.
        let mut wire = Wire::connect(balancer.addr());
        wire.send(format!("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n{GET}"));
        if wire.read_response().status == 200 {
            break;
        }
        assert!(Instant::now() < deadline, "it does not take the header");
    }
    let forwarded = one.requests().last().unwrap().all("x-forwarded-for").join(",");
    assert_eq!(forwarded, "192.0.2.1");
    assert_eq!(ask(&mut before), "one");
}

#[test]
fn connections_count_whichever_way_they_came_in() {
    let one = saying("one");
    let text = |more: &str| {
        let more = format!("max-connections = 2\n{more}");
        PROCESS.to_owned() + &listener("127.0.0.1:0", &more) + &upstream(one.addr, "")
    };
    let balancer = ByFile::start(&text(""));
    let mut open = [0, 1].map(|_| Wire::connect(balancer.addr()));
    open.iter_mut().for_each(|wire| assert_eq!(ask(wire), "one"));
    balancer.reload(&text("idle-timeout = \"9s\""));
    let mut third = Wire::connect(balancer.addr());
    third.send(GET);
    assert_eq!(third.read_response().status, 503);
    drop(open);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut wire = Wire::connect(balancer.addr());
        wire.send(GET);
        if wire.read_response().status == 200 {
            break;
        }
        assert!(Instant::now() < deadline, "who has left counts still");
    }
}

#[test]
fn limits_that_stay_count_on() {
    let one = saying("one");
    let text = |limits: &str, more: &str| {
        PROCESS.to_owned()
            + &listener("127.0.0.1:0", &format!("limits = {{ {limits} }}\n{more}"))
            + &upstream(one.addr, "")
    };
    let rate = "requests = { rate = \"2/h\" }";
    let balancer = ByFile::start(&text(rate, ""));
    let status = |path: &str| {
        let mut wire = Wire::connect(balancer.addr());
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        wire.read_response().status
    };
    assert_eq!((status("/"), status("/"), status("/")), (200, 200, 429));
    // What is around the limit may change, and routes may come in front of its own.
    let route = "[[listener.route]]\npath = \"/a\"\nto = \"web\"\nlimits = { requests = { rate = \"1/h\" } }";
    for more in ["", "timeout = \"9s\"", "max-connections = 99", "trace = true"] {
        balancer.reload(&text(rate, more));
        assert_eq!(status("/"), 429, "{more}");
    }
    // Another limit is another.
    balancer.reload(&text("requests = { rate = \"3/h\" }", ""));
    assert_eq!((status("/"), status("/"), status("/"), status("/")), (200, 200, 200, 429));
    // That of a route counts for the route.
    let wide = "requests = { rate = \"100/h\" }";
    balancer.reload(&text(wide, route));
    assert_eq!((status("/a"), status("/a"), status("/")), (200, 429, 200));
    let other = "[[listener.route]]\npath = \"/b\"\nto = \"web\"\n";
    balancer.reload(&text(wide, &(other.to_owned() + route)));
    assert_eq!((status("/a"), status("/b")), (429, 200));
}

#[test]
fn requests_that_wait_are_served_when_the_limit_is_gone() {
    let (here, came) = std::sync::mpsc::channel();
    let backend = Backend::start(move |number, peer| {
        peer.request()?;
        here.send(number).unwrap();
        // The first is never answered.
        if number == 0 { peer.hold() } else { peer.say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none") }
    });
    let text = |more| PROCESS.to_owned() + &listener("127.0.0.1:0", "") + &upstream(backend.addr, more);
    let balancer = ByFile::start(&text("max-connections = 1\nqueue-timeout = \"1h\""));
    let (mut first, mut second) = (Wire::connect(balancer.addr()), Wire::connect(balancer.addr()));
    first.send(GET);
    came.recv_timeout(PATIENCE).unwrap();
    second.send(GET);
    second.wait_until_read();
    balancer.reload(&text(""));
    assert_eq!(second.read_response().text(), "one");
}

#[test]
fn a_file_that_changes_is_read_without_being_asked() {
    let (one, two) = (saying("one"), saying("two"));
    let text = |backend| listener("127.0.0.1:0", "") + &upstream(backend, "");
    let balancer = ByFile::start(&text(one.addr));
    let mut wire = Wire::connect(balancer.addr());
    assert_eq!(ask(&mut wire), "one");
    balancer.write(&text(two.addr));
    let deadline = Instant::now() + PATIENCE;
    while ask(&mut wire) != "two" {
        assert!(Instant::now() < deadline, "it is not read");
    }
}

#[test]
fn files_of_tls_to_backends_are_read_again_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let certificate = || rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let (own, other) = (certificate(), certificate());
    std::fs::write(file("cert.pem"), own.cert.pem()).unwrap();
    std::fs::write(file("key.pem"), own.signing_key.serialize_pem()).unwrap();
    std::fs::write(file("ca.pem"), other.cert.pem()).unwrap();
    std::fs::write(file("index.html"), "well").unwrap();
    let mut pages = server(&[&file(""), "--tls-cert", &file("cert.pem"), "--tls-key", &file("key.pem")]);
    let balancer = ByFile::start(&format!(
        "[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n[upstream.web]\nbackends = [\"{}\"]\n\
         outlier = {{ faults = 0, errors = 0, rate = 0 }}\ntls = {{ name = \"a.test\", ca = {:?} }}\n",
        pages.address("http"),
        file("ca.pem")
    ));
    let status = || {
        let mut wire = Wire::connect(balancer.addr());
        wire.send(GET);
        wire.read_response().status
    };
    assert_eq!(status(), 502, "the backend's certificate is another's");
    std::fs::write(file("new.pem"), own.cert.pem()).unwrap();
    std::fs::rename(file("new.pem"), file("ca.pem")).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while status() != 200 {
        assert!(Instant::now() < deadline, "the file is not read");
    }
}

#[test]
fn fifty_reloads_under_load_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "well").unwrap();
    let mut pages = server(&[folder.path().to_str().unwrap()]);
    let mut sockets = wireworks(&["ws", "serve", "--listen", "127.0.0.1:0"]);
    let (pages_at, sockets_at) = (pages.address("http"), sockets.address("ws"));
    let path = folder.path().join("lb.toml");
    let site = Site::new();
    let write = |weight: u32| {
        let text = format!(
            "[process]\nwatch = false\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\nmax-connections = {}\n\
             [[listener.route]]\npath = \"/echo\"\nto = \"sockets\"\n[upstream.web]\n\
             backends = [{{ address = \"{pages_at}\", weight = {weight} }}]\ncheck = {{}}\n\
             [upstream.sockets]\nbackends = [\"{sockets_at}\"]\n\
             [[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\nidle-timeout = \"{}s\"\n{}\n",
            1000 + weight % 2,
            60 + weight % 2,
            site.tls()
        );
        std::fs::write(&path, text).unwrap();
    };
    write(1);
    let mut balancer = wireworks(&["balance", "--config", path.to_str().unwrap()]);
    let (addr, tls) = (balancer.address("balance"), balancer.address("balance"));
    let mut open: Vec<_> = (0..4).map(|_| WebSocket::connect(addr)).collect();
    let load = Load::of_all_kinds(addr, tls, &site);
    load.more(20);
    let of_process = format!("/proc/{}", balancer.id());
    let count = |what: &str| std::fs::read_dir(format!("{of_process}/{what}")).unwrap().count();
    let before = (count("fd"), count("task"));
    for number in 2..52 {
        load.more(20);
        write(number);
        balancer.signal(Signal::HUP);
        balancer.wait_for_stderr(&format!("generation={number}"));
        open.iter_mut().for_each(WebSocket::echo);
    }
    load.more(20);
    // A descriptor of each reload that is not closed would be fifty; some connections to backends may have come.
    let after = (count("fd"), count("task"));
    assert!(
        after.0 < before.0 + 25 && after.1 < before.1 + 10,
        "descriptors and threads: {before:?}, {after:?}"
    );
    load.end();
    open.into_iter().for_each(WebSocket::goodbye);
    balancer.signal(Signal::TERM);
    balancer.wait().success();
}
