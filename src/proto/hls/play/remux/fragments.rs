//! The stream as fragmented MP4: one initialization section for all that is chosen, and fragments behind it (ISO/IEC 14496-12 section 8.8).
//!
//! As that section is written once, pictures bring their parameter sets with them: `avc3` and `hev1` (ISO/IEC 14496-15), and the sequence header of AV1 in front of each key picture. A track or a coding that comes later has no place
//! in it, nor has sound of another rate or other channels: that is left out.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::super::super::codec::access::Coding;
use super::super::super::codec::av1::Obus;
use super::super::super::codec::nal::{Lengths, put_with_length};
use super::super::super::mp4::chunk::{self, Run};
use super::super::super::mp4::init;
use super::super::super::track::{Config, Edit, Sample, Timescale, Track};
use super::stream::Cut;
use super::taken::{Sense, mpeg, rescaled};

/// Ticks of 90 kHz of pictures in a fragment at least, before a key picture begins another.
const SOON: i64 = 45_000;

/// Seconds between two samples of a fragment at most: what is longer is a pause, which is between fragments.
const PAUSE: i64 = 1;

/// The type of a sequence header of AV1.
const SEQUENCE_HEADER: u8 = 1;

/// Writes fragmented MP4.
#[derive(Debug, Default)]
pub(super) struct Fragmented {
    /// What the initialization section says.
    tracks: [Option<Track>; 2],
    begun: bool,
    /// What is added to all times so that none is below 0, in ticks of 90 kHz.
    base: i64,
    sequence: u32,
    runs: [Pending; 2],
}

/// Samples of a track for the next fragment.
#[derive(Debug, Default)]
struct Pending {
    start: i64,
    samples: Vec<Sample>,
    data: Vec<Bytes>,
}

impl Fragmented {
    /// That a track is or may become one of the stream.
    pub(super) fn takes(&self, track: &Track, sense: Sense) -> bool {
        match &self.tracks[sense as usize] {
            Some(known) => is_same(&known.config, &track.config),
            None => !self.begun,
        }
    }

    /// Writes samples, in the order in which they are decoded, as fragments.
    pub(super) fn write(&mut self, cuts: &[Cut], out: &mut Vec<u8>) {
        if !self.begun && !cuts.is_empty() {
            self.begin(cuts, out);
        }
        for cut in cuts {
            if !self.takes(&cut.track, cut.sense) {
                continue;
            }
            if self.splits(cut) {
                self.flush(out);
            }
            self.add(cut);
        }
        self.flush(out);
    }

    fn begin(&mut self, cuts: &[Cut], out: &mut Vec<u8>) {
        let first = |sense| cuts.iter().find(|cut: &&Cut| cut.sense == sense);
        let firsts: Vec<&Cut> = Sense::ALL.into_iter().filter_map(first).collect();
        let earliest = firsts.iter().map(|cut| mpeg(cut.dts, cut.scale)).min();
        self.base = earliest.unwrap_or(0).min(0).saturating_neg();
        let mut tracks = Vec::new();
        for (cut, id) in firsts.into_iter().zip(1..) {
            let track = said(cut, id, self.base);
            self.tracks[cut.sense as usize] = Some(track.clone());
            tracks.push(track);
        }
        let mut head = BytesMut::new();
        init::put(&mut head, &tracks);
        out.extend_from_slice(&head);
        self.begun = true;
    }

    /// Whether a sample begins another fragment.
    fn splits(&self, cut: &Cut) -> bool {
        let run = &self.runs[cut.sense as usize];
        let Some(last) = run.samples.last() else { return false };
        let pause = cut.dts.saturating_sub(last.dts) > PAUSE * i64::from(cut.scale.ticks());
        let long = mpeg(cut.dts.saturating_sub(run.start), cut.scale) >= SOON;
        pause || cut.sense == Sense::Video && cut.key && long
    }

