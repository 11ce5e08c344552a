//! Live streams put into S3-compatible storage, so that a CDN in front of it serves viewers when one machine does not do.
//!
//! An upload is a viewer of its own server: it asks for playlists as a player does, waits for the next segment by blocking reload, and puts what
//! is new into the store, segments before the playlist that names them (`follow`). So nothing of a stream waits for a store: what it does not take in time
//! slides out of the window of the origin, and of the memory, and the playlist in the store goes on behind the gap. What is not named there any
//! more is removed when no viewer can want it. Playlists in the store have no parts: nobody there can make a reload wait.

mod counters;
mod follow;
mod options;
mod origin;
mod store;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

pub use self::counters::Counters;
use self::follow::Stream;
pub use self::options::{UploadConfig, UploadError, UploadOptions};
use self::origin::Origin;
pub use self::store::Store;
use crate::net::drain::Drain;
use crate::server::http::handler::SharedHandler;

/// How often the server is asked whether there are new streams.
const LOOK: Duration = Duration::from_secs(1);

/// The paths of the multivariant playlists of all streams that go on.
pub type List = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// The upload of a server's streams.
pub struct Upload {
    origin: Origin,
    list: List,
    store: Store,
    drain: Drain,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Upload {
    /// Puts the streams that `list` names, and `handler` serves, into `store`. The drain waits for the ends of streams.
    #[must_use]
    pub fn new(handler: SharedHandler, list: List, store: Store, drain: Drain) -> Self {
        Self { origin: Origin::new(handler), list, store, drain }
    }

    /// What happens here.
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        self.store.counters()
    }

    /// Follows all streams until the drain begins, and those that go on then to their ends.
    pub async fn run(&self) {
        let (mut tasks, mut followed) = (JoinSet::new(), HashMap::new());
        loop {
            for path in (self.list)() {
                followed.entry(path).or_insert_with_key(|path| {
                    let stream = Stream::new(path, self.origin.clone(), self.store.clone());
                    // What a stream ends with is put before the process ends.
                    let guard = self.drain.guard();
                    let drain = self.drain.clone();
                    tasks.spawn(async move {
                        let _guard = guard;
                        stream.run(&drain).await;
                    })
                });
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = self.drain.stopping() => break,
            }
            while tasks.try_join_next().is_some() {}
            // One that has ended may come back.
            followed.retain(|_, task| !task.is_finished());
        }
        while tasks.join_next().await.is_some() {}
    }
}
