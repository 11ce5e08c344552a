//! CMAF that is sent in pieces: one request for each segment or fragment of a track, as the DASH-IF Live Media Ingest Protocol has it (Interface-1, section 5), to
//! `/live/NAME/Streams(TRACK.cmfv)`.
//!
//! A [`Track`] is a publisher that stays from one request to the next. An encoder sends its initialization section before the first one and again whenever it likes; it sends a segment again whose request was
//! cut off, and what was heard of it before is passed over. One request that goes on as long as the track does is the same, with one piece.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep, timeout};

use super::Failed;
use super::container::Malformed;
use super::fragments::Fragments;
use super::http::{problem, refusal};
use crate::net::addr::PeerAddr;
use crate::proto::hls::live::feed::Feed;
use crate::proto::hls::mp4::Wrong;
use crate::proto::hls::track::Sample;
use crate::server::hls::live::stream::Ended;
use crate::server::hls::live::streams::{Publisher, Streams, WhoPublishes};
use crate::server::http::body::Body;
use crate::server::http::problem::Problem;

/// How long a request waits for another one that still sends the same track.
const BUSY: Duration = Duration::from_secs(5);

/// How much of the end of a request may be sent again by the next one, in seconds: a segment.
const REPEATED: i64 = 10;

/// The tracks that are sent in pieces, by the names of their renditions. A clone is another handle on the same ones.
#[derive(Clone, Debug, Default)]
pub(in crate::server::hls::live) struct Tracks(Arc<Mutex<BTreeMap<String, Arc<Track>>>>);

/// A track: one request at a time.
#[derive(Debug, Default)]
struct Track(Arc<AsyncMutex<State>>);

#[derive(Debug, Default)]
struct State {
    publisher: Option<Publisher>,
    fragments: Fragments,
    /// By the numbers of its tracks, the decode times from which and until which samples came with the last request.
    heard: BTreeMap<u32, (i64, i64)>,
    /// A request sends it. A connection that is lost takes its request with it, wherever that is.
    open: bool,
    used: Option<Instant>,
    /// It is no longer in the table.
    gone: bool,
}

