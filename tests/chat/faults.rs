//! A disk without room, and a member who does not read: what is refused, what goes on, and how it is well again.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use super::Server;
use super::client::Client;
use crate::support::command::stop;
use crate::support::process::Process;

/// A server of this script, which runs the command that follows it.
#[track_caller]
fn started_by(script: &str, folder: &Path) -> (Process, SocketAddr) {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_wireworks"), "chat", "serve", "--no-limits"]);
    command.args(["--listen", "127.0.0.1:0", "--data"]).arg(folder.join("data"));
    let mut process = Process::start(&mut command, Vec::new());
    let addr = process.address("chat");
    (process, addr)
}

/// What a client may do while nothing can be written, and when it can be again.
fn writes_are_refused(ann: &mut Client, codes: &[&str], heal: impl FnOnce()) {
    let send = || json!({"t": "send", "room": "#a", "text": "x".repeat(8000), "cid": "the one"});
    let refused = ann.is_refused(send());
    assert!(codes.contains(&refused.as_str()), "{refused}");
    // Reading goes on: history, and words that were said.
    let page = ann.asks(json!({"t": "history", "room": "#a"}));
    let before = page["events"].as_array().unwrap().len();
    assert!(before > 0, "{page}");
    assert_eq!(ann.asks(json!({"t": "search", "text": "findme"}))["found"].as_array().unwrap().len(), 1);
    assert!(codes.contains(&ann.is_refused(send()).as_str()));
    heal();
    let reply = ann.asks(send());
    assert_eq!(reply.get("again"), None, "it was not kept before: {reply}");
    assert_eq!(ann.asks(send())["seq"], reply["seq"]);
    let page = ann.asks(json!({"t": "history", "room": "#a", "after": reply["seq"].as_u64().unwrap() - 1}));
    assert_eq!(page["events"].as_array().unwrap().len(), 1, "once: {page}");
}

