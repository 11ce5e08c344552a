//! A room with a long history, written through the store: how long it takes to come in, and to see any part of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use memchr::memmem;
use tempfile::TempDir;
use wireworks::proto::chat::event::{Author, Change, Message, RoomKind, Who};
use wireworks::proto::chat::id::{AccountId, MessageId, RoomId};
use wireworks::proto::irc::time;
use wireworks::server::chat::store::history::Search;
use wireworks::server::chat::store::sqlite::{Sqlite, SqliteConfig};
use wireworks::server::chat::store::{Draft, Store, StoreError};

use crate::door::{Door, masked};
use crate::servers::{Bench, Running, folder};
use crate::support::Result;
use crate::support::rounds::{Sample, Units};

/// Messages of the room.
const MESSAGES: u64 = 1_000_000;
/// Drafts of a call.
const CALL: u64 = 1000;
/// How often each thing is asked.
const TIMES: u64 = 100;
/// The longest that a server may keep this client waiting.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the numbers are.
pub(crate) const UNITS: Units = Units {
    cost: "ms to join",
    sides: &[
        ("slowest of 100 joins", 1),
        ("the last page, ms", 2),
        ("the first", 2),
        ("before the middle", 2),
        ("around an id", 2),
        ("from a time", 2),
        ("slowest of 500 pages", 1),
    ],
    digits: 2,
};

/// Lets the server called `name` show the room.
pub(crate) fn measure(bench: &mut Bench, name: &str) -> Result<Sample> {
    let data = bench.history(fill)?;
    let server = bench.ours(name, folder()?, &data)?;
    let joins = sorted((0..TIMES).map(|nth| join(&server, nth)))?;
    let mut client = Client::connect(&server, "reader")?;
    let mut sides = vec![ms(joins[joins.len() - 1])];
    let mut slowest = Duration::ZERO;
    for place in 0..5 {
        let times = sorted((0..TIMES).map(|time| client.ask(server.door, page(server.door, place, time))))?;
        sides.push(ms(times[times.len() / 2]));
        slowest = slowest.max(times[times.len() - 1]);
    }
    sides.push(ms(slowest));
    Ok(Sample { cost: ms(joins[joins.len() / 2]), sides, errors: 0 })
}

