//! Every codec, in one shape: what it hears does not hang on how the bytes arrive, whole, cut at any byte, or byte by byte.

use std::io::IoSlice;

use bytes::{Bytes, BytesMut};
use http::Method;
use wireworks::codec::{Codec, Outbox};
use wireworks::proto::http::client::{self, ClientCodec, Finish, Opening, RequestWriter};
use wireworks::proto::http::fields::Fields;
use wireworks::proto::http::limits::Limits;
use wireworks::proto::http::server::{self, ServerCodec};
use wireworks::proto::irc::line;
use wireworks::proto::rpc::codec::Codec as RpcCodec;
use wireworks::proto::rpc::frame::Frame;
use wireworks::proto::rpc::settings::Settings;
use wireworks::proto::ws::codec::Codec as WsCodec;
use wireworks::proto::ws::limits::Limits as WsLimits;
use wireworks::proto::ws::message::{Incoming, Message, Outgoing};
use wireworks::proto::{rtmp, ws};

use crate::support::split::{any_split, any_split_joined, any_split_refused};

/// What a codec says of `items`, as bytes.
fn said<C: Codec>(codec: &mut C, items: impl IntoIterator<Item = C::Out>) -> Vec<u8> {
    let mut out = Outbox::new();
    items.into_iter().for_each(|item| codec.encode(item, &mut out).unwrap());
    let mut slices = [IoSlice::new(&[]); 64];
    let used = out.slices(&mut slices);
    slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
}

/// Items in words, with the pieces of a body as one: how they are cut is nobody's business.
fn joined<T>(
    items: Vec<T>,
    piece: impl Fn(&T) -> Option<&Bytes>,
    word: impl Fn(&T) -> String,
) -> Vec<String> {
    let (mut words, mut body) = (Vec::new(), BytesMut::new());
    for item in &items {
        match piece(item) {
            Some(bytes) => body.extend_from_slice(bytes),
            None => {
                if !body.is_empty() {
                    words.push(format!("{:?}", body.split().freeze()));
                }
                words.push(word(item));
            }
        }
    }
    if !body.is_empty() {
        words.push(format!("{body:?}"));
    }
    words
}

fn trailers(fields: &Fields) -> String {
    fields.iter().map(|(name, value)| format!("{name}: {}; ", value.to_str().unwrap())).collect()
}

fn requests(items: Vec<server::Incoming>) -> Vec<String> {
    let piece = |item: &server::Incoming| match item {
        server::Incoming::Data(bytes) => Some(bytes.clone()),
        _ => None,
    };
    let pieces: Vec<Option<Bytes>> = items.iter().map(piece).collect();
    let items = items.into_iter().zip(pieces).collect();
    joined(
        items,
        |(_, piece)| piece.as_ref(),
        |(item, _)| match item {
            server::Incoming::Head(head, _) => format!("{} {}", head.method(), head.target()),
            server::Incoming::End(fields) => format!("end {}", trailers(fields)),
            server::Incoming::Data(_) => String::new(),
        },
    )
}

#[test]
fn requests_of_http() {
    let make = || ServerCodec::new(Limits::default());
    let chunked = b"POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n2\r\n, \r\n0\r\nX-Sum: 7\r\n\r\n";
    assert_eq!(any_split_joined(make, chunked, requests), ["POST /a?b", "b\"hello, \"", "end x-sum: 7; "]);
    let counted = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(any_split_joined(make, counted, requests), ["PUT /", "b\"body\"", "end "]);
    assert_eq!(any_split_joined(make, b"\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n", requests), ["GET /1"]);
    let (before, error) = any_split_refused(make, b"GET / HTTP/1.1\nHost: a\r\n\r\n", requests);
    assert!(before.is_empty() && !error.is_empty(), "{before:?} {error}");
}

#[test]
fn responses_of_http() {
    let make = || {
        let request = RequestWriter::new(&Method::GET, "/", "a").unwrap();
        let request = request.finish(Finish { length: Some(0), ..Finish::default() });
        let mut codec = ClientCodec::new(Limits::default());
        said(&mut codec, [client::Outgoing::Head(request), client::Outgoing::End(Fields::new())]);
        codec
    };
    let words = |items: Vec<client::Incoming>| {
        let pieces: Vec<Option<Bytes>> = items
            .iter()
            .map(|item| match item {
                client::Incoming::Data(bytes) => Some(bytes.clone()),
                _ => None,
            })
            .collect();
        let items = items.into_iter().zip(pieces).collect();
        joined(
            items,
            |(_, piece)| piece.as_ref(),
            |(item, _)| match item {
                client::Incoming::Interim(head) | client::Incoming::Head(head, _) => {
                    head.status().to_string()
                }
                client::Incoming::End(fields) => format!("end {}", trailers(fields)),
                client::Incoming::Data(_) => String::new(),
            },
        )
    };
    let chunked = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-A: b\r\n\r\n";
    let expected = ["103 Early Hints", "200 OK", "b\"abc\"", "end x-a: b; "];
    assert_eq!(any_split_joined(make, chunked, words), expected);
    let closed = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nuntil the end";
    assert_eq!(any_split_joined(make, closed, words), ["404 Not Found", "b\"until the end\"", "end "]);
    assert!(!any_split_refused(make, b"HTTP/1.1 20 OK\r\n\r\n", words).1.is_empty());
}

