//! One client that seeds, one that fetches, or both: CPU time, memory and speed between the first bytes and the last.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::clients::{Client, Part, Role};
use crate::content::{Content, Disk};
use crate::leecher::Leecher;
use crate::process::{Cpu, Process, complaint};
use crate::sandbox::address;
use crate::seeder;
use crate::support::Result;
use crate::support::rounds::Sample;
use crate::tracker::{announce_url, start_tracker};

/// How long all that is on the way may be on the way.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long clients may take until the first bytes go.
const BEGIN: Duration = Duration::from_secs(60);
/// Bytes that have gone when a transfer has begun: more than all that clients say to each other before.
const BEGUN: u64 = 1 << 20;
/// Addresses of clients.
const SEED: u8 = 2;
const LEECH: u8 = 3;

/// The client `name` seeds on CPU 0, and the bench's own leecher fetches everything.
pub(crate) fn seed(name: &str, content: Content, disk: &Disk) -> Result<Sample> {
    let torrent = disk.torrent(content)?;
    let notes = disk.fresh("turn/seed")?;
    let file = torrent.file(None)?;
    let part = Part {
        role: Role::Seed,
        torrent: &file,
        folder: &torrent.folder,
        addr: address(SEED),
        peer: None,
        up: None,
        cpus: "0",
        notes: &notes,
    };
    let mut process = Client::named(name)?.start(&part)?;
    let mut leecher = Leecher::connect(part.addr, torrent).map_err(|error| blame(error, &process))?;
    let (begun, before) = (Instant::now(), process.cpu()?);
    thread::scope(|scope| {
        let fetch = scope.spawn(move || leecher.fetch().map(|()| leecher));
        process.wait("all was fetched", PATIENCE, |_| Ok(fetch.is_finished()))?;
        // The connection is closed when the account was read.
        let _leecher = fetch.join().map_err(|_| "the leecher panicked")?.map_err(|e| blame(e, &process))?;
        let (wall, cpu) = (begun.elapsed(), process.cpu()?.since(before));
        process.look();
        Ok(sample(&process, cpu, wall, torrent.gigabytes()))
    })
}

/// The bench's own seeder serves the client `name`, which is on CPU 0.
pub(crate) fn leech(name: &str, content: Content, disk: &Disk) -> Result<Sample> {
    let torrent = disk.torrent(content)?;
    let (out, notes) = (disk.fresh("turn/out")?, disk.fresh("turn/leech")?);
    let (client, file, stopped) = (Client::named(name)?, torrent.file(None)?, AtomicBool::new(false));
    let part = Part {
        role: Role::Leech,
        torrent: &file,
        folder: &out,
        addr: address(LEECH),
        peer: None,
        up: None,
        cpus: "0",
        notes: &notes,
    };
    let sample = thread::scope(|scope| {
        let quiet = Traffic::now()?;
        let mut process = client.start(&part)?;
        let serve = scope.spawn(|| seeder::serve(part.addr, torrent, &stopped));
        let measured = follow(&quiet, &mut process, client, &part);
        stopped.store(true, Ordering::Relaxed);
        // Its end closes the connection, and so ends the seeder.
        let ended = measured.map(|(wall, cpu)| sample(&process, cpu, wall, torrent.gigabytes()));
        drop(process);
        match serve.join().map_err(|_| "the seeder panicked")? {
            Err(error) if ended.is_ok() => Err(error),
            _ => ended,
        }
    })?;
    torrent.compare(&out)?;
    disk.clear()?;
    Ok(sample)
}

