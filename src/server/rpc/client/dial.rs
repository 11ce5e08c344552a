//! From a target to a byte stream: by the connector, or by a function of the user's.

use std::fmt;
use std::io;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};

use super::target::Target;
use crate::net::client::{Alpn, ConnectError, Connector};
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
    pub(super) async fn connect(&self, target: &Target) -> Result<Io, ConnectError> {
        let alpn: Alpn<'_> = &[ALPN];
        let tls = self.tls.then_some(alpn);
        match (&self.function, target) {
            (Some(function), Target::Tcp { host, .. }) => {
                let tls = tls.map(|alpn| (host.as_str(), alpn));
                self.connector.by(&target.to_string(), function(target.clone()), tls).await
            }
            (Some(function), Target::Unix(_)) => {
                self.connector.by(&target.to_string(), function(target.clone()), None).await
            }
            (None, Target::Tcp { host, port }) => self.connector.connect(host, *port, tls).await,
            (None, Target::Unix(path)) => self.connector.unix(path).await,
        }
    }
}
