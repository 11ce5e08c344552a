//! What was fetched: the head of an answer, where it came from, and its body as it comes.

use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, Uri};
use tokio::time::Instant;

use super::{Ask, FetchError};
use crate::proto::http::client::ResponseHead;
use crate::proto::http::retry_after;
use crate::server::http::body::Body;
use crate::server::http::client::Reply;

/// Which bytes of a resource an answer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All.
    Whole,
    /// Some.
    Range {
        /// Which.
        bytes: Range<u64>,
        /// How many the resource has, if the server knows.
        length: Option<u64>,
    },
}

/// An answer with what was asked for. Dropped before its body has ended, it is abandoned: its connection is closed.
#[derive(Debug)]
pub struct Fetched {
    /// Where it was in the end: what is relative in it is relative to this (RFC 3986 section 5.1.3).
    pub uri: Uri,
    /// The head.
    pub head: Box<ResponseHead>,
    /// Which bytes it has.
    pub part: Part,
    /// When it was asked for.
    pub asked: Instant,
    /// When its head was here.
    pub answered: Instant,
    /// Whether it came over a connection that was used before, so that none had to be made.
    pub reused: bool,
    body: Body,
    /// Bytes of the body that have come.
    come: u64,
}

/// A piece of a body, and when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The bytes, at least one.
    pub bytes: Bytes,
    /// When they were here.
    pub at: Instant,
}

impl Fetched {
    /// What an answer is, if it is one with a body that was asked for.
    pub(super) fn of(reply: Reply, uri: Uri, ask: &Ask, asked: Instant) -> Result<Self, FetchError> {
        let Reply { head, body, reused } = reply;
        let part = match (head.status(), &ask.range) {
            (StatusCode::OK, Some(_)) if ask.same.is_some() => return Err(FetchError::Changed),
            (StatusCode::OK, _) => Part::Whole,
            (StatusCode::PARTIAL_CONTENT, Some(wanted)) => {
                let told = content_range(head.field_str("content-range"));
                let (bytes, length) = told.ok_or(FetchError::Other)?;
                // The last bytes may be fewer than were wanted (section 14.1.2).
                if bytes.start != wanted.start || bytes.end > wanted.end {
                    return Err(FetchError::Other);
                }
                Part::Range { bytes, length }
            }
            (StatusCode::PARTIAL_CONTENT, None) => return Err(FetchError::Other),
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => return Err(FetchError::Range),
            (status, _) => {
                let told = head.field("retry-after");
                let after = told.and_then(|told| retry_after::wait(told, SystemTime::now()));
                match after {
                    Some(after) => return Err(FetchError::Later { status, after }),
                    None if ask.refusals => Part::Whole,
                    None => return Err(FetchError::Status(status)),
                }
            }
        };
        Ok(Self { uri, head, part, asked, answered: Instant::now(), reused, body, come: 0 })
    }

    /// `Content-Type`.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.head.field_str("content-type")
    }

    /// By which the resource is known again when more of it is asked for ([`Ask`]): a strong `ETag`, or `Last-Modified` (RFC 9110 section 13.1.5).
    #[must_use]
    pub fn validator(&self) -> Option<HeaderValue> {
        let strong = self.head.field("etag").filter(|etag| !etag.starts_with(b"W/"));
        HeaderValue::from_bytes(strong.or_else(|| self.head.field("last-modified"))?).ok()
    }

    /// The bytes of the body, if they are known before they come.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match &self.part {
            Part::Range { bytes, .. } => Some(bytes.end - bytes.start),
            Part::Whole => self.head.content_length(),
        }
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// It breaks off, is longer or shorter than the head said, or comes too slowly.
    pub async fn piece(&mut self) -> Option<Result<Piece, FetchError>> {
        let bytes = match self.body.data().await {
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => return Some(Err(error.into())),
            None => return self.end().map(Err),
        };
        self.come += bytes.len() as u64;
        if self.told().is_some_and(|told| self.come > told) {
            return Some(Err(FetchError::Other));
        }
        Some(Ok(Piece { bytes, at: Instant::now() }))
    }

    /// What is wrong with a body that has ended so.
    fn end(&self) -> Option<FetchError> {
        (self.told().is_some_and(|told| self.come < told)).then_some(FetchError::Short)
    }

    /// What `Content-Range` says of the body; that it agrees with how the body is framed is for us to see.
    fn told(&self) -> Option<u64> {
        match &self.part {
            Part::Range { bytes, .. } => Some(bytes.end - bytes.start),
            Part::Whole => None,
        }
    }

    /// All that is left of the body, of at most `limit` bytes.
    ///
    /// # Errors
    /// As for [`piece`](Self::piece), and for a body that is longer.
    pub async fn collect(&mut self, limit: u64) -> Result<Bytes, FetchError> {
        let bytes = std::mem::take(&mut self.body).collect(limit).await?;
        self.come += bytes.len() as u64;
        match self.told() {
            Some(told) if self.come > told => Err(FetchError::Other),
            _ => self.end().map_or(Ok(bytes), Err),
        }
    }

    /// The same, cut to what was asked for where the server sends all.
    pub(super) async fn rest(
        &mut self,
        wanted: Option<&Range<u64>>,
        limit: u64,
    ) -> Result<Bytes, FetchError> {
        let Some(wanted) = wanted else { return self.collect(limit).await };
        let bytes = self.collect(limit).await?;
        let bytes = match &self.part {
            Part::Range { .. } => bytes,
            Part::Whole => {
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                bytes.slice(place(wanted.start)..place(wanted.end))
            }
        };
        if bytes.len() as u64 == wanted.end - wanted.start { Ok(bytes) } else { Err(FetchError::Range) }
    }
}

/// The bytes, and the length, of `bytes 0-1023/4096` (RFC 9110 section 14.4).
fn content_range(value: Option<&str>) -> Option<(Range<u64>, Option<u64>)> {
    let (unit, told) = value?.split_once(' ')?;
    let (range, length) = told.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let (first, end) = (number(first)?, number(last)?.checked_add(1)?);
    let length = if length == "*" { None } else { Some(number(length)?) };
    let fits = unit.eq_ignore_ascii_case("bytes") && first < end && length.is_none_or(|length| end <= length);
    fits.then_some((first..end, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_are_told() {
        for (value, expected) in [
            (Some("bytes 0-1023/4096"), Some((0..1024, Some(4096)))),
            (Some("Bytes 4000-4095/4096"), Some((4000..4096, Some(4096)))),
            (Some("bytes 0-1023/*"), Some((0..1024, None))),
            (Some("bytes 0-4096/4096"), None),
            (Some("bytes 9-3/4096"), None),
            (Some("bytes +1-3/4096"), None),
            (Some("bytes 0-18446744073709551615/*"), None),
            (Some("bytes */4096"), None),
            (Some("items 0-1/2"), None),
            (Some("bytes"), None),
            (None, None),
        ] {
            assert_eq!(content_range(value), expected, "{value:?}");
        }
    }
}