fn sorted(times: impl Iterator<Item = Result<Duration>>) -> Result<Vec<Duration>> {
    let mut times = times.collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Comes in as a new member.
fn join(server: &Running, nth: u64) -> Result<Duration> {
    Client::open(server, &format!("j{nth}"))?.join(server.door)
}

/// The question for a page at one of five places; which one of a hundred in its neighbourhood.
fn page(door: Door, place: u32, time: u64) -> String {
    let middle = MESSAGES / 2 + time * 1000;
    match door {
        Door::Irc => {
            let (way, at) = match place {
                0 => ("LATEST", "*".to_owned()),
                1 => ("AFTER", format!("msgid={}", id(1))),
                2 => ("BEFORE", format!("msgid={}", id(middle))),
                3 => ("AROUND", format!("msgid={}", id(middle))),
                _ => ("AFTER", format!("timestamp={}", time::format(id(middle).time()))),
            };
            format!("CHATHISTORY {way} #bench {at} 50\r\n")
        }
        _ => {
            let place = match place {
                0 => String::new(),
                1 => r#","after":0"#.to_owned(),
                2 => format!(r#","before":{middle}"#),
                3 => format!(r#","around":"{}""#, id(middle)),
                _ => format!(r#","since":{}"#, id(middle).time()),
            };
            format!(r##"{{"t":"history","id":9,"room":"#bench"{place},"limit":50}}"##)
        }
    }
}

struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects, and registers as a guest.
    fn open(server: &Running, nick: &str) -> Result<Self> {
        let stream = TcpStream::connect(server.addr)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream, buffer: vec![0; 1 << 20] };
        if server.door == Door::Irc {
            let words = format!(
                "CAP REQ :batch message-tags server-time draft/chathistory\r\nNICK {nick}\r\nUSER {nick} 0 * :x\r\nCAP END\r\n"
            );
            client.exchange(words.as_bytes(), b" 422 ")?;
        } else {
            let (upgrade, hello) = &server.door.steps(0, 0)[0];
            client.exchange(upgrade, hello)?;
            let guest = masked(&format!(r#"{{"t":"guest","id":1,"name":"{nick}"}}"#));
            client.exchange(&guest, br#""re":1"#)?;
        }
        Ok(client)
    }

    fn connect(server: &Running, nick: &str) -> Result<Self> {
        let mut client = Self::open(server, nick)?;
        client.join(server.door)?;
        Ok(client)
    }

    fn join(&mut self, door: Door) -> Result<Duration> {
        match door {
            Door::Irc => self.exchange(b"JOIN #bench\r\n", b" 366 "),
            _ => self.exchange(&masked(r##"{"t":"join","id":2,"room":"#bench"}"##), br#""re":2"#),
        }
    }

    /// Asks for a page of 50, and counts its messages.
    fn ask(&mut self, door: Door, question: String) -> Result<Duration> {
        let (bytes, end, message): (_, &[u8], &[u8]) = match door {
            Door::Irc => (question.into_bytes(), b"BATCH -", b"PRIVMSG #bench"),
            _ => (masked(&question), br#""more":"#, br#""t":"message""#),
        };
        let (time, got) = self.exchanged(&bytes, end)?;
        match memmem::find_iter(&got, message).count() {
            50 => Ok(time),
            other => Err(format!("a page of {other} messages: {}", String::from_utf8_lossy(&got)).into()),
        }
    }

    fn exchange(&mut self, bytes: &[u8], wanted: &[u8]) -> Result<Duration> {
        self.exchanged(bytes, wanted).map(|(time, _)| time)
    }

    /// Sends something, and takes what comes until the end of it is there.
    fn exchanged(&mut self, bytes: &[u8], wanted: &[u8]) -> Result<(Duration, Vec<u8>)> {
        let begun = Instant::now();
        self.stream.write_all(bytes)?;
        let mut got = Vec::new();
        while memmem::find(&got, wanted).is_none() {
            match self.stream.read(&mut self.buffer)? {
                0 => return Err("the server closed the connection".into()),
                read => got.extend_from_slice(&self.buffer[..read]),
            }
        }
        Ok((begun.elapsed(), got))
    }
}

/// A folder with the room.
fn fill() -> Result<TempDir> {
    let folder = folder()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let store = Sqlite::open(folder.path(), &SqliteConfig::default())?;
    runtime.block_on(async {
        let nick = "owner".parse().map_err(|error| StoreError::Broken(format!("{error}")))?;
        let members = vec![(Who::Account(AccountId(1)), nick)];
        let create = Change::Create { kind: RoomKind::Public, name: "#bench".parse().ok(), members };
        store.append(vec![draft(0, create)?]).await?;
        for call in 0..MESSAGES / CALL {
            let numbers = call * CALL + 1..=(call + 1) * CALL;
            let drafts = numbers
                .map(|number| draft(number, message(number)))
                .collect::<std::result::Result<_, _>>()?;
            store.append(drafts).await?;
        }
        // The index of words is not to be filled while the server is measured.
        let search = Search {
            text: "lorem".into(),
            rooms: vec![RoomId(1)],
            by: None,
            after: None,
            before: None,
            limit: 1,
        };
        store.search(search).await
    })?;
    Ok(folder)
}

/// One message each 10 ms.
fn id(number: u64) -> MessageId {
    MessageId::new(1_700_000_000_000 + number * 10, u128::from(number))
}

fn message(number: u64) -> Change {
    let text = format!("lorem ipsum dolor sit amet consectetur {number} xxxxxxxxxxxxxxxxxx");
    Change::Message(Message { text, ..Message::default() })
}

fn draft(number: u64, change: Change) -> std::result::Result<Draft, StoreError> {
    let nick = format!("user{}", number % 500);
    let by = Author {
        nick: nick.parse().map_err(|error| StoreError::Broken(format!("{nick}: {error}")))?,
        account: Some(AccountId(number % 500)),
        user: "user".into(),
        host: "account".into(),
    };
    Ok(Draft { room: RoomId(1), id: id(number), by, change, client_id: None })
}
