//! Each rule is broken once, and found; what is right breaks none.

use super::super::playlist::media::MediaPlaylist;
use super::super::playlist::multivariant::MultivariantPlaylist;
use super::*;

const VOD: &str = "\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:4
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI=\"init.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:00.000Z
#EXTINF:4,
0.m4s
#EXT-X-DATERANGE:ID=\"a\",CLASS=\"c\",START-DATE=\"2026-11-22T10:00:00Z\",END-DATE=\"2026-11-22T10:00:01Z\",DURATION=1
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:04.000Z
#EXTINF:3.5,
1.m4s
#EXT-X-ENDLIST
";

const LIVE: &str = "\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:1
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:1
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6,HOLD-BACK=3,PART-HOLD-BACK=1.5
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-MAP:URI=\"init.mp4\"
#EXTINF:1,
7.m4s
#EXTINF:1,
8.m4s
#EXT-X-PART:DURATION=0.5,URI=\"9.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.5,URI=\"9.1.m4s\"
#EXTINF:1,
9.m4s
#EXT-X-PART:DURATION=0.5,URI=\"10.0.m4s\",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"10.1.m4s\"
";

const MASTER: &str = "\
#EXTM3U
#EXT-X-VERSION:8
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-DEFINE:NAME=\"v\",VALUE=\"1\"
#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"
#EXT-X-MEDIA:TYPE=AUDIO,URI=\"a{$v}.m3u8\",GROUP-ID=\"a\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\"
#EXT-X-MEDIA:TYPE=AUDIO,URI=\"b.m3u8\",GROUP-ID=\"a\",NAME=\"Deutsch\",LANGUAGE=\"de\",AUTOSELECT=YES,CHANNELS=\"2\"
#EXT-X-MEDIA:TYPE=SUBTITLES,URI=\"s.m3u8\",GROUP-ID=\"s\",NAME=\"English\",LANGUAGE=\"en\",FORCED=YES
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"c\",NAME=\"CC\",INSTREAM-ID=\"SERVICE1\"
#EXT-X-STREAM-INF:BANDWIDTH=20000,AVERAGE-BANDWIDTH=12000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=25,VIDEO-RANGE=SDR,AUDIO=\"a\",SUBTITLES=\"s\",CLOSED-CAPTIONS=\"c\"
v.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=10000,AVERAGE-BANDWIDTH=8000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=320x180,FRAME-RATE=25,AUDIO=\"a\",SUBTITLES=\"s\",CLOSED-CAPTIONS=\"c\"
w.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=200,CODECS=\"avc1.64001f\",RESOLUTION=640x360,URI=\"i.m3u8\"
#EXT-X-SESSION-DATA:DATA-ID=\"title\",VALUE=\"A\",LANGUAGE=\"en\"
#EXT-X-SESSION-DATA:DATA-ID=\"title\",VALUE=\"B\",LANGUAGE=\"de\"
";

