//! The client's side of one connection, RFC 9112: one request after the other, each with its response.
//!
//! As [`ServerCodec`](crate::proto::http::server::ServerCodec) this codec sees both directions, because where a response ends depends on
//! what was asked. Requests are not pipelined. Bytes that come when nothing was asked are a fault, and so the next response cannot be
//! taken from what was left over. A response may be complete before its request is: then the connection goes on only if the
//! request does, too.

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, Version};

use crate::codec::{Codec, Outbox};
use crate::proto::http::chunked::{Chunk, Chunked};
use crate::proto::http::fields::Fields;
use crate::proto::http::head::BodyLength;
use crate::proto::http::limits::Limits;
use crate::proto::http::list::{self, FieldLines};
use crate::proto::http::reply::{self, Misuse};
use crate::proto::http::scan::Scan;

use super::opening::{MAX_INTERIM, VERSION};
use super::response::parse;
use super::{Fault, ResponseHead, WireRequest};

/// What a server says.
#[derive(Debug)]
pub enum Incoming {
    /// A response that is not the one that counts (1xx).
    Interim(Box<ResponseHead>),
    /// The response. [`Data`](Incoming::Data) and [`End`](Incoming::End) follow only when its body is not [`BodyLength::Empty`].
    Head(Box<ResponseHead>, BodyLength),
    /// Bytes of its body, never empty.
    Data(Bytes),
    /// The end of its body, with the trailer fields.
    End(Fields),
}

/// What a client says.
#[derive(Debug)]
pub enum Outgoing {
    /// The head of a request.
    Head(WireRequest),
    /// Bytes of its body.
    Data(Bytes),
    /// The end of the request, with trailer fields, which are sent when the body is chunked. Needed also when there is no body.
    End(Fields),
}

/// What can go wrong on a connection to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server's fault.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Ours: the request is incomplete, and its connection can only be cut.
    #[error("the request: {0}")]
    Misuse(#[from] Misuse),
}

/// The codec of the client's side.
#[derive(Debug)]
pub struct ClientCodec {
    limits: Limits,
    inbound: Inbound,
    outbound: Outbound,
    asked: Asked,
    /// Interim responses to the request in hand.
    interim: usize,
    persists: bool,
}

/// What of the request decides how its response is read.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    upgrade: bool,
}

/// Where in the response.
#[derive(Debug)]
enum Inbound {
    /// Nothing was asked.
    Idle,
    Head(Scan),
    Exactly(u64),
    /// Boxed, as few connections are ever here, and an idle one should be small.
    Chunked(Box<Chunked>),
    /// With so many bytes that may still come.
    UntilClose(u64),
    /// Everything was read; its last item has to be said.
    Ended,
    /// Everything was read, and said.
    Over,
    /// Nothing more is parsed on this connection.
    Dead,
}

/// Where in the request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outbound {
    /// Before its head.
    Head,
    Body(BodyLength),
    Over,
}

