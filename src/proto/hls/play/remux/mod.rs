//! One stream out of what a player chose: segments and parts of any rendition in, MPEG-TS or fragmented MP4 out, which a decoder reads from its beginning to its end without a word.
//!
//! [`Remux`] is given [`Piece`]s in the order in which they are played. `source` takes their samples out, `timeline` finds out where these lie on the timeline of the presentation, `stream` makes those of a track follow each other, `queue` lets the sound of a lane of its own
//! catch up, and `transport` or `fragments` writes. No sample is decoded: where renditions are joined, the stream goes on with a picture that needs no other, and with whole frames of sound.
//!
//! Of each lane the first video and the first sound are written; subtitles and metadata are not. Time begins at 0 with the first piece.

mod error;
mod fragments;
mod queue;
mod source;
mod stream;
mod taken;
mod timeline;
mod transport;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

pub use self::error::RemuxError;
use self::fragments::Fragmented;
use self::queue::Queue;
use self::source::{Source, Wanted};
use self::stream::{Cut, Stream};
use self::taken::{Content, Sense, Taken};
use self::timeline::{Begin, Timeline, Written};
use self::transport::Transport;
use super::super::abr::Ms;
use super::super::codec::access::Entry;
use super::super::track::Track;

/// What a stream is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// MPEG-TS, which anybody reads from anywhere on. It has no room for AV1 and Opus.
    MpegTs,
    /// Fragmented MP4, in which everything has room that is there at the beginning.
    Fmp4,
}

/// The media playlist that a piece is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// That of the chosen variant.
    Main,
    /// That of a rendition of sound beside it.
    Audio,
}

/// A segment, or a part of one.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Which playlist it is of.
    pub lane: Lane,
    /// The initialization section that it names, in the clear.
    pub map: Option<&'a Bytes>,
    /// Itself, in the clear.
    pub bytes: &'a Bytes,
    /// It is a part (`EXT-X-PART`): the next one may go on in the middle of what it ends with.
    pub part: bool,
    /// It does not go on where the last piece of its lane ended: it is of another rendition, or behind a discontinuity, a gap, a jump, a piece that failed.
    pub anew: bool,
    /// Its discontinuity sequence number: how many discontinuities are before it. Times of all renditions agree where it is the same (section 6.2.4).
    pub era: u64,
    /// Where its playlist says that it begins on the timeline of the presentation.
    pub start: Ms,
}

/// What a piece holds, by its own account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// When its first picture is shown on the timeline of the presentation, or its first sound heard if it has no picture.
    pub start: Ms,
    /// When the last of them ends. The same as the start if nothing is whole yet of a part.
    pub end: Ms,
    /// Decoding can begin with it.
    pub key: bool,
    /// It has pictures that are wanted.
    pub video: bool,
    /// It has sound that is wanted.
    pub audio: bool,
    /// Samples in it.
    pub samples: usize,
    /// Samples of it that are not written: they overlap what was written, need something that is missing, or have no place.
    pub dropped: usize,
    /// Bytes of no use.
    pub lost: u64,
    /// Its times do not agree with the playlist, and nobody has told of a discontinuity: it was laid where the playlist says.
    pub moved: bool,
    /// Streams in it that are left alone, in words: at most ten.
    pub refused: Vec<String>,
}

/// What pieces may grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Samples of a piece. A minute of 240 pictures a second, with frames of sound that are as short as Opus has them, has 40,000.
    pub samples: usize,
    /// Bytes of a picture in MPEG-TS, as for [`super::super::ts::demux::Limits`].
    pub picture: usize,
    /// Bytes of samples of one lane that wait for the other one: twenty seconds of 25 Mb/s.
    pub queue: usize,
    /// How long samples of one lane are that wait for the other one.
    pub ahead: Ms,
}

impl Default for Limits {
    fn default() -> Self {
        Self { samples: 1 << 17, picture: 16 << 20, queue: 64 << 20, ahead: 30_000.0 }
    }
}

/// Writes one stream.
pub struct Remux {
    limits: Limits,
    lanes: [Reading; 2],
    timeline: Timeline,
    /// Whether sound comes by its own lane.
    apart: bool,
    /// What is written; none when pieces are only looked at.
    output: Option<Output>,
}

/// A lane that is read.
#[derive(Default)]
struct Reading {
    source: Source,
    /// Where its last piece was laid.
    era: u64,
    start: i64,
    /// What follows does not go on where it was.
    fresh: bool,
}

