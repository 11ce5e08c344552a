//! Seeing to it that torrents are as they are wanted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Local;

use super::entry::{Entry, Errand, Life, Rates};
use super::queue::{Candidate, running};
use super::record;
use super::store::Change;
use super::{Daemon, State};
use crate::net::drain::Drain;
use crate::proto::bittorrent::hash::Sha1;
use crate::server::share::client::Handle;

/// Between two looks.
const TICK: Duration = Duration::from_secs(1);

/// Looking takes a tenth of the time at most: where thousands of torrents begin, many of them are looked at together.
const REST: u32 = 9;

/// How long it rests at most.
const LONGEST_REST: Duration = Duration::from_millis(500);

/// Between two times that what is there of a torrent is kept, as long as pieces come.
const KEEP: Duration = Duration::from_secs(10);

/// What is to be done, outside of the lock.
pub(super) enum Action {
    /// What is there of it is not known yet.
    Look(Sha1),
    Start(Sha1),
    Stop(Sha1, Handle),
    Do(Sha1, Errand),
    /// What is there of it is kept.
    Keep(Sha1, Handle),
}

impl Daemon {
    /// Sees to the torrents until the drain begins; then all of them are stopped, and what is there of them is kept.
    pub(in crate::server::share) async fn run(self, drain: Drain) {
        let mut at = tokio::time::interval(TICK);
        at.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let ticked = tokio::select! {
                _ = at.tick() => true,
                () = self.0.changed.notified() => false,
                () = drain.stopping() => break,
            };
            let begun = Instant::now();
            self.look(ticked).await;
            tokio::time::sleep((begun.elapsed() * REST).min(LONGEST_REST)).await;
        }
        self.end().await;
    }

    async fn look(&self, ticked: bool) {
        let (actions, limits) = {
            let mut state = self.state();
            if ticked {
                state.tick();
            }
            (state.decide(), state.settings.limits(Local::now().naive_local()))
        };
        self.0.client.limit(limits.0, limits.1);
        for action in actions {
            let daemon = self.clone();
            tokio::spawn(async move {
                match action {
                    Action::Look(id) => daemon.look_at(id).await,
                    Action::Start(id) => daemon.start(id).await,
                    Action::Stop(id, handle) => daemon.stop(id, handle).await,
                    Action::Do(id, errand) => daemon.carry_out(id, errand).await,
                    Action::Keep(id, handle) => daemon.keep_pieces(id, &handle).await,
                }
                daemon.0.changed.notify_one();
            });
        }
        self.keep_changes().await;
    }

    async fn keep_changes(&self) {
        let changes = std::mem::take(&mut self.state().changes);
        if !changes.is_empty()
            && let Err(error) = self.keep(changes).await
        {
            tracing::error!(%error, "the state of the daemon cannot be kept");
        }
    }

    async fn end(&self) {
        let handles: Vec<(Sha1, Handle)> = {
            let state = self.state();
            state.entries.values().filter_map(|entry| Some((entry.id, entry.handle()?.clone()))).collect()
        };
        // All of them say goodbye to their trackers at the same time.
        let stops = handles.into_iter().map(|(id, handle)| self.stop(id, handle));
        futures_util::future::join_all(stops).await;
        self.keep_changes().await;
        self.0.client.stop().await;
    }
}

impl State {
    /// A second has gone by.
    fn tick(&mut self) {
        let now = Instant::now();
        let (mut down, mut up) = (0.0, 0.0);
        let mut changed = Vec::new();
        let settings = &self.settings;
        for entry in self.entries.values_mut() {
            let Some(handle) = entry.handle() else {
                entry.rates = Rates::default();
                continue;
            };
            let progress = handle.progress();
            if let Some(error) = handle.failure() {
                // It is told when it has stopped.
                tracing::warn!(torrent = %entry.id, %error, "paused");
            }
            if entry.rates.tick(&progress) {
                entry.moved = now;
            }
            down += entry.rates.down;
            up += entry.rates.up;
            if entry.metainfo.is_none() || progress.pieces.1 == 0 {
                continue;
            }
            // Small ones come between two looks.
            entry.fetched |= progress.missing > 0 || progress.downloaded > 0;
            if progress.missing == 0 && entry.record.completed.is_none() {
                entry.record.completed = Some(record::now());
                entry.moved = now;
                changed.push(entry.id);
                let to = settings.complete.clone().filter(|to| entry.fetched && *to != entry.record.folder);
                entry.errands.extend(to.map(Errand::Move));
            }
            if progress.missing == 0 && entry.has_given_enough(settings.ratio, settings.idle, now) {
                entry.record.paused = true;
                changed.push(entry.id);
            }
        }
        self.history.add(down as u64, up as u64);
        self.removed.retain(|(_, at)| now.saturating_duration_since(*at) < Duration::from_secs(60));
        changed.into_iter().for_each(|id| self.changed(id));
    }

