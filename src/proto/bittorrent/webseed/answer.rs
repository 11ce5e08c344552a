//! Heads of answers: which bytes follow, or why none that are wanted.
//!
//! A server of files is asked for a range (RFC 9110, section 14), and may send it (206), or the file (200). That a
//! file has another length than in the torrent says that it is another file. A script has only two answers (BEP 17):
//! 200 with the bytes, and 503 with the seconds to wait.

use std::ops::Range;
use std::time::Duration;

use super::rest::Fault;
use super::run::Wanted;
use super::{Ended, MAX_SKIP};
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::metainfo::Info;

/// What is of interest in the head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The status. Redirections are followed by the HTTP client ([`redirected`](super::redirected)); one that comes
    /// here was not, and says that the file is not there.
    pub status: u16,
    /// Bytes of the body, if it is known (`Content-Length`).
    pub length: Option<u64>,
    /// The field `Content-Range`.
    pub range: Option<&'a str>,
    /// What the field `Retry-After` asks for.
    pub retry_after: Option<Duration>,
}

/// What follows from a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Bytes come.
    Body(Body),
    /// A number of seconds comes.
    Number,
    /// It may go better later, after so long if the server says so.
    Later(Fault, Option<Duration>),
    /// This file is not there.
    Missing(usize),
    /// Nothing that is asked for will come.
    Useless(Ended),
}

/// The bytes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Body {
    /// Those in front of what was asked for.
    skip: u64,
    /// Those of what was asked for, which may be fewer than that.
    left: u64,
    /// Whether others follow, which nobody wants.
    pub(super) goes_on: bool,
}

impl Body {
    /// How many of bytes that come are to be skipped, and how many of those behind them to be taken.
    pub(super) fn cut(&mut self, bytes: usize) -> (usize, usize) {
        let come = bytes as u64;
        let skip = self.skip.min(come);
        let take = self.left.min(come - skip);
        self.skip -= skip;
        self.left -= take;
        // Neither is more than the bytes.
        (skip as usize, take as usize)
    }

    /// Whether all that were asked for have come.
    pub(super) fn is_whole(&self) -> bool {
        self.left == 0
    }
}

impl Head<'_> {
    /// What follows, when this was asked for.
    pub(super) fn verdict(&self, wanted: &Wanted, info: &Info) -> Verdict {
        match wanted {
            Wanted::Piece { .. } => self.of_piece(wanted.length()),
            Wanted::File { file, range } => {
                let length = info.layout().files().get(*file).map_or(0, |file| file.length);
                self.of_file(*file, length, range)
            }
        }
    }

    fn of_piece(&self, wanted: u64) -> Verdict {
        match (self.status, self.length) {
            (200, Some(length)) if length < wanted => Verdict::Later(Fault::Short, None),
            (200, Some(length)) if length > wanted => Verdict::Later(Fault::Long, None),
            (200, _) => Verdict::Body(Body { skip: 0, left: wanted, goes_on: false }),
            (503, _) if self.retry_after.is_none() => Verdict::Number,
            (status, _) => Verdict::Later(Fault::Status(status), self.retry_after),
        }
    }

    fn of_file(&self, file: usize, length: u64, wanted: &Range<u64>) -> Verdict {
        match self.status {
            206 => self.part(file, length, wanted),
            200 if self.length.is_some_and(|said| said != length) => Verdict::Missing(file),
            200 if wanted.start > MAX_SKIP => Verdict::Useless(Ended::NoRanges),
            200 => Verdict::Body(Body {
                skip: wanted.start,
                left: wanted.end - wanted.start,
                goes_on: wanted.end < length,
            }),
            // Too early, too many, too slow: all that is not about the file.
            408 | 425 | 429 | 500.. => Verdict::Later(Fault::Status(self.status), self.retry_after),
            // Object stores answer 403 in place of 404. A file that is shorter than the range is another: 416.
            300..=499 => Verdict::Missing(file),
            status => Verdict::Later(Fault::Status(status), None),
        }
    }

    /// A part of a file: a beginning of what was asked for, at least.
    fn part(&self, file: usize, length: u64, wanted: &Range<u64>) -> Verdict {
        let Some((range, whole)) = self.range.and_then(content_range) else {
            return Verdict::Useless(Ended::WrongRange);
        };
        if whole.is_some_and(|whole| whole != length) {
            return Verdict::Missing(file);
        }
        // Less than was asked for is as good, unless it is next to nothing.
        let is_enough = range.end == wanted.end || range.end - range.start >= BLOCK.into();
        if range.start != wanted.start || range.end > wanted.end || !is_enough {
            return Verdict::Useless(Ended::WrongRange);
        }
        Verdict::Body(Body { skip: 0, left: range.end - range.start, goes_on: false })
    }
}

/// The range that `bytes 0-1023/4096` tells, and the length of the whole, if it is known (RFC 9110 section 14.4).
fn content_range(value: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (unit, told) = value.trim().split_once(' ')?;
    let (range, whole) = told.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, end) = (number(first)?, number(last)?.checked_add(1)?);
    let whole = if whole == "*" { None } else { Some(number(whole)?) };
    let fits = unit.eq_ignore_ascii_case("bytes") && first < end && whole.is_none_or(|whole| end <= whole);
    fits.then_some((first..end, whole))
}

/// A number in digits alone.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The seconds that a script says in the body of its 503.
pub(super) fn seconds(body: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(body).ok()?;
    number(text.trim()).map(Duration::from_secs)
}
