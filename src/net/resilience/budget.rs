//! Retry budgets: how many attempts may be repeated, all calls together.
//!
//! A policy for each call bounds what one call costs. It does not bound what an outage costs: with three attempts a call, a server that
//! fails gets three times its load. A budget is shared by all calls to the same service, one a channel, and there are two
//! kinds. [`Policy::Share`] lets a share of the requests be repeated, and some more each second, so that a client with few
//! calls can retry at all: the `RetryBudget` of Finagle, where each first attempt deposits a part of a retry and what was
//! deposited is forgotten after a while. [`Policy::Throttle`] is the throttle of gRFC A6: it looks at what became of the
//! attempts instead, and lets none be repeated while too many of them fail.
//!
//! Sums are integers that saturate. The pure states are private; a [`Budget`] is a handle around one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::window::{self, Window};

/// How many attempts may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// A share of the requests.
    Share {
        /// Retries for a hundred requests.
        percent: u32,
        /// Retries a second beside them. What is not used gathers, for one window.
        reserve: u32,
        /// For how long requests and retries are remembered, in steps of a tenth; at least 10 ms.
        window: Duration,
    },
    /// None while too many attempts fail. A failure takes one token, a success gives a part of one back, and an attempt is
    /// repeated only while more than half of the tokens are there.
    Throttle {
        /// Tokens at first, and at most; at most 1000, as in the gRFC.
        tokens: u32,
        /// Thousandths of a token that a success gives back.
        gain: u32,
    },
    /// All. For tests, and for who has bounded them elsewhere.
    Unlimited,
}

impl Policy {
    /// A fifth of the requests and ten a second, remembered for 10 s, as in Finagle and Linkerd. gRPC has none unless it is told;
    /// Google's SRE book has a tenth of the requests.
    pub const DEFAULT: Self = Self::Share { percent: 20, reserve: 10, window: Duration::from_secs(10) };

    /// The values of the example in gRFC A6: ten tokens, a tenth of one for a success.
    #[cfg(test)]
    pub(super) const THROTTLE: Self = Self::Throttle { tokens: 10, gain: 100 };
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a budget has seen and said, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// First attempts.
    pub requests: u64,
    /// Repetitions that it allowed.
    pub retries: u64,
    /// Repetitions that it refused.
    pub refused: u64,
}

/// A budget that many calls share. Clones are the same budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Mutex<Purse>>);

impl Budget {
    /// A budget in which nothing has happened.
    #[must_use]
    pub fn new(policy: Policy, now: Instant) -> Self {
        let ledger = match policy {
            Policy::Share { percent, reserve, window } => {
                Ledger::Share(Share::new(percent, reserve, window, now))
            }
            Policy::Throttle { tokens, gain } => Ledger::Throttle(Tokens::new(tokens, gain)),
            Policy::Unlimited => Ledger::Unlimited,
        };
        Self(Arc::new(Mutex::new(Purse { ledger, stats: Stats::default() })))
    }

    /// Counts the first attempt of a call, before it is made: a budget that hears of requests when they are answered knows nothing
    /// while none is.
    pub fn deposit(&self, now: Instant) {
        let mut purse = self.purse();
        purse.stats.requests = purse.stats.requests.saturating_add(1);
        if let Ledger::Share(share) = &mut purse.ledger {
            share.deposit(now);
        }
    }

    /// Asks to repeat an attempt. What is allowed is spent; ask last, when nothing else stands against the repetition.
    #[must_use = "what is not allowed must not be done"]
    pub fn withdraw(&self, now: Instant) -> bool {
        let mut purse = self.purse();
        let allowed = match &mut purse.ledger {
            Ledger::Share(share) => share.withdraw(now),
            Ledger::Throttle(tokens) => tokens.plenty(),
            Ledger::Unlimited => true,
        };
        let stats = &mut purse.stats;
        let count = if allowed { &mut stats.retries } else { &mut stats.refused };
        *count = count.saturating_add(1);
        allowed
    }

    /// Tells that an attempt succeeded.
    pub fn succeeded(&self) {
        if let Ledger::Throttle(tokens) = &mut self.purse().ledger {
            tokens.gain();
        }
    }

    /// Tells that an attempt failed in a way that asks for a repetition, or that the server asked for none. Failures that no repetition
    /// would mend say nothing about the server's health, and are not told.
    pub fn failed(&self) {
        if let Ledger::Throttle(tokens) = &mut self.purse().ledger {
            tokens.lose();
        }
    }

    /// Repetitions that would be allowed now; `None` when there is no limit. A throttle that lets attempts be repeated says how
    /// many failures would end that.
    #[must_use]
    pub fn left(&self, now: Instant) -> Option<u64> {
        match &mut self.purse().ledger {
            Ledger::Share(share) => Some(share.left(now)),
            Ledger::Throttle(tokens) => Some(tokens.left()),
            Ledger::Unlimited => None,
        }
    }

