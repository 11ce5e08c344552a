//! AV1: the record `av1C` (AV1 Codec ISO Media File Format Binding section 2.3), and the sequence header (AV1 specification
//! section 5.5).

use bytes::{BufMut, Bytes, BytesMut};

use super::bits::Bits;
use super::{Colour, Error, Ratio};

const WHAT: &str = "AV1CodecConfigurationRecord";
const HEADER: &str = "AV1 sequence header";

/// `OBU_SEQUENCE_HEADER`.
const SEQUENCE_HEADER: u8 = 1;

/// What a decoder must know before the first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `seq_profile`.
    pub profile: u8,
    /// `seq_level_idx_0`.
    pub level: u8,
    /// `seq_tier_0`: the high tier.
    pub high_tier: bool,
    /// `high_bitdepth`.
    pub high_bitdepth: bool,
    /// `twelve_bit`.
    pub twelve_bit: bool,
    /// `mono_chrome`.
    pub monochrome: bool,
    /// `chroma_subsampling_x` and `_y`.
    pub subsampling: (bool, bool),
    /// `chroma_sample_position`.
    pub chroma_position: u8,
    /// `initial_presentation_delay_minus_one`, where it is given.
    pub presentation_delay: Option<u8>,
    /// `configOBUs`: a sequence header, and metadata.
    pub obus: Bytes,
}

impl Config {
    /// Reads the contents of the box `av1C`.
    ///
    /// # Errors
    /// What is cut short, or another version.
    pub fn parse(record: &[u8]) -> Result<Self, Error> {
        let mut bits = Bits::new(WHAT, record);
        let (marker, version) = (bits.flag()?, bits.read(7)?);
        if !marker || version != 1 {
            return Err(bits.wrong("version", version.into()));
        }
        let (profile, level) = (bits.small(3)?, bits.small(5)?);
        let (high_tier, high_bitdepth, twelve_bit) = (bits.flag()?, bits.flag()?, bits.flag()?);
        let (monochrome, subsampling) = (bits.flag()?, (bits.flag()?, bits.flag()?));
        let chroma_position = bits.small(2)?;
        bits.skip(3)?;
        let (delayed, delay) = (bits.flag()?, bits.small(4)?);
        let obus = Bytes::copy_from_slice(bits.rest());
        let presentation_delay = delayed.then_some(delay);
        Ok(Self {
            profile,
            level,
            high_tier,
            high_bitdepth,
            twelve_bit,
            monochrome,
            subsampling,
            chroma_position,
            presentation_delay,
            obus,
        })
    }

    /// Appends the contents of the box `av1C`.
    pub fn write(&self, out: &mut BytesMut) {
        out.put_u8(0x81);
        out.put_u8(self.profile << 5 | self.level & 0x1f);
        let depth = u8::from(self.high_tier) << 7
            | u8::from(self.high_bitdepth) << 6
            | u8::from(self.twelve_bit) << 5;
        let (x, y) = self.subsampling;
        let chroma = u8::from(self.monochrome) << 4 | u8::from(x) << 3 | u8::from(y) << 2;
        out.put_u8(depth | chroma | self.chroma_position & 3);
        out.put_u8(self.presentation_delay.map_or(0, |delay| 0x10 | delay & 0x0f));
        out.put_slice(&self.obus);
    }

    /// The sequence header, if there is one and it is understood.
    #[must_use]
    pub fn sequence(&self) -> Option<Sequence> {
        Obus(&self.obus)
            .flatten()
            .find(|(kind, _)| *kind == SEQUENCE_HEADER)
            .and_then(|(_, obu)| Sequence::parse(obu).ok())
    }

    /// Bits of a sample.
    #[must_use]
    pub fn depth(&self) -> u8 {
        match (self.high_bitdepth, self.twelve_bit) {
            (false, _) => 8,
            (true, false) => 10,
            (true, true) => 12,
        }
    }

    /// Width and height of the largest frame, in pixels.
    #[must_use]
    pub fn size(&self) -> Option<(u32, u32)> {
        self.sequence().map(|sequence| (sequence.width, sequence.height))
    }

    /// Frames a second, where the stream says so.
    #[must_use]
    pub fn frame_rate(&self) -> Option<Ratio> {
        self.sequence()?.frame_rate
    }

    /// The shape of a pixel: AV1 leaves it to the container.
    #[must_use]
    pub fn pixel_aspect(&self) -> Option<Ratio> {
        None
    }

    /// Colours, where the stream says so.
    #[must_use]
    pub fn colour(&self) -> Option<Colour> {
        self.sequence()?.colour
    }

