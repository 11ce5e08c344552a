//! What sessions of this door are told, as WebSocket frames.

use bytes::BytesMut;
use serde_json::{Value, json};

use crate::proto::chat::json::words::{EventWords, of};
use crate::proto::chat::name::Nick;
use crate::proto::ws::codec::encode;
use crate::proto::ws::message::Message;
use crate::server::chat::house::told::{Dialect, Language, Place, Told};

/// JSON over WebSocket.
#[derive(Debug)]
pub(super) struct Json;

/// What all sessions of this door speak.
pub(super) const DIALECT: Dialect = Dialect { language: &Json, variant: 0 };

/// The name of a place, as clients write it.
fn name(place: Place<'_>) -> &str {
    match place {
        Place::Room(room) => room.as_str(),
        Place::Direct { with, .. } => with.as_str(),
    }
}

impl Language for Json {
    fn write(&self, _: u32, told: &Told<'_>, out: &mut BytesMut) {
        let told = match told {
            // This door shows who is in a room to all who are.
            Told::Veiled(told) => *told,
            Told::Unveiled(_) => return,
            told => told,
        };
        let text = match told {
            Told::Event { event, place, account, .. } => {
                let account = account.map(Nick::as_str);
                serde_json::to_string(&EventWords::of(event, name(*place), account))
            }
            Told::Whisper { from, to, id, message } => {
                // With oneself, and on another device of one's own, the room is the other one's.
                let _ = to;
                let account = from.account_name().map(Nick::as_str);
                let nick = from.nick.as_str();
                serde_json::to_string(&EventWords::whisper(nick, *id, nick, account, message))
            }
            Told::Status { from, room, id, message, .. } => {
                let account = from.account_name().map(Nick::as_str);
                let nick = from.nick.as_str();
                serde_json::to_string(&EventWords::whisper(room.as_str(), *id, nick, account, message))
            }
            other => match rare(other) {
                Some(text) => Ok(text),
                None => return,
            },
        };
        // All of it is text and numbers: it is always JSON.
        if let Ok(text) = text {
            out.extend_from_slice(&encode(&Message::from(text), None));
        }
    }
}

/// What is told seldom.
fn rare(told: &Told<'_>) -> Option<String> {
    let text = |nick: &Nick| Value::from(nick.as_str());
    Some(match told {
        Told::Event { .. } | Told::Whisper { .. } | Told::Status { .. } => return None,
        // The room's own event says that it has ended, the end of the connection why, and hosts are not shown.
        Told::Host { .. } | Told::Closed { .. } | Told::Killed { .. } | Told::Wallops { .. } => return None,
        Told::Watched(told) | Told::Veiled(told) => return rare(told),
        Told::Unveiled(_) => return None,
        Told::Tags { from, place, tags, .. } => {
            // Of what IRC clients send without words, typing has a meaning here.
            let (_, state) = tags.iter().find(|(key, _)| key == "+typing")?;
            let on = state == "active";
            of("typing", [("room", name(*place).into()), ("from", text(&from.nick)), ("on", on.into())])
        }
        Told::Appeared { who, room, role } => {
            of("appeared", [("room", room.as_str().into()), ("name", text(&who.nick)), ("role", json!(role))])
        }
        Told::Gone { who, reason } => of("gone", [("name", text(&who.nick)), ("reason", (*reason).into())]),
        Told::Renamed { who, to } => of("renamed", [("from", text(&who.nick)), ("name", text(to))]),
        Told::Presence { who, presence, status } => {
            let word = presence.word().into();
            of("presence", [("name", text(&who.nick)), ("presence", word), ("status", (*status).into())])
        }
        Told::Online { who } => of("presence", [("name", text(&who.nick)), ("presence", "online".into())]),
        Told::Offline { nick } => of("presence", [("name", text(nick)), ("presence", "offline".into())]),
        Told::Account { who } => {
            let account = who.account_name().map_or(Value::Null, text);
            of("account", [("name", text(&who.nick)), ("account", account)])
        }
        Told::RealName { who } => of("display", [("name", text(&who.nick)), ("display", (*who.real).into())]),
        Told::Invited { by, room, id, .. } => {
            of("invited", [("room", room.as_str().into()), ("from", text(&by.nick)), ("id", json!(id))])
        }
        Told::Cursor { who, place, delivered, read } => {
            let place = name(*place).into();
            let (delivered, read) = ((*delivered).into(), (*read).into());
            of("cursor", [("room", place), ("name", text(who)), ("delivered", delivered), ("read", read)])
        }
        Told::Read { seq: 0, .. } => return None,
        Told::Read { place, seq, .. } => of("read", [("room", name(*place).into()), ("seq", (*seq).into())]),
    })
}
