//! How the authority is asked: by HTTP/1.1 over TLS, one connection for each request.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, Uri};
use http_body::Body as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::net::client::{ConnectError, Connector};
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::proto::http::client::{ClientCodec, Finish, RequestError, RequestWriter};
use crate::proto::http::limits::Limits;
use crate::server::http::body::{Body, BodyError};
use crate::server::http::client::exchange::{ExchangeError, Timeouts, exchange};

/// How long one request may take, connection and all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of a response at most; a chain of certificates has some kilobytes.
const LONGEST: usize = 1024 * 1024;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
enum WebError {
    #[error("{0} is no URL that begins with https://")]
    Url(Uri),
    #[error("it did not answer within {PATIENCE:?}")]
    Late,
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("its answer is longer than {LONGEST} bytes")]
    Long,
    #[error(transparent)]
    Http(#[from] http::Error),
}

/// What asks.
#[derive(Debug)]
pub(super) struct Web(Connector);

impl Web {
    /// It connects by this.
    pub(super) fn new(connector: Connector) -> Self {
        Self(connector.deadline(PATIENCE))
    }
}

impl HttpClient for Web {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let connector = self.0.clone();
        Box::pin(async move {
            let asked = tokio::time::timeout(PATIENCE, ask(&connector, request)).await;
            asked.unwrap_or(Err(WebError::Late)).map_err(|error| Error::Other(Box::new(error)))
        })
    }
}

async fn ask(connector: &Connector, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, WebError> {
    let (parts, body) = request.into_parts();
    let url = parts.uri;
    let (Some("https"), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return Err(WebError::Url(url));
    };
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    let mut writer = RequestWriter::new(&parts.method, target, authority.as_str())?;
    for (name, value) in &parts.headers {
        writer.field(name, value);
    }
    let body = collected(body).await;
    let length = Some(body.len() as u64);
    let request = writer.finish(Finish { length, upgrade: None, close: true });
    let port = authority.port_u16().unwrap_or(443);
    let io = connector.connect(authority.host(), port, Some(&[b"http/1.1"])).await?;
    let conn = Conn::new(io, ClientCodec::new(Limits::default()), Clock::new().timer());
    let asking = exchange(Box::new(conn), request, Body::from(body), Timeouts::default());
    let answer = asking.await.map_err(|(error, _)| error)?;
    let mut response = Response::builder().status(answer.head.status());
    for (name, value) in answer.head.fields() {
        response = response.header(name, value);
    }
    let mut content = BytesMut::new();
    let mut body = answer.body.into_body(answer.length);
    while let Some(data) = body.data().await {
        let data = data?;
        if content.len() + data.len() > LONGEST {
            return Err(WebError::Long);
        }
        content.extend_from_slice(&data);
    }
    let (parts, content) = response.body(content.freeze())?.into_parts();
    Ok(BytesResponse { parts, body: Box::new(content) })
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
