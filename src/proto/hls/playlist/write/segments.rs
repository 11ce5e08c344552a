//! The segments of a media playlist, and the one that is not complete.

use std::sync::Arc;

use m3u8_rs::ExtTag;

use super::super::attributes::{Value, Writer};
use super::super::media::{ByteRange, DateRange, HintKind, Key, Map, MediaPlaylist, Method, Part, Segment};
use super::{one_line, quotable};

/// What held for the segment before.
#[derive(Default)]
struct Held<'a> {
    keys: &'a [Arc<Key>],
    map: Option<&'a Arc<Map>>,
    bitrate: Option<u64>,
}

/// The complete segments.
pub(super) fn segments(playlist: &MediaPlaylist) -> Vec<m3u8_rs::MediaSegment> {
    let mut held = Held::default();
    playlist.segments.iter().map(|segment| complete(segment, &mut held)).collect()
}

fn complete<'a>(segment: &'a Segment, held: &mut Held<'a>) -> m3u8_rs::MediaSegment {
    let mut tags = String::new();
    before(segment, held, &mut tags);
    m3u8_rs::MediaSegment {
        uri: one_line(&segment.uri),
        // Rounded to microseconds by its shortest form: exact up to 16 s, which few segments exceed.
        duration: segment.duration.as_secs_f32(),
        title: segment.title.as_deref().map(one_line),
        byte_range: segment.byte_range.map(range),
        discontinuity: segment.discontinuity,
        program_date_time: segment.program_date_time,
        unknown_tags: tags.lines().filter_map(ext_tag).collect(),
        ..m3u8_rs::MediaSegment::default()
    }
}

fn ext_tag(line: &str) -> Option<ExtTag> {
    let line = line.strip_prefix("#EXT-")?;
    let (tag, rest) = match line.split_once(':') {
        Some((tag, rest)) => (tag, Some(rest.to_owned())),
        None => (line, None),
    };
    Some(ExtTag { tag: tag.to_owned(), rest })
}

fn range(range: ByteRange) -> m3u8_rs::ByteRange {
    m3u8_rs::ByteRange { length: range.length, offset: Some(range.offset) }
}

/// What is said of a segment before its duration, other than what `m3u8-rs` says.
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
    if keys == held.keys {
        return;
    }
    // A key takes the place of one of the same format only: one that is not there any longer goes by NONE, and the others come again.
    let lost = held.keys.iter().any(|old| keys.iter().all(|new| new.format != old.format));
    if lost {
        Writer::begin(out, "#EXT-X-KEY").plain("METHOD", Method::None.word()).end();
    }
    for key in keys.iter().filter(|key| lost || !held.keys.contains(key)) {
        write_key("#EXT-X-KEY", key, out);
    }
    held.keys = keys;
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
    let date = |date: &super::super::media::Date| date.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
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
    let mut held = Held::default();
    if let Some(last) = playlist.segments.last() {
        held = Held { keys: &last.keys, map: last.map.as_ref(), bitrate: last.bitrate };
    }
    if let Some(segment) = &playlist.unfinished {
        if segment.discontinuity {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if let Some(date) = &segment.program_date_time {
            out.push_str("#EXT-X-PROGRAM-DATE-TIME:");
            out.push_str(&date.to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
            out.push('\n');
        }
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
