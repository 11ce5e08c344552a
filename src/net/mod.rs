//! The plumbing: it moves bytes, and knows no protocol.

pub mod addr;
pub mod bucket;
pub mod limits;
pub mod listen;
pub mod service;
pub mod tls;
pub mod workers;
