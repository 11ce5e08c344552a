//! One who fetches among peers of every kind.

use std::collections::BTreeSet;

use super::*;

/// What a peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Honest,
    /// It has the pieces of every second part only, and refuses others.
    Half(u32),
    /// It changes a bit in what it sends.
    Lies,
    /// It sends less than it was asked for.
    Cuts,
    Silent,
    Refuses,
    /// It takes so many seconds for each answer.
    Slow(u64),
}

#[derive(Debug, Default)]
struct Outcome {
    done: bool,
    seconds: u64,
    left: BTreeSet<u32>,
    known: BTreeSet<usize>,
    asked: BTreeMap<u32, u32>,
}

fn has(kind: Kind, layout: &Layout) -> Bitfield {
    let Kind::Half(odd) = kind else { return Bitfield::all(layout.pieces()) };
    let mut has = Bitfield::none(layout.pieces());
    for file in 0..layout.files().len() {
        let pieces = layout.pieces_of(file);
        let first = pieces.start;
        pieces.filter(|piece| (piece - first) / MAX_LENGTH % 2 == odd).for_each(|piece| {
            has.set(piece);
        });
    }
    has
}

/// Fetches all rows, from peers that answer after 100 ms each as its kind does, for an hour at most.
fn fetch(layout: &Arc<Layout>, right: &Layers, kinds: &[Kind]) -> Outcome {
    let begun = Instant::now();
    let (mut now, mut number) = (begun, 0);
    let mut layers = Layers::default();
    let mut rows = Rows::new(layout.clone(), &layers);
    let mut serving = Serving::new();
    for (kind, key) in kinds.iter().zip(0..) {
        rows.join(now, PeerKey(key), &has(*kind, layout));
    }
    let mut outcome = Outcome::default();
    let mut answers: BTreeMap<(Instant, u32), (PeerKey, Message)> = BTreeMap::new();
    let mut busy: BTreeMap<PeerKey, Instant> = BTreeMap::new();
    while now < begun + Duration::from_secs(3600) {
        while let Some(todo) = rows.poll(now) {
            match todo {
                Todo::Ask(key, range) => {
                    assert!(!outcome.left.contains(&key.0), "who has lied is not asked");
                    *outcome.asked.entry(key.0).or_default() += 1;
                    let kind = kinds[key.0 as usize];
                    let took = if let Kind::Slow(seconds) = kind { seconds * 1000 } else { 100 };
                    let at = busy.entry(key).or_insert(now);
                    *at = (*at).max(now) + Duration::from_millis(took);
                    let mut answer = serving.answer(now, key, layout, right, range);
                    match (kind, &mut answer) {
                        (Kind::Silent, _) => continue,
                        (Kind::Refuses, _) => answer = Message::HashReject(range),
                        (Kind::Half(odd), _) => assert_eq!(range.index / MAX_LENGTH % 2, odd, "what it has"),
                        (Kind::Lies, Message::Hashes { hashes, .. }) => {
                            let mut wrong = hashes.to_vec();
                            wrong[number as usize % hashes.len()] ^= 4;
                            *hashes = wrong.into();
                        }
                        (Kind::Cuts, Message::Hashes { hashes, .. }) => hashes.truncate(hashes.len() - 32),
                        _ => {}
                    }
                    number += 1;
                    answers.insert((*at, number), (key, answer));
                }
                Todo::Known(file) => {
                    assert!(layers.get(layout.files()[file].root.unwrap()).is_some());
                    assert!(outcome.known.insert(file), "each once");
                }
                Todo::Never(file) => panic!("{file} is right"),
                Todo::Done => outcome.done = true,
            }
        }
        if outcome.done {
            break;
        }
        let next = answers.keys().next().map(|(at, _)| *at);
        let Some(next) = next.into_iter().chain(rows.deadline()).min() else { break };
        assert!(next > now || answers.keys().any(|(at, _)| *at <= now), "what is due was done");
        now = next;
        while let Some(first) = answers.first_entry().filter(|first| first.key().0 <= now) {
            match first.remove() {
                (key, Message::Hashes { range, hashes }) => {
                    if rows.heard(now, key, range, &hashes, &mut layers).is_err() {
                        assert!(matches!(kinds[key.0 as usize], Kind::Lies | Kind::Cuts));
                        outcome.left.insert(key.0);
                    }
                }
                (key, Message::HashReject(range)) => rows.refused(now, key, range),
                (_, other) => panic!("{other:?}"),
            }
        }
    }
    outcome.seconds = now.duration_since(begun).as_secs();
    assert!(!outcome.done || layers == *right);
    outcome
}

