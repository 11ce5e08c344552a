//! A transport stream, taken apart as it comes: bytes in, tracks and samples out.
//!
//! Nothing that comes is an error: what cannot be used is told as [`Event::Lost`], and what is good behind it is found again. Memory
//! is bounded by [`Limits`], and by the events that nobody takes: [`Demuxer::poll`] until there are none after each
//! [`Demuxer::push`].

use std::collections::VecDeque;

use super::super::track::{Config, Edit, Language, Matrix, Shape, Timescale, Track};
use super::event::{Event, Loss, Lost, Sample};
use super::framing::{Found, Framer};
use super::packet::{Fault, Packet};
use super::psi::{self, Kind, Map, Sections};
use super::stream::{Item, Stream, Timeline};
use super::{NULL_PID, PACKET};

/// The packet identifier of the program association table.
const PAT_PID: u16 = 0;

/// Ticks of 90 kHz for which samples wait until each track has told what it is.
const MAX_WAIT: i64 = 5 * 90_000;

/// What a stream may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a PES packet.
    pub pes: usize,
    /// Bytes of samples that wait until each track of the program has told what it is.
    pub wait: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // A picture of 8K video at 800 Mb/s has 4 MiB; ffmpeg probes 5 MB.
        Self { pes: 16 << 20, wait: 8 << 20 }
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets, all of them.
    pub packets: u64,
    /// Packets that were missing or came in another order, in the streams of the program: times at which that was noticed.
    pub continuity_errors: u64,
    /// The last program clock reference, in ticks of 27 MHz.
    pub pcr: Option<u64>,
}

/// Takes a transport stream apart.
#[derive(Default)]
pub struct Demuxer {
    limits: Limits,
    framer: Framer,
    tables: Tables,
    streams: Vec<Stream>,
    timeline: Timeline,
    stats: Stats,
    events: VecDeque<Event>,
    waiting: Waiting,
    items: Vec<Item>,
    /// Where the packet begins in the input that was found last.
    at: u64,
}

/// The tables that were read.
#[derive(Default)]
struct Tables {
    pat: Sections,
    pmt: Sections,
    /// Number of the program that is read, and the packet identifier of its map.
    program: Option<(u16, u16)>,
    map: Option<Map>,
    counters: [Option<u8>; 2],
}

/// Events that wait until each track has told what it is.
#[derive(Default)]
struct Waiting {
    /// Whether the tracks as they are were told.
    told: bool,
    events: Vec<Event>,
    bytes: usize,
    /// When the first of them came, in ticks of 90 kHz.
    since: Option<i64>,
}