    /// `av01.P.LLT.DD`, and what else the binding has (section 5) when it is not as is usual.
    #[must_use]
    pub fn codec_string(&self) -> String {
        let tier = if self.high_tier { 'H' } else { 'M' };
        let mut string = format!("av01.{}.{:02}{tier}.{:02}", self.profile, self.level, self.depth());
        let (x, y) = self.subsampling;
        let position = if x && y { self.chroma_position } else { 0 };
        let usual = Colour { primaries: 1, transfer: 1, matrix: 1, full_range: false };
        let colour = self.colour().unwrap_or(usual);
        // Unspecified code points say no more than their absence does.
        let plain =
            colour == usual || colour == Colour { primaries: 2, transfer: 2, matrix: 2, full_range: false };
        if !plain || self.monochrome || !(x && y) || position != 0 {
            let Colour { primaries, transfer, matrix, full_range } = colour;
            let (mono, x, y) = (u8::from(self.monochrome), u8::from(x), u8::from(y));
            let range = u8::from(full_range);
            string.push_str(&format!(
                ".{mono}.{x}{y}{position}.{primaries:02}.{transfer:02}.{matrix:02}.{range}"
            ));
        }
        string
    }
}

/// Open bitstream units one behind the other (section 5.3): the type of each and its payload.
#[derive(Clone, Debug)]
pub struct Obus<'a>(pub &'a [u8]);

impl<'a> Iterator for Obus<'a> {
    type Item = Result<(u8, &'a [u8]), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let &head = self.0.first()?;
        let next = self.cut(head);
        if next.is_err() {
            self.0 = &[];
        }
        Some(next)
    }
}

impl<'a> Obus<'a> {
    fn cut(&mut self, head: u8) -> Result<(u8, &'a [u8]), Error> {
        let short = Error::Short { what: "AV1 open bitstream unit", at: self.0.len() };
        if head & 0x80 != 0 {
            return Err(Error::Value {
                what: "AV1 open bitstream unit",
                at: 0,
                field: "obu_forbidden_bit",
                value: 1,
            });
        }
        let start = if head & 4 != 0 { 2 } else { 1 };
        let mut rest = self.0.get(start..).ok_or(short)?;
        let mut size = rest.len() as u64;
        if head & 2 != 0 {
            (size, rest) = leb128(rest).ok_or(short)?;
        }
        let size = usize::try_from(size).map_err(|_| short)?;
        let payload = rest.get(..size).ok_or(short)?;
        self.0 = &rest[size..];
        Ok((head >> 3 & 0x0f, payload))
    }
}

/// A number in groups of seven bits, the lowest first (section 4.10.5), and what is behind it.
fn leb128(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

/// What a sequence header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// `seq_profile`.
    pub profile: u8,
    /// `seq_level_idx[0]`.
    pub level: u8,
    /// `seq_tier[0]`: the high tier.
    pub high_tier: bool,
    /// `max_frame_width_minus_1` + 1.
    pub width: u32,
    /// `max_frame_height_minus_1` + 1.
    pub height: u32,
    /// Bits of a sample.
    pub depth: u8,
    /// `mono_chrome`.
    pub monochrome: bool,
    /// Frames a second, where each lasts equally long.
    pub frame_rate: Option<Ratio>,
    /// Colours, where they are given.
    pub colour: Option<Colour>,
}

impl Sequence {
    /// Reads the payload of a sequence header.
    ///
    /// # Errors
    /// What is cut short or out of its range.
    pub fn parse(obu: &[u8]) -> Result<Self, Error> {
        let mut bits = Bits::new(HEADER, obu);
        let profile = bits.small(3)?;
        if profile > 2 {
            return Err(bits.wrong("seq_profile", profile.into()));
        }
        bits.skip(1)?; // still_picture
        let reduced = bits.flag()?;
        let OperatingPoints { level, high_tier, frame_rate } = if reduced {
            OperatingPoints { level: bits.small(5)?, high_tier: false, frame_rate: None }
        } else {
            OperatingPoints::parse(&mut bits)?
        };
        let (width_bits, height_bits) = (bits.read(4)? + 1, bits.read(4)? + 1);
        let (width, height) = (bits.read(width_bits)? + 1, bits.read(height_bits)? + 1);
        if !reduced && bits.flag()? {
            bits.skip(7)?; // lengths of frame ids
        }
        bits.skip(3)?; // 128x128 superblocks, filter intra, intra edge filter
        if !reduced {
            skip_inter_tools(&mut bits)?;
        }
        bits.skip(3)?; // superres, cdef, restoration
        let (depth, monochrome, colour) = colour_config(&mut bits, profile)?;
        Ok(Self { profile, level, high_tier, width, height, depth, monochrome, frame_rate, colour })
    }
}

