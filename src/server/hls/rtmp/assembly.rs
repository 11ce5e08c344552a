//! The FLV tags of one publisher, made into a [`Feed`].
//!
//! Tracks are told once they are known, as viewers should not see sound begin without pictures: what comes before that is held. The metadata say which
//! tracks there will be; without them, or when they promise too much, what is there after [`PATIENCE`] is all. A track that comes later, or changes,
//! has all tracks told again.

use bytes::Bytes;

use super::lane::{AUDIO, Lane, VIDEO};
use super::times::{Placed, Times};
use crate::proto::hls::codec;
use crate::proto::hls::live::feed::Feed;
use crate::proto::hls::track::{Config, Track};
use crate::proto::rtmp::amf0::Value;
use crate::proto::rtmp::flv::{Audio, AudioCodec, FlvError, Video};

/// Milliseconds of media that are held while a track is missing.
const PATIENCE: i64 = 2000;

/// Bytes that are held meanwhile, at most: two seconds at 60 Mbit/s.
const MAX_HELD: usize = 16 << 20;

/// Frames that are held meanwhile, at most: two seconds have 120 pictures and 100 frames of sound.
const MAX_HELD_FRAMES: usize = 2000;

/// Milliseconds that a track may step back; further is a jump. Encoders step back by a few when they lose their clock for a moment.
const STEP_BACK: i64 = 500;

/// What a publisher sends that cannot be a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// A tag.
    #[error(transparent)]
    Flv(#[from] FlvError),
    /// The configuration of a decoder.
    #[error(transparent)]
    Codec(#[from] codec::Error),
}

/// What was left out of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Frames of a decoder that was not configured.
    pub(super) unconfigured: u64,
    /// Frames of the timeline before a jump.
    pub(super) late: u64,
}

/// Which tracks the metadata promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Promised {
    video: bool,
    audio: bool,
}

/// Makes a feed.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    times: Times,
    video: Option<Lane>,
    audio: Option<Lane>,
    promised: Option<Promised>,
    /// The measures of pictures by the metadata.
    size: (u16, u16),
    told: bool,
    held: Vec<Feed>,
    held_bytes: usize,
    held_since: Option<i64>,
    left_out: LeftOut,
}

impl Assembly {
    /// What was left out so far.
    pub(super) fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// The tracks that are known.
    pub(super) fn tracks(&self) -> impl Iterator<Item = &Track> {
        [&self.video, &self.audio].into_iter().flatten().map(|lane| &lane.track)
    }

    /// Takes the metadata.
    pub(super) fn metadata(&mut self, entries: &[(String, Value)]) {
        let number = |name: &str| {
            let value = entries.iter().find(|(other, _)| other == name).map(|(_, value)| value);
            value.and_then(Value::as_number)
        };
        // Some send both as texts, and those that send neither promise nothing.
        let has = |name: &str| entries.iter().any(|(other, _)| other == name);
        let promised = Promised { video: has("videocodecid"), audio: has("audiocodecid") };
        if promised.video || promised.audio {
            self.promised = Some(promised);
        }
        // The cast saturates, and makes 0 of what is no number.
        let measure = |name| number(name).map_or(0, |number| number as u16);
        self.size = (measure("width"), measure("height"));
    }

    /// Takes the body of an audio tag. What it leads to is put behind `out`.
    ///
    /// # Errors
    /// It cannot be used.
    pub(super) fn audio(
        &mut self,
        timestamp: u32,
        body: &Bytes,
        out: &mut Vec<Feed>,
    ) -> Result<(), MediaError> {
        // Some encoders send tags of no bytes when they have nothing.
        if body.is_empty() {
            return Ok(());
        }
        match Audio::read(body)? {
            Audio::Config(codec, record) => {
                // These two have no record: what stands here says nothing.
                if !matches!(codec, AudioCodec::Ac3 | AudioCodec::Eac3) {
                    let lane = Lane::audio(codec, &record)?;
                    self.configure(lane, out);
                }
            }
            Audio::Frame(codec, data) if !data.is_empty() => {
                let first = match (codec, &self.audio) {
                    (AudioCodec::Ac3 | AudioCodec::Eac3, Some(lane)) => {
                        !matches!(lane.track.config, Config::Ac3(_) | Config::Eac3(_))
                    }
                    (AudioCodec::Ac3 | AudioCodec::Eac3, None) => true,
                    _ => false,
                };
                if first {
                    let lane = Lane::audio(codec, &data)?;
                    self.configure(lane, out);
                }
                self.frame(AUDIO, timestamp, 0, true, data, out);
            }
            Audio::Frame(..) | Audio::Other => {}
        }
        Ok(())
    }

