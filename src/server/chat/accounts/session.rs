//! Devices that stay logged in: sessions, and the tokens that open them.
//!
//! A token is 32 random bytes in base64url, shown once and kept as its SHA-256, so what is in the store opens nothing. A session ends when it was not used for
//! some time, when it is old, and when it is logged out; its token is refused from that moment on.
//!
//! When a session was used is gathered and written now and then ([`Accounts::flush`]): it is not worth a write for each request.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;

use super::super::store::account::{Account, Session};
use super::config::MAX_DEVICE;
use super::{Accounts, Ending, Refusal, sha256};
use crate::net::random;
use crate::proto::chat::id::{AccountId, MessageId, Millis};

/// How often it is written when sessions were used. A crash forgets so much of it.
const FLUSH: Duration = Duration::from_secs(60);

/// Sessions whose use is not written yet, at most; beyond that it is written at once.
const UNWRITTEN: usize = 10_000;

/// Bytes of a token.
const TOKEN: usize = 32;

/// A session, and the token that opens it again. Nobody can ask for the token a second time.
#[derive(Clone)]
pub struct LoggedIn {
    /// What the client has to keep.
    pub token: String,
    /// The session.
    pub session: Session,
}

/// Without the token.
impl std::fmt::Debug for LoggedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoggedIn").field("session", &self.session.id).finish_non_exhaustive()
    }
}

impl Accounts {
    /// Begins a session for one who has logged in. `device` is what the client calls itself.
    ///
    /// # Errors
    /// The store's, or the system gives no random bytes.
    pub async fn begin_session(&self, account: &Account, device: &str) -> Result<LoggedIn, Refusal> {
        let now = self.now();
        let lifetimes = self.0.config.lifetimes;
        let mut sessions = self.sessions(account.id).await?;
        sessions.sort_by_key(|session| session.used);
        let too_many = (sessions.len() + 1).saturating_sub(lifetimes.devices.max(1));
        for session in &sessions[..too_many] {
            self.end_session(account.id, session.id).await?;
        }
        let bytes = random::bytes::<TOKEN>()?;
        let session = Session {
            id: MessageId::new(now, u128::from_le_bytes(random::bytes()?)),
            account: account.id,
            digest: sha256(&bytes),
            device: device.chars().filter(|char| !char.is_control()).take(MAX_DEVICE).collect(),
            created: now,
            used: now,
            expires: now.saturating_add(millis(lifetimes.longest)),
        };
        self.0.store.create_session(session.clone()).await?;
        Ok(LoggedIn { token: BASE64.encode(bytes), session })
    }

    /// The session that a token opens, and its account. It counts as used.
    ///
    /// # Errors
    /// [`Refusal::Session`], [`Refusal::Suspended`], or the store's.
    pub async fn resume(&self, token: &str) -> Result<(Session, Arc<Account>), Refusal> {
        let bytes = BASE64.decode(token).ok().filter(|bytes| bytes.len() == TOKEN).ok_or(Refusal::Session)?;
        let now = self.now();
        let found = self.0.store.session(sha256(&bytes), now).await?;
        let (mut session, account) = found.ok_or(Refusal::Session)?;
        session.used = self.last_use(&session);
        if self.is_idle(&session, now) {
            self.end_session(account.id, session.id).await?;
            return Err(Refusal::Session);
        }
        if let Some((_, reason)) = account.suspended {
            return Err(Refusal::Suspended(reason));
        }
        session.used = now.max(session.used);
        self.note(&session, now).await;
        Ok((session, Arc::new(account)))
    }

    /// The sessions of an account that are not over.
    ///
    /// # Errors
    /// The store's.
    pub async fn sessions(&self, account: AccountId) -> Result<Vec<Session>, Refusal> {
        let now = self.now();
        let mut sessions = self.0.store.sessions(account, now).await?;
        for session in &mut sessions {
            session.used = self.last_use(session);
        }
        sessions.retain(|session| !self.is_idle(session, now));
        Ok(sessions)
    }

    /// Ends a session of an account, and tells its connections. Says whether there was one.
    ///
    /// # Errors
    /// The store's.
    pub async fn end_session(&self, account: AccountId, session: MessageId) -> Result<bool, Refusal> {
        let ended = self.0.store.end_sessions(account, Some(session), None).await?;
        self.used().remove(&session);
        self.tell(Ending::One(account, session));
        Ok(ended > 0)
    }

    /// Notes that a session is in use. Connections that stay open do it now and then.
    pub async fn touch(&self, session: &Session) {
        self.note(session, self.now()).await;
    }

    /// Writes when sessions were used. What cannot be written is tried again at the next time.
    pub async fn flush(&self) {
        let used: Vec<(MessageId, Millis)> = std::mem::take(&mut *self.used()).into_iter().collect();
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.0.store.touch_sessions(used.clone()).await {
            tracing::warn!(%error, "it is not written yet when sessions were used");
            let mut newer = self.used();
            let room = UNWRITTEN.saturating_sub(newer.len());
            for (session, at) in used.into_iter().take(room) {
                newer.entry(session).or_insert(at);
            }
        }
    }

    /// Flushes each minute until `stop` is done, and once more then.
    pub async fn keep_flushing(&self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let stopped = tokio::time::timeout(FLUSH, stop.as_mut()).await.is_ok();
            self.flush().await;
            if stopped {
                return;
            }
        }
    }

    async fn note(&self, session: &Session, now: Millis) {
        let many = {
            let mut used = self.used();
            used.insert(session.id, now.max(session.used));
            used.len() >= UNWRITTEN
        };
        if many {
            self.flush().await;
        }
    }

    fn last_use(&self, session: &Session) -> Millis {
        self.used().get(&session.id).copied().unwrap_or_default().max(session.used)
    }

    fn is_idle(&self, session: &Session, now: Millis) -> bool {
        session.used.saturating_add(millis(self.0.config.lifetimes.idle)) <= now
    }

    fn used(&self) -> std::sync::MutexGuard<'_, std::collections::HashMap<MessageId, Millis>> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: Duration) -> Millis {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
