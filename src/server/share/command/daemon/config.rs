//! A checked configuration of `wireworks share daemon`: plain data, every value in its range, every default filled in.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use super::args::{Args, Options};
use crate::net::addr::ListenAddr;
use crate::proto::bittorrent::mse::Policy;
use crate::server::command::{self, ConfigError, Configured, ServerConfig, Typed, Unfit, Way};
use crate::server::credentials::Secret;
use crate::server::share::command::options::policy;
use crate::server::share::settings::{Settings, Transport};
use crate::server::share::storage::Allocation;

/// Where it listens for people and programs unless told otherwise: on this machine only, at the port where Transmission's front ends look.
pub const DEFAULT_LISTEN: ListenAddr =
    ListenAddr::Tcp(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9091)));

/// The folder that its state is kept in unless told otherwise.
pub const DEFAULT_DATA: &str = "share";

/// Where peers connect unless told otherwise.
const PEER_LISTEN: ListenAddr = ListenAddr::Any(6881);

/// Connections with peers at most.
const MOST: usize = 1_000_000;

/// The configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What every server has.
    pub server: ServerConfig,
    /// The folder that its state is kept in.
    pub data: PathBuf,
    /// The folder for files; `None` for `files` in that.
    pub folder: Option<PathBuf>,
    /// The folder that is watched.
    pub watch: Option<PathBuf>,
    /// Who gets in: `USER:PASSWORD`, or a file of such lines. `None` for everybody.
    pub basic_auth: Option<Secret>,
    /// Names by which browsers may call it.
    pub host: Vec<String>,
    /// The file of addresses that are not talked to.
    pub ip_filter: Option<PathBuf>,
    /// How peers are talked to.
    pub peers: Peers,
}

/// How peers are talked to.
#[derive(Clone, Debug, PartialEq)]
pub struct Peers {
    /// Where they connect.
    pub listen: ListenAddr,
    /// Connections at most.
    pub most: usize,
    /// Which connections are encrypted.
    pub encryption: Policy,
    /// What connections are made over.
    pub transport: Transport,
    /// Whether there is no DHT.
    pub no_dht: bool,
    /// The nodes that the DHT is entered by; the public ones if there are none.
    pub dht_node: Vec<String>,
    /// How files get their room.
    pub allocate: Allocation,
    /// Bytes that wait in memory until they are written.
    pub cache: usize,
}

impl Default for Config {
    fn default() -> Self {
        let defaults = Settings::default();
        Self {
            server: ServerConfig::listening(DEFAULT_LISTEN),
            data: PathBuf::from(DEFAULT_DATA),
            folder: None,
            watch: None,
            basic_auth: None,
            host: Vec::new(),
            ip_filter: None,
            peers: Peers {
                listen: PEER_LISTEN,
                most: defaults.connections,
                encryption: defaults.encryption,
                transport: defaults.transport,
                no_dht: false,
                dht_node: Vec::new(),
                allocate: defaults.allocation,
                cache: defaults.cache,
            },
        }
    }
}

impl Peers {
    /// The settings of a client.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let defaults = Settings::default();
        Settings {
            listen: self.listen.clone(),
            connections: self.most,
            cache: self.cache,
            allocation: self.allocate,
            encryption: self.encryption,
            transport: self.transport,
            dht: match (self.no_dht, self.dht_node.is_empty()) {
                (true, _) => None,
                (false, true) => defaults.dht.clone(),
                (false, false) => Some(self.dht_node.clone()),
            },
            ..defaults
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
        "wireworks share daemon"
    }

    fn server(&mut self) -> &mut ServerConfig {
        &mut self.server
    }

    fn walk(way: Way, o: &mut Options, c: &mut Self) -> Result<(), ConfigError> {
        command::listening(way, &mut o.listening, &mut c.server)?;
        way.value("data", &mut o.data, &mut c.data)?;
        way.maybe("folder", &mut o.folder, &mut c.folder)?;
        way.maybe("watch", &mut o.watch, &mut c.watch)?;
        way.maybe("basic-auth", &mut o.basic_auth, &mut c.basic_auth)?;
        way.value("host", &mut o.host, &mut c.host)?;
        way.maybe("ip-filter", &mut o.ip_filter, &mut c.ip_filter)?;
        let peers = &mut c.peers;
        way.value("allocate", &mut o.allocate, &mut peers.allocate)?;
        way.value("cache", &mut o.cache, &mut peers.cache)?;
        way.value("peer-listen", &mut o.peer_listen, &mut peers.listen)?;
        way.range("max-peers", &mut o.max_peers, &mut peers.most, 1..=MOST)?;
        way.value("encryption", &mut o.encryption, &mut peers.encryption)?;
        way.value("transport", &mut o.transport, &mut peers.transport)?;
        way.value("no-dht", &mut o.no_dht, &mut peers.no_dht)?;
        way.value("dht-node", &mut o.dht_node, &mut peers.dht_node)?;
        command::logs(way, &mut o.logs, &mut c.server)
    }

    fn check(&self, typed: &Options) -> Result<(), ConfigError> {
        let nodes = typed.dht_node.as_ref().is_some_and(|nodes| !nodes.is_empty());
        command::useful(&[("dht-node", nodes)], !self.peers.no_dht, "the DHT, which --no-dht leaves out")?;
        let names = typed.host.as_ref().is_some_and(|names| !names.is_empty());
        command::useful(
            &[("host", names)],
            self.basic_auth.is_none(),
            "a server that asks nobody: leave --basic-auth out",
        )?;
        self.server.check_use(&typed.listening)
    }
}

/// As the other commands have it.
impl Typed<Policy> for String {
    fn hold(&self) -> Result<Policy, Unfit> {
        policy(self).map_err(|reason| Unfit::new(self.as_str(), reason))
    }

    fn show(held: &Policy) -> Self {
        match held {
            Policy::Refuse => "refuse",
            Policy::Allow => "allow",
            Policy::Prefer => "prefer",
            Policy::Require => "require",
        }
        .to_owned()
    }
}
