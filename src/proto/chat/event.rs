//! What happens in a room.
//!
//! An [`Event`] is a line of the room's log. Those that change what the room is like ([`Change::is_state`]) make a [`Room`](super::room::Room)
//! of nothing when they are applied in their order; the others are messages and what becomes of them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::{AccountId, MessageId, Millis, RoomId, Seq};
use super::mask::Mask;
use super::name::{Nick, RoomName};

/// A line of a room's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where.
    pub room: RoomId,
    /// Its number there.
    pub seq: Seq,
    /// Its number everywhere, and its time.
    pub id: MessageId,
    /// By whom.
    pub by: Author,
    /// What.
    pub change: Change,
}

/// Who does something, as others saw them then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The name that was shown.
    pub nick: Nick,
    /// The account; `None` for guests, and for the server itself.
    pub account: Option<AccountId>,
    /// What IRC shows between `!` and `@`.
    pub user: Arc<str>,
    /// What IRC shows behind `@`: never an address.
    pub host: Arc<str>,
}

/// Somebody who is, or was, in a room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// An account, on however many devices.
    Account(AccountId),
    /// A guest, by the nickname in lower case. A guest who has gone is forgotten.
    Guest(Arc<str>),
}

impl Author {
    /// Who that is, as members of rooms are counted.
    #[must_use]
    pub fn who(&self) -> Who {
        match self.account {
            Some(account) => Who::Account(account),
            None => Who::Guest(self.nick.folded()),
        }
    }
}

/// What a member may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Speaks, where that is not restricted.
    #[default]
    Member,
    /// Speaks in moderated rooms, too: `+` in IRC.
    Voiced,
    /// Moderates: `@` in IRC.
    Admin,
    /// Decides who moderates: `~` in IRC.
    Owner,
}

/// What kind of room it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// Listed, and open to all.
    Public,
    /// Not listed, and open to those who were invited: `+i` and `+s` in IRC.
    Private,
    /// Of two accounts, for ever.
    Direct,
}

/// How a message is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Said.
    #[default]
    Text,
    /// Said by a program, which nobody answers by a program: `NOTICE`.
    Notice,
    /// Done: `/me`, CTCP ACTION.
    Action,
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Any text, and nothing if there are files.
    pub text: String,
    /// How it is meant.
    #[serde(default)]
    pub style: Style,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<MessageId>,
    /// The message whose thread it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<MessageId>,
    /// Files, by what they contain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// Accounts that it calls by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<AccountId>,
    /// Client-only tags of IRC (`+name`), with their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
}

/// A file of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub digest: String,
    /// What its sender called it.
    pub name: String,
    /// Media type, as sniffed.
    pub kind: String,
    /// Bytes.
    pub size: u64,
    /// Pixels, if it is a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<(u32, u32)>,
}

/// A list of masks that a room keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    /// May not enter, nor speak: `+b`.
    Bans,
    /// May, in spite of a ban: `+e`.
    BanExceptions,
    /// Need no invitation: `+I`.
    InviteExceptions,
    /// May enter, but not speak: `+b m:`.
    Mutes,
}

/// What can be set in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// Only the invited enter: `+i`.
    InviteOnly(bool),
    /// Not listed, and unseen by those outside: `+s`.
    Secret(bool),
    /// Only the voiced speak: `+m`.
    Moderated(bool),
    /// Only members speak: `+n`.
    MembersOnly(bool),
    /// Only admins change the topic: `+t`.
    TopicLocked(bool),
    /// Only accounts enter: `+R`.
    AccountsOnly(bool),
    /// It lasts while nobody is in it: `+P`. Operators of the server decide that.
    Permanent(bool),
    /// What must be said to enter: `+k`.
    Key(Option<String>),
    /// Members at most: `+l`.
    Limit(Option<u32>),
    /// Seconds between two messages of a member: `+f`.
    Slow(Option<u32>),
    /// Only accounts and the voiced speak: `+M`.
    AccountsSpeak(bool),
    /// What the unvoiced say is read by admins alone: `+U`.
    OpModerated(bool),
    /// No CTCP but actions: `+C`.
    NoCtcp(bool),
    /// IRC clients that do not moderate are shown admins and the voiced alone: `+u`.
    Auditorium(bool),
    /// Where those go who may not enter: `+f` with a room's name.
    Forward(Option<RoomName>),
}

