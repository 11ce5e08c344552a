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
streams: av1, film, live, packaged
film plays
qualities: Auto, 480p, 360p, 240p
chosen: 240 high
in the statistics: 240p, 1 switch, a drawing
back to auto
sound tracks and subtitles: Off, Subtitles
subtitles on
keys: paused, playing, on, back, muted, loud, statistics, help
packaged plays
av1 plays
live: Live, latency by the dates of the stream
transport stream plays
gone: The stream is not there at the moment
well: desktop, phone, dark
";

/// And where it decodes AV1 only.
const SEEN_OF_AV1: &str = "\
av1 plays
in the statistics: a drawing
";

/// A live playlist of what was packaged: what ended a moment ago has no end.
fn live(packaged: &Path, folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    for entry in std::fs::read_dir(packaged).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    std::fs::remove_file(folder.join("iframes.m3u8")).unwrap();
    let playlist = std::fs::read_to_string(packaged.join("index.m3u8")).unwrap();
    let began = chrono::Utc::now() - chrono::TimeDelta::seconds(16);
    let began = began.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let ending = ["#EXT-X-ENDLIST", "#EXT-X-PLAYLIST-TYPE"];
    let lines = playlist.lines().filter(|line| !ending.iter().any(|ending| line.starts_with(ending)));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let dated = text.replacen("#EXTINF", &format!("#EXT-X-PROGRAM-DATE-TIME:{began}\n#EXTINF"), 1);
    std::fs::write(folder.join("index.m3u8"), dated).unwrap();
}

#[test]
fn a_browser_plays_what_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let [out, running] = ["packaged", "live"].map(|name| dir.path().join(name));
    let ladder = ["240p.mp4", "360p.mp4", "480p.mp4"].map(media);
    let [low, middle, high] = ladder.each_ref();
    package(&out, &[low, middle, high]);
    live(&out.join("480p"), &running);
    let mut inputs: Vec<String> = ladder.iter().map(|input| format!("film={input}")).collect();
    inputs.push(format!("film={}", media("subtitles.vtt")));
    inputs.extend([&out, &running].map(|folder| folder.display().to_string()));
    inputs.push(media("av1.mp4"));
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
    // Chromium of Debian decodes H.264. Where it does not, AV1 is played, and the first line says so.
    let (codec, rest) = text.split_once('\n').unwrap_or_default();
    let expected = if codec == "codec: av01" { SEEN_OF_AV1 } else { SEEN };
    assert!(["codec: avc1", "codec: av01"].contains(&codec) && rest == expected, "{text}\n{}", seen.stderr);
    seen.success();
    drop((browser, server));
}
