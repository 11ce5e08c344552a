//! One stream followed to its end: a task for each of its media playlists, and the multivariant playlist when all of them are in the store.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::origin::{Origin, Unanswered};
use super::store::{Kind, Store, StoreError};
use super::{Counters, LOOK};
use crate::net::drain::Drain;
use crate::net::resilience::backoff::{Backoff, Growth, Jitter, Policy};
use crate::proto::hls::playlist::media::{MediaPlaylist, ServerControl};
use crate::proto::hls::playlist::read::{Playlist, ReadError};
use crate::proto::hls::playlist::variables::Variables;
use crate::server::hls::reference::resolve;

/// Objects of a playlist that are put at the same time. Their bytes are those of the origin, not copies.
const AT_ONCE: usize = 4;

/// Attempts to remove an object before it is left there.
const REMOVALS: u32 = 5;

/// Media playlists of a stream, at most.
const MAX_RENDITIONS: usize = 64;

/// How long to wait behind a failure.
const WAITS: Policy = Policy {
    growth: Growth::Exponential { first: Duration::from_millis(200), jitter: Jitter::Equal },
    cap: Duration::from_secs(5),
};

/// Why a round did not end well.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Origin(#[from] Unanswered),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Playlist(#[from] ReadError),
    #[error("{0} is another kind of playlist than it should be")]
    Kind(String),
}

/// A stream, by the path of its multivariant playlist.
pub(super) struct Stream {
    path: String,
    origin: Origin,
    store: Store,
}

impl Stream {
    pub(super) fn new(path: &str, origin: Origin, store: Store) -> Self {
        Self { path: path.to_owned(), origin, store }
    }

    /// Follows it to its end.
    pub(super) async fn run(self, drain: &Drain) {
        let mut followers = JoinSet::new();
        let mut ready: HashMap<String, Arc<AtomicBool>> = HashMap::new();
        let mut put = Bytes::new();
        loop {
            match self.look(&mut followers, &mut ready, drain).await {
                Ok(text) if text == put => {}
                Ok(text) if ready.values().all(|ready| ready.load(Ordering::Acquire)) => {
                    match self.store.put(&self.path, text.clone(), Kind::Playlist(2)).await {
                        Ok(()) => put = text,
                        Err(error) => {
                            tracing::warn!(%error, path = self.path, "a playlist was not put into the store");
                        }
                    }
                }
                Ok(_) => {}
                Err(Failed::Origin(Unanswered::Gone(_))) if followers.is_empty() => return,
                Err(error) => tracing::debug!(%error, path = self.path, "a stream cannot be looked at"),
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                Some(_) = followers.join_next() => {}
            }
            // What comes behind the end of all renditions is another run, which is followed anew.
            if followers.is_empty() && !ready.is_empty() {
                return;
            }
        }
    }

    /// Looks at the multivariant playlist, and follows renditions that are new in it.
    async fn look(
        &self,
        followers: &mut JoinSet<()>,
        ready: &mut HashMap<String, Arc<AtomicBool>>,
        drain: &Drain,
    ) -> Result<Bytes, Failed> {
        let text = self.origin.playlist(&self.path).await?;
        let Playlist::Multivariant(playlist) = Playlist::read(&text, Variables::default())? else {
            return Err(Failed::Kind(self.path.clone()));
        };
        let variants = playlist.variants.iter().chain(&playlist.i_frames).map(|variant| variant.uri.as_str());
        let media = playlist.media.iter().filter_map(|media| media.uri.as_deref());
        for path in variants.chain(media).filter_map(|uri| resolve(&self.path, uri)) {
            if ready.contains_key(&path) || ready.len() >= MAX_RENDITIONS {
                continue;
            }
            let flag = Arc::<AtomicBool>::default();
            let rendition =
                Rendition::new(path.clone(), self.origin.clone(), self.store.clone(), Arc::clone(&flag));
            ready.insert(path, flag);
            let drain = drain.clone();
            followers.spawn(async move { rendition.run(&drain).await });
        }
        Ok(text)
    }
}

/// A media playlist, and what was put for it.
struct Rendition {
    path: String,
    origin: Origin,
    store: Store,
    /// Set when its playlist is in the store for the first time.
    ready: Arc<AtomicBool>,
    /// What is in the store and named by its playlist.
    there: HashSet<String>,
    /// What is not named any more, when it can be removed, and how often that failed.
    leaving: VecDeque<(Instant, String, u32)>,
    /// The number behind the last segment that was put.
    next: Option<u64>,
    /// The playlist in the store.
    put: String,
}

impl Rendition {
    fn new(path: String, origin: Origin, store: Store, ready: Arc<AtomicBool>) -> Self {
        let (there, leaving) = (HashSet::new(), VecDeque::new());
        Self { path, origin, store, ready, there, leaving, next: None, put: String::new() }
    }

    async fn run(mut self, drain: &Drain) {
        let mut waits = Backoff::new(WAITS, fastrand::u64(..));
        let mut awaited = None;
        loop {
            match self.round(awaited).await {
                Ok(playlist) => {
                    if waits.waits() > 0 {
                        tracing::info!(path = self.path, "the store takes the stream again");
                        waits.reset();
                    }
                    if playlist.ended {
                        break;
                    }
                    awaited = playlist.server_control.can_block_reload.then(|| playlist.next_msn());
                    if awaited.is_none() {
                        sleep(Duration::from_secs(playlist.target_duration.max(1)) / 2).await;
                    }
                }
                Err(Failed::Origin(Unanswered::Gone(_))) if !self.is_there().await => break,
                Err(error) => {
                    if waits.waits() == 0 {
                        tracing::warn!(%error, path = self.path, "a stream is not put into the store; it is tried again");
                    }
                    awaited = None;
                    sleep(waits.wait()).await;
                }
            }
        }
        self.leave(drain).await;
    }

