//! uTP: what arrives is what was written, in order, whatever the network does; and nobody is sent more than a small packet who has not proven where it is.
//!
//! The first byte says who speaks: a peer by hand that means well but is in disorder (`h`), a network between two sockets (`n`), or anybody (`p`): packets, each behind
//! its length.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use wireworks::proto::bittorrent::utp::{Event, Handle, Limits, Utp};

use super::super::Choices;

/// Bytes of a header, and of a datagram on Ethernet.
const HEADER: usize = 20;
const LONGEST: usize = 1500;
/// Decisions that are looked at.
const DECISIONS: usize = 400;

const DATA: u8 = 0;
const STATE: u8 = 2;
const SYN: u8 = 4;

/// Says whether it comes to a good end.
pub(crate) fn check(input: &[u8]) -> bool {
    let mut choices = Choices(input);
    match choices.byte() {
        b'p' => packets(&mut choices),
        b'h' => by_hand(&mut choices),
        b'n' => network(&mut choices),
        _ => false,
    }
}

fn addr(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 6881))
}

/// All that a socket sends now: to whom, and the bytes.
fn sent(utp: &mut Utp, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
    let (mut all, mut buffer) = (Vec::new(), Vec::new());
    while let Some(transmit) = utp.transmit(now, &mut buffer, 16) {
        assert!((HEADER..=LONGEST).contains(&transmit.segment) && !buffer.is_empty());
        assert!(!transmit.probe || buffer.len() == transmit.segment, "a probe is one datagram");
        all.extend(buffer.chunks(transmit.segment).map(|bytes| (transmit.to, bytes.to_vec())));
        buffer.clear();
        assert!(all.len() < 10_000, "there is no end of it");
    }
    assert!(all.iter().all(|(_, bytes)| Utp::is_packet(bytes)));
    all
}

/// What is read of a connection now.
fn read(utp: &mut Utp, handle: Handle) -> Vec<u8> {
    std::iter::from_fn(|| utp.read(handle)).flatten().collect()
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// A packet; `mask` is a selective acknowledgement.
fn packet(kind: u8, connection: u16, sequence: u16, ack: u16, mask: &[u8], payload: &[u8]) -> Bytes {
    let mut bytes = vec![kind << 4 | 1, u8::from(!mask.is_empty())];
    bytes.extend(connection.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 1, 0, 0x10, 0, 0]);
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(ack.to_be_bytes());
    if !mask.is_empty() {
        bytes.extend([0, mask.len() as u8]);
        bytes.extend(mask);
    }
    bytes.extend(payload);
    bytes.into()
}

/// The payload of a packet that we have sent, behind its extensions.
fn payload(bytes: &[u8]) -> &[u8] {
    let (mut at, mut extension) = (HEADER, bytes[1]);
    while extension != 0 {
        extension = bytes[at];
        at += 2 + usize::from(bytes[at + 1]);
    }
    &bytes[at..]
}

/// A good packet by the letters of BEP 29.
fn is_packet(bytes: &[u8]) -> bool {
    let Some((head, mut rest)) = bytes.split_at_checked(HEADER) else { return false };
    let mut extension = head[1];
    while extension != 0 {
        let [next, length, after @ ..] = rest else { return false };
        let Some(behind) = after.get(usize::from(*length)..) else { return false };
        (extension, rest) = (*next, behind);
    }
    head[0] & 0x0f == 1 && head[0] >> 4 <= 4
}

