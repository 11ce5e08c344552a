//! Where times of media lie on the timeline of the presentation. RFC 8216bis sections 3, 4.4.4.3 and 6.2.4.
//!
//! The renditions of a presentation have the same times between two discontinuities, so that there is one number for all of them, which is added: the first piece sets it, by where the playlist says that it begins. It is kept from piece
//! to piece and from rendition to rendition, since what playlists say is rounded, and adds up to more and more (`drift`). Only media that are elsewhere than they can be are laid anew.
//!
//! All times are ticks of 90 kHz.

use std::collections::VecDeque;

use super::super::super::ts::clock;

/// How far media may be from where they are expected: half a second.
pub(super) const LIE: i64 = 45_000;

/// Anchors that are remembered: lanes may be some discontinuities apart.
const ANCHORS: usize = 16;

/// What is added to times of media, up to the next discontinuity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Anchor {
    era: u64,
    offset: i64,
}

/// How far a lane has come.
#[derive(Clone, Copy, Debug)]
struct Reached {
    anchor: Anchor,
    /// When its last sample ends, by its own count.
    end: i64,
}

/// A piece that is to be placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begin {
    /// Which lane it is of.
    pub(super) lane: usize,
    /// The discontinuities before it.
    pub(super) era: u64,
    /// Where the playlist says that it begins.
    pub(super) start: i64,
    /// It is only the rest of the piece that the playlist says this of.
    pub(super) rest: bool,
    /// Whether it need not go on where the last one of its lane ended.
    pub(super) anew: bool,
    /// When it begins by its own count.
    pub(super) first: i64,
    /// Whether that count starts over after 33 bits.
    pub(super) wraps: bool,
    /// What was written of its pictures; of its sound if it has none.
    pub(super) written: Option<Written>,
    /// By how much it may be moved so that its first picture is not lost.
    pub(super) may_move: i64,
}

/// How far a stream is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// When the latest of its samples is presented.
    pub(super) shown: i64,
    /// When that one ends.
    pub(super) end: i64,
}

/// Where a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// What is added to its times.
    pub(super) shift: i64,
    /// Whether it was laid anew where no discontinuity was told.
    pub(super) moved: bool,
}

/// The timeline of the presentation.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    /// The last one in front.
    anchors: VecDeque<Anchor>,
    lanes: [Option<Reached>; 2],
    /// How much later media are than playlists say.
    drift: i64,
}

impl Timeline {
    /// When media of a lane begin that begin at `start` by the playlist, by their own count.
    pub(super) fn expected(&self, lane: usize, era: u64, start: i64) -> i64 {
        let own = self.lanes[lane].map(|reached| reached.anchor);
        let anchor = own.into_iter().chain(self.anchors.iter().copied()).find(|anchor| anchor.era == era);
        anchor.map_or(0, |anchor| start.saturating_add(self.drift).saturating_sub(anchor.offset))
    }

    /// Places a piece.
    pub(super) fn place(&mut self, begin: &Begin) -> Placed {
        let own = self.lanes[begin.lane].filter(|reached| reached.anchor.era == begin.era);
        if let Some(reached) = own.filter(|_| !begin.anew)
            && let Some(at) = near(begin, reached.end)
        {
            if !begin.rest {
                self.drift = at.saturating_add(reached.anchor.offset).saturating_sub(begin.start);
            }
            return self.placed(begin, reached.anchor, at, false);
        }
        let known = self.anchors.iter().copied().filter(|anchor| anchor.era == begin.era);
        let found = known.into_iter().find_map(|anchor| {
            let expected = begin.start.saturating_add(self.drift).saturating_sub(anchor.offset);
            Some((anchor, near(begin, expected)?))
        });
        if let Some((mut anchor, at)) = found {
            let shown = at.saturating_add(anchor.offset);
            self.drift = shown.saturating_sub(begin.start);
            // Encoders begin the times of renditions some pictures apart, by how these are reordered.
            if let Some(written) = begin.written.filter(|written| shown <= written.shown) {
                let over = written.end.saturating_sub(shown);
                anchor.offset = anchor.offset.saturating_add(if over <= begin.may_move { over } else { 0 });
            }
            return self.placed(begin, anchor, at, false);
        }
        let known = self.anchors.iter().any(|anchor| anchor.era == begin.era);
        let placed = self.lanes[begin.lane].is_some();
        let start = begin.start.saturating_add(self.drift);
        // What was said of durations may be too little: nothing is lost of what follows.
        let over = begin.written.map_or(0, |written| written.end.saturating_sub(start));
        let start = if (0..=LIE).contains(&over) { start.saturating_add(over) } else { start };
        let anchor = Anchor { era: begin.era, offset: start.saturating_sub(begin.first) };
        self.anchors.push_front(anchor);
        self.anchors.truncate(ANCHORS);
        self.drift = start.saturating_sub(begin.start);
        self.placed(begin, anchor, begin.first, known && placed)
    }

