//! The parts that measure and keep: round trips, delays, sizes, the queue, what is under way, what has come.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::delay::Delays;
use super::super::flight::{Acked, Flight};
use super::super::incoming::Incoming;
use super::super::ledbat::{Ledbat, TARGET};
use super::super::limits::REORDER;
use super::super::mtu::PacketSize;
use super::super::queue::SendQueue;
use super::super::rtt::RoundTrip;
use super::net::addr;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn round_trips_and_timeouts() {
    let mut round_trip = RoundTrip::default();
    assert_eq!((round_trip.mean(), round_trip.timeout(0), round_trip.timeout(2)), (None, ms(1000), ms(4000)));
    round_trip.add(ms(400));
    assert_eq!((round_trip.mean(), round_trip.timeout(0)), (Some(ms(400)), ms(400 + 4 * 200)));
    // rtt_var += (|rtt - sample| - rtt_var) / 4, rtt += (sample - rtt) / 8
    round_trip.add(ms(480));
    assert_eq!((round_trip.mean(), round_trip.timeout(0)), (Some(ms(410)), ms(410 + 4 * 170)));
    (0..100).for_each(|_| round_trip.add(ms(20)));
    assert_eq!((round_trip.timeout(0), round_trip.least()), (ms(500), ms(20)), "half a second at least");
    assert_eq!((round_trip.timeout(1), round_trip.timeout(6)), (ms(1000), ms(32_000)));
    assert_eq!(round_trip.timeout(u32::MAX), ms(60_000), "a minute at most");
}

#[test]
fn delays_are_above_the_least_of_ten_minutes() {
    let begun = Instant::now();
    let at = |minutes: u64| begun + Duration::from_secs(60 * minutes);
    // The clocks differ by anything, so the difference goes through zero.
    for offset in [0u32, 5_000_000, 0x7fff_0000, u32::MAX - 10_000, 0x8000_0000] {
        let mut delays = Delays::default();
        assert_eq!(delays.queueing(), None);
        let mut add = |minute, micros: u32| {
            delays.add(at(minute), offset.wrapping_add(micros));
            delays.queueing().unwrap()
        };
        assert_eq!(add(0, 20_000), ms(0));
        assert_eq!(add(0, 50_000), ms(0), "the least of the last four counts");
        for _ in 0..3 {
            add(0, 50_000);
        }
        assert_eq!(add(0, 50_000), ms(30));
        assert_eq!(add(0, 10_000), ms(0), "shorter than the base: it is the base");
        for minute in 1..10 {
            add(minute, 30_000);
        }
        for _ in 0..4 {
            add(9, 30_000);
        }
        assert_eq!(add(9, 30_000), ms(20), "it is remembered for ten minutes");
        assert_eq!(add(10, 30_000), ms(0), "and then forgotten: the path has changed");
    }
}

#[test]
fn sizes_grow_when_they_arrive() {
    let mut size = PacketSize::new(addr(1));
    assert_eq!((size.size(), size.candidate()), (1400, Some(1464)));
    size.tried(7);
    assert_eq!(size.candidate(), None, "one at a time");
    assert!(!size.arrived(6) && size.arrived(7));
    assert_eq!((size.size(), size.candidate()), (1464, Some(1472)));
    size.tried(9);
    for number in [9, 11] {
        size.lost(number - 1);
        size.lost(number);
        size.tried(number + 2);
    }
    assert_eq!(size.candidate(), None);
    size.lost(13);
    assert_eq!((size.size(), size.candidate()), (1464, None), "three losses are enough");
    size.timed_out(1);
    assert_eq!(size.size(), 1464);
    size.timed_out(2);
    assert_eq!((size.size(), size.candidate()), (1400, None), "the path has changed");
    let size = PacketSize::new("[fd00::1]:1".parse().unwrap());
    assert_eq!((size.size(), size.candidate()), (1232, Some(1444)));
}

#[test]
fn bytes_are_kept_until_they_are_released() {
    let mut queue = SendQueue::default();
    let all: Vec<u8> = (0..=255).collect();
    for chunk in [&all[..10], &[], &all[10..11], &all[11..200], &all[200..]] {
        queue.push(Bytes::copy_from_slice(chunk));
    }
    let copy = |queue: &SendQueue, at, length| {
        let mut out = Vec::new();
        queue.copy(at, length, &mut out);
        out
    };
    assert_eq!((queue.held(), queue.unsent()), (256, 256));
    for (at, length) in [(0u64, 256u16), (0, 10), (5, 10), (10, 1), (11, 189), (9, 3), (255, 1), (30, 0)] {
        let range = at as usize..at as usize + usize::from(length);
        assert_eq!(copy(&queue, at, length), all[range], "{at} {length}");
    }
    assert_eq!(copy(&queue, 250, 100), all[250..], "no more than there is");
    queue.sent(100);
    queue.release(50);
    assert_eq!((queue.held(), queue.unsent(), queue.next()), (206, 156, 100));
    assert_eq!(copy(&queue, 60, 60), all[60..120]);
    queue.release(200);
    assert_eq!(queue.held(), 156, "what was not sent stays");
}

