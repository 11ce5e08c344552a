//! Channels: JOIN, PART, KICK, INVITE, TOPIC, NAMES and LIST (Modern IRC, "Channel Operations").

use std::sync::Arc;

use super::client::Client;
use super::dialect::{marker, mask, prefixes};
use crate::proto::chat::event::{Change, Role, Who};
use crate::proto::chat::mask::glob;
use crate::proto::chat::name::{MAX_ROOM_NAME, RoomName};
use crate::proto::chat::room::{Refusal, Room};
use crate::proto::irc::cap::Cap;
use crate::proto::irc::list;
use crate::proto::irc::message::Message;
use crate::proto::irc::numeric;
use crate::proto::irc::target;
use crate::proto::irc::text::{cut, pack};
use crate::server::chat::house::enter::NotEntered;
use crate::server::chat::house::mailbox::Refused;
use crate::server::chat::house::room::{RoomCell, Standing};
use crate::server::chat::house::user::User;

/// Channels that one command may name.
const MAX_CHANNELS: usize = 100;

impl Client {
    /// The room of this name, if the client may know that it exists.
    pub(super) fn visible(&self, name: &str) -> Option<Arc<RoomCell>> {
        let user = self.user.as_ref()?;
        let room = self.door.house.room(name)?;
        let face = user.face();
        let seen = user.is_in(room.id()) || face.operator || room.look(Room::is_listed);
        seen.then_some(room)
    }

    /// Whether the client is shown admins and the voiced alone in a channel, and itself.
    pub(super) fn is_veiled(&self, room: &RoomCell) -> bool {
        let Some(user) = &self.user else { return true };
        room.look(|room| room.settings().auditorium) && room.ask(&user.face(), Room::may_moderate).is_err()
    }

    /// Whether the client sees somebody in a channel that it is in.
    pub(super) fn sees(&self, room: &RoomCell, other: &User) -> bool {
        let own = self.user.as_ref().is_some_and(|user| user.id() == other.id());
        own || !room.look(|room| room.is_veiled(&other.who())) || !self.is_veiled(room)
    }

    pub(super) async fn join(&mut self, message: &Message<'_>) {
        let Some(user) = self.user.clone() else { return };
        let Some(names) = message.given(0) else {
            return self.reply(numeric::ERR_NEEDMOREPARAMS, &["JOIN"]);
        };
        if names == "0" {
            for room in user.rooms() {
                self.leave(&user, &room, None).await;
            }
            return;
        }
        let mut keys = message.param(1).unwrap_or_default().split(',');
        for name in target::split(names).take(MAX_CHANNELS) {
            let key = keys.next().filter(|key| !key.is_empty());
            if let Some((forward, _)) = self.join_one(&user, name, key).await {
                self.reply(numeric::ERR_LINKCHANNEL, &[name, forward.as_str()]);
                if !self.collecting {
                    // It stands in front of what is seen there.
                    self.settle(None).await;
                }
                // Nobody is sent on twice.
                if let Some((_, not)) = self.join_one(&user, forward.as_str(), None).await {
                    self.not_entered(forward.as_str(), not);
                }
            }
        }
    }

    /// Enters a channel. Gives another one if that is where the client is to go instead, and why it was not let in.
    async fn join_one(
        &mut self,
        user: &Arc<User>,
        name: &str,
        key: Option<&str>,
    ) -> Option<(RoomName, NotEntered)> {
        let Ok(room_name) = name.parse::<RoomName>() else {
            let odd = name.starts_with('#') && name.len() <= MAX_ROOM_NAME;
            let numeric = if odd { numeric::ERR_BADCHANMASK } else { numeric::ERR_NOSUCHCHANNEL };
            self.reply(numeric, &[name]);
            return None;
        };
        let session = Arc::clone(self.session());
        match self.door.house.join_unowned(user, &session, &room_name, key).await {
            Ok(entered) if entered.already && !self.restored.remove(&entered.room.id()) => {}
            Ok(entered) => {
                if entered.already {
                    // A client that does not know that it was brought here joins by itself, and waits for the answer.
                    let line = super::dialect::join(self.caps, &user.face(), name);
                    self.replies.push(line);
                }
                self.door.house.show_away(user, &session);
                self.entered(&entered.room).await;
                self.play_back(&entered.room).await;
            }
            Err(not) => {
                let Some(forward) = self.door.house.forward(&room_name, &not) else {
                    self.not_entered(name, not);
                    return None;
                };
                return Some((forward, not));
            }
        }
        None
    }

