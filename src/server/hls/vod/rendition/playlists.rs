//! The playlists of a rendition: of its segments, and of the pictures that need no other one.

use std::sync::Arc;
use std::time::Duration;

use super::{Inside, Rendition, Written};
use crate::proto::hls::playlist::media::{Date, Map, MediaPlaylist, PlaylistKind, Segment};

impl Rendition {
    /// What its segments come to: of fMP4 exactly, of MPEG-TS about (a few hundredths more than they will have), of subtitles by making them.
    #[must_use]
    pub fn planned(&self) -> Vec<Written> {
        match &self.inside {
            Inside::Tracks(sections) => {
                let planned = sections.iter().flat_map(|section| &section.planned);
                planned.map(|planned| planned.written.clone()).collect()
            }
            Inside::Text(text) => (0..text.spans.len())
                .map(|n| Written { bytes: text.segment(n).len() as u64, i_frames: Vec::new() })
                .collect(),
        }
    }

    /// Its media playlist.
    #[must_use]
    pub fn playlist(&self) -> MediaPlaylist {
        let map = |(uri, _)| Arc::new(Map { uri, byte_range: None, keys: Arc::default() });
        let maps: Vec<Arc<Map>> = self.inits().into_iter().map(map).collect();
        let segments = (0..self.len()).map(|n| Segment {
            uri: self.segment_name(n),
            duration: self.duration(n),
            discontinuity: self.breaks_at(n),
            map: self.init_of(n).and_then(|init| maps.get(init).cloned()),
            program_date_time: self.date_at(self.begin(n)),
            ..Segment::default()
        });
        MediaPlaylist {
            target_duration: self.target_duration,
            kind: Some(PlaylistKind::Vod),
            ended: true,
            independent_segments: self.is_independent(),
            segments: segments.collect(),
            ..MediaPlaylist::default()
        }
    }

    fn date_at(&self, at: Duration) -> Option<Date> {
        self.date_time?.checked_add_signed(chrono::TimeDelta::from_std(at).ok()?)
    }

    /// A playlist of the pictures that need no other one, by what segments came to; `None` when that is not known, or there are none.
    #[must_use]
    pub fn i_frames(&self, written: &[Written]) -> Option<MediaPlaylist> {
        let mut playlist = self.playlist();
        let mut segments = Vec::new();
        for (whole, written) in playlist.segments.iter().zip(written) {
            for (index, (range, duration)) in written.i_frames.iter().enumerate() {
                segments.push(Segment {
                    duration: *duration,
                    byte_range: Some(*range),
                    discontinuity: whole.discontinuity && index == 0,
                    program_date_time: whole.program_date_time.filter(|_| index == 0),
                    ..whole.clone()
                });
            }
        }
        playlist.segments = segments;
        playlist.i_frames_only = true;
        playlist.independent_segments = false;
        let every =
            (0..self.len()).all(|n| written.get(n).is_some_and(|written| !written.i_frames.is_empty()));
        (every && !playlist.segments.is_empty()).then_some(playlist)
    }
}
