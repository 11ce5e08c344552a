//! The programs `ffmpeg` and `ffprobe`: whether they are there, what they say of a film, and how far they are with what they do.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Bytes of a program's complaints that are kept: their end.
const COMPLAINTS: usize = 4096;

/// Why a program did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not installed.
    #[error(
        "the program {0} is not installed: apt-get install ffmpeg (Debian, Ubuntu), dnf install ffmpeg (Fedora, with RPM Fusion), pacman -S ffmpeg (Arch), or https://ffmpeg.org/download.html"
    )]
    Missing(&'static str),
    /// It cannot be started, or watched.
    #[error("cannot run {program}")]
    Start {
        /// Which.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It failed.
    #[error("{program}: {complaint}")]
    Failed {
        /// Which.
        program: &'static str,
        /// The last line that it wrote of it.
        complaint: String,
    },
    /// It found no pictures in the film.
    #[error("{0}: there are no pictures of which renditions could be made")]
    NoPictures(String),
    /// The input cannot be read twice.
    #[error("{0} needs an input that can be read again: a file or a URL, not the standard input")]
    ReadOnce(&'static str),
    /// A file or folder for what it makes.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What a film is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Film {
    /// Pixels from left to right, as it is shown.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Pictures a second.
    pub rate: f64,
    /// How long it is; 0 where that is not known.
    pub duration: Duration,
    /// Bits a second of its pictures, or of all of it; where that is known.
    pub bits: Option<u64>,
}

/// Where the programs are.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    folder: Option<PathBuf>,
}

impl Tools {
    /// Programs in that folder, and not those that are found in `PATH`.
    #[must_use]
    pub fn within(folder: PathBuf) -> Self {
        Self { folder: Some(folder) }
    }

    fn command(&self, program: &'static str) -> Command {
        let path = self.folder.as_ref().map_or_else(|| PathBuf::from(program), |folder| folder.join(program));
        let mut command = Command::new(path);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Whether `ffmpeg` can be started.
    ///
    /// # Errors
    /// The program is missing, or cannot be started.
    pub fn present(&self) -> Result<(), ToolError> {
        let mut command = self.command("ffmpeg");
        command.arg("-version");
        run("ffmpeg", command, |out| io::copy(out, &mut io::sink()).map(drop))
    }

    /// What `ffprobe` says of a film: a file or a URL.
    ///
    /// # Errors
    /// The program is missing or fails, or there are no pictures.
    pub fn probe(&self, input: &str) -> Result<Film, ToolError> {
        const PROGRAM: &str = "ffprobe";
        let mut command = self.command(PROGRAM);
        command.args(["-v", "error", "-print_format", "json", "-show_format", "-show_streams"]);
        command.args(["-select_streams", "v:0", "-i", input]);
        let mut text = String::new();
        run(PROGRAM, command, |out| out.read_to_string(&mut text).map(drop))?;
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        film(&said).ok_or_else(|| ToolError::NoPictures(input.to_owned()))
    }

    /// Runs `ffmpeg`, and tells `each` how far it is: which time of the film it has reached, and how many times as fast as that is played it goes.
    ///
    /// # Errors
    /// The program is missing or fails.
    pub fn ffmpeg<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        mut each: impl FnMut(Duration, Option<f64>),
    ) -> Result<(), ToolError> {
        const PROGRAM: &str = "ffmpeg";
        let mut command = self.command(PROGRAM);
        command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]);
        command.args(["-progress", "pipe:1", "-stats_period", "0.2"]).args(args);
        run(PROGRAM, command, |out| {
            let mut progress = Progress::default();
            for line in BufReader::new(out).lines() {
                if let Some((at, speed)) = progress.line(&line?) {
                    each(at, speed);
                }
            }
            Ok(())
        })
    }
}

/// What `ffprobe` wrote of the pictures.
fn film(said: &Value) -> Option<Film> {
    let stream = said.pointer("/streams/0")?;
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
    let pixels = |name: &str| stream[name].as_u64().and_then(|pixels| u32::try_from(pixels).ok());
    let (width, height) = (pixels("width")?, pixels("height")?);
    if width == 0 || height == 0 {
        return None;
    }
    let turned = stream["side_data_list"].as_array().into_iter().flatten();
    let turned = turned.filter_map(|data| data["rotation"].as_i64()).any(|degrees| degrees % 180 != 0);
    let (width, height) = if turned { (height, width) } else { (width, height) };
    let rate = ["avg_frame_rate", "r_frame_rate"].iter().find_map(|name| ratio(stream[*name].as_str()?));
    let duration = [&stream["duration"], &said["format"]["duration"]].into_iter().find_map(number);
    let bits = [&stream["bit_rate"], &said["format"]["bit_rate"]].into_iter().find_map(number);
    Some(Film {
        width,
        height,
        rate: rate.unwrap_or(25.0),
        duration: Duration::try_from_secs_f64(duration.unwrap_or(0.0)).unwrap_or_default(),
        bits: bits.filter(|bits| *bits >= 1.0).map(|bits| bits as u64),
    })
}