/// What an event does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Change {
    /// A message.
    Message(Message),
    /// Another text for a message of one's own.
    Edit {
        /// Which.
        of: MessageId,
        /// The new one.
        text: String,
    },
    /// A message is gone; its place stays.
    Delete {
        /// Which.
        of: MessageId,
        /// Why, if that is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A reaction to a message.
    React {
        /// To which.
        to: MessageId,
        /// An emoji, or a short text.
        reaction: String,
    },
    /// A reaction is withdrawn.
    Unreact {
        /// To which.
        to: MessageId,
        /// The same text.
        reaction: String,
    },
    /// Tags of IRC without a message, which were meant to be kept: those of a client (`+name`), with their values.
    Tags {
        /// The tags.
        tags: Vec<(String, String)>,
    },
    /// The room begins.
    Create {
        /// Which kind.
        kind: RoomKind,
        /// Its name; `None` for direct rooms.
        name: Option<RoomName>,
        /// The two of a direct room; the owner of another one, if it has one.
        members: Vec<(Who, Nick)>,
    },
    /// Whoever does this becomes a member.
    Join,
    /// Whoever does this is a member no longer.
    Leave {
        /// Why, if that is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// It left the server, and all its rooms at once.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        quit: bool,
    },
    /// Whoever does this is called otherwise from now on, or has logged in or out.
    Rename {
        /// The name from now on.
        nick: Nick,
        /// The account from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<AccountId>,
    },
    /// Somebody is put out.
    Kick {
        /// Who.
        who: Who,
        /// Their name.
        nick: Nick,
        /// Why, if that is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody is invited.
    Invite {
        /// Who.
        who: Who,
        /// Their name.
        nick: Nick,
    },
    /// Somebody gets a role.
    Role {
        /// Who.
        who: Who,
        /// Their name.
        nick: Nick,
        /// Which.
        role: Role,
    },
    /// A moderator gets a voice beside its role, or loses it: IRC shows both. It speaks in any case.
    Voice {
        /// Who.
        who: Who,
        /// Their name.
        nick: Nick,
        /// Gets it, or loses it.
        on: bool,
    },
    /// The topic.
    Topic {
        /// Nothing if there is none any longer.
        text: String,
    },
    /// A mask is put into a list.
    Listed {
        /// Which list.
        list: List,
        /// Whom it fits.
        mask: Mask,
        /// Until when; for ever without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Millis>,
        /// Why, if that is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A mask is taken out of a list.
    Unlisted {
        /// Which list.
        list: List,
        /// The same mask.
        mask: Mask,
    },
    /// A setting.
    Set(Setting),
    /// A message is pinned.
    Pin {
        /// Which.
        message: MessageId,
    },
    /// It is pinned no longer.
    Unpin {
        /// Which.
        message: MessageId,
    },
    /// The room ends: nobody enters it again, and its name is free.
    Close,
}

impl Message {
    /// Bytes of its text and its tags.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.text.len() as u64 + bytes_of(&self.tags)
    }
}

fn bytes_of(tags: &[(String, String)]) -> u64 {
    tags.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
}

impl Change {
    /// Bytes of what somebody has written that is kept with it, which count where their amount is limited: the text and the tags of a message, and tags alone.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Message(message) => message.bytes(),
            Self::Tags { tags } => bytes_of(tags),
            _ => 0,
        }
    }

    /// Whether it changes what the room is like, and not a message.
    #[must_use]
    pub fn is_state(&self) -> bool {
        !matches!(
            self,
            Self::Message(_)
                | Self::Edit { .. }
                | Self::Delete { .. }
                | Self::React { .. }
                | Self::Unreact { .. }
                | Self::Tags { .. }
        )
    }
}
