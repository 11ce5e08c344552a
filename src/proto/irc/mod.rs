//! The language IRC: lines, commands, numerics, capabilities and modes.
//!
//! By the "Modern IRC Client Protocol" (modern.ircdocs.horse), which says how RFC 1459 and RFC 2812 are used today, and by the
//! specifications of IRCv3. Each file names the part that it follows.
//!
//! What arrives is cut into lines by a [`Lines`](line::Lines), and a line is read by [`Message::parse`](message::Message::parse)
//! without a copy. What leaves is a [`Line`](write::Line), which cannot hold a line end or a NUL, nor be longer than a client
//! has to read. Commands, numerics, capabilities and channel modes are tables; the server dispatches by them, and its help is
//! printed from them. Over WebSocket a line is a message without its line end.

pub mod authenticate;
pub mod batch;
pub mod cap;
pub mod chathistory;
pub mod command;
pub mod isupport;
pub mod line;
pub mod list;
pub mod message;
pub mod mode;
pub mod monitor;
pub mod numeric;
pub mod reply;
pub mod tags;
pub mod target;
pub mod text;
pub mod time;
pub mod who;
pub mod write;
