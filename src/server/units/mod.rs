//! Durations, sizes and frequencies as people write them: `30s`, `32KiB`, `100/s`.
//!
//! Each is read from the command line and from a file by the same parser, and is printed in the shortest form that says
//! exactly the same, so that what is printed parses back to the same value.

mod byte_size;
mod frequency;
mod time_span;

pub use self::byte_size::ByteSize;
pub use self::frequency::Frequency;
pub use self::time_span::TimeSpan;

/// Why a text is no duration, size or frequency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a duration.
    #[error("{0:?} is not a duration: write it with its unit, as in 30s, 500ms, 2m or 1h30m")]
    TimeSpan(String),
    /// Not a size.
    #[error("{0:?} is not a size: write it as in 32KiB, 10MB, 1GiB, or as a number of bytes")]
    ByteSize(String),
    /// Not a frequency.
    #[error("{0:?} is not a rate: write it as in 100/s, 600/m or 1000/h")]
    Frequency(String),
}

/// Splits digits from what follows them; `None` when there are none, or when they say more than a `u64` holds.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}
