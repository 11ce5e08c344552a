//! Program specific information (ISO/IEC 13818-1 section 2.4.4): the tables that say which streams there are, in sections with a
//! checksum.

use std::fmt;

use super::super::track::Language;

/// Bytes of the longest section of these tables.
pub const MAX_SECTION: usize = 1024;

/// Streams of a program that are looked at: what is behind them is left alone. Broadcasters have about twenty.
pub const MAX_STREAMS: usize = 64;

/// `table_id` of the program association table.
const PAT: u8 = 0x00;
/// `table_id` of a program map table.
const PMT: u8 = 0x02;

/// The checksum of sections (annex A): CRC-32 with the polynomial 0x04c11db7, not reflected.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| crc << 8 ^ CRC[usize::from((crc >> 24) as u8 ^ byte)])
}

const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let (mut crc, mut bit) = ((at as u32) << 24, 0);
        while bit < 8 {
            crc = if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

/// Puts the sections of one packet identifier together.
#[derive(Clone, Debug, Default)]
pub struct Sections {
    held: Vec<u8>,
    /// Whether a section has begun and what comes belongs to it.
    open: bool,
}

impl Sections {
    /// Takes the payload of the next packet, and gives each section that is whole to `each`, header and checksum included.
    pub fn push(&mut self, start: bool, payload: &[u8], mut each: impl FnMut(&[u8])) {
        if !start {
            if self.open {
                self.take(payload, &mut each);
            }
            return;
        }
        let Some((&pointer, payload)) = payload.split_first() else { return };
        let Some((end, begin)) = payload.split_at_checked(pointer.into()) else {
            return self.reset();
        };
        if self.open {
            self.take(end, &mut each);
        }
        self.held.clear();
        self.open = true;
        self.take(begin, &mut each);
    }

    /// Forgets a section that is not whole: a packet is missing.
    pub fn reset(&mut self) {
        self.held.clear();
        self.open = false;
    }

    fn take(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8])) {
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(&[table, high, low]) = self.held.get(at..at + 3) {
            let size = 3 + usize::from(u16::from_be_bytes([high & 0x0f, low]));
            if table == 0xff || size > MAX_SECTION {
                return self.reset();
            }
            let Some(section) = self.held.get(at..at + size) else { break };
            each(section);
            at += size;
        }
        if self.held.get(at) == Some(&0xff) {
            return self.reset();
        }
        self.held.drain(..at);
    }
}

/// A table cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The checksum is another.
    #[error("the checksum of a section does not match")]
    Checksum,
    /// A length points behind the end.
    #[error("a length in a section points behind its end")]
    Length,
}

/// The part of a section behind its header, if the section is one of table `table`, current, and sound; with its
/// `table_id_extension`.
fn body(section: &[u8], table: u8) -> Result<Option<(u16, &[u8])>, Fault> {
    // Eight bytes of header, four of checksum.
    let Some(&[id, _, _, a, b, version, _, _]) = section.first_chunk::<8>() else {
        return Err(Fault::Length);
    };
    let Some(end) = section.len().checked_sub(4).filter(|end| *end >= 8) else { return Err(Fault::Length) };
    if crc32(section) != 0 {
        return Err(Fault::Checksum);
    }
    let current = version & 1 == 1;
    Ok((id == table && current).then_some((u16::from_be_bytes([a, b]), &section[8..end])))
}

/// The programs of a program association table (section 2.4.4.3): number and packet identifier of the map of each. `None` when the
/// section is of another table, or not yet in force.
///
/// # Errors
/// [`Fault`].
pub fn programs(section: &[u8]) -> Result<Option<impl Iterator<Item = (u16, u16)>>, Fault> {
    let Some((_, body)) = body(section, PAT)? else { return Ok(None) };
    let programs = body
        .as_chunks::<4>()
        .0
        .iter()
        .map(|[a, b, c, d]| (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([c & 0x1f, *d])));
    // Program 0 is the network information table.
    Ok(Some(programs.filter(|(number, _)| *number != 0)))
}

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// H.264.
    Avc,
    /// H.265.
    Hevc,
    /// AAC in ADTS.
    Aac,
    /// Dolby Digital.
    Ac3,
    /// Dolby Digital Plus.
    Eac3,
    /// ID3 tags.
    Id3,
    /// What nothing here reads.
    Other(Refused),
}

