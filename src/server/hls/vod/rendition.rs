//! A rendition: its playlists, its initialization section, and the bytes of its segments.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::copy::Copier;
use super::error::{PlanError, SegmentError};
use super::plan::Format;
use super::source::Source;
use super::transport::Transport;
use crate::proto::hls::codec::webvtt::{Document, TimestampMap};
use crate::proto::hls::playlist::media::{ByteRange, Date, Map, MediaPlaylist, PlaylistKind, Segment};
use crate::proto::hls::playlist::multivariant::Resolution;
use crate::proto::hls::track::{Config, Shape, Track};
use crate::proto::hls::ts::clock;
use crate::proto::hls::vod::fmp4;
use crate::proto::hls::vod::layout::{Layout, span};

/// What is said of a rendition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The folder that it is in: no other rendition has the same.
    pub folder: String,
    /// Its name for people.
    pub name: String,
    /// Its language, by BCP 47.
    pub language: Option<String>,
    /// Whether it is played when nobody chooses.
    pub default: bool,
    /// Whether it has to be shown.
    pub forced: bool,
}

/// What a rendition is among the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One that is chosen by how fast the network is, with the groups that are played with it.
    Variant {
        /// The group of its sound, when that is not within.
        audio: Option<String>,
        /// The group of its subtitles.
        subtitles: Option<String>,
    },
    /// A sound that is played with variants.
    Audio {
        /// Its group.
        group: String,
    },
    /// Subtitles.
    Subtitles {
        /// Their group.
        group: String,
    },
}

/// A rendition.
#[derive(Debug)]
pub struct Rendition {
    /// What is said of it.
    pub about: About,
    /// What it is.
    pub kind: Kind,
    /// The target duration of all renditions, in seconds.
    pub(super) target_duration: u64,
    /// The date at which the presentation begins.
    pub(super) date_time: Option<Date>,
    /// The name of the initialization section.
    pub(super) init_name: String,
    inside: Inside,
}

#[derive(Debug)]
enum Inside {
    Tracks(Box<Tracks>, Vec<Planned>),
    Text(Text),
}

/// Pictures or sound.
#[derive(Debug)]
pub(super) struct Tracks {
    pub(super) layout: Layout,
    /// Where samples are, track by track.
    pub(super) sources: Vec<Arc<Source>>,
    /// By how much samples are decoded earlier in MPEG-TS, track by track.
    pub(super) leads: Vec<i64>,
    pub(super) format: Format,
    /// What is added to times in MPEG-TS.
    pub(super) start: i64,
    pub(super) options: fmp4::Options,
    /// Samples a second of the track that leads.
    pub(super) rate: f64,
    /// Whether each segment can be decoded without another one.
    pub(super) independent: bool,
}

/// Subtitles.
#[derive(Debug)]
struct Text {
    document: Arc<Document>,
    /// When each segment begins, and how long it is.
    spans: Vec<(Duration, Duration)>,
    map: TimestampMap,
}

/// What is known of a segment before it is made.
#[derive(Clone, Debug)]
struct Planned {
    /// The number of its first fragment.
    sequence: u32,
    written: Written,
}

/// What a segment came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Its bytes.
    pub bytes: u64,
    /// Pictures that need no other one: which bytes of it they are, and how long it is until the next one.
    pub i_frames: Vec<(ByteRange, Duration)>,
}

impl Rendition {
    pub(super) fn of_tracks(about: About, kind: Kind, tracks: Tracks, name: &str) -> Result<Self, PlanError> {
        let long = |why| PlanError::Long { name: name.to_owned(), why };
        let layout = &tracks.layout;
        let mut planned = Vec::with_capacity(layout.len());
        if tracks.format == Format::Ts {
            let coding = |why| PlanError::Coding { name: name.to_owned(), why };
            Transport::new(layout, tracks.start).map_err(coding)?;
            planned.extend((0..layout.len()).map(|n| {
                let written = Written { bytes: transport_bytes(layout, n), i_frames: Vec::new() };
                Planned { sequence: 0, written }
            }));
        } else {
            let mut sequence = 1u32;
            for n in 0..layout.len() {
                let segment = fmp4::segment(layout, n, sequence, tracks.options).map_err(long)?;
                let written = Written { bytes: segment.bytes(), i_frames: i_frames(layout, n, &segment) };
                planned.push(Planned { sequence, written });
                sequence = sequence.wrapping_add(segment.fragments.len() as u32);
            }
        }
        let inside = Inside::Tracks(Box::new(tracks), planned);
        Ok(Self::of(about, kind, inside))
    }

