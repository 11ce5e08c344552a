//! Peers that are asked for blocks, as the rules say, until everything is there.

use std::collections::BTreeSet;

use super::*;
use crate::proto::bittorrent::metainfo::{File, FileKind};

const PEER: PeerKey = PeerKey(1);
const OTHER: PeerKey = PeerKey(2);
const THIRD: PeerKey = PeerKey(3);

/// One file of so many blocks, in pieces of four.
fn layout(blocks: u32) -> Layout {
    let file = File {
        path: vec!["f".to_owned()],
        length: u64::from(blocks) * u64::from(BLOCK) - 1,
        offset: 0,
        kind: FileKind::Regular,
        executable: false,
        root: None,
    };
    Layout::new(vec![file], 4 * BLOCK, false).unwrap()
}

fn picker(layout: &Layout) -> Picker {
    Picker::new(Bitfield::none(layout.pieces()), 1)
}

fn asks(picker: &mut Picker, layout: &Layout, wish: Wish<'_>) -> Vec<(u32, u32)> {
    let mut blocks = Vec::new();
    picker.pick(layout, &wish, &mut blocks);
    check(picker);
    blocks.iter().map(|block| (block.piece, block.begin / BLOCK)).collect()
}

fn wish(peer: PeerKey, has: &Bitfield, blocks: u32) -> Wish<'_> {
    Wish { peer, has, only: None, blocks, whole: false, run: false }
}

fn block(piece: u32, number: u32) -> Block {
    Block { piece, begin: number * BLOCK, length: BLOCK }
}

#[track_caller]
fn check(picker: &Picker) {
    assert_eq!(picker.free, picker.partial.values().map(Partial::free).sum::<u32>());
    assert!(picker.rarity.pieces().iter().all(|piece| picker.is_open(*piece)));
    let missing = (0..picker.have.pieces()).filter(|piece| picker.wants(*piece)).count();
    assert_eq!(picker.missing as usize, missing);
}

#[test]
fn pieces_that_have_begun_come_first() {
    let layout = layout(12);
    let mut picker = picker(&layout);
    let all = Bitfield::all(3);
    let first = asks(&mut picker, &layout, wish(PEER, &all, 3));
    let piece = first[0].0;
    assert_eq!(first, [(piece, 0), (piece, 1), (piece, 2)]);
    let second = asks(&mut picker, &layout, wish(OTHER, &all, 2));
    assert_eq!(second[0], (piece, 3), "the rest of it");
    assert_ne!(second[1].0, piece);
}

#[test]
fn the_rarest_piece_is_begun() {
    let layout = layout(12);
    let mut picker = picker(&layout);
    let mut common = Bitfield::all(3);
    common.clear(1);
    picker.peer_came(&common);
    picker.peer_came(&Bitfield::all(3));
    assert_eq!([0, 1, 2].map(|piece| picker.available(piece)), [2, 1, 2]);
    assert_eq!(asks(&mut picker, &layout, wish(PEER, &Bitfield::all(3), 1)), [(1, 0)]);
    picker.peer_left(&common);
    assert_eq!([0, 1, 2].map(|piece| picker.available(piece)), [1, 1, 1]);
    // One that gets its last piece is a seed.
    picker.peer_came(&common);
    picker.peer_got(1, &Bitfield::all(3));
    assert_eq!((picker.available(0), picker.seeds), (2, 2));
}

#[test]
fn of_a_peer_with_few_pieces_those_are_looked_at() {
    let layout = layout(4 * 1000);
    let mut picker = picker(&layout);
    let mut few = Bitfield::none(1000);
    few.set(17);
    few.set(900);
    picker.peer_came(&few);
    picker.peer_came(&few);
    few.set(500);
    picker.peer_came(&few);
    assert_eq!(asks(&mut picker, &layout, wish(PEER, &few, 1)), [(500, 0)]);
    let only = Wish { only: Some(&[900, 3]), ..wish(OTHER, &few, 9) };
    let asked = asks(&mut picker, &layout, only);
    assert_eq!(asked, [(900, 0), (900, 1), (900, 2), (900, 3)], "what it gives to whom it chokes");
}

#[test]
fn fast_peers_have_pieces_to_themselves() {
    let layout = layout(12);
    let mut picker = picker(&layout);
    let all = Bitfield::all(3);
    let fast = |peer, blocks| Wish { whole: true, ..wish(peer, &all, blocks) };
    let one = asks(&mut picker, &layout, fast(PEER, 2))[0].0;
    let two = asks(&mut picker, &layout, fast(OTHER, 2))[0].0;
    assert_ne!(one, two);
    assert_eq!(asks(&mut picker, &layout, fast(PEER, 2)), [(one, 2), (one, 3)]);
    // A slow one takes what is left, and in the end what is another's.
    let slow = asks(&mut picker, &layout, wish(THIRD, &all, 6));
    assert_eq!(slow.iter().filter(|(piece, _)| *piece == two).count(), 2);
    assert_eq!(slow.len(), 6);
    assert!(picker.is_endgame());
}

