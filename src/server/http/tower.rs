//! Serving what was written for `tower`: any service over the `http` crate's requests and replies is a [`Handler`].
//!
//! An axum `Router` runs unmodified. The head is turned into a [`http::Request`] here and nowhere else, so handlers of our
//! own do not pay for it; its target and values share the bytes that arrived. The reply's framing is derived anew: what a
//! service says in `Content-Length` counts only as the length it means. A service finds [`Arc<Peer>`](Peer) among the
//! extensions. It cannot upgrade a connection: 101 needs [`Response::upgrade`].

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Uri};
use http_body::Body as _;

use super::body::{Body, BoxError, Frame};
use super::handler::{Handler, HandlerFuture};
use super::problem::Problem;
use super::request::Request;
use super::response::{IntoResponse, Response};
use crate::proto::http::fields::Fields;
use crate::proto::http::head::Head;

#[cfg(doc)]
use crate::server::peer::Peer;
#[cfg(doc)]
use std::sync::Arc;

/// A `tower` service as a handler; see [`service`].
#[derive(Clone, Copy, Debug)]
pub struct TowerHandler<S>(S);

/// Makes a handler of a `tower` service. Each request is answered by a clone of it, once that is ready. Its errors are
/// replies: [`Infallible`](std::convert::Infallible), as axum has it, is one.
pub fn service<S, B>(service: S) -> TowerHandler<S>
where
    S: tower_service::Service<http::Request<Body>, Response = http::Response<B>>,
    TowerHandler<S>: Handler,
{
    TowerHandler(service)
}

impl<S, B> Handler for TowerHandler<S>
where
    S: tower_service::Service<http::Request<Body>, Response = http::Response<B>>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: IntoResponse + Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        Box::pin(answer(self.0.clone(), request))
    }
}

async fn answer<S, B>(mut service: S, request: Request) -> Response
where
    S: tower_service::Service<http::Request<Body>, Response = http::Response<B>>,
    S::Error: IntoResponse,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let method = request.method().clone();
    let request = match outward(request) {
        Ok(request) => request,
        Err(error) => return Problem::bad_request(error.to_string()).into_response(),
    };
    if let Err(error) = poll_fn(|cx| service.poll_ready(cx)).await {
        return error.into_response();
    }
    match service.call(request).await {
        Ok(response) => inward(&method, response).await,
        Err(error) => error.into_response(),
    }
}

/// The request as the `http` crate has it.
fn outward(request: Request) -> Result<http::Request<Body>, http::Error> {
    let head = &request.head;
    let mut outward = http::Request::new(request.body);
    *outward.method_mut() = head.method().clone();
    *outward.version_mut() = head.version();
    *outward.uri_mut() = Uri::from_maybe_shared(shared(head, head.target().as_bytes()))?;
    *outward.headers_mut() = headers(head)?;
    *outward.extensions_mut() = request.extensions;
    outward.extensions_mut().insert(request.peer);
    Ok(outward)
}

fn headers(head: &Head) -> Result<HeaderMap, http::Error> {
    let mut map = HeaderMap::with_capacity(head.fields().len());
    for (name, value) in head.fields() {
        let name = HeaderName::from_bytes(name.as_bytes())?;
        let value = HeaderValue::from_maybe_shared(shared(head, value))?;
        map.try_append(name, value)?;
    }
    Ok(map)
}

/// `part` of the head's buffer, without a copy.
fn shared(head: &Head, part: &[u8]) -> Bytes {
    head.bytes().slice_ref(part)
}

