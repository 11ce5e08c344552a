//! From samples to parts and segments: where they are cut.
//!
//! The pictures decide, or the sound where there are none. A segment ends at a key frame: at the first one in each span of the wished length, counted on the time of the stream, so that renditions of
//! the same encoder are cut at the same times; earlier, if the next key frame would come too late for the target duration; and without a key frame, if none comes in time. A part ends when it is long
//! enough, at a key frame (where it is not very short, as key frames may be all that there is), or before a picture that would make it too long; if it is too short for a part then, its segment ends too. Durations are exact sums of pictures in the order of decoding, which over a closed group of pictures is what is shown.
//!
//! Sound goes into the part in which it is heard. An encoder sends it up to half a second behind its pictures: a part waits that long for it, and no longer.

use std::time::Duration;

use bytes::Bytes;

use super::super::mp4::message::Message;
use super::super::track::{Config, Sample, Shape, Timescale, Track};
use super::feed::Feed;
use super::lane::{Lane, Order};
pub use super::output::{Counts, MAX_INIT, MAX_SAMPLES, NO_KEY, Output, Unusable};
use super::piece::{self, Contents, Taken};
use super::settings::{Settings, Targets};
use super::shared::Shared;
use super::timeline::{Micros, micros};

/// How long pictures wait for their sound.
const INTERLEAVE: Micros = 500_000;
/// How much sound is kept while there are no pictures for it.
const EARLY_SOUND: Micros = 5_000_000;
/// How much longer than it may be told a picture can stand without its time being a hole. Dates of segments may be as far from what their durations say.
const UNTOLD: Micros = 250_000;
/// Messages that wait for their part.
const MESSAGES: usize = 64;

/// Cuts a feed.
#[derive(Debug)]
pub struct Segmenter {
    settings: Settings,
    main: Option<Lane>,
    sound: Option<Lane>,
    era: Option<Era>,
    /// The tracks of the initialization section that was told last.
    told: Vec<Track>,
    messages: Vec<(i64, Message)>,
    /// Tags of ID3 so far, by which they are told from each other.
    tags: u32,
    sequence: u32,
    /// Where on the time of the stream the last part ends.
    end: Micros,
    /// When the first picture was left out for want of a key frame.
    keyless: Option<Micros>,
    /// Behind the last part is time of which nothing was told.
    torn: bool,
    counts: Counts,
    out: Vec<Output>,
}

/// What goes on from one discontinuity to the next.
#[derive(Debug)]
struct Era {
    /// What is added to times of the source.
    shift: Micros,
    /// When its first picture is shown.
    start: Micros,
    /// Whether something came before it, and it has not been told that it does not continue that.
    discontinuity: bool,
    segment: Option<Open>,
    /// The longest time between key frames of late, in ticks.
    group: i64,
    last_key: Option<i64>,
    /// Samples that were looked at in vain for the end of the first segment.
    looked: usize,
}

/// A segment that is not complete, in ticks of the main track.
#[derive(Debug)]
struct Open {
    /// When its first sample is decoded, at the source.
    start: i64,
    /// When it is shown, on the time of the stream.
    at: Micros,
    /// How much later than decoded its first sample is shown.
    offset: i64,
    /// Parts that were given.
    parts: usize,
    /// Samples of the part that is not complete, and how long they are.
    taken: usize,
    elapsed: i64,
    /// How much longer its samples are than is told.
    untold: i64,
    closing: Option<Closing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Part,
    Segment,
}

