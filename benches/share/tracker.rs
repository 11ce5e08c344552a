//! Trackers: ours for the clients that must be told of others, and ours and opentracker under load.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use crate::sandbox::{TRACKER, ip};
use crate::support::rounds::Sample;
use crate::support::server::Server;
use crate::support::{Result, procfs};
use crate::wrk::Wrk;
use crate::{tools, udp, web};

/// Torrents that are announced.
pub(crate) const TORRENTS: u32 = 1000;

/// How it is asked.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ask {
    /// Over connections that stay, if the server lets them.
    Http,
    /// Over a connection for each announce.
    HttpClose,
    Udp,
}

/// Where it is.
fn addr() -> SocketAddr {
    SocketAddr::new(ip(TRACKER), 6969)
}

/// Where clients announce themselves.
pub(crate) fn announce_url() -> String {
    format!("http://{}/announce", addr())
}

/// Ours, for clients.
pub(crate) fn start_tracker() -> Result<Server> {
    let mut command = tools::on_cpus("1");
    command.args([env!("CARGO_BIN_EXE_wireworks"), "share", "tracker", "--max-requests-per-minute", "0"]);
    command.args(["--listen", &addr().to_string()]);
    Server::start(command, tempfile::tempdir()?, None)
}

/// One turn of the tracker `name`, which knows the torrents that are announced, and no others.
pub(crate) fn turn(name: &str, ask: Ask, seconds: u64) -> Result<Sample> {
    let is_ours = name == "wireworks";
    let server = if is_ours { ours()? } else { opentracker()? };
    knows_torrents()?;
    let load = |seconds| match ask {
        Ask::Udp => udp::load(addr(), seconds),
        _ => {
            // The script takes the path as a word about connections.
            let path = if ask == Ask::Http { "/keep" } else { "/close" };
            let load = Wrk { script: Some("../share/announce.lua"), ..Wrk::plain(addr(), path) };
            let report = load.run(seconds)?;
            // opentracker closes each connection without having said so, which wrk takes for errors.
            Ok(udp::Answers { answered: report.requests, lost: if is_ours { report.errors } else { 0 } })
        }
    };
    load(1)?;
    let (answers, spent) = procfs::account(server.pid(), || load(seconds))?;
    if answers.answered == 0 {
        return Err("no announce was answered".into());
    }
    let (spent, count) = (spent.as_secs_f64(), answers.answered as f64);
    let sides = vec![count / spent, count / seconds as f64];
    Ok(Sample { cost: spent * 1e6 / count, sides, errors: answers.lost })
}

fn ours() -> Result<Server> {
    let dir = tempfile::tempdir()?;
    let allowed = allow(&dir)?;
    let mut command = tools::on_cpus("0");
    command.args([env!("CARGO_BIN_EXE_wireworks"), "share", "tracker", "--threads", "1"]);
    command.args(["--max-requests-per-minute", "0", "--max-peers-per-address", "100000"]);
    command.args(["--listen", &addr().to_string(), "--allow"]).arg(allowed);
    Server::start(command, dir, None)
}

/// The build of Debian knows the torrents of a list only, and changes to a folder from which it cannot leave.
fn opentracker() -> Result<Server> {
    let dir = tempfile::tempdir()?;
    let allowed = allow(&dir)?;
    let mut command = tools::on_cpus("0");
    command.arg(tools::debian("opentracker", "opentracker")?).args(["-i", &addr().ip().to_string()]);
    // It has no rights any more when it reads the list, which it looks for in the folder.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    let list = allowed.file_name().ok_or("the list has no name")?;
    command.args(["-p", "6969", "-P", "6969", "-d"]).arg(dir.path()).arg("-w").arg(list);
    Server::start(command, dir, Some(addr()))
}

/// Refuses a tracker that refuses what will be announced.
fn knows_torrents() -> Result<()> {
    let mut hash = String::new();
    info_hash(0).iter().try_for_each(|byte| write!(hash, "%{byte:02x}"))?;
    let peer = "peer_id=-BN0001-000000000000&port=1024&uploaded=0&downloaded=0&left=16384&compact=1";
    let answer = web::get(addr(), &format!("/announce?info_hash={hash}&{peer}"))?;
    if answer.contains("interval") { Ok(()) } else { Err(format!("it refuses: {answer}").into()) }
}

/// The list of torrents, for both.
fn allow(dir: &TempDir) -> Result<std::path::PathBuf> {
    let mut list = String::new();
    for number in 0..TORRENTS {
        info_hash(number).iter().try_for_each(|byte| write!(list, "{byte:02x}"))?;
        list.push('\n');
    }
    let path = dir.path().join("torrents.txt");
    fs::write(&path, list)?;
    Ok(path)
}

/// The info hash of a number, as `announce.lua` makes it, too: bytes of a linear congruential generator.
pub(crate) fn info_hash(number: u32) -> [u8; 20] {
    let mut state = number.wrapping_mul(69_069).wrapping_add(1);
    std::array::from_fn(|_| {
        state = state.wrapping_mul(69_069).wrapping_add(12_345);
        (state >> 24) as u8
    })
}
