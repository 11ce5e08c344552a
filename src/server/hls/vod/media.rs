//! Inputs, opened: what they are by their first bytes, which tracks they have, and where the samples of those are.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::error::MediaError;
use super::remote::{Opened, Remote};
use super::source::{Source, Spool};
use super::stream;
use crate::proto::hls::codec::webvtt::{self, Document};
use crate::proto::hls::mp4::fragment::Fragments;
use crate::proto::hls::mp4::movie::{Movie, MovieTrack};
use crate::proto::hls::mp4::walk::{Step, Walk};
use crate::proto::hls::mp4::{Fault, Wrong};
use crate::proto::hls::track::{Shape, Track};
use crate::proto::hls::vod::index::Index;
use crate::proto::hls::vod::layout::Tag;
use crate::proto::hls::vod::samples::Samples;
use crate::server::hex;

/// An input, and what its user said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// What it is for.
    pub role: Role,
    /// Its name for people.
    pub name: Option<String>,
    /// Its language, by BCP 47.
    pub language: Option<String>,
    /// Whether it is played when nobody chooses.
    pub default: bool,
    /// Whether it has to be shown: foreign dialogue.
    pub forced: bool,
}

/// What an input is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// What it holds says so.
    #[default]
    Any,
    /// Its sound is a rendition.
    Audio,
    /// Its text is subtitles.
    Subtitles,
}

/// An opened input.
#[derive(Clone, Debug)]
pub struct Media {
    /// What it is called.
    pub name: String,
    /// What is in it.
    pub content: Content,
    /// What its user should know: tracks that are left out, losses.
    pub warnings: Vec<String>,
}

/// What is in an input.
#[derive(Clone, Debug)]
pub enum Content {
    /// Pictures and sound: mostly one era. They follow each other on one timeline.
    Tracks(Vec<Era>),
    /// Text.
    Text(Arc<Document>),
}

/// What can be played without a break. Behind one, times or codings are others, and decoders begin anew.
#[derive(Clone, Debug)]
pub struct Era {
    /// Its tracks.
    pub tracks: Vec<MediaTrack>,
    /// ID3 tags, by when they count.
    pub tags: Arc<[Tag]>,
}

impl Era {
    /// Its tracks with pictures.
    pub fn videos(&self) -> impl Iterator<Item = &MediaTrack> {
        self.tracks.iter().filter(|track| matches!(track.track.shape, Shape::Video { .. }))
    }

    /// Its tracks with sound.
    pub fn sounds(&self) -> impl Iterator<Item = &MediaTrack> {
        self.tracks.iter().filter(|track| matches!(track.track.shape, Shape::Audio { .. }))
    }
}

/// A track, and where its samples are.
#[derive(Clone, Debug)]
pub struct MediaTrack {
    /// The track.
    pub track: Track,
    /// Its samples.
    pub samples: Arc<Samples>,
    /// Where their bytes are.
    pub source: Arc<Source>,
}

/// Bytes that tell what an input is.
const PROBE: usize = 4096;

impl Media {
    /// Opens what a user named: a URL that begins with `http://` or `https://`, `-` for the standard input, or a file.
    ///
    /// # Errors
    /// It cannot be read, or is nothing that can be packaged.
    pub fn open(input: &str) -> Result<Self, MediaError> {
        if input == "-" {
            return Self::from_stream("-", std::io::stdin().lock());
        }
        if input.starts_with("http://") || input.starts_with("https://") {
            let failed = |source| MediaError::Open { name: input.to_owned(), source };
            return match Remote::open(input).map_err(failed)? {
                Opened::Ranges(remote) => Self::from_source(Source::remote(input.to_owned(), remote)),
                Opened::Stream(download) => Self::from_stream(input, download),
            };
        }
        Self::from_source(Source::open(Path::new(input))?)
    }

    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be read, or is nothing that can be packaged.
    pub fn open_file(path: &Path) -> Result<Self, MediaError> {
        Self::from_source(Source::open(path)?)
    }

