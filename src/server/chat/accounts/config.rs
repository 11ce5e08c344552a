//! What an operator decides about accounts, as plain data with defaults.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::net::bucket::Rate;
use crate::server::jwt::Rules;

/// Names that nobody can have, as an account or without one: they would be taken for the server or for a service of it, or mean many at once in a mention. Ergo and Libera
/// reserve those of services.
pub const RESERVED: &[&str] = &[
    "ChanServ",
    "HistServ",
    "HostServ",
    "MemoServ",
    "NickServ",
    "OperServ",
    "SaslServ",
    "Server",
    "System",
    "admin",
    "administrator",
    "all",
    "channel",
    "everyone",
    "here",
    "moderator",
    "operator",
    "support",
];

/// Names that nobody can register, but guests can have: clients of IRC take them from the user of the system that they run as.
pub const SYSTEM_USERS: &[&str] = &["nobody", "root"];

/// Bytes of a password at most. Ergo 600; NIST SP 800-63B asks for 64 characters at least.
pub const MAX_PASSWORD: usize = 1024;

/// Characters of a device's name at most; what is longer is cut off.
pub const MAX_DEVICE: usize = 64;

/// Certificates of an account at most. Ergo 5.
pub const MAX_CERTIFICATES: usize = 10;

/// Who may make an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Everybody.
    #[default]
    Open,
    /// Whoever has one of these codes. A code can be used many times, until the operator takes it out.
    Invited(Vec<String>),
    /// Only operators.
    Closed,
}

/// How passwords are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashing {
    /// Memory of argon2id, in KiB; from 8.
    pub memory: u32,
    /// Its passes over the memory; from 1.
    pub passes: u32,
    /// Rounds of PBKDF2 for the keys of SCRAM-SHA-256, which clients have to compute at each login; `None` keeps no such keys, and SCRAM is not offered.
    pub scram: Option<NonZeroU32>,
    /// Hashes that are computed at once; each holds `memory`.
    pub at_once: usize,
    /// Hashes that may wait for that; who comes then is refused at once.
    pub waiting: usize,
}

impl Hashing {
    /// Rounds of PBKDF2. RFC 7677 asks for 4096 at least, MongoDB has 15,000, and OWASP advises 600,000; a client computes these in 20 to 100 ms.
    pub const SCRAM: NonZeroU32 = NonZeroU32::new(100_000).unwrap();
}

impl Default for Hashing {
    /// argon2id with 19 MiB, 2 passes and 1 lane: the first advice of OWASP's Password Storage Cheat Sheet. It takes about 20 ms. Two at once, and 64 that wait: about a
    /// second of work.
    fn default() -> Self {
        Self { memory: 19 * 1024, passes: 2, scram: Some(Self::SCRAM), at_once: 2, waiting: 64 }
    }
}

/// How often somebody may try. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attempts {
    /// Failed logins to one account, from anywhere.
    pub account: Option<Rate>,
    /// Failed logins from one IPv4 address or one IPv6 /64.
    pub address: Option<Rate>,
    /// Accounts that are made from one address.
    pub registrations: Option<Rate>,
}

impl Attempts {
    /// No limits: for tests and for closed networks.
    pub const NONE: Self = Self { account: None, address: None, registrations: None };
}

impl Default for Attempts {
    /// 10 failures at once and 10 a minute after that for an account, 20 and 20 a minute for an address, which many may share; 5 accounts at once from an address, and 10 an
    /// hour after that. NIST SP 800-63B allows 100 failures in a row; Ergo allows 3 logins in a minute on a connection.
    fn default() -> Self {
        Self {
            account: Rate::new(10.0 / 60.0, 10),
            address: Rate::new(20.0 / 60.0, 20),
            registrations: Rate::new(10.0 / 3600.0, 5),
        }
    }
}

/// How long a device stays logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Since it was used last.
    pub idle: Duration,
    /// Since it was logged in, however much it is used.
    pub longest: Duration,
    /// Devices of an account at most. The one that was not used for the longest time is logged out for a new one.
    pub devices: usize,
}

impl Default for Lifetimes {
    /// 60 days, a year, and 50 devices. Matrix's Synapse and Mattermost end sessions after 30 to 180 days.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self { idle: 60 * DAY, longest: 365 * DAY, devices: 50 }
    }
}

/// An issuer of JSON Web Tokens whose users have accounts here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerConfig {
    /// A file with its keys (a JWKS: RFC 7517, section 5), which is read again when it changes.
    pub keys: PathBuf,
    /// The signature algorithms that are accepted, such as `ES256`.
    pub algorithms: Vec<String>,
    /// What tokens have to say. At least one issuer or one audience has to be named, or a token that was meant for another service would open accounts here.
    pub rules: Rules,
    /// The claim that is the account's name.
    pub claim: String,
    /// Whether an account is made at the first login.
    pub create: bool,
}

impl IssuerConfig {
    /// The claim by default: OpenID Connect Core, section 5.1.
    pub const CLAIM: &str = "preferred_username";
}

/// What an operator decides about accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who may make an account.
    pub registration: Registration,
    /// Names that nobody can have, beside [`RESERVED`]; in any case.
    pub reserved: Vec<String>,
    /// Characters of a password at least. NIST SP 800-63B: 8.
    pub shortest_password: usize,
    /// How passwords are hashed.
    pub hashing: Hashing,
    /// How often somebody may try.
    pub attempts: Attempts,
    /// How long a device stays logged in.
    pub lifetimes: Lifetimes,
    /// Whether other devices are logged out when a password is changed.
    pub password_ends_others: bool,
    /// Whether passwords are taken on connections without TLS.
    pub plain_in_clear: bool,
    /// An issuer of tokens.
    pub issuer: Option<IssuerConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            registration: Registration::Open,
            reserved: Vec::new(),
            shortest_password: 8,
            hashing: Hashing::default(),
            attempts: Attempts::default(),
            lifetimes: Lifetimes::default(),
            password_ends_others: true,
            plain_in_clear: true,
            issuer: None,
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// argon2 cannot be computed with these parameters.
    #[error("passwords cannot be hashed with {memory} KiB and {passes} passes: {fault}")]
    Hashing {
        /// KiB.
        memory: u32,
        /// Passes.
        passes: u32,
        /// Why not.
        fault: argon2::Error,
    },
    /// An algorithm is not known, or there is none.
    #[error("{0:?} is no signature algorithm of JSON Web Tokens")]
    Algorithm(String),
    /// Neither an issuer nor an audience is named.
    #[error("tokens need an issuer or an audience that they have to name")]
    AnyToken,
    /// The file of keys cannot be used.
    #[error(transparent)]
    Keys(#[from] crate::server::watched::WatchedError),
}
