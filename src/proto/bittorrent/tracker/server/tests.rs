//! A tracker as its clients see it: by our own side of the same protocols.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::proto::bittorrent::tracker::udp::PacketError;
use crate::proto::bittorrent::tracker::{Announce, Event, MAX_SCRAPE, ScrapeReply, TrackerError, Url};

const HASH: Sha1 = Sha1(*b"\0&=+% \xff\xfe\x80?#/\\\"\x01\x7f\x0a\x0dAz");
const OTHER: Sha1 = Sha1([0x77; 20]);

struct Bench {
    begun: Instant,
    server: Server,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn tracker() -> Url {
    "http://t/announce".parse().unwrap()
}

fn hello(port: u16, left: u64, event: Option<Event>) -> Announce {
    Announce { event, ..Announce::of(HASH, *b"-WW0100-abcdefghijkl", port, left) }
}

fn query(target: &str) -> &[u8] {
    target.split_once('?').map_or(&[], |(_, query)| query.as_bytes())
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let begun = Instant::now();
        Self { begun, server: Server::new(limits, [7; 32], begun) }
    }

    fn at(&self, second: u64) -> Instant {
        self.begun + Duration::from_secs(second)
    }

    /// By HTTP, from an address.
    fn announce(&mut self, second: u64, from: &str, announce: &Announce) -> Result<Reply, TrackerError> {
        let target = tracker().announce(announce);
        Reply::read(&self.server.announce(self.at(second), ip(from), query(&target), false))
    }

    /// So many leechers, each at an address of its own.
    fn crowd(&mut self, second: u64, count: u32) {
        for number in 1..=count {
            let from = std::net::Ipv4Addr::from(0x0b00_0000 + number).to_string();
            self.announce(second, &from, &hello(6881, 5, Some(Event::Started))).unwrap();
        }
    }

    fn packet(&mut self, second: u64, from: &str, request: &Request) -> Option<Response> {
        let (now, from) = (self.at(second), addr(from));
        let answer = self.server.packet(now, from, &request.to_bytes(), false)?;
        Some(Response::read(&answer, from.ip()).unwrap())
    }

    fn connect(&mut self, second: u64, from: &str) -> u64 {
        match self.packet(second, from, &Request::Connect { transaction: 9 }) {
            Some(Response::Connect { transaction: 9, connection }) => connection,
            other => panic!("{other:?}"),
        }
    }

    fn raw(&mut self, second: u64, query: &str, trusted: bool) -> String {
        let body = self.server.announce(self.at(second), ip("203.0.113.1"), query.as_bytes(), trusted);
        String::from_utf8_lossy(&body).into_owned()
    }
}

fn ports(reply: &Reply) -> BTreeSet<u16> {
    reply.peers.iter().map(|peer| peer.addr.port()).collect()
}

#[test]
fn peers_find_each_other_by_http() {
    let mut bench = Bench::new(Limits::default());
    let reply = bench.announce(0, "192.0.2.1", &hello(6881, 0, Some(Event::Started))).unwrap();
    assert_eq!(
        (reply.complete, reply.incomplete, reply.peers.len()),
        (Some(1), Some(0), 0),
        "nobody but itself"
    );
    assert_eq!(reply.interval, Some(Duration::from_secs(1800)));
    assert_eq!(reply.min_interval, Some(Duration::from_secs(60)));
    assert_eq!(reply.external_ip, Some(ip("192.0.2.1")));
    let reply = bench.announce(1, "192.0.2.2", &hello(6882, 100, Some(Event::Started))).unwrap();
    assert_eq!(reply.peers, [Peer { addr: addr("192.0.2.1:6881"), id: None }]);
    // A new peer by IPv6 sees both families, its own first.
    let reply = bench.announce(2, "2001:db8::3", &hello(6883, 100, None)).unwrap();
    assert_eq!(ports(&reply), [6881, 6882].into());
    let reply =
        bench.announce(2, "192.0.2.4", &Announce { numwant: Some(3), ..hello(6884, 1, None) }).unwrap();
    assert_eq!((reply.peers.len(), reply.peers[2].addr), (3, addr("[2001:db8::3]:6883")));
    // The last byte, and the end.
    let reply = bench.announce(3, "192.0.2.2", &hello(6882, 0, Some(Event::Completed))).unwrap();
    assert_eq!((reply.complete, reply.incomplete, reply.downloaded), (Some(2), Some(2), Some(1)));
    bench.announce(3, "192.0.2.2", &hello(6882, 0, Some(Event::Completed))).unwrap();
    let reply = bench.announce(4, "192.0.2.2", &hello(6882, 0, Some(Event::Stopped))).unwrap();
    assert_eq!((reply.complete, reply.downloaded, reply.peers.len()), (Some(1), Some(1), 0));
    assert_eq!(
        bench.server.stats(),
        Stats { torrents: 1, seeders: 1, leechers: 2, announces: 7, completed: 1, ..Stats::default() }
    );
}

