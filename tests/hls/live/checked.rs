//! What `wireworks hls check` says of streams: while they go on, when they have ended, and of what was recorded of them.

use std::net::SocketAddr;

use super::recording::whole;
use super::stage::{FAST, FMP4, Publisher, ask, ended, live, playlist, quick, remuxed, until};
use crate::hls::check::good;
use crate::hls::origin::media;
use crate::support::command::stop;
use crate::support::tool::Tool;

/// An encoder that publishes two renditions of a stream in real time, for sixteen seconds.
fn encoder(address: SocketAddr) -> Tool {
    let (low, high) = (media("240p.mp4"), media("360p.mp4"));
    let to = |name: &str| format!("http://{address}/live/stage/{name}");
    let (to_low, to_high) = (to("low"), to("high"));
    let input = ["-v", "error", "-nostdin", "-re", "-i", &low, "-re", "-i", &high];
    let output = ["-c", "copy", "-f", "mpegts", "-method", "PUT"];
    let tool = Tool::new("ffmpeg").args(input);
    let tool = tool.args(["-map", "0"]).args(output).args([&to_low]);
    tool.args(["-map", "1"]).args(output).args([&to_high])
}

#[test]
fn a_stream_of_two_renditions_is_good_while_it_goes_on_and_when_it_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let (server, address) = live(&["--window", "8s", "--reconnect", "0s", "--record", &folder]);
    let encoder = encoder(address).start();
    let index = "/live/stage/index.m3u8";
    until(address, index, |reply| {
        reply.status == 200 && reply.text().matches("#EXT-X-STREAM-INF").count() == 2
    });
    let url = format!("http://{address}{index}");
    // It has parts, and is answered when they are there.
    let list = playlist(address, "/live/stage/high/playlist.m3u8", |text| text.contains("#EXT-X-PART:"));
    assert!(!list.ended && list.server_control.can_block_reload);
    let (playlists, segments) = good(&url);
    assert!(playlists > 2 * 3 && segments >= 2 * 3, "{playlists} {segments}");
    encoder.wait().success();
    for name in ["low", "high"] {
        playlist(address, &format!("/live/stage/{name}/playlist.m3u8"), ended);
    }
    assert!(good(&url).1 >= 2 * 4);
    let recorded = good(&whole(dir.path()).display().to_string());
    assert!(recorded.0 == 3 && recorded.1 == 2 * 8, "{recorded:?}");
    stop(server);
}

#[test]
fn a_stream_with_gaps_is_good() {
    let (server, address) = live(&[&FAST[..], &["--event", "--segment", "500ms"]].concat());
    let path = "/live/stage/main/playlist.m3u8";
    let mut publisher = Publisher::put(address, "stage");
    publisher.send(&quick(3));
    playlist(address, path, |text| text.contains("#EXTINF"));
    publisher.vanish();
    playlist(address, path, |text| text.contains("#EXT-X-GAP"));
    let mut publisher = Publisher::put(address, "stage");
    publisher.send(&quick(3));
    assert_eq!(publisher.end().status, 204);
    assert_eq!(ask(address, "DELETE /live/stage").status, 204);
    let list = playlist(address, path, ended);
    assert!(list.segments.iter().any(|segment| segment.gap));
    good(&format!("http://{address}/live/stage/index.m3u8"));
    stop(server);
}

#[test]
fn tracks_that_are_sent_apart_are_good() {
    let (server, address) = live(&[&FAST[..], &["--event", "--reconnect", "0s"]].concat());
    let tracks = [("cmaf/video", "0:v"), ("cmaf/audio", "0:a")];
    let publishers = tracks.map(|(name, track)| {
        let mut publisher = Publisher::put(address, name);
        publisher.send(&remuxed("240p.mp4", 1, &[&["-map", track], &FMP4[..]].concat()));
        publisher
    });
    for publisher in publishers {
        assert_eq!(publisher.end().status, 204);
    }
    for rendition in ["video", "audio"] {
        playlist(address, &format!("/live/cmaf/{rendition}/playlist.m3u8"), ended);
    }
    good(&format!("http://{address}/live/cmaf/index.m3u8"));
    stop(server);
}
