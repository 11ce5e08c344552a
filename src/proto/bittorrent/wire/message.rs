//! The messages.

use bytes::Bytes;

use crate::proto::bittorrent::hash::Sha256;

/// A part of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// The piece.
    pub piece: u32,
    /// Where it begins in the piece, in bytes.
    pub begin: u32,
    /// Bytes.
    pub length: u32,
}

/// Nodes of the tree of a file (BEP 52).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HashRange {
    /// The root of the tree.
    pub root: Sha256,
    /// The row of the nodes, from the leaves up.
    pub layer: u32,
    /// The first of them in its row.
    pub index: u32,
    /// How many.
    pub length: u32,
    /// For how many rows above them the hashes are wanted that prove them.
    pub proofs: u32,
}

/// What peers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Nothing: the connection is still there.
    KeepAlive,
    /// No requests are answered from now on.
    Choke,
    /// Requests are answered.
    Unchoke,
    /// There is something that it wants.
    Interested,
    /// There is nothing that it wants.
    NotInterested,
    /// It has got a piece.
    Have(u32),
    /// The pieces that it has, a bit each.
    Bitfield(Bytes),
    /// It wants a block.
    Request(Block),
    /// A block.
    Piece {
        /// The piece.
        piece: u32,
        /// Where the bytes begin in it.
        begin: u32,
        /// The bytes.
        data: Bytes,
    },
    /// It does not want a block any more.
    Cancel(Block),
    /// The port of its node of the DHT (BEP 5).
    Port(u16),
    /// A piece that it would give gladly (BEP 6).
    Suggest(u32),
    /// It has all pieces (BEP 6).
    HaveAll,
    /// It has none (BEP 6).
    HaveNone,
    /// It will not send a block that was asked for (BEP 6).
    Reject(Block),
    /// It sends blocks of this piece even to those whom it chokes (BEP 6).
    AllowedFast(u32),
    /// What both have agreed on (BEP 10).
    Extended {
        /// 0 is a handshake; other numbers are those of the one who is to read it.
        id: u8,
        /// Bytes.
        payload: Bytes,
    },
    /// It wants nodes of a tree (BEP 52).
    HashRequest(HashRange),
    /// Nodes of a tree, then those that prove them.
    Hashes {
        /// What was asked for.
        range: HashRange,
        /// The nodes, one behind the other.
        hashes: Bytes,
    },
    /// It will not send nodes that were asked for.
    HashReject(HashRange),
}
