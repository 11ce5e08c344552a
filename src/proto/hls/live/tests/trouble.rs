//! Feeds that break, are torn off, change, or are made to take memory.

use super::*;
use crate::proto::hls::live::eras::Eras;
use crate::proto::hls::live::segmenter::{MAX_INIT, MAX_SAMPLES};

fn sliding(seconds: u64) -> Settings {
    Settings { history: History::Sliding(Duration::from_secs(seconds)), ..Settings::default() }
}

/// A picture of its own size, so that no two of these tracks are alike.
fn picture(number: u16) -> Vec<Track> {
    vec![Track { shape: Shape::Video { width: 640 + number, height: 360 }, ..video() }]
}

#[test]
fn gaps_are_told_when_there_is_nothing_else_left() {
    let mut stage = Stage::new(sliding(6));
    stage.run(&USUAL, 0, 8 * SECOND);
    stage.pause(8 * SECOND);
    for quarter in 0..160 {
        stage.idle(8 * SECOND + quarter * SECOND / 4);
    }
    let playlist = stage.playlist();
    assert!(playlist.segments.iter().all(|segment| segment.gap) && playlist.media_sequence > 15);
    let window = stage.rendition.window().unwrap();
    assert!(window.is_playable());
    stage.finish(50 * SECOND);
    assert!(stage.playlist().ended);
}

#[test]
fn a_piece_of_the_first_segment_tells_nothing() {
    let slow = Encoder { group: 100, ..USUAL };
    for jump in [false, true] {
        let mut stage = Stage::new(long());
        stage.run(&slow, 0, SECOND);
        if jump {
            stage.push(SECOND, Feed::Discontinuity).unwrap();
        } else {
            stage.pause(SECOND);
        }
        assert!(stage.rendition.window().is_none() && stage.shared.targets.is_none());
        stage.run(&Encoder { from: 100 * SECOND, ..slow }, 2 * SECOND, 20 * SECOND);
        stage.finish(22 * SECOND);
        let playlist = stage.playlist();
        assert_eq!((playlist.target_duration, playlist.segments.len()), (4, 5));
        assert!(!playlist.segments[0].discontinuity && stage.rendition.window().unwrap().independent());
    }
    // What is all that there ever is can be seen.
    let mut stage = Stage::new(long());
    stage.run(&slow, 0, SECOND);
    stage.finish(SECOND);
    assert_eq!(stage.playlist().segments.len(), 1);
}

#[test]
fn samples_that_take_no_time_and_no_bytes_take_no_memory() {
    for (bytes, ticks) in [(0, u32::MAX), (1, u32::MAX), (1, 90_000)] {
        for known in [false, true] {
            let mut stage = Stage::new(Settings::default());
            let scale = Timescale::new(ticks).unwrap();
            stage.push(0, Feed::Tracks(vec![Track { timescale: scale, ..video() }])).unwrap();
            let sample = Sample { dts: 0, composition_offset: 0, duration: 0, size: 0, key: true };
            if known {
                for second in 0..5 {
                    let sample = Sample { dts: second * i64::from(ticks), ..sample };
                    let data = Bytes::from_static(b"picture");
                    stage.push(second * SECOND, Feed::Sample { track: 256, sample, data }).unwrap();
                }
                assert!(stage.rendition.window().is_some());
            }
            let from = if known { 5 * i64::from(ticks) } else { 0 };
            let data = Bytes::from(vec![0; bytes]);
            let mut refused = None;
            for _ in 0..1 << 20 {
                let sample = Sample { dts: from, ..sample };
                let feed = Feed::Sample { track: 256, sample, data: data.clone() };
                if let Err(error) = stage.push(5 * SECOND, feed) {
                    refused = Some(error);
                    break;
                }
            }
            let expected = if bytes == 0 || known && ticks == 90_000 {
                refused
            } else {
                Some(Unusable::TooMany(MAX_SAMPLES))
            };
            assert_eq!(refused, expected, "{bytes} {ticks} {known}");
            assert!(stage.rendition.bytes() < 8 << 20, "{}", stage.rendition.bytes());
        }
    }
}

