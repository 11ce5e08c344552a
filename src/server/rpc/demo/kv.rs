//! Keys and values, in memory, and who wants to know of their changes.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::server::rpc::{Code, Context, Requests, ResponseStream, Status};
use crate::{service, wire_types};

/// Keys at most, bytes of a key and a value, and of all of them.
const MAX_KEYS: usize = 100_000;
const MAX_ENTRY: usize = 64 << 10;
const MAX_BYTES: usize = 64 << 20;

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
    entries: Arc<Mutex<Entries>>,
    changes: broadcast::Sender<Change>,
}

/// What there is.
#[derive(Debug, Default)]
struct Entries {
    values: BTreeMap<String, String>,
    /// Bytes of all keys and values.
    bytes: usize,
}

impl Entries {
    fn remove(&mut self, key: &str) -> Option<String> {
        let value = self.values.remove(key)?;
        self.bytes -= key.len() + value.len();
        Some(value)
    }

    /// The first entry behind `at`, if its key begins like this.
    fn next(&self, at: Bound<&str>, prefix: &str) -> Option<Entry> {
        let (key, value) = self.values.range::<str, _>((at, Bound::Unbounded)).next()?;
        key.starts_with(prefix).then(|| Entry { key: key.clone(), value: value.clone() })
    }
}

impl Default for Store {
    fn default() -> Self {
        Self { entries: Arc::default(), changes: broadcast::channel(BACKLOG).0 }
    }
}

fn lock(entries: &Mutex<Entries>) -> MutexGuard<'_, Entries> {
    // What changes it does not panic half way.
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        lock(&self.entries)
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
        let old = entries.values.get(&entry.key).map(|value| entry.key.len() + value.len());
        if entries.values.len() >= MAX_KEYS && old.is_none() {
            return Err(Status::new(Code::ResourceExhausted, format!("there are {MAX_KEYS} keys already")));
        }
        let bytes = entries.bytes - old.unwrap_or(0) + size;
        if bytes > MAX_BYTES {
            let text = format!("all keys and values together would have more than {MAX_BYTES} bytes");
            return Err(Status::new(Code::ResourceExhausted, text));
        }
        entries.bytes = bytes;
        let before = entries.values.insert(entry.key.clone(), entry.value.clone());
        // Sent while the store is locked: changes are told in the order in which they happened.
        let _ = self.changes.send(Change::Put(entry));
        Ok(before)
    }

    /// The entries whose keys begin like this: each is looked up when it is its turn, so that a caller that does not read holds none.
    fn list(&self, prefix: String) -> ResponseStream<Entry> {
        let begin = (Arc::clone(&self.entries), prefix, None::<String>);
        let next = |(entries, prefix, last): (Arc<Mutex<Entries>>, String, Option<String>)| async move {
            let at = last.as_deref().map_or(Bound::Included(&*prefix), Bound::Excluded);
            let entry = lock(&entries).next(at, &prefix)?;
            let last = Some(entry.key.clone());
            Some((Ok(entry), (entries, prefix, last)))
        };
        stream::unfold(begin, next).boxed()
    }
}

impl Kv for Store {
    async fn get(&self, _: Context, key: Key) -> Result<Found, Status> {
        Ok(Found { value: self.entries().values.get(&key.key).cloned() })
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
        Ok(Self::list(self, prefix.prefix))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: impl Into<String>, size: usize) -> Entry {
        let key = key.into();
        Entry { value: "x".repeat(size - key.len()), key }
    }

    #[test]
    fn all_that_is_kept_together_has_a_limit() {
        let store = Store::default();
        let most = MAX_BYTES / MAX_ENTRY;
        for number in 0..most {
            store.set(entry(number.to_string(), MAX_ENTRY)).unwrap();
        }
        let full = |entry| store.set(entry).unwrap_err().code;
        assert_eq!(full(entry("one more", 100)), Code::ResourceExhausted);
        assert_eq!(full(entry("too long", MAX_ENTRY + 1)), Code::InvalidArgument);
        // What is exchanged counts by the difference, and what is removed no longer.
        store.set(entry("0", MAX_ENTRY)).unwrap();
        store.set(entry("0", MAX_ENTRY - 100)).unwrap();
        store.set(entry("one more", 100)).unwrap();
        assert_eq!(full(entry("0", MAX_ENTRY)), Code::ResourceExhausted);
        for number in 0..most {
            store.entries().remove(&number.to_string()).unwrap();
        }
        let mut left = store.entries();
        assert_eq!((left.remove("0"), left.bytes), (None, 100));
    }

    #[test]
    fn a_list_is_in_order_and_holds_nothing_that_was_not_asked_for() {
        let store = Store::default();
        for key in ["b", "a2", "a1", "a3", "aa", "c"] {
            store.set(entry(key, 10)).unwrap();
        }
        let keys = |list: ResponseStream<Entry>| -> Vec<String> {
            list.map(|entry| entry.unwrap().key).collect::<Vec<_>>().now_or_never().unwrap()
        };
        assert_eq!(keys(store.list("a".into())), ["a1", "a2", "a3", "aa"]);
        assert_eq!(keys(store.list(String::new())), ["a1", "a2", "a3", "aa", "b", "c"]);
        assert!(keys(store.list("d".into())).is_empty());
        let mut list = store.list("a".into());
        assert_eq!(list.next().now_or_never().unwrap().unwrap().unwrap().key, "a1");
        store.entries().remove("a2").unwrap();
        assert_eq!(keys(list), ["a3", "aa"]);
    }
}
