//! How an S3-compatible service is asked: by our own HTTP/1.1 and our own TLS, one connection for each request.
//!
//! `object_store` signs requests, reads answers and tries again; what it needs for that is this [`HttpService`]. So no second HTTP client and no
//! second TLS come into the program.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Uri;
use http::header::HOST;
use http_body::Body as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};

use crate::net::client::{ConnectError, Connector};
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::proto::http::client::{ClientCodec, Finish, RequestError, RequestWriter};
use crate::proto::http::limits::Limits;
use crate::server::http::body::{Body, BodyError};
use crate::server::http::client::exchange::{ExchangeError, Timeouts, exchange};

/// How long a connection may take, and each wait for the service after that: it may think for a while when an upload is put together.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum WebError {
    #[error("{0} is no URL that begins with http:// or https://")]
    Url(Uri),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(transparent)]
    Http(#[from] http::Error),
}

impl WebError {
    fn kind(&self) -> HttpErrorKind {
        match self {
            Self::Url(_) | Self::Request(_) | Self::Http(_) => HttpErrorKind::Unknown,
            Self::Connect(_) => HttpErrorKind::Connect,
            Self::Exchange(ExchangeError::Timeout) => HttpErrorKind::Timeout,
            Self::Exchange(ExchangeError::Fault(_)) => HttpErrorKind::Decode,
            Self::Exchange(_) => HttpErrorKind::Interrupted,
        }
    }
}

/// What asks.
#[derive(Clone, Debug)]
pub(super) struct Web(Connector);

impl Web {
    /// It connects by this.
    pub(super) fn new(connector: Connector) -> Self {
        Self(connector.deadline(PATIENCE))
    }
}

impl HttpConnector for Web {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for Web {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move { self.ask(request).await.map_err(|error| HttpError::new(error.kind(), error)) })
    }
}

impl Web {
    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, WebError> {
        let (parts, body) = request.into_parts();
        let url = parts.uri;
        let (tls, usual) = match url.scheme_str() {
            Some("https") => (Some(&[&b"http/1.1"[..]][..]), 443),
            Some("http") => (None, 80),
            _ => return Err(WebError::Url(url)),
        };
        let Some(authority) = url.authority() else { return Err(WebError::Url(url)) };
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        let mut writer = RequestWriter::new(&parts.method, target, authority.as_str())?;
        for (name, value) in parts.headers.iter().filter(|(name, _)| **name != HOST) {
            writer.field(name, value);
        }
        let length = Some(body.content_length() as u64);
        let head = writer.finish(Finish { length, upgrade: None, close: true });
        let io = self.0.connect(authority.host(), authority.port_u16().unwrap_or(usual), tls).await?;
        let conn = Conn::new(
            io,
            ClientCodec::new(Limits { body: u64::MAX, ..Limits::default() }),
            Clock::new().timer(),
        );
        let timeouts = Timeouts { response: PATIENCE, idle: PATIENCE };
        let asking = exchange(Box::new(conn), head, Body::stream(pieces(body)), timeouts);
        let answer = asking.await.map_err(|(error, _)| error)?;
        let mut response = http::Response::builder().status(answer.head.status());
        for (name, value) in answer.head.fields() {
            response = response.header(name, value);
        }
        let body = answer.body.into_body(answer.length);
        Ok(response.body(HttpResponseBody::new(Answered(Mutex::new(body))))?)
    }
}

/// The bytes of a request's body, which are all there.
fn pieces(body: HttpRequestBody) -> impl stream::Stream<Item = Result<Bytes, HttpError>> + Send {
    stream::unfold(body, |mut body| async move {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await?;
        Some((frame.map(|frame| frame.into_data().unwrap_or_default()), body))
    })
    .filter(|piece| std::future::ready(!piece.as_ref().is_ok_and(Bytes::is_empty)))
}

/// The body of an answer. The lock is never taken: it makes the body one that may be shared between threads, as `object_store` asks for.
struct Answered(Mutex<Body>);

impl http_body::Body for Answered {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, HttpError>>> {
        let body = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        Pin::new(body).poll_frame(cx).map_err(|error| {
            let kind = match &error {
                BodyError::TooSlow => HttpErrorKind::Timeout,
                BodyError::Rejected(_) => HttpErrorKind::Decode,
                _ => HttpErrorKind::Interrupted,
            };
            HttpError::new(kind, error)
        })
    }
}
