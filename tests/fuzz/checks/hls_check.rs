//! `hls check` on anything: it finds what it finds by rules that there are, in lines that there are, and the same each time.

use bytes::Bytes;
use wireworks::proto::hls::check::segment::Checker;
use wireworks::proto::hls::check::{self, Finding, RULES};
use wireworks::proto::hls::playlist::media::{Map, MediaPlaylist, Segment};
use wireworks::proto::hls::playlist::variables::Variables;

use super::split_at_each;

/// What stands between the pieces of an input.
const NEXT: &[u8] = b"\n--\n";

/// Checks, by the first byte, versions of a playlist or an initialization section with segments; says whether nothing was found.
pub(crate) fn check(input: &[u8]) -> bool {
    let Some((which, bytes)) = input.split_first() else { return false };
    let pieces = split_at_each(bytes, NEXT);
    let found = match which % 2 {
        0 => playlists(&pieces),
        _ => segments(&pieces),
    };
    for finding in &found {
        assert!(RULES.iter().any(|rule| rule.name == finding.rule), "{finding:?}");
        assert!(!finding.detail.contains('\n'), "{finding:?} has more than one line");
    }
    found.is_empty()
}

fn playlists(versions: &[&[u8]]) -> Vec<Finding> {
    let (mut all, mut before): (Vec<Finding>, Option<MediaPlaylist>) = (Vec::new(), None);
    for text in versions {
        let report = check::playlist(text, Variables::default());
        assert_eq!(report, check::playlist(text, Variables::default()));
        let lines = text.split(|byte| *byte == b'\n').count();
        let is_there = |finding: &Finding| finding.line.is_none_or(|line| (1..=lines).contains(&line));
        assert!(report.findings.iter().all(is_there), "{report:?}");
        assert!(report.findings.is_sorted_by_key(|finding| finding.line));
        let unread = report.findings.iter().any(|finding| finding.rule == "syntax");
        assert!(report.playlist.is_some() || unread, "{report:?}");
        if let (Some(old), Some(new)) = (&before, report.media()) {
            all.extend(check::reload(old, new));
        }
        before = report.media().cloned();
        all.extend(report.findings);
    }
    all
}

fn segments(pieces: &[&[u8]]) -> Vec<Finding> {
    let found = watched(pieces);
    assert_eq!(found, watched(pieces));
    found
}

fn watched(pieces: &[&[u8]]) -> Vec<Finding> {
    let (map, segments) = pieces.split_first().map_or((&[][..], pieces), |(map, rest)| (*map, rest));
    let mut checker = Checker::new(&MediaPlaylist::default(), segments.len() % 2 == 1);
    let mut found = Vec::new();
    let has_map = !map.is_empty();
    if has_map {
        found.extend(checker.map(&Bytes::copy_from_slice(map)));
    }
    let map = has_map.then(|| Map { uri: String::new(), byte_range: None, keys: [].into() }.into());
    for bytes in segments {
        // How long it is said to be is a matter of the playlist: whatever is there is right.
        let segment = Segment { map: map.clone(), ..Segment::default() };
        let all = checker.segment(&segment, &Bytes::copy_from_slice(bytes));
        found.extend(all.into_iter().filter(|finding| finding.rule != "segment-duration"));
    }
    for track in checker.tracks() {
        assert!(track.samples > 0 && track.keys <= track.samples, "{} {}", track.samples, track.keys);
    }
    if segments.is_empty() {
        found.extend(checker.segment(&Segment::default(), &Bytes::new()));
    }
    found
}
