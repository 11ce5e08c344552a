//! Dolby Digital, AC-3 (ETSI TS 102 366): the head of a syncframe (section 4.3) and the record `dac3` (section F.4).

use bytes::{BufMut, BytesMut};

use super::Error;
use super::bits::Bits;

const WHAT: &str = "AC-3 syncframe";

/// The two bytes that a syncframe begins with, of AC-3 and of Enhanced AC-3.
pub const SYNC: [u8; 2] = [0x0b, 0x77];

/// Samples in a frame.
pub const FRAME_SAMPLES: u32 = 1536;

/// Samples a second by `fscod`.
pub(super) const RATES: [u32; 3] = [48_000, 44_100, 32_000];

/// Channels by `acmod`, without that of low frequencies.
pub(super) const CHANNELS: [u8; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

/// Kilobits a second by `bit_rate_code` (table 4.13).
const BIT_RATES: [u16; 19] =
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];

/// What a decoder must know before the first sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `fscod`, 0 to 2.
    pub rate_code: u8,
    /// `bsid`: 8, or less for old streams.
    pub bsid: u8,
    /// `bsmod`: what the sound is for.
    pub bsmod: u8,
    /// `acmod`: which channels there are.
    pub acmod: u8,
    /// `lfeon`: a channel of low frequencies.
    pub lfe: bool,
    /// `bit_rate_code`, 0 to 18.
    pub bit_rate_code: u8,
}

impl Config {
    /// Reads the contents of the box `dac3`.
    ///
    /// # Errors
    /// What is cut short, or a reserved rate.
    pub fn parse(record: &[u8]) -> Result<Self, Error> {
        let mut bits = Bits::new("AC3SpecificBox", record);
        let rate_code = bits.small(2)?;
        let (bsid, bsmod, acmod, lfe) = (bits.small(5)?, bits.small(3)?, bits.small(3)?, bits.flag()?);
        let bit_rate_code = bits.small(5)?;
        bits.skip(5)?;
        Self { rate_code, bsid, bsmod, acmod, lfe, bit_rate_code }.checked(&bits)
    }

    fn checked(self, bits: &Bits<'_>) -> Result<Self, Error> {
        if self.rate_code == 3 {
            return Err(bits.wrong("fscod", 3));
        }
        if usize::from(self.bit_rate_code) >= BIT_RATES.len() {
            return Err(bits.wrong("bit_rate_code", self.bit_rate_code.into()));
        }
        Ok(self)
    }

    /// Appends the contents of the box `dac3`.
    pub fn write(&self, out: &mut BytesMut) {
        let head = u32::from(self.rate_code & 3) << 22
            | u32::from(self.bsid & 0x1f) << 17
            | u32::from(self.bsmod & 7) << 14;
        let tail = u32::from(self.acmod & 7) << 11
            | u32::from(self.lfe) << 10
            | u32::from(self.bit_rate_code & 0x1f) << 5;
        out.put_uint(u64::from(head | tail), 3);
    }

    /// Samples a second.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        RATES[usize::from(self.rate_code % 3)]
    }

    /// Channels, that of low frequencies among them.
    #[must_use]
    pub fn channels(&self) -> u8 {
        CHANNELS[usize::from(self.acmod & 7)] + u8::from(self.lfe)
    }

    /// Bits a second.
    #[must_use]
    pub fn bit_rate(&self) -> u32 {
        BIT_RATES.get(usize::from(self.bit_rate_code)).map_or(0, |&rate| u32::from(rate) * 1000)
    }

    /// `ac-3`.
    #[must_use]
    pub fn codec_string(&self) -> String {
        "ac-3".to_owned()
    }
}

