//! A rendition: its segments, section behind section, as they are planned from the tables of media.
//!
//! Next to this are its playlists, what is said of it, and the bytes of its segments, by a [`Writer`].

mod playlists;
mod said;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::writer::{Writer, Written};
use super::error::PlanError;
use super::plan::Format;
use super::source::Source;
use super::transport::{Transport, planned_bytes};
use crate::proto::hls::codec::webvtt::{Document, TimestampMap};
use crate::proto::hls::playlist::media::{ByteRange, Date};
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
    /// Sections, one behind the other: decoders begin anew with each.
    Tracks(Vec<Section>),
    Text(Text),
}

/// Segments that have the same initialization section and one timeline.
#[derive(Debug)]
struct Section {
    tracks: Tracks,
    planned: Vec<Planned>,
    /// The number of its first segment.
    first: usize,
    /// The initialization section, if segments need one, and which of the different ones it is.
    init_bytes: Option<Bytes>,
    init: usize,
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
    /// Segments with which a section of the others begins, but for the first.
    breaks: Vec<usize>,
    map: TimestampMap,
}

/// What is known of a segment before it is made.
#[derive(Clone, Debug)]
struct Planned {
    /// The number of its first fragment.
    sequence: u32,
    /// How many there are.
    fragments: u32,
    written: Written,
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
                let written = Written { bytes: planned_bytes(layout, n), i_frames: Vec::new() };
                Planned { sequence: 0, fragments: 0, written }
            }));
        } else {
            let mut sequence = 1u32;
            for n in 0..layout.len() {
                let segment = fmp4::segment(layout, n, sequence, tracks.options).map_err(long)?;
                let written = Written { bytes: segment.bytes(), i_frames: i_frames(layout, n, &segment) };
                let fragments = segment.fragments.len() as u32;
                planned.push(Planned { sequence, fragments, written });
                sequence = sequence.wrapping_add(fragments);
            }
        }
        let init_bytes = (tracks.format == Format::Fmp4).then(|| fmp4::initialization(&tracks.layout));
        let section = Section { tracks, planned, first: 0, init_bytes, init: 0 };
        Ok(Self::of(about, kind, Inside::Tracks(vec![section])))
    }

    pub(super) fn of_text(
        about: About,
        kind: Kind,
        document: Arc<Document>,
        spans: &[(Duration, Duration)],
        start: i64,
    ) -> Self {
        let map = TimestampMap { mpegts: clock::wrap(start), local: 0 };
        let inside = Inside::Text(Text { document, spans: spans.to_vec(), breaks: Vec::new(), map });
        Self::of(about, kind, inside)
    }

    fn of(about: About, kind: Kind, inside: Inside) -> Self {
        Self { about, kind, target_duration: 1, date_time: None, init_name: String::new(), inside }
    }

    /// Whether another one can be put behind it.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let same = std::mem::discriminant(&self.kind) == std::mem::discriminant(&other.kind);
        let shapes =
            |it: &Self| it.tracks().map(|track| std::mem::discriminant(&track.shape)).collect::<Vec<_>>();
        let ours = match &self.inside {
            Inside::Tracks(sections) => {
                sections.first().map_or(0, |section| section.tracks.layout.lanes.len())
            }
            Inside::Text(_) => 0,
        };
        same && self.extension() == other.extension() && shapes(self)[..ours] == shapes(other)[..]
    }

    /// Puts the segments of another one behind its own, with a discontinuity between them.
    pub(super) fn append(&mut self, other: Self) {
        let first = self.len();
        match (&mut self.inside, other.inside) {
            (Inside::Text(text), Inside::Text(other)) => {
                text.breaks.push(first);
                text.spans.extend(other.spans);
            }
            (Inside::Tracks(sections), Inside::Tracks(others)) => {
                for mut section in others {
                    let last = sections.last().and_then(|section| section.planned.last());
                    let sequence =
                        last.map_or(0, |last| last.sequence.wrapping_add(last.fragments).wrapping_sub(1));
                    for planned in &mut section.planned {
                        planned.sequence = planned.sequence.wrapping_add(sequence);
                    }
                    let same = |known: &&Section| known.init_bytes == section.init_bytes;
                    let known = sections.iter().find(same).map(|known| known.init);
                    let next = sections.iter().map(|known| known.init + 1).max().unwrap_or(0);
                    section.init = known.unwrap_or(next);
                    section.first += first;
                    sections.push(section);
                }
            }
            (Inside::Text(_) | Inside::Tracks(_), _) => {}
        }
    }

    /// The section that segment `n` is in, which one that is, and which of its segments.
    fn section(&self, n: usize) -> Option<(usize, &Section, usize)> {
        let Inside::Tracks(sections) = &self.inside else { return None };
        let at = sections.partition_point(|section| section.first <= n).checked_sub(1)?;
        let section = sections.get(at)?;
        let n = n - section.first;
        (n < section.planned.len()).then_some((at, section, n))
    }

    fn sections(&self) -> &[Section] {
        match &self.inside {
            Inside::Tracks(sections) => sections,
            Inside::Text(_) => &[],
        }
    }

    /// Whether something else begins with segment `n`: times, or codings.
    fn breaks_at(&self, n: usize) -> bool {
        match &self.inside {
            Inside::Tracks(_) => self.section(n).is_some_and(|(at, _, into)| at > 0 && into == 0),
            Inside::Text(text) => text.breaks.binary_search(&n).is_ok(),
        }
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
            Inside::Tracks(sections) => sections.last().map_or(0, |last| last.first + last.planned.len()),
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
            Inside::Tracks(_) => {
                self.section(n).map_or(Duration::ZERO, |(_, it, n)| it.tracks.layout.duration(n))
            }
            Inside::Text(text) => text.spans.get(n).map_or(Duration::ZERO, |(_, duration)| *duration),
        }
    }

    /// When segment `n` begins, from the beginning of the presentation.
    fn begin(&self, n: usize) -> Duration {
        match &self.inside {
            Inside::Tracks(_) => self.section(n).map_or(Duration::ZERO, |(_, section, n)| {
                let layout = &section.tracks.layout;
                span(layout.timescale(), 0, layout.start(n))
            }),
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
            Inside::Tracks(sections) if sections.iter().any(|it| it.tracks.format == Format::Ts) => "ts",
            Inside::Tracks(_) => "m4s",
        }
    }

    /// The initialization sections that are different, with their names in the folder; none if segments need none.
    #[must_use]
    pub fn inits(&self) -> Vec<(String, Bytes)> {
        let mut inits: Vec<(String, Bytes)> = Vec::new();
        for section in self.sections() {
            if section.init == inits.len() {
                let Some(bytes) = section.init_bytes.clone() else { break };
                inits.push((self.init_name(section.init), bytes));
            }
        }
        inits
    }

    /// Which of the initialization sections segment `n` needs.
    #[must_use]
    pub fn init_of(&self, n: usize) -> Option<usize> {
        let (_, section, _) = self.section(n)?;
        (section.tracks.format == Format::Fmp4).then_some(section.init)
    }

    fn init_name(&self, number: usize) -> String {
        let name = &self.init_name;
        if number == 0 {
            return name.clone();
        }
        match name.rsplit_once('.') {
            Some((stem, extension)) => format!("{stem}-{}.{extension}", number + 1),
            None => format!("{name}-{}", number + 1),
        }
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
