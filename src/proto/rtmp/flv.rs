//! What is in audio and video messages: the bodies of FLV tags.
//!
//! Video File Format Specification 10.1, annex E.4.2 and E.4.3, and Enhanced RTMP 2, which names codecs by four letters.

use bytes::Bytes;

/// The body of a video message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Video {
    /// The configuration of the decoder: `avcC`, `hvcC` or `av1C`.
    Config(VideoCodec, Bytes),
    /// A coded picture.
    Frame {
        /// How it is coded.
        codec: VideoCodec,
        /// Whether decoding can begin with it.
        key: bool,
        /// Milliseconds from decoding to showing.
        composition: i32,
        /// The sample, as MP4 has it: NAL units behind their lengths.
        data: Bytes,
    },
    /// Nothing that is to be kept: the end of a sequence, commands, metadata of colours.
    Other,
}

/// How pictures are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoCodec {
    /// H.264.
    Avc,
    /// H.265.
    Hevc,
    /// AV1.
    Av1,
}

/// The body of an audio message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audio {
    /// The configuration of the decoder: AudioSpecificConfig, or the header of Opus.
    Config(AudioCodec, Bytes),
    /// A coded frame.
    Frame(AudioCodec, Bytes),
    /// Nothing that is to be kept.
    Other,
}

/// How sound is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioCodec {
    /// AAC.
    Aac,
    /// Opus.
    Opus,
    /// Dolby Digital.
    Ac3,
    /// Dolby Digital Plus.
    Eac3,
}

/// Why the body of a message cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlvError {
    /// It ends too early.
    #[error("the tag ends too early")]
    Short,
    /// A codec that HLS does not carry, by its number.
    #[error("FLV codec {0} is not taken; AVC, HEVC, AV1, AAC, Opus and AC-3 are")]
    Codec(u8),
    /// Likewise, by its four letters.
    #[error("codec {} is not taken; avc1, hvc1, av01, mp4a, Opus, ac-3 and ec-3 are", .0.escape_ascii())]
    FourCc([u8; 4]),
    /// Several tracks in one message.
    #[error("several tracks in one message are not taken")]
    Multitrack,
}

/// Packet types of Enhanced RTMP.
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const CODED_FRAMES_X: u8 = 3;
const VIDEO_MULTITRACK: u8 = 6;
const MOD_EX: u8 = 7;
const AUDIO_MULTITRACK: u8 = 5;

impl Video {
    /// Reads the body of a video message.
    ///
    /// # Errors
    /// It ends too early, or is coded in a way that is not taken.
    pub fn read(body: &Bytes) -> Result<Self, FlvError> {
        let first = *body.first().ok_or(FlvError::Short)?;
        if first & 0x80 != 0 {
            return Self::enhanced(first, body);
        }
        let (frame, codec) = (first >> 4, first & 0x0f);
        if frame == 5 {
            return Ok(Self::Other);
        }
        if codec != 7 {
            return Err(FlvError::Codec(codec));
        }
        let kind = *body.get(1).ok_or(FlvError::Short)?;
        let composition = signed_24(body, 2)?;
        let data = body.slice(5..);
        Ok(match kind {
            0 => Self::Config(VideoCodec::Avc, data),
            1 => Self::Frame { codec: VideoCodec::Avc, key: frame == 1, composition, data },
            _ => Self::Other,
        })
    }

    fn enhanced(first: u8, body: &Bytes) -> Result<Self, FlvError> {
        let (frame, mut kind) = (first >> 4 & 7, first & 0x0f);
        let mut at = 1;
        // Modifiers stand before what they modify: a length, as many bytes, and the type that follows.
        while kind == MOD_EX {
            (at, kind) = modifier(body, at)?;
        }
        if frame == 5 {
            return Ok(Self::Other);
        }
        if kind == VIDEO_MULTITRACK {
            return Err(FlvError::Multitrack);
        }
        let codec = match &four(body, at)? {
            b"avc1" => VideoCodec::Avc,
            b"hvc1" => VideoCodec::Hevc,
            b"av01" => VideoCodec::Av1,
            other => return Err(FlvError::FourCc(*other)),
        };
        at += 4;
        // Only codecs that reorder pictures say by how much, and only in this type.
        let composed = kind == CODED_FRAMES && codec != VideoCodec::Av1;
        let composition = if composed { signed_24(body, at)? } else { 0 };
        if composed {
            at += 3;
        }
        let data = body.slice(at..);
        Ok(match kind {
            SEQUENCE_START => Self::Config(codec, data),
            CODED_FRAMES | CODED_FRAMES_X => Self::Frame { codec, key: frame == 1, composition, data },
            _ => Self::Other,
        })
    }
}

impl Audio {
    /// Reads the body of an audio message.
    ///
    /// # Errors
    /// It ends too early, or is coded in a way that is not taken.
    pub fn read(body: &Bytes) -> Result<Self, FlvError> {
        let first = *body.first().ok_or(FlvError::Short)?;
        match first >> 4 {
            10 => {
                let kind = *body.get(1).ok_or(FlvError::Short)?;
                let data = body.slice(2..);
                Ok(match kind {
                    0 => Self::Config(AudioCodec::Aac, data),
                    1 => Self::Frame(AudioCodec::Aac, data),
                    _ => Self::Other,
                })
            }
            9 => Self::enhanced(first, body),
            codec => Err(FlvError::Codec(codec)),
        }
    }

