//! Turns: every server of a case takes one in each round, in an order shuffled anew.

use super::args::Args;
use super::{Result, procfs};

/// What one turn of one server gave.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// The measured quantity.
    pub(crate) cost: f64,
    /// A second one, for orientation.
    pub(crate) side: f64,
    /// What failed, and connections that were lost.
    pub(crate) errors: u64,
}

/// What the numbers of a case are.
pub(crate) struct Units {
    /// Of [`Sample::cost`].
    pub(crate) cost: &'static str,
    /// Of [`Sample::side`].
    pub(crate) side: &'static str,
    /// Digits of a cost behind the point.
    pub(crate) digits: usize,
}

/// The turns of one server in one case.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<Sample>,
    /// Why it takes no more turns.
    pub(crate) failure: Option<String>,
}

/// All rounds of the case called `case`. A server that fails is reported and left out of the rounds that follow.
pub(crate) fn measure(
    case: &str,
    units: &Units,
    names: Vec<&'static str>,
    args: &Args,
    mut turn: impl FnMut(&'static str) -> Result<Sample>,
) -> Vec<Row> {
    let row = |name| Row { name, samples: Vec::new(), failure: None };
    let mut rows: Vec<Row> = names.into_iter().map(row).collect();
    for round in 1..=args.rounds {
        let mut order: Vec<usize> = (0..rows.len()).filter(|&row| rows[row].failure.is_none()).collect();
        fastrand::shuffle(&mut order);
        for at in order {
            let row = &mut rows[at];
            let who = format!("{case} {round}/{} {:20}", args.rounds, row.name);
            match turn(row.name) {
                Ok(sample) => {
                    let Sample { cost, side, errors } = sample;
                    let (Units { cost: unit, side: second, digits }, load) = (units, procfs::load());
                    eprintln!(
                        "{who} {cost:8.digits$} {unit} {side:8.0} {second} {errors} errors, load {load}"
                    );
                    row.samples.push(sample);
                }
                Err(error) => {
                    eprintln!("{who} failed: {error}");
                    row.failure = Some(error.to_string());
                }
            }
        }
    }
    rows
}
