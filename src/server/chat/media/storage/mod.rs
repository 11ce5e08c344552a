//! Where the bytes of files are kept: a [`folder`] of this machine, or a [`bucket`] of an S3-compatible service.
//!
//! A file has up to three parts, each under a key made of its digest alone: its bytes, its thumbnail, and its record. A key is written once, whole
//! or not at all; writing it again writes the same. Keys fall into 256 shards by the first byte of the digest, so that they can be listed in pieces.

pub mod bucket;
pub mod folder;

use std::future::Future;
use std::io;
use std::pin::Pin;

use bytes::Bytes;

use super::digest::Digest;
use super::incoming::is_full;
use crate::proto::chat::id::Millis;
use crate::server::http::files::Source;

/// An answer of a storage, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

/// Why a storage did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no room for more. What is there can be read.
    #[error("there is no room left for files: {0}")]
    Full(String),
    /// It cannot be reached, or has too much to do. Another try may succeed.
    #[error("the storage of files is away: {0}")]
    Away(String),
    /// It refuses, or what it holds makes no sense.
    #[error("the storage of files is broken: {0}")]
    Broken(String),
}

impl From<io::Error> for StorageError {
    fn from(error: io::Error) -> Self {
        if is_full(&error) {
            return Self::Full(error.to_string());
        }
        Self::Broken(error.to_string())
    }
}

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its bytes.
    Content,
    /// The small picture of a large one.
    Thumbnail,
    /// What is known of it.
    Record,
}

/// What a part is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Of which file.
    pub digest: Digest,
    /// Which part.
    pub part: Part,
}

impl Key {
    /// The name of its shard: two hexadecimal digits.
    #[must_use]
    pub fn shard(&self) -> String {
        format!("{:02x}", self.digest.shard())
    }

    /// Its name within the shard.
    #[must_use]
    pub fn name(&self) -> String {
        match self.part {
            Part::Content => self.digest.to_string(),
            Part::Thumbnail => format!("{}.thumb", self.digest),
            Part::Record => format!("{}.json", self.digest),
        }
    }

    /// The key of this name within a shard; `None` for what is none of ours.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (digest, part) = match name.split_once('.') {
            None => (name, Part::Content),
            Some((digest, "thumb")) => (digest, Part::Thumbnail),
            Some((digest, "json")) => (digest, Part::Record),
            Some(_) => return None,
        };
        Some(Self { digest: digest.parse().ok()?, part })
    }
}

/// A part that was found in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub key: Key,
    /// When it was written.
    pub modified: Millis,
}

/// Keeps bytes under keys. A method whose future is dropped may have done what it was asked, and leaves nothing half done.
pub trait Storage: std::fmt::Debug + Send + Sync + 'static {
    /// Keeps the file at `from`, which is of the folder of uploads and has `length` bytes. It may be moved away.
    /// When the future is done, it is kept even if the power fails.
    fn put_file(&self, key: Key, from: std::path::PathBuf, length: u64) -> Answer<'_, ()>;

    /// Keeps bytes.
    fn put(&self, key: Key, bytes: Bytes) -> Answer<'_, ()>;

    /// The bytes under a key, if there are any, and at most `limit` of them ([`StorageError::Broken`] if there are more).
    fn read(&self, key: Key, limit: u64) -> Answer<'_, Option<Bytes>>;

    /// Where the bytes under a key can be had, which are `length`; `None` if there are none, as far as that is known without asking for them.
    fn open(&self, key: Key, length: u64) -> Answer<'_, Option<Source>>;

    /// Removes what is under a key. It is no error if there is nothing.
    fn remove(&self, key: Key) -> Answer<'_, ()>;

    /// What is kept in a shard, in any order.
    fn list(&self, shard: u8) -> Answer<'_, Vec<Listed>>;
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::path::Path;

    use futures_util::StreamExt;

    use super::*;
    use crate::net::workers::{Blocking, BlockingConfig};
    use crate::proto::http::etag::EntityTag;
    use crate::proto::http::fields::Fields;
    use crate::server::http::files::Representation;
    use crate::server::http::testing::request;

    pub(in crate::server::chat::media) fn workers() -> Blocking {
        Blocking::new(BlockingConfig { threads: 2, ..BlockingConfig::default() })
    }

    #[test]
    fn names_and_keys_are_the_same() {
        let digest = Digest::new([0xAB; 32]);
        for part in [Part::Content, Part::Thumbnail, Part::Record] {
            let key = Key { digest, part };
            assert_eq!(Key::of_name(&key.name()), Some(key));
            assert_eq!(key.shard(), "ab");
        }
        let long = format!("{digest}.json.tmp");
        for bad in ["", "README", &digest.to_string()[1..], &long, ".json"] {
            assert_eq!(Key::of_name(bad), None, "{bad}");
        }
    }

    /// What every storage has to do. `uploads` is a folder from which files can be moved into it.
    pub(in crate::server::chat::media) async fn check(storage: &dyn Storage, uploads: &Path) {
        let digest = Digest::new([0x5C; 32]);
        let key = Key { digest, part: Part::Content };
        assert!(storage.read(key, 10).await.unwrap().is_none());
        assert!(storage.list(0x5C).await.unwrap().is_empty());
        storage.remove(key).await.unwrap();

        // Larger than what is sent in one piece.
        let content: Vec<u8> = (0..20_000_003u32).map(|n| n.to_le_bytes()[usize::from(n % 3 == 0)]).collect();
        for _ in 0..2 {
            let from = uploads.join("upload");
            fs::write(&from, &content).unwrap();
            storage.put_file(key, from, content.len() as u64).await.unwrap();
        }
        let record = Key { part: Part::Record, ..key };
        storage.put(record, Bytes::from_static(b"{}")).await.unwrap();
        storage.put(record, Bytes::from_static(b"{ }")).await.unwrap();
        assert_eq!(storage.read(record, 3).await.unwrap().unwrap(), "{ }", "the last one counts");
        assert!(matches!(storage.read(record, 2).await, Err(StorageError::Broken(_))));

        for (range, status, expected) in [
            (None, 200, &content[..]),
            (Some("bytes=5-9"), 206, &content[5..10]),
            (Some("bytes=-7"), 206, &content[content.len() - 7..]),
        ] {
            let source = storage.open(key, content.len() as u64).await.unwrap().unwrap();
            let fields = range.map(|range| ("Range", range));
            let request = request("GET /", fields.as_slice(), "");
            let etag = EntityTag::strong("x").unwrap();
            let answer = Representation {
                fields: Fields::new(),
                etag,
                last_modified: None,
                length: content.len() as u64,
                source,
            };
            let mut response = answer.answer(request.head()).unwrap();
            assert_eq!(response.code(), status);
            let bytes = std::mem::take(response.body_mut()).collect(1 << 30).await.unwrap();
            assert!(bytes == expected, "{range:?}");
        }

        let mut listed = storage.list(0x5C).await.unwrap();
        listed.sort_by_key(|listed| listed.key.name());
        assert_eq!(listed.iter().map(|listed| listed.key).collect::<Vec<_>>(), [key, record]);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        assert!(listed.iter().all(|listed| u128::from(listed.modified).abs_diff(now) < 600_000));
        assert!(storage.list(0x5D).await.unwrap().is_empty());

        let keys = futures_util::stream::iter([key, record, record]);
        keys.for_each(|key| async move { storage.remove(key).await.unwrap() }).await;
        assert!(storage.list(0x5C).await.unwrap().is_empty());
        assert!(storage.read(record, 10).await.unwrap().is_none());
    }
}