/// The reply as we have it.
async fn inward<B>(method: &Method, response: http::Response<B>) -> Response
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (parts, body) = response.into_parts();
    if parts.status.is_informational() {
        let detail = format!("a tower service cannot answer {} here", parts.status);
        return Problem::internal(detail).into_response();
    }
    let declared = declared_length(&parts.headers);
    let exact = body.size_hint().exact();
    let mut fields = Fields::from(parts.headers);
    for framing in [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION] {
        fields.remove(&framing);
    }
    let mut response = Response::empty(parts.status);
    *response.fields_mut() = fields;
    if *method == Method::HEAD {
        // An empty body says nothing of the length of GET's: the service may have left it out.
        match declared.or(exact.filter(|&length| length > 0)) {
            Some(length) => response.length_of_get(length),
            None => *response.body_mut() = Body::frames(futures_util::stream::empty(), None),
        }
    } else {
        *response.body_mut() = body_of(body, exact, declared).await;
    }
    response
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body as we have it; in memory when the whole of it is at hand, so that it leaves with the head.
async fn body_of<B>(body: B, exact: Option<u64>, declared: Option<u64>) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    if body.is_end_stream() {
        return Body::empty();
    }
    let mut foreign = Foreign { body: Box::pin(body), first: None };
    let Some(length) = exact else {
        return Body::frames(foreign, declared);
    };
    let at_hand = poll_fn(|cx| Poll::Ready(Pin::new(&mut foreign).poll_next(cx))).await;
    match at_hand {
        Poll::Ready(Some(Ok(Frame::Data(data))))
            if data.len() as u64 == length && foreign.body.is_end_stream() =>
        {
            data.into()
        }
        Poll::Ready(None) => Body::empty(),
        Poll::Ready(first) => {
            foreign.first = first;
            Body::frames(foreign, exact)
        }
        Poll::Pending => Body::frames(foreign, exact),
    }
}

/// A body of another kind, as a stream of our frames.
struct Foreign<B> {
    body: Pin<Box<B>>,
    /// A frame that was taken to have a look at it.
    first: Option<Result<Frame, BoxError>>,
}

impl<B> Stream for Foreign<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Item = Result<Frame, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        loop {
            let frame = match ready!(self.body.as_mut().poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => frame,
            };
            let frame = match frame.into_data() {
                Ok(data) => Frame::Data(data),
                Err(frame) => match frame.into_trailers() {
                    Ok(trailers) => Frame::Trailers(trailers.into()),
                    Err(_) => continue, // a kind of frame that HTTP/1.1 has no place for
                },
            };
            return Poll::Ready(Some(Ok(frame)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::extract::{Path, Query};
    use axum::routing::{get, post};
    use futures_util::StreamExt;
    use futures_util::stream;
    use http::StatusCode;

    use super::super::testing::{field, read, request};
    use super::*;
    use crate::server::peer::Peer;

    fn app() -> axum::Router {
        let echo = |body: axum::body::Body| async { body };
        let lines = || async {
            let lines = (0..3).map(|n| Ok::<_, Infallible>(format!("line {n}\n")));
            axum::body::Body::from_stream(stream::iter(lines))
        };
        axum::Router::new()
            .route(
                "/users/{id}",
                get(|Path(id): Path<u32>, Query(query): Query<Vec<(String, String)>>| async move {
                    axum::Json(serde_json::json!({ "id": id, "query": query }))
                }),
            )
            .route("/lines", get(lines))
            .route("/echo", post(echo))
            .route("/peer", get(peer))
    }

    async fn peer(axum::Extension(peer): axum::Extension<std::sync::Arc<Peer>>) -> String {
        peer.connection.to_string()
    }

    async fn ask(line: &str, fields: &[(&str, &str)], body: impl Into<Body>) -> Response {
        service(app()).handle(request(line, fields, body)).await
    }

    #[tokio::test]
    async fn an_axum_router_answers() {
        let response = ask("GET /users/7?a=b&c=%20d", &[], "").await;
        assert_eq!(field(&response, "content-type"), "application/json");
        assert!(response.body().as_bytes().is_some(), "what is at hand stays in memory");
        assert!(response.fields().find("content-length").is_none());
        let expected = r#"{"id":7,"query":[["a","b"],["c"," d"]]}"#;
        assert_eq!(read(response).await, (200, expected.to_owned()));
        for (line, status) in [
            ("GET /users/x", 400),
            ("GET /nothing", 404),
            ("GET /echo", 405),
            ("OPTIONS *", 404),
            ("GET http://example.org/users/7", 200),
        ] {
            assert_eq!(ask(line, &[], "").await.code(), status, "{line}");
        }
        assert_eq!(read(ask("GET /peer", &[], "").await).await.1, "1");
    }

    #[tokio::test]
    async fn bodies_stream_both_ways() {
        let response = ask("GET /lines", &[], "").await;
        assert_eq!(response.body().len(), None);
        assert_eq!(read(response).await.1, "line 0\nline 1\nline 2\n");

        let pieces = stream::iter(["ab", "c"]).map(|text| Ok::<_, Infallible>(Bytes::from(text)));
        let response = ask("POST /echo", &[], Body::stream(pieces)).await;
        assert_eq!(read(response).await, (200, "abc".to_owned()));
        let response = ask("POST /echo", &[], "known").await;
        assert_eq!(response.body().len(), Some(5));
        assert_eq!(read(response).await, (200, "known".to_owned()));
    }

    #[tokio::test]
    async fn trailers_pass_both_ways() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("3"));
        let frames = [Frame::Data(Bytes::from("abc")), Frame::Trailers(trailers.into())];
        let body = Body::frames(stream::iter(frames.map(Ok)), None);
        let mut response = ask("POST /echo", &[], body).await;
        let first = response.body_mut().frame().await.unwrap().unwrap();
        let second = response.body_mut().frame().await.unwrap().unwrap();
        assert!(matches!(first, Frame::Data(data) if data == "abc"));
        assert!(matches!(second, Frame::Trailers(fields) if fields.find("x-sum").unwrap() == "3"));
        assert!(response.body_mut().frame().await.is_none());
    }

