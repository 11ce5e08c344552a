//! The command `chat connect`, on a terminal (tmux's) and line by line.

use std::process::Command;
use std::time::Instant;

use serde_json::json;

use super::Server;
use super::client::PASSWORD;
use crate::support::PATIENCE;
use crate::support::process::Process;
use crate::support::terminal::Terminal;

#[test]
fn two_talk_across_a_terminal() {
    let server = Server::start();
    let mut bob = server.account("bob");
    bob.asks(json!({"t": "create", "room": "#garden"}));
    bob.asks(json!({"t": "topic", "room": "#garden", "topic": "Roses"}));
    let program = env!("CARGO_BIN_EXE_wireworks");
    let listen = server.addr.to_string();
    let line = format!(
        "'{program}' chat connect ws://{listen} --user ann --register -r '#garden'; echo ended with $?; stty -a | grep -c ' echo '; read x"
    );
    let terminal = Terminal::run((100, 24), &line);
    terminal.shows(&["Password of ann:"]);
    terminal.types(PASSWORD);
    assert!(!terminal.screen().contains("correct horse"), "a password is not shown");
    terminal.presses("Enter");
    terminal.shows(&["#garden Roses", "│ ●ann", "│ ●~bob"]);
    // What bob says arrives, and takes the columns that it takes.
    let id = bob.asks(json!({"t": "send", "room": "#garden", "text": "漢字 👩‍🚀 for Ann"}))["id"].clone();
    terminal.shows(&["bob 漢字 👩‍🚀 for Ann"]);
    bob.asks(json!({"t": "typing", "room": "#garden", "on": true}));
    terminal.shows(&["bob is typing"]);
    // What ann says, too.
    terminal.types("b");
    terminal.presses("Tab");
    terminal.types("good morning");
    terminal.shows(&["> bob: good morning"]);
    terminal.presses("Enter");
    let heard = bob.hears_a("message");
    assert_eq!((&heard["from"], &heard["text"]), (&json!("ann"), &json!("bob: good morning")));
    terminal.types("/react 🌹");
    terminal.presses("Enter");
    assert_eq!(bob.hears_a("react")["message"], id);
    terminal.shows(&["🌹 1"]);
    terminal.types("/edit bob: good evening");
    terminal.presses("Enter");
    assert_eq!(bob.hears_a("edit")["text"], "bob: good evening");
    terminal.shows(&["good evening (edited)"]);
    // A phone's width, and back.
    terminal.tmux(&["resize-window", "-x", "40", "-y", "10"]);
    terminal.shows(&["good evening"]);
    terminal.tmux(&["resize-window", "-x", "100", "-y", "24"]);
    terminal.shows(&["│ ●~bob", "good evening"]);
    // The server is killed; what is said meanwhile is said when it is back.
    let token = bob.token.clone();
    let (folder, process) = (server.folder, server.process);
    process.signal(rustix::process::Signal::KILL);
    drop(process.wait());
    terminal.shows(&["reconnecting"]);
    terminal.types("still here");
    terminal.presses("Enter");
    let (process, addr) = Server::process(&listen, folder.path(), &["--no-limits"]);
    let server = Server { process, addr, irc: None, folder };
    terminal.shows(&["Connected again", "still here"]);
    let mut bob = server.client();
    bob.asks(json!({"t": "token", "token": token}));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = bob.asks(json!({"t": "history", "room": "#garden"}));
        let said =
            page["events"].as_array().unwrap().iter().filter(|event| event["text"] == "still here").count();
        if said > 0 {
            assert_eq!(said, 1, "once");
            break;
        }
        assert!(Instant::now() < deadline, "it has not come: {page}");
    }
    terminal.types("/quit");
    terminal.presses("Enter");
    let screen = terminal.shows(&["ended with 0", "\n1\n"]);
    assert!(!screen.contains("#garden Roses"), "the screen is as it was before: {screen}");
    // The next login needs no password.
    let file = std::fs::read_to_string(terminal.folder.path().join("wireworks/chat-tokens.json")).unwrap();
    assert!(file.contains("ann"), "{file}");
}

#[test]
fn a_script_talks_line_by_line() {
    let server = Server::start();
    let mut bob = server.account("bob");
    bob.asks(json!({"t": "create", "room": "#ops"}));
    let url = format!("ws://{}", server.addr);
    let folder = tempfile::tempdir().unwrap();
    let command = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wireworks"));
        command
            .args(["chat", "connect", &url])
            .args(args)
            .env("XDG_STATE_HOME", folder.path())
            .env("TZ", "UTC");
        command
    };
    // All of the input is said before it ends.
    let ended = Process::start(
        &mut command(&["-g", "backup", "-r", "#ops"]),
        b"Backup is done\n/me sleeps\n".to_vec(),
    )
    .wait()
    .success();
    assert_eq!(bob.hears_a("message")["text"], "Backup is done");
    assert_eq!(bob.hears_a("message")["style"], "action");
    assert!(ended.text().contains("backup: Backup is done\n"), "{}", ended.text());
    // Somebody who reads.
    let mut ann = Process::start_typing(
        command(&["--user", "ann", "--register", "--room", "ops"]).env("WIREWORKS_CHAT_PASSWORD", PASSWORD),
    );
    bob.hears_a("join");
    let seq = bob.asks(json!({"t": "send", "room": "#ops", "text": "one\ntwo"}))["seq"].clone();
    ann.wait_for_stdout(&format!("{seq} bob: one two\n"));
    ann.types(&format!("/reply {seq} three"));
    assert!(bob.hears_a("message")["reply"].is_string());
    ann.types("/search one");
    ann.wait_for_stdout("*one*");
    ann.leaves();
    ann.wait().success();
    // The token that was kept opens the account; where there is none, a password is needed.
    Process::start(&mut command(&["--user", "ann"]), b"/quit\n".to_vec()).wait().success();
    let ended = Process::start(&mut command(&["--user", "bob"]), Vec::new()).wait();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("there is no password"), "{}", ended.stderr);
    let ended = Process::start(&mut command(&["--user", "bob"]), b"wrong password\n".to_vec()).wait();
    assert!(ended.stderr.starts_with("error: ") && !ended.status.success(), "{}", ended.stderr);
}
