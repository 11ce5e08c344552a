//! A channel: what calls are made by.
//!
//! There are two kinds. One leads to servers that are alike, and does what can be done when some of them fail. The other is the
//! connection by which somebody has called us: there is no second one to turn to, so nothing is tried again, and it ends with the connection.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Answered, Request};
use super::builder::Builder;
use super::halves::{RecvHalf, SendHalf, halves, plain_halves};
use super::layer::{Around, Asked, Beginning, Begun, Intercepted, Layered, Next, Outbound};
use super::retriable::StreamRequest;
use super::servers::Servers;
use super::{BadTarget, CallMeter, DEADLINE, Target};
use crate::net::service::{Layer, Service};
use crate::proto::rpc::status::{Code, Status};
use crate::server::rpc::caller::{Arrived, Failure, PeerCaller, Pending, Reach};
use crate::server::rpc::method::Description;

/// Makes calls: to [servers](Channel::to) that are alike, or back to [whoever has called](super::super::Context::peer_channel). Clones are the same channel.
#[derive(Clone)]
pub struct Channel {
    way: Way,
    layers: Option<Arc<dyn Around>>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("way", &self.way).finish_non_exhaustive()
    }
}

/// Where calls go.
#[derive(Clone, Debug)]
enum Way {
    /// To one of these.
    Servers(Servers),
    /// To the other end of a connection.
    Peer(PeerCaller),
}

impl From<Servers> for Channel {
    fn from(servers: Servers) -> Self {
        Self { way: Way::Servers(servers), layers: None }
    }
}

impl From<PeerCaller> for Channel {
    fn from(peer: PeerCaller) -> Self {
        Self { way: Way::Peer(peer), layers: None }
    }
}

impl Channel {
    /// A channel to these servers, which are written as [`Origin`](super::Origin) reads them, to be told what else is wanted.
    ///
    /// # Errors
    /// One of the texts does not say where a server is.
    pub fn to<T: AsRef<str>>(targets: impl IntoIterator<Item = T>) -> Result<Builder, BadTarget> {
        Builder::to(targets)
    }

    /// Calls other servers from now on. Those that stay keep their connections; calls under way elsewhere go on to their end. Names and files are
    /// not followed any longer. A [peer's channel](super::super::Context::peer_channel) has one connection and no servers: it stays as it is.
    pub fn set_targets(&self, targets: impl IntoIterator<Item = Target>) {
        match &self.way {
            Way::Servers(servers) => servers.set_targets(targets),
            Way::Peer(_) => {}
        }
    }

    /// How long a call of a method may take that does not say so, by the numbers of its service and its own; they are asked for only where it matters.
    pub(super) fn deadline(&self, key: impl FnOnce() -> (u32, u16)) -> Duration {
        match &self.way {
            Way::Servers(servers) => servers.0.calls.deadline(key).unwrap_or(servers.0.deadline),
            Way::Peer(_) => DEADLINE,
        }
    }

    /// Bytes of the longest message, decompressed.
    pub(super) fn max_message(&self) -> usize {
        match &self.way {
            Way::Servers(servers) => servers.0.settings.max_message,
            Way::Peer(peer) => peer.max_message(),
        }
    }

    /// Puts a layer around the calls of this channel, and of its clones from now on; those that there are already stay as they are. Of two layers the one
    /// that is added later is the outer one. [`layer`](super::layer) shows how to write one.
    #[must_use]
    pub fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<Next>,
        L::Service: Service<Outbound, Res = Result<Begun, Failure>> + 'static,
    {
        let Self { way, layers: inner } = self;
        let service = Arc::new(layer.layer(Next(())));
        Self { way, layers: Some(Arc::new(Layered { service, inner })) }
    }

    /// Has every call looked at before it is made: the function can change its metadata, deadline and trace, wait for something, or refuse the call. It goes
    /// around the call as a whole, retries and all.
    #[must_use]
    pub fn intercept<F, Fut>(self, look: F) -> Self
    where
        F: Fn(Outbound) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outbound, Status>> + Send + 'static,
    {
        let look = Arc::new(look);
        self.layer(move |next: Next| Intercepted { look: Arc::clone(&look), next })
    }

