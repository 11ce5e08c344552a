use std::time::Duration;

use super::super::udp::{MAX_PACKET, PacketError, Request, Response};
use super::*;

fn announce() -> Announce {
    let mut announce = Announce::of(HASH, ID, 0x1ae1, 3);
    announce.downloaded = 2;
    announce.uploaded = 4;
    announce.event = Some(Event::Started);
    announce.key = 0xdead_beef;
    announce
}

/// The tables of BEP 15, byte by byte.
#[test]
fn the_requests() {
    let connect = b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\0\0\0\x05";
    assert_eq!(Request::Connect { transaction: 5 }.to_bytes(), connect);
    let request = Request::Announce { connection: 1, transaction: 2, announce: announce(), url: vec![] };
    let mut wire = b"\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x02".to_vec();
    wire.extend(HASH.0);
    wire.extend(ID);
    wire.extend(b"\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04"); // downloaded, left, uploaded
    wire.extend(b"\0\0\0\x02\0\0\0\0\xde\xad\xbe\xef\xff\xff\xff\xff\x1a\xe1"); // event, IP, key, num_want, port
    assert_eq!((request.to_bytes().as_slice(), wire.len()), (&wire[..], 98));
    assert_eq!(Request::read(&wire), Ok(request));
    let scrape = Request::Scrape { connection: 1, transaction: 2, hashes: vec![HASH, Sha1([0; 20])] };
    let wire = scrape.to_bytes();
    assert_eq!(wire[..16], *b"\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x02");
    assert_eq!((wire[16..36] == HASH.0, wire.len()), (true, 56));
    assert_eq!(Request::read(&wire), Ok(scrape));
    // Half a hash is none, and more than a packet has room for are not looked at.
    let Ok(Request::Scrape { hashes, .. }) = Request::read(&wire[..50]) else { panic!("a scrape") };
    assert_eq!(hashes, [HASH]);
    let many = Request::Scrape { connection: 1, transaction: 2, hashes: vec![HASH; 100] }.to_bytes();
    assert_eq!(many.len(), 16 + 20 * MAX_SCRAPE);
}

#[test]
fn events_and_numbers_of_announces() {
    for (event, byte, back) in [
        (None, 0, None),
        (Some(Event::Completed), 1, Some(Event::Completed)),
        (Some(Event::Started), 2, Some(Event::Started)),
        (Some(Event::Stopped), 3, Some(Event::Stopped)),
        (Some(Event::Paused), 0, None),
    ] {
        let announce = Announce { event, numwant: Some(7), ip: Some(ip("192.0.2.1")), ..announce() };
        let request = Request::Announce { connection: 1, transaction: 2, announce, url: vec![] };
        let wire = request.to_bytes();
        assert_eq!((wire[83], &wire[84..88], wire[95]), (byte, &[192, 0, 2, 1][..], 7));
        let Ok(Request::Announce { announce, .. }) = Request::read(&wire) else { panic!("an announce") };
        assert_eq!((announce.event, announce.numwant, announce.ip), (back, Some(7), Some(ip("192.0.2.1"))));
    }
    let announce = Announce { numwant: Some(u32::MAX), ip: Some(ip("::1")), ..announce() };
    let mut wire = Request::Announce { connection: 1, transaction: 2, announce, url: vec![] }.to_bytes();
    assert_eq!((&wire[84..88], &wire[92..96]), (&[0; 4][..], &[0x7f, 255, 255, 255][..]));
    wire[80..84].copy_from_slice(&[0, 0, 0, 9]);
    wire[92..96].copy_from_slice(&[0x80, 0, 0, 0]);
    let Ok(Request::Announce { announce, .. }) = Request::read(&wire) else { panic!("an announce") };
    assert_eq!((announce.event, announce.numwant, announce.ip), (None, None, None));
}

