//! The JSON door: clients that speak [`chat.v1.json`](crate::proto::chat::json) over WebSocket.

mod files;
mod history;
mod language;
mod login;
mod messages;
mod notify;
mod people;
mod reply;
mod requests;
mod rooms;
mod session;

use std::sync::Arc;

use serde_json::{Value, json};

use self::session::Talk;
use super::accounts::Accounts;
use super::accounts::config::Registration;
use super::house::House;
use super::media::Media;
use super::notify::Notifier;
use crate::net::bucket::Rate;
use crate::proto::chat::json::asked::MAX_ID;
use crate::proto::chat::json::{SUBPROTOCOL, words};
use crate::proto::ws::deflate::Terms as DeflateTerms;
use crate::server::http::handler::Handler;
use crate::server::http::request::Request;
use crate::server::ws::{BadSubprotocol, Socket, Upgrade};

/// Bytes from which on a reply is compressed, with clients that can: less would save no packet.
const COMPRESSED: usize = 1024;

/// Events of a page of history at most, at this door.
const PAGE: usize = 200;

/// The door.
#[derive(Debug)]
pub struct Door {
    /// The house behind it.
    pub(super) house: House,
    /// Who somebody is.
    pub(super) accounts: Accounts,
    /// Files of messages, if they are kept.
    pub(super) media: Option<Media>,
    /// Requests that a connection may make; without it as many as it likes.
    pub(super) pace: Option<Rate>,
    /// Tells those who are absent, if anybody does.
    pub(super) notifier: Option<Notifier>,
    /// What the operator says to everybody.
    words: Words,
}

/// What the operator says to everybody who connects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The message of the day, line by line.
    pub motd: Vec<String>,
    /// How the operator can be reached.
    pub contact: Option<String>,
}

impl Door {
    /// A door to a house.
    #[must_use]
    pub fn new(house: House, accounts: Accounts, media: Option<Media>, pace: Option<Rate>) -> Self {
        Self { house, accounts, media, pace, notifier: None, words: Words::default() }
    }

    /// Lets clients have their devices told while nobody is here.
    #[must_use]
    pub fn notifying(self, notifier: Option<Notifier>) -> Self {
        Self { notifier, ..self }
    }

    /// Sets what the operator says.
    #[must_use]
    pub fn saying(self, words: Words) -> Self {
        Self { words, ..self }
    }

    /// The handler of the route where clients open their WebSockets.
    ///
    /// # Errors
    /// Never: the name of the subprotocol is one.
    pub fn route(self, upgrade: Upgrade) -> Result<impl Handler, BadSubprotocol> {
        // A page of history shrinks to a fifth. What all members of a room are told is encoded once and not compressed, and
        // connections share the few compressors that are at work: an idle one costs nothing.
        let upgrade = upgrade
            .subprotocol(SUBPROTOCOL)?
            .deflate(DeflateTerms { threshold: COMPRESSED, ..DeflateTerms::default() });
        let door = Arc::new(self);
        Ok(move |request: Request| {
            let door = Arc::clone(&door);
            let response = upgrade.accept(request, move |socket: Socket| Talk::serve(door, socket));
            std::future::ready(response)
        })
    }

    /// What a client is told first.
    fn hello(&self) -> String {
        let settings = self.house.settings();
        let registration = !matches!(self.accounts.config().registration, Registration::Closed);
        let limits = json!({
            "text": settings.max_text,
            "topic": settings.max_topic,
            "rooms": settings.max_rooms,
            "id": MAX_ID,
            "page": PAGE,
        });
        let fields = vec![
            ("protocol", json!(1)),
            ("server", settings.name.as_str().into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("guests", settings.guests.into()),
            ("registration", registration.into()),
            ("limits", limits),
        ];
        let files = self.media.as_ref().map(|media| json!({ "max": media.largest() }));
        let push = self.notifier.as_ref().and_then(Notifier::key).map(|key| json!({ "key": key }));
        let motd = Some(self.words.motd.join("\n")).filter(|motd| !motd.is_empty()).map(Value::from);
        let contact = self.words.contact.clone().map(Value::from);
        let offered = [("files", files), ("push", push), ("motd", motd), ("contact", contact)];
        let offered = offered.into_iter().filter_map(|(name, value)| Some((name, value?)));
        words::of("hello", fields.into_iter().chain(offered))
    }
}
