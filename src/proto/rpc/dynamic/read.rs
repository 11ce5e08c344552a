//! From a message to JSON.
//!
//! The text is written as it is read, in the order of the type, without a tree in between: what a message can make us hold is the text, which has a limit.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{DynamicError, MAX_DEPTH, Path, Step, Style, integer, is_string};
use crate::proto::rpc::schema::{Fields, Plain, Type};

pub(super) fn read(of: &Type, bytes: &[u8], limit: usize, style: Style) -> Result<String, DynamicError> {
    let out = Out { text: String::new(), limit, style, level: 0, first: true };
    let mut reader = Reader { rest: bytes, out, path: Path::default(), depth: 0 };
    reader.value(of)?;
    match reader.rest.len() {
        0 => Ok(reader.out.text),
        left => Err(DynamicError::LeftOver(left)),
    }
}

/// The text, and how far it is indented.
struct Out {
    text: String,
    limit: usize,
    style: Style,
    level: usize,
    /// Whether nothing stands in the innermost array or object.
    first: bool,
}

impl Out {
    fn put(&mut self, text: &str) -> Result<(), DynamicError> {
        if text.len() > self.limit.saturating_sub(self.text.len()) {
            return Err(DynamicError::TooLarge(self.limit));
        }
        self.text.push_str(text);
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(), DynamicError> {
        if text.len() > self.limit.saturating_sub(self.text.len()) {
            return Err(DynamicError::TooLarge(self.limit));
        }
        // Text cannot fail to be JSON.
        let quoted = serde_json::to_string(text).map_err(|error| DynamicError::Json(error.to_string()))?;
        self.put(&quoted)
    }

    fn line(&mut self) -> Result<(), DynamicError> {
        if self.style == Style::Indented {
            self.put("\n")?;
            (0..self.level).try_for_each(|_| self.put("  "))?;
        }
        Ok(())
    }

    fn open(&mut self, mark: &str) -> Result<(), DynamicError> {
        self.level += 1;
        self.first = true;
        self.put(mark)
    }

    fn close(&mut self, mark: &str) -> Result<(), DynamicError> {
        self.level -= 1;
        if !self.first {
            self.line()?;
        }
        self.first = false;
        self.put(mark)
    }

    /// What stands in front of an item.
    fn item(&mut self) -> Result<(), DynamicError> {
        if !self.first {
            self.put(",")?;
        }
        self.first = false;
        self.line()
    }

    fn key(&mut self, name: &str) -> Result<(), DynamicError> {
        self.item()?;
        self.string(name)?;
        self.put(if self.style == Style::Indented { ": " } else { ":" })
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    out: Out,
    path: Path<'a>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DynamicError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.path.torn())?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DynamicError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.path.torn())?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A number of elements, each of a byte at least.
    fn length(&mut self) -> Result<usize, DynamicError> {
        let announced = u64::from_le_bytes(self.array()?);
        let left = self.rest.len();
        let length = usize::try_from(announced).ok().filter(|&length| length <= left);
        length.ok_or_else(|| {
            let why = format!("it announces {announced} elements, and has {left} bytes for them");
            self.path.malformed(why)
        })
    }

    fn text(&mut self) -> Result<&'a str, DynamicError> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.path.malformed("a text is not UTF-8"))
    }

    fn at(&mut self, step: impl Into<Step<'a>>, of: &'a Type) -> Result<(), DynamicError> {
        self.path.enter(step.into());
        self.value(of)?;
        self.path.leave();
        Ok(())
    }

    fn value(&mut self, of: &'a Type) -> Result<(), DynamicError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(DynamicError::TooDeep { path: self.path.to_string() });
        }
        match of {
            Type::Plain(plain) => self.plain(*plain)?,
            Type::Option(of) => match self.array()? {
                [0] => self.out.put("null")?,
                [1] => self.value(of)?,
                [other] => return Err(self.path.malformed(format!("an option begins with {other}"))),
            },
            Type::List(of) => {
                let length = self.length()?;
                self.several(std::iter::repeat_n(&**of, length))?;
            }
            Type::Map(key, value) => self.map(key, value)?,
            Type::Tuple(parts) if parts.is_empty() => self.out.put("null")?,
            Type::Tuple(parts) => self.several(parts)?,
            Type::Array(of, count) => self.several(std::iter::repeat_n(&**of, *count))?,
            Type::Struct(_, fields) => self.fields(fields)?,
            Type::Enum(name, variants) => self.one_of(name, variants)?,
        }
        self.depth -= 1;
        Ok(())
    }

    fn several(&mut self, parts: impl IntoIterator<Item = &'a Type>) -> Result<(), DynamicError> {
        self.out.open("[")?;
        for (at, of) in parts.into_iter().enumerate() {
            self.out.item()?;
            self.at(Step::Index(at), of)?;
        }
        self.out.close("]")
    }

