//! The timestamps of one RTMP connection on a timeline that neither wraps nor jumps unnoticed.
//!
//! A timestamp has 32 bits of milliseconds (RTMP section 5.3.1): it wraps after 49 days. Sound and pictures share the timeline and come a little out of order
//! among each other. A step further than [`JUMP`], either way, is a new timeline: an encoder that was restarted behind a relay, a playlist of files. What
//! still comes from the old one behind such a step is late, and is left out.

/// Milliseconds between two timestamps from which on they are not of one timeline. Encoders interleave within a second; a pause of this length is
/// a gap in what viewers see in any case.
pub(super) const JUMP: i64 = 10_000;

/// Timestamps of the old timeline behind a jump that are left out; more of them are another jump.
const MAX_LATE: u32 = 64;

/// What a timestamp comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// The timeline goes on: milliseconds on it.
    On(i64),
    /// Another timeline begins, at so many milliseconds.
    Jump(i64),
    /// It belongs to the timeline before the last jump.
    Late,
}

/// The timeline of a connection.
#[derive(Debug, Default)]
pub(super) struct Times {
    last: Option<i64>,
    /// Where the timeline before this one ended, and how many have come late since.
    before: Option<(i64, u32)>,
}

impl Times {
    /// Places a timestamp.
    pub(super) fn place(&mut self, timestamp: u32) -> Placed {
        let Some(last) = self.last else {
            self.last = Some(timestamp.into());
            return Placed::On(timestamp.into());
        };
        if let Some(at) = near(last, timestamp) {
            self.last = Some(at);
            return Placed::On(at);
        }
        if let Some((before, late)) = &mut self.before
            && *late < MAX_LATE
            && near(*before, timestamp).is_some()
        {
            *late += 1;
            return Placed::Late;
        }
        self.before = Some((last, 0));
        self.last = Some(timestamp.into());
        Placed::Jump(timestamp.into())
    }
}

/// The time that `timestamp` stands for, if that is close to `place`.
fn near(place: i64, timestamp: u32) -> Option<i64> {
    let low = u32::try_from(place & 0xffff_ffff).unwrap_or_default();
    // The shorter way round.
    let step = i64::from(timestamp.wrapping_sub(low).cast_signed());
    (step.abs() <= JUMP).then(|| place + step)
}

#[cfg(test)]
mod tests {
    use super::Placed::{Jump, Late, On};
    use super::*;

    fn placed(timestamps: &[u32]) -> Vec<Placed> {
        let mut times = Times::default();
        timestamps.iter().map(|timestamp| times.place(*timestamp)).collect()
    }

    #[test]
    fn a_timeline_goes_on_over_the_end_of_32_bits() {
        let end = i64::from(u32::MAX);
        for (timestamps, expected) in [
            (&[0, 40, 33, 80][..], &[On(0), On(40), On(33), On(80)][..]),
            (&[u32::MAX - 9, 10, u32::MAX, 20], &[On(end - 9), On(end + 11), On(end), On(end + 21)]),
            (&[5, u32::MAX], &[On(5), On(-1)]),
            (&[0, 10_000, 20_001], &[On(0), On(10_000), Jump(20_001)]),
            (&[u32::MAX, 9999, 10_000], &[On(end), On(end + 10_000), On(end + 10_001)]),
        ] {
            assert_eq!(placed(timestamps), expected, "{timestamps:?}");
        }
    }

    #[test]
    fn a_jump_is_one_however_the_tracks_are_interleaved() {
        let (far, near) = (1_000_000, 500);
        assert_eq!(
            placed(&[far, far + 20, near, far + 40, near + 20, far + 30]),
            [On(far.into()), On((far + 20).into()), Jump(near.into()), Late, On((near + 20).into()), Late]
        );
        // There and back again, and there for good.
        assert_eq!(placed(&[far, 0, 20_000])[2], Jump(20_000));
        let mut times = Times::default();
        assert_eq!((times.place(far), times.place(near)), (On(far.into()), Jump(near.into())));
        for _ in 0..MAX_LATE {
            assert_eq!(times.place(far), Late);
        }
        assert_eq!((times.place(far), times.place(far + 1)), (Jump(far.into()), On((far + 1).into())));
    }

    #[test]
    fn any_timestamps_are_placed() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut times = Times::default();
        for _ in 0..100_000 {
            let placed = times.place(if random.bool() { random.u32(..) } else { random.u32(..30_000) });
            if let On(at) | Jump(at) = placed {
                assert!(at.abs() < 1 << 50);
            }
        }
    }
}
