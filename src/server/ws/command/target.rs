//! What to connect to, and how: the options that both commands have, checked.
//!
//! No message shows a value that may hold a secret: not a URL, a header, a user or a proxy.

use std::path::PathBuf;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use crate::net::client::Connector;
use crate::net::tls::{CertPair, ClientTls, ClientTlsConfig, TlsError, Trust};
use crate::proto::http::client::tunnel::ProxyError;
use crate::proto::http::credentials::{Credentials, CredentialsError};
use crate::proto::ws::deflate::{Memory, Terms};
use crate::proto::ws::handshake::url::{Place, Url, UrlError};
use crate::proto::ws::limits::Limits;
use crate::server::units::{ByteSize, TimeSpan};
use crate::server::ws::Settings;
use crate::server::ws::client::Connect;

/// A server, and how to reach it.
#[derive(clap::Args, Clone)]
pub struct Target {
    /// Where: a URL as [`Url`] has them
    #[arg(value_name = "URL", help = "ws://HOST[:PORT][/PATH], wss://..., or ws+unix:/run/app.sock[:/PATH]")]
    pub url: String,

    /// A field of the request; repeatable
    #[arg(long, short = 'H', value_name = "NAME: VALUE", help_heading = "Opening")]
    pub header: Vec<String>,

    /// A subprotocol to ask for, the best first; repeatable
    #[arg(long, short = 's', value_name = "NAME", help_heading = "Opening")]
    pub subprotocol: Vec<String>,

    /// The page to act for, as a browser would say
    #[arg(long, value_name = "ORIGIN", help_heading = "Opening")]
    pub origin: Option<String>,

    /// Credentials (Basic)
    #[arg(long, short = 'u', value_name = "NAME:PASSWORD", help_heading = "Opening")]
    pub user: Option<String>,

    /// A proxy to go through
    #[arg(long, value_name = "http://[USER:PASSWORD@]HOST[:PORT]", help_heading = "Opening")]
    pub proxy: Option<String>,

    /// How long it may take until a socket is open
    #[arg(long, value_name = "TIME", default_value = "20s", help_heading = "Opening")]
    pub timeout: TimeSpan,

    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub ca: Option<PathBuf>,

    /// Trust any certificate: whoever sits between can read and change everything
    #[arg(long, short = 'k', conflicts_with = "ca", help_heading = "TLS")]
    pub insecure: bool,

    /// Our own certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "TLS")]
    pub cert: Option<PathBuf>,

    /// Its key, as PEM
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    pub key: Option<PathBuf>,

    /// Offer compression; alone it means dedicated, in which each message may lean on those before it
    #[arg(long, value_name = "MEMORY", num_args = 0..=1, require_equals = true,
          default_missing_value = "dedicated", help_heading = "Messages")]
    pub deflate: Option<Compression>,

    /// The longest message that is taken, decompressed
    #[arg(long, value_name = "SIZE", default_value = "16MiB", help_heading = "Messages")]
    pub max_message: ByteSize,
}

/// What to offer about compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Compression {
    /// Each message stands alone, in both directions: an idle socket holds no memory for it.
    Shared,
    /// Messages may lean on those before: they shrink further.
    Dedicated,
}

