//! Live streams: their end, their windows, and what is lost of them.

use super::world::{Answer, World};
use super::{LEVELS, master, size};
use crate::proto::hls::abr::Ms;
use crate::proto::hls::play::event::Event;
use crate::proto::hls::play::options::{Options, Patience};

/// Segments of live streams here.
const SEGMENT: Ms = 2_000.0;

/// What a live stream was before anybody looked.
const AGE: Ms = 60_000.0;

/// A window of six segments, as it is at a time; `first` is the number that the stream began with, `ends` when it ends.
fn window(now: Ms, first: u64, dated: bool, ends: Ms) -> String {
    let complete = ((now.min(ends) + AGE) / SEGMENT) as u64;
    let from = complete.saturating_sub(6);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{}\n",
        first + from
    );
    for number in from..complete {
        if dated {
            let seconds = number * 2;
            text +=
                &format!("#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:{:02}:{:02}Z\n", seconds / 60, seconds % 60);
        }
        text += &format!("#EXTINF:2.0,\n{}.ts\n", first + number);
    }
    if now >= ends {
        text += "#EXT-X-ENDLIST\n";
    }
    text
}

/// A server of a live stream, whose renditions count from different numbers if they have dates.
fn live(dated: bool, ends: Ms) -> impl FnMut(&str, Ms) -> Answer {
    move |path, now| match path {
        "/film/master.m3u8" => Answer::Text(master()),
        path if path.ends_with(".m3u8") => {
            let level = LEVELS.iter().position(|(name, _)| path.contains(name)).unwrap() as u64;
            Answer::Text(window(now, if dated { 1000 * level } else { 0 }, dated, ends))
        }
        path => Answer::Bytes(size(path) / 2),
    }
}

/// What a segment is of, whatever its rendition counts from.
fn of(number: u64) -> u64 {
    number % 1000
}

#[test]
fn a_live_stream_is_followed_to_its_end() {
    for dated in [false, true] {
        let mut world = World::new(live(dated, 60_000.0), Options::default(), |_| 20_000.0);
        world.run(1e6);
        let summary = world.player.summary();
        assert_eq!((summary.error.clone(), summary.stalls, summary.gaps), (None, 0, 0), "{summary:?}");
        // Three target durations behind the end, and from there to the end.
        assert!((summary.played - 66_000.0).abs() < 2_000.0, "{dated} {summary:?}");
        let numbers: Vec<u64> = world.loaded().iter().map(|(_, number)| of(*number)).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{dated} {numbers:?}");
        assert!(world.loaded().iter().any(|(quality, _)| quality == "1080p"), "{dated}");
        // Not more often than there is something new.
        let lists = world.asked.iter().filter(|(_, path)| path.ends_with(".m3u8")).count();
        assert!(lists < 60, "{dated} {lists}");
    }
}

#[test]
fn a_viewer_who_is_too_slow_goes_on_at_the_end() {
    // Nothing comes for a minute: the window has gone on.
    let rate = |now| if (20_000.0..80_000.0).contains(&now) { 0.0 } else { 20_000.0 };
    let options =
        Options { patience: Patience { attempts: 10, ..Patience::default() }, ..Options::default() };
    let mut world = World::new(live(false, 160_000.0), options, rate);
    world.run(1e6);
    let summary = world.player.summary();
    assert_eq!(summary.error, None);
    assert!(summary.stalls >= 1 && summary.stalled > 40_000.0, "{summary:?}");
    assert!(world.story().contains(&"jumped"), "{:?}", world.story());
}

#[test]
fn a_stream_that_brings_nothing_new_is_given_up() {
    let server = |path: &str, now: Ms| match path {
        path if path.ends_with("index.m3u8") => Answer::Text(window(now.min(30_000.0), 0, false, 1e9)),
        path => live(false, 1e9)(path, now),
    };
    let mut world = World::new(server, Options::default(), |_| 20_000.0);
    world.run(1e7);
    let error = world.player.summary().error.unwrap();
    assert!(error.starts_with("index.m3u8 has had nothing new for 6"), "{error}");
}

#[test]
fn a_stream_that_begins_anew_is_played_on() {
    let server = |path: &str, now: Ms| match path {
        path if path.ends_with("index.m3u8") && now > 30_000.0 => {
            Answer::Text(window(now - 30_000.0 - AGE + 20_000.0, 0, false, 30_000.0 - AGE + 20_000.0))
        }
        path => live(false, 1e9)(path, now),
    };
    let mut world = World::new(server, Options::default(), |_| 20_000.0);
    world.run(1e7);
    let summary = world.player.summary();
    assert_eq!(summary.error, None, "{:?}", world.events.last());
    let story = world.story();
    assert!(story.contains(&"restarted"), "{story:?}");
    let numbers: Vec<u64> = world.loaded().iter().map(|(_, number)| *number).collect();
    assert!(numbers.windows(2).any(|pair| pair[1] < pair[0]), "{numbers:?}");
}

