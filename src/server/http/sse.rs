//! Server-sent events: the `text/event-stream` of the HTML standard, section 9.2.
//!
//! An [`Event`] is its bytes on the wire, put together field by field; [`Events`] is a reply made of a stream of them. While
//! the source is silent it sends a comment now and then, so that no proxy takes the connection for dead, and a client
//! that has gone is noticed. A client that lost the connection comes back with the id of the last event that it got: see
//! [`last_event_id`].

use std::fmt::{Display, Write};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, HeaderName};
use serde::Serialize;
use tokio::time::{Instant, Sleep, sleep};

use super::body::{Body, BoxError};
use super::problem::Problem;
use super::request::Request;
use super::response::{IntoResponse, Response};

/// How long a source is silent before a comment is sent, unless [`Events::keep_alive`] says otherwise: 15 seconds, what
/// the HTML standard advises and axum does. nginx gives a silent upstream up after 60.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What [`Events::keep_alive`] can be: from a second, below which comments are a load of their own, to a day.
const KEEP_ALIVE_RANGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));

/// An event, or a piece of the stream that is none: a comment, an id, a wish of how long to wait before reconnecting.
///
/// Only an event with data reaches the client's listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    text: String,
}

/// A value that cannot be said in an event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// A line break would end the field and begin another.
    #[error("the {0} of an event cannot hold a line break")]
    LineBreak(&'static str),
    /// A client ignores an id with U+0000 in it.
    #[error("the id of an event cannot hold U+0000")]
    NulInId,
    /// The value cannot be written as JSON.
    #[error("the data of an event cannot be written as JSON: {0}")]
    Json(serde_json::Error),
}

impl Event {
    /// An event with `data`. Its lines, whichever way they end, become lines that end with LF.
    #[must_use]
    pub fn new(data: impl AsRef<str>) -> Self {
        Self::default().lines("data: ", data.as_ref())
    }

    /// An event with JSON as its data.
    ///
    /// # Errors
    /// [`EventError::Json`].
    pub fn json(data: &impl Serialize) -> Result<Self, EventError> {
        // JSON on one line holds no line break: they are escaped in its strings.
        let json = serde_json::to_string(data).map_err(EventError::Json)?;
        Ok(Self::new(json))
    }

    /// A comment, which a client drops.
    #[must_use]
    pub fn comment(text: impl AsRef<str>) -> Self {
        Self::default().lines(": ", text.as_ref())
    }

    /// The same of another type than `message`: what a client gives to `addEventListener`.
    ///
    /// # Errors
    /// [`EventError::LineBreak`].
    pub fn named(self, name: impl Display) -> Result<Self, EventError> {
        self.field("event", &name)
    }

    /// The same with an id, which a client that reconnects sends as `Last-Event-ID`.
    ///
    /// # Errors
    /// [`EventError::LineBreak`] and [`EventError::NulInId`].
    pub fn id(self, id: impl Display) -> Result<Self, EventError> {
        let from = self.text.len();
        let event = self.field("id", &id)?;
        if event.text[from..].contains('\0') {
            return Err(EventError::NulInId);
        }
        Ok(event)
    }

    /// The same, telling the client how long to wait before it reconnects; in milliseconds.
    #[must_use]
    pub fn retry(mut self, after: Duration) -> Self {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "retry: {}", after.as_millis());
        self
    }

    /// What is sent: the fields, and the empty line that ends an event.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        self.text.push('\n');
        self.text.into()
    }

    fn field(mut self, name: &'static str, value: &dyn Display) -> Result<Self, EventError> {
        let from = self.text.len();
        let _ = write!(self.text, "{name}: {value}");
        if self.text[from..].contains(['\r', '\n']) {
            return Err(EventError::LineBreak(name));
        }
        self.text.push('\n');
        Ok(self)
    }

    /// A line breaks at CRLF, LF or CR. The value after the colon and one space is taken as it is.
    fn lines(mut self, prefix: &str, value: &str) -> Self {
        self.text.reserve(prefix.len() + value.len() + 2);
        let mut rest = value;
        loop {
            let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
            self.text.push_str(prefix);
            self.text.push_str(&rest[..end]);
            self.text.push('\n');
            let after = &rest[end..];
            rest = match after.strip_prefix("\r\n").or_else(|| after.get(1..)) {
                Some(next) => next,
                None => return self,
            };
        }
    }
}

/// The id of the last event that a client got before it lost its connection: where to go on. Empty when it got none.
#[must_use]
pub fn last_event_id(request: &Request) -> &str {
    request.field("last-event-id").unwrap_or_default()
}

/// A reply made of a stream of events. When the stream ends or fails the connection is closed, and clients reconnect;
/// a 204 is what tells them to stay away.
#[derive(Debug)]
pub struct Events<S> {
    source: S,
    keep_alive: Duration,
}

impl<S, E> Events<S>
where
    S: Stream<Item = Result<Event, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    /// The events of `source`.
    #[must_use]
    pub fn new(source: S) -> Self {
        Self { source, keep_alive: KEEP_ALIVE }
    }

    /// The same, with a comment whenever the source was silent for `every`; at least a second, at most a day.
    #[must_use]
    pub fn keep_alive(mut self, every: Duration) -> Self {
        let (shortest, longest) = KEEP_ALIVE_RANGE;
        self.keep_alive = every.clamp(shortest, longest);
        self
    }
}

