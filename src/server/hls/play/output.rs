//! What was chosen, as one stream.
//!
//! Media are written once they stay as they are: those that may still be replaced by better ones wait here until the player says so.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::proto::hls::play::event::LaneId;
use crate::proto::hls::play::piece::Piece;
use crate::proto::hls::play::program::{Level, RenditionId};
use crate::proto::hls::play::remux::{self, Format, Heard, Limits, Remux, RemuxError};

/// A piece as it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) lane: LaneId,
    pub(super) rendition: RenditionId,
    pub(super) span: u64,
    pub(super) piece: Box<Piece>,
    pub(super) anew: bool,
}

/// A piece that has come.
struct Held {
    asked: Asked,
    map: Option<Bytes>,
    bytes: Bytes,
}

/// The stream.
pub(super) struct Output {
    remux: Remux,
    held: BTreeMap<(u8, u64), Held>,
    /// The rendition that was written last, of each lane.
    last: [Option<RenditionId>; 2],
}

fn number(lane: LaneId) -> u8 {
    match lane {
        LaneId::Main => 0,
        LaneId::Audio => 1,
    }
}

impl Output {
    pub(super) fn new(format: Format, apart: bool) -> Self {
        let mut remux = Remux::new(Some(format), Limits::default());
        remux.lanes(apart);
        Self { remux, held: BTreeMap::new(), last: [None; 2] }
    }

    /// The format in which everything has room that may be chosen.
    pub(super) fn format(levels: &[Level]) -> Format {
        let names =
            levels.iter().filter_map(|level| level.codecs.as_deref()).flat_map(|list| list.split(','));
        let mut families = names.map(|name| name.trim().split('.').next().unwrap_or_default().to_lowercase());
        if families.any(|family| matches!(family.as_str(), "av01" | "opus")) {
            Format::Fmp4
        } else {
            Format::MpegTs
        }
    }

    /// Takes what has come.
    pub(super) fn take(&mut self, asked: Asked, map: Option<Bytes>, bytes: Bytes) {
        self.held.insert((number(asked.lane), asked.span), Held { asked, map, bytes });
    }

    /// This stays as it is: what can be written by now, and what of it cannot be, in words.
    pub(super) fn settle(&mut self, lane: LaneId, span: u64) -> Result<(Bytes, Vec<String>), RemuxError> {
        let Some(Held { asked, map, bytes }) = self.held.remove(&(number(lane), span)) else {
            return Ok((Bytes::new(), Vec::new()));
        };
        let before = self.last[usize::from(number(lane))].replace(asked.rendition);
        let anew = asked.anew || before != Some(asked.rendition);
        let heard = self.remux.piece(&piece(&asked, anew, map.as_ref(), &bytes))?;
        Ok((self.remux.output(), heard.refused))
    }

    /// Nothing follows: the rest.
    pub(super) fn finish(&mut self) -> Bytes {
        self.remux.finish();
        self.remux.output()
    }
}

/// Looks at media, so that what is no media is known as such.
pub(super) struct Inspection(Remux);

impl Inspection {
    pub(super) fn new(apart: bool) -> Self {
        let mut remux = Remux::new(None, Limits::default());
        remux.lanes(apart);
        Self(remux)
    }

    pub(super) fn look(
        &mut self,
        asked: &Asked,
        map: Option<&Bytes>,
        bytes: &Bytes,
    ) -> Result<Heard, RemuxError> {
        self.0.piece(&piece(asked, asked.anew, map, bytes))
    }
}

fn piece<'a>(
    Asked { lane, piece, .. }: &Asked,
    anew: bool,
    map: Option<&'a Bytes>,
    bytes: &'a Bytes,
) -> remux::Piece<'a> {
    remux::Piece {
        lane: match lane {
            LaneId::Main => remux::Lane::Main,
            LaneId::Audio => remux::Lane::Audio,
        },
        map,
        bytes,
        part: piece.place.part.is_some(),
        anew,
        era: piece.era,
        start: piece.start,
    }
}
