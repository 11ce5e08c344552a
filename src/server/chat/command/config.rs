//! A checked configuration of `wireworks chat serve`: plain data, every value in its range, every default filled in.

use std::path::PathBuf;
use std::time::Duration;

use super::args::{Args, Options};
use super::media::{Files, Place};
use crate::net::addr::ListenAddr;
use crate::proto::chat::name::RoomName;
use crate::proto::ws::handshake::server::Origins;
use crate::server::chat::accounts::config::{self as accounts, IssuerConfig, Registration};
use crate::server::chat::bus::nats::NatsUrl;
use crate::server::chat::house::settings::Settings;
use crate::server::chat::irc;
use crate::server::chat::notify::{self, guard::Endpoint};
use crate::server::chat::store::history::MAX_PAGE;
use crate::server::chat::store::postgres::{PostgresUrl, hidden};
use crate::server::command::{self, ConfigError, Configured, HOUR, ServerConfig, Typed, Unfit, Way};
use crate::server::jwt::{LEEWAY, Rules};
use crate::server::units::{Frequency, TimeSpan};

/// Where it listens when nobody says.
pub const DEFAULT_LISTEN: ListenAddr =
    ListenAddr::Tcp(std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8082));

/// The folder where all is kept when nobody says.
pub const DEFAULT_DATA: &str = "wireworks-chat";

/// The word for the store in the folder.
const SQLITE: &str = "sqlite";

/// The configuration of a chat server.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What every server has: where it listens, certificates, logs.
    pub server: ServerConfig,
    /// Where IRC clients connect.
    pub irc: Vec<ListenAddr>,
    /// Where they connect with TLS.
    pub ircs: Vec<ListenAddr>,
    /// For how long clients insist on TLS (STS).
    pub sts_duration: Option<TimeSpan>,
    /// Messages that IRC clients are shown when they enter a channel.
    pub irc_playback: usize,
    /// The file with the password that IRC clients say.
    pub irc_password: Option<PathBuf>,
    /// The name of an operator without an account.
    pub irc_oper: Option<String>,
    /// The file with that one's password.
    pub irc_oper_password: Option<PathBuf>,
    /// How many lines an IRC client may send, if not the default.
    pub irc_rate: Option<Frequency>,
    /// The folder where all is kept, but for what the store keeps.
    pub data: PathBuf,
    /// Where rooms and accounts are kept.
    pub store: Kept,
    /// Where the password for the store is.
    pub store_password: Option<PathBuf>,
    /// How nodes tell each other what happens.
    pub bus: Option<NatsUrl>,
    /// Where the credentials for it are.
    pub bus_credentials: Option<PathBuf>,
    /// What the house allows.
    pub house: Settings,
    /// What it decides about accounts.
    pub accounts: accounts::Config,
    /// Rooms that are always there.
    pub rooms: Vec<RoomName>,
    /// From which pages browsers may connect.
    pub origins: Origins,
    /// Whether rates are limited.
    pub limits: bool,
    /// How many requests a connection may make.
    pub rate_limit: Option<Frequency>,
    /// How fast an account may say something.
    pub account_rate: Option<Frequency>,
    /// How fast the guests of one address may.
    pub guest_rate: Option<Frequency>,
    /// What is decided about files.
    pub files: Files,
    /// How long messages are kept, and how much of them.
    pub retention: Retention,
    /// The file with the message of the day.
    pub motd: Option<PathBuf>,
    /// How people reach the operator.
    pub contact: Option<String>,
    /// Whose tokens open accounts.
    pub tokens: Tokens,
    /// How absent members are told.
    pub notify: notify::Config,
}

/// How long messages are kept, and how much of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Since they were sent.
    pub age: Option<Duration>,
    /// Bytes of text, in all rooms together.
    pub bytes: Option<u64>,
}

/// An issuer of tokens, if one has keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The file with its keys.
    pub keys: Option<PathBuf>,
    /// What tokens name as their issuer.
    pub issuers: Vec<String>,
    /// What tokens name as whom they are for.
    pub audiences: Vec<String>,
    /// Algorithms that may have signed them.
    pub algorithms: Vec<String>,
    /// The claim that is the name of the account.
    pub claim: String,
    /// Whether an account is made at the first login.
    pub create: bool,
}

