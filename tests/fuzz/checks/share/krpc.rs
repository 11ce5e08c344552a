//! Datagrams of the DHT: what is read of one is written so that it is read as the same, and a node that hears it does no more than it should.
//!
//! `########` in the input stands for the token that the node gives to who asks, `@@@@` for the transaction id of a query of its own.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use wireworks::proto::bittorrent::bencode::{Document, Limits, Tree};
use wireworks::proto::bittorrent::dht::contact::Family;
use wireworks::proto::bittorrent::dht::krpc::{
    Answer, Body, DATAGRAM, Message, Method, Query, TOKEN, TRANSACTION,
};
use wireworks::proto::bittorrent::dht::{Dht, Event, Saved, SearchOptions, Settings, Transmit};
use wireworks::proto::bittorrent::hash::Sha1;

use super::super::find;

const HASH: Sha1 = Sha1(*b"mnopqrstuvwxyz123456");
const ASKER: Sha1 = Sha1(*b"abcdefghij0123456789");
const TOKENS: &[u8; 8] = b"########";
const OWN: &[u8; 4] = b"@@@@";
/// Bytes of an answer to who is proven.
const ANSWER: usize = 1400;

/// Says whether `datagram` is a message.
pub(crate) fn check(datagram: &[u8]) -> bool {
    let read = Message::read(datagram);
    match &read {
        Ok(message) => {
            assert!(datagram.len() <= DATAGRAM && message.transaction.len() <= TRANSACTION);
            let written = message.to_bytes();
            assert_eq!(Message::read(&written).as_ref(), Ok(message));
            assert!(Document::read(&written, Limits::MESSAGE).unwrap().root().is_canonical());
            for at in [super::place(datagram), datagram.len() - 1] {
                assert!(Message::read(&datagram[..at]).is_err(), "cut at {at}");
            }
        }
        Err(unread) => {
            assert!(unread.query.as_ref().is_none_or(|transaction| transaction.len() <= TRANSACTION));
            assert!(matches!(unread.reject.code(), 203 | 204) && unread.reject.to_string().len() < 64);
        }
    }
    // By one of the networks, as the nodes that hear it take a while to make.
    let from = ["30.0.0.1:7", "[2a00:30::1]:7"][super::super::Dice::of(datagram).below(2)];
    asked(datagram, addr(from));
    answered(datagram);
    saved(datagram);
    read.is_ok()
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// What a node says, in order.
fn sent(dht: &mut Dht) -> Vec<Transmit> {
    std::iter::from_fn(|| dht.transmit()).collect()
}

fn query(token: &[u8], method: Method) -> Query {
    Query { id: ASKER, read_only: true, want: None, token: token.to_vec(), method }
}

/// A query that has room for an answer.
fn long(query: Query) -> Vec<u8> {
    let message = Message { transaction: b"aa".to_vec(), version: None, ip: None, body: Body::Query(query) };
    let bytes = message.to_bytes();
    let document = Document::read(&bytes, Limits::MESSAGE).unwrap();
    super::tree(document.root()).with("zz", Tree::Bytes(vec![0; 300])).to_bytes()
}

/// The token of an address.
fn token(dht: &mut Dht, now: Instant, from: SocketAddr) -> Vec<u8> {
    let method = Method::GetPeers { info_hash: HASH, scrape: false, noseed: false };
    dht.receive(now, from, &long(query(b"", method)));
    match Message::read(&sent(dht)[0].bytes).unwrap().body {
        Body::Answer(answer) => answer.token,
        body => panic!("{body:?}"),
    }
}

/// A node that has peers of a torrent, and that knows nodes: answers that could be long.
fn node(now: Instant) -> Dht {
    let mut dht = Dht::new(Settings::default(), Saved::default(), now, [5; 32]);
    for number in 1..4u8 {
        let peers = [SocketAddr::from(([20, number, 0, 1], 9)), addr(&format!("[2a00:{number}::1]:9"))];
        for from in peers {
            let token = token(&mut dht, now, from);
            let method =
                Method::AnnouncePeer { info_hash: HASH, port: 9, implied_port: false, seed: number == 1 };
            dht.receive(now, from, &long(query(&token, method)));
            sent(&mut dht);
            dht.add_node(now, from);
            for ping in sent(&mut dht) {
                let transaction = Message::read(&ping.bytes).unwrap().transaction;
                let mut id = HASH;
                id.0[19] = number;
                let body = Body::Answer(Box::new(Answer::new(id)));
                let answer = Message { transaction, version: None, ip: None, body }.to_bytes();
                dht.receive(now, ping.to, &answer);
            }
            sent(&mut dht);
        }
    }
    assert_eq!((dht.stored(), dht.nodes(now, Family::V4), dht.nodes(now, Family::V6)), ((1, 6), 3, 3));
    while dht.event().is_some() {}
    dht
}

/// Somebody asks, first as if from anywhere, then with a token.
fn asked(datagram: &[u8], from: SocketAddr) {
    let now = Instant::now();
    let mut dht = node(now);
    hear(&mut dht, now, from, datagram, None);
    let mut silent =
        Dht::new(Settings { read_only: true, ..Settings::default() }, Saved::default(), now, [6; 32]);
    silent.receive(now, from, datagram);
    assert!(sent(&mut silent).iter().all(|sent| !is_answer(&sent.bytes)), "who is read-only does not answer");
    let Some(at) = find(datagram, TOKENS) else { return };
    let mut dht = node(now);
    let token = token(&mut dht, now, from);
    assert_eq!(token.len(), TOKENS.len());
    let mut with = datagram.to_vec();
    with[at..at + TOKENS.len()].copy_from_slice(&token);
    hear(&mut dht, now, from, &with, Some(&token));
}

fn is_answer(bytes: &[u8]) -> bool {
    !matches!(Message::read(bytes).unwrap().body, Body::Query(_))
}

/// One answer at most, of no more bytes than came from whom nobody knows, and a ping. Only a token has a peer kept.
fn hear(dht: &mut Dht, now: Instant, from: SocketAddr, datagram: &[u8], token: Option<&[u8]>) {
    let before = dht.stored();
    dht.receive(now, from, datagram);
    let message = Message::read(datagram);
    let asked = match &message {
        Ok(Message { body: Body::Query(query), .. }) => Some(query),
        _ => None,
    };
    let has_token = asked.is_some_and(|query| token.is_some_and(|token| query.token == token));
    let (answers, pings): (Vec<_>, Vec<_>) = sent(dht).into_iter().partition(|sent| is_answer(&sent.bytes));
    assert!(answers.len() <= 1 && pings.len() <= 1);
    for ping in &pings {
        let Body::Query(query) = Message::read(&ping.bytes).unwrap().body else { unreachable!() };
        assert!(ping.to == from && query.method == Method::Ping && query.token.is_empty());
        assert!(asked.is_some_and(|query| !query.read_only));
    }
    for Transmit { to, bytes } in &answers {
        let most = if has_token { ANSWER } else { datagram.len().min(ANSWER) };
        assert!(*to == from && bytes.len() <= most, "{} bytes for {}", bytes.len(), datagram.len());
        let answer = Message::read(bytes).unwrap();
        match (&message, answer.body) {
            (Ok(message), body) => {
                assert_eq!(answer.transaction, message.transaction);
                let query = asked.unwrap();
                if let Body::Answer(answer) = body {
                    assert_eq!(Some(answer.id), dht.id(Family::of(from.ip())));
                    assert!(answer.nodes.iter().chain(&answer.nodes6).all(|nodes| nodes.len() <= 8));
                    assert!(answer.values.iter().all(|peer| peer.is_ipv4() == from.is_ipv4()));
                    let is_whole = matches!(query.method, Method::Ping | Method::AnnouncePeer { .. });
                    assert!(!is_whole || answer == Box::new(Answer::new(answer.id)));
                    assert!(answer.token.len() <= TOKEN);
                }
            }
            (Err(unread), body) => {
                assert_eq!(unread.query.as_ref(), Some(&answer.transaction));
                assert!(matches!(body, Body::Error { code, .. } if code == unread.reject.code()));
            }
        }
    }
    let announces = asked.is_some_and(|query| matches!(query.method, Method::AnnouncePeer { .. }));
    let (torrents, peers) = dht.stored();
    if announces && has_token {
        assert!(!answers.is_empty() && peers == before.1 + 1);
    } else {
        assert_eq!((torrents, peers), before, "nobody is kept without a token");
    }
    assert_eq!(dht.event(), None);
}

/// A node in the middle of a search hears it as an answer: it asks others, within bounds, and nobody where no node can be.
fn answered(datagram: &[u8]) {
    let now = Instant::now();
    let router = addr("20.0.0.9:9");
    let mut dht = Dht::new(Settings::default(), Saved::default(), now, [7; 32]);
    dht.bootstrap(now, [router]);
    dht.search(now, HASH, SearchOptions { scrape: true, noseed: false });
    dht.poll(now);
    let mut now = now;
    let mut waiting = sent(&mut dht);
    assert!(!waiting.is_empty());
    for _ in 0..4 {
        for Transmit { to, bytes } in std::mem::take(&mut waiting).into_iter().take(8) {
            assert!(bytes.len() <= ANSWER && is_global(to));
            let Message { transaction, body: Body::Query(_), .. } = Message::read(&bytes).unwrap() else {
                continue;
            };
            let mut answer = datagram.to_vec();
            if let Some(at) = find(&answer, OWN) {
                answer[at..at + OWN.len()].copy_from_slice(&transaction);
            }
            dht.receive(now, to, &answer);
            let now_sent = sent(&mut dht);
            assert!(now_sent.len() <= 32, "{} datagrams for one", now_sent.len());
            waiting.extend(now_sent);
        }
        while let Some(event) = dht.event() {
            if let Event::Peers { info_hash, peers } = event {
                assert_eq!(info_hash, HASH);
                assert!(!peers.is_empty() && peers.into_iter().all(is_global));
            }
        }
        now = dht.deadline().max(now + Duration::from_millis(1));
        dht.poll(now);
        waiting.extend(sent(&mut dht));
    }
    let saved = dht.save(now);
    assert_eq!(Saved::read(&saved.to_bytes()), Ok(saved));
    assert!(dht.deadline() <= now + Duration::from_secs(60));
}

/// An address of the public network, and none of this one.
fn is_global(to: SocketAddr) -> bool {
    let is_inside = match to.ip() {
        IpAddr::V4(ip) => {
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.octets()[0] == 0
        }
        IpAddr::V6(ip) => ip.segments()[0] & 0xe000 != 0x2000,
    };
    to.port() != 0 && !is_inside
}

/// The state of a node, which is bencode as well.
fn saved(bytes: &[u8]) {
    if let Ok(saved) = Saved::read(bytes) {
        assert_eq!(Saved::read(&saved.to_bytes()), Ok(saved));
    }
}
