//! The report: a table for people, or JSON for programs.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::Args;
use super::tally::Tally;
use crate::proto::ws::handshake::url::Url;
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
    connections: Connections,
    opening: Option<Percentiles>,
    /// Of idle sockets nothing is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Messages>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<Percentiles>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    histogram: Vec<Bucket>,
    /// How long it was measured, or how long idle sockets were held.
    seconds: f64,
    errors: Vec<Errors>,
}

#[derive(Debug, Serialize)]
struct Connections {
    opened: u64,
    failed: u64,
    lost: u64,
    /// Until the last one was open.
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Messages {
    answered: u64,
    per_second: f64,
    /// One way.
    bytes: u64,
    bytes_per_second: f64,
    unanswered: u64,
    /// Due by the rate, and not sent.
    behind: u64,
}

impl Report {
    pub(super) fn new(args: &Args, tally: &Tally) -> Self {
        let seconds = tally.measured.as_secs_f64();
        let bytes = tally.messages.saturating_mul(args.size.0);
        let messages = Messages {
            answered: tally.messages,
            per_second: a_second(tally.messages, seconds),
            bytes,
            bytes_per_second: a_second(bytes, seconds),
            unanswered: tally.unanswered,
            behind: tally.behind,
        };
        Self {
            url: args.target.url.parse::<Url>().map(|url| url.to_string()).unwrap_or_default(),
            load: load(args),
            connections: Connections {
                opened: tally.opened,
                failed: tally.failed,
                lost: tally.lost,
                seconds: tally.opened_after.as_secs_f64(),
            },
            opening: Percentiles::of(&tally.opening),
            messages: (!args.idle).then_some(messages),
            latency: Percentiles::of(&tally.latency).filter(|_| !args.idle),
            histogram: if args.idle { Vec::new() } else { buckets(&tally.latency) },
            seconds,
            errors: errors(&tally.faults),
        }
    }

    /// One object.
    pub(super) fn json(&self) -> String {
        // Numbers and strings always have their JSON.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }
}

/// What was asked for, in words.
fn load(args: &Args) -> String {
    let connections = count(args.connections.get().into());
    if args.idle {
        return format!("{connections} idle sockets");
    }
    let kind = if args.text { "text" } else { "binary" };
    let pace = match args.rate {
        Some(rate) => format!("{rate} in all"),
        None => format!("{} in flight on each", args.depth),
    };
    format!("{connections} sockets, {pace}, {} of {kind}", args.size)
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}, {}\n", self.url, self.load, time(self.seconds))?;
        let sockets = &self.connections;
        let stay = ("stay", count(sockets.opened.saturating_sub(sockets.lost)));
        let mut columns = vec![
            ("opened", count(sockets.opened)),
            ("failed", count(sockets.failed)),
            ("lost", count(sockets.lost)),
        ];
        if self.messages.is_none() {
            columns.push(stay);
        }
        columns.push(("open within", time(sockets.seconds)));
        row(f, "sockets", &columns)?;
        if let Some(opening) = &self.opening {
            row(f, "opening", &opening.columns())?;
        }
        if let Some(messages) = &self.messages {
            let mut columns = vec![
                ("answered", count(messages.answered)),
                ("a second", rate(messages.per_second)),
                ("MB a second", format!("{:.2}", messages.bytes_per_second / 1e6)),
            ];
            if messages.unanswered > 0 {
                columns.push(("unanswered", count(messages.unanswered)));
            }
            if messages.behind > 0 {
                columns.push(("never sent", count(messages.behind)));
            }
            row(f, "messages", &columns)?;
        }
        if let Some(latency) = &self.latency {
            row(f, "latency", &latency.columns())?;
            bars(f, &self.histogram)?;
        }
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
        Line::try_parse_from([&["test", "ws://u:secret@a.test/echo"], args].concat()).unwrap().args
    }

    fn tally() -> Tally {
        let mut tally = Tally { opened: 50, messages: 1_234_567, ..Tally::default() };
        tally.measured = Duration::from_secs(10);
        tally.opened_after = Duration::from_micros(12_345);
        for us in 1..=1000 {
            tally.latency.record(Duration::from_micros(us));
            tally.opening.record(Duration::from_micros(us));
        }
        tally
    }

    #[test]
    fn a_table_for_people() {
        let expected = "\
ws://a.test/echo: 50 sockets, 1 in flight on each, 16B of binary, 10.0 s

sockets            opened      failed        lost open within
                       50           0           0     12.3 ms

opening               50%         90%         99%       99.9%         max
                   500 us      900 us      990 us      999 us     1.00 ms

messages         answered    a second MB a second
                1,234,567     123,457        1.98

latency               50%         90%         99%       99.9%         max
                   500 us      900 us      990 us      999 us     1.00 ms

      1.00 us           1  #
      2.00 us           1  #
      5.00 us           3  #
      10.0 us           5  #
      20.0 us          10  #
      50.0 us          30  ###
       100 us          50  ####
       200 us         100  ########
       500 us         300  ########################
      1.00 ms         500  ########################################

errors: none
";
        assert_eq!(Report::new(&args(&[]), &tally()).to_string(), expected);
    }

    #[test]
    fn what_went_wrong_is_told() {
        let mut tally = Tally { failed: 2, unanswered: 3, behind: 1000, ..Tally::default() };
        tally.fault("cannot connect".into(), 2);
        let text = Report::new(&args(&["--rate", "100/s", "--text"]), &tally).to_string();
        for words in
            ["100/s in all", "unanswered", "never sent", "1,000", "errors:\n            2  cannot connect\n"]
        {
            assert!(text.contains(words), "{text}");
        }
        assert!(!text.contains("latency"), "{text}");
    }

    #[test]
    fn idle_sockets_stay_or_do_not() {
        let tally = Tally { opened: 10, lost: 3, ..tally() };
        let text = Report::new(&args(&["--idle"]), &tally).to_string();
        let numbers = "opened      failed        lost        stay open within\n                       10           0           3           7";
        assert!(text.contains(numbers) && !text.contains("messages"), "{text}");
    }

    #[test]
    fn json_for_programs() {
        let mut tally = tally();
        tally.fault("a".into(), 1);
        let json = Report::new(&args(&[]), &tally).json();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["url"], "ws://a.test/echo");
        assert_eq!(value["messages"]["answered"], 1_234_567);
        assert_eq!(value["errors"][0]["what"], "a");
        assert!(value["latency"]["p50"].as_f64().is_some_and(|p50| (p50 - 5e-4).abs() < 1e-6));
        let idle = Report::new(&args(&["--idle"]), &Tally::default()).json();
        assert!(!idle.contains("messages") && !idle.contains("latency"), "{idle}");
    }
}
