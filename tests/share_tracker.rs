//! The command `wireworks share tracker`: peers over HTTP and UDP by their bytes, who is believed, what is tracked, and the end.

use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use rustix::process::Signal;

use crate::support::PATIENCE;
use crate::support::command::{metric, stop, wireworks};
use crate::support::process::Process;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

/// The info hash of the peers here, and as a query has it.
const HASH: [u8; 20] = [0xab; 20];
const QUERY: &str = "info_hash=%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab";
const HEX: &str = "abababababababababababababababababababab";

/// What begins a connection by UDP (BEP 15).
const PROTOCOL: u64 = 0x417_2710_1980;

/// A tracker, and where its doors are.
fn tracker(args: &[&str]) -> (Process, SocketAddr, SocketAddr) {
    let common = ["share", "tracker", "--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0"];
    let mut server = wireworks(&[&common, args].concat());
    let (http, udp) = (server.address("tracker"), server.address("tracker-udp"));
    (server, http, udp)
}

/// The body of what is answered to a GET.
#[track_caller]
fn get(http: SocketAddr, target: &str) -> Vec<u8> {
    let mut wire = Wire::connect(http);
    wire.send(format!("GET {target} HTTP/1.1\r\nHost: tracker\r\n\r\n"));
    let reply = wire.read_response();
    assert_eq!(reply.status, 200, "{target}");
    reply.body
}

/// What is answered to an announce.
#[track_caller]
fn announce(http: SocketAddr, rest: &str) -> Vec<u8> {
    get(http, &format!("/announce?{QUERY}&peer_id=-TT0000-000000000000&uploaded=0&downloaded=0{rest}"))
}

/// Whether a part stands somewhere in what was answered.
fn has(body: &[u8], part: impl AsRef<[u8]>) -> bool {
    body.windows(part.as_ref().len()).any(|window| window == part.as_ref())
}

/// The compact peers of a bencoded answer, as they are written there.
fn peers(of: &[(Ipv4Addr, u16)]) -> Vec<u8> {
    let bytes: Vec<u8> =
        of.iter().flat_map(|(ip, port)| [&ip.octets()[..], &port.to_be_bytes()].concat()).collect();
    [format!("5:peers{}:", bytes.len()).as_bytes(), &bytes, b"e"].concat()
}

/// A peer that speaks UDP.
struct Peer {
    socket: UdpSocket,
    connection: u64,
}

impl Peer {
    /// A peer that has got its connection id.
    fn connect(local: impl std::net::ToSocketAddrs, tracker: SocketAddr) -> Self {
        let socket = UdpSocket::bind(local).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(tracker).unwrap();
        let mut peer = Self { socket, connection: PROTOCOL };
        let answer = peer.ask(0, 7, &[]);
        assert_eq!((answer.len(), &answer[..8]), (16, &[0, 0, 0, 0, 0, 0, 0, 7][..]));
        peer.connection = u64::from_be_bytes(answer[8..].try_into().unwrap());
        peer
    }

    /// What is answered to a packet.
    fn ask(&self, action: u32, transaction: u32, rest: &[u8]) -> Vec<u8> {
        self.send(action, transaction, rest);
        self.hear()
    }

    fn send(&self, action: u32, transaction: u32, rest: &[u8]) {
        let head = [&self.connection.to_be_bytes()[..], &action.to_be_bytes(), &transaction.to_be_bytes()];
        self.socket.send(&[&head.concat(), rest].concat()).unwrap();
    }

    fn hear(&self) -> Vec<u8> {
        let mut packet = vec![0; 4096];
        let length = self.socket.recv(&mut packet).unwrap();
        packet.truncate(length);
        packet
    }

    /// What is answered to an announce of a peer that wants all others.
    fn announce(&self, left: u64, event: u32, ip: Ipv4Addr, port: u16) -> Vec<u8> {
        let (key, wanted) = (9_u32.to_be_bytes(), u32::MAX.to_be_bytes());
        let rest: [&[u8]; 10] = [
            &HASH,
            b"-TT0000-000000000000",
            &[0; 8],
            &left.to_be_bytes(),
            &[0; 8],
            &event.to_be_bytes(),
            &ip.octets(),
            &key,
            &wanted,
            &port.to_be_bytes(),
        ];
        self.ask(1, 8, &rest.concat())
    }
}

