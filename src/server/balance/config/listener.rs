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
use super::{HttpService, Listener, Route, Service, Tls};
use crate::net::addr::{ListenAddr, Prefixes};
use crate::net::limits::ConnectionLimits;
use crate::net::tls::{self, CertPair, ClientAuth, TlsConfig};
use crate::proto::http::forwarded::Tell;
use crate::server::balance::gateway::Tracing;
use crate::server::balance::tcp::ProxyHeader;
use crate::server::options::TLS_HANDSHAKE_TIMEOUT;
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
    /// TCP mode only.
    pub(super) client_hello_timeout: Option<TimeSpan>,
    pub(super) half_closed_timeout: Option<TimeSpan>,
    /// Both modes.
    pub(super) handshake_timeout: Option<TimeSpan>,
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
    pub(super) certificates: Vec<Spanned<Certificate>>,
    #[serde(default)]
    pub(super) self_signed: bool,
    pub(super) client_ca: Option<Spanned<PathBuf>>,
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
            Mode::Tcp => Service::Tcp(Box::new(self.tcp_service(listener, &at, to))),
            Mode::Http => Service::Http(Box::new(self.http_service(listener, &at, to))),
        };
        let mut handshake_timeout = TLS_HANDSHAKE_TIMEOUT;
        self.wait("handshake-timeout", listener.handshake_timeout, &mut handshake_timeout, &at);
        let shakes =
            listener.tls.is_some() || listener.mode == Mode::Tcp && !listener.proxy_protocol_from.is_empty();
        if listener.handshake_timeout.is_some() && !shakes {
            self.fault(&at, "handshake-timeout needs `tls`, or in TCP mode proxy-protocol-from");
        }
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
        let proxies = listener.proxy_protocol_from.clone();
        Listener { listen, access_log, proxies, limits, tls, handshake_timeout, service }
    }

    /// What a listener in HTTP mode serves. `to`: the upstream of what no route matches.
    fn http_service(
        &mut self,
        listener: &ListenerTable,
        at: &Range<usize>,
        to: Option<String>,
    ) -> HttpService {
        if listener.to.is_none() && listener.routes.is_empty() {
            self.fault(at, "an HTTP listener needs `to` or routes");
        }
        for (key, given) in [
            ("send-proxy", listener.send_proxy.is_some()),
            ("client-hello-timeout", listener.client_hello_timeout.is_some()),
            ("half-closed-timeout", listener.half_closed_timeout.is_some()),
        ] {
            if given {
                self.fault(at, format!("{key} is for TCP: set mode = \"tcp\""));
            }
        }
        self.authenticated = listener.auth.is_some();
        let trusted = listener.trusted_proxies.clone();
        let guards = self.guards(&listener.guard_keys(), &trusted);
        let tell = listener.forwarded.map_or(Tell::default(), Tell::from);
        let mut routes: Vec<_> = (1..)
            .zip(&listener.routes)
            .map(|(number, route)| {
                self.place.1 = number;
                self.route(route, tell, &trusted)
            })
            .collect();
        routes.extend(to.map(|to| Route::all_to(to, tell)));
        let settings = self.connections(listener, at);
        let tracing = self.tracing(listener);
        let error_pages = self.error_pages(&listener.error_page);
        HttpService { routes, trusted, guards, tracing, error_pages, settings }
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
        let mut certificates = Vec::new();
        for given in &tls.certificates {
            let Certificate { cert, key } = given.get_ref();
            let pair = CertPair { cert: cert.clone(), key: key.clone() };
            certificates.push(pair.clone());
            self.readable(TlsConfig { certificates: vec![pair], ..TlsConfig::default() }, &given.span());
        }
        let client_auth = match &tls.client_ca {
            None => ClientAuth::None,
            Some(ca) => {
                let client_auth = ClientAuth::Required(ca.get_ref().clone());
                // With a certificate that has no file, so that a fault is one of the authority's.
                let config = TlsConfig { self_signed: true, client_auth, ..TlsConfig::default() };
                // With `acme` there can be none, which was said already.
                if tls.acme.is_none() {
                    self.readable(config.clone(), &ca.span());
                }
                config.client_auth
            }
        };
        let acme = tls.acme.as_ref().map(|acme| self.acme(acme));
        Tls { acme, certificates, self_signed: tls.self_signed, client_auth }
    }

    /// Reads the files of a part of the TLS of a listener, as the start will.
    fn readable(&mut self, config: TlsConfig, at: &Range<usize>) {
        if let Err(error) = tls::Tls::new(config) {
            self.fault(at, error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn what_the_start_would_not_take_is_found_by_the_check() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        for name in ["a", "b"] {
            let made = rcgen::generate_simple_self_signed([format!("{name}.test")]).unwrap();
            std::fs::write(file(&format!("{name}.pem")), made.cert.pem()).unwrap();
            std::fs::write(file(&format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
        }
        std::fs::write(file("junk"), "junk").unwrap();
        let parse = |tls: &str| {
            let tls = tls.replace("DIR", folder.path().to_str().unwrap_or_default());
            let text = format!(
                "[[listener]]\nlisten = \":1\"\nto = \"a\"\n[listener.tls]\n{tls}\n[upstream.a]\nbackends = [\"b:1\"]\n"
            );
            let faults = Config::parse(&text).err().unwrap_or_default();
            let told =
                |fault: super::super::Fault| format!("{}:{} {}", fault.line, fault.column, fault.message);
            faults.into_iter().map(told).collect::<Vec<_>>()
        };
        let pair = |cert: &str, key: &str| format!("{{ cert = \"DIR/{cert}\", key = \"DIR/{key}\" }}");
        let good = pair("a.pem", "a.key");
        assert_eq!(parse(&format!("certificates = [{good}]\nclient-ca = \"DIR/b.pem\"")), [""; 0]);
        for (tls, place, message) in [
            (format!("certificates = [{}]", pair("none.pem", "a.key")), "5:17 ", "cannot read "),
            (format!("certificates = [\n{good},\n{}]", pair("b.pem", "a.key")), "7:1 ", "does not belong to"),
            (format!("certificates = [{}]", pair("junk", "a.key")), "5:17 ", "has no certificate"),
            (format!("certificates = [{}]", pair("a.pem", "junk")), "5:17 ", "has no private key"),
            (format!("certificates = [{good}]\nclient-ca = \"DIR/junk\""), "6:13 ", "has no certificate"),
            ("self-signed = true\nclient-ca = \"DIR/none\"".to_owned(), "6:13 ", "cannot read "),
        ] {
            let faults = parse(&tls);
            let [fault] = &faults[..] else { panic!("{tls}: {faults:?}") };
            assert!(fault.starts_with(place) && fault.contains(message), "{tls}: {fault}");
        }
    }

    #[test]
    fn an_address_is_listened_on_once() {
        let upstream = "[upstream.a]\nbackends = [\"b:1\"]\n";
        for (addresses, expected) in [
            ([":1", ":2"], None),
            (["127.0.0.1:0", "127.0.0.1:0"], None),
            (["127.0.0.1:1", "127.0.0.2:1"], None),
            ([":1", ":1"], Some((5, 10))),
            (["127.0.0.1:1", "127.0.0.1:1"], Some((5, 10))),
            (["unix:/run/a", "unix:/run/a"], Some((5, 10))),
        ] {
            let listeners =
                addresses.map(|listen| format!("[[listener]]\nlisten = \"{listen}\"\nto = \"a\"\n"));
            let faults = Config::parse(&(listeners.concat() + upstream)).err().unwrap_or_default();
            let places: Vec<_> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
            assert_eq!(places, Vec::from_iter(expected), "{addresses:?}: {faults:?}");
        }
        for text in [
            "[[listener]]\nlisten = [\":1\", \":1\"]\nto = \"a\"\n",
            "[admin]\nlisten = \":1\"\n[[listener]]\nlisten = \":1\"\nto = \"a\"\n",
        ] {
            let faults = Config::parse(&(text.to_owned() + upstream)).unwrap_err();
            assert!(faults[0].message.ends_with(":1 is listened on twice"), "{text}: {faults:?}");
        }
    }
}
