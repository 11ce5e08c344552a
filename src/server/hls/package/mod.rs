//! `wireworks hls package`: a presentation, written into a folder.
//!
//! Inputs are opened and planned by [`vod`](super::vod); here segments go to files, whole or encrypted, each rendition into a folder of its own or into one file, and
//! playlists follow when all that they name is there. The same inputs and options make the same bytes.

mod encrypt;
mod output;
mod write;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use self::encrypt::{Keys, Staged};
use self::output::{Aside, MASTER};
use super::command::package::{Args, Container, Sound as SoundArg, Spec};
use super::tools::{self, Encoded, Thumbnails, ToolError, Tools};
use super::vod::{
    Format, INIT_NAME, Input, Media, MediaError, PlanError, Presentation, Rendition, Role, SegmentError,
    Settings, Sound,
};

/// The folder of pictures for a seek bar, in the output.
const THUMBNAILS: &str = "thumbnails";

/// How the folder beside the output ends in which renditions are made.
const LADDER: &str = "ladder";

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// An input.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A segment.
    #[error("segment {number} of {rendition}")]
    Segment {
        /// Which one, from 1.
        number: usize,
        /// Its rendition.
        rendition: String,
        /// Why.
        source: Box<SegmentError>,
    },
    /// A file or a folder of the output.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The output would replace something else.
    #[error("{} holds something that is no package (there is no {MASTER}): remove it, or choose another folder", .0.display())]
    Occupied(PathBuf),
    /// The output is where a file system begins, and cannot be replaced.
    #[error("{} is a file system of its own, which cannot be replaced: choose a folder in it", .0.display())]
    Mounted(PathBuf),
    /// A key file cannot be read.
    #[error("cannot read the key {}", path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key file holds no key.
    #[error("{} holds no key: 16 bytes, or 32 hexadecimal digits", .0.display())]
    NoKey(PathBuf),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for a key")]
    Chance,
    /// Options that make no sense together.
    #[error("{0}")]
    Usage(String),
    /// What the ffmpeg program was to do.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

impl PackageError {
    fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }

    /// The exit status: 64 for a command line that makes no sense, 1 for anything else.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 64,
            _ => 1,
        }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Renditions.
    pub renditions: usize,
    /// Segments of all of them.
    pub segments: usize,
    /// Bytes of all segments.
    pub bytes: u64,
}

/// Packages what the arguments name, and says on the standard output what was written.
///
/// # Errors
/// An input cannot be read or planned, or the output cannot be written: then what was there before is there still.
pub fn run(args: &Args) -> Result<(), PackageError> {
    let summary = package(args)?;
    if !args.quiet {
        let Summary { renditions, segments, bytes } = summary;
        let master = args.out.join(MASTER);
        let line =
            format!("{}: renditions {renditions}, segments {segments}, bytes {bytes}\n", master.display());
        // Who closed the output does not want to know.
        let _ = io::Write::write_all(&mut io::stdout(), line.as_bytes());
    }
    Ok(())
}

/// Packages what the arguments name.
///
/// # Errors
/// As for [`run`].
pub fn package(args: &Args) -> Result<Summary, PackageError> {
    if args.format == Container::Ts && (args.index || args.init.is_some()) {
        return Err(PackageError::Usage("--index and --init are for segments of fMP4".to_owned()));
    }
    let programs = Tools::default();
    if args.thumbnails.is_some() {
        programs.present()?; // rather than when all else is done
    }
    let aside = Aside::new(&args.out)?;
    let ladder = ladder(args, &programs, &aside)?;
    let files =
        ladder.as_ref().map(|ladder| ladder.files.iter().map(|file| file.display().to_string()).collect());
    let films: Vec<String> = files.unwrap_or_else(|| args.inputs.clone());
    let inputs = open(args, &films)?;
    if !args.quiet {
        for warning in inputs.iter().flat_map(|(_, media)| &media.warnings) {
            eprintln!("warning: {warning}");
        }
    }
    let pictured = films.iter().zip(&inputs).filter(|(_, (_, media))| media.has_pictures());
    // Renditions of a ladder begin with the largest: the last one is decoded in the least time.
    let pictured = pictured.map(|(film, _)| film.clone()).next_back();
    if args.thumbnails.is_some() && pictured.as_deref() == Some("-") {
        return Err(ToolError::ReadOnce("--thumbnails").into());
    }
    let presentation = Presentation::plan(inputs, &settings(args))?;
    let renditions = presentation.renditions();
    let most = renditions.iter().map(Rendition::len).max().unwrap_or(0);
    let keys = Keys::make(&args.encryption, most, &aside)?;
    let bar = bar(renditions, args.quiet);
    let mut measured = Vec::with_capacity(renditions.len());
    let mut playlists = Vec::new();
    for rendition in renditions {
        let folder = aside.folder().join(rendition.folder());
        let order =
            write::Order { folder: &folder, single_file: args.single_file, keys: keys.as_ref(), bar: &bar };
        let written = order.rendition(rendition)?;
        playlists.extend(written.playlists);
        measured.push(written.measured);
    }
    bar.finish_and_clear();
    for (path, text) in &playlists {
        std::fs::write(path, text).map_err(|source| PackageError::write(path, source))?;
    }
    if let (Some(every), Some(film)) = (args.thumbnails, &pictured) {
        thumbnails(&programs, film, every.0, &presentation, &aside.folder().join(THUMBNAILS))?;
    }
    let master = aside.folder().join(MASTER);
    let text = presentation.multivariant_of(&measured, keys.is_none()).write();
    std::fs::write(&master, text).map_err(|source| PackageError::write(&master, source))?;
    let staged = keys.as_ref().map(Keys::write).transpose()?;
    // Keys within go with the package; others are exchanged when it is in its place.
    match (staged, keys.is_some_and(|keys| keys.are_within(aside.folder()))) {
        (Some(staged), true) => {
            staged.publish()?;
            aside.place()?;
        }
        (staged, _) => {
            aside.place()?;
            staged.map_or(Ok(()), Staged::publish)?;
        }
    }
    Ok(Summary {
        renditions: renditions.len(),
        segments: measured.iter().map(Vec::len).sum(),
        bytes: measured.iter().flatten().map(|written| written.bytes).sum(),
    })
}

