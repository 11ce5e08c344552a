//! Servers that fail, in all the ways they know.

use super::world::{Answer, World};
use super::{LEVELS, film, master, size, vod};
use crate::proto::hls::abr::Ms;
use crate::proto::hls::play::event::Event;
use crate::proto::hls::play::options::Options;

/// Plays a film of ten segments from a server that answers some requests otherwise.
fn played(fault: impl FnMut(&str, Ms) -> Option<Answer>) -> World<impl FnMut(&str, Ms) -> Answer> {
    let mut fault = fault;
    let server = move |path: &str, now| fault(path, now).unwrap_or_else(|| vod(10)(path, now));
    let mut world = World::new(server, Options::default(), |_| 20_000.0);
    world.run(1e7);
    assert!(world.player.is_over(), "it never ends");
    world
}

fn reasons<S>(world: &World<S>) -> Vec<String> {
    let all = world.events.iter().filter_map(|(_, event)| match event {
        Event::Elsewhere { why, .. } | Event::Retry { why, .. } | Event::Gap { why, .. } => Some(why.clone()),
        _ => None,
    });
    all.collect()
}

#[test]
fn what_is_lost_on_the_way_is_asked_for_again() {
    let mut left = 2;
    let world = played(move |path, _| {
        let here = path.ends_with("/3.ts") && left > 0;
        left -= i32::from(here);
        here.then_some(Answer::Reset)
    });
    let summary = world.player.summary();
    assert_eq!((summary.gaps, summary.failures, summary.error.clone()), (0, 2, None));
    assert_eq!(world.story().iter().filter(|name| **name == "retry").count(), 2);
    assert!((summary.played - 40_000.0).abs() < 1.0);
}

#[test]
fn what_one_quality_does_not_have_is_played_in_another() {
    for answer in [Answer::Missing, Answer::Nonsense, Answer::Reset, Answer::Silence] {
        let said = answer.clone();
        let world = played(move |path, _| (path == "/film/1080p/6.ts").then(|| said.clone()));
        let summary = world.player.summary();
        assert_eq!((summary.gaps, summary.error.clone()), (0, None), "{answer:?}");
        assert!(world.story().contains(&"elsewhere"), "{answer:?} {:?}", world.story());
        let sixth = world.loaded().into_iter().find(|(_, number)| *number == 6).unwrap();
        assert_ne!(sixth.0, "1080p", "{answer:?}");
        assert!((summary.played - 40_000.0).abs() < 1.0, "{answer:?} {summary:?}");
    }
}

#[test]
fn what_nobody_has_is_left_out() {
    let world = played(|path, _| path.ends_with("/4.ts").then_some(Answer::Missing));
    let summary = world.player.summary();
    assert_eq!((summary.gaps, summary.error.clone()), (1, None), "{:?}", world.story());
    assert!(
        (summary.played - 36_000.0).abs() < 1.0 && (summary.left_out - 4_000.0).abs() < 1.0,
        "{summary:?}"
    );
    assert_eq!(reasons(&world).last().unwrap(), "404");
    let numbers: Vec<u64> = world.loaded().into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 5, 6, 7, 8, 9]);
}

#[test]
fn a_server_that_has_nothing_any_more_ends_it() {
    let world = played(|path, _| path.ends_with(".ts").then_some(Answer::Missing));
    let error = world.player.summary().error.unwrap();
    assert_eq!(error, "6 segments in a row cannot be had: 404");
    let world = played(|path, _| path.ends_with("index.m3u8").then_some(Answer::Missing));
    let error = world.player.summary().error.unwrap();
    assert_eq!(error, "index.m3u8 cannot be had: 404");
    let world = played(|path, _| (path != "/film/master.m3u8").then_some(Answer::Silence));
    let error = world.player.summary().error.unwrap();
    assert_eq!(error, "index.m3u8 cannot be had: no answer");
}

#[test]
fn a_playlist_that_makes_no_sense_is_another_ones_task() {
    for text in [
        "<html>",
        "",
        "#EXTM3U\n#EXT-X-TARGETDURATION:x\n",
        &master(),
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n",
    ] {
        let text = text.to_owned();
        let world = played(move |path, _| path.contains("1080p/index").then(|| Answer::Text(text.clone())));
        let summary = world.player.summary();
        assert_eq!((summary.gaps, summary.error.clone()), (0, None));
        assert!(world.loaded().iter().all(|(quality, _)| quality != "1080p"));
        assert!((summary.played - 40_000.0).abs() < 1.0, "{summary:?}");
    }
}

#[test]
fn the_same_at_another_place_is_played_from_there() {
    let twice = || {
        let backup = master().replace("p/index", "p-b/index").replace("#EXTM3U\n", "");
        Answer::Text(master() + &backup)
    };
    let mut world = World::new(
        move |path: &str, now: Ms| match path {
            "/film/master.m3u8" => twice(),
            path if path.ends_with(".m3u8") => Answer::Text(film(10)),
            path if path.contains("-b/") => Answer::Bytes(size(&path.replace("-b/", "/"))),
            _ if now > 3_000.0 => Answer::Reset,
            path => Answer::Bytes(size(path)),
        },
        Options::default(),
        |_| 20_000.0,
    );
    world.run(1e7);
    let summary = world.player.summary();
    assert_eq!((summary.gaps, summary.error.clone()), (0, None), "{:?}", world.story());
    assert!(summary.rate > 4_000.0, "{summary:?}");
    assert!(world.asked.iter().any(|(_, path)| path.contains("1080p-b/") && path.ends_with(".ts")));
    assert_eq!(world.player.levels().len(), LEVELS.len());
}

#[test]
fn a_download_that_comes_too_slowly_is_given_up_for_a_lower_quality() {
    let mut world = World::new(vod(30), Options::default(), |now| {
        if (30_000.0..60_000.0).contains(&now) { 600.0 } else { 30_000.0 }
    });
    world.run(1e7);
    let summary = world.player.summary();
    assert!(summary.abandoned >= 1 && summary.wasted > 0, "{summary:?}");
    assert!(summary.stalled < 5_000.0, "{summary:?}");
    assert_eq!(summary.gaps, 0);
}

#[test]
fn a_body_that_never_ends_is_cut_off() {
    // A byte now and then.
    let mut world = World::new(vod(3), Options { abandon: false, ..Options::default() }, |_| 0.16);
    world.run(1e8);
    assert!(world.player.is_over());
    assert!(reasons(&world).iter().any(|why| why == "it takes too long"), "{:?}", reasons(&world));
}
