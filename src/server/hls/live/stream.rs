//! One live stream: its renditions, who publishes them, and what viewers get of them.
//!
//! All of it is behind one lock, which is held while a sample is cut in, and never across an await. Viewers that wait do so at the editions of a rendition.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;

use super::edition::{Edition, Editions, Newest};
use super::record::Recording;
use super::settings::Settings;
use super::streams::Refused;
use crate::proto::hls::live::feed::Feed;
use crate::proto::hls::live::ladder::{Rung, multivariant};
use crate::proto::hls::live::names::Name;
use crate::proto::hls::live::rendition::{Change, Rendition, Shared};
use crate::proto::hls::live::segmenter::Unusable;
use crate::proto::hls::live::timeline::{Micros, Timeline};
use crate::proto::hls::live::window::Window;
use crate::proto::hls::playlist::media::RenditionReport;
use crate::proto::hls::playlist::multivariant::MultivariantPlaylist;
use tokio_util::sync::CancellationToken;

/// Where the timeline of a stream begins at least: so far back may sound begin before the first picture.
const LEAD: Duration = Duration::from_secs(10);

/// How long a rendition that can be played waits for those that cannot yet.
const GATHER: Micros = 5_000_000;

/// The feed is over, whatever its publisher has still to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The stream was ended, or the server goes down.
    #[error("the stream has ended")]
    Stream,
    /// It cannot be served.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// There is no memory for it.
    #[error("the segments of all streams would need more than {0} bytes")]
    Memory(u64),
}

/// What is counted over all streams.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Bytes in memory.
    pub(super) memory: AtomicU64,
    pub(super) segments: AtomicU64,
    pub(super) samples: AtomicU64,
    pub(super) gaps: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) run: u64,
    settings: Arc<Settings>,
    counters: Arc<Counters>,
    /// It has ended: those who publish are told, also while they say nothing.
    over: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    shared: Shared,
    renditions: BTreeMap<String, Entry>,
    ended: Option<Micros>,
    recording: Option<Recording>,
    /// When there was something to play first.
    opened: Option<Micros>,
    /// Bytes in memory.
    bytes: u64,
    next_publisher: u64,
}

#[derive(Debug)]
struct Entry {
    rendition: Rendition,
    editions: Editions,
    publisher: Option<u64>,
    /// When the last publisher left.
    left: Micros,
}

/// A stream, for lists of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Where its multivariant playlist is.
    pub url: String,
    /// Whether it goes on.
    pub live: bool,
    /// Whether somebody publishes it now.
    pub publishing: bool,
    /// The target duration of its parts in seconds, if it has parts.
    pub part_target: Option<f64>,
    /// Its renditions.
    pub renditions: Vec<String>,
}