/// A stream that is written.
struct Output {
    streams: [Stream; 2],
    queue: Queue,
    writer: Writer,
    /// Tracks that have room.
    carried: [Option<Arc<Track>>; 2],
    /// When the first piece began, in ticks of 90 kHz.
    zero: Option<i64>,
    bytes: Vec<u8>,
}

enum Writer {
    Transport(Box<Transport>),
    Fragmented(Box<Fragmented>),
}

impl Remux {
    /// Writes in that format. With none pieces are only looked at.
    #[must_use]
    pub fn new(format: Option<Format>, limits: Limits) -> Self {
        let output = |format| Output {
            streams: Sense::ALL.map(Stream::new),
            queue: Queue::default(),
            writer: match format {
                Format::MpegTs => Writer::Transport(Box::default()),
                Format::Fmp4 => Writer::Fragmented(Box::default()),
            },
            carried: [None, None],
            zero: None,
            bytes: Vec::new(),
        };
        let (lanes, timeline) = Default::default();
        Self { limits, lanes, timeline, apart: false, output: format.map(output) }
    }

    /// Whether sound comes by [`Lane::Audio`] from here on: then that of the main lane is not taken, and the two are written beside each other.
    pub fn lanes(&mut self, audio: bool) {
        self.apart = audio;
    }

    /// Takes a piece.
    ///
    /// # Errors
    /// It is of no use, and nothing of it is written. The next one of its lane is taken as one that begins anew.
    pub fn piece(&mut self, piece: &Piece<'_>) -> Result<Heard, RemuxError> {
        let lane = piece.lane as usize;
        if piece.anew {
            self.end_lane(lane);
        }
        let taken = self.take(piece).and_then(|content| self.carry(&content).map(|()| content));
        match taken {
            Ok(content) => {
                let start = ticks(piece.start);
                let reading = &mut self.lanes[lane];
                let fresh = std::mem::take(&mut reading.fresh) || piece.anew;
                (reading.era, reading.start) = (piece.era, start);
                Ok(self.lay(lane, &content, fresh, false))
            }
            Err(error) => {
                self.lanes[lane] = Reading { fresh: true, ..Reading::default() };
                Err(error)
            }
        }
    }

    /// What can be written by now.
    pub fn output(&mut self) -> Bytes {
        self.output.as_mut().map_or_else(Bytes::new, |output| std::mem::take(&mut output.bytes).into())
    }

    /// Nothing comes any more: what waits can be written.
    pub fn finish(&mut self) {
        for lane in 0..self.lanes.len() {
            self.end_lane(lane);
        }
        if let Some(output) = &mut self.output {
            output.write(true, &self.limits);
            if let Writer::Transport(transport) = &mut output.writer {
                transport.finish(&mut output.bytes);
            }
        }
    }

    /// The samples of a piece.
    fn take(&mut self, piece: &Piece<'_>) -> Result<Content, RemuxError> {
        let lane = piece.lane as usize;
        let near = self.timeline.expected(lane, piece.era, ticks(piece.start));
        let wanted = self.wanted(lane);
        let content = self.lanes[lane].source.take(piece, wanted, near, &self.limits)?;
        if content.samples.is_empty() && !piece.part {
            let why = content.why.map(|why| format!(": {why}"));
            let why = why.or_else(|| content.refused.first().map(|refused| format!(": {refused}")));
            return Err(RemuxError::Empty(why.unwrap_or_default()));
        }
        Ok(content)
    }

    fn wanted(&self, lane: usize) -> Wanted {
        let main = lane == Lane::Main as usize;
        Wanted { video: main, audio: main != self.apart }
    }

    /// That all tracks have room in what is written.
    fn carry(&mut self, content: &Content) -> Result<(), RemuxError> {
        let Some(output) = &mut self.output else { return Ok(()) };
        if !matches!(output.writer, Writer::Transport(_)) {
            return Ok(());
        }
        for taken in &content.samples {
            let carried = &mut output.carried[taken.sense as usize];
            if !carried.as_ref().is_some_and(|known| Arc::ptr_eq(known, &taken.track)) {
                transport::carries(&taken.track)?;
                *carried = Some(Arc::clone(&taken.track));
            }
        }
        Ok(())
    }

