//! Playlists there and back.

use std::sync::Arc;
use std::time::Duration;

use super::attributes::{AttributeError, Seconds};
use super::delta::{MergeError, Skip};
use super::media::*;
use super::multivariant::*;
use super::read::{Playlist, ReadError, Why};
use super::reload::{Awaited, BadDirectives, Directives};
use super::variables::{VariableError, Variables};

fn read(text: &str) -> Result<Playlist, ReadError> {
    Playlist::read(text.as_bytes(), Variables::default())
}

fn media(text: &str) -> MediaPlaylist {
    match read(text).unwrap() {
        Playlist::Media(playlist) => playlist,
        Playlist::Multivariant(_) => panic!("a multivariant playlist: {text}"),
    }
}

fn multivariant(text: &str) -> MultivariantPlaylist {
    match read(text).unwrap() {
        Playlist::Multivariant(playlist) => playlist,
        Playlist::Media(_) => panic!("a media playlist: {text}"),
    }
}

const VOD: &str = "\
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:6
#EXT-X-PLAYLIST-TYPE:VOD
#EXTINF:6.006,
0.ts
#EXTINF:5.5,The end
1.ts
#EXT-X-ENDLIST
";

/// Keys that change, an initialization section under another key, byte ranges, a gap.
const ENCRYPTED: &str = "\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:2
#EXT-X-BYTERANGE:100@720
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:00.500Z
#EXT-X-KEY:METHOD=AES-128,URI=\"k0\",IV=0x00000000000000000000000000000001
#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"720@0\"
#EXTINF:4,
all.mp4
#EXT-X-BYTERANGE:200@820
#EXT-X-KEY:METHOD=AES-128,URI=\"k1\"
#EXTINF:4,
all.mp4
#EXT-X-BYTERANGE:300@1020
#EXT-X-DISCONTINUITY
#EXT-X-KEY:METHOD=NONE
#EXT-X-GAP
#EXTINF:3.96,
all.mp4
";

const LOW_LATENCY: &str = "\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:100
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=4,HOLD-BACK=6,PART-HOLD-BACK=1.5
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-MAP:URI=\"init.mp4\"
#EXTINF:2,
100.m4s
#EXT-X-DATERANGE:ID=\"ad\",CLASS=\"x\",START-DATE=\"2026-11-22T10:00:00.000Z\",DURATION=1.5,X-A=\"b\",SCTE35-OUT=0xFC
#EXTINF:2,
101.m4s
#EXTINF:2,
102.m4s
#EXT-X-PART:DURATION=0.5,URI=\"103.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.5,URI=\"103.m4s\",BYTERANGE=\"10@0\"
#EXT-X-PART:DURATION=0.5,URI=\"103.m4s\",BYTERANGE=\"20@10\",GAP=YES
#EXT-X-PART:DURATION=0.5,URI=\"103.3.m4s\"
#EXTINF:2,
103.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:08.000Z
#EXT-X-PART:DURATION=0.5,URI=\"104.0.m4s\",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"104.1.m4s\",BYTERANGE-START=5
#EXT-X-RENDITION-REPORT:URI=\"../audio/live.m3u8\",LAST-MSN=104,LAST-PART=0
";

const MASTER: &str = "\
#EXTM3U
#EXT-X-VERSION:8
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-DEFINE:NAME=\"cdn\",VALUE=\"https://cdn.example\"
#EXT-X-CONTENT-STEERING:SERVER-URI=\"/steer\",PATHWAY-ID=\"A\"
#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://1\",KEYFORMAT=\"com.apple.streamingkeydelivery\"
#EXT-X-MEDIA:TYPE=AUDIO,URI=\"en.m3u8\",GROUP-ID=\"aac\",LANGUAGE=\"en\",NAME=\"English\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",STABLE-RENDITION-ID=\"e\"
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"CC\",INSTREAM-ID=\"CC1\"
#EXT-X-STREAM-INF:BANDWIDTH=2000,AVERAGE-BANDWIDTH=1500,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=29.97,HDCP-LEVEL=NONE,SCORE=1.5,VIDEO-RANGE=SDR,STABLE-VARIANT-ID=\"v\",PATHWAY-ID=\"A\",AUDIO=\"aac\",CLOSED-CAPTIONS=\"cc\"
360.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=200,CODECS=\"avc1.64001f\",RESOLUTION=640x360,URI=\"i.m3u8\"
#EXT-X-SESSION-DATA:DATA-ID=\"com.example.title\",VALUE=\"A title\",LANGUAGE=\"en\"
#EXT-X-START:TIME-OFFSET=-3.5,PRECISE=YES
";

