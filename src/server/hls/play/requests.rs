//! Requests that are on their way, each a stream of news, and all of them in one task.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use futures_util::Stream;
use http::Uri;

use crate::proto::hls::play::player::Failure;

/// What came of a request.
#[derive(Debug)]
pub(super) enum News {
    /// A playlist, and where it was found.
    List(Bytes, Uri),
    /// The head of an answer, with the bytes that will follow, if it tells.
    Answered(Option<u64>),
    /// So many bytes have come.
    Progressed(u64),
    /// All of it has come.
    Media(Media),
    /// It does not come.
    Failed(Failure),
}

/// A segment or a part, in the clear.
#[derive(Debug)]
pub(super) struct Media {
    /// Bytes that came for it.
    pub(super) come: u64,
    /// Itself, if it is wanted for more than to have come.
    pub(super) bytes: Bytes,
    /// Its initialization section, if it has one.
    pub(super) map: Option<Bytes>,
}

type Request = Pin<Box<dyn Stream<Item = News> + Send>>;

/// What is on its way. There are never more than a playlist and a segment for each of two lanes.
#[derive(Default)]
pub(super) struct Requests(Vec<(u64, Request)>);

impl Requests {
    /// Begins one.
    pub(super) fn begin(&mut self, id: u64, request: impl Stream<Item = News> + Send + 'static) {
        self.0.push((id, Box::pin(request)));
    }

    /// Gives one up: its connection is closed.
    pub(super) fn cancel(&mut self, id: u64) {
        self.0.retain(|(other, _)| *other != id);
    }

    /// What comes next; for ever, if nothing is on its way.
    pub(super) async fn next(&mut self) -> (u64, News) {
        poll_fn(|context| {
            let mut at = 0;
            while let Some((id, request)) = self.0.get_mut(at) {
                match request.as_mut().poll_next(context) {
                    Poll::Ready(Some(news)) => return Poll::Ready((*id, news)),
                    Poll::Ready(None) => drop(self.0.remove(at)),
                    Poll::Pending => at += 1,
                }
            }
            Poll::Pending
        })
        .await
    }
}