    fn enhanced(first: u8, body: &Bytes) -> Result<Self, FlvError> {
        let (mut at, mut kind) = (1, first & 0x0f);
        while kind == MOD_EX {
            (at, kind) = modifier(body, at)?;
        }
        if kind == AUDIO_MULTITRACK {
            return Err(FlvError::Multitrack);
        }
        let codec = match &four(body, at)? {
            b"mp4a" => AudioCodec::Aac,
            b"Opus" => AudioCodec::Opus,
            b"ac-3" => AudioCodec::Ac3,
            b"ec-3" => AudioCodec::Eac3,
            other => return Err(FlvError::FourCc(*other)),
        };
        let data = body.slice(at + 4..);
        Ok(match kind {
            SEQUENCE_START => Self::Config(codec, data),
            CODED_FRAMES => Self::Frame(codec, data),
            _ => Self::Other,
        })
    }
}

/// Skips a modifier: where what follows it stands, and of what type that is.
fn modifier(body: &Bytes, at: usize) -> Result<(usize, u8), FlvError> {
    let byte = |at: usize| body.get(at).copied().ok_or(FlvError::Short);
    let (length, at) = match byte(at)? {
        255 => (usize::from(byte(at + 1)?) * 256 + usize::from(byte(at + 2)?) + 1, at + 3),
        short => (usize::from(short) + 1, at + 1),
    };
    let next = byte(at + length)?;
    Ok((at + length + 1, next & 0x0f))
}

fn four(body: &Bytes, at: usize) -> Result<[u8; 4], FlvError> {
    let four = body.get(at..).and_then(|rest| rest.first_chunk::<4>());
    four.copied().ok_or(FlvError::Short)
}

fn signed_24(body: &Bytes, at: usize) -> Result<i32, FlvError> {
    let three = body.get(at..at + 3).ok_or(FlvError::Short)?;
    Ok(i32::from_be_bytes([three[0], three[1], three[2], 0]) >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static [u8]) -> Bytes {
        Bytes::from_static(text)
    }

    fn frame(codec: VideoCodec, key: bool, composition: i32, data: &'static [u8]) -> Video {
        Video::Frame { codec, key, composition, data: bytes(data) }
    }

    #[test]
    fn pictures() {
        use VideoCodec::{Av1, Avc, Hevc};
        for (body, expected) in [
            (&b"\x17\0\0\0\0cfg"[..], Ok(Video::Config(Avc, bytes(b"cfg")))),
            (b"\x17\x01\0\0\x28x", Ok(frame(Avc, true, 40, b"x"))),
            (b"\x27\x01\xff\xff\xd8x", Ok(frame(Avc, false, -40, b"x"))),
            (b"\x27\x02\0\0\0", Ok(Video::Other)),
            (b"\x57\0", Ok(Video::Other)),
            (b"\x12\0\0\0\0", Err(FlvError::Codec(2))),
            (b"\x90hvc1cfg", Ok(Video::Config(Hevc, bytes(b"cfg")))),
            (b"\x91hvc1\0\0\x14x", Ok(frame(Hevc, true, 20, b"x"))),
            (b"\xa3hvc1x", Ok(frame(Hevc, false, 0, b"x"))),
            (b"\x91av01x", Ok(frame(Av1, true, 0, b"x"))),
            (b"\x92avc1", Ok(Video::Other)),
            // A modifier of two bytes, and what it modifies.
            (b"\x97\x01ab\x01avc1\0\0\0x", Ok(frame(Avc, true, 0, b"x"))),
            (b"\x91vp09x", Err(FlvError::FourCc(*b"vp09"))),
            (b"\x96", Err(FlvError::Multitrack)),
            (b"", Err(FlvError::Short)),
            (b"\x17\x01\0", Err(FlvError::Short)),
            (b"\x91hv", Err(FlvError::Short)),
            (b"\x91hvc1\0", Err(FlvError::Short)),
            (b"\x97\xff\xff\xff", Err(FlvError::Short)),
        ] {
            assert_eq!(Video::read(&bytes(body)), expected, "{body:?}");
        }
    }

    #[test]
    fn sound() {
        use AudioCodec::{Aac, Eac3, Opus};
        for (body, expected) in [
            (&b"\xaf\0\x12\x10"[..], Ok(Audio::Config(Aac, bytes(b"\x12\x10")))),
            (b"\xaf\x01x", Ok(Audio::Frame(Aac, bytes(b"x")))),
            (b"\xaf\x02", Ok(Audio::Other)),
            (b"\x90OpusOpusHead", Ok(Audio::Config(Opus, bytes(b"OpusHead")))),
            (b"\x91ec-3x", Ok(Audio::Frame(Eac3, bytes(b"x")))),
            (b"\x94mp4a", Ok(Audio::Other)),
            (b"\x91.mp3x", Err(FlvError::FourCc(*b".mp3"))),
            (b"\x95", Err(FlvError::Multitrack)),
            (b"\x2f", Err(FlvError::Codec(2))),
            (b"", Err(FlvError::Short)),
            (b"\xaf", Err(FlvError::Short)),
        ] {
            assert_eq!(Audio::read(&bytes(body)), expected, "{body:?}");
        }
    }

    #[test]
    fn whatever_comes_is_read_or_refused() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..50_000 {
            let mut body: Vec<u8> = (0..random.usize(..14)).map(|_| random.u8(..)).collect();
            if let (Some(at), true) = (body.len().checked_sub(6), random.bool()) {
                body[at..at + 4].copy_from_slice(b"hvc1");
            }
            let body = Bytes::from(body);
            drop((Video::read(&body), Audio::read(&body)));
        }
    }
}
