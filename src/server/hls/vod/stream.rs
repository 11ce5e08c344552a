//! A transport stream, taken apart once: the samples of each track go to a temporary file of its own, and an index says where they are there.
//!
//! So segments are cut from it as from an MP4. Times are moved so that the first sample is decoded at 0, and an edit list has the first of all presented at 0.

use std::io::{self, Read};
use std::sync::Arc;

use super::error::MediaError;
use super::media::{self, Media, MediaTrack};
use super::source::Spool;
use crate::proto::hls::codec::access::Entry;
use crate::proto::hls::track::{Edit, Shape, Timescale, Track};
use crate::proto::hls::ts::demux::{Demuxer, Limits};
use crate::proto::hls::ts::event::{Event, Sample};
use crate::proto::hls::vod::index::Index;
use crate::proto::hls::vod::layout::Tag;
use crate::proto::hls::vod::samples::Samples;

/// Bytes that are read at once: whole packets.
const READ: usize = 188 * 700;

/// Bytes that are looked at before it is asked what was found.
const PIECE: usize = 188 * 8;

/// Reads a whole stream.
pub(super) fn read(name: &str, mut stream: impl Read) -> Result<Media, MediaError> {
    let mut demuxer = Demuxer::new(Limits::default());
    let mut taken = Taken {
        name,
        at: 0,
        tracks: Vec::new(),
        left_out: Vec::new(),
        lost: None,
        moved: 0,
        tags: Vec::new(),
        tag_bytes: 0,
        tags_left: 0,
    };
    let mut buffer = vec![0; READ];
    loop {
        let size = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(MediaError::Read { name: name.to_owned(), at: taken.at, source }),
        };
        // In small pieces, so that an error tells its place well.
        for piece in buffer[..size].chunks(PIECE) {
            demuxer.push(piece);
            taken.at += piece.len() as u64;
            while let Some(event) = demuxer.poll() {
                taken.event(event)?;
            }
        }
    }
    demuxer.finish();
    while let Some(event) = demuxer.poll() {
        taken.event(event)?;
    }
    taken.finish()
}

/// ID3 tags that are kept: one each second of a day is fewer.
const MAX_TAGS: usize = 1 << 17;

/// Bytes of them.
const MAX_TAG_BYTES: usize = 4 << 20;

/// What was taken so far.
struct Taken<'a> {
    name: &'a str,
    /// Bytes that were read.
    at: u64,
    tracks: Vec<Taking>,
    left_out: Vec<String>,
    /// Bytes that could not be used, where the first were, and why.
    lost: Option<(u64, u64, String)>,
    /// Samples whose decode times went back.
    moved: u64,
    tags: Vec<Tag>,
    /// Bytes of those.
    tag_bytes: usize,
    /// Tags that were too many.
    tags_left: u64,
}

struct Taking {
    track: Track,
    index: Index,
    spool: Spool,
    /// How long the last sample is taken to be.
    step: u32,
    /// The earliest time of presentation.
    first_pts: i64,
}

