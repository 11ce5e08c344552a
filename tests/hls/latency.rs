//! How far behind the encoder viewers are: by a clock that is burnt into the pictures, in a browser, and by the dates of the playlist.

use std::time::Duration;

use super::encoder::ffmpeg;
use super::origin::until;
use crate::support::browser::chromium;
use crate::support::command::{stop, wireworks};
use crate::support::tool::Tool;

/// How long the script may take: a browser is slow where several tests run.
const PATIENCE: Duration = Duration::from_secs(300);

const SCRIPT: &str = concat!(include_str!("../data/devtools.py"), include_str!("../data/hls/latency.py"));

/// Milliseconds that a player of whole segments would be behind at least: three target durations.
const WITHOUT_PARTS: i64 = 6000;

#[test]
fn a_browser_is_behind_by_less_than_segments() {
    let mut server = wireworks(&["hls", "live", "--listen", "127.0.0.1:0", "--rtmp", "127.0.0.1:0"]);
    let (address, rtmp) = (server.address("hls"), server.address("rtmp"));
    let dir = tempfile::tempdir().unwrap();
    let url = format!("http://{address}/#clock");
    let flags = ["--remote-debugging-port=0", "--autoplay-policy=no-user-gesture-required", "--mute-audio"];
    let mut browser = chromium(dir.path(), &flags, &url).start();
    let devtools = browser.wait_for_line("DevTools listening on ");
    let args = [devtools, format!("rtmp://{rtmp}/live/clock")];
    let seen = Tool::python(SCRIPT).within(PATIENCE).args(&args).run().success().text();
    let delays: Vec<i64> = seen.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let [least, median, most] = delays[..] else { panic!("{seen}") };
    println!("from the encoder to the picture: {median} ms, at least {least} ms, at most {most} ms");
    assert!(least > 0 && median < WITHOUT_PARTS, "{seen}");
    drop(browser);
    stop(server);
}

#[test]
fn the_command_follows_the_parts() {
    let mut server = wireworks(&["hls", "live", "--listen", "127.0.0.1:0", "--rtmp", "127.0.0.1:0"]);
    let (address, rtmp) = (server.address("hls"), server.address("rtmp"));
    let encoder =
        ffmpeg(&["-re", "-stream_loop", "-1"], "240p.mp4", &format!("rtmp://{rtmp}/live/stage")).start();
    until(address, "/live/stage/main/playlist.m3u8", |reply| reply.status == 200);
    let url = format!("http://{address}/live/stage/index.m3u8");
    let said = wireworks(&["hls", "latency", "--for", "3s", "--json", &url]).wait().success().text();
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    println!("{said}");
    assert!(report["arrived"].as_u64().unwrap() >= 2 && report["bytes"].as_u64().unwrap() > 1000, "{said}");
    assert_eq!(report["playlist"], format!("http://{address}/live/stage/main/playlist.m3u8"));
    let (target, hold) = (report["part_target"].as_f64().unwrap(), report["hold_back"].as_f64().unwrap());
    assert!(target < 0.5 && hold >= 2.0 * target, "{said}");
    let age = |name: &str| report["age"][name].as_f64().unwrap();
    assert!(age("median") <= age("p99") && age("p99") <= age("longest") && age("player") > hold, "{said}");
    for (url, expected) in [
        (format!("http://{address}/live/none/index.m3u8"), "404"),
        (format!("http://{address}/"), "m3u8"),
        ("ftp://a/b".to_owned(), "http://"),
    ] {
        let ended = wireworks(&["hls", "latency", &url]).wait();
        assert_eq!(ended.status.code(), Some(1));
        assert!(ended.stderr.contains(expected) || expected == "m3u8", "{}", ended.stderr);
    }
    let ended = wireworks(&["hls", "latency", "--rendition", "4k", &url]).wait();
    assert!(ended.stderr.contains("no rendition is called \"4k\""), "{}", ended.stderr);
    drop(encoder);
    stop(server);
}
