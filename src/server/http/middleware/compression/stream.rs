//! A body that is compressed as it is read.
//!
//! Pieces gather until there is a chunk's worth; but whenever the source has nothing more for now, what there is is
//! flushed, so that a slow stream is not held back. One poll does a bounded amount of work.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_core::Stream;

use super::encoder::Encoder;
use crate::proto::http::fields::Fields;
use crate::server::http::body::{Body, BoxError, Frame};

/// Bytes of the source that are compressed at once.
const STEP: usize = 16 * 1024;
/// Steps of one poll at most: with gzip about 5 ms. Then others have their turn.
const STEPS: usize = 16;
/// Compressed bytes that make a chunk.
const CHUNK: usize = 16 * 1024;

/// The stream. What waits in it is less than [`CHUNK`] and one step's output.
pub(super) struct Compressed {
    source: Body,
    /// `None` when the last byte is out.
    encoder: Option<Encoder>,
    /// Read, and not compressed.
    input: Bytes,
    /// Something was written since the last flush.
    unflushed: bool,
    trailers: Option<Fields>,
}

impl Compressed {
    /// `source`, compressed.
    pub(super) fn body(source: Body, encoder: Encoder) -> Body {
        let compressed =
            Self { source, encoder: Some(encoder), input: Bytes::new(), unflushed: false, trailers: None };
        Body::frames(compressed, None)
    }

    /// Compresses a step of the input.
    fn step(&mut self) -> Result<(), BoxError> {
        let front = self.input.len().min(STEP);
        if let Some(encoder) = &mut self.encoder {
            encoder.write(&self.input[..front])?;
        }
        self.input.advance(front);
        self.unflushed = true;
        Ok(())
    }

    /// What has come out, if it is at least so much.
    fn output(&mut self, least: usize) -> Option<Frame> {
        let output = self.encoder.as_mut()?.output();
        (output.len() >= least).then(|| Frame::Data(std::mem::take(output).into()))
    }

    /// The source is at its end.
    fn finish(&mut self) -> Result<Option<Frame>, BoxError> {
        let Some(encoder) = self.encoder.take() else {
            return Ok(self.trailers.take().map(Frame::Trailers));
        };
        let rest = encoder.finish()?;
        Ok(Some(Frame::Data(rest.into())))
    }

    fn flush(&mut self) -> Result<Option<Frame>, BoxError> {
        if let Some(encoder) = self.encoder.as_mut().filter(|_| self.unflushed) {
            encoder.flush()?;
            self.unflushed = false;
        }
        Ok(self.output(1))
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Result<Poll<Option<Frame>>, BoxError> {
        for _ in 0..STEPS {
            if let Some(frame) = self.output(CHUNK) {
                return Ok(Poll::Ready(Some(frame)));
            }
            if !self.input.is_empty() {
                self.step()?;
                continue;
            }
            if self.encoder.is_none() {
                return Ok(Poll::Ready(self.finish()?));
            }
            match self.source.poll_next_frame(cx) {
                Poll::Ready(Some(frame)) => match frame? {
                    Frame::Data(data) => self.input = data,
                    Frame::Trailers(trailers) => self.trailers = Some(trailers),
                },
                Poll::Ready(None) => return Ok(Poll::Ready(self.finish()?)),
                Poll::Pending => {
                    let frame = self.flush()?;
                    return Ok(frame.map_or(Poll::Pending, |frame| Poll::Ready(Some(frame))));
                }
            }
        }
        cx.waker().wake_by_ref();
        Ok(Poll::Pending)
    }
}

impl Stream for Compressed {
    type Item = Result<Frame, BoxError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        match this.next(cx) {
            Ok(poll) => poll.map(|frame| frame.map(Ok)),
            Err(error) => {
                // Without its end the stream must not look whole, nor be asked again.
                this.encoder = None;
                this.trailers = None;
                this.input.clear();
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::poll;
    use futures_util::stream;
    use tokio::sync::mpsc;

    use super::super::encoder::tests::decoded;
    use super::super::{Levels, PREFERENCE};
    use super::*;
    use crate::proto::http::negotiate::Coding;

    fn compressed(coding: Coding, source: Body) -> Body {
        Compressed::body(source, Encoder::new(coding, Levels::default()).unwrap())
    }

    #[tokio::test]
    async fn a_slow_stream_is_not_held_back() {
        for coding in PREFERENCE {
            let (sender, mut receiver) = mpsc::channel::<Result<Bytes, BoxError>>(1);
            let source = stream::poll_fn(move |cx| receiver.poll_recv(cx));
            let mut body = compressed(coding, Body::stream(source));
            assert!(poll!(Box::pin(body.data())).is_pending());
            let mut wire = Vec::new();
            for word in ["one ", "two ", "three "] {
                sender.send(Ok(Bytes::from_static(word.as_bytes()))).await.unwrap();
                let Poll::Ready(Some(Ok(data))) = poll!(Box::pin(body.data())) else {
                    panic!("{coding:?} holds {word:?} back");
                };
                wire.extend(data);
                let so_far = String::from_utf8(decoded(coding, &wire)).unwrap();
                assert!(so_far.ends_with(word), "{coding:?}: {so_far}");
                assert!(poll!(Box::pin(body.data())).is_pending(), "a flush is not repeated");
            }
            drop(sender);
            wire.extend(body.collect(100).await.unwrap());
            assert_eq!(decoded(coding, &wire), b"one two three ");
        }
    }

    #[tokio::test]
    async fn trailers_follow_the_last_byte() {
        let mut trailers = Fields::new();
        trailers.append(http::header::SERVER, http::HeaderValue::from_static("t"));
        let frames = vec![Ok(Frame::Data(Bytes::from_static(b"data"))), Ok(Frame::Trailers(trailers))];
        let mut body = compressed(Coding::Gzip, Body::frames(stream::iter(frames), None));
        let Some(Ok(Frame::Data(data))) = body.frame().await else {
            panic!("data first");
        };
        assert_eq!(decoded(Coding::Gzip, &data), b"data");
        assert!(matches!(body.frame().await, Some(Ok(Frame::Trailers(fields))) if fields.len() == 1));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn an_error_of_the_source_is_an_error_here_and_no_end() {
        let frames = vec![Ok(Bytes::from_static(b"data")), Err::<_, BoxError>("the source broke".into())];
        let mut body = compressed(Coding::Gzip, Body::stream(stream::iter(frames)));
        assert!(body.frame().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn one_poll_is_bounded_and_the_output_comes_in_chunks() {
        let polls = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&polls);
        // Nothing comes out of zeros for a long time.
        let zeros = stream::poll_fn(move |_| {
            let n = seen.fetch_add(1, Ordering::Relaxed);
            Poll::Ready((n < 100).then(|| Ok::<_, BoxError>(Bytes::from(vec![0; STEP]))))
        });
        let mut body = compressed(Coding::Gzip, Body::stream(zeros));
        assert!(poll!(Box::pin(body.data())).is_pending());
        assert!(polls.load(Ordering::Relaxed) <= STEPS);
        let wire = body.collect(1 << 20).await.unwrap();
        assert_eq!(decoded(Coding::Gzip, &wire).len(), 100 * STEP);

        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(1 << 20).collect();
        let mut body = compressed(Coding::Zstd, Body::from(noise.clone()));
        let mut wire = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            assert!(data.len() <= 256 * 1024, "{}", data.len());
            wire.extend(data);
        }
        assert_eq!(decoded(Coding::Zstd, &wire), noise);
    }
}
