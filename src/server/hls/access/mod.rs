//! Who may publish, and who may watch.

pub mod link;
mod options;
mod publishers;
mod viewers;

pub use self::options::{PublisherConfig, PublisherOptions, ViewerConfig, ViewerOptions};
pub(in crate::server::hls) use self::publishers::shown_in;
pub use self::publishers::{StreamKeys, WrongKey};
pub use self::viewers::{AccessError, Guarded, Viewers};
