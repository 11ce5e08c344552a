//! What a cache did with a request: the field `Cache-Status`, RFC 9211.

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, SystemTime};

use http::StatusCode;

use super::freshness::Freshness;

/// The name of this cache in the field.
pub const NAME: &str = "wireworks";

/// What was done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// Answered by what was stored.
    Hit {
        /// For how many seconds it stays fresh; negative when it is stale.
        ttl: i64,
        /// Why it was used though it is stale, in a word.
        detail: Option<&'static str>,
    },
    /// Sent on.
    Forwarded(Forwarded),
}

/// What became of a request that was sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Why.
    pub why: Why,
    /// The status that came, where the client gets another.
    pub status: Option<StatusCode>,
    /// Whether the response is stored.
    pub stored: bool,
    /// Whether another client's request was waited for.
    pub collapsed: bool,
    /// More, in a word: why the response is not stored.
    pub detail: Option<&'static str>,
}

/// Why a request was sent on (section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The cache is not for such requests.
    Bypass,
    /// The method is not one that is answered from a cache.
    Method,
    /// Nothing is stored for the URI.
    UriMiss,
    /// What is stored for the URI is for other requests, by `Vary`.
    VaryMiss,
    /// The request does not take what is stored.
    Request,
    /// What is stored is stale.
    Stale,
}

impl Why {
    const fn word(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

impl CacheStatus {
    /// A request sent on, of which no more is known.
    #[must_use]
    pub const fn forwarded(why: Why) -> Self {
        Self::Forwarded(Forwarded { why, status: None, stored: false, collapsed: false, detail: None })
    }

    /// A hit on a response of this freshness.
    #[must_use]
    pub fn hit(freshness: &Freshness, now: SystemTime, detail: Option<&'static str>) -> Self {
        let whole = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let ttl = freshness.fresh_for(now).map_or_else(|| -whole(freshness.stale_for(now)), whole);
        Self::Hit { ttl, detail }
    }
}

impl Display for CacheStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        let detail = match self {
            Self::Hit { ttl, detail } => {
                write!(f, "; hit; ttl={ttl}")?;
                detail
            }
            Self::Forwarded(Forwarded { why, status, stored, collapsed, detail }) => {
                write!(f, "; fwd={}", why.word())?;
                if let Some(status) = status {
                    write!(f, "; fwd-status={}", status.as_u16())?;
                }
                f.write_str(if *stored { "; stored" } else { "" })?;
                f.write_str(if *collapsed { "; collapsed" } else { "" })?;
                detail
            }
        };
        detail.map_or(Ok(()), |detail| write!(f, "; detail={detail}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field() {
        let plain = |why| CacheStatus::forwarded(why);
        let sent = Forwarded { why: Why::Stale, status: None, stored: false, collapsed: false, detail: None };
        let rows = [
            (CacheStatus::Hit { ttl: 30, detail: None }, "wireworks; hit; ttl=30"),
            (
                CacheStatus::Hit { ttl: -3, detail: Some("stale-if-error") },
                "wireworks; hit; ttl=-3; detail=stale-if-error",
            ),
            (plain(Why::Bypass), "wireworks; fwd=bypass"),
            (plain(Why::Method), "wireworks; fwd=method"),
            (plain(Why::UriMiss), "wireworks; fwd=uri-miss"),
            (plain(Why::VaryMiss), "wireworks; fwd=vary-miss"),
            (plain(Why::Request), "wireworks; fwd=request"),
            (
                CacheStatus::Forwarded(Forwarded {
                    status: Some(StatusCode::NOT_MODIFIED),
                    stored: true,
                    ..sent
                }),
                "wireworks; fwd=stale; fwd-status=304; stored",
            ),
            (
                CacheStatus::Forwarded(Forwarded { collapsed: true, detail: Some("private"), ..sent }),
                "wireworks; fwd=stale; collapsed; detail=private",
            ),
        ];
        for (status, expected) in rows {
            assert_eq!(status.to_string(), expected);
        }
    }
}
