//! Segments of MPEG-2 transport streams. Section 3.1.1.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::super::codec::access::Entry;
use super::super::super::ts::demux::{Demuxer, Limits};
use super::super::super::ts::event::Event;
use super::super::super::ts::packet::Packet;
use super::super::super::ts::psi::{Sections, programs};
use super::super::super::ts::{NULL_PID, PACKET};
use super::super::Findings;
use super::timeline::{Content, GUESSED, Sense};

/// What goes on from one segment to the next.
#[derive(Default)]
pub(super) struct Transport {
    counters: BTreeMap<u16, u8>,
    /// The packets of an initialization section: tables.
    map: Bytes,
}

impl Transport {
    /// An initialization section.
    pub(super) fn map(&mut self, bytes: &Bytes) {
        self.map = bytes.clone();
    }

    /// A segment; what it holds of each track.
    pub(super) fn segment(
        &mut self,
        bytes: &Bytes,
        map: bool,
        from: &[Content],
        i_frames: bool,
        found: &mut Findings,
    ) -> Vec<Content> {
        if from.is_empty() {
            self.counters.clear();
        }
        let map = if map { self.map.clone() } else { Bytes::new() };
        self.packets(bytes, &map, found);
        let mut demuxer = Demuxer::new(Limits { wait: usize::MAX, ..Limits::default() });
        demuxer.push(&map);
        demuxer.push(bytes);
        demuxer.finish();
        let mut tracks: Vec<(Content, Vec<Times>)> = Vec::new();
        let mut lost = None;
        while let Some(event) = demuxer.poll() {
            match event {
                Event::Tracks(list) => {
                    for track in list {
                        let known = tracks.iter().any(|(known, _)| known.id == track.id);
                        if !known {
                            tracks.push((Content::new(&track, from, GUESSED), Vec::new()));
                        }
                    }
                }
                Event::Sample(sample) => {
                    let track = tracks.iter_mut().find(|(track, _)| track.id == sample.track);
                    let Some((content, times)) = track else { continue };
                    let key = content.sense != Sense::Video || sample.entry != Entry::None;
                    times.push(Times { dts: sample.dts, pts: sample.pts, key });
                }
                Event::Lost(what) => lost = lost.or(Some(what)),
                Event::Metadata { .. } | Event::Discontinuity | Event::Refused { .. } => {}
            }
        }
        // An I-frame may be cut off where its last packet ends, and sound with it.
        if let Some(lost) = lost.filter(|_| !i_frames) {
            found.add("segment-format", None, format!("{} at byte {}", lost.why, lost.at));
        }
        tracks.into_iter().map(|(content, times)| add(content, &times)).collect()
    }

    /// What has to hold packet by packet.
    fn packets(&mut self, bytes: &Bytes, map: &[u8], found: &mut Findings) {
        let (packets, rest) = bytes.as_chunks::<PACKET>();
        found.expect("segment-format", None, rest.is_empty(), || {
            format!("{} bytes are behind the last packet", rest.len())
        });
        let mut tables = Tables::default();
        map.as_chunks::<PACKET>().0.iter().for_each(|packet| tables.packet(packet));
        let mut order = Vec::new();
        let mut broken: Option<(u16, usize)> = None;
        for (index, bytes) in packets.iter().enumerate() {
            tables.packet(bytes);
            let Ok(packet) = Packet::parse(bytes) else { continue };
            if index < 2 {
                order.push(packet.pid);
            }
            if packet.pid == NULL_PID || packet.payload.is_none() {
                continue;
            }
            let before = self.counters.insert(packet.pid, packet.counter);
            let goes_on = before.is_none_or(|before| {
                packet.discontinuity || before == packet.counter || (before + 1) & 0x0f == packet.counter
            });
            if !goes_on {
                broken.get_or_insert((packet.pid, index));
            }
        }
        if let Some((pid, packet)) = broken {
            let detail = format!("of PID {pid:#x}, at byte {}", packet * PACKET);
            found.add("counters-continue", None, detail);
        }
        let both = tables.maps > 0;
        found.expect("ts-tables", None, both, || "there is no PAT with a PMT".into());
        found.expect("ts-program", None, tables.programs <= 1, || format!("there are {}", tables.programs));
        let first = map.is_empty() && both;
        let fits = order.first() == Some(&0) && order.get(1) == tables.pid.as_ref();
        found.expect("ts-tables-first", None, !first || fits, || {
            format!("the first packets are of the PIDs {order:#x?}").replace('\n', "").replace("    ", " ")
        });
    }
}

/// Which tables there are.
#[derive(Default)]
struct Tables {
    pat: Sections,
    programs: usize,
    pid: Option<u16>,
    maps: usize,
}

impl Tables {
    fn packet(&mut self, bytes: &[u8; PACKET]) {
        let Ok(Packet { pid, start, payload: Some(payload), .. }) = Packet::parse(bytes) else { return };
        if pid == 0 {
            let (programs_of, own) = (&mut self.programs, &mut self.pid);
            self.pat.push(start, payload, |section| {
                if let Ok(Some(list)) = programs(section) {
                    let list: Vec<_> = list.collect();
                    *programs_of = list.len();
                    *own = list.first().map(|(_, pid)| *pid);
                }
            });
        } else if self.pid == Some(pid) {
            self.maps += usize::from(start);
        }
    }
}

/// A sample.
struct Times {
    dts: i64,
    pts: i64,
    key: bool,
}

/// Adds samples, each as long as it is until the next one, the last as long as the one before.
fn add(mut content: Content, samples: &[Times]) -> Content {
    let lap = samples.first().map_or(0, |first| content.lap(first.dts));
    let mut duration = 0;
    for (index, sample) in samples.iter().enumerate() {
        duration = samples.get(index + 1).map_or(duration, |next| next.dts.saturating_sub(sample.dts)).max(0);
        let (dts, pts) = (sample.dts.saturating_add(lap), sample.pts.saturating_add(lap));
        content.add(dts, pts, duration, sample.key);
    }
    content
}
