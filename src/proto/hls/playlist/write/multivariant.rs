//! A multivariant playlist.

use std::collections::HashMap;

use m3u8_rs::{AlternativeMedia, AlternativeMediaType, QuotedOrUnquoted, SessionDataField, VariantStream};

use super::super::attributes::Writer;
use super::super::multivariant::{
    ClosedCaptions, Media, MediaKind, MultivariantPlaylist, SessionData, SessionValue, Variant,
};
use super::head::{defines, start};
use super::segments::write_key;
use super::{one_line, quotable, text};

pub(super) fn write(playlist: &MultivariantPlaylist) -> String {
    let mut written = m3u8_rs::MasterPlaylist {
        version: (playlist.version > 0).then_some(playlist.version as usize),
        independent_segments: playlist.independent_segments,
        ..m3u8_rs::MasterPlaylist::default()
    };
    let head = text(|out| written.write_to(out));
    written.alternatives = playlist.media.iter().map(media).collect();
    let variants = playlist.variants.iter().map(|one| variant(one, false));
    written.variants = variants.chain(playlist.i_frames.iter().map(|one| variant(one, true))).collect();
    written.session_data = playlist.session_data.iter().map(session_data).collect();
    written.start = playlist.start.map(start);
    let all = text(|out| written.write_to(out));
    let (head, rest) = all.split_at(head.len());
    let mut out = head.to_owned();
    // Variables have to be there before they are used.
    defines(&playlist.defines, &mut out);
    if let Some((uri, pathway)) = &playlist.content_steering {
        Writer::begin(&mut out, "#EXT-X-CONTENT-STEERING")
            .quoted("SERVER-URI", uri)
            .maybe(pathway.as_deref(), |list, id| list.quoted("PATHWAY-ID", id))
            .end();
    }
    playlist.session_keys.iter().for_each(|key| write_key("#EXT-X-SESSION-KEY", key, &mut out));
    out.push_str(rest);
    out
}

/// Attributes that `m3u8-rs` has no field for. It takes a map of them, whose order would be another one each time: so they are one entry.
fn others(list: &[(&str, Option<String>)]) -> Option<HashMap<String, QuotedOrUnquoted>> {
    let mut given = list.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    let (name, first) = given.next()?;
    let rest = given.map(|(name, value)| format!(",{name}={value}"));
    let value = std::iter::once(first.to_owned()).chain(rest).collect();
    Some(HashMap::from([(name.to_owned(), QuotedOrUnquoted::Unquoted(value))]))
}

fn quoted(text: &Option<String>) -> Option<String> {
    text.as_deref().map(|text| format!("\"{}\"", quotable(text)))
}

fn clean(text: &Option<String>) -> Option<String> {
    text.as_deref().map(quotable)
}

fn variant(variant: &Variant, is_i_frame: bool) -> VariantStream {
    VariantStream {
        is_i_frame,
        uri: if is_i_frame { quotable(&variant.uri) } else { one_line(&variant.uri) },
        bandwidth: variant.bandwidth,
        average_bandwidth: variant.average_bandwidth,
        codecs: clean(&variant.codecs),
        resolution: variant
            .resolution
            .map(|size| m3u8_rs::Resolution { width: size.width, height: size.height }),
        // To three decimals (section 4.4.6.2). An I-frame playlist has no rate.
        frame_rate: variant.frame_rate.filter(|_| !is_i_frame).map(|rate| (rate * 1000.0).round() / 1000.0),
        hdcp_level: variant.hdcp_level.as_deref().map(|level| m3u8_rs::HDCPLevel::Other(quotable(level))),
        audio: clean(&variant.audio),
        video: clean(&variant.video),
        subtitles: clean(&variant.subtitles),
        closed_captions: variant.closed_captions.as_ref().map(|captions| match captions {
            ClosedCaptions::None => m3u8_rs::ClosedCaptionGroupId::None,
            ClosedCaptions::Group(group) => m3u8_rs::ClosedCaptionGroupId::GroupId(quotable(group)),
        }),
        other_attributes: others(&[
            ("SCORE", variant.score.map(|score| score.to_string())),
            ("SUPPLEMENTAL-CODECS", quoted(&variant.supplemental_codecs)),
            ("VIDEO-RANGE", clean(&variant.video_range)),
            ("STABLE-VARIANT-ID", quoted(&variant.stable_id)),
            ("PATHWAY-ID", quoted(&variant.pathway_id)),
        ]),
    }
}

fn media(media: &Media) -> AlternativeMedia {
    AlternativeMedia {
        media_type: match media.kind {
            MediaKind::Audio => AlternativeMediaType::Audio,
            MediaKind::Video => AlternativeMediaType::Video,
            MediaKind::Subtitles => AlternativeMediaType::Subtitles,
            MediaKind::ClosedCaptions => AlternativeMediaType::ClosedCaptions,
        },
        uri: clean(&media.uri),
        group_id: quotable(&media.group),
        language: clean(&media.language),
        assoc_language: clean(&media.assoc_language),
        name: quotable(&media.name),
        default: media.default,
        autoselect: media.autoselect,
        forced: media.forced,
        instream_id: media.instream_id.as_deref().map(|id| m3u8_rs::InstreamId::Other(quotable(id))),
        characteristics: clean(&media.characteristics),
        channels: clean(&media.channels),
        other_attributes: others(&[("STABLE-RENDITION-ID", quoted(&media.stable_id))]),
    }
}

fn session_data(data: &SessionData) -> m3u8_rs::SessionData {
    m3u8_rs::SessionData {
        data_id: quotable(&data.id),
        field: match &data.value {
            SessionValue::Text(text) => SessionDataField::Value(quotable(text)),
            SessionValue::Uri(uri) => SessionDataField::Uri(quotable(uri)),
        },
        language: clean(&data.language),
        other_attributes: None,
    }
}
