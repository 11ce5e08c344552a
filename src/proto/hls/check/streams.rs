//! What a multivariant playlist says of the media, beside what the media are. Section 4.4.6.2.

use super::super::playlist::multivariant::{MediaKind, MultivariantPlaylist, Variant};
use super::segment::{Content, Sense};
use super::{Finding, Findings};

/// What the segments of a media playlist hold.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// As the multivariant playlist names it.
    pub uri: &'a str,
    /// Its tracks.
    pub tracks: &'a [Content],
}

/// Checks each variant whose media playlists are all among `held`.
#[must_use]
pub fn streams(playlist: &MultivariantPlaylist, held: &[Held<'_>]) -> Vec<Finding> {
    let mut found = Findings::default();
    let of = |uri: &str| held.iter().find(|held| held.uri == uri);
    for variant in &playlist.variants {
        // Where nothing could be read, other rules say why.
        let Some(own) = of(&variant.uri).filter(|own| !own.tracks.is_empty()) else { continue };
        let mut tracks: Vec<&Content> = own.tracks.iter().collect();
        let mut complete = true;
        for (kind, group) in [
            (MediaKind::Audio, &variant.audio),
            (MediaKind::Video, &variant.video),
            (MediaKind::Subtitles, &variant.subtitles),
        ] {
            let Some(group) = group else { continue };
            let members = playlist.media.iter().filter(|media| media.kind == kind && media.group == *group);
            for uri in members.filter_map(|media| media.uri.as_deref()) {
                match of(uri) {
                    Some(held) if kind == MediaKind::Subtitles || !held.tracks.is_empty() => {
                        tracks.extend(held.tracks);
                    }
                    _ => complete = false,
                }
            }
        }
        codecs(variant, &tracks, complete, &mut found);
        pictures(variant, own.tracks, &mut found);
    }
    for variant in &playlist.i_frames {
        let Some(own) = of(&variant.uri) else { continue };
        let tracks: Vec<&Content> = own.tracks.iter().filter(|track| track.sense == Sense::Video).collect();
        if tracks.is_empty() {
            continue;
        }
        codecs(variant, &tracks, true, &mut found);
        resolution(variant, own.tracks, &mut found);
    }
    found.0
}

fn codecs(variant: &Variant, tracks: &[&Content], complete: bool, found: &mut Findings) {
    let Some(said) = &variant.codecs else { return };
    let said: Vec<Codec<'_>> = said.split(',').map(|codec| Codec::of(codec.trim())).collect();
    for track in tracks {
        let codec = Codec::of(&track.codec);
        let detail = || format!("{} has {}", variant.uri, track.codec);
        let named = said.iter().any(|said| said.family == codec.family);
        found.expect("codecs-complete", None, named, detail);
        let exact = said.iter().any(|said| said.family == codec.family && said.same(&codec));
        found.expect("codecs-exact", None, !named || exact, detail);
    }
    for codec in said.iter().filter(|_| complete) {
        let there = tracks.iter().any(|track| Codec::of(&track.codec).family == codec.family);
        // Text in segments of its own needs no codec, and may have one.
        let text = matches!(codec.family, "wvtt" | "stpp");
        found.expect("codecs-exact", None, there || text, || {
            format!("{} has no {}", variant.uri, codec.whole)
        });
    }
}

/// A codec as RFC 6381 has them.
struct Codec<'a> {
    whole: &'a str,
    /// Who decodes it.
    family: &'a str,
}

impl<'a> Codec<'a> {
    fn of(whole: &'a str) -> Self {
        let family = match whole.split('.').next().unwrap_or(whole) {
            "avc3" => "avc1",
            "hev1" => "hvc1",
            // Opus and FLAC were named in several ways.
            "Opus" => "opus",
            "fLaC" => "flac",
            family => family,
        };
        Self { whole, family }
    }

    /// Whether a decoder of one is a decoder of the other: profile and level are the same.
    fn same(&self, other: &Self) -> bool {
        let parts = |codec: &Self| -> Vec<String> {
            let parts: Vec<String> = codec.whole.split('.').skip(1).map(str::to_ascii_lowercase).collect();
            match codec.family {
                // Constraints between profile and level are not a matter of decoders.
                "avc1" => parts
                    .first()
                    .map(|part| [part.get(..2), part.get(4..)])
                    .into_iter()
                    .flatten()
                    .map(|part| part.unwrap_or_default().to_owned())
                    .collect(),
                "hvc1" => [parts.first(), parts.get(2)].into_iter().flatten().cloned().collect(),
                "av01" => parts.into_iter().take(3).collect(),
                // Whether AAC has more than its first layer may be told by its frames alone.
                "mp4a" => parts.into_iter().take(1).collect(),
                _ => Vec::new(),
            }
        };
        parts(self) == parts(other)
    }
}

fn pictures(variant: &Variant, tracks: &[Content], found: &mut Findings) {
    resolution(variant, tracks, found);
    let Some(track) = tracks.iter().find(|track| track.sense == Sense::Video) else { return };
    if let (Some(said), Some(rate)) = (variant.frame_rate, track.rate()) {
        // An average of what may vary: the fastest is at least that.
        let fits = said >= rate * 0.98 && said <= rate * 1.5;
        found.expect("frame-rate-true", None, fits, || {
            format!("{} has {rate:.3}, it says {said:.3}", variant.uri)
        });
    }
}

fn resolution(variant: &Variant, tracks: &[Content], found: &mut Findings) {
    let size = tracks.iter().find_map(|track| track.size);
    if let (Some(said), Some((width, height))) = (variant.resolution, size) {
        // Pixels need not be square, nor all shown: one of the sides is as it is coded.
        let fits = said.height == u64::from(height) || said.width == u64::from(width);
        found.expect("resolution-true", None, fits, || {
            format!("{} has {width}x{height}, it says {said}", variant.uri)
        });
    }
}
