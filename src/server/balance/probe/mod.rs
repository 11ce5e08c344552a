//! One health check of a backend: a connection, and optionally a question and its expected answer.
//!
//! A check connects like requests do: with TLS if they use it, to the same port, and with a PROXY header if configured; each of these can be
//! configured separately. Its PROXY header says that the connection is the balancer's own: LOCAL, or UNKNOWN in version 1.

mod http;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::backend::{Backend, HTTP_ALPN};
use super::dial::{Dial, Way};
use super::tcp::ProxyHeader;
use crate::net::client::ConnectError;
use crate::net::clock::Clock;
use crate::server::http::client::exchange::ExchangeError;

pub use self::http::{BadProbe, HttpProbe};
pub use self::talk::Talk;

/// How many bytes of an answer a check examines.
pub const MAX_ANSWER: usize = 64 * 1024;

/// What a check does. By default it connects like requests do.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// The question.
    pub ask: Ask,
    /// How to connect, if not like requests.
    pub dial: Option<Arc<Dial>>,
    /// The port, if not that of requests.
    pub port: Option<u16>,
    /// The PROXY header.
    pub proxy: Option<ProxyHeader>,
}

/// The question of a check.
#[derive(Clone, Debug, Default)]
pub enum Ask {
    /// None: it is enough to connect, including TLS.
    #[default]
    Connect,
    /// An HTTP request.
    Http(HttpProbe),
    /// Bytes of any protocol.
    Talk(Talk),
}

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Connecting failed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No response.
    #[error("{0}")]
    Exchange(ExchangeError),
    /// The status is not accepted.
    #[error("the status is {0}")]
    Status(u16),
    /// A header field does not match.
    #[error("the header field {0} does not match")]
    Field(String),
    /// The body does not match.
    #[error("the body does not contain the expected text")]
    Body,
    /// The answer does not match.
    #[error("the answer does not contain the expected bytes")]
    Answer,
    /// The connection failed, or ended before the answer.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

impl Probe {
    /// Checks a backend once. `clock` is for the deadlines within the check.
    ///
    /// # Errors
    /// Why the check failed.
    pub async fn run(&self, backend: &Backend, limit: Duration, clock: &Clock) -> Result<(), CheckError> {
        timeout(limit, self.check(backend, clock)).await.unwrap_or(Err(CheckError::Timeout(limit)))
    }

