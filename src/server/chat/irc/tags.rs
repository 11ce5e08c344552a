//! What is said without a text: TAGMSG (IRCv3 message-tags, react, chathistory), and REDACT (IRCv3 message-redaction).

use std::sync::Arc;

use super::client::Client;
use super::dialect::MAX_CLIENT_TAGS;
use super::registration::MAX_TARGETS;
use super::talk::To;
use crate::proto::chat::event::Change;
use crate::proto::chat::id::MessageId;
use crate::proto::chat::room::{Refusal, Target};
use crate::proto::irc::cap::Cap;
use crate::proto::irc::message::Message;
use crate::proto::irc::numeric;
use crate::proto::irc::target;
use crate::proto::irc::text;
use crate::server::chat::house::mailbox::Refused;
use crate::server::chat::house::room::RoomCell;
use crate::server::chat::house::told::{Place, Told};
use crate::server::chat::house::user::User;

impl Client {
    pub(super) async fn tagmsg(&mut self, message: &Message<'_>) {
        let mut tags = message.tags.client_only();
        tags.truncate(MAX_CLIENT_TAGS);
        let targets = message.params()[0];
        let Some(targets) = target::distinct(targets, MAX_TARGETS) else {
            return self.reply(numeric::ERR_TOOMANYTARGETS, &[targets]);
        };
        if tags.is_empty() || !self.caps.has(Cap::MessageTags) {
            return;
        }
        for target in targets {
            if target.starts_with('#') {
                self.tag_channel(target, &tags).await;
            } else {
                self.tag_nick(target, &tags).await;
            }
        }
    }

    async fn tag_channel(&mut self, name: &str, tags: &[(String, String)]) {
        let Some(user) = self.user.clone() else { return };
        let Some(room) = self.door.house.room(name) else {
            return self.reply(numeric::ERR_NOSUCHCHANNEL, &[name]);
        };
        let Some(shown) = room.name().cloned() else { return };
        if let Some(change) = reaction(tags)
            && let Change::React { to, .. } | Change::Unreact { to, .. } = &change
            && matches!(self.door.house.target(&room, *to).await, Ok(Some(_)))
        {
            return self.send_change(&room, To::Room(shown), change, false).await;
        }
        if is_kept(tags) {
            let change = Change::Tags { tags: tags.to_vec() };
            return self.send_change(&room, To::Room(shown), change, false).await;
        }
        let session = Arc::clone(self.session());
        match self.door.house.tag_room(&user, &session, &room, tags) {
            Ok(sent) => {
                let face = user.face();
                let told = Told::Tags { from: &face, place: Place::Room(&shown), id: sent.id, tags };
                if self.caps.has(Cap::EchoMessage) {
                    self.replies.extend(self.door.language.lines(self.caps, &told));
                }
            }
            Err(refused) => self.unsaid(&To::Room(shown), &refused),
        }
    }

    async fn tag_nick(&mut self, nick: &str, tags: &[(String, String)]) {
        let Some(user) = self.user.clone() else { return };
        let Some(other) = self.door.house.user(nick) else {
            return self.reply(numeric::ERR_NOSUCHNICK, &[nick]);
        };
        let accounts = user.face().account.zip(other.face().account);
        if let Some(((me, _), (them, _))) = &accounts
            && self.is_blocked(*me, *them).await
        {
            return self.blocked(nick);
        }
        if let Some(((me, my_name), (them, their_name))) = accounts
            && me != them
            && is_kept(tags)
        {
            let to = To::Nick(other.nick());
            let change = Change::Tags { tags: tags.to_vec() };
            return match self.door.house.open_direct(&user, (me, &my_name), (them, &their_name)).await {
                Ok(room) => self.send_change(&room, to, change, false).await,
                Err(refused) => self.unsaid(&to, &refused),
            };
        }
        let session = Arc::clone(self.session());
        let sent = match self.door.house.tag_user(&user, &session, &other, tags) {
            Ok(sent) => sent,
            Err(refused) => return self.unheard(&other, &refused),
        };
        let (face, to) = (user.face(), other.face().nick);
        let place = Place::Direct { with: &to, nick: &to, me: &face.nick };
        let lines =
            self.door.language.lines(self.caps, &Told::Tags { from: &face, place, id: sent.id, tags });
        if user.id() == other.id() {
            self.after.extend(lines.iter().cloned());
        }
        if self.caps.has(Cap::EchoMessage) {
            self.replies.extend(lines);
        }
    }

