//! Whether a response may be stored: RFC 9111 sections 3, 3.1 and 3.5.

use http::header::{AGE, CONTENT_RANGE, SET_COOKIE, TRAILER};
use http::{HeaderName, Method, StatusCode};

use super::control::{RequestControl, ResponseControl};
use crate::proto::http::fields::Fields;
use crate::proto::http::list::FieldLines;

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unstorable {
    /// The method is not GET: what answers others is of no use to a later request.
    Method,
    /// The request says `no-store`.
    RequestNoStore,
    /// The request carries `Authorization`, and the response does not say that others may have it (section 3.5).
    Authorization,
    /// A status that is a part (206), no answer of its own (304), or not final.
    Status,
    /// The response says `no-store`.
    NoStore,
    /// The response says `private`.
    Private,
    /// The response sets a cookie, which is for one client.
    Cookie,
    /// `Vary: *`, or a `Vary` that cannot be read.
    Vary,
    /// The response does not say for how long it is fresh, and its status does not let a cache guess.
    Unsaid,
}

impl Unstorable {
    /// Whether another client's request for the same would most likely not be stored either.
    #[must_use]
    pub fn concerns_all(self) -> bool {
        !matches!(self, Self::Method | Self::RequestNoStore | Self::Authorization)
    }

    /// The reason as a word for logs and `Cache-Status`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::RequestNoStore => "request-no-store",
            Self::Authorization => "authorization",
            Self::Status => "status",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::Cookie => "set-cookie",
            Self::Vary => "vary",
            Self::Unsaid => "no-lifetime",
        }
    }
}

/// A request and the head of its response, as far as storing depends on them.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The method of the request.
    pub method: &'a Method,
    /// What the request asks of caches.
    pub asked: &'a RequestControl,
    /// Whether the request carries `Authorization`.
    pub authorized: bool,
    /// The status of the response.
    pub status: StatusCode,
    /// The fields of the response.
    pub fields: &'a Fields,
    /// What the response allows caches.
    pub control: &'a ResponseControl,
}

