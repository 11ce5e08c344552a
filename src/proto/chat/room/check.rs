//! Who may do what in a room.
//!
//! | what | who |
//! |---|---|
//! | read, invite to a public room | members |
//! | speak | members who are not silenced; outsiders, if `members_only` is off; no guests, if `accounts_speak` is on, but the voiced |
//! | speak to all, edit, react | the same; the voiced alone, if `op_moderated` is on |
//! | edit | whose message it is |
//! | delete | whose message it is, or whose tags that are kept; admins |
//! | pin, set the topic | admins; any member, if `topic_locked` is off |
//! | kick, mute, ban, invite to a private room, settings | admins, those below them |
//! | give and take roles | admins up to their own, owners all; anybody steps down |
//! | close | owners |
//! | let a room last while nobody is in it | operators of the server |
//!
//! An operator of the server may what an owner may, but does not speak for others. A guest's name may have been somebody else's before: theirs is what they have said since they came in.

use super::super::event::{Author, Change, List, Message, Role, RoomKind, Setting, Who};
use super::super::id::{Millis, Seq};
use super::super::mask::Subject;
use super::super::name::Nick;
use super::{MAX_MASKS, MAX_PINS, Refusal, Room};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// As others see them.
    pub author: &'a Author,
    /// The name of the account.
    pub account: Option<&'a Nick>,
    /// Whether they operate the server.
    pub operator: bool,
    /// The key that was said with a [`Change::Join`].
    pub key: Option<&'a str>,
}

/// The message that an edit, a deletion, a reaction or a pin is about; a deletion may be about tags that are kept, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whose it is.
    pub by: Who,
    /// Its number in the room.
    pub seq: Seq,
    /// Whether it was deleted.
    pub deleted: bool,
}

impl Actor<'_> {
    fn subject(&self) -> Subject<'_> {
        let Author { nick, user, host, .. } = self.author;
        Subject { nick: nick.as_str(), user, host, account: self.account.map(Nick::as_str) }
    }
}

impl Room {
    /// Whether `actor` may make this change now. `target` is the message that it is about, if it is about one, and `None` if there is none in this
    /// room.
    ///
    /// # Errors
    /// Why not.
    pub fn check(
        &self,
        actor: &Actor<'_>,
        change: &Change,
        target: Option<&Target>,
        now: Millis,
    ) -> Result<(), Refusal> {
        if self.closed {
            return Err(Refusal::Closed);
        }
        match change {
            Change::Create { .. } => Ok(()),
            Change::Message(message) => {
                self.may_speak(actor, now)?;
                self.may_hold(message)
            }
            Change::Tags { .. } => {
                self.may_speak(actor, now)?;
                self.may_be_heard(actor)
            }
            Change::Join => self.may_enter(actor, now),
            Change::Leave { .. } | Change::Rename { .. } => self.rank(actor).map(drop),
            Change::Edit { .. } => {
                self.may_speak_at_all(actor, now)?;
                self.may_be_heard(actor)?;
                self.own(actor, target)
            }
            Change::Delete { .. } => {
                let rank = self.rank(actor)?;
                match self.own(actor, target) {
                    Err(Refusal::NotYours) if rank >= Role::Admin => Ok(()),
                    outcome => outcome,
                }
            }
            Change::React { .. } | Change::Unreact { .. } => {
                self.may_speak_at_all(actor, now)?;
                self.may_be_heard(actor)?;
                living(target).map(drop)
            }
            Change::Pin { message } => {
                self.may_arrange(actor)?;
                living(target)?;
                let full = self.pins.len() >= MAX_PINS && !self.pins.contains(message);
                if full { Err(Refusal::ListFull) } else { Ok(()) }
            }
            Change::Unpin { .. } | Change::Topic { .. } => self.may_arrange(actor),
            Change::Invite { who, .. } => self.may_invite(actor, who),
            Change::Kick { who, .. } => self.may_kick(actor, who),
            Change::Role { who, role, .. } => self.may_promote(actor, who, *role),
            Change::Voice { who, on, .. } => self.may_voice(actor, who, *on),
            Change::Listed { list, mask, .. } => {
                self.may_moderate(actor)?;
                let known = self.listed.iter().any(|listed| listed.list == *list && listed.mask.same(mask));
                if known || self.listed.iter().filter(|listed| listed.holds(now)).count() < MAX_MASKS {
                    Ok(())
                } else {
                    Err(Refusal::ListFull)
                }
            }
            Change::Set(Setting::Permanent(_)) if !actor.operator => Err(Refusal::NotTheOwner),
            Change::Unlisted { .. } | Change::Set(_) => self.may_moderate(actor),
            Change::Close => match self.rank(actor)? {
                _ if self.kind == RoomKind::Direct => Err(Refusal::Direct),
                Role::Owner => Ok(()),
                _ => Err(Refusal::NotTheOwner),
            },
        }
    }

