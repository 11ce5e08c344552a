//! Web seeds, BEP 19: what our servers of HTTP and HLS have is fetched from them by clients of others, and from them and peers at once by us.

use serde_json::{Value, json};

use super::aria2::aria2;
use super::libtorrent::peer;
use super::network::{Network, address, ip, share};
use super::qbittorrent::qbittorrent;
use super::transmission::transmission;
use super::tree::{PIECE, Torrent, assert_same, is_same, plant};
use crate::support::command::wireworks;

/// Where the server is.
const AT: &str = "10.99.0.1:8080";

#[test]
fn clients_of_others_fetch_from_our_server() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let network = Network::without_multicast();
    let mut server = network.wireworks(&["http", "--listen", AT, &dir.path().display().to_string()]);
    server.listening("http");
    let url = format!("http://{AT}/");
    let torrents = ["v1", "v2", "hybrid"].map(|kind| Torrent::make(dir.path(), kind, &["--web-seed", &url]));
    let out = |host: u8| dir.path().join(host.to_string());
    let file = &torrents[0].file;
    let aria2 = aria2(&network, 2, file, &out(2), false, false);
    let transmission = transmission(&network, 3, "off", &out(3), file, &dir.path().join("state of 3"));
    let named = |torrent: &Torrent, host| {
        ["--torrent".to_owned(), torrent.file.clone(), out(host).display().to_string()]
    };
    let qbittorrent = qbittorrent(&network, 4, "off", dir.path(), &named(&torrents[0], 4));
    let mut stay = vec![(transmission, 3), (qbittorrent, 4)];
    for (host, torrent) in (5..).zip(&torrents) {
        let args = ["--torrent", &torrent.file, "all", &out(host).display().to_string()].map(str::to_owned);
        stay.push((peer(&network, host, "off", &args), host));
    }
    aria2.wait().success();
    assert_same(dir.path(), &out(2), "aria2");
    for (mut process, host) in stay {
        process.wait_for_stdout("done");
        // Transmission 3 makes no empty files.
        std::fs::write(out(host).join("tree/0 empty"), "").unwrap();
        assert_same(dir.path(), &out(host), &ip(host));
    }
}

#[test]
fn a_script_that_is_busy_is_left_alone_for_as_long_as_it_says() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let network = Network::without_multicast();
    let file = dir.path().join("tree/a/large.bin").display().to_string();
    let path = dir.path().join("large.torrent");
    share(&[
        "create",
        "-q",
        &file,
        "--v1",
        "--piece-length",
        &PIECE.to_string(),
        "-o",
        &path.display().to_string(),
    ]);
    // Seven seconds: two more than it is left alone for if it does not say.
    let script = network.python(include_str!("../data/share/http_seed.py"));
    let mut seed = script.args([&file, &PIECE.to_string(), AT, "--busy", "7"]).start_typing();
    seed.listening("seed");
    let url = format!("http://{AT}/seed");
    let metainfo = std::fs::read(&path).unwrap();
    let info = metainfo.windows(6).position(|bytes| bytes == b"4:info").unwrap();
    let seeds = format!("9:httpseedsl{}:{url}e", url.len());
    std::fs::write(&path, [&metainfo[..info], seeds.as_bytes(), &metainfo[info..]].concat()).unwrap();
    let out = dir.path().join("out");
    let get = network.fetches(2, &path.display().to_string(), &out, None, &["--no-dht"]);
    seed.wait_for_stdout("left alone\n");
    get.wait().success();
    assert_eq!(std::fs::read(out.join("large.bin")).unwrap(), std::fs::read(&file).unwrap());
}

/// A daemon of ours, for one torrent.
struct Daemon {
    network: Network,
    at: String,
    hash: String,
}

impl Daemon {
    /// What it answers.
    #[track_caller]
    fn ask(&self, path: &str, more: &[&str]) -> Value {
        let url = format!("http://{}/api/{path}", self.at);
        let said =
            self.network.tool("curl").args(["-sf", "-H", "X-Wireworks: 1", &url]).args(more).run().success();
        serde_json::from_slice(&said.stdout).unwrap_or_default()
    }

    /// Asks until an answer is as it should be.
    #[track_caller]
    fn wait(&self, path: &str, is: impl Fn(&Value) -> bool) {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let mut said = Value::Null;
        while !is(&said) {
            assert!(std::time::Instant::now() < until, "{said}");
            said = self.ask(&format!("torrents/{}{path}", self.hash), &[]);
        }
    }
}

#[test]
fn a_film_comes_from_its_origin_and_from_a_peer_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let [film, file, state] =
        ["tree", "film.torrent", "state"].map(|name| dir.path().join(name).display().to_string());
    wireworks(&["hls", "package", "media/240p.mp4", "media/480p.mp4", "--out", &film]).wait().success();
    let network = Network::without_multicast();
    let mut origin = network.wireworks(&["hls", "serve", "--listen", AT, &film]);
    origin.listening("hls");
    share(&[
        "create",
        "-q",
        &film,
        "--piece-length",
        "16KiB",
        "--web-seed",
        &format!("http://{AT}/"),
        "-o",
        &file,
    ]);
    let torrent = Torrent::read(file.as_ref());
    let _seed = network.seeds(2, &[&torrent], dir.path(), &["--no-dht"]);
    let at = format!("{}:9091", ip(3));
    let (own, listens) = (["share", "daemon", "--no-dht", "--data", &state, "--listen", &at], address(3));
    let mut process = network.wireworks(&[&own[..], &["--peer-listen", &listens]].concat());
    process.listening("share");
    let daemon = Daemon { network, at, hash: torrent.shown["info_hash"].as_str().unwrap().to_owned() };
    // Slowly, until both have given something.
    let (slow, fast) = (json!({ "down": 100_000 }).to_string(), json!({ "down": null }).to_string());
    let settings = |settings| {
        daemon.ask("settings", &["-X", "PATCH", "-H", "Content-Type: application/json", "-d", settings])
    };
    settings(&slow);
    daemon.ask(
        "torrents",
        &["-H", "Content-Type: application/x-bittorrent", "--data-binary", &format!("@{file}")],
    );
    daemon.wait("", |torrent| torrent["state"] == "downloading");
    let seed = json!({ "addr": address(2) }).to_string();
    daemon.ask(
        &format!("torrents/{}/peers", daemon.hash),
        &["-H", "Content-Type: application/json", "-d", &seed],
    );
    daemon.wait("/peers", |peers| {
        let gave = |by| {
            peers.as_array().is_some_and(|peers| {
                peers.iter().any(|peer| peer["transport"] == by && peer["downloaded"].as_u64() > Some(0))
            })
        };
        gave("tcp") && gave("web")
    });
    settings(&fast);
    daemon.wait("", |torrent| torrent["state"] == "seeding");
    assert!(is_same(dir.path(), &dir.path().join("state/files")));
}
