//! From the first line to the welcome: CAP, NICK, USER and PASS (Modern IRC, "Connection Registration"), and a nick changed later.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::MAX_MONITOR;
use super::client::Client;
use super::dialect::variant;
use crate::proto::chat::name::{MAX_NICK, MAX_ROOM_NAME, Nick, RoomName};
use crate::proto::chat::room::MAX_MASKS;
use crate::proto::irc::batch;
use crate::proto::irc::cap::{self, Cap, Caps, Request};
use crate::proto::irc::chathistory;
use crate::proto::irc::isupport::Tokens;
use crate::proto::irc::message::Message;
use crate::proto::irc::mode;
use crate::proto::irc::numeric;
use crate::proto::irc::write::Line;
use crate::server::chat::house::presence::Shown;
use crate::server::chat::house::told::{Dialect, Presence};
use crate::server::chat::house::user::Face;

/// What a client says of itself before it is registered. Its user has it then.
#[derive(Default)]
pub(super) struct Coming {
    /// It has begun to negotiate capabilities, and not ended it.
    negotiating: bool,
    pub(super) user_name: Option<Arc<str>>,
    real: Arc<str>,
    password: Option<String>,
    /// It has said the server's password.
    admitted: bool,
    /// What it said about being away (IRCv3 pre-away).
    pub(super) away: Option<String>,
}

/// Bytes of a user name at most: the token USERLEN. Ergo 18.
pub(super) const MAX_USER: usize = 18;

/// Bytes of a real name at most: the token NAMELEN.
pub(super) const MAX_REAL: usize = 128;

/// Targets of a message at most: the token TARGMAX.
pub(super) const MAX_TARGETS: usize = 4;

/// Bytes of a channel's key at most: the token KEYLEN.
pub(super) const MAX_KEY: usize = 32;

impl Client {
    pub(super) async fn cap(&mut self, message: &Message<'_>) {
        let request = Request::parse(message.params());
        match request {
            Request::Ls(version) => {
                self.negotiate(true);
                self.version = self.version.max(version);
                if self.version >= 302 {
                    self.set_caps(self.caps.with(Cap::CapNotify));
                }
                let offered = self.door.offered();
                let values = self.version >= 302;
                // Before 302 there is one line, and what only makes sense with values or notices is left out of it.
                let late = [Cap::CapNotify, Cap::DraftExtendedMonitor, Cap::Sts];
                let shown = late.iter().fold(offered, |caps, cap| caps.without(*cap));
                self.list_caps("LS", if values { offered } else { shown }, values);
            }
            Request::List => self.list_caps("LIST", self.caps, false),
            Request::Req(list) => {
                self.negotiate(true);
                let offered = self.door.offered();
                let (word, caps) = match cap::request(list, self.caps, offered) {
                    Some(caps) => ("ACK", caps),
                    None => ("NAK", self.caps),
                };
                let line = self.cap_line(word).last(list);
                // The answer is in the old dialect, and so is what was said before it.
                self.replies.push(line);
                if !self.collecting {
                    self.settle(None).await;
                }
                let notified = self.version >= 302;
                self.set_caps(if notified { caps.with(Cap::CapNotify) } else { caps });
            }
            Request::End => {
                self.negotiate(false);
                self.complete().await;
            }
            Request::Unknown(word) => {
                self.reply(numeric::ERR_INVALIDCAPCMD, &[if word.is_empty() { "*" } else { word }]);
            }
        }
    }

    fn cap_line(&self, word: &str) -> Line {
        Line::new(self.door.name(), "CAP").param(&self.called()).param(word)
    }

    fn list_caps(&mut self, word: &str, caps: Caps, values: bool) {
        let mechanisms = self.mechanisms();
        let (sts, tls) = (self.door.settings.sts, self.tls);
        let value = |cap| match cap {
            _ if !values => None,
            Cap::Sasl => Some(mechanisms.clone()),
            Cap::Multiline => Some(format!("max-bytes={},max-lines={}", batch::MAX_BYTES, batch::MAX_LINES)),
            Cap::AccountRegistration => Some("before-connect,custom-account-name".to_owned()),
            // The port is for those without TLS, and the duration holds for those with it.
            Cap::Sts => sts.map(|(port, duration)| match tls {
                true => format!("duration={}", duration.as_secs()),
                false => format!("port={port}"),
            }),
            _ => None,
        };
        let limit = if self.version >= 302 { 400 } else { usize::MAX };
        let lines = cap::list(caps, value, limit);
        let last = lines.len() - 1;
        for (at, text) in lines.iter().enumerate() {
            let line = self.cap_line(word);
            let line = if at < last { line.param("*") } else { line };
            self.replies.push(line.last(text));
        }
    }

    fn set_caps(&mut self, caps: Caps) {
        self.caps = caps;
        let dialect = Dialect { language: self.door.language, variant: variant(caps) };
        let session = Arc::clone(self.session());
        self.door.house.set_dialect(&session, dialect);
    }