    fn not_entered(&mut self, name: &str, not: NotEntered) {
        match not {
            NotEntered::TooMany => self.reply(numeric::ERR_TOOMANYCHANNELS, &[name]),
            NotEntered::MayNotOpen | NotEntered::Taken => self.reply(numeric::ERR_NOSUCHCHANNEL, &[name]),
            NotEntered::Refused(refused) => self.refused(name, &refused),
        }
    }

    /// Tells why something was not done in a channel.
    pub(super) fn refused(&mut self, name: &str, refused: &Refused) {
        let refusal = match refused {
            Refused::Room(refusal) => refusal,
            Refused::Store(_) => {
                let text = "It could not be kept: try again soon";
                return self.reply_text(numeric::ERR_UNKNOWNERROR, &[name], text);
            }
        };
        match refusal {
            Refusal::NoSuchRoom | Refusal::Closed | Refusal::Direct => {
                self.reply(numeric::ERR_NOSUCHCHANNEL, &[name]);
            }
            Refusal::NotAMember => self.reply(numeric::ERR_NOTONCHANNEL, &[name]),
            Refusal::NoSuchMember => self.reply(numeric::ERR_USERNOTINCHANNEL, &["*", name]),
            Refusal::NotAnAdmin => self.reply(numeric::ERR_CHANOPRIVSNEEDED, &[name]),
            Refusal::NotTheOwner | Refusal::Outranked | Refusal::LastOwner => {
                self.reply_text(numeric::ERR_CHANOPRIVSNEEDED, &[name], &refusal.to_string());
            }
            Refusal::Banned => self.reply(numeric::ERR_BANNEDFROMCHAN, &[name]),
            Refusal::InviteOnly => self.reply(numeric::ERR_INVITEONLYCHAN, &[name]),
            Refusal::WrongKey => self.reply(numeric::ERR_BADCHANNELKEY, &[name]),
            Refusal::Full => self.reply(numeric::ERR_CHANNELISFULL, &[name]),
            Refusal::AccountsOnly => self.reply(numeric::ERR_NEEDREGGEDNICK, &[name]),
            Refusal::ListFull => self.reply(numeric::ERR_BANLISTFULL, &[name, "b"]),
            _ => self.reply_text(
                numeric::ERR_CANNOTSENDTOCHAN,
                &[name],
                &format!("Cannot send to channel: {refusal}"),
            ),
        }
    }

    /// Shows a channel that the client has just entered.
    pub(super) async fn entered(&mut self, room: &Arc<RoomCell>) {
        let Some(name) = room.name().cloned() else { return };
        if room.look(|room| room.topic().is_some()) {
            self.show_topic(room, name.as_str());
        }
        if self.caps.has(Cap::ReadMarker) {
            let read = self.read_until(room.id(), name.as_str()).await;
            self.replies.push(marker(self.door.name(), name.as_str(), read));
        }
        if !self.caps.has(Cap::NoImplicitNames) {
            self.show_names(room, name.as_str());
        }
    }

    pub(super) async fn part(&mut self, message: &Message<'_>) {
        let Some(user) = self.user.clone() else { return };
        let limit = self.door.house.settings().max_reason;
        let reason = message.given(1).map(|reason| cut(reason, limit).to_owned());
        let names = message.param(0).unwrap_or_default();
        for name in target::split(names).take(MAX_CHANNELS) {
            match self.visible(name) {
                Some(room) if user.is_in(room.id()) => self.leave(&user, &room, reason.clone()).await,
                Some(_) => self.reply(numeric::ERR_NOTONCHANNEL, &[name]),
                None => self.reply(numeric::ERR_NOSUCHCHANNEL, &[name]),
            }
        }
    }

    async fn leave(&mut self, user: &Arc<User>, room: &Arc<RoomCell>, reason: Option<String>) {
        self.restored.remove(&room.id());
        let left = self.door.house.leave(user, room, reason).await;
        if let (Err(refused), Some(name)) = (left, room.name()) {
            self.refused(name.as_str(), &refused);
        }
    }

