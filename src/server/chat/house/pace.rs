//! How fast somebody may say something, over all connections: an account by whichever of its devices, and the guests of one address together.
//!
//! Each connection has a pace of its own besides, which its door keeps. Nodes do not count together.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::settings::Settings;
use crate::net::bucket::{Buckets, Rate};
use crate::net::limits::Source;
use crate::proto::chat::id::AccountId;

/// Accounts and addresses that are remembered at most; beyond that the least busy are forgotten.
const MAX_KEYS: usize = Buckets::<u64>::MAX_KEYS;

/// A bucket for each; none if nothing is limited.
#[derive(Debug)]
struct Paces<K>(Option<Mutex<Buckets<K>>>);

impl<K: Eq + Hash + Clone> Paces<K> {
    fn new(rate: Option<Rate>) -> Self {
        Self(rate.map(|rate| Mutex::new(Buckets::new(rate, MAX_KEYS))))
    }

    fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let Some(buckets) = &self.0 else { return Ok(()) };
        buckets.lock().unwrap_or_else(PoisonError::into_inner).take(key, now)
    }
}

/// How fast everybody may say something.
#[derive(Debug)]
pub(super) struct Pace {
    accounts: Paces<AccountId>,
    guests: Paces<Source>,
}

impl Pace {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { accounts: Paces::new(settings.account_rate), guests: Paces::new(settings.guest_rate) }
    }

    /// Counts something that an account says, or a guest from this address. Whoever comes by a Unix socket has none, and is not counted as a guest.
    pub(super) fn take(
        &self,
        account: Option<AccountId>,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<(), Duration> {
        match (account, address) {
            (Some(account), _) => self.accounts.take(account, now),
            (None, Some(address)) => self.guests.take(Source::of(address), now),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(account: u32, guest: u32) -> Pace {
        let rate = |burst| Rate::new(1.0, burst).filter(|_| burst > 0);
        Pace::new(&Settings { account_rate: rate(account), guest_rate: rate(guest), ..Settings::default() })
    }

    #[test]
    fn accounts_and_guests_of_an_address_share_what_they_may_say() {
        let (pace, now) = (pace(2, 3), Instant::now());
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let wait = Err(Duration::from_secs(1));
        for (account, from, expected) in [
            (Some(1), "192.0.2.1", Ok(())),
            (Some(1), "192.0.2.2", Ok(())),
            (Some(1), "192.0.2.3", wait),
            (Some(2), "192.0.2.1", Ok(())),
            // Accounts take nothing from the guests beside them.
            (None, "192.0.2.1", Ok(())),
            (None, "::ffff:192.0.2.1", Ok(())),
            (None, "192.0.2.1", Ok(())),
            (None, "192.0.2.1", wait),
            (None, "192.0.2.2", Ok(())),
            // Of IPv6, the network counts.
            (None, "2001:db8::1", Ok(())),
            (None, "2001:db8::2", Ok(())),
            (None, "2001:db8::3", Ok(())),
            (None, "2001:db8::4", wait),
            (None, "2001:db8:0:1::1", Ok(())),
        ] {
            assert_eq!(pace.take(account.map(AccountId), address(from), now), expected, "{account:?} {from}");
        }
        assert_eq!(pace.take(None, None, now), Ok(()));
        assert_eq!(pace.take(Some(AccountId(1)), None, now + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn nothing_is_limited_without_rates() {
        let (pace, now) = (pace(0, 0), Instant::now());
        let address = Some(IpAddr::from([192, 0, 2, 1]));
        assert!((0..1000).all(|_| pace.take(None, address, now).is_ok()));
        assert!((0..1000).all(|_| pace.take(Some(AccountId(1)), address, now).is_ok()));
    }
}
