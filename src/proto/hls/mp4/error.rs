//! What can be wrong with an MP4, and at which byte of it.

use super::FourCc;
use crate::proto::hls::codec;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {wrong}")]
pub struct Fault {
    /// The byte of the file, or of the stream from its start.
    pub at: u64,
    /// What is wrong there.
    #[source]
    pub wrong: Wrong,
}

/// What is wrong with an MP4.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Wrong {
    /// The first box is none that a file begins with: it is something else altogether.
    #[error("no MP4 begins with '{0}'")]
    NotMp4(FourCc),
    /// The file or stream ends inside a box.
    #[error("the file ends inside box '{0}'")]
    Cut(FourCc),
    /// A box is too short for its fields.
    #[error("box '{0}' is too short for its fields")]
    Short(FourCc),
    /// A box announces fewer bytes than its own head has.
    #[error("box '{name}' says that it has {size} bytes")]
    Size {
        /// The box.
        name: FourCc,
        /// What it says.
        size: u64,
    },
    /// A box is longer than the one around it.
    #[error("box '{name}' reaches beyond '{around}', which it is in")]
    Beyond {
        /// The box.
        name: FourCc,
        /// The box around it.
        around: FourCc,
    },
    /// A box that has to be held is longer than is allowed.
    #[error("box '{name}' has {size} bytes, more than the {limit} allowed")]
    Large {
        /// The box.
        name: FourCc,
        /// What it announces.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A box that must be there is not.
    #[error("box '{around}' has no '{name}'")]
    Missing {
        /// The box that is missing.
        name: FourCc,
        /// Where it should be.
        around: FourCc,
    },
    /// A box is there twice.
    #[error("there is a second box '{0}'")]
    Twice(FourCc),
    /// A version of a box that nobody has defined.
    #[error("box '{name}' has version {version}")]
    Version {
        /// The box.
        name: FourCc,
        /// Its version.
        version: u8,
    },
    /// A table announces more entries than it has bytes for.
    #[error("table '{name}' announces {count} entries, and has bytes for {room}")]
    Count {
        /// The table.
        name: FourCc,
        /// Entries that it announces.
        count: u64,
        /// Entries that are there at most.
        room: u64,
    },
    /// A table tells of fewer samples than the track has.
    #[error("table '{name}' tells of {told} samples, and there are {samples}")]
    Untold {
        /// The table.
        name: FourCc,
        /// Samples that it tells of.
        told: u64,
        /// Samples of the track.
        samples: u64,
    },
    /// Numbers in a table that must rise do not, or are 0 where they may not be.
    #[error("table '{0}' is not in order")]
    Order(FourCc),
    /// A number has a value that nothing can have.
    #[error("box '{name}' says {value} of its {field}")]
    Value {
        /// The box.
        name: FourCc,
        /// Which of its numbers.
        field: &'static str,
        /// The number.
        value: i64,
    },
    /// A time or a place in the file is beyond what 61 bits hold.
    #[error("the numbers of '{0}' are beyond all measure")]
    Overflow(FourCc),
    /// An edit list that is more than one span of the media, moved.
    #[error("the edit list {0}, which is not supported")]
    Edits(&'static str),
    /// Sample descriptions that differ within a track.
    #[error("a track changes its coding from '{0}' to another: such a file has to be split")]
    Descriptions(FourCc),
    /// Samples are encrypted.
    #[error("the samples are encrypted ('{0}'): decrypt the file first")]
    Encrypted(FourCc),
    /// Media are in other files.
    #[error("the samples are in another file, to which the track refers")]
    Elsewhere,
    /// The configuration of a decoder cannot be read.
    #[error("box '{name}' holds no sound configuration: {why}")]
    Config {
        /// The box.
        name: FourCc,
        /// What is wrong with it.
        #[source]
        why: codec::Error,
    },
    /// A fragment is of a track that `moov` does not know.
    #[error("a fragment is of track {0}, which is unknown")]
    UnknownTrack(u32),
    /// There are more samples in a fragment than are allowed.
    #[error("a fragment has more than {0} samples")]
    Samples(usize),
    /// There are more tracks than are allowed.
    #[error("there are more than {0} tracks")]
    Tracks(usize),
    /// A sample does not lie in the data that follow what tells of it.
    #[error("sample {number} of track {track} should be at byte {at}, where no data are")]
    Outside {
        /// Its track.
        track: u32,
        /// Which one, from 0, of its run or of the tables of `moov`.
        number: u32,
        /// Where it should begin.
        at: u64,
    },
    /// Samples of a track lie over each other: there are more bytes of them than the file has.
    #[error("the samples of track {track} have {bytes} bytes, more than the {length} of the file")]
    Overlap {
        /// The track.
        track: u32,
        /// Bytes that its samples have together.
        bytes: u64,
        /// Bytes of the file.
        length: u64,
    },
    /// In a stream, samples come before what tells of them.
    #[error("the samples come before the box 'moov', which tells of them: this needs a file, not a stream")]
    DataFirst,
}

impl Wrong {
    /// This, at byte `at`.
    #[must_use]
    pub fn at(self, at: u64) -> Fault {
        Fault { at, wrong: self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_line_with_its_byte() {
        let name = FourCc(*b"stts");
        let table = [
            (Wrong::Cut(name), "byte 7: the file ends inside box 'stts'"),
            (Wrong::Size { name, size: 3 }, "byte 7: box 'stts' says that it has 3 bytes"),
            (
                Wrong::Count { name, count: 9, room: 1 },
                "byte 7: table 'stts' announces 9 entries, and has bytes for 1",
            ),
            (
                Wrong::Value { name, field: "media_rate", value: -1 },
                "byte 7: box 'stts' says -1 of its media_rate",
            ),
        ];
        for (wrong, shown) in table {
            assert_eq!(wrong.at(7).to_string(), shown);
        }
    }
}