impl Demuxer {
    /// A demultiplexer with such limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, input: &[u8]) {
        let mut framer = std::mem::take(&mut self.framer);
        framer.push(input, |found| self.found(found));
        self.framer = framer;
    }

    /// The stream is over: gives what was waiting. It may go on, as the segments of a playlist do whose counters start over: what was
    /// before is whole then, and nothing of it is lost.
    pub fn finish(&mut self) {
        let mut framer = std::mem::take(&mut self.framer);
        framer.finish(|found| self.found(found));
        self.framer = framer;
        for index in 0..self.streams.len() {
            self.with_stream(index, |stream, _, timeline, items| stream.finish(timeline, items));
        }
        if !self.waiting.told && self.tables.map.is_some() {
            self.tell();
        }
    }

    /// The next event.
    #[must_use]
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn found(&mut self, found: Found<'_>) {
        match found {
            Found::Lost { at, bytes } => self.lost(at, bytes, None, Loss::Sync),
            Found::Packet { at, bytes } => {
                (self.at, self.stats.packets) = (at, self.stats.packets + 1);
                match Packet::parse(bytes) {
                    Ok(packet) => self.packet(at, &packet),
                    Err(Fault::Sync | Fault::Damaged | Fault::Reserved | Fault::Adaptation(_)) => {
                        self.lost(at, PACKET as u64, None, Loss::Packet);
                    }
                }
            }
        }
    }

    fn packet(&mut self, at: u64, packet: &Packet<'_>) {
        if packet.pid == NULL_PID {
            return;
        }
        if self.tables.map.as_ref().is_some_and(|map| map.pcr_pid == packet.pid) {
            self.clock(packet);
        }
        if packet.pid == PAT_PID || self.tables.program.is_some_and(|(_, pid)| pid == packet.pid) {
            return self.table(at, packet);
        }
        let Some(index) = self.streams.iter().position(|stream| stream.pid == packet.pid) else { return };
        if packet.scrambled {
            return self.lost(at, PACKET as u64, Some(packet.pid), Loss::Scrambled);
        }
        self.with_stream(index, |stream, limit, timeline, items| {
            stream.packet(packet, limit, timeline, items);
        });
    }

    /// A packet of the stream that carries the clock.
    fn clock(&mut self, packet: &Packet<'_>) {
        if packet.discontinuity && self.stats.pcr.is_some() {
            // What was sent under the old clock is whole as it is.
            for index in 0..self.streams.len() {
                self.with_stream(index, |stream, _, timeline, items| stream.complete(timeline, items));
            }
            self.timeline.restart();
            self.say(Event::Discontinuity);
        }
        self.stats.pcr = packet.pcr.or(self.stats.pcr);
    }

    fn table(&mut self, at: u64, packet: &Packet<'_>) {
        let Some(payload) = packet.payload else { return };
        let pat = packet.pid == PAT_PID;
        let counter = &mut self.tables.counters[usize::from(pat)];
        let before = counter.replace(packet.counter);
        if before == Some(packet.counter) {
            return; // sent twice
        }
        let assembler = if pat { &mut self.tables.pat } else { &mut self.tables.pmt };
        if before.is_some_and(|before| (before + 1) & 0x0f != packet.counter) {
            assembler.reset();
        }
        let mut sections = Vec::new();
        assembler.push(packet.start, payload, |section| sections.push(section.to_vec()));
        for section in sections {
            let read = if pat { self.programs(&section) } else { self.map(&section) };
            if read.is_err() {
                self.lost(at, section.len() as u64, Some(packet.pid), Loss::Table);
            }
        }
    }

    /// A program association table: the first program is read, and stays the one while it is there.
    fn programs(&mut self, section: &[u8]) -> Result<(), psi::Fault> {
        let Some(programs) = psi::programs(section)? else { return Ok(()) };
        let programs: Vec<(u16, u16)> = programs.collect();
        if self.tables.program.is_none_or(|program| !programs.contains(&program))
            && let Some(&program) = programs.first()
        {
            self.tables.program = Some(program);
            self.tables.pmt = Sections::default();
            self.tables.counters[0] = None;
        }
        Ok(())
    }

    fn map(&mut self, section: &[u8]) -> Result<(), psi::Fault> {
        let Some(map) = Map::parse(section)? else { return Ok(()) };
        let known = self.tables.map.as_ref() == Some(&map);
        if known || self.tables.program.is_none_or(|(number, _)| number != map.program) {
            return Ok(());
        }
        let stays = |stream: &Stream| {
            map.streams.iter().any(|entry| entry.pid == stream.pid && entry.kind == stream.kind)
        };
        // Streams that go are given whole; those that stay, stay as they are.
        for index in 0..self.streams.len() {
            if !stays(&self.streams[index]) {
                self.with_stream(index, |stream, _, timeline, items| stream.finish(timeline, items));
            }
        }
        // Where nothing stays, the times do not either.
        if !self.streams.is_empty() && !self.streams.iter().any(stays) {
            self.timeline.restart();
            self.say(Event::Discontinuity);
        }
        let mut streams = Vec::with_capacity(map.streams.len());
        for &entry in &map.streams {
            let same = |stream: &Stream| stream.pid == entry.pid && stream.kind == entry.kind;
            if streams.iter().any(same) {
                continue;
            }
            if let Some(at) = self.streams.iter().position(same) {
                let mut stays = self.streams.swap_remove(at);
                stays.language = entry.language;
                streams.push(stays);
                continue;
            }
            if let Kind::Other(refused) = entry.kind {
                self.say(Event::Refused { pid: entry.pid, refused });
            }
            streams.push(Stream::new(entry, &self.timeline));
        }
        (self.streams, self.tables.map, self.waiting.told) = (streams, Some(map), false);
        self.tell_when_ready();
        Ok(())
    }

    /// Lets a stream work, and says what comes of it.
    fn with_stream(
        &mut self,
        index: usize,
        work: impl FnOnce(&mut Stream, usize, &mut Timeline, &mut Vec<Item>),
    ) {
        let mut items = std::mem::take(&mut self.items);
        let stream = &mut self.streams[index];
        work(stream, self.limits.pes, &mut self.timeline, &mut items);
        let pid = stream.pid;
        for item in items.drain(..) {
            self.item(pid, item);
        }
        self.items = items;
    }

    fn item(&mut self, pid: u16, item: Item) {
        match item {
            Item::Config(config) => self.config(pid, config),
            Item::Jump => self.say(Event::Discontinuity),
            Item::Metadata { pts, data } => self.say(Event::Metadata { pid, pts, data }),
            Item::Gap => self.stats.continuity_errors += 1,
            Item::Lost(why, bytes) => self.lost(self.at, bytes, Some(pid), why),
            Item::Sample { dts, pts, entry, data } => {
                self.say(Event::Sample(Sample { track: pid.into(), dts, pts, entry, data }));
            }
        }
    }

    /// A stream says what it is, for the first time or anew.
    fn config(&mut self, pid: u16, config: Config) {
        let Some(index) = self.streams.iter().position(|stream| stream.pid == pid) else { return };
        // Samples that wait were made with what was said before.
        if !self.waiting.told && self.streams[index].config.is_some() {
            self.tell();
        }
        self.streams[index].config = Some(config);
        if self.waiting.told {
            self.tell();
        } else {
            self.tell_when_ready();
        }
    }

    fn tell_when_ready(&mut self) {
        if !self.streams.is_empty() && !self.streams.iter().any(Stream::waits) {
            self.tell();
        }
    }

    /// Says which tracks there are, and what has waited for that.
    fn tell(&mut self) {
        let tracks = self.streams.iter().filter_map(|stream| {
            let config = stream.config.clone()?;
            track(stream.pid.into(), config, stream.language)
        });
        let tracks = tracks.collect();
        self.events.push_back(Event::Tracks(tracks));
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting.told = true;
        self.events.extend(waiting.events);
    }

    fn say(&mut self, event: Event) {
        if self.waiting.told {
            return self.events.push_back(event);
        }
        let waiting = &mut self.waiting;
        waiting.bytes += size_of::<Event>()
            + match &event {
                Event::Sample(sample) => sample.data.len(),
                Event::Metadata { data, .. } => data.len(),
                _ => 0,
            };
        waiting.events.push(event);
        let now = self.timeline.now();
        let since = *waiting.since.get_or_insert(now);
        if waiting.bytes > self.limits.wait || now.saturating_sub(since) > MAX_WAIT {
            self.tell();
        }
    }

    fn lost(&mut self, at: u64, bytes: u64, pid: Option<u16>, why: Loss) {
        self.events.push_back(Event::Lost(Lost { at, bytes, pid, why }));
    }
}

