//! Holepunching: two peers, behind a firewall that lets in only who was called before, are brought together by a third that both can reach.
//!
//! The firewall is that of the system, which keeps track of connections as routers do.

use super::network::{NO_MULTICAST, Network};
use super::pex::{Of, start};
use super::tree::{Torrent, assert_same, is_same, plant};
use crate::support::tool::Tool;

/// The relay, who has all, and who wants it.
const HOSTS: [u8; 3] = [1, 2, 3];

/// Only the relay may call the other two.
const FIREWALL: &str = "nft add table inet wall
nft 'add chain inet wall in { type filter hook input priority 0; }'
nft 'add rule inet wall in ct state new ip daddr 10.99.0.2-10.99.0.3 ip saddr != 10.99.0.1 drop'";

/// What the relay receives in a second: it takes a minute.
const CRAWL: &str = "65536";

/// The second gets all of it from the first, to whom nothing but the relay has shown the way.
fn are_brought_together_by(relay: Of, seed: Of, fetcher: Of) {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    drop(Tool::new("nft").args(["--version"]).run());
    let network = Network::with(&format!("{NO_MULTICAST}\n{FIREWALL}"));
    let torrent = Torrent::make(dir.path(), "hybrid", &[]);
    let [middle, has, wants] = HOSTS;
    let [slow, fast] = [middle, wants].map(|host| dir.path().join(host.to_string()));
    let utp = ["--transport", "utp"];
    let _seed = start(&network, seed, has, &torrent, dir.path(), None, &utp);
    let _relay =
        start(&network, relay, middle, &torrent, &slow, Some(has), &[&utp[..], &["--down", CRAWL]].concat());
    let files = ["a/large.bin", "z.bin"].map(|file| slow.join("tree").join(file).display().to_string());
    network.until(r#"[ -s "$0" ] || [ -s "$1" ]"#, &files.each_ref().map(String::as_str));
    let mut fetcher_runs = start(&network, fetcher, wants, &torrent, &fast, Some(middle), &utp);
    match fetcher {
        Of::Us => drop(fetcher_runs.wait().success()),
        Of::Libtorrent => fetcher_runs.wait_for_stdout("all done"),
    }
    assert_same(dir.path(), &fast, "what came through the hole");
    assert!(!is_same(dir.path(), &slow), "the relay has all by now, and may have given it");
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