/// What a sequence header says about timing and the first operating point.
struct OperatingPoints {
    level: u8,
    high_tier: bool,
    frame_rate: Option<Ratio>,
}

impl OperatingPoints {
    fn parse(bits: &mut Bits<'_>) -> Result<Self, Error> {
        let mut this = Self { level: 0, high_tier: false, frame_rate: None };
        let mut delay_bits = None;
        if bits.flag()? {
            let (ticks, scale) = (bits.read(32)?, bits.read(32)?);
            if bits.flag()? {
                // uvlc() is ue(v) but for its largest value.
                let ticks_a_picture = u64::from(bits.ue()?) + 1;
                this.frame_rate = ticks_a_picture
                    .checked_mul(ticks.into())
                    .and_then(|ticks| Ratio::new(scale.into(), ticks));
            }
            if bits.flag()? {
                delay_bits = Some(bits.read(5)? + 1);
                bits.skip(32 + 5 + 5)?;
            }
        }
        let delays = bits.flag()?;
        for point in 0..=bits.read(5)? {
            bits.skip(12)?; // operating_point_idc
            let level = bits.small(5)?;
            let high_tier = level > 7 && bits.flag()?;
            if point == 0 {
                (this.level, this.high_tier) = (level, high_tier);
            }
            if let Some(delay_bits) = delay_bits
                && bits.flag()?
            {
                bits.skip(2 * delay_bits as usize + 1)?;
            }
            if delays && bits.flag()? {
                bits.skip(4)?;
            }
        }
        Ok(this)
    }
}

/// From `enable_interintra_compound` to `order_hint_bits_minus_1`.
fn skip_inter_tools(bits: &mut Bits<'_>) -> Result<(), Error> {
    bits.skip(4)?;
    let order_hint = bits.flag()?;
    if order_hint {
        bits.skip(2)?;
    }
    // Both choices: set for "as each frame says", else a value.
    let screen_content = bits.flag()? || bits.flag()?;
    if screen_content && !bits.flag()? {
        bits.skip(1)?;
    }
    if order_hint {
        bits.skip(3)?;
    }
    Ok(())
}

/// Section 5.5.2, as far as the colours: the depth, whether there is only luma, and the colours.
fn colour_config(bits: &mut Bits<'_>, profile: u8) -> Result<(u8, bool, Option<Colour>), Error> {
    let high = bits.flag()?;
    let twelve = profile == 2 && high && bits.flag()?;
    let depth = if twelve { 12 } else { [8, 10][usize::from(high)] };
    let monochrome = profile != 1 && bits.flag()?;
    if !bits.flag()? {
        return Ok((depth, monochrome, None));
    }
    let (primaries, transfer, matrix) = (bits.small(8)?, bits.small(8)?, bits.small(8)?);
    let rgb = !monochrome && (primaries, transfer, matrix) == (1, 13, 0);
    let full_range = rgb || bits.flag()?;
    Ok((depth, monochrome, Some(Colour { primaries, transfer, matrix, full_range })))
}

#[cfg(test)]
mod tests {
    use super::super::bits::BitWriter;
    use super::*;

    /// What ffmpeg writes for 320x180 of libaom at 25 frames a second, with its sequence header.
    const RECORD: &[u8] = &[
        0x81, 0x00, 0x0c, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x04, 0x3c, 0xfe, 0xcc, 0xda, 0xf9, 0x00, 0x40,
    ];

    #[test]
    fn a_record_there_and_back() {
        let config = Config::parse(RECORD).unwrap();
        assert_eq!((config.profile, config.level, config.depth(), config.monochrome), (0, 0, 8, false));
        assert_eq!(config.codec_string(), "av01.0.00M.08");
        assert_eq!((config.size(), config.colour()), (Some((320, 180)), None));
        let mut out = BytesMut::new();
        config.write(&mut out);
        assert_eq!(&out[..], RECORD);
        for end in 0..4 {
            assert!(matches!(Config::parse(&RECORD[..end]), Err(Error::Short { .. })), "{end}");
        }
        assert!(matches!(Config::parse(&[0x82, 0, 0, 0]), Err(Error::Value { field: "version", .. })));
        assert!(matches!(Config::parse(&[0x01, 0, 0, 0]), Err(Error::Value { field: "version", .. })));
    }

