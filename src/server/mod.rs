//! Where a language meets the plumbing.

pub mod http;
