//! The async lane: named, tracked tasks, each in a slot of a bounded number. A slot can be taken before there is something to do in it.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// A group of tasks. Clones are the same group.
#[derive(Clone, Debug)]
pub struct Tasks(Arc<Group>);

#[derive(Debug)]
struct Group {
    name: &'static str,
    slots: Arc<Semaphore>,
    size: usize,
    tracker: TaskTracker,
    panicked: AtomicU64,
    done: AtomicU64,
}

/// All slots are taken, or the group is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no slot is free among {size} of {name}")]
pub struct NoSlot {
    /// The group.
    pub name: &'static str,
    /// Its slots.
    pub size: usize,
}

/// What a group has done, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskStats {
    /// Tasks that hold a slot now.
    pub running: usize,
    /// Tasks that ended by themselves.
    pub done: u64,
    /// Tasks that ended with a panic.
    pub panicked: u64,
}

impl Tasks {
    /// A group of at most `slots` tasks. The name appears in logs.
    #[must_use]
    pub fn new(name: &'static str, slots: usize) -> Self {
        let size = slots.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Group {
            name,
            slots: Arc::new(Semaphore::new(size)),
            size,
            tracker: TaskTracker::new(),
            panicked: AtomicU64::new(0),
            done: AtomicU64::new(0),
        }))
    }

    /// Takes a slot, which is given back when it is dropped, or when the task that it is used for has ended.
    ///
    /// # Errors
    /// There is no slot.
    pub fn reserve(&self) -> Result<Slot, NoSlot> {
        let permit = Arc::clone(&self.0.slots).try_acquire_owned();
        let permit = permit.map_err(|_| NoSlot { name: self.0.name, size: self.0.size })?;
        Ok(Slot { group: Arc::clone(&self.0), permit })
    }

    /// Starts a task on the current runtime. The handle gives `None` when the task panicked; dropping it detaches.
    ///
    /// # Errors
    /// There is no slot. The future is dropped then.
    pub fn spawn<F>(&self, future: F) -> Result<JoinHandle<Option<F::Output>>, NoSlot>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Ok(self.reserve()?.spawn(future))
    }

    /// How many slots there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// Takes no more tasks, and waits for those that run.
    pub async fn close(&self) {
        self.0.slots.close();
        self.0.tracker.close();
        self.0.tracker.wait().await;
    }

    /// What the group has done so far.
    #[must_use]
    pub fn stats(&self) -> TaskStats {
        TaskStats {
            running: self.0.size - self.0.slots.available_permits(),
            done: self.0.done.load(Ordering::Relaxed),
            panicked: self.0.panicked.load(Ordering::Relaxed),
        }
    }
}

/// A slot that nothing runs in yet.
#[derive(Debug)]
pub struct Slot {
    group: Arc<Group>,
    permit: OwnedSemaphorePermit,
}

impl Slot {
    /// Starts a task in it, on the current runtime, as [`Tasks::spawn`] does.
    pub fn spawn<F>(self, future: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let Self { group, permit } = self;
        let tracker = group.tracker.clone();
        tracker.spawn(async move {
            // The future is dropped at its panic, so nobody sees what it left half done.
            let outcome = AssertUnwindSafe(future).catch_unwind().await;
            let (counter, output) = match outcome {
                Ok(output) => (&group.done, Some(output)),
                Err(_) => {
                    tracing::error!(group = group.name, "a task panicked");
                    (&group.panicked, None)
                }
            };
            counter.fetch_add(1, Ordering::Relaxed);
            drop(permit);
            output
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn slots_are_bounded_and_given_back() {
        let tasks = Tasks::new("test", 1);
        let (go, gate) = oneshot::channel::<u8>();
        let first = tasks.spawn(gate).unwrap();
        let refused = tasks.spawn(async {}).unwrap_err();
        assert_eq!(refused.to_string(), "no slot is free among 1 of test");
        assert_eq!(tasks.stats().running, 1);
        go.send(1).unwrap();
        assert_eq!(first.await.unwrap(), Some(Ok(1)));
        let slot = tasks.reserve().unwrap();
        assert!(tasks.reserve().is_err());
        drop(slot);
        assert_eq!(tasks.reserve().unwrap().spawn(async { 2 }).await.unwrap(), Some(2));
        assert_eq!(tasks.stats(), TaskStats { running: 0, done: 2, panicked: 0 });
    }

    #[tokio::test]
    async fn a_panic_is_counted_and_frees_its_slot() {
        let tasks = Tasks::new("test", 1);
        let handle = tasks.spawn(async { panic!("on purpose") }).unwrap();
        assert_eq!(handle.await.unwrap(), None::<()>);
        assert_eq!(tasks.stats(), TaskStats { running: 0, done: 0, panicked: 1 });
        assert_eq!(tasks.spawn(async { 7 }).unwrap().await.unwrap(), Some(7));
    }

    #[tokio::test]
    async fn close_waits_for_all_and_takes_no_more() {
        let tasks = Tasks::new("test", 4);
        let (go, gate) = oneshot::channel::<()>();
        let handle = tasks.spawn(gate).unwrap();
        let mut closing = Box::pin(tasks.close());
        assert!(futures_util::poll!(&mut closing).is_pending(), "one still runs");
        assert!(tasks.spawn(async {}).is_err());
        assert!(tasks.reserve().is_err());
        go.send(()).unwrap();
        closing.await;
        assert!(handle.is_finished());
        assert_eq!(tasks.stats().done, 1);
    }

    #[tokio::test]
    async fn an_aborted_task_gives_its_slot_back() {
        let tasks = Tasks::new("test", 1);
        let handle = tasks.spawn(std::future::pending::<()>()).unwrap();
        handle.abort();
        assert!(handle.await.unwrap_err().is_cancelled());
        assert_eq!(tasks.stats(), TaskStats::default());
    }
}