/// A stream that is left alone: its `stream_type`, and the `format_identifier` of its registration, when it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refused {
    /// `stream_type`.
    pub stream_type: u8,
    /// `format_identifier`.
    pub format: Option<[u8; 4]>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (self.stream_type, self.format.as_ref()) {
            (_, Some(b"Opus")) => "Opus",
            (_, Some(b"AV01")) => "AV1",
            (0x01, _) => "MPEG-1 video",
            (0x02, _) => "MPEG-2 video",
            (0x03 | 0x04, _) => "MPEG audio",
            (0x10, _) => "MPEG-4 part 2 video",
            (0x11, _) => "AAC in LATM",
            (0x82 | 0x8a, _) => "DTS",
            (0xdb | 0xcf | 0xc1 | 0xc2, _) => "an encrypted stream (SAMPLE-AES)",
            _ => "a stream",
        };
        write!(f, "{name} (type 0x{:02x}) is not supported in MPEG-TS", self.stream_type)
    }
}

/// A stream of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its packet identifier.
    pub pid: u16,
    /// What it holds.
    pub kind: Kind,
    /// The language, where it is told.
    pub language: Language,
}

/// A program map table (section 2.4.4.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// The number of the program.
    pub program: u16,
    /// The packet identifier whose packets carry the clock.
    pub pcr_pid: u16,
    /// The streams, the first [`MAX_STREAMS`].
    pub streams: Vec<Stream>,
}

impl Map {
    /// Reads a section; `None` when it is of another table, or not yet in force.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn parse(section: &[u8]) -> Result<Option<Self>, Fault> {
        let Some((program, body)) = body(section, PMT)? else { return Ok(None) };
        let Some((&[a, b, c, d], rest)) = body.split_first_chunk() else { return Err(Fault::Length) };
        let pcr_pid = u16::from_be_bytes([a & 0x1f, b]);
        let info = usize::from(u16::from_be_bytes([c & 0x0f, d]));
        let mut rest = rest.get(info..).ok_or(Fault::Length)?;
        let mut streams = Vec::new();
        while let Some((&[stream_type, a, b, c, d], behind)) = rest.split_first_chunk() {
            let info = usize::from(u16::from_be_bytes([c & 0x0f, d]));
            let (descriptors, behind) = behind.split_at_checked(info).ok_or(Fault::Length)?;
            let pid = u16::from_be_bytes([a & 0x1f, b]);
            if streams.len() < MAX_STREAMS {
                streams.push(stream(stream_type, pid, descriptors));
            }
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(Fault::Length);
        }
        Ok(Some(Self { program, pcr_pid, streams }))
    }
}

fn stream(stream_type: u8, pid: u16, mut descriptors: &[u8]) -> Stream {
    let (mut format, mut language, mut private) = (None, Language::UNDETERMINED, None);
    while let Some((&[tag, length], rest)) = descriptors.split_first_chunk() {
        let Some((data, rest)) = rest.split_at_checked(length.into()) else { break };
        match tag {
            0x05 => format = data.first_chunk().copied(),
            0x0a => {
                let code = data.get(..3).and_then(|code| std::str::from_utf8(code).ok());
                language = code.and_then(Language::new).unwrap_or(language);
            }
            0x6a => private = Some(Kind::Ac3),
            0x7a => private = Some(Kind::Eac3),
            _ => {}
        }
        descriptors = rest;
    }
    let kind = match (stream_type, format.as_ref(), private) {
        (0x1b, ..) => Kind::Avc,
        (0x24, ..) => Kind::Hevc,
        (0x0f, ..) => Kind::Aac,
        (0x81, ..) | (0x06, Some(b"AC-3"), _) => Kind::Ac3,
        (0x87, ..) | (0x06, Some(b"EAC3"), _) => Kind::Eac3,
        (0x06, Some(b"HEVC"), _) => Kind::Hevc,
        (0x06, _, Some(kind)) => kind,
        (0x15, ..) => Kind::Id3,
        _ => Kind::Other(Refused { stream_type, format }),
    };
    Stream { pid, kind, language }
}

/// The section of a program association table of one program.
#[must_use]
pub fn write_programs(program: u16, map_pid: u16) -> Vec<u8> {
    let mut body = program.to_be_bytes().to_vec();
    body.extend((0xe000 | map_pid).to_be_bytes());
    section(PAT, 1, 0, &body)
}

