//! The command `wireworks share daemon`: what people and programs have it do, what it keeps over its end, and who may ask it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::browser::chromium;
use crate::support::command::{server, stop, wireworks};
use crate::support::process::Process;
use crate::support::tool::{Tool, in_tools};
use crate::support::wire::Wire;

/// How long a torrent may take until it is as it should be.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that is shared, and its torrent.
struct Share {
    dir: tempfile::TempDir,
    torrent: Vec<u8>,
    id: String,
    _seed: Process,
    seed: SocketAddr,
}

/// A film, a small file, and one of some megabytes, shared by a seed.
fn share(more: &[&str]) -> Share {
    let dir = tempfile::tempdir().unwrap();
    let films = dir.path().join("films");
    std::fs::create_dir(&films).unwrap();
    std::fs::copy("media/240p.mp4", films.join("240p.mp4")).unwrap();
    std::fs::write(films.join("notes & more.txt"), "to be read").unwrap();
    let mut bytes = fastrand::Rng::with_seed(7);
    let large: Vec<u8> = std::iter::repeat_with(|| bytes.u8(..)).take(3_000_000).collect();
    std::fs::write(films.join("large.bin"), large).unwrap();
    let [folder, file, data] = [films, dir.path().join("films.torrent"), dir.path().to_owned()]
        .map(|path| path.display().to_string());
    wireworks(&["share", "create", "-q", &folder, "-o", &file]).wait().success();
    let shown = wireworks(&["share", "show", "--json", &file]).wait().success();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let seed = ["share", "seed", "-q", &file, "-d", &data, "--listen", "127.0.0.1:0", "--no-dht"];
    let mut seed = wireworks(&[&seed[..], more].concat());
    let port = seed.listening("share");
    let at = format!("127.0.0.1{port}").parse().unwrap();
    let torrent = std::fs::read(&file).unwrap();
    Share { dir, torrent, id: shown["info_hash"].as_str().unwrap().to_owned(), _seed: seed, seed: at }
}

/// A daemon, and how it is asked.
struct Daemon {
    process: Process,
    addr: SocketAddr,
    files: PathBuf,
}

fn daemon(data: &Path, args: &[&str]) -> Daemon {
    let folder = data.display().to_string();
    let common =
        ["share", "daemon", "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--no-dht", "--data"];
    let mut process = wireworks(&[&common[..], &[folder.as_str()], args].concat());
    let addr = process.address("daemon");
    process.listening("share");
    Daemon { process, addr, files: std::fs::canonicalize(data).unwrap().join("files") }
}

