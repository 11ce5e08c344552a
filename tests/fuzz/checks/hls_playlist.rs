//! Playlists: what is read can be written and read again, whatever its lines end with, and an update leads where the whole playlist does.

use wireworks::proto::hls::check;
use wireworks::proto::hls::playlist::attributes::Seconds;
use wireworks::proto::hls::playlist::delta::Skip;
use wireworks::proto::hls::playlist::media::{DateRange, MediaPlaylist};
use wireworks::proto::hls::playlist::multivariant::MultivariantPlaylist;
use wireworks::proto::hls::playlist::read::{Playlist, ReadError};
use wireworks::proto::hls::playlist::variables::Variables;

/// Checks the reader on `text`, and the writer on what it reads; says whether it could be read.
pub(crate) fn check(text: &[u8]) -> bool {
    let read = read(text);
    if !text.contains(&b'\r') {
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        let other = self::read(&lines.join(&b"\r\n"[..]));
        assert_eq!(other.as_ref().ok(), read.as_ref().ok(), "it hangs on how lines end");
    }
    match read {
        Ok(Playlist::Media(playlist)) => media(&playlist),
        Ok(Playlist::Multivariant(playlist)) => multivariant(&playlist),
        Err(_) => return false,
    }
    true
}

fn read(text: &[u8]) -> Result<Playlist, ReadError> {
    Playlist::read(text, Variables::default())
}

fn media(playlist: &MediaPlaylist) {
    let text = playlist.write();
    // Values of variables stand in the text by now, and may look like variables themselves.
    if text.contains("{$") {
        return;
    }
    let Ok(Playlist::Media(again)) = read(text.as_bytes()) else { panic!("it cannot be read again: {text}") };
    assert_eq!(again.write(), text, "what is written is written again");
    same(playlist, &again);
    assert_eq!(check::reload(&again, &again), []);
    for skip in [Skip::Segments, Skip::DateRanges] {
        let Some(delta) = again.delta(skip, &[]) else { continue };
        assert!(again.skipped.is_none(), "an update is made of a whole playlist: {text}");
        let update = again.update(delta.write().as_bytes(), Variables::default());
        // An update needs a version of its own.
        let update = update.map(|update| MediaPlaylist { version: again.version, ..update });
        let (update, ranges) = apart(update.unwrap());
        let (again, expected) = apart(again.clone());
        assert_eq!(update, again, "{}", delta.write());
        assert_eq!(ranges, expected, "{}", delta.write());
    }
}

/// A playlist, and its date ranges: those of segments that an update leaves out stand before the first one that it does not.
fn apart(mut playlist: MediaPlaylist) -> (MediaPlaylist, Vec<DateRange>) {
    let segments = playlist.segments.iter_mut().chain(playlist.unfinished.as_deref_mut());
    let ranges = segments.flat_map(|segment| std::mem::take(&mut segment.date_ranges)).collect();
    (playlist, ranges)
}

/// What is the same however it is written: durations are written to the microsecond, and the version is raised to what is needed.
fn same(a: &MediaPlaylist, b: &MediaPlaylist) {
    let head = |playlist: &MediaPlaylist| {
        let counts = [playlist.segments.len(), playlist.preload_hints.len(), playlist.reports.len()];
        let numbers = [playlist.target_duration, playlist.media_sequence, playlist.discontinuity_sequence];
        // What stands behind the last segment and is of nothing is not written.
        let parts = playlist.unfinished.as_ref().map_or(0, |segment| segment.parts.len());
        (counts, numbers, playlist.kind, playlist.ended, parts, playlist.next_msn())
    };
    assert_eq!(head(a), head(b));
    for (a, b) in a.segments.iter().zip(&b.segments) {
        assert_eq!((&a.uri, a.byte_range, a.gap), (&b.uri, b.byte_range, b.gap));
        assert_eq!((a.discontinuity, &a.keys, &a.map), (b.discontinuity, &b.keys, &b.map));
        assert_eq!(Seconds(a.duration).to_string(), Seconds(b.duration).to_string());
        assert_eq!(a.parts.len(), b.parts.len());
    }
}

fn multivariant(playlist: &MultivariantPlaylist) {
    let text = playlist.write();
    // Without a variant nothing may be left that tells which kind of playlist it is.
    if playlist.variants.is_empty() || text.contains("{$") {
        return;
    }
    let Ok(Playlist::Multivariant(again)) = read(text.as_bytes()) else {
        panic!("it cannot be read again: {text}")
    };
    assert_eq!(again.write(), text, "what is written is written again");
    let uris = |playlist: &MultivariantPlaylist| {
        playlist.variants.iter().map(|variant| (variant.uri.clone(), variant.bandwidth)).collect::<Vec<_>>()
    };
    assert_eq!((uris(playlist), playlist.media.len()), (uris(&again), again.media.len()));
}
