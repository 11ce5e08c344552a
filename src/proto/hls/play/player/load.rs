//! Media: which are asked for next, in which quality, and what comes of it.

use super::{Action, Failure, Kind, Player};
use crate::proto::hls::abr::{Choice, Download, Ms, Progress, Quality};
use crate::proto::hls::play::event::{Event, LaneId};
use crate::proto::hls::play::lane::{Last, Loading};
use crate::proto::hls::play::piece::{Found, Piece};
use crate::proto::hls::play::playback::Span;
use crate::proto::hls::play::program::RenditionId;

/// A download may take so many times the patience for an answer, however steadily it comes.
const MOST_PATIENCE: f64 = 12.0;

/// Media that are longer or shorter than their playlist says by less than this are not told of.
const DIFFERENCE: Ms = 500.0;

/// By how much the durations of parts and that of their segment may differ, as they are rounded.
const ROUNDED: Ms = 20.0;

/// Pictures do not run ahead of their sound by more than this, nor sound of its pictures by more than a segment: both are written beside each other.
const AHEAD: Ms = 10_000.0;

/// What the media themselves say of a piece.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// How long they are.
    pub duration: Ms,
}

impl Player {
    /// Asks for what a lane plays next, if there is something and room for it.
    pub(super) fn load(&mut self, id: LaneId, now: Ms) {
        if self.over || self.chooser.is_none() {
            return;
        }
        let Some(lane) = self.lane(id) else { return };
        if lane.loading.is_some() || lane.ended || now < lane.not_before {
            return;
        }
        // Sound behind the last picture is not heard.
        if id == LaneId::Audio && self.main.ended && lane.end >= self.main.end {
            return self.end_lane(id);
        }
        let here = match self.next(id, lane.rendition) {
            // What comes in place of a rendition that failed begins with what can be decoded alone.
            Some(Found::Dependent) => self.entry(id, lane.rendition),
            here => here,
        };
        let piece = match here {
            Some(Found::Piece(piece)) => piece,
            Some(Found::Gone) => return self.gone(id),
            Some(Found::End) => return self.end_lane(id),
            Some(Found::NotYet | Found::Dependent) | None => return self.idle(id, now),
        };
        if self.is_ahead(id, &piece) {
            // It goes on when the other lane does.
            return self.idle(id, now);
        }
        if let Some(wait) = self.full(id, &piece) {
            self.idle(id, now);
            if let Some(lane) = self.lane_mut(id) {
                lane.not_before = now + wait.max(1.0);
            }
            return;
        }
        match id {
            LaneId::Main => self.load_main(piece, now),
            LaneId::Audio => {
                let rendition = self.lane(id).map_or(0, |lane| lane.rendition);
                self.fetch(id, rendition, self.quality, piece, None, now);
            }
        }
    }

    /// What comes next in a rendition; nothing while its playlist is not there.
    pub(super) fn next(&self, id: LaneId, rendition: RenditionId) -> Option<Found> {
        let timeline = self.renditions[rendition].timeline.as_ref()?;
        let lane = self.lane(id)?;
        let parts = self.plays_parts();
        let Some(last) = lane.last.filter(|last| last.rendition == rendition) else {
            return Some(timeline.at(lane.end, parts));
        };
        Some(match timeline.after(last.place, parts) {
            // All of its parts were there before it was told as a whole.
            Found::Piece(whole) if whole.place.msn == last.place.msn && whole.end() <= lane.end + ROUNDED => {
                timeline.after(whole.place, parts)
            }
            found => found,
        })
    }

    /// What has to be loaded of a rendition so that what comes next can be decoded.
    fn entry(&self, id: LaneId, rendition: RenditionId) -> Option<Found> {
        let timeline = self.renditions[rendition].timeline.as_ref()?;
        Some(timeline.entry(self.lane(id)?.end, self.plays_parts()))
    }

    fn idle(&mut self, id: LaneId, now: Ms) {
        if let Some(lane) = self.lane_mut(id) {
            lane.idle.get_or_insert(now);
        }
    }

