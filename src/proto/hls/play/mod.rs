//! A player of HLS without a screen: which media it asks for, when, and in which quality. RFC 8216bis, section 6.3.
//!
//! A [`Player`](player::Player) is a value. It is told what came and what time it is, and says what to fetch: the same with a network, and in a test with none. Times are milliseconds, counted from wherever the caller likes.
//!
//! ```text
//!   poll(now) -> Action::List, Load, Cancel, Settled           what is to be done
//!   listed, answered, progressed, loaded, failed               what came of it
//!   event() -> Event                                           what happened, for people and programs
//!   deadline(now)                                              when to poll again if nothing comes
//! ```
//!
//! [`program`] is what there is to choose from, [`timeline`] lays playlists beside each other, [`playback`] is the clock and the buffer, [`player`] goes from one to the next, [`remux`] makes one stream of what was chosen.

pub mod event;
pub mod options;
pub mod piece;
pub mod playback;
pub mod player;
pub mod program;
pub mod remux;
pub mod summary;
pub mod timeline;

mod choose;
mod lane;
mod rendition;

#[cfg(test)]
mod tests;
