//! Whose turn it is to be heard, where more comes than may: that of who has waited longest.
//!
//! Without an order it would be chance whom of many is listened to when a bit of the line is free, and some could wait for minutes with a word that matters.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Swarm;

/// The turns in a torrent, and among all of them. Nobody else has one as long as they are held.
type Turns = [Option<OwnedSemaphorePermit>; 2];

/// The turn of one connection.
#[derive(Default)]
pub(super) struct Turn {
    waits: Option<Pin<Box<dyn Future<Output = Turns> + Send>>>,
    has: Option<Turns>,
}

impl Turn {
    /// Whether what comes is not to be heard now. If so, the connection waits for its turn.
    pub(super) fn is_awaited(&mut self, swarm: &Arc<Swarm>) -> bool {
        let is_awaited = self.has.is_none() && swarm.is_full();
        if !is_awaited {
            self.waits = None;
        } else if self.waits.is_none() {
            let swarm = Arc::clone(swarm);
            self.waits = Some(Box::pin(async move { swarm.turns().await }));
        }
        is_awaited
    }

    /// When it has come, if it is awaited. If nothing is there to be heard at its turn, it is the next one's.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.has = None;
        let Some(waits) = &mut self.waits else { return Poll::Pending };
        waits.as_mut().poll(cx).map(|turns| {
            self.waits = None;
            self.has = Some(turns);
        })
    }

    /// What was there was heard.
    pub(super) fn end(&mut self) {
        self.has = None;
    }
}

impl Swarm {
    /// Whether our line or our memory is full.
    fn is_full(&self) -> bool {
        let now = Instant::now();
        self.common.memory.is_full()
            || [&self.down, &self.common.down].iter().any(|line| line.opens(now).is_some())
    }

    /// Waits until neither is. Only a line that is limited has turns: memory has room for all or none.
    async fn turns(&self) -> Turns {
        self.common.memory.room().await;
        [self.down.turn().await, self.common.down.turn().await]
    }
}
