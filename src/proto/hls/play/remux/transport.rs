//! The stream as MPEG-TS: one program, whose tables and counters go on whatever is chosen.
//!
//! Other parameter sets stand in front of key pictures, other rates of sound in its headers. Another coding is another stream of the program. The tables come in front of key pictures, or twice a second where there are none; the clock is that of the pictures
//! while there are some.

use std::sync::Arc;

use super::super::super::track::{Timescale, Track};
use super::super::super::ts::mux::{Error, Frame, Muxer, Options};
use super::stream::Cut;
use super::taken::{Sense, mpeg};

/// Ticks of 90 kHz from tables to tables at least.
const SOON: i64 = 9000;

/// And at most.
const LATE: i64 = 45_000;

/// Ticks of 90 kHz without a picture behind which the clock is that of the sound.
const PAUSE: i64 = 90_000;

/// Writes MPEG-TS.
#[derive(Debug, Default)]
pub(super) struct Transport {
    muxer: Option<Muxer>,
    /// What is written of each sense, and its place in the program.
    places: [Option<(Arc<Track>, usize)>; 2],
    /// When the last tables were written.
    tables: Option<i64>,
    /// When the last picture was written.
    picture: Option<i64>,
}

impl Transport {
    /// Writes a sample. `beside` is what the track of the other sense is, for the first tables. Nothing is written of one that there is no room for.
    pub(super) fn write(&mut self, cut: &Cut, beside: Option<&Cut>, out: &mut Vec<u8>) {
        let Ok(place) = self.place(cut, beside, out) else { return };
        let Some(muxer) = &mut self.muxer else { return };
        let now = mpeg(cut.dts, cut.scale);
        let is_picture = cut.sense == Sense::Video;
        if is_picture {
            self.picture = Some(now);
        }
        if is_picture || self.picture.is_none_or(|last| now.saturating_sub(last) > PAUSE) {
            self.tables = if muxer.clock_by(place) { None } else { self.tables };
        }
        let since = self.tables.map_or(i64::MAX, |last| now.saturating_sub(last));
        let is_begin = is_picture && cut.key && since >= SOON;
        if is_begin || since >= LATE {
            muxer.start_segment(out);
            self.tables = Some(now);
        }
        let frame = Frame { dts: cut.dts, pts: cut.pts, key: cut.key, data: &cut.data };
        // Only frames of sound that are longer than their headers can say are refused here, and left out.
        let _too_long = muxer.write(place, &frame, out);
    }

    /// Where samples of a track are written.
    fn place(&mut self, cut: &Cut, beside: Option<&Cut>, out: &mut Vec<u8>) -> Result<usize, Error> {
        let sense = cut.sense as usize;
        if let Some((track, place)) = &self.places[sense]
            && Arc::ptr_eq(track, &cut.track)
        {
            return Ok(*place);
        }
        let muxer = match &mut self.muxer {
            Some(muxer) => muxer,
            empty => {
                let mut cuts: Vec<&Cut> = std::iter::once(cut).chain(beside).collect();
                cuts.sort_by_key(|cut| cut.sense as usize);
                let tracks: Vec<Track> = cuts.iter().copied().map(scaled).collect();
                // Sound that is decoded before the first picture does not take the clock.
                self.picture = (cuts.len() > 1).then(|| mpeg(cut.dts, cut.scale));
                empty.insert(Muxer::new(&tracks, Options::default())?)
            }
        };
        let before = muxer.tracks();
        let place = muxer.switch_to(&scaled(cut), out)?;
        if muxer.tracks() > before {
            self.tables = None;
        }
        self.places[sense] = Some((Arc::clone(&cut.track), place));
        Ok(place)
    }

    /// Writes the sound that is held.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(muxer) = &mut self.muxer {
            muxer.end_segment(out);
        }
    }
}

/// The track of a sample, in the scale in which it is written.
fn scaled(cut: &Cut) -> Track {
    Track { timescale: cut.scale, ..Track::clone(&cut.track) }
}

/// That a track has room in MPEG-TS.
///
/// # Errors
/// It has none.
pub(super) fn carries(track: &Track) -> Result<(), Error> {
    let track = Track { timescale: Timescale::MPEG, ..track.clone() };
    Muxer::new(&[track], Options::default()).map(drop)
}