#[test]
fn what_was_written_is_read_and_written_again() {
    for text in [VOD, ENCRYPTED, LOW_LATENCY] {
        assert_eq!(media(text).write(), text);
    }
    assert_eq!(multivariant(MASTER).write(), MASTER);
}

#[test]
fn segments_have_what_holds_for_them() {
    let playlist = media(ENCRYPTED);
    let [first, second, third] = playlist.segments.as_slice() else { panic!() };
    assert_eq!(first.keys[0].iv, Some(1u128.to_be_bytes()));
    assert_eq!(first.map.as_ref().unwrap().keys, first.keys);
    assert_eq!(second.keys[0].uri.as_deref(), Some("k1"));
    assert!(Arc::ptr_eq(first.map.as_ref().unwrap(), third.map.as_ref().unwrap()));
    assert!(third.keys.is_empty() && third.gap && third.discontinuity);
    assert_eq!(third.byte_range, Some(ByteRange { length: 300, offset: 1020 }));
    assert_eq!((playlist.next_msn(), playlist.duration()), (10, Duration::from_millis(11_960)));
    // Byte ranges go on where the last one ended.
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-BYTERANGE:5@10\n#EXTINF:1,\na\n#EXT-X-BYTERANGE:7\n#EXTINF:1,\na\n";
    assert_eq!(media(text).segments[1].byte_range, Some(ByteRange { length: 7, offset: 15 }));
}

#[test]
fn low_latency() {
    let playlist = media(LOW_LATENCY);
    let control = playlist.server_control;
    assert!(control.can_block_reload && control.part_hold_back == Some(Duration::from_millis(1500)));
    let parts = &playlist.segments[3].parts;
    assert_eq!(parts.len(), 4);
    assert!(parts[0].independent && parts[2].gap);
    assert_eq!(parts[2].byte_range, Some(ByteRange { length: 20, offset: 10 }));
    assert_eq!(playlist.unfinished.as_ref().unwrap().parts.len(), 1);
    assert_eq!(playlist.reports[0].last_part, Some(0));
    assert_eq!(playlist.segments[1].date_ranges[0].others.len(), 2);
}

#[test]
fn what_nobody_knows_is_ignored() {
    let text = "#EXTM3U\n#EXT-X-FUTURE:A=1\n#EXT-X-TARGETDURATION:4\n#EXT-X-CUE-OUT:30\n#EXTINF:4\n# comment\na.ts\n\
                #EXT-X-PRELOAD-HINT:TYPE=LATER,URI=\"x\"\n";
    let playlist = media(text);
    assert_eq!(playlist.segments[0].duration, Duration::from_secs(4));
    assert_eq!((playlist.segments[0].title.as_deref(), playlist.version), (None, 0));
    let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,FUTURE=\"x\"\n\na.m3u8\nb.m3u8\n\
                #EXT-X-MEDIA:TYPE=SMELL,GROUP-ID=\"a\",NAME=\"b\"\n";
    let playlist = multivariant(text);
    assert_eq!(
        (playlist.variants.len(), playlist.variants[0].uri.as_str(), playlist.media.len()),
        (1, "a.m3u8", 0)
    );
}

