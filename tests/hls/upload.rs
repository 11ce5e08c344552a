//! Streams in a bucket, which players watch there: over S3, as Moto speaks it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::process::Command;

use super::check::good;
use super::encoder::{ffmpeg, packets};
use super::origin::{get, media, until};
use crate::chat_media::bucket::MOTO;
use crate::support::command::stop;
use crate::support::process::Process;
use crate::support::tool::Tool;

/// A service, and a server that puts its streams there.
fn start(args: &[&str]) -> (Process, SocketAddr, Process) {
    let mut moto = Tool::python(MOTO).start_typing();
    let service: SocketAddr = moto.listening("moto").parse().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    command.args(["hls", "live", "--listen", "127.0.0.1:0", "--upload", "s3://media/cdn"]).args(args);
    command.env_remove("RUST_LOG").env("AWS_ENDPOINT_URL", format!("http://{service}"));
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let server = Process::start(&mut command, Vec::new());
    (moto, service, server)
}

/// The objects that a playlist in the bucket names.
fn named(playlist: &str) -> HashSet<&str> {
    let map = playlist.lines().filter_map(|line| line.strip_prefix("#EXT-X-MAP:URI=\"")?.split('"').next());
    playlist.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).chain(map).collect()
}

#[test]
fn a_stream_can_be_watched_in_a_bucket() {
    let (_moto, bucket, mut server) = start(&["--rtmp", "127.0.0.1:0"]);
    let rtmp = server.address("rtmp");
    ffmpeg(&["-t", "8"], "240p.mp4", &format!("rtmp://{rtmp}/live/stage")).run().success();
    let (folder, path) = ("/media/cdn/live/stage/main", "/media/cdn/live/stage/main/playlist.m3u8");
    let playlist =
        until(bucket, path, |reply| reply.status == 200 && reply.text().contains("#EXT-X-ENDLIST"));
    let said = playlist.text();
    for part in ["#EXT-X-PART", "#EXT-X-PRELOAD-HINT", "#EXT-X-SERVER-CONTROL"] {
        assert!(!said.contains(part), "nobody in a bucket waits: {said}");
    }
    assert_eq!(playlist.header("content-type"), Some("application/vnd.apple.mpegurl"));
    assert!(playlist.header("cache-control").unwrap().starts_with("public, max-age="));
    let objects = named(said);
    assert!(objects.len() >= 4, "{said}");
    for object in objects {
        let reply = get(bucket, &format!("{folder}/{object}"));
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("video/mp4")), "{object}");
        assert_eq!(reply.header("cache-control"), Some("public, max-age=31536000, immutable"));
    }
    until(bucket, "/media/cdn/live/stage/index.m3u8", |reply| reply.status == 200);
    let seen = packets(&format!("http://{bucket}/media/cdn/live/stage/index.m3u8"), "v:0");
    assert!(seen.len() >= 190 && packets(&media("240p.mp4"), "v:0").starts_with(&seen), "{}", seen.len());
    stop(server);
}

#[test]
fn the_end_of_a_stream_is_put_before_the_server_goes() {
    let (_moto, bucket, mut server) = start(&["--demo"]);
    server.address("hls");
    for name in ["240p", "360p", "480p"] {
        let path = format!("/media/cdn/live/demo/{name}/playlist.m3u8");
        until(bucket, &path, |reply| reply.status == 200 && reply.text().contains("#EXTINF"));
    }
    let master = until(bucket, "/media/cdn/live/demo/index.m3u8", |reply| reply.status == 200);
    assert!(master.text().contains("480p/playlist.m3u8"), "{}", master.text());
    let url = format!("http://{bucket}/media/cdn/live/demo/index.m3u8");
    good(&url);
    stop(server);
    good(&url);
    for name in ["240p", "360p", "480p"] {
        let folder = format!("/media/cdn/live/demo/{name}");
        let playlist = get(bucket, &format!("{folder}/playlist.m3u8"));
        assert!(playlist.text().ends_with("#EXT-X-ENDLIST\n"), "{}", playlist.text());
        for object in named(playlist.text()) {
            assert_eq!(get(bucket, &format!("{folder}/{object}")).status, 200, "{object}");
        }
    }
}
