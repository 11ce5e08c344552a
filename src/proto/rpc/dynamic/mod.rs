//! Messages as JSON, by nothing but a description of their type: for programs that were not compiled with it.
//!
//! The bytes are those of codec 0. The JSON is what `serde_json` makes of the same types, so that a message looks alike wherever it is shown:
//!
//! | type | JSON |
//! |---|---|
//! | numbers | numbers; those of 128 bits that need more than 64 are strings. Of 64 and 128 bits strings are read, too |
//! | `f32`, `f64` | numbers; `"NaN"`, `"Infinity"` and `"-Infinity"` |
//! | `char`, `string` | strings |
//! | `bytes`, `raw` | strings of base64 |
//! | `option<T>` | `null`, or the value |
//! | `list<T>`, `[T;N]`, `(A,B)` | arrays; `()` is `null` |
//! | `map<string,V>` | objects; maps with other keys are arrays of pairs |
//! | `Name{field:T}` | objects with exactly these fields |
//! | `Name(T)`, `Name(A,B)`, `Name()` | the value, an array, `null` |
//! | `Name[A,B(T)]` | `"A"`, `{"B": ...}` |
//!
//! Both directions walk by recursion, which [`MAX_DEPTH`] bounds.

mod example;
mod json;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde_json::Value;

pub use self::example::example;
use super::schema::{MAX_DEPTH, Plain, Type};

/// Bytes of JSON that [`encode`] reads at most: enough for 64 MiB in base64.
pub const MAX_JSON: usize = 128 << 20;

/// Characters of a value that an error shows.
const EXCERPT: usize = 40;

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// On one line, without spaces.
    #[default]
    Line,
    /// A line for each value, indented by two spaces a level.
    Indented,
}

/// Why JSON is no message, or bytes are none. A path leads to the place: `$.order.items[3].price`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DynamicError {
    /// The text is no JSON, or has a key twice.
    #[error("the JSON cannot be read: {0}")]
    Json(String),
    /// Another value stands there.
    #[error("{path}: expected {expected}, found {found}")]
    Expected {
        /// Where.
        path: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A field is not there.
    #[error("{path}: the field `{field}` is missing")]
    Missing {
        /// Where.
        path: String,
        /// Which.
        field: String,
    },
    /// A field that the type does not have.
    #[error("{path}: there is no field `{field}`, only {known}")]
    Unknown {
        /// Where.
        path: String,
        /// Which.
        field: String,
        /// Those that there are.
        known: String,
    },
    /// The bytes end within a value.
    #[error("{path}: the message ends too early")]
    Torn {
        /// Where.
        path: String,
    },
    /// The message ends before the bytes do.
    #[error("{0} bytes are left over behind the message")]
    LeftOver(usize),
    /// Bytes that no value of the type is written as.
    #[error("{path}: the message cannot be read: {why}")]
    Malformed {
        /// Where.
        path: String,
        /// Why.
        why: String,
    },
    /// The result, or the JSON that was given, has more bytes than allowed.
    #[error("this would take more than {0} bytes")]
    TooLarge(usize),
    /// Types within each other, deeper than [`MAX_DEPTH`].
    #[error("{path}: the type is deeper than {MAX_DEPTH}")]
    TooDeep {
        /// Where.
        path: String,
    },
}

/// The message of type `of` that the text `json` says, by codec 0.
///
/// ```
/// use wireworks::proto::rpc::dynamic::{decode, encode, Style};
/// use wireworks::proto::rpc::schema::Type;
///
/// let order = Type::parse("Order{id:u64,items:list<Item{name:string,price:u32}>}")?;
/// let bytes = encode(&order, r#"{"id": 7, "items": [{"name": "tea", "price": 250}]}"#, 1024)?;
/// assert_eq!(decode(&order, &bytes, 1024, Style::Line)?, r#"{"id":7,"items":[{"name":"tea","price":250}]}"#);
///
/// let error = encode(&order, r#"{"id": 7, "items": [{"name": "tea", "price": "x"}]}"#, 1024).unwrap_err();
/// assert_eq!(error.to_string(), r#"$.items[0].price: expected u32, found "x""#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The text is longer than [`MAX_JSON`] or no JSON, it has a key twice or does not fit the type, or the message would have more than `limit` bytes.
pub fn encode(of: &Type, json: &str, limit: usize) -> Result<Bytes, DynamicError> {
    if json.len() > MAX_JSON {
        return Err(DynamicError::TooLarge(MAX_JSON));
    }
    let json = json::parse(json).map_err(|error| DynamicError::Json(error.to_string()))?;
    encode_value(of, &json, limit)
}

/// The same of JSON that was parsed before.
///
/// # Errors
/// It does not fit the type, or the message would have more than `limit` bytes.
pub fn encode_value(of: &Type, json: &Value, limit: usize) -> Result<Bytes, DynamicError> {
    write::write(of, json, limit)
}

/// The JSON of a message of type `of` in codec 0, in at most about `limit` bytes. Fields stand in the order of the type.
///
/// # Errors
/// The bytes are not exactly one message of the type, or the JSON would be longer than `limit`.
pub fn decode(of: &Type, bytes: &[u8], limit: usize, style: Style) -> Result<String, DynamicError> {
    read::read(of, bytes, limit, style)
}

/// The way from the message to a value in it.
#[derive(Debug, Default)]
struct Path<'a>(Vec<Step<'a>>);

#[derive(Debug)]
enum Step<'a> {
    Name(Cow<'a, str>),
    Index(usize),
}

impl<'a> Path<'a> {
    /// One step further down.
    fn enter(&mut self, step: Step<'a>) {
        self.0.push(step);
    }

    fn leave(&mut self) {
        self.0.pop();
    }

    fn malformed(&self, why: impl Into<String>) -> DynamicError {
        DynamicError::Malformed { path: self.to_string(), why: why.into() }
    }

    fn torn(&self) -> DynamicError {
        DynamicError::Torn { path: self.to_string() }
    }
}

impl<'a> From<&'a str> for Step<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name.into())
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        self.0.iter().try_for_each(|step| match step {
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Name(name) if is_word(name) => write!(f, ".{name}"),
            Step::Name(name) => write!(f, "[{:?}]", excerpt(name)),
        })
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= EXCERPT
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The beginning of a text.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Bytes of an integer, and whether it has a sign.
fn integer(plain: Plain) -> Option<(usize, bool)> {
    Some(match plain {
        Plain::U8 => (1, false),
        Plain::U16 => (2, false),
        Plain::U32 => (4, false),
        Plain::U64 => (8, false),
        Plain::U128 => (16, false),
        Plain::I8 => (1, true),
        Plain::I16 => (2, true),
        Plain::I32 => (4, true),
        Plain::I64 => (8, true),
        Plain::I128 => (16, true),
        _ => return None,
    })
}

/// Whether a type is `string`: maps by such keys are objects.
fn is_string(of: &Type) -> bool {
    *of == Type::Plain(Plain::String)
}
