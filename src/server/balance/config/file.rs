//! The configuration as it stands in the file: TOML, each value where it can be found again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use crate::net::addr::{ListenAddr, Prefixes};
use crate::server::units::{ByteSize, TimeSpan};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct File {
    pub(super) process: Process,
    #[serde(rename = "listener")]
    pub(super) listeners: Vec<Spanned<Listener>>,
    #[serde(rename = "upstream")]
    pub(super) upstreams: BTreeMap<String, Spanned<Upstream>>,
}

/// What the whole process has.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Process {
    pub(super) threads: Option<usize>,
    pub(super) drain_timeout: Option<TimeSpan>,
}

/// Where clients come in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Listener {
    pub(super) listen: Spanned<OneOrMany<ListenAddr>>,
    #[serde(default)]
    pub(super) mode: Mode,
    #[serde(default)]
    pub(super) proxy_protocol_from: Prefixes,
    pub(super) max_connections: Option<usize>,
    pub(super) max_connections_per_address: Option<usize>,
    pub(super) tls: Option<Tls>,
    /// The upstream of what no route takes.
    pub(super) to: Option<Spanned<String>>,
    /// Of HTTP.
    #[serde(default)]
    pub(super) trusted_proxies: Prefixes,
    #[serde(default, rename = "route")]
    pub(super) routes: Vec<Spanned<Route>>,
    /// Of TCP.
    pub(super) send_proxy: Option<SendProxy>,
    pub(super) idle_timeout: Option<TimeSpan>,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// HTTP/1.1: each request goes its own way.
    #[default]
    Http,
    /// Anything over TCP: a connection goes one way as a whole.
    Tcp,
}

/// The header that backends get in front of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SendProxy {
    V1,
    V2,
}

/// Certificates of a listener.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Tls {
    #[serde(default)]
    pub(super) certificates: Vec<Certificate>,
    #[serde(default)]
    pub(super) self_signed: bool,
    pub(super) client_ca: Option<PathBuf>,
}

/// A certificate, followed by its chain, and its key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Certificate {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

/// A route of a listener for HTTP.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Route {
    pub(super) host: Option<OneOrMany<String>>,
    pub(super) path: Option<Spanned<OneOrMany<String>>>,
    pub(super) method: Option<Spanned<OneOrMany<String>>>,
    #[serde(default)]
    pub(super) header: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) query: BTreeMap<String, String>,
    pub(super) to: Spanned<String>,
}

/// Backends that are alike.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Upstream {
    pub(super) algorithm: Option<Spanned<String>>,
    pub(super) hash: Option<Spanned<String>>,
    pub(super) backends: Vec<Spanned<Backend>>,
    pub(super) check: Option<Spanned<Check>>,
    pub(super) tls: Option<UpstreamTls>,
    pub(super) connect_timeout: Option<TimeSpan>,
    pub(super) response_timeout: Option<TimeSpan>,
    pub(super) retries: Option<u32>,
    pub(super) replay: Option<ByteSize>,
    pub(super) slow_start: Option<TimeSpan>,
}

/// A backend: its address, or a table with more.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Backend {
    Address(String),
    Table(BackendTable),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BackendTable {
    pub(super) address: String,
    pub(super) weight: Option<u32>,
    #[serde(default)]
    pub(super) backup: bool,
    pub(super) priority: Option<u32>,
}

/// How backends are checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Check {
    /// Ask for this by HTTP; without it, only connect.
    pub(super) path: Option<String>,
    pub(super) host: Option<String>,
    pub(super) status: Option<(u16, u16)>,
    pub(super) body: Option<String>,
    pub(super) interval: Option<TimeSpan>,
    pub(super) fast_interval: Option<TimeSpan>,
    pub(super) down_interval: Option<TimeSpan>,
    pub(super) timeout: Option<TimeSpan>,
    pub(super) rise: Option<u32>,
    pub(super) fall: Option<u32>,
}

/// TLS to backends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UpstreamTls {
    /// The name in their certificate.
    pub(super) name: String,
    /// Who vouches for them, if that is nobody whom the system trusts.
    pub(super) ca: Option<PathBuf>,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

/// A value, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}
