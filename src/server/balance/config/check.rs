//! `check` and `agent` of an upstream: health checks and agent checks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::checker::Checker;
use super::file::{OneOrMany, Switch};
use super::listener::SendProxy;
use super::tls::UpstreamTlsTable;
use super::upstream::UpstreamTable;
use crate::proto::balance::health;
use crate::proto::balance::route::TextPattern;
use crate::proto::http::fields::Fields;
use crate::server::balance::agent::{self, AgentProbe};
use crate::server::balance::check::Checks;
use crate::server::balance::dial::Dial;
use crate::server::balance::probe::{Ask, HttpProbe, Probe, Talk};
use crate::server::balance::tcp::ProxyHeader;
use crate::server::units::TimeSpan;

/// The default timeout of a check, if the interval is not shorter.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// How backends are checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CheckTable {
    /// The target of an HTTP check.
    path: Option<Spanned<String>>,
    method: Option<Spanned<String>>,
    host: Option<String>,
    #[serde(default)]
    request_header: BTreeMap<String, Spanned<String>>,
    status: Option<Spanned<OneOrMany<StatusEntry>>>,
    #[serde(default)]
    header: BTreeMap<String, String>,
    body: Option<String>,
    /// The bytes of a check for any other protocol.
    send: Option<Spanned<String>>,
    expect: Option<Spanned<String>>,
    /// How to connect, if not like requests.
    tls: Option<Spanned<Switch<UpstreamTlsTable>>>,
    port: Option<Spanned<u16>>,
    send_proxy: Option<SendProxy>,
    interval: Option<TimeSpan>,
    fast_interval: Option<TimeSpan>,
    down_interval: Option<TimeSpan>,
    jitter: Option<Spanned<u8>>,
    timeout: Option<Spanned<TimeSpan>>,
    rise: Option<u32>,
    fall: Option<u32>,
    initial: Option<Initial>,
    grace: Option<TimeSpan>,
}

/// A status, or a range of them as text.
#[derive(Debug)]
enum StatusEntry {
    Code(u16),
    Range(String),
}

impl<'de> Deserialize<'de> for StatusEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusVisitor)
    }
}

struct StatusVisitor;

impl Visitor<'_> for StatusVisitor {
    type Value = StatusEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status such as 200, or a range such as \"200-299\"")
    }

    fn visit_i64<E: de::Error>(self, code: i64) -> Result<StatusEntry, E> {
        // One that does not fit is refused as 0 is.
        Ok(StatusEntry::Code(u16::try_from(code).unwrap_or(0)))
    }

    fn visit_str<E: de::Error>(self, range: &str) -> Result<StatusEntry, E> {
        Ok(StatusEntry::Range(range.into()))
    }
}

/// The state before the first check.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Initial {
    Up,
    Unknown,
    Down,
}

/// How agents are asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AgentTable {
    port: Spanned<u16>,
    send: Option<Spanned<String>>,
    interval: Option<Spanned<TimeSpan>>,
    timeout: Option<Spanned<TimeSpan>>,
}

