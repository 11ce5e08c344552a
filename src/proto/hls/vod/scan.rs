//! One look at all samples of a track: where it can be cut, when it ends, how many pictures a second it has, and that its samples are where the file is.
//!
//! A segment is contiguous in decode order, so a cut is a sample that decoding can begin with. If pictures that are decoded after it are presented before it (an open
//! group of pictures), a player that begins there misses those: such cuts are taken only where there are not enough of the others.

use super::samples::Samples;
use crate::proto::hls::mp4::{Fault, Wrong};
use crate::proto::hls::track::Track;

/// Samples among the first of which is the one that is presented first: coders reorder 16 at most.
const REORDERED: usize = 64;

/// A sample at which a track can be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// When it is presented, in ticks of the track.
    pub time: i64,
    /// Which sample it is.
    pub number: u32,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// Where the track can be cut, ascending in time and number.
    pub keys: Vec<Key>,
    /// Whether nothing that is decoded after a key is presented before it.
    pub closed: bool,
    /// When the first sample is presented, in ticks of the track; not before the presentation begins.
    pub start: i64,
    /// When the last one has been presented.
    pub end: i64,
    /// Samples that are presented: those behind the end of the edit list are none.
    pub samples: u32,
    /// About how long a sample lasts, in ticks of the track.
    pub step: i64,
    /// Samples a second.
    pub rate: f64,
    /// The least composition offset.
    pub least_offset: i32,
    /// The longest sample, in bytes.
    pub longest: u32,
}

/// Looks at all samples of `track`, which lie in a file of `length` bytes. Of sound and text no keys are kept: it can be cut anywhere.
///
/// # Errors
/// A sample lies behind the end of the file, at that byte.
pub fn scan(track: &Track, samples: &Samples, length: u64) -> Result<Scan, Fault> {
    let is_video = matches!(track.shape, crate::proto::hls::track::Shape::Video { .. });
    let limit = track.edit.duration.and_then(|duration| i64::try_from(duration).ok());
    // The presentation ends at this time, if the edit list cuts the media; it is exact to a tick of the movie. A pause in front of the media is told by when they begin.
    let first = samples.from(0).take(REORDERED).map(|located| track.presented_at(&located.sample)).min();
    let limit = limit.map(|duration| duration.saturating_add(first.unwrap_or(0).max(0)));
    let mut seen = Scan { start: i64::MAX, end: i64::MIN, ..Scan::default() };
    let (mut open, mut closed) = (Vec::new(), Vec::<Key>::new());
    let mut span = 0i64;
    for located in samples.from(0) {
        let sample = located.sample;
        if located.at.saturating_add(u64::from(sample.size)) > length {
            let wrong = Wrong::Outside { track: track.id, number: located.number, at: located.at };
            return Err(wrong.at(length));
        }
        let time = track.presented_at(&sample);
        while closed.last().is_some_and(|key| key.time > time) {
            closed.pop();
        }
        if is_video && sample.key && open.last().is_none_or(|key: &Key| key.time < time) {
            let key = Key { time, number: located.number };
            open.push(key);
            closed.push(key);
        }
        // Samples at the very end may be there for the decoder only.
        if limit.is_none_or(|limit| time < limit) {
            seen.samples = located.number + 1;
        }
        seen.start = seen.start.min(time);
        seen.end = seen.end.max(time.saturating_add(i64::from(sample.duration)));
        seen.least_offset = seen.least_offset.min(sample.composition_offset);
        seen.longest = seen.longest.max(sample.size);
        span = span.saturating_add(i64::from(sample.duration));
    }
    if samples.is_empty() {
        return Ok(Scan { closed: true, ..Scan::default() });
    }
    seen.start = seen.start.max(0);
    seen.end = limit.map_or(seen.end, |limit| seen.end.min(limit)).max(seen.start);
    seen.step = span / i64::from(samples.len());
    let seconds = track.timescale.seconds(span);
    seen.rate = if seconds > 0.0 { f64::from(samples.len()) / seconds } else { 0.0 };
    seen.closed = open.len() <= 2 * closed.len();
    seen.keys = if seen.closed { closed } else { open };
    let samples = seen.samples;
    seen.keys.retain(|key| key.number < samples);
    Ok(seen)
}
