//! A value of a type, to begin a request with.

use std::fmt::Write as _;

use crate::proto::rpc::schema::{Fields, Plain, Type};

/// Values within an example at most: a type that somebody describes may have endlessly many.
const MAX_VALUES: usize = 1_000;

/// JSON of some value of a type, to be edited: `{"key": "", "count": 0}`. Lists have an element, an option its value, and an enum is its first
/// variant. `None` for a type whose least value is too large to be shown.
#[must_use]
pub fn example(of: &Type) -> Option<String> {
    let mut example = Example { text: String::new(), left: MAX_VALUES };
    example.value(of)?;
    Some(example.text)
}

struct Example {
    text: String,
    left: usize,
}

impl Example {
    fn value(&mut self, of: &Type) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        match of {
            Type::Plain(plain) => self.text.push_str(match plain {
                Plain::Bool => "false",
                Plain::String | Plain::Bytes | Plain::Raw => "\"\"",
                Plain::Char => "\"a\"",
                Plain::F32 | Plain::F64 => "0.0",
                _ => "0",
            }),
            Type::Option(of) => self.value(of)?,
            Type::List(of) => self.several(&[of.as_ref()])?,
            Type::Map(key, value) if **key == Type::Plain(Plain::String) => {
                self.text.push_str("{\"key\": ");
                self.value(value)?;
                self.text.push('}');
            }
            Type::Map(key, value) => {
                self.text.push('[');
                self.several(&[key.as_ref(), value.as_ref()])?;
                self.text.push(']');
            }
            Type::Tuple(parts) if parts.is_empty() => self.text.push_str("null"),
            Type::Tuple(parts) => self.several(&parts.iter().collect::<Vec<_>>())?,
            Type::Array(of, count) => {
                if *count > self.left {
                    return None;
                }
                self.several(&vec![of.as_ref(); *count])?;
            }
            Type::Struct(_, fields) => self.fields(fields)?,
            Type::Enum(_, variants) => self.variant(variants.first()?)?,
        }
        Some(())
    }

    fn variant(&mut self, (name, fields): &(String, Fields)) -> Option<()> {
        if *fields == Fields::Unit {
            let _ = write!(self.text, "\"{name}\"");
            return Some(());
        }
        let _ = write!(self.text, "{{\"{name}\": ");
        self.fields(fields)?;
        self.text.push('}');
        Some(())
    }

    fn fields(&mut self, fields: &Fields) -> Option<()> {
        match fields {
            Fields::Unit => self.text.push_str("null"),
            Fields::Unnamed(types) => match &types[..] {
                [one] => self.value(one)?,
                several => self.several(&several.iter().collect::<Vec<_>>())?,
            },
            Fields::Named(fields) => {
                self.text.push('{');
                for (at, (name, of)) in fields.iter().enumerate() {
                    let comma = if at > 0 { ", " } else { "" };
                    let _ = write!(self.text, "{comma}\"{name}\": ");
                    self.value(of)?;
                }
                self.text.push('}');
            }
        }
        Some(())
    }

    fn several(&mut self, types: &[&Type]) -> Option<()> {
        self.text.push('[');
        for (at, of) in types.iter().enumerate() {
            self.text.push_str(if at > 0 { ", " } else { "" });
            self.value(of)?;
        }
        self.text.push(']');
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode;
    use super::*;

    #[test]
    fn an_example_is_a_request() {
        for (of, expected) in [
            ("Words{text:string}", r#"{"text": ""}"#),
            (
                "A{a:option<u8>,b:list<char>,c:bytes,d:f32,e:bool}",
                r#"{"a": 0, "b": ["a"], "c": "", "d": 0.0, "e": false}"#,
            ),
            ("Change[Put(Entry{key:string}),Gone]", r#"{"Put": {"key": ""}}"#),
            ("B[Gone,Put(u8)]", r#""Gone""#),
            ("C[Put{a:u8}]", r#"{"Put": {"a": 0}}"#),
            ("map<string,i8>", r#"{"key": 0}"#),
            ("map<u8,i8>", "[[0, 0]]"),
            ("(u8,Id(u64),Pair(u8,u8),Nothing())", "[0, 0, [0, 0], null]"),
            ("()", "null"),
            ("[u8;3]", "[0, 0, 0]"),
            ("raw", r#""""#),
        ] {
            let of = Type::parse(of).unwrap();
            assert_eq!(example(&of).as_deref(), Some(expected));
            assert!(encode(&of, expected, 1 << 20).is_ok(), "{of}");
        }
    }

    #[test]
    fn an_example_has_an_end() {
        for of in ["[u8;65535]", "[[[[u8;60000];60000];60000];60000]"] {
            assert_eq!(example(&Type::parse(of).unwrap()), None);
        }
    }
}
