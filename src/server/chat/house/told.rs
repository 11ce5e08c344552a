//! What sessions are told, and in which language.
//!
//! The house does not know what its doors speak. A session has a [`Dialect`]: a language, and a variant of it (which capabilities an IRC
//! client has). What many sessions are told is written once for each dialect among them.

use std::fmt;

use bytes::BytesMut;

use super::user::Face;
use crate::proto::chat::event::Event;
use crate::proto::chat::id::{MessageId, Seq};
use crate::proto::chat::name::{Nick, RoomName};

/// How presence is shown. Of several devices of a user, the largest one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Presence {
    /// Not here; or here, and not to be seen.
    Offline,
    /// Here, but not at the keyboard.
    Away,
    /// Here.
    #[default]
    Online,
    /// Here, and not to be disturbed.
    Busy,
}

impl Presence {
    /// Its word in the JSON protocol.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Offline => "offline",
        }
    }

    /// The presence of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Online, Self::Away, Self::Busy, Self::Offline].into_iter().find(|found| found.word() == word)
    }
}

/// Where something happens, as the one who is told calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// A room.
    Room(&'a RoomName),
    /// A direct room: the other one, and oneself.
    Direct {
        /// The other one's account, or the nick of who has none: it lasts.
        with: &'a Nick,
        /// What the other one is called now.
        nick: &'a Nick,
        /// What whoever is told is called now; of what it has said itself, what it was called then.
        me: &'a Nick,
    },
}

/// What happened.
#[derive(Debug)]
pub enum Told<'a> {
    /// An event of a room's log.
    Event {
        /// The event.
        event: &'a Event,
        /// Where.
        place: Place<'a>,
        /// The name of the author's account.
        account: Option<&'a Nick>,
        /// The author's name beside its nick, which is not in the log.
        real: &'a str,
        /// Whether the author says of itself that it is a program.
        bot: bool,
        /// For a [`Role`](crate::proto::chat::event::Change::Role): the role that the member had before.
        was: crate::proto::chat::event::Role,
    },
    /// Whoever is told was invited to a room, of which it is no member yet.
    Invited {
        /// By whom.
        by: &'a Face,
        /// Its own name.
        who: &'a Nick,
        /// Where.
        room: &'a RoomName,
        /// The number of the event.
        id: MessageId,
    },
    /// Somebody whom the session watches has come.
    Online {
        /// Who.
        who: &'a Face,
    },
    /// Somebody whom the session watches has gone, or has another nick.
    Offline {
        /// The name that it had.
        nick: &'a Nick,
    },
    /// A message from or to somebody without an account: it is in no log.
    Whisper {
        /// From whom.
        from: &'a Face,
        /// To whom.
        to: &'a Nick,
        /// Its number.
        id: MessageId,
        /// The message.
        message: &'a crate::proto::chat::event::Message,
    },
    /// A message to those of a room who have a role or a higher one: it is in no log.
    Status {
        /// From whom.
        from: &'a Face,
        /// Where.
        room: &'a RoomName,
        /// The lowest role that is told.
        role: crate::proto::chat::event::Role,
        /// Its number.
        id: MessageId,
        /// The message.
        message: &'a crate::proto::chat::event::Message,
    },
    /// Tags without a message, which are in no log: typing, above all.
    Tags {
        /// From whom.
        from: &'a Face,
        /// Where.
        place: Place<'a>,
        /// Its number.
        id: MessageId,
        /// Client-only tags, with their values.
        tags: &'a [(String, String)],
    },
    /// A member came into sight: its first session is here, or it is a new member.
    Appeared {
        /// Who.
        who: &'a Face,
        /// Where.
        room: &'a RoomName,
        /// Its role there.
        role: crate::proto::chat::event::Role,
    },
    /// A user went, out of all rooms at once.
    Gone {
        /// Who.
        who: &'a Face,
        /// Why.
        reason: &'a str,
    },
    /// A user has another nick.
    Renamed {
        /// Who, as it was.
        who: &'a Face,
        /// What it is now.
        to: &'a Nick,
    },
    /// A user's presence.
    Presence {
        /// Who.
        who: &'a Face,
        /// How.
        presence: Presence,
        /// What it says about it.
        status: &'a str,
    },
    /// A user logged in or out.
    Account {
        /// Who, as it is now.
        who: &'a Face,
    },
    /// A user is shown with another user name or host.
    Host {
        /// Who, as it was.
        who: &'a Face,
        /// Who, as it is now.
        is: &'a Face,
    },
    /// A user has another name beside its nick.
    RealName {
        /// Who, as it is now.
        who: &'a Face,
    },
    /// Something about a user whom the session watches, and sees in no room.
    Watched(&'a Told<'a>),
    /// Something about somebody who is in an auditorium: to all who are there.
    Veiled(&'a Told<'a>),
    /// The same, to those who see that one there: it moderates, or is the one.
    Unveiled(&'a Told<'a>),
    /// Whoever is told was in a room that has ended.
    Closed {
        /// Its own name.
        nick: &'a Nick,
        /// Where.
        room: &'a RoomName,
    },
    /// An operator ends the connections of whoever is told.
    Killed {
        /// By whom.
        by: &'a Face,
        /// Its own name.
        nick: &'a Nick,
        /// Why.
        reason: &'a str,
    },
    /// An operator speaks to all who want to hear it.
    Wallops {
        /// From whom.
        by: &'a Face,
        /// What.
        text: &'a str,
    },
    /// How far a member is in a room.
    Cursor {
        /// Whose.
        who: &'a Nick,
        /// Where.
        place: Place<'a>,
        /// The last event that one of its devices has.
        delivered: Seq,
        /// The last event that it has read.
        read: Seq,
    },
    /// One's own account has read so far, on another device.
    Read {
        /// Where.
        place: Place<'a>,
        /// The last event that was read.
        seq: Seq,
        /// When that one was made, in ms since 1970.
        time: u64,
    },
}

/// Writes what sessions are told.
pub trait Language: Send + Sync + 'static {
    /// Appends what a session of this variant reads, framed and whole; nothing, if such a session is not told.
    fn write(&self, variant: u32, told: &Told<'_>, out: &mut BytesMut);
}

/// A variant of a language.
#[derive(Clone, Copy)]
pub struct Dialect {
    /// The language.
    pub language: &'static dyn Language,
    /// Which variant of it.
    pub variant: u32,
}

impl Dialect {
    /// Appends `told` in this dialect.
    pub fn write(self, told: &Told<'_>, out: &mut BytesMut) {
        self.language.write(self.variant, told, out);
    }
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self.language, other.language) && self.variant == other.variant
    }
}

impl Eq for Dialect {}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialect({})", self.variant)
    }
}
