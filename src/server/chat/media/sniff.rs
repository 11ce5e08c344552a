//! What a file is, by its first bytes: what its sender says is never believed.
//!
//! A small table after the WHATWG's MIME Sniffing Standard (section 6, the tables of images, audio, video and archives), with containers looked
//! into far enough to tell sound from pictures. It is a table of our own rather than the one of a crate, as each row is also a decision: only what a
//! browser shows without running anything may be shown in place ([`Kind::is_shown`]). What could be run (HTML, SVG, XML, scripts
//! that begin as such) has no row: it is `application/octet-stream`, to be saved. Text is told by having no byte that text never has.

/// Bytes from the beginning of a file that decide; the standard's "resource header" has 1445.
pub const HEADER: usize = 4096;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Media type, without parameters.
    pub essence: &'static str,
    /// What names of such files end with.
    pub extension: &'static str,
    shown: bool,
}

impl Kind {
    /// Whether browsers may show it in place; else it is to be saved.
    #[must_use]
    pub fn is_shown(self) -> bool {
        self.shown
    }

    /// The kind of this media type, if there is one.
    #[must_use]
    pub fn of(essence: &str) -> Option<Self> {
        KINDS.iter().find(|kind| kind.essence == essence).copied()
    }
}

/// What nothing more is known of.
pub const UNKNOWN: Kind = saved("application/octet-stream", "bin");

const JPEG: Kind = shown("image/jpeg", "jpg");
const PNG: Kind = shown("image/png", "png");
const GIF: Kind = shown("image/gif", "gif");
const WEBP: Kind = shown("image/webp", "webp");
const AVIF: Kind = shown("image/avif", "avif");
const HEIC: Kind = saved("image/heic", "heic");
const MP4: Kind = shown("video/mp4", "mp4");
const QUICKTIME: Kind = shown("video/quicktime", "mov");
const WEBM: Kind = shown("video/webm", "webm");
const MATROSKA: Kind = saved("video/x-matroska", "mkv");
const OGG_VIDEO: Kind = shown("video/ogg", "ogv");
const AUDIO_MP4: Kind = shown("audio/mp4", "m4a");
const MP3: Kind = shown("audio/mpeg", "mp3");
const AAC: Kind = shown("audio/aac", "aac");
const OGG_AUDIO: Kind = shown("audio/ogg", "ogg");
const WAV: Kind = shown("audio/wav", "wav");
const FLAC: Kind = shown("audio/flac", "flac");
const PDF: Kind = saved("application/pdf", "pdf");
const ZIP: Kind = saved("application/zip", "zip");
const GZIP: Kind = saved("application/gzip", "gz");
const TEXT: Kind = shown("text/plain", "txt");

const KINDS: &[Kind] = &[
    UNKNOWN, JPEG, PNG, GIF, WEBP, AVIF, HEIC, MP4, QUICKTIME, WEBM, MATROSKA, OGG_VIDEO, AUDIO_MP4, MP3,
    AAC, OGG_AUDIO, WAV, FLAC, PDF, ZIP, GZIP, TEXT,
];

const fn shown(essence: &'static str, extension: &'static str) -> Kind {
    Kind { essence, extension, shown: true }
}

const fn saved(essence: &'static str, extension: &'static str) -> Kind {
    Kind { essence, extension, shown: false }
}

/// Files that begin with these bytes, at this place.
const MAGIC: &[(usize, &[u8], Kind)] = &[
    (0, b"\xFF\xD8\xFF", JPEG),
    (0, b"\x89PNG\r\n\x1A\n", PNG),
    (0, b"GIF87a", GIF),
    (0, b"GIF89a", GIF),
    (0, b"fLaC", FLAC),
    (0, b"ID3", MP3),
    (0, b"%PDF-", PDF),
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
    (0, b"\x1F\x8B\x08", GZIP),
];

/// What a file is that begins with `header`, its first [`HEADER`] bytes, or all of them if it is shorter.
#[must_use]
pub fn sniff(header: &[u8]) -> Kind {
    let header = &header[..header.len().min(HEADER)];
    let begins = |(at, magic, _): &&(usize, &[u8], Kind)| {
        header.get(*at..).is_some_and(|rest| rest.starts_with(magic))
    };
    if let Some((_, _, kind)) = MAGIC.iter().find(begins) {
        return *kind;
    }
    let container =
        riff(header).or_else(|| iso_media(header)).or_else(|| ebml(header)).or_else(|| ogg(header));
    container.or_else(|| mpeg_audio(header)).or_else(|| text(header)).unwrap_or(UNKNOWN)
}

fn riff(header: &[u8]) -> Option<Kind> {
    header.strip_prefix(b"RIFF")?;
    match header.get(8..12)? {
        b"WAVE" => Some(WAV),
        b"WEBP" if header.get(12..14)? == b"VP" => Some(WEBP),
        _ => None,
    }
}

