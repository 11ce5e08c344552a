//! The body of a request or a reply: nothing, bytes, or a stream of them, with trailers.
//!
//! One type for both directions, so that a handler may answer with the body that it got. A stream is pulled: of a
//! request only as fast as the handler reads, of a reply only as fast as the client does.

mod files;

use std::error::Error as StdError;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use self::files::FileBody;
pub(super) use self::files::read_at_once;
pub use self::files::{FilePart, Segment};
use super::pipe::Reader;
use crate::net::splice::Pipe;
use crate::proto::http::fields::Fields;
use crate::proto::http::reject::Reject;

/// Any error, as a stream of a handler's own may have.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a body cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The peer broke the framing of the body.
    #[error(transparent)]
    Rejected(Reject),
    /// The connection was lost, or given up, before the end.
    #[error("the connection ended within the body")]
    Disconnected,
    /// The body came too slowly.
    #[error("the body came too slowly")]
    TooSlow,
    /// The body is longer than so many bytes, the limit that applies to it.
    #[error("the body is longer than {0} bytes")]
    TooLarge(u64),
    /// The stream of a handler failed.
    #[error("the stream of the body failed: {0}")]
    Stream(BoxError),
}

impl BodyError {
    /// The same error for a reader that asks again.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Rejected(reject) => Self::Rejected(*reject),
            Self::TooSlow => Self::TooSlow,
            Self::TooLarge(limit) => Self::TooLarge(*limit),
            Self::Disconnected | Self::Stream(_) => Self::Disconnected,
        }
    }
}

/// A piece of a body.
#[derive(Debug)]
pub enum Frame {
    /// Bytes.
    Data(Bytes),
    /// The trailer fields, which come last.
    Trailers(Fields),
}

/// A stream of frames.
pub type FrameStream = Pin<Box<dyn Stream<Item = Result<Frame, BoxError>> + Send>>;

/// A stream of frames whose bytes can go from socket to socket past this process.
pub trait Splice: Stream<Item = Result<Frame, BoxError>> + Send {
    /// Moves bytes into an empty pipe, in place of the next frame; `None` when the next frame has to be asked for. How many.
    ///
    /// # Errors
    /// Why the body cannot be read to its end.
    fn poll_fill(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Poll<Option<Result<usize, BoxError>>>;
}

/// A body.
#[derive(Default)]
pub struct Body(pub(super) Kind);

#[derive(Default)]
pub(super) enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    /// Of a request that is still arriving, with its length when known.
    Inbound(Reader, Option<u64>),
    /// Of a handler, with its length when known.
    Stream(FrameStream, Option<u64>),
    /// Of another server, with its length when known.
    Spliced(Pin<Box<dyn Splice>>, Option<u64>),
    /// Ranges of files and the bytes between them, in order.
    Files(FileBody),
    /// Any of the others, of which so many bytes may still be read, of so many in all.
    Limited(Box<Body>, u64, u64),
}

