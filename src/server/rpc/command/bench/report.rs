//! The report: a table for people, or JSON for programs, with the fields of `wireworks ws bench`.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::Args;
use super::run::Tally;
use crate::server::load::report::{
    Bucket, Errors, Percentiles, a_second, bars, buckets, count, errors, rate, row, time, write_errors,
};

/// What was measured. Times are in seconds.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The servers, as they were typed.
    target: String,
    /// What was done, in words.
    load: String,
    calls: Calls,
    latency: Option<Percentiles>,
    histogram: Vec<Bucket>,
    /// From the first call to the last answer.
    seconds: f64,
    errors: Vec<Errors>,
}

#[derive(Debug, Serialize)]
struct Calls {
    /// Those that went well.
    answered: u64,
    per_second: f64,
    /// One way.
    bytes: u64,
    bytes_per_second: f64,
    failed: u64,
    /// Due by the rate, and not made.
    behind: u64,
}

impl Report {
    pub(super) fn new(args: &Args, tally: &Tally) -> Self {
        let seconds = tally.took.as_secs_f64();
        let answered = tally.latency.count();
        let bytes = answered.saturating_mul(args.size.0);
        Self {
            target: args.remote.addresses.clone(),
            load: load(args),
            calls: Calls {
                answered,
                per_second: a_second(answered, seconds),
                bytes,
                bytes_per_second: a_second(bytes, seconds),
                failed: tally.faults.total(),
                behind: tally.behind,
            },
            latency: Percentiles::of(&tally.latency),
            histogram: buckets(&tally.latency),
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
    let pace = match args.rate {
        Some(rate) => format!("{rate} in all"),
        None => format!("{} under way on each", args.depth),
    };
    let plural = if args.connections == 1 { "" } else { "s" };
    format!("{} connection{plural}, {pace}, Echo.bytes of {}", count(args.connections.into()), args.size)
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}, {}\n", self.target, self.load, time(self.seconds))?;
        let calls = &self.calls;
        let mut columns = vec![
            ("answered", count(calls.answered)),
            ("a second", rate(calls.per_second)),
            ("MB a second", format!("{:.2}", calls.bytes_per_second / 1e6)),
        ];
        if calls.failed > 0 {
            columns.push(("failed", count(calls.failed)));
        }
        if calls.behind > 0 {
            columns.push(("never made", count(calls.behind)));
        }
        row(f, "calls", &columns)?;
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
        Line::try_parse_from([&["test", "a.test:1"], args].concat()).unwrap().args
    }

    fn tally() -> Tally {
        let mut tally = Tally { took: Duration::from_secs(2), ..Tally::default() };
        for micros in 101..=300 {
            tally.latency.record(Duration::from_micros(micros));
        }
        tally
    }

    #[test]
    fn a_table_for_people() {
        let expected = "\
a.test:1: 1 connection, 64 under way on each, Echo.bytes of 64B, 2.00 s

calls            answered    a second MB a second
                      200         100        0.01

latency               50%         90%         99%       99.9%         max
                   200 us      280 us      298 us      300 us      300 us

       200 us         100  ########################################
       500 us         100  ########################################

errors: none
";
        assert_eq!(Report::new(&args(&[]), &tally()).to_string(), expected);
    }

    #[test]
    fn what_went_wrong_is_told() {
        let mut tally = Tally { behind: 1_000, ..Tally::default() };
        tally.faults.count("unavailable: gone".into(), 2);
        let text = Report::new(&args(&["--rate", "100/s", "-c", "3"]), &tally).to_string();
        for words in
            ["3 connections, 100/s in all", "failed", "never made", "1,000", "2  unavailable: gone\n"]
        {
            assert!(text.contains(words), "{text}");
        }
        assert!(!text.contains("latency"), "{text}");
    }

    #[test]
    fn json_for_programs() {
        let mut tally = tally();
        tally.faults.count("a".into(), 1);
        let json = Report::new(&args(&[]), &tally).json();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&value["target"], &value["errors"][0]["what"]), (&"a.test:1".into(), &"a".into()));
        assert_eq!((&value["calls"]["answered"], &value["calls"]["failed"]), (&200.into(), &1.into()));
        assert!(value["latency"]["p50"].as_f64().is_some_and(|p50| (p50 - 2e-4).abs() < 1e-6));
        assert_eq!(value["histogram"][1], serde_json::json!({ "up_to": 5e-4, "count": 100 }));
    }

    #[test]
    fn a_rate_that_nobody_keeps_is_refused() {
        let parsed = |rate| Line::try_parse_from(["test", "a:1", "--rate", rate]).map(|line| line.args);
        assert!(parsed("10000000/s").is_ok());
        for rate in ["10000001/s", "often"] {
            assert!(parsed(rate).unwrap_err().to_string().contains(rate));
        }
    }
}
