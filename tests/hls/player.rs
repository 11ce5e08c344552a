//! The player page in a browser: it plays what is packaged and what is packaged while it is watched, and is as usable as it looks.

use std::path::Path;
use std::time::Duration;

use super::origin::{media, package, serve};
use crate::support::browser::chromium;
use crate::support::tool::{Tool, in_tools};

/// How long a script may take: a browser is slow where several tests run.
const PATIENCE: Duration = Duration::from_secs(300);

/// What stands before the script: a page over the protocol of DevTools.
const SCRIPT: &str = concat!(include_str!("../data/devtools.py"), include_str!("../data/hls/player.py"));

/// What the script prints where the browser decodes H.264, after the codec that it has found.
const SEEN: &str = "\
streams: film, packaged
film plays
qualities: Auto, 480p, 360p, 240p
chosen: 240 high
in the statistics: 240p
back to auto
sound tracks and subtitles: Off, Subtitles
subtitles on
keys: paused, playing, on, back, muted, loud, statistics, help
packaged plays
transport stream plays
gone: The stream is not there at the moment
well: desktop, phone, dark
";

#[test]
fn a_browser_plays_what_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("packaged");
    let ladder = ["240p.mp4", "360p.mp4", "480p.mp4"].map(media);
    let [low, middle, high] = ladder.each_ref();
    package(&out, &[low, middle, high]);
    let mut inputs: Vec<String> = ladder.iter().map(|input| format!("film={input}")).collect();
    inputs.push(format!("film={}", media("subtitles.vtt")));
    inputs.push(out.display().to_string());
    let (server, address) = serve(&inputs.iter().map(String::as_str).collect::<Vec<_>>());
    let url = format!("http://{address}/#film");
    let flags = ["--remote-debugging-port=0", "--autoplay-policy=no-user-gesture-required", "--mute-audio"];
    let mut browser = chromium(dir.path(), &flags, &url).start();
    let devtools = browser.wait_for_line("DevTools listening on ");
    let axe = in_tools("node_modules/axe-core/axe.min.js").display().to_string();
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hls-player");
    std::fs::create_dir_all(&pictures).unwrap();
    let args = [devtools, url, axe, pictures.display().to_string()];
    let seen = Tool::python(SCRIPT).within(PATIENCE).args(&args).run();
    let text = seen.text();
    let (codec, rest) = text.split_once('\n').unwrap_or_default();
    // Chromium of Debian decodes H.264; one without it says so in its first line, and the film cannot be played there.
    assert_eq!((codec, rest), ("codec: avc1", SEEN), "{}", seen.stderr);
    seen.success();
    drop((browser, server));
}
