//! Files for tests, and tests of all parts together.

pub(super) mod build;
mod golden;