    /// Whether `actor` may read what was said here.
    ///
    /// # Errors
    /// Why not; a room that is not listed is not there for those outside.
    pub fn may_read(&self, actor: &Actor<'_>) -> Result<(), Refusal> {
        self.rank(actor).map(drop)
    }

    /// Whether `actor` may send what is in no log: that it types, and other tags. Slow mode does not count.
    ///
    /// # Errors
    /// Why not.
    pub fn may_tag(&self, actor: &Actor<'_>, now: Millis) -> Result<(), Refusal> {
        self.may_speak_at_all(actor, now)
    }

    /// Whether `actor` may say this to some of those who are here, without its being kept. Slow mode holds those alone who [are hushed](Self::is_hushed).
    ///
    /// # Errors
    /// Why not.
    pub fn may_tell(&self, actor: &Actor<'_>, message: &Message, now: Millis) -> Result<(), Refusal> {
        if self.is_hushed(actor) {
            self.may_speak(actor, now)?;
        } else {
            self.may_speak_at_all(actor, now)?;
        }
        self.may_hold(message)
    }

    /// Whether what `actor` says is read by admins alone, and not kept.
    #[must_use]
    pub fn is_hushed(&self, actor: &Actor<'_>) -> bool {
        self.hushes(&actor.author.who())
    }

    fn hushes(&self, who: &Who) -> bool {
        self.settings.op_moderated && self.members.get(who).is_none_or(|member| member.role < Role::Voiced)
    }

    /// Notes that somebody has said something, if no event tells of it as it is read by admins alone: slow mode counts from now on.
    pub fn note_hushed(&mut self, who: &Who, now: Millis) {
        if self.hushes(who)
            && let Some(member) = self.members.get_mut(who)
        {
            member.spoke = now;
        }
    }

    /// What is kept is read by all.
    fn may_be_heard(&self, actor: &Actor<'_>) -> Result<(), Refusal> {
        if self.is_hushed(actor) { Err(Refusal::Silenced) } else { Ok(()) }
    }

    /// Whether such a message is said here at all.
    fn may_hold(&self, message: &Message) -> Result<(), Refusal> {
        if self.settings.no_ctcp && message.text.starts_with('\x01') { Err(Refusal::NoCtcp) } else { Ok(()) }
    }

    /// The role that `actor` acts in.
    fn rank(&self, actor: &Actor<'_>) -> Result<Role, Refusal> {
        match self.members.get(&actor.author.who()) {
            _ if actor.operator && self.kind != RoomKind::Direct => Ok(Role::Owner),
            Some(member) => Ok(member.role),
            None if self.is_listed() => Err(Refusal::NotAMember),
            None => Err(Refusal::NoSuchRoom),
        }
    }

    /// Whether `actor` moderates: sets what is set here, bans, mutes and kicks.
    ///
    /// # Errors
    /// Why not.
    pub fn may_moderate(&self, actor: &Actor<'_>) -> Result<(), Refusal> {
        match self.rank(actor)? {
            _ if self.kind == RoomKind::Direct => Err(Refusal::Direct),
            Role::Admin | Role::Owner => Ok(()),
            Role::Member | Role::Voiced => Err(Refusal::NotAnAdmin),
        }
    }

    fn may_arrange(&self, actor: &Actor<'_>) -> Result<(), Refusal> {
        self.rank(actor)?;
        if self.settings.topic_locked { self.may_moderate(actor) } else { Ok(()) }
    }

    fn may_speak(&self, actor: &Actor<'_>, now: Millis) -> Result<(), Refusal> {
        self.may_speak_at_all(actor, now)?;
        let member = self.members.get(&actor.author.who());
        if let (Some(seconds), Some(member)) = (self.settings.slow, member) {
            let free = member.spoke.saturating_add(u64::from(seconds) * 1000);
            if member.role == Role::Member && now < free {
                return Err(Refusal::TooSoon(free - now));
            }
        }
        Ok(())
    }

    fn may_speak_at_all(&self, actor: &Actor<'_>, now: Millis) -> Result<(), Refusal> {
        let role = match self.members.get(&actor.author.who()) {
            Some(member) => member.role,
            None if self.kind == RoomKind::Direct => return Err(Refusal::NoSuchRoom),
            // In IRC, rooms with +s but without +n take messages from outside, too.
            None if !self.settings.members_only => Role::Member,
            None if self.is_listed() => return Err(Refusal::NotAMember),
            None => return Err(Refusal::NoSuchRoom),
        };
        if role >= Role::Voiced {
            return Ok(());
        }
        if self.settings.accounts_speak && actor.author.account.is_none() {
            return Err(Refusal::AccountsOnly);
        }
        let subject = actor.subject();
        let listed = self.fits(List::Mutes, subject, now) || self.fits(List::Bans, subject, now);
        let silenced = listed && !self.fits(List::BanExceptions, subject, now);
        if self.settings.moderated || silenced { Err(Refusal::Silenced) } else { Ok(()) }
    }