    fn end_lane(&mut self, id: LaneId) {
        if let Some(lane) = self.lane_mut(id) {
            lane.ended = true;
        }
    }

    /// For how long there is no room.
    fn full(&self, id: LaneId, piece: &Piece) -> Option<Ms> {
        if !self.options.paced {
            return None;
        }
        let lane = self.lane(id)?;
        // What was left out takes no room.
        let level = self.playback.level(lane.end);
        let too_much = level + piece.duration - self.options.buffer;
        let by_time = (level > 0.0 && too_much > 0.0).then(|| too_much / self.playback.rate());
        let by_count = (!self.playback.has_room()).then_some(piece.duration);
        [by_time, by_count].into_iter().flatten().reduce(Ms::max)
    }

    /// Whether a lane has to wait for the other one.
    fn is_ahead(&self, id: LaneId, piece: &Piece) -> bool {
        let Some(audio) = &self.audio else { return false };
        match id {
            LaneId::Audio => !self.main.ended && audio.end - self.main.end > piece.duration,
            LaneId::Main => !audio.ended && self.main.end - audio.end > AHEAD.max(piece.duration),
        }
    }

    /// The next segment of the variant, in the quality that is chosen for it; or one of those in the buffer again.
    fn load_main(&mut self, here: Box<Piece>, now: Ms) {
        if self.looks(&here, now) {
            return;
        }
        if let Some(since) = self.main.idle.take()
            && let Some(chooser) = &mut self.chooser
        {
            chooser.waited(now - since);
        }
        let quality = match self.forced.take() {
            Some(quality) => quality,
            None => {
                let Choice { quality, delay } = self.choose();
                if delay > 0.0 && self.options.paced {
                    self.main.idle = Some(now);
                    self.main.not_before = now + delay;
                    self.forced = Some(quality);
                    return;
                }
                quality
            }
        };
        let quality = self.allowed(quality, now);
        if let Some((span, piece, rendition)) = self.replaced(quality) {
            self.fetch(LaneId::Main, rendition, quality, piece, Some(span), now);
            return;
        }
        let rendition = self.path(quality).main;
        if rendition == self.main.rendition {
            return self.fetch(LaneId::Main, rendition, quality, here, None, now);
        }
        match self.next(LaneId::Main, rendition) {
            Some(Found::Piece(piece)) if follows(&piece, &here) => {
                self.fetch(LaneId::Main, rendition, quality, piece, None, now);
            }
            // What is there of it may be old.
            Some(Found::NotYet | Found::Gone) | None
                if self.is_old(rendition, now)
                    && self.renditions[rendition].not_before <= now
                    && self.looked != Some((rendition, here.place)) =>
            {
                self.looked = Some((rendition, here.place));
                self.forced = Some(quality);
                self.ask_list(LaneId::Main, rendition, now);
            }
            _ => {
                let quality = self.quality;
                self.fetch(LaneId::Main, self.main.rendition, quality, here, None, now);
            }
        }
    }

    /// Whether a playlist is not there, or may have gone on since.
    fn is_old(&self, rendition: RenditionId, now: Ms) -> bool {
        let rendition = &self.renditions[rendition];
        rendition.timeline.is_none() || rendition.asked < now - self.main_segment() / 2.0
    }

    /// Whether a playlist of another quality is on its way, for which there is still time.
    fn looks(&mut self, here: &Piece, now: Ms) -> bool {
        let rendition = self.main.rendition;
        let Some(listing) = self.main.listing.filter(|listing| listing.rendition != rendition) else {
            return false;
        };
        let late = now >= self.renditions[listing.rendition].asked + here.duration / 2.0;
        if !late || self.playback.level(self.end()) > 2.0 * here.duration {
            return true;
        }
        self.main.listing = None;
        self.actions.push_back(Action::Cancel(listing.id));
        let failure = Failure::new(Kind::Lasting, "its playlist takes too long".to_owned());
        self.list_failed(LaneId::Main, listing.rendition, now, &failure);
        self.forced = Some(self.quality);
        false
    }

