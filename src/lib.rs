//! Seven network servers on one core.
//!
//! The rooms, and who may import whom: `server -> {net, proto} -> codec`.
//!
//! * [`codec`] is the treaty between bytes and messages: [`codec::Codec`] and [`codec::Outbox`];
//! * [`proto`] holds the languages, without any I/O: bytes in, typed messages out;
//! * [`net`] holds the plumbing, and knows no protocol;
//! * [`server`] ties a language to the plumbing.
//!
//! `ARCHITECTURE.md` draws the picture, and `tests/architecture.rs` proves it.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

// `wire_types!` has to name this crate in strings, where `$crate` cannot stand: by its own name, also from within.
#[allow(unused_extern_crates)] // in strings the compiler does not see it used
extern crate self as wireworks;

/// The examples of the manuals and the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../docs/http.md")]
#[doc = include_str!("../docs/websocket.md")]
#[doc = include_str!("../docs/rpc.md")]
#[doc = include_str!("../README.md")]
mod manual {}

pub mod codec;
pub mod net;
pub mod proto;
pub mod server;
