//! What a tracker tells of itself: a row a number, which `/stats`, the page and the metrics have alike.

use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Tracker;
use crate::proto::bittorrent::tracker::server::Stats;
use crate::server::metrics::Metrics;

/// What it has seen at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) stats: Stats,
    /// Packets by UDP.
    pub(super) received: u64,
    /// Answers by UDP for which there was no room.
    pub(super) unsent: u64,
    /// Torrents that may be tracked, if not all.
    pub(super) listed: Option<u64>,
    pub(super) interval: Duration,
    pub(super) uptime: Duration,
}

/// Whether a number can go down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only goes up.
    Counter,
}

/// A number.
#[derive(Debug)]
pub(super) struct Row {
    /// Its name in `/stats`; in metrics it is `tracker_NAME`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What it is, without a full stop.
    pub(super) what: &'static str,
    pub(super) read: fn(&Numbers) -> u64,
}

impl Row {
    const fn gauge(name: &'static str, what: &'static str, read: fn(&Numbers) -> u64) -> Self {
        Self { name, kind: Kind::Gauge, what, read }
    }

    const fn counter(name: &'static str, what: &'static str, read: fn(&Numbers) -> u64) -> Self {
        Self { name, kind: Kind::Counter, what, read }
    }
}

/// What [`Stats::ignored`] counts.
const IGNORED: &str = "Packets that are no requests, or without a connection id that counts";

/// All of them, in the order in which they are shown.
pub(super) static ROWS: [Row; 11] = [
    Row::gauge("torrents", "Torrents that have peers", |n| n.stats.torrents as u64),
    Row::gauge("seeders", "Peers that have all of a torrent", |n| n.stats.seeders as u64),
    Row::gauge("leechers", "Peers that have not", |n| n.stats.leechers as u64),
    Row::counter("announces", "Announces that were answered", |n| n.stats.announces),
    Row::counter("scrapes", "Scrapes that were answered", |n| n.stats.scrapes),
    Row::counter("completed", "Torrents that a peer has got", |n| n.stats.completed),
    Row::counter("refused", "Requests that were refused, with a reason", |n| n.stats.refused),
    Row::counter("udp_packets", "Packets that came by UDP", |n| n.received),
    Row::counter("udp_connects", "Connection ids that were given", |n| n.stats.connects),
    Row::counter("udp_ignored", IGNORED, |n| n.stats.ignored),
    Row::counter("udp_unsent", "Answers for which the socket had no room", |n| n.unsent),
];

/// As `/stats` shows them.
impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for row in &ROWS {
            map.serialize_entry(row.name, &(row.read)(self))?;
        }
        map.serialize_entry("allowed", &self.listed)?;
        map.serialize_entry("interval", &self.interval.as_secs())?;
        map.serialize_entry("uptime", &self.uptime.as_secs())?;
        map.end()
    }
}

/// Shows the numbers of a tracker with the metrics.
pub(in crate::server::share) fn register(tracker: &Tracker, metrics: &Metrics) {
    for row in &ROWS {
        let (name, tracker) = (format!("tracker_{}", row.name), tracker.clone());
        let read = move || (row.read)(&tracker.numbers());
        match row.kind {
            Kind::Gauge => metrics.register_gauge(&name, row.what, read),
            Kind::Counter => metrics.register_counter(&name, row.what, read),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::{query, tracker};
    use super::*;
    use crate::proto::bittorrent::tracker::server::Limits;

    #[test]
    fn what_is_counted_is_told_alike() {
        let tracker = tracker(Limits::default());
        let peer = "192.0.2.1".parse().unwrap();
        tracker.announce(peer, query("&port=7000").as_bytes());
        tracker.announce(peer, b"");
        tracker.packet("192.0.2.1:7000".parse().unwrap(), b"no packet");
        tracker.unsent();
        let json = serde_json::to_value(tracker.numbers()).unwrap();
        for (name, expected) in [
            ("torrents", 1),
            ("seeders", 0),
            ("leechers", 1),
            ("announces", 1),
            ("refused", 1),
            ("udp_packets", 1),
            ("udp_ignored", 1),
            ("udp_unsent", 1),
            ("interval", 1800),
        ] {
            assert_eq!(json[name], expected, "{name}: {json}");
        }
        assert_eq!(json["allowed"], serde_json::Value::Null);
        tracker.list(Some(BTreeSet::new()));
        let text = serde_json::to_string(&tracker.numbers()).unwrap();
        assert!(
            text.starts_with("{\"torrents\":1,\"seeders\":0,") && text.contains(",\"allowed\":0,"),
            "{text}"
        );

        let metrics = Metrics::new();
        register(&tracker, &metrics);
        let text = metrics.encode();
        for line in ["wireworks_tracker_leechers 1\n", "wireworks_tracker_announces_total 1\n"] {
            assert!(text.contains(line), "{text}");
        }
        assert!(ROWS.iter().all(|row| text.contains(&format!("{}.\n", row.what))), "{text}");
    }
}