/// ISO base media: a first box `ftyp`, with the brand that the file is made for and those that can read it, too.
fn iso_media(header: &[u8]) -> Option<Kind> {
    let size = u32::from_be_bytes(*header.first_chunk()?);
    if header.get(4..8)? != b"ftyp" || size < 12 || !size.is_multiple_of(4) {
        return None;
    }
    let end = usize::try_from(size).ok()?.min(header.len());
    let brand = |text: &[u8]| match text {
        b"avif" | b"avis" => Some(AVIF),
        b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1" => Some(HEIC),
        b"qt  " => Some(QUICKTIME),
        b"M4A " | b"M4B " | b"M4P " | b"F4A " => Some(AUDIO_MP4),
        b"isom" | b"iso2" | b"iso3" | b"iso4" | b"iso5" | b"iso6" | b"avc1" | b"dash" | b"MSNV" | b"M4V "
        | b"M4VH" | b"M4VP" | b"F4V " => Some(MP4),
        text if text.starts_with(b"mp4") => Some(MP4),
        _ => None,
    };
    let major = brand(header.get(8..12)?);
    let compatible = || header.get(16..end).unwrap_or_default().chunks_exact(4).filter_map(brand);
    // The major brand of AVIF may be `mif1`, which says no more than that it is a picture.
    if matches!(major, None | Some(HEIC)) && compatible().any(|kind| kind == AVIF) {
        return Some(AVIF);
    }
    major.or_else(|| compatible().next())
}

/// Matroska and WebM: an EBML header, in which the element `DocType` (0x4282) tells which.
fn ebml(header: &[u8]) -> Option<Kind> {
    header.strip_prefix(b"\x1A\x45\xDF\xA3")?;
    let place = memchr::memmem::find(header, b"\x42\x82")?;
    let name = header.get(place + 3..)?;
    if name.starts_with(b"webm") { Some(WEBM) } else { name.starts_with(b"matroska").then_some(MATROSKA) }
}

/// Ogg (RFC 3533): the first page holds the first packet of the first stream, which names its codec.
fn ogg(header: &[u8]) -> Option<Kind> {
    header.strip_prefix(b"OggS\0")?;
    let segments = usize::from(*header.get(26)?);
    let packet = header.get(27 + segments..)?;
    if packet.starts_with(b"\x80theora") {
        return Some(OGG_VIDEO);
    }
    let sound: [&[u8]; 4] = [b"OpusHead", b"\x01vorbis", b"\x7FFLAC", b"Speex   "];
    sound.iter().any(|codec| packet.starts_with(codec)).then_some(OGG_AUDIO)
}

/// MP3 and AAC without a container: two frames of the same kind, the second where the first ends. Two bytes alone are met by chance.
fn mpeg_audio(header: &[u8]) -> Option<Kind> {
    let (kind, length) = audio_frame(header)?;
    let (next, _) = audio_frame(header.get(length..)?)?;
    (kind == next).then_some(kind)
}

/// What kind of frame `bytes` begin with, and its length.
fn audio_frame(bytes: &[u8]) -> Option<(Kind, usize)> {
    let head: &[u8; 6] = bytes.first_chunk()?;
    if head[0] != 0xFF || head[1] & 0xE0 != 0xE0 {
        return None;
    }
    if head[1] & 0xF6 == 0xF0 {
        // ADTS: 13 bits of length, with the header.
        let length = usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
        return (length >= 7).then_some((AAC, length));
    }
    // Layer III; the standard's section 6.2.3 has the arithmetic.
    let (version, layer) = (head[1] >> 3 & 3, head[1] >> 1 & 3);
    if version == 1 || layer != 1 {
        return None;
    }
    const MPEG1: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const MPEG2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let one = version == 3;
    let kilobits =
        *(if one { MPEG1 } else { MPEG2 }).get(usize::from(head[2] >> 4)).filter(|rate| **rate > 0)?;
    let rate = *[44_100, 48_000, 32_000].get(usize::from(head[2] >> 2 & 3))?;
    let rate = match version {
        3 => rate,
        2 => rate / 2,
        _ => rate / 4,
    };
    let samples = if one { 144 } else { 72 };
    let padding = usize::from(head[2] >> 1 & 1);
    Some((MP3, samples * kilobits * 1000 / rate + padding))
}

