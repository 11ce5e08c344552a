//! AAC: the AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2), which `esds` holds and an ADTS header implies.

use bytes::{BufMut, Bytes, BytesMut};

use super::Error;
use super::bits::{BitWriter, Bits};

const WHAT: &str = "AudioSpecificConfig";

/// Samples a second by `samplingFrequencyIndex` (table 1.18).
pub const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

/// The index that says that the rate is written out.
const RATE_ESCAPE: u8 = 15;

/// Audio object types (table 1.17).
pub mod object_type {
    /// AAC Low Complexity.
    pub const LC: u8 = 2;
    /// Spectral band replication: HE-AAC.
    pub const SBR: u8 = 5;
    /// Parametric stereo: HE-AAC v2.
    pub const PS: u8 = 29;
    /// Extended HE-AAC.
    pub const USAC: u8 = 42;
}

/// What a decoder must know before the first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The object type of the core, such as [`object_type::LC`].
    pub object_type: u8,
    /// Samples a second of the core.
    pub core_rate: u32,
    /// `channelConfiguration`, 0 when a program config element says more.
    pub channel_config: u8,
    /// Channels of the core.
    pub core_channels: u8,
    /// Samples a second that spectral band replication makes of it, when it is signalled.
    pub sbr_rate: Option<u32>,
    /// Whether parametric stereo is signalled.
    pub ps: bool,
    /// Samples in a frame: 1024, or 960.
    pub frame_samples: u16,
    /// The bytes that all this was read from.
    pub raw: Bytes,
}

impl Config {
    /// Reads an AudioSpecificConfig.
    ///
    /// # Errors
    /// What is cut short, a reserved rate, or no channels.
    pub fn parse(record: &[u8]) -> Result<Self, Error> {
        let mut bits = Bits::new(WHAT, record);
        let mut object_type = object(&mut bits)?;
        let core_rate = rate(&mut bits)?;
        let channel_config = bits.small(4)?;
        let (mut sbr_rate, mut ps) = (None, false);
        if matches!(object_type, object_type::SBR | object_type::PS) {
            ps = object_type == object_type::PS;
            sbr_rate = Some(rate(&mut bits)?);
            object_type = object(&mut bits)?;
        }
        let (mut frame_samples, mut core_channels) =
            (1024, [0, 1, 2, 3, 4, 5, 6, 8][usize::from(channel_config & 7)]);
        match channel_config {
            0..=7 => {}
            11 => core_channels = 7,
            12 | 14 => core_channels = 8,
            reserved => return Err(bits.wrong("channelConfiguration", reserved.into())),
        }
        if matches!(object_type, 1..=4 | 6 | 7 | 17 | 19..=23) {
            // GASpecificConfig, section 4.4.1.
            if bits.flag()? {
                frame_samples = 960;
            }
            if bits.flag()? {
                bits.skip(14)?; // coreCoderDelay
            }
            let extension = bits.flag()?;
            if channel_config == 0 {
                core_channels = program_channels(&mut bits)?;
            }
            if matches!(object_type, 6 | 20) {
                bits.skip(3)?; // layerNr
            }
            if extension {
                match object_type {
                    22 => bits.skip(16)?,
                    17 | 19 | 20 | 23 => bits.skip(3)?,
                    _ => {}
                }
                bits.skip(1)?;
            }
            if sbr_rate.is_none() && bits.left() >= 16 {
                (sbr_rate, ps) = compatible_extension(&mut bits)?;
            }
        }
        if core_channels == 0 && object_type != object_type::USAC {
            return Err(bits.wrong("channelConfiguration", 0));
        }
        let raw = Bytes::copy_from_slice(record);
        Ok(Self { object_type, core_rate, channel_config, core_channels, sbr_rate, ps, frame_samples, raw })
    }

