//! A transport stream, taken apart once: the samples go to a temporary file, and an index says where they are there.
//!
//! So segments are cut from it as from an MP4. Times are moved so that the first sample is decoded at 0, and an edit list has the first of all presented at 0. Where the stream
//! breaks off, what follows is an [era](super::era) of its own, whose first sample is presented when all of the one before was.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use super::era::{Eras, Gathering, MAX_ERAS, Place, Taking, in_clock};
use super::error::MediaError;
use super::media::{self, Era, Media, MediaTrack};
use super::source::{Source, Spool};
use crate::proto::hls::codec::access::Entry;
use crate::proto::hls::track::{self, Edit, Timescale};
use crate::proto::hls::ts::demux::{Demuxer, Limits};
use crate::proto::hls::ts::event::{Event, Sample};
use crate::proto::hls::vod::layout::Tag;
use crate::proto::hls::vod::samples::Samples;

/// Bytes that are read at once: whole packets.
const READ: usize = 188 * 700;

/// Bytes that are looked at before it is asked what was found.
const PIECE: usize = 188 * 8;

/// Reads a whole stream.
pub(super) fn read(name: &str, mut stream: impl Read) -> Result<Media, MediaError> {
    let mut demuxer = Demuxer::new(Limits::default());
    let mut taken = Taken::new(name)?;
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
    eras: Eras,
    /// The samples of all tracks.
    spool: Spool,
    left_out: Vec<String>,
    /// Bytes that could not be used, where the first were, and why.
    lost: Option<(u64, u64, String)>,
    /// Samples whose decode times went back.
    moved: u64,
    /// Samples behind a break and before the first picture that can be decoded.
    useless: u64,
    /// ID3 tags, bytes of them, and those that were too many.
    tags: (usize, usize, u64),
}

impl<'a> Taken<'a> {
    fn new(name: &'a str) -> Result<Self, MediaError> {
        let (eras, spool) = (Eras::default(), Spool::new(name)?);
        Ok(Self {
            name,
            at: 0,
            eras,
            spool,
            left_out: Vec::new(),
            lost: None,
            moved: 0,
            useless: 0,
            tags: (0, 0, 0),
        })
    }

    fn event(&mut self, event: Event) -> Result<(), MediaError> {
        match event {
            Event::Tracks(tracks) => {
                if self.eras.is_changed_by(&tracks) {
                    self.next_era()?;
                }
                self.eras.set(tracks);
            }
            Event::Sample(sample) => return self.sample(&sample),
            Event::Discontinuity => self.eras.jump(),
            Event::Refused { pid, refused } => {
                self.left_out.push(format!("stream {pid:#x} ({refused:?})"));
            }
            Event::Lost(lost) => {
                let (_, bytes, _) = self.lost.get_or_insert_with(|| (lost.at, 0, lost.why.to_string()));
                *bytes += lost.bytes;
            }
            Event::Metadata { pts, data, .. } => {
                let (count, bytes, left) = &mut self.tags;
                (*count, *bytes) = (*count + 1, *bytes + data.len());
                if *count <= MAX_TAGS && *bytes <= MAX_TAG_BYTES {
                    self.eras.current().tags.push(Tag { at: pts, data });
                } else {
                    *left += 1;
                }
            }
        }
        Ok(())
    }

    fn wrong(&self, why: &'static str) -> MediaError {
        MediaError::Stream { name: self.name.to_owned(), at: self.at, why }
    }

    fn next_era(&mut self) -> Result<(), MediaError> {
        if self.eras.list.len() >= MAX_ERAS {
            return Err(self.wrong("the stream breaks off too often"));
        }
        self.eras.begin(self.at);
        Ok(())
    }

    fn sample(&mut self, sample: &Sample) -> Result<(), MediaError> {
        let (name, at) = (self.name, self.at);
        let known = self.eras.current().tracks.iter().find(|taking| taking.track.id == sample.track);
        let Some(scale) = known.map(|taking| taking.track.timescale) else { return Ok(()) };
        let time = in_clock(scale, sample.dts);
        let era = match self.eras.place(sample.track, time) {
            Place::Era(era) => era,
            Place::Next => {
                self.next_era()?;
                self.eras.list.len() - 1
            }
        };
        let Some(list) = self.eras.list.get_mut(era) else { return Ok(()) };
        // Behind a break nothing can be decoded until a picture that needs no other one.
        let waits = era > 0
            && list.tracks.iter().any(|taking| {
                let begins = taking.track.id == sample.track && sample.entry != Entry::None;
                taking.is_video() && taking.index.is_empty() && !begins
            });
        let Some(taking) = list.tracks.iter_mut().find(|taking| taking.track.id == sample.track) else {
            return Ok(());
        };
        if waits {
            self.useless += 1;
            return Ok(());
        }
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
        let listed = track::Sample {
            dts,
            composition_offset: i32::try_from(sample.pts - dts)
                .map_err(|_| wrong("a sample is presented long after it is decoded"))?,
            duration: taking.step,
            size: u32::try_from(sample.data.len()).map_err(|_| wrong("a sample is too long"))?,
            key: sample.entry != Entry::None || !taking.is_video(),
        };
        let place = self.spool.push(&sample.data)?;
        taking.first_pts = taking.first_pts.min(sample.pts);
        taking.end = taking.end.max(sample.pts.saturating_add(i64::from(taking.step)));
        taking.last = Some(time);
        taking.index.push(&listed, place).map_err(failed)
    }

