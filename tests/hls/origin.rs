//! `wireworks hls serve` over sockets: what players and caches are told, and films that are packaged while they are asked for.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::check::good;
use crate::support::command::{metric, stop, wireworks};
use crate::support::process::Process;
use crate::support::response::Response;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

/// How long something may take that is seen by asking again.
const PATIENCE: Duration = Duration::from_secs(60);

/// A file of the samples.
pub(super) fn media(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("media").join(name).display().to_string()
}

/// A sample so many times in a row, as a file in a folder.
#[track_caller]
pub(super) fn repeated(name: &str, times: u32, folder: &Path) -> String {
    let (loops, out) = ((times - 1).to_string(), folder.join(name).display().to_string());
    // Where the sample begins again its sound overlaps by a frame, which ffmpeg mentions.
    let args = ["-v", "fatal", "-stream_loop", &loops, "-i", &media(name), "-c", "copy", &out];
    Tool::new("ffmpeg").args(args).run().success();
    out
}

/// A server of these inputs.
pub(super) fn serve(args: &[&str]) -> (Process, SocketAddr) {
    let common = ["hls", "serve", "--listen", "127.0.0.1:0"];
    let mut server = wireworks(&[&common, args].concat());
    let address = server.address("hls");
    (server, address)
}

/// Packages media into a folder by the command.
pub(super) fn package(out: &Path, args: &[&str]) {
    let out = out.display().to_string();
    wireworks(&[&["hls", "package", "--quiet", "--out", &out], args].concat()).wait().success();
}

