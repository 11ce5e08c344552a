//! Rooms, and what is set in them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::login::fields;
use super::reply::{Failure, Reply};
use super::session::Talk;
use crate::proto::chat::event::{Change, List, Role, RoomKind, Setting, Who};
use crate::proto::chat::json::asked::Target;
use crate::proto::chat::mask::Mask;
use crate::proto::chat::name::{Nick, NotAName, RoomName};
use crate::proto::chat::room::{Refusal, Room, Settings};
use crate::server::chat::house::room::RoomCell;

/// Rooms or members of a page at most.
const MAX_LISTED: usize = 500;

/// Bytes of a key at most. Libera 23.
const MAX_KEY: usize = 64;

/// Seconds of slow mode at most: six hours, as Discord.
const MAX_SLOW: u64 = 6 * 3600;

/// The settings of a room, as clients read them. The key is for those who set it.
pub(super) fn settings(settings: &Settings) -> Value {
    let mut words = Map::new();
    for (name, on) in [
        ("invite_only", settings.invite_only),
        ("secret", settings.secret),
        ("moderated", settings.moderated),
        ("members_only", settings.members_only),
        ("topic_locked", settings.topic_locked),
        ("accounts_only", settings.accounts_only),
        ("accounts_speak", settings.accounts_speak),
        ("op_moderated", settings.op_moderated),
        ("no_ctcp", settings.no_ctcp),
        ("auditorium", settings.auditorium),
        ("permanent", settings.permanent),
        ("key", settings.key.is_some()),
    ] {
        if on {
            words.insert(name.into(), true.into());
        }
    }
    if let Some(limit) = settings.limit {
        words.insert("limit".into(), limit.into());
    }
    if let Some(slow) = settings.slow {
        words.insert("slow".into(), slow.into());
    }
    if let Some(forward) = &settings.forward {
        words.insert("forward".into(), forward.as_str().into());
    }
    words.into()
}

/// A number of things to list.
fn at_most(limit: Option<u64>) -> usize {
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(100).clamp(1, MAX_LISTED)
}

impl Talk {
    /// The room of this name, if whoever asks may know of it.
    pub(super) fn known(&self, name: &RoomName) -> Result<Arc<RoomCell>, Failure> {
        let room = self.door.house.room(name.as_str()).ok_or(Refusal::NoSuchRoom)?;
        let me = self.me()?.user.face();
        let visible = room.look(|room| room.is_listed() || room.member(&me.who()).is_some() || me.operator);
        if visible { Ok(room) } else { Err(Refusal::NoSuchRoom.into()) }
    }

    /// The room of this name, or the direct room with somebody; whoever asks may read it.
    pub(super) async fn place(&self, target: &Target) -> Result<(Arc<RoomCell>, String), Failure> {
        let me = self.me()?.user.face();
        let (room, name) = match target {
            Target::Room(name) => {
                let room = self.known(name)?;
                let name = room.name().unwrap_or(name).as_str().to_owned();
                (room, name)
            }
            Target::Nick(nick) => {
                let mine = self.account()?.id;
                let other = self.door.accounts.account_named(nick).await?;
                let other = other.ok_or_else(|| Failure::new("no_such_user", "there is no such account"))?;
                let room = self.door.house.direct(mine, other.id).ok_or(Refusal::NoSuchRoom)?;
                (room, other.name.as_str().to_owned())
            }
        };
        room.ask(&me, Room::may_read)?;
        Ok((room, name))
    }

    /// Who is meant by a name in a room: a member, or anybody else.
    pub(super) async fn who(&self, room: &RoomName, name: &Nick) -> Result<Who, Failure> {
        let room = self.known(room)?;
        let member = room
            .look(|room| room.members().find(|(_, member)| member.nick == *name).map(|(who, _)| who.clone()));
        if let Some(who) = member {
            return Ok(who);
        }
        if let Some(user) = self.door.house.user(name.as_str()) {
            return Ok(user.face().who());
        }
        let account = self.door.accounts.account_named(name).await?;
        let account = account.ok_or_else(|| Failure::new("no_such_user", "there is nobody of that name"))?;
        Ok(Who::Account(account.id))
    }

    pub(super) fn reason(&self, reason: Option<String>) -> Result<Option<String>, Failure> {
        let most = self.door.house.settings().max_reason;
        match &reason {
            Some(text) if text.len() > most => {
                Err(Failure::new("too_long", format!("reason: at most {most} bytes")))
            }
            _ => Ok(reason),
        }
    }

