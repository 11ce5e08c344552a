//! The segments of a media playlist, and the one that is not complete: sections 4.4.4 and 4.4.5.

use std::sync::Arc;

use super::super::attributes::{Seconds, Value, Writer};
use super::super::media::{Date, DateRange, HintKind, Key, Map, MediaPlaylist, Method, Part, Segment};
use super::{one_line, quotable};

/// What held for the segment before.
#[derive(Default)]
struct Held<'a> {
    keys: &'a [Arc<Key>],
    /// The keys are to be said once more, though they may hold already.
    again: bool,
    map: Option<&'a Arc<Map>>,
    bitrate: Option<u64>,
}

impl<'a> Held<'a> {
    /// Before the first segment that is written. An update says again what held for what it leaves out, and ends the keys that hold no longer.
    fn before(playlist: &'a MediaPlaylist) -> Self {
        match &playlist.skipped {
            Some(skipped) => Self { keys: &skipped.keys, again: true, ..Self::default() },
            None => Self::default(),
        }
    }
}

/// The complete segments.
pub(super) fn segments(playlist: &MediaPlaylist, out: &mut String) {
    let mut held = Held::before(playlist);
    playlist.segments.iter().for_each(|segment| complete(segment, &mut held, out));
}

fn complete<'a>(segment: &'a Segment, held: &mut Held<'a>, out: &mut String) {
    if let Some(range) = segment.byte_range {
        out.push_str(&format!("#EXT-X-BYTERANGE:{}@{}\n", range.length, range.offset));
    }
    place(segment, out);
    before(segment, held, out);
    let title = segment.title.as_deref().map(one_line).unwrap_or_default();
    out.push_str(&format!("#EXTINF:{},{title}\n{}\n", Seconds(segment.duration), one_line(&segment.uri)));
}

/// Where a segment is in the presentation, when that is not behind the one before.
fn place(segment: &Segment, out: &mut String) {
    if segment.discontinuity {
        out.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if let Some(at) = &segment.program_date_time {
        out.push_str(&format!("#EXT-X-PROGRAM-DATE-TIME:{}\n", date(at)));
    }
}

/// A date to the millisecond, with the offset that it has.
fn date(date: &Date) -> String {
    date.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// What else is said of a segment before its duration.
fn before<'a>(segment: &'a Segment, held: &mut Held<'a>, out: &mut String) {
    if segment.map.as_ref() != held.map
        && let Some(map) = &segment.map
    {
        keys(&map.keys, held, out);
        Writer::begin(out, "#EXT-X-MAP")
            .quoted("URI", &map.uri)
            .maybe(map.byte_range, |list, range| {
                list.quoted("BYTERANGE", &format!("{}@{}", range.length, range.offset))
            })
            .end();
        held.map = Some(map);
    }
    keys(&segment.keys, held, out);
    if segment.bitrate.is_some() && segment.bitrate != held.bitrate {
        out.push_str(&format!("#EXT-X-BITRATE:{}\n", segment.bitrate.unwrap_or(0)));
        held.bitrate = segment.bitrate;
    }
    if segment.gap {
        out.push_str("#EXT-X-GAP\n");
    }
    segment.date_ranges.iter().for_each(|date_range| write_date_range(date_range, out));
    segment.parts.iter().for_each(|part| write_part(part, out));
}

/// Keys that hold from here on.
fn keys<'a>(keys: &'a [Arc<Key>], held: &mut Held<'a>, out: &mut String) {
    if keys == held.keys && !held.again {
        return;
    }
    // A key takes the place of one of the same format, and stands behind the others if there is none. What does not come about so goes by NONE, which ends all
    // of them.
    let anew =
        keys.len() < held.keys.len() || held.keys.iter().zip(keys).any(|(old, new)| old.format != new.format);
    if anew {
        Writer::begin(out, "#EXT-X-KEY").plain("METHOD", Method::None.word()).end();
    }
    for key in keys.iter().filter(|key| anew || held.again || !held.keys.contains(key)) {
        write_key("#EXT-X-KEY", key, out);
    }
    (held.keys, held.again) = (keys, false);
}

pub(super) fn write_key(tag: &str, key: &Key, out: &mut String) {
    Writer::begin(out, tag)
        .plain("METHOD", one_line(key.method.word()))
        .maybe(key.uri.as_deref(), |list, uri| list.quoted("URI", uri))
        .maybe(key.iv, |list, iv| list.plain("IV", format_args!("0x{:032X}", u128::from_be_bytes(iv))))
        .maybe(key.format.as_deref(), |list, format| list.quoted("KEYFORMAT", format))
        .maybe(key.format_versions.as_deref(), |list, versions| list.quoted("KEYFORMATVERSIONS", versions))
        .end();
}

fn write_part(part: &Part, out: &mut String) {
    Writer::begin(out, "#EXT-X-PART")
        .seconds("DURATION", part.duration)
        .quoted("URI", &part.uri)
        .maybe(part.byte_range, |list, range| {
            list.quoted("BYTERANGE", &format!("{}@{}", range.length, range.offset))
        })
        .yes("INDEPENDENT", part.independent)
        .yes("GAP", part.gap)
        .end();
}

fn write_date_range(range: &DateRange, out: &mut String) {
    let mut list = Writer::begin(out, "#EXT-X-DATERANGE")
        .quoted("ID", &range.id)
        .maybe(range.class.as_deref(), |list, class| list.quoted("CLASS", class))
        .quoted("START-DATE", &date(&range.start))
        .maybe(range.end.as_ref(), |list, end| list.quoted("END-DATE", &date(end)))
        .maybe(range.duration, |list, time| list.seconds("DURATION", time))
        .maybe(range.planned_duration, |list, time| list.seconds("PLANNED-DURATION", time));
    for (name, value) in &range.others {
        list = match value {
            Value::Quoted(text) => list.quoted(name, text),
            Value::Plain(text) => list.plain(name, quotable(text)),
        };
    }
    list.yes("END-ON-NEXT", range.end_on_next).end();
}

/// The parts of the segment that is not complete, what will come, and other renditions.
pub(super) fn unfinished(playlist: &MediaPlaylist, out: &mut String) {
    let mut held = Held::before(playlist);
    if let Some(last) = playlist.segments.last() {
        held = Held { keys: &last.keys, again: false, map: last.map.as_ref(), bitrate: last.bitrate };
    }
    if let Some(segment) = &playlist.unfinished {
        place(segment, out);
        before(segment, &mut held, out);
    }
    for hint in &playlist.preload_hints {
        let kind = match hint.kind {
            HintKind::Part => "PART",
            HintKind::Map => "MAP",
        };
        Writer::begin(out, "#EXT-X-PRELOAD-HINT")
            .plain("TYPE", kind)
            .quoted("URI", &hint.uri)
            .maybe((hint.start > 0).then_some(hint.start), |list, start| list.plain("BYTERANGE-START", start))
            .maybe(hint.length, |list, length| list.plain("BYTERANGE-LENGTH", length))
            .end();
    }
    for report in &playlist.reports {
        Writer::begin(out, "#EXT-X-RENDITION-REPORT")
            .quoted("URI", &report.uri)
            .plain("LAST-MSN", report.last_msn)
            .maybe(report.last_part, |list, part| list.plain("LAST-PART", part))
            .end();
    }
}
