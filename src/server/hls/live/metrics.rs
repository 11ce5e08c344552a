//! The Prometheus metrics of live streams.

use super::streams::{Count, Streams};
use crate::server::metrics::Metrics;

/// Shows what streams count.
pub fn register(streams: &Streams, metrics: &Metrics) {
    let gauges = [
        ("hls_live_streams", "Live streams that have not ended", Count::Streams),
        ("hls_live_publishers", "Publishers of renditions", Count::Publishers),
        ("hls_live_memory_bytes", "Bytes of segments in memory", Count::Memory),
    ];
    for (name, help, what) in gauges {
        let streams = streams.clone();
        metrics.register_gauge(name, help, move || streams.count(what));
    }
    let counters = [
        ("hls_live_segments", "Segments that were completed", Count::Segments),
        ("hls_live_samples", "Samples that came in", Count::Samples),
        ("hls_live_ingest_bytes", "Bytes of samples that came in", Count::Bytes),
        ("hls_live_gaps", "Segments that are gaps, since nothing came", Count::Gaps),
    ];
    for (name, help, what) in counters {
        let streams = streams.clone();
        metrics.register_counter(name, help, move || streams.count(what));
    }
}
