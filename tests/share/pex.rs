//! Peer exchange, with libtorrent: who knows one peer only, which has next to nothing, hears from it of another that has all.

use std::path::Path;

use super::libtorrent::peer;
use super::network::{Network, address};
use super::tree::{Torrent, assert_same, is_same, plant};
use crate::support::process::Process;

/// Who has all, who tells of it, and who hears.
const HOSTS: [u8; 3] = [1, 2, 3];

/// Bytes a second that the teller receives: it takes half a minute.
const CRAWL: &str = "131072";

/// Whose program a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Us,
    Libtorrent,
}

/// A seed, if it knows nobody, or a fetcher.
pub(super) fn start(
    network: &Network,
    of: Of,
    host: u8,
    torrent: &Torrent,
    dir: &Path,
    knows: Option<u8>,
    more: &[&str],
) -> Process {
    let folder = dir.display().to_string();
    match (of, knows) {
        (Of::Us, None) => network.seeds(host, &[torrent], dir, &[&["--no-dht"], more].concat()),
        (Of::Us, Some(_)) => {
            network.fetches(host, &torrent.file, dir, knows, &[&["--no-dht"], more].concat())
        }
        (Of::Libtorrent, _) => {
            let knows = knows.into_iter().flat_map(|knows| ["--peer".to_owned(), address(knows)]);
            let own = ["--torrent", &torrent.file, "all", &folder].into_iter().chain(more.iter().copied());
            peer(network, host, "off", &own.map(str::to_owned).chain(knows).collect::<Vec<_>>())
        }
    }
}

/// The last of three fetches all of it, and before the second, as only the first can have given it.
fn is_told(first: Of, second: Of, third: Of) {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let network = Network::without_multicast();
    let torrent = Torrent::make(dir.path(), "hybrid", &[]);
    let [seed, teller, hearer] = HOSTS;
    let [slow, fast] = [teller, hearer].map(|host| dir.path().join(host.to_string()));
    let _seed = start(&network, first, seed, &torrent, dir.path(), None, &[]);
    let _teller = start(&network, second, teller, &torrent, &slow, Some(seed), &["--down", CRAWL]);
    // It has got something, so there is a connection to tell of.
    let files = ["a/large.bin", "z.bin"].map(|file| slow.join("tree").join(file).display().to_string());
    network.until(r#"[ -s "$0" ] || [ -s "$1" ]"#, &files.each_ref().map(String::as_str));
    let mut fetcher = start(&network, third, hearer, &torrent, &fast, Some(teller), &[]);
    match third {
        Of::Us => drop(fetcher.wait().success()),
        Of::Libtorrent => fetcher.wait_for_stdout("all done"),
    }
    assert_same(dir.path(), &fast, "what is whole");
    assert!(!is_same(dir.path(), &slow), "who has told has all by now, and may have given it");
}

#[test]
fn we_hear_of_others_from_libtorrent() {
    is_told(Of::Us, Of::Libtorrent, Of::Us);
}

#[test]
fn libtorrent_hears_of_others_from_us() {
    is_told(Of::Libtorrent, Of::Us, Of::Libtorrent);
}

#[test]
fn we_hear_of_others_from_us() {
    is_told(Of::Us, Of::Us, Of::Us);
}
