//! Datagrams as BEP 14 has them, and who says what when.

use super::*;

const HASH: &str = "0123456789abcdef0123456789abcdef01234567";

fn hash(number: u32) -> Sha1 {
    Sha1::of(&number.to_be_bytes())
}

fn at(begun: Instant, second: u64) -> Instant {
    begun + Duration::from_secs(second)
}

#[test]
fn datagrams_are_written_and_read() {
    let announcement =
        Announcement { port: 6881, hashes: vec![HASH.parse().unwrap()], cookie: Some("c0".into()) };
    let wire = format!(
        "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: {HASH}\r\ncookie: c0\r\n\r\n\r\n"
    );
    assert_eq!(announcement.to_bytes(GROUP_V4), wire.as_bytes());
    assert_eq!(Announcement::read(wire.as_bytes()), Ok(announcement.clone()));
    let v6 = String::from_utf8(announcement.to_bytes(GROUP_V6)).unwrap();
    assert!(v6.contains("\r\nHost: [ff15::efc0:988f]:6771\r\n"));
    assert_eq!(Announcement::read(v6.as_bytes()), Ok(announcement.clone()));
    // All that fit: several hashes, of one kind or another.
    let hashes: Vec<Sha1> = (0..MAX_HASHES as u32).map(hash).collect();
    let many = Announcement { hashes, port: 65535, cookie: Some("0123456789abcdef".into()) };
    let wire = many.to_bytes(GROUP_V6);
    assert!(wire.len() <= MAX_DATAGRAM, "{}", wire.len());
    assert_eq!(Announcement::read(&wire), Ok(many));
}