/// aria2 says that nothing is left while it has only a magnet link.
#[test]
fn seeds_are_told_to_who_says_that_nothing_is_left() {
    let mut bench = Bench::new(Limits::default());
    bench.announce(0, "192.0.2.1", &hello(1, 0, None)).unwrap();
    let reply = bench.announce(0, "192.0.2.2", &hello(2, 0, Some(Event::Started))).unwrap();
    assert_eq!(ports(&reply), [1].into());
    // Once it knows more it is a leecher, and what it gets then counts.
    let reply = bench.announce(1, "192.0.2.2", &hello(2, 7, None)).unwrap();
    assert_eq!((reply.complete, reply.incomplete), (Some(1), Some(1)));
    let reply = bench.announce(2, "192.0.2.2", &hello(2, 0, Some(Event::Completed))).unwrap();
    assert_eq!((reply.complete, reply.downloaded), (Some(2), Some(1)));
    // Who was never seen to miss anything has not got it.
    let reply = bench.announce(2, "192.0.2.3", &hello(2, 0, Some(Event::Completed))).unwrap();
    assert_eq!((reply.complete, reply.downloaded), (Some(3), Some(1)));
}

#[test]
fn peers_find_each_other_by_udp() {
    let mut bench = Bench::new(Limits::default());
    bench.announce(0, "192.0.2.1", &hello(6881, 0, None)).unwrap();
    bench.announce(0, "2001:db8::1", &hello(6882, 3, None)).unwrap();
    for (from, peer) in [
        ("192.0.2.9:5000", "192.0.2.1:6881"),
        ("[::ffff:192.0.2.8]:5000", "192.0.2.1:6881"),
        ("[2001:db8::9]:5000", "[2001:db8::1]:6882"),
    ] {
        let connection = bench.connect(1, from);
        let announce = hello(7000, 9, Some(Event::Started));
        let announce = Request::Announce { connection, transaction: 3, announce, url: b"/x".to_vec() };
        let Some(Response::Announce { transaction: 3, reply }) = bench.packet(1, from, &announce) else {
            panic!("an announce")
        };
        assert!(reply.peers.iter().any(|other| other.addr == addr(peer)), "{from}: {reply:?}");
        assert!(reply.peers.iter().all(|other| other.addr.is_ipv4() == addr(peer).is_ipv4()), "{from}");
    }
    let connection = bench.connect(2, "192.0.2.9:5000");
    let scrape = Request::Scrape { connection, transaction: 4, hashes: vec![OTHER, HASH] };
    let counts = Counts { complete: 1, downloaded: 0, incomplete: 4, downloaders: None };
    let expected = Response::Scrape { transaction: 4, counts: vec![Counts::default(), counts] };
    assert_eq!(bench.packet(2, "192.0.2.9:5000", &scrape), Some(expected));
    let stats = bench.server.stats();
    assert_eq!((stats.connects, stats.announces, stats.scrapes, stats.ignored), (4, 5, 1, 0));
}

