use super::*;
use crate::codec::Codec as _;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::message::Text;

/// First byte and payload of each frame.
type Frames<'a> = Vec<(u8, &'a [u8])>;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame of a peer with a first byte as given; masked when the peer is a client.
fn frame(receiver: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let opcode = FrameHead::whole(Opcode::Text, payload.len());
    let mask = (receiver == Role::Server).then_some(KEY);
    let mut head = BytesMut::new();
    FrameHead { mask, ..opcode }.put(&mut head);
    let mut frame = head.to_vec();
    frame[0] = first;
    let start = frame.len();
    frame.extend_from_slice(payload);
    if let Some(key) = mask {
        Mask::new(key).apply(&mut frame[start..]);
    }
    frame
}

fn codec(role: Role, limits: Limits) -> Codec {
    match role {
        Role::Server => Codec::server(limits),
        Role::Client => Codec::client(limits, [7; 32]),
    }
}

/// What comes out when the wire arrives in the given pieces.
fn decode<'a>(
    mut codec: Codec,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Incoming>, Result<(), WsError>) {
    let mut src = BytesMut::new();
    let mut items = Vec::new();
    for piece in pieces {
        src.extend_from_slice(piece);
        loop {
            match codec.decode(&mut src) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Err(error)),
            }
        }
    }
    (items, Ok(()))
}

/// Whole, cut at every byte, and byte by byte: always the same.
fn heard(role: Role, limits: Limits, frames: &[(u8, &[u8])]) -> (Vec<Incoming>, Result<(), WsError>) {
    let wire: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(role, *first, payload)).collect();
    let whole = decode(codec(role, limits), std::iter::once(&wire[..]));
    for cut in 1..wire.len() {
        let (front, back) = wire.split_at(cut);
        assert_eq!(decode(codec(role, limits), [front, back].into_iter()), whole, "{role:?} cut at {cut}");
    }
    assert_eq!(decode(codec(role, limits), wire.chunks(1)), whole, "{role:?} byte by byte");
    whole
}

fn text(text: &str) -> Incoming {
    Incoming::Message(text.into())
}

fn binary(bytes: &[u8]) -> Incoming {
    Incoming::Message(bytes.to_vec().into())
}

