//! Where a language meets the plumbing.

pub mod balance;
pub mod bucket;
pub mod chat;
pub mod command;
pub mod credentials;
mod durable;
mod error;
mod fresh;
mod hex;
pub mod hls;
pub mod http;
pub mod jwt;
pub mod keys;
mod lines;
mod listening;
mod load;
pub mod log;
pub mod metrics;
mod options;
pub mod peer;
pub mod process;
pub mod rpc;
pub mod share;
pub mod site;
mod status;
pub mod suite;
pub mod units;
pub mod watched;
pub mod ws;

pub use self::error::{RunError, one_line};