    /// What it has seen and said.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.purse().stats
    }

    fn purse(&self) -> MutexGuard<'_, Purse> {
        // Numbers, each changed in one step: a panic elsewhere leaves none half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Purse {
    ledger: Ledger,
    stats: Stats,
}

#[derive(Debug)]
enum Ledger {
    Share(Share),
    Throttle(Tokens),
    Unlimited,
}

/// What a retry costs, when a request gives its percentage.
const RETRY: i64 = 100;

/// What was deposited and withdrawn lately.
#[derive(Debug)]
struct Share {
    /// What a request gives.
    gain: i64,
    /// What there is beside the requests.
    reserve: i64,
    /// The balance of each step. A retry stays in the books as long as the requests before it, so that neither counts twice.
    recent: Window<i64>,
}

impl Share {
    fn new(percent: u32, reserve: u32, length: Duration, now: Instant) -> Self {
        let length = window::width(length).saturating_mul(window::STEPS);
        let micros = i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
        // In this order a reserve of less than one retry a window is not rounded away.
        let reserve = i64::from(reserve).saturating_mul(RETRY).saturating_mul(micros) / 1_000_000;
        Self { gain: percent.into(), reserve, recent: Window::new(length, now) }
    }

    fn deposit(&mut self, now: Instant) {
        let balance = self.recent.at(now);
        *balance = balance.saturating_add(self.gain);
    }

    fn withdraw(&mut self, now: Instant) -> bool {
        let allowed = self.balance(now) >= RETRY;
        if allowed {
            let balance = self.recent.at(now);
            *balance = balance.saturating_sub(RETRY);
        }
        allowed
    }

    fn left(&mut self, now: Instant) -> u64 {
        u64::try_from(self.balance(now) / RETRY).unwrap_or(0)
    }

    fn balance(&mut self, now: Instant) -> i64 {
        self.recent.at(now);
        self.recent.iter().fold(self.reserve, i64::saturating_add)
    }
}

/// What a whole token is.
const TOKEN: u32 = 1000;

/// The most tokens of a throttle, by gRFC A6.
const MOST_TOKENS: u32 = 1000;

/// The throttle of gRFC A6, in thousandths of a token.
#[derive(Debug)]
struct Tokens {
    now: u32,
    most: u32,
    gain: u32,
}

impl Tokens {
    fn new(tokens: u32, gain: u32) -> Self {
        let most = tokens.clamp(1, MOST_TOKENS) * TOKEN;
        Self { now: most, most, gain }
    }

    fn gain(&mut self) {
        self.now = self.now.saturating_add(self.gain).min(self.most);
    }

    fn lose(&mut self) {
        self.now = self.now.saturating_sub(TOKEN);
    }

    fn plenty(&self) -> bool {
        self.now > self.most / 2
    }

