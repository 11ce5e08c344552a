//! Which of a torrent's trackers hears of what, and when (BEP 12).
//!
//! Trackers come in tiers. Each tier is shuffled once, tried in order, and who answers comes to its front. Trackers
//! of which one is enough are a *group*: all of them, those of a tier, or each alone ([`Reach`]). A group is due at a
//! time; then its trackers are tried in order until one answers, which says when it is due again. Who fails is left
//! alone for a while, longer each time. Nothing is sent here: [`Tiers::poll`] says who is to be announced to, and
//! what came of it is told by [`Tiers::answered`] and [`Tiers::failed`].
//!
//! A hybrid torrent has two swarms, and a [`Tiers`] for each. A private torrent has [`Reach::First`] (BEP 27).

mod settings;
mod tracker;

use std::time::{Duration, Instant};

pub use self::settings::{Reach, Settings};
use self::tracker::{Asking, Tracker};
pub use self::tracker::{State, Status};
use super::{Event, Reply, Retry, TrackerError, Url};
use crate::proto::bittorrent::random::Random;

/// Trackers of a torrent that are used, the first ones.
pub const MAX_TRACKERS: usize = 256;

/// Names an announce that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    tracker: usize,
    number: u64,
}

/// An announce that is to be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// To be given back with what came of it.
    pub attempt: Attempt,
    /// Whom to ask.
    pub url: Url,
    /// What to say.
    pub event: Option<Event>,
    /// What the tracker wants to see again.
    pub tracker_id: Option<Vec<u8>>,
}

/// The trackers of a torrent.
#[derive(Debug)]
pub struct Tiers {
    settings: Settings,
    /// In the order in which they were given.
    trackers: Vec<Tracker>,
    /// In the order in which they are tried: tier by tier.
    order: Vec<usize>,
    /// When each group is due.
    due: Vec<Instant>,
    /// Since when it is over.
    stopped: Option<Instant>,
    paused: bool,
    last: u64,
    random: Random,
}

impl Tiers {
    /// Trackers that are all to be told that we have come. One that comes twice counts once. `seed` decides in which
    /// order those of a tier are tried, and how announces are spread.
    #[must_use]
    pub fn new(tiers: Vec<Vec<Url>>, settings: Settings, now: Instant, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut trackers: Vec<Tracker> = Vec::new();
        let mut order = Vec::new();
        for (tier, urls) in tiers.into_iter().enumerate() {
            let first = trackers.len();
            for url in urls {
                let known = trackers.iter().any(|tracker| tracker.url == url);
                if !known && trackers.len() < MAX_TRACKERS {
                    let group = match settings.reach {
                        Reach::First => 0,
                        Reach::EachTier => tier.min(MAX_TRACKERS),
                        Reach::All => trackers.len(),
                    };
                    trackers.push(Tracker::new(url, tier, group, now));
                }
            }
            let mut shuffled: Vec<usize> = (first..trackers.len()).collect();
            for left in (1..shuffled.len()).rev() {
                // There are 256 at most.
                shuffled.swap(left, random.below(left as u32 + 1) as usize);
            }
            order.extend(shuffled);
        }
        let groups = trackers.iter().map(|tracker| tracker.group + 1).max().unwrap_or_default();
        let due = vec![now; groups];
        Self { settings, trackers, order, due, stopped: None, paused: false, last: 0, random }
    }

    /// The next announce that is to be made now. To be called until there is none, after each of the others.
    pub fn poll(&mut self, now: Instant) -> Option<Due> {
        if self.stopped.is_some() {
            let tracker =
                self.trackers.iter_mut().position(|tracker| std::mem::take(&mut tracker.owes_stop))?;
            return Some(self.ask(now, tracker, Some(Event::Stopped)));
        }
        let tracker = (0..self.due.len()).find_map(|group| self.chosen(group, now))?;
        let event = self.trackers[tracker].event(self.paused);
        Some(self.ask(now, tracker, event))
    }

