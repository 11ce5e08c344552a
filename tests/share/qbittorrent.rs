//! qBittorrent, in both directions: torrents of all kinds by file and by link, plain and encrypted.

use std::path::Path;

use super::libtorrent::ENCRYPTIONS;
use super::network::{Network, address};
use super::tree::{KINDS, Torrent, assert_same, plant_kinds};
use crate::support::process::Process;

/// One that keeps its state below a folder, and is told more.
pub(super) fn qbittorrent(
    network: &Network,
    host: u8,
    encryption: &str,
    state: &Path,
    more: &[String],
) -> Process {
    drop(network.tool("qbittorrent-nox"));
    let state = state.join(format!("state of {host}")).display().to_string();
    let own = ["--listen", &address(host), "--encryption", encryption, "--state", &state].map(str::to_owned);
    let program = network.python(include_str!("../data/share/qbittorrent.py"));
    let mut peer = program.args(own).args(more).start_typing();
    peer.listening("qbittorrent");
    peer
}

#[test]
fn qbittorrent_fetches_what_we_share() {
    let dir = tempfile::tempdir().unwrap();
    let (network, torrents) = (Network::new(), plant_kinds(dir.path()));
    let seeds = [1, 2].into_iter().zip(ENCRYPTIONS).map(|(host, (ours, theirs))| {
        (host, theirs, network.seeds(host, &torrents.each_ref(), dir.path(), &["--encryption", ours]))
    });
    let seeds: Vec<_> = seeds.collect();
    let cells = seeds
        .iter()
        .flat_map(|(from, encryption, _)| [(*from, *encryption, false), (*from, *encryption, true)]);
    let under_way: Vec<_> = (3..)
        .zip(cells)
        .map(|(host, (from, encryption, by_link))| {
            let out = dir.path().join(host.to_string());
            let mut args = vec!["--peer".to_owned(), address(from)];
            for (kind, torrent) in KINDS.into_iter().zip(&torrents) {
                let folder = out.join(kind).display().to_string();
                args.extend(["--torrent", torrent.source(by_link), &folder].map(str::to_owned));
            }
            (qbittorrent(&network, host, encryption, dir.path(), &args), out, (encryption, by_link))
        })
        .collect();
    for (mut peer, out, cell) in under_way {
        peer.wait_for_stdout("all done");
        for kind in KINDS {
            assert_same(dir.path(), &out.join(kind), &format!("{kind} {cell:?}"));
        }
    }
}

#[test]
fn we_fetch_what_qbittorrent_shares() {
    let dir = tempfile::tempdir().unwrap();
    let (network, torrents) = (Network::new(), plant_kinds(dir.path()));
    let folder = dir.path().display().to_string();
    let named = |torrent: &Torrent| ["--torrent", &torrent.file, &folder].map(str::to_owned);
    let args: Vec<String> = torrents.iter().flat_map(named).chain(["--stay".to_owned()]).collect();
    let seeds = [1, 2].into_iter().zip(ENCRYPTIONS);
    let seeds: Vec<_> = seeds
        .map(|(host, (ours, theirs))| (host, ours, qbittorrent(&network, host, theirs, dir.path(), &args)))
        .collect();
    for (host, ours, mut seed) in seeds {
        seed.wait_for_stdout("all done");
        network.fetches_all(host, &torrents, dir.path(), &["--encryption", ours]);
    }
}
