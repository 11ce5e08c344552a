//! The samples of one track that is written, made to follow each other: what renditions have of the same time is written once.
//!
//! Decode times only rise. Pictures that come from elsewhere begin with one that needs no other, and is shown behind all that were written; sound begins with a whole frame that does not overlap what was written. What is not written is counted.

use std::sync::Arc;

use bytes::Bytes;

use super::super::super::codec::access::Entry;
use super::super::super::track::{Config, Timescale, Track};
use super::taken::{Sense, Taken, rescaled};
use super::timeline::Written;

/// A sample that is to be written. Times are ticks of `scale`, from where the stream began.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) sense: Sense,
    pub(super) track: Arc<Track>,
    pub(super) scale: Timescale,
    pub(super) dts: i64,
    /// Not before it is decoded.
    pub(super) pts: i64,
    pub(super) duration: i64,
    pub(super) key: bool,
    pub(super) data: Bytes,
}

/// A track that is written.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    sense: Sense,
    /// That of all samples: what the first track had, or 90 kHz for pictures.
    scale: Option<Timescale>,
    /// Whether pictures wait for one that needs no other.
    waiting: bool,
    /// Pictures that are shown before are left out: they need some that were not written, or their time is taken.
    floor: i64,
    /// By how much samples are decoded earlier than they say, so that none is presented before.
    lead: i64,
    last: Option<i64>,
    shown: Option<i64>,
    end: Option<i64>,
}

impl Stream {
    pub(super) fn new(sense: Sense) -> Self {
        Self {
            sense,
            scale: None,
            waiting: true,
            floor: i64::MIN,
            lead: 0,
            last: None,
            shown: None,
            end: None,
        }
    }

    /// Samples that follow come from elsewhere.
    pub(super) fn interrupt(&mut self) {
        (self.waiting, self.lead) = (true, 0);
    }

    /// How far it is written, where 0 is at `zero`, in ticks of 90 kHz.
    pub(super) fn written(&self, zero: i64) -> Option<Written> {
        let scale = self.scale?;
        let time = |ticks| rescaled(ticks, scale, Timescale::MPEG).saturating_add(zero);
        Some(Written { shown: time(self.shown?), end: time(self.end?) })
    }

    /// The samples of this stream among `samples` that are written, placed by a `shift` in ticks of 90 kHz.
    pub(super) fn cut<'a>(
        &mut self,
        samples: impl Iterator<Item = &'a Taken> + Clone,
        shift: i64,
    ) -> Vec<Cut> {
        let sense = self.sense;
        let samples = samples.filter(move |taken| taken.sense == sense);
        let Some(first) = samples.clone().next() else { return Vec::new() };
        let scale = *self.scale.get_or_insert_with(|| scale(&first.track));
        let shift = rescaled(shift, Timescale::MPEG, scale);
        let placed = |taken: &Taken| {
            let place = |ticks| rescaled(ticks, taken.track.timescale, scale).saturating_add(shift);
            let pts = place(taken.pts);
            (if sense == Sense::Video { place(taken.dts) } else { pts }, pts)
        };
        let lead = samples.clone().map(|taken| {
            let (dts, pts) = placed(taken);
            dts.saturating_sub(pts)
        });
        self.lead = self.lead.max(lead.max().unwrap_or(0));
        let mut cuts = Vec::new();
        for taken in samples {
            let (dts, pts) = placed(taken);
            let duration = rescaled(taken.duration, taken.track.timescale, scale).max(1);
            let times = (dts.saturating_sub(self.lead), pts, duration);
            let decoded = match sense {
                Sense::Video => self.picture(taken, times),
                Sense::Audio => self.sound(times),
            };
            let Some(dts) = decoded else { continue };
            self.last = Some(dts);
            self.shown = Some(self.shown.map_or(pts, |shown| shown.max(pts)));
            let end = pts.saturating_add(duration);
            self.end = Some(self.end.map_or(end, |before| before.max(end)));
            let (track, data) = (Arc::clone(&taken.track), taken.data.clone());
            cuts.push(Cut { sense, track, scale, dts, pts, duration, key: taken.entry != Entry::None, data });
        }
        cuts
    }

    /// When a picture is decoded, if it is written.
    fn picture(&mut self, taken: &Taken, (dts, pts, _): (i64, i64, i64)) -> Option<i64> {
        self.waiting |= taken.holed;
        if self.waiting {
            let behind = self.shown.is_none_or(|shown| pts > shown);
            if taken.entry == Entry::None || !behind {
                return None;
            }
            self.waiting = false;
            self.floor = match taken.entry {
                Entry::Open => pts,
                _ => self.shown.map_or(i64::MIN, |shown| shown.saturating_add(1)),
            };
        } else if taken.entry == Entry::Closed {
            self.floor = i64::MIN;
        }
        if pts < self.floor {
            return None;
        }
        let dts = self.last.map_or(dts, |last| dts.max(last.saturating_add(1)));
        self.waiting = dts > pts;
        (!self.waiting).then_some(dts)
    }

    /// When a frame of sound is decoded, if it is written: it may begin half a frame early, which is what joints of renditions differ by.
    fn sound(&mut self, (dts, _, duration): (i64, i64, i64)) -> Option<i64> {
        let fits = self.end.is_none_or(|end| dts.saturating_add(duration / 2) >= end);
        let rises = self.last.is_none_or(|last| dts > last);
        (fits && rises).then_some(dts)
    }
}

