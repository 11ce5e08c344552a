//! What happened lately, counted exactly: a window of ten steps that moves on with the time.
//!
//! Hystrix, Finagle and Linkerd count in ten steps as well. What is older than the window is forgotten a tenth at a time.

use std::time::{Duration, Instant};

/// Steps of a window.
pub(super) const STEPS: u32 = 10;

/// The shortest step, so that a window of no time is one of some.
const SHORTEST: Duration = Duration::from_millis(1);

/// A value for each step of the window.
#[derive(Debug)]
pub(super) struct Window<T> {
    width: Duration,
    start: Instant,
    /// The step that is written to, counted from `start` on.
    current: u128,
    slots: [T; STEPS as usize],
}

impl<T: Copy + Default> Window<T> {
    /// An empty window of this length, of 10 ms at least.
    pub(super) fn new(length: Duration, now: Instant) -> Self {
        Self { width: width(length), start: now, current: 0, slots: [T::default(); STEPS as usize] }
    }

    /// The step of `now`, after forgetting what is too old. Time that runs backwards is the time before.
    pub(super) fn at(&mut self, now: Instant) -> &mut T {
        let steps = self.slots.len() as u128;
        let step = now.saturating_duration_since(self.start).as_nanos() / self.width.as_nanos();
        // After a pause of years, one round is enough.
        self.current = self.current.max(step.saturating_sub(steps));
        while self.current < step {
            self.current += 1;
            self.slots[(self.current % steps) as usize] = T::default();
        }
        &mut self.slots[(self.current % steps) as usize]
    }

    /// All steps, in no order, as of the last [`at`](Window::at).
    pub(super) fn iter(&self) -> impl Iterator<Item = T> {
        self.slots.iter().copied()
    }
}

/// How long a step of a window of this length is.
pub(super) fn width(length: Duration) -> Duration {
    (length / STEPS).max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_forgotten_a_window_later() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        // When something is counted, and what the window holds then.
        let rows = [
            (0, 1),
            (999, 2),
            (500, 3), // time that runs backwards
            (1_000, 4),
            (9_999, 5),
            (10_000, 3), // the first three are gone
            (10_999, 4),
            (11_000, 4),
            (40_000, 1),
            (10, 2),
            (1 << 50, 1),
        ];
        let mut window = Window::<u32>::new(Duration::from_secs(10), start);
        for (millis, expected) in rows {
            *window.at(at(millis)) += 1;
            assert_eq!(window.iter().sum::<u32>(), expected, "at {millis} ms");
        }
    }

    #[test]
    fn no_window_is_too_short() {
        let start = Instant::now();
        let mut window = Window::<u32>::new(Duration::ZERO, start);
        *window.at(start) += 1;
        *window.at(start + Duration::from_millis(9)) += 1;
        assert_eq!(window.iter().sum::<u32>(), 2);
        window.at(start + Duration::from_millis(10));
        assert_eq!(window.iter().sum::<u32>(), 1);
    }
}
