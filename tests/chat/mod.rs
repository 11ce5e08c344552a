//! The chat server, as its clients see it.

mod access;
mod admin;
mod bench;
mod client;
mod cluster;
mod connect;
mod crash;
mod doors;
mod faults;
mod hostile;
mod injection;
mod irc;
mod json;
mod notify;
mod options;
pub(crate) mod pair;
mod presence;
mod rates;

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use self::client::Client;
use crate::support::command::{stop, wireworks};
use crate::support::process::{Ended, Process};
use crate::support::wire::Wire;

/// A server with a folder of its own.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) addr: SocketAddr,
    /// Of the IRC door, when it was asked for.
    irc: Option<SocketAddr>,
    pub(crate) folder: TempDir,
}

impl Server {
    /// A server without limits on rates, so that tests are as fast as they can.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with(&["--no-limits"])
    }

    #[track_caller]
    pub(crate) fn with(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, addr) = Self::process("127.0.0.1:0", folder.path(), args);
        Self { process, addr, irc: None, folder }
    }

    #[track_caller]
    fn process(listen: &str, folder: &Path, args: &[&str]) -> (Process, SocketAddr) {
        let data = folder.join("data").display().to_string();
        let common = ["chat", "serve", "--listen", listen, "--data", &data];
        let mut process = wireworks(&[&common, args].concat());
        let addr = process.address("chat");
        (process, addr)
    }

    /// Kills it as the system does when there is no memory left, and starts it again with the same folder.
    #[track_caller]
    pub(crate) fn killed_and_started(self) -> Self {
        self.killed_and_started_with(&["--no-limits"])
    }

    /// The same, with other arguments.
    #[track_caller]
    pub(crate) fn killed_and_started_with(self, args: &[&str]) -> Self {
        self.process.signal(rustix::process::Signal::KILL);
        drop(self.process.wait());
        let (process, addr) = Self::process("127.0.0.1:0", self.folder.path(), args);
        Self { process, addr, irc: None, folder: self.folder }
    }

    /// Ends it in order, and starts it again with the same folder. Says how it ended.
    #[track_caller]
    pub(crate) fn stopped_and_started(self) -> (Self, Ended) {
        let ended = stop(self.process);
        let (process, addr) = Self::process("127.0.0.1:0", self.folder.path(), &["--no-limits"]);
        (Self { process, addr, irc: None, folder: self.folder }, ended)
    }

    /// A client that has been greeted.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.addr)
    }

    /// What a client is greeted with.
    #[track_caller]
    pub(crate) fn client_hello(&self) -> serde_json::Value {
        Client::open(self.addr, "").hears()
    }

    /// A client with a new account of this name.
    #[track_caller]
    pub(crate) fn account(&self, name: &str) -> Client {
        let mut client = self.client();
        client.registers(name);
        client
    }

    /// A guest of this name.
    #[track_caller]
    pub(crate) fn guest(&self, name: &str) -> Client {
        let mut client = self.client();
        client.asks(serde_json::json!({"t": "guest", "name": name}));
        client
    }
}

/// Where a check is made: one server, or several nodes that look like one.
pub(crate) trait Stage {
    /// A client that has been greeted.
    fn client(&self) -> Client;

    /// A client with a new account of this name.
    #[track_caller]
    fn account(&self, name: &str) -> Client {
        let mut client = self.client();
        client.registers(name);
        client
    }

    /// A guest of this name.
    #[track_caller]
    fn guest(&self, name: &str) -> Client {
        let mut client = self.client();
        client.asks(serde_json::json!({"t": "guest", "name": name}));
        client
    }
}

impl Stage for Server {
    #[track_caller]
    fn client(&self) -> Client {
        Self::client(self)
    }
}

impl Stage for pair::Pair {
    #[track_caller]
    fn client(&self) -> Client {
        Self::client(self)
    }
}

/// Makes checks on one server, each in a test of its own, and calls the list of them `CHECKS`, for two nodes.
macro_rules! checks {
    ($($name:ident)*) => {
        mod on_one_server {
            $(#[test]
            fn $name() {
                super::$name(&crate::chat::Server::start());
            })*
        }

        /// What holds on any stage.
        pub(super) const CHECKS: &[(&str, fn(&dyn crate::chat::Stage))] =
            &[$((stringify!($name), $name)),*];
    };
}
use checks;

/// A client of the IRC door.
pub(crate) struct Irc(Wire);

impl Server {
    /// A connection to the IRC door, which has said nothing yet.
    #[track_caller]
    pub(crate) fn irc(&mut self) -> Irc {
        Irc(Wire::connect(self.irc_addr()))
    }

    /// Where the IRC door is.
    #[track_caller]
    pub(crate) fn irc_addr(&mut self) -> SocketAddr {
        *self.irc.get_or_insert_with(|| self.process.address("irc"))
    }

    /// A client of the IRC door that has come in under this nick.
    #[track_caller]
    pub(crate) fn registered(&mut self, nick: &str) -> Irc {
        let mut irc = self.irc();
        irc.says(&format!("NICK {nick}"));
        irc.says(&format!("USER {nick} 0 * :{nick}"));
        irc.hears("422");
        irc
    }
}

impl Irc {
    /// Sends a line.
    #[track_caller]
    pub(crate) fn says(&mut self, line: &str) {
        self.raw(format!("{line}\r\n").as_bytes());
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.send(bytes);
    }

    /// The next line with this command or numeric; what comes before it is dropped.
    #[track_caller]
    pub(crate) fn hears(&mut self, command: &str) -> String {
        loop {
            let line = self.line();
            let mut words = line.split(' ').filter(|word| !word.starts_with(['@', ':']));
            if words.next() == Some(command) {
                return line;
            }
        }
    }

    /// All lines up to one with this text in it.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.line());
            if lines.last().is_some_and(|line| line.contains(text)) {
                return lines;
            }
        }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = self.0.read_until(b"\r\n");
        line.truncate(line.len() - 2);
        String::from_utf8(line).unwrap()
    }

    /// All lines until the connection ends, but for one that is torn.
    #[track_caller]
    fn rest(&mut self) -> Vec<String> {
        let (bytes, _) = self.0.read_to_close();
        let text = String::from_utf8_lossy(&bytes);
        let whole = text.rfind("\r\n").map_or("", |end| &text[..end]);
        whole.split("\r\n").map(str::to_owned).collect()
    }
}
