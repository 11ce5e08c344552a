//! aria2, which knows torrents of version 1. It cannot be told of a peer: a tracker tells it.
//!
//! The names of hybrid torrents it gets wrong, of whomever they are: it writes their `info` dictionary anew to hash it, and drops keys without bytes.

use std::path::Path;

use super::network::{Network, address, ip};
use super::tree::{Torrent, assert_same, plant};
use crate::support::process::Process;

/// What finds peers by the tracker only, and asks a peer for all that it has.
pub(super) const OPTIONS: &str = "--no-conf --enable-dht=false --enable-dht6=false --bt-enable-lpd=false --enable-peer-exchange=false \
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

pub(super) fn aria2(
    network: &Network,
    host: u8,
    source: &str,
    dir: &Path,
    encrypted: bool,
    seeds: bool,
) -> Process {
    let own = [
        format!("--interface={}", ip(host)),
        format!("--bt-force-encryption={encrypted}"),
        format!("--seed-time={}", if seeds { 9999 } else { 0 }),
        format!("--dir={}", dir.display()),
    ];
    network.tool("aria2c").args(OPTIONS.split_whitespace()).args(own).args([source]).start()
}

/// Whether the torrent is known by its link, and whether the connection is encrypted.
const CELLS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

#[test]
fn aria2_fetches_what_we_share() {
    let dir = tempfile::tempdir().unwrap();
    let network = Network::new();
    let (mut tracker, torrents) = tracked(&network, dir.path(), &["v1"]);
    let _seed = network.seeds(1, &[&torrents[0]], dir.path(), &[]);
    tracker.wait_for_stdout(&format!("announced {}", address(1)));
    let fetch = |host: u8, by_link, encrypted| {
        let out = dir.path().join(host.to_string());
        (aria2(&network, host, torrents[0].source(by_link), &out, encrypted, false), out)
    };
    let begun = (2..).zip(CELLS).map(|(host, (by_link, encrypted))| fetch(host, by_link, encrypted));
    let under_way: Vec<_> = begun.collect();
    for ((aria2, out), cell) in under_way.into_iter().zip(CELLS) {
        aria2.wait().success();
        assert_same(dir.path(), &out, &format!("{cell:?}"));
    }
}

#[test]
fn we_fetch_what_aria2_shares() {
    let dir = tempfile::tempdir().unwrap();
    let network = Network::new();
    let (mut tracker, torrents) = tracked(&network, dir.path(), &["v1"]);
    for (host, (by_link, encrypted)) in (2..).zip(CELLS) {
        let _seed = aria2(&network, host, &torrents[0].file, dir.path(), encrypted, true);
        tracker.wait_for_stdout(&format!("announced {}", address(host)));
        let out = dir.path().join(host.to_string());
        let ours = if encrypted { "require" } else { "refuse" };
        let source = torrents[0].source(by_link);
        let ended = network.fetches(host + 4, source, &out, None, &["--encryption", ours]).wait();
        assert!(ended.status.success(), "{by_link} {encrypted}: {}", ended.stderr);
        assert_same(dir.path(), &out, &format!("{by_link} {encrypted}"));
    }
}

#[test]
fn aria2_does_not_know_hybrid_torrents() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let network = Network::new();
    for (kind, known) in [("v1", true), ("hybrid", false)] {
        let torrent = Torrent::make(dir.path(), kind, &[]);
        let shown = network.tool("aria2c").args(["-S", &torrent.file]).run().success().text();
        let hash = torrent.shown["info_hash"].as_str().unwrap();
        assert_eq!(shown.contains(hash), known, "{kind}: a cell may be added when this fails: {shown}");
    }
}