/// Packets of anybody at a socket that has asked one of them for a connection.
fn packets(choices: &mut Choices<'_>) -> bool {
    let mut now = Instant::now();
    let limits = Limits { connections: 6, half_open: 3, resets: 5, ..Limits::default() };
    let mut utp = Utp::new(limits, now, 9);
    let handle = utp.connect(now, addr(1)).unwrap();
    sent(&mut utp, now);
    let (mut all_good, mut count, mut known) = (true, 0, BTreeSet::from([handle]));
    while !choices.is_empty() && count < DECISIONS {
        count += 1;
        let datagram = Bytes::copy_from_slice(choices.some());
        let from = addr(1 + datagram.last().copied().unwrap_or_default() % 3);
        let good = is_packet(&datagram);
        assert_eq!(utp.receive(now, from, datagram.clone()).is_ok(), good);
        assert!(!good || Utp::is_packet(&datagram));
        all_good &= good;
        let sent = sent(&mut utp, now);
        if !good {
            assert_eq!(sent, []);
        }
        while let Some(event) = utp.poll_event() {
            match event {
                Event::Accepted(handle, _) => assert!(known.insert(handle)),
                Event::Closed(handle, _) => assert!(known.remove(&handle)),
                Event::Connected(handle)
                | Event::Readable(handle)
                | Event::Writable(handle)
                | Event::Finished(handle) => assert!(known.contains(&handle)),
            }
        }
        // Who has not proven itself gets a packet without payload, and only if it said something.
        let is_proven = |to: SocketAddr| known.iter().any(|handle| utp.peer(*handle) == Some(to));
        for (to, bytes) in &sent {
            assert!(is_proven(*to) || *to == from && bytes.len() == HEADER, "{} bytes to {to}", bytes.len());
        }
        assert!(sent.iter().filter(|(to, _)| !is_proven(*to)).count() <= 1);
        assert!(utp.connections() <= limits.connections);
        if count % 4 == 0 {
            now = utp.next_deadline().map_or(now, |deadline| deadline.max(now));
            utp.handle_timeout(now);
            assert!(utp.next_deadline().is_none_or(|deadline| deadline > now), "it would be called for ever");
            let repeated = self::sent(&mut utp, now);
            assert!(repeated.iter().all(|(to, _)| known.iter().any(|handle| utp.peer(*handle) == Some(*to))));
        }
    }
    all_good && count > 0
}

/// The payload of the packet of this number.
fn stuff(number: usize) -> Vec<u8> {
    let [high, low] = (number as u16).to_be_bytes();
    vec![high, low, b'-', low ^ 0x55, high ^ 0x55][..3 + number % 3].to_vec()
}

/// A peer that sends the packets of a stream in any order, and acknowledges what it likes.
fn by_hand(choices: &mut Choices<'_>) -> bool {
    const FIRST: u16 = 65_530;
    let mut now = Instant::now();
    let mut utp = Utp::new(Limits::default(), now, 11);
    let peer = addr(5);
    utp.receive(now, peer, packet(SYN, 700, FIRST - 1, 0, b"", b"")).unwrap();
    let hello = sent(&mut utp, now);
    assert_eq!((hello.len(), hello[0].1.len(), word(&hello[0].1, 18)), (1, HEADER, FIRST - 1));
    let number = word(&hello[0].1, 16);
    // Packets of the stream that have come, and what was read of it.
    let (mut come, mut got) = (BTreeSet::new(), Vec::new());
    // What the other side has written, and its packets by number.
    let (mut written, mut theirs) = (Vec::new(), BTreeMap::<u16, Vec<u8>>::new());
    let mut handle = None;
    for _ in 0..DECISIONS {
        if choices.is_empty() {
            break;
        }
        let next = (0..).find(|number| !come.contains(number)).unwrap_or_default();
        let whole = (0..).find(|at| !theirs.contains_key(&number.wrapping_add(*at))).unwrap_or_default();
        let ack = number.wrapping_add(whole).wrapping_sub(1);
        match choices.below(8) {
            decision @ 0..4 => {
                let at = (next + decision * choices.below(12)).saturating_sub(choices.below(3));
                let sequence = FIRST.wrapping_add(at as u16);
                utp.receive(now, peer, packet(DATA, 701, sequence, ack, b"", &stuff(at))).unwrap();
                come.insert(at);
            }
            4 => {
                let (back, mask) = (u16::from(choices.byte() % 4), choices.take(4));
                let sequence = FIRST.wrapping_add(next as u16);
                utp.receive(now, peer, packet(STATE, 701, sequence, ack.wrapping_sub(back), mask, b""))
                    .unwrap();
            }
            5 => {
                let mut bytes = Bytes::from(vec![written.len() as u8; 1 + 9 * usize::from(choices.byte())]);
                let all = bytes.clone();
                let taken = handle.map_or(0, |handle| utp.write(now, handle, &mut bytes));
                written.extend_from_slice(&all[..taken]);
            }
            6 => {
                now += Duration::from_millis(20 * u64::from(choices.byte()));
                utp.handle_timeout(now);
            }
            _ => {
                // No part of any connection.
                let (from, id) = if choices.flag() { (addr(6), 701) } else { (peer, 710) };
                utp.receive(now, from, packet(DATA, id, FIRST, ack, b"", b"no")).unwrap();
            }
        }
        while let Some(event) = utp.poll_event() {
            match event {
                Event::Accepted(accepted, from) => {
                    assert!(from == peer && handle.replace(accepted).is_none());
                }
                // It has waited too long for acknowledgements.
                Event::Closed(..) => return false,
                _ => {}
            }
        }
        let mut heard = 0;
        for (to, bytes) in sent(&mut utp, now) {
            heard += usize::from(to == peer && payload(&bytes).is_empty());
            if bytes[0] >> 4 == DATA {
                assert!(handle.is_some() && to == peer && word(&bytes, 2) == 700);
                let said = payload(&bytes).to_vec();
                assert!(!said.is_empty());
                assert_eq!(*theirs.entry(word(&bytes, 16)).or_insert(said.clone()), said, "another payload");
            }
        }
        assert!(heard <= 2, "{heard} acknowledgements of one packet");
        let Some(handle) = handle else {
            // Who proves nothing for long is forgotten.
            if utp.connections() == 0 {
                return false;
            }
            assert!(come.is_empty(), "a packet with the right number proves where it is from");
            continue;
        };
        got.extend(read(&mut utp, handle));
        let expected: Vec<u8> = (0..).take_while(|number| come.contains(number)).flat_map(stuff).collect();
        assert_eq!(got, expected);
        let whole = (0..).map_while(|at| theirs.get(&number.wrapping_add(at)));
        let whole: Vec<u8> = whole.flatten().copied().collect();
        assert!(written.starts_with(&whole), "what was written is sent in order");
        assert!(utp.statistics(handle).is_some() && utp.connections() == 1);
    }
    !got.is_empty()
}

