//! Trackers, from both sides: what a client makes of answers, and what a tracker answers to requests.
//!
//! The first byte says what follows: the body of an answer to an announce (`A`) or a scrape (`S`), a packet of a tracker (`P`) or of a client (`p`), the query of an
//! announce (`a`) or a scrape (`s`), the URL of a tracker (`U`), or decisions about what is announced (`*`).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use wireworks::proto::bittorrent::bencode::{Document, Limits as Most};
use wireworks::proto::bittorrent::hash::Sha1;
use wireworks::proto::bittorrent::tracker::server::{Limits, Server};
use wireworks::proto::bittorrent::tracker::udp::{
    Answer, Client, Limits as Patience, MAX_PACKET, Output, Question, Request, Response,
};
use wireworks::proto::bittorrent::tracker::{
    Announce, Event, Host, MAX_PEERS, MAX_SCRAPE, MAX_URL, Reply, Scheme, ScrapeReply, TrackerError, Url,
};

use super::super::{Choices, find};

const HASH: Sha1 = Sha1(*b"mnopqrstuvwxyz123456");
const OTHER: Sha1 = Sha1(*b"\0&=+% \xff\xfe\x80?#/\\\"\x01\x7f\x0a\x0dAz");
const ID: [u8; 20] = *b"-WW0100-abcdefghijkl";
/// What stands for the id of a connection with the tracker, and for the transaction of a client.
const CONNECTION: &[u8; 8] = b"########";
const TRANSACTION: &[u8; 4] = b"@@@@";

