//! What a segment holds of a track: its samples added up, and where their times jump.

use std::time::Duration;

use super::super::super::codec::access::{Coding, Entry, entry};
use super::super::super::track::{Config, Shape, Timescale, Track};
use super::super::super::ts::clock::WRAP;

/// How far the decode time of a sample may be from where the one before ends, in seconds: what containers round.
const JUMP: f64 = 0.015;

/// The same as a part of the longest sample, where the container says how long samples are: less than one that is missing.
pub(super) const EXACT: f64 = 0.75;

/// The same where it does not, and the last one before is taken to be as long as the one before that.
pub(super) const GUESSED: f64 = 1.5;

/// What a track gives to the senses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Text.
    Text,
}

/// What a segment holds of a track.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// The track: its PID, or its number in MP4.
    pub id: u32,
    /// What it gives.
    pub sense: Sense,
    /// What a player names its codec.
    pub codec: String,
    /// The size of its pictures as they are shown, where it is known.
    pub size: Option<(u32, u32)>,
    /// How many samples it has.
    pub samples: u64,
    /// How many of them a decoder may begin at.
    pub keys: u64,
    /// The first one is such.
    pub key_first: bool,
    /// The first time that is no continuation, in words.
    pub(super) jump: Option<String>,
    /// Where its decode times end, in ticks.
    pub(super) end: i64,
    scale: Timescale,
    /// When it is presented: from, to, and how long its last sample is.
    shown: Option<(i64, i64)>,
    /// How long its samples take, one after the other.
    took: i64,
    longest: i64,
    slack: f64,
}

impl Content {
    /// Nothing of a track so far; `from` is what the segment before held, `slack` is [`EXACT`] or [`GUESSED`].
    pub(super) fn new(track: &Track, from: &[Self], slack: f64) -> Self {
        let id = track.id;
        let before = from.iter().find(|old| old.id == id && old.scale == track.timescale);
        let sense = match track.shape {
            Shape::Video { .. } => Sense::Video,
            Shape::Audio { .. } => Sense::Audio,
            Shape::Text => Sense::Text,
        };
        Self {
            id,
            sense,
            codec: track.codec_string(),
            size: size(track),
            samples: 0,
            keys: 0,
            key_first: false,
            jump: None,
            end: before.map_or(i64::MIN, |before| before.end),
            scale: track.timescale,
            shown: None,
            took: 0,
            longest: before.map_or(0, |before| before.longest),
            slack,
        }
    }

    /// Adds a sample. `duration` is that until the next one.
    pub(super) fn add(&mut self, dts: i64, pts: i64, duration: i64, key: bool) {
        self.longest = self.longest.max(duration);
        if self.end != i64::MIN {
            let apart = self.scale.seconds(dts.saturating_sub(self.end));
            let most = JUMP.max(self.scale.seconds(self.longest) * self.slack);
            if apart.abs() > most && self.jump.is_none() {
                let (at, expected) = (self.scale.seconds(dts), self.scale.seconds(self.end));
                self.jump = Some(format!("track {}: {at:.3} s, where {expected:.3} s is due", self.id));
            }
        }
        self.end = dts.saturating_add(duration);
        self.took = self.took.saturating_add(duration);
        self.key_first |= self.samples == 0 && key;
        self.keys += u64::from(key);
        self.samples += 1;
        let end = pts.saturating_add(duration);
        let shown = self.shown.map_or((pts, end), |(from, to)| (from.min(pts), to.max(end)));
        self.shown = Some(shown);
    }

    /// What has to be added to `first`, a time that starts over after 33 bits of 90 kHz, so that it is next to where the segment before ended.
    pub(super) fn lap(&self, first: i64) -> i64 {
        if self.end == i64::MIN {
            return 0;
        }
        let lap = i128::from(WRAP) * i128::from(self.scale.ticks());
        let apart = (i128::from(self.end) - i128::from(first)) * 90_000;
        let laps = (2 * apart + lap).div_euclid(2 * lap);
        i64::try_from((laps * lap).div_euclid(90_000)).unwrap_or(0)
    }

    /// How long it is presented.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let (from, to) = self.shown.unwrap_or_default();
        self.time(to.saturating_sub(from))
    }

    /// How long its samples take, one after the other: less than [`duration`](Self::duration) where pictures are missing, as at the end of an encoder that was stopped between a picture and those that are shown
    /// before it.
    pub(super) fn coded(&self) -> Duration {
        self.time(self.took)
    }

    fn time(&self, ticks: i64) -> Duration {
        Duration::try_from_secs_f64(self.scale.seconds(ticks)).unwrap_or_default()
    }

    /// The longest of its samples.
    pub(super) fn longest(&self) -> Duration {
        self.time(self.longest)
    }

    /// Pictures or frames a second; `None` when they take no time.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let seconds = self.duration().as_secs_f64();
        (seconds > 0.0).then(|| self.samples as f64 / seconds)
    }

    /// The same with the samples of a later segment.
    pub(super) fn with(&self, later: &Self) -> Self {
        let shown = match (self.shown, later.shown) {
            // Times may start over: what is counted is how long they are.
            (Some((from, to)), Some((start, end))) => {
                Some((from, to.saturating_add(end.saturating_sub(start))))
            }
            (one, other) => one.or(other),
        };
        Self {
            samples: self.samples + later.samples,
            keys: self.keys + later.keys,
            shown,
            took: self.took.saturating_add(later.took),
            longest: self.longest.max(later.longest),
            ..self.clone()
        }
    }
}

/// The size of pictures: what the stream says before what the container does.
fn size(track: &Track) -> Option<(u32, u32)> {
    let Shape::Video { width, height } = track.shape else { return None };
    let coded = match &track.config {
        Config::Avc(config) => config.size(),
        Config::Hevc(config) => config.size(),
        Config::Av1(config) => config.size(),
        _ => None,
    };
    coded.or((width > 0).then_some((width.into(), height.into())))
}

/// Whether a decoder may begin at a sample of MP4. `flagged` is what the container says, which counts where the bytes are not looked into.
pub(super) fn is_entry(config: &Config, sample: &[u8], flagged: bool) -> bool {
    match config {
        Config::Avc(config) => entry(Coding::Avc, sample, config.length_size) != Entry::None,
        Config::Hevc(config) => entry(Coding::Hevc, sample, config.length_size) != Entry::None,
        _ => flagged,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::super::super::codec::aac;
    use super::super::super::super::track::{Edit, Language, Matrix};
    use super::*;

    #[test]
    fn what_ends_in_the_middle_of_an_order_is_shown_for_longer_than_it_is() {
        let track = Track {
            id: 1,
            timescale: Timescale::MILLIS,
            config: Config::Aac(aac::Config::parse(b"\x11\x90").unwrap()),
            in_band: false,
            shape: Shape::Video { width: 16, height: 16 },
            matrix: Matrix::UNITY,
            language: Language::UNDETERMINED,
            edit: Edit::default(),
            extensions: Bytes::new(),
        };
        let mut content = Content::new(&track, &[], EXACT);
        // I P, and the two pictures between them never come.
        for (dts, pts) in [(0, 40), (40, 160)] {
            content.add(dts, pts, 40, dts == 0);
        }
        assert_eq!(content.duration(), Duration::from_millis(160));
        assert_eq!(content.coded(), Duration::from_millis(80));
        assert_eq!(content.with(&content).coded(), Duration::from_millis(160));
    }
}
