//! Publishers that drop, return, are too fast or send what nobody can use, and viewers that do not read.

use std::time::{Duration, Instant};

use super::recording::whole;
use super::stage::{
    FAST, Publisher, TS, ask, asking, ended, get, live, playlist, plays, quick, read, remuxed,
};
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
fn a_window_of_gaps_moves_on_and_ends_and_what_was_recorded_can_be_played() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let args = ["--segment", "500ms", "--window", "3s", "--reconnect", "1m", "--record", &folder];
    let (server, address) = live(&args);
    let mut publisher = Publisher::put(address, "stage");
    publisher.send(&quick(3));
    playlist(address, PLAYLIST, |text| read(text).next_msn() >= 3);
    publisher.vanish();
    let gaps = playlist(address, PLAYLIST, |text| read(text).segments.iter().all(|segment| segment.gap));
    let later = playlist(address, PLAYLIST, |text| read(text).media_sequence > gaps.media_sequence);
    assert!(later.media_sequence > 0);
    assert_eq!(get(address, "/live/stage/index.m3u8").status, 200);
    assert_eq!(ask(address, "DELETE /live/stage").status, 204);
    playlist(address, PLAYLIST, ended);
    let tree = whole(dir.path());
    let master = std::fs::read_to_string(tree.join("master.m3u8")).unwrap();
    assert!(master.contains("\nmain/playlist.m3u8"), "{master}");
    plays(&tree.join("master.m3u8").display().to_string(), None);
    stop(server);
}

#[test]
fn a_stream_that_begins_again_goes_on_counting_and_what_was_told_can_still_be_had() {
    let (server, address) = live(&[&FAST[..], &["--segment", "500ms"]].concat());
    let feed = quick(4);
    let mut publisher = Publisher::put(address, "stage");
    publisher.send(&feed);
    playlist(address, PLAYLIST, |text| read(text).next_msn() >= 6);
    assert_eq!(ask(address, "DELETE /live/stage").status, 204);
    let old = playlist(address, PLAYLIST, ended);
    let mut publisher = Publisher::put(address, "stage");
    // Until there is something new, what was is shown.
    publisher.taken();
    assert_eq!(get(address, "/live/stage/index.m3u8").status, 200);
    publisher.send(&feed);
    let new = playlist(address, PLAYLIST, |text| !ended(text));
    assert_eq!(new.media_sequence, old.next_msn());
    let marked = old.segments.iter().filter(|segment| segment.discontinuity).count() as u64;
    assert_eq!(new.discontinuity_sequence, old.discontinuity_sequence + marked);
    assert!(new.segments[0].discontinuity);
    for list in [&old, &new] {
        let segment = &list.segments[0];
        for uri in [&segment.uri, &segment.map.as_ref().unwrap().uri] {
            assert_eq!(get(address, &format!("/live/stage/main/{uri}")).status, 200, "{uri}");
        }
    }
    drop(publisher);
    stop(server);
}

#[test]
fn a_rendition_that_drops_alone_has_the_numbers_of_the_others() {
    let args = ["--segment", "500ms", "--event", "--ahead", "1h", "--reconnect", "1m"];
    let (server, address) = live(&args);
    let feed = quick(4);
    let mut steady = Publisher::put(address, "stage/a");
    let mut other = Publisher::put(address, "stage/b");
    let half = feed.len() / 2;
    steady.send(&feed[..half]);
    other.send(&feed[..half]);
    let list = |name: &str| format!("/live/stage/{name}/playlist.m3u8");
    playlist(address, &list("a"), |text| read(text).next_msn() >= 2);
    playlist(address, &list("b"), |text| read(text).next_msn() >= 2);
    assert_eq!(other.end().status, 204);
    // Its feed begins again, and the first one goes on.
    let mut other = Publisher::put(address, "stage/b");
    other.send(&feed);
    playlist(address, &list("b"), |text| read(text).segments.iter().any(|segment| segment.discontinuity));
    steady.send(&feed[half..]);
    playlist(address, &list("a"), |text| read(text).segments.iter().any(|segment| segment.discontinuity));
    assert_eq!(ask(address, "DELETE /live/stage").status, 204);
    for name in ["a", "b"] {
        let read = playlist(address, &list(name), ended);
        let marked = read.segments.iter().filter(|segment| segment.discontinuity).count();
        assert_eq!((read.discontinuity_sequence, marked), (0, 1), "{name}");
    }
    stop(server);
}

#[test]
fn a_publisher_that_says_nothing_is_told_that_its_stream_has_ended() {
    let (mut server, address) =
        live(&[&FAST[..], &["--tcp", "tcp=127.0.0.1:0", "--silence", "10m"]].concat());
    let mut feed = std::net::TcpStream::connect(server.address("hls-ts")).unwrap();
    std::io::Write::write_all(&mut feed, &quick(4)).unwrap();
    playlist(address, "/live/tcp/main/playlist.m3u8", |_| true);
    assert_eq!(ask(address, "DELETE /live/tcp").status, 204);
    feed.set_read_timeout(Some(super::stage::PATIENCE)).unwrap();
    assert_eq!(std::io::Read::read(&mut feed, &mut [0; 1]).unwrap_or(0), 0);
    stop(server);
}

#[test]
fn the_demonstration_begins_anew() {
    let (server, address) = live(&["--demo"]);
    let list = "/live/demo/240p/playlist.m3u8";
    let first = playlist(address, list, |_| true);
    assert_eq!(ask(address, "DELETE /live/demo").status, 204);
    playlist(address, list, |text| !ended(text) && read(text).media_sequence >= first.next_msn());
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
