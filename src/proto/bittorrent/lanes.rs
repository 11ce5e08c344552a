//! SHA-1 of several messages at once, by the instructions of the processor.
//!
//! One message leaves most of the processor idle: each of `sha1rnds4` waits for the one before it. Four messages that
//! take turns fill those waits, so that a core hashes more than twice as many bytes a second. This is for pieces, of
//! which there are many at a time; it is what limits how fast a torrent is verified.
//!
//! Where the instructions (SHA-NI, of x86-64) are missing, and for what remains of a message that is longer than the
//! others, the `sha1` crate computes the same. It is the oracle of the tests, too. All that is not safe in Rust is the
//! one call of a function that needs those instructions.
#![allow(unsafe_code)]

use super::hash::Sha1;

/// How many messages take turns: the processor has rounds of four under way at a time.
pub const LANES: usize = 4;

/// Bytes that are hashed at once (FIPS 180-4, section 5.2.1).
const BLOCK: usize = 64;

/// The words of a hash of nothing (FIPS 180-4, section 5.3.1).
const BEGIN: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// The hash of four messages. Those of one length take about 0.4 of the time that they would take one by one.
#[must_use]
pub fn sha1_four(messages: [&[u8]; LANES]) -> [Sha1; LANES] {
    let mut hashers = <[Hasher; LANES]>::default();
    update_four(hashers.each_mut(), messages);
    hashers.map(Hasher::finish)
}

/// The hash of each message, in their order. Neighbours of one length, as the pieces of a torrent are, are the fastest.
#[must_use]
pub fn sha1_many(messages: &[&[u8]]) -> Vec<Sha1> {
    let mut hashes = Vec::with_capacity(messages.len());
    for group in messages.chunks(LANES) {
        match *group {
            [a, b, c, d] => hashes.extend(sha1_four([a, b, c, d])),
            // A lane that runs beside them for nothing costs less than a message more by itself.
            [a, b, c] => hashes.extend(&sha1_four([a, b, c, a])[..3]),
            [a, b] => hashes.extend(&sha1_four([a, b, a, b])[..2]),
            _ => hashes.extend(group.iter().map(|message| Sha1::of(message))),
        }
    }
    hashes
}

/// A hash of a message that comes little by little.
#[derive(Clone, Debug)]
pub struct Hasher {
    words: [u32; 5],
    /// Bytes that came; those behind the last whole block are in `part`.
    length: u64,
    part: [u8; BLOCK],
}

impl Default for Hasher {
    fn default() -> Self {
        Self { words: BEGIN, length: 0, part: [0; BLOCK] }
    }
}

impl Hasher {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let (blocks, rest) = self.complete(bytes).as_chunks();
        sha1::block_api::compress(&mut self.words, blocks);
        self.keep(blocks.len(), rest);
    }

    /// The hash of all bytes.
    #[must_use]
    pub fn finish(mut self) -> Sha1 {
        // FIPS 180-4, section 5.1.1: one bit, zeros, and the length in bits.
        let bits = self.length.wrapping_mul(8).to_be_bytes();
        let zeros = (BLOCK + BLOCK - 9 - self.held()) % BLOCK;
        let mut padding = [0; BLOCK + 8];
        padding[0] = 0x80;
        padding[1 + zeros..9 + zeros].copy_from_slice(&bits);
        self.update(&padding[..9 + zeros]);
        let mut hash = [0; 20];
        for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(self.words) {
            *bytes = word.to_be_bytes();
        }
        Sha1(hash)
    }

    /// How many bytes wait for the rest of their block.
    fn held(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }

    /// Completes the block that waits, and has the bytes behind it. If they do not suffice, none are left.
    fn complete<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let held = self.held();
        if held == 0 {
            return bytes;
        }
        let (more, rest) = bytes.split_at(bytes.len().min(BLOCK - held));
        self.part[held..held + more.len()].copy_from_slice(more);
        self.length += more.len() as u64;
        if self.held() == 0 {
            sha1::block_api::compress(&mut self.words, &[self.part]);
        }
        rest
    }

    /// So many blocks were hashed; less than one more waits behind them.
    fn keep(&mut self, blocks: usize, rest: &[u8]) {
        self.part[..rest.len()].copy_from_slice(rest);
        self.length += (blocks * BLOCK + rest.len()) as u64;
    }
}

/// The next bytes of four messages. As many as all four have take turns; what one has more follows by itself.
pub fn update_four(hashers: [&mut Hasher; LANES], bytes: [&[u8]; LANES]) {
    let [a, b, c, d] = hashers;
    let [for_a, for_b, for_c, for_d] = bytes;
    let rest = [a.complete(for_a), b.complete(for_b), c.complete(for_c), d.complete(for_d)];
    let blocks = rest.map(|rest| rest.as_chunks().0);
    let common = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or_default();
    let words = [&mut a.words, &mut b.words, &mut c.words, &mut d.words];
    compress_four(words, blocks.map(|blocks| &blocks[..common]));
    for (hasher, rest) in [a, b, c, d].into_iter().zip(rest) {
        hasher.keep(common, &[]);
        hasher.update(&rest[common * BLOCK..]);
    }
}

/// Hashes blocks of four messages, of each as many.
fn compress_four(words: [&mut [u32; 5]; LANES], blocks: [&[[u8; BLOCK]]; LANES]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("sha")
        && is_x86_feature_detected!("ssse3")
        && is_x86_feature_detected!("sse4.1")
    {
        // SAFETY: the processor has the instructions that this function is compiled to, as was asked right above; SSE2
        // every x86-64 has. It asks nothing else of its caller.
        return unsafe { sha_ni::compress_four(words, blocks) };
    }
    one_by_one(words, blocks);
}

