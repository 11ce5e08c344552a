//! The report: a table for people, or JSON for programs.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::Args;
use super::tally::Tally;
use crate::server::load::report::{
    Bucket, Errors, Percentiles, a_second, bars, buckets, count, errors, rate, row, time, write_errors,
};

/// What was measured. Times are in seconds.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Without name and password.
    url: String,
    /// What was done, in words.
    load: String,
    members: Members,
    messages: Messages,
    deliveries: Deliveries,
    /// From when a message was due to its acknowledgement.
    acknowledgement: Option<Percentiles>,
    /// From when a message was due to each delivery.
    delivery: Option<Percentiles>,
    /// Of deliveries.
    histogram: Vec<Bucket>,
    /// From the first sending to the last delivery.
    seconds: f64,
    /// Whether every member has seen every acknowledged message once and in order, and nothing else went wrong.
    passed: bool,
    errors: Vec<Errors>,
}

#[derive(Debug, Serialize)]
struct Members {
    opened: u64,
    reconnects: u64,
    /// Until the last one was in.
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Messages {
    acknowledged: u64,
    per_second: f64,
    refused: u64,
    unanswered: u64,
    /// Due by the rate, and not sent.
    behind: u64,
}

#[derive(Debug, Serialize)]
struct Deliveries {
    count: u64,
    per_second: f64,
    /// Joins and whatever else happened in the rooms, from the beginning.
    other_events: u64,
}

impl Report {
    pub(super) fn new(args: &Args, tally: &Tally) -> Self {
        let seconds = tally.measured.as_secs_f64();
        Self {
            url: shown(&args.remote.url),
            load: load(args),
            members: Members {
                opened: tally.opened,
                reconnects: tally.reconnects,
                seconds: tally.opened_after.as_secs_f64(),
            },
            messages: Messages {
                acknowledged: tally.acknowledged,
                per_second: a_second(tally.acknowledged, seconds),
                refused: tally.refused,
                unanswered: tally.unanswered,
                behind: tally.behind,
            },
            deliveries: Deliveries {
                count: tally.deliveries,
                per_second: a_second(tally.deliveries, seconds),
                other_events: tally.events,
            },
            acknowledgement: Percentiles::of(&tally.acknowledgement),
            delivery: Percentiles::of(&tally.delivery),
            histogram: buckets(&tally.delivery),
            seconds,
            passed: tally.faults.total() == 0,
            errors: errors(&tally.faults),
        }
    }

    /// One object.
    pub(super) fn json(&self) -> String {
        // Numbers and strings always have their JSON.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }
}

/// The URL without who asks.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// What was asked for, in words.
fn load(args: &Args) -> String {
    let (members, rooms) = (args.members.get(), args.rooms.get());
    let senders = args.senders.map_or(rooms, std::num::NonZeroU32::get).min(members);
    let pace = match args.rate {
        Some(rate) => format!("{rate} in all"),
        None => format!("{} underway each", args.window),
    };
    let plural = |n: u32, word: &str| format!("{} {word}{}", count(n.into()), if n == 1 { "" } else { "s" });
    let (members, senders, rooms) =
        (plural(members, "member"), plural(senders, "sender"), plural(rooms, "room"));
    format!("{rooms}, {members}, {senders}, {pace}, {} of text", args.size)
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}, {}\n", self.url, self.load, time(self.seconds))?;
        let mut columns = vec![("in", count(self.members.opened)), ("within", time(self.members.seconds))];
        if self.members.reconnects > 0 {
            columns.push(("came back", count(self.members.reconnects)));
        }
        row(f, "members", &columns)?;
        let messages = &self.messages;
        let mut columns =
            vec![("on disk", count(messages.acknowledged)), ("a second", rate(messages.per_second))];
        for (name, number) in [
            ("refused", messages.refused),
            ("unanswered", messages.unanswered),
            ("never sent", messages.behind),
        ] {
            if number > 0 {
                columns.push((name, count(number)));
            }
        }
        row(f, "messages", &columns)?;
        let deliveries = &self.deliveries;
        let columns = [
            ("heard", count(deliveries.count)),
            ("a second", rate(deliveries.per_second)),
            ("others", count(deliveries.other_events)),
        ];
        row(f, "deliveries", &columns)?;
        if let Some(latency) = &self.acknowledgement {
            row(f, "sent to ack", &latency.columns())?;
        }
        if let Some(latency) = &self.delivery {
            row(f, "to delivery", &latency.columns())?;
            bars(f, &self.histogram)?;
        }
        if self.passed {
            return writeln!(
                f,
                "check: passed. Every member saw every acknowledged message once, in order, without a gap"
            );
        }
        writeln!(f, "check: FAILED")?;
        write_errors(f, &self.errors)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(args: &[&str]) -> Args {
        Line::try_parse_from([&["test", "ws://u:secret@a.test/chat"], args].concat()).unwrap().args
    }

    fn tally() -> Tally {
        let mut tally = Tally { opened: 100, acknowledged: 5000, deliveries: 495_000, ..Tally::new() };
        tally.measured = Duration::from_secs(10);
        tally.opened_after = Duration::from_micros(12_345);
        for us in 1..=1000 {
            tally.acknowledgement.record(Duration::from_micros(us));
            tally.delivery.record(Duration::from_micros(us * 100));
        }
        tally
    }

    #[test]
    fn a_table_for_people() {
        let text = Report::new(&args(&[]), &tally()).to_string();
        let expected = "\
ws://a.test/chat: 1 room, 100 members, 1 sender, 1 underway each, 64B of text, 10.0 s

members                in      within
                      100     12.3 ms

messages          on disk    a second
                    5,000         500

deliveries          heard    a second      others
                  495,000      49,500           0

sent to ack           50%         90%         99%       99.9%         max
                   500 us      900 us      990 us      999 us     1.00 ms

to delivery           50%         90%         99%       99.9%         max
                  50.0 ms     90.0 ms     99.0 ms     99.9 ms      100 ms
";
        let ending =
            "\ncheck: passed. Every member saw every acknowledged message once, in order, without a gap\n";
        assert!(text.starts_with(expected) && text.ends_with(ending), "{text}");
    }

    #[test]
    fn what_went_wrong_is_told() {
        let mut tally = Tally { refused: 2, behind: 1000, reconnects: 3, ..tally() };
        tally.fault("an event is missing in a room");
        let text = Report::new(&args(&["--rate", "5/s", "-r", "3"]), &tally).to_string();
        for part in ["3 rooms, 100 members, 3 senders, 5/s in all", "came back", "refused  never sent"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.ends_with("check: FAILED\nerrors:\n            1  an event is missing in a room\n"));
        let json: serde_json::Value = serde_json::from_str(&Report::new(&args(&[]), &tally).json()).unwrap();
        assert_eq!((&json["passed"], &json["errors"][0]["count"]), (&false.into(), &1.into()));
        assert_eq!(
            (&json["deliveries"]["count"], &json["messages"]["refused"]),
            (&495_000.into(), &2.into())
        );
    }

    #[test]
    fn sizes_have_bounds() {
        for (size, fine) in [("36B", true), ("16KiB", true), ("8B", false), ("17KiB", false)] {
            let args = Line::try_parse_from(["test", "ws://a.test", "--size", size]);
            assert_eq!(args.is_ok(), fine, "{size}");
        }
    }
}
