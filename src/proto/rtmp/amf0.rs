//! AMF0: the values of commands and metadata.
//!
//! Action Message Format 0, section 2. Values are read without recursion, to a limited depth and number, and references among them, which no
//! encoder sends, are refused.

use bytes::{BufMut, BytesMut};

/// Objects and arrays within each other, at most.
pub const MAX_DEPTH: usize = 16;

/// Values of one message, at most. The metadata of encoders have about 20.
pub const MAX_VALUES: usize = 1024;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// Yes or no.
    Boolean(bool),
    /// A text.
    String(String),
    /// Names and values, in their order.
    Object(Vec<(String, Value)>),
    /// An associative array, which is much the same.
    EcmaArray(Vec<(String, Value)>),
    /// Values in a row.
    StrictArray(Vec<Value>),
    /// Milliseconds since 1970.
    Date(f64),
    /// Nothing.
    Null,
    /// Less than nothing.
    Undefined,
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Names and values, if it is an object or an associative array.
    #[must_use]
    pub fn entries(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(entries) | Self::EcmaArray(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of this name in an object.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Self> {
        self.entries()?.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }
}

/// Why bytes are no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Amf0Error {
    /// They end within a value.
    #[error("AMF0 ends within a value, at byte {0}")]
    Cut(usize),
    /// A type that does not exist, or is not taken.
    #[error("AMF0 has a value of type {kind:#04x} at byte {at}")]
    Type {
        /// The type's number.
        kind: u8,
        /// Where.
        at: usize,
    },
    /// A text is not UTF-8.
    #[error("AMF0 has a text that is not UTF-8, at byte {0}")]
    Text(usize),
    /// Too deep, or too many.
    #[error("AMF0 has values within each other deeper than {MAX_DEPTH}, or more than {MAX_VALUES}")]
    TooMuch,
}

const NUMBER: u8 = 0x00;
const BOOLEAN: u8 = 0x01;
const STRING: u8 = 0x02;
const OBJECT: u8 = 0x03;
const NULL: u8 = 0x05;
const UNDEFINED: u8 = 0x06;
const ECMA_ARRAY: u8 = 0x08;
const OBJECT_END: u8 = 0x09;
const STRICT_ARRAY: u8 = 0x0a;
const DATE: u8 = 0x0b;
const LONG_STRING: u8 = 0x0c;
const UNSUPPORTED: u8 = 0x0d;
const XML: u8 = 0x0f;
const TYPED_OBJECT: u8 = 0x10;