    /// Takes the body of a video tag. What it leads to is put behind `out`.
    ///
    /// # Errors
    /// It cannot be used.
    pub(super) fn video(
        &mut self,
        timestamp: u32,
        body: &Bytes,
        out: &mut Vec<Feed>,
    ) -> Result<(), MediaError> {
        if body.is_empty() {
            return Ok(());
        }
        match Video::read(body)? {
            Video::Config(codec, record) => {
                let lane = Lane::video(codec, &record, self.size)?;
                self.configure(lane, out);
            }
            Video::Frame { key, composition, data, .. } if !data.is_empty() => {
                self.frame(VIDEO, timestamp, composition, key, data, out);
            }
            Video::Frame { .. } | Video::Other => {}
        }
        Ok(())
    }

    /// The stream ends: what is still held. Tracks are told if none were.
    pub(super) fn finish(&mut self, out: &mut Vec<Feed>) {
        self.tell(out);
    }

    /// Takes a configuration. Encoders repeat it, which changes nothing.
    fn configure(&mut self, mut lane: Lane, out: &mut Vec<Feed>) {
        let place = if lane.track.id == VIDEO { &mut self.video } else { &mut self.audio };
        if place.as_ref().is_some_and(|known| known.track == lane.track) {
            return;
        }
        if let Some(known) = place
            && known.track.timescale == lane.track.timescale
        {
            lane.follow(known);
        }
        *place = Some(lane);
        if self.told {
            let tracks = self.tracks().cloned().collect();
            out.push(Feed::Tracks(tracks));
        } else if self.complete() {
            self.tell(out);
        }
    }

    /// Whether all tracks are known that there will be, as far as anybody knows.
    fn complete(&self) -> bool {
        let Promised { video, audio } = self.promised.unwrap_or(Promised { video: true, audio: true });
        self.video.is_some() >= video && self.audio.is_some() >= audio
    }

    fn frame(
        &mut self,
        track: u32,
        timestamp: u32,
        composition: i32,
        key: bool,
        data: Bytes,
        out: &mut Vec<Feed>,
    ) {
        let lane = if track == VIDEO { &self.video } else { &self.audio };
        let Some(behind) = lane.as_ref().map(|lane| |at| lane.behind(at)) else {
            self.left_out.unconfigured += 1;
            return;
        };
        let (at, jumps) = match self.times.place(timestamp) {
            Placed::On(at) => (at, behind(at) > STEP_BACK),
            Placed::Jump(at) => (at, true),
            Placed::Late => {
                self.left_out.late += 1;
                return;
            }
        };
        if jumps {
            [&mut self.video, &mut self.audio].into_iter().flatten().for_each(Lane::restart);
            self.put(Feed::Discontinuity, out);
        }
        let lane = if track == VIDEO { &mut self.video } else { &mut self.audio };
        let Some(sample) = lane.as_mut().and_then(|lane| lane.sample(at, composition, key, &data)) else {
            return;
        };
        self.held_bytes += if self.told { 0 } else { data.len() };
        let since = *self.held_since.get_or_insert(at);
        self.put(Feed::Sample { track, sample, data }, out);
        // A jump back is no reason to wait longer.
        let enough = !(0..PATIENCE).contains(&(at - since))
            || self.held_bytes >= MAX_HELD
            || self.held.len() >= MAX_HELD_FRAMES;
        if !self.told && (enough || self.complete()) {
            self.tell(out);
        }
    }

    fn put(&mut self, feed: Feed, out: &mut Vec<Feed>) {
        if self.told { out.push(feed) } else { self.held.push(feed) }
    }

    /// Tells the tracks, and then what was held.
    fn tell(&mut self, out: &mut Vec<Feed>) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let tracks: Vec<_> = self.tracks().cloned().collect();
        if !tracks.is_empty() {
            out.push(Feed::Tracks(tracks));
        }
        out.append(&mut self.held);
        self.held_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::hls::track::Sample;

    /// `avcC` of x264, 320x180 at 25 frames a second.
    const AVC_C: &[u8] = b"\x01\x64\x00\x0c\xff\xe1\x00\x1a\x67\x64\x00\x0c\xac\xd9\x41\x41\x9f\x9f\x01\x10\x00\x00\x03\x00\x10\x00\x00\
        \x03\x03\x20\xf1\x42\x99\x60\x01\x00\x06\x68\xeb\xe3\xcb\x22\xc0\xfd\xf8\xf8\x00";

    #[derive(Default)]
    struct Test {
        assembly: Assembly,
        out: Vec<Feed>,
    }

    impl Test {
        /// The metadata of an encoder that has tracks of these kinds.
        fn promises(&mut self, kinds: &[&str]) {
            let entries: Vec<_> = kinds.iter().map(|kind| ((*kind).to_owned(), Value::Number(7.0))).collect();
            self.assembly.metadata(&entries);
        }