impl ClientCodec {
    /// The codec of a fresh connection. `limits` hold for responses.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            inbound: Inbound::Idle,
            outbound: Outbound::Head,
            asked: Asked { method: Method::GET, upgrade: false },
            interim: 0,
            persists: true,
        }
    }

    /// Whether the connection can take another request: the last one and its response are over, and neither side has ended it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.persists && matches!(self.inbound, Inbound::Idle)
    }

    /// Whether no byte of the response in hand was parsed.
    #[must_use]
    pub fn awaits_response(&self) -> bool {
        matches!(&self.inbound, Inbound::Head(scan) if scan.is_new())
    }

    /// Bytes of the response's body that are still to come, when that is known.
    #[must_use]
    pub fn body_left(&self) -> Option<u64> {
        match self.inbound {
            Inbound::Exactly(left) => Some(left),
            Inbound::Chunked(_) | Inbound::UntilClose(_) => None,
            _ => Some(0),
        }
    }

    /// Counts bytes of the response's body that pass beside the codec: at most as many as [`body_left`](Self::body_left) says. Whether
    /// they were the last, which [`Incoming::End`] tells then.
    ///
    /// # Errors
    /// No so many bytes are to come.
    pub fn pass(&mut self, bytes: u64) -> Result<bool, Misuse> {
        let Inbound::Exactly(left) = &mut self.inbound else { return Err(Misuse::OutOfTurn) };
        *left = left.checked_sub(bytes).ok_or(Misuse::BodyTooLong)?;
        let last = *left == 0;
        if last {
            self.inbound = Inbound::Ended;
        }
        Ok(last)
    }

    fn head(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, Fault> {
        let Inbound::Head(scan) = &mut self.inbound else { return Ok(None) };
        let begun = src.len().min(VERSION.len());
        if src[..begun] != VERSION[..begun] {
            return Err(Fault::NotHttp);
        }
        let end = scan.end(src).map_err(|_| Fault::BareLf)?;
        if end.unwrap_or(src.len()) > self.limits.head {
            return Err(Fault::HeadTooLarge);
        }
        let Some(end) = end else { return Ok(None) };
        *scan = Scan::NEW;
        let head = Box::new(parse(src.split_to(end).freeze(), &self.limits)?);
        if head.is_interim() {
            self.interim += 1;
            return if self.interim > MAX_INTERIM {
                Err(Fault::TooManyInterim)
            } else {
                Ok(Some(Incoming::Interim(head)))
            };
        }
        self.begin(head).map(Some)
    }

    /// Goes on with the body of the response that counts.
    fn begin(&mut self, head: Box<ResponseHead>) -> Result<Incoming, Fault> {
        let body = head.body(&self.asked.method)?;
        let tunnel = self.asked.method == Method::CONNECT && head.status().is_success();
        if head.status() == StatusCode::SWITCHING_PROTOCOLS && !self.asked.upgrade {
            return Err(Fault::Unasked);
        }
        if tunnel || head.status() == StatusCode::SWITCHING_PROTOCOLS {
            // What follows is not HTTP.
            self.inbound = Inbound::Dead;
            self.persists = false;
            return Ok(Incoming::Head(head, BodyLength::Empty));
        }
        self.persists &= persists(&head) && body != BodyLength::UntilClose;
        self.inbound = match body {
            BodyLength::Empty => Inbound::Over,
            BodyLength::Exactly(length) if length > self.limits.body => return Err(Fault::BodyTooLarge),
            BodyLength::Exactly(length) => Inbound::Exactly(length),
            BodyLength::Chunked => Inbound::Chunked(Box::new(Chunked::new(&self.limits))),
            BodyLength::UntilClose => Inbound::UntilClose(self.limits.body),
        };
        self.turn_around();
        Ok(Incoming::Head(head, body))
    }

    fn next(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, Fault> {
        match &mut self.inbound {
            Inbound::Idle | Inbound::Over if !src.is_empty() => Err(Fault::Unasked),
            Inbound::Idle | Inbound::Over | Inbound::Dead => Ok(None),
            Inbound::Head(_) if src.is_empty() => Ok(None),
            Inbound::Head(_) => self.head(src),
            Inbound::Exactly(_) | Inbound::UntilClose(_) if src.is_empty() => Ok(None),
            Inbound::Exactly(left) => {
                let available = u64::try_from(src.len()).unwrap_or(u64::MAX).min(*left);
                *left -= available;
                if *left == 0 {
                    self.inbound = Inbound::Ended;
                }
                let data = src.split_to(usize::try_from(available).unwrap_or(usize::MAX));
                Ok(Some(Incoming::Data(data.freeze())))
            }
            Inbound::UntilClose(left) => {
                let arrived = u64::try_from(src.len()).unwrap_or(u64::MAX);
                *left = left.checked_sub(arrived).ok_or(Fault::BodyTooLarge)?;
                Ok(Some(Incoming::Data(src.split().freeze())))
            }
            Inbound::Chunked(chunked) => match chunked.decode(src).map_err(Fault::Chunk)? {
                None => Ok(None),
                Some(Chunk::Data(data)) => Ok(Some(Incoming::Data(data))),
                Some(Chunk::End(trailers)) => Ok(Some(self.ended(trailers))),
            },
            Inbound::Ended => Ok(Some(self.ended(Fields::new()))),
        }
    }

    fn ended(&mut self, trailers: Fields) -> Incoming {
        self.inbound = Inbound::Over;
        self.turn_around();
        Incoming::End(trailers)
    }

    /// Goes on to the next request when both directions are through with this one.
    fn turn_around(&mut self) {
        if matches!(self.inbound, Inbound::Over) && self.outbound == Outbound::Over {
            self.outbound = Outbound::Head;
            self.inbound = if self.persists { Inbound::Idle } else { Inbound::Dead };
        }
    }

    fn say(&mut self, request: &WireRequest, dst: &mut Outbox) -> Result<(), Misuse> {
        if self.outbound != Outbound::Head || !self.is_ready() {
            return Err(Misuse::OutOfTurn);
        }
        dst.push(request.bytes.clone());
        self.asked = Asked { method: request.method.clone(), upgrade: request.upgrade };
        self.persists &= !request.close;
        self.outbound = Outbound::Body(request.body);
        (self.inbound, self.interim) = (Inbound::Head(Scan::NEW), 0);
        Ok(())
    }
}

/// Whether the server lets the connection go on after this response: RFC 9112 section 9.3.
fn persists(head: &ResponseHead) -> bool {
    let says = |option| list::contains_token(head.lines("connection"), option);
    match head.version() {
        Version::HTTP_10 => says("keep-alive") && !says("close"),
        _ => !says("close"),
    }
}

impl Codec for ClientCodec {
    type In = Incoming;
    type Out = Outgoing;
    type Error = ClientError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, ClientError> {
        self.next(src).map_err(|fault| {
            (self.inbound, self.persists) = (Inbound::Dead, false);
            fault.into()
        })
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, ClientError> {
        let item = self.decode(src)?;
        if item.is_some() {
            return Ok(item);
        }
        self.persists = false;
        match self.inbound {
            Inbound::UntilClose(_) => Ok(Some(self.ended(Fields::new()))),
            Inbound::Head(_) | Inbound::Exactly(_) | Inbound::Chunked(_) => {
                let unbegun = matches!(&self.inbound, Inbound::Head(scan) if scan.is_new()) && src.is_empty();
                if unbegun {
                    return Ok(None);
                }
                self.inbound = Inbound::Dead;
                Err(Fault::Incomplete.into())
            }
            _ => Ok(None),
        }
    }

    fn encode(&mut self, item: Outgoing, dst: &mut Outbox) -> Result<(), ClientError> {
        match item {
            Outgoing::Head(request) => self.say(&request, dst)?,
            Outgoing::Data(data) => match &mut self.outbound {
                Outbound::Body(body) => reply::body_data(body, data, dst)?,
                Outbound::Head | Outbound::Over => return Err(Misuse::OutOfTurn.into()),
            },
            Outgoing::End(trailers) => {
                let Outbound::Body(body) = self.outbound else { return Err(Misuse::OutOfTurn.into()) };
                reply::body_end(body, &trailers, dst)?;
                self.outbound = Outbound::Over;
                self.turn_around();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