/// Something that is being read, and holds others.
enum Open {
    Object { ecma: bool, entries: Vec<(String, Value)>, name: String },
    Array { left: u32, values: Vec<Value> },
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Amf0Error> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(Amf0Error::Cut(self.at))?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Amf0Error> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| Amf0Error::Cut(at))
    }

    fn text(&mut self, length: usize) -> Result<String, Amf0Error> {
        let at = self.at;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Amf0Error::Text(at))?;
        Ok(text.to_owned())
    }

    fn short(&mut self) -> Result<String, Amf0Error> {
        let length = u16::from_be_bytes(self.array()?);
        self.text(length.into())
    }

    fn long(&mut self) -> Result<String, Amf0Error> {
        let length = u32::from_be_bytes(self.array()?);
        self.text(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// The next name of an object; `None` at its end.
    fn name(&mut self) -> Result<Option<String>, Amf0Error> {
        let name = self.short()?;
        if name.is_empty() && self.bytes.get(self.at) == Some(&OBJECT_END) {
            self.at += 1;
            return Ok(None);
        }
        Ok(Some(name))
    }
}

/// Reads all values there are.
///
/// # Errors
/// The bytes are no values.
pub fn read(bytes: &[u8]) -> Result<Vec<Value>, Amf0Error> {
    let mut reader = Reader { bytes, at: 0 };
    let (mut values, mut stack, mut count) = (Vec::new(), Vec::<Open>::new(), 0);
    while reader.at < bytes.len() || !stack.is_empty() {
        count += 1;
        if count > MAX_VALUES || stack.len() > MAX_DEPTH {
            return Err(Amf0Error::TooMuch);
        }
        let mut done = match begin(&mut reader)? {
            Begun::Value(value) => Some(value),
            Begun::Open(open) => {
                stack.push(open);
                close_empty(&mut reader, &mut stack)?
            }
        };
        // A value goes into what is open, which may be complete with it.
        while let Some(value) = done.take() {
            let Some(open) = stack.last_mut() else {
                values.push(value);
                break;
            };
            let complete = match open {
                Open::Object { entries, name, .. } => {
                    entries.push((std::mem::take(name), value));
                    match reader.name()? {
                        Some(next) => {
                            *name = next;
                            false
                        }
                        None => true,
                    }
                }
                Open::Array { left, values } => {
                    values.push(value);
                    *left -= 1;
                    *left == 0
                }
            };
            if complete {
                done = stack.pop().map(close);
            }
        }
    }
    Ok(values)
}

enum Begun {
    Value(Value),
    Open(Open),
}

fn begin(reader: &mut Reader<'_>) -> Result<Begun, Amf0Error> {
    let at = reader.at;
    let [kind] = reader.array()?;
    let object = |ecma| Begun::Open(Open::Object { ecma, entries: Vec::new(), name: String::new() });
    Ok(match kind {
        NUMBER => Begun::Value(Value::Number(f64::from_be_bytes(reader.array()?))),
        BOOLEAN => Begun::Value(Value::Boolean(reader.array::<1>()? != [0])),
        STRING => Begun::Value(Value::String(reader.short()?)),
        LONG_STRING | XML => Begun::Value(Value::String(reader.long()?)),
        NULL => Begun::Value(Value::Null),
        UNDEFINED | UNSUPPORTED => Begun::Value(Value::Undefined),
        DATE => {
            let millis = f64::from_be_bytes(reader.array()?);
            // The time zone has to be 0.
            reader.array::<2>()?;
            Begun::Value(Value::Date(millis))
        }
        OBJECT => object(false),
        TYPED_OBJECT => {
            reader.short()?;
            object(false)
        }
        ECMA_ARRAY => {
            // How many there will be about: encoders say 0, or a number of their own.
            reader.array::<4>()?;
            object(true)
        }
        STRICT_ARRAY => {
            let left = u32::from_be_bytes(reader.array()?);
            Begun::Open(Open::Array { left, values: Vec::new() })
        }
        kind => return Err(Amf0Error::Type { kind, at }),
    })
}

/// Something that was just opened: it may have nothing in it.
fn close_empty(reader: &mut Reader<'_>, stack: &mut Vec<Open>) -> Result<Option<Value>, Amf0Error> {
    let empty = match stack.last_mut() {
        Some(Open::Object { name, .. }) => match reader.name()? {
            Some(first) => {
                *name = first;
                false
            }
            None => true,
        },
        Some(Open::Array { left, .. }) => *left == 0,
        None => false,
    };
    Ok(if empty { stack.pop().map(close) } else { None })
}

fn close(open: Open) -> Value {
    match open {
        Open::Object { ecma: true, entries, .. } => Value::EcmaArray(entries),
        Open::Object { entries, .. } => Value::Object(entries),
        Open::Array { values, .. } => Value::StrictArray(values),
    }
}

/// Writes a value. Texts and names that are too long for their type are cut at a character.
pub fn write(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Number(number) => {
            out.put_u8(NUMBER);
            out.put_f64(*number);
        }
        Value::Boolean(yes) => {
            out.put_u8(BOOLEAN);
            out.put_u8(u8::from(*yes));
        }
        Value::String(text) => match u16::try_from(text.len()) {
            Ok(_) => {
                out.put_u8(STRING);
                short(text, out);
            }
            Err(_) => {
                out.put_u8(LONG_STRING);
                out.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
                out.put_slice(text.as_bytes());
            }
        },
        Value::Object(entries) => {
            out.put_u8(OBJECT);
            write_entries(entries, out);
        }
        Value::EcmaArray(entries) => {
            out.put_u8(ECMA_ARRAY);
            out.put_u32(u32::try_from(entries.len()).unwrap_or(u32::MAX));
            write_entries(entries, out);
        }
        Value::StrictArray(values) => {
            out.put_u8(STRICT_ARRAY);
            out.put_u32(u32::try_from(values.len()).unwrap_or(u32::MAX));
            values.iter().for_each(|value| write(value, out));
        }
        Value::Date(millis) => {
            out.put_u8(DATE);
            out.put_f64(*millis);
            out.put_i16(0);
        }
        Value::Null => out.put_u8(NULL),
        Value::Undefined => out.put_u8(UNDEFINED),
    }
}

fn write_entries(entries: &[(String, Value)], out: &mut BytesMut) {
    for (name, value) in entries {
        short(name, out);
        write(value, out);
    }
    out.put_slice(&[0, 0, OBJECT_END]);
}