/// The renditions that ffmpeg makes, if they are wanted; they are gone when the value is dropped.
fn ladder(args: &Args, programs: &Tools, aside: &Aside) -> Result<Option<Encoded>, PackageError> {
    let Some(ladder) = &args.ladder else { return Ok(None) };
    let [input] = &args.inputs[..] else {
        return Err(PackageError::Usage("--ladder makes the renditions of one input".to_owned()));
    };
    let folder = aside.folder().with_extension(LADDER);
    Ok(Some(tools::encode(programs, input, ladder, &folder, args.quiet)?))
}

/// Pictures for a seek bar, in a folder of the output.
fn thumbnails(
    programs: &Tools,
    film: &str,
    every: Duration,
    presentation: &Presentation,
    folder: &Path,
) -> Result<(), PackageError> {
    let mut renditions = presentation.renditions().iter();
    let Some((variant, size)) = renditions.find_map(|one| Some((one, one.resolution()?))) else {
        return Ok(());
    };
    let duration = (0..variant.len()).map(|n| variant.duration(n)).sum();
    let wanted = Thumbnails { every, duration, size: (size.width, size.height) };
    Ok(tools::thumbnails(programs, film, &wanted, folder)?)
}

fn open(args: &Args, films: &[String]) -> Result<Vec<(Input, Media)>, PackageError> {
    let any = films.iter().map(|input| (Role::Any, Spec { input: input.clone(), ..Spec::default() }));
    let audio = args.audio.iter().map(|spec| (Role::Audio, spec.clone()));
    let subtitles = args.subtitles.iter().map(|spec| (Role::Subtitles, spec.clone()));
    let all: Vec<(Role, Spec)> = any.chain(audio).chain(subtitles).collect();
    if all.iter().filter(|(_, spec)| spec.input == "-").count() > 1 {
        return Err(PackageError::Usage("the standard input can be read once only".to_owned()));
    }
    let opened = all.into_iter().map(|(role, spec)| {
        let Spec { input, name, language, default, forced } = spec;
        let media = Media::open(&input)?;
        Ok((Input { role, name, language, default, forced }, media))
    });
    opened.collect()
}

fn settings(args: &Args) -> Settings {
    let mut session_data = args.session_data.clone();
    if args.thumbnails.is_some() {
        session_data.push(("wireworks.thumbnails".to_owned(), format!("{THUMBNAILS}/{}", tools::INDEX)));
    }
    Settings {
        format: match args.format {
            Container::Fmp4 => Format::Fmp4,
            Container::Ts => Format::Ts,
        },
        target: args.segment.0,
        sound: match args.sound {
            SoundArg::Auto => Sound::Auto,
            SoundArg::Muxed => Sound::Muxed,
            SoundArg::Apart => Sound::Apart,
        },
        index: args.index,
        date_time: args.date_time,
        session_data,
        init_name: args.init.clone().unwrap_or_else(|| INIT_NAME.to_owned()),
    }
}

/// A bar that is drawn on a terminal: how much of all segments is written, how fast, and how long it takes.
fn bar(renditions: &[Rendition], quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let planned = renditions.iter().flat_map(Rendition::planned).map(|planned| planned.bytes);
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    ProgressBar::new(planned.sum()).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
