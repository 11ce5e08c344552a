//! A request: what is asked for, and what its client calls it.

use serde::Deserialize;

use super::super::name::{Nick, RoomName};
use super::BadRequest;
use super::verbs::Request;

/// Where something is: a room (`#name`), or somebody (a nick), with whom one has a direct room.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A room.
    Room(RoomName),
    /// A direct room, or a guest.
    Nick(Nick),
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let target = match text.strip_prefix('#') {
            Some(_) => text.parse().map(Self::Room),
            None => text.parse().map(Self::Nick),
        };
        target.map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Room(name) => f.pad(name.as_str()),
            Self::Nick(nick) => f.pad(nick.as_str()),
        }
    }
}

/// A file that was uploaded, by its digest. The reply to the upload is one, too.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum File {
    /// Without a name.
    Digest(String),
    /// With what its sender calls it.
    Named {
        /// Which.
        digest: String,
        /// What it is called.
        name: String,
    },
}

/// A request, and what its client calls it.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The value of `id`, which the reply has as `re`.
    pub id: Option<Id>,
    /// What is asked for.
    pub request: Request,
}

/// What a client calls a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(untagged)]
pub enum Id {
    /// A number.
    Number(u64),
    /// A text of at most [`MAX_ID`] bytes.
    Text(String),
}

/// Bytes of a request's id at most, and of a client's id of a message.
pub const MAX_ID: usize = 64;

impl Asked {
    /// Reads a request: one JSON object.
    ///
    /// # Errors
    /// What is wrong with it, and what its client calls it, if that can be read.
    pub fn parse(text: &str) -> Result<Self, (Option<Id>, BadRequest)> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(borrow, default)]
            t: Option<std::borrow::Cow<'a, str>>,
            #[serde(default)]
            id: Option<Id>,
        }
        if !text.trim_start().starts_with('{') {
            return Err((None, BadRequest::Json("it begins otherwise than with {".into())));
        }
        let head: Head<'_> = serde_json::from_str(text).map_err(|error| (None, BadRequest::json(&error)))?;
        if matches!(&head.id, Some(Id::Text(id)) if id.len() > MAX_ID) {
            return Err((None, BadRequest::Field("id: it is too long".into())));
        }
        let Some(name) = head.t else { return Err((head.id, BadRequest::Missing("t"))) };
        match Request::parse(&name, text) {
            Ok(request) => Ok(Self { id: head.id, request }),
            Err(error) => Err((head.id, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_checked() {
        let rows = [
            ("", "it is no JSON object: it begins otherwise than with {"),
            ("[]", "it is no JSON object: it begins"),
            (r#"["ping"]"#, "it is no JSON object: it begins"),
            ("{", "it is no JSON object: EOF while parsing an object at line 1 column 1"),
            (r#"{"id":1}"#, "the field t is missing"),
            (r#"{"t":"dance"}"#, "there is no verb dance"),
            (r##"{"t":"send","room":"#a"}"##, "the field text is missing"),
            (r#"{"t":"ping","x":1}"#, "unknown field `x`, expected `t` or `id`"),
            (r##"{"t":"join","room":"a"}"##, "it does not begin with #"),
            (r##"{"t":"join","room":"#a b"}"##, "' ' cannot be part of it"),
            (r#"{"t":"guest","name":"-a"}"#, "it begins with a hyphen"),
            (r##"{"t":"read","room":"#a","seq":-1}"##, "invalid value: integer `-1`, expected u64"),
            (r##"{"t":"edit","room":"#a","message":"x","text":""}"##, "it is no ULID"),
        ];
        for (text, expected) in rows {
            let (_, error) = Asked::parse(text).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{text}: {error}");
        }
        let (id, _) = Asked::parse(r#"{"t":"dance","id":"x1"}"#).unwrap_err();
        assert_eq!(id, Some(Id::Text("x1".into())), "a client learns which request was wrong");
        let long = format!(r#"{{"t":"ping","id":"{}"}}"#, "x".repeat(MAX_ID + 1));
        assert!(Asked::parse(&long).is_err());
    }
}
