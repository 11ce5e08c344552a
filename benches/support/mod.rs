//! What the benches over sockets share: turns in a shuffled order, servers on a CPU of their own, the kernel's account of
//! their CPU time and memory, and the tables.
//!
//! The protocol is written down in `benches/README.md`.

use std::error::Error;
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use socket2::SockRef;

pub(crate) mod args;
pub(crate) mod procfs;
pub(crate) mod rounds;
pub(crate) mod server;
pub(crate) mod silent;
pub(crate) mod table;

/// A message is all that a failed bench needs.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The CPU of the server under test.
const SERVER_CPU: usize = 0;
/// The CPU of everything else: the load and the harness.
const CLIENT_CPU: usize = 1;

/// Pins this process, and with it the children that do not choose a CPU themselves, to its CPU.
pub(crate) fn pin() -> Result<()> {
    let cpus = std::thread::available_parallelism()?.get();
    let mut set = CpuSet::new();
    set.set(CLIENT_CPU);
    sched_setaffinity(None, &set).map_err(|error| {
        format!("the bench needs CPUs {SERVER_CPU} and {CLIENT_CPU}, of {cpus} here: {error}")
    })?;
    Ok(())
}

/// Takes as many descriptors as this process may, for itself and the servers it starts: at least `needed`. Says how many.
pub(crate) fn raise_descriptor_limit(needed: u64) -> Result<u64> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    match maximum {
        Some(limit) if limit < needed => {
            Err(format!("{limit} descriptors allowed, {needed} needed: see ulimit -Hn").into())
        }
        limit => Ok(limit.unwrap_or(u64::MAX)),
    }
}

/// Closes by reset, which leaves no port in TIME_WAIT for the next server.
pub(crate) fn reset(streams: Vec<TcpStream>) {
    for stream in streams {
        // When this fails the port waits a minute, and nothing else happens.
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}
