//! Bits in the order of the wire, most significant first, with the Exp-Golomb codes of H.264 section 9.1 and H.265 section 9.2.

use std::borrow::Cow;

use super::Error;

/// A reader that knows what it reads, so that its errors can say so.
#[derive(Clone, Debug)]
pub struct Bits<'a> {
    what: &'static str,
    data: &'a [u8],
    /// Bits that were read.
    at: usize,
}

impl<'a> Bits<'a> {
    /// Reads `data`, which is called `what` in errors.
    #[must_use]
    pub fn new(what: &'static str, data: &'a [u8]) -> Self {
        Self { what, data, at: 0 }
    }

    /// The next `count` bits, at most 32.
    ///
    /// # Errors
    /// [`Error::Short`].
    pub fn read(&mut self, count: u32) -> Result<u32, Error> {
        debug_assert!(count <= 32);
        if self.left() < count as usize {
            return Err(self.short());
        }
        let mut value = 0u64;
        let mut missing = count;
        while missing > 0 {
            let byte = self.data[self.at / 8];
            let unread = 8 - (self.at % 8) as u32;
            let take = unread.min(missing);
            let bits = (u32::from(byte) >> (unread - take)) & ((1 << take) - 1);
            value = value << take | u64::from(bits);
            self.at += take as usize;
            missing -= take;
        }
        Ok(value as u32)
    }

    /// The next `count` bits, at most 8.
    ///
    /// # Errors
    /// [`Error::Short`].
    pub fn small(&mut self, count: u32) -> Result<u8, Error> {
        debug_assert!(count <= 8);
        Ok(self.read(count)? as u8)
    }

    /// One bit.
    ///
    /// # Errors
    /// [`Error::Short`].
    pub fn flag(&mut self) -> Result<bool, Error> {
        Ok(self.read(1)? == 1)
    }

    /// Passes over `count` bits.
    ///
    /// # Errors
    /// [`Error::Short`].
    pub fn skip(&mut self, count: usize) -> Result<(), Error> {
        if self.left() < count {
            return Err(self.short());
        }
        self.at += count;
        Ok(())
    }

    /// An unsigned Exp-Golomb code, `ue(v)`.
    ///
    /// # Errors
    /// [`Error::Short`], or [`Error::Value`] for a code of more than 32 bits.
    pub fn ue(&mut self) -> Result<u32, Error> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 32 {
                return Err(self.wrong("ue(v)", u64::MAX));
            }
        }
        let value = (1u64 << zeros) - 1 + u64::from(self.read(zeros)?);
        u32::try_from(value).map_err(|_| self.wrong("ue(v)", value))
    }

    /// A number of `ue(v)` that is at most `most`.
    ///
    /// # Errors
    /// Those of [`ue`](Self::ue), and [`Error::Value`] of `field`.
    pub fn ue_upto(&mut self, field: &'static str, most: u32) -> Result<u32, Error> {
        let value = self.ue()?;
        if value > most { Err(self.wrong(field, value.into())) } else { Ok(value) }
    }

    /// A signed Exp-Golomb code, `se(v)`.
    ///
    /// # Errors
    /// As [`ue`](Self::ue).
    pub fn se(&mut self) -> Result<i32, Error> {
        let code = i64::from(self.ue()?);
        let value = if code % 2 == 1 { code / 2 + 1 } else { -(code / 2) };
        i32::try_from(value).map_err(|_| self.wrong("se(v)", value.unsigned_abs()))
    }

    /// The next `count` whole bytes; the reader has to stand between two.
    ///
    /// # Errors
    /// [`Error::Short`].
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        debug_assert!(self.at.is_multiple_of(8));
        let start = self.at / 8;
        let end = start.checked_add(count).ok_or(self.short())?;
        let bytes = self.data.get(start..end).ok_or(self.short())?;
        self.at += count * 8;
        Ok(bytes)
    }

    /// What has not been read, from the next whole byte.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.data[self.at.div_ceil(8)..]
    }

    /// Bits that are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.data.len() * 8 - self.at
    }

    /// Bytes that have been read from, in whole or in part.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at.div_ceil(8)
    }

    /// The error for a field that was just read.
    #[must_use]
    pub fn wrong(&self, field: &'static str, value: u64) -> Error {
        Error::Value { what: self.what, at: self.offset(), field, value }
    }

    fn short(&self) -> Error {
        Error::Short { what: self.what, at: self.data.len() }
    }
}

/// The payload of a NAL unit (RBSP) without its emulation prevention bytes (H.264 section 7.4.1, H.265 section 7.4.2), copied only
/// when it has some.
#[must_use]
pub fn rbsp(nal: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memmem::find(nal, &[0, 0, 3]) else { return Cow::Borrowed(nal) };
    let mut payload = Vec::with_capacity(nal.len());
    payload.extend_from_slice(&nal[..first + 2]);
    let mut zeros = 0;
    for &byte in &nal[first + 3..] {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        payload.push(byte);
    }
    Cow::Owned(payload)
}