#[test]
fn from_the_first_to_the_last() {
    let layout = layout(40);
    let mut picker = picker(&layout);
    picker.set_strategy(Strategy::Sequential);
    let mut some = Bitfield::all(10);
    some.clear(0);
    assert_eq!(asks(&mut picker, &layout, wish(PEER, &some, 5))[4], (2, 0));
    assert_eq!(asks(&mut picker, &layout, wish(OTHER, &Bitfield::all(10), 8))[3], (0, 0));
    picker.set_priority(4, 0);
    let asked = asks(&mut picker, &layout, wish(OTHER, &Bitfield::all(10), 4));
    assert_eq!(asked, [(3, 1), (3, 2), (3, 3), (5, 0)]);
}

#[test]
fn priorities() {
    let layout = layout(12);
    let mut picker = picker(&layout);
    let all = Bitfield::all(3);
    picker.set_priority(0, 0);
    picker.set_priority(2, MAX_PRIORITY);
    assert_eq!(picker.missing(), 2);
    let asked = asks(&mut picker, &layout, wish(PEER, &all, 99));
    let pieces: Vec<u32> = asked.iter().map(|(piece, _)| *piece).collect();
    assert_eq!(pieces, [2, 2, 2, 2, 1, 1, 1, 1]);
    assert!(picker.is_endgame(), "what is not wanted is not waited for");
    picker.set_priority(0, 1);
    assert!(!picker.is_endgame());
    assert_eq!(asks(&mut picker, &layout, wish(OTHER, &all, 1)), [(0, 0)]);
}

#[test]
fn what_is_waited_for_is_asked_of_several() {
    let layout = layout(40);
    let mut picker = picker(&layout);
    let all = Bitfield::all(10);
    picker.set_urgent(vec![7, 8]);
    assert_eq!(asks(&mut picker, &layout, wish(PEER, &all, 4)), [(7, 0), (7, 1), (7, 2), (7, 3)]);
    let asked = asks(&mut picker, &layout, wish(OTHER, &all, 8));
    assert_eq!(asked, [(7, 0), (7, 1), (7, 2), (7, 3), (8, 0), (8, 1), (8, 2), (8, 3)]);
}

#[test]
fn in_the_end_blocks_are_asked_for_twice_and_cancelled() {
    let layout = layout(4);
    let mut picker = picker(&layout);
    let all = Bitfield::all(1);
    assert_eq!(asks(&mut picker, &layout, wish(PEER, &all, 99)).len(), 4);
    assert_eq!(asks(&mut picker, &layout, wish(PEER, &all, 99)), [], "not twice of the same");
    assert_eq!(asks(&mut picker, &layout, wish(OTHER, &all, 99)).len(), 4);
    assert_eq!(asks(&mut picker, &layout, wish(THIRD, &all, 99)), [], "and not three times");
    assert_eq!(picker.came(block(0, 1), OTHER), Arrival::Taken { cancel: Some(PEER), whole: false });
    assert_eq!(picker.came(block(0, 1), PEER), Arrival::Again);
    assert_eq!(picker.came(block(0, 2), THIRD), Arrival::Unasked);
    picker.lost(block(0, 0), PEER);
    assert_eq!(asks(&mut picker, &layout, wish(THIRD, &all, 1)), [(0, 0)]);
    for number in [0, 2, 3] {
        let whole = number == 3;
        assert!(
            matches!(picker.came(block(0, number), OTHER), Arrival::Taken { whole: now, .. } if now == whole)
        );
    }
    assert_eq!(picker.senders(0), [Some(OTHER); 4]);
    assert!(picker.verified(0) && !picker.verified(0));
    assert_eq!((picker.missing(), picker.came(block(0, 0), THIRD)), (0, Arrival::Again));
}

