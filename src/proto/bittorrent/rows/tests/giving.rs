//! What is given to whom.

use super::*;

fn range(root: Sha256, (layer, index, length, proofs): (u32, u32, u32, u32)) -> HashRange {
    HashRange { root, layer, index, length, proofs }
}

/// The answer: hashes, or nothing if it is a refusal.
fn given(layout: &Layout, layers: &Layers, range: HashRange) -> Option<Vec<u8>> {
    given_by(&mut Serving::new(), layout, layers, range)
}

fn given_by(serving: &mut Serving, layout: &Layout, layers: &Layers, range: HashRange) -> Option<Vec<u8>> {
    serving.leave(PeerKey(1));
    match serving.answer(Instant::now(), PeerKey(1), layout, layers, range) {
        Message::Hashes { range: same, hashes } => {
            assert_eq!(same, range);
            Some(hashes.to_vec())
        }
        Message::HashReject(same) => {
            assert_eq!(same, range);
            None
        }
        other => panic!("{other:?}"),
    }
}

/// A file of five blocks, of which each is full of its number, in pieces of a block.
fn five() -> (Arc<Layout>, Layers, Sha256) {
    let row: Vec<Sha256> = (0..5).map(|number| Sha256::of(&[number; BLOCK as usize])).collect();
    let root = merkle::root(&row, 0);
    let layout = Layout::new(vec![file(0, 5 * u64::from(BLOCK), Some(root))], BLOCK, true).unwrap();
    let mut layers = Layers::default();
    assert!(layers.insert(&layout, &layout.files()[0], row));
    (Arc::new(layout), layers, root)
}

#[test]
fn answers_are_those_of_libtorrent() {
    let (layout, layers, root) = five();
    // What libtorrent 2.1.1 has sent: how many hashes, and the hash over all of them.
    for (asked, count, sha256) in [
        ((0, 0, 8, 2), 8, "ed9119a5d03d43fff7cde31bd6d3918267cca15e946c4689050106e31c31ca97"),
        ((0, 0, 2, 2), 4, "17833699d62426d50baebe831ba14f66f9b3e5c2a5e186e92bf0a33847ad0096"),
        ((0, 4, 2, 2), 4, "d38c2cf39fcd9a99efd337f756149e83c46e7380dc473cd90ff788d7df68f415"),
        ((0, 2, 2, 1), 3, "b7c57cc83a991769f66bcc46750965b1d1c4b737107a948780778d74e61f23eb"),
        ((0, 2, 2, 0), 2, "ca93ba2c3a43211ef471fc52d1e6bac03c02b31ece8e8ba560cb487253d5e0e9"),
        ((0, 0, 4, 2), 5, "5b0f9e83101756f94824b83c987adda59ffc2ad467f97cfad45b0f22c4f13977"),
        ((0, 4, 4, 2), 5, "dbc22c3a79467a09807f22addf073cbc0be0f60d628fdbc70be41b52320caa26"),
        // All of the row, cut off at its end.
        ((0, 0, 5, 2), 5, "25c1341289a30003efb551f7c61054884ceb5a463f382138ad087c3588a0bcc1"),
    ] {
        let hashes = given(&layout, &layers, range(root, asked)).unwrap();
        assert_eq!(
            (hashes.len(), Sha256::of(&hashes).to_string().as_str()),
            (count * 32, sha256),
            "{asked:?}"
        );
    }
}

#[test]
fn the_last_node_alone_has_its_sibling_as_an_uncle() {
    // libtorrent asks so for the last piece of 513, and takes an answer with all that lead to the root.
    let (layout, layers) = torrent(&[513], BLOCK);
    let root = layout.files()[0].root.unwrap();
    let row = layers.get(root).unwrap();
    let hashes = given(&layout, &layers, range(root, (0, 512, 1, 9))).unwrap();
    let (hashes, _) = hashes.as_chunks::<32>();
    let hashes: Vec<Sha256> = hashes.iter().copied().map(Sha256).collect();
    assert_eq!(hashes[..2], [row[512], Sha256([0; 32])]);
    assert!(merkle::proves(&hashes[..1], 512, &hashes[1..], root));
}

