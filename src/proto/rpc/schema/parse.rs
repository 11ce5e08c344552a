//! Reads descriptions, from peers that nobody trusts.
//!
//! It walks by recursion, which [`MAX_DEPTH`] bounds.

use std::collections::HashSet;

use super::{Fields, Plain, Type};

/// Bytes of a description at most.
pub const MAX_TEXT: usize = 64 * 1024;

/// Types within each other at most, the outermost included. `serde_json` reads values 128 deep, and a type takes up to two levels of them.
pub const MAX_DEPTH: usize = 32;

/// Fields of a type, or variants, at most.
pub const MAX_PARTS: usize = 256;

/// Elements of an array at most.
pub const MAX_ARRAY: usize = 65_535;

/// Why a text describes no type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// More bytes than [`MAX_TEXT`].
    #[error("the description of a type has {0} bytes, at most {MAX_TEXT} are read")]
    TooLong(usize),
    /// Types within types, deeper than [`MAX_DEPTH`].
    #[error("the description of a type is deeper than {MAX_DEPTH} at byte {0}")]
    TooDeep(usize),
    /// More parts of a type than [`MAX_PARTS`], or a longer array than [`MAX_ARRAY`].
    #[error("the description of a type has too many parts at byte {0}")]
    TooMany(usize),
    /// Something else stands there.
    #[error("the description of a type lacks {what} at byte {at}")]
    Expected {
        /// What should stand there.
        what: &'static str,
        /// Bytes in front of it.
        at: usize,
    },
    /// A list, map or array of what takes no bytes: a few bytes could announce endlessly many.
    #[error("the description of a type has elements without bytes at byte {0}")]
    NoBytes(usize),
    /// Two fields or variants of a type have the same name.
    #[error("the description of a type has two parts called {0}")]
    Twice(String),
}

/// A type, and whether each of its values has a byte at least.
type Sized = (Type, bool);

