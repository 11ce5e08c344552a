//! One elementary stream: the packets of its PID put together to PES packets, and these given to what reads its coding.

use bytes::{Bytes, BytesMut};

use super::super::codec::access::{Coding, Entry};
use super::super::track::{Config, Language};
use super::PACKET;
use super::audio::{Audio, Sound};
use super::clock::{JUMP, unwrap};
use super::event::Loss;
use super::packet::Packet;
use super::pes;
use super::psi::{self, Kind};
use super::video::Video;

/// How far a decode time may step back before it is another timeline, in ticks of 90 kHz: half a second.
const BACK: i64 = 45_000;

/// Bytes of a PES packet that is no video at most: their length has to be told, in 16 bits.
const MAX_PES: usize = 6 + 65_535;

/// PES packets of video with a time, one after the other, after which it is believed that each has one: then a packet that tells its
/// length is given when it is whole. Before, a packet without a time may go on with the picture in front.
const CONVINCED: u32 = 50;

/// Times beyond this, in ticks either way, start over: thousands of years, which only jumps can reach.
const MAX_TIME: i64 = 1 << 60;

/// When a PES packet is decoded and presented, in ticks of 90 kHz that go on after 33 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) dts: i64,
    pub(super) pts: i64,
}

/// What comes out of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// Another decoder is needed for what follows.
    Config(Config),
    Sample {
        dts: i64,
        pts: i64,
        entry: Entry,
        data: Bytes,
    },
    Metadata {
        pts: i64,
        data: Bytes,
    },
    /// Another timeline begins.
    Jump,
    /// Packets are missing.
    Gap,
    Lost(Loss, u64),
}

/// The times of a program: one clock for all its streams.
#[derive(Default)]
pub(super) struct Timeline {
    last: Option<i64>,
    /// How many timelines there were before.
    epoch: u64,
}

impl Timeline {
    /// The last decode time, in ticks of 90 kHz.
    pub(super) fn now(&self) -> i64 {
        self.last.unwrap_or_default()
    }

    /// The time base of the program is another from here on, as it says itself.
    pub(super) fn restart(&mut self) {
        self.epoch += 1;
    }
}

pub(super) struct Stream {
    pub(super) pid: u16,
    pub(super) kind: Kind,
    pub(super) language: Language,
    pub(super) config: Option<Config>,
    counter: Option<u8>,
    /// A PES packet that is not whole, if one has begun.
    held: BytesMut,
    open: bool,
    /// How long what is held is when the PES packet is whole, once that is told; `None` inside when the next one ends it.
    due: Option<Option<usize>>,
    /// PES packets with a time since the last one without, up to [`CONVINCED`].
    timed: u32,
    last: Option<i64>,
    epoch: u64,
    reader: Reader,
}

enum Reader {
    Video(Video),
    Audio(Audio),
    Id3,
    Other,
}

impl Stream {
    pub(super) fn new(stream: psi::Stream, timeline: &Timeline) -> Self {
        let psi::Stream { pid, kind, language } = stream;
        let reader = match kind {
            Kind::Avc => Reader::Video(Video::new(Coding::Avc)),
            Kind::Hevc => Reader::Video(Video::new(Coding::Hevc)),
            Kind::Aac => Reader::Audio(Audio::new(Sound::Aac)),
            Kind::Ac3 => Reader::Audio(Audio::new(Sound::Ac3)),
            Kind::Eac3 => Reader::Audio(Audio::new(Sound::Eac3)),
            Kind::Id3 => Reader::Id3,
            Kind::Other(_) => Reader::Other,
        };
        let (held, epoch) = (BytesMut::new(), timeline.epoch);
        Self {
            pid,
            kind,
            language,
            config: None,
            counter: None,
            held,
            open: false,
            due: None,
            timed: 0,
            last: None,
            epoch,
            reader,
        }
    }

    /// Whether it is to become a track, and what it is is not known yet.
    pub(super) fn waits(&self) -> bool {
        matches!(self.reader, Reader::Video(_) | Reader::Audio(_)) && self.config.is_none()
    }

    /// Takes a packet. `limit` is that of a PES packet, in bytes.
    pub(super) fn packet(
        &mut self,
        packet: &Packet<'_>,
        limit: usize,
        timeline: &mut Timeline,
        items: &mut Vec<Item>,
    ) {
        let Some(payload) = packet.payload else { return };
        if matches!(self.reader, Reader::Other) {
            return;
        }
        let before = self.counter.replace(packet.counter);
        if let Some(before) = before
            && !packet.discontinuity
        {
            if before == packet.counter {
                return; // sent twice, as section 2.4.3.3 allows
            }
            if (before + 1) & 0x0f != packet.counter {
                items.push(Item::Gap);
                self.drop_held(Loss::Continuity, items);
            }
        }
        let mut payload = payload;
        if packet.start {
            match self.joins(payload) {
                Some(rest) if self.open => payload = rest,
                _ => {
                    self.complete(timeline, items);
                    (self.open, self.due) = (true, None);
                }
            }
        }
        if !self.open {
            return;
        }
        self.held.extend_from_slice(payload);
        let limit = if self.is_video() { limit } else { limit.min(MAX_PES + PACKET) };
        if self.held.len() > limit {
            return self.drop_held(Loss::Limit, items);
        }
        self.due = self.due.or_else(|| pes::size(&self.held));
        if let Some(Some(due)) = self.due
            && self.held.len() >= due
        {
            self.held.truncate(due);
            if !self.may_join() {
                self.deliver(timeline, items);
            }
        }
    }

