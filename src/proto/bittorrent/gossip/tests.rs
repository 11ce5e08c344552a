//! Minutes of gossip, in virtual time.

use super::*;
use crate::proto::bittorrent::random::Random;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The address of one of many peers.
fn peer(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    SocketAddr::from(([20, 0, high, low], 6881))
}

fn said(peers: impl IntoIterator<Item = SocketAddr>) -> Exchange {
    Exchange { added: peers.into_iter().map(|addr| (addr, Flags::UTP)).collect(), dropped: Vec::new() }
}

#[test]
fn each_is_told_what_is_new_once_a_minute() {
    let begun = Instant::now();
    let at = |seconds| begun + Duration::from_secs(seconds);
    let mut gossip = Gossip::default();
    assert_eq!((gossip.poll(begun), gossip.deadline()), (None, None));
    let flags = Flags(Flags::ENCRYPTION.0 | Flags::OUTGOING.0);
    gossip.came(peer(1), flags);
    gossip.came(peer(2), Flags::UPLOAD_ONLY);
    gossip.join(at(0), PeerKey(1), peer(1));
    // It does not hear of itself.
    let added = |peers: &[(SocketAddr, Flags)]| Exchange { added: peers.to_vec(), dropped: Vec::new() };
    assert_eq!(gossip.poll(at(0)), Some((PeerKey(1), added(&[(peer(2), Flags::UPLOAD_ONLY)]))));
    assert_eq!((gossip.poll(at(0)), gossip.deadline()), (None, None), "it knows of all");
    gossip.join(at(1), PeerKey(2), peer(2));
    assert_eq!(gossip.poll(at(1)), Some((PeerKey(2), added(&[(peer(1), flags)]))));
    gossip.came(peer(3), Flags::default());
    gossip.left(peer(2));
    gossip.leave(PeerKey(2));
    // Who came and went in between is not spoken of.
    gossip.came(peer(4), Flags::default());
    gossip.left(peer(4));
    assert_eq!(gossip.poll(at(59)), None);
    let news = Exchange { added: vec![(peer(3), Flags::default())], dropped: vec![peer(2)] };
    assert_eq!(gossip.poll(at(60)), Some((PeerKey(1), news)));
    assert_eq!((gossip.poll(at(120)), gossip.deadline()), (None, None), "nothing is new");
    // Who has heard nothing for a minute hears at once.
    gossip.came(peer(5), Flags::default());
    assert_eq!(gossip.deadline(), Some(at(120)));
    assert_eq!(gossip.poll(at(125)), Some((PeerKey(1), added(&[(peer(5), Flags::default())]))));
    gossip.came(peer(6), Flags::default());
    assert_eq!((gossip.poll(at(126)), gossip.deadline()), (None, Some(at(185))));
}

#[test]
fn fifty_of_each_and_all_of_them_in_the_end() {
    let begun = Instant::now();
    let mut gossip = Gossip::default();
    (1..=120).for_each(|number| gossip.came(peer(number), Flags::default()));
    gossip.join(begun, PeerKey(1), peer(1000));
    let mut minute = 0;
    let mut next = |gossip: &mut Gossip| {
        minute += 60;
        gossip
            .poll(begun + Duration::from_secs(minute))
            .map(|(_, news)| (news.added.len(), news.dropped.len()))
    };
    assert_eq!([next(&mut gossip), next(&mut gossip)], [Some((50, 0)), Some((50, 0))]);
    (1..=90).for_each(|number| gossip.left(peer(number)));
    assert_eq!(next(&mut gossip), Some((20, 50)));
    assert_eq!([next(&mut gossip), next(&mut gossip)], [Some((0, 40)), None]);
}

#[test]
fn what_is_told_adds_up() {
    // Whatever comes and goes, a listener that keeps count knows in the end who is there.
    let mut random = Random::new(7);
    let begun = Instant::now();
    let mut gossip = Gossip::default();
    gossip.join(begun, PeerKey(1), peer(1000));
    let (mut there, mut known) = (BTreeSet::new(), BTreeSet::new());
    for minute in 0..200 {
        for _ in 0..random.below(if minute < 180 { 30 } else { 1 }) {
            let addr = peer(1 + random.below(100) as u16);
            if random.below(2) == 0 {
                gossip.came(addr, Flags::default());
                there.insert(addr);
            } else {
                gossip.left(addr);
                there.remove(&addr);
            }
        }
        while let Some((_, news)) = gossip.poll(begun + Duration::from_secs(60 * minute)) {
            assert!(news.added.len() <= MAX_PEERS && news.dropped.len() <= MAX_PEERS);
            news.added.iter().for_each(|(addr, _)| assert!(known.insert(*addr), "told twice"));
            news.dropped.iter().for_each(|addr| assert!(known.remove(addr), "never told of it"));
        }
    }
    assert_eq!(known, there);
}

