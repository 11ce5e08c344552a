//! The site: what the commands `wireworks http` and `wireworks ws serve` run.
//!
//! A folder of files or the [demo application](demo), with WebSockets beside it, and every option that a user may set for them
//! ([command]).

pub mod command;
pub mod demo;
pub mod sockets;