fn bytes(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

#[test]
fn what_is_heard() {
    let long = vec![b'x'; 300];
    let closed = |code, reason: &str| Incoming::Close(Some(CloseReason::new(code, reason)));
    let table: Vec<(Frames<'_>, Vec<Incoming>)> = vec![
        (vec![(0x81, b"Hello")], vec![text("Hello")]),
        (vec![(0x81, b"")], vec![text("")]),
        (vec![(0x82, b"")], vec![binary(b"")]),
        (vec![(0x82, b"\xff\x00")], vec![binary(b"\xff\x00")]),
        (vec![(0x82, &long)], vec![binary(&long)]),
        (vec![(0x81, "κόσμε".as_bytes())], vec![text("κόσμε")]),
        (vec![(0x81, b"a"), (0x82, b"b")], vec![text("a"), binary(b"b")]),
        // Section 5.4: fragments, and control frames between them.
        (vec![(0x01, b"Hel"), (0x80, b"lo")], vec![text("Hello")]),
        (vec![(0x02, b"a"), (0x00, b""), (0x00, b"b"), (0x80, b"")], vec![binary(b"ab")]),
        (vec![(0x01, b"\xce"), (0x80, b"\xba")], vec![text("κ")]),
        (
            vec![(0x01, b"a"), (0x89, b"ping"), (0x00, b"b"), (0x8a, b""), (0x80, b"c")],
            vec![Incoming::Ping(bytes(b"ping")), Incoming::Pong(Bytes::new()), text("abc")],
        ),
        (vec![(0x01, b""), (0x80, b""), (0x81, b"next")], vec![text(""), text("next")]),
        (vec![(0x89, &[0xff; 125])], vec![Incoming::Ping(bytes(&[0xff; 125]))]),
        // Section 5.5.1: what follows a close frame does not count.
        (vec![(0x88, b"")], vec![Incoming::Close(None)]),
        (vec![(0x88, b"\x03\xe8")], vec![closed(CloseCode::NORMAL, "")]),
        (
            vec![(0x88, b"\x03\xe9bye"), (0x81, b"late"), (0xff, b"")],
            vec![closed(CloseCode::GOING_AWAY, "bye")],
        ),
        (vec![(0x01, b"a"), (0x88, b"")], vec![Incoming::Close(None)]),
    ];
    for (frames, expected) in table {
        for role in [Role::Server, Role::Client] {
            assert_eq!(heard(role, Limits::default(), &frames), (expected.clone(), Ok(())), "{frames:02x?}");
        }
    }
}

#[test]
fn what_is_refused() {
    let limits = Limits { frame: 200, message: 300, empty_frames: 2 };
    let (long, longer) = (vec![b'x'; 200], vec![b'x'; 201]);
    let table: Vec<(Frames<'_>, Reject)> = vec![
        (vec![(0xc1, b"a")], Reject::ReservedBits),
        (vec![(0xa1, b"a")], Reject::ReservedBits),
        (vec![(0x91, b"a")], Reject::ReservedBits),
        (vec![(0xc9, b"")], Reject::ReservedBits),
        (vec![(0x83, b"")], Reject::ReservedOpcode(3)),
        (vec![(0x8b, b"")], Reject::ReservedOpcode(11)),
        (vec![(0x09, b"")], Reject::FragmentedControl),
        (vec![(0x89, &long[..126])], Reject::LongControl),
        (vec![(0x80, b"")], Reject::StrayContinuation),
        (vec![(0x00, b"")], Reject::StrayContinuation),
        (vec![(0x81, b"a"), (0x80, b"")], Reject::StrayContinuation),
        (vec![(0x01, b"a"), (0x81, b"b")], Reject::Interrupted),
        (vec![(0x01, b"a"), (0x02, b"b")], Reject::Interrupted),
        (vec![(0x81, b"\xff")], Reject::TextNotUtf8),
        (vec![(0x81, b"a\xc3")], Reject::TextNotUtf8),
        (vec![(0x01, b"\xc3"), (0x80, b"")], Reject::TextNotUtf8),
        (vec![(0x01, b"\xc3"), (0x80, b"a")], Reject::TextNotUtf8),
        (vec![(0x01, b"\xed"), (0x00, b"\xa0")], Reject::TextNotUtf8),
        (vec![(0x88, b"\x03")], Reject::HalfCloseCode),
        (vec![(0x88, b"\x03\xed")], Reject::BadCloseCode(1005)),
        (vec![(0x88, b"\x03\xe8\xff")], Reject::ReasonNotUtf8),
        (vec![(0x82, &longer)], Reject::FrameTooLong { length: 201, limit: 200 }),
        (vec![(0x02, &long), (0x00, &long)], Reject::MessageTooLong { limit: 300 }),
        (vec![(0x01, b""), (0x00, b""), (0x00, b"")], Reject::EmptyFrames { limit: 2 }),
    ];
    for (frames, reject) in table {
        for role in [Role::Server, Role::Client] {
            let (_, end) = heard(role, limits, &frames);
            assert_eq!(end, Err(WsError::Peer(reject)), "{frames:02x?}");
        }
    }
}

#[test]
fn masks_are_for_clients_only() {
    let (masked, plain) = (frame(Role::Server, 0x81, b"a"), frame(Role::Client, 0x81, b"a"));
    let end = |role, wire: &[u8]| decode(codec(role, Limits::default()), std::iter::once(wire)).1;
    assert_eq!(end(Role::Server, &plain), Err(Reject::NotMasked.into()));
    assert_eq!(end(Role::Client, &masked), Err(Reject::Masked.into()));
}

#[test]
fn bad_text_is_refused_within_a_frame() {
    // 6.4.4 of the Autobahn suite: the frame is not whole, and the bad byte has come.
    let bad = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited";
    for first in [0x81, 0x01] {
        for role in [Role::Server, Role::Client] {
            let wire = frame(role, first, bad);
            let head = wire.len() - bad.len();
            let upto = |n: usize| decode(codec(role, Limits::default()), wire[..head + n].chunks(1)).1;
            assert_eq!(upto(12), Ok(()), "{role:?}");
            assert_eq!(upto(13), Err(Reject::TextNotUtf8.into()), "{role:?}");
        }
    }
}

#[test]
fn a_message_longer_than_stays_in_place_is_gathered() {
    let long = vec![0x5a; IN_PLACE + 1];
    for role in [Role::Server, Role::Client] {
        let wire = frame(role, 0x82, &long);
        let (items, end) = decode(codec(role, Limits::default()), wire.chunks(10_000));
        assert_eq!((items, end), (vec![binary(&long)], Ok(())));
    }
}

#[test]
fn many_small_fragments_cost_one_buffer() {
    let mut codec = codec(Role::Client, Limits::default());
    let mut src = BytesMut::new();
    for i in 0..65_536 {
        src.extend_from_slice(&frame(Role::Client, if i == 0 { 0x02 } else { 0x00 }, b"x"));
        assert_eq!(codec.decode(&mut src), Ok(None));
    }
    assert_eq!(codec.unfinished(), Some(65_536));
    src.extend_from_slice(&frame(Role::Client, 0x80, b""));
    let Ok(Some(Incoming::Message(message))) = codec.decode(&mut src) else { panic!("no message") };
    assert_eq!((message.len(), codec.unfinished()), (65_536, None));
}

fn said(codec: &mut Codec, items: Vec<Outgoing>) -> Vec<u8> {
    let mut out = Outbox::new();
    items.into_iter().for_each(|item| codec.encode(item, &mut out).unwrap());
    let mut slices = [std::io::IoSlice::new(&[]); 64];
    let used = out.slices(&mut slices);
    slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
}

#[test]
fn what_a_server_says() {
    let message = |message: &str| Outgoing::Message(message.into());
    for (item, wire) in [
        (message("Hello"), b"\x81\x05Hello".to_vec()),
        (Outgoing::Message(vec![1, 2].into()), b"\x82\x02\x01\x02".to_vec()),
        (Outgoing::Ping(bytes(b"p")), b"\x89\x01p".to_vec()),
        (Outgoing::Pong(Bytes::new()), b"\x8a\x00".to_vec()),
        (Outgoing::Ping(bytes(&[1; 200])), [&b"\x89\x7d"[..], &[1; 125]].concat()),
        (Outgoing::Close(None), b"\x88\x00".to_vec()),
        (Outgoing::Close(Some(CloseReason::new(CloseCode::POLICY, "no"))), b"\x88\x04\x03\xf0no".to_vec()),
        (Outgoing::Frames(encode(&"Hello".into(), None)), b"\x81\x05Hello".to_vec()),
    ] {
        assert_eq!(said(&mut Codec::server(Limits::default()), vec![item]), wire);
    }
}

#[test]
fn nothing_is_said_behind_a_close_frame() {
    let mut codec = Codec::server(Limits::default());
    let mut out = Outbox::new();
    codec.encode(Outgoing::Close(None), &mut out).unwrap();
    for item in [Outgoing::Message("late".into()), Outgoing::Ping(Bytes::new()), Outgoing::Close(None)] {
        assert_eq!(codec.encode(item, &mut out), Err(WsError::Closing));
    }
    assert_eq!(out.len(), 2);
}

#[test]
fn a_client_masks_what_the_server_reads() {
    let large: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let shared = Bytes::from(large.clone());
    let mut client = Codec::client(Limits::default(), [1; 32]);
    let wire = said(
        &mut client,
        vec![
            Outgoing::Message("Hello".into()),
            Outgoing::Message(large.clone().into()),
            Outgoing::Message(shared.clone().into()),
            Outgoing::Ping(bytes(b"p")),
        ],
    );
    assert_ne!(&wire[6..11], b"Hello");
    assert_eq!(shared, large, "what others hold is not masked in place");
    let (items, end) = decode(Codec::server(Limits::default()), std::iter::once(&wire[..]));
    assert_eq!(items, [text("Hello"), binary(&large), binary(&large), Incoming::Ping(bytes(b"p"))]);
    assert_eq!(end, Ok(()));
}

#[test]
fn every_frame_has_another_key() {
    let mut client = Codec::client(Limits::default(), [1; 32]);
    let wire = said(&mut client, (0..8).map(|_| Outgoing::Ping(Bytes::new())).collect());
    let keys: std::collections::HashSet<_> = wire.chunks(6).map(|frame| &frame[2..]).collect();
    assert_eq!(keys.len(), 8);
}

#[test]
fn what_is_in_place_is_not_copied() {
    let mut src = BytesMut::from(&frame(Role::Client, 0x81, &[b'x'; 5000])[..]);
    let at = src[4..].as_ptr();
    let item = Codec::client(Limits::default(), [0; 32]).decode(&mut src);
    let Ok(Some(Incoming::Message(Message::Text(text)))) = item else { panic!("{item:?}") };
    assert_eq!(Text::as_bytes(&text).as_ptr(), at);
}
