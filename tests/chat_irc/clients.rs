//! Clients that others wrote, as their users have them: irssi in a terminal, WeeChat without one, and bots in Python and JavaScript.
//!
//! Each enters a room in which something was said before, sees that, and talks with a client of ours.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::chat::{Irc, Server};
use crate::support::certificate::certificate;
use crate::support::process::Process;
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

/// A program in a terminal of its own.
struct Terminal {
    name: String,
    /// A client of tmux that says when something is written on the screen.
    watching: Process,
}

impl Terminal {
    fn open(command: &str) -> Self {
        let name = format!("wireworks-irc-{}", std::process::id());
        tmux(&name, &["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", command]);
        let watching = Tool::new("tmux").args(["-L", &name, "-C", "attach"]).within(PATIENCE).start_typing();
        Self { name, watching }
    }

    fn types(&self, line: &str) {
        tmux(&self.name, &["send-keys", "-l", line]);
        tmux(&self.name, &["send-keys", "Enter"]);
    }

    #[track_caller]
    fn shows(&mut self, text: &str) {
        let begun = Instant::now();
        loop {
            let screen = tmux(&self.name, &["capture-pane", "-p"]);
            if screen.contains(text) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{text}: {screen}");
            self.watching.wait_for_more();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Tool::new("tmux").args(["-L", &self.name, "kill-server"]).run();
    }
}

/// Tells the tmux of this name something.
#[track_caller]
fn tmux(name: &str, args: &[&str]) -> String {
    Tool::new("tmux").args(["-L", name]).args(args).run().success().text()
}

#[test]
fn irssi_joins_talks_and_shows_what_was_said_before() {
    let (_server, addr, mut old) = scene();
    let home = tempfile::tempdir().unwrap();
    let (home, host, port) = (home.path().display(), addr.ip(), addr.port());
    let mut irssi = Terminal::open(&format!("irssi --home={home} -c {host} -p {port} -n irs"));
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
fn weechat(folder: &Path, commands: &[&str]) -> Process {
    let folder = folder.to_str().unwrap();
    let mut args = vec!["-d", folder, "-P", "irc,logger,fifo", "-r", "/set logger.file.flush_delay 0"];
    args.extend(commands.iter().flat_map(|command| ["-r", command]));
    Tool::new("weechat-headless").args(args).within(PATIENCE * 2).start()
}

/// What stands in a file of WeeChat's once it holds a text.
#[track_caller]
fn logged(folder: &Path, file: &str, text: &str) -> String {
    let path = folder.join("logs").join(file);
    let mut tail = Tool::new("tail").args(["-n", "+1", "-F"]).args([&path]).within(PATIENCE).start();
    tail.wait_for_stdout(text);
    std::fs::read_to_string(path).unwrap()
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
        assert!(fifo.exists(), "it is there before WeeChat connects");
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

#[test]
fn weechat_logs_in_by_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    certificate(&cert, &key, "wee");
    // WeeChat reads both from one file.
    let both = folder.path().join("wee.pem");
    let parts = [&cert, &key].map(|path| std::fs::read_to_string(path).unwrap());
    std::fs::write(&both, parts.concat()).unwrap();
    let printed = Tool::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .args([&cert])
        .run()
        .success();
    let text = printed.text();
    let (_, fingerprint) = text.trim().split_once('=').unwrap();

    let args = ["--no-limits", "--irc", "127.0.0.1:0", "--ircs", "127.0.0.1:0", "--tls-self-signed"];
    let mut server = Server::with(&args);
    let mut account = server.registered("wee");
    let secure = server.process.address("ircs");
    account.says("REGISTER * * a-good-secret");
    account.hears("900");
    account.says(&format!("PRIVMSG NickServ :CERT ADD {fingerprint}"));
    assert!(account.hears("NOTICE").contains(":Added: "));
    account.says("QUIT");
    account.hears("ERROR");
    let home = folder.path().join("home");
    let commands = [
        // Newer versions say tls where older ones say ssl: each knows one of the two.
        &format!("/server add t {}/{} -nicks=wee", secure.ip(), secure.port()),
        "/set irc.server.t.ssl on",
        "/set irc.server.t.tls on",
        "/set irc.server.t.ssl_verify off",
        "/set irc.server.t.tls_verify off",
        &format!("/set irc.server.t.ssl_cert {}", both.display()),
        &format!("/set irc.server.t.tls_cert {}", both.display()),
        "/set irc.server.t.sasl_mechanism external",
        "/set irc.server.t.sasl_username wee",
        "/connect t",
    ];
    let running = weechat(&home, &commands);
    logged(&home, "irc.server.t.weechatlog", "You are now logged in as wee");
    running.signal(rustix::process::Signal::TERM);
    drop(running.wait());
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
