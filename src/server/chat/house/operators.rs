//! What operators of the server do to people, on whichever node those are: they end connections, and speak to all who want to hear it.

use std::sync::Arc;

use super::House;
use super::nodes::{FaceWords, News};
use super::told::Told;
use super::user::{Face, User, WALLOPS};
use crate::proto::chat::id::AccountId;
use crate::proto::chat::name::Nick;

impl House {
    /// Ends all sessions of a user, and says to them by whom and why.
    pub fn kill(&self, by: &Face, user: &Arc<User>, reason: &str) {
        let face = user.face();
        let elsewhere = user.is_elsewhere();
        self.kill_here(by, user, reason);
        if elsewhere {
            let (account, nick) = (face.account.map(|(id, _)| id), face.nick);
            self.0.say(|| News::Killed { by: FaceWords::of(by), account, nick, reason: reason.to_owned() });
        }
    }

    /// The same, of somebody of whom another node says it, who may have gone meanwhile.
    pub(super) fn kill_too(&self, by: &Face, account: Option<AccountId>, nick: &Nick, reason: &str) {
        let Some(user) = self.user(nick.as_str()) else { return };
        if user.face().account.map(|(id, _)| id) == account {
            self.kill_here(by, &user, reason);
        }
    }

    fn kill_here(&self, by: &Face, user: &Arc<User>, reason: &str) {
        user.tell(&Told::Killed { by, nick: &user.nick(), reason }, None);
        for session in user.sessions() {
            session.end(reason);
        }
    }

    /// Speaks to all who want to hear what operators say ([`WALLOPS`]).
    pub fn wallop(&self, by: &Face, text: &str) {
        self.wallop_here(by, text);
        self.0.say(|| News::Wallops { by: FaceWords::of(by), text: text.to_owned() });
    }

    pub(super) fn wallop_here(&self, by: &Face, text: &str) {
        let told = Told::Wallops { by, text };
        for session in self.users().iter().flat_map(|user| user.sessions()) {
            if session.modes() & WALLOPS != 0 {
                session.tell(&told);
            }
        }
    }
}
