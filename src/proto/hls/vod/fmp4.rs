//! Segments of CMAF, laid out: fragments with their heads, and where the bytes of their samples lie (ISO/IEC 23000-19 section 7.3).
//!
//! A fragment begins at each key picture, but not sooner than a second after the one before: so a playlist of I-frames can name each of them as a range of bytes, which
//! begins with a `moof`, or with the ID3 tags in front of it. All sizes are known without reading a sample.
//!
//! A track that begins later than the presentation is decoded later, too: players of the web pass over a pause in an edit list.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::layout::{Layout, Tag, span};
use crate::proto::hls::mp4::chunk::{self, Run, Unwritable};
use crate::proto::hls::mp4::init;
use crate::proto::hls::mp4::segment::{self, Entry, Piece};
use crate::proto::hls::mp4::table::Located;
use crate::proto::hls::track::{Sample, Timescale, Track};

/// Bytes of one track that lie together in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The track, by its place in the rendition.
    pub lane: usize,
    /// Where they begin.
    pub at: u64,
    /// How many.
    pub bytes: u64,
}

/// A fragment.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// What is in front of the samples.
    pub head: Bytes,
    /// The samples.
    pub extents: Vec<Extent>,
    /// Bytes of head and samples.
    pub bytes: u64,
    /// When it begins to be presented, in ticks of the track that leads.
    pub start: i64,
    /// Bytes from its begin to the end of its first picture, if that is a key picture.
    pub i_frame: Option<u64>,
}

/// A segment: `styp`, an index if wanted, and fragments.
#[derive(Clone, Debug)]
pub struct Segment {
    /// What is in front of the first fragment.
    pub head: Bytes,
    /// The fragments.
    pub fragments: Vec<Fragment>,
}

impl Segment {
    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.head.len() as u64 + self.fragments.iter().map(|fragment| fragment.bytes).sum::<u64>()
    }
}

/// How segments are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether an index stands in front of the fragments.
    pub index: bool,
}

/// The initialization section of all segments.
#[must_use]
pub fn initialization(layout: &Layout) -> Bytes {
    let mut tracks: Vec<Track> = layout.lanes.iter().map(|lane| lane.track.clone()).collect();
    tracks.iter_mut().for_each(|track| track.edit.offset = track.edit.offset.min(0));
    let mut out = BytesMut::new();
    init::put(&mut out, &tracks);
    out.freeze()
}

/// How many fragments segment `n` has.
#[must_use]
pub fn count(layout: &Layout, n: usize) -> u32 {
    starts(layout, n).len() as u32
}

/// Lays out segment `n`, whose first fragment has the number `sequence`.
///
/// # Errors
/// A fragment or a segment is too long for its heads.
pub fn segment(layout: &Layout, n: usize, sequence: u32, options: Options) -> Result<Segment, Unwritable> {
    let begins = starts(layout, n);
    let mut fragments = Vec::with_capacity(begins.len());
    for (index, begin) in begins.iter().enumerate() {
        let end = begins.get(index + 1);
        let number = sequence.wrapping_add(index as u32);
        fragments.push(fragment(layout, n, begin, end, number)?);
    }
    let mut head = BytesMut::new();
    segment::put_type(&mut head, Piece::Segment);
    if options.index
        && let Some(lane) = layout.lanes.get(layout.lead)
    {
        let end = layout.start(n + 1);
        let next = |index: usize| fragments.get(index + 1).map_or(end, |fragment: &Fragment| fragment.start);
        let entry = |(index, fragment): (usize, &Fragment)| Entry {
            bytes: fragment.bytes,
            duration: u32::try_from(next(index).saturating_sub(fragment.start)).unwrap_or(u32::MAX),
            key: fragment.i_frame.is_some(),
        };
        let entries: Vec<Entry> = fragments.iter().enumerate().map(entry).collect();
        // The index counts on the timeline of the media, in front of the edit list.
        let start = layout.start(n).saturating_sub(lane.track.edit.offset.min(0)).max(0).unsigned_abs();
        segment::put_index(&mut head, lane.track.id, lane.track.timescale, start, &entries)?;
    }
    Ok(Segment { head: head.freeze(), fragments })
}

/// Where a fragment begins: the sample of the track that leads, and when that is presented.
struct Begin {
    number: u32,
    time: i64,
    key: bool,
}

