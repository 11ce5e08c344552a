//! Whether a stored response may answer a request now: RFC 9111 sections 4, 4.2.4 and 5.2.1.

use std::time::{Duration, SystemTime};

use super::control::RequestControl;
use super::freshness::Freshness;

/// What may be done with a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// It answers the request; it stays fresh for so long.
    Fresh(Duration),
    /// It is stale, and the client said that this will do.
    Stale,
    /// It is stale and answers the request all the same, while the origin is asked anew (RFC 5861 section 3).
    StaleWhileRevalidate,
    /// The origin has to be asked first.
    Validate,
}

/// What the request's word makes of a stored response. That it was chosen by URI and `Vary` is for the caller to see to.
#[must_use]
pub fn judge(asked: &RequestControl, stored: &Freshness, now: SystemTime) -> Reuse {
    if stored.no_cache || asked.no_cache {
        return Reuse::Validate;
    }
    if let Some(left) = stored.fresh_for(now) {
        // Section 5.2.1.1. What does not change while it is fresh need not be asked for when a user reloads a page (RFC 8246 section 2).
        let young = asked.max_age.is_none_or(|limit| stored.age(now) <= limit && !limit.is_zero());
        let long = asked.min_fresh.is_none_or(|least| left >= least);
        return if (young || stored.immutable) && long { Reuse::Fresh(left) } else { Reuse::Validate };
    }
    let over = stored.stale_for(now);
    if asked
        .max_age
        .is_none_or(|limit| asked.max_stale.is_some() && stored.age(now) <= limit.saturating_add(over))
    {
        // Section 5.2.1.2.
        if stored.may_be_stale && asked.max_stale.is_some_and(|limit| over <= limit) {
            return Reuse::Stale;
        }
        if asked.max_age.is_none() && asked.min_fresh.is_none() && over < stored.stale_while_revalidate {
            return Reuse::StaleWhileRevalidate;
        }
    }
    Reuse::Validate
}

/// Whether a stored response may be used because the origin failed: RFC 5861 section 4.
///
/// Not for a request that does not take what was not confirmed.
#[must_use]
pub fn on_error(asked: &RequestControl, stored: &Freshness, now: SystemTime) -> bool {
    !asked.no_cache && !stored.no_cache && stored.stale_for(now) < stored.stale_if_error
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::StatusCode;

    use super::super::control::ResponseControl;
    use super::super::freshness::{Policy, Times};
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn stored(text: &str) -> Freshness {
        let fields = [("cache-control", text)];
        let control = ResponseControl::of(&fields[..]);
        let times = Times { asked: UNIX_EPOCH, answered: UNIX_EPOCH };
        Freshness::of(StatusCode::OK, &fields[..], &control, times, &Policy::default())
    }

    #[test]
    fn when_a_stored_response_answers() {
        use Reuse::{Fresh, Stale, StaleWhileRevalidate, Validate};
        const MINUTE: &str = "max-age=60";
        let rows = [
            // Fresh, or not.
            (MINUTE, 0, "", Fresh(secs(60))),
            (MINUTE, 59, "", Fresh(secs(1))),
            (MINUTE, 60, "", Validate),
            ("max-age=0", 0, "", Validate),
            ("no-cache, max-age=60", 0, "", Validate),
            // The client wants less.
            (MINUTE, 0, "no-cache", Validate),
            (MINUTE, 10, "max-age=10", Fresh(secs(50))),
            (MINUTE, 11, "max-age=10", Validate),
            (MINUTE, 0, "max-age=0", Validate),
            (MINUTE, 50, "min-fresh=10", Fresh(secs(10))),
            (MINUTE, 51, "min-fresh=10", Validate),
            // The client wants more.
            (MINUTE, 70, "max-stale", Stale),
            (MINUTE, 70, "max-stale=10", Stale),
            (MINUTE, 71, "max-stale=10", Validate),
            ("max-age=60, must-revalidate", 70, "max-stale", Validate),
            ("max-age=60, proxy-revalidate", 70, "max-stale", Validate),
            ("s-maxage=60", 70, "max-stale", Validate),
            ("no-cache, max-age=60", 70, "max-stale", Validate),
            (MINUTE, 70, "max-stale, no-cache", Validate),
            (MINUTE, 70, "max-age=65, max-stale=20", Stale),
            (MINUTE, 70, "max-age=5, max-stale=20", Validate),
            // RFC 5861 section 3.
            ("max-age=60, stale-while-revalidate=10", 69, "", StaleWhileRevalidate),
            ("max-age=60, stale-while-revalidate=10", 70, "", Validate),
            ("max-age=60, stale-while-revalidate=10", 65, "max-age=100", Validate),
            ("max-age=60, stale-while-revalidate=10", 65, "min-fresh=1", Validate),
            ("max-age=60, stale-while-revalidate=10, must-revalidate", 65, "", Validate),
            ("s-maxage=60, stale-while-revalidate=10", 65, "", StaleWhileRevalidate),
            // RFC 8246: a reload does not ask for what cannot have changed; a forced one does.
            ("max-age=60, immutable", 10, "max-age=0", Fresh(secs(50))),
            ("max-age=60, immutable", 10, "no-cache", Validate),
            ("max-age=60, immutable", 60, "max-age=0", Validate),
        ];
        for (said, after, asked, expected) in rows {
            let control = RequestControl::of(&[("cache-control", asked)][..]);
            let got = judge(&control, &stored(said), UNIX_EPOCH + secs(after));
            assert_eq!(got, expected, "{said:?} after {after} s, asked {asked:?}");
        }
    }

    #[test]
    fn when_the_origin_fails() {
        let rows = [
            ("max-age=60, stale-if-error=10", 69, "", true),
            ("max-age=60, stale-if-error=10", 70, "", false),
            ("max-age=60, stale-if-error=10", 69, "max-age=0", true),
            ("max-age=60, stale-if-error=10", 69, "no-cache", false),
            ("max-age=60, stale-if-error=10, must-revalidate", 69, "", false),
            ("max-age=60, stale-if-error=10, no-cache", 1, "", false),
            ("max-age=60", 61, "", false),
        ];
        for (said, after, asked, expected) in rows {
            let control = RequestControl::of(&[("cache-control", asked)][..]);
            let got = on_error(&control, &stored(said), UNIX_EPOCH + secs(after));
            assert_eq!(got, expected, "{said:?} after {after} s, asked {asked:?}");
        }
    }
}