/// Whether a shared cache may store a response, by the conditions of section 3 in their order. `defaulted`: an operator has said for how long a
/// response is fresh that does not say it itself. `Vary` is judged by [`super::vary`].
///
/// # Errors
/// Why it may not.
pub fn judge(exchange: &Exchange<'_>, defaulted: bool) -> Result<(), Unstorable> {
    let Exchange { method, asked, status, fields, control, .. } = *exchange;
    if *method != Method::GET {
        return Err(Unstorable::Method);
    }
    if asked.no_store {
        return Err(Unstorable::RequestNoStore);
    }
    let part = [StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    if status.is_informational() || part || control.must_understand && !is_understood(status) {
        return Err(Unstorable::Status);
    }
    // Section 5.2.2.3: whoever understands the status need not heed no-store.
    if control.no_store && !control.must_understand {
        return Err(Unstorable::NoStore);
    }
    if control.private {
        return Err(Unstorable::Private);
    }
    if exchange.authorized && !for_all(control) {
        return Err(Unstorable::Authorization);
    }
    // Beyond the RFC, as nginx and Varnish have it: a response that sets a cookie was made for one client.
    if fields.contains(&SET_COOKIE) && !control.withheld.contains(&SET_COOKIE) {
        return Err(Unstorable::Cookie);
    }
    let said = control.public || control.s_maxage.is_some() || control.max_age.is_some();
    if said || fields.lines("expires").next().is_some() || is_heuristic(status) {
        return Ok(());
    }
    if defaulted && !status.is_server_error() { Ok(()) } else { Err(Unstorable::Unsaid) }
}

/// Whether a response may answer requests with `Authorization`, and be stored in answer to one: section 3.5.
#[must_use]
pub fn for_all(control: &ResponseControl) -> bool {
    control.public || control.must_revalidate || control.s_maxage.is_some()
}

/// The statuses for which a cache may guess a lifetime: RFC 9110 section 15.1, without 206.
#[must_use]
pub fn is_heuristic(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// The statuses whose meaning for a cache is known here: those of RFC 9110 that are final, but for parts.
fn is_understood(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505)
}

/// The fields of a response that are stored: section 3.1. Those of a connection are gone already.
///
/// Left out are those that the response withholds, its age, which is counted anew, what other caches did to get it, and fields of a
/// transfer. A cookie that is not withheld keeps a response from being stored at all.
#[must_use]
pub fn stored_fields(fields: &Fields, control: &ResponseControl) -> Fields {
    let mut stored = Fields::new();
    let kept = fields.iter().filter(|(name, _)| !is_left_out(name) && !control.withheld.contains(name));
    for (name, value) in kept {
        stored.append(name.clone(), value.clone());
    }
    stored
}

fn is_left_out(name: &HeaderName) -> bool {
    *name == AGE || *name == TRAILER || *name == CONTENT_RANGE || name.as_str() == "cache-status"
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        fields
    }

    /// A method, whether with Authorization, a status, `Cache-Control`, and a field more.
    type Row = (&'static str, bool, u16, &'static str, (&'static str, &'static str), Result<(), Unstorable>);

    #[test]
    fn what_may_be_stored() {
        use Unstorable as U;
        const NO: (&str, &str) = ("x", "");
        let rows: [Row; 38] = [
            // Section 3: the method.
            ("GET", false, 200, "max-age=1", NO, Ok(())),
            ("HEAD", false, 200, "max-age=1", NO, Err(U::Method)),
            ("POST", false, 200, "max-age=1", NO, Err(U::Method)),
            // The status.
            ("GET", false, 206, "max-age=1", NO, Err(U::Status)),
            ("GET", false, 304, "max-age=1", NO, Err(U::Status)),
            ("GET", false, 302, "max-age=1", NO, Ok(())),
            ("GET", false, 500, "max-age=1", NO, Ok(())),
            ("GET", false, 599, "max-age=1", NO, Ok(())),
            // A lifetime, or a status that lets one be guessed.
            ("GET", false, 200, "", NO, Ok(())),
            ("GET", false, 404, "", NO, Ok(())),
            ("GET", false, 410, "", NO, Ok(())),
            ("GET", false, 501, "", NO, Ok(())),
            ("GET", false, 302, "", NO, Err(U::Unsaid)),
            ("GET", false, 400, "", NO, Err(U::Unsaid)),
            ("GET", false, 500, "", NO, Err(U::Unsaid)),
            ("GET", false, 302, "", ("expires", "0"), Ok(())),
            ("GET", false, 302, "public", NO, Ok(())),
            ("GET", false, 302, "s-maxage=1", NO, Ok(())),
            // no-store and private.
            ("GET", false, 200, "no-store, max-age=1", NO, Err(U::NoStore)),
            ("GET", false, 200, "no-cache", NO, Ok(())),
            ("GET", false, 200, "private, max-age=1", NO, Err(U::Private)),
            ("GET", false, 200, "private=\"x-a\", max-age=1", NO, Ok(())),
            ("GET", false, 200, "public, private", NO, Err(U::Private)),
            // Section 5.2.2.3.
            ("GET", false, 200, "must-understand, no-store, max-age=1", NO, Ok(())),
            ("GET", false, 200, "must-understand, no-store, private", NO, Err(U::Private)),
            ("GET", false, 299, "must-understand, no-store, max-age=1", NO, Err(U::Status)),
            ("GET", false, 299, "must-understand, max-age=1", NO, Err(U::Status)),
            ("GET", false, 299, "max-age=1", NO, Ok(())),
            // Section 3.5.
            ("GET", true, 200, "max-age=1", NO, Err(U::Authorization)),
            ("GET", true, 200, "", ("expires", "0"), Err(U::Authorization)),
            ("GET", true, 200, "public", NO, Ok(())),
            ("GET", true, 200, "must-revalidate, max-age=1", NO, Ok(())),
            ("GET", true, 200, "s-maxage=1", NO, Ok(())),
            ("GET", true, 200, "proxy-revalidate, max-age=1", NO, Err(U::Authorization)),
            // Cookies.
            ("GET", false, 200, "max-age=1", ("set-cookie", "a=b"), Err(U::Cookie)),
            ("GET", false, 200, "public, max-age=1", ("set-cookie", "a=b"), Err(U::Cookie)),
            ("GET", false, 200, "private=\"Set-Cookie\", max-age=1", ("set-cookie", "a=b"), Ok(())),
            ("GET", false, 200, "no-cache=set-cookie, max-age=1", ("set-cookie", "a=b"), Ok(())),
        ];
        for (method, authorized, status, text, (name, value), expected) in rows {
            let fields = fields(&[("cache-control", text), (name, value)]);
            let control = ResponseControl::of(&fields);
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let exchange = Exchange {
                method: &method,
                asked: &RequestControl::default(),
                authorized,
                status: StatusCode::from_u16(status).unwrap(),
                fields: &fields,
                control: &control,
            };
            assert_eq!(judge(&exchange, false), expected, "{method} {status} {text:?} {name}: {value}");
            let asked = RequestControl { no_store: true, ..RequestControl::default() };
            let stored = judge(&Exchange { asked: &asked, ..exchange }, false);
            assert!(stored.is_err(), "no-store in the request: {method} {status} {text:?}");
        }
    }

    #[test]
    fn a_default_lifetime_is_for_what_is_no_fault_of_the_server() {
        for (status, stored) in [(200, true), (302, true), (403, true), (500, false), (503, false)] {
            let fields = Fields::new();
            let exchange = Exchange {
                method: &Method::GET,
                asked: &RequestControl::default(),
                authorized: false,
                status: StatusCode::from_u16(status).unwrap(),
                fields: &fields,
                control: &ResponseControl::default(),
            };
            assert_eq!(judge(&exchange, true).is_ok(), stored, "{status}");
        }
    }

    #[test]
    fn what_concerns_one_request_is_no_word_about_others() {
        use Unstorable as U;
        for (why, all) in [
            (U::Method, false),
            (U::RequestNoStore, false),
            (U::Authorization, false),
            (U::Status, true),
            (U::NoStore, true),
            (U::Private, true),
            (U::Cookie, true),
            (U::Vary, true),
            (U::Unsaid, true),
        ] {
            assert_eq!(why.concerns_all(), all, "{}", why.word());
        }
    }

    #[test]
    fn fields_that_are_stored() {
        let fields = fields(&[
            ("etag", "\"a\""),
            ("age", "5"),
            ("set-cookie", "a=b"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("cache-status", "other; hit"),
            ("cache-control", "private=\"set-cookie\""),
        ]);
        let stored = stored_fields(&fields, &ResponseControl::of(&fields));
        let names: Vec<_> = stored.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["etag", "x-a", "x-a", "cache-control"]);
    }
}
