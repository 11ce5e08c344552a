//! Holepunching: two peers, behind a firewall that lets in only who was called before, are brought together by a third that both can reach.
//!
//! The firewall is that of the system, which keeps track of connections as routers do.

use super::network::{NO_MULTICAST, Network};
use super::pex::{Of, start};
use super::tree::{Torrent, assert_same, is_same, plant};
use crate::support::tool::Tool;

/// The relay, who has all, who wants it, and another one that wants it.
const HOSTS: [u8; 4] = [1, 2, 3, 4];

/// Only the relay may call the seed and the one that wants its files. What the seed says to the other one is counted.
const FIREWALL: &str = "nft add table inet wall
nft 'add counter inet wall said'
nft 'add chain inet wall in { type filter hook input priority 0; }'
nft 'add rule inet wall in ip saddr 10.99.0.2 ip daddr 10.99.0.4 counter name said'
nft 'add rule inet wall in ct state new ip daddr 10.99.0.2-10.99.0.3 ip saddr != 10.99.0.1 drop'";

/// What the relay and the other one receive in a second: it takes a minute.
const CRAWL: [&str; 2] = ["--down", "65536"];

/// The second gets all of it from the first, to whom nothing but the relay has shown the way.
fn are_brought_together_by(relay: Of, seed: Of, fetcher: Of) {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    drop(Tool::new("nft").args(["--version"]).run());
    let network = Network::with(&format!("{NO_MULTICAST}\n{FIREWALL}"));
    let torrent = Torrent::make(dir.path(), "hybrid", &[]);
    let folder = |host: u8| dir.path().join(host.to_string());
    let run = |of, host, knows, limit: &[&str]| {
        let out = if host == HOSTS[1] { dir.path().to_owned() } else { folder(host) };
        start(&network, of, host, &torrent, &out, knows, &[&["--transport", "utp"], limit].concat())
    };
    let [middle, has, wants, other] = HOSTS;
    let _seed = run(seed, has, None, &[]);
    let _relay = run(relay, middle, Some(has), &CRAWL);
    // When the seed calls the other one it was told of it, and is told of nobody again for a minute (BEP 11). So it does not call who comes now by chance when that calls
    // it, which would be a hole, too.
    let _other = run(Of::Us, other, Some(middle), &CRAWL);
    network.until("nft list counter inet wall said | grep -q 'packets [1-9]'", &[]);
    let mut fetches = run(fetcher, wants, Some(middle), &[]);
    match fetcher {
        Of::Us => drop(fetches.wait().success()),
        Of::Libtorrent => fetches.wait_for_stdout("all done"),
    }
    assert_same(dir.path(), &folder(wants), "what came through the hole");
    for slow in [middle, other] {
        assert!(!is_same(dir.path(), &folder(slow)), "{slow} has all by now, and may have given it");
    }
}

#[test]
fn we_bring_ourselves_together() {
    are_brought_together_by(Of::Us, Of::Us, Of::Us);
}

#[test]
fn libtorrent_brings_us_together() {
    are_brought_together_by(Of::Libtorrent, Of::Us, Of::Us);
}

#[test]
fn we_bring_libtorrent_and_ourselves_together() {
    are_brought_together_by(Of::Us, Of::Libtorrent, Of::Us);
    are_brought_together_by(Of::Us, Of::Us, Of::Libtorrent);
}