/// A rule, a playlist that keeps all of them, and what to put in place of what, so that this rule alone is broken.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const BROKEN: &[Row] = &[
    ("syntax", VOD, &[("#EXTINF:4,", "#EXTINF:four,")]),
    ("version", VOD, &[("VERSION:6", "VERSION:5")]),
    ("version", MASTER, &[("VERSION:8", "VERSION:7")]),
    ("define-unused", MASTER, &[("a{$v}", "a")]),
    ("start-offset", VOD, &[("#EXT-X-MAP", "#EXT-X-START:TIME-OFFSET=9\n#EXT-X-MAP")]),
    ("start-offset", LIVE, &[("#EXT-X-MAP", "#EXT-X-START:TIME-OFFSET=-1\n#EXT-X-MAP")]),
    ("target-duration", VOD, &[("#EXTINF:3.5", "#EXTINF:4.5")]),
    ("target-duration-positive", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n", &[("DURATION:1", "DURATION:0")]),
    ("media-sequence-place", VOD, &[("#EXT-X-ENDLIST", "#EXT-X-MEDIA-SEQUENCE:3\n#EXT-X-ENDLIST")]),
    (
        "discontinuity-sequence-place",
        VOD,
        &[("#EXT-X-ENDLIST", "#EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-ENDLIST")],
    ),
    ("vod-ends", VOD, &[("#EXT-X-ENDLIST\n", "")]),
    ("part-inf", LIVE, &[("#EXT-X-PART-INF:PART-TARGET=0.5\n", "")]),
    ("can-skip-until", LIVE, &[("UNTIL=6", "UNTIL=5.9")]),
    ("can-skip-dateranges", LIVE, &[("CAN-SKIP-UNTIL=6", "CAN-SKIP-DATERANGES=YES")]),
    ("hold-back", LIVE, &[(",HOLD-BACK=3", ",HOLD-BACK=2.9")]),
    ("part-hold-back", LIVE, &[(",PART-HOLD-BACK=1.5", "")]),
    ("part-hold-back-length", LIVE, &[("PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.4")]),
    ("map-iv", VOD, &[("#EXT-X-MAP", "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-MAP")]),
    ("i-frames-map", VOD, &[("#EXT-X-MAP:URI=\"init.mp4\"", "#EXT-X-I-FRAMES-ONLY")]),
    ("date-order", VOD, &[("10:00:04.000Z", "10:00:05.000Z")]),
    ("part-target", LIVE, &[("DURATION=0.5,URI=\"9.1", "DURATION=0.505,URI=\"9.1")]),
    (
        "part-length",
        LIVE,
        &[("DURATION=0.5,URI=\"9.0", "DURATION=0.41,URI=\"9.0"), ("#EXTINF:1,\n9", "#EXTINF:0.91,\n9")],
    ),
    ("part-sum", LIVE, &[("#EXTINF:1,\n9", "#EXTINF:0.9,\n9")]),
    ("part-tags-first", LIVE, &[("#EXTINF:1,\n9", "#EXT-X-DISCONTINUITY\n#EXTINF:1,\n9")]),
    ("part-gap", LIVE, &[("#EXTINF:1,\n9", "#EXT-X-GAP\n#EXTINF:1,\n9")]),
    (
        "daterange-date",
        VOD,
        &[
            ("#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:00.000Z\n", ""),
            ("#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:04.000Z\n", ""),
        ],
    ),
    ("daterange-end", VOD, &[("DURATION=1\n", "DURATION=2\n")]),
    (
        "daterange-end",
        VOD,
        &[("END-DATE=\"2026-11-22T10:00:01Z\",DURATION=1", "END-DATE=\"2026-11-22T09:00:01Z\"")],
    ),
    ("daterange-end-on-next", VOD, &[("DURATION=1\n", "END-ON-NEXT=YES\n")]),
    (
        "daterange-same",
        VOD,
        &[(
            "#EXTINF:3.5",
            "#EXT-X-DATERANGE:ID=\"a\",CLASS=\"d\",START-DATE=\"2026-11-22T10:00:00Z\"\n#EXTINF:3.5",
        )],
    ),
    ("preload-hint", LIVE, &[("10.1.m4s", "9.1.m4s")]),
    ("preload-hint", LIVE, &[("URI=\"10.1.m4s\"\n", "URI=\"10.1.m4s\"\n#EXT-X-ENDLIST\n")]),
    ("media-uri", MASTER, &[("TYPE=SUBTITLES,URI=\"s.m3u8\"", "TYPE=SUBTITLES")]),
    ("media-names", MASTER, &[("Deutsch", "English")]),
    ("media-default", MASTER, &[("LANGUAGE=\"de\",AUTOSELECT", "LANGUAGE=\"de\",DEFAULT=YES,AUTOSELECT")]),
    ("media-forced", MASTER, &[("LANGUAGE=\"de\",", "LANGUAGE=\"de\",FORCED=YES,")]),
    ("media-instream-id", MASTER, &[("SERVICE1", "SERVICE64")]),
    ("media-channels", MASTER, &[("\"de\",AUTOSELECT=YES,CHANNELS=\"2\"", "\"de\",AUTOSELECT=YES")]),
    ("bandwidth", MASTER, &[("BANDWIDTH=20000,", "BANDWIDTH=11999,")]),
    ("average-bandwidth", MASTER, &[(",AVERAGE-BANDWIDTH=12000", "")]),
    ("codecs", MASTER, &[(",CODECS=\"avc1.64001f\"", "")]),
    ("resolution", MASTER, &[(",RESOLUTION=320x180", "")]),
    ("frame-rate", MASTER, &[("320x180,FRAME-RATE=25", "320x180")]),
    ("video-range", MASTER, &[("VIDEO-RANGE=SDR", "VIDEO-RANGE=HDR")]),
    ("groups", MASTER, &[("FRAME-RATE=25,AUDIO=\"a\"", "FRAME-RATE=25,AUDIO=\"x\"")]),
    (
        "closed-captions-none",
        MASTER,
        &[(
            "VIDEO-RANGE=SDR,AUDIO=\"a\",SUBTITLES=\"s\",CLOSED-CAPTIONS=\"c\"",
            "AUDIO=\"a\",SUBTITLES=\"s\",CLOSED-CAPTIONS=NONE",
        )],
    ),
    (
        "same-variant",
        MASTER,
        &[(
            "#EXT-X-I-FRAME",
            "#EXT-X-STREAM-INF:BANDWIDTH=10000,AVERAGE-BANDWIDTH=8000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=320x180,FRAME-RATE=25,AUDIO=\"a\",SUBTITLES=\"s\",CLOSED-CAPTIONS=\"c\"\nw.m3u8\n#EXT-X-I-FRAME",
        )],
    ),
    ("i-frame-attributes", MASTER, &[("INF:BANDWIDTH=200,", "INF:BANDWIDTH=200,FRAME-RATE=1,")]),
    ("session-data-same", MASTER, &[("VALUE=\"B\",LANGUAGE=\"de\"", "VALUE=\"B\",LANGUAGE=\"en\"")]),
    ("session-key", MASTER, &[("METHOD=AES-128,URI=\"k\"", "METHOD=NONE")]),
    ("live-length", LIVE, &[("#EXTINF:1,\n7.m4s\n", "")]),
];

