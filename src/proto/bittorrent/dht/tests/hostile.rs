//! What others can try, and what comes of it.

use super::*;
use crate::proto::bittorrent::random::Random;

const ASKER: Sha1 = Sha1(*b"abcdefghij0123456789");

#[test]
fn a_flood_is_not_answered() {
    let now = Instant::now();
    let mut dht = node(now);
    let from = addr("1.2.3.4:1");
    let ping = query(ASKER, b"", Method::Ping);
    let answered = (0..1000).filter(|_| reply(&mut dht, now, from, &ping).is_some()).count();
    assert_eq!(answered, 50, "five a second, for ten seconds");
    let later = |seconds| now + Duration::from_secs(seconds);
    assert_eq!(reply(&mut dht, later(299), from, &ping), None, "and nothing for five minutes");
    assert!(reply(&mut dht, later(301), from, &ping).is_some());
    // Nonsense counts as well, and so do answers that nobody has asked for.
    for nonsense in [&b"x"[..], b"d1:rd2:id20:abcdefghij0123456789e1:t2:aa1:y1:re", b"d1:t2:aa1:y1:qe"] {
        let from = SocketAddr::from(([30, 0, 0, nonsense.len() as u8], 1));
        (0..51).for_each(|_| dht.receive(now, from, nonsense));
        sent(&mut dht);
        assert_eq!(reply(&mut dht, now, from, &ping), None);
    }
    // Who is blocked may still answer what it is asked.
    let blocked = addr("30.0.0.1:1");
    (0..51).for_each(|_| dht.receive(now, blocked, b"x"));
    dht.add_node(now, blocked);
    converse(&mut dht, now, |_, _| Some(Answer::new(ASKER)));
    assert_eq!(dht.nodes(now, Family::V4), 1);
}

#[test]
fn all_answers_together_have_a_budget() {
    let now = Instant::now();
    let mut dht = node(now);
    let per_second = 2000;
    dht.answers = Budget::new(now, per_second as u32, answering::BURST);
    let mut bytes = [0; 8];
    for (second, bytes) in bytes.iter_mut().enumerate() {
        let now = now + Duration::from_secs(second as u64);
        for number in 0..300u32 {
            let from = SocketAddr::from((std::net::Ipv4Addr::from(0x1e00_0000 + number * 256), 1));
            dht.receive(now, from, &query(ASKER, b"", Method::FindNode { target: HASH }));
        }
        *bytes = std::iter::from_fn(|| dht.transmit()).map(|sent| sent.bytes.len()).sum();
        // Pings of those who have asked are few, too: their addresses may be forged.
        dht.transactions = super::super::transactions::Transactions::new(256);
    }
    assert!(bytes[0] <= per_second * 3 + 12 * 100, "{bytes:?}");
    assert!(bytes[3..].iter().all(|bytes| (per_second - 100..per_second + 400).contains(bytes)), "{bytes:?}");
}

#[test]
fn an_answer_that_nobody_can_have_been_asked_for_is_none() {
    let now = Instant::now();
    let mut dht = node(now);
    dht.bootstrap(now, [addr("1.2.3.4:1")]);
    dht.poll(now);
    let asked = sent(&mut dht);
    let [(to, message)] = &asked[..] else { panic!("{asked:?}") };
    let answer = |transaction: &[u8]| self::message(Body::Answer(Box::new(Answer::new(ASKER))), transaction);
    // From elsewhere, or with another transaction id.
    dht.receive(now, addr("1.2.3.4:2"), &answer(&message.transaction));
    dht.receive(now, addr("1.2.3.5:1"), &answer(&message.transaction));
    for bit in 0..32 {
        let mut wrong = message.transaction.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        dht.receive(now, *to, &answer(&wrong));
    }
    assert_eq!(dht.nodes(now, Family::V4), 0);
    dht.receive(now, *to, &answer(&message.transaction));
    assert_eq!(dht.nodes(now, Family::V4), 1);
}

#[test]
fn nobody_is_sent_to_where_no_node_can_be() {
    let now = Instant::now();
    let mut dht = node(now);
    dht.bootstrap(now, [addr("1.2.3.4:1"), addr("127.0.0.1:1"), addr("192.168.0.1:1")]);
    dht.add_node(now, addr("10.0.0.1:1"));
    dht.poll(now);
    let bad = [
        "10.0.0.1:1",
        "127.0.0.1:1",
        "192.168.1.1:53",
        "1.2.3.4:0",
        "224.0.0.1:1",
        "255.255.255.255:1",
        "0.0.0.0:1",
    ];
    let mut peers: Vec<SocketAddr> = bad.iter().map(|bad| addr(bad)).collect();
    peers.push(addr("5.6.7.8:9"));
    let mut asked = Vec::new();
    dht.search(now, HASH, SearchOptions::default());
    for _ in 0..3 {
        converse(&mut dht, now, |to, query| {
            asked.push(to);
            let nodes = bad
                .iter()
                .zip(0u8..)
                .map(|(bad, number)| Contact { id: Sha1([number; 20]), addr: addr(bad) });
            let values =
                if matches!(query.method, Method::GetPeers { .. }) { peers.clone() } else { Vec::new() };
            let nodes = Some(nodes.chain([contact(7)]).collect());
            Some(Answer {
                nodes,
                values,
                token: b"t".to_vec(),
                ..Answer::new(if to == contact(7).addr { contact(7).id } else { ASKER })
            })
        });
        dht.poll(now);
    }
    assert!(asked.iter().all(|to| [addr("1.2.3.4:1"), contact(7).addr].contains(to)), "{asked:?}");
    let found: Vec<Event> =
        events(&mut dht).into_iter().filter(|event| matches!(event, Event::Peers { .. })).collect();
    assert_eq!(
        found,
        [Event::Peers { info_hash: HASH, peers: vec![addr("5.6.7.8:9")] }],
        "once, and what can be a peer"
    );
}

