//! A rendition of a live stream: what is fed into it comes out as segments and a playlist.
//!
//! A feed that stops leaves gaps, each a target duration long, as time goes on: players go on asking, skip what is not there, and find what comes when it comes. What comes then is marked as a discontinuity.

use std::time::Duration;

use super::super::playlist::media::{Date, MediaPlaylist, Segment};
use super::feed::Feed;
use super::piece::Contents;
use super::segmenter::{Counts, Output, Segmenter, Unusable};
use super::settings::Settings;
use super::shared::Shared;
use super::timeline::{Micros, micros};
use super::window::{Complete, Start, Window};

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// The playlist is another one.
    pub playlist: bool,
    /// Segments that were completed.
    pub complete: Vec<Complete>,
}

impl Change {
    fn add(&mut self, later: Self) {
        self.playlist |= later.playlist;
        self.complete.extend(later.complete);
    }
}

/// A rendition.
#[derive(Debug)]
pub struct Rendition {
    run: u64,
    settings: Settings,
    segmenter: Segmenter,
    window: Option<Window>,
    /// The number of its first segment, and whether something was before that.
    first: (u64, bool),
    about: Contents,
    /// Bytes and durations of the last segments, for the peak.
    recent: Vec<(Segment, u64)>,
    /// The peak that is told.
    bandwidth: u64,
    total: (u64, Duration),
    /// Nothing has come since the last gap.
    away: bool,
    /// The last gap is longer than it says.
    leapt: bool,
    gaps: u64,
    /// What changed when the feed failed, and was not said yet.
    unsaid: Change,
}

/// Segments that are looked at for the peak: enough for one and a half target durations of half a second each, and then some.
const RECENT: usize = 8;

/// Which part of a peak is added to it: a quarter, by as much as Apple's authoring specification lets the peak of live media differ from what is told.
const HEADROOM: u64 = 4;

/// How late the next part may be, in target durations, before its time is a gap: a new segment has to be there within one and a half (section 6.2.1).
const LATE: (i64, i64) = (3, 2);

impl Rendition {
    /// A rendition of the run `run`.
    #[must_use]
    pub fn new(run: u64, settings: Settings) -> Self {
        Self {
            run,
            settings,
            segmenter: Segmenter::new(settings),
            window: None,
            first: (0, false),
            about: Contents::default(),
            recent: Vec::new(),
            bandwidth: 0,
            total: (0, Duration::ZERO),
            away: false,
            leapt: false,
            gaps: 0,
            unsaid: Change::default(),
        }
    }

    /// The same, of a rendition that had segments before number `msn` in an earlier run: it goes on there, behind a discontinuity.
    #[must_use]
    pub fn behind(run: u64, settings: Settings, msn: u64) -> Self {
        Self { first: (msn, true), ..Self::new(run, settings) }
    }

    /// Takes what comes next, at `now`, in microseconds since 1970.
    ///
    /// # Errors
    /// The feed cannot be served. What was good of it comes out when it [pauses](Self::pause).
    pub fn push(&mut self, feed: Feed, now: Micros, shared: &mut Shared) -> Result<Change, Unusable> {
        let pushed = self.segmenter.push(feed, now, shared);
        let change = self.collect(now, shared);
        if let Err(unusable) = pushed {
            self.unsaid.add(change);
            return Err(unusable);
        }
        Ok(change)
    }

    /// The feed is over for now. What has come before the first segment was there is not seen by anybody: how long segments are cannot be told by a piece of one.
    pub fn pause(&mut self, now: Micros, shared: &mut Shared) -> Change {
        self.stop(false, now, shared)
    }

    fn stop(&mut self, last: bool, now: Micros, shared: &mut Shared) -> Change {
        // A part that cannot be written is lost with the feed.
        let _ = self.segmenter.flush(last, now, shared);
        let mut change = std::mem::take(&mut self.unsaid);
        change.add(self.collect(now, shared));
        if let Some(complete) = self.window.as_mut().and_then(|window| window.end(now)) {
            self.measure(&complete, shared);
            change.complete.push(complete);
            change.playlist = true;
        }
        change
    }

    /// Nothing more comes, ever. A piece of a segment is a segment then.
    pub fn finish(&mut self, now: Micros, shared: &mut Shared) -> Change {
        let mut change = self.stop(true, now, shared);
        if let Some(window) = &mut self.window {
            window.finish(now);
            change.playlist = true;
        }
        change
    }

    /// Looks at the clock: where nothing has come for too long, there is a gap.
    pub fn idle(&mut self, now: Micros, shared: &mut Shared) -> Change {
        let Some(targets) = shared.targets else { return Change::default() };
        let target = micros(targets.segment());
        let mut change = Change::default();
        let Some(window) = self.window.as_mut().filter(|window| !window.ended()) else { return change };
        window.sweep(now);
        let here = shared.line.at(now);
        let late = |end: Micros| here.saturating_sub(end) >= target.saturating_mul(LATE.0) / LATE.1;
        if !late(self.segmenter.arrived().max(self.segmenter.end())) {
            return change;
        }
        change = self.pause(now, shared);
        let Some(window) = &mut self.window else { return change };
        // A clock that was set may be far ahead: no more gaps than one playlist holds.
        let mut most = 1 + 30_000_000 / target.max(1);
        while late(self.segmenter.end()) && most > 0 {
            let start = self.segmenter.end();
            let skip = if most == 1 { here - start } else { target };
            // Where time was left out that nothing tells of, dates leap.
            let broken = self.segmenter.take_torn() | std::mem::take(&mut self.leapt);
            let eras = &mut shared.eras;
            let era = if broken { eras.broken(start, window.era()) } else { eras.until(start) };
            window.gap(targets.segment(), date(shared.line.date(start)), era, now);
            self.segmenter.leave_out(start.saturating_add(skip));
            self.leapt = skip > target;
            (self.gaps, most, change.playlist) = (self.gaps + 1, most - 1, true);
        }
        self.away = true;
        change
    }