    fn placed(&mut self, begin: &Begin, anchor: Anchor, at: i64, moved: bool) -> Placed {
        self.lanes[begin.lane] = Some(Reached { anchor, end: at });
        Placed { shift: anchor.offset.saturating_add(at.saturating_sub(begin.first)), moved }
    }

    /// The piece that was placed last ends at `end` of the presentation.
    pub(super) fn reached(&mut self, lane: usize, end: i64) {
        if let Some(reached) = &mut self.lanes[lane] {
            reached.end = end.saturating_sub(reached.anchor.offset);
        }
    }
}

/// When a piece begins by its own count, if that is near to what is expected.
fn near(begin: &Begin, expected: i64) -> Option<i64> {
    let at = if begin.wraps { clock::unwrap(clock::wrap(begin.first), expected) } else { begin.first };
    (at.abs_diff(expected) <= LIE.unsigned_abs()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 90_000;
    const TURN: i64 = clock::WRAP;

    fn until(end: i64) -> Option<Written> {
        Some(Written { shown: end - 3600, end })
    }

    fn piece(lane: usize, era: u64, start: i64, first: i64) -> Begin {
        Begin { lane, era, start, rest: false, anew: false, first, wraps: true, written: None, may_move: LIE }
    }

    /// Places a piece of `long` ticks; when it is presented.
    fn laid(timeline: &mut Timeline, begin: Begin, long: i64) -> (i64, bool) {
        let placed = timeline.place(&begin);
        let start = begin.first + placed.shift;
        timeline.reached(begin.lane, start + long);
        (start, placed.moved)
    }

    #[test]
    fn the_first_piece_sets_what_is_added() {
        let mut timeline = Timeline::default();
        assert_eq!(laid(&mut timeline, piece(0, 0, 5 * SECOND, 126_000), SECOND), (5 * SECOND, false));
        // The other lane has the same times, and begins a little earlier.
        assert_eq!(laid(&mut timeline, piece(1, 0, 5 * SECOND, 125_000), SECOND), (5 * SECOND - 1000, false));
    }

    #[test]
    fn rounded_durations_do_not_move_the_media() {
        let mut timeline = Timeline::default();
        // The playlist says 2 s of what is 2.2 s long.
        for n in 0..50 {
            let begin = piece(0, 0, n * 2 * SECOND, n * 198_000);
            assert_eq!(laid(&mut timeline, begin, 198_000), (n * 198_000, false));
        }
        // A switch finds the same drift.
        let begin = Begin { anew: true, ..piece(0, 0, 100 * SECOND, 50 * 198_000) };
        assert_eq!(laid(&mut timeline, begin, 198_000), (50 * 198_000, false));
    }

    #[test]
    fn the_rest_of_a_part_says_nothing_of_the_playlist() {
        let mut timeline = Timeline::default();
        laid(&mut timeline, piece(0, 0, 0, 0), 86_400);
        assert_eq!(laid(&mut timeline, Begin { rest: true, ..piece(0, 0, 0, 86_400) }, 3600).0, 86_400);
        let begin = Begin { anew: true, ..piece(0, 0, SECOND, SECOND) };
        assert_eq!(laid(&mut timeline, begin, SECOND), (SECOND, false));
    }

    #[test]
    fn the_clock_starts_over() {
        let mut timeline = Timeline::default();
        let before = TURN - SECOND;
        assert_eq!(laid(&mut timeline, piece(0, 0, 0, before), 2 * SECOND), (0, false));
        assert_eq!(laid(&mut timeline, piece(0, 0, 2 * SECOND, SECOND), 2 * SECOND), (2 * SECOND, false));
        let begin = Begin { anew: true, ..piece(0, 0, 4 * SECOND, 3 * SECOND) };
        assert_eq!(laid(&mut timeline, begin, 2 * SECOND), (4 * SECOND, false));
        assert_eq!(laid(&mut timeline, piece(1, 0, 0, before), SECOND), (0, false));
    }

    #[test]
    fn discontinuities_begin_where_the_playlist_says_but_not_in_what_was_written() {
        let mut timeline = Timeline::default();
        laid(&mut timeline, piece(0, 0, 0, 126_000), 4 * SECOND);
        let behind = Begin { written: until(4 * SECOND + 3600), ..piece(0, 1, 4 * SECOND, 9_000_000) };
        assert_eq!(laid(&mut timeline, behind, 4 * SECOND), (4 * SECOND + 3600, false));
        // The other lane is still before it, and then finds what is added behind it.
        assert_eq!(
            laid(&mut timeline, piece(1, 0, 2 * SECOND, 126_000 + 2 * SECOND), 2 * SECOND).0,
            2 * SECOND
        );
        assert_eq!(laid(&mut timeline, piece(1, 1, 4 * SECOND, 9_000_000), SECOND).0, 4 * SECOND + 3600);
        // A third one: now the other lane is first, and the pictures are moved by what those in front ended later.
        assert_eq!(laid(&mut timeline, piece(1, 2, 8 * SECOND, 0), SECOND).0, 8 * SECOND + 3600);
        let pictures = Begin { written: until(8 * SECOND + 9000), ..piece(0, 2, 8 * SECOND, 0) };
        assert_eq!(laid(&mut timeline, pictures, SECOND).0, 8 * SECOND + 9000);
    }

    #[test]
    fn renditions_that_begin_some_pictures_apart_are_moved_and_do_not_drift() {
        let mut timeline = Timeline::default();
        // The second one is 58 ms early, by its own count.
        let firsts = [0, 2 * SECOND - 5220, 4 * SECOND, 6 * SECOND - 5220, 8 * SECOND];
        for (n, first) in firsts.into_iter().enumerate() {
            let start = 2 * SECOND * n as i64;
            let begin = Begin { anew: true, written: until(start), ..piece(0, 0, start, first) };
            let written = if n == 0 { None } else { begin.written };
            let begin = Begin { written, ..begin };
            assert_eq!(laid(&mut timeline, begin, 2 * SECOND), (start, false), "{n}");
            // What it goes on with is moved as well.
            let begin = Begin { anew: false, start: start + SECOND, first: first + SECOND, ..begin };
            timeline.reached(0, start + SECOND);
            assert_eq!(laid(&mut timeline, begin, SECOND), (start + SECOND, false), "{n}");
        }
        // By more than may be it is not: then it waits for a picture that is later.
        let begin =
            Begin { anew: true, written: until(10 * SECOND), ..piece(0, 0, 10 * SECOND, 10 * SECOND - 9001) };
        assert_eq!(laid(&mut timeline, Begin { may_move: 9000, ..begin }, SECOND).0, 10 * SECOND - 9001);
    }

    #[test]
    fn media_that_are_elsewhere_are_laid_anew() {
        let mut timeline = Timeline::default();
        laid(&mut timeline, piece(0, 0, 0, 0), 4 * SECOND);
        // Told by nobody.
        assert_eq!(laid(&mut timeline, piece(0, 0, 4 * SECOND, 77_000_000), 4 * SECOND), (4 * SECOND, true));
        assert_eq!(laid(&mut timeline, piece(0, 0, 8 * SECOND, 77_360_000), 4 * SECOND), (8 * SECOND, false));
        // A gap that keeps its times.
        let begin = Begin { anew: true, ..piece(0, 0, 60 * SECOND, 77_360_000 + 52 * SECOND) };
        assert_eq!(laid(&mut timeline, begin, SECOND), (60 * SECOND, false));
        // Back to a rendition with the times of before.
        let begin = Begin { anew: true, ..piece(0, 0, 61 * SECOND, 61 * SECOND) };
        assert_eq!(laid(&mut timeline, begin, SECOND), (61 * SECOND, false));
    }

    #[test]
    fn sound_without_a_time_is_expected_where_it_is_due() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.expected(1, 0, 7), 0);
        laid(&mut timeline, piece(0, 0, 0, 126_000), SECOND);
        assert_eq!(timeline.expected(1, 0, SECOND), 126_000 + SECOND);
        assert_eq!(timeline.expected(1, 1, SECOND), 0);
    }

    #[test]
    fn nothing_overflows() {
        let mut timeline = Timeline::default();
        for first in [i64::MIN / 4, i64::MAX / 4, 0] {
            for start in [i64::MIN / 4, 0, i64::MAX / 4] {
                for wraps in [false, true] {
                    laid_anywhere(
                        &mut timeline,
                        Begin { wraps, written: until(-first), ..piece(0, 0, start, first) },
                    );
                }
            }
        }
    }

    fn laid_anywhere(timeline: &mut Timeline, begin: Begin) {
        let placed = timeline.place(&begin);
        timeline.reached(begin.lane, begin.first.saturating_add(placed.shift));
        assert!(timeline.anchors.len() <= ANCHORS);
    }
}
