//! Sticky sessions: a cookie that leads a client back to the backend that answered it first.
//!
//! The cookie contains the backend and an expiry time ([`proto::balance::sticky`](crate::proto::balance::sticky)); nothing is stored here, so any balancer with the same keys
//! understands it. It is set again when another backend has answered, when an older key has signed it, and when half of its lifetime has passed, so that a session
//! that is in use does not end.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use http::header::SET_COOKIE;

use crate::proto::balance::sticky::{Signer, Ticket};
use crate::proto::http::cookie::{CookieError, SameSite, SetCookie, cookies};
use crate::proto::http::head::Head;
use crate::proto::http::list::FieldLines;
use crate::server::http::response::Response;

/// How many cookies of this name are examined: each can cost as many signatures as there are keys.
const MAX_TRIES: usize = 4;

/// The default lifetime of a session without requests.
pub const LIFE: Duration = Duration::from_secs(24 * 3600);

/// The session cookie of an upstream.
#[derive(Clone, Debug)]
pub struct Sticky {
    /// Signs and verifies its value.
    pub signer: Signer,
    /// Its name.
    pub name: String,
    /// Its lifetime.
    pub life: Duration,
    /// Whether browsers keep it for that time (`Max-Age`), or until they are closed.
    pub max_age: bool,
    /// Its path.
    pub path: String,
    /// Its domain; without one it is for the host of the request alone.
    pub domain: Option<String>,
    /// Whether it is `Secure`; `None`: if it is set on an encrypted connection.
    pub secure: Option<bool>,
    /// Whether it is `HttpOnly`.
    pub http_only: bool,
    /// Its `SameSite`.
    pub same_site: SameSite,
}

impl Sticky {
    /// The content of the request's cookie, if it is valid.
    pub(super) fn read(&self, head: &Head, now: SystemTime) -> Option<Ticket> {
        let values = head.lines("cookie").flat_map(cookies);
        let values = values.filter(|(name, _)| *name == self.name.as_bytes()).take(MAX_TRIES);
        values.filter_map(|(_, value)| self.signer.read(value, now).ok()).next()
    }

    /// Sets the cookie in a response of `backend`, unless the client has it already, as `ticket` says.
    pub(super) fn set(
        &self,
        response: &mut Response,
        backend: u64,
        ticket: Option<Ticket>,
        now: SystemTime,
        tls: bool,
    ) {
        let holds = ticket.is_some_and(|ticket| {
            ticket.backend == backend && !ticket.by_old_key && ticket.expires > now + self.life / 2
        });
        // What the configuration says of the cookie was checked when it was read.
        if !holds && let Ok(cookie) = self.cookie(backend, now, tls) {
            response.fields_mut().append(SET_COOKIE, cookie);
        }
    }

    /// The cookie for a backend. Also used to validate the configuration.
    ///
    /// # Errors
    /// Browsers would misread or ignore the cookie.
    pub fn cookie(&self, backend: u64, now: SystemTime, tls: bool) -> Result<HeaderValue, CookieError> {
        let value = self.signer.issue(backend, now + self.life);
        let mut cookie = SetCookie::new(&self.name, value).path(&self.path).same_site(self.same_site);
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain);
        }
        if self.max_age {
            cookie = cookie.max_age(i64::try_from(self.life.as_secs()).unwrap_or(i64::MAX));
        }
        if self.http_only {
            cookie = cookie.http_only();
        }
        if self.secure.unwrap_or(tls) {
            cookie = cookie.secure();
        }
        let line = cookie.finish()?.freeze();
        HeaderValue::from_maybe_shared(line).map_err(|_| CookieError::Value(self.name.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sticky() -> Sticky {
        Sticky {
            signer: Signer::new(&[[1_u8; 32]], b"web").unwrap(),
            name: "SRV".into(),
            life: Duration::from_secs(1000),
            max_age: true,
            path: "/".into(),
            domain: None,
            secure: None,
            http_only: true,
            same_site: SameSite::Lax,
        }
    }

    #[test]
    fn when_the_cookie_is_set() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let ticket = |backend, seconds, by_old_key| {
            Some(Ticket { backend, expires: now + Duration::from_secs(seconds), by_old_key })
        };
        for (before, set) in [
            (None, true),
            (ticket(7, 1000, false), false),
            (ticket(7, 501, false), false),
            (ticket(7, 500, false), true),
            (ticket(7, 1000, true), true),
            (ticket(8, 1000, false), true),
        ] {
            let mut response = Response::default();
            sticky().set(&mut response, 7, before, now, false);
            let cookie = response.fields().find("set-cookie");
            assert_eq!(cookie.is_some(), set, "{before:?}");
            if let Some(cookie) = cookie {
                let text = cookie.to_str().unwrap();
                let (value, attributes) = text.split_once("; ").unwrap();
                assert_eq!(attributes, "Path=/; Max-Age=1000; SameSite=Lax; HttpOnly");
                let value = value.strip_prefix("SRV=").unwrap();
                let ticket = sticky().signer.read(value.as_bytes(), now).unwrap();
                assert_eq!((ticket.backend, ticket.expires), (7, now + Duration::from_secs(1000)));
            }
        }
    }

    #[test]
    fn secure_as_the_connection_unless_told_otherwise() {
        for (secure, tls, expected) in
            [(None, false, false), (None, true, true), (Some(true), false, true), (Some(false), true, false)]
        {
            let sticky = Sticky { secure, ..sticky() };
            let cookie = sticky.cookie(1, SystemTime::UNIX_EPOCH, tls).unwrap();
            assert_eq!(cookie.to_str().unwrap().contains("; Secure"), expected, "{secure:?} {tls}");
        }
    }
}