    /// What is to be done now.
    fn decide(&mut self) -> Vec<Action> {
        let now = Instant::now();
        let wanted = self.entries.values().filter(|entry| {
            !entry.record.paused && entry.errands.is_empty() && !matches!(entry.life, Life::Failed(_))
        });
        // Whether one is to be fetched is not known until it was looked at.
        let candidates = wanted.filter(|entry| !entry.is_unknown()).map(|entry| Candidate {
            id: entry.id,
            position: entry.record.position,
            complete: entry.is_complete(),
        });
        let runs = running(candidates.collect(), self.settings.downloads, self.settings.seeds);
        let runs: BTreeSet<Sha1> = runs.into_iter().collect();
        let mut actions = Vec::new();
        for entry in self.entries.values_mut() {
            actions.extend(entry.decide(runs.contains(&entry.id), now));
        }
        actions
    }
}

impl Entry {
    /// What is to be done with it now.
    fn decide(&mut self, runs: bool, now: Instant) -> Option<Action> {
        match &self.life {
            Life::Idle => {
                if let Some(errand) = self.errands.pop_front() {
                    self.life = Life::Busy;
                    return Some(Action::Do(self.id, errand));
                }
                let unknown = self.is_unknown() && !self.record.paused;
                if !runs && !unknown {
                    return None;
                }
                self.life = Life::Checking(Arc::default());
                if unknown {
                    return Some(Action::Look(self.id));
                }
                self.rates = Rates::default();
                self.moved = now;
                Some(Action::Start(self.id))
            }
            Life::Running(handle) => {
                let handle = handle.clone();
                if !runs || handle.failure().is_some() {
                    self.life = Life::Stopping(handle.clone());
                    return Some(Action::Stop(self.id, handle));
                }
                let all = self.layout().map(|layout| layout.pieces());
                if now < self.kept.1 + KEEP || all == Some(self.kept.0) {
                    return None;
                }
                let have = handle.progress().pieces.0;
                (have != self.kept.0).then(|| {
                    self.kept = (have, now);
                    Action::Keep(self.id, handle)
                })
            }
            // An errand of one that has failed is done all the same.
            Life::Failed(_) => {
                let errand = self.errands.pop_front()?;
                self.life = Life::Busy;
                Some(Action::Do(self.id, errand))
            }
            Life::Checking(_) | Life::Stopping(_) | Life::Busy => None,
        }
    }

    /// Whether a complete torrent has been shared for long enough.
    fn has_given_enough(&self, ratio: Option<f64>, idle: Option<u64>, now: Instant) -> bool {
        let Some(layout) = self.layout() else { return false };
        let ratio = self.record.limits.ratio.or(ratio).filter(|ratio| *ratio > 0.0);
        let given = self.progress().uploaded as f64;
        let idle = self.record.limits.idle.or(idle).filter(|minutes| *minutes > 0);
        let still = now.saturating_duration_since(self.moved);
        ratio.is_some_and(|ratio| given >= ratio * layout.content().max(1) as f64)
            || idle.is_some_and(|minutes| still >= Duration::from_secs(minutes.saturating_mul(60)))
    }
}

/// What is kept of a torrent that has stopped.
pub(super) fn kept(id: Sha1, entry: &Entry) -> [Change; 2] {
    let resume = entry.resume.as_ref().map(super::Resume::to_bytes);
    [Change::Record(id, Box::new(entry.record.clone())), Change::Resume(id, resume)]
}
