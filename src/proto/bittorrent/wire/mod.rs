//! What peers say to each other over one connection (BEP 3, "peer protocol"; BEP 6, 10 and 52).
//!
//! After a [`Handshake`] of 68 bytes come [`Message`]s, each behind its length. The [`Codec`] knows how long each may be, and refuses what is longer before it has
//! come. What a message means for the torrent is not known here.

mod bitfield;
mod codec;
pub mod extension;
pub mod fast;
mod handshake;
pub mod holepunch;
mod message;
pub mod metadata;
pub mod pex;
mod reject;

pub use self::bitfield::Bitfield;
pub use self::codec::{Codec, MAX_BITFIELD, MAX_EXTENDED, Said};
pub use self::handshake::{Handshake, PeerId, Reserved};
pub use self::message::{Block, HashRange, Message};
pub use self::reject::Reject;
