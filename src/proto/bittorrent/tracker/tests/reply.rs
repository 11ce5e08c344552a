use std::time::Duration;

use super::*;
use crate::proto::bittorrent::bencode::{Fault, Tree};

fn read(body: &[u8]) -> Reply {
    Reply::read(body).unwrap()
}

fn addrs(reply: &Reply) -> Vec<String> {
    reply.peers.iter().map(|peer| peer.addr.to_string()).collect()
}

#[test]
fn all_that_a_tracker_can_say() {
    let reply = read(
        b"d8:completei5e10:downloadedi50e11:external ip4:\xc0\x00\x02\x0110:incompletei7e8:intervali1800e\
          12:min intervali300e5:peers12:\x01\x02\x03\x04\x1a\xe1\x05\x06\x07\x08\x00\x016:peers618:\
          \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe210:tracker id3:\xffid15:warning message4:slowe",
    );
    assert_eq!(
        (reply.interval, reply.min_interval),
        (Some(Duration::from_secs(1800)), Some(Duration::from_secs(300)))
    );
    assert_eq!(addrs(&reply), ["1.2.3.4:6881", "5.6.7.8:1", "[2001:db8::1]:6882"]);
    assert_eq!((reply.complete, reply.incomplete, reply.downloaded), (Some(5), Some(7), Some(50)));
    assert_eq!(reply.tracker_id.as_deref(), Some(&b"\xffid"[..]));
    assert_eq!((reply.external_ip, reply.warning.as_deref()), (Some(ip("192.0.2.1")), Some("slow")));
}

#[test]
fn peers_in_long_form() {
    let reply = read(
        b"d8:intervali60e5:peersl\
          d2:ip7:1.2.3.47:peer id20:-WW0100-abcdefghijkl4:porti6881ee\
          d2:ip11:2001:db8::14:porti1ee\
          d2:ip5:[::2]4:porti2e7:peer id3:abce\
          d2:ip9:localhost4:porti80ee\
          d2:ip7:1.2.3.44:porti65536ee\
          d2:ip7:1.2.3.44:porti-1ee\
          d4:porti1ee\
          i7e\
          4:\x01\x02\x03\x04ee",
    );
    assert_eq!(addrs(&reply), ["1.2.3.4:6881", "[2001:db8::1]:1", "[::2]:2"], "names are not looked up");
    assert_eq!(reply.peers.iter().map(|peer| peer.id).collect::<Vec<_>>(), [Some(ID), None, None]);
}

/// Each is what some tracker sends.
#[test]
fn sloppy_trackers() {
    for (body, peers, interval) in [
        (&b"de"[..], 0, None),
        (b"d5:peers0:e", 0, None),
        (b"d5:peerslee", 0, None),
        (b"d5:peersdee", 0, None),
        (b"d8:intervali0e5:peers6:abcdefe", 1, None),
        (b"d8:intervali-5e5:peers7:abcdefge", 1, None),
        (b"d8:interval4:18005:peers5:abcdee", 0, None),
        (b"d5:peers6:abcdef8:intervali9ee\r\n", 1, Some(9)),
        (b"d8:intervali9223372036854775807ee", 0, Some(u32::MAX)),
        (b"d8:intervali9e6:peers617:aaaaaaaaaaaaaaaaae", 0, Some(9)),
        (b"d11:external ip3:abc10:tracker idi1e8:intervali9e15:warning messageli1eee", 0, Some(9)),
    ] {
        let text = String::from_utf8_lossy(body);
        let reply = Reply::read(body).unwrap_or_else(|error| panic!("{text}: {error}"));
        let interval = interval.map(|seconds| Duration::from_secs(seconds.into()));
        assert_eq!((reply.peers.len(), reply.interval), (peers, interval), "{text}");
        assert_eq!((reply.external_ip, reply.tracker_id, reply.warning), (None, None, None), "{text}");
    }
    assert_eq!(
        read(b"d11:external ip16:\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04e").external_ip,
        Some(ip("1.2.3.4")),
        "an address of IPv4 is one"
    );
    let long = Tree::dictionary([("tracker id", vec![b'x'; 257])]).to_bytes();
    assert_eq!(read(&long).tracker_id, None);
}

