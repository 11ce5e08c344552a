//! Our command at both ends.

use super::aria2::tracked;
use super::network::{Network, share};
use super::trackers::{AT, scrape, torrents};
use super::tree::{KINDS, Torrent, assert_same, plant};

#[test]
fn torrents_of_all_kinds_are_fetched_by_file_and_by_link() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let network = Network::new();
    let torrents = KINDS.map(|kind| Torrent::make(dir.path(), kind, &[]));
    let _seed = network.seeds(1, &torrents.each_ref(), dir.path(), &[]);
    let cells = KINDS.into_iter().zip(&torrents).flat_map(|cell| [(cell, false), (cell, true)]);
    let cells = (2..).zip(cells);
    let under_way: Vec<_> = cells
        .map(|(host, ((kind, torrent), by_link))| {
            let out = dir.path().join(host.to_string());
            let get = network.fetches(host, torrent.source(by_link), &out, Some(1), &[]);
            (get, out, format!("{kind} by {}", if by_link { "link" } else { "file" }))
        })
        .collect();
    let mut failed = Vec::new();
    for (get, out, what) in under_way {
        if get.wait().status.success() {
            assert_same(dir.path(), &out, &what);
        } else {
            failed.push(what);
        }
    }
    assert_eq!(failed, Vec::<String>::new());
}

#[test]
fn who_has_the_link_finds_the_sender_on_the_same_network() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let network = Network::new();
    let tree = dir.path().join("tree").display().to_string();
    let file = dir.path().join("same.torrent");
    // The link that is printed names the sender's addresses, too; this one says nothing but what the torrent is.
    share(&["create", "-q", &tree, "-o", &file.display().to_string()]);
    let torrent = Torrent::read(&file);
    let mut sender = network.ours(&["send", "-q", &tree, "--listen", "10.99.0.1:6881"]);
    sender.wait_for_stdout(torrent.magnet());
    sender.listening("share");
    let out = dir.path().join("out");
    network.fetches(2, torrent.magnet(), &out, None, &[]).wait().success();
    assert_same(dir.path(), &out, "by local discovery");
}

#[test]
fn the_tracker_of_a_private_torrent_is_told_of_the_address_that_is_listened_at() {
    let dir = tempfile::tempdir().unwrap();
    let network = Network::new();
    let (_tracker, torrents) = tracked(&network, dir.path(), &["v1"]);
    let url = torrents[0].shown["trackers"][0][0].as_str().unwrap();
    let torrent = Torrent::make(dir.path(), "v1", &["--private", "--tracker", url]);
    let _seed = network.seeds(2, &[&torrent], dir.path(), &[]);
    let out = dir.path().join("out");
    network.fetches(3, &torrent.file, &out, None, &[]).wait().success();
    assert_same(dir.path(), &out, "by the tracker");
}

#[test]
fn some_files_are_chosen() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let network = Network::new();
    let torrent = Torrent::make(dir.path(), "hybrid", &[]);
    let _seed = network.seeds(1, &[&torrent], dir.path(), &[]);
    let out = dir.path().join("out");
    network.fetches(2, torrent.magnet(), &out, Some(1), &["--select", "a/b/*"]).wait().success();
    for (path, chosen) in
        [("a/b/piece.bin", true), ("a/b/two.bin", true), ("a/large.bin", false), ("one", false)]
    {
        let original = std::fs::read(dir.path().join("tree").join(path)).unwrap();
        let fetched = std::fs::read(out.join("tree").join(path));
        assert_eq!(fetched.is_ok_and(|fetched| fetched == original), chosen, "{path}");
    }
}

#[test]
fn who_has_chosen_files_and_has_them_is_a_partial_seed() {
    let dir = tempfile::tempdir().unwrap();
    let (network, [torrent, _]) = (Network::without_multicast(), torrents(dir.path()));
    let mut tracker = network.ours(&["tracker", "--listen", AT]);
    tracker.listening("tracker");
    let _seed = network.seeds(2, &[&torrent], dir.path(), &["--no-dht"]);
    scrape(&network, &torrent, "8:completei1e");
    let partial = ["--no-dht", "--stay", "--select", "a/b/*"];
    let _partial = network.fetches(3, &torrent.file, &dir.path().join("out"), None, &partial);
    // One that has all, and one that fetches nothing though something is missing there; nobody has got the last byte.
    scrape(&network, &torrent, "8:completei1e10:downloadedi0e11:downloadersi0e10:incompletei1e");
}
