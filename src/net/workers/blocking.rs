//! The blocking lane: threads behind a bounded queue with priorities.
//!
//! A job is a closure. Its [`Job`] is a future for the result; dropping it before the job has started cancels the job,
//! which keeps its place in the queue until a thread comes to it, or the queue is full, and it is thrown away. Threads start when there is work for
//! them, up to the number configured, and stay. Higher priorities go first, always: what is submitted at high priority has to
//! be rare. Each priority has a queue of its own with the same bound, so that low work cannot keep high work out.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use tokio::sync::Notify;

use super::job::{Cancelled, Job, Task, job};
use super::stats::{BlockingStats, Counters};

/// The size of a blocking lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockingConfig {
    /// Threads at most; at least one is used.
    pub threads: usize,
    /// Jobs that may wait, for each priority.
    pub queue: usize,
}

impl BlockingConfig {
    /// Jobs that may wait by default, for each priority. At 1 ms a job and 4 threads that is a quarter of a second; what
    /// waits longer had better be refused. nginx lets 65536 wait in a thread pool, tokio has no bound.
    pub const QUEUE: usize = 1024;
}

impl Default for BlockingConfig {
    /// A thread a core, and [`QUEUE`](BlockingConfig::QUEUE).
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Self { threads, queue: Self::QUEUE }
    }
}

/// Which jobs go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Somebody waits, and the job is short: verifying a password.
    High,
    /// Somebody waits: compressing a reply, reading a file.
    Normal,
    /// Nobody waits: writing history, precompressing.
    Low,
}

/// The queue of this priority is full, or the lane has been drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker queue is full")]
pub struct QueueFull;

/// A handle to the lane; clones are the same lane. When the last one is dropped, the threads finish the queue and end.
#[derive(Clone, Debug)]
pub struct Blocking(Arc<Owner>);

/// Tells the threads to end when nobody can submit any more.
#[derive(Debug)]
struct Owner(Arc<Lane>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.work.notify_all();
    }
}

#[derive(Debug)]
struct Lane {
    config: BlockingConfig,
    state: Mutex<State>,
    work: Condvar,
    counters: Counters,
    /// Told when a closed lane has nothing left to do.
    empty: Notify,
}

#[derive(Debug, Default)]
struct State {
    queues: [VecDeque<Queued>; 3],
    threads: usize,
    idle: usize,
    running: usize,
    closed: bool,
}

struct Queued {
    task: Box<dyn Task>,
    since: Instant,
}

impl std::fmt::Debug for Queued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queued").field("since", &self.since).finish_non_exhaustive()
    }
}

impl Blocking {
    /// A lane without threads; they start with the work.
    #[must_use]
    pub fn new(config: BlockingConfig) -> Self {
        let config = BlockingConfig { threads: config.threads.max(1), ..config };
        Self(Arc::new(Owner(Arc::new(Lane {
            config,
            state: Mutex::default(),
            work: Condvar::new(),
            counters: Counters::default(),
            empty: Notify::new(),
        }))))
    }

    /// Queues a job.
    ///
    /// # Errors
    /// The queue of this priority is full or the lane is drained; the closure is dropped. Answer "busy" then, at once.
    pub fn submit<F, T>(&self, priority: Priority, work: F) -> Result<Job<T>, QueueFull>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.submit_cancellable(priority, |_: &Cancelled<'_>| work())
    }

