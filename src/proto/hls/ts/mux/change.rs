//! Streams whose tracks change while they are written, as what a player has chosen does: other parameter sets, another coding, another clock.
//!
//! Counters go on through all of it. What changes the program map gives it another version (ISO/IEC 13818-1 section 2.4.4.8): it is in force from the next tables on.

use super::super::super::track::Track;
use super::super::psi::{Kind, Stream, write_map};
use super::super::write::Writer;
use super::{
    Body, CLOCK_STEP, Error, FIRST_PID, MAX_TRACKS, Muxer, Out, SOUND_SPAN, body, pointed, stream_id,
};

impl Muxer {
    /// The place of a track that is coded like `track`, and is as that one says from here on: its parameter sets, its rate, its scale of times. If the stream has none
    /// it gets one, and [`Muxer::start_segment`] has to be called before its first sample is written. The streams of other codings stay where they are, and
    /// may go on or not.
    ///
    /// # Errors
    /// As for [`Muxer::new`].
    pub fn switch_to(&mut self, track: &Track, out: &mut Vec<u8>) -> Result<usize, Error> {
        let (kind, mut body) = body(track, false)?;
        let place = self.tracks.iter().position(|known| known.kind == kind);
        let Some(place) = place else { return self.add(track, kind, body) };
        // What is held has the headers of before.
        self.flush(place, false, out);
        if let Body::Sound(sound) = &mut body
            && place == self.clock
        {
            sound.span = CLOCK_STEP;
        }
        let known = &mut self.tracks[place];
        (known.scale, known.body) = (track.timescale, body);
        Ok(place)
    }

    fn add(&mut self, track: &Track, kind: Kind, body: Body) -> Result<usize, Error> {
        let place = self.tracks.len();
        if place >= MAX_TRACKS {
            return Err(Error::Tracks(place + 1));
        }
        let (mut videos, mut sounds) = (0, 0);
        for known in &self.tracks {
            stream_id(known.kind, &mut videos, &mut sounds);
        }
        let pid = FIRST_PID + self.map.streams.len() as u16;
        let stream_id = stream_id(kind, &mut videos, &mut sounds);
        self.writers.push(Writer::new(pid));
        self.tracks.push(Out { pid, kind, stream_id, scale: track.timescale, body });
        self.map.streams.push(Stream { pid, kind, language: track.language });
        self.map_changed();
        Ok(place)
    }

    /// How many tracks there are.
    #[must_use]
    pub fn tracks(&self) -> usize {
        self.tracks.len()
    }

    /// The track in that place carries the clock from here on, as the one that did so pauses; says whether that is another one than before. The
    /// tables have to be written then.
    pub fn clock_by(&mut self, place: usize) -> bool {
        let Some(track) = self.tracks.get(place).filter(|_| place != self.clock) else { return false };
        self.map.pcr_pid = track.pid;
        self.clock = place;
        for (at, track) in self.tracks.iter_mut().enumerate() {
            if let Body::Sound(sound) = &mut track.body {
                sound.span = if at == place { CLOCK_STEP } else { SOUND_SPAN };
            }
        }
        self.map_changed();
        true
    }

    fn map_changed(&mut self) {
        self.version = (self.version + 1) & 0x1f;
        self.tables[1].1 = pointed(write_map(&self.map, self.version));
    }
}