    pub(super) fn rooms(
        &mut self,
        search: Option<&str>,
        after: Option<&RoomName>,
        limit: Option<u64>,
    ) -> Reply {
        let search = search.unwrap_or_default().to_lowercase();
        let found = |text: &str| text.to_lowercase().contains(&search);
        let after = after.map(RoomName::folded).unwrap_or_default();
        let mut rooms: Vec<(Arc<str>, Value)> = self
            .door
            .house
            .rooms()
            .iter()
            .filter_map(|room| {
                let name = room.name()?;
                let key = name.folded();
                if key <= after {
                    return None;
                }
                let words = room.look(|room| {
                    let topic = room.topic().map(|topic| topic.text.clone()).unwrap_or_default();
                    let shown = room.is_listed() && (found(name.as_str()) || found(&topic));
                    shown.then(
                        || json!({"room": name.as_str(), "members": room.members().len(), "topic": topic}),
                    )
                })?;
                Some((key, words))
            })
            .collect();
        rooms.sort_by(|one, other| one.0.cmp(&other.0));
        let limit = at_most(limit);
        let more = rooms.len() > limit;
        let rooms: Vec<Value> = rooms.into_iter().take(limit).map(|(_, words)| words).collect();
        Ok(fields([("rooms", rooms.into()), ("more", more.into())]))
    }

    pub(super) async fn create(&mut self, room: &RoomName, kind: Option<RoomKind>) -> Reply {
        let kind = kind.unwrap_or(RoomKind::Public);
        if kind == RoomKind::Direct {
            return Err(Failure::new("bad_request", "kind: public or private"));
        }
        let user = Arc::clone(&self.me()?.user);
        if user.face().account.is_none() && !self.door.house.settings().guests_open_rooms {
            return Err(Failure::new("account_required", "guests do not open rooms"));
        }
        let entered = self.door.house.create(&user, &self.session, room, kind).await?;
        let head = entered.room.look(Room::head);
        Ok(fields([("room", self.room_words(&entered.room, head, None).await?)]))
    }

    pub(super) async fn join(&mut self, room: &RoomName, key: Option<&str>) -> Reply {
        let user = Arc::clone(&self.me()?.user);
        let entered = match self.door.house.join(&user, &self.session, room, key).await {
            Ok(entered) => entered,
            Err(not) => {
                let forward = self.door.house.forward(room, &not);
                return Err(Failure::from(not).forwarding(forward));
            }
        };
        if !entered.already {
            self.door.house.show_away(&user, &self.session);
        }
        let head = entered.room.look(Room::head);
        Ok(fields([("room", self.room_words(&entered.room, head, None).await?)]))
    }

    pub(super) async fn leave(&mut self, room: &RoomName, reason: Option<String>) -> Reply {
        let reason = self.reason(reason)?;
        let room = self.known(room)?;
        let user = Arc::clone(&self.me()?.user);
        self.door.house.leave(&user, &room, reason).await?;
        Ok(Map::new())
    }

    pub(super) async fn room(&mut self, target: &Target) -> Reply {
        let room = match target {
            Target::Room(name) => self.known(name)?,
            Target::Nick(_) => self.place(target).await?.0,
        };
        let head = room.look(Room::head);
        Ok(fields([("room", self.room_words(&room, head, None).await?)]))
    }

    pub(super) async fn members(
        &mut self,
        room: &RoomName,
        after: Option<&Nick>,
        limit: Option<u64>,
    ) -> Reply {
        let room = self.known(room)?;
        let me = self.me()?.user.face();
        room.ask(&me, Room::may_read)?;
        let after = after.map(Nick::folded).unwrap_or_default();
        let mut members: Vec<_> = room.look(|room| {
            room.members()
                .map(|(who, member)| (member.nick.folded(), who.clone(), member.nick.clone(), member.role))
                .collect()
        });
        members.retain(|(key, ..)| *key > after);
        members.sort_by(|one, other| one.0.cmp(&other.0));
        let limit = at_most(limit);
        let more = members.len() > limit;
        let mut shown = Vec::new();
        for (_, who, nick, role) in members.into_iter().take(limit) {
            shown.push(self.member(&who, &nick, role).await?);
        }
        Ok(fields([("members", shown.into()), ("more", more.into())]))
    }

    /// A member, as clients read it.
    async fn member(&self, who: &Who, nick: &Nick, role: Role) -> Result<Value, Failure> {
        let user = self.door.house.user(nick.as_str());
        let presence = user.as_ref().map_or("offline", |user| user.presence().0.word());
        let mut words =
            fields([("name", nick.as_str().into()), ("role", json!(role)), ("presence", presence.into())]);
        let account = match who {
            Who::Account(id) => self.door.accounts.account(*id).await?,
            Who::Guest(_) => None,
        };
        let profile = account.as_ref().map(|account| &account.profile);
        let mut real = user.map(|user| user.face().real.to_string()).unwrap_or_default();
        if let Some(profile) = profile.filter(|profile| !profile.display.is_empty()) {
            real.clone_from(&profile.display);
        }
        if !real.is_empty() && real != nick.as_str() {
            words.insert("display".into(), real.into());
        }
        if let Some(profile) = profile.filter(|profile| !profile.avatar.is_empty()) {
            words.insert("avatar".into(), profile.avatar.as_str().into());
        }
        Ok(words.into())
    }