        fn video(&mut self, timestamp: u32, body: &[u8]) {
            self.assembly.video(timestamp, &Bytes::copy_from_slice(body), &mut self.out).unwrap();
        }

        fn audio(&mut self, timestamp: u32, body: &[u8]) {
            self.assembly.audio(timestamp, &Bytes::copy_from_slice(body), &mut self.out).unwrap();
        }

        fn avc(&mut self) {
            self.video(0, &[b"\x17\0\0\0\0", AVC_C].concat());
        }

        /// AAC at 44.1 kHz.
        fn aac(&mut self) {
            self.audio(0, b"\xaf\0\x12\x10");
        }

        fn picture(&mut self, timestamp: u32) {
            self.video(timestamp, b"\x27\x01\0\0\x28abcd");
        }

        fn sound(&mut self, timestamp: u32) {
            self.audio(timestamp, b"\xaf\x01abcd");
        }

        /// What came out: `T2` for two tracks, `V40` and `A1024` for samples at their times, `D`.
        fn said(&mut self) -> String {
            let name = |feed: Feed| match feed {
                Feed::Tracks(tracks) => format!("T{}", tracks.len()),
                Feed::Sample { track, sample: Sample { dts, .. }, .. } => {
                    format!("{}{dts}", if track == VIDEO { 'V' } else { 'A' })
                }
                Feed::Discontinuity => "D".to_owned(),
                Feed::Metadata { .. } | Feed::Message { .. } => "M".to_owned(),
            };
            self.out.drain(..).map(name).collect::<Vec<_>>().join(" ")
        }
    }

    #[test]
    fn tracks_are_told_when_all_are_known() {
        let mut test = Test::default();
        test.promises(&["videocodecid", "audiocodecid"]);
        test.avc();
        test.picture(0);
        assert_eq!(test.said(), "", "sound is to come");
        test.aac();
        assert_eq!(test.said(), "T2 V0");
        test.sound(0);
        test.picture(40);
        assert_eq!(test.said(), "A0 V40");
        // A configuration that is repeated changes nothing, another one has all tracks told again.
        test.avc();
        assert_eq!(test.said(), "");
        test.audio(40, b"\xaf\0\x11\x90");
        assert_eq!(test.said(), "T2");
    }

    #[test]
    fn one_track_is_enough_when_no_other_was_promised_or_comes() {
        let mut test = Test::default();
        test.promises(&["videocodecid"]);
        test.avc();
        assert_eq!(test.said(), "T1");
        let mut test = Test::default();
        test.aac();
        for timestamp in (0..PATIENCE as u32 / 100).map(|n| n * 100) {
            test.sound(timestamp);
            assert_eq!(test.said(), "");
        }
        test.sound(PATIENCE as u32);
        assert!(test.said().starts_with("T1 A0 "));
        // One that comes later is told then.
        test.avc();
        assert_eq!(test.said(), "T2");
        let mut test = Test::default();
        test.avc();
        test.picture(0);
        test.assembly.finish(&mut test.out);
        assert_eq!(test.said(), "T1 V0");
    }

    #[test]
    fn sound_is_counted_in_samples_and_keeps_its_order() {
        let mut test = Test::default();
        test.promises(&["audiocodecid"]);
        test.aac();
        // Frames of 23.22 ms, in whole milliseconds; then a pause, and a step back.
        for timestamp in [0, 23, 46, 70, 500, 490] {
            test.sound(timestamp);
        }
        assert_eq!(test.said(), "T1 A0 A1024 A2048 A3072 A22050 A22051");
    }

    #[test]
    fn jumps_are_marked_and_what_has_no_configuration_is_left_out() {
        let mut test = Test::default();
        test.picture(0);
        test.promises(&["videocodecid", "audiocodecid"]);
        test.avc();
        test.aac();
        test.picture(1000);
        test.sound(1000);
        test.picture(60_000);
        test.sound(1020);
        test.picture(60_040);
        test.picture(200_000);
        assert_eq!(test.said(), "T2 V1000 A44100 D V60000 V60040 D V200000");
        assert_eq!(test.assembly.left_out(), LeftOut { unconfigured: 1, late: 1 });
    }

    #[test]
    fn what_cannot_be_a_stream_is_named() {
        let mut test = Test::default();
        let bytes = Bytes::copy_from_slice;
        let vp6 = test.assembly.video(0, &bytes(b"\x14\0\0\0"), &mut test.out).unwrap_err();
        assert_eq!(vp6, MediaError::Flv(FlvError::Codec(4)));
        let torn = test.assembly.video(0, &bytes(b"\x17\0\0\0\0\x01\x64"), &mut test.out);
        assert!(matches!(torn, Err(MediaError::Codec(_))));
        assert_eq!(test.assembly.audio(0, &Bytes::new(), &mut test.out), Ok(()));
    }
}
