//! A channel in the making: where its servers are, how they are reached, and what is done when they fail.

use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::dial::Dial;
use super::discovery::Discovery;
use super::endpoint::now;
use super::policies::{CallPolicies, Own};
use super::servers::{Servers, Shared};
use super::{BadTarget, CallPolicy, Channel, ClientMetrics, DEADLINE, Origin, Policies, REFRESH, Target};
use crate::net::client::Connector;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::net::resilience::budget;
use crate::net::resilience::pick::P2c;
use crate::server::rpc::Settings;
use crate::server::rpc::link::Serve;
use crate::server::rpc::method::Method;
use crate::server::rpc::services::{Services, ServicesError};

/// A channel in the making.
#[derive(Debug)]
pub struct Builder {
    origins: Vec<Origin>,
    refresh: Duration,
    dial: Dial,
    settings: Settings,
    policies: Policies,
    own: Own,
    metrics: Option<ClientMetrics>,
    deadline: Duration,
}

impl Builder {
    /// Of these servers.
    pub(super) fn to<T: AsRef<str>>(targets: impl IntoIterator<Item = T>) -> Result<Self, BadTarget> {
        let origins = targets.into_iter().map(|target| target.as_ref().parse());
        Ok(Self {
            origins: origins.collect::<Result<_, _>>()?,
            refresh: REFRESH,
            dial: Dial::default(),
            settings: Settings::default(),
            policies: Policies::default(),
            own: Own::default(),
            metrics: None,
            deadline: DEADLINE,
        })
    }

    /// Connects with this connector, for trust, own certificates and deadlines.
    #[must_use]
    pub fn connector(mut self, connector: Connector) -> Self {
        self.dial.connector = connector;
        self
    }

    /// Connects by this function, in place of TCP and Unix sockets: through a proxy, within the process, over a simulated network. What
    /// it makes is a socket of tokio's, or [`Io::other`] of any stream. It gets as long as a step of the [`connector`](Self::connector),
    /// whose TLS is spoken over what it makes if that is wanted. See [`Detached`](super::super::Detached) for the other end.
    #[must_use]
    pub fn dial<F, Fut, S>(mut self, dial: F) -> Self
    where
        F: Fn(Target) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<S>> + Send + 'static,
        S: Into<Io>,
    {
        self.dial.by(dial);
        self
    }

    /// Speaks TLS. Unix sockets stay as they are.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.dial.tls = true;
        self
    }

    /// What the connections put up with.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// What to do when servers fail.
    #[must_use]
    pub fn policies(self, policies: Policies) -> Self {
        Self { policies, ..self }
    }

    /// What to do for the calls of one method, `todo::get` say, in place of what is done for all: how often and after which codes to try again, whether to
    /// hedge, how long to wait.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use wireworks::net::resilience::retry;
    /// use wireworks::server::rpc::client::{CallPolicy, Codes};
    /// use wireworks::server::rpc::{Channel, Code};
    /// use wireworks::service;
    ///
    /// service! {
    ///     /// Accounts.
    ///     service Bank as BankClient in bank {
    ///         1 => unary balance(u64) -> i64, idempotent;
    ///         2 => unary close(u64) -> ();
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let eager = CallPolicy {
    ///     retry: retry::Policy { attempts: 5, ..retry::Policy::DEFAULT },
    ///     retryable: Codes::of(&[Code::Unavailable, Code::Aborted]),
    ///     deadline: Some(Duration::from_secs(2)),
    ///     ..CallPolicy::default()
    /// };
    /// let once = CallPolicy { retry: retry::Policy::NEVER, ..CallPolicy::default() };
    /// let builder = Channel::to(["127.0.0.1:7000"])?.service_policy("Bank", once);
    /// let client = BankClient::new(builder.method_policy::<bank::balance>(eager).lazy());
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn method_policy<M: Method>(mut self, policy: CallPolicy) -> Self {
        self.own.method((M::service(), M::DESCRIPTION.number), policy);
        self
    }

    /// The same for the methods of the service of this name that have [no policy of their own](Self::method_policy).
    #[must_use]
    pub fn service_policy(mut self, service: &str, policy: CallPolicy) -> Self {
        self.own.service(service, policy);
        self
    }

    /// Counts calls, attempts, connections and the states of servers here. Several channels may count in the same metrics.
    #[must_use]
    pub fn count(self, metrics: ClientMetrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// How long a call may take that does not say so itself, in place of [`DEADLINE`].
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// How often names are looked up again, in place of [`REFRESH`]; at most once a second.
    #[must_use]
    pub fn refresh(self, refresh: Duration) -> Self {
        Self { refresh, ..self }
    }

    /// The channel. It connects when it is called first.
    #[must_use]
    pub fn lazy(self) -> Channel {
        self.serving(Arc::new(Services::new())).into()
    }

    /// The channel, whose servers may call back: what they call is answered by `services`.
    ///
    /// # Errors
    /// Two methods or services cannot be told from each other.
    pub fn answering(self, services: Services) -> Result<Channel, ServicesError> {
        Ok(self.serving(Arc::new(services.checked()?)).into())
    }

    pub(in super::super) fn serving(self, serve: Arc<dyn Serve>) -> Servers {
        let Self { origins, refresh, dial, settings, policies, own, metrics, deadline } = self;
        let (now, clock, drain) = (now(), Clock::new(), Drain::new());
        drain.attach(&clock);
        let (discovery, places) = Discovery::new(origins, refresh);
        let servers = Servers(Arc::new(Shared {
            endpoints: ArcSwap::default(),
            picker: P2c::new(fastrand::u64(..)),
            looked: Mutex::new(now),
            changed: Notify::new(),
            dial,
            discovery,
            settings: settings.shared(),
            serve,
            clock,
            drain,
            calls: CallPolicies::new(&policies, own),
            policies,
            metrics,
            budget: budget::Budget::new(policies.budget, now),
            replayed: AtomicUsize::new(0),
            hedges: Mutex::default(),
            deadline,
        }));
        servers.0.set_places(places);
        servers.0.metrics.iter().for_each(|metrics| metrics.watch(&servers.0));
        servers
    }
}
