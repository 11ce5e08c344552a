//! The table between options and configuration: a row an option, walked both ways.
//!
//! Walked one way it puts what a user set into a configuration, and checks it; the other way it shows a configuration as options. So
//! what is printed is what is read, and a range stands beside the value that it bounds. The rows here are those that every server has.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::config::ServerConfig;
use super::error::ConfigError;
use super::options::{ListenOptions, LogOptions};
use crate::net::addr::Prefixes;
use crate::net::clock::TICK;
use crate::server::lines::Target;
use crate::server::units::{ByteSize, TimeSpan};

/// Which way the table is walked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Way {
    /// From options to the configuration.
    Read,
    /// From the configuration to options.
    Show,
}

/// Where a server listens, and how.
pub(in crate::server) fn listening(
    way: Way,
    o: &mut ListenOptions,
    c: &mut ServerConfig,
) -> Result<(), ConfigError> {
    way.value("listen", &mut o.listen, &mut c.listen)?;
    way.value("proxy-protocol-from", &mut o.proxy_protocol_from, &mut c.proxies)?;
    let limits = &mut c.connections;
    way.range("max-connections", &mut o.max_connections, &mut limits.total, 0..=10_000_000)?;
    way.range(
        "max-connections-per-address",
        &mut o.max_connections_per_address,
        &mut limits.per_address,
        0..=10_000_000,
    )?;
    way.range("threads", &mut o.threads, &mut c.threads, 1..=1024)?;
    way.value("threading", &mut o.threading, &mut c.threading)?;
    way.range("drain-timeout", &mut o.drain_timeout, &mut c.drain_timeout, Duration::ZERO..=DAY)?;
    way.value("tls-cert", &mut o.tls_cert, &mut c.tls.certs)?;
    way.value("tls-key", &mut o.tls_key, &mut c.tls.keys)?;
    way.value("tls-self-signed", &mut o.tls_self_signed, &mut c.tls.self_signed)?;
    way.maybe("tls-client-ca", &mut o.tls_client_ca, &mut c.tls.client_ca)?;
    way.value("tls-client-auth", &mut o.tls_client_auth, &mut c.tls.client_auth)?;
    let handshake = &mut c.tls.handshake_timeout;
    way.range("tls-handshake-timeout", &mut o.tls_handshake_timeout, handshake, TICK..=HOUR)
}

/// What it tells of itself.
pub(in crate::server) fn logs(way: Way, o: &mut LogOptions, c: &mut ServerConfig) -> Result<(), ConfigError> {
    way.maybe("access-log", &mut o.access_log, &mut c.access_log)?;
    way.maybe("metrics", &mut o.metrics, &mut c.metrics)?;
    way.value("log", &mut o.log, &mut c.log.format)?;
    way.value("log-level", &mut o.log_level, &mut c.log.level)
}

pub(in crate::server) const HOUR: Duration = Duration::from_secs(3600);
pub(in crate::server) const DAY: Duration = Duration::from_secs(24 * 3600);

impl Way {
    /// A value that is always there, and lies in a range.
    ///
    /// # Errors
    /// It is not of its kind, or out of its range.
    pub(in crate::server) fn range<T, U>(
        self,
        name: &'static str,
        typed: &mut Option<T>,
        held: &mut U,
        allowed: RangeInclusive<U>,
    ) -> Result<(), ConfigError>
    where
        T: Typed<U> + Display,
        U: PartialOrd,
    {
        self.value(name, typed, held)?;
        if self == Self::Show || allowed.contains(held) {
            return Ok(());
        }
        Err(ConfigError::Range {
            name,
            value: T::show(held).to_string(),
            least: T::show(allowed.start()).to_string(),
            most: T::show(allowed.end()).to_string(),
        })
    }

    /// A value that is always there.
    pub(in crate::server) fn value<T: Typed<U>, U>(
        self,
        name: &'static str,
        typed: &mut Option<T>,
        held: &mut U,
    ) -> Result<(), ConfigError> {
        match (self, typed.as_ref()) {
            (Self::Show, _) => *typed = Some(T::show(held)),
            (Self::Read, Some(value)) => *held = value.hold().map_err(|error| error.of(name))?,
            (Self::Read, None) => {}
        }
        Ok(())
    }

    /// A value that may be absent.
    pub(in crate::server) fn maybe<T: Typed<U>, U>(
        self,
        name: &'static str,
        typed: &mut Option<T>,
        held: &mut Option<U>,
    ) -> Result<(), ConfigError> {
        match (self, typed.as_ref()) {
            (Self::Show, _) => *typed = held.as_ref().map(T::show),
            (Self::Read, Some(value)) => *held = Some(value.hold().map_err(|error| error.of(name))?),
            (Self::Read, None) => {}
        }
        Ok(())
    }
}

/// A value that is not of its kind.
pub(in crate::server) struct Unfit {
    value: String,
    reason: String,
}

impl Unfit {
    pub(in crate::server) fn new(value: impl Into<String>, reason: impl ToString) -> Self {
        Self { value: value.into(), reason: reason.to_string() }
    }

    fn of(self, name: &'static str) -> ConfigError {
        ConfigError::Value { name, value: self.value, reason: self.reason }
    }
}

/// What a user types for a `U`.
pub(in crate::server) trait Typed<U>: Sized {
    fn hold(&self) -> Result<U, Unfit>;
    fn show(held: &U) -> Self;
}

impl<T: Clone> Typed<T> for T {
    fn hold(&self) -> Result<T, Unfit> {
        Ok(self.clone())
    }

    fn show(held: &T) -> Self {
        held.clone()
    }
}

impl Typed<Duration> for TimeSpan {
    fn hold(&self) -> Result<Duration, Unfit> {
        Ok(self.0)
    }

    fn show(held: &Duration) -> Self {
        Self(*held)
    }
}

/// Sizes are held in the type that the code counts in.
macro_rules! sizes {
    ($($held:ty),*) => {$(
        impl Typed<$held> for ByteSize {
            fn hold(&self) -> Result<$held, Unfit> {
                <$held>::try_from(self.0).map_err(|_| Unfit::new(self.to_string(), "it is too large"))
            }

            fn show(held: &$held) -> Self {
                // No size here is wider than 64 bits.
                Self(u64::try_from(*held).unwrap_or(u64::MAX))
            }
        }
    )*};
}

sizes!(u64, usize, u32);

impl Typed<Prefixes> for Vec<String> {
    fn hold(&self) -> Result<Prefixes, Unfit> {
        Prefixes::try_from(self.clone()).map_err(|error| Unfit::new(self.join(","), error))
    }

    fn show(held: &Prefixes) -> Self {
        held.clone().into()
    }
}

/// `-` is stdout, as everywhere.
impl Typed<Target> for PathBuf {
    fn hold(&self) -> Result<Target, Unfit> {
        Ok(match self.to_str() {
            Some("-") => Target::Stdout,
            Some("/dev/stderr") => Target::Stderr,
            _ => Target::File(self.clone()),
        })
    }

    fn show(held: &Target) -> Self {
        match held {
            Target::Stdout => "-".into(),
            Target::Stderr => "/dev/stderr".into(),
            Target::File(path) => path.clone(),
        }
    }
}
