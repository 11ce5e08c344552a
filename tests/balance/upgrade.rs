//! One process takes the place of another, and no client notices.

use std::path::Path;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::load::{Load, WebSocket};
use crate::support::PATIENCE;
use crate::support::command::{server, wireworks};

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
    let unix = folder.path().join("lb.sock");
    let text = format!(
        "[process]\npid-file = {file:?}\n[[listener]]\nlisten = [\"127.0.0.1:0\", \"unix:{}\"]\nto = \"web\"\n\
         [[listener.route]]\npath = \"/echo\"\nto = \"sockets\"\n[upstream.web]\nbackends = [\"{}\"]\n\
         [upstream.sockets]\nbackends = [\"{}\"]\n",
        unix.display(),
        pages.address("http"),
        sockets.address("ws")
    );
    std::fs::write(&path, text).unwrap();
    let mut balancer = wireworks(&["balance", "--config", path.to_str().unwrap()]);
    let addr = balancer.address("balance");
    let mut process = balancer.id();
    assert_eq!(successor(&file, 0), process);
    let mut open = vec![WebSocket::connect(addr)];
    let load = Load::start(addr, 8);
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
    let deadline = Instant::now() + PATIENCE;
    for process in all.into_iter().chain([process]) {
        // What has ended and was not waited for has no arguments any more.
        while std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|text| !text.is_empty()) {
            assert!(Instant::now() < deadline, "process {process} is still there");
            std::thread::yield_now();
        }
    }
    assert!(!unix.exists() && !file.exists());
}

#[test]
fn a_new_version_that_does_not_start_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "well").unwrap();
    let mut pages = server(&[folder.path().to_str().unwrap()]);
    let path = folder.path().join("lb.toml");
    let text = format!(
        "[process]\nwatch = false\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n\
         [upstream.web]\nbackends = [\"{}\"]\n",
        pages.address("http")
    );
    std::fs::write(&path, text).unwrap();
    let mut balancer = wireworks(&["balance", "--config", path.to_str().unwrap()]);
    let load = Load::start(balancer.address("balance"), 2);
    load.more(10);
    std::fs::write(&path, "this is no configuration").unwrap();
    balancer.signal(Signal::USR2);
    balancer.wait_for_stderr("not upgraded; this process goes on");
    load.more(10);
    load.end();
    balancer.signal(Signal::TERM);
    balancer.wait().success();
}
