//! The film that is packaged: a clip of 20 s, over and over until it has a gigabyte.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Result;

/// Bytes that it has at least.
const SIZE: u64 = 1_000_000_000;

/// Full HD at 8 Mb/s with B-frames, and sound. Noise, so that the encoder needs its bits.
const CLIP: &[&str] = &[
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=1920x1080:rate=30:duration=20,noise=alls=12:allf=t,format=yuv420p",
    "-f",
    "lavfi",
    "-i",
    "sine=frequency=440:sample_rate=48000:duration=20",
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-b:v",
    "8M",
    "-maxrate",
    "8M",
    "-bufsize",
    "8M",
    "-g",
    "60",
    "-keyint_min",
    "60",
    "-sc_threshold",
    "0",
    "-bf",
    "3",
    "-c:a",
    "aac",
    "-b:a",
    "128k",
    "-ac",
    "2",
];

/// Makes the film when it is first needed.
#[derive(Default)]
pub(crate) struct Film(OnceCell<PathBuf>);

/// Where the film is, and what the packagers write.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("hls")
}

impl Film {
    /// The film, in the page cache.
    pub(crate) fn path(&self) -> Result<&Path> {
        if self.0.get().is_none() {
            let path = made()?;
            let read = io::copy(&mut File::open(&path)?, &mut io::sink())?;
            eprintln!("{}: {read} bytes", path.display());
            // Nobody else sets it.
            let _ = self.0.set(path);
        }
        Ok(self.0.get().ok_or("there is no film")?)
    }
}

fn made() -> Result<PathBuf> {
    let folder = folder();
    fs::create_dir_all(&folder)?;
    let (clip, film) = (folder.join("clip.mp4"), folder.join("film.mp4"));
    if film.is_file() {
        return Ok(film);
    }
    ffmpeg(|command| command.args(CLIP).arg(&clip))?;
    let times = SIZE / fs::metadata(&clip)?.len();
    let part = folder.join("part.mp4");
    ffmpeg(|command| {
        command.args(["-stream_loop", &times.to_string(), "-i"]).arg(&clip);
        command.args(["-c", "copy", "-movflags", "+faststart"]).arg(&part)
    })?;
    fs::rename(part, &film)?;
    Ok(film)
}

/// Runs it.
pub(crate) fn ffmpeg(args: impl FnOnce(&mut Command) -> &mut Command) -> Result<()> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]);
    let status =
        args(&mut command).status().map_err(|error| format!("ffmpeg (Debian package ffmpeg): {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("ffmpeg: {status}").into()) }
}