/// Without a connection id nothing is told, nothing is kept, and nothing is sent that is larger than what came.
#[test]
fn who_has_not_proved_its_address_gets_nothing() {
    let mut bench = Bench::new(Limits::default());
    bench.crowd(0, 60);
    let before = bench.server.stats();
    let from = "192.0.2.9:5000";
    let connection = bench.connect(30, from);
    let announce = |connection| Request::Announce {
        connection,
        transaction: 3,
        announce: hello(7000, 9, None),
        url: vec![],
    };
    for (second, from, connection, counts) in [
        (30, from, connection, true),
        (30, "192.0.2.9:5001", connection, true),
        (30, "192.0.2.10:5000", connection, false),
        (30, "[2001:db8::1]:5000", connection, false),
        (30, from, connection ^ 1, false),
        (30, from, 0, false),
        (30 + 60, from, connection, true),
        (30 + 120, from, connection, true),
        (30 + 180, from, connection, false),
    ] {
        for hashes in [None, Some(0), Some(1)] {
            let request = match hashes {
                None => announce(connection),
                Some(count) => Request::Scrape { connection, transaction: 3, hashes: vec![HASH; count] },
            };
            let answer = bench.packet(second, from, &request);
            let error = Response::Error { transaction: 3, message: b"connection id is too old".to_vec() };
            match answer {
                Some(answer) if !counts => {
                    assert_eq!(answer, error, "{from} at {second}");
                    assert!(error.to_bytes(ip("::")).len() <= request.to_bytes().len());
                }
                answer => assert_eq!(answer.is_some(), counts, "{from} at {second}"),
            }
        }
    }
    assert_eq!(bench.server.stats().leechers, before.leechers + 1);
    let connect = Request::Connect { transaction: 1 }.to_bytes();
    let answer = bench.server.packet(bench.begun, addr(from), &connect, false).unwrap();
    assert!(answer.len() <= connect.len());
    for length in 0..=connect.len() {
        let answer = bench.server.packet(bench.begun, addr(from), &connect[..length], false);
        assert_eq!(answer.is_some(), length == connect.len());
    }
    assert_eq!(bench.server.packet(bench.begun, addr(from), &[0; 2000], false), None);
    assert_eq!(Request::read(&[0; 16]), Err(PacketError::Protocol));
    // Another secret has other ids.
    let mut other = Server::new(Limits::default(), [8; 32], bench.begun);
    let Some(answer) = other.packet(bench.begun, addr(from), &connect, false) else { panic!("a connect") };
    let id = bench.connect(0, from);
    assert_ne!(Response::read(&answer, ip("::")), Ok(Response::Connect { transaction: 1, connection: id }));
}

#[test]
fn queries() {
    let escaped = "%00%26%3D%2B%25+%FF%fe%80%3F%23%2F%5C%22%01%7F%0A%0DAz";
    let full = format!("info_hash={escaped}&port=6881");
    assert_eq!(AnnounceQuery::read(full.as_bytes()).unwrap().info_hash, HASH);
    for (query, reason) in [
        ("", "info_hash is missing, or has not 20 bytes"),
        ("port=1", "info_hash is missing, or has not 20 bytes"),
        ("info_hash=abc&port=1", "info_hash is missing, or has not 20 bytes"),
        (&format!("{full}&info_hash="), "info_hash is missing, or has not 20 bytes"),
        (&format!("info_hash={escaped}0&port=1"), "info_hash is missing, or has not 20 bytes"),
        (&format!("info_hash={escaped}"), "port is missing, or is none"),
        (&format!("{full}&port=65536"), "port is missing, or is none"),
        (&format!("{full}&port=x"), "port is missing, or is none"),
        (&format!("{full}&{}", "x".repeat(MAX_QUERY)), "a query of more than 8192 bytes"),
    ] {
        let expected = format!("d14:failure reason{}:{reason}8:retry in5:nevere", reason.len());
        assert_eq!(Bench::new(Limits::default()).raw(0, query, false), expected, "{query}");
    }
    let read = |more: &str| AnnounceQuery::read(format!("{full}{more}").as_bytes()).unwrap();
    let plain = read("");
    assert_eq!(
        (plain.left, plain.event, plain.numwant, plain.ip, plain.compact),
        (None, None, None, None, true)
    );
    let all = read("&left=5&event=stopped&numwant=9&ip=2001:db8::1&compact=0&&=&x&y=%&key=a%zz");
    assert_eq!((all.left, all.event, all.numwant), (Some(5), Some(Event::Stopped), Some(9)));
    assert_eq!((all.ip, all.compact), (Some(ip("2001:db8::1")), false));
    let odd = read("&left=-1&event=empty&numwant=-1&ip=localhost&compact=");
    assert_eq!((odd.left, odd.event, odd.numwant, odd.ip, odd.compact), (None, None, None, None, true));
    for end in 0..full.len() {
        let _ = AnnounceQuery::read(&full.as_bytes()[..end]);
    }
}

