//! A room: who is in it, what is set, and what its events make of it.
//!
//! [`apply`](Room::apply) makes one step, [`check`](Room::check) says beforehand whether somebody may. Both are pure: two machines that
//! apply the same events have the same room.

mod check;
mod refusal;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use self::check::{Actor, Target};
pub use self::refusal::Refusal;
use super::event::{Author, Change, Event, List, Role, RoomKind, Setting, Who};
use super::id::{AccountId, MessageId, Millis, RoomId, Seq};
use super::mask::{Mask, Subject};
use super::name::{Nick, RoomName};

/// Masks of all lists of a room at most. Libera 100, Ergo 150.
pub const MAX_MASKS: usize = 200;

/// Pinned messages of a room at most. Discord 50.
pub const MAX_PINS: usize = 50;

/// Invitations of a room that nobody has followed, at most: the oldest is forgotten.
pub const MAX_INVITED: usize = 1000;

/// Former members of a room who are remembered because they could be seen in an auditorium, at most: the oldest is forgotten.
pub const MAX_FORMER: usize = 200;

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The name that was last seen.
    pub nick: Nick,
    /// What it may do.
    pub role: Role,
    /// Whether it is voiced beside a higher role, and stays so without that: `@+` in IRC.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub voiced: bool,
    /// Since which event it is one.
    pub since: Seq,
    /// When its last message came, for slow mode.
    #[serde(skip)]
    pub spoke: Millis,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// The text.
    pub text: String,
    /// Who set it, as `nick!user@host`.
    pub by: String,
    /// When.
    pub at: Millis,
}

/// A mask in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Which list.
    pub list: List,
    /// Whom it fits.
    pub mask: Mask,
    /// Who set it, as `nick!user@host`.
    pub by: String,
    /// When.
    pub at: Millis,
    /// Until when; for ever without.
    pub until: Option<Millis>,
    /// Why, if that was said.
    pub reason: Option<String>,
}

/// What is set in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Only the invited enter.
    pub invite_only: bool,
    /// Not listed, and unseen by those outside.
    pub secret: bool,
    /// Only the voiced speak.
    pub moderated: bool,
    /// Only members speak.
    pub members_only: bool,
    /// Only admins change the topic.
    pub topic_locked: bool,
    /// Only accounts enter.
    pub accounts_only: bool,
    /// It lasts while nobody is in it.
    pub permanent: bool,
    /// What must be said to enter.
    pub key: Option<String>,
    /// Members at most.
    pub limit: Option<u32>,
    /// Seconds between two messages of a member.
    pub slow: Option<u32>,
    /// Only accounts and the voiced speak.
    pub accounts_speak: bool,
    /// What the unvoiced say is read by admins alone.
    pub op_moderated: bool,
    /// No CTCP but actions.
    pub no_ctcp: bool,
    /// IRC clients that do not moderate are shown admins and the voiced alone.
    pub auditorium: bool,
    /// Where those go who may not enter.
    pub forward: Option<RoomName>,
    /// When that was set: a room of that name which is younger is another one.
    pub forward_since: Millis,
}

/// A room as it is after some event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    id: RoomId,
    kind: RoomKind,
    name: Option<RoomName>,
    /// The last event.
    head: Seq,
    created: Millis,
    closed: bool,
    #[serde(with = "pairs")]
    members: HashMap<Who, Member>,
    settings: Settings,
    topic: Option<Topic>,
    listed: Vec<Listed>,
    pins: Vec<MessageId>,
    /// The last that was invited comes last.
    invited: Vec<Who>,
    /// Those of them who were invited by a moderator: bans that are older do not hold them.
    #[serde(default)]
    pardoned: Vec<Who>,
    /// Who was voiced or more, and is here no longer, or not under that name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<Former>,
}

/// Somebody who was here, voiced or more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Former {
    who: Who,
    /// The first event of it as a member.
    since: Seq,
    /// The last one.
    until: Seq,
}

/// JSON has no maps by anything but text.
mod pairs {
    use super::{Deserialize, HashMap, Member, Serialize, Who};

