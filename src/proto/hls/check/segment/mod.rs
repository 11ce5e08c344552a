//! The segments of a media playlist, one after the other: what their bytes have to be like. Section 3, and what playlists say of segments in section 4.
//!
//! A [`Checker`] is told what a player is told, in its order: initialization sections and segments, decrypted. Each container has a file that gives
//! what a segment holds, by track ([`Content`]); the rules that hold in any of them stand here.

mod boxes;
mod fragments;
mod packed;
mod timeline;
mod transport;

#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use bytes::Bytes;

use self::fragments::Fragmented;
pub use self::timeline::{Content, Sense};
use self::transport::Transport;
use super::super::playlist::media::{MediaPlaylist, Segment};
use super::{Finding, Findings};

/// How far a duration in a playlist may be from that of the media.
const DURATION: Duration = Duration::from_millis(100);

/// How a segment is packed. Section 3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An MPEG-2 transport stream.
    Transport,
    /// Fragments of MP4.
    Fragments,
    /// Frames of sound behind each other, with a tag in front.
    PackedAudio,
    /// WebVTT.
    Text,
}

impl Format {
    /// The format of a segment that begins like this.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        const BOXES: [&[u8; 4]; 10] =
            [b"styp", b"moof", b"sidx", b"ftyp", b"emsg", b"prft", b"mdat", b"free", b"skip", b"moov"];
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let is_box = bytes.get(4..8).is_some_and(|name| BOXES.iter().any(|known| &known[..] == name));
        match bytes {
            [0x47, ..] if bytes.get(188).is_none_or(|byte| *byte == 0x47) => Some(Self::Transport),
            _ if is_box => Some(Self::Fragments),
            [b'I', b'D', b'3', ..] | [0xff, 0xf0..=0xff, ..] | [0x0b, 0x77, ..] => Some(Self::PackedAudio),
            _ if text.starts_with(b"WEBVTT") => Some(Self::Text),
            _ => None,
        }
    }
}

/// Checks the segments of a media playlist.
pub struct Checker {
    i_frames: bool,
    independent: bool,
    fragments: Fragmented,
    transport: Transport,
    /// The format and the tracks of the segment before.
    before: Option<(Format, Vec<Content>)>,
    seen: Vec<Content>,
}

impl Checker {
    /// For a media playlist; `independent`: its multivariant playlist says that segments are independent.
    #[must_use]
    pub fn new(playlist: &MediaPlaylist, independent: bool) -> Self {
        Self {
            i_frames: playlist.i_frames_only,
            independent: independent || playlist.independent_segments,
            fragments: Fragmented::default(),
            transport: Transport::default(),
            before: None,
            seen: Vec::new(),
        }
    }

    /// An initialization section: it holds for the segments from here on.
    pub fn map(&mut self, bytes: &Bytes) -> Vec<Finding> {
        let mut found = Findings::default();
        match Format::of(bytes) {
            Some(Format::Transport) => self.transport.map(bytes),
            Some(Format::Fragments) => self.fragments.map(bytes, &mut found),
            Some(Format::Text) => {}
            Some(Format::PackedAudio) | None => {
                found.add("segment-format", None, "the initialization section is of no known format");
            }
        }
        found.0
    }

    /// The next segment.
    pub fn segment(&mut self, segment: &Segment, bytes: &Bytes) -> Vec<Finding> {
        let mut found = Findings::default();
        let Some(format) = Format::of(bytes) else {
            self.before = None;
            found.add("segment-format", None, "it is no MPEG-TS, MP4, packed audio or WebVTT");
            return found.0;
        };
        if segment.discontinuity {
            self.before = None;
        }
        let before = self.before.take().filter(|_| !self.i_frames);
        let from = before.as_ref().map_or(&[][..], |(_, tracks)| tracks);
        let map = segment.map.is_some();
        let mut tracks = match format {
            Format::Transport => self.transport.segment(bytes, map, from, self.i_frames, &mut found),
            Format::Fragments => self.fragments.segment(bytes, map, from, self.i_frames, &mut found),
            Format::PackedAudio => packed::audio(bytes, from, &mut found),
            Format::Text => {
                packed::text(bytes, &mut found);
                Vec::new()
            }
        };
        tracks.retain(|track| track.samples > 0);
        if let Some((was, old)) = &before {
            changes((*was, old), (format, &tracks), &mut found);
        }
        self.times(segment, &tracks, &mut found);
        self.keys(&tracks, &mut found);
        for track in &tracks {
            match self.seen.iter_mut().find(|seen| seen.id == track.id && seen.codec == track.codec) {
                Some(seen) => *seen = seen.with(track),
                None => self.seen.push(track.clone()),
            }
        }
        // A track that pauses for a segment goes on where it was.
        let paused = before.map_or_else(Vec::new, |(_, tracks)| tracks);
        let paused = paused.into_iter().filter(|old| tracks.iter().all(|track| track.id != old.id));
        let paused: Vec<_> = paused.collect();
        tracks.extend(paused);
        self.before = Some((format, tracks));
        found.0
    }

    /// A segment that was not read: nothing has to continue what was before.
    pub fn skip(&mut self) {
        self.before = None;
    }

    /// The tracks that were found so far, with all their samples.
    #[must_use]
    pub fn tracks(&self) -> &[Content] {
        &self.seen
    }

    fn times(&self, segment: &Segment, tracks: &[Content], found: &mut Findings) {
        for track in tracks {
            if let Some(jump) = &track.jump {
                found.add("timestamps-continue", None, jump.clone());
            }
        }
        let Some(track) = leading(tracks).filter(|_| !self.i_frames) else { return };
        let media = track.duration();
        let apart = media.abs_diff(segment.duration).min(track.coded().abs_diff(segment.duration));
        let most = DURATION.max(track.longest());
        found.expect("segment-duration", None, apart <= most, || {
            format!("{:.3} s of media, EXTINF is {:.3}", media.as_secs_f64(), segment.duration.as_secs_f64())
        });
    }

    fn keys(&self, tracks: &[Content], found: &mut Findings) {
        for track in tracks.iter().filter(|track| track.sense == Sense::Video) {
            if self.i_frames {
                let fits = track.key_first && track.samples == 1;
                found.expect("i-frame", None, fits, || match track.key_first {
                    true => format!("it has {} pictures", track.samples),
                    false => "it does not begin with an I-frame".into(),
                });
                continue;
            }
            let detail = || format!("track {} begins with a picture that needs others", track.id);
            found.expect("independent-segments", None, !self.independent || track.key_first, detail);
            found.expect("key-frame", None, track.keys > 0, || format!("track {} has none", track.id));
        }
    }
}

/// The track by which a segment is as long as it is: its pictures, or else its first one.
fn leading(tracks: &[Content]) -> Option<&Content> {
    tracks.iter().find(|track| track.sense == Sense::Video).or(tracks.first())
}

/// What may not change without a discontinuity. Section 4.4.4.3.
fn changes(old: (Format, &[Content]), new: (Format, &[Content]), found: &mut Findings) {
    if old.0 != new.0 {
        return found.add("discontinuity", None, format!("from {:?} to {:?}", old.0, new.0));
    }
    for track in new.1 {
        let Some(before) = old.1.iter().find(|before| before.id == track.id) else {
            let detail = format!("track {} ({}) begins", track.id, track.codec);
            found.add("discontinuity", None, detail);
            continue;
        };
        let same = before.codec == track.codec;
        let detail = || format!("track {} was {} and is {}", track.id, before.codec, track.codec);
        found.expect("discontinuity", None, same, detail);
    }
}
