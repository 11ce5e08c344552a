//! Times of 33 bits at 90 kHz (ISO/IEC 13818-1 section 2.4.3.7), which start over after 26.5 hours, as numbers that do not.

/// After so many ticks times start over.
pub const WRAP: i64 = 1 << 33;

/// A step between two times of one stream that is no step any more but another timeline: ten seconds, as in ffmpeg.
pub const JUMP: i64 = 10 * 90_000;

/// The time nearest to `near` whose lowest 33 bits are those of `time`.
#[must_use]
pub fn unwrap(time: u64, near: i64) -> i64 {
    let step = (time as i64).wrapping_sub(near).rem_euclid(WRAP);
    let step = if step >= WRAP / 2 { step - WRAP } else { step };
    near.saturating_add(step)
}

/// The lowest 33 bits of `time`.
#[must_use]
pub fn wrap(time: i64) -> u64 {
    time.rem_euclid(WRAP) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn across_the_wrap() {
        for (time, near, expected) in [
            (0, 0, 0),
            (100, 0, 100),
            (50, WRAP - 100, WRAP + 50),
            (WRAP as u64 - 1, 0, -1),
            (WRAP as u64 - 1, WRAP + 10, WRAP - 1),
            (7, 5 * WRAP, 5 * WRAP + 7),
            (7, -3 * WRAP + 9, -3 * WRAP + 7),
            (WRAP as u64 / 2, 0, -WRAP / 2),
            (WRAP as u64 / 2 - 1, 0, WRAP / 2 - 1),
        ] {
            assert_eq!(unwrap(time, near), expected, "{time} near {near}");
            assert_eq!(wrap(expected), time, "{expected}");
        }
    }

    #[test]
    fn a_stream_that_goes_on_for_days() {
        let (mut near, step) = (WRAP - 3003, 90_000);
        for _ in 0..300_000 {
            let next = unwrap(wrap(near + step), near);
            assert_eq!(next, near + step);
            near = next;
        }
    }
}
