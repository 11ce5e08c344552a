//! Where a picture was taken, removed from a JPEG.
//!
//! Cameras write it into the Exif block (CIPA DC-008, an APP1 segment that holds a TIFF): a directory of its own, to which the tag 0x8825 of the
//! first one points. Its entries are overwritten by zeros where they lie, so the file keeps its length, its orientation and all else that is in
//! Exif. XMP packets (another APP1), which may say the same in XML, are blanked as a whole. Only segments before the picture's data are looked at: there is
//! where readers look.

use std::io::{self, Read, Seek, SeekFrom, Write};

/// Bytes of segments that are looked at: 16 of the largest ones. Some programs put megabytes of previews behind the first.
const FURTHEST: u64 = 1 << 20;

/// Entries of a directory of TIFF at most; that of GPS has 32 tags.
const MAX_ENTRIES: u16 = 512;

const GPS: u16 = 0x8825;

/// Removes the location from the JPEG in `file`. Says whether there was one; the file is not written to otherwise.
///
/// # Errors
/// The file cannot be read or written.
pub(super) fn remove_location<F: Read + Write + Seek>(file: &mut F) -> io::Result<bool> {
    let mut changed = false;
    let mut place = 2;
    while place < FURTHEST {
        let Some([0xFF, marker, high, low]) = read_at(file, place, 4)?.first_chunk().copied() else { break };
        // Start of scan: the data begin. Markers without a length (0x01, 0xD0 to 0xD9) do not stand among the segments.
        if matches!(marker, 0xDA | 0x01 | 0xD0..=0xD9) {
            break;
        }
        if marker == 0xFF {
            // A fill byte.
            place += 1;
            continue;
        }
        let length = u16::from_be_bytes([high, low]);
        if length < 2 {
            break;
        }
        if marker == 0xE1 {
            let mut segment = read_at(file, place + 4, usize::from(length - 2))?;
            if blank(&mut segment) {
                file.seek(SeekFrom::Start(place + 4))?;
                file.write_all(&segment)?;
                changed = true;
            }
        }
        place += 2 + u64::from(length);
    }
    Ok(changed)
}

/// As many of `length` bytes as there are.
fn read_at<F: Read + Seek>(file: &mut F, place: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(place))?;
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Blanks what an APP1 segment says of a location. Says whether that changed it.
fn blank(segment: &mut [u8]) -> bool {
    if let Some(tiff) = segment.strip_prefix(b"Exif\0\0") {
        let ranges = location(tiff);
        let mut changed = false;
        for range in ranges {
            if let Some(bytes) = segment.get_mut(range.start + 6..range.end + 6) {
                changed |= bytes.iter().any(|byte| *byte != 0);
                bytes.fill(0);
            }
        }
        return changed;
    }
    let packets: [&[u8]; 2] = [b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"];
    let Some(start) = packets.iter().find(|name| segment.starts_with(name)).map(|name| name.len()) else {
        return false;
    };
    // The extension has 40 bytes (a digest and two numbers) before its text, which nobody reads without the digest.
    let text = &mut segment[start..];
    let changed = text.iter().any(|byte| *byte != b' ');
    text.fill(b' ');
    changed
}

/// A reader of TIFF in one of its two byte orders.
struct Tiff<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl Tiff<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<usize> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        let number = if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) };
        usize::try_from(number).ok()
    }

    /// The places of the entries of the directory at `at`.
    fn entries(&self, at: usize) -> impl Iterator<Item = usize> + use<> {
        let count = self.u16(at).unwrap_or_default().min(MAX_ENTRIES);
        (0..usize::from(count)).filter_map(move |n| at.checked_add(2 + 12 * n))
    }
}