    pub(super) fn pass(&mut self, message: &Message<'_>) {
        let Some(coming) = &mut self.coming else { return };
        coming.password = message.given(0).map(str::to_owned);
        if coming.password.is_none() {
            self.reply(numeric::ERR_NEEDMOREPARAMS, &["PASS"]);
        }
    }

    pub(super) async fn user_command(&mut self, message: &Message<'_>) {
        let Some(coming) = self.coming.as_mut().filter(|coming| coming.user_name.is_none()) else {
            return self.reply(numeric::ERR_ALREADYREGISTERED, &[]);
        };
        let (Some(name), Some(real)) = (message.given(0), message.given(3)) else {
            return self.reply(numeric::ERR_NEEDMOREPARAMS, &["USER"]);
        };
        let fits = |found: &char| found.is_ascii_alphanumeric() || "-_.[]{}|^`\\".contains(*found);
        let name: String = name.chars().filter(fits).take(MAX_USER).collect();
        // The sign says that nobody but the client vouches for it.
        coming.user_name = Some(if name.is_empty() { "~user".into() } else { format!("~{name}").into() });
        coming.real = crate::proto::irc::text::cut(real, MAX_REAL).into();
        self.complete().await;
    }

    pub(super) async fn change_nick(&mut self, message: &Message<'_>) {
        let Some(text) = message.given(0) else {
            return self.reply(numeric::ERR_NONICKNAMEGIVEN, &[]);
        };
        let Ok(nick) = text.parse::<Nick>() else {
            return self.reply(numeric::ERR_ERRONEUSNICKNAME, &[text]);
        };
        if self.door.accounts.is_reserved(&nick) {
            return self.reply(numeric::ERR_ERRONEUSNICKNAME, &[text]);
        }
        let Some(user) = self.user.clone() else {
            self.nick = Some(nick);
            return self.complete().await;
        };
        let face = user.face();
        if face.nick.as_str() == nick.as_str() {
            return;
        }
        if !self.owns(&nick).await || self.door.house.rename(&user, &nick).await.is_err() {
            return self.reply(numeric::ERR_NICKNAMEINUSE, &[text]);
        }
        if self.collecting {
            // The answer is what it reads of itself by the nick that it had.
            let told = self.lines_of(face.nick.as_str());
            self.replies.extend(told);
        }
    }

    /// Whether a nick belongs to nobody else's account.
    async fn owns(&self, nick: &Nick) -> bool {
        let own = match &self.user {
            Some(user) => user.face().account.map(|(id, _)| id),
            None => self.account.as_ref().map(|account| account.id),
        };
        match self.door.accounts.account_named(nick).await {
            Ok(found) => found.is_none_or(|found| Some(found.id) == own),
            Err(error) => {
                tracing::warn!(%error, "it is not known whether a nick belongs to an account");
                true
            }
        }
    }

    /// Notes whether capabilities are negotiated: registration waits for that.
    fn negotiate(&mut self, negotiating: bool) {
        if let Some(coming) = &mut self.coming {
            coming.negotiating = negotiating;
        }
    }

    /// Registers the client, once all is said.
    pub(super) async fn complete(&mut self) {
        let Some(coming) = self.coming.as_mut().filter(|coming| !coming.negotiating) else { return };
        let (Some(nick), Some(user)) = (self.nick.clone(), coming.user_name.clone()) else { return };
        let (real, said) = (Arc::clone(&coming.real), coming.password.take());
        if let Some(known) = &self.door.settings.passwords.server {
            // It is the server's, and says nothing of an account. It is said once, whatever becomes of the nick.
            if let (Some(said), false) = (&said, coming.admitted) {
                coming.admitted = self.door.accounts.check_shared(known, said, &self.about).is_ok();
            }
            if !coming.admitted {
                self.reply(numeric::ERR_PASSWDMISMATCH, &[]);
                return self.end("Password incorrect");
            }
        } else if let Some(password) = said
            && !self.log_in_by_pass(&nick, &password).await
        {
            self.reply(numeric::ERR_PASSWDMISMATCH, &[]);
            return self.end("Password incorrect");
        }
        if self.account.is_none() && !self.door.house.settings().guests {
            self.fail("*", "ACCOUNT_REQUIRED", &[], "Log in by SASL to connect: there are no guests here");
            return self.end("No account");
        }
        let shown = self.door.house.face(nick.clone(), self.account.as_deref(), self.about.address);
        let face = Face { user, real, ..shown };
        let session = Arc::clone(self.session());
        if let Some(status) = self.coming.as_ref().and_then(|coming| coming.away.as_deref()) {
            let shown = Shown { presence: Presence::Away, status: status.into(), at: self.door.house.now() };
            session.show(shown);
        }
        let arrived =
            if self.owns(&nick).await { self.door.house.arrive(&session, face).await.ok() } else { None };
        let Some(user) = arrived else {
            self.nick = None;
            return self.reply(numeric::ERR_NICKNAMEINUSE, &[nick.as_str()]);
        };
        self.user = Some(user);
        let away = self.coming.take().and_then(|coming| coming.away);
        self.door.unknown.fetch_sub(1, Ordering::Relaxed);
        self.door.clients().insert(session.id, Arc::clone(&self.handle));
        self.door.peak.fetch_max(self.door.house.population(), Ordering::Relaxed);
        self.keep_alive();
        self.welcome();
        self.settle(None).await;
        self.restore().await;
        if let (Some(user), Some(_)) = (self.user.clone(), away) {
            self.door.house.show_away(&user, &session);
        }
    }