    /// What the last part of a lane has left, as nothing goes on with it. A lane whose rest is too much for its limits has none.
    fn end_lane(&mut self, lane: usize) {
        let wanted = self.wanted(lane);
        let rest = self.lanes[lane].source.end(wanted, &self.limits);
        if let Ok(content) = rest
            && !content.samples.is_empty()
            && self.carry(&content).is_ok()
        {
            self.lay(lane, &content, false, true);
        }
        self.lanes[lane].source = Source::default();
    }

    /// Lays a piece, or its `rest`, on the timeline, and writes what can be written.
    fn lay(&mut self, lane: usize, content: &Content, fresh: bool, rest: bool) -> Heard {
        let reading = &self.lanes[lane];
        let (era, start) = (reading.era, reading.start);
        let mut heard = Heard {
            start: ms(start),
            end: ms(start),
            samples: content.samples.len(),
            lost: content.lost,
            refused: content.refused.clone(),
            ..Heard::default()
        };
        let Some(sense) = content.leading() else { return heard };
        let Some((first, last)) = content.span(sense) else { return heard };
        let written = self.output.as_ref().and_then(|output| output.written(sense));
        let is_video = sense == Sense::Video;
        let may_move = match sense {
            Sense::Video if self.apart => APART,
            Sense::Video => timeline::LIE,
            Sense::Audio => 0,
        };
        let wraps = content.wraps;
        let begin = Begin { lane, era, start, rest, anew: fresh, first, wraps, written, may_move };
        let placed = self.timeline.place(&begin);
        let end = last.saturating_add(placed.shift);
        self.timeline.reached(lane, end);
        heard.moved = placed.moved;
        (heard.start, heard.end) = (ms(first.saturating_add(placed.shift)), ms(end));
        heard.video = is_video;
        heard.audio = content.of(Sense::Audio).next().is_some();
        heard.key = content.of(sense).next().is_some_and(|taken| !is_video || taken.entry != Entry::None);
        if let Some(output) = &mut self.output {
            heard.dropped = output.take(&content.samples, placed.shift, start, fresh, &mut heard.refused);
            output.write(!self.apart, &self.limits);
        }
        heard
    }
}

impl Output {
    /// How far a sense is written on the timeline of the presentation.
    fn written(&self, sense: Sense) -> Option<Written> {
        self.streams[sense as usize].written(self.zero?)
    }

    /// Takes the samples of a piece that are written; how many are not.
    fn take(
        &mut self,
        samples: &[Taken],
        shift: i64,
        start: i64,
        fresh: bool,
        refused: &mut Vec<String>,
    ) -> usize {
        let zero = *self.zero.get_or_insert(start);
        let mut taken = 0;
        for sense in Sense::ALL {
            let writer = &self.writer;
            let takes = |sample: &&Taken| match writer {
                Writer::Transport(_) => true,
                Writer::Fragmented(fragmented) => fragmented.takes(&sample.track, sense),
            };
            let of = || samples.iter().filter(|sample| sample.sense == sense);
            if let Some(left_out) = of().find(|sample| !takes(sample)) {
                refused.push(fragments::left_out(&left_out.track));
            }
            let stream = &mut self.streams[sense as usize];
            if fresh && of().next().is_some() {
                stream.interrupt();
            }
            let cuts: Vec<Cut> = stream.cut(of().filter(takes), shift.saturating_sub(zero));
            taken += cuts.len();
            cuts.into_iter().for_each(|cut| self.queue.push(cut));
        }
        samples.len() - taken
    }

    /// Writes what need not wait; `all`, if nothing does.
    fn write(&mut self, all: bool, limits: &Limits) {
        match &mut self.writer {
            Writer::Transport(transport) => {
                while let Some(cut) = self.queue.pop(all, limits) {
                    transport.write(&cut, self.queue.beside(cut.sense), &mut self.bytes);
                }
            }
            Writer::Fragmented(fragmented) => {
                let cuts: Vec<Cut> = std::iter::from_fn(|| self.queue.pop(all, limits)).collect();
                fragmented.write(&cuts, &mut self.bytes);
            }
        }
    }
}

/// Ticks of 90 kHz by which pictures may be moved against the sound of the other lane: 100 ms, which few see.
const APART: i64 = 9000;

/// Milliseconds in ticks of 90 kHz: what is no number is 0, and what is beyond ten thousand years is those.
fn ticks(time: Ms) -> i64 {
    const MOST: f64 = 3e16;
    (time * 90.0).round().clamp(-MOST, MOST) as i64
}

/// Ticks of 90 kHz in milliseconds.
fn ms(ticks: i64) -> Ms {
    ticks as f64 / 90.0
}
