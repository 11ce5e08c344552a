//! Low latency: reloads that wait, parts that are hinted at, updates without what is known, and reports of other renditions
//! (draft-pantos-hls-rfc8216bis sections 6.2.2, 6.2.5 and 6.2.6).

use std::net::SocketAddr;
use std::time::Duration;

use wireworks::proto::hls::playlist::media::MediaPlaylist;
use wireworks::proto::hls::playlist::variables::Variables;

use super::stage::{FAST, Publisher, TS, ask, asking, ended, get, live, playlist, read, remuxed};
use crate::support::command::stop;
use crate::support::process::Process;
use crate::support::wire::Wire;

const PLAYLIST: &str = "/live/stage/low/playlist.m3u8";

/// A stream of two renditions that stands still in the middle of a segment.
struct Standing {
    server: Process,
    address: SocketAddr,
    publishers: [Publisher; 2],
    /// What is left of each feed.
    rest: [Vec<u8>; 2],
}

impl Standing {
    fn new(args: &[&str]) -> Self {
        let (server, address) = live(&[&FAST, args].concat());
        let mut publishers = ["stage/low", "stage/high"].map(|name| Publisher::put(address, name));
        let mut rest = ["240p.mp4", "360p.mp4"].map(|name| remuxed(name, 3, &TS));
        // In turn, as one encoder sends them.
        for part in 1..=20 {
            for (publisher, feed) in publishers.iter_mut().zip(&rest) {
                let at = |part: usize| feed.len() * 7 / 10 * part / 20;
                publisher.send(&feed[at(part - 1)..at(part)]);
            }
        }
        for feed in &mut rest {
            feed.drain(..feed.len() * 7 / 10);
        }
        publishers.iter().for_each(Publisher::taken);
        Self { server, address, publishers, rest }
    }

    /// The playlist when all that was sent is in it: more than thirty seconds, and a segment that is not complete.
    fn settled(&self) -> MediaPlaylist {
        let long = |text: &str| {
            let list = read(text);
            list.media_sequence + list.segments.len() as u64 >= 16 && list.unfinished.is_some()
        };
        let mut before = playlist(self.address, PLAYLIST, long);
        loop {
            let now = playlist(self.address, PLAYLIST, long);
            if now == before {
                return now;
            }
            before = now;
        }
    }

    fn go_on(&mut self) {
        for (publisher, feed) in self.publishers.iter_mut().zip(&self.rest) {
            publisher.send(feed);
        }
    }
}

fn body(mut wire: Wire) -> Vec<u8> {
    let reply = wire.read_response();
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.body
}

#[test]
fn who_asks_for_what_is_next_waits_until_it_is_there() {
    let mut stage = Standing::new(&[]);
    let address = stage.address;
    let list = stage.settled();
    let next = list.next_msn();
    let parts = list.unfinished.as_ref().unwrap().parts.len();
    let hint = &list.preload_hints[0].uri;
    assert!(hint.ends_with(&format!("-{next}-{parts}.m4s")), "{hint}");
    let for_part = asking(address, &format!("GET {PLAYLIST}?_HLS_msn={next}&_HLS_part={parts}"));
    let for_segment = asking(address, &format!("GET {PLAYLIST}?_HLS_msn={next}"));
    let for_second = asking(address, &format!("GET {PLAYLIST}?_HLS_msn={}&_HLS_part=0", next + 1));
    let for_hint = asking(address, &format!("GET /live/stage/low/{hint}"));
    // All of them are there, and wait.
    for wire in [&for_part, &for_segment, &for_second, &for_hint] {
        wire.wait_until_read();
    }
    assert_eq!(stage.settled(), list);
    stage.go_on();
    let text = |wire| String::from_utf8(body(wire)).unwrap();
    let with_part = read(&text(for_part));
    let known = |list: &MediaPlaylist, msn: u64| match msn.checked_sub(list.media_sequence) {
        Some(index) if msn < list.next_msn() => list.segments[index as usize].parts.len(),
        _ => list.unfinished.as_ref().map_or(0, |segment| segment.parts.len()),
    };
    assert!(with_part.next_msn() > next || known(&with_part, next) > parts);
    let whole = read(&text(for_segment));
    assert!(whole.next_msn() > next);
    let second = read(&text(for_second));
    assert!(second.next_msn() > next + 1 || second.next_msn() == next + 1 && known(&second, next + 1) > 0);
    // What was hinted at came whole, and is part of its segment.
    let hinted = body(for_hint);
    assert_eq!(hinted, get(address, &format!("/live/stage/low/{hint}")).body);
    let segment = &whole.segments[(next - whole.media_sequence) as usize];
    let fetch = |uri: &str| {
        let reply = get(address, &format!("/live/stage/low/{uri}"));
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("video/mp4")));
        assert_eq!(reply.header("cache-control"), Some("public, max-age=3600, immutable"));
        reply.body
    };
    // It may be named without its parts by now, which can be had still.
    let stem = hint.strip_suffix(&format!("{parts}.m4s")).unwrap();
    let part = |number: usize| get(address, &format!("/live/stage/low/{stem}{number}.m4s"));
    let parts = (0..).map(part).take_while(|reply| reply.status == 200).flat_map(|reply| reply.body);
    assert_eq!(parts.collect::<Vec<u8>>(), fetch(&segment.uri));
    stop(stage.server);
}

