//! The value of `Date`, written once a second and thread (RFC 9110 section 6.6.1).

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use crate::proto::http::date;
use crate::proto::http::reply::DateText;

thread_local! {
    static CURRENT: Cell<(u64, DateText)> = const { Cell::new((u64::MAX, [b' '; 29])) };
}

/// The current date.
pub(super) fn date_text() -> DateText {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let now = u64::try_from(time.tv_sec).unwrap_or(0);
    let (second, text) = CURRENT.get();
    if second == now {
        return text;
    }
    let text = date::format(SystemTime::UNIX_EPOCH + Duration::from_secs(now));
    CURRENT.set((now, text));
    text
}
