//! Pieces taken apart: the bytes of segments and parts in, samples out.
//!
//! The pieces of a lane that go on share what reads them: a segment may need parameter sets that stood in the one before, and a part of a segment of MPEG-TS the packets of its
//! last part. The first video and the first sound of a piece are taken; subtitles and tags are not.

use std::sync::Arc;

use bytes::Bytes;

use super::super::super::check::segment::Format;
use super::super::super::codec::access::{Coding, Entry, entry};
use super::super::super::codec::nal::Lengths;
use super::super::super::mp4::movie::Movie;
use super::super::super::mp4::push::{self, Push};
use super::super::super::track::{Config, Track};
use super::super::super::ts::demux::{self, Demuxer};
use super::super::super::ts::event::{Event, Loss};
use super::super::super::ts::{PACKET, packed};
use super::error::RemuxError;
use super::taken::{Content, Sense, Taken, frame};
use super::{Limits, Piece};

/// Bytes of MPEG-TS that are taken apart at once.
const AT_ONCE: usize = 64 << 10;

/// Which samples are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) video: bool,
    pub(super) audio: bool,
}

/// Reads the pieces of a lane.
#[derive(Default)]
pub(super) struct Source {
    reader: Reader,
    /// The initialization section that was read.
    map: Option<Bytes>,
    /// The tracks that are taken: video, sound.
    chosen: [Option<Arc<Track>>; 2],
    /// Whether something of each is missing.
    holed: [bool; 2],
    /// Whether the last piece was a part, with which the next one may go on.
    open: bool,
}

#[derive(Default)]
enum Reader {
    #[default]
    None,
    Ts(Box<Demuxer>),
    Mp4(Box<Push>),
}

impl Source {
    /// The samples of a piece. Sound without a time begins at `near`, in ticks of 90 kHz.
    ///
    /// # Errors
    /// The piece is of no use. Begin with a new source behind it.
    pub(super) fn take(
        &mut self,
        piece: &Piece<'_>,
        wanted: Wanted,
        near: i64,
        limits: &Limits,
    ) -> Result<Content, RemuxError> {
        let mut taking = Taking { content: Content::default(), wanted, limits };
        match Format::of(piece.bytes) {
            Some(Format::Transport) if piece.bytes.len() >= PACKET => self.transport(piece, &mut taking)?,
            Some(Format::Fragments) => self.fragments(piece, &mut taking)?,
            Some(Format::PackedAudio) => self.packed(piece, near, &mut taking)?,
            Some(Format::Text) => return Err(RemuxError::Text),
            _ if piece.bytes.is_empty() => return Err(RemuxError::Nothing),
            _ => return Err(RemuxError::unknown(piece.bytes)),
        }
        taking.content.settle();
        Ok(taking.content)
    }

    /// What a part left over, when it is known that nothing follows on it.
    ///
    /// # Errors
    /// More samples than may be.
    pub(super) fn end(&mut self, wanted: Wanted, limits: &Limits) -> Result<Content, RemuxError> {
        let mut taking = Taking { content: Content { wraps: true, ..Content::default() }, wanted, limits };
        if self.open
            && let Reader::Ts(demuxer) = &mut self.reader
        {
            let mut demuxer = std::mem::take(demuxer);
            demuxer.finish();
            self.drain(&mut demuxer, &mut taking)?;
            self.reader = Reader::Ts(demuxer);
        }
        self.open = false;
        taking.content.settle();
        Ok(taking.content)
    }

    fn transport(&mut self, piece: &Piece<'_>, taking: &mut Taking<'_>) -> Result<(), RemuxError> {
        taking.content.wraps = true;
        let mut demuxer = match std::mem::take(&mut self.reader) {
            Reader::Ts(demuxer) if self.map.as_ref() == piece.map => demuxer,
            _ => {
                self.begin(piece);
                let mut demuxer =
                    Box::new(Demuxer::new(demux::Limits { pes: taking.limits.picture, wait: usize::MAX }));
                demuxer.push(piece.map.map_or(&[], |map| &map[..]));
                demuxer
            }
        };
        // What a part has left goes on in the next part; counters do as well (section 3). Nothing of it goes on in a segment.
        if self.open && !piece.part {
            demuxer.finish();
        }
        for bytes in piece.bytes.chunks(AT_ONCE) {
            demuxer.push(bytes);
            self.drain(&mut demuxer, taking)?;
        }
        self.open = piece.part;
        let rest = piece.bytes.len() % PACKET;
        if !piece.part {
            demuxer.finish();
            self.drain(&mut demuxer, taking)?;
            if rest > 0 {
                let what = format!("it ends {rest} bytes into a packet of MPEG-TS");
                return Err(RemuxError::Truncated(what));
            }
        }
        self.reader = Reader::Ts(demuxer);
        Ok(())
    }

    /// Another initialization section, or another container: nothing of before holds.
    fn begin(&mut self, piece: &Piece<'_>) {
        *self = Self { map: piece.map.cloned(), ..Self::default() };
    }

