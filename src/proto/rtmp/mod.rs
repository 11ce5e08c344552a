//! RTMP, as encoders publish by it: the handshake, the chunk stream, AMF0, and what is said on top of them.
//!
//! Adobe's Real Time Messaging Protocol 1.0 (2012), sections named in each module; AMF0 (2007); Enhanced RTMP (Veovera, 2024) for codecs
//! that FLV has no number for. A server of this language takes streams in; it plays none. [`codec`] cuts the bytes into messages, [`publish`] is the
//! conversation with an encoder, and [`flv`] says what is in the messages that it sends.

pub mod amf0;
pub mod chunk;
pub mod codec;
pub mod flv;
pub mod message;
pub mod publish;
