//! Somebody who types the commands of a page, in a folder that has what the page takes for granted.
//!
//! A server goes on until the page starts the next one, and is asked by what stands between. It gets free ports in place
//! of those of the page, and the commands that ask it get them too. A server that is started with `&` goes on to the end of the page: it is a backend
//! of balancers, whose command lines and files get its real address. What goes on without end (`curl -N`) goes on beside
//! the rest, until it has said something and the server is stopped.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::page::stands_in;
use super::root;
use crate::support::process::{Ended, Process};

/// Commands that cannot be typed here: the first installs, the second runs these tests, and the third needs a screen.
const NOT_HERE: [&str; 3] = ["cargo install ", "./scripts/test", "ffplay "];

/// Options with which a server does not serve, and commands that are none.
const ENDS: [&str; 10] = [
    " --help",
    " --print-config",
    " --check",
    " hls package ",
    " hls check ",
    " hls link ",
    " hls simulate ",
    " share create ",
    " share show ",
    " share verify ",
];

/// Folders of files in the page, all of which are in the reader's folder here.
const FOLDERS: [(&str, &str); 3] = [("/srv/www", "public"), ("/etc/ssl/", ""), ("/var/log/web/", "")];

/// What curl does besides: it tells the status of each reply.
const CURLRC: &str = "silent\nshow-error\nverbose\nmax-time = 20\n";

pub(super) struct Reader {
    folder: TempDir,
    server: Option<Server>,
    /// Servers that were started with `&`: the address that the page shows, the real one, and the process.
    backends: Vec<(String, SocketAddr, Process)>,
    /// What the last command said, if it has ended.
    said: String,
    typed: usize,
}

struct Server {
    command: String,
    process: Process,
    /// Where it answers HTTP, sockets, and calls. A server of calls alone has the same address for all.
    http: SocketAddr,
    ws: Option<SocketAddr>,
    rpc: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    /// Where encoders publish by RTMP.
    rtmp: Option<SocketAddr>,
    /// Where the API of a balancer is.
    admin: Option<SocketAddr>,
    /// Commands that go on until the server ends.
    beside: Vec<(String, Process)>,
    /// What the page shows of its output.
    shown: Vec<String>,
}

