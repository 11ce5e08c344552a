//! H.265: the record `hvcC` (ISO/IEC 14496-15 section 8.3.3.1), and the types of its NAL units.

use bytes::{BufMut, Bytes, BytesMut};

use super::bits::Bits;
use super::hevc_sps::{Profile, Sps};
use super::{Colour, Error, Ratio, hevc_vps};

const WHAT: &str = "HEVCDecoderConfigurationRecord";

/// Types of NAL units (ITU-T H.265 table 7-1) that matter here.
pub mod nal_type {
    /// The first type of slices of pictures at which decoding may begin.
    pub const IRAP_FIRST: u8 = 16;
    /// Slices of a clean random access picture.
    pub const CRA: u8 = 21;
    /// The last type of slices of pictures at which decoding may begin.
    pub const IRAP_LAST: u8 = 23;
    /// The last type of slices.
    pub const SLICE_LAST: u8 = 31;
    /// A video parameter set.
    pub const VPS: u8 = 32;
    /// A sequence parameter set.
    pub const SPS: u8 = 33;
    /// A picture parameter set.
    pub const PPS: u8 = 34;
    /// An access unit delimiter.
    pub const AUD: u8 = 35;
    /// Filler data.
    pub const FILLER: u8 = 38;
    /// Supplemental enhancement information in front of a picture.
    pub const SEI_PREFIX: u8 = 39;
}

/// The type of a NAL unit; `None` when it is empty.
#[must_use]
pub fn kind(nal: &[u8]) -> Option<u8> {
    nal.first().map(|byte| byte >> 1 & 0x3f)
}

/// NAL units of one type in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// `array_completeness`: samples hold none of this type.
    pub complete: bool,
    /// `NAL_unit_type`.
    pub kind: u8,
    /// The NAL units.
    pub nals: Vec<Bytes>,
}

/// What a decoder must know before the first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Profile, tier and level.
    pub profile: Profile,
    /// `min_spatial_segmentation_idc`.
    pub min_spatial_segmentation: u16,
    /// `parallelismType`.
    pub parallelism: u8,
    /// `chromaFormat`, 0 to 3.
    pub chroma: u8,
    /// Bits of a luma sample, 8 to 15.
    pub luma_depth: u8,
    /// Bits of a chroma sample, 8 to 15.
    pub chroma_depth: u8,
    /// `avgFrameRate`, in frames in 256 seconds; 0 when it is not known.
    pub average_frame_rate: u16,
    /// `constantFrameRate`.
    pub constant_frame_rate: u8,
    /// `numTemporalLayers`; 0 when it is not known.
    pub temporal_layers: u8,
    /// `temporalIdNested`.
    pub temporal_nested: bool,
    /// Bytes of the length in front of each NAL unit of a sample: 1, 2 or 4.
    pub length_size: u8,
    /// Parameter sets, by type.
    pub arrays: Vec<Array>,
}

impl Config {
    /// Reads the contents of the box `hvcC`.
    ///
    /// # Errors
    /// What is cut short, another version, or a length of three bytes.
    pub fn parse(record: &[u8]) -> Result<Self, Error> {
        let mut bits = Bits::new(WHAT, record);
        let version = bits.read(8)?;
        // Writers from before the standard was done wrote 0.
        if version > 1 {
            return Err(bits.wrong("configurationVersion", version.into()));
        }
        let profile = Profile::parse(&mut bits)?;
        bits.skip(4)?;
        let min_spatial_segmentation = bits.read(12)? as u16;
        bits.skip(6)?;
        let parallelism = bits.small(2)?;
        bits.skip(6)?;
        let chroma = bits.small(2)?;
        bits.skip(5)?;
        let luma_depth = bits.small(3)? + 8;
        bits.skip(5)?;
        let chroma_depth = bits.small(3)? + 8;
        let average_frame_rate = bits.read(16)? as u16;
        let constant_frame_rate = bits.small(2)?;
        let temporal_layers = bits.small(3)?;
        let temporal_nested = bits.flag()?;
        let length_size = bits.small(2)? + 1;
        if length_size == 3 {
            return Err(bits.wrong("lengthSizeMinusOne", 2));
        }
        let mut arrays = Vec::new();
        for _ in 0..bits.read(8)? {
            let complete = bits.flag()?;
            bits.skip(1)?;
            let kind = bits.small(6)?;
            let mut nals = Vec::new();
            for _ in 0..bits.read(16)? {
                let length = bits.read(16)?;
                nals.push(Bytes::copy_from_slice(bits.bytes(length as usize)?));
            }
            arrays.push(Array { complete, kind, nals });
        }
        Ok(Self {
            profile,
            min_spatial_segmentation,
            parallelism,
            chroma,
            luma_depth,
            chroma_depth,
            average_frame_rate,
            constant_frame_rate,
            temporal_layers,
            temporal_nested,
            length_size,
            arrays,
        })
    }

