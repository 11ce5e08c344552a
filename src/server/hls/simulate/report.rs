//! What came of a simulation: as a table, as JSON, and as CSV.

use std::fmt::Write as _;

use serde_json::json;

use super::{Figures, Session, Work};
use crate::proto::hls::abr::Algorithm;

/// The columns of the table: what stands above them, and how many digits behind the point there are.
const COLUMNS: [(&str, usize); 10] = [
    ("kb/s", 0),
    ("stalled %", 3),
    ("stalls", 1),
    ("switches", 1),
    ("swing kb/s", 1),
    ("startup s", 2),
    ("ramp-up s", 2),
    ("reaction s", 1),
    ("QoE", 4),
    ("score", 4),
];

/// The columns of the published simulator's figures.
const CSV: &str = "fig,scenario,alg,args,trace,rebuffer_ratio,time_avg_bitrate_kbps,time_avg_bitrate_change_kbps,rampup_s,reaction_total_s,rebuffer_s,rebuffer_events,play_s,score";

/// A table for each trace, and one of the means.
#[must_use]
pub fn table(work: &Work, sessions: &[Session]) -> String {
    let mut text = String::new();
    if work.traces.len() > 1 {
        for of_trace in sessions.chunks(work.algorithms.len().max(1)) {
            let Some(first) = of_trace.first() else { continue };
            let rows: Vec<_> = of_trace.iter().map(|one| (one.algorithm, work.figures(one))).collect();
            write_table(&mut text, &first.trace, &rows);
            text.push('\n');
        }
    }
    let title = match &work.traces[..] {
        [(name, _)] => name.clone(),
        all => format!("mean of {} traces", all.len()),
    };
    write_table(&mut text, &title, &work.means(sessions));
    text
}

fn write_table(text: &mut String, title: &str, rows: &[(Algorithm, Figures)]) {
    let names = rows.iter().map(|(algorithm, _)| algorithm.name().len());
    let first = names.chain([title.chars().count()]).max().unwrap_or_default();
    // A String takes everything.
    let _ = write!(text, "{title:first$}");
    for (name, _) in COLUMNS {
        let _ = write!(text, "  {name:>10}");
    }
    text.push('\n');
    for (algorithm, figures) in rows {
        let _ = write!(text, "{:first$}", algorithm.name());
        for ((name, digits), value) in COLUMNS.iter().zip(figures.values()) {
            let value = if name.ends_with('%') { value * 100.0 } else { value };
            let _ = write!(text, "  {value:>10.digits$}");
        }
        text.push('\n');
    }
}

/// All sessions and the means, as JSON.
#[must_use]
pub fn json(work: &Work, sessions: &[Session]) -> String {
    let session = |session: &Session| {
        json!({
            "algorithm": session.algorithm.name(),
            "trace": session.trace,
            "play_s": session.outcome.time / 1000.0,
            "figures": work.figures(session),
        })
    };
    let mean = |(algorithm, figures): (Algorithm, Figures)| json!({ "algorithm": algorithm.name(), "figures": figures });
    let report = json!({
        "buffer_s": work.settings.buffer / 1000.0,
        "sessions": sessions.iter().map(session).collect::<Vec<_>>(),
        "mean": work.means(sessions).into_iter().map(mean).collect::<Vec<_>>(),
    });
    format!("{report:#}\n")
}

/// A line for each session, under the columns of the published simulator's figures; `scenario` and `arguments` are those of the command.
#[must_use]
pub fn csv(sessions: &[Session], scenario: &str, arguments: &str) -> String {
    let mut text = format!("{CSV}\n");
    for Session { algorithm, trace, outcome } in sessions {
        let values = [
            outcome.rebuffer_ratio(),
            outcome.average_bitrate(),
            outcome.oscillation(),
            outcome.ramp_up / 1000.0,
            outcome.reaction / 1000.0,
            outcome.stalled / 1000.0,
            f64::from(outcome.stalls),
            outcome.time / 1000.0,
            outcome.score(),
        ];
        let head = ["", scenario, algorithm.name(), arguments, trace].map(quoted).join(",");
        // Millionths, and no more digits than that takes.
        let values = values.map(|value| format!("{:?}", (value * 1e6).round() / 1e6)).join(",");
        let _ = writeln!(text, "{head},{values}");
    }
    text
}

/// A field of CSV (RFC 4180, section 2).
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
