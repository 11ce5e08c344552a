//! When all renditions are cut: where the first film is, or at multiples of the target duration where there is only sound.

use std::time::Duration;

use super::super::rendition::About;
use super::looked::Looked;
use crate::proto::hls::track::Timescale;
use crate::proto::hls::vod::layout::span;

/// The times at which all renditions are cut: those of the first film, or multiples of the target duration.
pub(super) struct Lead {
    pub(super) scale: Timescale,
    pub(super) times: Vec<i64>,
    pub(super) end: i64,
}

impl Lead {
    /// For sounds alone. `behind`: something is played before them, so they begin where they begin.
    pub(super) fn of_sound(sounds: &[(About, Looked)], target: Duration, behind: bool) -> Self {
        let scale = Timescale::MPEG;
        let step = ticks(target);
        let all = || sounds.iter().map(|(_, sound)| sound);
        let end = all().map(|sound| sound.time(sound.scan.end, scale)).max().unwrap_or(0);
        let first = all().map(|sound| sound.time(sound.scan.start, scale)).min().unwrap_or(0);
        let mut times = Vec::new();
        let mut next = if behind { first } else { first.div_euclid(step) * step };
        while next < end {
            times.push(next);
            next = next.saturating_add(step);
            // Nothing is heard for long: there are not more segments than samples.
            next = all().map(|sound| sound.heard_from(next, step, scale)).min().unwrap_or(next);
        }
        // A rest that is not worth a segment is heard with the one before.
        if times.len() > 1 && times.last().is_some_and(|last| end - last < step / 4) {
            times.pop();
        }
        Self { scale, times, end }
    }

    /// The times at which a sound is cut: those of the film, and more if it goes on longer than that.
    pub(super) fn for_sound(&self, sound: &Looked, target: Duration) -> Vec<i64> {
        let mut times = self.times.clone();
        let step = Timescale::MPEG.rescale(ticks(target), self.scale).unwrap_or(1).max(1);
        let end = sound.time(sound.scan.end, self.scale);
        let mut next = times.last().map_or(self.end, |last| self.end.max(last.saturating_add(step)));
        loop {
            next = sound.heard_from(next, step, self.scale);
            if end.saturating_sub(next) <= step {
                return times;
            }
            times.push(next);
            next = next.saturating_add(step);
        }
    }

    /// When each segment begins and how long it is.
    pub(super) fn spans(&self) -> Vec<(Duration, Duration)> {
        let at = |time: i64| span(self.scale, 0, time);
        let ends = self.times.iter().skip(1).copied().chain(std::iter::once(self.end));
        self.times.iter().zip(ends).map(|(from, to)| (at(*from), span(self.scale, *from, to))).collect()
    }
}

fn ticks(time: Duration) -> i64 {
    i64::try_from(time.as_nanos() * 90_000 / 1_000_000_000).unwrap_or(i64::MAX).max(1)
}