impl Reader {
    /// Somebody in a folder of files that the pages name.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        for name in ["public", "dist", "docs"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            write(&format!("{name}/index.html"), &"<p>A page\n".repeat(40));
        }
        // Copies: a page may write over them.
        let copied =
            std::process::Command::new("cp").arg("-r").arg(root().join("media")).arg(folder.path()).status();
        assert!(copied.unwrap().success());
        fs::copy(root().join("media/240p.mp4"), folder.path().join("film.mp4")).unwrap();
        write("stream-keys", "stage:hMJ8ss2k\n");
        write("torrents.txt", "# a list of torrents\n");
        write(".curlrc", CURLRC);
        write("README.md", "A page\n");
        write("docs/http.md", "A page\n");
        write("photo.jpg", "a picture");
        write("users.txt", "me:secret\n");
        write("tokens.txt", "robot:t0ken\n");
        for name in ["site", "a", "b", "ours"] {
            let names = ["localhost".to_owned(), format!("{name}.example.com")];
            let made = rcgen::generate_simple_self_signed(names).unwrap();
            write(&format!("{name}.pem"), &made.cert.pem());
            write(&format!("{name}.key"), &made.signing_key.serialize_pem());
        }
        Self { folder, server: None, backends: Vec::new(), said: String::new(), typed: 0 }
    }

    /// Puts a file of the page into the folder.
    pub(super) fn writes(&self, name: &str, text: &str) {
        let mut text =
            FOLDERS.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours));
        if text.contains("[[listener]]") {
            let lines = text.lines().map(|line| match line.split_once("listen = \"") {
                Some(("", _)) => "listen = \"127.0.0.1:0\"",
                _ => line,
            });
            text = self.with_backends(&lines.collect::<Vec<_>>().join("\n"));
        }
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Types a command, which must do what it is there for.
    #[track_caller]
    pub(super) fn types(&mut self, command: &str) {
        if NOT_HERE.iter().any(|start| command.starts_with(start)) {
            return;
        }
        self.typed += 1;
        if let Some(command) = command.strip_suffix(" &") {
            return self.stays(command);
        }
        match command.split(' ').next().unwrap() {
            "cargo" | "wireworks" | "cat" if ENDS.iter().any(|option| command.contains(option)) => {
                self.said = self.start(command).wait().success().text();
            }
            _ if is_client(command) => self.asks(command),
            "cargo" | "wireworks" => self.serves(command),
            "curl" | "wrk" | "ffmpeg" => self.asks(command),
            _ => panic!("neither a server nor one who asks it: {command}"),
        }
    }

    /// Types a command that must fail, and says its error.
    #[track_caller]
    pub(super) fn fails(&mut self, command: &str) -> String {
        let ended = self.start(command).wait();
        assert_eq!(ended.status.code(), Some(1), "{command}: {}", ended.stderr);
        ended.stderr.trim_end().to_owned()
    }

    /// Compares what the page shows with what the last command said. A server is heard to its end first.
    #[track_caller]
    pub(super) fn sees(&mut self, shown: &str) {
        // An error has a test of its own: the page shows the file without the fault.
        if shown.starts_with("error: ") {
            return;
        }
        let said = std::mem::take(&mut self.said);
        match &mut self.server {
            Some(server) if said.is_empty() => server.shown.push(shown.to_owned()),
            _ => assert!(stands_in(shown, &said), "shown:\n{shown}\nsaid:\n{said}"),
        }
    }

    /// Ends what still runs, and says how many commands were typed.
    #[track_caller]
    pub(super) fn leaves(mut self) -> usize {
        self.stop();
        for (_, _, process) in self.backends {
            process.signal(Signal::TERM);
            process.wait().success();
        }
        self.typed
    }

    /// Starts a server that goes on to the end of the page.
    #[track_caller]
    fn stays(&mut self, command: &str) {
        let (_, shown) = command.split_once("--listen ").expect("an address of its own");
        let mut process = self.start(&command.replace(shown, "127.0.0.1:0"));
        let real = process.address("http");
        self.backends.push((shown.to_owned(), real, process));
    }

    /// The text with the real addresses of servers that go on.
    fn with_backends(&self, text: &str) -> String {
        let put = |text: String, (shown, real, _): &(String, SocketAddr, Process)| {
            text.replace(shown, &real.to_string())
        };
        self.backends.iter().fold(text.to_owned(), put)
    }

    /// Starts a server, after the last one has ended.
    #[track_caller]
    fn serves(&mut self, command: &str) {
        self.stop();
        self.said.clear();
        let balances = is_balancer(command);
        let backends: Vec<String> = self.backends.iter().map(|(_, real, _)| real.to_string()).collect();
        let with_backends = if balances { self.with_backends(command) } else { command.to_owned() };
        let mut words: Vec<&str> = with_backends.split(' ').collect();
        for word in &mut words {
            let port = word.strip_prefix("127.0.0.1").unwrap_or(word).strip_prefix(':');
            if balances && backends.iter().any(|backend| backend == word) {
                continue;
            }
            if port.is_some_and(|port| port.parse::<u16>().is_ok()) {
                *word = "127.0.0.1:0";
            }
        }
        let sockets = words.starts_with(&["wireworks", "ws", "serve"]);
        let calls = words.starts_with(&["wireworks", "rpc", "serve"]);
        let chats = words.starts_with(&["wireworks", "chat", "serve"]);
        let films = words.starts_with(&["wireworks", "hls"]);
        let tracks = words.starts_with(&["wireworks", "share", "tracker"]);
        let keeps = words.starts_with(&["wireworks", "share", "daemon"]);
        if keeps {
            words.extend(["--peer-listen", "127.0.0.1:0", "--no-dht"]);
        }
        if (sockets
            || calls
            || chats
            || films
            || tracks
            || keeps
            || words.starts_with(&["wireworks", "http"]))
            && !words.contains(&"--listen")
        {
            words.extend(["--listen", "127.0.0.1:0"]);
        }
        if balances && !words.contains(&"--listen") && !words.contains(&"--config") {
            words.extend(["--listen", "127.0.0.1:0"]);
        }
        let suite = ["wireworks", "cargo run --release"].contains(&command);
        if words.contains(&"--example") {
            if !words.contains(&"--") {
                words.push("--");
            }
            // Where an example listens, and where it shows its metrics.
            words.extend(["127.0.0.1:0"; 2]);
        }
        let calls = calls || command.contains("--example rpc");
        let mut process = self.start(&words.join(" "));
        let http = process.address(if balances {
            "balance"
        } else if sockets {
            "ws"
        } else if calls {
            "rpc"
        } else if chats {
            "chat"
        } else if films {
            "hls"
        } else if tracks {
            "tracker"
        } else if keeps {
            "daemon"
        } else {
            "http"
        });
        self.server = Some(Server {
            command: command.to_owned(),
            http,
            ws: if suite { Some(process.address("ws")) } else { sockets.then_some(http) },
            rpc: if suite { Some(process.address("rpc")) } else { calls.then_some(http) },
            process,
            metrics: None,
            rtmp: None,
            admin: None,
            beside: Vec::new(),
            shown: Vec::new(),
        });
    }

    /// Asks the server that runs.
    #[track_caller]
    fn asks(&mut self, command: &str) {
        let mut server = self.server.take().unwrap_or_else(|| panic!("nobody to ask: {command}"));
        let command = &server.with_ports(command);
        if let Some((_, url)) = command.split_once("wireworks hls latency ") {
            self.waits_for(url.rsplit(' ').next().unwrap());
        }
        let mut process = self.start(&in_a_hurry(command));
        if command.contains(" -N ") {
            process.wait_for_stderr("< HTTP/1.1 200 OK");
            server.beside.push((command.to_owned(), process));
        } else {
            let ended = process.wait();
            judge(command, &ended);
            self.said = ended.text();
        }
        self.server = Some(server);
    }

    /// A stream that begins is there in a moment.
    #[track_caller]
    fn waits_for(&self, url: &str) {
        let again = "--fail --retry 60 --retry-delay 1 --retry-all-errors";
        self.start(&format!("curl {again} --output /dev/null {url}")).wait().success();
    }

    #[track_caller]
    fn stop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        for (_, process) in &mut server.beside {
            process.wait_for_stdout("\n");
        }
        server.process.signal(Signal::TERM);
        if !server.beside.is_empty() {
            // Whoever listens to events may do so as long as the server waits; who types a second ctrl-c does not wait.
            server.process.signal(Signal::INT);
        }
        let said = server.process.wait().success().text();
        for shown in &server.shown {
            let shown = with_port(shown, &["8080"], server.http);
            let shown = server.ws.map_or(shown.clone(), |ws| with_port(&shown, &["8081"], ws));
            let shown = server.rpc.map_or(shown.clone(), |rpc| with_port(&shown, &["7000"], rpc));
            assert!(stands_in(&shown, &said), "{}\nshown:\n{shown}\nsaid:\n{said}", server.command);
        }
    }

    /// Starts what a command names. A shell reads it, for its quotes, and becomes the program.
    fn start(&self, command: &str) -> Process {
        let command = match command.split_once("cargo run --release") {
            Some(("", rest)) => match rest.strip_prefix(" --example ") {
                Some(rest) => format!("{}/{}", EXAMPLES.as_str(), rest.replacen(" -- ", " ", 1)),
                None => format!("wireworks {rest}"),
            },
            _ => command.to_owned(),
        };
        let programs = Path::new(env!("CARGO_BIN_EXE_wireworks")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("exec {command}")])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", programs.display()))
            .env("CURL_HOME", self.folder.path())
            .env("XDG_DATA_HOME", self.folder.path())
            .env_remove("RUST_LOG")
            .env_remove("LISTEN_FDS");
        Process::start(&mut shell, Vec::new())
    }
}