impl Tracks {
    fn track(&self, name: &str) -> Arc<Track> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(table.entry(name.to_owned()).or_default())
    }

    /// Takes a track out of the table, and its publisher from its stream.
    fn forget(&self, name: &str, track: &Arc<Track>, state: &mut State) {
        (state.gone, state.publisher) = (true, None);
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(entry) = table.entry(name.to_owned())
            && Arc::ptr_eq(entry.get(), track)
        {
            entry.remove();
        }
    }

    /// The track of that name, when nobody else sends it.
    async fn enter(&self, name: &str) -> Result<(Arc<Track>, OwnedMutexGuard<State>), Problem> {
        loop {
            let track = self.track(name);
            let Ok(state) = timeout(BUSY, Arc::clone(&track.0).lock_owned()).await else {
                let detail = format!("another request still sends {name}");
                return Err(Problem::new(StatusCode::CONFLICT, detail));
            };
            if !state.gone {
                return Ok((track, state));
            }
        }
    }

    /// Takes the body of a request as the next piece of the track `name`. One without bytes asks whether it would be taken, and changes nothing.
    ///
    /// # Errors
    /// As for whole feeds, and 412 when the initialization section has not come yet.
    pub(super) async fn take(
        &self,
        streams: &Streams,
        name: &str,
        peer: PeerAddr,
        body: &mut Body,
    ) -> Result<(), Problem> {
        let first = loop {
            match body.data().await {
                None => return Ok(()),
                Some(bytes) => {
                    let bytes = bytes?;
                    if !bytes.is_empty() {
                        break bytes;
                    }
                }
            }
        };
        let (track, mut state) = self.enter(name).await?;
        if state.publisher.is_none() {
            let who = WhoPublishes { by: "http", peer: Some(peer) };
            match streams.publish(name, who) {
                Ok(publisher) => {
                    self.watch(streams, name, &track, &publisher);
                    state.publisher = Some(publisher);
                }
                Err(refused) => {
                    self.forget(name, &track, &mut state);
                    return Err(refusal(&refused));
                }
            }
        }
        if std::mem::replace(&mut state.open, true) {
            state.fragments.resume();
        }
        let before = std::mem::take(&mut state.heard);
        let mut next = Ok(first);
        let taken = loop {
            match next {
                Ok(bytes) => {
                    if let Err(failed) = state.take(&bytes, &before).await {
                        self.forget(name, &track, &mut state);
                        return Err(failed);
                    }
                }
                Err(lost) => break Err(lost),
            }
            let over = state.publisher.as_ref().map(Publisher::over);
            let Some(over) = over else { break Ok(()) };
            next = tokio::select! {
                biased;
                () = async { tokio::select! { () = streams.stopping() => {} () = over => {} } } => {
                    self.forget(name, &track, &mut state);
                    return Err(problem(Ended::Stream.into()));
                }
                bytes = body.data() => match bytes {
                    None => break state.fragments.end().map_err(|cut| problem(cut.into())),
                    Some(bytes) => bytes.map_err(Problem::from),
                },
            };
        };
        state.open = false;
        // An initialization section alone is no other piece.
        if state.heard.is_empty() {
            state.heard = before;
        }
        if taken.is_err() {
            // It sends the piece again, which begins with a whole box.
            state.fragments.resume();
        } else if state.fragments.is_last() {
            if let Some(publisher) = state.publisher.take() {
                publisher.finish();
            }
            self.forget(name, &track, &mut state);
        }
        taken
    }

    /// Forgets the track when its stream has ended, or nothing has come for too long.
    fn watch(&self, streams: &Streams, name: &str, track: &Arc<Track>, publisher: &Publisher) {
        let (table, name, track) = (self.clone(), name.to_owned(), Arc::clone(track));
        let (silence, over) = (streams.settings().limits.silence, publisher.over());
        tokio::spawn(async move {
            let mut over = std::pin::pin!(over);
            let mut wait = silence;
            loop {
                tokio::select! {
                    () = &mut over => break,
                    () = sleep(wait) => {}
                }
                // One that is being sent is not silent: connections have a limit of their own.
                wait = match track.0.try_lock() {
                    Err(_) => silence,
                    Ok(state) if state.gone => return,
                    Ok(state) => {
                        silence.saturating_sub(state.used.map_or(Duration::ZERO, |used| used.elapsed()))
                    }
                };
                if wait.is_zero() {
                    break;
                }
            }
            let mut state = track.0.lock().await;
            table.forget(&name, &track, &mut state);
        });
    }
}

impl State {
    /// Feeds bytes. What is in them and was heard with the request `before` is passed over.
    async fn take(&mut self, bytes: &[u8], before: &BTreeMap<u32, (i64, i64)>) -> Result<(), Problem> {
        self.used = Some(Instant::now());
        self.fragments.push(bytes);
        loop {
            let feed = self.fragments.poll().map_err(|fault| match fault.wrong {
                Wrong::NotMp4(_) => problem(Malformed::Unknown.into()),
                Wrong::Missing { .. } if !self.fragments.has_begun() => {
                    let detail = "the initialization section has to come first";
                    Problem::new(StatusCode::PRECONDITION_FAILED, detail)
                }
                _ => problem(Malformed::from(fault).into()),
            })?;
            let Some(feed) = feed else { return Ok(()) };
            if let Feed::Sample { track, sample, .. } = &feed
                && self.is_repeated(*track, sample, before)
            {
                continue;
            }
            let Some(publisher) = &mut self.publisher else { return Err(problem(Ended::Stream.into())) };
            publisher.feed(feed).await.map_err(|ended| problem(Failed::from(ended)))?;
        }
    }

    /// Whether a sample came with the request before this one. Notes that it has come.
    fn is_repeated(&mut self, track: u32, sample: &Sample, before: &BTreeMap<u32, (i64, i64)>) -> bool {
        let most = self.fragments.ticks(track).saturating_mul(REPEATED);
        let (first, last) = self.heard.entry(track).or_insert((sample.dts, sample.dts));
        *last = sample.dts.max(*last);
        *first = (*first).max(last.saturating_sub(most));
        before.get(&track).is_some_and(|(first, last)| (*first..=*last).contains(&sample.dts))
    }
}