    /// Whether a quality could be loaded in place of a piece that is on its way.
    fn is_there(&self, quality: Quality, here: &Piece, now: Ms) -> bool {
        let rendition = self.path(quality).main;
        self.allowed(quality, now) == quality
            && match self.next(LaneId::Main, rendition) {
                Some(Found::Piece(piece)) => follows(&piece, here) && !piece.gap,
                // It is asked for then, once.
                None => {
                    self.renditions[rendition].not_before <= now
                        && self.looked != Some((rendition, here.place))
                }
                _ => false,
            }
    }

    fn main_segment(&self) -> Ms {
        self.chooser.as_ref().map_or(1000.0, |chooser| chooser.ladder().segment())
    }

    /// What the algorithm says of the next segment.
    fn choose(&mut self) -> Choice {
        let end = self.main.end;
        let level = if self.options.paced {
            self.playback.level(self.end())
        } else {
            self.options.buffer - self.main_segment()
        };
        let timeline = |rendition: RenditionId| self.renditions[rendition].timeline.as_ref();
        let here = timeline(self.main.rendition);
        let left = here.filter(|timeline| !timeline.is_live()).map(|timeline| timeline.left(end));
        let parts = self.plays_parts();
        let levels = (0..self.program.levels.len()).filter(|_| !parts);
        let sizes = levels.map(|quality| {
            let sizes: Box<dyn Iterator<Item = Option<f64>>> = match timeline(self.path(quality).main) {
                Some(timeline) => Box::new(timeline.sizes(end)),
                None => Box::new(std::iter::empty()),
            };
            sizes
        });
        let sizes = sizes.collect();
        let segment = self.main_segment();
        match &mut self.chooser {
            Some(chooser) => chooser.choose(level, left, sizes, segment),
            None => Choice::now(0),
        }
    }

    /// A span of the buffer that is to be loaded again in this quality, and what that is there.
    fn replaced(&self, quality: Quality) -> Option<(u64, Box<Piece>, RenditionId)> {
        if self.plays_parts() {
            return None;
        }
        let spans = self.playback.spans();
        let span = self.chooser.as_ref()?.replaced(quality, spans, self.playback.position())?;
        let rendition = self.path(quality).main;
        let unsettled = self.main.unsettled.iter().any(|(id, _)| *id == span.id);
        let refused = self.main.refused.contains(&span.id);
        let near = |piece: &Piece| (piece.start - span.start).abs() < DIFFERENCE;
        match self.renditions[rendition].timeline.as_ref()?.at(span.start, false) {
            Found::Piece(piece) if unsettled && !refused && near(&piece) && !piece.gap => {
                Some((span.id, piece, rendition))
            }
            _ => None,
        }
    }

    /// Asks for a piece.
    fn fetch(
        &mut self,
        id: LaneId,
        rendition: RenditionId,
        quality: Quality,
        piece: Box<Piece>,
        replaces: Option<u64>,
        now: Ms,
    ) {
        if id == LaneId::Main && replaces.is_none() {
            self.switch(rendition, quality);
        }
        let Some(lane) = self.lane(id) else { return };
        let follows = lane.last.filter(|last| last.rendition == rendition);
        let anew = follows.is_none() || lane.hole || replaces.is_some();
        if piece.gap {
            return self.absent(id, rendition, &piece, now);
        }
        let patience = self.options.patience.answer;
        let request = self.next_id();
        let loading = Loading {
            id: request,
            rendition,
            quality,
            piece: piece.clone(),
            asked: now,
            first: None,
            bytes: 0,
            length: None,
            until: now + MOST_PATIENCE * patience.max(piece.duration),
            replaces,
        };
        if let Some(lane) = self.lane_mut(id) {
            lane.loading = Some(loading);
        }
        let span = replaces.unwrap_or(request);
        self.actions.push_back(Action::Load {
            id: request,
            lane: id,
            rendition,
            span,
            piece,
            anew,
            patience,
        });
    }

