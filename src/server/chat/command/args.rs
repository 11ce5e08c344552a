//! What a user may type after `wireworks chat serve`: the command line, and the same options in a file.

use std::path::PathBuf;

use clap::Command;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::config::Config;
use crate::net::addr::ListenAddr;
use crate::server::command::{
    Configured, FileArgs, LIMITS, ListenOptions, LogOptions, OptionSet, merged, with_defaults,
};
use crate::server::units::{ByteSize, Frequency, TimeSpan};

/// The command line of `wireworks chat serve`.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The options that a file can hold as well.
    #[command(flatten)]
    pub options: Options,
    /// The file of them.
    #[command(flatten)]
    pub file: FileArgs,
}

const EXAMPLES: &str = "\
Examples:
  wireworks chat serve                             ws://127.0.0.1:8082/chat, kept in the folder wireworks-chat
  wireworks chat serve --data /var/lib/chat --server-name chat.example.org
  wireworks chat serve --listen :443 --tls-cert chat.pem --tls-key chat.key --no-guests
  wireworks chat serve --irc :6667 --ircs :6697 --tls-cert chat.pem --tls-key chat.key
  wireworks chat serve --store postgres://chat@db/chat --store-password-file db.pass --bus nats://bus:4222
  wireworks chat serve --media s3://bucket/chat --retain-age 365d --push-contact mailto:ops@example.org
  wireworks chat serve --registration closed --config chat.toml --print-config

Sizes are written as 32KiB, 10MB; rates as 100/s, 600/m; times as 30s, 365d. A bucket is opened by the
variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL.
Signals: TERM and INT end the server when what was said is kept, a second one at once; HUP reads
certificates again.";

const HOUSE: &str = "The chat";
const FILES: &str = "Files";
const KEPT: &str = "How long messages are kept";
const TOKENS: &str = "Tokens of another issuer";
const ABSENT: &str = "Telling absent members";

impl Args {
    /// The command with the default of each option behind its help.
    #[must_use]
    pub fn with_defaults(command: Command) -> Command {
        with_defaults(command, &Config::default().shown())
    }
}

/// The options, as typed; in a file each has the same name without its dashes, and `no-x` is `x = false`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, rename_all = "kebab-case")]
pub struct Options {
    /// Where to listen, and how.
    #[command(flatten)]
    #[serde(skip)]
    pub listening: ListenOptions,

    /// Where IRC clients connect; repeatable.
    #[arg(long, value_name = "ADDR", help_heading = HOUSE)]
    pub irc: Option<Vec<ListenAddr>>,
    /// Where IRC clients connect with TLS, by the certificates of the server; repeatable.
    #[arg(long, value_name = "ADDR", help_heading = HOUSE)]
    pub ircs: Option<Vec<ListenAddr>>,
    /// For how long IRC clients that know STS insist on TLS: 30d. They are sent to the first port of --ircs.
    #[arg(long, value_name = "TIME", help_heading = HOUSE)]
    pub sts_duration: Option<TimeSpan>,
    /// Messages of a channel that IRC clients are shown when they enter it, unless they ask for them by CHATHISTORY.
    #[arg(long, value_name = "N", help_heading = HOUSE)]
    pub irc_playback: Option<usize>,
    /// A file with the password that IRC clients say by PASS to be let in.
    #[arg(long, value_name = "FILE", help_heading = HOUSE)]
    pub irc_password_file: Option<PathBuf>,
    /// The name by which OPER makes somebody an operator who has no operator's account.
    #[arg(long, value_name = "NAME", help_heading = HOUSE)]
    pub irc_oper: Option<String>,
    /// A file with the password of --irc-oper.
    #[arg(long, value_name = "FILE", help_heading = HOUSE)]
    pub irc_oper_password_file: Option<PathBuf>,
    /// The folder where all is kept.
    #[arg(long, value_name = "DIR", help_heading = HOUSE)]
    pub data: Option<PathBuf>,
    /// Where rooms and accounts are kept: sqlite (in the folder), or postgres://USER@HOST/DATABASE for one chat on several machines.
    #[arg(long, value_name = "URL", help_heading = HOUSE)]
    pub store: Option<String>,
    /// A file with the password for the store.
    #[arg(long, value_name = "FILE", help_heading = HOUSE)]
    pub store_password_file: Option<PathBuf>,
    /// How the machines of a chat tell each other what happens: nats://HOST, several with commas between them, or tls://...
    #[arg(long, value_name = "URL", help_heading = HOUSE)]
    pub bus: Option<String>,
    /// A file with the credentials for the bus, as nsc makes it.
    #[arg(long, value_name = "FILE", help_heading = HOUSE)]
    pub bus_credentials: Option<PathBuf>,
    /// The server's name, as others see it.
    #[arg(long, value_name = "NAME", help_heading = HOUSE)]
    pub server_name: Option<String>,
    /// The network's name, which IRC clients show.
    #[arg(long, value_name = "NAME", help_heading = HOUSE)]
    pub network: Option<String>,
    /// Whether people without an account are let in.
    #[arg(long = "no-guests", help = "Let nobody in who has no account", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = negated(), hide_possible_values = true, help_heading = HOUSE)]
    pub guests: Option<bool>,
    /// Whether guests open rooms.
    #[arg(long = "no-guest-rooms", help = "Let guests open no rooms", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = negated(), hide_possible_values = true, help_heading = HOUSE)]
    pub guest_rooms: Option<bool>,
    /// Who may make an account: open, closed, or the code that is needed; repeatable.
    #[arg(long, value_name = "open|closed|CODE", help_heading = HOUSE)]
    pub registration: Option<Vec<String>>,
    /// A room that is always there; repeatable.
    #[arg(long, value_name = "NAME", help_heading = HOUSE)]
    pub room: Option<Vec<String>>,
    /// Where pages may come from that connect: same, * or origins; repeatable.
    #[arg(long, value_name = "ORIGIN", help_heading = HOUSE)]
    pub origin: Option<Vec<String>>,

