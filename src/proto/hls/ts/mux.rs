//! A transport stream, written: samples as MP4 has them in, packets out.
//!
//! A segment begins with the tables; counters and times go on from segment to segment, as RFC 8216 section 3 asks. Each picture is a
//! PES packet behind an access unit delimiter, and behind the parameter sets if it is a key frame. Frames of sound are gathered, so
//! that headers and stuffing do not weigh more than they do. The clock is that of the first video, or else of the first sound. Segments can also be
//! written [apart](Muxer::apart), by whoever is asked for one: then counters go on by being 0 at the beginning of each.

mod change;

use super::super::codec::ac3::FRAME_SAMPLES;
use super::super::codec::access::{Coding, Role};
use super::super::codec::{Error as CodecError, adts, nal};
use super::super::track::{Config, Language, MAX_TICKS, Timescale, Track};
use super::clock::wrap;
use super::pes;
use super::psi::{Kind, Map, Stream, write_map, write_programs};
use super::write::{Marks, Writer};

/// Ticks of 90 kHz that are added to all times by default, so that none is below 0 and the clock can run ahead: 1.4 s, as ffmpeg has
/// it.
pub const START: i64 = 126_000;

/// Ticks of 90 kHz by which the clock is behind the decode times: what a decoder has to buffer. 0.7 s, as in ffmpeg.
const AHEAD: i64 = 63_000;

/// Ticks of 90 kHz from one clock reference to the next, at most: 100 ms (section 2.7.2).
const CLOCK_STEP: i64 = 9000;

/// A step of time that is not bridged by clock references: another timeline.
const CLOCK_JUMP: i64 = 10 * 90_000;

/// Ticks of 90 kHz of sound in a PES packet at most: 170 ms.
const SOUND_SPAN: i64 = 15_300;

/// Parts of a second by which a frame of sound may be off the end of the one before and still be of the same PES packet: what a
/// container that counts in milliseconds rounds away.
const MILLIS: u32 = 1000;

/// Bytes of sound in a PES packet at most: its length has 16 bits.
const SOUND_BYTES: usize = 60_000;

/// The packet identifier of the program map.
const MAP_PID: u16 = 0x1000;
/// The packet identifier of the first track; the others follow.
const FIRST_PID: u16 = 0x100;
/// Tracks at most.
const MAX_TRACKS: usize = 32;

/// Why something cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// MPEG-TS as HLS has it cannot carry this coding.
    #[error("{0} cannot be carried in MPEG-TS")]
    Coding(String),
    /// There are more tracks than have room.
    #[error("{0} tracks are more than the {MAX_TRACKS} that a program can have here")]
    Tracks(usize),
    /// A sample is presented before it is decoded.
    #[error("a sample of track {track} is decoded at {dts} and presented at {pts}, which is before")]
    Order {
        /// The track, by its place.
        track: usize,
        /// Its decode time, in ticks of the track.
        dts: i64,
        /// Its presentation time.
        pts: i64,
    },
    /// A time cannot be told in ticks of 90 kHz.
    #[error("a sample of track {track} is at {dts}, which is out of reach")]
    Time {
        /// The track, by its place.
        track: usize,
        /// Its decode time, in ticks of the track.
        dts: i64,
    },
    /// A frame of sound, or a tag, is longer than a packet can be.
    #[error("{0} bytes are too many for a PES packet")]
    Long(usize),
    /// There is no such track.
    #[error("there is no track {0}")]
    NoTrack(usize),
    /// A sample or a configuration is not sound.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// How a stream is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Ticks of 90 kHz that are added to all times. All renditions of a presentation need the same.
    pub start: i64,
    /// Whether there is a stream of ID3 tags, for [`Muxer::write_metadata`].
    pub metadata: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { start: START, metadata: false }
    }
}

/// A sample to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When it is decoded, in ticks of its track.
    pub dts: i64,
    /// When it is presented: not before.
    pub pts: i64,
    /// Whether decoding can begin here.
    pub key: bool,
    /// Its bytes, as MP4 has them.
    pub data: &'a [u8],
}

/// Writes transport streams.
#[derive(Debug)]
pub struct Muxer {
    options: Options,
    tables: [(Writer, Vec<u8>); 2],
    /// What the second of them says, and its version.
    map: Map,
    version: u8,
    tracks: Vec<Out>,
    /// One for each track.
    writers: Vec<Writer>,
    /// The track whose packets carry the clock.
    clock: usize,
    /// The last clock reference, in ticks of 90 kHz.
    last_clock: Option<i64>,
    metadata: Option<Writer>,
    /// Whether the counters of tracks come to 0 at the end of each segment.
    aligned: bool,
}