    /// What a user should know.
    fn warnings(&self) -> Vec<String> {
        let name = self.name;
        let mut warnings = Vec::new();
        if let Some((at, bytes, why)) = &self.lost {
            warnings.push(format!("{name}: {bytes} bytes could not be used, the first at byte {at}: {why}"));
        }
        if self.moved > 0 {
            warnings.push(format!(
                "{name}: {} samples were decoded before the ones in front of them",
                self.moved
            ));
        }
        if self.useless > 0 {
            warnings.push(format!(
                "{name}: {} samples behind breaks are left out, since no picture could be decoded there",
                self.useless
            ));
        }
        let (_, _, tags_left) = self.tags;
        if tags_left > 0 {
            warnings.push(format!("{name}: {tags_left} ID3 tags are left out, they are too many"));
        }
        warnings
    }

    fn finish(mut self) -> Result<Media, MediaError> {
        let mut warnings = self.warnings();
        let mut list = std::mem::take(&mut self.eras.list);
        let is_empty = |id: u32| {
            let takings = || list.iter().flat_map(|era| &era.tracks).filter(|taking| taking.track.id == id);
            takings().all(|taking| taking.index.is_empty())
        };
        let mut silent: Vec<u32> = list.iter().flat_map(|era| &era.tracks).map(|it| it.track.id).collect();
        silent.sort_unstable();
        silent.dedup();
        silent.retain(|id| is_empty(*id));
        self.left_out.extend(silent.iter().map(|id| format!("stream {id:#x} (no samples)")));
        list.iter_mut().for_each(|era| era.tracks.retain(|taking| !taking.index.is_empty()));
        list.retain(|era| !era.tracks.is_empty());
        let odd = keep_alike(&mut list);
        if let Some((count, at)) = odd {
            warnings.push(format!(
                "{}: left out: {count} of the stretches between breaks, the first at byte {at}, which do not have the tracks that the others have",
                self.name
            ));
        }
        if let [_, second, ..] = &list[..] {
            warnings.push(format!(
                "{}: the stream breaks off or changes at {} places, the first at byte {}: there are discontinuities",
                self.name,
                list.len() - 1,
                second.from
            ));
        }
        let source = Arc::new(self.spool.finish()?);
        let mut begin = 0;
        let eras = list.into_iter().map(|gathered| {
            let (era, end) = placed(gathered, begin, &source);
            begin = end;
            era
        });
        let eras = eras.collect();
        media::finish(self.name.to_owned(), eras, self.left_out, warnings)
    }
}

/// Leaves the eras that have as many pictures and sounds as most of the samples have, and pictures that can be decoded. How many are gone, and where the first began.
fn keep_alike(list: &mut Vec<Gathering>) -> Option<(usize, u64)> {
    let kinds = |era: &Gathering| {
        let videos = era.tracks.iter().filter(|taking| taking.is_video()).count();
        (videos, era.tracks.len() - videos)
    };
    let mut counts: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for era in list.iter() {
        let samples = era.tracks.iter().map(|taking| u64::from(taking.index.len())).sum::<u64>();
        *counts.entry(kinds(era)).or_default() += samples;
    }
    let most = counts.iter().max_by_key(|(_, samples)| **samples).map(|(kinds, _)| *kinds)?;
    let mut gone = None;
    let only = list.len() == 1;
    list.retain(|era| {
        let mut videos = era.tracks.iter().filter(|taking| taking.is_video());
        let keep = kinds(era) == most && (only || videos.all(|it| it.index.from(0).any(|at| at.sample.key)));
        if !keep {
            let (count, _) = gone.get_or_insert((0, era.from));
            *count += 1;
        }
        keep
    });
    gone
}

/// An era that is presented from `begin` on, and when it ends, in ticks of 90 kHz.
fn placed(gathered: Gathering, begin: i64, source: &Arc<Source>) -> (Era, i64) {
    let Gathering { tracks, mut tags, .. } = gathered;
    // When the first sample is decoded, the first one presented, and the last one over.
    let times = |time: &dyn Fn(&Taking) -> i64| -> Vec<i64> {
        tracks.iter().map(|taking| in_clock(taking.track.timescale, time(taking))).collect()
    };
    let decoded = times(&|taking| taking.index.from(0).next().map_or(0, |first| first.sample.dts));
    let decoded = decoded.into_iter().min().unwrap_or(0);
    let presented = times(&|taking| taking.first_pts).into_iter().min().unwrap_or(0);
    let over = times(&|taking| taking.end).into_iter().max().unwrap_or(0);
    let end = begin.saturating_add(over.saturating_sub(presented).max(0));
    tags.iter_mut().for_each(|tag| tag.at = tag.at.saturating_sub(presented).saturating_add(begin));
    tags.sort_by_key(|tag| tag.at);
    let tracks = tracks.into_iter().map(|Taking { mut track, mut index, .. }| {
        let ticks = |time| Timescale::MPEG.rescale(time, track.timescale).unwrap_or(0);
        let base = ticks(decoded);
        let offset = base.saturating_sub(ticks(presented));
        index.shift(ticks(begin).saturating_sub(base));
        track.edit = Edit { offset, duration: None };
        MediaTrack { track, samples: Arc::new(Samples::Index(index)), source: Arc::clone(source) }
    });
    (Era { tracks: tracks.collect(), tags: tags.into() }, end)
}