#[test]
fn what_makes_no_sense_is_named_with_its_line() {
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n";
    for (text, line, why) in [
        ("#EXTM3U\n#EXT-X-TARGETDURATION:4.5\n", 2, "EXT-X-TARGETDURATION"),
        (&format!("{head}#EXTINF:1e3,\na\n"), 3, "EXTINF"),
        (&format!("{head}#EXTINF:-1,\na\n"), 3, "EXTINF"),
        (&format!("{head}a\n"), 3, "no EXTINF"),
        (&format!("{head}#EXTINF:1,\n"), 3, "no URI follows"),
        (&format!("{head}#EXT-X-BYTERANGE:5\n#EXTINF:1,\na\n"), 5, "no offset"),
        (&format!("{head}#EXT-X-BYTERANGE:5@-1\n#EXTINF:1,\na\n"), 3, "BYTERANGE"),
        (&format!("{head}#EXT-X-KEY:URI=\"a\"\n"), 3, "METHOD is missing"),
        (&format!("{head}#EXT-X-KEY:METHOD=AES-128\n"), 3, "URI is missing"),
        (&format!("{head}#EXT-X-KEY:METHOD=AES-128,URI=\"a\",IV=12\n"), 3, "IV"),
        (&format!("{head}#EXT-X-MAP:URI=a\n"), 3, "URI"),
        (&format!("{head}#EXT-X-PART:URI=\"a\"\n"), 3, "DURATION is missing"),
        (&format!("{head}#EXT-X-TARGETDURATION:4\n"), 3, "twice"),
        (&format!("{head}#EXT-X-PLAYLIST-TYPE:LIVE\n"), 3, "PLAYLIST-TYPE"),
        (&format!("{head}#EXT-X-START:TIME-OFFSET=x\n"), 3, "START"),
        (&format!("{head}#EXT-X-PROGRAM-DATE-TIME:yesterday\n"), 3, "PROGRAM-DATE-TIME"),
        (&format!("{head}#EXT-X-SKIP:X=1\n"), 3, "SKIPPED-SEGMENTS is missing"),
        (&format!("{head}#EXTINF:1,\n{{$x}}\n"), 4, "x is not defined"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n#EXTINF:1,\n", 4, "another kind"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"a\"\na\n", 2, "BANDWIDTH is missing"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1\na\n", 2, "RESOLUTION"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,FRAME-RATE=x\na\n", 2, "FRAME-RATE"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", 2, "no URI follows"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n", 3, "no URI follows"),
        ("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,NAME=\"a\"\n", 2, "GROUP-ID is missing"),
        ("#EXTM3U\n#EXT-X-SESSION-DATA:DATA-ID=\"a\"\n", 2, "SESSION-DATA"),
    ] {
        let error = read(text).unwrap_err();
        assert!(matches!(error, ReadError::Line { line: found, .. } if found == line), "{text}: {error}");
        assert!(error.to_string().contains(why), "{text}: {error}");
    }
    assert_eq!(read("#EXTM3U\n#EXTINF:1,\na\n"), Err(ReadError::Missing("EXT-X-TARGETDURATION")));
}

#[test]
fn texts_that_would_break_out_of_their_place_do_not() {
    let mut playlist = media(VOD);
    playlist.segments[0].uri = "a\n#EXT-X-ENDLIST\n".into();
    playlist.segments[0].title = Some("b\r\n#EXT-X-GAP".into());
    let again = media(&playlist.write());
    assert_eq!(again.segments.len(), 2);
    assert_eq!(again.segments[0].uri, "a#EXT-X-ENDLIST");
    let mut master = multivariant(MASTER);
    master.media[0].name = "a\",DEFAULT=NO,X=\"".into();
    master.variants[0].codecs = Some("a\"\nb".into());
    let again = multivariant(&master.write());
    assert_eq!(again.media[0].name, "a,DEFAULT=NO,X=");
    assert_eq!(again.variants[0].codecs.as_deref(), Some("ab"));
}

#[test]
fn versions_are_as_high_as_they_have_to_be() {
    let whole = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na\n";
    assert_eq!(media(whole).needed_version(), 1);
    for (line, version) in [
        ("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1", 2),
        ("#EXTINF:3.5,\nb", 3),
        ("#EXT-X-BYTERANGE:1@0", 4),
        ("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"", 5),
        ("#EXT-X-MAP:URI=\"i\"", 6),
        ("#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"", 8),
        ("#EXT-X-SKIP:SKIPPED-SEGMENTS=1", 9),
        ("#EXT-X-SKIP:SKIPPED-SEGMENTS=1,RECENTLY-REMOVED-DATERANGES=\"a\"", 10),
        ("#EXT-X-SKIP:SKIPPED-SEGMENTS=1,RECENTLY-REMOVED-DATERANGES=\"\"", 10),
    ] {
        let text = whole.replace("#EXTINF:4,", &format!("{line}\n#EXTINF:4,"));
        assert_eq!(media(&text).needed_version(), version, "{line}");
    }
}

#[test]
fn updates_leave_out_and_are_put_together_again() {
    let old = media(LOW_LATENCY);
    let mut new = old.clone();
    let mut finished = *new.unfinished.take().unwrap();
    (finished.uri, finished.duration) = ("104.m4s".into(), Duration::from_secs(2));
    new.segments.push(finished);
    new.preload_hints.clear();
    // 10 s of media, of which the last 4 s stay.
    let delta = new.delta(Skip::Segments, &[]).unwrap();
    assert_eq!((delta.skipped.as_ref().unwrap().segments, delta.segments.len()), (3, 2));
    // The date range of a segment that is left out is told all the same.
    let text = delta.write();
    assert!(text.contains("#EXT-X-DATERANGE:ID=\"ad\"") && text.contains("VERSION:9"), "{text}");
    let merged = old.update(text.as_bytes(), Variables::default()).unwrap();
    assert_eq!(merged.segments.len(), 5);
    let ranges =
        |playlist: &MediaPlaylist| playlist.segments.iter().map(|s| s.date_ranges.len()).sum::<usize>();
    assert_eq!((ranges(&merged), ranges(&new)), (1, 1));
    let plain = |playlist: &MediaPlaylist| {
        let mut segments = playlist.segments.clone();
        segments.iter_mut().for_each(|segment| segment.date_ranges.clear());
        segments
    };
    assert_eq!(plain(&merged), plain(&new));
    // An update that does not repeat what holds is understood from what is there.
    let bare: String =
        text.lines().filter(|line| !line.contains("EXT-X-MAP")).map(|line| format!("{line}\n")).collect();
    assert_eq!(plain(&old.update(bare.as_bytes(), Variables::default()).unwrap()), plain(&new));
    // Whoever does not have what is left out cannot use it.
    let mut behind = old.clone();
    behind.segments.truncate(2);
    let gap = MergeError::Gap { from: 100, to: 103 };
    assert_eq!(behind.update(text.as_bytes(), Variables::default()), Err(gap));
    // A whole playlist is an update as well.
    assert_eq!(old.update(new.write().as_bytes(), Variables::default()).unwrap(), new);
    // Nothing is left out when nothing is old, or no more will come.
    let mut ended = new.clone();
    ended.ended = true;
    assert_eq!(ended.delta(Skip::Segments, &[]), None);
    let mut short = new;
    short.segments.drain(..3);
    assert_eq!(short.delta(Skip::Segments, &[]), None);
}

/// Whatever keys hold for what is left out and for what is not, and for their initialization sections.
#[test]
fn updates_of_encrypted_playlists_are_put_together_again() {
    let key =
        |uri: &str, format: &str| format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{uri}\",KEYFORMAT=\"{format}\"\n");
    let (a, a2, b, b2) = (key("a", "x"), key("a2", "x"), key("b", "y"), key("b2", "y"));
    let (none, map) = ("#EXT-X-KEY:METHOD=NONE\n".to_owned(), "#EXT-X-MAP:URI=\"i\"\n".to_owned());
    let said = [
        vec![],
        vec![&map],
        vec![&a],
        vec![&map, &a],
        vec![&a, &map],
        vec![&a, &b],
        vec![&a, &map, &b],
        vec![&none, &b2, &a2],
        vec![&none],
        vec![&none, &map],
        vec![&none, &map, &b],
    ];
    let texts = said.map(|tags| tags.into_iter().map(String::as_str).collect::<String>());
    let mut merged = 0;
    for first in &texts {
        for second in &texts {
            for third in &texts {
                let text = format!(
                    "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=6\n\
                     {first}#EXTINF:4,\n0\n{second}#EXTINF:4,\n1\n{third}#EXTINF:4,\n2\n"
                );
                let whole = media(&text);
                assert_eq!(media(&whole.write()), MediaPlaylist { version: 9, ..whole.clone() }, "{text}");
                let delta = whole.delta(Skip::Segments, &[]).unwrap();
                assert_eq!(delta.segments.len(), 2);
                let update = delta.write();
                assert_eq!(
                    whole.update(update.as_bytes(), Variables::default()),
                    Ok(whole),
                    "{text}{update}"
                );
                merged += 1;
            }
        }
    }
    assert_eq!(merged, 11 * 11 * 11);
    // What has no keys says nothing of them.
    assert!(!media(LOW_LATENCY).delta(Skip::Segments, &[]).unwrap().write().contains("EXT-X-KEY"));
}

#[test]
fn durations_are_exact_to_the_microsecond() {
    for (told, written) in [
        ("6.006", "6.006"),
        ("16.683333", "16.683333"),
        ("1024.000001", "1024.000001"),
        ("86399.999999", "86399.999999"),
        ("4.0000004", "4"),
        ("4.0000005", "4.000001"),
        ("0", "0"),
    ] {
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:{told},\na\n");
        let out = media(&text).write();
        assert!(out.contains(&format!("\n#EXTINF:{written},\na\n")), "{told}: {out}");
    }
}

#[test]
fn date_ranges_may_be_left_out_too() {
    let mut new = media(LOW_LATENCY);
    new.server_control.can_skip_dateranges = true;
    let delta = new.delta(Skip::DateRanges, &["old".to_owned()]).unwrap();
    let text = delta.write();
    assert!(!text.contains("DATERANGE:") && text.contains("RECENTLY-REMOVED-DATERANGES=\"old\""), "{text}");
    let merged = new.update(text.as_bytes(), Variables::default()).unwrap();
    assert_eq!(merged.segments, new.segments);
    // None has gone: they are left out all the same, and stay.
    let text = new.delta(Skip::DateRanges, &[]).unwrap().write();
    assert!(text.contains("RECENTLY-REMOVED-DATERANGES=\"\""), "{text}");
    assert_eq!(new.update(text.as_bytes(), Variables::default()).unwrap().segments, new.segments);
    // Those that have gone are taken out of what is there.
    let ad = new.delta(Skip::DateRanges, &["ad".to_owned()]).unwrap().write();
    let without = new.update(ad.as_bytes(), Variables::default()).unwrap();
    assert!(without.segments.iter().all(|segment| segment.date_ranges.is_empty()));
}

#[test]
fn date_ranges_are_told_once_by_a_server_that_could_leave_them_out() {
    let mut new = media(LOW_LATENCY);
    new.server_control.can_skip_dateranges = true;
    let text = new.delta(Skip::Segments, &[]).unwrap().write();
    let merged = new.update(text.as_bytes(), Variables::default()).unwrap();
    let ids = |playlist: &MediaPlaylist| -> Vec<String> {
        let ranges = playlist.segments.iter().flat_map(|segment| &segment.date_ranges);
        ranges.map(|range| range.id.clone()).collect()
    };
    assert_eq!((ids(&merged), merged.segments.len()), (ids(&new), new.segments.len()));
    assert!(!ids(&new).is_empty());
}

#[test]
fn what_is_left_out_is_not_there_for_another_update() {
    let old = media(LOW_LATENCY);
    let text = old.delta(Skip::Segments, &[]).unwrap().write();
    let delta = media(&text);
    assert!(delta.skipped.is_some());
    for skip in [Skip::Segments, Skip::DateRanges] {
        assert_eq!(delta.delta(skip, &[]), None);
    }
    // It does not have the segments that it stands for.
    assert!(matches!(delta.update(text.as_bytes(), Variables::default()), Err(MergeError::Gap { .. })));
}

#[test]
fn directives() {
    let parse = |query: &[(&'static str, &'static str)]| Directives::parse(query.iter().copied());
    let wait = |msn, part| Some(Awaited { msn, part });
    for (query, expected) in [
        (&[][..], Ok(Directives::default())),
        (&[("_HLS_msn", "5")], Ok(Directives { wait: wait(5, None), skip: None })),
        (
            &[("_HLS_part", "2"), ("_HLS_msn", "5"), ("_HLS_skip", "YES")],
            Ok(Directives { wait: wait(5, Some(2)), skip: Some(Skip::Segments) }),
        ),
        (&[("_HLS_skip", "v2")], Ok(Directives { wait: None, skip: Some(Skip::DateRanges) })),
        (&[("_HLS_later", "x"), ("_HLS_skip", "NO")], Ok(Directives::default())),
        (&[("_HLS_part", "2")], Err(BadDirectives::PartAlone)),
        (&[("_HLS_msn", "-1")], Err(BadDirectives::Value("_HLS_msn"))),
        (&[("_HLS_msn", "1"), ("_HLS_part", "")], Err(BadDirectives::Value("_HLS_part"))),
    ] {
        assert_eq!(parse(query), expected, "{query:?}");
    }
}

#[test]
fn what_a_request_waits_for() {
    // Segments 100 to 103 are complete, the last one has 4 parts; of 104 there is one part.
    let playlist = media(LOW_LATENCY);
    for (msn, part, has, may) in [
        (99, None, true, true),
        (103, None, true, true),
        (104, None, false, true),
        (105, None, false, true),
        (106, None, false, false),
        (u64::MAX, Some(0), false, false),
        (103, Some(3), true, true),
        // Behind the last part of 103 comes the first one of 104.
        (103, Some(4), true, true),
        (104, Some(0), true, true),
        (104, Some(1), false, true),
        (104, Some(6), false, true),
        (104, Some(7), false, false),
        (105, Some(0), false, true),
    ] {
        let awaited = Awaited { msn, part };
        assert_eq!(playlist.has(awaited), has, "{awaited:?}");
        assert_eq!(playlist.may_await(awaited).is_ok(), may, "{awaited:?}");
    }
    let mut ended = playlist;
    ended.ended = true;
    let far = Awaited { msn: 1000, part: None };
    assert!(ended.has(far) && ended.may_await(far).is_ok());
}

#[test]
fn whatever_comes_nothing_breaks() {
    let seeds = [VOD, ENCRYPTED, LOW_LATENCY, MASTER];
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut text = seeds[random.usize(..seeds.len())].as_bytes().to_vec();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..text.len());
            match random.u8(..4) {
                0 => text[at] = random.u8(..),
                1 => text.truncate(at.max(1)),
                2 => text.insert(at, *b"=,:\"\n#@0".get(random.usize(..8)).unwrap()),
                _ => {
                    let line =
                        text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| at + end);
                    text.drain(at..line);
                    if text.is_empty() {
                        text.push(b'#');
                    }
                }
            }
        }
        check(&text);
    }
}

