//! Feeds of all kinds, and what holds for what comes of each: playlists without a finding, in every state and from each to the next; parts that are their segments; samples that are those of the source.

mod rates;
mod trouble;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::Shared;
use super::eras::Eras;
use super::feed::Feed;
use super::names::Name;
use super::rendition::Rendition;
use super::segmenter::Unusable;
use super::settings::{History, Settings};
use super::timeline::{Micros, Timeline};
use crate::proto::hls::check;
use crate::proto::hls::codec::{aac, avc};
use crate::proto::hls::mp4::push::{Event, Push};
use crate::proto::hls::playlist::delta::Skip;
use crate::proto::hls::playlist::media::MediaPlaylist;
use crate::proto::hls::playlist::reload::Awaited;
use crate::proto::hls::playlist::variables::Variables;
use crate::proto::hls::track::{Config, Edit, Language, Matrix, Sample, Shape, Timescale, Track};

const SECOND: Micros = 1_000_000;
const NOW: Micros = 1_800_000_000 * SECOND;
const RUN: u64 = 1_800_000_000;
const AVC_C: &[u8] = b"\x01\x64\x00\x1f\xff\xe1\x00\x04\x67\x64\x00\x1f\x01\x00\x02\x68\xee\xfd\xf8\xf8\x00";

fn track(id: u32, config: Config, ticks: u32, shape: Shape) -> Track {
    Track {
        id,
        timescale: Timescale::new(ticks).unwrap(),
        config,
        in_band: false,
        shape,
        matrix: Matrix::UNITY,
        language: Language::UNDETERMINED,
        edit: Edit::default(),
        extensions: Bytes::new(),
    }
}

fn video() -> Track {
    let config = Config::Avc(avc::Config::parse(AVC_C).unwrap());
    track(256, config, 90_000, Shape::Video { width: 640, height: 360 })
}

fn sound() -> Track {
    let config = Config::Aac(aac::Config::parse(b"\x11\x90").unwrap());
    track(257, config, 48_000, Shape::Audio { sample_rate: 48_000, channels: 2 })
}

/// An encoder: what it sends, and when, in microseconds since it began.
#[derive(Clone, Copy)]
struct Encoder {
    /// Ticks of 90 kHz between pictures.
    picture: i64,
    /// Pictures between key frames.
    group: i64,
    /// Pictures that are shown in another order than sent: by how many ticks pictures are shown late.
    reorder: bool,
    has_video: bool,
    has_sound: bool,
    /// How late sound is sent, in microseconds.
    late_sound: Micros,
    /// Where its times begin, in microseconds.
    from: Micros,
}

const USUAL: Encoder = Encoder {
    picture: 3600,
    group: 50,
    reorder: true,
    has_video: true,
    has_sound: true,
    late_sound: 150_000,
    from: 1_400_000,
};

fn payload(track: u32, number: i64) -> Bytes {
    let mut data = BytesMut::new();
    data.put_u32(track);
    data.put_i64(number);
    data.put_bytes(number as u8, 40 + (number % 7) as usize * 31);
    data.freeze()
}

impl Encoder {
    fn tracks(&self) -> Vec<Track> {
        let video = self.has_video.then(video);
        video.into_iter().chain(self.has_sound.then(sound)).collect()
    }

    /// Everything of the first `length` microseconds, in the order of sending.
    fn feed(&self, length: Micros) -> Vec<(Micros, Feed)> {
        let mut all = Vec::new();
        for number in (0..).take_while(|number| self.has_video && number * self.picture < length * 9 / 100) {
            let at = number * self.picture;
            let shown = match (self.reorder, number % self.group % 3) {
                (false, _) => 0,
                (true, 0) => 2 * self.picture,
                (true, 1) => 2 * self.picture,
                (true, _) => self.picture,
            };
            let sample = Sample {
                dts: at + self.from * 9 / 100,
                composition_offset: shown as i32,
                duration: 0,
                size: 0,
                key: number % self.group == 0,
            };
            let feed = Feed::Sample { track: 256, sample, data: payload(256, number) };
            all.push((at * 100 / 9, feed));
        }
        for number in (0..).take_while(|number| self.has_sound && number * 1024 < length * 48 / 1000) {
            let at = number * 1024 * 1000 / 48;
            let dts = number * 1024 + (self.from + 2 * self.picture * 100 / 9) * 48 / 1000;
            let sample = Sample { dts, composition_offset: 0, duration: 0, size: 0, key: true };
            let feed = Feed::Sample { track: 257, sample, data: payload(257, number) };
            all.push((at + self.late_sound, feed));
        }
        all.sort_by_key(|(at, _)| *at);
        all
    }
}