#[test]
fn an_old_version_from_a_cache_changes_nothing() {
    let mut asked = 0;
    let server = move |path: &str, now: Ms| match path {
        path if path.ends_with("index.m3u8") => {
            asked += 1;
            // Every third answer is ten seconds old.
            let at = if asked % 3 == 0 { now - 10_000.0 } else { now };
            Answer::Text(window(at, 0, false, 1e9))
        }
        path => live(false, 1e9)(path, now),
    };
    let mut world = World::new(server, Options::default(), |_| 20_000.0);
    world.run(90_000.0);
    let numbers: Vec<u64> = world.loaded().iter().map(|(_, number)| *number).collect();
    assert!(numbers.len() > 40 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    assert!(!world.story().contains(&"restarted"));
}

/// When so many parts are there, from the beginning of the stream: eight in a segment, which take a quarter of a second each or, if the last one is `short`, a little more.
fn part_end(parts: u64, short: bool) -> Ms {
    let long = if short { 275.0 } else { 250.0 };
    (parts / 8) as Ms * SEGMENT + (parts % 8) as Ms * long
}

/// Parts, and requests that wait for them.
fn low(path: &str, now: Ms, short: bool) -> Answer {
    let (_, query) = path.split_once('?').unwrap_or((path, ""));
    let number = |name: &str| -> Option<u64> {
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    };
    let complete = ((now + AGE) / SEGMENT) as u64 * 8;
    let there = (complete..complete + 8).rev().find(|parts| part_end(*parts, short) <= now + AGE);
    let mut parts = there.unwrap_or(complete);
    if let (Some(msn), Some(part)) = (number("_HLS_msn"), number("_HLS_part")) {
        parts = parts.max(msn * 8 + part + 1);
    }
    let complete = parts / 8;
    let from = complete.saturating_sub(6);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{from}\n#EXT-X-PART-INF:PART-TARGET=0.28\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.84\n"
    );
    for segment in from..=complete {
        let count = if segment == complete { parts % 8 } else { 8 };
        if segment + 2 >= complete {
            for part in 0..count {
                let independent = if part == 0 { ",INDEPENDENT=YES" } else { "" };
                let at = segment * 8 + part;
                let duration = (part_end(at + 1, short) - part_end(at, short)) / 1000.0;
                text +=
                    &format!("#EXT-X-PART:DURATION={duration},URI=\"{segment}.{part}.m4s\"{independent}\n");
            }
        }
        if segment < complete {
            text += &format!("#EXTINF:2.0,\n{segment}.m4s\n");
        }
    }
    Answer::Held(part_end(parts, short) - AGE, text)
}

#[test]
fn parts_are_played_close_to_the_end() {
    let server = |path: &str, now: Ms| match path {
        path if path.contains("index.m3u8") => low(path, now, false),
        path if path.ends_with(".m3u8") => Answer::Text(master()),
        path => {
            let whole = size(path) / 2;
            Answer::Bytes(if path.matches('.').count() == 2 { whole / 8 } else { whole })
        }
    };
    let mut world = World::new(server, Options::default(), |_| 20_000.0);
    world.run(60_000.0);
    let summary = world.player.summary();
    assert_eq!((summary.gaps, summary.error.clone()), (0, None), "{:?}", world.story());
    assert!(summary.stalled < 1_000.0, "{summary:?}");
    let latency = world.player.state(60_000.0).latency.unwrap();
    assert!(latency < 2_000.0, "{latency}");
    let opened = world.events.iter().find_map(|(_, event)| match event {
        Event::Opened { latency, parts, .. } => Some((*latency, *parts)),
        _ => None,
    });
    assert_eq!(opened, Some((Some(840.0), true)));
    let parts = world.events.iter().filter(|(_, event)| matches!(event, Event::Loaded { part: Some(_), .. }));
    assert!(parts.count() > 150);
    goes_on(&world.events);
}

/// One piece goes on where the one before ends, in whichever quality.
#[track_caller]
fn goes_on(events: &[(Ms, Event)]) {
    let places = events.iter().filter_map(|(_, event)| match event {
        Event::Loaded { start, duration, .. } => Some((*start, *start + *duration)),
        _ => None,
    });
    let places: Vec<(Ms, Ms)> = places.collect();
    assert!(places.windows(2).all(|pair| (pair[0].1 - pair[1].0).abs() < 1.0), "{places:?}");
}

