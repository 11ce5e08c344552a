//! Pairs of machines: what one writes the other reads, whatever the network does.

use std::time::Duration;

use bytes::Bytes;

use super::super::{Event, Limits, Reason};
use super::net::{Link, Net, addr, pattern};

const SECOND: Duration = Duration::from_secs(1);

fn pair(link: Link, seed: u64) -> Net {
    Net::new([link; 2], [Limits::default(); 2], seed)
}

#[test]
fn a_connection_begins_speaks_and_ends() {
    let mut net = pair(Link::default(), 1);
    let ours = net.connect();
    net.hosts[0].todo.insert(ours, Bytes::from_static(b"how do you do"));
    assert!(net.run(SECOND, |net| net.hosts[1].read == 13));
    let theirs = net.accepted(1).unwrap();
    assert_eq!(net.hosts[0].events, [Event::Connected(ours)]);
    assert_eq!(net.hosts[1].events, [Event::Accepted(theirs, addr(0)), Event::Readable(theirs)]);
    net.hosts[1].todo.insert(theirs, Bytes::from_static(b"well"));
    assert!(net.run(SECOND, |net| net.hosts[0].read == 4));
    assert_eq!(
        (&net.hosts[0].got[&ours][..], &net.hosts[1].got[&theirs][..]),
        (&b"well"[..], &b"how do you do"[..])
    );
    assert_eq!(net.hosts[0].utp.peer(ours), Some(addr(1)));
    // The end is said by one side, and agreed to by the other, which can speak until then.
    let now = net.now;
    net.hosts[0].utp.close(now, ours);
    assert_eq!(net.hosts[0].utp.writable(ours), 0);
    assert!(net.run(SECOND, |net| net.has(1, Event::Finished(theirs))));
    assert!(!net.run(SECOND, |net| net.has(0, Event::Closed(ours, Reason::Closed))));
    let now = net.now;
    net.hosts[1].utp.close(now, theirs);
    assert!(net.run(SECOND, |net| net.has(0, Event::Closed(ours, Reason::Closed))));
    assert!(net.run(SECOND, |net| net.has(1, Event::Closed(theirs, Reason::Closed))));
    net.run(SECOND * 2, |_| false);
    assert_eq!(net.hosts.each_ref().map(|host| host.utp.connections()), [0, 0]);
    assert!(net.hosts.iter().all(|host| host.utp.next_deadline().is_none()), "nothing is left");
}

#[test]
fn all_bytes_arrive_in_order_whatever_happens() {
    let delay = Duration::from_millis(20);
    let links = [
        ("good", Link::default()),
        ("lossy", Link { loss: 50, ..Link::default() }),
        ("out of order", Link { late: 300, delay, ..Link::default() }),
        ("twice", Link { twice: 200, ..Link::default() }),
        ("bad", Link { loss: 100, late: 200, twice: 100, delay, ..Link::default() }),
        ("tiny queue", Link { queue: 12_000, ..Link::default() }),
    ];
    for (name, link) in links {
        for seed in 0..4 {
            let mut net = pair(link, seed);
            let there = pattern(200_000, seed);
            let back = pattern(100_000, seed + 100);
            let ours = net.connect();
            net.hosts[0].todo.insert(ours, there.clone());
            assert!(
                net.run(SECOND * 30, |net| net.accepted(1).is_some()),
                "{name} {seed} {:?}",
                net.hosts[0].events
            );
            let theirs = net.accepted(1).unwrap();
            net.hosts[1].todo.insert(theirs, back.clone());
            let done = |net: &Net| net.hosts[1].read == 200_000 && net.hosts[0].read == 100_000;
            assert!(net.run(SECOND * 120, done), "{name} {seed}: {:?}", net.hosts[0].utp.statistics(ours));
            assert!(net.hosts[1].got[&theirs] == there && net.hosts[0].got[&ours] == back, "{name} {seed}");
            for (host, handle) in [(0, ours), (1, theirs)] {
                let now = net.now;
                net.hosts[host].utp.close(now, handle);
            }
            let closed = |net: &Net| {
                net.has(0, Event::Closed(ours, Reason::Closed))
                    && net.has(1, Event::Closed(theirs, Reason::Closed))
            };
            assert!(
                net.run(SECOND * 60, closed),
                "{name} {seed}: {:?} {:?}",
                net.hosts[0].events,
                net.hosts[1].events
            );
        }
    }
}