    /// The configuration of a stream of the given object type (1 to 4), rate and `channelConfiguration` (1 to 7), as ADTS has them.
    ///
    /// # Errors
    /// A rate or channels that [`parse`](Self::parse) refuses.
    pub fn plain(object_type: u8, rate: u32, channel_config: u8) -> Result<Self, Error> {
        let mut out = BitWriter::default();
        out.put(object_type.into(), 5);
        match RATES.iter().position(|&known| known == rate) {
            Some(index) => out.put(index as u32, 4),
            None => {
                out.put(RATE_ESCAPE.into(), 4);
                out.put(rate, 24);
            }
        }
        out.put(channel_config.into(), 4);
        out.put(0, 3);
        Self::parse(&out.finish())
    }

    /// Appends the AudioSpecificConfig.
    pub fn write(&self, out: &mut BytesMut) {
        out.put_slice(&self.raw);
    }

    /// Samples a second of what is heard.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        self.sbr_rate.unwrap_or(self.core_rate)
    }

    /// Channels that are heard.
    #[must_use]
    pub fn channels(&self) -> u8 {
        if self.ps && self.core_channels == 1 { 2 } else { self.core_channels }
    }

    /// `mp4a.40.` and the object type (RFC 6381 section 3.3): 5 and 29 when the extensions are signalled.
    #[must_use]
    pub fn codec_string(&self) -> String {
        let kind = match (self.ps, self.sbr_rate) {
            (true, _) => object_type::PS,
            (false, Some(_)) => object_type::SBR,
            (false, None) => self.object_type,
        };
        format!("mp4a.40.{kind}")
    }
}

/// `GetAudioObjectType`.
fn object(bits: &mut Bits<'_>) -> Result<u8, Error> {
    match bits.small(5)? {
        31 => Ok(32 + bits.small(6)?),
        0 => Err(bits.wrong("audioObjectType", 0)),
        kind => Ok(kind),
    }
}

fn rate(bits: &mut Bits<'_>) -> Result<u32, Error> {
    let index = bits.small(4)?;
    let rate = if index == RATE_ESCAPE {
        bits.read(24)?
    } else {
        RATES.get(usize::from(index)).copied().unwrap_or(0)
    };
    if rate == 0 { Err(bits.wrong("samplingFrequencyIndex", index.into())) } else { Ok(rate) }
}

/// Channels of a program config element (section 4.4.1.1).
fn program_channels(bits: &mut Bits<'_>) -> Result<u8, Error> {
    bits.skip(4 + 2 + 4)?;
    let elements = bits.read(4)? + bits.read(4)? + bits.read(4)?;
    let low = bits.small(2)?;
    let (data, coupling) = (bits.read(3)?, bits.read(4)?);
    for size in [4, 4, 3] {
        // Mono and stereo mixdowns, and a matrix.
        if bits.flag()? {
            bits.skip(size)?;
        }
    }
    let mut channels = low;
    for _ in 0..elements {
        channels += if bits.flag()? { 2 } else { 1 };
        bits.skip(4)?;
    }
    bits.skip(usize::from(low) * 4 + data as usize * 4 + coupling as usize * 5)?;
    bits.skip(bits.left() % 8)?;
    let comment = bits.read(8)?;
    bits.skip(comment as usize * 8)?;
    Ok(channels)
}

