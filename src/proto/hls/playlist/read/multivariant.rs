//! Reads a multivariant playlist.

use m3u8_rs::{SessionDataField, VariantStream};

use super::super::attributes::{AttributeError, Attributes, needed};
use super::super::lines::{Kind, Line};
use super::super::multivariant::{
    ClosedCaptions, Media, MediaKind, MultivariantPlaylist, Resolution, SessionData, SessionValue, Variant,
};
use super::super::variables::Variables;
use super::media::{check, start, version};
use super::{MEDIA, ReadError, Rest, Why, at, tags};

pub(super) fn read(lines: &[Line<'_>], mut variables: Variables) -> Result<MultivariantPlaylist, ReadError> {
    let mut playlist = MultivariantPlaylist::default();
    let mut rest = Rest::new();
    // Set while the URI of a variant has not come.
    let mut pending = None;
    for line in lines {
        let at = at(line.number);
        match line.kind {
            Kind::Uri(uri) => {
                let uri = variables.fill(uri).map_err(|why| at(why.into()))?;
                // A URI that no tag is about is ignored.
                if pending.take().is_some() {
                    rest.uri(&uri);
                }
            }
            Kind::Tag { name, value } => {
                if MEDIA.contains(&name) {
                    return Err(at(Why::Kind(name.to_owned())));
                }
                if pending.is_some() && name.contains("STREAM-INF") {
                    return Err(at(Why::NoUri("#EXT-X-STREAM-INF".to_owned())));
                }
                if let Some(value) = tag(&mut playlist, &mut variables, name, value).map_err(&at)? {
                    rest.tag(name, &value);
                    if name == "#EXT-X-STREAM-INF" {
                        pending = Some(line.number);
                    }
                }
            }
        }
    }
    if let Some(line) = pending {
        return Err(at(line)(Why::NoUri("#EXT-X-STREAM-INF".to_owned())));
    }
    let read = m3u8_rs::parse_master_playlist_res(rest.0.as_bytes())
        .map_err(|_| ReadError::Missing("multivariant playlist that could be read"))?;
    playlist.version = version(read.version);
    playlist.independent_segments = read.independent_segments;
    playlist.start = read.start.map(start);
    for stream in read.variants {
        let (i_frame, variant) = (stream.is_i_frame, variant(stream));
        if i_frame { playlist.i_frames.push(variant) } else { playlist.variants.push(variant) }
    }
    playlist.session_data = read.session_data.into_iter().map(session_data).collect();
    Ok(playlist)
}

/// Checks a tag, so that an error names its line, and takes what `m3u8-rs` does not know. What that has to read is given back, with the variables filled in.
fn tag(
    playlist: &mut MultivariantPlaylist,
    variables: &mut Variables,
    name: &str,
    value: &str,
) -> Result<Option<String>, Why> {
    let list = match name {
        "#EXT-X-VERSION" | "#EXT-X-START" | "#EXT-X-INDEPENDENT-SEGMENTS" => {
            check(name, value)?;
            return Ok(Some(value.to_owned()));
        }
        "#EXT-X-STREAM-INF" => {
            let list = variables.attributes(value)?;
            stream(&list)?;
            list
        }
        "#EXT-X-I-FRAME-STREAM-INF" => {
            let list = variables.attributes(value)?;
            needed("URI", list.quoted("URI")?)?;
            stream(&list)?;
            list
        }
        "#EXT-X-MEDIA" => {
            playlist.media.extend(media(&variables.attributes(value)?)?);
            return Ok(None);
        }
        "#EXT-X-SESSION-DATA" => {
            let list = variables.attributes(value)?;
            needed("DATA-ID", list.quoted("DATA-ID")?)?;
            if list.quoted("VALUE")?.is_some() == list.quoted("URI")?.is_some() {
                return Err(Why::Value(name.to_owned()));
            }
            list
        }
        "#EXT-X-SESSION-KEY" => {
            playlist.session_keys.push(tags::key(&variables.attributes(value)?)?);
            return Ok(None);
        }
        "#EXT-X-CONTENT-STEERING" => {
            let list = variables.attributes(value)?;
            let uri = needed("SERVER-URI", list.quoted("SERVER-URI")?)?;
            playlist.content_steering = Some((uri, list.quoted("PATHWAY-ID")?));
            return Ok(None);
        }
        "#EXT-X-DEFINE" => {
            let define = tags::define(&variables.attributes(value)?)?;
            variables.define(&define)?;
            playlist.defines.push(define);
            return Ok(None);
        }
        _ => return Ok(None),
    };
    Ok(Some(list.to_string()))
}

fn stream(list: &Attributes) -> Result<(), Why> {
    needed("BANDWIDTH", list.integer("BANDWIDTH")?)?;
    list.integer("AVERAGE-BANDWIDTH")?;
    for name in ["CODECS", "AUDIO", "VIDEO", "SUBTITLES"] {
        list.quoted(name)?;
    }
    if let Some(text) = list.plain("RESOLUTION")? {
        Resolution::parse(&text).ok_or_else(|| Why::Value("RESOLUTION".to_owned()))?;
    }
    for name in ["FRAME-RATE", "SCORE"] {
        let number = list.plain(name)?.map(|text| text.parse::<f64>());
        if number.is_some_and(|number| !number.is_ok_and(|number| number.is_finite() && number >= 0.0)) {
            return Err(Why::Value(name.to_owned()));
        }
    }
    Ok(())
}

fn variant(stream: VariantStream) -> Variant {
    let mut others = stream.other_attributes.unwrap_or_default();
    let mut other = |name: &str| others.remove(name).map(|value| value.as_str().to_owned());
    Variant {
        uri: stream.uri,
        bandwidth: stream.bandwidth,
        average_bandwidth: stream.average_bandwidth,
        score: other("SCORE").and_then(|text| text.parse().ok()),
        codecs: stream.codecs,
        supplemental_codecs: other("SUPPLEMENTAL-CODECS"),
        resolution: stream.resolution.map(|size| Resolution { width: size.width, height: size.height }),
        frame_rate: stream.frame_rate,
        hdcp_level: stream.hdcp_level.map(|level| level.to_string()),
        video_range: other("VIDEO-RANGE"),
        stable_id: other("STABLE-VARIANT-ID"),
        pathway_id: other("PATHWAY-ID"),
        audio: stream.audio,
        video: stream.video,
        subtitles: stream.subtitles,
        closed_captions: stream.closed_captions.and_then(|captions| match captions {
            m3u8_rs::ClosedCaptionGroupId::None => Some(ClosedCaptions::None),
            m3u8_rs::ClosedCaptionGroupId::GroupId(group) => Some(ClosedCaptions::Group(group)),
            m3u8_rs::ClosedCaptionGroupId::Other(_) => None,
        }),
    }
}

/// A rendition; `None` if it is of something that nobody knows. `m3u8-rs` passes over those that have an attribute of another kind of rendition.
fn media(list: &Attributes) -> Result<Option<Media>, AttributeError> {
    let kind = needed("TYPE", list.plain("TYPE")?)?;
    let media = Media {
        kind: match MediaKind::of(&kind) {
            Some(kind) => kind,
            None => return Ok(None),
        },
        group: needed("GROUP-ID", list.quoted("GROUP-ID")?)?,
        name: needed("NAME", list.quoted("NAME")?)?,
        uri: list.quoted("URI")?,
        language: list.quoted("LANGUAGE")?,
        assoc_language: list.quoted("ASSOC-LANGUAGE")?,
        stable_id: list.quoted("STABLE-RENDITION-ID")?,
        default: list.yes("DEFAULT")?,
        autoselect: list.yes("AUTOSELECT")?,
        forced: list.yes("FORCED")?,
        instream_id: list.quoted("INSTREAM-ID")?,
        characteristics: list.quoted("CHARACTERISTICS")?,
        channels: list.quoted("CHANNELS")?,
    };
    Ok(Some(media))
}

fn session_data(read: m3u8_rs::SessionData) -> SessionData {
    SessionData {
        id: read.data_id,
        value: match read.field {
            SessionDataField::Value(text) => SessionValue::Text(text),
            SessionDataField::Uri(uri) => SessionValue::Uri(uri),
        },
        language: read.language,
    }
}
