//! What absent members are to be told, as it is kept: their devices, what they want to hear of, and a queue that survives a restart.
//!
//! A notice is written in the same transaction as the event that it is about, once for each device or webhook that is to be told: what was
//! acknowledged is told, and told once. It is [claimed](Notices::claim) by whoever delivers it, and [settled](Notices::settle) by what came of that.
//! Its text is not kept: whoever delivers it reads the event as it is then.

use serde::{Deserialize, Serialize};

use super::{Answer, Appended, Draft};
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId, Seq};
pub use crate::proto::chat::level::Level;

/// Devices of an account at most; the one that was added first goes for a new one.
pub const MAX_DEVICES: usize = 20;

/// Notices of an account that wait at most, all its devices together. What happens beyond that is not told.
pub const MAX_WAITING: usize = 1000;

/// Notices that could not be delivered, of everybody, that are kept at most: the oldest are forgotten.
pub const MAX_DEAD: usize = 10_000;

/// A device that is told by web push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Whose.
    pub account: AccountId,
    /// The login of it: when that ends, the device is told nothing any longer.
    pub session: MessageId,
    /// Where its push service takes messages for it. No two devices have the same one.
    pub endpoint: String,
    /// Its public key.
    pub key: [u8; 65],
    /// The secret that it shares with this server.
    pub auth: [u8; 16],
    /// When it was added.
    pub created: Millis,
}

/// Why somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A message mentions them.
    Mention,
    /// A direct message.
    Direct,
    /// An invitation.
    Invite,
    /// A message of a room of which they want to hear everything.
    All,
}

impl Kind {
    /// All of them, in the order of their numbers in a store.
    pub const ALL: [Self; 4] = [Self::Mention, Self::Direct, Self::Invite, Self::All];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mention => "mention",
            Self::Direct => "direct",
            Self::Invite => "invite",
            Self::All => "all",
        }
    }
}

/// A notice to be kept with a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotice {
    /// Which of the drafts: its place among them.
    pub draft: usize,
    /// Who is told.
    pub account: AccountId,
    /// Why.
    pub kind: Kind,
    /// By which webhook; `None` for all devices of the account.
    pub webhook: Option<String>,
}

/// A notice that waits, or could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub n: u64,
    /// Who is told.
    pub account: AccountId,
    /// Why.
    pub kind: Kind,
    /// The event, and where it stands.
    pub room: RoomId,
    /// Its number there.
    pub seq: Seq,
    /// Its number everywhere.
    pub id: MessageId,
    /// The endpoint of the device, or the URL of the webhook.
    pub target: String,
    /// The device; `None` for webhooks, and for devices that are gone.
    pub device: Option<Device>,
    /// Whether it goes to a webhook.
    pub webhook: bool,
    /// How far the account has read the room.
    pub read: Seq,
    /// Attempts that have failed.
    pub attempts: u32,
    /// When it was given up.
    pub dead: Option<Millis>,
    /// Why the last attempt failed.
    pub error: String,
}

/// What became of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was delivered, or there is nothing to be told any longer.
    Done,
    /// Its device is gone for ever, with all that waits for it.
    Gone,
    /// It was not tried: its host is to be left alone until then.
    Later(Millis),
    /// It has failed, and is to be tried again at this time.
    Again(Millis, String),
    /// It is given up.
    Dead(Millis, String),
}

/// How many notices there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that wait.
    pub waiting: u64,
    /// Those that were given up.
    pub dead: u64,
}

/// The part of a store that keeps notices.
pub trait Notices: Send + Sync {
    /// Appends drafts as [`Store::append`](super::Store::append) does, and in the same transaction the notices of those that are new.
    fn append_with(&self, drafts: Vec<Draft>, notices: Vec<NewNotice>) -> Answer<'_, Vec<Appended>>;

    /// Keeps a device, in place of what had its endpoint before.
    fn add_device(&self, device: Device) -> Answer<'_, ()>;

    /// Forgets a device of an account. Says whether there was one.
    fn remove_device(&self, account: AccountId, endpoint: String) -> Answer<'_, bool>;

    /// Notes what an account wants to hear of a room.
    fn set_level(&self, room: RoomId, account: AccountId, level: Level) -> Answer<'_, ()>;

    /// What accounts want to hear of rooms, where it is not [`Level::Mentions`].
    fn levels(&self) -> Answer<'_, Vec<(RoomId, AccountId, Level)>>;

    /// Takes notices that are due at `now`, the oldest first, so that nobody else takes them until `until`; if nobody but this process works on
    /// the store, also not longer than it runs.
    fn claim(&self, now: Millis, until: Millis, limit: usize) -> Answer<'_, Vec<Notice>>;

    /// When the next notice is due that can be claimed.
    fn next_due(&self) -> Answer<'_, Option<Millis>>;

    /// Notes what became of a notice that was claimed.
    fn settle(&self, n: u64, outcome: Settled) -> Answer<'_, ()>;

    /// Notices that were given up, behind the number `after`.
    fn dead(&self, after: u64, limit: usize) -> Answer<'_, Vec<Notice>>;

    /// Tries a notice again that was given up, or all of them, from `now` on. Says how many.
    fn revive(&self, which: Option<u64>, now: Millis) -> Answer<'_, usize>;

    /// Forgets a notice that was given up, or all of them. Says how many.
    fn forget_dead(&self, which: Option<u64>) -> Answer<'_, usize>;

    /// How many there are.
    fn counts(&self) -> Answer<'_, Counts>;
}
