//! ADTS (ISO/IEC 13818-7 section 6.2, ISO/IEC 14496-3 section 1.A.2): the header in front of each frame of AAC in a stream without
//! a container's help.

use super::Error;
use super::aac::{Config, RATES};
use super::bits::Bits;

const WHAT: &str = "ADTS header";

/// Bytes of a header without a checksum.
pub const HEADER: usize = 7;

/// Bytes of the longest frame, its header among them.
pub const MAX_FRAME: usize = 0x1fff;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The audio object type, 1 to 4.
    pub object_type: u8,
    /// `sampling_frequency_index`, 0 to 12.
    pub rate_index: u8,
    /// `channel_configuration`, 0 to 7.
    pub channel_config: u8,
    /// Bytes of the header: 7, or 9 with a checksum.
    pub size: usize,
    /// Bytes of the frame, the header among them.
    pub frame: usize,
}

impl Header {
    /// Reads the header at the front of `bytes`; seven bytes are enough.
    ///
    /// # Errors
    /// What is cut short or out of its range; a frame of several blocks, which cannot be one sample.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut bits = Bits::new(WHAT, bytes);
        let sync = bits.read(12)?;
        if sync != 0xfff {
            return Err(bits.wrong("syncword", sync.into()));
        }
        bits.skip(1)?; // ID
        let layer = bits.read(2)?;
        if layer != 0 {
            return Err(bits.wrong("layer", layer.into()));
        }
        let size = if bits.flag()? { HEADER } else { HEADER + 2 };
        let object_type = bits.small(2)? + 1;
        let rate_index = bits.small(4)?;
        if usize::from(rate_index) >= RATES.len() {
            return Err(bits.wrong("sampling_frequency_index", rate_index.into()));
        }
        bits.skip(1)?; // private_bit
        let channel_config = bits.small(3)?;
        bits.skip(4)?;
        let frame = bits.read(13)? as usize;
        if frame <= size {
            return Err(bits.wrong("aac_frame_length", frame as u64));
        }
        bits.skip(11)?; // adts_buffer_fullness
        if bits.read(2)? != 0 {
            return Err(Error::Unsupported { what: WHAT, feature: "more than one block in a frame" });
        }
        Ok(Self { object_type, rate_index, channel_config, size, frame })
    }

    /// Samples a second.
    #[must_use]
    pub fn rate(&self) -> u32 {
        RATES.get(usize::from(self.rate_index)).copied().unwrap_or(RATES[0])
    }

    /// Whether two frames are of one stream: they need the same decoder.
    #[must_use]
    pub fn same_stream(&self, other: &Self) -> bool {
        (self.object_type, self.rate_index, self.channel_config)
            == (other.object_type, other.rate_index, other.channel_config)
    }

    /// The configuration that the header implies.
    ///
    /// # Errors
    /// Channels that only a program config element tells.
    pub fn config(&self) -> Result<Config, Error> {
        if self.channel_config == 0 {
            return Err(Error::Unsupported { what: WHAT, feature: "a program config element" });
        }
        Config::plain(self.object_type, self.rate(), self.channel_config)
    }
}

/// Headers for the frames of one stream: all bits are the same but the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template([u8; HEADER]);