pub(super) fn ask(address: SocketAddr, line: &str, fields: &str) -> Response {
    let mut wire = Wire::connect(address);
    wire.send(format!("{line} HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
    wire.read_response_to(line.split(' ').next().unwrap())
}

pub(super) fn get(address: SocketAddr, path: &str) -> Response {
    ask(address, &format!("GET {path}"), "")
}

/// Asks until the answer is as it should be.
pub(super) fn until(address: SocketAddr, path: &str, wanted: impl Fn(&Response) -> bool) -> Response {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = get(address, path);
        if wanted(&reply) {
            return reply;
        }
        assert!(Instant::now() < deadline, "{path} is still answered with {}", reply.status);
    }
}

/// A folder as packagers leave it, made of text.
fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv/index.m3u8\n");
    let segments = "#EXTINF:6,\n1.ts\n".repeat(100);
    write("v/index.m3u8", &format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{segments}#EXT-X-ENDLIST\n"));
    write("v/live.m3u8", &format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{segments}"));
    for name in [
        "v/1.ts",
        "v/1.m4s",
        "v/init.mp4",
        "v/1.aac",
        "v/1.vtt",
        "keys/1.key",
        "thumbs.jpg",
        "notes.txt",
        ".secret.ts",
    ] {
        write(name, "0123456789");
    }
    std::os::unix::fs::symlink(media("240p.mp4"), dir.path().join("link.mp4")).unwrap();
    dir
}

#[test]
fn players_and_caches_are_told_what_they_need() {
    let dir = tree();
    let (server, address) = serve(&[&format!("show={}", dir.path().display())]);
    const SHORT: &str = "public, max-age=60";
    const LONG: &str = "public, max-age=86400";
    for (path, kind, cached) in [
        ("/show/master.m3u8", "application/vnd.apple.mpegurl", SHORT),
        ("/show/v/index.m3u8", "application/vnd.apple.mpegurl", SHORT),
        ("/show/v/live.m3u8", "application/vnd.apple.mpegurl", "no-cache"),
        ("/show/v/1.ts", "video/mp2t", LONG),
        ("/show/v/1.m4s", "video/mp4", LONG),
        ("/show/v/init.mp4", "video/mp4", LONG),
        ("/show/v/1.aac", "audio/aac", LONG),
        ("/show/v/1.vtt", "text/vtt; charset=utf-8", LONG),
        ("/show/thumbs.jpg", "image/jpeg", LONG),
        ("/show/keys/1.key", "application/octet-stream", "private, no-cache"),
        ("/show/notes.txt", "text/plain; charset=utf-8", "no-cache"),
    ] {
        for method in ["GET", "HEAD"] {
            let whole = ask(address, &format!("{method} {path}"), "Origin: https://example.org\r\n");
            assert_eq!(whole.status, 200, "{path}");
            assert_eq!(whole.header("content-type"), Some(kind), "{path}");
            assert_eq!(whole.header("cache-control"), Some(cached), "{path}");
            assert_eq!(whole.header("accept-ranges"), Some("bytes"), "{path}");
            assert_eq!(whole.header("access-control-allow-origin"), Some("*"), "{path}");
            let exposed = whole.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
            assert!(exposed.contains("content-range") && exposed.contains("content-length"), "{exposed}");
            assert!(method == "GET" || whole.body.is_empty());
            let known = [
                ("If-None-Match", whole.header("etag").unwrap().to_owned()),
                ("If-Modified-Since", whole.header("last-modified").unwrap().to_owned()),
            ];
            for (name, value) in known {
                let again = ask(address, &format!("{method} {path}"), &format!("{name}: {value}\r\n"));
                assert_eq!((again.status, again.body.len()), (304, 0), "{path} {name}");
                assert_eq!(again.header("cache-control"), Some(cached), "{path}");
            }
        }
    }
    stop(server);
}

#[test]
fn ranges_preflights_and_refusals() {
    let dir = tree();
    let film = format!("film={}", media("240p.mp4"));
    let (server, address) = serve(&[&format!("show={}", dir.path().display()), &film]);
    let size = get(address, "/film/240p/00001.m4s").body.len();
    for (path, range, status, position) in [
        ("/show/v/1.ts", "bytes=2-4", 206, "bytes 2-4/10".to_owned()),
        ("/show/v/1.ts", "bytes=-3", 206, "bytes 7-9/10".to_owned()),
        ("/show/v/1.ts", "bytes=10-", 416, "bytes */10".to_owned()),
        ("/film/240p/00001.m4s", "bytes=0-99", 206, format!("bytes 0-99/{size}")),
        ("/film/240p/00001.m4s", "bytes=99999999-", 416, format!("bytes */{size}")),
    ] {
        let reply = ask(address, &format!("GET {path}"), &format!("Range: {range}\r\n"));
        assert_eq!(reply.status, status, "{path} {range}");
        assert_eq!(reply.header("content-range"), Some(position.as_str()), "{path} {range}");
    }
    let preflight = ask(
        address,
        "OPTIONS /show/v/1.ts",
        "Origin: https://example.org\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: range\r\n",
    );
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("range"));
    let packed = ask(address, "GET /show/v/index.m3u8", "Accept-Encoding: gzip\r\n");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < 200, "{}", packed.body.len());
    for (line, status) in [
        ("OPTIONS /show/v/1.ts", 204),
        ("POST /show/v/1.ts", 405),
        ("DELETE /film/master.m3u8", 405),
        ("GET /none/master.m3u8", 404),
        ("GET /show/none.m3u8", 404),
        ("GET /show/.secret.ts", 404),
        ("GET /show/%2e%2e/etc/passwd", 404),
        ("GET /show/link.mp4", 404),
        ("GET /show/link.mp4/master.m3u8", 404),
        ("GET /film/none/index.m3u8", 404),
        ("GET /film/240p/00000.m4s", 404),
        ("GET /film/240p/1.m4s", 404),
        ("GET /film/240p/99999.m4s", 404),
        ("GET /film/240p/00001.ts", 404),
        ("GET /film/ts/240p/00001.m4s", 404),
        ("GET /film", 307),
        ("GET /show/", 307),
    ] {
        assert_eq!(ask(address, line, "").status, status, "{line}");
    }
    stop(server);
}

/// All files below a folder, with their paths from there.
fn files(root: &Path) -> Vec<(String, PathBuf)> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.strip_prefix(root).unwrap().display().to_string(), path));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_film_is_what_the_packager_writes_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let inputs = ["240p.mp4", "360p.mp4", "480p.mp4", "subtitles.vtt"].map(media);
    let [low, middle, high, text] = inputs.each_ref();
    package(&out, &[low, middle, high, "--segment", "4s", "--subtitles", text]);
    let named = inputs.each_ref().map(|input| format!("film={input}"));
    let mut args: Vec<&str> = named.iter().map(String::as_str).collect();
    args.extend(["--segment", "4s"]);
    let (server, address) = serve(&args);
    let written = files(&out);
    assert!(written.len() > 20, "{written:?}");
    for (name, path) in written {
        let reply = get(address, &format!("/film/{name}"));
        assert_eq!(reply.status, 200, "{name}");
        assert!(reply.body == fs::read(path).unwrap(), "{name} differs: {} bytes", reply.body.len());
    }
    // Below a folder the same film has the same bytes, at its own path.
    let (other, folder) = serve(&[&format!("all={}", media("")), "--segment", "4s"]);
    for name in ["240p/00002.m4s", "240p/init.mp4"] {
        let (one, below) =
            (get(address, &format!("/film/{name}")), get(folder, &format!("/all/240p.mp4/{name}")));
        assert!(one.status == 200 && one.body == below.body, "{name}");
    }
    let listed = get(folder, "/streams.json");
    assert!(
        listed.text().contains(r#"{"name":"all/240p.mp4","url":"all/240p.mp4/master.m3u8","live":false}"#),
        "{}",
        listed.text()
    );
    stop(server);
    stop(other);
}

