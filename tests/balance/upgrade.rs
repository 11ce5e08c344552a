//! One process takes the place of another, and no client notices.

use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::load::{GET, Load, Site, WebSocket};
use super::raw::Backend;
use crate::support::PATIENCE;
use crate::support::command::{server, wireworks};
use crate::support::process::Process;
use crate::support::wire::Wire;

/// The process that a file names, when it is another than `before`.
#[track_caller]
fn successor(file: &Path, before: u32) -> u32 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if let Ok(found) = text.trim().parse()
            && found != before
        {
            return found;
        }
        assert!(Instant::now() < deadline, "no other process is there: {text:?}");
        std::thread::yield_now();
    }
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(number.try_into().unwrap()).unwrap()
}

#[test]
fn five_upgrades_under_load_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "well").unwrap();
    let mut pages = server(&[folder.path().to_str().unwrap()]);
    let mut sockets = wireworks(&["ws", "serve", "--listen", "127.0.0.1:0"]);
    let (path, file) = (folder.path().join("lb.toml"), folder.path().join("lb.pid"));
    let (unix, site) = (folder.path().join("lb.sock"), Site::new());
    let text = format!(
        "[process]\npid-file = {file:?}\n[[listener]]\nlisten = [\"127.0.0.1:0\", \"unix:{}\"]\nto = \"web\"\n\
         [[listener.route]]\npath = \"/echo\"\nto = \"sockets\"\n[upstream.web]\nbackends = [\"{}\"]\n\
         [upstream.sockets]\nbackends = [\"{}\"]\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n{}\n",
        unix.display(),
        pages.address("http"),
        sockets.address("ws"),
        site.tls()
    );
    std::fs::write(&path, text).unwrap();
    let mut balancer = wireworks(&["balance", "--config", path.to_str().unwrap()]);
    let addr = balancer.address("balance");
    assert!(balancer.listening("balance").starts_with("unix:"));
    let tls = balancer.address("balance");
    let mut process = balancer.id();
    assert_eq!(successor(&file, 0), process);
    let mut open = vec![WebSocket::connect(addr)];
    let load = Load::of_all_kinds(addr, tls, &site);
    let mut all = Vec::new();
    for _ in 0..5 {
        load.more(50);
        all.push(process);
        kill_process(pid(process), Signal::USR2).unwrap();
        process = successor(&file, process);
        open.push(WebSocket::connect(addr));
        open.iter_mut().for_each(WebSocket::echo);
    }
    load.more(50);
    load.end();
    open.iter_mut().for_each(WebSocket::echo);
    assert!(unix.exists(), "the socket's file is the successor's");
    // What the old processes have waited for ends, and so do they.
    open.into_iter().for_each(WebSocket::goodbye);
    kill_process(pid(process), Signal::TERM).unwrap();
    let ended = balancer.wait().success();
    assert!(ended.stderr.contains("the new process has taken over"), "{}", ended.stderr);
    all.into_iter().chain([process]).for_each(wait_for_end);
    assert!(!unix.exists() && !file.exists());
}

/// A balancer whose file is written by tests, with sockets of all kinds in a folder of its own.
struct ByFile {
    process: Process,
    folder: tempfile::TempDir,
    text: String,
}

impl ByFile {
    /// One with these listeners and upstreams.
    fn start(rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let text = format!(
            "[process]\nwatch = false\npid-file = {:?}\n[admin]\nlisten = \"unix:{}\"\nmetrics = \"127.0.0.1:0\"\n{}",
            path("lb.pid"),
            path("admin.sock"),
            rest.replace("FOLDER", &path(""))
        );
        std::fs::write(folder.path().join("lb.toml"), &text).unwrap();
        let process = wireworks(&["balance", "--config", &path("lb.toml")]);
        Self { process, folder, text }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path("lb.toml"), text).unwrap();
    }

    /// The status of `GET target` at a Unix socket.
    #[track_caller]
    fn status(&self, socket: &str, target: &str) -> u16 {
        let mut wire = Wire::connect_unix(&self.path(socket));
        wire.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        wire.read_response().status
    }
}

/// Waits until a process has ended: what was not waited for has no arguments any more.
#[track_caller]
fn wait_for_end(process: u32) {
    let deadline = Instant::now() + PATIENCE;
    while std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|text| !text.is_empty()) {
        assert!(Instant::now() < deadline, "process {process} is still there");
        std::thread::yield_now();
    }
}

const LISTENER: &str = "[[listener]]\nlisten = [\"127.0.0.1:0\", \"unix:FOLDER/lb.sock\"]\nto = \"web\"\n";

