//! H.264: the record `avcC` (ISO/IEC 14496-15 section 5.3.3.1), and the types of its NAL units.

use bytes::{BufMut, Bytes, BytesMut};

use super::avc_sps::{Sps, is_high};
use super::bits::Bits;
use super::{Colour, Error, Ratio};

const WHAT: &str = "AVCDecoderConfigurationRecord";

/// Types of NAL units (ITU-T H.264 table 7-1) that matter here.
pub mod nal_type {
    /// A slice of a picture that is no IDR picture.
    pub const SLICE: u8 = 1;
    /// A slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// A sequence parameter set.
    pub const SPS: u8 = 7;
    /// A picture parameter set.
    pub const PPS: u8 = 8;
    /// An access unit delimiter.
    pub const AUD: u8 = 9;
    /// Filler data.
    pub const FILLER: u8 = 12;
    /// An extension of a sequence parameter set.
    pub const SPS_EXTENSION: u8 = 13;
}

/// The type of a NAL unit; `None` when it is empty.
#[must_use]
pub fn kind(nal: &[u8]) -> Option<u8> {
    nal.first().map(|byte| byte & 0x1f)
}

/// What a decoder must know before the first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `AVCProfileIndication`.
    pub profile: u8,
    /// `profile_compatibility`: constraint flags.
    pub compatibility: u8,
    /// `AVCLevelIndication`: ten times the level.
    pub level: u8,
    /// Bytes of the length in front of each NAL unit of a sample: 1, 2 or 4.
    pub length_size: u8,
    /// Sequence parameter sets, each a NAL unit.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets.
    pub pps: Vec<Bytes>,
    /// What the record of a high profile has at its end; old writers leave it out.
    pub high: Option<High>,
}

/// The end of the record, for high profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct High {
    /// `chroma_format`, 0 to 3.
    pub chroma: u8,
    /// Bits of a luma sample, 8 to 15.
    pub luma_depth: u8,
    /// Bits of a chroma sample, 8 to 15.
    pub chroma_depth: u8,
    /// Extensions of sequence parameter sets.
    pub sps_extensions: Vec<Bytes>,
}

impl Config {
    /// Reads the contents of the box `avcC`.
    ///
    /// # Errors
    /// What is cut short, another version, or a length of three bytes.
    pub fn parse(record: &[u8]) -> Result<Self, Error> {
        let mut bits = Bits::new(WHAT, record);
        let version = bits.read(8)?;
        if version != 1 {
            return Err(bits.wrong("configurationVersion", version.into()));
        }
        let (profile, compatibility, level) = (bits.small(8)?, bits.small(8)?, bits.small(8)?);
        bits.skip(6)?;
        let length_size = bits.small(2)? + 1;
        if length_size == 3 {
            return Err(bits.wrong("lengthSizeMinusOne", 2));
        }
        bits.skip(3)?;
        let count = bits.read(5)?;
        let sps = nals(&mut bits, count)?;
        let count = bits.read(8)?;
        let pps = nals(&mut bits, count)?;
        let mut high = None;
        if is_high(profile) && bits.left() >= 32 {
            bits.skip(6)?;
            let chroma = bits.small(2)?;
            bits.skip(5)?;
            let luma_depth = bits.small(3)? + 8;
            bits.skip(5)?;
            let chroma_depth = bits.small(3)? + 8;
            let count = bits.read(8)?;
            high = Some(High { chroma, luma_depth, chroma_depth, sps_extensions: nals(&mut bits, count)? });
        }
        Ok(Self { profile, compatibility, level, length_size, sps, pps, high })
    }

    /// The record for parameter sets that were found in a stream; lengths have four bytes.
    ///
    /// # Errors
    /// There is no sequence parameter set, the first one is not understood, or there are more than the record can hold.
    pub fn from_parameter_sets(sps: Vec<Bytes>, pps: Vec<Bytes>) -> Result<Self, Error> {
        let Some(first) = sps.first() else {
            return Err(Error::Short { what: "H.264 sequence parameter set", at: 0 });
        };
        let first = Sps::parse(first)?;
        let long = sps.iter().chain(&pps).any(|nal| nal.len() > usize::from(u16::MAX));
        if sps.len() > 31 || pps.len() > 255 || long {
            return Err(Error::Unsupported {
                what: WHAT,
                feature: "more parameter sets than it has room for",
            });
        }
        let high = is_high(first.profile).then_some(High {
            chroma: first.chroma,
            luma_depth: first.luma_depth,
            chroma_depth: first.chroma_depth,
            sps_extensions: Vec::new(),
        });
        let Sps { profile, compatibility, level, .. } = first;
        Ok(Self { profile, compatibility, level, length_size: 4, sps, pps, high })
    }

    /// Appends the contents of the box `avcC`.
    pub fn write(&self, out: &mut BytesMut) {
        out.put_slice(&[1, self.profile, self.compatibility, self.level]);
        out.put_u8(0xfc | self.length_size.wrapping_sub(1) & 3);
        put_nals(out, 0xe0, 31, &self.sps);
        put_nals(out, 0, 255, &self.pps);
        if let Some(high) = &self.high {
            out.put_u8(0xfc | high.chroma & 3);
            out.put_u8(0xf8 | high.luma_depth.wrapping_sub(8) & 7);
            out.put_u8(0xf8 | high.chroma_depth.wrapping_sub(8) & 7);
            put_nals(out, 0, 255, &high.sps_extensions);
        }
    }

