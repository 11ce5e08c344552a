//! A media playlist on the timeline of the presentation: where its segments are, what comes next, and how versions of it, and renditions, are laid beside each other. RFC 8216bis, sections 6.3.2 to 6.3.4.
//!
//! The timeline begins where the first playlist did when it was read first. A later version is laid beside the one before by the numbers of its segments. Numbers mean nothing between renditions (section 6.2.2), dates do; where there are none,
//! numbers are better than nothing.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use http::Uri;

use super::piece::{Found, Piece, Place};
use crate::proto::hls::abr::Ms;
use crate::proto::hls::playlist::media::{Date, MediaPlaylist, Part, Segment};

/// A segment is found by a time that is before its beginning by so much of its duration...
const TOLERANCE: f64 = 0.25;

/// ...and not by more than this.
const MOST_TOLERANCE: Ms = 250.0;

/// What a new version of a playlist is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// There is something new in it.
    Grown,
    /// There is not.
    Same,
    /// All of it is new: what was between is lost.
    Lost,
    /// It is older than the one before, or that of another stream.
    Back,
}

/// Where what is looked for may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// At the time.
    Here,
    /// At the time, or before it.
    Before,
}

/// A media playlist on the timeline.
#[derive(Clone, Debug)]
pub struct Timeline {
    playlist: Arc<MediaPlaylist>,
    /// Where it was found.
    uri: Uri,
    /// Where each segment begins; and at last where the last one ends.
    starts: Vec<Ms>,
    /// The discontinuities before each segment.
    eras: Vec<u64>,
}

/// A duration in milliseconds.
pub fn ms(duration: Duration) -> Ms {
    duration.as_secs_f64() * 1000.0
}

impl Timeline {
    /// A playlist whose first segment begins at `origin`.
    #[must_use]
    pub fn new(playlist: MediaPlaylist, uri: Uri, origin: Ms) -> Self {
        let mut timeline = Self { playlist: Arc::new(playlist), uri, starts: Vec::new(), eras: Vec::new() };
        timeline.lay(origin);
        timeline
    }

    fn lay(&mut self, origin: Ms) {
        let segments = &self.playlist.segments;
        let mut at = origin;
        self.starts = Vec::with_capacity(segments.len() + 1);
        self.starts.push(at);
        for segment in segments {
            at += ms(segment.duration);
            self.starts.push(at);
        }
        let mut era = self.playlist.discontinuity_sequence;
        let eras = segments.iter().map(|segment| {
            era = era.saturating_add(u64::from(segment.discontinuity));
            era
        });
        self.eras = eras.collect();
    }

    /// The playlist.
    #[must_use]
    pub fn playlist(&self) -> &MediaPlaylist {
        &self.playlist
    }