/// A rendition, and all that it has told.
struct Stage {
    shared: Shared,
    rendition: Rendition,
    last: Option<MediaPlaylist>,
    /// Segments and their parts, by their names, with the initialization section of each.
    segments: BTreeMap<u64, (Bytes, Bytes)>,
    versions: usize,
}

impl Stage {
    fn new(settings: Settings) -> Self {
        Self {
            shared: Shared::new(Timeline::new(10 * SECOND, NOW), Eras::default()),
            rendition: Rendition::new(RUN, settings),
            last: None,
            segments: BTreeMap::new(),
            versions: 0,
        }
    }

    fn push(&mut self, at: Micros, feed: Feed) -> Result<(), Unusable> {
        let change = self.rendition.push(feed, NOW + at, &mut self.shared)?;
        self.look(change.playlist);
        Ok(())
    }

    fn run(&mut self, encoder: &Encoder, from: Micros, length: Micros) {
        self.push(from, Feed::Tracks(encoder.tracks())).unwrap();
        for (at, feed) in encoder.feed(length) {
            self.push(from + at, feed).unwrap();
        }
    }

    fn idle(&mut self, at: Micros) {
        let change = self.rendition.idle(NOW + at, &mut self.shared);
        self.look(change.playlist);
    }

    fn pause(&mut self, at: Micros) {
        let change = self.rendition.pause(NOW + at, &mut self.shared);
        self.look(change.playlist);
    }

    fn finish(&mut self, at: Micros) {
        let change = self.rendition.finish(NOW + at, &mut self.shared);
        self.look(change.playlist);
    }

    /// Checks what a viewer sees now.
    fn look(&mut self, changed: bool) {
        let Some(window) = self.rendition.window() else { return };
        let playlist = window.playlist();
        if !changed {
            return;
        }
        self.versions += 1;
        let text = playlist.write();
        let report = check::playlist(text.as_bytes(), Variables::default());
        assert_eq!(report.findings, [], "{text}");
        let read = report.media().unwrap().clone();
        if let Some(last) = &self.last {
            assert_eq!(check::reload(last, &read), [], "{}\n{text}", last.write());
            // A client that has the last version can go on by a delta update.
            if let Some(delta) = playlist.delta(Skip::Segments, &[]) {
                let delta = delta.write();
                assert_eq!(check::playlist(delta.as_bytes(), Variables::default()).findings, [], "{delta}");
                let merged = last.update(delta.as_bytes(), Variables::default()).unwrap();
                assert_eq!(merged.segments.len(), read.segments.len());
                assert_eq!(merged.next_msn(), read.next_msn());
            }
        }
        // All that is told is there, and parts are their segment. The oldest segments and the newest are looked at each time.
        let first = read.media_sequence;
        let whole = (first..).zip(&read.segments).filter(|(_, segment)| !segment.gap);
        let (oldest, newest) = (first + 1, read.next_msn().saturating_sub(2));
        for (msn, segment) in whole.filter(|(msn, _)| *msn < oldest || *msn >= newest || read.ended) {
            let bytes = |uri: &str| window.resource(Name::read(uri, RUN).unwrap()).unwrap();
            let whole = bytes(&segment.uri);
            if !segment.parts.is_empty() {
                let parts: Vec<Bytes> = segment.parts.iter().map(|part| bytes(&part.uri)).collect();
                assert_eq!(parts.concat(), whole);
            }
            let init = bytes(&segment.map.as_ref().unwrap().uri);
            let known = self.segments.entry(msn).or_insert_with(|| (init.clone(), whole.clone()));
            assert_eq!(*known, (init, whole), "segment {msn} is another one now");
        }
        if let Some(open) = &read.unfinished {
            for part in &open.parts {
                assert!(window.resource(Name::read(&part.uri, RUN).unwrap()).is_some());
            }
            let hint = Name::read(&read.preload_hints[0].uri, RUN).unwrap();
            assert_eq!(hint, Name::Part(read.next_msn(), open.parts.len() as u64));
            assert_eq!(window.resource(hint), None);
        }
        let (msn, part) = window.last().unwrap();
        assert!(window.tail().has(Awaited { msn, part }) && read.has(Awaited { msn, part }));
        let next = Awaited { msn, part: part.map(|part| part + 1) };
        assert_eq!(window.tail().has(next), read.has(next));
        self.last = Some(read);
    }

