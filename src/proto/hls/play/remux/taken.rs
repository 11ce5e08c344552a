//! What was taken out of a piece: the samples of its pictures and of its sound, in the order of their bytes.
//!
//! Times are those of the track, with its edit list: when a sample is presented by its own count. Two things are mended here, so that nobody needs to think of them further on: how long a sample of MPEG-TS
//! takes, which is not said, is how long it is to the next one; and times that jump within a piece, which only a discontinuity may do, go on where they were.

use std::sync::Arc;

use bytes::Bytes;

use super::super::super::codec::ac3::FRAME_SAMPLES;
use super::super::super::codec::access::Entry;
use super::super::super::codec::opus;
use super::super::super::track::{Config, Shape, Timescale, Track};
use super::super::super::ts::event::Loss;
use super::error::RemuxError;

/// The longest step from one sample to the next, in seconds: what is longer is another timeline, as in MPEG-TS.
const JUMP: i64 = 10;

/// Reasons for leaving streams out that are told of a piece at most.
const MAX_REFUSED: usize = 8;

/// Times beyond this, in ticks either way, are those: sums of several of them fit in 64 bits.
const MOST: i64 = 1 << 60;

/// To which sense a sample is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    Video,
    Audio,
}

impl Sense {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Video, Self::Audio];

    /// That of a track, unless it is text.
    pub(super) fn of(track: &Track) -> Option<Self> {
        match track.shape {
            Shape::Video { .. } => Some(Self::Video),
            Shape::Audio { .. } => Some(Self::Audio),
            Shape::Text => None,
        }
    }
}

/// A sample.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) sense: Sense,
    /// The track as it is from this sample on.
    pub(super) track: Arc<Track>,
    /// When it is decoded, in ticks of the track, by its edit list.
    pub(super) dts: i64,
    /// When it is presented.
    pub(super) pts: i64,
    /// Ticks until the next one; 0 while nobody knows.
    pub(super) duration: i64,
    pub(super) entry: Entry,
    /// Whether something is missing in front of it.
    pub(super) holed: bool,
    pub(super) data: Bytes,
}

/// What was in a piece.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) samples: Vec<Taken>,
    /// Whether times start over after 33 bits of 90 kHz.
    pub(super) wraps: bool,
    /// Bytes of no use.
    pub(super) lost: u64,
    /// Why the first of them were of none.
    pub(super) why: Option<Loss>,
    /// Streams that were left alone.
    pub(super) refused: Vec<String>,
}

/// A time of a track in ticks of 90 kHz.
pub(super) fn mpeg(ticks: i64, scale: Timescale) -> i64 {
    rescaled(ticks, scale, Timescale::MPEG)
}

/// A time in another scale, or the most that there may be.
pub(super) fn rescaled(ticks: i64, from: Timescale, to: Timescale) -> i64 {
    let most = if ticks < 0 { -MOST } else { MOST };
    from.rescale(ticks, to).unwrap_or(most).clamp(-MOST, MOST)
}

impl Content {
    pub(super) fn push(&mut self, mut taken: Taken, limit: usize) -> Result<(), RemuxError> {
        if self.samples.len() >= limit {
            return Err(RemuxError::Samples(limit));
        }
        (taken.dts, taken.pts) = (taken.dts.clamp(-MOST, MOST), taken.pts.clamp(-MOST, MOST));
        self.samples.push(taken);
        Ok(())
    }

    pub(super) fn refuse(&mut self, what: String) {
        if self.refused.len() < MAX_REFUSED && !self.refused.contains(&what) {
            self.refused.push(what);
        }
    }

    /// The samples of a sense.
    pub(super) fn of(&self, sense: Sense) -> impl Iterator<Item = &Taken> {
        self.samples.iter().filter(move |taken| taken.sense == sense)
    }

    /// The sense by which it is as long as it is: its pictures, or else its sound.
    pub(super) fn leading(&self) -> Option<Sense> {
        Sense::ALL.into_iter().find(|sense| self.of(*sense).next().is_some())
    }

    /// When the samples of a sense are presented: from, to, in ticks of 90 kHz.
    pub(super) fn span(&self, sense: Sense) -> Option<(i64, i64)> {
        let spans = self.of(sense).map(|taken| {
            let scale = taken.track.timescale;
            (mpeg(taken.pts, scale), mpeg(taken.pts.saturating_add(taken.duration), scale))
        });
        spans.reduce(|(from, to), (start, end)| (from.min(start), to.max(end)))
    }

