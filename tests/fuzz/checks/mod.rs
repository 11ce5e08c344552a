//! What must hold for any bytes at all: one checker a language.
//!
//! A checker takes any bytes and panics when a promise is broken; a mere absence of panics would prove little. Each says
//! whether it took the bytes for sound, so that a run can tell that it reached both outcomes. The checkers stand here once,
//! and are run by `tests/fuzz.rs` on seeds and their mutations, and by `fuzz/` under a fuzzer that looks for new paths.
//! Where a checker has a second opinion (a reference), it is written apart from the library, slow and plain.

pub(crate) mod chunked;
pub(crate) mod client_hello;
pub(crate) mod exchange;
pub(crate) mod head;
pub(crate) mod hls_check;
pub(crate) mod hls_codec;
pub(crate) mod hls_live;
pub(crate) mod hls_mp4;
pub(crate) mod hls_playlist;
pub(crate) mod hls_remux;
pub(crate) mod hls_ts;
pub(crate) mod irc;
pub(crate) mod multipart;
pub(crate) mod path;
pub(crate) mod proxy;
pub(crate) mod range;
pub(crate) mod response;
pub(crate) mod rpc_frame;
pub(crate) mod rpc_payload;
pub(crate) mod rtmp;
pub(crate) mod sasl;
pub(crate) mod share;
pub(crate) mod ws;

/// Ways in which `wire` may arrive: whole, byte by byte, and in pieces whose sizes hang on nothing but the bytes.
pub(crate) fn arrivals(wire: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut dice = Dice::of(wire);
    let mut ways = vec![vec![wire], wire.chunks(1).collect()];
    let (front, back) = wire.split_at(dice.below(wire.len() + 1));
    ways.push(vec![front, back]);
    for largest in [3, 17, 120] {
        let (mut pieces, mut rest) = (Vec::new(), wire);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((1 + dice.below(largest)).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        ways.push(pieces);
    }
    ways
}

/// Pseudo-random numbers that are the same in every run (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    /// A sequence for each input (its FNV-1a hash is the seed).
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mix = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Bytes read as decisions, so that a fuzzer steers what is generated. When they run out, every decision is the first.
pub(crate) struct Choices<'a>(pub(crate) &'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// A number below `n`, which is 1 to 256.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Up to `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Up to 255 bytes, by a length and then the bytes.
    pub(crate) fn some(&mut self) -> &'a [u8] {
        let n = usize::from(self.byte());
        self.take(n)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Where `needle` first occurs.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The parts between the separators.
pub(crate) fn split_at_each<'a>(mut text: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = find(text, separator) {
        parts.push(&text[..at]);
        text = &text[at + separator.len()..];
    }
    parts.push(text);
    parts
}

/// `text` without the spaces and tabs around it.
pub(crate) fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// RFC 9110 section 5.6.2, letter by letter.
pub(crate) fn is_token(text: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(allowed)
}

/// Bytes that may stand in a field value: no CR, LF, NUL or another control but the tab.
pub(crate) fn is_value(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..))
}