    fn playlist(&self) -> &MediaPlaylist {
        self.last.as_ref().unwrap()
    }

    /// Samples of all segments that were seen: track, decode time, presentation time, bytes.
    fn samples(&self) -> Vec<(u32, i64, i64, Bytes)> {
        let mut push = Push::default();
        let mut before = None;
        let mut all = Vec::new();
        for (init, segment) in self.segments.values() {
            if before.replace(init.clone()) != Some(init.clone()) {
                push = Push::default();
                push.push(init);
            }
            push.push(segment);
            while let Some(event) = push.event().unwrap() {
                if let Event::Sample { track, located, bytes } = event {
                    all.push((track, located.sample.dts, located.sample.pts(), bytes));
                }
            }
            push.end().unwrap();
        }
        all
    }
}

/// Numbers of the samples of a track, as the source counted.
fn numbers(samples: &[(u32, i64, i64, Bytes)], track: u32) -> Vec<i64> {
    let of = |bytes: &Bytes| i64::from_be_bytes(bytes[4..12].try_into().unwrap());
    samples.iter().filter(|sample| sample.0 == track).map(|sample| of(&sample.3)).collect()
}

fn long() -> Settings {
    Settings { history: History::Event, ..Settings::default() }
}

#[test]
fn a_usual_feed() {
    let mut stage = Stage::new(long());
    stage.run(&USUAL, 0, 30 * SECOND);
    stage.finish(30 * SECOND);
    let playlist = stage.playlist();
    assert_eq!((playlist.target_duration, playlist.part_target), (2, Some(Duration::from_millis(282))));
    assert!(playlist.ended && stage.rendition.window().unwrap().independent());
    assert_eq!(playlist.segments.len(), 15);
    assert!(playlist.segments.iter().all(|segment| segment.duration == Duration::from_secs(2)));
    assert_eq!(playlist.segments.iter().filter(|segment| segment.discontinuity).count(), 0);
    // Six pictures a part, and two at the end of each segment.
    let parts: Vec<u128> = playlist.segments[14].parts.iter().map(|part| part.duration.as_millis()).collect();
    assert_eq!(parts, [240, 240, 240, 240, 240, 240, 240, 240, 80]);
    assert!(stage.versions > 100);
    // Every picture is there once, in order, at its time.
    let samples = stage.samples();
    assert_eq!(numbers(&samples, 1), (0..750).collect::<Vec<_>>());
    let heard = numbers(&samples, 2);
    assert_eq!(heard, (0..heard.len() as i64).collect::<Vec<_>>());
    assert!(heard.len() > 1390, "{}", heard.len());
    let first = |track| samples.iter().find(|sample| sample.0 == track).map(|sample| sample.2).unwrap();
    let apart = Timescale::MPEG.seconds(first(1)) - Timescale::new(48_000).unwrap().seconds(first(2));
    assert!(apart.abs() < 0.001, "{apart}");
    let about = stage.rendition.about();
    assert_eq!(about.codecs, "avc1.64001f,mp4a.40.2");
    assert_eq!((about.size, about.frame_rate), (Some((640, 360)), Some(25.0)));
    let (peak, average) = stage.rendition.rates();
    let sizes: Vec<u64> = stage.segments.values().map(|(_, bytes)| bytes.len() as u64).collect();
    let measured = playlist.rates(&sizes).unwrap();
    assert!(peak >= measured.peak && average == measured.average, "{peak} {average} {measured:?}");
}

