//! `wireworks hls check`: reads playlists and what they name, as a player would, and says which rules they break.
//!
//! The rules and what they say stand in [`proto::hls::check`](crate::proto::hls::check); here is what asks for the bytes. A media playlist is a `Watched`: its
//! state is kept from one version to the next, so that the segments of a live playlist are read once.

mod fetch;
mod live;
mod report;
mod watched;

#[cfg(test)]
mod tests;

use std::time::Duration;

use self::fetch::Fetcher;
pub use self::report::{Problem, Report};
use self::watched::{Context, Watched};
pub use super::location::{BadLocation, Location};
use crate::proto::hls::check::{self, Held, Rendition};
use crate::proto::hls::playlist::MAX_PLAYLIST;
use crate::proto::hls::playlist::multivariant::MultivariantPlaylist;
use crate::proto::hls::playlist::read::Playlist;
use crate::proto::hls::playlist::variables::Variables;

/// Media playlists that a multivariant playlist may name to be read. Apple's example streams have some sixty.
pub const MAX_PLAYLISTS: usize = 500;

/// What is to be checked, and how far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Segments of a media playlist that are read: its first ones, of a live one its last; `None`: all.
    pub segments: Option<usize>,
    /// How often live playlists are read again.
    pub reloads: u32,
    /// How long a request may take.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { segments: None, reloads: 2, timeout: Duration::from_secs(15) }
    }
}

/// Checks the playlist at `place`: a multivariant playlist with all that belongs to it, or a media playlist alone.
pub async fn check(place: &Location, settings: &Settings) -> Report {
    let mut report = Report::default();
    let context = Context { fetcher: Fetcher::new(settings.timeout), settings: settings.clone() };
    let place = entrance(place);
    let name = place.to_string();
    let Some((bytes, base)) = context.playlist(&place, &name, &mut report).await else { return report };
    let read = check::playlist(&bytes, Variables::new(&[], base.query()));
    report.add(&name, read.findings);
    match read.playlist {
        None => {}
        Some(Playlist::Media(playlist)) => {
            let mut watched = Watched::new(place, name, Vec::new(), false).found(base);
            watched.take(playlist, &context, &mut report).await;
            live::follow(&mut [watched], &context, &mut report).await;
        }
        Some(Playlist::Multivariant(master)) => {
            multivariant((&place, &base), &name, &master, &context, &mut report).await;
        }
    }
    report
}

/// The playlist to begin with in a folder: the one that is called `master`, `main` or `index`, or the only one.
fn entrance(place: &Location) -> Location {
    let Location::File(folder) = place else { return place.clone() };
    if !folder.is_dir() {
        return place.clone();
    }
    let named = ["master", "main", "index", "playlist"].map(|name| folder.join(name).with_extension("m3u8"));
    if let Some(path) = named.into_iter().find(|path| path.is_file()) {
        return Location::File(path);
    }
    let entries =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut playlists: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "m3u8")).collect();
    match (playlists.pop(), playlists.is_empty()) {
        (Some(path), true) => Location::File(path),
        _ => place.clone(),
    }
}

/// Checks the media playlists that `master` names, and what they have to have in common. It is at `place`, and was found at `base`.
async fn multivariant(
    (place, base): (&Location, &Location),
    name: &str,
    master: &MultivariantPlaylist,
    context: &Context,
    report: &mut Report,
) {
    let variants = master.variants.iter().map(|variant| variant.uri.as_str());
    let media = master.media.iter().filter_map(|media| media.uri.as_deref());
    let i_frames = master.i_frames.iter().map(|variant| variant.uri.as_str());
    let mut uris: Vec<&str> = Vec::new();
    for uri in variants.chain(media).chain(i_frames) {
        if !uris.contains(&uri) && uris.len() < MAX_PLAYLISTS {
            uris.push(uri);
        }
    }
    let mut all: Vec<Watched> = Vec::new();
    for uri in uris {
        let place = match base.join(uri) {
            Ok(place) => place,
            Err(error) => {
                report.broken("available", uri, error.to_string());
                continue;
            }
        };
        let mut watched =
            Watched::new(place, uri.to_owned(), master.defines.clone(), master.independent_segments);
        if watched.load(context, report).await {
            all.push(watched);
        }
    }
    let lives = all.iter().filter_map(Watched::playlist).any(|playlist| !playlist.ended);
    live::follow(&mut all, context, report).await;
    // What a live stream needs is known as far as it has come: it is compared with what is said of that now.
    let later = if lives { again(place, name, context, report).await } else { None };
    let master = later.as_ref().unwrap_or(master);
    let i_frames: Vec<&str> = master.i_frames.iter().map(|variant| variant.uri.as_str()).collect();
    let sizes: Vec<Option<Vec<u64>>> = all.iter().map(Watched::sizes).collect();
    let renditions = all.iter().zip(&sizes).filter(|(watched, _)| !i_frames.contains(&watched.name()));
    let renditions: Vec<Rendition<'_>> =
        renditions.filter_map(|(watched, sizes)| watched.rendition(sizes.as_deref())).collect();
    report.add(name, check::renditions(master, &renditions));
    let held: Vec<Held<'_>> = all.iter().filter_map(Watched::held).collect();
    report.add(name, check::streams(master, &held));
}

/// What a multivariant playlist says by now. Its own faults were told before.
async fn again(
    place: &Location,
    name: &str,
    context: &Context,
    report: &mut Report,
) -> Option<MultivariantPlaylist> {
    let (bytes, base) = context.playlist(place, name, report).await?;
    match check::playlist(&bytes, Variables::new(&[], base.query())).playlist? {
        Playlist::Multivariant(playlist) => Some(playlist),
        Playlist::Media(_) => None,
    }
}

/// Bytes of a playlist at most.
const PLAYLIST: u64 = MAX_PLAYLIST as u64;

/// Whether a type is one of a playlist's (section 4.1).
fn is_playlist_type(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // The second is that of RFC 8216; others are in use and are not named there.
    matches!(essence.as_str(), "application/vnd.apple.mpegurl" | "audio/mpegurl")
}
