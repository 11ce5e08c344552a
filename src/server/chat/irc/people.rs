//! People: AWAY, SETNAME, ISON, USERHOST, MONITOR, WHOIS and WHOWAS (Modern IRC, "User-Based Queries"; IRCv3 monitor).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::MAX_MONITOR;
use super::client::Client;
use super::dialect::{mask, prefixes};
use super::registration::{MAX_REAL, MAX_TARGETS};
use crate::proto::chat::name::Nick;
use crate::proto::chat::room::Room;
use crate::proto::irc::cap::Cap;
use crate::proto::irc::message::Message;
use crate::proto::irc::monitor::Request;
use crate::proto::irc::numeric;
use crate::proto::irc::target;
use crate::proto::irc::text::{cut, pack};
use crate::proto::irc::time;
use crate::server::chat::house::gone::Gone;
use crate::server::chat::house::told::Presence;
use crate::server::chat::house::user::{Face, User};

/// Nicks that ISON and USERHOST look up at most.
const MAX_NICKS: usize = 100;

/// Entries of WHOWAS for one nick at most.
const MAX_WAS: usize = 20;

impl Client {
    pub(super) async fn away(&mut self, message: &Message<'_>) {
        let Some(user) = self.user.clone() else { return };
        let session = Arc::clone(self.session());
        match message.given(0) {
            Some(text) => {
                let text = cut(text, self.door.house.settings().max_reason);
                self.door.house.set_presence(&user, &session, Presence::Away, text).await;
                self.reply(numeric::RPL_NOWAWAY, &[]);
            }
            None => {
                self.door.house.set_presence(&user, &session, Presence::Online, "").await;
                self.reply(numeric::RPL_UNAWAY, &[]);
            }
        }
    }

    /// `AWAY` before registration (IRCv3 pre-away): it holds from the first moment on.
    pub(super) fn away_before(&mut self, message: &Message<'_>) {
        if !self.caps.has(Cap::PreAway) {
            return self.reply(numeric::ERR_NOTREGISTERED, &[]);
        }
        let limit = self.door.house.settings().max_reason;
        let Some(coming) = &mut self.coming else { return };
        coming.away = message.given(0).map(|text| cut(text, limit).to_owned());
        let away = coming.away.is_some();
        self.reply(if away { numeric::RPL_NOWAWAY } else { numeric::RPL_UNAWAY }, &[]);
    }

    /// `ACCEPT` (Solanum's caller-id): who may write to a user who hears accounts only.
    pub(super) fn accept(&mut self, message: &Message<'_>) {
        let Some(user) = self.user.clone() else { return };
        let asked = message.params()[0];
        if asked == "*" {
            for nick in self.door.house.accepted(&user) {
                self.reply_bare(numeric::RPL_ACCEPTLIST, &[nick.as_str()]);
            }
            return self.reply(numeric::RPL_ENDOFACCEPT, &[]);
        }
        for word in target::split(asked).take(MAX_NICKS) {
            let (nick, on) = word.strip_prefix('-').map_or((word, true), |nick| (nick, false));
            match self.door.house.user(nick) {
                None => self.reply(numeric::ERR_NOSUCHNICK, &[nick]),
                Some(other) if !self.door.house.accept(&user, &other, on) => {
                    self.reply(numeric::ERR_ACCEPTFULL, &[]);
                }
                Some(_) => {}
            }
        }
    }

    pub(super) fn setname(&mut self, message: &Message<'_>) {
        let Some(user) = self.user.clone() else { return };
        let real = message.params()[0];
        if real.is_empty() || real.len() > MAX_REAL {
            return self.fail("SETNAME", "INVALID_REALNAME", &[], "Real name is not valid");
        }
        self.door.house.set_real_name(&user, real);
    }

    pub(super) fn ison(&mut self, message: &Message<'_>) {
        let names = message.params().iter().flat_map(|param| param.split(' ')).take(MAX_NICKS);
        let here: Vec<String> = names
            .filter_map(|nick| self.door.house.user(nick))
            .map(|user| user.face().nick.to_string())
            .collect();
        self.reply_text(numeric::RPL_ISON, &[], &here.join(" "));
    }

