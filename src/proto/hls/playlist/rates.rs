//! How much a playlist needs: what `BANDWIDTH` and `AVERAGE-BANDWIDTH` say. Sections 4.1 and 4.4.6.2.

use std::time::Duration;

use super::media::MediaPlaylist;

/// Bit rates of a playlist, in bits/s, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// The largest of any run of segments that takes between half a target duration and one and a half.
    pub peak: u64,
    /// Of all segments.
    pub average: u64,
}

impl MediaPlaylist {
    /// The rates, when `sizes` are the bytes of its segments as they are sent. Segments that are not there do not count. `None` if there is not one size for
    /// each segment, or no time in them.
    #[must_use]
    pub fn rates(&self, sizes: &[u64]) -> Option<Rates> {
        if sizes.len() != self.segments.len() {
            return None;
        }
        let there = self.segments.iter().zip(sizes).filter(|(segment, _)| !segment.gap);
        let list: Vec<(Duration, u64)> = there.map(|(segment, size)| (segment.duration, *size)).collect();
        let target = Duration::from_secs(self.target_duration);
        let (least, most) = (target / 2, target.saturating_mul(3) / 2);
        let mut peak = 0;
        for from in 0..list.len() {
            let (mut time, mut bytes) = (Duration::ZERO, 0u64);
            for (duration, size) in &list[from..] {
                time = time.saturating_add(*duration);
                bytes = bytes.saturating_add(*size);
                if time > most {
                    break;
                }
                if time >= least {
                    peak = peak.max(rate(bytes, time)?);
                }
            }
        }
        let time = list.iter().fold(Duration::ZERO, |sum, (time, _)| sum.saturating_add(*time));
        let bytes = list.iter().fold(0u64, |sum, (_, size)| sum.saturating_add(*size));
        let average = rate(bytes, time)?;
        // What is shorter than half a target duration, or longer than its playlist says, has no peak but its average.
        Some(Rates { peak: peak.max(average), average })
    }
}

fn rate(bytes: u64, time: Duration) -> Option<u64> {
    let bits = u128::from(bytes) * 8 * 1_000_000_000;
    let time = time.as_nanos();
    (time > 0).then(|| u64::try_from(bits.div_ceil(time)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::media::Segment;
    use super::*;

    #[test]
    fn peaks_are_of_runs_and_averages_of_all() {
        for (target, segments, expected) in [
            (4, &[(4000, 1000), (4000, 3000)][..], Some((6000, 4000))),
            // Two short ones together: 2 s, half a target duration.
            (4, &[(1000, 1000), (1000, 3000), (4000, 1000)], Some((16_000, 6667))),
            // A segment that is too long for its playlist.
            (1, &[(4000, 1000)], Some((2000, 2000))),
            (4, &[(1000, 1000)], Some((8000, 8000))),
            (4, &[(0, 1000)], None),
            (4, &[], None),
        ] {
            let list = segments.iter().map(|(millis, _)| Segment {
                duration: Duration::from_millis(*millis),
                ..Segment::default()
            });
            let playlist = MediaPlaylist {
                target_duration: target,
                segments: list.collect(),
                ..MediaPlaylist::default()
            };
            let sizes: Vec<_> = segments.iter().map(|(_, size)| *size).collect();
            let rates = playlist.rates(&sizes).map(|rates| (rates.peak, rates.average));
            assert_eq!(rates, expected, "{segments:?}");
            assert_eq!(playlist.rates(&[1; 9]), None);
        }
    }
}
