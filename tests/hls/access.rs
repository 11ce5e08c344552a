//! Who may watch, and who may publish, over real sockets: signed links, tokens and stream keys.

use std::path::Path;

use super::check::good;
use super::encoder::packets;
use super::origin::{ask, get, media, package, serve, until};
use crate::support::command::{stop, wireworks};
use crate::support::tool::Tool;

/// A signed link, as the command prints it.
fn link(keys: &Path, args: &[&str]) -> String {
    let keys = keys.display().to_string();
    let said = wireworks(&[&["hls", "link", "--keys", &keys], args].concat()).wait().success().text();
    said.trim_end().to_owned()
}

#[test]
fn a_link_opens_one_stream_and_a_token_all() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("link.keys");
    let path = keys.display().to_string();
    let mut server = wireworks(&[
        "hls",
        "live",
        "--listen",
        "127.0.0.1:0",
        "--demo",
        "--link-keys",
        &path,
        "--view-token",
        "robot:abc123",
    ]);
    let address = server.address("hls");
    let token = "Authorization: Bearer abc123\r\n";
    let master = "/live/demo/index.m3u8";
    until_with(address, master, token);
    for (line, fields, status) in [
        (format!("GET {master}"), "", 401),
        (format!("HEAD {master}"), "", 401),
        (format!("GET {master}"), "Authorization: Bearer abc124\r\n", 401),
        ("GET /live/demo/240p/playlist.m3u8".to_owned(), "", 401),
        ("GET /streams.json".to_owned(), "", 401),
        ("GET /streams.json".to_owned(), token, 200),
        ("GET /".to_owned(), "", 200),
    ] {
        assert_eq!(ask(address, &line, fields).status, status, "{line} {fields}");
    }
    let signed = link(&keys, &["demo"]);
    assert_eq!(get(address, &signed).status, 200);
    // All that the playlists name is below the link, by relative names.
    let folder = signed.strip_suffix("index.m3u8").unwrap();
    let media = get(address, &format!("{folder}240p/playlist.m3u8"));
    let segment = media.text().lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
    assert_eq!(get(address, &format!("{folder}240p/{segment}")).status, 200);
    assert_eq!(get(address, &format!("{folder}../../streams.json")).status, 403);
    assert_eq!(get(address, &link(&keys, &["other"]).replace("/other/", "/demo/")).status, 403);
    assert_eq!(get(address, &link(&keys, &["--for", "0s", "demo"])).status, 403);
    assert_eq!(ask(address, &format!("PUT {folder}x"), "Content-Length: 0\r\n").status, 403);
    // A player that knows nothing of links follows one.
    let url = link(&keys, &[&format!("http://{address}{master}")]);
    let args = [
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-show_entries",
        "stream=codec_name",
        "-of",
        "csv=p=0",
        &url,
    ];
    let seen = Tool::new("ffprobe").args(args).run().success().text();
    assert!(seen.starts_with("h264"), "{seen}");
    // The link to all is a page, the list of streams and all of them.
    let page = link(&keys, &["/"]);
    assert_eq!(get(address, &page).header("content-type"), Some("text/html; charset=utf-8"));
    let listed = get(address, &format!("{page}streams.json"));
    assert!(listed.text().contains("\"live/demo/index.m3u8\""), "{}", listed.text());
    assert_eq!(get(address, &format!("{page}live/demo/index.m3u8")).status, 200);
    stop(server);
}

#[test]
fn films_and_folders_are_shown_to_those_with_a_link_or_a_token() {
    let dir = tempfile::tempdir().unwrap();
    package(&dir.path().join("packaged"), &[&media("240p.mp4")]);
    let keys = dir.path().join("link.keys");
    let (film, folder) =
        (format!("film={}", media("240p.mp4")), dir.path().join("packaged").display().to_string());
    let path = keys.display().to_string();
    let (server, address) = serve(&[&film, &folder, "--link-keys", &path, "--view-token", "robot:abc123"]);
    let token = "Authorization: Bearer abc123\r\n";
    for name in ["film", "packaged"] {
        let master = format!("/{name}/master.m3u8");
        let signed = link(&keys, &[&master]);
        let below = signed.strip_suffix("master.m3u8").unwrap();
        let other = if name == "film" { "packaged" } else { "film" };
        for (line, fields, status) in [
            (format!("GET {master}"), "", 401),
            (format!("HEAD {master}"), "", 401),
            (format!("GET /{name}/240p/init.mp4"), "", 401),
            (format!("GET /{name}/none"), "", 401),
            (format!("GET {master}"), "Authorization: Bearer abc124\r\n", 401),
            (format!("GET {master}"), token, 200),
            (format!("GET {signed}"), "", 200),
            (format!("GET {below}240p/index.m3u8"), "", 200),
            (format!("GET {below}240p/00001.m4s"), "", 200),
            (format!("GET {below}240p/00001.m4s"), "Range: bytes=0-9\r\n", 206),
            (format!("GET {below}../{other}/master.m3u8"), "", 403),
            (format!("GET {}", signed.replace(&format!("/{name}/"), &format!("/{other}/"))), "", 403),
            (format!("GET {}", link(&keys, &["--for", "0s", &master])), "", 403),
            (format!("GET {}", link(&dir.path().join("other.keys"), &[&master])), "", 403),
            ("GET /streams.json".to_owned(), "", 401),
            ("GET /streams.json".to_owned(), token, 200),
            ("GET /".to_owned(), "", 200),
        ] {
            assert_eq!(ask(address, &line, fields).status, status, "{line} {fields}");
        }
        // What was shown for a token is for nobody else; what has an address of its own may be kept for all who have it.
        for (line, fields, kept) in [
            (format!("GET {master}"), token, "private, max-age=60"),
            (format!("GET {signed}"), "", "public, max-age=60"),
        ] {
            assert_eq!(ask(address, &line, fields).header("cache-control"), Some(kept), "{line}");
        }
    }
    good(&format!("http://{address}{}", link(&keys, &["/film/master.m3u8"])));
    // After a rotation links by the key before still count, and those by the new key count as soon as the server has it.
    let old = link(&keys, &["/film/master.m3u8"]);
    let new = link(&keys, &["--rotate", "/film/master.m3u8"]);
    until_with(address, &new, "");
    assert_eq!(get(address, &old).status, 200);
    let newer = link(&keys, &["--rotate", "/film/master.m3u8"]);
    until_with(address, &newer, "");
    assert_eq!([&old, &new].map(|path| get(address, path).status), [403, 200]);
    stop(server);
}

