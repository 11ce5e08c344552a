//! The server's side of one connection, RFC 9112: requests in, replies out, in order.
//!
//! One [`ServerCodec`] sees both directions, so it knows when a message is over: the next request is parsed only after the
//! body of this one was read and its reply was written. After a fault, or a reply that ends the connection, nothing more
//! is ever parsed (section 9.6): leftover bytes cannot become a request.

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, StatusCode, Version};

use crate::codec::{Codec, Outbox};

use super::chunked::{Chunk, Chunked};
use super::fields::Fields;
use super::head::{BodyLength, Framing, Head};
use super::limits::{Limits, MAX_METHOD};
use super::list::is_token_byte;
use super::parse::{parse, parse_front};
use super::reject::Reject;
pub use super::reply::Misuse;
use super::reply::{self, Asked, ReplyHead};
use super::scan::Scan;

/// What a client says.
#[derive(Debug)]
pub enum Incoming {
    /// A request. [`Data`](Incoming::Data) and [`End`](Incoming::End) follow only when its body is not
    /// [`BodyLength::Empty`].
    ///
    /// Boxed, as it is handed on several times, and is large.
    Head(Box<Head>, Framing),
    /// Bytes of its body, never empty.
    Data(Bytes),
    /// The end of its body, with the trailer fields.
    End(Fields),
}

/// What a server says.
#[derive(Debug)]
pub enum Outgoing {
    /// `100 Continue`.
    Continue,
    /// All of the reply: its head, and its body, which is left out where the reply has none (HEAD, 204, 304).
    Whole(ReplyHead, Bytes),
    /// The head of the reply.
    Head(ReplyHead),
    /// Bytes of its body. Ignored where the reply has none (HEAD, 204, 304).
    Data(Bytes),
    /// So many bytes of its body leave beside the codec, by `sendfile`. Only for a body of known length.
    Aside(u64),
    /// The end of the reply, with trailer fields, which are sent when the body is chunked.
    End(Fields),
}

/// What can go wrong on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The peer's fault.
    #[error(transparent)]
    Reject(#[from] Reject),
    /// Ours. The connection can only be cut, so that a client never takes a part for the whole.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

/// The codec of the server's side.
#[derive(Debug)]
pub struct ServerCodec {
    limits: Limits,
    inbound: Inbound,
    outbound: Outbound,
    asked: Asked,
    /// The last reply is delimited by the end of the connection.
    until_close: bool,
}

/// Where in the request.
#[derive(Debug)]
enum Inbound {
    /// Before its head. One empty line may come first (section 2.2).
    Head {
        scan: Scan,
        skipped_line: bool,
    },
    Exactly(u64),
    /// Boxed, as few connections are ever here, and an idle one should be small.
    Chunked(Box<Chunked>),
    /// Everything was read; its last item may have to be said.
    Ended,
    /// Everything was read, and said.
    Over,
    /// Nothing more is parsed on this connection.
    Dead,
    /// Likewise, and the client was not through with its body.
    DeadInBody,
}

/// Where in the reply.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outbound {
    /// Before its head.
    Head,
    Body(BodyLength),
    /// All of it was written, and the request's body was not read to its end.
    Over,
}

const NOTHING_ASKED: Asked = Asked { head: false, old: false, persist: true, last: false };

const FRESH: Inbound = Inbound::Head { scan: Scan::NEW, skipped_line: false };

