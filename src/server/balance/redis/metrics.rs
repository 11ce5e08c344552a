//! The Prometheus metrics of Redis.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Client;

/// Writes the metrics of a client.
pub(in crate::server::balance) fn encode(
    client: &Client,
    encoder: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    let counters = client.counters();
    let help = "Whether Redis is there; while it is not, each balancer counts requests for itself.";
    let metric = encoder.encode_descriptor("balance_redis_up", help, None, MetricType::Gauge)?;
    ConstGauge::new(i64::from(client.is_there())).encode(metric)?;
    let help = "Calls of Redis by their outcome.";
    let mut metric = encoder.encode_descriptor("balance_redis_calls", help, None, MetricType::Counter)?;
    for (outcome, counter) in [
        ("granted", &counters.granted),
        ("refused", &counters.refused),
        ("timeout", &counters.timeouts),
        ("error", &counters.errors),
    ] {
        let labels = [("outcome", outcome)];
        ConstCounter::new(counter.load(Ordering::Relaxed)).encode(metric.encode_family(&labels)?)?;
    }
    let help =
        "Requests that were counted by this balancer alone, as Redis was away or did not answer in time.";
    let metric = encoder.encode_descriptor("balance_redis_counted_alone", help, None, MetricType::Counter)?;
    ConstCounter::new(counters.alone.load(Ordering::Relaxed)).encode(metric)
}
