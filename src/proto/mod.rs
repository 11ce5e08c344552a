//! The languages, sans-IO: bytes in, typed messages out. No socket, no file, no clock, no task, no randomness.

pub mod balance;
pub mod bittorrent;
pub mod chat;
pub mod hls;
pub mod http;
pub mod irc;
pub mod otlp;
pub mod proxy;
pub mod push;
pub mod rpc;
pub mod rtmp;
pub mod sasl;
pub mod tls;
pub mod transmission;
pub mod ws;
