//! The clock of a stream: the one on the wall, but it never goes back.
//!
//! A wall clock is set now and then, by NTP or when a machine has slept. Were it set back under a stream, publishers would seem to be far ahead of it, and would be made to wait until it has come round
//! again. So what has passed is told by a clock that runs evenly, and the wall is believed only where it is ahead of that: then something was slept through, and dates are right again behind a gap. A stream
//! that begins later has the new time.

use std::time::Duration;

use super::timeline::{Micros, micros};

/// How far the wall may be ahead before it is believed: more than what clocks that are slewed differ by.
const AHEAD: Micros = 1_000_000;

/// A clock that never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The date at which the even clock was at 0.
    zero: Micros,
}

impl Clock {
    /// A clock that is right now: it is `wall`, in microseconds since 1970, and `even` on a clock that runs evenly.
    #[must_use]
    pub fn new(wall: Micros, even: Duration) -> Self {
        Self { zero: wall.saturating_sub(micros(even)) }
    }

    /// What time it is, when those clocks say this.
    pub fn read(&mut self, wall: Micros, even: Duration) -> Micros {
        let now = self.zero.saturating_add(micros(even));
        if wall.saturating_sub(now) <= AHEAD {
            return now;
        }
        *self = Self::new(wall, even);
        wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = 1_000_000;
    const NOW: Micros = 1_800_000_000 * SECOND;

    #[test]
    fn it_goes_forward_with_the_wall_and_not_back() {
        let mut clock = Clock::new(NOW, Duration::from_secs(5));
        let mut last = NOW;
        // Seconds on the even clock, how the wall differs from what it would be, what is read.
        for (even, wall, read) in [
            (5, 0, 0),
            (6, 0, 1),
            // Slewed.
            (7, 200_000, 2),
            // Set back by ten minutes.
            (8, -600 * SECOND, 3),
            (60, -600 * SECOND, 55),
            // Set right again.
            (70, 0, 65),
            // An hour was slept through.
            (71, 3600 * SECOND, 3666),
            (72, 3600 * SECOND, 3667),
            (73, 0, 3668),
        ] {
            let shown = NOW + (even - 5) * SECOND + wall;
            let now = clock.read(shown, Duration::from_secs(even as u64));
            assert_eq!((now - NOW) / SECOND, read, "{even} {wall}");
            assert!(now >= last);
            last = now;
        }
    }
}
