//! Clients that others wrote, as their users have them: irssi in a terminal, WeeChat without one, and bots in Python and JavaScript.
//!
//! Each enters a room in which something was said before, sees that, and talks with a client of ours.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::chat::{Irc, Server};
use crate::support::tool::Tool;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, and somebody who has said something in a room.
fn scene() -> (Server, SocketAddr, Irc) {
    let mut server = Server::with(&["--no-limits", "--irc", "127.0.0.1:0", "--server-name", "irc.test"]);
    let mut old = server.registered("old");
    let addr = server.irc_addr();
    old.says("JOIN #garden");
    old.hears("366");
    old.says("PRIVMSG #garden :earlier words");
    old.says("PING done");
    old.hears("PONG");
    (server, addr, old)
}

/// Looks until `look` finds something.
#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(begun.elapsed() < PATIENCE, "{what}: {seen}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A program in a terminal of its own.
struct Terminal(String);

impl Terminal {
    fn open(command: &str) -> Self {
        let terminal = Self(format!("wireworks-irc-{}", std::process::id()));
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", command]);
        terminal
    }

    fn tmux(&self, args: &[&str]) -> String {
        Tool::new("tmux").args(["-L", &self.0]).args(args).run().success().text()
    }

    fn types(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.tmux(&["send-keys", "Enter"]);
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        until(text, || {
            let screen = self.tmux(&["capture-pane", "-p"]);
            if screen.contains(text) { Ok(()) } else { Err(screen) }
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Tool::new("tmux").args(["-L", &self.0, "kill-server"]).run();
    }
}

#[test]
fn irssi_joins_talks_and_shows_what_was_said_before() {
    let (_server, addr, mut old) = scene();
    let home = tempfile::tempdir().unwrap();
    let (home, host, port) = (home.path().display(), addr.ip(), addr.port());
    let irssi = Terminal::open(&format!("irssi --home={home} -c {host} -p {port} -n irs"));
    irssi.shows("irs(+i)");
    irssi.types("/join #garden");
    irssi.shows("@old> earlier words");
    irssi.shows("Total of 2 nicks");
    irssi.types("hello from irssi");
    assert!(old.hears("PRIVMSG").ends_with("PRIVMSG #garden :hello from irssi"));
    irssi.types("/me waves");
    assert!(old.hears("PRIVMSG").ends_with(":\u{1}ACTION waves\u{1}"));
    old.says("PRIVMSG #garden :hello irssi");
    irssi.shows("@old> hello irssi");
    old.says("TOPIC #garden :Roses");
    irssi.shows("old changed the topic of #garden to: Roses");
    irssi.types("/quit");
    assert!(old.hears("QUIT").contains("irs"));
}

/// WeeChat in a folder, with commands that it is given at its start.
fn weechat(folder: &Path, commands: &[&str]) -> crate::support::process::Process {
    let folder = folder.to_str().unwrap();
    let mut args = vec!["-d", folder, "-P", "irc,logger,fifo", "-r", "/set logger.file.flush_delay 0"];
    args.extend(commands.iter().flat_map(|command| ["-r", command]));
    Tool::new("weechat-headless").args(args).within(PATIENCE * 2).start()
}

/// What stands in a file of WeeChat's once it holds a text.
#[track_caller]
fn logged(folder: &Path, file: &str, text: &str) -> String {
    until(text, || {
        let log = std::fs::read_to_string(folder.join("logs").join(file)).unwrap_or_default();
        if log.contains(text) { Ok(log) } else { Err(log) }
    })
}

#[test]
fn weechat_logs_in_joins_talks_and_shows_what_was_said_before() {
    let (mut server, addr, mut old) = scene();
    let mut account = server.registered("wee");
    account.says("REGISTER * * a-good-secret");
    account.hears("900");
    account.says("QUIT");
    account.hears("ERROR");
    for mechanism in ["plain", "scram-sha-256"] {
        let folder = tempfile::tempdir().unwrap();
        let commands = [
            &format!("/server add t {}/{} -nossl -nicks=wee", addr.ip(), addr.port()),
            "/set irc.server.t.autojoin #garden",
            &format!("/set irc.server.t.sasl_mechanism {mechanism}"),
            "/set irc.server.t.sasl_username wee",
            "/set irc.server.t.sasl_password a-good-secret",
            "/connect t",
        ];
        let running = weechat(folder.path(), &commands);
        let log = logged(folder.path(), "irc.t.#garden.weechatlog", "earlier words");
        assert!(log.contains("@old\tearlier words"), "{log}");
        logged(folder.path(), "irc.server.t.weechatlog", "You are now logged in as wee");
        assert!(old.hears("JOIN").starts_with(":wee!"));
        let fifo = folder.path().join(format!("weechat_fifo_{}", running.id()));
        until("the pipe", || if fifo.exists() { Ok(()) } else { Err("none".to_owned()) });
        std::fs::write(&fifo, "irc.t.#garden *hello from weechat\n").unwrap();
        assert!(old.hears("PRIVMSG").ends_with("PRIVMSG #garden :hello from weechat"));
        old.says("PRIVMSG #garden :hello weechat");
        logged(folder.path(), "irc.t.#garden.weechatlog", "@old\thello weechat");
        std::fs::write(&fifo, "irc.t.#garden */part #garden\n").unwrap();
        old.hears("PART");
        std::fs::write(&fifo, "core.weechat */quit\n").unwrap();
        running.wait();
    }
}

/// A bot by the package `irc`: it enters a room, answers what it is asked, and goes.
const PYTHON: &str = r##"
import sys, irc.client
def entered(link, event):
    if event.source.nick == "bot":
        link.privmsg("#garden", "hello from python")
def said(link, event):
    if event.arguments[0] == "bot: leave":
        link.notice(event.source.nick, "as you wish")
        link.quit("done")
reactor = irc.client.Reactor()
link = reactor.server().connect(sys.argv[1], int(sys.argv[2]), "bot")
link.add_global_handler("welcome", lambda link, event: link.join("#garden"))
link.add_global_handler("join", entered)
link.add_global_handler("pubmsg", said)
link.add_global_handler("disconnect", lambda link, event: sys.exit(0))
reactor.process_forever()
"##;

#[test]
fn a_bot_in_python_answers() {
    let (_server, addr, mut old) = scene();
    let bot =
        Tool::python(PYTHON).args([addr.ip().to_string(), addr.port().to_string()]).within(PATIENCE).start();
    assert!(old.hears("PRIVMSG").ends_with(":hello from python"));
    old.says("PRIVMSG #garden :bot: leave");
    assert!(old.hears("NOTICE").ends_with("NOTICE old :as you wish"));
    old.hears("QUIT");
    bot.wait().success();
}

/// A client by irc-framework, over WebSocket with lines as text.
const NODE: &str = r##"
globalThis.WebSocket = require("ws");
const { Client } = require("irc-framework");
const transport = require("irc-framework/src/transports/websocket");
const [host, port] = process.argv.slice(1);
const client = new Client();
client.requestCap(["draft/chathistory", "echo-message"]);
client.connect({ host, port, path: "/irc", nick: "web", transport, websocket_protocol: "text.ircv3.net", enable_echomessage: true });
client.on("registered", () => client.join("#garden"));
client.on("userlist", () => client.raw("CHATHISTORY LATEST #garden * 10"));
client.on("batch end chathistory", (event) => {
    console.log("history: " + event.commands.map((command) => command.params[1]).join());
    client.say("#garden", "hello from the web");
});
client.on("privmsg", (event) => {
    console.log(event.nick + ": " + event.message);
    if (event.message === "web: leave") client.quit("done");
});
client.on("socket close", () => process.exit(0));
"##;

#[test]
fn a_client_over_websocket_reads_history() {
    let (server, _, mut old) = scene();
    let (host, port) = (server.addr.ip().to_string(), server.addr.port().to_string());
    let mut web = Tool::node(NODE).args([host, port]).within(PATIENCE).start();
    web.wait_for_stdout("history: earlier words\n");
    assert!(old.hears("PRIVMSG").ends_with("PRIVMSG #garden :hello from the web"));
    web.wait_for_stdout("web: hello from the web\n");
    old.says("PRIVMSG #garden :web: leave");
    web.wait_for_stdout("old: web: leave\n");
    assert!(old.hears("QUIT").contains("web!"));
    web.wait().success();
}
