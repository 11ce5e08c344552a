//! Where renditions are cut into segments: at pictures that need no other one, at the same times in all of them.
//!
//! A player that switches between variants expects their segments to begin at the same times (draft-pantos-hls-rfc8216bis section 6.2.4), and a segment is of use by itself only if it begins with a picture
//! that can be decoded by itself. So a cut is a time at which every rendition has such a picture, and the next cut is the first such time that is at least a target duration later.

use std::time::Duration;

use super::track::Timescale;

/// The pictures of a rendition with which decoding can begin.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The rendition's name, for errors.
    pub name: String,
    /// What times count.
    pub timescale: Timescale,
    /// When they are presented, ascending. Pictures that others are presented before, though they are decoded later, are left out: the segment
    /// before would miss those.
    pub times: Vec<i64>,
    /// About how long a picture is shown, in ticks: renditions may be apart by half of it.
    pub picture: i64,
    /// When the last picture has been shown.
    pub end: i64,
}

/// Where one rendition is cut: the time at which each segment begins, in its ticks.
pub type Cuts = Vec<i64>;

/// Why renditions cannot be cut.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CutError {
    /// A rendition has no picture with which decoding can begin.
    #[error("{0} has no key frame")]
    NoKey(String),
    /// For longer than two target durations renditions have key frames, but never at the same time.
    #[error(
        "{name} has a key frame at {time:.3} s and {other} has none there (the nearest is at {nearest:.3} s): encode all renditions \
         with the same key frame interval, and without key frames at scene changes"
    )]
    Apart {
        /// One rendition.
        name: String,
        /// When it could be cut, in seconds.
        time: f64,
        /// Another one.
        other: String,
        /// When that one could be cut, in seconds.
        nearest: f64,
    },
}

/// Cuts renditions, given in the order of their importance, into segments of at least `target`, the last one excepted.
///
/// # Errors
/// They have no key frames in common, where all have some.
pub fn cuts(renditions: &[Keys], target: Duration) -> Result<Vec<Cuts>, CutError> {
    let Some((first, others)) = renditions.split_first() else { return Ok(Vec::new()) };
    let mut cuts: Vec<Cuts> = vec![Cuts::new(); renditions.len()];
    for keys in renditions {
        keys.times.first().ok_or_else(|| CutError::NoKey(keys.name.clone()))?;
    }
    let span = first.ticks(target);
    let mut aligned = first.times.iter().filter_map(|time| {
        let own = others.iter().map(|other| other.near(first, *time)).collect::<Option<Vec<_>>>()?;
        Some((*time, own))
    });
    let mut last = None;
    loop {
        let from = last.map_or(first.times[0], |last: i64| last.saturating_add(span));
        // A key frame that is early by rounding is in time.
        let next = aligned.find(|(time, _)| *time >= from.saturating_sub(first.picture / 2));
        let at = next.as_ref().map_or(first.end, |(time, _)| *time);
        expect_soon(renditions, from, at, span)?;
        let Some((time, own)) = next else { return Ok(cuts) };
        cuts[0].push(time);
        cuts[1..].iter_mut().zip(own).for_each(|(cuts, time)| cuts.push(time));
        last = Some(time);
    }
}

/// That the next cut, at `at`, is not more than a target duration behind the time when all could have been cut, had they agreed.
fn expect_soon(renditions: &[Keys], from: i64, at: i64, span: i64) -> Result<(), CutError> {
    let Some((first, others)) = renditions.split_first() else { return Ok(()) };
    // When each could be cut by itself, in ticks of the first one. If one has no more key frames, there is nothing to agree about.
    let own = renditions
        .iter()
        .map(|keys| keys.first_from(first, from - first.picture / 2))
        .collect::<Option<Vec<_>>>();
    let Some(own) = own else { return Ok(()) };
    let latest = own.iter().copied().max().unwrap_or(at);
    if others.is_empty() || at <= latest.saturating_add(span) {
        return Ok(());
    }
    // Name the first rendition's key frame, and one that has none there.
    let time = own[0];
    let other = others.iter().find(|other| other.near(first, time).is_none()).unwrap_or(&others[0]);
    let nearest = other.nearest(first, time);
    Err(CutError::Apart {
        name: first.name.clone(),
        time: first.timescale.seconds(time),
        other: other.name.clone(),
        nearest: other.timescale.seconds(nearest),
    })
}

impl Keys {
    fn ticks(&self, time: Duration) -> i64 {
        let ticks = time.as_nanos() * u128::from(self.timescale.ticks()) / 1_000_000_000;
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }

    /// A time of another rendition in own ticks.
    fn in_own_ticks(&self, other: &Self, time: i64) -> i64 {
        other.timescale.rescale(time, self.timescale).unwrap_or(i64::MAX)
    }

    /// The key frame that is nearest to a time of another rendition.
    fn nearest(&self, other: &Self, time: i64) -> i64 {
        let wanted = self.in_own_ticks(other, time);
        let at = self.times.partition_point(|time| *time < wanted);
        let around = self.times[at.saturating_sub(1)..(at + 1).min(self.times.len())].iter().copied();
        around.min_by_key(|time| time.abs_diff(wanted)).unwrap_or(wanted)
    }

