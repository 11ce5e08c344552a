//! The multivariant playlist of a live stream: its renditions, and which of them go together (section 4.4.6).
//!
//! Most renditions have pictures and sound in the same segments, and each is a variant. Encoders of CMAF send each track by itself: then those with
//! pictures alone are the variants, and those with sound alone a group that all of them share, the first by name being the one that is played.

use super::super::playlist::multivariant::{Media, MediaKind, MultivariantPlaylist, Resolution, Variant};
use super::super::playlist::rates::Rates;
use super::Contents;

/// The version of the protocol that it needs.
const VERSION: u32 = 6;

/// The group of renditions that have sound alone.
const SOUND: &str = "sound";

/// A rendition.
#[derive(Clone, Debug)]
pub struct Rung<'a> {
    /// Its name, for people.
    pub name: &'a str,
    /// Where its playlist is.
    pub uri: String,
    /// What is in it.
    pub about: &'a Contents,
    /// Whether each of its segments so far can be decoded by itself.
    pub independent: bool,
    /// The largest bit rate of its segments so far.
    pub peak: u64,
    /// Their average bit rate.
    pub average: u64,
}

impl Rung<'_> {
    fn is_sound(&self) -> bool {
        self.about.size.is_none()
    }

    fn is_mute(&self) -> bool {
        !self.is_sound() && self.about.channels == 0
    }
}

