//! The HTTP/1.1 server: routing, middleware, static files. And what a client needs of HTTP on its way to another protocol.

pub mod body;
pub mod builder;
pub mod client;
mod connection;
mod exchange;
mod fault;
pub mod files;
pub mod handler;
mod inbound;
pub mod metrics;
pub mod middleware;
pub mod multipart;
mod now;
mod pipe;
pub mod problem;
pub mod request;
pub mod response;
pub mod router;
pub mod serve;
pub mod settings;
pub mod sse;
#[cfg(test)]
pub(crate) mod testing;
pub mod tower;
pub mod upgrade;

pub use self::builder::{Builder, RunError, run};
pub use self::serve::Server;
