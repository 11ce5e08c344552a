//! `Cache-Control` in requests and responses: RFC 9111 section 5.2, with the directives of RFC 5861 and RFC 8246.
//!
//! A recipient takes `max-age=1` and `max-age="1"` for the same. What a response says wrongly or twice counts in the careful way: a lifetime
//! that is no number, or that is given twice with different values, is 0 (section 4.2.1), and a list that cannot be read to its end forbids
//! storing. What a request says wrongly is ignored, as it only asks for less than it would get.

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderName;

use crate::proto::http::list::{FieldLines, contains_token, is_token, members, trim_ows, unquote};

/// The longest time that a directive can name: section 1.2.2 lets a cache take larger numbers for 2^31 seconds.
pub const LONGEST: Duration = Duration::from_secs(1 << 31);

/// How many field names `no-cache` and `private` may list; with more, they count for the whole response.
pub const MAX_WITHHELD: usize = 32;

/// What a request asks of caches (section 5.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestControl {
    /// `no-cache`, or `Pragma: no-cache` without `Cache-Control`: nothing stored may be used before the origin has confirmed it.
    pub no_cache: bool,
    /// `no-store`: neither the request nor its response is to be stored.
    pub no_store: bool,
    /// `only-if-cached`: the origin is not to be asked.
    pub only_if_cached: bool,
    /// `max-age`: how old a response may be.
    pub max_age: Option<Duration>,
    /// `min-fresh`: for how long a response must still be fresh.
    pub min_fresh: Option<Duration>,
    /// `max-stale`: for how long a response may have been stale; [`Duration::MAX`] when no limit is named.
    pub max_stale: Option<Duration>,
}

impl RequestControl {
    /// Reads the fields of a request.
    #[must_use]
    pub fn of<F: FieldLines + ?Sized>(fields: &F) -> Self {
        let mut control = Self::default();
        if fields.lines("cache-control").next().is_none() {
            // Section 5.4.
            control.no_cache = contains_token(fields.lines("pragma"), "no-cache");
            return control;
        }
        for member in members(fields.lines("cache-control")).map_while(Result::ok) {
            let Some(directive) = Directive::read(member) else { continue };
            control.take(&directive);
        }
        control
    }

    fn take(&mut self, directive: &Directive<'_>) {
        let smaller = |old: Option<Duration>, new: Duration| Some(old.map_or(new, |old| old.min(new)));
        let seconds = directive.seconds();
        match directive.name.to_ascii_lowercase().as_slice() {
            b"no-cache" => self.no_cache = true,
            b"no-store" => self.no_store = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => self.max_age = seconds.map_or(self.max_age, |time| smaller(self.max_age, time)),
            b"min-fresh" => self.min_fresh = seconds.max(self.min_fresh),
            b"max-stale" if directive.value.is_none() => {
                self.max_stale = smaller(self.max_stale, Duration::MAX);
            }
            b"max-stale" => {
                self.max_stale = seconds.map_or(self.max_stale, |time| smaller(self.max_stale, time));
            }
            _ => {}
        }
    }
}

/// What a response allows caches (section 5.2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseControl {
    /// `no-store`, or a list that cannot be read.
    pub no_store: bool,
    /// `no-cache` without field names: each use has to be confirmed by the origin.
    pub no_cache: bool,
    /// `private` without field names: not for a shared cache.
    pub private: bool,
    /// `public`: also where a response would not be stored otherwise.
    pub public: bool,
    /// `must-revalidate`: never to be used when stale.
    pub must_revalidate: bool,
    /// `proxy-revalidate`: the same, for shared caches.
    pub proxy_revalidate: bool,
    /// `must-understand`: only a cache that knows the status may store it, and it need not heed `no-store`.
    pub must_understand: bool,
    /// `immutable`: it does not change while it is fresh (RFC 8246).
    pub immutable: bool,
    /// `max-age`; zero when it is no number or contradicts itself.
    pub max_age: Option<Duration>,
    /// `s-maxage`, which counts for shared caches in place of `max-age`; zero likewise.
    pub s_maxage: Option<Duration>,
    /// `stale-while-revalidate`: for how long after its lifetime it may be used while it is asked for anew (RFC 5861 section 3).
    pub stale_while_revalidate: Option<Duration>,
    /// `stale-if-error`: for how long after its lifetime it may be used when the origin fails (RFC 5861 section 4).
    pub stale_if_error: Option<Duration>,
    /// The fields that `no-cache="..."` and `private="..."` name: not to be stored.
    pub withheld: Vec<HeaderName>,
}