/// The examples of BEP 41.
#[test]
fn options() {
    let wire = |url: &[u8]| {
        let url = url.to_vec();
        Request::Announce { connection: 1, transaction: 2, announce: announce(), url }.to_bytes()
    };
    let read = |options: &[u8]| match Request::read(&[wire(b"").as_slice(), options].concat()) {
        Ok(Request::Announce { url, .. }) => url,
        other => panic!("{other:?}"),
    };
    assert_eq!(wire(b"/dir?a=b&c=d")[98..], *b"\x02\x0c/dir?a=b&c=d");
    let long = vec![b'x'; 300];
    assert_eq!((wire(&long)[98..100].to_vec(), wire(&long)[355..357].to_vec()), (vec![2, 255], vec![2, 45]));
    assert_eq!(wire(&vec![b'x'; MAX_PACKET]).len(), 98, "all or nothing");
    for (options, url) in [
        (&b""[..], &b""[..]),
        (b"\x02\x0c/dir?a=b&c=d", b"/dir?a=b&c=d"),
        (b"\x02\x05/dir?\x02\x07a=b&c=d", b"/dir?a=b&c=d"),
        (b"\x01\x01\x02\x01/\x01\x00\x02\x01x", b"/"),
        (b"\x07\x03abc\x02\x01/", b"/"),
        (b"\x02\x00\x02\x01/", b"/"),
        (b"\x02\x05/d", b""),
        (b"\x02", b""),
        (b"\x00\x02\x01/", b""),
    ] {
        assert_eq!(read(options), url, "{options:?}");
    }
    assert_eq!(read(&wire(&long)[98..]), long);
}

#[test]
fn the_responses() {
    let v4 = ip("192.0.2.9");
    let v6 = ip("2001:db8::9");
    let both = Reply {
        interval: Some(Duration::from_secs(1800)),
        complete: Some(5),
        incomplete: Some(7),
        peers: ["1.2.3.4:258", "[2001:db8::1]:6881"].map(|peer| Peer { addr: addr(peer), id: None }).into(),
        ..Reply::default()
    };
    let response = Response::Announce { transaction: 2, reply: both.clone() };
    let head = b"\0\0\0\x01\0\0\0\x02\0\0\x07\x08\0\0\0\x07\0\0\0\x05";
    let wire = response.to_bytes(v4);
    assert_eq!(wire, [&head[..], b"\x01\x02\x03\x04\x01\x02"].concat());
    assert_eq!(response.to_bytes(ip("::ffff:192.0.2.9")), wire, "an address of IPv4 is one");
    let Ok(Response::Announce { reply, .. }) = Response::read(&wire, v4) else { panic!("an announce") };
    assert_eq!(reply, Reply { peers: both.peers[..1].to_vec(), ..both.clone() });
    let wire = response.to_bytes(v6);
    assert_eq!(wire.len(), 20 + 18);
    let Ok(Response::Announce { reply, .. }) = Response::read(&wire, v6) else { panic!("an announce") };
    assert_eq!(reply, Reply { peers: both.peers[1..].to_vec(), ..both.clone() });
    let counts = Counts { complete: 1, downloaded: 2, incomplete: 3, downloaders: None };
    for (response, wire) in [
        (
            Response::Connect { transaction: 9, connection: 258 },
            &b"\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\x01\x02"[..],
        ),
        (
            Response::Scrape { transaction: 9, counts: vec![counts] },
            b"\0\0\0\x02\0\0\0\x09\0\0\0\x01\0\0\0\x02\0\0\0\x03",
        ),
        (Response::Error { transaction: 9, message: b"no".to_vec() }, b"\0\0\0\x03\0\0\0\x09no"),
    ] {
        assert_eq!(response.to_bytes(v4), wire);
        assert_eq!(Response::read(wire, v6), Ok(response));
    }
    let many = Reply { peers: vec![both.peers[0]; 1000], ..both };
    let wire = Response::Announce { transaction: 2, reply: many }.to_bytes(v4);
    assert_eq!(wire.len(), 20 + 230 * 6, "one packet");
}

#[test]
fn what_is_no_packet() {
    let announce =
        Request::Announce { connection: 1, transaction: 2, announce: announce(), url: vec![] }.to_bytes();
    for end in 0..announce.len() {
        assert_eq!(Request::read(&announce[..end]), Err(PacketError::Short(end)));
    }
    let connect = Request::Connect { transaction: 1 }.to_bytes();
    for end in 0..connect.len() {
        assert_eq!(Request::read(&connect[..end]), Err(PacketError::Short(end)));
    }
    assert_eq!(Request::read(&[0; 16]), Err(PacketError::Protocol));
    assert_eq!(Request::read(&[9; 16]), Err(PacketError::Action(0x0909_0909)));
    for (action, least) in [(0u8, 16), (1, 20), (2, 8), (3, 8)] {
        let wire = [&[0, 0, 0, action][..], &[0; 16]].concat();
        for end in 0..=wire.len() {
            let read = Response::read(&wire[..end], ip("1.1.1.1"));
            assert_eq!(read.is_ok(), end >= least, "action {action}, {end} bytes");
        }
    }
    assert_eq!(Response::read(&[9; 8], ip("::1")), Err(PacketError::Action(0x0909_0909)));
}
