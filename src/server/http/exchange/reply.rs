//! Sending a reply: its head, then its body as the client takes it, from memory, a stream or files.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;

use http::StatusCode;
use tokio::time::Instant;

use super::After;
use super::run::{Run, Waiting};
use crate::net::pace::Direction;
use crate::net::splice::{Pipe, Socket};
use crate::proto::http::fields::Fields;
use crate::proto::http::reply::{ReplyHead, may_have_body};
use crate::proto::http::server::{Misuse, Outgoing};
use crate::server::http::body::{Body, BodyError, Frame, Kind, Segment, Sent};
use crate::server::http::fault::Fault;
use crate::server::http::inbound::no_trailers;
use crate::server::http::now::date_text;
use crate::server::http::response::Response;

/// Bytes that are spliced before the others of the thread have their turn.
const SPLICE_TURN: usize = 2 * 1024 * 1024;

impl Run<'_> {
    /// The first frame of a reply that is made of the request's body, when the client still waits to be told to send that:
    /// `100 Continue` cannot follow the head of the reply.
    async fn first_frame(&mut self, body: &mut Body) -> Result<Option<Result<Frame, BodyError>>, Fault> {
        let made_of_it =
            matches!(body.0, Kind::Inbound(..) | Kind::Stream(..) | Kind::Spliced(..) | Kind::Limited(..));
        if !self.inbound.is_held_back() || !made_of_it {
            return Ok(None);
        }
        let abandoned = poll_fn(|cx| Poll::Ready(self.inbound.is_abandoned(cx))).await;
        if abandoned { Ok(None) } else { self.drive(body.frame()).await }
    }

    /// Sends the reply, and says what follows.
    pub(super) async fn reply(&mut self, mut response: Response, started: Instant) -> After {
        let mut extra = response.extra.take().unwrap_or_default();
        if self.server.drain.is_stopping() {
            self.conn.codec_mut().close();
        }
        self.server.settings.sign(&mut response.fields);
        let mut bytes = 0;
        let result = self.send(&mut response, extra.length, &mut bytes).await;
        let (complete, stalled) = (result.is_ok(), matches!(result, Err(Fault::TooSlow)));
        for on_sent in std::mem::take(&mut extra.on_sent) {
            on_sent(Sent {
                bytes,
                received: self.inbound.received(),
                took: started.elapsed(),
                complete,
                stalled,
            });
        }
        if let Err(fault) = result {
            tracing::debug!(%fault, "reply cut short");
            // A client that hears nothing at all may take its request for one that nobody had, and repeat it: what there is of the
            // reply goes out first, as far as the client takes it now.
            let _flushed = poll_fn(|cx| Poll::Ready(self.conn.poll_flush(cx))).await;
            return After::Cut;
        }
        if let Some(then) = extra.upgrade.filter(|_| response.status == StatusCode::SWITCHING_PROTOCOLS) {
            self.server.pace(self.conn, Direction::Writing);
            return match self.server.drain.unless_aborting(self.conn.flush()).await {
                Some(Ok(())) => After::Upgrade(then),
                Some(Err(_)) | None => After::Cut,
            };
        }
        self.after().await
    }

    async fn send(
        &mut self,
        response: &mut Response,
        length_of_get: Option<u64>,
        bytes: &mut u64,
    ) -> Result<(), Fault> {
        let mut body = std::mem::take(&mut response.body);
        let length = length_of_get.or_else(|| body.len());
        let first = self.first_frame(&mut body).await?;
        let ends_at_stop = length.is_none() && is_event_stream(&response.fields);
        let head = ReplyHead {
            status: response.status,
            fields: std::mem::take(&mut response.fields),
            length,
            date: date_text(),
        };
        self.conn.feed(Outgoing::Head(head))?;
        if may_have_body(response.status) && self.conn.codec().reply_has_body() {
            match body {
                Body(Kind::Full(data)) => {
                    *bytes += data.len() as u64;
                    self.conn.feed(Outgoing::Data(data))?;
                }
                Body(Kind::Files(files)) => self.files(files.segments, bytes).await?,
                body => {
                    // Chunks have a frame each, which somebody has to write.
                    let splices = length.is_some() && matches!(body.0, Kind::Spliced(..));
                    return self.stream(first, body, (ends_at_stop, splices), bytes).await;
                }
            }
        }
        Ok(self.conn.feed(Outgoing::End(no_trailers()))?)
    }

    /// `ends_at_stop`: when the shutdown begins, as if the stream had ended. `splices`: bytes may go past this process.
    async fn stream(
        &mut self,
        mut first: Option<Result<Frame, BodyError>>,
        mut body: Body,
        (ends_at_stop, splices): (bool, bool),
        bytes: &mut u64,
    ) -> Result<(), Fault> {
        let server = self.server;
        loop {
            let next = poll_fn(|cx| {
                if ends_at_stop && server.drain.is_stopping() {
                    return Poll::Ready(None);
                }
                body.poll_next_frame(cx)
            });
            let frame = match first.take() {
                Some(frame) => frame,
                None => match self.drive(next).await? {
                    Some(frame) => frame,
                    None => break,
                },
            };
            match frame.map_err(Fault::Body)? {
                Frame::Data(data) => {
                    *bytes += data.len() as u64;
                    self.conn.feed(Outgoing::Data(data))?;
                    self.room().await?;
                    if splices && Socket::of(self.conn.io()).is_some() {
                        self.splice(&mut body, bytes).await?;
                    }
                }
                Frame::Trailers(fields) => return Ok(self.conn.feed(Outgoing::End(fields))?),
            }
        }
        Ok(self.conn.feed(Outgoing::End(no_trailers()))?)
    }

    /// Moves what there is of a body past this process, until its next piece has to be read.
    async fn splice(&mut self, body: &mut Body, bytes: &mut u64) -> Result<(), Fault> {
        // Without a pipe, as descriptors are short, bytes are read and written.
        let Ok(mut pipe) = Pipe::take() else { return Ok(()) };
        let mut turn = 0;
        while let Some(filled) = self.drive(poll_fn(|cx| body.poll_fill(cx, &mut pipe))).await? {
            turn += filled.map_err(Fault::Body)?;
            while pipe.filled() > 0 {
                let sent = self.drain(&mut pipe).await?;
                self.conn.feed(Outgoing::Aside(sent))?;
                *bytes += sent;
            }
            if turn >= SPLICE_TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
        pipe.give();
        Ok(())
    }

    /// Sends bytes of a pipe.
    async fn drain(&mut self, pipe: &mut Pipe) -> Result<u64, Fault> {
        let sent = poll_fn(|cx| {
            if self.server.drain.is_aborting() {
                return Poll::Ready(Err(Fault::Aborted));
            }
            match self.conn.poll_drain(cx, pipe) {
                Some(Poll::Ready(sent)) => Poll::Ready(sent.map_err(Fault::from)),
                Some(Poll::Pending) => {
                    self.watch(Waiting::Writing);
                    self.conn.poll_deadline(cx).map(|()| Err(Fault::TooSlow))
                }
                None => Poll::Ready(Err(Misuse::OutOfTurn.into())),
            }
        });
        Ok(sent.await? as u64)
    }

    /// Waits until the client has taken enough for more.
    async fn room(&mut self) -> Result<(), Fault> {
        if self.conn.has_room() {
            return Ok(());
        }
        poll_fn(|cx| match self.turn(cx) {
            Err(fault) => Poll::Ready(Err(fault)),
            Ok(_) if self.conn.has_room() => Poll::Ready(Ok(())),
            Ok(true) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(false) => Poll::Pending,
        })
        .await
    }

    async fn files(&mut self, segments: VecDeque<Segment>, bytes: &mut u64) -> Result<(), Fault> {
        for segment in segments {
            match segment {
                Segment::File(part) if self.conn.io().as_tcp().is_some() => {
                    let (mut offset, mut left) = (part.offset, part.length);
                    while left > 0 {
                        let sent = self.send_file(&part.file, offset, left).await?;
                        // The file is shorter than it was: the reply cannot be finished.
                        if sent == 0 {
                            return Err(Misuse::BodyTooShort.into());
                        }
                        self.conn.feed(Outgoing::Aside(sent))?;
                        (offset, left, *bytes) = (offset + sent, left - sent, *bytes + sent);
                    }
                }
                segment => {
                    let mut body = Body::files(vec![segment]);
                    while let Some(data) = self.drive(body.data()).await? {
                        let data = data.map_err(Fault::Body)?;
                        *bytes += data.len() as u64;
                        self.conn.feed(Outgoing::Data(data))?;
                        self.room().await?;
                        // A file in the page cache is always ready: let the others have their turn.
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends one slice of a file past this process.
    async fn send_file(&mut self, file: &std::fs::File, offset: u64, length: u64) -> Result<u64, Fault> {
        let sent = poll_fn(|cx| {
            if self.server.drain.is_aborting() {
                return Poll::Ready(Err(Fault::Aborted));
            }
            match self.conn.poll_file(cx, file, offset, length) {
                Some(Poll::Ready(sent)) => Poll::Ready(sent.map_err(Fault::from)),
                Some(Poll::Pending) => {
                    self.watch(Waiting::Writing);
                    self.conn.poll_deadline(cx).map(|()| Err(Fault::TooSlow))
                }
                None => Poll::Ready(Ok(0)),
            }
        })
        .await?;
        if sent < length {
            tokio::task::yield_now().await;
        }
        Ok(sent)
    }
}

/// Whether a reply is a stream of server-sent events. It would hold up a shutdown to its deadline; a client that finds it ended
/// asks again soon, and reaches whoever serves then.
fn is_event_stream(fields: &Fields) -> bool {
    let media_type = fields.find("content-type").and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/event-stream"))
}
