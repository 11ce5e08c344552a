//! The player page behind a network that becomes slow and fast again: hls.js changes the rendition downwards and upwards, and goes on playing.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::origin::{repeated, serve, until};
use crate::support::browser::chromium;
use crate::support::command::{stop, wireworks};
use crate::support::process::Process;
use crate::support::shaped::Line;
use crate::support::tool::Tool;

/// How long a script may take: a browser is slow where several tests run.
const PATIENCE: Duration = Duration::from_secs(300);

const SCRIPT: &str = concat!(include_str!("../data/devtools.py"), include_str!("../data/hls/switches.py"));

/// Bits a second: far more than the largest rendition of the samples needs (421 kb/s), and less than that.
const FAST: u64 = 4_000_000;
const SLOW: u64 = 300_000;

/// A browser that watches a stream of a server over a line of its own.
struct Viewer {
    line: Line,
    devtools: String,
    _browser: Process,
}

impl Viewer {
    fn of(server: SocketAddr, stream: &str, folder: &Path) -> Self {
        let line = Line::to(server, FAST);
        let flags =
            ["--remote-debugging-port=0", "--autoplay-policy=no-user-gesture-required", "--mute-audio"];
        let url = format!("http://{}/#{stream}", line.address);
        let mut browser = chromium(folder, &flags, &url).start();
        let devtools = browser.wait_for_line("DevTools listening on ");
        Self { line, devtools, _browser: browser }
    }

    /// The rows of the pictures, when they are among these and play on, and how many switches there were.
    #[track_caller]
    fn sees(&self, rows: &str, place: &str) -> (u32, u32) {
        let args = [&*self.devtools, rows, place];
        let seen = Tool::python(SCRIPT).within(PATIENCE).args(args).run().success().text();
        let numbers: Vec<u32> = seen.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let [rows, switches] = numbers[..] else { panic!("{seen}") };
        (rows, switches)
    }

    /// The line is fast, slow, and fast again.
    #[track_caller]
    fn goes_down_and_up(&self, place: &str) {
        let before = self.sees("480", "");
        self.line.carries(SLOW);
        let (rows, _) = self.sees("240, 360", place);
        self.line.carries(FAST);
        let after = self.sees("480", "");
        assert!(rows < 480 && after.1 >= before.1 + 2, "{before:?} {rows} {after:?}");
    }
}

#[test]
fn a_film_is_watched_in_the_quality_that_the_network_has() {
    let dir = tempfile::tempdir().unwrap();
    // Two minutes, which the player does not load all at once.
    let ladder = ["240p.mp4", "480p.mp4"].map(|name| format!("film={}", repeated(name, 8, dir.path())));
    let (server, address) = serve(&[&ladder[0], &ladder[1], "--segment", "2s"]);
    // What is loaded already is played as it is: the viewer goes on to what is not.
    Viewer::of(address, "film", dir.path()).goes_down_and_up("ahead");
    stop(server);
}

#[test]
fn a_live_stream_of_several_renditions_is_watched_in_the_quality_that_the_network_has() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = wireworks(&["hls", "live", "--listen", "127.0.0.1:0", "--demo"]);
    let address = server.address("hls");
    until(address, "/live/demo/index.m3u8", |reply| {
        reply.status == 200 && reply.text().matches("#EXT-X-STREAM-INF").count() == 3
    });
    Viewer::of(address, "demo", dir.path()).goes_down_and_up("");
    stop(server);
}
