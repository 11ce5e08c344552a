//! Cases, played by clients over TCP against one server for each table.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::pattern::{Words, filled, fits};
use super::table::{Case, Table, bytes};
use crate::chat::Server;
use crate::chat::pair::{Ground, InStep, Pair};

/// How long a line may take, before a case fails. `CHAT_IRC_PATIENCE=2` in front of a run makes it two seconds, for whoever writes a case.
fn patience() -> Duration {
    let typed = std::env::var("CHAT_IRC_PATIENCE").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(typed.unwrap_or(60))
}

/// What the server is started with.
const ARGS: [&str; 9] = [
    "--no-limits",
    "--irc",
    "127.0.0.1:0",
    "--server-name",
    "irc.test",
    "--network",
    "Testers",
    "--max-rooms",
    "8",
];

/// The folder of the tables.
pub(super) fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chat_irc")
}

/// The table of this name.
pub(super) fn read(name: &str) -> Table {
    let path = folder().join(format!("{name}.irc"));
    Table::parse(
        &std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    )
}

/// Plays all cases of a table, and says which of them failed.
pub(super) fn table(name: &str) {
    let mut server = Server::with(&ARGS);
    let addr = server.irc_addr();
    let store = server.folder.path().join("data");
    let failed: Vec<String> = read(name)
        .cases
        .iter()
        .filter_map(|case| {
            let failure = Play::new(Place::One(addr, &store)).case(case).err()?;
            Some(format!("{name}: {}: {failure}", case.name))
        })
        .collect();
    assert!(failed.is_empty(), "{} cases failed:\n{}", failed.len(), failed.join("\n"));
}

/// Plays the cases of tables on two nodes, but those with an excuse: who is called `ann` is on one of them, and all others are on the other.
pub(super) fn tables_on_two_nodes(names: &[&str], excused: &[(&str, &str)]) {
    let ground = Ground::start();
    let mut failed = Vec::new();
    for name in names {
        let mut pair = ground.pair(&ARGS);
        let addrs = pair.irc();
        let is_excused = |case: &Case| excused.iter().any(|(name, _)| *name == case.name);
        for case in read(name).cases.iter().filter(|case| !is_excused(case)) {
            if let Err(failure) = Play::new(Place::Two(addrs, &pair)).case(case) {
                failed.push(format!("{name}: {}: {failure}", case.name));
            }
        }
    }
    assert!(failed.is_empty(), "{} cases failed:\n{}", failed.len(), failed.join("\n"));
}

/// Where cases are played.
enum Place<'a> {
    /// A server, and its folder.
    One(SocketAddr, &'a Path),
    /// Two nodes.
    Two([SocketAddr; 2], &'a Pair),
}

/// A case under way.
struct Play<'a> {
    place: Place<'a>,
    clients: HashMap<String, Client>,
    words: Words,
}

impl<'a> Play<'a> {
    fn new(place: Place<'a>) -> Self {
        Self { place, clients: HashMap::new(), words: Words::new() }
    }

    fn case(&mut self, case: &Case) -> Result<(), String> {
        for step in &case.steps {
            self.step(&step.text).map_err(|error| format!("line {}: {}: {error}", step.line, step.text))?;
        }
        Ok(())
    }

