//! Writing: values that are written in canonical form.

use std::collections::BTreeMap;
use std::io::Write as _;

/// A value to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// An integer.
    Integer(i64),
    /// A string.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Tree>),
    /// A dictionary, in the order of its keys.
    Dictionary(BTreeMap<Vec<u8>, Tree>),
    /// Bencode that is there already, and is kept as it is: one value.
    Raw(Vec<u8>),
}

impl Tree {
    /// A dictionary of these keys; of two that are the same, the latter counts.
    pub fn dictionary<K: Into<Vec<u8>>, V: Into<Self>>(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Dictionary(entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// A list of these values.
    pub fn list<V: Into<Self>>(values: impl IntoIterator<Item = V>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }

    /// The same dictionary, with one key more. Anything else stays what it is.
    #[must_use]
    pub fn with(mut self, key: impl Into<Vec<u8>>, value: impl Into<Self>) -> Self {
        if let Self::Dictionary(entries) = &mut self {
            entries.insert(key.into(), value.into());
        }
        self
    }

    /// The same, with one key more if there is a value for it.
    #[must_use]
    pub fn with_some(self, key: impl Into<Vec<u8>>, value: Option<impl Into<Self>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Appends the bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(number) => {
                // A vector takes what is written to it.
                let _ = write!(out, "i{number}e");
            }
            Self::Bytes(bytes) => string(bytes, out),
            Self::List(values) => {
                out.push(b'l');
                values.iter().for_each(|value| value.write(out));
                out.push(b'e');
            }
            Self::Dictionary(entries) => {
                out.push(b'd');
                for (key, value) in entries {
                    string(key, out);
                    value.write(out);
                }
                out.push(b'e');
            }
            Self::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }
}

fn string(bytes: &[u8], out: &mut Vec<u8>) {
    let _ = write!(out, "{}:", bytes.len());
    out.extend_from_slice(bytes);
}

impl From<i64> for Tree {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u16> for Tree {
    fn from(number: u16) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u32> for Tree {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u64> for Tree {
    /// Sizes beyond those of 63 bits are none.
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<String> for Tree {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl From<&[u8]> for Tree {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Tree {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Tree {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Document, Limits};
    use super::*;

    #[test]
    fn keys_are_in_order() {
        let tree = Tree::dictionary([("b", Tree::from(1i64)), ("a", Tree::list(["x", ""]))])
            .with("ab", u64::MAX)
            .with_some("c", None::<i64>)
            .with("raw", Tree::Raw(b"le".to_vec()));
        let bytes = tree.to_bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(text, "d1:al1:x0:e2:abi9223372036854775807e1:bi1e3:rawlee");
        assert!(Document::read(&bytes, Limits::default()).unwrap().root().is_canonical());
    }
}
