//! The integration tests: one binary, a folder or some files for each server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod architecture;
mod balance;
mod balance_interplay;
mod chat;
mod chat_irc;
mod chat_media;
mod chat_protocol;
mod chat_web;
mod chat_wscat;
mod codecs;
mod fuzz;
mod hls;
mod http;
mod http_browser;
mod http_clients;
mod http_command;
mod http_load;
mod http_refusals;
mod rpc_both_ways;
mod rpc_command;
mod rpc_drain;
mod rpc_golden;
mod rpc_hostile;
mod rpc_layers;
mod rpc_macros;
mod rpc_nested;
mod rpc_network;
mod rpc_policies;
mod rpc_tls;
mod rpc_trailers;
mod share;
mod share_daemon;
mod share_tracker;
mod shown;
mod support;
mod ws;
mod ws_clients;
mod ws_command;
