//! The golden frames of `docs/rpc-protocol.md`: the page is read, and the code held to every byte of it.
//!
//! A block of the page is a list of cases. A line without an indent names one, and the indented lines below it are its bytes; a `:` and more behind the name
//! are for people. The conversation is spoken by two sessions, as they do it on a connection.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use wireworks::codec::{Codec as _, Outbox};
use wireworks::proto::rpc::codec::Codec;
use wireworks::proto::rpc::dynamic::{self, Style};
use wireworks::proto::rpc::frame::{
    Call, Data, End, Frame, FrameHead, GoAway, HEAD, Open, Piece, Reset, Trace,
};
use wireworks::proto::rpc::metadata::Metadata;
use wireworks::proto::rpc::payload::{CodecId, Payload};
use wireworks::proto::rpc::reject::ErrorCode;
use wireworks::proto::rpc::schema::{Describe, Type, method_hash, service_hash};
use wireworks::proto::rpc::session::{Event, Message, Role, Session};
use wireworks::proto::rpc::settings::Settings;
use wireworks::proto::rpc::status::{Advice, Code, Status};
use wireworks::wire_types;

wire_types! {
    /// What the page has as an example.
    pub struct Entry {
        pub key: String,
        pub size: u32,
        pub delta: i16,
        pub tags: Vec<String>,
        pub expires: Option<u64>,
        pub state: State,
    }

    /// One of two.
    pub enum State { Fresh, Stale(bool) }
}

/// A block of the page, as names and bytes in hexadecimal.
fn block(heading: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rpc-protocol.md");
    let page = fs::read_to_string(path).unwrap();
    let (_, section) = page.split_once(&format!("\n### {heading}\n")).expect(heading);
    let (_, rest) = section.split_once("\n```text\n").expect("a block");
    let (block, _) = rest.split_once("```").expect("the end of the block");
    let mut cases: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("  "), cases.last_mut()) {
            (Some(bytes), Some((_, hex))) => {
                if !hex.is_empty() {
                    hex.push(' ');
                }
                hex.push_str(&bytes.split_whitespace().collect::<Vec<_>>().join(" "));
            }
            _ => cases.push((line.to_owned(), String::new())),
        }
    }
    cases
}

