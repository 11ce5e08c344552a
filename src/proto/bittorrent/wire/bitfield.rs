//! Which pieces somebody has: a bit for each, the first one the highest of the first byte (BEP 3).

/// A set of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitfield {
    bytes: Vec<u8>,
    pieces: u32,
    count: u32,
}

impl Bitfield {
    /// None of so many.
    #[must_use]
    pub fn none(pieces: u32) -> Self {
        Self { bytes: vec![0; pieces.div_ceil(8) as usize], pieces, count: 0 }
    }

    /// All of so many.
    #[must_use]
    pub fn all(pieces: u32) -> Self {
        let mut bytes = vec![0xff; pieces.div_ceil(8) as usize];
        if let Some(last) = bytes.last_mut() {
            *last <<= bytes_left(pieces);
        }
        Self { bytes, pieces, count: pieces }
    }

    /// What a peer has said of so many. `None` if it has another length, or a bit behind the last piece.
    #[must_use]
    pub fn read(bytes: &[u8], pieces: u32) -> Option<Self> {
        let fits = bytes.len() == pieces.div_ceil(8) as usize;
        let spare = bytes.last().copied().unwrap_or_default() & !(0xff << bytes_left(pieces));
        let count = bytes.iter().map(|byte| byte.count_ones()).sum();
        (fits && spare == 0).then(|| Self { bytes: bytes.to_vec(), pieces, count })
    }

    /// As it is sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many there could be.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// How many it has.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether it has all.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.count == self.pieces
    }

    /// Whether it has a piece.
    #[must_use]
    pub fn has(&self, piece: u32) -> bool {
        piece < self.pieces && self.bytes[piece as usize / 8] & bit(piece) != 0
    }

    /// Adds a piece; whether that is one that was missing.
    pub fn set(&mut self, piece: u32) -> bool {
        let is_new = piece < self.pieces && !self.has(piece);
        if is_new {
            self.bytes[piece as usize / 8] |= bit(piece);
            self.count += 1;
        }
        is_new
    }

    /// Takes a piece away; whether it was there.
    pub fn clear(&mut self, piece: u32) -> bool {
        let was_there = self.has(piece);
        if was_there {
            self.bytes[piece as usize / 8] &= !bit(piece);
            self.count -= 1;
        }
        was_there
    }

    /// The pieces that it has, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.bytes.iter().zip(0u32..).flat_map(|(byte, at)| {
            let mut left = *byte;
            std::iter::from_fn(move || {
                let first = left.leading_zeros();
                (first < 8).then(|| {
                    left &= !(0x80 >> first);
                    at * 8 + first
                })
            })
        })
    }

    /// Whether it has a piece that the other has not.
    #[must_use]
    pub fn has_more_than(&self, other: &Self) -> bool {
        self.bytes.iter().zip(&other.bytes).any(|(own, other)| own & !other != 0)
    }
}

/// Bits of the last byte that stand for no piece.
fn bytes_left(pieces: u32) -> u32 {
    (8 - pieces % 8) % 8
}

fn bit(piece: u32) -> u8 {
    0x80 >> (piece % 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_and_go() {
        let mut pieces = Bitfield::none(10);
        assert!(pieces.set(0) && pieces.set(9) && !pieces.set(9) && !pieces.set(10));
        assert_eq!((pieces.as_bytes(), pieces.count()), (&[0x80, 0x40][..], 2));
        assert_eq!(pieces.iter().collect::<Vec<_>>(), [0, 9]);
        assert!(pieces.has(9) && !pieces.has(8) && !pieces.has(10) && !pieces.has(u32::MAX));
        assert!(pieces.clear(0) && !pieces.clear(0) && !pieces.clear(77));
        assert!(pieces.has_more_than(&Bitfield::none(10)) && !pieces.has_more_than(&Bitfield::all(10)));
    }

    #[test]
    fn what_peers_say_is_as_long_as_it_has_to_be() {
        for pieces in [1, 7, 8, 9, 16, 17] {
            let all = Bitfield::all(pieces);
            assert!(all.is_all() && all.iter().eq(0..pieces));
            assert_eq!(Bitfield::read(all.as_bytes(), pieces), Some(all.clone()));
            assert_eq!(Bitfield::read(&[all.as_bytes(), &[0]].concat(), pieces), None, "longer");
            assert_eq!(Bitfield::read(&all.as_bytes()[1..], pieces), None, "shorter");
            let spare = Bitfield::read(&vec![0xff; pieces.div_ceil(8) as usize], pieces);
            assert_eq!(spare.is_some(), pieces % 8 == 0, "bits behind the end");
        }
    }
}