#[test]
fn heads_before_another_protocol() {
    let make = || Opening::new(Limits::default());
    let heads = |items: Vec<client::ResponseHead>| {
        items.iter().map(|head| head.status().as_u16()).collect::<Vec<_>>()
    };
    let wire = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\n\r\n";
    assert_eq!(any_split_joined(make, wire, heads), [101]);
}

#[test]
fn messages_of_websocket() {
    let messages = [
        Outgoing::Message(Message::Text("k\u{f6}nnte".into())),
        Outgoing::Ping("hi".into()),
        Outgoing::Message(Message::Binary(vec![7; 300].into())),
        Outgoing::Close(None),
    ];
    let heard = [
        Incoming::Message(Message::Text("k\u{f6}nnte".into())),
        Incoming::Ping("hi".into()),
        Incoming::Message(Message::Binary(vec![7; 300].into())),
        Incoming::Close(None),
    ];
    let (server, client) =
        (|| WsCodec::server(WsLimits::default()), || WsCodec::client(WsLimits::default(), [5; 32]));
    assert_eq!(any_split(server, &said(&mut client(), messages.clone())), heard);
    assert_eq!(any_split(client, &said(&mut server(), messages)), heard);
    // A message in pieces, with a ping between them, from a server.
    let pieces = b"\x01\x02ab\x89\x00\x00\x01c\x80\x01d";
    let expected = [Incoming::Ping(Bytes::new()), Incoming::Message(Message::Text("abcd".into()))];
    assert_eq!(any_split(client, pieces), expected);
    let (_, error) = any_split_refused(client, b"\x81\x02\xc3\x28", |items| items);
    assert_eq!(error, ws::reject::Reject::TextNotUtf8.to_string());
}

#[test]
fn frames_of_calls() {
    let make = || RpcCodec::new(Settings::default());
    let frames =
        [Frame::Hello(Settings::default()), Frame::Ping([3; 8]), Frame::Credit { stream: 1, bytes: 500 }];
    let wire = said(&mut make(), frames.clone());
    assert_eq!(any_split(make, &wire), frames);
    assert!(!any_split_refused(make, b"GET / HTTP/1.1\r\n\r\n", |items| items).1.is_empty());
}

#[test]
fn lines_of_irc() {
    let words =
        |items: Vec<line::Heard>| items.into_iter().map(|item| format!("{item:?}")).collect::<Vec<_>>();
    let heard = any_split_joined(line::Lines::new, b"NICK a\r\n\r\n@b=c JOIN #d\nQUIT\r\n", words);
    assert_eq!(heard.len(), 3, "{heard:?}");
    for (line, text) in heard.iter().zip(["NICK a", "@b=c JOIN #d", "QUIT"]) {
        assert!(line.contains(text), "{line}");
    }
    let long = [&[b'x'; 9000][..], b"\r\nQUIT\r\n"].concat();
    assert_eq!(any_split_joined(line::Lines::new, &long, words)[0], format!("{:?}", line::Heard::TooLong));
}

#[test]
fn messages_of_rtmp() {
    use rtmp::message::Body;
    // C0, C1, C2; then chunks of at most five bytes, which take an event of six bytes apart.
    let mut wire = vec![3];
    wire.extend([0; 2 * 1536]);
    wire.extend(b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\0\x05");
    wire.extend(b"\x02\0\0\0\0\0\x06\x04\0\0\0\0\0\x03\0\0\0\xc2\x01");
    let heard = any_split(rtmp::codec::ServerCodec::default, &wire);
    let bodies: Vec<&Body> = heard
        .iter()
        .filter_map(|heard| match heard {
            rtmp::codec::Heard::Message(message) => Some(&message.body),
            rtmp::codec::Heard::Challenge(_) => None,
        })
        .collect();
    let event = Body::UserControl(3, Bytes::from_static(b"\0\0\0\x01"));
    assert_eq!((heard.len(), bodies), (3, vec![&Body::SetChunkSize(5), &event]));
}

#[test]
fn messages_of_bittorrent() {
    use wireworks::proto::bittorrent::hash::Sha1;
    use wireworks::proto::bittorrent::wire::{Block, Codec, Handshake, Message, PeerId, Reserved, Said};
    let handshake =
        Handshake { reserved: Reserved::ours(true, true), swarm: Sha1([7; 20]), peer: PeerId::ours([1; 12]) };
    let block = Block { piece: 1, begin: 0x4000, length: 0x4000 };
    let messages = [
        Message::Bitfield(Bytes::from_static(&[0xf0, 0x80])),
        Message::KeepAlive,
        Message::Request(block),
        Message::Piece { piece: 1, begin: 2, data: Bytes::from_static(b"the bytes of a block") },
        Message::Extended { id: 0, payload: Bytes::from_static(b"d1:md11:ut_metadatai1eee") },
        Message::Have(9),
    ];
    let all: Vec<Said> =
        [Said::Handshake(handshake)].into_iter().chain(messages.map(Said::Message)).collect();
    let mut wire = said(&mut Codec::new(), all.clone());
    // One that nobody knows, in between.
    wire.extend(b"\0\0\0\x05\x63ABCD\0\0\0\x01\x02");
    let mut heard = any_split(Codec::new, &wire);
    assert_eq!(heard.pop(), Some(Said::Message(Message::Interested)));
    assert_eq!(heard, all);
}
