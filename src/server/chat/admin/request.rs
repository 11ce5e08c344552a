//! What can be asked: plain data, which goes over the socket as a line of JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::proto::chat::id::{MessageId, Millis};
use crate::proto::chat::name::{Nick, RoomName};

/// One of several things, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which<T> {
    /// This one.
    One(T),
    /// All.
    All,
}

impl<T: Copy> Which<T> {
    /// The one, if it is not all.
    pub fn one(self) -> Option<T> {
        match self {
            Self::One(one) => Some(one),
            Self::All => None,
        }
    }
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// Makes an account.
    UserAdd {
        /// Its name.
        name: String,
        /// Its password; without one it is opened by certificates and tokens only.
        password: Option<String>,
        /// Whether it operates the server.
        operator: bool,
    },
    /// Lists the accounts.
    UserList,
    /// Tells what is known of an account.
    UserShow {
        /// Which.
        name: Nick,
    },
    /// Gives an account another password, and logs it out everywhere.
    UserPassword {
        /// Which.
        name: Nick,
        /// The new one.
        password: String,
    },
    /// Lets nobody log in to an account, and logs it out everywhere.
    UserSuspend {
        /// Which.
        name: Nick,
        /// Why; who tries to log in is told.
        reason: String,
    },
    /// Ends a suspension.
    UserRestore {
        /// Of which.
        name: Nick,
    },
    /// Makes an account an operator of the server, or none.
    UserRole {
        /// Which.
        name: Nick,
        /// Whether it is one.
        operator: bool,
    },
    /// Removes an account from its rooms, and forgets it.
    UserRemove {
        /// Which.
        name: Nick,
    },
    /// Lists the certificates that open an account.
    CertificateList {
        /// Which.
        name: Nick,
    },
    /// Lets a certificate open an account.
    CertificateAdd {
        /// Which.
        name: Nick,
        /// The certificate, in hexadecimal digits.
        sha256: String,
    },
    /// Takes a certificate away from an account.
    CertificateRemove {
        /// Which.
        name: Nick,
        /// The certificate, in hexadecimal digits.
        sha256: String,
    },
    /// Lists the devices of an account that are logged in.
    SessionList {
        /// Whose.
        name: Nick,
    },
    /// Logs them out.
    SessionEnd {
        /// Whose.
        name: Nick,
        /// Which.
        which: Which<MessageId>,
    },
    /// Lists the rooms.
    RoomList,
    /// Tells what a room is like.
    RoomShow {
        /// Which.
        room: RoomName,
    },
    /// Ends a room.
    RoomClose {
        /// Which.
        room: RoomName,
    },
    /// Forgets messages now.
    Retain {
        /// Those that are older, in ms.
        age: Option<Millis>,
        /// The oldest, until there is so much text in all rooms.
        bytes: Option<u64>,
    },
    /// Signs links to files with a new key.
    RotateKeys,
    /// Writes a copy of the database.
    Backup {
        /// The file, which does not exist; absolute.
        file: PathBuf,
    },
    /// Gives the messages of a room, or of all rooms.
    Export {
        /// Which.
        room: Option<RoomName>,
        /// Whether those of direct rooms are among them.
        direct: bool,
    },
    /// Lists the notices that were given up.
    NoticeList,
    /// Tries them again.
    NoticeRetry {
        /// Which.
        which: Which<u64>,
    },
    /// Forgets them.
    NoticeDrop {
        /// Which.
        which: Which<u64>,
    },
}

/// Without the passwords.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = serde_json::to_value(self).unwrap_or_default();
        let word = value.get("do").and_then(serde_json::Value::as_str).unwrap_or_default();
        f.debug_tuple("Request").field(&word).finish()
    }
}

/// A line of the answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// One of the things that were asked for.
    Row(serde_json::Value),
    /// It is done; a sentence about it, if there is one.
    Done(String),
    /// It is not done.
    Error(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_through_a_line() {
        let name: Nick = "ann".parse().unwrap();
        for (request, line) in [
            (Request::UserList, r#"{"do":"user_list"}"#),
            (
                Request::SessionEnd { name, which: Which::All },
                r#"{"do":"session_end","name":"ann","which":"all"}"#,
            ),
            (Request::NoticeDrop { which: Which::One(5) }, r#"{"do":"notice_drop","which":{"one":5}}"#),
        ] {
            assert_eq!(serde_json::to_string(&request).unwrap(), line);
            assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
        }
        let secret = Request::UserAdd { name: "a".into(), password: Some("secret".into()), operator: false };
        assert_eq!(format!("{secret:?}"), "Request(\"user_add\")");
    }
}
