//! Renditions of one film, made by ffmpeg in one run: decoded once, and key frames at the same times in all of them.

use std::fs;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::ladder::{Ladder, Rung};
use super::program::{Film, ToolError, Tools};

/// Seconds from one key frame to the next: what Apple recommends (authoring specification, 1.10). Segments are multiples of it.
const KEY_FRAMES: u32 = 2;

/// Bits a second of each sound.
const SOUND: &str = "128k";

/// Renditions in a folder, which is removed with this.
#[derive(Debug)]
pub struct Encoded {
    folder: PathBuf,
    /// The files, the largest first.
    pub files: Vec<PathBuf>,
}

impl Drop for Encoded {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next command.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Makes the renditions of a film in `folder`, which is not there yet. A bar is drawn unless `quiet`: how far it is, how many times as fast as it is played, and how long it takes.
///
/// # Errors
/// ffmpeg is missing or fails, or the folder cannot be written.
pub fn encode(
    tools: &Tools,
    input: &str,
    ladder: &Ladder,
    folder: &Path,
    quiet: bool,
) -> Result<Encoded, ToolError> {
    if input == "-" {
        return Err(ToolError::ReadOnce("--ladder"));
    }
    let film = tools.probe(input)?;
    let rungs = ladder.rungs(&film);
    let failed = |source| ToolError::Write { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    let files = rungs.iter().map(|rung| folder.join(format!("{}p.mp4", rung.short))).collect();
    let encoded = Encoded { folder: folder.to_owned(), files };
    let bar = bar(&film, quiet);
    bar.set_message(format!("{} renditions", rungs.len()));
    tools.ffmpeg(words(input, &film, &rungs, &encoded.files), |at, speed| {
        bar.set_position(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
        if let Some(speed) = speed {
            bar.set_message(format!("{} renditions, {speed:.1} times as fast as played", rungs.len()));
        }
    })?;
    bar.finish_and_clear();
    Ok(encoded)
}

fn bar(film: &Film, quiet: bool) -> ProgressBar {
    let length = u64::try_from(film.duration.as_millis()).unwrap_or(u64::MAX);
    if quiet {
        return ProgressBar::hidden();
    }
    if length == 0 {
        return ProgressBar::new_spinner();
    }
    let style = ProgressStyle::with_template("{wide_bar} {percent}% {msg}, {eta} left");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What ffmpeg is told.
fn words(input: &str, film: &Film, rungs: &[Rung], files: &[PathBuf]) -> Vec<String> {
    let mut graph = format!("[0:v:0]split={}", rungs.len());
    graph.extend((0..rungs.len()).map(|n| format!("[s{n}]")));
    for (n, rung) in rungs.iter().enumerate() {
        let Rung { width, height, .. } = rung;
        graph.push_str(&format!(";[s{n}]scale={width}:{height},setsar=1,format=yuv420p[v{n}]"));
    }
    let mut words = vec!["-i".to_owned(), input.to_owned(), "-filter_complex".to_owned(), graph];
    for ((n, rung), file) in rungs.iter().enumerate().zip(files) {
        words.extend(["-map", &format!("[v{n}]"), "-map", "0:a?"].map(str::to_owned));
        words.extend(rung_words(film, rung));
        // A path that begins with a hyphen is no option.
        words.extend(["-f", "mp4", &format!("file:{}", file.display())].map(str::to_owned));
    }
    words
}

fn rung_words(film: &Film, rung: &Rung) -> Vec<String> {
    let bits = |times: f64| ((rung.bits as f64 * times) as u64).to_string();
    // The encoder's own distance is longer than what is forced: then only the times count, which are those of all renditions.
    let longest = ((film.rate * f64::from(KEY_FRAMES) * 2.0).ceil() as u32).clamp(12, 1000).to_string();
    let forced = format!("expr:gte(t,n_forced*{KEY_FRAMES})");
    let words = [
        &["-c:v", "libx264", "-preset", "fast", "-profile:v", "high"][..],
        &["-b:v", &bits(1.0), "-maxrate", &bits(1.5), "-bufsize", &bits(2.0)],
        &["-g", &longest, "-sc_threshold", "0", "-force_key_frames", &forced],
        &["-c:a", "aac", "-b:a", SOUND, "-ac", "2", "-ar", "48000", "-sn", "-dn", "-map_chapters", "-1"],
    ];
    words.concat().into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_ffmpeg_is_told() {
        let film = Film { width: 640, height: 360, rate: 50.0, duration: Duration::from_secs(9), bits: None };
        let rungs = Ladder::Heights(vec![360, 180]).rungs(&film);
        let words = words("in.mkv", &film, &rungs, &["a/360p.mp4".into(), "a/180p.mp4".into()]).join(" ");
        for part in [
            "-i in.mkv -filter_complex [0:v:0]split=2[s0][s1];[s0]scale=640:360,setsar=1,format=yuv420p[v0];[s1]scale=320:180,",
            "-map [v0] -map 0:a? -c:v libx264",
            "-g 200 -sc_threshold 0 -force_key_frames expr:gte(t,n_forced*2)",
            "-f mp4 file:a/360p.mp4 -map [v1]",
        ] {
            assert!(words.contains(part), "{part}\n{words}");
        }
        assert!(words.ends_with("-f mp4 file:a/180p.mp4"), "{words}");
    }

    #[test]
    fn the_standard_input_cannot_be_read_twice() {
        let error = encode(&Tools::default(), "-", &Ladder::Auto, Path::new("/nowhere"), true).unwrap_err();
        assert!(matches!(error, ToolError::ReadOnce("--ladder")), "{error}");
    }
}
