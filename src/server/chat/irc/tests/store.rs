//! A store in memory: logs, accounts and cursors, as far as the door needs them.

use std::sync::{Mutex, MutexGuard};

use crate::proto::chat::event::{Change, Event};
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId};
use crate::proto::chat::name::{Nick, RoomName};
use crate::proto::chat::room::Room;
use crate::server::chat::store::account::{Account, AccountChange, NewAccount, Session};
use crate::server::chat::store::history::{Entry, Found, Page, Part, Place, Query, Search, Which};
use crate::server::chat::store::{Answer, Appended, Cursor, Draft, Store, StoreError, StoredRoom};

#[derive(Default)]
pub(super) struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    events: Vec<Event>,
    accounts: Vec<Account>,
    cursors: Vec<(RoomId, AccountId, Cursor)>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

fn ready<'a, T: Send + 'a>(answer: T) -> Answer<'a, T> {
    Box::pin(async move {
        // A store answers later: others go on in between.
        tokio::task::yield_now().await;
        Ok(answer)
    })
}

fn none<'a, T: Send + 'a>() -> Answer<'a, T> {
    Box::pin(async { Err(StoreError::Broken("the tests of the door do not need it".into())) })
}

fn before(event: &Event, place: Place) -> bool {
    match place {
        Place::Seq(seq) => event.seq < seq,
        Place::Id(id) => event.id < id,
        Place::Time(time) => event.id.time() < time,
    }
}

fn after(event: &Event, place: Place) -> bool {
    match place {
        Place::Seq(seq) => event.seq > seq,
        Place::Id(id) => event.id > id,
        Place::Time(time) => event.id.time() > time,
    }
}

fn last<T>(mut found: Vec<T>, limit: usize) -> Vec<T> {
    let from = found.len().saturating_sub(limit);
    found.split_off(from)
}

impl Store for Memory {
    fn append(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Appended>> {
        let mut state = self.lock();
        let mut appended = Vec::new();
        for Draft { room, id, by, change, .. } in drafts {
            let seq = state.events.iter().filter(|event| event.room == room).count() as u64 + 1;
            state.events.push(Event { room, seq, id, by, change });
            appended.push(Appended::New(seq));
        }
        drop(state);
        ready(appended)
    }

    fn page(&self, query: Query) -> Answer<'_, Page> {
        let state = self.lock();
        let gone = |event: &Event| {
            state
                .events
                .iter()
                .any(|other| matches!(&other.change, Change::Delete { of, .. } if *of == event.id))
        };
        let counts = |event: &&Event| match query.which {
            Which::Messages => matches!(event.change, Change::Message(_)),
            _ => true,
        };
        let events: Vec<Event> =
            state.events.iter().filter(|event| event.room == query.room).filter(counts).cloned().collect();
        let limit = query.limit;
        let found: Vec<Event> = match query.part {
            Part::Latest => last(events, limit),
            Part::LatestAfter(at) => {
                last(events.into_iter().filter(|event| after(event, at)).collect(), limit)
            }
            Part::Before(at) => last(events.into_iter().filter(|event| before(event, at)).collect(), limit),
            Part::After(at) => events.into_iter().filter(|event| after(event, at)).take(limit).collect(),
            Part::Around(_) => last(events, limit),
            Part::Between(from, to) => events
                .into_iter()
                .filter(|event| after(event, from) && before(event, to))
                .take(limit)
                .collect(),
        };
        let entry = |event: Event| Entry {
            deleted: gone(&event).then_some(1),
            event,
            edited: None,
            reactions: Vec::new(),
            replies: 0,
        };
        let entries = found.into_iter().map(entry).collect();
        drop(state);
        ready(Page { entries, more: false })
    }

