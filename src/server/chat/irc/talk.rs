//! What is said: PRIVMSG and NOTICE, and messages of several lines (BATCH).

use std::sync::Arc;

use super::client::Client;
use super::dialect::{MAX_CLIENT_TAGS, mask};
use super::login::NICKSERV;
use super::registration::MAX_TARGETS;
use crate::proto::chat::event::{Change, Event, Message as Said, Role, Style};
use crate::proto::chat::id::{AccountId, MessageId, RoomId};
use crate::proto::chat::name::{Nick, RoomName};
use crate::proto::chat::room::Refusal;
use crate::proto::irc::batch::{self, Fault, MULTILINE, Multiline, Verb};
use crate::proto::irc::cap::Cap;
use crate::proto::irc::command::Command;
use crate::proto::irc::message::Message;
use crate::proto::irc::numeric;
use crate::proto::irc::target::{self, Target};
use crate::proto::irc::text;
use crate::proto::irc::write::Line;
use crate::server::chat::house::mailbox::{Refused, Sent};
use crate::server::chat::house::room::RoomCell;
use crate::server::chat::house::talk::Sending;
use crate::server::chat::house::told::{Place, Presence, Told};
use crate::server::chat::house::user::{Face, User};

/// Changes of a client that may be under way, before its next line is handled.
const MAX_PENDING: usize = 256;

/// Bytes of a batch's reference at most.
const MAX_REFERENCE: usize = 64;

/// A change that was sent.
pub(super) struct Pending {
    to: To,
    room: RoomId,
    change: Change,
}

/// To whom it was sent.
#[derive(Clone)]
pub(super) enum To {
    Room(RoomName),
    Nick(Nick),
}

impl Client {
    pub(super) async fn send_message(&mut self, command: Command, message: &Message<'_>) {
        let notice = command == Command::Notice;
        let Some(targets) = message.given(0) else {
            let text = format!("No recipient given ({})", message.command.to_ascii_uppercase());
            return self.reply_text(numeric::ERR_NORECIPIENT, &[], &text);
        };
        let Some(text) = message.given(1) else {
            return self.reply(numeric::ERR_NOTEXTTOSEND, &[]);
        };
        let Some(targets) = target::distinct(targets, MAX_TARGETS) else {
            return self.reply(numeric::ERR_TOOMANYTARGETS, &[targets]);
        };
        let tags = if self.caps.has(Cap::MessageTags) { message.tags.client_only() } else { Vec::new() };
        for target in targets {
            self.send_to(target, notice, text, &tags, false).await;
        }
    }

    /// Whether a text leaves in one line, with its sender in front.
    fn fits(&self, target: &str, notice: bool, text: &str) -> bool {
        let source = self.user.as_ref().map(|user| mask(&user.face())).unwrap_or_default();
        let verb = if notice { "NOTICE" } else { "PRIVMSG" };
        text.len() <= Line::new(&source, verb).param(target).room()
    }

    /// Sends a text to one target. A `whole` one may be longer than a line.
    async fn send_to(
        &mut self,
        target: &str,
        notice: bool,
        text: &str,
        tags: &[(String, String)],
        whole: bool,
    ) {
        if self.pending.len() >= MAX_PENDING {
            self.wait().await;
        }
        if !notice && target.eq_ignore_ascii_case(NICKSERV) {
            return self.nickserv(text).await;
        }
        if !whole && !self.fits(target, notice, text) {
            return self.reply(numeric::ERR_INPUTTOOLONG, &[]);
        }
        let (style, words) = match text::action(text) {
            _ if notice => (Style::Notice, text),
            Some(action) => (Style::Action, action),
            None => (Style::Text, text),
        };
        let value = |name: &str| tags.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let reply = value("+draft/reply").or_else(|| value("+reply")).and_then(|id| id.parse().ok());
        let tags = tags.iter().take(MAX_CLIENT_TAGS).cloned().collect();
        let said = Said { text: words.to_owned(), style, reply, tags, ..Said::default() };
        match Target::of(target) {
            Target::Channel(name) => self.say_in(name, notice, said).await,
            Target::Nick(nick) => self.say_to(nick, notice, said).await,
            Target::Status(prefix, name) => self.say_status(prefix, name, notice, &said),
        }
    }

