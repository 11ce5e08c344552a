//! For those who operate the server: OPER, KILL, REHASH and WALLOPS (Modern IRC, "Operator Messages").

use std::sync::Arc;

use super::client::Client;
use super::dialect::mask;
use crate::proto::irc::message::Message;
use crate::proto::irc::mode::{self, Made};
use crate::proto::irc::numeric;
use crate::proto::irc::text::cut;
use crate::server::chat::house::user::User;

impl Client {
    fn is_operator(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.face().operator)
    }

    pub(super) async fn oper(&mut self, message: &Message<'_>) {
        let Some(user) = self.user.clone() else { return };
        let (name, password) = (message.params()[0], message.params()[1]);
        if let Some((known, secret)) = &self.door.settings.passwords.oper
            && known == name
        {
            if self.door.accounts.check_shared(secret, password, &self.about).is_ok() {
                return self.now_operates(&user);
            }
            // Each attempt costs a connection, and an address has not many attempts.
            self.reply(numeric::ERR_PASSWDMISMATCH, &[]);
            return self.end("Password incorrect");
        }
        match self.door.accounts.log_in(name, password, &self.about).await {
            Ok(account) if account.operator => self.now_operates(&user),
            Ok(_) => self.reply(numeric::ERR_NOOPERHOST, &[]),
            Err(_) => self.reply(numeric::ERR_PASSWDMISMATCH, &[]),
        }
    }

    fn now_operates(&mut self, user: &Arc<User>) {
        self.door.house.set_operator(user, true);
        self.reply(numeric::RPL_YOUREOPER, &[]);
        let face = user.face();
        let made = [Made::new(true, 'o', None)];
        self.replies.extend(mode::lines(&mask(&face), face.nick.as_str(), &made));
    }

    pub(super) fn kill(&mut self, message: &Message<'_>) {
        if !self.is_operator() {
            return self.reply(numeric::ERR_NOPRIVILEGES, &[]);
        }
        let nick = message.params()[0];
        let Some(other) = self.door.house.user(nick) else {
            return self.reply(numeric::ERR_NOSUCHNICK, &[nick]);
        };
        let limit = self.door.house.settings().max_reason;
        let reason = cut(message.given(1).unwrap_or("No reason"), limit);
        let text = format!("Killed ({} ({reason}))", self.called());
        if let Some(user) = &self.user {
            self.door.house.kill(&user.face(), &other, &text);
        }
    }

    pub(super) async fn rehash(&mut self) {
        if !self.is_operator() {
            return self.reply(numeric::ERR_NOPRIVILEGES, &[]);
        }
        let parts: Vec<_> =
            self.door.parts.get().into_iter().flatten().filter_map(std::sync::Weak::upgrade).collect();
        // Files are read, and what fails is logged. An operator hears at once that it has begun.
        tokio::task::spawn_blocking(move || parts.iter().for_each(|part| part.reload()));
        self.reply(numeric::RPL_REHASHING, &["wireworks"]);
    }

    pub(super) fn wallops(&mut self, message: &Message<'_>) {
        if !self.is_operator() {
            return self.reply(numeric::ERR_NOPRIVILEGES, &[]);
        }
        let Some(user) = self.user.clone() else { return };
        self.door.house.wallop(&user.face(), message.params()[0]);
    }
}
