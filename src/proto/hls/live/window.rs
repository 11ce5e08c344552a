//! The segments of a rendition that viewers can get, and the playlist that names them (sections 6.2.1 and 6.2.2).
//!
//! What is complete is in memory once: the parts of a segment become slices of it. A segment that leaves the playlist stays for as long as a client that read the longest playlist with it in may ask for it: its
//! own duration and that of the playlist (the availability duration).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::super::playlist::media::{
    Date, HintKind, Map, MediaPlaylist, Part, PlaylistKind, PreloadHint, Segment, ServerControl,
};
use super::names::Name;
use super::settings::{History, Targets};
use super::timeline::{Micros, micros};

/// The version of the protocol that live playlists need: delta updates came with it.
const VERSION: u32 = 9;

/// What a segment, or a part, takes in memory beside its bytes, about.
const OVERHEAD: u64 = 1024;

/// A rendition's segments.
#[derive(Debug)]
pub struct Window {
    run: u64,
    targets: Targets,
    history: History,
    /// Those that something needs, by their numbers.
    inits: BTreeMap<u64, Init>,
    next_init: u64,
    /// The one of what comes next.
    init: Option<u64>,
    map: Option<Arc<Map>>,
    segments: VecDeque<Kept>,
    open: Option<Open>,
    gone: VecDeque<Gone>,
    media_sequence: u64,
    discontinuity_sequence: u64,
    /// The discontinuity sequence number of the last segment.
    era: u64,
    /// There was enough to play, whatever has become of it.
    begun: bool,
    /// Whether every segment so far begins with a key frame.
    independent: bool,
    /// The longest that the playlist has been.
    longest: Duration,
    ended: bool,
    bytes: u64,
}

#[derive(Debug)]
struct Kept {
    segment: Segment,
    data: Bytes,
    /// Ends of the parts in the data.
    ends: Vec<usize>,
    /// The number of its initialization section.
    init: Option<u64>,
}

#[derive(Debug)]
struct Open {
    segment: Segment,
    parts: Vec<Bytes>,
    init: Option<u64>,
}

#[derive(Debug)]
struct Init {
    bytes: Bytes,
    codecs: String,
    /// How many segments need it.
    uses: usize,
}

/// Where the numbers of a window begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The number of the first segment (`EXT-X-MEDIA-SEQUENCE`).
    pub msn: u64,
    /// The number of discontinuities before it (`EXT-X-DISCONTINUITY-SEQUENCE`).
    pub era: u64,
}

#[derive(Debug)]
struct Gone {
    msn: u64,
    until: Micros,
    kept: Kept,
}