#[test]
fn from_peers_of_every_kind() {
    use Kind::{Cuts, Half, Honest, Lies, Refuses, Silent, Slow};
    let (layout, layers) = torrent(&[1, 1500, 0, 2, 513], 4 * BLOCK);
    for (kinds, seconds) in [
        (&[Honest][..], 1),
        (&[Honest; 5], 1),
        (&[Half(0), Half(1)], 1),
        (&[Silent, Refuses, Honest], 11),
        (&[Silent, Silent, Honest, Honest], 11),
        (&[Lies, Cuts, Honest], 1),
        (&[Slow(3)], 40),
        // Slower than anybody waits: late answers are taken all the same.
        (&[Slow(12)], 200),
        (&[Slow(9), Honest], 1),
        (&[Lies, Cuts, Silent, Refuses, Half(1), Half(0), Slow(30)], 21),
    ] {
        let outcome = fetch(&layout, &layers, kinds);
        assert!(outcome.done && outcome.seconds <= seconds, "{kinds:?}: {outcome:?}");
        assert_eq!(outcome.known, BTreeSet::from([1, 3, 4]), "those that need a row");
        for (kind, key) in kinds.iter().zip(0..) {
            let lies = matches!(kind, Lies | Cuts);
            assert!(!lies || outcome.left.contains(&key), "{kinds:?}: {outcome:?}");
        }
    }
    for kinds in [&[][..], &[Half(0)], &[Lies, Cuts], &[Refuses, Silent]] {
        let outcome = fetch(&layout, &layers, kinds);
        assert!(!outcome.done, "{kinds:?}: {outcome:?}");
        // Who refuses is asked a few times in half a minute.
        assert!(outcome.asked.values().all(|asked| *asked <= 120 * 6), "{kinds:?}: {outcome:?}");
    }
}

#[test]
fn swarms_by_chance() {
    let mut random = Random::new(7);
    for round in 0..25 {
        let mut pieces = |_| {
            let most = 1 << random.below(12);
            random.below(most)
        };
        let files: Vec<u32> = (0..1 + round % 6).map(&mut pieces).collect();
        let (layout, layers) = torrent(&[&files[..], &[2]].concat(), BLOCK << random.below(3));
        let mut kinds: Vec<Kind> = (0..random.below(10))
            .map(|_| match random.below(7) {
                0 => Kind::Lies,
                1 => Kind::Cuts,
                2 => Kind::Silent,
                3 => Kind::Refuses,
                4 => Kind::Slow(1 + u64::from(random.below(20))),
                5 => Kind::Half(random.below(2)),
                _ => Kind::Honest,
            })
            .collect();
        kinds.insert(random.below(kinds.len() as u32 + 1) as usize, Kind::Honest);
        let outcome = fetch(&layout, &layers, &kinds);
        assert!(outcome.done && outcome.seconds <= 60, "round {round}: {files:?} {kinds:?}: {outcome:?}");
    }
}

#[test]
fn what_is_asked_for() {
    let now = Instant::now();
    for (pieces, expected) in [
        (2, &[(0, 2, 0)][..]),
        (3, &[(0, 4, 1)]),
        (512, &[(0, 512, 8)]),
        (513, &[(0, 512, 9), (512, 2, 9)]),
        (600, &[(0, 512, 9), (512, 128, 9)]),
        (1500, &[(0, 512, 10), (512, 512, 10), (1024, 512, 10)]),
    ] {
        let (layout, _) = torrent(&[pieces], 8 * BLOCK);
        let root = layout.files()[0].root.unwrap();
        let mut rows = Rows::new(layout.clone(), &Layers::default());
        rows.join(now, PeerKey(1), &Bitfield::all(pieces));
        for (index, length, proofs) in expected.iter().copied() {
            let range = HashRange { root, layer: 3, index, length, proofs };
            assert_eq!(rows.poll(now), Some(Todo::Ask(PeerKey(1), range)), "{pieces}");
        }
        assert_eq!(rows.poll(now), None);
    }
}