#[test]
fn rows_of_every_length_lead_to_their_roots() {
    for (pieces, piece_length) in
        [(2, BLOCK), (3, 4 * BLOCK), (5, BLOCK), (511, BLOCK), (512, 2 * BLOCK), (1300, 64 * BLOCK)]
    {
        let (layout, layers) = torrent(&[pieces], piece_length);
        let root = layout.files()[0].root.unwrap();
        let (row, layer) = (layers.get(root).unwrap(), piece_height(piece_length));
        let height = merkle::height(row.len());
        let mut serving = Serving::new();
        for length in [1, 2, 5, 9].into_iter().filter(|level| *level <= height).map(|level| 1u32 << level) {
            // The first ones, those around the middle, and the last ones.
            let last = (pieces - 1) / length;
            for index in [0, last / 2, last].map(|part| part * length) {
                let whole = range(root, (layer, index, length, height - 1));
                let hashes = given_by(&mut serving, &layout, &layers, whole).unwrap();
                let nodes = check(whole, &hashes).unwrap();
                assert!(row[index as usize..].iter().zip(&nodes).all(|(node, same)| node == same));
                let pads = nodes.len().saturating_sub(row.len() - index as usize);
                assert!(nodes[nodes.len() - pads..].iter().all(|node| *node == merkle::nothing(layer)));
                let uncles = merkle::uncles(row, layer, index as usize, length as usize).unwrap();
                let uncles: Vec<u8> = uncles.iter().flat_map(|uncle| uncle.0).collect();
                assert_eq!(hashes[length as usize * 32..], uncles, "{pieces} {index} {length}");
                // With fewer proof layers there are fewer uncles, and nothing else changes.
                for proofs in [0, height / 2] {
                    let fewer = HashRange { proofs, ..whole };
                    let fewer = given_by(&mut serving, &layout, &layers, fewer).unwrap();
                    let count = (proofs + 1).saturating_sub(length.trailing_zeros());
                    assert_eq!(
                        fewer,
                        hashes[..(length + count) as usize * 32],
                        "{pieces} {index} {length} {proofs}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_refused() {
    let (layout, layers) = torrent(&[1500, 1], 2 * BLOCK);
    let [root, short] = [0, 1].map(|file| layout.files()[file].root.unwrap());
    for (asked, why) in [
        ((0, 0, 512, 10), "leaves"),
        ((2, 0, 512, 9), "a row above that of the pieces"),
        ((u32::MAX, 0, 2, 0), "a row that is not there"),
        ((1, 0, 0, 10), "no node"),
        ((1, 4, 1, 10), "one node"),
        ((1, 0, 3, 10), "no power of two"),
        ((1, 0, 1024, 10), "too many"),
        ((1, 0, 1500, 10), "too many, and cut off"),
        ((1, 1, 2, 10), "no multiple"),
        ((1, 1499, 1, 10), ""),
        ((1, 1498, 2, 10), ""),
        ((1, 1497, 3, 10), "no multiple at the end"),
        ((1, 1500, 2, 10), "behind the end, where there is no piece"),
        ((1, 2048, 512, 10), "behind the end"),
        ((1, 0, 512, 11), "the root as a proof"),
        ((1, u32::MAX, u32::MAX, u32::MAX), "the largest numbers"),
        ((1, 1 << 31, 512, 10), "a large index"),
    ] {
        assert_eq!(
            given(&layout, &layers, range(root, asked)).is_none(),
            !why.is_empty(),
            "{asked:?}: {why}"
        );
    }
    assert_eq!(given(&layout, &layers, range(short, (1, 0, 2, 0))), None, "a file of one piece has no row");
    assert_eq!(given(&layout, &layers, range(short, (0, 0, 2, 0))), None, "its leaves are not known here");
    assert_eq!(given(&layout, &layers, range(Sha256([7; 32]), (1, 0, 2, 0))), None, "of no file");
    assert_eq!(given(&layout, &Layers::default(), range(root, (1, 0, 512, 10))), None, "not there yet");
}

#[test]
fn requests_of_chance_are_answered() {
    let (layout, layers) = torrent(&[700, 3], BLOCK);
    let mut random = Random::new(5);
    let mut serving = Serving::new();
    let mut answered = 0;
    for round in 0..3000 {
        let root = layout.files()[round % 2].root.unwrap();
        // Most are of the row that there is.
        let layer = (random.below(3) / 2) * random.below(u32::MAX);
        let [index, length, proofs] = [(); 3].map(|()| match random.below(4) {
            0 => random.next() as u32,
            1 => 1 << random.below(32),
            _ => random.below(9),
        });
        let asked = (layer, index, length, proofs);
        let answer =
            serving.answer(Instant::now(), PeerKey(round as u32), &layout, &layers, range(root, asked));
        answered += u32::from(matches!(answer, Message::Hashes { .. }));
    }
    assert!(answered > 20, "{answered}");
}

#[test]
fn all_is_given_twice_a_minute() {
    let (layout, layers) = torrent(&[2 * 512, 2], BLOCK);
    let root = layout.files()[0].root.unwrap();
    let begun = Instant::now();
    let at = |seconds| begun + Duration::from_secs(seconds);
    let mut serving = Serving::new();
    let mut count = |now, key| {
        let asked = range(root, (0, 0, 512, 9));
        let mut answer = || serving.answer(now, PeerKey(key), &layout, &layers, asked);
        let count = (0..200).filter(|_| matches!(answer(), Message::Hashes { .. })).count();
        if key == 3 {
            serving.leave(PeerKey(3));
        }
        count
    };
    assert_eq!((count(begun, 1), count(begun, 2)), (64, 64), "each has its own");
    assert_eq!((count(at(59), 1), count(at(60), 1)), (0, 64));
    assert_eq!((count(begun, 3), count(begun, 3)), (64, 64), "who has left is forgotten");
    // What is refused anyway does not count.
    let mut serving = Serving::new();
    let mut answer =
        |index| serving.answer(begun, PeerKey(1), &layout, &layers, range(root, (0, index, 2, 9)));
    (0..100).for_each(|_| assert!(matches!(answer(1), Message::HashReject(_))));
    assert!(matches!(answer(0), Message::Hashes { .. }));
    // Of many files each is one request at least.
    let (layout, layers) = torrent(&[2; 50], BLOCK);
    let root = layout.files()[0].root.unwrap();
    let mut serving = Serving::new();
    let mut answer = || serving.answer(begun, PeerKey(1), &layout, &layers, range(root, (0, 0, 2, 0)));
    assert_eq!((0..200).filter(|_| matches!(answer(), Message::Hashes { .. })).count(), 100);
}
