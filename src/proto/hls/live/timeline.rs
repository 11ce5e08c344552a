//! The time of a stream, which all of its renditions share: where times of sources lie on it, and which date a time is.
//!
//! The timeline runs as the clock on the wall does, in microseconds, and never jumps back: what comes back after a loss is placed where it is now. Renditions that come from one encoder
//! have the same times and keep what lies between them. The dates of playlists (`EXT-X-PROGRAM-DATE-TIME`) are one anchor plus the time of the media, so that they do not tremble as packets do. An encoder whose clock
//! runs a little wrong would leave the clock on the wall behind in a week: so the anchor is moved, by steps that a player does not notice.

use std::time::Duration;

/// Microseconds: of the timeline, of a source, or since 1970.
pub type Micros = i64;

/// A duration in microseconds: the most that there can be for one that is longer.
#[must_use]
pub fn micros(span: Duration) -> Micros {
    Micros::try_from(span.as_micros()).unwrap_or(Micros::MAX)
}

/// How far from now a source may be and still be taken as going on where its times say.
const PLAUSIBLE: Micros = 3_000_000;

/// Media are looked at for so long before the anchor is moved.
const LOOK: Micros = 30_000_000;

/// How far the anchor is moved at once: below what a checker of playlists minds.
const STEP: Micros = 20_000;

/// How late media may come without the anchor being moved.
const LATE: Micros = 500_000;

/// The time of a stream.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// From which time on what has to be added to get a date; the oldest first.
    anchors: Vec<(Micros, Micros)>,
    /// What is added to a time of the source.
    shift: Option<Micros>,
    /// Where the rendition is that is furthest.
    end: Micros,
    /// The least lateness of late, and since when.
    least: Option<(Micros, Micros)>,
}

/// Anchors that are remembered: enough for a day of media that run wrong.
const ANCHORS: usize = 4096;

impl Timeline {
    /// A timeline on which it is `start` now.
    #[must_use]
    pub fn new(start: Micros, now: Micros) -> Self {
        Self { anchors: vec![(start, now.saturating_sub(start))], shift: None, end: start, least: None }
    }

    /// The date of a time.
    #[must_use]
    pub fn date(&self, time: Micros) -> Micros {
        let behind = self.anchors.partition_point(|(from, _)| *from <= time);
        let anchor = self.anchors.get(behind.saturating_sub(1)).map_or(0, |(_, add)| *add);
        time.saturating_add(anchor)
    }

    /// Which time it is.
    #[must_use]
    pub fn at(&self, now: Micros) -> Micros {
        now.saturating_sub(self.anchors.last().map_or(0, |(_, add)| *add))
    }

    /// What to add to times of a source that begins, or begins again, with a sample at `source`: it goes where the times of this or another rendition
    /// say, if that is about now; otherwise it is placed now. Never before `floor`, where the rendition is already, and where it is placed anew not before any other one either: what comes
    /// of the same encoder then goes beside it.
    pub fn place(&mut self, source: Micros, floor: Micros, now: Micros) -> Micros {
        let here = self.at(now);
        if let Some(shift) = self.shift {
            let time = source.saturating_add(shift);
            if time >= floor && time.abs_diff(here) <= PLAUSIBLE.unsigned_abs() {
                return shift;
            }
        }
        let shift = here.max(floor).max(self.end).saturating_sub(source);
        self.shift = Some(shift);
        shift
    }

    /// Nobody was told a date yet, and media up to `end` are there: dates are not ahead of the clock.
    pub fn settle(&mut self, end: Micros, now: Micros) {
        let early = self.date(end).saturating_sub(now);
        if early > 0
            && let Some((_, add)) = self.anchors.last_mut()
        {
            *add -= early;
        }
    }