    pub(super) fn of_text(
        about: About,
        kind: Kind,
        document: Arc<Document>,
        spans: &[(Duration, Duration)],
        start: i64,
    ) -> Self {
        let map = TimestampMap { mpegts: clock::wrap(start), local: 0 };
        let inside = Inside::Text(Text { document, spans: spans.to_vec(), map });
        Self::of(about, kind, inside)
    }

    fn of(about: About, kind: Kind, inside: Inside) -> Self {
        Self { about, kind, target_duration: 1, date_time: None, init_name: String::new(), inside }
    }

    /// The folder that it is in.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.about.folder
    }

    /// Segments.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.inside {
            Inside::Tracks(tracks, _) => tracks.layout.len(),
            Inside::Text(text) => text.spans.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long segments are.
    pub(super) fn durations(&self) -> Vec<Duration> {
        (0..self.len()).map(|n| self.duration(n)).collect()
    }

    /// How long segment `n` is.
    #[must_use]
    pub fn duration(&self, n: usize) -> Duration {
        match &self.inside {
            Inside::Tracks(tracks, _) => tracks.layout.duration(n),
            Inside::Text(text) => text.spans.get(n).map_or(Duration::ZERO, |(_, duration)| *duration),
        }
    }

    /// When segment `n` begins, from the beginning of the presentation.
    fn begin(&self, n: usize) -> Duration {
        match &self.inside {
            Inside::Tracks(tracks, _) => span(tracks.layout.timescale(), 0, tracks.layout.start(n)),
            Inside::Text(text) => text.spans.get(n).map_or(Duration::ZERO, |(begin, _)| *begin),
        }
    }

    /// The name of segment `n` in the folder.
    #[must_use]
    pub fn segment_name(&self, n: usize) -> String {
        format!("{:05}.{}", n + 1, self.extension())
    }

    /// How the names of segments end.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        match &self.inside {
            Inside::Text(_) => "vtt",
            Inside::Tracks(tracks, _) if tracks.format == Format::Ts => "ts",
            Inside::Tracks(..) => "m4s",
        }
    }

    /// The name of the initialization section in the folder, if segments need one.
    #[must_use]
    pub fn init_name(&self) -> Option<&str> {
        (self.extension() == "m4s").then_some(&self.init_name)
    }

    /// The initialization section, if segments need one.
    #[must_use]
    pub fn init(&self) -> Option<Bytes> {
        match &self.inside {
            Inside::Tracks(tracks, _) if tracks.format == Format::Fmp4 => {
                Some(fmp4::initialization(&tracks.layout))
            }
            Inside::Tracks(..) | Inside::Text(_) => None,
        }
    }

    /// The tracks in its segments, that which leads first.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> {
        let lanes = match &self.inside {
            Inside::Tracks(tracks, _) => &tracks.layout.lanes[..],
            Inside::Text(_) => &[],
        };
        lanes.iter().map(|lane| &lane.track)
    }

    /// What has to be decoded, by RFC 6381, one entry a coding.
    #[must_use]
    pub fn codecs(&self) -> Vec<String> {
        let mut codecs: Vec<String> = self.tracks().map(Track::codec_string).collect();
        codecs.dedup();
        codecs
    }

    /// The size of its pictures, as they are shown.
    #[must_use]
    pub fn resolution(&self) -> Option<Resolution> {
        self.tracks().find_map(|track| match track.shape {
            Shape::Video { width, height } => {
                let coded = match &track.config {
                    Config::Avc(config) => config.size(),
                    Config::Hevc(config) => config.size(),
                    _ => None,
                };
                let (width, height) = coded.unwrap_or((width.into(), height.into()));
                let (width, height) =
                    if track.matrix.is_sideways() { (height, width) } else { (width, height) };
                Some(Resolution { width: width.into(), height: height.into() })
            }
            Shape::Audio { .. } | Shape::Text => None,
        })
    }

    /// Pictures a second, to three digits behind the point.
    #[must_use]
    pub fn frame_rate(&self) -> Option<f64> {
        let Inside::Tracks(tracks, _) = &self.inside else { return None };
        self.resolution()?;
        Some((tracks.rate * 1000.0).round() / 1000.0).filter(|rate| *rate > 0.0)
    }

    /// Channels of its sound.
    #[must_use]
    pub fn channels(&self) -> Option<u16> {
        self.tracks().find_map(|track| match track.shape {
            Shape::Audio { channels, .. } => Some(channels).filter(|channels| *channels > 0),
            Shape::Video { .. } | Shape::Text => None,
        })
    }

    /// Whether each segment can be decoded without another one.
    #[must_use]
    pub fn is_independent(&self) -> bool {
        match &self.inside {
            Inside::Tracks(tracks, _) => tracks.independent,
            Inside::Text(_) => true,
        }
    }

    /// What its segments come to: of fMP4 exactly, of MPEG-TS about (a few hundredths more than they will have), of subtitles by making them.
    #[must_use]
    pub fn planned(&self) -> Vec<Written> {
        match &self.inside {
            Inside::Tracks(_, planned) => planned.iter().map(|planned| planned.written.clone()).collect(),
            Inside::Text(text) => (0..text.spans.len())
                .map(|n| Written { bytes: text.segment(n).len() as u64, i_frames: Vec::new() })
                .collect(),
        }
    }

    /// Its media playlist.
    #[must_use]
    pub fn playlist(&self) -> MediaPlaylist {
        let map = self
            .init_name()
            .map(|uri| Arc::new(Map { uri: uri.to_owned(), byte_range: None, keys: Arc::default() }));
        let segments = (0..self.len()).map(|n| Segment {
            uri: self.segment_name(n),
            duration: self.duration(n),
            map: map.clone(),
            program_date_time: self.date_at(self.begin(n)),
            ..Segment::default()
        });
        MediaPlaylist {
            target_duration: self.target_duration,
            kind: Some(PlaylistKind::Vod),
            ended: true,
            independent_segments: self.is_independent(),
            segments: segments.collect(),
            ..MediaPlaylist::default()
        }
    }

    fn date_at(&self, at: Duration) -> Option<Date> {
        self.date_time?.checked_add_signed(chrono::TimeDelta::from_std(at).ok()?)
    }

    /// A playlist of the pictures that need no other one, by what segments came to; `None` when that is not known, or there are none.
    #[must_use]
    pub fn i_frames(&self, written: &[Written]) -> Option<MediaPlaylist> {
        let mut playlist = self.playlist();
        let mut segments = Vec::new();
        for (whole, written) in playlist.segments.iter().zip(written) {
            for (index, (range, duration)) in written.i_frames.iter().enumerate() {
                segments.push(Segment {
                    duration: *duration,
                    byte_range: Some(*range),
                    program_date_time: whole.program_date_time.filter(|_| index == 0),
                    ..whole.clone()
                });
            }
        }
        playlist.segments = segments;
        playlist.i_frames_only = true;
        playlist.independent_segments = false;
        let every =
            (0..self.len()).all(|n| written.get(n).is_some_and(|written| !written.i_frames.is_empty()));
        (every && !playlist.segments.is_empty()).then_some(playlist)
    }

    /// Writes segments one after the other.
    ///
    /// # Errors
    /// A coding cannot be in MPEG-TS.
    pub fn writer(&self) -> Result<Writer<'_>, SegmentError> {
        let transport = match &self.inside {
            Inside::Tracks(tracks, _) if tracks.format == Format::Ts => {
                let name = tracks.sources.first().map_or("", |source| source.name());
                let failed = |why| SegmentError::Mux { name: name.to_owned(), number: 0, at: 0, why };
                Some(Transport::new(&tracks.layout, tracks.start).map_err(failed)?)
            }
            _ => None,
        };
        Ok(Writer { rendition: self, transport, copier: Copier::default() })
    }

    /// Segment `n` by itself. In MPEG-TS the counters of its packets go on from segment to segment when all are made so.
    ///
    /// # Errors
    /// There is none of that number, or its samples cannot be read.
    pub fn segment(&self, n: usize) -> Result<Bytes, SegmentError> {
        let mut out = Vec::new();
        if let Inside::Tracks(_, planned) = &self.inside {
            let bytes = planned.get(n).map_or(0, |planned| planned.written.bytes);
            out.reserve(usize::try_from(bytes).unwrap_or(0));
        }
        let mut writer = self.writer()?;
        writer.transport = writer.transport.map(|transport| transport.apart(n));
        writer.write(n, &mut out)?;
        Ok(out.into())
    }
}

