//! ID3 tags (ID3v2.4 main structure, sections 3 and 4) as HLS has them: the time of a segment of packed audio (RFC 8216 section
//! 3.4), and timed metadata.

use super::Error;
use super::bits::Bits;

const WHAT: &str = "ID3 tag";

/// Bytes of the header of a tag, and of a frame.
const HEADER: usize = 10;

/// Who owns the frame that tells the time of a segment of packed audio.
pub const TIMESTAMP_OWNER: &str = "com.apple.streaming.transportStreamTimestamp";

/// The largest number that four bytes of seven bits hold.
const MAX_SIZE: usize = (1 << 28) - 1;

/// A tag at the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// Bytes of the tag.
    pub size: usize,
    /// Whether sizes of frames have seven bits a byte (version 2.4), not eight (2.3).
    synchsafe: bool,
    frames: &'a [u8],
}

impl<'a> Tag<'a> {
    /// Reads the tag at the front of `bytes`; `None` when there is none.
    ///
    /// # Errors
    /// A tag that is cut short, or of a version or in a manner that is not read: 2.2, unsynchronisation.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<Self>, Error> {
        if !bytes.starts_with(b"ID3") {
            return Ok(None);
        }
        let mut bits = Bits::new(WHAT, bytes);
        bits.skip(24)?;
        let version = bits.read(8)?;
        bits.skip(8)?; // revision
        let flags = bits.small(8)?;
        if !(3..=4).contains(&version) {
            return Err(bits.wrong("version", version.into()));
        }
        if flags & 0x80 != 0 {
            return Err(Error::Unsupported { what: WHAT, feature: "unsynchronisation" });
        }
        let size = seven(&mut bits)?;
        let mut frames = bits.bytes(size)?;
        if flags & 0x40 != 0 {
            // The size of an extended header counts itself in 2.4 only.
            let mut extended = Bits::new(WHAT, frames);
            let skip = if version == 4 { seven(&mut extended)? } else { extended.read(32)? as usize + 4 };
            frames = frames.get(skip..).ok_or(Error::Short { what: WHAT, at: bytes.len() })?;
        }
        let footer = if flags & 0x10 != 0 { HEADER } else { 0 };
        Ok(Some(Self { size: HEADER + size + footer, synchsafe: version == 4, frames }))
    }

    /// The frames, until the padding.
    pub fn frames(self) -> impl Iterator<Item = Frame<'a>> {
        let mut rest = self.frames;
        std::iter::from_fn(move || {
            let mut bits = Bits::new(WHAT, rest);
            let id = *bits.bytes(4).ok()?.first_chunk()?;
            if id[0] == 0 {
                return None;
            }
            let size = if self.synchsafe { seven(&mut bits).ok()? } else { bits.read(32).ok()? as usize };
            bits.skip(16).ok()?;
            let data = bits.bytes(size).ok()?;
            rest = bits.rest();
            Some(Frame { id, data })
        })
    }

    /// The time of the first sample of a segment of packed audio, in ticks of 90 kHz and 33 bits.
    #[must_use]
    pub fn timestamp(self) -> Option<u64> {
        self.frames().find_map(|frame| {
            let (owner, data) = frame.private()?;
            let time = u64::from_be_bytes(data.try_into().ok()?);
            (owner == TIMESTAMP_OWNER.as_bytes()).then_some(time & ((1 << 33) - 1))
        })
    }
}

/// A frame of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its name, such as `TXXX`.
    pub id: [u8; 4],
    /// What it holds.
    pub data: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Owner and data of a private frame (section 4.27 of the frames).
    #[must_use]
    pub fn private(self) -> Option<(&'a [u8], &'a [u8])> {
        let end = memchr::memchr(0, self.data).filter(|_| &self.id == b"PRIV")?;
        Some((&self.data[..end], &self.data[end + 1..]))
    }
}

/// A tag of such frames, in version 2.4.
///
/// # Errors
/// It is longer than a tag can be.
pub fn write(frames: &[Frame<'_>]) -> Result<Vec<u8>, Error> {
    let size = frames.iter().map(|frame| HEADER + frame.data.len()).sum();
    if size > MAX_SIZE {
        return Err(Error::Unsupported { what: WHAT, feature: "more than 256 MiB" });
    }
    let mut tag = b"ID3\x04\x00\x00".to_vec();
    tag.extend(synchsafe(size));
    for frame in frames {
        tag.extend(frame.id);
        tag.extend(synchsafe(frame.data.len()));
        tag.extend([0, 0]);
        tag.extend(frame.data);
    }
    Ok(tag)
}

/// The tag in front of a segment of packed audio whose first sample is presented at `time`, in ticks of 90 kHz.
#[must_use]
pub fn timestamp(time: u64) -> Vec<u8> {
    let mut data = TIMESTAMP_OWNER.as_bytes().to_vec();
    data.push(0);
    data.extend((time & ((1 << 33) - 1)).to_be_bytes());
    write(&[Frame { id: *b"PRIV", data: &data }]).unwrap_or_default()
}

fn synchsafe(size: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (size >> shift) as u8 & 0x7f)
}