/// Says whether it is understood, and not refused.
pub(crate) fn check(input: &[u8]) -> bool {
    let Some((kind, rest)) = input.split_first() else { return false };
    match kind {
        b'A' => reply(rest),
        b'S' => scrape_reply(rest),
        b'P' => response(rest),
        b'p' => request(rest),
        b'a' => announce_query(rest),
        b's' => scrape_query(rest),
        b'U' => url(rest),
        b'*' => announced(&mut Choices(rest)),
        _ => false,
    }
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn v4() -> SocketAddr {
    addr("192.0.2.9:5000")
}

fn v6() -> SocketAddr {
    addr("[2001:db8::9]:5000")
}

/// The same body with its keys in order.
fn in_order(body: &[u8]) -> Option<Vec<u8>> {
    let (document, _) = Document::prefix(body, Most { bytes: 1 << 20, depth: 8, values: 65_536 }).ok()?;
    document.root().entries().is_some().then(|| super::tree(document.root()).to_bytes())
}

/// A text that people may be shown.
fn is_shown(text: &str) -> bool {
    text.chars().count() <= 256 && !text.contains(char::is_control)
}

fn refused(error: &TrackerError) {
    if let TrackerError::Refused { reason, .. } = error {
        assert!(is_shown(reason), "{reason:?}");
    }
}

/// The body of an answer to an announce: what it says hangs neither on the order of its keys nor on what follows it.
fn reply(body: &[u8]) -> bool {
    let read = Reply::read(body);
    match in_order(body) {
        Some(sorted) => assert_eq!(Reply::read(&sorted), read),
        None => assert!(matches!(read, Err(TrackerError::Bencode(_) | TrackerError::NotDictionary))),
    }
    if !matches!(read, Err(TrackerError::Bencode(_))) {
        assert_eq!(Reply::read(&[body, b"\r\n"].concat()), read);
    }
    read.as_ref().err().into_iter().for_each(refused);
    let Ok(reply) = read else { return false };
    assert!(reply.peers.len() <= MAX_PEERS && reply.tracker_id.is_none_or(|id| id.len() <= 256));
    assert!(reply.warning.is_none_or(|warning| is_shown(&warning)));
    for interval in [reply.interval, reply.min_interval].into_iter().flatten() {
        assert!((Duration::from_secs(1)..=Duration::from_secs(u32::MAX.into())).contains(&interval));
    }
    true
}

fn scrape_reply(body: &[u8]) -> bool {
    let read = ScrapeReply::read(body, &[HASH, OTHER]);
    if let Some(sorted) = in_order(body) {
        let mut files = read.clone();
        if let Ok(reply) = &mut files {
            reply.files.sort_by_key(|(hash, _)| *hash);
        }
        assert_eq!(ScrapeReply::read(&sorted, &[HASH, OTHER]), files);
    }
    let Ok(reply) = read else { return false };
    assert!(reply.files.len() <= 2 && reply.files.iter().all(|(hash, _)| [HASH, OTHER].contains(hash)));
    assert_eq!(ScrapeReply::read(body, &[]).unwrap().files, []);
    true
}

/// A packet of a tracker: it can be written again, and a client believes it only from whom it has asked.
fn response(packet: &[u8]) -> bool {
    for from in [v4().ip(), v6().ip()] {
        let Ok(response) = Response::read(packet, from) else { continue };
        let written = response.to_bytes(from);
        match (&response, Response::read(&written, from).unwrap()) {
            (Response::Announce { reply, .. }, Response::Announce { reply: again, .. }) => {
                assert!(written.len() <= MAX_PACKET && reply.peers.starts_with(&again.peers));
                let room = (MAX_PACKET - 20) / if from.is_ipv4() { 6 } else { 18 };
                assert_eq!(again.peers.len(), reply.peers.len().min(room));
                assert_eq!(
                    Reply { peers: Vec::new(), ..again },
                    Reply { peers: Vec::new(), ..reply.clone() }
                );
            }
            (_, again) => assert_eq!(again, response),
        }
        assert!(packet.starts_with(&written[..written.len().min(16)]));
    }
    let is_read = Response::read(packet, v4().ip()).is_ok();
    for tracker in [v4(), v6()] {
        client(tracker, packet);
    }
    is_read
}

/// What a client has to say at once, and which questions are over.
fn outputs(client: &mut Client, now: Instant) -> (Vec<Vec<u8>>, Vec<Result<Answer, TrackerError>>) {
    let (mut sent, mut done) = (Vec::new(), Vec::new());
    while let Some(output) = client.poll(now) {
        match output {
            Output::Send { bytes, .. } => sent.push(bytes),
            Output::Done { answer, .. } => done.push(answer),
        }
    }
    (sent, done)
}

/// A client that has asked for a connection, or about a torrent, or for counts, hears it.
fn client(tracker: SocketAddr, packet: &[u8]) {
    let now = Instant::now();
    let announce = Announce::of(HASH, ID, 6881, 1);
    let announce = Question::Announce { announce, url: "/announce?a=b".to_owned() };
    let scrape = Question::Scrape(vec![HASH, OTHER]);
    for (question, is_open) in [(announce.clone(), false), (announce, true), (scrape, true)] {
        let mut client = Client::new(Patience::default(), 1);
        client.ask(now, tracker, question.clone()).unwrap();
        let mut transaction = sent(&mut client, now);
        if is_open {
            let connect = Response::Connect { transaction, connection: 7 };
            client.heard(now, tracker, &connect.to_bytes(tracker.ip()));
            transaction = sent(&mut client, now);
        }
        let mut heard = packet.to_vec();
        if let Some(at) = find(packet, TRANSACTION) {
            heard[at..at + 4].copy_from_slice(&transaction.to_be_bytes());
        }
        client.heard(now, addr("192.0.2.10:5000"), &heard);
        assert_eq!(outputs(&mut client, now), Default::default(), "somebody else is believed");
        client.heard(now, tracker, &heard);
        let response = Response::read(&heard, tracker.ip()).ok();
        let is_named = heard.get(4..8) == Some(&transaction.to_be_bytes());
        let (again, done) = outputs(&mut client, now);
        match (&done[..], response.filter(|_| is_named)) {
            ([Ok(Answer::Announce(reply))], Some(Response::Announce { reply: said, .. })) => {
                assert_eq!(*reply, said);
            }
            ([Ok(Answer::Scrape(of))], Some(Response::Scrape { counts, .. })) => {
                assert!(of.iter().copied().eq([HASH, OTHER].into_iter().zip(counts)));
            }
            ([Err(error)], Some(Response::Error { .. })) => refused(error),
            ([], Some(Response::Connect { .. })) if !is_open => assert_eq!(again.len(), 1),
            ([], response) => {
                assert!(
                    again.is_empty() && !matches!(response, Some(Response::Error { .. })),
                    "{response:?}"
                );
            }
            (done, response) => panic!("{done:?} of {response:?}"),
        }
        // Whatever came, the question ends at last.
        let mut later = now;
        let mut rounds = 0;
        while let Some(deadline) = client.deadline() {
            later = deadline.max(later);
            outputs(&mut client, later);
            rounds += 1;
            assert!(rounds < 64, "it does not end");
        }
    }
}

/// The transaction of the only packet that a client sends.
fn sent(client: &mut Client, now: Instant) -> u32 {
    let (sent, _) = outputs(client, now);
    assert!(sent.len() == 1 && sent[0].len() <= MAX_PACKET);
    match Request::read(&sent[0]).unwrap() {
        Request::Connect { transaction }
        | Request::Announce { transaction, .. }
        | Request::Scrape { transaction, .. } => transaction,
    }
}

/// A tracker that knows some peers of a torrent.
fn tracker(now: Instant) -> Server {
    let mut server = Server::new(Limits::default(), [7; 32], now);
    for number in 1..=9u8 {
        let from = if number % 3 == 0 { addr("[2001:db8::1]:1").ip() } else { [198, 51, 100, number].into() };
        let left = u64::from(number % 2);
        let target = page().announce(&Announce::of(HASH, ID, 6000 + u16::from(number), left));
        let body = server.announce(now, from, target.split_once('?').unwrap().1.as_bytes(), false);
        assert!(Reply::read(&body).is_ok());
    }
    server
}

fn page() -> Url {
    "http://t/announce".parse().unwrap()
}

/// A packet of a client: it can be written again, and its answer is short as long as nobody has proved who sent it.
fn request(packet: &[u8]) -> bool {
    let read = Request::read(packet);
    if let Ok(request) = &read {
        let written = request.to_bytes();
        let again = Request::read(&written).unwrap();
        match (request, &again) {
            (Request::Announce { url, .. }, Request::Announce { url: kept, .. }) => {
                assert!(
                    kept == url
                        || kept.is_empty() && url.len() + 98 + 2 * url.len().div_ceil(255) > MAX_PACKET
                );
            }
            _ => assert_eq!(*request, again),
        }
        assert!(packet.starts_with(&written[..written.len().min(80)]));
    }
    let now = Instant::now();
    for from in [v4(), v6()] {
        let mut server = tracker(now);
        let before = server.stats();
        let answer = server.packet(now, from, packet, false);
        assert!(answer.as_ref().is_none_or(|answer| answer.len() <= packet.len()), "more than was sent");
        let after = server.stats();
        assert_eq!((after.torrents, after.seeders, after.leechers), (1, 4, 5), "nobody is kept");
        assert!(answer.is_none() || read.is_ok());
        assert_eq!(before.announces, after.announces);
        let Some(at) = find(packet, CONNECTION) else { continue };
        let connect =
            server.packet(now, from, &Request::Connect { transaction: 1 }.to_bytes(), false).unwrap();
        let Ok(Response::Connect { connection, .. }) = Response::read(&connect, from.ip()) else {
            panic!("no id")
        };
        let mut with = packet.to_vec();
        with[at..at + 8].copy_from_slice(&connection.to_be_bytes());
        proved(&mut server, now, from, &with);
    }
    read.is_ok()
}

/// Somebody asks who has proved its address.
fn proved(server: &mut Server, now: Instant, from: SocketAddr, packet: &[u8]) {
    let Ok(request) = Request::read(packet) else { return };
    let Some(answer) = server.packet(now, from, packet, false) else { return };
    assert!(answer.len() <= MAX_PACKET);
    match (&request, Response::read(&answer, from.ip()).unwrap()) {
        (Request::Connect { transaction }, Response::Connect { transaction: same, .. }) => {
            assert_eq!(*transaction, same);
        }
        (
            Request::Announce { transaction, announce, .. },
            Response::Announce { transaction: same, reply },
        ) => {
            assert_eq!(*transaction, same);
            let wanted = announce.numwant.unwrap_or(50).min(200) as usize;
            assert!(reply.peers.len() <= wanted, "{} peers, where {wanted} are wanted", reply.peers.len());
            let own = SocketAddr::new(from.ip(), announce.port);
            assert!(reply.peers.iter().all(|peer| peer.addr != own && peer.addr.is_ipv4() == from.is_ipv4()));
            let stats = server.stats();
            let counted = if announce.info_hash == HASH { 9 } else { 0 };
            let kept = u64::from(announce.event != Some(Event::Stopped) && announce.port != 0);
            let all = reply.complete.unwrap() + reply.incomplete.unwrap();
            assert_eq!((u64::from(all), (stats.seeders + stats.leechers) as u64), (counted + kept, 9 + kept));
            assert_eq!(stats.announces, 10);
        }
        (Request::Scrape { transaction, hashes, .. }, Response::Scrape { transaction: same, counts }) => {
            assert_eq!((*transaction, hashes.len()), (same, counts.len()));
            for (hash, counts) in hashes.iter().zip(counts) {
                let expected = if *hash == HASH { (4, 5) } else { (0, 0) };
                assert_eq!((counts.complete, counts.incomplete), expected);
            }
        }
        (_, Response::Error { message, .. }) => assert_eq!(message, b"connection id is too old"),
        (request, response) => panic!("{response:?} to {request:?}"),
    }
}

/// The query of an announce: the answer is one, or says why not, and nobody is told of another address than that it came from.
fn announce_query(query: &[u8]) -> bool {
    let now = Instant::now();
    let mut accepted = false;
    for (from, trusted) in [(v4(), false), (v6(), false), (v4(), true)] {
        let mut server = tracker(now);
        let body = server.announce(now, from.ip(), query, trusted);
        assert_eq!(in_order(&body), Some(body.clone()));
        let all = server.stats().seeders + server.stats().leechers;
        let target = page().announce(&Announce { numwant: Some(200), ..Announce::of(HASH, ID, 1, 1) });
        let asker = [203, 0, 113, 1].into();
        let after = server.announce(now, asker, target.split_once('?').unwrap().1.as_bytes(), false);
        let after = Reply::read(&after).unwrap().peers;
        let is_known = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets()[..3] == [198, 51, 100] || from.ip() == IpAddr::V4(ip),
            IpAddr::V6(ip) => ip == addr("[2001:db8::1]:1").ip() || from.ip() == IpAddr::V6(ip),
        };
        assert!(trusted || after.iter().all(|peer| is_known(peer.addr.ip())), "{after:?}");
        assert!(after.iter().all(|peer| peer.addr.port() != 0));
        match Reply::read(&body) {
            Ok(reply) => {
                assert!(reply.peers.len() <= 200 && (9..=10).contains(&all));
                assert_eq!(reply.external_ip, Some(from.ip()));
                assert_eq!((reply.interval, reply.tracker_id), (Some(Limits::default().interval), None));
                accepted = true;
            }
            Err(TrackerError::Refused { retry, .. }) => assert!(retry.is_some() && all == 9),
            Err(error) => panic!("{error}"),
        }
    }
    accepted
}

