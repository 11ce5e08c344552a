//! A checked configuration of `wireworks chat serve`: plain data, every value in its range, every default filled in.

use std::path::PathBuf;

use super::args::{Args, Options};
use crate::net::addr::ListenAddr;
use crate::proto::chat::name::RoomName;
use crate::proto::ws::handshake::server::Origins;
use crate::server::chat::accounts::config::{self as accounts, Registration};
use crate::server::chat::house::settings::Settings;
use crate::server::chat::irc;
use crate::server::chat::store::history::MAX_PAGE;
use crate::server::command::{self, ConfigError, Configured, ServerConfig, Typed, Unfit, Way};
use crate::server::units::{Frequency, TimeSpan};

/// Where it listens when nobody says.
pub const DEFAULT_LISTEN: ListenAddr =
    ListenAddr::Tcp(std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8082));

/// The folder where all is kept when nobody says.
pub const DEFAULT_DATA: &str = "wireworks-chat";

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
    /// How many lines an IRC client may send, if not the default.
    pub irc_rate: Option<Frequency>,
    /// The folder where all is kept.
    pub data: PathBuf,
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
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: ServerConfig::listening(DEFAULT_LISTEN),
            irc: Vec::new(),
            ircs: Vec::new(),
            sts_duration: None,
            irc_playback: irc::Settings::default().playback,
            irc_rate: None,
            data: PathBuf::from(DEFAULT_DATA),
            house: Settings::default(),
            accounts: accounts::Config::default(),
            rooms: Vec::new(),
            origins: Origins::Same,
            limits: true,
            rate_limit: "20/s".parse().ok(),
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
        way.maybe("irc-rate", &mut o.irc_rate, &mut c.irc_rate)?;
        way.value("data", &mut o.data, &mut c.data)?;
        let house = &mut c.house;
        way.value("server-name", &mut o.server_name, &mut house.name)?;
        way.value("network", &mut o.network, &mut house.network)?;
        way.value("guests", &mut o.guests, &mut house.guests)?;
        way.value("guest-rooms", &mut o.guest_rooms, &mut house.guests_open_rooms)?;
        way.value("registration", &mut o.registration, &mut c.accounts.registration)?;
        way.value("room", &mut o.room, &mut c.rooms)?;
        way.value("origin", &mut o.origin, &mut c.origins)?;
        way.value("limits", &mut o.limits, &mut c.limits)?;
        way.maybe("rate-limit", &mut o.rate_limit, &mut c.rate_limit)?;
        way.range("max-text", &mut o.max_text, &mut house.max_text, 512..=1 << 20)?;
        way.range("max-rooms", &mut o.max_rooms, &mut house.max_rooms, 1..=100_000)?;
        command::logs(way, &mut o.logs, &mut c.server)
    }

    fn check(&self, typed: &Options) -> Result<(), ConfigError> {
        if !is_name(&self.house.name) {
            let reason = "write a host's name: letters, digits, hyphens, and a dot somewhere".to_owned();
            return Err(ConfigError::Value { name: "server-name", value: self.house.name.clone(), reason });
        }
        command::useful(&[("sts-duration", self.sts_duration.is_some())], !self.ircs.is_empty(), "--ircs")?;
        let certificate = "--tls-cert or --tls-self-signed";
        command::useful(&[("ircs", !self.ircs.is_empty())], self.server.tls.is_on(), certificate)?;
        self.server.check_use(&typed.listening)
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
        assert_eq!(load("").unwrap(), Config::default());
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
            ("--irc 127.0.0.1:6667 --sts-duration 1d", "--sts-duration"),
            ("--irc-playback 100000", "--irc-playback"),
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
}
