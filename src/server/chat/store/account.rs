//! Accounts and their sessions, as they are kept.

use serde::{Deserialize, Serialize};

use crate::proto::chat::id::{AccountId, MessageId, Millis};
use crate::proto::chat::name::Nick;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Its name.
    pub name: Nick,
    /// How it is checked that somebody owns it; `None` if only another issuer's tokens open it.
    pub password: Option<Password>,
    /// What it tells of itself.
    pub profile: Profile,
    /// Whether it operates the server.
    pub operator: bool,
    /// Since when nobody can log in, and why.
    pub suspended: Option<(Millis, String)>,
    /// SHA-256 of the client certificates that open it (SASL EXTERNAL).
    pub certificates: Vec<[u8; 32]>,
    /// When it was made.
    pub created: Millis,
}

/// What is kept of a password: nothing of it can be computed back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Password {
    /// The argon2id hash, as a PHC string.
    pub argon2: String,
    /// For SCRAM-SHA-256 (RFC 5802, section 3).
    pub scram: Option<Scram>,
}

/// The keys of SCRAM-SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scram {
    /// The salt.
    pub salt: Vec<u8>,
    /// Rounds of PBKDF2.
    pub iterations: u32,
    /// `StoredKey`.
    pub stored_key: [u8; 32],
    /// `ServerKey`.
    pub server_key: [u8; 32],
}

/// What an account tells of itself. All of it may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// The name beside the name, in any script.
    pub display: String,
    /// An address of mail.
    pub email: String,
    /// A line about it.
    pub about: String,
    /// SHA-256 of a picture that was uploaded, in hexadecimal digits.
    pub avatar: String,
    /// What it is busy with.
    pub status: String,
    /// Accounts whose messages it does not want.
    pub blocked: Vec<AccountId>,
    /// Whether others are told what it has read.
    pub read_receipts: Option<bool>,
}

/// An account to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Its number: nobody else's.
    pub id: AccountId,
    /// Its name.
    pub name: Nick,
    /// Its password.
    pub password: Option<Password>,
    /// Its profile.
    pub profile: Profile,
    /// Whether it operates the server.
    pub operator: bool,
    /// When it is made.
    pub created: Millis,
}

/// What becomes of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// Another password.
    Password(Option<Password>),
    /// Another profile.
    Profile(Profile),
    /// Whether it operates the server.
    Operator(bool),
    /// Whether it is suspended.
    Suspended(Option<(Millis, String)>),
    /// Which certificates open it.
    Certificates(Vec<[u8; 32]>),
}

/// A device that is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its number, which its owner sees.
    pub id: MessageId,
    /// Whose.
    pub account: AccountId,
    /// SHA-256 of its token: the token itself is not kept.
    pub digest: [u8; 32],
    /// What the client calls itself.
    pub device: String,
    /// When it began.
    pub created: Millis,
    /// When it was used last.
    pub used: Millis,
    /// When it ends by itself.
    pub expires: Millis,
}