fn scrape_query(query: &[u8]) -> bool {
    let now = Instant::now();
    let body = tracker(now).scrape(now, v4().ip(), query);
    match ScrapeReply::read(&body, &[HASH, OTHER]) {
        Ok(reply) => {
            assert!(reply.files.iter().all(|(hash, counts)| *hash == HASH && counts.complete == 4));
            assert!(find(query, b"info_hash").is_some());
            true
        }
        Err(TrackerError::Refused { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

/// A URL: read again as the same, with a host and a port that no other reader takes for something else.
fn url(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (text, location) = text.split_once('\n').unwrap_or((text, "/scrape"));
    let Ok(url) = text.parse::<Url>() else { return false };
    sound(&url);
    if let Ok(other) = url.redirected(location) {
        sound(&other);
        let is_inside = !location.contains("//") && !location.contains(':');
        assert!(!is_inside || (other.host(), other.port()) == (url.host(), url.port()));
    }
    let announce = url.announce(&Announce::of(OTHER, ID, 1, 1));
    assert!(
        announce.starts_with(url.target())
            && find(announce.as_bytes(), b"info_hash=%00%26%3D%2B%25%20%FF").is_some()
    );
    if let Some(target) = url.scrape(&[HASH; 100]) {
        assert!(target.matches("info_hash=").count() >= MAX_SCRAPE);
    }
    true
}

fn sound(url: &Url) {
    let written = url.to_string();
    assert!(url.port() != 0 && url.target().starts_with('/'));
    assert!(url.target().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{written}");
    if written.len() <= MAX_URL {
        assert_eq!(written.parse().as_ref(), Ok(url), "{written}");
    }
    match url.host() {
        Host::Ip(_) => {}
        Host::Name(name) => {
            assert!(
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
                "{name}"
            );
            assert!(
                name.parse::<IpAddr>().is_err() && !name.is_empty() && *name == name.to_ascii_lowercase()
            );
        }
    }
    if url.scheme() == Scheme::Udp {
        return;
    }
    let uri: http::Uri = written.parse().unwrap_or_else(|error| panic!("{written}: {error}"));
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    assert_eq!((uri.host(), port), (Some(&*url.host().to_string()), url.port()));
    assert_eq!(uri.path_and_query().map(http::uri::PathAndQuery::as_str), Some(url.target()));
}

/// What is announced is heard by the tracker as it was meant, by HTTP and UDP.
fn announced(choices: &mut Choices<'_>) -> bool {
    let now = Instant::now();
    let mut server = tracker(now);
    let mut hash = OTHER;
    hash.0.iter_mut().for_each(|byte| *byte ^= choices.byte());
    let events =
        [None, Some(Event::Started), Some(Event::Completed), Some(Event::Stopped), Some(Event::Paused)];
    let announce = Announce {
        uploaded: u64::from(choices.byte()) << choices.below(57),
        downloaded: u64::from(choices.byte()) << choices.below(57),
        event: choices.pick(&events),
        numwant: choices.flag().then(|| u32::from(choices.byte()) << choices.below(24)),
        key: u32::from(choices.byte()),
        tracker_id: choices.flag().then(|| choices.some().to_vec()),
        ip: choices.flag().then(|| choices.pick(&[v4().ip(), v6().ip()])),
        ..Announce::of(hash, ID, 1 + u16::from(choices.byte()), choices.below(2) as u64)
    };
    let from = choices.pick(&[v4(), v6()]);
    let url: Url = choices.pick(&["http://t/announce?key=1", "http://t/", "http://t?a"]).parse().unwrap();
    let reply = if choices.flag() {
        let target = url.announce(&announce);
        let query = target.split_once('?').unwrap().1;
        Reply::read(&server.announce(now, from.ip(), query.as_bytes(), false)).unwrap()
    } else {
        let connect =
            server.packet(now, from, &Request::Connect { transaction: 1 }.to_bytes(), false).unwrap();
        let Ok(Response::Connect { connection, .. }) = Response::read(&connect, from.ip()) else {
            panic!("no id")
        };
        let url = url.target().as_bytes().to_vec();
        let request = Request::Announce { connection, transaction: 5, announce: announce.clone(), url };
        let answer = server.packet(now, from, &request.to_bytes(), false).unwrap();
        let Ok(Response::Announce { reply, .. }) = Response::read(&answer, from.ip()) else {
            panic!("{answer:?}")
        };
        reply
    };
    let is_there = announce.event != Some(Event::Stopped);
    let others = if hash == HASH { (4, 5) } else { (0, 0) };
    let own = (u32::from(is_there && announce.left == 0), u32::from(is_there && announce.left > 0));
    let counts = (reply.complete.unwrap(), reply.incomplete.unwrap());
    assert_eq!(counts, (others.0 + own.0, others.1 + own.1));
    let asks = page().announce(&Announce { numwant: Some(200), ..Announce::of(hash, ID, 9, 1) });
    let told =
        server.announce(now, [203, 0, 113, 1].into(), asks.split_once('?').unwrap().1.as_bytes(), false);
    let told = Reply::read(&told).unwrap().peers;
    let place = SocketAddr::new(from.ip(), announce.port);
    assert_eq!(told.iter().any(|peer| peer.addr == place), is_there, "{told:?}");
    true
}