#[test]
fn long_answers_are_for_who_wants_them() {
    let mut bench = Bench::new(Limits::default());
    bench.announce(0, "192.0.2.1", &hello(1, 0, None)).unwrap();
    bench.announce(0, "2001:db8::1", &hello(2, 0, None)).unwrap();
    let target = tracker().announce(&hello(3, 1, None)).replace("compact=1", "compact=0");
    let body = bench.server.announce(bench.begun, ip("192.0.2.3"), query(&target), false);
    let text = String::from_utf8_lossy(&body);
    let long = "5:peersld2:ip9:192.0.2.14:porti1eed2:ip11:2001:db8::14:porti2eeee";
    assert!(text.ends_with(long), "{text}");
    assert_eq!(Reply::read(&body).unwrap().peers.len(), 2);
}

/// What a peer says of its address counts only where the caller says so.
#[test]
fn addresses_are_those_that_peers_ask_from() {
    let mut bench = Bench::new(Limits::default());
    let announce = Announce { ip: Some(ip("198.51.100.1")), ..hello(1, 0, None) };
    bench.announce(0, "192.0.2.1", &announce).unwrap();
    let asks = |bench: &mut Bench| {
        let reply = bench.announce(1, "192.0.2.9", &hello(9, 1, None)).unwrap();
        reply.peers.iter().map(|peer| peer.addr.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(asks(&mut bench), ["192.0.2.1:1"]);
    let target = tracker().announce(&announce);
    bench.server.announce(bench.begun, ip("127.0.0.1"), query(&target), true);
    assert_eq!(asks(&mut bench), ["192.0.2.1:1", "198.51.100.1:1"]);
    let connection = bench.connect(0, "192.0.2.2:5");
    let request = Request::Announce { connection, transaction: 0, announce, url: vec![] }.to_bytes();
    bench.server.packet(bench.begun, addr("192.0.2.2:5"), &request, false).unwrap();
    assert_eq!(asks(&mut bench), ["192.0.2.1:1", "192.0.2.2:1", "198.51.100.1:1"]);
    bench.server.packet(bench.begun, addr("192.0.2.2:5"), &request, true).unwrap();
    assert_eq!(asks(&mut bench).len(), 3);
    // Port 0 is nobody's.
    let reply = bench.announce(1, "192.0.2.3", &hello(0, 1, None)).unwrap();
    assert_eq!((reply.peers.len(), asks(&mut bench).len()), (4, 3));
}

#[test]
fn who_does_not_come_back_is_forgotten() {
    let limits = Limits { expiry: Duration::from_secs(100), ..Limits::default() };
    let mut bench = Bench::new(limits);
    bench.announce(0, "192.0.2.1", &hello(1, 0, None)).unwrap();
    bench.announce(0, "2001:db8::1", &hello(1, 5, Some(Event::Paused))).unwrap();
    bench.announce(90, "192.0.2.2", &hello(1, 5, None)).unwrap();
    let mut second = 0;
    while second < 1000 {
        bench.server.poll(bench.at(second));
        let stats = bench.server.stats();
        match second {
            0..=100 => assert_eq!(stats.seeders, 1, "at {second}"),
            // Everybody is looked at once a minute.
            161.. if second < 190 => assert_eq!((stats.seeders, stats.leechers, stats.torrents), (0, 1, 1)),
            251.. => assert_eq!((stats.seeders, stats.leechers, stats.torrents), (0, 0, 0), "at {second}"),
            _ => {}
        }
        assert!(bench.server.deadline() > bench.at(second));
        second += 1;
    }
    // Many torrents are looked at a part at a time.
    let mut bench = Bench::new(Limits { requests_per_minute: u16::MAX, ..limits });
    for number in 0..2500u32 {
        let mut hash = [0; 20];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        bench.announce(0, "192.0.2.1", &Announce { info_hash: Sha1(hash), ..hello(1, 0, None) }).unwrap();
    }
    let left = [1500, 500, 0].map(|_| {
        bench.server.poll(bench.at(200));
        bench.server.stats().torrents
    });
    assert_eq!((left, bench.server.deadline()), ([1500, 500, 0], bench.at(260)));
}

#[test]
fn limits_hold() {
    let limits = Limits {
        torrents: 2,
        peers: 5,
        peers_per_torrent: 3,
        peers_per_address: 2,
        requests_per_minute: u16::MAX,
        ..Limits::default()
    };
    let mut bench = Bench::new(limits);
    // Two of one address; a third takes the place of the oldest. By IPv6 a network of 64 bits is one address.
    for (second, port) in [(1, 1), (2, 2), (3, 1), (4, 3)] {
        bench.announce(second, "192.0.2.1", &hello(port, 5, None)).unwrap();
    }
    let reply = bench.announce(5, "192.0.2.2", &hello(0, 5, None)).unwrap();
    assert_eq!(ports(&reply), [1, 3].into(), "2 was silent longest");
    let mut v6 = Bench::new(limits);
    for (second, from) in [(1, "2001:db8::1"), (2, "2001:db8::2"), (3, "2001:db8::3"), (4, "2001:db8:0:1::1")]
    {
        v6.announce(second, from, &hello(1, 5, None)).unwrap();
    }
    assert_eq!(v6.server.stats().leechers, 3);
    // Three of one torrent; who comes then is answered, but not kept. Who is there already is.
    bench.announce(6, "192.0.2.3", &hello(4, 5, None)).unwrap();
    let reply = bench.announce(7, "192.0.2.4", &hello(5, 0, None)).unwrap();
    assert_eq!((ports(&reply), reply.complete), ([1, 3, 4].into(), Some(0)));
    let reply = bench.announce(8, "192.0.2.3", &hello(4, 0, None)).unwrap();
    assert_eq!(reply.complete, Some(1));
    // Five in all.
    for (from, port) in [("192.0.2.1", 1), ("192.0.2.2", 2), ("192.0.2.3", 3)] {
        bench.announce(9, from, &Announce { info_hash: OTHER, ..hello(port, 5, None) }).unwrap();
    }
    let stats = bench.server.stats();
    assert_eq!((stats.torrents, stats.seeders + stats.leechers), (2, 5));
    // Two torrents.
    let third = Announce { info_hash: Sha1([1; 20]), ..hello(1, 5, None) };
    let full = TrackerError::Refused {
        reason: "the tracker is full".into(),
        retry: Some(crate::proto::bittorrent::tracker::Retry::After(Duration::from_secs(1800))),
    };
    assert_eq!(bench.announce(9, "192.0.2.9", &third), Err(full));
    let stopped = Announce { event: Some(Event::Stopped), ..third };
    assert!(bench.announce(9, "192.0.2.9", &stopped).is_ok(), "who goes is not told to come back");
}

#[test]
fn nobody_asks_too_often() {
    let mut bench = Bench::new(Limits { requests_per_minute: 3, ..Limits::default() });
    for from in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
        for number in 0..5 {
            let reply = bench.announce(number, from, &hello(1, 5, None));
            assert_eq!(reply.is_ok(), number < 3, "{from}, {number}");
        }
    }
    assert!(bench.announce(10, "2001:db8::ffff", &hello(1, 5, None)).is_err(), "the same network");
    assert!(bench.announce(10, "2001:db8:0:1::1", &hello(1, 5, None)).is_ok());
    // By UDP as well, and by scrapes, but ids are given always: strangers could use them up otherwise.
    let from = "192.0.2.1:5000";
    let connection = bench.connect(10, from);
    let scrape = Request::Scrape { connection, transaction: 3, hashes: vec![HASH] };
    let error = Response::Error { transaction: 3, message: b"too many requests from your address".to_vec() };
    assert_eq!(bench.packet(10, from, &scrape), Some(error));
    let body = bench.server.scrape(bench.at(10), ip("192.0.2.1"), b"");
    assert!(ScrapeReply::read(&body, &[]).is_err());
    assert!(bench.announce(61, "192.0.2.1", &hello(1, 5, None)).is_ok(), "a minute later");
    // However many others ask, few suffer from it.
    let mut bench = Bench::new(Limits { requests_per_minute: 3, ..Limits::default() });
    bench.crowd(0, 3000);
    assert_eq!(bench.server.stats().refused, 0);
}

#[test]
fn only_listed_torrents() {
    let mut bench = Bench::new(Limits::default());
    bench.server.list(Some([OTHER].into()));
    assert!(matches!(bench.announce(0, "192.0.2.1", &hello(1, 0, None)), Err(TrackerError::Refused { .. })));
    assert!(bench.announce(0, "192.0.2.1", &Announce { info_hash: OTHER, ..hello(1, 0, None) }).is_ok());
    let from = "192.0.2.1:5";
    let connection = bench.connect(0, from);
    let request = Request::Announce { connection, transaction: 1, announce: hello(1, 0, None), url: vec![] };
    assert!(matches!(bench.packet(0, from, &request), Some(Response::Error { transaction: 1, .. })));
    assert_eq!(bench.server.stats().refused, 2);
    bench.server.list(None);
    assert!(bench.announce(0, "192.0.2.1", &hello(1, 0, None)).is_ok());
}

#[test]
fn scrapes() {
    let mut bench = Bench::new(Limits::default());
    bench.announce(0, "192.0.2.1", &hello(1, 0, None)).unwrap();
    bench.announce(0, "192.0.2.2", &hello(1, 5, None)).unwrap();
    bench.announce(0, "192.0.2.3", &hello(1, 5, Some(Event::Paused))).unwrap();
    let target = tracker().scrape(&[HASH, OTHER]).unwrap();
    let body = bench.server.scrape(bench.begun, ip("192.0.2.9"), query(&target));
    let counts = Counts { complete: 1, downloaded: 0, incomplete: 2, downloaders: Some(1) };
    assert_eq!(ScrapeReply::read(&body, &[OTHER, HASH]).unwrap().files, [(HASH, counts)]);
    let refused = |body: &[u8]| match ScrapeReply::read(body, &[HASH]) {
        Err(TrackerError::Refused { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    for (query, reason) in [
        ("".to_owned(), "scrapes have to name torrents here"),
        ("info_hash=x".to_owned(), "info_hash is missing, or has not 20 bytes"),
        (
            vec!["info_hash=aaaaaaaaaaaaaaaaaaaa"; MAX_SCRAPE + 1].join("&"),
            "a scrape of more than 74 torrents",
        ),
        ("x".repeat(MAX_QUERY + 1), "a query of more than 8192 bytes"),
    ] {
        let body = bench.server.scrape(bench.begun, ip("192.0.2.9"), query.as_bytes());
        assert_eq!(refused(&body), reason);
    }
    // All torrents, where that is allowed: up to a limit.
    let mut bench = Bench::new(Limits { full_scrape: 1, ..Limits::default() });
    for info_hash in [OTHER, HASH] {
        bench.announce(0, "192.0.2.1", &Announce { info_hash, ..hello(1, 0, None) }).unwrap();
    }
    let body = bench.server.scrape(bench.begun, ip("192.0.2.9"), b"");
    let files = ScrapeReply::read(&body, &[HASH, OTHER]).unwrap().files;
    assert_eq!(files.iter().map(|(hash, _)| *hash).collect::<Vec<_>>(), [HASH]);
    assert_eq!(bench.server.torrents().count(), 2);
}

/// Everybody is told of with the same chance, nobody twice, and nobody of itself.
#[test]
fn peers_are_chosen_by_chance() {
    let mut bench = Bench::new(Limits { requests_per_minute: u16::MAX, ..Limits::default() });
    bench.crowd(0, 400);
    let mut told = std::collections::BTreeMap::<SocketAddr, u32>::new();
    let asks = Announce { numwant: Some(40), ..hello(6881, 5, None) };
    for _ in 0..400 {
        // One of the crowd, of 399 others.
        let reply = bench.announce(0, "11.0.0.200", &asks).unwrap();
        let peers: BTreeSet<SocketAddr> = reply.peers.iter().map(|peer| peer.addr).collect();
        assert_eq!((peers.len(), reply.peers.len()), (40, 40));
        peers.into_iter().for_each(|peer| *told.entry(peer).or_default() += 1);
    }
    assert_eq!((told.len(), told.contains_key(&addr("11.0.0.200:6881"))), (399, false));
    // 40 times on average; the deviation is 6.
    assert!(told.values().all(|count| (10..80).contains(count)), "{told:?}");
    for (numwant, found) in [(None, 50), (Some(0), 0), (Some(1), 1), (Some(u32::MAX), 200)] {
        let reply = bench.announce(0, "11.0.0.200", &Announce { numwant, ..hello(6881, 5, None) }).unwrap();
        assert_eq!(reply.peers.len(), found);
    }
    let connection = bench.connect(0, "11.0.0.200:5");
    let announce = Announce { numwant: Some(u32::MAX), ..hello(6881, 5, None) };
    let request = Request::Announce { connection, transaction: 1, announce, url: vec![] };
    let Some(Response::Announce { reply, .. }) = bench.packet(0, "11.0.0.200:5", &request) else { panic!() };
    assert_eq!(reply.peers.len(), 200);
}

/// Peers that come, change and go by chance: the counts are always those of a plain list.
#[test]
fn counts_are_right() {
    let mut bench =
        Bench::new(Limits { requests_per_minute: u16::MAX, peers_per_address: 1000, ..Limits::default() });
    let mut chance = crate::proto::bittorrent::random::Random::new(3);
    let mut peers = std::collections::BTreeMap::new();
    for _ in 0..3000 {
        let from = ["192.0.2.1", "192.0.2.2", "2001:db8::1"][chance.below(3) as usize];
        let (port, left) = (1 + chance.below(30) as u16, u64::from(chance.below(2)));
        let event = [None, Some(Event::Stopped), Some(Event::Paused), None][chance.below(4) as usize];
        let reply = bench.announce(0, from, &hello(port, left, event)).unwrap();
        if event == Some(Event::Stopped) {
            peers.remove(&(from, port));
        } else {
            peers.insert((from, port), left);
        }
        let seeds = peers.values().filter(|left| **left == 0).count() as u32;
        assert_eq!((reply.complete, reply.incomplete), (Some(seeds), Some(peers.len() as u32 - seeds)));
        let stats = bench.server.stats();
        assert_eq!((stats.seeders as u32, stats.seeders + stats.leechers), (seeds, peers.len()));
    }
}
