//! What is said, and what becomes of it.

use std::sync::Arc;

use serde_json::Map;

use super::login::fields;
use super::reply::{Failure, Reply};
use super::session::{Answer, Talk};
use crate::proto::chat::event::{Change, Message};
use crate::proto::chat::id::{AccountId, MessageId, Seq};
use crate::proto::chat::json::asked::{File, MAX_ID, Target};
use crate::proto::chat::room::Refusal;
use crate::server::chat::house::room::RoomCell;
use crate::server::chat::house::talk::Sending;
use crate::server::chat::store::Cursor;

/// Bytes of a reaction at most: the longest emoji have some 40.
const MAX_REACTION: usize = 64;

impl Talk {
    /// Whether a text may be said.
    pub(super) fn text(&self, text: &str) -> Result<(), Failure> {
        let most = self.door.house.settings().max_text;
        if text.len() > most {
            return Err(Failure::new("too_long", format!("text: at most {most} bytes")));
        }
        // CTCP's frame is not for those who have styles, and NUL is in no text of IRC.
        if text.chars().any(|found| {
            found.is_control()
                && !matches!(
                    found,
                    '\n' | '\t' | '\u{2}' | '\u{3}' | '\u{f}' | '\u{16}' | '\u{1d}' | '\u{1f}'
                )
        }) {
            return Err(Failure::new("bad_request", "text: control characters"));
        }
        Ok(())
    }

    pub(super) fn reaction(text: String) -> Result<String, Failure> {
        if text.is_empty() || text.len() > MAX_REACTION || text.chars().any(char::is_control) {
            return Err(Failure::new("bad_request", format!("reaction: 1 to {MAX_REACTION} bytes")));
        }
        Ok(text)
    }

    pub(super) async fn send(
        &mut self,
        target: &Target,
        mut message: Message,
        cid: Option<String>,
        files: &[File],
    ) -> Result<Answer, Failure> {
        self.text(&message.text)?;
        message.media = self.files(files).await?;
        if message.text.trim().is_empty() && message.media.is_empty() {
            return Err(Failure::new("bad_request", "text: it is empty"));
        }
        if cid.as_ref().is_some_and(|cid| cid.len() > MAX_ID || cid.is_empty()) {
            return Err(Failure::new("bad_request", format!("cid: 1 to {MAX_ID} bytes")));
        }
        let user = Arc::clone(&self.me()?.user);
        let room = match target {
            Target::Room(name) => self.known(name)?,
            Target::Nick(nick) => {
                // Between accounts there is a direct room; with a guest nothing is kept.
                let other = self.door.accounts.account_named(nick).await?;
                let mine = self.me()?.account.as_ref().map(|(account, _)| Arc::clone(account));
                match (mine, other) {
                    (Some(mine), Some(other)) => {
                        self.unless_apart(mine.id, other.id).await?;
                        let (me, with) = ((mine.id, &mine.name), (other.id, &other.name));
                        self.door.house.open_direct(&user, me, with).await?
                    }
                    _ => {
                        let to = self.door.house.user(nick.as_str());
                        let to =
                            to.ok_or_else(|| Failure::new("no_such_user", "there is nobody of that name"))?;
                        let sent = self.door.house.whisper(&user, &self.session, &to, &message)?;
                        return Ok(Answer::Now(fields([
                            ("seq", 0.into()),
                            ("id", sent.id.to_string().into()),
                            ("at", sent.id.time().into()),
                        ])));
                    }
                }
            }
        };
        message.mentions = self.door.house.mentions(&room, &message.text);
        self.on_its_way(&room, Change::Message(message), None, cid).await
    }

    /// Refuses if one of two accounts does not hear the other.
    async fn unless_apart(&self, me: AccountId, them: AccountId) -> Result<(), Failure> {
        match self.door.accounts.are_apart(me, them).await? {
            true => Err(Failure::new("blocked", "one of you does not hear the other")),
            false => Ok(()),
        }
    }

    /// Sends a change about a message on its way.
    pub(super) async fn about(
        &mut self,
        target: &Target,
        message: MessageId,
        change: Change,
    ) -> Result<Answer, Failure> {
        let (room, _) = self.place(target).await?;
        let about = match change {
            Change::Delete { .. } => self.door.house.deletable(&room, message).await?,
            _ => self.door.house.target(&room, message).await?,
        };
        self.on_its_way(&room, change, about.as_ref(), None).await
    }

    async fn on_its_way(
        &mut self,
        room: &Arc<RoomCell>,
        change: Change,
        target: Option<&crate::proto::chat::room::Target>,
        client_id: Option<String>,
    ) -> Result<Answer, Failure> {
        let number = self.number();
        let user = Arc::clone(&self.me()?.user);
        // The session that makes the change hears of it by the reply alone.
        let sending = Sending { number, client_id };
        self.door.house.send(&user, &self.session, room, change, target, sending).await?;
        Ok(Answer::Later(number))
    }

    pub(super) async fn typing(&mut self, target: &Target, on: bool) -> Reply {
        let state = if on { "active" } else { "done" };
        let tags = [("+typing".to_owned(), state.to_owned())];
        let user = Arc::clone(&self.me()?.user);
        match target {
            Target::Room(name) => {
                let room = self.known(name)?;
                self.door.house.tag_room(&user, &self.session, &room, &tags)?;
            }
            Target::Nick(nick) => {
                let to = self.door.house.user(nick.as_str());
                if let Some(to) = to {
                    if let (Some((me, _)), Some((them, _))) = (user.face().account, to.face().account) {
                        self.unless_apart(me, them).await?;
                    }
                    self.door.house.tag_user(&user, &self.session, &to, &tags)?;
                }
            }
        }
        Ok(Map::new())
    }

    pub(super) async fn cursor(&mut self, target: &Target, delivered: Seq, read: Seq) -> Reply {
        let account = Arc::clone(self.account()?);
        let user = Arc::clone(&self.me()?.user);
        let (room, _) = self.place(target).await?;
        if room.look(|room| room.member(&user.face().who()).is_none()) {
            return Err(Refusal::NotAMember.into());
        }
        let cursor = Cursor { delivered, read, read_at: self.door.house.now() };
        let tell = read == 0 || account.profile.read_receipts.unwrap_or(true);
        self.door.house.advance(&user, account.id, &self.session, &room, cursor, tell).await?;
        Ok(Map::new())
    }
}