/// Compares the page with what the code says, and shows the whole block as it should be.
#[track_caller]
fn assert_block(heading: &str, expected: &[(String, Vec<u8>)]) {
    let mut shown = String::new();
    for (name, bytes) in expected {
        let _ = writeln!(shown, "{name}");
        for line in bytes.chunks(16) {
            let _ = writeln!(shown, "  {}", hex(line));
        }
    }
    let expected: Vec<_> = expected.iter().map(|(name, bytes)| (name.clone(), hex(bytes))).collect();
    assert!(block(heading) == expected, "{heading} should be\n\n{shown}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn flat(out: &Outbox) -> Vec<u8> {
    let mut slices = [std::io::IoSlice::new(&[]); 16];
    let used = out.slices(&mut slices);
    slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
}

fn piece(bytes: &'static [u8]) -> Option<Piece> {
    Some(Piece { bytes: Bytes::from_static(bytes), more: false, compressed: false })
}

fn end(status: Status, message: Option<Piece>) -> Frame {
    Frame::End(End { stream: 1, status, message })
}

fn frames() -> Vec<(&'static str, Frame)> {
    let call = Call {
        service: 0x0403_0201,
        method: 0x0605,
        attempt: 7,
        codec: 1,
        schema: 0x0b0a_0908,
        deadline: Some(Duration::from_micros(0x1110_0f0e_0d0c)),
        ..Call::default()
    };
    let traced = Call {
        trace: Some(Box::new(Trace { trace: [0xaa; 16], span: [0xbb; 8] })),
        metadata: Metadata::new().with("k", "v").unwrap(),
        deadline: None,
        ..call.clone()
    };
    let more = |bytes| piece(bytes).map(|piece| Piece { more: true, ..piece });
    let long = more(b"hi").map(|piece| Piece { compressed: true, ..piece });
    let data = |message, last| Frame::Data(Data { stream: 1, message, last });
    let wait = Duration::from_millis(0x0102);
    let busy = Status::new(Code::ResourceExhausted, "busy").advice(Advice::Again(wait));
    let trailers = Metadata::new().with("k", "v").unwrap();
    vec![
        ("HELLO", Frame::Hello(Settings { max_streams: 256, ..Settings::default() })),
        (
            "OPEN, message, LAST",
            Frame::Open(Open { stream: 1, call: call.clone(), message: piece(b"hi"), last: true }),
        ),
        ("OPEN without a message", Frame::Open(Open { stream: 3, call, message: None, last: false })),
        (
            "OPEN, trace, metadata k=v, no deadline, beginning of a compressed message",
            Frame::Open(Open { stream: 5, call: traced, message: long, last: false }),
        ),
        ("DATA, message", data(piece(b"abc"), false)),
        ("DATA, message goes on", data(more(b"a"), false)),
        ("DATA, empty message, LAST", data(piece(b""), true)),
        ("DATA, no message, LAST", data(None, true)),
        ("END, ok, message", end(Status::ok(), piece(b"ok"))),
        ("END, ok, no message", end(Status::ok(), None)),
        ("END, ok, trailers k=v, message", end(Status::ok().trailers(trailers.clone()), piece(b"ok"))),
        ("END, resource_exhausted, again after 258 ms, text, trailers", end(busy.trailers(trailers), None)),
        ("END, internal, not again", end(Status::new(Code::Internal, "").advice(Advice::Never), None)),
        (
            "END, unavailable, not processed",
            end(Status::new(Code::Unavailable, "").advice(Advice::NotProcessed), None),
        ),
        (
            "RESET, cancelled, text",
            Frame::Reset(Reset { stream: 1, code: ErrorCode::CANCELLED, text: "bye".into() }),
        ),
        ("CREDIT of a stream", Frame::Credit { stream: 1, bytes: 0x0403_0201 }),
        ("CREDIT of the connection", Frame::Credit { stream: 0, bytes: 1 }),
        ("PING", Frame::Ping(*b"12345678")),
        ("PONG", Frame::Pong(*b"12345678")),
        (
            "GOAWAY, none, text",
            Frame::GoAway(GoAway { last: u32::MAX, code: ErrorCode::NONE, text: "old".into() }),
        ),
        ("GOAWAY, calm", Frame::GoAway(GoAway { last: 7, code: ErrorCode::CALM, text: String::new() })),
    ]
}

#[test]
fn each_kind_of_frame() {
    let mut written = Vec::new();
    for (name, frame) in frames() {
        let mut out = Outbox::new();
        frame.clone().put(&mut out);
        let bytes = flat(&out);
        let head = FrameHead::parse(&bytes).unwrap();
        let read = Frame::parse(head, Bytes::copy_from_slice(&bytes[HEAD..]), &Settings::default());
        assert_eq!(read, Ok(Some(frame)), "{name}");
        written.push((name.to_owned(), bytes));
    }
    assert_block("Frames by kind", &written);
}

/// One side of a conversation.
struct Side {
    name: &'static str,
    session: Session,
    codec: Codec,
    unread: BytesMut,
}

impl Side {
    fn new(name: &'static str, role: Role) -> Self {
        let ours = Settings { max_streams: 256, stream_credit: 8, ..Settings::default() };
        Self { name, session: Session::new(role, ours), codec: Codec::new(ours), unread: BytesMut::new() }
    }

    /// Says each frame that waits, to `other`, who hears it. What was said, and what it meant.
    fn says(&mut self, other: &mut Self, told: &mut Vec<(String, Vec<u8>)>) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(frame) = self.session.pop() {
            let kind = format!("{frame:?}");
            let kind = kind.split(['(', ' ']).next().unwrap().to_uppercase();
            let mut out = Outbox::new();
            self.codec.encode(frame, &mut out).unwrap();
            let bytes = flat(&out);
            other.unread.extend_from_slice(&bytes);
            told.push((format!("{}: {kind}", self.name), bytes));
            let heard = other.codec.decode(&mut other.unread).unwrap().expect("a whole frame");
            events.extend(other.session.hear(heard, Instant::now()).unwrap());
        }
        assert!(other.unread.is_empty());
        events
    }
}

fn message(of: &Type, json: &str) -> Message {
    Message { bytes: dynamic::encode(of, json, 1024).unwrap(), compressed: false, credit: 0 }
}

