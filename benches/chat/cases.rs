//! What is measured: the table of cases.

use std::thread::sleep;
use std::time::Duration;

use crate::crowd::Crowd;
use crate::fanout::{Load, Talk};
use crate::servers::{Bench, Running};
use crate::support::rounds::{self, Sample, Units};
use crate::support::table::Heading;
use crate::support::{Result, procfs};
use crate::{history, sends};

/// Before a load is measured, the same for so long.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long a silent server is watched.
const WATCH: Duration = Duration::from_secs(10);
/// How long it may take to settle before.
const SETTLE: Duration = Duration::from_secs(2);
/// Descriptors that a process has beside its connections, at most.
const OTHERS: u64 = 100;
/// Of the silent members, so many are asked whether they are served still.
const ASKED: usize = 500;

/// One row of the bench: what is done, by whom, and who is the measure of the others.
pub(crate) struct Case {
    name: &'static str,
    about: &'static str,
    task: Task,
    servers: &'static [&'static str],
    /// Ratios refer to the cheapest server whose name begins so.
    reference: &'static str,
}

/// What a server has to do.
#[derive(Clone, Copy)]
enum Task {
    /// To tell all members of rooms what a few say, one at a time and many at once.
    Rooms { rooms: usize, members: usize, size: usize },
    /// To hold members who are silent, in so many rooms.
    Idle { rooms: usize },
    /// To keep what many send, and say so.
    Sends,
    /// To let members into a room with a long history, and show it.
    History,
}

const WEB: &[&str] = &["wireworks", "bun", "bun-chat", "npm-ws"];
const IRC: &[&str] = &["wireworks-irc", "inspircd", "ngircd"];
const OURS: &[&str] = &["wireworks", "wireworks-irc"];

/// Every case, in the order of the tables.
pub(crate) const CASES: &[Case] = &[
    web("ws-1000", "one room of 1,000, 64 B", (1, 1_000, 64)),
    web("ws-1000-1k", "one room of 1,000, 1 KiB", (1, 1_000, 1 << 10)),
    web("ws-10000", "one room of 10,000, 64 B", (1, 10_000, 64)),
    web("ws-10000-1k", "one room of 10,000, 1 KiB", (1, 10_000, 1 << 10)),
    web("ws-rooms", "1,000 rooms of 10, 64 B", (1_000, 10, 64)),
    web("ws-rooms-1k", "1,000 rooms of 10, 1 KiB", (1_000, 10, 1 << 10)),
    irc("irc-1000", "one room of 1,000, 64 B", (1, 1_000, 64)),
    irc("irc-1000-400", "one room of 1,000, 400 B", (1, 1_000, 400)),
    irc("irc-10000", "one room of 10,000, 64 B", (1, 10_000, 64)),
    irc("irc-rooms", "1,000 rooms of 10, 64 B", (1_000, 10, 64)),
    irc("irc-rooms-400", "1,000 rooms of 10, 400 B", (1_000, 10, 400)),
    idle("idle-ws-rooms", "silent members of 20 rooms, over WebSocket", 20, WEB, "bun"),
    idle("idle-ws-one", "silent members of one room, over WebSocket", 1, WEB, "bun"),
    idle("idle-irc-rooms", "silent members of 20 rooms, over IRC", 20, IRC, "inspircd"),
    idle("idle-irc-one", "silent members of one room, over IRC", 1, IRC, "inspircd"),
    Case {
        name: "sends",
        about: "durable sends of 64 B, of 200 clients with 16 under way, each alone in its room",
        task: Task::Sends,
        servers: OURS,
        reference: "wireworks",
    },
    Case {
        name: "history",
        about: "a room with 1,000,000 messages: a hundred joins, and a hundred pages of 50 at each of five places; medians, unless it says slowest",
        task: Task::History,
        servers: OURS,
        reference: "wireworks",
    },
];

const fn web(name: &'static str, about: &'static str, room: (usize, usize, usize)) -> Case {
    let task = Task::Rooms { rooms: room.0, members: room.1, size: room.2 };
    Case { name, about, task, servers: WEB, reference: "bun" }
}

