//! The tables: median [least..most] of a server's turns, and its ratio to the reference.

use std::fmt::Write as _;

use super::rounds::{Row, Sample, Units};

impl Row {
    /// The measured quantity of each turn, in ascending order.
    fn costs(&self) -> Vec<f64> {
        sorted(self.samples.iter().map(|sample| sample.cost))
    }

    /// The median of the other quantity with this number.
    fn side(&self, nth: usize) -> Option<f64> {
        median(&sorted(self.samples.iter().filter_map(|sample| sample.sides.get(nth).copied())))
    }

    fn errors(&self) -> u64 {
        self.samples.iter().map(|Sample { errors, .. }| errors).sum()
    }
}

/// What a table says of itself.
pub(crate) struct Heading<'a> {
    /// The case's name.
    pub(crate) name: &'a str,
    /// What was done, in one sentence without its full stop.
    pub(crate) about: &'a str,
    /// Ratios refer to the cheapest server whose name begins so.
    pub(crate) reference: &'a str,
    pub(crate) units: &'a Units,
}

/// The table of one case, with its heading.
pub(crate) fn markdown(heading: &Heading<'_>, rows: &[Row]) -> String {
    let Heading { name, about, reference, units } = heading;
    let reference = rows
        .iter()
        .filter(|row| row.name.starts_with(reference))
        .filter_map(|row| Some((row.name, median(&row.costs())?)))
        .min_by(|a, b| a.1.total_cmp(&b.1));
    let Units { cost, sides, digits } = units;
    let ratio = reference.map_or("ratio".to_owned(), |(name, _)| format!("to {name}"));
    let names: String = sides.iter().map(|(name, _)| format!(" {name} |")).collect();
    let mut text = format!(
        "### {name}\n\n{about}.\n\n| server | {cost}: median [min..max] | {ratio} |{names} errors |\n|---|---|---|{}---|\n",
        "---|".repeat(sides.len()),
    );
    for row in rows {
        let line = line(row, reference.map(|(_, cost)| cost), *digits, sides);
        let _ = writeln!(text, "| {} | {line} |", row.name);
    }
    text
}

/// The cells of one row after the name.
fn line(row: &Row, reference: Option<f64>, digits: usize, sides: &[(&str, usize)]) -> String {
    let costs = row.costs();
    let failed =
        row.failure.as_deref().map(|reason| format!("failed: {}", reason.lines().next().unwrap_or("")));
    let (Some(cost), Some(least), Some(most)) = (median(&costs), costs.first(), costs.last()) else {
        return format!("{} | |{}", failed.unwrap_or_default(), " |".repeat(sides.len()));
    };
    let ratio = reference.filter(|&by| by > 0.0).map_or(String::new(), |by| format!("{:.2}", cost / by));
    let errors = failed.unwrap_or_else(|| row.errors().to_string());
    let sides: String = (0..)
        .zip(sides)
        .map(|(nth, (_, digits))| format!(" {:.digits$} |", row.side(nth).unwrap_or_default()))
        .collect();
    format!("{cost:.digits$} [{least:.digits$}..{most:.digits$}] | {ratio} |{sides} {errors}")
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
