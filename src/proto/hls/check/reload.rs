//! Two versions of a media playlist: what may change from one to the next. Sections 6.2.1 and 6.2.2.

use super::super::playlist::media::{MediaPlaylist, PlaylistKind};
use super::{Finding, Findings};

/// Checks that the newer version of a playlist follows from the older one.
#[must_use]
pub fn reload(old: &MediaPlaylist, new: &MediaPlaylist) -> Vec<Finding> {
    let mut found = Findings::default();
    let (first, last) = (old.media_sequence, new.media_sequence);
    found.expect("media-sequence-falls", None, last >= first, || format!("from {first} to {last}"));
    let (was, is) = (old.target_duration, new.target_duration);
    found.expect("changed-target-duration", None, was == is, || format!("from {was} to {is}"));
    let event = old.kind == Some(PlaylistKind::Event);
    let kept = old.kind == new.kind && (!event || first == last);
    found.expect("changed-type", None, kept, || format!("from {:?} to {:?}", old.kind, new.kind));
    for (name, was, is) in [
        ("EXT-X-INDEPENDENT-SEGMENTS", old.independent_segments, new.independent_segments),
        ("EXT-X-I-FRAMES-ONLY", old.i_frames_only, new.i_frames_only),
    ] {
        let what = if was { "is gone" } else { "is new" };
        found.expect("changed-head", None, was == is, || format!("{name} {what}"));
    }
    let more = new.next_msn() > old.next_msn();
    found.expect("unended", None, !old.ended || new.ended && !more, || "it goes on".into());
    let Some(removed) = last.checked_sub(first) else { return found.0 };
    let removed = usize::try_from(removed).unwrap_or(usize::MAX).min(old.segments.len());
    for (segment, again) in old.segments[removed..].iter().zip(&new.segments) {
        let same = segment.uri == again.uri
            && segment.duration == again.duration
            && segment.byte_range == again.byte_range
            && segment.discontinuity == again.discontinuity
            && segment.keys == again.keys
            && segment.map == again.map;
        found.expect("changed-segment", None, same, || format!("{} is {} now", segment.uri, again.uri));
    }
    // A discontinuity goes with the segment that it stands before (section 6.2.2).
    let gone = old.segments[..removed].iter().filter(|segment| segment.discontinuity).count() as u64;
    let all_known = first.saturating_add(old.segments.len() as u64) >= last;
    let expected = old.discontinuity_sequence.saturating_add(gone);
    let fits = !all_known || new.discontinuity_sequence == expected;
    found.expect("discontinuity-sequence-count", None, fits, || {
        format!("it is {}, and should be {expected}", new.discontinuity_sequence)
    });
    found.0
}
