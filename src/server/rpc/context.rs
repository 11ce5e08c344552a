//! What a handler knows of the call that it answers.

use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use tokio::time::Instant;

use super::caller::PeerCaller;
use super::client::Channel;
use super::trailers::Trailers;
use crate::net::drain::Drain;
use crate::net::workers::{Cancelled, Priority};
use crate::proto::rpc::frame::Trace;
use crate::proto::rpc::metadata::{Metadata, MetadataError};
use crate::proto::rpc::status::{Code, Status};
use crate::server::peer::Peer;

/// A call, as its handler sees it beside its request.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who calls: the address, and what TLS tells of it.
    pub peer: Arc<Peer>,
    /// What came with the call.
    pub metadata: Metadata,
    /// When the call is given up: the lesser of what the caller said and the server's own limit.
    pub deadline: Instant,
    /// How often the call was tried before.
    pub attempt: u8,
    /// Where the call stands in a trace.
    pub trace: Option<Box<Trace>>,
    /// What [layers](super::layer) have found out about the call: who the caller is, say. By type.
    pub extensions: Extensions,
    /// The payload codec of the request, which the answer has too.
    pub(super) codec: u8,
    /// The longest message, decompressed.
    pub(super) max_message: usize,
    pub(super) home: Arc<Home>,
    /// The number of the call on its connection.
    pub(super) stream: u32,
}

/// What the calls of a connection share of their server.
#[derive(Debug)]
pub(super) struct Home {
    /// The shutdown of the server.
    pub(super) drain: Drain,
    /// Makes calls to the peer.
    pub(super) back: PeerCaller,
    /// What handlers have added to the end of their calls.
    pub(super) trailers: Trailers,
}

