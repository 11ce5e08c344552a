//! What a connection puts up with, and what it asks of its peer.

use std::sync::Arc;
use std::time::Duration;

use crate::proto::rpc::keeper::Patience;
use crate::proto::rpc::payload::{CodecId, compress};
use crate::proto::rpc::session::{MAX_UNSENT, Message};
use crate::proto::rpc::settings::Settings as Hello;

/// The longest time that a handler gets, unless [`Settings::max_deadline`] says otherwise.
pub const MAX_DEADLINE: Duration = Duration::from_secs(3600);

/// The longest time that is counted: a longer one means that there is no limit, and no clock could name its end.
pub(super) const LONGEST: Duration = Duration::from_secs(86_400 * 365);

/// The settings of a connection, at either end. Numbers beyond what the protocol can say are taken as the nearest that it can.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Calls of the peer at a time. gRPC's servers have 100 or no limit, by implementation.
    pub max_calls: u32,
    /// Bytes of a message, decompressed. gRPC has 4 MiB.
    pub max_message: usize,
    /// Bytes of metadata of a call. gRPC has 8 KiB.
    pub max_metadata: usize,
    /// Bytes of messages that may be under way, or wait for the application, on one stream.
    pub stream_credit: u32,
    /// The same for all streams of a connection together. A short call that is made beside long messages may have to wait for so many bytes to be
    /// read: more of it is quicker over long distances, less of it is fairer. Requests and answers of up to 16 KiB need none.
    pub connection_credit: u32,
    /// Bytes of messages that may wait to be sent on a connection. With more of them the peer's calls are refused, until it has read some; and what
    /// waits when the deadline of its call has passed is dropped.
    pub max_unsent: usize,
    /// Messages of so many bytes and more are compressed by zstd, where the peer reads it and they become smaller by it. Of what is
    /// secret and what a stranger has chosen, the size of both compressed together tells something: such a message had better not be. `None` compresses
    /// nothing; what comes compressed is read in either case.
    ///
    /// A server with [workers](super::Server::workers) leaves it to them to compress and decompress messages of 64 KiB and more, so that the other calls of the
    /// connection go on. Without workers it is done in the connection's own task, and by a client in the task that makes the call.
    pub compress_from: Option<usize>,
    /// Calls of ours that may wait until the peer takes further ones.
    pub max_queued_calls: usize,
    /// How long a handler gets, whatever its caller says.
    pub max_deadline: Duration,
    /// How long the peer may be silent.
    pub patience: Patience,
    /// How often the peer may ping; it is told, and does not ping more often whatever its patience. gRPC's servers have five minutes.
    pub min_ping_interval: Duration,
    /// How long the end of a connection may take.
    pub close_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_calls: 256,
            max_message: 4 << 20,
            max_metadata: 8 << 10,
            stream_credit: 512 << 10,
            connection_credit: 1 << 20,
            max_unsent: MAX_UNSENT,
            compress_from: None,
            max_queued_calls: 10_000,
            max_deadline: MAX_DEADLINE,
            patience: Patience::default(),
            min_ping_interval: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
        }
    }
}

impl Settings {
    /// How messages are compressed for a peer that puts up with `theirs`.
    pub(super) fn compression(&self, theirs: &Hello) -> Compression {
        let reads = theirs.compressions & 1 << compress::ZSTD != 0;
        // None is so long as to need more than 32 bits.
        let from = self.compress_from.filter(|_| reads).and_then(|from| u32::try_from(from).ok());
        Compression { from: from.unwrap_or(u32::MAX).max(1), limit: theirs.max_message }
    }

    /// As a connection keeps to them: in the ranges of the protocol, so that it does as its HELLO says.
    pub(super) fn shared(self) -> Arc<Self> {
        let hello = self.hello().clamped();
        let size = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
        Arc::new(Self {
            max_calls: hello.max_streams,
            max_message: size(hello.max_message),
            max_metadata: size(hello.max_metadata),
            stream_credit: hello.stream_credit,
            connection_credit: hello.connection_credit,
            min_ping_interval: Duration::from_millis(hello.min_ping_interval.into()),
            ..self
        })
    }

    /// What the peer is told of them.
    #[must_use]
    pub fn hello(&self) -> Hello {
        let number = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        Hello {
            max_frame: u32::from(u16::MAX),
            max_streams: self.max_calls,
            stream_credit: self.stream_credit,
            connection_credit: self.connection_credit,
            max_message: number(self.max_message),
            max_metadata: number(self.max_metadata),
            min_ping_interval: u32::try_from(self.min_ping_interval.as_millis()).unwrap_or(u32::MAX),
            codecs: CodecId::ALL.iter().fold(0, |bits, codec| bits | 1 << codec.number()),
            compressions: 1 << compress::ZSTD,
        }
    }
}

/// Which messages are compressed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compression {
    from: u32,
    /// What is longer cannot be sent at all.
    limit: u32,
}

impl Compression {
    /// Whether the message is to be compressed.
    pub(super) fn is_for(self, message: &Message) -> bool {
        let size = u32::try_from(message.bytes.len()).unwrap_or(u32::MAX);
        size < u32::MAX && (self.from..=self.limit).contains(&size) && !message.compressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_keeps_to_what_its_hello_says() {
        let wild = |number: u32| Settings {
            max_calls: number,
            max_message: number as usize,
            max_metadata: number as usize,
            stream_credit: number,
            connection_credit: number,
            min_ping_interval: Duration::from_secs(number.into()),
            ..Settings::default()
        };
        for settings in [wild(0), wild(1_000), wild(u32::MAX), Settings::default()] {
            let kept = settings.shared();
            assert_eq!(kept.hello().clamped(), kept.hello());
        }
        assert_eq!(*Settings::default().shared(), Settings::default());
        assert_eq!((wild(0).shared().max_message, wild(u32::MAX).shared().max_metadata), (4_096, 65_535));
    }
}
