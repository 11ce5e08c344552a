//! Files that are sent in a chat: uploaded with a permit, kept under what their bytes come to, and shown to whoever has a signed link.
//!
//! A client asks one of the chat's doors for a [permit](Media::permit), uploads by HTTP (`PUT` or `POST /media`), and names the
//! [`Digest`] that it is told in a message. The house looks it up ([`Media::describe`]), and gives those who may read the message a
//! [link](Media::link) (`GET /media/DIGEST?e=...&s=...`). Nothing that a sender says of a file is believed: its type is
//! [`sniff`]ed, and what a browser could run is only ever saved. `docs/chat-media.md` has it all from outside.
//!
//! `upload` takes files, `incoming` writes and hashes them, `picture` makes thumbnails, [`storage`] keeps all of it, `serve` gives it out,
//! and `sweep` removes what no message names any longer.

pub mod digest;
mod incoming;
mod location;
mod name;
pub mod options;
mod picture;
mod quota;
mod record;
mod serve;
mod signed;
pub mod sniff;
pub mod storage;
mod sweep;
mod upload;
mod wanted;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use http::Method;
use quick_cache::sync::Cache;
use tokio::sync::{RwLock, Semaphore};

pub use self::digest::Digest;
pub use self::name::{MAX_NAME, clean_name};
pub use self::options::MediaOptions;
pub use self::picture::PictureLimits;
pub use self::signed::Permit;
pub use self::sweep::{InUse, InUseAnswer, SweepError, Swept};

use self::options::Kept;
use self::quota::{Allowance, Quota};
use self::record::{MAX_RECORD, Record};
use self::storage::bucket::Bucket;
use self::storage::folder::Folder;
use self::storage::{Key, Part, Storage, StorageError};
use self::wanted::Wanted;
use crate::net::client::Connector;
use crate::net::workers::Blocking;
use crate::proto::chat::event;
use crate::proto::chat::id::{AccountId, Millis};
use crate::server::http::Router;
use crate::server::http::request::Request;
use crate::server::keys::{Keys, KeysError};

/// Where files are uploaded and, with a digest behind it, fetched.
pub const PATH: &str = "/media";

/// Records that are kept in memory; each has about 200 bytes.
const RECORDS: usize = 10_000;

/// How long an upload can have been silent at most before what it left is taken for that of a crash. Slower ones are ended by the server.
const LEFT_OVER: Duration = Duration::from_secs(60 * 60);

/// Why there can be no files.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// A folder cannot be made or read.
    #[error("cannot keep files in {}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There are no keys to sign with.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The storage cannot be used as it is configured.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The files of a chat. Clones are the same.
#[derive(Clone, Debug)]
pub struct Media(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: MediaOptions,
    keys: ArcSwap<Keys>,
    storage: Box<dyn Storage>,
    quota: Arc<Quota>,
    workers: Blocking,
    /// Places for uploads, and for pictures that are decoded.
    uploads: Semaphore,
    decoders: Semaphore,
    records: Cache<Digest, Arc<Record>>,
    wanted: std::sync::Mutex<Wanted>,
    /// Held by the sweep while it removes a file, and shared by those who look whether one is there: see `sweep`.
    removing: RwLock<()>,
}

/// Where the keys are that sign links, from the folder of a chat, unless its files have a folder of their own.
pub(super) const KEYS: &str = "media/keys";

