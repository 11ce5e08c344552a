//! Opus: the record `dOps` (Encapsulation of Opus in ISO Base Media File Format section 4.3.2), and how long a packet lasts
//! (RFC 6716 section 3.1).

use bytes::{BufMut, Bytes, BytesMut};

use super::Error;
use super::bits::Bits;

const WHAT: &str = "OpusSpecificBox";

/// Samples a second, by which Opus counts whatever it was made from.
pub const RATE: u32 = 48_000;

/// What a decoder must know before the first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `OutputChannelCount`.
    pub channels: u8,
    /// `PreSkip`: samples of 48 kHz at the start that are decoded and not heard.
    pub pre_skip: u16,
    /// `InputSampleRate`, for information.
    pub input_rate: u32,
    /// `OutputGain`, in 256ths of a decibel.
    pub gain: i16,
    /// `ChannelMappingFamily`.
    pub family: u8,
    /// `StreamCount`, `CoupledCount` and `ChannelMapping`, in families other than 0.
    pub mapping: Option<Mapping>,
}

/// Which stream holds which channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// `StreamCount`.
    pub streams: u8,
    /// `CoupledCount`.
    pub coupled: u8,
    /// A byte for each channel.
    pub channels: Bytes,
}

impl Config {
    /// Reads the contents of the box `dOps`.
    ///
    /// # Errors
    /// What is cut short, another version, or no channels.
    pub fn parse(record: &[u8]) -> Result<Self, Error> {
        let mut bits = Bits::new(WHAT, record);
        let version = bits.read(8)?;
        if version != 0 {
            return Err(bits.wrong("Version", version.into()));
        }
        let channels = bits.small(8)?;
        if channels == 0 {
            return Err(bits.wrong("OutputChannelCount", 0));
        }
        let pre_skip = bits.read(16)? as u16;
        let input_rate = bits.read(32)?;
        let gain = bits.read(16)? as u16 as i16;
        let family = bits.small(8)?;
        let mut mapping = None;
        if family != 0 {
            let (streams, coupled) = (bits.small(8)?, bits.small(8)?);
            let channels = Bytes::copy_from_slice(bits.bytes(channels.into())?);
            mapping = Some(Mapping { streams, coupled, channels });
        }
        Ok(Self { channels, pre_skip, input_rate, gain, family, mapping })
    }

    /// Appends the contents of the box `dOps`.
    pub fn write(&self, out: &mut BytesMut) {
        out.put_slice(&[0, self.channels]);
        out.put_u16(self.pre_skip);
        out.put_u32(self.input_rate);
        out.put_i16(self.gain);
        out.put_u8(self.family);
        if let Some(mapping) = &self.mapping {
            out.put_slice(&[mapping.streams, mapping.coupled]);
            out.put_slice(&mapping.channels);
        }
    }

    /// Samples a second.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        RATE
    }

    /// Channels.
    #[must_use]
    pub fn channels(&self) -> u8 {
        self.channels
    }

    /// `opus`.
    #[must_use]
    pub fn codec_string(&self) -> String {
        "opus".to_owned()
    }
}

/// Samples of 48 kHz in a packet; `None` when it is empty, or longer than the 120 ms that are allowed.
#[must_use]
pub fn packet_samples(packet: &[u8]) -> Option<u32> {
    let &toc = packet.first()?;
    // Table 2: SILK of 10 to 60 ms, hybrid of 10 and 20 ms, CELT of 2.5 to 20 ms.
    let frame = match toc >> 3 {
        mode @ 0..12 => [480, 960, 1920, 2880][usize::from(mode & 3)],
        mode @ 12..16 => [480, 960][usize::from(mode & 1)],
        mode => [120, 240, 480, 960][usize::from(mode & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    Some(frame * frames).filter(|samples| (1..=5760).contains(samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_there_and_back() {
        let stereo: &[u8] = &[0, 2, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0];
        let surround: &[u8] = &[0, 6, 1, 0x38, 0, 0, 0xbb, 0x80, 0xff, 0x00, 1, 4, 2, 0, 4, 1, 2, 3, 5];
        for record in [stereo, surround] {
            let config = Config::parse(record).unwrap();
            assert_eq!((config.pre_skip, config.input_rate, config.sample_rate()), (312, 48_000, 48_000));
            assert_eq!((config.channels(), config.codec_string().as_str()), (record[1], "opus"));
            let mut out = BytesMut::new();
            config.write(&mut out);
            assert_eq!(&out[..], record);
            for end in 0..record.len() {
                assert!(matches!(Config::parse(&record[..end]), Err(Error::Short { .. })), "{end}");
            }
        }
        let config = Config::parse(surround).unwrap();
        assert_eq!((config.gain, config.mapping.unwrap().streams), (-256, 4));
        assert_eq!(
            Config::parse(&[1, 2]),
            Err(Error::Value { what: WHAT, at: 1, field: "Version", value: 1 })
        );
        assert!(Config::parse(&[0, 0]).is_err());
    }

    #[test]
    fn how_long_packets_last() {
        let table: [(&[u8], Option<u32>); 11] = [
            (&[], None),
            (&[0 << 3], Some(480)),
            (&[11 << 3], Some(2880)),
            (&[13 << 3 | 1], Some(1920)),
            (&[16 << 3], Some(120)),
            (&[31 << 3 | 2], Some(1920)),
            (&[31 << 3 | 3], None),
            (&[31 << 3 | 3, 0], None),
            (&[31 << 3 | 3, 0xc6], Some(5760)),
            (&[31 << 3 | 3, 7], None),
            (&[3 << 3 | 3, 2], Some(5760)),
        ];
        for (packet, samples) in table {
            assert_eq!(packet_samples(packet), samples, "{packet:02x?}");
        }
    }
}