impl Default for Tokens {
    /// The algorithms that identity providers sign by, all with keys that only the issuer has.
    fn default() -> Self {
        Self {
            keys: None,
            issuers: Vec::new(),
            audiences: Vec::new(),
            algorithms: ["ES256", "RS256", "EdDSA"].map(String::from).to_vec(),
            claim: IssuerConfig::CLAIM.to_owned(),
            create: false,
        }
    }
}

impl Tokens {
    /// The issuer, as accounts know it.
    #[must_use]
    pub fn issuer(&self) -> Option<IssuerConfig> {
        let Self { keys, issuers, audiences, algorithms, claim, create } = self.clone();
        let rules = Rules { issuers, audiences, leeway: LEEWAY, ..Rules::default() };
        keys.map(|keys| IssuerConfig { keys, algorithms, rules, claim, create })
    }
}

/// Where rooms and accounts are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// In the folder, by SQLite.
    #[default]
    Sqlite,
    /// In a PostgreSQL, which several nodes may share.
    Postgres(Box<PostgresUrl>),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: ServerConfig::listening(DEFAULT_LISTEN),
            irc: Vec::new(),
            ircs: Vec::new(),
            sts_duration: None,
            irc_playback: irc::Settings::default().playback,
            irc_password: None,
            irc_oper: None,
            irc_oper_password: None,
            irc_rate: None,
            data: PathBuf::from(DEFAULT_DATA),
            store: Kept::default(),
            store_password: None,
            bus: None,
            bus_credentials: None,
            house: Settings::default(),
            accounts: accounts::Config::default(),
            rooms: Vec::new(),
            origins: Origins::Same,
            limits: true,
            rate_limit: "20/s".parse().ok(),
            account_rate: "40/s".parse().ok(),
            guest_rate: "60/s".parse().ok(),
            files: Files::default(),
            retention: Retention::default(),
            motd: None,
            contact: None,
            tokens: Tokens::default(),
            notify: notify::Config::default(),
        }
    }
}

impl Config {
    /// The command line over the file over the defaults. Sockets handed over by a service manager (`LISTEN_FDS`) are used
    /// where neither says where to listen.
    ///
    /// # Errors
    /// The first value that cannot be used, by the name of its option.
    pub fn load(args: &Args) -> Result<Self, ConfigError> {
        Self::default().under(args.file.config.as_deref(), &args.options)
    }

    /// The configuration as a TOML file with every value in it, and those that are not set as comments.
    ///
    /// # Errors
    /// A path that is not UTF-8, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        self.printed()
    }
}

impl Configured for Config {
    type Options = Options;

