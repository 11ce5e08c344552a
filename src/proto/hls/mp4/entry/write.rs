//! Writing of sample entries.

use bytes::{BufMut, BytesMut};

use super::super::{esds, write};
use crate::proto::hls::track::{Config, Shape, Track};

/// 72 dots an inch, in 16.16 bits, which is what everybody says.
const RESOLUTION: u32 = 72 << 16;
/// Colours without alpha.
const DEPTH: u16 = 24;

/// Appends `stsd` with the entry of `track`.
pub(in super::super) fn put(out: &mut BytesMut, track: &Track) {
    write::full(out, b"stsd", 0, 0, |out| {
        out.put_u32(1);
        write::boxed(out, name(track), |out| {
            out.put_bytes(0, 6);
            out.put_u16(1);
            put_fields(out, track.shape);
            put_record(out, &track.config);
            out.put_slice(&track.extensions);
        });
    });
}

fn name(track: &Track) -> &'static [u8; 4] {
    match (&track.config, track.in_band) {
        (Config::Avc(_), false) => b"avc1",
        (Config::Avc(_), true) => b"avc3",
        (Config::Hevc(_), false) => b"hvc1",
        (Config::Hevc(_), true) => b"hev1",
        (Config::Av1(_), _) => b"av01",
        (Config::Aac(_), _) => b"mp4a",
        (Config::Opus(_), _) => b"Opus",
        (Config::Ac3(_), _) => b"ac-3",
        (Config::Eac3(_), _) => b"ec-3",
        (Config::Wvtt(_), _) => b"wvtt",
    }
}

fn put_fields(out: &mut BytesMut, shape: Shape) {
    match shape {
        Shape::Video { width, height } => {
            out.put_bytes(0, 16);
            out.put_u16(width);
            out.put_u16(height);
            out.put_u32(RESOLUTION);
            out.put_u32(RESOLUTION);
            out.put_u32(0);
            out.put_u16(1); // frames in a sample
            out.put_bytes(0, 32); // name of the compressor
            out.put_u16(DEPTH);
            out.put_i16(-1);
        }
        Shape::Audio { sample_rate, channels } => {
            out.put_bytes(0, 8);
            out.put_u16(channels);
            out.put_u16(16); // bits of a sample
            out.put_u32(0);
            // A rate that does not fit is left to the timescale and to the configuration.
            out.put_u32(u32::from(u16::try_from(sample_rate).unwrap_or(0)) << 16);
        }
        Shape::Text => {}
    }
}

fn put_record(out: &mut BytesMut, config: &Config) {
    match config {
        Config::Avc(config) => write::boxed(out, b"avcC", |out| config.write(out)),
        Config::Hevc(config) => write::boxed(out, b"hvcC", |out| config.write(out)),
        Config::Av1(config) => write::boxed(out, b"av1C", |out| config.write(out)),
        Config::Aac(config) => {
            let mut specific = BytesMut::new();
            config.write(&mut specific);
            esds::put_aac(out, &specific);
        }
        Config::Opus(config) => write::boxed(out, b"dOps", |out| config.write(out)),
        Config::Ac3(config) => write::boxed(out, b"dac3", |out| config.write(out)),
        Config::Eac3(config) => write::boxed(out, b"dec3", |out| config.write(out)),
        Config::Wvtt(text) => write::boxed(out, b"vttC", |out| out.put_slice(text)),
    }
}
