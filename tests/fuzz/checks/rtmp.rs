//! RTMP behind its handshake: the same messages however the bytes arrive, messages that can be written and read again, and a conversation that holds no more than
//! what arrived.

use bytes::BytesMut;
use wireworks::codec::Codec;
use wireworks::proto::rtmp::chunk::{self, DEFAULT_CHUNK, Payload, Reader};
use wireworks::proto::rtmp::codec::{CHALLENGE, Heard, RtmpError, ServerCodec};
use wireworks::proto::rtmp::flv::{Audio, Video};
use wireworks::proto::rtmp::message::{Body, Message};
use wireworks::proto::rtmp::publish::{Event, Publisher};

use super::arrivals;

/// Checks the codec on `wire`, and the conversation on what comes out; says whether it is sound to its end.
pub(crate) fn check(wire: &[u8]) -> bool {
    let mut heard: Option<(Vec<Message>, Option<RtmpError>)> = None;
    for pieces in arrivals(wire) {
        let now = hear(&pieces);
        // Not compared as values: they may hold NaN, which is not itself.
        let said = |(messages, error): &(Vec<Message>, Option<RtmpError>)| format!("{messages:?} {error:?}");
        assert!(
            heard.as_ref().is_none_or(|before| said(before) == said(&now)),
            "messages depend on how they arrive"
        );
        heard = Some(now);
    }
    let (messages, error) = heard.unwrap_or_default();
    messages.iter().for_each(there_and_back);
    converse(messages, wire.len()) && error.is_none()
}

/// All messages, and what ended them.
fn hear(pieces: &[&[u8]]) -> (Vec<Message>, Option<RtmpError>) {
    let (mut codec, mut src) = (ServerCodec::default(), BytesMut::from(&[3; 1 + CHALLENGE][..]));
    assert!(matches!(codec.decode(&mut src), Ok(Some(Heard::Challenge(_)))));
    src.extend_from_slice(&[0; CHALLENGE]);
    let mut messages = Vec::new();
    codec.take_media();
    for piece in pieces.iter().chain([&&[][..]]) {
        src.extend_from_slice(piece);
        loop {
            match codec.decode(&mut src) {
                Ok(Some(Heard::Message(message))) => messages.push(message),
                Ok(Some(Heard::Challenge(_))) => panic!("the handshake is over"),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, codec.decode_eof(&mut src).err())
}

/// A message can be written in chunks and read again.
fn there_and_back(message: &Message) {
    let Message { timestamp, stream, body } = message;
    if matches!(body, Body::Unknown(_)) {
        return;
    }
    let payload = Payload { timestamp: *timestamp, kind: body.kind(), stream: *stream, bytes: body.write() };
    let mut out = BytesMut::new();
    chunk::write(5, &payload, DEFAULT_CHUNK, &mut out);
    let mut reader = Reader::default();
    assert_eq!(reader.read(&mut out).unwrap().as_ref(), Some(&payload));
    assert!(out.is_empty() && reader.is_idle());
    let again = Body::read(payload.kind, payload.bytes.clone()).unwrap();
    assert_eq!(again.write(), payload.bytes);
}

/// What a server makes of the messages: nothing is published before it may, and no media come from nowhere.
fn converse(messages: Vec<Message>, most: usize) -> bool {
    let (mut publisher, mut may, mut media) = (Publisher::default(), false, 0);
    for message in messages {
        let Ok(step) = publisher.take(message) else { return false };
        for event in step.events {
            match event {
                Event::Publish { .. } => {
                    assert!(!may, "it publishes once");
                    assert!(!publisher.accept().is_empty());
                    may = true;
                }
                Event::Audio(_, body) => {
                    assert!(may);
                    media += body.len();
                    drop(Audio::read(&body));
                }
                Event::Video(_, body) => {
                    assert!(may);
                    media += body.len();
                    drop(Video::read(&body));
                }
                Event::Metadata(_) | Event::Unpublish => assert!(may),
            }
        }
    }
    assert!(media <= most, "media are made of what arrived");
    may
}
