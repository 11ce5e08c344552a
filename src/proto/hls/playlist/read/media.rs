//! Reads a media playlist.

use super::super::attributes::{Attributes, integer};
use super::super::lines::{Kind, Line};
use super::super::media::{MediaPlaylist, PlaylistKind, Start};
use super::super::variables::Variables;
use super::segments::Segments;
use super::{MULTIVARIANT, ReadError, Rest, Why, at, tags};

/// Tags of its head, which occur once, and which `m3u8-rs` reads.
const HEAD: [&str; 8] = [
    "#EXT-X-VERSION",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-PLAYLIST-TYPE",
    "#EXT-X-I-FRAMES-ONLY",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    "#EXT-X-START",
];

pub(super) fn read(
    lines: &[Line<'_>],
    mut variables: Variables,
    mut segments: Segments,
) -> Result<MediaPlaylist, ReadError> {
    let mut playlist = MediaPlaylist::default();
    let (mut rest, mut seen) = (Rest::new(), Vec::new());
    for line in lines {
        let at = at(line.number);
        match line.kind {
            Kind::Uri(uri) => {
                let uri = variables.fill(uri).map_err(|why| at(why.into()))?;
                segments.uri(&uri).map_err(&at)?;
            }
            Kind::Tag { name, value } => {
                if segments.tag(&mut variables, name, value).map_err(&at)? {
                    continue;
                }
                if once(name) {
                    if seen.contains(&name) {
                        return Err(at(Why::Twice(name.to_owned())));
                    }
                    seen.push(name);
                }
                if MULTIVARIANT.contains(&name) {
                    return Err(at(Why::Kind(name.to_owned())));
                }
                if HEAD.contains(&name) {
                    check(name, value).map_err(&at)?;
                    rest.tag(name, value);
                    continue;
                }
                tag(&mut playlist, &mut variables, name, value).map_err(&at)?;
            }
        }
    }
    playlist.unfinished = segments.unfinished().map_err(at(lines.last().map_or(1, |line| line.number)))?;
    playlist.segments = segments.done;
    if !seen.contains(&"#EXT-X-TARGETDURATION") {
        return Err(ReadError::Missing("EXT-X-TARGETDURATION"));
    }
    head(&mut playlist, &rest)
}

fn once(name: &str) -> bool {
    let others = ["#EXT-X-SERVER-CONTROL", "#EXT-X-PART-INF", "#EXT-X-SKIP", "#EXT-X-ENDLIST"];
    HEAD.contains(&name) || others.contains(&name)
}

/// What `m3u8-rs` does not know.
fn tag(playlist: &mut MediaPlaylist, variables: &mut Variables, name: &str, value: &str) -> Result<(), Why> {
    match name {
        "#EXT-X-ENDLIST" => playlist.ended = true,
        "#EXT-X-SERVER-CONTROL" => {
            playlist.server_control = tags::server_control(&variables.attributes(value)?)?;
        }
        "#EXT-X-PART-INF" => {
            let target = variables.attributes(value)?.seconds("PART-TARGET")?;
            playlist.part_target = Some(super::super::attributes::needed("PART-TARGET", target)?);
        }
        "#EXT-X-SKIP" => playlist.skipped = Some(tags::skip(&variables.attributes(value)?)?),
        "#EXT-X-PRELOAD-HINT" => {
            playlist.preload_hints.extend(tags::preload_hint(&variables.attributes(value)?)?);
        }
        "#EXT-X-RENDITION-REPORT" => playlist.reports.push(tags::report(&variables.attributes(value)?)?),
        "#EXT-X-DEFINE" => {
            let define = tags::define(&variables.attributes(value)?)?;
            variables.define(&define)?;
            playlist.defines.push(define);
        }
        // Tags that nobody knows are ignored (section 6.3.1).
        _ => {}
    }
    Ok(())
}

/// What `m3u8-rs` would read as something else.
pub(super) fn check(name: &str, value: &str) -> Result<(), Why> {
    let fits = match name {
        "#EXT-X-VERSION" => integer(value).is_some_and(|version| u32::try_from(version).is_ok()),
        "#EXT-X-TARGETDURATION" | "#EXT-X-MEDIA-SEQUENCE" | "#EXT-X-DISCONTINUITY-SEQUENCE" => {
            integer(value).is_some()
        }
        "#EXT-X-PLAYLIST-TYPE" => matches!(value, "VOD" | "EVENT"),
        "#EXT-X-START" => {
            let offset = Attributes::parse(value)?.plain("TIME-OFFSET")?;
            super::super::attributes::needed("TIME-OFFSET", offset)?.parse::<f64>().is_ok_and(f64::is_finite)
        }
        _ => value.is_empty(),
    };
    if fits { Ok(()) } else { Err(Why::Value(name.to_owned())) }
}

fn head(playlist: &mut MediaPlaylist, rest: &Rest) -> Result<MediaPlaylist, ReadError> {
    let head = m3u8_rs::parse_media_playlist_res(rest.0.as_bytes())
        .map_err(|_| ReadError::Missing("head that could be read"))?;
    playlist.version = version(head.version);
    playlist.target_duration = head.target_duration;
    playlist.media_sequence = head.media_sequence;
    playlist.discontinuity_sequence = head.discontinuity_sequence;
    playlist.kind = head.playlist_type.and_then(|kind| match kind {
        m3u8_rs::MediaPlaylistType::Event => Some(PlaylistKind::Event),
        m3u8_rs::MediaPlaylistType::Vod => Some(PlaylistKind::Vod),
        m3u8_rs::MediaPlaylistType::Other(_) => None,
    });
    playlist.i_frames_only = head.i_frames_only;
    playlist.independent_segments = head.independent_segments;
    playlist.start = head.start.map(start);
    Ok(std::mem::take(playlist))
}

pub(super) fn version(version: Option<usize>) -> u32 {
    version.and_then(|version| u32::try_from(version).ok()).unwrap_or(0)
}

pub(super) fn start(start: m3u8_rs::Start) -> Start {
    Start { offset: start.time_offset, precise: start.precise.unwrap_or(false) }
}