#[test]
fn segments_of_transport_stream_are_cut_as_well() {
    let film = format!("film={}", media("360p.mp4"));
    let (server, address) = serve(&[&film, "--segment", "2s"]);
    let master = get(address, "/film/ts/master.m3u8");
    assert!(master.text().contains("360p/index.m3u8"), "{}", master.text());
    let playlist = get(address, "/film/ts/360p/index.m3u8");
    assert!(playlist.text().ends_with("#EXT-X-ENDLIST\n") && playlist.text().contains("00008.ts"));
    // Each is cut by itself, the last one first; their counters go on from one to the next all the same.
    let segments: Vec<Response> =
        (1..=8).rev().map(|number| get(address, &format!("/film/ts/360p/{number:05}.ts"))).collect();
    let mut counters: HashMap<u16, u8> = HashMap::new();
    for segment in segments.iter().rev() {
        assert_eq!((segment.status, segment.header("content-type")), (200, Some("video/mp2t")));
        assert_eq!(segment.body.len() % 188, 0);
        for packet in segment.body.chunks(188).inspect(|packet| assert_eq!(packet[0], 0x47)) {
            let (id, has_payload) =
                (u16::from_be_bytes([packet[1] & 0x1f, packet[2]]), packet[3] & 0x10 != 0);
            let before = if has_payload { counters.insert(id, packet[3] & 0x0f) } else { None };
            assert!(before.is_none_or(|before| (before + 1) & 0x0f == packet[3] & 0x0f), "{id:#x}");
        }
    }
    assert_eq!(counters.len(), 4, "the tables, pictures and sound: {counters:?}");
    stop(server);
}

