//! Live streams by name: who publishes, and what viewers get.
//!
//! [`Streams`] has them all. A [`Publisher`] feeds one rendition of one stream, whatever it came by ([`ingest`]); [`viewers`] is what is served of them over HTTP, and [`record`] keeps a
//! stream for later. What a stream is made of is decided in [`proto::hls::live`](crate::proto::hls::live).

pub mod demo;
mod edition;
pub mod ingest;
pub mod metrics;
mod name;
pub mod record;
mod settings;
mod stream;
mod streams;
pub mod viewers;

pub use self::name::{BadName, LONGEST, MAIN, StreamName};
pub use self::settings::{Limits, Settings};
pub use self::stream::{Ended, Listed};
pub use self::streams::{Publisher, Refused, Streams, WhoPublishes};
