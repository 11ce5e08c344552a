//! How long a stored response is fresh, and how old it is: RFC 9111 section 4.2.

use std::time::{Duration, SystemTime};

use http::StatusCode;

use super::control::{LONGEST, ResponseControl, seconds};
use super::storing::is_heuristic;
use crate::proto::http::date;
use crate::proto::http::list::{FieldLines, trim_ows};

/// The longest lifetime that is guessed: a day. RFC 9111 section 4.2.2 leaves it open; Squid guesses up to three days, browsers up to a week.
pub const HEURISTIC_CAP: Duration = Duration::from_secs(24 * 3600);

/// What an operator decides about lifetimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The lifetime of responses that do not say theirs; `None` to guess it from `Last-Modified`.
    pub default_ttl: Option<Duration>,
    /// The longest lifetime that is guessed.
    pub heuristic_cap: Duration,
    /// `stale-while-revalidate` of responses that do not say it.
    pub stale_while_revalidate: Duration,
    /// `stale-if-error` of responses that do not say it.
    pub stale_if_error: Duration,
}

impl Default for Policy {
    /// What the RFC has, and no stale content unless a response allows it.
    fn default() -> Self {
        Self {
            default_ttl: None,
            heuristic_cap: HEURISTIC_CAP,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
        }
    }
}

/// When the request of a response was sent, and when its head came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// `request_time` of section 4.2.3.
    pub asked: SystemTime,
    /// `response_time` of section 4.2.3.
    pub answered: SystemTime,
}

/// How long a response is fresh, and what may be done with it afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// From its birth at the origin to its end.
    pub lifetime: Duration,
    /// `corrected_initial_age` of section 4.2.3: how old it was when it came.
    initial_age: Duration,
    /// When it came.
    answered: SystemTime,
    /// For how long it may be used after its lifetime while it is asked for anew.
    pub stale_while_revalidate: Duration,
    /// For how long it may be used after its lifetime when the origin fails.
    pub stale_if_error: Duration,
    /// Whether a client may ask for it though it is stale (section 4.2.4).
    pub may_be_stale: bool,
    /// Whether each use has to be confirmed by the origin.
    pub no_cache: bool,
    /// Whether it does not change while it is fresh.
    pub immutable: bool,
}

impl Freshness {
    /// That of a response with these fields.
    pub fn of<F: FieldLines + ?Sized>(
        status: StatusCode,
        fields: &F,
        control: &ResponseControl,
        times: Times,
        policy: &Policy,
    ) -> Self {
        // Section 4.2.4: what must not be used stale. s-maxage implies proxy-revalidate (section 5.2.2.10), but a response that has s-maxage
        // and says by RFC 5861 for how long it may be stale means that: content delivery networks take it so.
        let strict = control.must_revalidate || control.proxy_revalidate || control.no_cache;
        let may_be_stale = !strict && control.s_maxage.is_none();
        let stale = |said: Option<Duration>, ours: Duration| match said {
            _ if strict => Duration::ZERO,
            Some(said) => said,
            None if may_be_stale => ours,
            None => Duration::ZERO,
        };
        Self {
            lifetime: lifetime(status, fields, control, times.answered, policy),
            initial_age: initial_age(fields, times),
            answered: times.answered,
            stale_while_revalidate: stale(control.stale_while_revalidate, policy.stale_while_revalidate),
            stale_if_error: stale(control.stale_if_error, policy.stale_if_error),
            may_be_stale,
            no_cache: control.no_cache,
            immutable: control.immutable,
        }
    }

    /// How old the response is now: `current_age` of section 4.2.3.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Duration {
        self.initial_age + since(self.answered, now)
    }

    /// For how long it stays fresh; `None` when it is stale.
    #[must_use]
    pub fn fresh_for(&self, now: SystemTime) -> Option<Duration> {
        self.lifetime.checked_sub(self.age(now)).filter(|left| !left.is_zero())
    }

    /// For how long it has been stale; zero when it is fresh.
    #[must_use]
    pub fn stale_for(&self, now: SystemTime) -> Duration {
        self.age(now).saturating_sub(self.lifetime)
    }

    /// Whether nothing but a confirmation of the origin ever lets it be used.
    #[must_use]
    pub fn is_always_stale(&self) -> bool {
        self.no_cache || self.lifetime <= self.initial_age && self.stale_while_revalidate.is_zero()
    }
}

