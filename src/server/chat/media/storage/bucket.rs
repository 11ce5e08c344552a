//! Files in a bucket of an S3-compatible service, by the crate `object_store`.
//!
//! A key is an object `PREFIX/SHARD/NAME`. What is larger than a piece is uploaded in pieces (S3's multipart upload), and given up in
//! order if that fails; after a crash the service has pieces of an object that never comes to be, which a rule of the bucket removes. Files are fetched
//! as they are asked for, range by range, and pass through this process: the links stay ours, and so does what they say about what a browser may do.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};

use super::{Answer, Key, Listed, Storage, StorageError};
use crate::net::client::Connector;
use crate::net::workers::{Blocking, Priority};
use crate::proto::chat::id::Millis;
use crate::server::bucket::{self, BucketOptions};
use crate::server::http::body::{Body, Frame};
use crate::server::http::files::{Fetch, Source};

/// Bytes that are sent at once. S3 takes no less than 5 MiB for a piece, and 10,000 pieces.
const PIECE: u64 = 8 << 20;

/// A bucket of files.
#[derive(Debug)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    workers: Blocking,
}

impl Bucket {
    /// Keeps files as these options say. Nothing is asked yet.
    ///
    /// # Errors
    /// The options make no sense.
    pub fn new(
        options: BucketOptions,
        connector: Connector,
        workers: Blocking,
    ) -> Result<Self, StorageError> {
        let prefix = options.prefix.clone();
        let store =
            bucket::open(options, connector).map_err(|error| StorageError::Broken(error.to_string()))?;
        Self::over(store, &prefix, workers)
    }

    /// Keeps files in any store of objects.
    ///
    /// # Errors
    /// The prefix is no path.
    pub fn over(store: Arc<dyn ObjectStore>, prefix: &str, workers: Blocking) -> Result<Self, StorageError> {
        let prefix = Path::parse(prefix).map_err(|error| StorageError::Broken(error.to_string()))?;
        Ok(Self { store, prefix, workers })
    }

    fn path(&self, key: &Key) -> Path {
        self.prefix.clone().join(key.shard()).join(key.name())
    }

    async fn upload(&self, path: Path, from: PathBuf, length: u64) -> Result<(), StorageError> {
        let file = Arc::new(File::open(from)?);
        if length <= PIECE {
            let bytes = self.piece(&file, 0..length).await?;
            self.store.put(&path, PutPayload::from_bytes(bytes)).await?;
            return Ok(());
        }
        let mut upload = self.store.put_multipart(&path).await?;
        let sent = self.send(&mut *upload, &file, length).await;
        if sent.is_err()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(%error, object = %path, "cannot give up an upload to the bucket");
        }
        sent
    }

    async fn send(
        &self,
        upload: &mut dyn MultipartUpload,
        file: &Arc<File>,
        length: u64,
    ) -> Result<(), StorageError> {
        let mut place = 0;
        while place < length {
            let end = place.saturating_add(PIECE).min(length);
            let bytes = self.piece(file, place..end).await?;
            upload.put_part(PutPayload::from_bytes(bytes)).await?;
            place = end;
        }
        upload.complete().await?;
        Ok(())
    }

    /// Has a worker read a piece of a file.
    async fn piece(&self, file: &Arc<File>, range: Range<u64>) -> Result<Bytes, StorageError> {
        let file = Arc::clone(file);
        let read = move || {
            let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or_default()];
            file.read_exact_at(&mut bytes, range.start).map(|()| Bytes::from(bytes))
        };
        let job = self
            .workers
            .submit(Priority::Normal, read)
            .map_err(|error| StorageError::Away(error.to_string()))?;
        Ok(job.await.map_err(|error| StorageError::Broken(error.to_string()))??)
    }
}

