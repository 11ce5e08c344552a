//! The video of a simulation: its qualities, and how large each segment is in each of them.

use serde::Deserialize;

use crate::proto::hls::abr::{Bits, Ladder, LadderError, Quality};

/// Segments in a manifest at most: a day of seconds.
const MOST_SEGMENTS: usize = 86_400;

/// A video.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    ladder: Ladder,
    segments: Vec<Vec<Bits>>,
}

/// Why there is no such video.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not the JSON of a manifest.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Its qualities make no ladder.
    #[error(transparent)]
    Ladder(#[from] LadderError),
    /// It has no segment, or too many.
    #[error("{0} segments; there may be 1 to {MOST_SEGMENTS}")]
    Count(usize),
    /// A segment does not have a size for each quality.
    #[error("segment {segment} has {sizes} sizes for {qualities} qualities")]
    Sizes {
        /// Which, from 0.
        segment: usize,
        /// How many it has.
        sizes: usize,
        /// How many it should have.
        qualities: usize,
    },
    /// A size is not a positive number.
    #[error("segment {segment} has a size of {size} bits")]
    Size {
        /// Which, from 0.
        segment: usize,
        /// How large it would be.
        size: Bits,
    },
}

/// As the published simulator has it.
#[derive(Deserialize)]
struct Json {
    segment_duration_ms: f64,
    bitrates_kbps: Vec<f64>,
    segment_sizes_bits: Vec<Vec<f64>>,
}

impl Manifest {
    /// A video with the sizes of all segments, in bits: first by segment, then by quality.
    ///
    /// # Errors
    /// There is no segment, or a size is missing or not positive.
    pub fn new(ladder: Ladder, segments: Vec<Vec<Bits>>) -> Result<Self, ManifestError> {
        if segments.is_empty() || segments.len() > MOST_SEGMENTS {
            return Err(ManifestError::Count(segments.len()));
        }
        let qualities = ladder.rates().len();
        for (segment, sizes) in segments.iter().enumerate() {
            if sizes.len() != qualities {
                return Err(ManifestError::Sizes { segment, sizes: sizes.len(), qualities });
            }
            if let Some(&size) = sizes.iter().find(|size| !(**size > 0.0 && size.is_finite())) {
                return Err(ManifestError::Size { segment, size });
            }
        }
        Ok(Self { ladder, segments })
    }

    /// Reads the JSON of Sabre: `segment_duration_ms`, `bitrates_kbps` and `segment_sizes_bits`.
    ///
    /// # Errors
    /// It is none, or not of a video.
    pub fn from_json(text: &str) -> Result<Self, ManifestError> {
        let json: Json = serde_json::from_str(text)?;
        Self::new(Ladder::new(json.segment_duration_ms, json.bitrates_kbps)?, json.segment_sizes_bits)
    }

    /// Its qualities.
    #[must_use]
    pub fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// The sizes of its segments; there is at least one, with a size for each quality.
    #[must_use]
    pub fn segments(&self) -> &[Vec<Bits>] {
        &self.segments
    }

    /// The size of a segment; 0 if there is no such.
    #[must_use]
    pub fn size(&self, segment: usize, quality: Quality) -> Bits {
        self.segments.get(segment).and_then(|sizes| sizes.get(quality)).copied().unwrap_or(0.0)
    }
}
