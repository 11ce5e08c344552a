//! Blocks in their order, where our own line is the narrow place.
//!
//! If what we send is limited, blocks leave one by one, and the torrent says whose is next: a piece goes out as a whole, and is soon passed on, instead of a bit of each to
//! everybody. Where nothing is limited, the connections decide by themselves.

use std::sync::atomic::Ordering;

use tokio::time::{Instant, sleep_until};

use super::Swarm;
use crate::proto::bittorrent::BLOCK;

impl Swarm {
    /// Grants blocks for as long as the torrent is shared.
    pub(super) async fn pace(&self) {
        loop {
            let now = Instant::now();
            let opens = [self.up.opens(now), self.common.up.opens(now)].into_iter().flatten().max();
            if opens.is_none() && self.grant() {
                for throttle in [&self.up, &self.common.up] {
                    throttle.spend(now, BLOCK.into());
                }
                continue;
            }
            let next = async {
                match opens {
                    Some(at) => sleep_until(at).await,
                    None => self.waiting.notified().await,
                }
            };
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = next => {}
            }
        }
    }

    /// Lets a connection send a block, if one has to.
    fn grant(&self) -> bool {
        let Some(sharing) = self.sharing() else { return false };
        sharing.with(None, |state, _| {
            let is_ready =
                |key| state.links.get(&key).is_some_and(|link| link.is_ready.load(Ordering::Relaxed));
            let first = state.torrent.first_in_line(is_ready);
            let Some(link) = first.and_then(|key| state.links.get(&key)) else { return false };
            link.is_ready.store(false, Ordering::Relaxed);
            link.grant();
            true
        })
    }
}
