//! The trees of version 2 (BEP 52, "Merkle tree"): each file has one, of SHA-256, over its blocks of 16 KiB.
//!
//! Leaves are hashes of blocks. To make their number a power of two, hashes of 32 zero bytes come behind them: not hashes of zeros. A *piece layer* is the row of the
//! tree in which each node stands for a piece.

use super::hash::Sha256;

/// What stands where a file has no block.
const NOTHING: Sha256 = Sha256([0; 32]);

/// The parent of two nodes.
#[must_use]
pub fn parent(left: Sha256, right: Sha256) -> Sha256 {
    let mut both = [0; 64];
    both[..32].copy_from_slice(&left.0);
    both[32..].copy_from_slice(&right.0);
    Sha256::of(&both)
}

/// The root of a tree of `height` levels above its leaves that has no block.
#[must_use]
pub fn nothing(height: u32) -> Sha256 {
    (0..height.min(64)).fold(NOTHING, |node, _| parent(node, node))
}

/// The levels above so many nodes, up to the root.
#[must_use]
pub fn height(nodes: usize) -> u32 {
    nodes.max(1).next_power_of_two().trailing_zeros()
}

/// The root above nodes of the row that is `row` levels above the leaves, made a power of two by what has no block. That of no nodes is a tree without blocks.
#[must_use]
pub fn root(nodes: &[Sha256], row: u32) -> Sha256 {
    root_of(nodes, row, height(nodes.len()))
}

/// The same, with as many nodes as `height` levels above them have room for.
#[must_use]
pub fn root_of(nodes: &[Sha256], row: u32, height: u32) -> Sha256 {
    let mut row_now = nodes.to_vec();
    let mut pad = nothing(row);
    for _ in 0..height {
        let above = row_now.chunks(2).map(|pair| parent(pair[0], pair.get(1).copied().unwrap_or(pad)));
        row_now = above.collect();
        pad = parent(pad, pad);
    }
    row_now.first().copied().unwrap_or(pad)
}

/// What proves that nodes are part of a tree: the other child of each parent on the way from them up to its root, the lowest first (BEP 52, "hashes").
///
/// `nodes` are `2^n` nodes of one row that share an ancestor, the first of which is the `index`th of its row, a multiple of `2^n`; `uncles` are the siblings on the way.
#[must_use]
pub fn proves(nodes: &[Sha256], index: usize, uncles: &[Sha256], root: Sha256) -> bool {
    if !nodes.len().is_power_of_two() || !index.is_multiple_of(nodes.len()) {
        return false;
    }
    let height = nodes.len().trailing_zeros();
    let (mut node, mut at) = (root_of(nodes, 0, height), index >> height);
    for uncle in uncles {
        node = if at.is_multiple_of(2) { parent(node, *uncle) } else { parent(*uncle, node) };
        at >>= 1;
    }
    at == 0 && node == root
}

/// The siblings on the way from `2^n` nodes of a row, the first of which is the `index`th, up to the root: what [`proves`] asks for. The row begins `row` levels above
/// the leaves. `None` if there are no such nodes.
#[must_use]
pub fn uncles(all: &[Sha256], row: u32, index: usize, count: usize) -> Option<Vec<Sha256>> {
    if !count.is_power_of_two() || !index.is_multiple_of(count) || index >= all.len() {
        return None;
    }
    let mut uncles = Vec::new();
    let (mut level, mut pad) = (all.to_vec(), nothing(row));
    let mut at = index;
    for step in 0..height(all.len()) {
        if step >= count.trailing_zeros() {
            uncles.push(level.get(at ^ 1).copied().unwrap_or(pad));
        }
        level = level.chunks(2).map(|pair| parent(pair[0], pair.get(1).copied().unwrap_or(pad))).collect();
        pad = parent(pad, pad);
        at >>= 1;
    }
    Some(uncles)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u8) -> Vec<Sha256> {
        (0..count).map(|number| Sha256::of(&[number])).collect()
    }

    #[test]
    fn roots() {
        let [a, b, c] = leaves(3).try_into().unwrap();
        assert_eq!(root(&[a], 0), a);
        assert_eq!(root(&[a, b], 0), parent(a, b));
        assert_eq!(root(&[a, b, c], 0), parent(parent(a, b), parent(c, NOTHING)));
        let five = root(&leaves(5), 0);
        let [d, e] = [3, 4].map(|leaf| leaves(5)[leaf]);
        let right = parent(parent(e, NOTHING), parent(NOTHING, NOTHING));
        assert_eq!(five, parent(parent(parent(a, b), parent(c, d)), right));
        assert_eq!((root(&[], 0), root(&[], 2)), (NOTHING, nothing(2)));
    }

    #[test]
    fn a_row_of_pieces_has_the_root_of_its_blocks() {
        // Pieces of four blocks; the last one has three.
        let blocks = leaves(15);
        let pieces: Vec<_> = blocks.chunks(4).map(|piece| root_of(piece, 0, 2)).collect();
        assert_eq!(root(&pieces, 2), root(&blocks, 0));
        let blocks = leaves(9);
        let pieces: Vec<_> = blocks.chunks(4).map(|piece| root_of(piece, 0, 2)).collect();
        assert_eq!(root(&pieces, 2), root(&blocks, 0), "a whole piece has no block");
    }

    #[test]
    fn nodes_are_proven_by_their_uncles() {
        for count in 1..=17u8 {
            let all = leaves(count);
            let root = root(&all, 0);
            for width in [1, 2, 4] {
                for index in (0..all.len()).step_by(width) {
                    if width > all.len().next_power_of_two() {
                        continue;
                    }
                    let mut nodes = all[index..all.len().min(index + width)].to_vec();
                    nodes.resize(width, NOTHING);
                    let uncles = uncles(&all, 0, index, width).unwrap();
                    assert!(proves(&nodes, index, &uncles, root), "{count} {width} {index}");
                    assert!(!proves(&nodes, index + width, &uncles, root), "at another place");
                    nodes[0].0[31] ^= 1;
                    assert!(!proves(&nodes, index, &uncles, root), "of another node");
                }
            }
        }
        assert_eq!(uncles(&leaves(4), 0, 1, 2), None, "two that have no common parent");
        assert_eq!(uncles(&leaves(4), 0, 4, 1), None, "behind the end");
    }
}
