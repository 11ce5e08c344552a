//! The open listeners of a balancer: they are added and removed with its configuration, while their sockets stay open.
//!
//! A [`Door`] is a listener with its sockets. When the configuration of a listener changes, a new door is opened on the same sockets, so that
//! connections in their backlog are served; connections that were accepted by the old door stay as they are.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::config::Listener;
use super::gateway::Gateway;
use crate::net::addr::ListenAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::listen::{Bound, ListenError, bind_shards};
use crate::net::serve::Gate;
use crate::server::process::{Part, Serving};

/// The sockets of one address, one for each shard.
pub(super) type Sockets = Vec<Bound>;

/// An open listener.
pub(super) struct Door {
    /// Its configuration.
    pub(super) listener: Listener,
    /// The sockets of each of its addresses, kept for the next listener there; none during the shutdown.
    sockets: Mutex<Vec<(ListenAddr, Sockets)>>,
    /// The part of the process that accepts.
    pub(super) part: Arc<dyn Part>,
    /// The gate that counts connections.
    pub(super) gate: Arc<Gate>,
    /// The handler of requests, if it is for HTTP.
    pub(super) gateway: Option<Arc<Gateway>>,
}

impl Door {
    pub(super) fn new(
        listener: Listener,
        sockets: Vec<(ListenAddr, Sockets)>,
        part: Arc<dyn Part>,
        gate: Arc<Gate>,
        gateway: Option<Arc<Gateway>>,
    ) -> Self {
        Self { listener, sockets: Mutex::new(sockets), part, gate, gateway }
    }

    /// Duplicates of the sockets.
    pub(super) fn sockets(&self) -> io::Result<Vec<(ListenAddr, Sockets)>> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = sockets.iter().map(|(address, sockets)| Ok((address.clone(), share(sockets)?)));
        shared.collect()
    }

    fn close(&self) {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("listen", &self.listener.listen).finish_non_exhaustive()
    }
}

pub(super) fn share(sockets: &[Bound]) -> io::Result<Sockets> {
    sockets.iter().map(Bound::share).collect()
}

/// Open sockets that can be used again.
pub(super) struct Open(Vec<(ListenAddr, Sockets)>);

impl Open {
    /// Those handed over by a predecessor.
    pub(super) fn left(sockets: Vec<(ListenAddr, Sockets)>) -> Self {
        Self(sockets)
    }

    /// Those of these doors.
    pub(super) fn of(doors: &[Arc<Door>]) -> io::Result<Self> {
        let sockets = doors.iter().map(|door| door.sockets());
        Ok(Self(sockets.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect()))
    }

    /// The sockets of an address: open ones, or new ones for `shards`.
    pub(super) fn take(&mut self, address: &ListenAddr, shards: usize) -> Result<Sockets, ListenError> {
        match self.0.iter().position(|(open, _)| open == address) {
            Some(place) => Ok(self.0.remove(place).1),
            None => bind_shards(address, shards),
        }
    }
}

/// All doors, and the part of the process that keeps them open.
#[derive(Debug)]
pub(super) struct Doors {
    shown: watch::Sender<Vec<Arc<Door>>>,
    drain: Drain,
}

impl Doors {
    pub(super) fn new(drain: Drain) -> Self {
        Self { shown: watch::Sender::new(Vec::new()), drain }
    }

    /// Duplicates of all sockets, for a successor.
    pub(super) fn sockets(&self) -> io::Result<Vec<(ListenAddr, Sockets)>> {
        Ok(Open::of(&self.get())?.0)
    }

    /// Those that are open.
    pub(super) fn get(&self) -> Vec<Arc<Door>> {
        self.shown.borrow().clone()
    }

    /// Opens these, and closes all others; does nothing once the shutdown has begun.
    pub(super) fn set(&self, doors: Vec<Arc<Door>>) {
        // Within the lock: a shard that sees the shutdown sees all doors that were set before it.
        self.shown.send_if_modified(|shown| {
            let goes_on = !self.drain.is_stopping();
            if goes_on {
                *shown = doors;
            }
            goes_on
        });
    }

    /// Accepts on all doors, on one shard.
    async fn accept(&self, shard: usize, clock: &Clock) -> io::Result<()> {
        // A stop that comes before the first connection waits until the queues are taken.
        let _accepting = self.drain.accepting();
        let mut changes = self.shown.subscribe();
        let mut tasks = JoinSet::new();
        let mut open: Vec<(Arc<Door>, AbortHandle)> = Vec::new();
        let mut begins = true;
        loop {
            // Asked first: doors that were set before the stop are opened once, so that their queues are taken.
            let stopping = self.drain.is_stopping();
            let doors = changes.borrow_and_update().clone();
            open.retain(|(door, task)| {
                let stays = doors.iter().any(|other| Arc::ptr_eq(door, other));
                if !stays {
                    task.abort();
                }
                stays
            });
            for door in doors {
                if !open.iter().any(|(other, _)| Arc::ptr_eq(&door, other)) {
                    let task = tasks.spawn(Arc::clone(&door.part).serve(shard, clock.clone()));
                    open.push((door, task));
                }
            }
            if stopping {
                break;
            }
            tokio::select! {
                changed = changes.changed() => match changed {
                    Ok(()) => begins = false,
                    Err(_) => break,
                },
                () = self.drain.stopping() => {}
                Some(ended) = tasks.join_next() => match ended {
                    // It could not begin. As the process does, that is its end; later the other doors go on.
                    Ok(Err(error)) if begins => return Err(error),
                    Ok(Err(error)) => tracing::error!(%error, "a listener has failed"),
                    Err(error) if error.is_panic() => tracing::error!("a listener has panicked"),
                    Ok(Ok(())) | Err(_) => {}
                },
            }
        }
        // Those who accept have sockets of their own, which they close when the queues are taken.
        open.iter().for_each(|(door, _)| door.close());
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap_or(Ok(()))?;
        }
        Ok(())
    }
}

impl Part for Doors {
    fn serve(self: Arc<Self>, shard: usize, clock: Clock) -> Serving {
        Box::pin(async move { self.accept(shard, &clock).await })
    }
}