    fn step(&mut self, text: &str) -> Result<(), String> {
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["raw", nick] => self.add(nick).map(drop),
            ["connect", nick, ref caps @ ..] => self.connect(nick, caps),
            ["account", nick, ref caps @ ..] => {
                self.connect(nick, caps)?;
                let client = self.client(nick)?;
                client.send(&bytes(&format!("REGISTER * * secret-of-{nick}")))?;
                let told = client.told()?;
                let made = told.iter().any(|line| line.contains(" 900 "));
                made.then_some(()).ok_or_else(|| format!("no account: {told:?}"))
            }
            ["operator", nick] => {
                let data = match self.place {
                    Place::One(_, data) => data,
                    Place::Two(_, pair) => {
                        pair.operates(nick);
                        return Ok(());
                    }
                };
                let path = data.join("chat.db");
                let db = rusqlite::Connection::open(path).map_err(|error| error.to_string())?;
                let changed = db.execute("UPDATE accounts SET operator = 1 WHERE name = ?1", [nick]);
                (changed == Ok(1)).then_some(()).ok_or_else(|| format!("{changed:?}"))
            }
            ["join", room, ref nicks @ ..] => {
                for nick in nicks {
                    let client = self.client(nick)?;
                    client.send(format!("JOIN {room}").as_bytes())?;
                    client.until(" 366 ")?;
                }
                nicks.iter().try_for_each(|nick| self.client(nick)?.told().map(drop))
            }
            _ => self.talk(text),
        }
    }

    fn talk(&mut self, text: &str) -> Result<(), String> {
        let at = text.find(['>', '<', '.', '!', '$']).ok_or("no such step")?;
        let (nick, rest) = text.split_at(at);
        let (sign, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let rest = filled(rest, &self.words);
        let expected = String::from_utf8_lossy(&bytes(&rest)).into_owned();
        let mut known = std::mem::take(&mut self.words);
        let client = self.clients.get_mut(nick).ok_or("no such client")?;
        let outcome = match sign {
            ">" => client.send(&bytes(&rest)),
            "<" => client.line().and_then(|line| {
                let fits = fits(&expected, &line, &mut known);
                fits.then_some(()).ok_or_else(|| format!("got {line:?}"))
            }),
            "<<" => client.find(|line| fits(&expected, line, &mut known)),
            "." => client.told().and_then(|told| match told.is_empty() {
                true => Ok(()),
                false => Err(format!("got {told:?}")),
            }),
            "!" => client.told().and_then(|told| {
                let bad = told.iter().find(|line| !expected.is_empty() && fits(&expected, line, &mut known));
                bad.map_or(Ok(()), |line| Err(format!("got {line:?}")))
            }),
            "$" => client.closed(),
            _ => Err("no such step".to_owned()),
        };
        self.words = known;
        outcome
    }

    fn client(&mut self, nick: &str) -> Result<&mut Client, String> {
        self.clients.get_mut(nick).ok_or_else(|| format!("no client {nick}"))
    }

    fn add(&mut self, nick: &str) -> Result<&mut Client, String> {
        let (addr, step) = match self.place {
            Place::One(addr, _) => (addr, None),
            Place::Two(addrs, pair) => {
                let node = usize::from(!nick.starts_with("ann"));
                (addrs[node], Some(pair.step(node)))
            }
        };
        let client = Client::connect(addr, step).map_err(|error| error.to_string())?;
        // A client of the same name is another one from now on, and the old connection is closed.
        self.clients.insert(nick.to_owned(), client);
        self.client(nick)
    }

    fn connect(&mut self, nick: &str, caps: &[&str]) -> Result<(), String> {
        let client = self.add(nick)?;
        if !caps.is_empty() {
            client.send(format!("CAP REQ :{}", caps.join(" ")).as_bytes())?;
            let answer = client.line()?;
            if !answer.contains(" ACK ") {
                return Err(answer);
            }
        }
        client.send(format!("NICK {nick}\r\nUSER {nick} 0 * :Real {nick}\r\nCAP END").as_bytes())?;
        client.until(" 422 ")?;
        client.told().map(drop)
    }
}

struct Client {
    reading: BufReader<TcpStream>,
    writing: TcpStream,
    syncs: usize,
    /// If it is a client of one of two nodes.
    step: Option<InStep>,
}

impl Client {
    fn connect(addr: SocketAddr, step: Option<InStep>) -> std::io::Result<Self> {
        let writing = TcpStream::connect(addr)?;
        writing.set_nodelay(true)?;
        writing.set_read_timeout(Some(patience()))?;
        Ok(Self { reading: BufReader::new(writing.try_clone()?), writing, syncs: 0, step })
    }

    fn send(&mut self, line: &[u8]) -> Result<(), String> {
        if let Some(step) = &self.step {
            step.asks();
        }
        self.writing.write_all(&[line, b"\r\n"].concat()).map_err(|error| error.to_string())
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = Vec::new();
        self.reading.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => String::from_utf8(line.to_vec()).map_err(|error| error.to_string()),
            None => Err(format!("the connection ended: {line:?}")),
        }
    }

    /// Skips lines, up to one that fits.
    fn find(&mut self, mut fits: impl FnMut(&str) -> bool) -> Result<(), String> {
        let mut passed = Vec::new();
        loop {
            let line = self.line().map_err(|error| format!("{error}, behind {passed:?}"))?;
            if fits(&line) {
                return Ok(());
            }
            passed.push(line);
        }
    }

    fn until(&mut self, text: &str) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().map_err(|error| format!("{error}, behind {lines:?}"))?;
            let last = line.contains(text);
            lines.push(line);
            if last {
                return Ok(lines);
            }
        }
    }

    /// What it is told until now.
    fn told(&mut self) -> Result<Vec<String>, String> {
        self.syncs += 1;
        let token = format!("sync-{}-end", self.syncs);
        self.send(format!("PING {token}").as_bytes())?;
        let mut lines = self.until(&token)?;
        lines.pop();
        Ok(lines)
    }

    fn closed(&mut self) -> Result<(), String> {
        loop {
            let mut line = Vec::new();
            match self.reading.read_until(b'\n', &mut line) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