    /// Goes through the layers, if there are any; a call without a description is made by the command, whose channels have none.
    fn layered(&self, method: Option<&'static Description>) -> Option<(&dyn Around, &'static Description)> {
        self.layers.as_deref().zip(method)
    }

    /// The same channel without its layers.
    fn bare(&self) -> Self {
        Self { way: self.way.clone(), layers: None }
    }

    /// Makes a call whose request and answer are one message each.
    pub(in super::super) async fn call(&self, request: &Request) -> Answered {
        if let Some((layers, method)) = self.layered(request.method) {
            let call = Outbound::new(self.bare(), method, Asked::Unary(request.clone()));
            return match layers.call(call).await?.0 {
                Beginning::Answer(message, trailers) => Ok((message, trailers)),
                Beginning::Streaming(_) | Beginning::Halves(..) => Err(exchanged()),
            };
        }
        match &self.way {
            Way::Servers(servers) => servers.counted(request).await,
            Way::Peer(peer) => ask(peer, request).answer().await,
        }
    }

    /// Makes a call that is answered with a stream, and waits for the first that comes of it. Until then nothing was handed on, and it can be tried again.
    pub(in super::super) async fn stream(&self, request: &Request) -> Result<Streaming, Failure> {
        if let Some((layers, method)) = self.layered(request.method) {
            let call = Outbound::new(self.bare(), method, Asked::Streamed(request.clone()));
            return match layers.call(call).await?.0 {
                Beginning::Streaming(streaming) => Ok(streaming),
                Beginning::Answer(..) | Beginning::Halves(..) => Err(exchanged()),
            };
        }
        let begin = async |pending: Pending| {
            let first = poll_fn(|cx| pending.poll_next(cx)).await?;
            Ok((pending, first))
        };
        let (mut meter, begun) = match &self.way {
            Way::Servers(servers) => {
                (servers.meter(request.method, || request.begun), servers.retried(request, begin).await)
            }
            Way::Peer(peer) => (CallMeter::default(), begin(ask(peer, request)).await),
        };
        let (pending, first) = begun.inspect_err(|failure| meter.end(failure.status.code))?;
        Ok(Streaming { pending, first, meter })
    }

    /// Makes a call whose request is a stream, as soon as somebody can be called.
    pub(in super::super) async fn open(
        &self,
        request: StreamRequest,
    ) -> Result<(SendHalf, RecvHalf), Failure> {
        if let Some((layers, method)) = self.layered(request.method) {
            let call = Outbound::new(self.bare(), method, Asked::Opened(request));
            return match layers.call(call).await?.0 {
                Beginning::Halves(send, recv) => Ok((send, recv)),
                Beginning::Answer(..) | Beginning::Streaming(_) => Err(exchanged()),
            };
        }
        match &self.way {
            Way::Servers(servers) => {
                let mut meter = servers.meter(request.method, tokio::time::Instant::now);
                let opened = servers.open(request).await;
                let stream = opened.inspect_err(|failure| meter.end(failure.status.code))?;
                Ok(halves(stream, meter))
            }
            Way::Peer(peer) => {
                let StreamRequest { call, deadline, .. } = request;
                Ok(plain_halves(peer.call(call, None, false, Some(deadline))))
            }
        }
    }
}

/// A call whose answer is a stream.
#[derive(Debug)]
pub(in super::super) struct Streaming {
    pub(in super::super) pending: Pending,
    /// What came first.
    pub(in super::super) first: Arrived,
    /// What counts the call when it is over.
    pub(in super::super) meter: CallMeter,
}

/// A layer has given a call what has come of another one.
fn exchanged() -> Failure {
    let status = Status::new(Code::Internal, "a layer has exchanged one call for another");
    Failure { status, reach: Reach::Unknown, attempts: 0 }
}

fn ask(peer: &PeerCaller, request: &Request) -> Pending {
    peer.call(request.call.clone(), Some(request.message.clone()), true, Some(request.deadline))
}
