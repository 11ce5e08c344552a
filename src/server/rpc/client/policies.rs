//! What a client does when servers fail: for all calls of a channel, and for those of a service or a method (gRFC A6's method configuration).

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::Replay;
use crate::net::resilience::{backoff, breaker, budget, hedge, retry};
use crate::proto::rpc::schema::service_hash;
use crate::proto::rpc::status::Code;

/// What a client does when servers fail.
#[derive(Clone, Copy, Debug)]
pub struct Policies {
    /// How often calls are tried again, and when.
    pub retry: retry::Policy,
    /// After which codes an idempotent call is tried again that a handler may have seen. One that no handler has seen is tried again in any case.
    pub retryable: Codes,
    /// How many of all calls may be tried again.
    pub budget: budget::Policy,
    /// Whether idempotent calls are sent twice when they take long, and from when on.
    pub hedge: Option<hedge::Policy>,
    /// How much of a request that is a stream is kept, so that the call can be made again.
    pub replay: Replay,
    /// When a server is left alone. One that is the only one never is.
    pub breaker: breaker::Policy,
    /// How long to wait before connecting anew.
    pub reconnect: backoff::Policy,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            retry: retry::Policy::DEFAULT,
            retryable: Codes::UNAVAILABLE,
            budget: budget::Policy::DEFAULT,
            hedge: None,
            replay: Replay::DEFAULT,
            breaker: breaker::Policy::DEFAULT,
            reconnect: backoff::Policy {
                growth: backoff::Growth::Exponential {
                    first: Duration::from_millis(100),
                    jitter: backoff::Jitter::Equal,
                },
                cap: Duration::from_secs(10),
            },
        }
    }
}

/// A set of status codes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Codes(u32);

impl Codes {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// `unavailable` alone.
    pub const UNAVAILABLE: Self = Self::of(&[Code::Unavailable]);

    /// These.
    #[must_use]
    pub const fn of(codes: &[Code]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < codes.len() {
            bits |= 1 << codes[at] as u16;
            at += 1;
        }
        Self(bits)
    }

    /// Whether this is one of them.
    #[must_use]
    pub const fn contains(self, code: Code) -> bool {
        self.0 & 1 << code as u16 != 0
    }
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries((0..17).map(Code::of).filter(|code| self.contains(*code))).finish()
    }
}

/// What is done for the calls of a service or of a method, in place of what the channel does for all: see
/// [`Builder::service_policy`](super::Builder::service_policy) and [`Builder::method_policy`](super::Builder::method_policy). What is not said here (the budget, the breakers) is for
/// all calls of a channel together.
#[derive(Clone, Copy, Debug)]
pub struct CallPolicy {
    /// How often they are tried again, and when.
    pub retry: retry::Policy,
    /// After which codes they are tried again if they are idempotent, though a handler may have seen them.
    pub retryable: Codes,
    /// Whether those that are idempotent are sent twice when they take long, and from when on.
    pub hedge: Option<hedge::Policy>,
    /// How long they may take that do not say so themselves; `None` for as long as any call of the channel.
    pub deadline: Option<Duration>,
}

impl CallPolicy {
    /// What `policies` say of all calls.
    #[must_use]
    pub const fn of(policies: &Policies) -> Self {
        let Policies { retry, retryable, hedge, .. } = *policies;
        Self { retry, retryable, hedge, deadline: None }
    }
}

impl Default for CallPolicy {
    fn default() -> Self {
        Self::of(&Policies::default())
    }
}

/// The policies of calls: of some methods and services, and of all others.
#[derive(Debug, Default)]
pub(super) struct CallPolicies {
    all: CallPolicy,
    own: Option<Box<Own>>,
}

/// By the numbers of services and methods.
#[derive(Debug, Default)]
pub(super) struct Own {
    services: HashMap<u32, CallPolicy>,
    methods: HashMap<(u32, u16), CallPolicy>,
}

impl Own {
    pub(super) fn service(&mut self, name: &str, policy: CallPolicy) {
        self.services.insert(service_hash(name), policy);
    }

    pub(super) fn method(&mut self, key: (u32, u16), policy: CallPolicy) {
        self.methods.insert(key, policy);
    }
}

impl CallPolicies {
    pub(super) fn new(policies: &Policies, own: Own) -> Self {
        let any = !own.services.is_empty() || !own.methods.is_empty();
        Self { all: CallPolicy::of(policies), own: any.then(|| Box::new(own)) }
    }

    /// How long the calls of a method may take, if there is a policy that says so.
    pub(super) fn deadline(&self, key: impl FnOnce() -> (u32, u16)) -> Option<Duration> {
        // No policy for all calls has one: a number is hashed only where there are others.
        self.own.as_ref().and_then(|_| self.of(key()).deadline)
    }

    /// The policy of a method.
    pub(super) fn of(&self, (service, method): (u32, u16)) -> &CallPolicy {
        let own = self
            .own
            .as_ref()
            .and_then(|own| own.methods.get(&(service, method)).or_else(|| own.services.get(&service)));
        own.unwrap_or(&self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_policy_counts() {
        let after =
            |seconds| CallPolicy { deadline: Some(Duration::from_secs(seconds)), ..CallPolicy::default() };
        let mut own = Own::default();
        own.service("Orders", after(1));
        own.method((service_hash("Orders"), 2), after(2));
        own.method((service_hash("Stock"), 2), after(3));
        let policies = CallPolicies::new(&Policies::default(), own);
        let rows =
            [("Orders", 1, Some(1)), ("Orders", 2, Some(2)), ("Stock", 1, None), ("Stock", 2, Some(3))];
        for (service, method, expected) in rows {
            let deadline = policies.of((service_hash(service), method)).deadline;
            assert_eq!(deadline, expected.map(Duration::from_secs), "{service} {method}");
        }
        assert!(CallPolicies::new(&Policies::default(), Own::default()).own.is_none());
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let codes = Codes::of(&[Code::Aborted, Code::Unavailable]);
        assert_eq!(format!("{codes:?}"), "{Aborted, Unavailable}");
        assert!(!Codes::NONE.contains(Code::Ok) && !codes.contains(Code::Internal));
    }
}