    /// Takes all bytes of a stream, which go to a temporary file.
    ///
    /// # Errors
    /// It cannot be read, or is nothing that can be packaged.
    pub fn from_stream(name: &str, mut stream: impl Read) -> Result<Self, MediaError> {
        let failed = |at, source| MediaError::Read { name: name.to_owned(), at, source };
        let mut buffer = vec![0; 128 * 1024];
        let mut filled = 0;
        while filled < PROBE {
            match stream.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(filled as u64, error)),
            }
        }
        if is_transport_stream(&buffer[..filled]) {
            let stream = buffer[..filled].chain(stream);
            return stream::read(name, stream);
        }
        let mut spool = Spool::new(name)?;
        let mut at = 0;
        while filled > 0 {
            spool.push(&buffer[..filled])?;
            at += filled as u64;
            filled = loop {
                match stream.read(&mut buffer) {
                    Ok(more) => break more,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(failed(at, error)),
                }
            };
        }
        Self::from_source(spool.finish()?)
    }

    fn from_source(source: Source) -> Result<Self, MediaError> {
        let first = source.up_to(0, PROBE as u64)?;
        if is_transport_stream(&first) {
            let name = source.name().to_owned();
            return stream::read(&name, InOrder { source: &source, at: 0 });
        }
        if first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first).starts_with(b"WEBVTT") {
            let file = source.up_to(0, webvtt::MAX_FILE as u64 + 1)?;
            let name = source.name().to_owned();
            let document =
                Document::parse(&file).map_err(|why| MediaError::Text { name: name.clone(), why })?;
            let content = Content::Text(Arc::new(document));
            return Ok(Self { name, content, warnings: Vec::new() });
        }
        mp4(Arc::new(source), &first)
    }

    /// Its eras; none of text.
    #[must_use]
    pub fn eras(&self) -> &[Era] {
        match &self.content {
            Content::Tracks(eras) => eras,
            Content::Text(_) => &[],
        }
    }

    /// Its tracks, as they are at first.
    #[must_use]
    pub fn tracks(&self) -> &[MediaTrack] {
        self.eras().first().map_or(&[], |era| &era.tracks)
    }

    /// Whether it has pictures.
    #[must_use]
    pub fn has_pictures(&self) -> bool {
        self.eras().first().is_some_and(|era| era.videos().next().is_some())
    }
}

/// Whether packets follow each other from the beginning, or from somewhere near.
fn is_transport_stream(first: &[u8]) -> bool {
    const PACKET: usize = crate::proto::hls::ts::PACKET;
    const SYNC: u8 = crate::proto::hls::ts::SYNC;
    // A name of a box stands where packets would have nothing of the kind.
    if first.get(4..8).is_some_and(|name| name.iter().all(u8::is_ascii_alphanumeric))
        && first.first() != Some(&SYNC)
    {
        return false;
    }
    // Discs have times in front of packets, and broadcasters sums behind them.
    [PACKET, 192, 204].into_iter().any(|stride| {
        (0..stride).any(|from| {
            let mut packets = first.iter().skip(from).step_by(stride);
            let enough = if matches!(from, 0 | 4) { 2 } else { 3 };
            packets.len() >= enough && packets.all(|byte| *byte == SYNC)
        })
    })
}

/// A source, read from its beginning to its end.
struct InOrder<'a> {
    source: &'a Source,
    at: u64,
}

impl Read for InOrder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.source.length() - self.at;
        let size = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.source.read(&mut buffer[..size], self.at).map_err(std::io::Error::other)?;
        self.at += size as u64;
        Ok(size)
    }
}

/// An MP4, with its samples in tables or in fragments.
fn mp4(source: Arc<Source>, first: &Bytes) -> Result<Media, MediaError> {
    let name = source.name().to_owned();
    let broken = |fault| MediaError::Mp4 { name: name.clone(), fault };
    let mut walk = Walk::new(source.length(), &[b"moov", b"moof"]);
    let mut found: Option<(Movie, Fragments, Vec<Index>)> = None;
    let mut warnings = Vec::new();
    loop {
        let step = match walk.step() {
            // Its writer died, or the rest was not copied: what is whole is good.
            Err(Fault { at, wrong: Wrong::Cut(_) }) if found.as_ref().is_some_and(has_samples) => {
                warnings.push(cut(&name, at));
                break;
            }
            step => step,
        };
        let step = step.map_err(|fault| match fault.wrong {
            Wrong::NotMp4(_) => MediaError::Unknown { name: name.clone(), first: digits(first) },
            _ => broken(fault),
        })?;
        let one = match step {
            Step::End => break,
            Step::Read(range) => {
                walk.give(source.up_to(range.start, range.end - range.start)?);
                continue;
            }
            Step::Found(one) => one,
        };
        match (&one.name.0, &mut found) {
            (b"moov", None) => {
                let movie = Movie::read(one.at, one.bytes).map_err(broken)?;
                for MovieTrack { track, table, .. } in &movie.tracks {
                    enough(track.id, table.bytes(), &source).map_err(|wrong| broken(wrong.at(one.at)))?;
                }
                if !movie.fragmented {
                    return movie_media(movie, Vec::new(), &source, warnings);
                }
                let fragments = Fragments::new(&movie);
                let listed =
                    movie.tracks.iter().map(|track| listed(track, &name)).collect::<Result<_, _>>()?;
                found = Some((movie, fragments, listed));
            }
            (b"moof", Some((movie, fragments, indexes))) => {
                let fragment = fragments.read(one.at, one.bytes).map_err(broken)?;
                let end = fragment.runs.iter().map(|run| run.at.saturating_add(run.bytes)).max();
                if end.is_some_and(|end| end > source.length())
                    && indexes.iter().any(|index| !index.is_empty())
                {
                    warnings.push(cut(&name, one.at));
                    break;
                }
                for run in &fragment.runs {
                    let place = movie.tracks.iter().position(|track| track.track.id == run.track);
                    let Some(index) = place.and_then(|place| indexes.get_mut(place)) else { continue };
                    let bytes = index.bytes().saturating_add(run.bytes);
                    enough(run.track, bytes, &source).map_err(|wrong| broken(wrong.at(one.at)))?;
                    for located in run.samples() {
                        index.push(&located.sample, located.at).map_err(|why| MediaError::Samples {
                            name: name.clone(),
                            at: one.at,
                            track: run.track,
                            why,
                        })?;
                    }
                }
            }
            (b"moof", None) => {
                return Err(broken(Wrong::UnknownTrack(0).at(one.at)));
            }
            // A second `moov` would begin another stream.
            _ => return Err(broken(Wrong::Twice(one.name).at(one.at))),
        }
    }
    match found {
        Some((movie, _, indexes)) => movie_media(movie, indexes, &source, warnings),
        None if source.length() < 8 => Err(MediaError::Unknown { name, first: digits(first) }),
        None => Err(MediaError::NoMovie { name, at: source.length() }),
    }
}

