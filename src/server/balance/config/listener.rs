//! `[[listener]]`: where clients connect.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::access_log::AccessLogTable;
use super::acme::AcmeTable;
use super::auth::AuthTable;
use super::checker::Checker;
use super::file::{OneOrMany, Switch};
use super::guards::{CompressTable, CorsTable, GuardKeys, LimitsTable};
use super::page::ErrorPageTable;
use super::route::RouteTable;
use super::{HttpService, Listener, Route, Service, TcpService, Tls};
use crate::net::addr::{ListenAddr, Prefixes};
use crate::net::limits::ConnectionLimits;
use crate::net::tls::{CertPair, ClientAuth};
use crate::proto::http::forwarded::Tell;
use crate::server::balance::gateway::Tracing;
use crate::server::balance::tcp::{self, ProxyHeader};
use crate::server::units::{ByteSize, TimeSpan};

/// A listener.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ListenerTable {
    pub(super) listen: Spanned<OneOrMany<ListenAddr>>,
    #[serde(default)]
    pub(super) mode: Mode,
    #[serde(default)]
    pub(super) proxy_protocol_from: Prefixes,
    pub(super) max_connections: Option<usize>,
    pub(super) max_connections_per_address: Option<usize>,
    pub(super) access_log: Option<Spanned<AccessLogTable>>,
    /// HTTP mode only.
    pub(super) abort_on_close: Option<bool>,
    pub(super) tls: Option<TlsTable>,
    /// The upstream of requests that no route matches.
    pub(super) to: Option<Spanned<String>>,
    /// HTTP mode only.
    #[serde(default)]
    pub(super) trusted_proxies: Prefixes,
    pub(super) forwarded: Option<ForwardedBy>,
    pub(super) trace: Option<bool>,
    pub(super) trace_sample: Option<Spanned<f64>>,
    #[serde(default)]
    pub(super) error_page: Vec<ErrorPageTable>,
    #[serde(default, rename = "route")]
    pub(super) routes: Vec<Spanned<RouteTable>>,
    pub(super) limits: Option<Spanned<LimitsTable>>,
    pub(super) compress: Option<Switch<CompressTable>>,
    pub(super) timeout: Option<TimeSpan>,
    pub(super) cors: Option<Spanned<CorsTable>>,
    pub(super) security_headers: Option<Spanned<Switch<BTreeMap<String, String>>>>,
    pub(super) auth: Option<Spanned<AuthTable>>,
    /// TCP mode only.
    pub(super) send_proxy: Option<SendProxy>,
    /// Both modes.
    pub(super) idle_timeout: Option<TimeSpan>,
    /// HTTP mode, up to `keep-alive-requests`.
    pub(super) head_timeout: Option<TimeSpan>,
    pub(super) stall_timeout: Option<TimeSpan>,
    pub(super) min_rate: Option<ByteSize>,
    pub(super) max_header_size: Option<ByteSize>,
    pub(super) max_target_size: Option<ByteSize>,
    pub(super) max_headers: Option<usize>,
    pub(super) max_body_size: Option<ByteSize>,
    pub(super) keep_alive_requests: Option<u64>,
    pub(super) client_hello_timeout: Option<TimeSpan>,
}

/// The mode of a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// HTTP/1.1: each request is routed.
    #[default]
    Http,
    /// TCP, whatever the protocol: each connection is routed.
    Tcp,
}

/// The version of the PROXY header for backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SendProxy {
    V1,
    V2,
}

/// The fields that tell backends about the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ForwardedBy {
    XForwarded,
    Rfc7239,
    Both,
    None,
}

impl From<ForwardedBy> for Tell {
    fn from(fields: ForwardedBy) -> Self {
        match fields {
            ForwardedBy::XForwarded => Self::XForwarded,
            ForwardedBy::Rfc7239 => Self::Rfc7239,
            ForwardedBy::Both => Self::Both,
            ForwardedBy::None => Self::Nothing,
        }
    }
}

impl From<SendProxy> for ProxyHeader {
    fn from(version: SendProxy) -> Self {
        match version {
            SendProxy::V1 => Self::V1,
            SendProxy::V2 => Self::V2,
        }
    }
}

/// Certificates of a listener.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TlsTable {
    #[serde(default)]
    pub(super) certificates: Vec<Certificate>,
    #[serde(default)]
    pub(super) self_signed: bool,
    pub(super) client_ca: Option<PathBuf>,
    acme: Option<Spanned<AcmeTable>>,
}

/// A certificate, followed by its chain, and its key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Certificate {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

impl ListenerTable {
    fn guard_keys(&self) -> GuardKeys<'_> {
        GuardKeys {
            limits: self.limits.as_ref(),
            compress: self.compress.as_ref(),
            timeout: self.timeout,
            cors: self.cors.as_ref(),
            security_headers: self.security_headers.as_ref(),
            auth: self.auth.as_ref(),
        }
    }

    /// Whether there is a key that is for HTTP mode only.
    fn has_http_limits(&self) -> bool {
        self.head_timeout.is_some()
            || self.stall_timeout.is_some()
            || self.min_rate.is_some()
            || self.max_header_size.is_some()
            || self.max_target_size.is_some()
            || self.max_headers.is_some()
            || self.max_body_size.is_some()
            || self.keep_alive_requests.is_some()
    }
}