/// What is read can be written, and read again as the same.
fn check(bytes: &[u8]) {
    let Ok(playlist) = Playlist::read(bytes, Variables::default()) else { return };
    match playlist {
        Playlist::Media(mut playlist) => {
            playlist.version = playlist.version.max(playlist.needed_version());
            let text = playlist.write();
            let again = media(&text);
            let rounded = |playlist: &MediaPlaylist| -> Vec<String> {
                playlist.segments.iter().map(|segment| Seconds(segment.duration).to_string()).collect()
            };
            assert_eq!(rounded(&again), rounded(&playlist), "{text}");
            assert_eq!(again.write(), text);
        }
        Playlist::Multivariant(playlist) => {
            let text = playlist.write();
            assert_eq!(multivariant(&text).write(), text);
        }
    }
}

/// Playlists of a few kilobytes, or of less than the limit, that would take all memory or hours if they were believed.
#[test]
fn playlists_that_would_grow_without_limit() {
    let doubled = |n: usize| format!("#EXT-X-DEFINE:NAME=\"v{}\",VALUE=\"{{$v{n}}}{{$v{n}}}\"\n", n + 1);
    let bomb: String = (0..40).map(doubled).collect();
    let keys: String = (0..=MAX_KEYS)
        .map(|n| format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\",KEYFORMAT=\"f{n}\"\n"))
        .collect();
    let names: String = (0..500_000).map(|n| format!("A{n}=1,")).collect();
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n";
    for (text, expected) in [
        (
            format!("{head}#EXT-X-DEFINE:NAME=\"v0\",VALUE=\"xx\"\n{bomb}"),
            Why::Variable(VariableError::TooMuch),
        ),
        (
            format!(
                "#EXTM3U\n#EXT-X-DEFINE:NAME=\"v0\",VALUE=\"xx\"\n{bomb}#EXT-X-STREAM-INF:BANDWIDTH=1\na\n"
            ),
            Why::Variable(VariableError::TooMuch),
        ),
        (
            format!(
                "{head}#EXT-X-DEFINE:NAME=\"v\",VALUE=\"{}\"\n{}",
                "x".repeat(1 << 20),
                "#EXTINF:1,\n{$v}\n".repeat(9)
            ),
            Why::Variable(VariableError::TooMuch),
        ),
        (format!("{head}{keys}"), Why::TooManyKeys),
        (format!("{head}#EXT-X-DATERANGE:{names}B=1\n"), Why::Attribute(AttributeError::TooMany)),
    ] {
        let read = Playlist::read(text.as_bytes(), Variables::default());
        assert!(
            matches!(&read, Err(ReadError::Line { why, .. }) if *why == expected),
            "{:.300}",
            format!("{read:?}")
        );
    }
    // Keys are held once, however many segments have them.
    let most: String = keys.lines().take(MAX_KEYS).map(|line| format!("{line}\n")).collect();
    let text = format!("{head}{most}{}", "#EXTINF:1,\na\n".repeat(1000));
    let Playlist::Media(playlist) = Playlist::read(text.as_bytes(), Variables::default()).unwrap() else {
        panic!("a media playlist")
    };
    let first = &playlist.segments[0].keys;
    assert_eq!(first.len(), MAX_KEYS);
    assert!(playlist.segments.iter().all(|segment| Arc::ptr_eq(&segment.keys, first)));
}

