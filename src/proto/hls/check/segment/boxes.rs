//! The boxes of an MP4 file or of what is in one, in a slice: for rules about boxes that no reader needs.

/// A box: its name, and its place among the bytes with and without its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Box<'a> {
    pub(super) name: &'a [u8; 4],
    /// Where it begins.
    pub(super) at: usize,
    /// All of it.
    pub(super) whole: &'a [u8],
    /// Behind its head.
    pub(super) inside: &'a [u8],
}

/// The boxes of `bytes`, until one does not fit: that one is given as `Err` with its place.
pub(super) fn boxes(bytes: &[u8]) -> impl Iterator<Item = Result<Box<'_>, usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (begin, rest) = (at, bytes.get(at..).filter(|rest| !rest.is_empty())?);
        let found = first(rest, begin);
        at = found.map_or(bytes.len(), |found| begin + found.whole.len());
        Some(found.ok_or(begin))
    })
}

fn first(rest: &[u8], at: usize) -> Option<Box<'_>> {
    let (size, behind) = rest.split_first_chunk::<4>()?;
    let (name, behind) = behind.split_first_chunk::<4>()?;
    let (head, size) = match u32::from_be_bytes(*size) {
        0 => (8, rest.len()),
        1 => (16, usize::try_from(u64::from_be_bytes(*behind.first_chunk()?)).ok()?),
        size => (8, size as usize),
    };
    let whole = rest.get(..size)?;
    Some(Box { name, at, whole, inside: whole.get(head..)? })
}

/// The first box of that name.
pub(super) fn find<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<Box<'a>> {
    boxes(bytes).map_while(Result::ok).find(|found| found.name == name)
}

/// All boxes of that name.
pub(super) fn all<'a>(bytes: &'a [u8], name: &'a [u8; 4]) -> impl Iterator<Item = Box<'a>> {
    boxes(bytes).map_while(Result::ok).filter(move |found| found.name == name)
}

/// A number of 32 bits at byte `at`; 0 behind the end.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_and_what_is_none() {
        let bytes = b"\0\0\0\x0aaaaa12\0\0\0\x01bbbb\0\0\0\0\0\0\0\x113\0\0\0\0cccc45";
        let names: Vec<_> =
            boxes(bytes).map(|found| found.map(|found| (found.name, found.at, found.inside))).collect();
        let expected = [(b"aaaa", 0, &b"12"[..]), (b"bbbb", 10, b"3"), (b"cccc", 27, b"45")];
        assert_eq!(names, expected.map(Ok));
        assert_eq!(find(bytes, b"bbbb").map(|found| found.whole.len()), Some(17));
        for (cut, end) in [(9, Err(0)), (12, Err(10)), (30, Err(27))] {
            let last = boxes(&bytes[..cut]).last().map(|found| found.map(|found| found.at));
            assert_eq!(last, Some(end), "cut at {cut}");
        }
        assert_eq!(boxes(b"\0\0\0\x04aaaa").last(), Some(Err(0)), "a size below that of its head");
        assert_eq!((u32_at(bytes, 0), u32_at(bytes, 36)), (10, 0));
    }
}
