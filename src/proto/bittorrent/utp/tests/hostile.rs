//! Packets of those who mean no good, or are not who they say.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::header::{Header, Kind};
use super::super::limits::REORDER;
use super::super::{Event, Handle, Limits, Reason, Utp};
use super::net::{Dice, Link, Net, addr, pattern};

const SECOND: Duration = Duration::from_secs(1);

fn packet(kind: Kind, connection: u16, sequence: u16, ack: u16, payload: &[u8]) -> Bytes {
    let mut bytes = Vec::new();
    Header { kind, connection, timestamp: 1, difference: 1, window: 1 << 20, sequence, ack }
        .write_bare(&mut bytes);
    bytes.extend_from_slice(payload);
    bytes.into()
}

/// All that leaves: to whom, and the bytes.
fn sent(utp: &mut Utp, now: Instant) -> Vec<(u8, Vec<u8>)> {
    let mut all = Vec::new();
    let mut buffer = Vec::new();
    while let Some(transmit) = utp.transmit(now, &mut buffer, 16) {
        let std::net::SocketAddr::V4(to) = transmit.to else { unreachable!() };
        all.extend(buffer.chunks(transmit.segment).map(|bytes| (to.ip().octets()[3], bytes.to_vec())));
        buffer.clear();
    }
    all
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// A connection that somebody made by hand: it, the id and the numbers that its packets need.
fn by_hand(utp: &mut Utp, now: Instant) -> (Handle, u16) {
    utp.receive(now, addr(5), packet(Kind::Syn, 700, 65_535, 0, b"")).unwrap();
    let answer = sent(utp, now).remove(0).1;
    let number = word(&answer, 16);
    assert_eq!((answer[0], word(&answer, 2), word(&answer, 18)), (0x21, 700, 65_535));
    utp.receive(now, addr(5), packet(Kind::Data, 701, 0, number.wrapping_sub(1), b"hello")).unwrap();
    let Some(Event::Accepted(handle, _)) = utp.poll_event() else { panic!("it is not accepted") };
    assert_eq!(utp.poll_event(), Some(Event::Readable(handle)));
    assert_eq!(utp.read(handle).unwrap(), "hello");
    sent(utp, now);
    (handle, number)
}

#[test]
fn nobody_is_sent_much_who_is_not_proven() {
    let now = Instant::now();
    let mut utp = Utp::new(Limits::default(), now, 1);
    let syn = packet(Kind::Syn, 700, 1, 0, b"and a payload that has no business here");
    utp.receive(now, addr(5), syn.clone()).unwrap();
    let answers = sent(&mut utp, now);
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].1.len(), answers[0].1[0]), (20, 0x21), "a ST_STATE and no more");
    let number = word(&answers[0].1, 16);
    assert_eq!(utp.poll_event(), None, "nobody hears of it");
    // By itself it sends nothing, and each further one is answered by one.
    for second in 0..9 {
        let later = now + SECOND * second;
        utp.handle_timeout(later);
        assert_eq!(sent(&mut utp, later), []);
    }
    utp.receive(now, addr(5), syn).unwrap();
    assert_eq!(sent(&mut utp, now).len(), 1);
    // What does not know the number proves nothing.
    for ack in [number, number.wrapping_add(1), number.wrapping_sub(2), number.wrapping_add(30_000)] {
        utp.receive(now, addr(5), packet(Kind::Data, 701, 2, ack, b"x")).unwrap();
        assert_eq!((utp.poll_event(), sent(&mut utp, now)), (None, vec![]), "{ack}");
    }
    utp.receive(now, addr(5), packet(Kind::Data, 701, 2, number.wrapping_sub(1), b"x")).unwrap();
    assert!(matches!(utp.poll_event(), Some(Event::Accepted(..))));
    // One that is not used is forgotten.
    utp.receive(now, addr(6), packet(Kind::Syn, 1, 1, 0, b"")).unwrap();
    assert_eq!((sent(&mut utp, now).len(), utp.connections()), (2, 2));
    utp.handle_timeout(now + SECOND * 10);
    assert!(utp.connections() == 1 && matches!(utp.poll_event(), Some(Event::Readable(_))));
}