    /// Whether the origin still has the playlist.
    async fn is_there(&self) -> bool {
        !matches!(self.origin.playlist(&self.path).await, Err(Unanswered::Gone(_)))
    }

    /// Puts what is new in the playlist, which waits for segment `awaited`, and then the playlist itself.
    async fn round(&mut self, awaited: Option<u64>) -> Result<MediaPlaylist, Failed> {
        let query = awaited.map(|msn| format!("?_HLS_msn={msn}")).unwrap_or_default();
        let text = self.origin.playlist(&format!("{}{query}", self.path)).await?;
        let Playlist::Media(playlist) = Playlist::read(&text, Variables::default())? else {
            return Err(Failed::Kind(self.path.clone()));
        };
        let named = self.named(&playlist);
        let new: Vec<_> = named.iter().filter(|path| !self.there.contains(*path)).cloned().collect();
        let (origin, store) = (&self.origin, &self.store);
        let puts = stream::iter(new).map(|path| async move {
            let bytes = origin.resource(&path).await?;
            store.put(&path, bytes, Kind::Resource).await?;
            Ok::<_, Failed>(path)
        });
        let outcomes: Vec<_> = puts.buffered(AT_ONCE).collect().await;
        for outcome in outcomes {
            self.there.insert(outcome?);
        }
        self.missed(&playlist);
        let plain = plain(&playlist).write();
        if plain != self.put {
            let seconds = (playlist.target_duration / 2).max(1);
            self.store.put(&self.path, Bytes::from(plain.clone()), Kind::Playlist(seconds)).await?;
            self.put = plain;
            self.ready.store(!playlist.segments.is_empty(), Ordering::Release);
        }
        self.forget(&named, &playlist);
        self.remove_due().await;
        Ok(playlist)
    }

    /// The paths of what the playlist needs, in its order, initialization sections before what they are for.
    fn named(&self, playlist: &MediaPlaylist) -> Vec<String> {
        let (mut named, mut seen) = (Vec::new(), HashSet::new());
        for segment in playlist.segments.iter().filter(|segment| !segment.gap) {
            let map = segment.map.as_ref().map(|map| map.uri.as_str());
            for path in
                map.into_iter().chain([segment.uri.as_str()]).filter_map(|uri| resolve(&self.path, uri))
            {
                if seen.insert(path.clone()) {
                    named.push(path);
                }
            }
        }
        named
    }

    /// Counts segments that were gone before they were put.
    fn missed(&mut self, playlist: &MediaPlaylist) {
        if let Some(missed) = self.next.and_then(|next| playlist.media_sequence.checked_sub(next)) {
            Counters::add(&self.store.counters().missed, missed);
        }
        self.next = Some(playlist.next_msn());
    }

    /// What is not named any more is kept for as long as somebody can want it who has an older playlist (section 6.2.2): its duration, and that of the
    /// playlist. A target duration more is for caches.
    fn forget(&mut self, named: &[String], playlist: &MediaPlaylist) {
        let named: HashSet<&String> = named.iter().collect();
        let target = Duration::from_secs(playlist.target_duration);
        let until = Instant::now() + playlist.duration() + 2 * target;
        let gone: Vec<_> = self.there.iter().filter(|path| !named.contains(path)).cloned().collect();
        for path in gone {
            self.there.remove(&path);
            self.leaving.push_back((until, path, 0));
        }
    }

    async fn remove_due(&mut self) {
        let now = Instant::now();
        while let Some((at, path, tries)) = self.leaving.pop_front() {
            if at > now {
                self.leaving.push_front((at, path, tries));
                return;
            }
            match self.store.remove(&path).await {
                Ok(()) => {}
                Err(error) if tries + 1 < REMOVALS => {
                    tracing::debug!(%error, path, "an object was not removed from the store; it is tried again");
                    self.leaving.push_back((now + LOOK, path, tries + 1));
                    return;
                }
                Err(error) => tracing::warn!(%error, path, "an object stays in the store"),
            }
        }
    }

    /// Removes what is left to remove when it is time, or at once when the server goes down: nobody would do it later.
    async fn leave(mut self, drain: &Drain) {
        while let Some((at, ..)) = self.leaving.front() {
            tokio::select! {
                () = sleep_until(*at) => self.remove_due().await,
                () = drain.stopping() => break,
            }
        }
        let (store, left) = (&self.store, std::mem::take(&mut self.leaving));
        let removed = stream::iter(left).map(|(_, path, _)| async move {
            store.remove(&path).await.inspect_err(|error| {
                tracing::warn!(%error, path, "an object stays in the store");
            })
        });
        removed.buffer_unordered(AT_ONCE).for_each(|_| std::future::ready(())).await;
    }
}

/// A playlist for those who cannot wait for parts.
fn plain(playlist: &MediaPlaylist) -> MediaPlaylist {
    let mut plain = playlist.clone();
    plain.server_control = ServerControl::default();
    (plain.part_target, plain.unfinished) = (None, None);
    plain.preload_hints.clear();
    plain.reports.clear();
    plain.segments.iter_mut().for_each(|segment| segment.parts.clear());
    plain.version = plain.needed_version();
    plain
}
