//! Where Redis is and how it is used.

use std::fmt;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::net::client::Target;
use crate::server::balance::dial::Dial;

/// How long a request waits for Redis at most, unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_millis(5);

/// How long it may take until a connection stands, TLS, password and script included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Tokens that are taken at once at most, unless told otherwise.
pub const DEFAULT_LEASE: u32 = 50;

/// What names of keys begin with, unless told otherwise.
pub const DEFAULT_PREFIX: &str = "wireworks";

/// A text that does not say where Redis is.
#[derive(Debug, thiserror::Error)]
#[error(
    "this is no address of a Redis: {0}. It is written redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://... with TLS, or unix:///PATH"
)]
pub struct BadUrl(String);

/// Where Redis is, and as whom it is asked.
#[derive(Clone)]
pub struct Server {
    /// The address.
    pub target: Target,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// User, password and database.
    pub(super) login: RedisConnectionInfo,
    /// As it was written.
    url: String,
}

impl Server {
    /// Reads `redis://user:password@host:port/db`, `rediss://...` or `unix:///path?db=1`.
    ///
    /// # Errors
    /// What is wrong with it.
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

/// Where Redis is and how it is used.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is.
    pub server: Server,
    /// How it is reached: with TLS, if the server's address says so.
    pub dial: Dial,
    /// How long a request waits for it at most.
    pub timeout: Duration,
    /// Tokens that are taken at once at most.
    pub lease: u32,
    /// What names of keys begin with.
    pub prefix: String,
}

impl Settings {
    /// Whether a client by these settings does what one by the others does.
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
