//! A store of accounts in memory, for the tests of this folder. It knows nothing of rooms.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use super::super::store::account::{Account, AccountChange, NewAccount, Session};
use super::super::store::history::{Entry, Found, Page, Query, Search};
use super::super::store::{Answer, Appended, Cursor, Draft, Store, StoreError, StoredRoom};
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId};
use crate::proto::chat::name::{Nick, RoomName};
use crate::proto::chat::room::Room;

#[derive(Default)]
pub(super) struct Memory {
    accounts: Mutex<Vec<Account>>,
    sessions: Mutex<Vec<Session>>,
    /// Whether every question is answered with an error.
    pub(super) away: AtomicBool,
    /// Questions for an account by its id or its name.
    pub(super) reads: AtomicUsize,
    /// Calls of `touch_sessions`.
    pub(super) touches: AtomicUsize,
}

impl Memory {
    fn accounts(&self) -> MutexGuard<'_, Vec<Account>> {
        self.accounts.lock().unwrap()
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<Session>> {
        self.sessions.lock().unwrap()
    }

    fn answer<'a, T: Send + 'a>(
        &'a self,
        answer: impl FnOnce() -> Result<T, StoreError> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            // A store answers later: others go on in between.
            tokio::task::yield_now().await;
            if self.away.load(Ordering::Relaxed) { Err(StoreError::Away("a test".into())) } else { answer() }
        })
    }

    fn find<'a>(&'a self, found: impl Fn(&Account) -> bool + Send + 'a) -> Answer<'a, Option<Account>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.answer(move || Ok(self.accounts().iter().find(|account| found(account)).cloned()))
    }
}

fn rooms<T>() -> Answer<'static, T> {
    Box::pin(async { Err(StoreError::Broken("there are no rooms in this store".into())) })
}

impl Store for Memory {
    fn create_account(&self, new: NewAccount) -> Answer<'_, Account> {
        self.answer(move || {
            let mut accounts = self.accounts();
            if accounts.iter().any(|account| account.name == new.name || account.id == new.id) {
                return Err(StoreError::Taken);
            }
            let NewAccount { id, name, password, profile, operator, created } = new;
            let account = Account {
                id,
                name,
                password,
                profile,
                operator,
                suspended: None,
                certificates: Vec::new(),
                created,
            };
            accounts.push(account.clone());
            Ok(account)
        })
    }

    fn account(&self, name: Nick) -> Answer<'_, Option<Account>> {
        self.find(move |account| account.name == name)
    }

    fn account_of_certificate(&self, digest: [u8; 32]) -> Answer<'_, Option<Account>> {
        self.find(move |account| account.certificates.contains(&digest))
    }

    fn accounts(&self, after: Option<Nick>, limit: usize) -> Answer<'_, Vec<Account>> {
        self.answer(move || {
            let mut all = self.accounts().clone();
            all.sort_by_key(|account| account.name.folded());
            all.retain(|account| after.as_ref().is_none_or(|after| account.name.folded() > after.folded()));
            all.truncate(limit);
            Ok(all)
        })
    }

    fn accounts_by_id(&self, ids: Vec<AccountId>) -> Answer<'_, Vec<Account>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.answer(move || {
            Ok(self.accounts().iter().filter(|account| ids.contains(&account.id)).cloned().collect())
        })
    }

    fn change_account(&self, id: AccountId, change: AccountChange) -> Answer<'_, Account> {
        self.answer(move || {
            let mut accounts = self.accounts();
            let account = accounts.iter_mut().find(|account| account.id == id).ok_or(StoreError::None)?;
            match change {
                AccountChange::Password(password) => account.password = password,
                AccountChange::Profile(profile) => account.profile = profile,
                AccountChange::Operator(operator) => account.operator = operator,
                AccountChange::Suspended(suspended) => account.suspended = suspended,
                AccountChange::Certificates(certificates) => account.certificates = certificates,
            }
            Ok(account.clone())
        })
    }

    fn create_session(&self, session: Session) -> Answer<'_, ()> {
        self.answer(move || {
            self.sessions().push(session);
            Ok(())
        })
    }

    fn session(&self, digest: [u8; 32], now: Millis) -> Answer<'_, Option<(Session, Account)>> {
        self.answer(move || {
            let sessions = self.sessions();
            let session = sessions.iter().find(|session| session.digest == digest && session.expires > now);
            let accounts = self.accounts();
            Ok(session.and_then(|session| {
                let account = accounts.iter().find(|account| account.id == session.account)?;
                Some((session.clone(), account.clone()))
            }))
        })
    }

    fn sessions(&self, account: AccountId, now: Millis) -> Answer<'_, Vec<Session>> {
        self.answer(move || {
            let sessions = self.sessions();
            Ok(sessions.iter().filter(|one| one.account == account && one.expires > now).cloned().collect())
        })
    }

    fn touch_sessions(&self, used: Vec<(MessageId, Millis)>) -> Answer<'_, ()> {
        self.touches.fetch_add(1, Ordering::Relaxed);
        self.answer(move || {
            let mut sessions = self.sessions();
            for (id, at) in used {
                sessions.iter_mut().filter(|session| session.id == id).for_each(|session| session.used = at);
            }
            Ok(())
        })
    }

    fn end_sessions(
        &self,
        account: AccountId,
        one: Option<MessageId>,
        except: Option<MessageId>,
    ) -> Answer<'_, usize> {
        self.answer(move || {
            let mut sessions = self.sessions();
            let before = sessions.len();
            sessions.retain(|session| {
                let meant = one.is_none_or(|one| session.id == one) && except != Some(session.id);
                session.account != account || !meant
            });
            Ok(before - sessions.len())
        })
    }

    fn append(&self, _: Vec<Draft>) -> Answer<'_, Vec<Appended>> {
        rooms()
    }
    fn rooms(&self) -> Answer<'_, Vec<StoredRoom>> {
        rooms()
    }
    fn room(&self, _: RoomName) -> Answer<'_, Option<StoredRoom>> {
        rooms()
    }
    fn snapshot(&self, _: Room) -> Answer<'_, ()> {
        rooms()
    }
    fn drop_room(&self, _: RoomId) -> Answer<'_, ()> {
        rooms()
    }
    fn page(&self, _: Query) -> Answer<'_, Page> {
        rooms()
    }
    fn event(&self, _: RoomId, _: MessageId) -> Answer<'_, Option<Entry>> {
        rooms()
    }
    fn search(&self, _: Search) -> Answer<'_, Vec<Found>> {
        rooms()
    }
    fn last_id(&self) -> Answer<'_, Option<MessageId>> {
        rooms()
    }
    fn advance(&self, _: Vec<(RoomId, AccountId, Cursor)>) -> Answer<'_, ()> {
        rooms()
    }
    fn cursors(&self, _: AccountId) -> Answer<'_, Vec<(RoomId, Cursor)>> {
        rooms()
    }
    fn cursors_of(&self, _: RoomId) -> Answer<'_, Vec<(AccountId, Cursor)>> {
        rooms()
    }
    fn retain(&self, _: Option<Millis>, _: Option<u64>) -> Answer<'_, u64> {
        rooms()
    }
    fn backup(&self, _: std::path::PathBuf) -> Answer<'_, ()> {
        rooms()
    }
}
