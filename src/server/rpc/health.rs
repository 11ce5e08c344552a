//! Whether a server and its services take calls: for balancers, and for whoever deploys it.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tokio::sync::watch;

use super::services::Services;
use super::{Code, Context, ResponseStream, Status};
use crate::{service, wire_types};

wire_types! {
    /// Whose health.
    pub struct Whose {
        /// The name of a service; empty for the server as a whole.
        pub service: String,
    }

    /// Whether something takes calls.
    #[derive(Copy, Eq)]
    pub enum Condition {
        /// It takes calls.
        Serving,
        /// It takes none for now, as its program says: something that it needs is not there, perhaps.
        NotServing,
        /// The server answers the calls that it has, and takes no new ones.
        Stopping,
    }
}

service! {
    /// Tells whether a server and its services take calls.
    pub service Health as HealthClient in health {
        /// The condition now.
        1 => unary check(Whose) -> Condition, idempotent;
        /// The condition now, and each change. It ends when the server stops.
        2 => server_stream watch(Whose) -> Condition, idempotent;
    }
}

/// Says which services of a server take calls, and changes it while the server runs. Clones are the same. The server is told by
/// [`Services::health_by`]; a service that nothing is said of takes calls. When the server stops, that goes before all that is said here.
///
/// ```
/// use wireworks::server::rpc::Services;
/// use wireworks::server::rpc::health::HealthReporter;
///
/// fn with_health(services: Services, reporter: &HealthReporter) -> Services {
///     reporter.set_serving("Orders", false); // until the database is there
///     services.health_by(reporter)
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct HealthReporter {
    /// What was said, by the names of services.
    serving: Arc<watch::Sender<HashMap<String, bool>>>,
}

impl HealthReporter {
    /// Everything takes calls.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether a service takes calls, to whoever asks and to all who watch it. An empty name stands for the server as a whole, of which services
    /// are independent. It does not keep calls away: it is up to callers what they make of it.
    pub fn set_serving(&self, service: &str, serving: bool) {
        self.serving.send_if_modified(|said| said.insert(service.to_owned(), serving) != Some(serving));
    }

    fn is_serving(said: &HashMap<String, bool>, service: &str) -> bool {
        said.get(service).copied().unwrap_or(true)
    }
}

/// Answers those who ask.
struct Doctor {
    services: Arc<[&'static str]>,
    reporter: HealthReporter,
}

impl Doctor {
    fn known(&self, whose: &Whose) -> Result<(), Status> {
        let name = &whose.service;
        let known = name.is_empty()
            || self.services.iter().any(|service| service == name)
            || self.reporter.serving.borrow().contains_key(name);
        let status = || Status::new(Code::NotFound, format!("there is no service {name:?}"));
        known.then_some(()).ok_or_else(status)
    }
}

/// The condition of a service: the shutdown goes before what was said of it.
fn condition(context: &Context, said: &HashMap<String, bool>, service: &str) -> Condition {
    match HealthReporter::is_serving(said, service) {
        _ if context.is_stopping() => Condition::Stopping,
        true => Condition::Serving,
        false => Condition::NotServing,
    }
}

impl Health for Doctor {
    async fn check(&self, context: Context, whose: Whose) -> Result<Condition, Status> {
        self.known(&whose)?;
        Ok(condition(&context, &self.reporter.serving.borrow(), &whose.service))
    }

    async fn watch(&self, context: Context, whose: Whose) -> Result<ResponseStream<Condition>, Status> {
        self.known(&whose)?;
        let changes = self.reporter.serving.subscribe();
        let watched = Watched { context, changes, service: whose.service, told: None };
        let next = |mut watched: Watched| async move {
            let condition = watched.next().await?;
            Some((Ok(condition), watched))
        };
        Ok(stream::unfold(watched, next).boxed())
    }
}

/// A service that somebody watches.
struct Watched {
    context: Context,
    changes: watch::Receiver<HashMap<String, bool>>,
    service: String,
    told: Option<Condition>,
}

impl Watched {
    /// The next condition that was not told yet. A server stops once and for ever, and waits for this call to end: nothing follows.
    async fn next(&mut self) -> Option<Condition> {
        if self.told == Some(Condition::Stopping) {
            return None;
        }
        loop {
            let now = condition(&self.context, &self.changes.borrow_and_update(), &self.service);
            if self.told != Some(now) {
                self.told = Some(now);
                return self.told;
            }
            tokio::select! {
                () = self.context.stopping() => {}
                Ok(()) = self.changes.changed() => {}
            }
        }
    }
}

impl Services {
    /// Tells whoever asks that these services take calls, until the server is told to stop.
    #[must_use]
    pub fn health(self) -> Self {
        self.health_by(&HealthReporter::new())
    }