    pub(super) fn serialize<S: serde::Serializer>(
        map: &HashMap<Who, Member>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        // In one order: the same room is the same bytes.
        let mut pairs: Vec<_> = map.iter().collect();
        pairs.sort_by_key(|(who, _)| *who);
        pairs.serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<HashMap<Who, Member>, D::Error> {
        Ok(Vec::<(Who, Member)>::deserialize(from)?.into_iter().collect())
    }
}

impl Room {
    /// A room before its first event, which is [`Change::Create`].
    #[must_use]
    pub fn new(id: RoomId) -> Self {
        Self {
            id,
            kind: RoomKind::Public,
            name: None,
            head: 0,
            created: 0,
            closed: false,
            members: HashMap::new(),
            settings: Settings::default(),
            topic: None,
            listed: Vec::new(),
            pins: Vec::new(),
            invited: Vec::new(),
            pardoned: Vec::new(),
            former: Vec::new(),
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> RoomId {
        self.id
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> RoomKind {
        self.kind
    }

    /// Its name; direct rooms have none.
    #[must_use]
    pub fn name(&self) -> Option<&RoomName> {
        self.name.as_ref()
    }

    /// The number of its last event.
    #[must_use]
    pub fn head(&self) -> Seq {
        self.head
    }

    /// When it began.
    #[must_use]
    pub fn created(&self) -> Millis {
        self.created
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// What is set.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The topic, if there is one.
    #[must_use]
    pub fn topic(&self) -> Option<&Topic> {
        self.topic.as_ref()
    }

    /// Its members, in no order.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (&Who, &Member)> {
        self.members.iter()
    }

    /// A member.
    #[must_use]
    pub fn member(&self, who: &Who) -> Option<&Member> {
        self.members.get(who)
    }

    /// Whether IRC clients that do not moderate are not shown that somebody is here.
    #[must_use]
    pub fn is_veiled(&self, who: &Who) -> bool {
        self.settings.auditorium && self.members.get(who).is_none_or(|member| member.role < Role::Voiced)
    }

    /// Whether IRC clients that do not moderate are not shown, of somebody who came or went by the event of this number, that it did.
    #[must_use]
    pub fn was_veiled(&self, who: &Who, at: Seq) -> bool {
        let seen = |former: &Former| former.who == *who && (former.since..=former.until).contains(&at);
        self.is_veiled(who) && !self.former.iter().any(seen)
    }

    /// The messages that are pinned, the last one last.
    #[must_use]
    pub fn pins(&self) -> &[MessageId] {
        &self.pins
    }

    /// The masks of a list, as long as they hold.
    pub fn listed(&self, list: List, now: Millis) -> impl Iterator<Item = &Listed> {
        self.listed.iter().filter(move |listed| listed.list == list && listed.holds(now))
    }

    /// Whether somebody was invited and has not come yet.
    #[must_use]
    pub fn is_invited(&self, who: &Who) -> bool {
        self.invited.contains(who)
    }

    /// Whether it lasts while nobody is in it: an account is a member, it is a direct room, or it was set so.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.kind == RoomKind::Direct
            || self.settings.permanent
            || self.members.keys().any(|who| matches!(who, Who::Account(_)))
    }

    /// Whether those outside see that it exists.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.kind != RoomKind::Direct && !self.settings.secret && !self.closed
    }

    fn fits(&self, list: List, subject: Subject<'_>, now: Millis) -> bool {
        self.listed(list, now).any(|listed| listed.mask.fits(subject))
    }

    /// What `event` makes of it. Events come in their order, and each once; one that has been applied already changes nothing.
    pub fn apply(&mut self, event: &Event) {
        if event.seq <= self.head {
            return;
        }
        self.head = event.seq;
        let now = event.id.time();
        match &event.change {
            Change::Message(_) | Change::Tags { .. } => {
                if let Some(member) = self.members.get_mut(&event.by.who()) {
                    member.spoke = now;
                }
            }
            Change::Edit { .. } | Change::React { .. } | Change::Unreact { .. } => {}
            Change::Delete { of: message, .. } | Change::Unpin { message } => {
                self.pins.retain(|pinned| pinned != message);
            }
            Change::Create { kind, name, members } => self.create(event, *kind, name.as_ref(), members),
            Change::Join => self.join(&event.by, event.seq),
            Change::Leave { .. } => drop(self.remove(&event.by.who(), event.seq)),
            Change::Rename { nick, account } => self.rename(&event.by, nick, *account, event.seq),
            Change::Kick { who, .. } => drop(self.remove(who, event.seq)),
            Change::Invite { who, .. } => {
                put_last(&mut self.invited, who);
                let by = self.members.get(&event.by.who());
                if by.is_some_and(|by| by.role >= Role::Admin) {
                    put_last(&mut self.pardoned, who);
                }
            }
            Change::Role { who, role, .. } => {
                if let Some(member) = self.members.get_mut(who) {
                    // Whoever was voiced before keeps that beneath the new role.
                    member.voiced = *role > Role::Voiced && (member.voiced || member.role == Role::Voiced);
                    member.role = *role;
                }
            }
            Change::Voice { who, on, .. } => {
                if let Some(member) = self.members.get_mut(who) {
                    match (member.role, on) {
                        (Role::Member, true) => member.role = Role::Voiced,
                        (Role::Voiced, false) => member.role = Role::Member,
                        (Role::Member | Role::Voiced, _) => {}
                        (Role::Admin | Role::Owner, on) => member.voiced = *on,
                    }
                }
            }
            Change::Topic { text } => {
                let topic = || Topic { text: text.clone(), by: event.by.mask(), at: now };
                self.topic = (!text.is_empty()).then(topic);
            }
            Change::Listed { list, mask, until, reason } => {
                if *list == List::Bans {
                    self.pardoned.clear();
                }
                self.unlist(*list, mask);
                self.listed.retain(|listed| listed.holds(now));
                let (by, reason) = (event.by.mask(), reason.clone());
                self.listed.push(Listed {
                    list: *list,
                    mask: mask.clone(),
                    by,
                    at: now,
                    until: *until,
                    reason,
                });
            }
            Change::Unlisted { list, mask } => self.unlist(*list, mask),
            Change::Set(setting) => self.settings.set(setting, now),
            Change::Pin { message } => {
                self.pins.retain(|pinned| pinned != message);
                self.pins.push(*message);
            }
            Change::Close => {
                self.closed = true;
                self.members.clear();
            }
        }
    }

    fn create(&mut self, event: &Event, kind: RoomKind, name: Option<&RoomName>, members: &[(Who, Nick)]) {
        self.kind = kind;
        self.name = name.cloned();
        self.created = event.id.time();
        let private = kind != RoomKind::Public;
        self.settings = Settings {
            invite_only: private,
            secret: private,
            members_only: true,
            topic_locked: kind != RoomKind::Direct,
            ..Settings::default()
        };
        let role = if kind == RoomKind::Direct { Role::Member } else { Role::Owner };
        for (who, nick) in members {
            let member = Member { nick: nick.clone(), role, voiced: false, since: event.seq, spoke: 0 };
            self.members.insert(who.clone(), member);
        }
    }

    fn join(&mut self, by: &Author, seq: Seq) {
        let who = by.who();
        self.invited.retain(|invited| *invited != who);
        self.pardoned.retain(|pardoned| *pardoned != who);
        // Whoever opens a room that nobody owns moderates it, as in IRC.
        let role =
            if self.members.is_empty() && !self.settings.permanent { Role::Admin } else { Role::Member };
        let member = Member { nick: by.nick.clone(), role, voiced: false, since: seq, spoke: 0 };
        self.members.entry(who).or_insert(member);
    }

    fn unlist(&mut self, list: List, mask: &Mask) {
        self.listed.retain(|listed| listed.list != list || !listed.mask.same(mask));
    }

    /// Somebody is here no longer, or not under this name.
    fn remove(&mut self, who: &Who, until: Seq) -> Option<Member> {
        let member = self.members.remove(who)?;
        if member.role >= Role::Voiced {
            if self.former.len() >= MAX_FORMER {
                self.former.remove(0);
            }
            self.former.push(Former { who: who.clone(), since: member.since, until });
        }
        Some(member)
    }

    fn rename(&mut self, by: &Author, nick: &Nick, account: Option<AccountId>, seq: Seq) {
        let from = by.who();
        let to = Author { nick: nick.clone(), account, ..by.clone() }.who();
        if let Some(member) = self.remove(&from, seq) {
            // A guest who logs in may be a member already, by its account.
            let known = self.members.get(&to).map_or(Role::Member, |known| known.role);
            let role = member.role.max(known);
            self.members.insert(to.clone(), Member { nick: nick.clone(), role, ..member });
        }
        let invited = self.invited.iter_mut().chain(&mut self.pardoned);
        for invited in invited.filter(|invited| **invited == from) {
            *invited = to.clone();
        }
    }

    /// Knows that there are events up to this one, which do not change what the room is like.
    pub fn catch_up(&mut self, head: Seq) {
        self.head = self.head.max(head);
    }

    /// Guests do not outlive the process that knew them: those that are not `here` are forgotten, by their nicknames in lower case.
    pub fn keep_guests(&mut self, here: impl Fn(&str) -> bool) {
        let keep = |who: &Who| match who {
            Who::Account(_) => true,
            Who::Guest(nick) => here(nick),
        };
        self.members.retain(|who, _| keep(who));
        self.invited.retain(keep);
        self.pardoned.retain(keep);
    }
}

/// Puts somebody behind the others, of whom the oldest is forgotten if there are too many.
fn put_last(list: &mut Vec<Who>, who: &Who) {
    list.retain(|other| other != who);
    if list.len() >= MAX_INVITED {
        list.remove(0);
    }
    list.push(who.clone());
}

impl Listed {
    fn holds(&self, now: Millis) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Settings {
    fn set(&mut self, setting: &Setting, now: Millis) {
        match setting {
            Setting::InviteOnly(on) => self.invite_only = *on,
            Setting::Secret(on) => self.secret = *on,
            Setting::Moderated(on) => self.moderated = *on,
            Setting::MembersOnly(on) => self.members_only = *on,
            Setting::TopicLocked(on) => self.topic_locked = *on,
            Setting::AccountsOnly(on) => self.accounts_only = *on,
            Setting::Permanent(on) => self.permanent = *on,
            Setting::Key(key) => self.key.clone_from(key),
            Setting::Limit(limit) => self.limit = *limit,
            Setting::Slow(seconds) => self.slow = *seconds,
            Setting::AccountsSpeak(on) => self.accounts_speak = *on,
            Setting::OpModerated(on) => self.op_moderated = *on,
            Setting::Auditorium(on) => self.auditorium = *on,
            Setting::NoCtcp(on) => self.no_ctcp = *on,
            Setting::Forward(name) => {
                self.forward.clone_from(name);
                self.forward_since = now;
            }
        }
    }
}

impl Author {
    /// As `nick!user@host`.
    #[must_use]
    pub fn mask(&self) -> String {
        format!("{}!{}@{}", self.nick, self.user, self.host)
    }
}

#[cfg(test)]
mod tests;
