//! What a call with a stream of requests has sent, kept so that it can be sent again to another server.
//!
//! After gRFC A6: messages are kept as long as they are few, for each call and for all of a channel. A message that is kept is shared, not
//! copied.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::servers::Shared;
use crate::proto::rpc::session::MESSAGE_WEIGHT;
use crate::server::rpc::link::mailbox::Outgoing;

/// How much of what calls send is kept, so that they can be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Bytes for each call. gRPC's implementations have 1 MiB, or 256 KiB.
    pub call: usize,
    /// Bytes for all calls of a channel. grpc-java has 16 MiB.
    pub channel: usize,
}

impl Replay {
    /// 1 MiB for a call, 16 MiB for a channel, as in grpc-java.
    pub const DEFAULT: Self = Self { call: 1 << 20, channel: 16 << 20 };
}

impl Default for Replay {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What one call has sent. What it holds of the channel's budget is given back when it is dropped.
#[derive(Debug)]
pub(super) struct ReplayBuffer {
    shared: Arc<Shared>,
    /// `None` when it is not kept any longer.
    sent: Option<Vec<Outgoing>>,
    /// What it holds of the channel's budget.
    bytes: usize,
}

impl ReplayBuffer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, sent: Some(Vec::new()), bytes: 0 }
    }

    /// All that was sent, if it is kept.
    pub(super) fn sent(&self) -> Option<&[Outgoing]> {
        self.sent.as_deref()
    }

    /// Keeps something that is sent, if all before it was kept.
    pub(super) fn keep(&mut self, outgoing: &Outgoing) {
        if let Some(sent) = &mut self.sent {
            let size = match outgoing {
                Outgoing::Message(message) => message.bytes.len().max(MESSAGE_WEIGHT),
                Outgoing::End => MESSAGE_WEIGHT,
            };
            self.bytes += size;
            self.shared.replayed.fetch_add(size, Ordering::Relaxed);
            sent.push(outgoing.clone());
        }
    }

    /// Keeps nothing any longer if it is more than may be kept.
    pub(super) fn limit(&mut self) {
        let Replay { call, channel } = self.shared.policies.replay;
        if self.bytes > call || self.sent.is_some() && self.shared.replayed.load(Ordering::Relaxed) > channel
        {
            self.forget();
        }
    }

    /// Keeps nothing any longer: the call stays where it is.
    pub(super) fn forget(&mut self) {
        self.sent = None;
        self.shared.replayed.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for ReplayBuffer {
    fn drop(&mut self) {
        self.forget();
    }
}