    async fn check(&self, backend: &Backend, clock: &Clock) -> Result<(), CheckError> {
        let setup = backend.setup();
        let header = self.proxy.map(ProxyHeader::local).unwrap_or_default();
        // A backend that speaks something else may refuse whoever offers HTTP only.
        let alpn = if matches!(self.ask, Ask::Http(_)) { HTTP_ALPN } else { &[] };
        let way = Way { port: self.port, header: &header, alpn };
        let io = self.dial.as_ref().unwrap_or(&setup.dial).connect(&setup.target, &way).await?;
        match &self.ask {
            Ask::Connect => Ok(()),
            Ask::Http(probe) => probe.run(io, clock).await,
            Ask::Talk(talk) => talk.run(io).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use ::http::{HeaderName, HeaderValue, Method, StatusCode};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::backend::Setup;
    use super::*;
    use crate::proto::balance::route::TextPattern;
    use crate::proto::http::fields::Fields;
    use crate::server::http::request::Request;
    use crate::server::http::response::Response;
    use crate::server::http::server::Server;

    const LIMIT: Duration = Duration::from_secs(5);

    fn backend(address: &str) -> Backend {
        Backend::new(Setup::new(address.parse().unwrap()), std::time::Instant::now(), 0.0)
    }

    #[tokio::test]
    async fn what_a_check_by_http_looks_at() {
        let server = Server::new(|request: Request| async move {
            let status = request.path().trim_start_matches('/').parse().unwrap_or(200);
            let asked = format!("{} {}", request.method(), request.field("x-asks").unwrap_or("nothing"));
            let response = Response::new("all is well").status(StatusCode::from_u16(status).unwrap());
            response.with(HeaderName::from_static("x-asked"), HeaderValue::try_from(asked).unwrap())
        });
        let running = server.listen("127.0.0.1:0").threads(1).start().unwrap();
        let backend = backend(&running.addresses()[0].address.to_string());
        let none = Fields::new();
        let http = |target: &str| HttpProbe::new(&Method::GET, target, "a.test", &none).unwrap();
        let mut asks = Fields::new();
        asks.set(HeaderName::from_static("x-asks"), HeaderValue::from_static("much"));
        let post = HttpProbe::new(&Method::POST, "/", "a.test", &asks).unwrap();
        let field = |name: &str, text: &str| (name.to_owned(), TextPattern::new(text));
        let rows = [
            (http("/200"), None),
            (http("/302"), None),
            (http("/500"), Some("the status is 500")),
            (http("/500").statuses(vec![(200, 299), (500, 500)]), None),
            (http("/300").statuses(vec![(200, 299), (500, 500)]), Some("the status is 300")),
            (http("/").containing("well"), None),
            (http("/").containing("ill "), Some("the body does not contain")),
            (http("/").expecting(vec![field("x-asked", "GET nothing")]), None),
            (
                http("/").expecting(vec![field("x-asked", "POST*")]),
                Some("the header field x-asked does not match"),
            ),
            (http("/").expecting(vec![field("x-gone", "!")]), None),
            (post.expecting(vec![field("x-asked", "POST much")]), None),
        ];
        for (ask, expected) in rows {
            let probe = Probe { ask: Ask::Http(ask), ..Probe::default() };
            let outcome = probe.run(&backend, LIMIT, &Clock::new()).await;
            match expected {
                None => outcome.unwrap(),
                Some(text) => assert!(outcome.unwrap_err().to_string().contains(text), "{probe:?}"),
            }
        }
        Probe::default().run(&backend, LIMIT, &Clock::new()).await.unwrap();
        running.stop().unwrap();
        let error = Probe::default().run(&backend, LIMIT, &Clock::new()).await.unwrap_err();
        assert!(matches!(error, CheckError::Connect(_)), "{error}");
        assert!(HttpProbe::new(&Method::GET, "no path", "a.test", &none).is_err());
    }

    /// A backend that expects `hears` and says `says`, once.
    async fn script(hears: &'static [u8], says: &'static [u8]) -> (Backend, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = vec![0; hears.len()];
            stream.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, hears);
            stream.write_all(says).await.unwrap();
        });
        (backend(&format!("127.0.0.1:{port}")), port)
    }

    #[tokio::test]
    async fn bytes_of_any_protocol() {
        let talk = |send: &[u8], expect: &[u8]| Talk { send: send.to_vec(), expect: expect.to_vec() };
        /// What is said, what is heard, the check, and what is wrong.
        type Row = (&'static [u8], &'static [u8], Talk, Option<&'static str>);
        let rows: [Row; 6] = [
            (b"PING\r\n", b"+PONG\r\n", talk(b"PING\r\n", b"PONG"), None),
            (b"\x00\xff", b"\xfe\x00", talk(b"\x00\xff", b"\xfe\x00"), None),
            (b"", b"220 mail.test\r\n", talk(b"", b"220 "), None),
            (b"QUIT", b"", talk(b"QUIT", b""), None),
            (b"PING\r\n", b"-ERR\r\n", talk(b"PING\r\n", b"PONG"), Some("the answer does not")),
            (b"PING\r\n", b"", talk(b"PING\r\n", b"PONG"), Some("the answer does not")),
        ];
        for (hears, says, talk, expected) in rows {
            let (backend, _) = script(hears, says).await;
            let probe = Probe { ask: Ask::Talk(talk), ..Probe::default() };
            let outcome = probe.run(&backend, LIMIT, &Clock::new()).await;
            match expected {
                None => outcome.unwrap(),
                Some(text) => assert!(outcome.unwrap_err().to_string().contains(text), "{probe:?}"),
            }
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let backend = backend(&listener.local_addr().unwrap().to_string());
        let probe = Probe { ask: Ask::Talk(talk(b"", b"x")), ..Probe::default() };
        let error = probe.run(&backend, Duration::from_millis(50), &Clock::new()).await.unwrap_err();
        assert!(matches!(error, CheckError::Timeout(_)), "{error}");
    }

    #[tokio::test]
    async fn a_port_and_a_header_of_its_own() {
        for (proxy, header) in [
            (ProxyHeader::V1, &b"PROXY UNKNOWN\r\n"[..]),
            (ProxyHeader::V2, b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"),
        ] {
            let (_, port) = script(header, b"hello").await;
            let nobody = backend("127.0.0.1:1");
            let ask = Ask::Talk(Talk { send: Vec::new(), expect: b"hello".to_vec() });
            let probe = Probe { ask, port: Some(port), proxy: Some(proxy), dial: None };
            probe.run(&nobody, LIMIT, &Clock::new()).await.unwrap();
        }
    }
}
