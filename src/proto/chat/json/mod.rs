//! The language of the JSON door: what a client asks, what it is answered, and what it is told.
//!
//! Each message is one JSON object. Its `t` says what it is: a verb of a client ([`verbs`]), a reply, or an event ([`words`]).
//! `docs/chat-protocol.md` describes all of them.

pub mod asked;
pub mod verbs;
pub mod words;

pub use self::asked::{Asked, Id, Target};
pub use self::verbs::{Access, Request, VERBS, Verb};

/// The subprotocol of WebSocket.
pub const SUBPROTOCOL: &str = "chat.v1.json";

/// Bytes of a client's words that are repeated in an error at most.
const QUOTED: usize = 32;

/// Why a request cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// No JSON object.
    #[error("it is no JSON object: {0}")]
    Json(String),
    /// A field is missing.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A verb that does not exist.
    #[error("there is no verb {0}")]
    Verb(String),
    /// A field that is wrong, or does not belong there.
    #[error("{0}")]
    Field(String),
}

impl BadRequest {
    fn json(error: &serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }

    fn fields(error: serde_json::Error) -> Self {
        Self::Field(error.to_string())
    }

    /// Its code in a reply.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "bad_json",
            Self::Verb(_) => "unknown_verb",
            Self::Missing(_) | Self::Field(_) => "bad_request",
        }
    }
}

/// The beginning of a client's word, to be repeated.
fn shorten(word: &str) -> String {
    word.chars().filter(|found| !found.is_control()).take(QUOTED).collect()
}