/// The playlist of renditions, the largest variant first: players begin with that.
#[must_use]
pub fn multivariant(rungs: &[Rung<'_>]) -> MultivariantPlaylist {
    let apart = rungs.iter().any(Rung::is_mute);
    let (sounds, pictures): (Vec<&Rung<'_>>, Vec<_>) =
        rungs.iter().partition(|rung| apart && rung.is_sound());
    let variants = pictures.iter().map(|rung| variant(rung, &sounds)).collect();
    let media = sounds.iter().enumerate().map(|(index, rung)| Media {
        kind: MediaKind::Audio,
        group: SOUND.to_owned(),
        name: rung.name.to_owned(),
        uri: Some(rung.uri.clone()),
        language: None,
        assoc_language: None,
        stable_id: None,
        default: index == 0,
        autoselect: true,
        forced: false,
        instream_id: None,
        characteristics: None,
        channels: Some(rung.about.channels.max(1).to_string()),
    });
    let mut playlist = MultivariantPlaylist {
        version: VERSION,
        independent_segments: rungs.iter().all(|rung| rung.independent),
        media: media.collect(),
        variants,
        ..MultivariantPlaylist::default()
    };
    let rates = rungs.iter().map(|rung| (rung.uri.clone(), Rates { peak: rung.peak, average: rung.average }));
    playlist.measure(&rates.collect());
    playlist.variants.sort_by_key(|variant| std::cmp::Reverse(variant.bandwidth));
    playlist
}

/// A variant, but for its rates.
fn variant(rung: &Rung<'_>, sounds: &[&Rung<'_>]) -> Variant {
    let sounds = if rung.is_mute() { sounds } else { &[] };
    let mut codecs: Vec<&str> = rung.about.codecs.split(',').collect();
    for codec in sounds.iter().flat_map(|sound| sound.about.codecs.split(',')) {
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
    let size = rung.about.size;
    Variant {
        uri: rung.uri.clone(),
        codecs: Some(codecs.join(",")),
        resolution: size.map(|(width, height)| Resolution { width: width.into(), height: height.into() }),
        frame_rate: rung.about.frame_rate,
        audio: (!sounds.is_empty()).then(|| SOUND.to_owned()),
        ..Variant::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::super::check;
    use super::super::super::playlist::variables::Variables;
    use super::*;

    fn about(codecs: &str, size: Option<(u16, u16)>, channels: u16) -> Contents {
        Contents { codecs: codecs.to_owned(), size, frame_rate: size.map(|_| 25.0), channels }
    }

    fn rung<'a>(name: &'a str, about: &'a Contents, peak: u64) -> Rung<'a> {
        Rung { name, uri: format!("{name}/playlist.m3u8"), about, independent: true, peak, average: peak / 2 }
    }

    fn written(rungs: &[Rung<'_>]) -> MultivariantPlaylist {
        let playlist = multivariant(rungs);
        let text = playlist.write();
        assert_eq!(check::playlist(text.as_bytes(), Variables::default()).findings, [], "{text}");
        playlist
    }

    #[test]
    fn renditions_with_all_in_them_are_variants_the_largest_first() {
        let (small, large, radio) = (
            about("avc1.42c015,mp4a.40.2", Some((320, 180)), 2),
            about("avc1.64001f,mp4a.40.2", Some((1280, 720)), 2),
            about("mp4a.40.2", None, 2),
        );
        let rungs =
            [rung("180p", &small, 300_000), rung("720p", &large, 3_000_000), rung("radio", &radio, 130_000)];
        let playlist = written(&rungs);
        assert!(playlist.media.is_empty() && playlist.independent_segments);
        let uris: Vec<_> =
            playlist.variants.iter().map(|variant| (variant.uri.as_str(), variant.bandwidth)).collect();
        let expected = [
            ("720p/playlist.m3u8", 3_000_000),
            ("180p/playlist.m3u8", 300_000),
            ("radio/playlist.m3u8", 130_000),
        ];
        assert_eq!(uris, expected);
        let dependent = Rung { independent: false, ..rung("180p", &small, 1) };
        assert!(!multivariant(&[dependent, rung("720p", &large, 1)]).independent_segments);
    }

    #[test]
    fn tracks_that_come_apart_are_played_together() {
        let (small, large) =
            (about("avc1.42c015", Some((320, 180)), 0), about("hvc1.1.6.L93.B0", Some((640, 360)), 0));
        let (english, german) = (about("mp4a.40.2", None, 2), about("opus", None, 6));
        let rungs = [
            rung("de", &german, 200_000),
            rung("en", &english, 100_000),
            rung("v1", &small, 300_000),
            rung("v2", &large, 900_000),
        ];
        let playlist = written(&rungs);
        let sound: Vec<_> = playlist
            .media
            .iter()
            .map(|media| (media.name.as_str(), media.default, media.channels.as_deref()))
            .collect();
        assert_eq!(sound, [("de", true, Some("6")), ("en", false, Some("2"))]);
        let variants: Vec<_> = playlist
            .variants
            .iter()
            .map(|variant| (variant.bandwidth, variant.average_bandwidth, variant.codecs.as_deref()))
            .collect();
        assert_eq!(
            variants,
            [
                (1_100_000, Some(550_000), Some("hvc1.1.6.L93.B0,opus,mp4a.40.2")),
                (500_000, Some(250_000), Some("avc1.42c015,opus,mp4a.40.2")),
            ]
        );
        assert!(playlist.variants.iter().all(|variant| variant.audio.as_deref() == Some("sound")));
    }
    #[test]
    fn what_was_measured_counts_the_sound_of_a_variant() {
        let (picture, sound) = (about("avc1.42c015", Some((320, 180)), 0), about("mp4a.40.2", None, 2));
        let rungs = [
            rung("a1", &sound, 1),
            rung("a2", &sound, 1),
            rung("a3", &sound, 1),
            rung("v1", &picture, 1),
            rung("v2", &picture, 1),
        ];
        let rates = |own: &[(&str, u64)]| -> BTreeMap<String, Rates> {
            let each = |(name, peak): &(&str, u64)| {
                (format!("{name}/playlist.m3u8"), Rates { peak: *peak, average: peak / 2 })
            };
            own.iter().map(each).collect()
        };
        // What there is, the variants with their rates, and the sound that they name.
        for (there, variants, group) in [
            (&[("a1", 100), ("a2", 300), ("v1", 1000)][..], &[("v1", 1300, 650)][..], 2),
            (&[("v1", 1000), ("v2", 2000)], &[("v1", 1000, 500), ("v2", 2000, 1000)], 0),
            (&[("a1", 100)], &[], 1),
        ] {
            let mut playlist = multivariant(&rungs);
            playlist.measure(&rates(there));
            assert_eq!(playlist.media.len(), group);
            let seen: Vec<_> = playlist
                .variants
                .iter()
                .map(|one| {
                    (
                        one.uri.trim_end_matches("/playlist.m3u8"),
                        one.bandwidth,
                        one.average_bandwidth.unwrap(),
                    )
                })
                .collect();
            assert_eq!(seen, variants);
            assert!(playlist.variants.iter().all(|one| one.audio.is_some() == (group > 0)));
        }
    }
}