    fn add(&mut self, cut: &Cut) {
        let run = &mut self.runs[cut.sense as usize];
        match run.samples.last_mut() {
            Some(last) => last.duration = u32::try_from(cut.dts.saturating_sub(last.dts)).unwrap_or(u32::MAX),
            None => run.start = cut.dts,
        }
        let data = in_band(cut);
        run.samples.push(Sample {
            dts: cut.dts,
            composition_offset: i32::try_from(cut.pts.saturating_sub(cut.dts)).unwrap_or(i32::MAX),
            duration: u32::try_from(cut.duration).unwrap_or(u32::MAX),
            size: u32::try_from(data.len()).unwrap_or(u32::MAX),
            key: cut.key,
        });
        run.data.push(data);
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        let mut runs = Vec::new();
        for (track, run) in self.tracks.iter().zip(&self.runs) {
            let Some(track) = track.as_ref().filter(|_| !run.samples.is_empty()) else { continue };
            let base = rescaled(self.base, Timescale::MPEG, track.timescale);
            let start = run.start.saturating_add(base).max(0).unsigned_abs();
            runs.push(Run { track: track.id, start, samples: &run.samples });
        }
        if runs.is_empty() {
            return;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let mut head = BytesMut::new();
        // A fragment is at most what may wait, which is far below what a head can tell.
        if chunk::put(&mut head, self.sequence, &runs).is_ok() {
            out.extend_from_slice(&head);
            self.runs.iter().flat_map(|run| &run.data).for_each(|data| out.extend_from_slice(data));
        }
        self.runs = Default::default();
    }
}

/// The track of the first sample as the initialization section has it.
fn said(cut: &Cut, id: u32, base: i64) -> Track {
    let mut track = Track::clone(&cut.track);
    match &mut track.config {
        Config::Avc(config) => config.length_size = 4,
        Config::Hevc(config) => config.length_size = 4,
        _ => {}
    }
    let offset = rescaled(base, Timescale::MPEG, cut.scale).saturating_neg();
    Track {
        id,
        timescale: cut.scale,
        in_band: cut.sense == Sense::Video,
        edit: Edit { offset, duration: None },
        // What is told of the shape and the colours of pictures need not go for those of other renditions.
        extensions: Bytes::new(),
        ..track
    }
}

/// Whether one sample entry does for both.
fn is_same(a: &Config, b: &Config) -> bool {
    match (a, b) {
        (Config::Avc(_), Config::Avc(_))
        | (Config::Hevc(_), Config::Hevc(_))
        | (Config::Av1(_), Config::Av1(_)) => true,
        (Config::Aac(a), Config::Aac(b)) => {
            (a.object_type, a.core_rate, a.channel_config, a.frame_samples)
                == (b.object_type, b.core_rate, b.channel_config, b.frame_samples)
        }
        (Config::Opus(a), Config::Opus(b)) => a.mapping == b.mapping && a.channels() == b.channels(),
        (Config::Ac3(a), Config::Ac3(b)) => {
            a.sample_rate() == b.sample_rate() && a.channels() == b.channels()
        }
        (Config::Eac3(a), Config::Eac3(b)) => a.substreams == b.substreams,
        _ => false,
    }
}

/// The bytes of a sample, with what its decoder has to know in front of a key picture, and with lengths of four bytes.
fn in_band(cut: &Cut) -> Bytes {
    let (coding, size, sets): (_, _, Vec<&Bytes>) = match &cut.track.config {
        Config::Avc(config) => {
            (Coding::Avc, config.length_size, config.sps.iter().chain(&config.pps).collect())
        }
        Config::Hevc(config) => (Coding::Hevc, config.length_size, config.parameter_sets().collect()),
        Config::Av1(config) if cut.key => return with_header(&config.obus, &cut.data),
        _ => return cut.data.clone(),
    };
    let nals = || Lengths::new(&cut.data, size).map_while(Result::ok);
    let bare = cut.key && !nals().any(|nal| coding.begins_sequence(nal));
    if size == 4 && !bare {
        return cut.data.clone();
    }
    let mut data = BytesMut::with_capacity(cut.data.len() + 256);
    if bare {
        sets.into_iter().for_each(|set| put_with_length(set, &mut data));
    }
    if size == 4 {
        data.put_slice(&cut.data);
    } else {
        nals().for_each(|nal| put_with_length(nal, &mut data));
    }
    data.freeze()
}

/// A temporal unit of AV1 with a sequence header.
fn with_header(obus: &Bytes, unit: &Bytes) -> Bytes {
    let has_one = Obus(unit).map_while(Result::ok).any(|(kind, _)| kind == SEQUENCE_HEADER);
    if has_one { unit.clone() } else { [&obus[..], unit].concat().into() }
}

/// The name of what a track holds, for those that are left out.
pub(super) fn left_out(track: &Arc<Track>) -> String {
    format!("{} does not go with what the stream began with", track.codec_string())
}