#[test]
fn refusals() {
    let refused = |reason: &str, retry| Err(TrackerError::Refused { reason: reason.into(), retry });
    let minutes = |minutes: u64| Some(Retry::After(Duration::from_secs(60 * minutes)));
    for (body, error) in [
        (&b"d14:failure reason4:gonee"[..], refused("gone", None)),
        (b"d14:failure reason4:gone8:retry in5:nevere", refused("gone", Some(Retry::Never))),
        (b"d14:failure reason4:busy8:retry ini20ee", refused("busy", minutes(20))),
        (b"d14:failure reason4:busy8:retry in2:20e", refused("busy", minutes(20))),
        (b"d14:failure reason4:busy8:retry ini4294967295ee", refused("busy", minutes(u32::MAX.into()))),
        (b"d14:failure reason4:busy8:retry ini-1ee", refused("busy", None)),
        (b"d14:failure reason4:busy8:retry in4:soone", refused("busy", None)),
        (b"d14:failure reason7:\x1b[31mx\x07e", refused("[31mx", None)),
        (b"d14:failure reason2:a\xffe", refused("a\u{fffd}", None)),
        (b"d14:failure reasoni1ee", refused("", None)),
        (b"d14:failure reason1:x5:peers6:abcdefe", refused("x", None)),
        (b"le", Err(TrackerError::NotDictionary)),
        (b"i1e", Err(TrackerError::NotDictionary)),
        (b"", Err(TrackerError::Bencode(Fault::Cut))),
        (b"<html>", Err(TrackerError::Bencode(Fault::NoValue { at: 0 }))),
        (b"d8:intervali1e8:intervali2ee", Err(TrackerError::Bencode(Fault::Repeated { at: 14 }))),
    ] {
        assert_eq!(Reply::read(body), error, "{}", String::from_utf8_lossy(body));
        assert_eq!(ScrapeReply::read(body, &[]).unwrap_err(), error.unwrap_err());
    }
    let long = Tree::dictionary([("failure reason", "é".repeat(1000))]).to_bytes();
    let Err(TrackerError::Refused { reason, .. }) = Reply::read(&long) else { panic!("refused") };
    assert_eq!(reason, "é".repeat(256));
}

#[test]
fn what_is_too_much() {
    let many =
        Tree::dictionary([("peers", vec![1; 6 * 10_000]), ("peers6", vec![1; 18 * 10_000])]).to_bytes();
    assert_eq!(read(&many).peers.len(), MAX_PEERS);
    let peer = Tree::dictionary([("ip", Tree::from("1.2.3.4")), ("port", Tree::from(1u16))]);
    let many = Tree::dictionary([("peers", Tree::List(vec![peer; 5000]))]).to_bytes();
    assert_eq!(read(&many).peers.len(), MAX_PEERS);
    let long = Tree::dictionary([("peers", vec![1; MAX_REPLY])]).to_bytes();
    assert_eq!(Reply::read(&long), Err(TrackerError::Bencode(Fault::Long { limit: MAX_REPLY })));
    let deep = [b"d1:x".to_vec(), vec![b'l'; 100_000]].concat();
    assert!(matches!(Reply::read(&deep), Err(TrackerError::Bencode(Fault::Deep { .. }))));
    let wide = [b"d1:xl".to_vec(), b"0:".repeat(100_000)].concat();
    assert!(matches!(Reply::read(&wide), Err(TrackerError::Bencode(Fault::Many { .. }))));
}

#[test]
fn scrapes() {
    let other = Sha1([7; 20]);
    let mut body = b"d5:filesd20:".to_vec();
    body.extend(other.0);
    body.extend(b"d8:completei1ee20:");
    body.extend(HASH.0);
    body.extend(
        b"d8:completei5e10:downloadedi50e11:downloadersi3e10:incompletei10e4:name1:xe\
        3:abcdee5:flagsd20:min_request_intervali3600eee",
    );
    let counts = Counts { complete: 5, downloaded: 50, incomplete: 10, downloaders: Some(3) };
    let reply = ScrapeReply::read(&body, &[HASH, Sha1([1; 20])]).unwrap();
    assert_eq!(reply.files, [(HASH, counts)], "only what was asked for");
    assert_eq!(reply.min_interval, Some(Duration::from_secs(3600)));
    assert_eq!(ScrapeReply::read(b"d5:filesle5:flagsi1ee", &[HASH]), Ok(ScrapeReply::default()));
    for end in 0..body.len() {
        assert!(ScrapeReply::read(&body[..end], &[HASH]).is_err());
    }
}

#[test]
fn an_answer_that_is_cut_is_none() {
    let body = b"d8:completei5e8:intervali1800e5:peers6:abcdef6:peers618:aaaaaaaaaaaaaaaaaae";
    assert_eq!(read(body).peers.len(), 2);
    for end in 0..body.len() {
        assert!(matches!(Reply::read(&body[..end]), Err(TrackerError::Bencode(_))), "{end}");
    }
    // Any byte changed: never a panic.
    for at in 0..body.len() {
        for byte in [0, b'0', b'9', b'd', b'e', b'i', b'l', 255] {
            let mut body = body.to_vec();
            body[at] = byte;
            let _ = Reply::read(&body);
        }
    }
}
