//! The HTTP/1.1 server: routing, middleware, static files.

pub mod body;
pub mod handler;
mod pipe;
pub mod problem;
pub mod request;
pub mod response;
pub mod router;
pub mod upgrade;