    fn event(&self, room: RoomId, id: MessageId) -> Answer<'_, Option<Entry>> {
        let found = self.lock().events.iter().find(|event| event.room == room && event.id == id).cloned();
        ready(found.map(|event| Entry {
            event,
            edited: None,
            deleted: None,
            reactions: Vec::new(),
            replies: 0,
        }))
    }

    fn rooms(&self) -> Answer<'_, Vec<StoredRoom>> {
        ready(Vec::new())
    }
    fn room(&self, _: RoomName) -> Answer<'_, Option<StoredRoom>> {
        ready(None)
    }
    fn snapshot(&self, _: Room) -> Answer<'_, ()> {
        ready(())
    }
    fn drop_room(&self, room: RoomId) -> Answer<'_, ()> {
        self.lock().events.retain(|event| event.room != room);
        ready(())
    }
    fn search(&self, _: Search) -> Answer<'_, Vec<Found>> {
        none()
    }
    fn last_id(&self) -> Answer<'_, Option<MessageId>> {
        ready(None)
    }

    fn create_account(&self, new: NewAccount) -> Answer<'_, Account> {
        let mut state = self.lock();
        if state.accounts.iter().any(|account| account.name == new.name) {
            return Box::pin(async { Err(StoreError::Taken) });
        }
        let account = Account {
            id: new.id,
            name: new.name,
            password: new.password,
            profile: new.profile,
            operator: new.operator,
            suspended: None,
            certificates: Vec::new(),
            created: new.created,
        };
        state.accounts.push(account.clone());
        drop(state);
        ready(account)
    }
    fn account(&self, name: Nick) -> Answer<'_, Option<Account>> {
        ready(self.lock().accounts.iter().find(|account| account.name == name).cloned())
    }
    fn account_of_certificate(&self, _: [u8; 32]) -> Answer<'_, Option<Account>> {
        ready(None)
    }
    fn accounts(&self, _: Option<Nick>, _: usize) -> Answer<'_, Vec<Account>> {
        ready(self.lock().accounts.clone())
    }
    fn accounts_by_id(&self, ids: Vec<AccountId>) -> Answer<'_, Vec<Account>> {
        ready(self.lock().accounts.iter().filter(|account| ids.contains(&account.id)).cloned().collect())
    }
    fn change_account(&self, _: AccountId, _: AccountChange) -> Answer<'_, Account> {
        none()
    }
    fn create_session(&self, _: Session) -> Answer<'_, ()> {
        none()
    }
    fn session(&self, _: [u8; 32], _: Millis) -> Answer<'_, Option<(Session, Account)>> {
        none()
    }
    fn sessions(&self, _: AccountId, _: Millis) -> Answer<'_, Vec<Session>> {
        none()
    }
    fn touch_sessions(&self, _: Vec<(MessageId, Millis)>) -> Answer<'_, ()> {
        none()
    }
    fn end_sessions(&self, _: AccountId, _: Option<MessageId>, _: Option<MessageId>) -> Answer<'_, usize> {
        none()
    }
    fn advance(&self, cursors: Vec<(RoomId, AccountId, Cursor)>) -> Answer<'_, ()> {
        let mut state = self.lock();
        for (room, account, cursor) in cursors {
            state.cursors.retain(|(at, whose, _)| (*at, *whose) != (room, account));
            state.cursors.push((room, account, cursor));
        }
        drop(state);
        ready(())
    }
    fn cursors(&self, account: AccountId) -> Answer<'_, Vec<(RoomId, Cursor)>> {
        let state = self.lock();
        let own = state.cursors.iter().filter(|(_, whose, _)| *whose == account);
        let own = own.map(|(room, _, cursor)| (*room, *cursor)).collect();
        drop(state);
        ready(own)
    }
    fn cursors_of(&self, _: RoomId) -> Answer<'_, Vec<(AccountId, Cursor)>> {
        ready(Vec::new())
    }
    fn retain(&self, _: Option<Millis>, _: Option<u64>) -> Answer<'_, u64> {
        ready(0)
    }
    fn backup(&self, _: std::path::PathBuf) -> Answer<'_, ()> {
        none()
    }
}
