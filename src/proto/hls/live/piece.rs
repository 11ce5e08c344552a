//! The bytes of a live stream: initialization sections and parts, in fragmented MP4 (section 3.1.2).
//!
//! Pictures and sound of a rendition are in the same parts. A viewer then makes half as many requests, what is heard is always as far as what is seen, and one playlist moves on
//! by one clock; hls.js, Safari and ffmpeg play it. Sound that is chosen apart from the pictures would need parts of its own, cut at its own frames.

use bytes::{Bytes, BytesMut};

use super::super::mp4::chunk::{self, Run};
use super::super::mp4::init;
use super::super::mp4::message::Message;
use super::super::mp4::segment::{Piece, put_type};
use super::super::track::{Sample, Shape, Track};
use super::lane::{Held, Lane};

/// Samples of a track that go into a part, and when the first one is decoded, in ticks of the stream.
pub(super) struct Taken<'a> {
    pub(super) lane: &'a Lane,
    pub(super) start: i64,
    pub(super) samples: Vec<Held>,
}

/// The initialization section of tracks.
pub(super) fn initialization(tracks: &[Track]) -> Bytes {
    let mut out = BytesMut::new();
    init::put(&mut out, tracks);
    out.freeze()
}

/// A part: the first of its segment or another one, with messages and their times in 90 kHz. `None` for more than 2 GiB.
pub(super) fn part(
    first: bool,
    sequence: u32,
    messages: &[(i64, Message)],
    taken: &[Taken<'_>],
) -> Option<Bytes> {
    let payload: usize = taken.iter().flat_map(|taken| &taken.samples).map(|held| held.data.len()).sum();
    let mut out = BytesMut::with_capacity(
        payload + 1024 + taken.iter().map(|taken| taken.samples.len() * 16).sum::<usize>(),
    );
    if first {
        put_type(&mut out, Piece::Segment);
    }
    for (at, message) in messages {
        message.put(&mut out, u64::try_from(*at).unwrap_or(0));
    }
    let samples: Vec<Vec<Sample>> =
        taken.iter().map(|taken| taken.samples.iter().map(|held| held.sample).collect()).collect();
    let run = |(taken, samples): (&Taken<'_>, _)| Run {
        track: taken.lane.track.id,
        start: u64::try_from(taken.start).unwrap_or(0),
        samples,
    };
    let runs: Vec<Run<'_>> = taken.iter().zip(samples.iter().map(Vec::as_slice)).map(run).collect();
    chunk::put(&mut out, sequence, &runs).ok()?;
    for held in taken.iter().flat_map(|taken| &taken.samples) {
        out.extend_from_slice(&held.data);
    }
    Some(out.freeze())
}

/// What a rendition is, for the multivariant playlist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// Its codecs by RFC 6381, the pictures' first.
    pub codecs: String,
    /// Columns and rows of its pictures.
    pub size: Option<(u16, u16)>,
    /// Pictures a second.
    pub frame_rate: Option<f64>,
    /// Channels of its sound; 0 when it has none.
    pub channels: u16,
}

impl Contents {
    /// What tracks are, whose pictures take `picture` seconds.
    pub(super) fn of(tracks: &[Track], picture: f64) -> Self {
        let codecs: Vec<String> = tracks.iter().map(Track::codec_string).collect();
        let size = tracks.iter().find_map(|track| match track.shape {
            Shape::Video { width, height } => Some((width, height)),
            _ => None,
        });
        let channels = tracks.iter().find_map(|track| match track.shape {
            Shape::Audio { channels, .. } => Some(channels),
            _ => None,
        });
        let frame_rate = size.filter(|_| picture > 0.0).map(|_| (1000.0 / picture).round() / 1000.0);
        Self { codecs: codecs.join(","), size, frame_rate, channels: channels.unwrap_or(0) }
    }
}
