//! One who fetches among peers of every kind, in virtual time.

use std::collections::BTreeSet;

use super::*;
use crate::proto::bittorrent::hash::{Sha1, Sha256};
use crate::proto::bittorrent::random::Random;

/// What a peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Honest,
    /// It sends other bytes than the right ones in this piece.
    Lies(u32),
    /// It says this length, and sends zeros.
    SaysSize(u32),
    /// It says nothing.
    Silent,
    /// It refuses everything.
    Refuses,
    /// It takes so many seconds for each piece.
    Slow(u64),
}

/// What has come of it.
#[derive(Debug)]
struct Outcome {
    /// Whether all has come, and is right.
    is_there: bool,
    seconds: u64,
    banned: BTreeSet<u32>,
    asked: BTreeMap<u32, u32>,
    /// How often it was told that there is something to do.
    polls: u32,
}

fn info(size: u32) -> Bytes {
    let mut random = Random::new(u64::from(size));
    (0..size).map(|_| random.next() as u8).collect()
}

/// Bytes of a piece, as a peer of this kind has them.
fn data(kind: Kind, info: &Bytes, piece: u32) -> Bytes {
    let begin = piece as usize * BLOCK as usize;
    let size = if let Kind::SaysSize(size) = kind { size } else { info.len() as u32 };
    let length = length(size, piece);
    match kind {
        Kind::SaysSize(_) => vec![0; length].into(),
        Kind::Lies(wrong) if wrong == piece => vec![0xab; length].into(),
        _ => info.slice(begin..begin + length),
    }
}

/// Fetches a dictionary from peers, each of which answers after 100 ms as its kind does, for an hour at most.
fn fetch(hash: InfoHash, info: &Bytes, kinds: &[Kind]) -> Outcome {
    let begun = Instant::now();
    let mut now = begun;
    let mut fetch = Fetch::new(hash);
    for (kind, key) in kinds.iter().zip(0..) {
        let size = if let Kind::SaysSize(size) = kind { *size } else { info.len() as u32 };
        fetch.join(now, PeerKey(key), size);
    }
    let mut outcome =
        Outcome { is_there: false, seconds: 0, banned: BTreeSet::new(), asked: BTreeMap::new(), polls: 0 };
    // What is on its way, by the time at which it comes.
    let mut answers: BTreeMap<(Instant, u32), (PeerKey, Metadata)> = BTreeMap::new();
    let mut busy: BTreeMap<PeerKey, Instant> = BTreeMap::new();
    let mut number = 0;
    while now < begun + Duration::from_secs(3600) {
        outcome.polls += 1;
        while let Some(todo) = fetch.poll(now) {
            match todo {
                Todo::Ask(key, Metadata::Request { piece }) => {
                    *outcome.asked.entry(key.0).or_default() += 1;
                    let kind = kinds[key.0 as usize];
                    let took = match kind {
                        Kind::Slow(seconds) => Duration::from_secs(seconds),
                        _ => Duration::from_millis(100),
                    };
                    let at = busy.entry(key).or_insert(now);
                    *at = (*at).max(now) + took;
                    let total = if let Kind::SaysSize(size) = kind { size } else { info.len() as u32 };
                    let answer = match kind {
                        Kind::Silent => continue,
                        Kind::Refuses => Metadata::Reject { piece },
                        _ => Metadata::Data { piece, total, data: data(kind, info, piece) },
                    };
                    number += 1;
                    answers.insert((*at, number), (key, answer));
                }
                Todo::Ask(..) => panic!("only requests are sent"),
                Todo::Ban(key) => assert!(outcome.banned.insert(key.0), "each is banned once"),
                Todo::Done(done) => {
                    assert_eq!(done, info);
                    outcome.is_there = true;
                }
            }
        }
        if outcome.is_there {
            break;
        }
        let next = answers.keys().next().map(|(at, _)| *at);
        let Some(next) = next.into_iter().chain(fetch.deadline()).min() else { break };
        assert!(next > now || answers.keys().any(|(at, _)| *at <= now), "what is due was done");
        now = next;
        while let Some(first) = answers.first_entry().filter(|first| first.key().0 <= now) {
            let (key, answer) = first.remove();
            fetch.heard(now, key, answer).unwrap();
        }
    }
    outcome.seconds = now.duration_since(begun).as_secs();
    outcome
}

fn v1(info: &Bytes) -> InfoHash {
    InfoHash::V1(Sha1::of(info))
}

