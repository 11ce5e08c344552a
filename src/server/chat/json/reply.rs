//! Why a request was not done, as clients read it: a stable code, a sentence, and how long to wait if that helps.

use serde_json::{Map, Value};

use crate::proto::chat::json::words::error;
use crate::proto::chat::json::{BadRequest, Id};
use crate::proto::chat::name::RoomName;
use crate::proto::chat::room;
use crate::server::chat::accounts;
use crate::server::chat::house::NoNick;
use crate::server::chat::house::enter::NotEntered;
use crate::server::chat::house::mailbox::Refused;
use crate::server::chat::store::StoreError;

/// A request that is not done.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    message: String,
    /// Milliseconds to wait.
    wait: Option<u64>,
    /// The room to go to instead.
    forward: Option<RoomName>,
}

/// The fields of a reply.
pub(super) type Reply = Result<Map<String, Value>, Failure>;

impl Failure {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), wait: None, forward: None }
    }

    pub(super) fn waiting(self, wait: std::time::Duration) -> Self {
        Self { wait: Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)), ..self }
    }

    pub(super) fn forwarding(self, forward: Option<RoomName>) -> Self {
        Self { forward, ..self }
    }

    /// The reply.
    pub(super) fn reply(&self, re: Option<&Id>) -> String {
        let mut fields = Map::new();
        if let Some(wait) = self.wait {
            fields.insert("wait_ms".into(), wait.into());
        }
        if let Some(forward) = &self.forward {
            fields.insert("forward".into(), forward.as_str().into());
        }
        error(re, self.code, &self.message, fields)
    }
}

/// The code of a refusal by a room.
pub(super) fn code(refusal: room::Refusal) -> &'static str {
    use room::Refusal as R;
    match refusal {
        R::NoSuchRoom => "no_such_room",
        R::Closed => "closed",
        R::NotAMember => "not_a_member",
        R::AlreadyAMember => "already_a_member",
        R::NoSuchMember => "no_such_member",
        R::NotAnAdmin => "not_an_admin",
        R::NotTheOwner => "not_the_owner",
        R::Outranked => "outranked",
        R::LastOwner => "last_owner",
        R::Banned => "banned",
        R::InviteOnly => "invite_only",
        R::WrongKey => "wrong_key",
        R::Full => "full",
        R::AccountsOnly => "accounts_only",
        R::Silenced => "silenced",
        R::NoCtcp => "no_ctcp",
        R::TooSoon(_) => "too_soon",
        R::ListFull => "list_full",
        R::Direct => "direct",
        R::NoSuchMessage => "no_such_message",
        R::NotYours => "not_yours",
        R::Deleted => "deleted",
    }
}

impl From<room::Refusal> for Failure {
    fn from(refusal: room::Refusal) -> Self {
        let wait = match refusal {
            room::Refusal::TooSoon(wait) => Some(wait),
            _ => None,
        };
        Self { wait, ..Self::new(code(refusal), refusal.to_string()) }
    }
}

impl From<&StoreError> for Failure {
    fn from(error: &StoreError) -> Self {
        let code = match error {
            StoreError::Full(_) => "store_full",
            StoreError::Taken => "name_taken",
            StoreError::None => "not_found",
            StoreError::Away(_) | StoreError::Broken(_) => "store_away",
            StoreError::Unsupported(_) => "not_offered",
        };
        // What is wrong with a database is for its operator, in the log.
        let message = match error {
            StoreError::Full(_) => "the server has no room for more",
            StoreError::Taken => "the name is taken",
            StoreError::None => "there is none",
            StoreError::Away(_) | StoreError::Broken(_) => "the server cannot reach its store",
            StoreError::Unsupported(why) => why,
        };
        Self::new(code, message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Room(refusal) => refusal.into(),
            Refused::Store(error) => Self::from(&*error),
        }
    }
}

impl From<NotEntered> for Failure {
    fn from(error: NotEntered) -> Self {
        match error {
            NotEntered::Refused(refused) => refused.into(),
            NotEntered::TooMany => Self::new("too_many_rooms", error.to_string()),
            NotEntered::MayNotOpen => Self::new("no_such_room", error.to_string()),
            NotEntered::Taken => Self::new("name_taken", error.to_string()),
        }
    }
}

impl From<NoNick> for Failure {
    fn from(error: NoNick) -> Self {
        match error {
            NoNick::Taken(_) => Self::new("name_taken", error.to_string()),
            NoNick::Store(error) => Self::from(&*error),
        }
    }
}

impl From<BadRequest> for Failure {
    fn from(error: BadRequest) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<accounts::Refusal> for Failure {
    fn from(refusal: accounts::Refusal) -> Self {
        use accounts::Refusal as R;
        let code = match &refusal {
            R::Credentials => "wrong_credentials",
            R::Limited(_) => "too_many_attempts",
            R::Busy => "busy",
            R::Suspended(_) => "suspended",
            R::Taken => "name_taken",
            R::Reserved => "name_reserved",
            R::Name(_) => "name_invalid",
            R::Closed => "registration_closed",
            R::Invitation => "code_needed",
            R::Weak(_) => "password_weak",
            R::Session => "token_over",
            R::Jwt(_) | R::Nobody => "token_invalid",
            R::OtherWay => "other_way",
            R::NotOffered => "not_offered",
            R::None => "not_found",
            R::Store(error) => return Self::from(error),
            _ => "refused",
        };
        let failure = Self::new(code, refusal.to_string());
        match refusal.retry_after() {
            Some(wait) => failure.waiting(wait),
            None => failure,
        }
    }
}
