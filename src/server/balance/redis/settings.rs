//! The address of Redis and the settings for its use.

use std::fmt;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::net::client::Target;
use crate::server::balance::dial::Dial;

/// The default time that a request waits for Redis.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_millis(5);

/// The time limit of connecting, including TLS, authentication and loading the script.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The default for the most tokens taken at once.
pub const DEFAULT_LEASE: u32 = 50;

/// The default prefix of keys.
pub const DEFAULT_PREFIX: &str = "wireworks";

/// Not a valid address of Redis.
#[derive(Debug, thiserror::Error)]
#[error(
    "this is no address of a Redis: {0}. It is written redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://... with TLS, or unix:///PATH"
)]
pub struct BadUrl(String);

/// The address of Redis and the credentials.
#[derive(Clone)]
pub struct Server {
    /// The address.
    pub target: Target,
    /// Whether to use TLS.
    pub tls: bool,
    /// User, password and database.
    pub(super) login: RedisConnectionInfo,
    /// As configured.
    url: String,
}

impl Server {
    /// Parses `redis://user:password@host:port/db`, `rediss://...` or `unix:///path?db=1`.
    ///
    /// # Errors
    /// It is not a valid address.
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        let tls = url.strip_prefix("rediss://");
        // TLS is made here: by the rules of this crate, with one library.
        let plain = tls.map_or_else(|| url.to_owned(), |rest| format!("redis://{rest}"));
        let info = plain.into_connection_info().map_err(|error| BadUrl(error.to_string()))?;
        let target = match info.addr() {
            ConnectionAddr::Tcp(_, 0) => return Err(BadUrl("there is no port 0".to_owned())),
            ConnectionAddr::Tcp(host, port) => Target::Tcp { host: host.clone(), port: *port },
            ConnectionAddr::Unix(path) => Target::Unix(path.clone()),
            _ => return Err(BadUrl("only TCP and Unix sockets are known".to_owned())),
        };
        Ok(Self { target, tls: tls.is_some(), login: info.redis_settings().clone(), url: url.to_owned() })
    }
}

/// Without the password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("target", &self.target).field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// The address of Redis and the settings for its use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address.
    pub server: Server,
    /// How to connect: with TLS, if the address says so.
    pub dial: Dial,
    /// The time that a request waits for it.
    pub timeout: Duration,
    /// The most tokens taken at once.
    pub lease: u32,
    /// The prefix of keys.
    pub prefix: String,
}

impl Settings {
    /// Whether a client with these settings can be used for the others.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let Self { server, dial, timeout, lease, prefix } = self;
        server.url == other.server.url
            && dial.is_like(&other.dial)
            && *timeout == other.timeout
            && *lease == other.lease
            && *prefix == other.prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let rows = [
            ("redis://a.test", "a.test:6379", false, 0, None),
            ("redis://[::1]:7000/3", "[::1]:7000", false, 3, None),
            ("redis://u:p%40ss@10.0.0.1:6380/1", "10.0.0.1:6380", false, 1, Some("p@ss")),
            ("rediss://:secret@a.test:6380", "a.test:6380", true, 0, Some("secret")),
            ("unix:///run/redis.sock?db=2&pass=hunter2", "unix:/run/redis.sock", false, 2, Some("hunter2")),
        ];
        for (url, target, tls, db, password) in rows {
            let server = Server::parse(url).unwrap();
            assert_eq!((server.target.to_string().as_str(), server.tls), (target, tls), "{url}");
            assert_eq!((server.login.db(), server.login.password()), (db, password), "{url}");
            let shown = format!("{server:?}");
            assert!(password.is_none_or(|password| !shown.contains(password)), "{shown}");
        }
    }

    #[test]
    fn what_is_no_address() {
        for url in [
            "",
            "10.0.0.1:6379",
            "http://a.test",
            "redis://",
            "redis://a.test:0",
            "redis://a.test/x",
            "redis://0.0.0.0",
        ] {
            let error = Server::parse(url).unwrap_err().to_string();
            assert!(
                error.starts_with("this is no address of a Redis: ") && error.contains("redis://["),
                "{url}: {error}"
            );
        }
    }
}