impl Taken<'_> {
    fn event(&mut self, event: Event) -> Result<(), MediaError> {
        match event {
            Event::Tracks(tracks) => tracks.into_iter().try_for_each(|track| self.track(track)),
            Event::Sample(sample) => self.sample(&sample),
            Event::Discontinuity => {
                Err(self.wrong("the times of the stream jump: split it there, and package the parts"))
            }
            Event::Refused { pid, refused } => {
                self.left_out.push(format!("stream {pid:#x} ({refused:?})"));
                Ok(())
            }
            Event::Lost(lost) => {
                let (_, bytes, _) = self.lost.get_or_insert_with(|| (lost.at, 0, lost.why.to_string()));
                *bytes += lost.bytes;
                Ok(())
            }
            Event::Metadata { pts, data, .. } => {
                self.tag_bytes += data.len();
                if self.tags.len() < MAX_TAGS && self.tag_bytes <= MAX_TAG_BYTES {
                    self.tags.push(Tag { at: pts, data });
                } else {
                    self.tags_left += 1;
                }
                Ok(())
            }
        }
    }

    fn wrong(&self, why: &'static str) -> MediaError {
        MediaError::Stream { name: self.name.to_owned(), at: self.at, why }
    }

    fn track(&mut self, track: Track) -> Result<(), MediaError> {
        match self.tracks.iter().find(|taking| taking.track.id == track.id) {
            Some(known) if known.track.config == track.config => Ok(()),
            Some(_) => Err(self.wrong("a track changes its coding before here: split the stream there")),
            None => {
                let spool = Spool::new(self.name)?;
                let ticks = track.timescale.ticks();
                let step = match track.shape {
                    Shape::Audio { .. } => 1024,
                    Shape::Video { .. } | Shape::Text => ticks / 25,
                };
                self.tracks.push(Taking { track, index: Index::default(), spool, step, first_pts: i64::MAX });
                Ok(())
            }
        }
    }

    fn sample(&mut self, sample: &Sample) -> Result<(), MediaError> {
        let (name, at) = (self.name, self.at);
        let Some(taking) = self.tracks.iter_mut().find(|taking| taking.track.id == sample.track) else {
            return Ok(());
        };
        let mut dts = sample.dts;
        if !taking.index.is_empty() {
            let last = taking.index.last();
            // Times that go back a little are those of a careless writer: the sample is decoded with the one in front of it.
            if dts < last {
                (dts, self.moved) = (last, self.moved + 1);
            }
            taking.step = u32::try_from(dts - last).unwrap_or(taking.step);
        }
        let failed = |why| MediaError::Samples { name: name.to_owned(), at, track: sample.track, why };
        let wrong = |why| MediaError::Stream { name: name.to_owned(), at, why };
        let listed = crate::proto::hls::track::Sample {
            dts,
            composition_offset: i32::try_from(sample.pts - dts)
                .map_err(|_| wrong("a sample is presented long after it is decoded"))?,
            duration: taking.step,
            size: u32::try_from(sample.data.len()).map_err(|_| wrong("a sample is too long"))?,
            key: sample.entry != Entry::None || !matches!(taking.track.shape, Shape::Video { .. }),
        };
        let place = taking.spool.push(&sample.data)?;
        taking.first_pts = taking.first_pts.min(sample.pts);
        taking.index.push(&listed, place).map_err(failed)
    }

    fn finish(mut self) -> Result<Media, MediaError> {
        let mut warnings = Vec::new();
        if let Some((at, bytes, why)) = &self.lost {
            warnings.push(format!(
                "{}: {bytes} bytes could not be used, the first at byte {at}: {why}",
                self.name
            ));
        }
        if self.moved > 0 {
            warnings.push(format!(
                "{}: {} samples were decoded before the ones in front of them",
                self.name, self.moved
            ));
        }
        if self.tags_left > 0 {
            warnings
                .push(format!("{}: {} ID3 tags are left out, they are too many", self.name, self.tags_left));
        }
        for taking in &self.tracks {
            if taking.index.is_empty() {
                self.left_out.push(format!("stream {:#x} (no samples)", taking.track.id));
            }
        }
        self.tracks.retain(|taking| !taking.index.is_empty());
        // When the first sample is decoded, and the first one presented, in ticks of 90 kHz.
        let earliest = |time: &dyn Fn(&Taking) -> i64| {
            let times = self.tracks.iter().map(|taking| in_clock(taking.track.timescale, time(taking)));
            times.min().unwrap_or(0)
        };
        let decoded = earliest(&|taking| taking.index.from(0).next().map_or(0, |first| first.sample.dts));
        let presented = earliest(&|taking| taking.first_pts);
        let mut tracks = Vec::new();
        for Taking { mut track, mut index, spool, .. } in self.tracks {
            let ticks = |time| Timescale::MPEG.rescale(time, track.timescale).unwrap_or(0);
            let base = ticks(decoded);
            index.shift(base.saturating_neg());
            track.edit = Edit { offset: base.saturating_sub(ticks(presented)), duration: None };
            let source = Arc::new(spool.finish()?);
            tracks.push(MediaTrack { track, samples: Arc::new(Samples::Index(index)), source });
        }
        self.tags.iter_mut().for_each(|tag| tag.at = tag.at.saturating_sub(presented));
        self.tags.sort_by_key(|tag| tag.at);
        let media = media::finish(self.name.to_owned(), tracks, self.left_out, warnings)?;
        Ok(Media { tags: self.tags.into(), ..media })
    }
}

fn in_clock(scale: Timescale, time: i64) -> i64 {
    scale.rescale(time, Timescale::MPEG).unwrap_or(i64::MAX)
}
