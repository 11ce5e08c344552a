//! Messages of the RPC: their payload codecs, the descriptions of their types, and JSON by a description alone.
//!
//! The input is a description, a newline, and then a message of it, in bytes or in JSON. The bytes are also read as types of Rust, and the whole input
//! as decisions that make values.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use wireworks::proto::rpc::dynamic::{DynamicError, Style, decode, encode};
use wireworks::proto::rpc::payload::compress::{compress, decompress};
use wireworks::proto::rpc::payload::{Blob, CodecId, Payload, PayloadError, Raw};
use wireworks::proto::rpc::schema::{Describe, Type, method_hash};

use super::Choices;

/// Bytes of a message or of its JSON: far more than the inputs can make.
const LIMIT: usize = 16 << 20;

wireworks::wire_types! {
    struct Plain {
        flag: bool,
        unsigned: (u8, u16, u32, u64),
        signed: (i8, i16, i32, i64),
        letter: char,
        text: String,
        blob: Blob,
    }

    struct Id(u64);

    struct Unit;

    enum Shape {
        Empty,
        Pair(u16, String),
        Named { plain: Vec<Plain>, id: Option<Id> },
        One(Blob),
    }

    struct All {
        shapes: Vec<Shape>,
        map: BTreeMap<String, Shape>,
        fixed: [u16; 3],
        tuple: ((), (u8, Option<char>)),
        unit: Unit,
    }

    /// What JSON has no word for.
    struct Wide {
        unsigned: u128,
        signed: i128,
        narrow: f32,
        double: f64,
        pairs: BTreeMap<u16, String>,
        list: Vec<Option<()>>,
    }
}

/// Checks `input`, and says whether it is a description with a message of its type.
pub(crate) fn check(input: &[u8]) -> bool {
    generated(&mut Choices(input));
    let line = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
    let message = input.get(line + 1..).unwrap_or_default();
    read::<Plain>(message, true);
    read::<Shape>(message, true);
    read::<All>(message, true);
    read::<Vec<Shape>>(message, true);
    read::<(Id, Option<String>, Vec<u16>)>(message, true);
    read::<BTreeMap<String, Vec<u8>>>(message, true);
    read::<Wide>(message, false);
    read::<(Vec<f64>, f32)>(message, false);
    raw(message);
    squeezed(message);
    std::str::from_utf8(&input[..line]).is_ok_and(|text| described(text, message))
}

/// What is no zstd, or too much, is refused; what was compressed comes back.
fn squeezed(message: &[u8]) {
    const LIMIT: usize = 1 << 20;
    if let Ok(plain) = decompress(message, LIMIT) {
        assert!(plain.len() <= LIMIT);
    }
    if let Some(frame) = compress(message) {
        assert_eq!(decompress(&frame, message.len()).unwrap(), message);
        assert!(decompress(&frame, message.len() - 1).is_err());
    }
}

/// A value that is read is written, by either codec, so that it is read as the same; and what its description makes of the bytes agrees.
fn read<T: Payload + Serialize + Debug>(bytes: &[u8], alike: bool) {
    for codec in CodecId::ALL {
        let read = T::decode(Bytes::copy_from_slice(bytes), codec, LIMIT);
        let Ok(value) = &read else { continue };
        for other in CodecId::ALL {
            assert_same(value, &T::decode(value.encode(other).unwrap(), other, LIMIT).unwrap());
        }
        assert!(matches!(
            T::decode([bytes, b"\0"].concat().into(), codec, LIMIT),
            Err(PayloadError::LeftOver(1))
        ));
    }
    let typed = T::decode(Bytes::copy_from_slice(bytes), CodecId::Bincode, LIMIT);
    match (typed, decode(&T::describe(), bytes, LIMIT, Style::Line)) {
        (Ok(value), Ok(json)) if alike => agree(&value, &json),
        (Ok(_), Ok(_)) | (Err(_), Err(_)) => {}
        // An object cannot have it, a map of Rust takes the last.
        (Ok(_), Err(DynamicError::Malformed { why, .. })) if why.ends_with("comes twice") => {}
        (typed, json) => panic!("{typed:?} by type and {json:?} by description"),
    }
}

/// Compared by what is printed, as NaN is not equal to itself.
fn assert_same(one: &impl Debug, other: &impl Debug) {
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}

/// The JSON of a value is what `serde_json` says, and gives the bytes of the value again.
fn agree<T: Payload + Serialize>(value: &T, json: &str) {
    let bytes = value.encode(CodecId::Bincode).unwrap();
    let parsed: Value = serde_json::from_str(json).unwrap();
    assert_eq!(parsed, serde_json::to_value(value).unwrap());
    assert_eq!(encode(&T::describe(), json, LIMIT), Ok(bytes));
}

/// A whole message of bytes is never anything but its bytes.
fn raw(bytes: &[u8]) {
    for codec in CodecId::ALL {
        let read = Raw::decode(Bytes::copy_from_slice(bytes), codec, LIMIT).unwrap();
        assert_eq!((&read[..], read.encode(codec).unwrap()), (bytes, read.0.clone()));
    }
}

