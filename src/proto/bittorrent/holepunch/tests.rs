//! What a relay says, and whom it is asked about.

use super::*;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn key(number: u32) -> PeerKey {
    PeerKey(number)
}

/// Two by uTP, two by TCP of which the second has not said where it listens; the third knows nothing of holepunching.
fn relay(now: Instant) -> Holepunching {
    let mut punching = Holepunching::default();
    for (number, at, utp, knows, listens) in [
        (1, "20.0.0.1:5001", true, true, Some("20.0.0.1:6881")),
        (2, "20.0.0.2:40000", false, true, Some("20.0.0.2:6881")),
        (3, "20.0.0.3:6881", true, false, None),
        (4, "20.0.0.4:40000", false, true, None),
    ] {
        punching.join(now, key(number), addr(at), utp);
        punching.introduced(key(number), knows, listens.map(addr));
    }
    punching
}

#[test]
fn a_relay_tells_both_or_says_why_not() {
    let now = Instant::now();
    let mut punching = relay(now);
    let failed = |failure| vec![(1, Kind::Failed(failure), None)];
    for (asked, said) in [
        // The other one hears where the first is called: by uTP, the port that its router has given it.
        ("20.0.0.2:6881", vec![(2, Kind::Connect, Some("20.0.0.1:5001")), (1, Kind::Connect, None)]),
        ("20.0.0.2:40000", vec![(2, Kind::Connect, Some("20.0.0.1:5001")), (1, Kind::Connect, None)]),
        ("20.0.0.1:6881", failed(Failure::NoSelf)),
        ("20.0.0.1:5001", failed(Failure::NoSelf)),
        ("20.0.0.3:6881", failed(Failure::NoSupport)),
        ("20.0.0.9:6881", failed(Failure::NotConnected)),
        ("20.0.0.2:0", failed(Failure::NoSuchPeer)),
        ("224.0.0.1:6881", failed(Failure::NoSuchPeer)),
    ] {
        let about = addr(asked);
        let expected: Vec<Todo> = said
            .into_iter()
            .map(|(to, kind, peer)| Todo::Say(key(to), Holepunch { kind, peer: peer.map_or(about, addr) }))
            .collect();
        let rendezvous = Holepunch { kind: Kind::Rendezvous, peer: about };
        assert_eq!(punching.heard(now, key(1), rendezvous), expected, "{asked}");
    }
    let rendezvous = Holepunch { kind: Kind::Rendezvous, peer: addr("20.0.0.1:6881") };
    for (asker, called) in [(2, "20.0.0.2:6881"), (4, "20.0.0.4:40000")] {
        let said = punching.heard(now, key(asker), rendezvous);
        let connect = Holepunch { kind: Kind::Connect, peer: addr(called) };
        assert_eq!(said[0], Todo::Say(key(1), connect));
    }
    punching.leave(key(1));
    let not_connected = Holepunch { kind: Kind::Failed(Failure::NotConnected), ..rendezvous };
    assert_eq!(punching.heard(now, key(2), rendezvous), [Todo::Say(key(2), not_connected)]);
    assert_eq!(punching.heard(now, key(1), rendezvous), [], "it has left");
}

#[test]
fn who_has_told_of_an_address_is_asked_about_it() {
    let now = Instant::now();
    let mut punching = relay(now);
    let far = addr("30.0.0.1:6881");
    assert_eq!(punching.failed(now, far), None, "nobody knows it");
    punching.told(key(3), far);
    assert_eq!(punching.failed(now, far), None, "its teller does not know how");
    punching.told(key(2), far);
    let rendezvous = Holepunch { kind: Kind::Rendezvous, peer: far };
    assert_eq!(punching.failed(now, far), Some((key(2), rendezvous)));
    assert_eq!(punching.failed(now + AGAIN / 2, far), None, "it was asked");
    punching.told(key(1), far);
    assert_eq!(punching.failed(now + AGAIN, far), Some((key(1), rendezvous)));
    let failed = Holepunch { kind: Kind::Failed(Failure::NotConnected), peer: far };
    assert_eq!(punching.heard(now, key(1), failed), []);
    assert_eq!(punching.failed(now + 3 * AGAIN, far), None, "it cannot");
    punching.told(key(2), far);
    punching.leave(key(2));
    assert_eq!(punching.failed(now + 3 * AGAIN, far), None, "it has left");
}

#[test]
fn who_is_told_to_call_calls_but_not_everybody_and_not_all_the_time() {
    let now = Instant::now();
    let mut punching = relay(now);
    let connect = |at| Holepunch { kind: Kind::Connect, peer: addr(at) };
    assert_eq!(punching.heard(now, key(1), connect("30.0.0.1:1")), [Todo::Call(addr("30.0.0.1:1"))]);
    assert_eq!(punching.heard(now, key(1), connect("10.0.0.1:1")), [], "it is not in such a network");
    assert_eq!(punching.heard(now, key(1), connect("0.0.0.0:1")), []);
    let calls = |punching: &mut Holepunching, now| {
        (0..100).filter(|_| !punching.heard(now, key(1), connect("30.0.0.1:1")).is_empty()).count()
    };
    assert_eq!(calls(&mut punching, now), MOST as usize - 3);
    assert_eq!(calls(&mut punching, now + PERIOD), MOST as usize);
    punching.join(now, key(5), addr("10.0.0.5:6881"), true);
    assert_eq!(punching.heard(now, key(5), connect("10.0.0.1:1")), [Todo::Call(addr("10.0.0.1:1"))]);
}

#[test]
fn no_more_addresses_are_kept_than_can_be_called() {
    let now = Instant::now();
    let mut punching = relay(now);
    for number in 0..2 * contacts::MOST as u32 {
        punching.told(key(1), SocketAddr::from(((0x1400_0000 + number).to_be_bytes(), 6881)));
    }
    assert_eq!(punching.told.len(), contacts::MOST);
}