    /// The record for parameter sets that were found in a stream; lengths have four bytes.
    ///
    /// # Errors
    /// There is no sequence parameter set, the first one is not understood, or one is longer than the record can hold.
    pub fn from_parameter_sets(vps: Vec<Bytes>, sps: Vec<Bytes>, pps: Vec<Bytes>) -> Result<Self, Error> {
        let Some(first) = sps.first() else {
            return Err(Error::Short { what: "H.265 sequence parameter set", at: 0 });
        };
        let first = Sps::parse(first)?;
        if vps.iter().chain(&sps).chain(&pps).any(|nal| nal.len() > usize::from(u16::MAX)) {
            return Err(Error::Unsupported {
                what: WHAT,
                feature: "a parameter set of more than 65,535 bytes",
            });
        }
        let sets = [(nal_type::VPS, vps), (nal_type::SPS, sps), (nal_type::PPS, pps)];
        let arrays = sets.into_iter().map(|(kind, nals)| Array { complete: true, kind, nals }).collect();
        Ok(Self {
            profile: first.profile,
            min_spatial_segmentation: 0,
            parallelism: 0,
            chroma: first.chroma,
            luma_depth: first.luma_depth,
            chroma_depth: first.chroma_depth,
            average_frame_rate: 0,
            constant_frame_rate: 0,
            temporal_layers: first.temporal_layers,
            temporal_nested: first.temporal_nested,
            length_size: 4,
            arrays,
        })
    }

    /// Appends the contents of the box `hvcC`.
    pub fn write(&self, out: &mut BytesMut) {
        let profile = &self.profile;
        out.put_u8(1);
        out.put_u8(profile.space << 6 | u8::from(profile.high_tier) << 5 | profile.idc & 0x1f);
        out.put_u32(profile.compatibility);
        out.put_uint(profile.constraints & 0xffff_ffff_ffff, 6);
        out.put_u8(profile.level);
        out.put_u16(0xf000 | self.min_spatial_segmentation & 0x0fff);
        out.put_u8(0xfc | self.parallelism & 3);
        out.put_u8(0xfc | self.chroma & 3);
        out.put_u8(0xf8 | self.luma_depth.wrapping_sub(8) & 7);
        out.put_u8(0xf8 | self.chroma_depth.wrapping_sub(8) & 7);
        out.put_u16(self.average_frame_rate);
        let layers = (self.temporal_layers & 7) << 3 | u8::from(self.temporal_nested) << 2;
        out.put_u8(self.constant_frame_rate << 6 | layers | self.length_size.wrapping_sub(1) & 3);
        let arrays = &self.arrays[..self.arrays.len().min(255)];
        out.put_u8(arrays.len() as u8);
        for array in arrays {
            out.put_u8(u8::from(array.complete) << 7 | array.kind & 0x3f);
            let fitting =
                || array.nals.iter().filter(|nal| nal.len() <= usize::from(u16::MAX)).take(u16::MAX.into());
            out.put_u16(fitting().count() as u16);
            for nal in fitting() {
                out.put_u16(nal.len() as u16);
                out.put_slice(nal);
            }
        }
    }

    /// The NAL units of all arrays, in their order: what stands in front of a keyframe in a byte stream.
    pub fn parameter_sets(&self) -> impl Iterator<Item = &Bytes> {
        self.arrays.iter().flat_map(|array| &array.nals)
    }

    /// The first sequence parameter set, if there is one and it is understood.
    #[must_use]
    pub fn sequence(&self) -> Option<Sps> {
        Sps::parse(self.first(nal_type::SPS)?).ok()
    }

    fn first(&self, kind: u8) -> Option<&Bytes> {
        self.arrays.iter().find(|array| array.kind == kind)?.nals.first()
    }

