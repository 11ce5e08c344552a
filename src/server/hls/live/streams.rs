//! The live streams of a server, by name.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::name::{BadName, StreamName};
use super::record;
use super::settings::Settings;
use super::stream::{Counters, Ended, Listed, Stream, wall};
use crate::net::addr::PeerAddr;
use crate::net::drain::Drain;
use crate::net::workers::Blocking;
use crate::proto::hls::live::feed::Feed;

/// The longest that a publisher sleeps before the clock is looked at again.
const NAP: Duration = Duration::from_secs(1);

/// How often streams look at the clock.
const TICK: Duration = Duration::from_millis(250);

/// The streams of a server. A clone is another handle on the same ones.
#[derive(Clone, Debug)]
pub struct Streams(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Arc<Settings>,
    counters: Arc<Counters>,
    workers: Blocking,
    drain: Drain,
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    streams: BTreeMap<String, Known>,
    /// The number of the last run.
    run: u64,
    leaving: bool,
}

/// The runs of a stream that can be watched.
#[derive(Debug)]
struct Known {
    newest: Arc<Stream>,
    /// The one before, which has ended, for as long as it lingers: its segments can be had, and its playlists until there are new ones.
    before: Option<Arc<Stream>>,
}

impl Known {
    fn runs(&self) -> impl Iterator<Item = &Arc<Stream>> {
        std::iter::once(&self.newest).chain(&self.before)
    }
}

/// Who publishes, for the log.
#[derive(Clone, Debug)]
pub struct WhoPublishes {
    /// By which way it came: `http`, `tcp`, `stdin`, `rtmp`, `demo`.
    pub by: &'static str,
    /// From where; `None` when there is no address.
    pub peer: Option<PeerAddr>,
}

/// Why a publisher is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] BadName),
    /// Somebody publishes it already.
    #[error("{0} is being published already")]
    Taken(String),
    /// There are as many streams, or renditions of this one, as there may be.
    #[error("no room for another stream")]
    Full,
    /// The stream is just ending, or the server is going down.
    #[error("the stream is ending")]
    Leaving,
}

/// One who publishes a rendition of a stream; when it is dropped, the stream waits for its return, and marks a gap.
#[derive(Debug)]
pub struct Publisher {
    stream: Arc<Stream>,
    rendition: String,
    number: u64,
    complete: bool,
}

impl Streams {
    /// No streams yet. Recordings are written by `workers`, and `drain` waits for them.
    #[must_use]
    pub fn new(settings: Settings, workers: Blocking, drain: Drain) -> Self {
        Self(Arc::new(Inner {
            settings: Arc::new(settings),
            counters: Arc::default(),
            workers,
            drain,
            table: RwLock::default(),
        }))
    }