#[test]
fn a_new_version_that_does_not_start_changes_nothing() {
    let backend = Backend::start(|_, peer| peer.serve("well"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("[[listener]]\nlisten = \"{}\"\nto = \"web\"\n", taken.local_addr().unwrap());
    let rows: [&dyn Fn(&str) -> String; 3] = [
        &|_| "this is no configuration".into(),
        // It has the sockets by then.
        &|text| text.to_owned() + &taken,
        // And it could serve.
        &|text| text.replace("lb.pid", "none/lb.pid"),
    ];
    for change in rows {
        let upstream = format!("[upstream.web]\nbackends = [\"{}\"]\n", backend.addr);
        let mut balancer = ByFile::start(&(LISTENER.to_owned() + &upstream));
        let addr = balancer.process.address("balance");
        let load = Load::start(addr, 2);
        load.more(10);
        balancer.write(&change(&balancer.text));
        balancer.process.signal(Signal::USR2);
        balancer.process.wait_for_stderr("not upgraded; this process goes on");
        load.more(10);
        load.end();
        // The files of its Unix sockets are its own still.
        assert_eq!(balancer.status("lb.sock", "/"), 200);
        assert_eq!(balancer.status("admin.sock", "/api/config"), 200);
        let number = std::fs::read_to_string(balancer.path("lb.pid")).unwrap();
        assert_eq!(number.trim().parse(), Ok(balancer.process.id()));
        balancer.process.signal(Signal::TERM);
        balancer.process.wait().success();
    }
}

#[test]
fn operators_reach_the_new_process_at_the_same_sockets() {
    let backend = Backend::start(|_, peer| peer.serve("well"));
    let upstream = format!("[upstream.web]\nbackends = [\"{}\"]\n", backend.addr);
    let mut balancer = ByFile::start(&(LISTENER.to_owned() + &upstream));
    let metrics = balancer.process.address("metrics");
    let mut before = Wire::connect_unix(&balancer.path("admin.sock"));
    before.send("GET /api/config HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(before.read_response().status, 200);
    let first = balancer.process.id();
    balancer.process.signal(Signal::USR2);
    let second = successor(&balancer.path("lb.pid"), first);
    balancer.process.wait_for_stderr("the new process has taken over");
    assert_eq!(balancer.status("lb.sock", "/"), 200);
    assert_eq!(balancer.status("admin.sock", "/api/config"), 200);
    let mut wire = Wire::connect(metrics);
    wire.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.read_response().status, 200, "the old one would say that it stops");
    drop((before, wire));
    wait_for_end(first);
    assert_eq!(balancer.status("admin.sock", "/api/config"), 200);
    kill_process(pid(second), Signal::TERM).unwrap();
    wait_for_end(second);
    for name in ["lb.sock", "admin.sock", "lb.pid"] {
        assert!(!balancer.path(name).exists(), "{name}");
    }
}

/// A ClientHello of 46 bytes without extensions.
fn client_hello() -> Vec<u8> {
    let body = [&[3, 3][..], &[7; 32], b"\x00\x00\x02\x13\x01\x01\x00"].concat();
    [&[0x16, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8][..], &body].concat()
}

#[test]
fn who_is_about_to_say_what_it_wants_is_served_by_the_old_process() {
    let web = Backend::start(|_, peer| peer.serve("well"));
    let echo = Backend::start(|_, peer| {
        let mut hello = vec![0; client_hello().len()];
        peer.stream.read_exact(&mut hello)?;
        peer.say(hello)?;
        peer.hold()
    });
    let mut balancer = ByFile::start(&format!(
        "[[listener]]\nlisten = \"127.0.0.1:0\"\nproxy-protocol-from = [\"127.0.0.0/8\"]\nto = \"web\"\n\
         [[listener]]\nlisten = \"127.0.0.1:0\"\nmode = \"tcp\"\nto = \"echo\"\n[[listener.route]]\nsni = \"a.test\"\nto = \"echo\"\n\
         [upstream.web]\nbackends = [\"{}\"]\n[upstream.echo]\nbackends = [\"{}\"]\n",
        web.addr, echo.addr
    ));
    let (http, tcp) = (balancer.process.address("balance"), balancer.process.address("balance"));
    let (mut proxied, mut passed) = (Wire::connect(http), Wire::connect(tcp));
    let hello = client_hello();
    proxied.send("PROXY TCP4 192.0.2.1");
    passed.send(&hello[..20]);
    proxied.wait_until_read();
    passed.wait_until_read();
    let first = balancer.process.id();
    balancer.process.signal(Signal::USR2);
    let second = successor(&balancer.path("lb.pid"), first);
    balancer.process.wait_for_stderr("the new process has taken over");
    proxied.send(format!(" 192.0.2.2 1 2\r\n{GET}"));
    assert_eq!(proxied.read_response().status, 200);
    passed.send(&hello[20..]);
    assert_eq!(passed.read_exact(hello.len()), hello);
    drop((proxied, passed));
    wait_for_end(first);
    kill_process(pid(second), Signal::TERM).unwrap();
    wait_for_end(second);
}

/// The process whose parent is this one, once there is one.
#[track_caller]
fn child_of(parent: u32) -> u32 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(process) = entry.file_name().to_string_lossy().parse() else { continue };
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // Behind the name in brackets: the state, and the parent.
            let behind = stat.rsplit_once(") ").map(|(_, behind)| behind.split(' ').nth(1));
            if behind == Some(Some(&*parent.to_string())) {
                return process;
            }
        }
        assert!(Instant::now() < deadline, "there is no new process");
        std::thread::yield_now();
    }
}

#[test]
fn a_stop_while_the_new_process_starts_stops_both() {
    let backend = Backend::start(|_, peer| peer.serve("well"));
    let upstream = format!("[upstream.web]\nbackends = [\"{}\"]\n", backend.addr);
    let mut balancer = ByFile::start(&(LISTENER.to_owned() + &upstream));
    balancer.process.address("balance");
    // Whoever reads it waits until somebody writes.
    let path = balancer.path("lb.toml");
    std::fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    balancer.process.signal(Signal::USR2);
    balancer.process.wait_for_stderr("upgrading");
    let second = child_of(balancer.process.id());
    balancer.process.signal(Signal::TERM);
    wait_for_end(second);
    balancer.process.wait().success();
}
