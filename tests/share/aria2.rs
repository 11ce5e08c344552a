//! aria2, which knows torrents of version 1 and the half of hybrid ones that is. It cannot be told of a peer: a tracker tells it.

use std::path::Path;

use super::network::{Network, address, ip};
use super::tree::{Torrent, assert_same, pad, plant};
use crate::support::process::Process;

/// What finds peers by the tracker only, and asks a peer for all that it has.
const OPTIONS: &str = "--no-conf --enable-dht=false --enable-dht6=false --bt-enable-lpd=false --enable-peer-exchange=false \
--disable-ipv6=true --listen-port=6881 --file-allocation=none --bt-max-peers=0 --bt-request-peer-speed-limit=0 --follow-torrent=mem \
--summary-interval=0 --seed-ratio=0.0 --allow-overwrite=true --check-integrity=true";

/// A tracker at the first address, and torrents for it.
#[track_caller]
pub(super) fn tracked(network: &Network, dir: &Path, kinds: &[&str]) -> (Process, Vec<Torrent>) {
    plant(dir);
    let at = format!("{}:7000", ip(1));
    let mut tracker = network.python(include_str!("../data/share/tracker.py")).args([&at]).start_typing();
    tracker.listening("tracker");
    let url = format!("http://{at}/announce");
    let torrents = kinds.iter().map(|kind| Torrent::make(dir, kind, &["--tracker", &url])).collect();
    (tracker, torrents)
}

fn aria2(network: &Network, host: u8, source: &str, dir: &Path, encrypted: bool, seeds: bool) -> Process {
    let own = [
        format!("--interface={}", ip(host)),
        format!("--bt-force-encryption={encrypted}"),
        format!("--seed-time={}", if seeds { 9999 } else { 0 }),
        format!("--dir={}", dir.display()),
    ];
    network.tool("aria2c").args(OPTIONS.split_whitespace()).args(own).args([source]).start()
}

/// Which of the two torrents, whether it is known by its link, and whether the connection is encrypted.
const CELLS: [(usize, bool, bool); 4] =
    [(0, false, false), (0, true, true), (1, false, true), (1, true, false)];

#[test]
fn aria2_fetches_what_we_share() {
    let dir = tempfile::tempdir().unwrap();
    let network = Network::new();
    let (_tracker, torrents) = tracked(&network, dir.path(), &["v1", "hybrid"]);
    let _seed = network.seeds(1, &torrents.iter().collect::<Vec<_>>(), dir.path(), &[]);
    let under_way: Vec<_> = (2..)
        .zip(CELLS)
        .map(|(host, (number, by_link, encrypted))| {
            let out = dir.path().join(host.to_string());
            (aria2(&network, host, torrents[number].source(by_link), &out, encrypted, false), out)
        })
        .collect();
    for ((aria2, out), cell) in under_way.into_iter().zip(CELLS) {
        aria2.wait().success();
        assert_same(dir.path(), &out, &format!("{cell:?}"));
    }
}

#[test]
fn we_fetch_what_aria2_shares() {
    let dir = tempfile::tempdir().unwrap();
    let network = Network::new();
    let (mut tracker, torrents) = tracked(&network, dir.path(), &["v1", "hybrid"]);
    pad(dir.path());
    for (encrypted, hosts, ours) in [(false, [2, 3], "refuse"), (true, [4, 5], "require")] {
        let _seeds = [0, 1].map(|number: usize| {
            let host = hosts[number];
            let seed = aria2(&network, host, &torrents[number].file, dir.path(), encrypted, true);
            tracker.wait_for_stdout(&format!("announced {}", address(host)));
            seed
        });
        for (host, (number, by_link)) in (6..).zip([(0, false), (0, true), (1, false), (1, true)]) {
            let out = dir.path().join(format!("{ours} {host}"));
            let source = torrents[number].source(by_link);
            let what = format!("{number} by link {by_link}, encrypted {encrypted}");
            let ended = network.fetches(host, source, &out, None, &["--encryption", ours]).wait();
            assert!(ended.status.success(), "{what}: {}", ended.stderr);
            assert_same(dir.path(), &out, &what);
        }
    }
}