impl Daemon {
    /// The status of an answer, and its body.
    #[track_caller]
    fn ask(&self, method: &str, target: &str, fields: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut wire = Wire::connect(self.addr);
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{fields}\r\n"
        );
        wire.send([head.as_bytes(), body].concat());
        let reply = wire.read_response();
        (reply.status, reply.body)
    }

    /// Has something changed; the JSON of the answer, if it has any.
    #[track_caller]
    fn change(&self, method: &str, target: &str, body: &Value, status: u16) -> Value {
        let fields = "X-Wireworks: 1\r\nContent-Type: application/json\r\n";
        let (found, reply) = self.ask(method, target, fields, body.to_string().as_bytes());
        let text = String::from_utf8_lossy(&reply).into_owned();
        assert_eq!(found, status, "{method} {target}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    #[track_caller]
    fn get(&self, target: &str) -> Value {
        let (status, body) = self.ask("GET", target, "", b"");
        assert_eq!(status, 200, "{target}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// Adds the torrent of a share by its file.
    #[track_caller]
    fn add(&self, share: &Share, query: &str) {
        let fields = "X-Wireworks: 1\r\nContent-Type: application/x-bittorrent\r\n";
        let (status, body) = self.ask("POST", &format!("/api/torrents{query}"), fields, &share.torrent);
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
    }

    #[track_caller]
    fn torrent(&self, share: &Share) -> Value {
        self.get(&format!("/api/torrents/{}", share.id))
    }

    /// Asks until a torrent is as it should be.
    #[track_caller]
    fn wait(&self, share: &Share, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let torrent = self.torrent(share);
            if is(&torrent) {
                return torrent;
            }
            assert!(Instant::now() < until, "never {what}: {torrent}");
        }
    }

    /// Waits until it runs, and tells it of the seed.
    #[track_caller]
    fn meet(&self, share: &Share) {
        self.wait(share, "running", |torrent| is(torrent, &["downloading", "metadata"]));
        let target = format!("/api/torrents/{}/peers", share.id);
        self.change("POST", &target, &json!({ "addr": share.seed }), 202);
    }

    #[track_caller]
    fn complete(&self, share: &Share) -> Value {
        self.wait(share, "complete", |torrent| is(torrent, &["seeding"]))
    }
}

fn is(torrent: &Value, states: &[&str]) -> bool {
    states.contains(&torrent["state"].as_str().unwrap())
}

/// Whether a file was fetched as it is.
fn same(share: &Share, folder: &Path, name: &str) -> bool {
    let original = std::fs::read(share.dir.path().join("films").join(name)).unwrap();
    std::fs::read(folder.join("films").join(name)).is_ok_and(|fetched| fetched == original)
}

const ALL: [&str; 3] = ["240p.mp4", "large.bin", "notes & more.txt"];

#[test]
fn what_is_fetched_is_kept_over_a_kill_and_nothing_comes_twice() {
    let share = share(&[]);
    let data = share.dir.path().join("state");
    let served = daemon(&data, &[]);
    served.add(&share, "");
    served.meet(&share);
    let torrent = served.complete(&share);
    assert_eq!((&torrent["done"], &torrent["error"]), (&torrent["size"], &Value::Null));
    assert!(ALL.iter().all(|name| same(&share, &served.files, name)));
    let twice = served.ask("POST", "/api/torrents", "X-Wireworks: 1\r\n", &share.torrent);
    assert_eq!(twice.0, 409);
    served.process.signal(Signal::KILL);
    served.process.wait();

    let served = daemon(&data, &[]);
    let torrent = served.complete(&share);
    assert_eq!(torrent["wasted"], 0);
    // It stops well, and what it has counted is there at the next start.
    let before = torrent["downloaded"].as_u64().unwrap();
    stop(served.process);
    let served = daemon(&data, &[]);
    assert_eq!(served.complete(&share)["downloaded"].as_u64(), Some(before));
    served.change("DELETE", &format!("/api/torrents/{}?files=true", share.id), &Value::Null, 204);
    let until = Instant::now() + PATIENCE;
    while served.files.join("films").exists() {
        assert!(Instant::now() < until, "the files stay");
    }
    assert_eq!(served.get("/api/torrents")["torrents"], json!([]));
    stop(served.process);
}

#[test]
fn a_link_is_fetched_file_by_file_as_they_are_wanted() {
    let share = share(&[]);
    let served = daemon(&share.dir.path().join("state"), &["--encryption", "require"]);
    let link = format!("magnet:?xt=urn:btih:{}", share.id);
    served.change("POST", "/api/torrents", &json!({ "source": link }), 201);
    let target = format!("/api/torrents/{}", share.id);
    let more = "magnet:?xt=urn:nothing";
    assert!(served.change("POST", "/api/torrents", &json!({ "source": more }), 422)["error"].is_string());
    // One peer without encryption is no peer.
    served.meet(&share);
    served.complete(&share);
    assert!(ALL.iter().all(|name| same(&share, &served.files, name)));
    let torrent = served.torrent(&share);
    let files: Vec<&str> =
        torrent["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(files, ALL.map(|name| format!("films/{name}")));
    let peers = served.get(&format!("{target}/peers"));
    assert!(peers.as_array().unwrap().iter().all(|peer| peer["encrypted"] == true), "{peers}");
    stop(served.process);

    // A part of it, then more.
    let served = daemon(&share.dir.path().join("other"), &[]);
    served.add(&share, "?paused=true");
    served.change("PATCH", &target, &json!({ "priorities": { "1": "skip", "2": "high" } }), 200);
    served.change("PATCH", &target, &json!({ "paused": false, "sequential": true }), 200);
    served.meet(&share);
    let torrent = served.complete(&share);
    assert!(torrent["wanted"].as_u64().unwrap() < 1_000_000 && torrent["sequential"] == true, "{torrent}");
    assert!(same(&share, &served.files, ALL[0]) && same(&share, &served.files, ALL[2]));
    assert!(!same(&share, &served.files, ALL[1]));
    served.change("PATCH", &target, &json!({ "priorities": { "1": "low" } }), 200);
    served.meet_again(&share);
    served.complete(&share);
    assert!(same(&share, &served.files, ALL[1]));
    let pieces = served.get(&format!("{target}/pieces"));
    assert_eq!(pieces["pieces"], served.torrent(&share)["pieces"]);
    stop(served.process);
}

impl Daemon {
    /// Tells it of the seed again, whom it has left as neither had anything for the other.
    #[track_caller]
    fn meet_again(&self, share: &Share) {
        let target = format!("/api/torrents/{}/peers", share.id);
        self.change("POST", &target, &json!({ "addr": share.seed }), 202);
    }
}

#[test]
fn limits_end_what_has_been_shared_enough_and_files_go_where_they_are_wanted() {
    let share = share(&[]);
    let served = daemon(&share.dir.path().join("state"), &[]);
    let done = share.dir.path().join("done");
    let change = json!({ "complete": done, "ratio": 20.0, "downloads": 1, "alternative": { "up": 5000 } });
    let settings = served.change("PATCH", "/api/settings", &change, 200);
    assert_eq!((&settings["ratio"], &settings["alternative"]["up"]), (&json!(20.0), &json!(5000)));
    for wrong in [json!({ "ratio": "much" }), json!({ "folder": "here" }), json!({ "unknown": 1 })] {
        served.change("PATCH", "/api/settings", &wrong, 400);
    }
    served.add(&share, "");
    served.meet(&share);
    // It was fetched here: so it goes where complete ones are, and on from there.
    let torrent = served.wait(&share, "moved", |torrent| torrent["folder"] == json!(done));
    assert!(ALL.iter().all(|name| same(&share, &done, name)), "{torrent}");
    assert!(!served.files.join("films").exists());
    served.complete(&share);
    // Somebody fetches it from here; then that was enough.
    let out = share.dir.path().join("out").display().to_string();
    let source = share.dir.path().join("films.torrent").display().to_string();
    let port = peer_port(&served);
    let get =
        ["share", "get", "-q", &source, "-o", &out, "--listen", "127.0.0.1:0", "--no-dht", "--peer", &port];
    wireworks(&get).wait().success();
    served.change("PATCH", "/api/settings", &json!({ "ratio": 0.5 }), 200);
    let torrent = served.wait(&share, "paused", |torrent| is(torrent, &["paused"]));
    assert!(torrent["ratio"].as_f64().unwrap() >= 0.5, "{torrent}");
    // Who wants it to go on says so.
    let target = format!("/api/torrents/{}", share.id);
    let change = json!({ "paused": false, "limits": { "ratio": 0.0, "up": 100_000 } });
    let torrent = served.change("PATCH", &target, &change, 200);
    assert_eq!(torrent["limits"], json!({ "up": 100_000, "down": null, "ratio": 0.0, "idle": null }));
    served.complete(&share);
    served.change("POST", &format!("{target}/verify"), &Value::Null, 202);
    served.complete(&share);
    stop(served.process);
}

/// Where the peers of a daemon connect, as Transmission's front ends are told.
#[track_caller]
fn peer_port(served: &Daemon) -> String {
    let session = rpc(served, &json!({ "method": "session-get" }));
    format!("127.0.0.1:{}", session["arguments"]["peer-port"])
}

/// Asks as Transmission's front ends do.
#[track_caller]
fn rpc(served: &Daemon, request: &Value) -> Value {
    let (status, body) = served.ask("POST", "/transmission/rpc", "", b"{}");
    assert_eq!(status, 409, "who does not know the session is told of it");
    let text = String::from_utf8(body).unwrap();
    let id = text.trim_end().rsplit(' ').next().unwrap();
    let fields = format!("X-Transmission-Session-Id: {id}\r\n");
    let (status, body) = served.ask("POST", "/transmission/rpc", &fields, request.to_string().as_bytes());
    assert_eq!(status, 200);
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn a_film_is_streamed_while_it_comes() {
    let share = share(&["--up", "100KiB"]);
    let served = daemon(&share.dir.path().join("state"), &[]);
    served.add(&share, "");
    let film = std::fs::read("media/240p.mp4").unwrap();
    let target = format!("/stream/{}/films/240p.mp4", share.id);
    served.meet(&share);
    let (status, body) = served.ask("GET", &target, "Range: bytes=-1000\r\n", b"");
    assert_eq!((status, body), (206, film[film.len() - 1000..].to_vec()), "the end first, as players ask");
    // The rest of the torrent takes half a minute.
    assert!(is(&served.torrent(&share), &["downloading"]), "it was fetched before all else");
    let (status, body) = served.ask("GET", &target, "", b"");
    assert!(status == 200 && body == film);
    let other = format!("/stream/{}/films/large.bin", share.id);
    assert_eq!(served.ask("GET", &other, "Range: bytes=5000000-\r\n", b"").0, 416);
    assert_eq!(served.ask("GET", &format!("/stream/{}/films/..%2f240p.mp4", share.id), "", b"").0, 404);
    let spaced = format!("/stream/{}/films/notes%20%26%20more.txt", share.id);
    assert_eq!(served.ask("GET", &spaced, "", b"").1, b"to be read");
    // Of one that rests there is what is whole.
    served.change("PATCH", &format!("/api/torrents/{}", share.id), &json!({ "paused": true }), 200);
    served.wait(&share, "paused", |torrent| is(torrent, &["paused"]));
    let whole = |name: &str| served.ask("GET", &format!("/stream/{}/films/{name}", share.id), "", b"").0;
    let until = Instant::now() + PATIENCE;
    while whole("240p.mp4") != 200 {
        assert!(Instant::now() < until, "the film is never there");
    }
    assert_eq!(whole("large.bin"), 409);
    stop(served.process);
}

#[test]
fn what_is_put_into_the_folder_is_taken() {
    let share = share(&[]);
    let inbox = share.dir.path().join("inbox");
    std::fs::create_dir(&inbox).unwrap();
    std::fs::write(inbox.join("films.torrent"), &share.torrent).unwrap();
    std::fs::write(inbox.join("none.torrent"), "no torrent").unwrap();
    std::fs::write(
        inbox.join("link.magnet"),
        "magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
    )
    .unwrap();
    let served = daemon(&share.dir.path().join("state"), &["--watch", &inbox.display().to_string()]);
    let until = Instant::now() + PATIENCE;
    let names = ["films.torrent.added", "none.torrent.refused", "link.magnet.added"];
    while !names.iter().all(|name| inbox.join(name).exists()) {
        assert!(Instant::now() < until, "not taken");
    }
    assert_eq!(served.get("/api/torrents")["torrents"].as_array().unwrap().len(), 2);
    served.meet(&share);
    served.complete(&share);
    stop(served.process);
}

#[test]
fn who_is_not_wanted_is_not_talked_to() {
    let share = share(&[]);
    let list = share.dir.path().join("list");
    std::fs::write(&list, "bad people:127.0.0.0-127.255.255.255\n").unwrap();
    let served = daemon(&share.dir.path().join("state"), &["--ip-filter", &list.display().to_string()]);
    assert_eq!(served.get("/api/settings")["filter"], 1);
    served.add(&share, "");
    served.meet(&share);
    let peers = || served.get(&format!("/api/torrents/{}/peers", share.id));
    let torrent = served.torrent(&share);
    assert_eq!((peers(), &torrent["done"]), (json!([]), &json!(0)));
    // The list is read again.
    std::fs::write(&list, "# nobody\n").unwrap();
    served.process.signal(Signal::HUP);
    let until = Instant::now() + PATIENCE;
    while served.get("/api/settings")["filter"] != 0 {
        assert!(Instant::now() < until, "the list is not read again");
    }
    served.wait(&share, "complete", |torrent| {
        served.meet_again(&share);
        is(torrent, &["seeding"])
    });
    stop(served.process);
    std::fs::write(&list, "nobody's range\n").unwrap();
    let folder = share.dir.path().join("state").display().to_string();
    let refused = wireworks(&[
        "share",
        "daemon",
        "--data",
        &folder,
        "--listen",
        "127.0.0.1:0",
        "--peer-listen",
        "127.0.0.1:0",
        "--no-dht",
        "--ip-filter",
        &list.display().to_string(),
    ])
    .wait();
    assert!(
        !refused.status.success() && refused.stderr.contains("line 1: \"nobody's range\" is no range"),
        "{}",
        refused.stderr
    );
}

#[test]
fn pages_of_other_sites_change_nothing_and_strangers_see_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let served = daemon(&dir.path().join("state"), &["--host", "nas.example"]);
    assert_eq!(served.ask("DELETE", "/api/banned", "", b"").0, 403);
    let with_host = |host: &str| {
        let mut wire = Wire::connect(served.addr);
        wire.send(format!("GET /api/torrents HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        wire.read_response().status
    };
    let hosts = ["evil.example", "nas.example:9091", "NAS.example", "[::1]:1", "192.0.2.1", "localhost:1"];
    assert_eq!(hosts.map(with_host), [421, 200, 200, 200, 200, 200]);
    stop(served.process);
    let served = daemon(&dir.path().join("state"), &["--basic-auth", "me:secret"]);
    assert_eq!(served.ask("GET", "/", "", b"").0, 401);
    assert_eq!(served.ask("GET", "/api/torrents", "Authorization: Basic bWU6c2VjcmV0\r\n", b"").0, 200);
    // Two daemons do not share a state.
    let folder = dir.path().join("state").display().to_string();
    let second = wireworks(&[
        "share",
        "daemon",
        "--data",
        &folder,
        "--listen",
        "127.0.0.1:0",
        "--peer-listen",
        "127.0.0.1:0",
        "--no-dht",
    ])
    .wait();
    assert!(second.stderr.contains("is in use by another daemon"), "{}", second.stderr);
    stop(served.process);
}

#[test]
fn transmission_remote_steers_it() {
    let share = share(&[]);
    let served = daemon(&share.dir.path().join("state"), &[]);
    let remote = |args: &[&str]| {
        let at = served.addr.to_string();
        let ended =
            Tool::new("transmission-remote").args([&[at.as_str()][..], args].concat()).run().success();
        ended.text()
    };
    let file = share.dir.path().join("films.torrent").display().to_string();
    assert!(remote(&["--start-paused", "-a", &file]).contains("success"));
    assert!(remote(&["-l"]).lines().any(|line| line.contains("Stopped") && line.ends_with(" films")));
    assert!(remote(&["-t1", "-s"]).contains("success"));
    served.meet(&share);
    served.complete(&share);
    let list = remote(&["-l"]);
    assert!(list.lines().any(|line| line.contains("100%") && line.ends_with(" films")), "{list}");
    assert!(remote(&["-t1", "-f"]).contains("films/notes & more.txt"));
    assert!(remote(&["-d", "100", "-u", "50"]).contains("success"));
    let settings = served.get("/api/settings");
    assert_eq!((&settings["down"], &settings["up"]), (&json!(100_000), &json!(50_000)));
    assert!(remote(&["-t1", "-v"]).contains("success"));
    served.complete(&share);
    assert!(remote(&["-t1", "-td", "http://127.0.0.1:1/announce"]).contains("success"));
    let trackers = |torrent: &Value| torrent["trackers"].as_array().is_some_and(|all| all.len() == 1);
    served.wait(&share, "with a tracker", trackers);
    assert!(
        remote(&["-t1", "--move", &share.dir.path().join("moved").display().to_string()]).contains("success")
    );
    served.wait(&share, "moved", |torrent| torrent["folder"].as_str().unwrap().ends_with("/moved"));
    let refused = rpc(&served, &json!({ "method": "port-test", "tag": 7 }));
    assert_eq!(
        (&refused["result"], &refused["tag"]),
        (&json!("port-test: this daemon does not do that"), &json!(7))
    );
    assert!(remote(&["-t1", "-rad"]).contains("success"));
    let until = Instant::now() + PATIENCE;
    while !served.get("/api/torrents")["torrents"].as_array().unwrap().is_empty() {
        assert!(Instant::now() < until, "never removed");
    }
    // Whoever may end it does.
    rpc(&served, &json!({ "method": "session-close" }));
    served.process.wait().success();
}

#[test]
fn files_come_from_the_web_where_there_are_no_peers() {
    let share = share(&[]);
    let folder = share.dir.path().display().to_string();
    let mut web = server(&[&folder]);
    let url = format!("http://{}/", web.address("http"));
    let [films, file] =
        ["films", "web.torrent"].map(|name| share.dir.path().join(name).display().to_string());
    wireworks(&["share", "create", "-q", &films, "--web-seed", &url, "-o", &file]).wait().success();
    let out = share.dir.path().join("out");
    let get = [
        "share",
        "get",
        "-q",
        &file,
        "-o",
        &out.display().to_string(),
        "--listen",
        "127.0.0.1:0",
        "--no-dht",
    ];
    wireworks(&get).wait().success();
    assert!(ALL.iter().all(|name| same(&share, &out, name)));
    // What is not there comes from nobody, and what is wrong from nobody twice.
    let large = share.dir.path().join("films/large.bin");
    let right = std::fs::read(&large).unwrap();
    std::fs::write(&large, vec![0; right.len()]).unwrap();
    let served = daemon(&share.dir.path().join("state"), &[]);
    let torrent = std::fs::read(&file).unwrap();
    assert_eq!(served.ask("POST", "/api/torrents", "X-Wireworks: 1\r\n", &torrent).0, 201);
    let until = Instant::now() + PATIENCE;
    while served.get("/api/banned").as_array().unwrap().is_empty() {
        assert!(Instant::now() < until, "a server that gives wrong bytes is never left");
    }
    assert!(!is(&served.torrent(&share), &["seeding"]));
    stop(served.process);
}

/// What the script prints that uses the page.
const PAGE: &str = "\
empty: True
added: films
complete: True
files: 3
plays: True
peers: True
sound
";

#[test]
fn a_person_uses_the_page() {
    let share = share(&[]);
    let served = daemon(&share.dir.path().join("state"), &[]);
    let url = format!("http://{}/", served.addr);
    let mut browser = chromium(share.dir.path(), &["--remote-debugging-port=0"], &url).start();
    let devtools = browser.wait_for_line("DevTools listening on ");
    let script = concat!(include_str!("data/devtools.py"), include_str!("data/share/page.py"));
    let link = format!("magnet:?xt=urn:btih:{}", share.id);
    let axe = in_tools("node_modules/axe-core/axe.min.js").display().to_string();
    let people = Tool::python(script).within(Duration::from_secs(240));
    let people =
        people.args([&devtools, &url, &link, &share.seed.to_string(), &share.id, &axe]).start_typing();
    let seen = people.wait();
    assert_eq!(seen.text(), PAGE, "{}", seen.stderr);
    seen.success();
    stop(served.process);
}

#[test]
fn each_feature_has_a_test() {
    crate::support::features::tests_exist("docs/share-daemon.md", 10);
}
