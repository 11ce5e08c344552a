//! Playlist Delta Updates: what a client has already is left out. Sections 4.4.5.2, 6.2.5.1 and 6.3.7.

use std::time::Duration;

use super::MAX_PLAYLIST;
use super::lines::{Kind, Line, lines};
use super::media::{DateRange, MediaPlaylist, Segment, Skipped};
use super::read::{ReadError, read_media};
use super::variables::Variables;

/// What a client asks to leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Segments.
    Segments,
    /// Date ranges, too.
    DateRanges,
}

/// Why an update cannot be put together with what is there: the client gets the whole playlist then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It leaves out segments that the older playlist does not have.
    #[error("the update leaves out segments {from} to {to}, and not all of them are known")]
    Gap {
        /// The first one that is left out.
        from: u64,
        /// The first one that is not.
        to: u64,
    },
}

impl MediaPlaylist {
    /// The playlist without segments beyond the skip boundary, if there is one and any segment is there. Date ranges among them stay, unless they may be left out;
    /// `removed` are those that went of late. `None` too of what is a delta update itself: it does not have all that there is.
    #[must_use]
    pub fn delta(&self, skip: Skip, removed: &[String]) -> Option<Self> {
        let boundary =
            self.server_control.can_skip_until.filter(|_| !self.ended && self.skipped.is_none())?;
        let parts = self.unfinished.iter().flat_map(|segment| &segment.parts).map(|part| part.duration);
        let mut behind = parts.fold(Duration::ZERO, Duration::saturating_add);
        let mut kept = self.segments.len();
        for segment in self.segments.iter().rev() {
            if behind >= boundary {
                break;
            }
            behind = behind.saturating_add(segment.duration);
            kept -= 1;
        }
        // `kept` is now where what stays begins.
        let (left_out, stays) = self.segments.split_at(kept);
        if left_out.is_empty() {
            return None;
        }
        let dateranges = skip == Skip::DateRanges && self.server_control.can_skip_dateranges;
        let mut delta = Self { segments: stays.to_vec(), ..self.clone_head() };
        delta.skipped = Some(Skipped {
            segments: left_out.len() as u64,
            keys: left_out.last().map(|segment| segment.keys.clone()).unwrap_or_default(),
            removed_dateranges: dateranges.then(|| removed.to_vec()),
        });
        if !dateranges {
            let ranges = left_out.iter().flat_map(|segment| segment.date_ranges.iter().cloned());
            let first = delta.segments.first_mut().or(delta.unfinished.as_deref_mut())?;
            first.date_ranges.splice(0..0, ranges.collect::<Vec<_>>());
        }
        Some(delta)
    }

    fn clone_head(&self) -> Self {
        Self {
            segments: Vec::new(),
            skipped: None,
            defines: self.defines.clone(),
            unfinished: self.unfinished.clone(),
            preload_hints: self.preload_hints.clone(),
            reports: self.reports.clone(),
            ..*self
        }
    }

    /// Reads the next version of a playlist, be it whole or a delta update of `self`. What is left out is taken from `self`. Date ranges are all in an update
    /// that does not say which of them have gone (section 4.4.5.2): those of segments that it leaves out stand before its first segment then.
    ///
    /// # Errors
    /// It cannot be read, or leaves out what `self` does not have.
    pub fn update(&self, bytes: &[u8], variables: Variables) -> Result<Self, MergeError> {
        let lines = lines(bytes, MAX_PLAYLIST).map_err(ReadError::from)?;
        let old = match numbers(&lines) {
            None => &[][..],
            Some((first, skipped)) => {
                let missing = self.skipped.as_ref().map_or(0, |skipped| skipped.segments);
                let from = first.checked_sub(self.media_sequence.saturating_add(missing));
                let index = |number: u64| usize::try_from(number).ok();
                let range = from.and_then(|from| Some(index(from)?..index(from.checked_add(skipped)?)?));
                let gap = MergeError::Gap { from: first, to: first.saturating_add(skipped) };
                range.and_then(|range| self.segments.get(range)).ok_or(gap)?
            }
        };
        let mut update = read_media(&lines, variables, old.last())?;
        if let Some(skipped) = update.skipped.take() {
            let mut segments: Vec<Segment> = old.to_vec();
            let stays = |range: &DateRange| match &skipped.removed_dateranges {
                Some(gone) => !gone.contains(&range.id),
                None => false,
            };
            segments.iter_mut().for_each(|segment| segment.date_ranges.retain(stays));
            segments.append(&mut update.segments);
            update.segments = segments;
        }
        Ok(update)
    }
}

/// The number of the first segment and how many are left out, of a delta update.
fn numbers(lines: &[Line<'_>]) -> Option<(u64, u64)> {
    let value = |wanted: &str| {
        lines.iter().find_map(|line| match line.kind {
            Kind::Tag { name, value } if name == wanted => Some(value),
            _ => None,
        })
    };
    let list = super::attributes::Attributes::parse(value("#EXT-X-SKIP")?).ok()?;
    let first = value("#EXT-X-MEDIA-SEQUENCE").and_then(super::attributes::integer).unwrap_or(0);
    Some((first, list.integer("SKIPPED-SEGMENTS").ok()??))
}
