//! The plumbing: it moves bytes, and knows no protocol.

pub mod addr;
pub mod bucket;
pub mod client;
pub mod clock;
pub mod conn;
pub mod drain;
pub mod framed;
pub mod io;
pub mod limits;
pub mod listen;
pub mod pace;
pub mod pool;
mod preamble;
mod queued;
pub mod random;
pub mod relay;
pub mod resilience;
pub mod sendfile;
pub mod serve;
pub mod service;
pub mod shards;
pub mod splice;
pub mod stamps;
pub mod times;
pub mod tls;
pub(crate) mod words;
pub mod workers;