/// A track.
#[derive(Debug)]
struct Out {
    pid: u16,
    kind: Kind,
    stream_id: u8,
    scale: Timescale,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Video {
        coding: Coding,
        length_size: u8,
        /// What stands in front of a picture, and of a key frame.
        delimiter: &'static [u8],
        front: Vec<u8>,
    },
    Sound(Sound),
}

/// Sound that is gathered.
#[derive(Debug)]
struct Sound {
    adts: Option<adts::Template>,
    /// Ticks of a frame, in the scale of the track.
    frame: i64,
    /// Ticks of 90 kHz of a PES packet at most.
    span: i64,
    held: Vec<u8>,
    /// When what is held begins, in ticks of the track.
    from: i64,
    /// And when it ends.
    until: i64,
}

const AVC_DELIMITER: &[u8] = &[0, 0, 0, 1, 0x09, 0xf0];
const HEVC_DELIMITER: &[u8] = &[0, 0, 0, 1, 0x46, 0x01, 0x50];

impl Muxer {
    /// A stream of such tracks. They are known by their place from here on, and have the packet identifiers from 0x100 on.
    ///
    /// # Errors
    /// Too many tracks, or a coding that MPEG-TS does not carry.
    pub fn new(tracks: &[Track], options: Options) -> Result<Self, Error> {
        if tracks.len() > MAX_TRACKS {
            return Err(Error::Tracks(tracks.len()));
        }
        let clock = tracks
            .iter()
            .position(|track| matches!(track.config, Config::Avc(_) | Config::Hevc(_)))
            .unwrap_or(0);
        let (mut outs, mut writers, mut streams) = (Vec::new(), Vec::new(), Vec::new());
        let (mut videos, mut sounds) = (0, 0);
        for ((at, track), pid) in tracks.iter().enumerate().zip(FIRST_PID..MAP_PID) {
            let (kind, body) = body(track, at == clock)?;
            let stream_id = stream_id(kind, &mut videos, &mut sounds);
            writers.push(Writer::new(pid));
            outs.push(Out { pid, kind, stream_id, scale: track.timescale, body });
            streams.push(Stream { pid, kind, language: track.language });
        }
        let metadata_pid = FIRST_PID + tracks.len() as u16;
        if options.metadata {
            streams.push(Stream { pid: metadata_pid, kind: Kind::Id3, language: Language::UNDETERMINED });
        }
        let map = Map { program: 1, pcr_pid: FIRST_PID + clock as u16, streams };
        Ok(Self {
            options,
            tables: [
                (Writer::new(0), pointed(write_programs(1, MAP_PID))),
                (Writer::new(MAP_PID), pointed(write_map(&map, 0))),
            ],
            map,
            version: 0,
            tracks: outs,
            writers,
            clock,
            last_clock: None,
            metadata: options.metadata.then(|| Writer::new(metadata_pid)),
            aligned: false,
        })
    }

    /// Begins with segment `number`, counted from 0, of a stream whose segments can be written apart and in any order: the counters go on from
    /// one to the next all the same, as each track has a multiple of 16 packets in a segment. For that the last sample of each picture track in a
    /// segment has to be written by [`Muxer::write_last`]. Metadata have no part in it.
    #[must_use]
    pub fn apart(mut self, number: usize) -> Self {
        // The tables have a packet each in every segment.
        for (writer, _) in &mut self.tables {
            writer.count_from((number & 0x0f) as u8);
        }
        self.aligned = true;
        self
    }

    /// Begins a segment: the tables.
    pub fn start_segment(&mut self, out: &mut Vec<u8>) {
        for (writer, section) in &mut self.tables {
            writer.put(&[&*section], Marks::default(), out);
        }
    }

    /// Ends a segment: sound that is held is written.
    pub fn end_segment(&mut self, out: &mut Vec<u8>) {
        for track in 0..self.tracks.len() {
            self.flush(track, self.aligned, out);
        }
    }

    /// Writes a sample of the track in that place. Samples of a track come in the order in which they are decoded.
    ///
    /// # Errors
    /// The sample is not sound, or its times are not; nothing of it was written.
    pub fn write(&mut self, track: usize, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        self.write_sample(track, frame, false, out)
    }

