//! Live renditions fed by anybody: no more waits than may, and every playlist that a viewer could see keeps the rules and follows from the one before.

use std::time::Duration;

use bytes::Bytes;
use wireworks::proto::hls::check;
use wireworks::proto::hls::codec::{aac, avc};
use wireworks::proto::hls::live::Shared;
use wireworks::proto::hls::live::eras::Eras;
use wireworks::proto::hls::live::feed::Feed;
use wireworks::proto::hls::live::names::Name;
use wireworks::proto::hls::live::rendition::Rendition;
use wireworks::proto::hls::live::settings::{History, Settings};
use wireworks::proto::hls::live::timeline::{Micros, Timeline};
use wireworks::proto::hls::live::window::Window;
use wireworks::proto::hls::mp4::message::Message;
use wireworks::proto::hls::playlist::media::MediaPlaylist;
use wireworks::proto::hls::playlist::variables::Variables;
use wireworks::proto::hls::track::{Config, Edit, Language, Matrix, Sample, Shape, Timescale, Track};

use super::Choices;

const RUN: u64 = 7;
const NOW: Micros = 1_800_000_000_000_000;
/// Bytes that may wait.
const HELD: usize = 64 * 1024;
/// Bytes of the largest sample here.
const LARGEST: usize = 4096;

/// Decisions of an input that are looked at, each of up to 32 samples.
const DECISIONS: usize = 24;
/// Segments up to which a playlist is looked at whenever it changes; one that is longer at the end of each decision.
const SHORT: usize = 8;
/// What samples are made of.
static BYTES: [u8; LARGEST] = [0; LARGEST];
/// Ticks of 90 kHz from one picture to the next.
const STEPS: [i64; 12] =
    [3600, 0, 1, -1, 3003, -3600, 45_000, 90_000, 180_000, 240_000, -90_001, 1_000_000_000_000];
/// Microseconds that pass.
const PAUSES: [Micros; 8] = [0, 1000, 40_000, 500_000, 2_000_000, 5_000_000, 60_000_000, -3_000_000];

struct Stage {
    rendition: Rendition,
    shared: Shared,
    now: Micros,
    /// The decode times of the next picture, in 90 kHz, and of the next frame of sound, in 48 kHz.
    picture: i64,
    sound: i64,
    last: Option<MediaPlaylist>,
    /// There is another playlist than was looked at.
    changed: bool,
    failed: bool,
}

/// Checks a rendition that is fed as `input` decides; says whether there was something to play, and the feed could be served to its end.
pub(crate) fn check(input: &[u8]) -> bool {
    let mut choices = Choices(input);
    let how = choices.byte();
    let settings = Settings {
        segment: Duration::from_millis([2000, 500, 1000, 3500][usize::from(how & 3)]),
        longest: Duration::from_secs(6),
        part: (how & 4 == 0).then_some(Duration::from_millis(250)),
        history: if how & 8 == 0 { History::Sliding(Duration::from_secs(6)) } else { History::Event },
        held: HELD,
    };
    let mut stage = Stage {
        rendition: Rendition::new(RUN, settings),
        shared: Shared::new(Timeline::new(10_000_000, NOW), Eras::default()),
        now: NOW,
        picture: 126_000,
        sound: 67_200,
        last: None,
        changed: false,
        failed: false,
    };
    stage.push(Feed::Tracks(tracks(how >> 4)));
    for _ in 0..DECISIONS {
        if choices.is_empty() || stage.failed {
            break;
        }
        stage.does(&mut choices);
        stage.look(true);
    }
    let change = stage.rendition.finish(stage.now, &mut stage.shared);
    stage.changed |= change.playlist;
    stage.look(true);
    !stage.failed && stage.last.is_some_and(|last| !last.segments.is_empty())
}

fn tracks(which: u8) -> Vec<Track> {
    let track = |id, config, ticks, shape| Track {
        id,
        timescale: Timescale::new(ticks).unwrap(),
        config,
        in_band: false,
        shape,
        matrix: Matrix::UNITY,
        language: Language::UNDETERMINED,
        edit: Edit::default(),
        extensions: Bytes::new(),
    };
    let record = b"\x01\x64\x00\x1f\xff\xe1\x00\x04\x67\x64\x00\x1f\x01\x00\x02\x68\xee\xfd\xf8\xf8\x00";
    let video = Config::Avc(avc::Config::parse(record).unwrap());
    let width = if which & 4 == 0 { 640 } else { 320 };
    let video = track(1, video, 90_000, Shape::Video { width, height: 360 });
    let sound = Config::Aac(aac::Config::parse(b"\x11\x90").unwrap());
    let sound = track(2, sound, 48_000, Shape::Audio { sample_rate: 48_000, channels: 2 });
    match which & 3 {
        0 => vec![video, sound],
        1 => vec![video],
        2 => vec![sound],
        _ => vec![sound, video],
    }
}

