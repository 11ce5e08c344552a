//! What renditions of a stream have in common.

use super::eras::Eras;
use super::settings::Targets;
use super::timeline::Timeline;

/// What renditions of a stream have in common.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Its time.
    pub line: Timeline,
    /// What its playlists say once; `None` until the first segment is there.
    pub targets: Option<Targets>,
    /// Its discontinuities.
    pub eras: Eras,
}

impl Shared {
    /// Of a stream on whose timeline nothing is yet, and before which there were these discontinuities.
    #[must_use]
    pub fn new(line: Timeline, eras: Eras) -> Self {
        Self { line, targets: None, eras }
    }
}
