//! From JSON to a message.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value};

use super::{DynamicError, MAX_DEPTH, Path, Step, excerpt, integer, is_string};
use crate::proto::rpc::schema::{Fields, Plain, Type};

/// Names that an error lists.
const LISTED: usize = 12;

pub(super) fn write(of: &Type, json: &Value, limit: usize) -> Result<Bytes, DynamicError> {
    let mut writer = Writer { out: BytesMut::new(), limit, path: Path::default(), depth: 0 };
    writer.value(of, json)?;
    Ok(writer.out.freeze())
}

struct Writer<'a> {
    out: BytesMut,
    limit: usize,
    path: Path<'a>,
    depth: usize,
}

impl<'a> Writer<'a> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), DynamicError> {
        if bytes.len() > self.limit - self.out.len() {
            return Err(DynamicError::TooLarge(self.limit));
        }
        self.out.put_slice(bytes);
        Ok(())
    }

    fn length(&mut self, length: usize) -> Result<(), DynamicError> {
        self.put(&(length as u64).to_le_bytes())
    }

    fn expected(&self, expected: impl Into<String>, found: &Value) -> DynamicError {
        DynamicError::Expected { path: self.path.to_string(), expected: expected.into(), found: shown(found) }
    }

    /// A value one step further down.
    fn at(&mut self, step: impl Into<Step<'a>>, of: &'a Type, json: &'a Value) -> Result<(), DynamicError> {
        self.path.enter(step.into());
        self.value(of, json)?;
        self.path.leave();
        Ok(())
    }

    fn value(&mut self, of: &'a Type, json: &'a Value) -> Result<(), DynamicError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(DynamicError::TooDeep { path: self.path.to_string() });
        }
        match of {
            Type::Plain(plain) => self.plain(*plain, json)?,
            Type::Option(_) if json.is_null() => self.put(&[0])?,
            Type::Option(of) => {
                self.put(&[1])?;
                self.value(of, json)?;
            }
            Type::List(of) => {
                let items = json.as_array().ok_or_else(|| self.expected("an array", json))?;
                self.length(items.len())?;
                for (at, item) in items.iter().enumerate() {
                    self.at(Step::Index(at), of, item)?;
                }
            }
            Type::Map(key, value) => self.map(key, value, json)?,
            Type::Tuple(parts) if parts.is_empty() => self.unit(json)?,
            Type::Tuple(parts) => self.several(parts.iter(), json)?,
            Type::Array(of, count) => self.several(std::iter::repeat_n(&**of, *count), json)?,
            Type::Struct(_, fields) => self.fields(fields, json)?,
            Type::Enum(_, variants) => self.one_of(variants, json)?,
        }
        self.depth -= 1;
        Ok(())
    }

    fn unit(&self, json: &Value) -> Result<(), DynamicError> {
        if json.is_null() { Ok(()) } else { Err(self.expected("null", json)) }
    }

    /// So many values, in an array.
    fn several(
        &mut self,
        parts: impl ExactSizeIterator<Item = &'a Type>,
        json: &'a Value,
    ) -> Result<(), DynamicError> {
        let items = json.as_array().filter(|items| items.len() == parts.len());
        let items = items.ok_or_else(|| self.expected(format!("an array of {}", parts.len()), json))?;
        for (at, (of, item)) in parts.zip(items).enumerate() {
            self.at(Step::Index(at), of, item)?;
        }
        Ok(())
    }

    fn map(&mut self, key: &'a Type, value: &'a Type, json: &'a Value) -> Result<(), DynamicError> {
        if is_string(key) {
            let object = json.as_object().ok_or_else(|| self.expected("an object", json))?;
            self.length(object.len())?;
            for (name, item) in object {
                self.length(name.len())?;
                self.put(name.as_bytes())?;
                self.at(name.as_str(), value, item)?;
            }
            return Ok(());
        }
        let pairs = json.as_array().ok_or_else(|| self.expected("an array of pairs", json))?;
        self.length(pairs.len())?;
        for (at, pair) in pairs.iter().enumerate() {
            self.path.enter(Step::Index(at));
            self.several([key, value].into_iter(), pair)?;
            self.path.leave();
        }
        Ok(())
    }

    fn fields(&mut self, fields: &'a Fields, json: &'a Value) -> Result<(), DynamicError> {
        match fields {
            Fields::Unit => self.unit(json),
            Fields::Unnamed(types) => match &types[..] {
                [of] => self.value(of, json),
                types => self.several(types.iter(), json),
            },
            Fields::Named(fields) => self.named(fields, json),
        }
    }

    fn named(&mut self, fields: &'a [(String, Type)], json: &'a Value) -> Result<(), DynamicError> {
        let object = json.as_object().ok_or_else(|| self.expected("an object", json))?;
        for (name, of) in fields {
            let missing = || DynamicError::Missing { path: self.path.to_string(), field: name.clone() };
            let item = object.get(name).ok_or_else(missing)?;
            self.at(name.as_str(), of, item)?;
        }
        if object.len() == fields.len() {
            return Ok(());
        }
        let unknown = object.keys().find(|key| !fields.iter().any(|(name, _)| name == *key));
        Err(DynamicError::Unknown {
            path: self.path.to_string(),
            field: excerpt(unknown.map_or("", String::as_str)),
            known: list(fields),
        })
    }

    fn one_of(&mut self, variants: &'a [(String, Fields)], json: &'a Value) -> Result<(), DynamicError> {
        let (name, inside) = match json {
            Value::String(name) => (name, &Value::Null),
            Value::Object(object) => single(object).ok_or_else(|| self.no_variant(variants, json))?,
            _ => return Err(self.no_variant(variants, json)),
        };
        let place = variants.iter().position(|(variant, _)| variant == name);
        let place = place.ok_or_else(|| {
            self.expected(format!("one of {}", list(variants)), &Value::String(name.clone()))
        })?;
        let fields = &variants[place].1;
        if json.is_string() && *fields != Fields::Unit {
            return Err(self.expected(format!("{{\"{name}\": ...}}"), json));
        }
        self.put(&(place as u32).to_le_bytes())?;
        self.path.enter(name.as_str().into());
        self.fields(fields, inside)?;
        self.path.leave();
        Ok(())
    }

    fn no_variant(&self, variants: &[(String, Fields)], json: &Value) -> DynamicError {
        self.expected(format!("one of {}, as a string or as the only key of an object", list(variants)), json)
    }

    fn plain(&mut self, plain: Plain, json: &Value) -> Result<(), DynamicError> {
        if let Some((bytes, signed)) = integer(plain) {
            let number = whole(json, bytes, signed).ok_or_else(|| self.expected(plain.name(), json))?;
            return self.put(&number[..bytes]);
        }
        let wrong = || self.expected(plain.name(), json);
        match plain {
            Plain::Bool => {
                let value = json.as_bool().ok_or_else(wrong)?;
                self.put(&[u8::from(value)])
            }
            Plain::F32 => {
                let wide = float(json).ok_or_else(wrong)?;
                let narrow = wide as f32;
                if narrow.is_infinite() && wide.is_finite() {
                    return Err(wrong());
                }
                self.put(&narrow.to_le_bytes())
            }
            Plain::F64 => {
                let value = float(json).ok_or_else(wrong)?;
                self.put(&value.to_le_bytes())
            }
            Plain::Char => {
                let text = json.as_str().filter(|text| text.chars().nth(1).is_none() && !text.is_empty());
                let text = text.ok_or_else(|| self.expected("a string of one character", json))?;
                self.put(text.as_bytes())
            }
            Plain::String => {
                let text = json.as_str().ok_or_else(wrong)?;
                self.length(text.len())?;
                self.put(text.as_bytes())
            }
            _ => {
                let bytes = json.as_str().and_then(|text| STANDARD.decode(text).ok());
                let bytes = bytes.ok_or_else(|| self.expected("a string of base64", json))?;
                if plain == Plain::Bytes {
                    self.length(bytes.len())?;
                }
                self.put(&bytes)
            }
        }
    }
}

