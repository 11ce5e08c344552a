//! What was said before: pages, words that are looked for, and how far others have read.

use serde_json::{Value, json};

use super::login::fields;
use super::reply::{Failure, Reply};
use super::session::Talk;
use crate::proto::chat::event::Who;
use crate::proto::chat::id::{MessageId, Millis, Seq};
use crate::proto::chat::json::asked::Target;
use crate::proto::chat::json::words::{EventWords, Reactions, Since};
use crate::proto::chat::name::{Nick, RoomName};
use crate::server::chat::store::history::{Entry, Part, Place, Query, Search, Which};
use crate::server::ws::Message;

/// Rooms that are searched at once, at most.
const MAX_SEARCHED: usize = 200;

/// Pages of messages that a look at the audit log passes over, at most.
const MAX_PASSED: usize = 20;

impl Talk {
    /// How many, if that was said: at most a page.
    fn page(limit: Option<u64>) -> usize {
        limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(50).clamp(1, super::PAGE)
    }

    pub(super) async fn history(
        &mut self,
        target: &Target,
        [before, after]: [Option<Seq>; 2],
        around: Option<MessageId>,
        since: Option<Millis>,
        thread: Option<MessageId>,
        limit: Option<u64>,
    ) -> Reply {
        let (room, name) = self.place(target).await?;
        let part = match (before, after, around, since) {
            (None, None, None, None) => Part::Latest,
            (Some(seq), None, None, None) => Part::Before(Place::Seq(seq)),
            (None, Some(seq), None, None) => Part::After(Place::Seq(seq)),
            (None, None, Some(id), None) => Part::Around(Place::Id(id)),
            (None, None, None, Some(time)) => Part::After(Place::Time(time)),
            _ => return Err(Failure::new("bad_request", "one of before, after, around and since")),
        };
        let which = thread.map_or(Which::Messages, Which::Thread);
        let query = Query { room: room.id(), part, which, limit: Self::page(limit) };
        let page = self.door.house.store().page(query).await?;
        let mut events = Vec::new();
        for entry in &page.entries {
            events.push(self.words(entry, &name).await?);
        }
        Ok(fields([("room", name.into()), ("events", events.into()), ("more", page.more.into())]))
    }

    pub(super) async fn pins(&mut self, target: &Target) -> Reply {
        let (room, name) = self.place(target).await?;
        let mut events = Vec::new();
        for id in room.look(|room| room.pins().to_vec()) {
            if let Some(entry) = self.door.house.store().event(room.id(), id).await? {
                events.push(self.words(&entry, &name).await?);
            }
        }
        Ok(fields([("room", name.into()), ("events", events.into())]))
    }

    pub(super) async fn audit(&mut self, room: &RoomName, before: Option<Seq>, limit: Option<u64>) -> Reply {
        let target = Target::Room(room.clone());
        let (room, name) = self.place(&target).await?;
        let limit = Self::page(limit);
        let mut found: Vec<Entry> = Vec::new();
        let (mut before, mut more) = (before, true);
        // Between two changes there may be any number of messages: so many pages of them are passed over at once.
        for _ in 0..MAX_PASSED {
            let part = before.map_or(Part::Latest, |seq| Part::Before(Place::Seq(seq)));
            let query = Query { room: room.id(), part, which: Which::MessagesAndState, limit: super::PAGE };
            let page = self.door.house.store().page(query).await?;
            more = page.more;
            before = page.entries.first().map_or(before, |entry| Some(entry.event.seq));
            found.splice(..0, page.entries.into_iter().filter(|entry| entry.event.change.is_state()));
            if found.len() >= limit || !more {
                break;
            }
        }
        let skip = found.len().saturating_sub(limit);
        if skip > 0 {
            (before, more) = (Some(found[skip].event.seq), true);
        }
        let mut events = Vec::new();
        for entry in &found[skip..] {
            events.push(self.words(entry, &name).await?);
        }
        let mut reply = fields([("room", name.into()), ("events", events.into()), ("more", more.into())]);
        if let Some(before) = before.filter(|_| more) {
            reply.insert("before".into(), before.into());
        }
        Ok(reply)
    }