/// Ten packets of ten bytes, sent at the same time, and acknowledged.
fn flight(now: Instant) -> Flight {
    let mut flight = Flight::new(100);
    (0..10)
        .for_each(|number| assert_eq!(flight.push(now, number * 10, 10, number == 9, false), 100 + number));
    flight
}

fn lost(flight: &mut Flight) -> Vec<u64> {
    let mut numbers = Vec::new();
    flight.find_lost(|number, _| numbers.push(number));
    numbers
}

#[test]
fn acknowledgements_in_order() {
    let now = Instant::now();
    let mut flight = flight(now);
    let later = now + ms(30);
    let acked = flight.acknowledge(later, 99, &[], ms(0), |_| {});
    assert_eq!(acked, Acked::default());
    let acked = flight.acknowledge(later, 103, &[], ms(0), |_| {});
    let expected = Acked { packets: 4, bytes: 40, round_trip: Some(ms(30)), until: Some(40), fin: false };
    assert_eq!((acked, flight.first(), flight.next(), flight.bytes()), (expected, 104, 110, 60));
    assert!(lost(&mut flight).is_empty());
    let acked = flight.acknowledge(later, 109, &[], ms(0), |_| {});
    assert!(acked.fin && acked.until == Some(100) && flight.is_empty() && flight.bytes() == 0);
}

#[test]
fn what_three_have_overtaken_is_lost() {
    let now = Instant::now();
    let later = now + ms(30);
    let mut flight = flight(now);
    // 100 and 103 are missing. The first bit is two behind the number: 101.
    let mut arrived = Vec::new();
    let acked = flight.acknowledge(later, 99, &[0b011], ms(0), |number| arrived.push(number));
    assert_eq!((acked.bytes, acked.until, arrived), (20, None, vec![101, 102]));
    assert!(lost(&mut flight).is_empty(), "two have overtaken it");
    flight.acknowledge(later, 99, &[0b1011, 0], ms(0), |_| {});
    assert_eq!((lost(&mut flight), flight.bytes()), (vec![100], 60), "104 is the third");
    let (number, sent) = flight.lost().unwrap();
    assert_eq!((number, sent.offset, sent.length), (100, 0, 10));
    flight.sent_again(later, 100);
    assert!(flight.lost().is_none() && flight.bytes() == 70);
    // All but 103, and what was sent again, which is not lost by what was sent before it.
    flight.acknowledge(later, 99, &[0xfb, 1], ms(0), |_| {});
    assert_eq!(lost(&mut flight), [103]);
    flight.sent_again(later, 103);
    // Three more behind that, which arrive: both are lost again.
    for number in 10..13 {
        flight.push(later, number * 10, 10, false, false);
    }
    flight.acknowledge(later, 99, &[0xfb, 0b1111], ms(0), |_| {});
    assert_eq!(lost(&mut flight), [100, 103]);
    let acked = flight.acknowledge(later + ms(30), 112, &[], ms(0), |_| {});
    assert_eq!((acked.packets, acked.until, acked.round_trip), (2, Some(130), None), "Karn's rule");
    assert!(flight.lost().is_none() && flight.is_empty());
}

#[test]
fn three_acknowledgements_of_nothing_show_a_loss() {
    let now = Instant::now();
    let mut flight = flight(now);
    for expected in [vec![], vec![], vec![100], vec![]] {
        flight.duplicate();
        assert_eq!(lost(&mut flight), expected);
    }
    flight.time_out(|_| {});
    let all: Vec<u64> = std::iter::from_fn(|| {
        let (number, _) = flight.lost()?;
        flight.sent_again(now, number);
        Some(number)
    })
    .collect();
    assert_eq!(all, (100..110).collect::<Vec<_>>());
    assert_eq!(flight.bytes(), 100);
}

#[test]
fn the_newest_is_sent_again_to_hear_of_the_others() {
    let now = Instant::now();
    let mut flight = flight(now);
    let mut again = Vec::new();
    assert!(flight.probe(|number| again.push(number)) && again == [109] && flight.bytes() == 90);
    assert!(flight.probe(|_| panic!("one is to be sent already")));
    assert_eq!(flight.lost().map(|(number, _)| number), Some(109));
    flight.sent_again(now + ms(60), 109);
    flight.acknowledge(now + ms(90), 99, &[0, 1], ms(30), |_| {});
    assert_eq!(lost(&mut flight), (100..109).collect::<Vec<_>>(), "it has overtaken all");
    // But if the first has arrived, after less than a round trip since the second.
    let mut flight = self::flight(now);
    assert!(flight.probe(|_| {}));
    flight.sent_again(now + ms(60), 109);
    flight.acknowledge(now + ms(70), 99, &[0, 1], ms(30), |_| {});
    assert!(lost(&mut flight).is_empty());
}

#[test]
fn a_mask_that_names_none_shows_a_gap() {
    let now = Instant::now();
    let mut flight = flight(now);
    flight.sent_again(now + ms(20), 102);
    let mut numbers = Vec::new();
    flight.lose_unnamed(107, now + ms(10), |number, _| numbers.push(number));
    assert_eq!((numbers, flight.bytes()), (vec![100, 101, 103, 104, 105, 106, 107], 30));
    flight.lose_unnamed(u64::MAX, now, |_, _| {});
    assert_eq!(flight.bytes(), 10, "what was sent since may be on its way");
}