    fn drain(&mut self, demuxer: &mut Demuxer, taking: &mut Taking<'_>) -> Result<(), RemuxError> {
        while let Some(event) = demuxer.poll() {
            self.event(event, taking)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event, taking: &mut Taking<'_>) -> Result<(), RemuxError> {
        match event {
            Event::Tracks(tracks) => self.choose(tracks.into_iter()),
            Event::Sample(sample) => {
                if let Some((sense, track)) = self.chosen(sample.track) {
                    let duration = frame(&track, &sample.data);
                    let holed = std::mem::take(&mut self.holed[sense as usize]);
                    taking.take(Taken {
                        sense,
                        track,
                        dts: sample.dts,
                        pts: sample.pts,
                        duration,
                        entry: sample.entry,
                        holed,
                        data: sample.data,
                    })?;
                }
            }
            Event::Lost(lost) => {
                taking.content.lost = taking.content.lost.saturating_add(lost.bytes);
                taking.content.why.get_or_insert(lost.why);
                let early = matches!(lost.why, Loss::Early | Loss::Untimed);
                if let Some((sense, _)) = lost.pid.filter(|_| !early).and_then(|pid| self.chosen(pid.into()))
                {
                    self.holed[sense as usize] = true;
                }
            }
            Event::Refused { refused, .. } => taking.content.refuse(refused.to_string()),
            Event::Metadata { .. } | Event::Discontinuity => {}
        }
        Ok(())
    }

    /// Takes the first video and the first sound of `tracks`, unless those that were taken are still among them.
    fn choose(&mut self, tracks: impl Iterator<Item = Track>) {
        let tracks: Vec<Track> = tracks.collect();
        for sense in Sense::ALL {
            let chosen = &mut self.chosen[sense as usize];
            let of = || tracks.iter().filter(|track| Sense::of(track) == Some(sense));
            let stays = chosen.as_ref().and_then(|old| of().find(|track| track.id == old.id));
            let found = stays.or_else(|| of().next());
            if found != chosen.as_deref() {
                *chosen = found.cloned().map(Arc::new);
            }
        }
    }

    /// The track with that number, if it is taken.
    fn chosen(&self, id: u32) -> Option<(Sense, Arc<Track>)> {
        let find = |sense: Sense| {
            let track = self.chosen[sense as usize].as_ref().filter(|track| track.id == id)?;
            Some((sense, Arc::clone(track)))
        };
        Sense::ALL.into_iter().find_map(find)
    }

    fn fragments(&mut self, piece: &Piece<'_>, taking: &mut Taking<'_>) -> Result<(), RemuxError> {
        let mut push = match std::mem::take(&mut self.reader) {
            Reader::Mp4(push) if self.map.as_ref() == piece.map => push,
            _ => {
                self.begin(piece);
                let mut push = Box::<Push>::default();
                push.push(piece.map.map_or(&[], |map| &map[..]));
                self.events(&mut push, taking)?;
                push
            }
        };
        self.open = false;
        push.push(piece.bytes);
        self.events(&mut push, taking)?;
        push.end()?;
        self.reader = Reader::Mp4(push);
        Ok(())
    }

    fn events(&mut self, push: &mut Push, taking: &mut Taking<'_>) -> Result<(), RemuxError> {
        while let Some(event) = push.event()? {
            match event {
                push::Event::Init { movie, .. } => self.movie(&movie, taking),
                push::Event::Sample { track, located, bytes } => {
                    let Some((sense, track)) = self.chosen(track) else { continue };
                    let Some(entry) = sound_entry(&track, &bytes, located.sample.key) else {
                        taking.content.lost = taking.content.lost.saturating_add(bytes.len() as u64);
                        self.holed[sense as usize] = true;
                        continue;
                    };
                    let offset = track.edit.offset;
                    let duration = match located.sample.duration {
                        0 => frame(&track, &bytes),
                        told => told.into(),
                    };
                    taking.take(Taken {
                        sense,
                        dts: located.sample.dts.saturating_add(offset),
                        pts: located.sample.pts().saturating_add(offset),
                        duration,
                        entry,
                        holed: std::mem::take(&mut self.holed[sense as usize]),
                        track,
                        data: bytes,
                    })?;
                }
                push::Event::Message(..) | push::Event::Last | push::Event::Fragment(_) => {}
            }
        }
        Ok(())
    }

    fn movie(&mut self, movie: &Movie, taking: &mut Taking<'_>) {
        self.choose(movie.tracks.iter().map(|track| track.track.clone()));
        for skipped in &movie.skipped {
            if [b"vide", b"soun"].contains(&&skipped.handler.0) {
                taking.content.refuse(format!("'{}' is not supported in MP4", skipped.coding));
            }
        }
    }

    fn packed(&mut self, piece: &Piece<'_>, near: i64, taking: &mut Taking<'_>) -> Result<(), RemuxError> {
        if !matches!(self.reader, Reader::None) {
            self.begin(piece);
        }
        self.open = false;
        let packed = packed::read(piece.bytes, near).ok_or(RemuxError::Sound)?;
        taking.content.wraps = true;
        for event in packed.events {
            self.event(event, taking)?;
        }
        if packed.cut > 0 && !piece.part {
            return Err(RemuxError::Truncated(format!("its last frame has only {} bytes", packed.cut)));
        }
        Ok(())
    }
}

/// What is being taken.
struct Taking<'a> {
    content: Content,
    wanted: Wanted,
    limits: &'a Limits,
}

impl Taking<'_> {
    fn take(&mut self, taken: Taken) -> Result<(), RemuxError> {
        let wanted = match taken.sense {
            Sense::Video => self.wanted.video,
            Sense::Audio => self.wanted.audio,
        };
        if wanted { self.content.push(taken, self.limits.samples) } else { Ok(()) }
    }
}

/// How a decoder may begin at a sample of MP4; `None` if its lengths do not add up. Flags are believed where the bytes do not say it.
fn sound_entry(track: &Track, sample: &[u8], flagged: bool) -> Option<Entry> {
    let (coding, size) = match &track.config {
        Config::Avc(config) => (Coding::Avc, config.length_size),
        Config::Hevc(config) => (Coding::Hevc, config.length_size),
        _ => return Some(if flagged { Entry::Closed } else { Entry::None }),
    };
    let whole = Lengths::new(sample, size).all(|nal| nal.is_ok());
    (whole && !sample.is_empty()).then(|| entry(coding, sample, size))
}