const fn irc(name: &'static str, about: &'static str, room: (usize, usize, usize)) -> Case {
    Case { servers: IRC, reference: "inspircd", ..web(name, about, room) }
}

const fn idle(
    name: &'static str,
    about: &'static str,
    rooms: usize,
    servers: &'static [&'static str],
    reference: &'static str,
) -> Case {
    Case { name, about, task: Task::Idle { rooms }, servers, reference }
}

const ROOMS_UNITS: Units = Units {
    cost: "CPU µs/delivery, 4 x 16 under way",
    sides: &[
        ("deliveries/CPU s", 0),
        ("p99 ms", 1),
        ("one at a time: CPU µs", 2),
        ("one at a time: p99 ms", 1),
        ("s to let all in", 1),
    ],
    digits: 3,
};
const IDLE_UNITS: Units = Units {
    cost: "bytes/member",
    sides: &[("members", 0), ("wake-ups in 10 s", 0), ("s to let all in", 1)],
    digits: 0,
};

impl Case {
    /// Lets the server called `name` do its task.
    pub(crate) fn turn(
        &self,
        bench: &mut Bench,
        name: &str,
        seconds: u64,
        descriptors: u64,
    ) -> Result<Sample> {
        let time = Duration::from_secs(seconds);
        match self.task {
            Task::Rooms { rooms, members, size } => talk(&bench.start(name)?, (rooms, members), size, time),
            Task::Idle { rooms } => idle_members(&bench.start(name)?, rooms, descriptors),
            Task::Sends => sends::measure(&bench.start(name)?, time),
            Task::History => history::measure(bench, name),
        }
    }
}

impl rounds::Case for Case {
    fn heading(&self) -> Heading<'static> {
        let units = match self.task {
            Task::Rooms { .. } => &ROOMS_UNITS,
            Task::Idle { .. } => &IDLE_UNITS,
            Task::Sends => &sends::UNITS,
            Task::History => &history::UNITS,
        };
        Heading { name: self.name, about: self.about, reference: self.reference, units }
    }

    fn servers(&self) -> &'static [&'static str] {
        self.servers
    }
}

/// The CPU time of the server for each delivery: with many messages under way, then with one.
fn talk(server: &Running, (rooms, members): (usize, usize), size: usize, time: Duration) -> Result<Sample> {
    let (mut crowd, took) = Crowd::gather(server.addr, server.door, rooms, members)?;
    let mut measure = |senders, window| {
        let talk = Talk { size, senders, window };
        Load::new(&mut crowd, members, talk)?.run(WARM_UP)?;
        let load = Load::new(&mut crowd, members, talk)?;
        let (done, spent) = procfs::account(server.pid(), || load.run(time))?;
        let p99 = done.latency.value_at_quantile(0.99) as f64 / 1000.0;
        Result::Ok((spent.as_secs_f64() * 1e6 / done.deliveries as f64, p99))
    };
    let (many, many_p99) = measure(4, 16)?;
    let (single, single_p99) = measure(1, 1)?;
    let sides = vec![1e6 / many, many_p99, single, single_p99, took.as_secs_f64()];
    Ok(Sample { cost: many, sides, errors: 0 })
}

/// The memory of the server for each of many members who say nothing.
fn idle_members(server: &Running, rooms: usize, descriptors: u64) -> Result<Sample> {
    let members = 20_000.min((descriptors - OTHERS) as usize) / rooms;
    let before = procfs::private_memory(server.pid())?;
    let (mut crowd, took) = Crowd::gather(server.addr, server.door, rooms, members)?;
    sleep(SETTLE);
    let slept = procfs::voluntary_switches(server.pid())?;
    sleep(WATCH);
    let wakeups = procfs::voluntary_switches(server.pid())?.saturating_sub(slept);
    let grown = procfs::private_memory(server.pid())?.saturating_sub(before);
    let count = crowd.clients.len();
    let errors = crowd.count_lost(count - ASKED.min(count)..count)?;
    let sides = vec![count as f64, wakeups as f64, took.as_secs_f64()];
    Ok(Sample { cost: grown as f64 / count as f64, sides, errors })
}