/// Section 4.2.1, in its order.
fn lifetime<F: FieldLines + ?Sized>(
    status: StatusCode,
    fields: &F,
    control: &ResponseControl,
    answered: SystemTime,
    policy: &Policy,
) -> Duration {
    if let Some(said) = control.s_maxage.or(control.max_age) {
        return said;
    }
    let born = born(fields, answered);
    let mut expires = fields.lines("expires");
    if let Some(first) = expires.next() {
        // One that is no date, such as 0, is in the past (section 5.3), and of two that differ none is believed.
        let agreed = expires.all(|other| other == first);
        let end = date::parse(first, answered).filter(|_| agreed);
        return end.map_or(Duration::ZERO, |end| since(born, end)).min(LONGEST);
    }
    if let Some(default) = policy.default_ttl {
        return default;
    }
    heuristic(status, fields, control, born, answered)
        .map_or(Duration::ZERO, |guess| guess.min(policy.heuristic_cap))
}

/// Section 4.2.2: a tenth of the time for which the response had not changed.
fn heuristic<F: FieldLines + ?Sized>(
    status: StatusCode,
    fields: &F,
    control: &ResponseControl,
    born: SystemTime,
    answered: SystemTime,
) -> Option<Duration> {
    if !is_heuristic(status) && !control.public {
        return None;
    }
    let changed = date::parse(fields.lines("last-modified").next()?, answered)?;
    Some(Duration::from_secs(since(changed, born).as_secs() / 10))
}

/// What `Date` says, else when the response came (RFC 9110 section 6.6.1).
fn born<F: FieldLines + ?Sized>(fields: &F, answered: SystemTime) -> SystemTime {
    fields.lines("date").next().and_then(|text| date::parse(text, answered)).unwrap_or(answered)
}

/// `corrected_initial_age` of section 4.2.3.
fn initial_age<F: FieldLines + ?Sized>(fields: &F, times: Times) -> Duration {
    let apparent = since(born(fields, times.answered), times.answered);
    // Section 5.1: the first of several; what is no number does not count.
    let first = fields.lines("age").next().and_then(|line| line.split(|&byte| byte == b',').next());
    let said = first.and_then(|text| seconds(trim_ows(text))).unwrap_or_default();
    let corrected = said + since(times.asked, times.answered);
    // Dates have whole seconds: a response of this second is not old.
    Duration::from_secs(apparent.as_secs()).max(corrected)
}

