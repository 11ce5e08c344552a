//! Single tags of media playlists, from their attributes.

use std::sync::Arc;

use super::super::attributes::{AttributeError, Attributes, Value, integer, needed};
use super::super::media::{
    ByteRange, Date, DateRange, Define, HintKind, Key, Map, Method, Part, PreloadHint, RenditionReport,
    ServerControl, Skipped,
};

type Read<T> = Result<T, AttributeError>;

/// A byte range as it is written, `n@o`: a length and an offset, which is left out if it goes on where the last one ended.
pub(super) type WrittenRange = (u64, Option<u64>);

pub(super) fn byte_range(text: &str) -> Option<WrittenRange> {
    match text.split_once('@') {
        Some((length, offset)) => Some((integer(length)?, Some(integer(offset)?))),
        None => Some((integer(text)?, None)),
    }
}

fn quoted_range(list: &Attributes) -> Read<Option<WrittenRange>> {
    let Some(text) = list.quoted("BYTERANGE")? else { return Ok(None) };
    let form = AttributeError::Form { name: "BYTERANGE", found: text.clone(), expected: "n or n@o" };
    byte_range(&text).map(Some).ok_or(form)
}

pub(super) fn key(list: &Attributes) -> Read<Key> {
    let method = Method::of(&needed("METHOD", list.plain("METHOD")?)?);
    let uri = list.quoted("URI")?;
    if method != Method::None && uri.is_none() {
        return Err(AttributeError::Missing("URI"));
    }
    Ok(Key {
        method,
        uri,
        iv: list.plain("IV")?.map(|text| iv(&text)).transpose()?,
        format: list.quoted("KEYFORMAT")?.filter(|format| format != "identity"),
        format_versions: list.quoted("KEYFORMATVERSIONS")?,
    })
}

/// A hexadecimal sequence of 128 bits.
fn iv(text: &str) -> Read<[u8; 16]> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let fits = |digits: &&str| {
        !digits.is_empty() && digits.len() <= 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let value = digits.filter(fits).and_then(|digits| u128::from_str_radix(digits, 16).ok());
    let form = || AttributeError::Form {
        name: "IV",
        found: text.to_owned(),
        expected: "0x and at most 32 hexadecimal digits",
    };
    value.map(u128::to_be_bytes).ok_or_else(form)
}

pub(super) fn map(list: &Attributes, keys: &Arc<[Arc<Key>]>) -> Read<Map> {
    // Its byte range has an offset, or begins at 0.
    let range = quoted_range(list)?.map(|(length, offset)| ByteRange { length, offset: offset.unwrap_or(0) });
    Ok(Map { uri: needed("URI", list.quoted("URI")?)?, byte_range: range, keys: keys.clone() })
}

/// A part, and its byte range as it was written.
pub(super) fn part(list: &Attributes) -> Read<(Part, Option<WrittenRange>)> {
    let part = Part {
        uri: needed("URI", list.quoted("URI")?)?,
        duration: needed("DURATION", list.seconds("DURATION")?)?,
        independent: list.yes("INDEPENDENT")?,
        byte_range: None,
        gap: list.yes("GAP")?,
    };
    Ok((part, quoted_range(list)?))
}

pub(super) fn server_control(list: &Attributes) -> Read<ServerControl> {
    Ok(ServerControl {
        can_skip_until: list.seconds("CAN-SKIP-UNTIL")?,
        can_skip_dateranges: list.yes("CAN-SKIP-DATERANGES")?,
        hold_back: list.seconds("HOLD-BACK")?,
        part_hold_back: list.seconds("PART-HOLD-BACK")?,
        can_block_reload: list.yes("CAN-BLOCK-RELOAD")?,
    })
}

pub(super) fn skip(list: &Attributes) -> Read<Skipped> {
    let ids = |ids: String| ids.split('\t').filter(|id| !id.is_empty()).map(str::to_owned).collect();
    Ok(Skipped {
        segments: needed("SKIPPED-SEGMENTS", list.integer("SKIPPED-SEGMENTS")?)?,
        keys: Arc::default(),
        removed_dateranges: list.quoted("RECENTLY-REMOVED-DATERANGES")?.map(ids),
    })
}

pub(super) fn define(list: &Attributes) -> Read<Define> {
    if let Some(name) = list.quoted("NAME")? {
        return Ok(Define::Value(name, needed("VALUE", list.quoted("VALUE")?)?));
    }
    if let Some(name) = list.quoted("IMPORT")? {
        return Ok(Define::Import(name));
    }
    Ok(Define::QueryParam(needed("NAME, IMPORT or QUERYPARAM", list.quoted("QUERYPARAM")?)?))
}

/// A preload hint; `None` if it is of something that nobody knows.
pub(super) fn preload_hint(list: &Attributes) -> Read<Option<PreloadHint>> {
    let kind = match needed("TYPE", list.plain("TYPE")?)?.as_str() {
        "PART" => HintKind::Part,
        "MAP" => HintKind::Map,
        _ => return Ok(None),
    };
    Ok(Some(PreloadHint {
        kind,
        uri: needed("URI", list.quoted("URI")?)?,
        start: list.integer("BYTERANGE-START")?.unwrap_or(0),
        length: list.integer("BYTERANGE-LENGTH")?,
    }))
}

pub(super) fn report(list: &Attributes) -> Read<RenditionReport> {
    Ok(RenditionReport {
        uri: needed("URI", list.quoted("URI")?)?,
        last_msn: needed("LAST-MSN", list.integer("LAST-MSN")?)?,
        last_part: list.integer("LAST-PART")?,
    })
}

pub(super) fn date(text: &str) -> Option<Date> {
    // "2010-02-19T14:54:23.031+08:00", and offsets without a colon, which ffmpeg writes.
    Date::parse_from_rfc3339(text).or_else(|_| Date::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z")).ok()
}

pub(super) fn date_range(list: &Attributes) -> Read<DateRange> {
    let quoted_date = |name: &'static str| -> Read<Option<Date>> {
        let Some(text) = list.quoted(name)? else { return Ok(None) };
        let form = AttributeError::Form { name, found: text.clone(), expected: "a date by ISO 8601" };
        date(&text).map(Some).ok_or(form)
    };
    let known = ["ID", "CLASS", "START-DATE", "END-DATE", "DURATION", "PLANNED-DURATION", "END-ON-NEXT"];
    let others = list.iter().filter(|(name, _)| !known.contains(name));
    Ok(DateRange {
        id: needed("ID", list.quoted("ID")?)?,
        class: list.quoted("CLASS")?,
        start: needed("START-DATE", quoted_date("START-DATE")?)?,
        end: quoted_date("END-DATE")?,
        duration: list.seconds("DURATION")?,
        planned_duration: list.seconds("PLANNED-DURATION")?,
        end_on_next: list.yes("END-ON-NEXT")?,
        others: others.map(|(name, value): (&str, &Value)| (name.to_owned(), value.clone())).collect(),
    })
}
