//! Which part of a transport stream a sample belongs to.
//!
//! Where the times of a stream jump, or a track changes its coding, another era begins, which is packaged behind the one before as if it were another file. The streams of
//! a program do not get there together: sound of before comes behind the first picture of after. So a sample that goes on with what its track had is of the era before, and the
//! first one that does not begins the next.

use crate::proto::hls::track::{Shape, Timescale, Track};
use crate::proto::hls::vod::index::Index;
use crate::proto::hls::vod::layout::Tag;

/// The most eras of an input: a broadcast of a day that breaks off every quarter of a minute has fewer.
pub(super) const MAX_ERAS: usize = 8192;

/// How far behind the last sample of its track a sample goes on with it, and how far before, in ticks of 90 kHz. Beyond this a stream has said that it jumps.
const ON: std::ops::RangeInclusive<i64> = -45_000..=90_000;

/// Samples between two breaks.
#[derive(Default)]
pub(super) struct Gathering {
    pub(super) tracks: Vec<Taking>,
    pub(super) tags: Vec<Tag>,
    /// The byte at which it begins.
    pub(super) from: u64,
}

/// A track of an era.
pub(super) struct Taking {
    pub(super) track: Track,
    pub(super) index: Index,
    /// How long the last sample is taken to be.
    pub(super) step: u32,
    /// The earliest time of presentation.
    pub(super) first_pts: i64,
    /// When the last of all has been presented.
    pub(super) end: i64,
    /// When the last sample is decoded as the stream says it, in ticks of 90 kHz.
    pub(super) last: Option<i64>,
}

impl Taking {
    pub(super) fn new(track: Track) -> Self {
        let step = match track.shape {
            Shape::Audio { .. } => 1024,
            Shape::Video { .. } | Shape::Text => track.timescale.ticks() / 25,
        };
        Self { track, index: Index::default(), step, first_pts: i64::MAX, end: i64::MIN, last: None }
    }

    pub(super) fn is_video(&self) -> bool {
        matches!(self.track.shape, Shape::Video { .. })
    }

    /// How far behind the last sample a time of 90 kHz is.
    fn behind(&self, time: i64) -> Option<i64> {
        self.last.map(|last| time.saturating_sub(last))
    }
}

/// The eras of a stream, and whether another one is to begin.
pub(super) struct Eras {
    pub(super) list: Vec<Gathering>,
    /// The stream has said that its times jump, and no sample has shown it.
    pending: bool,
}

/// Where a sample goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To that era.
    Era(usize),
    /// To one that begins with it.
    Next,
}

impl Default for Eras {
    fn default() -> Self {
        Self { list: vec![Gathering::default()], pending: false }
    }
}

impl Eras {
    pub(super) fn current(&mut self) -> &mut Gathering {
        if self.list.is_empty() {
            self.list.push(Gathering::default());
        }
        let last = self.list.len() - 1;
        &mut self.list[last]
    }

    /// The times of the stream go anywhere from here on.
    pub(super) fn jump(&mut self) {
        self.pending = true;
    }

    /// Begins another era at that byte, with the tracks of the one before.
    pub(super) fn begin(&mut self, at: u64) {
        self.pending = false;
        let before = self.current();
        if before.tracks.iter().all(|taking| taking.index.is_empty()) {
            return;
        }
        let tracks = before.tracks.iter().map(|taking| Taking::new(taking.track.clone())).collect();
        self.list.push(Gathering { tracks, tags: Vec::new(), from: at });
    }

    /// The tracks of the stream are these from here on. Whether another era has to begin with them: one changes its coding, or another one comes in its place.
    pub(super) fn is_changed_by(&mut self, tracks: &[Track]) -> bool {
        self.current().tracks.iter().filter(|taking| !taking.index.is_empty()).any(|taking| {
            let same_kind = |track: &Track| {
                std::mem::discriminant(&track.shape) == std::mem::discriminant(&taking.track.shape)
            };
            match tracks.iter().find(|track| track.id == taking.track.id) {
                Some(track) => track.config != taking.track.config,
                None => tracks.iter().any(same_kind),
            }
        })
    }

    /// Takes the tracks into the current era. Those without a sample are as they are told now; of the others it is known that they are the same.
    pub(super) fn set(&mut self, tracks: Vec<Track>) {
        let era = self.current();
        era.tracks.retain(|taking| {
            !taking.index.is_empty() || tracks.iter().any(|track| track.id == taking.track.id)
        });
        for track in tracks {
            match era.tracks.iter_mut().find(|taking| taking.track.id == track.id) {
                Some(known) if !known.index.is_empty() => {}
                Some(known) => *known = Taking::new(track),
                None => era.tracks.push(Taking::new(track)),
            }
        }
    }

