//! A look at a message before it is decoded: do its lengths agree with the bytes that arrived?
//!
//! The codecs' crates believe a length as soon as they read it, and reserve memory for it. So each type first walks over its own bytes without making anything
//! of them ([`Describe::scan`]), and a message that announces what it does not bring is refused for the price of a few comparisons. Values are
//! not looked at: whether a text is UTF-8 is the codec's question.
//!
//! The walk needs no depth limit: a type cannot contain itself, because its [`Size`] would then depend on itself, which the compiler refuses.

use super::{CodecId, PayloadError};
use crate::proto::rpc::schema::Describe;

/// What is known of a type's bytes beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    least: usize,
    fixed: Option<usize>,
}

impl Size {
    /// No bytes at all.
    pub const NOTHING: Self = Self { least: 0, fixed: Some(0) };

    /// A byte at least: what begins with a length or a variant.
    pub const VARIABLE: Self = Self { least: 1, fixed: None };

    /// A number, which is `bytes` long in codec 0 and may be shorter elsewhere.
    #[must_use]
    pub const fn number(bytes: usize) -> Self {
        Self { least: 1, fixed: Some(bytes) }
    }

    /// One after the other.
    #[must_use]
    pub const fn sum(parts: &[Self]) -> Self {
        let mut sum = Self::NOTHING;
        let mut at = 0;
        while at < parts.len() {
            sum.least = sum.least.saturating_add(parts[at].least);
            sum.fixed = match (sum.fixed, parts[at].fixed) {
                (Some(one), Some(other)) => one.checked_add(other),
                _ => None,
            };
            at += 1;
        }
        sum
    }

    /// `count` of the same.
    #[must_use]
    pub const fn times(self, count: usize) -> Self {
        let fixed = match self.fixed {
            Some(size) => size.checked_mul(count),
            None => None,
        };
        Self { least: self.least.saturating_mul(count), fixed }
    }

    /// A list of these.
    ///
    /// # Panics
    /// They have no bytes: a few bytes could then announce so many of them that reading never ends. It panics while the program is compiled.
    #[must_use]
    pub const fn list(self) -> Self {
        assert!(self.least > 0, "the elements of a list, map or array need at least a byte each");
        Self::VARIABLE
    }

    /// One of these, or none, told by what stands in front.
    #[must_use]
    pub const fn choice(_parts: &[Self]) -> Self {
        Self::VARIABLE
    }

    /// The same, if all of `names` can stand in a description.
    ///
    /// # Panics
    /// A name has other than ASCII letters, digits and `_`. It panics while the program is compiled.
    #[must_use]
    pub const fn named(self, names: &[&str]) -> Self {
        let mut at = 0;
        while at < names.len() {
            let (name, mut byte) = (names[at].as_bytes(), 0);
            while byte < name.len() {
                // `#` is of r#type, which is described as `type`.
                let plain = name[byte].is_ascii_alphanumeric() || matches!(name[byte], b'_' | b'#');
                assert!(plain, "names of types, fields and variants are of ASCII letters, digits and _");
                byte += 1;
            }
            at += 1;
        }
        self
    }

    /// Bytes of each value in codec 0, if all have the same.
    #[must_use]
    pub const fn fixed(self) -> Option<usize> {
        self.fixed
    }

    /// Bytes of a value in `codec` at least.
    #[must_use]
    pub const fn least(self, codec: CodecId) -> usize {
        match (codec, self.fixed) {
            (CodecId::Bincode, Some(size)) => size,
            _ => self.least,
        }
    }
}

/// A walk over the bytes of a message.
#[derive(Debug)]
pub struct Scan<'a> {
    rest: &'a [u8],
    codec: CodecId,
    memory: usize,
    limit: usize,
}

/// Walks over a whole message of type `T`, whose lists may take `memory` bytes in all.
///
/// # Errors
/// It does not end where the bytes end, or it announces more than they can hold.
pub fn scan<T: Describe>(bytes: &[u8], codec: CodecId, memory: usize) -> Result<(), PayloadError> {
    let mut scan = Scan { rest: bytes, codec, memory, limit: memory };
    scan.value::<T>()?;
    match scan.rest.len() {
        0 => Ok(()),
        left => Err(PayloadError::LeftOver(left)),
    }
}