#[test]
fn encoders_of_all_kinds() {
    let kinds = [
        Encoder { group: 250, ..USUAL },
        Encoder { group: 48, ..USUAL },
        Encoder { group: 12, ..USUAL },
        Encoder { group: 1, reorder: false, ..USUAL },
        Encoder { group: 400, ..USUAL },
        Encoder { picture: 3003, group: 60, ..USUAL },
        Encoder { picture: 1500, group: 90, reorder: false, ..USUAL },
        Encoder { picture: 18_000, group: 10, ..USUAL },
        Encoder { picture: 180_000, group: 1, reorder: false, ..USUAL },
        Encoder { has_sound: false, ..USUAL },
        Encoder { has_video: false, ..USUAL },
        Encoder { late_sound: 2 * SECOND, ..USUAL },
        Encoder { late_sound: -700_000, ..USUAL },
        Encoder { from: (1 << 33) * 100 / 9, ..USUAL },
        Encoder { from: 0, ..USUAL },
    ];
    for (index, encoder) in kinds.iter().enumerate() {
        // The whole of it, or a window.
        let history = if index % 2 == 0 { History::Event } else { History::Sliding(Duration::from_secs(12)) };
        {
            let mut stage = Stage::new(Settings { history, ..Settings::default() });
            stage.run(encoder, 0, 40 * SECOND);
            stage.finish(40 * SECOND);
            let samples = stage.samples();
            let pictures = if encoder.has_video { 40 * 90_000 / encoder.picture } else { 1875 };
            let seen = numbers(&samples, if encoder.has_video { 1 } else { 2 });
            let expected: Vec<i64> = (0..seen.len() as i64).collect();
            assert_eq!(seen, expected, "encoder {index}");
            assert!(seen.len() as i64 >= pictures, "encoder {index}: {} of {pictures}", seen.len());
            let playlist = stage.playlist();
            assert!(playlist.segments.iter().all(|segment| !segment.gap && !segment.discontinuity));
            // Only key frames too far apart make segments that cannot be decoded by themselves.
            // Of which the playlist says nothing: it may not take back what it says.
            let independent = stage.rendition.window().unwrap().independent();
            assert_eq!(
                (independent, playlist.independent_segments),
                (encoder.group != 400, false),
                "encoder {index}"
            );
            if let History::Sliding(length) = history {
                let has = playlist.duration();
                assert!(has >= length && has < length * 3, "encoder {index}: {has:?}");
                assert!(playlist.media_sequence > 0);
            }
        }
    }
}

#[test]
fn without_parts() {
    let mut stage = Stage::new(Settings { part: None, ..long() });
    stage.run(&USUAL, 0, 20 * SECOND);
    stage.finish(20 * SECOND);
    let playlist = stage.playlist();
    assert_eq!(playlist.segments.len(), 10);
    assert!(playlist.segments.iter().all(|segment| segment.parts.is_empty()));
    assert!(playlist.part_target.is_none() && playlist.preload_hints.is_empty());
    assert_eq!(numbers(&stage.samples(), 1), (0..500).collect::<Vec<_>>());
}

