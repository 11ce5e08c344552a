//! The command line of a bench.

use clap::Parser;

use super::Result;
use super::rounds::Case;

/// Measures servers, and prints Markdown tables.
#[derive(Parser)]
pub(crate) struct Args {
    /// Measure this case only (repeatable).
    #[arg(long = "case")]
    cases: Vec<String>,
    /// Measure this server only (repeatable).
    #[arg(long = "server")]
    servers: Vec<String>,
    /// How often each server takes its turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Seconds a turn, after one second of warming up.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) seconds: u64,
    /// What cargo adds to the arguments of every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Args {
    /// Whether the case is to be measured.
    pub(super) fn has_case(&self, name: &str) -> bool {
        chosen(&self.cases, name)
    }

    /// Those of `servers` that are to be measured.
    pub(super) fn servers(&self, servers: &[&'static str]) -> Vec<&'static str> {
        servers.iter().copied().filter(|name| chosen(&self.servers, name)).collect()
    }

    /// Refuses names that none of `cases` has, nor its servers.
    pub(super) fn check(&self, cases: &[impl Case]) -> Result<()> {
        let known = |name: &String| cases.iter().any(|case| case.heading().name == name);
        if let Some(unknown) = self.cases.iter().find(|&name| !known(name)) {
            let names: Vec<_> = cases.iter().map(|case| case.heading().name).collect();
            return Err(format!("no case is named {unknown}; there are {}", names.join(", ")).into());
        }
        let known = |name: &String| cases.iter().any(|case| case.servers().contains(&name.as_str()));
        match self.servers.iter().find(|&name| !known(name)) {
            Some(unknown) => Err(format!("no case measures a server named {unknown}").into()),
            None => Ok(()),
        }
    }
}

fn chosen(list: &[String], name: &str) -> bool {
    list.is_empty() || list.iter().any(|n| n == name)
}
