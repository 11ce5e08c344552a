//! A clip that can be played again and again without a gap: an MP4 in memory, of which every track lasts the same whole number of seconds.
//!
//! What its edit lists hide is left out, the priming of sound: it comes only once in a sound that goes on. Times are moved to where they are presented, and so
//! far that none is below 0.

use std::time::Duration;

use bytes::Bytes;

use crate::proto::hls::mp4::Fault;
use crate::proto::hls::mp4::movie::{Movie, MovieTrack};
use crate::proto::hls::mp4::walk::{Step, Walk};
use crate::proto::hls::track::{Edit, Sample, Shape, Timescale, Track};

/// Seconds by which all is later than in the clip: pictures are decoded before they are presented, the first of them before 0.
const LEAD: i64 = 1;

/// Why a clip cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// It is no MP4.
    #[error("a clip for the demonstration cannot be read")]
    Mp4(#[from] Fault),
    /// It has no index, or no pictures.
    #[error("a clip for the demonstration has no pictures")]
    Empty,
    /// Times or bytes of a sample are out of all bounds, or its pictures do not last a whole number of seconds.
    #[error("a clip for the demonstration cannot be played without a gap")]
    Uneven,
}

/// A clip.
#[derive(Debug)]
pub(super) struct Clip {
    tracks: Vec<Track>,
    samples: Vec<Due>,
    length: Duration,
}

/// A sample of a clip.
#[derive(Clone, Debug)]
pub(super) struct Due {
    /// When it is decoded, from the beginning.
    pub(super) at: Duration,
    pub(super) track: u32,
    pub(super) sample: Sample,
    pub(super) data: Bytes,
    /// Ticks of its track until it comes again.
    pub(super) turn: i64,
}

impl Clip {
    /// Reads a file.
    pub(super) fn read(file: &Bytes) -> Result<Self, ClipError> {
        let movie = movie(file)?;
        let video = movie.tracks.iter().find(|track| matches!(track.track.shape, Shape::Video { .. }));
        let video = video.ok_or(ClipError::Empty)?;
        let scale = i64::from(video.track.timescale.ticks());
        let seconds = video.table.duration() / scale;
        if seconds == 0 || seconds * scale != video.table.duration() {
            return Err(ClipError::Uneven);
        }
        let mut clip = Self {
            tracks: Vec::new(),
            samples: Vec::new(),
            length: Duration::from_secs(u64::try_from(seconds).map_err(|_| ClipError::Uneven)?),
        };
        for track in &movie.tracks {
            clip.add(track, seconds, file)?;
        }
        Ok(clip)
    }

    pub(super) fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    pub(super) fn samples(&self) -> &[Due] {
        &self.samples
    }

    /// How long it takes until it begins again.
    pub(super) fn length(&self) -> Duration {
        self.length
    }

    fn add(
        &mut self,
        MovieTrack { track, table, .. }: &MovieTrack,
        seconds: i64,
        file: &Bytes,
    ) -> Result<(), ClipError> {
        let ticks = i64::from(track.timescale.ticks());
        let (turn, shift) = (ticks * seconds, track.edit.offset + ticks * LEAD);
        let mut end = None;
        for located in table.iter() {
            let mut sample = located.sample;
            if !(0..turn).contains(&track.presented_at(&sample)) {
                continue;
            }
            sample.dts += shift;
            let from = usize::try_from(located.at).map_err(|_| ClipError::Uneven)?;
            let data = file.get(from..from.saturating_add(sample.size as usize)).ok_or(ClipError::Uneven)?;
            let first = *end.get_or_insert(sample.dts);
            // The last one reaches to where the first one comes again.
            let left = (first + turn).saturating_sub(sample.dts);
            sample.duration = sample.duration.min(u32::try_from(left).map_err(|_| ClipError::Uneven)?);
            self.samples.push(Due {
                at: moment(sample.dts, track.timescale).ok_or(ClipError::Uneven)?,
                track: track.id,
                sample,
                data: file.slice_ref(data),
                turn,
            });
        }
        let track = Track { edit: Edit::default(), ..track.clone() };
        self.tracks.push(track);
        Ok(())
    }
}

/// How long after 0 a time is.
fn moment(ticks: i64, scale: Timescale) -> Option<Duration> {
    let nanoseconds = Timescale::new(1_000_000_000).and_then(|to| scale.rescale(ticks, to))?;
    u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
}

fn movie(file: &Bytes) -> Result<Movie, ClipError> {
    let mut walk = Walk::to_movie(file.len() as u64);
    loop {
        match walk.step()? {
            Step::Read(range) => {
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(file.len());
                walk.give(file.slice(place(range.start)..place(range.end)));
            }
            Step::Found(found) => return Ok(Movie::read(found.at, found.bytes)?),
            Step::End => return Err(ClipError::Empty),
        }
    }
}
