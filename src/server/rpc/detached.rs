//! A server without listeners: it serves connections that somebody else accepted.
//!
//! For programs that have an accept loop of their own, for tests within a process, and for simulated networks. TLS, limits on
//! connections and addresses are then the accept loop's.
//!
//! ```
//! use wireworks::net::addr::PeerAddr;
//! use wireworks::server::rpc::{Channel, Services, Settings};
//! # use wireworks::server::rpc::{Context, Status};
//! # use wireworks::service;
//! # service! {
//! #     pub service Shout as ShoutClient in shout {
//! #         1 => unary shout(String) -> String;
//! #     }
//! # }
//! # struct Loud;
//! # impl Shout for Loud {
//! #     async fn shout(&self, _: Context, text: String) -> Result<String, Status> {
//! #         Ok(text.to_uppercase())
//! #     }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let server = shout::serve(Loud).detached(Settings::default())?;
//! let builder = Channel::to(["in-the-same-process:1"])?;
//! let channel = builder.dial({
//!     let server = server.clone();
//!     move |_target| {
//!         let (near, far) = tokio::io::duplex(64 * 1024);
//!         let server = server.clone();
//!         tokio::spawn(async move { server.serve(far, PeerAddr::Unix).await });
//!         async move { Ok(near) }
//!     }
//! });
//! let client = ShoutClient::new(channel.lazy());
//! assert_eq!(client.shout("psst".into()).await?, "PSST");
//! assert_eq!(server.finish(std::time::Duration::from_secs(5)).await, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Settings;
use super::link::{Link, Parts, Serve};
use super::observe::Watch;
use crate::net::addr::PeerAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::proto::rpc::session::Role;
use crate::server::peer::Peer;

/// Serves connections that somebody else accepted. Clones are the same server. Made by [`Services::detached`](super::Services::detached).
#[derive(Clone)]
pub struct Detached(Arc<Shared>);

struct Shared {
    serve: Arc<dyn Serve>,
    settings: Arc<Settings>,
    clock: Clock,
    drain: Drain,
    connections: AtomicU64,
}

impl fmt::Debug for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detached").field("connections", &self.0.drain.live()).finish_non_exhaustive()
    }
}

impl Detached {
    pub(super) fn of(serve: Arc<dyn Serve>, settings: Settings) -> Self {
        let (clock, drain) = (Clock::new(), Drain::new());
        drain.attach(&clock);
        Self(Arc::new(Shared {
            serve,
            settings: settings.shared(),
            clock,
            drain,
            connections: AtomicU64::new(0),
        }))
    }

    /// Serves one connection to its end: a socket of tokio's, or [`Io::other`] of any stream, and whose it is. It is usually a task of
    /// its own; when that is dropped, the connection is cut. How it ended is logged at level `debug`.
    pub async fn serve(&self, io: impl Into<Io>, peer: impl Into<PeerAddr>) {
        let Shared { serve, settings, clock, drain, connections } = &*self.0;
        let _guard = drain.guard();
        let io = io.into();
        let number = connections.fetch_add(1, Ordering::Relaxed) + 1;
        let peer = Peer::new(peer.into(), io.is_tls(), number);
        let peer = match io.tls_session() {
            Some(session) => Arc::new(peer.over_tls(session)),
            None => Arc::new(peer),
        };
        let (link, caller) = Link::new(Parts {
            io,
            timer: clock.timer(),
            role: Role::Server,
            settings: Arc::clone(settings),
            serve: Arc::clone(serve),
            peer: Arc::clone(&peer),
            drain: drain.clone(),
            place: None,
            watch: Watch::NOBODY,
            lane: None,
        });
        if let Err(error) = link.run().await {
            tracing::debug!(peer = %peer.addr, %error, "a connection ended");
        }
        drop(caller); // a server does not close a connection because it has nothing to ask
    }

    /// Tells every connection to end when its calls have, and waits for that until `deadline`; what is left then is cut. Says how many
    /// those were. Connections that come later end at once.
    pub async fn finish(&self, deadline: Duration) -> usize {
        self.0.drain.finish(deadline).await
    }
}
