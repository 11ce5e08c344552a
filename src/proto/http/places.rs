//! Places in the bytes of a head, and the table of its fields.
//!
//! A head keeps the bytes that arrived, in one shared buffer, and knows where in them each name and value stands: no field is
//! copied. Heads of requests and of responses share this.

use std::ops::Range;

use bytes::Bytes;

/// A place in a head's buffer, in bytes. Heads are far smaller than 4 GiB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { start: clamp(range.start), end: clamp(range.end) }
    }
}

impl Span {
    pub(super) fn of(self, buffer: &Bytes) -> &[u8] {
        &buffer[self.start as usize..self.end as usize]
    }

    /// As text. Only for what was checked to be ASCII: the empty default is never met.
    pub(super) fn text(self, buffer: &Bytes) -> &str {
        std::str::from_utf8(self.of(buffer)).unwrap_or_default()
    }
}

/// Where `part` lies in `buffer`, of which it is a slice.
pub(super) fn place(buffer: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(buffer.as_ptr().addr());
    start..start + part.len()
}

/// The fields of a head, by their places.
#[derive(Clone, Debug)]
pub(super) struct FieldTable {
    names: Names,
    lines: Vec<(Span, Span)>,
}

impl FieldTable {
    pub(super) fn with_capacity(lines: usize) -> Self {
        Self { names: Names::default(), lines: Vec::with_capacity(lines) }
    }

    /// Adds a line; both parts are slices of `buffer`.
    pub(super) fn push(&mut self, buffer: &[u8], name: &[u8], value: &[u8]) {
        self.names.insert(name);
        self.lines.push((place(buffer, name).into(), place(buffer, value).into()));
    }

    /// The values of the lines called `name` (any case), in order.
    pub(super) fn lines<'a>(&'a self, buffer: &'a Bytes, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let lines = if self.names.may_have(name.as_bytes()) { &self.lines[..] } else { &[] };
        lines
            .iter()
            .filter(move |(field, _)| field.of(buffer).eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.of(buffer))
    }

    /// Name and value of each line, in order.
    pub(super) fn iter<'a>(
        &'a self,
        buffer: &'a Bytes,
    ) -> impl ExactSizeIterator<Item = (&'a str, &'a [u8])> {
        self.lines.iter().map(|&(name, value)| (name.text(buffer), value.of(buffer)))
    }
}

/// Which names a list of fields may have, by their length and first letter: most fields that are asked for are not there,
/// and then nothing has to be searched.
#[derive(Clone, Copy, Debug, Default)]
struct Names(u64);

impl Names {
    fn insert(&mut self, name: &[u8]) {
        self.0 |= Self::bit(name);
    }

    fn may_have(self, name: &[u8]) -> bool {
        self.0 & Self::bit(name) != 0
    }

    fn bit(name: &[u8]) -> u64 {
        let letter = name.first().map_or(0, u8::to_ascii_lowercase);
        1 << ((name.len() * 7 + usize::from(letter)) % 64)
    }
}