#[test]
fn from_peers_of_every_kind() {
    use Kind::{Honest, Lies, Refuses, SaysSize, Silent, Slow};
    const SIZE: u32 = 6 * BLOCK + 100;
    let bytes = info(SIZE);
    for (kinds, seconds, banned) in [
        (&[Honest][..], 1, &[][..]),
        (&[Honest, Honest, Honest], 1, &[]),
        // Who does not answer is asked for nothing that others could not give.
        (&[Silent, Refuses, Honest], 1, &[]),
        (&[Silent, Silent, Silent, Honest], 12, &[]),
        (&[Slow(3)], 30, &[]),
        (&[Slow(9), Honest], 2, &[]),
        // One that lies alone is found at once, and one among others as soon as somebody else has sent all.
        (&[Lies(0)], 1, &[0]),
        (&[Lies(2), Honest], 3, &[0]),
        (&[Honest, Lies(0), Honest, Lies(6), Honest], 4, &[]),
        (&[Lies(0), Lies(1), Lies(2), Lies(3), Lies(4), Honest], 8, &[]),
        // What most say is tried first; from there it goes on as nothing comes, or what comes is wrong.
        (&[SaysSize(MAX_METADATA), Honest, Honest], 1, &[]),
        (&[SaysSize(100), Honest], 3, &[0]),
        (&[SaysSize(100), SaysSize(100), SaysSize(100), Honest], 4, &[]),
    ] {
        let outcome = fetch(v1(&bytes), &bytes, kinds);
        let is_there = kinds.iter().any(|kind| matches!(kind, Honest | Slow(_)));
        assert_eq!(outcome.is_there, is_there, "{kinds:?}: {outcome:?}");
        assert!(outcome.seconds <= seconds, "{kinds:?}: {outcome:?}");
        assert!(banned.iter().all(|key| outcome.banned.contains(key)), "{kinds:?}: {outcome:?}");
        for key in &outcome.banned {
            let kind = kinds[*key as usize];
            assert!(matches!(kind, Lies(_) | SaysSize(_)), "{kinds:?}: {outcome:?}");
        }
        assert!(outcome.polls < 400, "{kinds:?}: {outcome:?}");
    }
}

#[test]
fn a_length_of_which_nothing_comes_is_given_up() {
    let bytes = info(BLOCK + 1);
    let mut kinds = vec![Kind::Silent; 3];
    kinds.push(Kind::SaysSize(5));
    // The silent ones say the right length, and the others are more.
    let says_wrong = [Kind::SaysSize(5); 5];
    let outcome = fetch(v1(&bytes), &bytes, &[&kinds[..], &says_wrong, &[Kind::Honest]].concat());
    assert!(outcome.is_there, "{outcome:?}");
    assert!(outcome.seconds < 60, "{outcome:?}");
    assert!(outcome.banned.iter().all(|key| (3..9).contains(key)), "{outcome:?}");
}

#[test]
fn swarms_by_chance() {
    let mut random = Random::new(1);
    for round in 0..60 {
        let size = 1 + random.below(8 * BLOCK);
        let bytes = info(size);
        let mut kinds: Vec<Kind> = (0..random.below(12))
            .map(|_| match random.below(7) {
                0 => Kind::Lies(random.below(size.div_ceil(BLOCK))),
                1 => Kind::SaysSize(1 + random.below(9 * BLOCK)),
                2 => Kind::Silent,
                3 => Kind::Refuses,
                4 => Kind::Slow(1 + u64::from(random.below(8))),
                _ => Kind::Honest,
            })
            .collect();
        kinds.insert(random.below(kinds.len() as u32 + 1) as usize, Kind::Honest);
        let outcome = fetch(v1(&bytes), &bytes, &kinds);
        assert!(outcome.is_there, "round {round}: {kinds:?}: {outcome:?}");
        assert!(outcome.seconds < 300, "round {round}: {kinds:?}: {outcome:?}");
        for key in &outcome.banned {
            let kind = kinds[*key as usize];
            assert!(matches!(kind, Kind::Lies(_) | Kind::SaysSize(_)), "round {round}: {kinds:?}");
        }
    }
}

#[test]
fn either_hash_is_compared() {
    let bytes = info(100);
    let (sha1, sha256) = (Sha1::of(&bytes), Sha256::of(&bytes));
    for hash in [InfoHash::V1(sha1), InfoHash::V2(sha256), InfoHash::Hybrid(sha1, sha256)] {
        assert!(fetch(hash, &bytes, &[Kind::Honest]).is_there);
    }
    let mixed = InfoHash::Hybrid(sha1, Sha256::of(b""));
    let outcome = fetch(mixed, &bytes, &[Kind::Honest]);
    assert_eq!((outcome.is_there, outcome.banned), (false, BTreeSet::from([0])));
}

#[test]
fn requests_are_spread_and_bounded() {
    let bytes = info(40 * BLOCK);
    let outcome = fetch(v1(&bytes), &bytes, &[Kind::Honest; 8]);
    assert!(outcome.asked.values().all(|asked| (4..=8).contains(asked)), "{:?}", outcome.asked);
    let now = Instant::now();
    let mut fetch = Fetch::new(v1(&bytes));
    for key in 0..3 {
        fetch.join(now, PeerKey(key), 40 * BLOCK);
    }
    let mut asked = 0;
    while fetch.poll(now).is_some() {
        asked += 1;
    }
    assert_eq!(asked, 3 * ASKED, "and no more until something comes");
    assert_eq!(fetch.deadline(), Some(now + PATIENCE));
}