    fn command(&self) -> &'static str {
        "wireworks chat serve"
    }

    fn server(&mut self) -> &mut ServerConfig {
        &mut self.server
    }

    fn walk(way: Way, o: &mut Options, c: &mut Self) -> Result<(), ConfigError> {
        command::listening(way, &mut o.listening, &mut c.server)?;
        way.value("irc", &mut o.irc, &mut c.irc)?;
        way.value("ircs", &mut o.ircs, &mut c.ircs)?;
        way.maybe("sts-duration", &mut o.sts_duration, &mut c.sts_duration)?;
        way.range("irc-playback", &mut o.irc_playback, &mut c.irc_playback, 0..=MAX_PAGE)?;
        way.maybe("irc-password-file", &mut o.irc_password_file, &mut c.irc_password)?;
        way.maybe("irc-oper", &mut o.irc_oper, &mut c.irc_oper)?;
        way.maybe("irc-oper-password-file", &mut o.irc_oper_password_file, &mut c.irc_oper_password)?;
        way.maybe("irc-rate", &mut o.irc_rate, &mut c.irc_rate)?;
        way.value("data", &mut o.data, &mut c.data)?;
        way.value("store", &mut o.store, &mut c.store)?;
        way.maybe("store-password-file", &mut o.store_password_file, &mut c.store_password)?;
        way.maybe("bus", &mut o.bus, &mut c.bus)?;
        way.maybe("bus-credentials", &mut o.bus_credentials, &mut c.bus_credentials)?;
        let house = &mut c.house;
        way.value("server-name", &mut o.server_name, &mut house.name)?;
        way.value("network", &mut o.network, &mut house.network)?;
        way.value("guests", &mut o.guests, &mut house.guests)?;
        way.value("guest-rooms", &mut o.guest_rooms, &mut house.guests_open_rooms)?;
        way.value("registration", &mut o.registration, &mut c.accounts.registration)?;
        way.value("room", &mut o.room, &mut c.rooms)?;
        way.value("origin", &mut o.origin, &mut c.origins)?;
        way.maybe("media", &mut o.media, &mut c.files.place)?;
        way.range("max-file", &mut o.max_file, &mut c.files.file, 1024..=1 << 40)?;
        way.range("max-uploads", &mut o.max_uploads, &mut c.files.bytes_a_day, 1024..=1 << 50)?;
        way.maybe("retain-age", &mut o.retain_age, &mut c.retention.age)?;
        way.maybe("retain-size", &mut o.retain_size, &mut c.retention.bytes)?;
        way.maybe("motd", &mut o.motd, &mut c.motd)?;
        way.maybe("contact", &mut o.contact, &mut c.contact)?;
        let tokens = &mut c.tokens;
        way.maybe("jwt-keys", &mut o.jwt_keys, &mut tokens.keys)?;
        way.value("jwt-issuer", &mut o.jwt_issuer, &mut tokens.issuers)?;
        way.value("jwt-audience", &mut o.jwt_audience, &mut tokens.audiences)?;
        way.value("jwt-algorithm", &mut o.jwt_algorithm, &mut tokens.algorithms)?;
        way.value("jwt-claim", &mut o.jwt_claim, &mut tokens.claim)?;
        way.value("jwt-create", &mut o.jwt_create, &mut tokens.create)?;
        let notify = &mut c.notify;
        way.maybe("push-contact", &mut o.push_contact, &mut notify.contact)?;
        way.value("webhook", &mut o.webhook, &mut notify.webhooks)?;
        way.maybe("webhook-secret-file", &mut o.webhook_secret_file, &mut notify.secrets)?;
        way.value("push-allow-private", &mut o.push_allow_private, &mut notify.allow_private)?;
        way.range("notify-attempts", &mut o.notify_attempts, &mut notify.attempts, 1..=100)?;
        way.range("notify-backoff", &mut o.notify_backoff, &mut notify.backoff, LEAST..=HOUR)?;
        way.value("limits", &mut o.limits, &mut c.limits)?;
        way.maybe("rate-limit", &mut o.rate_limit, &mut c.rate_limit)?;
        way.maybe("account-rate", &mut o.account_rate, &mut c.account_rate)?;
        way.maybe("guest-rate", &mut o.guest_rate, &mut c.guest_rate)?;
        way.range("max-text", &mut o.max_text, &mut house.max_text, 512..=1 << 20)?;
        way.range("max-rooms", &mut o.max_rooms, &mut house.max_rooms, 1..=100_000)?;
        command::logs(way, &mut o.logs, &mut c.server)
    }

    fn check(&self, typed: &Options) -> Result<(), ConfigError> {
        if !is_name(&self.house.name) {
            let reason = "write a host's name: letters, digits, hyphens, and a dot somewhere".to_owned();
            return Err(ConfigError::Value { name: "server-name", value: self.house.name.clone(), reason });
        }
        let shared = matches!(self.store, Kept::Postgres(_));
        let needing = [("bus", self.bus.is_some()), ("store-password-file", self.store_password.is_some())];
        command::useful(&needing, shared, "--store postgres://...")?;
        command::useful(&[("bus-credentials", self.bus_credentials.is_some())], self.bus.is_some(), "--bus")?;
        command::useful(&[("sts-duration", self.sts_duration.is_some())], !self.ircs.is_empty(), "--ircs")?;
        let (oper, secret) = (self.irc_oper.is_some(), self.irc_oper_password.is_some());
        command::useful(&[("irc-oper", oper)], secret, "--irc-oper-password-file")?;
        command::useful(&[("irc-oper-password-file", secret)], oper, "--irc-oper")?;
        let certificate = "--tls-cert or --tls-self-signed";
        command::useful(&[("ircs", !self.ircs.is_empty())], self.server.tls.is_on(), certificate)?;
        self.check_files(typed)?;
        self.check_tokens(typed)?;
        self.check_notices(typed)?;
        self.server.check_use(&typed.listening)
    }
}

/// The shortest wait before an attempt.
const LEAST: Duration = Duration::from_millis(10);

/// Messages are kept so long at least.
const SHORTEST: Duration = Duration::from_secs(60);

