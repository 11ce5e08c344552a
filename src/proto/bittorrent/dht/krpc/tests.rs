//! The messages of the proposals, both ways; what is no message; what is cut.

use super::*;
use crate::proto::bittorrent::bencode::{Document, Fault, Limits};
use crate::proto::bittorrent::dht::contact::Family;

const A: Sha1 = Sha1(*b"abcdefghij0123456789");
const M: Sha1 = Sha1(*b"mnopqrstuvwxyz123456");

fn query(method: Method) -> Message {
    let query = Query { id: A, read_only: false, want: None, token: Vec::new(), method };
    Message { transaction: b"aa".to_vec(), version: None, ip: None, body: Body::Query(query) }
}

fn answer(answer: Answer) -> Message {
    Message { transaction: b"aa".to_vec(), version: None, ip: None, body: Body::Answer(Box::new(answer)) }
}

fn peer(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn query_of(message: &mut Message) -> &mut Query {
    match &mut message.body {
        Body::Query(query) => query,
        _ => panic!("no query"),
    }
}

/// Messages and their bytes: those of BEP 5, then those of its extensions.
fn table() -> Vec<(Message, Vec<u8>)> {
    let get_peers = Method::GetPeers { info_hash: M, scrape: false, noseed: false };
    let announce = Method::AnnouncePeer { info_hash: M, port: 6881, implied_port: false, seed: false };
    let mut announced = query(announce);
    query_of(&mut announced).token = b"aoeusnth".to_vec();
    let mut implied = query(Method::AnnouncePeer { info_hash: M, port: 1, implied_port: true, seed: true });
    query_of(&mut implied).token = b"aoeusnth".to_vec();
    let mut wanted = query(Method::FindNode { target: M });
    query_of(&mut wanted).want = Some(Want { v4: true, v6: true });
    query_of(&mut wanted).read_only = true;
    wanted.version = Some(VERSION);
    let mut seen = answer(Answer::new(M));
    seen.ip = Some(peer("1.2.3.4:258"));
    let mut seen6 = answer(Answer::new(M));
    seen6.ip = Some(peer("[2a00::1]:258"));
    let v4 = Contact { id: A, addr: peer("1.2.3.4:258") };
    let v6 = Contact { id: A, addr: peer("[2a00::1]:258") };
    let v6_bytes = [&A.0[..], b"\x2a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\x02"].concat();
    let mut filters = Filters::default();
    filters.seeds.insert(peer("1.2.3.4:1").ip());
    let error = Body::Error { code: 201, text: "A Generic Error Ocurred".to_owned() };
    let samples = Samples { interval: 21_600, num: 3, hashes: vec![A, M] };
    vec![
        (query(Method::Ping), b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe".to_vec()),
        (answer(Answer::new(M)), b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re".to_vec()),
        (
            query(Method::FindNode { target: M }),
            b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe".to_vec(),
        ),
        (
            answer(Answer { nodes: Some(vec![v4]), ..Answer::new(M) }),
            b"d1:rd2:id20:mnopqrstuvwxyz1234565:nodes26:abcdefghij0123456789\x01\x02\x03\x04\x01\x02e1:t2:aa1:y1:re"
                .to_vec(),
        ),
        (
            query(get_peers),
            b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe".to_vec(),
        ),
        (
            answer(Answer {
                token: b"aoeusnth".to_vec(),
                values: vec![peer("97.120.106.101:11893"), peer("105.100.104.116:28269")],
                ..Answer::new(A)
            }),
            b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re".to_vec(),
        ),
        (
            announced,
            b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:\
              announce_peer1:t2:aa1:y1:qe"
                .to_vec(),
        ),
        (
            implied,
            b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti1e4:seedi1e5:\
              token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe"
                .to_vec(),
        ),
        (
            Message { transaction: b"aa".to_vec(), version: None, ip: None, body: error },
            b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee".to_vec(),
        ),
        // BEP 32, BEP 43.
        (
            wanted,
            b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234564:wantl2:n42:n6ee1:q9:find_node2:roi1e1:t2\
              :aa1:v4:WW\x00\x011:y1:qe"
                .to_vec(),
        ),
        (
            answer(Answer { nodes: Some(Vec::new()), nodes6: Some(vec![v6]), ..Answer::new(M) }),
            [
                &b"d1:rd2:id20:mnopqrstuvwxyz1234565:nodes0:6:nodes638:"[..],
                &v6_bytes,
                b"e1:t2:aa1:y1:re",
            ]
            .concat(),
        ),
        (
            answer(Answer { values: vec![v6.addr], ..Answer::new(M) }),
            [&b"d1:rd2:id20:mnopqrstuvwxyz1234566:valuesl18:"[..], &v6_bytes[20..], b"ee1:t2:aa1:y1:re"].concat(),
        ),
        // BEP 42.
        (seen, b"d2:ip6:\x01\x02\x03\x04\x01\x021:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re".to_vec()),
        (
            seen6,
            [&b"d2:ip18:"[..], &v6_bytes[20..], b"1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re"].concat(),
        ),
        // BEP 33.
        (
            query(Method::GetPeers { info_hash: M, scrape: true, noseed: true }),
            b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234566:noseedi1e6:scrapei1ee1:q9:get_peers1:\
              t2:aa1:y1:qe"
                .to_vec(),
        ),
        (
            answer(Answer { scrape: Some(filters.clone()), ..Answer::new(M) }),
            [
                &b"d1:rd4:BFpe256:"[..],
                &[0; 256],
                b"4:BFsd256:",
                filters.seeds.as_bytes(),
                b"2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
            ]
            .concat(),
        ),
        // BEP 51.
        (
            query(Method::SampleInfohashes { target: M }),
            b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q17:sample_infohashes1:t2:aa1:y1:qe"
                .to_vec(),
        ),
        (
            answer(Answer { nodes: Some(Vec::new()), samples: Some(samples), ..Answer::new(M) }),
            b"d1:rd2:id20:mnopqrstuvwxyz1234568:intervali21600e5:nodes0:3:numi3e7:samples40:abcdefghij0123456789mn\
              opqrst\
              uvwxyz123456e1:t2:aa1:y1:re"
                .to_vec(),
        ),
    ]
}

#[test]
fn messages_are_written_and_read() {
    for (message, bytes) in table() {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(String::from_utf8_lossy(&message.to_bytes()), text);
        assert_eq!(message.to_bytes(), bytes, "{text}");
        assert_eq!(Message::read(&bytes), Ok(message), "{text}");
        assert!(Document::read(&bytes, Limits::MESSAGE).unwrap().root().is_canonical(), "{text}");
    }
}

#[test]
fn a_message_that_is_cut_anywhere_is_none() {
    for (_, bytes) in table() {
        for cut in 0..bytes.len() {
            assert!(matches!(
                Message::read(&bytes[..cut]),
                Err(Unread { reject: Reject::Bencode(_), query: None })
            ));
        }
        let more = [&bytes[..], b"x"].concat();
        assert_eq!(
            Message::read(&more).unwrap_err().reject,
            Reject::Bencode(Fault::Trailing { at: bytes.len() })
        );
    }
}

/// Every byte that is changed makes another message, or none; nothing panics, and what is read is written alike.
#[test]
fn a_message_with_any_byte_changed() {
    for (_, bytes) in table().into_iter().filter(|(_, bytes)| bytes.len() < 200) {
        for at in 0..bytes.len() {
            for byte in [b'0', b'9', b':', b'd', b'e', 0xff] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                if let Ok(message) = Message::read(&changed) {
                    assert_eq!(Message::read(&message.to_bytes()), Ok(message));
                }
            }
        }
    }
}

#[test]
fn what_is_no_message() {
    let id = "2:id20:abcdefghij0123456789";
    let to = "6:target20:mnopqrstuvwxyz123456";
    let of = "9:info_hash20:mnopqrstuvwxyz123456";
    let long = "x".repeat(65);
    let queries = [
        (format!("d1:ad{id}e1:t2:aa1:y1:qe"), Reject::Missing("q")),
        (format!("d1:ad{id}e1:qi4e1:t2:aa1:y1:qe"), Reject::Malformed("q")),
        (format!("d1:ad{id}e1:q4:vote1:t2:aa1:y1:qe"), Reject::Method),
        ("d1:q4:ping1:t2:aa1:y1:qe".to_owned(), Reject::Missing("a")),
        ("d1:ale1:q4:ping1:t2:aa1:y1:qe".to_owned(), Reject::Malformed("a")),
        ("d1:ade1:q4:ping1:t2:aa1:y1:qe".to_owned(), Reject::Missing("id")),
        ("d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe".to_owned(), Reject::Malformed("id")),
        ("d1:ad2:idi7ee1:q4:ping1:t2:aa1:y1:qe".to_owned(), Reject::Malformed("id")),
        (format!("d1:ad{id}e1:q9:find_node1:t2:aa1:y1:qe"), Reject::Missing("target")),
        (format!("d1:ad{id}6:target1:xe1:q9:find_node1:t2:aa1:y1:qe"), Reject::Malformed("target")),
        (format!("d1:ad{id}{to}4:wanti1ee1:q9:find_node1:t2:aa1:y1:qe"), Reject::Malformed("want")),
        (format!("d1:ad{id}e1:q9:get_peers1:t2:aa1:y1:qe"), Reject::Missing("info_hash")),
        (format!("d1:ad{id}{of}e1:q13:announce_peer1:t2:aa1:y1:qe"), Reject::Missing("port")),
        (format!("d1:ad{id}{of}4:porti0ee1:q13:announce_peer1:t2:aa1:y1:qe"), Reject::Malformed("port")),
        (format!("d1:ad{id}{of}4:porti65536ee1:q13:announce_peer1:t2:aa1:y1:qe"), Reject::Malformed("port")),
        (format!("d1:ad{id}{of}4:porti-1ee1:q13:announce_peer1:t2:aa1:y1:qe"), Reject::Malformed("port")),
        (format!("d1:ad{id}{of}5:token65:{long}e1:q9:get_peers1:t2:aa1:y1:qe"), Reject::Malformed("token")),
        (format!("d1:ad{id}e1:q17:sample_infohashes1:t2:aa1:y1:qe"), Reject::Missing("target")),
    ];
    for (text, reject) in queries {
        // Who asks is told.
        let query = Some(b"aa".to_vec());
        assert_eq!(Message::read(text.as_bytes()), Err(Unread { reject, query }), "{text}");
        assert_eq!(reject.code(), if reject == Reject::Method { 204 } else { 203 });
    }
    let others = [
        ("le".to_owned(), Reject::Missing("t")),
        ("de".to_owned(), Reject::Missing("t")),
        ("d1:ti1e1:y1:qe".to_owned(), Reject::Malformed("t")),
        (format!("d1:t17:{}1:y1:qe", "x".repeat(17)), Reject::Malformed("t")),
        ("d1:t2:aae".to_owned(), Reject::Missing("y")),
        ("d1:t2:aa1:yi1ee".to_owned(), Reject::Malformed("y")),
        ("d1:t2:aa1:y1:xe".to_owned(), Reject::Malformed("y")),
        ("d1:t2:aa1:y1:re".to_owned(), Reject::Missing("r")),
        ("d1:rle1:t2:aa1:y1:re".to_owned(), Reject::Malformed("r")),
        ("d1:rde1:t2:aa1:y1:re".to_owned(), Reject::Missing("id")),
        (format!("d1:rd{id}5:nodes3:abce1:t2:aa1:y1:re"), Reject::Malformed("nodes")),
        (format!("d1:rd{id}6:nodes626:{}e1:t2:aa1:y1:re", "x".repeat(26)), Reject::Malformed("nodes6")),
        (format!("d1:rd{id}5:tokeni1ee1:t2:aa1:y1:re"), Reject::Malformed("token")),
        (format!("d1:rd{id}6:values6:abcdefe1:t2:aa1:y1:re"), Reject::Malformed("values")),
        (format!("d1:rd{id}6:valuesl5:abcdeee1:t2:aa1:y1:re"), Reject::Malformed("values")),
        (format!("d1:rd4:BFpe3:abc{id}e1:t2:aa1:y1:re"), Reject::Malformed("BFpe")),
        (format!("d1:rd{id}7:samples3:abce1:t2:aa1:y1:re"), Reject::Malformed("samples")),
        (format!("d1:rd{id}7:samples0:e1:t2:aa1:y1:re"), Reject::Missing("interval")),
        (format!("d1:rd{id}8:intervali0e7:samples0:e1:t2:aa1:y1:re"), Reject::Missing("num")),
        (format!("d1:rd{id}8:intervali-1e7:samples0:e1:t2:aa1:y1:re"), Reject::Malformed("interval")),
        (format!("d2:ip5:abcde1:rd{id}e1:t2:aa1:y1:re"), Reject::Malformed("ip")),
        ("d1:ei1e1:t2:aa1:y1:ee".to_owned(), Reject::Malformed("e")),
        ("d1:ele1:t2:aa1:y1:ee".to_owned(), Reject::Malformed("e")),
        ("d1:el3:abce1:t2:aa1:y1:ee".to_owned(), Reject::Malformed("e")),
        ("d1:t2:aa1:t2:aae".to_owned(), Reject::Bencode(Fault::Repeated { at: 8 })),
        ("i1ei1e".to_owned(), Reject::Bencode(Fault::Trailing { at: 3 })),
        ("l".repeat(9), Reject::Bencode(Fault::Deep { at: 8, limit: 8 })),
        ("x".repeat(2049), Reject::Bencode(Fault::Long { limit: 2048 })),
        (format!("l{}e", "0:".repeat(600)), Reject::Bencode(Fault::Many { limit: 512 })),
    ];
    for (text, reject) in others {
        assert_eq!(Message::read(text.as_bytes()), Err(reject.into()), "{text}");
    }
}

#[test]
fn what_is_not_known_is_passed_over() {
    let text = b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234564:wantl2:n42:n7e1:xlee1:q9:find_node1:t\
                 0:\
                 1:v2:ab1:y1:q1:zdee";
    let message = Message::read(text).unwrap();
    assert_eq!((message.version, message.transaction.len()), (None, 0));
    let Body::Query(query) = message.body else { panic!("no query") };
    assert_eq!(query.want, Some(Want { v4: true, v6: false }));
    // An error without a text, and one that is no UTF-8.
    for (text, expected) in [("d1:eli203ee1:t0:1:y1:ee", ""), ("d1:eli203e1:\u{e9}e1:t0:1:y1:ee", "")] {
        let read = Message::read(text.replace("1:\u{e9}", "0:").as_bytes()).unwrap();
        assert_eq!(read.body, Body::Error { code: 203, text: expected.to_owned() });
    }
}

#[test]
fn an_answer_is_cut_to_its_room() {
    let node = |number: u8, family| {
        let addr = if family == Family::V4 { "1.2.3.4:1" } else { "[2a00::1]:1" };
        Contact { id: Sha1([number; 20]), addr: peer(addr) }
    };
    let full = Message {
        transaction: b"aa".to_vec(),
        version: Some(VERSION),
        ip: Some(peer("1.2.3.4:258")),
        body: Body::Answer(Box::new(Answer {
            nodes: Some((0..8).map(|number| node(number, Family::V4)).collect()),
            nodes6: Some((0..8).map(|number| node(number, Family::V6)).collect()),
            token: vec![7; 8],
            values: (1..=20).map(|port| SocketAddr::new([1, 2, 3, 4].into(), port)).collect(),
            scrape: Some(Filters::default()),
            samples: Some(Samples { interval: 0, num: 9, hashes: vec![A; 9] }),
            ..Answer::new(M)
        })),
    };
    let whole = full.to_bytes().len();
    assert_eq!(fit(full.clone(), whole, Family::V4), Some(full.to_bytes()));
    let mut last = usize::MAX;
    for room in (0..whole).rev().step_by(7) {
        for family in Family::ALL {
            let Some(bytes) = fit(full.clone(), room, family) else { continue };
            assert!(bytes.len() <= room && bytes.len() <= last.max(room), "{room}");
            let Body::Answer(read) = Message::read(&bytes).unwrap().body else { panic!("no answer") };
            assert_eq!(read.id, M);
            // What is left of a list is its begin: the closest nodes.
            let nodes = if family == Family::V4 { read.nodes } else { read.nodes6 };
            for (number, node) in nodes.iter().flatten().enumerate() {
                assert_eq!(node.id.0[0], number as u8);
            }
        }
        last = room;
    }
    // In the order of what helps least.
    let cut = |room| match Message::read(&fit(full.clone(), room, Family::V4).unwrap()).unwrap().body {
        Body::Answer(answer) => answer,
        _ => panic!("no answer"),
    };
    assert!(cut(whole - 21).scrape.is_some() && cut(whole - 22).scrape.is_none());
    assert_eq!(cut(200).nodes, None, "peers are worth more");
    let short = cut(118);
    assert_eq!((short.nodes6, short.values.len(), short.token), (None, 1, vec![7; 8]));
    // An error loses its text; a query is not ours to cut.
    let error = Body::Error { code: 203, text: "long".repeat(20) };
    let error = Message { transaction: b"aa".to_vec(), version: Some(VERSION), ip: None, body: error };
    assert_eq!(fit(error.clone(), 40, Family::V4), Some(b"d1:eli203e0:e1:t2:aa1:y1:ee".to_vec()));
    assert_eq!(fit(error, 10, Family::V4), None);
    assert_eq!(fit(query(Method::Ping), 10, Family::V4), None);
}
