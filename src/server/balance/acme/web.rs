//! How the authority is asked: by HTTP/1.1 over TLS.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Uri};
use http_body::Body as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::net::client::Connector;
use crate::net::client::pool::Limits;
use crate::server::http::body::{Body, BodyError};
use crate::server::http::client::exchange::Timeouts;
use crate::server::http::client::{Client, SendError};

/// How long one request may take, connection and all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of a response at most; a chain of certificates has some kilobytes.
const LONGEST: u64 = 1024 * 1024;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
enum WebError {
    #[error("{0} is no URL that begins with https://")]
    Url(Uri),
    #[error("it did not answer within {PATIENCE:?}")]
    Late,
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("its answer: {0}")]
    Body(#[from] BodyError),
}

/// What asks.
#[derive(Debug)]
pub(super) struct Web(Client);

impl Web {
    /// It connects by this.
    pub(super) fn new(connector: Connector) -> Self {
        Self(Client::new(connector.deadline(PATIENCE), Limits::DEFAULT))
    }
}

impl HttpClient for Web {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let asked = tokio::time::timeout(PATIENCE, ask(&client, request)).await;
            asked.unwrap_or(Err(WebError::Late)).map_err(|error| Error::Other(Box::new(error)))
        })
    }
}

async fn ask(client: &Client, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, WebError> {
    let (parts, body) = request.into_parts();
    if parts.uri.scheme_str() != Some("https") {
        return Err(WebError::Url(parts.uri));
    }
    let body = collected(body).await;
    let content = || Body::from(body.clone());
    let reply = client.call(&parts, body.len() as u64, content, Timeouts::default()).await?;
    let (parts, body) = reply.into_http()?.into_parts();
    Ok(BytesResponse { parts, body: Box::new(body.collect(LONGEST).await?) })
}

/// The bytes of a request's body, which are all there.
async fn collected(mut body: BodyWrapper<Bytes>) -> Bytes {
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(frame): Result<_, Infallible> = frame;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    bytes.freeze()
}