#[test]
fn a_wrong_piece_comes_again_from_one_alone() {
    let layout = layout(8);
    let mut picker = picker(&layout);
    let all = Bitfield::all(2);
    let piece = asks(&mut picker, &layout, wish(PEER, &all, 2))[0].0;
    asks(&mut picker, &layout, wish(OTHER, &all, 2));
    for (number, peer) in [(0, PEER), (1, PEER), (2, OTHER), (3, OTHER)] {
        picker.came(block(piece, number), peer);
    }
    picker.failed(piece);
    check(&picker);
    assert_eq!(asks(&mut picker, &layout, wish(OTHER, &all, 1)), [(piece, 0)]);
    assert!(asks(&mut picker, &layout, wish(PEER, &all, 9)).iter().all(|(asked, _)| *asked != piece));
    picker.came(block(piece, 0), OTHER);
    // It leaves: what it has sent is not enough.
    picker.released(OTHER);
    let asked = asks(&mut picker, &layout, wish(THIRD, &all, 9));
    assert_eq!(asked[..4], [0, 1, 2, 3].map(|number| (piece, number)));
}

#[test]
fn what_was_there_before_is_not_fetched() {
    let layout = layout(8);
    let mut picker = picker(&layout);
    picker.resume(&layout, 1, [0, 2, 9], PeerKey(0));
    let all = Bitfield::all(2);
    assert_eq!(asks(&mut picker, &layout, wish(PEER, &all, 2)), [(1, 1), (1, 3)]);
    picker.verified(0);
    picker.vanished(0);
    check(&picker);
    assert_eq!(asks(&mut picker, &layout, wish(PEER, &all, 1)), [(0, 0)]);
}

/// A torrent with many peers that have, give, choke, lie and leave by chance, until all of it is there.
#[test]
fn everything_comes_whatever_peers_do() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let layout = layout(4 * 40 - random.below(4));
        let mut picker = Picker::new(Bitfield::none(layout.pieces()), seed);
        if seed % 3 == 0 {
            picker.set_strategy(Strategy::Sequential);
        }
        let mut peers: Vec<(Bitfield, BTreeSet<Block>)> = Vec::new();
        for number in 0..8 {
            let mut has = Bitfield::none(layout.pieces());
            (0..layout.pieces())
                .filter(|_| number == 0 || random.below(2) == 0)
                .for_each(|piece| assert!(has.set(piece)));
            picker.peer_came(&has);
            peers.push((has, BTreeSet::new()));
        }
        let mut steps = 0;
        while picker.missing() > 0 {
            steps += 1;
            assert!(steps < 200_000, "it does not end");
            let number = random.below(8);
            let key = PeerKey(number + 1);
            let (has, asked) = &mut peers[number as usize];
            match random.below(20) {
                0..=9 => {
                    let mut blocks = Vec::new();
                    let wish = Wish { whole: number.is_multiple_of(2), ..wish(key, has, random.below(6)) };
                    picker.pick(&layout, &wish, &mut blocks);
                    for block in blocks {
                        assert!(
                            has.has(block.piece) && asked.insert(block),
                            "asked twice, or for what it has not"
                        );
                        let end = block.begin + block.length;
                        assert!(block.length > 0 && end <= layout.piece_size(block.piece));
                    }
                }
                10..=17 => {
                    let Some(block) = asked.pop_first() else { continue };
                    match picker.came(block, key) {
                        Arrival::Taken { cancel, whole } => {
                            if let Some(PeerKey(other)) = cancel {
                                assert!(peers[other as usize - 1].1.remove(&block), "it was not asked");
                            }
                            if whole && random.below(10) == 0 {
                                picker.failed(block.piece);
                            } else if whole {
                                picker.verified(block.piece);
                            }
                        }
                        other => panic!("{other:?}"),
                    }
                }
                _ => {
                    for block in std::mem::take(asked) {
                        picker.lost(block, key);
                    }
                    picker.released(key);
                }
            }
            if steps % 50 == 0 {
                check(&picker);
            }
        }
        check(&picker);
        assert!(picker.have().is_all() && picker.begun() == 0);
    }
}

#[test]
fn who_is_asked_by_http_is_asked_for_pieces_that_follow_each_other() {
    let layout = layout(160);
    let (mut picker, all) = (picker(&layout), Bitfield::all(40));
    let run = |blocks| Wish { whole: true, run: true, ..wish(PEER, &all, blocks) };
    let mut asked = asks(&mut picker, &layout, run(6));
    asked.extend(asks(&mut picker, &layout, run(10)));
    let pieces: Vec<u32> = asked.iter().step_by(4).map(|(piece, _)| *piece).collect();
    let steps = pieces.windows(2).filter(|two| two[1] == two[0] + 1).count();
    // At the end of the torrent it begins elsewhere.
    assert!(pieces.len() == 4 && steps >= 2, "{pieces:?}");
    // What is wanted more comes first.
    let wanted =
        (0..40).find(|piece| !pieces.contains(piece) && !pieces.contains(&(piece.max(&1) - 1))).unwrap();
    picker.set_priority(wanted, MAX_PRIORITY);
    assert_eq!(asks(&mut picker, &layout, run(4))[0], (wanted, 0));
}
