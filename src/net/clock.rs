//! One coarse clock a shard: deadlines without a timer a request, and the bell that ends all waiting.
//!
//! A connection holds one [`Timer`]. Setting it is one store: the timer stays filed where it was, and is filed anew only
//! when that time comes and its deadline has moved on, as a keep-alive connection's does with each request. One task
//! sleeps until the earliest file is due; when nothing is filed, nothing wakes. [`Clock::ring`] wakes every
//! connection at once, for a shutdown.
//!
//! Deadlines are met within one [`TICK`], never early.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How coarse the clock is.
pub const TICK: Duration = Duration::from_millis(100);

const TICKS_PER_SECOND: u64 = 10;

/// The tick of a timer that is not set, and of one that is not filed.
const NEVER: u64 = u64::MAX;

/// A clock. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    epoch: Instant,
    state: Mutex<State>,
    /// Something was filed before what the task sleeps for.
    sooner: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What is due, by tick.
    filed: BTreeMap<u64, Vec<Arc<Entry>>>,
    /// Every entry there is: as many as there ever were timers at once.
    all: Vec<Arc<Entry>>,
    /// Entries without a timer. They may still be filed; a new timer takes them over as they are.
    free: Vec<Arc<Entry>>,
    /// The tick that the task sleeps for; `None` when there is no task.
    sleeping: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    deadline: AtomicU64,
    /// The task of the clock found the deadline passed. A deadline that moved on in the same moment makes this a false
    /// alarm: [`Timer::poll`] looks at the time.
    passed: AtomicBool,
    /// Under which tick it is filed. Changed with the state locked only.
    filed: AtomicU64,
    waker: AtomicWaker,
}

/// One connection's deadline.
#[derive(Debug)]
pub struct Timer {
    clock: Clock,
    entry: Arc<Entry>,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A clock of the runtime it is made in.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared { epoch: Instant::now(), state: Mutex::default(), sooner: Notify::new() }))
    }

    /// A timer, not set.
    #[must_use]
    pub fn timer(&self) -> Timer {
        let mut state = self.lock();
        let entry = state.free.pop().unwrap_or_else(|| {
            let entry = Arc::new(Entry {
                deadline: AtomicU64::new(NEVER),
                passed: AtomicBool::new(false),
                filed: AtomicU64::new(NEVER),
                waker: AtomicWaker::new(),
            });
            state.all.push(Arc::clone(&entry));
            entry
        });
        entry.deadline.store(NEVER, Ordering::Relaxed);
        entry.passed.store(false, Ordering::Relaxed);
        drop(state);
        Timer { clock: self.clone(), entry }
    }

    /// Wakes every task that waits at a timer of this clock, whatever its deadline.
    pub fn ring(&self) {
        for entry in &self.lock().all {
            entry.waker.wake();
        }
    }

    /// Timers in use.
    #[must_use]
    pub fn timers(&self) -> usize {
        let state = self.lock();
        state.all.len() - state.free.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first tick that is not before `at`.
    fn tick(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.0.epoch);
        let within = since.subsec_nanos().div_ceil(TICK.subsec_nanos());
        since.as_secs() * TICKS_PER_SECOND + u64::from(within)
    }

    /// The last tick that has passed.
    fn now(&self) -> u64 {
        let since = self.0.epoch.elapsed();
        since.as_secs() * TICKS_PER_SECOND + u64::from(since.subsec_nanos() / TICK.subsec_nanos())
    }

    fn file(&self, entry: &Arc<Entry>, tick: u64) {
        let mut state = self.lock();
        state.file(entry, tick);
        match state.sleeping {
            None => {
                state.sleeping = Some(tick);
                drop(state);
                tokio::spawn(self.clone().run());
            }
            Some(sleeping) if tick < sleeping => self.0.sooner.notify_one(),
            Some(_) => {}
        }
    }

    /// Sleeps from file to file, until nothing is filed.
    async fn run(self) {
        while let Some(next) = self.turn() {
            let until = self.0.epoch + TICK * u32::try_from(next).unwrap_or(u32::MAX);
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                () = self.0.sooner.notified() => {}
            }
        }
    }

    /// Wakes whom the time has come for, files anew those whose deadline moved on, and says which tick is next.
    fn turn(&self) -> Option<u64> {
        let now = self.now();
        let mut state = self.lock();
        while let Some(due) = state.filed.first_entry().filter(|first| *first.key() <= now) {
            let (tick, entries) = due.remove_entry();
            for entry in entries {
                if entry.filed.load(Ordering::Relaxed) != tick {
                    continue; // filed for an earlier tick since
                }
                // First unfiled, then looked at; `Timer::set` does it the other way round. So one of the two sees the other.
                entry.filed.store(NEVER, Ordering::SeqCst);
                match entry.deadline.load(Ordering::SeqCst) {
                    NEVER => {}
                    deadline if deadline <= now => {
                        entry.passed.store(true, Ordering::SeqCst);
                        entry.waker.wake();
                    }
                    deadline => state.file(&entry, deadline),
                }
            }
        }
        state.sleeping = state.filed.keys().next().copied();
        state.sleeping
    }
}

