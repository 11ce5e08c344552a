//! Blocking playlist reloads: what a request may wait for, and until when. Section 6.2.5.2.

use std::time::Duration;

use super::attributes::integer;
use super::delta::Skip;
use super::media::MediaPlaylist;

/// Delivery directives of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// Not before this segment is there, or a part of it.
    pub wait: Option<Awaited>,
    /// What may be left out.
    pub skip: Option<Skip>,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Awaited {
    /// The number of the segment.
    pub msn: u64,
    /// The number of its part; `None` for the whole segment.
    pub part: Option<u64>,
}

/// Why directives are no good. The answer is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDirectives {
    /// A value that the directive cannot have.
    #[error("{0} is not a number")]
    Value(&'static str),
    /// A part of nothing.
    #[error("_HLS_part needs _HLS_msn")]
    PartAlone,
    /// It would take too long.
    #[error("segment {msn} is too far ahead: the next one is {next}")]
    TooFar {
        /// The segment that was asked for.
        msn: u64,
        /// The first one that is not complete.
        next: u64,
    },
}

impl Directives {
    /// Reads them from the query of a request, percent-decoded. Directives that nobody knows are ignored.
    ///
    /// # Errors
    /// One makes no sense.
    pub fn parse<'a>(query: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, BadDirectives> {
        let (mut msn, mut part, mut skip) = (None, None, None);
        for (name, value) in query {
            match name {
                "_HLS_msn" => msn = Some(integer(value).ok_or(BadDirectives::Value("_HLS_msn"))?),
                "_HLS_part" => part = Some(integer(value).ok_or(BadDirectives::Value("_HLS_part"))?),
                "_HLS_skip" if value == "YES" => skip = Some(Skip::Segments),
                "_HLS_skip" if value == "v2" => skip = Some(Skip::DateRanges),
                _ => {}
            }
        }
        let wait = match (msn, part) {
            (Some(msn), part) => Some(Awaited { msn, part }),
            (None, Some(_)) => return Err(BadDirectives::PartAlone),
            (None, None) => None,
        };
        Ok(Self { wait, skip })
    }
}

impl MediaPlaylist {
    /// Whether what somebody waits for is there, or nothing more will come.
    #[must_use]
    pub fn has(&self, awaited: Awaited) -> bool {
        let next = self.next_msn();
        let unfinished = self.unfinished.as_ref().map_or(0, |segment| segment.parts.len() as u64);
        // A part behind the last one of its segment is the first one of the next segment.
        let in_next = |part: u64| self.next_msn() > awaited.msn + 1 || unfinished > part;
        match awaited.part {
            _ if self.ended || awaited.msn < next.saturating_sub(1) => true,
            None => awaited.msn < next,
            Some(part) if awaited.msn < next => {
                let parts = self.segments.last().map_or(0, |segment| segment.parts.len() as u64);
                part < parts || in_next(0)
            }
            Some(part) => awaited.msn == next && unfinished > part,
        }
    }

    /// Whether somebody may wait for it.
    ///
    /// # Errors
    /// It is too far ahead.
    pub fn may_await(&self, awaited: Awaited) -> Result<(), BadDirectives> {
        let next = self.next_msn();
        let unfinished = self.unfinished.as_ref().map_or(0, |segment| segment.parts.len() as u64);
        let ahead = self.part_target.map_or(0, advance_part_limit);
        let part_fits = awaited.part.is_none_or(|part| part < unfinished + ahead || awaited.msn < next);
        let last = next.saturating_sub(1);
        if self.ended || awaited.msn <= last.saturating_add(2) && (awaited.msn != next || part_fits) {
            return Ok(());
        }
        Err(BadDirectives::TooFar { msn: awaited.msn, next })
    }
}

/// How many parts ahead of the last one somebody may ask for.
fn advance_part_limit(target: Duration) -> u64 {
    if target.is_zero() || target >= Duration::from_secs(1) {
        return 3;
    }
    let millis = u64::try_from(target.as_millis()).unwrap_or(1000).max(1);
    3000u64.div_ceil(millis)
}
