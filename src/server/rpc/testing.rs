//! A service for tests, as a connection sees one.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::sleep;

use super::layer::Answer;
use super::link::inbox::Next;
use super::link::{Asked, Handle, Serve, Streams};
use super::method::{Description, Kind};
use crate::proto::rpc::frame::Call;
use crate::proto::rpc::session::Message;
use crate::proto::rpc::status::{Code, Status};

/// Methods of the test service, by number.
pub(super) const ECHO: u16 = 1;
pub(super) const FAIL: u16 = 2;
pub(super) const COUNT: u16 = 3;
pub(super) const SUM: u16 = 4;
pub(super) const TALK: u16 = 5;
pub(super) const HANG: u16 = 6;
pub(super) const PANIC: u16 = 7;
pub(super) const LATE: u16 = 8;

#[derive(Clone, Default)]
pub(super) struct Bench {
    /// Handlers of HANG that live.
    pub(super) hanging: Arc<AtomicUsize>,
    /// Handlers that were begun.
    pub(super) begun: Arc<AtomicUsize>,
}

struct Method(u16, Bench);

impl Serve for Bench {
    fn find(&self, call: &Call) -> Result<Arc<dyn Handle>, Status> {
        if call.method > LATE {
            return Err(Status::new(Code::Unimplemented, format!("there is no method {}", call.method)));
        }
        Ok(Arc::new(Method(call.method, self.clone())))
    }
}

/// Counts as long as it lives.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) fn message(bytes: impl Into<Bytes>) -> Message {
    Message { bytes: bytes.into(), ..Message::default() }
}

fn ok(bytes: impl Into<Bytes>) -> Answer {
    Answer { status: Status::ok(), message: Some(message(bytes)) }
}

/// The next message of a stream that comes in.
async fn next(streams: &Streams) -> Option<Bytes> {
    match poll_fn(|cx| streams.inbox.poll_next(cx)).await {
        Next::Message(message) => {
            streams.mailbox.send_consumed(&streams.inbox, message.credit);
            Some(message.bytes)
        }
        Next::Last | Next::End(_) => None,
    }
}

async fn say(streams: &Streams, bytes: impl Into<Bytes>) {
    if poll_fn(|cx| streams.inbox.poll_room(cx)).await.is_ok() {
        streams.inbox.say(&streams.mailbox, message(bytes), false);
    }
}

impl Handle for Method {
    fn takes_stream(&self) -> bool {
        matches!(self.0, SUM | TALK)
    }

    fn gives_stream(&self) -> bool {
        matches!(self.0, COUNT | TALK)
    }

    fn description(&self) -> &'static Description {
        &Description {
            service: "Bench",
            number: 0,
            name: "any",
            kind: Kind::Unary,
            idempotent: false,
            docs: "",
        }
    }

    fn handle(&self, asked: Asked) -> BoxFuture<'static, Answer> {
        self.1.begun.fetch_add(1, Ordering::SeqCst);
        let alive = (self.0 == HANG).then(|| Alive::new(&self.1.hanging));
        let method = self.0;
        async move {
            let _alive = alive;
            let request = asked.request.bytes;
            match (method, asked.streams) {
                (ECHO, _) => {
                    let status = Status::ok().trailers(asked.context.metadata.clone());
                    Answer { status, message: Some(message(request)) }
                }
                (FAIL, _) => Status::new(Code::NotFound, "nothing here").into(),
                (COUNT, Some(streams)) => {
                    let count: usize = String::from_utf8_lossy(&request).parse().unwrap();
                    for n in 0..count {
                        say(&streams, n.to_string()).await;
                    }
                    Status::ok().into()
                }
                (SUM, Some(streams)) => {
                    let mut sum = 0;
                    while let Some(bytes) = next(&streams).await {
                        sum += bytes.len();
                    }
                    ok(sum.to_string())
                }
                (TALK, Some(streams)) => {
                    while let Some(bytes) = next(&streams).await {
                        say(&streams, bytes).await;
                    }
                    Status::ok().into()
                }
                (PANIC, _) => panic!("as it was told"),
                (LATE, _) => {
                    sleep(Duration::from_millis(100)).await;
                    ok(request)
                }
                _ => std::future::pending().await,
            }
        }
        .boxed()
    }
}
