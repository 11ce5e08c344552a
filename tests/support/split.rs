//! One test shape for all codecs: the same wire whole, split at every byte, and byte by byte, must say the same.

use std::fmt::Debug;

use bytes::BytesMut;
use wireworks::codec::Codec;

/// The items of `wire`, which every way of arriving must yield alike, using every byte.
///
/// # Panics
/// Two ways differ, bytes are left over, or the codec refuses.
#[track_caller]
pub(crate) fn any_split<C: Codec>(make: impl Fn() -> C, wire: &[u8]) -> Vec<C::In>
where
    C::In: PartialEq + Debug,
{
    any_split_joined(make, wire, |items| items)
}

/// Like [`any_split`], for a codec whose items depend on how the bytes arrive (the pieces of a body): `join` brings
/// them into the form that must not differ.
///
/// # Panics
/// As for [`any_split`].
#[track_caller]
pub(crate) fn any_split_joined<C: Codec, T: PartialEq + Debug>(
    make: impl Fn() -> C,
    wire: &[u8],
    join: impl Fn(Vec<C::In>) -> T,
) -> T {
    let outcome = same_in_all_ways(wire, |chunks| {
        let (items, end) = hear(make(), chunks);
        (join(items), end)
    });
    match outcome {
        (items, Ok(0)) => items,
        (items, Ok(left)) => panic!("{left} of {} bytes were not used, after {items:?}", wire.len()),
        (items, Err(error)) => panic!("refused: {error}, after {items:?}"),
    }
}

/// The items before the refusal of a wire that breaks the protocol, and the refusal in words.
///
/// # Panics
/// Two ways differ, or the wire is accepted.
#[track_caller]
pub(crate) fn any_split_refused<C: Codec, T: PartialEq + Debug>(
    make: impl Fn() -> C,
    wire: &[u8],
    join: impl Fn(Vec<C::In>) -> T,
) -> (T, String) {
    let outcome = same_in_all_ways(wire, |chunks| {
        let (items, end) = hear(make(), chunks);
        (join(items), end)
    });
    match outcome {
        (items, Err(error)) => (items, error),
        (items, Ok(left)) => panic!("accepted as {items:?}, with {left} bytes left over"),
    }
}

/// What `hear` says of the whole wire, after it has said the same of all its splits.
#[track_caller]
fn same_in_all_ways<T: PartialEq + Debug>(wire: &[u8], hear: impl Fn(&[&[u8]]) -> T) -> T {
    let whole = hear(&[wire]);
    for at in 1..wire.len() {
        let (a, b) = wire.split_at(at);
        assert_eq!(hear(&[a, b]), whole, "split before byte {at}");
    }
    let single: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(hear(&single), whole, "byte by byte");
    whole
}

/// Feeds the chunks to a codec, and then the end. Says the items, and the bytes left over or the refusal.
fn hear<C: Codec>(mut codec: C, chunks: &[&[u8]]) -> (Vec<C::In>, Result<usize, String>) {
    let (mut src, mut items) = (BytesMut::new(), Vec::new());
    // A codec may say more items than there are bytes (the end of a body takes none), but not for ever.
    let most = 4 * chunks.iter().map(|chunk| chunk.len()).sum::<usize>() + 16;
    for step in 0..=chunks.len() {
        if let Some(chunk) = chunks.get(step) {
            src.extend_from_slice(chunk);
        }
        loop {
            let decoded =
                if step < chunks.len() { codec.decode(&mut src) } else { codec.decode_eof(&mut src) };
            match decoded {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Err(error.to_string())),
            }
            assert!(items.len() <= most, "the codec says items without end");
        }
    }
    (items, Ok(src.len()))
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use wireworks::codec::{Outbox, Raw};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("a zero")]
    struct Zero;

    /// Lines; a zero byte is refused. The faults are those that the test shape must find.
    #[derive(Default)]
    struct Lines {
        forgets: bool,
        endless: bool,
        lost: bool,
    }

    impl Codec for Lines {
        type In = String;
        type Out = ();
        type Error = Zero;

        fn decode(&mut self, src: &mut BytesMut) -> Result<Option<String>, Zero> {
            let end = src.iter().position(|byte| matches!(byte, b'\n' | 0));
            if self.forgets && end.is_none() && src.len() == 3 && !self.lost {
                self.lost = true;
                src.advance(1);
            }
            match end {
                Some(at) if src[at] == 0 => Err(Zero),
                Some(at) => Ok(Some(String::from_utf8_lossy(&src.split_to(at + 1)).into_owned())),
                None => Ok(self.endless.then(String::new)),
            }
        }

        fn encode(&mut self, (): (), _: &mut Outbox) -> Result<(), Zero> {
            Ok(())
        }
    }

    #[test]
    fn the_items_come_back() {
        assert_eq!(any_split(Lines::default, b"one\ntwo\n"), ["one\n", "two\n"]);
        assert_eq!(any_split(Lines::default, b""), Vec::<String>::new());
        assert_eq!(any_split_joined(|| Raw, b"any bytes", |items| items.concat()), b"any bytes");
        let refused = any_split_refused(Lines::default, b"one\n\0", |items| items);
        assert_eq!(refused, (vec!["one\n".to_owned()], "a zero".to_owned()));
    }

    #[test]
    #[should_panic(expected = "split before byte 3")]
    fn a_codec_that_loses_a_byte_is_found() {
        any_split(|| Lines { forgets: true, ..Lines::default() }, b"first\n");
    }

    #[test]
    #[should_panic(expected = "split before byte 1")]
    fn items_that_depend_on_the_split_are_found() {
        any_split(|| Raw, b"ab");
    }

    #[test]
    #[should_panic(expected = "2 of 6 bytes were not used")]
    fn bytes_left_over_are_found() {
        any_split(Lines::default, b"one\ntw");
    }

    #[test]
    #[should_panic(expected = "refused: a zero")]
    fn a_refusal_is_told() {
        any_split(Lines::default, b"\0");
    }

    #[test]
    #[should_panic(expected = "accepted as")]
    fn an_acceptance_is_told() {
        any_split_refused(Lines::default, b"one\n", |items| items);
    }

    #[test]
    #[should_panic(expected = "items without end")]
    fn an_endless_codec_is_found() {
        any_split(|| Lines { endless: true, ..Lines::default() }, b"one\n");
    }
}
