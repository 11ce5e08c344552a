use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::*;

/// The bytes of a frame.
fn written(frame: Frame) -> Vec<u8> {
    let mut out = Outbox::new();
    frame.put(&mut out);
    let mut slices = [std::io::IoSlice::new(&[]); 8];
    let used = out.slices(&mut slices);
    slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
}

/// The frame that bytes say.
fn read(bytes: &[u8]) -> Result<Option<Frame>, Reject> {
    let head = FrameHead::parse(bytes).unwrap();
    assert_eq!(bytes.len(), HEAD + usize::from(head.length), "the head tells the length");
    Frame::parse(head, Bytes::copy_from_slice(&bytes[HEAD..]), &Settings::default())
}

/// Bytes of a frame with a payload that fits no type.
fn raw(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let head = FrameHead { length: payload.len() as u16, kind, flags, stream };
    [&head.to_bytes()[..], payload].concat()
}

fn piece(bytes: &'static [u8]) -> Piece {
    Piece { bytes: Bytes::from_static(bytes), more: false, compressed: false }
}

fn hello() -> Vec<u8> {
    let mut payload = BytesMut::new();
    Settings::default().put(&mut payload);
    payload.to_vec()
}

/// Frames, and how they stand on the wire: what another implementation can be held to.
fn golden() -> Vec<(Frame, Vec<u8>)> {
    let call = Call {
        service: 0x0403_0201,
        method: 0x0605,
        attempt: 7,
        codec: 1,
        schema: 0x0b0a_0908,
        deadline: Some(Duration::from_micros(0x1110_0f0e_0d0c)),
        trace: None,
        metadata: Metadata::new(),
    };
    let traced = Call {
        trace: Some(Box::new(Trace { trace: [0xaa; 16], span: [0xbb; 8] })),
        metadata: Metadata::new().with("k", "v").unwrap(),
        deadline: None,
        ..call.clone()
    };
    let fixed = b"\x01\x02\x03\x04\x05\x06\x07\x01\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\0\0";
    let fixed_traced = b"\x01\x02\x03\x04\x05\x06\x07\x01\x08\x09\x0a\x0b\0\0\0\0\0\0\x05\0";
    let busy = Status::new(Code::ResourceExhausted, "busy")
        .advice(Advice::Again(Duration::from_millis(0x0102)))
        .trailers(Metadata::new().with("k", "v").unwrap());
    let refused = Status::new(Code::Unavailable, "").advice(Advice::NotProcessed);
    let never = Status::new(Code::Internal, "").advice(Advice::Never);
    let later = Status::new(Code::ResourceExhausted, "").advice(Advice::Later(Duration::from_millis(0x0102)));
    vec![
        (Frame::Hello(Settings::default()), raw(1, 0, 0, &hello())),
        (
            Frame::Open(Open { stream: 1, call: call.clone(), message: Some(piece(b"hi")), last: true }),
            [&b"\x16\0\x02\x03\x01\0\0\0"[..], fixed, b"hi"].concat(),
        ),
        (
            Frame::Open(Open { stream: 3, call: call.clone(), message: None, last: false }),
            [&b"\x14\0\x02\x00\x03\0\0\0"[..], fixed].concat(),
        ),
        (
            Frame::Open(Open {
                stream: 5,
                call: traced,
                message: Some(Piece { more: true, compressed: true, ..piece(b"hi") }),
                last: false,
            }),
            [&b"\x33\0\x02\x1e\x05\0\0\0"[..], fixed_traced, &[0xaa; 16], &[0xbb; 8], b"\x01\x01\0kv", b"hi"]
                .concat(),
        ),
        (
            Frame::Data(Data { stream: 0x0403_0201, message: Some(piece(b"abc")), last: false }),
            b"\x03\0\x03\x02\x01\x02\x03\x04abc".to_vec(),
        ),
        (
            Frame::Data(Data { stream: 1, message: Some(Piece { more: true, ..piece(b"a") }), last: false }),
            b"\x01\0\x03\x06\x01\0\0\0a".to_vec(),
        ),
        (
            Frame::Data(Data { stream: 1, message: Some(piece(b"")), last: true }),
            b"\0\0\x03\x03\x01\0\0\0".to_vec(),
        ),
        (Frame::Data(Data { stream: 1, message: None, last: true }), b"\0\0\x03\x01\x01\0\0\0".to_vec()),
        (
            Frame::End(End { stream: 1, status: Status::ok(), message: Some(piece(b"ok")) }),
            b"\x02\0\x04\x02\x01\0\0\0ok".to_vec(),
        ),
        (
            Frame::End(End { stream: 1, status: Status::ok(), message: None }),
            b"\0\0\x04\0\x01\0\0\0".to_vec(),
        ),
        (
            Frame::End(End { stream: 1, status: busy, message: None }),
            b"\x15\0\x04\x20\x01\0\0\0\x08\0\x01\0\x02\x01\0\0\x04\0\x05\0busy\x01\x01\0kv".to_vec(),
        ),
        (
            Frame::End(End { stream: 1, status: later, message: None }),
            b"\x0c\0\x04\x20\x01\0\0\0\x08\0\x03\0\x02\x01\0\0\0\0\0\0".to_vec(),
        ),
        (
            Frame::End(End { stream: 1, status: refused, message: None }),
            b"\x0c\0\x04\x20\x01\0\0\0\x0e\0\x03\0\0\0\0\0\0\0\0\0".to_vec(),
        ),
        (
            Frame::End(End { stream: 1, status: never, message: None }),
            b"\x0c\0\x04\x20\x01\0\0\0\x0d\0\x02\0\0\0\0\0\0\0\0\0".to_vec(),
        ),
        (
            Frame::End(End {
                stream: 1,
                status: Status::ok().trailers(Metadata::new().with("k", "v").unwrap()),
                message: Some(Piece { compressed: true, ..piece(b"ok") }),
            }),
            b"\x13\0\x04\x2a\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\x01\x01\0kvok".to_vec(),
        ),
        (
            Frame::Reset(Reset { stream: 1, code: ErrorCode::CANCELLED, text: "bye".into() }),
            b"\x05\0\x05\0\x01\0\0\0\x06\0bye".to_vec(),
        ),
        (Frame::Credit { stream: 1, bytes: 0x0403_0201 }, b"\x04\0\x06\0\x01\0\0\0\x01\x02\x03\x04".to_vec()),
        (Frame::Credit { stream: 0, bytes: 1 }, b"\x04\0\x06\0\0\0\0\0\x01\0\0\0".to_vec()),
        (Frame::Ping(*b"12345678"), b"\x08\0\x07\0\0\0\0\x0012345678".to_vec()),
        (Frame::Pong(*b"12345678"), b"\x08\0\x08\0\0\0\0\x0012345678".to_vec()),
        (
            Frame::GoAway(GoAway { last: u32::MAX, code: ErrorCode::NONE, text: "old".into() }),
            b"\x09\0\x09\0\0\0\0\0\xff\xff\xff\xff\0\0old".to_vec(),
        ),
    ]
}