impl Checker<'_> {
    pub(super) fn listener(&mut self, listener: &Spanned<ListenerTable>) -> Listener {
        let at = listener.span();
        let listener = listener.get_ref();
        let listen = listener.listen.get_ref().as_slice().to_vec();
        if listen.is_empty() {
            self.fault(&listener.listen.span(), "listen needs at least one address");
        }
        let mut limits = ConnectionLimits::default();
        limits.total = listener.max_connections.unwrap_or(limits.total);
        limits.per_address = listener.max_connections_per_address.unwrap_or(limits.per_address);
        let to = listener.to.as_ref().map(|to| self.named(to));
        let service = match listener.mode {
            Mode::Tcp => {
                if listener.to.is_none() && listener.routes.is_empty() {
                    self.fault(&at, "a TCP listener needs `to` or routes");
                }
                if !self.guards(&listener.guard_keys(), &Prefixes::default()).is_empty() {
                    self.fault(&at, "limits, compress, timeout, cors, security-headers and auth are for HTTP: set mode = \"http\"");
                }
                if listener.has_http_limits() {
                    self.fault(
                        &at,
                        "of the limits on slow clients, TCP has only idle-timeout: set mode = \"http\"",
                    );
                }
                if listener.abort_on_close.is_some() {
                    self.fault(&at, "abort-on-close is for HTTP: set mode = \"http\"");
                }
                if !listener.routes.is_empty() && listener.tls.is_some() {
                    self.fault(&at, "TCP routes need TLS passthrough: remove `tls`, or the routes");
                }
                let mut settings = tcp::Settings::default();
                settings.relay.idle = listener.idle_timeout.map_or(settings.relay.idle, |time| time.0);
                settings.proxy = listener.send_proxy.map(ProxyHeader::from);
                settings.hello_timeout =
                    listener.client_hello_timeout.map_or(settings.hello_timeout, |time| time.0);
                let routes = listener.routes.iter().map(|route| self.tls_route(route)).collect();
                Service::Tcp(Box::new(TcpService { routes, to, settings }))
            }
            Mode::Http => {
                if listener.to.is_none() && listener.routes.is_empty() {
                    self.fault(&at, "an HTTP listener needs `to` or routes");
                }
                if listener.send_proxy.is_some() {
                    self.fault(&at, "send-proxy is for TCP: set mode = \"tcp\"");
                }
                let trusted = listener.trusted_proxies.clone();
                let guards = self.guards(&listener.guard_keys(), &trusted);
                let tell = listener.forwarded.map_or(Tell::default(), Tell::from);
                if listener.client_hello_timeout.is_some() {
                    self.fault(&at, "client-hello-timeout is for TCP: set mode = \"tcp\"");
                }
                let mut routes: Vec<_> = (1..)
                    .zip(&listener.routes)
                    .map(|(number, route)| {
                        self.place.1 = number;
                        self.route(route, tell, &trusted)
                    })
                    .collect();
                routes.extend(to.map(|to| Route::all_to(to, tell)));
                let settings = self.connections(listener, &at);
                let tracing = self.tracing(listener);
                let error_pages = self.error_pages(&listener.error_page);
                let service = HttpService { routes, trusted, guards, tracing, error_pages, settings };
                Service::Http(Box::new(service))
            }
        };
        let access_log = listener.access_log.as_ref().map(|log| self.access_log(log, listener.mode));
        if let (Mode::Tcp, Some(acme)) =
            (listener.mode, listener.tls.as_ref().and_then(|tls| tls.acme.as_ref()))
        {
            self.fault(&acme.span(), "acme is for requests: set mode = \"http\"");
        }
        if let Some(acme) =
            listener.tls.as_ref().filter(|tls| tls.client_ca.is_some()).and_then(|tls| tls.acme.as_ref())
        {
            self.fault(
                &acme.span(),
                "the authority of acme shows no certificate of a client, which client-ca wants",
            );
        }
        let tls = listener.tls.as_ref().map(|tls| self.tls(tls, &at));
        Listener { listen, access_log, proxies: listener.proxy_protocol_from.clone(), limits, tls, service }
    }

    fn tracing(&mut self, listener: &ListenerTable) -> Option<Tracing> {
        let on = listener.trace == Some(true);
        if let Some(sample) = &listener.trace_sample {
            if !on {
                self.fault(&sample.span(), "trace-sample needs trace = true");
            }
            if !(0.0..=1.0).contains(sample.get_ref()) {
                self.fault(&sample.span(), "trace-sample is from 0 to 1");
            }
        }
        on.then(|| Tracing { sample: listener.trace_sample.as_ref().map_or(0.0, |sample| *sample.get_ref()) })
    }

    fn tls(&mut self, tls: &TlsTable, at: &Range<usize>) -> Tls {
        if tls.certificates.is_empty() && !tls.self_signed && tls.acme.is_none() {
            self.fault(
                at,
                "TLS needs a certificate: [[listener.tls.certificates]], acme, or self-signed = true",
            );
        }
        let pairs = tls.certificates.iter();
        Tls {
            acme: tls.acme.as_ref().map(|acme| self.acme(acme)),
            certificates: pairs
                .map(|pair| CertPair { cert: pair.cert.clone(), key: pair.key.clone() })
                .collect(),
            self_signed: tls.self_signed,
            client_auth: tls.client_ca.clone().map_or(ClientAuth::None, ClientAuth::Required),
        }
    }
}