    /// Where files are kept: a folder, s3://BUCKET/PREFIX, or off; without it in the folder of --data.
    #[arg(long, value_name = "DIR|s3://BUCKET/PREFIX|off", help_heading = FILES)]
    pub media: Option<String>,
    /// Bytes of a file.
    #[arg(long, value_name = "SIZE", help_heading = FILES)]
    pub max_file: Option<ByteSize>,
    /// Bytes that an account may upload a day.
    #[arg(long, value_name = "SIZE", help_heading = FILES)]
    pub max_uploads: Option<ByteSize>,

    /// How long messages are kept; without it for ever.
    #[arg(long, value_name = "TIME", help_heading = KEPT)]
    pub retain_age: Option<TimeSpan>,
    /// How much text of messages is kept, the newest; without it all.
    #[arg(long, value_name = "SIZE", help_heading = KEPT)]
    pub retain_size: Option<ByteSize>,

    /// The file with the message of the day.
    #[arg(long, value_name = "FILE", help_heading = HOUSE)]
    pub motd: Option<PathBuf>,
    /// How people reach the operator: an address of mail, or a page.
    #[arg(long, value_name = "TEXT", help_heading = HOUSE)]
    pub contact: Option<String>,

    /// A file with the keys (JWKS) of an issuer whose JSON Web Tokens open accounts.
    #[arg(long, value_name = "FILE", help_heading = TOKENS)]
    pub jwt_keys: Option<PathBuf>,
    /// What tokens name as their issuer (iss); repeatable.
    #[arg(long, value_name = "TEXT", help_heading = TOKENS)]
    pub jwt_issuer: Option<Vec<String>>,
    /// What tokens name as whom they are for (aud); repeatable.
    #[arg(long, value_name = "TEXT", help_heading = TOKENS)]
    pub jwt_audience: Option<Vec<String>>,
    /// Algorithms that may have signed them; repeatable.
    #[arg(long, value_name = "NAME", help_heading = TOKENS)]
    pub jwt_algorithm: Option<Vec<String>>,
    /// The claim that is the name of the account.
    #[arg(long, value_name = "CLAIM", help_heading = TOKENS)]
    pub jwt_claim: Option<String>,
    /// Make an account at the first login by a token.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
          hide_possible_values = true, help_heading = TOKENS)]
    pub jwt_create: Option<bool>,

    /// Tell the devices of absent members by web push, and tell push services that this reaches the operator: mailto:ADDRESS or a page.
    #[arg(long, value_name = "URL", help_heading = ABSENT)]
    pub push_contact: Option<String>,
    /// A service that is told what absent members would be; repeatable.
    #[arg(long, value_name = "URL", help_heading = ABSENT)]
    pub webhook: Option<Vec<String>>,
    /// The file with the secrets by which webhooks are signed, one a line.
    #[arg(long, value_name = "FILE", help_heading = ABSENT)]
    pub webhook_secret_file: Option<PathBuf>,
    /// Let push services and webhooks be at private addresses, and without TLS.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
          hide_possible_values = true, help_heading = ABSENT)]
    pub push_allow_private: Option<bool>,
    /// Attempts to deliver a notice before it is given up.
    #[arg(long, value_name = "N", help_heading = ABSENT)]
    pub notify_attempts: Option<u32>,
    /// The wait after the first failure; each one after that is twice as long.
    #[arg(long, value_name = "TIME", help_heading = ABSENT)]
    pub notify_backoff: Option<TimeSpan>,

    /// Whether rates are limited.
    #[arg(long = "no-limits", help = "Limit no rates, of requests, of logins or of new accounts, and take short passwords: for tests", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = negated(), hide_possible_values = true, help_heading = LIMITS)]
    pub limits: Option<bool>,
    /// Requests of one connection: 20/s, and twenty at once.
    #[arg(long, value_name = "RATE", help_heading = LIMITS)]
    pub rate_limit: Option<Frequency>,
    /// Lines of an IRC client: 10/s, and ten at once. Without it ten a second, and sixty at once.
    #[arg(long, value_name = "RATE", help_heading = LIMITS)]
    pub irc_rate: Option<Frequency>,
    /// Messages of one account, by all its connections together: 40/s, and forty at once.
    #[arg(long, value_name = "RATE", help_heading = LIMITS)]
    pub account_rate: Option<Frequency>,
    /// Messages of the guests of one address, together.
    #[arg(long, value_name = "RATE", help_heading = LIMITS)]
    pub guest_rate: Option<Frequency>,
    /// The text of a message.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub max_text: Option<ByteSize>,
    /// Rooms of a user.
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_rooms: Option<usize>,

    /// What the server tells of itself.
    #[command(flatten)]
    #[serde(skip)]
    pub logs: LogOptions,
}

/// A flag that is typed as `--no-x`, and kept as `x`.
fn negated() -> impl clap::builder::TypedValueParser<Value = bool> {
    use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
    let hidden = ["true", "false"].map(|name| PossibleValue::new(name).hide(true));
    PossibleValuesParser::new(hidden).map(|text| text != "true")
}

impl OptionSet for Options {
    fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        let (listening, logs) = (toml::from_str(text)?, toml::from_str(text)?);
        Ok(Self { listening, logs, ..toml::from_str(text)? })
    }

    fn table(&self) -> Result<Table, toml::ser::Error> {
        merged(self, &self.listening, &self.logs)
    }
}
