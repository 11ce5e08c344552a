//! HTTP/1.1: RFC 9110 (semantics) and RFC 9112 (syntax), the server's side.

pub mod conditional;
pub mod cookie;
pub mod credentials;
pub mod date;
pub mod etag;
pub mod list;
pub mod media_type;
pub mod multipart;
pub mod negotiate;
pub mod path;
pub mod range;