    async fn say_in(&mut self, name: &str, notice: bool, mut said: Said) {
        let Some(room) = self.door.house.room(name) else {
            if !notice {
                self.reply(numeric::ERR_NOSUCHCHANNEL, &[name]);
            }
            return;
        };
        said.mentions = self.door.house.mentions(&room, &said.text);
        let Some(shown) = room.name().cloned() else { return };
        self.send_change(&room, To::Room(shown), Change::Message(said), notice).await;
    }

    /// Tells those of a channel who have this prefix or a higher one (STATUSMSG). It is not kept.
    fn say_status(&mut self, prefix: char, name: &str, notice: bool, said: &Said) {
        let (Some(user), Some(room)) = (self.user.clone(), self.door.house.room(name)) else {
            if !notice {
                self.reply(numeric::ERR_NOSUCHCHANNEL, &[name]);
            }
            return;
        };
        let Some(shown) = room.name().cloned() else { return };
        let role = match prefix {
            '~' => Role::Owner,
            '@' => Role::Admin,
            _ => Role::Voiced,
        };
        let session = Arc::clone(self.session());
        match self.door.house.tell_status(&user, &session, &room, role, said) {
            Ok(sent) if self.caps.has(Cap::EchoMessage) => {
                let face = user.face();
                let told = Told::Status { from: &face, room: &shown, role, id: sent.id, message: said };
                self.replies.extend(self.door.language.lines(self.caps, &told));
            }
            Err(refused) if !notice => self.unsaid(&To::Room(shown), &refused),
            Ok(_) | Err(_) => {}
        }
    }

    /// Sends a change to a room. Its outcome comes out of the mailbox.
    pub(super) async fn send_change(&mut self, room: &Arc<RoomCell>, to: To, change: Change, notice: bool) {
        let Some(user) = self.user.clone() else { return };
        let session = Arc::clone(self.session());
        let number = self.next_number();
        let target = match &change {
            Change::React { to, .. } | Change::Unreact { to, .. } => {
                match self.door.house.target(room, *to).await {
                    Ok(target) => target,
                    Err(_) => return,
                }
            }
            _ => None,
        };
        let sending = Sending { number, client_id: None };
        let sent =
            self.door.house.send(&user, &session, room, change.clone(), target.as_ref(), sending).await;
        match sent {
            Ok(()) => {
                self.pending.insert(number, Pending { to, room: room.id(), change });
            }
            Err(refused) if !notice => self.unsaid(&to, &refused),
            Err(_) => {}
        }
    }

    /// Tells why something was not said.
    pub(super) fn unsaid(&mut self, to: &To, refused: &Refused) {
        let name = match to {
            To::Room(name) => name.as_str().to_owned(),
            To::Nick(nick) => nick.as_str().to_owned(),
        };
        match refused {
            Refused::Room(Refusal::NoSuchRoom | Refusal::Closed) => {
                self.reply(numeric::ERR_NOSUCHCHANNEL, &[&name]);
            }
            Refused::Room(refusal) => {
                let text = format!("Cannot send to channel: {refusal}");
                self.reply_text(numeric::ERR_CANNOTSENDTOCHAN, &[&name], &text);
            }
            Refused::Store(_) => self.refused(&name, refused),
        }
    }

    async fn say_to(&mut self, nick: &str, notice: bool, said: Said) {
        let Some(user) = self.user.clone() else { return };
        let face = user.face();
        let own = face.account.clone();
        let other = self.door.house.user(nick);
        let account = match &other {
            Some(other) => other.face().account,
            // Somebody with an account reads it later.
            None => self.account_called(nick).await,
        };
        if let (Some((me, _)), Some((them, _))) = (&own, &account)
            && self.is_blocked(*me, *them).await
        {
            if !notice {
                self.blocked(nick);
            }
            return;
        }
        // What is asked of a program, and what it answers, is not kept.
        let kept = !said.text.starts_with('\x01');
        let (Some((me, my_name)), Some((them, their_name)), true) = (own, account, kept) else {
            let Some(other) = other else {
                if !notice {
                    self.reply(numeric::ERR_NOSUCHNICK, &[nick]);
                }
                return;
            };
            return self.whisper(&user, &other, notice, said);
        };
        let shown = other.as_ref().map_or_else(|| their_name.clone(), |other| other.nick());
        match self.door.house.open_direct(&user, (me, &my_name), (them, &their_name)).await {
            Ok(room) => self.send_change(&room, To::Nick(shown), Change::Message(said), notice).await,
            Err(refused) => self.unsaid(&To::Nick(shown), &refused),
        }
        if let Some(other) = other.filter(|_| !notice) {
            self.tell_away(&other);
        }
    }

