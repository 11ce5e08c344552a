//! The beginning: from the first playlist to the place where playback begins. RFC 8216bis, sections 4.4.2.2 and 6.3.3.

use std::collections::VecDeque;

use http::Uri;

use super::live::Live;
use super::{PlayError, Player, Traffic};
use crate::proto::hls::abr::Ms;
use crate::proto::hls::play::choose::Chooser;
use crate::proto::hls::play::event::{Event, LaneId};
use crate::proto::hls::play::lane::Lane;
use crate::proto::hls::play::options::Options;
use crate::proto::hls::play::piece::Found;
use crate::proto::hls::play::playback::Playback;
use crate::proto::hls::play::program::Program;
use crate::proto::hls::play::rendition::Rendition;
use crate::proto::hls::play::timeline::Timeline;
use crate::proto::hls::playlist::media::Start;
use crate::proto::hls::playlist::read::Playlist;
use crate::proto::hls::playlist::variables::Variables;

impl Player {
    /// A player of what a playlist names, of either kind, which was found at `uri`. It begins to count at `now`.
    ///
    /// # Errors
    /// It is no playlist, or names nothing that could be played.
    pub fn new(bytes: &[u8], uri: &Uri, options: Options, now: Ms) -> Result<Self, PlayError> {
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned();
        let (program, media) = match Playlist::read(bytes, Variables::new(&[], query.collect()))? {
            Playlist::Multivariant(playlist) => (Program::of(&playlist, uri, &options.wanted)?, None),
            Playlist::Media(playlist) => (Program::alone(&playlist, uri.clone()), Some(playlist)),
        };
        let path = program.levels[0].paths[0];
        let mut player = Self {
            renditions: program.renditions.iter().cloned().map(Rendition::new).collect(),
            main: Lane::new(LaneId::Main, path.main),
            audio: path.audio.map(|audio| Lane::new(LaneId::Audio, audio)),
            playback: Playback::new(now),
            chooser: None,
            quality: 0,
            paths: vec![0; program.levels.len()],
            forced: None,
            looked: None,
            live: None,
            next_id: 0,
            actions: VecDeque::new(),
            events: VecDeque::new(),
            traffic: Traffic::default(),
            ending: None,
            over: false,
            error: None,
            options,
            program,
        };
        if media.is_some() {
            player.renditions[0].asked = now;
            player.take_list(LaneId::Main, 0, now, bytes, uri.clone());
        }
        Ok(player)
    }

    /// The first media playlist is there: how long segments are, and where to begin.
    pub(super) fn open(&mut self, now: Ms) {
        let Some(timeline) = &self.renditions[self.main.rendition].timeline else { return };
        let live = timeline.is_live();
        let part = timeline.playlist().part_target.filter(|_| self.options.parts && live);
        let parts = part.is_some();
        let target = live.then(|| self.options.latency.unwrap_or_else(|| timeline.hold_back(parts)));
        let segment = part.map_or_else(|| timeline.segment(), crate::proto::hls::play::timeline::ms);
        let buffer =
            target.map_or(self.options.buffer, |target| self.options.buffer.min(target.max(segment)));
        let said = timeline.playlist().start.or(self.program.start);
        let position = begin(timeline, self.options.start, said, target, parts);
        // Whoever is to begin further back stays there.
        let target = target.map(|target| target.max(timeline.end(parts) - position));
        let duration = (!live).then(|| timeline.end(false) - timeline.start());
        let start = entry(timeline, position, parts);
        let chooser = match Chooser::new(&self.options, self.program.rates(), segment, buffer) {
            Ok(chooser) => chooser,
            Err(error) => return self.finish(Some(error.into())),
        };
        self.chooser = Some(chooser);
        self.live = target.map(|target| {
            let paced = self.options.paced && (parts || self.options.latency.is_some());
            Live::new(target, timeline.end(parts), now, parts, paced)
        });
        let levels = self.program.levels.iter();
        self.events.push_back(Event::Opened {
            levels: levels.clone().map(|level| level.name.clone()).collect(),
            rates: levels.map(|level| level.found_from.is_none().then_some(level.rate)).collect(),
            live,
            parts,
            duration,
            latency: target,
        });
        self.main.jump(start);
        if let Some(audio) = &mut self.audio {
            audio.jump(start);
        }
        self.playback.jump(position.max(start));
    }

    /// Whether parts of segments are played.
    pub(super) fn plays_parts(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.parts)
    }
}

/// Where to load from, to play from a time on.
pub(super) fn entry(timeline: &Timeline, position: Ms, parts: bool) -> Ms {
    match timeline.entry(position, parts) {
        Found::Piece(piece) => piece.start,
        _ => position,
    }
}

/// Where playback begins.
fn begin(
    timeline: &Timeline,
    wanted: Option<Ms>,
    said: Option<Start>,
    target: Option<Ms>,
    parts: bool,
) -> Ms {
    let (start, end) = (timeline.start(), timeline.end(parts));
    let said = said.map(|start| start.offset * 1000.0);
    let from = |offset: Ms| if offset < 0.0 { end + offset } else { start + offset };
    let at = match (wanted, said, target) {
        (Some(wanted), ..) => from(wanted),
        (None, Some(said), None) => from(said),
        // Not nearer to the end than it may be played (section 4.4.2.2).
        (None, Some(said), Some(target)) => from(said).min(end - target),
        (None, None, Some(target)) => end - target,
        (None, None, None) => start,
    };
    // Behind the end there is nothing: then the last segment is played.
    let at = if at.is_finite() && at < end { at } else { timeline.last() };
    at.max(start)
}