/// That a track does not tell of more bytes than there are: few bytes could stand for any number of samples.
fn enough(track: u32, bytes: u64, source: &Source) -> Result<(), Wrong> {
    let length = source.length();
    if bytes > length { Err(Wrong::Overlap { track, bytes, length }) } else { Ok(()) }
}

/// The samples of the tables of a track, in a list to which those of fragments are added.
fn listed(track: &MovieTrack, name: &str) -> Result<Index, MediaError> {
    let mut index = Index::default();
    for located in &track.table {
        index.push(&located.sample, located.at).map_err(|why| MediaError::Samples {
            name: name.to_owned(),
            at: located.at,
            track: track.track.id,
            why,
        })?;
    }
    Ok(index)
}

/// Whether anything was found in front of where a file was cut.
fn has_samples((_, _, indexes): &(Movie, Fragments, Vec<Index>)) -> bool {
    indexes.iter().any(|index| !index.is_empty())
}

/// The warning about a fragmented file that ends within the fragment that begins at that byte.
fn cut(name: &str, at: u64) -> String {
    format!("{name}: the file ends in the fragment that begins at byte {at}, which is left out")
}

fn movie_media(
    movie: Movie,
    indexes: Vec<Index>,
    source: &Arc<Source>,
    warnings: Vec<String>,
) -> Result<Media, MediaError> {
    let name = source.name().to_owned();
    let mut left_out: Vec<String> = Vec::new();
    for skipped in &movie.skipped {
        left_out.push(format!("track {} ('{}')", skipped.id, skipped.coding));
    }
    let mut indexes = indexes.into_iter();
    let mut tracks = Vec::new();
    for MovieTrack { track, table, .. } in movie.tracks {
        let samples = indexes.next().map_or(Samples::Table(table), Samples::Index);
        if samples.is_empty() || track.shape == Shape::Text {
            let why = if samples.is_empty() { "no samples" } else { "text within MP4" };
            left_out.push(format!("track {} ({why})", track.id));
            continue;
        }
        tracks.push(MediaTrack { track, samples: Arc::new(samples), source: Arc::clone(source) });
    }
    let eras = if tracks.is_empty() { Vec::new() } else { vec![Era { tracks, tags: Arc::new([]) }] };
    finish(name, eras, left_out, warnings)
}

/// A media of these eras.
pub(super) fn finish(
    name: String,
    eras: Vec<Era>,
    left_out: Vec<String>,
    mut warnings: Vec<String>,
) -> Result<Media, MediaError> {
    let left_out = left_out.join(", ");
    if eras.is_empty() {
        let skipped = if left_out.is_empty() { left_out } else { format!(", only {left_out}") };
        return Err(MediaError::Empty { name, skipped });
    }
    if !left_out.is_empty() {
        warnings.insert(0, format!("{name}: left out: {left_out}"));
    }
    Ok(Media { name, content: Content::Tracks(eras), warnings })
}

fn digits(first: &[u8]) -> String {
    match first {
        [] => "none, it is empty".to_owned(),
        _ => hex::encode(&first[..first.len().min(8)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transport_streams_are_known_by_their_packets() {
        let packets = |before: usize, stride: usize, count: usize| {
            let mut bytes = vec![0; before];
            for _ in 0..count {
                bytes.push(0x47);
                bytes.resize(bytes.len() + stride - 1, 0);
            }
            bytes
        };
        for (bytes, is_one) in [
            (packets(0, 188, 5), true),
            (packets(0, 188, 2), true),
            (packets(4, 192, 3), true),
            (packets(0, 204, 3), true),
            (packets(50, 188, 3), true),
            (packets(0, 188, 1), false),
            (packets(50, 188, 2), false),
            (packets(0, 190, 5), false),
            (b"\0\0\0\x1cftypisom".to_vec(), false),
            (b"Good!".repeat(100), false),
            (Vec::new(), false),
        ] {
            assert_eq!(is_transport_stream(&bytes), is_one, "{} bytes", bytes.len());
        }
    }
}
