//! `check` of an upstream: how its backends are checked.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::checker::Checker;
use crate::proto::balance::health;
use crate::server::balance::check::{Checks, HttpProbe, Probe};
use crate::server::units::TimeSpan;

/// What a check may take unless told otherwise.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// How backends are checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CheckTable {
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

impl Checker<'_> {
    pub(super) fn probe(&mut self, check: &Spanned<CheckTable>) -> (health::Policy, Checks) {
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
        (policy, Checks { probe, timeout })
    }
}
