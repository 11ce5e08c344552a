//! A checked configuration of `wireworks share tracker`: plain data, every value in its range, every default filled in.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use super::args::{Args, Options};
use crate::net::addr::{ListenAddr, Prefixes};
use crate::proto::bittorrent::tracker::server::Limits;
use crate::server::command::{self, ConfigError, Configured, DAY, ServerConfig, Typed, Unfit, Way};
use crate::server::share::tracker::private;
use crate::server::units::TimeSpan;

/// Where the tracker listens unless told otherwise: on this machine only, at the port that trackers have.
pub const DEFAULT_LISTEN: ListenAddr =
    ListenAddr::Tcp(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 6969)));

/// The least time between announces that peers are told.
const LEAST: Duration = Duration::from_secs(1);

/// Where packets come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Udp {
    /// At the addresses of HTTP.
    Same,
    /// Nowhere.
    None,
    /// At these.
    At(Vec<ListenAddr>),
}

/// The configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What every server has.
    pub server: ServerConfig,
    /// Where packets come.
    pub udp: Udp,
    /// The file of torrents that are tracked; `None` for all.
    pub allow: Option<PathBuf>,
    /// Who may say which address it has.
    pub believe: Prefixes,
    /// What it takes. Its expiry is [`expiry`](Self::expiry); 0 requests a minute are any number.
    pub limits: Limits,
    /// After how long a silent peer is forgotten; `None` for one and a half intervals.
    pub expiry: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: ServerConfig::listening(DEFAULT_LISTEN),
            udp: Udp::Same,
            allow: None,
            believe: private(),
            limits: Limits::default(),
            expiry: None,
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

    /// What the tracker takes.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let Limits { interval, min_interval, requests_per_minute, .. } = self.limits;
        Limits {
            min_interval: min_interval.min(interval),
            expiry: self.expiry.unwrap_or(interval * 3 / 2),
            requests_per_minute: if requests_per_minute == 0 { u16::MAX } else { requests_per_minute },
            ..self.limits
        }
    }

    /// Who may say which address it has: also whoever may say who its client is.
    #[must_use]
    pub fn believed(&self) -> Prefixes {
        self.believe.clone().into_iter().chain(self.server.proxies.clone()).collect()
    }
}

impl Configured for Config {
    type Options = Options;

    fn command(&self) -> &'static str {
        "wireworks share tracker"
    }

    fn server(&mut self) -> &mut ServerConfig {
        &mut self.server
    }

    fn walk(way: Way, o: &mut Options, c: &mut Self) -> Result<(), ConfigError> {
        command::listening(way, &mut o.listening, &mut c.server)?;
        way.value("udp", &mut o.udp, &mut c.udp)?;
        way.maybe("allow", &mut o.allow, &mut c.allow)?;
        way.value("believe", &mut o.believe, &mut c.believe)?;
        peers(way, o, &mut c.limits)?;
        way.maybe("expiry", &mut o.expiry, &mut c.expiry)?;
        command::logs(way, &mut o.logs, &mut c.server)
    }

    fn check(&self, typed: &Options) -> Result<(), ConfigError> {
        let interval = self.limits.interval;
        if let Some(expiry) = self.expiry.filter(|expiry| !(interval..=DAY * 7).contains(expiry)) {
            return Err(range("expiry", expiry, interval, DAY * 7));
        }
        let least = typed.min_interval.map(|least| least.0);
        if let Some(least) = least.filter(|least| *least > interval) {
            return Err(range("min-interval", least, Duration::ZERO, interval));
        }
        self.server.check_use(&typed.listening)
    }
}

fn peers(way: Way, o: &mut Options, c: &mut Limits) -> Result<(), ConfigError> {
    way.range("numwant", &mut o.numwant, &mut c.numwant, 0..=MOST_TOLD)?;
    way.range("max-numwant", &mut o.max_numwant, &mut c.max_numwant, 0..=MOST_TOLD)?;
    way.range("full-scrape", &mut o.full_scrape, &mut c.full_scrape, 0..=MOST)?;
    way.range("interval", &mut o.interval, &mut c.interval, LEAST..=DAY)?;
    way.range("min-interval", &mut o.min_interval, &mut c.min_interval, Duration::ZERO..=DAY)?;
    let requests = &mut c.requests_per_minute;
    way.range("max-requests-per-minute", &mut o.max_requests_per_minute, requests, 0..=u16::MAX)?;
    let of_address = &mut c.peers_per_address;
    way.range("max-peers-per-address", &mut o.max_peers_per_address, of_address, 1..=MOST)?;
    let of_torrent = &mut c.peers_per_torrent;
    way.range("max-peers-per-torrent", &mut o.max_peers_per_torrent, of_torrent, 1..=MOST)?;
    way.range("max-peers", &mut o.max_peers, &mut c.peers, 1..=MOST)?;
    way.range("max-torrents", &mut o.max_torrents, &mut c.torrents, 1..=MOST)
}

/// Peers that one answer tells of at most: as many as clients take.
const MOST_TOLD: u32 = 2000;

/// Torrents and peers at most.
const MOST: usize = 100_000_000;

fn range(name: &'static str, value: Duration, least: Duration, most: Duration) -> ConfigError {
    let [value, least, most] = [value, least, most].map(|time| TimeSpan(time).to_string());
    ConfigError::Range { name, value, least, most }
}

/// `same` and `none` stand alone.
impl Typed<Udp> for Vec<String> {
    fn hold(&self) -> Result<Udp, Unfit> {
        let address = |text: &String| match text.parse() {
            Ok(address @ (ListenAddr::Tcp(_) | ListenAddr::Any(_))) => Ok(address),
            Ok(_) => Err(Unfit::new(text.as_str(), "packets come to ADDRESS:PORT or :PORT")),
            Err(_) if ["same", "none"].contains(&text.as_str()) => {
                Err(Unfit::new(text.as_str(), "it stands alone"))
            }
            Err(error) => Err(Unfit::new(text.as_str(), error)),
        };
        match self.as_slice() {
            [] => Ok(Udp::None),
            [one] if one == "same" => Ok(Udp::Same),
            [one] if one == "none" => Ok(Udp::None),
            all => all.iter().map(address).collect::<Result<_, _>>().map(Udp::At),
        }
    }

    fn show(held: &Udp) -> Self {
        match held {
            Udp::Same => vec!["same".to_owned()],
            Udp::None => vec!["none".to_owned()],
            Udp::At(all) => all.iter().map(ToString::to_string).collect(),
        }
    }
}