/// What ffmpeg decodes of the pictures, by their hashes. It must have nothing to say of them.
fn decoded(input: &str) -> Vec<String> {
    let args = [
        "-v",
        "warning",
        "-xerror",
        "-i",
        input,
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "-",
    ];
    let ended = Tool::new("ffmpeg").args(args).within(PATIENCE).run().success();
    assert_eq!(ended.stderr, "", "{input}");
    let text = ended.text();
    let frames = text.lines().filter(|line| !line.starts_with('#'));
    frames.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

#[test]
fn ffmpeg_plays_films_of_both_kinds_picture_by_picture() {
    let (film, modern) = (format!("film={}", media("480p.mp4")), format!("modern={}", media("hevc.mp4")));
    let (server, address) = serve(&[&film, &modern, "--segment", "2s"]);
    for (source, paths) in [
        ("480p.mp4", &["film/master.m3u8", "film/ts/master.m3u8"][..]),
        ("hevc.mp4", &["modern/master.m3u8"]),
    ] {
        let pictures = decoded(&media(source));
        assert!(pictures.len() >= 90, "{source} has {}", pictures.len());
        for path in paths {
            let url = format!("http://{address}/{path}");
            assert_eq!(decoded(&url), pictures, "{path}");
            let all = ["-v", "error", "-xerror", "-i", &url, "-map", "0", "-f", "null", "-"];
            let ended = Tool::new("ffmpeg").args(all).within(PATIENCE).run().success();
            assert_eq!(ended.stderr, "", "{path}");
        }
    }
    stop(server);
}

#[test]
fn the_rules_are_kept_by_what_is_packaged_just_in_time() {
    let film: Vec<String> = [
        "film=240p.mp4",
        "film=480p.mp4",
        "film=audio.m4a",
        "film=subtitles.vtt",
        "hevc=hevc.mp4",
        "av1=av1.mp4",
        "all=",
    ]
    .map(|input| input.split_once('=').unwrap())
    .map(|(name, file)| format!("{name}={}", media(file)))
    .to_vec();
    let args: Vec<&str> = film.iter().map(String::as_str).chain(["--segment", "4s"]).collect();
    let (server, address) = serve(&args);
    for (path, playlists) in [
        // Two sizes with their sound, another sound, subtitles, and key frames of either size.
        ("film/fmp4", 7),
        ("film/ts", 6),
        ("hevc/fmp4", 3),
        ("av1", 3),
        ("all/360p.mp4", 4),
    ] {
        let seen = good(&format!("http://{address}/{path}/master.m3u8"));
        assert!(seen.0 >= playlists && seen.1 >= playlists, "{path}: {seen:?}");
    }
    stop(server);
}

#[test]
fn a_segment_is_cut_once_for_all_who_ask() {
    let film = format!("film={}", media("480p.mp4"));
    let mut server =
        wireworks(&["hls", "serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", &film]);
    let (address, metrics) = (server.address("hls"), server.address("metrics"));
    let mut wires: Vec<Wire> = (0..40).map(|_| Wire::connect(address)).collect();
    for wire in &mut wires {
        wire.send("GET /film/480p/00001.m4s HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    let bodies: Vec<Vec<u8>> = wires.iter_mut().map(|wire| wire.read_response().body).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]) && bodies[0].len() > 10_000);
    assert_eq!(metric(metrics, "wireworks_hls_segments_served_total"), 40);
    assert_eq!(metric(metrics, "wireworks_hls_segments_cut_total"), 1);
    assert!(metric(metrics, "wireworks_hls_segments_bytes") >= bodies[0].len() as u64);
    stop(server);
}

#[test]
fn a_film_that_changes_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.mp4");
    fs::copy(media("240p.mp4"), &path).unwrap();
    let (mut server, address) =
        serve(&[&format!("film={}", path.display()), &format!("all={}", dir.path().display())]);
    let before = [get(address, "/film/a/init.mp4"), get(address, "/all/a.mp4/a/init.mp4")];
    let aside = dir.path().join("b");
    fs::copy(media("480p.mp4"), &aside).unwrap();
    fs::rename(&aside, &path).unwrap();
    for (path, before) in ["/film/a/init.mp4", "/all/a.mp4/a/init.mp4"].into_iter().zip(before) {
        let after = until(address, path, |after| after.header("etag") != before.header("etag"));
        assert!(after.status == 200 && after.body != before.body, "{path}");
    }
    fs::write(&path, &fs::read(media("480p.mp4")).unwrap()[..5000]).unwrap();
    until(address, "/film/master.m3u8", |after| after.status == 500);
    server.wait_for_stderr("a film cannot be served: ");
    fs::remove_file(&path).unwrap();
    until(address, "/film/master.m3u8", |after| after.status == 404);
    stop(server);
}

#[test]
fn what_cannot_be_served_is_said_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken.mp4");
    fs::write(&broken, &fs::read(media("240p.mp4")).unwrap()[..3000]).unwrap();
    let broken = broken.display().to_string();
    for (args, status, expected) in [
        (&[][..], 1, "there is nothing to serve"),
        (&["/nonexistent.mp4"], 1, "/nonexistent.mp4"),
        (&[broken.as_str()], 1, "broken.mp4"),
        (&["a=/usr", "a=/etc"], 1, "only media can be renditions"),
        (&["--format", "avi", "/usr"], 64, "format"),
        (&["player=/usr"], 64, "the player's own"),
        (&["--cors", "nowhere", "/usr"], 1, "nowhere"),
    ] {
        let ended = wireworks(&[&["hls", "serve", "--listen", "127.0.0.1:0"], args].concat()).wait();
        assert!(ended.stderr.contains(expected), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.status.code(), Some(status), "{args:?}: {}", ended.stderr);
    }
    let printed =
        wireworks(&["hls", "serve", "film=/a.mp4", "--segment", "4s", "--print-config"]).wait().success();
    for line in [
        "input = [\"film=/a.mp4\"]",
        "segment = \"4s\"",
        "memory = \"256MiB\"",
        "cors = [\"*\"]",
        "format = \"fmp4\"",
    ] {
        assert!(printed.text().contains(line), "{}", printed.text());
    }
}