    /// Media up to `end` are there.
    pub fn observe(&mut self, end: Micros, now: Micros) {
        self.end = self.end.max(end);
        let late = now.saturating_sub(self.date(end));
        let (least, since) = *self.least.get_or_insert((late, end));
        let least = least.min(late);
        if end.saturating_sub(since) < LOOK {
            self.least = Some((least, since));
            return;
        }
        self.least = None;
        let step = match least {
            least if least < 0 => least.max(-STEP),
            least if least > LATE => (least - LATE).min(STEP),
            _ => return,
        };
        if self.anchors.len() == ANCHORS {
            self.anchors.remove(0);
        }
        let add = self.anchors.last().map_or(0, |(_, add)| *add);
        self.anchors.push((end, add.saturating_add(step)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = 1_000_000;
    const NOW: Micros = 1_800_000_000 * SECOND;

    #[test]
    fn a_source_is_placed_now_and_others_of_the_same_encoder_beside_it() {
        let mut timeline = Timeline::new(10 * SECOND, NOW);
        let shift = timeline.place(1_400_000, 0, NOW);
        assert_eq!(1_400_000 + shift, 10 * SECOND);
        assert_eq!(timeline.date(10 * SECOND), NOW);
        // Another rendition, half a second later, with a picture that is 480 ms later.
        assert_eq!(timeline.place(1_880_000, 0, NOW + SECOND / 2), shift);
        // It comes back after a minute and goes on with its times, or starts over.
        assert_eq!(timeline.place(61_400_000, 50 * SECOND, NOW + 60 * SECOND), shift);
        let again = timeline.place(0, 50 * SECOND, NOW + 90 * SECOND);
        assert_eq!(again, 100 * SECOND);
        // Never before what was there, though it comes too early.
        assert_eq!(timeline.place(0, 200 * SECOND, NOW + 91 * SECOND), 200 * SECOND);
    }

    #[test]
    fn renditions_of_an_encoder_that_begins_again_stay_beside_each_other() {
        let mut timeline = Timeline::new(10 * SECOND, NOW);
        timeline.place(0, 0, NOW);
        // Both are ahead of the clock, the second one further.
        timeline.observe(13 * SECOND, NOW + SECOND);
        timeline.observe(14 * SECOND, NOW + 2 * SECOND);
        let shift = timeline.place(0, 13 * SECOND, NOW + 2 * SECOND);
        assert_eq!(shift, 14 * SECOND);
        assert_eq!(timeline.place(40_000, 14 * SECOND, NOW + 2 * SECOND), shift);
    }

    #[test]
    fn dates_are_not_ahead_when_the_first_ones_are_told() {
        let mut timeline = Timeline::new(10 * SECOND, NOW);
        timeline.settle(13 * SECOND, NOW + 2 * SECOND);
        assert_eq!(timeline.date(13 * SECOND), NOW + 2 * SECOND);
        timeline.settle(14 * SECOND, NOW + 4 * SECOND);
        assert_eq!(timeline.date(13 * SECOND), NOW + 2 * SECOND);
    }

    #[test]
    fn the_anchor_follows_a_clock_that_runs_wrong() {
        // A day of parts of a quarter of a second, of an encoder that is slow or fast by 100 in a million.
        for wrong in [-100, 100] {
            let mut timeline = Timeline::new(0, NOW);
            let mut before = timeline.date(0);
            for part in 1..86_400 * 4 {
                let end = part * SECOND / 4;
                let now = NOW + end + end / 1_000_000 * wrong + (part % 7) * 3_000;
                timeline.observe(end, now);
                let late = now - timeline.date(end);
                assert!((-40_000..=LATE + 60_000).contains(&late), "{late} at {end}");
                let date = timeline.date(end);
                assert!((date - before - SECOND / 4).abs() <= STEP, "{end}");
                before = date;
            }
        }
    }

    #[test]
    fn a_date_that_was_told_stays() {
        let mut timeline = Timeline::new(0, NOW);
        for part in 0..1000 {
            timeline.observe(part * SECOND, NOW + part * SECOND * 2);
        }
        let told = timeline.date(500 * SECOND);
        for part in 1000..1100 {
            timeline.observe(part * SECOND, NOW + part * SECOND * 2);
        }
        assert_eq!(timeline.date(500 * SECOND), told);
        assert!(timeline.date(1099 * SECOND) > NOW + 1099 * SECOND);
    }
}