impl Checker<'_> {
    /// The `check` of an upstream.
    pub(super) fn check(
        &mut self,
        check: &Spanned<CheckTable>,
        upstream: &UpstreamTable,
    ) -> (health::Policy, Checks) {
        let at = check.span();
        let check = check.get_ref();
        let defaults = health::Policy::DEFAULT;
        let interval = check.interval.map_or(defaults.interval, |time| time.0);
        let jitter = check.jitter.as_ref().map_or(defaults.jitter, |percent| *percent.get_ref());
        if let Some(percent) = check.jitter.as_ref().filter(|percent| *percent.get_ref() > 100) {
            self.fault(&percent.span(), "jitter is 0 to 100 percent");
        }
        let policy = health::Policy {
            interval,
            fast: check.fast_interval.map_or(defaults.fast.min(interval), |time| time.0),
            down: check.down_interval.map_or(interval, |time| time.0),
            rise: check.rise.unwrap_or(defaults.rise),
            fall: check.fall.unwrap_or(defaults.fall),
            jitter,
            initial: match check.initial {
                None | Some(Initial::Up) => health::Initial::Up,
                Some(Initial::Unknown) => health::Initial::Unknown,
                Some(Initial::Down) => health::Initial::Down,
            },
            grace: check.grace.map_or(Duration::ZERO, |time| time.0),
        };
        let timeout = self.timeout(check.timeout.as_ref(), interval);
        if check.port.as_ref().is_some_and(|port| *port.get_ref() == 0) {
            self.fault(&at, "port 0 is not allowed");
        }
        let probe = Probe {
            ask: self.ask(check, &at),
            dial: self.check_dial(check, upstream),
            port: check.port.as_ref().map(|port| *port.get_ref()),
            proxy: check.send_proxy.map(ProxyHeader::from),
        };
        (policy, Checks { probe, timeout })
    }

    /// The timeout of a check, which must end before the next.
    fn timeout(&mut self, given: Option<&Spanned<TimeSpan>>, interval: Duration) -> Duration {
        let Some(given) = given else { return CHECK_TIMEOUT.min(interval) };
        let timeout = given.get_ref().0;
        if timeout > interval || timeout.is_zero() {
            let message =
                format!("the timeout is more than 0 and at most the interval, which is {interval:?}");
            self.fault(&given.span(), message);
        }
        timeout
    }

    fn ask(&mut self, check: &CheckTable, at: &std::ops::Range<usize>) -> Ask {
        let http = check.method.is_some() || check.status.is_some() || check.body.is_some();
        let http = http || !check.header.is_empty() || !check.request_header.is_empty();
        match &check.path {
            Some(_) if check.send.is_some() || check.expect.is_some() => {
                self.fault(at, "set either `path`, for HTTP, or `send` and `expect`");
                Ask::Connect
            }
            Some(path) => self.http(check, path),
            None if http => {
                self.fault(
                    at,
                    "method, status, header, body and request-header need an HTTP check: set `path`",
                );
                Ask::Connect
            }
            None if check.send.is_none() && check.expect.is_none() => Ask::Connect,
            None => Ask::Talk(Talk {
                send: self.bytes(check.send.as_ref()),
                expect: self.bytes(check.expect.as_ref()),
            }),
        }
    }

    fn http(&mut self, check: &CheckTable, path: &Spanned<String>) -> Ask {
        let mut fields = Fields::new();
        for (name, value) in &check.request_header {
            match (HeaderName::try_from(name), HeaderValue::try_from(value.get_ref())) {
                (Ok(name), Ok(value)) => fields.append(name, value),
                _ => {
                    self.fault(
                        &value.span(),
                        format!("{name:?} or its value is not valid in a header field"),
                    );
                }
            }
        }
        let method = match &check.method {
            None => Method::GET,
            Some(method) => Method::from_bytes(method.get_ref().as_bytes()).unwrap_or_else(|_| {
                self.fault(&method.span(), format!("{:?} is not a method", method.get_ref()));
                Method::GET
            }),
        };
        let host = check.host.as_deref().unwrap_or("localhost");
        let probe = match HttpProbe::new(&method, path.get_ref(), host, &fields) {
            Ok(probe) => probe,
            Err(error) => {
                self.fault(&path.span(), format!("{error}"));
                return Ask::Connect;
            }
        };
        let expected = check.header.iter();
        let expected = expected.map(|(name, text)| (name.to_ascii_lowercase(), TextPattern::new(text)));
        let probe = probe.expecting(expected.collect()).containing(check.body.clone().unwrap_or_default());
        match &check.status {
            None => Ask::Http(probe),
            Some(statuses) => Ask::Http(probe.statuses(self.statuses(statuses))),
        }
    }

    fn statuses(&mut self, statuses: &Spanned<OneOrMany<StatusEntry>>) -> Vec<(u16, u16)> {
        let mut ranges = Vec::new();
        for entry in statuses.get_ref().as_slice() {
            let range = match entry {
                StatusEntry::Code(code) => Some((*code, *code)),
                StatusEntry::Range(text) => {
                    let (least, most) = text.split_once('-').unwrap_or((text, text));
                    least.trim().parse().ok().zip(most.trim().parse().ok())
                }
            };
            match range.filter(|(least, most)| least <= most && *least >= 100 && *most <= 599) {
                Some(range) => ranges.push(range),
                None => self.fault(&statuses.span(), "statuses are 200, \"200-299\", or a list of such"),
            }
        }
        ranges
    }

    /// How a check connects, if not like requests.
    fn check_dial(&mut self, check: &CheckTable, upstream: &UpstreamTable) -> Option<Arc<Dial>> {
        let choice = check.tls.as_ref()?;
        let dial = match choice.get_ref() {
            Switch::On if upstream.tls.is_some() => return None,
            Switch::Off => Dial::default(),
            Switch::On => {
                let Some(host) = &check.host else {
                    let message =
                        "TLS needs the name of the server: tls = { name = \"...\" }, or `host` of the check";
                    self.fault(&choice.span(), message);
                    return None;
                };
                self.tls_dial(&UpstreamTlsTable::named(host), &choice.span())
            }
            Switch::With(table) => self.tls_dial(table, &choice.span()),
        };
        Some(Arc::new(dial))
    }

    /// The `agent` of an upstream.
    pub(super) fn agent(&mut self, table: &AgentTable) -> AgentProbe {
        let AgentTable { port, send, interval, timeout } = table;
        if *port.get_ref() == 0 {
            self.fault(&port.span(), "port 0 is not allowed");
        }
        let every = interval.as_ref().map_or(agent::INTERVAL, |time| time.get_ref().0);
        if let Some(interval) = interval.as_ref().filter(|_| every < health::INTERVALS.0) {
            self.fault(&interval.span(), format!("the interval is at least {:?}", health::INTERVALS.0));
        }
        let timeout = self.timeout(timeout.as_ref(), every);
        AgentProbe { port: *port.get_ref(), send: self.bytes(send.as_ref()), interval: every, timeout }
    }

    fn bytes(&mut self, text: Option<&Spanned<String>>) -> Vec<u8> {
        let Some(text) = text else { return Vec::new() };
        unescaped(text.get_ref()).unwrap_or_else(|| {
            self.fault(&text.span(), "unknown escape: use \\n, \\r, \\t, \\0, \\\\ or \\xff");
            Vec::new()
        })
    }
}

