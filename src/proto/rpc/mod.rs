//! The language of `wireworks rpc`: frames, calls on streams, their messages and their status (`docs/rpc-protocol.md`, which the sections cited here are of).

pub mod codec;
pub mod dynamic;
pub mod frame;
pub mod keeper;
pub mod metadata;
pub mod payload;
pub mod reject;
pub mod schema;
pub mod session;
pub mod settings;
pub mod status;
