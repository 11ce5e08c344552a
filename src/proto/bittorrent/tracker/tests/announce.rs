use super::*;

/// The escaped form of these bytes in <https://wiki.theory.org/BitTorrentSpecification>.
const ESCAPED: &str = "%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A";

#[test]
fn an_announce_is_the_target_of_a_request() {
    let mut announce = Announce::of(HASH, ID, 6881, 100);
    announce.key = 0xabc;
    let plain = format!(
        "info_hash={ESCAPED}&peer_id=-WW0100-abcdefghijkl&port=6881&uploaded=0&downloaded=0&left=100\
         &key=00000ABC&compact=1&no_peer_id=1"
    );
    assert_eq!(url("http://t/announce").announce(&announce), format!("/announce?{plain}"));
    assert_eq!(url("http://t/p.php?passkey=x").announce(&announce), format!("/p.php?passkey=x&{plain}"));
    announce.uploaded = 1;
    announce.downloaded = 2;
    announce.left = u64::MAX;
    announce.event = Some(Event::Paused);
    announce.numwant = Some(0);
    announce.tracker_id = Some(b"a&b\xff".to_vec());
    announce.ip = Some(ip("192.0.2.1"));
    announce.ipv4 = Some("192.0.2.2".parse().unwrap());
    announce.ipv6 = Some("2001:db8::1".parse().unwrap());
    let target = url("http://t/a").announce(&announce);
    let end = "&uploaded=1&downloaded=2&left=18446744073709551615&key=00000ABC&compact=1&no_peer_id=1&event=paused\
               &numwant=0&trackerid=a%26b%FF&ip=192.0.2.1&ipv4=192.0.2.2&ipv6=2001%3Adb8%3A%3A1";
    assert!(target.ends_with(end), "{target}");
}

#[test]
fn every_byte_of_a_hash_survives() {
    for first in (0..=255u8).step_by(20) {
        let bytes = std::array::from_fn(|at| first.wrapping_add(at as u8));
        let target = url("http://t/a").announce(&Announce::of(Sha1(bytes), bytes, 1, 1));
        let value = target.split(['?', '&']).find_map(|part| part.strip_prefix("info_hash=")).unwrap();
        assert!(value.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(percent_encoding::percent_decode_str(value).collect::<Vec<_>>(), bytes);
    }
}

#[test]
fn a_scrape_is_the_target_of_a_request() {
    let tracker = url("http://t/x/announce?k=1");
    assert_eq!(
        tracker.scrape(&[HASH, HASH]).unwrap(),
        format!("/x/scrape?k=1&info_hash={ESCAPED}&info_hash={ESCAPED}")
    );
    assert_eq!(url("http://t/announce").scrape(&[]).as_deref(), Some("/scrape"));
    assert_eq!(url("http://t/a").scrape(&[HASH]), None);
    let many = tracker.scrape(&[HASH; 100]).unwrap();
    assert_eq!(many.matches("info_hash").count(), MAX_SCRAPE);
}

#[test]
fn events_have_names() {
    for event in [Event::Started, Event::Completed, Event::Stopped, Event::Paused] {
        assert_eq!(Event::named(event.name().as_bytes()), Some(event));
    }
    assert_eq!((Event::named(b""), Event::named(b"Started")), (None, None));
}