    /// Queues a job that can see when nobody waits for it any more.
    ///
    /// # Errors
    /// As for [`submit`](Self::submit).
    pub fn submit_cancellable<F, T>(&self, priority: Priority, work: F) -> Result<Job<T>, QueueFull>
    where
        F: FnOnce(&Cancelled<'_>) -> T + Send + 'static,
        T: Send + 'static,
    {
        let lane = &self.0.0;
        let (task, handle) = job(work);
        let queued = Queued { task, since: Instant::now() };
        let mut state = lane.lock();
        if !state.closed && state.queues[priority as usize].len() >= lane.config.queue {
            // Jobs that nobody waits for must not keep others out.
            let cancelled = state.take_cancelled(priority);
            if !cancelled.is_empty() {
                drop(state);
                cancelled.into_iter().for_each(|queued| lane.throw_away(queued.task));
                state = lane.lock();
            }
        }
        if state.closed || state.queues[priority as usize].len() >= lane.config.queue {
            drop(state);
            lane.counters.refused.fetch_add(1, Ordering::Relaxed);
            return Err(QueueFull);
        }
        state.queues[priority as usize].push_back(queued);
        let short_of_threads = state.depth() > state.idle && state.threads < lane.config.threads;
        if short_of_threads && !start_thread(lane, &mut state) {
            // Without any thread the job would wait forever.
            let refused = state.queues[priority as usize].pop_back();
            drop(state);
            drop(refused);
            lane.counters.refused.fetch_add(1, Ordering::Relaxed);
            return Err(QueueFull);
        }
        drop(state);
        lane.work.notify_one();
        Ok(handle)
    }

    /// Takes no more jobs, finishes those queued until `deadline`, and then throws out what has not started.
    ///
    /// Gives the number of jobs thrown out, whose futures end with [`JobError::ShutDown`](super::JobError::ShutDown), together with those that still
    /// run: a thread cannot be stopped.
    pub async fn drain(&self, deadline: tokio::time::Instant) -> usize {
        let lane = &self.0.0;
        lane.lock().closed = true;
        lane.work.notify_all();
        let finished = async {
            loop {
                let told = lane.empty.notified();
                tokio::pin!(told);
                // Registered before the look, so that no notice falls between.
                told.as_mut().enable();
                if lane.lock().is_empty() {
                    return;
                }
                told.await;
            }
        };
        if tokio::time::timeout_at(deadline, finished).await.is_ok() {
            return 0;
        }
        let mut state = lane.lock();
        let thrown_out = std::mem::take(&mut state.queues);
        let running = state.running;
        drop(state);
        running + thrown_out.iter().map(VecDeque::len).sum::<usize>()
    }

    /// What the lane has done so far.
    #[must_use]
    pub fn stats(&self) -> BlockingStats {
        let lane = &self.0.0;
        let state = lane.lock();
        lane.counters.snapshot(state.depth(), state.running)
    }
}

/// Starts a thread. When the system refuses, those that there are have to do; `false` when there are none.
fn start_thread(lane: &Arc<Lane>, state: &mut State) -> bool {
    let name = format!("wireworks-worker-{}", state.threads);
    let own = Arc::clone(lane);
    match thread::Builder::new().name(name).spawn(move || own.work()) {
        Ok(_) => state.threads += 1,
        Err(error) => tracing::warn!(%error, "cannot start a worker thread"),
    }
    state.threads > 0
}

impl State {
    /// Takes the jobs of a queue out of it that nobody waits for.
    fn take_cancelled(&mut self, priority: Priority) -> VecDeque<Queued> {
        let queue = &mut self.queues[priority as usize];
        let (cancelled, wanted) =
            std::mem::take(queue).into_iter().partition(|queued| queued.task.is_cancelled());
        *queue = wanted;
        cancelled
    }

