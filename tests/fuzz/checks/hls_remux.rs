//! Segments of any kind made one stream: what is written is whole, its times rise, and it is no more than what came in.

use std::collections::BTreeMap;

use bytes::Bytes;
use wireworks::proto::hls::mp4::push::{Event as Read, Push};
use wireworks::proto::hls::play::remux::{Format, Lane, Limits, Piece, Remux};
use wireworks::proto::hls::ts::demux::{self, Demuxer};
use wireworks::proto::hls::ts::event::{Event, Loss};

use super::split_at_each;

/// What stands between the pieces of an input.
const NEXT: &[u8] = b"\n--\n";

/// Pieces of an input that are looked at.
const PIECES: usize = 24;

/// Bytes that may wait.
const LIMITS: Limits = Limits { samples: 512, picture: 1 << 20, queue: 4096, ahead: 1000.0 };

/// Checks pieces, behind a byte that says how they are played; says whether all of them could be, and something was in them.
pub(crate) fn check(input: &[u8]) -> bool {
    let Some((how, rest)) = input.split_first() else { return false };
    let format = [None, Some(Format::MpegTs), Some(Format::Fmp4)][usize::from(how % 3)];
    let mut remux = Remux::new(format, LIMITS);
    remux.lanes(how & 0x40 != 0);
    let (mut out, mut last, mut fed) = (Vec::new(), Bytes::new(), 0);
    let (mut any, mut all) = (false, true);
    for piece in split_at_each(rest, NEXT).into_iter().take(PIECES) {
        let [flags, start, bytes @ ..] = piece else { continue };
        // Nothing is the same again.
        if !bytes.is_empty() {
            last = Bytes::copy_from_slice(bytes);
        }
        fed += last.len();
        let anew = flags & 2 != 0;
        let piece = Piece {
            lane: if flags & 1 == 0 { Lane::Main } else { Lane::Audio },
            map: (flags & 4 != 0).then_some(&last),
            bytes: &last,
            part: flags & 8 != 0,
            anew,
            era: u64::from(flags >> 4),
            start: f64::from(*start) * 40.0,
        };
        let heard = remux.piece(&piece);
        let written = remux.output();
        match heard {
            Ok(heard) => {
                assert!(heard.start <= heard.end && heard.dropped <= heard.samples, "{heard:?}");
                assert!(heard.refused.len() <= 10);
                any |= heard.samples > 0;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert!(written.is_empty() || anew, "a piece that fails is not written");
                all = false;
            }
        }
        out.extend(written);
    }
    remux.finish();
    out.extend(remux.output());
    match format {
        None => assert!(out.is_empty()),
        Some(Format::MpegTs) => transport(&out),
        Some(Format::Fmp4) => fragments(&out),
    }
    // A sample of a byte is a packet of 188, with up to ten in front that carry a clock, and tables in front of some.
    assert!(out.len() <= 4096 + 16 * 188 * fed, "{} bytes of {fed}", out.len());
    any && all
}

fn transport(out: &[u8]) {
    assert_eq!(out.len() % 188, 0);
    let mut demuxer = Demuxer::new(demux::Limits::default());
    demuxer.push(out);
    demuxer.finish();
    while let Some(event) = demuxer.poll() {
        // What is in the samples is as it came.
        let Event::Lost(lost) = event else { continue };
        assert!(matches!(lost.why, Loss::Elementary | Loss::Early | Loss::Untimed | Loss::Limit), "{lost:?}");
    }
    assert_eq!(demuxer.stats().continuity_errors, 0);
}

fn fragments(out: &[u8]) {
    let (mut push, mut times, mut inits) = (Push::default(), BTreeMap::new(), 0);
    push.push(out);
    while let Some(event) = push.event().unwrap() {
        match event {
            Read::Init { .. } => inits += 1,
            Read::Sample { track, located, .. } => {
                let sample = located.sample;
                assert!(sample.pts() >= sample.dts, "{sample:?}");
                let before = times.insert(track, sample.dts);
                assert!(before.is_none_or(|before| before < sample.dts), "{sample:?} behind {before:?}");
            }
            _ => {}
        }
    }
    push.end().unwrap();
    assert!(inits <= 1);
}
