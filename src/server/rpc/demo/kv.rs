//! Keys and values, in memory, and who wants to know of their changes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::server::rpc::{Code, Context, Requests, ResponseStream, Status};
use crate::{service, wire_types};

/// Keys at most, and bytes of a key and a value.
const MAX_KEYS: usize = 100_000;
const MAX_ENTRY: usize = 64 << 10;

/// Changes that a watcher may be behind.
const BACKLOG: usize = 1024;

wire_types! {
    /// A key.
    pub struct Key {
        /// Its name.
        pub key: String,
    }

    /// A key and its value.
    pub struct Entry {
        /// The name of the key.
        pub key: String,
        /// Its value.
        pub value: String,
    }

    /// What was found.
    pub struct Found {
        /// The value, if there is one.
        pub value: Option<String>,
    }

    /// Keys that begin so.
    pub struct Prefix {
        /// The beginning; empty for all keys.
        pub prefix: String,
    }

    /// A change of a key.
    pub enum Change {
        /// It has this value now.
        Put(Entry),
        /// It is gone.
        Deleted(Key),
    }

    /// How many.
    pub struct Count {
        /// The number.
        pub count: u64,
    }
}

service! {
    /// Keys and values, in memory.
    pub service Kv as KvClient in kv {
        /// The value of a key.
        1 => unary get(Key) -> Found, idempotent;
        /// Sets a key; gives the value that it had.
        2 => unary put(Entry) -> Found;
        /// Removes a key; gives the value that it had.
        3 => unary delete(Key) -> Found;
        /// All keys with this beginning, in order, with their values.
        4 => server_stream list(Prefix) -> Entry, idempotent;
        /// Each change of a key with this beginning, from now on.
        5 => server_stream watch(Prefix) -> Change, idempotent;
        /// Sets many keys; gives their number.
        6 => client_stream load(Entry) -> Count;
    }
}

#[derive(Debug)]
pub(super) struct Store {
    entries: Mutex<BTreeMap<String, String>>,
    changes: broadcast::Sender<Change>,
}

impl Default for Store {
    fn default() -> Self {
        Self { entries: Mutex::default(), changes: broadcast::channel(BACKLOG).0 }
    }
}

impl Store {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // Every change is one insertion or removal.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, entry: Entry) -> Result<Option<String>, Status> {
        if entry.key.is_empty() {
            return Err(Status::new(Code::InvalidArgument, "the key is empty"));
        }
        let size = entry.key.len() + entry.value.len();
        if size > MAX_ENTRY {
            return Err(Status::new(
                Code::InvalidArgument,
                format!("{size} bytes are more than {MAX_ENTRY}"),
            ));
        }
        let mut entries = self.entries();
        if entries.len() >= MAX_KEYS && !entries.contains_key(&entry.key) {
            return Err(Status::new(Code::ResourceExhausted, format!("there are {MAX_KEYS} keys already")));
        }
        let before = entries.insert(entry.key.clone(), entry.value.clone());
        // Sent while the store is locked: changes are told in the order in which they happened.
        let _ = self.changes.send(Change::Put(entry));
        Ok(before)
    }
}

impl Kv for Store {
    async fn get(&self, _: Context, key: Key) -> Result<Found, Status> {
        Ok(Found { value: self.entries().get(&key.key).cloned() })
    }

    async fn put(&self, _: Context, entry: Entry) -> Result<Found, Status> {
        Ok(Found { value: self.set(entry)? })
    }

    async fn delete(&self, _: Context, key: Key) -> Result<Found, Status> {
        let mut entries = self.entries();
        let value = entries.remove(&key.key);
        if value.is_some() {
            let _ = self.changes.send(Change::Deleted(key));
        }
        Ok(Found { value })
    }

    async fn list(&self, _: Context, prefix: Prefix) -> Result<ResponseStream<Entry>, Status> {
        let entries = self.entries();
        let found =
            entries.range(prefix.prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix.prefix));
        let found: Vec<_> =
            found.map(|(key, value)| Ok(Entry { key: key.clone(), value: value.clone() })).collect();
        Ok(stream::iter(found).boxed())
    }

    async fn watch(&self, context: Context, prefix: Prefix) -> Result<ResponseStream<Change>, Status> {
        let changes = self.changes.subscribe();
        let next = move |(mut changes, prefix): (broadcast::Receiver<Change>, String)| async move {
            loop {
                match changes.recv().await {
                    Ok(change) if change.key().starts_with(&prefix) => {
                        return Some((Ok(change), (changes, prefix)));
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(missed)) => {
                        let text =
                            format!("{missed} changes were missed: they came faster than they were taken");
                        return Some((Err(Status::new(Code::DataLoss, text)), (changes, prefix)));
                    }
                    Err(RecvError::Closed) => return None,
                }
            }
        };
        let until = async move { context.stopping().await };
        Ok(stream::unfold((changes, prefix.prefix), next).take_until(until.boxed()).boxed())
    }

    async fn load(&self, _: Context, mut entries: Requests<Entry>) -> Result<Count, Status> {
        let mut count = 0;
        while let Some(entry) = entries.next().await {
            self.set(entry?)?;
            count += 1;
        }
        Ok(Count { count })
    }
}

impl Change {
    fn key(&self) -> &str {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Deleted(key) => &key.key,
        }
    }
}