    pub(super) async fn kick(&mut self, message: &Message<'_>) {
        let Some(user) = self.user.clone() else { return };
        let limit = self.door.house.settings().max_reason;
        let channels: Vec<&str> = target::split(message.params()[0]).take(MAX_CHANNELS).collect();
        let nicks: Vec<&str> = target::split(message.params()[1]).take(MAX_CHANNELS).collect();
        if channels.len() != 1 && channels.len() != nicks.len() {
            return self.reply(numeric::ERR_NEEDMOREPARAMS, &["KICK"]);
        }
        let reason = message.given(2).map(|reason| cut(reason, limit).to_owned());
        for (at, nick) in nicks.iter().enumerate() {
            let name = channels[if channels.len() == 1 { 0 } else { at }];
            let Some(room) = self.visible(name) else {
                self.reply(numeric::ERR_NOSUCHCHANNEL, &[name]);
                continue;
            };
            if !user.is_in(room.id()) && !user.face().operator {
                self.reply(numeric::ERR_NOTONCHANNEL, &[name]);
                continue;
            }
            if let Err(refusal) = room.ask(&user.face(), Room::may_moderate) {
                // Whoever may put out nobody is not told who is there.
                self.refused(name, &refusal.into());
                continue;
            }
            let Some((who, shown)) = self.member(&room, nick) else {
                self.reply(numeric::ERR_USERNOTINCHANNEL, &[nick, name]);
                continue;
            };
            let kick = Change::Kick { who, nick: shown, reason: reason.clone() };
            if let Err(refused) = self.door.house.change(&user, &room, kick, None).await {
                self.refused(name, &refused);
            }
        }
    }

    /// A member of a room by its nick, here or not.
    pub(super) fn member(
        &self,
        room: &RoomCell,
        nick: &str,
    ) -> Option<(Who, crate::proto::chat::name::Nick)> {
        if let Some(user) = self.door.house.user(nick) {
            let face = user.face();
            let who = face.who();
            return room.look(|room| room.member(&who).is_some()).then(|| (who, face.nick.clone()));
        }
        room.look(|room| {
            let found = room.members().find(|(_, member)| member.nick.as_str().eq_ignore_ascii_case(nick));
            found.map(|(who, member)| (who.clone(), member.nick.clone()))
        })
    }

    pub(super) async fn invite(&mut self, message: &Message<'_>) {
        let Some(user) = self.user.clone() else { return };
        let (nick, name) = match message.params() {
            [nick, name, ..] => (*nick, *name),
            [_] => return self.reply(numeric::ERR_NEEDMOREPARAMS, &["INVITE"]),
            [] => {
                let who = user.face().who();
                let rooms = self.door.house.rooms();
                for room in rooms.iter().filter(|room| room.look(|room| room.is_invited(&who))) {
                    let name = room.name().map(ToString::to_string).unwrap_or_default();
                    self.reply_bare(numeric::RPL_INVITELIST, &[&name]);
                }
                return self.reply(numeric::RPL_ENDOFINVITELIST, &[]);
            }
        };
        let Some(other) = self.door.house.user(nick) else {
            return self.reply(numeric::ERR_NOSUCHNICK, &[nick]);
        };
        let Some(room) = self.visible(name) else {
            return self.reply(numeric::ERR_NOSUCHCHANNEL, &[name]);
        };
        if !user.is_in(room.id()) {
            return self.reply(numeric::ERR_NOTONCHANNEL, &[name]);
        }
        let face = other.face();
        let invite = Change::Invite { who: face.who(), nick: face.nick.clone() };
        match self.door.house.change(&user, &room, invite, None).await {
            Err(Refused::Room(Refusal::AlreadyAMember)) if self.sees(&room, &other) => {
                self.reply(numeric::ERR_USERONCHANNEL, &[nick, name]);
            }
            // Whoever does not see that somebody is there does not learn it in this way.
            Ok(_) | Err(Refused::Room(Refusal::AlreadyAMember)) => {
                let shown = room.name().map(ToString::to_string).unwrap_or_default();
                self.reply_bare(numeric::RPL_INVITING, &[face.nick.as_str(), &shown]);
                self.tell_away(&other);
            }
            Err(refused) => self.refused(name, &refused),
        }
    }

