//! Threads: one runtime a core that shares nothing, or one runtime whose threads share all.
//!
//! The first is the default. Each shard has a listener of its own (`SO_REUSEPORT`) and its connections never leave it, so no
//! request crosses a core. Handlers are `Send` all the same, so either works.

use std::future::Future;
use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Runtime};

/// How the work is spread over threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Threading {
    /// One single-threaded runtime a thread, each with its own listener.
    PerCore,
    /// One runtime; idle threads take work from busy ones.
    Shared,
}

/// The number of threads to use when nobody says: one a core.
#[must_use]
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Runs `make(shard)` for each shard from 0 to `threads - 1`, and returns their outputs when all are through. No shard
/// begins unless all of them can.
///
/// [`Threading::PerCore`] runs each on a thread of its own, shard 0 on the calling one; [`Threading::Shared`] runs all of
/// them as tasks of one runtime with `threads` threads.
///
/// # Errors
/// A thread or a runtime cannot be made, or a shard panicked.
pub fn run<F, Fut>(threading: Threading, threads: usize, make: F) -> io::Result<Vec<Fut::Output>>
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Send + 'static> + Send + 'static,
{
    match threading {
        Threading::PerCore => per_core(threads, &Arc::new(make), spawn),
        Threading::Shared => shared(threads, &make),
    }
}

/// What the thread of a shard does: the shard's output, or `None` when it was not to begin.
type Work<T> = Box<dyn FnOnce() -> Option<T> + Send>;

fn per_core<F, Fut>(
    threads: usize,
    make: &Arc<F>,
    spawn: impl Fn(usize, Work<Fut::Output>) -> io::Result<JoinHandle<Option<Fut::Output>>>,
) -> io::Result<Vec<Fut::Output>>
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Send + 'static> + Send + 'static,
{
    // All that can fail comes before any shard begins: the others would wait for the one that is missing, and clients at
    // its sockets as well.
    let own = one()?;
    let runtimes = (1..threads).map(|_| one()).collect::<io::Result<Vec<_>>>()?;
    let begin = Arc::new(OnceLock::<bool>::new());
    let mut others = Vec::new();
    let spawned = runtimes.into_iter().zip(1..).try_for_each(|(runtime, shard)| {
        let (make, begin) = (Arc::clone(make), Arc::clone(&begin));
        let work = move || begin.wait().then(|| runtime.block_on(make(shard)));
        others.push(spawn(shard, Box::new(work))?);
        io::Result::Ok(())
    });
    let all = *begin.get_or_init(|| spawned.is_ok());
    let first = all.then(move || own.block_on(make(0)));
    let mut outputs: Vec<_> = first.into_iter().collect();
    for thread in others {
        let output = thread.join().map_err(|_| io::Error::other("a thread of the server panicked"))?;
        outputs.extend(output);
    }
    spawned.map(|()| outputs)
}

fn spawn<T: Send + 'static>(shard: usize, work: Work<T>) -> io::Result<JoinHandle<Option<T>>> {
    thread::Builder::new().name(format!("wireworks-{shard}")).spawn(work)
}

/// A runtime of one thread. It looks for new events every 61 tasks, as tokio does by default.
fn one() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn shared<F, Fut>(threads: usize, make: &F) -> io::Result<Vec<Fut::Output>>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output: Send + 'static> + Send + 'static,
{
    let runtime =
        Builder::new_multi_thread().worker_threads(threads).thread_name("wireworks").enable_all().build()?;
    runtime.block_on(async {
        let tasks: Vec<_> = (0..threads).map(|shard| tokio::spawn(make(shard))).collect();
        let mut outputs = Vec::new();
        for task in tasks {
            outputs.push(task.await.map_err(io::Error::other)?);
        }
        Ok(outputs)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn without_a_thread_for_each_no_shard_begins() {
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let make = Arc::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            async {}
        });
        let two_at_most = |shard, work| match shard {
            3 => Err(io::Error::other("no third one")),
            _ => spawn(shard, work),
        };
        let error = per_core(4, &make, two_at_most).unwrap_err();
        assert_eq!(error.to_string(), "no third one");
        assert_eq!(begun.load(Ordering::SeqCst), 0);
        assert_eq!(Arc::strong_count(&make), 1, "the threads are through");
    }

    #[test]
    fn each_shard_runs_once() {
        for threading in [Threading::PerCore, Threading::Shared] {
            assert_eq!(run(threading, 3, |shard| async move { shard * 2 }).unwrap(), [0, 2, 4]);
        }
    }

    #[test]
    fn a_panic_in_a_shard_is_an_error() {
        for threading in [Threading::PerCore, Threading::Shared] {
            let result = run(threading, 2, |shard| async move { assert_eq!(shard, 0, "on purpose") });
            assert!(result.is_err());
        }
    }
}
