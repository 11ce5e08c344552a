//! The RTMP door of `wireworks hls live`: what encoders publish can be watched, bit for bit, and who may not publish is told why.

use std::net::SocketAddr;

use rustix::process::Signal;
use wireworks::proto::rtmp::amf0::Value;
use wireworks::proto::rtmp::message::Body;

use super::encoder::{Clip, Encoder, ffmpeg, packets};
use super::origin::{ask, get, media, until};
use crate::support::command::{metric, stop, wireworks};
use crate::support::process::Process;

/// A live server with an RTMP door: the addresses of viewers and encoders.
fn live(args: &[&str]) -> (Process, SocketAddr, SocketAddr) {
    let common = ["hls", "live", "--listen", "127.0.0.1:0", "--rtmp", "127.0.0.1:0"];
    let mut server = wireworks(&[&common, args].concat());
    let (address, rtmp) = (server.address("hls"), server.address("rtmp"));
    (server, address, rtmp)
}

/// The same, and the address of its metrics.
fn measured(args: &[&str]) -> (Process, SocketAddr, SocketAddr, SocketAddr) {
    let common =
        ["hls", "live", "--listen", "127.0.0.1:0", "--rtmp", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
    let mut server = wireworks(&[&common, args].concat());
    let (address, metrics) = (server.address("hls"), server.address("metrics"));
    let rtmp = server.address("rtmp");
    (server, address, rtmp, metrics)
}

/// The playlist of the only rendition of a stream, when it holds `wanted`.
fn playlist(address: SocketAddr, stream: &str, wanted: &str) -> String {
    let path = format!("/live/{stream}/main/playlist.m3u8");
    until(address, &path, |reply| reply.status == 200 && reply.text().contains(wanted)).text().to_owned()
}

#[test]
fn what_ffmpeg_publishes_is_live_bit_for_bit() {
    let (server, address, rtmp) = live(&[]);
    let url = format!("rtmp://{rtmp}/live/stage");
    let encoder = ffmpeg(&["-t", "6"], "240p.mp4", &url).start();
    let master = until(address, "/live/stage/index.m3u8", |reply| reply.status == 200);
    let said = master.text();
    for wanted in ["avc1.64", "mp4a.40.2", "RESOLUTION=426x240", "FRAME-RATE=25", "BANDWIDTH="] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let said = playlist(address, "stage", "#EXTINF");
    assert!(said.contains("#EXT-X-PROGRAM-DATE-TIME") && !said.contains("#EXT-X-DISCONTINUITY"), "{said}");
    encoder.wait().success();
    // ffmpeg says that the stream has ended, so it is not waited for.
    playlist(address, "stage", "#EXT-X-ENDLIST");
    let watched = format!("http://{address}/live/stage/index.m3u8");
    let source = media("240p.mp4");
    for stream in ["v:0", "a:0"] {
        let (seen, whole) = (packets(&watched, stream), packets(&source, stream));
        assert!(seen.len() > 140, "{stream}: {}", seen.len());
        // The sound begins before the first picture, with which the stream begins.
        let before = whole.iter().take_while(|packet| **packet != seen[0]).count();
        assert!(before <= usize::from(stream == "a:0"), "{stream}: {before} packets are missing");
        assert!(whole[before..].starts_with(&seen), "{stream} differs: {} packets", seen.len());
    }
    stop(server);
}

#[test]
fn enhanced_rtmp_brings_hevc_opus_and_av1() {
    let (server, address, rtmp) = live(&[]);
    for (clip, codecs, streams) in
        [("hevc.mp4", &["hvc1.", "opus"][..], &["v:0", "a:0"][..]), ("av1.mp4", &["av01."], &["v:0"])]
    {
        let name = clip.trim_end_matches(".mp4");
        let mut encoder = Encoder::connect(rtmp);
        encoder.publishes("live", name);
        encoder.plays(&Clip::read(clip));
        encoder.ends();
        playlist(address, name, "#EXT-X-ENDLIST");
        let master = get(address, &format!("/live/{name}/index.m3u8"));
        for codec in codecs {
            assert!(master.text().contains(codec), "{codec}: {}", master.text());
        }
        let watched = format!("http://{address}/live/{name}/index.m3u8");
        for stream in streams {
            let (seen, whole) = (packets(&watched, stream), packets(&media(clip), stream));
            // The sound begins before the first picture, with which the stream begins.
            let before = if *stream == "a:0" { 4 } else { 0 };
            assert!(!seen.is_empty() && whole.ends_with(&seen), "{clip} {stream} differs");
            assert!(whole.len() - seen.len() <= before, "{clip} {stream}: {} packets", seen.len());
        }
    }
    stop(server);
}

#[test]
fn who_has_no_key_is_told_so() {
    let keys = ["--stream-key", "stage:s3cret", "--stream-key", "studio:other"];
    let (server, address, rtmp, metrics) = measured(&keys);
    let refused = "the stream key is wrong or missing";
    for path in ["live/stage", "live/stage?key=wrong", "live/stage?key=other", "live/nobody"] {
        let ended = ffmpeg(&["-t", "1"], "240p.mp4", &format!("rtmp://{rtmp}/{path}")).run();
        assert!(!ended.status.success() && ended.stderr.contains(refused), "{path}: {}", ended.stderr);
    }
    for (app, key) in [("live", "stage"), ("live", "stage?key=S3cret"), ("live/stage", "720p?key=other")] {
        let said = Encoder::connect(rtmp).asks(app, key);
        assert_eq!(said, ("NetStream.Publish.BadName".to_owned(), refused.to_owned()), "{app} {key}");
    }
    assert_eq!(metric(metrics, "wireworks_hls_rtmp_refused_total"), 7);
    // A key opens its stream beside the name, and in its place.
    for (key, name) in [("stage?key=s3cret", "stage"), ("other", "studio")] {
        ffmpeg(&["-t", "3"], "240p.mp4", &format!("rtmp://{rtmp}/live/{key}")).run().success();
        let said = playlist(address, name, "#EXT-X-ENDLIST");
        assert!(!said.contains("s3cret") && !said.contains("other"), "{said}");
    }
    let said = stop(server).stderr;
    assert!(!said.contains("s3cret"), "no key is logged: {said}");
}

#[test]
fn an_encoder_that_dies_comes_back_to_its_stream() {
    let (server, address, rtmp, metrics) = measured(&[]);
    let url = format!("rtmp://{rtmp}/live/stage");
    let first = ffmpeg(&["-re", "-stream_loop", "-1"], "240p.mp4", &url).start();
    playlist(address, "stage", "#EXTINF");
    // Another one may not take the stream over.
    let said = Encoder::connect(rtmp).asks("live", "stage");
    assert_eq!(said.0, "NetStream.Publish.BadName");
    assert!(said.1.contains("stage"), "{}", said.1);
    first.signal(Signal::KILL);
    drop(first.wait());
    while metric(metrics, "wireworks_hls_rtmp_publishers") != 0 {}
    assert!(!playlist(address, "stage", "#EXTINF").contains("#EXT-X-ENDLIST"), "it is waited for");
    let second = ffmpeg(&["-re", "-stream_loop", "-1"], "240p.mp4", &url).start();
    let said = playlist(address, "stage", "#EXT-X-DISCONTINUITY");
    assert!(!said.contains("#EXT-X-ENDLIST"), "{said}");
    drop(second);
    stop(server);
}

#[test]
fn what_is_no_encoder_is_turned_away() {
    let (server, _, rtmp, metrics) = measured(&[]);
    // HTTP, and another version of the handshake.
    for hello in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x06"] {
        let mut wire = crate::support::wire::Wire::connect(rtmp);
        wire.send(hello);
        wire.expect_close();
    }
    let mut player = Encoder::connect(rtmp);
    let info = Value::Object(vec![("app".to_owned(), Value::String("live".to_owned()))]);
    player.command("connect", 1.0, vec![info]);
    player.hears("_result");
    player.command("play", 0.0, vec![Value::Null, Value::String("stage".to_owned())]);
    let said = player.hears("onStatus");
    assert_eq!(
        said.arguments[1].entry("code").and_then(Value::as_str),
        Some("NetStream.Play.StreamNotFound")
    );
    // Media that HLS does not carry: VP6, and after that the connection is over, with a reason.
    let mut encoder = Encoder::connect(rtmp);
    encoder.publishes("live", "stage");
    encoder.sends(0, Body::Video(b"\x14\0\0\0".to_vec().into()));
    let said = encoder.hears("onStatus");
    let words = said.arguments[1].entry("description").and_then(Value::as_str).unwrap();
    assert!(words.contains("FLV codec 4 is not taken"), "{words}");
    encoder.wire().expect_close();
    assert_eq!(metric(metrics, "wireworks_hls_rtmp_faults_total"), 3);
    stop(server);
}

#[test]
fn an_encoder_is_told_when_its_stream_is_ended() {
    let (server, address, rtmp) = live(&["--ahead", "1h"]);
    let mut encoder = Encoder::connect(rtmp);
    encoder.publishes("live", "stage");
    encoder.plays(&Clip::read("av1.mp4"));
    assert_eq!(ask(address, "DELETE /live/stage", "").status, 204);
    let said = encoder.hears("onStatus");
    let entry = |name: &str| said.arguments[1].entry(name).and_then(Value::as_str);
    assert_eq!(entry("level"), Some("error"));
    assert_eq!(
        (entry("code"), entry("description")),
        (Some("NetStream.Failed"), Some("the stream has ended"))
    );
    encoder.wire().expect_close();
    stop(server);
}