    /// Where it was found: what its references are relative to.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether more will come.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.playlist.ended
    }

    /// Where it begins.
    #[must_use]
    pub fn start(&self) -> Ms {
        self.starts.first().copied().unwrap_or_default()
    }

    /// Where its last segment begins.
    #[must_use]
    pub fn last(&self) -> Ms {
        let last = self.starts.len().saturating_sub(2);
        self.starts.get(last).copied().unwrap_or_default()
    }

    /// Where complete segments end.
    fn complete(&self) -> Ms {
        self.starts.last().copied().unwrap_or_default()
    }

    /// Where it ends, parts included if they count.
    #[must_use]
    pub fn end(&self, parts: bool) -> Ms {
        let of_parts: Ms = match parts {
            true => self.unfinished().iter().map(|part| ms(part.duration)).sum(),
            false => 0.0,
        };
        self.complete() + of_parts
    }

    fn unfinished(&self) -> &[Part] {
        self.playlist.unfinished.as_ref().map_or(&[], |segment| &segment.parts)
    }

    /// How long segments are in the average; the target if there is none.
    #[must_use]
    pub fn segment(&self) -> Ms {
        let count = self.playlist.segments.len();
        let mean = (self.complete() - self.start()) / count as f64;
        if mean > 0.0 && mean.is_finite() { mean } else { self.target() }
    }

    /// The target duration.
    #[must_use]
    pub fn target(&self) -> Ms {
        (self.playlist.target_duration.clamp(1, 3600) * 1000) as f64
    }

    /// How far behind its end it wants to be played (sections 4.4.3.8 and 6.3.3).
    #[must_use]
    pub fn hold_back(&self, parts: bool) -> Ms {
        let control = &self.playlist.server_control;
        let by_parts = control.part_hold_back.filter(|_| parts && self.playlist.part_target.is_some());
        by_parts.or(control.hold_back).map_or(3.0 * self.target(), ms)
    }

    /// The number of its first segment.
    fn first(&self) -> u64 {
        self.playlist.media_sequence
    }

    /// The place of a segment in the list.
    fn index(&self, msn: u64) -> Option<usize> {
        let index = usize::try_from(msn.checked_sub(self.first())?).ok()?;
        (index < self.playlist.segments.len()).then_some(index)
    }

    /// A newer version of the playlist, laid beside this one.
    pub fn renew(&mut self, new: MediaPlaylist, uri: Uri) -> Renewal {
        let old = &*self.playlist;
        let (before, after) = (old.next_msn(), new.next_msn());
        let parts =
            |playlist: &MediaPlaylist| playlist.unfinished.as_ref().map_or(0, |next| next.parts.len());
        let goes_back = new.media_sequence < old.media_sequence
            || after < before
            || after == before && parts(&new) < parts(old);
        if goes_back {
            return Renewal::Back;
        }
        let grown = after > before || parts(&new) > parts(old) || new.ended != old.ended;
        let (origin, renewal) = match self.index(new.media_sequence) {
            Some(index) => (self.starts[index], if grown { Renewal::Grown } else { Renewal::Same }),
            None if new.media_sequence == before => {
                (self.complete(), if grown { Renewal::Grown } else { Renewal::Same })
            }
            None => (self.behind(&new), Renewal::Lost),
        };
        self.playlist = Arc::new(new);
        self.uri = uri;
        self.lay(origin);
        renewal
    }

    /// Where a version begins that has no segment of this one: by its date, or by how many segments were lost.
    fn behind(&self, new: &MediaPlaylist) -> Ms {
        let by_date = first_date(new).and_then(|date| self.place_of(date));
        let lost = new.media_sequence.saturating_sub(self.playlist.next_msn()) as f64;
        by_date.filter(|at| *at >= self.complete()).unwrap_or(self.complete() + lost * self.segment())
    }

    /// Takes a stream that begins anew for what follows this one, from `at` on.
    pub fn restart(&mut self, new: MediaPlaylist, uri: Uri, at: Ms) {
        *self = Self::new(new, uri, at);
    }

    /// Lays another rendition's playlist beside this one.
    #[must_use]
    pub fn beside(&self, playlist: MediaPlaylist, uri: Uri) -> Self {
        let mut other = Self::new(playlist, uri, 0.0);
        let overlaps = |origin: Ms| origin < self.complete() && origin + other.complete() > self.start();
        let by_date = first_date(other.playlist()).and_then(|date| self.place_of(date));
        let by_number = self.index(other.first()).map(|index| self.starts[index]).or_else(|| {
            let index = other.index(self.first())?;
            Some(self.start() - other.starts[index])
        });
        let both_whole = !self.is_live() && !other.is_live() && self.first() == other.first();
        let origin = if both_whole {
            self.start()
        } else {
            let by_end = self.complete() - other.complete();
            by_date.filter(|origin| overlaps(*origin)).or(by_number).unwrap_or(by_end)
        };
        other.lay(origin);
        other
    }

    /// Where a date is on the timeline.
    fn place_of(&self, date: Date) -> Option<Ms> {
        let segments = self.playlist.segments.iter().zip(&self.starts);
        let dated = segments.filter_map(|(segment, start)| Some((segment.program_date_time?, *start)));
        // The last one that is not later; dates jump where clocks are set.
        let (known, start) = dated.clone().rfind(|(known, _)| *known <= date).or(dated.clone().next())?;
        let micros = (date - known).num_microseconds()?;
        Some(start + micros as f64 / 1000.0)
    }

    /// The date of a place on the timeline.
    #[must_use]
    pub fn date_of(&self, at: Ms) -> Option<Date> {
        let segments = self.playlist.segments.iter().zip(&self.starts);
        let dated = segments.filter_map(|(segment, start)| Some((segment.program_date_time?, *start)));
        let (known, start) = dated.clone().rfind(|(_, start)| *start <= at).or(dated.clone().next())?;
        known.checked_add_signed(TimeDelta::try_milliseconds((at - start) as i64)?)
    }

    /// What is at a time. With parts, a place within a segment is found if a part that can be decoded alone begins there.
    #[must_use]
    pub fn at(&self, time: Ms, parts: bool) -> Found {
        self.find(time, parts, Entry::Here)
    }

    /// What has to be loaded first to play from a time on: as [`at`](Self::at), or what is before that and can be decoded alone.
    #[must_use]
    pub fn entry(&self, time: Ms, parts: bool) -> Found {
        self.find(time, parts, Entry::Before)
    }

    fn find(&self, time: Ms, parts: bool, entry: Entry) -> Found {
        let near = |duration: Ms| (duration * TOLERANCE).min(MOST_TOLERANCE);
        let index = self.starts.windows(2).position(|pair| pair[1] > time + near(pair[1] - pair[0]));
        let Some(index) = index else {
            return if parts {
                self.in_parts(self.playlist.next_msn(), self.complete(), time, entry)
            } else {
                self.beyond()
            };
        };
        let (start, end) = (self.starts[index], self.starts[index + 1]);
        if index == 0 && time + (end - start) < start {
            return Found::Gone;
        }
        let msn = self.first() + index as u64;
        if parts && time > start + near(end - start) && !self.playlist.segments[index].parts.is_empty() {
            return self.in_parts(msn, start, time, entry);
        }
        self.whole(msn)
    }

    /// The part at a time, of the segment that begins at `start`.
    fn in_parts(&self, msn: u64, start: Ms, time: Ms, entry: Entry) -> Found {
        let (mut at, mut before) = (start, 0);
        for (number, part) in (0..).zip(self.parts(msn)) {
            let duration = ms(part.duration);
            let begins = number == 0 || part.independent;
            if begins {
                before = number;
            }
            if at + duration > time + (duration * TOLERANCE).min(MOST_TOLERANCE) {
                return match entry {
                    Entry::Before => self.part(msn, before),
                    Entry::Here if begins => self.part(msn, number),
                    Entry::Here => Found::Dependent,
                };
            }
            at += duration;
        }
        self.beyond()
    }

    /// What follows the last complete segment and has no part yet.
    fn beyond(&self) -> Found {
        if self.is_live() { Found::NotYet } else { Found::End }
    }

    /// What follows something of this rendition.
    #[must_use]
    pub fn after(&self, place: Place, parts: bool) -> Found {
        let next = match place.part {
            None => None,
            Some(part) => {
                let all = self.parts(place.msn).len() as u64;
                let complete = self.index(place.msn).is_some();
                if part + 1 < all {
                    Some(self.part(place.msn, part + 1))
                } else if !complete && place.msn >= self.playlist.next_msn() {
                    Some(self.beyond())
                } else if complete && part + 1 > all {
                    // Its parts are no longer told: what is left of it comes with the whole.
                    Some(self.whole(place.msn))
                } else {
                    None
                }
            }
        };
        next.unwrap_or_else(|| self.first_of(place.msn.saturating_add(1), parts))
    }

    fn first_of(&self, msn: u64, parts: bool) -> Found {
        if msn < self.first() {
            return Found::Gone;
        }
        if self.index(msn).is_some() {
            return self.whole(msn);
        }
        if parts && msn == self.playlist.next_msn() && !self.unfinished().is_empty() {
            return self.part(msn, 0);
        }
        self.beyond()
    }

    fn parts(&self, msn: u64) -> &[Part] {
        match self.index(msn) {
            Some(index) => &self.playlist.segments[index].parts,
            None if msn == self.playlist.next_msn() => self.unfinished(),
            None => &[],
        }
    }

    fn whole(&self, msn: u64) -> Found {
        let Some(index) = self.index(msn) else { return Found::Gone };
        let segment = &self.playlist.segments[index];
        let mut piece = self.piece(segment, Place { msn, part: None }, self.eras[index]);
        piece.start = self.starts[index];
        piece.duration = self.starts[index + 1] - self.starts[index];
        Found::Piece(Box::new(piece))
    }

    fn part(&self, msn: u64, number: u64) -> Found {
        let (segment, start, era) = match (self.index(msn), &self.playlist.unfinished) {
            (Some(index), _) => (&self.playlist.segments[index], self.starts[index], self.eras[index]),
            (None, Some(segment)) => {
                let era = self.eras.last().copied().unwrap_or(self.playlist.discontinuity_sequence);
                (&**segment, self.complete(), era.saturating_add(u64::from(segment.discontinuity)))
            }
            (None, None) => return self.beyond(),
        };
        let Some(index) = usize::try_from(number).ok().filter(|index| *index < segment.parts.len()) else {
            return self.beyond();
        };
        let part = &segment.parts[index];
        let before: Ms = segment.parts[..index].iter().map(|part| ms(part.duration)).sum();
        let mut piece = self.piece(segment, Place { msn, part: Some(number) }, era);
        piece.uri.clone_from(&part.uri);
        piece.range = part.byte_range;
        piece.gap = part.gap;
        piece.start = start + before;
        piece.duration = ms(part.duration);
        piece.independent = number == 0 || part.independent;
        Found::Piece(Box::new(piece))
    }

    fn piece(&self, segment: &Segment, place: Place, era: u64) -> Piece {
        Piece {
            place,
            start: 0.0,
            duration: 0.0,
            base: self.uri.clone(),
            uri: segment.uri.clone(),
            range: segment.byte_range,
            map: segment.map.clone(),
            keys: segment.keys.clone(),
            era,
            independent: true,
            gap: segment.gap,
        }
    }

    /// The bits of segments from a time on, as far as byte ranges and `EXT-X-BITRATE` tell them.
    pub fn sizes(&self, from: Ms) -> impl Iterator<Item = Option<f64>> {
        let first = self.starts.partition_point(|start| *start + MOST_TOLERANCE < from);
        self.playlist.segments.iter().skip(first).map(|segment| {
            let by_range = segment.byte_range.map(|range| range.length as f64 * 8.0);
            by_range.or_else(|| Some(segment.bitrate? as f64 * ms(segment.duration)))
        })
    }

    /// How many segments there are from a time on.
    #[must_use]
    pub fn left(&self, from: Ms) -> usize {
        let first = self.starts.partition_point(|start| *start + MOST_TOLERANCE < from);
        self.playlist.segments.len().saturating_sub(first)
    }
}

/// The date at which a playlist begins.
fn first_date(playlist: &MediaPlaylist) -> Option<Date> {
    let mut before = Duration::ZERO;
    for segment in &playlist.segments {
        if let Some(date) = segment.program_date_time {
            return date.checked_sub_signed(TimeDelta::from_std(before).ok()?);
        }
        before = before.saturating_add(segment.duration);
    }
    None
}