/// A segment that was completed.
#[derive(Clone, Debug, PartialEq)]
pub struct Complete {
    /// As it stands in the playlist, but without its parts.
    pub segment: Segment,
    /// Its discontinuity sequence number: how many discontinuities there were until it, its own among them.
    pub era: u64,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Window {
    /// A window with no segment, of the run `run`.
    #[must_use]
    pub fn new(run: u64, targets: Targets, history: History, start: Start) -> Self {
        Self {
            run,
            targets,
            history,
            inits: BTreeMap::new(),
            next_init: 0,
            init: None,
            map: None,
            segments: VecDeque::new(),
            open: None,
            gone: VecDeque::new(),
            media_sequence: start.msn,
            discontinuity_sequence: start.era,
            era: start.era,
            begun: false,
            independent: true,
            longest: Duration::ZERO,
            ended: false,
            bytes: 0,
        }
    }

    /// Adds an initialization section, for the open segment if that has no part yet, and those behind it.
    pub fn init(&mut self, bytes: Bytes, codecs: &str) {
        let known = self.inits.iter().find(|(_, known)| known.bytes == bytes).map(|(number, _)| *number);
        let number = known.unwrap_or_else(|| {
            self.bytes += bytes.len() as u64 + OVERHEAD;
            self.inits.insert(self.next_init, Init { bytes, codecs: codecs.to_owned(), uses: 0 });
            self.next_init += 1;
            self.next_init - 1
        });
        let before = self.init.replace(number);
        let uri = Name::Init(number).write(self.run);
        self.map = Some(Arc::new(Map { uri, byte_range: None, keys: Arc::default() }));
        if let Some(open) = &mut self.open
            && open.parts.is_empty()
        {
            open.segment.map.clone_from(&self.map);
            open.init = self.init;
        }
        self.forget_init(before);
    }

    /// Forgets an initialization section that nothing needs any longer.
    fn forget_init(&mut self, number: Option<u64>) {
        let Some(number) = number else { return };
        let needed =
            self.init == Some(number) || self.open.as_ref().is_some_and(|open| open.init == Some(number));
        if !needed && self.inits.get(&number).is_some_and(|init| init.uses == 0) {
            let bytes = self.inits.remove(&number).map_or(0, |init| init.bytes.len() as u64 + OVERHEAD);
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }

    /// The codecs of all that can be had, by RFC 6381, those of the last initialization section first.
    #[must_use]
    pub fn codecs(&self) -> String {
        let mut codecs: Vec<&str> = Vec::new();
        let last = self.init.and_then(|number| self.inits.get(&number));
        for codec in last.into_iter().chain(self.inits.values()).flat_map(|init| init.codecs.split(',')) {
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        codecs.join(",")
    }

    /// Begins a segment whose first picture has this date. What is open is complete. It is behind a discontinuity if there were more of them, `era`, than until the
    /// segment before it: of one, as a segment can tell no more.
    pub fn begin(&mut self, date: Date, era: u64, now: Micros) {
        self.end(now);
        let segment = Segment {
            program_date_time: Some(date),
            discontinuity: era > self.era,
            map: self.map.clone(),
            ..Segment::default()
        };
        self.open = Some(Open { segment, parts: Vec::new(), init: self.init });
    }

    /// Adds a part to the open segment.
    pub fn part(&mut self, duration: Duration, independent: bool, data: Bytes) {
        let (msn, run) = (self.next_msn(), self.run);
        let Some(open) = &mut self.open else { return };
        let uri = Name::Part(msn, open.parts.len() as u64).write(run);
        if open.parts.is_empty() {
            self.independent &= independent;
        }
        self.bytes += data.len() as u64 + OVERHEAD;
        open.segment.duration = open.segment.duration.saturating_add(duration);
        open.segment.parts.push(Part { uri, duration, independent, ..Part::default() });
        open.parts.push(data);
    }

    /// Completes the open segment, if there is one, and forgets what is old.
    pub fn end(&mut self, now: Micros) -> Option<Complete> {
        let mut open = self.open.take()?;
        if open.parts.is_empty() {
            self.forget_init(open.init);
            return None;
        }
        let msn = self.next_msn();
        open.segment.uri = Name::Segment(msn).write(self.run);
        let mut ends = Vec::with_capacity(open.parts.len());
        let data = match open.parts.as_slice() {
            [only] => {
                ends.push(only.len());
                only.clone()
            }
            parts => {
                let mut data = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
                for part in parts {
                    data.extend_from_slice(part);
                    ends.push(data.len());
                }
                data.freeze()
            }
        };
        if self.targets.part.is_none() {
            open.segment.parts.clear();
        }
        let segment = Segment { parts: Vec::new(), ..open.segment.clone() };
        let era = self.era + u64::from(segment.discontinuity);
        let complete = Complete { segment, era, bytes: data.clone() };
        self.keep(Kept { segment: open.segment, data, ends, init: open.init }, now);
        Some(complete)
    }

    fn keep(&mut self, kept: Kept, now: Micros) {
        self.era += u64::from(kept.segment.discontinuity);
        if let Some(init) = kept.init.and_then(|number| self.inits.get_mut(&number)) {
            init.uses += 1;
        }
        self.segments.push_back(kept);
        // A playlist of which segments have gone is never shorter than this (section 6.2.2), though they went with the run before.
        let enough = self.media_sequence == 0 || self.duration() >= self.targets.segment() * 3;
        self.begun |= enough && self.has_any();
        self.slide(now);
    }

    fn has_any(&self) -> bool {
        self.segments.iter().any(|kept| !kept.segment.gap)
    }

    /// Adds a segment that is not there, because nothing came.
    pub fn gap(&mut self, duration: Duration, date: Date, era: u64, now: Micros) {
        self.end(now);
        let segment = Segment {
            uri: Name::Gap(self.next_msn()).write(self.run),
            duration,
            gap: true,
            discontinuity: era > self.era,
            program_date_time: Some(date),
            map: self.map.clone(),
            ..Segment::default()
        };
        self.bytes += OVERHEAD;
        self.keep(Kept { segment, data: Bytes::new(), ends: Vec::new(), init: self.init }, now);
    }

    /// Nothing more comes.
    pub fn finish(&mut self, now: Micros) -> Option<Complete> {
        let last = self.end(now);
        self.ended = true;
        self.begun |= self.has_any();
        last
    }

    /// Whether nothing more comes.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Whether there was anything to play. It stays so when gaps are all that is left of it: who plays it goes on asking, and what comes back is found.
    #[must_use]
    pub fn is_playable(&self) -> bool {
        self.begun
    }

    /// The discontinuity sequence number of the last segment.
    #[must_use]
    pub fn era(&self) -> u64 {
        self.era
    }

    /// The number of the segment behind the last complete one.
    #[must_use]
    pub fn next_msn(&self) -> u64 {
        self.media_sequence + self.segments.len() as u64
    }

    /// The number of the last segment, complete or not, and of its last part.
    #[must_use]
    pub fn last(&self) -> Option<(u64, Option<u64>)> {
        let parts = |segment: &Segment| (segment.parts.len() as u64).checked_sub(1);
        match &self.open {
            Some(open) if !open.parts.is_empty() && self.targets.part.is_some() => {
                Some((self.next_msn(), parts(&open.segment)))
            }
            _ => {
                let last = self.segments.back()?;
                Some((self.next_msn() - 1, parts(&last.segment)))
            }
        }
    }

    /// Whether every segment so far can be decoded without another one. Media playlists do not tell: a key frame may be missing later, and a tag that
    /// stands there has to stay (section 6.2.1).
    #[must_use]
    pub fn independent(&self) -> bool {
        self.independent
    }

    /// Bytes of memory, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes of something with a name. `None` when it is not there, or not any longer.
    #[must_use]
    pub fn resource(&self, name: Name) -> Option<Bytes> {
        match name {
            Name::Init(number) => self.inits.get(&number).map(|init| init.bytes.clone()),
            Name::Segment(msn) => self.kept(msn).map(|kept| kept.data.clone()),
            Name::Part(msn, part) => {
                let part = usize::try_from(part).ok()?;
                match &self.open {
                    Some(open) if msn == self.next_msn() => open.parts.get(part).cloned(),
                    _ => {
                        let kept = self.kept(msn)?;
                        let end = *kept.ends.get(part)?;
                        let start = part.checked_sub(1).and_then(|before| kept.ends.get(before)).copied();
                        Some(kept.data.slice(start.unwrap_or(0)..end))
                    }
                }
            }
            Name::Gap(_) => None,
        }
    }

    fn kept(&self, msn: u64) -> Option<&Kept> {
        let kept = match msn.checked_sub(self.media_sequence) {
            Some(index) => self.segments.get(usize::try_from(index).ok()?),
            None => self.gone.iter().find(|gone| gone.msn == msn).map(|gone| &gone.kept),
        };
        kept.filter(|kept| !kept.segment.gap)
    }

    fn duration(&self) -> Duration {
        self.segments.iter().fold(Duration::ZERO, |sum, kept| sum.saturating_add(kept.segment.duration))
    }

    /// Removes segments that are older than the window.
    fn slide(&mut self, now: Micros) {
        self.sweep(now);
        let mut duration = self.duration();
        self.longest = self.longest.max(duration);
        let History::Sliding(window) = self.history else { return };
        let most = window.max(self.targets.segment() * 3);
        while let Some(first) = self.segments.front()
            && duration.saturating_sub(first.segment.duration) >= most
        {
            duration -= first.segment.duration;
            self.remove_first(now);
        }
    }

    fn remove_first(&mut self, now: Micros) {
        let Some(kept) = self.segments.pop_front() else { return };
        let available = kept.segment.duration.saturating_add(self.longest);
        let until = now.saturating_add(micros(available));
        self.discontinuity_sequence += u64::from(kept.segment.discontinuity);
        self.gone.push_back(Gone { msn: self.media_sequence, until, kept });
        self.media_sequence += 1;
    }

    /// Forgets segments that nobody may ask for any longer.
    pub fn sweep(&mut self, now: Micros) {
        while self.gone.front().is_some_and(|gone| gone.until <= now) {
            self.forget();
        }
    }

    fn forget(&mut self) {
        if let Some(gone) = self.gone.pop_front() {
            let parts = gone.kept.ends.len().max(1) as u64;
            self.bytes = self.bytes.saturating_sub(gone.kept.data.len() as u64 + parts * OVERHEAD);
            if let Some(init) = gone.kept.init.and_then(|number| self.inits.get_mut(&number)) {
                init.uses -= 1;
            }
            self.forget_init(gone.kept.init);
        }
    }

    /// Gives memory back, the oldest segments first, until no more than `most` bytes are used, or a playlist may not be shorter. Whether that was enough.
    pub fn shrink(&mut self, most: u64, now: Micros) -> bool {
        let least = self.targets.segment() * 3;
        while self.bytes > most {
            if !self.gone.is_empty() {
                self.forget();
                continue;
            }
            let first = self.segments.front().map_or(Duration::ZERO, |kept| kept.segment.duration);
            let may = self.history != History::Event && self.duration().saturating_sub(first) >= least;
            if !may || self.segments.is_empty() {
                return false;
            }
            self.remove_first(now);
        }
        true
    }

    /// The playlist, but for what other renditions report.
    #[must_use]
    pub fn playlist(&self) -> MediaPlaylist {
        let mut playlist = self.head();
        playlist.segments = self.segments.iter().map(|kept| kept.segment.clone()).collect();
        // Parts are told for the last three target durations (section 6.2.2).
        let mut behind = playlist.unfinished.as_ref().map_or(Duration::ZERO, |segment| segment.duration);
        for segment in playlist.segments.iter_mut().rev() {
            if behind > self.targets.segment() * 3 {
                segment.parts = Vec::new();
            }
            behind = behind.saturating_add(segment.duration);
        }
        playlist
    }

    /// The last segment and what is open, as a playlist of their own: enough to know what is there already.
    #[must_use]
    pub fn tail(&self) -> MediaPlaylist {
        let mut tail = self.head();
        tail.media_sequence = self.next_msn() - u64::from(!self.segments.is_empty());
        tail.segments = self.segments.back().map(|kept| kept.segment.clone()).into_iter().collect();
        tail
    }

    fn head(&self) -> MediaPlaylist {
        let part = self.targets.part;
        let open = self.open.as_ref().filter(|open| part.is_some() && !open.parts.is_empty());
        let hint = open.map_or((self.next_msn(), 0), |open| (self.next_msn(), open.parts.len() as u64));
        let hint = PreloadHint {
            kind: HintKind::Part,
            uri: Name::Part(hint.0, hint.1).write(self.run),
            start: 0,
            length: None,
        };
        MediaPlaylist {
            version: VERSION,
            target_duration: self.targets.segment,
            media_sequence: self.media_sequence,
            discontinuity_sequence: self.discontinuity_sequence,
            kind: (self.history == History::Event).then_some(PlaylistKind::Event),
            ended: self.ended,
            server_control: ServerControl {
                can_skip_until: Some(self.targets.segment() * 6),
                part_hold_back: part.map(|part| part * 3),
                can_block_reload: true,
                ..ServerControl::default()
            },
            part_target: part,
            unfinished: open.filter(|_| !self.ended).map(|open| Box::new(open.segment.clone())),
            preload_hints: if part.is_some() && !self.ended { vec![hint] } else { Vec::new() },
            ..MediaPlaylist::default()
        }
    }
}
