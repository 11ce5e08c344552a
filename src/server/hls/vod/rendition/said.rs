//! What a multivariant playlist says of a rendition: what has to be decoded, and how large, fast and many-voiced it is.

use super::Rendition;
use crate::proto::hls::playlist::multivariant::Resolution;
use crate::proto::hls::track::{Config, Shape, Track};

impl Rendition {
    /// The tracks in its segments, that which leads first, section after section.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.sections().iter().flat_map(|section| &section.tracks.layout.lanes).map(|lane| &lane.track)
    }

    /// What has to be decoded, by RFC 6381, one entry a coding.
    #[must_use]
    pub fn codecs(&self) -> Vec<String> {
        let mut codecs: Vec<String> = Vec::new();
        for codec in self.tracks().map(Track::codec_string) {
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        codecs
    }

    /// The size of its largest pictures, as they are shown.
    #[must_use]
    pub fn resolution(&self) -> Option<Resolution> {
        let sizes = self.tracks().filter_map(|track| match track.shape {
            Shape::Video { width, height } => {
                let coded = match &track.config {
                    Config::Avc(config) => config.size(),
                    Config::Hevc(config) => config.size(),
                    _ => None,
                };
                let (width, height) = coded.unwrap_or((width.into(), height.into()));
                let (width, height) =
                    if track.matrix.is_sideways() { (height, width) } else { (width, height) };
                Some(Resolution { width: width.into(), height: height.into() })
            }
            Shape::Audio { .. } | Shape::Text => None,
        });
        // Of two that are as large the first.
        sizes.reduce(|a, b| if b.width * b.height > a.width * a.height { b } else { a })
    }

    /// The most pictures a second, to three digits behind the point.
    #[must_use]
    pub fn frame_rate(&self) -> Option<f64> {
        self.resolution()?;
        let rate = self.sections().iter().map(|section| section.tracks.rate).fold(0.0, f64::max);
        Some((rate * 1000.0).round() / 1000.0).filter(|rate| *rate > 0.0)
    }

    /// Channels of its sound.
    #[must_use]
    pub fn channels(&self) -> Option<u16> {
        self.tracks().find_map(|track| match track.shape {
            Shape::Audio { channels, .. } => Some(channels).filter(|channels| *channels > 0),
            Shape::Video { .. } | Shape::Text => None,
        })
    }

    /// Whether each segment can be decoded without another one.
    #[must_use]
    pub fn is_independent(&self) -> bool {
        self.sections().iter().all(|section| section.tracks.independent)
    }
}