#[test]
fn what_others_send() {
    let upper = HASH.to_uppercase();
    for (text, hashes) in [
        (
            format!(
                "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: {upper}\r\n\r\n\r\n"
            ),
            1,
        ),
        (format!("BT-SEARCH * HTTP/1.0\nPORT:6881\nINFOHASH:{HASH}"), 1),
        (
            format!(
                "BT-SEARCH * HTTP/1.1\r\nport:  6881 \r\ninfohash: {HASH}\r\ninfohash: {HASH}\r\nX: y: z\r\n\r\njunk"
            ),
            1,
        ),
        (
            format!(
                "BT-SEARCH * HTTP/1.1\r\nInfohash: {HASH}\r\nPort: 6881\r\nInfohash: {}\r\n\r\n",
                hash(1)
            ),
            2,
        ),
    ] {
        let read = Announcement::read(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((read.port, read.hashes.len(), read.cookie), (6881, hashes, None), "{text}");
    }
}

#[test]
fn what_is_no_announcement() {
    let head = "BT-SEARCH * HTTP/1.1\r\n";
    for (text, error) in [
        ("".to_owned(), LsdError::Request),
        (format!("M-SEARCH * HTTP/1.1\r\nPort: 1\r\nInfohash: {HASH}\r\n\r\n"), LsdError::Request),
        (format!("BT-SEARCH * HTTP/2.0\r\nPort: 1\r\nInfohash: {HASH}\r\n\r\n"), LsdError::Request),
        (format!("{head}Port 1\r\nInfohash: {HASH}\r\n\r\n"), LsdError::Request),
        (format!("{head}Infohash: {HASH}\r\n\r\n"), LsdError::Port),
        (format!("{head}Port: 0\r\nInfohash: {HASH}\r\n\r\n"), LsdError::Port),
        (format!("{head}Port: 65536\r\nInfohash: {HASH}\r\n\r\n"), LsdError::Port),
        (format!("{head}Port: 1\r\nPort: 2\r\nInfohash: {HASH}\r\n\r\n"), LsdError::Port),
        (format!("{head}Port: 1\r\n\r\n"), LsdError::Hash),
        (format!("{head}Port: 1\r\nInfohash: {}\r\n\r\n", &HASH[1..]), LsdError::Hash),
        (format!("{head}Port: 1\r\nInfohash: {}g\r\n\r\n", &HASH[1..]), LsdError::Hash),
        (format!("{head}Port: 1\r\n\r\nInfohash: {HASH}\r\n"), LsdError::Hash),
        (format!("{head}Port: 1\r\nInfohash: {HASH}\r\nx: {}", "x".repeat(MAX_DATAGRAM)), LsdError::Long),
    ] {
        assert_eq!(Announcement::read(text.as_bytes()), Err(error), "{text}");
    }
    let wire = format!("{head}Port: 1\r\nInfohash: {HASH}\r\ncookie: \r\n\r\n");
    for end in 0..wire.len() {
        let _ = Announcement::read(&wire.as_bytes()[..end]);
    }
    let mut bytes = wire.into_bytes();
    bytes[30] = 0xff;
    assert_eq!(Announcement::read(&bytes), Err(LsdError::Request));
    // Short lines are many, but only so many hashes are kept.
    let many: String = (0..26).map(|number| format!("infohash:{}\n", hash(number))).collect();
    let read = Announcement::read(format!("BT-SEARCH * HTTP/1.1\nPort:1\n{many}").as_bytes()).unwrap();
    assert_eq!(read.hashes.len(), MAX_HASHES);
}

#[test]
fn one_torrent_is_announced_every_five_minutes() {
    let begun = Instant::now();
    let mut lsd = Lsd::new(6881, begun, 1);
    assert_eq!((lsd.poll(begun), lsd.deadline()), (None, None));
    lsd.add(begun, hash(1));
    lsd.add(begun, hash(1));
    let mut times = Vec::new();
    for second in 0..1000 {
        if let Some(announcement) = lsd.poll(at(begun, second)) {
            assert_eq!((announcement.port, announcement.hashes), (6881, vec![hash(1)]));
            times.push(second);
        }
        assert!(lsd.deadline().unwrap() > at(begun, second));
    }
    assert_eq!(times, [0, 300, 600, 900]);
    // One that is new waits for the minute to go by.
    lsd.add(at(begun, 910), hash(2));
    assert_eq!(lsd.deadline(), Some(at(begun, 960)));
    lsd.remove(hash(1));
    let announcement = lsd.poll(at(begun, 1300)).unwrap();
    assert_eq!(announcement.hashes, [hash(2)]);
    lsd.remove(hash(2));
    lsd.remove(hash(3));
    assert_eq!((lsd.deadline(), lsd.poll(at(begun, 9999))), (None, None));
}

#[test]
fn many_torrents_take_turns() {
    let begun = Instant::now();
    let mut lsd = Lsd::new(6881, begun, 1);
    for number in 0..1000 {
        lsd.add(begun, hash(number));
    }
    let mut last = std::collections::BTreeMap::<Sha1, u64>::new();
    let mut datagrams = 0;
    for second in 0..3 * 3600 {
        let Some(announcement) = lsd.poll(at(begun, second)) else { continue };
        assert!(announcement.hashes.len() <= MAX_HASHES);
        datagrams += 1;
        for hash in announcement.hashes {
            let before = last.insert(hash, second);
            assert!(before.is_none_or(|before| (300..=2700).contains(&(second - before))));
        }
    }
    assert_eq!((datagrams, last.len()), (180, 1000), "one a minute, and everybody has its turn");
    // Who comes new is before those who had their turn.
    lsd.add(at(begun, 3 * 3600), hash(5000));
    let mut turns = 0;
    for second in 3 * 3600.. {
        let Some(announcement) = lsd.poll(at(begun, second)) else { continue };
        turns += 1;
        if announcement.hashes.contains(&hash(5000)) {
            break;
        }
    }
    assert!(turns <= 42);
}

#[test]
fn two_find_each_other() {
    let begun = Instant::now();
    let (mut one, mut two) = (Lsd::new(1001, begun, 1), Lsd::new(1002, begun, 2));
    for number in 0..3 {
        one.add(begun, hash(number));
    }
    two.add(begun, hash(2));
    let datagram = one.poll(begun).unwrap().to_bytes(GROUP_V4);
    let from: SocketAddr = "192.168.0.7:6771".parse().unwrap();
    let heard = two.heard(begun, from, &datagram);
    assert_eq!(heard, Some(("192.168.0.7:1001".parse().unwrap(), vec![hash(2)])));
    assert_eq!(one.heard(begun, from, &datagram), None, "its own");
    two.remove(hash(2));
    assert_eq!(two.heard(begun, from, &datagram), None, "nothing that it has");
    two.add(begun, hash(2));
    let mapped: SocketAddr = "[::ffff:192.168.0.7]:6771".parse().unwrap();
    assert_eq!(two.heard(begun, mapped, &datagram), heard);
    let link = SocketAddr::V6(SocketAddrV6::new("fe80::7".parse().unwrap(), 6771, 0, 3));
    let (peer, _) = two.heard(begun, link, &datagram).unwrap();
    assert_eq!(peer, SocketAddr::V6(SocketAddrV6::new("fe80::7".parse().unwrap(), 1001, 0, 3)));
    assert_eq!(two.heard(begun, from, b"hello"), None);
}

#[test]
fn a_flood_is_not_read() {
    let begun = Instant::now();
    let (mut one, mut two) = (Lsd::new(1001, begun, 1), Lsd::new(1002, begun, 2));
    one.add(begun, hash(1));
    two.add(begun, hash(1));
    let datagram = one.poll(begun).unwrap().to_bytes(GROUP_V4);
    let heard = |two: &mut Lsd, second| two.heard(at(begun, second), GROUP_V4, &datagram).is_some();
    let count = (0..3 * MAX_HEARD).filter(|_| heard(&mut two, 1)).count();
    assert_eq!(count as u32, MAX_HEARD);
    assert!(!heard(&mut two, 59) && heard(&mut two, 60));
}