#[test]
fn a_short_part_at_the_end_of_a_segment_is_not_left_out_where_the_quality_changes() {
    let server = |path: &str, now: Ms| match path {
        path if path.contains("index.m3u8") => low(path, now, true),
        path if path.ends_with(".m3u8") => Answer::Text(master()),
        path => {
            let whole = size(path) / 2;
            Answer::Bytes(if path.matches('.').count() == 2 { whole / 8 } else { whole })
        }
    };
    let rate = |now| if now % 20_000.0 < 10_000.0 { 20_000.0 } else { 2_000.0 };
    let mut world = World::new(server, Options::default(), rate);
    world.run(90_000.0);
    let switches = world.story().iter().filter(|name| **name == "switched").count();
    assert!(switches >= 4 && !world.story().contains(&"jumped"), "{:?}", world.story());
    goes_on(&world.events);
}

#[test]
fn a_rendition_that_begins_anew_alone_is_none_of_the_others_concern() {
    let server = |path: &str, now: Ms| match path {
        path if path.contains("1080p/index") && now > 30_000.0 => {
            Answer::Text(window(now - 85_000.0, 0, false, 1e9))
        }
        path => live(false, 1e9)(path, now),
    };
    // What it carries goes up and down, so that the best is looked at now and then.
    let rate = |now| if now % 30_000.0 < 15_000.0 { 20_000.0 } else { 3_000.0 };
    let mut world = World::new(server, Options::default(), rate);
    world.run(200_000.0);
    let summary = world.player.summary();
    assert!(!world.story().contains(&"restarted"), "{:?}", world.story());
    assert!(summary.stalled < 1_000.0 && summary.played > 180_000.0, "{summary:?} {:?}", world.story());
}

#[test]
fn a_stream_that_pauses_is_as_far_away_as_it_is() {
    // Nothing comes for five seconds, and then it goes on where it was.
    let paused = |now: Ms| if now < 20_000.0 { now } else { (now - 5_000.0).max(20_000.0) };
    let server = move |path: &str, now: Ms| match path {
        path if path.contains("index.m3u8") => match low(path, paused(now), false) {
            Answer::Held(at, text) if at >= 20_000.0 => Answer::Held(at + 5_000.0, text),
            answer => answer,
        },
        path if path.ends_with(".m3u8") => Answer::Text(master()),
        path => Answer::Bytes(size(path) / 16),
    };
    let mut world = World::new(server, Options::default(), |_| 20_000.0);
    world.run(90_000.0);
    let state = world.player.state(90_000.0);
    assert!(state.latency.unwrap() < 2_000.0 && (state.rate - 1.0).abs() < 0.03, "{state:?}");
    assert!(!world.story().contains(&"jumped"), "{:?}", world.story());
}

#[test]
fn whoever_begins_further_back_stays_there() {
    let server = |path: &str, now: Ms| match path {
        path if path.contains("index.m3u8") => low(path, now, false),
        path if path.ends_with(".m3u8") => Answer::Text(master()),
        path => Answer::Bytes(size(path) / 2),
    };
    let options = Options { start: Some(-8_000.0), ..Options::default() };
    let mut world = World::new(server, options, |_| 20_000.0);
    world.run(40_000.0);
    let latency = world.player.state(40_000.0).latency.unwrap();
    assert!((7_000.0..10_000.0).contains(&latency), "{latency}");
    assert!(!world.story().contains(&"jumped"), "{:?}", world.story());
}

#[test]
fn another_place_takes_over_in_the_middle_of_a_segment() {
    let twice = || {
        let backup = master().replace("p/index", "p-b/index").replace("#EXTM3U\n", "");
        Answer::Text(master() + &backup)
    };
    let server = move |path: &str, now: Ms| match path {
        "/film/master.m3u8" => twice(),
        // The first one hangs, playlists and all.
        path if now > 20_700.0 && !path.contains("-b/") => {
            if path.contains("index.m3u8") {
                Answer::Silence
            } else {
                Answer::Missing
            }
        }
        path if path.contains("index.m3u8") => low(path, now, false),
        path => Answer::Bytes(size(&path.replace("-b/", "/")) / 16),
    };
    let mut world = World::new(server, Options::default(), |_| 20_000.0);
    world.run(60_000.0);
    let summary = world.player.summary();
    assert_eq!((summary.gaps, summary.error.clone()), (0, None), "{:?}", world.story());
    assert!(summary.stalled < 4_000.0, "{summary:?} {:?}", world.story());
}

#[test]
fn a_playlist_that_is_away_for_a_while_is_waited_for() {
    let server = |path: &str, now: Ms| match path {
        path if path.ends_with("index.m3u8") && (20_000.0..50_000.0).contains(&now) => Answer::Reset,
        path => live(false, 1e9)(path, now),
    };
    let mut world = World::new(server, Options::default(), |_| 20_000.0);
    world.run(120_000.0);
    let summary = world.player.summary();
    assert_eq!(summary.error, None, "{:?}", world.story());
    assert!(summary.played > 70_000.0 && !world.player.is_over(), "{summary:?}");
}
