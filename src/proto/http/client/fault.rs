//! What a server can do wrong in a response, as far as a client looks.

use crate::proto::http::limits::MAX_FIELDS;
use crate::proto::http::reject::Reject;

use super::opening::MAX_INTERIM;

/// What is wrong with a response. Nothing more is read of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The first bytes are not `HTTP/1.`.
    #[error("the server does not speak HTTP/1.1")]
    NotHttp,
    /// A line ends with LF alone.
    #[error("a line of the response ends with LF alone")]
    BareLf,
    /// The first line is not a version, a status from 100 to 999, and a reason.
    #[error("the status line of the response is malformed")]
    StatusLine,
    /// A field line is malformed: folded, without a colon, with a control character or a CR.
    #[error("a field of the response is malformed")]
    FieldLine,
    /// More fields than [`Limits::fields`](crate::proto::http::limits::Limits::fields).
    #[error("the response has more fields than the limit, which is {MAX_FIELDS} at most")]
    TooManyFields,
    /// The head is longer than [`Limits::head`](crate::proto::http::limits::Limits::head).
    #[error("the head of the response is too long")]
    HeadTooLarge,
    /// More than [`MAX_INTERIM`] responses came before the one that counts.
    #[error("the server sent more than {MAX_INTERIM} interim responses")]
    TooManyInterim,
    /// The length of the body is malformed, said twice, or both by `Content-Length` and `Transfer-Encoding`.
    #[error("the response does not say clearly how long its body is")]
    Length,
    /// The body is longer than [`Limits::body`](crate::proto::http::limits::Limits::body).
    #[error("the body of the response is too long")]
    BodyTooLarge,
    /// The body's chunks are malformed, or too long.
    #[error("the body of the response: {0}")]
    Chunk(Reject),
    /// Bytes came that nobody asked for: after a response, or 101 without a request to upgrade.
    #[error("the server sent what nobody asked for")]
    Unasked,
    /// The connection ended in the middle of the response.
    #[error("the connection ended in the middle of the response")]
    Incomplete,
}