#[test]
fn a_mask_of_more_than_was_sent_says_nothing_of_it() {
    let mut flight = flight(Instant::now());
    let acked = flight.acknowledge(Instant::now(), 99, &[0xff; 252], ms(0), |_| {});
    assert_eq!((acked.packets, flight.first(), flight.next()), (9, 100, 110));
    let acked = flight.acknowledge(Instant::now(), 50, &[0xff; 4], ms(0), |_| {});
    assert_eq!(acked.packets, 0);
}

fn read(incoming: &mut Incoming) -> Vec<u8> {
    std::iter::from_fn(|| incoming.read()).flatten().collect()
}

#[test]
fn what_comes_early_waits() {
    let mut incoming = Incoming::new(1000, 100_000);
    let mut mask = [0; REORDER as usize / 8];
    let data = |incoming: &mut Incoming, number, byte: u8, length| {
        incoming.data(number, vec![byte; length].into());
    };
    data(&mut incoming, 1002, 2, 2000);
    data(&mut incoming, 1002, 9, 2000);
    data(&mut incoming, 1004, 4, 3);
    incoming.fin(1005);
    assert_eq!(incoming.mask(&mut mask), [0b1_1010, 0, 0, 0]);
    assert_eq!((incoming.read(), incoming.room()), (None, 100_000 - 2003));
    data(&mut incoming, 1000, 0, 5);
    assert_eq!((read(&mut incoming), incoming.next()), (vec![0; 5], 1001));
    assert_eq!(incoming.mask(&mut mask), [0b1101, 0, 0, 0]);
    data(&mut incoming, 1001, 1, 2000);
    data(&mut incoming, 1003, 3, 5);
    assert!(incoming.ended() && !incoming.has_early() && incoming.next() == 1006);
    let expected: Vec<u8> = [[1; 2000].to_vec(), vec![2; 2000], vec![3; 5], vec![4; 3]].concat();
    assert_eq!(read(&mut incoming), expected);
    data(&mut incoming, 1006, 6, 5);
    assert_eq!((incoming.read(), incoming.next()), (None, 1006), "nothing comes behind the end");
}

#[test]
fn what_comes_has_limits() {
    let mut incoming = Incoming::new(1000, 10_000);
    incoming.data(1000 + REORDER + 1, vec![1; 1].into());
    assert!(!incoming.has_early(), "too far away");
    incoming.data(1000 + REORDER, vec![1; 1].into());
    assert_eq!(incoming.mask(&mut [0; REORDER as usize / 8]).len(), 252);
    incoming.data(1001, vec![1; 9_999].into());
    incoming.data(1002, vec![1; 1].into());
    assert_eq!(incoming.room(), 0, "full");
    incoming.data(1000, vec![0; 10_000].into());
    assert_eq!((incoming.next(), incoming.room()), (1002, 0), "what is awaited has room all the same");
    assert_eq!(read(&mut incoming).len(), 19_999);
    // Payloads of a byte are put together.
    (0..5000).for_each(|number| incoming.data(1002 + number, vec![7; 1].into()));
    assert_eq!(
        incoming.read().map(|bytes| bytes.len()),
        Some(2015 + 2985),
        "one chunk, with the early one in it"
    );
    incoming.stop();
    incoming.data(incoming.next(), vec![7; 20_000].into());
    assert_eq!((incoming.readable(), incoming.room()), (0, 10_000), "what nobody reads is not kept");
    incoming.data(incoming.next() + 1, vec![7; 20_000].into());
    assert!(!incoming.has_early());
}

#[test]
fn a_window_grows_and_shrinks() {
    let now = Instant::now();
    let queue = |percent: u32| Some(TARGET * percent / 100);
    let mut ledbat = Ledbat::new(1000);
    assert_eq!(ledbat.window(), 4000);
    ledbat.acked(now, 4000, 4000, queue(0), ms(50));
    assert_eq!(ledbat.window(), 8000, "slow start doubles");
    ledbat.acked(now, 4000, 4000, queue(0), ms(50));
    assert_eq!(ledbat.window(), 8000, "if it was used");
    ledbat.acked(now, 8000, 8000, queue(80), ms(50));
    assert_eq!(ledbat.window(), 11_000, "near the target it is over: 3000 bytes a round trip");
    ledbat.lost(now, ms(50));
    assert_eq!(ledbat.window(), 5500);
    ledbat.acked(now, 5500, 5500, queue(150), ms(50));
    assert_eq!(ledbat.window(), 5500 + 3000 - 2750, "above the target it shrinks in proportion");
    ledbat.acked(now, 5750, 5750, queue(900), ms(50));
    assert_eq!(ledbat.window(), 2875, "by half at most");
    ledbat.timed_out();
    assert_eq!(ledbat.window(), 1000);
    (0..20).for_each(|_| ledbat.lost(now, ms(50)));
    assert_eq!(ledbat.window(), 2000, "two packets at least");
}