    /// Tells whoever asks which of these services take calls, as `reporter` says, until the server is told to stop.
    #[must_use]
    pub fn health_by(self, reporter: &HealthReporter) -> Self {
        let services = self.names().collect();
        self.with(health::serve(Doctor { services, reporter: reporter.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::server::process::Running;
    use crate::server::rpc::{Channel, demo};

    fn whose(service: &str) -> Whose {
        Whose { service: service.into() }
    }

    /// A server whose health `reporter` says.
    fn served(reporter: &HealthReporter) -> (Running, HealthClient) {
        let server = demo::services().health_by(reporter).server().unwrap();
        let running = server.listen("127.0.0.1:0").threads(1).start().unwrap();
        let address = running.tcp().unwrap().to_string();
        (running, HealthClient::new(Channel::to([address]).unwrap().lazy()))
    }

    #[tokio::test]
    async fn each_service_has_a_condition_of_its_own() {
        let reporter = HealthReporter::new();
        let (_running, client) = served(&reporter);
        reporter.set_serving("Kv", false);
        reporter.set_serving("Elsewhere", true);
        for (service, expected) in [
            ("", Some(Condition::Serving)),
            ("Kv", Some(Condition::NotServing)),
            ("Echo", Some(Condition::Serving)),
            ("Elsewhere", Some(Condition::Serving)),
            ("Nobody", None),
        ] {
            let answer = client.check(whose(service)).await;
            assert_eq!(answer.as_ref().ok(), expected.as_ref(), "{service}: {answer:?}");
        }
        reporter.set_serving("", false);
        assert_eq!(client.check(whose("")).await.unwrap(), Condition::NotServing);
        assert_eq!(client.check(whose("Echo")).await.unwrap(), Condition::Serving, "they are independent");
        let refused = match client.watch(whose("Nobody")).await {
            Ok(mut watched) => watched.next().await.unwrap().unwrap_err(),
            Err(failure) => failure,
        };
        assert_eq!(refused.status.code, Code::NotFound);
    }

    #[tokio::test]
    async fn watchers_are_told_of_each_change_and_of_the_end() {
        let reporter = HealthReporter::new();
        let (running, client) = served(&reporter);
        let mut of_kv = client.watch(whose("Kv")).await.unwrap();
        let mut of_echo = client.watch(whose("Echo")).await.unwrap();
        let told = async |watched: &mut crate::server::rpc::Responses<Condition>| {
            let next = timeout(Duration::from_secs(20), watched.next()).await.unwrap();
            next.map(|condition| condition.unwrap())
        };
        assert_eq!(told(&mut of_kv).await, Some(Condition::Serving));
        assert_eq!(told(&mut of_echo).await, Some(Condition::Serving));
        reporter.set_serving("Kv", true); // no change
        reporter.set_serving("Kv", false);
        assert_eq!(told(&mut of_kv).await, Some(Condition::NotServing));
        reporter.set_serving("Kv", true);
        assert_eq!(told(&mut of_kv).await, Some(Condition::Serving));
        reporter.set_serving("Kv", false);
        assert_eq!(told(&mut of_kv).await, Some(Condition::NotServing));
        let stopped = tokio::task::spawn_blocking(move || running.stop());
        assert_eq!(told(&mut of_kv).await, Some(Condition::Stopping), "whatever was said");
        assert_eq!(
            told(&mut of_echo).await,
            Some(Condition::Stopping),
            "and it heard of nothing else before"
        );
        assert_eq!((told(&mut of_kv).await, told(&mut of_echo).await), (None, None));
        stopped.await.unwrap().unwrap();
    }
}
