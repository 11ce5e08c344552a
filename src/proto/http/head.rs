//! The head of a request: a view of the bytes that arrived.
//!
//! Names and values stay where they are, in one shared buffer; the head keeps their places. A request of a browser costs
//! one small allocation, not a map of owned strings. [`super::parse`] makes heads, and nothing else does: whoever holds
//! one may rely on what was checked there.

use bytes::Bytes;
use http::{Method, Version};

use super::list::FieldLines;
use super::places::{FieldTable, Span};
use super::target::Form;

/// The head of a request. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Head {
    buffer: Bytes,
    outline: Outline,
}

/// What was found in a head's bytes, and where.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) form: Form,
    pub(super) target: Span,
    pub(super) path: Span,
    pub(super) query: Option<Span>,
    pub(super) authority: Span,
    pub(super) fields: FieldTable,
}

impl Head {
    /// `outline` was made from `buffer`.
    pub(super) fn new(buffer: Bytes, outline: Outline) -> Self {
        Self { buffer, outline }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.outline.method
    }

    /// The version, HTTP/1.0 or HTTP/1.1 (a later minor version is treated as 1.1, RFC 9110 section 6.2).
    #[must_use]
    pub fn version(&self) -> Version {
        self.outline.version
    }

    /// Which form the target has.
    #[must_use]
    pub fn form(&self) -> Form {
        self.outline.form
    }

    /// The target as it was sent.
    #[must_use]
    pub fn target(&self) -> &str {
        self.text(self.outline.target)
    }

    /// The path of the target, as it was sent: percent-encoded, never empty for origin-form. `/` for an absolute-form
    /// without a path, `*` for asterisk-form, the authority for authority-form.
    #[must_use]
    pub fn path(&self) -> &str {
        match self.text(self.outline.path) {
            "" => "/",
            path => path,
        }
    }

    /// What follows the first `?` of the target.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.outline.query.map(|query| self.text(query))
    }

    /// Host and port that the request is for: of the target, else of `Host`; empty when an HTTP/1.0 request names none.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.text(self.outline.authority)
    }

    /// The first line of the field `name` (any case).
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.lines(name).next()
    }

    /// The first line of the field `name`, when it is visible ASCII or UTF-8.
    #[must_use]
    pub fn field_str(&self, name: &str) -> Option<&str> {
        self.field(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Name and value of each field line, in order, as sent.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        self.outline.fields.iter(&self.buffer)
    }

    /// The whole head as it arrived, final empty line included.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.buffer
    }

    fn text(&self, span: Span) -> &str {
        span.text(&self.buffer)
    }
}

impl FieldLines for Head {
    fn lines<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.outline.fields.lines(&self.buffer, name)
    }
}

/// How the body of a message is delimited (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    Empty,
    /// So many bytes.
    Exactly(u64),
    /// Chunks, then trailers.
    Chunked,
    /// All that follows, until the connection ends. Replies only.
    UntilClose,
}

/// What a request's head says of its message and its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// How the body is delimited.
    pub body: BodyLength,
    /// Whether the peer lets the connection persist (section 9.3).
    pub persist: bool,
    /// Whether the peer waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
    pub expects_continue: bool,
    /// Whether the peer offers another protocol (RFC 9110 section 7.8).
    pub offers_upgrade: bool,
}
