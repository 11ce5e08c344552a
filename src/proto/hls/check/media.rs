//! One media playlist.

use std::time::Duration;

use super::super::playlist::lines::{Kind, Line};
use super::super::playlist::media::{DateRange, MediaPlaylist, Method, PlaylistKind, Segment};
use super::{Findings, line_of, uri_lines};

/// How far dates may be from what durations say.
const DATE_TOLERANCE: Duration = Duration::from_millis(500);

/// What durations that are written lose when they are added up.
const ROUNDED: Duration = Duration::from_millis(1);

pub(super) fn check(lines: &[Line<'_>], playlist: &MediaPlaylist, found: &mut Findings) {
    head(lines, playlist, found);
    control(lines, playlist, found);
    order(lines, found);
    let uris = uri_lines(lines);
    for (segment, line) in playlist.segments.iter().zip(uris) {
        one(playlist, segment, line, found);
    }
    dates(lines, playlist, found);
    date_ranges(lines, playlist, found);
    hints(lines, playlist, found);
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

fn head(lines: &[Line<'_>], playlist: &MediaPlaylist, found: &mut Findings) {
    let needed = playlist.needed_version();
    let line = line_of(lines, "#EXT-X-VERSION");
    let declared = playlist.version.max(1);
    found.expect("version", line, declared >= needed, || format!("version {declared}, needed is {needed}"));
    let target = line_of(lines, "#EXT-X-TARGETDURATION");
    found.expect("target-duration-positive", target, playlist.target_duration > 0, || "it is 0".into());
    let vod = playlist.kind == Some(PlaylistKind::Vod);
    found.expect("vod-ends", line_of(lines, "#EXT-X-PLAYLIST-TYPE"), !vod || playlist.ended, || {
        "there is no EXT-X-ENDLIST".into()
    });
    let three = Duration::from_secs(playlist.target_duration.saturating_mul(3));
    let whole = playlist.duration();
    let live = !playlist.ended && playlist.kind.is_none() && playlist.media_sequence > 0;
    found.expect("live-length", None, !live || whole.saturating_add(ROUNDED) >= three, || {
        format!("{} are left, of at least {}", seconds(whole), seconds(three))
    });
    if let Some(start) = playlist.start {
        let (whole, margin) = (whole.as_secs_f64(), if playlist.ended { 0.0 } else { three.as_secs_f64() });
        let at = if start.offset < 0.0 { whole + start.offset } else { start.offset };
        let fits = at >= 0.0 && at <= (whole - margin).max(0.0);
        let line = line_of(lines, "#EXT-X-START");
        found.expect("start-offset", line, fits, || format!("it is at {at:.3} s of {whole:.3} s"));
    }
}

/// Tags that stand in the wrong place.
fn order(lines: &[Line<'_>], found: &mut Findings) {
    let first = lines.iter().position(|line| match line.kind {
        Kind::Uri(_) => true,
        Kind::Tag { name, .. } => name == "#EXTINF" || name == "#EXT-X-PART",
    });
    let (mut parts, mut discontinuity) = (false, None);
    for (index, line) in lines.iter().enumerate() {
        let Kind::Tag { name, .. } = line.kind else {
            parts = false;
            continue;
        };
        let late = first.is_some_and(|first| index > first);
        match name {
            "#EXT-X-MEDIA-SEQUENCE" if late => {
                found.add("media-sequence-place", Some(line.number), "a segment is before it");
            }
            "#EXT-X-DISCONTINUITY-SEQUENCE" if late || discontinuity.is_some() => {
                let detail = "a segment or a discontinuity is before it";
                found.add("discontinuity-sequence-place", Some(line.number), detail);
            }
            "#EXT-X-PART" => parts = true,
            "#EXT-X-KEY" | "#EXT-X-MAP" | "#EXT-X-PROGRAM-DATE-TIME" | "#EXT-X-DISCONTINUITY" => {
                found.expect("part-tags-first", Some(line.number), !parts, || {
                    format!("{name} is behind a part")
                });
                if name == "#EXT-X-DISCONTINUITY" {
                    discontinuity = Some(line.number);
                }
            }
            _ => {}
        }
    }
}

fn control(lines: &[Line<'_>], playlist: &MediaPlaylist, found: &mut Findings) {
    let line = line_of(lines, "#EXT-X-SERVER-CONTROL");
    let control = playlist.server_control;
    let targets = |n: u64| Duration::from_secs(playlist.target_duration.saturating_mul(n));
    for (rule, value, least) in
        [("can-skip-until", control.can_skip_until, targets(6)), ("hold-back", control.hold_back, targets(3))]
    {
        if let Some(value) = value {
            found.expect(rule, line, value >= least, || format!("{} of {}", seconds(value), seconds(least)));
        }
    }
    let skips = !control.can_skip_dateranges || control.can_skip_until.is_some();
    found.expect("can-skip-dateranges", line, skips, || "there is no CAN-SKIP-UNTIL".into());
    let segments = playlist.segments.iter().chain(playlist.unfinished.as_deref());
    let parts = segments.clone().any(|segment| !segment.parts.is_empty());
    let Some(target) = playlist.part_target else {
        found.expect("part-inf", line_of(lines, "#EXT-X-PART"), !parts, || "there are parts".into());
        return;
    };
    match control.part_hold_back {
        None => found.add("part-hold-back", line, "there is none"),
        Some(value) => {
            let detail = || format!("{}, with parts of {}", seconds(value), seconds(target));
            found.expect("part-hold-back", line, value >= target * 2, detail);
            found.expect("part-hold-back-length", line, value >= target * 3, detail);
        }
    }
}

fn one(playlist: &MediaPlaylist, segment: &Segment, line: usize, found: &mut Findings) {
    let line = Some(line);
    let rounded = segment.duration.saturating_add(Duration::from_millis(500)).as_secs();
    found.expect("target-duration", line, rounded <= playlist.target_duration, || {
        format!("{} of {} s", seconds(segment.duration), playlist.target_duration)
    });
    if let Some(map) = &segment.map {
        let without = map.keys.iter().any(|key| key.method == Method::Aes128 && key.iv.is_none());
        found.expect("map-iv", line, !without, || format!("{} is encrypted without an IV", map.uri));
    }
    if playlist.i_frames_only {
        let fits = segment.byte_range.is_some() || segment.map.is_some();
        found.expect("i-frames-map", line, fits, || segment.uri.clone());
    }
    let gaps = !segment.gap || segment.parts.iter().all(|part| part.gap);
    found.expect("part-gap", line, gaps, || "a part of it is none".into());
    parts(playlist, segment, line, found);
    if !segment.parts.is_empty() {
        let sum: Duration = segment.parts.iter().map(|part| part.duration).sum();
        let apart = sum.abs_diff(segment.duration);
        found.expect("part-sum", line, apart <= Duration::from_millis(10), || {
            format!("parts of {}, a segment of {}", seconds(sum), seconds(segment.duration))
        });
    }
}

fn parts(playlist: &MediaPlaylist, segment: &Segment, line: Option<usize>, found: &mut Findings) {
    let Some(target) = playlist.part_target else { return };
    let mut parts = segment.parts.iter().enumerate().peekable();
    while let Some((index, part)) = parts.next() {
        found.expect("part-target", line, part.duration <= target, || {
            format!("part {index} has {} of {}", seconds(part.duration), seconds(target))
        });
        let last = parts.peek().is_none();
        let followed = parts.peek().is_some_and(|(_, next)| next.independent);
        let may_be_short = last || followed || part.gap;
        let fits = may_be_short || part.duration.as_secs_f64() >= target.as_secs_f64() * 0.85;
        found.expect("part-length", line, fits, || {
            format!("part {index} has {} of {}", seconds(part.duration), seconds(target))
        });
    }
}

fn dates(lines: &[Line<'_>], playlist: &MediaPlaylist, found: &mut Findings) {
    let uris = uri_lines(lines);
    let mut expected = None;
    for (segment, line) in playlist.segments.iter().zip(uris) {
        if segment.discontinuity {
            expected = None;
        }
        if let Some(date) = segment.program_date_time {
            if let Some(expected) = expected {
                let apart = date.signed_duration_since(expected).abs().to_std().unwrap_or(Duration::MAX);
                found.expect("date-order", Some(line), apart <= DATE_TOLERANCE, || {
                    format!("{date} is {} away from what the durations say", seconds(apart))
                });
            }
            expected = Some(date);
        }
        expected = expected
            .and_then(|date| date.checked_add_signed(chrono::TimeDelta::from_std(segment.duration).ok()?));
    }
}

fn date_ranges(lines: &[Line<'_>], playlist: &MediaPlaylist, found: &mut Findings) {
    let segments = || playlist.segments.iter().chain(playlist.unfinished.as_deref());
    let ranges: Vec<&DateRange> = segments().flat_map(|segment| &segment.date_ranges).collect();
    let line = line_of(lines, "#EXT-X-DATERANGE");
    let dated = segments().any(|segment| segment.program_date_time.is_some());
    found.expect("daterange-date", line, ranges.is_empty() || dated, || "there is no date".into());
    for (index, range) in ranges.iter().enumerate() {
        let length = range.end.map(|end| end.signed_duration_since(range.start));
        let agrees = length.is_none_or(|length| {
            let length = length.to_std();
            length.is_ok_and(|length| {
                range.duration.is_none_or(|given| given.abs_diff(length) <= Duration::from_millis(1))
            })
        });
        found.expect("daterange-end", line, agrees, || range.id.clone());
        let next =
            !range.end_on_next || range.class.is_some() && range.duration.is_none() && range.end.is_none();
        found.expect("daterange-end-on-next", line, next, || range.id.clone());
        let others = ranges.iter().take(index).filter(|other| other.id == range.id);
        let same = others.clone().all(|other| other.start == range.start && other.class == range.class);
        found.expect("daterange-same", line, same, || range.id.clone());
    }
}

fn hints(lines: &[Line<'_>], playlist: &MediaPlaylist, found: &mut Findings) {
    let line = line_of(lines, "#EXT-X-PRELOAD-HINT");
    let ended = playlist.ended && !playlist.preload_hints.is_empty();
    found.expect("preload-hint", line, !ended, || "the playlist has ended".into());
    let segments = playlist.segments.iter().chain(playlist.unfinished.as_deref());
    for part in segments.flat_map(|segment| &segment.parts).filter(|part| part.byte_range.is_none()) {
        let hinted = playlist.preload_hints.iter().any(|hint| hint.uri == part.uri);
        found.expect("preload-hint", line, !hinted, || format!("{} is there", part.uri));
    }
    if let Some(segment) = &playlist.unfinished {
        parts(playlist, segment, lines.last().map(|line| line.number), found);
    }
}
