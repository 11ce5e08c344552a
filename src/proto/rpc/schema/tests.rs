//! Descriptions, there and back, and texts that are none.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::proto::rpc::payload::{Blob, Raw};

crate::wire_types! {
    struct Point { x: f64, r#type: u8 }
    struct Id(u64);
    struct Pair(u8, String);
    struct Unit;
    struct Bare {}
    enum Shape { None, At { at: Point, id: Option<Id> }, Several(Vec<Point>, Unit) }
}

#[test]
fn types_describe_themselves_and_are_read_again() {
    fn of<T: Describe>() -> (Type, String) {
        (T::describe(), T::describe().to_string())
    }
    for ((described, text), expected) in [
        (of::<bool>(), "bool"),
        (of::<(u8, u16, u32, u64, u128)>(), "(u8,u16,u32,u64,u128)"),
        (of::<(i8, i16, i32, i64, i128)>(), "(i8,i16,i32,i64,i128)"),
        (of::<(f32, f64, char, String, Blob)>(), "(f32,f64,char,string,bytes)"),
        (of::<()>(), "()"),
        (of::<(u8,)>(), "(u8)"),
        (of::<Raw>(), "raw"),
        (of::<Option<Vec<u8>>>(), "option<list<u8>>"),
        (of::<HashSet<Box<i8>>>(), "list<i8>"),
        (of::<BTreeMap<String, [char; 4]>>(), "map<string,[char;4]>"),
        (of::<Point>(), "Point{x:f64,type:u8}"),
        (of::<Pair>(), "Pair(u8,string)"),
        (of::<Unit>(), "Unit()"),
        (of::<Bare>(), "Bare{}"),
        (
            of::<Shape>(),
            "Shape[None,At{at:Point{x:f64,type:u8},id:option<Id(u64)>},Several(list<Point{x:f64,type:u8}>,Unit())]",
        ),
    ] {
        assert_eq!(text, expected);
        assert_eq!(Type::parse(&text), Ok(described), "{text}");
    }
    for plain in Plain::ALL {
        assert_eq!(Type::parse(plain.name()), Ok(Type::Plain(*plain)));
    }
    // Names that the language has are no less names.
    assert!(matches!(Type::parse("bool{option:u8}"), Ok(Type::Struct(name, _)) if name == "bool"));
}

#[test]
fn texts_that_describe_nothing_are_refused() {
    for text in [
        "",
        " ",
        "u9",
        "U8",
        "u8 ",
        "u8,",
        "option",
        "option<>",
        "option<u8",
        "option<u8,u8>",
        "list<u8>>",
        "set<u8>",
        "map<u8>",
        "map<u8,u8,u8>",
        "(",
        "(u8,)",
        "(,u8)",
        ")",
        "[u8]",
        "[u8;]",
        "[u8;x]",
        "[u8;01]",
        "[u8;-1]",
        "[u8;65536]",
        "[u8;99999999999999999999999]",
        "A",
        "A{",
        "A{x}",
        "A{x:}",
        "A{x:u8,}",
        "A{:u8}",
        "A{x:u8,x:u8}",
        "A(",
        "A(u8,)",
        "A[]",
        "A[B(]",
        "A[B()]",
        "A[B,]",
        "A[B,B]",
        "A[{}]",
        "é",
        "A{é:u8}",
        "option<raw>",
        "list<raw>",
        "(raw)",
        "A{x:raw}",
        "raw ",
        "\0",
        "option\u{301}<u8>",
    ] {
        assert!(Type::parse(text).is_err(), "{text}");
    }
}

/// A list whose elements take no bytes could be endless.
#[test]
fn elements_have_bytes() {
    for text in ["()", "((),())", "A()", "A{}", "A{x:(),y:B((),())}", "[u8;0]"] {
        for list in [format!("list<{text}>"), format!("[{text};2]"), format!("map<{text},{text}>")] {
            assert!(matches!(Type::parse(&list), Err(SchemaError::NoBytes(_))), "{list}");
        }
        for fine in [
            format!("option<{text}>"),
            format!("list<option<{text}>>"),
            format!("map<u8,{text}>"),
            format!("({text})"),
        ] {
            assert!(Type::parse(&fine).is_ok(), "{fine}");
        }
    }
    assert!(Type::parse("list<A[B]>").is_ok());
}

#[test]
fn descriptions_have_limits() {
    let deep = |depth| format!("{}u8{}", "option<".repeat(depth - 1), ">".repeat(depth - 1));
    assert!(Type::parse(&deep(MAX_DEPTH)).is_ok());
    assert!(matches!(Type::parse(&deep(MAX_DEPTH + 1)), Err(SchemaError::TooDeep(_))));
    assert!(matches!(Type::parse(&"(".repeat(MAX_TEXT)), Err(SchemaError::TooDeep(_))));
    assert!(matches!(Type::parse(&"A[B(".repeat(1000)), Err(SchemaError::TooDeep(_))));
    let wide = |parts| format!("({})", vec!["u8"; parts].join(","));
    assert!(Type::parse(&wide(MAX_PARTS)).is_ok());
    assert!(matches!(Type::parse(&wide(MAX_PARTS + 1)), Err(SchemaError::TooMany(_))));
    assert_eq!(Type::parse(&"u".repeat(MAX_TEXT + 1)), Err(SchemaError::TooLong(MAX_TEXT + 1)));
    assert!(Type::parse(&format!("[u8;{MAX_ARRAY}]")).is_ok());
}

/// The values of FNV-1a are those of its authors' test suite.
#[test]
fn hashes_are_as_specified() {
    assert_eq!(service_hash(""), 0x811c_9dc5);
    assert_eq!(service_hash("a"), 0xe40c_292c);
    assert_eq!(service_hash("foobar"), 0xbf9c_f968);
    let (request, response) = (Pair::describe(), Unit::describe());
    assert_eq!(method_hash("unary", &request, &response), service_hash("unary Pair(u8,string) Unit()"));
    assert_ne!(method_hash("unary", &request, &response), method_hash("bidi", &request, &response));
    assert_ne!(method_hash("unary", &request, &response), method_hash("unary", &response, &request));
}