/// What options come to together.
impl Config {
    fn check_files(&self, typed: &Options) -> Result<(), ConfigError> {
        let sizes = [("max-file", typed.max_file.is_some()), ("max-uploads", typed.max_uploads.is_some())];
        command::useful(&sizes, self.files.place != Some(Place::Off), "files: --media is off")?;
        let wrong = |name, value: String, reason: &str| {
            Err(ConfigError::Value { name, value, reason: reason.to_owned() })
        };
        match self.retention.age {
            Some(age) if age < SHORTEST => {
                return wrong("retain-age", TimeSpan(age).to_string(), "the shortest time is 1m");
            }
            _ => {}
        }
        match &self.contact {
            Some(text) if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) => {
                wrong("contact", text.clone(), "write a line of at most 200 bytes")
            }
            _ => Ok(()),
        }
    }

    fn check_tokens(&self, typed: &Options) -> Result<(), ConfigError> {
        let Tokens { keys, issuers, audiences, algorithms, .. } = &self.tokens;
        let set = [
            ("jwt-issuer", !issuers.is_empty()),
            ("jwt-audience", !audiences.is_empty()),
            ("jwt-algorithm", typed.jwt_algorithm.is_some()),
            ("jwt-claim", typed.jwt_claim.is_some()),
            ("jwt-create", self.tokens.create),
        ];
        command::useful(&set, keys.is_some(), "--jwt-keys")?;
        let named = !issuers.is_empty() || !audiences.is_empty();
        command::useful(&[("jwt-keys", keys.is_some())], named, "--jwt-issuer or --jwt-audience")?;
        let unknown = |name: &&String| name.parse::<jsonwebtoken::Algorithm>().is_err();
        let wrong = if algorithms.is_empty() { Some("") } else { None };
        match wrong.or(algorithms.iter().find(unknown).map(String::as_str)) {
            Some(value) => {
                let reason = "write algorithms of JSON Web Tokens, such as ES256".to_owned();
                Err(ConfigError::Value { name: "jwt-algorithm", value: value.to_owned(), reason })
            }
            None => Ok(()),
        }
    }

    fn check_notices(&self, typed: &Options) -> Result<(), ConfigError> {
        let notify = &self.notify;
        let hooks = !notify.webhooks.is_empty();
        command::useful(&[("webhook-secret-file", notify.secrets.is_some())], hooks, "--webhook")?;
        command::useful(&[("webhook", hooks)], notify.secrets.is_some(), "--webhook-secret-file")?;
        let set = [
            ("push-allow-private", notify.allow_private),
            ("notify-attempts", typed.notify_attempts.is_some()),
            ("notify-backoff", typed.notify_backoff.is_some()),
        ];
        command::useful(&set, hooks || notify.contact.is_some(), "--push-contact or --webhook")?;
        let wrong = |name, value: &str, reason: String| {
            Err(ConfigError::Value { name, value: value.to_owned(), reason })
        };
        for url in &notify.webhooks {
            if let Err(error) = Endpoint::parse(url, notify.allow_private) {
                return wrong("webhook", url, error.to_string());
            }
        }
        // RFC 8292, section 2.1.
        match &notify.contact {
            Some(url) if !url.starts_with("mailto:") && !url.starts_with("https://") => {
                wrong("push-contact", url, "write mailto:ADDRESS, or https:// and a page".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// A name that IRC clients tell from a nick: it has a dot in it.
fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':');
    name.len() <= 63 && name.contains('.') && name.bytes().all(fits) && !name.starts_with(['.', ':', '-'])
}

impl Typed<Vec<RoomName>> for Vec<String> {
    fn hold(&self) -> Result<Vec<RoomName>, Unfit> {
        let room = |name: &String| name.parse().map_err(|error| Unfit::new(name.as_str(), error));
        self.iter().map(room).collect()
    }

    fn show(held: &Vec<RoomName>) -> Self {
        held.iter().map(|name| name.as_str().to_owned()).collect()
    }
}

/// `sqlite`, or the address of a PostgreSQL, which is shown without its password.
impl Typed<Kept> for String {
    fn hold(&self) -> Result<Kept, Unfit> {
        if self == SQLITE {
            return Ok(Kept::Sqlite);
        }
        let unfit = |error| Unfit::new(hidden(self), error);
        PostgresUrl::parse(self).map(|url| Kept::Postgres(Box::new(url))).map_err(unfit)
    }

    fn show(held: &Kept) -> Self {
        match held {
            Kept::Sqlite => SQLITE.to_owned(),
            Kept::Postgres(url) => url.shown(),
        }
    }
}

impl Typed<NatsUrl> for String {
    fn hold(&self) -> Result<NatsUrl, Unfit> {
        NatsUrl::parse(self).map_err(|error| Unfit::new(hidden(self), error))
    }

    fn show(held: &NatsUrl) -> Self {
        held.shown()
    }
}

/// `open`, `closed`, or codes.
impl Typed<Registration> for Vec<String> {
    fn hold(&self) -> Result<Registration, Unfit> {
        match self.as_slice() {
            [word] if word == "open" => Ok(Registration::Open),
            [word] if word == "closed" => Ok(Registration::Closed),
            codes
                if codes.is_empty()
                    || codes.iter().any(|code| matches!(code.as_str(), "open" | "closed" | "")) =>
            {
                Err(Unfit::new(codes.join(","), "write open, closed, or one or several codes"))
            }
            codes => Ok(Registration::Invited(codes.to_vec())),
        }
    }

    fn show(held: &Registration) -> Self {
        match held {
            Registration::Open => vec!["open".into()],
            Registration::Closed => vec!["closed".into()],
            Registration::Invited(codes) => codes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;
    use crate::server::command::{OptionSet, SHARED, names_every_option};

    fn load(line: &str) -> Result<Config, String> {
        let command = Args::with_defaults(<Args as clap::Args>::augment_args(clap::Command::new("serve")));
        let words = std::iter::once("serve").chain(line.split_whitespace());
        let matches = command.try_get_matches_from(words).map_err(|error| error.to_string())?;
        let args = Args::from_arg_matches(&matches).unwrap();
        Config::load(&args).map_err(|error| error.to_string())
    }

    #[test]
    fn options_arrive_where_they_belong() {
        let line = "--data /d --server-name irc.example --network Net --no-guests --no-guest-rooms --registration a \
                    --registration b --room #a --room #b --origin * --no-limits --max-text 4KiB --max-rooms 7 --irc 127.0.0.1:6667";
        let config = load(line).unwrap();
        assert_eq!(config.data, PathBuf::from("/d"));
        assert_eq!((config.house.name.as_str(), config.house.network.as_str()), ("irc.example", "Net"));
        assert!(!config.house.guests && !config.house.guests_open_rooms && !config.limits);
        assert_eq!(config.accounts.registration, Registration::Invited(vec!["a".into(), "b".into()]));
        assert_eq!(config.rooms, ["#a", "#b"].map(|name| name.parse().unwrap()));
        assert_eq!(config.origins, Origins::Any);
        assert_eq!(config.irc, ["127.0.0.1:6667".parse().unwrap()]);
        assert_eq!((config.house.max_text, config.house.max_rooms), (4096, 7));
        let config =
            load("--ircs :6697 --tls-self-signed --sts-duration 30d --irc-playback 7 --irc-rate 5/s")
                .unwrap();
        assert_eq!(config.sts_duration, Some("30d".parse().unwrap()));
        assert_eq!((config.irc_playback, config.irc_rate), (7, Some("5/s".parse().unwrap())));
        let config = load("--irc-password-file p --irc-oper root --irc-oper-password-file o").unwrap();
        assert_eq!((config.irc_password, config.irc_oper), (Some("p".into()), Some("root".to_owned())));
        assert_eq!(config.irc_oper_password, Some("o".into()));
        assert_eq!(load("").unwrap(), Config::default());
    }

    #[test]
    fn passwords_are_shown_to_nobody() {
        let line = "--store postgres://chat:hunter2@db/chat --store-password-file f --bus nats://u:hunter2@a,b --bus-credentials c";
        let config = load(line).unwrap();
        let Kept::Postgres(url) = &config.store else { panic!("{:?}", config.store) };
        assert!(url.has_password());
        assert_eq!(config.store_password, Some(PathBuf::from("f")));
        assert_eq!(config.bus_credentials, Some(PathBuf::from("c")));
        let text = config.to_toml().unwrap();
        assert!(text.contains("store = \"postgres://chat:***@db/chat\""), "{text}");
        assert!(text.contains("bus = \"nats://u:***@a,nats://b\""), "{text}");
        assert!(!text.contains("hunter2") && !format!("{config:?}").contains("hunter2"), "{text}");
        let error = load("--store postgres://chat:hunter2@db/chat?colour=red").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
        let error = load("--store sqlite --bus nats://u:hunter2@a,ws://b").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn files_tokens_and_notices() {
        let line = "--media s3://b/p --max-file 5MiB --max-uploads 1GiB --retain-age 365d --retain-size 10GiB --motd /m --contact ops@example.org \
                    --jwt-keys /k --jwt-issuer i --jwt-audience a --jwt-algorithm ES256 --jwt-claim sub --jwt-create \
                    --push-contact mailto:ops@example.org --webhook http://127.0.0.1:1/x --webhook-secret-file /s --push-allow-private \
                    --notify-attempts 3 --notify-backoff 50ms";
        let config = load(line).unwrap();
        let bucket = Place::Bucket("s3://b/p".parse().unwrap());
        assert_eq!(config.files, Files { place: Some(bucket), file: 5 << 20, bytes_a_day: 1 << 30 });
        let age = Some(Duration::from_secs(365 * 24 * 3600));
        assert_eq!(config.retention, Retention { age, bytes: Some(10 << 30) });
        assert_eq!((config.motd, config.contact), (Some("/m".into()), Some("ops@example.org".into())));
        let issuer = config.tokens.issuer().unwrap();
        assert_eq!((issuer.rules.issuers, issuer.rules.audiences), (vec!["i".into()], vec!["a".into()]));
        assert_eq!(
            (issuer.algorithms, issuer.claim, issuer.create),
            (vec!["ES256".into()], "sub".into(), true)
        );
        let expected = notify::Config {
            contact: Some("mailto:ops@example.org".into()),
            webhooks: vec!["http://127.0.0.1:1/x".into()],
            secrets: Some("/s".into()),
            allow_private: true,
            attempts: 3,
            backoff: Duration::from_millis(50),
        };
        assert_eq!(config.notify, expected);
        assert_eq!(load("").unwrap().tokens.issuer(), None);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (line, expected) in [
            ("--server-name chat", "--server-name"),
            ("--server-name .a", "--server-name"),
            ("--registration open --registration x", "--registration"),
            ("--room lobby", "--room"),
            ("--max-text 10", "--max-text"),
            ("--ircs 127.0.0.1:6697", "--ircs"),
            ("--store mysql://x", "--store"),
            ("--store postgres://nobody", "--store"),
            ("--bus nats://a", "--bus"),
            ("--store-password-file x", "--store-password-file"),
            ("--store postgres://a@b/c --bus http://a", "--bus"),
            ("--store postgres://a@b/c --bus-credentials x", "--bus-credentials"),
            ("--media s3://", "--media"),
            ("--media off --max-file 5MiB", "--max-file"),
            ("--max-file 5", "--max-file"),
            ("--retain-age 5s", "--retain-age"),
            ("--jwt-issuer i", "--jwt-issuer does nothing without --jwt-keys"),
            ("--jwt-keys /k", "--jwt-keys does nothing without --jwt-issuer or --jwt-audience"),
            ("--jwt-keys /k --jwt-issuer i --jwt-algorithm none", "--jwt-algorithm"),
            ("--webhook https://a.example/", "--webhook does nothing without --webhook-secret-file"),
            ("--webhook-secret-file /s", "--webhook-secret-file"),
            ("--webhook https://10.0.0.1/ --webhook-secret-file /s", "not public"),
            ("--webhook http://a.example/ --webhook-secret-file /s", "https"),
            ("--push-contact ops@example.org", "--push-contact"),
            ("--notify-attempts 3", "--notify-attempts does nothing without --push-contact or --webhook"),
            ("--push-allow-private", "--push-allow-private"),
            ("--irc 127.0.0.1:6667 --sts-duration 1d", "--sts-duration"),
            ("--irc-playback 100000", "--irc-playback"),
            ("--irc-oper a", "--irc-oper does nothing without --irc-oper-password-file"),
            ("--irc-oper-password-file f", "--irc-oper-password-file does nothing without --irc-oper"),
        ] {
            let error = load(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn a_printed_configuration_is_the_same() {
        let config = Config::default();
        let text = config.to_toml().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &text).unwrap();
        assert_eq!(load(&format!("--config {}", file.path().display())).unwrap(), config, "{text}");
    }

    #[test]
    fn the_manuals_name_every_option_and_its_default() {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("serve"));
        assert!(command.get_arguments().all(|arg| arg.get_help_heading().is_some()));
        let defaults = Config::default().shown().table().unwrap();
        let own = "chat-admin.md#What the server is started with";
        names_every_option(&command, &defaults, &[own, "chat-cluster.md", "chat-notify.md", SHARED]);
    }
}
