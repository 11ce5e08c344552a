//! The HTTP/1.1 server: routing, middleware, static files. And, in [`client`], what the programs of the suite ask of other servers.

pub mod body;
pub mod client;
mod connection;
pub(in crate::server) mod document;
pub mod engine;
mod exchange;
mod fault;
pub mod files;
pub mod handler;
mod inbound;
pub mod metrics;
pub mod middleware;
pub mod multipart;
mod now;
pub(in crate::server) mod packed;
pub(in crate::server) mod part;
mod pipe;
pub mod problem;
pub mod request;
pub mod response;
pub mod router;
pub mod server;
pub mod settings;
pub mod sse;
#[cfg(test)]
pub(crate) mod testing;
pub mod tower;
pub mod upgrade;

pub use self::request::Request;
pub use self::response::{IntoResponse, Response};
pub use self::router::Router;
pub use self::server::{Server, run};
pub use crate::server::RunError;
