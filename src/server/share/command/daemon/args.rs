//! What a user may type after `wireworks share daemon`: the command line, and the same options in a file.

use std::path::PathBuf;

use clap::Command;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::config::Config;
use crate::net::addr::ListenAddr;
use crate::server::command::{
    Configured, FileArgs, ListenOptions, LogOptions, OptionSet, merged, with_defaults,
};
use crate::server::credentials::Secret;
use crate::server::share::settings::Transport;
use crate::server::share::storage::Allocation;
use crate::server::units::ByteSize;

/// The command line of `wireworks share daemon`.
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
  wireworks share daemon                            the page is at http://127.0.0.1:9091/
  wireworks share daemon --data /srv/share --watch /srv/inbox
  wireworks share daemon --listen :9091 --basic-auth me:secret --tls-cert site.pem --tls-key site.key
  transmission-remote -l                            its front ends work with it

Limits, hours, ratios and the queue are set in the page or by the API, and kept in the folder of --data.
Signals: TERM and INT end it when its torrents are stopped, a second one at once; HUP reads certificates and the list of
addresses again and reopens the access log.";

const FILES: &str = "Files";
const WHO: &str = "Who gets in";
const PEERS: &str = "Peers";

impl Args {
    /// The command with the default of each option behind its help.
    #[must_use]
    pub fn with_defaults(command: Command) -> Command {
        with_defaults(command, &Config::default().shown())
    }
}

/// The options, as typed; in a file each has the same name without its dashes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, rename_all = "kebab-case")]
pub struct Options {
    /// Where to listen for people and programs, and how.
    #[command(flatten)]
    #[serde(skip)]
    pub listening: ListenOptions,

    /// The folder that its state is kept in; it is made if it is not there.
    #[arg(long, value_name = "DIR", help_heading = FILES)]
    pub data: Option<PathBuf>,
    /// The folder for files, unless a torrent says otherwise; 'files' in the folder of --data unless set.
    #[arg(long, value_name = "DIR", help_heading = FILES)]
    pub folder: Option<PathBuf>,
    /// Take the torrent files and links (NAME.magnet) that are put into this folder.
    #[arg(long, value_name = "DIR", help_heading = FILES)]
    pub watch: Option<PathBuf>,
    /// How files get their room.
    #[arg(long, value_name = "sparse|full", hide_possible_values = true, help_heading = FILES)]
    pub allocate: Option<Allocation>,
    /// Bytes that wait in memory until they are written.
    #[arg(long, value_name = "SIZE", help_heading = FILES)]
    pub cache: Option<ByteSize>,

    /// Ask for a name and password; a file has such lines.
    #[arg(long, value_name = "USER:PASSWORD|FILE", help_heading = WHO)]
    pub basic_auth: Option<Secret>,
    /// A name by which browsers may call it, beside addresses and localhost; repeatable. With --basic-auth any may.
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = WHO)]
    pub host: Option<Vec<String>>,

    /// Take connections of peers at this address; those that are made come from it, too, if it is a certain one.
    #[arg(long, value_name = "ADDR", help_heading = PEERS)]
    pub peer_listen: Option<ListenAddr>,
    /// Connections with peers at most.
    #[arg(long, value_name = "N", help_heading = PEERS)]
    pub max_peers: Option<usize>,
    /// Which connections are encrypted: none, those of peers who ask for it, all where the peer can, or all.
    #[arg(long, value_name = "refuse|allow|prefer|require", help_heading = PEERS)]
    pub encryption: Option<String>,
    /// What connections are made over.
    #[arg(long, value_name = "both|tcp|utp", hide_possible_values = true, help_heading = PEERS)]
    pub transport: Option<Transport>,
    /// Find no peers by the DHT, and be no node of it.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, help_heading = PEERS)]
    pub no_dht: Option<bool>,
    /// Enter the DHT by this node in place of the public ones; repeatable. A private address makes it a DHT of such.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', help_heading = PEERS)]
    pub dht_node: Option<Vec<String>>,
    /// Talk to no address of this file: ranges or prefixes, a line each, also as PeerGuardian and eMule have them.
    #[arg(long, value_name = "FILE", help_heading = PEERS)]
    pub ip_filter: Option<PathBuf>,

    /// What the server tells of itself.
    #[command(flatten)]
    #[serde(skip)]
    pub logs: LogOptions,
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