    /// Makes a change in a room.
    pub(super) async fn change(&mut self, room: &RoomName, change: Change) -> Reply {
        let room = self.known(room)?;
        let user = Arc::clone(&self.me()?.user);
        let sent = self.door.house.change(&user, &room, change, None).await?;
        Ok(fields([("seq", sent.seq.into()), ("id", sent.id.to_string().into())]))
    }

    pub(super) async fn topic(&mut self, room: &RoomName, text: String) -> Reply {
        let most = self.door.house.settings().max_topic;
        if text.len() > most {
            return Err(Failure::new("too_long", format!("topic: at most {most} bytes")));
        }
        if text.chars().any(char::is_control) {
            return Err(Failure::new("bad_request", "topic: control characters"));
        }
        self.change(room, Change::Topic { text }).await
    }

    pub(super) async fn set(
        &mut self,
        room: &RoomName,
        mut changes: Vec<Setting>,
        key: Option<String>,
        limit: Option<u64>,
        slow: Option<u64>,
        forward: Option<String>,
    ) -> Reply {
        if let Some(key) = key {
            let unfit = |found: char| found.is_control() || found.is_whitespace() || found == ',';
            if key.len() > MAX_KEY || key.contains(unfit) || key.starts_with(':') {
                return Err(Failure::new("bad_request", "key: too long, or with spaces or commas"));
            }
            changes.push(Setting::Key(Some(key).filter(|key| !key.is_empty())));
        }
        if let Some(limit) = limit {
            let limit = u32::try_from(limit).map_err(|_| Failure::new("bad_request", "limit: too large"))?;
            changes.push(Setting::Limit(Some(limit).filter(|limit| *limit > 0)));
        }
        if let Some(slow) = slow {
            let slow = u32::try_from(slow.min(MAX_SLOW)).unwrap_or_default();
            changes.push(Setting::Slow(Some(slow).filter(|slow| *slow > 0)));
        }
        match forward.as_deref() {
            None => {}
            Some("") => changes.push(Setting::Forward(None)),
            Some(name) => {
                let unfit = |error: NotAName| Failure::new("bad_request", format!("forward: {error}"));
                let name = name.parse::<RoomName>().map_err(unfit)?;
                let to = self.door.house.may_forward(&self.me()?.user, room.as_str(), name.as_str())?;
                changes.push(Setting::Forward(Some(to)));
            }
        }
        let mut reply = Map::new();
        for setting in changes {
            reply = self.change(room, Change::Set(setting)).await?;
        }
        Ok(reply)
    }

    pub(super) async fn list(
        &mut self,
        room: &RoomName,
        list: List,
        mask: &str,
        seconds: Option<u64>,
        reason: Option<String>,
    ) -> Reply {
        let reason = self.reason(reason)?;
        let mask = mask_of(mask)?;
        let until = seconds.map(|seconds| self.door.house.now().saturating_add(seconds.saturating_mul(1000)));
        self.change(room, Change::Listed { list, mask, until, reason }).await
    }

    pub(super) async fn unlist(&mut self, room: &RoomName, list: List, mask: &str) -> Reply {
        let mask = mask_of(mask)?;
        self.change(room, Change::Unlisted { list, mask }).await
    }

    pub(super) fn lists(&mut self, room: &RoomName) -> Reply {
        let room = self.known(room)?;
        let me = self.me()?.user.face();
        let now = self.door.house.now();
        room.ask(&me, |room, actor| {
            room.may_read(actor)?;
            let list = |list| {
                let rows = room.listed(list, now).map(|listed| {
                    let mut words = fields([
                        ("mask", listed.mask.as_str().into()),
                        ("by", listed.by.as_str().into()),
                        ("at", listed.at.into()),
                    ]);
                    if let Some(until) = listed.until {
                        words.insert("until".into(), until.into());
                    }
                    if let Some(reason) = &listed.reason {
                        words.insert("reason".into(), reason.as_str().into());
                    }
                    Value::Object(words)
                });
                Value::Array(rows.collect())
            };
            Ok(fields([
                ("bans", list(List::Bans)),
                ("ban_exceptions", list(List::BanExceptions)),
                ("invite_exceptions", list(List::InviteExceptions)),
                ("mutes", list(List::Mutes)),
            ]))
        })
    }
}

fn mask_of(text: &str) -> Result<Mask, Failure> {
    Mask::parse(text).map_err(|error| Failure::new("bad_request", format!("mask: {error}")))
}
