//! Why the bytes of a coding were not understood: what they should have been, where, and what was found.

/// A fault in a record, a parameter set or a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end inside a field.
    #[error("{what} ends early, at byte {at}")]
    Short {
        /// What was being read.
        what: &'static str,
        /// Where it ends, in bytes from its start.
        at: usize,
    },
    /// A field has a value that it may not have.
    #[error("{what}: {field} at byte {at} cannot be {value}")]
    Value {
        /// What was being read.
        what: &'static str,
        /// Where the field ends, in bytes from the start, emulation prevention not counted.
        at: usize,
        /// Name of the field in its specification.
        field: &'static str,
        /// The value.
        value: u64,
    },
    /// It is sound, but nothing here can carry it.
    #[error("{what}: {feature} is not supported")]
    Unsupported {
        /// What was being read.
        what: &'static str,
        /// What it asks for.
        feature: &'static str,
    },
}
