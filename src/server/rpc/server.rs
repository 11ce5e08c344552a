//! A server of calls, piece by piece: what programs start from, and what the command itself is made of.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::Settings;
use super::caller::Caller;
use super::lane::Lane;
use super::link::{Link, LinkError, Parts, Serve};
use super::method::Description;
use super::observe::{CallLog, Format, Observers, RpcMetrics, Watch};
use super::settings::LONGEST;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::serve::{Arrival, Gate};
use crate::proto::rpc::codec::ALPN;
use crate::proto::rpc::session::Role;
use crate::server::RunError;
use crate::server::lines::Target;
use crate::server::lines::open_log;
use crate::server::listening::{Accept, Listening};
use crate::server::options::{self, CommonOptions};
use crate::server::peer::Peer;
use crate::server::process::Process;

/// The name of this server in what it prints.
pub const NAME: &str = "rpc";

/// What calls under way get to end when the server is told to stop, unless told otherwise.
pub const DRAIN_TIMEOUT: Duration = options::DRAIN_TIMEOUT;

/// What a TLS handshake may take, unless told otherwise.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = options::TLS_HANDSHAKE_TIMEOUT;

/// Methods by the numbers of their service and their own.
type Methods = Vec<((u32, u16), &'static Description)>;

/// A server that is not there yet. Ended by [`run`](Self::run), which serves until a signal, or [`start`](Self::start), which serves
/// beside the program.
#[must_use = "it serves nobody until it is run or started"]
pub struct Server {
    common: CommonOptions,
    serve: Arc<dyn Serve>,
    methods: Methods,
    settings: Settings,
    max_age: Option<Duration>,
    access_log: Option<(Format, Target)>,
    metrics: Option<RpcMetrics>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listen", &self.common.listen).finish_non_exhaustive()
    }
}

impl Server {
    options::common!();

    /// A server whose calls are answered by `serve`.
    pub(super) fn of(serve: Arc<dyn Serve>) -> Self {
        Self {
            common: CommonOptions::new(NAME, ALPN),
            serve,
            methods: Vec::new(),
            settings: Settings::default(),
            max_age: None,
            access_log: None,
            metrics: None,
        }
    }

    /// Tells of calls by these methods, and of all others as one.
    pub(super) fn observing(self, methods: Methods) -> Self {
        Self { methods, ..self }
    }

    /// What its connections put up with.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Writes a line for each call when it is over, also for those that no handler has seen.
    pub fn access_log(mut self, format: Format, target: Target) -> Self {
        self.access_log = Some((format, target));
        self
    }

    /// Counts calls here, in place of metrics of its own: for a program that shows them by itself.
    pub fn count(mut self, metrics: RpcMetrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Lets connections go after a time, a tenth less or more by chance: their clients make new ones, which balancers and names may lead elsewhere.
    /// Calls under way get the [drain timeout](Self::drain_timeout) to end; none is lost that ends by then. Without it connections stay.
    pub fn max_connection_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Reads files, binds sockets, and puts the server into `process`, whose threads and drain it uses.
    pub(in crate::server) fn prepare(self, process: &mut Process) -> Result<(), RunError> {
        let Self { mut common, serve, methods, settings, max_age, access_log, metrics } = self;
        common.check()?;
        let open = |(format, target)| open_log(target, |target| CallLog::open(format, target));
        let log = access_log.map(open).transpose()?;
        let metrics = metrics.or_else(|| common.wants_metrics().then(RpcMetrics::new));
        let lines = log.as_ref().map(|log| Arc::clone(log.writer()));
        let (gate, sockets) = common.open(process)?;
        let calls = Calls {
            serve,
            settings: settings.shared(),
            age: max_age.map(|age| Age { age, grace: common.drain_timeout }),
            observers: Observers::new(metrics.clone(), log, &methods),
            lane: common.workers.clone().map(|workers| Arc::new(Lane::new(workers))),
            drain: process.drain.clone(),
        };
        let part = Arc::new(Listening::new(calls, Gate::new(gate), sockets).logging(lines));
        process.parts.push(part.clone());
        match metrics {
            Some(metrics) => common.show_metrics(metrics.metrics(), &part.gate, process),
            None => Ok(()),
        }
    }
}

/// What serves connections.
struct Calls {
    serve: Arc<dyn Serve>,
    settings: Arc<Settings>,
    age: Option<Age>,
    observers: Option<Arc<Observers>>,
    lane: Option<Arc<Lane>>,
    drain: Drain,
}

/// How long connections stay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    pub(super) age: Duration,
    /// What calls under way get then.
    pub(super) grace: Duration,
}

/// How far ages are spread by chance, so that connections which were made together do not all leave together. gRPC has as much.
const SPREAD: f64 = 0.1;

impl Age {
    /// Spread by 10 % either way; `chance` is uniform from 0 to 1.
    pub(super) fn spread(self, chance: f64) -> Self {
        Self { age: self.age.min(LONGEST).mul_f64(1.0 - SPREAD + 2.0 * SPREAD * chance), ..self }
    }

    /// Runs a connection on which `caller` is the only one to call. When it has its age it leaves, and is cut when that takes too long.
    pub(super) async fn limit(
        self,
        run: impl Future<Output = Result<(), LinkError>>,
        caller: Caller,
    ) -> Result<(), LinkError> {
        let mut run = pin!(run);
        if let Ok(end) = timeout(self.age, &mut run).await {
            return end;
        }
        drop(caller); // it leaves when nobody can call any more
        timeout(self.grace, run).await.unwrap_or(Err(LinkError::Stopped))
    }
}

impl Accept for Calls {
    async fn connection(self: Arc<Self>, arrival: Arrival, clock: Clock) {
        let peer = Arc::new(Peer::of(&arrival));
        let Arrival { io, place, .. } = arrival;
        let (link, caller) = Link::new(Parts {
            io,
            timer: clock.timer(),
            role: Role::Server,
            settings: Arc::clone(&self.settings),
            serve: Arc::clone(&self.serve),
            peer: Arc::clone(&peer),
            drain: self.drain.clone(),
            place: Some(place),
            watch: Watch::new(self.observers.as_ref(), &peer),
            lane: self.lane.clone(),
        });
        let end = match self.age {
            Some(age) => Box::pin(age.spread(fastrand::f64()).limit(link.run(), caller)).await,
            None => {
                let end = link.run().await;
                drop(caller); // a server does not close a connection because it has nothing to ask
                end
            }
        };
        if let Err(error) = end {
            tracing::debug!(peer = %peer.addr, %error, "a connection ended");
        }
    }

    fn drain(&self) -> &Drain {
        &self.drain
    }
}
