//! Why somebody may not do something in a room.

use super::super::id::Millis;

/// Why not. Each door has its own word for it: a code in JSON, a numeric in IRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// There is no such room, as far as the asker may know.
    #[error("there is no such room")]
    NoSuchRoom,
    /// The room has ended.
    #[error("the room is closed")]
    Closed,
    /// Only for members.
    #[error("you are not in the room")]
    NotAMember,
    /// A member already.
    #[error("already in the room")]
    AlreadyAMember,
    /// The other one is not in the room.
    #[error("there is no such member")]
    NoSuchMember,
    /// Only for admins and owners.
    #[error("you are no admin of the room")]
    NotAnAdmin,
    /// Only for owners.
    #[error("you are not the owner of the room")]
    NotTheOwner,
    /// The other one has the same role, or a higher one.
    #[error("the other one's role is not below yours")]
    Outranked,
    /// A room that had an owner would have none.
    #[error("the room would have no owner")]
    LastOwner,
    /// A ban fits.
    #[error("you are banned")]
    Banned,
    /// Only those come in who are invited.
    #[error("the room is for the invited")]
    InviteOnly,
    /// The key is missing, or another one.
    #[error("the key does not fit")]
    WrongKey,
    /// As many members as it may have.
    #[error("the room is full")]
    Full,
    /// Only accounts come in, speak, or are heard.
    #[error("that is for accounts")]
    AccountsOnly,
    /// CTCP is not spoken here.
    #[error("CTCP is not spoken here")]
    NoCtcp,
    /// Only the voiced speak, and a mute or a ban silences.
    #[error("you may not speak here")]
    Silenced,
    /// Slow mode: so many milliseconds are left.
    #[error("slow mode: wait {} s", .0.div_ceil(1000))]
    TooSoon(Millis),
    /// A list or the pins are full.
    #[error("the list is full")]
    ListFull,
    /// Direct rooms have two members for ever, and nothing is set in them.
    #[error("that cannot be done in a direct room")]
    Direct,
    /// There is no such message in the room.
    #[error("there is no such message")]
    NoSuchMessage,
    /// The message is somebody else's.
    #[error("the message is not yours")]
    NotYours,
    /// The message was deleted.
    #[error("the message was deleted")]
    Deleted,
}