impl ServerCodec {
    /// The codec of a fresh connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let asked = NOTHING_ASKED;
        Self { limits, inbound: FRESH, outbound: Outbound::Head, asked, until_close: false }
    }

    /// Lets the connection end with the reply whose head is next: it says `Connection: close`.
    pub fn close(&mut self) {
        self.asked.persist = false;
    }

    /// Whether the connection goes on after the reply.
    #[must_use]
    pub fn persists(&self) -> bool {
        self.asked.persist
    }

    /// Whether a request is awaited of which nothing was parsed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.inbound, Inbound::Head { .. })
    }

    /// Whether bytes of the request's body are still to come.
    #[must_use]
    pub fn in_body(&self) -> bool {
        matches!(self.inbound, Inbound::Exactly(_) | Inbound::Chunked(_) | Inbound::Ended)
    }

    /// Whether the client said that the request is its last, and has sent all of it.
    #[must_use]
    pub fn client_is_through(&self) -> bool {
        self.asked.last && !self.in_body()
    }

    /// Whether the bytes of a reply with `status` follow its head: not in reply to HEAD, nor where the status forbids it.
    #[must_use]
    pub fn sends_body(&self, status: StatusCode) -> bool {
        !self.asked.head && reply::may_have_body(status) && status != StatusCode::RESET_CONTENT
    }

    /// Whether the head of the reply was written.
    #[must_use]
    pub fn reply_has_begun(&self) -> bool {
        self.outbound != Outbound::Head
    }

    /// Whether the reply whose head was written has a body to follow.
    #[must_use]
    pub fn reply_has_body(&self) -> bool {
        matches!(self.outbound, Outbound::Body(length) if length != BodyLength::Empty)
    }

    /// Whether the last reply ends with the connection: a client takes any orderly end for its end.
    #[must_use]
    pub fn is_until_close(&self) -> bool {
        self.until_close
    }

    /// Bytes of the request's body that are still to come, when it said how many.
    #[must_use]
    pub fn body_left(&self) -> Option<u64> {
        match self.inbound {
            Inbound::Exactly(left) => Some(left),
            Inbound::Chunked(_) => None,
            _ => Some(0),
        }
    }

    fn head(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, Reject> {
        let Inbound::Head { scan, skipped_line } = &mut self.inbound else {
            return Ok(None);
        };
        if !*skipped_line && src.starts_with(b"\r\n") {
            src.advance(2);
            *skipped_line = true;
        }
        match src.first() {
            None => return Ok(None),
            Some(b'\r') if !*skipped_line && src.len() == 1 => return Ok(None),
            Some(b'\r' | b'\n' | b' ' | b'\t') => return Err(Reject::RequestLine),
            Some(&byte) if !is_token_byte(byte) => return Err(Reject::NotHttp),
            Some(_) => {}
        }
        if scan.is_new()
            && let Some((head, framing)) = parse_front(src, &self.limits)
        {
            return Ok(Some(self.begin(head, framing)));
        }
        let Some(end) = scan.end(src)? else {
            let line_too_long = !scan.past_first_line() && src.len() > self.limits.request_line();
            return match src.len() > self.limits.head {
                _ if line_too_long && memchr::memchr(b' ', &src[..=MAX_METHOD]).is_some() => {
                    Err(Reject::TargetTooLong)
                }
                _ if line_too_long => Err(Reject::MethodTooLong),
                true => Err(Reject::HeadTooLarge),
                false => Ok(None),
            };
        };
        if end > self.limits.head {
            return Err(Reject::HeadTooLarge);
        }
        let (head, framing) = parse(src.split_to(end).freeze(), &self.limits)?;
        Ok(Some(self.begin(head, framing)))
    }

    fn begin(&mut self, head: Head, framing: Framing) -> Incoming {
        self.asked = Asked {
            head: *head.method() == Method::HEAD,
            old: head.version() == Version::HTTP_10,
            persist: framing.persist,
            last: !framing.persist,
        };
        self.inbound = match framing.body {
            BodyLength::Exactly(length) => Inbound::Exactly(length),
            BodyLength::Chunked => Inbound::Chunked(Box::new(Chunked::new(&self.limits))),
            BodyLength::Empty | BodyLength::UntilClose => Inbound::Over,
        };
        Incoming::Head(Box::new(head), framing)
    }

    fn next(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, Reject> {
        match &mut self.inbound {
            Inbound::Head { .. } => self.head(src),
            Inbound::Exactly(_) if src.is_empty() => Ok(None),
            Inbound::Exactly(left) => {
                let available = u64::try_from(src.len()).unwrap_or(u64::MAX).min(*left);
                *left -= available;
                if *left == 0 {
                    self.inbound = Inbound::Ended;
                }
                let data = src.split_to(usize::try_from(available).unwrap_or(usize::MAX));
                Ok(Some(Incoming::Data(data.freeze())))
            }
            Inbound::Chunked(chunked) => match chunked.decode(src)? {
                None => Ok(None),
                Some(Chunk::Data(data)) => Ok(Some(Incoming::Data(data))),
                Some(Chunk::End(trailers)) => Ok(Some(self.ended(trailers))),
            },
            Inbound::Ended => Ok(Some(self.ended(Fields::new()))),
            Inbound::Over | Inbound::Dead | Inbound::DeadInBody => Ok(None),
        }
    }

    fn ended(&mut self, trailers: Fields) -> Incoming {
        self.inbound = Inbound::Over;
        self.turn_around();
        Incoming::End(trailers)
    }

    /// Goes on to the next request when both directions are through with this one.
    fn turn_around(&mut self) {
        if self.outbound == Outbound::Over {
            match self.inbound {
                Inbound::Exactly(_) | Inbound::Chunked(_) | Inbound::Ended if !self.asked.persist => {
                    self.inbound = Inbound::DeadInBody;
                }
                _ if !self.asked.persist => self.inbound = Inbound::Dead,
                Inbound::Over => {
                    (self.inbound, self.outbound, self.asked) = (FRESH, Outbound::Head, NOTHING_ASKED);
                }
                _ => {}
            }
        }
    }

    fn head_of_reply(&mut self, head: &ReplyHead, dst: &mut Outbox) {
        let body = reply::write(head, &mut self.asked, dst.tail());
        self.until_close = body == BodyLength::UntilClose;
        self.outbound = Outbound::Body(body);
    }

    fn whole(&mut self, head: &ReplyHead, body: Bytes, dst: &mut Outbox) -> Result<(), Misuse> {
        self.head_of_reply(head, dst);
        self.data(body, dst)?;
        self.end(&Fields::new(), dst)
    }

    fn data(&mut self, data: Bytes, dst: &mut Outbox) -> Result<(), Misuse> {
        match &mut self.outbound {
            Outbound::Head | Outbound::Over => Err(Misuse::OutOfTurn),
            Outbound::Body(body) => reply::body_data(body, data, dst),
        }
    }

    fn end(&mut self, trailers: &Fields, dst: &mut Outbox) -> Result<(), Misuse> {
        let Outbound::Body(body) = self.outbound else { return Err(Misuse::OutOfTurn) };
        reply::body_end(body, trailers, dst)?;
        self.outbound = Outbound::Over;
        self.turn_around();
        Ok(())
    }
}

impl Codec for ServerCodec {
    type In = Incoming;
    type Out = Outgoing;
    type Error = HttpError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, HttpError> {
        self.next(src).map_err(|reject| {
            self.inbound = Inbound::Dead;
            self.asked.persist = false;
            reject.into()
        })
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, HttpError> {
        let item = self.decode(src)?;
        let torn = match self.inbound {
            Inbound::Head { .. } => !src.is_empty(),
            Inbound::Exactly(_) | Inbound::Chunked(_) => true,
            Inbound::Ended | Inbound::Over | Inbound::Dead | Inbound::DeadInBody => false,
        };
        if item.is_none() && torn {
            self.inbound = Inbound::Dead;
            self.asked.persist = false;
            return Err(Reject::Incomplete.into());
        }
        Ok(item)
    }

    fn encode(&mut self, item: Outgoing, dst: &mut Outbox) -> Result<(), HttpError> {
        match item {
            Outgoing::Continue if self.outbound == Outbound::Head => {
                dst.put(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            Outgoing::Head(head) if self.outbound == Outbound::Head => {
                self.head_of_reply(&head, dst);
            }
            Outgoing::Whole(head, body) if self.outbound == Outbound::Head => self.whole(&head, body, dst)?,
            Outgoing::Continue | Outgoing::Whole(..) | Outgoing::Head(_) => {
                return Err(Misuse::OutOfTurn.into());
            }
            Outgoing::Data(data) => self.data(data, dst)?,
            Outgoing::Aside(n) => match &mut self.outbound {
                Outbound::Body(BodyLength::Exactly(left)) => {
                    *left = left.checked_sub(n).ok_or(Misuse::BodyTooLong)?;
                }
                _ => return Err(Misuse::OutOfTurn.into()),
            },
            Outgoing::End(trailers) => self.end(&trailers, dst)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
