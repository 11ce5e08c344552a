//! Where a language meets the plumbing.

mod around;
pub mod http;
mod lines;
mod listening;
pub mod metrics;
pub mod process;
pub mod rpc;
pub mod site;
pub mod suite;
pub mod units;
pub mod ws;
