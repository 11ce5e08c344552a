//! What happens at the RTMP door, in numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::server::metrics::Metrics;

/// Counters, since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections.
    pub connections: AtomicU64,
    /// Publishers that are here now.
    pub publishers: AtomicU64,
    /// Publishers that were not let in: by their key, or by the name.
    pub refused: AtomicU64,
    /// Connections that ended by what the peer did wrong.
    pub faults: AtomicU64,
    /// Bytes of media.
    pub bytes: AtomicU64,
    /// Frames that were left out: late ones behind a jump of timestamps, and those of a decoder that was not configured.
    pub left_out: AtomicU64,
}

/// A metric: its name, its help, and its value.
type Row = (&'static str, &'static str, fn(&Counters) -> &AtomicU64);

const ROWS: [Row; 5] = [
    ("hls_rtmp_connections", "Connections of the RTMP door", |counters| &counters.connections),
    ("hls_rtmp_refused", "Publishers that were not let in, by their key or by the name", |counters| {
        &counters.refused
    }),
    ("hls_rtmp_faults", "RTMP connections that ended by what the encoder did wrong", |counters| {
        &counters.faults
    }),
    ("hls_rtmp_media_bytes", "Bytes of media that came by RTMP", |counters| &counters.bytes),
    ("hls_rtmp_frames_left_out", "Frames that came by RTMP and could not be placed", |counters| {
        &counters.left_out
    }),
];

impl Counters {
    /// Shows them.
    pub fn register(self: &Arc<Self>, metrics: &Metrics) {
        let counters = Arc::clone(self);
        let publishers = move || counters.publishers.load(Ordering::Relaxed);
        metrics.register_gauge("hls_rtmp_publishers", "Encoders that publish by RTMP", publishers);
        for (name, help, value) in ROWS {
            let counters = Arc::clone(self);
            metrics.register_counter(name, help, move || value(&counters).load(Ordering::Relaxed));
        }
    }
}
