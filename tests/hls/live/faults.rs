//! Publishers that drop, return, are too fast or send what nobody can use, and viewers that do not read.

use std::time::{Duration, Instant};

use super::stage::{FAST, Publisher, TS, ask, asking, ended, get, live, playlist, quick, read, remuxed};
use crate::support::command::{metric, stop};

const PLAYLIST: &str = "/live/stage/main/playlist.m3u8";

#[test]
fn what_was_missed_is_a_gap_and_what_comes_then_a_discontinuity() {
    let (mut server, address) = live(&["--segment", "500ms", "--event", "--metrics", "127.0.0.1:0"]);
    let page = server.address("metrics");
    let feed = quick(3);
    let mut publisher = Publisher::put(address, "stage");
    publisher.send(&feed);
    let before = playlist(address, PLAYLIST, |text| read(text).next_msn() >= 3);
    assert_eq!((before.target_duration, before.discontinuity_sequence), (1, 0));
    publisher.vanish();
    let gap = playlist(address, PLAYLIST, |text| text.contains("#EXT-X-GAP"));
    let first = gap.segments.iter().position(|segment| segment.gap).unwrap();
    // What is not there cannot be had.
    assert_eq!(get(address, &format!("/live/stage/main/{}", gap.segments[first].uri)).status, 404);
    assert!(metric(page, "wireworks_hls_live_gaps_total") > 0);
    // It comes back, with times that begin anew.
    let mut publisher = Publisher::put(address, "stage");
    publisher.send(&feed);
    let back = playlist(address, PLAYLIST, |text| read(text).segments.last().is_some_and(|last| !last.gap));
    let at = back.segments.iter().position(|segment| segment.discontinuity).unwrap();
    assert!(back.segments[at - 1].gap && !back.segments[at].gap);
    // Its date is when it came, not where the first one would have gone on.
    let dates: Vec<i64> =
        back.segments.iter().map(|segment| segment.program_date_time.unwrap().timestamp_millis()).collect();
    assert!(dates.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(ask(address, "DELETE /live/stage").status, 204);
    let whole = playlist(address, PLAYLIST, ended);
    assert_eq!(whole.segments.iter().filter(|segment| segment.discontinuity).count(), 1);
    stop(server);
}

#[test]
fn a_publisher_that_returns_at_once_leaves_no_gap() {
    let (server, address) = live(&[&FAST[..], &["--segment", "500ms", "--event"]].concat());
    let feed = quick(4);
    for _ in 0..3 {
        let mut publisher = Publisher::put(address, "stage");
        publisher.send(&feed);
        assert_eq!(publisher.end().status, 204);
    }
    assert_eq!(ask(address, "DELETE /live/stage").status, 204);
    let list = playlist(address, PLAYLIST, ended);
    let marked = list.segments.iter().filter(|segment| segment.discontinuity).count();
    assert_eq!((marked, list.segments.iter().any(|segment| segment.gap)), (2, false));
    assert!((11.9..12.1).contains(&list.duration().as_secs_f64()), "{:?}", list.duration());
    // Every segment since has its initialization section, and can be had.
    for segment in &list.segments {
        for uri in [&segment.uri, &segment.map.as_ref().unwrap().uri] {
            assert_eq!(get(address, &format!("/live/stage/main/{uri}")).status, 200, "{uri}");
        }
    }
    stop(server);
}

#[test]
fn a_publisher_that_is_too_fast_is_made_to_wait() {
    let (server, address) = live(&["--ahead", "500ms", "--event", "--reconnect", "0s"]);
    let feed = quick(4);
    let began = Instant::now();
    let mut publisher = Publisher::put(address, "stage");
    publisher.send(&feed);
    assert_eq!(publisher.end().status, 204);
    // Four seconds, of which it may be half a one ahead; the first segment is taken as it comes.
    assert!(began.elapsed() >= Duration::from_millis(1400), "{:?}", began.elapsed());
    let list = playlist(address, PLAYLIST, ended);
    assert!(list.segments.iter().all(|segment| !segment.gap && !segment.discontinuity));
    stop(server);
}

#[test]
fn what_cannot_be_served_is_refused_with_a_reason() {
    let limits = ["--max-streams", "2", "--max-renditions", "2"];
    let (server, address) = live(&[&FAST[..], &limits].concat());
    let ts = remuxed("240p.mp4", 1, &TS);
    let refused = |name: &str, bytes: &[u8]| {
        let mut publisher = Publisher::put(address, name);
        publisher.send(bytes);
        let reply = publisher.end();
        (reply.status, reply.text().to_owned())
    };
    let mut publisher = Publisher::put(address, "stage/low");
    publisher.send(&ts);
    playlist(address, "/live/stage/low/playlist.m3u8", |_| true);
    for (name, bytes, status, reason) in [
        ("stage/low", &b""[..], 409, "stage/low"),
        (".hidden", b"", 400, "not the name of a stream"),
        ("a%20b", b"", 400, "not the name of a stream"),
        ("other", b"hello, this is no stream of any kind", 415, "neither MPEG-TS nor fragmented MP4"),
        // A file whose index is behind its samples is nothing that goes on.
        ("other", b"\0\0\0\x10ftypiso6\0\0\0\0\0\0\0\x10mdat\0\0\0\0\0\0\0\0", 400, "MP4"),
    ] {
        let (got, text) = refused(name, bytes);
        assert_eq!(got, status, "{name}: {text}");
        assert!(text.contains(reason), "{name}: {text}");
    }
    // A stream that has as many renditions as it may says so.
    let mut second = Publisher::put(address, "stage/high");
    second.send(&ts);
    playlist(address, "/live/stage/high/playlist.m3u8", |_| true);
    let (status, text) = refused("stage/third", &ts);
    assert_eq!(status, 503, "{text}");
    // The first one goes on.
    playlist(address, "/live/stage/low/playlist.m3u8", |text| !ended(text));
    drop(publisher);
    stop(server);
}

#[test]
fn a_viewer_that_never_reads_holds_up_nobody_and_nothing_is_copied_for_it() {
    let (server, address) = live(&[&FAST[..], &["--event"]].concat());
    let mut publisher = Publisher::put(address, "stage");
    let feed = remuxed("480p.mp4", 1, &TS);
    publisher.send(&feed[..feed.len() / 2]);
    let list = playlist(address, PLAYLIST, |text| read(text).next_msn() >= 3);
    let before = server.peak();
    let idle: Vec<_> = (0..200)
        .map(|index| {
            let uri = &list.segments[index % 3].uri;
            asking(address, &format!("GET /live/stage/main/{uri}"))
        })
        .collect();
    idle.iter().for_each(crate::support::wire::Wire::wait_until_read);
    publisher.send(&feed[feed.len() / 2..]);
    playlist(address, PLAYLIST, |text| read(text).next_msn() >= 7);
    // Two hundred copies of a segment would be twenty megabytes.
    let grown = server.peak() - before;
    assert!(grown < 12 << 20, "{grown}");
    drop((idle, publisher));
    stop(server);
}

#[test]
fn memory_has_an_end() {
    let (mut server, address) =
        live(&[&FAST[..], &["--memory", "1MiB", "--window", "1h", "--metrics", "127.0.0.1:0"]].concat());
    let page = server.address("metrics");
    let feed = remuxed("480p.mp4", 2, &TS);
    let mut publisher = Publisher::put(address, "stage");
    publisher.send(&feed);
    // The window is shorter than it was to be.
    let list = playlist(address, PLAYLIST, |text| read(text).next_msn() >= 14);
    assert!(list.media_sequence > 0);
    assert!(metric(page, "wireworks_hls_live_memory_bytes") <= 1 << 20);
    drop(publisher);
    // A stream that keeps all of itself ends where there is no more.
    let (second, address) =
        live(&[&FAST[..], &["--memory", "1MiB", "--event", "--reconnect", "0s"]].concat());
    let mut publisher = Publisher::put(address, "stage");
    publisher.send(&feed[..feed.len() * 9 / 10]);
    assert_eq!(publisher.told().status, 507);
    playlist(address, PLAYLIST, ended);
    stop(server);
    stop(second);
}
