//! The language WebSocket (RFC 6455), with `permessage-deflate` (RFC 7692), for both ends.
//!
//! A connection begins as HTTP: [`handshake`] reads the request and says what was agreed on. Then a [`Codec`](codec::Codec)
//! speaks frames. What it hears are whole messages and control frames ([`message::Incoming`]), every rule of the RFC
//! checked; what is wrong is a [`Reject`](reject::Reject), which knows its close code. When to ping, and when to give a
//! silent peer up, is decided by [`keeper`]: like everything here without a clock, the time is an argument.

pub mod close;
pub mod codec;
pub mod deflate;
pub mod frame;
pub mod handshake;
mod inbound;
pub mod keeper;
pub mod limits;
pub mod mask;
pub mod message;
pub mod reject;
pub mod utf8;
