//! What stands between a client and the backends of a route: limits, compression, and fields that restrict browsers.
//!
//! The parts are those of [`server::http::middleware`](crate::server::http::middleware), in this order:
//!
//! 1. security headers and CORS, whose preflights end here
//! 2. limits on rates by address or field: before anybody is asked who it is, so that guesses at passwords count
//! 3. limits on rates by user
//! 4. limits on requests at once, on time and on bodies
//! 5. compression
//!
//! Guards are cloned freely: clones count together. So those of a listener stand around each of its routes and limit them as one.

use std::sync::Arc;

use super::gateway::Action;
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
    /// Sets fields that restrict what browsers do with a reply.
    pub security_headers: Option<SecurityHeaders>,
    /// Lets pages of other origins in.
    pub cors: Option<Cors>,
    /// Limits requests a second before it is known who asks.
    pub rates: Vec<RateLimit>,
    /// Limits requests a second by user.
    pub user_rates: Vec<RateLimit>,
    /// Limits requests at once.
    pub concurrency: Option<Concurrency>,
    /// Limits how long a response may take to begin.
    pub timeout: Option<Timeout>,
    /// Limits bodies of requests.
    pub body: Option<BodyLimit>,
    /// Compresses responses.
    pub compression: Option<Compression>,
}

impl Guards {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.security_headers.is_none()
            && self.cors.is_none()
            && self.rates.is_empty()
            && self.user_rates.is_empty()
            && self.concurrency.is_none()
            && self.timeout.is_none()
            && self.body.is_none()
            && self.compression.is_none()
    }

    /// What becomes of requests behind these guards.
    #[must_use]
    pub fn before(&self, action: Action) -> Action {
        match action {
            action if self.is_empty() => action,
            Action::Forward(forward) => Action::Handle(self.around(Arc::new(forward))),
            Action::Handle(handler) => Action::Handle(self.around(handler)),
        }
    }

    /// `handler` behind these guards; `handler` itself when there are none.
    #[must_use]
    pub fn around(&self, mut handler: SharedHandler) -> SharedHandler {
        let mut stack = Stack {
            concurrency: self.concurrency.clone(),
            timeout: self.timeout.clone(),
            body_limit: self.body,
            compression: self.compression.clone(),
            ..Stack::default()
        };
        // What is asked first comes last here. A stack has room for one limit.
        for limit in self.user_rates.iter().chain(&self.rates).rev() {
            if stack.rate_limit.is_some() {
                handler = std::mem::take(&mut stack).around(handler);
            }
            stack.rate_limit = Some(limit.clone());
        }
        stack.cors = self.cors.clone();
        stack.security_headers = self.security_headers.clone();
        stack.around(handler)
    }
}