/// The head of a syncframe: what it says to a decoder, and the bytes of the whole frame. Eight bytes are enough to read it.
///
/// # Errors
/// What is cut short or out of its range; other codings of the same sync word, such as Enhanced AC-3.
pub fn syncframe(frame: &[u8]) -> Result<(Config, usize), Error> {
    let mut bits = Bits::new(WHAT, frame);
    let sync = bits.read(16)?;
    if sync != u32::from(u16::from_be_bytes(SYNC)) {
        return Err(bits.wrong("syncword", sync.into()));
    }
    bits.skip(16)?; // crc1
    let (rate_code, size_code) = (bits.small(2)?, bits.small(6)?);
    let (bsid, bsmod, acmod) = (bits.small(5)?, bits.small(3)?, bits.small(3)?);
    if bsid > 10 {
        return Err(bits.wrong("bsid", bsid.into()));
    }
    if acmod & 1 == 1 && acmod != 1 {
        bits.skip(2)?; // cmixlev
    }
    if acmod & 4 != 0 {
        bits.skip(2)?; // surmixlev
    }
    if acmod == 2 {
        bits.skip(2)?; // dsurmod
    }
    let lfe = bits.flag()?;
    let config =
        Config { rate_code, bsid, bsmod, acmod, lfe, bit_rate_code: size_code >> 1 }.checked(&bits)?;
    // Table 4.13: words of 16 bits; at 44.1 kHz the odd codes have one more.
    let kilobits = usize::from(BIT_RATES[usize::from(config.bit_rate_code)]);
    let words = match rate_code {
        0 => kilobits * 2,
        1 => kilobits * 96_000 / 44_100 + usize::from(size_code & 1),
        _ => kilobits * 3,
    };
    Ok((config, words * 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_there_and_back() {
        let record = [0x10, 0x11, 0x40];
        let config = Config::parse(&record).unwrap();
        assert_eq!((config.sample_rate(), config.channels(), config.bit_rate()), (48_000, 2, 192_000));
        assert_eq!((config.bsid, config.codec_string().as_str()), (8, "ac-3"));
        let mut out = BytesMut::new();
        config.write(&mut out);
        assert_eq!(out[..], record);
        assert!((0..3).all(|end| matches!(Config::parse(&record[..end]), Err(Error::Short { .. }))));
        let surround = Config { acmod: 7, lfe: true, ..config };
        assert_eq!(surround.channels(), 6);
    }

    #[test]
    fn frames() {
        // Rate and size codes, and the bytes of table 4.13.
        for (codes, size) in [
            (0x14, 768),
            (0x00, 128),
            (0x25, 2560),
            (0x40, 138),
            (0x41, 140),
            (0x54, 834),
            (0x55, 836),
            (0x94, 1152),
            (0xa5, 3840),
        ] {
            let frame = [0x0b, 0x77, 0, 0, codes, 0x40, 0x50, 0];
            let (config, bytes) = syncframe(&frame).unwrap();
            assert_eq!(bytes, size, "{codes:02x}");
            assert_eq!((config.acmod, config.lfe, config.bsid), (2, false, 8));
            assert!((0..7).all(|end| matches!(syncframe(&frame[..end]), Err(Error::Short { .. }))));
        }
        // 3/2 channels with low frequencies: the flag is behind two mix levels.
        let (config, _) = syncframe(&[0x0b, 0x77, 0, 0, 0x1e, 0x40, 0xe1, 0]).unwrap();
        assert_eq!((config.acmod, config.lfe, config.channels()), (7, true, 6));
    }

    #[test]
    fn faults() {
        let table: [([u8; 8], &str); 4] = [
            ([0x0b, 0x78, 0, 0, 0x14, 0x40, 0x40, 0], "syncword"),
            ([0x0b, 0x77, 0, 0, 0xd4, 0x40, 0x40, 0], "fscod"),
            ([0x0b, 0x77, 0, 0, 0x26, 0x40, 0x40, 0], "bit_rate_code"),
            ([0x0b, 0x77, 0, 0, 0x14, 0x80, 0x40, 0], "bsid"),
        ];
        for (frame, field) in table {
            assert!(matches!(syncframe(&frame), Err(Error::Value { field: f, .. }) if f == field), "{field}");
        }
        assert!(Config::parse(&[0xd0, 0x11, 0x40]).is_err());
        assert!(Config::parse(&[0x10, 0x13, 0x40]).is_err());
    }
}