#[test]
fn the_end_of_a_stream_releases_all_who_wait() {
    let stage = Standing::new(&[]);
    let next = stage.settled().next_msn();
    let waiting: Vec<Wire> =
        (0..20).map(|_| asking(stage.address, &format!("GET {PLAYLIST}?_HLS_msn={}", next + 1))).collect();
    let hint = stage.settled().preload_hints[0].uri.clone();
    let mut hinted = asking(stage.address, &format!("GET /live/stage/low/{hint}"));
    hinted.wait_until_read();
    waiting.iter().for_each(Wire::wait_until_read);
    assert_eq!(ask(stage.address, "DELETE /live/stage").status, 204);
    for wire in waiting {
        assert!(ended(&String::from_utf8(body(wire)).unwrap()));
    }
    // The rest of the feed may have made a part of it, or not.
    assert!([200, 404].contains(&hinted.read_response().status));
    // What is asked of a stream that has ended does not matter any more.
    let late = get(stage.address, &format!("{PLAYLIST}?_HLS_msn=100000&_HLS_part=7&_HLS_skip=YES"));
    assert!(late.status == 200 && ended(late.text()));
    let list = read(late.text());
    assert!(list.preload_hints.is_empty() && list.reports.is_empty() && list.unfinished.is_none());
    stop(stage.server);
}

#[test]
fn directives_that_make_no_sense_are_refused() {
    let stage = Standing::new(&[]);
    let list = stage.settled();
    let next = list.next_msn();
    let parts = list.unfinished.as_ref().unwrap().parts.len() as u64;
    for (query, status) in [
        (format!("_HLS_msn={}", next + 2), 400),
        (format!("_HLS_msn={next}&_HLS_part={}", parts + 40), 400),
        ("_HLS_part=0".to_owned(), 400),
        ("_HLS_msn=x".to_owned(), 400),
        ("_HLS_msn=-1".to_owned(), 400),
        (format!("_HLS_msn={next}&_HLS_part=x"), 400),
        (format!("_HLS_msn={}", next - 1), 200),
        (format!("_HLS_msn={}&_HLS_part=0", next - 1), 200),
        ("_HLS_msn=0".to_owned(), 200),
        ("_HLS_skip=maybe&other=1".to_owned(), 200),
    ] {
        let reply = get(stage.address, &format!("{PLAYLIST}?{query}"));
        assert_eq!(reply.status, status, "{query}: {}", reply.text());
        let cached = reply.header("cache-control").unwrap();
        assert_eq!(cached == "no-store", status == 400, "{query}: {cached}");
    }
    let nothing = [
        "/live/stage/low/part-1-0-0.m4s",
        "/live/stage/low/x",
        "/live/stage/none/playlist.m3u8",
        "/live/none/index.m3u8",
        &format!("/live/stage/low/{}", list.preload_hints[0].uri.replace(".m4s", "9.m4s")),
    ];
    for path in nothing {
        let reply = get(stage.address, path);
        assert_eq!((reply.status, reply.header("cache-control")), (404, Some("no-store")), "{path}");
    }
    stop(stage.server);
}

