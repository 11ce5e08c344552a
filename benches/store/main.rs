//! What the chat's store costs in CPU time: `cargo bench --bench store`, or with `-- --events 100000` for a smaller room.
//!
//! Messages of 64 bytes are appended in calls of 1, 100 and 1000, acknowledged when they are on disk, in a folder below `target/`. Then pages of 50 are read from both
//! ends and the middle of one room. CPU time is that of the whole process, with the writer's thread and the readers.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use rustix::time::{ClockId, clock_gettime};
use wireworks::proto::chat::event::{Author, Change, Message, RoomKind};
use wireworks::proto::chat::id::{AccountId, MessageId, RoomId};
use wireworks::server::chat::store::history::{Part, Place, Query, Search, Which};
use wireworks::server::chat::store::sqlite::{Sqlite, SqliteConfig};
use wireworks::server::chat::store::{Appended, Draft, Store, StoreError};

/// Events of the room that is paged.
const EVENTS: u64 = 1_000_000;

/// Pages that are read at each place.
const PAGES: u32 = 1000;

/// Messages of a measurement of appends in calls of a size.
const APPENDS: [(usize, u64); 3] = [(1, 2_000), (100, 50_000), (1000, 200_000)];

/// Calls that wait for their answers at the same time.
const IN_FLIGHT: usize = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let events = args.iter().position(|arg| arg == "--events").and_then(|at| args.get(at + 1));
    let events = events.map_or(Ok(EVENTS), |text| text.parse())?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("store");
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let store = Sqlite::open(&folder, &SqliteConfig::default())?;
    runtime.block_on(async {
        println!(
            "| append, 64 B | calls in flight | messages a second | CPU µs a message |\n|---|---|---|---|"
        );
        let mut next = 1;
        store.append(vec![draft(1, 0, 1, create())]).await?;
        for (size, total) in APPENDS {
            for in_flight in [1, IN_FLIGHT] {
                let (wall, cpu) = (Instant::now(), cpu());
                append(&store, 1, next..next + total, size, in_flight).await?;
                row(&format!("in calls of {size}"), in_flight, total, wall.elapsed(), self::cpu() - cpu);
                next += total;
            }
        }
        if next < events {
            append(&store, 1, next..events, 1000, IN_FLIGHT).await?;
        }
        println!("\n| page of 50 of {} events | ms | CPU µs |\n|---|---|---|", next.max(events));
        let places = [
            ("the last", Part::Latest),
            ("the first", Part::After(Place::Seq(0))),
            ("in the middle, by number", Part::Before(Place::Seq(events / 2))),
            ("in the middle, by id", Part::Before(Place::Id(id(events / 2)))),
            ("in the middle, by time", Part::Around(Place::Time(id(events / 2).time()))),
        ];
        for (what, part) in places {
            let (wall, cpu) = (Instant::now(), cpu());
            for _ in 0..PAGES {
                let query = Query { room: RoomId(1), part, which: Which::Messages, limit: 50 };
                assert_eq!(store.page(query).await?.entries.len(), 50);
            }
            let (wall, cpu) = (wall.elapsed() / PAGES, (self::cpu() - cpu) / PAGES);
            println!("| {what} | {:.2} | {} |", wall.as_secs_f64() * 1e3, cpu.as_micros());
        }
        let (wall, cpu) = (Instant::now(), cpu());
        let search = Search {
            text: "rare77 ipsum".into(),
            rooms: vec![RoomId(1)],
            by: None,
            after: None,
            before: None,
            limit: 50,
        };
        store.search(search.clone()).await?;
        println!(
            "\nfull-text index of {}: {:.1} s, CPU {:.1} µs a message",
            next.max(events),
            wall.elapsed().as_secs_f64(),
            (self::cpu() - cpu).as_secs_f64() * 1e6 / next.max(events) as f64
        );
        let wall = Instant::now();
        let found = store.search(search).await?.len();
        println!("search for two words: {:.1} ms, {found} found", wall.elapsed().as_secs_f64() * 1e3);
        Ok::<_, StoreError>(())
    })?;
    let bytes: u64 =
        std::fs::read_dir(&folder)?.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum();
    println!("on disk: {} MB", bytes / 1_000_000);
    drop(store);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Appends messages, in calls of `size`, of which some wait at once.
async fn append(
    store: &Sqlite,
    room: u64,
    numbers: std::ops::Range<u64>,
    size: usize,
    in_flight: usize,
) -> Result<(), StoreError> {
    let mut waiting = FuturesOrdered::new();
    let mut numbers = numbers.peekable();
    while numbers.peek().is_some() {
        let drafts =
            numbers.by_ref().take(size).map(|number| draft(room, number, number % 500, message(number)));
        waiting.push_back(store.append(drafts.collect()));
        if waiting.len() >= in_flight {
            let appended = waiting.next().await.transpose()?.unwrap_or_default();
            assert!(appended.iter().all(|appended| matches!(appended, Appended::New(_))));
        }
    }
    while let Some(appended) = waiting.next().await {
        appended?;
    }
    Ok(())
}

fn row(what: &str, in_flight: usize, total: u64, wall: Duration, cpu: Duration) {
    let rate = total as f64 / wall.as_secs_f64();
    println!("| {what} | {in_flight} | {rate:.0} | {:.1} |", cpu.as_secs_f64() * 1e6 / total as f64);
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// One message each 10 ms.
fn id(number: u64) -> MessageId {
    MessageId::new(1_700_000_000_000 + number * 10, u128::from(number))
}

fn create() -> Change {
    Change::Create { kind: RoomKind::Public, name: "#bench".parse().ok(), members: Vec::new() }
}

fn message(number: u64) -> Change {
    let mut text = format!("lorem ipsum dolor sit amet rare{} consectetur {number} ", number % 1000);
    while text.len() < 64 {
        text.push('x');
    }
    Change::Message(Message { text, ..Message::default() })
}

fn draft(room: u64, number: u64, account: u64, change: Change) -> Draft {
    let nick = format!("user{account}");
    let by = Author {
        nick: nick.parse().unwrap_or_else(|_| unreachable!("{nick} is a name")),
        account: Some(AccountId(account)),
        user: "user".into(),
        host: "account".into(),
    };
    Draft { room: RoomId(room), id: id(number), by, change, client_id: Some(format!("client-{number}")) }
}
