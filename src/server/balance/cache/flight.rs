//! Request collapsing: of concurrent requests for the same key, one goes to a backend and the others wait for it.
//!
//! The one that goes is the lead of a flight; the others watch its progress. Whatever happens to the lead (its client leaves, its backend fails), the
//! flight ends with it, and the others are notified. Their number and their waiting time are limited; when one has waited too long, nobody
//! waits for that flight any longer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::filling::Filling;
use super::key::Key;

/// How many requests may wait for one flight. More are forwarded: Varnish has no limit here, nginx the one of its connections.
pub(super) const MAX_FOLLOWERS: usize = 4096;

/// The progress of a flight.
#[derive(Clone, Debug)]
pub(super) enum Progress {
    /// The request was sent to a backend.
    Asked,
    /// Its response is arriving and can be read.
    Arriving(Arc<Filling>),
    /// The response is stored.
    Stored,
    /// The response cannot be stored: each request must be forwarded.
    Unstorable,
    /// It takes too long.
    Slow,
    /// The backend has failed.
    Failed,
    /// The lead was lost: another one may take over.
    Lost,
}

/// What identifies a flight: a key, and the request's values in the fields by which responses vary.
type FlightKey = (Key, Bytes);

/// The flights of a cache.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<FlightKey, Arc<watch::Sender<Progress>>>>);

/// The result of joining a flight.
#[derive(Debug)]
pub(super) enum Join {
    /// It is the lead.
    Lead(Lead),
    /// Another one is the lead.
    Follow(Follower),
    /// Too many are waiting.
    Full,
}

impl Flights {
    /// Joins the flight of a key, or begins it.
    pub(super) fn join(self: &Arc<Self>, key: FlightKey) -> Join {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(&key) {
            if flight.receiver_count() >= MAX_FOLLOWERS {
                return Join::Full;
            }
            return Join::Follow(Follower { progress: flight.subscribe(), flight: Arc::clone(flight) });
        }
        let sender = Arc::new(watch::Sender::new(Progress::Asked));
        flights.insert(key.clone(), Arc::clone(&sender));
        Join::Lead(Lead { flights: Arc::clone(self), key, sender, ended: false })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FlightKey, Arc<watch::Sender<Progress>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lead of a flight. If it is dropped before the end, it counts as lost.
#[derive(Debug)]
pub(super) struct Lead {
    flights: Arc<Flights>,
    key: FlightKey,
    sender: Arc<watch::Sender<Progress>>,
    ended: bool,
}

impl Lead {
    /// Lets the others read the response. The flight goes on.
    pub(super) fn arriving(&self, filling: &Arc<Filling>) {
        self.sender.send_replace(Progress::Arriving(Arc::clone(filling)));
    }

    /// Whether others are waiting.
    pub(super) fn is_followed(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Ends the flight.
    pub(super) fn end(mut self, how: Progress) {
        self.finish(how);
    }

    fn finish(&mut self, how: Progress) {
        if !std::mem::replace(&mut self.ended, true) {
            // First those who come are sent elsewhere, then those who wait are told.
            self.flights.lock().remove(&self.key);
            self.sender.send_replace(how);
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.finish(Progress::Lost);
    }
}

/// A waiting request.
#[derive(Debug)]
pub(super) struct Follower {
    progress: watch::Receiver<Progress>,
    flight: Arc<watch::Sender<Progress>>,
}

impl Follower {
    /// Waits until the flight is further than [`Progress::Asked`]. When that takes too long, the flight is slow for all.
    pub(super) async fn wait(mut self, deadline: Instant) -> Progress {
        let further = self.progress.wait_for(|progress| !matches!(progress, Progress::Asked));
        match timeout_at(deadline, further).await {
            Ok(Ok(progress)) => progress.clone(),
            Ok(Err(_)) => Progress::Lost,
            Err(_) => {
                self.flight.send_if_modified(|progress| {
                    let waits = matches!(progress, Progress::Asked);
                    if waits {
                        *progress = Progress::Slow;
                    }
                    waits
                });
                Progress::Slow
            }
        }
    }
}
