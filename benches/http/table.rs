//! The tables: median [least..most] of a server's turns, and its ratio to the reference.

use std::fmt::Write as _;

use crate::cases::{Case, Load, Sample};

/// The turns of one server in one case.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<Sample>,
    /// Why it takes no more turns.
    pub(crate) failure: Option<String>,
}

impl Row {
    /// A row without a turn.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, samples: Vec::new(), failure: None }
    }

    /// The measured quantity of each turn, in ascending order.
    fn costs(&self) -> Vec<f64> {
        sorted(self.samples.iter().map(|sample| match *sample {
            Sample::Busy { cost, .. } => cost,
            Sample::Idle { bytes, .. } => bytes,
        }))
    }

    /// The second quantity of each turn, in ascending order.
    fn sides(&self) -> Vec<f64> {
        sorted(self.samples.iter().map(|sample| match *sample {
            Sample::Busy { rate, .. } => rate,
            Sample::Idle { wakeups, .. } => wakeups as f64,
        }))
    }

    fn errors(&self) -> u64 {
        let errors = self.samples.iter().map(|sample| match *sample {
            Sample::Busy { errors, .. } | Sample::Idle { errors, .. } => errors,
        });
        errors.sum()
    }
}

/// The table of one case, with its heading.
pub(crate) fn markdown(case: &Case, rows: &[Row]) -> String {
    let reference = rows
        .iter()
        .filter(|row| row.name.starts_with(case.reference))
        .filter_map(|row| Some((row.name, median(&row.costs())?)))
        .min_by(|a, b| a.1.total_cmp(&b.1));
    let (cost, side, digits) = match case.load {
        Load::Busy { .. } => ("CPU µs/request", "requests/s", 2),
        Load::Idle { .. } => ("bytes/connection", "wake-ups in 10 s", 0),
    };
    let ratio = reference.map_or("ratio".to_owned(), |(name, _)| format!("to {name}"));
    let mut text = format!(
        "### {}\n\n{}.\n\n| server | {cost}: median [min..max] | {ratio} | {side} | errors |\n|---|---|---|---|---|\n",
        case.name, case.about
    );
    for row in rows {
        let line = line(row, reference.map(|(_, cost)| cost), digits);
        let _ = writeln!(text, "| {} | {line} |", row.name);
    }
    text
}

/// The cells of one row after the name.
fn line(row: &Row, reference: Option<f64>, digits: usize) -> String {
    let costs = row.costs();
    let failed =
        row.failure.as_deref().map(|reason| format!("failed: {}", reason.lines().next().unwrap_or("")));
    let (Some(cost), Some(side), Some(least), Some(most)) =
        (median(&costs), median(&row.sides()), costs.first(), costs.last())
    else {
        return format!("{} | | |", failed.unwrap_or_default());
    };
    let ratio = reference.filter(|&by| by > 0.0).map_or(String::new(), |by| format!("{:.2}", cost / by));
    let errors = failed.unwrap_or_else(|| row.errors().to_string());
    format!("{cost:.digits$} [{least:.digits$}..{most:.digits$}] | {ratio} | {side:.0} | {errors}")
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The middle of sorted values; of two middles their mean.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}