/// Variables count in URIs, quoted strings and hexadecimal sequences only.
#[test]
fn variables_are_filled_in_where_they_count() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-DEFINE:NAME=\"n\",VALUE=\"7\"\n\
        #EXT-X-DEFINE:NAME=\"iv\",VALUE=\"0x{$n}\"\n#EXT-X-NEW:{$unknown}\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"k{$n}\",IV={$iv}\n#EXTINF:4,the {$n}th\ns{$n}.ts\n";
    let Playlist::Media(playlist) = read(text).unwrap() else { panic!("a media playlist") };
    let segment = &playlist.segments[0];
    assert_eq!((segment.uri.as_str(), segment.title.as_deref()), ("s7.ts", Some("the {$n}th")));
    let key = &segment.keys[0];
    assert_eq!((key.uri.as_deref(), key.iv), (Some("k7"), Some(7u128.to_be_bytes())));
    let number = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"n\",VALUE=\"7\"\n#EXT-X-STREAM-INF:BANDWIDTH={$n}\na\n";
    assert!(read(number).is_err());
    let variant = number.replace("={$n}", "=7,CODECS=\"avc1.{$n}\"");
    let Playlist::Multivariant(playlist) = read(&variant).unwrap() else { panic!("a multivariant playlist") };
    assert_eq!(playlist.variants[0].codecs.as_deref(), Some("avc1.7"));
}
