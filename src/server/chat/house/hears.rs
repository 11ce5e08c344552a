//! Whom somebody hears: all, or accounts and those whom it has let; and whether in CTCP.
//!
//! A user decides that for all its devices, also on other nodes. The node of whoever says something asks, and so does that of whoever hears it.

use std::collections::HashSet;
use std::sync::Arc;

use super::House;
use super::nodes::News;
use super::user::{User, UserId};
use crate::proto::chat::event::Who;
use crate::proto::chat::id::AccountId;
use crate::proto::chat::name::Nick;

impl House {
    /// Guests say nothing to a user from now on, but those whom it has let; or whatever they want. Says whether that is new.
    pub fn set_reserved(&self, user: &Arc<User>, on: bool) -> bool {
        self.set_hears(user, on, user.is_without_ctcp())
    }

    /// A user hears no CTCP but actions from now on, or any. Says whether that is new.
    pub fn set_without_ctcp(&self, user: &Arc<User>, on: bool) -> bool {
        self.set_hears(user, user.is_reserved(), on)
    }

    fn set_hears(&self, user: &Arc<User>, reserved: bool, no_ctcp: bool) -> bool {
        if (user.is_reserved(), user.is_without_ctcp()) == (reserved, no_ctcp) {
            return false;
        }
        let (face, elsewhere) = (user.face(), user.is_elsewhere());
        self.hears(user, reserved, no_ctcp);
        if let Some((account, _)) = face.account
            && elsewhere
        {
            self.0.say(|| News::Hears { account, nick: face.nick, reserved, no_ctcp });
        }
        true
    }

    fn hears(&self, user: &Arc<User>, reserved: bool, no_ctcp: bool) {
        user.set_reserved(reserved);
        user.set_without_ctcp(no_ctcp);
        self.0.changed(user);
    }

    /// An account that is called so has decided on another node what it hears.
    pub(super) fn hears_too(&self, account: AccountId, nick: &Nick, reserved: bool, no_ctcp: bool) {
        let user = self.user(nick.as_str()).filter(|user| user.who() == Who::Account(account));
        if let Some(user) = user.filter(|user| user.is_local()) {
            self.hears(&user, reserved, no_ctcp);
        }
    }

    /// A user lets somebody say something to it although it is reserved, or no longer. Says whether there was room for that: those who have gone need none.
    pub fn accept(&self, user: &Arc<User>, other: &User, on: bool) -> bool {
        let other = other.id();
        let before = user.has_accepted(other);
        let done = user.accept(other, on) || {
            let here: HashSet<UserId> = self.0.people().by_nick.values().map(|user| user.id()).collect();
            user.forget_accepted(|id| here.contains(&id));
            user.accept(other, on)
        };
        if before != user.has_accepted(other) {
            self.0.changed(user);
        }
        done
    }
}
