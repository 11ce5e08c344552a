//! Many connections at once, most of them silent: opening them, watching a server meanwhile, and counting those it lost.

use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::rounds::Sample;
use super::server::Server;
use super::{Result, procfs, reset};

/// The longest that a round over all connections may take.
const ROUND: Duration = Duration::from_secs(60);
/// How long a silent server is watched.
const WATCH: Duration = Duration::from_secs(10);
/// How long a server may take to settle after the last of many connections came.
const SETTLE: Duration = Duration::from_secs(2);

/// Opens `count` connections, of which `connect` gets the number.
pub(crate) fn connect_many(
    count: usize,
    mut connect: impl FnMut(usize) -> Result<TcpStream>,
) -> Result<Vec<TcpStream>> {
    let deadline = Instant::now() + ROUND;
    let mut streams = Vec::with_capacity(count);
    for nth in 0..count {
        if Instant::now() > deadline {
            return Err(format!("only {nth} connections in {} s", ROUND.as_secs()).into());
        }
        streams.push(connect(nth).map_err(|error| format!("connection {nth}: {error}"))?);
    }
    Ok(streams)
}

/// Asks on every connection, and counts those that fail or have no answer when time is up.
pub(crate) fn count_lost(
    streams: &mut [TcpStream],
    mut ask: impl FnMut(&mut TcpStream) -> Result<()>,
) -> u64 {
    let deadline = Instant::now() + ROUND;
    let mut lost = |stream: &mut TcpStream| Instant::now() > deadline || ask(stream).is_err();
    streams.iter_mut().map(|stream| u64::from(lost(stream))).sum()
}

/// Bytes of the server's memory for each connection that `open` opens, and how often it wakes up while all are silent.
/// Each must still answer to `ask` afterwards.
pub(crate) fn watch(
    server: &Server,
    open: impl FnOnce() -> Result<Vec<TcpStream>>,
    ask: impl FnMut(&mut TcpStream) -> Result<()>,
) -> Result<Sample> {
    let before = procfs::private_memory(server.pid())?;
    let mut silent = open()?;
    sleep(SETTLE);
    let slept = procfs::voluntary_switches(server.pid())?;
    sleep(WATCH);
    let wakeups = procfs::voluntary_switches(server.pid())?.saturating_sub(slept);
    let grown = procfs::private_memory(server.pid())?.saturating_sub(before);
    let errors = count_lost(&mut silent, ask);
    let cost = grown as f64 / silent.len() as f64;
    reset(silent);
    Ok(Sample { cost, sides: vec![wakeups as f64], errors })
}
