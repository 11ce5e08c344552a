//! A live presentation, made while it happens (draft-pantos-hls-rfc8216bis sections 6.2.1, 6.2.2 and 6.2.5): pure, time comes in as an argument.
//!
//! [`feed`] is what a source gives. [`segmenter`] cuts it into parts and segments, [`clock`] and [`timeline`] say when they are and [`eras`] what breaks, [`window`] keeps those that viewers can get, and [`rendition`] is all of that for one rendition; [`ladder`] names
//! all renditions. What is decided beforehand is in [`settings`].

pub mod clock;
pub mod eras;
pub mod feed;
pub mod ladder;
mod lane;
pub mod names;
mod output;
mod piece;
pub mod rendition;
pub mod segmenter;
pub mod settings;
mod shared;
#[cfg(test)]
mod tests;
pub mod timeline;
pub mod window;

pub use self::piece::Contents;
pub use self::shared::Shared;