    /// Where a sample of a track goes that is decoded at that time of 90 kHz.
    pub(super) fn place(&self, track: u32, time: i64) -> Place {
        let last = self.list.len().saturating_sub(1);
        let known = |era: usize| self.list.get(era)?.tracks.iter().find(|taking| taking.track.id == track);
        let goes_on = |era: usize| known(era)?.behind(time).map(|behind| ON.contains(&behind));
        if self.pending {
            return match goes_on(last) {
                Some(true) => Place::Era(last),
                _ => Place::Next,
            };
        }
        // The first sample of a track in this era: of before, if it is nearer to that.
        if last > 0 && goes_on(last).is_none() && goes_on(last - 1) == Some(true) {
            let others = self.list[last].tracks.iter().filter_map(|taking| taking.behind(time));
            let nearest = others.map(i64::abs).min();
            let own = known(last - 1).and_then(|taking| taking.behind(time)).map_or(0, i64::abs);
            if nearest.is_some_and(|nearest| own < nearest && nearest > *ON.end()) {
                return Place::Era(last - 1);
            }
        }
        Place::Era(last)
    }
}

/// A time of a track in ticks of 90 kHz.
pub(super) fn in_clock(scale: Timescale, time: i64) -> i64 {
    scale.rescale(time, Timescale::MPEG).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::proto::hls::codec::aac;
    use crate::proto::hls::track::{Config, Edit, Language, Matrix, Sample};

    const SECOND: i64 = 90_000;

    fn track(id: u32, shape: Shape, config: &'static [u8; 2]) -> Track {
        Track {
            id,
            timescale: Timescale::MPEG,
            config: Config::Aac(aac::Config::parse(config).unwrap()),
            in_band: false,
            shape,
            matrix: Matrix::UNITY,
            language: Language::UNDETERMINED,
            edit: Edit::default(),
            extensions: Bytes::new(),
        }
    }

    fn picture(id: u32) -> Track {
        track(id, Shape::Video { width: 16, height: 16 }, b"\x11\x90")
    }

    fn sound(id: u32) -> Track {
        track(id, Shape::Audio { sample_rate: 48_000, channels: 2 }, b"\x11\x90")
    }

    /// Takes a sample of a track, decoded at that second; the number of its era.
    fn take(eras: &mut Eras, id: u32, second: f64) -> usize {
        let time = (second * SECOND as f64) as i64;
        let era = match eras.place(id, time) {
            Place::Era(era) => era,
            Place::Next => {
                eras.begin(0);
                eras.list.len() - 1
            }
        };
        let taking = eras.list[era].tracks.iter_mut().find(|taking| taking.track.id == id).unwrap();
        let sample = Sample { dts: time, composition_offset: 0, duration: 1, size: 1, key: true };
        taking.index.push(&sample, 0).unwrap();
        taking.last = Some(time);
        era
    }

    fn begun() -> Eras {
        let mut eras = Eras::default();
        eras.set(vec![picture(1), sound(2)]);
        assert_eq!((take(&mut eras, 1, 10.0), take(&mut eras, 2, 9.9)), (0, 0));
        eras
    }

    #[test]
    fn sound_of_before_comes_behind_the_first_picture_of_after() {
        for to in [1000.0, 1.0] {
            let mut eras = begun();
            eras.jump();
            // The streams get there one after the other.
            assert_eq!(take(&mut eras, 2, 10.0), 0, "to {to}");
            assert_eq!(take(&mut eras, 1, to), 1);
            assert_eq!((take(&mut eras, 2, 10.02), take(&mut eras, 2, 10.04)), (0, 0));
            assert_eq!((take(&mut eras, 2, to), take(&mut eras, 1, to + 0.04)), (1, 1));
            assert_eq!(eras.list.len(), 2);
        }
    }

    #[test]
    fn times_that_go_on_are_no_break() {
        let mut eras = begun();
        eras.jump();
        assert_eq!((take(&mut eras, 1, 10.04), take(&mut eras, 2, 10.0)), (0, 0));
        // What was announced comes later.
        assert_eq!((take(&mut eras, 1, 13.0), take(&mut eras, 2, 13.0)), (1, 1));
    }

    #[test]
    fn tracks_that_change_begin_an_era_and_tracks_that_come_or_go_do_not() {
        let other = track(1, Shape::Video { width: 16, height: 16 }, b"\x12\x10");
        for (tracks, changed) in [
            (vec![picture(1), sound(2)], false),
            (vec![other.clone(), sound(2)], true),
            (vec![picture(1), sound(3)], true),
            (vec![picture(1), sound(2), sound(3)], false),
            (vec![picture(1)], false),
        ] {
            assert_eq!(begun().is_changed_by(&tracks), changed, "{tracks:?}");
        }
        let mut eras = begun();
        eras.begin(7);
        eras.set(vec![other, sound(2)]);
        // Sound goes on, in the era of the picture that it is heard with.
        assert_eq!((take(&mut eras, 1, 10.04), take(&mut eras, 2, 9.92)), (1, 1));
        assert_eq!(eras.list[1].from, 7);
        // An era without samples is none.
        let mut empty = Eras::default();
        empty.set(vec![picture(1)]);
        empty.begin(9);
        assert_eq!(empty.list.len(), 1);
    }
}
