//! The web client of the chat in a browser, as its people use it: what they see is printed by the scripts in `tests/data/chat`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::browser::chromium;
use crate::support::command::wireworks;
use crate::support::process::Process;
use crate::support::tool::{Tool, in_tools};

/// How long a script may take: a browser is slow where several tests run.
const PATIENCE: Duration = Duration::from_secs(300);

/// What stands before each script: a page over the protocol of DevTools, and what the scripts have in common.
macro_rules! script {
    ($name:literal) => {
        concat!(
            include_str!("data/devtools.py"),
            include_str!("data/chat/browser.py"),
            include_str!(concat!("data/chat/", $name))
        )
    };
}

/// What two people who talk print.
const TALK: &str = "\
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

/// What those print who send files.
const FILES: &str = "\
over the room: Drop files to send them to #garden
tray: rose.png,plan.txt
thumbnail: 640x480 1
card: plan.txt, 720 B · TXT, plan.txt
saved: 720
large: 1280x960
pasted: 2
under way: True
bar: True
cancelled: True
refused: 60.0 MiB is too large: a file has at most 50.0 MiB. The file is empty.
sound: files that were refused
no picture: plan.txt is no picture. Choose a PNG, JPEG, WebP or GIF.
picture: True
seen: 256
guest: Guests cannot send files: sign up, and you can. | Guests cannot send files: sign up, and you can. | True
";

/// What the pages of an account and of a room have, and what is done by keys.
const PAGES: &str = "\
saved: Saved.
me: Alice Liddell | In the greenhouse
sound: one's own account
seen as: Alice Liddell alice | In the greenhouse
card: In the greenhouse
blocked: bob
heard again: True
dark: dark dark
devices: 1
put out: Please sign in again.
typo: The two are not the same.
wrong: The name or the password is wrong.
password: Changed. Other devices have to sign in again.
topic: Roses by the wall
role: Admins · 1
muted: mallory
log: alice added mallory to the mutes: Noise
threads: 1 reply
thread: I do
badge: 60
line: New messages
first unread in sight: True
bar: 60 new messages
back at it: True
read: True
keys: Keyboard shortcuts
F6: garden
down: shed
F6: Messages
switcher: Threads
escape: TEXTAREA
message: bob
pinned: alice pinned a message
aside: True behind: True
line: True
forward: #shed: The room is for the invited.
entered: orangery
";

/// What is pushed, and where it leads.
const PUSHES: &str = "\
manifest: [] standalone
can be installed: []
subscribed: {\"t\":\"push\",\"endpoint\":\"https://push.example/1\",\"p256dh\":\"P256\",\"auth\":\"AUTH\"}
level: Mentions
told: {\"t\":\"notify\",\"room\":\"#garden\",\"level\":\"none\"}
while one looks: nothing
notification: bob in #garden | @alice, the roses | room #garden | first
others: Chat | no JSON | room  |  ; bob | Sent a file | room bob | first
click: garden | The first roses
address: /#garden/first /#%40bob /
anew: The first roses
told again: push
ended: [\"unpush\",\"https://push.example/1\"] null
";

/// What ten thousand messages and five hundred rooms look like.
const MANY: &str = "\
rows: True
row: room-250
switched: room-499
in sight: True
bounded: True seen without a gap: True True
first: Message 0
last: Message 9999
bounded: True
";

fn serve(folder: &Path, listen: &str, args: &[&str]) -> (Process, SocketAddr) {
    let common = ["chat", "serve", "--listen", listen, "--data", folder.to_str().unwrap()];
    let mut server = wireworks(&[&common, args].concat());
    let address = server.address("chat");
    (server, address)
}

/// A browser, and a script that drives it. For a browser the two names of the server are two origins, which share nothing.
fn browse(script: &str, address: SocketAddr, folder: &Path) -> (Process, Process) {
    let urls = [format!("http://{address}/"), format!("http://localhost:{}/", address.port())];
    let mut browser = chromium(folder, &["--remote-debugging-port=0"], &urls[0]).start();
    let devtools = browser.wait_for_line("DevTools listening on ");
    let axe = in_tools("node_modules/axe-core/axe.min.js").display().to_string();
    let folder = folder.display().to_string();
    let tool = Tool::python(script).within(PATIENCE).args([&devtools, &urls[0], &urls[1], &axe, &folder]);
    (browser, tool.start_typing())
}

/// A script that needs nothing but a server.
fn prints(script: &str, args: &[&str], expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (server, address) = serve(&folder.path().join("chat"), "127.0.0.1:0", args);
    let (browser, people) = browse(script, address, folder.path());
    let seen = people.wait();
    assert_eq!(seen.text(), expected, "{}", seen.stderr);
    seen.success();
    drop((browser, server));
}

#[test]
fn two_people_talk_and_nothing_is_lost_while_the_server_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chat");
    let (server, address) = serve(&data, "127.0.0.1:0", &[]);
    let (browser, mut two) = browse(script!("web.py"), address, folder.path());
    two.wait_for_stdout("away\n");
    server.signal(Signal::KILL);
    server.wait();
    two.types("");
    two.wait_for_stdout("back\n");
    let (server, _) = serve(&data, &address.to_string(), &[]);
    two.types("");
    let seen = two.wait().success();
    assert_eq!(seen.text(), TALK, "{}", seen.stderr);
    drop((browser, server));
}

#[test]
fn files_are_dropped_pasted_and_chosen_and_the_others_see_them() {
    prints(script!("web_files.py"), &[], FILES);
}

#[test]
fn accounts_and_rooms_have_their_pages_and_keys_do_everything() {
    prints(script!("web_pages.py"), &["--no-limits"], PAGES);
}

#[test]
fn what_is_pushed_is_displayed_and_leads_to_its_message() {
    prints(script!("web_push.py"), &[], PUSHES);
}

#[test]
fn many_messages_and_rooms_are_a_bounded_page() {
    prints(script!("web_many.py"), &["--no-limits", "--max-rooms", "600"], MANY);
}