#[test]
fn numbers_and_clocks_begin_again() {
    let starts_late = |seed: u64| {
        let mut net = pair(Link::default(), seed);
        net.connect();
        let mut syn = Vec::new();
        net.hosts[0].utp.transmit(net.now, &mut syn, 1);
        u16::from_be_bytes([syn[16], syn[17]]) > 65_200
    };
    let seed = (0..).find(|seed| starts_late(*seed)).unwrap();
    let mut net = pair(Link { delay: Duration::from_micros(100), ..Link::default() }, seed);
    let ours = net.connect();
    net.hosts.iter_mut().for_each(|host| host.keeps = false);
    assert!(net.run(SECOND, |net| net.has(0, Event::Connected(ours))));
    // The clock of 32 bits goes round in 71 minutes and 35 seconds; packets are sent on both sides of it.
    for round in 1..=34u32 {
        let total = u64::from(round) * 40 * 1380;
        net.hosts[0].todo.insert(ours, pattern(40 * 1380, round.into()));
        assert!(net.run(SECOND, |net| net.hosts[1].read == total), "{round}");
        net.run(SECOND * 300, |_| false);
        let statistics = net.hosts[0].utp.statistics(ours).unwrap();
        assert!(statistics.queueing.unwrap() < Duration::from_millis(10), "{round}: {statistics:?}");
        assert_eq!((statistics.lost, statistics.timeouts), (0, 0), "{round}");
    }
}

#[test]
fn a_window_that_is_closed_opens_again() {
    let limits = Limits { receive_window: 20_000, ..Limits::default() };
    let mut net = Net::new([Link::default(); 2], [Limits::default(), limits], 5);
    let ours = net.connect();
    net.hosts[0].todo.insert(ours, pattern(100_000, 5));
    net.hosts[1].reads = false;
    assert!(
        !net.run(SECOND * 200, |net| net.has(0, Event::Closed(ours, Reason::TimedOut))),
        "it is asked and answers"
    );
    let statistics = net.hosts[0].utp.statistics(ours).unwrap();
    assert!(statistics.under_way <= 1, "one byte asks for room: {statistics:?}");
    net.hosts[1].reads = true;
    assert!(net.run(SECOND * 2, |net| net.hosts[1].read == 100_000), "the room is told of at once");
    let theirs = net.accepted(1).unwrap();
    assert!(net.hosts[1].got[&theirs] == pattern(100_000, 5));
}

#[test]
fn a_full_buffer_takes_no_more() {
    let limits = Limits { send_buffer: 50_000, ..Limits::default() };
    let mut net = Net::new([Link::default(); 2], [limits; 2], 6);
    let ours = net.connect();
    let mut bytes = pattern(80_000, 6);
    let now = net.now;
    assert_eq!(net.hosts[0].utp.writable(ours), 50_000);
    assert_eq!((net.hosts[0].utp.write(now, ours, &mut bytes), bytes.len()), (50_000, 30_000));
    assert_eq!((net.hosts[0].utp.write(now, ours, &mut bytes), net.hosts[0].utp.writable(ours)), (0, 0));
    assert!(net.run(SECOND, |net| net.has(0, Event::Writable(ours))));
    assert!(net.hosts[0].utp.writable(ours) >= 12_500);
}

#[test]
fn small_writes_share_packets() {
    let mut net = pair(Link::default(), 7);
    let ours = net.connect();
    assert!(net.run(SECOND, |net| net.has(0, Event::Connected(ours))));
    let before = net.ways[0].passed;
    for _ in 0..1000 {
        let now = net.now;
        net.hosts[0].utp.write(now, ours, &mut Bytes::from_static(b"0123456789"));
        net.run(Duration::from_micros(50), |_| false);
    }
    assert!(net.run(SECOND, |net| net.hosts[1].read == 10_000));
    let packets = (net.ways[0].passed - before - 10_000) / 48;
    assert!((8..20).contains(&packets), "{packets}: one that is not full may be under way");
}

#[test]
fn sizes_are_found() {
    for (mtu, expected) in [(1472, 1472), (1464, 1464), (1300, 1400), (65_507, 1472)] {
        let mut net = pair(Link { mtu, ..Link::default() }, 8);
        let ours = net.connect();
        net.hosts[0].todo.insert(ours, pattern(2_000_000, 8));
        assert!(net.run(SECOND * 20, |net| net.hosts[1].read == 2_000_000));
        let theirs = net.accepted(1).unwrap();
        assert!(net.hosts[1].got[&theirs] == pattern(2_000_000, 8));
        assert_eq!(net.hosts[0].utp.statistics(ours).unwrap().datagram, expected, "{mtu}");
        assert!(net.too_large <= 3, "{} were tried in vain", net.too_large);
        // Nothing was lost but what was too large, and that does not count.
        assert_eq!(net.ways[0].dropped, 0);
    }
}