/// What is appended so that old decoders do not see it (section 1.6.5): the rate of SBR, and whether there is PS.
fn compatible_extension(bits: &mut Bits<'_>) -> Result<(Option<u32>, bool), Error> {
    if bits.read(11)? != 0x2b7 || object(bits)? != object_type::SBR || bits.left() < 5 || !bits.flag()? {
        return Ok((None, false));
    }
    let rate = rate(bits)?;
    let ps = bits.left() >= 12 && bits.read(11)? == 0x548 && bits.flag()?;
    Ok((Some(rate), ps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations() {
        // Core rate, rate, channels, samples in a frame, string.
        type Heard = (u32, u32, u8, u16, &'static str);
        let table: [(&[u8], Heard); 9] = [
            (&[0x12, 0x10], (44_100, 44_100, 2, 1024, "mp4a.40.2")),
            (&[0x11, 0xb0], (48_000, 48_000, 6, 1024, "mp4a.40.2")),
            (&[0x11, 0x94], (48_000, 48_000, 2, 960, "mp4a.40.2")),
            // What ffmpeg writes: an extension for old decoders that says that there is none.
            (&[0x12, 0x10, 0x56, 0xe5, 0x00], (44_100, 44_100, 2, 1024, "mp4a.40.2")),
            // HE-AAC with the extension in front, and behind.
            (&[0x2b, 0x11, 0x88, 0x00], (24_000, 48_000, 2, 1024, "mp4a.40.5")),
            (&[0x13, 0x10, 0x56, 0xe5, 0x98], (24_000, 48_000, 2, 1024, "mp4a.40.5")),
            // HE-AAC v2, likewise.
            (&[0xeb, 0x09, 0x88, 0x00], (24_000, 48_000, 2, 1024, "mp4a.40.29")),
            (&[0x13, 0x08, 0x56, 0xe5, 0x9d, 0x48, 0x80], (24_000, 48_000, 2, 1024, "mp4a.40.29")),
            // A rate that is written out.
            (&[0x17, 0x80, 0x2e, 0xe0, 0x08], (23_999 + 1, 24_000, 1, 1024, "mp4a.40.2")),
        ];
        for (record, (core, rate, channels, samples, string)) in table {
            let config = Config::parse(record).unwrap();
            assert_eq!((config.core_rate, config.sample_rate()), (core, rate), "{record:02x?}");
            assert_eq!((config.channels(), config.frame_samples), (channels, samples), "{record:02x?}");
            assert_eq!(config.codec_string(), string, "{record:02x?}");
            let mut out = BytesMut::new();
            config.write(&mut out);
            assert_eq!(&out[..], record);
            assert!((0..2).all(|end| Config::parse(&record[..end]).is_err()));
        }
    }

    #[test]
    fn channels_of_a_program() {
        let mut out = BitWriter::default();
        [(2, 5), (3, 4), (0, 4), (0, 3)].into_iter().for_each(|(value, count)| out.put(value, count));
        // Front: one single and one pair; side: none; back: a pair; one low frequency channel; a mixdown.
        [(0, 4), (1, 2), (3, 4), (2, 4), (0, 4), (1, 4), (1, 2), (0, 3), (0, 4), (1, 1), (5, 4), (0, 2)]
            .into_iter()
            .for_each(|(value, count)| out.put(value, count));
        [0b0_0000, 0b1_0000, 0b1_0001].into_iter().for_each(|element| out.put(element, 5));
        out.put(0, 4);
        let mut record = out.finish();
        record.extend([2, b'h', b'i']);
        let config = Config::parse(&record).unwrap();
        assert_eq!((config.channels(), config.channel_config), (6, 0));
        for end in 0..record.len() {
            assert!(Config::parse(&record[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn plain_ones() {
        for (rate, channels, raw) in [
            (44_100, 2, &[0x12, 0x10][..]),
            (48_000, 6, &[0x11, 0xb0]),
            (50_000, 1, &[0x17, 0x80, 0x61, 0xa8, 0x08]),
        ] {
            let config = Config::plain(object_type::LC, rate, channels).unwrap();
            assert_eq!((config.sample_rate(), config.channels(), &config.raw[..]), (rate, channels, raw));
        }
    }

    #[test]
    fn faults() {
        let table: [(&[u8], &str); 4] = [
            (&[0x02, 0x10], "audioObjectType"),
            (&[0x16, 0x90], "samplingFrequencyIndex"),
            (&[0x12, 0x48], "channelConfiguration"),
            (&[0x17, 0x80, 0x00, 0x00, 0x08], "samplingFrequencyIndex"),
        ];
        for (record, field) in table {
            assert!(
                matches!(Config::parse(record), Err(Error::Value { field: f, .. }) if f == field),
                "{field}"
            );
        }
    }
}
