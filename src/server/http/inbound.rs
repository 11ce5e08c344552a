//! The body of the request in hand: from the connection into the pipe to the handler, as fast as the handler reads.

use std::task::{Context, Poll};

use bytes::Bytes;

use super::body::{Body, BodyError, Kind};
use super::fault::Fault;
use super::pipe::{Demand, Feeder, WINDOW, pipe};
use crate::net::conn::{Conn, Turn};
use crate::net::io::Io;
use crate::proto::http::fields::Fields;
use crate::proto::http::head::{BodyLength, Framing};
use crate::proto::http::reject::Reject;
use crate::proto::http::server::{HttpError, Incoming, Outgoing, ServerCodec};

pub(super) type HttpConn = Conn<Io, ServerCodec>;

/// The connection's side of a request's body.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    /// `None` when all of the body was handed over with the request.
    feeder: Option<Feeder>,
    /// The client waits for `100 Continue`.
    continue_due: bool,
    /// Bytes of the body that were read.
    received: u64,
}

impl Inbound {
    /// Takes what of the body is here already. A small body mostly is, and then needs no pipe.
    pub(super) fn begin(conn: &mut HttpConn, framing: &Framing) -> Result<(Self, Body), Fault> {
        let length = match framing.body {
            BodyLength::Empty | BodyLength::UntilClose => return Ok((Self::default(), Body::empty())),
            BodyLength::Exactly(length) => Some(length),
            BodyLength::Chunked => None,
        };
        let mut early: Vec<Bytes> = Vec::new();
        let mut size = 0;
        let end = loop {
            match conn.decode()? {
                Some(Incoming::Data(data)) => {
                    size += data.len();
                    early.push(data);
                }
                Some(Incoming::End(trailers)) => break Some(trailers),
                Some(Incoming::Head(..)) | None => break None,
            }
            if size >= WINDOW {
                break None;
            }
        };
        let received = size as u64;
        if let (Some(trailers), 0 | 1) = (&end, early.len())
            && trailers.is_empty()
        {
            let inbound = Self { received, ..Self::default() };
            return Ok((inbound, early.pop().unwrap_or_default().into()));
        }
        let (feeder, reader) = pipe();
        let arrived = !early.is_empty() || end.is_some();
        early.into_iter().for_each(|data| feeder.push(data));
        if let Some(trailers) = end {
            feeder.end(Ok(trailers));
        }
        let inbound =
            Self { feeder: Some(feeder), continue_due: framing.expects_continue && !arrived, received };
        Ok((inbound, Body(Kind::Inbound(reader, length))))
    }

    /// Bytes of the body that were read so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Whether the client was not told to send its body: it may never come.
    pub(super) fn is_held_back(&self) -> bool {
        self.continue_due
    }

    /// Moves what the handler wants and the connection has. `Ready` when something moved; `Pending` with whether the peer is
    /// being waited for.
    pub(super) fn pump(&mut self, conn: &mut HttpConn, cx: &mut Context<'_>) -> Result<Pumped, Fault> {
        if !conn.codec().in_body() {
            return Ok(Pumped::Idle);
        }
        let Some(feeder) = &self.feeder else {
            return Ok(Pumped::Idle);
        };
        match feeder.demand(cx) {
            Demand::Full => return Ok(Pumped::Idle),
            Demand::Room | Demand::Abandoned if self.continue_due => return Ok(Pumped::Idle),
            // Too late: the reply has begun, and the body may never come.
            Demand::Asked if self.continue_due && conn.codec().reply_has_begun() => {
                self.feeder = None;
                return Ok(Pumped::Moved);
            }
            Demand::Asked if self.continue_due => {
                self.continue_due = false;
                conn.feed(Outgoing::Continue)?;
            }
            Demand::Asked | Demand::Room => {}
            // Nobody wants it: what is to be done with it is decided after the reply.
            Demand::Abandoned => return Ok(Pumped::Idle),
        }
        match conn.poll_turn(cx) {
            Poll::Pending => Ok(Pumped::Waiting),
            Poll::Ready(Ok(Turn::Item(Incoming::Data(data)))) => {
                self.received += data.len() as u64;
                feeder.push(data);
                Ok(Pumped::Moved)
            }
            Poll::Ready(Ok(Turn::Item(Incoming::End(trailers)))) => {
                feeder.end(Ok(trailers));
                Ok(Pumped::Moved)
            }
            Poll::Ready(Ok(Turn::Room)) => Ok(Pumped::Moved),
            Poll::Ready(Ok(Turn::Item(Incoming::Head(..)) | Turn::Closed)) => Err(Reject::Incomplete.into()),
            Poll::Ready(Err(error)) => {
                let fault = Fault::from(error);
                feeder.end(Err(match fault {
                    Fault::Reject(reject) => BodyError::Rejected(reject),
                    Fault::TooSlow => BodyError::TooSlow,
                    _ => BodyError::Disconnected,
                }));
                Err(fault)
            }
        }
    }

    /// Reads, and throws away, what of an unwanted body is here already, without waiting: its framing is checked before the
    /// reply leaves.
    pub(super) fn discard_arrived(&mut self, conn: &mut HttpConn, limit: u64) -> Result<(), Fault> {
        let mut size = 0;
        while size <= limit && conn.codec().in_body() {
            match conn.decode()? {
                Some(Incoming::Data(data)) => size += data.len() as u64,
                Some(Incoming::End(_) | Incoming::Head(..)) | None => break,
            }
        }
        self.received += size;
        Ok(())
    }

    /// Reads the rest of a body that nobody wants, at most `limit` bytes. Whether it came to its end.
    pub(super) async fn discard(&self, conn: &mut HttpConn, limit: u64) -> bool {
        let mut size = 0;
        while conn.codec().in_body() {
            match conn.turn().await {
                Ok(Turn::Item(Incoming::Data(data))) if size <= limit => size += data.len() as u64,
                Ok(Turn::Item(Incoming::End(_)) | Turn::Room) => {}
                _ => return false,
            }
        }
        true
    }

    /// Whether the handler has dropped the body.
    pub(super) fn is_abandoned(&self, cx: &Context<'_>) -> bool {
        self.feeder.as_ref().is_none_or(|feeder| feeder.demand(cx) == Demand::Abandoned)
    }
}

/// What a pump did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pumped {
    /// Something moved; the handler may go on.
    Moved,
    /// The peer's bytes are awaited.
    Waiting,
    /// Nothing is to be read.
    Idle,
}

impl From<HttpError> for Fault {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Reject(reject) => Self::Reject(reject),
            HttpError::Misuse(misuse) => Self::Misuse(misuse),
        }
    }
}

/// No trailers.
pub(super) const fn no_trailers() -> Fields {
    Fields::new()
}