    /// What is decided about them.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Lets a publisher in, as the only one of the rendition `name`, which is `NAME` or `NAME/RENDITION`. To be called within a runtime.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn publish(&self, name: &str, who: WhoPublishes) -> Result<Publisher, Refused> {
        let full: StreamName = name.parse()?;
        let (name, rendition) = (full.stream(), full.rendition());
        let (stream, number) = self.enter(name, rendition)?;
        let from = who.peer.map(|peer| peer.to_string()).unwrap_or_default();
        tracing::info!(stream = name, rendition, by = who.by, from, "publishing");
        Ok(Publisher { stream, rendition: rendition.to_owned(), number, complete: false })
    }

    /// Lets a publisher into the stream of that name that goes on, or into a new one. The table is locked meanwhile: nobody sees a stream without a rendition, which looks like one that
    /// all have left, and none ends in between.
    fn enter(&self, name: &str, rendition: &str) -> Result<(Arc<Stream>, u64), Refused> {
        let inner = &*self.0;
        let mut table = inner.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.leaving {
            return Err(Refused::Leaving);
        }
        let known = table.streams.get(name).map(|known| Arc::clone(&known.newest));
        if let Some(known) = &known {
            match known.enter(rendition) {
                // It has ended.
                Err(Refused::Leaving) => {}
                entered => return Ok((Arc::clone(known), entered?)),
            }
        }
        if table.streams.len() >= inner.settings.limits.streams && known.is_none() {
            // One that has ended makes room.
            let mut ended = table.streams.iter().filter(|(_, known)| known.newest.has_ended());
            let ended = ended.next().map(|(name, _)| name.clone());
            table.streams.remove(&ended.ok_or(Refused::Full)?);
        }
        let seconds = u64::try_from(wall() / 1_000_000).unwrap_or(0);
        table.run = seconds.max(table.run + 1);
        let run = table.run;
        let recording = inner.settings.record.as_ref();
        let recording = recording
            .and_then(|folder| record::start(folder, name, run, inner.workers.clone(), inner.drain.guard()));
        let (settings, counters) = (Arc::clone(&inner.settings), Arc::clone(&inner.counters));
        let heritage = known.as_ref().map(|known| known.heritage()).unwrap_or_default();
        let stream = Arc::new(Stream::new(name.to_owned(), run, settings, counters, recording, heritage));
        let number = stream.enter(rendition)?;
        // Of a run in which nothing was to be seen, nothing is to be seen now either.
        let before = table.streams.remove(name);
        let before =
            before.and_then(|known| if known.newest.was_seen() { Some(known.newest) } else { known.before });
        table.streams.insert(name.to_owned(), Known { newest: Arc::clone(&stream), before });
        Ok((stream, number))
    }

    /// The runs of that name that can be watched, the newest first.
    pub(super) fn runs(&self, name: &str) -> Vec<Arc<Stream>> {
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        table.streams.get(name).into_iter().flat_map(Known::runs).cloned().collect()
    }

    fn all(&self) -> Vec<Arc<Stream>> {
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        table.streams.values().flat_map(Known::runs).cloned().collect()
    }

    /// Ends a stream. False when there is none of that name.
    #[must_use]
    pub fn end(&self, name: &str) -> bool {
        let runs = self.runs(name);
        let found = runs.first().filter(|stream| !stream.has_ended());
        found.map(|stream| stream.end()).is_some()
    }

    /// When the server goes down, and all streams end.
    pub(super) async fn stopping(&self) {
        self.0.drain.stopping().await;
    }

    /// All streams that can be watched, below the path `base`.
    #[must_use]
    pub fn list(&self, base: &str) -> Vec<Listed> {
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        table
            .streams
            .values()
            .filter_map(|known| known.runs().find_map(|stream| stream.listed(base)))
            .collect()
    }

    /// Looks at the clock for all streams, until the drain begins: then all of them end.
    pub async fn keep(self) {
        let inner = &*self.0;
        if let Some(folder) = &inner.settings.record {
            let (folder, workers) = (folder.clone(), inner.workers.clone());
            tokio::spawn(record::recover(folder, workers, inner.drain.guard()));
        }
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.0.drain.stopping() => break,
                _ = ticks.tick() => {}
            }
            self.tick();
        }
        self.0.table.write().unwrap_or_else(PoisonError::into_inner).leaving = true;
        self.all().iter().for_each(|stream| stream.end());
    }

    fn tick(&self) {
        let streams = self.all();
        for stream in &streams {
            if !stream.idle() {
                self.forget(stream);
            }
        }
        self.make_room(streams);
    }

    /// Takes memory from the largest streams before there is none: one that has just begun has nothing to give.
    fn make_room(&self, mut streams: Vec<Arc<Stream>>) {
        let most = self.0.settings.limits.bytes / 10 * 9;
        let mut excess = self.count(Count::Memory).saturating_sub(most);
        if excess == 0 {
            return;
        }
        streams.sort_by_key(|stream| std::cmp::Reverse(stream.bytes()));
        for stream in streams {
            excess = stream.shrink(excess);
        }
    }

    fn forget(&self, stream: &Arc<Stream>) {
        let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = table.streams.get_mut(&stream.name) else { return };
        if known.before.as_ref().is_some_and(|before| Arc::ptr_eq(before, stream)) {
            known.before = None;
        } else if Arc::ptr_eq(&known.newest, stream) {
            match known.before.take() {
                Some(before) => known.newest = before,
                None => drop(table.streams.remove(&stream.name)),
            }
        }
    }

    /// Numbers for metrics, by [`metrics::register`](super::metrics::register).
    pub(super) fn count(&self, what: Count) -> u64 {
        let counters = &self.0.counters;
        match what {
            Count::Streams => self.all().iter().filter(|stream| !stream.has_ended()).count() as u64,
            Count::Publishers => self.all().iter().map(|stream| stream.publishers()).sum(),
            Count::Memory => counters.memory.load(Ordering::Relaxed),
            Count::Segments => counters.segments.load(Ordering::Relaxed),
            Count::Samples => counters.samples.load(Ordering::Relaxed),
            Count::Bytes => counters.bytes.load(Ordering::Relaxed),
            Count::Gaps => counters.gaps.load(Ordering::Relaxed),
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    Streams,
    Publishers,
    Memory,
    Segments,
    Samples,
    Bytes,
    Gaps,
}

impl Publisher {
    /// Takes what comes next. It waits while the feed is further ahead of the clock than it may be, so that the source is slowed down by its socket.
    ///
    /// # Errors
    /// Nothing more is taken.
    pub async fn feed(&mut self, feed: Feed) -> Result<(), Ended> {
        let mut wait = self.stream.push(&self.rendition, self.number, feed)?;
        while !wait.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(wait.min(NAP)) => wait = self.stream.wait(&self.rendition),
                () = self.over() => return Err(Ended::Stream),
            }
        }
        Ok(())
    }

    /// Resolves when nothing more is taken, because the stream has ended or the server goes down and ends all.
    pub fn over(&self) -> impl Future<Output = ()> + Send + use<> {
        self.stream.over().cancelled_owned()
    }

    /// The stream is complete: it ends, unless others publish renditions of it, and is not waited for.
    pub fn finish(mut self) {
        self.complete = true;
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stream.leave(&self.rendition, self.number, self.complete);
        tracing::info!(stream = self.stream.name, rendition = self.rendition, "the publisher has left");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::net::workers::BlockingConfig;

    fn streams() -> Streams {
        Streams::new(Settings::default(), Blocking::new(BlockingConfig::default()), Drain::new())
    }

    const WHO: WhoPublishes = WhoPublishes { by: "test", peer: None };

    #[test]
    fn who_comes_is_let_in_whatever_is_just_forgotten() {
        let streams = streams();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    streams.tick();
                }
            });
            // They leave at once, and the next one comes while the empty stream is looked at.
            for round in 0..20_000 {
                let publisher = streams.publish("stage", WHO);
                let entered = publisher.as_ref().map(|publisher| publisher.stream.has_ended());
                if entered != Ok(false) {
                    over.store(true, Ordering::Relaxed);
                    panic!("round {round}: {entered:?}");
                }
            }
            over.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn an_empty_stream_is_forgotten_when_nobody_publishes_it() {
        let streams = streams();
        let publisher = streams.publish("stage/a", WHO).unwrap();
        streams.tick();
        assert_eq!(streams.publish("stage/a", WHO).unwrap_err(), Refused::Taken("stage/a".to_owned()));
        assert_eq!(streams.runs("stage").len(), 1);
        drop(publisher);
        // It ends, and then there is nothing of it to be watched.
        streams.tick();
        streams.tick();
        assert!(streams.runs("stage").is_empty());
    }
}
