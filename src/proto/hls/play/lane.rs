//! One of the two things that a player loads at the same time: the chosen variant, or sound that is apart from it.

use std::collections::VecDeque;

use super::event::LaneId;
use super::piece::{Piece, Place};
use super::program::RenditionId;
use crate::proto::hls::abr::{Ms, Quality};

/// A lane.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) id: LaneId,
    /// Where it loads from.
    pub(super) rendition: RenditionId,
    /// What came last, and where that was from; nothing at the beginning and behind a hole.
    pub(super) last: Option<Last>,
    /// Something was left out behind that.
    pub(super) hole: bool,
    /// Why that was left out.
    pub(super) why: String,
    /// Up to where it has loaded.
    pub(super) end: Ms,
    /// Nothing more will come.
    pub(super) ended: bool,
    pub(super) loading: Option<Loading>,
    pub(super) listing: Option<Listing>,
    /// It asks for no media before this time.
    pub(super) not_before: Ms,
    /// Since when it could have asked for something if there had been room, or something to ask for.
    pub(super) idle: Option<Ms>,
    /// How often the next piece was asked for in vain, where it is asked for now.
    pub(super) attempts: u32,
    /// Since when the next piece does not come.
    pub(super) failing: Option<Ms>,
    /// Renditions that do not have the next piece.
    pub(super) tried: Vec<RenditionId>,
    /// Spans that could not be replaced.
    pub(super) refused: VecDeque<u64>,
    /// Segments that were left out, one after the other, since they did not come.
    pub(super) gaps: u32,
    /// What was loaded and may still be replaced: its span, and where that ends.
    pub(super) unsettled: VecDeque<(u64, Ms)>,
}

/// What came last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) rendition: RenditionId,
    pub(super) place: Place,
}

/// Media that are on their way.
#[derive(Debug)]
pub(super) struct Loading {
    pub(super) id: u64,
    pub(super) rendition: RenditionId,
    pub(super) quality: Quality,
    pub(super) piece: Box<Piece>,
    pub(super) asked: Ms,
    /// When the first byte came.
    pub(super) first: Option<Ms>,
    pub(super) bytes: u64,
    /// How many there will be, if the server says so.
    pub(super) length: Option<u64>,
    /// When it is given up, however it goes on.
    pub(super) until: Ms,
    /// The span that it takes the place of.
    pub(super) replaces: Option<u64>,
}

/// A playlist that is on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listing {
    pub(super) id: u64,
    pub(super) rendition: RenditionId,
    pub(super) until: Ms,
}

impl Lane {
    pub(super) fn new(id: LaneId, rendition: RenditionId) -> Self {
        Self {
            id,
            rendition,
            last: None,
            hole: false,
            why: String::new(),
            end: 0.0,
            ended: false,
            loading: None,
            listing: None,
            not_before: 0.0,
            idle: None,
            attempts: 0,
            failing: None,
            tried: Vec::new(),
            refused: VecDeque::new(),
            gaps: 0,
            unsettled: VecDeque::new(),
        }
    }

    /// Goes on at another time, as if nothing had come.
    pub(super) fn jump(&mut self, to: Ms) {
        self.end = to;
        self.last = None;
        self.ended = false;
        (self.attempts, self.failing) = (0, None);
        self.tried.clear();
    }
}