pub(super) fn parse(text: &str) -> Result<Type, SchemaError> {
    if text.len() > MAX_TEXT {
        return Err(SchemaError::TooLong(text.len()));
    }
    if text == Plain::Raw.name() {
        return Ok(Plain::Raw.into());
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    let (parsed, _) = parser.any()?;
    if parser.at < text.len() {
        return Err(parser.lacks("its end"));
    }
    Ok(parsed)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn lacks(&self, what: &'static str) -> SchemaError {
        SchemaError::Expected { what, at: self.at }
    }

    /// Goes past `mark`, if it stands here.
    fn took(&mut self, mark: char) -> bool {
        let took = self.text[self.at..].starts_with(mark);
        self.at += if took { mark.len_utf8() } else { 0 };
        took
    }

    fn take(&mut self, mark: char, what: &'static str) -> Result<(), SchemaError> {
        if self.took(mark) { Ok(()) } else { Err(self.lacks(what)) }
    }

    /// The letters, digits and `_` that stand here.
    fn word(&mut self) -> Result<&'a str, SchemaError> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.lacks("a name"));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    fn any(&mut self) -> Result<Sized, SchemaError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SchemaError::TooDeep(self.at));
        }
        let parsed = if self.took('(') {
            let (parts, sized) = self.unnamed()?;
            (Type::Tuple(parts), sized)
        } else if self.took('[') {
            self.array()?
        } else {
            self.called()?
        };
        self.depth -= 1;
        Ok(parsed)
    }

    fn array(&mut self) -> Result<Sized, SchemaError> {
        let of = self.element()?;
        self.take(';', "`;`")?;
        let start = self.at;
        let digits = self.word()?;
        let canonical =
            digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        if !canonical {
            return Err(SchemaError::Expected { what: "a number", at: start });
        }
        let count = digits.parse().ok().filter(|&count| count <= MAX_ARRAY);
        let count = count.ok_or(SchemaError::TooMany(start))?;
        self.take(']', "`]`")?;
        Ok((Type::Array(of.into(), count), count > 0))
    }

    /// What a list is of.
    fn element(&mut self) -> Result<Type, SchemaError> {
        let start = self.at;
        match self.any()? {
            (of, true) => Ok(of),
            (_, false) => Err(SchemaError::NoBytes(start)),
        }
    }

    /// What begins with a word.
    fn called(&mut self) -> Result<Sized, SchemaError> {
        let start = self.at;
        let name = self.word()?;
        let owned = || name.to_owned();
        if self.took('{') {
            let (fields, sized) = self.named()?;
            Ok((Type::Struct(owned(), Fields::Named(fields)), sized))
        } else if self.took('(') {
            let (parts, sized) = self.unnamed()?;
            let fields = if parts.is_empty() { Fields::Unit } else { Fields::Unnamed(parts) };
            Ok((Type::Struct(owned(), fields), sized))
        } else if self.took('[') {
            Ok((Type::Enum(owned(), self.variants()?), true))
        } else if self.took('<') {
            let of = match name {
                "option" => Type::Option(self.any()?.0.into()),
                "list" => Type::List(self.element()?.into()),
                "map" => self.map()?,
                _ => return Err(SchemaError::Expected { what: "`option`, `list` or `map`", at: start }),
            };
            self.take('>', "`>`")?;
            Ok((of, true))
        } else {
            let plain = Plain::ALL.iter().find(|plain| plain.name() == name && **plain != Plain::Raw);
            let plain = plain.ok_or(SchemaError::Expected { what: "a type", at: start })?;
            Ok(((*plain).into(), true))
        }
    }

    fn map(&mut self) -> Result<Type, SchemaError> {
        let start = self.at;
        let (key, sized_key) = self.any()?;
        self.take(',', "`,`")?;
        let (value, sized_value) = self.any()?;
        if !sized_key && !sized_value {
            return Err(SchemaError::NoBytes(start));
        }
        Ok(Type::Map(key.into(), value.into()))
    }

    /// Parts with commas between them up to `close`, each read by `part`.
    fn parts<T>(
        &mut self,
        close: char,
        what: &'static str,
        mut part: impl FnMut(&mut Self) -> Result<T, SchemaError>,
    ) -> Result<Vec<T>, SchemaError> {
        let mut parts = Vec::new();
        if self.took(close) {
            return Ok(parts);
        }
        loop {
            if parts.len() == MAX_PARTS {
                return Err(SchemaError::TooMany(self.at));
            }
            parts.push(part(self)?);
            if !self.took(',') {
                self.take(close, what)?;
                return Ok(parts);
            }
        }
    }

    fn unnamed(&mut self) -> Result<(Vec<Type>, bool), SchemaError> {
        let parts = self.parts(')', "`,` or `)`", Self::any)?;
        let sized = parts.iter().any(|(_, sized)| *sized);
        Ok((parts.into_iter().map(|(of, _)| of).collect(), sized))
    }

    fn named(&mut self) -> Result<(Vec<(String, Type)>, bool), SchemaError> {
        let mut sized = false;
        let fields = self.parts('}', "`,` or `}`", |parser| {
            let name = parser.word()?.to_owned();
            parser.take(':', "`:`")?;
            let (of, has_bytes) = parser.any()?;
            sized |= has_bytes;
            Ok((name, of))
        })?;
        unlike(&fields)?;
        Ok((fields, sized))
    }

    fn variants(&mut self) -> Result<Vec<(String, Fields)>, SchemaError> {
        let variants = self.parts(']', "`,` or `]`", |parser| {
            let name = parser.word()?.to_owned();
            let fields = if parser.took('{') {
                Fields::Named(parser.named()?.0)
            } else if parser.took('(') {
                match parser.unnamed()?.0 {
                    parts if parts.is_empty() => return Err(parser.lacks("a type in `()`")),
                    parts => Fields::Unnamed(parts),
                }
            } else {
                Fields::Unit
            };
            Ok((name, fields))
        })?;
        if variants.is_empty() {
            return Err(self.lacks("a variant"));
        }
        unlike(&variants)?;
        Ok(variants)
    }
}

/// No two have the same name.
fn unlike<T>(parts: &[(String, T)]) -> Result<(), SchemaError> {
    let mut seen = HashSet::new();
    match parts.iter().find(|(name, _)| !seen.insert(name)) {
        Some((name, _)) => Err(SchemaError::Twice(name.clone())),
        None => Ok(()),
    }
}