/// The only entry of an object.
fn single(object: &Map<String, Value>) -> Option<(&String, &Value)> {
    object.iter().next().filter(|_| object.len() == 1)
}

/// The bytes of a whole number, little-endian, if it is one and has no more than `bytes`. Large ones may be strings.
fn whole(json: &Value, bytes: usize, signed: bool) -> Option<[u8; 16]> {
    let spare = 128 - 8 * bytes as u32;
    let text = json.as_str().filter(|text| bytes >= 8 && !text.starts_with('+'));
    if signed {
        let number = match text {
            Some(text) => text.parse().ok()?,
            None => json.as_i64().map(i128::from).or_else(|| json.as_u64().map(i128::from))?,
        };
        (number << spare >> spare == number).then(|| number.to_le_bytes())
    } else {
        let number: u128 = match text {
            Some(text) => text.parse().ok()?,
            None => json.as_u64()?.into(),
        };
        (number << spare >> spare == number).then(|| number.to_le_bytes())
    }
}

fn float(json: &Value) -> Option<f64> {
    match json.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        _ => json.as_f64(),
    }
}

/// The names of fields or variants, as an error lists them.
fn list<T>(parts: &[(String, T)]) -> String {
    let names: Vec<_> = parts.iter().take(LISTED).map(|(name, _)| format!("`{name}`")).collect();
    match parts.len() {
        0 => "none".to_owned(),
        1..=LISTED => names.join(", "),
        all => format!("{} and {} more", names.join(", "), all - LISTED),
    }
}

/// A value as an error shows it.
fn shown(json: &Value) -> String {
    match json {
        Value::String(text) => format!("{:?}", excerpt(text)),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    }
}
