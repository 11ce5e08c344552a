//! What peers say, told to the torrent in batches, and what becomes of the blocks among it.

use std::sync::Arc;
use std::time::Instant;

use super::Swarm;
use super::sharing::Sharing;
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::torrent::{Heard, Violation};
use crate::proto::bittorrent::wire::Message;

impl Sharing {
    /// Tells the torrent what a peer has said. What is not about pieces is given back, of all that was said before a violation.
    pub(super) fn hear(
        self: &Arc<Self>,
        swarm: &Swarm,
        key: PeerKey,
        batch: Vec<Message>,
    ) -> (Vec<Message>, Result<(), Violation>) {
        let (mut others, mut whole, mut held, mut came) = (Vec::new(), Vec::new(), 0, 0);
        let heard = self.with(Some(key), |state, now| {
            batch.into_iter().try_for_each(|message| {
                if let Message::Piece { data, .. } = &message {
                    came += data.len();
                }
                match state.torrent.heard(now, key, message)? {
                    Heard::Nothing => {}
                    Heard::Other(message) => others.push(message),
                    Heard::Block { piece, begin, data, whole: is_whole } => {
                        held += state.assembly.add(piece, begin, data);
                        if is_whole && let Some(slots) = state.assembly.take(piece) {
                            whole.push((piece, slots));
                        }
                    }
                }
                Ok::<(), Violation>(())
            })
        });
        if came > 0 {
            self.came(swarm, came as u64);
            let too_much = swarm.common.memory.take(held);
            for (piece, slots) in whole {
                swarm.common.disk.check(self, piece, slots);
            }
            if too_much && let Some(spill) = self.with(Some(key), |state, _| state.assembly.spill()) {
                swarm.common.disk.spill(self, spill);
            }
        }
        (others, heard)
    }

    /// Bytes of blocks have come.
    fn came(&self, swarm: &Swarm, bytes: u64) {
        Self::count(&self.downloaded, bytes);
        for throttle in [&swarm.down, &swarm.common.down] {
            throttle.spend(Instant::now().into(), bytes);
        }
    }
}
