//! One multivariant playlist.

use super::super::playlist::attributes::Attributes;
use super::super::playlist::lines::{Kind, Line};
use super::super::playlist::media::{Define, Method};
use super::super::playlist::multivariant::{ClosedCaptions, MediaKind, MultivariantPlaylist, Variant};
use super::{Findings, line_of, uri_lines};

pub(super) fn check(lines: &[Line<'_>], playlist: &MultivariantPlaylist, found: &mut Findings) {
    version(lines, playlist, found);
    media(lines, playlist, found);
    variants(lines, playlist, found);
    i_frames(lines, playlist, found);
    session(lines, playlist, found);
}

fn version(lines: &[Line<'_>], playlist: &MultivariantPlaylist, found: &mut Findings) {
    let service = |id: &String| id.starts_with("SERVICE");
    let needs = [
        (11, playlist.defines.iter().any(|define| matches!(define, Define::QueryParam(_)))),
        (8, !playlist.defines.is_empty()),
        (7, playlist.media.iter().any(|media| media.instream_id.as_ref().is_some_and(service))),
    ];
    let needed = needs.iter().find(|(_, needed)| *needed).map_or(1, |(version, _)| *version);
    let declared = playlist.version.max(1);
    found.expect("version", line_of(lines, "#EXT-X-VERSION"), declared >= needed, || {
        format!("version {declared}, needed is {needed}")
    });
    for define in &playlist.defines {
        if let Define::Value(name, _) = define {
            let used = lines.iter().any(|line| {
                let (Kind::Uri(text) | Kind::Tag { value: text, .. }) = line.kind;
                text.contains(&format!("{{${name}}}"))
            });
            // A media playlist may import it.
            let line = line_of(lines, "#EXT-X-DEFINE");
            found.expect("define-unused", line, used, || format!("{name} is not used here"));
        }
    }
}

fn media(lines: &[Line<'_>], playlist: &MultivariantPlaylist, found: &mut Findings) {
    let numbers = lines.iter().filter(|line| matches!(line.kind, Kind::Tag { name: "#EXT-X-MEDIA", .. }));
    for (index, (media, line)) in playlist.media.iter().zip(numbers).enumerate() {
        let line = Some(line.number);
        let uri = match media.kind {
            MediaKind::ClosedCaptions => media.uri.is_none(),
            MediaKind::Subtitles => media.uri.is_some(),
            MediaKind::Audio | MediaKind::Video => true,
        };
        found.expect("media-uri", line, uri, || media.name.clone());
        let before = || playlist.media[..index].iter();
        let group = || before().filter(|other| other.kind == media.kind && other.group == media.group);
        found.expect("media-names", line, group().all(|other| other.name != media.name), || {
            media.name.clone()
        });
        let fits = !media.default || media.autoselect && group().all(|other| !other.default);
        found.expect("media-default", line, fits, || media.name.clone());
        let forced = !media.forced || media.kind == MediaKind::Subtitles;
        found.expect("media-forced", line, forced, || media.name.clone());
        let captions = media.kind == MediaKind::ClosedCaptions;
        let id = media.instream_id.as_deref();
        found.expect(
            "media-instream-id",
            line,
            id.map_or(!captions, |id| captions && is_instream_id(id)),
            || id.unwrap_or("there is none").to_owned(),
        );
        let channels = media.kind != MediaKind::Audio || media.channels.is_some();
        found.expect("media-channels", line, channels, || media.name.clone());
    }
}

fn is_instream_id(id: &str) -> bool {
    let number = |prefix: &str, most: u8| {
        id.strip_prefix(prefix).and_then(|n| n.parse::<u8>().ok()).is_some_and(|n| (1..=most).contains(&n))
    };
    number("CC", 4) || number("SERVICE", 63)
}

fn variants(lines: &[Line<'_>], playlist: &MultivariantPlaylist, found: &mut Findings) {
    let none = |variant: &Variant| variant.closed_captions == Some(ClosedCaptions::None);
    let some_none = playlist.variants.iter().any(none);
    for (index, (variant, line)) in playlist.variants.iter().zip(uri_lines(lines)).enumerate() {
        let line = Some(line);
        let uri = || variant.uri.clone();
        common(variant, line, found);
        found.expect("average-bandwidth", line, variant.average_bandwidth.is_some(), uri);
        let video = is_video(variant);
        found.expect("resolution", line, !video || variant.resolution.is_some(), uri);
        found.expect("frame-rate", line, !video || variant.frame_rate.is_some(), uri);
        found.expect("closed-captions-none", line, !some_none || none(variant), uri);
        let captions = match &variant.closed_captions {
            Some(ClosedCaptions::Group(group)) => Some(group),
            Some(ClosedCaptions::None) | None => None,
        };
        for (kind, group) in [
            (MediaKind::Audio, variant.audio.as_ref()),
            (MediaKind::Video, variant.video.as_ref()),
            (MediaKind::Subtitles, variant.subtitles.as_ref()),
            (MediaKind::ClosedCaptions, captions),
        ] {
            let Some(group) = group else { continue };
            let there = playlist.media.iter().any(|media| media.kind == kind && media.group == *group);
            found.expect("groups", line, there, || format!("{} {group}", kind.word()));
        }
        let same = playlist.variants[..index].contains(variant);
        found.expect("same-variant", line, !same, uri);
    }
}

fn common(variant: &Variant, line: Option<usize>, found: &mut Findings) {
    let fits =
        variant.bandwidth > 0 && variant.average_bandwidth.is_none_or(|average| average <= variant.bandwidth);
    found.expect("bandwidth", line, fits, || {
        format!("{}, and on average {}", variant.bandwidth, variant.average_bandwidth.unwrap_or(0))
    });
    found.expect("codecs", line, variant.codecs.is_some(), || variant.uri.clone());
    if let Some(range) = &variant.video_range {
        found.expect("video-range", line, matches!(range.as_str(), "SDR" | "HLG" | "PQ"), || range.clone());
    }
}

/// Whether its codecs say that it has pictures.
pub(super) fn is_video(variant: &Variant) -> bool {
    const VIDEO: [&str; 10] =
        ["avc1", "avc3", "hvc1", "hev1", "dvh1", "dvhe", "av01", "vp09", "vvc1", "vvi1"];
    let codecs = variant.codecs.as_deref().unwrap_or("");
    codecs.split(',').any(|codec| VIDEO.iter().any(|video| codec.trim().starts_with(video)))
}

fn i_frames(lines: &[Line<'_>], playlist: &MultivariantPlaylist, found: &mut Findings) {
    let tags = lines.iter().filter_map(|line| match line.kind {
        Kind::Tag { name: "#EXT-X-I-FRAME-STREAM-INF", value } => Some((line.number, value)),
        _ => None,
    });
    for (variant, (line, value)) in playlist.i_frames.iter().zip(tags) {
        common(variant, Some(line), found);
        let list = Attributes::parse(value).unwrap_or_default();
        for name in ["FRAME-RATE", "AUDIO", "SUBTITLES", "CLOSED-CAPTIONS"] {
            found.expect("i-frame-attributes", Some(line), list.value(name).is_none(), || name.to_owned());
        }
    }
}

fn session(lines: &[Line<'_>], playlist: &MultivariantPlaylist, found: &mut Findings) {
    for (index, data) in playlist.session_data.iter().enumerate() {
        let same = |other: &super::super::playlist::multivariant::SessionData| {
            other.id == data.id && other.language == data.language
        };
        let line = line_of(lines, "#EXT-X-SESSION-DATA");
        let twice = playlist.session_data[..index].iter().any(same);
        found.expect("session-data-same", line, !twice, || data.id.clone());
    }
    let none = playlist.session_keys.iter().any(|key| key.method == Method::None);
    found.expect("session-key", line_of(lines, "#EXT-X-SESSION-KEY"), !none, || "it is NONE".into());
}