impl ResponseControl {
    /// Reads the fields of a response.
    #[must_use]
    pub fn of<F: FieldLines + ?Sized>(fields: &F) -> Self {
        let mut control = Self::default();
        for member in members(fields.lines("cache-control")) {
            match member {
                Ok(member) => {
                    if let Some(directive) = Directive::read(member) {
                        control.take(&directive);
                    }
                }
                Err(_) => control.no_store = true,
            }
        }
        control
    }

    fn take(&mut self, directive: &Directive<'_>) {
        let seconds = || directive.seconds().unwrap_or_default();
        // What only loosens is not believed when it has an argument that nobody defined.
        let bare = directive.value.is_none();
        match directive.name.to_ascii_lowercase().as_slice() {
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache |= !self.withhold(directive),
            b"private" => self.private |= !self.withhold(directive),
            b"public" => self.public |= bare,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand |= bare,
            b"immutable" => self.immutable |= bare,
            b"max-age" => agree(&mut self.max_age, seconds()),
            b"s-maxage" => agree(&mut self.s_maxage, seconds()),
            b"stale-while-revalidate" => agree(&mut self.stale_while_revalidate, seconds()),
            b"stale-if-error" => agree(&mut self.stale_if_error, seconds()),
            _ => {}
        }
    }

    /// Notes the field names of a directive. `false`: it has none that can be read, and counts for the whole response.
    fn withhold(&mut self, directive: &Directive<'_>) -> bool {
        let Some(Some(value)) = &directive.value else { return false };
        let mut names = Vec::new();
        for name in value.split(|&byte| byte == b',').map(trim_ows).filter(|name| !name.is_empty()) {
            match HeaderName::from_bytes(name) {
                Ok(name) => names.push(name),
                Err(_) => return false,
            }
        }
        if names.is_empty() || self.withheld.len() + names.len() > MAX_WITHHELD {
            return false;
        }
        self.withheld.extend(names);
        true
    }
}

/// Section 4.2.1: values that differ make the response stale.
fn agree(slot: &mut Option<Duration>, value: Duration) {
    *slot = Some(match *slot {
        Some(before) if before != value => Duration::ZERO,
        _ => value,
    });
}

/// `name`, `name=token` or `name="text"`.
struct Directive<'a> {
    name: &'a [u8],
    /// `None` without an equals sign, `Some(None)` when what follows it cannot be read.
    value: Option<Option<Cow<'a, [u8]>>>,
}

impl<'a> Directive<'a> {
    fn read(member: &'a [u8]) -> Option<Self> {
        let Some(equals) = memchr::memchr(b'=', member) else {
            return is_token(member).then_some(Self { name: member, value: None });
        };
        let (name, text) = (&member[..equals], &member[equals + 1..]);
        let (bare, plain) = (trim_ows(name), is_token(text));
        // A space before the equals sign is no grammar, but the directive was meant: its value is not believed.
        let value = match () {
            () if bare.len() < name.len() => None,
            () if plain => Some(Cow::Borrowed(text)),
            () => unquote(text),
        };
        is_token(bare).then_some(Self { name: bare, value: Some(value) })
    }

    /// The value as delta-seconds (section 1.2.2); `None` when it is none.
    fn seconds(&self) -> Option<Duration> {
        let digits = self.value.as_ref()?.as_deref()?;
        seconds(digits)
    }
}