fn starts(layout: &Layout, n: usize) -> Vec<Begin> {
    let Some(lead) = layout.lanes.get(layout.lead) else { return Vec::new() };
    let track = &lead.track;
    let second = i64::from(track.timescale.ticks());
    let is_video = matches!(track.shape, crate::proto::hls::track::Shape::Video { .. });
    let mut begins: Vec<Begin> = Vec::new();
    let mut last = i64::MIN;
    for located in lead.segment(n) {
        let Sample { dts, key, .. } = located.sample;
        let is_begin = begins.is_empty() || (is_video && key && dts >= last.saturating_add(second));
        if is_begin {
            last = dts;
            let time = if begins.is_empty() { layout.start(n) } else { track.presented_at(&located.sample) };
            begins.push(Begin { number: located.number, time, key: is_video && key });
        }
    }
    begins
}

fn fragment(
    layout: &Layout,
    n: usize,
    begin: &Begin,
    end: Option<&Begin>,
    sequence: u32,
) -> Result<Fragment, Unwritable> {
    let scale = layout.timescale();
    let mut samples: Vec<Sample> = Vec::new();
    let mut runs: Vec<(usize, Range<usize>)> = Vec::with_capacity(layout.lanes.len());
    let mut extents: Vec<Extent> = Vec::new();
    // The track that leads comes first, so that an I-frame follows its head at once.
    let others = (0..layout.lanes.len()).filter(|lane| *lane != layout.lead);
    for lane in std::iter::once(layout.lead).chain(others) {
        let range = part(layout, lane, n, begin, end, scale);
        let from = samples.len();
        for Located { sample, at, .. } in layout.lanes[lane].samples.from(range.start).take(range.len()) {
            samples.push(sample);
            match extents.last_mut() {
                Some(last) if last.lane == lane && last.at + last.bytes == at => {
                    last.bytes += u64::from(sample.size);
                }
                _ => extents.push(Extent { lane, at, bytes: u64::from(sample.size) }),
            }
        }
        runs.push((lane, from..samples.len()));
    }
    let runs: Vec<Run<'_>> = runs
        .into_iter()
        .map(|(lane, range)| {
            let samples = &samples[range];
            let Track { id, edit, .. } = &layout.lanes[lane].track;
            let start = samples.first().map_or(0, |first| first.dts.saturating_add(edit.offset.max(0)));
            Run { track: *id, start: start.max(0).unsigned_abs(), samples }
        })
        .collect();
    let mut head = BytesMut::new();
    let is_first = n == 0 && begin.number == layout.lanes[layout.lead].range(0).start;
    let behind = end.map(|end| end.time).or_else(|| (n + 1 < layout.len()).then(|| layout.start(n + 1)));
    for number in layout.tags_between((!is_first).then_some(begin.time), behind) {
        let Tag { at, data } = &layout.tags[number];
        let time = u64::try_from(*at).unwrap_or(0);
        segment::put_id3(&mut head, Timescale::MPEG, time, number as u32, data);
    }
    let payload = chunk::put(&mut head, sequence, &runs)?;
    let first = samples.first().map_or(0, |sample| u64::from(sample.size));
    Ok(Fragment {
        bytes: head.len() as u64 + payload,
        i_frame: begin.key.then(|| head.len() as u64 + first),
        head: head.freeze(),
        extents,
        start: begin.time,
    })
}

/// The samples of a track in the fragment of segment `n` from one begin to the next.
fn part(
    layout: &Layout,
    lane: usize,
    n: usize,
    begin: &Begin,
    end: Option<&Begin>,
    scale: Timescale,
) -> Range<u32> {
    let it = &layout.lanes[lane];
    let whole = it.range(n);
    if lane == layout.lead {
        return begin.number..end.map_or(whole.end, |end| end.number);
    }
    let is_first = begin.number == layout.lanes[layout.lead].range(n).start;
    let from = |at: &Begin| {
        super::layout::presented_from(&it.track, &it.samples, scale, at.time).clamp(whole.start, whole.end)
    };
    let start = if is_first { whole.start } else { from(begin) };
    start..end.map_or(whole.end, from).max(start)
}

/// How long the fragment in place `index` of segment `n` is presented.
#[must_use]
pub fn duration(layout: &Layout, n: usize, segment: &Segment, index: usize) -> std::time::Duration {
    let start = segment.fragments.get(index).map_or(0, |fragment| fragment.start);
    let end = segment.fragments.get(index + 1).map_or_else(|| layout.start(n + 1), |fragment| fragment.start);
    span(layout.timescale(), start, end)
}