#[test]
fn requests_are_spread_and_bounded() {
    let (layout, layers) = torrent(&[24 * 512 + 1], BLOCK);
    let outcome = fetch(&layout, &layers, &[Kind::Honest; 5]);
    assert!(outcome.asked.values().all(|asked| (4..=8).contains(asked)), "{:?}", outcome.asked);
    let now = Instant::now();
    let mut rows = Rows::new(layout.clone(), &Layers::default());
    for key in 0..3 {
        rows.join(now, PeerKey(key), &Bitfield::all(layout.pieces()));
    }
    let asked: Vec<_> = std::iter::from_fn(|| rows.poll(now)).collect();
    assert_eq!(asked.len(), 3 * ASKED, "and no more until something comes");
    assert_eq!(rows.deadline(), Some(now + PATIENCE));
    // When there is nothing else, two are asked for the same, and no third one.
    let (layout, _) = torrent(&[5], BLOCK);
    let mut rows = Rows::new(layout, &Layers::default());
    (0..5).for_each(|key| rows.join(now, PeerKey(key), &Bitfield::all(5)));
    assert_eq!(std::iter::from_fn(|| rows.poll(now)).count(), ASKERS as usize);
}

#[test]
fn who_has_a_piece_is_asked() {
    let (layout, _) = torrent(&[1, 1024, 2], BLOCK);
    let now = Instant::now();
    let key = PeerKey(1);
    let mut rows = Rows::new(layout.clone(), &Layers::default());
    let asked = |rows: &mut Rows| match rows.poll(now) {
        Some(Todo::Ask(_, range)) => Some((range.index, range.length)),
        other => {
            assert_eq!(other, None);
            None
        }
    };
    rows.join(now, key, &Bitfield::none(1026));
    assert_eq!(asked(&mut rows), None, "of another number of pieces");
    rows.join(now, key, &Bitfield::none(1027));
    rows.has(key, 0);
    rows.has(key, 1027);
    rows.has(PeerKey(2), 5);
    assert_eq!(asked(&mut rows), None);
    rows.has(key, 1024);
    assert_eq!((asked(&mut rows), asked(&mut rows)), (Some((512, 512)), None));
    rows.has(key, 1026);
    rows.has(key, 1);
    assert_eq!((asked(&mut rows), asked(&mut rows), asked(&mut rows)), (Some((0, 512)), Some((0, 2)), None));
    // Who joins again has what it says then.
    let mut has = Bitfield::none(1027);
    has.set(700);
    rows.join(now, key, &has);
    assert_eq!((asked(&mut rows), asked(&mut rows)), (Some((512, 512)), None));
}

#[test]
fn what_is_wrong_is_known_at_once() {
    let (layout, right) = torrent(&[600], BLOCK);
    let root = layout.files()[0].root.unwrap();
    let (now, key) = (Instant::now(), PeerKey(1));
    let range = HashRange { root, layer: 0, index: 512, length: 128, proofs: 9 };
    let Message::Hashes { hashes, .. } = Serving::new().answer(now, key, &layout, &right, range) else {
        panic!("it is there");
    };
    let mut layers = Layers::default();
    let mut hear = |hashes: &[u8]| {
        let mut rows = Rows::new(layout.clone(), &layers);
        rows.join(now, key, &Bitfield::all(600));
        while rows.poll(now).is_some() {}
        let heard = rows.heard(now, key, range, hashes, &mut layers);
        assert_eq!(rows.peers.contains_key(&key), heard.is_ok());
        assert_eq!(rows.open.has(1), heard.is_err(), "it is asked of others");
        heard
    };
    assert_eq!(hear(&hashes), Ok(()));
    for found in (0..hashes.len()).step_by(97).chain([hashes.len() - 1, hashes.len() - 32]) {
        assert_eq!(hear(&hashes[..found]), Err(RowsError::Length { found, expected: 131 * 32 }));
    }
    let mut wrong = hashes.to_vec();
    for at in (0..wrong.len()).step_by(61) {
        wrong[at] ^= 0x10;
        assert_eq!(hear(&wrong), Err(RowsError::Proof { root, index: 512 }), "byte {at}");
        wrong[at] ^= 0x10;
    }
    let error = RowsError::Length { found: 5, expected: 64 };
    assert_eq!(error.to_string(), "5 bytes of hashes, where 64 were asked for");
}

