//! Where a language meets the plumbing.

pub mod http;
pub mod suite;