    fn depth(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    fn is_empty(&self) -> bool {
        self.running == 0 && self.depth() == 0
    }
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No job runs under the lock, so a panic cannot have left the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops a job that nobody waits for.
    fn throw_away(&self, task: Box<dyn Task>) {
        self.counters.cancelled.fetch_add(1, Ordering::Relaxed);
        // Dropping what the closure holds may panic.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(task)));
    }

    /// The life of a thread.
    fn work(&self) {
        while let Some(Queued { task, since }) = self.next() {
            if task.is_cancelled() {
                self.throw_away(task);
            } else {
                self.counters.waited(since.elapsed());
                let fine = task.run();
                let counter = if fine { &self.counters.done } else { &self.counters.panicked };
                counter.fetch_add(1, Ordering::Relaxed);
            }
            let mut state = self.lock();
            state.running -= 1;
            if state.closed && state.is_empty() {
                self.empty.notify_waiters();
            }
        }
    }

    /// Waits for a job. `None` when the lane is closed and nothing is queued.
    fn next(&self) -> Option<Queued> {
        let mut state = self.lock();
        loop {
            if let Some(queued) = state.queues.iter_mut().find_map(VecDeque::pop_front) {
                state.running += 1;
                return Some(queued);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::super::job::JobError;
    use super::*;

    fn lane(threads: usize, queue: usize) -> Blocking {
        Blocking::new(BlockingConfig { threads, queue })
    }

    /// A job that has started and ends when the sender is dropped.
    fn occupy(lane: &Blocking) -> (Job<()>, mpsc::Sender<()>) {
        let (started, has_started) = mpsc::channel();
        let (release, gate) = mpsc::channel();
        let work = move || {
            started.send(()).unwrap();
            let _ = gate.recv();
        };
        let job = lane.submit(Priority::High, work).unwrap();
        has_started.recv().unwrap();
        (job, release)
    }

    fn soon() -> tokio::time::Instant {
        tokio::time::Instant::now() + Duration::from_secs(30)
    }

    #[tokio::test]
    async fn a_job_gives_its_result_from_a_named_thread() {
        let lane = lane(2, 8);
        let job = lane.submit(Priority::Normal, || thread::current().name().map(String::from)).unwrap();
        assert_eq!(job.await.unwrap().unwrap(), "wireworks-worker-0");
        assert_eq!(lane.drain(soon()).await, 0);
        let stats = lane.stats();
        assert_eq!((stats.done, stats.depth, stats.running), (1, 0, 0));
        assert!(stats.waited >= stats.waited_max);
    }

    #[test]
    fn threads_start_with_the_work_and_no_more_than_allowed() {
        let lane = lane(2, 8);
        assert_eq!(lane.0.0.lock().threads, 0);
        let held = [occupy(&lane), occupy(&lane)];
        assert_eq!(lane.0.0.lock().threads, 2);
        let _waiting = lane.submit(Priority::Low, || ()).unwrap();
        assert_eq!(lane.0.0.lock().threads, 2);
        assert_eq!((lane.stats().running, lane.stats().depth), (2, 1));
        drop(held);
    }

    #[tokio::test]
    async fn high_goes_before_normal_before_low_and_each_in_order() {
        let lane = lane(1, 8);
        let (first, release) = occupy(&lane);
        let (order, received) = mpsc::channel();
        let mut jobs = Vec::new();
        for (priority, label) in [
            (Priority::Low, 'e'),
            (Priority::Normal, 'c'),
            (Priority::High, 'a'),
            (Priority::Low, 'f'),
            (Priority::Normal, 'd'),
            (Priority::High, 'b'),
        ] {
            let order = order.clone();
            jobs.push(lane.submit(priority, move || order.send(label).unwrap()).unwrap());
        }
        drop(release);
        first.await.unwrap();
        for job in jobs {
            job.await.unwrap();
        }
        drop(order);
        assert_eq!(received.iter().collect::<String>(), "abcdef");
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_only_its_own_priority() {
        let lane = lane(1, 2);
        let (_first, release) = occupy(&lane);
        let _queued: Vec<_> = (0..2).map(|_| lane.submit(Priority::Low, || ()).unwrap()).collect();
        assert_eq!(lane.submit(Priority::Low, || ()).unwrap_err(), QueueFull);
        let high = lane.submit(Priority::High, || 5).unwrap();
        drop(release);
        assert_eq!(high.await, Ok(5));
        assert_eq!(lane.stats().refused, 1);
    }

    #[tokio::test]
    async fn jobs_that_nobody_waits_for_keep_no_others_out() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("on purpose, in a drop");
            }
        }
        let lane = lane(1, 2);
        let (_first, release) = occupy(&lane);
        let kept = lane.submit(Priority::Normal, || 1).unwrap();
        for _ in 0..10 {
            let bomb = Bomb;
            drop(lane.submit(Priority::Normal, move || drop(bomb)).unwrap());
        }
        let last = lane.submit(Priority::Normal, || 2).unwrap();
        assert_eq!(lane.submit(Priority::Normal, || 3).unwrap_err(), QueueFull, "these two are waited for");
        let stats = lane.stats();
        assert_eq!((stats.cancelled, stats.depth, stats.refused), (10, 2, 1));
        drop(release);
        assert_eq!((kept.await, last.await), (Ok(1), Ok(2)));
    }

    #[tokio::test]
    async fn a_job_dropped_before_its_start_never_runs() {
        let lane = lane(1, 8);
        let (first, release) = occupy(&lane);
        let (ran, received) = mpsc::channel::<()>();
        drop(lane.submit(Priority::Normal, move || ran.send(()).unwrap()).unwrap());
        drop(release);
        first.await.unwrap();
        assert_eq!(lane.drain(soon()).await, 0);
        assert!(received.recv().is_err(), "the closure was dropped, not run");
        assert_eq!((lane.stats().cancelled, lane.stats().done), (1, 1));
    }

    #[tokio::test]
    async fn a_panic_is_isolated() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("on purpose, in a drop");
            }
        }
        let lane = lane(1, 8);
        let job = lane.submit(Priority::Normal, || panic!("on purpose")).unwrap();
        assert_eq!(job.await, Err::<(), _>(JobError::Panicked));
        // A closure that is thrown away, and a result that nobody takes.
        let (_, release) = occupy(&lane);
        let bomb = Bomb;
        drop(lane.submit(Priority::Normal, move || drop(bomb)).unwrap());
        let (started, has_started) = mpsc::channel();
        let (finish, gate) = mpsc::channel::<()>();
        let work = move || {
            started.send(()).unwrap();
            let _ = gate.recv();
            Bomb
        };
        let unclaimed = lane.submit(Priority::Normal, work).unwrap();
        drop(release);
        has_started.recv().unwrap();
        drop(unclaimed);
        drop(finish);
        assert_eq!(lane.submit(Priority::Low, || 1).unwrap().await, Ok(1), "the thread lives on");
        assert_eq!(lane.drain(soon()).await, 0);
        let stats = lane.stats();
        assert_eq!((stats.panicked, stats.cancelled, stats.done), (2, 1, 2));
    }