#[test]
fn what_is_not_to_be_believed() {
    let bytes = info(2 * BLOCK);
    let now = Instant::now();
    let key = PeerKey(1);
    let mut fetch = Fetch::new(v1(&bytes));
    for size in [0, MAX_METADATA + 1, u32::MAX] {
        fetch.join(now, key, size);
        assert_eq!((fetch.poll(now), fetch.deadline()), (None, None), "{size} bytes are too few or many");
    }
    let data = |piece: u32, total, length| Metadata::Data { piece, total, data: vec![0; length].into() };
    let ask = |piece| Some(Todo::Ask(key, Metadata::Request { piece }));
    assert_eq!(fetch.heard(now, key, data(0, 5, 5)), Ok(()), "of somebody who was not asked");
    fetch.join(now, key, 2 * BLOCK);
    assert_eq!((fetch.poll(now), fetch.poll(now), fetch.poll(now)), (ask(0), ask(1), None));
    assert_eq!(fetch.heard(now, key, data(2, 0, 16384)), Ok(()), "a piece that nobody has asked for");
    assert_eq!(fetch.heard(now, key, data(u32::MAX, 0, 16384)), Ok(()));
    assert_eq!(fetch.heard(now, key, Metadata::Reject { piece: 7 }), Ok(()));
    assert_eq!(fetch.heard(now, key, Metadata::Request { piece: 0 }), Ok(()));
    let wrong = FetchError::Length { piece: 0, length: 16383 };
    assert_eq!(fetch.heard(now, key, data(0, 0, 16383)), Err(wrong));
    assert_eq!(wrong.to_string(), "piece 0 of the metadata has 16383 bytes");
    fetch.join(now, key, 2 * BLOCK);
    assert_eq!((fetch.poll(now), fetch.poll(now)), (ask(0), ask(1)));
    let wrong = FetchError::Total { said: 2 * BLOCK, now: 5 };
    assert_eq!(fetch.heard(now, key, data(0, 5, 16384)), Err(wrong));
    assert_eq!(fetch.poll(now), None, "it is not asked any more");
}

#[test]
fn who_leaves_or_says_something_else_is_replaced() {
    let bytes = info(BLOCK);
    let now = Instant::now();
    let mut fetch = Fetch::new(v1(&bytes));
    fetch.join(now, PeerKey(1), BLOCK);
    fetch.join(now, PeerKey(1), BLOCK);
    let ask = |key| Some(Todo::Ask(PeerKey(key), Metadata::Request { piece: 0 }));
    assert_eq!((fetch.poll(now), fetch.poll(now)), (ask(1), None), "the same once more is nothing new");
    fetch.leave(PeerKey(1));
    assert_eq!(fetch.poll(now), None);
    fetch.join(now, PeerKey(2), BLOCK);
    assert_eq!(fetch.poll(now), ask(2));
    // Late, it is not asked for a while, and then again.
    let late = now + PATIENCE;
    assert_eq!((fetch.poll(late), fetch.deadline()), (None, Some(now + Duration::from_secs(20))));
    let rested = late + REST;
    assert_eq!((fetch.poll(rested), fetch.poll(rested)), (ask(2), None));
    let data = Metadata::Data { piece: 0, total: BLOCK, data: bytes.clone() };
    fetch.heard(rested, PeerKey(2), data).unwrap();
    assert_eq!(fetch.poll(rested), Some(Todo::Done(bytes)));
    fetch.join(rested, PeerKey(3), BLOCK);
    assert_eq!((fetch.poll(rested), fetch.deadline()), (None, None), "nothing follows");
}

#[test]
fn pieces_are_given_twice_a_minute() {
    let bytes = info(2 * BLOCK + 1);
    let begun = Instant::now();
    let (key, other) = (PeerKey(1), PeerKey(2));
    let mut serving = Serving::new(bytes.clone());
    assert_eq!(serving.size(), 2 * BLOCK + 1);
    let mut whole = Vec::new();
    for piece in 0..3 {
        let Metadata::Data { piece: same, total, data } = serving.answer(begun, key, piece) else {
            panic!("piece {piece} is there");
        };
        assert_eq!((same, total), (piece, 2 * BLOCK + 1));
        whole.extend_from_slice(&data);
    }
    assert_eq!(whole, bytes);
    for piece in [3, 4, u32::MAX] {
        assert_eq!(serving.answer(begun, key, piece), Metadata::Reject { piece }, "there is none");
    }
    let given = |serving: &mut Serving, now, key| {
        (0..100).filter(|_| matches!(serving.answer(now, key, 0), Metadata::Data { .. })).count()
    };
    assert_eq!(given(&mut serving, begun, key), 16 - 3);
    assert_eq!(given(&mut serving, begun, other), 16, "each has its own");
    let at = |seconds| begun + Duration::from_secs(seconds);
    assert_eq!(given(&mut serving, at(59), key), 0);
    assert_eq!(given(&mut serving, at(60), key), 16);
    serving.leave(key);
    assert_eq!(given(&mut serving, at(60), key), 16);
    assert_eq!(given(&mut Serving::new(info(16 * BLOCK)), begun, key), 32, "twice all of it");
    assert_eq!(given(&mut Serving::new(Bytes::new()), begun, key), 0);
}