    /// Whether one of two accounts does not hear the other.
    pub(super) async fn is_blocked(&self, me: AccountId, them: AccountId) -> bool {
        self.door.accounts.are_apart(me, them).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "it is not known whether one of two does not hear the other");
            false
        })
    }

    pub(super) fn blocked(&mut self, nick: &str) {
        let text = "Cannot send to this user: one of you does not hear the other";
        self.reply_text(numeric::ERR_CANNOTSENDTOUSER, &[nick], text);
    }

    async fn account_called(&self, nick: &str) -> Option<(AccountId, Nick)> {
        let nick = nick.parse::<Nick>().ok()?;
        let account = self.door.accounts.account_named(&nick).await.ok()??;
        Some((account.id, account.name.clone()))
    }

    fn whisper(&mut self, user: &Arc<User>, other: &Arc<User>, notice: bool, said: Said) {
        let session = Arc::clone(self.session());
        let sent = match self.door.house.whisper(user, &session, other, &said) {
            Ok(sent) => sent,
            Err(_) if notice => return,
            Err(refused) => return self.unheard(other, &refused),
        };
        let (face, to) = (user.face(), other.face().nick);
        self.remember_whisper(&face, &other.face(), sent.id, &said);
        let told = Told::Whisper { from: &face, to: &to, id: sent.id, message: &said };
        let lines = self.door.language.lines(self.caps, &told);
        if user.id() == other.id() {
            self.after.extend(lines.iter().cloned());
        }
        if self.caps.has(Cap::EchoMessage) {
            self.replies.extend(lines);
        }
        if !notice {
            self.tell_away(other);
        }
    }

    /// Tells why somebody was not told something: it hears accounts only, or no CTCP.
    pub(super) fn unheard(&mut self, other: &User, refused: &Refused) {
        let text = format!("Cannot send to this user: {refused}");
        let numeric = match refused {
            Refused::Room(Refusal::NoCtcp) => numeric::ERR_CANNOTSENDTOUSER,
            _ => numeric::ERR_NEEDREGGEDNICK,
        };
        self.reply_text(numeric, &[other.face().nick.as_str()], &text);
    }

    /// The one of two who has an account may ask for it later.
    fn remember_whisper(&self, from: &Face, to: &Face, id: MessageId, said: &Said) {
        if text::is_ctcp(&said.text) {
            return;
        }
        let change = Change::Message(said.clone());
        let event = Event { room: RoomId(0), seq: 0, id, by: from.author(), change };
        for (own, other) in [(from, to), (to, from)] {
            if let Some((account, _)) = &own.account {
                self.door.whispers.keep(*account, other.nick.as_str(), event.clone());
            }
            if from.nick == to.nick {
                break;
            }
        }
    }

    /// Tells that somebody is away, if so.
    pub(super) fn tell_away(&mut self, other: &User) {
        let (presence, status) = other.presence();
        if presence != Presence::Online {
            let text = if status.is_empty() { presence.word() } else { &status };
            self.reply_text(numeric::RPL_AWAY, &[other.face().nick.as_str()], text);
        }
    }

    /// What became of a change that was sent: what the client is told.
    pub(super) fn done(&mut self, number: u64, outcome: Result<Sent, Refused>) -> Vec<Line> {
        let (Some(pending), Some(user)) = (self.pending.remove(&number), self.user.clone()) else {
            return Vec::new();
        };
        let sent = match outcome {
            Ok(sent) => sent,
            Err(refused) => {
                let before = std::mem::take(&mut self.replies);
                self.unsaid(&pending.to, &refused);
                return std::mem::replace(&mut self.replies, before);
            }
        };
        let face = user.face();
        let Pending { to, room, change } = pending;
        if let (To::Nick(nick), Change::Message(message)) = (&to, &change)
            && *nick == face.nick
        {
            let told = Told::Whisper { from: &face, to: nick, id: sent.id, message };
            let copy = self.door.language.lines(self.caps, &told);
            if self.collecting {
                self.after.extend(copy);
            } else {
                return self.with_echo(&face, &to, room, change, sent).into_iter().chain(copy).collect();
            }
        }
        self.with_echo(&face, &to, room, change, sent)
    }

    fn with_echo(&self, face: &Face, to: &To, room: RoomId, change: Change, sent: Sent) -> Vec<Line> {
        match self.caps.has(Cap::EchoMessage) {
            true => self.own_change(face, to, room, change, sent),
            false => Vec::new(),
        }
    }

    /// A change of the client's own, as it is told of it.
    pub(super) fn own_change(
        &self,
        face: &Face,
        to: &To,
        room: RoomId,
        change: Change,
        sent: Sent,
    ) -> Vec<Line> {
        let event = Event { room, seq: sent.seq, id: sent.id, by: face.author(), change };
        let place = match to {
            To::Room(name) => Place::Room(name),
            To::Nick(nick) => Place::Direct { with: nick, nick, me: &face.nick },
        };
        let account = face.account_name();
        let (real, bot, was) = (&*face.real, face.bot, Role::Member);
        let told = Told::Event { event: &event, place, account, real, bot, was };
        self.door.language.lines(self.caps, &told)
    }

    /// `BATCH`. Says whether it is not to be answered yet.
    pub(super) async fn batch(&mut self, message: &Message<'_>) -> bool {
        let reference = message.params()[0];
        if let Some(reference) = reference.strip_prefix('+') {
            let fits = (1..=MAX_REFERENCE).contains(&reference.len());
            let (kind, target) = (message.param(1).unwrap_or_default(), message.param(2));
            let Some(target) = target.filter(|_| fits && kind == MULTILINE && self.caps.has(Cap::Multiline))
            else {
                self.fail("BATCH", "UNKNOWN_TYPE", &[reference, kind], "Batches of this type are not taken");
                return false;
            };
            if self.multiline.is_some() {
                self.multiline_fault(Fault::Invalid, target);
                return false;
            }
            let label = message.tags.value("label").map(std::borrow::Cow::into_owned);
            let label = label.filter(|_| self.caps.has(Cap::LabeledResponse));
            let open = Multiline::open(reference, target, message.tags.client_only(), label);
            self.multiline = Some(Box::new(open));
            return true;
        }
        let open = self.multiline.take_if(|open| reference.strip_prefix('-') == Some(open.reference()));
        let Some(mut open) = open else {
            self.fail("BATCH", "UNKNOWN_REFERENCE", &[reference], "There is no such batch");
            return false;
        };
        let (label, target, mut tags) =
            (open.label.take(), open.target().to_owned(), std::mem::take(&mut open.tags));
        if !open.cuts().is_empty() {
            // Others read the lines as they were written. It is no tag of a client, and leaves in no line as one.
            let cuts: Vec<String> = open.cuts().iter().map(ToString::to_string).collect();
            tags.insert(0, (batch::CONCAT.to_owned(), cuts.join(",")));
        }
        self.wait().await;
        self.keep_pace().await;
        self.collecting = label.is_some();
        match open.close() {
            Ok((verb, text)) => self.send_to(&target, verb == Verb::Notice, &text, &tags, true).await,
            Err(fault) => self.multiline_fault(fault, &target),
        }
        if label.is_some() {
            self.wait().await;
        }
        self.collecting = false;
        self.settle(label.as_deref()).await;
        true
    }

    /// Tells what is wrong with a batch, which is over then.
    pub(super) fn multiline_fault(&mut self, fault: Fault, target: &str) {
        let open = self.multiline.take();
        let whole = open.as_ref().map_or(target, |open| open.target()).to_owned();
        let limit = match fault {
            Fault::Bytes => Some(batch::MAX_BYTES.to_string()),
            Fault::Lines => Some(batch::MAX_LINES.to_string()),
            Fault::Target | Fault::Invalid => None,
        };
        let context: Vec<&str> = match (fault, &limit) {
            (_, Some(limit)) => vec![limit],
            (Fault::Target, _) => vec![&whole, target],
            _ => vec![],
        };
        self.fail("BATCH", fault.code(), &context, &fault.to_string());
    }
}