/// The section of a program map table of that version, of which there are 32.
#[must_use]
pub fn write_map(map: &Map, version: u8) -> Vec<u8> {
    let mut body = (0xe000 | map.pcr_pid).to_be_bytes().to_vec();
    // ID3 tags are announced to the whole program by a metadata_pointer_descriptor (section 2.6.58), and to their stream by a
    // metadata_descriptor (section 2.6.60), as "Timed Metadata for HTTP Live Streaming" has them.
    let mut info = Vec::new();
    if map.streams.iter().any(|stream| stream.kind == Kind::Id3) {
        info.extend(b"\x25\x0f\xff\xffID3 \xffID3 \x00\x1f");
        info.extend(map.program.to_be_bytes());
    }
    body.extend((0xf000 | info.len() as u16).to_be_bytes());
    body.extend(info);
    for Stream { pid, kind, language } in &map.streams {
        let mut info = Vec::new();
        let stream_type = match kind {
            Kind::Avc => 0x1b,
            Kind::Hevc => 0x24,
            Kind::Aac => 0x0f,
            Kind::Ac3 => 0x81,
            Kind::Eac3 => 0x87,
            Kind::Id3 => 0x15,
            Kind::Other(refused) => refused.stream_type,
        };
        match kind {
            Kind::Hevc => info.extend(b"\x05\x04HEVC"),
            Kind::Ac3 => info.extend(b"\x05\x04AC-3"),
            Kind::Eac3 => info.extend(b"\x05\x04EAC3"),
            Kind::Id3 => info.extend(b"\x26\x0d\xff\xffID3 \xffID3 \x00\x0f"),
            _ => {}
        }
        if *language != Language::UNDETERMINED {
            info.extend([0x0a, 4]);
            info.extend(language.as_str().as_bytes());
            info.push(0);
        }
        body.push(stream_type);
        body.extend((0xe000 | pid).to_be_bytes());
        body.extend((0xf000 | info.len() as u16).to_be_bytes());
        body.extend(info);
    }
    section(PMT, map.program, version, &body)
}