    /// The variant is loaded from here now.
    pub(super) fn switch(&mut self, rendition: RenditionId, quality: Quality) {
        if quality != self.quality {
            let event = Event::Switched {
                from: self.name(self.quality),
                to: self.name(quality),
                rate: self.program.levels.get(quality).map_or(0.0, |level| level.rate),
                level: self.playback.level(self.end()),
                throughput: self.chooser.as_ref().and_then(|chooser| Some(chooser.estimate()?.throughput)),
            };
            self.events.push_back(event);
            self.quality = quality;
        }
        self.main.rendition = rendition;
        self.drop_listing(LaneId::Main);
        let path = self.path(quality);
        if let Some((audio, wanted)) = self.audio.as_mut().zip(path.audio)
            && audio.rendition != wanted
            && audio.loading.is_none()
        {
            audio.rendition = wanted;
        }
    }

    /// An answer has begun, whose body has so many bytes.
    pub fn answered(&mut self, id: u64, now: Ms, length: Option<u64>) {
        if let Some(loading) = self.loading(id) {
            loading.first = Some(now);
            loading.length = length;
        }
    }

    /// So many bytes of a body have come by now.
    pub fn progressed(&mut self, id: u64, now: Ms, bytes: u64) {
        if let Some(loading) = self.loading(id) {
            loading.bytes = bytes;
        }
        if !self.options.abandon || !self.options.paced {
            return;
        }
        let Some(loading) = self.main.loading.as_ref().filter(|loading| loading.id == id) else { return };
        if loading.replaces.is_some() {
            return;
        }
        let here = loading.piece.clone();
        let progress = self.progress(loading, now);
        let level = self.playback.level(self.end()) - (now - self.playback_now()).max(0.0);
        let chosen = self.chooser.as_mut().and_then(|chooser| chooser.abandon(level.max(0.0), &progress));
        let chosen = chosen.filter(|quality| *quality < progress.quality);
        let Some(quality) = chosen.filter(|quality| self.is_there(*quality, &here, now)) else { return };
        let Some(loading) = self.main.loading.take() else { return };
        self.traffic.abandoned += 1;
        self.traffic.wasted += loading.bytes;
        let download = Download { progress, abandoned_for: Some(quality), replacement: false };
        if let Some(chooser) = &mut self.chooser {
            chooser.downloaded(&download, level.max(0.0));
        }
        self.forced = Some(quality);
        self.events.push_back(Event::Abandoned {
            quality: self.name(loading.quality),
            segment: loading.piece.place.msn,
            bytes: loading.bytes,
            to: self.name(quality),
        });
        self.actions.push_back(Action::Cancel(id));
    }

    fn playback_now(&self) -> Ms {
        self.playback.now()
    }

    fn loading(&mut self, id: u64) -> Option<&mut Loading> {
        let lanes = std::iter::once(&mut self.main).chain(&mut self.audio);
        lanes.filter_map(|lane| lane.loading.as_mut()).find(|loading| loading.id == id)
    }

    fn progress(&self, loading: &Loading, now: Ms) -> Progress {
        let rate = self.program.levels.get(loading.quality).map_or(0.0, |level| level.rate);
        let downloaded = loading.bytes as f64 * 8.0;
        let size = loading.length.map_or(rate * loading.piece.duration, |length| length as f64 * 8.0);
        Progress {
            quality: loading.quality,
            size: size.max(downloaded),
            downloaded,
            time: now - loading.asked,
            to_first_bit: loading.first.unwrap_or(now) - loading.asked,
        }
    }

