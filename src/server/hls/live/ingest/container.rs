//! From the bytes of a container to a feed.

use bytes::BytesMut;

use super::fragments::Fragments;
use crate::proto::hls::codec::access::Entry;
use crate::proto::hls::live::feed::Feed;
use crate::proto::hls::mp4;
use crate::proto::hls::track::Sample;
use crate::proto::hls::ts::demux::{Demuxer, Limits};
use crate::proto::hls::ts::event::Event;
use crate::proto::hls::ts::{PACKET, SYNC};

/// Bytes of MPEG-TS in a row that may be of no use: the half of a second at 16 Mb/s.
const MAX_LOST: u64 = 1 << 20;

/// Bytes that may wait until all tracks of MPEG-TS have told what they are.
const LIMITS: Limits = Limits { pes: 16 << 20, wait: 8 << 20 };

/// Bytes by which containers are told from each other: three packets of MPEG-TS that begin in the middle of one.
const ENOUGH: usize = 4 * STRIDES[2];

/// Bytes from one packet to the next: alone, behind a time of arrival, or before parity.
const STRIDES: [usize; 3] = [PACKET, 192, 204];

/// Why bytes cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Neither of the two containers.
    #[error("neither MPEG-TS nor fragmented MP4")]
    Unknown,
    /// MP4 that is wrong.
    #[error("MP4: {0}")]
    Mp4(#[from] mp4::Fault),
    /// MP4 in which nothing is.
    #[error("MP4 without a sample")]
    Empty,
    /// No packets, for too long.
    #[error("MPEG-TS: nothing of use in the {MAX_LOST} bytes before byte {0}")]
    Ts(u64),
}

/// Takes a feed out of its container.
#[derive(Default)]
pub struct Container(Kind);

enum Kind {
    Unknown(BytesMut),
    Ts { demuxer: Box<Demuxer>, lost: u64 },
    Mp4(Box<Fragments>),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Unknown(BytesMut::new())
    }
}