/// What an announce by UDP is answered with, for half an hour.
fn answer(leechers: u32, seeders: u32, peers: &[u8]) -> Vec<u8> {
    let numbers = [1, 8, 1800, leechers, seeders].map(u32::to_be_bytes).concat();
    [&numbers, peers].concat()
}

#[test]
fn peers_find_each_other_over_http_and_udp() {
    let (server, http, udp) = tracker(&[]);
    let home = Ipv4Addr::LOCALHOST;
    let body = announce(http, "&port=7001&left=0&event=started&compact=1");
    assert!(body.starts_with(b"d8:completei1e10:downloadedi0e11:external ip4:\x7f\x00\x00\x01"), "{body:?}");
    assert!(has(&body, "10:incompletei0e8:intervali1800e12:min intervali60e") && body.ends_with(&peers(&[])));

    let other = Peer::connect((home, 0), udp);
    let seen = [&home.octets()[..], &7001_u16.to_be_bytes()].concat();
    assert_eq!(other.announce(5, 2, Ipv4Addr::UNSPECIFIED, 7002), answer(1, 1, &seen));
    let body = announce(http, "&port=7001&left=0");
    assert!(body.ends_with(&peers(&[(home, 7002)])), "{body:?}");
    let body = announce(http, "&port=7001&left=0&compact=0");
    assert!(body.ends_with(b"5:peersld2:ip9:127.0.0.14:porti7002eeee"), "{body:?}");

    // Both scrapes tell the same, before and after the peer has got it all.
    let scrape = [&HASH[..], &[0xcd; 20]].concat();
    let numbers = |all: &[u32]| all.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    assert_eq!(other.ask(2, 3, &scrape), numbers(&[2, 3, 1, 0, 1, 0, 0, 0]));
    other.announce(0, 1, Ipv4Addr::UNSPECIFIED, 7002);
    assert_eq!(other.ask(2, 3, &scrape), numbers(&[2, 3, 2, 1, 0, 0, 0, 0]));
    let file =
        [b"d5:filesd20:", &HASH[..], b"d8:completei2e10:downloadedi1e11:downloadersi0e10:incompletei0eeee"]
            .concat();
    assert_eq!(get(http, &format!("/scrape?{QUERY}")), file);

    // Who stops is told of no more, and a peer of port 0 never.
    other.announce(0, 3, Ipv4Addr::UNSPECIFIED, 7002);
    assert!(announce(http, "&port=0&left=1").ends_with(&peers(&[(home, 7001)])));
    assert!(announce(http, "&port=7001&left=0").ends_with(&peers(&[])));
    stop(server);
}