#[test]
fn a_node_that_lies_without_end_is_not_followed_for_ever() {
    let mut now = Instant::now();
    let mut dht = node(now);
    let mut random = Random::new(3);
    dht.bootstrap(now, [addr("1.2.3.4:1")]);
    dht.search(now, HASH, SearchOptions::default());
    let mut queries = 0;
    let mut number = 0u32;
    let mut ids = std::collections::BTreeMap::new();
    for _ in 0..20 {
        dht.poll(now);
        converse(&mut dht, now, |to, _| {
            queries += 1;
            // Each knows eight that are closer than all that were known before, and a thousand peers.
            let nodes = (0..8).map(|_| {
                number += 1;
                let mut id = HASH;
                let far = (u32::MAX - number).to_be_bytes();
                id.0[12..16].iter_mut().zip(far).for_each(|(byte, far)| *byte ^= far);
                let contact = Contact { id, addr: contact(number).addr };
                ids.insert(contact.addr, id);
                contact
            });
            let nodes: Vec<Contact> = nodes.collect();
            let values = (0..50).map(|_| {
                SocketAddr::from((random.next().to_be_bytes().first_chunk::<4>().copied().unwrap(), 1))
            });
            let id = ids.get(&to).copied().unwrap_or(ASKER);
            Some(Answer {
                nodes: Some(nodes),
                token: b"t".to_vec(),
                values: values.collect(),
                ..Answer::new(id)
            })
        });
        now += Duration::from_secs(1);
    }
    assert!(queries < 500, "{queries}");
    let found = events(&mut dht);
    let peers: usize =
        found.iter().map(|event| if let Event::Peers { peers, .. } = event { peers.len() } else { 0 }).sum();
    assert!(found.iter().any(|event| matches!(event, Event::Searched { .. })), "{found:?}");
    assert_eq!(peers, 2000);
}

#[test]
fn one_host_does_not_fill_the_table() {
    let now = Instant::now();
    let mut dht = node(now);
    // Of a network of 256 addresses, with as many ids as it likes, and all of them answer.
    for number in 0..1000u32 {
        let from = SocketAddr::from(([66, 6, 6, number as u8], 1 + number as u16));
        let id = Sha1::of(&number.to_be_bytes());
        let now = now + Duration::from_secs(u64::from(number));
        dht.receive(now, from, &query(id, b"", Method::Ping));
        converse(&mut dht, now, |_, _| Some(Answer::new(id)));
    }
    let now = now + Duration::from_secs(1000);
    assert!(
        dht.networks[&Family::V4].table.closest(now, HASH, super::super::table::Standing::Bad).len() <= 4
    );
}

/// Whatever comes, nothing panics, and what is kept has its limits.
#[test]
fn anything_may_come() {
    let mut now = Instant::now();
    let mut random = Random::new(11);
    let mut dht = node(now);
    acquaint(&mut dht, now, (0..50).map(contact));
    dht.announce(now, HASH, Announce { port: 1, implied_port: false, seed: false });
    let samples: Vec<Vec<u8>> = vec![
        query(ASKER, b"token", Method::GetPeers { info_hash: HASH, scrape: true, noseed: true }),
        query(
            ASKER,
            b"token",
            Method::AnnouncePeer { info_hash: HASH, port: 1, implied_port: true, seed: true },
        ),
        query(ASKER, b"token", Method::SampleInfohashes { target: HASH }),
        message(
            Body::Answer(Box::new(Answer { nodes: Some(vec![contact(1); 8]), ..Answer::new(ASKER) })),
            b"aaaa",
        ),
        message(Body::Error { code: 201, text: "error".to_owned() }, b"aaaa"),
    ];
    for round in 0..2000u32 {
        now += Duration::from_millis(u64::from(random.below(3000)));
        dht.poll(now);
        let mut asked = sent(&mut dht);
        asked.retain(|(_, message)| matches!(message.body, Body::Query(_)));
        let mut datagram = samples[random.below(5) as usize].clone();
        let mut from = contact(random.below(60)).addr;
        if let Some((to, message)) = asked.get(random.below(4) as usize) {
            from = *to;
            datagram = samples[3].clone();
            let at = datagram.len() - 11;
            datagram[at..at + 4].copy_from_slice(&message.transaction[..4]);
        }
        for _ in 0..random.below(3) {
            let at = random.below(datagram.len() as u32) as usize;
            datagram[at] = random.next() as u8;
        }
        datagram.truncate(datagram.len() - if round % 7 == 0 { random.below(20) as usize } else { 0 });
        dht.receive(now, from, &datagram);
        events(&mut dht);
        assert!(dht.deadline() <= now + Duration::from_secs(6));
    }
}