    #[tokio::test]
    async fn head_says_the_length_of_get_or_nothing() {
        let length = |response: &Response| response.extra.as_ref().and_then(|extra| extra.length);
        let response = ask("HEAD /users/7", &[], "").await;
        assert_eq!(length(&response), Some(19));
        assert!(response.body().is_empty());
        let response = ask("HEAD /lines", &[], "").await;
        assert_eq!((length(&response), response.body().len()), (None, None));
    }

    /// A service with one reply.
    async fn through<B>(line: &str, reply: http::Response<B>) -> Response
    where
        B: http_body::Body<Data = Bytes> + Clone + Send + Sync + 'static,
        B::Error: Into<BoxError>,
    {
        let reply = service(Fixed(reply));
        reply.handle(request(line, &[], "")).await
    }

    #[derive(Clone)]
    struct Fixed<B>(http::Response<B>);

    impl<B: Clone> tower_service::Service<http::Request<Body>> for Fixed<B> {
        type Response = http::Response<B>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: http::Request<Body>) -> Self::Future {
            std::future::ready(Ok(self.0.clone()))
        }
    }

    #[tokio::test]
    async fn framing_is_derived_anew() {
        let reply = http::Response::builder()
            .header("transfer-encoding", "chunked")
            .header("connection", "close")
            .header("x-other", "stays")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2");
        let reply = reply.body(http_body_util::Full::new(Bytes::from("abc"))).unwrap();
        let response = through("GET /", reply).await;
        let names: Vec<_> = response.fields().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-other", "set-cookie", "set-cookie"]);
        assert_eq!(response.body().len(), Some(3));
    }

    #[tokio::test]
    async fn a_declared_length_is_kept_for_a_body_that_does_not_know_its_own() {
        #[derive(Clone)]
        struct Unsized(Option<Bytes>);
        impl http_body::Body for Unsized {
            type Data = Bytes;
            type Error = Infallible;
            fn poll_frame(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
                Poll::Ready(self.0.take().map(|data| Ok(http_body::Frame::data(data))))
            }
        }
        let body = || Unsized(Some(Bytes::from("abc")));
        for (declared, length) in [("3", Some(3)), ("x", None)] {
            let reply = http::Response::builder().header("content-length", declared);
            let response = through("GET /", reply.body(body()).unwrap()).await;
            assert_eq!(response.body().len(), length);
            assert_eq!(read(response).await.1, "abc");
        }
    }

    #[tokio::test]
    async fn no_interim_reply_passes_for_a_final_one() {
        let reply = http::Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        let reply = reply.body(http_body_util::Empty::new()).unwrap();
        assert_eq!(through("GET /", reply).await.code(), 500);
    }
}
