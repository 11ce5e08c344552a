//! Administration by the built command, of a folder whose server runs and of one whose server does not.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::Server;
use super::client::{Client, PASSWORD};
use crate::support::command::stop;
use crate::support::process::{Ended, Process};

/// Runs `wireworks chat` on a folder, with something to read.
#[track_caller]
fn on(data: &Path, args: &[&str], input: &str) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    command.arg("chat").args(args).arg("--data").arg(data).env_remove("RUST_LOG");
    Process::start(&mut command, input.as_bytes().to_vec()).wait()
}

/// Runs it on the folder of a server.
#[track_caller]
pub(super) fn admin(server: &Server, args: &[&str], input: &str) -> Ended {
    on(&server.folder.path().join("data"), args, input)
}

/// What it finds.
#[track_caller]
pub(super) fn rows(server: &Server, args: &[&str]) -> Vec<Value> {
    parsed(&admin(server, &[args, &["--json"]].concat(), "").success())
}

fn parsed(ended: &Ended) -> Vec<Value> {
    ended.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A line of an error, and status 1.
#[track_caller]
fn refused(ended: &Ended) -> String {
    assert_eq!(ended.status.code(), Some(1), "{} {}", ended.text(), ended.stderr);
    let line = ended.stderr.strip_prefix("error: ").unwrap().trim_end();
    assert!(!line.contains('\n') && ended.text().is_empty(), "{line}");
    line.to_owned()
}

fn login(server: &Server, name: &str, password: &str) -> Value {
    server.client().tries(json!({"t": "login", "account": name, "password": password}))
}

#[test]
fn a_folder_is_administered_before_and_after_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let said = |args: &[&str], input: &str| on(&data, args, input).success().text();
    let no_chat = refused(&on(&data, &["user", "list"], ""));
    assert_eq!(no_chat, format!("there is no chat in {}: --data says where it is", data.display()));
    assert!(!data.exists());
    assert_eq!(said(&["user", "add", "root", "--operator"], "correct horse\n"), "added root\n");
    assert_eq!(said(&["user", "add", "bot", "--no-password"], ""), "added bot\n");
    for (args, input, expected) in [
        (&["user", "add", "Root"][..], "correct horse\n", "taken"),
        (&["user", "add", "x y"], "correct horse\n", "' '"),
        (&["user", "add", "ann"], "short\n", "password"),
        (&["user", "add", "ann"], "", "no password was given"),
        (&["user", "show", "ann"], "", "there is no account ann"),
        (&["room", "show", "#a"], "", "there is no room #a"),
        (&["room", "close", "#a"], "", "there is no room #a"),
        (&["user", "sessions", "bot", "--end", "01ARYZ6S410000000000000000"], "", "bot has no such session"),
    ] {
        let line = refused(&on(&data, args, input));
        assert!(line.contains(expected), "{args:?}: {line}");
    }
    for args in [&["user"][..], &["user", "add"], &["user", "role", "bot", "king"], &["notices", "retry"]] {
        assert_eq!(on(&data, args, "").status.code(), Some(64), "{args:?}");
    }
    let table = said(&["user", "list"], "");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("NAME  ROLE      STATE   HERE  CREATED"), "{table}");
    assert!(lines[1].starts_with("bot   member    active  no    2"), "{table}");
    assert!(lines[2].starts_with("root  operator  active  no    2"), "{table}");
    assert_eq!(
        said(&["user", "suspend", "bot", "--reason", "Spam"], ""),
        "bot is suspended, and logged out\n"
    );
    let bot = parsed(&on(&data, &["user", "show", "bot", "--json"], "").success());
    assert_eq!((&bot[0]["state"], &bot[0]["reason"]), (&json!("suspended"), &json!("Spam")));
    said(&["user", "restore", "bot"], "");
    said(&["user", "password", "bot"], "battery staple\n");

    let (process, addr) = Server::process("127.0.0.1:0", folder.path(), &["--no-limits"]);
    let server = Server { process, addr, irc: None, folder };
    let mut root = server.client();
    let reply =
        root.asks(json!({"t": "login", "account": "root", "password": "correct horse", "device": "phone"}));
    assert_eq!(reply["me"]["operator"], true);
    assert_eq!(login(&server, "bot", "battery staple")["t"], "ok");
    root.asks(json!({"t": "create", "room": "#a"}));
    root.asks(json!({"t": "topic", "room": "#a", "topic": "Roses"}));
    root.asks(json!({"t": "send", "room": "#a", "text": "<b>Hello</b>"}));
    root.asks(json!({"t": "send", "room": "bot", "text": "Psst"}));
    let Server { process, folder, .. } = server;
    stop(process);
    let data = folder.path().join("data");
    assert!(!data.join("admin.sock").exists(), "it goes with the server");

    let said = |args: &[&str]| on(&data, args, "").success().text();
    let rooms = said(&["room", "list"]);
    assert!(rooms.lines().nth(1).unwrap().starts_with("#a    public  1        0     "), "{rooms}");
    let shown = said(&["room", "show", "#a"]);
    assert!(shown.contains("topic     Roses") && shown.contains("owners    root"), "{shown}");
    let sessions = said(&["user", "sessions", "root"]);
    assert!(sessions.lines().nth(1).unwrap().contains("phone"), "{sessions}");
    let messages = parsed(&on(&data, &["export"], "").success());
    let [message] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((&message["t"], &message["text"]), (&json!("message"), &json!("<b>Hello</b>")));
    assert_eq!(parsed(&on(&data, &["export", "--direct"], "").success()).len(), 2);
    let page = folder.path().join("page.html").display().to_string();
    let export = ["export", "--room", "#a", "--format", "html", "--out", &page];
    said(&export);
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("<b>root</b> &lt;b&gt;Hello&lt;/b&gt;"), "{text}");
    assert!(refused(&on(&data, &export, "")).contains("cannot write"), "it is there already");
    assert_eq!(said(&["room", "close", "#a"]), "closed #a\n");
    assert_eq!(said(&["room", "list"]).lines().count(), 1);
    assert_eq!(said(&["notices", "drop", "--all"]), "0 notices are forgotten\n");
}

