//! Servers that are away for a while, playlists that say what is missing, and qualities that are there by half.

use super::world::{Answer, Server, World};
use super::{film, master, vod};
use crate::proto::hls::abr::{Algorithm, Ms, Strategy};
use crate::proto::hls::play::event::{Event, LaneId};
use crate::proto::hls::play::options::Options;

/// A film of one quality.
fn alone(count: u64) -> impl FnMut(&str, Ms) -> Answer {
    move |path, _| if path.ends_with(".m3u8") { Answer::Text(film(count)) } else { Answer::Bytes(250_000) }
}

fn count<S: Server>(world: &World<S>, name: &str) -> usize {
    world.story().iter().filter(|found| **found == name).count()
}

#[test]
fn a_server_that_is_away_is_waited_for() {
    // For as long as the buffer lasts, and beyond that.
    for (from, to) in [(5_000.0, 20_000.0), (5_000.0, 40_000.0), (0.001, 10_000.0)] {
        let mut server = alone(30);
        let away = move |path: &str, now: Ms| match (from..to).contains(&now) {
            true if path.ends_with(".ts") => Answer::Reset,
            _ => server(path, now),
        };
        let mut world = World::new(away, Options::default(), |_| 4_000.0);
        world.run(1e7);
        let summary = world.player.summary();
        assert_eq!((summary.gaps, summary.error.clone()), (0, None), "{from} {:?}", world.story());
        assert!((summary.played - 120_000.0).abs() < 1.0, "{from} {summary:?}");
        // Not more often than every few seconds.
        assert!(summary.failures < 20, "{from} {summary:?}");
    }
}

#[test]
fn what_never_comes_is_left_out_when_there_is_nothing_else_to_play() {
    let mut server = alone(10);
    let broken = move |path: &str, now: Ms| match path {
        "/film/5.ts" => Answer::Reset,
        path => server(path, now),
    };
    let mut world = World::new(broken, Options::default(), |_| 4_000.0);
    world.run(1e7);
    let summary = world.player.summary();
    assert_eq!((summary.gaps, summary.error.clone()), (1, None), "{:?}", world.story());
    assert!((summary.played - 36_000.0).abs() < 1.0 && summary.stalled < 20_000.0, "{summary:?}");
}

#[test]
fn gaps_that_are_told_are_nobodys_fault() {
    for (first, last) in [(0, 9), (4, 12), (10, 19)] {
        let list = move || {
            (0..20).fold(film(20), |text, number| match (first..=last).contains(&number) {
                true => text.replace(&format!("\n{number}.ts"), &format!("\n#EXT-X-GAP\n{number}.ts")),
                false => text,
            })
        };
        for ladder in [false, true] {
            let server = move |path: &str, now: Ms| match path {
                "/film/master.m3u8" if ladder => Answer::Text(master()),
                path if path.ends_with(".m3u8") => Answer::Text(list()),
                path if ladder => vod(20)(path, now),
                _ => Answer::Bytes(250_000),
            };
            let mut world = World::new(server, Options::default(), |_| 20_000.0);
            world.run(1e7);
            let summary = world.player.summary();
            let gaps = last - first + 1;
            assert_eq!((summary.gaps, summary.error.clone()), (gaps, None), "{first} {:?}", world.story());
            assert!((summary.played - 4_000.0 * (20 - gaps) as Ms).abs() < 1.0, "{first} {summary:?}");
            assert_eq!(summary.stalls, 0, "{first} {summary:?}");
        }
    }
}

#[test]
fn a_quality_that_is_not_there_is_not_gone_down_to() {
    let server = |path: &str, now: Ms| match path {
        path if path.contains("/240p/") => Answer::Missing,
        path => vod(20)(path, now),
    };
    // Less than the best needs, and more than the one that is left.
    let mut world =
        World::new(server, Options::default(), |now| if now < 10_000.0 { 20_000.0 } else { 1_000.0 });
    world.run(1e7);
    let summary = world.player.summary();
    assert_eq!((summary.gaps, summary.error.clone()), (0, None), "{:?}", world.story());
    assert!(summary.abandoned < 5 && count(&world, "elsewhere") < 10, "{summary:?}");
    assert!(world.loaded().iter().all(|(quality, _)| quality != "240p"));
}

#[test]
fn one_that_lacks_a_segment_is_better_than_one_that_lacks_all() {
    // Of the lower one there is not even a playlist.
    let server = move |path: &str, now: Ms| match path {
        "/film/1080p/5.ts" => Answer::Missing,
        path if path.contains("/240p/") || path.contains("/480p/") => Answer::Missing,
        path => vod(10)(path, now),
    };
    let mut world = World::new(server, Options::default(), |_| 40_000.0);
    world.run(1e7);
    let summary = world.player.summary();
    assert_eq!((summary.gaps, summary.error.clone()), (1, None), "{:?}", world.story());
    assert!((summary.played - 36_000.0).abs() < 1.0, "{summary:?}");
}