#[test]
fn what_breaks_in_one_rendition_breaks_in_all() {
    let mut first = Stage::new(long());
    let mut second = Rendition::new(RUN, long());
    let mut third = Rendition::new(RUN, long());
    let tracks = || Feed::Tracks(USUAL.tracks());
    first.push(0, tracks()).unwrap();
    second.push(tracks(), NOW, &mut first.shared).unwrap();
    for (at, feed) in USUAL.feed(60 * SECOND) {
        first.push(at, feed.clone()).unwrap();
        // The second one is away for a moment, and for a while.
        let away = (10 * SECOND..11 * SECOND).contains(&at) || (20 * SECOND..33 * SECOND).contains(&at);
        if away {
            if second.ahead(NOW + at, &first.shared) > -SECOND / 2 {
                second.pause(NOW + at, &mut first.shared);
            }
            second.idle(NOW + at, &mut first.shared);
        } else {
            second.push(feed.clone(), NOW + at, &mut first.shared).unwrap();
        }
        // The third one comes late.
        if at > 40 * SECOND {
            if third.window().is_none() {
                third.push(tracks(), NOW + at, &mut first.shared).unwrap();
            }
            third.push(feed, NOW + at, &mut first.shared).unwrap();
        }
    }
    first.finish(60 * SECOND);
    second.finish(NOW + 60 * SECOND, &mut first.shared);
    third.finish(NOW + 60 * SECOND, &mut first.shared);
    let numbers = |playlist: &MediaPlaylist| {
        let mut number = playlist.discontinuity_sequence;
        let each = |segment: &crate::proto::hls::playlist::media::Segment| {
            number += u64::from(segment.discontinuity);
            (segment.program_date_time.unwrap(), number)
        };
        playlist.segments.iter().map(each).collect::<BTreeMap<_, _>>()
    };
    let playlists =
        [first.playlist().clone(), second.window().unwrap().playlist(), third.window().unwrap().playlist()];
    let [one, two, three] = playlists.each_ref().map(numbers);
    assert_eq!(playlists[0].discontinuity_sequence + 2, *one.values().last().unwrap());
    assert_eq!((three.values().next(), three.values().last()), (Some(&2), Some(&2)));
    assert!(playlists[2].segments.iter().all(|segment| !segment.discontinuity));
    // What begins at the same time has the same number.
    for other in [two, three] {
        let shared: Vec<_> = other.iter().filter_map(|(at, number)| Some((*number, *one.get(at)?))).collect();
        assert!(shared.len() >= 8 && shared.iter().all(|(a, b)| a == b), "{shared:?}");
        assert_eq!(other.values().last(), one.values().last());
    }
}

#[test]
fn a_later_run_goes_on_counting() {
    let mut stage = Stage::new(long());
    stage.shared.eras = Eras::behind(5);
    stage.rendition = Rendition::behind(RUN, long(), 17);
    stage.run(&USUAL, 0, 10 * SECOND);
    let playlist = stage.playlist();
    assert_eq!((playlist.media_sequence, playlist.discontinuity_sequence), (17, 4));
    let marked: Vec<bool> = playlist.segments.iter().map(|segment| segment.discontinuity).collect();
    assert!(marked[0] && !marked[1..].contains(&true));
    // One that was not there before has the number of the others, and nothing that it would not continue.
    let mut other = Rendition::new(RUN, long());
    other.push(Feed::Tracks(USUAL.tracks()), NOW, &mut stage.shared).unwrap();
    for (at, feed) in USUAL.feed(10 * SECOND) {
        other.push(feed, NOW + at, &mut stage.shared).unwrap();
    }
    let playlist = other.window().unwrap().playlist();
    assert_eq!((playlist.media_sequence, playlist.discontinuity_sequence), (0, 5));
    assert!(!playlist.segments[0].discontinuity);
}

#[test]
fn a_later_run_is_shown_when_it_is_as_long_as_a_window_must_be() {
    let mut shown = None;
    let mut stage = Stage::new(sliding(6));
    stage.shared.eras = Eras::behind(1);
    stage.rendition = Rendition::behind(RUN, sliding(6), 17);
    stage.push(0, Feed::Tracks(USUAL.tracks())).unwrap();
    for (at, feed) in USUAL.feed(10 * SECOND) {
        stage.rendition.push(feed, NOW + at, &mut stage.shared).unwrap();
        if let Some(window) = stage.rendition.window().filter(|window| window.is_playable()) {
            shown.get_or_insert_with(|| window.playlist().segments.len());
        }
    }
    assert_eq!(shown, Some(3));
    // What ends before is shown as it is.
    let mut stage = Stage::new(sliding(6));
    stage.rendition = Rendition::behind(RUN, sliding(6), 17);
    stage.push(0, Feed::Tracks(USUAL.tracks())).unwrap();
    for (at, feed) in USUAL.feed(3 * SECOND) {
        stage.rendition.push(feed, NOW + at, &mut stage.shared).unwrap();
    }
    assert!(!stage.rendition.window().unwrap().is_playable());
    stage.finish(3 * SECOND);
    assert!(stage.rendition.window().unwrap().is_playable());
}