    /// Writes the last sample that a track has in this segment. Where segments are not written [apart](Muxer::apart) it is like any other.
    ///
    /// # Errors
    /// As for [`Muxer::write`].
    pub fn write_last(&mut self, track: usize, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        self.write_sample(track, frame, self.aligned, out)
    }

    fn write_sample(
        &mut self,
        track: usize,
        frame: &Frame<'_>,
        align: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let target = self.tracks.get(track).ok_or(Error::NoTrack(track))?;
        if frame.pts < frame.dts {
            return Err(Error::Order { track, dts: frame.dts, pts: frame.pts });
        }
        let time = |ticks| {
            let time = self.options.start.checked_add(target.scale.rescale(ticks, Timescale::MPEG)?)?;
            (time.unsigned_abs() <= MAX_TICKS.unsigned_abs()).then_some(time)
        };
        let (Some(dts), Some(pts)) = (time(frame.dts), time(frame.pts)) else {
            return Err(Error::Time { track, dts: frame.dts });
        };
        match &target.body {
            Body::Video { .. } => self.write_picture(track, frame, (dts, pts), align, out),
            Body::Sound(_) => self.write_sound(track, frame, out),
        }
    }

    /// Writes an ID3 tag that counts from `pts` on, in ticks of 90 kHz.
    ///
    /// # Errors
    /// The tag is too long, or the stream was made without metadata.
    pub fn write_metadata(&mut self, pts: i64, tag: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        if tag.len() > SOUND_BYTES {
            return Err(Error::Long(tag.len()));
        }
        let writer = self.metadata.as_mut().ok_or(Error::NoTrack(self.tracks.len()))?;
        let pts = wrap(pts.saturating_add(self.options.start));
        let (header, size) = pes::write(pes::PRIVATE, tag.len(), pts, pts);
        writer.put(&[&header[..size], tag], Marks::default(), out);
        Ok(())
    }

    fn write_picture(
        &mut self,
        track: usize,
        frame: &Frame<'_>,
        times: (i64, i64),
        align: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let (dts, pts) = times;
        let target = &self.tracks[track];
        let Body::Video { coding, length_size, delimiter, front } = &target.body else { return Ok(()) };
        let mut parts: Vec<&[u8]> = Vec::with_capacity(16);
        parts.extend([&[][..], front]);
        let mut plain = !frame.key;
        for unit in nal::Lengths::new(frame.data, *length_size) {
            let unit = unit?;
            match coding.role(unit) {
                None | Some(Role::Delimiter) => continue,
                // A sample that begins a sequence itself needs no other.
                Some(Role::Parameters) => plain |= coding.begins_sequence(unit),
                Some(_) => {}
            }
            parts.extend([&nal::START_CODE[1..], unit]);
        }
        if plain {
            parts[1] = delimiter;
        }
        let size = parts.iter().map(|part| part.len()).sum();
        let (header, length) = pes::write(target.stream_id, size, wrap(pts), wrap(dts));
        parts[0] = &header[..length];
        let writer = &mut self.writers[track];
        let clock = (track == self.clock).then(|| tick(&mut self.last_clock, dts, writer, out));
        let marks = Marks { clock, random_access: frame.key };
        if align {
            writer.put_aligned(&parts, marks, out);
        } else {
            writer.put(&parts, marks, out);
        }
        Ok(())
    }

    fn write_sound(&mut self, track: usize, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let Body::Sound(sound) = &self.tracks[track].body else { return Ok(()) };
        let header = sound.adts.as_ref().map(|adts| adts.header(frame.data.len()));
        if header == Some(None) || frame.data.len() > SOUND_BYTES {
            return Err(Error::Long(frame.data.len()));
        }
        let scale = self.tracks[track].scale;
        let apart = frame.dts.abs_diff(sound.until) > u64::from(scale.ticks() / MILLIS);
        let length = frame.dts.saturating_add(sound.frame).saturating_sub(sound.from);
        let long = scale.rescale(length, Timescale::MPEG).is_none_or(|length| length > sound.span);
        if apart || long || sound.held.len() + frame.data.len() > SOUND_BYTES {
            self.flush(track, false, out);
        }
        let Body::Sound(sound) = &mut self.tracks[track].body else { return Ok(()) };
        if sound.held.is_empty() {
            sound.from = frame.dts;
        }
        sound.until = frame.dts.saturating_add(sound.frame);
        sound.held.extend_from_slice(header.flatten().as_ref().map_or(&[], |header| &header[..]));
        sound.held.extend_from_slice(frame.data);
        Ok(())
    }