impl Container {
    /// Takes bytes as they come. [`poll`](Self::poll) then, until it has nothing.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Kind::Unknown(held) => {
                held.extend_from_slice(bytes);
                self.look(false);
            }
            Kind::Ts { demuxer, .. } => demuxer.push(bytes),
            Kind::Mp4(fragments) => fragments.push(bytes),
        }
    }

    /// No more bytes come. [`poll`](Self::poll) then, whatever is said here.
    ///
    /// # Errors
    /// They end where they should not.
    pub fn finish(&mut self) -> Result<(), Malformed> {
        self.look(true);
        match &mut self.0 {
            Kind::Unknown(held) if held.is_empty() => Ok(()),
            Kind::Unknown(_) => Err(Malformed::Unknown),
            Kind::Ts { demuxer, .. } => {
                demuxer.finish();
                Ok(())
            }
            Kind::Mp4(fragments) => fragments.finish(),
        }
    }

    /// What comes next.
    ///
    /// # Errors
    /// The bytes are no good from here on.
    pub fn poll(&mut self) -> Result<Option<Feed>, Malformed> {
        loop {
            let event = match &mut self.0 {
                Kind::Unknown(held) if held.len() >= ENOUGH => return Err(Malformed::Unknown),
                Kind::Unknown(_) => return Ok(None),
                Kind::Ts { demuxer, lost } => match demuxer.poll() {
                    None => return Ok(None),
                    Some(event) => of_ts(event, lost)?,
                },
                Kind::Mp4(fragments) => return Ok(fragments.poll()?),
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// Finds out what it is, if that is not known yet.
    fn look(&mut self, over: bool) {
        let Kind::Unknown(held) = &self.0 else { return };
        let held = held.clone();
        if is_mp4(&held) {
            let mut fragments = Fragments::default();
            fragments.push(&held);
            self.0 = Kind::Mp4(Box::new(fragments));
        } else if (over || held.len() >= ENOUGH) && is_ts(&held) {
            let mut demuxer = Demuxer::new(LIMITS);
            demuxer.push(&held);
            self.0 = Kind::Ts { demuxer: Box::new(demuxer), lost: 0 };
        }
    }
}

/// Whether a box is in front that MP4 may begin with.
fn is_mp4(bytes: &[u8]) -> bool {
    const FIRST: [&[u8]; 8] = [b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"prft", b"free", b"emsg"];
    bytes.get(4..8).is_some_and(|name| FIRST.contains(&name))
}

/// Whether packets are in it: two that follow each other, wherever the first one begins, or one that is all of the rest.
fn is_ts(bytes: &[u8]) -> bool {
    let sync = |at: usize| bytes.get(at) == Some(&SYNC);
    let follows = |at: usize| at + PACKET == bytes.len() || STRIDES.iter().any(|stride| sync(at + stride));
    (0..STRIDES[2].min(bytes.len())).any(|at| sync(at) && follows(at))
}

fn of_ts(event: Event, lost: &mut u64) -> Result<Option<Feed>, Malformed> {
    Ok(match event {
        Event::Tracks(tracks) => Some(Feed::Tracks(tracks)),
        Event::Sample(sample) => {
            *lost = 0;
            let offset = sample.pts.saturating_sub(sample.dts).clamp(i32::MIN.into(), i32::MAX.into());
            let composition_offset = i32::try_from(offset).unwrap_or(0);
            let size = u32::try_from(sample.data.len()).unwrap_or(u32::MAX);
            let key = sample.entry != Entry::None;
            let about = Sample { dts: sample.dts, composition_offset, duration: 0, size, key };
            Some(Feed::Sample { track: sample.track, sample: about, data: sample.data })
        }
        Event::Metadata { pts, data, .. } => Some(Feed::Metadata { at: pts, tag: data }),
        Event::Discontinuity => Some(Feed::Discontinuity),
        Event::Refused { pid, refused } => {
            tracing::warn!(pid, ?refused, "a stream within the transport stream is left out");
            None
        }
        Event::Lost(what) => {
            *lost = lost.saturating_add(what.bytes);
            tracing::debug!(at = what.at, bytes = what.bytes, why = %what.why, "bytes of no use");
            if *lost > MAX_LOST {
                return Err(Malformed::Ts(what.at));
            }
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything of `bytes`, pushed `step` at a time.
    fn all(bytes: &[u8], step: usize) -> Result<Vec<Feed>, Malformed> {
        let mut container = Container::default();
        let mut feeds = Vec::new();
        for piece in bytes.chunks(step) {
            container.push(piece);
            while let Some(feed) = container.poll()? {
                feeds.push(feed);
            }
        }
        let ended = container.finish();
        while let Some(feed) = container.poll()? {
            feeds.push(feed);
        }
        ended.map(|()| feeds)
    }

    #[test]
    fn what_is_neither_is_refused_and_nothing_is_nothing() {
        assert_eq!(all(b"", 1), Ok(Vec::new()));
        for garbage in
            [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 5000], &[0xff; 752], b"#EXTM3U\n", b"\x00\x00\x00\x10mdat"]
        {
            for step in [1, 7, 5000] {
                assert_eq!(all(garbage, step), Err(Malformed::Unknown), "{garbage:?}");
            }
        }
    }

    #[test]
    fn packets_without_a_program_are_borne_for_a_while() {
        let mut packets = vec![0x47, 0x1f, 0xff, 0x10];
        packets.resize(PACKET, 0xff);
        assert_eq!(all(&packets.repeat(20), 100), Ok(Vec::new()));
        let mut noise = packets.repeat(20);
        noise.resize(3 << 20, 0x55);
        assert!(matches!(all(&noise, 4096), Err(Malformed::Ts(_))));
    }

    #[test]
    fn packets_of_all_lengths_are_known() {
        let mut packet = vec![0x47, 0x1f, 0xff, 0x10];
        packet.resize(PACKET, 0xff);
        for (before, behind) in [(0, 0), (4, 0), (0, 16)] {
            let one = [&vec![0; before][..], &packet, &vec![0; behind]].concat();
            for step in [1, 100, 10_000] {
                assert_eq!(all(&one.repeat(20), step), Ok(Vec::new()), "{before} {behind}");
            }
        }
    }

    #[test]
    fn mp4_that_is_cut_says_where() {
        let error = all(b"\0\0\0\x10ftypiso6\0\0\0\0\0\0\0\x20moov", 3).unwrap_err();
        assert!(matches!(error, Malformed::Mp4(_)) && error.to_string().contains("moov"), "{error}");
    }
}