    fn may_enter(&self, actor: &Actor<'_>, now: Millis) -> Result<(), Refusal> {
        let who = actor.author.who();
        if self.members.contains_key(&who) {
            return Err(Refusal::AlreadyAMember);
        }
        if self.kind == RoomKind::Direct {
            return Err(Refusal::NoSuchRoom);
        }
        if actor.operator {
            return Ok(());
        }
        let subject = actor.subject();
        // An invitation opens what is closed to all; one by a moderator, what was closed to one.
        let invited = self.invited.contains(&who);
        let banned = self.fits(List::Bans, subject, now) && !self.fits(List::BanExceptions, subject, now);
        if banned && !self.pardoned.contains(&who) {
            return Err(Refusal::Banned);
        }
        if self.settings.accounts_only && actor.author.account.is_none() {
            return Err(Refusal::AccountsOnly);
        }
        if self.settings.invite_only && !invited && !self.fits(List::InviteExceptions, subject, now) {
            return Err(Refusal::InviteOnly);
        }
        if !invited && self.settings.key.as_deref().is_some_and(|key| actor.key != Some(key)) {
            return Err(Refusal::WrongKey);
        }
        let full = |limit| u64::try_from(self.members.len()).is_ok_and(|members| members >= u64::from(limit));
        if !invited && self.settings.limit.is_some_and(full) {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    fn may_invite(&self, actor: &Actor<'_>, who: &Who) -> Result<(), Refusal> {
        self.rank(actor)?;
        if self.kind == RoomKind::Direct || self.settings.invite_only {
            self.may_moderate(actor)?;
        }
        if self.members.contains_key(who) { Err(Refusal::AlreadyAMember) } else { Ok(()) }
    }

    fn may_kick(&self, actor: &Actor<'_>, who: &Who) -> Result<(), Refusal> {
        self.may_moderate(actor)?;
        let member = self.members.get(who).ok_or(Refusal::NoSuchMember)?;
        let rank = self.rank(actor)?;
        // Admins put out each other, as in IRC; nobody puts out an owner but another one.
        if member.role > rank { Err(Refusal::Outranked) } else { Ok(()) }
    }

    fn may_promote(&self, actor: &Actor<'_>, who: &Who, role: Role) -> Result<(), Refusal> {
        let rank = self.rank(actor)?;
        if self.kind == RoomKind::Direct {
            return Err(Refusal::Direct);
        }
        // Anybody may step down.
        let stepping_down = *who == actor.author.who() && role < rank;
        if rank < Role::Admin && !stepping_down {
            return Err(Refusal::NotAnAdmin);
        }
        let member = self.members.get(who).ok_or(Refusal::NoSuchMember)?;
        let owners = || self.members.values().filter(|member| member.role == Role::Owner).count();
        // Rooms that were opened by IRC have no owner until an admin names an account that is to be one.
        let first = rank == Role::Admin && matches!(who, Who::Account(_)) && owners() == 0;
        if role == Role::Owner && rank < Role::Owner && !first {
            return Err(Refusal::NotTheOwner);
        }
        if member.role > rank {
            return Err(Refusal::Outranked);
        }
        if member.role == Role::Owner && role < Role::Owner && owners() == 1 {
            return Err(Refusal::LastOwner);
        }
        Ok(())
    }

    fn may_voice(&self, actor: &Actor<'_>, who: &Who, on: bool) -> Result<(), Refusal> {
        let own = *who == actor.author.who() && !on;
        if !own {
            self.may_moderate(actor)?;
        }
        let rank = self.rank(actor)?;
        let member = self.members.get(who).ok_or(Refusal::NoSuchMember)?;
        if member.role > rank { Err(Refusal::Outranked) } else { Ok(()) }
    }

    fn own(&self, actor: &Actor<'_>, target: Option<&Target>) -> Result<(), Refusal> {
        let target = living(target)?;
        let who = actor.author.who();
        let since = || self.members.get(&who).is_some_and(|member| member.since < target.seq);
        let own = target.by == who && (actor.author.account.is_some() || since());
        if own { Ok(()) } else { Err(Refusal::NotYours) }
    }
}

fn living(target: Option<&Target>) -> Result<&Target, Refusal> {
    match target {
        None => Err(Refusal::NoSuchMessage),
        Some(target) if target.deleted => Err(Refusal::Deleted),
        Some(target) => Ok(target),
    }
}