#[test]
fn a_refusal_says_why() {
    let (server, http, udp) = tracker(&[]);
    let refusal =
        |reason: &str| format!("d14:failure reason{}:{reason}8:retry in5:nevere", reason.len()).into_bytes();
    let hash = refusal("info_hash is missing, or has not 20 bytes");
    assert_eq!(get(http, "/announce"), hash);
    assert_eq!(get(http, "/announce?info_hash=%ab&port=1"), hash);
    assert_eq!(get(http, &format!("/announce?{QUERY}&port=65536")), refusal("port is missing, or is none"));
    assert_eq!(get(http, "/scrape"), refusal("scrapes have to name torrents here"));

    // Without a connection id of its own nobody gets more than it has sent, and nonsense gets nothing.
    let mut peer = Peer::connect((Ipv4Addr::LOCALHOST, 0), udp);
    peer.connection ^= 1;
    peer.send(0, 1, &[]);
    peer.socket.send(b"nonsense").unwrap();
    peer.socket.send(&[]).unwrap();
    let refused = peer.announce(0, 0, Ipv4Addr::UNSPECIFIED, 7000);
    assert_eq!(refused, [&[0, 0, 0, 3, 0, 0, 0, 8], &b"connection id is too old"[..]].concat());
    let mut wire = Wire::connect(http);
    wire.send("POST /announce HTTP/1.1\r\nHost: tracker\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(wire.read_response().status, 405);
    stop(server);
}

#[test]
fn only_who_is_believed_says_which_address_it_has() {
    let told = Ipv4Addr::new(203, 0, 113, 9);
    for (args, believed) in [(&[][..], true), (&["--believe", "10.0.0.0/8"], false)] {
        let (server, http, udp) = tracker(args);
        announce(http, "&port=7001&left=0&ip=203.0.113.9");
        let peer = Peer::connect((Ipv4Addr::LOCALHOST, 0), udp);
        let first = if believed { told } else { Ipv4Addr::LOCALHOST };
        let seen = [&first.octets()[..], &7001_u16.to_be_bytes()].concat();
        assert_eq!(peer.announce(5, 0, told, 7002), answer(1, 1, &seen));
        let body = announce(http, "&port=7003&left=0&numwant=1&ip=203.0.113.10");
        let known: Vec<_> = [7001, 7002].map(|port| peers(&[(first, port)])).into();
        assert!(known.iter().any(|peers| body.ends_with(peers)), "{body:?}");
        stop(server);
    }
}

#[test]
fn behind_a_proxy_a_client_has_its_own_address() {
    let (server, http, _) = tracker(&["--proxy-protocol-from", "127.0.0.0/8", "--access-log", "-"]);
    let target = |port: u16| format!("/announce?{QUERY}&port={port}&left=1&ip=198.51.100.1");
    let ask = |client: &str, port: u16| {
        let mut wire = Wire::connect(http);
        wire.send(format!("PROXY TCP4 {client} 127.0.0.1 4000 80\r\n"));
        wire.send(format!("GET {} HTTP/1.1\r\nHost: tracker\r\n\r\n", target(port)));
        wire.read_response().body
    };
    ask("203.0.113.5", 7001);
    let body = ask("203.0.113.6", 7002);
    assert!(
        body.ends_with(&peers(&[(Ipv4Addr::new(203, 0, 113, 5), 7001)])),
        "ip= is not believed: {body:?}"
    );
    let log = stop(server).text();
    assert!(log.contains("203.0.113.5 - - [") && log.contains("203.0.113.6 - - ["), "{log}");
}

#[test]
fn both_families_meet_at_one_door() {
    let mut server = wireworks(&["share", "tracker", "--listen", ":0", "--udp", ":0"]);
    let port = |text: String| text.strip_prefix(':').unwrap().parse::<u16>().unwrap();
    let http = SocketAddr::from((Ipv6Addr::LOCALHOST, port(server.listening("tracker"))));
    let udp = port(server.listening("tracker-udp"));
    let old = Peer::connect((Ipv4Addr::LOCALHOST, 0), (Ipv4Addr::LOCALHOST, udp).into());
    let new = Peer::connect((Ipv6Addr::LOCALHOST, 0), (Ipv6Addr::LOCALHOST, udp).into());
    // A packet tells of the family of the one who asks (BEP 15), a reply of both (BEP 7).
    let none = Ipv4Addr::UNSPECIFIED;
    assert_eq!(old.announce(0, 0, none, 7004), answer(0, 1, &[]));
    assert_eq!(new.announce(0, 0, none, 7006), answer(0, 2, &[]));
    let seen = [&Ipv6Addr::LOCALHOST.octets()[..], &7006_u16.to_be_bytes()].concat();
    assert_eq!(new.announce(1, 0, none, 7007), answer(1, 2, &seen));
    let body = announce(http, "&port=7008&left=0&numwant=1&compact=1&numwant=50");
    let four = peers(&[(Ipv4Addr::LOCALHOST, 7004)]);
    assert!(
        has(&body, &four[..four.len() - 1]) && has(&body, "6:peers636:") && has(&body, &seen),
        "{body:?}"
    );
    stop(server);
}

#[test]
fn the_list_of_torrents_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("torrents.txt");
    std::fs::write(&list, "# none yet\n").unwrap();
    let (mut server, http, udp) = tracker(&["--allow", list.to_str().unwrap()]);
    let refused = b"d14:failure reason32:this torrent is not tracked here8:retry in5:nevere";
    assert_eq!(announce(http, "&port=7001&left=0"), refused);
    let peer = Peer::connect((Ipv4Addr::LOCALHOST, 0), udp);
    let answered = peer.announce(0, 0, Ipv4Addr::UNSPECIFIED, 7002);
    assert_eq!(answered, [&[0, 0, 0, 3, 0, 0, 0, 8], &b"this torrent is not tracked here"[..]].concat());

    replace(&list, &format!("{HEX}  a film\n"));
    server.signal(Signal::HUP);
    server.wait_for_stderr("reloaded");
    assert!(announce(http, "&port=7001&left=0").ends_with(&peers(&[])));
    // A bad list is told of, and the one before stays.
    replace(&list, "a film\n");
    server.signal(Signal::HUP);
    server.wait_for_stderr("torrents.txt:1: \"a\" is no info hash");
    assert!(announce(http, "&port=7002&left=0").ends_with(&peers(&[(Ipv4Addr::LOCALHOST, 7001)])));
    assert!(has(&get(http, "/stats"), "\"allowed\":1,"));
    stop(server);

    let ended = wireworks(&["share", "tracker", "--allow", list.to_str().unwrap()]).wait();
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.stderr.contains("torrents.txt:1: \"a\" is no info hash: write 40 or 64"),
        "{}",
        ended.stderr
    );
}

