//! WebSocket libraries on a current-thread tokio runtime, with `TCP_NODELAY`, each in the best mode that its interface has.

use std::error::Error;
use std::io;
use std::net::TcpListener;

use fastwebsockets::{FragmentCollector, OpCode, WebSocketError, upgrade};
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_websockets::ServerBuilder;

use crate::tokio_servers::runtime;

/// Messages that are gathered before they are answered.
const BATCH: usize = 64;
/// Messages that the room holds for a socket; the load has at most 64 under way.
const ROOM: usize = 1024;

/// How a connection ends; nobody wants to know.
type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Accepts for ever, with a task for each connection.
fn serve<F>(listener: TcpListener, handle: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = Outcome> + Send + 'static,
{
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let connection = handle(socket);
            tokio::spawn(async { drop(connection.await) });
        }
    })
}

/// fastwebsockets over hyper, as its example has it. It writes each frame by itself, and a read of it cannot be given up, so
/// replies cannot be gathered.
pub(crate) fn fastwebsockets(listener: TcpListener) -> io::Result<()> {
    serve(listener, async |socket| {
        http1::Builder::new()
            .serve_connection(TokioIo::new(socket), service_fn(upgrade))
            .with_upgrades()
            .await
            .map_err(Into::into)
    })
}

async fn upgrade(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, socket) = upgrade::upgrade(&mut request)?;
    tokio::spawn(tokio::task::unconstrained(async {
        let mut socket = FragmentCollector::new(socket.await?);
        loop {
            let frame = socket.read_frame().await?;
            match frame.opcode {
                OpCode::Close => return Ok::<_, WebSocketError>(()),
                OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
                _ => {}
            }
        }
    }));
    Ok(response)
}

/// tokio-tungstenite: replies are fed, and flushed when nothing is left to read. It writes zeros over its read buffer before each
/// read, 128 KiB by default, so a smaller `buffer` suits small messages.
pub(crate) fn tungstenite(listener: TcpListener, buffer: Option<usize>) -> io::Result<()> {
    let room = broadcast::Sender::new(ROOM);
    let config = buffer.map(|bytes| WebSocketConfig::default().read_buffer_size(bytes));
    serve(listener, move |socket| {
        let room = room.clone();
        async move {
            let mut path = String::new();
            #[allow(clippy::result_large_err)] // the library's own type
            let note = |request: &server::Request, response| {
                request.uri().path().clone_into(&mut path);
                Ok(response)
            };
            let socket = tokio_tungstenite::accept_hdr_async_with_config(socket, note, config).await?;
            match path.as_str() {
                "/broadcast" => relay(socket, room).await,
                _ => echo(socket).await,
            }
        }
    })
}

async fn echo(mut socket: WebSocketStream<TcpStream>) -> Outcome {
    while let Some(message) = socket.next().await {
        socket.feed(message?).await?;
        while let Some(Some(message)) = socket.next().now_or_never() {
            socket.feed(message?).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}

async fn relay(mut socket: WebSocketStream<TcpStream>, room: broadcast::Sender<Message>) -> Outcome {
    let mut said = room.subscribe();
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(message) => drop(room.send(message?)),
                None => return Ok(()),
            },
            message = said.recv() => {
                socket.feed(message?).await?;
                while let Ok(message) = said.try_recv() {
                    socket.feed(message).await?;
                }
                socket.flush().await?;
            }
        }
    }
}

/// tokio-websockets: it flushes before it reads, so what is there is read first, and then answered at once.
pub(crate) fn tokio_websockets(listener: TcpListener) -> io::Result<()> {
    serve(listener, async |socket| {
        let (_, socket) = ServerBuilder::new().accept(socket).await?;
        echo_gathered(socket).await
    })
}

async fn echo_gathered<S, M, E>(socket: S) -> Outcome
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Error + Send + Sync + 'static,
{
    let mut socket = socket;
    let mut messages = Vec::with_capacity(BATCH);
    while let Some(message) = socket.next().await {
        messages.push(message?);
        while messages.len() < BATCH
            && let Some(Some(message)) = socket.next().now_or_never()
        {
            messages.push(message?);
        }
        for message in messages.drain(..) {
            socket.feed(message).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}