    pub(super) async fn redact(&mut self, message: &Message<'_>) {
        let Some(user) = self.user.clone() else { return };
        let (target, id) = (message.params()[0], message.params()[1]);
        let room = match self.log_of(target).await {
            None if target.starts_with('#') && user.face().operator => self.visible(target),
            room => room,
        };
        let Some(room) = room else {
            let text = "You cannot delete messages there";
            return self.fail("REDACT", "INVALID_TARGET", &[target], text);
        };
        let unknown = "This message does not exist, or is too old";
        let Ok(of) = id.parse::<MessageId>() else {
            return self.fail("REDACT", "UNKNOWN_MSGID", &[target, id], unknown);
        };
        let limit = self.door.house.settings().max_reason;
        let reason = message.given(2).map(|reason| text::cut(reason, limit).to_owned());
        let found = match self.redactable(&user, &room, of, reason).await {
            Some(found) => found,
            None => return self.fail("REDACT", "UNKNOWN_MSGID", &[target, id], unknown),
        };
        let (change, found) = found;
        match self.door.house.change(&user, &room, change.clone(), Some(&found)).await {
            Ok(sent) => {
                // Whoever reads the channel is told as all are.
                if let Some(name) = room.name().filter(|_| !user.is_in(room.id())) {
                    let lines =
                        self.own_change(&user.face(), &To::Room(name.clone()), room.id(), change, sent);
                    self.replies.extend(lines);
                }
            }
            Err(Refused::Room(Refusal::Deleted | Refusal::NoSuchMessage)) => {
                self.fail("REDACT", "UNKNOWN_MSGID", &[target, id], unknown);
            }
            Err(refused) => {
                let text = refused.to_string();
                self.fail("REDACT", "REDACT_FORBIDDEN", &[target, id], &text);
            }
        }
    }
}

impl Client {
    /// What a redaction changes, and what it is about: a message and tags that are kept are deleted, and a reaction of one's own is taken back. One of somebody else's is
    /// that one's alone: as its message is deleted, it goes.
    async fn redactable(
        &self,
        user: &User,
        room: &Arc<RoomCell>,
        of: MessageId,
        reason: Option<String>,
    ) -> Option<(Change, Target)> {
        let house = &self.door.house;
        if let Some(target) = house.deletable(room, of).await.ok()? {
            return Some((Change::Delete { of, reason }, target));
        }
        let kept = house.kept(room, of).await.ok()??;
        let Change::React { to, reaction } = kept.change else { return None };
        let target = house.target(room, to).await.ok()??;
        (kept.target.by == user.who()).then_some((Change::Unreact { to, reaction }, target))
    }
}

/// Whether tags are to be kept as a message is (IRCv3 chathistory, `draft/persist`). That somebody types is over soon, and is never kept.
fn is_kept(tags: &[(String, String)]) -> bool {
    let has = |name: &str| tags.iter().any(|(key, _)| key == name);
    has("+draft/persist") && !has("+typing")
}

/// The reaction that tags are, if they are one: `+draft/react` and the message that it answers.
fn reaction(tags: &[(String, String)]) -> Option<Change> {
    let value = |names: [&str; 2]| {
        let found = tags.iter().find(|(key, value)| names.contains(&key.as_str()) && !value.is_empty());
        found.map(|(_, value)| value.clone())
    };
    let to: MessageId = value(["+draft/reply", "+reply"])?.parse().ok()?;
    if let Some(reaction) = value(["+draft/react", "+react"]) {
        return Some(Change::React { to, reaction });
    }
    value(["+draft/unreact", "+unreact"]).map(|reaction| Change::Unreact { to, reaction })
}