/// The same, without those instructions.
fn one_by_one(words: [&mut [u32; 5]; LANES], blocks: [&[[u8; BLOCK]]; LANES]) {
    for (words, blocks) in words.into_iter().zip(blocks) {
        sha1::block_api::compress(words, blocks);
    }
}

/// The rounds, by SHA-NI: Gulley et al., "Intel SHA Extensions", 2013.
#[cfg(target_arch = "x86_64")]
mod sha_ni {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_extract_epi32, _mm_set_epi8, _mm_set_epi32, _mm_set_epi64x,
        _mm_sha1msg1_epu32, _mm_sha1msg2_epu32, _mm_sha1nexte_epu32, _mm_sha1rnds4_epu32, _mm_shuffle_epi8,
        _mm_xor_si128,
    };

    use super::{BLOCK, LANES};

    /// One register of each lane.
    type Registers = [__m128i; LANES];

    /// Sixteen bytes of a block as four words, the first of them in the highest place.
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn load(block: &[u8; BLOCK], quarter: usize) -> __m128i {
        let (halves, _) = block.as_chunks();
        let half = |at: usize| i64::from_le_bytes(halves[at]);
        let reverse = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        _mm_shuffle_epi8(_mm_set_epi64x(half(2 * quarter + 1), half(2 * quarter)), reverse)
    }

    /// Four rounds in each lane, with four words each of the message.
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn rounds<const FUNCTION: i32>(abcd: &mut Registers, before: &mut Registers, message: &Registers) {
        for lane in 0..LANES {
            let e = _mm_sha1nexte_epu32(before[lane], message[lane]);
            before[lane] = abcd[lane];
            abcd[lane] = _mm_sha1rnds4_epu32::<FUNCTION>(abcd[lane], e);
        }
    }

    /// Puts the next four words of the message in the place of the oldest.
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn schedule(oldest: &mut Registers, second: &Registers, third: &Registers, last: &Registers) {
        for lane in 0..LANES {
            let mixed = _mm_xor_si128(_mm_sha1msg1_epu32(oldest[lane], second[lane]), third[lane]);
            oldest[lane] = _mm_sha1msg2_epu32(mixed, last[lane]);
        }
    }

    /// Hashes blocks of four messages: as many as the one with the fewest has.
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    pub(super) fn compress_four(words: [&mut [u32; 5]; LANES], blocks: [&[[u8; BLOCK]]; LANES]) {
        let zero = _mm_set_epi64x(0, 0);
        let (mut abcd, mut e) = ([zero; LANES], [zero; LANES]);
        for lane in 0..LANES {
            let [a, b, c, d, last] = words[lane].map(u32::cast_signed);
            abcd[lane] = _mm_set_epi32(a, b, c, d);
            e[lane] = _mm_set_epi32(last, 0, 0, 0);
        }
        let [for_a, for_b, for_c, for_d] = blocks;
        for (((a, b), c), d) in for_a.iter().zip(for_b).zip(for_c).zip(for_d) {
            let block = [a, b, c, d];
            let (abcd_begun, e_begun) = (abcd, e);
            let mut w0 = block.map(|block| load(block, 0));
            let mut w1 = block.map(|block| load(block, 1));
            let mut w2 = block.map(|block| load(block, 2));
            let mut w3 = block.map(|block| load(block, 3));
            // The first rounds take e as it is; later ones make it of what a was four rounds before.
            let mut before = abcd;
            for lane in 0..LANES {
                abcd[lane] = _mm_sha1rnds4_epu32::<0>(abcd[lane], _mm_add_epi32(e[lane], w0[lane]));
            }
            macro_rules! four {
                ($function:literal, $message:ident) => {
                    rounds::<$function>(&mut abcd, &mut before, &$message)
                };
                ($function:literal, $oldest:ident, $second:ident, $third:ident, $last:ident) => {
                    schedule(&mut $oldest, &$second, &$third, &$last);
                    rounds::<$function>(&mut abcd, &mut before, &$oldest);
                };
            }
            four!(0, w1);
            four!(0, w2);
            four!(0, w3);
            four!(0, w0, w1, w2, w3);
            four!(1, w1, w2, w3, w0);
            four!(1, w2, w3, w0, w1);
            four!(1, w3, w0, w1, w2);
            four!(1, w0, w1, w2, w3);
            four!(1, w1, w2, w3, w0);
            four!(2, w2, w3, w0, w1);
            four!(2, w3, w0, w1, w2);
            four!(2, w0, w1, w2, w3);
            four!(2, w1, w2, w3, w0);
            four!(2, w2, w3, w0, w1);
            four!(3, w3, w0, w1, w2);
            four!(3, w0, w1, w2, w3);
            four!(3, w1, w2, w3, w0);
            four!(3, w2, w3, w0, w1);
            four!(3, w3, w0, w1, w2);
            for lane in 0..LANES {
                e[lane] = _mm_sha1nexte_epu32(before[lane], e_begun[lane]);
                abcd[lane] = _mm_add_epi32(abcd[lane], abcd_begun[lane]);
            }
        }
        for lane in 0..LANES {
            let word = [
                _mm_extract_epi32::<3>(abcd[lane]),
                _mm_extract_epi32::<2>(abcd[lane]),
                _mm_extract_epi32::<1>(abcd[lane]),
                _mm_extract_epi32::<0>(abcd[lane]),
                _mm_extract_epi32::<3>(e[lane]),
            ];
            *words[lane] = word.map(i32::cast_unsigned);
        }
    }
}

#[cfg(test)]
mod tests;