impl Media {
    /// Opens what the options say. Disk and pictures are work for `workers`; a bucket is reached by `connector`.
    ///
    /// # Errors
    /// A folder or its keys cannot be used, or the bucket makes no sense.
    pub fn open(options: MediaOptions, connector: Connector, workers: Blocking) -> Result<Self, MediaError> {
        let folder = |path: &Path| {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|source| MediaError::Folder { path: path.to_owned(), source })
        };
        let root = options.folder.clone();
        folder(&root)?;
        let arriving = root.join("incoming");
        folder(&arriving)?;
        let failed = |source| MediaError::Folder { path: root.clone(), source };
        incoming::clear(&arriving, LEFT_OVER, SystemTime::now()).map_err(failed)?;
        let keys = Keys::open(&root.join("keys"))?;
        let storage: Box<dyn Storage> = match &options.kept {
            Kept::Here => {
                Box::new(Folder::new(&root.join("files"), &arriving, workers.clone()).map_err(failed)?)
            }
            Kept::Bucket(bucket) => Box::new(Bucket::new(bucket.clone(), connector, workers.clone())?),
        };
        let allowance = Allowance {
            bytes: options.bytes_a_day,
            files: options.files_a_day,
            at_once: options.uploads_an_account,
        };
        let quota = Quota::open(&root, allowance, now()).map_err(failed)?;
        Ok(Self(Arc::new(Shared {
            keys: ArcSwap::from_pointee(keys),
            storage,
            quota: Arc::new(quota),
            workers,
            uploads: Semaphore::new(options.uploads),
            decoders: Semaphore::new(options.pictures_at_once.max(1)),
            records: Cache::new(RECORDS),
            wanted: std::sync::Mutex::default(),
            removing: RwLock::new(()),
            options,
        })))
    }

    /// Bytes of a file at most.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.0.options.file
    }

    /// Lets an account upload files of `largest` bytes at most, and no more than the options allow, for a while from `now` on.
    #[must_use]
    pub fn permit(&self, account: AccountId, largest: Option<u64>, now: Millis) -> Permit {
        let options = &self.0.options;
        let largest = largest.unwrap_or(options.file).min(options.file);
        let lifetime = Millis::try_from(options.permit_lifetime.as_millis()).unwrap_or(Millis::MAX);
        signed::permit(&self.0.keys.load(), account, largest, now.saturating_add(lifetime))
    }

    /// The file of this digest, as a message can name it, if it is there; `None` too if the text is no digest. Its name is made of the digest:
    /// what its sender calls it, made fit by [`clean_name`], is to take its place. A file that was described is not removed for an hour.
    ///
    /// # Errors
    /// The storage cannot tell.
    pub async fn describe(&self, digest: &str) -> Result<Option<event::Media>, StorageError> {
        let Ok(digest) = digest.parse::<Digest>() else { return Ok(None) };
        self.0.want(digest);
        let _shared = self.0.removing.read().await;
        let record = self.0.record(&digest).await?;
        Ok(record.map(|record| record.media(&digest, saved_name(&digest, &record))))
    }

    /// A link to a file that counts for `lifetime` from `now` on, and up to a quarter longer: a path with a query. With `&thumb=1` behind it, it leads to the
    /// thumbnail. The file need not be there.
    #[must_use]
    pub fn link(&self, digest: &Digest, lifetime: Duration, now: Millis) -> String {
        let query = signed::link_query(&self.0.keys.load(), digest, signed::link_end(now, lifetime));
        format!("{PATH}/{digest}?{query}")
    }

    /// Signs with a new key from now on. Links and permits count until the rotation after this one.
    ///
    /// # Errors
    /// The new key cannot be kept; the old one stays in use.
    pub fn rotate_keys(&self) -> Result<(), KeysError> {
        let next = self.0.keys.load().rotate(&self.0.options.folder.join("keys"))?;
        self.0.keys.store(Arc::new(next));
        Ok(())
    }

    /// Adds the routes of files to those of a server: [`PATH`] and what is below it.
    #[must_use]
    pub fn mount(&self, router: Router) -> Router {
        let upload = |media: Self| move |request: Request| media.clone().answer_upload(request);
        let media = self.clone();
        let file = format!("{PATH}/{{digest}}");
        router
            .route(Method::PUT, PATH, upload(self.clone()))
            .route(Method::POST, PATH, upload(self.clone()))
            .route(Method::GET, &file, move |request: Request| media.clone().answer_get(request))
    }

    /// A router of these routes alone.
    #[must_use]
    pub fn routes(&self) -> Router {
        self.mount(Router::new())
    }
}

impl Shared {
    /// Notes that somebody is about to name this file: the sweep leaves it alone for a while.
    fn want(&self, digest: Digest) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).add(digest, now());
    }

    fn is_wanted(&self, digest: &Digest, now: Millis) -> bool {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).has(digest, now)
    }

    /// What is known of a file.
    async fn record(&self, digest: &Digest) -> Result<Option<Arc<Record>>, StorageError> {
        if let Some(record) = self.records.get(digest) {
            return Ok(Some(record));
        }
        let key = Key { digest: *digest, part: Part::Record };
        let Some(bytes) = self.storage.read(key, MAX_RECORD).await? else { return Ok(None) };
        let record: Record = serde_json::from_slice(&bytes)
            .map_err(|error| StorageError::Broken(format!("the record of {digest}: {error}")))?;
        let record = Arc::new(record);
        self.records.insert(*digest, Arc::clone(&record));
        Ok(Some(record))
    }
}

/// What a file is called when it is saved, unless the page that shows it knows better.
fn saved_name(digest: &Digest, record: &Record) -> String {
    let mut name = digest.to_string();
    name.truncate(12);
    format!("{name}.{}", record.kind().extension)
}

/// The time of this machine's clock.
fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
