//! When accounts were here the last time.
//!
//! It is noted when somebody comes, does something and goes, and kept by the store: gathered, and written each minute, as a crash may forget so much of it. Whoever is
//! not to be seen is noted no longer from that moment on, so nobody can tell it from somebody who went then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::House;
use super::told::Presence;
use super::user::{Session, User};
use crate::proto::chat::id::{AccountId, Millis};
use crate::server::chat::store::StoreError;

/// How often it is written.
const FLUSH: Duration = Duration::from_secs(60);

/// The least time between two notes of what one connection does.
const PAUSE: Millis = 60_000;

/// Accounts that are not written yet, at most; beyond that they are written at once.
const UNWRITTEN: usize = 10_000;

/// What is not written yet.
#[derive(Debug, Default)]
pub(super) struct Seen {
    unwritten: Mutex<HashMap<AccountId, Millis>>,
    /// The server ends: nothing is gathered any longer.
    ending: AtomicBool,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Millis>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether there is much.
    fn note(&self, account: AccountId, at: Millis) -> bool {
        let mut unwritten = self.lock();
        let known = unwritten.entry(account).or_insert(at);
        *known = at.max(*known);
        unwritten.len() >= UNWRITTEN
    }
}

impl House {
    /// A session does something.
    pub async fn note_active(&self, user: &User, session: &Session) {
        let now = self.now();
        if session.is_active(now, PAUSE) && self.note_seen(user, session, now) {
            self.write_seen().await;
        }
    }

    /// Notes that a session is here, unless it is not to be seen. Says whether that should be written.
    fn note_seen(&self, user: &User, session: &Session, now: Millis) -> bool {
        match user.face().account {
            Some((account, _)) if session.shown().presence != Presence::Offline => {
                self.0.seen.note(account, now)
            }
            _ => false,
        }
    }

    /// A session is not to be seen from now on: it was until now.
    pub(super) async fn note_unseen(&self, user: &User, session: &Session, presence: Presence) {
        if presence == Presence::Offline {
            self.note_end(user, session).await;
        }
    }

    /// A session ends, or is not to be seen any longer. Other nodes are asked about it from now on, so they find it in the store.
    pub(super) async fn note_end(&self, user: &User, session: &Session) {
        let many = self.note_seen(user, session, self.now());
        if many || self.is_shared() || self.0.seen.ending.load(Ordering::Relaxed) {
            self.write_seen().await;
        }
    }

    /// When an account was here the last time, if it is known.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn last_seen(&self, account: AccountId) -> Result<Option<Millis>, StoreError> {
        let unwritten = self.0.seen.lock().get(&account).copied();
        Ok(unwritten.max(self.store().last_seen(account).await?))
    }

    /// Writes what was gathered. What cannot be written is tried again at the next time.
    async fn write_seen(&self) {
        let seen: Vec<(AccountId, Millis)> = std::mem::take(&mut *self.0.seen.lock()).into_iter().collect();
        if seen.is_empty() {
            return;
        }
        if let Err(error) = self.store().note_seen(seen.clone()).await {
            tracing::warn!(%error, "it is not written yet when accounts were here");
            let room = UNWRITTEN.saturating_sub(self.0.seen.lock().len());
            for (account, at) in seen.into_iter().take(room) {
                self.0.seen.note(account, at);
            }
        }
    }

    /// Writes each minute when accounts were here, and at once from the moment on when `stop` is done.
    pub async fn keep_seen(self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let stopped = tokio::time::timeout(FLUSH, stop.as_mut()).await.is_ok();
            self.0.seen.ending.store(stopped, Ordering::Relaxed);
            self.write_seen().await;
            if stopped {
                return;
            }
        }
    }
}
