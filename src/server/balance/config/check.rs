//! From what stands in the file to what it means, or to all that is wrong with it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use toml::Spanned;

use super::file::{self, File, Mode, SendProxy};
use super::{Config, Fault, Listener, Service, Tls, Upstream, hash_by};
use crate::net::client::Connector;
use crate::net::limits::ConnectionLimits;
use crate::net::resilience::pick::SlowStart;
use crate::net::tls::{CertPair, ClientAuth, ClientTls, ClientTlsConfig, Trust};
use crate::proto::balance::health;
use crate::proto::balance::route::{Condition, HostPattern, PathPattern, TextPattern};
use crate::server::balance::backend::{Dial, Setup};
use crate::server::balance::check::{HttpProbe, Probe};
use crate::server::balance::tcp::ProxyHeader;
use crate::server::balance::{gateway, tcp, upstream};

/// Backends of one upstream at most.
const MAX_BACKENDS: usize = 10_000;

/// What a check may take unless told otherwise.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the text of a file.
pub(super) fn config(text: &str) -> Result<Config, Vec<Fault>> {
    let mut checker = Checker { text, faults: Vec::new() };
    let file: File = match toml::from_str(text) {
        Ok(file) => file,
        Err(error) => {
            let at = error.span().unwrap_or(0..0);
            checker.fault(&at, error.message().lines().next().unwrap_or_default());
            return Err(checker.faults);
        }
    };
    let config = checker.file(&file);
    if checker.faults.is_empty() {
        return Ok(config);
    }
    checker.faults.sort_by_key(|fault| (fault.line, fault.column));
    Err(checker.faults)
}

