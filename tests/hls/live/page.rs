//! A live stream on the player page, in a browser, while its encoder is started again and again.

use std::time::Duration;

use super::stage::live;
use crate::hls::origin::media;
use crate::support::browser::chromium;
use crate::support::command::stop;
use crate::support::tool::Tool;

/// How long the script may take: a browser is slow where several tests run.
const PATIENCE: Duration = Duration::from_secs(180);

const SCRIPT: &str = concat!(include_str!("../../data/devtools.py"), include_str!("../../data/hls/live.py"));

/// What the script prints where the browser decodes H.264.
const SEEN: &str = "\
codec: avc1
listed: stage Live
plays on
rows: 360
";

const AGAIN: &str = concat!(include_str!("../../data/devtools.py"), include_str!("../../data/hls/again.py"));

#[test]
fn a_stream_that_begins_again_is_played_again() {
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = live(&["--reconnect", "0s"]);
    // Once for a moment, and then for as long as it is watched.
    let feeds = ["-t 6", "-t 170"].map(|length| {
        let encoder = format!("ffmpeg -v error -re -stream_loop -1 -i {}", media("360p.mp4"));
        format!("{encoder} {length} -c copy -f mpegts - | curl -sS -T - http://{address}/live/stage")
    });
    let flags = ["--remote-debugging-port=0", "--autoplay-policy=no-user-gesture-required", "--mute-audio"];
    let mut browser = chromium(dir.path(), &flags, &format!("http://{address}/")).start();
    let devtools = browser.wait_for_line("DevTools listening on ");
    let [once, again] = feeds;
    let seen = Tool::python(AGAIN).within(PATIENCE).args([devtools, once, again]).run();
    assert_eq!(seen.text(), "plays\nended\nplays again\n", "{}", seen.stderr);
    seen.success();
    drop(browser);
    stop(server);
}

#[test]
fn a_browser_watches_a_stream_through_restarts_of_its_encoder() {
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = live(&[]);
    let feed = format!(
        "for turn in 1 2 3 4; do ffmpeg -v error -re -i {} -t 6 -c copy -f mpegts - | curl -sS -T - http://{address}/live/stage; done",
        media("360p.mp4")
    );
    let encoder = Tool::new("sh").args(["-c", &feed]).start();
    let flags = ["--remote-debugging-port=0", "--autoplay-policy=no-user-gesture-required", "--mute-audio"];
    let url = format!("http://{address}/");
    let mut browser = chromium(dir.path(), &flags, &url).start();
    let devtools = browser.wait_for_line("DevTools listening on ");
    let seen = Tool::python(SCRIPT).within(PATIENCE).args([devtools]).run();
    assert_eq!(seen.text(), SEEN, "{}", seen.stderr);
    seen.success();
    drop(browser);
    // The encoder is refused then, and ends.
    stop(server);
    encoder.wait();
}
