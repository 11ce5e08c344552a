//! Players before servers of all kinds, in virtual time.

mod choices;
mod faults;
mod live;
mod outages;
mod world;

use world::{Answer, World};

use super::options::Options;
use super::playback::Phase;
use crate::proto::hls::abr::{Algorithm, Ms, Strategy};

/// The qualities of the films here: what they are called, and their bits a second.
const LEVELS: [(&str, u64); 3] = [("240p", 500_000), ("480p", 2_000_000), ("1080p", 6_000_000)];

/// Segments of films here, in seconds.
const SEGMENT: u64 = 4;

fn master() -> String {
    let mut text = "#EXTM3U\n".to_owned();
    for (name, rate) in LEVELS {
        let height = name.trim_end_matches('p');
        text += &format!(
            "#EXT-X-STREAM-INF:BANDWIDTH={rate},RESOLUTION=16x{height},CODECS=\"avc1.640028,mp4a.40.2\"\n{name}/index.m3u8\n"
        );
    }
    text
}

/// A playlist of complete segments.
fn film(count: u64) -> String {
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{SEGMENT}\n");
    for number in 0..count {
        text += &format!("#EXTINF:{SEGMENT}.0,\n{number}.ts\n");
    }
    text + "#EXT-X-ENDLIST\n"
}

/// The bytes of a segment at `/film/QUALITY/..`.
fn size(path: &str) -> u64 {
    let level = LEVELS.iter().find(|(name, _)| path.contains(&format!("/{name}/"))).unwrap();
    level.1 * SEGMENT / 8
}

/// A server of a film of so many segments.
fn vod(count: u64) -> impl FnMut(&str, Ms) -> Answer {
    move |path, _| match path {
        "/film/master.m3u8" => Answer::Text(master()),
        path if path.ends_with(".m3u8") => Answer::Text(film(count)),
        path => Answer::Bytes(size(path)),
    }
}

#[test]
fn a_film_is_played_from_its_beginning_to_its_end() {
    for algorithm in Algorithm::ALL {
        let options = Options { algorithm, ..Options::default() };
        let mut world = World::new(vod(30), options, |_| 10_000.0);
        world.run(1e6);
        let summary = world.player.summary();
        assert_eq!(world.player.state(1e6).phase, Phase::Ended, "{algorithm}");
        assert_eq!(summary.error, None, "{algorithm}");
        assert!((summary.played - 120_000.0).abs() < 1.0, "{algorithm} {summary:?}");
        assert_eq!((summary.stalls, summary.gaps, summary.segments), (0, 0, 30), "{algorithm} {summary:?}");
        // A request for the playlist, one for the segment, and 2 Mbit.
        let startup = summary.startup.unwrap();
        assert!((200.0..300.0).contains(&startup), "{algorithm} {startup}");
        assert!(summary.rate > 3000.0, "{algorithm} {summary:?}");
        let numbers: Vec<u64> = world.loaded().into_iter().map(|(_, number)| number).collect();
        assert_eq!(numbers, (0..30).collect::<Vec<_>>(), "{algorithm}");
        assert_eq!(world.settled.len(), 30, "{algorithm}");
        // Never more than the buffer may hold, and as much as that.
        let levels = world.events.iter().filter_map(|(_, event)| match event {
            super::event::Event::Loaded { level, .. } => Some(*level),
            _ => None,
        });
        let most = levels.fold(0.0, Ms::max);
        assert!((18_000.0..=25_000.5).contains(&most), "{algorithm} {most}");
    }
}

#[test]
fn what_nobody_waits_for_is_loaded_as_fast_as_it_comes() {
    let options = Options { paced: false, ..Options::default() };
    let mut world = World::new(vod(100), options, |_| 100_000.0);
    world.run(1e6);
    let (last, _) = world.events.last().unwrap();
    assert!(*last < 30_000.0, "{last}");
    let summary = world.player.summary();
    assert_eq!((summary.segments, summary.stalls, summary.error), (100, 0, None));
    assert!(summary.rate > 5_500.0, "{}", summary.rate);
}

#[test]
fn playback_begins_where_it_is_to() {
    for (start, tag, first, played) in [
        (None, "", 0, 40_000.0),
        (Some(9_000.0), "", 2, 31_000.0),
        (Some(-6_000.0), "", 8, 6_000.0),
        (None, "#EXT-X-START:TIME-OFFSET=9\n", 2, 31_000.0),
        (None, "#EXT-X-START:TIME-OFFSET=-6\n", 8, 6_000.0),
        (None, "#EXT-X-START:TIME-OFFSET=1000\n", 9, 4_000.0),
        (Some(0.0), "#EXT-X-START:TIME-OFFSET=9\n", 0, 40_000.0),
    ] {
        let server = move |path: &str, now| match vod(10)(path, now) {
            Answer::Text(text) if path.ends_with("index.m3u8") => {
                Answer::Text(text.replace("#EXT-X-TARGET", &format!("{tag}#EXT-X-TARGET")))
            }
            answer => answer,
        };
        let mut world = World::new(server, Options { start, ..Options::default() }, |_| 10_000.0);
        world.run(1e6);
        assert_eq!(world.loaded()[0].1, first, "{start:?} {tag}");
        let summary = world.player.summary();
        assert!((summary.played - played).abs() < 10.0, "{start:?} {tag} {summary:?}");
    }
}

#[test]
fn a_network_that_is_too_slow_stalls_and_goes_on() {
    let mut world = World::new(vod(10), Options::default(), |_| 400.0);
    world.run(1e6);
    let summary = world.player.summary();
    // 5 s for each segment of 4 s.
    assert!(summary.stalls >= 8 && summary.gaps == 0, "{summary:?}");
    assert!((summary.stalled - 9_000.0).abs() < 1_500.0, "{summary:?}");
    assert!((summary.played - 40_000.0).abs() < 1.0, "{summary:?}");
    let story = world.story();
    let count = |wanted| story.iter().filter(|name| **name == wanted).count();
    assert_eq!((count("stalled"), count("resumed")), (summary.stalls as usize, summary.stalls as usize));
}

#[test]
fn better_ones_take_the_place_of_what_was_loaded() {
    for strategy in [Strategy::First, Strategy::Last] {
        // The network becomes ten times as fast when the buffer is full of the lowest quality.
        let options =
            Options { replace: Some(strategy), algorithm: Algorithm::Throughput, ..Options::default() };
        let rate = |now| if now < 20_000.0 { 900.0 } else { 40_000.0 };
        let mut world = World::new(vod(30), options, rate);
        world.run(1e6);
        let summary = world.player.summary();
        assert!(summary.replaced >= 2, "{strategy:?} {summary:?}");
        assert_eq!((summary.stalls, summary.error.clone()), (0, None), "{summary:?}");
        assert!((summary.played - 120_000.0).abs() < 1.0, "{summary:?}");
        let spans = world.settled.clone();
        assert_eq!(spans.len(), 30, "each is settled once");
        assert!(spans.is_sorted(), "{spans:?}");
    }
}
