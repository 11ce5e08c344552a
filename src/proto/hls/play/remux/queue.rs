//! Samples that wait to be written, in the order in which they are decoded, whichever lane they came by.
//!
//! Where sound comes by a lane of its own, a sample is written when the other lane is as far. A lane that stays away is not waited for beyond [`Limits`].

use std::collections::VecDeque;

use super::Limits;
use super::stream::Cut;
use super::taken::{Sense, mpeg};

/// What a sample takes in memory beside its bytes, about.
const OVERHEAD: usize = 2 * size_of::<Cut>();

/// Samples that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: [VecDeque<Cut>; 2],
    bytes: usize,
}

impl Queue {
    pub(super) fn push(&mut self, cut: Cut) {
        self.bytes += cut.data.len() + OVERHEAD;
        self.lanes[cut.sense as usize].push_back(cut);
    }

    /// The next sample of the other sense.
    pub(super) fn beside(&self, sense: Sense) -> Option<&Cut> {
        self.lanes[1 - sense as usize].front()
    }

    /// The next sample, if none can come any more that is decoded before: `all`, since nothing is waited for.
    pub(super) fn pop(&mut self, all: bool, limits: &Limits) -> Option<Cut> {
        let [video, audio] = &self.lanes;
        let lane = match (video.front(), audio.front()) {
            (None, None) => return None,
            (Some(video), Some(audio)) => {
                usize::from(video.scale.compare(video.dts, audio.scale, audio.dts).is_gt())
            }
            (one, _) => {
                let lane = usize::from(one.is_none());
                if !all && !self.is_over(lane, limits) {
                    return None;
                }
                lane
            }
        };
        let cut = self.lanes[lane].pop_front()?;
        self.bytes -= cut.data.len() + OVERHEAD;
        Some(cut)
    }

    /// Whether more waits than may.
    fn is_over(&self, lane: usize, limits: &Limits) -> bool {
        let (Some(first), Some(last)) = (self.lanes[lane].front(), self.lanes[lane].back()) else {
            return false;
        };
        let span = mpeg(last.dts, last.scale).saturating_sub(mpeg(first.dts, first.scale));
        self.bytes > limits.queue || span as f64 / 90.0 > limits.ahead
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::codec::access::Entry;
    use super::super::stream::Stream;
    use super::super::tests::{picture, sound};
    use super::*;

    fn filled(video: i64, audio: i64) -> Queue {
        let pictures: Vec<_> = (0..video).map(|n| picture(n * 3600, Entry::Closed)).collect();
        let frames: Vec<_> = (0..audio).map(|n| sound(n * 1024)).collect();
        let mut queue = Queue::default();
        for (sense, list) in [(Sense::Video, pictures), (Sense::Audio, frames)] {
            Stream::new(sense).cut(list.iter(), 0).into_iter().for_each(|cut| queue.push(cut));
        }
        queue
    }

    fn taken(queue: &mut Queue, all: bool, limits: &Limits) -> Vec<(Sense, i64)> {
        std::iter::from_fn(|| queue.pop(all, limits)).map(|cut| (cut.sense, cut.dts)).collect()
    }

    #[test]
    fn samples_leave_in_the_order_of_their_times() {
        use Sense::{Audio, Video};
        let limits = Limits::default();
        let mut queue = filled(2, 4);
        // Behind the last picture sound waits for the next one.
        let first = [(Video, 0), (Audio, 0), (Audio, 1024), (Video, 3600)];
        assert_eq!(taken(&mut queue, false, &limits), first);
        assert!(queue.beside(Video).is_some() && queue.beside(Audio).is_none());
        assert_eq!(taken(&mut queue, true, &limits), [(Audio, 2048), (Audio, 3072)]);
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn a_lane_that_stays_away_is_not_waited_for_without_end() {
        let limits = Limits { ahead: 1000.0, ..Limits::default() };
        assert_eq!(taken(&mut filled(100, 0), false, &limits).len(), 100 - 26);
        let limits = Limits { queue: 10 * OVERHEAD, ..Limits::default() };
        let left = 100 - taken(&mut filled(100, 0), false, &limits).len();
        assert!((5..=10).contains(&left), "{left}");
        assert_eq!(taken(&mut filled(10, 0), false, &Limits::default()), []);
    }
}
