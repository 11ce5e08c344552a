//! From a line to the handler of its command, by the table of commands.

use std::sync::atomic::Ordering;

use super::client::Client;
use crate::proto::irc::batch;
use crate::proto::irc::cap::Cap;
use crate::proto::irc::command::{self, Command, Row, Stage};
use crate::proto::irc::message::Message;
use crate::proto::irc::numeric;
use crate::proto::irc::write::Line;

/// Bytes of a label at most (IRCv3 labeled-response).
const MAX_LABEL: usize = 64;

impl Client {
    /// Handles a line, and sends the answers.
    pub(super) async fn line(&mut self, text: &str) {
        let Ok(message) = Message::parse(text) else { return };
        let label = self.label(&message);
        if self.in_batch(&message).await {
            return;
        }
        if label.is_some() {
            // What was sent before is no answer to this.
            self.wait().await;
            self.collecting = true;
        }
        let silent = self.handle(&message).await;
        if label.is_some() {
            self.wait().await;
            self.collecting = false;
        }
        // The answer to the label of a batch comes when it is closed.
        if silent {
            return;
        }
        self.settle(label.as_deref()).await;
    }

    /// The label that the answers to a command carry.
    pub(super) fn label(&self, message: &Message<'_>) -> Option<String> {
        let label = message.tags.value("label").filter(|_| self.caps.has(Cap::LabeledResponse))?;
        (1..=MAX_LABEL).contains(&label.len()).then(|| label.into_owned())
    }

    /// Takes a line that belongs to a batch. Says whether it did.
    async fn in_batch(&mut self, message: &Message<'_>) -> bool {
        let Some(reference) = message.tags.value("batch") else { return false };
        let Some(open) = &mut self.multiline else { return false };
        if open.reference() != reference {
            // One batch is open at a time, and this line is of no batch.
            self.multiline_fault(batch::Fault::Invalid, message.param(0).unwrap_or_default());
            self.settle(None).await;
            return true;
        }
        let verb = match message.command.to_ascii_uppercase().as_str() {
            "PRIVMSG" => Some(batch::Verb::Privmsg),
            "NOTICE" => Some(batch::Verb::Notice),
            _ => None,
        };
        let concat = message.tags.value(batch::CONCAT).is_some();
        let added = match (verb, message.params()) {
            (Some(verb), [target, text]) => open.add(verb, target, text, concat),
            _ => Err(batch::Fault::Invalid),
        };
        if let Err(fault) = added {
            self.multiline_fault(fault, message.param(0).unwrap_or_default());
            self.settle(None).await;
        }
        true
    }

    /// Handles a command. Says whether it is not to be answered yet.
    async fn handle(&mut self, message: &Message<'_>) -> bool {
        let name = message.command.to_ascii_uppercase();
        let Some(row) = Command::find(&name) else {
            let known =
                if self.user.is_some() { numeric::ERR_UNKNOWNCOMMAND } else { numeric::ERR_NOTREGISTERED };
            if self.user.is_some() {
                self.reply(known, &[message.command]);
            } else {
                self.reply(known, &[]);
            }
            return false;
        };
        if let Some(uses) =
            command::ALL.iter().position(|other| other == row).and_then(|at| self.door.uses.get(at))
        {
            uses.fetch_add(1, Ordering::Relaxed);
        }
        match (row.stage, self.user.is_some()) {
            (Stage::Registered, false) => {
                self.reply(numeric::ERR_NOTREGISTERED, &[]);
                return false;
            }
            (Stage::Before, true) => {
                self.reply(numeric::ERR_ALREADYREGISTERED, &[]);
                return false;
            }
            _ => {}
        }
        if message.params().len() < row.params {
            self.too_few(row);
            return false;
        }
        // A client answers and asks by itself, whether somebody is there or not.
        if let (Some(user), false) = (self.user.clone(), matches!(row.command, Command::Ping | Command::Pong))
        {
            self.door.house.note_active(&user, self.session()).await;
        }
        if matches!(row.command, Command::Notice | Command::Privmsg | Command::Redact | Command::Tagmsg) {
            self.keep_pace().await;
        }
        self.call(row, message).await
    }

