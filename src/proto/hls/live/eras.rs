//! The discontinuities of a stream, by which its renditions are numbered alike (section 6.2.4).
//!
//! Players find the same place in another rendition by the number of discontinuities before it and by times. So a discontinuity is one of the stream: where a rendition does not go on, the others have one
//! too, at their next segment, though nothing is wrong with them; and a rendition that comes later begins with the number that the others have.

use std::collections::VecDeque;

use super::timeline::Micros;

/// Discontinuities whose times are remembered: more than there are in the longest window of an encoder that is restarted each second.
const REMEMBERED: usize = 4096;

/// When there were discontinuities.
#[derive(Clone, Debug, Default)]
pub struct Eras {
    /// How many there were before those that are remembered.
    before: u64,
    /// Their times on the timeline, the oldest first.
    times: VecDeque<Micros>,
}

impl Eras {
    /// No discontinuities but these many, before all that comes.
    #[must_use]
    pub fn behind(before: u64) -> Self {
        Self { before, times: VecDeque::new() }
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.before + self.times.len() as u64
    }

    /// How many there were until a time.
    #[must_use]
    pub fn until(&self, time: Micros) -> u64 {
        self.before + self.times.partition_point(|at| *at <= time) as u64
    }

    /// A rendition that has had `known` of them does not go on with a segment that begins at `time`: how many there were until then, which are more. Where another rendition had one
    /// meanwhile, it is the same.
    pub fn broken(&mut self, time: Micros, known: u64) -> u64 {
        if self.until(time) <= known {
            if self.times.len() == REMEMBERED {
                self.times.pop_front();
                self.before += 1;
            }
            self.times.insert(self.times.partition_point(|at| *at <= time), time);
        }
        self.until(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_twice_is_counted_once() {
        let mut eras = Eras::behind(3);
        assert_eq!((eras.count(), eras.until(i64::MAX)), (3, 3));
        // One rendition breaks, then another that was away at that time, then the first again.
        assert_eq!(eras.broken(100, 3), 4);
        assert_eq!(eras.broken(130, 3), 4);
        assert_eq!((eras.until(99), eras.until(100), eras.count()), (3, 4, 4));
        assert_eq!(eras.broken(150, 4), 5);
        // Who is behind breaks before that.
        assert_eq!(eras.broken(120, 4), 5);
        assert_eq!((eras.until(119), eras.until(149), eras.until(150)), (4, 5, 6));
    }

    #[test]
    fn the_oldest_are_only_counted() {
        let mut eras = Eras::default();
        for time in 0..2 * REMEMBERED as u64 {
            assert_eq!(eras.broken(time as i64, time), time + 1);
        }
        assert_eq!((eras.times.len(), eras.count()), (REMEMBERED, 2 * REMEMBERED as u64));
        assert_eq!(eras.until(0), REMEMBERED as u64);
    }
}