    fn map(&mut self, key: &'a Type, value: &'a Type) -> Result<(), DynamicError> {
        let length = self.length()?;
        if !is_string(key) {
            self.out.open("[")?;
            for at in 0..length {
                self.out.item()?;
                self.path.enter(Step::Index(at));
                self.several([key, value])?;
                self.path.leave();
            }
            return self.out.close("]");
        }
        let mut seen = HashSet::new();
        self.out.open("{")?;
        for _ in 0..length {
            let name = self.text()?;
            if !seen.insert(name) {
                return Err(self.path.malformed(format!("the key {:?} comes twice", super::excerpt(name))));
            }
            self.out.key(name)?;
            self.at(name, value)?;
        }
        self.out.close("}")
    }

    fn fields(&mut self, fields: &'a Fields) -> Result<(), DynamicError> {
        match fields {
            Fields::Unit => self.out.put("null"),
            Fields::Unnamed(types) => match &types[..] {
                [of] => self.value(of),
                types => self.several(types),
            },
            Fields::Named(fields) => {
                self.out.open("{")?;
                for (name, of) in fields {
                    self.out.key(name)?;
                    self.at(name.as_str(), of)?;
                }
                self.out.close("}")
            }
        }
    }

    fn one_of(&mut self, name: &str, variants: &'a [(String, Fields)]) -> Result<(), DynamicError> {
        let number = u32::from_le_bytes(self.array()?);
        let variant = usize::try_from(number).ok().and_then(|number| variants.get(number));
        let (variant, fields) = variant.ok_or_else(|| {
            self.path.malformed(format!("variant {number} of {name}, which has {}", variants.len()))
        })?;
        if *fields == Fields::Unit {
            return self.out.string(variant);
        }
        self.out.open("{")?;
        self.out.key(variant)?;
        self.path.enter(variant.as_str().into());
        self.fields(fields)?;
        self.path.leave();
        self.out.close("}")
    }

    fn plain(&mut self, plain: Plain) -> Result<(), DynamicError> {
        if let Some((bytes, signed)) = integer(plain) {
            return self.integer(bytes, signed);
        }
        match plain {
            Plain::Bool => match self.array()? {
                [0] => self.out.put("false"),
                [1] => self.out.put("true"),
                [other] => Err(self.path.malformed(format!("a bool is {other}"))),
            },
            Plain::F32 => {
                let value = f32::from_le_bytes(self.array()?);
                self.float(value.into(), |_| serde_json::to_string(&value))
            }
            Plain::F64 => {
                let value = f64::from_le_bytes(self.array()?);
                self.float(value, |value| serde_json::to_string(&value))
            }
            Plain::Char => self.character(),
            Plain::String => {
                let text = self.text()?;
                self.out.string(text)
            }
            Plain::Bytes => {
                let length = self.length()?;
                let bytes = self.take(length)?;
                self.base64(bytes)
            }
            _ => {
                let bytes = std::mem::take(&mut self.rest);
                self.base64(bytes)
            }
        }
    }

    fn integer(&mut self, bytes: usize, signed: bool) -> Result<(), DynamicError> {
        let taken = self.take(bytes)?;
        let negative = signed && taken.last().is_some_and(|&byte| byte >= 0x80);
        let mut whole = [if negative { 0xff } else { 0 }; 16];
        whole[..bytes].copy_from_slice(taken);
        let (fits, text) = if signed {
            let number = i128::from_le_bytes(whole);
            (i64::try_from(number).is_ok() || u64::try_from(number).is_ok(), number.to_string())
        } else {
            let number = u128::from_le_bytes(whole);
            (u64::try_from(number).is_ok(), number.to_string())
        };
        if fits { self.out.put(&text) } else { self.out.string(&text) }
    }

    fn float(
        &mut self,
        value: f64,
        json: impl Fn(f64) -> serde_json::Result<String>,
    ) -> Result<(), DynamicError> {
        if value.is_nan() {
            self.out.put("\"NaN\"")
        } else if value.is_infinite() {
            self.out.put(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" })
        } else {
            let text = json(value).map_err(|error| DynamicError::Json(error.to_string()))?;
            self.out.put(&text)
        }
    }

    fn character(&mut self) -> Result<(), DynamicError> {
        let length = match self.rest.first() {
            None => return Err(self.path.torn()),
            Some(0..0x80) => 1,
            Some(0x80..0xe0) => 2,
            Some(0xe0..0xf0) => 3,
            Some(_) => 4,
        };
        // Too few bytes are no text either, as the first says how many there are.
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.path.malformed("a character is not UTF-8"))?;
        self.out.string(text)
    }

    fn base64(&mut self, bytes: &[u8]) -> Result<(), DynamicError> {
        if bytes.len() > self.out.limit {
            return Err(DynamicError::TooLarge(self.out.limit));
        }
        self.out.string(&STANDARD.encode(bytes))
    }
}
