//! What was found, as a table and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::proto::hls::check::{Finding, Level, RULES, Rule};

/// Problems that are kept of one rule in one place: a playlist may have a fault in each of its lines.
const SAME: usize = 20;

/// A rule that is broken somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The rule.
    pub rule: &'static str,
    /// Its section.
    pub section: &'static str,
    /// `error` or `warning`.
    pub verdict: &'static str,
    /// The playlist, with its line or the segment.
    pub place: String,
    /// What is there.
    pub detail: String,
    /// What the rule says.
    pub text: &'static str,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Broken rules, in the order in which they were found.
    pub problems: Vec<Problem>,
    /// Problems that are not listed, as their rule was broken too often in one place.
    pub more: u64,
    /// Playlists that were read, each version counted.
    pub playlists: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

impl Report {
    /// What was found at a place.
    pub(super) fn add(&mut self, place: &str, findings: Vec<Finding>) {
        for finding in findings {
            let at = finding.line.map_or_else(|| place.to_owned(), |line| format!("{place}:{line}"));
            self.put(finding.rule, place, at, finding.detail);
        }
    }

    /// A rule is broken.
    pub(super) fn broken(&mut self, rule: &'static str, place: &str, detail: String) {
        self.put(rule, place, place.to_owned(), detail);
    }

    fn put(&mut self, rule: &'static str, playlist: &str, place: String, detail: String) {
        let Some(Rule { section, level, text, .. }) = RULES.iter().find(|known| known.name == rule) else {
            return;
        };
        let known = self
            .problems
            .iter()
            .filter(|problem| problem.rule == rule && problem.place.starts_with(playlist));
        if known.clone().any(|problem| problem.place == place && problem.detail == detail) {
            return;
        }
        if known.count() >= SAME {
            self.more += 1;
            return;
        }
        let verdict = match level {
            Level::Must => "error",
            Level::Should => "warning",
        };
        self.problems.push(Problem { rule, section, verdict, place, detail, text });
    }

    /// Rules that players rely on and that are broken.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| problem.verdict == "error").count()
    }

    /// Whether it is as it should be; `strict`: warnings count too.
    #[must_use]
    pub fn is_good(&self, strict: bool) -> bool {
        if strict { self.problems.is_empty() } else { self.errors() == 0 }
    }

    /// A table of rule, place, verdict, and what is there, and a line of what was read.
    #[must_use]
    pub fn table(&self) -> String {
        let head = ["VERDICT", "RULE", "SECTION", "PLACE", "WHAT IS THERE"].map(str::to_owned);
        let rows = self.problems.iter().map(|problem| {
            [
                problem.verdict.into(),
                problem.rule.into(),
                problem.section.into(),
                problem.place.clone(),
                problem.detail.clone(),
            ]
        });
        let rows: Vec<[String; 5]> = std::iter::once(head).chain(rows).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3].map(width);
        let mut text = String::new();
        for row in rows.iter().filter(|_| !self.problems.is_empty()) {
            for (cell, width) in row.iter().zip(widths) {
                let _ = write!(text, "{cell:width$}  ");
            }
            text.push_str(&row[4]);
            text.push('\n');
        }
        if self.more > 0 {
            let _ = writeln!(text, "and {} more of the same", self.more);
        }
        let (errors, warnings) = (self.errors(), self.problems.len() - self.errors());
        let _ = writeln!(
            text,
            "{errors} errors, {warnings} warnings: {} playlists and {} segments, {} bytes, by {} rules",
            self.playlists,
            self.segments,
            self.bytes,
            RULES.len()
        );
        text
    }
}