    /// Failures until there are no longer plenty.
    fn left(&self) -> u64 {
        self.now.saturating_sub(self.most / 2).div_ceil(TOKEN).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn share(percent: u32, reserve: u32, window: u64, now: Instant) -> Budget {
        Budget::new(Policy::Share { percent, reserve, window: ms(window) }, now)
    }

    fn deposits(budget: &Budget, now: Instant, count: u32) {
        (0..count).for_each(|_| budget.deposit(now));
    }

    /// Retries that are allowed at once.
    fn all(budget: &Budget, now: Instant) -> u64 {
        let left = budget.left(now).unwrap();
        let mut allowed = 0;
        while budget.withdraw(now) {
            allowed += 1;
        }
        assert_eq!(allowed, left, "what is said to be left is left");
        allowed
    }

    #[test]
    fn a_share_of_the_requests_and_a_reserve() {
        for (percent, reserve, window, requests, retries) in [
            (20, 0, 10_000, 0, 0),
            (20, 0, 10_000, 4, 0),
            (20, 0, 10_000, 5, 1),
            (20, 0, 10_000, 1_000, 200),
            (20, 10, 10_000, 0, 100),
            (20, 10, 10_000, 5, 101),
            (20, 10, 1_000, 5, 11),
            (20, 1, 500, 0, 0), // half a retry a window
            (20, 1, 500, 3, 1), // and half of one by requests
            (0, 0, 10_000, 1_000, 0),
            (100, 0, 10_000, 7, 7),
            (250, 0, 10_000, 2, 5),
        ] {
            let start = Instant::now();
            let budget = share(percent, reserve, window, start);
            deposits(&budget, start, requests);
            let row = (percent, reserve, window, requests);
            assert_eq!(all(&budget, start), retries, "{row:?}");
            let expected = Stats { requests: requests.into(), retries, refused: 1 };
            assert_eq!(budget.stats(), expected, "{row:?}");
        }
    }

    #[test]
    fn what_was_deposited_and_withdrawn_is_forgotten_after_the_window() {
        let start = Instant::now();
        for (after, left) in [(0, 20), (5_000, 20), (9_999, 20), (10_000, 0), (90_000, 0)] {
            let budget = share(20, 0, 10_000, start);
            deposits(&budget, start, 100);
            assert_eq!(all(&budget, start + ms(after)), left, "after {after} ms");
        }
        // The reserve comes back as the retries that used it are forgotten.
        let budget = share(20, 1, 10_000, start);
        assert_eq!(all(&budget, start), 10);
        assert_eq!(all(&budget, start + ms(9_999)), 0);
        assert_eq!(all(&budget, start + ms(10_000)), 10);
    }

    #[test]
    fn time_that_runs_backwards_gives_nothing() {
        let start = Instant::now() + ms(100_000);
        let budget = share(20, 0, 10_000, start);
        deposits(&budget, start + ms(50_000), 5);
        assert_eq!(all(&budget, start), 1);
        assert_eq!(all(&budget, start - ms(50_000)), 0);
        assert_eq!(all(&budget, start + ms(50_000)), 0);
    }

    /// The law: whatever comes, the retries are at most the share of the requests and the reserve of the time, with
    /// one window of reserve in hand.
    #[test]
    fn retries_are_a_share_of_the_requests_and_the_reserve() {
        for seed in 0..300 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (percent, reserve) = (rng.u32(0..150), rng.u32(0..20));
            let window = rng.u64(10..20_000);
            let start = Instant::now();
            let budget = share(percent, reserve, window, start);
            let mut passed = 0;
            for _ in 0..2_000 {
                passed += if rng.u32(0..10) == 0 { rng.u64(0..window) } else { rng.u64(0..10) };
                let now = start + ms(passed);
                if rng.bool() {
                    budget.deposit(now);
                } else {
                    let _ = budget.withdraw(now);
                }
            }
            let Stats { requests, retries, refused } = budget.stats();
            let of_requests = requests as f64 * f64::from(percent) / 100.0;
            // The window that has begun counts whole, and moves in steps of a tenth.
            let of_time = f64::from(reserve) * (passed as f64 + 1.1 * window as f64) / 1000.0;
            assert!(
                retries as f64 <= of_requests + of_time,
                "seed {seed}: {retries} of {requests}, {refused} refused, {percent} %, {reserve}/s in {passed} ms"
            );
        }
    }

    #[test]
    fn in_an_outage_the_load_grows_by_the_share_only() {
        let start = Instant::now();
        let budget = Budget::new(Policy::DEFAULT, start);
        for millis in 0..60_000 {
            let now = start + ms(millis);
            budget.deposit(now);
            while budget.withdraw(now) {}
        }
        let Stats { requests, retries, .. } = budget.stats();
        assert_eq!(requests, 60_000);
        // 20 % and 10 a second, and the reserve of the first window at once.
        assert!((12_000..=12_000 + 600 + 110).contains(&retries), "{retries}");
    }

    #[test]
    fn the_throttle_of_a6() {
        let start = Instant::now();
        let budget = Budget::new(Policy::THROTTLE, start);
        // Ten tokens: the fifth failure leaves five, which is not more than half.
        for (failures, left, allowed) in [(0, 5, true), (4, 1, true), (1, 0, false), (20, 0, false)] {
            (0..failures).for_each(|_| budget.failed());
            assert_eq!((budget.left(start), budget.withdraw(start)), (Some(left), allowed));
        }
        // From nothing: 51 successes, at a tenth of a token, are more than half.
        (0..50).for_each(|_| budget.succeeded());
        assert!(!budget.withdraw(start));
        budget.succeeded();
        assert!(budget.withdraw(start));
        (0..1_000).for_each(|_| budget.succeeded());
        assert_eq!(budget.left(start), Some(5), "never more than all");
    }

    #[test]
    fn nothing_overflows() {
        let start = Instant::now();
        let most = u32::MAX;
        for policy in [
            Policy::Share { percent: most, reserve: most, window: Duration::MAX },
            Policy::Share { percent: 0, reserve: 0, window: Duration::ZERO },
            Policy::Throttle { tokens: most, gain: most },
            Policy::Throttle { tokens: 0, gain: 0 },
            Policy::Unlimited,
        ] {
            let budget = Budget::new(policy, start);
            for millis in [0, 1, u64::from(most)] {
                deposits(&budget, start + ms(millis), 3);
                let _ = budget.withdraw(start + ms(millis));
                budget.succeeded();
                budget.failed();
                let _ = budget.left(start + ms(millis));
            }
        }
        assert!(Budget::new(Policy::Unlimited, start).withdraw(start));
    }

    #[test]
    fn clones_are_the_same_budget() {
        let start = Instant::now();
        let budget = share(100, 0, 1_000, start);
        budget.clone().deposit(start);
        assert!(budget.withdraw(start));
        assert!(!budget.clone().withdraw(start));
    }
}