#[test]
fn a_flood_of_syn_has_limits() {
    let now = Instant::now();
    let limits = Limits { half_open: 10, connections: 15, ..Limits::default() };
    let mut utp = Utp::new(limits, now, 2);
    for number in 0..1000 {
        utp.receive(now, addr(number as u8), packet(Kind::Syn, number, 1, 0, b"")).unwrap();
        assert!(utp.connections() <= 10);
    }
    assert_eq!(sent(&mut utp, now).len(), 10, "those that made room are not answered any more");
    let (handle, _) = by_hand(&mut utp, now);
    assert!(utp.peer(handle).is_some(), "somebody honest comes through");
    for number in 0..1000u16 {
        utp.receive(now, addr(number as u8), packet(Kind::Syn, number, 1, 0, b"")).unwrap();
    }
    assert!(utp.connections() <= 11 && utp.peer(handle).is_some(), "and is not driven out");
    let ours: Vec<_> = (0..10).map(|number| utp.connect(now, addr(number))).collect();
    assert!(ours.iter().any(Result::is_ok) && ours.iter().any(Result::is_err) && utp.connections() == 15);
}

#[test]
fn packets_from_nowhere_are_answered_seldom() {
    let now = Instant::now();
    let limits = Limits { resets: 20, ..Limits::default() };
    let mut utp = Utp::new(limits, now, 3);
    let mut flood = |now| {
        for number in 0..500u16 {
            utp.receive(now, addr(number as u8), packet(Kind::Data, number, 9, 7, &[0; 500])).unwrap();
            utp.receive(now, addr(number as u8), packet(Kind::Reset, number, 9, 7, b"")).unwrap();
        }
        sent(&mut utp, now)
    };
    let answers = flood(now);
    assert_eq!(answers.len(), 20);
    for (number, (to, bytes)) in (0..).zip(&answers) {
        assert_eq!((*to, bytes.len(), bytes[0]), (number, 20, 0x31), "a ST_RESET, no larger than what came");
        assert_eq!((word(bytes, 2), word(bytes, 18)), (u16::from(number), 9), "of the same id");
    }
    assert_eq!((flood(now + SECOND / 2).len(), flood(now + SECOND).len()), (0, 20));
    assert_eq!(utp.connections(), 0);
}

#[test]
fn what_cannot_be_from_the_peer_is_ignored() {
    let now = Instant::now();
    let mut utp = Utp::new(Limits::default(), now, 4);
    let (handle, number) = by_hand(&mut utp, now);
    let mut bytes = pattern(20_000, 1);
    utp.write(now, handle, &mut bytes);
    let under_way = sent(&mut utp, now).len() as u16;
    assert_eq!(under_way, 4);
    let before = utp.statistics(handle);
    let last = number.wrapping_add(under_way).wrapping_sub(1);
    let far = REORDER as u16 + 10;
    let strange = [
        ("acknowledges what was not sent", packet(Kind::State, 701, 1, last.wrapping_add(1), b"")),
        ("much more", packet(Kind::Data, 701, 1, last.wrapping_add(20_000), b"x")),
        ("what was long ago", packet(Kind::State, 701, 1, number.wrapping_sub(far), b"")),
        ("a number far ahead", packet(Kind::Data, 701, far + 1, last, b"x")),
        ("one far behind", packet(Kind::State, 701, 1u16.wrapping_sub(far), last, b"")),
        ("a reset with another number", packet(Kind::Reset, 701, 0, last.wrapping_add(2), b"")),
        ("an old reset", packet(Kind::Reset, 701, 0, number.wrapping_sub(far), b"")),
        ("a SYN in the midst", packet(Kind::Syn, 700, 9, 0, b"")),
    ];
    for (name, datagram) in strange {
        utp.receive(now, addr(5), datagram).unwrap();
        assert_eq!((utp.poll_event(), utp.statistics(handle)), (None, before), "{name}");
        assert_eq!(sent(&mut utp, now), [], "{name}");
    }
    let state = packet(Kind::State, 701, 1, last, b"");
    for length in 0..20 {
        assert!(utp.receive(now, addr(5), state.slice(..length)).is_err());
    }
    utp.receive(now, addr(6), state.clone()).unwrap();
    assert_eq!(sent(&mut utp, now)[0].1[0], 0x31, "from another address it is of no connection");
    assert_eq!(utp.statistics(handle), before);
    utp.receive(now, addr(5), state).unwrap();
    assert!(utp.statistics(handle).unwrap().window > 11_000, "slow start");
    utp.receive(now, addr(5), packet(Kind::Reset, 700, 0, last, b"")).unwrap();
    assert_eq!(utp.poll_event(), Some(Event::Closed(handle, Reason::Reset)), "by the id that was sent to it");
    assert_eq!((utp.writable(handle), utp.read(handle), utp.peer(handle)), (0, None, None));
}

