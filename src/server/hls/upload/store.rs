//! Where streams are put: a prefix of any store that `object_store` knows. Each attempt has a deadline, and whether there is another one is not
//! decided here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Attribute, Attributes, Error, ObjectStore, ObjectStoreExt, PutOptions, PutPayload};
use tokio::time::timeout;

use super::Counters;
use crate::server::hls::kinds;

/// How long an attempt to put or remove an object may take.
pub(super) const ATTEMPT: Duration = Duration::from_secs(15);

/// What is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It never changes under its name.
    Resource,
    /// It changes, after so many seconds at the earliest.
    Playlist(u64),
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error(transparent)]
    Store(#[from] Error),
    #[error("the store did not answer within {} s", ATTEMPT.as_secs())]
    Late,
    #[error("{0} cannot be the name of an object")]
    Name(String),
}

/// A store, and what stands before the names in it. Clones are the same.
#[derive(Clone, Debug)]
pub struct Store {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    counters: Arc<Counters>,
}

impl Store {
    /// Puts into `store`, below `prefix`, which may be empty.
    ///
    /// # Errors
    /// The prefix is no path.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> object_store::Result<Self> {
        Ok(Self { store, prefix: Path::parse(prefix)?, counters: Arc::default() })
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// The object for the path of a request.
    fn object(&self, path: &str) -> Result<Path, StoreError> {
        let name = Path::from_url_path(path).map_err(|_| StoreError::Name(path.to_owned()))?;
        Ok(name.parts().fold(self.prefix.clone(), object_store::path::Path::join))
    }

    /// Puts what the server has at `path`, once.
    pub(super) async fn put(&self, path: &str, bytes: Bytes, kind: Kind) -> Result<(), StoreError> {
        let object = self.object(path)?;
        let cache = match kind {
            Kind::Resource => "public, max-age=31536000, immutable".to_owned(),
            Kind::Playlist(seconds) => format!("public, max-age={seconds}"),
        };
        let attributes = Attributes::from_iter([
            (Attribute::ContentType, kinds::of_name(path).0.unwrap_or("application/octet-stream").into()),
            (Attribute::CacheControl, cache),
        ]);
        let length = bytes.len() as u64;
        let options = PutOptions { attributes, ..PutOptions::default() };
        let put = self.store.put_opts(&object, PutPayload::from_bytes(bytes), options);
        let result =
            timeout(ATTEMPT, put).await.map_err(|_| StoreError::Late).and_then(|put| Ok(put.map(drop)?));
        match &result {
            Ok(()) => {
                Counters::add(&self.counters.objects, 1);
                Counters::add(&self.counters.bytes, length);
            }
            Err(_) => Counters::add(&self.counters.failures, 1),
        }
        result
    }

    /// Removes what was put for `path`. It is no error if nothing is there.
    pub(super) async fn remove(&self, path: &str) -> Result<(), StoreError> {
        let object = self.object(path)?;
        let removed = match timeout(ATTEMPT, self.store.delete(&object)).await {
            Err(_) => Err(StoreError::Late),
            Ok(Ok(()) | Err(Error::NotFound { .. })) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
        };
        let counter = if removed.is_ok() { &self.counters.removed } else { &self.counters.failures };
        Counters::add(counter, 1);
        removed
    }
}
