//! How many bytes each sample has (`stsz`, `stz2`; ISO/IEC 14496-12 section 8.7.3).

use bytes::Bytes;

use super::super::read::Body;
use crate::proto::hls::mp4::{Fault, Wrong};

/// The sizes of all samples.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    /// Samples.
    pub(super) count: u32,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// All have this one.
    Same(u32),
    /// Four bits each, the higher ones first.
    Nibbles(Bytes),
    /// One byte each.
    Bytes(Bytes),
    /// Two bytes each.
    Shorts(Bytes),
    /// Four bytes each.
    Words(Bytes),
}

impl Sizes {
    /// No samples.
    pub(super) fn none() -> Self {
        Self { count: 0, form: Form::Same(0) }
    }

    /// What `stsz` says.
    pub(super) fn stsz(mut body: Body) -> Result<Self, Fault> {
        body.full(0)?;
        let same = body.u32()?;
        let at = body.at();
        let count = body.u32()?;
        let form = match same {
            0 => Form::Words(body.entries(at, u64::from(count), 4)?),
            same => Form::Same(same),
        };
        Ok(Self { count, form })
    }

    /// What `stz2` says.
    pub(super) fn stz2(mut body: Body) -> Result<Self, Fault> {
        body.full(0)?;
        let at = body.at();
        let bits = body.u32()? & 0xff;
        let at_count = body.at();
        let count = body.u32()?;
        let entries = u64::from(count);
        let form = match bits {
            4 => Form::Nibbles(body.entries(at_count, entries.div_ceil(2), 1)?),
            8 => Form::Bytes(body.entries(at_count, entries, 1)?),
            16 => Form::Shorts(body.entries(at_count, entries, 2)?),
            bits => {
                let wrong = Wrong::Value { name: body.name, field: "field_size", value: i64::from(bits) };
                return Err(wrong.at(at));
            }
        };
        Ok(Self { count, form })
    }

    /// Bytes of sample `number`; 0 beyond the last.
    pub(super) fn of(&self, number: u32) -> u32 {
        if number >= self.count {
            return 0;
        }
        let index = number as usize;
        match &self.form {
            Form::Same(size) => *size,
            Form::Nibbles(sizes) => {
                let both = sizes.get(index / 2).copied().unwrap_or(0);
                u32::from(if index.is_multiple_of(2) { both >> 4 } else { both & 0x0f })
            }
            Form::Bytes(sizes) => sizes.get(index).copied().map_or(0, u32::from),
            Form::Shorts(sizes) => match sizes.get(index * 2..index * 2 + 2) {
                Some(&[a, b]) => u32::from(u16::from_be_bytes([a, b])),
                _ => 0,
            },
            Form::Words(sizes) => match sizes.get(index * 4..index * 4 + 4) {
                Some(&[a, b, c, d]) => u32::from_be_bytes([a, b, c, d]),
                _ => 0,
            },
        }
    }

    /// Bytes of the samples from number `first` up to before `end`.
    pub(super) fn sum(&self, first: u32, end: u32) -> u64 {
        match self.form {
            Form::Same(size) => u64::from(end.min(self.count).saturating_sub(first)) * u64::from(size),
            _ => (first..end.min(self.count)).map(|number| u64::from(self.of(number))).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::FourCc;
    use super::*;

    fn body(name: &[u8; 4], bytes: &'static [u8]) -> Body {
        Body::new(FourCc(*name), 8, Bytes::from_static(bytes))
    }

    #[test]
    fn sizes_in_each_form() {
        type Read = fn(Body) -> Result<Sizes, Fault>;
        type Case = (Read, &'static [u8; 4], &'static [u8], &'static [u32]);
        let table: [Case; 7] = [
            (Sizes::stsz, b"stsz", b"\0\0\0\0\0\0\0\x09\0\0\0\x03", &[9, 9, 9]),
            (Sizes::stsz, b"stsz", b"\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x01\xff\xff\xff\xff", &[1, u32::MAX]),
            (Sizes::stsz, b"stsz", b"\0\0\0\0\0\0\0\0\0\0\0\0", &[]),
            (Sizes::stz2, b"stz2", b"\0\0\0\0\0\0\0\x04\0\0\0\x03\x12\x3f", &[1, 2, 3]),
            (Sizes::stz2, b"stz2", b"\0\0\0\0\0\0\0\x08\0\0\0\x02\x12\xff", &[0x12, 0xff]),
            (Sizes::stz2, b"stz2", b"\0\0\0\0\xff\xff\xff\x10\0\0\0\x02\x12\xff\0\x01", &[0x12ff, 1]),
            (Sizes::stz2, b"stz2", b"\0\0\0\0\0\0\0\x10\0\0\0\0", &[]),
        ];
        for (read, name, bytes, expected) in table {
            let sizes = read(body(name, bytes)).unwrap();
            let read: Vec<u32> = (0..sizes.count).map(|number| sizes.of(number)).collect();
            assert_eq!(read, expected);
            assert_eq!(sizes.of(sizes.count), 0);
            let sum: u64 = expected.iter().map(|size| u64::from(*size)).sum();
            assert_eq!(sizes.sum(0, u32::MAX), sum);
            assert_eq!(sizes.sum(1, 2), u64::from(expected.get(1).copied().unwrap_or(0)));
            assert_eq!(sizes.sum(2, 1), 0);
        }
        assert_eq!((Sizes::none().count, Sizes::none().of(0)), (0, 0));
    }

    #[test]
    fn tables_that_lie_about_themselves() {
        let fault = Sizes::stsz(body(b"stsz", b"\0\0\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\x01")).unwrap_err();
        let wrong = Wrong::Count { name: FourCc(*b"stsz"), count: 0xffff_ffff, room: 1 };
        assert_eq!(fault, wrong.at(16));
        let fault = Sizes::stz2(body(b"stz2", b"\0\0\0\0\0\0\0\x04\0\0\0\x03\x12")).unwrap_err();
        assert_eq!(fault, Wrong::Count { name: FourCc(*b"stz2"), count: 2, room: 1 }.at(16));
        let fault = Sizes::stz2(body(b"stz2", b"\0\0\0\0\0\0\0\x20\0\0\0\x01\0\0\0\x01")).unwrap_err();
        assert_eq!(fault, Wrong::Value { name: FourCc(*b"stz2"), field: "field_size", value: 32 }.at(12));
        assert!(Sizes::stsz(body(b"stsz", b"\0\0\0\0\0\0\0")).is_err());
    }
}
