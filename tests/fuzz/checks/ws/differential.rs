//! The same bytes to our codec and to tungstenite: the same messages up to the first fault, and a fault for both or for neither.
//!
//! Tungstenite looks at a frame when it is whole, and ours judges each byte as it comes: a wire that ours refuses is completed with zeros
//! before tungstenite is asked. Where the two differ for a reason, the reason stands in [`is_stricter`].

use std::io::{self, Read, Write};

use tungstenite::protocol::{Role as TheirRole, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message as Theirs};
use wireworks::proto::ws::close::{CloseCode, CloseReason};
use wireworks::proto::ws::codec::Role;
use wireworks::proto::ws::limits::Limits;
use wireworks::proto::ws::message::{Incoming, Message};
use wireworks::proto::ws::reject::Reject;

use super::{Frame, codec, frames, hear, masked};

/// The limits of both, so that nobody reserves much.
const LIMITS: Limits = Limits { frame: 1 << 16, message: 1 << 16, empty_frames: 128 };

/// Checks both ends on `wire`, and says whether it is whole messages and control frames for one of them.
pub(crate) fn check(wire: &[u8]) -> bool {
    let client = under(Role::Client, wire);
    let server = under(Role::Server, wire);
    if let Some(wire) = masked(wire) {
        assert_eq!(under(Role::Server, &wire), client);
    }
    client || server
}

fn under(role: Role, wire: &[u8]) -> bool {
    let ours = hear(codec(role, LIMITS), &LIMITS, &[wire]);
    let Some(reject) = ours.refused else {
        let (items, refused) = theirs(role, wire);
        assert_eq!((in_their_words(&ours.items), false), (items, refused), "{role:?}");
        return !ours.unfinished && !ours.items.is_empty();
    };
    let wire = completed(wire);
    let (items, refused) = theirs(role, &wire);
    let same = items.get(..ours.items.len()) == Some(&ours.items[..]);
    assert!(same, "{role:?}: {:?}, and theirs {items:?}", ours.items);
    if is_stricter(reject, &wire) {
        return false;
    }
    assert!(refused, "{role:?}: {reject:?}, and no fault for them: {items:?}");
    assert_eq!(items.len(), ours.items.len(), "{role:?}: heard behind {reject:?}: {items:?}");
    false
}

/// Tungstenite does not know code 1014, that was registered later, and tells of a violation.
fn in_their_words(items: &[Incoming]) -> Vec<Incoming> {
    let mut items = items.to_vec();
    if let Some(Incoming::Close(Some(reason))) = items.last_mut()
        && reason.code() == CloseCode::BAD_GATEWAY
    {
        *reason = CloseReason::new(CloseCode::PROTOCOL_ERROR, "Protocol violation");
    }
    items
}

/// Faults that tungstenite takes no notice of.
fn is_stricter(reject: Reject, wire: &[u8]) -> bool {
    let is_padded = |frame: &Frame| frame.is_control() && frame.long() > 0 && frame.length <= Some(125);
    match reject {
        // Section 5.2 has a MUST here; tungstenite reads any length.
        Reject::LengthNotMinimal => true,
        // The same in a control frame: the form of the length alone tells ours that it is too long.
        Reject::LongControl => frames(wire).iter().any(is_padded),
        // Section 7.4: it answers 1002, but tells its program of a close in order.
        Reject::BadCloseCode(_) => true,
        // It has no such limit.
        Reject::EmptyFrames { .. } => true,
        _ => false,
    }
}

/// The wire with its last frame made whole, if that is cut, and would be of a length that is allowed.
fn completed(wire: &[u8]) -> Vec<u8> {
    let mut wire = wire.to_vec();
    loop {
        let last = frames(&wire).pop();
        let missing = match last {
            Some(frame) if !frame.headed => 1,
            Some(frame) => frame.length.unwrap_or(0) - frame.payload.len() as u64,
            None => 0,
        };
        if missing == 0 || missing > LIMITS.frame as u64 {
            return wire;
        }
        wire.resize(wire.len() + missing as usize, 0);
    }
}

/// What tungstenite hears, and whether it refuses to hear more.
fn theirs(role: Role, wire: &[u8]) -> (Vec<Incoming>, bool) {
    let role = if role == Role::Server { TheirRole::Server } else { TheirRole::Client };
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_frame_size(Some(LIMITS.frame))
        .max_message_size(Some(LIMITS.message));
    let mut socket = WebSocket::from_raw_socket(Feed(wire), role, Some(config));
    let mut items = Vec::new();
    loop {
        items.push(match socket.read() {
            Ok(Theirs::Text(text)) => Incoming::Message(Message::from(text.as_str())),
            Ok(Theirs::Binary(bytes)) => Incoming::Message(bytes.into()),
            Ok(Theirs::Ping(bytes)) => Incoming::Ping(bytes),
            Ok(Theirs::Pong(bytes)) => Incoming::Pong(bytes),
            Ok(Theirs::Close(frame)) => {
                let reason = frame.map(|frame| {
                    CloseReason::new(CloseCode::new(frame.code.into()).unwrap(), frame.reason.as_str())
                });
                items.push(Incoming::Close(reason));
                return (items, false);
            }
            Ok(Theirs::Frame(frame)) => panic!("not asked for: {frame}"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (items, false),
            Err(_) => return (items, true),
        });
    }
}

/// A stream that brings these bytes and then waits, and takes any.
struct Feed<'a>(&'a [u8]);

impl Read for Feed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(buffer) }
    }
}

impl Write for Feed<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
