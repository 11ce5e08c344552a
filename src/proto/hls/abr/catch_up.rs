//! Catching up with a live stream: how fast to play so that the latency becomes what it should be.
//!
//! The rate is a sigmoid of the distance from the target, as in dash.js (`CatchupController`, default mode): a player that is far behind plays at most so much faster, and within a small distance as fast as the
//! media are. It slows down when it is too close, and never speeds up on a buffer that is nearly empty.

use super::Ms;

/// How steep the sigmoid is, per second of distance.
const STEEPNESS: f64 = 5.0;

/// No change from one rate to another is made for less than this: rates that tremble are heard.
const STEP: f64 = 0.02;

/// From 1 on it is more: 120 ms of distance, where a tenth is the most.
const BEGIN: f64 = 0.03;

/// Back to 1 it is less: what was begun is brought to its end, 20 ms from the target.
const END: f64 = 0.005;

/// What a player aims at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CatchUp {
    /// The latency that it should have.
    pub target: Ms,
    /// How much faster, or slower, it plays at most: 0.1 for a tenth.
    pub most: f64,
    /// It does not play faster with less than this in the buffer, and begins to with half as much again.
    pub least_level: Ms,
    /// It jumps to the target when it is further behind than this.
    pub jump: Ms,
}

/// What to do about the latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Play at this rate; 1 is as fast as the media are.
    Rate(f64),
    /// Go on at the target.
    Jump,
}

impl CatchUp {
    /// For a target: a tenth faster or slower at most, half of the target as the least level, a jump at three targets and at least ten seconds behind it.
    #[must_use]
    pub fn new(target: Ms) -> Self {
        Self { target, most: 0.1, least_level: target / 2.0, jump: target + (2.0 * target).max(10_000.0) }
    }

    /// What to do at this latency and level, when the rate is `rate`.
    #[must_use]
    pub fn pace(&self, latency: Ms, level: Ms, rate: f64) -> Pace {
        if latency > self.jump {
            return Pace::Jump;
        }
        let away = (latency - self.target) / 1000.0;
        let wanted = 1.0 - self.most + 2.0 * self.most / (1.0 + (-STEEPNESS * away).exp());
        let now = rate - 1.0;
        let least = if now > 0.0 { self.least_level } else { 1.5 * self.least_level };
        let off = if level < least { wanted.min(1.0) } else { wanted } - 1.0;
        let enough = if now == 0.0 { BEGIN } else { END };
        if off.abs() < enough {
            return Pace::Rate(1.0);
        }
        let off = STEP.max(off.abs()).copysign(off);
        Pace::Rate(if (off - now).abs() < STEP { rate } else { 1.0 + off })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_the_distance() {
        let aim = CatchUp::new(2_000.0);
        for (latency, level, low, high) in [
            (2_000.0, 1_500.0, 1.0, 1.0),
            (2_110.0, 1_500.0, 1.0, 1.0),
            (1_890.0, 1_500.0, 1.0, 1.0),
            (2_300.0, 1_500.0, 1.05, 1.1),
            (9_000.0, 1_500.0, 1.099, 1.1),
            // Nothing to play faster from.
            (9_000.0, 400.0, 1.0, 1.0),
            (1_500.0, 1_500.0, 0.9, 0.92),
            (0.0, 100.0, 0.9, 0.91),
        ] {
            let Pace::Rate(rate) = aim.pace(latency, level, 1.0) else { panic!("{latency}") };
            assert!((low..=high).contains(&rate), "{latency} {level}: {rate}");
        }
        assert_eq!(aim.pace(12_001.0, 1_500.0, 1.0), Pace::Jump);
    }

    #[test]
    fn small_steps_are_not_made() {
        let aim = CatchUp::new(2_000.0);
        let Pace::Rate(first) = aim.pace(2_300.0, 1_500.0, 1.0) else { panic!() };
        assert_eq!(aim.pace(2_290.0, 1_500.0, first), Pace::Rate(first));
        assert_eq!(aim.pace(2_000.0, 1_500.0, first), Pace::Rate(1.0));
        // What was begun is brought to its end, at no less than a step.
        let Pace::Rate(slow) = aim.pace(2_030.0, 1_500.0, first) else { panic!() };
        assert!((1.02..1.021).contains(&slow), "{slow}");
        assert_eq!(aim.pace(2_022.0, 1_500.0, slow), Pace::Rate(slow));
        assert_eq!(aim.pace(2_018.0, 1_500.0, slow), Pace::Rate(1.0));
        // A buffer that has just enough does not make it tremble.
        assert_eq!(aim.pace(2_500.0, 1_400.0, 1.0), Pace::Rate(1.0));
        assert_eq!(aim.pace(2_300.0, 1_100.0, first), Pace::Rate(first));
        assert_eq!(aim.pace(2_300.0, 990.0, first), Pace::Rate(1.0));
        assert_eq!(aim.pace(1_950.0, 1_500.0, 1.0), Pace::Rate(1.0));
    }
}