    fn collect(&mut self, now: Micros, shared: &mut Shared) -> Change {
        let mut change = Change::default();
        for output in self.segmenter.take() {
            let Some(targets) = shared.targets else { break };
            let (run, history, (msn, behind)) = (self.run, self.settings.history, self.first);
            let window = self.window.get_or_insert_with(|| {
                let at = if let Output::Segment { at, .. } = &output { *at } else { Micros::MAX };
                // What a rendition of an earlier run had before this one ends with a discontinuity, which the first segment tells of.
                let era = shared.eras.until(at).saturating_sub(u64::from(behind));
                Window::new(run, targets, history, Start { msn, era })
            });
            match output {
                Output::Init { bytes, about } => {
                    window.init(bytes, &about.codecs);
                    self.about = about;
                }
                Output::Segment { at, discontinuity } => {
                    let broken = std::mem::take(&mut self.away) | discontinuity;
                    let eras = &mut shared.eras;
                    let era = if broken { eras.broken(at, window.era()) } else { eras.until(at) };
                    window.begin(date(shared.line.date(at)), era, now);
                }
                Output::Part { duration, independent, data } => {
                    window.part(duration, independent, data);
                    change.playlist |= targets.part.is_some();
                }
                Output::End => {
                    if let Some(complete) = window.end(now) {
                        self.measure(&complete, shared);
                        change.complete.push(complete);
                        change.playlist = true;
                    }
                }
            }
        }
        change
    }

    fn measure(&mut self, complete: &Complete, shared: &Shared) {
        let bytes = complete.bytes.len() as u64;
        let duration = complete.segment.duration;
        self.total = (self.total.0 + bytes, self.total.1.saturating_add(duration));
        if self.recent.len() == RECENT {
            self.recent.remove(0);
        }
        let segment = Segment { duration, ..Segment::default() };
        self.recent.push((segment, bytes));
        let target_duration = shared.targets.map_or(0, |targets| targets.segment);
        let segments = self.recent.iter().map(|(segment, _)| segment.clone()).collect();
        let sizes: Vec<u64> = self.recent.iter().map(|(_, bytes)| *bytes).collect();
        let recent = MediaPlaylist { target_duration, segments, ..MediaPlaylist::default() };
        let peak = recent.rates(&sizes).map_or(0, |rates| rates.peak);
        if peak > self.bandwidth {
            self.bandwidth = with_headroom(peak);
        }
    }

    /// What viewers get; `None` until the first segment is there.
    #[must_use]
    pub fn window(&self) -> Option<&Window> {
        self.window.as_ref()
    }

    /// The same, to give memory back.
    pub fn window_mut(&mut self) -> Option<&mut Window> {
        self.window.as_mut()
    }

    /// Bytes of memory, about: of segments, and of samples that wait for their part.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.window.as_ref().map_or(0, Window::bytes) + self.segmenter.held() as u64
    }

    /// What it is: of the last tracks that came, with the codecs of all that is there.
    #[must_use]
    pub fn about(&self) -> Contents {
        let codecs = self.window.as_ref().map_or_else(|| self.about.codecs.clone(), Window::codecs);
        Contents { codecs, ..self.about.clone() }
    }

    /// What `BANDWIDTH` and `AVERAGE-BANDWIDTH` say. The latter is what was measured so far. The former is more than the peak so far, by a quarter when it was measured, and stays until that is not enough: players read
    /// it once, and what comes shall not be above it. It never falls.
    #[must_use]
    pub fn rates(&self) -> (u64, u64) {
        let (bytes, time) = self.total;
        let bits = u128::from(bytes) * 8 * 1_000_000_000;
        let average = u64::try_from(bits.div_ceil(time.as_nanos().max(1))).unwrap_or(u64::MAX);
        (self.bandwidth.max(average), average)
    }

    /// How far what has come is ahead of the clock, in microseconds; below 0 when it is behind.
    #[must_use]
    pub fn ahead(&self, now: Micros, shared: &Shared) -> Micros {
        self.segmenter.arrived().saturating_sub(shared.line.at(now))
    }

    /// What was counted, and how many gaps there were.
    #[must_use]
    pub fn counts(&self) -> (Counts, u64) {
        (self.segmenter.counts(), self.gaps)
    }
}

/// What is told of a peak that may not have been the last one, in bits a second: more by [`HEADROOM`], to two digits.
fn with_headroom(peak: u64) -> u64 {
    let told = peak.saturating_add(peak.div_ceil(HEADROOM));
    let digit = 10u64.pow(told.max(1).ilog10().saturating_sub(1));
    told.div_ceil(digit).saturating_mul(digit)
}

fn date(micros: Micros) -> Date {
    chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default().fixed_offset()
}
