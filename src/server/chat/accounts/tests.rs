//! Accounts over a store in memory, with cheap hashes and a clock that tests turn.

mod accounts;
mod issuer;
mod logins;
mod sasl;
mod sessions;

use std::num::NonZeroU32;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::config::{Attempts, Hashing};
use super::memory::Memory;
use super::*;
use crate::net::bucket::Rate;
use crate::net::workers::BlockingConfig;

const PASSWORD: &str = "correct horse";

/// Accounts, and what is around them.
struct World {
    accounts: Accounts,
    store: Arc<Memory>,
    now: Arc<AtomicU64>,
}

impl World {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self::over(Arc::default(), change)
    }

    /// The same store after a restart.
    fn over(store: Arc<Memory>, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        let now = Arc::new(AtomicU64::new(1_000_000));
        let lane = Blocking::new(BlockingConfig { threads: 2, queue: 64 });
        let time = Arc::clone(&now);
        let clock: Clock = Arc::new(move || time.load(Ordering::Relaxed));
        let shared: Arc<dyn Store> = Arc::<Memory>::clone(&store);
        let accounts = Accounts::new(shared, lane, config, b"a secret", clock).unwrap();
        Self { accounts, store, now }
    }

    fn pass(&self, time: Duration) {
        self.now.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    async fn user(&self, name: &str) -> Arc<Account> {
        self.accounts.register(new(name), &here()).await.unwrap()
    }
}

fn config() -> Config {
    let hashing = Hashing { memory: 8, passes: 1, scram: NonZeroU32::new(4), at_once: 2, waiting: 64 };
    Config { hashing, attempts: Attempts::NONE, ..Config::default() }
}

fn new(name: &str) -> NewUser<'_> {
    NewUser { name, password: PASSWORD, ..NewUser::default() }
}

fn here() -> Client {
    at(1)
}

fn at(last: u8) -> Client {
    Client { address: Some([192, 0, 2, last].into()), secure: true, ..Client::default() }
}

/// One token, and one a minute after that.
fn rate(burst: u32) -> Option<Rate> {
    Rate::new(1.0 / 60.0, burst)
}

fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.code(), |_| "ok")
}
