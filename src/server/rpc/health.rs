//! Whether a server takes calls: for balancers and for those who deploy.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::services::Services;
use super::{Code, Context, ResponseStream, Status};
use crate::{service, wire_types};

wire_types! {
    /// Whose health.
    pub struct Whose {
        /// The name of a service; empty for the server as a whole.
        pub service: String,
    }

    /// How it is.
    pub enum Condition {
        /// It takes calls.
        Serving,
        /// It answers what it has, and takes nothing new.
        Stopping,
    }
}

service! {
    /// Tells whether a server takes calls.
    pub service Health as HealthClient in health {
        /// How it is now.
        1 => unary check(Whose) -> Condition, idempotent;
        /// How it is now, and each change.
        2 => server_stream watch(Whose) -> Condition, idempotent;
    }
}

/// Knows which services there are.
struct Doctor(Arc<[&'static str]>);

impl Doctor {
    fn known(&self, whose: &Whose) -> Result<(), Status> {
        let known = whose.service.is_empty() || self.0.iter().any(|name| *name == whose.service);
        known
            .then_some(())
            .ok_or_else(|| Status::new(Code::NotFound, format!("there is no service {:?}", whose.service)))
    }
}

fn condition(context: &Context) -> Condition {
    if context.is_stopping() { Condition::Stopping } else { Condition::Serving }
}

impl Health for Doctor {
    async fn check(&self, context: Context, whose: Whose) -> Result<Condition, Status> {
        self.known(&whose)?;
        Ok(condition(&context))
    }

    async fn watch(&self, context: Context, whose: Whose) -> Result<ResponseStream<Condition>, Status> {
        self.known(&whose)?;
        // It stops once, and for ever: after that there is nothing to tell, and the server waits for this call to end.
        let first = stream::iter([Ok(condition(&context))]);
        let last = stream::once(async move {
            context.stopping().await;
            Ok(Condition::Stopping)
        });
        Ok(first.chain(last).boxed())
    }
}

impl Services {
    /// Tells whoever asks that these services take calls, until the server is told to stop.
    #[must_use]
    pub fn health(self) -> Self {
        let names = self.names().collect();
        self.with(health::serve(Doctor(names)))
    }
}