/// Delta-seconds, at most [`LONGEST`]: section 1.2.2.
pub(super) fn seconds(digits: &[u8]) -> Option<Duration> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(Duration::from_secs(digits.iter().fold(0, add)).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    fn response(lines: &[&str]) -> ResponseControl {
        let fields: Vec<_> = lines.iter().map(|line| ("cache-control", *line)).collect();
        ResponseControl::of(&fields[..])
    }

    fn request(fields: &[(&str, &str)]) -> RequestControl {
        RequestControl::of(fields)
    }

    #[test]
    fn lifetimes_of_responses() {
        let rows: [(&[&str], Option<Duration>); 22] = [
            (&[], None),
            (&["max-age=60"], s(60)),
            (&["MAX-AGE=60"], s(60)),
            (&["max-age=\"60\""], s(60)),
            (&["max-age=\"6\\0\""], s(60)),
            (&["public, max-age=060 ,"], s(60)),
            (&["x=\"max-age=5\", max-age=60"], s(60)),
            (&["max-age=0"], s(0)),
            (&["max-age=99999999999999999999"], Some(LONGEST)),
            (&["max-age=2147483649"], Some(LONGEST)),
            (&["max-age=60", "max-age=60"], s(60)),
            (&["max-age=60, max-age=61"], s(0)),
            (&["max-age=60", "max-age=x"], s(0)),
            (&["max-age"], s(0)),
            (&["max-age="], s(0)),
            (&["max-age=-1"], s(0)),
            (&["max-age=+1"], s(0)),
            (&["max-age=1.5"], s(0)),
            (&["max-age='60'"], s(0)),
            (&["max-age =60"], s(0)),
            (&["max-age= 60"], s(0)),
            (&["max-age=60;foo"], s(0)),
        ];
        for (lines, expected) in rows {
            assert_eq!(response(lines).max_age, expected, "{lines:?}");
        }
        let control = response(&["s-maxage=5, stale-while-revalidate=6", "stale-if-error=7, s-maxage=x"]);
        assert_eq!(control.s_maxage, s(0));
        assert_eq!((control.stale_while_revalidate, control.stale_if_error), (s(6), s(7)));
    }

    #[test]
    fn directives_without_a_value() {
        let all = response(&[
            "no-store, No-Cache, PRIVATE, public, must-revalidate, proxy-revalidate, must-understand, immutable, else",
        ]);
        let expected = ResponseControl {
            no_store: true,
            no_cache: true,
            private: true,
            public: true,
            must_revalidate: true,
            proxy_revalidate: true,
            must_understand: true,
            immutable: true,
            ..ResponseControl::default()
        };
        assert_eq!(all, expected);
        // With a value that nobody defined, what restricts holds and what loosens does not.
        let odd = response(&["no-store=1, must-revalidate=x, public=x, immutable=1, must-understand=\"\""]);
        assert!(odd.no_store && odd.must_revalidate);
        assert!(!odd.public && !odd.immutable && !odd.must_understand);
        // Part of another word, or of a quoted string, is none of them.
        assert_eq!(response(&["no-storex, x=\"no-store, private\", xprivate"]), ResponseControl::default());
    }

    #[test]
    fn field_names_of_no_cache_and_private() {
        let rows: [(&str, bool, &[&str]); 10] = [
            ("private=\"Set-Cookie\"", false, &["set-cookie"]),
            ("private=set-cookie", false, &["set-cookie"]),
            ("private=\"Set-Cookie, X-A,, x-b \"", false, &["set-cookie", "x-a", "x-b"]),
            ("private=\"a\", private=\"b\"", false, &["a", "b"]),
            ("private=\"\"", true, &[]),
            ("private=\" , \"", true, &[]),
            ("private=", true, &[]),
            ("private=\"a b\"", true, &[]),
            ("private=\"a\", private", true, &["a"]),
            ("private =\"a\"", true, &[]),
        ];
        for (line, whole, names) in rows {
            let control = response(&[line]);
            assert_eq!((control.private, control.no_cache), (whole, false), "{line}");
            assert_eq!(control.withheld, names, "{line}");
            let control = response(&[&line.replace("private", "no-cache")]);
            assert_eq!((control.private, control.no_cache), (false, whole), "{line}");
        }
        let many = vec!["a"; MAX_WITHHELD + 1].join(",");
        assert!(response(&[&format!("private=\"{many}\"")]).private);
    }

    #[test]
    fn a_list_that_cannot_be_read_forbids_storing() {
        for line in ["max-age=60, x=\"open", &",".repeat(40)] {
            assert!(response(&[line]).no_store, "{line}");
        }
        assert!(!response(&["max-age=60,,, ,"]).no_store);
    }

    #[test]
    fn requests() {
        let none = RequestControl::default();
        let rows: [(&[(&str, &str)], RequestControl); 14] = [
            (&[], none),
            (&[("cache-control", "no-cache")], RequestControl { no_cache: true, ..none }),
            (&[("cache-control", "no-store")], RequestControl { no_store: true, ..none }),
            (&[("cache-control", "only-if-cached")], RequestControl { only_if_cached: true, ..none }),
            (&[("cache-control", "max-age=\"0\"")], RequestControl { max_age: s(0), ..none }),
            (&[("cache-control", "max-age=9, max-age=3")], RequestControl { max_age: s(3), ..none }),
            (&[("cache-control", "max-age=x, min-fresh=-1, max-stale=y")], none),
            (&[("cache-control", "min-fresh=3, min-fresh=9")], RequestControl { min_fresh: s(9), ..none }),
            (&[("cache-control", "max-stale")], RequestControl { max_stale: Some(Duration::MAX), ..none }),
            (&[("cache-control", "max-stale, max-stale=5")], RequestControl { max_stale: s(5), ..none }),
            (&[("pragma", "no-cache")], RequestControl { no_cache: true, ..none }),
            (&[("pragma", "x, No-Cache")], RequestControl { no_cache: true, ..none }),
            (
                &[("pragma", "no-cache"), ("cache-control", "max-age=5")],
                RequestControl { max_age: s(5), ..none },
            ),
            (&[("cache-control", "no-store, x=\"open, no-cache")], RequestControl { no_store: true, ..none }),
        ];
        for (fields, expected) in rows {
            assert_eq!(request(fields), expected, "{fields:?}");
        }
    }
}