#[test]
fn a_feed_that_drops_and_comes_back() {
    let mut stage = Stage::new(long());
    stage.run(&USUAL, 0, 9 * SECOND + 300_000);
    stage.pause(9 * SECOND + 400_000);
    // Nothing comes for eleven seconds.
    for at in 0..44 {
        stage.idle(9 * SECOND + 500_000 + at * SECOND / 4);
    }
    let gaps = stage.playlist().segments.iter().filter(|segment| segment.gap).count();
    assert!((4..=6).contains(&gaps), "{gaps}");
    // The encoder starts over, with its times too.
    stage.run(&USUAL, 20 * SECOND + 500_000, 8 * SECOND);
    stage.finish(29 * SECOND);
    let playlist = stage.playlist();
    let behind: Vec<bool> = playlist.segments.iter().map(|segment| segment.discontinuity).collect();
    let first = behind.iter().position(|marked| *marked).unwrap();
    assert!(playlist.segments[first - 1].gap && !playlist.segments[first].gap);
    assert_eq!(behind.iter().filter(|marked| **marked).count(), 1);
    // What comes back has the date at which it came.
    let date = playlist.segments[first].program_date_time.unwrap().timestamp_micros();
    assert!((date - NOW - 20_500_000).abs() < SECOND, "{}", date - NOW);
    let samples = stage.samples();
    assert_eq!(numbers(&samples, 1).len(), 233 + 200);
    // Times do not go back.
    let shown: Vec<i64> = samples.iter().filter(|sample| sample.0 == 1).map(|sample| sample.1).collect();
    assert!(shown.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_feed_that_comes_back_at_once_or_with_other_tracks() {
    let mut stage = Stage::new(long());
    stage.run(&USUAL, 0, 5 * SECOND);
    stage.pause(5 * SECOND);
    stage.run(&USUAL, 5 * SECOND + 200_000, 5 * SECOND);
    // Within the feed sound is given up, and times jump.
    stage.run(&Encoder { has_sound: false, from: 500 * SECOND, ..USUAL }, 10 * SECOND + 500_000, 5 * SECOND);
    stage.finish(16 * SECOND);
    let playlist = stage.playlist();
    let marked = playlist.segments.iter().filter(|segment| segment.discontinuity).count();
    assert_eq!((marked, playlist.segments.iter().any(|segment| segment.gap)), (2, false));
    let mut maps: Vec<&str> =
        playlist.segments.iter().map(|segment| segment.map.as_ref().unwrap().uri.as_str()).collect();
    maps.dedup();
    assert_eq!(maps, ["init-1800000000-0.mp4", "init-1800000000-1.mp4"]);
    assert_eq!(numbers(&stage.samples(), 1).len(), 375);
}

#[test]
fn a_publisher_that_stalls() {
    let mut stage = Stage::new(long());
    let mut stalled = 0;
    stage.push(0, Feed::Tracks(USUAL.tracks())).unwrap();
    for (at, feed) in USUAL.feed(20 * SECOND) {
        // Its connection is stopped for seven seconds, and goes on with what was in it.
        if at > 8 * SECOND && stalled == 0 {
            for quarter in 0..28 {
                stage.idle(at + quarter * SECOND / 4);
            }
            stalled = 7 * SECOND;
        }
        stage.push(at + stalled, feed).unwrap();
    }
    stage.finish(27 * SECOND);
    let gaps = stage.playlist().segments.iter().filter(|segment| segment.gap).count();
    assert!((2..=4).contains(&gaps), "{gaps}");
    assert_eq!(stage.playlist().segments.iter().filter(|segment| segment.discontinuity).count(), 1);
}

#[test]
fn a_window_slides_and_what_left_it_can_still_be_had_for_a_while() {
    let mut stage = Stage::new(Settings { history: History::Sliding(Duration::from_secs(12)), ..long() });
    stage.run(&USUAL, 0, 60 * SECOND);
    let window = stage.rendition.window_mut().unwrap();
    let first = window.playlist().media_sequence;
    assert!(first > 15);
    let there = |window: &super::window::Window, msn| window.resource(Name::Segment(msn)).is_some();
    // Twelve seconds of playlist, and the segment itself.
    assert!(there(window, first) && there(window, first - 1) && there(window, first - 7));
    assert!(window.resource(Name::Part(first - 7, 0)).is_some());
    assert!(!there(window, first - 9) && !there(window, first + 7));
    window.sweep(NOW + 200 * SECOND);
    assert!(there(window, first) && !there(window, first - 1));
    // Memory is given back down to three target durations, and no further.
    assert!(window.shrink(window.bytes(), NOW));
    assert!(!window.shrink(0, NOW));
    assert_eq!(window.playlist().segments.len(), 3);
    let text = window.playlist().write();
    assert_eq!(check::playlist(text.as_bytes(), Variables::default()).findings, []);
}

#[test]
fn feeds_that_cannot_be_served() {
    let mut stage = Stage::new(Settings::default());
    assert_eq!(stage.push(0, Feed::Tracks(Vec::new())), Err(Unusable::NoTracks));
    // Samples of nothing are left out.
    let (_, stray) = USUAL.feed(SECOND).remove(0);
    assert_eq!(stage.push(0, stray), Ok(()));
    // No key frame.
    let mut stage = Stage::new(Settings::default());
    stage.push(0, Feed::Tracks(USUAL.tracks())).unwrap();
    let mut ended = None;
    for (at, feed) in USUAL.feed(60 * SECOND) {
        let feed = match feed {
            Feed::Sample { track: 256, mut sample, data } => {
                sample.key = false;
                Feed::Sample { track: 256, sample, data }
            }
            other => other,
        };
        if let Err(error) = stage.push(at, feed) {
            ended = Some((at / SECOND, error));
            break;
        }
    }
    assert_eq!(ended, Some((30, Unusable::NoKey(30))));
    // More than may be held.
    let mut stage = Stage::new(Settings { held: 1000, ..Settings::default() });
    stage.push(0, Feed::Tracks(USUAL.tracks())).unwrap();
    let refused = USUAL.feed(SECOND).into_iter().find_map(|(at, feed)| stage.push(at, feed).err());
    assert_eq!(refused, Some(Unusable::TooMuch(1000)));
}

#[test]
fn feeds_that_tremble_lose_jump_and_stop() {
    for seed in 0..15 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let history = match seed % 3 {
            0 => History::Event,
            _ => History::Sliding(Duration::from_secs(10 + dice.u64(..30))),
        };
        let part = (seed % 5 != 4).then(|| Duration::from_millis(100 + dice.u64(..900)));
        let mut stage = Stage::new(Settings { history, part, ..Settings::default() });
        let mut at = 0;
        for _ in 0..4 {
            let encoder = Encoder {
                group: 1 + dice.u64(..120) as i64,
                reorder: dice.u64(..2) == 0,
                has_sound: dice.u64(..4) > 0,
                late_sound: dice.u64(..600_000) as i64,
                from: dice.u64(..1 << 30) as i64,
                ..USUAL
            };
            let length = dice.u64(..12) as i64 * SECOND;
            stage.push(at, Feed::Tracks(encoder.tracks())).unwrap();
            for (sent, feed) in encoder.feed(length) {
                let feed = match feed {
                    Feed::Sample { track, mut sample, data } => match dice.u64(..400) {
                        0 => continue,
                        1 => Feed::Discontinuity,
                        2 => {
                            sample.dts -= dice.u64(..1 << 40) as i64;
                            Feed::Sample { track, sample, data }
                        }
                        3 => Feed::Metadata { at: sample.pts(), tag: Bytes::from_static(b"ID3") },
                        _ => {
                            // Times of a source that counts thousandths.
                            sample.dts += dice.u64(..90) as i64;
                            Feed::Sample { track, sample, data }
                        }
                    },
                    other => other,
                };
                stage.push(at + sent, feed).unwrap();
            }
            at += length;
            match dice.u64(..3) {
                0 => {}
                1 => stage.pause(at),
                _ => {
                    for _ in 0..dice.u64(..60) {
                        at += SECOND / 4;
                        stage.idle(at);
                    }
                }
            }
        }
        stage.finish(at);
        if stage.last.is_some() {
            assert!(stage.playlist().ended, "seed {seed}");
            stage.samples();
        }
    }
}

#[test]
fn renditions_of_one_encoder_are_cut_alike() {
    let mut first = Stage::new(long());
    let mut second = Rendition::new(RUN, long());
    let small = Encoder { picture: 3600, ..USUAL };
    first.push(0, Feed::Tracks(USUAL.tracks())).unwrap();
    second.push(Feed::Tracks(small.tracks()), NOW, &mut first.shared).unwrap();
    // The second connection is there three seconds after the first.
    for (at, feed) in USUAL.feed(40 * SECOND) {
        first.push(at, feed.clone()).unwrap();
        if at > 3 * SECOND {
            second.push(feed, NOW + at, &mut first.shared).unwrap();
        }
    }
    let (one, two) = (first.playlist().clone(), second.window().unwrap().playlist());
    let begins = |playlist: &MediaPlaylist| -> Vec<_> {
        playlist.segments.iter().map(|segment| segment.program_date_time.unwrap()).collect()
    };
    let (one, two) = (begins(&one), begins(&two));
    assert!(two.len() >= 16 && two.iter().all(|date| one.contains(date)), "{one:?} {two:?}");
}