impl Context {
    /// How much time is left.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether the server was told to stop. Calls under way are answered still.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.home.drain.is_stopping()
    }

    /// Resolves when the server is told to stop: a stream without an end should end then.
    pub async fn stopping(&self) {
        self.home.drain.stopping().await;
    }

    /// Adds a name and a value to the trailers of the call: what its caller gets with the end, behind the answer or the last message of a stream, and
    /// also when the call fails. Those of a [`Status`] that the handler fails with come before them. What is added when the call is over is not sent.
    ///
    /// ```
    /// # use wireworks::server::rpc::{Channel, Code, Context, Status};
    /// # use wireworks::service;
    /// # service! {
    /// #     pub service Search as SearchClient in search {
    /// #         1 => unary find(String) -> u64, idempotent;
    /// #     }
    /// # }
    /// # struct Index;
    /// impl Search for Index {
    ///     async fn find(&self, context: Context, words: String) -> Result<u64, Status> {
    ///         let invalid = |error| Status::new(Code::Internal, format!("{error}"));
    ///         context.add_trailer("searched", words.len().to_string()).map_err(invalid)?;
    ///         Ok(42)
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let running = search::serve(Index).server()?.listen("127.0.0.1:0").threads(1).start()?;
    /// # let address = running.tcp().ok_or("no address")?.to_string();
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let client = SearchClient::new(Channel::to([address])?.lazy());
    /// let reply = client.find("tea".into()).reply().await?;
    /// assert_eq!((reply.message, reply.trailers.text("searched")), (42, Some("3")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The name cannot be one, or is reserved, or there are more than 64 of them or 64 KiB. What the caller puts up with may be less (8 KiB, unless its
    /// settings say otherwise): a call with more of it ends with `resource_exhausted`.
    pub fn add_trailer(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), MetadataError> {
        self.home.trailers.add(self.stream, name, value.as_ref())
    }

    /// A channel to whoever has called, on the same connection: there a client answers whose channel was made by
    /// [`Builder::answering`](super::client::Builder::answering), and a server answers its client's handlers.
    ///
    /// It can be kept when the call is over, and works as long as the connection; then each call on it fails at once with `unavailable`, and has reached
    /// nobody ([`Reach::Never`](super::Reach::Never)). It does not keep the connection open. As there is only the one, nothing is tried again, hedged or balanced; a call without a
    /// timeout of its own gets [`DEADLINE`](super::client::DEADLINE), and no more than is left of the call that is answered. A server that
    /// [stops](Self::stopping) can call back as long as it answers calls of the same connection.
    ///
    /// ```
    /// use wireworks::server::rpc::{Channel, Context, Status};
    /// use wireworks::service;
    ///
    /// service! {
    ///     /// What a client knows.
    ///     pub service Person as PersonClient in person {
    ///         1 => unary name(()) -> String;
    ///     }
    /// }
    ///
    /// service! {
    ///     /// What a server does.
    ///     pub service Greeter as GreeterClient in greeter {
    ///         1 => unary greet(()) -> String;
    ///     }
    /// }
    ///
    /// struct Ada;
    ///
    /// impl Person for Ada {
    ///     async fn name(&self, _: Context, (): ()) -> Result<String, Status> {
    ///         Ok("Ada".into())
    ///     }
    /// }
    ///
    /// struct Polite;
    ///
    /// impl Greeter for Polite {
    ///     async fn greet(&self, context: Context, (): ()) -> Result<String, Status> {
    ///         let caller = PersonClient::new(context.peer_channel());
    ///         let name = caller.name(()).await.map_err(|failure| failure.status)?;
    ///         Ok(format!("Good morning, {name}"))
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let running = greeter::serve(Polite).server()?.listen("127.0.0.1:0").threads(1).start()?;
    /// let address = running.tcp().ok_or("no address")?.to_string();
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let channel = Channel::to([address])?.answering(person::serve(Ada))?;
    /// assert_eq!(GreeterClient::new(channel).greet(()).await?, "Good morning, Ada");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn peer_channel(&self) -> Channel {
        self.home.back.clone().into()
    }

    /// Does what takes the processor for long on a thread for such work, one of the server's [workers](super::Server::workers), while the
    /// connection goes on with other calls. When the call is given up (its caller has gone, its deadline has passed) work that
    /// waits is not begun, and work that was begun can see it by [`Cancelled`].
    ///
    /// ```
    /// use wireworks::net::workers::Priority;
    /// use wireworks::server::rpc::{Context, Status};
    ///
    /// async fn primes(context: Context, below: u32) -> Result<usize, Status> {
    ///     let count = move |cancelled: &wireworks::net::workers::Cancelled<'_>| {
    ///         let prime = |n: u32| (2..n).take_while(|d| d * d <= n).all(|d| n % d != 0);
    ///         (2..below).take_while(|_| !cancelled.is_cancelled()).filter(|n| prime(*n)).count()
    ///     };
    ///     context.work(Priority::Normal, count).await
    /// }
    /// ```
    ///
    /// # Errors
    /// What a handler best answers with: `resource_exhausted` with a wait when too much work waits already, `internal` when it panicked or the
    /// server has no workers (a [detached](super::Services::detached) one never has), `unavailable` when the server stopped before it was begun.
    pub async fn work<T: Send + 'static>(
        &self,
        priority: Priority,
        work: impl FnOnce(&Cancelled<'_>) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let lane = self.home.back.lane();
        let lane = lane.ok_or_else(|| Status::new(Code::Internal, "the server has no workers"))?;
        lane.work(priority, work).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::net::resilience::retry;
    use crate::net::workers::{Blocking, BlockingConfig};
    use crate::proto::rpc::status::Advice;
    use crate::server::process::Running;
    use crate::server::rpc::Channel;
    use crate::server::rpc::client::Policies;
    use crate::service;

    service! {
        /// Works.
        service Toil as ToilClient in toil {
            /// Works until nobody waits for it.
            1 => unary endless(()) -> ();
            /// Works a little.
            2 => unary short(()) -> u32;
            /// Fails at it.
            3 => unary panic(()) -> ();
        }
    }

    /// What became of the work.
    #[derive(Clone, Default)]
    struct Seen {
        begun: Arc<AtomicUsize>,
        let_go: Arc<AtomicUsize>,
    }

    impl Toil for Seen {
        async fn endless(&self, context: Context, (): ()) -> Result<(), Status> {
            let Self { begun, let_go } = self.clone();
            let work = move |cancelled: &Cancelled<'_>| {
                begun.fetch_add(1, Ordering::SeqCst);
                while !cancelled.is_cancelled() {
                    std::thread::yield_now();
                }
                let_go.fetch_add(1, Ordering::SeqCst);
            };
            context.work(Priority::Normal, work).await
        }

        async fn short(&self, context: Context, (): ()) -> Result<u32, Status> {
            context.work(Priority::High, |_| 7).await
        }

        async fn panic(&self, context: Context, (): ()) -> Result<(), Status> {
            context.work(Priority::Low, |_| panic!("as it was told")).await
        }
    }

    /// A server with these workers, and a client that makes each call once.
    fn serve(seen: &Seen, workers: Option<&Blocking>) -> (Running, ToilClient) {
        let mut server = toil::serve(seen.clone()).server().unwrap().listen("127.0.0.1:0").threads(1);
        server = server.drain_timeout(Duration::from_millis(100));
        if let Some(workers) = workers {
            server = server.workers(workers.clone());
        }
        let running = server.start().unwrap();
        let retry = retry::Policy { attempts: 1, ..retry::Policy::DEFAULT };
        let channel = Channel::to([running.tcp().unwrap().to_string()]).unwrap();
        (running, ToilClient::new(channel.policies(Policies { retry, ..Policies::default() }).lazy()))
    }

    async fn until(done: impl Fn() -> bool) {
        let wait = async {
            while !done() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
    }

    #[tokio::test]
    async fn work_of_a_call_that_is_given_up_is_let_go() {
        let (seen, workers) = (Seen::default(), Blocking::new(BlockingConfig { threads: 1, queue: 1 }));
        let (running, client) = serve(&seen, Some(&workers));
        let begin = || {
            let client = client.clone();
            tokio::spawn(async move { client.endless(()).await })
        };
        let begun = begin();
        until(|| seen.begun.load(Ordering::SeqCst) == 1).await;
        let waits = begin();
        until(|| workers.stats().depth == 1).await;
        // No more may wait: busy, and when to come back. The connection goes on, and so do other priorities.
        let failed = client.endless(()).await.unwrap_err();
        assert_eq!(failed.to_string(), "resource_exhausted: all workers are busy");
        assert!(matches!(failed.status.advice, Advice::Again(wait) if wait >= Duration::from_millis(15)));
        waits.abort();
        let late = tokio::spawn({
            let client = client.clone();
            async move { client.short(()).await }
        });
        begun.abort();
        assert_eq!(late.await.unwrap().unwrap(), 7);
        until(|| workers.stats().cancelled == 1).await;
        let seen = [&seen.begun, &seen.let_go].map(|count| count.load(Ordering::SeqCst));
        assert_eq!(seen, [1, 1], "what ran has seen it, and what waited never ran");
        // So does the deadline, and the end of a connection.
        let failed = client.endless(()).timeout(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(failed.status.code, Code::DeadlineExceeded);
        until(|| workers.stats().running == 0).await;
        let hanging = tokio::spawn(async move { client.endless(()).await });
        until(|| workers.stats().running == 1).await;
        tokio::task::spawn_blocking(|| running.stop()).await.unwrap().unwrap();
        assert!(hanging.await.unwrap().is_err());
        until(|| workers.stats().running == 0).await;
    }

    #[tokio::test]
    async fn work_that_fails_is_told() {
        let workers = Blocking::new(BlockingConfig { threads: 1, queue: 1 });
        let (_running, client) = serve(&Seen::default(), Some(&workers));
        assert_eq!(client.panic(()).await.unwrap_err().to_string(), "internal: the work panicked");
        let (_running, client) = serve(&Seen::default(), None);
        assert_eq!(client.short(()).await.unwrap_err().to_string(), "internal: the server has no workers");
    }
}