/// The description and the message by it; whether both are sound.
fn described(text: &str, message: &[u8]) -> bool {
    let Ok(of) = Type::parse(text) else {
        return false;
    };
    assert_eq!(of.to_string(), text, "a type has one description");
    assert_ne!(method_hash("unary", &of, &of), 0);
    let line = decode(&of, message, LIMIT, Style::Line);
    if let Ok(line) = &line {
        let indented = decode(&of, message, LIMIT, Style::Indented).unwrap();
        let again = decode(&of, &encode(&of, line, LIMIT).unwrap(), LIMIT, Style::Line).unwrap();
        let [line, indented, again]: [Value; 3] =
            [line, &indented, &again].map(|json| serde_json::from_str(json).unwrap());
        assert_eq!(line, indented);
        assert_eq!(line, again);
    }
    let json = std::str::from_utf8(message).ok().and_then(|json| encode(&of, json, LIMIT).ok());
    if let Some(bytes) = &json {
        let line = decode(&of, bytes, LIMIT, Style::Line).unwrap();
        assert_eq!(encode(&of, &line, LIMIT).as_ref(), Ok(bytes));
        assert_eq!(encode(&of, &line, bytes.len()).as_ref(), Ok(bytes));
    }
    line.is_ok() || json.is_some()
}

/// A value of each type: bytes by type and by description are the same, both ways.
fn generated(choices: &mut Choices<'_>) {
    alike(&plain(choices));
    let all = all(choices);
    all.shapes.iter().for_each(alike);
    alike(&all);
    let wide = wide(choices);
    let (of, bytes) = (Wide::describe(), wide.encode(CodecId::Bincode).unwrap());
    let json = decode(&of, &bytes, LIMIT, Style::Line).unwrap();
    assert_eq!(encode(&of, &json, LIMIT), Ok(bytes), "{json}");
    assert_same(
        &wide,
        &Wide::decode(wide.encode(CodecId::Postcard).unwrap(), CodecId::Postcard, LIMIT).unwrap(),
    );
}

fn alike<T: Payload + Serialize + Debug + PartialEq>(value: &T) {
    for codec in CodecId::ALL {
        assert_eq!(T::decode(value.encode(codec).unwrap(), codec, LIMIT).as_ref(), Ok(value), "{codec}");
    }
    let bytes = value.encode(CodecId::Bincode).unwrap();
    agree(value, &decode(&T::describe(), &bytes, LIMIT, Style::Line).unwrap());
    let json = serde_json::to_string_pretty(value).unwrap();
    assert_eq!(decode(&T::describe(), &bytes, LIMIT, Style::Indented), Ok(json));
}

fn plain(choices: &mut Choices<'_>) -> Plain {
    let number = number(choices);
    Plain {
        flag: choices.flag(),
        unsigned: (number as u8, number as u16, number as u32, number as u64),
        signed: (number as i8, number as i16, number as i32, number as i64),
        letter: letter(choices),
        text: text(choices),
        blob: Blob::from(choices.some().to_vec()),
    }
}

/// Any number, and often one at an edge.
fn number(choices: &mut Choices<'_>) -> u128 {
    let edge = choices.pick(&[
        0,
        1,
        0x7f,
        0x80,
        0x7fff,
        1 << 31,
        1 << 53,
        u128::from(u64::MAX),
        1 << 64,
        1 << 127,
        u128::MAX,
    ]);
    let mut bytes = [0; 16];
    let some = choices.take(usize::from(choices.0.first().is_some_and(|byte| byte % 2 == 1)) * 16);
    bytes[..some.len()].copy_from_slice(some);
    edge ^ u128::from_le_bytes(bytes)
}

fn letter(choices: &mut Choices<'_>) -> char {
    choices.pick(&['a', '"', '\\', '\n', '\0', '\u{7f}', 'é', '\u{2028}', '\u{ffff}', '🦀', char::MAX])
}

fn text(choices: &mut Choices<'_>) -> String {
    (0..choices.below(5)).map(|_| letter(choices)).collect()
}

fn shape(choices: &mut Choices<'_>) -> Shape {
    match choices.below(4) {
        0 => Shape::Empty,
        1 => Shape::Pair(number(choices) as u16, text(choices)),
        2 => Shape::Named {
            plain: (0..choices.below(3)).map(|_| plain(choices)).collect(),
            id: choices.flag().then(|| Id(number(choices) as u64)),
        },
        _ => Shape::One(Blob::from(choices.some().to_vec())),
    }
}

fn all(choices: &mut Choices<'_>) -> All {
    All {
        shapes: (0..choices.below(4)).map(|_| shape(choices)).collect(),
        map: (0..choices.below(4)).map(|_| (text(choices), shape(choices))).collect(),
        fixed: [0, 1, 2].map(|_| number(choices) as u16),
        tuple: ((), (choices.byte(), choices.flag().then(|| letter(choices)))),
        unit: Unit,
    }
}

fn wide(choices: &mut Choices<'_>) -> Wide {
    let double = f64::from_bits(number(choices) as u64);
    let narrow = f32::from_bits(number(choices) as u32);
    Wide {
        unsigned: number(choices),
        signed: number(choices) as i128,
        // JSON knows one NaN.
        narrow: if narrow.is_nan() { f32::NAN } else { narrow },
        double: if double.is_nan() { f64::NAN } else { double },
        pairs: (0..choices.below(3)).map(|_| (number(choices) as u16, text(choices))).collect(),
        list: vec![None; choices.below(3)],
    }
}
