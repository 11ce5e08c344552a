//! One live stream: its renditions, who publishes them, and what viewers get of them.
//!
//! All of it is behind one lock, which is held while a sample is cut in, and never across an await. Viewers that wait do so at the editions of a rendition.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;

use super::edition::{Edition, Editions, Newest};
use super::record::Recording;
use super::settings::Settings;
use super::streams::Refused;
use crate::proto::hls::live::clock::Clock;
use crate::proto::hls::live::eras::Eras;
use crate::proto::hls::live::feed::Feed;
use crate::proto::hls::live::ladder::{Rung, multivariant};
use crate::proto::hls::live::names::Name;
use crate::proto::hls::live::rendition::{Change, Rendition};
use crate::proto::hls::live::segmenter::Unusable;
use crate::proto::hls::live::timeline::{Micros, Timeline, micros};
use crate::proto::hls::live::window::Window;
use crate::proto::hls::live::{Contents, Shared};
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
    /// What its even clock counts from.
    since: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    clock: Clock,
    shared: Shared,
    /// The numbers at which renditions of the run before stopped.
    before: BTreeMap<String, u64>,
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

/// What a run leaves to the next one of its name, so that playlists go on counting (section 6.2.2).
#[derive(Clone, Debug, Default)]
pub(super) struct Heritage {
    /// Discontinuities, with the one between the runs.
    eras: u64,
    /// The number behind the last segment of each rendition.
    renditions: BTreeMap<String, u64>,
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
        before: Heritage,
    ) -> Self {
        let segment = settings.media.segment.as_micros().max(1);
        // A whole multiple of the segments, so that the first one is not a short one.
        let start = LEAD.as_micros().div_ceil(segment).saturating_mul(segment);
        let line = Timeline::new(Micros::try_from(start).unwrap_or(0), wall());
        let state = State {
            clock: Clock::new(wall(), Duration::ZERO),
            shared: Shared::new(line, Eras::behind(before.eras)),
            before: before.renditions,
            renditions: BTreeMap::new(),
            ended: None,
            recording,
            opened: None,
            bytes: 0,
            next_publisher: 0,
        };
        let (over, since) = (CancellationToken::new(), Instant::now());
        Self { name, run, settings, counters, over, since, state: Mutex::new(state) }
    }

    /// What the next run goes on from.
    pub(super) fn heritage(&self) -> Heritage {
        let state = self.lock();
        let count = state.shared.eras.count();
        let windows =
            state.renditions.iter().filter_map(|(name, entry)| Some((name, entry.rendition.window()?)));
        let seen: BTreeMap<_, _> = windows.map(|(name, window)| (name.clone(), window.next_msn())).collect();
        // One in which nothing was to be seen hands on what it was left.
        if seen.is_empty() {
            return Heritage { eras: count, renditions: state.before.clone() };
        }
        Heritage { eras: count + 1, renditions: seen }
    }

    /// What time it is on the clock of the stream.
    fn now(&self, state: &mut State) -> Micros {
        state.clock.read(wall(), self.since.elapsed())
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
        if !state.renditions.contains_key(rendition) {
            self.make_room(&mut state)?;
        }
        state.next_publisher += 1;
        let number = state.next_publisher;
        match state.renditions.get_mut(rendition) {
            Some(entry) if entry.publisher.is_some() => Err(Refused::Taken(self.full_name(rendition))),
            Some(entry) => {
                entry.publisher = Some(number);
                Ok(number)
            }
            None => {
                let media = self.settings.media;
                let before = state.before.get(rendition);
                let entry = Entry {
                    rendition: match before {
                        Some(msn) => Rendition::behind(self.run, media, *msn),
                        None => Rendition::new(self.run, media),
                    },
                    editions: watch::Sender::new(None),
                    publisher: Some(number),
                    left: 0,
                };
                state.renditions.insert(rendition.to_owned(), entry);
                Ok(number)
            }
        }
    }

    /// Makes room for another rendition: one that nobody has published for longer than is waited for is forgotten.
    fn make_room(&self, state: &mut State) -> Result<(), Refused> {
        if state.renditions.len() < self.settings.limits.renditions {
            return Ok(());
        }
        let now = self.now(state);
        let left = state.renditions.iter().filter(|(_, entry)| {
            entry.publisher.is_none() && now.saturating_sub(entry.left) >= micros(self.settings.reconnect)
        });
        let oldest = left.min_by_key(|(_, entry)| entry.left).map(|(name, _)| name.clone());
        state.renditions.remove(&oldest.ok_or(Refused::Full)?);
        self.count(state);
        Ok(())
    }

    fn full_name(&self, rendition: &str) -> String {
        format!("{}/{rendition}", self.name)
    }

    /// Cuts in what comes next of a rendition. How long its publisher should wait before it says more.
    pub(super) fn push(&self, rendition: &str, publisher: u64, feed: Feed) -> Result<Duration, Ended> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.ended.is_some() {
            return Err(Ended::Stream);
        }
        let now = self.now(state);
        let entry = state.renditions.get_mut(rendition).filter(|entry| entry.publisher == Some(publisher));
        let entry = entry.ok_or(Ended::Stream)?;
        if let Feed::Sample { data, .. } = &feed {
            self.counters.samples.fetch_add(1, Ordering::Relaxed);
            self.counters.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        let change = entry.rendition.push(feed, now, &mut state.shared)?;
        self.changed(state, rendition, change, now);
        self.fit(state, now)?;
        Ok(self.excess(state, rendition, now))
    }

    /// How long the publisher of a rendition should wait still.
    pub(super) fn wait(&self, rendition: &str) -> Duration {
        let mut state = self.lock();
        let now = self.now(&mut state);
        self.excess(&state, rendition, now)
    }

    fn excess(&self, state: &State, rendition: &str, now: Micros) -> Duration {
        let entry = state.renditions.get(rendition);
        let ahead = entry.map_or(0, |entry| entry.rendition.ahead(now, &state.shared));
        let excess = ahead.saturating_sub(micros(self.settings.limits.ahead));
        Duration::from_micros(u64::try_from(excess).unwrap_or(0))
    }

    /// A publisher has left; for good if it has said so.
    pub(super) fn leave(&self, rendition: &str, publisher: u64, complete: bool) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let now = self.now(state);
        let Some(entry) = state.renditions.get_mut(rendition) else { return };
        if entry.publisher != Some(publisher) {
            return;
        }
        (entry.publisher, entry.left) = (None, now);
        let last = complete || self.settings.reconnect.is_zero();
        if last && state.renditions.values().all(|entry| entry.publisher.is_none()) {
            return self.finish(state, now);
        }
        if let Some(entry) = state.renditions.get_mut(rendition) {
            let change = entry.rendition.pause(now, &mut state.shared);
            self.changed(state, rendition, change, now);
        }
    }

    /// Cancelled when the stream has ended.
    pub(super) fn over(&self) -> CancellationToken {
        self.over.clone()
    }

    /// Ends the stream, whoever publishes it.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        let now = self.now(&mut state);
        self.finish(&mut state, now);
    }

    fn finish(&self, state: &mut State, now: Micros) {
        if state.ended.is_some() {
            return;
        }
        let names: Vec<String> = state.renditions.keys().cloned().collect();
        for name in &names {
            if let Some(entry) = state.renditions.get_mut(name) {
                let change = entry.rendition.finish(now, &mut state.shared);
                self.changed(state, name, change, now);
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
        let mut guard = self.lock();
        let state = &mut *guard;
        let now = self.now(state);
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
            self.changed(state, name, change, now);
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
            return true;
        }
        // What nobody has seen, and nobody publishes, was a mistake.
        let before = state.renditions.len();
        state.renditions.retain(|_, entry| entry.publisher.is_some() || entry.rendition.window().is_some());
        if state.renditions.len() < before {
            self.count(state);
        }
        true
    }

    /// Tells viewers and the recording what has changed in a rendition.
    fn changed(&self, state: &mut State, name: &str, change: Change, now: Micros) {
        self.counters.segments.fetch_add(change.complete.len() as u64, Ordering::Relaxed);
        if let Some(mut recording) = state.recording.take() {
            for complete in change.complete {
                let uri = complete.segment.map.as_ref().map_or("", |map| map.uri.as_str());
                let window = state.renditions.get(name).and_then(|entry| entry.rendition.window());
                let init =
                    Name::read(uri, self.run).zip(window).and_then(|(init, window)| window.resource(init));
                recording.segment(name, complete, init, self.multivariant_of(state));
            }
            state.recording = Some(recording);
        }
        let Some(window) = state.renditions.get(name).and_then(|entry| entry.rendition.window()) else {
            return;
        };
        if change.playlist && window.is_playable() {
            state.opened.get_or_insert(now);
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
        let mut state = self.lock();
        let now = self.now(&mut state);
        self.give(&mut state, bytes, now)
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
        let mut state = self.lock();
        let now = self.now(&mut state);
        if !is_gathered(&state, now) {
            return None;
        }
        let playlist = self.multivariant_of(&state);
        (!playlist.variants.is_empty()).then(|| playlist.write())
    }

    fn multivariant_of(&self, state: &State) -> MultivariantPlaylist {
        let seen = state.renditions.iter().filter_map(|(name, entry)| {
            let window = entry.rendition.window().filter(|window| window.is_playable())?;
            Some((name, entry.rendition.about(), window.independent(), entry.rendition.rates()))
        });
        let seen: Vec<(&String, Contents, bool, (u64, u64))> = seen.collect();
        let rungs = seen.iter().map(|(name, about, independent, (peak, average))| Rung {
            name,
            uri: format!("{name}/{PLAYLIST}"),
            about,
            independent: *independent,
            peak: *peak,
            average: *average,
        });
        multivariant(&rungs.collect::<Vec<_>>())
    }

    /// What it is; `None` before there is anything to play.
    pub(super) fn listed(&self, base: &str) -> Option<Listed> {
        let mut state = self.lock();
        let now = self.now(&mut state);
        let playable = |entry: &Entry| entry.rendition.window().is_some_and(Window::is_playable);
        let names =
            state.renditions.iter().filter(|(_, entry)| playable(entry)).map(|(name, _)| name.clone());
        let renditions: Vec<String> = names.collect();
        (!renditions.is_empty() && is_gathered(&state, now)).then(|| Listed {
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

    /// Whether there was something to play.
    pub(super) fn was_seen(&self) -> bool {
        self.lock().opened.is_some()
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

/// Microseconds since 1970, by the clock on the wall.
pub(super) fn wall() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
}
