//! Segments that are no container: packed audio (section 3.1.3) and WebVTT (section 3.1.4).

use super::super::super::codec::{aac, ac3, adts, id3::Tag, webvtt};
use super::super::super::track::{Config, Edit, Language, Matrix, Shape, Timescale, Track};
use super::super::Findings;
use super::timeline::{Content, EXACT};

/// Packed audio; what it holds. Sound that is neither AAC nor AC-3 is not looked into.
pub(super) fn audio(bytes: &[u8], from: &[Content], found: &mut Findings) -> Vec<Content> {
    let (mut rest, mut time) = (bytes, None);
    while let Ok(Some(tag)) = Tag::parse(rest) {
        time = time.or(tag.timestamp());
        rest = rest.get(tag.size..).unwrap_or_default();
    }
    found.expect("packed-audio-timestamp", None, time.is_some(), || "there is no such tag".into());
    let front = bytes.len() - rest.len();
    let Some(kind) = Frames::of(rest) else { return Vec::new() };
    let (mut content, mut at) = (None, 0);
    while at < rest.len() {
        let frame = kind.frame(&rest[at..]);
        let Some((config, size, samples, rate)) = frame.filter(|(_, size, ..)| *size <= rest.len() - at)
        else {
            found.add("segment-format", None, format!("no whole frame of sound at byte {}", front + at));
            break;
        };
        let scale = Timescale::new(rate).unwrap_or(Timescale::MPEG);
        let (content, next) = content.get_or_insert_with(|| {
            let content = Content::new(&track(config, rate, scale), from, EXACT);
            let first = time.and_then(|time| Timescale::MPEG.rescale(i64::try_from(time).ok()?, scale));
            let first = first.unwrap_or_default();
            let lap = content.lap(first);
            (content, first.saturating_add(lap))
        });
        content.add(*next, *next, samples, true);
        *next = next.saturating_add(samples);
        at += size;
    }
    content.into_iter().map(|(content, _)| content).collect()
}

/// The frames that sound is packed in.
#[derive(Clone, Copy)]
enum Frames {
    Aac,
    Ac3,
}

impl Frames {
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, second, ..] if second & 0xf6 == 0xf0 => Some(Self::Aac),
            // Dolby Digital has an identification of at most 8; Dolby Digital Plus has 16.
            [0x0b, 0x77, _, _, _, sixth, ..] if sixth >> 3 <= 8 => Some(Self::Ac3),
            _ => None,
        }
    }

    /// The frame at the front: how it is coded, its bytes, its samples, and samples a second.
    fn frame(self, bytes: &[u8]) -> Option<(Config, usize, i64, u32)> {
        match self {
            Self::Aac => {
                let header = adts::Header::parse(bytes).ok()?;
                let config: aac::Config = header.config().ok()?;
                Some((Config::Aac(config), header.frame, 1024, header.rate()))
            }
            Self::Ac3 => {
                let (config, size) = ac3::syncframe(bytes).ok()?;
                let rate = config.sample_rate();
                Some((Config::Ac3(config), size, ac3::FRAME_SAMPLES.into(), rate))
            }
        }
    }
}

fn track(config: Config, sample_rate: u32, timescale: Timescale) -> Track {
    Track {
        id: 1,
        timescale,
        config,
        in_band: false,
        shape: Shape::Audio { sample_rate, channels: 0 },
        matrix: Matrix::UNITY,
        language: Language::UNDETERMINED,
        edit: Edit::default(),
        extensions: bytes::Bytes::new(),
    }
}

/// A segment of WebVTT.
pub(super) fn text(bytes: &[u8], found: &mut Findings) {
    match webvtt::Document::parse(bytes) {
        Ok(document) => {
            let mapped = document.map.is_some();
            found.expect("webvtt-map", None, mapped, || "there is no X-TIMESTAMP-MAP".into());
        }
        Err(error) => found.add("segment-format", None, error.to_string()),
    }
}