#[test]
fn what_nobody_has_asked_for_is_passed_over() {
    let (layout, right) = torrent(&[600], BLOCK);
    let root = layout.files()[0].root.unwrap();
    let (now, key) = (Instant::now(), PeerKey(1));
    let mut layers = Layers::default();
    let mut rows = Rows::new(layout.clone(), &layers);
    let asked = HashRange { root, layer: 0, index: 0, length: 512, proofs: 9 };
    assert_eq!(rows.heard(now, key, asked, b"", &mut layers), Ok(()), "of nobody");
    rows.join(now, key, &Bitfield::all(600));
    assert_eq!(rows.heard(now, key, asked, b"", &mut layers), Ok(()), "before it was asked");
    assert_eq!(rows.poll(now), Some(Todo::Ask(key, asked)));
    for other in [
        HashRange { root: Sha256([1; 32]), ..asked },
        HashRange { layer: 1, ..asked },
        HashRange { index: 512, ..asked },
        HashRange { length: u32::MAX, ..asked },
        HashRange { proofs: u32::MAX, ..asked },
    ] {
        assert_eq!(rows.heard(now, key, other, b"", &mut layers), Ok(()), "{other:?}");
        rows.refused(now, key, other);
    }
    let answer = |range| match Serving::new().answer(now, key, &layout, &right, range) {
        Message::Hashes { hashes, .. } => hashes,
        other => panic!("{other:?}"),
    };
    rows.heard(now, key, asked, &answer(asked), &mut layers).unwrap();
    assert_eq!(rows.heard(now, key, asked, b"", &mut layers), Ok(()), "once more");
    let Some(Todo::Ask(_, last)) = rows.poll(now) else { panic!("the second part") };
    rows.heard(now, key, last, &answer(last), &mut layers).unwrap();
    assert_eq!((rows.poll(now), rows.poll(now)), (Some(Todo::Known(0)), Some(Todo::Done)));
    rows.join(now, PeerKey(2), &Bitfield::all(600));
    assert_eq!((rows.poll(now), rows.deadline()), (None, None), "nothing follows");
}

#[test]
fn who_refuses_or_is_late_rests() {
    let (layout, right) = torrent(&[1024], BLOCK);
    let root = layout.files()[0].root.unwrap();
    let (now, key) = (Instant::now(), PeerKey(1));
    let at = |seconds| now + Duration::from_secs(seconds);
    let part = |index| HashRange { root, layer: 0, index, length: 512, proofs: 9 };
    let ask = |index| Some(Todo::Ask(key, part(index)));
    let mut layers = Layers::default();
    let mut rows = Rows::new(layout.clone(), &layers);
    rows.join(now, key, &Bitfield::all(1024));
    assert_eq!((rows.poll(now), rows.poll(now), rows.poll(now)), (ask(0), ask(512), None));
    // One part is refused; the other is still awaited, from then on.
    rows.refused(at(4), key, part(0));
    rows.has(key, 3);
    assert_eq!((rows.poll(at(4)), rows.deadline()), (None, Some(at(14))));
    assert_eq!((rows.poll(at(14)), rows.deadline()), (None, Some(at(44))));
    // What comes late is taken.
    let Message::Hashes { hashes, .. } = Serving::new().answer(now, key, &layout, &right, part(512)) else {
        panic!("it is there");
    };
    assert_eq!(rows.heard(at(20), key, part(512), &hashes, &mut layers), Ok(()));
    assert_eq!((rows.poll(at(43)), rows.poll(at(44)), rows.poll(at(44))), (None, ask(0), None));
    rows.leave(key);
    rows.leave(key);
    assert_eq!((rows.poll(at(44)), rows.deadline()), (None, None));
    // Who refuses many is asked for nothing for a while.
    let (layout, _) = torrent(&[2; 100], BLOCK);
    let mut rows = Rows::new(layout.clone(), &layers);
    rows.join(now, key, &Bitfield::all(200));
    let mut refused = 0;
    while let Some(Todo::Ask(_, range)) = rows.poll(now) {
        rows.refused(now, key, range);
        refused += 1;
    }
    assert_eq!((refused, rows.deadline()), (REFUSED, Some(now + REST)));
}