/// Waits until something is there for those who show a token.
fn until_with(address: std::net::SocketAddr, path: &str, fields: &str) {
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while ask(address, &format!("GET {path}"), fields).status != 200 {
        assert!(std::time::Instant::now() < deadline, "{path} does not come");
    }
}

#[test]
fn a_feed_over_http_shows_its_key() {
    let mut server = wireworks(&["hls", "live", "--listen", "127.0.0.1:0", "--stream-key", "stage:s3cret"]);
    let address = server.address("hls");
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("clip.ts").display().to_string();
    let source = media("240p.mp4");
    let cut = ["-v", "error", "-i", &source, "-t", "4", "-c", "copy", &clip];
    Tool::new("ffmpeg").args(cut).run().success();
    let put = |path: &str, field: &str| {
        let url = format!("http://{address}{path}");
        let args = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", field, "-T", &clip, &url];
        Tool::new("curl").args(args).run().success().text()
    };
    for (path, field, status) in [
        ("/live/stage", "X: y", "401"),
        ("/live/stage", "Authorization: Bearer wrong", "401"),
        ("/live/other", "Authorization: Bearer s3cret", "401"),
        ("/live/s3cret", "X: y", "401"),
        ("/live/stage?key=wrong", "X: y", "401"),
        ("/live/stage", "Authorization: Bearer s3cret", "204"),
    ] {
        assert_eq!(put(path, field), status, "{path} {field}");
    }
    let end = ask(address, "DELETE /live/stage", "");
    assert_eq!((end.status, end.header("www-authenticate")), (401, Some("Bearer realm=\"wireworks hls\"")));
    let end = ask(address, "DELETE /live/stage", "Authorization: Bearer s3cret\r\n");
    assert_eq!(end.status, 204);
    until(address, "/live/stage/main/playlist.m3u8", |reply| reply.text().contains("#EXT-X-ENDLIST"));
    assert!(packets(&format!("http://{address}/live/stage/index.m3u8"), "v:0").len() >= 90);
    stop(server);
}

#[test]
fn what_makes_no_sense_is_said_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let open = dir.path().join("open.keys");
    std::fs::write(&open, "# not secret\n").unwrap();
    let open = open.display().to_string();
    let made = dir.path().join("made.keys").display().to_string();
    let film = media("240p.mp4");
    for (args, status, expected) in [
        (&["live", "--stream-key", "stage"][..], 1, "--stream-key"),
        (&["live", "--view-token", "a:b c"], 1, "--view-token"),
        (&["live", "--link-keys", &open], 1, "chmod 600"),
        (&["serve", &film, "--link-keys", &open], 1, "chmod 600"),
        (&["serve", &film, "--view-token", "a:b c"], 1, "--view-token"),
        (&["live", "--rtmps", "127.0.0.1:0"], 64, "--rtmps"),
        (&["live", "--rtmp-idle", "5s"], 64, "--rtmp-idle"),
        (&["live", "--rtmp", "127.0.0.1:0", "--rtmp-idle", "5ms"], 64, "--rtmp-idle"),
        (&["live", "--upload", "https://bucket"], 64, "s3://"),
        (&["link", "--keys", &open, "demo"], 1, "chmod 600"),
        (&["link", "--keys", &made, "../demo"], 64, "can be signed"),
        (&["link", "demo"], 64, "--keys"),
    ] {
        let ended = wireworks(
            &[&["hls"], args, &["--listen", "127.0.0.1:0"][..if args[0] == "link" { 0 } else { 2 }]].concat(),
        )
        .wait();
        assert!(ended.stderr.contains(expected), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.status.code(), Some(status), "{args:?}: {}", ended.stderr);
    }
    let printed =
        wireworks(&["hls", "live", "--stream-key", "stage:s3cret", "--print-config"]).wait().success().text();
    assert!(printed.contains("stream-key = [\"***\"]") && !printed.contains("s3cret"), "{printed}");
}
