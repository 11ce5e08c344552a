//! What a form may hold, and what can be wrong with it.

/// What a form may hold. Sizes of fields and files are counted by whoever takes the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultipartLimits {
    /// Parts.
    pub parts: usize,
    /// Bytes of one part's head.
    pub head: usize,
    /// Fields in one part's head.
    pub fields: usize,
    /// Bytes before the first delimiter and, separately, after the last one. Both are thrown away.
    pub surplus: usize,
}

impl MultipartLimits {
    /// 1000 parts (Django and Werkzeug have 1000 fields), heads of 8 KiB (like a line of nginx's
    /// `large_client_header_buffers`) with 16 fields (a browser sends two), and 4 KiB around.
    pub const DEFAULT: Self = Self { parts: 1000, head: 8 * 1024, fields: 16, surplus: 4 * 1024 };
}

impl Default for MultipartLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What is wrong with a form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The boundary is empty, too long, or has characters that no boundary has.
    #[error("the multipart boundary is not valid")]
    Boundary,
    /// More bytes before the first delimiter than the limit.
    #[error("no multipart delimiter within the first {0} bytes")]
    Preamble(usize),
    /// More bytes after the last delimiter than the limit.
    #[error("more than {0} bytes after the end of the multipart body")]
    Epilogue(usize),
    /// A line that starts with the boundary and goes on.
    #[error("a line that starts with the multipart boundary is no delimiter")]
    Delimiter,
    /// More parts than the limit.
    #[error("more than {0} multipart parts")]
    TooManyParts(usize),
    /// The head of a part is longer than the limit.
    #[error("the head of multipart part {part} is larger than {limit} bytes")]
    HeadTooLarge {
        /// Which part, from 1.
        part: usize,
        /// The limit.
        limit: usize,
    },
    /// The head of a part has more fields than the limit.
    #[error("the head of multipart part {part} has more than {limit} fields")]
    TooManyFields {
        /// Which part, from 1.
        part: usize,
        /// The limit.
        limit: usize,
    },
    /// The head of a part is malformed, or lacks its name.
    #[error("multipart part {part}: {what}")]
    Head {
        /// Which part, from 1.
        part: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// The body ends before the last delimiter.
    #[error("the multipart body ends too early")]
    Torn,
}

impl MultipartError {
    /// Whether a limit of ours was exceeded, rather than a rule of the format: 413 rather than 400.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(
            self,
            Self::Preamble(_)
                | Self::Epilogue(_)
                | Self::TooManyParts(_)
                | Self::HeadTooLarge { .. }
                | Self::TooManyFields { .. }
        )
    }
}
