//! What an upload does, in numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::server::metrics::Metrics;

/// Counters, since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Objects that were put.
    pub objects: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
    /// Objects that were removed, as no viewer can want them any more.
    pub removed: AtomicU64,
    /// Attempts to put or remove an object that failed.
    pub failures: AtomicU64,
    /// Segments that slid out of the window of the origin before the store took them.
    pub missed: AtomicU64,
}

/// A metric: its name, its help, and its value.
type Row = (&'static str, &'static str, fn(&Counters) -> &AtomicU64);

const ROWS: [Row; 5] = [
    ("hls_upload_objects", "Objects that were put into the store", |counters| &counters.objects),
    ("hls_upload_bytes", "Their bytes", |counters| &counters.bytes),
    ("hls_upload_removed", "Objects that were removed from the store", |counters| &counters.removed),
    ("hls_upload_failures", "Attempts to put or remove an object that failed", |counters| &counters.failures),
    ("hls_upload_missed", "Segments that the store did not take before they were gone", |counters| {
        &counters.missed
    }),
];

impl Counters {
    /// Shows them.
    pub fn register(self: &Arc<Self>, metrics: &Metrics) {
        for (name, help, value) in ROWS {
            let counters = Arc::clone(self);
            metrics.register_counter(name, help, move || value(&counters).load(Ordering::Relaxed));
        }
    }

    pub(super) fn add(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Ordering::Relaxed);
    }
}