    #[tokio::test]
    async fn drain_finishes_the_queue() {
        let lane = lane(2, 100);
        let (first, release) = occupy(&lane);
        let jobs: Vec<_> = (0..50).map(|i| lane.submit(Priority::Low, move || i).unwrap()).collect();
        let mut draining = Box::pin(lane.drain(soon()));
        assert!(futures_util::poll!(&mut draining).is_pending());
        assert_eq!(lane.submit(Priority::High, || ()).unwrap_err(), QueueFull);
        drop(release);
        assert_eq!(draining.await, 0);
        assert_eq!(first.await, Ok(()));
        for (i, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.await, Ok(i));
        }
    }

    #[tokio::test]
    async fn drain_throws_out_what_has_not_started_by_the_deadline() {
        let lane = lane(1, 8);
        let (first, release) = occupy(&lane);
        let queued: Vec<_> = (0..3).map(|_| lane.submit(Priority::Low, || ()).unwrap()).collect();
        assert_eq!(lane.drain(tokio::time::Instant::now()).await, 4, "three in the queue, one runs");
        for job in queued {
            assert_eq!(job.await, Err(JobError::ShutDown));
        }
        drop(release);
        assert_eq!(first.await, Ok(()), "what runs is not harmed");
    }

    #[tokio::test]
    async fn the_queue_is_finished_after_the_last_handle_is_gone() {
        let lane = lane(1, 8);
        let job = lane.submit(Priority::Low, || 3).unwrap();
        let inner = Arc::downgrade(&lane.0.0);
        drop(lane);
        assert_eq!(job.await, Ok(3));
        // The thread ends and lets go of the lane; `yield_now` gives it the processor until then.
        while inner.strong_count() > 0 {
            thread::yield_now();
        }
    }
}