/// Decodes the escapes of a text: `\n`, `\r`, `\t`, `\0`, `\\`, and `\xff` for any byte.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'0' => 0,
                b'\\' => b'\\',
                b'x' => {
                    let mut digit = || char::from(rest.next()?).to_digit(16);
                    let (high, low) = (digit()?, digit()?);
                    (high * 16 + low) as u8
                }
                _ => return None,
            },
            byte => byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn texts_stand_for_bytes() {
        for (text, bytes) in [
            ("PING\r\n", Some(&b"PING\r\n"[..])),
            (r"PING\r\n", Some(b"PING\r\n")),
            (r"\x00\xfF\0\t\\x", Some(b"\x00\xff\x00\t\\x")),
            ("é", Some("é".as_bytes())),
            (r"\", None),
            (r"\q", None),
            (r"\x1", None),
            (r"\xg0", None),
        ] {
            assert_eq!(unescaped(text).as_deref(), bytes, "{text:?}");
        }
    }

    fn upstream(lines: &str) -> Result<super::super::Upstream, String> {
        let text = format!(
            "[[listener]]\nlisten = \":1\"\nto = \"a\"\n[upstream.a]\nbackends = [\"b:1\"]\n{lines}\n"
        );
        let config = Config::parse(&text);
        config.map(|mut config| config.upstreams.remove(0)).map_err(|faults| format!("{faults:?}"))
    }

    #[test]
    fn whole_checks() {
        let checks = |text: &str| upstream(&format!("check = {{ {text} }}")).unwrap();
        let all = checks(
            "path = \"/health\", method = \"HEAD\", host = \"a.test\", request-header = { x-a = \"b\" }, status = [\"200-204\", 404], \
             header = { X-Ok = \"yes*\" }, body = \"fine\", tls = { name = \"a.test\" }, port = 9090, send-proxy = \"v2\", interval = \"5s\", \
             timeout = \"5s\", jitter = 0, initial = \"down\", grace = \"1m\", rise = 1, fall = 1, fast-interval = \"1s\", down-interval = \"9s\"",
        );
        let policy = all.backends[0].checks.unwrap();
        assert_eq!(
            (policy.initial, policy.grace, policy.jitter),
            (health::Initial::Down, Duration::from_secs(60), 0)
        );
        let Checks { probe, timeout } = all.settings.checks.unwrap();
        assert_eq!(
            (probe.port, probe.proxy, timeout),
            (Some(9090), Some(ProxyHeader::V2), Duration::from_secs(5))
        );
        assert!(probe.dial.is_some_and(|dial| dial.tls.is_some()));
        let talk = checks(r"send = 'PING\r\n', expect = '\x00'").settings.checks.unwrap().probe.ask;
        let Ask::Talk(talk) = talk else { panic!("{talk:?}") };
        assert_eq!(talk, Talk { send: b"PING\r\n".to_vec(), expect: vec![0] });
        let quick = checks("interval = \"500ms\"").settings.checks.unwrap();
        assert_eq!(quick.timeout, Duration::from_millis(500), "the default is no longer than the interval");
        let named = checks("tls = true, host = \"c.test\"").settings.checks.unwrap().probe.dial;
        assert_eq!(named.unwrap().tls.as_deref(), Some("c.test"));
        let agent =
            upstream("agent = { port = 9999, send = 'hi\\n', interval = \"1s\" }").unwrap().settings.agent;
        let agent = agent.unwrap();
        assert_eq!(
            (agent.port, &agent.send[..], agent.timeout),
            (9999, &b"hi\n"[..], Duration::from_secs(1))
        );
    }

    #[test]
    fn what_is_wrong_with_a_check() {
        for (lines, message) in [
            ("check = { interval = \"1s\", timeout = \"2s\" }", "at most the interval"),
            ("check = { timeout = \"0\" }", "more than 0"),
            ("check = { status = 200 }", "need an HTTP check"),
            ("check = { path = \"/\", send = \"x\" }", "set either `path`"),
            ("check = { path = \"x y\" }", "is not a valid request target"),
            ("check = { path = \"/\", method = \"\" }", "is not a method"),
            ("check = { path = \"/\", status = \"2xx\" }", "statuses are"),
            ("check = { path = \"/\", status = [299, \"300-200\"] }", "statuses are"),
            (
                "check = { path = \"/\", request-header = { \"a b\" = \"c\" } }",
                "is not valid in a header field",
            ),
            ("check = { send = '\\q' }", "unknown escape"),
            ("check = { tls = true }", "TLS needs the name"),
            ("check = { port = 0 }", "port 0 is not allowed"),
            ("check = { jitter = 101 }", "0 to 100 percent"),
            ("check = { initial = \"red\" }", "unknown variant"),
            ("agent = { port = 0 }", "port 0 is not allowed"),
            ("agent = { port = 1, interval = \"1ms\" }", "at least 10ms"),
            ("agent = { port = 1, timeout = \"1m\" }", "at most the interval"),
            ("agent = {}", "missing field `port`"),
        ] {
            let fault = upstream(lines).unwrap_err();
            assert!(fault.contains(message), "{lines}: {fault}");
        }
    }
}