impl Stream {
    pub(super) fn new(
        name: String,
        run: u64,
        settings: Arc<Settings>,
        counters: Arc<Counters>,
        recording: Option<Recording>,
    ) -> Self {
        let segment = settings.media.segment.as_micros().max(1);
        // A whole multiple of the segments, so that the first one is not a short one.
        let start = LEAD.as_micros().div_ceil(segment).saturating_mul(segment);
        let line = Timeline::new(Micros::try_from(start).unwrap_or(0), now());
        let state = State {
            shared: Shared { line, targets: None },
            renditions: BTreeMap::new(),
            ended: None,
            recording,
            opened: None,
            bytes: 0,
            next_publisher: 0,
        };
        Self { name, run, settings, counters, over: CancellationToken::new(), state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a publisher of a rendition in, and gives its number.
    pub(super) fn enter(&self, rendition: &str) -> Result<u64, Refused> {
        let mut state = self.lock();
        if state.ended.is_some() {
            return Err(Refused::Leaving);
        }
        let full = state.renditions.len() >= self.settings.limits.renditions;
        state.next_publisher += 1;
        let number = state.next_publisher;
        match state.renditions.get_mut(rendition) {
            Some(entry) if entry.publisher.is_some() => Err(Refused::Taken(self.full_name(rendition))),
            Some(entry) => {
                entry.publisher = Some(number);
                Ok(number)
            }
            None if full => Err(Refused::Full),
            None => {
                let entry = Entry {
                    rendition: Rendition::new(self.run, self.settings.media),
                    editions: watch::Sender::new(None),
                    publisher: Some(number),
                    left: 0,
                };
                state.renditions.insert(rendition.to_owned(), entry);
                Ok(number)
            }
        }
    }

    fn full_name(&self, rendition: &str) -> String {
        format!("{}/{rendition}", self.name)
    }

    /// Cuts in what comes next of a rendition. How long its publisher should wait before it says more.
    pub(super) fn push(&self, rendition: &str, publisher: u64, feed: Feed) -> Result<Duration, Ended> {
        let now = now();
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.ended.is_some() {
            return Err(Ended::Stream);
        }
        let entry = state.renditions.get_mut(rendition).filter(|entry| entry.publisher == Some(publisher));
        let entry = entry.ok_or(Ended::Stream)?;
        if let Feed::Sample { data, .. } = &feed {
            self.counters.samples.fetch_add(1, Ordering::Relaxed);
            self.counters.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        let change = entry.rendition.push(feed, now, &mut state.shared)?;
        let ahead = entry.rendition.ahead(now, &state.shared);
        self.changed(state, rendition, change);
        self.fit(state, now)?;
        let most = Micros::try_from(self.settings.limits.ahead.as_micros()).unwrap_or(Micros::MAX);
        Ok(Duration::from_micros(u64::try_from(ahead.saturating_sub(most)).unwrap_or(0)))
    }

    /// A publisher has left; for good if it has said so.
    pub(super) fn leave(&self, rendition: &str, publisher: u64, complete: bool) {
        let now = now();
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(entry) = state.renditions.get_mut(rendition) else { return };
        if entry.publisher != Some(publisher) {
            return;
        }
        (entry.publisher, entry.left) = (None, now);
        let change = entry.rendition.pause(now, &mut state.shared);
        self.changed(state, rendition, change);
        if complete && state.renditions.values().all(|entry| entry.publisher.is_none()) {
            self.finish(state, now);
        }
    }

    /// Cancelled when the stream has ended.
    pub(super) fn over(&self) -> CancellationToken {
        self.over.clone()
    }

    /// Ends the stream, whoever publishes it.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        self.finish(&mut state, now());
    }

    fn finish(&self, state: &mut State, now: Micros) {
        if state.ended.is_some() {
            return;
        }
        let names: Vec<String> = state.renditions.keys().cloned().collect();
        for name in &names {
            if let Some(entry) = state.renditions.get_mut(name) {
                let change = entry.rendition.finish(now, &mut state.shared);
                self.changed(state, name, change);
            }
        }
        // What others report is gone from playlists that have ended.
        state.ended = Some(now);
        self.over.cancel();
        let multivariant = self.multivariant_of(state);
        if let Some(recording) = state.recording.take() {
            recording.finish(multivariant);
        }
        let counts = state.renditions.values().map(|entry| entry.rendition.counts());
        let (mended, dropped) =
            counts.fold((0, 0), |sum, (counts, _)| (sum.0 + counts.mended, sum.1 + counts.dropped));
        tracing::info!(stream = self.name, mended, dropped, "the stream has ended");
    }

    /// Looks at the clock. False when the stream can be forgotten.
    pub(super) fn idle(&self) -> bool {
        let now = now();
        let micros = |span: Duration| Micros::try_from(span.as_micros()).unwrap_or(Micros::MAX);
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some(ended) = state.ended {
            let playable = state.renditions.values().any(|entry| entry.rendition.window().is_some());
            return playable && now.saturating_sub(ended) < micros(self.settings.linger);
        }
        let names: Vec<String> = state.renditions.keys().cloned().collect();
        for name in &names {
            let Some(entry) = state.renditions.get_mut(name) else { continue };
            let before = entry.rendition.counts().1;
            let change = entry.rendition.idle(now, &mut state.shared);
            let gaps = entry.rendition.counts().1 - before;
            if gaps > 0 && before == 0 {
                tracing::warn!(
                    stream = self.name,
                    rendition = name,
                    "nothing comes: its time is marked as a gap"
                );
            }
            self.counters.gaps.fetch_add(gaps, Ordering::Relaxed);
            self.changed(state, name, change);
        }
        let wait = |entry: &Entry| match (entry.publisher, entry.rendition.window()) {
            (Some(_), _) => Micros::MAX,
            // Nobody has seen it yet.
            (None, None) => 0,
            (None, Some(_)) => micros(self.settings.reconnect),
        };
        let gone = |entry: &Entry| now.saturating_sub(entry.left) >= wait(entry);
        if state.renditions.values().all(gone) {
            self.finish(state, now);
        }
        true
    }

    /// Tells viewers and the recording what has changed in a rendition.
    fn changed(&self, state: &mut State, name: &str, change: Change) {
        self.counters.segments.fetch_add(change.complete.len() as u64, Ordering::Relaxed);
        let Some(window) = state.renditions.get(name).and_then(|entry| entry.rendition.window()) else {
            return;
        };
        for complete in change.complete {
            let uri = complete.segment.map.as_ref().map_or("", |map| map.uri.as_str());
            let init = Name::read(uri, self.run).and_then(|init| window.resource(init));
            if let Some(recording) = &mut state.recording {
                recording.segment(name, complete, init);
            }
        }
        if change.playlist && window.is_playable() {
            state.opened.get_or_insert_with(now);
            let others = state.renditions.iter().filter(|(other, _)| *other != name);
            let reports = others.filter_map(|(other, entry)| {
                let (last_msn, last_part) = entry.rendition.window()?.last()?;
                Some(RenditionReport { uri: format!("../{other}/{PLAYLIST}"), last_msn, last_part })
            });
            let edition = Arc::new(Edition::write(window, reports.collect()));
            if let Some(entry) = state.renditions.get(name) {
                entry.editions.send_replace(Some(edition));
            }
        }
    }

    /// Keeps all streams together within their memory.
    fn fit(&self, state: &mut State, now: Micros) -> Result<(), Ended> {
        self.count(state);
        let most = self.settings.limits.bytes;
        let excess = self.counters.memory.load(Ordering::Relaxed).saturating_sub(most);
        if excess == 0 {
            return Ok(());
        }
        if self.give(state, excess, now) == 0 { Ok(()) } else { Err(Ended::Memory(most)) }
    }

    /// Gives memory back: windows become shorter. How much of it could not be given.
    fn give(&self, state: &mut State, bytes: u64, now: Micros) -> u64 {
        let mut left = bytes;
        for entry in state.renditions.values_mut() {
            let Some(window) = entry.rendition.window_mut() else { continue };
            let before = window.bytes();
            window.shrink(before.saturating_sub(left), now);
            left = left.saturating_sub(before - window.bytes());
        }
        self.count(state);
        left
    }

    /// Gives so much memory back for the others, if it can. How much it could not.
    pub(super) fn shrink(&self, bytes: u64) -> u64 {
        self.give(&mut self.lock(), bytes, now())
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    fn count(&self, state: &mut State) {
        let bytes = state.renditions.values().map(|entry| entry.rendition.bytes()).sum();
        self.counters.memory.fetch_add(bytes, Ordering::Relaxed);
        self.counters.memory.fetch_sub(std::mem::replace(&mut state.bytes, bytes), Ordering::Relaxed);
    }

    /// What tells of a rendition's editions.
    pub(super) fn editions(&self, rendition: &str) -> Option<watch::Receiver<Newest>> {
        Some(self.lock().renditions.get(rendition)?.editions.subscribe())
    }

    /// The bytes of something of a rendition.
    pub(super) fn resource(&self, rendition: &str, name: Name) -> Option<Bytes> {
        self.lock().renditions.get(rendition)?.rendition.window()?.resource(name)
    }

    /// The multivariant playlist; `None` before there is anything to play.
    pub(super) fn multivariant(&self) -> Option<String> {
        let state = self.lock();
        if !is_gathered(&state, now()) {
            return None;
        }
        let playlist = self.multivariant_of(&state);
        (!playlist.variants.is_empty()).then(|| playlist.write())
    }

    fn multivariant_of(&self, state: &State) -> MultivariantPlaylist {
        let rungs: Vec<Rung<'_>> = state
            .renditions
            .iter()
            .filter_map(|(name, entry)| {
                let window = entry.rendition.window().filter(|window| window.is_playable())?;
                let (peak, average) = entry.rendition.rates();
                Some(Rung {
                    name,
                    uri: format!("{name}/{PLAYLIST}"),
                    about: entry.rendition.about(),
                    independent: window.independent(),
                    peak,
                    average,
                })
            })
            .collect();
        multivariant(&rungs)
    }

    /// What it is; `None` before there is anything to play.
    pub(super) fn listed(&self, base: &str) -> Option<Listed> {
        let state = self.lock();
        let playable = |entry: &Entry| entry.rendition.window().is_some_and(Window::is_playable);
        let names =
            state.renditions.iter().filter(|(_, entry)| playable(entry)).map(|(name, _)| name.clone());
        let renditions: Vec<String> = names.collect();
        (!renditions.is_empty() && is_gathered(&state, now())).then(|| Listed {
            name: self.name.clone(),
            url: format!("{base}/{}/{MULTIVARIANT}", self.name),
            live: state.ended.is_none(),
            publishing: state.renditions.values().any(|entry| entry.publisher.is_some()),
            part_target: state.shared.targets.and_then(|targets| targets.part).map(|part| part.as_secs_f64()),
            renditions,
        })
    }

    /// How many publish it.
    pub(super) fn publishers(&self) -> u64 {
        self.lock().renditions.values().filter(|entry| entry.publisher.is_some()).count() as u64
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended.is_some()
    }
}

/// Whether there is something to play of all renditions that are being published, or those have had their time. Players ask for
/// the multivariant playlist once: a rendition that they do not find in it they never know.
fn is_gathered(state: &State, now: Micros) -> bool {
    let waits = |entry: &Entry| {
        entry.publisher.is_some() && !entry.rendition.window().is_some_and(Window::is_playable)
    };
    let opened = state.opened.unwrap_or(now);
    now.saturating_sub(opened) >= GATHER || state.ended.is_some() || !state.renditions.values().any(waits)
}

impl Drop for Stream {
    fn drop(&mut self) {
        let bytes = self.lock().bytes;
        self.counters.memory.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The name of a media playlist.
pub(super) const PLAYLIST: &str = "playlist.m3u8";

/// The name of a multivariant playlist.
pub(super) const MULTIVARIANT: &str = "index.m3u8";

/// Microseconds since 1970.
pub(super) fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
}