impl<S, E> IntoResponse for Events<S>
where
    S: Stream<Item = Result<Event, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    fn into_response(self) -> Response {
        // nginx, and those who copied its field, would gather events in a buffer.
        const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
        let body = Body::stream(KeptAlive {
            source: Box::pin(self.source),
            every: self.keep_alive,
            last: Instant::now(),
            alarm: Box::pin(sleep(self.keep_alive)),
        });
        Response::of(HeaderValue::from_static("text/event-stream"), body)
            .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .with(BUFFERING, HeaderValue::from_static("no"))
    }
}

impl From<EventError> for Problem {
    fn from(error: EventError) -> Self {
        Self::internal(error.to_string())
    }
}

/// A source, and comments in its pauses.
struct KeptAlive<S> {
    source: Pin<Box<S>>,
    every: Duration,
    /// When something was sent last.
    last: Instant,
    /// Set again only when it rings too early, not with each event.
    alarm: Pin<Box<Sleep>>,
}

impl<S, E> Stream for KeptAlive<S>
where
    S: Stream<Item = Result<Event, E>>,
{
    type Item = Result<Bytes, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(item) = this.source.as_mut().poll_next(cx) {
            this.last = Instant::now();
            return Poll::Ready(item.map(|event| event.map(Event::into_bytes)));
        }
        loop {
            ready!(this.alarm.as_mut().poll(cx));
            let due = this.last + this.every;
            let now = Instant::now();
            if due > now {
                this.alarm.as_mut().reset(due);
                continue;
            }
            this.last = now;
            this.alarm.as_mut().reset(now + this.every);
            return Poll::Ready(Some(Ok(Bytes::from_static(b":\n\n"))));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream::{self, StreamExt};

    use super::*;

    fn text(event: Event) -> String {
        String::from_utf8(event.into_bytes().to_vec()).unwrap()
    }

    #[test]
    fn data_is_split_at_every_kind_of_line_end() {
        for (data, wire) in [
            ("", "data: \n\n"),
            ("one", "data: one\n\n"),
            (" a space stays", "data:  a space stays\n\n"),
            ("a\nb", "data: a\ndata: b\n\n"),
            ("a\r\nb", "data: a\ndata: b\n\n"),
            ("a\rb", "data: a\ndata: b\n\n"),
            ("a\n\rb", "data: a\ndata: \ndata: b\n\n"),
            ("a\n", "data: a\ndata: \n\n"),
            ("\r\n", "data: \ndata: \n\n"),
            ("id: 1\n\nevent: x", "data: id: 1\ndata: \ndata: event: x\n\n"),
        ] {
            assert_eq!(text(Event::new(data)), wire, "{data:?}");
        }
        assert_eq!(text(Event::comment("a\nb")), ": a\n: b\n\n");
    }

    #[test]
    fn fields_come_in_the_order_they_were_said() {
        let event = Event::json(&[1, 2]).unwrap().named("tick").unwrap().id(7).unwrap();
        assert_eq!(text(event), "data: [1,2]\nevent: tick\nid: 7\n\n");
        let wish = Event::default().retry(Duration::from_secs(2));
        assert_eq!(text(wish), "retry: 2000\n\n");
    }

    #[test]
    fn a_field_cannot_smuggle_another() {
        for value in ["a\nb", "a\rb", "\n", "a\r\n"] {
            assert!(matches!(Event::new("").named(value), Err(EventError::LineBreak("event"))));
            assert!(matches!(Event::new("").id(value), Err(EventError::LineBreak("id"))));
        }
        assert!(matches!(Event::new("").id("a\0"), Err(EventError::NulInId)));
        assert!(Event::json(&"a\nb").unwrap().text.contains("a\\nb"));
    }

    #[tokio::test]
    async fn a_reply_is_not_kept_by_anyone_on_the_way() {
        let events = stream::iter([Ok::<_, Infallible>(Event::new("a")), Ok(Event::new("b"))]);
        let mut response = Events::new(events).into_response();
        let field = |name| response.fields().find(name).cloned().unwrap();
        assert_eq!(field("content-type"), "text/event-stream");
        assert_eq!(field("cache-control"), "no-store");
        assert_eq!(field("x-accel-buffering"), "no");
        assert_eq!(response.body().len(), None);
        let body = std::mem::take(response.body_mut());
        assert_eq!(body.collect(100).await.unwrap(), "data: a\n\ndata: b\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_broken_by_comments() {
        let start = Instant::now();
        let source = stream::iter([10, 16]).then(move |second| async move {
            tokio::time::sleep_until(start + Duration::from_secs(second)).await;
            Ok::<_, Infallible>(Event::new(second.to_string()))
        });
        let source = source.chain(stream::pending());
        let mut response = Events::new(source).keep_alive(Duration::from_secs(5)).into_response();
        let mut seen = Vec::new();
        while seen.len() < 6 {
            let data = response.body_mut().data().await.unwrap().unwrap();
            seen.push((start.elapsed().as_secs(), data));
        }
        let expected = [
            (5, ":\n\n"),
            (10, "data: 10\n\n"),
            (15, ":\n\n"),
            (16, "data: 16\n\n"),
            (21, ":\n\n"),
            (26, ":\n\n"),
        ];
        assert_eq!(seen, expected.map(|(at, data)| (at, Bytes::from(data))));
    }

    #[tokio::test(start_paused = true)]
    async fn no_interval_is_too_short_or_too_long() {
        for (asked, given) in [(Duration::ZERO, 1), (Duration::MAX, 24 * 60 * 60)] {
            let start = Instant::now();
            let silent = stream::pending::<Result<Event, Infallible>>();
            let mut response = Events::new(silent).keep_alive(asked).into_response();
            assert_eq!(response.body_mut().data().await.unwrap().unwrap(), ":\n\n");
            assert_eq!(start.elapsed().as_secs(), given);
        }
    }
}
