//! What a client is told: events of rooms, in one shape for all of them.

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::event::{Change, Event, List, Media, Message, Role, RoomKind, Setting, Style};
use super::super::id::{MessageId, Millis, Seq};
use super::Id;

/// An event of a room's log, as JSON: the fields that its kind has, and no others.
#[derive(Debug, Serialize)]
pub struct EventWords<'a> {
    t: &'static str,
    room: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    seq: Seq,
    id: MessageId,
    at: Millis,
    from: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "is_text")]
    style: Style,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<MessageId>,
    #[serde(skip_serializing_if = "<[Media]>::is_empty")]
    media: &'a [Media],
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reaction: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<RoomKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<List>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mask: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<&'a Setting>,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    tags: &'a [(String, String)],
    /// What became of it since, in a page of history.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    since: Option<Since>,
}

/// What became of a message.
#[derive(Debug, Default, Serialize)]
pub struct Since {
    /// When it was edited last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited: Option<Millis>,
    /// When it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Millis>,
    /// Reactions, and by whom.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reactions>,
    /// Answers in its thread.
    #[serde(skip_serializing_if = "is_zero")]
    pub replies: u64,
}

/// A reaction, and by whom.
#[derive(Debug, Serialize)]
pub struct Reactions {
    /// The text.
    pub reaction: String,
    /// The names.
    pub by: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn as_object<S: serde::Serializer>(tags: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(tags.iter().map(|(name, value)| (name, value)))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_text(style: &Style) -> bool {
    *style == Style::Text
}

impl<'a> EventWords<'a> {
    fn new(t: &'static str, room: &'a str, seq: Seq, id: MessageId, from: &'a str) -> Self {
        Self {
            t,
            room,
            seq,
            id,
            at: id.time(),
            from,
            account: None,
            text: None,
            style: Style::Text,
            reply: None,
            thread: None,
            media: &[],
            message: None,
            reaction: None,
            name: None,
            role: None,
            kind: None,
            reason: None,
            topic: None,
            list: None,
            mask: None,
            until: None,
            set: None,
            tags: &[],
            since: None,
        }
    }

    /// A message that is in no log.
    #[must_use]
    pub fn whisper(
        room: &'a str,
        id: MessageId,
        from: &'a str,
        account: Option<&'a str>,
        message: &'a Message,
    ) -> Self {
        Self { account, ..Self::new("message", room, 0, id, from) }.message(message)
    }

    /// An event, in the room of this name.
    #[must_use]
    pub fn of(event: &'a Event, room: &'a str, account: Option<&'a str>) -> Self {
        let new = |t| Self { account, ..Self::new(t, room, event.seq, event.id, event.by.nick.as_str()) };
        match &event.change {
            Change::Message(message) => new("message").message(message),
            Change::Edit { of, text } => Self { message: Some(*of), text: Some(text), ..new("edit") },
            Change::Delete { of, reason } => {
                Self { message: Some(*of), reason: reason.as_deref(), ..new("delete") }
            }
            Change::React { to, reaction } => {
                Self { message: Some(*to), reaction: Some(reaction), ..new("react") }
            }
            Change::Unreact { to, reaction } => {
                Self { message: Some(*to), reaction: Some(reaction), ..new("unreact") }
            }
            Change::Tags { tags } => Self { tags, ..new("tags") },
            Change::Create { kind, .. } => Self { kind: Some(*kind), ..new("create") },
            Change::Join => new("join"),
            Change::Leave { reason, .. } => Self { reason: reason.as_deref(), ..new("leave") },
            Change::Rename { nick, .. } => Self { name: Some(nick.as_str()), ..new("rename") },
            Change::Kick { nick, reason, .. } => {
                Self { name: Some(nick.as_str()), reason: reason.as_deref(), ..new("kick") }
            }
            Change::Invite { nick, .. } => Self { name: Some(nick.as_str()), ..new("invite") },
            Change::Role { nick, role, .. } => {
                Self { name: Some(nick.as_str()), role: Some(*role), ..new("role") }
            }
            Change::Voice { nick, on, .. } => {
                let role = if *on { Role::Voiced } else { Role::Member };
                Self { name: Some(nick.as_str()), role: Some(role), ..new("voice") }
            }
            Change::Topic { text } => Self { topic: Some(text), ..new("topic") },
            Change::Listed { list, mask, until, reason } => Self {
                list: Some(*list),
                mask: Some(mask.as_str()),
                until: *until,
                reason: reason.as_deref(),
                ..new("list")
            },
            Change::Unlisted { list, mask } => {
                Self { list: Some(*list), mask: Some(mask.as_str()), ..new("unlist") }
            }
            Change::Set(setting) => Self { set: Some(setting), ..new("set") },
            Change::Pin { message } => Self { message: Some(*message), ..new("pin") },
            Change::Unpin { message } => Self { message: Some(*message), ..new("unpin") },
            Change::Close => new("close"),
        }
    }

    fn message(self, message: &'a Message) -> Self {
        let Message { text, style, reply, thread, media, .. } = message;
        Self { text: Some(text), style: *style, reply: *reply, thread: *thread, media, ..self }
    }

    /// With what became of it.
    #[must_use]
    pub fn since(self, since: Since) -> Self {
        Self { since: Some(since), ..self }
    }
}

/// The reply to a request that was done: `{"t":"ok","re":...}` with these fields behind.
#[must_use]
pub fn ok(re: Option<&Id>, fields: Map<String, Value>) -> String {
    reply("ok", re, fields)
}

/// The reply to a request that was not done.
#[must_use]
pub fn error(re: Option<&Id>, code: &str, message: &str, mut fields: Map<String, Value>) -> String {
    fields.insert("code".into(), code.into());
    fields.insert("message".into(), message.into());
    reply("error", re, fields)
}

/// Anything else that is told: `{"t":...}` with these fields behind.
#[must_use]
pub fn of<'a>(t: &str, fields: impl IntoIterator<Item = (&'a str, Value)>) -> String {
    reply(t, None, fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// What it is comes first, for those who read it by eye.
fn reply(t: &str, re: Option<&Id>, fields: Map<String, Value>) -> String {
    let re = match re {
        Some(Id::Number(number)) => format!(",\"re\":{number}"),
        Some(Id::Text(text)) => format!(",\"re\":{}", Value::from(text.as_str())),
        None => String::new(),
    };
    let fields = Value::Object(fields).to_string();
    let comma = if fields.len() > 2 { "," } else { "" };
    format!("{{\"t\":\"{t}\"{re}{comma}{}", &fields[1..])
}

#[cfg(test)]
mod tests {
    use super::super::super::event::{Author, Who};
    use super::super::super::id::{AccountId, RoomId};
    use super::super::super::mask::Mask;
    use super::*;

    #[test]
    fn replies_as_clients_read_them() {
        let fields = |name: &str| Map::from_iter([(name.to_owned(), Value::from(7))]);
        let rows = [
            (ok(None, Map::new()), r#"{"t":"ok"}"#),
            (ok(Some(&Id::Number(5)), Map::new()), r#"{"t":"ok","re":5}"#),
            (ok(Some(&Id::Text("a\"b".into())), fields("seq")), r#"{"t":"ok","re":"a\"b","seq":7}"#),
            (
                error(None, "full", "It is", fields("wait_ms")),
                r#"{"t":"error","code":"full","message":"It is","wait_ms":7}"#,
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn events_as_clients_read_them() {
        let of = MessageId::new(1_469_918_176_385, 0);
        let bob = || "bob".parse().unwrap();
        let who = Who::Account(AccountId(2));
        let said = Message { text: "Hi".into(), reply: Some(of), style: Style::Action, ..Message::default() };
        let rows = [
            (
                Change::Message(said),
                r#""t":"message""#,
                r#""text":"Hi","style":"action","reply":"01ARYZ6S410000000000000000""#,
            ),
            (
                Change::Edit { of, text: "x".into() },
                r#""t":"edit""#,
                r#""text":"x","message":"01ARYZ6S410000000000000000""#,
            ),
            (
                Change::Delete { of, reason: None },
                r#""t":"delete""#,
                r#""message":"01ARYZ6S410000000000000000""#,
            ),
            (
                Change::React { to: of, reaction: "+".into() },
                r#""t":"react""#,
                r#""message":"01ARYZ6S410000000000000000","reaction":"+""#,
            ),
            (Change::Tags { tags: vec![("+a".into(), "b".into())] }, r#""t":"tags""#, r#""tags":{"+a":"b"}"#),
            (Change::Join, r#""t":"join""#, ""),
            (
                Change::Kick { who: who.clone(), nick: bob(), reason: Some("r".into()) },
                r#""t":"kick""#,
                r#""name":"bob","reason":"r""#,
            ),
            (
                Change::Role { who, nick: bob(), role: Role::Admin },
                r#""t":"role""#,
                r#""name":"bob","role":"admin""#,
            ),
            (Change::Topic { text: "t".into() }, r#""t":"topic""#, r#""topic":"t""#),
            (
                Change::Listed {
                    list: List::Bans,
                    mask: Mask::parse("x").unwrap(),
                    until: Some(9),
                    reason: None,
                },
                r#""t":"list""#,
                r#""list":"bans","mask":"x!*@*","until":9"#,
            ),
            (Change::Set(Setting::Slow(Some(5))), r#""t":"set""#, r#""set":{"slow":5}"#),
            (Change::Close, r#""t":"close""#, ""),
        ];
        for (change, t, fields) in rows {
            let by =
                Author { nick: "ann".parse().unwrap(), account: None, user: "u".into(), host: "h".into() };
            let event = Event { room: RoomId(1), seq: 7, id: MessageId::new(5, 6), by, change };
            let text = serde_json::to_string(&EventWords::of(&event, "#room", Some("Ann"))).unwrap();
            let comma = if fields.is_empty() { "" } else { "," };
            let id = event.id;
            let expected = format!(
                r##"{{{t},"room":"#room","seq":7,"id":"{id}","at":5,"from":"ann","account":"Ann"{comma}{fields}}}"##
            );
            assert_eq!(text, expected);
        }
    }
}
