//! Where a chat is, as users write it, and how to reach it.
//!
//! `ws://HOST:PORT` is enough: without a path the one at which [`wireworks chat`](crate::server::chat::PATH) has its WebSocket is meant. What
//! people copy from a browser, `http://HOST:PORT/`, means the same.

use std::path::PathBuf;
use std::time::Duration;

use crate::net::client::{ConnectError, Connector};
use crate::net::io::Io;
use crate::net::tls::{ClientTls, ClientTlsConfig, TlsError, Trust};
use crate::proto::chat::json::SUBPROTOCOL;
use crate::proto::http::client::{Authority, AuthorityError};
use crate::proto::ws::handshake::url::UrlError;
use crate::proto::ws::limits::Limits;
use crate::server::chat::PATH;
use crate::server::units::TimeSpan;
use crate::server::ws::Settings;
use crate::server::ws::client::Connect;

/// The usual ports of IRC.
const IRC_PORT: u16 = 6667;
const IRCS_PORT: u16 = 6697;

/// Bytes of the longest message that is taken: a page of 200 messages of 16 KiB, with room for what is around them.
const MAX_MESSAGE: usize = 16 << 20;

/// A server, and how to reach it.
#[derive(clap::Args, Clone, Debug)]
pub struct Remote {
    /// Where: ws://HOST, ws://HOST:PORT/PATH or wss://...; without a path, that of wireworks
    #[arg(value_name = "URL")]
    pub url: String,

    /// How long it may take until a connection stands
    #[arg(long, value_name = "TIME", default_value = "20s", help_heading = "Connection")]
    pub timeout: TimeSpan,

    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub ca: Option<PathBuf>,

    /// Trust any certificate: whoever sits between can read and change everything
    #[arg(long, short = 'k', conflicts_with = "ca", help_heading = "Connection")]
    pub insecure: bool,
}

/// Why a [`Remote`] cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Neither a WebSocket nor IRC.
    #[error("the URL cannot be used: {0}")]
    Url(#[from] UrlError),
    /// The host of an `irc://` URL.
    #[error("the URL cannot be used: {0}")]
    Authority(#[from] AuthorityError),
    /// Something behind the host of an `irc://` URL.
    #[error("the URL cannot be used: irc:// takes a host and a port")]
    Path,
    /// An option about TLS without TLS.
    #[error("--{0} does nothing without wss:// or ircs://")]
    NoTls(&'static str),
    /// Files of certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl RemoteError {
    /// Whether the command line is wrong, rather than a file that it names.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Tls(_))
    }
}

/// A door of a chat server, and how to go through it. Clones are cheap.
#[derive(Clone, Debug)]
pub enum Door {
    /// JSON over WebSocket.
    Json(Box<Connect>),
    /// IRC over TCP, or TLS.
    Irc {
        /// How to connect.
        connector: Connector,
        /// The name or address.
        host: String,
        /// The port.
        port: u16,
        /// Whether it is `ircs:`.
        secure: bool,
    },
}

impl Remote {
    /// The door that is meant. To be called in the runtime of the connections. Reads the files of TLS.
    ///
    /// # Errors
    /// What of the options cannot be used.
    pub fn door(&self) -> Result<Door, RemoteError> {
        let (scheme, rest) = self.url.split_once("://").unwrap_or_default();
        let secure = matches!(scheme, "wss" | "https" | "ircs");
        let connector = self.connector(secure)?;
        if let "irc" | "ircs" = scheme {
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            if !matches!(path, "" | "/") {
                return Err(RemoteError::Path);
            }
            let Authority { host, port, .. } = authority.parse()?;
            let port = port.unwrap_or(if secure { IRCS_PORT } else { IRC_PORT });
            return Ok(Door::Irc { connector, host, port, secure });
        }
        let url = match scheme {
            "http" | "https" | "ws" | "wss" => with_path(if secure { "wss" } else { "ws" }, rest),
            _ => self.url.clone(),
        };
        let limits = Limits { frame: MAX_MESSAGE, message: MAX_MESSAGE, ..Limits::default() };
        let connect = Connect::to(&url)?
            .connector(connector)
            .settings(Settings { limits, ..Settings::default() })
            .deadline(self.timeout.0)
            .subprotocol(SUBPROTOCOL);
        Ok(Door::Json(Box::new(connect)))
    }

    fn connector(&self, secure: bool) -> Result<Connector, RemoteError> {
        let connector = Connector::new().deadline(self.timeout.0.max(Duration::from_millis(1)));
        let trust = match (&self.ca, self.insecure) {
            (None, false) => return Ok(connector),
            (Some(_), _) if !secure => return Err(RemoteError::NoTls("ca")),
            _ if !secure => return Err(RemoteError::NoTls("insecure")),
            (_, true) => Trust::Anybody,
            (Some(file), false) => Trust::SystemAnd(file.clone()),
        };
        Ok(connector.trusting(ClientTls::new(&ClientTlsConfig { trust, certificate: None })?))
    }
}

impl Door {
    /// A connection to an IRC server.
    pub(in crate::server::chat) async fn irc(
        connector: &Connector,
        host: &str,
        port: u16,
        secure: bool,
    ) -> Result<Io, ConnectError> {
        let alpn: &[&[u8]] = &[];
        connector.connect(host, port, secure.then_some(alpn)).await
    }
}

/// The URL with the path of the chat, if it has none.
fn with_path(scheme: &str, rest: &str) -> String {
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = if matches!(path, "" | "/") { PATH } else { path };
    format!("{scheme}://{authority}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(url: &str) -> Remote {
        let timeout = TimeSpan(Duration::from_secs(1));
        Remote { url: url.into(), timeout, ca: None, insecure: false }
    }

    #[tokio::test]
    async fn where_a_chat_is() {
        for (url, expected) in [
            ("ws://a.test:8082", "ws://a.test:8082/chat"),
            ("ws://a.test:8082/", "ws://a.test:8082/chat"),
            ("http://a.test:8082/", "ws://a.test:8082/chat"),
            ("https://a.test", "wss://a.test/chat"),
            ("wss://a.test/other?x=1", "wss://a.test/other?x=1"),
        ] {
            let Door::Json(connect) = remote(url).door().unwrap() else { panic!("{url}") };
            assert_eq!(connect.url().to_string(), expected);
        }
        for (url, expected) in [
            ("irc://a.test", ("a.test", 6667, false)),
            ("ircs://a.test/", ("a.test", 6697, true)),
            ("irc://[::1]:7000", ("[::1]", 7000, false)),
        ] {
            let Door::Irc { host, port, secure, .. } = remote(url).door().unwrap() else { panic!("{url}") };
            assert_eq!((host.as_str(), port, secure), expected);
        }
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_named() {
        for (url, expected) in [
            ("a.test:8082", "begins with ws://"),
            ("ftp://a.test", "begins with ws://"),
            ("irc://a.test/#room", "takes a host and a port"),
            ("irc://a.test:0", "a number from 1 to 65535"),
        ] {
            let error = remote(url).door().unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(expected), "{url}: {error}");
        }
        let bare = Remote { insecure: true, ..remote("ws://a.test") };
        assert_eq!(bare.door().unwrap_err().to_string(), "--insecure does nothing without wss:// or ircs://");
    }
}
