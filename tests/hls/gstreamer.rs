//! GStreamer as a player of all that is published: packages, films that are packaged while they are watched, and live streams, each to its end.
//!
//! `checksumsink` prints the time and the hash of each picture, so that what is seen is compared with what the file itself shows, picture by picture. Lines of 640 bytes
//! have no padding, which would be hashed as well. Films are longer than what `hlsdemux2` loads in advance: where it has loaded all before it has shown
//! anything, it may give up ("Can't push EOS on non-exposed pad").

use std::collections::BTreeSet;
use std::time::Duration;

use super::origin::{media, package, repeated, serve, until};
use crate::support::command::{stop, wireworks};
use crate::support::tool::Tool;

/// How long a player may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Plays pictures and sound to the end, as fast as it goes or by the clock: times and hashes of the pictures. The player has nothing to complain about.
#[track_caller]
fn played(url: &str, by_the_clock: bool) -> Vec<(String, String)> {
    let sink = |name: &str, element: &str| format!("{name}-sink={element} sync={by_the_clock}");
    let sinks = [sink("video", "checksumsink"), sink("audio", "fakesink")];
    // Pictures, sound, and a volume, which the sink does not have.
    let args = ["playbin3", &format!("uri={url}"), "flags=0x13", &sinks[0], &sinks[1]];
    let ended = Tool::new("gst-launch-1.0").within(PATIENCE).args(args).run();
    let said = ended.text();
    let is_fault = |line: &str| ["WARNING", "ERROR", "Missing"].iter().any(|word| line.contains(word));
    let faults: Vec<&str> = said.lines().chain(ended.stderr.lines()).filter(|line| is_fault(line)).collect();
    assert!(faults.is_empty(), "{url}: {faults:#?}");
    assert!(ended.success().text().contains("Got EOS from element"), "{url}: {said}");
    let pictures = said.lines().filter_map(|line| line.split_once(' '));
    let is_hash = |word: &str| word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pictures = pictures.filter(|(_, hash)| is_hash(hash));
    pictures.map(|(time, hash)| (time.to_owned(), hash.to_owned())).collect()
}

fn hashes(pictures: Vec<(String, String)>) -> Vec<String> {
    pictures.into_iter().map(|(_, hash)| hash).collect()
}

#[test]
fn packages_and_films_show_each_picture_of_their_source() {
    let dir = tempfile::tempdir().unwrap();
    let folder = |name: &str| dir.path().join(name).display().to_string();
    let [low, high] = ["240p.mp4", "360p.mp4"].map(|name| repeated(name, 3, dir.path()));
    for (name, options) in [
        ("fragments", "--segment 4s"),
        ("transport", "--segment 4s --format ts"),
        ("secret", "--segment 4s --encrypt --key-rotate 2"),
        ("ranges", "--segment 2s --single-file"),
    ] {
        let options: Vec<&str> = options.split(' ').collect();
        package(folder(name).as_ref(), &[&[&*high], &options[..]].concat());
    }
    let folders = ["fragments", "transport", "secret", "ranges"].map(folder);
    let films = [format!("film={high}"), format!("ladder={low}"), format!("ladder={high}")];
    let inputs: Vec<&str> = folders.iter().chain(&films).map(String::as_str).collect();
    let (server, address) = serve(&inputs);
    let source = hashes(played(&format!("file://{high}"), false));
    assert_eq!(source.len(), 1200);
    for path in ["fragments", "transport", "secret", "ranges", "film/fmp4", "film/ts"] {
        let seen = hashes(played(&format!("http://{address}/{path}/master.m3u8"), false));
        assert!(seen == source, "{path}: {} pictures", seen.len());
    }
    // It begins with the smaller rendition and goes on with the larger one.
    let seen = played(&format!("http://{address}/ladder/master.m3u8"), false);
    let times: BTreeSet<&String> = seen.iter().map(|(time, _)| time).collect();
    assert_eq!(times.len(), 1200);
    assert!(seen.last().map(|(_, hash)| hash) == source.last());
    stop(server);
}

#[test]
fn a_live_stream_is_played_while_it_goes_on_and_to_its_end() {
    let mut server = wireworks(&["hls", "live", "--listen", "127.0.0.1:0", "--reconnect", "0s"]);
    let address = server.address("hls");
    let file = media("360p.mp4");
    let feed = format!(
        "ffmpeg -v error -re -i {file} -c copy -f mpegts - | curl -sS -T - http://{address}/live/stage"
    );
    let encoder = Tool::new("sh").args(["-c", &feed]).start();
    // `hlsdemux2` of GStreamer 1.22 never goes on from a live playlist of one segment.
    until(address, "/live/stage/main/playlist.m3u8", |reply| reply.text().matches("#EXTINF").count() >= 3);
    let seen = hashes(played(&format!("http://{address}/live/stage/index.m3u8"), true));
    encoder.wait().success();
    let source = hashes(played(&format!("file://{file}"), false));
    assert!(seen.len() >= 200 && source.ends_with(&seen), "{} of {}", seen.len(), source.len());
    stop(server);
}
