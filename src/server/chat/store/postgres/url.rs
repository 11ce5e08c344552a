//! Where a PostgreSQL is, and how it is talked to: a URL as libpq has it.

use std::fmt;
use std::path::PathBuf;

use tokio_postgres::config::{Config, Host, SslMode};

use crate::net::client::{Connector, Target};
use crate::net::tls::{ClientTls, ClientTlsConfig, TlsError, Trust};

/// What its connections call themselves.
const APPLICATION: &str = "wireworks";

/// The port when none is said.
const PORT: u16 = 5432;

/// Not a valid address of a PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no address of a PostgreSQL: {0}. It is written postgres://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE[?sslmode=verify-full]"
)]
pub struct BadUrl(String);

/// How far TLS has to go.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tls {
    /// As far as the server wants; nobody's certificate is checked.
    Unchecked,
    /// The server has to prove that it is the host, by an authority of the system or of this file.
    Full(Option<PathBuf>),
}

/// The address of a PostgreSQL, with user, password and database. It is shown without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    url: String,
    tls: Tls,
    /// For the connections; `sslmode` is among it.
    pub(super) config: Config,
}

impl PostgresUrl {
    /// Parses `postgres://user:password@host:port/database?sslmode=MODE`. The modes are `disable`, `prefer` (the default), `require`, and `verify-full`, with
    /// `sslrootcert=FILE` if the authority is not one of the system's. Several hosts, separated by commas, are tried in their order.
    ///
    /// # Errors
    /// It is not a valid address.
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(BadUrl("it does not begin with postgres://".to_owned()));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut full, mut authority, mut rest) = (false, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", "verify-full")) => full = true,
                Some(("sslmode", "verify-ca")) => {
                    return Err(BadUrl("sslmode=verify-ca is not known here: take verify-full".to_owned()));
                }
                Some(("sslrootcert", path)) => {
                    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
                    authority = Some(PathBuf::from(path.into_owned()));
                }
                _ => rest.push(pair),
            }
        }
        if authority.is_some() && !full {
            return Err(BadUrl("sslrootcert needs sslmode=verify-full".to_owned()));
        }
        let plain = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config: Config = plain.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            BadUrl(cause.unwrap_or_else(|| error.to_string()))
        })?;
        if config.get_hosts().is_empty() {
            return Err(BadUrl("no host is said".to_owned()));
        }
        if config.get_user().is_none() {
            return Err(BadUrl("no user is said".to_owned()));
        }
        if full {
            config.ssl_mode(SslMode::Require);
        }
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION);
        }
        let tls = if full { Tls::Full(authority) } else { Tls::Unchecked };
        Ok(Self { url: url.to_owned(), tls, config })
    }

    /// The same with this password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// Whether it holds a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// As it was typed, but with stars in place of a password.
    #[must_use]
    pub fn shown(&self) -> String {
        hidden(&self.url)
    }

    /// As it was typed.
    #[must_use]
    pub fn typed(&self) -> &str {
        &self.url
    }

    /// What connects to it.
    pub(super) fn connector(&self) -> Result<Connector, TlsError> {
        let trust = match &self.tls {
            Tls::Unchecked => Trust::Anybody,
            Tls::Full(None) => Trust::System,
            Tls::Full(Some(path)) => Trust::SystemAnd(path.clone()),
        };
        if self.config.get_ssl_mode() == SslMode::Disable {
            return Ok(Connector::new());
        }
        Ok(Connector::new().trusting(ClientTls::new(&ClientTlsConfig { trust, certificate: None })?))
    }

    /// Where it may be, in the order in which that is tried.
    pub(super) fn targets(&self) -> Vec<Target> {
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(PORT);
        let target = |(at, host): (usize, &Host)| match host {
            Host::Tcp(host) => Target::Tcp { host: host.clone(), port: port(at) },
            #[cfg(unix)]
            Host::Unix(folder) => Target::Unix(folder.join(format!(".s.PGSQL.{}", port(at)))),
        };
        self.config.get_hosts().iter().enumerate().map(target).collect()
    }
}

/// A URL with stars in place of its password.
pub(in crate::server::chat) fn hidden(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (place, tail) = rest.split_at(end);
    let hosts: Vec<String> = match place.rsplit_once('@') {
        Some((login, host)) => {
            let login = match login.split_once(':') {
                Some((user, _)) => format!("{user}:***"),
                None => login.to_owned(),
            };
            vec![format!("{login}@{host}")]
        }
        None => vec![place.to_owned()],
    };
    let tail = match tail.split_once('?') {
        Some((path, query)) => {
            let pair = |pair: &str| match pair.split_once('=') {
                Some(("password", _)) => "password=***".to_owned(),
                _ => pair.to_owned(),
            };
            format!("{path}?{}", query.split('&').map(pair).collect::<Vec<_>>().join("&"))
        }
        None => tail.to_owned(),
    };
    format!("{scheme}://{}{tail}", hosts.join(","))
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_without_their_password() {
        let rows = [
            ("postgres://chat@db/chat", "db:5432", false, "postgres://chat@db/chat"),
            ("postgresql://chat:secret@db:1/chat", "db:1", true, "postgresql://chat:***@db:1/chat"),
            (
                "postgres://chat:p%40ss@db/chat?sslmode=verify-full&sslrootcert=%2Fca.pem",
                "db:5432",
                true,
                "postgres://chat:***@db/chat?sslmode=verify-full&sslrootcert=%2Fca.pem",
            ),
            (
                "postgres://chat@%2Frun%2Fpg/chat?password=secret",
                "unix:/run/pg/.s.PGSQL.5432",
                true,
                "postgres://chat@%2Frun%2Fpg/chat?password=***",
            ),
        ];
        for (url, place, password, shown) in rows {
            let read = PostgresUrl::parse(url).unwrap();
            let target = read.targets().remove(0);
            assert_eq!(target.to_string(), place, "{url}");
            assert_eq!((read.has_password(), format!("{read:?}").as_str()), (password, shown), "{url}");
        }
        let read = PostgresUrl::parse("postgres://chat@a:1,b:2/chat").unwrap();
        let places: Vec<String> = read.targets().iter().map(ToString::to_string).collect();
        assert_eq!(places, ["a:1", "b:2"]);
        assert!(read.with_password("x").has_password());
    }

    #[test]
    fn tls_goes_as_far_as_is_said() {
        let mode = |url: &str| {
            let read = PostgresUrl::parse(url).unwrap();
            (read.config.get_ssl_mode(), read.tls)
        };
        assert_eq!(mode("postgres://a@b/c"), (SslMode::Prefer, Tls::Unchecked));
        assert_eq!(mode("postgres://a@b/c?sslmode=disable"), (SslMode::Disable, Tls::Unchecked));
        assert_eq!(mode("postgres://a@b/c?sslmode=require"), (SslMode::Require, Tls::Unchecked));
        assert_eq!(mode("postgres://a@b/c?sslmode=verify-full"), (SslMode::Require, Tls::Full(None)));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "mysql://a@b/c",
            "postgres://",
            "postgres://a@b:port/c",
            "postgres://b/c",
            "postgres://a@b/c?sslmode=maybe",
            "postgres://a@b/c?sslmode=verify-ca",
            "postgres://a@b/c?sslrootcert=/x",
            "postgres://a@b/c?colour=red",
        ] {
            let error = PostgresUrl::parse(url).unwrap_err().to_string();
            assert!(error.starts_with("this is no address of a PostgreSQL: "), "{url}: {error}");
        }
    }
}
