//! Streams that are recorded: what is on the disk when they have ended, and what plays it.

use std::path::Path;
use std::time::Instant;

use super::stage::{FAST, PATIENCE, Publisher, TS, files, live, pictures, playlist, plays, read, remuxed};
use crate::hls::check::good;
use crate::hls::origin::{media, serve};
use crate::support::command::{stop, wireworks};

/// The one folder in a folder, when it is there.
#[track_caller]
pub(super) fn whole(folder: &Path) -> std::path::PathBuf {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let found = entries.map(|entry| entry.unwrap().path());
        let mut visible = found.filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
        if let Some(path) = visible.next() {
            return path;
        }
        assert!(Instant::now() < deadline, "nothing was recorded");
        std::thread::yield_now();
    }
}

#[test]
fn a_recording_is_whole_when_it_is_seen_and_plays_as_the_stream_did() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let args = [&FAST[..], &["--record", &folder, "--reconnect", "0s", "--window", "4s"]].concat();
    let (server, address) = live(&args);
    let mut publishers = ["240p", "360p"].map(|name| Publisher::put(address, &format!("show/{name}")));
    let feeds = ["240p.mp4", "360p.mp4"].map(|name| remuxed(name, 1, &TS));
    for part in 0..10 {
        for (publisher, feed) in publishers.iter_mut().zip(&feeds) {
            let at = |part: usize| feed.len() * part / 10;
            publisher.send(&feed[at(part)..at(part + 1)]);
        }
    }
    for publisher in publishers {
        assert_eq!(publisher.end().status, 204);
    }
    let tree = whole(dir.path());
    assert!(tree.file_name().unwrap().to_str().unwrap().starts_with("show-"));
    // All of it, though viewers could only see the last seconds.
    for name in ["240p", "360p"] {
        let list = read(&std::fs::read_to_string(tree.join(name).join("playlist.m3u8")).unwrap());
        assert!(list.ended && list.segments.len() == 8, "{}", list.segments.len());
        let seen = pictures(&tree.join(name).join("playlist.m3u8").display().to_string());
        assert!(seen == pictures(&media(&format!("{name}.mp4"))), "{name}");
    }
    plays(&tree.join("master.m3u8").display().to_string(), None);
    good(&tree.display().to_string());
    assert!(files(dir.path()).iter().all(|file| !file.contains(".partial")));
    stop(server);
    // The origin serves it.
    let (origin, address) = serve(&[&format!("show={}", tree.display())]);
    plays(&format!("http://{address}/show/master.m3u8"), None);
    stop(origin);
}

#[test]
fn a_server_that_is_told_to_stop_completes_what_it_records() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let (server, address) = live(&[&FAST[..], &["--record", &folder]].concat());
    let mut publisher = Publisher::put(address, "show");
    publisher.send(&remuxed("240p.mp4", 1, &TS));
    playlist(address, "/live/show/main/playlist.m3u8", |text| read(text).next_msn() >= 4);
    stop(server);
    assert_eq!(publisher.told().status, 410);
    let list = read(&std::fs::read_to_string(whole(dir.path()).join("main/playlist.m3u8")).unwrap());
    assert!(list.ended && list.segments.len() >= 4);
}

#[test]
fn a_server_that_is_killed_leaves_a_recording_that_the_next_one_completes() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let (server, address) = live(&[&FAST[..], &["--record", &folder]].concat());
    let mut publisher = Publisher::put(address, "show");
    publisher.send(&remuxed("240p.mp4", 1, &TS));
    let third = |path: &str| path.ends_with("-2.m4s");
    let deadline = Instant::now() + PATIENCE;
    while !files(dir.path()).iter().any(|path| third(path)) {
        assert!(Instant::now() < deadline, "nothing is written");
        std::thread::yield_now();
    }
    drop(server);
    assert!(files(dir.path()).iter().all(|file| file.contains(".partial")));
    let (server, _) = live(&["--record", &folder]);
    let tree = whole(dir.path());
    let list = read(&std::fs::read_to_string(tree.join("main/playlist.m3u8")).unwrap());
    assert!(list.ended && list.segments.len() >= 2);
    plays(&tree.join("master.m3u8").display().to_string(), None);
    stop(server);
}

#[test]
fn sound_that_is_sent_apart_counts_in_a_recording() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let (server, address) = live(&[&FAST[..], &["--record", &folder, "--reconnect", "0s"]].concat());
    let tracks = [("cmaf/video.cmfv", "0:v"), ("cmaf/audio.cmfa", "0:a")];
    let mut publishers = Vec::new();
    for (name, track) in tracks {
        let mut publisher = Publisher::put(address, name);
        publisher.send(&remuxed("240p.mp4", 1, &[&["-map", track], &super::stage::FMP4[..]].concat()));
        publishers.push(publisher);
    }
    for publisher in publishers {
        assert_eq!(publisher.end().status, 204);
    }
    let tree = whole(dir.path()).join("master.m3u8").display().to_string();
    let checked = wireworks(&["hls", "check", &tree]).wait();
    let text = checked.success().text();
    assert!(!text.contains("bandwidth"), "{text}");
    plays(&tree, None);
    stop(server);
}

#[test]
fn a_disk_that_cannot_be_written_costs_the_recording_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "not a folder").unwrap();
    let (mut server, address) =
        live(&[&FAST[..], &["--record", &blocked.display().to_string(), "--reconnect", "0s"]].concat());
    let mut publisher = Publisher::put(address, "show");
    publisher.send(&remuxed("240p.mp4", 1, &TS));
    assert_eq!(publisher.end().status, 204);
    server.wait_for_stderr("the recording ends here");
    playlist(address, "/live/show/main/playlist.m3u8", super::stage::ended);
    stop(server);
}