fn seven(bits: &mut Bits<'_>) -> Result<usize, Error> {
    let number = bits.read(32)?;
    if number & 0x8080_8080 != 0 {
        return Err(bits.wrong("size", number.into()));
    }
    let [a, b, c, d] = number.to_be_bytes().map(usize::from);
    Ok(a << 21 | b << 14 | c << 7 | d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_segment() {
        // What ffmpeg writes in front of a segment of AAC.
        let mut tag = b"ID3\x04\0\0\0\0\0\x3fPRIV\0\0\0\x35\0\0".to_vec();
        tag.extend(b"com.apple.streaming.transportStreamTimestamp\0");
        tag.extend([0, 0, 0, 0, 0, 0x01, 0xec, 0x30]);
        assert_eq!(timestamp(126_000), tag);
        let read = Tag::parse(&tag).unwrap().unwrap();
        assert_eq!((read.timestamp(), read.size), (Some(126_000), tag.len()));
        for time in [0, 1, (1 << 33) - 1] {
            assert_eq!(Tag::parse(&timestamp(time)).unwrap().unwrap().timestamp(), Some(time));
        }
        assert_eq!(Tag::parse(&timestamp(1 << 33)).unwrap().unwrap().timestamp(), Some(0));
        for end in 3..tag.len() {
            assert!(matches!(Tag::parse(&tag[..end]), Err(Error::Short { .. })), "{end}");
        }
        assert_eq!(Tag::parse(b"\xff\xf1"), Ok(None));
    }

    #[test]
    fn frames_there_and_back() {
        let long = [7; 300];
        let frames = [
            Frame { id: *b"TIT2", data: b"\x03title" },
            Frame { id: *b"PRIV", data: &long },
            Frame { id: *b"TXXX", data: b"" },
        ];
        let mut tag = write(&frames).unwrap();
        let read = Tag::parse(&tag).unwrap().unwrap();
        assert_eq!(read.frames().collect::<Vec<_>>(), frames);
        assert_eq!((read.timestamp(), frames[1].private()), (None, None));
        // Padding, and what stands behind the tag.
        tag.extend([0; 100]);
        let size = synchsafe(tag.len() - HEADER);
        tag[6..10].copy_from_slice(&size);
        tag.extend(b"\xff\xf1");
        let read = Tag::parse(&tag).unwrap().unwrap();
        assert_eq!((read.frames().count(), read.size), (3, tag.len() - 2));
    }

    #[test]
    fn other_manners() {
        // 2.3 has sizes of eight bits a byte, and an extended header that does not count itself.
        let mut tag = b"ID3\x03\0\x40\0\0\x01\x5c\0\0\0\x06\0\0\0\0\0\0TIT2\0\0\x01\x48\0\0".to_vec();
        tag.resize(HEADER + 0xdc, 9);
        let read = Tag::parse(&tag).unwrap().unwrap();
        assert_eq!(read.frames().count(), 0);
        tag[23 + 4 - 1] = 0;
        tag[24..28].copy_from_slice(&[0, 0, 0, 0xb8]);
        let read = Tag::parse(&tag).unwrap().unwrap();
        assert_eq!(read.frames().map(|frame| frame.data.len()).collect::<Vec<_>>(), [0xb8]);
        let table: [(&[u8], &str); 3] = [
            (b"ID3\x02\0\0\0\0\0\0", "version"),
            (b"ID3\x05\0\0\0\0\0\0", "version"),
            (b"ID3\x04\0\0\0\0\0\x80", "size"),
        ];
        for (tag, field) in table {
            assert!(
                matches!(Tag::parse(tag), Err(Error::Value { field: f, .. }) if f == field),
                "{tag:02x?}"
            );
        }
        assert!(matches!(Tag::parse(b"ID3\x04\0\x80\0\0\0\0"), Err(Error::Unsupported { .. })));
        assert!(Tag::parse(b"ID3\x04\0\x40\0\0\0\x04\0\0\0\x09").is_err());
        let footer = b"ID3\x04\0\x10\0\0\0\0";
        assert_eq!(Tag::parse(footer).unwrap().unwrap().size, 20);
    }
}
