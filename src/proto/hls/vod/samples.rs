//! The samples of a track, however they are known: by the tables of `moov`, or by an index.

use super::index::{self, Index};
use crate::proto::hls::mp4::table::{self, Located, Table};

/// The samples of a track, in decode order.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // there is one for each track
pub enum Samples {
    /// By the tables of an MP4.
    Table(Table),
    /// By a list.
    Index(Index),
}

impl Samples {
    /// How many.
    #[must_use]
    pub fn len(&self) -> u32 {
        match self {
            Self::Table(table) => table.len(),
            Self::Index(index) => index.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Table(table) => table.bytes(),
            Self::Index(index) => index.bytes(),
        }
    }

    /// The samples from `number` on.
    #[must_use]
    pub fn from(&self, number: u32) -> Cursor<'_> {
        match self {
            Self::Table(table) => Cursor::Table(table.from(number)),
            Self::Index(index) => Cursor::Index(index.from(number)),
        }
    }

    /// The first sample that is decoded at `time` or later, in ticks of the track; [`Samples::len`] when none is.
    #[must_use]
    pub fn first_from(&self, time: i64) -> u32 {
        match self {
            Self::Index(index) => index.first_from(time),
            Self::Table(_) if time <= 0 => 0,
            // Of samples that are decoded at once, the first: from the one that is being decoded just before.
            Self::Table(table) => match table.number_at(time - 1) {
                None => table.len(),
                Some(number) => {
                    let mut cursor = table.from(number);
                    let later = cursor.find(|located| located.sample.dts >= time);
                    later.map_or(table.len(), |located| located.number)
                }
            },
        }
    }
}

/// Samples one after the other.
#[derive(Clone, Debug)]
pub enum Cursor<'a> {
    /// By tables.
    Table(table::Cursor<'a>),
    /// By a list.
    Index(index::Cursor<'a>),
}

impl Iterator for Cursor<'_> {
    type Item = Located;

    fn next(&mut self) -> Option<Located> {
        match self {
            Self::Table(cursor) => cursor.next(),
            Self::Index(cursor) => cursor.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Table(cursor) => cursor.size_hint(),
            Self::Index(cursor) => cursor.size_hint(),
        }
    }
}
