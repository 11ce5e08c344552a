//! A network of a test's own, with an address for each peer.

use std::path::Path;
use std::time::Duration;

use super::tree::{KINDS, Torrent, assert_same};
use crate::support::command::wireworks;
use crate::support::process::{Ended, Process};
use crate::support::tool::{Tool, in_tools};

/// How long a peer may take. Transmission looks for peers every ten seconds and more.
const PATIENCE: Duration = Duration::from_secs(45);

/// Seconds that we may take to fetch what is there.
const MOST: &str = "25";

/// What a network has: its addresses, and a way for multicasts.
const SETUP: &str = "set -e; ip link set lo up; ip link set lo multicast on; ip route add 224.0.0.0/4 dev lo
for host in $(seq 20); do ip addr add 10.99.0.$host/24 dev lo; done; echo ready; exec cat";

/// Run first, has nobody hear multicasts.
pub(super) const NO_MULTICAST: &str = "echo 0 > /proc/sys/net/ipv4/igmp_max_memberships";

/// A namespace, which ends with the test.
pub(super) struct Network {
    holder: Process,
}

impl Network {
    /// A network of twenty addresses, and file systems of its own.
    #[track_caller]
    pub(super) fn new() -> Self {
        Self::with("")
    }

    /// Likewise, where nobody hears multicasts: peers are not found by being near.
    #[track_caller]
    pub(super) fn without_multicast() -> Self {
        Self::with(NO_MULTICAST)
    }

    /// Likewise; `command` is run by a shell in it first, as for a disk of its own.
    #[track_caller]
    pub(super) fn with(command: &str) -> Self {
        for tool in ["unshare", "nsenter", "ip"] {
            Tool::new(tool).args(["--help"]).run();
        }
        let root: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["-r"] };
        let script = format!("{command}\n{SETUP}");
        let mut holder =
            Tool::new("unshare").args(root).args(["-n", "-m", "sh", "-c", &script]).start_typing();
        holder.wait_for_stdout("ready");
        Self { holder }
    }

    /// A program in it, which must be installed.
    #[track_caller]
    fn program(&self, program: &str) -> Tool {
        let id = self.holder.id().to_string();
        let user: &[&str] =
            if rustix::process::geteuid().is_root() { &[] } else { &["-U", "--preserve-credentials"] };
        Tool::new("nsenter").args(["-t", &id, "-n", "-m"]).args(user).args(["--", program]).within(PATIENCE)
    }

    /// A program of others in it, such as aria2c.
    #[track_caller]
    pub(super) fn tool(&self, name: &str) -> Tool {
        let found = Tool::new("sh").args(["-c", "command -v \"$0\"", name]).run();
        let path = found.text();
        assert!(
            found.status.success(),
            "{name} is not installed, and this test needs it: ./scripts/test tools installs it"
        );
        self.program(path.trim_end())
    }

    /// Waits until a command of the shell ends well in it; `$0`, `$1` and so on are `args`.
    #[track_caller]
    pub(super) fn until(&self, command: &str, args: &[&str]) {
        let script = format!("until {command}; do sleep 0.05; done");
        self.program("sh").args(["-c", &script]).args(args).run().success();
    }

    /// A program in Python in it, which may import the packages in `target/tools`.
    #[track_caller]
    pub(super) fn python(&self, program: &str) -> Tool {
        let path = format!("PYTHONPATH={}", in_tools("python").display());
        self.program("env").args([&path, "python3", "-c", program])
    }

    /// Our command in it.
    #[track_caller]
    pub(super) fn ours(&self, args: &[&str]) -> Process {
        self.wireworks(&[&["share"], args].concat())
    }

    /// Any server of ours in it.
    #[track_caller]
    pub(super) fn wireworks(&self, args: &[&str]) -> Process {
        self.program(env!("CARGO_BIN_EXE_wireworks")).args(args).start()
    }

    /// We share torrents whose files are in `data`; this waits until we do.
    #[track_caller]
    pub(super) fn seeds(&self, host: u8, torrents: &[&Torrent], data: &Path, more: &[&str]) -> Process {
        let (listen, data) = (address(host), data.display().to_string());
        let files = torrents.iter().map(|torrent| torrent.file.as_str());
        let args: Vec<&str> =
            ["seed", "-q", "-d", &data, "--listen", &listen].into_iter().chain(files).collect();
        let mut seed = self.ours(&[&args[..], more].concat());
        seed.listening("share");
        seed
    }

    /// We fetch torrents of all kinds from a host, by file and by link, all at once, and all must be as in `dir`. The hosts from 15 on are used for it.
    #[track_caller]
    pub(super) fn fetches_all(&self, from: u8, torrents: &[Torrent; 3], dir: &Path, more: &[&str]) {
        let cells = KINDS.into_iter().zip(torrents).flat_map(|cell| [(cell, false), (cell, true)]);
        let under_way: Vec<_> = (15..)
            .zip(cells)
            .map(|(host, ((kind, torrent), by_link))| {
                let way = if by_link { "link" } else { "file" };
                let what = format!("{kind} by {way} from {from} {}", more.join(" "));
                let out = dir.join(&what);
                (self.fetches(host, torrent.source(by_link), &out, Some(from), more), out, what)
            })
            .collect();
        let mut failed = Vec::new();
        for (get, out, what) in under_way {
            let ended = get.wait();
            if ended.status.success() {
                assert_same(dir, &out, &what);
            } else {
                failed.push((what, ended.stderr));
            }
        }
        assert!(failed.is_empty(), "{failed:?}");
    }

    /// We fetch what `source` names, and know of a peer if there is one. It ends without success when it takes too long.
    #[track_caller]
    pub(super) fn fetches(
        &self,
        host: u8,
        source: &str,
        out: &Path,
        peer: Option<u8>,
        more: &[&str],
    ) -> Process {
        let (listen, out) = (address(host), out.display().to_string());
        let peer = peer.map(address);
        let named: Vec<&str> = peer.iter().flat_map(|peer| ["--peer", peer]).collect();
        // It ends with the test, even if that does not wait for it.
        let dies = ["setpriv", "--pdeathsig", "KILL"];
        let get = [env!("CARGO_BIN_EXE_wireworks"), "share", "get", "-q", source, "-o", &out];
        self.program("timeout")
            .args([MOST])
            .args(dies)
            .args(get)
            .args(["--listen", &listen])
            .args(named)
            .args(more)
            .start()
    }
}

/// Where the peer of a number takes connections.
pub(super) fn address(host: u8) -> String {
    format!("{}:6881", ip(host))
}

/// Its address.
pub(super) fn ip(host: u8) -> String {
    format!("10.99.0.{host}")
}

/// Our command, where no network is needed.
#[track_caller]
pub(super) fn share(args: &[&str]) -> Ended {
    wireworks(&[&["share"], args].concat()).wait().success()
}
