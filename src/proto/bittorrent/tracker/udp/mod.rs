//! Announces and scrapes by packets of UDP (BEP 15), and the URL in them (BEP 41).
//!
//! [`Request`] and [`Response`] are the packets, for both sides. [`Client`] asks: it proves its address by a connection
//! id, repeats itself when nothing comes, and believes only who was asked.

mod client;
mod packet;
mod question;
mod request;
mod response;

pub use self::client::{Busy, CONNECTION, Client, Limits};
pub use self::packet::{MAX_PACKET, PacketError};
pub use self::question::{Answer, Output, Question, Ticket};
pub use self::request::Request;
pub use self::response::Response;