#[test]
fn frames_both_ways() {
    for (frame, bytes) in golden() {
        assert_eq!(written(frame.clone()), bytes, "{frame:?}");
        assert_eq!(read(&bytes), Ok(Some(frame)), "{bytes:02x?}");
    }
}

#[test]
fn a_payload_cut_short_is_malformed_or_a_shorter_message() {
    for (frame, bytes) in golden() {
        let head = FrameHead::parse(&bytes).unwrap();
        for cut in 0..usize::from(head.length) {
            let head = FrameHead { length: cut as u16, ..head };
            let parsed =
                Frame::parse(head, Bytes::copy_from_slice(&bytes[HEAD..HEAD + cut]), &Settings::default());
            let shorter = matches!(
                parsed,
                Ok(Some(
                    Frame::Open(Open { message: Some(_), .. })
                        | Frame::Data(Data { message: Some(_), .. })
                        | Frame::End(End { message: Some(_), .. })
                        | Frame::Reset(_)
                        | Frame::GoAway(_)
                ))
            );
            let fewer = matches!(parsed, Ok(Some(Frame::Hello(_)))) && cut % 10 == 0;
            assert!(
                shorter || fewer || parsed == Err(Reject::Malformed { kind: head.kind }),
                "{frame:?} cut at {cut}"
            );
        }
    }
}