/// Writes the segments of a rendition.
#[derive(Debug)]
pub struct Writer<'a> {
    rendition: &'a Rendition,
    transport: Option<Transport>,
    copier: Copier,
}

impl Writer<'_> {
    /// Writes segment `n`.
    ///
    /// # Errors
    /// There is none of that number, its samples cannot be read, or it cannot be written.
    pub fn write(&mut self, n: usize, out: &mut impl Write) -> Result<Written, SegmentError> {
        if n >= self.rendition.len() {
            return Err(SegmentError::None(n));
        }
        let (tracks, planned) = match &self.rendition.inside {
            Inside::Text(text) => {
                let segment = text.segment(n);
                out.write_all(segment.as_bytes()).map_err(SegmentError::Write)?;
                return Ok(Written { bytes: segment.len() as u64, i_frames: Vec::new() });
            }
            Inside::Tracks(tracks, planned) => (tracks, planned),
        };
        let (layout, sources) = (&tracks.layout, &tracks.sources);
        if let Some(transport) = &mut self.transport {
            let sizes = transport.segment(layout, n, sources, &tracks.leads, out)?;
            let range = |length| (ByteRange { length, offset: 0 }, layout.duration(n));
            let i_frames = sizes.first.map(range).into_iter().collect();
            return Ok(Written { bytes: sizes.bytes, i_frames });
        }
        let planned = planned.get(n).ok_or(SegmentError::None(n))?;
        let segment = fmp4::segment(layout, n, planned.sequence, tracks.options)?;
        self.copier.put(&segment.head, out)?;
        for fragment in &segment.fragments {
            self.copier.put(&fragment.head, out)?;
            self.copier.copy(&fragment.extents, sources, out)?;
        }
        self.copier.flush(out)?;
        Ok(planned.written.clone())
    }
}

impl Text {
    fn segment(&self, n: usize) -> String {
        let (from, duration) = self.spans.get(n).copied().unwrap_or_default();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.document.segment(millis(from), millis(from + duration), self.map)
    }
}

/// The pictures of a segment that need no other one: one a fragment.
fn i_frames(layout: &Layout, n: usize, segment: &fmp4::Segment) -> Vec<(ByteRange, Duration)> {
    let mut offset = segment.head.len() as u64;
    let mut found = Vec::new();
    for (index, fragment) in segment.fragments.iter().enumerate() {
        if let Some(length) = fragment.i_frame {
            found.push((ByteRange { length, offset }, fmp4::duration(layout, n, segment, index)));
        }
        offset += fragment.bytes;
    }
    found
}

/// About how many bytes of MPEG-TS segment `n` has: not fewer than it will have.
fn transport_bytes(layout: &Layout, n: usize) -> u64 {
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