#[test]
fn no_more_than_a_limit_are_kept() {
    let mut gossip = Gossip::default();
    (0..=u16::MAX).for_each(|number| gossip.came(peer(number), Flags::default()));
    assert_eq!(gossip.peers.len(), MAX_TOLD);
    gossip.came(peer(1), Flags::UTP);
    assert_eq!(gossip.peers.get(&peer(1)), Some(&Flags::UTP));
}

#[test]
fn what_may_be_called() {
    let (public, private) = (addr("20.0.0.1:6881"), addr("192.168.0.1:6881"));
    for (told, from_public, from_private) in [
        ("20.0.0.2:6881", true, true),
        ("[2a00::1]:6881", true, true),
        ("20.0.0.2:80", true, true),
        ("10.0.0.2:6881", false, true),
        ("172.16.0.2:6881", false, true),
        ("192.168.0.2:6881", false, true),
        ("100.64.0.2:6881", false, true),
        ("127.0.0.1:6881", false, true),
        ("169.254.0.2:6881", false, true),
        ("[fc00::1]:6881", false, true),
        ("[fe80::1]:6881", false, true),
        ("[::1]:6881", false, true),
        ("20.0.0.2:0", false, false),
        ("0.0.0.0:6881", false, false),
        ("224.0.0.1:6881", false, false),
        ("240.0.0.1:6881", false, false),
        ("255.255.255.255:6881", false, false),
        ("[::]:6881", false, false),
        ("[ff02::1]:6881", false, false),
        ("[::ffff:20.0.0.2]:6881", false, false),
        // Those that are known: the teller, one with whom there is a connection, and ourselves.
        ("20.0.0.3:6881", false, false),
        ("20.0.0.4:6881", false, false),
    ] {
        let now = Instant::now();
        let mut gossip = Gossip::new([addr("20.0.0.4:6881")]);
        gossip.came(addr("20.0.0.3:6881"), Flags::default());
        gossip.join(now, PeerKey(1), public);
        gossip.join(now, PeerKey(2), private);
        let told = said([addr(told), public, private, addr(told)]);
        let heard = |gossip: &mut Gossip, key, others: &[SocketAddr]| {
            let mut heard = gossip.heard(now, key, &told).unwrap();
            heard.retain(|(addr, _)| !others.contains(addr));
            assert!(heard.len() < 2, "each once");
            !heard.is_empty()
        };
        assert_eq!(heard(&mut gossip, PeerKey(1), &[]), from_public, "{told:?}");
        assert_eq!(heard(&mut gossip, PeerKey(2), &[public]), from_private, "{told:?}");
    }
}

#[test]
fn addresses_of_a_private_network_stay_there() {
    let now = Instant::now();
    let mut gossip = Gossip::default();
    gossip.came(addr("10.0.0.1:1"), Flags::default());
    gossip.came(peer(1), Flags::default());
    gossip.join(now, PeerKey(1), peer(2));
    gossip.join(now, PeerKey(2), addr("10.0.0.2:1"));
    let told: Vec<usize> =
        std::iter::from_fn(|| gossip.poll(now)).map(|(_, news)| news.added.len()).collect();
    assert_eq!(told, [1, 2]);
}

#[test]
fn who_left_is_never_called() {
    let now = Instant::now();
    let mut gossip = Gossip::default();
    gossip.join(now, PeerKey(1), peer(1));
    let told = Exchange { added: Vec::new(), dropped: vec![peer(2), peer(3)] };
    assert_eq!(gossip.heard(now, PeerKey(1), &told), Ok(Vec::new()));
    assert_eq!(gossip.heard(now, PeerKey(9), &said([peer(2)])), Ok(Vec::new()), "of nobody who takes part");
    let many = said((2..1000).map(peer));
    assert_eq!(gossip.heard(now, PeerKey(1), &many).map(|heard| heard.len()), Ok(100));
}

#[test]
fn once_a_minute_and_a_little_more() {
    let begun = Instant::now();
    /// How many of so many messages, each so many seconds after the one before, are heard; or none of it.
    fn heard(begun: Instant, seconds: u64, messages: u64) -> Result<u64, TooOften> {
        let mut gossip = Gossip::default();
        gossip.join(begun, PeerKey(1), peer(1));
        let mut heard = 0;
        for number in 0..messages {
            let now = begun + Duration::from_secs(number * seconds);
            heard += u64::from(!gossip.heard(now, PeerKey(1), &said([peer(2)]))?.is_empty());
        }
        Ok(heard)
    }
    assert_eq!(heard(begun, 60, 100), Ok(100));
    assert_eq!(heard(begun, 59, 100), Ok(100), "a clock that is a little fast");
    assert_eq!(heard(begun, 30, 100), Ok(52));
    assert_eq!(heard(begun, 0, 11), Ok(3));
    assert_eq!(heard(begun, 0, 12), Err(TooOften));
    assert_eq!(heard(begun, 1, 100), Err(TooOften));
}
