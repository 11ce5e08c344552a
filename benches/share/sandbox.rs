//! A network of the bench's own, with an address for each client, and a disk in memory: both end with the bench.
//!
//! The bench starts itself anew by `unshare`, as a process cannot leave for namespaces of its own without unsafe code.

use std::env;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::Result;

/// Set in the environment of the bench that is in its namespaces.
const INSIDE: &str = "WIREWORKS_BENCH_SANDBOX";

/// Addresses that there are; the highest are not those of clients under test.
const HOSTS: u8 = 70;

/// Descriptors for a client that opens 20,000 files.
const DESCRIPTORS: u64 = 30_000;

/// The address of the bench's own leecher and seeder.
pub(crate) const RAW: u8 = HOSTS;

/// The address of the tracker.
pub(crate) const TRACKER: u8 = HOSTS - 1;

/// A disk for the largest case, which has a source, what is fetched, and files of fifty clients: what is written takes memory, and
/// nothing else does.
const SETUP: &str = "ip link set lo up
for host in $(seq \"$1\"); do ip address add 10.99.0.$host/24 dev lo; done
mount -t tmpfs -o size=8g tmpfs \"$0\"";

/// Returns in a namespace: with the folder where the disk is.
pub(crate) fn enter() -> Result<PathBuf> {
    let disk = Path::new(env!("CARGO_TARGET_TMPDIR")).join("share");
    if env::var_os(INSIDE).is_none() {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.arg("-r");
        }
        command.args(["-n", "-m"]).arg(env::current_exe()?).args(env::args_os().skip(1)).env(INSIDE, "1");
        return Err(format!("unshare (Debian package util-linux): {}", command.exec()).into());
    }
    raise_descriptor_limit()?;
    std::fs::create_dir_all(&disk)?;
    let status = Command::new("sh").args(["-ec", SETUP]).arg(&disk).arg(HOSTS.to_string()).status()?;
    if status.success() { Ok(disk) } else { Err("no network (Debian package iproute2), or no disk".into()) }
}

/// Lets clients that open every file of a torrent at once do so, where the bench may.
fn raise_descriptor_limit() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let wanted = maximum.map(|maximum| maximum.max(DESCRIPTORS));
    let set = |limit| setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit });
    // Who is not root has to do with what there is: such a client then fails, and its row says so.
    Ok(set(wanted).or_else(|_| set(maximum))?)
}

/// Where the client of a number takes connections.
pub(crate) fn address(host: u8) -> SocketAddr {
    SocketAddr::new(ip(host), 6881)
}

/// Its address.
pub(crate) fn ip(host: u8) -> IpAddr {
    Ipv4Addr::new(10, 99, 0, host).into()
}
