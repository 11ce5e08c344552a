//! WebSocket on the core: any route of the HTTP server becomes one.
//!
//! [`upgrade`](upgrade()) turns a request into a [`Socket`]; an [`Upgrade`] does the same with settings of its own. A socket is one
//! value, read and written by one task: [`turn`](Socket::turn) reads and writes at once, so no half has to be split off. Pings,
//! pongs, the close handshake and every deadline are its own business. A [`Topic`](topic::Topic) sends one encoded message to many sockets.
//! Sockets at the other end are opened by [`client`].
//!
//! ```
//! use wireworks::server::http::request::Request;
//! use wireworks::server::http::response::Response;
//! use wireworks::server::http::router::Router;
//! use wireworks::server::ws::{self, Socket};
//!
//! async fn echo(request: Request) -> Response {
//!     ws::upgrade(request, |mut socket: Socket| async move {
//!         while let Ok(Some(message)) = socket.recv().await {
//!             if socket.send(message).await.is_err() {
//!                 break;
//!             }
//!         }
//!     })
//! }
//! # let _ = Router::new().get("/echo", echo);
//! ```

pub mod client;
mod close;
pub mod command;
pub mod metrics;
pub mod settings;
mod socket;
pub mod stream;
#[cfg(test)]
mod testing;
pub mod topic;
mod upgrade;

pub use self::settings::Settings;
pub use self::socket::{Event, Socket, SocketError};
pub use self::upgrade::{BadSubprotocol, MAX_CONTEXTS, Upgrade, upgrade};
pub use crate::proto::ws::close::{CloseCode, CloseReason};
pub use crate::proto::ws::limits::Limits;
pub use crate::proto::ws::message::{Message, Text};
