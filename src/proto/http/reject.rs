//! What a peer can do wrong, and the answer that each wrong deserves.
//!
//! Any doubt about where a message ends or whom it is for is answered by an error and the end of the connection, so
//! that no request is ever understood in two ways (RFC 9112 section 11.2).

use http::StatusCode;

/// A request that is refused before any handler sees it. Its connection ends after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// The bytes do not begin as a request does: most likely another protocol.
    #[error("the bytes are not an HTTP request")]
    NotHttp,
    /// A line ends with LF alone (RFC 9112 section 2.2).
    #[error("a line of the head ends without CR")]
    BareLf,
    /// The request line is not `method SP request-target SP HTTP-version` (section 3).
    #[error("malformed request line")]
    RequestLine,
    /// The target has a byte that no URI has, or a form that its method does not take (section 3.2).
    #[error("malformed request target")]
    Target,
    /// A field line is not `field-name ":" OWS field-value OWS` (section 5).
    #[error("malformed field line")]
    FieldLine,
    /// `Host` is missing, repeated or malformed (section 3.2).
    #[error("missing, repeated or malformed Host")]
    Host,
    /// `Content-Length` is not one decimal number (section 6.3).
    #[error("malformed or repeated Content-Length")]
    ContentLength,
    /// `Transfer-Encoding` is not exactly one `chunked`, or stands beside `Content-Length` or HTTP/1.0 (section 6.1).
    #[error("faulty Transfer-Encoding")]
    TransferEncoding,
    /// A coding other than chunked (section 6.1).
    #[error("unknown transfer coding")]
    UnknownCoding,
    /// Chunk framing is broken (section 7.1).
    #[error("malformed chunk")]
    Chunk,
    /// More chunk extensions than [`Limits::chunk_extensions`](super::limits::Limits::chunk_extensions).
    #[error("too many chunk extensions")]
    ChunkExtensions,
    /// A trailer field is malformed, or one that frames, routes or authenticates (RFC 9110 section 6.5.1).
    #[error("malformed or forbidden trailer field")]
    Trailer,
    /// The major version is not 1 (RFC 9112 section 2.3).
    #[error("unsupported HTTP version")]
    Version,
    /// The method is longer than [`MAX_METHOD`](super::limits::MAX_METHOD).
    #[error("request method too long")]
    MethodTooLong,
    /// The target is longer than [`Limits::target`](super::limits::Limits::target).
    #[error("request target too long")]
    TargetTooLong,
    /// The head is longer than [`Limits::head`](super::limits::Limits::head).
    #[error("request head too large")]
    HeadTooLarge,
    /// More field lines than [`Limits::fields`](super::limits::Limits::fields).
    #[error("too many fields")]
    TooManyFields,
    /// The body is longer than [`Limits::body`](super::limits::Limits::body).
    #[error("request body too large")]
    BodyTooLarge,
    /// An expectation other than `100-continue` (RFC 9110 section 10.1.1).
    #[error("unknown expectation")]
    Expectation,
    /// The peer said that nothing follows, in the middle of a message (RFC 9112 section 8).
    #[error("the message is incomplete")]
    Incomplete,
}

impl Reject {
    /// Every variant, for tables.
    pub const ALL: [Self; 20] = [
        Self::NotHttp,
        Self::BareLf,
        Self::RequestLine,
        Self::Target,
        Self::FieldLine,
        Self::Host,
        Self::ContentLength,
        Self::TransferEncoding,
        Self::UnknownCoding,
        Self::Chunk,
        Self::ChunkExtensions,
        Self::Trailer,
        Self::Version,
        Self::MethodTooLong,
        Self::TargetTooLong,
        Self::HeadTooLarge,
        Self::TooManyFields,
        Self::BodyTooLarge,
        Self::Expectation,
        Self::Incomplete,
    ];

    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::UnknownCoding | Self::MethodTooLong => StatusCode::NOT_IMPLEMENTED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge | Self::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::NotHttp
            | Self::BareLf
            | Self::RequestLine
            | Self::Target
            | Self::FieldLine
            | Self::Host
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::Chunk
            | Self::ChunkExtensions
            | Self::Trailer
            | Self::Incomplete => StatusCode::BAD_REQUEST,
        }
    }

    /// A short name for metrics, in snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotHttp => "not_http",
            Self::BareLf => "bare_lf",
            Self::RequestLine => "request_line",
            Self::Target => "target",
            Self::FieldLine => "field_line",
            Self::Host => "host",
            Self::ContentLength => "content_length",
            Self::TransferEncoding => "transfer_encoding",
            Self::UnknownCoding => "unknown_coding",
            Self::Chunk => "chunk",
            Self::ChunkExtensions => "chunk_extensions",
            Self::Trailer => "trailer",
            Self::Version => "version",
            Self::MethodTooLong => "method_too_long",
            Self::TargetTooLong => "target_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyFields => "too_many_fields",
            Self::BodyTooLarge => "body_too_large",
            Self::Expectation => "expectation",
            Self::Incomplete => "incomplete",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_wrong_has_a_name_of_its_own_and_an_error_status() {
        let names: HashSet<_> = Reject::ALL.iter().map(|reject| reject.name()).collect();
        assert_eq!(names.len(), Reject::ALL.len());
        for reject in Reject::ALL {
            let status = reject.status();
            assert!(status.is_client_error() || status.is_server_error(), "{reject:?}");
            assert!(!reject.to_string().is_empty());
        }
    }
}