impl Storage for Bucket {
    fn put_file(&self, key: Key, from: PathBuf, length: u64) -> Answer<'_, ()> {
        Box::pin(self.upload(self.path(&key), from, length))
    }

    fn put(&self, key: Key, bytes: Bytes) -> Answer<'_, ()> {
        Box::pin(async move {
            self.store.put(&self.path(&key), PutPayload::from_bytes(bytes)).await?;
            Ok(())
        })
    }

    fn read(&self, key: Key, limit: u64) -> Answer<'_, Option<Bytes>> {
        Box::pin(async move {
            let path = self.path(&key);
            let found = match self.store.get(&path).await {
                Err(Error::NotFound { .. }) => return Ok(None),
                found => found?,
            };
            if found.meta.size > limit {
                return Err(StorageError::Broken(format!("{path} is longer than {limit} bytes")));
            }
            Ok(Some(found.bytes().await?))
        })
    }

    fn open(&self, key: Key, _length: u64) -> Answer<'_, Option<Source>> {
        let object = Object { store: Arc::clone(&self.store), path: self.path(&key) };
        Box::pin(std::future::ready(Ok(Some(Source::Fetched(Arc::new(object))))))
    }

    fn remove(&self, key: Key) -> Answer<'_, ()> {
        Box::pin(async move {
            match self.store.delete(&self.path(&key)).await {
                Err(Error::NotFound { .. }) => Ok(()),
                removed => Ok(removed?),
            }
        })
    }

    fn list(&self, shard: u8) -> Answer<'_, Vec<Listed>> {
        let prefix = self.prefix.clone().join(format!("{shard:02x}"));
        Box::pin(async move {
            let found = self.store.list(Some(&prefix)).try_filter_map(|object| {
                let key = object.location.filename().and_then(Key::of_name);
                let modified = Millis::try_from(object.last_modified.timestamp_millis()).unwrap_or_default();
                std::future::ready(Ok(key.map(|key| Listed { key, modified })))
            });
            Ok(found.try_collect().await?)
        })
    }
}

impl From<Error> for StorageError {
    fn from(error: Error) -> Self {
        match error {
            Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::NotSupported { .. }
            | Error::NotFound { .. }
            | Error::InvalidPath { .. }
            | Error::UnknownConfigurationKey { .. } => Self::Broken(error.to_string()),
            _ => Self::Away(error.to_string()),
        }
    }
}

/// An object that is there, as its record says.
#[derive(Debug)]
struct Object {
    store: Arc<dyn ObjectStore>,
    path: Path,
}

impl Fetch for Object {
    fn fetch(&self, range: Range<u64>) -> Body {
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        let length = range.end.saturating_sub(range.start);
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let asked =
            async move { store.get_opts(&path, options).await.map(object_store::GetResult::into_stream) };
        let pieces = stream::once(asked).try_flatten();
        Body::frames(pieces.map(|piece| Ok(Frame::Data(piece?))), Some(length))
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::super::tests::{check, workers};
    use super::super::{Digest, Part};
    use super::*;

    #[tokio::test]
    async fn a_bucket_keeps_what_it_is_given() {
        let uploads = tempfile::tempdir().unwrap();
        for prefix in ["", "chat/media"] {
            let bucket = Bucket::over(Arc::new(InMemory::new()), prefix, workers()).unwrap();
            check(&bucket, uploads.path()).await;
        }
    }

    #[tokio::test]
    async fn a_service_that_is_away_is_away() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let options = BucketOptions {
            bucket: "b".into(),
            region: "us-east-1".into(),
            endpoint: Some(format!("http://{closed}")),
            prefix: String::new(),
            access_key: "key".into(),
            secret_key: "very secret".into(),
            path_style: true,
        };
        assert!(!format!("{options:?}").contains("very secret"));
        let bucket = Bucket::new(options, Connector::new(), workers()).unwrap();
        let key = Key { digest: Digest::new([1; 32]), part: Part::Record };
        tokio::time::pause();
        assert!(matches!(bucket.put(key, Bytes::from_static(b"x")).await, Err(StorageError::Away(_))));
    }
}