/// From one time to a later one; zero when it is not later, as clocks are set back.
fn since(one: SystemTime, other: SystemTime) -> Duration {
    other.duration_since(one).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    type Lines = &'static [(&'static str, &'static str)];

    const NOON: &str = "Sun, 06 Nov 1994 12:00:00 GMT";

    fn noon() -> SystemTime {
        date::parse(NOON.as_bytes(), UNIX_EPOCH).unwrap()
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn freshness(status: u16, fields: &[(&str, &str)], policy: &Policy) -> Freshness {
        let times = Times { asked: noon(), answered: noon() };
        let control = ResponseControl::of(fields);
        Freshness::of(StatusCode::from_u16(status).unwrap(), fields, &control, times, policy)
    }

    #[test]
    fn lifetimes() {
        const DATE: (&str, &str) = ("date", NOON);
        const HOUR: (&str, &str) = ("expires", "Sun, 06 Nov 1994 13:00:00 GMT");
        const WEEK: (&str, &str) = ("last-modified", "Sun, 30 Oct 1994 12:00:00 GMT");
        const OLD: (&str, &str) = ("last-modified", "Sun, 06 Nov 1988 12:00:00 GMT");
        const AGE: (&str, &str) = ("cache-control", "max-age=5");
        let rows: [(u16, Lines, u64); 22] = [
            // Section 4.2.1: the order.
            (200, &[("cache-control", "s-maxage=7, max-age=5"), HOUR], 7),
            (200, &[AGE, HOUR], 5),
            (200, &[HOUR, DATE], 3600),
            (200, &[HOUR], 3600),
            (200, &[HOUR, ("date", "Sun, 06 Nov 1994 11:00:00 GMT")], 7200),
            (200, &[HOUR, ("date", "nonsense")], 3600),
            (200, &[("expires", "0"), WEEK], 0),
            (200, &[("expires", "-1")], 0),
            (200, &[("expires", ""), WEEK], 0),
            (200, &[("expires", "Sun, 06 Nov 1994 11:00:00 GMT")], 0),
            (200, &[HOUR, HOUR], 3600),
            (200, &[HOUR, ("expires", "0")], 0),
            (200, &[("expires", "Sunday, 06-Nov-94 13:00:00 GMT")], 3600),
            (200, &[("expires", "Sun Nov  6 13:00:00 1994")], 3600),
            // Section 4.2.2: a tenth of a week; a day at most; only for some statuses.
            (200, &[WEEK, DATE], 60_480),
            (404, &[WEEK], 60_480),
            (200, &[OLD], 86_400),
            (302, &[WEEK], 0),
            (302, &[WEEK, ("cache-control", "public")], 60_480),
            (200, &[("last-modified", "nonsense")], 0),
            (200, &[("last-modified", "Sun, 06 Nov 1994 13:00:00 GMT")], 0),
            (200, &[], 0),
        ];
        for (status, fields, expected) in rows {
            let got = freshness(status, fields, &Policy::default()).lifetime;
            assert_eq!(got, secs(expected), "{status} {fields:?}");
        }
        let policy = Policy { default_ttl: Some(secs(9)), ..Policy::default() };
        for (fields, expected) in [(&[WEEK][..], 9), (&[], 9), (&[AGE], 5), (&[HOUR], 3600)] {
            assert_eq!(freshness(200, fields, &policy).lifetime, secs(expected), "{fields:?}");
        }
    }

    #[test]
    fn ages() {
        // Section 4.2.3: Date before the response, Age, seconds on the way, seconds in the cache.
        let rows: [(Lines, u64, u64, u64); 11] = [
            (&[], 0, 0, 0),
            (&[], 3, 10, 13),
            (&[("date", NOON)], 0, 10, 10),
            (&[("date", "Sun, 06 Nov 1994 11:59:00 GMT")], 0, 10, 70),
            (&[("age", "30")], 0, 10, 40),
            (&[("age", "30")], 3, 10, 43),
            (&[("age", "30"), ("date", "Sun, 06 Nov 1994 11:59:00 GMT")], 3, 10, 73),
            (&[("age", "90"), ("date", "Sun, 06 Nov 1994 11:59:00 GMT")], 3, 10, 103),
            (&[("date", "Sun, 06 Nov 1994 13:00:00 GMT")], 0, 10, 10),
            (&[("age", "x")], 0, 10, 10),
            (&[("age", "30, 5"), ("age", "7")], 0, 10, 40),
        ];
        for (fields, delay, resident, expected) in rows {
            let times = Times { asked: noon(), answered: noon() + secs(delay) };
            let control = ResponseControl::default();
            let it = Freshness::of(StatusCode::OK, fields, &control, times, &Policy::default());
            assert_eq!(it.age(times.answered + secs(resident)), secs(expected), "{fields:?}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nothing_younger_than_it_came() {
        let it = freshness(200, &[("cache-control", "max-age=60"), ("age", "20")], &Policy::default());
        assert_eq!(it.age(noon() - secs(1000)), secs(20));
        assert_eq!(it.fresh_for(noon() - secs(1000)), Some(secs(40)));
    }

    #[test]
    fn fresh_and_stale() {
        let it = freshness(200, &[("cache-control", "max-age=60")], &Policy::default());
        for (after, left, over) in
            [(0, Some(60), 0), (59, Some(1), 0), (60, None, 0), (61, None, 1), (100, None, 40)]
        {
            let now = noon() + secs(after);
            assert_eq!((it.fresh_for(now), it.stale_for(now)), (left.map(secs), secs(over)), "{after}");
        }
    }

    #[test]
    fn who_may_be_used_stale() {
        // `Cache-Control`; the operator's 100 s and 200 s count where nothing is said; whether max-stale counts.
        let rows = [
            ("max-age=1", 100, 200, true),
            ("max-age=1, stale-while-revalidate=5, stale-if-error=6", 5, 6, true),
            ("max-age=1, stale-while-revalidate=0, stale-if-error=x", 0, 0, true),
            ("max-age=1, must-revalidate", 0, 0, false),
            ("max-age=1, must-revalidate, stale-while-revalidate=5, stale-if-error=6", 0, 0, false),
            ("max-age=1, proxy-revalidate, stale-if-error=6", 0, 0, false),
            ("max-age=1, no-cache, stale-if-error=6", 0, 0, false),
            ("s-maxage=1", 0, 0, false),
            ("s-maxage=1, stale-while-revalidate=5, stale-if-error=6", 5, 6, false),
        ];
        let policy =
            Policy { stale_while_revalidate: secs(100), stale_if_error: secs(200), ..Policy::default() };
        for (text, revalidate, error, max_stale) in rows {
            let it = freshness(200, &[("cache-control", text)], &policy);
            let got = (it.stale_while_revalidate, it.stale_if_error, it.may_be_stale);
            assert_eq!(got, (secs(revalidate), secs(error), max_stale), "{text}");
        }
    }

    #[test]
    fn what_is_always_asked_for() {
        for (text, always) in [
            ("max-age=1", false),
            ("max-age=0", true),
            ("max-age=60, no-cache", true),
            ("", true),
            ("max-age=0, stale-while-revalidate=9", false),
        ] {
            assert_eq!(
                freshness(200, &[("cache-control", text)], &Policy::default()).is_always_stale(),
                always,
                "{text}"
            );
        }
    }
}
