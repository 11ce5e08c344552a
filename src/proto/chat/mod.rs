//! A chat: rooms, messages and members, and the rules that hold among them.
//!
//! This is the house that both doors open into, JSON over WebSocket and IRC. It decides who may do what, and what a room is like
//! after it was done; it knows neither of their languages, no socket, no store and no clock.
//!
//! A [room](room::Room) is a log. What happens in it is an [`Event`](event::Event) with a number of its own, one higher than the one
//! before: a message, an edit, a new topic, a member who comes or goes. The room as it is now is what its events have made of it, on
//! every machine that has seen them.

pub mod event;
pub mod id;
pub mod json;
pub mod level;
pub mod mask;
pub mod name;
pub mod room;
