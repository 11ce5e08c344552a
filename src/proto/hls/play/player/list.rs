//! Playlists: when they are asked for, and what a new one means.

use http::Uri;

use super::{Action, Failure, Kind, PlayError, Player};
use crate::proto::hls::abr::Ms;
use crate::proto::hls::play::event::{Event, LaneId};
use crate::proto::hls::play::lane::{Lane, Listing};
use crate::proto::hls::play::program::RenditionId;
use crate::proto::hls::play::rendition::News;
use crate::proto::hls::play::timeline::Renewal;

/// How much of the last segments may be missing to a lane that wants to hear at once of what is new.
const NEAR: f64 = 1.5;

impl Player {
    /// Whether a lane is so near to the end that what comes next is wanted as soon as it is there.
    fn wants_news(&self, lane: &Lane) -> bool {
        let Some(timeline) = &self.renditions[lane.rendition].timeline else { return true };
        lane.end >= timeline.end(self.plays_parts()) - NEAR * timeline.segment()
    }

    /// When the playlist of a lane is to be asked for.
    pub(super) fn due(&self, lane: &Lane, now: Ms) -> Option<Ms> {
        if lane.ended || lane.id == LaneId::Audio && self.chooser.is_none() {
            return None;
        }
        self.renditions[lane.rendition].due(now, self.wants_news(lane))
    }

    /// Asks for the playlist of a lane, if it is time.
    pub(super) fn list(&mut self, id: LaneId, now: Ms) {
        let Some(lane) = self.lane(id) else { return };
        let rendition = lane.rendition;
        if lane.listing.is_none() && self.due(lane, now).is_some_and(|due| due <= now) {
            self.ask_list(id, rendition, now);
        }
    }

    /// Asks for a playlist.
    pub(super) fn ask_list(&mut self, id: LaneId, rendition: RenditionId, now: Ms) {
        let Some(lane) = self.lane(id) else { return };
        let wanted = lane.rendition == rendition && self.wants_news(lane);
        let parts = self.plays_parts();
        let (uri, wait) = self.renditions[rendition].request(now, wanted, parts);
        self.renditions[rendition].asked = now;
        let patience = self.options.patience.answer + wait;
        let request = self.next_id();
        // The body has its time, too.
        let listing = Listing { id: request, rendition, until: now + 2.0 * patience };
        if let Some(lane) = self.lane_mut(id)
            && let Some(before) = lane.listing.replace(listing)
        {
            self.actions.push_back(Action::Cancel(before.id));
        }
        self.actions.push_back(Action::List { id: request, uri, patience });
    }

    /// A playlist has come, which was found at `found`.
    pub fn listed(&mut self, id: u64, now: Ms, bytes: &[u8], found: Uri) {
        let Some((lane, rendition)) = self.listing(id) else { return };
        self.traffic.playlists += 1;
        self.take_list(lane, rendition, now, bytes, found);
    }

    /// The lane that waits for a playlist, which it does no longer then.
    pub(super) fn listing(&mut self, id: u64) -> Option<(LaneId, RenditionId)> {
        [LaneId::Main, LaneId::Audio].into_iter().find_map(|lane| {
            let listing = self.lane_mut(lane)?.listing.take_if(|listing| listing.id == id)?;
            Some((lane, listing.rendition))
        })
    }

    pub(super) fn take_list(
        &mut self,
        lane: LaneId,
        rendition: RenditionId,
        now: Ms,
        bytes: &[u8],
        found: Uri,
    ) {
        let beside = self.beside(rendition);
        let defines = std::mem::take(&mut self.program.defines);
        let taken = self.renditions[rendition].take(bytes, found, &defines, beside.as_ref(), now);
        self.program.defines = defines;
        match taken {
            Err(error) => {
                let failure = Failure::new(Kind::Passing, error.to_string());
                self.list_failed(lane, rendition, now, &failure);
            }
            Ok(News::First) if self.chooser.is_none() => self.open(now),
            Ok(News::First) => {}
            Ok(News::Later(Renewal::Back)) => {}
            Ok(News::Later(Renewal::Same)) => self.silence(lane, rendition, now),
            Ok(News::Later(Renewal::Grown | Renewal::Lost)) => self.tell_edge(rendition, now),
            Ok(News::Restart) => self.restarted(lane, rendition, now),
        }
    }

    /// A playlist that another one is to be laid beside.
    fn beside(&self, rendition: RenditionId) -> Option<crate::proto::hls::play::timeline::Timeline> {
        if self.renditions[rendition].timeline.is_some() {
            return None;
        }
        let of_a_lane = self.lanes().find_map(|lane| self.renditions[lane.rendition].timeline.as_ref());
        // Behind a failure no lane has one: then the latest news of the others.
        let known = || self.renditions.iter().filter(|other| other.timeline.is_some());
        let latest = || known().max_by(|one, other| one.news.total_cmp(&other.news));
        of_a_lane.or_else(|| latest()?.timeline.as_ref()).cloned()
    }

    fn tell_edge(&mut self, rendition: RenditionId, now: Ms) {
        let parts = self.plays_parts();
        let Some(timeline) = &self.renditions[rendition].timeline else { return };
        let end = timeline.end(parts);
        if let Some(live) = self.live.as_mut().filter(|_| rendition == self.main.rendition) {
            live.told(end, now);
        }
    }

    /// Nothing new.
    fn silence(&mut self, lane: LaneId, rendition: RenditionId, now: Ms) {
        let silent = now - self.renditions[rendition].news;
        if silent > self.options.patience.silence {
            let error = PlayError::Silent { playlist: self.called(rendition), seconds: silent / 1000.0 };
            if !self.leave(lane, rendition, now, &error.to_string()) {
                self.end_with(error);
            }
        }
    }

    /// A playlist goes back for good.
    fn restarted(&mut self, lane: LaneId, rendition: RenditionId, now: Ms) {
        if rendition == self.main.rendition {
            return self.restart(rendition, now);
        }
        // The others go on: it is laid beside them when it is read again.
        self.renditions[rendition].timeline = None;
        if let Some(lane) = self.lane_mut(lane)
            && lane.last.is_some_and(|last| last.rendition == rendition)
        {
            lane.last = None;
        }
    }

    /// The stream begins anew: what is in the buffer is played, and the new one behind it.
    fn restart(&mut self, rendition: RenditionId, now: Ms) {
        self.drop_loading();
        let parts = self.plays_parts();
        for (other, state) in self.renditions.iter_mut().enumerate() {
            if other != rendition {
                state.timeline = None;
            }
        }
        let Some(timeline) = &self.renditions[rendition].timeline else { return };
        let end = timeline.end(parts);
        if let Some(live) = &mut self.live {
            live.anew(end, now);
        }
        let target = self.live.as_ref().map_or(0.0, |live| live.target);
        let to = (end - target).max(timeline.start());
        self.events.push_back(Event::Restarted { why: "its playlist goes back in time".to_owned() });
        self.jump(to, "the stream begins anew");
    }
}
