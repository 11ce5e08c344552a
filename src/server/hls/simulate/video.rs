//! The video of a simulation: a manifest in JSON, or the playlists of a packaged film.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;

use crate::net::client::Connector;
use crate::proto::hls::abr::{Bits, Ladder, LadderError};
use crate::proto::hls::playlist::MAX_PLAYLIST;
use crate::proto::hls::playlist::media::{MediaPlaylist, Segment};
use crate::proto::hls::playlist::multivariant::{MultivariantPlaylist, Variant};
use crate::proto::hls::playlist::read::{Playlist, ReadError};
use crate::proto::hls::playlist::variables::Variables;
use crate::proto::hls::simulate::{Manifest, ManifestError};
use crate::server::hls::location::{BadLocation, Location};
use crate::server::http::client::fetch::{Ask, FetchError, Fetcher, Retry};

/// Bytes of a manifest in JSON at most: ten qualities of a day of segments of a second.
const MAX_MANIFEST: u64 = 32 << 20;

/// What a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no video.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// It is nowhere.
    #[error(transparent)]
    Place(#[from] BadLocation),
    /// A file cannot be read.
    #[error("cannot read {place}")]
    File {
        /// Which.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// A server does not have it.
    #[error("cannot get {place}")]
    Web {
        /// Which.
        place: String,
        /// What came of it.
        source: Box<FetchError>,
    },
    /// It is larger than any manifest.
    #[error("{0} has more than {MAX_MANIFEST} bytes")]
    Long(String),
    /// It is no manifest.
    #[error("{place}: {source}")]
    Manifest {
        /// Which.
        place: String,
        /// What is wrong.
        source: ManifestError,
    },
    /// It is no playlist.
    #[error("{place}: {source}")]
    Playlist {
        /// Which.
        place: String,
        /// What is wrong.
        source: ReadError,
    },
    /// A live stream has no sizes.
    #[error("{0} is not complete: a simulation needs a film, whose playlist ends with EXT-X-ENDLIST")]
    Live(String),
    /// A media playlist has no qualities to choose from.
    #[error("{0} is a media playlist: name the multivariant playlist, which lists the qualities")]
    Media(String),
    /// Qualities do not have the same segments.
    #[error("{place} has {segments} segments, and {first} has {expected}")]
    Apart {
        /// One of them.
        place: String,
        /// How many it has.
        segments: usize,
        /// The first.
        first: String,
        /// How many that has.
        expected: usize,
    },
}

/// Reads the manifest at a place, or the playlists.
///
/// # Errors
/// It is not there, or no video.
pub async fn load(place: &str) -> Result<Manifest, VideoError> {
    let place = Location::parse(place)?;
    let fetcher = Fetcher::new(Connector::new().deadline(PATIENCE), Retry::default());
    let bytes = get(&fetcher, &place).await?;
    let name = place.to_string();
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') {
        let text = String::from_utf8_lossy(&bytes);
        return Manifest::from_json(&text).map_err(|source| VideoError::Manifest { place: name, source });
    }
    match read(&bytes, &place)? {
        Playlist::Media(_) => Err(VideoError::Media(name)),
        Playlist::Multivariant(list) => film(&fetcher, &place, &list).await,
    }
}

async fn get(fetcher: &Fetcher, place: &Location) -> Result<Bytes, VideoError> {
    let name = place.to_string();
    match place {
        Location::File(path) => match fs::metadata(path).map(|file| file.len()) {
            Ok(length) if length > MAX_MANIFEST => Err(VideoError::Long(name)),
            Ok(_) => {
                fs::read(path).map(Bytes::from).map_err(|source| VideoError::File { place: name, source })
            }
            Err(source) => Err(VideoError::File { place: name, source }),
        },
        Location::Web { .. } => {
            let uri: Uri = name.parse().map_err(|_| BadLocation::Characters(name.clone()))?;
            let whole = fetcher.whole(&Ask::of(uri).within(PATIENCE), MAX_MANIFEST).await;
            let (bytes, _) =
                whole.map_err(|source| VideoError::Web { place: name, source: Box::new(source) })?;
            Ok(bytes)
        }
    }
}

fn read(bytes: &[u8], place: &Location) -> Result<Playlist, VideoError> {
    let wrong = |source| VideoError::Playlist { place: place.to_string(), source };
    debug_assert!(MAX_PLAYLIST as u64 <= MAX_MANIFEST);
    Playlist::read(bytes, Variables::new(&[], place.query())).map_err(wrong)
}

/// The video of a multivariant playlist: of several variants with one rate, the first counts.
async fn film(
    fetcher: &Fetcher,
    place: &Location,
    list: &MultivariantPlaylist,
) -> Result<Manifest, VideoError> {
    let mut variants: Vec<&Variant> = list.variants.iter().collect();
    variants.sort_by_key(|variant| rate(variant));
    variants.dedup_by_key(|variant| rate(variant));
    let mut columns: Vec<Vec<Bits>> = Vec::new();
    let mut first: Option<(String, f64)> = None;
    for variant in &variants {
        let at = place.join(&variant.uri)?;
        let name = at.to_string();
        let media = match read(&get(fetcher, &at).await?, &at)? {
            Playlist::Media(media) if media.ended => media,
            Playlist::Media(_) => return Err(VideoError::Live(name)),
            Playlist::Multivariant(_) => return Err(VideoError::Media(name)),
        };
        let sizes = sizes(&media, &at, rate(variant));
        let seconds = media.duration().as_secs_f64();
        let (name_of_first, _) = first.get_or_insert((name.clone(), seconds));
        if let Some(expected) = columns.first().map(Vec::len).filter(|expected| *expected != sizes.len()) {
            let first = name_of_first.clone();
            return Err(VideoError::Apart { place: name, segments: sizes.len(), first, expected });
        }
        columns.push(sizes);
    }
    let wrong = |source| VideoError::Manifest { place: place.to_string(), source };
    let count = columns.first().map_or(0, Vec::len);
    let seconds = first.map_or(0.0, |(_, seconds)| seconds);
    let rates = variants.iter().map(|variant| rate(variant) as f64 / 1000.0).collect();
    let ladder = Ladder::new(seconds * 1000.0 / count.max(1) as f64, rates)
        .map_err(|error: LadderError| wrong(error.into()))?;
    let rows = (0..count).map(|at| columns.iter().map(|column| column[at]).collect()).collect();
    Manifest::new(ladder, rows).map_err(wrong)
}

/// The rate by which a variant is chosen, in bits/s.
fn rate(variant: &Variant) -> u64 {
    variant.average_bandwidth.unwrap_or(variant.bandwidth).max(1)
}

/// The size of each segment in bits: as its byte range, its file or its `EXT-X-BITRATE` says, or what the rate of the variant makes of its duration.
fn sizes(media: &MediaPlaylist, place: &Location, rate: u64) -> Vec<Bits> {
    media.segments.iter().map(|segment| size(segment, place, rate)).collect()
}

fn size(segment: &Segment, place: &Location, rate: u64) -> Bits {
    let seconds = segment.duration.as_secs_f64();
    let told = segment.byte_range.map(|range| range.length).or_else(|| match place.join(&segment.uri) {
        Ok(Location::File(path)) => file(&path),
        _ => None,
    });
    let by_rate = segment.bitrate.map_or(rate as f64, |kilobits| kilobits as f64 * 1000.0) * seconds;
    told.map_or(by_rate, |bytes| bytes as f64 * 8.0).max(1.0)
}

fn file(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|file| file.len())
}