/// The track that an elementary stream is.
pub(super) fn track(id: u32, config: Config, language: Language) -> Option<Track> {
    let sides = |size: Option<(u32, u32)>| {
        let (width, height) = size.unwrap_or_default();
        let side = |side| u16::try_from(side).unwrap_or(u16::MAX);
        (Timescale::MPEG, Shape::Video { width: side(width), height: side(height) })
    };
    let sound = |rate, sample_rate, channels: u8| {
        (
            Timescale::new(rate).unwrap_or(Timescale::MPEG),
            Shape::Audio { sample_rate, channels: channels.into() },
        )
    };
    let (timescale, shape) = match &config {
        Config::Avc(config) => sides(config.size()),
        Config::Hevc(config) => sides(config.size()),
        Config::Aac(config) => sound(config.core_rate, config.sample_rate(), config.channels()),
        Config::Ac3(config) => sound(config.sample_rate(), config.sample_rate(), config.channels()),
        Config::Eac3(config) => sound(config.sample_rate(), config.sample_rate(), config.channels()),
        _ => return None,
    };
    Some(Track {
        id,
        timescale,
        config,
        in_band: false,
        shape,
        language,
        edit: Edit::default(),
        matrix: Matrix::UNITY,
        extensions: bytes::Bytes::new(),
    })
}

#[cfg(test)]
mod tests;