    pub(super) async fn search(
        &mut self,
        text: String,
        target: Option<&Target>,
        from: Option<&Nick>,
        since: Option<Millis>,
        before: Option<MessageId>,
        limit: Option<u64>,
    ) -> Reply {
        let me = self.me()?.user.clone();
        let rooms = match target {
            Some(target) => vec![self.place(target).await?],
            None => {
                let rooms = match &me.face().account {
                    Some((account, _)) => self.door.house.rooms_of(*account),
                    None => me.rooms(),
                };
                let name = |room: &crate::server::chat::house::room::RoomCell| self.name_of(room);
                rooms.into_iter().take(MAX_SEARCHED).map(|room| (room.clone(), name(&room))).collect()
            }
        };
        let by = match from {
            Some(nick) => {
                let account = self.door.accounts.account_named(nick).await?;
                Some(account.ok_or_else(|| Failure::new("no_such_user", "there is no such account"))?.id)
            }
            None => None,
        };
        let search = Search {
            text,
            rooms: rooms.iter().map(|(room, _)| room.id()).collect(),
            by,
            after: since,
            before,
            limit: Self::page(limit),
        };
        let mut found = Vec::new();
        for hit in self.door.house.store().search(search).await? {
            let room = rooms.iter().find(|(room, _)| room.id() == hit.entry.event.room);
            let name = room.map(|(_, name)| name.as_str()).unwrap_or_default();
            found.push(json!({"event": self.words(&hit.entry, name).await?, "snippet": hit.snippet}));
        }
        Ok(fields([("found", found.into())]))
    }

    /// What whoever asks calls a room.
    pub(super) fn name_of(&self, room: &crate::server::chat::house::room::RoomCell) -> String {
        let me = self.me.as_ref().map(|me| me.user.face().who());
        room.name().map_or_else(
            || {
                room.look(|room| {
                    let mut members = room.members();
                    let other = members.find(|(who, _)| Some(*who) != me.as_ref());
                    let other = other.or_else(|| room.members().next());
                    other.map(|(_, member)| member.nick.as_str().to_owned()).unwrap_or_default()
                })
            },
            |name| name.as_str().to_owned(),
        )
    }

    pub(super) async fn receipts(&mut self, target: &Target) -> Reply {
        let (room, _) = self.place(target).await?;
        let mut members = Vec::new();
        for (id, cursor) in self.door.house.store().cursors_of(room.id()).await? {
            let Some(account) = self.door.accounts.account(id).await? else { continue };
            let mut words =
                fields([("name", account.name.as_str().into()), ("delivered", cursor.delivered.into())]);
            if account.profile.read_receipts.unwrap_or(true) {
                words.insert("read".into(), cursor.read.into());
            }
            members.push(Value::Object(words));
        }
        Ok(fields([("members", members.into())]))
    }

    /// An event of a page, as clients read it.
    async fn words(&self, entry: &Entry, room: &str) -> Result<Value, Failure> {
        let (account, since) = self.since(entry).await?;
        let words = EventWords::of(&entry.event, room, account.as_deref()).since(since);
        serde_json::to_value(words).map_err(|error| Failure::new("store_away", error.to_string()))
    }

    /// Tells an event of the past in its place.
    pub(super) async fn tell_entry(&mut self, entry: &Entry, room: &str) -> Result<(), Failure> {
        let words = self.words(entry, room).await?;
        self.tell(Message::from(words.to_string())).await
    }

    /// The name of the author's account, and what became of the message.
    async fn since(&self, entry: &Entry) -> Result<(Option<String>, Since), Failure> {
        let account = match entry.event.by.account {
            Some(id) => self.door.accounts.account(id).await?.map(|account| account.name.as_str().to_owned()),
            None => None,
        };
        let mut reactions = Vec::new();
        for reaction in &entry.reactions {
            let mut by = Vec::new();
            for who in &reaction.by {
                match who {
                    Who::Account(id) => {
                        let account = self.door.accounts.account(*id).await?;
                        by.extend(account.map(|account| account.name.as_str().to_owned()));
                    }
                    Who::Guest(nick) => by.push(nick.to_string()),
                }
            }
            reactions.push(Reactions { reaction: reaction.text.clone(), by });
        }
        let since = Since { edited: entry.edited, deleted: entry.deleted, reactions, replies: entry.replies };
        Ok((account, since))
    }
}
