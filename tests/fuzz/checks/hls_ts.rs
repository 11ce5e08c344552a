//! Transport streams: the same samples however the bytes arrive, and samples that can be written and taken apart again.

use wireworks::proto::hls::codec::access::{Coding, Entry, Role};
use wireworks::proto::hls::codec::nal::Lengths;
use wireworks::proto::hls::track::{Config, Timescale, Track};
use wireworks::proto::hls::ts::clock::{WRAP, wrap};
use wireworks::proto::hls::ts::demux::{Demuxer, Limits};
use wireworks::proto::hls::ts::event::{Event, Sample};
use wireworks::proto::hls::ts::mux::{Frame, Muxer, Options};

use super::arrivals;

/// Checks the demultiplexer on `wire`, and the multiplexer on what comes out; says whether there are samples, and nothing is lost.
pub(crate) fn check(wire: &[u8]) -> bool {
    let mut heard: Option<Vec<Event>> = None;
    for pieces in arrivals(wire) {
        let now = hear(&pieces);
        assert!(heard.as_ref().is_none_or(|before| *before == now), "events depend on how they arrive");
        heard = Some(now);
    }
    let heard = heard.unwrap_or_default();
    let (mut tracks, mut samples, mut bytes): (Vec<Track>, Vec<&Sample>, usize) = (Vec::new(), Vec::new(), 0);
    let (mut any, mut lost) = (false, false);
    for event in &heard {
        match event {
            Event::Tracks(now) => {
                there_and_back(&tracks, &samples);
                (tracks, samples) = (now.clone(), Vec::new());
            }
            Event::Sample(sample) => {
                assert!(
                    tracks.iter().any(|track| track.id == sample.track),
                    "a track is told before its samples"
                );
                bytes += sample.data.len();
                samples.push(sample);
                any = true;
            }
            Event::Metadata { data, .. } => bytes += data.len(),
            Event::Lost(told) => {
                assert!(told.at <= wire.len() as u64 && told.bytes <= wire.len() as u64);
                lost = true;
            }
            Event::Discontinuity | Event::Refused { .. } => {}
        }
    }
    there_and_back(&tracks, &samples);
    // A start code of three bytes becomes a length of four.
    assert!(bytes <= 2 * wire.len(), "samples are made of what arrived");
    any && !lost
}

fn hear(pieces: &[&[u8]]) -> Vec<Event> {
    let (mut demuxer, mut events) = (Demuxer::new(Limits::default()), Vec::new());
    for piece in pieces {
        demuxer.push(piece);
        events.extend(std::iter::from_fn(|| demuxer.poll()));
    }
    demuxer.finish();
    events.extend(std::iter::from_fn(|| demuxer.poll()));
    events
}

/// Samples that can be written are read again, from the first key frame of each track on.
fn there_and_back(tracks: &[Track], samples: &[&Sample]) {
    let Ok(mut muxer) = Muxer::new(tracks, Options { start: 0, metadata: false }) else { return };
    let (mut out, mut written): (Vec<u8>, Vec<Vec<Sample>>) = (Vec::new(), vec![Vec::new(); tracks.len()]);
    muxer.start_segment(&mut out);
    for sample in samples {
        let Some(at) = tracks.iter().position(|track| track.id == sample.track) else { continue };
        let key = sample.entry != Entry::None;
        if written[at].is_empty() && !key {
            continue;
        }
        let frame = Frame { dts: sample.dts, pts: sample.pts, key, data: &sample.data };
        if muxer.write(at, &frame, &mut out).is_ok() {
            written[at].push((*sample).clone());
        }
    }
    muxer.end_segment(&mut out);
    let again = hear(&[&out]);
    for (at, (track, written)) in tracks.iter().zip(written).enumerate() {
        let read = again.iter().filter_map(|event| match event {
            Event::Sample(sample) if sample.track == 0x100 + at as u32 => Some(sample),
            _ => None,
        });
        let read: Vec<&Sample> = read.collect();
        // Parameter sets in samples of key frames join those of the configuration.
        if written.iter().any(|sample| has_parameters(track, &sample.data)) {
            continue;
        }
        assert_eq!(read.len(), written.len(), "each sample is read again");
        for (read, written) in read.iter().zip(&written) {
            assert_eq!((&read.data, read.entry), (&written.data, written.entry));
            let same = same_time(track.timescale, read.dts, written.dts)
                && same_time(track.timescale, read.pts, written.pts);
            assert!(same, "{} {} became {} {}", written.dts, written.pts, read.dts, read.pts);
        }
    }
}

fn has_parameters(track: &Track, sample: &[u8]) -> bool {
    let coding = match track.config {
        Config::Avc(_) => Coding::Avc,
        Config::Hevc(_) => Coding::Hevc,
        _ => return false,
    };
    Lengths::new(sample, 4).any(|unit| coding.role(unit.unwrap()) == Some(Role::Parameters))
}

/// Whether two times differ by whole turns of the clock of 33 bits only, and by what a clock of 90 kHz rounds away.
fn same_time(scale: Timescale, a: i64, b: i64) -> bool {
    let ticks = |time| scale.rescale(time, Timescale::MPEG).map(wrap).unwrap_or_default() as i64;
    let apart = (ticks(a) - ticks(b)).rem_euclid(WRAP);
    apart.min(WRAP - apart) <= 2
}
