//! HTTP/1.1: RFC 9110 (semantics) and RFC 9112 (syntax).
//!
//! [`server::ServerCodec`] is the codec of a server's connection; [`head::Head`] what a request says. [`client`] is the other
//! side. The other modules are each one rule of the RFCs, as a pure function.

pub mod amend;
pub mod cache;
pub mod chunked;
pub mod client;
pub mod conditional;
pub mod cookie;
pub mod credentials;
pub mod date;
pub mod draft;
pub mod etag;
pub mod fields;
pub mod forwarded;
pub mod head;
pub mod hop;
pub mod host;
pub mod limits;
pub mod list;
pub mod media_type;
pub mod multipart;
pub mod negotiate;
pub mod parse;
pub mod path;
mod places;
pub mod range;
pub mod reference;
pub mod reject;
pub mod reply;
pub mod retry_after;
pub mod scan;
pub mod server;
pub mod target;
pub mod trace_context;
