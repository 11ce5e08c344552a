//! From fragmented MP4 to a feed: tracks, samples, and events at their times.
//!
//! Some events (`emsg` of version 0) say how far behind the first sample of their fragment they begin. They wait for that.

use std::collections::VecDeque;

use bytes::Bytes;

use super::container::Malformed;
use crate::proto::hls::live::feed::Feed;
use crate::proto::hls::mp4::Fault;
use crate::proto::hls::mp4::message::{Message, When};
use crate::proto::hls::mp4::push::{Event, Push};
use crate::proto::hls::track::{Sample, Timescale, Track};

/// Bytes of a box or a sample at most: a picture, or the table of a fragment.
const MAX_BOX: u64 = 16 << 20;

/// Events that wait for the first sample of their fragment at most.
const MAX_WAITING: usize = 64;

/// Takes a feed out of fragmented MP4.
#[derive(Debug)]
pub(super) struct Fragments {
    push: Push,
    /// The last `moov`.
    init: Option<Bytes>,
    tracks: Vec<Track>,
    waiting: Vec<(i64, Message)>,
    ready: VecDeque<Feed>,
    /// Whether a sample has come.
    fed: bool,
    last: bool,
}

impl Default for Fragments {
    fn default() -> Self {
        Self {
            push: Push::new(MAX_BOX),
            init: None,
            tracks: Vec::new(),
            waiting: Vec::new(),
            ready: VecDeque::new(),
            fed: false,
            last: false,
        }
    }
}

impl Fragments {
    /// Takes bytes as they come. [`poll`](Self::poll) then, until it has nothing.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.push.push(bytes);
    }

    /// What comes next.
    ///
    /// # Errors
    /// The bytes are no good from here on.
    pub(super) fn poll(&mut self) -> Result<Option<Feed>, Fault> {
        loop {
            if let Some(feed) = self.ready.pop_front() {
                return Ok(Some(feed));
            }
            match self.push.event()? {
                None => return Ok(None),
                Some(event) => self.take(event),
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Init { movie, bytes } => {
                self.tracks = movie.tracks.iter().map(|track| track.track.clone()).collect();
                self.init = Some(bytes);
                self.ready.push_back(Feed::Tracks(self.tracks.clone()));
            }
            Event::Message(When::At(at), message) => self.ready.push_back(Feed::Message { at, message }),
            Event::Message(When::Behind(by), message) if self.waiting.len() < MAX_WAITING => {
                self.waiting.push((by, message));
            }
            Event::Message(..) | Event::Fragment(_) => {}
            Event::Last => self.last = true,
            Event::Sample { track, located, bytes } => {
                self.fed = true;
                let begins = self.begins(track, &located.sample);
                for (by, message) in self.waiting.drain(..) {
                    self.ready.push_back(Feed::Message { at: begins.saturating_add(by), message });
                }
                let data = Bytes::copy_from_slice(&bytes);
                self.ready.push_back(Feed::Sample { track, sample: located.sample, data });
            }
        }
    }

    /// When a sample is presented, in ticks of 90 kHz.
    fn begins(&self, track: u32, sample: &Sample) -> i64 {
        let Some(track) = self.tracks.iter().find(|known| known.id == track) else { return 0 };
        let shown = sample.pts().saturating_add(track.edit.offset);
        track.timescale.rescale(shown, Timescale::MPEG).unwrap_or(0)
    }

    /// Ticks in a second of a track; 1 of one that is not there.
    pub(super) fn ticks(&self, track: u32) -> i64 {
        let found = self.tracks.iter().find(|known| known.id == track);
        found.map_or(1, |track| track.timescale.ticks().into())
    }

    /// Whether the segment that came last said that it is the last one.
    pub(super) fn is_last(&self) -> bool {
        self.last
    }

    /// Whether it has said what its tracks are.
    pub(super) fn has_begun(&self) -> bool {
        self.init.is_some()
    }

    /// No more bytes come, or other ones, behind a whole box.
    ///
    /// # Errors
    /// They end where they should not.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        Ok(self.push.end()?)
    }

    /// The same, of a feed that is over: without a sample it is none.
    ///
    /// # Errors
    /// As for [`end`](Self::end), and when no sample has come.
    pub(super) fn finish(&self) -> Result<(), Malformed> {
        self.end()?;
        if self.fed { Ok(()) } else { Err(Malformed::Empty) }
    }

    /// Forgets what was cut off within a box. What comes next begins with one, of the same tracks or of others that it names.
    pub(super) fn resume(&mut self) {
        self.push = Push::new(MAX_BOX);
        if let Some(init) = &self.init {
            self.push.push(init);
        }
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    fn sample() -> Vec<u8> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/hls/mp4/cmaf.mp4");
        std::fs::read(path).unwrap()
    }

    fn all(fragments: &mut Fragments, bytes: &[u8]) -> Vec<Feed> {
        fragments.push(bytes);
        std::iter::from_fn(|| fragments.poll().unwrap()).collect()
    }

    #[test]
    fn events_come_at_their_times_in_front_of_their_samples() {
        let wire = sample();
        let fragment = wire.windows(4).position(|name| name == b"moof").unwrap() - 4;
        let mut event = BytesMut::new();
        Message::id3(3, Bytes::from_static(b"ID3")).put(&mut event, 90_000);
        let behind = b"\0\0\0\x24emsg\0\0\0\0urn:a\0b\0\0\0\x03\xe8\0\0\0\x05\0\0\x07\xd0\0\0\0\x09";
        assert_eq!(behind.len(), 0x24);
        let sent = [&wire[..fragment], &event[..], behind, &wire[fragment..]].concat();
        let feeds = all(&mut Fragments::default(), &sent);
        let [
            Feed::Tracks(tracks),
            Feed::Message { at, .. },
            Feed::Message { at: later, message },
            Feed::Sample { sample, track, .. },
            ..,
        ] = feeds.as_slice()
        else {
            panic!("{:?}", &feeds[..4.min(feeds.len())])
        };
        let scale = tracks.iter().find(|known| known.id == *track).unwrap();
        let first = scale.timescale.rescale(sample.pts() + scale.edit.offset, Timescale::MPEG).unwrap();
        assert_eq!((*at, *later, message.id), (90_000, first + 450, 9));
    }

    #[test]
    fn what_was_cut_off_is_forgotten() {
        let wire = sample();
        let mut fragments = Fragments::default();
        assert!(!fragments.has_begun());
        all(&mut fragments, &wire[..wire.len() / 2]);
        assert!(fragments.end().is_err() && fragments.has_begun());
        // It goes on with a fragment that is whole, and without its tracks.
        fragments.resume();
        let fragment = wire.windows(4).position(|name| name == b"moof").unwrap() - 4;
        assert_eq!(all(&mut fragments, &wire[fragment..]), all(&mut Fragments::default(), &wire));
        assert_eq!(fragments.finish(), Ok(()));
    }
}
