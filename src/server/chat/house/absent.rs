//! Who is to be told of something that happens while they are not here.
//!
//! The house finds that out while a change waits to be written, from what is in memory, and has the notices written with it. Who delivers them is
//! [`notify`](crate::server::chat::notify)'s business. Those who are here, and not away, read it themselves.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

use super::House;
use super::commit::Pending;
use super::nodes::News;
use super::room::RoomCell;
use super::told::Presence;
use crate::proto::chat::event::{Change, Message, RoomKind, Who};
use crate::proto::chat::id::{AccountId, RoomId};
use crate::server::chat::store::StoreError;
use crate::server::chat::store::notices::{Kind, Level, NewNotice};

/// What the house knows of those who want to be told while they are not here.
#[derive(Debug, Default)]
pub struct Absent {
    /// Whether their devices are told.
    devices: bool,
    /// The webhooks that are told.
    webhooks: Vec<String>,
    /// What accounts want to hear of rooms, where it is not the usual.
    levels: RwLock<HashMap<RoomId, HashMap<AccountId, Level>>>,
    /// Rings when there are new notices.
    bell: Notify,
}

impl Absent {
    /// Waits until there are new notices.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Has whoever delivers notices look for them.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// What an account wants to hear of a room.
    #[must_use]
    pub fn level(&self, room: RoomId, account: AccountId) -> Level {
        let levels = self.levels.read().unwrap_or_else(PoisonError::into_inner);
        levels.get(&room).and_then(|levels| levels.get(&account)).copied().unwrap_or_default()
    }

    pub(super) fn note(&self, room: RoomId, account: AccountId, level: Level) {
        let mut levels = self.levels.write().unwrap_or_else(PoisonError::into_inner);
        let of_room = levels.entry(room).or_default();
        match level {
            Level::Mentions => of_room.remove(&account),
            level => of_room.insert(account, level),
        };
        if of_room.is_empty() {
            levels.remove(&room);
        }
    }

    /// Those who want to hear everything of a room.
    fn listeners(&self, room: RoomId) -> Vec<AccountId> {
        let levels = self.levels.read().unwrap_or_else(PoisonError::into_inner);
        let all = levels.get(&room).into_iter().flatten().filter(|(_, level)| **level == Level::All);
        all.map(|(account, _)| *account).collect()
    }
}

impl House {
    /// From now on, notices are kept for those who are not here: for their devices, and for these webhooks. The first call counts.
    ///
    /// # Errors
    /// The store keeps no notices, or cannot be read.
    pub async fn keep_notices(
        &self,
        devices: bool,
        webhooks: Vec<String>,
    ) -> Result<Arc<Absent>, StoreError> {
        let none = || StoreError::Away("it keeps no notices".to_owned());
        let levels = self.0.store.notices().ok_or_else(none)?.levels().await?;
        let absent = Arc::new(Absent { devices, webhooks, ..Absent::default() });
        for (room, account, level) in levels {
            absent.note(room, account, level);
        }
        Ok(Arc::clone(self.0.absent.get_or_init(|| absent)))
    }

    /// What is known of those who are not here, if notices are kept.
    #[must_use]
    pub fn absent(&self) -> Option<&Arc<Absent>> {
        self.0.absent.get()
    }

    /// An account wants to hear this of a room from now on.
    ///
    /// # Errors
    /// It could not be kept.
    pub async fn set_level(&self, room: RoomId, account: AccountId, level: Level) -> Result<(), StoreError> {
        let none = || StoreError::Away("it keeps no notices".to_owned());
        self.0.store.notices().ok_or_else(none)?.set_level(room, account, level).await?;
        if let Some(absent) = self.absent() {
            absent.note(room, account, level);
        }
        self.0.say(|| News::Level { room, account, level });
        Ok(())
    }

    /// Whether nobody sits before any of an account's screens.
    fn is_absent(&self, account: AccountId) -> bool {
        self.users_of(account).iter().all(|user| user.presence().0 == Presence::Away)
    }

    /// The notices of a batch of changes.
    pub(super) fn notices(&self, batch: &[Pending]) -> Vec<NewNotice> {
        let Some(absent) = self.absent() else { return Vec::new() };
        let mut notices = Vec::new();
        for (draft, pending) in batch.iter().enumerate() {
            for (account, kind) in self.concerned(absent, pending) {
                let mut keep = |webhook| notices.push(NewNotice { draft, account, kind, webhook });
                if absent.devices {
                    keep(None);
                }
                absent.webhooks.iter().for_each(|url| keep(Some(url.clone())));
            }
        }
        notices
    }

    /// Who is absent and to be told of a change, each once, and why.
    fn concerned(&self, absent: &Absent, pending: &Pending) -> Vec<(AccountId, Kind)> {
        let room = &pending.room;
        let by = pending.draft.by.account;
        let mut found: Vec<(AccountId, Kind)> = match &pending.draft.change {
            Change::Message(message) => told_of(absent, room, message),
            Change::Invite { who: Who::Account(account), .. } => vec![(*account, Kind::Invite)],
            _ => return Vec::new(),
        };
        found.retain(|(account, _)| {
            Some(*account) != by
                && absent.level(room.id(), *account) != Level::None
                && self.is_absent(*account)
        });
        found
    }
}

/// Whom a message concerns.
fn told_of(absent: &Absent, room: &RoomCell, message: &Message) -> Vec<(AccountId, Kind)> {
    let listeners = absent.listeners(room.id());
    if message.mentions.is_empty() && listeners.is_empty() && room.name().is_some() {
        return Vec::new();
    }
    room.look(|room| {
        if room.kind() == RoomKind::Direct {
            let account = |who: &Who| match who {
                Who::Account(account) => Some((*account, Kind::Direct)),
                Who::Guest(_) => None,
            };
            return room.members().filter_map(|(who, _)| account(who)).collect();
        }
        let mut told: Vec<(AccountId, Kind)> = Vec::new();
        let mentioned = message.mentions.iter().map(|account| (*account, Kind::Mention));
        for (account, kind) in mentioned.chain(listeners.into_iter().map(|account| (account, Kind::All))) {
            let known = told.iter().any(|(other, _)| *other == account);
            if !known && room.member(&Who::Account(account)).is_some() {
                told.push((account, kind));
            }
        }
        told
    })
}