impl Segmenter {
    /// A segmenter of nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            main: None,
            sound: None,
            era: None,
            told: Vec::new(),
            messages: Vec::new(),
            tags: 0,
            sequence: 0,
            end: 0,
            keyless: None,
            torn: false,
            counts: Counts::default(),
            out: Vec::new(),
        }
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Where on the time of the stream the last part ends.
    #[must_use]
    pub fn end(&self) -> Micros {
        self.end
    }

    /// Bytes of memory of samples that wait for their part, about.
    #[must_use]
    pub fn held(&self) -> usize {
        let messages: usize = self.messages.iter().map(|(_, message)| message.size()).sum();
        messages + [&self.main, &self.sound].into_iter().flatten().map(|lane| lane.bytes).sum::<usize>()
    }

    /// Leaves out the time until `end`: what comes next begins there or later.
    pub fn leave_out(&mut self, end: Micros) {
        self.end = self.end.max(end);
    }

    /// Whether what comes next does not continue the last part, for a hole that was not told of. It is then.
    pub fn take_torn(&mut self) -> bool {
        std::mem::take(&mut self.torn)
    }

    /// What has come out since this was asked last.
    pub fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// Takes what comes next.
    ///
    /// # Errors
    /// The feed cannot be served, and is over.
    pub fn push(&mut self, feed: Feed, now: Micros, shared: &mut Shared) -> Result<(), Unusable> {
        match feed {
            Feed::Tracks(tracks) => self.tracks(&tracks, now, shared),
            Feed::Sample { track, sample, data } => self.sample(track, sample, data, now, shared),
            Feed::Metadata { at, tag } => {
                self.tags = self.tags.wrapping_add(1);
                self.message(at, Message::id3(self.tags, tag));
                Ok(())
            }
            Feed::Message { at, message } => {
                self.message(at, message);
                Ok(())
            }
            Feed::Discontinuity => self.begin_again(now, shared),
        }
    }

    fn message(&mut self, at: i64, message: Message) {
        if self.messages.len() < MESSAGES && self.main.is_some() {
            self.messages.push((at, message));
        }
    }

    /// Nothing more comes of what was there: gives all of it. What comes next does not continue it; nothing does if it is the `last`. Before the targets are known,
    /// only that is worth a segment: what was torn off by a loss tells nothing of how long segments are.
    ///
    /// # Errors
    /// As for [`Segmenter::push`].
    pub fn flush(&mut self, last: bool, now: Micros, shared: &mut Shared) -> Result<(), Unusable> {
        if self.era.is_some() && (last || shared.targets.is_some()) {
            self.advance(true, now, shared)?;
            if let Some(open) = self.era.as_mut().and_then(|era| era.segment.as_mut()) {
                open.closing = Some(Closing::Segment);
                self.advance(true, now, shared)?;
            }
        }
        self.era = None;
        self.messages.clear();
        [&mut self.main, &mut self.sound].into_iter().flatten().for_each(Lane::clear);
        Ok(())
    }

    fn begin_again(&mut self, now: Micros, shared: &mut Shared) -> Result<(), Unusable> {
        self.counts.discontinuities += u64::from(self.era.is_some());
        self.flush(false, now, shared)
    }

    fn tracks(&mut self, tracks: &[Track], now: Micros, shared: &mut Shared) -> Result<(), Unusable> {
        let servable = |track: &&Track| !matches!(track.config, Config::Wvtt(_));
        let is_video = |track: &&Track| matches!(track.shape, Shape::Video { .. });
        let is_sound = |track: &&Track| matches!(track.shape, Shape::Audio { .. });
        let video = tracks.iter().filter(servable).find(is_video).map(|track| Lane::new(track, 1));
        let sound = tracks.iter().filter(servable).find(is_sound).map(|track| Lane::new(track, 2));
        let (main, sound) = if video.is_some() { (video, sound) } else { (sound, None) };
        let main = main.ok_or(Unusable::NoTracks)?;
        let same = |old: &Option<Lane>, new: &Option<Lane>| match (old, new) {
            (Some(old), Some(new)) => old.source == new.source && old.track == new.track,
            (None, None) => true,
            _ => false,
        };
        let main = Some(main);
        if same(&self.main, &main) && same(&self.sound, &sound) {
            return Ok(());
        }
        self.flush(false, now, shared)?;
        (self.main, self.sound, self.keyless) = (main, sound, None);
        Ok(())
    }

    fn sample(
        &mut self,
        track: u32,
        sample: Sample,
        data: Bytes,
        now: Micros,
        shared: &mut Shared,
    ) -> Result<(), Unusable> {
        let Some(main) = &mut self.main else {
            self.counts.dropped += 1;
            return Ok(());
        };
        let is_main = main.source == track;
        let has_video = matches!(main.track.shape, Shape::Video { .. });
        let lane = match &mut self.sound {
            _ if is_main => main,
            Some(sound) if sound.source == track => sound,
            _ => return Ok(()),
        };
        if data.is_empty() {
            self.counts.dropped += 1;
            return Ok(());
        }
        // Before the first key frame, and before it is shown, there is nothing to show.
        let key = sample.key || !has_video;
        if is_main && self.era.is_none() && !key {
            let since = *self.keyless.get_or_insert(now);
            self.counts.dropped += 1;
            let waited = now.saturating_sub(since) / 1_000_000;
            return if waited < NO_KEY { Ok(()) } else { Err(Unusable::NoKey(NO_KEY)) };
        }
        if is_main
            && let Some(era) = &self.era
            && lane.shown(&sample).saturating_add(era.shift) < era.start
        {
            self.counts.dropped += 1;
            return Ok(());
        }
        let sample = Sample { key, ..sample };
        match lane.push(sample, data.clone(), is_main) {
            Order::Follows => {}
            Order::Mended => self.counts.mended += 1,
            Order::Jumps => {
                self.begin_again(now, shared)?;
                return self.sample(track, sample, data, now, shared);
            }
        }
        if is_main && self.era.is_none() {
            self.begin(now, shared);
        }
        self.bound_sound();
        if self.held() > self.settings.held {
            return Err(Unusable::TooMuch(self.settings.held));
        }
        if [&self.main, &self.sound].into_iter().flatten().any(|lane| lane.samples.len() > MAX_SAMPLES) {
            return Err(Unusable::TooMany(MAX_SAMPLES));
        }
        self.advance(false, now, shared)
    }

    /// An era begins with the sample of the main track that is there.
    fn begin(&mut self, now: Micros, shared: &mut Shared) {
        let Some((lane, held)) = self.main.as_ref().and_then(|lane| Some((lane, lane.samples.front()?)))
        else {
            return;
        };
        let source = lane.micros(held.sample.pts());
        let shift = shared.line.place(source, self.end, now);
        let start = source.saturating_add(shift);
        let discontinuity = self.sequence > 0;
        self.era =
            Some(Era { shift, start, discontinuity, segment: None, group: 0, last_key: None, looked: 0 });
        self.keyless = None;
    }

    /// Keeps no more sound than may find its pictures.
    fn bound_sound(&mut self) {
        let Some(lane) = &mut self.sound else { return };
        let span = |lane: &Lane| {
            let first = lane.samples.front().map(|held| held.sample.dts);
            lane.micros(first.zip(lane.end()).map_or(0, |(first, end)| end.saturating_sub(first)))
        };
        let most = if self.era.is_none() { EARLY_SOUND } else { 4 * EARLY_SOUND };
        while span(lane) > most && lane.pop().is_some() {
            self.counts.dropped += 1;
        }
    }

    /// Gives all parts that can be given.
    fn advance(&mut self, over: bool, now: Micros, shared: &mut Shared) -> Result<(), Unusable> {
        let targets = match shared.targets {
            Some(targets) => targets,
            None => {
                let Some(targets) = self.learn(over) else { return Ok(()) };
                shared.targets = Some(targets);
                // Nobody knows the dates yet, so that they can still be put right.
                shared.line.settle(self.arrived(), now);
                targets
            }
        };
        while self.step(over, &targets) {
            if self.closing().is_some() && !self.give(over, now, shared, &targets)? {
                break;
            }
        }
        Ok(())
    }

    /// Until when the pictures are there, on the time of the stream; what has not been given out yet included.
    #[must_use]
    pub fn arrived(&self) -> Micros {
        let end = self.main.as_ref().and_then(|lane| Some(lane.micros(lane.end()?)));
        let shift = self.era.as_ref().map_or(0, |era| era.shift);
        end.map_or(self.end, |end| end.saturating_add(shift))
    }

    fn closing(&self) -> Option<Closing> {
        self.era.as_ref()?.segment.as_ref()?.closing
    }

    /// The targets, when the first segment is there.
    fn learn(&mut self, over: bool) -> Option<Targets> {
        let (lane, era) = (self.main.as_ref()?, self.era.as_mut()?);
        let first = lane.samples.front()?.sample;
        let longest = lane.ticks(micros(self.settings.longest));
        let mut end = None;
        for (index, held) in lane.samples.iter().enumerate().skip(era.looked) {
            let elapsed = held.sample.dts - first.dts;
            let took = lane.duration(index, over).map_or(0, i64::from);
            let next = lane.micros(held.sample.pts()).saturating_add(era.shift);
            let spans = || spans(self.settings.segment, era.start, next, lane.micros(took));
            if held.sample.key && index > 0 && spans() || elapsed + took > longest {
                // The one that is too much stands for no longer than a segment may be, neither.
                end = Some((index.max(1), elapsed.max(took.min(longest))));
                break;
            }
        }
        let all = lane.samples.len();
        // How long the last one takes is told by the next.
        era.looked = all.saturating_sub(1);
        let whole = || Some((all, lane.end()? - first.dts));
        let (count, elapsed) = end.or_else(|| whole().filter(|_| over))?;
        let mut took: Vec<u32> = (0..count).filter_map(|index| lane.duration(index, over)).collect();
        took.sort_unstable();
        let usual = took.get(took.len() / 2).copied()?;
        let span = |ticks| Duration::from_micros(u64::try_from(lane.micros(ticks)).unwrap_or(0));
        Some(Targets::learn(&self.settings, span(elapsed), span(usual.into())))
    }

    /// Looks at the next sample of the main track. False when more has to come.
    fn step(&mut self, over: bool, targets: &Targets) -> bool {
        let (Some(lane), Some(era)) = (&self.main, &mut self.era) else { return false };
        if era.segment.as_ref().is_some_and(|open| open.closing.is_some()) {
            return true;
        }
        let taken = era.segment.as_ref().map_or(0, |open| open.taken);
        let Some(next) = lane.samples.get(taken).map(|held| held.sample) else { return false };
        let limit = |most: Duration| lane.ticks(micros(most));
        let Some(open) = &era.segment else {
            let at = lane.micros(next.pts()).saturating_add(era.shift);
            let discontinuity = std::mem::take(&mut era.discontinuity) | std::mem::take(&mut self.torn);
            self.out.push(Output::Segment { at, discontinuity });
            era.segment = Some(Open {
                start: next.dts,
                at,
                offset: i64::from(next.composition_offset),
                parts: 0,
                taken: 0,
                elapsed: 0,
                untold: 0,
                closing: None,
            });
            return true;
        };
        let elapsed = next.dts - open.start;
        let longest = limit(targets.longest());
        if elapsed > 0 && next.key {
            let at = lane.micros(next.pts()).saturating_add(era.shift);
            let picture = lane.micros(next.duration.into());
            if spans(self.settings.segment, open.at, at, picture) || elapsed + era.group > longest {
                return close(era, Closing::Segment);
            }
        }
        let Some(took) = lane.duration(taken, over) else { return false };
        let took = i64::from(took);
        let part = targets.part.map(|part| (limit(part), limit(Targets::least(part))));
        let untold = (took - part.map_or(longest, |(most, _)| most)).max(0);
        let bearable = lane.ticks(UNTOLD);
        if elapsed > 0 && (elapsed + took > longest || open.untold + untold > bearable) {
            self.counts.split += u64::from(!next.key);
            return close(era, Closing::Segment);
        }
        if taken > 0
            && let Some((most, least)) = part
            && (next.key && 4 * open.elapsed >= least || open.elapsed + took > most)
        {
            // Behind a late picture a part may be too short only as the last one of its segment.
            let late = !next.key && open.elapsed < least;
            self.counts.split += u64::from(late);
            return close(era, if late { Closing::Segment } else { Closing::Part });
        }
        if next.key
            && let Some(last) = era.last_key.replace(next.dts)
        {
            era.group = era.group.max(next.dts - last);
        }
        if let Some(open) = &mut era.segment {
            (open.taken, open.elapsed, open.untold) = (taken + 1, open.elapsed + took, open.untold + untold);
            if untold > bearable {
                // One that stands for too long: a hole is behind what is told of it.
                (open.closing, self.torn) = (Some(Closing::Segment), true);
            } else if part.is_some_and(|(_, least)| open.elapsed >= least) {
                open.closing = Some(Closing::Part);
            }
        }
        true
    }

    /// Gives the part that is to be closed, unless its sound has to come first: then false.
    fn give(
        &mut self,
        over: bool,
        now: Micros,
        shared: &mut Shared,
        targets: &Targets,
    ) -> Result<bool, Unusable> {
        let (Some(lane), Some(era)) = (&mut self.main, &mut self.era) else { return Ok(false) };
        let Some(open) = &mut era.segment else { return Ok(false) };
        if open.taken > 0 {
            let Some(first) = lane.samples.front().map(|held| held.sample) else { return Ok(false) };
            let boundary = first.dts.saturating_add(open.elapsed).saturating_add(open.offset);
            let until = lane.micros(boundary).saturating_add(era.shift);
            let arrived = lane.end().map_or(until, |end| lane.micros(end).saturating_add(era.shift));
            if let Some(sound) = &self.sound {
                let heard = sound.end().map(|end| sound.micros(end).saturating_add(era.shift));
                let waits = heard.is_none_or(|heard| heard < until);
                // Sound that is far behind is not waited for.
                let near = heard.is_none_or(|heard| until.saturating_sub(heard) < 2 * INTERLEAVE);
                if waits && near && !over && arrived.saturating_sub(until) < INTERLEAVE {
                    return Ok(false);
                }
            }
            let tracks: Vec<Track> = [Some(&*lane), self.sound.as_ref()]
                .into_iter()
                .flatten()
                .map(|lane| lane.track.clone())
                .collect();
            if tracks != self.told {
                let picture =
                    lane.duration(0, true).map_or(0.0, |took| lane.track.timescale.seconds(took.into()));
                let bytes = piece::initialization(&tracks);
                if bytes.len() > MAX_INIT {
                    return Err(Unusable::Init(MAX_INIT));
                }
                self.out.push(Output::Init { bytes, about: Contents::of(&tracks, picture) });
                self.told = tracks;
            }
            let duration = ticks_duration(open.elapsed, lane.track.timescale);
            // One picture that stands for longer: the player sees it as long as it is, and the playlist keeps its word. In front of a hole it is as long as is told.
            let told = duration.min(targets.part.unwrap_or(targets.longest()));
            let mut samples: Vec<_> = (0..open.taken).map_while(|_| lane.pop()).collect();
            let mut heard_until = until;
            if self.torn
                && let [only] = samples.as_mut_slice()
            {
                only.sample.duration =
                    u32::try_from(lane.ticks(micros(told))).unwrap_or(only.sample.duration);
                heard_until = until.saturating_sub(micros(duration.saturating_sub(told)));
            }
            let start = first.dts.saturating_add(lane.ticks(era.shift));
            let mut heard = Vec::new();
            if let Some(sound) = &mut self.sound {
                let (samples, dropped) = sound.take(era.shift, era.start..heard_until, until);
                heard = samples;
                self.counts.dropped += dropped;
            }
            let here = due(&mut self.messages, era.shift, until);
            let mut taken = vec![Taken { lane, start, samples }];
            if let Some((sound, held)) = self.sound.as_ref().zip(heard.first()) {
                let start = held.sample.dts.saturating_add(sound.ticks(era.shift));
                taken.push(Taken { lane: sound, start, samples: heard });
            }
            self.sequence = self.sequence.wrapping_add(1).max(1);
            let data = piece::part(open.parts == 0, self.sequence, &here, &taken).ok_or(Unusable::TooLong)?;
            self.out.push(Output::Part { duration: told, independent: first.key, data });
            self.end = until;
            (open.taken, open.elapsed, open.parts) = (0, 0, open.parts + 1);
            shared.line.observe(until, now);
        }
        if open.closing.take() == Some(Closing::Segment) {
            self.out.push(Output::End);
            era.segment = None;
        }
        Ok(true)
    }
}

