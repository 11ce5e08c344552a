//! Segments of MPEG-TS: samples read ahead track by track, multiplexed in the order in which they are decoded.

use std::io::Write;
use std::sync::Arc;

use super::copy::{Ahead, GAP, WINDOW};
use super::error::SegmentError;
use super::source::Source;
use crate::proto::hls::mp4::table::Located;
use crate::proto::hls::track::{Config, Shape, Timescale, Track};
use crate::proto::hls::ts::mux::{self, Frame, Muxer};
use crate::proto::hls::vod::layout::{Lane, Layout, Tag};

/// Bytes that are written at once.
const WRITE: usize = 256 * 1024;

/// Writes the segments of a rendition, one after the other: counters go on.
#[derive(Debug)]
pub(super) struct Transport {
    muxer: Muxer,
    ahead: Vec<Ahead>,
    out: Vec<u8>,
}

/// What was written of a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    /// All bytes.
    pub(super) bytes: u64,
    /// Those up to the end of the first picture, if that needs no other one.
    pub(super) first: Option<u64>,
}

impl Transport {
    pub(super) fn new(layout: &Layout, start: i64) -> Result<Self, mux::Error> {
        let tracks: Vec<Track> = layout.lanes.iter().map(|lane| lane.track.clone()).collect();
        let metadata = !layout.tags.is_empty();
        let muxer = Muxer::new(&tracks, mux::Options { start, metadata })?;
        let ahead = layout.lanes.iter().map(|_| Ahead::default()).collect();
        Ok(Self { muxer, ahead, out: Vec::with_capacity(WRITE + WRITE / 4) })
    }

    /// For segment `n` alone: its counters go on from those of the segment before, when that was written so as well.
    pub(super) fn apart(self, n: usize) -> Self {
        Self { muxer: self.muxer.apart(n), ..self }
    }

    /// Writes segment `n`. `lead` says by how much samples are decoded earlier than they say, track by track, so that none is presented before.
    pub(super) fn segment(
        &mut self,
        layout: &Layout,
        n: usize,
        sources: &[Arc<Source>],
        lead: &[i64],
        out: &mut impl Write,
    ) -> Result<Sizes, SegmentError> {
        let mut sizes = Sizes::default();
        self.muxer.start_segment(&mut self.out);
        let mut tags = layout.tags[layout.tags_in(n)].iter().peekable();
        let mut is_first = true;
        for (place, located) in layout.in_order(n) {
            let (Some(lane), Some(source)) = (layout.lanes.get(place), sources.get(place)) else { continue };
            let decoded = located.sample.dts.saturating_add(lane.track.edit.offset);
            while let Some(tag) = tags.next_if(|tag| !is_first && is_due(tag, lane, decoded)) {
                self.tag(tag, source)?;
            }
            let is_last = located.number.checked_add(1) == Some(lane.range(n).end);
            self.sample(place, lane, &located, is_last, source, lead.get(place).copied().unwrap_or(0))?;
            if std::mem::take(&mut is_first) {
                let is_picture = matches!(lane.track.shape, Shape::Video { .. });
                sizes.first = (is_picture && located.sample.key).then_some(self.out.len() as u64);
            }
            if self.out.len() >= WRITE {
                sizes.bytes += self.write(out)?;
            }
        }
        for tag in tags {
            let Some(source) = sources.get(layout.lead) else { continue };
            self.tag(tag, source)?;
        }
        self.muxer.end_segment(&mut self.out);
        sizes.bytes += self.write(out)?;
        Ok(sizes)
    }

    fn sample(
        &mut self,
        place: usize,
        lane: &Lane,
        located: &Located,
        is_last: bool,
        source: &Source,
        lead: i64,
    ) -> Result<(), SegmentError> {
        let Located { number, sample, at } = *located;
        let data = self.ahead[place].bytes(source, at, sample.size as usize, || near(lane, number, at))?;
        let decoded = sample.dts.saturating_add(lane.track.edit.offset);
        let frame = Frame {
            dts: decoded.saturating_sub(lead),
            pts: lane.track.presented_at(&sample),
            key: sample.key,
            data,
        };
        let write = if is_last { Muxer::write_last } else { Muxer::write };
        write(&mut self.muxer, place, &frame, &mut self.out).map_err(|why| SegmentError::Mux {
            name: source.name().to_owned(),
            number,
            at,
            why,
        })
    }

    fn tag(&mut self, tag: &Tag, source: &Source) -> Result<(), SegmentError> {
        let name = || source.name().to_owned();
        let written = self.muxer.write_metadata(tag.at, &tag.data, &mut self.out);
        written.map_err(|why| SegmentError::Tag { name: name(), at: tag.at, why })
    }

    fn write(&mut self, out: &mut impl Write) -> Result<u64, SegmentError> {
        let size = self.out.len() as u64;
        let written = out.write_all(&self.out);
        self.out.clear();
        written.map(|()| size).map_err(SegmentError::Write)
    }
}

/// Whether a tag counts when a sample of the track is decoded.
fn is_due(tag: &Tag, lane: &Lane, decoded: i64) -> bool {
    Timescale::MPEG.compare(tag.at, lane.track.timescale, decoded).is_le()
}

/// How far from sample `number`, which is at byte `at`, the samples of the track lie near each other.
fn near(lane: &Lane, number: u32, at: u64) -> u64 {
    let mut end = at;
    for next in lane.samples.from(number) {
        let is_near = next.at >= end && next.at - end <= GAP;
        let behind = next.at.saturating_add(u64::from(next.sample.size));
        if !is_near || behind - at > WINDOW as u64 {
            break;
        }
        end = behind;
    }
    end
}

/// About how many bytes of MPEG-TS segment `n` has: not fewer than it will have.
pub(super) fn planned_bytes(layout: &Layout, n: usize) -> u64 {
    /// Bytes in front of a picture: of the PES packet, and a delimiter; and of an adaptation field with a clock.
    const FRONT: u64 = 19 + 6 + 8;
    /// Bytes of a packet, and those of its payload.
    const PACKET: (u64, u64) = (188, 184);
    /// Packets of sound that are gathered in about a sixth of a second have a header and half a packet of stuffing.
    const SOUND: u64 = 14 + 92;
    let packets = |bytes: u64| bytes.div_ceil(PACKET.1) * PACKET.0;
    let tags = layout.tags[layout.tags_in(n)].iter().map(|tag| packets(tag.data.len() as u64 + FRONT));
    // Segments that are made by themselves have up to 15 packets more of each track.
    let mut bytes = (2 + 15 * layout.lanes.len() as u64) * PACKET.0 + tags.sum::<u64>();
    for lane in &layout.lanes {
        let sets: u64 = match &lane.track.config {
            Config::Avc(config) => config.sps.iter().chain(&config.pps).map(|set| set.len() as u64 + 4).sum(),
            Config::Hevc(config) => config.parameter_sets().map(|set| set.len() as u64 + 4).sum(),
            _ => 0,
        };
        let is_video = matches!(lane.track.shape, Shape::Video { .. });
        let mut sound = 0u64;
        for located in lane.segment(n) {
            let size = u64::from(located.sample.size);
            if is_video {
                bytes += packets(size + FRONT + if located.sample.key { sets } else { 0 });
            } else {
                sound += size + 7;
            }
        }
        if !is_video {
            let gathered = layout.duration(n).as_millis() as u64 / 80 + 2;
            bytes += packets(sound + gathered * SOUND);
        }
    }
    bytes
}
