//! Turns: every server of a case takes one in each round, in an order shuffled anew.

use super::args::Args;
use super::table::{Heading, markdown};
use super::{Result, procfs};

/// One row of a bench's table of cases.
pub(crate) trait Case {
    /// What its table says of itself.
    fn heading(&self) -> Heading<'static>;

    /// The servers that it measures.
    fn servers(&self) -> &'static [&'static str];
}

/// What one turn of one server gave.
pub(crate) struct Sample {
    /// The measured quantity.
    pub(crate) cost: f64,
    /// Others beside it, in the order of [`Units::sides`].
    pub(crate) sides: Vec<f64>,
    /// What failed, and connections that were lost.
    pub(crate) errors: u64,
}

/// What the numbers of a case are.
pub(crate) struct Units {
    /// Of [`Sample::cost`].
    pub(crate) cost: &'static str,
    /// Of [`Sample::sides`], each with its digits behind the point.
    pub(crate) sides: &'static [(&'static str, usize)],
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

/// Measures those of the cases that `args` ask for, and prints their tables. A `turn` starts the server of that name and
/// measures it.
pub(crate) fn run<C: Case>(
    cases: &[C],
    args: &Args,
    mut turn: impl FnMut(&C, &str) -> Result<Sample>,
) -> Result<()> {
    args.check(cases)?;
    for case in cases.iter().filter(|case| args.has_case(case.heading().name)) {
        let rows = measure(case, args, |name| turn(case, name));
        println!("{}", markdown(&case.heading(), &rows));
    }
    Ok(())
}

/// All rounds of one case. A server that fails is reported and left out of the rounds that follow.
fn measure(case: &impl Case, args: &Args, mut turn: impl FnMut(&str) -> Result<Sample>) -> Vec<Row> {
    let Heading { name, units, .. } = case.heading();
    let row = |name| Row { name, samples: Vec::new(), failure: None };
    let mut rows: Vec<Row> = args.servers(case.servers()).into_iter().map(row).collect();
    for round in 1..=args.rounds {
        let mut order: Vec<usize> = (0..rows.len()).filter(|&row| rows[row].failure.is_none()).collect();
        fastrand::shuffle(&mut order);
        for at in order {
            let row = &mut rows[at];
            let who = format!("{name} {round}/{} {:20}", args.rounds, row.name);
            match turn(row.name) {
                Ok(sample) => {
                    let Sample { cost, sides, errors } = &sample;
                    let (Units { cost: unit, sides: names, digits }, load) = (units, procfs::load());
                    let sides = sides.iter().zip(*names);
                    let sides: String =
                        sides.map(|(side, (name, digits))| format!(" {side:8.digits$} {name}")).collect();
                    eprintln!("{who} {cost:8.digits$} {unit}{sides} {errors} errors, load {load}");
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