    pub(super) fn userhost(&mut self, message: &Message<'_>) {
        let shown = |user: Arc<User>| {
            let (face, (presence, _)) = (user.face(), user.presence());
            let operator = if face.operator { "*" } else { "" };
            let here = if presence == Presence::Online { '+' } else { '-' };
            format!("{}{operator}={here}{}@{}", face.nick, face.user, face.host)
        };
        let users = message.params().iter().take(5).filter_map(|nick| self.door.house.user(nick));
        let words: Vec<String> = users.map(shown).collect();
        self.reply_text(numeric::RPL_USERHOST, &[], &words.join(" "));
    }

    pub(super) fn monitor(&mut self, message: &Message<'_>) {
        let Some(request) = Request::parse(message.params()) else { return };
        match request {
            Request::Add(names) => self.watch(&names),
            Request::Remove(names) => {
                for nick in names.iter().filter_map(|name| name.parse::<Nick>().ok()) {
                    self.unwatch(&nick);
                }
            }
            Request::Clear => {
                for nick in self.watched.clone().iter().filter_map(|name| name.parse::<Nick>().ok()) {
                    self.unwatch(&nick);
                }
            }
            Request::List => {
                for line in pack_commas(self.watched.iter().map(ToString::to_string).collect()) {
                    self.reply_text(numeric::RPL_MONLIST, &[], &line);
                }
                self.reply(numeric::RPL_ENDOFMONLIST, &[]);
            }
            Request::Status => {
                let names = self.watched.clone();
                self.show_status(names.iter().map(|name| &**name));
            }
        }
    }

