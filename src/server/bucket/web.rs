//! How an S3-compatible service is asked: by our own HTTP/1.1 and our own TLS, over connections that are kept.
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
use http_body::Body as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};

use crate::net::client::Connector;
use crate::net::client::pool::Limits;
use crate::server::http::body::{Body, BodyError};
use crate::server::http::client::exchange::{ExchangeError, Timeouts};
use crate::server::http::client::{Client, SendError};

/// How long a connection may take, and each wait for the service after that: it may think for a while when an upload is put together.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an error is to those who try again.
fn kind(error: &SendError) -> HttpErrorKind {
    match error {
        SendError::Address(_) | SendError::Request(_) | SendError::Field(_) => HttpErrorKind::Unknown,
        SendError::Connect(_) => HttpErrorKind::Connect,
        SendError::Exchange(ExchangeError::Timeout) => HttpErrorKind::Timeout,
        SendError::Exchange(ExchangeError::Fault(_)) => HttpErrorKind::Decode,
        SendError::Exchange(_) => HttpErrorKind::Interrupted,
    }
}

/// What asks.
#[derive(Clone, Debug)]
pub(super) struct Web(Client);

impl Web {
    /// It connects by this.
    pub(super) fn new(connector: Connector) -> Self {
        Self(Client::new(connector.deadline(PATIENCE), Limits::DEFAULT))
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
        Box::pin(async move { self.ask(request).await.map_err(|error| HttpError::new(kind(&error), error)) })
    }
}

impl Web {
    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, SendError> {
        let (parts, body) = request.into_parts();
        let timeouts = Timeouts { response: PATIENCE, idle: PATIENCE };
        let length = body.content_length() as u64;
        let content = || Body::stream(pieces(body.clone()));
        let reply = self.0.call(&parts, length, content, timeouts).await?;
        let response = reply.into_http()?;
        Ok(response.map(|body| HttpResponseBody::new(Answered(Mutex::new(body)))))
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