#[test]
fn files_without_a_row_of_their_own() {
    let now = Instant::now();
    // None needs one.
    let (layout, layers) = torrent(&[1, 0, 1], BLOCK);
    let mut rows = Rows::new(layout, &layers);
    assert_eq!((rows.poll(now), rows.poll(now)), (Some(Todo::Done), None));
    // All have one already, or all but one.
    let (layout, right) = torrent(&[2, 3], BLOCK);
    assert_eq!(Rows::new(layout.clone(), &right).poll(now), Some(Todo::Done));
    let mut layers = Layers::default();
    let [first, second] = layout.files() else { panic!("two files") };
    assert!(layers.insert(&layout, first, right.get(first.root.unwrap()).unwrap().to_vec()));
    let mut rows = Rows::new(layout.clone(), &layers);
    rows.join(now, PeerKey(1), &Bitfield::all(5));
    let Some(Todo::Ask(key, range)) = rows.poll(now) else { panic!("the other one") };
    assert_eq!((Some(range.root), rows.poll(now)), (second.root, None));
    let answer = Serving::new().answer(now, key, &layout, &right, range);
    let Message::Hashes { hashes, .. } = answer else { panic!("it is there") };
    rows.heard(now, key, range, &hashes, &mut layers).unwrap();
    assert_eq!((rows.poll(now), rows.poll(now)), (Some(Todo::Known(1)), Some(Todo::Done)));
}

#[test]
fn files_of_the_same_root() {
    let now = Instant::now();
    let row = nodes(9, 3);
    let root = Some(merkle::root(&row, 0));
    let block = u64::from(BLOCK);
    // The same file twice, and one that says the same of more pieces.
    let files = vec![file(0, 3 * block, root), file(1, 3 * block - 1, root), file(2, 4 * block, root)];
    let layout = Arc::new(Layout::new(files, BLOCK, true).unwrap());
    let mut layers = Layers::default();
    let mut rows = Rows::new(layout, &layers);
    rows.join(now, PeerKey(1), &Bitfield::all(10));
    let Some(Todo::Ask(key, range)) = rows.poll(now) else { panic!("a row") };
    assert_eq!(rows.poll(now), None, "it is asked for once");
    let hashes: Vec<u8> = row.iter().chain([&Sha256([0; 32])]).flat_map(|node| node.0).collect();
    rows.heard(now, key, range, &hashes, &mut layers).unwrap();
    let all: Vec<_> = std::iter::from_fn(|| rows.poll(now)).collect();
    assert_eq!(all, [Todo::Known(0), Todo::Known(1), Todo::Never(2), Todo::Done]);
}

#[test]
fn a_root_that_stands_on_more_than_the_file_has() {
    let now = Instant::now();
    // Where the file has no fourth piece, the tree has one. Peers that send it are right.
    let row = nodes(3, 4);
    let root = merkle::root(&row, 0);
    let layout = Layout::new(vec![file(0, 3 * u64::from(BLOCK), Some(root))], BLOCK, true).unwrap();
    let mut layers = Layers::default();
    let mut rows = Rows::new(Arc::new(layout), &layers);
    rows.join(now, PeerKey(1), &Bitfield::all(3));
    let Some(Todo::Ask(key, range)) = rows.poll(now) else { panic!("a row") };
    let hashes: Vec<u8> = row.iter().flat_map(|node| node.0).collect();
    assert_eq!(rows.heard(now, key, range, &hashes, &mut layers), Ok(()));
    assert_eq!((rows.poll(now), rows.poll(now)), (Some(Todo::Never(0)), None));
    assert_eq!(layers, Layers::default());
}

#[test]
fn many_files() {
    let (layout, layers) = torrent(&[2; 3000], BLOCK);
    let outcome = fetch(&layout, &layers, &[Kind::Honest, Kind::Honest, Kind::Half(1)]);
    assert!(outcome.done && outcome.known.len() == 3000, "{} s", outcome.seconds);
    assert_eq!(outcome.asked.len(), 2, "no file has a second part");
}
