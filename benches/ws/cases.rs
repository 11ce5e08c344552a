//! What is measured: the table of cases.

use std::time::Duration;

use crate::broadcast::{self, Broadcast};
use crate::connect::{Deflate, Opening, ask, connect_many};
use crate::echo::{self, Echo};
use crate::frames::{masked, message, plain};
use crate::support::rounds::{self, Sample, Units};
use crate::support::server::Server;
use crate::support::table::Heading;
use crate::support::{Result, procfs, silent};

/// Before a turn is measured, the same load for so long.
const WARM_UP: Duration = Duration::from_secs(1);

/// The server that speaks no WebSocket.
const BARE: &str = "raw";

const ECHO: &[&str] = &[
    BARE,
    "frames",
    "wireworks",
    "fastwebsockets",
    "tungstenite",
    "tungstenite-4k",
    "tokio-websockets",
    "bun",
    "npm-ws",
];
const ROOM: &[&str] = &["frames", "wireworks", "tungstenite-4k", "bun"];
const IDLE: &[&str] =
    &["frames", "wireworks", OFFERED, "fastwebsockets", "tungstenite-4k", "tokio-websockets", "bun"];

/// Ours, when compression is offered to it and it agrees.
const OFFERED: &str = "wireworks-deflate";

/// Silent connections.
const SILENT: usize = 20_000;
/// Descriptors that a process has beside its connections, at most.
const OTHERS: u64 = 100;

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
    Echo(Echo),
    Broadcast(Broadcast),
    /// To hold connections that sent one message.
    Idle,
}

/// Every case, in the order of the tables.
pub(crate) const CASES: &[Case] = &[
    echo("echo-16", "16 bytes, 64 connections, one message at a time", 16, 1, 64),
    echo("echo-1k", "1 KiB, 64 connections, one message at a time", 1 << 10, 1, 64),
    echo("echo-64k", "64 KiB, 64 connections, one message at a time", 1 << 16, 1, 64),
    echo("echo-16-deep", "16 bytes, 64 connections, 64 messages in each write", 16, 64, 64),
    echo("echo-1k-deep", "1 KiB, 64 connections, 64 messages in each write", 1 << 10, 64, 64),
    echo("echo-64k-deep", "64 KiB, 4 connections, 64 messages under way on each", 1 << 16, 64, 4),
    one_by_one("room-64-1000", "64 bytes to 1,000, one message at a time", 64, 1_000),
    one_by_one("room-1k-1000", "1 KiB to 1,000, one message at a time", 1 << 10, 1_000),
    one_by_one("room-64-10000", "64 bytes to 10,000, one message at a time", 64, 10_000),
    one_by_one("room-1k-10000", "1 KiB to 10,000, one message at a time", 1 << 10, 10_000),
    many("room-64-1000-deep", "64 bytes to 1,000, of 4 speakers with 16 messages under way", 64, 1_000),
    many("room-1k-1000-deep", "1 KiB to 1,000, of 4 speakers with 16 messages under way", 1 << 10, 1_000),
    many("room-64-10000-deep", "64 bytes to 10,000, of 4 speakers with 16 messages under way", 64, 10_000),
    many("room-1k-10000-deep", "1 KiB to 10,000, of 4 speakers with 16 messages under way", 1 << 10, 10_000),
    Case {
        name: "idle-memory",
        about: "20,000 connections, or as many as the limit of descriptors allows, that had an echo once and are then silent for 10 s",
        task: Task::Idle,
        servers: IDLE,
        reference: "bun",
    },
];

const fn echo(
    name: &'static str,
    about: &'static str,
    size: usize,
    depth: usize,
    connections: usize,
) -> Case {
    let task = Task::Echo(Echo { size, depth, connections });
    Case { name, about, task, servers: ECHO, reference: BARE }
}

const fn one_by_one(name: &'static str, about: &'static str, size: usize, receivers: usize) -> Case {
    let task = Task::Broadcast(Broadcast { size, receivers, senders: 1, window: 1 });
    Case { name, about, task, servers: ROOM, reference: "frames" }
}

const fn many(name: &'static str, about: &'static str, size: usize, receivers: usize) -> Case {
    let task = Task::Broadcast(Broadcast { size, receivers, senders: 4, window: 16 });
    Case { name, about, task, servers: ROOM, reference: "frames" }
}

const ECHO_UNITS: Units = Units { cost: "CPU µs/message", sides: &[("messages/s", 0)], digits: 3 };
const ROOM_UNITS: Units = Units { cost: "CPU µs/delivery", sides: &[("deliveries/s", 0)], digits: 3 };
const IDLE_UNITS: Units = Units { cost: "bytes/connection", sides: &[("wake-ups in 10 s", 0)], digits: 0 };

impl Case {
    /// Lets the server called `name` do its task for so long, with so many `descriptors`.
    pub(crate) fn load(&self, name: &str, server: &Server, seconds: u64, descriptors: u64) -> Result<Sample> {
        let time = Duration::from_secs(seconds);
        match self.task {
            Task::Echo(task) => {
                let mut load = echo::Load::open(server, task, name == BARE)?;
                per_unit(server, time, |time| load.run(time))
            }
            Task::Broadcast(task) => {
                let mut load = broadcast::Load::open(server, task)?;
                per_unit(server, time, |time| load.run(time))
            }
            Task::Idle => {
                let deflate = if name == OFFERED { Deflate::Offered } else { Deflate::Off };
                let connections = SILENT.min((descriptors - OTHERS) as usize);
                idle(server, deflate, connections)
            }
        }
    }
}

impl rounds::Case for Case {
    fn heading(&self) -> Heading<'static> {
        let units = match self.task {
            Task::Echo(_) => &ECHO_UNITS,
            Task::Broadcast(_) => &ROOM_UNITS,
            Task::Idle => &IDLE_UNITS,
        };
        Heading { name: self.name, about: self.about, reference: self.reference, units }
    }

    fn servers(&self) -> &'static [&'static str] {
        self.servers
    }
}

/// The CPU time of the server for each of the things that `run` counts.
fn per_unit(server: &Server, time: Duration, mut run: impl FnMut(Duration) -> Result<u64>) -> Result<Sample> {
    run(WARM_UP)?;
    let (count, spent) = procfs::account(server.pid(), || run(time))?;
    let count = count as f64;
    Ok(Sample { cost: spent.as_secs_f64() * 1e6 / count, sides: vec![count / time.as_secs_f64()], errors: 0 })
}

/// The memory of the server for each of many connections that had an echo of 16 bytes once.
fn idle(server: &Server, deflate: Deflate, connections: usize) -> Result<Sample> {
    let message = message(16, 0);
    let (request, reply) = (masked(&message), plain(&message));
    let opening = Opening::Handshake { path: "/echo", deflate };
    let open = || {
        let mut streams = connect_many(server.addr, opening, connections)?;
        streams.iter_mut().try_for_each(|stream| ask(stream, &request, &reply))?;
        Ok(streams)
    };
    silent::watch(server, open, |stream| ask(stream, &request, &reply))
}