#[test]
fn a_server_that_runs_honours_it_at_once() {
    let server = Server::start();
    let mut ann = server.account("ann");
    let mut bob = server.account("bob");
    let said = |args: &[&str], input: &str| admin(&server, args, input).success().text();
    ann.asks(json!({"t": "create", "room": "#a"}));
    bob.asks(json!({"t": "join", "room": "#a"}));
    ann.hears_a("join");
    let list = rows(&server, &["user", "list"]);
    assert!(list.iter().all(|user| user["here"] == true) && list.len() == 2, "{list:?}");

    assert_eq!(said(&["user", "role", "ann", "operator"], ""), "ann is an operator now\n");
    assert_eq!(ann.asks(json!({"t": "whois", "name": "ann"}))["user"]["operator"], true);
    said(&["user", "role", "ann", "member"], "");
    assert_eq!(ann.asks(json!({"t": "whois", "name": "ann"}))["user"].get("operator"), None);

    said(&["user", "suspend", "bob", "--reason", "Spam"], "");
    bob.is_closed();
    let token = bob.token.clone();
    let reply = login(&server, "bob", PASSWORD);
    assert_eq!(reply["code"], "suspended", "{reply}");
    let reply = server.client().tries(json!({"t": "token", "token": token}));
    assert_eq!(reply["code"], "token_over", "{reply}");
    said(&["user", "restore", "bob"], "");
    let mut bob = server.client();
    bob.asks(json!({"t": "login", "account": "bob", "password": PASSWORD, "device": "phone"}));

    said(&["user", "password", "bob"], "battery staple horse\n");
    bob.is_closed();
    assert_eq!(login(&server, "bob", PASSWORD)["code"], "wrong_credentials");
    let mut bob = server.client();
    bob.asks(json!({"t": "login", "account": "bob", "password": "battery staple horse", "device": "desk"}));
    let sessions = rows(&server, &["user", "sessions", "bob"]);
    let [session] = &sessions[..] else { panic!("{sessions:?}") };
    assert_eq!(session["device"], "desk");
    said(&["user", "sessions", "bob", "--end", session["session"].as_str().unwrap()], "");
    bob.is_closed();

    assert_eq!(said(&["user", "remove", "bob"], ""), "removed bob\n");
    let kicked = ann.hears_a("kick");
    assert_eq!((&kicked["name"], &kicked["from"]), (&json!("bob"), &json!("server")));
    let mut bob = server.account("bob");
    assert_eq!(bob.is_refused(json!({"t": "history", "room": "#a"})), "not_a_member", "another one");

    said(&["room", "close", "#a"], "");
    assert_eq!(ann.hears_a("close")["room"], "#a");
    assert_eq!(ann.is_refused(json!({"t": "send", "room": "#a", "text": "x"})), "no_such_room");
    assert_eq!(refused(&admin(&server, &["room", "show", "#a"], "")), "there is no room #a");
}