#[test]
fn a_whole_conversation() {
    let words = Type::parse("Words{text:string}").unwrap();
    let call = |method, kind| Call {
        service: service_hash("Echo"),
        method,
        schema: method_hash(kind, &words, &words),
        deadline: Some(Duration::from_secs(10)),
        ..Call::default()
    };
    let (mut client, mut server) = (Side::new("client", Role::Client), Side::new("server", Role::Server));
    let mut told = Vec::new();
    client.says(&mut server, &mut told);
    server.says(&mut client, &mut told);

    // Echo.say.
    let hi = message(&words, r#"{"text": "hi"}"#);
    assert_eq!(client.session.call(call(1, "unary"), Some(hi.clone()), true), Ok(1));
    let heard = client.says(&mut server, &mut told);
    assert!(
        matches!(&heard[..], [Event::Call { stream: 1, message: Some(said), last: true, .. }] if *said == hi)
    );
    server.session.end(1, Status::ok(), Some(hi)).unwrap();
    server.session.release();
    server.says(&mut client, &mut told);

    // Echo.chat: ten bytes are more than the credit of a stream, so they go in two pieces.
    assert_eq!(client.session.call(call(3, "bidi"), None, false), Ok(3));
    client.session.say(3, message(&words, r#"{"text": "yo"}"#), false).unwrap();
    client.says(&mut server, &mut told);
    let heard = {
        server.says(&mut client, &mut told);
        client.says(&mut server, &mut told)
    };
    let [Event::Message { stream: 3, message: yo, last: false }] = &heard[..] else { panic!("{heard:?}") };
    server.session.consumed(3, yo.credit);
    server.session.say(3, Message { credit: 0, ..yo.clone() }, false).unwrap();
    server.says(&mut client, &mut told);
    let heard = {
        client.says(&mut server, &mut told);
        server.says(&mut client, &mut told)
    };
    let [Event::Message { stream: 3, message: yo, .. }] = &heard[..] else { panic!("{heard:?}") };
    client.session.consumed(3, yo.credit);
    client.session.say_last(3);
    client.says(&mut server, &mut told);
    server.session.end(3, Status::ok(), None).unwrap();
    server.session.release();
    server.says(&mut client, &mut told);

    // A call that is given up, and one that there is not.
    assert_eq!(client.session.call(call(3, "bidi"), None, false), Ok(5));
    client.session.reset(5, ErrorCode::CANCELLED, "");
    client.says(&mut server, &mut told);
    server.session.release();
    assert_eq!(client.session.call(call(9, "unary"), None, true), Ok(7));
    client.says(&mut server, &mut told);
    let unknown = Status::new(Code::Unimplemented, "no such method").advice(Advice::NotProcessed);
    server.session.end(7, unknown, None).unwrap();
    server.session.release();
    server.says(&mut client, &mut told);

    // The server leaves, in two steps.
    server.session.leave();
    server.says(&mut client, &mut told);
    client.says(&mut server, &mut told);
    server.says(&mut client, &mut told);
    assert!(server.session.has_left() && client.session.is_idle());
    assert_block("A conversation", &told);
}

#[test]
fn numbers_by_hash() {
    let words = Type::parse("Words{text:string}").unwrap();
    let mut told = Vec::new();
    for name in ["Echo", "Health"] {
        told.push((name.to_owned(), service_hash(name).to_le_bytes().to_vec()));
    }
    for (kind, text) in [
        ("unary", "unary Words{text:string} Words{text:string}"),
        ("bidi", "bidi Words{text:string} Words{text:string}"),
    ] {
        assert_eq!(text, format!("{kind} {words} {words}"));
        told.push((text.to_owned(), method_hash(kind, &words, &words).to_le_bytes().to_vec()));
    }
    assert_block("Names and schemas", &told);
}

#[test]
fn a_message_in_each_codec() {
    let entry = Entry {
        key: "a/é".into(),
        size: 300,
        delta: -2,
        tags: vec!["x".into(), "yz".into()],
        expires: Some(1_000_000),
        state: State::Stale(true),
    };
    let of = Entry::describe();
    let mut told = vec![(of.to_string(), Vec::new())];
    let first = entry.encode(CodecId::Bincode).unwrap();
    told.push((dynamic::decode(&of, &first, 1024, Style::Line).unwrap(), Vec::new()));
    for (name, codec) in [("codec 0", CodecId::Bincode), ("codec 1", CodecId::Postcard)] {
        let bytes = entry.encode(codec).unwrap();
        let again = Entry::decode(bytes.clone(), codec, 1024).unwrap();
        assert_eq!(again.encode(codec).unwrap(), bytes);
        told.push((name.to_owned(), bytes.to_vec()));
    }
    assert_block("A message", &told);
}
