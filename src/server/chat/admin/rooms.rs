//! Rooms, and the messages in them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::act::{Act, AdminError, Out, PAGE, at, put};
use crate::proto::chat::event::{List, Role, Who};
use crate::proto::chat::json::words::{EventWords, Reactions, Since};
use crate::proto::chat::name::RoomName;
use crate::server::chat::house::room::RoomCell;
use crate::server::chat::store::history::{Entry, Part, Place, Query, Which};

impl Act {
    pub(super) fn room_named(&self, name: &RoomName) -> Result<Arc<RoomCell>, AdminError> {
        self.house.room(name.as_str()).ok_or_else(|| AdminError::NoRoom(name.clone()))
    }

    fn sorted(&self) -> Vec<Arc<RoomCell>> {
        let mut rooms = self.house.rooms();
        rooms.sort_by_key(|room| room.name().map(RoomName::folded));
        rooms
    }

    pub(super) async fn rooms(&self, out: &Out) -> Result<String, AdminError> {
        for room in self.sorted() {
            let here = room.population();
            let row = room.look(|found| {
                json!({
                    "room": found.name().map(RoomName::as_str),
                    "kind": found.kind(),
                    "members": found.members().len(),
                    "here": here,
                    "events": found.head(),
                    "created": at(found.created()),
                    "topic": found.topic().map(|topic| topic.text.as_str()).unwrap_or_default(),
                })
            });
            put(out, row).await?;
        }
        Ok(String::new())
    }

    pub(super) async fn room(&self, name: &RoomName, out: &Out) -> Result<String, AdminError> {
        let room = self.room_named(name)?;
        let (here, now) = (room.population(), self.house.now());
        let row = room.look(|found| {
            let of = |role: Role| {
                let members = found.members().filter(|(_, member)| member.role == role);
                let mut names: Vec<&str> = members.map(|(_, member)| member.nick.as_str()).collect();
                names.sort_unstable();
                Value::from(names)
            };
            json!({
                "room": found.name().map(RoomName::as_str),
                "kind": found.kind(),
                "members": found.members().len(),
                "here": here,
                "events": found.head(),
                "created": at(found.created()),
                "topic": found.topic().map(|topic| topic.text.as_str()).unwrap_or_default(),
                "owners": of(Role::Owner),
                "admins": of(Role::Admin),
                "settings": settings(found.settings()),
                "bans": found.listed(List::Bans, now).count(),
                "mutes": found.listed(List::Mutes, now).count(),
                "pins": found.pins().len(),
            })
        });
        put(out, row).await?;
        Ok(String::new())
    }

    pub(super) async fn export(
        &self,
        room: Option<&RoomName>,
        direct: bool,
        out: &Out,
    ) -> Result<String, AdminError> {
        let mut rooms = match room {
            Some(name) => vec![self.room_named(name)?],
            None => self.sorted(),
        };
        if direct {
            rooms.extend(self.house.direct_rooms());
        }
        let mut count = 0;
        for room in &rooms {
            count += self.export_room(room, out).await?;
        }
        Ok(format!("{count} messages of {} rooms", rooms.len()))
    }

    async fn export_room(&self, room: &RoomCell, out: &Out) -> Result<u64, AdminError> {
        let name = room.name().map_or_else(|| members(room), |name| name.as_str().to_owned());
        let (mut after, mut count) = (0, 0);
        loop {
            let part = Part::After(Place::Seq(after));
            let query = Query { room: room.id(), part, which: Which::Messages, limit: PAGE };
            let page = self.house.store().page(query).await?;
            let Some(last) = page.entries.last() else { return Ok(count) };
            after = last.event.seq;
            for entry in &page.entries {
                put(out, self.words(entry, &name).await?).await?;
                count += 1;
            }
        }
    }

    /// A message, as clients of the JSON door are told it.
    async fn words(&self, entry: &Entry, room: &str) -> Result<Value, AdminError> {
        let account = match entry.event.by.account {
            Some(id) => self.accounts.account(id).await?,
            None => None,
        };
        let mut reactions = Vec::new();
        for reaction in &entry.reactions {
            let mut by = Vec::new();
            for who in &reaction.by {
                match who {
                    Who::Account(id) => {
                        let account = self.accounts.account(*id).await?;
                        by.extend(account.map(|account| account.name.as_str().to_owned()));
                    }
                    Who::Guest(nick) => by.push(nick.to_string()),
                }
            }
            reactions.push(Reactions { reaction: reaction.text.clone(), by });
        }
        let since = Since { edited: entry.edited, deleted: entry.deleted, reactions, replies: entry.replies };
        let account = account.as_ref().map(|account| account.name.as_str());
        let words = EventWords::of(&entry.event, room, account).since(since);
        Ok(serde_json::to_value(words).unwrap_or_default())
    }
}

/// A direct room by its members.
fn members(room: &RoomCell) -> String {
    let mut names: Vec<String> =
        room.look(|room| room.members().map(|(_, member)| member.nick.as_str().to_owned()).collect());
    names.sort_unstable();
    names.join(" and ")
}

/// The names of what is set.
fn settings(settings: &crate::proto::chat::room::Settings) -> Value {
    let value = serde_json::to_value(settings).unwrap_or_default();
    let set = value.as_object().into_iter().flatten().filter(|(_, value)| match value {
        Value::Bool(on) => *on,
        value => !value.is_null(),
    });
    // The key is for those who set it.
    set.map(|(name, value)| match value {
        Value::Number(number) => Value::from(format!("{name} {number}")),
        _ => Value::from(name.as_str()),
    })
    .collect()
}