/// Which bytes of a TIFF say where it was: the directory of GPS, and what its entries point to.
fn location(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let little = match bytes.first_chunk() {
        Some(b"II") => true,
        Some(b"MM") => false,
        _ => return Vec::new(),
    };
    let tiff = Tiff { bytes, little };
    let first = tiff.u32(4).unwrap_or(usize::MAX);
    let pointer = tiff.entries(first).find(|entry| tiff.u16(*entry) == Some(GPS));
    let Some(directory) = pointer.and_then(|entry| tiff.u32(entry + 8)) else { return Vec::new() };
    let mut ranges = Vec::new();
    for entry in tiff.entries(directory) {
        let (Some(kind), Some(count)) = (tiff.u16(entry + 2), tiff.u32(entry + 4)) else { break };
        let size = match kind {
            3 | 8 => 2,
            4 | 9 | 11 => 4,
            5 | 10 | 12 => 8,
            _ => 1,
        };
        let length = count.saturating_mul(size);
        // Four bytes fit into the entry itself.
        if length > 4
            && let Some(at) = tiff.u32(entry + 8)
        {
            let end = at.saturating_add(length).min(bytes.len());
            // The header stays, whatever a malformed entry says.
            ranges.push(at.max(8).min(end)..end);
        }
        ranges.push(entry..entry.saturating_add(12).min(bytes.len()).max(entry));
    }
    if directory >= 8 {
        // The number of entries: none.
        ranges.push(directory..directory.saturating_add(2).min(bytes.len()).max(directory));
    }
    ranges
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use super::*;

    /// A TIFF with an orientation and a latitude.
    fn tiff(little: bool) -> Vec<u8> {
        let u16 = |n: u16| if little { n.to_le_bytes() } else { n.to_be_bytes() };
        let u32 = |n: u32| if little { n.to_le_bytes() } else { n.to_be_bytes() };
        let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
            [&u16(tag)[..], &u16(kind), &u32(count), &value].concat()
        };
        let mut short = [0; 4];
        short[..2].copy_from_slice(&u16(6));
        let parts = [
            if little { b"II".to_vec() } else { b"MM".to_vec() },
            u16(42).to_vec(),
            u32(8).to_vec(),
            u16(2).to_vec(),
            entry(0x0112, 3, 1, short),
            entry(GPS, 4, 1, u32(38)),
            u32(0).to_vec(),
            // The directory of GPS, at 38.
            u16(2).to_vec(),
            entry(1, 2, 2, *b"N\0\0\0"),
            entry(2, 5, 3, u32(68)),
            u32(0).to_vec(),
            // Degrees, minutes and seconds, at 68.
            [52, 1, 31, 1, 12, 1].into_iter().flat_map(u32).collect(),
        ];
        parts.concat()
    }

    fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
        [&[0xFF, marker][..], &length, content].concat()
    }

    /// The segments of a JPEG that say where it was taken.
    pub(in crate::server::chat::media) fn located(little: bool) -> Vec<u8> {
        let exif = segment(0xE1, &[b"Exif\0\0", &tiff(little)[..]].concat());
        let xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x exif:GPSLatitude=\"52,31.2N\"/>");
        [exif, xmp].concat()
    }

    fn jpeg(segments: &[u8]) -> Vec<u8> {
        [&b"\xFF\xD8"[..], segments, &segment(0xDA, b"\x01"), b"data \xFF\xE1\0\x08Exif\0\0"].concat()
    }

    #[test]
    fn only_the_location_goes() {
        for little in [true, false] {
            let before = jpeg(&located(little));
            let mut file = Cursor::new(before.clone());
            assert!(remove_location(&mut file).unwrap());
            let after = file.into_inner();
            assert_eq!(after.len(), before.len());
            let exif = 2 + 4 + 6;
            assert_eq!(after[..exif + 38], before[..exif + 38], "what comes before, with the orientation");
            assert!(
                after[exif + 38..exif + 92]
                    .iter()
                    .enumerate()
                    .all(|(at, byte)| *byte == 0 || (26..30).contains(&at)),
                "all of GPS"
            );
            assert!(memchr::memmem::find(&after, b"GPSLatitude").is_none());
            assert_eq!(after[after.len() - 20..], before[before.len() - 20..], "the data");
            assert!(!remove_location(&mut Cursor::new(after)).unwrap(), "once is enough");
        }
    }

    #[test]
    fn a_file_without_a_location_is_left_alone() {
        let long = segment(0xE1, &vec![b'x'; 60_000]);
        for segments in
            [&b""[..], &segment(0xE0, b"JFIF\0"), &segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0"), &long]
        {
            let before = jpeg(segments);
            let mut file = Cursor::new(before.clone());
            assert!(!remove_location(&mut file).unwrap());
            assert_eq!(file.into_inner(), before);
        }
    }

    #[test]
    fn malformed_blocks_do_no_harm() {
        let good = jpeg(&located(true));
        for end in 0..good.len() {
            let mut file = Cursor::new(good[..end].to_vec());
            remove_location(&mut file).unwrap();
            assert_eq!(file.into_inner().len(), end, "it never grows");
        }
        for place in 2..good.len() {
            for byte in [0, 1, 0x7F, 0xFF] {
                let mut changed = good.clone();
                changed[place] = byte;
                let mut file = Cursor::new(changed);
                remove_location(&mut file).unwrap();
                assert_eq!(file.into_inner().len(), good.len());
            }
        }
    }
}
