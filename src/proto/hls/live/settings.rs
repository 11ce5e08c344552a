//! What is decided about a live stream beforehand, and the two numbers of its playlists that never change.
//!
//! A target duration is told once and holds for ever (section 4.4.3.1), and so does the length of parts (section 4.4.3.7). Neither is known before the first key frames are there: an encoder has
//! its own interval, and its own frame rate. So both are learned from the first segment, which is not told before it is complete, and what comes later is fitted to them.

use std::time::Duration;

/// What is decided about a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a segment should be: it ends at the first key frame at or behind a whole multiple of this.
    pub segment: Duration,
    /// How long a segment may be at most: where key frames are further apart, it ends without one, and the next does not begin with one.
    pub longest: Duration,
    /// How long parts should be; `None` for segments without parts.
    pub part: Option<Duration>,
    /// What stays in the playlist.
    pub history: History,
    /// Bytes of samples that may wait for the end of their part, or for the first key frames.
    pub held: usize,
}

/// What stays in a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// The last so long, and never less than three target durations (section 6.2.2).
    Sliding(Duration),
    /// All of it: a playlist of type EVENT (section 4.4.3.5).
    Event,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment: Duration::from_secs(2), // Apple's for low latency: 4 s; MediaMTX: 1 s
            longest: Duration::from_secs(10),
            part: Some(Duration::from_millis(250)), // MediaMTX: 200 ms; Apple's: 333 ms
            history: History::Sliding(Duration::from_secs(30)),
            // Ten seconds of 50 Mb/s.
            held: 64 << 20,
        }
    }
}

/// What playlists of a stream tell once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Targets {
    /// `EXT-X-TARGETDURATION`, in seconds.
    pub segment: u64,
    /// `PART-TARGET`, in whole milliseconds.
    pub part: Option<Duration>,
}

/// The least that a part has of its target, in percent, unless it is the last one of its segment or an independent one follows (section 4.4.4.9).
const LEAST: u128 = 85;

impl Targets {
    /// Targets for a stream whose first segment has this duration, and whose pictures, or frames of sound, take so long.
    #[must_use]
    pub fn learn(settings: &Settings, first: Duration, picture: Duration) -> Self {
        /// What a segment may be longer than another, for a key frame that is late by a picture or two.
        const JITTER: Duration = Duration::from_millis(100);
        let longest = first.saturating_sub(JITTER).max(settings.segment).as_nanos();
        let segment = u64::try_from(longest.div_ceil(1_000_000_000)).unwrap_or(u64::MAX).max(1);
        let part = settings.part.map(|part| {
            let picture = picture.max(Duration::from_millis(1)).as_nanos();
            let pictures = ((2 * part.as_nanos() + picture) / (2 * picture)).max(1);
            // As long as may be, so that six pictures and a late one still fit.
            let millis = (pictures * picture * 100 / (LEAST * 1_000_000))
                .max((pictures * picture).div_ceil(1_000_000));
            Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).min(Duration::from_secs(segment))
        });
        Self { segment, part }
    }

    /// The target duration.
    #[must_use]
    pub fn segment(self) -> Duration {
        Duration::from_secs(self.segment)
    }

    /// The longest duration that is not above the target when it is rounded.
    #[must_use]
    pub fn longest(self) -> Duration {
        self.segment() + Duration::from_micros(499_000)
    }

    /// The shortest part, but for exceptions.
    #[must_use]
    pub fn least(part: Duration) -> Duration {
        let nanos = (part.as_nanos() * LEAST).div_ceil(100);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_by_the_first_segment_and_the_picture() {
        let micros = Duration::from_micros;
        // first segment, picture, TARGETDURATION, PART-TARGET
        let table = [
            (2_000_000, 40_000, 2, 282),
            (2_000_000, 33_367, 2, 274),
            (3_840_000, 40_000, 4, 282),
            (2_040_000, 20_000, 2, 305),
            (2_400_000, 40_000, 3, 282),
            (10_000_000, 40_000, 10, 282),
            (1_000, 21_333, 2, 301),
            (2_000_000, 200_000, 2, 235),
            (2_000_000, 1_000_000, 2, 1176),
            (4_000_000, 4_000_000, 4, 4000),
            (0, 0, 2, 294),
        ];
        for (first, picture, segment, part) in table {
            let targets = Targets::learn(&Settings::default(), micros(first), micros(picture));
            let expected = Targets { segment, part: Some(Duration::from_millis(part)) };
            assert_eq!(targets, expected, "{first} {picture}");
        }
        let whole = Settings { part: None, segment: micros(5_500_000), ..Settings::default() };
        assert_eq!(Targets::learn(&whole, micros(1), micros(1)), Targets { segment: 6, part: None });
    }

    #[test]
    fn as_many_usual_pictures_as_fit_are_long_enough() {
        for picture in (1_000..2_000_000).step_by(777).map(Duration::from_micros) {
            let targets = Targets::learn(&Settings::default(), Duration::from_secs(4), picture);
            let part = targets.part.unwrap();
            let mut has = picture;
            while has < Targets::least(part) {
                has += picture;
            }
            assert!(has <= part, "{picture:?}: {has:?} of {part:?}");
        }
    }
}
