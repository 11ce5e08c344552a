//! The layers between a client and the backends of a route: authentication, limits, compression, and security headers.
//!
//! The parts are those of [`server::http::middleware`](crate::server::http::middleware), in this order:
//!
//! 1. security headers and CORS, whose preflights end here
//! 2. rate limits by address or field: before authentication, so that password guesses count
//! 3. [authentication](super::auth)
//! 4. rate limits by user
//! 5. limits on concurrent requests, on time and on bodies
//! 6. compression
//!
//! Clones of guards share their counters. So those of a listener can be put around each of its routes and limit them together.

use std::sync::Arc;

use http::HeaderName;

use super::auth::Auth;
use super::gateway::{Action, Forward};
use crate::server::http::handler::SharedHandler;
use crate::server::http::middleware::Stack;
use crate::server::http::middleware::body_limit::BodyLimit;
use crate::server::http::middleware::compression::Compression;
use crate::server::http::middleware::concurrency::Concurrency;
use crate::server::http::middleware::cors::Cors;
use crate::server::http::middleware::rate_limit::RateLimit;
use crate::server::http::middleware::security::SecurityHeaders;
use crate::server::http::middleware::timeout::Timeout;

/// The guards of a route, or of all routes of a listener. The default has none.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    /// Sets security headers.
    pub security_headers: Option<SecurityHeaders>,
    /// Answers CORS requests.
    pub cors: Option<Cors>,
    /// Rate limits before authentication.
    pub rates: Vec<RateLimit>,
    /// Authentication.
    pub auth: Option<Auth>,
    /// Rate limits by user.
    pub user_rates: Vec<RateLimit>,
    /// Limits concurrent requests.
    pub concurrency: Option<Concurrency>,
    /// Limits the time until a response.
    pub timeout: Option<Timeout>,
    /// Limits request bodies.
    pub body: Option<BodyLimit>,
    /// Compresses responses.
    pub compression: Option<Compression>,
}

impl Guards {
    /// Lets limits that were there `before` count on from where those are, and not begin anew: those of rates with the same settings, and that of requests at
    /// once. For a configuration that is read again.
    pub fn count_on(&mut self, before: &Self) {
        for (limits, before) in [(&mut self.rates, &before.rates), (&mut self.user_rates, &before.user_rates)]
        {
            let mut left: Vec<_> = before.iter().collect();
            for limit in limits {
                if let Some(place) = left.iter().position(|before| limit.count_on(before)) {
                    left.remove(place);
                }
            }
        }
        if let (Some(limit), Some(before)) = (&mut self.concurrency, &before.concurrency) {
            limit.count_on(before);
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.security_headers.is_none()
            && self.cors.is_none()
            && self.rates.is_empty()
            && self.auth.is_none()
            && self.user_rates.is_empty()
            && self.concurrency.is_none()
            && self.timeout.is_none()
            && self.body.is_none()
            && self.compression.is_none()
    }

    /// The handler of an action behind these guards. `upstream` returns the handler of an upstream by its name.
    #[must_use]
    pub fn before(&self, action: Action, upstream: &dyn Fn(&str) -> Arc<Forward>) -> Action {
        match action {
            action if self.is_empty() => action,
            action => Action::Handle(self.around(action.into_handler(), upstream)),
        }
    }

    /// The fields by which they tell backends who the client is.
    #[must_use]
    pub fn own_fields(&self) -> Vec<HeaderName> {
        self.auth.as_ref().map(Auth::own_fields).unwrap_or_default()
    }

    /// `handler` behind these guards; `handler` itself when there are none.
    #[must_use]
    pub fn around(
        &self,
        mut handler: SharedHandler,
        upstream: &dyn Fn(&str) -> Arc<Forward>,
    ) -> SharedHandler {
        let mut stack = Stack {
            concurrency: self.concurrency.clone(),
            timeout: self.timeout.clone(),
            body_limit: self.body,
            compression: self.compression.clone(),
            ..Stack::default()
        };
        // What is asked first comes last here. A stack has room for one limit.
        let limit = |stack: &mut Stack, handler, limit: &RateLimit| {
            let full = stack.rate_limit.is_some();
            let handler = if full { std::mem::take(stack).around(handler) } else { handler };
            stack.rate_limit = Some(limit.clone());
            handler
        };
        for rate in self.user_rates.iter().rev() {
            handler = limit(&mut stack, handler, rate);
        }
        if let Some(auth) = &self.auth {
            handler = auth.around(std::mem::take(&mut stack).around(handler), upstream);
        }
        for rate in self.rates.iter().rev() {
            handler = limit(&mut stack, handler, rate);
        }
        stack.cors = self.cors.clone();
        stack.security_headers = self.security_headers.clone();
        stack.around(handler)
    }
}