impl Template {
    /// The headers for `config`. Spectral band replication is left to the decoder to find, as is the way of ADTS.
    ///
    /// # Errors
    /// An object type, a rate or channels that a header has no room for.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let unsupported = |feature| Error::Unsupported { what: WHAT, feature };
        if !(1..=4).contains(&config.object_type) {
            return Err(unsupported("this audio object type"));
        }
        let rate =
            RATES.iter().position(|&rate| rate == config.core_rate).ok_or(unsupported("this sample rate"))?
                as u8;
        let channels = config.channel_config;
        if !(1..=7).contains(&channels) {
            return Err(unsupported("this configuration of channels"));
        }
        // MPEG-4, no checksum; a buffer fullness of all ones: a variable bit rate.
        let profile = (config.object_type - 1) << 6 | rate << 2 | channels >> 2;
        Ok(Self([0xff, 0xf1, profile, (channels & 3) << 6, 0, 0x1f, 0xfc]))
    }

    /// The header of a frame with so many bytes behind it; `None` when they are too many.
    #[must_use]
    pub fn header(&self, payload: usize) -> Option<[u8; HEADER]> {
        let frame = payload.checked_add(HEADER).filter(|frame| *frame <= MAX_FRAME)?;
        let mut header = self.0;
        header[3] |= (frame >> 11) as u8;
        header[4] = (frame >> 3) as u8;
        header[5] |= (frame << 5) as u8;
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::super::aac::object_type;
    use super::*;

    #[test]
    fn headers_there_and_back() {
        for (rate, channels) in [(44_100, 2), (48_000, 6), (96_000, 1), (7350, 7), (8000, 4)] {
            let config = Config::plain(object_type::LC, rate, channels).unwrap();
            let template = Template::new(&config).unwrap();
            for payload in [1, 7, 24, 255, 256, 371, 2041, MAX_FRAME - HEADER] {
                let bytes = template.header(payload).unwrap();
                let header = Header::parse(&bytes).unwrap();
                assert_eq!((header.size, header.frame), (HEADER, payload + HEADER));
                assert_eq!((header.rate(), header.channel_config), (rate, channels));
                assert_eq!(header.config().as_ref(), Ok(&config));
            }
            assert_eq!(template.header(MAX_FRAME - HEADER + 1), None);
            assert_eq!(template.header(usize::MAX), None);
        }
    }

    #[test]
    fn what_ffmpeg_writes() {
        let bytes = [0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f, 0xfc];
        let header = Header { object_type: 2, rate_index: 4, channel_config: 2, size: 7, frame: 371 };
        assert_eq!(Header::parse(&bytes), Ok(header));
        let template = Template::new(&header.config().unwrap()).unwrap();
        assert_eq!(template.header(364), Some(bytes));
        for end in 0..bytes.len() {
            assert_eq!(Header::parse(&bytes[..end]), Err(Error::Short { what: WHAT, at: end }));
        }
        // With a checksum.
        let header = Header::parse(&[0xff, 0xf0, 0x50, 0x80, 0x2e, 0x7f, 0xfc]).unwrap();
        assert_eq!((header.size, header.frame), (9, 371));
        assert!(header.same_stream(&Header { frame: 9, size: 7, ..header }));
        assert!(!header.same_stream(&Header { rate_index: 3, ..header }));
    }

    #[test]
    fn faults() {
        let table: [([u8; 7], &str); 4] = [
            ([0xff, 0xe1, 0x50, 0x80, 0x2e, 0x7f, 0xfc], "syncword"),
            ([0xff, 0xf3, 0x50, 0x80, 0x2e, 0x7f, 0xfc], "layer"),
            ([0xff, 0xf1, 0x74, 0x80, 0x2e, 0x7f, 0xfc], "sampling_frequency_index"),
            ([0xff, 0xf1, 0x50, 0x80, 0x00, 0xff, 0xfc], "aac_frame_length"),
        ];
        for (bytes, field) in table {
            assert!(
                matches!(Header::parse(&bytes), Err(Error::Value { field: f, .. }) if f == field),
                "{field}"
            );
        }
        let blocks = Header::parse(&[0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f, 0xfd]);
        assert!(matches!(blocks, Err(Error::Unsupported { .. })));
        let unknown = Header::parse(&[0xff, 0xf1, 0x50, 0x00, 0x2e, 0x7f, 0xfc]).unwrap();
        assert!(matches!(unknown.config(), Err(Error::Unsupported { .. })));
        let other = Config::plain(object_type::LC, 50_000, 2).unwrap();
        assert!(matches!(Template::new(&other), Err(Error::Unsupported { .. })));
    }
}
