//! A checked configuration of `wireworks hls serve`: plain data, every value in its range, every default filled in.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use super::args::{Args, Options};
use crate::net::addr::ListenAddr;
use crate::server::command::{self, ConfigError, Configured, DAY, HOUR, ServerConfig, Typed, Unfit, Way};
use crate::server::hls::access::ViewerConfig;
use crate::server::hls::origin::{Ages, Input, Settings};
use crate::server::hls::vod::Format;
use crate::server::http::middleware::cors::Origins;

/// Where the server listens unless told otherwise: on this machine only.
pub const DEFAULT_LISTEN: ListenAddr =
    ListenAddr::Tcp(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8084)));

/// The least memory for segments: a few.
const LEAST_MEMORY: u64 = 1 << 20;

/// The configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What every server has.
    pub server: ServerConfig,
    /// What is served.
    pub origin: Settings,
    /// Pages that may play it.
    pub cors: Origins,
    /// Who may watch.
    pub viewers: ViewerConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: ServerConfig::listening(DEFAULT_LISTEN),
            origin: Settings::of(Vec::new()),
            cors: Origins::Any,
            viewers: ViewerConfig::default(),
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
        "wireworks hls serve"
    }

    fn server(&mut self) -> &mut ServerConfig {
        &mut self.server
    }

    fn walk(way: Way, o: &mut Options, c: &mut Self) -> Result<(), ConfigError> {
        way.value("input", &mut o.input, &mut c.origin.inputs)?;
        way.value("format", &mut o.format, &mut c.origin.format)?;
        way.range("segment", &mut o.segment, &mut c.origin.target, Duration::from_millis(500)..=HOUR)?;
        way.range("memory", &mut o.memory, &mut c.origin.memory, LEAST_MEMORY..=1 << 40)?;
        way.value("cors", &mut o.cors, &mut c.cors)?;
        let Ages { playlist, segment } = &mut c.origin.ages;
        way.range("playlist-age", &mut o.playlist_age, playlist, Duration::ZERO..=DAY)?;
        way.range("segment-age", &mut o.segment_age, segment, Duration::ZERO..=DAY * 366)?;
        ViewerConfig::walk(way, &mut o.viewers, &mut c.viewers)?;
        command::listening(way, &mut o.listening, &mut c.server)?;
        command::logs(way, &mut o.logs, &mut c.server)
    }

    fn check(&self, typed: &Options) -> Result<(), ConfigError> {
        self.server.check_use(&typed.listening)
    }
}

impl Typed<Vec<Input>> for Vec<String> {
    fn hold(&self) -> Result<Vec<Input>, Unfit> {
        let input = |text: &String| text.parse().map_err(|error| Unfit::new(text.as_str(), error));
        self.iter().map(input).collect()
    }

    fn show(held: &Vec<Input>) -> Self {
        held.iter().map(ToString::to_string).collect()
    }
}

impl Typed<Format> for String {
    fn hold(&self) -> Result<Format, Unfit> {
        match self.as_str() {
            "fmp4" => Ok(Format::Fmp4),
            "ts" => Ok(Format::Ts),
            _ => Err(Unfit::new(self.as_str(), "write fmp4 or ts")),
        }
    }

    fn show(held: &Format) -> Self {
        match held {
            Format::Fmp4 => "fmp4".to_owned(),
            Format::Ts => "ts".to_owned(),
        }
    }
}

/// `*` stands alone; origins are checked when the server is made.
impl Typed<Origins> for Vec<String> {
    fn hold(&self) -> Result<Origins, Unfit> {
        match self.as_slice() {
            [one] if one == "*" => Ok(Origins::Any),
            all if all.iter().any(|origin| origin == "*") => Err(Unfit::new("*", "it stands alone")),
            all => Ok(Origins::These(all.to_vec())),
        }
    }

    fn show(held: &Origins) -> Self {
        match held {
            Origins::Any => vec!["*".to_owned()],
            Origins::These(all) => all.clone(),
        }
    }
}