impl State {
    fn file(&mut self, entry: &Arc<Entry>, tick: u64) {
        entry.filed.store(tick, Ordering::Relaxed);
        self.filed.entry(tick).or_default().push(Arc::clone(entry));
    }
}

impl Timer {
    /// Sets the deadline, in place of the one before.
    pub fn set(&mut self, at: Instant) {
        let tick = self.clock.tick(at);
        self.entry.deadline.store(tick, Ordering::SeqCst);
        if tick < self.entry.filed.load(Ordering::SeqCst) {
            self.clock.file(&self.entry, tick);
        }
    }

    /// Takes the deadline away.
    pub fn clear(&mut self) {
        self.entry.deadline.store(NEVER, Ordering::Relaxed);
    }

    /// Ready when the deadline has passed. Otherwise the task of `cx` is woken then, and by [`Clock::ring`].
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.entry.waker.register(cx.waker());
        // The time is looked at only after the clock's task has: most polls cost a load.
        if !self.entry.passed.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        if self.entry.deadline.load(Ordering::SeqCst) <= self.clock.now() {
            return Poll::Ready(());
        }
        self.entry.passed.store(false, Ordering::SeqCst);
        // It may have passed in truth just now, before the alarm was put off.
        if self.entry.deadline.load(Ordering::SeqCst) <= self.clock.now() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// The clock it belongs to.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.clear();
        self.entry.waker.take();
        self.clock.lock().free.push(Arc::clone(&self.entry));
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn wait(timer: &mut Timer) {
        poll_fn(|cx| timer.poll(cx)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_met_within_a_tick_and_never_early() {
        let clock = Clock::new();
        for ms in [1, 99, 100, 101, 2550] {
            let mut timer = clock.timer();
            let start = Instant::now();
            timer.set(start + Duration::from_millis(ms));
            wait(&mut timer).await;
            let took = start.elapsed();
            assert!(
                took >= Duration::from_millis(ms) && took <= Duration::from_millis(ms) + TICK,
                "{ms}: {took:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moves_on_without_being_filed_again() {
        let clock = Clock::new();
        let mut timer = clock.timer();
        let start = Instant::now();
        for second in 1..=10 {
            timer.set(start + Duration::from_secs(second));
        }
        assert_eq!(clock.lock().filed.values().map(Vec::len).sum::<usize>(), 1);
        wait(&mut timer).await;
        assert!(start.elapsed() >= Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moves_forward_and_goes_away() {
        let clock = Clock::new();
        let mut timer = clock.timer();
        let start = Instant::now();
        timer.set(start + Duration::from_secs(60));
        tokio::task::yield_now().await;
        timer.set(start + Duration::from_secs(1));
        wait(&mut timer).await;
        assert!(start.elapsed() < Duration::from_secs(2));
        timer.set(start + Duration::from_secs(5));
        timer.clear();
        let late = tokio::time::timeout(Duration::from_secs(100), wait(&mut timer)).await;
        assert!(late.is_err(), "a cleared timer never fires");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_sleeps_when_nothing_is_filed() {
        let clock = Clock::new();
        let mut timer = clock.timer();
        timer.set(Instant::now() + Duration::from_secs(1));
        wait(&mut timer).await;
        tokio::task::yield_now().await;
        assert_eq!(clock.lock().sleeping, None);
    }

    #[tokio::test(start_paused = true)]
    async fn dropped_timers_are_used_again() {
        let clock = Clock::new();
        for _ in 0..1000 {
            let mut timer = clock.timer();
            timer.set(Instant::now() + Duration::from_secs(30));
        }
        assert_eq!(clock.lock().all.len(), 1);
        assert_eq!(clock.timers(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_bell_wakes_all() {
        let clock = Clock::new();
        let mut timer = clock.timer();
        let rung = std::sync::atomic::AtomicBool::new(false);
        let waiting = poll_fn(|cx| {
            let _ = timer.poll(cx);
            if rung.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        });
        let ringing = async {
            tokio::task::yield_now().await;
            rung.store(true, Ordering::Relaxed);
            clock.ring();
        };
        tokio::join!(waiting, ringing);
    }
}
