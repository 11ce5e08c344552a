//! The HTTP/1.1 server: routing, middleware, static files.

pub mod body;
pub mod command;
pub mod demo;
pub mod files;
pub mod handler;
pub mod metrics;
pub mod middleware;
pub mod multipart;
mod pipe;
pub mod problem;
pub mod request;
pub mod response;
pub mod router;
pub mod settings;
pub mod sse;
pub mod tower;
pub mod upgrade;