impl Scan<'_> {
    /// A value: at once if its size is known, otherwise part by part.
    ///
    /// # Errors
    /// As [`scan`].
    #[inline]
    pub fn value<T: Describe>(&mut self) -> Result<(), PayloadError> {
        match (self.codec, T::SIZE.fixed) {
            (CodecId::Bincode, Some(size)) => self.skip(size),
            _ => T::scan(self),
        }
    }

    /// A length, and as many elements.
    ///
    /// # Errors
    /// As [`scan`].
    pub fn list<T: Describe>(&mut self) -> Result<(), PayloadError> {
        let announced = self.number()?;
        let least = T::SIZE.least(self.codec).max(1);
        let count = usize::try_from(announced).ok().filter(|&count| count <= self.rest.len() / least);
        let left = self.rest.len();
        let count = count.ok_or(PayloadError::Announced { announced, left })?;
        let taken = count.checked_mul(size_of::<T>()).and_then(|taken| self.memory.checked_sub(taken));
        self.memory = taken.ok_or(PayloadError::Memory(self.limit))?;
        if let (CodecId::Bincode, Some(size)) = (self.codec, T::SIZE.fixed) {
            return self.skip(count.saturating_mul(size));
        }
        for _ in 0..count {
            T::scan(self)?;
        }
        Ok(())
    }

    /// A length, and as many bytes.
    ///
    /// # Errors
    /// As [`scan`].
    #[inline]
    pub fn bytes(&mut self) -> Result<(), PayloadError> {
        let announced = self.number()?;
        let length = usize::try_from(announced).ok().filter(|&length| length <= self.rest.len());
        let left = self.rest.len();
        self.skip(length.ok_or(PayloadError::Announced { announced, left })?)
    }

    /// Whether a value of an option follows.
    ///
    /// # Errors
    /// Nothing is there, or what can be neither.
    #[inline]
    pub fn is_some(&mut self) -> Result<bool, PayloadError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(PayloadError::Malformed(format!("an option begins with {other}").into())),
        }
    }

    /// The number of a variant.
    ///
    /// # Errors
    /// The bytes end.
    pub fn variant(&mut self) -> Result<u64, PayloadError> {
        match self.codec {
            CodecId::Bincode => self.take::<4>().map(|bytes| u64::from(u32::from_le_bytes(bytes))),
            CodecId::Postcard => self.varint(),
        }
    }

    /// An integer that takes `bytes` in memory.
    ///
    /// # Errors
    /// The bytes end.
    #[inline]
    pub fn integer(&mut self, bytes: usize) -> Result<(), PayloadError> {
        match self.codec {
            CodecId::Postcard if bytes > 1 => {
                while self.byte()? & 0x80 != 0 {}
                Ok(())
            }
            _ => self.skip(bytes),
        }
    }

    /// A character.
    ///
    /// # Errors
    /// The bytes end, or none begins so.
    pub fn character(&mut self) -> Result<(), PayloadError> {
        let announced = match self.codec {
            CodecId::Bincode => None,
            CodecId::Postcard => Some(self.number()?),
        };
        let more = match self.byte()? {
            0x00..0x80 => 0,
            0xc0..0xe0 => 1,
            0xe0..0xf0 => 2,
            0xf0..0xf8 => 3,
            _ => return Err(PayloadError::Malformed("a character is not UTF-8".into())),
        };
        // The crate takes the first of several characters.
        if announced.is_some_and(|announced| announced != 1 + more as u64) {
            return Err(PayloadError::Malformed("a character has the length of another".into()));
        }
        self.skip(more)
    }

    /// So many bytes of any value.
    ///
    /// # Errors
    /// The bytes end.
    #[inline]
    pub fn skip(&mut self, count: usize) -> Result<(), PayloadError> {
        self.rest = self.rest.get(count..).ok_or(PayloadError::Torn)?;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, PayloadError> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], PayloadError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(PayloadError::Torn)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A length.
    fn number(&mut self) -> Result<u64, PayloadError> {
        match self.codec {
            CodecId::Bincode => self.take().map(u64::from_le_bytes),
            CodecId::Postcard => self.varint(),
        }
    }

    /// A number of 64 bits at most, seven bits a byte.
    fn varint(&mut self) -> Result<u64, PayloadError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(PayloadError::Malformed("a number is longer than 64 bits".into()))
    }
}