#[test]
fn what_a_frame_may_not_say_is_refused() {
    let open = [0; OPEN_HEAD];
    let long = "x".repeat(MAX_REASON + 1);
    let flags = |kind, flags| Err(Reject::Flags { kind, flags });
    let malformed = |kind| Err(Reject::Malformed { kind });
    let wrong = |kind, stream| Err(Reject::WrongStream { kind, stream });
    let table = [
        (raw(0, 0, 0, b""), Err(Reject::UnknownFrame(0))),
        (raw(10, 0, 1, b""), Err(Reject::UnknownFrame(10))),
        (raw(127, 0, 1, b""), Err(Reject::UnknownFrame(127))),
        (raw(128, 255, 1, b"whatever"), Ok(None)),
        (raw(255, 0, 0, b""), Ok(None)),
        // Streams.
        (raw(HELLO, 0, 1, b""), wrong(HELLO, 1)),
        (raw(OPEN, LAST, 0, &open), wrong(OPEN, 0)),
        (raw(DATA, LAST, 0, b""), wrong(DATA, 0)),
        (raw(END, 0, 0, b""), wrong(END, 0)),
        (raw(RESET, 0, 0, b"\0\0"), wrong(RESET, 0)),
        (raw(PING, 0, 1, &[0; 8]), wrong(PING, 1)),
        (raw(PONG, 0, 1, &[0; 8]), wrong(PONG, 1)),
        (raw(GOAWAY, 0, 1, &[0; 6]), wrong(GOAWAY, 1)),
        // Flags.
        (raw(HELLO, 1, 0, b""), flags(HELLO, 1)),
        (raw(OPEN, 0x40, 1, &open), flags(OPEN, 0x40)),
        (raw(OPEN, STATUS, 1, &open), flags(OPEN, STATUS)),
        (raw(OPEN, LAST | MESSAGE | MORE, 1, &open), flags(OPEN, 7)),
        (raw(OPEN, MORE, 1, &open), flags(OPEN, MORE)),
        (raw(DATA, COMPRESSED, 1, b""), flags(DATA, COMPRESSED)),
        (raw(DATA, TRACE, 1, b""), flags(DATA, TRACE)),
        (raw(END, LAST, 1, b""), flags(END, LAST)),
        (raw(END, MESSAGE | MORE, 1, b""), flags(END, 6)),
        (raw(END, STATUS | MESSAGE, 1, b"\x05\0\0\0\0\0\0\0\0\0\0\0no"), flags(END, 0x22)),
        (raw(CREDIT, 1, 1, &[1; 4]), flags(CREDIT, 1)),
        // Payloads.
        (raw(OPEN, LAST, 1, &[&open[..], b"x"].concat()), malformed(OPEN)),
        (raw(DATA, 0, 1, b""), malformed(DATA)),
        (raw(DATA, LAST, 1, b"x"), malformed(DATA)),
        (raw(END, 0, 1, b"x"), malformed(END)),
        (raw(END, STATUS, 1, b"\x05\0\x04\0\0\0\0\0\0\0\0\0"), malformed(END)),
        (raw(END, STATUS, 1, b"\x05\0\0\x01\0\0\0\0\0\0\0\0"), malformed(END)),
        (raw(END, STATUS, 1, b"\x05\0\0\0\0\0\0\0\x01\0\0\0\xff"), malformed(END)),
        (raw(RESET, 0, 1, b"\0\0\xff"), malformed(RESET)),
        (raw(RESET, 0, 1, &[b"\0\0", long.as_bytes()].concat()), malformed(RESET)),
        (raw(CREDIT, 0, 1, &[1; 5]), malformed(CREDIT)),
        (raw(PING, 0, 0, &[1; 9]), malformed(PING)),
        // Metadata.
        (raw(OPEN, LAST, 1, &[&open[..18], b"\x04\0\x01\0\0A"].concat()), Err(Reject::Metadata)),
        (raw(OPEN, LAST, 1, &[&open[..18], b"\x05\0\x01\0\0a"].concat()), malformed(OPEN)),
    ];
    for (bytes, expected) in table {
        assert_eq!(read(&bytes), expected, "{bytes:02x?}");
    }
}

#[test]
fn metadata_over_our_limit_is_refused() {
    let settings = Settings { max_metadata: 512, ..Settings::default() };
    for (size, fits) in [(512 - 4, true), (512 - 3, false)] {
        let metadata = Metadata::new().with("k", vec![b'v'; size]).unwrap();
        let call = Call { metadata, ..Call::default() };
        let bytes = written(Frame::Open(Open { stream: 1, call, message: None, last: true }));
        let head = FrameHead::parse(&bytes).unwrap();
        let parsed = Frame::parse(head, Bytes::from(bytes).slice(HEAD..), &settings);
        assert_eq!(parsed.is_ok(), fits, "{size}");
    }
}

#[test]
fn deadlines_are_kept_within_what_can_be_said() {
    let table = [
        (Duration::ZERO, Duration::from_micros(1)),
        (Duration::from_nanos(1), Duration::from_micros(1)),
        (Duration::from_millis(200), Duration::from_millis(200)),
        (MAX_DEADLINE, MAX_DEADLINE),
        (Duration::MAX, MAX_DEADLINE),
    ];
    for (said, heard) in table {
        let call = Call { deadline: Some(said), ..Call::default() };
        let bytes = written(Frame::Open(Open { stream: 1, call, message: None, last: true }));
        let Ok(Some(Frame::Open(open))) = read(&bytes) else { panic!("{said:?}") };
        assert_eq!(open.call.deadline, Some(heard), "{said:?}");
    }
}