/// One client seeds on CPU 0, another fetches on CPU 1: `SEED->LEECH`, or one name for both.
pub(crate) fn pair(name: &str, content: Content, disk: &Disk) -> Result<Sample> {
    let torrent = disk.torrent(content)?;
    let (seed, leech) = name.split_once("->").unwrap_or((name, name));
    let (seed, leech) = (Client::named(seed)?, Client::named(leech)?);
    let [out, seeds, leeches] = ["turn/out", "turn/seed", "turn/leech"].map(|name| disk.fresh(name));
    let (out, seeds, leeches) = (out?, seeds?, leeches?);
    let tracker = leech.needs_tracker().then(start_tracker).transpose()?;
    let file = torrent.file(tracker.as_ref().map(|_| announce_url()).as_deref())?;
    let part = Part {
        role: Role::Seed,
        torrent: &file,
        folder: &torrent.folder,
        addr: address(SEED),
        peer: None,
        up: None,
        cpus: "0",
        notes: &seeds,
    };
    let mut seeder = seed.start(&part)?;
    drop(Leecher::connect(part.addr, torrent).map_err(|error| blame(error, &seeder))?);
    let part = Part {
        role: Role::Leech,
        folder: &out,
        addr: address(LEECH),
        peer: tracker.is_none().then_some(part.addr),
        cpus: "1",
        notes: &leeches,
        ..part
    };
    let (quiet, before) = (Traffic::now()?, seeder.cpu()?);
    let mut leecher = leech.start(&part)?;
    let (wall, cpu) = follow(&quiet, &mut leecher, leech, &part)?;
    let seeded = seeder.cpu()?.since(before);
    seeder.look();
    let gigabytes = torrent.gigabytes();
    let speed = gigabytes * 1e3 / wall.as_secs_f64();
    let peaks = [leecher.peak.private, seeder.peak.private];
    drop((leecher, seeder));
    torrent.compare(&out)?;
    disk.clear()?;
    let sides = vec![seeded.sum() / gigabytes, speed, peaks[0], peaks[1]];
    Ok(Sample { cost: cpu.sum() / gigabytes, sides, errors: 0 })
}

/// The client `name` looks at what is there, on both CPUs.
pub(crate) fn verify(name: &str, content: Content, disk: &Disk) -> Result<Sample> {
    let torrent = disk.torrent(content)?;
    let notes = disk.fresh("turn/verify")?;
    let (client, file) = (Client::named(name)?, torrent.file(None)?);
    let part = Part {
        role: Role::Verify,
        torrent: &file,
        folder: &torrent.folder,
        addr: address(LEECH),
        peer: None,
        up: None,
        cpus: "0,1",
        notes: &notes,
    };
    let mut process = client.start(&part)?;
    process.wait("it began", BEGIN, |process| Ok(client.has_begun(process)))?;
    let (begun, before) = (Instant::now(), process.cpu()?);
    process.wait("it had looked at all", PATIENCE, |process| client.is_done(process, &part))?;
    let (wall, cpu) = (begun.elapsed(), process.cpu()?.since(before));
    Ok(sample(&process, cpu, wall, torrent.gigabytes()))
}

/// Follows a leecher from the first bytes to the last, which is on its disk: the time, and its CPU time meanwhile.
fn follow(
    quiet: &Traffic,
    leecher: &mut Process,
    client: Client,
    part: &Part<'_>,
) -> Result<(Duration, Cpu)> {
    leecher.wait("the first bytes came", BEGIN, |_| quiet.has_grown_by(BEGUN))?;
    let (begun, before) = (Instant::now(), leecher.cpu()?);
    leecher.wait("all was fetched", PATIENCE, |leecher| client.is_done(leecher, part))?;
    Ok((begun.elapsed(), leecher.cpu()?.since(before)))
}

fn sample(process: &Process, cpu: Cpu, wall: Duration, gigabytes: f64) -> Sample {
    let (user, system) = (cpu.user / gigabytes, cpu.system / gigabytes);
    let speed = gigabytes * 1e3 / wall.as_secs_f64();
    let sides = vec![user, system, speed, process.peak.private, process.peak.resident];
    Sample { cost: user + system, sides, errors: 0 }
}

/// What went wrong, with what the client says of it.
fn blame(error: impl std::fmt::Display, process: &Process) -> String {
    format!("{error}; it says: {}", complaint(&process.said()))
}

/// What has gone over the network of the bench, in which nobody else is.
pub(crate) struct Traffic(u64);

impl Traffic {
    pub(crate) fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/net/dev")?;
        let line = text.lines().find_map(|line| line.trim().strip_prefix("lo:")).ok_or("there is no lo")?;
        Ok(Self(line.split_ascii_whitespace().next().ok_or("lo counts nothing")?.parse()?))
    }

    fn has_grown_by(&self, bytes: u64) -> Result<bool> {
        Ok(Self::now()?.0 >= self.0 + bytes)
    }
}