    /// The key frame at a time of another rendition, if there is one within half a picture.
    fn near(&self, other: &Self, time: i64) -> Option<i64> {
        let found = self.nearest(other, time);
        let apart = found.abs_diff(self.in_own_ticks(other, time));
        let picture = self.picture.max(self.in_own_ticks(other, other.picture));
        (apart <= picture.unsigned_abs() / 2).then_some(found)
    }

    /// The first key frame at or behind a time of another rendition, in ticks of that one.
    fn first_from(&self, other: &Self, time: i64) -> Option<i64> {
        let wanted = self.in_own_ticks(other, time);
        let at = self.times.partition_point(|time| *time < wanted);
        self.times.get(at).map(|time| other.in_own_ticks(self, *time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rendition of 25 pictures a second with key frames at these pictures, of 1000 in all.
    fn keys(name: &str, scale: u32, pictures: &[i64]) -> Keys {
        let picture = i64::from(scale) / 25;
        Keys {
            name: name.to_owned(),
            timescale: Timescale::new(scale).unwrap(),
            times: pictures.iter().map(|number| number * picture).collect(),
            picture,
            end: 1000 * picture,
        }
    }

    fn every(step: usize) -> Vec<i64> {
        (0..1000).step_by(step).collect()
    }

    /// Where the renditions are cut, in pictures.
    fn pictures(renditions: &[Keys], seconds: f64) -> Result<Vec<Vec<i64>>, CutError> {
        let cuts = cuts(renditions, Duration::from_secs_f64(seconds))?;
        let number = |(cuts, keys): (Cuts, &Keys)| cuts.iter().map(|time| time / keys.picture).collect();
        Ok(cuts.into_iter().zip(renditions).map(number).collect())
    }

    #[test]
    fn cuts_are_at_key_frames_and_not_sooner_than_the_target() {
        for (list, seconds, expected) in [
            (every(50), 2.0, every(50)),
            (every(50), 4.0, every(100)),
            (every(50), 3.0, every(100)),
            (every(48), 2.0, every(96)),
            (every(48), 1.92, every(48)),
            // Key frames are rare, or where nobody expects them.
            (vec![0, 400], 2.0, vec![0, 400]),
            (vec![0, 30, 51, 99, 150, 152], 2.0, vec![0, 51, 150]),
            (vec![10, 60], 2.0, vec![10, 60]),
        ] {
            assert_eq!(
                pictures(&[keys("a", 90_000, &list)], seconds).unwrap(),
                [expected],
                "{list:?} {seconds}"
            );
        }
        assert_eq!(cuts(&[], Duration::from_secs(2)), Ok(vec![]));
    }

    #[test]
    fn renditions_are_cut_at_the_same_times() {
        let renditions =
            [keys("a", 90_000, &every(50)), keys("b", 12_800, &every(25)), keys("c", 1000, &every(100))];
        assert_eq!(pictures(&renditions, 2.0).unwrap(), vec![every(100); 3]);
        // Ticks that are not the same moment, by less than half a picture.
        let mut late = keys("b", 30_000, &every(50));
        late.times.iter_mut().for_each(|time| *time += 500);
        let both = [keys("a", 90_000, &every(50)), late.clone()];
        assert_eq!(pictures(&both, 2.0).unwrap(), vec![every(50); 2]);
        late.times.iter_mut().for_each(|time| *time += 200);
        assert!(pictures(&[keys("a", 90_000, &every(50)), late], 2.0).is_err());
        // A key frame more at a scene change harms nobody.
        let mut scene = every(50);
        scene.insert(3, 123);
        assert_eq!(
            pictures(&[keys("a", 90_000, &scene), keys("b", 90_000, &every(50))], 2.0).unwrap(),
            vec![every(50); 2]
        );
    }

    #[test]
    fn renditions_that_do_not_agree_are_named() {
        let (a, b) = (keys("240p.mp4", 90_000, &every(50)), keys("480p.mp4", 90_000, &every(48)));
        let error = pictures(&[a, b], 2.0).unwrap_err();
        let expected =
            CutError::Apart { name: "240p.mp4".into(), time: 2.0, other: "480p.mp4".into(), nearest: 1.92 };
        assert_eq!(error, expected);
        assert!(
            error.to_string().starts_with("240p.mp4 has a key frame at 2.000 s and 480p.mp4 has none there")
        );
        // One that begins later.
        let late: Vec<i64> = every(50)[1..].to_vec();
        let both = [keys("a", 90_000, &every(50)), keys("b", 90_000, &late)];
        assert_eq!(pictures(&both, 2.0).unwrap(), vec![late; 2]);
        let none = [keys("a", 90_000, &every(50)), keys("b", 90_000, &[])];
        assert_eq!(pictures(&none, 2.0), Err(CutError::NoKey("b".into())));
        // One that has one key frame only: the others are not cut, either.
        let one = [keys("a", 90_000, &every(50)), keys("b", 90_000, &[0])];
        assert_eq!(pictures(&one, 2.0).unwrap(), vec![vec![0]; 2]);
    }
}