#[test]
fn a_loss_at_the_end_is_found_soon() {
    let mut net = pair(Link::default(), 14);
    let ours = net.connect();
    net.hosts[0].todo.insert(ours, pattern(100_000, 14));
    assert!(net.run(SECOND, |net| net.hosts[1].read == 100_000));
    net.run(SECOND, |_| false);
    let begun = net.now;
    net.hosts[0].todo.insert(ours, pattern(20_000, 15));
    // A few pass, the rest of them does not.
    net.run(Duration::from_micros(500), |_| false);
    net.ways[0].link.loss = 1000;
    net.run(Duration::from_millis(15), |_| false);
    net.ways[0].link.loss = 0;
    assert!(net.run(SECOND, |net| net.hosts[1].read == 120_000));
    let statistics = net.hosts[0].utp.statistics(ours).unwrap();
    assert_eq!(statistics.timeouts, 0);
    assert!(net.now - begun < Duration::from_millis(150), "{:?} {statistics:?}", net.now - begun);
}

#[test]
fn who_does_not_answer_is_given_up() {
    let mut net = pair(Link { loss: 1000, ..Link::default() }, 9);
    let ours = net.connect();
    let begun = net.now;
    assert!(net.run(SECOND * 60, |net| net.has(0, Event::Closed(ours, Reason::TimedOut))));
    assert_eq!(net.now - begun, SECOND * 15, "1, 2, 4 and 8 seconds");
    let mut net = pair(Link::default(), 10);
    let ours = net.connect();
    assert!(net.run(SECOND, |net| net.has(0, Event::Connected(ours))));
    net.ways.iter_mut().for_each(|way| way.link.loss = 1000);
    net.hosts[0].todo.insert(ours, pattern(10_000, 1));
    let begun = net.now;
    assert!(net.run(SECOND * 200, |net| net.has(0, Event::Closed(ours, Reason::TimedOut))));
    assert!((SECOND * 30..SECOND * 70).contains(&(net.now - begun)), "{:?}", net.now - begun);
    assert_eq!(net.hosts[0].utp.connections(), 0);
}

#[test]
fn a_silent_connection_is_kept_alive() {
    let mut net = pair(Link::default(), 11);
    let ours = net.connect();
    assert!(net.run(SECOND, |net| net.has(0, Event::Connected(ours))));
    net.run(SECOND, |_| false);
    let before = net.ways[0].passed;
    net.run(SECOND * 290, |_| false);
    assert_eq!((net.ways[0].passed - before) / 48, 10, "one packet of 20 bytes in 29 seconds");
    assert_eq!(net.hosts[0].events.len() + net.hosts[1].events.len(), 2);
}

#[test]
fn an_end_that_is_broken_off() {
    let mut net = pair(Link::default(), 12);
    let ours = net.connect();
    net.hosts[0].todo.insert(ours, pattern(1000, 1));
    assert!(net.run(SECOND, |net| net.hosts[1].read == 1000));
    let theirs = net.accepted(1).unwrap();
    net.hosts[1].utp.abort(theirs);
    assert!(net.run(SECOND, |net| net.has(0, Event::Closed(ours, Reason::Reset))));
    assert_eq!(net.hosts.each_ref().map(|host| host.utp.connections()), [0, 0]);
    // Whom nobody knows is told so when it speaks.
    let ours = net.connect();
    assert!(net.run(SECOND, |net| net.has(0, Event::Connected(ours))));
    let seed = net.hosts[1].utp.connections();
    assert_eq!(seed, 1);
    net.hosts[1].utp = super::super::Utp::new(Limits::default(), net.now, 99);
    net.hosts[0].todo.insert(ours, pattern(1000, 1));
    assert!(net.run(SECOND, |net| net.has(0, Event::Closed(ours, Reason::Reset))));
    // Who closes before the peer has answered is not known to it.
    let ours = net.connect();
    let now = net.now;
    net.hosts[0].utp.close(now, ours);
    net.run(SECOND, |_| false);
    assert!(net.has(0, Event::Closed(ours, Reason::Closed)) && net.hosts[0].utp.connections() == 0);
}

#[test]
fn what_was_written_arrives_before_the_end() {
    let mut net = pair(Link { loss: 50, ..Link::default() }, 13);
    let ours = net.connect();
    let mut bytes = pattern(300_000, 13);
    assert!(net.run(SECOND * 10, |net| net.has(0, Event::Connected(ours))));
    let now = net.now;
    assert_eq!(net.hosts[0].utp.write(now, ours, &mut bytes), 300_000);
    net.hosts[0].utp.close(now, ours);
    assert!(
        net.run(SECOND * 60, |net| net.hosts[1]
            .events
            .iter()
            .any(|event| matches!(event, Event::Finished(_))))
    );
    let theirs = net.accepted(1).unwrap();
    assert!(net.hosts[1].got[&theirs] == pattern(300_000, 13));
}
