//! JSON and bytes against `serde_json` and codec 0 with the same types, and everything that is neither.

use std::collections::BTreeMap;

use serde::Serialize;

use super::*;
use crate::proto::rpc::payload::{Blob, CodecId, Payload, Raw};
use crate::proto::rpc::schema::{Describe, MAX_DEPTH};

const LIMIT: usize = 1 << 20;

crate::wire_types! {
    struct Item { name: String, price: u32, r#type: Option<char> }
    struct Id(u64);
    struct Pair(i8, bool);
    struct Unit;
    struct Bare {}
    enum Event {
        Gone,
        Moved(i16, f32),
        Renamed(String),
        Sold { items: Vec<Item>, by: Option<Id> },
        Nothing {},
    }
    struct Order {
        id: Id,
        items: Vec<Item>,
        notes: BTreeMap<String, Vec<Event>>,
        picture: Blob,
        numbers: (u8, i128, u128, f64),
        place: [i32; 2],
        unit: ((), Unit, Bare, Pair),
    }
}

fn item(name: &str) -> Item {
    Item { name: name.into(), price: 250, r#type: Some('é') }
}

fn events() -> [Event; 6] {
    [
        Event::Gone,
        Event::Moved(-7, 0.1),
        Event::Renamed("\"\n\u{1}é🦀".into()),
        Event::Sold { items: vec![item("tea"), item("")], by: Some(Id(u64::MAX)) },
        Event::Sold { items: vec![], by: None },
        Event::Nothing {},
    ]
}

fn order() -> Order {
    Order {
        id: Id(7),
        items: vec![item("tea"), Item { r#type: None, ..item("cup") }],
        notes: [("all of them".into(), events().to_vec()), (String::new(), vec![])].into(),
        picture: Blob::from(&b"\0\xff\x10"[..]),
        numbers: (255, -1, 1 << 63, 0.1),
        place: [i32::MIN, i32::MAX],
        unit: ((), Unit, Bare {}, Pair(-128, true)),
    }
}

/// Bytes and JSON of a value by its Rust type are those by its description, both ways.
#[track_caller]
fn agree<T: Payload + Serialize + PartialEq + std::fmt::Debug>(value: &T) {
    let of = Type::parse(&T::describe().to_string()).unwrap();
    let bytes = value.encode(CodecId::Bincode).unwrap();
    let (line, indented) =
        (serde_json::to_string(value).unwrap(), serde_json::to_string_pretty(value).unwrap());
    assert_eq!(decode(&of, &bytes, LIMIT, Style::Line).as_ref(), Ok(&line), "{of}");
    assert_eq!(decode(&of, &bytes, LIMIT, Style::Indented), Ok(indented), "{of}");
    assert_eq!(encode(&of, &line, bytes.len()).as_ref(), Ok(&bytes), "{line}");
    for cut in 0..bytes.len() {
        assert!(decode(&of, &bytes[..cut], LIMIT, Style::Line).is_err(), "{of}, cut at {cut}");
    }
    let longer = [&bytes[..], b"\0"].concat();
    assert_eq!(decode(&of, &longer, LIMIT, Style::Line), Err(DynamicError::LeftOver(1)));
    if !bytes.is_empty() {
        assert_eq!(encode(&of, &line, bytes.len() - 1), Err(DynamicError::TooLarge(bytes.len() - 1)));
    }
    assert_eq!(decode(&of, &bytes, line.len() - 1, Style::Line), Err(DynamicError::TooLarge(line.len() - 1)));
}

#[test]
fn json_and_bytes_are_those_of_the_rust_type() {
    agree(&order());
    events().iter().for_each(agree);
    agree(&());
    agree(&Unit);
    agree(&Bare {});
    agree(&(1u8,));
    agree(&vec![None, Some(Some(true)), Some(Some(false))]);
    agree(&vec![Vec::<String>::new(); 3]);
    for value in [0.0f64, -0.0, 1e300, f64::MIN_POSITIVE, f64::MAX, 5e-324, 123_456_789.123_456_79] {
        agree(&value);
        agree(&(value as f32).clamp(f32::MIN, f32::MAX));
    }
    agree(&(u64::MAX, i64::MIN, i128::from(i64::MIN), u128::from(u64::MAX)));
}

/// What JSON or `serde_json` cannot say has a form of its own.
#[test]
fn what_json_cannot_say() {
    fn both<T: Payload>(value: &T, json: &str) {
        let (of, bytes) = (T::describe(), value.encode(CodecId::Bincode).unwrap());
        assert_eq!(decode(&of, &bytes, LIMIT, Style::Line).as_deref(), Ok(json));
        assert_eq!(encode(&of, json, LIMIT), Ok(bytes), "{json}");
    }
    both(&vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY], r#"["NaN","Infinity","-Infinity"]"#);
    both(&(f32::NAN, f32::INFINITY), r#"["NaN","Infinity"]"#);
    both(&(u128::MAX, i128::MIN), &format!(r#"["{}","{}"]"#, u128::MAX, i128::MIN));
    both(&BTreeMap::from([(7u8, Id(1)), (9, Id(2))]), "[[7,1],[9,2]]");
    both(&BTreeMap::from([((true, 'x'), ())]), r#"[[[true,"x"],null]]"#);
    both(&Raw::from(&b"\0\xff\x10"[..]), r#""AP8Q""#);
    both(&Raw::default(), r#""""#);
}

#[test]
fn large_numbers_may_be_strings_and_unit_variants_objects() {
    let numbers = Type::parse("(u64,i64,u128,i128,f64)").unwrap();
    let one = encode(&numbers, "[1,-1,1,-1,1]", LIMIT).unwrap();
    assert_eq!(encode(&numbers, r#"["1","-1","1","-1",1.0]"#, LIMIT), Ok(one));
    let event = Event::describe();
    assert_eq!(encode(&event, r#"{"Gone":null}"#, LIMIT), encode(&event, r#""Gone""#, LIMIT));
}

#[test]
fn errors_name_the_place() {
    let order = Type::parse(
        "{}".replace("{}", "O{order:I{items:list<P{price:u32}>},by:map<string,E[A,B{x:u8},C(i8,i8)]>}")
            .as_str(),
    );
    let order = order.unwrap();
    let said = |json: &str| encode(&order, json, LIMIT).unwrap_err().to_string();
    let item = |price: &str| {
        said(&format!(r#"{{"order":{{"items":[{{"price":1}},{{"price":{price}}}]}},"by":{{}}}}"#))
    };
    let by = |event: &str| said(&format!(r#"{{"order":{{"items":[]}},"by":{{"a b":{event}}}}}"#));
    for (found, expected) in [
        (item("\"x\""), r#"$.order.items[1].price: expected u32, found "x""#),
        (item("\"1\""), r#"$.order.items[1].price: expected u32, found "1""#),
        (item("-1"), "$.order.items[1].price: expected u32, found -1"),
        (item("1.5"), "$.order.items[1].price: expected u32, found 1.5"),
        (item("4294967296"), "$.order.items[1].price: expected u32, found 4294967296"),
        (item("null"), "$.order.items[1].price: expected u32, found null"),
        (item("[]"), "$.order.items[1].price: expected u32, found an array of 0"),
        (item("{}"), "$.order.items[1].price: expected u32, found an object"),
        (
            item(&format!("{:?}", "é".repeat(50))),
            &format!("$.order.items[1].price: expected u32, found {:?}", "é".repeat(40) + "..."),
        ),
        (said("{}"), "$: the field `order` is missing"),
        (said("[]"), "$: expected an object, found an array of 0"),
        (said(r#"{"order":{"items":[]},"by":{},"to":1}"#), "$: there is no field `to`, only `order`, `by`"),
        (
            said(r#"{"order":{"items":[],"item":1},"by":{}}"#),
            "$.order: there is no field `item`, only `items`",
        ),
        (by("\"D\""), r#"$.by["a b"]: expected one of `A`, `B`, `C`, found "D""#),
        (by("\"B\""), r#"$.by["a b"]: expected {"B": ...}, found "B""#),
        (
            by("7"),
            r#"$.by["a b"]: expected one of `A`, `B`, `C`, as a string or as the only key of an object, found 7"#,
        ),
        (by(r#"{"A":1}"#), r#"$.by["a b"].A: expected null, found 1"#),
        (by(r#"{"B":{}}"#), r#"$.by["a b"].B: the field `x` is missing"#),
        (by(r#"{"B":{"x":256}}"#), r#"$.by["a b"].B.x: expected u8, found 256"#),
        (by(r#"{"C":[1]}"#), r#"$.by["a b"].C: expected an array of 2, found an array of 1"#),
        (by(r#"{"C":[1,-129]}"#), r#"$.by["a b"].C[1]: expected i8, found -129"#),
        (said("{"), "the JSON cannot be read: EOF while parsing an object at line 1 column 1"),
        (
            said(r#"{"order":{},"by":{"a":1,"a":2}}"#),
            "the JSON cannot be read: the key \"a\" comes twice at line 1 column 27",
        ),
    ] {
        assert_eq!(found, expected);
    }
}

/// Values that are none of their type, each with one that is.
#[test]
fn values_of_other_types_are_refused() {
    for (of, right, wrong) in [
        ("bool", "true", &["1", "null", "\"true\""][..]),
        ("u8", "255", &["256", "-1", "1.0", "1e2", "\"1\""]),
        (
            "i64",
            "-9223372036854775808",
            &["9223372036854775808", "\"\"", "\"+1\"", "\"1.0\"", "\"0x1\"", "1.5"],
        ),
        (
            "u64",
            "18446744073709551615",
            &["18446744073709551616", "\"18446744073709551616\"", "-1", "\"-1\"", "\" 1\""],
        ),
        (
            "u128",
            "\"340282366920938463463374607431768211455\"",
            &["340282366920938463463374607431768211455", "-1", "\"-1\""],
        ),
        (
            "i128",
            "\"-170141183460469231731687303715884105728\"",
            &["\"170141183460469231731687303715884105728\"", "1e3"],
        ),
        ("f32", "3.4e38", &["3.5e38", "\"nan\"", "\"1\"", "null"]),
        ("f64", "1", &["\"inf\"", "\"Infinity \"", "null", "[]"]),
        ("char", "\"é\"", &["\"\"", "\"ab\"", "97", "\"e\\u0301\""]),
        ("string", "\"\"", &["1", "null"]),
        ("bytes", "\"AA==\"", &["\"AA\"", "\"A\"", "\"A-==\"", "\"AB==\"", "[1]", "null"]),
        ("raw", "\"AA==\"", &["\"?\"", "1"]),
        ("()", "null", &["[]", "{}", "0"]),
        ("(u8)", "[1]", &["1", "[]", "[1,2]"]),
        ("[u8;2]", "[1,2]", &["[1]", "[1,2,3]", "{}"]),
        ("list<u8>", "[]", &["{}", "null", "[null]", "[[1]]"]),
        ("map<string,u8>", "{\"a\":1}", &["[]", "{\"a\":null}", "null"]),
        ("map<u8,u8>", "[[1,2]]", &["{}", "[1]", "[[1]]", "[[1,2,3]]", "{\"1\":2}"]),
        ("A()", "null", &["{}", "[]", "\"A\""]),
        ("A{}", "{}", &["null", "[]", "{\"a\":1}"]),
        ("A(u8)", "1", &["[1]", "null"]),
        (
            "A[B,C(u8)]",
            "\"B\"",
            &["\"A\"", "\"b\"", "{}", "{\"B\":null,\"C\":1}", "{\"C\":[1]}", "null", "0"],
        ),
    ] {
        let of = Type::parse(of).unwrap();
        assert!(encode(&of, right, LIMIT).is_ok(), "{of}: {right}");
        for json in wrong {
            let read = encode(&of, json, LIMIT);
            assert!(
                matches!(read, Err(DynamicError::Expected { .. } | DynamicError::Unknown { .. })),
                "{of}, {json}: {read:?}"
            );
        }
    }
}

#[test]
fn bytes_that_no_value_is_written_as_are_named() {
    let long = |announced: u64, rest: &[u8]| [&announced.to_le_bytes()[..], rest].concat();
    for (of, bytes, expected) in [
        ("bool", vec![2], "$: the message cannot be read: a bool is 2"),
        ("(u8,option<u8>)", vec![1, 7], "$[1]: the message cannot be read: an option begins with 7"),
        ("E[A,B]", vec![2, 0, 0, 0], "$: the message cannot be read: variant 2 of E, which has 2"),
        ("A{x:char}", vec![0xff; 4], "$.x: the message cannot be read: a character is not UTF-8"),
        ("A{x:char}", vec![0xc3], "$.x: the message ends too early"),
        ("string", long(1, &[0xff]), "$: the message cannot be read: a text is not UTF-8"),
        (
            "string",
            long(2, b"x"),
            "$: the message cannot be read: it announces 2 elements, and has 1 bytes for them",
        ),
        (
            "list<list<u8>>",
            long(1, &long(u64::MAX, b"")),
            "$[0]: the message cannot be read: it announces 18446744073709551615 elements, and has 0 bytes for them",
        ),
        ("list<u16>", long(2, &[0; 3]), "$[1]: the message ends too early"),
        ("bytes", vec![0; 7], "$: the message ends too early"),
        (
            "map<string,u8>",
            [long(2, &long(1, b"a\x01")), long(1, b"a\x01")].concat(),
            "$: the message cannot be read: the key \"a\" comes twice",
        ),
    ] {
        let of = Type::parse(of).unwrap();
        let error = decode(&of, &bytes, LIMIT, Style::Line).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

/// A few bytes cannot become much text, nor text too much of anything, nor types too deep for the stack.
#[test]
fn both_directions_are_bounded() {
    let wide = Type::parse(&format!(
        "list<E[A{{{}}}]>",
        (0..200).map(|n| format!("field{n}:()")).collect::<Vec<_>>().join(",")
    ));
    let wide = wide.unwrap();
    let many = [&1000u64.to_le_bytes()[..], &[0; 4000]].concat();
    assert_eq!(decode(&wide, &many, 10_000, Style::Indented), Err(DynamicError::TooLarge(10_000)));
    assert_eq!(encode(&wide, &" ".repeat(MAX_JSON + 1), LIMIT), Err(DynamicError::TooLarge(MAX_JSON)));
    let mut deep = Type::parse("u8").unwrap();
    for depth in 1..=2 * MAX_DEPTH {
        let fits = depth <= MAX_DEPTH;
        let json = decode(&deep, &vec![1; depth], LIMIT, Style::Line);
        assert_eq!(json.is_ok(), fits, "{depth}");
        assert_eq!(encode(&deep, "1", LIMIT).is_ok(), fits, "{depth}");
        deep = Type::Option(deep.into());
    }
    // The deepest value of the deepest type is within what serde_json reads.
    let mut deepest = "u8".to_owned();
    let mut json = "1".to_owned();
    for _ in 1..MAX_DEPTH {
        deepest = format!("E[A{{x:{deepest}}}]");
        json = format!(r#"{{"A":{{"x":{json}}}}}"#);
    }
    let deepest = Type::parse(&deepest).unwrap();
    let bytes = encode(&deepest, &json, LIMIT).unwrap();
    assert_eq!(decode(&deepest, &bytes, LIMIT, Style::Line), Ok(json));
    assert!(matches!(encode(&deepest, &"[".repeat(10_000), LIMIT), Err(DynamicError::Json(_))));
}