/// Puts a file in the place of another in one step: nobody reads half of it.
fn replace(path: &Path, text: &str) {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap()).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.persist(path).unwrap();
}

#[test]
fn limits_hold() {
    let limits = ["--max-requests-per-minute", "9", "--max-torrents", "1", "--max-peers-per-address", "2"];
    let (server, http, udp) = tracker(&[&limits[..], &["--max-numwant", "1", "--full-scrape", "5"]].concat());
    for port in 7001..=7003 {
        announce(http, &format!("&port={port}&left=0"));
    }
    // The third peer of the address has the place of the first, and one is told at most.
    let body = announce(http, "&port=7003&left=0&numwant=50");
    assert!(body.starts_with(b"d8:completei2e") && body.ends_with(&peers(&[(Ipv4Addr::LOCALHOST, 7002)])));
    let full = get(http, "/announce?info_hash=aaaaaaaaaaaaaaaaaaaa&port=1&left=1");
    assert_eq!(full, b"d14:failure reason19:the tracker is full8:retry ini30ee");
    assert!(has(&get(http, "/scrape"), HASH), "full scrapes are allowed");
    // Whoever asks too often is told so by both doors: they count together.
    let peer = Peer::connect((Ipv4Addr::LOCALHOST, 0), udp);
    for _ in 0..3 {
        assert_eq!(peer.announce(0, 0, Ipv4Addr::UNSPECIFIED, 7003)[..4], [0, 0, 0, 1]);
    }
    let often = b"too many requests from your address";
    assert_eq!(peer.announce(0, 0, Ipv4Addr::UNSPECIFIED, 7003)[8..], *often);
    assert!(has(
        &announce(http, "&port=7001&left=0"),
        "35:too many requests from your address8:retry ini1ee"
    ));
    stop(server);
}

