//! Pictures for a seek bar: one each so many seconds, many of them in one file (a sprite), with an index in WebVTT that says which part of which file is shown at a time.
//!
//! Players such as Video.js, Plyr and JW Player read such an index: each cue names a file, and behind `#xywh=` the place in it (Media Fragments URI 1.0, section 4.2.2).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::program::{ToolError, Tools};

/// Pixels from left to right of one picture.
const WIDTH: u32 = 160;

/// Pictures beside each other in a sprite, and rows of them.
const COLUMNS: u32 = 10;
const ROWS: u32 = 10;

/// Sprites at most; with more, pictures are further apart: a day has a picture each 17 s.
const SPRITES: u32 = 50;

/// The file name of the index.
pub const INDEX: &str = "index.vtt";

/// What pictures are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thumbnails {
    /// How far they are apart.
    pub every: Duration,
    /// How long the film is.
    pub duration: Duration,
    /// The size of the film as it is shown.
    pub size: (u64, u64),
}

/// Makes pictures of a film, and their index, in a folder that is made.
///
/// # Errors
/// ffmpeg is missing or fails, or the folder cannot be written.
pub fn thumbnails(tools: &Tools, input: &str, wanted: &Thumbnails, folder: &Path) -> Result<(), ToolError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ToolError::Write { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let plan = Plan::of(wanted);
    tools.ffmpeg(plan.words(input, folder), |_, _| {})?;
    let index = folder.join(INDEX);
    fs::write(&index, plan.index()).map_err(failed(&index))
}

/// How pictures lie in sprites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    every: Duration,
    duration: Duration,
    count: u32,
    height: u32,
    rows: u32,
}

impl Plan {
    fn of(wanted: &Thumbnails) -> Self {
        let most = f64::from(COLUMNS * ROWS * SPRITES);
        let least = wanted.duration.as_secs_f64() / most;
        // Milliseconds, so that the index and ffmpeg mean the same.
        let every = wanted.every.max(Duration::from_secs_f64(least)).as_millis().max(100);
        let every = Duration::from_millis(u64::try_from(every).unwrap_or(u64::MAX));
        let count = (wanted.duration.as_secs_f64() / every.as_secs_f64()).ceil().clamp(1.0, most) as u32;
        let (width, height) = (wanted.size.0.max(1) as f64, wanted.size.1.max(1) as f64);
        let height = (f64::from(WIDTH) * height / width / 2.0).round().clamp(1.0, 500.0) as u32 * 2;
        Self { every, duration: wanted.duration, count, height, rows: count.div_ceil(COLUMNS).min(ROWS) }
    }

    fn sprites(&self) -> u32 {
        self.count.div_ceil(COLUMNS * self.rows)
    }

    fn words(&self, input: &str, folder: &Path) -> Vec<String> {
        let (every, height, rows) = (self.every.as_millis(), self.height, self.rows);
        // Only key frames are decoded. The last one is held, so that there are as many pictures as the index has.
        let graph = format!(
            "tpad=stop_mode=clone:stop_duration={hold},fps=1000/{every}:start_time=0:round=down,scale={WIDTH}:{height},setsar=1,tile={COLUMNS}x{rows}",
            hold = self.every.as_secs() * 2 + 20,
        );
        let files = format!("file:{}/%d.jpg", folder.display().to_string().replace('%', "%%"));
        let words = [
            &["-skip_frame", "nokey", "-i", input, "-map", "0:v:0", "-an", "-vf", &graph][..],
            &["-frames:v", &self.sprites().to_string(), "-q:v", "4", "-pix_fmt", "yuvj420p"],
            &["-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1", "-map_metadata", "-1"],
            &["-f", "image2", "-start_number", "1", &files],
        ];
        words.concat().into_iter().map(str::to_owned).collect()
    }

    fn index(&self) -> String {
        let mut text = "WEBVTT\n".to_owned();
        for n in 0..self.count {
            let (from, to) = (self.every * n, (self.every * (n + 1)).min(self.duration.max(self.every * n)));
            let (sprite, place) = (n / (COLUMNS * self.rows), n % (COLUMNS * self.rows));
            let (x, y) = (place % COLUMNS * WIDTH, place / COLUMNS * self.height);
            // A String takes everything.
            let _ = write!(
                text,
                "\n{} --> {}\n{}.jpg#xywh={x},{y},{WIDTH},{}\n",
                clock(from),
                clock(to),
                sprite + 1,
                self.height
            );
        }
        text
    }
}

/// A time as WebVTT has it.
fn clock(time: Duration) -> String {
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::hls::codec::webvtt::Document;

    fn plan(every: u64, duration: u64) -> Plan {
        let (every, duration) = (Duration::from_secs(every), Duration::from_secs(duration));
        Plan::of(&Thumbnails { every, duration, size: (640, 360) })
    }

    #[test]
    fn how_pictures_lie_in_sprites() {
        for (every, duration, count, rows, sprites) in [
            (10, 16, 2, 1, 1),
            (10, 100, 10, 1, 1),
            (10, 101, 11, 2, 1),
            (1, 100, 100, 10, 1),
            (1, 101, 101, 10, 2),
        ] {
            let plan = plan(every, duration);
            assert_eq!((plan.count, plan.rows, plan.sprites()), (count, rows, sprites), "{every} {duration}");
            assert_eq!(plan.height, 90);
        }
        // A week is not a picture each second.
        let week = plan(1, 7 * 86_400);
        assert!(
            week.count <= 5000 && week.sprites() <= SPRITES && week.every > Duration::from_secs(100),
            "{week:?}"
        );
    }

    #[test]
    fn the_index() {
        let text = plan(1, 102).index();
        let head = "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n1.jpg#xywh=0,0,160,90\n\n00:00:01.000";
        assert!(text.starts_with(head), "{text}");
        assert!(text.contains("\n00:00:25.000 --> 00:00:26.000\n1.jpg#xywh=800,180,160,90\n"), "{text}");
        assert!(text.ends_with("\n00:01:41.000 --> 00:01:42.000\n2.jpg#xywh=160,0,160,90\n"), "{text}");
        assert_eq!(Document::parse(text.as_bytes()).unwrap().cues.len(), 102);
        assert!(plan(10, 16).index().contains("00:00:10.000 --> 00:00:16.000"));
    }
}
