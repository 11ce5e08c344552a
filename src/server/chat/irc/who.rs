//! WHO, and its fields (Modern IRC, "WHO message"; IRCv3 whox).

use std::sync::Arc;

use super::client::Client;
use super::dialect::prefixes;
use crate::proto::chat::mask::glob;
use crate::proto::irc::cap::Cap;
use crate::proto::irc::message::Message;
use crate::proto::irc::numeric;
use crate::proto::irc::who::Request;
use crate::server::chat::house::room::{RoomCell, Standing};
use crate::server::chat::house::told::Presence;
use crate::server::chat::house::user::User;

/// People in an answer at most. Ergo 50 for those who are no operators; channels are given whole.
const MAX_FOUND: usize = 200;

impl Client {
    pub(super) fn who(&mut self, message: &Message<'_>) {
        let Some(user) = self.user.clone() else { return };
        let mask = message.given(0).unwrap_or("*");
        let request = Request::parse(message.param(1).unwrap_or_default());
        if mask.starts_with('#') {
            if let Some(room) = self.visible(mask) {
                let inside = user.is_in(room.id());
                for standing in room.standings() {
                    let other = &standing.user;
                    let seen = (inside || !other.is_invisible()) && self.sees(&room, other);
                    if seen && (!request.operators || other.face().operator) {
                        self.who_row(&request, Some((&room, &standing)), other);
                    }
                }
            }
            return self.reply(numeric::RPL_ENDOFWHO, &[mask]);
        }
        let exact = self.door.house.user(mask);
        let found = match exact {
            Some(other) => vec![other],
            None => self.find(&user, mask),
        };
        for other in found.into_iter().filter(|other| !request.operators || other.face().operator) {
            self.who_row(&request, None, &other);
        }
        self.reply(numeric::RPL_ENDOFWHO, &[mask]);
    }

    /// People whom a mask fits: by nick, user name, host, or `nick!user@host`.
    fn find(&self, user: &Arc<User>, mask: &str) -> Vec<Arc<User>> {
        let mine = user.rooms();
        let seen = |other: &Arc<User>| {
            other.id() == user.id()
                || !other.is_invisible()
                || mine.iter().any(|room| other.is_in(room.id()) && self.sees(room, other))
        };
        let fits = |other: &Arc<User>| {
            let face = other.face();
            let whole = [face.nick.as_str(), "!", &face.user, "@", &face.host];
            let parts = [face.nick.as_str(), &face.user, &face.host, &face.real];
            parts.iter().any(|part| glob(mask, &[part]))
                || glob(mask, &whole)
                || glob(mask, &[self.door.name()])
        };
        let mask = if mask == "0" { "*" } else { mask };
        let fits = |other: &Arc<User>| mask == "*" || fits(other);
        let mut found = self.door.house.users();
        found.retain(|other| seen(other) && fits(other));
        found.sort_by_key(|other| other.face().nick.folded());
        found.truncate(MAX_FOUND);
        found
    }

    fn who_row(&mut self, request: &Request<'_>, place: Option<(&RoomCell, &Standing)>, other: &Arc<User>) {
        let face = other.face();
        let (presence, _) = other.presence();
        let channel = place.and_then(|(room, _)| room.name()).map_or("*".to_owned(), ToString::to_string);
        let mut flags = String::from(if presence == Presence::Online { "H" } else { "G" });
        if face.operator {
            flags.push('*');
        }
        if face.bot {
            flags.push('B');
        }
        let several = self.caps.has(Cap::MultiPrefix);
        flags.extend(place.map(|(_, standing)| prefixes(standing, several)));
        let server = self.door.name().to_owned();
        let Some(fields) = &request.fields else {
            let params = [&channel, &*face.user, &*face.host, &server, face.nick.as_str(), &flags];
            return self.reply_text(numeric::RPL_WHOREPLY, &params, &format!("0 {}", face.real));
        };
        let own = self.user.as_ref().is_some_and(|user| user.id() == other.id());
        let address =
            self.about.address.filter(|_| own).map_or("255.255.255.255".to_owned(), |ip| ip.to_string());
        let account = face.account_name().map_or("0", |account| account.as_str());
        let value = |field: &char| match field {
            't' => request.token,
            'c' => &channel,
            'u' => &face.user,
            'i' => &address,
            'h' => &face.host,
            's' => &server,
            'n' => face.nick.as_str(),
            'f' => &flags,
            'a' => account,
            'o' => "n/a",
            _ => "0",
        };
        let line = fields
            .iter()
            .filter(|field| **field != 'r')
            .fold(self.numeric(numeric::RPL_WHOSPCRPL, &[]), |line, field| line.param(value(field)));
        self.replies.push(if fields.contains(&'r') { line.last(&face.real) } else { line });
    }
}
