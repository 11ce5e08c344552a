//! The rules.

use super::Level::{self, Must, Should};

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// By which it is named in reports, for ever.
    pub name: &'static str,
    /// Where it stands in draft-pantos-hls-rfc8216bis.
    pub section: &'static str,
    /// How much it means.
    pub level: Level,
    /// What it says.
    pub text: &'static str,
}

const fn rule(name: &'static str, section: &'static str, level: Level, text: &'static str) -> Rule {
    Rule { name, section, level, text }
}

/// All rules, in the order of their sections.
pub const RULES: &[Rule] = &[
    rule(
        "syntax",
        "4.1",
        Must,
        "A playlist can be read: UTF-8, #EXTM3U first, and tags in the form that they have.",
    ),
    rule("version", "4.4.1.2", Must, "EXT-X-VERSION is at least what the tags of the playlist need."),
    rule("define-unused", "4.4.2.3", Should, "A variable that is defined is used."),
    rule(
        "start-offset",
        "4.4.2.2",
        Should,
        "EXT-X-START is within the playlist, and in a live one not in its last three target durations.",
    ),
    rule(
        "target-duration",
        "4.4.3.1",
        Must,
        "No segment is longer than the target duration, when rounded to the next second.",
    ),
    rule("target-duration-positive", "4.4.3.1", Must, "The target duration is at least a second."),
    rule("media-sequence-place", "4.4.3.2", Must, "EXT-X-MEDIA-SEQUENCE stands before the first segment."),
    rule(
        "discontinuity-sequence-place",
        "4.4.3.3",
        Must,
        "EXT-X-DISCONTINUITY-SEQUENCE stands before the first segment and before any EXT-X-DISCONTINUITY.",
    ),
    rule("vod-ends", "4.4.3.5", Should, "A playlist of type VOD has EXT-X-ENDLIST."),
    rule("part-inf", "4.4.3.7", Must, "A playlist with parts has EXT-X-PART-INF."),
    rule("can-skip-until", "4.4.3.8", Must, "CAN-SKIP-UNTIL is at least six target durations."),
    rule("can-skip-dateranges", "4.4.3.8", Must, "CAN-SKIP-DATERANGES needs CAN-SKIP-UNTIL."),
    rule("hold-back", "4.4.3.8", Must, "HOLD-BACK is at least three target durations."),
    rule(
        "part-hold-back",
        "4.4.3.8",
        Must,
        "A playlist with EXT-X-PART-INF has PART-HOLD-BACK, of at least two part targets.",
    ),
    rule("part-hold-back-length", "4.4.3.8", Should, "PART-HOLD-BACK is at least three part targets."),
    rule("map-iv", "4.4.4.5", Must, "The key of an encrypted initialization section has an IV."),
    rule(
        "i-frames-map",
        "4.4.3.6",
        Must,
        "Segments of an I-frame playlist are byte ranges, or have an initialization section.",
    ),
    rule(
        "date-order",
        "4.4.4.6",
        Should,
        "EXT-X-PROGRAM-DATE-TIME grows by the durations between two of them, unless there is a discontinuity.",
    ),
    rule("part-target", "4.4.4.9", Must, "No part is longer than PART-TARGET."),
    rule(
        "part-length",
        "4.4.4.9",
        Must,
        "A part has at least 85 % of PART-TARGET, unless it is the last of its segment, a gap, or an independent one follows.",
    ),
    rule("part-sum", "4.4.4.9", Should, "The parts of a segment are as long as the segment."),
    rule(
        "part-tags-first",
        "4.4.4.9",
        Must,
        "Keys, initialization sections, dates and discontinuities stand before the first part of their segment.",
    ),
    rule("part-gap", "4.4.4.7", Should, "The parts of a segment that is a gap are gaps."),
    rule("daterange-date", "4.4.5.1", Must, "A playlist with EXT-X-DATERANGE has EXT-X-PROGRAM-DATE-TIME."),
    rule("daterange-end", "4.4.5.1", Must, "END-DATE is not before START-DATE, and agrees with DURATION."),
    rule(
        "daterange-end-on-next",
        "4.4.5.1",
        Must,
        "END-ON-NEXT has a CLASS, and neither DURATION nor END-DATE.",
    ),
    rule(
        "daterange-same",
        "4.4.5.1",
        Must,
        "Date ranges with the same ID begin at the same time and are of the same class.",
    ),
    rule(
        "preload-hint",
        "4.4.5.3",
        Must,
        "A preload hint is not of a part that is there, and there is none when the playlist has ended.",
    ),
    rule("media-uri", "4.4.6.1", Must, "Captions have no URI, subtitles have one."),
    rule("media-names", "4.4.6.1.1", Must, "The renditions of a group have different names."),
    rule(
        "media-default",
        "4.4.6.1.1",
        Must,
        "A group has one default at most, and that one may be selected automatically.",
    ),
    rule("media-forced", "4.4.6.1", Must, "FORCED is of subtitles only."),
    rule(
        "media-instream-id",
        "4.4.6.1",
        Must,
        "Captions have an INSTREAM-ID (CC1 to CC4, SERVICE1 to SERVICE63), others have none.",
    ),
    rule("media-channels", "4.4.6.1", Should, "Audio renditions have CHANNELS."),
    rule("bandwidth", "4.4.6.2", Must, "BANDWIDTH is positive and at least AVERAGE-BANDWIDTH."),
    rule("average-bandwidth", "4.4.6.2", Should, "Variants have AVERAGE-BANDWIDTH."),
    rule("codecs", "4.4.6.2", Should, "Variants have CODECS."),
    rule("resolution", "4.4.6.2", Should, "Variants with video have RESOLUTION."),
    rule("frame-rate", "4.4.6.2", Should, "Variants with video have FRAME-RATE."),
    rule("video-range", "4.4.6.2", Must, "VIDEO-RANGE is SDR, HLG or PQ."),
    rule("groups", "4.4.6.2", Must, "The groups of a variant are there."),
    rule(
        "closed-captions-none",
        "4.4.6.2",
        Must,
        "If CLOSED-CAPTIONS of one variant is NONE, it is so of all.",
    ),
    rule("same-variant", "4.4.6.2", Should, "No two variants are the same."),
    rule(
        "i-frame-attributes",
        "4.4.6.3",
        Must,
        "EXT-X-I-FRAME-STREAM-INF has no FRAME-RATE, AUDIO, SUBTITLES or CLOSED-CAPTIONS.",
    ),
    rule(
        "session-data-same",
        "4.4.6.4",
        Must,
        "No two EXT-X-SESSION-DATA have the same DATA-ID and LANGUAGE.",
    ),
    rule("session-key", "4.4.6.5", Must, "METHOD of EXT-X-SESSION-KEY is not NONE."),
    rule("changed-segment", "6.2.1", Must, "A segment stays as it is."),
    rule("changed-target-duration", "6.2.1", Must, "The target duration stays."),
    rule("changed-type", "6.2.1", Must, "EXT-X-PLAYLIST-TYPE stays, and an event playlist loses nothing."),
    rule("unended", "6.2.1", Must, "What has ended does not go on."),
    rule("media-sequence-falls", "6.2.2", Must, "EXT-X-MEDIA-SEQUENCE does not fall."),
    rule(
        "discontinuity-sequence-count",
        "6.2.2",
        Must,
        "EXT-X-DISCONTINUITY-SEQUENCE grows by the discontinuities that are removed.",
    ),
    rule(
        "live-length",
        "6.2.2",
        Must,
        "A live playlist from which segments were removed has at least three target durations.",
    ),
    rule("same-target-duration", "6.2.4", Must, "All renditions have the same target duration."),
    rule("same-type", "6.2.4", Must, "All renditions have the same EXT-X-PLAYLIST-TYPE."),
    rule("same-discontinuities", "6.2.4", Must, "Discontinuities are at the same times in all renditions."),
    rule("same-dates", "6.2.4", Must, "If one rendition has EXT-X-PROGRAM-DATE-TIME, all have it."),
    rule("same-duration", "6.2.4", Should, "Renditions that have ended have the same duration."),
    rule("aligned", "6.2.4", Should, "Segments of video renditions begin at the same times."),
    rule("peak-bandwidth", "4.4.6.2", Must, "BANDWIDTH is at least the peak of what is played together."),
    rule("average-measured", "4.4.6.2", Should, "AVERAGE-BANDWIDTH is within 10 % of what is measured."),
];
