//! What others are answered.

use super::*;

const ASKER: Sha1 = Sha1(*b"abcdefghij0123456789");

fn get_peers() -> Method {
    Method::GetPeers { info_hash: HASH, scrape: false, noseed: false }
}

/// The token that a node gives to somebody.
fn token(dht: &mut Dht, now: Instant, from: SocketAddr) -> Vec<u8> {
    answer(reply(dht, now, from, &query(ASKER, b"", get_peers()))).token
}

fn announce(port: Option<u16>, seed: bool) -> Method {
    let implied_port = port.is_none();
    Method::AnnouncePeer { info_hash: HASH, port: port.unwrap_or(1), implied_port, seed }
}

#[test]
fn the_dialogue_of_bep_5() {
    let now = Instant::now();
    let mut dht = node(now);
    let own = dht.id(Family::V4).unwrap();
    let from = addr("1.2.3.4:5678");
    // The datagram, byte for byte; there is no room for who we are.
    dht.receive(now, from, b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe");
    let expected = [b"d1:rd2:id20:", &own.0[..], b"e1:t2:aa1:y1:re"].concat();
    assert_eq!(dht.transmit(), Some(Transmit { to: from, bytes: expected }));
    // It wants to know whether that is a node.
    let asked = sent(&mut dht);
    assert!(matches!(&asked[..], [(to, Message { body: Body::Query(query), .. })]
            if *to == from && query.method == Method::Ping));
    let given = token(&mut dht, now, from);
    assert_eq!(given.len(), 8);
    let taken = reply(&mut dht, now, from, &query(ASKER, &given, announce(Some(7000), false)));
    assert_eq!(answer(taken), Answer::new(own));
    let other = addr("1.2.3.5:5678");
    let found = answer(reply(&mut dht, now, other, &query(ASKER, b"", get_peers())));
    assert_eq!(found.values, [addr("1.2.3.4:7000")]);
    // The port of the datagram, and another network.
    let given = token(&mut dht, now, addr("[2a00::1]:9"));
    reply(&mut dht, now, addr("[2a00::1]:9"), &query(ASKER, &given, announce(None, true)));
    let found = answer(reply(&mut dht, now, addr("[2a00::2]:1"), &query(ASKER, b"", get_peers())));
    assert_eq!(found.values, [addr("[2a00::1]:9")]);
    assert_eq!(dht.stored(), (1, 2));
    // After half an hour, nobody is there any more.
    let later = now + Duration::from_secs(30 * 60);
    dht.poll(later);
    assert_eq!(dht.stored(), (0, 0));
}

#[test]
fn who_announces_needs_a_token_of_its_address() {
    let now = Instant::now();
    let mut dht = node(now);
    let from = addr("1.2.3.4:5678");
    let given = token(&mut dht, now, from);
    let mut try_it = |now, from, token: &[u8]| {
        dht.poll(now);
        let reply = reply(&mut dht, now, from, &query(ASKER, token, announce(Some(1), false)));
        match reply.map(|message| message.body) {
            Some(Body::Answer(_)) => 0,
            Some(Body::Error { code, .. }) => code,
            _ => panic!("nothing"),
        }
    };
    assert_eq!(try_it(now, from, b""), 203);
    assert_eq!(try_it(now, from, b"12345678"), 203);
    assert_eq!(try_it(now, addr("1.2.3.5:5678"), &given), 203);
    assert_eq!(try_it(now, addr("1.2.3.4:1"), &given), 0, "any port of the address");
    let minutes = |minutes: u64| now + Duration::from_secs(minutes * 60);
    assert_eq!(try_it(minutes(9), from, &given), 0);
    assert_eq!(try_it(minutes(15), from, &given), 203, "though the address is proven still");
}

#[test]
fn nobody_is_answered_more_than_it_has_said_until_it_is_proven() {
    let now = Instant::now();
    let mut dht = node(now);
    acquaint(&mut dht, now, (0..500).map(contact));
    (0..200u16).for_each(|port| {
        let peer = SocketAddr::from(([20, 0, (port >> 8) as u8, port as u8], 1 + port));
        dht.store.announce(now, HASH, peer, port % 2 == 0);
    });
    let methods = [
        Method::Ping,
        Method::FindNode { target: HASH },
        get_peers(),
        Method::GetPeers { info_hash: HASH, scrape: true, noseed: true },
        announce(Some(1), false),
        Method::SampleInfohashes { target: HASH },
    ];
    for (number, method) in methods.into_iter().enumerate() {
        let from = SocketAddr::from(([30, 0, number as u8, 1], 1));
        for want in [None, Some(super::super::krpc::Want { v4: true, v6: true })] {
            for version in [None, Some(*b"LT20")] {
                let query = Query { id: ASKER, read_only: true, want, token: Vec::new(), method };
                let question =
                    Message { transaction: b"aa".to_vec(), version, ip: None, body: Body::Query(query) };
                let question = question.to_bytes();
                dht.receive(now, from, &question);
                let answer = dht.transmit().unwrap();
                assert!(answer.bytes.len() <= question.len(), "{method:?}: {} bytes", answer.bytes.len());
                assert_eq!((answer.to, dht.transmit()), (from, None), "one datagram for one");
            }
        }
    }
    // What is no query that is known is answered no longer, too.
    for bad in [
        &b"d1:ad2:id20:abcdefghij0123456789e1:q1:x1:t2:aa1:y1:qe"[..],
        b"d1:q1:x1:t2:aa1:y1:qe",
        b"d1:t0:1:y1:qe",
    ] {
        dht.receive(now, addr("30.1.0.1:1"), bad);
        assert!(dht.transmit().is_none_or(|answer| answer.bytes.len() <= bad.len()));
    }
}

#[test]
fn with_a_token_the_answer_is_whole() {
    let now = Instant::now();
    let mut dht = node(now);
    acquaint(&mut dht, now, (0..500).map(contact));
    acquaint(
        &mut dht,
        now,
        (1..100u16).map(|net| Contact {
            id: Sha1::of(&[7, net as u8]),
            addr: (IpAddr::from([0x2a00, net, 0, 0, 0, 0, 0, 1]), 1).into(),
        }),
    );
    for number in 0..200u32 {
        let peer = SocketAddr::from((std::net::Ipv4Addr::from(0x1400_0000 + number), 1));
        dht.store.announce(now, HASH, peer, number % 2 == 0);
        dht.store.announce(now, Sha1::of(&number.to_be_bytes()), peer, false);
    }
    let want = Some(super::super::krpc::Want { v4: true, v6: true });
    let mut ask = |from: &str, token: &[u8], method| {
        let query = Query { id: ASKER, read_only: true, want, token: token.to_vec(), method };
        answer(reply(&mut dht, now, addr(from), &message(Body::Query(query), b"aa")))
    };
    for (from, method) in [
        ("30.0.0.1:1", get_peers()),
        ("30.0.0.2:1", Method::FindNode { target: HASH }),
        ("30.0.0.3:1", Method::SampleInfohashes { target: HASH }),
        ("30.0.0.4:1", Method::GetPeers { info_hash: HASH, scrape: true, noseed: true }),
    ] {
        let short = ask(from, b"", method);
        assert!(short.token.len() == 8 && short.nodes.map_or(0, |nodes| nodes.len()) < 8, "{method:?}");
        let whole = ask(from, &short.token, method);
        assert_eq!(whole.nodes.as_ref().map(Vec::len), Some(8), "{method:?}");
        assert_eq!(whole.nodes6.as_ref().map(Vec::len), Some(8));
        // From now on, without the token as well.
        assert_eq!(ask(from, b"", method).nodes, whole.nodes);
        match method {
            Method::GetPeers { scrape, .. } => {
                assert_eq!(whole.values.len(), if scrape { 24 } else { 64 });
                assert_eq!(whole.scrape.is_some(), scrape);
                let counted = whole.scrape.map_or(100.0, |filters| filters.seeds.estimate());
                assert!((counted - 100.0).abs() < 15.0, "{counted}");
            }
            Method::SampleInfohashes { .. } => {
                let samples = whole.samples.unwrap();
                assert_eq!((samples.hashes.len(), samples.num, samples.interval), (20, 201, 21_600));
            }
            _ => {}
        }
    }
}

#[test]
fn the_nodes_that_are_wanted() {
    let now = Instant::now();
    let v6 = Contact { id: Sha1::of(b"v6"), addr: addr("[2a00::1]:1") };
    let mut both = node(now);
    acquaint(&mut both, now, [contact(1), v6]);
    let v4_only = Settings { families: [Family::V4].into(), ..Settings::default() };
    let mut one = Dht::new(v4_only, Saved::default(), now, seed(2));
    acquaint(&mut one, now, [contact(1)]);
    let want = |v4, v6| Some(super::super::krpc::Want { v4, v6 });
    let (n4, n6) = (Some(vec![contact(1)]), Some(vec![v6]));
    let rows = [
        (true, "30.0.0.1:1", None, &n4, &None),
        (true, "[2a01::1]:1", None, &None, &n6),
        (true, "30.0.0.1:1", want(false, true), &None, &n6),
        (true, "30.0.0.1:1", want(true, true), &n4, &n6),
        (true, "30.0.0.1:1", want(false, false), &n4, &None),
        (false, "30.0.0.1:1", want(true, true), &n4, &None),
        (false, "30.0.0.1:1", want(false, true), &None, &None),
    ];
    for (is_both, from, want, nodes, nodes6) in rows {
        let dht = if is_both { &mut both } else { &mut one };
        dht.proven.prove(now, addr(from).ip());
        let query = Query {
            id: ASKER,
            read_only: false,
            want,
            token: vec![],
            method: Method::FindNode { target: HASH },
        };
        let found = answer(reply(dht, now, addr(from), &message(Body::Query(query), b"aa")));
        assert_eq!((&found.nodes, &found.nodes6), (nodes, nodes6), "{from} {want:?}");
    }
    // A node is not told of itself, and one of the other network is not there.
    both.proven.prove(now, contact(1).addr.ip());
    let found =
        reply(&mut both, now, contact(1).addr, &query(contact(1).id, b"", Method::FindNode { target: HASH }));
    assert_eq!(answer(found).nodes, Some(vec![]));
    assert_eq!(reply(&mut one, now, addr("[2a01::1]:1"), &query(ASKER, b"", Method::Ping)), None);
}

#[test]
fn an_answer_tells_the_address_that_it_is_sent_to() {
    let now = Instant::now();
    let mut dht = node(now);
    for from in ["1.2.3.4:258", "[2a00::1]:258"] {
        dht.proven.prove(now, addr(from).ip());
        let reply = reply(&mut dht, now, addr(from), &query(ASKER, b"", Method::Ping)).unwrap();
        assert_eq!((reply.ip, reply.version), (Some(addr(from)), Some(super::super::krpc::VERSION)));
    }
    // An address of IPv4, as a socket of both families has it.
    let mapped = addr("[::ffff:1.2.3.4]:258");
    dht.receive(now, mapped, &query(ASKER, b"", Method::Ping));
    assert_eq!(dht.transmit().unwrap().to, addr("1.2.3.4:258"));
}

#[test]
fn queries_that_are_none_are_answered_with_what_is_wrong() {
    let now = Instant::now();
    let mut dht = node(now);
    let from = addr("1.2.3.4:5678");
    let long = "x".repeat(60);
    for (text, code) in [
        (format!("d1:ad2:id20:abcdefghij01234567893:pad60:{long}e1:q3:get1:t2:aa1:y1:qe"), 204),
        (format!("d1:ad2:id20:abcdefghij01234567893:pad60:{long}e1:q9:get_peers1:t2:aa1:y1:qe"), 203),
        (format!("d1:ad3:pad60:{long}e1:q4:ping1:t2:aa1:y1:qe"), 203),
    ] {
        let reply = reply(&mut dht, now, from, text.as_bytes());
        assert_eq!(
            (reply.as_ref().unwrap().transaction.clone(), error(reply)),
            (b"aa".to_vec(), code),
            "{text}"
        );
    }
    // What is no query is not answered at all.
    for text in ["", "x", "de", "d1:rde1:t2:aa1:y1:re", "d1:t2:aa1:y1:xe", "d1:eli1ee1:t2:aa1:y1:ee"] {
        assert_eq!(reply(&mut dht, now, from, text.as_bytes()), None, "{text}");
    }
}

#[test]
fn who_is_read_only_is_not_kept_and_does_not_answer() {
    let now = Instant::now();
    let mut dht = node(now);
    let asked = Query { id: ASKER, read_only: true, want: None, token: vec![], method: Method::Ping };
    dht.receive(now, addr("1.2.3.4:1"), &message(Body::Query(asked), b"aa"));
    assert_eq!(sent(&mut dht).len(), 1, "an answer, and no ping");
    let settings = Settings { read_only: true, ..Settings::default() };
    let mut silent = Dht::new(settings, Saved::default(), now, seed(1));
    for datagram in [query(ASKER, b"", Method::Ping), b"d1:ade1:q4:ping1:t2:aa1:y1:qe".to_vec()] {
        assert_eq!(reply(&mut silent, now, addr("1.2.3.4:1"), &datagram), None);
    }
    silent.add_node(now, addr("1.2.3.4:1"));
    let asked = sent(&mut silent);
    assert!(matches!(&asked[0].1.body, Body::Query(query) if query.read_only));
}

#[test]
fn a_node_that_asks_is_taken_once_it_has_answered() {
    let now = Instant::now();
    let mut dht = node(now);
    let contact = contact(1);
    dht.receive(now, contact.addr, &query(contact.id, b"", Method::Ping));
    assert_eq!(dht.nodes(now, Family::V4), 0);
    converse(&mut dht, now, |_, _| Some(Answer::new(contact.id)));
    assert_eq!(dht.nodes(now, Family::V4), 1);
    // From out of place, nothing is read.
    for from in ["10.0.0.1:1", "127.0.0.1:1", "1.2.3.4:0", "224.0.0.1:1", "[fe80::1]:1", "[::1]:1"] {
        assert_eq!(reply(&mut dht, now, addr(from), &query(ASKER, b"", Method::Ping)), None, "{from}");
    }
}

#[test]
fn a_store_that_is_full_says_so() {
    let now = Instant::now();
    let mut settings = Settings::default();
    settings.limits.store.per_source = 1;
    let mut dht = Dht::new(settings, Saved::default(), now, seed(1));
    let from = addr("1.2.3.4:5678");
    let given = token(&mut dht, now, from);
    for (info_hash, code) in [(HASH, 0), (HASH, 0), (ASKER, 202)] {
        let announce = Method::AnnouncePeer { info_hash, port: 1, implied_port: false, seed: false };
        let reply = reply(&mut dht, now, from, &query(ASKER, &given, announce));
        assert_eq!(if code == 0 { answer(reply).token.len() as i64 } else { error(reply) }, code);
    }
}
