//! Masking (RFC 6455 section 5.3): each byte of a payload XOR a byte of the key, in turn.

/// A masking key, and how far it has been turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask(u32);

impl Mask {
    /// The key of a frame, at the first byte of its payload.
    #[must_use]
    pub fn new(key: [u8; 4]) -> Self {
        // In the order of memory, so that a word of payload meets the right bytes on any machine.
        Self(u32::from_ne_bytes(key))
    }

    /// Masks, or unmasks, the next bytes of the payload in place.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        let word = u64::from(self.0) << 32 | u64::from(self.0);
        // Four words a step: the compiler makes whole vector registers of them, on any machine and without `unsafe`.
        let (steps, rest) = bytes.as_chunks_mut::<32>();
        for step in steps {
            let (words, _) = step.as_chunks_mut::<8>();
            for bytes in words {
                *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
            }
        }
        let (words, rest) = rest.as_chunks_mut::<4>();
        for bytes in words {
            *bytes = (u32::from_ne_bytes(*bytes) ^ self.0).to_ne_bytes();
        }
        let key = self.0.to_ne_bytes();
        for (byte, key) in rest.iter_mut().zip(key) {
            *byte ^= key;
        }
        self.turn(rest.len());
    }

    /// Goes on `n` bytes, of which only the remainder by four counts.
    fn turn(&mut self, n: usize) {
        let mut key = self.0.to_ne_bytes();
        key.rotate_left(n % 4);
        self.0 = u32::from_ne_bytes(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let mut bytes = *b"\x7f\x9f\x4d\x51\x58";
        Mask::new([0x37, 0xfa, 0x21, 0x3d]).apply(&mut bytes);
        assert_eq!(&bytes, b"Hello");
    }

    #[test]
    fn in_pieces_of_any_size_as_byte_by_byte() {
        let key = [1, 20, 130, 255];
        let plain: Vec<u8> = (0..=255).cycle().take(300).collect();
        let expected: Vec<u8> = plain.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        for piece in 1..plain.len() {
            let mut bytes = plain.clone();
            let mut mask = Mask::new(key);
            bytes.chunks_mut(piece).for_each(|bytes| mask.apply(bytes));
            assert_eq!(bytes, expected, "in pieces of {piece}");
        }
    }
}
