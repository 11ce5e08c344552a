//! The chat server: rooms, direct messages, accounts, presence and history, for clients of JSON over WebSocket and of IRC.

pub mod accounts;
pub mod house;
pub mod store;