    /// When [`poll`](Self::poll) has something to do, if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.stopped.is_some() {
            return self.stopped.filter(|_| self.trackers.iter().any(|tracker| tracker.owes_stop));
        }
        let group = |group: usize| {
            let mut earliest = self.due[group];
            let times = self.members(group).filter_map(move |tracker| match &tracker.asking {
                // Those behind it wait for it, for a while.
                Some(asking) => {
                    earliest = earliest.max(asking.since + self.settings.patience);
                    None
                }
                None => tracker.ready.map(|ready| ready.max(earliest)),
            });
            times.min()
        };
        (0..self.due.len()).filter_map(group).min()
    }

    /// A tracker has answered.
    pub fn answered(&mut self, now: Instant, attempt: Attempt, reply: &Reply) {
        let Some(asking) = self.end(attempt) else { return };
        let settings = self.settings;
        let bound = |time: Duration| time.max(settings.min_interval).min(settings.max_interval);
        let least = bound(reply.min_interval.unwrap_or_default());
        let interval = bound(reply.interval.unwrap_or(settings.interval)).max(least);
        // Not all at once, after everybody has lost a tracker that comes back.
        let spread = (interval / 16).min(Duration::from_secs(60));
        let ready = now + interval + self.part(spread);
        let tracker = &mut self.trackers[attempt.tracker];
        tracker.answered(now, asking.event, reply);
        tracker.earliest = now + least;
        // Something may have happened while it was told of something else.
        let ready = if tracker.owes.is_some() { now } else { ready };
        tracker.ready = Some(ready);
        let (tier, group) = (tracker.tier, tracker.group);
        self.due[group] = ready;
        self.promote(attempt.tracker, tier);
    }

    /// A tracker has not answered, or has refused.
    pub fn failed(&mut self, now: Instant, attempt: Attempt, error: TrackerError) {
        if self.end(attempt).is_none() {
            return;
        }
        let settings = self.settings;
        let fails = self.trackers[attempt.tracker].fails;
        let wait =
            settings.first_backoff.saturating_mul(2u32.saturating_pow(fails)).min(settings.max_backoff);
        let wait = wait + self.part(wait / 4);
        let ready = match error.retry() {
            Some(Retry::Never) => None,
            Some(Retry::After(time)) => Some(now + wait.max(time.min(settings.max_interval))),
            None => Some(now + wait),
        };
        let tracker = &mut self.trackers[attempt.tracker];
        tracker.fails = fails.saturating_add(1);
        tracker.error = Some(error);
        tracker.ready = ready;
        tracker.earliest = now + settings.first_backoff;
    }

    /// The torrent has got its last byte: who knows us is told.
    pub fn complete(&mut self, now: Instant) {
        self.owe(now, Event::Completed);
    }

    /// Whether nothing more is wanted though something is missing: who knows us is told, and told again each time as long as it is so (BEP 21).
    pub fn pause(&mut self, now: Instant, paused: bool) {
        if paused && !self.paused {
            self.owe(now, Event::Paused);
        } else if !paused {
            let owing = self.trackers.iter_mut().filter(|tracker| tracker.owes == Some(Event::Paused));
            owing.for_each(|tracker| tracker.owes = None);
        }
        self.paused = paused;
    }

    /// Who knows us is told as soon as possible.
    fn owe(&mut self, now: Instant, event: Event) {
        for tracker in &mut self.trackers {
            let starts = tracker.asking.is_some_and(|asking| asking.event == Some(Event::Started));
            if !tracker.started && !starts {
                continue;
            }
            tracker.owes = Some(event);
            if tracker.fails == 0 && tracker.asking.is_none() {
                tracker.ready = Some(now);
                self.due[tracker.group] = now;
            }
        }
    }

    /// More peers are wanted, or somebody wants it: announces as soon as each tracker allows.
    pub fn reannounce(&mut self, now: Instant) {
        for tracker in &mut self.trackers {
            // Who has said "never" is not asked again.
            tracker.ready = tracker.ready.map(|_| tracker.earliest.max(now));
        }
        self.due.fill(now);
    }

    /// It is over: all that know us, or may, are told so once. What was under way does not matter any more.
    pub fn stop(&mut self, now: Instant) {
        if self.stopped.is_some() {
            return;
        }
        self.stopped = Some(now);
        for tracker in &mut self.trackers {
            tracker.owes_stop = tracker.started || tracker.asking.is_some();
            tracker.asking = None;
        }
    }

    /// Whether it is over, and everybody was told, or has failed.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        let told = |tracker: &Tracker| !tracker.owes_stop && tracker.asking.is_none();
        self.stopped.is_some() && self.trackers.iter().all(told)
    }

    /// It begins again after it was over.
    pub fn start(&mut self, now: Instant) {
        if self.stopped.take().is_none() {
            return;
        }
        for tracker in &mut self.trackers {
            tracker.begin(now);
        }
        self.due.fill(now);
    }

    /// What there is to say of each tracker, in the order in which they are tried.
    pub fn status(&self) -> impl Iterator<Item = Status<'_>> {
        self.order.iter().map(|tracker| {
            let tracker = &self.trackers[*tracker];
            let next = tracker.ready.map(|ready| ready.max(self.due[tracker.group]));
            tracker.status(next.filter(|_| self.stopped.is_none()))
        })
    }

    /// The trackers of a group, in order.
    fn members(&self, group: usize) -> impl Iterator<Item = &Tracker> {
        let all = self.order.iter().map(|tracker| &self.trackers[*tracker]);
        all.filter(move |tracker| tracker.group == group)
    }

    /// The tracker of a group that is to be asked now.
    fn chosen(&self, group: usize, now: Instant) -> Option<usize> {
        if now < self.due[group] {
            return None;
        }
        for index in self.order.iter().filter(|tracker| self.trackers[**tracker].group == group) {
            let tracker = &self.trackers[*index];
            match &tracker.asking {
                Some(asking) if now < asking.since + self.settings.patience => return None,
                Some(_) => {}
                None if tracker.ready.is_some_and(|ready| ready <= now) => return Some(*index),
                None => {}
            }
        }
        None
    }

    fn ask(&mut self, now: Instant, tracker: usize, event: Option<Event>) -> Due {
        self.last += 1;
        let attempt = Attempt { tracker, number: self.last };
        let tracker = &mut self.trackers[tracker];
        tracker.asking = Some(Asking { number: attempt.number, since: now, event });
        Due { attempt, url: tracker.url.clone(), event, tracker_id: tracker.tracker_id.clone() }
    }

    /// An attempt is over, if it still matters.
    fn end(&mut self, attempt: Attempt) -> Option<Asking> {
        let tracker = self.trackers.get_mut(attempt.tracker)?;
        tracker.asking.take_if(|asking| asking.number == attempt.number)
    }

    /// Who has answered is tried first in its tier.
    fn promote(&mut self, index: usize, tier: usize) {
        let first = self.order.iter().position(|tracker| self.trackers[*tracker].tier == tier);
        let place = self.order.iter().position(|tracker| *tracker == index);
        if let (Some(first), Some(place)) = (first, place)
            && first < place
        {
            self.order[first..=place].rotate_right(1);
        }
    }

    /// Any part of a time.
    fn part(&mut self, time: Duration) -> Duration {
        let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        Duration::from_millis(self.random.below(millis.saturating_add(1)).into())
    }
}
