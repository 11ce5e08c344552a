//! How a call ended (section "Status").

use std::fmt;
use std::time::Duration;

use super::metadata::Metadata;

/// The longest text of a status, in bytes. What is longer is cut.
pub const MAX_TEXT: usize = 4_096;

/// A status code: gRPC's, by number and meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Code {
    /// It went well.
    Ok = 0,
    /// The caller gave the call up.
    Cancelled = 1,
    /// An error that says nothing else.
    Unknown = 2,
    /// The request makes no sense, whatever the state of the system.
    InvalidArgument = 3,
    /// The deadline passed.
    DeadlineExceeded = 4,
    /// What was asked for does not exist.
    NotFound = 5,
    /// What was to be made exists.
    AlreadyExists = 6,
    /// The caller may not do this.
    PermissionDenied = 7,
    /// Something is used up: a quota, memory, the patience of a limiter.
    ResourceExhausted = 8,
    /// The system is not in the state for it.
    FailedPrecondition = 9,
    /// Somebody else was quicker; a larger unit of work may be tried again.
    Aborted = 10,
    /// Past the end.
    OutOfRange = 11,
    /// There is no such service or method.
    Unimplemented = 12,
    /// Something is broken.
    Internal = 13,
    /// Nobody can answer now; the call may be tried again.
    Unavailable = 14,
    /// Data is lost or corrupt.
    DataLoss = 15,
    /// The caller has not said who it is.
    Unauthenticated = 16,
}

/// All codes, in the order of their numbers.
const CODES: [(Code, &str); 17] = [
    (Code::Ok, "ok"),
    (Code::Cancelled, "cancelled"),
    (Code::Unknown, "unknown"),
    (Code::InvalidArgument, "invalid_argument"),
    (Code::DeadlineExceeded, "deadline_exceeded"),
    (Code::NotFound, "not_found"),
    (Code::AlreadyExists, "already_exists"),
    (Code::PermissionDenied, "permission_denied"),
    (Code::ResourceExhausted, "resource_exhausted"),
    (Code::FailedPrecondition, "failed_precondition"),
    (Code::Aborted, "aborted"),
    (Code::OutOfRange, "out_of_range"),
    (Code::Unimplemented, "unimplemented"),
    (Code::Internal, "internal"),
    (Code::Unavailable, "unavailable"),
    (Code::DataLoss, "data_loss"),
    (Code::Unauthenticated, "unauthenticated"),
];

impl Code {
    /// The code of this number; [`Code::Unknown`] for one that nobody has defined.
    #[must_use]
    pub fn of(number: u16) -> Self {
        CODES.get(usize::from(number)).map_or(Self::Unknown, |(code, _)| *code)
    }

    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        self as u16
    }

    /// Its name, in snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        CODES[usize::from(self.number())].1
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether the one who answered thinks that the call should be made again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Advice {
    /// It does not say; the caller's own policy decides.
    #[default]
    None,
    /// Again, after this time. Counted in milliseconds on the wire, at most 2^32 - 1.
    Again(Duration),
    /// Not again.
    Never,
    /// It never reached a handler: it can be made again at once, elsewhere better than here.
    NotProcessed,
    /// It never reached a handler, and is better not made again before this time; counted as for [`Again`](Self::Again).
    Later(Duration),
}

impl Advice {
    /// Whether the call never reached a handler, so that even what must not be done twice can be made again.
    #[must_use]
    pub const fn is_unseen(self) -> bool {
        matches!(self, Self::NotProcessed | Self::Later(_))
    }
}

/// How a call ended: [`Code::Ok`] or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What happened.
    pub code: Code,
    /// The same for people; at most [`MAX_TEXT`] bytes.
    pub text: String,
    /// Whether to try again.
    pub advice: Advice,
    /// Names and values at the end of the call.
    pub trailers: Metadata,
}

impl Status {
    /// It went well.
    #[must_use]
    pub const fn ok() -> Self {
        Self { code: Code::Ok, text: String::new(), advice: Advice::None, trailers: Metadata::new() }
    }

    /// An error, and what happened in a few words.
    #[must_use]
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        Self { code, text, ..Self::ok() }
    }

    /// The same with advice.
    #[must_use]
    pub fn advice(self, advice: Advice) -> Self {
        Self { advice, ..self }
    }

    /// The same with trailers.
    #[must_use]
    pub fn trailers(self, trailers: Metadata) -> Self {
        Self { trailers, ..self }
    }

    /// Whether it went well.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.code == Code::Ok
    }

    /// Whether it says nothing but that it went well: then it has no bytes on the wire.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.is_ok() && self.text.is_empty() && self.advice == Advice::None && self.trailers.is_empty()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_numbers_and_names() {
        for (index, (code, name)) in CODES.iter().enumerate() {
            assert_eq!((usize::from(code.number()), code.name()), (index, *name));
            assert_eq!(Code::of(code.number()), *code);
        }
        assert_eq!((Code::of(17), Code::of(u16::MAX)), (Code::Unknown, Code::Unknown));
    }

    #[test]
    fn a_status_is_one_line_and_its_text_has_a_limit() {
        let status = Status::new(Code::NotFound, "no such key");
        assert_eq!(status.to_string(), "not_found: no such key");
        assert_eq!(Status::ok().to_string(), "ok");
        let long = Status::new(Code::Internal, "é".repeat(MAX_TEXT));
        assert_eq!(long.text.len(), MAX_TEXT);
        assert_eq!(
            Status::new(Code::Internal, format!("a{}", "é".repeat(MAX_TEXT))).text.len(),
            MAX_TEXT - 1
        );
    }

    #[test]
    fn only_a_bare_ok_is_plain() {
        assert!(Status::ok().is_plain());
        assert!(!Status::ok().trailers(Metadata::new().with("a", "b").unwrap()).is_plain());
        assert!(!Status::new(Code::Unknown, "").is_plain());
    }
}