/// The NAL unit whose payload is `payload`: emulation prevention bytes are put in.
#[cfg(test)]
pub(super) fn escape(payload: &[u8]) -> Vec<u8> {
    let (mut nal, mut zeros) = (Vec::new(), 0);
    for &byte in payload {
        if zeros == 2 && byte <= 3 {
            nal.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        nal.push(byte);
    }
    nal
}

/// A writer of bits, most significant first.
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are still free.
    free: u32,
}

impl BitWriter {
    /// Appends the low `count` bits of `value`, at most 32.
    pub fn put(&mut self, value: u32, count: u32) {
        debug_assert!(count <= 32);
        for at in (0..count).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> at & 1) as u8) << self.free;
            }
        }
    }

    /// Appends an unsigned Exp-Golomb code.
    #[cfg(test)]
    pub(super) fn put_ue(&mut self, value: u32) {
        let code = u64::from(value) + 1;
        let bits = 64 - code.leading_zeros();
        self.put(0, bits - 1);
        if bits > 32 {
            self.put((code >> 32) as u32, bits - 32);
        }
        self.put(code as u32, bits.min(32));
    }

    /// The bytes; what is left of the last one is 0.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_across_bytes() {
        let mut bits = Bits::new("a test", &[0b1010_0101, 0xff, 0x00, 0x12, 0x34]);
        assert_eq!(bits.read(0), Ok(0));
        assert_eq!(bits.read(3), Ok(0b101));
        assert_eq!(bits.flag(), Ok(false));
        assert_eq!(bits.read(12), Ok(0x5ff));
        assert_eq!(bits.offset(), 2);
        assert_eq!(bits.bytes(1), Ok(&[0][..]));
        assert_eq!((bits.left(), bits.rest()), (16, &[0x12, 0x34][..]));
        assert_eq!(bits.skip(12), Ok(()));
        assert_eq!(bits.read(5), Err(Error::Short { what: "a test", at: 5 }));
        assert_eq!(bits.read(4), Ok(4));
        assert_eq!((bits.left(), bits.rest()), (0, &[][..]));
        assert_eq!(bits.skip(1), Err(Error::Short { what: "a test", at: 5 }));
        assert_eq!(bits.bytes(usize::MAX), Err(Error::Short { what: "a test", at: 5 }));
        assert_eq!(Bits::new("a test", &[0xde, 0xad, 0xbe, 0xef]).read(32), Ok(0xdead_beef));
    }

    #[test]
    fn exp_golomb_there_and_back() {
        for value in [0, 1, 2, 3, 7, 8, 254, 255, 65_534, 65_535, u32::MAX - 1, u32::MAX] {
            let mut writer = BitWriter::default();
            writer.put(1, 3);
            writer.put_ue(value);
            writer.put(1, 1);
            let bytes = writer.finish();
            let mut bits = Bits::new("a test", &bytes);
            bits.skip(3).unwrap();
            assert_eq!(bits.ue(), Ok(value));
            assert_eq!(bits.flag(), Ok(true));
        }
    }

    #[test]
    fn codes_of_the_specification() {
        // H.264 table 9-2 and 9-3.
        for (bits, ue, se) in [
            (0b1000_0000, 0, 0),
            (0b0100_0000, 1, 1),
            (0b0110_0000, 2, -1),
            (0b0010_0000, 3, 2),
            (0b0011_1000, 6, -3),
            (0b0001_0100, 9, 5),
        ] {
            assert_eq!(Bits::new("a test", &[bits]).ue(), Ok(ue), "{bits:08b}");
            assert_eq!(Bits::new("a test", &[bits]).se(), Ok(se), "{bits:08b}");
        }
        assert!(matches!(Bits::new("a test", &[0; 9]).ue(), Err(Error::Value { .. })));
        assert!(matches!(Bits::new("a test", &[0; 3]).ue(), Err(Error::Short { .. })));
        assert!(matches!(
            Bits::new("a test", &[0, 0, 0, 0, 0x80, 0, 0, 0, 0x80]).ue(),
            Err(Error::Value { .. })
        ));
        assert_eq!(
            Bits::new("a test", &[0b0010_0000]).ue_upto("count", 2),
            Err(Error::Value { what: "a test", at: 1, field: "count", value: 3 })
        );
    }

    #[test]
    fn emulation_prevention() {
        let table: [(&[u8], &[u8]); 8] = [
            (&[], &[]),
            (&[1, 2, 3], &[1, 2, 3]),
            (&[0, 0, 3], &[0, 0]),
            (&[0, 0, 3, 1], &[0, 0, 1]),
            (&[0, 0, 3, 0, 0, 3, 2], &[0, 0, 0, 0, 2]),
            (&[0, 0, 3, 3], &[0, 0, 3]),
            (&[5, 0, 0, 3, 0, 3, 0, 0, 3, 0], &[5, 0, 0, 0, 3, 0, 0, 0]),
            (&[0, 3, 0, 3], &[0, 3, 0, 3]),
        ];
        for (nal, payload) in table {
            assert_eq!(&*rbsp(nal), payload, "{nal:02x?}");
            assert_eq!(&*rbsp(&escape(nal)), nal, "{nal:02x?}");
        }
    }
}