/// Why options of a [`Target`] cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The URL.
    #[error("the URL cannot be used: {0}")]
    Url(#[from] UrlError),
    /// A header that is none.
    #[error("--header is written as 'Name: value'")]
    Header,
    /// An origin that no field can hold.
    #[error("--origin is no value of a header")]
    Origin,
    /// No colon in the credentials.
    #[error("--user is written as NAME:PASSWORD")]
    User,
    /// Credentials that no field can hold.
    #[error("--user cannot be used: {0}")]
    Credentials(#[from] CredentialsError),
    /// The proxy's URL.
    #[error("--proxy cannot be used: {0}")]
    Proxy(#[from] ProxyError),
    /// An option about TLS without TLS.
    #[error("--{0} does nothing without wss://")]
    NoTls(&'static str),
    /// More bytes than this machine can count.
    #[error("--max-message is too large")]
    MaxMessage,
    /// Files of certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl TargetError {
    /// Whether the command line is wrong, rather than a file that it names.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Tls(_))
    }
}

impl Target {
    /// How to open sockets there, with compression as asked for, or else as `deflate` says. Reads the files of TLS. To be called
    /// in the runtime of the sockets.
    ///
    /// # Errors
    /// Which option cannot be used.
    pub(super) fn connect(&self, deflate: Option<Compression>) -> Result<Connect, TargetError> {
        let url: Url = self.url.parse()?;
        let mut connect = Connect::to(&self.url)?
            .settings(self.settings()?)
            .connector(self.connector(&url)?)
            .deadline(self.timeout.0);
        for header in &self.header {
            let (name, value) = field(header).ok_or(TargetError::Header)?;
            connect = connect.header(name, value);
        }
        for name in &self.subprotocol {
            connect = connect.subprotocol(name);
        }
        if let Some(origin) = &self.origin {
            connect = connect.origin(HeaderValue::try_from(origin).map_err(|_| TargetError::Origin)?);
        }
        if let Some(user) = &self.user {
            let (user, password) = user.split_once(':').ok_or(TargetError::User)?;
            let credentials = Credentials::Basic { user: user.into(), password: password.into() };
            connect = connect.header(AUTHORIZATION, credentials.field_value()?);
        }
        if let Some(proxy) = &self.proxy {
            connect = connect.proxy(proxy.parse()?);
        }
        Ok(match self.deflate.or(deflate) {
            Some(compression) => connect.deflate(compression.terms()),
            None => connect,
        })
    }

    fn settings(&self) -> Result<Settings, TargetError> {
        let size = usize::try_from(self.max_message.0).map_err(|_| TargetError::MaxMessage)?;
        let limits = Limits { frame: size, message: size, ..Limits::default() };
        Ok(Settings { limits, ..Settings::default() })
    }

    fn connector(&self, url: &Url) -> Result<Connector, TargetError> {
        let connector = Connector::new().deadline(self.timeout.0);
        let given = [("ca", self.ca.is_some()), ("insecure", self.insecure), ("cert", self.cert.is_some())];
        let Some((option, _)) = given.into_iter().find(|(_, given)| *given) else {
            return Ok(connector);
        };
        if !matches!(url.place, Place::Tcp { secure: true, .. }) {
            return Err(TargetError::NoTls(option));
        }
        let trust = match &self.ca {
            _ if self.insecure => Trust::Anybody,
            Some(file) => Trust::SystemAnd(file.clone()),
            None => Trust::System,
        };
        let pair = |(cert, key): (&PathBuf, &PathBuf)| CertPair { cert: cert.clone(), key: key.clone() };
        let certificate = self.cert.as_ref().zip(self.key.as_ref()).map(pair);
        Ok(connector.trusting(ClientTls::new(&ClientTlsConfig { trust, certificate })?))
    }
}

impl Compression {
    fn terms(self) -> Terms {
        let memory = match self {
            Self::Shared => Memory::Shared,
            Self::Dedicated => Memory::Dedicated,
        };
        Terms { memory, ..Terms::default() }
    }
}

/// `Name: value`, with spaces around the value or without.
fn field(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.trim()).ok()?))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        target: Target,
    }

    fn target(args: &[&str]) -> Target {
        Line::try_parse_from([&["test"], args].concat()).map_err(|error| error.to_string()).unwrap().target
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_told_without_what_may_be_secret() {
        let rows: [(&[&str], &str); 13] = [
            (&["secret.test"], "the URL cannot be used: "),
            (&["http://u:secret@a/"], "the URL cannot be used: "),
            (&["ws://a/", "--header", "secret"], "--header is written as 'Name: value'"),
            (&["ws://a/", "--header", "se cret: x"], "--header is written as"),
            (&["ws://a/", "--header", "X: \u{1}secret"], "--header is written as"),
            (&["ws://a/", "--origin", "secret\n"], "--origin is no value of a header"),
            (&["ws://a/", "--user", "secret"], "--user is written as NAME:PASSWORD"),
            (&["ws://a/", "--user", "a:\u{1}secret"], "--user cannot be used: "),
            (&["ws://a/", "--proxy", "secret"], "--proxy cannot be used: "),
            (&["ws://a/", "--insecure"], "--insecure does nothing without wss://"),
            (&["ws+unix:/a", "--ca", "f"], "--ca does nothing without wss://"),
            (&["ws://a/", "--cert", "f", "--key", "f"], "--cert does nothing without wss://"),
            (&["wss://a/", "--ca", "/nonexistent"], "/nonexistent"),
        ];
        for (args, expected) in rows {
            let error = target(args).connect(None).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(expected) && !text.contains("secret"), "{args:?}: {text}");
            assert_eq!(error.is_usage(), args[0] != "wss://a/", "{args:?}");
        }
    }

    #[tokio::test]
    async fn what_makes_sense_is_used() {
        for args in [
            &["ws://a/", "--header", "X-A: b", "--header", "Empty:", "-H", "C:d"][..],
            &["ws://a/", "--deflate", "--timeout", "1s", "--max-message", "1KiB"],
            &["ws://a/", "--deflate=shared", "-s", "a", "-s", "b", "--origin", "null", "-u", "a:b:c"],
            &["ws://a/", "--proxy", "http://p:3128"],
            &["wss://a/", "--insecure"],
        ] {
            target(args).connect(None).unwrap();
        }
        assert_eq!(target(&["ws://a/", "--deflate"]).deflate, Some(Compression::Dedicated));
        assert_eq!(field("X-A:  b: c "), Some(("x-a".parse().unwrap(), "b: c".parse().unwrap())));
    }

    #[test]
    fn options_that_need_each_other() {
        for args in [
            &["test"][..],
            &["test", "wss://a/", "--cert", "f"],
            &["test", "wss://a/", "--key", "f"],
            &["test", "wss://a/", "--ca", "f", "--insecure"],
            &["test", "ws://a/", "--deflate", "shared"],
            &["test", "ws://a/", "--timeout", "1"],
        ] {
            assert!(Line::try_parse_from(args).is_err(), "{args:?}");
        }
    }
}