    /// The first sequence parameter set, if there is one and it is understood.
    #[must_use]
    pub fn sequence(&self) -> Option<Sps> {
        Sps::parse(self.sps.first()?).ok()
    }

    /// Width and height of what is shown, in pixels.
    #[must_use]
    pub fn size(&self) -> Option<(u32, u32)> {
        self.sequence().map(|sps| (sps.width, sps.height))
    }

    /// Frames a second, where the stream says so.
    #[must_use]
    pub fn frame_rate(&self) -> Option<Ratio> {
        self.sequence()?.frame_rate
    }

    /// The shape of a pixel, where the stream says so.
    #[must_use]
    pub fn pixel_aspect(&self) -> Option<Ratio> {
        self.sequence()?.pixel_aspect
    }

    /// Colours, where the stream says so.
    #[must_use]
    pub fn colour(&self) -> Option<Colour> {
        self.sequence()?.colour
    }

    /// `avc1.PPCCLL` (RFC 6381 section 3.3).
    #[must_use]
    pub fn codec_string(&self) -> String {
        format!("avc1.{:02x}{:02x}{:02x}", self.profile, self.compatibility, self.level)
    }
}

/// `count` NAL units, each behind a length of 16 bits.
fn nals(bits: &mut Bits<'_>, count: u32) -> Result<Vec<Bytes>, Error> {
    let mut nals = Vec::new();
    for _ in 0..count {
        let length = bits.read(16)?;
        nals.push(Bytes::copy_from_slice(bits.bytes(length as usize)?));
    }
    Ok(nals)
}

/// NAL units behind their number, which is at most `most` and shares a byte with `reserved` bits.
fn put_nals(out: &mut BytesMut, reserved: u8, most: u8, nals: &[Bytes]) {
    let fitting = nals.iter().filter_map(|nal| Some((u16::try_from(nal.len()).ok()?, nal))).take(most.into());
    let at = out.len();
    out.put_u8(reserved);
    for (length, nal) in fitting {
        out[at] += 1;
        out.put_u16(length);
        out.put_slice(nal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ffmpeg writes for x264, 320x180 at 25 frames a second, High 1.2.
    const RECORD: &[u8] = &[
        0x01, 0x64, 0x00, 0x0c, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x0c, 0xac, 0xd9, 0x41, 0x41, 0x9f,
        0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60,
        0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0, 0xfd, 0xf8, 0xf8, 0x00,
    ];

    #[test]
    fn a_record_there_and_back() {
        let config = Config::parse(RECORD).unwrap();
        assert_eq!(config.codec_string(), "avc1.64000c");
        assert_eq!(config.size(), Some((320, 180)));
        assert_eq!(config.frame_rate(), Some(Ratio { num: 25, den: 1 }));
        assert_eq!(config.pixel_aspect(), Some(Ratio { num: 1, den: 1 }));
        assert_eq!(config.colour(), None);
        assert_eq!((config.length_size, config.sps.len(), config.pps.len()), (4, 1, 1));
        let mut out = BytesMut::new();
        config.write(&mut out);
        assert_eq!(&out[..], RECORD);
        let gathered = Config::from_parameter_sets(config.sps.clone(), config.pps.clone());
        assert_eq!(gathered, Ok(config));
    }

    #[test]
    fn records_of_old_writers_have_no_end() {
        let config = Config::parse(&RECORD[..RECORD.len() - 4]).unwrap();
        assert_eq!(config.high, None);
        let mut out = BytesMut::new();
        config.write(&mut out);
        assert_eq!(&out[..], &RECORD[..RECORD.len() - 4]);
    }

    #[test]
    fn a_record_may_hold_no_sets() {
        let config = Config::parse(&[1, 66, 0xc0, 30, 0xff, 0xe0, 0]).unwrap();
        assert_eq!((config.codec_string().as_str(), config.size()), ("avc1.42c01e", None));
    }

    #[test]
    fn cut_short_anywhere() {
        for end in 0..RECORD.len() - 4 {
            assert!(matches!(Config::parse(&RECORD[..end]), Err(Error::Short { .. })), "{end}");
        }
    }

    #[test]
    fn faults() {
        let value = |field, at, value| Err(Error::Value { what: WHAT, at, field, value });
        assert_eq!(Config::parse(&[2, 0, 0, 0]), value("configurationVersion", 1, 2));
        assert_eq!(Config::parse(&[1, 66, 0, 30, 0xfe, 0xe0, 0]), value("lengthSizeMinusOne", 5, 2));
        assert!(Config::from_parameter_sets(Vec::new(), Vec::new()).is_err());
        let config = Config::parse(RECORD).unwrap();
        assert!(matches!(
            Config::from_parameter_sets(vec![config.sps[0].clone(); 32], Vec::new()),
            Err(Error::Unsupported { .. })
        ));
    }

    #[test]
    fn types() {
        assert_eq!(kind(&[]), None);
        assert_eq!(kind(&[0x67]), Some(nal_type::SPS));
        assert_eq!(kind(&[0x41, 0]), Some(nal_type::SLICE));
    }
}
