//! The services of `wireworks rpc serve`: something to call, something to watch, and something that fails.

pub mod clock;
pub mod echo;
pub mod faults;
pub mod kv;

use super::Services;
use super::health::HealthReporter;

/// All of them. Their server has [workers](super::Server::workers) for what takes the processor for long.
#[must_use]
pub fn services() -> Services {
    reporting(&HealthReporter::new())
}

/// All of them, whose health callers of [`Faults`](faults::Faults) may change: what `reporter` says.
#[must_use]
pub fn reporting(reporter: &HealthReporter) -> Services {
    echo::echo::serve(echo::Parrot)
        .with(kv::kv::serve(kv::Store::default()))
        .with(clock::clock::serve(clock::Tower))
        .with(faults::faults::serve(faults::Trouble(reporter.clone())))
}
