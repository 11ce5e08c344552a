//! Bytes of an RPC connection: frames, what they mean to the calls of the connection, and what is said because of them.

use std::collections::HashSet;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use wireworks::codec::{Codec as _, Outbox};
use wireworks::proto::rpc::codec::Codec;
use wireworks::proto::rpc::frame::{Call, Frame, Reset};
use wireworks::proto::rpc::reject::Reject;
use wireworks::proto::rpc::session::{Event, Message, Role, Session};
use wireworks::proto::rpc::settings::Settings;

use super::arrivals;

/// What was heard of a peer.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    events: Vec<String>,
    refused: Option<Reject>,
    /// Bytes that say nothing yet.
    left: usize,
}

/// Calls that a client makes as soon as it may; every other one has more to say.
const CALLS: usize = 4;

/// Checks a server on `wire`, and says whether it is whole frames that mean something.
pub(crate) fn check(wire: &[u8]) -> bool {
    check_as(Role::Server, wire)
}

/// Checks a client that has made some calls on `wire`, likewise: here ENDs, RESETs, answers and GOAWAYs have somebody whom they are for.
pub(crate) fn check_answers(wire: &[u8]) -> bool {
    check_as(Role::Client, wire)
}

fn check_as(role: Role, wire: &[u8]) -> bool {
    let small = Settings {
        max_streams: 2,
        stream_credit: 64,
        connection_credit: 100,
        max_message: 4096,
        max_metadata: 512,
        ..Settings::default()
    };
    let mut accepted = false;
    for ours in [small, Settings { max_streams: 100, ..Settings::default() }] {
        let whole = hear(role, &ours, &[wire]);
        for way in arrivals(wire) {
            assert_eq!(hear(role, &ours, &way), whole, "as {} pieces", way.len());
        }
        accepted = whole.refused.is_none() && whole.left == 0 && whole.events.len() > 1;
    }
    accepted
}

fn hear(role: Role, ours: &Settings, pieces: &[&[u8]]) -> Heard {
    let (mut codec, mut src, now) = (Codec::new(*ours), BytesMut::new(), Instant::now());
    let (mut session, mut over) = (Session::new(role, *ours), HashSet::new());
    let mut heard = Heard { events: Vec::new(), refused: None, left: 0 };
    for piece in pieces {
        src.extend_from_slice(piece);
        loop {
            let frame = match codec.decode(&mut src) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(reject) => return Heard { refused: Some(reject), ..heard },
            };
            said_again(&frame, ours);
            match session.hear(frame, now) {
                Ok(event) => heard.events.extend(event.map(|event| take(&mut session, event, &mut over))),
                Err(reject) => return Heard { refused: Some(reject), ..heard },
            }
            while let Some(frame) = session.pop() {
                assert!(!matches!(frame, Frame::Credit { bytes: 0, .. }), "credit of nothing");
                said_again(&frame, &Settings::default());
            }
        }
    }
    heard.left = src.len();
    heard
}

/// What an application does that takes every message at once and answers each call with nothing, and what it saw. `over` are the calls of ours that
/// are over: nothing is heard of them any more.
fn take(session: &mut Session, event: Event, over: &mut HashSet<u32>) -> String {
    let mut shown = format!("{event:?}");
    let client = session.role() == Role::Client;
    let is_ours = |stream: u32| (stream % 2 == 1) == client;
    match event {
        Event::Message { stream, message, last } => {
            assert!(!over.contains(&stream), "a message on stream {stream}, which is over");
            session.consumed(stream, message.credit);
            if last && !is_ours(stream) {
                answer(session, stream);
            }
        }
        Event::Call { stream, message, last, .. } => {
            assert!(!is_ours(stream), "a call on our stream {stream}");
            session.consumed(stream, message.map_or(0, |message| message.credit));
            if last {
                answer(session, stream);
            }
        }
        Event::Last { stream } if !is_ours(stream) => answer(session, stream),
        Event::Reset(Reset { stream, .. }) if !is_ours(stream) => session.release(),
        Event::Reset(Reset { stream, .. }) | Event::End { stream, .. } => {
            assert!(is_ours(stream) && over.insert(stream), "stream {stream} ends twice");
        }
        Event::Hello(_) if client => make_calls(session),
        Event::GoAway(_) => {
            let mut unanswered = session.unanswered();
            unanswered.sort_unstable();
            shown += &format!(" {unanswered:?}");
            assert!(unanswered.into_iter().all(|stream| over.insert(stream)), "{shown} ends a call twice");
        }
        Event::Last { .. } | Event::Hello(_) | Event::Pong(_) => {}
    }
    assert!(!client || session.calls() as usize + over.len() <= CALLS, "more calls than were made");
    shown
}

/// Calls with a message of more than a piece, as far as the peer takes them.
fn make_calls(session: &mut Session) {
    for index in 0..CALLS {
        let bytes = Bytes::from(vec![b'x'; 100 * index]);
        let message = Message { bytes, compressed: false, credit: 0 };
        if session.call(Call::default(), Some(message), index % 2 == 0).is_err() {
            break;
        }
    }
}

fn answer(session: &mut Session, stream: u32) {
    // Without the peer's HELLO nothing can be said, but then no call can have come.
    session.end(stream, wireworks::proto::rpc::status::Status::ok(), None).unwrap();
    session.release();
}

/// A frame that was heard can be said, and is heard as the same.
fn said_again(frame: &Frame, ours: &Settings) {
    let mut out = Outbox::new();
    frame.clone().put(&mut out);
    let mut slices = [std::io::IoSlice::new(&[]); 4];
    let used = out.slices(&mut slices);
    let bytes: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
    let mut hello = Outbox::new();
    Codec::new(*ours).encode(Frame::Hello(*ours), &mut hello).unwrap();
    let mut src = BytesMut::from(hello.single().unwrap());
    let mut codec = Codec::new(*ours);
    codec.decode(&mut src).unwrap();
    if matches!(frame, Frame::Hello(_)) {
        return; // it comes once
    }
    src.extend_from_slice(&bytes);
    assert_eq!(codec.decode(&mut src), Ok(Some(frame.clone())));
    assert!(src.is_empty(), "{frame:?}");
}