    fn too_few(&mut self, row: &Row) {
        match row.command {
            Command::Chathistory => {
                self.fail(row.name, "INVALID_PARAMS", &[], "Insufficient parameters");
            }
            Command::Markread | Command::Register | Command::Verify | Command::Redact => {
                self.fail(row.name, "NEED_MORE_PARAMS", &[], "Not enough parameters");
            }
            Command::Ping => self.reply(numeric::ERR_NOORIGIN, &[]),
            Command::Whois | Command::Whowas => self.reply(numeric::ERR_NONICKNAMEGIVEN, &[]),
            _ => self.reply(numeric::ERR_NEEDMOREPARAMS, &[row.name]),
        }
    }

    async fn call(&mut self, row: &Row, message: &Message<'_>) -> bool {
        match row.command {
            Command::Accept => self.accept(message),
            Command::Admin => self.admin(message),
            Command::Authenticate => self.authenticate(message).await,
            Command::Away if self.user.is_none() => self.away_before(message),
            Command::Away => self.away(message).await,
            Command::Batch => return self.batch(message).await,
            Command::Cap => self.cap(message).await,
            Command::Chathistory => self.chathistory(message).await,
            Command::Connect | Command::Squit | Command::Restart => {
                self.reply(numeric::ERR_NOPRIVILEGES, &[]);
            }
            Command::Help | Command::Helpop => self.help(message),
            Command::Info => self.info(message),
            Command::Invite => self.invite(message).await,
            Command::Isupport => self.isupport_command(),
            Command::Ison => self.ison(message),
            Command::Join => self.join(message).await,
            Command::Kick => self.kick(message).await,
            Command::Kill => self.kill(message),
            Command::Links => self.links(),
            Command::List => self.list(message),
            Command::Lusers => self.lusers_command(message),
            Command::Markread => self.markread(message).await,
            Command::Mode => self.mode(message).await,
            Command::Monitor => self.monitor(message),
            Command::Motd => self.motd(message),
            Command::Names => self.names(message),
            Command::Nick => self.change_nick(message).await,
            Command::Nickserv | Command::Ns => {
                let text = message.params().join(" ");
                self.nickserv(&text).await;
            }
            Command::Notice | Command::Privmsg => self.send_message(row.command, message).await,
            Command::Oper => self.oper(message).await,
            Command::Part => self.part(message).await,
            Command::Pass => self.pass(message),
            Command::Ping => {
                if self.user.is_some() {
                    // What others have said before stands in front of the answer: what has arrived is read, and what was read is told.
                    tokio::task::yield_now().await;
                    self.door.house.settled().await;
                }
                let line = Line::new(self.door.name(), "PONG").param(self.door.name());
                self.replies.push(line.last(message.param(0).unwrap_or_default()));
            }
            Command::Pong => {}
            Command::Quit => match message.given(0) {
                Some(reason) => self.end(&format!("Quit: {reason}")),
                None => self.end("Quit"),
            },
            Command::Redact => self.redact(message).await,
            Command::Register => self.register(message).await,
            Command::Rehash => self.rehash().await,
            Command::Setname => self.setname(message),
            Command::Stats => self.stats(message),
            Command::Tagmsg => self.tagmsg(message).await,
            Command::Time => self.time(message),
            Command::Topic => self.topic(message).await,
            Command::User => self.user_command(message).await,
            Command::Userhost => self.userhost(message),
            Command::Verify => self.verify(message),
            Command::Version => self.version_command(message),
            Command::Wallops => self.wallops(message),
            Command::Who => self.who(message),
            Command::Whois => self.whois(message),
            Command::Whowas => self.whowas(message).await,
        }
        false
    }
}
