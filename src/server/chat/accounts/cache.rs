//! Accounts that were looked at lately, by id and by name.
//!
//! A change takes the account out, and what was read from the store before the change is not put in after it: each change is a new generation, and
//! only what was read in the present one is kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::unsync::Cache as Map;

use super::super::store::account::Account;
use crate::proto::chat::id::AccountId;
use crate::proto::chat::name::Nick;

/// Accounts that are kept at most: about 10 MB.
const ACCOUNTS: usize = 10_000;

/// When something was read from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(u64);

pub(super) struct Cache(Mutex<State>);

struct State {
    generation: u64,
    by_id: Map<AccountId, Arc<Account>>,
    by_name: Map<Nick, AccountId>,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("accounts", &self.lock().by_id.len()).finish()
    }
}

impl Cache {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { generation: 0, by_id: Map::new(ACCOUNTS), by_name: Map::new(ACCOUNTS) }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account, or the generation in which it is to be read.
    pub(super) fn by_id(&self, id: AccountId) -> Result<Arc<Account>, Generation> {
        let state = self.lock();
        state.by_id.get(&id).cloned().ok_or(Generation(state.generation))
    }

    /// As [`by_id`](Self::by_id).
    pub(super) fn by_name(&self, name: &Nick) -> Result<Arc<Account>, Generation> {
        let state = self.lock();
        let found = state.by_name.get(name).and_then(|id| state.by_id.get(id));
        found.cloned().ok_or(Generation(state.generation))
    }

    /// Keeps what was read.
    pub(super) fn keep(&self, read: Generation, account: &Arc<Account>) {
        let mut state = self.lock();
        if read == Generation(state.generation) {
            state.by_name.insert(account.name.clone(), account.id);
            state.by_id.insert(account.id, Arc::clone(account));
        }
    }

    /// Forgets all of them.
    pub(super) fn forget_all(&self) {
        let mut state = self.lock();
        state.generation += 1;
        state.by_id.clear();
        state.by_name.clear();
    }

    /// Forgets an account that has changed, or will have been changed when this is called again.
    pub(super) fn forget(&self, id: AccountId) {
        let mut state = self.lock();
        state.generation += 1;
        state.by_id.remove(&id);
    }
}