/// What times of a stream count that begins with such a track: samples of sound, so that frames are whole numbers of them.
fn scale(track: &Track) -> Timescale {
    let rate = match &track.config {
        Config::Aac(config) => config.core_rate,
        Config::Ac3(config) => config.sample_rate(),
        Config::Eac3(config) => config.sample_rate(),
        Config::Opus(config) => config.sample_rate(),
        _ => return Timescale::MPEG,
    };
    Timescale::new(rate).unwrap_or(Timescale::MPEG)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{picture, sound};
    use super::*;

    const P: Entry = Entry::None;
    const I: Entry = Entry::Closed;
    const CRA: Entry = Entry::Open;

    /// Pictures by decode time, presentation time and entry, in hundredths of a second.
    fn pictures(list: &[(i64, i64, Entry)]) -> Vec<Taken> {
        let taken =
            |(dts, pts, entry): &(i64, i64, Entry)| Taken { pts: pts * 900, ..picture(dts * 900, *entry) };
        list.iter().map(taken).collect()
    }

    /// What is written of them: presentation times.
    fn written(stream: &mut Stream, list: &[(i64, i64, Entry)]) -> Vec<i64> {
        let cuts = stream.cut(pictures(list).iter(), 0);
        assert!(cuts.iter().all(|cut| cut.dts <= cut.pts), "{cuts:?}");
        cuts.iter().map(|cut| cut.pts / 900).collect()
    }

    #[test]
    fn pictures_begin_with_one_that_needs_no_other() {
        let mut stream = Stream::new(Sense::Video);
        assert_eq!(written(&mut stream, &[(0, 0, P), (4, 4, I), (8, 8, P)]), [4, 8]);
        // Another rendition: what overlaps is left out, up to the next key picture.
        stream.interrupt();
        let overlap = [(4, 4, I), (8, 8, P), (12, 12, P), (16, 16, I), (20, 20, P)];
        assert_eq!(written(&mut stream, &overlap), [16, 20]);
        assert_eq!(written(&mut stream, &[(24, 24, P)]), [24]);
    }

    #[test]
    fn leading_pictures_of_an_open_group_are_left_out_behind_a_switch() {
        let list = [(12, 20, CRA), (16, 12, P), (20, 16, P), (24, 24, P)];
        let mut stream = Stream::new(Sense::Video);
        assert_eq!(written(&mut stream, &[(0, 0, I), (4, 4, P), (8, 8, P)]), [0, 4, 8]);
        let mut going = stream.clone();
        assert_eq!(written(&mut going, &list), [20, 12, 16, 24]);
        stream.interrupt();
        assert_eq!(written(&mut stream, &list), [20, 24]);
        // The next group is whole.
        let next = list.map(|(dts, pts, entry)| (dts + 16, pts + 16, entry));
        assert_eq!(written(&mut stream, &next), [36, 28, 32, 40]);
    }

    #[test]
    fn decode_times_rise_between_renditions_with_more_and_less_reordering() {
        let mut stream = Stream::new(Sense::Video);
        written(&mut stream, &[(0, 0, I), (4, 4, P), (8, 8, P)]);
        stream.interrupt();
        // Decoded two pictures earlier than it is presented.
        let reordered = [(4, 12, I), (8, 20, P), (12, 16, P), (16, 24, P)];
        let cuts = stream.cut(pictures(&reordered).iter(), 0);
        let times: Vec<i64> = cuts.iter().map(|cut| cut.dts).collect();
        assert_eq!(times, [7201, 7202, 10_800, 14_400]);
        assert_eq!(cuts.len(), 4);
    }

    #[test]
    fn samples_that_are_presented_before_they_are_decoded_are_decoded_earlier() {
        let mut stream = Stream::new(Sense::Video);
        let negative = [(0, 0, I), (4, 12, P), (8, 4, P), (12, 8, P)];
        let cuts = stream.cut(pictures(&negative).iter(), 90_000);
        let times: Vec<(i64, i64)> =
            cuts.iter().map(|cut| (cut.dts / 900 - 100, cut.pts / 900 - 100)).collect();
        assert_eq!(times, [(-4, 0), (0, 12), (4, 4), (8, 8)]);
    }

    #[test]
    fn behind_a_hole_pictures_wait_for_the_next_key() {
        let mut stream = Stream::new(Sense::Video);
        let mut list = pictures(&[(0, 0, I), (4, 4, P), (8, 8, P), (12, 12, I), (16, 16, P)]);
        list[1].holed = true;
        let cuts = stream.cut(list.iter(), 0);
        assert_eq!(cuts.iter().map(|cut| cut.pts / 900).collect::<Vec<_>>(), [0, 12, 16]);
    }

    #[test]
    fn sound_is_whole_frames_that_do_not_overlap() {
        let mut stream = Stream::new(Sense::Audio);
        let frames = |from: i64, count: i64| (0..count).map(|n| sound(from + n * 1024)).collect::<Vec<_>>();
        let times = |cuts: Vec<Cut>| cuts.iter().map(|cut| cut.dts).collect::<Vec<_>>();
        assert_eq!(times(stream.cut(frames(0, 2).iter(), 0)), [0, 1024]);
        // Frames of another rendition lie elsewhere: one that overlaps by more than its half is left out.
        stream.interrupt();
        assert_eq!(times(stream.cut(frames(1124, 2).iter(), 0)), [2148]);
        assert_eq!(times(stream.cut(frames(2672, 2).iter(), 0)), [2672, 3696]);
        assert_eq!(stream.written(7).map(|written| written.end), Some(7 + 4720 * 90 / 48));
        assert_eq!(times(stream.cut(frames(0, 3).iter(), 90_000)), [48_000, 49_024, 50_048]);
    }
}
