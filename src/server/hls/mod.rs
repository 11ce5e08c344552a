//! HLS: packaging, serving and checking.

pub mod check;
pub mod command;