    /// Brings a client into the rooms of its account.
    async fn restore(&mut self) {
        let Some(user) = self.user.clone() else { return };
        let Some((account, _)) = user.face().account else { return };
        let session = Arc::clone(self.session());
        // It may have been on another node until now.
        self.door.house.refresh().await;
        let mut rooms = self.door.house.rooms_of(account);
        rooms.retain(|room| room.name().is_some());
        rooms.sort_by_key(|room| room.name().map(RoomName::folded));
        for room in rooms {
            self.door.house.attach(&user, &session, &room);
            self.restored.insert(room.id());
            self.entered(&room).await;
            self.settle(None).await;
        }
    }

    fn welcome(&mut self) {
        let Some(user) = self.user.clone() else { return };
        let face = user.face();
        let (server, network) = (self.door.name().to_owned(), self.door.house.settings().network.clone());
        let version = version();
        let mask = super::dialect::mask(&face);
        self.reply_text(numeric::RPL_WELCOME, &[], &format!("Welcome to the {network} IRC Network {mask}"));
        self.reply_text(
            numeric::RPL_YOURHOST,
            &[],
            &format!("Your host is {server}, running version {version}"),
        );
        let since = crate::proto::irc::time::format(self.door.since);
        self.reply_text(numeric::RPL_CREATED, &[], &format!("This server was created {since}"));
        let user_modes: String = mode::USER.iter().map(|(letter, ..)| *letter).collect();
        let channel_modes: String = mode::CHANNEL.iter().map(|(letter, ..)| *letter).collect();
        let with_param: String = mode::CHANNEL
            .iter()
            .filter(|(_, kind, _)| *kind != mode::Kind::Never)
            .map(|(letter, ..)| *letter)
            .collect();
        self.reply_bare(numeric::RPL_MYINFO, &[&server, &version, &user_modes, &channel_modes, &with_param]);
        self.isupport();
        self.lusers();
        self.motd_lines();
    }

    pub(super) fn isupport(&mut self) {
        let settings = self.door.house.settings();
        let targets = format!(
            "NAMES:,LIST:,KICK:,WHOIS:1,WHOWAS:{MAX_TARGETS},PRIVMSG:{MAX_TARGETS},NOTICE:{MAX_TARGETS},TAGMSG:{MAX_TARGETS},JOIN:,PART:,MONITOR:"
        );
        let tokens = Tokens::new()
            .value("ACCOUNTEXTBAN", "a")
            .value("AWAYLEN", settings.max_reason)
            .value("BOT", "B")
            .value("CASEMAPPING", "ascii")
            .value("CHANLIMIT", format!("#:{}", settings.max_rooms))
            .value("CHANMODES", mode::chanmodes())
            .value("CHANNELLEN", MAX_ROOM_NAME)
            .value("CHANTYPES", "#")
            .value("CHATHISTORY", chathistory::MAX_LIMIT)
            .value("ELIST", "CMNTU")
            .value("EXCEPTS", "e")
            .value("EXTBAN", ",am")
            .value("INVEX", "I")
            .value("KEYLEN", MAX_KEY)
            .value("KICKLEN", settings.max_reason)
            .value("MAXLIST", format!("beI:{MAX_MASKS}"))
            .value("MODES", mode::MAX_CHANGES)
            .value("MONITOR", MAX_MONITOR)
            .value("MSGREFTYPES", "msgid,timestamp")
            .value("NAMELEN", MAX_REAL)
            .value("NETWORK", &settings.network)
            .value("NICKLEN", MAX_NICK)
            .value("PREFIX", "(qov)~@+")
            .flag("SAFELIST")
            .value("STATUSMSG", "~@+")
            .value("TARGMAX", targets)
            .value("TOPICLEN", settings.max_topic)
            .value("USERLEN", MAX_USER)
            .flag("UTF8ONLY")
            .flag("WHOX");
        for line in tokens.lines() {
            self.reply(numeric::RPL_ISUPPORT, &line);
        }
    }

    /// `ISUPPORT` (IRCv3 extended-isupport).
    pub(super) fn isupport_command(&mut self) {
        let before = std::mem::take(&mut self.replies);
        self.isupport();
        let lines = std::mem::replace(&mut self.replies, before);
        if self.caps.has(Cap::ExtendedIsupport) {
            self.batch_of("draft/isupport", None, lines);
        } else {
            self.replies.extend(lines);
        }
    }
}

/// The server's version.
pub(super) fn version() -> String {
    format!("wireworks-{}", env!("CARGO_PKG_VERSION"))
}
