//! What the ffmpeg program does for the packager, where it is installed: renditions of one film for networks of any speed, and pictures for a seek bar.
//!
//! Nothing here decodes or encodes; the programs `ffmpeg` and `ffprobe` are started, told what to do, and watched. [`ladder`] says which renditions are made of a film,
//! [`program`] runs the programs and reads how far they are.

mod encode;
pub mod ladder;
pub mod program;
mod thumbnails;

#[cfg(test)]
mod tests;

pub use self::encode::{Encoded, encode};
pub use self::ladder::{Ladder, Rung};
pub use self::program::{Film, ToolError, Tools};
pub use self::thumbnails::{INDEX, Thumbnails, thumbnails};
