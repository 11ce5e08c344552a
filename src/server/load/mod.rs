//! What the commands that measure a server have in common: when something is sent, what went wrong how often, and the report.
//!
//! What is sent, and what an answer is, each protocol knows by itself.

pub(in crate::server) mod bells;
pub(in crate::server) mod faults;
pub(in crate::server) mod report;
pub(in crate::server) mod schedule;
pub(in crate::server) mod signals;

/// Significant digits of what is measured.
pub(in crate::server) const DIGITS: u8 = 3;
