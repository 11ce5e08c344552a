//! uTP alone, between libtorrent and us, and between us: files and links of all kinds, plain and encrypted.
//!
//! aria2 has no uTP. Transmission 3.00 gives by it, but gets nothing by it, neither from us nor from libtorrent.

use super::aria2::tracked;
use super::libtorrent::{ENCRYPTIONS, peer};
use super::network::{Network, address};
use super::tree::{KINDS, Torrent, assert_same, plant_kinds};

/// What we say to have it.
const UTP: [&str; 2] = ["--transport", "utp"];

/// What the script says.
fn utp() -> [String; 2] {
    UTP.map(str::to_owned)
}

#[test]
fn libtorrent_fetches_by_utp_what_we_share() {
    let dir = tempfile::tempdir().unwrap();
    let (network, torrents) = (Network::new(), plant_kinds(dir.path()));
    for (host, (ours, theirs)) in [1, 2].into_iter().zip(ENCRYPTIONS) {
        let more = [&["--encryption", ours], &UTP[..]].concat();
        let _seed = network.seeds(host, &torrents.each_ref(), dir.path(), &more);
        let ways = [false, true].map(|by_link| {
            let out = dir.path().join(format!("{ours} {by_link}"));
            let mut args = [&["--peer".to_owned(), address(host)], &utp()[..]].concat();
            for (kind, torrent) in KINDS.into_iter().zip(&torrents) {
                let folder = out.join(kind).display().to_string();
                let how = if by_link { "--magnet" } else { "--torrent" };
                args.extend([how, torrent.source(by_link), kind, &folder].map(str::to_owned));
            }
            let host = 2 * host + 1 + u8::from(by_link);
            (peer(&network, host, theirs, &args), out)
        });
        for (mut peer, out) in ways {
            peer.wait_for_stdout("all done");
            for kind in KINDS {
                assert_same(dir.path(), &out.join(kind), &format!("{kind} by {}", out.display()));
            }
        }
    }
}

#[test]
fn we_fetch_by_utp_what_libtorrent_shares() {
    let dir = tempfile::tempdir().unwrap();
    let (network, torrents) = (Network::new(), plant_kinds(dir.path()));
    let folder = dir.path().display().to_string();
    let named = |torrent: &Torrent| ["--torrent", &torrent.file, &torrent.file, &folder].map(str::to_owned);
    let args: Vec<String> = utp().into_iter().chain(torrents.iter().flat_map(named)).collect();
    for (host, (ours, theirs)) in [1, 2].into_iter().zip(ENCRYPTIONS) {
        let mut seed = peer(&network, host, theirs, &args);
        seed.wait_for_stdout("all done");
        let more = [&["--encryption", ours], &UTP[..]].concat();
        network.fetches_all(host, &torrents, dir.path(), &more);
    }
}

#[test]
fn we_fetch_by_utp_what_we_share() {
    let dir = tempfile::tempdir().unwrap();
    let (network, torrents) = (Network::new(), plant_kinds(dir.path()));
    for (host, (ours, _)) in [1, 2].into_iter().zip(ENCRYPTIONS) {
        let more = [&["--encryption", ours], &UTP[..]].concat();
        let _seed = network.seeds(host, &torrents.each_ref(), dir.path(), &more);
        network.fetches_all(host, &torrents, dir.path(), &more);
    }
}

#[test]
fn we_fetch_by_utp_what_transmission_shares() {
    let dir = tempfile::tempdir().unwrap();
    let network = Network::without_multicast();
    let (_tracker, torrents) = tracked(&network, dir.path(), &["v1"]);
    drop(network.tool("transmission-daemon"));
    let [shared, state, out] = ["", "state", "out"].map(|name| dir.path().join(name).display().to_string());
    let args = [&address(1), "off", &shared, &torrents[0].file, &state, "utp"];
    let script = network.python(include_str!("../data/share/transmission.py"));
    let mut seed = script.args(args).start_typing();
    seed.wait_for_stdout("done");
    network.fetches(2, &torrents[0].file, out.as_ref(), Some(1), &UTP).wait().success();
    assert_same(dir.path(), out.as_ref(), "from Transmission");
}