#[test]
fn initialization_sections_are_there_for_as_long_as_a_segment_needs_them() {
    for settings in [long(), sliding(6)] {
        let mut stage = Stage::new(settings);
        for number in 0..100 {
            // The first one is there for long enough to tell how long segments are.
            let length = if number == 0 { 5 * SECOND } else { SECOND };
            let at = if number == 0 { 0 } else { i64::from(number + 4) * SECOND };
            stage.push(at, Feed::Tracks(picture(number))).unwrap();
            let encoder = Encoder { has_sound: false, from: at + SECOND, ..USUAL };
            for (sent, feed) in encoder.feed(length) {
                stage.push(at + sent, feed).unwrap();
            }
        }
        stage.finish(104 * SECOND);
        let window = stage.rendition.window().unwrap();
        let playlist = window.playlist();
        for segment in &playlist.segments {
            let uri = &segment.map.as_ref().unwrap().uri;
            assert!(window.resource(Name::read(uri, RUN).unwrap()).is_some(), "{uri}");
        }
        let first = window.resource(Name::Init(0)).is_some();
        assert_eq!(first, settings.history == History::Event);
    }
}

#[test]
fn codecs_are_those_of_all_segments_that_are_there() {
    let mut stage = Stage::new(sliding(6));
    stage.run(&Encoder { has_sound: false, ..USUAL }, 0, 10 * SECOND);
    assert_eq!(stage.rendition.about().codecs, "avc1.64001f");
    let other = Encoder { has_video: false, from: 50 * SECOND, ..USUAL };
    stage.run(&other, 10 * SECOND, 5 * SECOND);
    assert_eq!(stage.rendition.about().codecs, "mp4a.40.2,avc1.64001f");
    stage.run(&Encoder { from: 100 * SECOND, ..other }, 15 * SECOND, 45 * SECOND);
    assert_eq!(stage.rendition.about().codecs, "mp4a.40.2");
}

#[test]
fn tracks_that_say_too_much_of_themselves_are_refused() {
    let mut stage = Stage::new(Settings::default());
    let mut tracks = picture(0);
    tracks[0].extensions = Bytes::from(vec![0; MAX_INIT]);
    stage.push(0, Feed::Tracks(tracks)).unwrap();
    let feed = Encoder { has_sound: false, ..USUAL }.feed(10 * SECOND);
    let refused = feed.into_iter().find_map(|(at, feed)| stage.push(at, feed).err());
    assert_eq!(refused, Some(Unusable::Init(MAX_INIT)));
}

/// Pictures at these times in milliseconds, every one of them a key frame or none but the first.
fn pictures(stage: &mut Stage, keys: bool, times: &[i64]) {
    stage.push(0, Feed::Tracks(vec![video()])).unwrap();
    for (index, at) in times.iter().enumerate() {
        let sample =
            Sample { dts: at * 90, composition_offset: 0, duration: 0, size: 0, key: keys || index == 0 };
        stage.push(at * 1000, Feed::Sample { track: 256, sample, data: payload(256, index as i64) }).unwrap();
    }
}

#[test]
fn dates_go_with_durations_where_pictures_stand_for_long() {
    let usual = |from: i64, to: i64| (from..to).step_by(40);
    let with = |holes: &[(i64, i64)]| -> Vec<i64> {
        let mut times = Vec::new();
        let mut at = 0;
        for (until, hole) in holes {
            times.extend(usual(at, *until));
            at = until + hole;
        }
        times.extend(usual(at, 12_000));
        times
    };
    for part in [None, Some(Duration::from_millis(250))] {
        // Where pictures stand and for how much longer than usual, and how often that is a discontinuity.
        for (holes, parts, whole) in [
            (&[][..], 0, 0),
            (&[(5000, 300)], 0, 0),
            (&[(5000, 900)], 1, 0),
            (&[(4400, 300), (4900, 300), (5400, 300)], 0, 0),
            (&[(5000, 700), (6000, 200), (6500, 800)], 2, 0),
            // Longer than a second: the times are taken for others, and pictures are left out until a key frame comes.
            (&[(5000, 3000)], 1, 1),
        ] {
            for keys in [true, false] {
                let mut stage = Stage::new(Settings { part, ..long() });
                // `look` finds nothing wrong with dates and durations.
                pictures(&mut stage, keys || holes.contains(&(5000, 3000)), &with(holes));
                stage.finish(12 * SECOND);
                let playlist = stage.playlist();
                let marked = playlist.segments.iter().filter(|segment| segment.discontinuity).count();
                assert_eq!(marked, if part.is_some() { parts } else { whole }, "{part:?} {holes:?} {keys}");
            }
        }
    }
}

