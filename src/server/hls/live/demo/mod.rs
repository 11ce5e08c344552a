//! A live stream that needs nothing: the ladder of `media`, which is part of the program, played in real time for ever.
//!
//! Times go on when a clip begins anew, so viewers see no seam but in the picture. All renditions are fed by one task at the same times.

mod clip;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until};

pub use self::clip::ClipError;
use self::clip::{Clip, Due};
use super::{Ended, Publisher, Refused, Streams, WhoPublishes};
use crate::net::drain::Drain;
use crate::proto::hls::live::feed::Feed;
use crate::proto::hls::track::Sample;

/// The name of the stream.
pub const NAME: &str = "demo";

/// The renditions, and their clips.
const LADDER: [(&str, &[u8]); 3] = [
    ("240p", include_bytes!("../../../../../media/240p.mp4")),
    ("360p", include_bytes!("../../../../../media/360p.mp4")),
    ("480p", include_bytes!("../../../../../media/480p.mp4")),
];

/// How long it waits before it begins anew.
const PAUSE: Duration = Duration::from_secs(1);

/// How far behind the clock a machine may fall, having slept for example, before what it has missed is left out.
const BEHIND: Duration = Duration::from_secs(5);

/// Plays the ladder.
#[derive(Debug)]
pub struct Demo {
    streams: Streams,
    drain: Drain,
    clips: Arc<[Clip]>,
}

/// Why nothing is played any more.
#[derive(Debug, thiserror::Error)]
enum Over {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl Demo {
    /// Plays into `streams`, until `drain` begins.
    ///
    /// # Errors
    /// A clip of this build cannot be played.
    pub fn new(streams: Streams, drain: Drain) -> Result<Self, ClipError> {
        let clips = LADDER.iter().map(|(_, clip)| Clip::read(&Bytes::from_static(clip)));
        Ok(Self { streams, drain, clips: clips.collect::<Result<_, _>>()? })
    }

    /// Plays until the drain begins. Anybody may end it who may end a stream: it begins anew then.
    pub async fn run(self) {
        loop {
            let over = tokio::select! {
                over = self.play() => over,
                () = self.drain.stopping() => return,
            };
            let Err(error) = over else { return };
            tracing::warn!(%error, "the demonstration begins anew");
            tokio::select! {
                () = sleep(PAUSE) => {}
                () = self.drain.stopping() => return,
            }
        }
    }

    async fn play(&self) -> Result<(), Over> {
        let mut publishers = Vec::new();
        for ((rendition, _), clip) in LADDER.iter().zip(&*self.clips) {
            let who = WhoPublishes { by: "demo", peer: None };
            let mut publisher = self.streams.publish(&format!("{NAME}/{rendition}"), who)?;
            publisher.feed(Feed::Tracks(clip.tracks().to_vec())).await?;
            publishers.push(publisher);
        }
        let mut schedule = Schedule::new(&self.clips);
        let mut start = Instant::now();
        loop {
            let Some(next) = schedule.next() else { return Ok(()) };
            let late = Instant::now().saturating_duration_since(start + next.at);
            if late > BEHIND {
                start += late;
                for publisher in &mut publishers {
                    publisher.feed(Feed::Discontinuity).await?;
                }
            }
            sleep_until(start + next.at).await;
            feed(&mut publishers, next).await?;
        }
    }
}

async fn feed(publishers: &mut [Publisher], next: Next) -> Result<(), Ended> {
    let Some(publisher) = publishers.get_mut(next.rendition) else { return Ok(()) };
    publisher.feed(Feed::Sample { track: next.track, sample: next.sample, data: next.data }).await
}

/// A sample, and when it is to be fed.
#[derive(Clone, Debug, PartialEq)]
struct Next {
    at: Duration,
    rendition: usize,
    track: u32,
    sample: Sample,
    data: Bytes,
}

/// The samples of all clips in the order of their decode times, again and again.
///
/// Tracks begin at times of their own, so that one is still in its last turn when another has begun anew: `turn` goes from the first sample to
/// the same one a turn later, and what comes before that of the turn before is not there in the first.
struct Schedule {
    turn: Vec<Cue>,
    length: Duration,
    /// The next one, and how many times all have been through.
    place: usize,
    times: u32,
}

/// A sample in a turn.
struct Cue {
    /// How long after the beginning of the turn, which is less than its length.
    phase: Duration,
    /// How many turns ago its own one began: 0 or 1.
    ago: u32,
    rendition: usize,
    due: Due,
}

impl Schedule {
    fn new(clips: &[Clip]) -> Self {
        let length = clips.iter().map(Clip::length).max().unwrap_or_default();
        let all = || {
            clips.iter().enumerate().flat_map(|(at, clip)| clip.samples().iter().map(move |due| (at, due)))
        };
        let first = all().map(|(_, due)| due.at).min().unwrap_or_default();
        let mut turn: Vec<_> = all()
            .map(|(rendition, due)| {
                let since = due.at - first;
                let (phase, ago) = since.checked_sub(length).map_or((since, 0), |phase| (phase, 1));
                Cue { phase, ago, rendition, due: due.clone() }
            })
            .collect();
        turn.sort_by_key(|cue| cue.phase);
        Self { turn, length, place: 0, times: 0 }
    }
}

impl Iterator for Schedule {
    type Item = Next;

    fn next(&mut self) -> Option<Next> {
        loop {
            if self.place == self.turn.len() {
                (self.place, self.times) = (0, self.times.checked_add(1)?);
            }
            let Cue { ago, rendition, due, .. } = self.turn.get(self.place)?;
            self.place += 1;
            let Some(times) = self.times.checked_sub(*ago) else { continue };
            let mut sample = due.sample;
            sample.dts += i64::from(times) * due.turn;
            let at = due.at + self.length.checked_mul(times)?;
            return Some(Next {
                at,
                rendition: *rendition,
                track: due.track,
                sample,
                data: due.data.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::proto::hls::track::Shape;

    fn clips() -> Vec<Clip> {
        LADDER.iter().map(|(_, clip)| Clip::read(&Bytes::from_static(clip)).unwrap()).collect()
    }

    #[test]
    fn times_go_on_when_clips_begin_anew() {
        let clips = clips();
        let schedule = Schedule::new(&clips);
        let (length, count) = (schedule.length, schedule.turn.len());
        assert_eq!(length, Duration::from_secs(16));
        let mut ends: HashMap<(usize, u32), i64> = HashMap::new();
        let mut last = Duration::ZERO;
        for next in schedule.take(count * 3) {
            assert!(next.at >= last, "real time goes forward");
            last = next.at;
            let end = ends.insert((next.rendition, next.track), next.sample.end());
            assert!(end.is_none_or(|end| end == next.sample.dts), "without a gap: {next:?}");
            assert_eq!(next.sample.size as usize, next.data.len());
        }
        assert_eq!(ends.len(), 6);
        assert!(last < length * 3 + Duration::from_secs(1));
    }

    #[test]
    fn renditions_have_their_key_frames_at_the_same_times() {
        let clips = clips();
        let keys = |rendition: usize| -> Vec<i64> {
            let video = clips[rendition]
                .tracks()
                .iter()
                .find(|track| matches!(track.shape, Shape::Video { .. }))
                .unwrap();
            let of_it =
                clips[rendition].samples().iter().filter(|due| due.track == video.id && due.sample.key);
            of_it.map(|due| due.sample.pts()).collect()
        };
        assert_eq!(keys(0).len(), 8);
        assert_eq!((keys(1), keys(2)), (keys(0), keys(0)));
    }
}