fn section(table: u8, extension: u16, version: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() + 9) as u16 | 0xb000;
    let mut section = vec![table];
    section.extend(length.to_be_bytes());
    section.extend(extension.to_be_bytes());
    // In force; section 0 of 0.
    section.extend([0xc1 | (version & 0x1f) << 1, 0, 0]);
    section.extend(body);
    section.extend(crc32(&section).to_be_bytes());
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums() {
        assert_eq!(crc32(b""), u32::MAX);
        assert_eq!(crc32(b"123456789"), 0x0376_e6e7);
        // What ffmpeg writes for a program 1 with its map at 0x1000.
        let ffmpeg = [0, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 0x04, 0xb2];
        assert_eq!(write_programs(1, 0x1000), ffmpeg);
    }

    fn map() -> Map {
        let eng = Language::new("eng").unwrap();
        let kinds = [Kind::Avc, Kind::Hevc, Kind::Aac, Kind::Ac3, Kind::Eac3, Kind::Id3];
        let streams = kinds.iter().enumerate().map(|(at, kind)| Stream {
            pid: 0x100 + at as u16,
            kind: *kind,
            language: if at == 2 { eng } else { Language::UNDETERMINED },
        });
        Map { program: 1, pcr_pid: 0x100, streams: streams.collect() }
    }

    #[test]
    fn tables_there_and_back() {
        let section = write_map(&map(), 0);
        assert_eq!(Map::parse(&section), Ok(Some(map())));
        assert!(programs(&section).unwrap().is_none());
        let section = write_programs(7, 0x1abc);
        assert_eq!(programs(&section).unwrap().unwrap().collect::<Vec<_>>(), [(7, 0x1abc)]);
        assert_eq!(Map::parse(&section), Ok(None));
    }

    #[test]
    fn damaged_tables() {
        let good = write_map(&map(), 0);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            assert_eq!(Map::parse(&bad), Err(Fault::Checksum), "{at}");
            assert!(Map::parse(&good[..at]).is_err());
        }
        // Lengths that point behind the end, under a right checksum.
        for body in [
            &[0xe1, 0, 0xf0, 9][..],
            &[0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 1],
            &[0xe1, 0, 0xf0, 0, 0x1b],
            &[0xe1],
        ] {
            assert_eq!(Map::parse(&section(PMT, 1, 0, body)), Err(Fault::Length), "{body:02x?}");
        }
        // Not yet in force.
        let mut next = good[..good.len() - 4].to_vec();
        next[5] = 0xc0;
        next.extend(crc32(&next).to_be_bytes());
        assert_eq!(Map::parse(&next), Ok(None));
    }

    #[test]
    fn kinds_of_streams() {
        let other = |stream_type, format: Option<&[u8; 4]>| {
            Kind::Other(Refused { stream_type, format: format.copied() })
        };
        let table: [(u8, &[u8], Kind); 12] = [
            (0x06, b"\x6a\x01\x40", Kind::Ac3),
            (0x06, b"\x0a\x04eng\x00\x7a\x02\x80\x10", Kind::Eac3),
            (0x06, b"\x05\x04AC-3", Kind::Ac3),
            (0x06, b"\x05\x04EAC3", Kind::Eac3),
            (0x06, b"\x05\x04HEVC", Kind::Hevc),
            (0x06, b"\x05\x04Opus\x7f\x02\x80\x02", other(6, Some(b"Opus"))),
            (0x06, b"\x05\x04AV01", other(6, Some(b"AV01"))),
            (0x06, b"", other(6, None)),
            (0x06, b"\x05\x09Op", other(6, None)),
            (0x02, b"", other(2, None)),
            (0x11, b"\x05", other(0x11, None)),
            (0x15, b"", Kind::Id3),
        ];
        for (stream_type, descriptors, kind) in table {
            assert_eq!(stream(stream_type, 5, descriptors).kind, kind, "{descriptors:02x?}");
        }
        for (kind, text) in [
            (other(6, Some(b"Opus")), "Opus (type 0x06) is not supported in MPEG-TS"),
            (other(2, None), "MPEG-2 video (type 0x02) is not supported in MPEG-TS"),
            (other(0xdb, None), "an encrypted stream (SAMPLE-AES) (type 0xdb) is not supported in MPEG-TS"),
            (other(0x77, None), "a stream (type 0x77) is not supported in MPEG-TS"),
        ] {
            assert!(matches!(kind, Kind::Other(refused) if refused.to_string() == text), "{text}");
        }
    }

    /// `sections` in packets of `size` bytes, with a pointer in each one in which a section begins.
    fn packets(sections: &[Vec<u8>], size: usize) -> Vec<(bool, Vec<u8>)> {
        let (whole, mut starts) = (sections.concat(), vec![0]);
        for section in sections {
            starts.push(starts.last().unwrap() + section.len());
        }
        starts.pop();
        let (mut packets, mut at) = (Vec::new(), 0);
        while at < whole.len() {
            let start = starts.iter().find(|start| (at..at + size - 1).contains(start));
            let mut payload: Vec<u8> = start.map(|start| (start - at) as u8).into_iter().collect();
            let end = whole.len().min(at + size - payload.len());
            payload.extend(&whole[at..end]);
            payload.resize(size, 0xff);
            packets.push((start.is_some(), payload));
            at = end;
        }
        packets
    }

    #[test]
    fn sections_in_packets() {
        let sections = [write_map(&map(), 0), write_programs(1, 5), write_map(&map(), 0)];
        for size in [4, 7, 16, 50, 184] {
            let packets = packets(&sections, size);
            let (mut assembler, mut heard) = (Sections::default(), Vec::new());
            for (start, payload) in &packets {
                assembler.push(*start, payload, |section| heard.push(section.to_vec()));
            }
            assert_eq!(heard, sections, "{size}");
            // Each packet left out: what is heard was said.
            for missing in 0..packets.len() {
                let mut assembler = Sections::default();
                for (at, (start, payload)) in packets.iter().enumerate() {
                    if at == missing {
                        assembler.reset();
                        continue;
                    }
                    assembler.push(*start, payload, |section| assert!(sections.contains(&section.to_vec())));
                }
            }
        }
        let mut assembler = Sections::default();
        assembler.push(true, &[9, 0, 0], |_| panic!("a pointer behind the end"));
        assembler.push(true, &[0, 2, 0x0f, 0xff], |_| panic!("a section that is too long"));
        assembler.push(false, &[0; 184], |_| panic!("no section has begun"));
        assert!(assembler.held.is_empty());
    }
}