impl Server {
    /// The command with the ports that the server has got.
    #[track_caller]
    fn with_ports(&mut self, command: &str) -> String {
        if command.contains(":9090/") && self.metrics.is_none() {
            self.metrics = Some(self.process.address("metrics"));
        }
        if command.contains("balance ctl ") {
            let process = &mut self.process;
            let admin = self.admin.get_or_insert_with(|| process.address("admin"));
            return format!("{command} --admin {admin}");
        }
        let mut command = command.to_owned();
        if command.contains("rtmp://127.0.0.1/") {
            let process = &mut self.process;
            let rtmp = self.rtmp.get_or_insert_with(|| process.address("rtmp"));
            command = command.replace("rtmp://127.0.0.1/", &format!("rtmp://{rtmp}/"));
        }
        let shown: &[&str] = match self.command.split(' ').nth(1) {
            Some("balance") => &["8000", "8080"],
            Some("hls") => &["8084", "8085"],
            Some("share") => &["6969", "443", "9091"],
            _ => &["8080", "8443", "443"],
        };
        let command = with_port(&command, shown, self.http);
        let command = self.ws.map_or(command.clone(), |ws| with_port(&command, &["8081"], ws));
        let command = self.rpc.map_or(command.clone(), |rpc| with_port(&command, &["7000"], rpc));
        match self.metrics {
            Some(metrics) => with_port(&command, &["9090"], metrics),
            None => command,
        }
    }
}

