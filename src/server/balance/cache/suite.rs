//! What the test suite for HTTP caches at github.com/http-tests/cache-tests asks of a shared cache, as tables; the first column is its name for a case.
//!
//! A request is answered, and a second one follows: it is answered by what was stored, or the backend is asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderName, HeaderValue, StatusCode};

use super::*;
use crate::server::http::handler::Handler;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::http::testing::request;

type Lines = &'static [(&'static str, &'static str)];

/// A name, the response, and whether it is used again.
type Freshness = (&'static str, Lines, bool);
/// A name, the response, both requests, and whether it is used again.
type Directive = (&'static str, Lines, Lines, Lines, bool);
/// A name, `Vary`, both requests, and whether it is used again.
type Varying = (&'static str, &'static str, Lines, Lines, bool);

/// Dates that lie well in the past and in the future of this test.
const PAST: &str = "Thu, 18 Aug 2016 02:01:18 GMT";
const FUTURE: &str = "Tue, 19 Jan 2038 03:14:07 GMT";

/// How many of two requests with these fields reach the backend, which answers both alike.
async fn asked(status: u16, response: Lines, first: Lines, second: Lines) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let inner = move |_: Request| {
        counted.fetch_add(1, Ordering::SeqCst);
        let mut reply = Response::text("body").status(StatusCode::from_u16(status).unwrap());
        for (name, value) in response {
            reply.fields_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        async move { reply }
    };
    let cache = Arc::new(Cache::new("main", Settings::default()));
    let layer = Cached::new(cache, Arc::new(inner), Arc::default(), "");
    for fields in [first, second] {
        layer.handle(request("GET /", fields, "")).await;
    }
    count.load(Ordering::SeqCst)
}

#[tokio::test]
async fn freshness() {
    let rows: &[Freshness] = &[
        ("freshness-none", &[], false),
        ("freshness-max-age", &[("cache-control", "max-age=3600")], true),
        ("freshness-max-age-stale", &[("cache-control", "max-age=3600"), ("age", "7200")], false),
        ("freshness-max-age-0", &[("cache-control", "max-age=0")], false),
        ("freshness-max-age-max-minus-1", &[("cache-control", "max-age=2147483647")], true),
        ("freshness-max-age-max", &[("cache-control", "max-age=2147483648")], true),
        ("freshness-max-age-max-plus", &[("cache-control", "max-age=99999999999")], true),
        ("freshness-max-age-expires", &[("cache-control", "max-age=3600"), ("expires", PAST)], true),
        ("freshness-max-age-expires-invalid", &[("cache-control", "max-age=3600"), ("expires", "0")], true),
        ("freshness-max-age-0-expires", &[("cache-control", "max-age=0"), ("expires", FUTURE)], false),
        ("freshness-max-age-extension", &[("cache-control", "foobar, max-age=3600")], true),
        ("freshness-max-age-case-insenstive", &[("cache-control", "MaX-aGe=3600")], true),
        ("freshness-max-age-100a", &[("cache-control", "max-age=100a")], false),
        ("freshness-max-age-a100", &[("cache-control", "max-age=a100")], false),
        ("freshness-max-age-decimal-zero", &[("cache-control", "max-age=0.0")], false),
        ("freshness-max-age-decimal-five", &[("cache-control", "max-age=3600.5")], false),
        ("freshness-max-age-negative", &[("cache-control", "max-age=-3600")], false),
        ("freshness-max-age-quoted", &[("cache-control", "max-age=\"3600\"")], true),
        ("freshness-max-age-single-quoted", &[("cache-control", "max-age='3600'")], false),
        ("freshness-max-age-leading-zero", &[("cache-control", "max-age=003600")], true),
        ("freshness-max-age-space-before-equals", &[("cache-control", "max-age =100")], false),
        ("freshness-max-age-space-after-equals", &[("cache-control", "max-age= 100")], false),
        (
            "freshness-max-age-ignore-quoted",
            &[("cache-control", "extension=\"max-age=3600\", max-age=1"), ("age", "360")],
            false,
        ),
        (
            "freshness-max-age-ignore-quoted-rev",
            &[("cache-control", "max-age=1, extension=\"max-age=3600\""), ("age", "360")],
            false,
        ),
        (
            "freshness-max-age-two-stale-fresh",
            &[("cache-control", "max-age=1"), ("cache-control", "max-age=3600"), ("age", "5")],
            false,
        ),
        ("freshness-max-age-date", &[("cache-control", "max-age=3600"), ("date", PAST)], false),
        (
            "freshness-max-age-s-maxage-shared-longer",
            &[("cache-control", "max-age=1, s-maxage=3600"), ("age", "5")],
            true,
        ),
        (
            "freshness-max-age-s-maxage-shared-longer-reversed",
            &[("cache-control", "s-maxage=3600, max-age=1"), ("age", "5")],
            true,
        ),
        (
            "freshness-max-age-s-maxage-shared-shorter",
            &[("cache-control", "max-age=3600, s-maxage=1"), ("age", "5")],
            false,
        ),
        (
            "freshness-max-age-s-maxage-shared-shorter-expires",
            &[("cache-control", "s-maxage=1"), ("expires", FUTURE), ("age", "5")],
            false,
        ),
        ("freshness-expires-future", &[("expires", FUTURE)], true),
        ("freshness-expires-past", &[("expires", PAST)], false),
        ("freshness-expires-old-date", &[("expires", FUTURE), ("date", PAST)], true),
        ("freshness-expires-invalid", &[("expires", "0")], false),
        ("freshness-expires-invalid-1-digit-hour", &[("expires", "Tue, 19 Jan 2038 3:14:07 GMT")], false),
        ("freshness-expires-invalid-2-digit-year", &[("expires", "Tue, 19 Jan 38 03:14:07 GMT")], false),
        ("freshness-expires-invalid-aest", &[("expires", "Tue, 19 Jan 2038 13:14:07 AEST")], false),
        ("freshness-expires-invalid-date", &[("expires", "Tue, 39 Jan 2038 03:14:07 GMT")], false),
        ("freshness-expires-invalid-multiple-lines", &[("expires", FUTURE), ("expires", PAST)], false),
        ("freshness-expires-invalid-no-comma", &[("expires", "Tue 19 Jan 2038 03:14:07 GMT")], false),
        ("freshness-expires-invalid-time-periods", &[("expires", "Tue, 19 Jan 2038 03.14.07 GMT")], false),
        ("freshness-expires-invalid-utc", &[("expires", "Tue, 19 Jan 2038 03:14:07 UTC")], false),
        ("freshness-expires-age-slow-date", &[("expires", FUTURE), ("age", "100")], true),
        ("freshness-expires-ansi-c", &[("expires", "Tue Jan 19 03:14:07 2038")], true),
        ("freshness-expires-rfc850", &[("expires", "Tuesday, 19-Jan-38 03:14:07 GMT")], true),
        ("age-parse-negative", &[("cache-control", "max-age=3600"), ("age", "-7200")], true),
        ("age-parse-float", &[("cache-control", "max-age=3600"), ("age", "7200.0")], true),
        ("age-parse-prefix", &[("cache-control", "max-age=3600"), ("age", "a7200")], true),
        (
            "age-parse-suffix-twoline",
            &[("cache-control", "max-age=3600"), ("age", "7200"), ("age", "0")],
            false,
        ),
        ("age-parse-dup-0", &[("cache-control", "max-age=3600"), ("age", "7200, 0")], false),
        ("age-parse-larger-minus-one", &[("cache-control", "max-age=3600"), ("age", "2147483648")], false),
        ("age-parse-numeric-parameter", &[("cache-control", "max-age=3600"), ("age", "7200;foo=111")], true),
        ("pragma-response-no-cache", &[("cache-control", "max-age=3600"), ("pragma", "no-cache")], true),
        ("pragma-response-no-cache-heuristic", &[("pragma", "no-cache"), ("last-modified", PAST)], true),
    ];
    for &(name, response, reused) in rows {
        assert_eq!(asked(200, response, &[], &[]).await == 1, reused, "{name}");
    }
}

#[tokio::test]
async fn directives() {
    const FRESH: Lines = &[("cache-control", "max-age=3600")];
    const AGED: Lines = &[("cache-control", "max-age=3600"), ("age", "1800")];
    const STALE: Lines = &[("cache-control", "max-age=1500"), ("age", "1800"), ("etag", "\"a\"")];
    const BASIC: Lines = &[("authorization", "FOO")];
    let rows: &[Directive] = &[
        ("cc-resp-no-store", &[("cache-control", "no-store")], &[], &[], false),
        ("cc-resp-no-store-case-insensitive", &[("cache-control", "No-StOrE")], &[], &[], false),
        ("cc-resp-no-store-fresh", &[("cache-control", "max-age=10000, no-store")], &[], &[], false),
        ("cc-resp-no-cache", &[("cache-control", "no-cache"), ("expires", FUTURE)], &[], &[], false),
        (
            "cc-resp-no-cache-case-insensitive",
            &[("cache-control", "No-CaChE"), ("etag", "\"a\"")],
            &[],
            &[],
            false,
        ),
        (
            "cc-resp-must-revalidate-fresh",
            &[("cache-control", "max-age=10000, must-revalidate")],
            &[],
            &[],
            true,
        ),
        (
            "cc-resp-must-revalidate-stale",
            &[("cache-control", "max-age=2, must-revalidate"), ("age", "5")],
            &[],
            &[],
            false,
        ),
        ("cc-resp-private-shared", &[("cache-control", "private, max-age=3600")], &[], &[], false),
        ("cc-resp-immutable-fresh", &[("cache-control", "max-age=10000, immutable")], &[], &[], true),
        (
            "cc-resp-immutable-stale",
            &[("cache-control", "max-age=2, immutable"), ("age", "5")],
            &[],
            &[],
            false,
        ),
        ("ccreq-ma0", FRESH, &[], &[("cache-control", "max-age=0")], false),
        ("ccreq-ma1", AGED, &[], &[("cache-control", "max-age=600")], false),
        ("ccreq-magreaterage", AGED, &[], &[("cache-control", "max-age=3600")], true),
        ("ccreq-max-stale", STALE, &[], &[("cache-control", "max-stale=1000")], true),
        ("ccreq-max-stale-age", STALE, &[], &[("cache-control", "max-stale=100")], false),
        ("ccreq-min-fresh", AGED, &[], &[("cache-control", "min-fresh=2000")], false),
        ("ccreq-min-fresh-age", AGED, &[], &[("cache-control", "min-fresh=1000")], true),
        ("ccreq-no-cache", FRESH, &[], &[("cache-control", "no-cache")], false),
        ("ccreq-no-cache-etag", FRESH, &[], &[("cache-control", "no-cache, x")], false),
        ("ccreq-no-store", FRESH, &[("cache-control", "no-store")], &[], false),
        ("pragma-request-no-cache", FRESH, &[], &[("pragma", "no-cache")], false),
        ("pragma-request-extension", FRESH, &[], &[("pragma", "foo")], true),
        ("other-authorization", FRESH, BASIC, BASIC, false),
        ("other-authorization-public", &[("cache-control", "max-age=3600, public")], BASIC, BASIC, true),
        (
            "other-authorization-must-revalidate",
            &[("cache-control", "max-age=3600, must-revalidate")],
            BASIC,
            &[],
            true,
        ),
        ("other-authorization-smaxage", &[("cache-control", "s-maxage=3600")], BASIC, &[], true),
        ("other-cookie", FRESH, &[("cookie", "foo=bar")], &[("cookie", "foo=bar")], true),
        (
            "other-set-cookie",
            &[("cache-control", "max-age=3600"), ("set-cookie", "foo=bar")],
            &[],
            &[],
            false,
        ),
        ("other-date-update", &[("cache-control", "max-age=3600"), ("date", FUTURE)], &[], &[], true),
        ("surrogate-control-is-ignored", &[("surrogate-control", "max-age=3600")], &[], &[], false),
        ("query-args-same", FRESH, &[("x-a", "1")], &[("x-a", "2")], true),
        ("headers-omit-headers", &[("cache-control", "max-age=3600, no-cache=\"a, b\"")], &[], &[], true),
        ("headers-private-field", &[("cache-control", "max-age=3600, private=\"a\"")], &[], &[], true),
    ];
    for &(name, response, first, second, reused) in rows {
        assert_eq!(asked(200, response, first, second).await == 1, reused, "{name}");
    }
}

#[tokio::test]
async fn statuses() {
    const HEURISTIC: [u16; 11] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
    for status in (200..600).filter(|status| ![206, 304].contains(status)) {
        let fresh = asked(status, &[("cache-control", "max-age=3600")], &[], &[]).await;
        assert_eq!(fresh, 1, "status-{status}-fresh");
        let stale = asked(status, &[("cache-control", "max-age=3600"), ("age", "7200")], &[], &[]).await;
        assert_eq!(stale, 2, "status-{status}-stale");
        let guessed = asked(status, &[("last-modified", PAST)], &[], &[]).await;
        assert_eq!(guessed == 1, HEURISTIC.contains(&status), "heuristic-{status}");
    }
    for status in [206, 304] {
        assert_eq!(asked(status, &[("cache-control", "max-age=3600")], &[], &[]).await, 2, "{status}");
    }
    // Section 5.2.2.3: what is not understood is not stored, where that is asked for.
    for (status, reused) in [(200, true), (404, true), (299, false), (499, false), (599, false)] {
        let response: Lines = &[("cache-control", "max-age=3600, must-understand, no-store")];
        assert_eq!(asked(status, response, &[], &[]).await == 1, reused, "status-{status}-must-understand");
    }
}

#[tokio::test]
async fn vary() {
    const ONE: Lines = &[("foo", "1")];
    const TWO: Lines = &[("foo", "2")];
    const BOTH: Lines = &[("foo", "1"), ("bar", "abc")];
    const OTHER: Lines = &[("foo", "1"), ("bar", "abcde")];
    let rows: &[Varying] = &[
        ("vary-match", "Foo", ONE, ONE, true),
        ("vary-no-match", "Foo", ONE, TWO, false),
        ("vary-omit-stored", "Foo", &[], ONE, false),
        ("vary-omit", "Foo", ONE, &[], false),
        ("vary-omit-both", "Foo", &[], &[], true),
        ("vary-star", "*", ONE, ONE, false),
        ("vary-star-star", "*, *", ONE, ONE, false),
        ("vary-star-foo", "*, Foo", ONE, ONE, false),
        ("vary-foo-star", "Foo, *", ONE, ONE, false),
        ("vary-empty-star", ", *", ONE, ONE, false),
        ("vary-case", "FOO", ONE, ONE, true),
        ("vary-2-match", "Foo, Bar", BOTH, BOTH, true),
        ("vary-2-no-match", "Foo, Bar", BOTH, OTHER, false),
        ("vary-2-match-omit", "Foo, Baz", BOTH, BOTH, true),
        ("vary-3-omit", "Foo, Bar, Baz", &[("foo", "1")], &[("foo", "1"), ("baz", "7")], false),
        ("vary-3-order", "Bar, Foo", BOTH, &[("bar", "abc"), ("foo", "1")], true),
        ("vary-normalise-combine", "Foo", &[("foo", "1, 2")], &[("foo", "1"), ("foo", "2")], true),
        ("vary-normalise-space", "Foo", &[("foo", "1,2")], &[("foo", "1, 2")], true),
        (
            "vary-normalise-lang-case",
            "Accept-Language",
            &[("accept-language", "en, de")],
            &[("accept-language", "eN, De")],
            true,
        ),
        ("vary-unrelated", "Foo", &[("bar", "1")], &[("bar", "2")], true),
    ];
    for &(name, vary, first, second, reused) in rows {
        let response: Lines = Box::leak(Box::new([("cache-control", "max-age=3600"), ("vary", vary)]));
        assert_eq!(asked(200, response, first, second).await == 1, reused, "{name}");
    }
}
