//! A flash crowd: one client has a file, many of the same kind want it at the same moment, and all send at most as much as the first one.
//!
//! Nobody can be faster than what all of them together send (Kumar and Ross, 2006), which is what the times are compared with.

use std::cell::RefCell;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::clients::{Client, Part, Role};
use crate::content::{CROWD, Content, Disk};
use crate::process::Process;
use crate::sandbox::{TRACKER, address, ip};
use crate::support::Result;
use crate::support::rounds::Sample;
use crate::tracker::{announce_url, start_tracker};
use crate::web;

/// So many bounds may pass.
const PATIENCE: f64 = 8.0;
/// How long the seed may take until the tracker knows of it.
const BEGIN: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// The address of the seed; leechers have those that follow.
const SEED: u8 = 2;

/// Who wants the file.
#[derive(Clone, Copy)]
pub(crate) struct Crowd {
    pub(crate) leechers: u8,
    /// Bytes a second that each sends at most.
    pub(crate) up: u64,
}

impl Crowd {
    /// Seconds until the last one has it at the earliest.
    pub(crate) fn bound(self) -> f64 {
        let (size, up, leechers) = (CROWD as f64, self.up as f64, f64::from(self.leechers));
        (size / up).max(leechers * size / (up * (1.0 + leechers)))
    }
}

/// When the leechers of a turn were done, in bounds.
pub(crate) struct Finish {
    pub(crate) case: &'static str,
    pub(crate) client: String,
    pub(crate) times: Vec<f64>,
}

/// All turns so far.
pub(crate) type Finishes = RefCell<Vec<Finish>>;

/// A leecher.
struct Leecher {
    process: Process,
    out: PathBuf,
    notes: PathBuf,
    host: u8,
    /// Seconds until it had all.
    done: Option<f64>,
}

/// One turn of a crowd of the client `name`.
pub(crate) fn turn(
    case: &'static str,
    name: &str,
    crowd: Crowd,
    disk: &Disk,
    finishes: &Finishes,
) -> Result<Sample> {
    let client = Client::named(name)?;
    let torrent = disk.torrent(Content::Crowd)?;
    let file = torrent.file(Some(&announce_url()))?;
    let _tracker = start_tracker()?;
    let notes = disk.fresh("turn/seed")?;
    let seed = Part {
        role: Role::Seed,
        torrent: &file,
        folder: &torrent.folder,
        addr: address(SEED),
        peer: None,
        up: Some(crowd.up),
        cpus: "0,1",
        notes: &notes,
    };
    let mut seeder = client.start(&seed)?;
    let stats = std::net::SocketAddr::new(ip(TRACKER), 6969);
    seeder.wait("the tracker knew of it", BEGIN, |_| {
        sleep(LOOK);
        Ok(web::get(stats, "/stats")?.contains(r#""seeders":1"#))
    })?;
    let begun = Instant::now();
    let mut leechers = Vec::new();
    for host in SEED + 1..=SEED + crowd.leechers {
        let (out, notes) =
            (disk.fresh(&format!("turn/out-{host}"))?, disk.fresh(&format!("turn/notes-{host}"))?);
        let process = client.start(&leech(&seed, host, &out, &notes))?;
        leechers.push(Leecher { process, out, notes, host, done: None });
    }
    while leechers.iter().any(|leecher| leecher.done.is_none()) {
        sleep(LOOK);
        for Leecher { process, out, notes, host, done } in &mut leechers {
            if done.is_none() && client.is_done(process, &leech(&seed, *host, out, notes))? {
                *done = Some(begun.elapsed().as_secs_f64());
            }
        }
        if begun.elapsed().as_secs_f64() > crowd.bound() * PATIENCE {
            let done = leechers.iter().filter(|leecher| leecher.done.is_some()).count();
            return Err(format!("{done} of {} were done after {PATIENCE} bounds", crowd.leechers).into());
        }
    }
    let mut cpu = seeder.cpu()?.sum();
    let mut times = Vec::new();
    for Leecher { process, out, done, .. } in &leechers {
        cpu += process.cpu()?.sum();
        times.extend(done.map(|seconds| seconds / crowd.bound()));
        torrent.compare(out)?;
    }
    drop((leechers, seeder));
    disk.clear()?;
    times.sort_by(f64::total_cmp);
    let (mean, last) = (times.iter().sum::<f64>() / times.len() as f64, times.last().copied());
    finishes.borrow_mut().push(Finish { case, client: name.to_owned(), times });
    Ok(Sample { cost: last.ok_or("nobody came")?, sides: vec![mean, crowd.bound(), cpu], errors: 0 })
}

fn leech<'a>(seed: &Part<'a>, host: u8, out: &'a std::path::Path, notes: &'a std::path::Path) -> Part<'a> {
    Part { role: Role::Stay, folder: out, addr: address(host), notes, ..*seed }
}