/// A number that is written as `30000/1001`.
fn ratio(text: &str) -> Option<f64> {
    let (above, below) = text.split_once('/')?;
    let ratio = above.parse::<f64>().ok()? / below.parse::<f64>().ok()?;
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

/// The lines that `-progress` writes: `key=value`, in blocks that end with `progress=continue` or `progress=end`.
#[derive(Debug, Default)]
struct Progress {
    at: Duration,
    speed: Option<f64>,
}

impl Progress {
    /// What is known at the end of a block.
    fn line(&mut self, line: &str) -> Option<(Duration, Option<f64>)> {
        let (key, value) = line.split_once('=')?;
        match key {
            // It is N/A, or even below 0, as long as nothing was written.
            "out_time_us" => {
                self.at = value.parse::<u64>().map_or(self.at, Duration::from_micros);
            }
            "speed" => self.speed = value.trim().trim_end_matches('x').parse().ok(),
            "progress" => return Some((self.at, self.speed)),
            _ => {}
        }
        None
    }
}

/// A program that is ended when nobody waits for it any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program to its end; `read` is given what it writes.
fn run(
    program: &'static str,
    mut command: Command,
    read: impl FnOnce(&mut dyn Read) -> io::Result<()>,
) -> Result<(), ToolError> {
    let failed = |source| ToolError::Start { program, source };
    let child = command.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ToolError::Missing(program),
        _ => failed(source),
    })?;
    let mut running = Running(child);
    let stderr = running.0.stderr.take();
    // Who does not read what a program complains of stops it when the pipe is full.
    let complaints = thread::Builder::new().name("complaints".into()).spawn(move || end_of(stderr));
    let complaints = complaints.map_err(failed)?;
    if let Some(mut out) = running.0.stdout.take() {
        read(&mut out).map_err(failed)?;
    }
    let status = running.0.wait().map_err(failed)?;
    let complaints = complaints.join().unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    let last = complaints.lines().rev().find(|line| !line.trim().is_empty());
    let complaint = last.map_or_else(|| status.to_string(), |line| line.trim().to_owned());
    Err(ToolError::Failed { program, complaint })
}

/// The end of what is written.
fn end_of(from: Option<impl Read>) -> String {
    let mut kept = VecDeque::with_capacity(COMPLAINTS);
    let mut buffer = [0; 1024];
    if let Some(mut from) = from {
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            kept.extend(&buffer[..read]);
            kept.drain(..kept.len().saturating_sub(COMPLAINTS));
        }
    }
    String::from_utf8_lossy(kept.make_contiguous()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ffprobe_says() {
        let said = serde_json::json!({
            "streams": [{
                "width": 1920, "height": 1080, "avg_frame_rate": "30000/1001", "duration": "12.5", "bit_rate": "4000000",
                "side_data_list": [{"rotation": -90}]
            }],
            "format": {"duration": "13.0", "bit_rate": "5000000"}
        });
        let found = film(&said).unwrap();
        assert_eq!((found.width, found.height, found.bits), (1080, 1920, Some(4_000_000)));
        assert_eq!(found.duration, Duration::from_millis(12_500));
        assert!((found.rate - 29.97).abs() < 0.01, "{found:?}");
        let bare = serde_json::json!({"streams": [{"width": 2, "height": 2, "avg_frame_rate": "0/0"}], "format": {}});
        let found = film(&bare).unwrap();
        assert_eq!((found.rate, found.duration, found.bits), (25.0, Duration::ZERO, None));
        for none in ["{}", r#"{"streams": []}"#, r#"{"streams": [{"width": 0, "height": 2}]}"#, "null"] {
            assert_eq!(film(&serde_json::from_str(none).unwrap()), None, "{none}");
        }
    }

    #[test]
    fn how_far_it_is() {
        let mut progress = Progress::default();
        let lines = "frame=1\nout_time_us=N/A\nspeed=N/A\nprogress=continue\nout_time_us=1500000\nspeed= 2.5x\nprogress=end";
        let said: Vec<_> = lines.lines().filter_map(|line| progress.line(line)).collect();
        assert_eq!(said, [(Duration::ZERO, None), (Duration::from_millis(1500), Some(2.5))]);
    }

    #[test]
    fn the_end_of_complaints_is_kept() {
        let long: String = (0..2000).map(|n| format!("{n}\n")).collect();
        let kept = end_of(Some(long.as_bytes()));
        assert!(kept.len() == COMPLAINTS && kept.ends_with("1999\n"), "{kept}");
    }
}
