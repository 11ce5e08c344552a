//! Transmission, which knows torrents of version 1, and finds peers by a tracker.

use std::path::Path;

use super::aria2::tracked;
use super::network::{Network, address};
use super::tree::assert_same;
use crate::support::process::Process;

pub(super) fn transmission(
    network: &Network,
    host: u8,
    encryption: &str,
    folder: &Path,
    source: &str,
    state: &Path,
) -> Process {
    drop(network.tool("transmission-daemon"));
    let args = [
        address(host),
        encryption.to_owned(),
        folder.display().to_string(),
        source.to_owned(),
        state.display().to_string(),
    ];
    let mut peer = network.python(include_str!("../data/share/transmission.py")).args(args).start_typing();
    peer.listening("transmission");
    peer
}

#[test]
fn transmission_fetches_what_we_share() {
    let dir = tempfile::tempdir().unwrap();
    let network = Network::new();
    let (mut tracker, torrents) = tracked(&network, dir.path(), &["v1"]);
    let _seed = network.seeds(1, &[&torrents[0]], dir.path(), &[]);
    tracker.wait_for_stdout(&format!("announced {}", address(1)));
    let cells = [(2, "off", false), (3, "on", true)];
    let under_way = cells.map(|(host, encryption, by_link)| {
        let out = dir.path().join(encryption);
        let state = dir.path().join(format!("state of {host}"));
        (transmission(&network, host, encryption, &out, torrents[0].source(by_link), &state), out)
    });
    for ((mut peer, out), cell) in under_way.into_iter().zip(cells) {
        peer.wait_for_stdout("done");
        // Transmission 3 makes no empty files.
        std::fs::write(out.join("tree/0 empty"), "").unwrap();
        assert_same(dir.path(), &out, &format!("{cell:?}"));
    }
}

#[test]
fn we_fetch_what_transmission_shares() {
    let dir = tempfile::tempdir().unwrap();
    let network = Network::new();
    let (mut tracker, torrents) = tracked(&network, dir.path(), &["v1"]);
    let cells = [(2, "off", "refuse", false), (3, "on", "require", true)];
    for (host, theirs, ours, by_link) in cells {
        let state = dir.path().join(format!("state of {host}"));
        let mut seed = transmission(&network, host, theirs, dir.path(), &torrents[0].file, &state);
        seed.wait_for_stdout("done");
        tracker.wait_for_stdout(&format!("announced {}", address(host)));
        let out = dir.path().join(ours);
        let get = network.fetches(host + 2, torrents[0].source(by_link), &out, None, &["--encryption", ours]);
        get.wait().success();
        assert_same(dir.path(), &out, ours);
    }
}