    /// All of a piece has come: so many bytes, which are media as they should be. `heard` is what they say themselves, if they were looked at.
    pub fn loaded(&mut self, id: u64, now: Ms, bytes: u64, heard: Option<Heard>) {
        self.advance(now);
        let found = [LaneId::Main, LaneId::Audio].into_iter().find_map(|lane| {
            let loading = self.lane_mut(lane)?.loading.take_if(|loading| loading.id == id)?;
            Some((lane, loading))
        });
        let Some((id, mut loading)) = found.filter(|_| !self.over) else { return };
        loading.bytes = bytes;
        loading.length = Some(bytes);
        self.traffic.segments += 1;
        self.traffic.bytes += bytes;
        let progress = self.progress(&loading, now);
        if let Some(level) = self.program.levels.get_mut(loading.quality).filter(|_| id == LaneId::Main) {
            level.found(progress.downloaded, loading.piece.duration);
        }
        self.arrived(id, &loading, heard, now);
        let level = self.playback.level(self.end());
        if let Some(chooser) = self.chooser.as_mut().filter(|_| id == LaneId::Main) {
            let replacement = loading.replaces.is_some();
            chooser.downloaded(&Download { progress, abandoned_for: None, replacement }, level);
        }
        self.events.push_back(Event::Loaded {
            lane: id,
            quality: self.name(loading.quality),
            segment: loading.piece.place.msn,
            part: loading.piece.place.part,
            start: loading.piece.start,
            duration: loading.piece.duration,
            bytes,
            time: progress.time,
            first_byte: progress.to_first_bit,
            throughput: progress.downloaded / progress.time.max(0.001),
            level,
            replacement: loading.replaces.is_some(),
        });
    }

    /// What has come takes its place in the buffer.
    fn arrived(&mut self, id: LaneId, loading: &Loading, heard: Option<Heard>, now: Ms) {
        let piece = &loading.piece;
        if let Some(span) = loading.replaces {
            self.traffic.replaced += 1;
            if !self.playback.replace(span, loading.quality) {
                self.traffic.wasted += loading.bytes;
            }
            return;
        }
        if let Some(Heard { duration }) = heard
            && (duration - piece.duration).abs() > DIFFERENCE.max(piece.duration / 4.0)
        {
            let (said, segment) = (piece.duration, piece.place.msn);
            self.events.push_back(Event::Differs { segment, said, found: duration });
        }
        let Some(lane) = self.lane_mut(id) else { return };
        let start = lane.end.max(piece.start.min(lane.end + DIFFERENCE));
        let end = piece.end().max(lane.end);
        lane.end = end;
        lane.last = Some(Last { rendition: loading.rendition, place: piece.place });
        (lane.attempts, lane.failing, lane.gaps) = (0, None, 0);
        (lane.idle, lane.hole) = (None, false);
        lane.tried.clear();
        lane.unsettled.push_back((loading.id, end));
        if id == LaneId::Main {
            self.playback.push(Span { id: loading.id, quality: Some(loading.quality), start, end });
        }
        self.advance(now);
    }

    /// What was to come next is no longer there: playback was too slow for the stream.
    fn gone(&mut self, id: LaneId) {
        let parts = self.plays_parts();
        let Some(lane) = self.lane(id) else { return };
        let Some(timeline) = &self.renditions[lane.rendition].timeline else { return };
        let target = self.live.as_ref().map_or(0.0, |live| live.target);
        let to = (timeline.end(parts) - target).max(timeline.start());
        self.jump(to, "the stream has gone on without us");
    }

    /// The playlist of a rendition that a lane has gone away from is not wanted any more.
    pub(super) fn drop_listing(&mut self, id: LaneId) {
        let Some(lane) = self.lane_mut(id) else { return };
        let rendition = lane.rendition;
        if let Some(listing) = lane.listing.take_if(|listing| listing.rendition != rendition) {
            self.actions.push_back(Action::Cancel(listing.id));
        }
    }

    /// What is on its way is not wanted any more.
    pub(super) fn drop_loading(&mut self) {
        for id in [LaneId::Main, LaneId::Audio] {
            let loading = self.lane_mut(id).and_then(|lane| lane.loading.take());
            if let Some(loading) = loading {
                self.traffic.wasted += loading.bytes;
                self.actions.push_back(Action::Cancel(loading.id));
            }
        }
    }
}

/// Whether a piece of another rendition leaves nothing out of what comes next here: the rest of a segment may be a part that is shorter than what renditions may lie apart.
fn follows(piece: &Piece, here: &Piece) -> bool {
    piece.start - here.start <= here.duration / 2.0
}