#[track_caller]
fn writer(addr: SocketAddr) -> Client {
    let mut ann = Client::connect(addr);
    ann.registers("ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    ann.asks(json!({"t": "send", "room": "#a", "text": "findme"}));
    // It can be found from now on.
    ann.asks(json!({"t": "search", "text": "findme"}));
    ann
}

#[test]
fn files_that_may_not_grow_stop_writing_alone() {
    let folder = tempfile::tempdir().unwrap();
    // Without this the system would end a process whose files may not grow.
    let (server, addr) = started_by("trap '' XFSZ; exec \"$@\"", folder.path());
    let mut ann = writer(addr);
    let pid = Pid::from_raw(i32::try_from(server.id()).unwrap()).unwrap();
    let limit =
        |bytes| prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
    limit(Some(4096));
    // The system says that the file is too large, and not that the disk is full.
    writes_are_refused(&mut ann, &["store_full", "store_away"], || {
        limit(None);
    });
    drop(ann);
    stop(server);
}

#[test]
fn a_full_disk_stops_writing_alone() {
    let folder = tempfile::tempdir().unwrap();
    let may_mount = Command::new("unshare")
        .args(["--mount", "--map-root-user", "mount", "-t", "tmpfs", "none"])
        .arg(folder.path())
        .status();
    if !may_mount.is_ok_and(|status| status.success()) {
        eprintln!("this system mounts no small disk: the test above is left");
        return;
    }
    let script = format!(
        "exec unshare --mount --map-root-user sh -c 'mount -t tmpfs -o size=4m none {} && exec \"$@\"' sh \"$@\"",
        folder.path().display()
    );
    let (server, addr) = started_by(&script, folder.path());
    let mut ann = writer(addr);
    // The disk is seen by the server alone, and by whoever looks through its eyes.
    let disk = format!("/proc/{}/root{}/filler", server.id(), folder.path().display());
    let filled = std::fs::write(&disk, vec![0; 4 << 20]);
    assert!(filled.is_err(), "nothing is left of the disk");
    // What is left of the log's file takes some more.
    let some = json!({"t": "send", "room": "#a", "text": "y".repeat(2000)});
    assert!((0..5000).any(|_| ann.tries(some.clone())["t"] == "error"), "the disk is never full");
    writes_are_refused(&mut ann, &["store_full"], || std::fs::remove_file(&disk).unwrap());
    drop(ann);
    stop(server);
}

/// Messages that nobody's buffers hold: what a socket takes is some megabytes.
const MANY: u64 = 4000;

/// Says long messages until a member is seen to go, and how many they were.
fn says_until_gone(ann: &mut Client, name: &str) -> u64 {
    let text = "z".repeat(16_000);
    for begin in (0..MANY).step_by(50) {
        let numbers: Vec<u64> = (begin..begin + 50)
            .map(|number| ann.begins(json!({"t": "send", "room": "#a", "text": format!("{number} {text}")})))
            .collect();
        for number in numbers {
            assert_eq!(ann.reply(number)["t"], "ok");
        }
        let heard = ann.has_heard();
        if heard.iter().any(|event| event["t"] == "gone" && event["name"] == name) {
            return begin + 50;
        }
    }
    // He is given some seconds to take what had left for him.
    while ann.hears_a("gone")["name"] != name {}
    MANY
}

/// What somebody has heard of the room: the last event, and how many messages.
struct Heard {
    last: u64,
    messages: u64,
}

impl Heard {
    /// Nothing may be missing, or come twice.
    #[track_caller]
    fn hear(&mut self, event: &Value) {
        let Some(seq) = event["seq"].as_u64().filter(|_| event["room"] == "#a") else { return };
        assert_eq!(seq, self.last + 1);
        self.last = seq;
        if event["t"] == "message" {
            let number = event["text"].as_str().unwrap().split(' ').next().unwrap();
            assert_eq!(number, self.messages.to_string());
            self.messages += 1;
        }
    }
}

#[test]
fn who_does_not_read_is_let_go_and_goes_on_where_he_was() {
    let server = Server::start();
    let (mut ann, mut bob, mut eve) = (server.account("ann"), server.account("bob"), server.account("eve"));
    ann.asks(json!({"t": "create", "room": "#a"}));
    let begin = |client: &mut Client| {
        let last = client.asks(json!({"t": "join", "room": "#a"}))["room"]["seq"].as_u64().unwrap();
        Heard { last, messages: 0 }
    };
    let mut bobs = begin(&mut bob);
    drop(bob.has_heard());
    let mut eves = begin(&mut eve);
    drop(eve.has_heard());
    // Eve reads all the time, beside bob, who does not.
    let (sender, said) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        let mut all = None;
        while all.is_none_or(|all| eves.messages < all) {
            eves.hear(&eve.hears());
            all = all.or_else(|| said.try_recv().ok());
        }
    });
    let before = says_until_gone(&mut ann, "bob");
    let all = before + 1;
    sender.send(all).unwrap();
    let last = ann.asks(json!({"t": "send", "room": "#a", "text": format!("{before} is the last one")}));
    // What had left for him arrives, and then why there is no more.
    let code = loop {
        match bob.hears_frame() {
            (0x81, text) => bobs.hear(&serde_json::from_slice(&text).unwrap()),
            (0x88, reason) => break u16::from_be_bytes([reason[0], reason[1]]),
            frame => panic!("{frame:?}"),
        }
    };
    assert_eq!(code, 1013);
    assert!(bobs.messages < all, "he has missed something");
    let mut again = server.client();
    let reply = again.asks(json!({"t": "token", "token": bob.token, "resume": {"#a": bobs.last}}));
    assert_eq!(reply["resumed"]["#a"].get("lost"), None, "{reply}");
    again.has_heard().iter().for_each(|event| bobs.hear(event));
    assert_eq!((bobs.messages, bobs.last), (all, last["seq"].as_u64().unwrap()), "all of it, once");
    reading.join().unwrap();
}