#[test]
fn nobody_can_make_us_hold_much() {
    let now = Instant::now();
    let limits = Limits { receive_window: 100_000, ..Limits::default() };
    let mut utp = Utp::new(limits, now, 5);
    let (handle, number) = by_hand(&mut utp, now);
    let ack = number.wrapping_sub(1);
    // All but the first that is awaited; then all.
    for step in (1..3000u16).chain(0..3000) {
        utp.receive(now, addr(5), packet(Kind::Data, 701, 1 + step, ack, &[7; 1400])).unwrap();
        let answers = sent(&mut utp, now);
        assert!(answers.len() <= 1 && answers.iter().all(|(_, bytes)| bytes.len() <= 20 + 2 + 252));
    }
    let read: usize = std::iter::from_fn(|| utp.read(handle)).map(|bytes| bytes.len()).sum();
    assert!((90_000..=200_000).contains(&read), "{read}");
}

#[test]
fn every_acknowledgement_counts_once() {
    let now = Instant::now();
    let mut utp = Utp::new(Limits::default(), now, 6);
    let (handle, number) = by_hand(&mut utp, now);
    let mut bytes = pattern(500_000, 1);
    utp.write(now, handle, &mut bytes);
    sent(&mut utp, now);
    for _ in 0..100 {
        utp.receive(now, addr(5), packet(Kind::State, 701, 1, number, b"")).unwrap();
    }
    let window = utp.statistics(handle).unwrap().window;
    assert!(window < 8000, "one packet was acknowledged a hundred times: {window}");
}

#[test]
fn noise_does_no_harm() {
    let mut net = Net::new([Link::default(); 2], [Limits::default(); 2], 7);
    let ours = net.connect();
    net.hosts[0].todo.insert(ours, pattern(300_000, 7));
    let mut dice = Dice(8);
    for _ in 0..400 {
        net.run(Duration::from_millis(1), |_| false);
        for to in [0, 1] {
            let length = dice.below(60) as usize;
            let mut noise: Vec<u8> = (0..length).map(|_| dice.roll() as u8).collect();
            if let [kind, extension, ..] = &mut noise[..] {
                (*kind, *extension) = ((*kind % 6) << 4 | 1, *extension % 3);
            }
            // From the peer's address only what is for no connection; from anywhere else anything.
            net.inject(to, addr(200), &noise);
        }
    }
    let theirs = net.accepted(1).unwrap();
    assert!(net.run(SECOND * 10, |net| net.hosts[1].got[&theirs].len() == 300_000));
    assert!(net.hosts[1].got[&theirs] == pattern(300_000, 7));
}

/// A peer that has a connection and sends whatever it likes, near the numbers that count.
#[test]
fn a_peer_that_says_anything_does_no_harm() {
    let begun = Instant::now();
    for seed in 0..8 {
        let mut dice = Dice(seed);
        let limits = Limits { receive_window: 60_000, send_buffer: 60_000, ..Limits::default() };
        let mut utp = Utp::new(limits, begun, seed);
        let (handle, number) = by_hand(&mut utp, begun);
        let mut now = begun;
        for _ in 0..600 {
            now += Duration::from_micros(dice.below(20_000));
            let mut bytes = pattern(dice.below(5000) as usize, 1);
            utp.write(now, handle, &mut bytes);
            let mut datagram = packet(
                [Kind::Data, Kind::State, Kind::State, Kind::Fin, Kind::Syn][dice.below(5) as usize],
                701,
                dice.below(40) as u16,
                number.wrapping_add(dice.below(60) as u16).wrapping_sub(10),
                &vec![0; dice.below(1500) as usize],
            )
            .to_vec();
            if dice.below(2) == 0 {
                let mask: Vec<u8> = (0..dice.below(9)).map(|_| dice.roll() as u8).collect();
                datagram[1] = 1;
                let head = [0, mask.len() as u8];
                datagram.splice(20..20, head.into_iter().chain(mask));
            }
            datagram[4..16].fill_with(|| dice.roll() as u8);
            if dice.below(4) > 0 {
                datagram[12] = 0;
            }
            let _ = utp.receive(now, addr(5), datagram.into());
            utp.handle_timeout(now);
            let bytes: usize = sent(&mut utp, now).iter().map(|(_, bytes)| bytes.len()).sum();
            assert!(bytes <= 120_000, "{bytes}");
            if dice.below(9) == 0 {
                utp.read(handle);
            }
            while utp.poll_event().is_some() {}
        }
        utp.close(now, handle);
        for _ in 0..200 {
            sent(&mut utp, now);
            let Some(deadline) = utp.next_deadline() else { break };
            assert!(deadline >= now, "time does not stand still");
            now = deadline;
            utp.handle_timeout(now);
        }
        assert_eq!((utp.connections(), utp.next_deadline()), (0, None), "{seed}: it is over at last");
    }
}