#[test]
fn a_playlist_says_what_it_can_and_leaves_out_what_is_known() {
    let stage = Standing::new(&["--window", "60s"]);
    let list = stage.settled();
    assert_eq!((list.target_duration, list.kind), (2, None));
    let target = list.part_target.unwrap();
    assert!((Duration::from_millis(200)..Duration::from_millis(400)).contains(&target), "{target:?}");
    let control = list.server_control;
    assert!(control.can_block_reload && control.part_hold_back.unwrap() >= target * 3);
    assert_eq!(control.can_skip_until, Some(Duration::from_secs(12)));
    // Each segment has its date, and they follow each other as the segments do.
    let dates: Vec<i64> =
        list.segments.iter().map(|segment| segment.program_date_time.unwrap().timestamp_millis()).collect();
    for (pair, segment) in dates.windows(2).zip(&list.segments) {
        let apart = pair[1] - pair[0] - segment.duration.as_millis() as i64;
        assert!(apart.abs() <= 40, "{apart}");
    }
    // Parts are named for the last three target durations.
    let named = list.segments.iter().filter(|segment| !segment.parts.is_empty()).count();
    assert!((3..=5).contains(&named), "{named} of {}", list.segments.len());
    let delta = get(stage.address, &format!("{PLAYLIST}?_HLS_skip=YES"));
    assert!(delta.text().contains("#EXT-X-SKIP:SKIPPED-SEGMENTS="), "{}", delta.text());
    assert_eq!(list.update(&delta.body, Variables::default()).unwrap(), list);
    assert!(delta.body.len() < get(stage.address, PLAYLIST).body.len());
    // The other rendition, and where it is.
    let other = playlist(stage.address, "/live/stage/high/playlist.m3u8", |_| true);
    let [report] = &list.reports[..] else { panic!("{:?}", list.reports) };
    assert_eq!(report.uri, "../high/playlist.m3u8");
    // It is as old as the last part of ours, which may have come before the last ones of the other.
    let last = other.next_msn() - u64::from(other.unfinished.is_none());
    assert!(report.last_msn <= last, "{report:?} {last}");
    assert!(report.last_part.is_some());
    // Renditions of one encoder are cut at the same times.
    let starts = |list: &MediaPlaylist| -> Vec<_> {
        list.segments.iter().map(|segment| segment.program_date_time).collect()
    };
    let (ours, theirs) = (starts(&list), starts(&other));
    assert!(
        theirs.iter().filter(|start| ours.contains(start)).count() + 1 >= theirs.len(),
        "{ours:?} {theirs:?}"
    );
    // Compressed for those who like that.
    let mut wire = Wire::connect(stage.address);
    wire.send(format!("GET {PLAYLIST} HTTP/1.1\r\nHost: test\r\nAccept-Encoding: gzip\r\n\r\n"));
    let packed = wire.read_response();
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("vary").unwrap().to_ascii_lowercase(), "accept-encoding");
    assert!(packed.body.len() * 2 < get(stage.address, PLAYLIST).body.len());
    stop(stage.server);
}

#[test]
fn a_window_slides_and_what_has_left_it_can_still_be_had() {
    let mut stage = Standing::new(&["--window", "6s"]);
    stage.go_on();
    let [low, high] = stage.publishers;
    let list = playlist(stage.address, PLAYLIST, |text| read(text).next_msn() >= 23);
    assert!(list.media_sequence > 0 && list.segments.len() <= 5, "{}", list.media_sequence);
    assert!(list.duration() >= Duration::from_secs(6));
    let first = &list.segments[0].uri;
    let before =
        first.replace(&format!("-{}.m4s", list.media_sequence), &format!("-{}.m4s", list.media_sequence - 1));
    assert_eq!(get(stage.address, &format!("/live/stage/low/{before}")).status, 200);
    drop((low, high));
    stop(stage.server);
}
