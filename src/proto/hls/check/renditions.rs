//! Media playlists that are played together: what has to be the same in all of them, and how much they need. Sections 4.4.6.2 and 6.2.4.

use std::time::Duration;

use super::super::playlist::media::MediaPlaylist;
use super::super::playlist::multivariant::{MultivariantPlaylist, Variant};
use super::super::playlist::rates::Rates;
use super::multivariant::is_video;
use super::{Finding, Findings};

/// How far segments of renditions may begin from each other: less than a picture.
const ALIGNED: Duration = Duration::from_millis(15);

/// A media playlist of a multivariant playlist.
#[derive(Clone, Debug)]
pub struct Rendition<'a> {
    /// As the multivariant playlist names it.
    pub uri: &'a str,
    /// The playlist.
    pub playlist: &'a MediaPlaylist,
    /// The bytes of each segment, where they are known.
    pub sizes: Option<&'a [u64]>,
}

/// Checks the media playlists of a multivariant playlist against it and against each other.
#[must_use]
pub fn renditions(playlist: &MultivariantPlaylist, renditions: &[Rendition<'_>]) -> Vec<Finding> {
    let mut found = Findings::default();
    let Some((first, others)) = renditions.split_first() else { return found.0 };
    for other in others {
        let (a, b) = (first.playlist, other.playlist);
        let detail = || format!("{} and {}", first.uri, other.uri);
        found.expect("same-target-duration", None, a.target_duration == b.target_duration, detail);
        found.expect("same-type", None, a.kind == b.kind && a.ended == b.ended, detail);
        let dated = |playlist: &MediaPlaylist| {
            playlist.segments.iter().any(|segment| segment.program_date_time.is_some())
        };
        let either_empty = a.segments.is_empty() || b.segments.is_empty();
        found.expect("same-dates", None, either_empty || dated(a) == dated(b), detail);
        if a.ended && b.ended {
            let apart = a.duration().abs_diff(b.duration());
            let target = Duration::from_secs(a.target_duration);
            found.expect("same-duration", None, apart <= target / 2, || {
                format!("{} ({:.3} s apart)", detail(), apart.as_secs_f64())
            });
            found.expect("same-discontinuities", None, discontinuities(a) == discontinuities(b), detail);
        }
    }
    aligned(playlist, renditions, &mut found);
    for variant in &playlist.variants {
        bandwidth(playlist, variant, renditions, &mut found);
    }
    found.0
}

fn discontinuities(playlist: &MediaPlaylist) -> u64 {
    let own = playlist.segments.iter().filter(|segment| segment.discontinuity).count() as u64;
    playlist.discontinuity_sequence.saturating_add(own)
}

fn aligned(playlist: &MultivariantPlaylist, renditions: &[Rendition<'_>], found: &mut Findings) {
    let video = playlist.variants.iter().filter(|variant| is_video(variant));
    let mut video = video.filter_map(|variant| renditions.iter().find(|one| one.uri == variant.uri));
    let Some(first) = video.next() else { return };
    for other in video.filter(|other| other.playlist.ended && first.playlist.ended) {
        let starts = starts(first.playlist).zip(self::starts(other.playlist));
        let apart = starts.enumerate().find(|(_, (a, b))| a.abs_diff(*b) > ALIGNED);
        if let Some((index, (a, b))) = apart {
            let detail = format!(
                "segment {index} begins at {:.3} s in {} and at {:.3} s in {}",
                a.as_secs_f64(),
                first.uri,
                b.as_secs_f64(),
                other.uri
            );
            found.add("aligned", None, detail);
        }
    }
}

fn starts(playlist: &MediaPlaylist) -> impl Iterator<Item = Duration> {
    playlist.segments.iter().scan(Duration::ZERO, |at, segment| {
        let start = *at;
        *at = at.saturating_add(segment.duration);
        Some(start)
    })
}

fn bandwidth(
    playlist: &MultivariantPlaylist,
    variant: &Variant,
    renditions: &[Rendition<'_>],
    found: &mut Findings,
) {
    let of = |uri: &str| {
        let one = renditions.iter().find(|one| one.uri == uri)?;
        one.playlist.rates(one.sizes?)
    };
    let Some(Rates { peak, average }) = playlist.rates(variant, of) else { return };
    found.expect("peak-bandwidth", None, variant.bandwidth >= peak, || {
        format!("{} says {}, the peak is {peak}", variant.uri, variant.bandwidth)
    });
    if let Some(said) = variant.average_bandwidth {
        let apart = (said as f64 - average as f64).abs();
        found.expect("average-measured", None, apart <= average as f64 * 0.1, || {
            format!("{} says {said}, measured are {average}", variant.uri)
        });
    }
}
