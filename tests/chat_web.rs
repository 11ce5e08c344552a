//! The web client of the chat in a browser, as two people use it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::browser::chromium;
use crate::support::command::wireworks;
use crate::support::process::Process;
use crate::support::tool::Tool;

/// How long the two may take: a browser is slow where several tests run.
const PATIENCE: Duration = Duration::from_secs(240);

/// What the two print.
const SEEN: &str = "\
sound: the way in
in as alice
room: garden
text: Welcome to the <em>garden</em>, see <a href=\"https://example.org/a?b=(c)\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">https://example.org/a?b=(c)</a> &lt;b&gt;not bold&lt;/b&gt;
reply to: Hello from a guest
editing: Good to see yuo
edited: Good to see you (edited)
reaction: 👍, 1 reaction
reaction: 👍, 2 reactions, yours too
typing: visitor is typing
thread: An aside (edited)
thread: 1 reply
found: guest
sound: the switcher
members: alice visitor
sound: a room with its members
away
kept: 1
back
said: 1 1
kept: 0
history: 5
token: None
";

fn serve(folder: &Path, listen: &str) -> (Process, SocketAddr) {
    let mut server = wireworks(&["chat", "serve", "--listen", listen, "--data", folder.to_str().unwrap()]);
    let address = server.address("chat");
    (server, address)
}

#[test]
fn two_people_talk_and_nothing_is_lost_while_the_server_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chat");
    let (server, address) = serve(&data, "127.0.0.1:0");
    // For a browser those are two origins, which share nothing.
    let urls = [format!("http://{address}/"), format!("http://localhost:{}/", address.port())];
    let mut browser = chromium(folder.path(), &["--remote-debugging-port=0"], &urls[0]).start();
    let devtools = browser.wait_for_line("DevTools listening on ");
    let script = concat!(include_str!("data/devtools.py"), include_str!("data/chat/web.py"));
    let mut two = Tool::python(script).within(PATIENCE).args([&devtools, &urls[0], &urls[1]]).start_typing();
    two.wait_for_stdout("away\n");
    server.signal(Signal::KILL);
    server.wait();
    two.types("");
    two.wait_for_stdout("back\n");
    let (server, _) = serve(&data, &address.to_string());
    two.types("");
    let seen = two.wait().success();
    assert_eq!(seen.text(), SEEN, "{}", seen.stderr);
    drop((browser, server));
}
