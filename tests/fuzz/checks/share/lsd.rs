//! Announcements on the local network: what is read of one is written so that it is read as the same, and only what is ours matters.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wireworks::proto::bittorrent::hash::Sha1;
use wireworks::proto::bittorrent::lsd::{
    Announcement, GROUP_V4, GROUP_V6, Lsd, MAX_DATAGRAM, MAX_HASHES, MAX_HEARD, PAUSE,
};

const OTHER: Sha1 = Sha1([0x77; 20]);

/// Says whether `datagram` is an announcement.
pub(crate) fn check(datagram: &[u8]) -> bool {
    let read = Announcement::read(datagram);
    listen(datagram, read.as_ref().ok());
    let Ok(announcement) = read else { return false };
    assert!(datagram.len() <= MAX_DATAGRAM && announcement.port != 0);
    let unique: BTreeSet<Sha1> = announcement.hashes.iter().copied().collect();
    assert!((1..=MAX_HASHES).contains(&unique.len()) && unique.len() == announcement.hashes.len());
    for group in [GROUP_V4, GROUP_V6] {
        let written = announcement.to_bytes(group);
        assert!(written.len() <= MAX_DATAGRAM, "{} bytes", written.len());
        assert_eq!(Announcement::read(&written), Ok(announcement.clone()));
    }
    // Names are of any case, and lines end as they like.
    let text = std::str::from_utf8(datagram).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let bare = format!("{first}\n{}", rest.replace("\r\n", "\n"));
    assert_eq!(Announcement::read(bare.as_bytes()), Ok(announcement.clone()));
    let shout = |line: &str| match line.split_once(':') {
        Some((name, value)) => format!("{}:{value}\n", name.to_ascii_uppercase()),
        None => format!("{line}\n"),
    };
    let shouted: String = rest.lines().map(shout).collect();
    let shouted = format!("{first}\n{shouted}");
    if shouted.len() <= MAX_DATAGRAM {
        assert_eq!(Announcement::read(shouted.as_bytes()), Ok(announcement));
    }
    true
}

/// Somebody who has the torrents of the announcement but the first, and another one.
fn listen(datagram: &[u8], announcement: Option<&Announcement>) {
    let now = Instant::now();
    let mut lsd = Lsd::new(6881, now, 7);
    let ours: Vec<Sha1> =
        announcement.iter().flat_map(|announcement| &announcement.hashes[1..]).copied().collect();
    ours.iter().chain([&OTHER]).for_each(|hash| lsd.add(now, *hash));
    let from: SocketAddr = "10.0.0.1:6771".parse().unwrap();
    let mapped: SocketAddr = "[::ffff:10.0.0.1]:6771".parse().unwrap();
    // What we say ourselves is not heard, and when we say it does not hang on what others say.
    let said = lsd.poll(now).unwrap();
    assert_eq!(lsd.heard(now, from, &said.to_bytes(GROUP_V4)), None);
    let heard = lsd.heard(now, from, datagram);
    assert_eq!(lsd.heard(now, mapped, datagram), heard, "an address has one form");
    assert!(lsd.poll(now + PAUSE - Duration::from_secs(1)).is_none());
    match (announcement.filter(|announcement| announcement.cookie != said.cookie), heard) {
        (Some(announcement), Some((peer, hashes))) => {
            assert_eq!((peer.ip(), peer.port()), (from.ip(), announcement.port));
            assert!(!hashes.is_empty() && hashes.iter().all(|hash| ours.contains(hash) || *hash == OTHER));
            assert!(hashes.iter().all(|hash| announcement.hashes.contains(hash)));
        }
        (Some(announcement), None) => {
            assert!(
                ours.is_empty() && !announcement.hashes.contains(&OTHER),
                "{announcement:?} is not heard"
            );
        }
        (None, heard) => assert_eq!(heard, None),
    }
    // Beyond the limit nothing is read until the minute is over.
    let other = Announcement { port: 9, hashes: vec![OTHER], cookie: None }.to_bytes(GROUP_V4);
    if datagram.len() < 64 {
        (4..MAX_HEARD).for_each(|_| drop(lsd.heard(now, from, b"")));
        assert!(lsd.heard(now, from, &other).is_some() && lsd.heard(now, from, &other).is_none());
        assert!(lsd.heard(now + PAUSE, from, &other).is_some());
    }
}
