//! From a target to a byte stream: by the connector, or by a function of the user's.

use std::fmt;
use std::io;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};

use super::target::Place;
use crate::net::client::{Alpn, ConnectError, Connector, Target};
use crate::net::io::Io;
use crate::proto::rpc::codec::ALPN;

/// A function that makes connections.
type Function = dyn Fn(Target) -> BoxFuture<'static, io::Result<Io>> + Send + Sync;

/// How a channel makes its connections.
#[derive(Default)]
pub(super) struct Dial {
    pub(super) connector: Connector,
    pub(super) tls: bool,
    function: Option<Arc<Function>>,
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial").field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl Dial {
    /// Connects by a function.
    pub(super) fn by<F, Fut, S>(&mut self, function: F)
    where
        F: Fn(Target) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<S>> + Send + 'static,
        S: Into<Io>,
    {
        let function = move |target| function(target).map(|dialed| dialed.map(Into::into)).boxed();
        self.function = Some(Arc::new(function));
    }

    /// Connects, within the connector's deadline.
    pub(super) async fn connect(&self, place: &Place) -> Result<Io, ConnectError> {
        let Place { target, name } = place;
        let Self { connector, tls, function } = self;
        let alpn: Alpn<'_> = &[ALPN];
        let alpn = tls.then_some(alpn);
        if let Some(function) = function {
            let host = match target {
                Target::Tcp { host, .. } => Some(name.as_deref().unwrap_or(host)),
                Target::Unix(_) => None,
            };
            return connector.by(&target.to_string(), function(target.clone()), host.zip(alpn)).await;
        }
        match (target, name, alpn) {
            (Target::Tcp { host, port }, Some(name), Some(alpn)) => {
                connector.tls(connector.tcp(host, *port).await?, name, alpn).await
            }
            (Target::Tcp { host, port }, _, alpn) => connector.connect(host, *port, alpn).await,
            (Target::Unix(path), ..) => connector.unix(path).await,
        }
    }
}