    /// Width and height of what is shown, in pixels.
    #[must_use]
    pub fn size(&self) -> Option<(u32, u32)> {
        self.sequence().map(|sps| (sps.width, sps.height))
    }

    /// Frames a second, where the sequence parameter set says so, or the video parameter set.
    #[must_use]
    pub fn frame_rate(&self) -> Option<Ratio> {
        let sequence = self.sequence()?;
        sequence.frame_rate.or_else(|| hevc_vps::frame_rate(self.first(nal_type::VPS)?).ok().flatten())
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

    /// `hvc1.` and profile, compatibility, tier and level, constraints (ISO/IEC 14496-15 section E.3).
    #[must_use]
    pub fn codec_string(&self) -> String {
        let Profile { space, high_tier, idc, compatibility, constraints, level } = self.profile;
        let space = ["", "A", "B", "C"][usize::from(space & 3)];
        let tier = if high_tier { 'H' } else { 'L' };
        let mut string = format!("hvc1.{space}{idc}.{:X}.{tier}{level}", compatibility.reverse_bits());
        let [_, _, constraints @ ..] = constraints.to_be_bytes();
        let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for byte in &constraints[..used] {
            string.push_str(&format!(".{byte:X}"));
        }
        string
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VPS: &[u8] = &[
        0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00,
        0x00, 0x03, 0x00, 0x3c, 0x95, 0x98, 0x09,
    ];
    const SPS: &[u8] = &[
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
        0x3c, 0xa0, 0x0a, 0x08, 0x0b, 0x9f, 0x79, 0x65, 0x66, 0x92, 0x4c, 0xaf, 0x01, 0x68, 0x08, 0x00, 0x00,
        0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x00, 0xc8, 0x40,
    ];
    const PPS: &[u8] = &[0x44, 0x01, 0xc1, 0x72, 0xb4, 0x62, 0x40];

    fn config() -> Config {
        let sets = [VPS, SPS, PPS].map(|nal| vec![Bytes::from_static(nal)]);
        let [vps, sps, pps] = sets;
        Config::from_parameter_sets(vps, sps, pps).unwrap()
    }

    #[test]
    fn a_record_there_and_back() {
        let config = config();
        let mut out = BytesMut::new();
        config.write(&mut out);
        assert_eq!(out.len(), 23 + 3 * 5 + VPS.len() + SPS.len() + PPS.len());
        assert_eq!(
            out[..23],
            [1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 60, 0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 3]
        );
        assert_eq!(Config::parse(&out), Ok(config.clone()));
        assert_eq!(config.size(), Some((320, 180)));
        assert_eq!(config.frame_rate(), Some(Ratio { num: 25, den: 1 }));
        assert_eq!(config.parameter_sets().collect::<Vec<_>>(), [VPS, SPS, PPS]);
        for end in 0..out.len() {
            assert!(matches!(Config::parse(&out[..end]), Err(Error::Short { .. })), "{end}");
        }
    }

    #[test]
    fn strings() {
        let main = config();
        for (profile, string) in [
            (main.profile, "hvc1.1.6.L60.90"),
            (Profile { constraints: 0, ..main.profile }, "hvc1.1.6.L60"),
            (Profile { constraints: 0xb000_0000_0001, ..main.profile }, "hvc1.1.6.L60.B0.0.0.0.0.1"),
            (
                Profile {
                    space: 1,
                    high_tier: true,
                    idc: 2,
                    compatibility: 0x2000_0000,
                    level: 153,
                    constraints: 0xb0 << 40,
                },
                "hvc1.A2.4.H153.B0",
            ),
        ] {
            assert_eq!(Config { profile, ..main.clone() }.codec_string(), string);
        }
    }

    #[test]
    fn faults() {
        let mut out = BytesMut::new();
        config().write(&mut out);
        for (at, byte, field) in [(0, 2, "configurationVersion"), (21, 0x0e, "lengthSizeMinusOne")] {
            let mut record = out.to_vec();
            record[at] = byte;
            assert!(
                matches!(Config::parse(&record), Err(Error::Value { field: f, .. }) if f == field),
                "{field}"
            );
        }
        assert!(Config::from_parameter_sets(Vec::new(), Vec::new(), Vec::new()).is_err());
        assert_eq!(kind(&[]), None);
        assert_eq!([0x40, 0x42, 0x44, 0x26, 0x2a].map(|byte| kind(&[byte])), [32, 33, 34, 19, 21].map(Some));
    }
}
