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
        assert!(playlist.independent_segments && !playlist.segments[0].discontinuity);
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
