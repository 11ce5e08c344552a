use bytes::BytesMut;

use super::*;
use crate::codec::Codec as _;

fn encoded(frames: &[Frame]) -> Vec<u8> {
    let (mut codec, mut out) = (Codec::new(Settings::default()), Outbox::new());
    for frame in frames {
        codec.encode(frame.clone(), &mut out).unwrap();
    }
    let mut slices = [std::io::IoSlice::new(&[]); 8];
    let used = out.slices(&mut slices);
    slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
}

/// Everything that a codec hears, byte by byte or in larger pieces.
fn heard(bytes: &[u8], piece: usize) -> Result<Vec<Frame>, Reject> {
    let mut codec = Codec::new(Settings::default());
    let (mut src, mut frames) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        src.extend_from_slice(piece);
        while let Some(frame) = codec.decode(&mut src)? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

#[test]
fn the_preface_goes_with_hello_and_frames_follow_however_they_are_cut() {
    let frames =
        [Frame::Hello(Settings::default()), Frame::Ping([7; 8]), Frame::Credit { stream: 0, bytes: 5 }];
    let bytes = encoded(&frames);
    assert!(bytes.starts_with(b"WWRPC/1\n"));
    for piece in 1..=bytes.len() {
        assert_eq!(heard(&bytes, piece), Ok(frames.to_vec()), "in pieces of {piece}");
    }
}

#[test]
fn who_begins_otherwise_is_named_at_the_first_byte_that_tells() {
    let table: [(&[u8], Reject); 7] = [
        (b"G", Reject::NotRpc),
        (b"WWRPC/2\n", Reject::Version(b'2')),
        (b"HTTP/1.1 400 Bad Request\r\n", Reject::IsHttp),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", Reject::IsTls),
        (b"\x15\x03", Reject::IsTls),
        (b"\x16\x02", Reject::NotRpc),
        (b"WWRPC/1\r", Reject::NotRpc),
    ];
    for (bytes, reject) in table {
        assert_eq!(heard(bytes, bytes.len()), Err(reject), "{bytes:?}");
    }
}

#[test]
fn hello_comes_first_and_once() {
    let hello = Frame::Hello(Settings::default());
    let late = [&PREFACE[..], &encoded(&[Frame::Ping([0; 8])])].concat();
    assert_eq!(heard(&late, 64), Err(Reject::NoHello));
    let skippable = FrameHead { length: 0, kind: 200, flags: 0, stream: 0 }.to_bytes();
    let late = [&PREFACE[..], &skippable, &encoded(std::slice::from_ref(&hello))[PREFACE.len()..]].concat();
    assert_eq!(heard(&late, 64), Err(Reject::NoHello), "not even what may be skipped later");
    let again = [encoded(std::slice::from_ref(&hello)), encoded(&[hello])[PREFACE.len()..].to_vec()].concat();
    assert_eq!(heard(&again, 64), Err(Reject::SecondHello));
}

#[test]
fn a_long_frame_is_refused_by_its_head() {
    let hello = encoded(&[Frame::Hello(Settings::default())]);
    let limit = Settings::default().max_frame as usize;
    for (length, expected) in [
        (limit, Ok(1)), // more is needed
        (limit + 1, Err(Reject::FrameTooLarge { length: limit + 1, limit })),
        (65_535, Err(Reject::FrameTooLarge { length: 65_535, limit })),
    ] {
        let head = FrameHead { length: length as u16, kind: 3, flags: 2, stream: 1 }.to_bytes();
        assert_eq!(heard(&[&hello[..], &head].concat(), 64).map(|frames| frames.len()), expected, "{length}");
    }
}

#[test]
fn frames_that_may_be_skipped_are() {
    let skipped = FrameHead { length: 3, kind: 200, flags: 255, stream: 9 }.to_bytes();
    let ping = Frame::Ping([1; 8]);
    let bytes = [
        &encoded(&[Frame::Hello(Settings::default())])[..],
        &skipped,
        b"xyz",
        &encoded(std::slice::from_ref(&ping)),
    ]
    .concat();
    assert_eq!(heard(&bytes, 5).unwrap()[1..], [ping]);
}
