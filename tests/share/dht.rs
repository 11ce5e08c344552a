//! The DHT, with libtorrent: who has a link that names nobody finds a seed by a node that neither is.

use super::libtorrent::peer;
use super::network::{Network, address};
use super::tree::{KINDS, assert_same, plant_kinds};

/// The node that all others enter by.
const NODE: u8 = 1;

#[test]
fn we_find_each_other_by_a_node_of_libtorrent() {
    let dir = tempfile::tempdir().unwrap();
    let (network, torrents) = (Network::without_multicast(), plant_kinds(dir.path()));
    let mut node = peer(&network, NODE, "off", &["--dht".to_owned()]);
    let by = ["--dht-node", &address(NODE)];
    let _seed = network.seeds(2, &torrents.each_ref(), dir.path(), &by);
    for torrent in &torrents {
        let hash =
            ["info_hash", "info_hash_v2"].iter().find_map(|name| torrent.shown[name].as_str()).unwrap();
        node.wait_for_stdout(&format!("announced {}", &hash[..40]));
    }
    let under_way = [3, 4, 5].map(|host| {
        let out = dir.path().join(host.to_string());
        (network.fetches(host, torrents[usize::from(host) - 3].magnet(), &out, None, &by), out)
    });
    for ((get, out), kind) in under_way.into_iter().zip(KINDS) {
        get.wait().success();
        assert_same(dir.path(), &out, kind);
    }
}

#[test]
fn libtorrent_and_we_find_each_other_by_a_node_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let (network, torrents) = (Network::without_multicast(), plant_kinds(dir.path()));
    let (by, shared) = (address(NODE), dir.path().display().to_string());
    // Where a node of ours enters is a host that never answers: it is the first.
    let [ours, theirs, other] = &torrents;
    let _node = network.seeds(NODE, &[other], dir.path(), &["--dht-node", &address(20)]);
    let _seed = network.seeds(2, &[ours], dir.path(), &["--dht-node", &by]);
    let args = ["--dht", &by, "--torrent", &theirs.file, "theirs", &shared].map(str::to_owned);
    let mut seed = peer(&network, 3, "off", &args);
    seed.wait_for_stdout("all done");
    seed.wait_for_stdout("entered the DHT");
    let (to_them, to_us) = (dir.path().join("to them"), dir.path().join("to us"));
    let args = ["--dht", &by, "--magnet", ours.magnet(), "ours", &to_them.display().to_string()];
    let mut fetcher = peer(&network, 4, "off", &args.map(str::to_owned));
    fetcher.wait_for_stdout("all done");
    assert_same(dir.path(), &to_them, "from us");
    network.fetches(5, theirs.magnet(), &to_us, None, &["--dht-node", &by]).wait().success();
    assert_same(dir.path(), &to_us, "from libtorrent");
}
