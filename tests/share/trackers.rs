//! Trackers, over HTTP and UDP: how clients of others find a seed by ours, and how ours find one by opentracker.

use std::path::Path;

use super::aria2::OPTIONS;
use super::libtorrent::peer;
use super::network::{Network, ip};
use super::transmission::transmission;
use super::tree::{Torrent, assert_same, plant};
use crate::support::process::Process;

/// Where the tracker is, by TCP and UDP.
pub(super) const AT: &str = "10.99.0.1:6969";

/// Two torrents, of which one has the tracker's address for HTTP, and the other that for UDP.
pub(super) fn torrents(dir: &Path) -> [Torrent; 2] {
    plant(dir);
    [("http", format!("http://{AT}/announce")), ("udp", format!("udp://{AT}"))]
        .map(|(name, url)| Torrent::named(dir, name, "v1", &["--source", name, "--tracker", &url]))
}

/// Asks the tracker about a torrent until its answer has this text.
#[track_caller]
pub(super) fn scrape(network: &Network, torrent: &Torrent, text: &str) {
    let hash = torrent.shown["info_hash"].as_str().unwrap();
    let escaped: String = (0..hash.len()).step_by(2).map(|at| format!("%{}", &hash[at..at + 2])).collect();
    let url = format!("http://{AT}/scrape?info_hash={escaped}");
    network.until(r#"curl -s "$0" | grep -aq "$1""#, &[&url, text]);
}

/// It asks trackers over UDP only if it is a node of the DHT, whose port it does so from.
fn aria2(network: &Network, host: u8, file: &str, dir: &Path) -> Process {
    let nodes = dir.with_extension("nodes").display().to_string();
    let own = [
        format!("--interface={}", ip(host)),
        format!("--dht-file-path={nodes}"),
        format!("--dir={}", dir.display()),
    ];
    let more = ["--enable-dht=true", "--dht-listen-port=6881", "--seed-time=0", file];
    network.tool("aria2c").args(OPTIONS.split_whitespace()).args(own).args(more).start()
}

#[test]
fn clients_of_others_find_a_seed_by_our_tracker() {
    let dir = tempfile::tempdir().unwrap();
    let (network, torrents) = (Network::without_multicast(), torrents(dir.path()));
    let mut tracker = network.ours(&["tracker", "--listen", AT]);
    tracker.listening("tracker-udp");
    let _seed = network.seeds(2, &torrents.each_ref(), dir.path(), &["--no-dht"]);
    torrents.iter().for_each(|torrent| scrape(&network, torrent, "8:completei1e"));
    let out = |host: u8| dir.path().join(host.to_string());
    let mut ended = Vec::new();
    let mut stay = Vec::new();
    for (host, torrent) in (3..).step_by(4).zip(&torrents) {
        ended.push((network.fetches(host, &torrent.file, &out(host), None, &["--no-dht"]), host));
        ended.push((aria2(&network, host + 1, &torrent.file, &out(host + 1)), host + 1));
        let state = dir.path().join(format!("state of {host}"));
        stay.push((transmission(&network, host + 2, "off", &out(host + 2), &torrent.file, &state), host + 2));
        let args = ["--torrent", &torrent.file, "all", &out(host + 3).display().to_string()];
        stay.push((peer(&network, host + 3, "off", &args.map(str::to_owned)), host + 3));
    }
    for (get, host) in ended {
        get.wait().success();
        assert_same(dir.path(), &out(host), &ip(host));
    }
    for (mut process, host) in stay {
        process.wait_for_stdout("done");
        // Transmission 3 makes no empty files.
        std::fs::write(out(host).join("tree/0 empty"), "").unwrap();
        assert_same(dir.path(), &out(host), &ip(host));
    }
}

#[test]
fn we_find_a_seed_by_opentracker() {
    let dir = tempfile::tempdir().unwrap();
    let (network, torrents) = (Network::without_multicast(), torrents(dir.path()));
    // Debian's tracks what is on its list only, and does not run as root: here it is nobody, who is mapped to whoever runs the tests.
    let hashes = torrents.each_ref().map(|torrent| torrent.shown["info_hash"].as_str().unwrap());
    std::fs::write(dir.path().join("list"), hashes.join("\n") + "\n").unwrap();
    drop(network.tool("opentracker"));
    let (at, port) = AT.split_once(':').unwrap();
    let folder = dir.path().display().to_string();
    let args = [
        "-U",
        "--map-user=65534",
        "opentracker",
        "-i",
        at,
        "-p",
        port,
        "-P",
        port,
        "-d",
        &folder,
        "-w",
        "list",
    ];
    let _tracker = network.tool("unshare").args(args).start();
    scrape(&network, &torrents[0], "5:files");
    let _seed = network.seeds(2, &torrents.each_ref(), dir.path(), &["--no-dht"]);
    for (host, torrent) in (3..).zip(&torrents) {
        scrape(&network, torrent, "8:completei1e");
        let out = dir.path().join(host.to_string());
        network.fetches(host, &torrent.file, &out, None, &["--no-dht"]).wait().success();
        assert_same(dir.path(), &out, &ip(host));
    }
}
