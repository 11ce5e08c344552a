//! One request in every way that it can arrive: whole, byte by byte, and in two pieces, cut at every place.

use std::time::Duration;

use crate::support::PATIENCE;
use crate::support::response::{Progress, Response, parse};
use crate::support::socket::End;
use crate::support::wire::Wire;

use super::server::TestServer;

/// Follows a request that is refused. It must never be answered.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
/// Follows a request that is accepted. It must be answered.
const FOLLOWING: &[u8] = b"GET /following HTTP/1.1\r\nHost: a\r\n\r\n";

/// Longer requests are not cut at every place.
const SHORT: usize = 160;

/// Another connection to a server of one thread. Once that has answered it, it has also read all that was sent before:
/// sockets that became readable are served in the order in which they did. A connection that is not accepted yet takes
/// one turn more.
pub(super) struct Turns(Wire);

impl Turns {
    pub(super) fn of(server: &TestServer) -> Self {
        Self(server.connect())
    }

    /// Sends `bytes` by `wire` in two pieces, the second one when the server has read the first.
    #[track_caller]
    pub(super) fn send_cut(&mut self, wire: &mut Wire, bytes: impl AsRef<[u8]>, at: usize) {
        let (first, second) = bytes.as_ref().split_at(at);
        wire.send(first);
        self.pass();
        wire.send(second);
    }

    fn pass(&mut self) {
        for _ in 0..2 {
            self.0.send(FOLLOWING);
            self.0.read_response();
        }
    }
}

/// How bytes are sent.
#[derive(Clone, Copy, Debug)]
enum Way {
    Whole,
    ByteByByte,
    CutAt(usize),
}

fn ways(length: usize) -> impl Iterator<Item = Way> {
    let cuts = if length <= SHORT { 1..length } else { 1..1 };
    let drip = (length <= 4 * SHORT).then_some(Way::ByteByByte);
    std::iter::once(Way::Whole).chain(drip).chain(cuts.map(Way::CutAt))
}

/// Sends `bytes` to a peer that may have heard enough on the way, and then ends the connection.
fn send(wire: &mut Wire, turns: &mut Turns, bytes: &[u8], then: &[u8], way: Way) {
    let mut pieces: Vec<Vec<u8>> = match way {
        Way::Whole => vec![bytes.to_vec()],
        Way::ByteByByte => bytes.iter().map(|byte| vec![*byte]).collect(),
        Way::CutAt(at) => vec![bytes[..at].to_vec(), bytes[at..].to_vec()],
    };
    if let Some(last) = pieces.last_mut() {
        last.extend_from_slice(then);
    }
    let count = pieces.len();
    for (index, piece) in pieces.into_iter().enumerate() {
        if wire.try_send(piece).is_err() {
            return;
        }
        if index + 1 < count {
            turns.pass();
        }
    }
}

/// `bytes` are refused with `status` and the end of the connection, however they arrive, and what follows them is never
/// taken for a request.
#[track_caller]
pub(super) fn refused(server: &TestServer, bytes: impl AsRef<[u8]>, status: u16) {
    answered_last(server, bytes, status, |_| {});
}

/// `bytes` are answered with `status`, however they arrive, by a response in which `check` finds nothing wrong; it is the
/// last one of its connection, and what follows them is never taken for a request.
#[track_caller]
pub(super) fn answered_last(
    server: &TestServer,
    bytes: impl AsRef<[u8]>,
    status: u16,
    check: impl Fn(&Response),
) {
    let bytes = bytes.as_ref();
    let mut turns = Turns::of(server);
    for way in ways(bytes.len()) {
        let mut wire = server.connect();
        send(&mut wire, &mut turns, bytes, SMUGGLED, way);
        let (all, end) = wire.read_to_close();
        wire.reset();
        let context = || {
            format!("{:?} {way:?}: {:?}", bytes.escape_ascii().to_string(), all.escape_ascii().to_string())
        };
        assert_eq!(end, End::Eof, "{}", context());
        let response = only(&all).unwrap_or_else(|error| panic!("{error}: {}", context()));
        assert_eq!(response.status, status, "{}", context());
        assert_eq!(response.header("connection"), Some("close"), "{}", context());
        assert!(response.header("date").is_some(), "{}", context());
        check(&response);
    }
}

/// The one response that `all` is.
fn only(all: &[u8]) -> Result<Response, String> {
    match parse(all, "GET", true)? {
        Progress::Whole(response, used) if used == all.len() => Ok(*response),
        Progress::Whole(response, _) => Err(format!("more than one response, the first is {response:?}")),
        Progress::Partial => Err("no response".to_owned()),
    }
}

/// `bytes` are answered with `status`, however they arrive, by a response in which `check` finds nothing wrong; and so is
/// the request that follows them.
#[track_caller]
pub(super) fn answered(server: &TestServer, bytes: impl AsRef<[u8]>, status: u16, check: impl Fn(&Response)) {
    let bytes = bytes.as_ref();
    let method = bytes.trim_ascii_start().split(|byte| *byte == b' ').next();
    let method = String::from_utf8_lossy(method.unwrap_or_default()).into_owned();
    let mut turns = Turns::of(server);
    for way in ways(bytes.len()) {
        let mut wire = server.connect();
        send(&mut wire, &mut turns, bytes, FOLLOWING, way);
        let response = wire.read_response_to(&method);
        assert_eq!(response.status, status, "{:?} {way:?}: {response:?}", bytes.escape_ascii().to_string());
        check(&response);
        let following = wire.read_response();
        assert_eq!(following.text(), "GET /following host=a body=", "{way:?}");
        wire.reset();
    }
}

/// `bytes` are understood by a server that says what it understood as `understood`, however they arrive.
#[track_caller]
pub(super) fn accepted(server: &TestServer, bytes: impl AsRef<[u8]>, understood: &str) {
    answered(server, bytes, 200, |response| {
        assert_eq!(response.text(), understood);
    });
}

#[test]
fn after_its_turns_a_server_has_read_all() {
    let server = super::server::echo_server();
    let mut turns = Turns::of(&server);
    for _ in 0..100 {
        let mut wire = server.connect();
        for piece in ["GET / HT", "T", "P/1.1\r\nHost: "] {
            wire.send(piece);
            turns.pass();
            // Without any patience: it is so already.
            wire = wire.within(Duration::ZERO);
            wire.wait_until_read();
            wire = wire.within(PATIENCE);
        }
        wire.reset();
    }
}