fn names(findings: &[Finding]) -> Vec<&'static str> {
    let mut names: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
    names.dedup();
    names
}

fn check(text: &str) -> Report {
    playlist(text.as_bytes(), Variables::default())
}

#[test]
fn what_is_right_breaks_no_rule() {
    for text in [VOD, LIVE, MASTER] {
        assert_eq!(check(text).findings, []);
    }
}

#[test]
fn each_rule_of_one_playlist_is_found() {
    for (rule, text, edits) in BROKEN {
        let mut broken = (*text).to_owned();
        for (old, new) in *edits {
            assert!(broken.contains(old), "{rule}: {old}");
            broken = broken.replacen(old, new, 1);
        }
        let found = check(&broken).findings;
        assert_eq!(names(&found), [*rule], "{broken}\n{found:?}");
    }
}

fn media(text: &str) -> MediaPlaylist {
    check(text).media().unwrap().clone()
}

/// A rule, and what to put in place of what in the live playlist, so that the newer version breaks it.
const RELOADED: &[(&str, &str, &str)] = &[
    ("changed-segment", "9.m4s", "x.m4s"),
    ("changed-segment", "#EXTINF:1,\n9", "#EXTINF:0.9,\n9"),
    ("changed-target-duration", "TARGETDURATION:1", "TARGETDURATION:2"),
    ("changed-head", "#EXT-X-MAP", "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP"),
    ("changed-type", "#EXT-X-MAP", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MAP"),
    ("discontinuity-sequence-count", "DISCONTINUITY-SEQUENCE:1", "DISCONTINUITY-SEQUENCE:2"),
];

#[test]
fn each_rule_of_two_versions_is_found() {
    let old = media(LIVE);
    assert_eq!(reload(&old, &old), []);
    let moved = LIVE.replace("SEQUENCE:7", "SEQUENCE:8").replace("#EXTINF:1,\n7.m4s\n", "");
    assert_eq!(reload(&old, &media(&moved)), []);
    for (rule, from, to) in RELOADED {
        let found = reload(&old, &media(&LIVE.replacen(from, to, 1)));
        assert_eq!(names(&found), [*rule], "{found:?}");
    }
    assert_eq!(names(&reload(&media(&moved), &old)), ["media-sequence-falls"]);
    let ended = media(&LIVE.replace("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"10.1.m4s\"", "#EXT-X-ENDLIST"));
    assert_eq!(names(&reload(&ended, &old)), ["unended"]);
}

const OTHER: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:00Z\n\
                     #EXTINF:4,\n0.ts\n#EXTINF:4,\n1.ts\n#EXT-X-ENDLIST\n";

fn together(text: &str, sizes: [&[u64]; 2]) -> Vec<Finding> {
    let master: MultivariantPlaylist = check(MASTER).multivariant().unwrap().clone();
    let (one, two) = (media(OTHER), media(text));
    let list = [
        Rendition { uri: "v.m3u8", playlist: &one, sizes: Some(sizes[0]) },
        Rendition { uri: "w.m3u8", playlist: &two, sizes: Some(sizes[1]) },
    ];
    renditions(&master, &list)
}

#[test]
fn each_rule_of_several_renditions_is_found() {
    let fits: [&[u64]; 2] = [&[6000, 6000], &[4000, 4000]];
    assert_eq!(together(OTHER, fits), []);
    for (rule, from, to) in [
        ("same-target-duration", "TARGETDURATION:4", "TARGETDURATION:5"),
        ("same-type", "#EXT-X-PROGRAM", "#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-PROGRAM"),
        ("same-dates", "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:00Z\n", ""),
        ("same-discontinuities", "#EXTINF:4,\n1", "#EXT-X-DISCONTINUITY\n#EXTINF:4,\n1"),
        ("same-duration", "#EXTINF:4,\n1", "#EXTINF:1.9,\n1"),
        ("aligned", "#EXTINF:4,\n0.ts\n#EXTINF:4", "#EXTINF:3.9,\n0.ts\n#EXTINF:4"),
    ] {
        let found = together(&OTHER.replacen(from, to, 1), fits);
        let rates = ["peak-bandwidth", "average-measured"];
        let names: Vec<_> = names(&found).into_iter().filter(|name| !rates.contains(name)).collect();
        assert_eq!(names, [rule], "{found:?}");
    }
    assert_eq!(names(&together(OTHER, [&[6000, 6000], &[3000, 5001]])), ["peak-bandwidth"]);
    assert_eq!(names(&together(OTHER, [&[6000, 6000], &[3000, 3000]])), ["average-measured"]);
    // Without sizes nothing is said of rates.
    assert_eq!(together(OTHER, [&[], &[]]), []);
}

/// Rules that are tested by the tables of single functions above.
const BY_HAND: &[&str] = &[
    "unended",
    "media-sequence-falls",
    "same-target-duration",
    "same-type",
    "same-discontinuities",
    "same-dates",
    "same-duration",
    "aligned",
    "peak-bandwidth",
    "average-measured",
];

/// Rules about what playlists name and what servers answer. They are broken by whoever fetches that, in the tests of `server::hls::check`.
pub(crate) const FETCHED: &[&str] = &[
    "segment-format",
    "timestamps-continue",
    "counters-continue",
    "key-frame",
    "ts-program",
    "ts-tables",
    "ts-tables-first",
    "map",
    "map-brand",
    "map-movie",
    "fragment-tracks",
    "fragment-times",
    "fragment-addresses",
    "webvtt-map",
    "playlist-type",
    "independent-segments",
    "segment-duration",
    "byte-range",
    "discontinuity",
    "key-length",
    "encryption",
    "i-frame",
    "codecs-complete",
    "codecs-exact",
    "resolution-true",
    "frame-rate-true",
    "available",
    "live-updates",
    "delta-update",
    "blocking-reload",
    "blocking-part",
];

#[test]
fn each_rule_has_a_test_and_a_name_of_its_own() {
    for (index, rule) in RULES.iter().enumerate() {
        let tested = BROKEN.iter().any(|(name, ..)| *name == rule.name)
            || RELOADED.iter().any(|(name, ..)| *name == rule.name)
            || [BY_HAND, FETCHED, segment::tests::OF_FRAMES].concat().contains(&rule.name);
        assert!(tested, "{}", rule.name);
        assert!(RULES[..index].iter().all(|other| other.name != rule.name), "{}", rule.name);
    }
}

#[test]
fn the_page_of_rules_has_them_all() {
    let rows = RULES.iter().map(|Rule { name, section, level, text }| {
        let verdict = if *level == Level::Must { "error" } else { "warning" };
        format!("| `{name}` | {section} | {verdict} | {text} |\n")
    });
    let rows: String = rows.collect();
    assert!(include_str!("../../../../docs/hls-check.md").contains(&rows), "the table is:\n{rows}");
    let numbers = |rule: &Rule| rule.section.split('.').map(|n| n.parse().unwrap()).collect::<Vec<u32>>();
    assert!(RULES.is_sorted_by_key(numbers));
}