/// Whether a multiple of the wished length lies between two pictures, or the second one begins less than half of itself before one.
fn spans(length: Duration, first: Micros, next: Micros, picture: Micros) -> bool {
    let length = micros(length).max(1);
    let tolerance = picture.clamp(0, length) / 2;
    let span = |at: Micros| at.saturating_add(tolerance).div_euclid(length);
    span(first) != span(next)
}

/// Takes out the messages that begin before `until`, with their times on the timeline of the stream, in ticks of 90 kHz.
fn due(messages: &mut Vec<(i64, Message)>, shift: Micros, until: Micros) -> Vec<(i64, Message)> {
    let mpeg = |micros| Timescale::MICROS.rescale(micros, Timescale::MPEG);
    let (shift, until) = (mpeg(shift).unwrap_or(0), mpeg(until).unwrap_or(i64::MAX));
    messages.iter_mut().for_each(|(at, _)| *at = at.saturating_add(shift));
    let (due, mut later): (Vec<_>, Vec<_>) = messages.drain(..).partition(|(at, _)| *at < until);
    later.iter_mut().for_each(|(at, _)| *at = at.saturating_sub(shift));
    *messages = later;
    due
}

fn close(era: &mut Era, how: Closing) -> bool {
    if let Some(open) = &mut era.segment {
        open.closing = Some(how);
    }
    true
}

fn ticks_duration(ticks: i64, scale: Timescale) -> Duration {
    let nanos = u128::try_from(ticks).unwrap_or(0) * 1_000_000_000 / u128::from(scale.ticks());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