    fn is_video(&self) -> bool {
        matches!(self.reader, Reader::Video(_))
    }

    /// Whether a PES packet may go on with the picture of the one before.
    fn may_join(&self) -> bool {
        self.is_video() && self.timed < CONVINCED
    }

    /// What stands behind the header of a PES packet that goes on with the picture of the one before: it has no time. Encoders split
    /// pictures that are longer than a length can tell.
    fn joins<'a>(&mut self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let header = pes::Header::parse(payload).ok().filter(|_| self.is_video())?;
        if header.pts.is_some() {
            self.timed = (self.timed + 1).min(CONVINCED);
            return None;
        }
        self.timed = 0;
        let rest = payload.get(header.size..)?;
        if self.open {
            if self.due.flatten().is_some_and(|due| self.held.len() < due) {
                return None; // the end of the one before is missing
            }
            let whole = pes::size(payload).flatten();
            self.due = Some(whole.map(|whole| self.held.len() + whole.saturating_sub(header.size)));
        }
        Some(rest)
    }

    /// The PES packet is over, since another one begins or nothing comes any more.
    pub(super) fn complete(&mut self, timeline: &mut Timeline, items: &mut Vec<Item>) {
        if !self.open {
            return;
        }
        match self.due {
            Some(None) => self.deliver(timeline, items),
            Some(Some(due)) if self.held.len() >= due => self.deliver(timeline, items),
            _ => self.drop_held(Loss::Short, items),
        }
    }

    /// Nothing comes any more: what waits for its end is lost.
    pub(super) fn finish(&mut self, timeline: &mut Timeline, items: &mut Vec<Item>) {
        self.complete(timeline, items);
        if let Reader::Audio(audio) = &mut self.reader {
            let waiting = audio.interrupt();
            if waiting > 0 {
                items.push(Item::Lost(Loss::Short, waiting as u64));
            }
        }
    }

    fn drop_held(&mut self, why: Loss, items: &mut Vec<Item>) {
        let mut bytes = self.held.len();
        match &mut self.reader {
            Reader::Video(video) => video.interrupt(),
            Reader::Audio(audio) => bytes += audio.interrupt(),
            Reader::Id3 | Reader::Other => {}
        }
        self.held.clear();
        self.open = false;
        if bytes > 0 {
            items.push(Item::Lost(why, bytes as u64));
        }
    }

    fn deliver(&mut self, timeline: &mut Timeline, items: &mut Vec<Item>) {
        self.open = false;
        let packet = self.held.split();
        let Ok(header) = pes::Header::parse(&packet) else {
            return items.push(Item::Lost(Loss::Pes, packet.len() as u64));
        };
        let times = header.pts.map(|pts| {
            let dts = self.place(header.dts.unwrap_or(pts), timeline, items);
            Times { dts, pts: unwrap(pts, dts) }
        });
        let payload = &packet[header.size..];
        if payload.is_empty() {
            return;
        }
        match &mut self.reader {
            Reader::Video(video) => video.feed(payload, times, items),
            Reader::Audio(audio) => audio.feed(payload, times.map(|times| times.pts), items),
            Reader::Id3 => items.push(match times {
                Some(times) => Item::Metadata { pts: times.pts, data: Bytes::copy_from_slice(payload) },
                None => Item::Lost(Loss::Untimed, payload.len() as u64),
            }),
            Reader::Other => {}
        }
    }

    /// A decode time among those before it. The first stream that leaves the timeline begins another one, for all.
    fn place(&mut self, time: u64, timeline: &mut Timeline, items: &mut Vec<Item>) -> i64 {
        let near = self.last.or(timeline.last).filter(|near| near.abs() < MAX_TIME).unwrap_or(time as i64);
        let time = unwrap(time, near);
        // Tags may be hours apart.
        let jumps = self.last.is_some_and(|last| !(-BACK..=JUMP).contains(&(time - last)));
        if jumps && self.epoch == timeline.epoch {
            timeline.epoch += 1;
            items.push(Item::Jump);
        }
        self.epoch = timeline.epoch;
        timeline.last = Some(time);
        if self.kind != Kind::Id3 {
            self.last = Some(time);
        }
        time
    }
}