#[test]
fn messages_are_forgotten_on_demand() {
    let server = Server::start();
    let mut ann = server.account("ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    for number in 0..20 {
        ann.asks(json!({"t": "send", "room": "#a", "text": format!("{number:0>100}")}));
    }
    let said = |args: &[&str]| admin(&server, &[&["room", "retain"], args].concat(), "");
    assert_eq!(said(&[]).status.code(), Some(64));
    assert_eq!(said(&["--age", "1h"]).success().text(), "forgot 0 messages\n");
    assert_eq!(said(&["--size", "500"]).success().text(), "forgot 15 messages\n");
    let left = ann.asks(json!({"t": "history", "room": "#a"}));
    assert_eq!(left["events"].as_array().unwrap().len(), 5);
}

/// Messages that are on their way while the backup is made.
const UNDERWAY: usize = 400;

#[test]
fn a_backup_under_load_has_what_was_acknowledged_before() {
    let server = Server::start();
    let mut ann = server.account("ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    let send = |ann: &mut Client, number: usize| {
        ann.begins(json!({"t": "send", "room": "#a", "text": number.to_string()}))
    };
    let mut before = HashSet::new();
    for number in 0..UNDERWAY {
        let request = send(&mut ann, number);
        ann.reply(request);
        before.insert(number.to_string());
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("chat.db");
    let path = copy.display().to_string();
    let data = server.folder.path().join("data");
    let said = std::thread::scope(|scope| {
        let backing = scope.spawn(|| on(&data, &["backup", &path], ""));
        let mut number = UNDERWAY;
        while !backing.is_finished() {
            let request = send(&mut ann, number);
            ann.reply(request);
            number += 1;
        }
        backing.join().unwrap()
    });
    assert_eq!(said.success().text(), format!("wrote {path}\n"));
    assert_eq!(refused(&admin(&server, &["backup", &path], "")), format!("{path} exists already"));
    // A backup is a chat's database.
    let kept = parsed(&on(folder.path(), &["export"], "").success());
    let texts: Vec<String> =
        kept.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect();
    let kept: HashSet<&String> = texts.iter().collect();
    assert_eq!(kept.len(), texts.len(), "none is there twice");
    assert!(before.iter().all(|text| kept.contains(text)), "{} of {}", kept.len(), before.len());
}

#[test]
fn nobody_else_asks_the_server() {
    use std::os::unix::fs::PermissionsExt;

    use crate::support::wire::Wire;

    let server = Server::start();
    let socket = server.folder.path().join("data/admin.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    for request in ["", "{", "[]", r#"{"do":"dance"}"#, r#"{"do":"user_show"}"#] {
        let mut wire = Wire::connect_unix(&socket);
        wire.send(format!("{request}\n"));
        let answer: Value = serde_json::from_slice(&wire.read_to_end()).unwrap();
        assert!(answer["error"].as_str().unwrap().starts_with("the server does not know this: "), "{answer}");
    }
    let mut wire = Wire::connect_unix(&socket);
    // It may be closed before all of it is sent.
    drop(wire.try_send("x".repeat(100_000)));
    let (said, _) = wire.read_to_close();
    assert!(String::from_utf8_lossy(&said).contains("error") || said.is_empty());
    assert_eq!(rows(&server, &["room", "list"]), Vec::<Value>::new(), "it goes on");
}

/// A socket has a short name, whatever the folder is called.
#[test]
fn a_folder_with_a_long_name_is_administered() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long".repeat(20)).join("name".repeat(20));
    std::fs::create_dir_all(&long).unwrap();
    let (process, _) = Server::process("127.0.0.1:0", &long, &[]);
    let ended = on(&long.join("data"), &["user", "add", "ann"], "correct horse\n");
    assert_eq!(ended.success().text(), "added ann\n");
    stop(process);
}

/// The commands of the page print what it shows; times are others.
#[test]
fn the_page_can_be_followed() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/chat-admin.md")).unwrap();
    let shown = page.split_once("```console\n").unwrap().1.split_once("```").unwrap().0;
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_wireworks")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let plain = |text: &str| text.replace(|found: char| found.is_ascii_digit(), "0");
    let mut typed = 0;
    for step in shown.split("$ ").skip(1) {
        let (line, expected) = step.split_once('\n').unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(folder.path()).env("PATH", &path).env_remove("RUST_LOG");
        let ended = Process::start(&mut command, Vec::new()).wait();
        assert_eq!(plain(&(ended.text() + &ended.stderr)), plain(expected), "{line}");
        typed += 1;
    }
    assert_eq!(typed, 6);
}