    /// Finds out how long samples are, and lets times that jump go on.
    pub(super) fn settle(&mut self) {
        for sense in Sense::ALL {
            let (mut last, mut shift, mut usual): (Option<usize>, i64, i64) = (None, 0, 0);
            for at in 0..self.samples.len() {
                if self.samples[at].sense != sense {
                    continue;
                }
                let scale = self.samples[at].track.timescale;
                let known = last.filter(|last| self.samples[*last].track.timescale == scale);
                let Some(before) = known else {
                    (last, shift, usual) = (Some(at), 0, 0);
                    continue;
                };
                let second = i64::from(scale.ticks());
                let (dts, from) = (self.samples[at].dts, self.samples[before].dts);
                let step = dts.saturating_add(shift).saturating_sub(from);
                if !(-second / 2..=JUMP * second).contains(&step) {
                    let taken = &self.samples[before];
                    let took = match taken.duration {
                        0 => default(usual, taken),
                        known => known,
                    };
                    shift = from.saturating_add(took).saturating_sub(dts);
                    self.samples[at].holed = true;
                }
                let taken = &mut self.samples[at];
                (taken.dts, taken.pts) = (dts.saturating_add(shift), taken.pts.saturating_add(shift));
                let step = self.samples[at].dts.saturating_sub(from);
                let before = &mut self.samples[before];
                if before.duration == 0 && step > 0 {
                    before.duration = step;
                }
                if before.duration > 0 {
                    usual = before.duration;
                }
                last = Some(at);
            }
            if let Some(taken) = last.and_then(|last| self.samples.get_mut(last))
                && taken.duration == 0
            {
                taken.duration = default(usual, taken);
            }
        }
    }
}

/// How long a sample takes of which nobody has said it: as long as the one before, or as is usual.
fn default(usual: i64, taken: &Taken) -> i64 {
    if usual > 0 { usual } else { i64::from(taken.track.timescale.ticks() / 25).max(1) }
}

/// How long a frame of sound takes, in ticks of its track; 0 of a picture.
pub(super) fn frame(track: &Track, data: &[u8]) -> i64 {
    let (samples, rate) = match &track.config {
        Config::Aac(config) => (u32::from(config.frame_samples), config.core_rate),
        Config::Ac3(config) => (FRAME_SAMPLES, config.sample_rate()),
        Config::Eac3(config) => (FRAME_SAMPLES, config.sample_rate()),
        Config::Opus(_) => (opus::packet_samples(data).unwrap_or(0), opus::RATE),
        _ => return 0,
    };
    Timescale::new(rate).map_or(0, |rate| rescaled(samples.into(), rate, track.timescale))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{picture, sound};
    use super::*;

    fn settled(samples: Vec<Taken>) -> Vec<(i64, i64)> {
        let mut content = Content { samples, ..Content::default() };
        content.settle();
        content.samples.iter().map(|taken| (taken.dts, taken.duration)).collect()
    }

    #[test]
    fn samples_last_until_the_next_one() {
        let given = |times: &[i64]| times.iter().map(|dts| picture(*dts, Entry::None)).collect();
        assert_eq!(
            settled(given(&[0, 3600, 9000, 12_600])),
            [(0, 3600), (3600, 5400), (9000, 3600), (12_600, 3600)]
        );
        assert_eq!(settled(given(&[5])), [(5, 3600)]);
        assert_eq!(settled(given(&[])), []);
        // What the container says is believed.
        let mut told: Vec<Taken> = given(&[0, 3600]);
        told[0].duration = 1800;
        assert_eq!(settled(told), [(0, 1800), (3600, 1800)]);
    }

    #[test]
    fn times_that_jump_go_on() {
        let times = [0, 3600, 7200, 9_000_000, 9_003_600, 100, 3700];
        let settled = settled(times.map(|dts| picture(dts, Entry::None)).into());
        assert_eq!(
            settled.iter().map(|(dts, _)| *dts).collect::<Vec<_>>(),
            [0, 3600, 7200, 10_800, 14_400, 18_000, 21_600]
        );
        // A step back that reordering in the container may make is none.
        let small = [0, 3600, 3000, 7200].map(|dts| picture(dts, Entry::None));
        let mut content = Content { samples: small.into(), ..Content::default() };
        content.settle();
        assert_eq!(content.samples[2].dts, 3000);
        assert!(!content.samples[2].holed);
    }

    #[test]
    fn the_span_of_a_piece_is_that_of_its_pictures() {
        let mut content = Content {
            samples: vec![sound(0), picture(7200, Entry::Closed), picture(3600, Entry::None)],
            ..Content::default()
        };
        assert_eq!(content.leading(), Some(Sense::Video));
        content.settle();
        assert_eq!(content.span(Sense::Video).map(|(from, _)| from), Some(3600));
        assert_eq!(content.span(Sense::Audio), Some((0, 1920)));
        content.samples.truncate(1);
        assert_eq!((content.leading(), content.span(Sense::Video)), (Some(Sense::Audio), None));
    }

    #[test]
    fn times_out_of_reach_are_held_back() {
        let mut content = Content::default();
        for dts in [i64::MIN, i64::MAX, 0] {
            content.push(picture(dts, Entry::None), 3).unwrap();
        }
        assert_eq!(content.push(picture(0, Entry::None), 3), Err(RemuxError::Samples(3)));
        content.settle();
        assert!(content.span(Sense::Video).is_some());
        let second = Timescale::new(1).unwrap();
        assert_eq!((mpeg(MOST, second), mpeg(-MOST, second)), (MOST, -MOST));
    }
}
