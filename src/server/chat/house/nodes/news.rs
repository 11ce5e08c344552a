//! What nodes tell each other, as JSON.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::presence::{Device, Shown};
use super::super::told::Presence;
use super::super::user::{Elsewhere, Face, User, UserId};
use crate::proto::chat::event::{Author, Change, Event, Message, Role};
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId, Seq};
use crate::proto::chat::level::Level;
use crate::proto::chat::name::Nick;
use crate::server::chat::store::shared::NodeId;

/// An event of a room, by the node that has committed it.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct EventNews {
    pub(super) node: NodeId,
    room: RoomId,
    pub(super) seq: Seq,
    id: MessageId,
    by: Author,
    change: Change,
    /// The name of the author's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Nick>,
    /// The author's name beside the nick.
    #[serde(default)]
    real: String,
    /// Whether the author says of itself that it is a program.
    #[serde(default)]
    bot: bool,
}

impl EventNews {
    pub(super) fn new(node: NodeId, event: &Event, face: &Face) -> Self {
        let Event { room, seq, id, by, change } = event.clone();
        let account = face.account_name().cloned();
        let (real, bot) = (face.real.to_string(), face.bot);
        Self { node, room, seq, id, by, change, account, real, bot }
    }

    pub(super) fn room(&self) -> RoomId {
        self.room
    }

    /// The event, and what its author looked like.
    pub(super) fn into_parts(self) -> (Event, Face) {
        let Self { room, seq, id, by, change, account, real, bot, .. } = self;
        let face = Face { bot, ..face_of(&by, account, &real) };
        (Event { room, seq, id, by, change }, face)
    }
}

/// What the author of an event looks like.
pub(super) fn face_of(by: &Author, account: Option<Nick>, real: &str) -> Face {
    Face {
        nick: by.nick.clone(),
        user: Arc::clone(&by.user),
        host: Arc::clone(&by.host),
        real: real.into(),
        account: by.account.zip(account),
        operator: false,
        bot: false,
    }
}

/// Anything else, by one node, with a number that grows by one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) node: NodeId,
    pub(super) n: u64,
    pub(super) news: News,
}

/// What does not last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub(in super::super) enum News {
    /// This node is here, and has missed what was said: let all say who is with them.
    Hello,
    /// Let one node say who is with it: something was missed.
    Ask { of: NodeId },
    /// Nothing new. Whoever has missed something notices by the number.
    Alive,
    /// A user of this node, as it is now.
    User { user: Entry },
    /// All users of this node: others are here no longer.
    All { users: Vec<u64> },
    /// A user is here no longer.
    Gone { user: u64, reason: String },
    /// A room was forgotten, as nobody was in it.
    Dropped { room: RoomId },
    /// Tags without a message, in a room or to somebody.
    Tags {
        from: FaceWords,
        room: Option<RoomId>,
        /// In a room, the lowest role that is told.
        #[serde(default)]
        role: Role,
        to: Option<Nick>,
        id: MessageId,
        tags: Vec<(String, String)>,
    },
    /// A message that is in no log.
    Whisper { from: FaceWords, to: Nick, id: MessageId, message: Message },
    /// A message that is in no log, to those of a room who have a role; another one may be shown to be meant.
    Status { from: FaceWords, room: RoomId, role: Role, shown: Role, id: MessageId, message: Message },
    /// How far an account is in a room.
    Cursor {
        from: FaceWords,
        account: AccountId,
        room: RoomId,
        delivered: Seq,
        read: Seq,
        read_at: Millis,
        tell: bool,
    },
    /// Logins of an account have ended: this one, or all but perhaps one.
    Ended { account: AccountId, one: Option<MessageId>, except: Option<MessageId> },
    /// What an account wants to hear of a room.
    Level { room: RoomId, account: AccountId, level: Level },
    /// An operator ends the connections of somebody who is called so.
    Killed { by: FaceWords, account: Option<AccountId>, nick: Nick, reason: String },
    /// An operator speaks to all who want to hear it.
    Wallops { by: FaceWords, text: String },
    /// An account was changed.
    Account { account: AccountId },
    /// How all devices of an account are shown from now on.
    Presence { account: AccountId, presence: String, status: String, at: Millis },
    /// What an account that is called so hears from now on: whether from guests, and CTCP.
    Hears { account: AccountId, nick: Nick, reserved: bool, no_ctcp: bool },
}

/// A user of a node.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct Entry {
    /// Its number there.
    pub(super) id: u64,
    pub(super) since: Millis,
    pub(super) face: FaceWords,
    /// Its devices there.
    devices: Vec<DeviceWords>,
    /// Guests say nothing to it but those of whom it has let.
    reserved: bool,
    /// It hears no CTCP but actions.
    no_ctcp: bool,
    /// Whom it has let: a node, and the number there.
    pub(super) accepted: Vec<(NodeId, u64)>,
    /// What its sessions there have set.
    #[serde(default)]
    modes: u8,
    /// Where it is seen.
    pub(super) rooms: Vec<RoomId>,
}

/// A device of a user.
#[derive(Debug, Serialize, Deserialize)]
struct DeviceWords {
    login: Option<MessageId>,
    presence: String,
    status: String,
    at: Millis,
}

impl DeviceWords {
    fn of(device: Device) -> Self {
        let Device { login, shown: Shown { presence, status, at } } = device;
        Self { login, presence: presence.word().to_owned(), status: status.to_string(), at }
    }

    fn device(&self) -> Device {
        let presence = Presence::of(&self.presence).unwrap_or_default();
        Device {
            login: self.login,
            shown: Shown { presence, status: self.status.as_str().into(), at: self.at },
        }
    }
}

impl Entry {
    /// `places` knows on which nodes users are, and their numbers there.
    pub(super) fn of(user: &User, places: impl FnOnce(Vec<UserId>) -> Vec<(NodeId, u64)>) -> Self {
        let (reserved, no_ctcp, accepted) = user.local_choices();
        Self {
            id: user.id().0,
            since: user.since(),
            face: FaceWords::of(&user.face()),
            devices: user.local_devices().into_iter().map(DeviceWords::of).collect(),
            reserved,
            no_ctcp,
            accepted: places(accepted),
            modes: user.local_modes(),
            rooms: user.rooms().iter().map(|room| room.id()).collect(),
        }
    }

    /// What `node` says by it, where `accepted` are those whom the user has let.
    pub(super) fn elsewhere(&self, node: NodeId, accepted: Vec<UserId>) -> Elsewhere {
        Elsewhere {
            node,
            id: self.id,
            devices: self.devices.iter().map(DeviceWords::device).collect(),
            reserved: self.reserved,
            no_ctcp: self.no_ctcp,
            accepted,
            modes: self.modes,
        }
    }
}

/// What others see of a user.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct FaceWords {
    nick: Nick,
    user: String,
    host: String,
    real: String,
    account: Option<(AccountId, Nick)>,
    operator: bool,
    bot: bool,
}

impl FaceWords {
    pub(in super::super) fn of(face: &Face) -> Self {
        Self {
            nick: face.nick.clone(),
            user: face.user.to_string(),
            host: face.host.to_string(),
            real: face.real.to_string(),
            account: face.account.clone(),
            operator: face.operator,
            bot: face.bot,
        }
    }

    pub(super) fn face(&self) -> Face {
        Face {
            nick: self.nick.clone(),
            user: self.user.as_str().into(),
            host: self.host.as_str().into(),
            real: self.real.as_str().into(),
            account: self.account.clone(),
            operator: self.operator,
            bot: self.bot,
        }
    }
}
