//! The JSON door: clients that speak [`chat.v1.json`](crate::proto::chat::json) over WebSocket.

mod files;
mod history;
mod language;
mod login;
mod messages;
mod people;
mod reply;
mod requests;
mod rooms;
mod session;

use std::sync::Arc;

use serde_json::json;

use self::session::Talk;
use super::accounts::config::Registration;
use super::accounts::{Accounts, Client};
use super::house::House;
use super::media::Media;
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
}

impl Door {
    /// A door to a house.
    #[must_use]
    pub fn new(house: House, accounts: Accounts, media: Option<Media>, pace: Option<Rate>) -> Self {
        Self { house, accounts, media, pace }
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
            let client = Client::of(request.peer());
            let response =
                upgrade.accept(request, move |socket: Socket| Talk::serve(Arc::clone(&door), socket, client));
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
        let mut fields = vec![
            ("protocol", json!(1)),
            ("server", settings.name.as_str().into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("guests", settings.guests.into()),
            ("registration", registration.into()),
            ("limits", limits),
        ];
        if let Some(media) = &self.media {
            fields.push(("files", json!({"max": media.largest()})));
        }
        words::of("hello", fields)
    }
}
