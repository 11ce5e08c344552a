//! What a Prometheus is told of certificates by ACME.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::Acme;

/// Writes the metrics of all certificates; nothing where there is none.
pub(in crate::server::balance) fn encode(acme: &Acme, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let statuses = acme.statuses();
    if statuses.is_empty() {
        return Ok(());
    }
    let help = "When the certificate expires, since 1970; 0 while there is none.";
    let (name, unit) = ("balance_acme_certificate_expiry_time", Unit::Seconds);
    let mut metric = encoder.encode_descriptor(name, help, Some(&unit), MetricType::Gauge)?;
    for (certificate, status) in &statuses {
        let labels = [("certificate", certificate.as_str())];
        let until = status.until.load(Ordering::Relaxed).cast_signed();
        ConstGauge::new(until).encode(metric.encode_family(&labels)?)?;
    }
    let help = "Orders of certificates by their outcome.";
    let mut metric = encoder.encode_descriptor("balance_acme_orders", help, None, MetricType::Counter)?;
    for (certificate, status) in &statuses {
        for (outcome, count) in [("issued", &status.issued), ("failed", &status.failed)] {
            let labels = [("certificate", certificate.as_str()), ("outcome", outcome)];
            let count = ConstCounter::new(count.load(Ordering::Relaxed));
            count.encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}
