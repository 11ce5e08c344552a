//! Where a language meets the plumbing.

pub mod http;
pub mod metrics;
pub mod process;
pub mod site;
pub mod suite;
pub mod units;
pub mod ws;