fn short(text: &str, out: &mut BytesMut) {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.put_u16(u16::try_from(end).unwrap_or(u16::MAX));
    out.put_slice(&text.as_bytes()[..end]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn written(values: &[Value]) -> BytesMut {
        let mut out = BytesMut::new();
        values.iter().for_each(|value| write(value, &mut out));
        out
    }

    #[test]
    fn values_in_bytes() {
        for (bytes, expected) in [
            (&b"\x00\x3f\xf0\0\0\0\0\0\0"[..], Value::Number(1.0)),
            (b"\x01\x01", Value::Boolean(true)),
            (b"\x02\0\x03abc", text("abc")),
            (b"\x03\0\x01a\x05\0\0\x09", Value::Object(vec![("a".into(), Value::Null)])),
            (b"\x03\0\0\x09", Value::Object(vec![])),
            (b"\x06", Value::Undefined),
            (
                b"\x08\0\0\0\x01\0\x01a\x01\0\0\0\x09",
                Value::EcmaArray(vec![("a".into(), Value::Boolean(false))]),
            ),
            (b"\x0a\0\0\0\x02\x05\x06", Value::StrictArray(vec![Value::Null, Value::Undefined])),
            (b"\x0a\0\0\0\0", Value::StrictArray(vec![])),
            (b"\x0b\0\0\0\0\0\0\0\0\0\0", Value::Date(0.0)),
            (b"\x0c\0\0\0\x01a", text("a")),
        ] {
            assert_eq!(read(bytes).unwrap(), std::slice::from_ref(&expected), "{bytes:?}");
            if bytes[0] != LONG_STRING {
                assert_eq!(written(&[expected]), bytes);
            }
        }
        // A typed object, and an array that says a wrong number.
        assert_eq!(read(b"\x10\0\x01C\0\0\x09").unwrap(), [Value::Object(vec![])]);
        assert_eq!(read(b"\x08\0\0\0\xff\0\0\x09").unwrap(), [Value::EcmaArray(vec![])]);
    }

    #[test]
    fn values_within_values_and_behind_each_other() {
        let inner =
            Value::Object(vec![("b".into(), Value::StrictArray(vec![text("x"), Value::Object(vec![])]))]);
        let values = [
            text("connect"),
            Value::Number(1.0),
            Value::EcmaArray(vec![("a".into(), inner.clone()), ("c".into(), Value::Date(1.5))]),
            Value::Null,
        ];
        assert_eq!(read(&written(&values)).unwrap(), values);
        assert_eq!(values[2].entry("a"), Some(&inner));
        let long = text(&"é".repeat(40_000));
        assert_eq!(read(&written(std::slice::from_ref(&long))).unwrap(), [long]);
    }

    #[test]
    fn what_is_no_value() {
        for (bytes, expected) in [
            (&b"\x00\0"[..], Amf0Error::Cut(1)),
            (b"\x02\0\x05ab", Amf0Error::Cut(3)),
            (b"\x02\0\x01\xff", Amf0Error::Text(3)),
            (b"\x03\0\x01a", Amf0Error::Cut(4)),
            (b"\x0a\xff\xff\xff\xff", Amf0Error::Cut(5)),
            (b"\x0c\xff\xff\xff\xff", Amf0Error::Cut(5)),
            (b"\x07\0\x01", Amf0Error::Type { kind: 7, at: 0 }),
            (b"\x05\x11", Amf0Error::Type { kind: 0x11, at: 1 }),
        ] {
            assert_eq!(read(bytes), Err(expected), "{bytes:?}");
        }
        assert_eq!(read(&[0x0a, 0, 0, 0, 1].repeat(100)), Err(Amf0Error::TooMuch));
        assert_eq!(read(&[NULL; MAX_VALUES + 1]), Err(Amf0Error::TooMuch));
        assert_eq!(read(&[NULL; MAX_VALUES]).unwrap().len(), MAX_VALUES);
    }

    #[test]
    fn whatever_comes_is_read_or_refused() {
        let seed =
            written(&[text("a"), Value::Object(vec![("k".into(), Value::StrictArray(vec![Value::Null]))])]);
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let mut bytes = seed.to_vec();
            for _ in 0..random.usize(1..5) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len()));
            if let Ok(values) = read(&bytes) {
                // NaN is not itself, so bytes are compared.
                let again = read(&written(&values)).unwrap();
                assert_eq!(written(&again), written(&values));
            }
        }
    }
}
