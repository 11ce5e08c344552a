//! What a tracker tells of itself: a row a number, which `/stats`, the page and the metrics have alike.

use std::time::Duration;

use serde_json::{Map, Value};

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

/// All of them, in the order in which they are shown.
pub(super) static ROWS: [Row; 11] = [
    Row {
        name: "torrents",
        kind: Kind::Gauge,
        what: "Torrents that have peers",
        read: |n| n.stats.torrents as u64,
    },
    Row {
        name: "seeders",
        kind: Kind::Gauge,
        what: "Peers that have all of a torrent",
        read: |n| n.stats.seeders as u64,
    },
    Row {
        name: "leechers",
        kind: Kind::Gauge,
        what: "Peers that have not",
        read: |n| n.stats.leechers as u64,
    },
    Row {
        name: "announces",
        kind: Kind::Counter,
        what: "Announces that were answered",
        read: |n| n.stats.announces,
    },
    Row {
        name: "scrapes",
        kind: Kind::Counter,
        what: "Scrapes that were answered",
        read: |n| n.stats.scrapes,
    },
    Row {
        name: "completed",
        kind: Kind::Counter,
        what: "Torrents that a peer has got",
        read: |n| n.stats.completed,
    },
    Row {
        name: "refused",
        kind: Kind::Counter,
        what: "Requests that were refused, with a reason",
        read: |n| n.stats.refused,
    },
    Row { name: "udp_packets", kind: Kind::Counter, what: "Packets that came by UDP", read: |n| n.received },
    Row {
        name: "udp_connects",
        kind: Kind::Counter,
        what: "Connection ids that were given",
        read: |n| n.stats.connects,
    },
    Row {
        name: "udp_ignored",
        kind: Kind::Counter,
        what: "Packets that are no requests, or without a connection id that counts",
        read: |n| n.stats.ignored,
    },
    Row {
        name: "udp_unsent",
        kind: Kind::Counter,
        what: "Answers for which the socket had no room",
        read: |n| n.unsent,
    },
];

impl Numbers {
    /// What `/stats` shows.
    pub(super) fn json(&self) -> Value {
        let rows = ROWS.iter().map(|row| (row.name.to_owned(), (row.read)(self).into()));
        let others = [
            ("allowed", self.listed.map_or(Value::Null, Value::from)),
            ("interval", self.interval.as_secs().into()),
            ("uptime", self.uptime.as_secs().into()),
        ];
        let others = others.map(|(name, value)| (name.to_owned(), value));
        Value::Object(rows.chain(others).collect::<Map<_, _>>())
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
        let json = tracker.numbers().json();
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
        assert_eq!(json["allowed"], Value::Null);
        tracker.list(Some(BTreeSet::new()));
        assert_eq!(tracker.numbers().json()["allowed"], 0);

        let metrics = Metrics::new();
        register(&tracker, &metrics);
        let text = metrics.encode();
        for line in ["wireworks_tracker_leechers 1\n", "wireworks_tracker_announces_total 1\n"] {
            assert!(text.contains(line), "{text}");
        }
        assert!(ROWS.iter().all(|row| text.contains(&format!("{}.\n", row.what))), "{text}");
    }
}
