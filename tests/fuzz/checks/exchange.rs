//! What a server answers to a client that goes on with its connection: interim responses, heads, bodies of every kind, and what must not follow.
//!
//! The first byte says what the client has asked for; the others are the server's. However they arrive, the client hears the same, and it hears nothing behind a fault.

use bytes::BytesMut;
use http::{HeaderValue, Method};
use wireworks::codec::{Codec, Outbox};
use wireworks::proto::http::client::{ClientCodec, ClientError, Finish, Incoming, Outgoing, RequestWriter};
use wireworks::proto::http::fields::Fields;
use wireworks::proto::http::limits::Limits;

use super::arrivals;

/// Checks a client on `wire`; says whether a whole response came, and nothing behind it.
pub(crate) fn check(wire: &[u8]) -> bool {
    let Some((asked, wire)) = wire.split_first() else { return false };
    let small = Limits { head: 120, fields: 3, ..Limits::default() };
    under(&small, *asked, wire);
    under(&Limits::default(), *asked, wire)
}

fn under(limits: &Limits, asked: u8, wire: &[u8]) -> bool {
    let whole = Heard::of(limits, asked, &[wire]);
    for way in arrivals(wire) {
        let split = Heard::of(limits, asked, &way);
        // Which of two faults is named may hang on the arrival only when one of them is that a head is too long.
        let too_long = wire.len() > limits.head && split.fault.is_some() && whole.fault.is_some();
        assert!(split == whole || too_long, "{split:?}, not {whole:?}, as {} pieces", way.len());
    }
    whole.complete && whole.fault.is_none()
}

/// What the client has heard.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    /// The heads, interim ones first, as they came.
    heads: Vec<Vec<u8>>,
    body: Vec<u8>,
    trailers: usize,
    complete: bool,
    fault: Option<ClientError>,
}

impl Heard {
    fn of(limits: &Limits, asked: u8, pieces: &[&[u8]]) -> Self {
        let mut codec = ClientCodec::new(*limits);
        ask(&mut codec, asked);
        let (mut heard, mut src) = (Self::default(), BytesMut::new());
        for piece in pieces {
            src.extend_from_slice(piece);
            if !heard.take(|| codec.decode(&mut src)) {
                // Nothing is heard behind a fault, whatever comes.
                src.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                assert!(!matches!(codec.decode(&mut src), Ok(Some(_))), "something behind a fault");
                assert!(!codec.is_ready(), "a connection that is of no use is used again");
                return heard;
            }
        }
        heard.take(|| codec.decode_eof(&mut src));
        heard
    }

    /// Hears all that there is; says whether it goes on.
    fn take(&mut self, mut next: impl FnMut() -> Result<Option<Incoming>, ClientError>) -> bool {
        loop {
            match next() {
                Ok(None) => return true,
                Err(fault) => {
                    self.fault = Some(fault);
                    return false;
                }
                Ok(Some(incoming)) => self.hear(incoming),
            }
        }
    }

    fn hear(&mut self, incoming: Incoming) {
        assert!(!self.complete, "something behind the end");
        match incoming {
            Incoming::Interim(head) => {
                assert!(self.heads.len() < 100, "interim responses without end");
                self.heads.push(head.bytes().to_vec());
            }
            Incoming::Head(head, length) => {
                self.heads.push(head.bytes().to_vec());
                self.complete = matches!(length, wireworks::proto::http::head::BodyLength::Empty);
            }
            Incoming::Data(data) => {
                assert!(!data.is_empty(), "nothing is no data");
                self.body.extend_from_slice(&data);
            }
            Incoming::End(trailers) => {
                self.trailers = trailers.len();
                self.complete = true;
            }
        }
    }
}

/// One of four requests: GET, HEAD, POST, and one that asks for an upgrade.
fn ask(codec: &mut ClientCodec, asked: u8) {
    let method = [Method::GET, Method::HEAD, Method::POST, Method::GET][usize::from(asked % 4)].clone();
    let writer = RequestWriter::new(&method, "/", "a.test").unwrap();
    let protocol = HeaderValue::from_static("websocket");
    let upgrade = (asked % 4 == 3).then_some(&protocol);
    let mut outbox = Outbox::new();
    codec
        .encode(Outgoing::Head(writer.finish(Finish { length: Some(0), upgrade, close: false })), &mut outbox)
        .unwrap();
    codec.encode(Outgoing::End(Fields::new()), &mut outbox).unwrap();
}