/// UTF-8 without control characters, which is no markup and no script of a shell.
fn text(header: &[u8]) -> Option<Kind> {
    let whole = match std::str::from_utf8(header) {
        Ok(text) => text,
        // The header may end within a character.
        Err(error) if error.error_len().is_none() && header.len() == HEADER => {
            std::str::from_utf8(&header[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let plain = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\x0C' | '\x1B');
    (!whole.is_empty() && whole.chars().all(plain) && !is_active(whole)).then_some(TEXT)
}

/// Whether some program might run it: markup, or a script that says what runs it.
fn is_active(text: &str) -> bool {
    let start = text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
    if start.starts_with('<') || start.starts_with("#!") || start.starts_with("%!PS") {
        return true;
    }
    let lower = text.to_ascii_lowercase();
    ["<script", "<html", "<svg", "<!doctype", "<?xml", "<iframe", "<?php"]
        .iter()
        .any(|tag| lower.contains(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mp3_frame() -> Vec<u8> {
        // MPEG-1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes.
        let mut frame = vec![0xFF, 0xFB, 0x90, 0x00];
        frame.resize(417, 0);
        frame
    }

    fn ogg_page(packet: &[u8]) -> Vec<u8> {
        let mut page = b"OggS\0\x02".to_vec();
        page.resize(26, 0);
        page.push(1);
        page.push(u8::try_from(packet.len()).unwrap());
        page.extend_from_slice(packet);
        page
    }

    #[test]
    fn files_are_what_their_bytes_say() {
        let two_frames = [mp3_frame(), mp3_frame()].concat();
        let long = "caf\u{e9} ".repeat(1000);
        for (header, expected, shown) in [
            (&b"\xFF\xD8\xFF\xE0\0\x10JFIF"[..], "image/jpeg", true),
            (b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR", "image/png", true),
            (b"GIF89a\x01\0\x01\0", "image/gif", true),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp", true),
            (b"\0\0\0\x1Cftypavif\0\0\0\0avifmif1", "image/avif", true),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "image/avif", true),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic", false),
            (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "video/mp4", true),
            (b"\0\0\0\x18ftypXXXX\0\0\0\0XXXXiso5", "video/mp4", true),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video/quicktime", true),
            (b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42", "audio/mp4", true),
            (b"\x1A\x45\xDF\xA3\x9F\x42\x86\x81\x01\x42\x82\x84webm\x42\x87", "video/webm", true),
            (b"\x1A\x45\xDF\xA3\xA3\x42\x82\x88matroska", "video/x-matroska", false),
            (&ogg_page(b"OpusHead\x01"), "audio/ogg", true),
            (&ogg_page(b"\x01vorbis"), "audio/ogg", true),
            (&ogg_page(b"\x80theora"), "video/ogg", true),
            (&ogg_page(b"unheard"), "application/octet-stream", false),
            (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav", true),
            (b"fLaC\0\0\0\x22", "audio/flac", true),
            (b"ID3\x04\0", "audio/mpeg", true),
            (&two_frames, "audio/mpeg", true),
            (&mp3_frame(), "application/octet-stream", false),
            (b"\xFF\xF1\x50\x80\x00\xE0\x00\xFF\xF1\x50\x80\x00\xE0\x00", "audio/aac", true),
            (b"%PDF-1.7", "application/pdf", false),
            (b"PK\x03\x04\x14\0", "application/zip", false),
            (b"\x1F\x8B\x08\0", "application/gzip", false),
            (b"plain words\r\n\tand tabs", "text/plain", true),
            (long.as_bytes(), "text/plain", true),
            ("\u{feff}marked".as_bytes(), "text/plain", true),
            (b"function f() { return 1 }", "text/plain", true),
            (b"a\0b", "application/octet-stream", false),
            (b"latin \xE9", "application/octet-stream", false),
            (b"\x7FELF\x02\x01", "application/octet-stream", false),
            (b"MZ\x90\0", "application/octet-stream", false),
            (b"", "application/octet-stream", false),
        ] {
            let kind = sniff(header);
            assert_eq!(
                (kind.essence, kind.is_shown()),
                (expected, shown),
                "{}",
                header[..header.len().min(40)].escape_ascii()
            );
            assert_eq!(Kind::of(kind.essence), Some(kind));
        }
    }

    #[test]
    fn nothing_that_runs_is_shown() {
        for active in [
            "<!DOCTYPE html><p>hi",
            "  \n<html>",
            "\u{feff}<svg xmlns='http://www.w3.org/2000/svg'>",
            "<?xml version='1.0'?>",
            "<!-- a --><p>",
            "innocent words, then <SCRIPT>alert(1)</SCRIPT>",
            "#!/bin/sh\nrm -rf /",
            "%!PS-Adobe-3.0",
            "a <?PHP echo 1 ?>",
        ] {
            assert_eq!(sniff(active.as_bytes()), UNKNOWN, "{active}");
        }
    }

    #[test]
    fn a_picture_that_is_markup_too_is_a_picture() {
        assert_eq!(sniff(b"GIF89a/*<script>alert(1)</script>*/=1;"), GIF);
        assert_eq!(sniff(b"\xFF\xD8\xFF\xFE<html><script>"), JPEG);
    }

    #[test]
    fn no_beginning_is_too_short_or_too_strange() {
        let samples: [&[u8]; 5] = [
            b"\0\0\0\x18ftypmp42\0\0\0\0isommp42",
            b"RIFF\x24\0\0\0WEBPVP8 ",
            b"\x1A\x45\xDF\xA3\x42\x82\x84webm",
            b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xFF",
            b"\xFF\xFB\x90\x00\0\0",
        ];
        for sample in samples {
            for end in 0..=sample.len() {
                let _ = sniff(&sample[..end]);
                for byte in 0..=255 {
                    let mut changed = sample[..end].to_vec();
                    if let Some(last) = changed.last_mut() {
                        *last = byte;
                    }
                    let _ = sniff(&changed);
                }
            }
        }
    }
}
