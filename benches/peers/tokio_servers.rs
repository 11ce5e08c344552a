//! hyper and axum as their own examples run them, on a current-thread runtime, with `TCP_NODELAY`.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;

use axum::routing::get;
use axum::serve::ListenerExt;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tower_http::services::ServeDir;

use crate::HELLO;

/// hyper's HTTP/1 server over one accept loop.
pub(crate) fn hyper(listener: TcpListener, pipeline_flush: bool) -> io::Result<()> {
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let connection = http1::Builder::new()
                .pipeline_flush(pipeline_flush)
                .serve_connection(TokioIo::new(socket), service_fn(plaintext));
            // A peer that goes away is no news.
            tokio::spawn(async { drop(connection.await) });
        }
    })
}

async fn plaintext(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from(HELLO));
    if request.uri().path() == "/plaintext" {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
    } else {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}

/// axum's own server with one route, and the files of `root` behind it.
pub(crate) fn axum(listener: TcpListener, root: Option<PathBuf>) -> io::Result<()> {
    let mut router = axum::Router::new().route("/plaintext", get(async || HELLO));
    if let Some(root) = root {
        router = router.fallback_service(ServeDir::new(root));
    }
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        // A socket that refuses the option is already gone; its connection ends by itself.
        let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
        axum::serve(listener, router).await
    })
}

/// One thread, as every peer has.
pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
