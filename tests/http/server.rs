//! A server of this process, on a thread and a port of its own, with what a test wants to decide about it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use wireworks::net::addr::ListenAddr;
use wireworks::net::clock::Clock;
use wireworks::net::listen::bind;
use wireworks::net::serve::{Gate, GateSettings};
use wireworks::proto::http::list::FieldLines;
use wireworks::server::http::body::Frame;
use wireworks::server::http::engine::Engine;
use wireworks::server::http::handler::{Handler, HandlerFuture, SharedHandler};
use wireworks::server::http::problem::Problem;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::{IntoResponse, Response};
use wireworks::server::http::settings::Settings;

use crate::support::response::Response as Reply;
use crate::support::wire::Wire;

/// What is served, and how.
pub(super) struct Setup {
    handler: SharedHandler,
    settings: Settings,
    gate: GateSettings,
    listen: ListenAddr,
}

/// A server that runs until it is dropped, which must find it in good health.
pub(super) struct TestServer {
    pub(super) server: Arc<Engine>,
    pub(super) gate: Arc<Gate>,
    /// Requests that came to the handler.
    requests: Arc<AtomicU64>,
    /// Status and reason of each request that no handler answered.
    refusals: Arc<Mutex<Vec<(u16, &'static str)>>>,
    addr: ListenAddr,
    stop: Option<oneshot::Sender<Duration>>,
    /// Says how many connections were aborted.
    thread: Option<JoinHandle<usize>>,
}

impl Setup {
    pub(super) fn new(handler: impl Handler) -> Self {
        Self::shared(Arc::new(handler))
    }

    pub(super) fn shared(handler: SharedHandler) -> Self {
        Self {
            handler,
            settings: Settings::default(),
            gate: GateSettings { refusal: Bytes::from_static(REFUSAL), ..GateSettings::default() },
            listen: "127.0.0.1:0".parse().unwrap(),
        }
    }

    /// Changes the settings of the connections.
    pub(super) fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Changes what the gate checks.
    pub(super) fn gate(mut self, change: impl FnOnce(&mut GateSettings)) -> Self {
        change(&mut self.gate);
        self
    }

    /// Listens on a Unix socket.
    pub(super) fn at(mut self, path: &Path) -> Self {
        self.listen = ListenAddr::Unix(path.to_owned());
        self
    }

    pub(super) fn start(self) -> TestServer {
        let refusals = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&refusals);
        let requests = Arc::new(AtomicU64::new(0));
        let counting = Counting { requests: Arc::clone(&requests), handler: self.handler };
        let server = Arc::new(Engine {
            on_refusal: Some(Box::new(move |refusal| {
                told.lock().unwrap().push((refusal.status.as_u16(), refusal.reason));
            })),
            ..Engine::new(self.settings, Arc::new(counting))
        });
        let gate = Arc::new(Gate::new(self.gate));
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = channel();
        let (serving, passing, listen) = (Arc::clone(&server), Arc::clone(&gate), self.listen);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = bind(&listen, false).unwrap();
                ready.send(listener.local_addr().clone()).unwrap();
                let drain = serving.drain.clone();
                tokio::spawn(serving.serve(listener, passing, Clock::new()));
                let deadline = stopped.await.unwrap_or(PATIENCE);
                drain.finish(deadline).await
            })
        });
        let addr = is_ready.recv().expect("a server that listens");
        TestServer { server, gate, requests, refusals, addr, stop: Some(stop), thread: Some(thread) }
    }
}

/// A handler that is counted.
struct Counting {
    requests: Arc<AtomicU64>,
    handler: SharedHandler,
}

impl Handler for Counting {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.handler.handle(request)
    }
}

/// What the connections of a test get to end: far more than they need.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a connection over the limit is told.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
      Content-Length: 0\r\n\
      Retry-After: 1\r\n\
      Connection: close\r\n\r\n";

impl TestServer {
    #[track_caller]
    pub(super) fn addr(&self) -> SocketAddr {
        match &self.addr {
            ListenAddr::Tcp(addr) => *addr,
            addr => panic!("{addr} has no port"),
        }
    }

    #[track_caller]
    pub(super) fn connect(&self) -> Wire {
        match &self.addr {
            ListenAddr::Unix(path) => Wire::connect_unix(path),
            _ => Wire::connect(self.addr()),
        }
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub(super) fn ask(&self, request: impl AsRef<[u8]>) -> Reply {
        let method = request.as_ref().split(|byte| *byte == b' ').next();
        let method = String::from_utf8_lossy(method.unwrap_or_default()).into_owned();
        let mut wire = self.connect();
        wire.send(request);
        wire.read_response_to(&method)
    }

    /// GET of `path` with further field lines, each ended by CRLF.
    #[track_caller]
    pub(super) fn get(&self, path: &str, fields: &str) -> Reply {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
    }

    /// Requests that came to the handler, on all connections.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Takes the statuses and reasons of the refusals so far.
    pub(super) fn refusals(&self) -> Vec<(u16, &'static str)> {
        std::mem::take(&mut self.refusals.lock().unwrap())
    }

    /// Begins the shutdown, which waits at most `deadline`; says how many connections were aborted.
    #[track_caller]
    pub(super) fn stop(mut self, deadline: Duration) -> usize {
        self.end(deadline)
    }

    /// Begins the shutdown, and goes on while it waits. The next stop tells its end.
    pub(super) fn begin_stop(&self) {
        self.server.drain.stop();
    }

    fn end(&mut self, deadline: Duration) -> usize {
        let (Some(stop), Some(thread)) = (self.stop.take(), self.thread.take()) else {
            return 0;
        };
        stop.send(deadline).expect("a server that runs");
        thread.join().expect("a server that did not panic")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let aborted = self.end(PATIENCE);
        assert_eq!(aborted, 0, "connections that did not end by themselves");
    }
}

/// Says what it understood: `METHOD TARGET host=AUTHORITY`, each line of the field X, the body, and the trailers.
pub(super) async fn echo(mut request: Request) -> Response {
    let head = request.head().clone();
    let mut said = format!("{} {} host={}", head.method(), head.target(), head.authority());
    for line in head.lines("x") {
        said += &format!(" x={}", line.escape_ascii());
    }
    let mut body = Vec::new();
    let mut trailers = String::new();
    while let Some(frame) = request.body_mut().frame().await {
        match frame {
            Ok(Frame::Data(data)) => body.extend_from_slice(&data),
            Ok(Frame::Trailers(fields)) => {
                for (name, value) in fields.iter() {
                    trailers += &format!(" {name}={}", value.as_bytes().escape_ascii());
                }
            }
            Err(error) => return Problem::from(error).into_response(),
        }
    }
    Response::text(format!("{said} body={}{trailers}", body.escape_ascii()))
}

/// A server that only says what it understood.
pub(super) fn echo_server() -> TestServer {
    Setup::new(echo).start()
}
