//! One track of an RTMP stream: how it is coded, and when its samples are decoded.
//!
//! A timestamp is a whole millisecond, and a frame of sound is not a whole number of them. So the times of sound are counted in its own samples:
//! a frame begins where the one before it ends, as long as its timestamp says so within [`ROUNDING`].

use bytes::Bytes;

use crate::proto::hls::codec::{Error, aac, ac3, av1, avc, eac3, hevc, opus};
use crate::proto::hls::track::{Config, Edit, Language, Matrix, Sample, Shape, Timescale, Track};
use crate::proto::rtmp::flv::{AudioCodec, VideoCodec};

/// The number of the track of pictures.
pub(super) const VIDEO: u32 = 1;
/// The number of the track of sound.
pub(super) const AUDIO: u32 = 2;

/// Milliseconds that a timestamp of sound may be away from the end of the frame before: timestamps are rounded, and encoders add rounded durations.
const ROUNDING: i64 = 3;

/// A track, and where it is.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) track: Track,
    /// Where the next frame of sound should begin, in ticks.
    expected: Option<i64>,
    /// The last decode time, in ticks.
    last: Option<i64>,
}

impl Lane {
    /// A track of pictures, by the record that configures its decoder. `told` are its measures by the metadata.
    pub(super) fn video(codec: VideoCodec, record: &[u8], told: (u16, u16)) -> Result<Self, Error> {
        let (config, size) = match codec {
            VideoCodec::Avc => {
                let config = avc::Config::parse(record)?;
                let size = config.size();
                (Config::Avc(config), size)
            }
            VideoCodec::Hevc => {
                let config = hevc::Config::parse(record)?;
                let size = config.size();
                (Config::Hevc(config), size)
            }
            VideoCodec::Av1 => {
                let config = av1::Config::parse(record)?;
                let size = config.size();
                (Config::Av1(config), size)
            }
        };
        let size = size.and_then(|(width, height)| Some((width.try_into().ok()?, height.try_into().ok()?)));
        let (width, height) = size.unwrap_or(told);
        Ok(Self::new(VIDEO, Timescale::MILLIS, config, Shape::Video { width, height }))
    }

    /// A track of sound, by the record that configures its decoder, or by its first frame where there is no record.
    pub(super) fn audio(codec: AudioCodec, record: &[u8]) -> Result<Self, Error> {
        let (config, rate, channels) = match codec {
            AudioCodec::Aac => {
                let config = aac::Config::parse(record)?;
                // Frames are counted at the rate of the core: what is replicated above it has twice as many samples in the same time.
                let (rate, channels) = (config.core_rate, config.channels());
                (Config::Aac(config), rate, channels)
            }
            AudioCodec::Opus => {
                let config = opus::Config::parse(&opus_record(record)?)?;
                let channels = config.channels();
                (Config::Opus(config), 48_000, channels)
            }
            AudioCodec::Ac3 => {
                let (config, _) = ac3::syncframe(record)?;
                let (rate, channels) = (config.sample_rate(), config.channels());
                (Config::Ac3(config), rate, channels)
            }
            AudioCodec::Eac3 => {
                let config = eac3::Config::from_heads(&heads(record)?)?;
                let (rate, channels) = (config.sample_rate(), config.channels());
                (Config::Eac3(config), rate, channels)
            }
        };
        let timescale = Timescale::new(rate).unwrap_or(Timescale::MILLIS);
        let shape = Shape::Audio { sample_rate: rate, channels: channels.into() };
        Ok(Self::new(AUDIO, timescale, config, shape))
    }

    fn new(id: u32, timescale: Timescale, config: Config, shape: Shape) -> Self {
        let track = Track {
            id,
            timescale,
            config,
            in_band: false,
            shape,
            matrix: Matrix::UNITY,
            language: Language::UNDETERMINED,
            edit: Edit::default(),
            extensions: Bytes::new(),
        };
        Self { track, expected: None, last: None }
    }

    /// Goes on where another lane of the same track was, in the same timescale.
    pub(super) fn follow(&mut self, before: &Self) {
        (self.expected, self.last) = (before.expected, before.last);
    }

    /// Times begin anew.
    pub(super) fn restart(&mut self) {
        (self.expected, self.last) = (None, None);
    }

    /// A sample at so many milliseconds; `None` if it cannot be placed behind the last one within reason.
    pub(super) fn sample(&mut self, at: i64, composition: i32, key: bool, data: &[u8]) -> Option<Sample> {
        let scale = self.track.timescale;
        let said = Timescale::MILLIS.rescale(at, scale)?;
        let frame = frame_length(&self.track.config, data);
        let rounding = Timescale::MILLIS.rescale(ROUNDING, scale)?;
        let mut dts = match self.expected {
            Some(expected) if (said - expected).abs() <= rounding => expected,
            _ => said,
        };
        if let Some(last) = self.last
            && dts <= last
        {
            // Encoders repeat a millisecond, or step back by a few: order is kept, and the time nearly.
            dts = last + 1;
        }
        self.last = Some(dts);
        self.expected = frame.map(|samples| dts + i64::from(samples));
        let size = u32::try_from(data.len()).ok()?;
        Some(Sample { dts, composition_offset: composition, duration: 0, size, key })
    }

    /// How far a time of the connection is behind the last sample, in milliseconds.
    pub(super) fn behind(&self, at: i64) -> i64 {
        let last = self.last.and_then(|last| self.track.timescale.rescale(last, Timescale::MILLIS));
        last.map_or(0, |last| last - at)
    }
}

/// Samples of a frame of sound; `None` where they are not told.
fn frame_length(config: &Config, data: &[u8]) -> Option<u32> {
    match config {
        Config::Aac(config) => Some(config.frame_samples.into()),
        Config::Opus(_) => opus::packet_samples(data),
        Config::Ac3(_) => Some(1536),
        Config::Eac3(_) => eac3::Head::parse(data).ok().map(|head| u32::from(head.blocks) * 256),
        _ => None,
    }
}

/// The heads of the substreams of an access unit of Enhanced AC-3.
fn heads(mut unit: &[u8]) -> Result<Vec<eac3::Head>, Error> {
    let mut heads = Vec::new();
    while !unit.is_empty() && heads.len() < 16 {
        let head = eac3::Head::parse(unit)?;
        unit = unit.get(head.size..).unwrap_or_default();
        heads.push(head);
    }
    Ok(heads)
}

/// The contents of `dOps` for the identification header of Opus (RFC 7845 section 5.1): the same fields, in the other order of bytes.
fn opus_record(header: &[u8]) -> Result<Vec<u8>, Error> {
    const WHAT: &str = "the header of Opus";
    let Some(fields) = header.strip_prefix(b"OpusHead") else {
        return Err(Error::Unsupported { what: WHAT, feature: "one that does not begin with OpusHead" });
    };
    let Some((fixed, mapping)) = fields.split_first_chunk::<11>() else {
        return Err(Error::Short { what: WHAT, at: header.len() });
    };
    let [version, channels, skip @ .., family] = *fixed;
    // Versions up to 15 can be read as the first one.
    if version > 15 {
        return Err(Error::Value { what: WHAT, at: 9, field: "version", value: version.into() });
    }
    let [s0, s1, r0, r1, r2, r3, g0, g1] = skip;
    let mut record = vec![0, channels, s1, s0, r3, r2, r1, r0, g1, g0, family];
    record.extend_from_slice(mapping);
    Ok(record)
}
