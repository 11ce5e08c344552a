//! Descriptions of types: what two peers must agree on, and what a program knows of messages that it was not compiled with (section "Schema").
//!
//! A [`Type`] and its text are the same thing: [`Display`](std::fmt::Display) writes the text, [`Type::parse`] reads it back, with limits, as it may come from a server that
//! nobody trusts. Rust types say what they are by [`Describe`].

mod documents;
mod parse;
mod standard;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};

pub use self::documents::{Document, Documents, Part, text};
pub use self::parse::{MAX_ARRAY, MAX_DEPTH, MAX_PARTS, MAX_TEXT, SchemaError};
use super::payload::PayloadError;
use super::payload::scan::{Scan, Size};

/// A type whose values have a description.
///
/// [`wire_types!`](crate::wire_types) implements it. By hand it is implemented for a type that is written as another is:
///
/// ```
/// use wireworks::proto::rpc::payload::PayloadError;
/// use wireworks::proto::rpc::payload::scan::{Scan, Size};
/// use wireworks::proto::rpc::schema::{Describe, Type};
///
/// struct Millis(u64);
///
/// impl Describe for Millis {
///     const SIZE: Size = u64::SIZE;
///     fn describe() -> Type {
///         u64::describe()
///     }
///     fn scan(scan: &mut Scan<'_>) -> Result<(), PayloadError> {
///         u64::scan(scan)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be in a message",
    label = "not a type for messages",
    note = "use `wire_types! {{ ... }}` for types of your own, u64 or i64 in place of usize or isize, and `Blob` for bytes"
)]
pub trait Describe {
    /// What is known of its bytes beforehand.
    const SIZE: Size;

    /// What it is.
    fn describe() -> Type;

    /// Adds what comments say of it, and of the types within it. A type has no comments unless [`wire_types!`](crate::wire_types) has made it.
    fn document(_documents: &mut Documents) {}

    /// Walks over the bytes of a value.
    ///
    /// # Errors
    /// A length is not covered by bytes, or no value begins so.
    fn scan(scan: &mut Scan<'_>) -> Result<(), PayloadError>;
}

/// What a message is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A single value.
    Plain(Plain),
    /// A value or none: `option<T>`.
    Option(Box<Type>),
    /// So many as there are: `list<T>`.
    List(Box<Type>),
    /// Values by key: `map<K,V>`.
    Map(Box<Type>, Box<Type>),
    /// One after the other: `(A,B)`; none of them is `()`.
    Tuple(Vec<Type>),
    /// So many: `[T;N]`.
    Array(Box<Type>, usize),
    /// `Name{field:T}`, `Name(T)`, or `Name()`.
    Struct(String, Fields),
    /// One of several: `Name[Variant,Variant{field:T},Variant(T)]`.
    Enum(String, Vec<(String, Fields)>),
}

/// What a struct or a variant holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fields {
    /// Nothing: `()` behind the name of a struct, and not a word behind that of a variant.
    Unit,
    /// By name, in order: `{field:T}`.
    Named(Vec<(String, Type)>),
    /// In order, one at least: `(T)`.
    Unnamed(Vec<Type>),
}

macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident $text:literal)*) => {
        /// Types that are not made of others.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Plain {
            $($(#[$doc])* $name,)*
        }

        impl Plain {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in a description.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

plain! {
    /// True or false.
    Bool "bool"
    /// 8 bits, without a sign.
    U8 "u8"
    /// 16 bits, without a sign.
    U16 "u16"
    /// 32 bits, without a sign.
    U32 "u32"
    /// 64 bits, without a sign.
    U64 "u64"
    /// 128 bits, without a sign.
    U128 "u128"
    /// 8 bits, with a sign.
    I8 "i8"
    /// 16 bits, with a sign.
    I16 "i16"
    /// 32 bits, with a sign.
    I32 "i32"
    /// 64 bits, with a sign.
    I64 "i64"
    /// 128 bits, with a sign.
    I128 "i128"
    /// Floating point, 32 bits.
    F32 "f32"
    /// Floating point, 64 bits.
    F64 "f64"
    /// One character of Unicode.
    Char "char"
    /// Text.
    String "string"
    /// Bytes, with their number in front.
    Bytes "bytes"
    /// Bytes that are all of a message.
    Raw "raw"
}

impl Type {
    /// The type that `text` describes.
    ///
    /// # Errors
    /// It is no description, or larger or deeper than the limits allow, or it could make few bytes mean endlessly many values.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        parse::parse(text)
    }
}

impl From<Plain> for Type {
    fn from(plain: Plain) -> Self {
        Self::Plain(plain)
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(plain) => plain.fmt(f),
            Self::Option(of) => write!(f, "option<{of}>"),
            Self::List(of) => write!(f, "list<{of}>"),
            Self::Map(key, value) => write!(f, "map<{key},{value}>"),
            Self::Tuple(parts) => f.write_char('(').and_then(|()| several(f, parts, ')')),
            Self::Array(of, count) => write!(f, "[{of};{count}]"),
            Self::Struct(name, Fields::Unit) => write!(f, "{name}()"),
            Self::Struct(name, fields) => write!(f, "{name}{fields}"),
            Self::Enum(name, variants) => {
                write!(f, "{name}[")?;
                several(f, variants.iter().map(|(name, fields)| format!("{name}{fields}")), ']')
            }
        }
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => Ok(()),
            Self::Named(fields) => {
                f.write_char('{')?;
                several(f, fields.iter().map(|(name, of)| format!("{name}:{of}")), '}')
            }
            Self::Unnamed(types) => f.write_char('(').and_then(|()| several(f, types, ')')),
        }
    }
}

/// Items with commas between them, and what closes them.
fn several(
    f: &mut fmt::Formatter<'_>,
    items: impl IntoIterator<Item = impl fmt::Display>,
    close: char,
) -> fmt::Result {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            f.write_char(',')?;
        }
        item.fmt(f)?;
    }
    f.write_char(close)
}

/// FNV-1a, 32 bits.
struct Fnv(u32);

impl Fnv {
    const NEW: Self = Self(0x811c_9dc5);

    const fn with(self, bytes: &[u8]) -> Self {
        let Self(mut hash) = self;
        let mut at = 0;
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
            at += 1;
        }
        Self(hash)
    }
}

impl fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        *self = Self(self.0).with(text.as_bytes());
        Ok(())
    }
}

/// The schema of a method, as an OPEN says it. `kind` is `unary`, `server_stream`, `client_stream` or `bidi`. Never 0, which says nothing.
#[must_use]
pub fn method_hash(kind: &str, request: &Type, response: &Type) -> u32 {
    let mut hash = Fnv::NEW;
    // Writing to it cannot fail.
    let _ = write!(hash, "{kind} {request} {response}");
    hash.0.max(1)
}

/// The number by which an OPEN names a service.
#[must_use]
pub const fn service_hash(name: &str) -> u32 {
    Fnv::NEW.with(name.as_bytes()).0
}