struct Checker<'a> {
    text: &'a str,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn fault(&mut self, at: &Range<usize>, message: impl Into<String>) {
        let before = &self.text[..self.text.floor_char_boundary(at.start)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.faults.push(Fault { line, column, message: message.into() });
    }

    fn file(&mut self, file: &File) -> Config {
        let names: BTreeMap<&str, usize> =
            file.upstreams.keys().enumerate().map(|(number, name)| (&**name, number)).collect();
        if file.listeners.is_empty() {
            self.fault(&(0..0), "there is no [[listener]]");
        }
        let defaults = Config::default();
        Config {
            threads: file.process.threads.unwrap_or(defaults.threads),
            drain_timeout: file.process.drain_timeout.map_or(defaults.drain_timeout, |time| time.0),
            listeners: file.listeners.iter().map(|listener| self.listener(listener, &names)).collect(),
            upstreams: file.upstreams.iter().map(|(name, upstream)| self.upstream(name, upstream)).collect(),
        }
    }

    fn listener(&mut self, listener: &Spanned<file::Listener>, names: &BTreeMap<&str, usize>) -> Listener {
        let at = listener.span();
        let listener = listener.get_ref();
        let listen = listener.listen.get_ref().as_slice().to_vec();
        if listen.is_empty() {
            self.fault(&listener.listen.span(), "there is no address to listen on");
        }
        let mut limits = ConnectionLimits::default();
        limits.total = listener.max_connections.unwrap_or(limits.total);
        limits.per_address = listener.max_connections_per_address.unwrap_or(limits.per_address);
        let to = listener.to.as_ref().and_then(|to| self.named(to, names));
        let service = match listener.mode {
            Mode::Tcp => {
                if listener.to.is_none() {
                    self.fault(&at, "a listener for TCP says by `to` which upstream it is for");
                }
                if let Some(route) = listener.routes.first() {
                    self.fault(&route.span(), "routes are for requests: set mode = \"http\"");
                }
                let mut settings = tcp::Settings::default();
                settings.relay.idle = listener.idle_timeout.map_or(settings.relay.idle, |time| time.0);
                settings.proxy = listener.send_proxy.map(|version| match version {
                    SendProxy::V1 => ProxyHeader::V1,
                    SendProxy::V2 => ProxyHeader::V2,
                });
                Service::Tcp(to.unwrap_or(0), settings)
            }
            Mode::Http => {
                if listener.to.is_none() && listener.routes.is_empty() {
                    self.fault(
                        &at,
                        "a listener for HTTP has routes, or says by `to` which upstream it is for",
                    );
                }
                if listener.send_proxy.is_some() {
                    self.fault(&at, "send-proxy is for connections: set mode = \"tcp\"");
                }
                let mut routes: Vec<_> =
                    listener.routes.iter().map(|route| self.route(route.get_ref(), names)).collect();
                routes.extend(to.map(|to| (Condition::default(), to)));
                Service::Http(routes, listener.trusted_proxies.clone())
            }
        };
        let tls = listener.tls.as_ref().map(|tls| self.tls(tls, &at));
        Listener { listen, proxies: listener.proxy_protocol_from.clone(), limits, tls, service }
    }

    fn tls(&mut self, tls: &file::Tls, at: &Range<usize>) -> Tls {
        if tls.certificates.is_empty() && !tls.self_signed {
            self.fault(at, "TLS needs a certificate: [[listener.tls.certificates]], or self-signed = true");
        }
        let pairs = tls.certificates.iter();
        Tls {
            certificates: pairs
                .map(|pair| CertPair { cert: pair.cert.clone(), key: pair.key.clone() })
                .collect(),
            self_signed: tls.self_signed,
            client_auth: tls.client_ca.clone().map_or(ClientAuth::None, ClientAuth::Required),
        }
    }

    fn route(&mut self, route: &file::Route, names: &BTreeMap<&str, usize>) -> (Condition, usize) {
        let hosts = route.host.iter().flat_map(file::OneOrMany::as_slice);
        let mut condition =
            Condition { hosts: hosts.map(|host| HostPattern::new(host)).collect(), ..Condition::default() };
        if let Some(paths) = &route.path {
            for path in paths.get_ref().as_slice() {
                if !path.starts_with('/') || path.trim_end_matches('*').contains('*') {
                    self.fault(&paths.span(), format!("{path:?} is no path: /exact, or /prefix/*"));
                }
                condition.paths.push(PathPattern::new(path));
            }
        }
        if let Some(methods) = &route.method {
            for method in methods.get_ref().as_slice() {
                match Method::from_bytes(method.as_bytes()) {
                    Ok(method) => condition.methods.push(method),
                    Err(_) => self.fault(&methods.span(), format!("{method:?} is no method")),
                }
            }
        }
        let texts = |map: &BTreeMap<String, String>| {
            map.iter().map(|(name, text)| (name.clone(), TextPattern::new(text))).collect::<Vec<_>>()
        };
        condition.fields = texts(&route.header);
        condition.fields.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
        condition.query = texts(&route.query);
        (condition, self.named(&route.to, names).unwrap_or(0))
    }

    fn named(&mut self, name: &Spanned<String>, names: &BTreeMap<&str, usize>) -> Option<usize> {
        let found = names.get(name.get_ref().as_str()).copied();
        if found.is_none() {
            let message = format!("there is no [upstream.{}]", name.get_ref());
            self.fault(&name.span(), message);
        }
        found
    }

    fn upstream(&mut self, name: &str, upstream: &Spanned<file::Upstream>) -> Upstream {
        let at = upstream.span();
        let upstream = upstream.get_ref();
        let mut settings = upstream::Settings::default();
        if let Some(algorithm) = &upstream.algorithm {
            match algorithm.get_ref().parse() {
                Ok(known) => settings.algorithm = known,
                Err(error) => self.fault(&algorithm.span(), format!("{error}")),
            }
        }
        settings.connect_timeout = upstream.connect_timeout.map_or(settings.connect_timeout, |time| time.0);
        if let Some(retries) = upstream.retries {
            settings.retry.attempts = retries.saturating_add(1);
        }
        let mut gateway = gateway::Settings::default();
        gateway.timeouts.response =
            upstream.response_timeout.map_or(gateway.timeouts.response, |time| time.0);
        if let Some(bytes) = upstream.replay {
            gateway.replay = usize::try_from(bytes.0).unwrap_or(usize::MAX);
        }
        if let Some(hash) = &upstream.hash {
            match hash_by(hash.get_ref()) {
                Some(by) => gateway.hash = by,
                None => {
                    self.fault(&hash.span(), "a hash goes by source, path, header:NAME or cookie:NAME");
                }
            }
        }
        let dial = self.dial(upstream, &at);
        let (checks, probe) = match &upstream.check {
            None => (None, None),
            Some(check) => self.probe(check),
        };
        let slow_start = SlowStart {
            window: upstream.slow_start.map_or(Duration::ZERO, |time| time.0),
            ..SlowStart::DEFAULT
        };
        if upstream.backends.is_empty() || upstream.backends.len() > MAX_BACKENDS {
            self.fault(&at, format!("an upstream has 1 to {MAX_BACKENDS} backends"));
        }
        let mut backends: Vec<Setup> = Vec::new();
        for backend in &upstream.backends {
            let (address, weight, priority) = match backend.get_ref() {
                file::Backend::Address(address) => (address, 1, 0),
                file::Backend::Table(table) => {
                    let priority = table.priority.unwrap_or(u32::from(table.backup));
                    (&table.address, table.weight.unwrap_or(1), priority)
                }
            };
            match address.parse() {
                Ok(target) if backends.iter().any(|other| other.target == target) => {
                    self.fault(&backend.span(), format!("{address} is there twice"));
                }
                Ok(target) => backends.push(Setup {
                    weight,
                    priority,
                    dial: dial.clone(),
                    slow_start,
                    checks,
                    ..Setup::new(target)
                }),
                Err(error) => self.fault(&backend.span(), format!("{error}")),
            }
        }
        Upstream { name: name.into(), backends, settings, gateway, probe }
    }

    fn dial(&mut self, upstream: &file::Upstream, at: &Range<usize>) -> Dial {
        let mut dial = Dial::default();
        let Some(tls) = &upstream.tls else { return dial };
        if tls.name.parse::<IpAddr>().is_err()
            && rustls::pki_types::ServerName::try_from(tls.name.as_str()).is_err()
        {
            self.fault(at, format!("{:?} is no name of a server", tls.name));
        }
        let certificate = match (&tls.cert, &tls.key) {
            (Some(cert), Some(key)) => Some(CertPair { cert: cert.clone(), key: key.clone() }),
            (None, None) => None,
            _ => {
                self.fault(at, "a certificate has its key beside it: `cert` and `key`");
                None
            }
        };
        let trust = tls.ca.clone().map_or(Trust::System, Trust::SystemAnd);
        match ClientTls::new(&ClientTlsConfig { trust, certificate }) {
            Ok(client) => dial.connector = Connector::new().trusting(client),
            Err(error) => self.fault(at, format!("{error}")),
        }
        dial.tls = Some(Arc::from(&*tls.name));
        dial
    }

    fn probe(&mut self, check: &Spanned<file::Check>) -> (Option<health::Policy>, Option<(Probe, Duration)>) {
        let at = check.span();
        let check = check.get_ref();
        let defaults = health::Policy::DEFAULT;
        let interval = check.interval.map_or(defaults.interval, |time| time.0);
        let policy = health::Policy {
            interval,
            fast: check.fast_interval.map_or(defaults.fast.min(interval), |time| time.0),
            down: check.down_interval.map_or(interval, |time| time.0),
            rise: check.rise.unwrap_or(defaults.rise),
            fall: check.fall.unwrap_or(defaults.fall),
            ..defaults
        };
        let timeout = check.timeout.map_or(CHECK_TIMEOUT, |time| time.0);
        let probe = match &check.path {
            None => Probe::Connect,
            Some(path) => match HttpProbe::new(path, check.host.as_deref().unwrap_or("localhost")) {
                Ok(probe) => {
                    let statuses = check.status.unwrap_or((200, 399));
                    let body = check.body.clone().unwrap_or_default();
                    Probe::Http(probe.statuses(statuses).containing(body))
                }
                Err(error) => {
                    self.fault(&at, format!("{error}"));
                    Probe::Connect
                }
            },
        };
        (Some(policy), Some((probe, timeout)))
    }
}
