//! What is no torrent.

use crate::proto::bittorrent::bencode::Fault;

/// Why a file is no metainfo, or one that nobody should take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetainfoError {
    /// It is not bencode.
    #[error("it is no torrent: {0}")]
    Bencode(#[from] Fault),
    /// Something that has to be there is missing, or something else than it should be.
    #[error("{what} is missing, or not what it should be")]
    Missing {
        /// The path of keys.
        what: &'static str,
    },
    /// Keys of the `info` dictionary are not in order, so that programs could have different hashes of it.
    #[error("the keys of info are not in order")]
    Order,
    /// The version is none that is known here.
    #[error("metainfo of version {0}, which is not known here")]
    Version(i64),
    /// The length of pieces is impossible.
    #[error("pieces of {0} bytes")]
    PieceLength(i64),
    /// The hashes do not fit the files.
    #[error("{found} hashes of pieces, where {expected} are needed")]
    Pieces {
        /// How many there are.
        found: usize,
        /// How many pieces the files make.
        expected: u64,
    },
    /// A torrent of nothing.
    #[error("it has no byte")]
    Empty,
    /// Lengths that no disk has.
    #[error("its files have more bytes than {0} together")]
    Large(u64),
    /// More files than [`MAX_FILES`](super::MAX_FILES).
    #[error("more than {0} files")]
    Files(usize),
    /// Paths that take more than [`MAX_PATHS`](super::names::MAX_PATHS) together.
    #[error("its paths have more bytes than {0} together")]
    Paths(usize),
    /// Paths of more levels than [`MAX_DEPTH`](super::names::MAX_DEPTH).
    #[error("folders in more than {0} levels")]
    Depth(usize),
    /// The hashes of a file's pieces are not those of its root.
    #[error("the piece layer of {0} does not belong to it")]
    Layer(String),
    /// A hybrid torrent whose halves describe different files.
    #[error("its two versions do not have the same files: {0}")]
    Differs(String),
    /// A name that not every system can have.
    #[error("{0:?} is a name that not every system can have")]
    Name(String),
    /// An `info` dictionary that is not the one that was asked for.
    #[error("it is not the torrent that was asked for")]
    Hash,
}