/// The command, which measures for less time than the page says. A machine that is busy may let wrk's connections wait for longer than wrk does by itself.
fn in_a_hurry(command: &str) -> String {
    if let Some(rest) = command.strip_prefix("wrk ") {
        return format!("wrk --timeout 20s {rest}");
    }
    // A few seconds of a film, and of a stream.
    if command.starts_with("ffmpeg ") {
        return command.replacen(" -re ", " -re -t 3 ", 1);
    }
    if command.contains("wireworks hls latency ") {
        return command.replacen("--for 20s", "--for 3s", 1);
    }
    if !command.contains("wireworks ws bench") && !command.contains("wireworks rpc bench") {
        return command.to_owned();
    }
    let mut words: Vec<&str> = command.split(' ').collect();
    if let Some(at) = words.iter().position(|word| *word == "--duration") {
        words.drain(at..at + 2);
    }
    words.extend(["--duration", "500ms"]);
    words.join(" ")
}

/// Whether the command starts a balancer.
fn is_balancer(command: &str) -> bool {
    command.starts_with("wireworks balance ")
}

/// Whether the command is one of our own clients.
fn is_client(command: &str) -> bool {
    let of_calls = command.contains("wireworks rpc ") && !command.contains("wireworks rpc serve");
    let of_a_chat = command.contains("wireworks chat ") && !command.contains("wireworks chat serve");
    of_calls
        || of_a_chat
        || command.contains("wireworks balance ctl ")
        || command.contains("wireworks hls latency ")
        || command.contains("wireworks hls play ")
        || ["connect", "bench"].iter().any(|client| command.contains(&format!("wireworks ws {client}")))
}

/// The text with the port of `addr` in place of those that are `shown`. One pass: a port that was put in may begin like another.
fn with_port(text: &str, shown: &[&str], addr: SocketAddr) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(':') {
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (port, behind) = after.split_at(digits);
        let is_ours = before.ends_with("127.0.0.1") || before.ends_with("localhost");
        done += before;
        done.push(':');
        if is_ours && shown.contains(&port) {
            done += &addr.port().to_string();
        } else {
            done += port;
        }
        rest = behind;
    }
    done + rest
}

/// A client must have been answered, and well, unless it asked for an error.
#[track_caller]
fn judge(command: &str, ended: &Ended) {
    assert!(ended.status.success(), "{command}: {}\n{}", ended.status, ended.stderr);
    if is_client(command) || command.starts_with("ffmpeg ") && !command.contains("| curl ") {
        return;
    }
    if command.starts_with("wrk ") {
        let text = ended.text();
        assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{command}: {text}");
        return;
    }
    // An encoder in front of it draws over its own lines.
    let lines = ended.stderr.split(['\r', '\n']);
    let replies: Vec<&str> = lines.filter_map(|line| line.strip_prefix("< HTTP/1.1 ")).collect();
    assert!(!replies.is_empty(), "{command}: no reply\n{}", ended.stderr);
    let wanted = |reply: &&str| reply.starts_with(['1', '2']) || command.contains("/status/");
    assert!(replies.iter().all(wanted), "{command}: {replies:?}\n{}", ended.text());
}

/// The folder of the examples. `cargo test` alone has built them; with `--test integration` they may be old or absent.
static EXAMPLES: LazyLock<String> = LazyLock::new(|| {
    let profile = Path::new(env!("CARGO_BIN_EXE_wireworks")).parent().unwrap();
    let manifest = root().join("Cargo.toml");
    let target = profile.parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--examples"]);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.args(["--manifest-path".as_ref(), manifest.as_os_str()]);
    cargo.args(["--target-dir".as_ref(), target.as_os_str()]);
    // What cargo told these tests of themselves; build scripts that see it elsewhere run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    let patience = Duration::from_secs(600);
    Process::start(&mut cargo, Vec::new()).within(patience).wait().success();
    profile.join("examples").display().to_string()
});
