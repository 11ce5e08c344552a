//! Removes what no message names any longer.
//!
//! A sweep lists one shard after the other. A file whose parts were all written longer ago than the grace is asked for at the store, through
//! [`InUse`]; if nothing there names it, its record goes first, then its thumbnail and its bytes.
//!
//! Somebody may be about to name a file at that moment: an upload that finds it there already, or a message that was checked and is not yet in the
//! store. Both note it as wanted before they look whether it is there, and share a lock while they look. The sweep holds that lock alone while it
//! looks whether the file is wanted and removes it. So either the sweep sees that it is wanted, or they see that it is gone. Where several machines share
//! a bucket, one of them is to sweep, and the grace is what protects a file that another one is about to name.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::storage::{Key, Part, StorageError};
use super::{Digest, LEFT_OVER, Media, Shared, incoming};
use crate::net::workers::Priority;
use crate::proto::chat::id::Millis;
use crate::server::chat::store::Store;
use crate::server::http::body::BoxError;

/// Files that the store is asked about at once.
const BATCH: usize = 500;

/// What the store says of files, later.
pub type InUseAnswer<'a> = Pin<Box<dyn Future<Output = Result<Vec<Digest>, BoxError>> + Send + 'a>>;

/// Whoever knows which files are named somewhere: in a message, or in a profile.
pub trait InUse: Send + Sync + 'static {
    /// Those of `digests` that are named.
    fn in_use(&self, digests: Vec<Digest>) -> InUseAnswer<'_>;
}

/// The store of the chat knows.
impl<S: Store + ?Sized> InUse for Arc<S> {
    fn in_use(&self, digests: Vec<Digest>) -> InUseAnswer<'_> {
        Box::pin(async move {
            let names = digests.iter().map(Digest::to_string).collect();
            let used = self.media_in_use(names).await?;
            Ok(used.iter().map(|name| name.parse()).collect::<Result<_, _>>()?)
        })
    }
}

/// Why a sweep has ended early.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The storage of files failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It cannot be known what is named.
    #[error("cannot ask which files are in use: {0}")]
    InUse(BoxError),
}

/// What a sweep has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files that there were.
    pub files: u64,
    /// Those of them that are gone.
    pub removed: u64,
    /// What crashes had left of uploads, and is gone, too.
    pub leftovers: u64,
}

impl Media {
    /// Sweeps once. `now` says how old files are.
    ///
    /// # Errors
    /// The storage or the store failed. What was removed until then was rightly removed.
    pub async fn sweep(&self, in_use: &dyn InUse, now: Millis) -> Result<Swept, SweepError> {
        let shared = &self.0;
        let mut swept = Swept { leftovers: shared.clear().await?, ..Swept::default() };
        for shard in 0..=u8::MAX {
            let mut files: HashMap<Digest, Millis> = HashMap::new();
            for listed in shared.storage.list(shard).await? {
                let newest = files.entry(listed.key.digest).or_default();
                *newest = listed.modified.max(*newest);
            }
            swept.files += files.len() as u64;
            let grace = Millis::try_from(shared.options.grace.as_millis()).unwrap_or(Millis::MAX);
            let old = |modified: Millis| now.saturating_sub(modified) >= grace;
            let old: Vec<Digest> =
                files.into_iter().filter(|(_, at)| old(*at)).map(|(digest, _)| digest).collect();
            for batch in old.chunks(BATCH) {
                let used: HashSet<Digest> =
                    in_use.in_use(batch.to_vec()).await.map_err(SweepError::InUse)?.into_iter().collect();
                for digest in batch.iter().filter(|digest| !used.contains(digest)) {
                    swept.removed += u64::from(shared.remove(*digest, now).await?);
                }
            }
        }
        Ok(swept)
    }

    /// Sweeps again and again, `every` so often, and logs what came of it. It never ends by itself.
    pub async fn keep_swept(&self, in_use: Arc<dyn InUse>, every: Duration) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.sweep(&*in_use, super::now()).await {
                Ok(Swept { files, removed: 0, .. }) => tracing::debug!(files, "no file was to be removed"),
                Ok(Swept { files, removed, .. }) => tracing::info!(files, removed, "files were swept"),
                Err(error) => tracing::warn!(%error, "files could not be swept"),
            }
        }
    }
}

impl Shared {
    /// Removes a file, unless somebody wants it.
    async fn remove(&self, digest: Digest, now: Millis) -> Result<bool, StorageError> {
        let _alone = self.removing.write().await;
        if self.is_wanted(&digest, now) {
            return Ok(false);
        }
        self.records.remove(&digest);
        for part in [Part::Record, Part::Thumbnail, Part::Content] {
            self.storage.remove(Key { digest, part }).await?;
        }
        Ok(true)
    }

    /// Removes what crashes have left of uploads.
    async fn clear(&self) -> Result<u64, StorageError> {
        let folder = self.options.folder.join("incoming");
        let clear = move || incoming::clear(&folder, LEFT_OVER, SystemTime::now());
        let job = self
            .workers
            .submit(Priority::Low, clear)
            .map_err(|error| StorageError::Away(error.to_string()))?;
        let cleared = job.await.map_err(|error| StorageError::Broken(error.to_string()))?;
        Ok(cleared? as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::chat::event::{Author, Change, Media as Named, Message, RoomKind};
    use crate::proto::chat::id::{MessageId, RoomId};
    use crate::server::chat::store::Draft;
    use crate::server::chat::store::sqlite::{Sqlite, SqliteConfig};

    #[tokio::test]
    async fn the_store_of_the_chat_says_what_its_messages_name() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder.path(), &SqliteConfig::default()).unwrap());
        let (named, unnamed) = (Digest::new([1; 32]), Digest::new([2; 32]));
        let file = Named {
            digest: named.to_string(),
            name: "a".into(),
            kind: "text/plain".into(),
            size: 1,
            dimensions: None,
        };
        let name = Some("#room".parse().unwrap());
        let changes = [
            Change::Create { kind: RoomKind::Public, name, members: Vec::new() },
            Change::Message(Message { media: vec![file], ..Message::default() }),
        ];
        let by = Author { nick: "me".parse().unwrap(), account: None, user: "u".into(), host: "h".into() };
        let drafts = changes.into_iter().zip(1..).map(|(change, at)| Draft {
            room: RoomId(1),
            id: MessageId::new(at, 0),
            by: by.clone(),
            change,
            client_id: None,
        });
        store.append(drafts.collect()).await.unwrap();
        assert_eq!(store.in_use(vec![named, unnamed]).await.unwrap(), [named]);
    }
}
