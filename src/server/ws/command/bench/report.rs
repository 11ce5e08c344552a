//! The report: a table for people, or JSON for programs.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::Args;
use super::tally::Tally;
use crate::net::times::Times;
use crate::proto::ws::handshake::url::Url;

/// Width of the names of rows, and of each column.
const NAME: usize = 13;
const COLUMN: usize = 12;

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

#[derive(Debug, Serialize)]
struct Percentiles {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct Errors {
    count: u64,
    what: String,
}

impl Report {
    pub(super) fn new(args: &Args, tally: &Tally) -> Self {
        let seconds = tally.measured.as_secs_f64();
        let a_second = |n: u64| if seconds > 0.0 { n as f64 / seconds } else { 0.0 };
        let bytes = tally.messages.saturating_mul(args.size.0);
        let messages = Messages {
            answered: tally.messages,
            per_second: a_second(tally.messages),
            bytes,
            bytes_per_second: a_second(bytes),
            unanswered: tally.unanswered,
            behind: tally.behind,
        };
        let errors = tally.faults.iter().map(|(what, &count)| Errors { count, what: what.clone() });
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
            seconds,
            errors: errors.collect(),
        }
    }

    /// One object.
    pub(super) fn json(&self) -> String {
        // Numbers and strings always have their JSON.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }
}

impl Percentiles {
    fn of(times: &Times) -> Option<Self> {
        let at = |part| times.quantile(part).map(|time| time.as_secs_f64());
        Some(Self { p50: at(0.5)?, p90: at(0.9)?, p99: at(0.99)?, p999: at(0.999)?, max: at(1.0)? })
    }

    fn columns(&self) -> Vec<(&'static str, String)> {
        let columns = [
            ("50%", self.p50),
            ("90%", self.p90),
            ("99%", self.p99),
            ("99.9%", self.p999),
            ("max", self.max),
        ];
        columns.map(|(name, seconds)| (name, time(seconds))).into()
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
        }
        match &*self.errors {
            [] => writeln!(f, "errors: none"),
            errors => {
                writeln!(f, "errors:")?;
                errors
                    .iter()
                    .try_for_each(|error| writeln!(f, "{:>NAME$}  {}", count(error.count), error.what))
            }
        }
    }
}

/// Two lines: what the columns are, and what is in them.
fn row(f: &mut Formatter<'_>, name: &str, columns: &[(&str, String)]) -> fmt::Result {
    write!(f, "{name:<NAME$}")?;
    columns.iter().try_for_each(|(head, _)| write!(f, "{head:>COLUMN$}"))?;
    write!(f, "\n{:NAME$}", "")?;
    columns.iter().try_for_each(|(_, value)| write!(f, "{value:>COLUMN$}"))?;
    writeln!(f, "\n")
}

/// `1234567` as `1,234,567`.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Whole numbers, unless there are few.
fn rate(a_second: f64) -> String {
    if a_second < 100.0 { format!("{a_second:.1}") } else { count(a_second.round() as u64) }
}

/// Three digits and a unit.
fn time(seconds: f64) -> String {
    let (value, unit) = match seconds {
        0.0 => return "0 s".into(),
        seconds if seconds < 1e-3 => (seconds * 1e6, "us"),
        seconds if seconds < 1.0 => (seconds * 1e3, "ms"),
        seconds => (seconds, "s"),
    };
    let decimals = match value {
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
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

    #[test]
    fn numbers_for_people() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), text);
        }
        for (seconds, text) in [
            (0.0, "0 s"),
            (4.2e-7, "0.42 us"),
            (1.234e-5, "12.3 us"),
            (0.5, "500 ms"),
            (1.0, "1.00 s"),
            (600.0, "600 s"),
        ] {
            assert_eq!(time(seconds), text);
        }
        assert_eq!((rate(0.55), rate(99.94), rate(100.4)), ("0.6".into(), "99.9".into(), "100".into()));
    }
}