#[test]
fn a_better_one_that_does_not_come_is_not_asked_for_again() {
    let options =
        Options { replace: Some(Strategy::First), algorithm: Algorithm::Throughput, ..Options::default() };
    let rate = |now| if now < 20_000.0 { 900.0 } else { 40_000.0 };
    let server = |path: &str, now: Ms| match path {
        path if path.contains("/1080p/") && path.ends_with(".ts") && now < 40_000.0 => Answer::Missing,
        path => vod(30)(path, now),
    };
    let mut world = World::new(server, options, rate);
    world.run(1e6);
    let summary = world.player.summary();
    assert_eq!((summary.gaps, summary.error.clone()), (0, None), "{:?}", world.story());
    for number in 0..30 {
        let path = format!("/film/1080p/{number}.ts");
        let asked = world.asked.iter().filter(|(_, asked)| *asked == path).count();
        assert!(asked <= 2, "{path} {asked} times");
    }
    let spans = world.settled.clone();
    assert!(spans.len() == 30 && spans.is_sorted(), "{spans:?}");
}

/// A film whose sound is apart, and of so many segments.
fn apart(pictures: u64, sound: u64) -> impl FnMut(&str, Ms) -> Answer {
    move |path, now| match path {
        "/film/master.m3u8" => {
            let text = master().replace(",CODECS", ",AUDIO=\"a\",CODECS");
            let media = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"sound/index.m3u8\",DEFAULT=YES\n";
            Answer::Text(text.replace("#EXTM3U\n", media))
        }
        "/film/sound/index.m3u8" => Answer::Text(film(sound)),
        path if path.contains("/sound/") => Answer::Bytes(64_000),
        path => vod(pictures)(path, now),
    }
}

#[test]
fn a_film_ends_with_its_pictures_however_long_its_sound_is() {
    for (pictures, sound) in [(10, 10), (10, 12), (10, 30), (10, 9)] {
        for paced in [true, false] {
            let mut world =
                World::new(apart(pictures, sound), Options { paced, ..Options::default() }, |_| 20_000.0);
            world.run(1e6);
            let summary = world.player.summary();
            assert!(world.player.is_over() && summary.error.is_none(), "{sound} {summary:?}");
            assert_eq!(summary.stalls, 0, "{sound} {summary:?}");
            assert!((summary.played - 40_000.0).abs() < 1.0, "{sound} {paced} {summary:?}");
        }
    }
}

#[test]
fn sound_and_pictures_are_loaded_side_by_side() {
    for paced in [true, false] {
        let mut world = World::new(apart(60, 60), Options { paced, ..Options::default() }, |_| 20_000.0);
        world.run(1e6);
        let (mut main, mut audio) = (0.0, 0.0);
        for (_, event) in &world.events {
            let Event::Loaded { lane, start, duration, .. } = event else { continue };
            match lane {
                LaneId::Main => main = start + duration,
                LaneId::Audio => audio = start + duration,
            }
            let apart: Ms = main - audio;
            assert!((-9_000.0..=18_000.0).contains(&apart), "{paced} {main} {audio}");
        }
        let summary = world.player.summary();
        assert_eq!((summary.segments, summary.error.clone()), (120, None), "{paced} {summary:?}");
    }
}

#[test]
fn a_film_of_nothing_ends_with_a_reason() {
    let ended = |text: String| {
        let server = move |path: &str, _: Ms| match path {
            path if path.ends_with(".m3u8") => Answer::Text(text.clone()),
            _ => Answer::Nonsense,
        };
        let mut world = World::new(server, Options::default(), |_| 20_000.0);
        world.run(1e6);
        assert!(world.player.is_over());
        world.player.summary().error
    };
    assert_eq!(ended(film(0)).unwrap(), "master.m3u8 cannot be had: it names no segments");
    assert_eq!(ended(film(3)).unwrap(), "nothing of it can be played: no media");
    let gaps = film(3).replace("#EXTINF", "#EXT-X-GAP\n#EXTINF");
    assert_eq!(ended(gaps).unwrap(), "nothing of it can be played: the playlist says that it is not there");
}

#[test]
fn what_is_in_the_buffer_is_played_before_it_ends() {
    let mut server = alone(30);
    let gone = move |path: &str, now: Ms| match path {
        path if path.ends_with(".ts") && now > 3_000.0 => Answer::Missing,
        path => server(path, now),
    };
    let mut world = World::new(gone, Options::default(), |_| 8_000.0);
    world.run(1e6);
    let summary = world.player.summary();
    assert_eq!(summary.error.unwrap(), "6 segments in a row cannot be had: 404");
    assert!(summary.played > 20_000.0 && summary.stalls == 0, "{} {:?}", summary.played, world.story());
}