    /// Writes the sound that a track holds.
    fn flush(&mut self, track: usize, align: bool, out: &mut Vec<u8>) {
        let Out { stream_id, scale, body, .. } = &mut self.tracks[track];
        let Body::Sound(sound) = body else { return };
        if sound.held.is_empty() {
            return;
        }
        let from =
            scale.rescale(sound.from, Timescale::MPEG).unwrap_or_default().saturating_add(self.options.start);
        let (header, length) = pes::write(*stream_id, sound.held.len(), wrap(from), wrap(from));
        let writer = &mut self.writers[track];
        let clock = (track == self.clock).then(|| tick(&mut self.last_clock, from, writer, out));
        let marks = Marks { clock, random_access: clock.is_some() };
        let parts = [&header[..length], &sound.held];
        if align {
            writer.put_aligned(&parts, marks, out);
        } else {
            writer.put(&parts, marks, out);
        }
        sound.held.clear();
    }
}

/// The clock reference of what is decoded at `dts`. References come in front if it is long since the last.
fn tick(last: &mut Option<i64>, dts: i64, writer: &mut Writer, out: &mut Vec<u8>) -> u64 {
    if let Some(mut time) = last.filter(|last| (0..CLOCK_JUMP).contains(&(dts - last))) {
        while dts - time > CLOCK_STEP {
            time += CLOCK_STEP;
            writer.put_clock(wrap(time - AHEAD), out);
        }
    }
    *last = Some(dts);
    wrap(dts.saturating_sub(AHEAD))
}

/// A section behind a pointer of one byte.
fn pointed(section: Vec<u8>) -> Vec<u8> {
    [vec![0], section].concat()
}

/// The `stream_id` of the next stream of that kind.
fn stream_id(kind: Kind, videos: &mut u8, sounds: &mut u8) -> u8 {
    match kind {
        Kind::Avc | Kind::Hevc => pes::VIDEO + next(videos, 16),
        Kind::Aac => pes::AUDIO + next(sounds, 32),
        Kind::Ac3 | Kind::Eac3 | Kind::Id3 | Kind::Other(_) => pes::PRIVATE,
    }
}

/// How the samples of a track become PES packets.
fn body(track: &Track, clock: bool) -> Result<(Kind, Body), Error> {
    let video =
        |coding, length_size, delimiter: &'static [u8], sets: &mut dyn Iterator<Item = &bytes::Bytes>| {
            let mut front = delimiter.to_vec();
            for set in sets {
                front.extend_from_slice(&nal::START_CODE);
                front.extend_from_slice(set);
            }
            Body::Video { coding, length_size, delimiter, front }
        };
    let sound = |adts, samples: u32, rate: u32| {
        let scale = Timescale::new(rate).unwrap_or(Timescale::MPEG);
        let frame = scale.rescale(samples.into(), track.timescale).unwrap_or_default();
        let span = if clock { CLOCK_STEP } else { SOUND_SPAN };
        Body::Sound(Sound { adts, frame, span, held: Vec::new(), from: 0, until: 0 })
    };
    Ok(match &track.config {
        Config::Avc(config) => {
            let mut sets = config.sps.iter().chain(&config.pps);
            (Kind::Avc, video(Coding::Avc, config.length_size, AVC_DELIMITER, &mut sets))
        }
        Config::Hevc(config) => {
            let mut sets = config.parameter_sets();
            (Kind::Hevc, video(Coding::Hevc, config.length_size, HEVC_DELIMITER, &mut sets))
        }
        Config::Aac(config) => {
            let adts = adts::Template::new(config)?;
            (Kind::Aac, sound(Some(adts), config.frame_samples.into(), config.core_rate))
        }
        Config::Ac3(config) => (Kind::Ac3, sound(None, FRAME_SAMPLES, config.sample_rate())),
        Config::Eac3(config) => (Kind::Eac3, sound(None, FRAME_SAMPLES, config.sample_rate())),
        other => return Err(Error::Coding(other.codec_string())),
    })
}

/// The next number below `most`; then all share the last.
fn next(count: &mut u8, most: u8) -> u8 {
    let number = *count;
    *count = (number + 1).min(most - 1);
    number
}

#[cfg(test)]
mod tests;