impl Stage {
    fn does(&mut self, choices: &mut Choices<'_>) {
        let what = choices.byte();
        let many = i64::from(what >> 3);
        match what & 7 {
            // A stretch of a usual encoder, as long as it takes.
            0 | 1 => {
                for number in 0..=many {
                    self.sample(1, 3600, number == 0 || what & 7 == 1, 100 + number as usize * 7);
                    // Sound goes with the pictures, wherever they jump to.
                    let with = self.picture * 48 / 90;
                    self.sound = self.sound.clamp(with - 2048, with);
                    for _ in 0..2 {
                        self.sample(2, 1024, true, 90);
                    }
                    self.now += 40_000;
                }
            }
            // Pictures alone, and odd ones.
            2 => (0..=many).for_each(|number| self.sample(1, 3600, number % 12 == 0, 50)),
            3 => {
                let (step, key) = (choices.pick(&STEPS), choices.flag());
                let size = choices.below(256) * LARGEST / 256;
                (0..=many).for_each(|_| self.sample(1, step, key, size));
            }
            4 => {
                let step = choices.pick(&STEPS);
                (0..=many).for_each(|_| self.sample(2, step, true, 20));
            }
            5 => {
                self.now += choices.pick(&PAUSES) * (1 + many);
                self.changed |= self.rendition.idle(self.now, &mut self.shared).playlist;
            }
            6 => {
                self.changed |= self.rendition.pause(self.now, &mut self.shared).playlist;
            }
            _ if many & 1 == 0 => self.push(Feed::Discontinuity),
            _ if many & 2 == 0 => self.push(Feed::Tracks(tracks(many as u8 >> 2))),
            _ => {
                let data = Bytes::copy_from_slice(choices.take(16));
                if many & 4 == 0 {
                    return self.push(Feed::Metadata { at: self.picture, tag: data });
                }
                let message = Message { data, ..Message::id3(many as u32, Bytes::new()) };
                self.push(Feed::Message { at: self.picture, message });
            }
        }
    }

    fn sample(&mut self, track: u32, step: i64, key: bool, size: usize) {
        let at = if track == 1 { &mut self.picture } else { &mut self.sound };
        let sample = Sample { dts: *at, composition_offset: 0, duration: 0, size: size as u32, key };
        *at = at.saturating_add(step);
        self.push(Feed::Sample { track, sample, data: Bytes::from_static(&BYTES[..size]) });
    }

    fn push(&mut self, feed: Feed) {
        if self.failed {
            return;
        }
        match self.rendition.push(feed, self.now, &mut self.shared) {
            Ok(change) => {
                self.changed |= change.playlist;
                self.look(false);
            }
            Err(_) => self.failed = true,
        }
        let window = self.rendition.window().map_or(0, Window::bytes);
        let held = self.rendition.bytes() - window;
        assert!(held <= (HELD + 2 * LARGEST) as u64, "{held} bytes wait");
    }

    /// What a viewer sees now, if that is another playlist. A long one only if it has to be `now`: looking at it takes long.
    fn look(&mut self, now: bool) {
        let short = self.last.as_ref().is_none_or(|last| last.segments.len() <= SHORT);
        let Some(window) = self.rendition.window().filter(|window| self.changed && window.is_playable())
        else {
            return;
        };
        if !now && !short {
            return;
        }
        self.changed = false;
        let playlist = window.playlist();
        let text = playlist.write();
        let report = check::playlist(text.as_bytes(), Variables::default());
        assert_eq!(report.findings, [], "{text}");
        let read = report.media().unwrap().clone();
        if let Some(last) = &self.last {
            assert_eq!(check::reload(last, &read), [], "{}\n{text}", last.write());
        }
        let newest = read.segments.len().saturating_sub(SHORT);
        for segment in read.segments[newest..].iter().filter(|segment| !segment.gap) {
            let map = segment.map.as_ref().map(|map| &map.uri);
            for uri in [Some(&segment.uri), map].into_iter().flatten() {
                assert!(
                    window.resource(Name::read(uri, RUN).unwrap()).is_some(),
                    "{uri} is not there: {text}"
                );
            }
        }
        self.last = Some(read);
    }
}
