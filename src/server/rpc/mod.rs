//! The RPC on the core: typed calls and streams between services.

mod caller;
pub mod client;
pub mod command;
pub mod context;
pub mod demo;
pub mod detached;
pub mod health;
mod inherited;
mod lane;
pub mod layer;
mod link;
mod macros;
pub mod method;
pub mod observe;
mod pressure;
pub mod reflection;
pub mod server;
pub mod services;
pub mod settings;
pub mod stream;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trailers;

pub use self::caller::{Failure, Reach};
pub use self::client::Channel;
pub use self::context::Context;
pub use self::detached::Detached;
pub use self::method::{Description, Kind, Method};
pub use self::server::Server;
pub use self::services::Services;
pub use self::settings::Settings;
pub use self::stream::{Requests, ResponseStream, Responses};
pub use crate::proto::rpc::metadata::Metadata;
pub use crate::proto::rpc::status::{Advice, Code, Status};