    fn watch(&mut self, names: &[&str]) {
        let mut added = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let Ok(nick) = name.parse::<Nick>() else { continue };
            if self.watched.contains(&nick.folded()) {
                continue;
            }
            if self.watched.len() >= MAX_MONITOR {
                let rest = names[at..].join(",");
                self.reply(numeric::ERR_MONLISTFULL, &[&MAX_MONITOR.to_string(), &rest]);
                break;
            }
            self.watched.insert(nick.folded());
            let session = Arc::clone(self.session());
            self.door.house.watch(&session, &nick);
            added.push(*name);
        }
        self.show_status(added.into_iter());
    }

    fn unwatch(&mut self, nick: &Nick) {
        if self.watched.remove(&nick.folded()) {
            self.door.house.unwatch(self.session().id, nick);
        }
    }

    fn show_status<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let (mut online, mut offline) = (Vec::new(), Vec::new());
        for name in names {
            match self.door.house.user(name) {
                Some(user) => online.push(mask(&user.face())),
                None => offline.push(name.to_owned()),
            }
        }
        for line in pack_commas(online) {
            self.reply_text(numeric::RPL_MONONLINE, &[], &line);
        }
        for line in pack_commas(offline) {
            self.reply_text(numeric::RPL_MONOFFLINE, &[], &line);
        }
    }

    pub(super) fn whois(&mut self, message: &Message<'_>) {
        let Some(name) = message.given(1).or(message.given(0)) else {
            return self.reply(numeric::ERR_NONICKNAMEGIVEN, &[]);
        };
        let nick = target::split(name).next().unwrap_or(name);
        match self.door.house.user(nick) {
            Some(other) => self.show_user(&other),
            None => self.reply(numeric::ERR_NOSUCHNICK, &[nick]),
        }
        self.reply(numeric::RPL_ENDOFWHOIS, &[nick]);
    }

    fn show_user(&mut self, other: &Arc<User>) {
        let Some(user) = self.user.clone() else { return };
        let face = other.face();
        let nick = face.nick.to_string();
        let own = user.id() == other.id();
        self.reply_text(numeric::RPL_WHOISUSER, &[&nick, &face.user, &face.host, "*"], &face.real);
        if own && let Some(address) = self.about.address {
            let text = format!("is connecting from *@{address} {address}");
            self.reply_text(numeric::RPL_WHOISHOST, &[&nick], &text);
            let mask = format!("{}@{}", face.user, face.host);
            self.reply(numeric::RPL_WHOISACTUALLY, &[&nick, &mask, &address.to_string()]);
        }
        if own || user.face().operator {
            let modes = self.user_modes(other);
            self.reply_text(numeric::RPL_WHOISMODES, &[&nick], &format!("is using modes {modes}"));
        }
        self.show_channels(&user, other, &nick);
        let info = self.door.house.settings().network.clone();
        let server = self.door.name().to_owned();
        self.reply_text(numeric::RPL_WHOISSERVER, &[&nick, &server], &info);
        self.tell_away(other);
        if face.operator {
            self.reply(numeric::RPL_WHOISOPERATOR, &[&nick]);
        }
        if let Some(account) = face.account_name() {
            self.reply(numeric::RPL_WHOISACCOUNT, &[&nick, account.as_str()]);
        }
        if face.bot {
            self.reply(numeric::RPL_WHOISBOT, &[&nick]);
        }
        let known: Vec<_> = {
            let clients = self.door.clients();
            other.sessions().iter().filter_map(|session| clients.get(&session.id).cloned()).collect()
        };
        if !known.is_empty() && known.iter().all(|handle| handle.secure) {
            self.reply(numeric::RPL_WHOISSECURE, &[&nick]);
        }
        let now = self.door.house.now();
        let spoke = known.iter().map(|handle| handle.spoke.load(Ordering::Relaxed)).max().unwrap_or(now);
        let idle = now.saturating_sub(spoke) / 1000;
        self.reply(numeric::RPL_WHOISIDLE, &[&nick, &idle.to_string(), &(other.since() / 1000).to_string()]);
    }

    fn show_channels(&mut self, user: &User, other: &Arc<User>, nick: &str) {
        let several = self.caps.has(Cap::MultiPrefix);
        let mut channels = Vec::new();
        for room in other.rooms() {
            let Some(name) = room.name() else { continue };
            let shared = user.is_in(room.id()) || user.face().operator;
            let open = room.look(Room::is_listed) && !other.is_invisible();
            if (shared || open) && self.sees(&room, other) {
                let standing = room.standing(other);
                let before = standing.map(|standing| prefixes(&standing, several)).unwrap_or_default();
                channels.push(format!("{before}{name}"));
            }
        }
        channels.sort();
        let room = self.numeric(numeric::RPL_WHOISCHANNELS, &[nick]).room();
        for line in pack(channels, room) {
            self.reply_text(numeric::RPL_WHOISCHANNELS, &[nick], &line);
        }
    }

    /// Several nicks have one answer, with the last who has gone first.
    pub(super) async fn whowas(&mut self, message: &Message<'_>) {
        let Some(nick) = message.given(0) else {
            return self.reply(numeric::ERR_NONICKNAMEGIVEN, &[]);
        };
        let count = message.param(1).and_then(|count| count.parse::<usize>().ok()).filter(|count| *count > 0);
        let count = count.unwrap_or(MAX_WAS).min(MAX_WAS);
        let is = |was: &Face| {
            let mut asked = target::split(nick).take(MAX_TARGETS);
            asked.any(|nick| was.nick.as_str().eq_ignore_ascii_case(nick))
        };
        let mut found = self.door.house.gone(is, count);
        if found.is_empty() {
            found.extend(self.last_seen(nick).await);
        }
        if found.is_empty() {
            self.reply(numeric::ERR_WASNOSUCHNICK, &[nick]);
        }
        let server = self.door.name().to_owned();
        for Gone { face, at } in found {
            let name = face.nick.as_str();
            self.reply_text(numeric::RPL_WHOWASUSER, &[name, &face.user, &face.host, "*"], &face.real);
            if let Some(account) = face.account_name() {
                self.reply_text(numeric::RPL_WHOISACCOUNT, &[name, account.as_str()], "was logged in as");
            }
            self.reply_text(numeric::RPL_WHOISSERVER, &[name, &server], &time::format(at));
        }
        self.reply(numeric::RPL_ENDOFWHOWAS, &[nick]);
    }
}

impl Client {
    /// An account that is not here, and when it was.
    async fn last_seen(&self, nick: &str) -> Option<Gone> {
        let (house, accounts) = (&self.door.house, &self.door.accounts);
        let nick = nick.parse::<Nick>().ok()?;
        let account = accounts.account_named(&nick).await.ok()??;
        if !house.users_of(account.id).is_empty() {
            return None;
        }
        let at = house.last_seen(account.id).await.ok()??;
        Some(Gone { face: house.face(account.name.clone(), Some(&account), None), at })
    }
}

/// Names with commas, in lines.
fn pack_commas(names: Vec<String>) -> Vec<String> {
    pack(names, 380).into_iter().map(|line| line.replace(' ', ",")).collect()
}
