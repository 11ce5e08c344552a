//! What a device or a webhook is told, as JSON.

use serde_json::json;

use crate::proto::chat::event::{Change, Message};
use crate::proto::chat::id::Millis;
use crate::proto::chat::name::Nick;
use crate::proto::irc::time;
use crate::server::chat::store::history::Entry;
use crate::server::chat::store::notices::Notice;

/// Bytes of a text at most; what is longer is cut. A push message has some 4 KB, and escaping may make two of one byte.
const MAX_TEXT: usize = 1000;

/// The words about an event.
pub(super) struct Words<'a> {
    pub(super) notice: &'a Notice,
    pub(super) entry: &'a Entry,
    /// The room's name; `None` for direct rooms.
    pub(super) room: Option<&'a str>,
}

impl Words<'_> {
    fn fields(&self) -> serde_json::Map<String, serde_json::Value> {
        let event = &self.entry.event;
        let from = event.by.nick.as_str();
        let text = match &event.change {
            Change::Message(message) => text(message),
            _ => String::new(),
        };
        let fields = [
            ("room", json!(self.room.unwrap_or(from))),
            ("from", json!(from)),
            ("text", json!(text)),
            ("id", json!(event.id)),
            ("seq", json!(event.seq)),
            ("kind", json!(self.notice.kind.word())),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// For a device.
    pub(super) fn push(&self) -> Vec<u8> {
        serde_json::Value::from(self.fields()).to_string().into_bytes()
    }

    /// For a webhook: the name of the account beside it, in the envelope of Standard Webhooks.
    pub(super) fn webhook(&self, account: &Nick, now: Millis) -> Vec<u8> {
        let mut data = self.fields();
        data.insert("account".to_owned(), json!(account.as_str()));
        let kind = format!("absent.{}", self.notice.kind.word());
        let body = json!({ "type": kind, "timestamp": time::format(now), "data": data });
        body.to_string().into_bytes()
    }
}

/// The beginning of a message's text; of one that has none, the names of its files.
fn text(message: &Message) -> String {
    let mut text = message.text.clone();
    if text.is_empty() {
        let names: Vec<&str> = message.media.iter().map(|file| file.name.as_str()).collect();
        text = names.join(", ");
    }
    // Line ends are spaces in a line, and formatting is none.
    text = text.replace(['\n', '\t'], " ");
    text.retain(|found| !found.is_control());
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::push::encrypt;

    #[test]
    fn texts_are_cut_between_characters() {
        let of = |text: String| super::text(&Message { text, ..Message::default() });
        assert_eq!(of("short".into()), "short");
        assert_eq!(of("two\nlines, \u{2}bold".into()), "two lines, bold");
        let cut = of("é".repeat(MAX_TEXT));
        assert!(cut.ends_with("é…") && cut.len() <= MAX_TEXT + '…'.len_utf8());
    }

    /// The text that grows most when it is written as JSON still fits into a push message.
    #[test]
    fn the_longest_payload_fits() {
        let text = super::text(&Message { text: "\"\u{2}".repeat(MAX_TEXT), ..Message::default() });
        let longest = json!({
            "room": format!("#{}", "x".repeat(200)), "from": "y".repeat(200), "text": text,
            "id": "0".repeat(26), "seq": u64::MAX, "kind": "mention",
        });
        let length = longest.to_string().len();
        assert!(length <= encrypt::MAX_TEXT, "{length}");
    }
}
