//! Many torrents whose files are all there, and nobody who asks for them: the memory that a client needs, and the CPU time.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::content::Disk;
use crate::process::Process;
use crate::sandbox::{address, ip};
use crate::support::rounds::Sample;
use crate::support::{Result, procfs};
use crate::torrent::{info, metainfo};
use crate::{clients, tools, web};

/// Bytes of the only file of each.
const SIZE: usize = 1000;
/// How long a client may take until it has all.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long it is watched.
const WATCH: Duration = Duration::from_secs(20);
/// It has come to rest when it needs less than a quarter of a core for so long.
const REST: Duration = Duration::from_secs(3);
/// The address of the client.
const HOST: u8 = 2;

/// One turn of the client `name` with so many torrents.
pub(crate) fn turn(name: &str, count: usize, disk: &Disk) -> Result<Sample> {
    let [torrents, files, notes] = ["torrents", "files", "notes"].map(|name| format!("turn/{name}"));
    let (torrents, files, notes) = (disk.fresh(&torrents)?, disk.fresh(&files)?, disk.fresh(&notes)?);
    fill(&torrents, &files, count)?;
    let http = SocketAddr::new(ip(HOST), 9091);
    let mut command = tools::on_cpus("0");
    match name {
        "wireworks" => {
            command.args([env!("CARGO_BIN_EXE_wireworks"), "share", "daemon", "--no-dht"]);
            command.args(["--transport", "tcp", "--listen", &http.to_string()]);
            command.args(["--peer-listen", &address(HOST).to_string(), "--data"]).arg(notes.join("data"));
            command.arg("--folder").arg(&files).arg("--watch").arg(&torrents);
        }
        _ => {
            command.env("PYTHONPATH", tools::libtorrent()?).args(["python3", clients::SCRIPT, "keep"]);
            command.arg(&torrents).arg(&files).args(["--listen", &address(HOST).to_string()]);
        }
    }
    let begun = Instant::now();
    let mut process = Process::start(command, notes.join("log"))?;
    process.wait("it had all torrents", PATIENCE, |process| match name {
        "wireworks" => all_added(&torrents, count),
        _ => Ok(process.said().lines().any(|line| line == "done")),
    })?;
    if name == "wireworks" {
        process.wait("it shared all of them", PATIENCE, |_| Ok(unshared(http, count)? == 0))?;
    }
    rest(&process)?;
    let wall = begun.elapsed();
    let (before, memory) = (process.cpu()?, procfs::private_memory(process.pid())?);
    sleep(WATCH);
    let busy = process.cpu()?.since(before).sum() / WATCH.as_secs_f64() * 100.0;
    let missing = if name == "wireworks" { unshared(http, count)? } else { 0 };
    drop(process);
    disk.clear()?;
    let mebibytes = memory as f64 / f64::from(1 << 20);
    let each = memory as f64 / 1024.0 / count as f64;
    Ok(Sample { cost: mebibytes, sides: vec![each, busy, wall.as_secs_f64()], errors: missing as u64 })
}

/// How many torrents our daemon does not share yet.
fn unshared(http: SocketAddr, count: usize) -> Result<usize> {
    let list = web::get(http, "/api/torrents")?;
    Ok(count.saturating_sub(list.matches(r#""state":"seeding""#).count()))
}

/// Makes torrents of one small file each.
fn fill(torrents: &Path, files: &Path, count: usize) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(10);
    let mut content = vec![0; SIZE];
    for number in 0..count {
        random.fill(&mut content);
        let name = format!("file-{number:05}.bin");
        fs::write(files.join(&name), &content)?;
        let info = info(&name, &[(name.clone(), SIZE)], 16 << 10, &content);
        fs::write(torrents.join(format!("{number:05}.torrent")), metainfo(&info))?;
    }
    Ok(())
}

/// Whether a client that renames what it has taken has taken all. A new name ends in `.added`.
fn all_added(torrents: &Path, count: usize) -> Result<bool> {
    let last: PathBuf = torrents.join(format!("{:05}.torrent.added", count - 1));
    Ok(last.exists())
}

/// Waits until a client has little to do.
fn rest(process: &Process) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = process.cpu()?;
        sleep(REST);
        if process.cpu()?.since(before).sum() < REST.as_secs_f64() / 4.0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err("it does not come to rest".into());
        }
    }
}
