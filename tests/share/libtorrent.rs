//! libtorrent, which knows all kinds of torrents, in both directions: by file and by link, plain and encrypted.

use std::path::Path;

use super::network::{Network, address};
use super::tree::{KINDS, PIECE, Torrent, assert_same, plant};
use crate::support::process::Process;
use crate::support::tool::Tool;

const PEER: &str = include_str!("../data/share/libtorrent_peer.py");

/// Our way of saying whether connections are encrypted, and that of the script.
pub(super) const ENCRYPTIONS: [(&str, &str); 2] = [("refuse", "off"), ("require", "on")];

/// Torrents of all kinds, made by us and by libtorrent, with names for messages. Where both make the same, one is enough.
fn torrents(dir: &Path) -> Vec<(String, Torrent)> {
    plant(dir);
    let made = dir.join("libtorrent");
    std::fs::create_dir(&made).unwrap();
    let make = Tool::python(include_str!("../data/share/libtorrent_make.py"));
    let [tree, out] = [dir.join("tree"), made.clone()].map(|path| path.display().to_string());
    make.args([&tree, &PIECE.to_string(), &out]).run().success();
    let mut torrents = Vec::new();
    for kind in KINDS {
        let theirs = Torrent::read(&made.join(format!("{kind}.torrent")));
        let ours = Torrent::make(dir, kind, &[]);
        let hashes =
            |torrent: &Torrent| ["info_hash", "info_hash_v2", "size"].map(|name| torrent.shown[name].clone());
        // By default libtorrent fills the last piece of a hybrid torrent, too, which nobody else does. Without it, it makes what we make.
        if kind == "hybrid" {
            let same = Torrent::read(&made.join("hybrid-untailed.torrent"));
            assert_eq!(hashes(&ours), hashes(&same), "{kind}");
            torrents.push(("hybrid of libtorrent".to_owned(), theirs));
        } else {
            assert_eq!(hashes(&ours), hashes(&theirs), "{kind}");
        }
        torrents.push((kind.to_owned(), ours));
    }
    torrents
}

/// A peer by libtorrent that takes connections.
pub(super) fn peer(network: &Network, host: u8, encryption: &str, more: &[String]) -> Process {
    let listen = ["--listen".to_owned(), address(host), "--encryption".to_owned(), encryption.to_owned()];
    let mut peer = network.python(PEER).args(listen).args(more).start_typing();
    peer.listening("libtorrent");
    peer
}

#[test]
fn libtorrent_fetches_what_we_share() {
    let dir = tempfile::tempdir().unwrap();
    let (network, torrents) = (Network::new(), torrents(dir.path()));
    let shared: Vec<&Torrent> = torrents.iter().map(|(_, torrent)| torrent).collect();
    for (host, (ours, theirs)) in [1, 2].into_iter().zip(ENCRYPTIONS) {
        let _seed = network.seeds(host, &shared, dir.path(), &["--encryption", ours]);
        let ways = [false, true].map(|by_link| {
            let out = dir.path().join(format!("{ours} {by_link}"));
            let mut args = vec!["--peer".to_owned(), address(host)];
            for (name, torrent) in &torrents {
                let folder = out.join(name).display().to_string();
                let how = if by_link { "--magnet" } else { "--torrent" };
                args.extend([how, torrent.source(by_link), name, &folder].map(str::to_owned));
            }
            let host = 2 * host + 1 + u8::from(by_link);
            (peer(&network, host, theirs, &args), out)
        });
        for (mut peer, out) in ways {
            peer.wait_for_stdout("all done");
            for (name, _) in &torrents {
                assert_same(dir.path(), &out.join(name), &format!("{name} by {}", out.display()));
            }
        }
    }
}

#[test]
fn we_fetch_what_libtorrent_shares() {
    let dir = tempfile::tempdir().unwrap();
    let (network, torrents) = (Network::new(), torrents(dir.path()));
    let folder = dir.path().display().to_string();
    let named =
        |(name, torrent): &(String, Torrent)| ["--torrent", &torrent.file, name, &folder].map(str::to_owned);
    let args: Vec<String> = torrents.iter().flat_map(named).collect();
    let mut failed = Vec::new();
    for (host, (ours, theirs)) in [1, 2].into_iter().zip(ENCRYPTIONS) {
        let mut seed = peer(&network, host, theirs, &args);
        seed.wait_for_stdout("all done");
        let mut under_way = Vec::new();
        for (number, (name, torrent)) in torrents.iter().enumerate() {
            for by_link in [false, true] {
                let what =
                    format!("{name} with encryption {ours}, by {}", if by_link { "link" } else { "file" });
                let out = dir.path().join(&what);
                let host = 3 + 2 * number as u8 + u8::from(by_link);
                let more = ["--encryption", ours];
                let source = torrent.source(by_link);
                under_way.push((
                    network.fetches(host, source, &out, Some(1 + u8::from(ours == "require")), &more),
                    out,
                    what,
                ));
            }
        }
        for (get, out, what) in under_way {
            if get.wait().status.success() {
                assert_same(dir.path(), &out, &what);
            } else {
                failed.push(what);
            }
        }
    }
    assert_eq!(failed, Vec::<String>::new());
}