    fn header(timing: bool, colours: Option<[u32; 4]>) -> Vec<u8> {
        let mut out = BitWriter::default();
        out.put(0, 5);
        out.put(u32::from(timing), 1);
        if timing {
            out.put(1001, 32);
            out.put(30_000, 32);
            out.put(1, 1);
            out.put_ue(0);
            out.put(1, 1);
            out.put(9, 5);
            out.put(0, 32);
            out.put(0, 10);
        }
        out.put(1, 1);
        out.put(1, 5);
        for level in [9, 3] {
            out.put(0x101, 12);
            out.put(level, 5);
            if level > 7 {
                out.put(1, 1);
            }
            if timing {
                out.put(1, 1);
                out.put(0, 21);
            }
            out.put(1, 1);
            out.put(3, 4);
        }
        out.put(10 << 4 | 10, 8);
        out.put(1919, 11);
        out.put(1079, 11);
        out.put(0b1, 1);
        out.put(0, 7);
        out.put(0, 3);
        out.put(0b000_0100, 7);
        out.put(0b0101, 4); // no choice, forced to 1; no choice, a value
        out.put(6, 3);
        out.put(0, 3);
        out.put(0b10, 2);
        out.put(u32::from(colours.is_some()), 1);
        if let Some([primaries, transfer, matrix, range]) = colours {
            out.put(primaries << 16 | transfer << 8 | matrix, 24);
            out.put(range, 1);
        }
        out.put(0, 8);
        out.finish()
    }

    #[test]
    fn sequence_headers() {
        for timing in [false, true] {
            for colours in [None, Some([9, 16, 9, 0])] {
                let sequence = Sequence::parse(&header(timing, colours)).unwrap();
                let rate = timing.then_some(Ratio { num: 30_000, den: 1001 });
                let colour =
                    colours.map(|_| Colour { primaries: 9, transfer: 16, matrix: 9, full_range: false });
                assert_eq!((sequence.width, sequence.height, sequence.depth), (1920, 1080, 10));
                assert_eq!((sequence.level, sequence.high_tier, sequence.monochrome), (9, true, false));
                assert_eq!((sequence.frame_rate, sequence.colour), (rate, colour));
            }
        }
        let bytes = header(true, Some([9, 16, 9, 0]));
        for end in 0..bytes.len() - 2 {
            assert!(matches!(Sequence::parse(&bytes[..end]), Err(Error::Short { .. })), "{end}");
        }
        assert!(matches!(Sequence::parse(&[0x60]), Err(Error::Value { field: "seq_profile", .. })));
    }

    #[test]
    fn strings() {
        let hdr = |range| {
            let sequence = header(false, Some([9, 16, 9, range]));
            let mut obus = vec![0x0a, sequence.len() as u8];
            obus.extend(sequence);
            Bytes::from(obus)
        };
        let base = Config { level: 9, high_bitdepth: true, ..Config::parse(RECORD).unwrap() };
        for (config, string) in [
            (Config { obus: hdr(0), ..base.clone() }, "av01.0.09M.10.0.110.09.16.09.0"),
            (Config { obus: hdr(1), high_tier: true, ..base.clone() }, "av01.0.09H.10.0.110.09.16.09.1"),
            (
                Config { obus: Bytes::new(), monochrome: true, ..base.clone() },
                "av01.0.09M.10.1.110.01.01.01.0",
            ),
            (
                Config {
                    obus: Bytes::new(),
                    profile: 2,
                    twelve_bit: true,
                    subsampling: (true, false),
                    ..base.clone()
                },
                "av01.2.09M.12.0.100.01.01.01.0",
            ),
            (
                Config { obus: Bytes::new(), chroma_position: 2, ..base.clone() },
                "av01.0.09M.10.0.112.01.01.01.0",
            ),
        ] {
            assert_eq!(config.codec_string(), string);
        }
    }

    #[test]
    fn units() {
        let cut = |bytes| {
            Obus(bytes).map(|obu| obu.map(|(kind, payload)| (kind, payload.len()))).collect::<Vec<_>>()
        };
        assert_eq!(cut(&[]), []);
        assert_eq!(cut(&[0x12, 0, 0x0a, 2, 1, 2, 0x36, 0, 0x81, 0, 9]), [Ok((2, 0)), Ok((1, 2)), Ok((6, 1))]);
        assert_eq!(cut(&[0x30, 1, 2, 3]), [Ok((6, 3))]);
        for bad in [
            &[0x80, 0][..],
            &[0x0a],
            &[0x0a, 2, 1],
            &[0x06],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(matches!(cut(bad)[..], [Err(_)]), "{bad:02x?}");
        }
    }
}