impl Body {
    /// No body.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// A stream of bytes, of unknown length: sent in chunks.
    pub fn stream<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        use futures_util::{StreamExt, TryStreamExt};
        Self::frames(stream.map(|item| item.map(Frame::Data)).map_err(Into::into), None)
    }

    /// A stream of frames, with the number of its bytes if that is known.
    pub fn frames(
        stream: impl Stream<Item = Result<Frame, BoxError>> + Send + 'static,
        length: Option<u64>,
    ) -> Self {
        Self(Kind::Stream(Box::pin(stream), length))
    }

    /// A stream of frames that may go past this process, with the number of its bytes if that is known.
    pub fn spliced(stream: impl Splice + 'static, length: Option<u64>) -> Self {
        Self(Kind::Spliced(Box::pin(stream), length))
    }

    /// A body made of ranges of files and bytes between them, in order. Its length is known.
    #[must_use]
    pub fn files(segments: Vec<Segment>) -> Self {
        Self(Kind::Files(FileBody::new(segments)))
    }

    /// The same body, of which at most `limit` bytes can be read: then [`BodyError::TooLarge`].
    #[must_use]
    pub fn limited(self, limit: u64) -> Self {
        match self.0 {
            Kind::Empty => self,
            Kind::Limited(inner, left, old) => Self(Kind::Limited(inner, left.min(limit), old.min(limit))),
            _ => Self(Kind::Limited(Box::new(self), limit, limit)),
        }
    }

    /// The number of bytes, when it is known before they are read.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        match &self.0 {
            Kind::Empty => Some(0),
            Kind::Full(bytes) => Some(size(bytes)),
            Kind::Inbound(_, length) | Kind::Stream(_, length) | Kind::Spliced(_, length) => *length,
            Kind::Files(files) => Some(files.len()),
            Kind::Limited(inner, ..) => inner.len(),
        }
    }

    /// Whether the body is known to have no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The bytes, when all of them are in memory already.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Empty => Some(&[]),
            Kind::Full(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The next piece, or `None` at the end.
    pub async fn frame(&mut self) -> Option<Result<Frame, BodyError>> {
        poll_fn(|cx| self.poll_next_frame(cx)).await
    }

    /// The next bytes, or `None` at the end; trailers are passed over.
    pub async fn data(&mut self) -> Option<Result<Bytes, BodyError>> {
        loop {
            match self.frame().await? {
                Ok(Frame::Data(data)) => return Some(Ok(data)),
                Ok(Frame::Trailers(_)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// All bytes, at most `limit` of them.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] over `limit`; a body that is announced to be longer is not read at all.
    pub async fn collect(mut self, limit: u64) -> Result<Bytes, BodyError> {
        if self.len().is_some_and(|length| length > limit) {
            return Err(BodyError::TooLarge(limit));
        }
        if let Kind::Full(bytes) = self.0 {
            return Ok(bytes);
        }
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        while let Some(data) = self.data().await {
            let data = data?;
            if size(&first) + size(&all) + size(&data) > limit {
                return Err(BodyError::TooLarge(limit));
            }
            if first.is_empty() && all.is_empty() {
                first = data;
            } else {
                all.extend_from_slice(&std::mem::take(&mut first));
                all.extend_from_slice(&data);
            }
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }

    /// The next piece, for a task that polls.
    pub fn poll_next_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, BodyError>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Empty;
                Poll::Ready((!bytes.is_empty()).then_some(Ok(Frame::Data(bytes))))
            }
            Kind::Inbound(reader, _) => reader.poll_frame(cx),
            Kind::Stream(stream, _) => stream.as_mut().poll_next(cx).map_err(BodyError::Stream),
            Kind::Spliced(stream, _) => stream.as_mut().poll_next(cx).map_err(BodyError::Stream),
            Kind::Files(files) => files.poll_next(cx),
            Kind::Limited(inner, left, limit) => {
                let frame = std::task::ready!(inner.poll_next_frame(cx));
                if let Some(Ok(Frame::Data(data))) = &frame {
                    match left.checked_sub(size(data)) {
                        Some(rest) => *left = rest,
                        None => return Poll::Ready(Some(Err(BodyError::TooLarge(*limit)))),
                    }
                }
                Poll::Ready(frame)
            }
        }
    }
}

impl Body {
    /// Moves bytes into an empty pipe, in place of the next frame; `None` when there is a next frame to be asked for.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Poll<Option<Result<usize, BodyError>>> {
        match &mut self.0 {
            Kind::Spliced(stream, _) => stream.as_mut().poll_fill(cx, pipe).map_err(BodyError::Stream),
            _ => Poll::Ready(None),
        }
    }
}

fn size(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.len() {
            Some(length) => write!(f, "Body({length} bytes)"),
            None => f.write_str("Body(stream)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() { Kind::Empty } else { Kind::Full(bytes) })
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        self.get_mut().poll_next_frame(cx).map_ok(|frame| match frame {
            Frame::Data(data) => http_body::Frame::data(data),
            Frame::Trailers(fields) => http_body::Frame::trailers(fields.into()),
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Empty)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.len().map_or_else(http_body::SizeHint::default, http_body::SizeHint::with_exact)
    }
}

/// How long a body, or a piece of it, may take, as the log shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bytes of the reply's body that were handed to the connection.
    pub bytes: u64,
    /// Bytes of the request's body that had been read by then.
    pub received: u64,
    /// From the end of the request's head to the end of the reply.
    pub took: Duration,
    /// Whether the reply was handed over to its end.
    pub complete: bool,
    /// Whether it was cut because the client took it too slowly.
    pub stalled: bool,
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn chunks(list: &[&'static str]) -> Body {
        let items: Vec<Result<Bytes, BoxError>> =
            list.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))).collect();
        Body::stream(stream::iter(items))
    }

    #[tokio::test]
    async fn bodies_are_gathered_up_to_a_limit() {
        assert_eq!(Body::empty().collect(0).await.unwrap(), "");
        assert_eq!(Body::from("abc").collect(3).await.unwrap(), "abc");
        assert_eq!(chunks(&["ab", "c", "", "d"]).collect(4).await.unwrap(), "abcd");
        assert!(matches!(Body::from("abc").collect(2).await, Err(BodyError::TooLarge(2))));
        assert!(matches!(chunks(&["ab", "c"]).collect(2).await, Err(BodyError::TooLarge(2))));
    }

    #[tokio::test]
    async fn the_lowest_limit_counts() {
        for body in [chunks(&["ab", "c"]).limited(9).limited(2), chunks(&["ab", "c"]).limited(2).limited(9)] {
            assert!(matches!(body.collect(100).await, Err(BodyError::TooLarge(2))));
        }
        assert_eq!(chunks(&["ab", "c"]).limited(3).collect(100).await.unwrap(), "abc");
    }
}
