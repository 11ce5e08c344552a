//! Segments of fragmented MP4, and their initialization sections. Section 3.1.2.

use bytes::Bytes;

use super::super::super::mp4::fragment::Fragments;
use super::super::super::mp4::movie::Movie;
use super::super::super::mp4::{Fault, Wrong};
use super::super::Findings;
use super::boxes::{Box, all, boxes, find, u32_at};
use super::timeline::{Content, EXACT, is_entry};

/// Brands that say what `iso6` does: the movie fragments of ISO/IEC 14496-12 from its fourth edition on, and CMAF, which builds on them.
const BRANDS: [&[u8; 4]; 12] = [
    b"iso6", b"iso7", b"iso8", b"iso9", b"isoa", b"isob", b"isoc", b"cmfc", b"cmf2", b"cmfs", b"cmff",
    b"dash",
];

/// Flags of `tfhd`.
const BASE_DATA_OFFSET: u32 = 0x01;
const BASE_IS_MOOF: u32 = 0x02_0000;

/// What holds for the fragments that follow.
#[derive(Default)]
pub(super) struct Fragmented {
    init: Option<(Movie, Fragments)>,
}

impl Fragmented {
    /// An initialization section.
    pub(super) fn map(&mut self, bytes: &Bytes, found: &mut Findings) {
        self.init = None;
        let brands = find(bytes, b"ftyp").map_or(&[][..], |ftyp| ftyp.inside);
        // The minor version is between the major brand and the others.
        let mut brands = brands.as_chunks::<4>().0.iter().enumerate().filter(|(at, _)| *at != 1);
        let newer = brands.any(|(_, brand)| BRANDS.contains(&brand));
        found.expect("map-brand", None, newer, || "there is no ftyp with such a brand".into());
        let Some(moov) = find(bytes, b"moov") else {
            return found.add("map-movie", None, "there is no moov");
        };
        movie(&moov, found);
        match Movie::read(moov.at as u64, bytes.slice(moov.at..moov.at + moov.whole.len())) {
            Ok(movie) => {
                let fragments = Fragments::new(&movie);
                self.init = Some((movie, fragments));
            }
            Err(fault) => found.add("segment-format", None, fault.to_string()),
        }
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
        found.expect("map", None, map, || "there is no EXT-X-MAP".into());
        let Some((movie, fragments)) = &mut self.init else { return Vec::new() };
        let mut tracks: Vec<_> =
            movie.tracks.iter().map(|track| Content::new(&track.track, from, EXACT)).collect();
        let mut any = false;
        for found_box in boxes(bytes) {
            let moof = match found_box {
                Ok(moof) if moof.name == b"moof" => moof,
                Ok(_) => continue,
                // An I-frame is the front of a fragment, whose data go on.
                Err(_) if i_frames && any => break,
                Err(at) => {
                    found.add("segment-format", None, format!("a box at byte {at} does not fit"));
                    break;
                }
            };
            any = true;
            fragment_boxes(&moof, found);
            let whole = bytes.slice(moof.at..moof.at + moof.whole.len());
            let fragment = match fragments.read(moof.at as u64, whole) {
                Ok(fragment) => fragment,
                Err(fault) => {
                    found.add(rule_of(&fault), None, fault.to_string());
                    break;
                }
            };
            for run in &fragment.runs {
                let Some(content) = tracks.iter_mut().find(|track| track.id == run.track) else { continue };
                let Some(track) = movie.track(run.track) else { continue };
                for located in run.samples() {
                    let sample = located.sample;
                    let Some(data) = data(bytes, located.at, sample.size) else {
                        found.expect("segment-format", None, i_frames, || {
                            format!("a sample of track {} is behind the end", run.track)
                        });
                        break;
                    };
                    let key = is_entry(&track.track.config, data, sample.key);
                    content.add(sample.dts, sample.pts(), sample.duration.into(), key);
                }
            }
        }
        found.expect("segment-format", None, any, || "there is no fragment in it".into());
        tracks
    }
}

fn data(bytes: &[u8], at: u64, size: u32) -> Option<&[u8]> {
    let from = usize::try_from(at).ok()?;
    bytes.get(from..from.checked_add(size as usize)?)
}

fn rule_of(fault: &Fault) -> &'static str {
    match fault.wrong {
        Wrong::UnknownTrack(_) => "fragment-tracks",
        _ => "segment-format",
    }
}

/// The `moov` of an initialization section: no samples, no durations, and the defaults of fragments behind the tracks.
fn movie(moov: &Box<'_>, found: &mut Findings) {
    let mut wrong = Vec::new();
    let mut last = (None, None);
    for (index, inside) in boxes(moov.inside).map_while(Result::ok).enumerate() {
        match inside.name {
            b"trak" => {
                last.0 = Some(index);
                let tkhd = find(inside.inside, b"tkhd");
                if tkhd.is_some_and(|tkhd| duration(tkhd.inside, [20, 28]) != 0) {
                    wrong.push("a track has a duration");
                }
                let tables = ["mdia", "minf", "stbl"].iter().try_fold(inside.inside, |bytes, name| {
                    find(bytes, name.as_bytes().first_chunk()?).map(|found| found.inside)
                });
                let counts = [(b"stts", 4), (b"stsc", 4), (b"stco", 4), (b"co64", 4), (b"stsz", 8)];
                let mut counted = counts.iter().flat_map(|(name, at)| {
                    all(tables.unwrap_or_default(), name).map(move |table| u32_at(table.inside, *at))
                });
                if counted.any(|count| count > 0) {
                    wrong.push("a track has samples");
                }
            }
            b"mvex" => last.1 = Some(index),
            b"mvhd" if duration(inside.inside, [16, 24]) != 0 => wrong.push("the movie has a duration"),
            _ => {}
        }
    }
    match last {
        (_, None) => wrong.push("there is no mvex"),
        (Some(trak), Some(mvex)) if mvex < trak => wrong.push("mvex is in front of a track"),
        _ => {}
    }
    wrong.dedup();
    found.expect("map-movie", None, wrong.is_empty(), || wrong.join(", "));
}

/// The duration in `mvhd` or `tkhd`, which is at one of two places by the version.
fn duration(inside: &[u8], [old, new]: [usize; 2]) -> u64 {
    match inside.first() {
        Some(0) => u32_at(inside, old).into(),
        _ => u64::from(u32_at(inside, new)) << 32 | u64::from(u32_at(inside, new + 4)),
    }
}

/// The boxes of a fragment that a reader can do without.
fn fragment_boxes(moof: &Box<'_>, found: &mut Findings) {
    for traf in all(moof.inside, b"traf") {
        let flags = find(traf.inside, b"tfhd").map_or(0, |tfhd| u32_at(tfhd.inside, 0) & 0x00ff_ffff);
        let relative = flags & BASE_DATA_OFFSET == 0 && flags & BASE_IS_MOOF != 0;
        let at = moof.at;
        found.expect("fragment-addresses", None, relative, || {
            format!("tfhd of the fragment at byte {at} has the flags {flags:#x}")
        });
        let timed = find(traf.inside, b"tfdt").is_some();
        found.expect("fragment-times", None, timed, || format!("the fragment at byte {at} has no tfdt"));
    }
}