/// Two sockets, and a network between them that loses, repeats and delays as it is told.
fn network(choices: &mut Choices<'_>) -> bool {
    let begun = Instant::now();
    let mut now = begun;
    let mut sides = [1, 2].map(|seed| Utp::new(Limits::default(), now, seed));
    let said: Vec<u8> = (0..40 * usize::from(choices.byte())).map(|at| (at * 7 + at / 256) as u8).collect();
    let calling = sides[0].connect(now, addr(1)).unwrap();
    let (mut todo, mut answering, mut got) = (Bytes::from(said.clone()), None, Vec::new());
    let (mut under_way, mut finished, mut over): (VecDeque<(usize, Vec<u8>)>, _, _) =
        (VecDeque::new(), false, [false; 2]);
    let (mut decisions, mut connected, mut closed) = (0, false, false);
    for _ in 0..20_000 {
        for side in 0..2 {
            while let Some(event) = sides[side].poll_event() {
                match event {
                    Event::Connected(handle) => {
                        assert!(side == 0 && handle == calling);
                        connected = true;
                    }
                    Event::Accepted(handle, from) => {
                        assert!(side == 1 && from == addr(0) && answering.replace(handle).is_none());
                    }
                    Event::Finished(_) => finished |= side == 1,
                    Event::Closed(_, _) => over[side] = true,
                    Event::Readable(_) | Event::Writable(_) => {}
                }
            }
        }
        sides[0].write(now, calling, &mut todo);
        if let Some(handle) = answering {
            got.extend(read(&mut sides[1], handle));
        }
        assert!(said.starts_with(&got), "what arrives is what was written");
        if connected && todo.is_empty() && !closed {
            closed = true;
            sides[0].close(now, calling);
        }
        if finished && got.len() == said.len() {
            answering.into_iter().for_each(|handle| sides[1].close(now, handle));
        }
        if over == [true; 2] || over[0] && answering.is_none() {
            break;
        }
        for (side, utp) in sides.iter_mut().enumerate() {
            for (receiver, bytes) in sent(utp, now) {
                assert_eq!(receiver, addr(1 - side as u8));
                under_way.push_back((1 - side, bytes));
            }
        }
        let Some((to, bytes)) = under_way.pop_front() else {
            let deadline = sides.iter().filter_map(Utp::next_deadline).min();
            now = deadline.unwrap_or(now).max(now + Duration::from_millis(1));
            sides.iter_mut().for_each(|side| side.handle_timeout(now));
            continue;
        };
        decisions += 1;
        match if decisions < DECISIONS { choices.below(8) } else { 0 } {
            1 => continue,
            2 => under_way.push_front((to, bytes.clone())),
            3 if !under_way.is_empty() => {
                under_way.push_back((to, bytes));
                continue;
            }
            4 => now += Duration::from_millis(u64::from(choices.byte())),
            _ => {}
        }
        now += Duration::from_micros(200);
        sides[to].receive(now, addr(1 - to as u8), bytes.into()).unwrap();
        sides.iter_mut().for_each(|side| side.handle_timeout(now));
    }
    // It may have given up, but not in silence.
    assert!(over[0], "the caller never hears of the end");
    finished && got.len() == said.len()
}
