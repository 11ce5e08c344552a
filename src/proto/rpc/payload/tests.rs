//! Messages there and back in both codecs, golden bytes, and bytes that lie.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::proto::rpc::schema::Type;

crate::wire_types! {
    /// All that a struct can have.
    #[derive(Eq, Hash, PartialOrd, Ord)]
    pub(crate) struct Line {
        /// What it is.
        pub(crate) name: String,
        pub(crate) count: u32,
        pub(crate) r#type: Option<char>,
    }

    pub(crate) struct Id(pub(crate) u64);

    struct Nothing;

    struct Empty {}

    enum Event {
        /// It begins.
        Opened,
        Moved(i16, i16),
        Priced { cents: i64, lines: Vec<Line> },
        Sent(Blob),
    }

    struct Many {
        map: BTreeMap<String, Vec<u8>>,
        pairs: HashMap<u16, Id>,
        fixed: [f32; 3],
        nested: Vec<Option<(bool, i128)>>,
        boxed: Box<Event>,
        unit: (),
    }
}

fn line() -> Line {
    Line { name: "tea".into(), count: 2, r#type: Some('é') }
}

fn events() -> [Event; 4] {
    [
        Event::Opened,
        Event::Moved(-1, 300),
        Event::Priced { cents: -5, lines: vec![line(), line()] },
        Event::Sent(Blob::from(&b"\0\xff"[..])),
    ]
}

fn many() -> Many {
    Many {
        map: [("a".to_owned(), vec![1, 2]), (String::new(), Vec::new())].into(),
        pairs: [(7, Id(u64::MAX))].into(),
        fixed: [0.5, -1.0, f32::MAX],
        nested: vec![None, Some((true, i128::MIN))],
        boxed: events()[2].clone().into(),
        unit: (),
    }
}

#[track_caller]
fn there_and_back<T: Payload + PartialEq + std::fmt::Debug>(message: &T) {
    for codec in CodecId::ALL {
        let bytes = message.encode(codec).unwrap();
        let read = T::decode(bytes.clone(), codec, bytes.len());
        assert_eq!(read.as_ref(), Ok(message), "{codec}: {bytes:?}");
        for cut in 0..bytes.len() {
            let read = T::decode(bytes.slice(..cut), codec, 1 << 20);
            assert!(read.is_err(), "{codec}, cut at {cut}: {read:?}");
        }
        let longer = Bytes::from([&bytes[..], b"\0"].concat());
        assert_eq!(T::decode(longer, codec, 1 << 20), Err(PayloadError::LeftOver(1)), "{codec}");
        let (length, limit) = (bytes.len(), bytes.len().wrapping_sub(1));
        if length > 0 {
            assert_eq!(T::decode(bytes, codec, limit), Err(PayloadError::TooLarge { length, limit }));
        }
    }
}

#[test]
fn every_type_is_read_as_it_was_written_and_in_no_other_length() {
    there_and_back(&line());
    there_and_back(&Id(7));
    there_and_back(&Nothing);
    there_and_back(&Empty {});
    events().iter().for_each(there_and_back);
    there_and_back(&many());
    there_and_back(&());
    there_and_back(&String::from("héllo"));
    there_and_back(&(true, 'x', -1i8, 2.5f64, [1u16; 4], vec![vec![1u32], vec![]]));
    there_and_back(&Blob::from(vec![7; 300]));
}

#[test]
fn messages_stand_on_the_wire_as_specified() {
    let bincode =
        |message: &dyn Fn(CodecId) -> Result<Bytes, PayloadError>| message(CodecId::Bincode).unwrap();
    let postcard =
        |message: &dyn Fn(CodecId) -> Result<Bytes, PayloadError>| message(CodecId::Postcard).unwrap();
    let line = |codec| line().encode(codec);
    assert_eq!(bincode(&line), &b"\x03\0\0\0\0\0\0\0tea\x02\0\0\0\x01\xc3\xa9"[..]);
    assert_eq!(postcard(&line), &b"\x03tea\x02\x01\x02\xc3\xa9"[..]);
    let moved = |codec| events()[1].encode(codec);
    assert_eq!(bincode(&moved), &b"\x01\0\0\0\xff\xff\x2c\x01"[..]);
    assert_eq!(postcard(&moved), &b"\x01\x01\xd8\x04"[..]);
    let sent = |codec| events()[3].encode(codec);
    assert_eq!(bincode(&sent), &b"\x03\0\0\0\x02\0\0\0\0\0\0\0\0\xff"[..]);
    assert_eq!(postcard(&sent), &b"\x03\x02\0\xff"[..]);
    let numbers = |codec| (1u128, -2i64, 0.5f32, [7u8, 8], (), None::<u8>).encode(codec);
    assert_eq!(
        bincode(&numbers),
        &b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff\0\0\0\x3f\x07\x08\0"[..]
    );
    assert_eq!(postcard(&numbers), &b"\x01\x03\0\0\0\x3f\x07\x08\0"[..]);
}

#[test]
fn codecs_have_the_numbers_of_the_specification() {
    assert_eq!((Bincode::ID, Postcard::ID), (0, 1));
    for codec in CodecId::ALL {
        assert_eq!(CodecId::of(codec.number()), Some(codec));
    }
    assert_eq!((CodecId::of(2), CodecId::of(255)), (None, None));
    assert_eq!(CodecId::default().to_string(), "bincode");
}

/// Announcements of what never arrived are refused by the scan, which reserves nothing; the decoders do not see them.
#[test]
fn lengths_that_the_bytes_do_not_cover_are_refused() {
    fn refused<T: Payload + std::fmt::Debug>(codec: CodecId, bytes: &[u8]) {
        let read = T::decode(Bytes::copy_from_slice(bytes), codec, 4 << 20);
        assert!(matches!(read, Err(PayloadError::Announced { .. })), "{codec}: {read:?}");
    }
    for announced in [2, 1 << 16, 1 << 20, 1 << 60, u64::MAX] {
        let fixed = [&announced.to_le_bytes()[..], b"x"].concat();
        let mut short = announced.encode(CodecId::Postcard).unwrap().to_vec();
        short.push(b'x');
        for (codec, bytes) in [(CodecId::Bincode, &fixed), (CodecId::Postcard, &short)] {
            refused::<String>(codec, bytes);
            refused::<Blob>(codec, bytes);
            refused::<Vec<u8>>(codec, bytes);
            refused::<Vec<u64>>(codec, bytes);
            refused::<Vec<String>>(codec, bytes);
            refused::<Vec<Option<u8>>>(codec, bytes);
            refused::<Vec<Line>>(codec, bytes);
            refused::<Vec<Vec<Vec<Event>>>>(codec, bytes);
            refused::<BTreeMap<u8, u8>>(codec, bytes);
            refused::<HashMap<String, ()>>(codec, bytes);
            refused::<std::collections::HashSet<u32>>(codec, bytes);
            refused::<std::collections::VecDeque<Event>>(codec, bytes);
        }
    }
}

/// Elements that are a byte on the wire and many in memory are bounded too.
#[test]
fn memory_is_bounded_by_the_limit() {
    const COUNT: usize = 10_000;
    let nones = vec![None::<[u64; 32]>; COUNT];
    for codec in CodecId::ALL {
        let bytes = nones.encode(codec).unwrap();
        assert!(bytes.len() < COUNT + 10);
        let limit = COUNT * size_of::<Option<[u64; 32]>>() / MEMORY_FACTOR;
        type Nones = Vec<Option<[u64; 32]>>;
        assert_eq!(Nones::decode(bytes.clone(), codec, limit).as_ref(), Ok(&nones));
        let read = Nones::decode(bytes, codec, limit - 1);
        assert_eq!(read, Err(PayloadError::Memory((limit - 1) * MEMORY_FACTOR)));
    }
}

#[test]
fn what_no_value_is_written_as_is_named() {
    fn why<T: Payload + std::fmt::Debug>(codec: CodecId, bytes: &[u8]) -> String {
        T::decode(Bytes::copy_from_slice(bytes), codec, 100).unwrap_err().to_string()
    }
    use CodecId::{Bincode, Postcard};
    for (found, expected) in [
        (why::<bool>(Bincode, b"\x02"), "the message cannot be read: a bool is 2"),
        (why::<Option<u8>>(Bincode, b"\x02\0"), "the message cannot be read: an option begins with 2"),
        (why::<Event>(Bincode, b"\x04\0\0\0"), "the message cannot be read: variant 4 of Event, which has 4"),
        (why::<Event>(Postcard, b"\x04"), "the message cannot be read: variant 4 of Event, which has 4"),
        (why::<char>(Bincode, b"\xff"), "the message cannot be read: a character is not UTF-8"),
        (why::<char>(Bincode, b"\xc3\xc3"), "the message cannot be read: a character is not UTF-8"),
        (
            why::<String>(Bincode, b"\x01\0\0\0\0\0\0\0\xff"),
            "the message cannot be read: a text is not UTF-8",
        ),
        (
            why::<char>(Postcard, b"\x02ab"),
            "the message cannot be read: a character has the length of another",
        ),
        (why::<char>(Postcard, b"\x02\xc3"), "the message ends too early"),
        (why::<u32>(Bincode, b"\x01\0"), "the message ends too early"),
        (why::<u8>(Bincode, b"\x01\0\0"), "2 bytes are left over behind the message"),
        (
            why::<String>(Bincode, b"\x05\0\0\0\0\0\0\0ab"),
            "the message announces 5 elements, and has 2 bytes for them",
        ),
        (
            why::<String>(Postcard, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            "the message cannot be read: a number is longer than 64 bits",
        ),
    ] {
        assert_eq!(found, expected);
    }
    for bytes in [&b"\x02"[..], b"\xff"] {
        assert!(why::<bool>(Postcard, bytes).starts_with("the message cannot be read: "));
    }
}

/// Bytes are not copied where they need not be.
#[test]
fn bytes_share_memory() {
    let large = Bytes::from(vec![7; 1 << 20]);
    for codec in CodecId::ALL {
        let raw = Raw(large.clone()).encode(codec).unwrap();
        assert_eq!((raw.as_ptr(), raw.len()), (large.as_ptr(), large.len()));
        let raw = Raw::decode(raw, codec, 1 << 20).unwrap();
        assert_eq!(raw.0.as_ptr(), large.as_ptr());
        assert!(Raw::decode(large.clone(), codec, 1000).is_err());
    }
    let message = (1u8, Blob(large), String::from("behind")).encode(CodecId::Bincode).unwrap();
    let within = message.as_ptr_range();
    let (_, blob, text) = <(u8, Blob, String)>::decode(message, CodecId::Bincode, 2 << 20).unwrap();
    assert!(within.contains(&blob.as_ptr()) && blob.len() == 1 << 20 && text == "behind");
    assert_eq!(Raw::describe(), Type::parse("raw").unwrap());
}

/// What was measured is what is written: the buffer is neither too large nor too small.
#[test]
fn a_message_is_measured_before_it_is_written() {
    for codec in CodecId::ALL {
        let bytes = many().encode(codec).unwrap();
        assert!(bytes.try_into_mut().is_ok_and(|buffer| buffer.capacity() == buffer.len()), "{codec}");
    }
    assert_eq!(<(u8, [u32; 4], Id) as Describe>::SIZE.fixed(), Some(25));
    assert_eq!(<(u8, Option<u8>) as Describe>::SIZE.fixed(), None);
}
