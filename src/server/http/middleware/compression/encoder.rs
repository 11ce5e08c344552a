//! The three encoders behind one face.

use std::io::{self, Write};

use brotli::CompressorWriter;
use flate2::write::GzEncoder;

use crate::proto::http::negotiate::Coding;

/// How hard to try, for replies that are compressed while their client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// gzip: 1 to 9. nginx takes 1, Caddy 5.
    pub gzip: u32,
    /// Brotli: 0 to 11. Above 4 the time grows faster than the gain.
    pub brotli: u32,
    /// Zstandard: 1 to 19, as the windows of higher ones are larger than browsers take. 3 is its own default.
    pub zstd: i32,
}

impl Default for Levels {
    fn default() -> Self {
        Self { gzip: 5, brotli: 4, zstd: 3 }
    }
}

/// The window of Brotli as a power of two: 1 MiB, a sixteenth of the largest, as each reply under way holds one.
const BROTLI_WINDOW: u32 = 20;
/// The window of Zstandard as a power of two: 1 MiB. RFC 8878 section 3.1.1.1.2 asks decoders for 8 MiB.
const ZSTD_WINDOW: u32 = 20;
/// Bytes that the Brotli encoder hands over at once.
const BROTLI_BUFFER: usize = 4096;

/// An encoder that writes to memory.
pub(super) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// An encoder for one body.
    ///
    /// # Errors
    /// The coding is identity, or the encoder does not start: no memory, or a level that it does not have.
    pub(super) fn new(coding: Coding, levels: Levels) -> io::Result<Self> {
        Ok(match coding {
            Coding::Gzip => {
                let level = flate2::Compression::new(levels.gzip.min(9));
                Self::Gzip(GzEncoder::new(Vec::new(), level))
            }
            Coding::Brotli => Self::Brotli(Box::new(CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER,
                levels.brotli.min(11),
                BROTLI_WINDOW,
            ))),
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), zstd_level(levels))?;
                encoder.window_log(ZSTD_WINDOW)?;
                Self::Zstd(encoder)
            }
            Coding::Identity => return Err(io::Error::from(io::ErrorKind::Unsupported)),
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Brotli(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// Makes everything written so far readable for the decoder.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Brotli(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }

    /// What has come out so far.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }

    /// Ends the stream, and gives what has come out since.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            // It writes to memory, which does not fail.
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

fn zstd_level(levels: Levels) -> i32 {
    levels.zstd.clamp(1, 19)
}

/// All of a body at once.
///
/// # Errors
/// As for [`Encoder::new`].
pub(super) fn whole(coding: Coding, levels: Levels, bytes: &[u8]) -> io::Result<Vec<u8>> {
    if coding == Coding::Zstd {
        // Knowing the length, it takes tables of that size instead of megabytes.
        return zstd::bulk::compress(bytes, zstd_level(levels));
    }
    let mut encoder = Encoder::new(coding, levels)?;
    encoder.write(bytes)?;
    encoder.finish()
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Read;

    use super::*;

    /// What a decoder makes of `bytes`, also when they are only the front of a stream.
    pub(crate) fn decoded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        let mut decoder: Box<dyn Read> = match coding {
            Coding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
            Coding::Brotli => Box::new(brotli::Decompressor::new(bytes, 4096)),
            Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
            Coding::Identity => Box::new(bytes),
        };
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = decoder.read(&mut buffer) {
            plain.extend_from_slice(&buffer[..n]);
        }
        plain
    }

    #[test]
    fn what_is_written_comes_back_whole_or_in_pieces() {
        let text: Vec<u8> = (0..40_000_u32).flat_map(|i| (i * i % 977).to_string().into_bytes()).collect();
        for coding in super::super::PREFERENCE {
            let at_once = whole(coding, Levels::default(), &text).unwrap();
            assert!(at_once.len() < text.len() / 2, "{coding:?}");
            assert_eq!(decoded(coding, &at_once), text, "{coding:?}");

            let mut encoder = Encoder::new(coding, Levels::default()).unwrap();
            let mut pieces = Vec::new();
            for chunk in text.chunks(10_001) {
                encoder.write(chunk).unwrap();
                encoder.flush().unwrap();
                pieces.append(encoder.output());
            }
            let flushed = decoded(coding, &pieces);
            assert_eq!(flushed.len(), text.len(), "{coding:?}: readable before the end");
            pieces.extend(encoder.finish().unwrap());
            assert_eq!(decoded(coding, &pieces), text, "{coding:?}");
        }
    }

    #[test]
    fn identity_has_no_encoder() {
        assert!(Encoder::new(Coding::Identity, Levels::default()).is_err());
    }
}
