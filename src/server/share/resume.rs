//! What is there of a torrent, as it was known when it was shared last: its files need not be read again.
//!
//! A file is believed if it has the size and the date that it had then. What was written after that, before the program was killed, has changed its date: so it is
//! looked at, and nothing of it is fetched twice.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::check::{CheckError, check_some};
use super::storage::{Stamp, Storage};
use crate::net::workers::Blocking;
use crate::proto::bittorrent::metainfo::{Info, Layers};
use crate::proto::bittorrent::wire::Bitfield;

/// What is there, and in which files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The pieces that are there and right.
    pub have: Bitfield,
    /// The files that they are in, by their numbers; `None` for one that is not there.
    pub stamps: Vec<Option<Stamp>>,
}

/// Bytes of a stamp: its size, and nanoseconds since 1970. A file that is not there has all bits set.
const STAMP: usize = 16;

impl Resume {
    /// The pieces that are there now: those in files that have changed are looked at.
    ///
    /// # Errors
    /// The blocking lane does not do it.
    pub(super) async fn check(
        &self,
        info: &Arc<Info>,
        layers: &Arc<Layers>,
        storage: &Arc<Storage>,
        lane: &Blocking,
        told: impl FnMut(u32, u32),
    ) -> Result<Bitfield, CheckError> {
        let layout = info.layout();
        let mut have = self.have.clone();
        let mut doubtful = Bitfield::none(layout.pieces());
        let is_ours = have.pieces() == layout.pieces() && self.stamps.len() == layout.files().len();
        if !is_ours {
            have = Bitfield::none(layout.pieces());
            doubtful = Bitfield::all(layout.pieces());
        }
        for (number, (now, then)) in storage.stamps().iter().zip(&self.stamps).enumerate() {
            if is_ours && now != then {
                layout.pieces_of(number).for_each(|piece| {
                    have.clear(piece);
                    doubtful.set(piece);
                });
            }
        }
        let found = check_some(info, layers, storage, lane, doubtful.iter().collect(), told).await?;
        found.iter().for_each(|piece| {
            have.set(piece);
        });
        Ok(have)
    }

    /// As bytes: the stamps, then the bits of the pieces.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.stamps.len() * STAMP + self.have.as_bytes().len());
        for stamp in &self.stamps {
            let (size, modified) = match stamp {
                // Later than the year 2500 no date is told apart from others.
                Some(stamp) => {
                    let since = stamp.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
                    (stamp.size, u64::try_from(since.as_nanos()).unwrap_or(u64::MAX - 1))
                }
                None => (u64::MAX, u64::MAX),
            };
            bytes.extend_from_slice(&size.to_be_bytes());
            bytes.extend_from_slice(&modified.to_be_bytes());
        }
        bytes.extend_from_slice(self.have.as_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) has written, of a torrent with so many files and pieces; `None` if it is of another one.
    #[must_use]
    pub fn read(bytes: &[u8], files: usize, pieces: u32) -> Option<Self> {
        let (stamps, have) = bytes.split_at_checked(files.checked_mul(STAMP)?)?;
        let (stamps, _) = stamps.as_chunks::<STAMP>();
        let stamp = |bytes: &[u8; STAMP]| {
            // Two halves of eight bytes.
            let both = u128::from_be_bytes(*bytes);
            let (size, nanos) = ((both >> 64) as u64, both as u64);
            (both != u128::MAX).then(|| Stamp { size, modified: UNIX_EPOCH + Duration::from_nanos(nanos) })
        };
        Some(Self { have: Bitfield::read(have, pieces)?, stamps: stamps.iter().map(stamp).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let modified = UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
        let mut have = Bitfield::none(11);
        have.set(3);
        have.set(10);
        let resume = Resume { have, stamps: vec![None, Some(Stamp { size: 5, modified }), None] };
        let bytes = resume.to_bytes();
        assert_eq!(bytes.len(), 3 * STAMP + 2);
        assert_eq!(Resume::read(&bytes, 3, 11), Some(resume));
        for (files, pieces) in [(2, 11), (4, 11), (3, 17), (3, 8), (usize::MAX, 11)] {
            assert_eq!(Resume::read(&bytes, files, pieces), None, "{files} {pieces}");
        }
        assert_eq!(Resume::read(&bytes[..bytes.len() - 1], 3, 11), None);
    }
}
