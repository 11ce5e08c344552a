//! The chat server: rooms, direct messages, accounts, presence and history, for clients of JSON over WebSocket and of IRC.

pub mod accounts;
pub mod admin;
mod aside;
pub mod bench;
pub mod bus;
pub mod client;
pub mod command;
pub mod connect;
pub mod house;
pub mod irc;
pub mod json;
pub mod media;
mod metrics;
pub mod notify;
mod server;
pub mod store;
pub mod web;

pub use self::server::{Chat, ChatError, IRC_PATH, NAME, PATH};