#[test]
fn a_first_picture_that_stands_for_longer_than_a_segment_may() {
    for part in [None, Some(Duration::from_millis(250))] {
        let mut stage = Stage::new(Settings { part, longest: Duration::from_secs(3), ..long() });
        stage.push(0, Feed::Tracks(vec![video()])).unwrap();
        // The source says how long it is.
        for (index, (at, duration)) in [(0, 8000), (8000, 40), (8040, 40), (8080, 40)].into_iter().enumerate()
        {
            let sample =
                Sample { dts: at * 90, composition_offset: 0, duration: duration * 90, size: 0, key: true };
            let feed = Feed::Sample { track: 256, sample, data: payload(256, index as i64) };
            stage.push(at * 1000, feed).unwrap();
        }
        stage.finish(9 * SECOND);
        let playlist = stage.playlist();
        assert_eq!(playlist.target_duration, 3);
        let marked: Vec<bool> = playlist.segments.iter().map(|segment| segment.discontinuity).collect();
        assert!(!marked[0] && marked[1] && !marked[2..].contains(&true), "{marked:?}");
    }
}

#[test]
fn times_that_go_back_a_little_do_not_take_dates_back() {
    let mut stage = Stage::new(long());
    stage.push(0, Feed::Tracks(vec![video()])).unwrap();
    for index in 0..400 {
        // Half a second again, as of an encoder that repeats what it has sent.
        let dts = 3600 * if index < 200 { index } else { index - 12 };
        let sample = Sample { dts, composition_offset: 3600, duration: 0, size: 0, key: index % 25 == 0 };
        let data = payload(256, index);
        stage.push(index * 40_000, Feed::Sample { track: 256, sample, data }).unwrap();
    }
    stage.finish(16 * SECOND);
    assert!(stage.rendition.counts().0.mended >= 12);
    assert!(stage.playlist().segments.iter().all(|segment| !segment.discontinuity));
}

#[test]
fn what_was_missed_of_a_long_time_is_a_leap() {
    let mut stage = Stage::new(long());
    stage.run(&USUAL, 0, 8 * SECOND);
    stage.pause(8 * SECOND);
    // The machine has slept for ten minutes: there are no gaps for all of them, and `look` finds nothing wrong with their dates.
    // Whoever looks then has slept, too.
    stage.last = None;
    stage.idle(600 * SECOND);
    stage.idle(606 * SECOND);
    let playlist = stage.playlist();
    assert!(playlist.segments.iter().filter(|segment| segment.gap).count() > 15);
    assert_eq!(playlist.segments.iter().filter(|segment| segment.discontinuity).count(), 1);
}

#[test]
fn messages_stay_at_their_times() {
    use crate::proto::hls::mp4::message::{Message, When};
    let mut stage = Stage::new(long());
    stage.push(0, Feed::Tracks(USUAL.tracks())).unwrap();
    let message = |id, size| Message {
        scheme: Bytes::from_static(b"urn:scte:scte35:2013:bin"),
        value: Bytes::from_static(b"1"),
        duration: Some(90_000),
        id,
        data: Bytes::from(vec![7; size]),
    };
    // Seconds behind the first picture.
    let times = [0, 1, 5, 6, 11];
    let mut said = 0;
    for (at, feed) in USUAL.feed(12 * SECOND) {
        if times.get(said).is_some_and(|time| at >= time * SECOND) {
            let from = (USUAL.from * 9 / 100) + 2 * USUAL.picture;
            let feed = Feed::Message { at: from + times[said] * 90_000, message: message(said as u32, 10) };
            stage.push(at, feed).unwrap();
            said += 1;
        }
        stage.push(at, feed).unwrap();
    }
    stage.push(12 * SECOND, Feed::Metadata { at: 1 << 40, tag: Bytes::from_static(b"ID3") }).unwrap();
    stage.finish(12 * SECOND);
    let mut seen = Vec::new();
    let mut first = None;
    for (init, segment) in stage.segments.values() {
        let mut push = Push::default();
        push.push(init);
        push.push(segment);
        while let Some(event) = push.event().unwrap() {
            match event {
                Event::Message(When::At(at), message) => seen.push((at, message)),
                Event::Sample { track: 1, located, .. } => {
                    first.get_or_insert(located.sample.pts());
                }
                _ => {}
            }
        }
    }
    let expected: Vec<_> =
        (0..).zip(times).map(|(id, time)| (first.unwrap() + time * 90_000, message(id, 10))).collect();
    assert_eq!(seen, expected);
    // They are counted with what waits.
    let mut stage = Stage::new(Settings { held: 100_000, ..Settings::default() });
    stage.push(0, Feed::Tracks(USUAL.tracks())).unwrap();
    for id in 0..10 {
        stage.push(0, Feed::Message { at: 0, message: message(id, 20_000) }).unwrap();
    }
    let (_, sample) = USUAL.feed(SECOND).remove(0);
    assert_eq!(stage.push(0, sample), Err(Unusable::TooMuch(100_000)));
}