    pub(super) async fn topic(&mut self, message: &Message<'_>) {
        let Some(user) = self.user.clone() else { return };
        let name = message.params()[0];
        let Some(room) = self.visible(name) else {
            return self.reply(numeric::ERR_NOSUCHCHANNEL, &[name]);
        };
        let Some(text) = message.param(1) else {
            if room.look(|room| room.topic().is_none()) {
                return self.reply(numeric::RPL_NOTOPIC, &[name]);
            }
            return self.show_topic(&room, name);
        };
        if !user.is_in(room.id()) && !user.face().operator {
            return self.reply(numeric::ERR_NOTONCHANNEL, &[name]);
        }
        let text = cut(text, self.door.house.settings().max_topic).to_owned();
        let same = room.look(|room| room.topic().map_or("", |topic| &topic.text) == text);
        let (change, now) = (Change::Topic { text }, self.door.house.now());
        if same && room.ask(&user.face(), |room, actor| room.check(actor, &change, None, now)).is_ok() {
            return;
        }
        if let Err(refused) = self.door.house.change(&user, &room, change, None).await {
            self.refused(name, &refused);
        }
    }

    fn show_topic(&mut self, room: &RoomCell, name: &str) {
        let Some(topic) = room.look(|room| room.topic().cloned()) else { return };
        self.reply_text(numeric::RPL_TOPIC, &[name], &topic.text);
        self.reply_bare(numeric::RPL_TOPICWHOTIME, &[name, &topic.by, &(topic.at / 1000).to_string()]);
    }

    pub(super) fn names(&mut self, message: &Message<'_>) {
        let Some(names) = message.given(0) else {
            return self.reply(numeric::RPL_ENDOFNAMES, &["*"]);
        };
        for name in target::split(names).take(MAX_CHANNELS) {
            if let Some(room) = self.visible(name) {
                self.list_names(&room, name);
            }
        }
        // One end for all that was asked for (Modern IRC, "NAMES message").
        self.reply(numeric::RPL_ENDOFNAMES, &[names]);
    }

    fn show_names(&mut self, room: &RoomCell, name: &str) {
        self.list_names(room, name);
        self.reply(numeric::RPL_ENDOFNAMES, &[name]);
    }

    /// The members of a channel: those who moderate first, then by name.
    fn list_names(&mut self, room: &RoomCell, name: &str) {
        let Some(user) = self.user.clone() else { return };
        let inside = user.is_in(room.id());
        let full = self.caps.has(Cap::UserhostInNames);
        let several = self.caps.has(Cap::MultiPrefix);
        let mut standings = room.standings();
        standings.retain(|standing| inside || !standing.user.is_invisible());
        if self.is_veiled(room) {
            // Whoever has come in knows of itself by its JOIN; Ergo leaves it out, too.
            standings.retain(|standing| standing.role >= Role::Voiced);
        }
        standings
            .sort_by_cached_key(|standing| (std::cmp::Reverse(standing.role), standing.user.nick().folded()));
        let word = |standing: &Standing| {
            let shown = if full { mask(&standing.user.face()) } else { standing.user.nick().to_string() };
            format!("{}{shown}", prefixes(standing, several))
        };
        let words = standings.iter().map(word);
        let symbol = if room.look(|room| room.settings().secret) { "@" } else { "=" };
        let room_for_names = self.numeric(numeric::RPL_NAMREPLY, &[symbol, name]).room();
        for line in pack(words, room_for_names) {
            self.reply_text(numeric::RPL_NAMREPLY, &[symbol, name], &line);
        }
    }

    pub(super) fn list(&mut self, message: &Message<'_>) {
        let Some(user) = self.user.clone() else { return };
        let conditions = message.given(0).map(list::parse).unwrap_or_default();
        let now = self.door.house.now();
        let minutes = |at: u64| now.saturating_sub(at) / 60_000;
        let operator = user.face().operator;
        let mut rooms = self.door.house.rooms();
        rooms.sort_by_key(|room| room.name().map(RoomName::folded));
        self.reply_text(numeric::RPL_LISTSTART, &["Channel"], numeric::RPL_LISTSTART.text);
        for room in rooms {
            let Some(name) = room.name() else { continue };
            let (listed, made, topic) =
                room.look(|room| (room.is_listed(), room.created(), room.topic().cloned()));
            if !listed && !operator && !user.is_in(room.id()) {
                continue;
            }
            let members = room.population();
            let topic_age = topic.as_ref().map(|topic| minutes(topic.at));
            let channel =
                list::Channel { name: name.as_str(), members, made: minutes(made), topic: topic_age };
            if list::meets(&conditions, channel, |mask, name| glob(mask, &[name])) {
                let text = topic.map(|topic| topic.text).unwrap_or_default();
                self.reply_text(numeric::RPL_LIST, &[name.as_str(), &members.to_string()], &text);
            }
        }
        self.reply(numeric::RPL_LISTEND, &[]);
    }
}