#[test]
fn what_is_counted_is_shown() {
    let doors = ["--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
    let mut server = wireworks(&[&["share", "tracker"][..], &doors].concat());
    let (http, status) = (server.address("tracker"), server.address("metrics"));
    let udp = server.address("tracker-udp");
    announce(http, "&port=7001&left=0");
    let peer = Peer::connect((Ipv4Addr::LOCALHOST, 0), udp);
    peer.announce(3, 0, Ipv4Addr::UNSPECIFIED, 7002);
    get(http, "/scrape");
    for (name, expected) in [
        ("torrents", 1),
        ("seeders", 1),
        ("leechers", 1),
        ("announces_total", 2),
        ("refused_total", 1),
        ("udp_packets_total", 2),
        ("udp_connects_total", 1),
        ("udp_ignored_total", 0),
        ("udp_unsent_total", 0),
    ] {
        assert_eq!(metric(status, &format!("wireworks_tracker_{name}")), expected, "{name}");
    }
    let stats: serde_json::Value = serde_json::from_slice(&get(http, "/stats")).unwrap();
    assert_eq!((&stats["announces"], &stats["allowed"]), (&2.into(), &serde_json::Value::Null), "{stats}");
    assert!(has(&get(http, "/"), "<dd data-number=\"udp_packets\">"));
    stop(server);
}

#[test]
fn the_end_waits_for_requests_and_frees_the_ports() {
    let (server, http, udp) = tracker(&[]);
    let mut wire = Wire::connect(http);
    wire.send(format!("GET /announce?{QUERY}"));
    wire.wait_until_read();
    server.signal(Signal::TERM);
    wire.send("&port=7001&left=0 HTTP/1.1\r\nHost: tracker\r\n\r\n");
    let reply = wire.read_response();
    assert!(reply.status == 200 && reply.body.ends_with(&peers(&[])), "{reply:?}");
    server.wait().success();
    UdpSocket::bind(udp).unwrap();
}

#[test]
fn curl_announces_and_reads_the_statistics() {
    let (server, http, _) = tracker(&[]);
    let base = format!("http://{http}");
    let curl = |args: &[&str], target: &str| {
        Tool::new("curl").args(["-sS", "-i"]).args(args).args([format!("{base}{target}")]).run().success()
    };
    let reply = curl(&[], &format!("/announce?{QUERY}&port=7001&left=0")).stdout;
    assert!(
        reply.starts_with(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n")
            && reply.ends_with(b"5:peers0:e")
    );
    let reply = curl(&["--http1.0"], &format!("/scrape?{QUERY}")).stdout;
    assert!(reply.ends_with(b"d8:completei1e10:downloadedi0e11:downloadersi0e10:incompletei0eeee"));
    let reply = curl(&[], "/stats").text();
    assert!(reply.contains("\r\ncontent-type: application/json\r\n"), "{reply}");
    assert!(reply.contains("\"seeders\":1,"), "{reply}");
    let head = curl(&["-I"], "/").text();
    assert!(head.contains("\r\ncontent-security-policy: default-src 'none';"), "{head}");
    stop(server);
}

#[test]
fn a_client_of_ours_finds_a_seed_by_it() {
    let (server, http, udp) = tracker(&[]);
    let folder = tempfile::tempdir().unwrap();
    let [film, torrent, there] = ["film", "film.torrent", "there"].map(|name| folder.path().join(name));
    std::fs::write(&film, [7; 200_000]).unwrap();
    let run = |args: &[&str]| wireworks(&[&["share"], args].concat());
    let [film, torrent, there] = [&film, &torrent, &there].map(|path| path.to_str().unwrap());
    let (by_http, by_udp) = (format!("http://{http}/announce"), format!("udp://{udp}"));
    run(&["create", film, "--tracker", &by_http, "--tracker", &by_udp, "--out", torrent]).wait().success();
    let data = folder.path().to_str().unwrap();
    let mut seed = run(&["seed", torrent, "--data", data, "--listen", "127.0.0.1:0", "-q"]);
    seed.wait_for_stdout("sharing ");
    run(&["get", torrent, "--out", there, "--listen", "127.0.0.1:0", "-q"]).wait().success();
    let stats: serde_json::Value = serde_json::from_slice(&get(http, "/stats")).unwrap();
    assert!(stats["announces"].as_u64() >= Some(2), "{stats}");
    stop(seed);
    stop(server);
}

#[test]
fn each_feature_has_a_test() {
    crate::support::features::tests_exist("docs/share-tracker.md", 8);
}
