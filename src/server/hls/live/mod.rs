//! Live streams by name: who publishes, and what viewers get.

pub mod demo;
mod streams;

pub use self::streams::{About, Ended, Publisher, Refused, Streams};
