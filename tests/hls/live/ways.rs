//! All ways by which a feed comes in, and what is seen of it then.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;

use super::stage::{
    FAST, FMP4, Publisher, TS, ask, ended, get, live, pictures, playlist, plays, remuxed, until,
};
use crate::hls::origin::media;
use crate::support::command::stop;
use crate::support::process::Process;
use crate::support::tool::Tool;

/// A stream ends when its publisher does, and can be watched from its beginning.
const WHOLE: [&str; 3] = ["--event", "--reconnect", "0s"];

#[test]
fn every_picture_of_a_feed_is_seen_whatever_way_it_came() {
    let ts = remuxed("240p.mp4", 1, &TS);
    let mp4 = remuxed("240p.mp4", 1, &FMP4);
    let source = pictures(&media("240p.mp4"));
    let args = [&FAST[..], &WHOLE, &["--tcp", "tcp/hd=127.0.0.1:0", "--tcp", "127.0.0.1:0"]].concat();
    let (mut server, address) = live(&args);
    let doors = [server.address("hls-ts"), server.address("hls-ts")];
    for (name, bytes) in [("put", &ts), ("mp4", &mp4)] {
        let mut publisher = Publisher::put(address, name);
        publisher.send(bytes);
        assert_eq!(publisher.end().status, 204);
    }
    for door in doors {
        TcpStream::connect(door).unwrap().write_all(&ts).unwrap();
    }
    for (path, size) in [("put/main", 400), ("mp4/main", 400), ("tcp/hd", 400), ("tcp-1/main", 400)] {
        let path = format!("/live/{path}/playlist.m3u8");
        let list = playlist(address, &path, ended);
        assert_eq!((list.segments.len(), list.target_duration), (8, 2), "{path}");
        assert!(list.segments.iter().all(|segment| !segment.discontinuity));
        let seen = pictures(&format!("http://{address}{path}"));
        assert!(seen == source, "{path}: {} pictures of {}", seen.len(), source.len());
        assert_eq!(seen.len(), size);
    }
    // The page at / is told of them.
    let list = get(address, "/streams.json");
    for name in ["mp4", "put", "tcp", "tcp-1"] {
        let row = format!(r#"{{"name":"{name}","url":"live/{name}/index.m3u8","live":false}}"#);
        assert!(list.text().contains(&row), "{}", list.text());
    }
    assert!(get(address, "/").text().contains("<video"));
    let index = get(address, "/live/put/index.m3u8");
    for part in [
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "RESOLUTION=426x240",
        "FRAME-RATE=25",
        "CODECS=\"avc1.",
        "mp4a.40.2",
        "AVERAGE-BANDWIDTH=",
        "main/playlist.m3u8",
    ] {
        assert!(index.text().contains(part), "{part}: {}", index.text());
    }
    plays(&format!("http://{address}/live/put/index.m3u8"), None);
    stop(server);
}

#[test]
fn the_standard_input_is_a_stream_and_ends_with_it() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    let args = ["hls", "live", "--listen", "127.0.0.1:0", "--stdin", "in/low", "--event"];
    command.args(args).args(FAST);
    let mut server = Process::start(&mut command, remuxed("240p.mp4", 1, &TS));
    let address = server.address("hls");
    let list = playlist(address, "/live/in/low/playlist.m3u8", ended);
    assert_eq!(list.segments.len(), 8);
    stop(server);
}

#[test]
fn tracks_that_are_sent_apart_are_played_together() {
    let (server, address) = live(&[&FAST[..], &WHOLE].concat());
    let tracks = [("cmaf/video.cmfv", "0:v"), ("cmaf/audio.cmfa", "0:a")];
    let mut publishers = Vec::new();
    for (name, track) in tracks {
        let mut publisher = Publisher::put(address, name);
        publisher.send(&remuxed("240p.mp4", 1, &[&["-map", track], &FMP4[..]].concat()));
        publishers.push(publisher);
    }
    for publisher in publishers {
        assert_eq!(publisher.end().status, 204);
    }
    for rendition in ["video", "audio"] {
        playlist(address, &format!("/live/cmaf/{rendition}/playlist.m3u8"), ended);
    }
    let index = get(address, "/live/cmaf/index.m3u8");
    let text = index.text();
    assert!(text.contains("TYPE=AUDIO") && text.contains("URI=\"audio/playlist.m3u8\""), "{text}");
    assert_eq!(text.matches("#EXT-X-STREAM-INF").count(), 1, "{text}");
    plays(&format!("http://{address}/live/cmaf/index.m3u8"), None);
    stop(server);
}

#[test]
fn an_encoder_in_real_time_is_watched_while_it_goes_on() {
    let (server, address) = live(&["--reconnect", "0s"]);
    let feed = format!(
        "ffmpeg -v error -re -i {} -t 10 -c copy -f mpegts - | curl -sS -T - http://{address}/live/stage",
        media("360p.mp4")
    );
    let encoder = Tool::new("sh").args(["-c", &feed]).start();
    let url = format!("http://{address}/live/stage/index.m3u8");
    until(address, "/live/stage/index.m3u8", |reply| reply.status == 200);
    let list = playlist(address, "/live/stage/main/playlist.m3u8", |text| text.contains("EXT-X-PART:"));
    assert!(!list.ended && list.server_control.can_block_reload);
    plays(&url, Some(5));
    // It is over when the encoder is.
    encoder.wait().success();
    playlist(address, "/live/stage/main/playlist.m3u8", ended);
    stop(server);
}

#[test]
fn a_stream_is_ended_by_delete() {
    let (server, address) = live(&FAST);
    let mut publisher = Publisher::put(address, "stage");
    publisher.send(&remuxed("240p.mp4", 1, &TS));
    playlist(address, "/live/stage/main/playlist.m3u8", |_| true);
    assert_eq!(ask(address, "DELETE /live/stage").status, 204);
    playlist(address, "/live/stage/main/playlist.m3u8", ended);
    assert_eq!(publisher.told().status, 410);
    assert_eq!(ask(address, "DELETE /live/stage").status, 404);
    // It may begin again.
    let mut publisher = Publisher::put(address, "stage");
    publisher.send(&remuxed("240p.mp4", 1, &TS));
    playlist(address, "/live/stage/main/playlist.m3u8", |text| !ended(text));
    drop(publisher);
    stop(server);
}
