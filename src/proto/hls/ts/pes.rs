//! The header of a PES packet (ISO/IEC 13818-1 section 2.4.3.6): which stream, how long, and when.

use super::super::codec::Error;

const WHAT: &str = "PES header";

/// Bytes in front of the optional fields.
const FIXED: usize = 9;

/// Bytes of the longest header that [`write()`] makes.
pub const MAX_HEADER: usize = FIXED + 10;

/// `stream_id` of the first video stream.
pub const VIDEO: u8 = 0xe0;
/// `stream_id` of the first audio stream.
pub const AUDIO: u8 = 0xc0;
/// `stream_id` of AC-3, ID3, and whatever else has none.
pub const PRIVATE: u8 = 0xbd;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// `stream_id`.
    pub stream_id: u8,
    /// Bytes of the header.
    pub size: usize,
    /// When it is presented, in 33 bits of 90 kHz.
    pub pts: Option<u64>,
    /// When it is decoded, if that is another time.
    pub dts: Option<u64>,
}

/// Bytes of the whole packet, told by its first six: `None` while there are fewer, and `Some(None)` when it ends where the next one
/// begins.
#[must_use]
pub fn size(packet: &[u8]) -> Option<Option<usize>> {
    let &[_, _, _, _, high, low] = packet.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    Some((length > 0).then_some(6 + length))
}

impl Header {
    /// Reads the header at the front of `packet`.
    ///
    /// # Errors
    /// What is cut short, or does not begin as a PES packet does.
    pub fn parse(packet: &[u8]) -> Result<Self, Error> {
        let Some(&[a, b, c, stream_id, _, _, marks, flags, length]) = packet.first_chunk::<FIXED>() else {
            return Err(Error::Short { what: WHAT, at: packet.len() });
        };
        if (a, b, c) != (0, 0, 1) {
            let value = u32::from_be_bytes([0, a, b, c]);
            return Err(Error::Value {
                what: WHAT,
                at: 3,
                field: "packet_start_code_prefix",
                value: value.into(),
            });
        }
        if marks & 0xc0 != 0x80 {
            return Err(Error::Value { what: WHAT, at: 7, field: "marker bits", value: (marks >> 6).into() });
        }
        if marks & 0x30 != 0 {
            return Err(Error::Unsupported { what: WHAT, feature: "scrambling" });
        }
        let size = FIXED + usize::from(length);
        let Some(fields) = packet.get(FIXED..size) else {
            return Err(Error::Short { what: WHAT, at: packet.len() });
        };
        let (mut pts, mut dts) = (None, None);
        if flags & 0x80 != 0 {
            pts = time(fields);
        }
        if flags & 0xc0 == 0xc0 {
            dts = fields.get(5..).and_then(time);
        }
        Ok(Self { stream_id, size, pts, dts })
    }
}

/// A time in five bytes with marker bits between, which damaged streams may lack: they are not asked for.
fn time(field: &[u8]) -> Option<u64> {
    let &[a, b, c, d, e] = field.first_chunk()?;
    let high = u64::from(a >> 1 & 7) << 30;
    Some(high | u64::from(b) << 22 | u64::from(c >> 1) << 15 | u64::from(d) << 7 | u64::from(e >> 1))
}

fn time_field(mark: u8, time: u64) -> [u8; 5] {
    [
        mark << 4 | ((time >> 30) as u8 & 7) << 1 | 1,
        (time >> 22) as u8,
        (time >> 14) as u8 | 1,
        (time >> 7) as u8,
        (time << 1) as u8 | 1,
    ]
}

/// The header of a packet with `payload` bytes behind it, and how many bytes of the array it takes. A decode time is written if it
/// is another. A packet of video that is too long for its length to be told ends where the next one begins.
#[must_use]
pub fn write(stream_id: u8, payload: usize, pts: u64, dts: u64) -> ([u8; MAX_HEADER], usize) {
    let mut header = [0; MAX_HEADER];
    let both = pts != dts;
    let size = if both { MAX_HEADER } else { MAX_HEADER - 5 };
    let length = u16::try_from(payload + size - 6).unwrap_or(0);
    let [high, low] = length.to_be_bytes();
    // Marker bits, and data_alignment_indicator: an access unit begins in front.
    let fixed = [0, 0, 1, stream_id, high, low, 0x84, if both { 0xc0 } else { 0x80 }, (size - FIXED) as u8];
    header[..FIXED].copy_from_slice(&fixed);
    header[FIXED..FIXED + 5].copy_from_slice(&time_field(if both { 3 } else { 2 }, pts));
    if both {
        header[FIXED + 5..].copy_from_slice(&time_field(1, dts));
    }
    (header, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_there_and_back() {
        for (pts, dts) in
            [(0, 0), (3600, 0), ((1 << 33) - 1, (1 << 33) - 3754), (0x1_2345_6789, 0x0_fedc_ba98)]
        {
            for payload in [0, 1, 170, 65_000, 65_535 - 14, 65_535, 1 << 20] {
                let (bytes, length) = write(VIDEO, payload, pts, dts);
                let header = Header::parse(&bytes[..length]).unwrap();
                let expected = Header {
                    stream_id: VIDEO,
                    size: length,
                    pts: Some(pts),
                    dts: (pts != dts).then_some(dts),
                };
                assert_eq!(header, expected);
                let whole = Some(payload + length).filter(|whole| *whole <= 65_541);
                assert_eq!(size(&bytes), Some(whole), "{payload}");
                for end in 0..length {
                    assert_eq!(Header::parse(&bytes[..end]), Err(Error::Short { what: WHAT, at: end }));
                }
            }
        }
        assert_eq!(size(&[0, 0, 1, 0xe0, 0]), None);
    }

    #[test]
    fn what_others_write() {
        // ffmpeg's: a PTS of 1.48 s and a DTS of 1.4 s.
        let header = [
            0, 0, 1, 0xe0, 0, 0, 0x80, 0xc0, 0x0a, 0x31, 0x00, 0x09, 0x10, 0xa1, 0x11, 0x00, 0x07, 0xd8, 0x61,
        ];
        assert_eq!(
            Header::parse(&header),
            Ok(Header { stream_id: 0xe0, size: 19, pts: Some(133_200), dts: Some(126_000) })
        );
        // Stuffing, and no time.
        let header = [0, 0, 1, 0xc0, 0, 9, 0x80, 0, 3, 0xff, 0xff, 0xff, 1, 2];
        assert_eq!(Header::parse(&header), Ok(Header { stream_id: 0xc0, size: 12, pts: None, dts: None }));
        // A flag for a time that is not there.
        let header = [0, 0, 1, 0xc0, 0, 9, 0x80, 0xc0, 0];
        assert_eq!(Header::parse(&header), Ok(Header { stream_id: 0xc0, size: 9, pts: None, dts: None }));
    }

    #[test]
    fn faults() {
        let good = [0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0];
        assert!(Header::parse(&good).is_ok());
        for (at, byte) in [(0, 1), (2, 2), (6, 0x40), (6, 0xc0), (6, 0x90)] {
            let mut bad = good;
            bad[at] = byte;
            assert!(Header::parse(&bad).is_err(), "{at}: {byte:02x}");
        }
    }
}
